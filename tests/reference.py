"""Independent references for the exact simulator: PennyLane's default.qubit, and differences."""

import numpy as np
import pennylane as qml

ONE_ANGLE = [qml.RX, qml.RY, qml.RZ, qml.PhaseShift, qml.U1]
CONSTANT = [qml.Hadamard, qml.PauliX, qml.PauliY, qml.PauliZ, qml.S, qml.T, qml.SX]
PAIRS = [qml.CNOT, qml.CY, qml.CZ, qml.SWAP, qml.ISWAP]
PAIR_ANGLE = [
    *(qml.CRX, qml.CRY, qml.CRZ, qml.IsingXX, qml.IsingYY, qml.IsingZZ, qml.IsingXY),
    *(qml.ControlledPhaseShift, qml.SingleExcitation),
]


class RandomTemplate:
    """A template of random gates: weights are used in any order, twice, scaled, or not at all."""

    def __init__(self, seed, n_qubits, n_gates=12, n_weights=6):
        self.seed, self.n_qubits, self.n_gates = seed, n_qubits, n_gates
        self.shape = (n_weights,)

    def __call__(self, weights, wires):
        rng = np.random.default_rng(self.seed)

        def angle():
            kind = rng.integers(4)
            if kind == 0:
                return rng.uniform(-3, 3) + 0 * weights[0]  # PennyLane mixes no tensors with floats
            weight = weights[rng.integers(len(weights))]
            return weight if kind < 3 else rng.uniform(-2, 2) * weight + rng.uniform(-1, 1)

        for _ in range(self.n_gates):
            kind = rng.integers(8 if len(wires) > 1 else 4)
            wire = wires[rng.integers(len(wires))]
            if kind == 0:
                ONE_ANGLE[rng.integers(len(ONE_ANGLE))](angle(), wires=wire)
            elif kind == 1:
                CONSTANT[rng.integers(len(CONSTANT))](wires=wire)
            elif kind == 2:
                [qml.Rot, qml.U3][rng.integers(2)](angle(), angle(), angle(), wires=wire)
            elif kind == 3:
                qml.U2(angle(), angle(), wires=wire)
            else:
                pair = [wires[i] for i in rng.permutation(len(wires))[:2]]
                if kind == 4:
                    PAIRS[rng.integers(len(PAIRS))](wires=pair)
                elif kind == 5:
                    PAIR_ANGLE[rng.integers(len(PAIR_ANGLE))](angle(), wires=pair)
                elif kind == 6:
                    qml.MultiRZ(angle(), wires=[*pair, *[w for w in wires if w not in pair][:1]])
                else:
                    qml.adjoint(qml.CRX(angle(), wires=pair))


def random_states(rng, n_qubits, batch=3):
    """Return normalised complex states, (2^n, batch)."""
    states = rng.normal(size=(2, 2**n_qubits, batch)).view()
    states = states[0] + 1j * states[1]
    return states / np.linalg.norm(states, axis=0)


def default_qubit(template, weights, n_qubits, states):
    """Return the final states that default.qubit gives, (2^n, batch)."""

    @qml.qnode(qml.device("default.qubit", wires=n_qubits))
    def circuit(state):
        qml.StatePrep(state, wires=range(n_qubits))
        template(weights, wires=range(n_qubits))
        return qml.state()

    return np.stack([circuit(state) for state in states.T], axis=1)


def default_qubit_gradient(template, weights, n_qubits, state, observable):
    """Return torch's gradient of <observable> through default.qubit; the diagonal is given."""
    import torch

    @qml.qnode(
        qml.device("default.qubit", wires=n_qubits), interface="torch", diff_method="backprop"
    )
    def circuit(weights):
        qml.StatePrep(state, wires=range(n_qubits))
        template(weights, wires=range(n_qubits))
        return qml.probs(wires=range(n_qubits))

    tensor = torch.tensor(weights, requires_grad=True)
    (circuit(tensor) @ torch.tensor(observable)).backward()
    return tensor.grad.numpy()


def differences(function, x, step=1e-6):
    """Return the gradient of a scalar function at the array `x` by central differences."""
    gradient = np.zeros(x.size)
    for i in range(x.size):
        for sign in (1, -1):
            moved = x.copy()
            moved.flat[i] += sign * step
            gradient[i] += sign * function(moved) / (2 * step)
    return gradient.reshape(x.shape)


def encode(name, features, n_qubits):
    """Apply PennyLane's gates for one row of features, inside a QNode."""
    squashed = np.tanh(np.asarray(features, float))
    if name == "amplitude":
        state = np.zeros(2**n_qubits)
        state[: len(squashed)] = squashed / np.linalg.norm(squashed)
        qml.StatePrep(state, wires=range(n_qubits))
        return
    angles = np.pi * squashed
    if name in ("iqp", "zz"):
        angles = np.append(angles, np.zeros(n_qubits - len(angles)))
        if name == "iqp":
            qml.IQPEmbedding(angles, wires=range(n_qubits))
            return
        for _ in range(2):  # Qiskit's ZZFeatureMap, gate by gate
            for wire in range(n_qubits):
                qml.Hadamard(wire)
                qml.PhaseShift(2 * angles[wire], wires=wire)
            for i in range(n_qubits):
                for j in range(i + 1, n_qubits):
                    qml.CNOT([i, j])
                    qml.PhaseShift(2 * (np.pi - angles[i]) * (np.pi - angles[j]), wires=j)
                    qml.CNOT([i, j])
        return
    for wire in range(n_qubits):
        if name == "hadamard_ry":
            qml.Hadamard(wire)
        if wire < len(angles):
            qml.RY(angles[wire], wires=wire)
    for wire, angle in enumerate(angles[n_qubits:]):
        qml.RZ(angle, wires=wire)
