"""The kernel for many qubits: a layer of one-qubit gates as a few small real matrix products.

Every one-qubit gate is, up to a phase, ``diag(1, e^(i a)) R diag(1, e^(i c))``
with a real rotation R. So a layer is a diagonal, a real Kronecker product, and a diagonal; and all
diagonals and permutations between two layers collapse to one gather and one product with a vector.
The Kronecker product is applied three qubits at a time, as a batch of real 8 x 8 products over the
state's float view: that is the size that BLAS multiplies fastest per amplitude.
"""

from __future__ import annotations

import numpy as np

from .statevector import Gate, LocalLayer, LocalLayers, PhasePermutation, Program

__all__ = ["FactoredKernel"]

#: Qubits per matrix product, and floats per row of one: measured, both flat around these values.
GROUP = 3
COLUMNS = 1024


class FactoredKernel:
    """Layers as Kronecker products; the batch in the last axis; memory reused between calls.

    Parameters
    ----------
    program : Program
    dtype : dtype
        Of the states: complex64 or complex128, or float32 or float64 for a real program on real
        states.

    Notes
    -----
    Memory: one state per layer and five more, each of 2^n times the batch.
    """

    def __init__(self, program: Program, dtype=np.complex64):
        self.program = program
        self.dtype = np.dtype(dtype)
        self.is_complex = self.dtype.kind == "c"
        n_qubits = program.n_qubits
        self._gaps = [PhasePermutation.identity(n_qubits)]
        self._items: list[LocalLayer | Gate] = []
        for step in program.steps:
            if isinstance(step, PhasePermutation):
                self._gaps[-1] = self._gaps[-1].then(step)
            else:
                self._items.append(step)
                self._gaps.append(PhasePermutation.identity(n_qubits))
        places = np.arange(2**n_qubits)
        self._moves = [(gap.permutation != places).any() for gap in self._gaps]
        self._inverse = [np.argsort(gap.permutation) for gap in self._gaps]
        self._local = [i for i, item in enumerate(self._items) if isinstance(item, LocalLayer)]
        self._layers = LocalLayers(
            [item for item in self._items if isinstance(item, LocalLayer)],
            n_qubits,
            program.n_weights,
        )
        self._groups = [
            range(first, min(first + GROUP, n_qubits)) for first in range(0, n_qubits, GROUP)
        ]
        self._padded = np.zeros(program.n_weights + 1)
        self._workspaces: dict[int, _Workspace] = {}

    def prepare(self, weights):
        """See :class:`sklqkd.statevector.Kernel`."""
        self._padded[:-1] = weights
        matrices = self._layers.matrices(self._padded)
        if self.is_complex:
            rotations, before, after = _split_rotations(matrices)
            self._after = after
            self._set_phases(_kronecker_diagonals(before), _kronecker_diagonals(after))
        else:
            rotations = matrices.real
            self._phases = [
                None if (gap.phase == 1).all() else gap.phase.real.astype(self.dtype)[:, None]
                for gap in self._gaps
            ]
        real = np.finfo(self.dtype).dtype
        self._factors = [_kronecker(rotations[:, group]).astype(real) for group in self._groups]

    def _set_phases(self, before, after):
        """Collapse all that is diagonal between two layers into one vector each."""
        phases = [gap.phases(self._padded) for gap in self._gaps]
        for layer, i in enumerate(self._local):
            phases[i] = phases[i] * before[layer]
            phases[i + 1] = phases[i + 1] * after[layer].take(self._gaps[i + 1].permutation)
        self._phases = [phase.astype(self.dtype)[:, None] for phase in phases]

    def _workspace(self, batch):
        if batch not in self._workspaces:
            if len(self._workspaces) > 1:  # a whole batch and the last, shorter one
                self._workspaces.clear()
            self._workspaces[batch] = _Workspace(
                self.program.n_qubits, batch, len(self._items), self.dtype, self._groups
            )
        return self._workspaces[batch]

    def _through_gap(self, g, state, out):
        if self._moves[g]:
            state = state.take(self._gaps[g].permutation, axis=0, out=out, mode="clip")
        if self._phases[g] is None:
            return state
        return np.multiply(state, self._phases[g], out=out)

    def forward(self, state, keep=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        work = self._work = self._workspace(state.shape[1])
        if state.dtype != self.dtype:
            state = state.astype(self.dtype)
        self._initial = state
        layer = 0
        for i, item in enumerate(self._items):
            target = work.kept(i if keep else 0)
            moved = self._through_gap(i, state, work.gap.array)
            if moved is not work.gap.array:
                np.copyto(work.gap.array, moved)
            if isinstance(item, Gate):
                np.copyto(target.array, item.apply(work.gap.array))
            else:
                factors = [factor[layer] for factor in self._factors]
                work.multiply(factors, work.gap, target)
                layer += 1
            state = target.array
        return self._through_gap(len(self._items), state, work.gap.array)

    def backward(self, adjoint, with_input=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        work = self._work
        gradient = np.zeros(len(self._padded))
        products = np.zeros((len(self._local), self.program.n_qubits, 2, 2), complex)
        layer = len(self._local)
        for i in range(len(self._items), -1, -1):
            gap, moved = self._gaps[i], work.adjoint
            phases = self._phases[i]
            if phases is not None:
                adjoint = np.multiply(adjoint, phases.conj(), out=work.gap.array)
            if self._moves[i]:
                adjoint = adjoint.take(self._inverse[i], axis=0, out=moved.array, mode="clip")
            if adjoint is not moved.array:
                np.copyto(moved.array, adjoint)
            adjoint = moved.array
            state = work.kept(i - 1).array if i else self._initial
            if len(gap.index):
                overlap = np.einsum("kb,kb->k", adjoint.conj(), state).imag
                np.add.at(gradient, gap.index, gap.gradient(overlap.take(gap.permutation)))
            if not i:
                break
            item = self._items[i - 1]
            if isinstance(item, Gate):
                if i > 1 or with_input or len(self._gaps[0].index):
                    adjoint = item.inverse.apply(adjoint)
                continue
            layer -= 1
            products[layer] = work.products(moved, work.kept(i - 1))
            if i > 1 or with_input or len(self._gaps[0].index):
                work.multiply([f[layer].T for f in self._factors], moved, work.pulled)
                adjoint = work.pulled.array
            else:
                break
        if self.is_complex:
            products[:, :, 0, 1] *= self._after
            products[:, :, 1, 0] *= self._after.conj()
        gradient += self._layers.gradient(products)
        return gradient[:-1], adjoint if with_input else None


class _Buffer:
    """One batch of states, with the views that the matrix products read and write."""

    def __init__(self, n_qubits, batch, dtype, groups):
        self.array = np.empty((2**n_qubits, batch), dtype)
        flat = self.array.view(np.finfo(dtype).dtype)
        self.views = []
        for group in groups:
            size, rest = 2 ** len(group), 2 ** (n_qubits - group[-1] - 1)
            columns = rest * flat.shape[1]
            chunks = 1
            while chunks < rest and columns // chunks > COLUMNS:
                chunks *= 2
            view = flat.reshape(2 ** group[0], size, chunks, columns // chunks)
            self.views.append(view.transpose(0, 2, 1, 3))
        self.transposed = [view.swapaxes(-1, -2) for view in self.views]


class _Workspace:
    """The memory of one batch size."""

    def __init__(self, n_qubits, batch, n_items, dtype, groups):
        def buffer():
            return _Buffer(n_qubits, batch, dtype, groups)

        self._new_buffer = buffer
        self._kept: list[_Buffer] = []
        self.gap, self.adjoint, self.pulled = buffer(), buffer(), buffer()
        self._between = (buffer(), buffer())
        self._groups = groups
        self._traces = [_trace_indices(len(group)) for group in groups]
        self._is_complex = dtype.kind == "c"

    def kept(self, i):
        """Return the buffer of the state after item `i`, made when it is first asked for."""
        while len(self._kept) <= i:
            self._kept.append(self._new_buffer())
        return self._kept[i]

    def multiply(self, factors, source, target):
        """Apply one factor per group of qubits to `source`, with the result in `target`."""
        for g, factor in enumerate(factors):
            out = target if g == len(factors) - 1 else self._between[g % 2]
            np.matmul(factor, source.views[g], out=out.views[g])
            source = out

    def products(self, adjoint, state):
        """Return per qubit the 2 x 2 sums of conj(adjoint)_i * state_j, (n_qubits, 2, 2)."""
        real = self._group_products(adjoint, state)
        if not self._is_complex:
            return real
        turned = self._between[0]
        np.multiply(state.array, -1j, out=turned.array)
        return real + 1j * self._group_products(adjoint, turned)

    def _group_products(self, left, right):
        sums = []
        for g, trace in enumerate(self._traces):
            product = np.matmul(left.views[g], right.transposed[g]).sum(axis=(0, 1))
            sums.append(product.take(trace).sum(axis=-1))
        return np.concatenate(sums)


def _trace_indices(n_qubits):
    """Return flat indices into a 2^k x 2^k matrix, (k, 2, 2, 2^(k-1)): the others traced out."""
    size = 2**n_qubits
    basis = np.arange(size)
    indices = np.empty((n_qubits, 2, 2, size // 2), int)
    for q in range(n_qubits):
        bit = 1 << (n_qubits - 1 - q)
        rest = basis[basis & bit == 0]
        for a in (0, 1):
            for b in (0, 1):
                indices[q, a, b] = (rest | a * bit) * size + (rest | b * bit)
    return indices


def _split_rotations(matrices):
    """Split 2 x 2 unitaries into rotation and phases, up to a global phase.

    Returns the real rotations, same shape, and ``e^(i c)``, ``e^(i a)`` of the module's docstring,
    each (n_layers, n_qubits).
    """
    determinants = matrices[..., 0, 0] * matrices[..., 1, 1]
    determinants -= matrices[..., 0, 1] * matrices[..., 1, 0]
    matrices = matrices / np.sqrt(determinants)[..., None, None]
    cosine, sine = np.abs(matrices[..., 1, 1]), np.abs(matrices[..., 1, 0])
    tiny = np.finfo(float).tiny
    unit_cosine = np.where(cosine > tiny, matrices[..., 1, 1] / np.maximum(cosine, tiny), 1)
    unit_sine = np.where(sine > tiny, matrices[..., 1, 0] / np.maximum(sine, tiny), 1)
    rotations = np.empty(matrices.shape)
    rotations[..., 0, 0] = rotations[..., 1, 1] = cosine
    rotations[..., 1, 0] = sine
    rotations[..., 0, 1] = -sine
    return rotations, unit_cosine * unit_sine.conj(), unit_cosine * unit_sine


def _kronecker(matrices):
    """Return the Kronecker products over axis 1 of (n_layers, k, 2, 2)."""
    product = matrices[:, 0]
    for q in range(1, matrices.shape[1]):
        product = product[:, :, None, :, None] * matrices[:, q, None, :, None, :]
        product = product.reshape(-1, 2 ** (q + 1), 2 ** (q + 1))
    return product


def _kronecker_diagonals(phases):
    """Return the diagonals of the Kronecker products of diag(1, phase), (n_layers, 2^n)."""
    product = np.ones((len(phases), 1), complex)
    for q in range(phases.shape[1] - 1, -1, -1):
        product = np.concatenate([product, phases[:, q, None] * product], axis=1)
    return product
