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

from . import passes
from .local_layers import LocalLayers
from .program import Gate, LocalLayer, PhasePermutation, Program

__all__ = ["FactoredKernel"]

#: Qubits per matrix product, and floats per row of one: measured, both flat around these values.
GROUP = 3
COLUMNS = 1024


class FactoredKernel:
    """Layers as Kronecker products; the batch in the last axis; memory reused between calls.

    One object serves one thread.

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
        self._layers = LocalLayers(
            [item for item in self._items if isinstance(item, LocalLayer)],
            n_qubits,
            program.n_weights,
        )
        # A short group comes first, where its products are few and long.
        ends = range(n_qubits, 0, -GROUP)
        self._groups = [range(max(0, end - GROUP), end) for end in reversed(ends)]
        n_layers, size = len(self._local), 2**n_qubits
        self._padded = np.zeros(program.n_weights + 1)
        self._rotations = np.empty((n_layers, n_qubits, 2, 2))
        self._units = np.empty((2, n_layers, n_qubits), complex)
        self._diagonals = np.empty((2, n_layers, size), complex)
        self._phases = np.empty((len(gaps), 2, size), self._real)
        # The layer before each gap, and that behind it; -1 where there is none.
        self._beside = np.full((len(gaps), 2), -1)
        if self.is_complex:
            self._beside[self._local + 1, 0] = self._beside[self._local, 1] = np.arange(n_layers)
        self._bounds = np.array([[group.start, group.stop] for group in self._groups])
        self._products = np.empty((n_layers, len(self._groups), 2**GROUP, 2**GROUP), self._real)
        sizes = [2 ** len(group) for group in self._groups]
        self._factors = [
            [product[:size, :size] for product, size in zip(layer, sizes, strict=True)]
            for layer in self._products
        ]
        self._workspaces: dict[int, _Workspace] = {}

    def prepare(self, weights: np.ndarray) -> None:
        """Compute the layers' matrices from the weights, shape (n_weights,)."""
        self._padded[:-1] = weights
        matrices = self._layers.matrices(self._padded)
        before, self._after = self._units
        if self.is_complex:
            passes.split(matrices, self._rotations, before, self._after)
            passes.diagonals(before, self._diagonals[0])
            passes.diagonals(self._after, self._diagonals[1])
        else:
            self._rotations[...] = matrices.real
        # All that is diagonal between two layers collapses into one vector.
        phases = self._gap_phases()
        passes.phases(phases, self._orders, self._beside, self._diagonals, self._phases)
        passes.products(self._rotations, self._bounds, self._products)

    def _gap_phases(self):
        """Return the phases of the permutations between the layers, (n_gaps, 2^n), a copy."""
        phases = self._constant_phases.copy()
        for g in self._turning:
            phases[g] = self._gaps[g].phases(self._padded)
        return phases

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
        if len(out) == 1:
            passes.real_gap(planes[0], self._orders[g], self._phases[g, 0], out[0])
        else:
            passes.gap(planes, self._orders[g], self._phases[g], out)

    def forward(self, state: np.ndarray, keep: bool = True) -> np.ndarray:
        """Return the final states of `state`, both (2^n, batch); keep what `backward` needs.

        The result lies in the kernel's own memory and is good until its next call.
        """
        planes = self._run(state, keep)
        out = self._work.gap.array
        self._through_gap(len(self._items), planes, out)
        return _complex(out)

    def probabilities(self, state: np.ndarray, keep: bool = True) -> np.ndarray:
        """Return the probabilities of the basis states after the circuit, (2^n, batch)."""
        planes = self._last = self._run(state, keep)
        probabilities = planes[0] ** 2
        if len(planes) == 2:
            probabilities += np.multiply(planes[1], planes[1], out=self._work.product)
        # Phases change no probability, so of the last gap only the permutation is left.
        return probabilities[self._orders[-1]] if self._moves[-1] else probabilities

    def backward(
        self, adjoint: np.ndarray, with_input: bool = True
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Pull back the adjoint of the final states of the last `forward`, (2^n, batch).

        Returns the gradient with respect to the weights, (n_weights,), and the adjoint of the
        initial states (None if `with_input` is false).
        """
        planes = _planes(adjoint, self._real)[: 2 if self.is_complex else 1]
        gradient = np.zeros(len(self._padded))
        self._back_through_gap(len(self._items), planes, gradient)
        return self._pull_back(gradient, with_input)

    def backward_probabilities(
        self, gradient: np.ndarray, with_input: bool = True
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Pull back the gradient for the last `probabilities`, see `backward`."""
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
        traces = np.zeros((self.program.n_qubits, 2, 2), complex)
        if len(state.array) == 1:
            passes.real_traces(adjoint.array[0], state.array[0], traces)
        else:
            passes.traces(adjoint.array, state.array, traces)
        return traces

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
        out = self._work.adjoint.array
        if len(planes) == 1:
            passes.real_gap_backward(planes[0], self._orders[g], self._phases[g, 0], out[0])
        else:
            passes.gap_backward(planes, self._orders[g], self._phases[g], out)


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


class _Workspace:
    """The memory of one batch size."""

    def __init__(self, shape, dtype, groups):
        self._make = lambda: _Buffer(shape, dtype, groups)
        self._kept: list[_Buffer] = []
        self.gap, self.adjoint, self.pulled = self._make(), self._make(), self._make()
        self._between = (self._make(), self._make())
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


def _planes(states, dtype):
    """Return (2^n, batch) states as planes: one for real ones, two for complex ones."""
    if states.dtype.kind != "c":
        return states.astype(dtype, copy=False)[None]
    return np.stack([states.real, states.imag]).astype(dtype, copy=False)


def _complex(planes):
    """Return planes as states again."""
    return planes[0] if len(planes) == 1 else planes[0] + 1j * planes[1]
