"""A student against itself without its circuit, or a part of it."""

import numpy as np
import pennylane as qml
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.circuits import ansatz_shape, ansatz_template, compile_ansatz
from sklqkd.datasets import load_digits
from sklqkd.evaluation import ablate
from sklqkd.evaluation.ablation import ablations
from sklqkd.plotting import EvaluationDisplay
from sklqkd.students.ablated_circuits import FixedAngles, RandomOrthogonal, WithoutEntanglers
from sklqkd.students.features import encoded_features
from sklqkd.students.random_fourier import DistilledFourierClassifier, FourierLayer

X, Y = load_digits(return_X_y=True)
TRAIN, LABELS, TEST, TEST_LABELS = X[:150], Y[:150], X[900:], Y[900:]
ROWS = [
    *("student", "fixed random angles", "no trained gate", "no entanglers", "random orthogonal"),
    *("linear head", "random Fourier features", "MLP"),
]


def ising(weights, wires):
    qml.RY(weights[0], wires=wires[0])
    qml.IsingXX(weights[1], wires=wires[:2])
    qml.CNOT(wires=wires[-2:])
    qml.RX(weights[2], wires=wires[-1])


ising.shape = (3,)


def test_one_table_of_all_rows_with_their_sizes():
    student = QNNClassifier(n_qubits=3, n_layers=2, reducer="pca", max_iter=2)
    comparison = ablate(student, TRAIN, LABELS, TEST, TEST_LABELS, seeds=2)
    table = comparison.results
    assert table["estimator"].unique().tolist() == ROWS
    assert comparison.baseline == "student"
    sizes = table.groupby("estimator")["n_parameters"].first()
    assert sizes["student"] == 18 + 10 * 8 + 10
    for name in ("fixed random angles", "no trained gate", "random orthogonal"):
        assert sizes[name] == 10 * 8 + 10
    assert sizes["no entanglers"] == sizes["student"]
    assert sizes["linear head"] == 90
    assert abs(sizes["random Fourier features"] - sizes["student"]) <= 5
    assert abs(sizes["MLP"] - sizes["student"]) <= 10
    display = EvaluationDisplay.from_comparison(comparison)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ROWS
    alone = clone(student).set_params(random_state=1).fit(TRAIN, LABELS)
    assert comparison.scores()["student"][1] == alone.score(TEST, TEST_LABELS)


def test_all_rows_learn_from_the_same_teacher_by_the_same_loss():
    teacher = LogisticRegression(max_iter=1000).fit(X, Y)
    student = DistilledQNNClassifier(
        teacher, lam=0.7, temperature=2.0, n_qubits=3, encoding="angle", max_iter=7
    )
    rows = ablations(student, 10)
    assert list(rows) == ROWS
    for name, row in rows.items():
        assert row.teacher is teacher, name
        assert (row.lam, row.temperature, row.max_iter, row.reducer) == (0.7, 2.0, 7, "fc")
        assert getattr(row, "n_components", 3) == 3
    assert all(row.lam == 0 for row in list(ablations(QNNClassifier(), 10).values())[5:])


def test_rows_that_would_be_the_student_are_left_out():
    names = list(ablations(QNNClassifier(ansatz="none"), 10))
    assert names == ["student", *ROWS[4:]]
    names = list(ablations(QNNClassifier(ansatz="rotations"), 10))
    assert names == [*ROWS[:3], *ROWS[4:]]
    with pytest.raises(ValueError, match=r"\['no entanglers'\], which this student has no row"):
        ablate(QNNClassifier(ansatz="none"), X, Y, cv=2, rows=["no entanglers"])
    with pytest.raises(TypeError, match="no circuit to take away"):
        ablate(LogisticRegression(), X, Y, cv=2)


@pytest.mark.parametrize("ansatz", ["strongly_entangling", "basic_entangler", ising])
def test_fixed_angles_are_the_ansatz_at_random_angles(ansatz):
    fixed = FixedAngles(ansatz, n_layers=2, random_state=3)
    angles = np.random.default_rng(3).uniform(0, 2 * np.pi, ansatz_shape(ansatz, 3, 2))
    expected = qml.matrix(ansatz_template(ansatz), wire_order=range(3))(angles, wires=range(3))
    assert_allclose(qml.matrix(fixed, wire_order=range(3))(np.empty(0), range(3)), expected)
    assert compile_ansatz(fixed, 3, 2).n_weights == 0


def test_without_entanglers_one_qubit_gates_stay():
    weights = np.array([0.3, 0.5, 0.7])
    found = qml.matrix(WithoutEntanglers(ising), wire_order=range(3))(weights, range(3))
    expected = np.kron(np.kron(qml.RY.compute_matrix(0.3), np.eye(2)), qml.RX.compute_matrix(0.7))
    assert_allclose(found, expected)
    shape = WithoutEntanglers("strongly_entangling").shape(n_layers=2, n_wires=3)
    weights = np.random.default_rng(0).uniform(size=shape)
    template = WithoutEntanglers("strongly_entangling")
    found = qml.matrix(template, wire_order=range(3))(weights, range(3))
    layers = []
    for layer in weights:
        gates = [qml.Rot.compute_matrix(*angles) for angles in layer]
        layers.append(np.kron(np.kron(gates[0], gates[1]), gates[2]))
    assert_allclose(found, layers[1] @ layers[0], atol=1e-12)


def test_a_random_orthogonal_matrix_and_squares():
    student = QNNClassifier(
        n_qubits=3, reducer="pca", ansatz=RandomOrthogonal(5), max_iter=2, random_state=0
    ).fit(TRAIN, LABELS)
    matrix = RandomOrthogonal(5).matrix(3)
    assert_allclose(matrix @ matrix.T, np.eye(8), atol=1e-12)
    squashed = np.tanh(encoded_features(student, TEST))
    amplitudes = squashed / np.linalg.norm(squashed, axis=1, keepdims=True)
    outputs = 8 * (amplitudes @ matrix.T) ** 2
    expected = outputs @ student.head_coef_.T + student.head_intercept_
    assert_allclose(student.decision_function(TEST), expected, rtol=1e-6)


@pytest.mark.parametrize("ansatz", [FixedAngles("rotations"), RandomOrthogonal()])
def test_each_seed_draws_its_own(ansatz):
    student = QNNClassifier(n_qubits=2, ansatz=ansatz, max_iter=1, random_state=0)
    again = clone(student).set_params(ansatz__random_state=1)
    first, second, third = (
        qml.matrix(one.ansatz, wire_order=range(2))(np.empty(0), range(2))
        for one in (student, again, clone(student))
    )
    assert np.abs(first - second).max() > 0.1
    assert_array_equal(first, third)


def test_random_fourier_features_are_cosines_and_stay():
    student = DistilledFourierClassifier(
        lam=0, hidden_units=9, n_components=4, reducer="pca", max_iter=1, random_state=0
    ).fit(TRAIN, LABELS)
    coef, intercept = student.hidden_coef_, student.hidden_intercept_
    assert coef.shape == (9, 4)
    student.set_params(max_iter=5, warm_start=True).fit(TRAIN, LABELS)
    assert_array_equal(student.hidden_coef_, coef)
    assert_array_equal(student.hidden_intercept_, intercept)
    squashed = np.tanh(encoded_features(student, TEST))
    waves = np.sqrt(2) * np.cos(squashed @ coef.T + intercept)
    expected = waves @ student.head_coef_.T + student.head_intercept_
    assert_allclose(student.decision_function(TEST), expected, rtol=1e-6, atol=1e-9)
    assert student.n_parameters_ == {"quantum": 0, "classical": 10 * 9 + 10}


def test_random_fourier_features_have_the_gradient_of_differences():
    rng = np.random.default_rng(0)
    layer, features = FourierLayer(3, 5), rng.normal(size=(4, 3))
    layer.prepare(layer.initial_weights(rng))
    gradient = rng.normal(size=(5, 4))
    layer.values(features)
    _, found = layer.backward(gradient, True)
    step = 1e-6
    for i, j in np.ndindex(features.shape):
        moved = [features + s * step * (np.arange(12).reshape(4, 3) == 3 * i + j) for s in (1, -1)]
        difference = [(gradient * layer.values(one)).sum() for one in moved]
        assert found[i, j] == pytest.approx((difference[0] - difference[1]) / 2 / step, rel=1e-6)
