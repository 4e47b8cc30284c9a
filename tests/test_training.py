"""The whole network against default.qubit and finite differences."""

import numpy as np
import pennylane as qml
import pytest

from sklqkd.circuits import ANSATZ_NAMES, ansatz_shape, ansatz_template, compile_ansatz
from sklqkd.encodings import ENCODINGS, make_encoding
from sklqkd.losses import DISTILLATION_LOSSES
from sklqkd.optimizers import Adam
from sklqkd.reducers.front_ends import LinearFrontEnd
from sklqkd.simulation import ExactCircuit
from sklqkd.training import MEASUREMENTS, Lesson, Network, Objective, make_pass

from .reference import differences, encode

N_CLASSES = 3


def make_network(encoding, measurement, ansatz, *, n_qubits=3, n_pixels=None, dtype=np.float64):
    encoding = make_encoding(encoding, n_qubits)
    front_end = LinearFrontEnd(n_pixels, encoding.n_features) if n_pixels else None
    program = compile_ansatz(ansatz, n_qubits, 2)
    circuit = ExactCircuit(encoding, program, dtype)
    return Network(circuit, measurement, N_CLASSES, front_end=front_end, dtype=dtype)


def make_objective(rng, n_samples):
    loss = DISTILLATION_LOSSES["hinton"]
    one_hot = np.eye(N_CLASSES)[rng.integers(N_CLASSES, size=n_samples)]
    soft = loss.targets(rng.normal(size=(n_samples, N_CLASSES)), 3.0)
    weights = rng.uniform(0.5, 2, (2, n_samples))
    return Objective(one_hot, loss, [Lesson(soft, 3.0)], 0.4, *weights)


@pytest.mark.parametrize("n_pixels", [None, 5])
@pytest.mark.parametrize("ansatz", ANSATZ_NAMES)
@pytest.mark.parametrize("measurement", MEASUREMENTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_gradient(encoding, measurement, ansatz, n_pixels):
    rng = np.random.default_rng(0)
    network = make_network(encoding, measurement, ansatz, n_pixels=n_pixels)
    X = rng.normal(size=(4, n_pixels or network.middle.encoding.n_features))
    objective, rows = make_objective(rng, len(X)), np.arange(len(X))
    parameters = network.initial_parameters(rng)

    def loss(values):
        network.bind(values)
        return objective(network.logits(X), rows)[0]

    expected = differences(loss, parameters)
    network.bind(parameters)
    network.backward(objective(network.logits(X), rows)[1])
    np.testing.assert_allclose(network.gradient, expected, atol=1e-7)


@pytest.mark.parametrize("n_qubits", [2, 4, 6])
@pytest.mark.parametrize("ansatz", ANSATZ_NAMES)
@pytest.mark.parametrize("measurement", MEASUREMENTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_logits_are_those_of_default_qubit(encoding, measurement, ansatz, n_qubits):
    rng = np.random.default_rng(1)
    network = make_network(encoding, measurement, ansatz, n_qubits=n_qubits, dtype=np.float32)
    X = rng.normal(size=(3, network.middle.encoding.n_features)).astype(np.float32)
    network.bind(network.initial_parameters(rng))
    _, weights, coef, intercept = network.parts(network.parameters)

    @qml.qnode(qml.device("default.qubit", wires=n_qubits))
    def circuit(row):
        encode(encoding, row, n_qubits)
        ansatz_template(ansatz)(weights.reshape(ansatz_shape(ansatz, n_qubits, 2)), range(n_qubits))
        if measurement == "probs":
            return qml.probs(wires=range(n_qubits))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(n_qubits)]

    scale = 2**n_qubits if measurement == "probs" else 1
    measured = np.array([circuit(row) for row in X]) * scale
    np.testing.assert_allclose(network.logits(X), measured @ coef.T + intercept, atol=2e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("n_qubits", [3, 7])
def test_predictions_do_not_depend_on_the_chunks(n_qubits, dtype, tolerance):
    rng = np.random.default_rng(0)
    network = make_network("angle", "expval", "rotations", n_qubits=n_qubits, dtype=dtype)
    network.bind(network.initial_parameters(rng))
    X = rng.normal(size=(50, n_qubits))
    assert network.middle.n_rows > len(X)
    expected = network.predict_logits(X)
    for rows in (1, 7, 50):
        network.middle.n_rows = rows
        np.testing.assert_allclose(network.predict_logits(X), expected, atol=tolerance)


def test_an_epoch_sees_every_row_once_and_learns():
    rng = np.random.default_rng(0)
    network = make_network("amplitude", "probs", "strongly_entangling")
    network.bind(network.initial_parameters(rng))
    labels = rng.integers(N_CLASSES, size=90)
    X = (rng.normal(size=(90, 8)) * 0.1 + np.eye(8)[labels]).astype(np.float32)
    seen = []

    class Recording(Objective):
        def __call__(self, logits, rows):
            seen.extend(rows)
            return super().__call__(logits, rows)

    objective = Recording(np.eye(N_CLASSES, dtype=np.float32)[labels])
    optimizer = Adam(network.size, learning_rate=0.02)
    training = make_pass(network, optimizer, X, batch_size=16)
    losses = [training.epoch(objective, shuffle=True, rng=rng) for _ in range(20)]
    assert sorted(seen) == sorted(list(range(90)) * 20)
    assert losses[-1] < losses[0] / 2
    assert (network.predict_logits(X).argmax(axis=1) == labels).mean() > 0.9


def test_adam_is_torchs():
    import torch

    rng = np.random.default_rng(0)
    x = rng.normal(size=5)
    tensor = torch.tensor(x.copy(), requires_grad=True)
    ours, theirs = Adam(5, x.dtype, learning_rate=0.03), torch.optim.Adam([tensor], lr=0.03)
    for _ in range(10):
        ours.step(x, 2 * x + np.cos(x))
        theirs.zero_grad()
        (tensor**2 + torch.sin(tensor)).sum().backward()
        theirs.step()
    np.testing.assert_allclose(x, tensor.detach().numpy(), atol=1e-8)
