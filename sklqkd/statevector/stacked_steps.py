"""The rest of a step of many students, compiled by numba (the ``fast`` extra).

From the unitaries to the losses, the way back, and Adam. NumPy's versions in
:mod:`sklqkd.search.stacking` and :mod:`sklqkd.optimizers` are the reference.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled

__all__ = ["adam", "backward", "forward"]


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
        The sums of the exponentials over the classes, (n_students, 2, batch), whose logarithms the
        losses lack; the mean losses, (n_students,); and the gradients for the intercepts, the heads
        and the unitaries.
    """
    states, final, probabilities, shifted = kept
    (label_table, label_rows), (target_table, target_rows) = labels, targets
    totals, losses, intercept_gradient, head_gradient, gram = out
    n_students, _, n_classes, batch = shifted.shape
    size = head.shape[2]
    one_hot = np.empty((n_classes, batch), np.float32)
    target = np.empty((n_classes, batch), np.float32)
    gradient = np.empty((n_classes, batch), np.float32)
    towards = np.empty((size, batch), np.float32)
    # Of each image: one over the sum of exponentials, and the sum of targets times logits.
    inverse, soft_inverse = np.empty(batch, np.float32), np.empty(batch, np.float32)
    match, soft_match = np.empty(batch, np.float32), np.empty(batch, np.float32)
    for s in range(n_students):
        loss = np.float32(0)
        temperature = temperatures[s]
        for b in range(batch):
            own, soft_own = label_table[label_rows[s, b]], target_table[target_rows[s, b]]
            for c in range(n_classes):
                one_hot[c, b], target[c, b] = own[c], soft_own[c]
            soft_match[b] = -soft_own[n_classes]
        total, soft_total = totals[s, 0], totals[s, 1]
        total[:], soft_total[:], match[:] = 0, 0, 0
        for c in range(n_classes):
            for b in range(batch):
                total[b] += exponentials[s, 0, c, b]
                soft_total[b] += exponentials[s, 1, c, b]
                match[b] += one_hot[c, b] * shifted[s, 0, c, b]
                soft_match[b] += target[c, b] * shifted[s, 1, c, b]
        for b in range(batch):
            loss -= shares[0, s, b] * match[b]
            loss -= shares[1, s, b] * temperature * temperature * soft_match[b]
            inverse[b] = np.float32(1) / total[b]
            soft_inverse[b] = np.float32(1) / soft_total[b]
        losses[s] = loss / batch
        scale = np.float32(1) / np.float32(batch)
        for c in range(n_classes):
            sum_of_class = np.float32(0)
            for b in range(batch):
                slope = shares[0, s, b] * (exponentials[s, 0, c, b] * inverse[b] - one_hot[c, b])
                slope += (temperature * shares[1, s, b]) * (
                    exponentials[s, 1, c, b] * soft_inverse[b] - target[c, b]
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
