"""The kernel for many qubits: a layer of one-qubit gates as a few small real matrix products.

Every one-qubit gate is, up to a phase, ``diag(1, e^(i a)) R diag(1, e^(i c))`` with a real rotation
R. So a layer is a diagonal, a real Kronecker product, and a diagonal; and all diagonals and
permutations between two layers collapse to one gather and one product with a vector, the *gap*. The
Kronecker product is applied three qubits at a time, as a batch of real 8 x 8 products: that is the
size that BLAS multiplies fastest per amplitude.

States are kept as planes, a real array of shape (2, 2^n, batch) with the real and the imaginary
part; a real program on real states has one plane.
"""

from __future__ import annotations

import numpy as np

from .local_layers import LocalLayers, kronecker
from .program import Gate, LocalLayer, PhasePermutation, Program

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
    Memory: one state per layer and six more, each of 2^n times the batch.
    """

    _make_layers = LocalLayers

    def __init__(self, program: Program, dtype=np.complex64):
        self.program = program
        self.dtype = np.dtype(dtype)
        self.is_complex = self.dtype.kind == "c"
        self._real = np.finfo(self.dtype).dtype
        n_qubits = program.n_qubits
        gaps = [PhasePermutation.identity(n_qubits)]
        self._items: list[LocalLayer | Gate] = []
        for step in program.steps:
            if isinstance(step, PhasePermutation):
                gaps[-1] = gaps[-1].then(step)
            else:
                self._items.append(step)
                gaps.append(PhasePermutation.identity(n_qubits))
        self._gaps = gaps
        self._orders = np.array([gap.permutation for gap in gaps])
        self._moves = (self._orders != np.arange(2**n_qubits)).any(axis=1)
        self._inverse = np.argsort(self._orders, axis=1)
        self._constant_phases = np.array([gap.phase for gap in gaps])
        self._turning = [g for g, gap in enumerate(gaps) if len(gap.index)]
        is_local = [isinstance(item, LocalLayer) for item in self._items]
        self._local = np.flatnonzero(is_local)
        self._layers = self._make_layers(
            [item for item in self._items if isinstance(item, LocalLayer)],
            n_qubits,
            program.n_weights,
        )
        # A short group comes first, where its products are few and long.
        ends = range(n_qubits, 0, -GROUP)
        self._groups = [range(max(0, end - GROUP), end) for end in reversed(ends)]
        self._trace = _trace_indices(self._groups)
        self._padded = np.zeros(program.n_weights + 1)
        if self.is_complex:
            # Where the layers' last phases lie, behind the first ones, in the next gap's order.
            self._following = np.array(self._local, int) + 1
            rows = len(self._local) + np.arange(len(self._local))[:, None]
            self._after_places = rows * 2**n_qubits + self._orders[self._following]
            self._phases = np.empty((len(gaps), 2, 2**n_qubits, 1), self._real)
        self._workspaces: dict[int, _Workspace] = {}

    def prepare(self, weights):
        """See :class:`sklqkd.statevector.Kernel`."""
        self._padded[:-1] = weights
        matrices = self._layers.matrices(self._padded)
        phases = self._gap_phases()
        if self.is_complex:
            rotations, before, self._after = self._split_rotations(matrices)
            # Collapse all that is diagonal between two layers into one vector.
            diagonals = self._kronecker_diagonals(np.concatenate([before, self._after]))
            phases[self._local] *= diagonals[: len(before)]
            phases[self._following] *= diagonals.take(self._after_places)
            self._phases[:, 0, :, 0] = phases.real
            self._phases[:, 1, :, 0] = phases.imag
        else:
            rotations = matrices.real
            self._phases = phases.real.astype(self._real)[:, None, :, None]
        self._factors = self._kronecker_factors(rotations)

    def _gap_phases(self):
        """Return the phases of the permutations between the layers, (n_gaps, 2^n), a copy."""
        phases = self._constant_phases.copy()
        for g in self._turning:
            phases[g] = self._gaps[g].phases(self._padded)
        return phases

    def _kronecker_factors(self, rotations):
        """Return per layer the Kronecker product over each group of qubits."""
        n_layers, n_qubits = rotations.shape[:2]
        n_padded = len(self._groups) * GROUP
        padded = np.zeros((n_layers, n_padded, 2, 2))
        padded[..., 0, 0] = padded[..., 1, 1] = 1
        # A short group stands behind identities, and its product in the upper left corner.
        padded[:, n_padded - n_qubits :] = rotations
        padded = padded.reshape(n_layers, len(self._groups), GROUP, 2, 2)
        product = kronecker(padded).astype(self._real)
        sizes = [2 ** len(group) for group in self._groups]
        return [
            [product[layer, g, :size, :size] for g, size in enumerate(sizes)]
            for layer in range(n_layers)
        ]

    @staticmethod
    def _split_rotations(matrices):
        """Split 2 x 2 unitaries into rotation and phases, up to a global phase.

        Returns the real rotations, same shape, and ``e^(i c)``, ``e^(i a)`` of the module's
        docstring, each (n_layers, n_qubits).
        """
        determinants = matrices[..., 0, 0] * matrices[..., 1, 1]
        determinants -= matrices[..., 0, 1] * matrices[..., 1, 0]
        row = matrices[..., 1, :] / np.sqrt(determinants)[..., None]
        sizes = np.abs(row)  # sine, cosine
        tiny = np.finfo(float).tiny
        units = (row + tiny) / (sizes + tiny)  # 1 where the size is 0
        rotations = sizes[..., [[1, 0], [0, 1]]] * np.array([[1, -1], [1, 1]])
        return rotations, units[..., 1] * units[..., 0].conj(), units[..., 1] * units[..., 0]

    @staticmethod
    def _kronecker_diagonals(phases):
        """Return the diagonals of the Kronecker products of diag(1, phase), (n_layers, 2^n)."""
        product = np.ones((len(phases), 1), complex)
        for q in range(phases.shape[1] - 1, -1, -1):
            product = np.concatenate([product, phases[:, q, None] * product], axis=1)
        return product

    def _workspace(self, batch):
        if batch not in self._workspaces:
            if len(self._workspaces) > 1:  # a whole batch and the last, shorter one
                self._workspaces.clear()
            n_planes = 2 if self.is_complex else 1
            shape = (n_planes, 2**self.program.n_qubits, batch)
            self._workspaces[batch] = _Workspace(shape, self._real, self._groups)
        return self._workspaces[batch]

    def _run(self, state, keep):
        """Run the program up to its last layer and return the planes."""
        work = self._work = self._workspace(state.shape[1])
        planes = self._initial = _planes(state, self._real)
        layer = 0
        for i, item in enumerate(self._items):
            self._through_gap(i, planes, work.gap.array)
            target = work.kept(i if keep else i % 2)
            if isinstance(item, Gate):
                applied = item.apply(_complex(work.gap.array))
                target.array[...] = _planes(applied, self._real)[: len(target.array)]
            else:
                work.multiply(self._factors[layer], work.gap, target)
                layer += 1
            planes = target.array
        return planes

    def _through_gap(self, g, planes, out):
        if self._moves[g]:
            moved = self._work.moved.array[: len(planes)]
            planes = planes.take(self._orders[g], axis=1, out=moved, mode="clip")
        phases = self._phases[g]
        if len(out) == 1:
            np.multiply(planes, phases, out=out)
            return
        cosine, sine = phases
        np.multiply(planes[0], cosine, out=out[0])
        np.multiply(planes[0], sine, out=out[1])
        if len(planes) == 2:
            product = self._work.product
            out[0] -= np.multiply(planes[1], sine, out=product)
            out[1] += np.multiply(planes[1], cosine, out=product)

    def forward(self, state, keep=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        planes = self._run(state, keep)
        out = self._work.gap.array
        self._through_gap(len(self._items), planes, out)
        return _complex(out)

    def probabilities(self, state, keep=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        planes = self._last = self._run(state, keep)
        probabilities = planes[0] ** 2
        if len(planes) == 2:
            probabilities += np.multiply(planes[1], planes[1], out=self._work.product)
        # Phases change no probability, so of the last gap only the permutation is left.
        return probabilities[self._orders[-1]] if self._moves[-1] else probabilities

    def backward(self, adjoint, with_input=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        planes = _planes(adjoint, self._real)[: 2 if self.is_complex else 1]
        gradient = np.zeros(len(self._padded))
        self._back_through_gap(len(self._items), planes, gradient)
        return self._pull_back(gradient, with_input)

    def backward_probabilities(self, gradient, with_input=True):
        """See :class:`sklqkd.statevector.Kernel`."""
        if self._moves[-1]:
            gradient = gradient[self._inverse[-1]]
        np.multiply(self._last, 2 * gradient, out=self._work.adjoint.array[: len(self._last)])
        return self._pull_back(np.zeros(len(self._padded)), with_input)

    def _pull_back(self, gradient, with_input):
        """Go back from the adjoint after the last item, in ``adjoint``, to the initial states."""
        work, n_planes = self._work, 2 if self.is_complex else 1
        traces = np.empty((len(self._local), self.program.n_qubits, 2, 2), complex)
        layer = len(self._local)
        for i in range(len(self._items) - 1, -1, -1):
            item = self._items[i]
            needed = i > 0 or with_input or 0 in self._turning
            if isinstance(item, Gate):
                pulled = item.inverse.apply(_complex(work.adjoint.array))
                work.pulled.array[...] = _planes(pulled, self._real)[:n_planes]
            else:
                layer -= 1
                traces[layer] = self._traces(work.adjoint, work.kept(i))
                if needed:
                    transposed = [factor.T for factor in self._factors[layer]]
                    work.multiply(transposed, work.adjoint, work.pulled)
            if needed:
                self._back_through_gap(i, work.pulled.array, gradient)
        if len(traces):
            if self.is_complex:  # from before the layers' own last phases to behind them
                traces[:, :, 0, 1] *= self._after
                traces[:, :, 1, 0] *= self._after.conj()
            gradient += self._layers.gradient(traces)
        return gradient[:-1], _complex(work.adjoint.array) if with_input else None

    def _traces(self, adjoint, state):
        """Return the sums that :meth:`LocalLayers.gradient` takes, of one layer, in buffers."""
        sums = self._work.products(adjoint, state)
        total = sums[0, 0].astype(complex)
        if self.is_complex:
            total += sums[1, 1] + 1j * (sums[0, 1] - sums[1, 0])
        return total.take(self._trace).sum(axis=-1)

    def _back_through_gap(self, g, planes, gradient):
        """Pull the adjoint back through a gap, from `planes` to ``adjoint``."""
        work = self._work
        self._undo_gap(g, planes)
        gap = self._gaps[g]
        if len(gap.index):
            state = work.kept(g - 1).array if g else self._initial
            overlap = -np.einsum("kb,kb->k", work.adjoint.array[1], state[0])
            if len(state) == 2:
                overlap += np.einsum("kb,kb->k", work.adjoint.array[0], state[1])
            np.add.at(gradient, gap.index, gap.gradient(overlap[gap.permutation]))

    def _undo_gap(self, g, planes):
        work = self._work
        target = work.moved.array if self._moves[g] else work.adjoint.array
        phases = self._phases[g]
        if len(planes) == 1:
            np.multiply(planes, phases, out=target)
        else:
            (cosine, sine), product = phases, work.product
            np.multiply(planes[0], cosine, out=target[0])
            target[0] += np.multiply(planes[1], sine, out=product)
            np.multiply(planes[1], cosine, out=target[1])
            target[1] -= np.multiply(planes[0], sine, out=product)
        if self._moves[g]:
            target.take(self._inverse[g], axis=1, out=work.adjoint.array, mode="clip")


class _Buffer:
    """One batch of states as planes, with the views that the matrix products read and write."""

    def __init__(self, shape, dtype, groups):
        self.array = np.empty(shape, dtype)
        n_planes, n_amplitudes, batch = shape
        self.views = []
        for group in groups:
            size, rest = 2 ** len(group), n_amplitudes >> (group[-1] + 1)
            columns, chunks = rest * batch, 1
            while chunks < rest and columns // chunks > COLUMNS:
                chunks *= 2
            view = self.array.reshape(n_planes, 2 ** group[0], size, chunks, columns // chunks)
            self.views.append(view.transpose(0, 1, 3, 2, 4))
        self.transposed = [view.swapaxes(-1, -2)[None] for view in self.views]


class _Workspace:
    """The memory of one batch size."""

    def __init__(self, shape, dtype, groups):
        self._make = lambda: _Buffer(shape, dtype, groups)
        self._kept: list[_Buffer] = []
        self.gap, self.adjoint, self.pulled = self._make(), self._make(), self._make()
        self._between = (self._make(), self._make())
        self.moved = self._between[1]  # gaps and products take turns
        self.product = np.empty(shape[1:], dtype)

    def kept(self, i):
        """Return the buffer of the state after item `i`, made when it is first asked for."""
        while len(self._kept) <= i:
            self._kept.append(self._make())
        return self._kept[i]

    def multiply(self, factors, source, target):
        """Apply one factor per group of qubits to `source`, with the result in `target`."""
        for g, factor in enumerate(factors):
            out = target if g == len(factors) - 1 else self._between[g % 2]
            np.matmul(factor, source.views[g], out=out.views[g])
            source = out

    def products(self, adjoint, state):
        """Sum adjoint_i * state_j over the batch and the other groups, for all pairs of planes."""
        n_planes = len(adjoint.array)
        sums = [
            np.matmul(left[:, None], right).sum(axis=(2, 3)).reshape(n_planes, n_planes, -1)
            for left, right in zip(adjoint.views, state.transposed, strict=True)
        ]
        return np.concatenate([*sums, np.zeros((n_planes, n_planes, 1))], axis=-1)


def _planes(states, dtype):
    """Return (2^n, batch) states as planes: one for real ones, two for complex ones."""
    if states.dtype.kind != "c":
        return states.astype(dtype, copy=False)[None]
    return np.stack([states.real, states.imag]).astype(dtype, copy=False)


def _complex(planes):
    """Return planes as states again."""
    return planes[0] if len(planes) == 1 else planes[0] + 1j * planes[1]


def _trace_indices(groups):
    """Return where each qubit's 2 x 2 sums lie among those of all groups, (n, 2, 2, terms).

    A group's sums are the 2^k x 2^k products of its basis states. Short groups have fewer terms,
    and are padded with the index of the zero behind the last group.
    """
    zero = sum(4 ** len(group) for group in groups)
    indices = np.full((groups[-1][-1] + 1, 2, 2, 2 ** (len(groups[-1]) - 1)), zero)
    start = 0
    for group in groups:
        size = 2 ** len(group)
        basis = np.arange(size)
        for position, q in enumerate(group):
            bit = 1 << (len(group) - 1 - position)
            rest = basis[basis & bit == 0]
            for a in (0, 1):
                for b in (0, 1):
                    places = start + (rest | a * bit) * size + (rest | b * bit)
                    indices[q, a, b, : len(rest)] = places
        start += size**2
    return indices
