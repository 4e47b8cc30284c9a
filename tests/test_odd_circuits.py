"""Templates of a user's own: what is a gate, where it runs, and how often it is traced."""

import warnings

import numpy as np
import pennylane as qml
import pytest
from numpy.testing import assert_allclose
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

from sklqkd import QNNClassifier
from sklqkd.circuits import compile_ansatz
from sklqkd.circuits.gates import ansatz_gates
from sklqkd.datasets import load_digits, take_per_class

HAMILTONIAN = qml.X(0) @ qml.X(1) + 0.5 * qml.Z(1) @ qml.Z(2) + 0.3 * qml.Y(0)
PARAMS = {"n_qubits": 3, "max_iter": 1, "batch_size": 8, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    return take_per_class(*load_digits(return_X_y=True), 4, classes=[0, 1, 2])


def around(operation):
    """Return a template with an operation between trained gates."""

    def template(weights, wires):
        for i in range(3):
            qml.RY(weights[i], wires=i)
        qml.CNOT([0, 1])
        operation(weights[3])
        for i in range(3):
            qml.RX(weights[4 + i], wires=i)

    template.shape = (7,)
    return template


NO_GATES = {
    "sum": lambda w: qml.X(0) + qml.Z(0),
    "Hamiltonian": lambda w: qml.Hamiltonian([1.0, 0.5], [qml.X(0), qml.Z(1)]),
    "Hermitian": lambda w: qml.Hermitian(np.diag([1.0, 2.0]), 0),
    "Projector": lambda w: qml.Projector([1], 0),
    "scaled": lambda w: 2 * qml.X(0),
    "scaled by a weight": lambda w: w * qml.X(0),
    "product": lambda w: (2 * qml.X(0)) @ qml.Y(1),
    "real exponent": lambda w: qml.exp(qml.X(0), 0.3),
    "real weight": lambda w: qml.exp(qml.X(0), w),
    "matrix": lambda w: qml.QubitUnitary(np.array([[1, 1], [0, 1.0]]), 0),
    "adjoint of a sum": lambda w: qml.adjoint(qml.X(0) + qml.Z(0)),
    "power of a projector": lambda w: qml.pow(qml.Projector([1], 0), 2),
    "controlled sum": lambda w: qml.ctrl(qml.X(0) + qml.Z(0), control=1),
    "channel": lambda w: qml.DepolarizingChannel(0.1, 0),
}


@pytest.mark.parametrize("name", NO_GATES)
def test_what_is_no_unitary_gate_is_refused(digits, name):
    template = around(NO_GATES[name])
    with pytest.raises(ValueError, match=r"which is not a unitary gate.*qml\.evolve"):
        QNNClassifier(ansatz=template, **PARAMS).fit(*digits)
    with pytest.raises(ValueError, match="which is not a unitary gate"):
        ansatz_gates(template, 3, 1)


GATES = {
    "exponent": lambda w: qml.exp(qml.X(0), 1j * w),
    "exponent of a word": lambda w: qml.exp(qml.X(0) @ qml.Y(1), -0.5j * w),
    "scaled by i": lambda w: qml.s_prod(1j, qml.X(0)),
    "evolution": lambda w: qml.evolve(HAMILTONIAN, w),
    "evolution of a word": lambda w: qml.evolve(qml.X(0) @ qml.Z(2), w),
    "diagonal evolution": lambda w: qml.evolve(qml.Z(0) @ qml.Z(1) @ qml.Z(2), w),
    "a Hermitian that is unitary": lambda w: qml.Hermitian(np.array([[0, 1], [1, 0.0]]), 0),
    "ECR": lambda w: qml.ECR([0, 1]),
    "ISWAP": lambda w: qml.ISWAP([0, 2]),
    "CH": lambda w: qml.CH([0, 1]),
    "CCZ": lambda w: qml.CCZ([0, 1, 2]),
    "adjoint of S": lambda w: qml.adjoint(qml.S(0)),
    "root of X": lambda w: qml.pow(qml.X(0), 0.5),
    "controlled H": lambda w: qml.ctrl(qml.Hadamard(1), 0),
    "block": lambda w: qml.BlockEncode(np.array([[0.1, 0.2], [0.3, 0.4]]), wires=[0, 1]),
    "controlled rotation": lambda w: qml.ctrl(qml.RX(w, 1), 0),
    "adjoint rotation": lambda w: qml.adjoint(qml.RX(w, 1)),
    "Pauli rotation": lambda w: qml.PauliRot(w, "XYZ", [0, 1, 2]),
    "QFT": lambda w: qml.QFT([0, 1, 2]),
}


@pytest.mark.parametrize("name", GATES)
def test_gates_train_and_run_everywhere(digits, name):
    X, y = digits
    template = around(GATES[name])
    student = QNNClassifier(ansatz=template, reducer=None, encoding="angle", **PARAMS)
    features = X[:, 18:21]
    student.fit(features, y)
    logits = student.decision_function(features)
    # The template itself, on default.qubit.
    weights = student.circuit_weights_.astype(float)
    low, factor = student.feature_scale_ if student.feature_scale_ is not None else (0, 1)

    @qml.qnode(qml.device("default.qubit", wires=3))
    def circuit(angles):
        qml.AngleEmbedding(angles, wires=range(3), rotation="Y")
        template(weights, range(3))
        return qml.probs(wires=range(3))

    probabilities = np.array([circuit(np.pi * np.tanh((row - low) * factor)) for row in features])
    expected = 8 * probabilities @ student.head_coef_.T + student.head_intercept_
    assert_allclose(logits, expected, atol=1e-5)
    for backend in ("default.qubit", "lightning.qubit", "qiskit.aer"):
        student.set_params(backend=backend)
        assert_allclose(student.decision_function(features), logits, atol=1e-6)
    for backend in ("default.qubit", "lightning.qubit"):
        trained = QNNClassifier(
            ansatz=template, reducer=None, encoding="angle", backend=backend, **PARAMS
        )
        trained.fit(features, y)
        assert_allclose(trained.parameters_, student.parameters_, atol=1e-4)
    student.set_params(backend="statevector")
    assert "qreg" in student.to_openqasm(features[0]) or "qubit" in student.to_openqasm(features[0])
    assert student.to_qiskit(features[0]).num_qubits == 3


def test_templates_without_a_shape_are_told_how_to_get_one(digits):
    for template in (qml.SimplifiedTwoDesign, qml.RandomLayers):
        student = QNNClassifier(ansatz=template, **PARAMS)
        with pytest.raises(ValueError, match=r"Wrap it(.|\n)*def ansatz(.|\n)*ansatz\.shape = "):
            student.fit(*digits)

    def ansatz(weights, wires):
        qml.SimplifiedTwoDesign(weights[0, :3], weights[1:].reshape(2, 2, 3)[:, :, :2], wires)

    ansatz.shape = (3, 6)

    def layers(weights, wires):
        qml.RandomLayers(weights, wires, seed=1)

    layers.shape = (2, 4)
    for template in (ansatz, layers):
        student = QNNClassifier(ansatz=template, **PARAMS).fit(*digits)
        assert student.circuit_weights_.shape == template.shape


def test_a_template_is_traced_once_per_fitted_circuit(digits):
    X, y = digits
    calls = []

    def ansatz(weights, wires):
        calls.append(1)
        for weight, wire in zip(weights, wires, strict=True):
            qml.RY(weight, wires=wire)

    ansatz.shape = (3,)
    student = QNNClassifier(ansatz=ansatz, **PARAMS).fit(X, y)
    student.predict(X)
    n_calls = len(calls)
    for _ in range(3):
        student.predict(X)
    assert len(calls) == n_calls
    expected = student.predict_proba(X)
    student.set_params(ansatz="none", n_layers=7)  # of the next fit
    np.testing.assert_array_equal(student.predict_proba(X), expected)
    student.set_params(ansatz=ansatz).fit(X, y)
    assert len(calls) > n_calls
    assert "_compiled" not in student.__getstate__()
    program = compile_ansatz(ansatz, 3, 1)
    assert program.n_weights == 3


def test_a_device_that_was_made(digits):
    X, y = digits
    student = QNNClassifier(**PARAMS).fit(X, y)
    node = student.qnode(device=qml.device("default.qubit", wires=3))
    assert_allclose(node(X[0]), student.qnode()(X[0]))
    with pytest.raises(ValueError, match="Make it with wires=3"):
        student.qnode(device=qml.device("default.qubit", wires=2))
    with pytest.raises(ValueError, match="is made already"):
        student.qnode(device=qml.device("default.qubit", wires=3), seed=3)


# noise


def model_of(*errors, readout=None):
    model = NoiseModel()
    for gate, qubits in errors:
        error = depolarizing_error(0.2, 2 if gate in ("cx", "cz", "ecr") else 1)
        if qubits is None:
            model.add_all_qubit_quantum_error(error, gate)
        else:
            model.add_quantum_error(error, gate, qubits)
    if readout is not None:
        model.add_readout_error(ReadoutError([[0.9, 0.1], [0.2, 0.8]]), readout)
    return model


UNUSED = {
    "cz": (model_of(("cz", None)), {}, "on cz never happen.*cx on .*without noise"),
    "ecr": (model_of(("ecr", None)), {}, "on ecr never happen"),
    "id": (model_of(("id", None)), {}, "on id never happen"),
    "absent qubits": (model_of(("cx", (7, 8))), {}, r"on cx on \(7, 8\) never happen"),
    "other gates": (model_of(("sx", None)), {"basis_gates": ["rx", "rz", "cz"]}, "on sx never"),
    "one of two": (
        model_of(("sx", None), ("ecr", None)),
        {"basis_gates": ["sx", "rz", "x", "cx"]},
        "on ecr never happen",
    ),
    "readout": (model_of(readout=[7]), {}, "readout errors .* are on qubits that are not measured"),
}


@pytest.mark.parametrize("name", UNUSED)
def test_noise_that_never_happens_is_told(digits, name):
    X, y = digits
    model, options, message = UNUSED[name]
    student = QNNClassifier(**PARAMS).fit(X, y)
    exact = student.predict_proba(X)
    options = {"noise_model": model, **options}
    student.set_params(backend="qiskit.aer", backend_options=options)
    with pytest.warns(UserWarning, match=message):
        found = student.predict_proba(X)
    assert (np.abs(found - exact).max() < 1e-6) == (name != "one of two")


def test_noise_that_happens_is_not(digits):
    X, y = digits
    student = QNNClassifier(**PARAMS).fit(X, y)
    exact = student.predict_proba(X)
    models = [
        model_of(("cx", None)),
        model_of(("sx", None)),
        model_of(("cx", None), ("id", None)),
        model_of(readout=[0]),
        NoiseModel.from_backend(FakeManilaV2()),
        "FakeManilaV2",
        {"depolarizing": 0.1},
    ]
    for model in models:
        student.set_params(backend="qiskit.aer", backend_options={"noise_model": model})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.abs(student.predict_proba(X) - exact).max() > 1e-3


def test_noise_on_a_gate_that_no_circuit_has(digits):
    student = QNNClassifier(**PARAMS).fit(*digits)
    options = {"noise_model": model_of(("unitary", None))}
    student.set_params(backend="qiskit.aer", backend_options=options)
    with pytest.raises(ValueError, match=r"errors on 'unitary', .*\['rz', 'sx', 'x'\].*\['cx'\]"):
        student.predict(digits[0])
