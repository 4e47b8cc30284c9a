"""A student's circuit with something taken away: templates that stand for an ansatz in a control.

Each is a PennyLane template ``f(weights, wires)`` with a ``shape``, as any other, and an estimator
for :func:`sklearn.base.clone` and ``set_params(ansatz__random_state=...)``.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from ..circuits import ansatz_shape, ansatz_template, trace_template

__all__ = ["FixedAngles", "RandomOrthogonal", "WithoutEntanglers", "count_gates"]


class FixedAngles(BaseEstimator):
    """An ansatz whose angles are drawn, uniform in [0, 2 pi), and stay.

    Parameters
    ----------
    ansatz : str or callable
    n_layers : int, default=3
        Of that ansatz.
    random_state : int, default=0
        The same angles in each call.
    """

    shape = (0,)

    def __init__(self, ansatz, n_layers=3, random_state=0):
        self.ansatz = ansatz
        self.n_layers = n_layers
        self.random_state = random_state

    def __call__(self, weights, wires):
        """Queue the ansatz at its angles; there are no weights."""
        shape = ansatz_shape(self.ansatz, len(wires), self.n_layers)
        angles = np.random.default_rng(self.random_state).uniform(0, 2 * np.pi, shape)
        ansatz_template(self.ansatz)(angles, wires=wires)


class WithoutEntanglers(BaseEstimator):
    """An ansatz without the gates that act on two wires or more; weights of those have no effect.

    Parameters
    ----------
    ansatz : str or callable
    """

    def __init__(self, ansatz):
        self.ansatz = ansatz

    def shape(self, n_layers, n_wires):
        """Return the shape of the weights, that of the ansatz."""
        return ansatz_shape(self.ansatz, n_wires, n_layers)

    def __call__(self, weights, wires):
        """Queue what is left of the ansatz."""
        import pennylane as qml

        with qml.QueuingManager.stop_recording():
            gates = _gates(self.ansatz, weights, len(wires))
        for gate in gates:
            if len(gate.wires) == 1:
                qml.apply(gate)


class RandomOrthogonal(BaseEstimator):
    """A random orthogonal matrix of all amplitudes, drawn by the Haar measure, that stays.

    Parameters
    ----------
    random_state : int, default=0
        The same matrix in each call.
    """

    shape = (0,)

    def __init__(self, random_state=0):
        self.random_state = random_state

    def __call__(self, weights, wires):
        """Queue the matrix; there are no weights."""
        import pennylane as qml

        qml.QubitUnitary(self.matrix(len(wires)), wires=wires)

    def matrix(self, n_wires):
        """Return the matrix, shape (2^n, 2^n)."""
        normal = np.random.default_rng(self.random_state).normal(size=(2**n_wires, 2**n_wires))
        q, r = np.linalg.qr(normal)
        return q * np.sign(np.diag(r))


def count_gates(ansatz, n_qubits: int, n_layers: int) -> tuple[int, int]:
    """Return how many gates of an ansatz act on one wire, and on more.

    Examples
    --------
    >>> count_gates("basic_entangler", 4, 3)
    (12, 12)
    """
    shape = ansatz_shape(ansatz, n_qubits, n_layers)
    weights = np.random.default_rng(0).uniform(1, 2, shape)
    sizes = [len(gate.wires) for gate in _gates(ansatz, weights, n_qubits)]
    return sizes.count(1), sum(size > 1 for size in sizes)


def _gates(ansatz, weights, n_qubits):
    operations = trace_template(ansatz_template(ansatz), weights, n_qubits)
    return [gate for operation in operations for gate in _taken_apart(operation)]


def _taken_apart(operation) -> list:
    """Return the gates of a template, those of the templates inside it too."""
    if len(operation.wires) == 1 or operation.has_matrix or not operation.has_decomposition:
        return [operation]
    return [gate for part in operation.decomposition() for gate in _taken_apart(part)]
