"""The circuits of many students at once: one small unitary for each, one more leading axis.

Up to 5 qubits a circuit is a 2^n x 2^n matrix. A step makes one for each of K students, multiplies
it with that student's batch, and pulls the gradient back through the layers as a matrix too: the
batch meets two products, whatever the number of layers.

Complex numbers are kept as real ones, real parts above imaginary parts: (2 * 2^n, ...). States are
real for most encodings, and a real matrix product is half the work of a complex one.
"""

from __future__ import annotations

import numpy as np

from .dense import DenseKernel
from .local_layers import kronecker
from .program import PhasePermutation, Program

__all__ = ["StackedCircuit"]


class StackedCircuit(DenseKernel):
    """Unitaries of many students with one circuit but their own weights, and the gradients.

    Parameters
    ----------
    program : Program
        One for which :func:`.kernels.can_stack` is true.

    Examples
    --------
    >>> import numpy as np
    >>> from sklqkd.circuits import compile_ansatz
    >>> circuit = StackedCircuit(compile_ansatz("basic_entangler", n_qubits=2, n_layers=1))
    >>> circuit.unitaries(np.zeros((3, 2), np.float32)).shape
    (3, 8, 4)
    """

    def __init__(self, program: Program):
        super().__init__(program, np.complex64)
        self._has_layers = any(isinstance(step, int) for step in self._steps)
        self._products: list[np.ndarray] = []
        self._factors: list[np.ndarray] = []

    def unitaries(self, weights: np.ndarray) -> np.ndarray:
        """Return the unitaries, real parts above imaginary parts.

        Parameters
        ----------
        weights : ndarray of shape (n_students, n_weights)

        Returns
        -------
        unitaries : ndarray of float32, shape (n_students, 2 * 2^n, 2^n)
        """
        n_students, size = len(weights), 2**self.program.n_qubits
        empty = np.empty((n_students, 0, size, size), np.complex64)
        matrices = self._layer_matrices(weights) if self._has_layers else empty
        product = np.broadcast_to(np.eye(size, dtype=np.complex64), (n_students, size, size))
        self._products, self._factors = [product], []
        for step in self._steps:
            assert not isinstance(step, PhasePermutation)
            factor = matrices[:, step] if isinstance(step, int) else step
            product = factor @ product
            self._factors.append(factor)
            self._products.append(product)
        return np.concatenate([product.real, product.imag], axis=1)

    def gradient(self, adjoint: np.ndarray) -> np.ndarray:
        """Pull back the gradient for the last unitaries.

        Parameters
        ----------
        adjoint : ndarray of shape (n_students, 2 * 2^n, 2^n)
            The loss's gradient for each number of the unitaries.

        Returns
        -------
        gradient : ndarray of shape (n_students, n_weights)
        """
        n_students, size = len(adjoint), 2**self.program.n_qubits
        if not self._has_layers:
            return np.zeros((n_students, self.program.n_weights), np.float32)
        conjugate = adjoint[:, :size] - 1j * adjoint[:, size:]
        products = np.empty((n_students, *self._matrices.shape), np.complex64)
        for i in range(len(self._steps) - 1, -1, -1):
            step = self._steps[i]
            if isinstance(step, int):
                transposed = self._products[i + 1].swapaxes(-1, -2)
                np.matmul(conjugate, transposed, out=products[:, step])
            if i:
                conjugate = self._factors[i].swapaxes(-1, -2) @ conjugate
        traces = products.reshape(n_students, -1).take(self._trace, axis=1)
        if self._has_phases:
            traces = traces * self._trace_phases
        return self._layers.gradient(traces.sum(axis=-1))[:, :-1]

    def _layer_matrices(self, weights):
        """Return the layers' matrices, (n_students, n_layers, 2^n, 2^n)."""
        layers = self._layers.matrices(np.pad(weights, [(0, 0), (0, 1)]))
        matrices = kronecker(layers).reshape(len(weights), -1).take(self._rows, axis=1)
        if self._has_phases:
            matrices = matrices * self._phases
        return matrices.astype(np.complex64)
