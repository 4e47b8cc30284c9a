"""What an ansatz may queue: each operation is a gate that trains right anywhere, or is refused."""

import re

import numpy as np
import pennylane as qml
import pytest
from numpy.testing import assert_allclose

from sklqkd import QNNClassifier
from sklqkd.backends import make_backend
from sklqkd.circuits import compile_ansatz
from sklqkd.circuits.gates import ansatz_gates
from sklqkd.datasets import load_digits
from sklqkd.statevector import FactoredKernel

from .reference import default_qubit, differences, encode, random_states
from .test_devices import make_pair

H = qml.Hamiltonian([0.5, 0.7], [qml.X(0) @ qml.X(1), qml.Z(0)])
COMMUTING = qml.Hamiltonian([0.5, 0.7], [qml.Z(0) @ qml.Z(1), qml.Z(0)])
TRIANGLE = np.diag([1.0, 2.0])
SINGLE = qml.matrix(qml.Rot(0.3, 0.4, 0.5, 0)).astype(np.complex64)


def pauli_sum(weight):
    return qml.sum(qml.s_prod(np.cos(weight), qml.I(0)), qml.s_prod(1j * np.sin(weight), qml.X(0)))


# An operation, or a function of two weights that queues one.
NOT_UNITARY = {
    "Sum": lambda w: qml.sum(qml.X(0), qml.Z(1)),
    "LinearCombination": lambda w: qml.Hamiltonian([0.5, 0.4], [qml.X(0), qml.Z(0)]),
    "Hermitian": lambda w: qml.Hermitian(TRIANGLE, 0),
    "Projector": lambda w: qml.Projector([1], wires=0),
    "SProd": lambda w: qml.s_prod(2, qml.X(0)),
    "SProd of a weight": lambda w: qml.s_prod(w[0], qml.X(0)),
    "SProd of a complex number": lambda w: qml.s_prod(0.5 + 0.5j, qml.X(0)),
    "Prod": lambda w: qml.prod(qml.X(0), qml.s_prod(0.5, qml.Z(1))),
    "Exp": lambda w: qml.exp(qml.X(0), w[0]),
    "Exp of a complex number": lambda w: qml.exp(qml.X(0), (1 + 1j) * w[0]),
    "Adjoint(Hermitian)": lambda w: qml.adjoint(qml.Hermitian(TRIANGLE, 0)),
    "C(Hermitian)": lambda w: qml.ctrl(qml.Hermitian(TRIANGLE, 0), control=1),
    "Hermitian**2": lambda w: qml.pow(qml.Hermitian(TRIANGLE, 0), 2),
    "C(Projector)": lambda w: qml.ctrl(qml.Projector([1], 0), control=1),
    "QubitUnitary": lambda w: qml.QubitUnitary(TRIANGLE, 0),
    "QubitUnitary of some weights": lambda w: qml.QubitUnitary(np.diag([1, max(1, w[0])]), 0),
    "QubitUnitary of nan": lambda w: qml.QubitUnitary(np.full((2, 2), np.nan), 0),
    "DiagonalQubitUnitary": lambda w: qml.DiagonalQubitUnitary(np.arange(1, 5), [0, 1]),
    "SparseHamiltonian": lambda w: qml.SparseHamiltonian(H.sparse_matrix([0, 1]), wires=[0, 1]),
    "GlobalPhase": lambda w: qml.GlobalPhase(1j * w[0]),
    "RX": lambda w: qml.RX(1j * w[0], 0),
    "ResetError": lambda w: qml.ResetError(0.1, 0.1, 0),
    "DepolarizingChannel": lambda w: qml.DepolarizingChannel(0.1, 0),
    "MidMeasure": lambda w: qml.measure(0),
    "RY": lambda w: qml.RY(w, 0),
}
FIXED = {
    "ECR": lambda w: qml.ECR([0, 1]),
    "ISWAP": lambda w: qml.ISWAP([0, 1]),
    "SISWAP": lambda w: qml.SISWAP([0, 1]),
    "CH": lambda w: qml.CH([0, 1]),
    "CCZ": lambda w: qml.CCZ([0, 1, 2]),
    "adjoint(S)": lambda w: qml.adjoint(qml.S(0)),
    "pow(T)": lambda w: qml.pow(qml.T(0), 0.3),
    "pow(X)": lambda w: qml.pow(qml.X(0), 0.3),
    "ctrl(H)": lambda w: qml.ctrl(qml.Hadamard(0), control=1),
    "ctrl(H), two controls": lambda w: qml.ctrl(qml.Hadamard(0), control=[1, 2]),
    "BlockEncode": lambda w: qml.BlockEncode(np.array([[0.3, 0.1], [0.1, 0.2]]), wires=[0, 1]),
    "a unitary Hermitian": lambda w: qml.Hermitian(np.array([[0, 1], [1, 0.0]]), 0),
    "s_prod(1j, P)": lambda w: qml.s_prod(1j, qml.X(0)),
    "X @ Y": lambda w: qml.X(0) @ qml.Y(1),
    "single precision": lambda w: qml.QubitUnitary(SINGLE, 0),
    "three wires": lambda w: qml.QubitUnitary(qml.matrix(qml.QFT([0, 1, 2])), [2, 0, 1]),
    "QFT": lambda w: qml.QFT([0, 1, 2]),
    "MultiControlledX": lambda w: qml.MultiControlledX([0, 1, 2]),
    "GroverOperator": lambda w: qml.GroverOperator([0, 1, 2]),
    "Select": lambda w: qml.Select([qml.X(0), qml.Y(0)], control=[1]),
}
TURNING = {
    "exp(P, 1j w)": lambda w: qml.exp(qml.X(0), 1j * w[0]),
    "exp(w P, 1j)": lambda w: qml.exp(qml.s_prod(w[0], qml.X(0) @ qml.Y(1)), 1j),
    "exp(Hermitian, 1j w)": lambda w: qml.exp(qml.Hermitian(TRIANGLE, 0), 1j * w[0]),
    "evolve(H, w)": lambda w: qml.evolve(H, w[0]),
    "evolve of commuting terms": lambda w: qml.evolve(COMMUTING, w[0]),
    "evolve of a Pauli": lambda w: qml.evolve(qml.X(0), w[0]),
    "evolve of a Hermitian": lambda w: qml.evolve(qml.Hermitian(TRIANGLE, 0), w[0]),
    "adjoint(evolve)": lambda w: qml.adjoint(qml.evolve(H, w[0])),
    "ctrl(evolve)": lambda w: qml.ctrl(qml.evolve(qml.X(0) + qml.Z(0), w[0]), control=1),
    "pow(evolve, 2)": lambda w: qml.pow(qml.evolve(H, w[0]), 2),
    "pow(evolve, 0.5)": lambda w: qml.pow(qml.evolve(H, w[0]), 0.5),
    "scaled and shifted": lambda w: qml.evolve(H, 0.7 * w[0] - 0.4),
    "QubitUnitary(w)": lambda w: qml.QubitUnitary(qml.RY.compute_matrix(w[0]), 0),
    "DiagonalQubitUnitary(w)": lambda w: qml.DiagonalQubitUnitary(
        np.exp(1j * w[0] * np.arange(4)), [0, 1]
    ),
    "cos w I + i sin w X": lambda w: pauli_sum(w[0]),
    "ctrl(GlobalPhase)": lambda w: qml.ctrl(qml.GlobalPhase(w[0], wires=0), control=1),
    "prod of rotations": lambda w: qml.prod(qml.RX(w[0], 0), qml.RY(w[1], 1)),
    "pow(CRX)": lambda w: qml.pow(qml.CRX(w[0], [0, 1]), 2),
    "PSWAP": lambda w: qml.PSWAP(w[0], [0, 1]),
    "PCPhase": lambda w: qml.PCPhase(w[0], 2, wires=[0, 1]),
    "ControlledSequence": lambda w: qml.ControlledSequence(qml.RX(w[0], 0), control=[1, 2]),
    "ctrl(PauliRot)": lambda w: qml.ctrl(qml.PauliRot(w[0], "XY", [0, 1]), control=[2]),
    "TrotterProduct": lambda w: qml.TrotterProduct(H, w[0], n=2),
    "CommutingEvolution": lambda w: qml.CommutingEvolution(COMMUTING, w[0]),
    "change_op_basis": lambda w: qml.change_op_basis(qml.Hadamard(0), qml.RZ(w[0], 0)),
}
GATES = {**FIXED, **TURNING}


class Around:
    """An ansatz with an operation between trained gates."""

    shape = (2,)

    def __init__(self, queue):
        self.queue = queue

    def __call__(self, weights, wires):
        qml.RX(weights[1], wires=0)
        self.queue(weights)
        qml.RY(weights[0], wires=1)
        qml.CRX(weights[1], wires=[1, 0])


@pytest.mark.parametrize("reader", [compile_ansatz, ansatz_gates])
@pytest.mark.parametrize("name", NOT_UNITARY)
def test_what_is_not_unitary_is_refused_by_name(name, reader):
    words = re.escape(name.split(" of ")[0])
    with pytest.raises(ValueError, match=f"ansatz contains {words}.* is not a unitary gate"):
        reader(Around(NOT_UNITARY[name]), 3, 1)


def test_a_refused_operation_leaves_the_student_as_it_was():
    X, y = digits()
    student = QNNClassifier(n_qubits=3, ansatz=Around(FIXED["ECR"]), max_iter=2, random_state=0)
    expected = student.fit(X, y).predict_proba(X)
    student.set_params(ansatz=Around(NOT_UNITARY["Hermitian"]))
    with pytest.raises(ValueError, match=r"factors from 1 to 2.*qml\.evolve"):
        student.fit(X, y)
    np.testing.assert_array_equal(student.predict_proba(X), expected)


@pytest.mark.parametrize("name", GATES)
def test_the_simulator_agrees_with_default_qubit(name):
    template = Around(GATES[name])
    rng = np.random.default_rng(0)
    states = random_states(rng, 3)
    kernel = FactoredKernel(compile_ansatz(template, 3, 1), np.complex128)
    slopes = rng.normal(size=(8, 3))

    def probabilities(weights):
        return np.abs(default_qubit(template, weights, 3, states)) ** 2

    # Far from what the template is traced with, too.
    for weights in (np.array([-1.3, 4.7]), np.array([21.5, -17.0])):
        kernel.prepare(weights)
        assert_allclose(kernel.probabilities(states), probabilities(weights), atol=1e-7)
        gradient, _ = kernel.backward_probabilities(slopes)
        expected = differences(lambda w: (slopes * probabilities(w)).sum(), weights)
        assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
@pytest.mark.parametrize("name", GATES)
def test_gates_and_their_gradients_on_devices(name, device):
    template, weights = Around(GATES[name]), np.array([-1.3, 4.7])
    backend = make_backend(device, 3)
    circuit, _, features = make_pair("angle", template, 3, backend)
    circuit.prepare(weights)
    slopes = np.random.default_rng(0).normal(size=(8, len(features)))
    assert_allclose(circuit.values(features), by_hand(template, features, weights), atol=1e-7)
    of_weights, of_features = circuit.backward(slopes, with_input=True)

    def loss(parameters):
        moved = parameters[2:].reshape(features.shape)
        return (slopes * by_hand(template, moved, parameters[:2])).sum()

    expected = differences(loss, np.concatenate([weights, features.ravel()]))
    assert_allclose(of_weights, expected[:2], atol=1e-6)
    assert_allclose(of_features.ravel(), expected[2:], atol=1e-6)


def by_hand(template, features, weights):
    """Return default.qubit's probabilities, (8, n_samples), of the angle encoding."""

    @qml.qnode(qml.device("default.qubit", wires=3))
    def circuit(row):
        encode("angle", row, 3)
        template(weights, range(3))
        return qml.probs(wires=range(3))

    return np.stack([circuit(row) for row in features], axis=1)


@pytest.mark.parametrize("device", ["default.mixed", "qiskit.aer"])
@pytest.mark.parametrize("name", GATES)
def test_gates_on_other_devices(name, device):
    template, weights = Around(GATES[name]), np.array([-1.3, 4.7])
    circuit, _, features = make_pair("angle", template, 3, make_backend(device, 3))
    circuit.prepare(weights)
    assert_allclose(circuit.values(features), by_hand(template, features, weights), atol=1e-6)


def digits():
    X, y = load_digits(return_X_y=True)
    return X[y < 3][:24], y[y < 3][:24]


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
@pytest.mark.parametrize("name", ["ECR", "CCZ", "BlockEncode", "evolve(H, w)"])
def test_a_fit_on_a_device_is_that_in_the_exact_simulator(name, device):
    X, y = digits()
    student = QNNClassifier(
        n_qubits=3, ansatz=Around(GATES[name]), max_iter=2, batch_size=12, random_state=0
    )
    exact = student.fit(X, y).loss_curve_
    assert_allclose(student.set_params(backend=device).fit(X, y).loss_curve_, exact, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["evolve(H, w)", "exp(P, 1j w)", "ctrl(evolve)", "QubitUnitary(w)"]
)
def test_a_student_moves_with_its_gates(name):
    import qiskit.quantum_info

    X, y = digits()
    student = QNNClassifier(n_qubits=3, ansatz=Around(GATES[name]), max_iter=2, random_state=0)
    expected = student.fit(X, y).predict_proba(X)
    image, probabilities = X[0], student.qnode()(X[0])
    state = qiskit.quantum_info.Statevector(student.to_qiskit(image).reverse_bits())
    assert_allclose(state.probabilities(), probabilities, atol=1e-7)
    assert "measure q[2]" in student.to_openqasm(image)
    assert "RY(" in student.draw(image)
    assert student.circuit_resources()["transpiled"]["n_gates"] > 0
    for device in ("default.qubit", "lightning.qubit", "default.mixed", "qiskit.aer"):
        assert_allclose(student.set_params(backend=device).predict_proba(X), expected, atol=1e-5)


@pytest.mark.parametrize("n_wires", [5, 8])
def test_a_hamiltonian_of_many_qubits_evolves(n_wires):
    pairs = [qml.Z(i) @ qml.Z(i + 1) for i in range(n_wires - 1)]
    ising = qml.Hamiltonian(np.ones(2 * n_wires - 1), [*pairs, *map(qml.X, range(n_wires))])

    def template(weights, wires):
        qml.evolve(ising, weights[0])

    template.shape = (1,)
    weights, states = np.array([0.4]), random_states(np.random.default_rng(0), n_wires)
    expected = np.abs(default_qubit(template, weights, n_wires, states)) ** 2
    kernel = FactoredKernel(compile_ansatz(template, n_wires, 1), np.complex128)
    kernel.prepare(weights)
    assert_allclose(kernel.probabilities(states), expected, atol=1e-9)


@pytest.mark.parametrize(
    "bend",
    [
        np.abs,
        np.sign,
        np.sqrt,
        lambda weight: max(weight, 0.0),
        lambda weight: min(weight, 3.0),
        lambda weight: np.clip(weight, 0, np.pi),
        lambda weight: weight % np.pi,
        lambda weight: weight if weight > 0 else 0.5 * weight,
    ],
)
@pytest.mark.parametrize(
    "gate", [lambda angle: qml.RX(angle, 0), lambda angle: qml.evolve(H, angle)]
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_bends_a_weight_is_seen(gate, bend):
    """Also where it does nothing to the weights that are usual."""
    with pytest.raises(ValueError, match=r"scale \* weight \+ offset|not a unitary|change"):
        compile_ansatz(Around(lambda weights: gate(bend(weights[0]))), 3, 1)


@pytest.mark.parametrize(
    "bend",
    [
        lambda weight: np.minimum(weight, 3),
        lambda weight: np.maximum(weight, -3),
        lambda weight: np.clip(weight, -7, 7),
        lambda weight: np.where(weight > 6, 6 + 2 * (weight - 6), weight),
        lambda weight: weight if weight < 5 else 5.0,
        lambda weight: 5 * np.tanh(weight / 5),
        lambda weight: np.round(weight, 6),
        lambda weight: weight + 1e-6 * weight**2,
    ],
)
@pytest.mark.parametrize("place", range(5))
def test_what_bends_any_weight_anywhere_is_seen(bend, place):
    def template(weights, wires):
        for k, weight in enumerate(weights):
            qml.RY(bend(weight) if k == place else weight, wires=wires[k % 2])

    template.shape = (5,)
    with pytest.raises(ValueError, match=r"scale \* weight \+ offset"):
        compile_ansatz(template, 2, 1)


@pytest.mark.parametrize("slope", [1e-3, 1e-7, 1e-10])
def test_a_small_slope_is_kept(slope):
    def template(weights, wires):
        qml.RY(0.3 + slope * weights[1], wires=0)
        qml.RY(weights[0], wires=1)

    template.shape = (2,)
    kernel = FactoredKernel(compile_ansatz(template, 2, 1), np.complex128)
    states, found = np.eye(4, 1, dtype=complex), []
    for weight in (0.0, 0.4 / slope):
        kernel.prepare(np.array([0.0, weight]))
        found.append(kernel.probabilities(states)[2, 0])
    assert_allclose(found, np.sin([0.15, 0.35]) ** 2, atol=1e-4)


def test_an_ansatz_whose_weights_do_nothing_is_said():
    def template(weights, wires):
        qml.CNOT(wires=wires[:2])

    template.shape = (4,)
    with pytest.warns(UserWarning, match=r"depends on its weights, 4 by its `shape`"):
        compile_ansatz(template, 2, 1)
    template.shape = (0,)
    assert compile_ansatz(template, 2, 1).n_weights == 0
