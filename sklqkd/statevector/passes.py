"""The factored kernel's passes over the states, and over its matrices, in compiled loops.

NumPy passes over the states once per operation, and pays for every call; a loop makes one pass for
a whole gap, and sums for the gradient only the terms that it needs. What is read, real and
imaginary planes and their order, is described in :mod:`sklqkd.statevector.factored`.
"""

from __future__ import annotations

import numpy as np

from .compilation import compiled

__all__ = [
    "diagonals",
    "gap",
    "gap_backward",
    "phases",
    "products",
    "real_gap",
    "real_gap_backward",
    "real_traces",
    "split",
    "traces",
]


@compiled
def gap(planes, order, phases, out):
    """Write the planes in another order, times phases: one gap of a complex program."""
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
    """Write what :func:`gap` pulls an adjoint's planes back to."""
    n_amplitudes, batch = out.shape[1:]
    for k in range(n_amplitudes):
        target = order[k]
        cosine, sine = phases[0, k], phases[1, k]
        for b in range(batch):
            real, imaginary = planes[0, k, b], planes[1, k, b]
            out[0, target, b] = cosine * real + sine * imaginary
            out[1, target, b] = cosine * imaginary - sine * real


@compiled
def real_gap(plane, order, signs, out):
    """Write a plane in another order, times signs: one gap of a real program."""
    for k in range(len(out)):
        for b in range(out.shape[1]):
            out[k, b] = signs[k] * plane[order[k], b]


@compiled
def real_gap_backward(plane, order, signs, out):
    """Write what :func:`real_gap` pulls an adjoint's plane back to."""
    for k in range(len(out)):
        for b in range(out.shape[1]):
            out[order[k], b] = signs[k] * plane[k, b]


@compiled
def traces(adjoint, state, traces):
    """Sum what a rotation's gradient needs, for each qubit.

    That is conj(adjoint)_0 state_1 - adjoint_1 conj(state)_0, in the place [0, 1], and the
    imaginary part of conj(adjoint)_0 state_0 - conj(adjoint)_1 state_1, in [0, 0]: of the full
    products the gradient needs no more.
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
def real_traces(adjoint, state, traces):
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
def split(matrices, rotations, before, after):
    """Split 2 x 2 unitaries into rotation and phases, up to a global phase.

    Parameters
    ----------
    matrices : ndarray of complex128, shape (n_layers, n_qubits, 2, 2)
    rotations : ndarray of shape (n_layers, n_qubits, 2, 2)
        Written to: R of :mod:`sklqkd.statevector.factored`.
    before, after : ndarray of complex128, shape (n_layers, n_qubits)
        Written to: ``e^(i c)`` and ``e^(i a)``.
    """
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
def phases(constant, orders, beside, diagonals, out):
    """Write the phases of each gap, with those of the layers beside it."""
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
def products(rotations, bounds, out):
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
def diagonals(phases, out):
    """Write the diagonals of the Kronecker products of diag(1, phase), (n_layers, 2^n)."""
    n_qubits = phases.shape[1]
    for i in range(len(phases)):
        out[i, 0] = 1
        size = 1
        for q in range(n_qubits - 1, -1, -1):
            for k in range(size):
                out[i, size + k] = phases[i, q] * out[i, k]
            size *= 2
