"""The factored kernel's inner loops, compiled by numba.

NumPy passes over the states once per operation, and pays for every call; compiled loops make one
pass for a whole gap, and sum for the gradient only the terms that it needs. Matrix products stay
with BLAS. The NumPy kernel is the reference.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
import numpy as np

from .factored import GROUP, FactoredKernel
from .local_layers import LocalLayers

__all__ = [
    "CompiledKernel",
    "compiled",
    "forget_older",
    "inlined",
    "merged",
]


#: Sums may be reordered, which is what lets them run in vector registers; NaN stays NaN.
_FASTMATH = {"reassoc", "contract", "nsz"}
_OPTIONS: dict[str, Any] = {"fastmath": _FASTMATH, "error_model": "numpy", "nogil": True}


#: When a file with compiled functions was last written.
_WRITTEN = max(
    path.stat().st_mtime
    for folder in ("statevector", "training")
    for path in (Path(__file__).parents[1] / folder).glob("*.py")
)


def compiled(function):
    """Compile a function at its first call, and keep the result on disk where that is possible."""
    try:
        dispatcher = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(**_OPTIONS)(function)
    forget_older(dispatcher, _WRITTEN)
    return dispatcher


def forget_older(dispatcher, time: float) -> None:
    """Take off the disk what was compiled before a time.

    numba looks at the file of the function alone, and not at those of the functions that it calls.

    Parameters
    ----------
    dispatcher : numba dispatcher
    time : float
        In seconds, as of a file.
    """
    name = f"{dispatcher.py_func.__module__.split('.')[-1]}.{dispatcher.py_func.__qualname__}-"
    for index in Path(dispatcher.stats.cache_path).glob(f"{name}*.nbi"):
        with suppress(FileNotFoundError):  # another process does the same
            if index.stat().st_mtime < time:
                index.unlink()


def merged(function):
    """Make a function part of the compiled ones that call it, once, which saves compiling twice."""
    return numba.njit(inline="always", **_OPTIONS)(function)


def inlined(function):
    """Compile a function to be inlined, so that each caller is the same machine code everywhere.

    What is not inlined may run as it was compiled by itself, or as it was for a caller's cache, and
    sums are then in another order.
    """
    return numba.njit(forceinline=True, **_OPTIONS)(function)


class CompiledLayers(LocalLayers):
    """The 2 x 2 matrices of all local layers and their gradient, in compiled loops."""

    def matrices(self, padded_weights):
        """See :meth:`sklqkd.statevector.local_layers.LocalLayers.matrices`."""
        out = np.empty(self.cosine_part.shape[1:], complex)
        parts = (self.cosine_part, self.sine_part)
        _matrices(padded_weights, self.index, self.scale, self.offset, *parts, self.later, out)
        return out

    def gradient(self, products):
        """See :meth:`sklqkd.statevector.local_layers.LocalLayers.gradient`."""
        out = np.zeros(self.n_weights + 1)
        _gradient(products, self.index, self.scale, self.generator, self.later, out)
        return out


class CompiledKernel(FactoredKernel):
    """A :class:`sklqkd.statevector.factored.FactoredKernel` whose passes are compiled."""

    _make_layers = CompiledLayers

    def __init__(self, program, dtype=np.complex64):
        super().__init__(program, dtype)
        if not self.is_complex:
            return
        n_layers, n_qubits = len(self._local), program.n_qubits
        self._rotations = np.empty((n_layers, n_qubits, 2, 2))
        self._units = np.empty((2, n_layers, n_qubits), complex)
        self._diagonals = np.empty((2, n_layers, 2**n_qubits), complex)
        self._bounds = np.array([[group.start, group.stop] for group in self._groups])
        self._products = np.empty((n_layers, len(self._groups), 2**GROUP, 2**GROUP), self._real)
        sizes = [2 ** len(group) for group in self._groups]
        self._factors = [
            [product[:size, :size] for product, size in zip(layer, sizes, strict=True)]
            for layer in self._products
        ]
        # The layer before each gap, and that behind it; -1 where there is none.
        self._beside = np.full((len(self._gaps), 2), -1)
        self._beside[self._following, 0] = self._beside[self._local, 1] = np.arange(n_layers)

    def prepare(self, weights):
        """See :class:`sklqkd.statevector.Kernel`."""
        if not self.is_complex:
            super().prepare(weights)
            return
        self._padded[:-1] = weights
        before, self._after = self._units
        _split(self._layers.matrices(self._padded), self._rotations, before, self._after)
        _diagonals(before, self._diagonals[0])
        _diagonals(self._after, self._diagonals[1])
        _phases(
            self._gap_phases(), self._orders, self._beside, self._diagonals, self._phases[..., 0]
        )
        _products(self._rotations, self._bounds, self._products)

    def _through_gap(self, g, planes, out):
        phases = self._phases[g]
        if len(out) == 1:
            _real_gap(planes[0], self._orders[g], phases[0, :, 0], out[0])
        else:
            gap(planes, self._orders[g], phases[..., 0], out)

    def _undo_gap(self, g, planes):
        out = self._work.adjoint.array
        phases = self._phases[g]
        if len(planes) == 1:
            _real_gap_backward(planes[0], self._orders[g], phases[0, :, 0], out[0])
        else:
            gap_backward(planes, self._orders[g], phases[..., 0], out)

    def _traces(self, adjoint, state):
        n_qubits = self.program.n_qubits
        traces = np.zeros((n_qubits, 2, 2), complex)
        if len(state.array) == 1:
            _real_traces(adjoint.array[0], state.array[0], traces)
        else:
            _traces(adjoint.array, state.array, traces)
        return traces


@compiled
def gap(planes, order, phases, out):
    n_amplitudes, batch = out.shape[1:]
    is_real = len(planes) == 1
    for k in range(n_amplitudes):
        source = order[k]
        cosine, sine = phases[0, k], phases[1, k]
        if is_real:
            for b in range(batch):
                out[0, k, b] = cosine * planes[0, source, b]
                out[1, k, b] = sine * planes[0, source, b]
        else:
            for b in range(batch):
                real, imaginary = planes[0, source, b], planes[1, source, b]
                out[0, k, b] = cosine * real - sine * imaginary
                out[1, k, b] = sine * real + cosine * imaginary


@compiled
def gap_backward(planes, order, phases, out):
    n_amplitudes, batch = out.shape[1:]
    for k in range(n_amplitudes):
        target = order[k]
        cosine, sine = phases[0, k], phases[1, k]
        for b in range(batch):
            real, imaginary = planes[0, k, b], planes[1, k, b]
            out[0, target, b] = cosine * real + sine * imaginary
            out[1, target, b] = cosine * imaginary - sine * real


@compiled
def _real_gap(plane, order, signs, out):
    for k in range(len(out)):
        for b in range(out.shape[1]):
            out[k, b] = signs[k] * plane[order[k], b]


@compiled
def _real_gap_backward(plane, order, signs, out):
    for k in range(len(out)):
        for b in range(out.shape[1]):
            out[order[k], b] = signs[k] * plane[k, b]


@compiled
def _traces(adjoint, state, traces):
    """Sum what a rotation's gradient needs, for each qubit.

    That is conj(adjoint)_0 state_1 - adjoint_1 conj(state)_0, in the place [0, 1], and the
    imaginary part of conj(adjoint)_0 state_0 - conj(adjoint)_1 state_1, in [0, 0]. The full
    products, with which the NumPy kernel goes on, give the same gradient.
    """
    n_amplitudes, batch = state.shape[1:]
    n_qubits = len(traces)
    for k in range(n_amplitudes):
        total = adjoint[0, 0, 0] * 0
        for b in range(batch):
            total += adjoint[0, k, b] * state[1, k, b] - adjoint[1, k, b] * state[0, k, b]
        for q in range(n_qubits):
            if k >> (n_qubits - 1 - q) & 1:
                traces[q, 0, 0] -= 1j * total
            else:
                traces[q, 0, 0] += 1j * total
    # Three qubits at a time: their eight rows stay in the cache.
    for first in range(0, n_qubits, 3):
        last = min(first + 3, n_qubits)
        n_low = 1 << (n_qubits - last)
        n_group = 1 << (last - first)
        for high in range(1 << first):
            for low in range(n_low):
                for member in range(n_group):
                    for q in range(first, last):
                        bit = 1 << (last - 1 - q)
                        if member & bit:
                            continue
                        zero = (high * n_group + member) * n_low + low
                        one = (high * n_group + member + bit) * n_low + low
                        real = adjoint[0, 0, 0] * 0
                        imaginary = adjoint[0, 0, 0] * 0
                        for b in range(batch):
                            real += (
                                adjoint[0, zero, b] * state[0, one, b]
                                + adjoint[1, zero, b] * state[1, one, b]
                                - adjoint[0, one, b] * state[0, zero, b]
                                - adjoint[1, one, b] * state[1, zero, b]
                            )
                            imaginary += (
                                adjoint[0, zero, b] * state[1, one, b]
                                - adjoint[1, zero, b] * state[0, one, b]
                                + adjoint[0, one, b] * state[1, zero, b]
                                - adjoint[1, one, b] * state[0, zero, b]
                            )
                        traces[q, 0, 1] += real + 1j * imaginary


@compiled
def _real_traces(adjoint, state, traces):
    """Sum adjoint_0 state_1 - adjoint_1 state_0 of each qubit."""
    n_amplitudes, batch = state.shape
    n_qubits = len(traces)
    for q in range(n_qubits):
        bit = 1 << (n_qubits - 1 - q)
        for zero in range(n_amplitudes):
            if zero & bit:
                continue
            real = adjoint[0, 0] * 0
            for b in range(batch):
                real += adjoint[zero, b] * state[zero + bit, b]
                real -= adjoint[zero + bit, b] * state[zero, b]
            traces[q, 0, 1] += real


@compiled
def _matrices(weights, index, scale, offset, cosine_part, sine_part, later, out):
    n_slots, n_layers, n_qubits = index.shape
    slot = np.empty((2, 2), np.complex128)
    for i in range(n_layers):
        for q in range(n_qubits):
            for k in range(n_slots - 1, -1, -1):
                half_angle = 0.5 * (scale[k, i, q] * weights[index[k, i, q]] + offset[k, i, q])
                cosine, sine = np.cos(half_angle), np.sin(half_angle)
                for a in range(2):
                    for b in range(2):
                        slot[a, b] = (
                            cosine * cosine_part[k, i, q, a, b] + sine * sine_part[k, i, q, a, b]
                        )
                product = later[k - 1, i, q] if k else out[i, q]
                for a in range(2):
                    for b in range(2):
                        product[a, b] = (
                            later[k, i, q, a, 0] * slot[0, b] + later[k, i, q, a, 1] * slot[1, b]
                        )


@inlined
def _slope(sums, generator, later):
    """Return the derivative for one slot's angle, given the 2 x 2 sums of its layer and qubit."""
    total = 0.0
    for a in range(2):
        for b in range(2):
            turned = 0j
            for c in range(2):
                for d in range(2):
                    turned += later[a, c] * generator[c, d] * later[b, d].conjugate()
            total += (turned * sums[a, b]).real
    return total


@compiled
def _gradient(products, index, scale, generator, later, out):
    n_slots, n_layers, n_qubits = index.shape
    for k in range(n_slots):
        for i in range(n_layers):
            for q in range(n_qubits):
                if scale[k, i, q] != 0:
                    derivative = _slope(products[i, q], generator[k, i, q], later[k, i, q])
                    out[index[k, i, q]] += scale[k, i, q] * derivative


@compiled
def _split(matrices, rotations, before, after):
    """See :meth:`FactoredKernel._split_rotations`."""
    for i in range(len(matrices)):
        for q in range(matrices.shape[1]):
            matrix = matrices[i, q]
            determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
            root = np.sqrt(determinant)
            left, right = matrix[1, 0] / root, matrix[1, 1] / root
            sine, cosine = abs(left), abs(right)
            left = left / sine if sine > 0 else 1 + 0j
            right = right / cosine if cosine > 0 else 1 + 0j
            rotations[i, q, 0, 0] = rotations[i, q, 1, 1] = cosine
            rotations[i, q, 1, 0], rotations[i, q, 0, 1] = sine, -sine
            before[i, q], after[i, q] = right * left.conjugate(), right * left


@compiled
def _phases(constant, orders, beside, diagonals, out):
    """Write the phases of each gap, with those of the layers beside it: see the factored kernel."""
    for g in range(len(constant)):
        before, behind = beside[g]
        for k in range(constant.shape[1]):
            phase = constant[g, k]
            if behind >= 0:
                phase *= diagonals[0, behind, k]
            if before >= 0:
                phase *= diagonals[1, before, orders[g, k]]
            out[g, 0, k], out[g, 1, k] = phase.real, phase.imag


@compiled
def _products(rotations, bounds, out):
    """Write the Kronecker product of each layer's rotations over each group of qubits."""
    for i in range(len(rotations)):
        for g in range(len(bounds)):
            first, last = bounds[g]
            size = 1 << (last - first)
            for row in range(size):
                for column in range(size):
                    product = 1.0
                    for q in range(first, last):
                        shift = last - 1 - q
                        product *= rotations[i, q, row >> shift & 1, column >> shift & 1]
                    out[i, g, row, column] = product


@compiled
def _diagonals(phases, out):
    """See :meth:`FactoredKernel._kronecker_diagonals`."""
    n_qubits = phases.shape[1]
    for i in range(len(phases)):
        out[i, 0] = 1
        size = 1
        for q in range(n_qubits - 1, -1, -1):
            for k in range(size):
                out[i, size + k] = phases[i, q] * out[i, k]
            size *= 2
