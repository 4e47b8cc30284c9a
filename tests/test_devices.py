"""PennyLane devices and parameter-shift gradients against the exact simulator."""

import pickle

import joblib
import numpy as np
import pennylane as qml
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.backends import make_backend
from sklqkd.circuits import ANSATZ_NAMES, ansatz_shape, compile_ansatz
from sklqkd.circuits.gates import ansatz_gates, shift_rule
from sklqkd.datasets import load_digits
from sklqkd.encodings import ENCODINGS, make_encoding
from sklqkd.simulation import ExactCircuit, NoisyCircuit
from sklqkd.simulation.device_circuit import DeviceCircuit

from .reference import RandomTemplate, differences

DEVICES = ["default.qubit", "lightning.qubit", "default.mixed"]


def make_pair(encoding, ansatz, n_qubits, backend, seed=0, n_layers=2):
    """Return the same circuit on a backend and in the exact simulator, and its weights."""
    encoding = make_encoding(encoding, n_qubits)
    n_weights = int(np.prod(ansatz_shape(ansatz, n_qubits, n_layers)))
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0, 2 * np.pi, n_weights)
    device = DeviceCircuit(
        encoding.preparation(),
        ansatz_gates(ansatz, n_qubits, n_layers),
        n_weights,
        backend,
        rng,
    )
    exact = ExactCircuit(encoding, compile_ansatz(ansatz, n_qubits, n_layers), np.float64)
    for circuit in (device, exact):
        circuit.prepare(weights)
    features = rng.normal(size=(3, encoding.n_features))
    return device, exact, features


def exact_probabilities(exact, features):
    return exact.values(features)[exact.permutation]


@pytest.mark.parametrize(
    ("device", "n_qubits"),
    [(d, n) for d in DEVICES for n in (2, 3, 4, 6) if d != "default.mixed" or n < 5],
)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_devices_give_the_exact_probabilities(device, encoding, n_qubits):
    ansaetze = [*ANSATZ_NAMES, RandomTemplate(n_qubits, n_qubits)]
    if device == "default.mixed" and n_qubits == 4:
        ansaetze = ansaetze[:1]  # density matrices take long
    for seed, ansatz in enumerate(ansaetze):
        backend = make_backend(device, n_qubits)
        circuit, exact, features = make_pair(encoding, ansatz, n_qubits, backend, seed)
        expected = exact_probabilities(exact, features)
        np.testing.assert_allclose(circuit.values(features), expected, atol=1e-9)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_preparation_makes_the_encoded_state(encoding):
    for n_qubits in range(1, 6):
        scheme = make_encoding(encoding, n_qubits)
        preparation = scheme.preparation()
        rng = np.random.default_rng(n_qubits)
        for features in (rng.normal(size=(4, scheme.n_features)), rng.normal(size=(2, 1))):
            operations = preparation.circuit.operations(preparation.angles(features))
            script = qml.tape.QuantumScript(operations, [qml.state()])
            (states,) = qml.execute([script], qml.device("default.qubit", wires=n_qubits), None)
            expected = scheme.forward(features)
            # Where no angle differs between the rows, one state stands for all.
            states = np.broadcast_to(states, expected.T.shape)
            overlaps = np.abs(np.einsum("bk,kb->b", np.conj(states), expected))
            np.testing.assert_allclose(overlaps, 1, atol=1e-12)


def test_a_black_image_prepares_zero():
    preparation = make_encoding("amplitude", 3).preparation()
    angles = preparation.angles(np.zeros((1, 8)))
    assert not angles.any()
    assert np.isfinite(preparation.backward(np.ones_like(angles))).all()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_gradient_of_the_preparation(encoding):
    rng = np.random.default_rng(0)
    preparation = make_encoding(encoding, 3).preparation()
    features = rng.normal(size=(1, make_encoding(encoding, 3).n_features))
    towards = rng.normal(size=preparation.angles(features).shape)
    expected = differences(lambda x: (preparation.angles(x[None]) * towards).sum(), features[0])
    preparation.angles(features)
    np.testing.assert_allclose(preparation.backward(towards)[0], expected, atol=1e-7)


@pytest.mark.parametrize("diff_method", ["parameter-shift", "adjoint"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
def test_gradients_are_those_of_the_exact_simulator(device, encoding, diff_method):
    for seed, ansatz in enumerate([*ANSATZ_NAMES, RandomTemplate(5, 3), RandomTemplate(8, 3)]):
        backend = make_backend(device, 3, options={"diff_method": diff_method})
        assert backend.has_adjoint is (diff_method == "adjoint")
        circuit, exact, features = make_pair(encoding, ansatz, 3, backend, seed)
        circuit.values(features)
        exact.values(features)
        gradient = np.random.default_rng(seed).normal(size=(8, len(features)))
        of_weights, of_features = circuit.backward(gradient, with_input=True)
        order = np.argsort(exact.permutation)
        expected_weights, expected_features = exact.backward(gradient[order], with_input=True)
        np.testing.assert_allclose(of_weights, expected_weights, atol=1e-9)
        np.testing.assert_allclose(of_features, expected_features, atol=1e-9)
        assert circuit.backward(gradient, with_input=False)[1] is None


def test_shift_rules_are_exact():
    for name in ("RX", "IsingZZ", "CRY", "ControlledPhaseShift"):
        frequencies = qml.gradients.generate_shift_rule((0.5, 1.0) if name == "CRY" else (1.0,))
        np.testing.assert_allclose(shift_rule(name), frequencies)

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(angle, name=name):
            qml.RY(0.7, wires=0)
            qml.RX(1.1, wires=1)
            getattr(qml, name)(angle, wires=[0, 1][: 1 if name == "RX" else 2])
            qml.RY(0.4, wires=1)
            qml.RX(0.9, wires=0)
            return qml.expval(qml.PauliZ(0) @ qml.PauliX(1))

        shifted = sum(c * circuit(0.3 + shift) for c, shift in shift_rule(name))
        expected = differences(lambda x, run=circuit: run(x[0]), np.array([0.3]))[0]
        assert shifted == pytest.approx(expected, abs=1e-6)


def test_parameter_shift_with_many_shots_converges_to_the_exact_gradient():
    errors = []
    for shots in (64, 64**2, 64**3):
        backend = make_backend("default.qubit", 2, shots)
        circuit, exact, features = make_pair("angle", "strongly_entangling", 2, backend)
        circuit.values(features)
        exact.values(features)
        gradient = np.random.default_rng(1).normal(size=(4, len(features)))
        of_weights, _ = circuit.backward(gradient, with_input=False)
        expected, _ = exact.backward(gradient[np.argsort(exact.permutation)], with_input=False)
        errors.append(np.abs(of_weights - expected).max())
    # The error falls as one over the root of the shots: 8 times at each step.
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 1e-2


def within_multinomial_error(frequencies, probabilities, shots, sigmas=5):
    spread = np.sqrt(probabilities * (1 - probabilities) / shots) + 1 / shots
    return (np.abs(frequencies - probabilities) < sigmas * spread).all()


@pytest.mark.parametrize("device", ["statevector", *DEVICES])
def test_shots_are_multinomial(device):
    shots = 4000
    backend = None if device == "statevector" else make_backend(device, 3, shots)
    circuit, exact, features = make_pair("amplitude", "strongly_entangling", 3, backend)
    expected = exact_probabilities(exact, features)
    if device == "statevector":
        circuit = NoisyCircuit(exact, shots, 0.0, np.random.default_rng(0))
        frequencies = circuit.values(features)[exact.permutation]
    else:
        frequencies = circuit.values(features)
    np.testing.assert_allclose(frequencies * shots, np.round(frequencies * shots), atol=1e-6)
    np.testing.assert_allclose(frequencies.sum(axis=0), 1)
    assert within_multinomial_error(frequencies, expected, shots)
    assert (frequencies != expected).any()
    # The test would notice one probability in a thousand set wrong.
    assert not within_multinomial_error(np.roll(frequencies, 1, axis=0), expected, shots)


def test_depolarizing_mixes_and_scales_the_gradient():
    _, exact, features = make_pair("amplitude", "strongly_entangling", 3, None)
    expected = exact.values(features).copy()
    noisy = NoisyCircuit(exact, None, 0.25, np.random.default_rng(0))
    probabilities = noisy.values(features)
    np.testing.assert_allclose(probabilities, 0.75 * expected + 0.25 / 8, atol=1e-12)
    gradient = np.random.default_rng(0).normal(size=expected.shape)
    noisy_gradients = noisy.backward(gradient, with_input=True)
    exact.values(features)
    for noisy_gradient, exact_gradient in zip(
        noisy_gradients, exact.backward(gradient, with_input=True), strict=True
    ):
        np.testing.assert_allclose(noisy_gradient, 0.75 * exact_gradient, atol=1e-12)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    keep = y < 3
    return X[keep][:240], y[keep][:240], X[keep][240:], y[keep][240:]


@pytest.fixture(scope="module")
def trained(digits):
    X, y, _, _ = digits
    return QNNClassifier(n_qubits=3, max_iter=20, random_state=0).fit(X, y)


@pytest.mark.parametrize("device", DEVICES)
def test_a_trained_student_moves_to_a_device(trained, digits, device):
    X = digits[2][:40]
    moved = clone_fitted(trained).set_params(backend=device)
    np.testing.assert_allclose(moved.decision_function(X), trained.decision_function(X), atol=1e-6)


def clone_fitted(student):
    return pickle.loads(pickle.dumps(student))


@pytest.mark.parametrize("backend", ["statevector", *DEVICES])
def test_shots_are_fixed_by_random_state(trained, digits, backend):
    X = digits[2][:20]
    student = clone_fitted(trained).set_params(backend=backend, shots=200)
    first = student.predict_proba(X)
    np.testing.assert_array_equal(first, student.predict_proba(X))
    assert np.abs(first - trained.predict_proba(X)).max() > 1e-3
    other = student.set_params(random_state=1).predict_proba(X)
    assert np.abs(first - other).max() > 1e-3


def test_noise_costs_confidence(trained, digits):
    X, y = digits[2][:60], digits[3][:60]
    noisy = clone_fitted(trained).set_params(
        backend="default.mixed", backend_options={"noise_model": {"depolarizing": 0.02}}
    )
    assert noisy.predict_proba(X).max(axis=1).mean() < trained.predict_proba(X).max(axis=1).mean()
    assert noisy.score(X, y) > 0.7


@pytest.mark.parametrize("encoding", ["amplitude", "qubit"])
def test_training_on_a_device_is_training_in_the_exact_simulator(digits, encoding):
    X, y = digits[0][:24], digits[1][:24]
    student = QNNClassifier(
        n_qubits=2, encoding=encoding, n_layers=1, max_iter=2, batch_size=12, random_state=0
    )
    exact = clone(student).fit(X, y)
    for options in (None, {"diff_method": "parameter-shift"}):
        on_device = clone(student).set_params(backend="default.qubit", backend_options=options)
        on_device.fit(X, y)
        # All but the last RZ of each qubit, which no probability depends on.
        np.testing.assert_allclose(on_device.loss_curve_, exact.loss_curve_, atol=1e-4)
        np.testing.assert_allclose(
            on_device.set_params(backend="statevector", backend_options=None).decision_function(X),
            exact.decision_function(X),
            atol=1e-3,
        )


def test_training_with_shots_on_a_device_learns(digits):
    X, y = digits[0][:60], digits[1][:60]
    student = QNNClassifier(
        n_qubits=2,
        encoding="angle",
        n_layers=1,
        max_iter=15,
        learning_rate_init=0.05,
        backend="default.qubit",
        shots=300,
        random_state=0,
    ).fit(X, y)
    assert student.loss_curve_[-1] < 0.7 * student.loss_curve_[0]
    again = clone(student).fit(X, y)
    np.testing.assert_array_equal(again.parameters_, student.parameters_)


def test_training_with_injected_noise(digits):
    X, y, X_test, y_test = digits
    student = QNNClassifier(
        n_qubits=3,
        max_iter=20,
        shots=500,
        backend_options={"depolarizing": 0.1},
        random_state=0,
    ).fit(X, y)
    assert student.score(X_test, y_test) > 0.8


@pytest.mark.parametrize("backend", ["statevector", "default.qubit", "qiskit.aer"])
def test_students_pickle_and_clone_on_any_backend(trained, digits, backend, tmp_path):
    X = digits[2][:10]
    student = clone_fitted(trained).set_params(backend=backend, shots=100)
    expected = student.predict_proba(X)
    joblib.dump(student, tmp_path / "student.joblib")
    loaded = joblib.load(tmp_path / "student.joblib")
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    assert clone(student).get_params()["backend"] == backend


def test_grid_search_over_shots(digits):
    X, y, _, _ = digits
    search = GridSearchCV(
        DistilledQNNClassifier(n_qubits=2, max_iter=3, random_state=0),
        {"shots": [None, 50, 1000], "backend": ["statevector"]},
        cv=2,
        n_jobs=2,
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


BAD = [
    ({"backend": "nonsense"}, "not known.*'default.qubit'"),
    ({"shots": 0}, "shots"),
    ({"shots": -5}, "shots"),
    ({"shots": 2.5}, "shots"),
    ({"backend_options": {"noise_model": {}}}, "only 'depolarizing'"),
    (
        {"backend_options": {"depolarizing": 2}},
        "depolarizing noise must be a number from 0 to 1; it is 2",
    ),
    ({"backend": "default.qubit", "backend_options": {"nonsense": 1}}, "cannot be made.*nonsense"),
    ({"backend": "default.qubit", "backend_options": {"noise_model": {}}}, "default.mixed"),
    ({"backend": "default.qubit", "backend_options": {"diff_method": "x"}}, "diff_method"),
    (
        {"backend": "default.mixed", "backend_options": {"diff_method": "adjoint"}},
        "no adjoint gradient",
    ),
    ({"backend": "default.mixed", "backend_options": {"noise_model": "manila"}}, "must be a dict"),
    (
        {"backend": "default.mixed", "backend_options": {"noise_model": {"nonsense": 1}}},
        "not known",
    ),
]


@pytest.mark.parametrize(("parameters", "message"), BAD)
def test_bad_backends_are_refused_before_work_starts(trained, digits, parameters, message):
    X, y, _, _ = digits
    moved = clone_fitted(trained).set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        moved.predict(X)
    with pytest.raises(ValueError, match=message):
        clone(moved).fit(X, y)
