"""Encodings that are gates: their states come out of the exact simulator."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..circuits.gate_programs import gate_program
from ..gates import DataGates
from ..statevector.sampled import SampledKernel

__all__ = ["GateEncoding", "PolynomialPreparation", "squashed_angles", "squashed_gradient"]


#: Amplitudes at a time: bounds the memory, whatever the number of rows.
CHUNK = 2**18


def squashed_angles(features: np.ndarray, n_features: int) -> np.ndarray:
    """Return features as angles, ``pi * tanh(x)``, (n_samples, n_features); 0 for missing ones."""
    angles = np.zeros((len(features), n_features))
    angles[:, : features.shape[1]] = np.pi * np.tanh(np.asarray(features, float))
    return angles


def squashed_gradient(angles: np.ndarray, gradient: np.ndarray, n_given: int) -> np.ndarray:
    """Pull a gradient for :func:`squashed_angles` back to the features, (n_samples, n_given)."""
    squashed = angles[:, :n_given] / np.pi
    return np.pi * (1 - squashed**2) * gradient[:, :n_given]


class GateEncoding:
    """An encoding by gates whose angles are polynomials of ``pi * tanh(x)``.

    Parameters
    ----------
    gates : DataGates
    shape : tuple of int or None, default=None
        Of the weights in them.
    """

    is_real = False
    loops: str | None = None

    def __init__(self, gates: DataGates, shape: tuple[int, ...] | None = None):
        self.gates, self.shape = gates, shape
        self.n_qubits = gates.circuit.n_qubits
        self.n_features = gates.polynomials.n_features

    def forward(self, features):
        """See :meth:`.base.Encoding.forward`."""
        self._n_given = features.shape[1]
        self._angles = squashed_angles(features, self.n_features)
        dtype = np.result_type(features.dtype, np.complex64)
        states = np.empty((2**self.n_qubits, len(features)), dtype)
        chunks = self._chunks()
        for rows in chunks:
            planes = self._kernel.forward(self._angles[rows].T, keep=len(chunks) == 1)
            states.real[:, rows], states.imag[:, rows] = planes
        return states

    def backward(self, adjoint):
        """See :meth:`.base.Encoding.backward`."""
        gradient = np.empty_like(self._angles)
        chunks = self._chunks()
        for rows in chunks:
            if len(chunks) > 1:  # of which `forward` has kept nothing
                self._kernel.forward(self._angles[rows].T)
            towards = np.stack([adjoint.real[:, rows], adjoint.imag[:, rows]])
            gradient[rows] = self._kernel.backward(towards)[1].T
        gradient = squashed_gradient(self._angles, gradient, self._n_given)
        return gradient.astype(adjoint.real.dtype, copy=False)

    @cached_property
    def _kernel(self):
        return SampledKernel(gate_program(self.gates.circuit), self.gates.polynomials)

    def _chunks(self):
        n_rows = max(1, CHUNK >> self.n_qubits)
        return [slice(start, start + n_rows) for start in range(0, len(self._angles), n_rows)]

    def preparation(self):
        """See :meth:`.base.Encoding.preparation`."""
        return PolynomialPreparation(self.gates)

    def torch_states(self, features):
        """See :meth:`.base.Encoding.torch_states`."""
        from .torch_gates import torch_states

        return torch_states(self.gates, features)


class PolynomialPreparation:
    """Gates whose angles are polynomials of ``pi * tanh(x)``; missing features count as 0.

    Parameters
    ----------
    gates : DataGates
        Without weights.
    """

    def __init__(self, gates: DataGates):
        self.circuit, self.polynomials = gates

    def angles(self, features):
        """See :class:`.base.Preparation`."""
        self._n_given = np.shape(features)[1]
        self._angles = squashed_angles(features, self.polynomials.n_features)
        return self.polynomials.angles(self._angles, np.empty(0))

    def backward(self, gradient):
        """See :class:`.base.Preparation`."""
        gradient, _ = self.polynomials.gradient(self._angles, np.empty(0), gradient)
        return squashed_gradient(self._angles, gradient, self._n_given)
