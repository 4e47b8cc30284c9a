"""The circuits of many students, compiled by numba (the ``fast`` extra).

For each student its unitary, gate by gate on the columns of a matrix, and the gradient back through
them. NumPy's version in :mod:`sklqkd.statevector.stacked` is the reference.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled, gap, gap_backward
from .program import LocalLayer, PhasePermutation
from .stacked import StackedCircuit

__all__ = ["CompiledStackedCircuit", "can_compile"]


def can_compile(program) -> bool:
    """Return whether a program is nothing but layers, with a permutation between two at most."""
    steps = program.steps
    return (
        bool(steps)
        and all(
            isinstance(step, LocalLayer)
            or (isinstance(step, PhasePermutation) and isinstance(before, LocalLayer))
            for before, step in zip([None, *steps[:-1]], steps, strict=True)
        )
        and isinstance(steps[-1], LocalLayer)
    )


class CompiledStackedCircuit(StackedCircuit):
    """A :class:`sklqkd.statevector.stacked.StackedCircuit` whose gates are compiled loops.

    What is known of single gates has the students in its last axis, so that the loops run over all
    of them in vector registers.
    """

    def __init__(self, program):
        super().__init__(program)
        layers, n_layers = self._layers, len(self._orders)
        shape = n_layers, 2**program.n_qubits
        self._permutations = np.array([order.permutation for order in self._orders], int)
        phases = np.array([order.phase for order in self._orders], complex).reshape(shape)
        self._gap_phases = np.stack([phases.real, phases.imag]).astype(np.float32)
        self._half_scale = (0.5 * layers.scale[..., None]).astype(np.float32)
        self._half_offset = (0.5 * layers.offset[..., None]).astype(np.float32)

    def unitaries(self, weights):
        """See :meth:`sklqkd.statevector.stacked.StackedCircuit.unitaries`."""
        layers = self._layers
        n_students, (n_layers, size) = len(weights), self._permutations.shape
        n_slots, _, n_qubits = layers.index.shape
        padded = np.zeros((self.program.n_weights + 1, n_students), np.float32)
        padded[:-1] = weights.T
        half_angle = self._half_scale * padded.take(layers.index, axis=0) + self._half_offset
        self._later = np.empty((n_slots, n_layers, n_qubits, 2, 2, 2, n_students), np.float32)
        self._turns = np.empty((n_layers, n_qubits, 2, 2, 2, n_students), np.float32)
        _gates(
            *(np.cos(half_angle), np.sin(half_angle), layers._cosine_part, layers._sine_part),
            *(self._later, self._turns),
        )
        self._kept = np.empty((n_students, n_layers - 1, 2, size, size), np.float32)
        self._unitaries = np.empty((n_students, 2, size, size), np.float32)
        _unitaries(
            *(self._turns, self._permutations, self._gap_phases),
            *(self._kept, self._unitaries),
        )
        return self._unitaries.reshape(n_students, 2 * size, size)

    def gradient(self, adjoint):
        """See :meth:`sklqkd.statevector.stacked.StackedCircuit.gradient`."""
        layers = self._layers
        n_students, (n_layers, size) = len(adjoint), self._permutations.shape
        traces = np.empty((n_layers, self.program.n_qubits, 3, n_students), np.float32)
        _adjoints(
            *(adjoint.reshape(n_students, 2, size, size), self._turns, self._permutations),
            *(self._gap_phases, self._kept, self._unitaries, traces),
        )
        gradient = np.zeros((self.program.n_weights + 1, n_students), np.float32)
        _angles(traces, self._later, layers.index, layers.scale, layers.generator, gradient)
        return gradient[:-1].T


@compiled
def _add(factor, x, out):
    for s in range(len(out)):
        out[s] += factor * x[s]


@compiled
def _add_product(factor, x, y, out):
    for s in range(len(out)):
        out[s] += factor * x[s] * y[s]


@compiled
def _gates(cosine, sine, cosine_part, sine_part, later, turns):
    """Write the 2 x 2 matrices of each qubit in each layer, and the products of later slots.

    Matrices are real and imaginary plane, row, column and student.
    """
    n_slots, n_layers, n_qubits, n_students = cosine.shape
    slot = np.empty((2, 2, 2, n_students), np.float32)
    one = np.float32(1)
    later[n_slots - 1] = 0
    later[n_slots - 1, :, :, 0, 0, 0] = later[n_slots - 1, :, :, 0, 1, 1] = 1
    for i in range(n_layers):
        for q in range(n_qubits):
            for k in range(n_slots - 1, -1, -1):
                for a in range(2):
                    for b in range(2):
                        x, y = cosine_part[k, i, q, a, b], sine_part[k, i, q, a, b]
                        slot[:, a, b] = 0
                        _add(np.float32(x.real), cosine[k, i, q], slot[0, a, b])
                        _add(np.float32(x.imag), cosine[k, i, q], slot[1, a, b])
                        _add(np.float32(y.real), sine[k, i, q], slot[0, a, b])
                        _add(np.float32(y.imag), sine[k, i, q], slot[1, a, b])
                rest = later[k, i, q]
                product = later[k - 1, i, q] if k else turns[i, q]
                product[:] = 0
                for a in range(2):
                    for b in range(2):
                        for c in range(2):
                            _add_product(one, rest[0, a, c], slot[0, c, b], product[0, a, b])
                            _add_product(-one, rest[1, a, c], slot[1, c, b], product[0, a, b])
                            _add_product(one, rest[0, a, c], slot[1, c, b], product[1, a, b])
                            _add_product(one, rest[1, a, c], slot[0, c, b], product[1, a, b])


@compiled
def _angles(traces, later, index, scale, generator, out):
    """Add up the gradient for the padded weights, (n_weights + 1, n_students).

    For the generator G of a slot, and R the product of the slots after it, that is the real part
    of the sum of R G R^H times the traces, of which only the first row is not zero.
    """
    n_slots, n_layers, n_qubits = index.shape
    towards = np.empty((2, traces.shape[3]), np.float32)
    one = np.float32(1)
    for i in range(n_layers):
        for q in range(n_qubits):
            diagonal, real, imaginary = traces[i, q]
            for k in range(n_slots):
                if scale[k, i, q] == 0:
                    continue
                place, rest = out[index[k, i, q]], later[k, i, q]
                for d in range(2):
                    towards[:] = 0
                    _add_product(one, rest[1, 0, d], diagonal, towards[0])
                    _add_product(one, rest[0, 1, d], real, towards[0])
                    _add_product(one, rest[1, 1, d], imaginary, towards[0])
                    _add_product(one, rest[0, 0, d], diagonal, towards[1])
                    _add_product(one, rest[0, 1, d], imaginary, towards[1])
                    _add_product(-one, rest[1, 1, d], real, towards[1])
                    for c in range(2):
                        turn = scale[k, i, q] * generator[k, i, q, c, d]
                        x, y = np.float32(turn.real), np.float32(turn.imag)
                        _add_product(x, rest[0, 0, c], towards[0], place)
                        _add_product(-x, rest[1, 0, c], towards[1], place)
                        _add_product(-y, rest[0, 0, c], towards[1], place)
                        _add_product(-y, rest[1, 0, c], towards[0], place)


@compiled
def _turn(planes, matrices, student, is_adjoint, work):
    """Apply a student's 2 x 2 matrix for each qubit, or its adjoint, to columns, in place."""
    n_qubits, size = len(matrices), planes.shape[1]
    # From one array to another: loops that write where they read do not run in vector registers.
    source, target = planes, work
    for q in range(n_qubits):
        real, imaginary = matrices[q, 0, :, :, student], matrices[q, 1, :, :, student]
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
        planes[:] = work


@compiled
def _unitaries(turns, permutations, phases, kept, out):
    """Write what each layer's gates leave, before the permutation after it."""
    n_layers = len(turns)
    work = np.empty(out.shape[1:], np.float32)
    for s in range(len(out)):
        for i in range(n_layers):
            state = kept[s, i] if i < n_layers - 1 else out[s]
            if i:
                gap(kept[s, i - 1], permutations[i - 1], phases[:, i - 1], state)
                _turn(state, turns[i], s, False, work)
            else:
                _kronecker(turns[0], s, state)


@compiled
def _kronecker(matrices, student, out):
    """Write the Kronecker product of a student's 2 x 2 matrices."""
    out[0, 0, 0], out[1, 0, 0] = 1, 0
    size = 1
    for q in range(len(matrices) - 1, -1, -1):
        for a in range(1, -1, -1):
            for b in range(1, -1, -1):
                real, imaginary = matrices[q, 0, a, b, student], matrices[q, 1, a, b, student]
                for j in range(size):
                    for k in range(size):
                        # The block at [0, 0], which the others are made from, comes last.
                        x, y = out[0, j, k], out[1, j, k]
                        out[0, a * size + j, b * size + k] = real * x - imaginary * y
                        out[1, a * size + j, b * size + k] = real * y + imaginary * x
        size *= 2


@compiled
def _adjoints(adjoints, turns, permutations, phases, kept, unitaries, out):
    """Pull the adjoints back through the layers, and write the traces for each qubit."""
    n_layers = len(turns)
    adjoint, work = np.empty_like(adjoints[0]), np.empty_like(adjoints[0])
    for s in range(len(adjoints)):
        adjoint[:] = adjoints[s]
        for i in range(n_layers - 1, -1, -1):
            if i < n_layers - 1:
                _turn(adjoint, turns[i + 1], s, True, work)
                work[:] = adjoint
                gap_backward(work, permutations[i], phases[:, i], adjoint)
            state = kept[s, i] if i < n_layers - 1 else unitaries[s]
            _traces(adjoint, state, out[i, :, :, s])


@compiled
def _traces(adjoint, state, out):
    """Sum what rotations' gradients need: see :func:`sklqkd.statevector.compiled._traces`."""
    n_qubits, size = len(out), state.shape[1]
    out[:] = 0
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
