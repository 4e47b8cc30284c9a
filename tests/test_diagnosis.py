"""What may be wrong with a fitted student, against numbers that are found in other ways."""

import numpy as np
import pennylane as qml
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.datasets import load_digits
from sklqkd.random_states import numpy_generator
from sklqkd.students.diagnosis import trace_distance
from sklqkd.students.features import encoded_features

X, Y = load_digits(return_X_y=True)
X, Y = X[Y < 4][:150], Y[Y < 4][:150]


def fitted(images=X, labels=Y, **parameters):
    parameters = {"n_qubits": 3, "n_layers": 2, "max_iter": 2, "random_state": 0, **parameters}
    return QNNClassifier(**parameters).fit(images, labels)


def with_weights(student, weights, head=None):
    """Return a student with other angles, and another head."""
    start = -student._fitted_network().size
    parameters = student.parameters_.copy().astype(float)
    parameters[start : start + weights.size] = weights.ravel()
    if head is not None:
        parameters[start + weights.size :] = head
    other = fitted(reducer=student.reducer, encoding=student.encoding, ansatz=student.ansatz)
    other.parameters_ = parameters
    return other


@pytest.mark.parametrize("ansatz", ["strongly_entangling", "basic_entangler", "rotations"])
def test_an_angle_moves_the_output_if_turning_it_does(ansatz):
    student = fitted(ansatz=ansatz)
    diagnosis = student.diagnose(X, Y)
    weights = student.circuit_weights_.astype(float)
    before = with_weights(student, weights).decision_function(X)
    for index in np.ndindex(weights.shape):
        turned = weights.copy()
        turned[index] += 0.7
        change = np.abs(with_weights(student, turned).decision_function(X) - before).max()
        assert diagnosis.moves[index] == (change > 1e-9), index
    assert diagnosis.moving_share == diagnosis.moves.mean()
    n_idle = (~diagnosis.moves).sum()
    assert ("IDLE_PARAMETERS" in diagnosis.codes) == (n_idle > 0)
    assert n_idle == {"strongly_entangling": 3, "basic_entangler": 0, "rotations": 3}[ansatz]


def test_gradient_variance_is_that_of_differences():
    student = fitted(reducer="pca", ansatz="basic_entangler")
    found = student.diagnose(X, Y, n_draws=4, max_samples=150, random_state=3)
    network = student._fitted_network()
    rng = numpy_generator(3)
    rows = np.sort(rng.permutation(len(X))[:150])
    step, gradients = 1e-5, np.empty((4, 6))
    for draw in range(4):
        parameters = network.initial_parameters(rng)
        for k in range(6):
            losses = []
            for sign in (1, -1):
                moved = parameters[:6].copy()
                moved[k] += sign * step
                other = with_weights(student, moved, parameters[6:])
                losses.append(log_loss(Y[rows], other.predict_proba(X[rows])))
            gradients[draw, k] = (losses[0] - losses[1]) / 2 / step
        rng.normal(size=(len(rows), 4))
    expected = gradients.var(axis=0).reshape(2, 3).mean(axis=1)
    assert_allclose(found.gradient_variance, expected, rtol=1e-4)


def test_fidelities_and_distances_are_those_of_default_qubit():
    student = fitted(encoding="angle", reducer="pca", ansatz="none")
    found = student.diagnose(X[:30], Y[:30])

    @qml.qnode(qml.device("default.qubit", wires=3))
    def state(angles):
        qml.AngleEmbedding(angles, wires=range(3), rotation="Y")
        return qml.state()

    states = [state(np.pi * np.tanh(row)) for row in encoded_features(student, X[:30])]
    pairs = [(i, j) for i in range(30) for j in range(i)]
    fidelities = [float(qml.math.fidelity_statevector(states[i], states[j])) for i, j in pairs]
    assert found.fidelity_mean == pytest.approx(np.mean(fidelities))
    assert found.fidelity_sd == pytest.approx(np.std(fidelities))
    matrices = np.array([np.outer(one, one.conj()) for one in states])
    means = [matrices[Y[:30] == label].mean(axis=0) for label in range(4)]
    for i in range(4):
        for j in range(4):
            expected = float(qml.math.trace_distance(means[i], means[j]))
            assert found.class_distance[i, j] == pytest.approx(expected, abs=1e-7)


def test_trace_distance_of_many_states_and_of_few():
    rng = np.random.default_rng(0)
    for counts in ((2, 3), (40, 50)):
        sides = [rng.normal(size=(8, n)) + 1j * rng.normal(size=(8, n)) for n in counts]
        sides = [side / np.linalg.norm(side, axis=0) for side in sides]
        means = [side @ side.conj().T / side.shape[1] for side in sides]
        expected = np.linalg.svd(means[0] - means[1], compute_uv=False).sum() / 2
        assert trace_distance(*sides) == pytest.approx(expected)


def test_saturated_features_are_found():
    student = fitted(reducer=None, encoding="amplitude", images=X[:, 16:24])
    assert "SATURATED_FEATURES" not in student.diagnose(X[:, 16:24], Y).codes
    found = student.diagnose(50 * X[:, 16:24], Y)
    finding = found.findings[found.codes.index("SATURATED_FEATURES")]
    encoded = encoded_features(student, 50 * X[:, 16:24])
    assert_allclose(found.saturated_share, (np.abs(np.tanh(encoded)) > 0.99).mean(axis=0))
    assert finding.numbers["share"] == pytest.approx(found.saturated_share.mean())
    assert "Scale the features down" in finding.remedy


def test_flat_alike_and_black_images_are_found():
    rng = np.random.default_rng(0)
    student = fitted(reducer=None, images=X[:, 16:24])
    alike = 0.5 + 1e-4 * rng.normal(size=(60, 8))
    codes = student.diagnose(alike, Y[:60]).codes
    assert {"FLAT_FEATURES", "ALIKE_STATES", "CLOSE_CLASSES"} <= set(codes)
    black = np.where(np.arange(60)[:, None] < 6, 0, X[:60, 16:24])
    assert "BLACK_IMAGES" in student.diagnose(black, Y[:60]).codes
    assert "BLACK_IMAGES" not in student.diagnose(X[:, 16:24], Y).codes


def test_concentrated_fidelities_and_plateaus_are_found():
    rng = np.random.default_rng(0)
    noise, labels = rng.uniform(-1.5, 1.5, size=(60, 10)), np.arange(60) % 2
    student = QNNClassifier(
        n_qubits=10, encoding="angle", reducer=None, n_layers=1, max_iter=1, random_state=0
    ).fit(noise, labels)
    found = student.diagnose(noise, labels, n_draws=4)
    assert found.fidelity_mean < 0.1
    assert ("CONCENTRATED_FIDELITIES" in found.codes) == (found.fidelity_sd < 0.02)

    def parity(weights, wires):  # a few rotations far apart, in front of a global average
        for weight, wire in zip(weights, wires, strict=True):
            qml.RX(1e-4 * weight, wires=wire)

    parity.shape = lambda n_wires: (n_wires,)
    flat = fitted(ansatz=parity).diagnose(X, Y)
    assert "VANISHING_GRADIENTS" in flat.codes


def test_the_teacher_is_looked_at():
    strong, weak = LogisticRegression(max_iter=1000).fit(X, Y), DummyClassifier().fit(X, Y)
    student = DistilledQNNClassifier(strong, n_qubits=3, max_iter=1, random_state=0).fit(X, Y)
    found = student.diagnose(X, Y)
    assert found.teacher_agreement == (student.predict(X) == strong.predict(X)).mean()
    assert found.teacher_accuracy == strong.score(X, Y)
    assert ("LOW_TEACHER_AGREEMENT" in found.codes) == (found.teacher_agreement < 0.8)
    student.set_params(max_iter=30).fit(X, Y)
    student.teacher = weak
    assert "WEAK_TEACHER" in student.diagnose(X, Y).codes
    assert np.isnan(fitted().diagnose(X, Y).teacher_agreement)


def test_training_that_was_cut_short_is_found():
    assert "STILL_LEARNING" in fitted(max_iter=10).diagnose(X, Y).codes
    student = fitted(max_iter=400, n_iter_no_change=3, tol=1e-2)
    assert student.n_iter_ < 400
    assert "STILL_LEARNING" not in student.diagnose(X, Y).codes


def test_is_a_page_of_text_and_changes_nothing(capsys):
    student = fitted()
    before = student.parameters_.copy()
    found = student.diagnose(X, Y)
    assert capsys.readouterr().out == ""
    assert_array_equal(student.parameters_, before)
    assert repr(found) == repr(student.diagnose(X, Y))
    assert "angles that move the output  15 of 18 (83%)" in repr(found)
    assert "IDLE_PARAMETERS: 3 of 18 angles" in repr(found)
    assert "angles" not in repr(fitted(ansatz="none").diagnose(X, Y)).split("IDLE")[0]


def test_images_without_a_label_do_not_count_as_wrong():
    student = fitted(labels=np.take(list("abcd"), Y))
    labels = np.take(list("abcd"), Y).astype(object)
    labels[::2] = "no label"
    expected = (student.predict(X) == labels)[1::2].mean()
    assert student.diagnose(X, labels).accuracy == expected


def woven(features, weights, wires):
    for i, wire in enumerate(wires):
        qml.RX(features[i] * weights[i], wires=wire)


woven.shape = lambda n_wires: (n_wires,)


def test_data_that_enter_several_times_or_with_weights():
    uploads = fitted(encoding="angle", n_uploads=2, n_qubits=2, trainable_scaling=True)
    found = uploads.diagnose(X, Y, n_draws=3)
    assert found.gradient_variance.shape == (4,)  # two layers in each upload
    assert found.moves.shape == uploads.circuit_weights_.shape == (2, 2, 2, 3)
    assert np.isfinite(found.fidelity_mean)
    found = fitted(encoding=woven, n_qubits=2).diagnose(X, Y, n_draws=3)
    assert np.isnan(found.fidelity_mean)
    assert "fidelity" not in repr(found)


def test_bad_input_is_refused():
    student = fitted()
    with pytest.raises(NotFittedError):
        QNNClassifier().diagnose(X, Y)
    with pytest.raises(ValueError, match="No label of y"):
        student.diagnose(X, Y + 10)
    with pytest.raises(ValueError, match="inconsistent"):
        student.diagnose(X, Y[1:])
    with pytest.raises(ValueError, match="n_draws"):
        student.diagnose(X, Y, n_draws=1)
