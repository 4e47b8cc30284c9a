"""The inner loops of stacked training, compiled by numba (the ``fast`` extra).

For each student its unitary, gate by gate on the columns of a matrix, and the gradient back through
them; the losses, in one pass; and Adam. NumPy's versions in :mod:`sklqkd.statevector.stacked` and
:mod:`sklqkd.search.stacking` are the reference.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled
from .program import LocalLayer, PhasePermutation
from .stacked import StackedCircuit

__all__ = ["CompiledStackedCircuit", "adam", "backward", "can_compile", "forward"]


def can_compile(program) -> bool:
    """Return whether a program is nothing but layers, each with a permutation after it at most."""
    steps = program.steps
    return bool(steps) and all(
        isinstance(step, LocalLayer)
        or (isinstance(step, PhasePermutation) and i and isinstance(steps[i - 1], LocalLayer))
        for i, step in enumerate(steps)
    )


class CompiledStackedCircuit(StackedCircuit):
    """A :class:`sklqkd.statevector.stacked.StackedCircuit` whose gates are compiled loops."""

    def __init__(self, program):
        super().__init__(program)
        size = 2**program.n_qubits
        shape = self._matrices.shape[0], size
        self._permutations = (self._rows[:, :, 0] % size**2 // size).reshape(shape)
        phases = self._phases[..., 0]
        self._order_phases = np.stack([phases.real, phases.imag]).astype(np.float32)

    def unitaries(self, weights):
        """See :meth:`sklqkd.statevector.stacked.StackedCircuit.unitaries`."""
        layers = self._layers
        n_students, (n_layers, size) = len(weights), self._permutations.shape
        n_slots, n_qubits = len(layers.index), self.program.n_qubits
        self._later = np.empty((n_students, n_slots, n_layers, n_qubits, 2, 2), np.complex64)
        self._turns = np.empty((n_students, n_layers, n_qubits, 2, 2), np.complex64)
        self._kept = np.empty((n_students, n_layers, 2, size, size), np.float32)
        unitaries = np.empty((n_students, 2, size, size), np.float32)
        _unitaries(
            *(weights, layers.index, layers.scale, layers.offset),
            *(layers._cosine_part, layers._sine_part, self._permutations, self._order_phases),
            *(self._later, self._turns, self._kept, unitaries),
        )
        return unitaries.reshape(n_students, 2 * size, size)

    def gradient(self, adjoint):
        """See :meth:`sklqkd.statevector.stacked.StackedCircuit.gradient`."""
        layers = self._layers
        n_students, (_, size) = len(adjoint), self._permutations.shape
        gradient = np.zeros((n_students, self.program.n_weights + 1), np.float32)
        _gradients(
            *(adjoint.reshape(n_students, 2, size, size), layers.index, layers.scale),
            *(layers.generator, self._permutations, self._order_phases),
            *(self._later, self._turns, self._kept, gradient),
        )
        return gradient[:, :-1]


@compiled
def _turn_rows(x_real, x_imag, y_real, y_imag, matrix):
    ar, ai, br, bi, cr, ci, dr, di = matrix
    for k in range(len(x_real)):
        xr, xi, yr, yi = x_real[k], x_imag[k], y_real[k], y_imag[k]
        x_real[k] = ar * xr - ai * xi + br * yr - bi * yi
        x_imag[k] = ar * xi + ai * xr + br * yi + bi * yr
        y_real[k] = cr * xr - ci * xi + dr * yr - di * yi
        y_imag[k] = cr * xi + ci * xr + dr * yi + di * yr


@compiled
def _turn(planes, matrices, transposed, conjugated):
    """Apply one 2 x 2 matrix to each qubit of the columns of a complex matrix, in place."""
    n_qubits, size = len(matrices), planes.shape[1]
    flat = planes.reshape(2, size * size)
    sign = np.float32(-1.0 if conjugated else 1.0)
    for q in range(n_qubits):
        a, d = matrices[q, 0, 0], matrices[q, 1, 1]
        b, c = matrices[q, 0, 1], matrices[q, 1, 0]
        if transposed:
            b, c = c, b
        matrix = (
            *(a.real, sign * a.imag, b.real, sign * b.imag),
            *(c.real, sign * c.imag, d.real, sign * d.imag),
        )
        # Rows that differ from their partners in this qubit alone come in runs.
        run = size << (n_qubits - 1 - q)
        for start in range(0, size * size, 2 * run):
            # As rows of their own: the compiler has to see that they do not overlap.
            left, right = slice(start, start + run), slice(start + run, start + 2 * run)
            _turn_rows(flat[0, left], flat[1, left], flat[0, right], flat[1, right], matrix)


@compiled
def _unitaries(
    weights,
    index,
    scale,
    offset,
    cosine_part,
    sine_part,
    permutations,
    phases,
    later,
    turns,
    states,
    out,
):
    n_slots, n_layers, n_qubits = index.shape
    n_weights = weights.shape[1]
    slot = np.empty((2, 2), np.complex64)
    for s in range(len(weights)):
        for i in range(n_layers):
            for q in range(n_qubits):
                later[s, n_slots - 1, i, q, 0, 0] = later[s, n_slots - 1, i, q, 1, 1] = 1
                later[s, n_slots - 1, i, q, 0, 1] = later[s, n_slots - 1, i, q, 1, 0] = 0
                for k in range(n_slots - 1, -1, -1):
                    place = index[k, i, q]
                    half_angle = 0.5 * offset[k, i, q]
                    if place < n_weights:
                        half_angle += 0.5 * scale[k, i, q] * weights[s, place]
                    cosine, sine = np.cos(half_angle), np.sin(half_angle)
                    for a in range(2):
                        for b in range(2):
                            slot[a, b] = (
                                cosine * cosine_part[k, i, q, a, b]
                                + sine * sine_part[k, i, q, a, b]
                            )
                    product = later[s, k - 1, i, q] if k else turns[s, i, q]
                    rest = later[s, k, i, q]
                    for a in range(2):
                        for b in range(2):
                            product[a, b] = rest[a, 0] * slot[0, b] + rest[a, 1] * slot[1, b]
        for i in range(n_layers):
            # states[i] is what the layer's gates leave, before its permutation.
            state = states[s, i]
            if i:
                _permute(states[s, i - 1], permutations[i - 1], phases[:, i - 1], state)
                _turn(state, turns[s, i], False, False)
            else:
                _kronecker(turns[s, i], state)
        _permute(states[s, n_layers - 1], permutations[-1], phases[:, -1], out[s])


@compiled
def _kronecker(matrices, out):
    """Write the Kronecker product of 2 x 2 matrices."""
    out[0, 0, 0], out[1, 0, 0] = 1, 0
    size = 1
    for q in range(len(matrices) - 1, -1, -1):
        for a in range(1, -1, -1):
            for b in range(1, -1, -1):
                real, imaginary = matrices[q, a, b].real, matrices[q, a, b].imag
                for j in range(size):
                    for k in range(size):
                        # The block at [0, 0], which the others are made from, comes last.
                        x, y = out[0, j, k], out[1, j, k]
                        out[0, a * size + j, b * size + k] = real * x - imaginary * y
                        out[1, a * size + j, b * size + k] = real * y + imaginary * x
        size *= 2


@compiled
def _permute(planes, permutation, phases, out):
    for k in range(len(permutation)):
        source = permutation[k]
        cosine, sine = phases[0, k], phases[1, k]
        for c in range(planes.shape[2]):
            real, imaginary = planes[0, source, c], planes[1, source, c]
            out[0, k, c] = cosine * real - sine * imaginary
            out[1, k, c] = sine * real + cosine * imaginary


@compiled
def _gradients(adjoints, index, scale, generator, permutations, phases, later, turns, states, out):
    n_slots, n_layers, n_qubits = index.shape
    size = permutations.shape[1]
    adjoint = np.empty((2, size, size), np.float32)
    traces = np.empty(2, np.complex64)
    for s in range(len(adjoints)):
        for i in range(n_layers - 1, -1, -1):
            if i == n_layers - 1:
                source = adjoints[s]
            else:
                _turn(adjoint, turns[s, i + 1], True, True)
                source = adjoint.copy()
            for k in range(size):
                target = permutations[i, k]
                cosine, sine = phases[0, i, k], phases[1, i, k]
                for c in range(size):
                    real, imaginary = source[0, k, c], source[1, k, c]
                    adjoint[0, target, c] = cosine * real + sine * imaginary
                    adjoint[1, target, c] = cosine * imaginary - sine * real
            state = states[s, i]
            for q in range(n_qubits):
                _traces(adjoint, state, 1 << (n_qubits - 1 - q), traces)
                for k in range(n_slots):
                    if scale[k, i, q] == 0:
                        continue
                    total = np.float32(0)
                    rest, turn = later[s, k, i, q], generator[k, i, q]
                    for b in range(2):
                        turned = np.complex64(0)
                        for c in range(2):
                            for d in range(2):
                                turned += rest[0, c] * turn[c, d] * rest[b, d].conjugate()
                        total += (turned * traces[b]).real
                    out[s, index[k, i, q]] += scale[k, i, q] * total


@compiled
def _traces(adjoint, state, bit, out):
    """Sum what a rotation's gradient needs: see :func:`sklqkd.statevector.compiled._traces`."""
    diagonal, real, imaginary = np.float32(0), np.float32(0), np.float32(0)
    size = state.shape[2]
    for zero in range(state.shape[1]):
        if zero & bit:
            continue
        one = zero + bit
        for k in range(size):
            xr, xi, yr, yi = (
                state[0, zero, k],
                state[1, zero, k],
                state[0, one, k],
                state[1, one, k],
            )
            ar, ai = adjoint[0, zero, k], adjoint[1, zero, k]
            br, bi = adjoint[0, one, k], adjoint[1, one, k]
            diagonal += ar * xi - ai * xr - br * yi + bi * yr
            real += ar * yr + ai * yi - br * xr - bi * xi
            imaginary += ar * yi - ai * yr + br * xi - bi * xr
    out[0], out[1] = 1j * diagonal, real + 1j * imaginary


@compiled
def forward(table, rows, unitaries, head, intercept, temperatures, out):
    """Compute the logits of every student, less their row's greatest.

    Parameters
    ----------
    table : ndarray of shape (n_states, width)
        States; `rows`, (n_students, batch), are places in it.
    unitaries : ndarray of shape (n_students, 2 * 2^n, width)
    head : ndarray of shape (n_students, n_classes, 2^n)
    intercept : ndarray of shape (n_students, n_classes)
    temperatures : ndarray of shape (n_students,)
    out : tuple of ndarray
        States, (n_students, batch, width); final states, (n_students, 2 * 2^n, batch); their
        probabilities, (n_students, 2^n, batch); the logits, and those divided by the
        temperature, (n_students, 2, n_classes, batch).
    """
    states, final, probabilities, shifted = out
    batch, n_classes, size = rows.shape[1], head.shape[1], head.shape[2]
    logits = np.empty((n_classes, batch), np.float32)
    greatest = np.empty(batch, np.float32)
    for s in range(len(rows)):
        own, amplitudes, squares = states[s], final[s], probabilities[s]
        for b in range(batch):
            place = rows[s, b]
            for k in range(table.shape[1]):
                own[b, k] = table[place, k]
        np.dot(unitaries[s], own.T, amplitudes)
        for k in range(size):
            for b in range(batch):
                real, imaginary = amplitudes[k, b], amplitudes[size + k, b]
                squares[k, b] = real * real + imaginary * imaginary
        np.dot(head[s], squares, logits)
        scale = np.float32(1) / temperatures[s]
        greatest[:] = -np.inf
        for c in range(n_classes):
            for b in range(batch):
                logits[c, b] += intercept[s, c]
                greatest[b] = max(greatest[b], logits[c, b])
        for c in range(n_classes):
            for b in range(batch):
                value = logits[c, b] - greatest[b]
                shifted[s, 0, c, b] = value
                shifted[s, 1, c, b] = scale * value


@compiled
def backward(exponentials, kept, head, temperatures, labels, targets, shares, out):
    """Compute cross-entropy and Hinton's loss of every student, and pull the gradient back.

    Parameters
    ----------
    exponentials : ndarray of shape (n_students, 2, n_classes, batch)
        Of the last `forward`'s logits.
    kept : tuple of ndarray
        What `forward` wrote; the final states become their adjoint.
    head : ndarray of shape (n_students, n_classes, 2^n)
    temperatures : ndarray of shape (n_students,)
    labels, targets : tuple of ndarray
        A table of rows, (n_rows, n_classes), and the places of each student's, (n_students,
        batch); the targets' table has one column more, the sum of t log t.
    shares : ndarray of shape (2, n_students, batch)
        Weights of the two losses.
    out : tuple of ndarray
        The mean losses, (n_students,), and the gradients for the intercepts, the heads and the
        unitaries.
    """
    states, final, probabilities, shifted = kept
    (label_table, label_rows), (target_table, target_rows) = labels, targets
    losses, intercept_gradient, head_gradient, gram = out
    n_students, _, n_classes, batch = shifted.shape
    size = head.shape[2]
    one_hot = np.empty((n_classes, batch), np.float32)
    target = np.empty((n_classes, batch), np.float32)
    gradient = np.empty((n_classes, batch), np.float32)
    towards = np.empty((size, batch), np.float32)
    # Of each image: the sums over the classes of exponentials, and of targets times logits.
    total, soft_total = np.empty(batch, np.float32), np.empty(batch, np.float32)
    match, soft_match = np.empty(batch, np.float32), np.empty(batch, np.float32)
    for s in range(n_students):
        loss = 0.0
        temperature = temperatures[s]
        for b in range(batch):
            own, soft_own = label_table[label_rows[s, b]], target_table[target_rows[s, b]]
            for c in range(n_classes):
                one_hot[c, b], target[c, b] = own[c], soft_own[c]
            soft_match[b] = -soft_own[n_classes]
        total[:], soft_total[:], match[:] = 0, 0, 0
        for c in range(n_classes):
            for b in range(batch):
                total[b] += exponentials[s, 0, c, b]
                soft_total[b] += exponentials[s, 1, c, b]
                match[b] += one_hot[c, b] * shifted[s, 0, c, b]
                soft_match[b] += target[c, b] * shifted[s, 1, c, b]
        for b in range(batch):
            hard, soft = shares[0, s, b], shares[1, s, b] * temperature
            loss += hard * (np.log(total[b]) - match[b])
            loss += soft * temperature * (np.log(soft_total[b]) - soft_match[b])
            total[b] = 1 / total[b]
            soft_total[b] = 1 / soft_total[b]
        losses[s] = loss / batch
        scale = np.float32(1) / np.float32(batch)
        for c in range(n_classes):
            sum_of_class = np.float32(0)
            for b in range(batch):
                slope = shares[0, s, b] * (exponentials[s, 0, c, b] * total[b] - one_hot[c, b])
                slope += (temperature * shares[1, s, b]) * (
                    exponentials[s, 1, c, b] * soft_total[b] - target[c, b]
                )
                slope *= scale
                gradient[c, b] = slope
                sum_of_class += slope
            intercept_gradient[s, c] = sum_of_class
        np.dot(gradient, probabilities[s].T, head_gradient[s])
        np.dot(head[s].T, gradient, towards)
        amplitudes = final[s]
        for k in range(size):
            for b in range(batch):
                twice = np.float32(2) * towards[k, b]
                amplitudes[k, b] *= twice
                amplitudes[size + k, b] *= twice
        np.dot(amplitudes, states[s], gram[s])


@compiled
def adam(parameters, gradient, first, second, learning_rates, n_steps, constants):
    """Take step number `n_steps` of :class:`sklqkd.optimizers.Adam` for every student."""
    beta_1, beta_2, epsilon = constants
    correction = (1 - beta_2**n_steps) ** 0.5
    offset = np.float32(epsilon * correction)
    keep_1, keep_2 = np.float32(beta_1), np.float32(beta_2)
    add_1, add_2 = np.float32(1 - beta_1), np.float32(1 - beta_2)
    for s in range(len(parameters)):
        rate = np.float32(learning_rates[s, 0] * correction / (1 - beta_1**n_steps))
        for k in range(parameters.shape[1]):
            slope = gradient[s, k]
            first[s, k] = keep_1 * first[s, k] + add_1 * slope
            second[s, k] = keep_2 * second[s, k] + add_2 * slope * slope
            parameters[s, k] -= rate * first[s, k] / (np.sqrt(second[s, k]) + offset)
