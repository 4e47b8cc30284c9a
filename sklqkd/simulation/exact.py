"""An encoding and an ansatz together, from features to probabilities, by the exact simulator."""

from __future__ import annotations

import numpy as np

from ..encodings import Encoding
from ..statevector import FactoredKernel, Program

__all__ = ["ExactCircuit", "NoisyCircuit"]

#: Amplitudes per chunk of a prediction: bounds its memory, whatever the number of rows.
CHUNK = 2**18


class ExactCircuit:
    """Exact probabilities and gradients; obeys :class:`sklqkd.training.Middle`.

    Parameters
    ----------
    encoding : Encoding
    program : Program
        The compiled ansatz.
    dtype : dtype, default=numpy.float32
        float32 (states in complex64) or float64 (complex128).
    """

    def __init__(self, encoding: Encoding, program: Program, dtype=np.float32):
        self.encoding = encoding
        self.n_qubits = program.n_qubits
        self.n_weights = program.n_weights
        self.n_rows: int | None = max(1, CHUNK >> program.n_qubits)
        # The circuit's last permutation is left to the read-out, which does it for nothing.
        self.program, self.permutation = program.split_readout()
        is_real = self.program.is_real and encoding.is_real
        state_dtype = np.dtype(dtype) if is_real else np.result_type(dtype, np.complex64)
        self._kernel = FactoredKernel(self.program, state_dtype)

    def prepare(self, weights):
        """See :class:`sklqkd.training.Middle`."""
        self._kernel.prepare(weights)

    def values(self, features, keep=True):
        """See :class:`sklqkd.training.Middle`."""
        return self._kernel.probabilities(self.encoding.forward(features), keep)

    def backward(self, gradient, with_input):
        """See :class:`sklqkd.training.Middle`."""
        weights_gradient, adjoint = self._kernel.backward_probabilities(gradient, with_input)
        return weights_gradient, None if adjoint is None else self.encoding.backward(adjoint)


class NoisyCircuit:
    """Shot noise, and a depolarising channel, on the exact probabilities.

    Obeys :class:`sklqkd.training.Middle`. The gradient is the exact one, at the probabilities that
    were measured: the noise is injected into a training that is otherwise exact.

    Parameters
    ----------
    circuit : ExactCircuit
    shots : int or None
        Number of measurements of each image; None for the probabilities themselves.
    depolarizing : float
        Probability, in [0, 1], that the whole register is replaced by the maximally mixed state.
    rng : numpy.random.Generator
    """

    def __init__(self, circuit, shots, depolarizing, rng):
        self._circuit = circuit
        self._shots, self._depolarizing, self._rng = shots, depolarizing, rng
        self.n_qubits, self.n_weights = circuit.n_qubits, circuit.n_weights
        self.permutation, self.n_rows = circuit.permutation, circuit.n_rows
        self.prepare, self.encoding = circuit.prepare, getattr(circuit, "encoding", None)

    def values(self, features, keep=True):
        """See :class:`sklqkd.training.Middle`."""
        exact = self._circuit.values(features, keep)
        probabilities = (1 - self._depolarizing) * exact.astype(float)
        probabilities += self._depolarizing / len(exact)
        if self._shots is not None:
            probabilities /= probabilities.sum(axis=0)
            counts = self._rng.multinomial(self._shots, probabilities.T)
            probabilities = counts.T / self._shots
        return probabilities.astype(exact.dtype)

    def backward(self, gradient, with_input):
        """See :class:`sklqkd.training.Middle`."""
        kept = np.asarray(1 - self._depolarizing, gradient.dtype)
        return self._circuit.backward(kept * gradient, with_input)
