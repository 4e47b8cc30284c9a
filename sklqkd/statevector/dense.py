"""The kernel for few qubits: every layer of a circuit as one matrix."""

from __future__ import annotations

import numpy as np

from .local_layers import LocalLayers, kronecker
from .program import Gate, LocalLayer, PhasePermutation, Program

__all__ = ["DenseKernel"]


class DenseKernel:
    """Every local layer, with the constant permutation after it, as one 2^n x 2^n matrix.

    The fastest way for small n, where the calls cost more than the arithmetic.

    Parameters
    ----------
    program : Program
    dtype : dtype
        Of the states: complex64 or complex128, or float32 or float64 for a real program on real
        states.
    """

    _make_layers = LocalLayers

    def __init__(self, program: Program, dtype=np.complex64):
        self.program = program
        self.dtype = np.dtype(dtype)
        n_qubits = program.n_qubits
        layers: list[LocalLayer] = []
        orders: list[PhasePermutation] = []
        self._steps: list[int | np.ndarray | PhasePermutation] = []
        for step in program.steps:
            if isinstance(step, LocalLayer):
                self._steps.append(len(layers))
                layers.append(step)
                orders.append(PhasePermutation.identity(n_qubits))
            elif isinstance(step, Gate):
                self._steps.append(self._constant(step.apply(np.eye(2**n_qubits))))
            elif len(step.index):
                self._steps.append(step)
            elif self._steps and isinstance(self._steps[-1], int):
                orders[-1] = orders[-1].then(step)
            else:
                matrix = np.zeros((2**n_qubits, 2**n_qubits), complex)
                matrix[np.arange(2**n_qubits), step.permutation] = step.phase
                self._steps.append(self._constant(matrix))
        self._layers = self._make_layers(layers, n_qubits, program.n_weights)
        self._orders = orders
        self._index_orders(orders)
        self._padded = np.zeros(program.n_weights + 1)
        self._matrices = np.zeros((len(layers), 2**n_qubits, 2**n_qubits), self.dtype)

    def _constant(self, matrix: np.ndarray) -> np.ndarray:
        return np.asarray(matrix if self.dtype.kind == "c" else matrix.real, self.dtype)

    def _index_orders(self, orders: list[PhasePermutation]) -> None:
        """Fold the permutations after the layers into flat indices, made once."""
        n_qubits, size = self.program.n_qubits, 2**self.program.n_qubits
        shape = (len(orders), size, size)
        rows = np.arange(size)
        flat = np.arange(len(orders) * size * size).reshape(shape)
        self._rows = flat.copy()
        self._phases = np.ones((len(orders), size, 1), complex)
        trace = np.zeros((len(orders), n_qubits, 2, 2, size // 2), int)
        trace_phases = np.ones(trace.shape, complex)
        for i, order in enumerate(orders):
            self._rows[i] = flat[i][order.permutation]
            self._phases[i, :, 0] = order.phase
            # Where a basis state of the layer's own output stands after the permutation.
            place = np.argsort(order.permutation)
            for q in range(n_qubits):
                bit = 1 << (n_qubits - 1 - q)
                zero = rows[rows & bit == 0]
                for a in (0, 1):
                    for b in (0, 1):
                        left, right = place[zero | a * bit], place[zero | b * bit]
                        trace[i, q, a, b] = flat[i][left, right]
                        trace_phases[i, q, a, b] = order.phase[left] * order.phase[right].conj()
        self._trace, self._trace_phases = trace, trace_phases
        self._has_phases = bool((self._phases != 1).any())

    def prepare(self, weights):
        """See :class:`sklqkd.statevector.Kernel`."""
        self._padded[:-1] = weights
        if len(self._matrices):
            layers = self._layers.matrices(self._padded)
            if self.dtype.kind != "c":
                layers = layers.real
            matrices = kronecker(layers).take(self._rows)
            if self._has_phases:
                matrices = matrices * (
                    self._phases if self.dtype.kind == "c" else self._phases.real
                )
            self._matrices[...] = matrices

    def _matrix(self, step):
        return self._matrices[step] if isinstance(step, int) else step

    def forward(self, state, keep=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        state = state.astype(self.dtype, copy=False)
        self._states = [state]
        for step in self._steps:
            if isinstance(step, PhasePermutation):
                phases = step.phases(self._padded).astype(self.dtype)
                state = state.take(step.permutation, axis=0) * phases[:, None]
            else:
                state = self._matrix(step) @ state
            if keep:
                self._states.append(state)
        return state

    def probabilities(self, state, keep=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        final = self.forward(state, keep)
        if self.dtype.kind != "c":
            return final**2
        probabilities = final.real**2
        probabilities += final.imag**2
        return probabilities

    def backward_probabilities(self, gradient, with_input=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        return self.backward(2 * gradient * self._states[-1], with_input)

    def backward(self, adjoint, with_input=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        conjugate = adjoint.conj()
        gradient = np.zeros(len(self._padded))
        products = np.empty(self._matrices.shape, self.dtype)
        for i in range(len(self._steps) - 1, -1, -1):
            step, state = self._steps[i], self._states[i + 1]
            if isinstance(step, PhasePermutation):
                diagonal = np.einsum("kb,kb->k", conjugate, state).imag
                np.add.at(gradient, step.index, step.gradient(diagonal))
                conjugate *= step.phases(self._padded)[:, None]
                conjugate = conjugate.take(np.argsort(step.permutation), axis=0)
                continue
            if isinstance(step, int):
                np.matmul(conjugate, state.T, out=products[step])
            if i or with_input:
                conjugate = self._matrix(step).T @ conjugate
        if len(products):
            traces = products.take(self._trace)
            if self._has_phases:
                traces = traces * self._trace_phases
            gradient += self._layers.gradient(traces.sum(axis=-1))
        return gradient[:-1], conjugate.conj() if with_input else None
