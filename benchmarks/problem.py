"""What every implementation of the speed benchmark solves: data, circuit and parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

N_CLASSES = 10
N_LAYERS = 3
LEARNING_RATE = 0.01
#: Amplitudes per call when the peers predict.
CHUNK = 2**18


def rotations_and_ring(weights, wires):
    """RX, RY and RZ on every wire, then a ring of CNOTs, layer by layer."""
    import pennylane as qml

    for layer in weights:
        for angles, wire in zip(layer, wires, strict=True):
            qml.RX(angles[0], wires=wire)
            qml.RY(angles[1], wires=wire)
            qml.RZ(angles[2], wires=wire)
        for i, wire in enumerate(wires):
            qml.CNOT(wires=[wire, wires[(i + 1) % len(wires)]])


def _ring_shape(n_layers, n_wires):
    return n_layers, n_wires, 3


rotations_and_ring.shape = _ring_shape


def template(ansatz):
    """Return the PennyLane template of "ring" or "strongly_entangling"."""
    if ansatz == "ring":
        return rotations_and_ring
    import pennylane as qml

    return qml.StronglyEntanglingLayers


@dataclass(frozen=True)
class Problem:
    """Data and initial parameters, in float32.

    Attributes
    ----------
    n_qubits : int
    ansatz : {"ring", "strongly_entangling"}
    features, states : ndarray of shape (n_rows, 2^n)
        What sklqkd encodes, and the amplitudes that come out.
    labels : ndarray of shape (n_rows,)
    weights : ndarray of shape (N_LAYERS, n_qubits, 3)
    coef : ndarray of shape (N_CLASSES, n_qubits)
    intercept : ndarray of shape (N_CLASSES,)
    """

    n_qubits: int
    ansatz: str
    features: np.ndarray
    states: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray

    def first(self, n_rows):
        """Return the problem with the first rows alone."""
        rows = {name: getattr(self, name)[:n_rows] for name in ("features", "states", "labels")}
        return replace(self, **rows)

    def chunks(self):
        """Return the states in equal chunks of at most CHUNK amplitudes."""
        most = max(1, CHUNK >> self.n_qubits)
        rows = len(self.states)
        parts = next(k for k in range(1, rows + 1) if rows % k == 0 and rows // k <= most)
        return self.states.reshape(parts, rows // parts, -1)


def make_problem(n_qubits, n_rows, ansatz="ring", seed=0):
    """Draw a problem; its parameters do not depend on the number of rows."""
    rng = np.random.default_rng(seed)
    bound = 1 / np.sqrt(n_qubits)
    weights = rng.uniform(0, 2 * np.pi, (N_LAYERS, n_qubits, 3)).astype(np.float32)
    coef = rng.uniform(-bound, bound, (N_CLASSES, n_qubits)).astype(np.float32)
    intercept = rng.uniform(-bound, bound, N_CLASSES).astype(np.float32)
    labels = rng.integers(N_CLASSES, size=n_rows)
    features = rng.standard_normal((n_rows, 2**n_qubits), dtype=np.float32)
    states = np.tanh(features)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    return Problem(n_qubits, ansatz, features, states, labels, weights, coef, intercept)
