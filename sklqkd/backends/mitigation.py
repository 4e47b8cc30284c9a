"""Readout-error mitigation: measured frequencies, corrected for bits that were read wrongly."""

from __future__ import annotations

import numpy as np

from ..gates import GateCircuit, NamedGate
from .noise import apply_to_each_qubit

__all__ = ["ReadoutMitigation", "project_to_simplex"]

# The inverse of a confusion matrix multiplies statistical errors by 1 / its determinant.
_SMALLEST_DETERMINANT = 0.05


class ReadoutMitigation:
    """A backend whose probabilities are corrected for readout errors.

    Before the first circuit, two more runs measure all qubits in state 0 and all in state 1. They
    give each qubit's confusion matrix. The inverses are applied to all later probabilities, and the
    result, which may have negative entries, is replaced by the nearest probabilities. Errors of the
    gates remain; the one gate per qubit that prepares state 1 counts as part of the readout.

    Parameters
    ----------
    backend : Backend
        Calibrated with its own number of shots, once for every choice of qubits.
    """

    def __init__(self, backend):
        self.backend = backend
        self.has_gradient = getattr(backend, "has_gradient", True)
        self._inverses: dict[tuple[int, ...], np.ndarray] = {}

    def probabilities(
        self, circuit: GateCircuit, angles: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return corrected probabilities.

        Parameters
        ----------
        circuit : GateCircuit
        angles : ndarray of shape (n_runs, n_angles)
        rng : numpy.random.Generator
            For the shots of the runs, and of the calibration.

        Returns
        -------
        probabilities : ndarray of shape (n_runs, 2^n_qubits)

        Raises
        ------
        ValueError
            If a qubit's readout is so bad that its errors cannot be undone.
        """
        inverses = self._calibrate(circuit, rng)
        measured = self.backend.probabilities(circuit, angles, rng)
        return project_to_simplex(apply_to_each_qubit(inverses, measured))

    def _calibrate(self, circuit, rng):
        """Return the inverse confusion matrices, (n_qubits, 2, 2)."""
        backend, qubits = self.backend, tuple(range(circuit.n_qubits))
        if hasattr(backend, "measured_qubits"):
            # Transpilation chooses the qubits of a device; each has its own errors.
            qubits = backend.measured_qubits(circuit)
            backend = backend.on_qubits(qubits)
        if qubits not in self._inverses:
            self._inverses[qubits] = _inverse_confusions(backend, len(qubits), rng)
        return self._inverses[qubits]


def _inverse_confusions(backend, n_qubits, rng):
    flips = tuple(NamedGate("RX", (qubit,), qubit) for qubit in range(n_qubits))
    angles = np.outer([0.0, np.pi], np.ones(n_qubits))
    measured = backend.probabilities(GateCircuit(n_qubits, flips, n_qubits), angles, rng)
    inverses = np.empty((n_qubits, 2, 2))
    for qubit in range(n_qubits):
        confusion = measured.reshape(2, 2**qubit, 2, -1).sum(axis=(1, 3)).T
        if abs(np.linalg.det(confusion)) < _SMALLEST_DETERMINANT:
            raise ValueError(
                f"Readout errors cannot be mitigated: qubit {qubit} is read as 1 with probability "
                f"{confusion[1, 0]:.3f} if it is 0, and {confusion[1, 1]:.3f} if it is 1. Its "
                "measurement says nothing. Choose other qubits or switch mitigation off."
            )
        inverses[qubit] = np.linalg.inv(confusion)
    return inverses


def project_to_simplex(rows: np.ndarray) -> np.ndarray:
    """Return the nearest probabilities (in Euclidean distance) to each row.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_outcomes)

    Returns
    -------
    probabilities : ndarray of shape (n_rows, n_outcomes)
        Not negative, with sum 1.

    Examples
    --------
    >>> project_to_simplex(np.array([[0.7, 0.5, -0.2], [0.1, 0.3, 0.6]]))
    array([[0.6, 0.4, 0. ],
           [0.1, 0.3, 0.6]])
    """
    # Held and others (1974): subtract one number from all entries and cut at 0.
    descending = -np.sort(-rows, axis=1)
    excess = (np.cumsum(descending, axis=1) - 1) / np.arange(1, rows.shape[1] + 1)
    n_positive = (descending > excess).sum(axis=1)
    shift = np.take_along_axis(excess, n_positive[:, None] - 1, axis=1)
    return np.maximum(rows - shift, 0)
