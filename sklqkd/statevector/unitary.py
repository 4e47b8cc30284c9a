"""Circuits of a few qubits as one unitary matrix, and its gradient, in compiled loops.

Up to :data:`UNITARY_UP_TO` qubits the matrix of a whole circuit is small: a training step makes it
gate by gate on the columns of the identity, multiplies a mini-batch of states with it, and pulls
the gradient back through the gates as a matrix of the same size. The mini-batch meets two products,
whatever the number of layers.

Complex numbers are kept as two planes of real ones. The innermost loops run over columns, which lie
next to each other, in vector registers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compilation import inlined, merged
from .local_layers import LocalLayers
from .passes import gap, gap_backward
from .program import LocalLayer, PhasePermutation, Program

__all__ = ["UNITARY_UP_TO", "UnitaryCircuit", "angles", "can_be_unitary", "unitary"]

#: Above it a matrix of the circuit is more work than the mini-batch (measured).
UNITARY_UP_TO = 6


def can_be_unitary(program: Program) -> bool:
    """Return whether the loops here can run a program.

    It has to be short of qubits, and nothing but layers of one-qubit gates with one constant
    permutation between two at most, the first and the last of them layers.

    Examples
    --------
    >>> from sklqkd.circuits import compile_ansatz
    >>> programs = [compile_ansatz("strongly_entangling", n, 3) for n in (4, 8)]
    >>> [can_be_unitary(program.split_readout()[0]) for program in programs]
    [True, False]
    """
    steps = program.steps
    if program.n_qubits > UNITARY_UP_TO or not steps or not isinstance(steps[-1], LocalLayer):
        return False
    for before, step in zip([None, *steps[:-1]], steps, strict=True):
        if isinstance(step, LocalLayer):
            continue
        is_constant = isinstance(step, PhasePermutation) and not len(step.index)
        if not is_constant or not isinstance(before, LocalLayer):
            return False
    return True


_gap, _gap_backward = inlined(gap.py_func), inlined(gap_backward.py_func)


class UnitaryCircuit(NamedTuple):
    """A program as the loops read it, and the memory that they work in.

    Attributes
    ----------
    weight_index, half_scale, half_offset : ndarray of shape (n_slots, n_layers, n_qubits)
        Half of a slot's angle is ``half_scale * weights[weight_index] + half_offset``.
    cosine, sine : ndarray of shape (n_slots, n_layers, n_qubits, 2, 2)
        What its cosine and its sine are multiplied by.
    generator : ndarray of shape (n_slots, n_layers, n_qubits, 2, 2)
        The derivative of a slot for its weight is this matrix times the slot.
    permutations, phases : ndarray of shape (n_layers, 2^n) and (2, n_layers, 2^n)
        What follows a layer.
    later : ndarray of shape (n_slots, n_layers, n_qubits, 2, 2)
        The products of the slots after each.
    turns : ndarray of shape (n_layers, n_qubits, 2, 2, 2)
        The matrices of the layers, real and imaginary plane first.
    kept : ndarray of shape (n_layers, 2, 2^n, 2^n)
        What each layer makes of the columns of the identity.
    adjoint, work : ndarray of shape (2, 2^n, 2^n)
    """

    weight_index: np.ndarray
    half_scale: np.ndarray
    half_offset: np.ndarray
    cosine: np.ndarray
    sine: np.ndarray
    generator: np.ndarray
    permutations: np.ndarray
    phases: np.ndarray
    later: np.ndarray
    turns: np.ndarray
    kept: np.ndarray
    adjoint: np.ndarray
    work: np.ndarray

    @classmethod
    def of(cls, program: Program) -> UnitaryCircuit:
        """Return the circuit of a program for which :func:`can_be_unitary` is true."""
        n_qubits, size = program.n_qubits, 2**program.n_qubits
        steps = [step for step in program.steps if isinstance(step, LocalLayer)]
        orders = [PhasePermutation.identity(n_qubits)] * len(steps)
        n_layers = 0
        for step in program.steps:
            if isinstance(step, PhasePermutation):
                orders[n_layers - 1] = step
            else:
                n_layers += 1
        layers = LocalLayers(steps, n_qubits, program.n_weights)
        phases = np.array([order.phase for order in orders])
        return cls(
            weight_index=layers.index,
            half_scale=(0.5 * layers.scale).astype(np.float32),
            half_offset=(0.5 * layers.offset).astype(np.float32),
            cosine=layers.cosine_part.astype(np.complex64),
            sine=layers.sine_part.astype(np.complex64),
            generator=(layers.scale[..., None, None] * layers.generator).astype(np.complex64),
            permutations=np.array([order.permutation for order in orders]),
            phases=np.stack([phases.real, phases.imag]).astype(np.float32),
            later=np.broadcast_to(np.eye(2, dtype=np.complex64), layers.later.shape).copy(),
            turns=np.empty((n_layers, n_qubits, 2, 2, 2), np.float32),
            kept=np.empty((n_layers, 2, size, size), np.float32),
            adjoint=np.empty((2, size, size), np.float32),
            work=np.empty((2, size, size), np.float32),
        )


@merged
def unitary(circuit, weights):
    """Write the circuit's matrix, and what its gradient needs, into ``circuit.kept``.

    Parameters
    ----------
    circuit : UnitaryCircuit
    weights : ndarray of shape (n_weights,)
    """
    _gates(circuit, weights)
    kept = circuit.kept
    _kronecker(circuit.turns[0], kept[0])
    for i in range(1, len(kept)):
        _gap(kept[i - 1], circuit.permutations[i - 1], circuit.phases[:, i - 1], kept[i])
        _turn(kept[i], circuit.turns[i], False, circuit.work)


@merged
def angles(circuit, towards, gradient):
    """Pull the gradient for the matrix back to the weights.

    Parameters
    ----------
    circuit : UnitaryCircuit
        After :func:`unitary`.
    towards : ndarray of shape (2, 2^n, 2^n)
        The loss's gradient for the real and the imaginary plane of the matrix.
    gradient : ndarray of shape (n_weights,)
        Overwritten.
    """
    kept, adjoint = circuit.kept, circuit.adjoint
    n_layers, n_qubits = len(kept), circuit.turns.shape[1]
    traces = np.empty((n_qubits, 3), np.float32)
    _copy(towards, adjoint)
    for k in range(len(gradient)):
        gradient[k] = 0
    for i in range(n_layers - 1, -1, -1):
        if i < n_layers - 1:
            _turn(adjoint, circuit.turns[i + 1], True, circuit.work)
            _copy(adjoint, circuit.work)
            _gap_backward(circuit.work, circuit.permutations[i], circuit.phases[:, i], adjoint)
        _traces(adjoint, kept[i], traces)
        _slopes(circuit, i, traces, gradient)


@merged
def _gates(circuit, weights):
    """Multiply the slots of each layer and qubit."""
    index, later, turns = circuit.weight_index, circuit.later, circuit.turns
    n_slots, n_layers, n_qubits = index.shape
    for i in range(n_layers):
        for q in range(n_qubits):
            for k in range(n_slots - 1, -1, -1):
                half_angle = circuit.half_offset[k, i, q]
                if circuit.half_scale[k, i, q] != 0:  # where it is, the index may point nowhere
                    half_angle += circuit.half_scale[k, i, q] * weights[index[k, i, q]]
                cosine, sine = np.cos(half_angle), np.sin(half_angle)
                x, y = circuit.cosine[k, i, q], circuit.sine[k, i, q]
                rest = later[k, i, q]
                for b in range(2):
                    upper = cosine * x[0, b] + sine * y[0, b]
                    lower = cosine * x[1, b] + sine * y[1, b]
                    for a in range(2):
                        product = rest[a, 0] * upper + rest[a, 1] * lower
                        if k:
                            later[k - 1, i, q, a, b] = product
                        else:
                            turns[i, q, 0, a, b] = product.real
                            turns[i, q, 1, a, b] = product.imag


@inlined
def _copy(source, target):
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            for k in range(source.shape[2]):
                target[i, j, k] = source[i, j, k]


@merged
def _kronecker(matrices, out):
    """Write the Kronecker product of 2 x 2 matrices."""
    out[0, 0, 0], out[1, 0, 0] = 1, 0
    size = 1
    for q in range(len(matrices) - 1, -1, -1):
        for a in range(1, -1, -1):
            for b in range(1, -1, -1):
                real, imaginary = matrices[q, 0, a, b], matrices[q, 1, a, b]
                for j in range(size):
                    for k in range(size):
                        # The block at [0, 0], which the others are made from, comes last.
                        x, y = out[0, j, k], out[1, j, k]
                        out[0, a * size + j, b * size + k] = real * x - imaginary * y
                        out[1, a * size + j, b * size + k] = real * y + imaginary * x
        size *= 2


@inlined
def _turn(planes, matrices, is_adjoint, work):
    """Apply a 2 x 2 matrix for each qubit, or its adjoint, to columns, in place."""
    n_qubits, size = len(matrices), planes.shape[1]
    # From one array to another: loops that write where they read do not run in vector registers.
    source, target = planes, work
    for q in range(n_qubits):
        real, imaginary = matrices[q, 0], matrices[q, 1]
        ar, br, cr, dr = real[0, 0], real[0, 1], real[1, 0], real[1, 1]
        ai, bi, ci, di = imaginary[0, 0], imaginary[0, 1], imaginary[1, 0], imaginary[1, 1]
        if is_adjoint:
            br, cr = cr, br
            ai, bi, ci, di = -ai, -ci, -bi, -di
        bit = 1 << (n_qubits - 1 - q)
        for row in range(size):
            partner = row ^ bit
            if row & bit:
                xr, xi, yr, yi = dr, di, cr, ci
            else:
                xr, xi, yr, yi = ar, ai, br, bi
            for k in range(size):
                sr, si = source[0, row, k], source[1, row, k]
                tr, ti = source[0, partner, k], source[1, partner, k]
                target[0, row, k] = xr * sr - xi * si + yr * tr - yi * ti
                target[1, row, k] = xr * si + xi * sr + yr * ti + yi * tr
        source, target = target, source
    if n_qubits % 2:
        _copy(work, planes)


@inlined
def _traces(adjoint, state, out):
    """Sum what the gradients of a layer's rotations need, for each qubit.

    With P the 2 x 2 sums over all else of conj(adjoint)_a state_b, that is Im(P_00 - P_11),
    Re(P_01 - P_10) and Im(P_01 + P_10): the rest of P meets zeros in :func:`_slopes`.
    """
    n_qubits, size = len(out), state.shape[1]
    for q in range(n_qubits):
        out[q, 0] = out[q, 1] = out[q, 2] = 0
    for row in range(size):
        diagonal = np.float32(0)
        for k in range(size):
            diagonal += adjoint[0, row, k] * state[1, row, k]
            diagonal -= adjoint[1, row, k] * state[0, row, k]
        for q in range(n_qubits):
            bit = 1 << (n_qubits - 1 - q)
            partner = row ^ bit
            real, imaginary = np.float32(0), np.float32(0)
            for k in range(size):
                ar, ai = adjoint[0, row, k], adjoint[1, row, k]
                sr, si = state[0, partner, k], state[1, partner, k]
                real += ar * sr + ai * si
                imaginary += ar * si - ai * sr
            sign = np.float32(-1 if row & bit else 1)
            out[q, 0] += sign * diagonal
            out[q, 1] += sign * real
            out[q, 2] += imaginary


@merged
def _slopes(circuit, i, traces, gradient):
    """Add a layer's part of the gradient.

    For the generator G of a slot and the product R of the slots after it that is the real part of
    the sum of R G R^H times P; R G R^H has the rows (i d, u + i v) and (-u + i v, -i d).
    """
    generator, later = circuit.generator, circuit.later
    n_slots, _, n_qubits = circuit.weight_index.shape
    for q in range(n_qubits):
        for k in range(n_slots):
            if circuit.half_scale[k, i, q] == 0:
                continue
            rest, turn = later[k, i, q], generator[k, i, q]
            x = rest[0, 0] * turn[0, 0] + rest[0, 1] * turn[1, 0]
            y = rest[0, 0] * turn[0, 1] + rest[0, 1] * turn[1, 1]
            d = (x * rest[0, 0].conjugate() + y * rest[0, 1].conjugate()).imag
            corner = x * rest[1, 0].conjugate() + y * rest[1, 1].conjugate()
            slope = corner.real * traces[q, 1] - corner.imag * traces[q, 2] - d * traces[q, 0]
            gradient[circuit.weight_index[k, i, q]] += slope
