"""The dense kernel's passes, compiled by numba: one call for each way through the circuit.

For few qubits NumPy's calls cost more than the arithmetic. Here the products of matrices, still
done by BLAS, follow each other without returning to Python.
"""

from __future__ import annotations

import numpy as np

from .compiled import CompiledLayers, compiled, slope
from .dense import DenseKernel

__all__ = ["CompiledDenseKernel"]


class CompiledDenseKernel(DenseKernel):
    """A :class:`sklqkd.statevector.DenseKernel` whose passes are compiled.

    They are for the usual circuit, a complex one of layers and constant permutations; any other
    goes NumPy's way.
    """

    _make_layers = CompiledLayers

    def __init__(self, program, dtype=np.complex64):
        super().__init__(program, dtype)
        self._order = np.array([order.permutation for order in self._orders], int)
        self._order_phases = np.array([order.phase for order in self._orders], complex)
        self._kept = np.empty((0, 0, 0), self.dtype)

    def _index_orders(self, orders):
        are_layers = all(isinstance(step, int) for step in self._steps)
        self._is_usual = bool(self._steps) and are_layers and self.dtype.kind == "c"
        if not self._is_usual:  # the compiled passes need no such indices
            super()._index_orders(orders)

    def prepare(self, weights):
        """See :class:`sklqkd.statevector.Kernel`."""
        if not self._is_usual:
            super().prepare(weights)
            return
        self._padded[:-1] = weights
        matrices = self._layers.matrices(self._padded)
        _fuse(matrices, self._order, self._order_phases, self._matrices)

    def forward(self, state, keep=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        if not self._is_usual:
            return super().forward(state, keep)
        shape = (len(self._matrices) + 1, *state.shape)
        if self._kept.shape != shape:
            self._kept = np.empty(shape, self.dtype)
        self._kept[0] = state
        _forward(self._matrices, self._kept)
        self._states = [self._kept[-1]]
        return self._kept[-1]

    def probabilities(self, state, keep=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        if not self._is_usual:
            return super().probabilities(state, keep)
        final = self.forward(state, keep)
        out = np.empty(final.shape, final.real.dtype)
        _squared(final, out)
        return out

    def backward(self, adjoint, with_input=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        if not self._is_usual:
            return super().backward(adjoint, with_input)
        layers = self._layers
        gradient = np.zeros(len(self._padded))
        conjugate = np.conj(adjoint).astype(self.dtype, order="C", copy=False)
        conjugate = _backward(
            conjugate,
            self._kept,
            self._matrices,
            self._order,
            self._order_phases,
            layers.index,
            layers.scale,
            layers.generator,
            layers.later,
            with_input,
            gradient,
        )
        return gradient[:-1], np.conj(conjugate) if with_input else None


@compiled
def _fuse(matrices, order, phases, out):
    """Write each layer, and the permutation after it, as one matrix."""
    n_layers, n_qubits = matrices.shape[:2]
    size = out.shape[1]
    for i in range(n_layers):
        for row in range(size):
            source = order[i, row]
            for column in range(size):
                product = phases[i, row]
                for q in range(n_qubits):
                    shift = n_qubits - 1 - q
                    product *= matrices[i, q, source >> shift & 1, column >> shift & 1]
                out[i, row, column] = product


@compiled
def _forward(matrices, states):
    for i in range(len(matrices)):
        np.dot(matrices[i], states[i], states[i + 1])


@compiled
def _squared(state, out):
    for k in range(len(state)):
        for b in range(state.shape[1]):
            out[k, b] = state[k, b].real ** 2 + state[k, b].imag ** 2


@compiled
def _backward(
    conjugate, states, matrices, order, phases, index, scale, generator, later, with_input, gradient
):
    """Pull the conjugate adjoint back; add to the gradient of the padded weights."""
    n_slots, n_layers, n_qubits = index.shape
    size = len(conjugate)
    place = np.empty(size, np.int64)
    sums = np.empty((2, 2), np.complex128)
    for i in range(n_layers - 1, -1, -1):
        for row in range(size):
            place[order[i, row]] = row
        products = np.dot(conjugate, states[i + 1].T)
        for q in range(n_qubits):
            bit = 1 << (n_qubits - 1 - q)
            sums[:] = 0
            for zero in range(size):
                if zero & bit:
                    continue
                for a in range(2):
                    for b in range(2):
                        left, right = place[zero + a * bit], place[zero + b * bit]
                        phase = phases[i, left] * phases[i, right].conjugate()
                        sums[a, b] += phase * products[left, right]
            for k in range(n_slots):
                if scale[k, i, q] != 0:
                    derivative = slope(sums, generator[k, i, q], later[k, i, q])
                    gradient[index[k, i, q]] += scale[k, i, q] * derivative
        if i > 0 or with_input:
            conjugate = np.dot(matrices[i].T, conjugate)
    return conjugate
