"""Distillation losses other than cross-entropies, in compiled loops.

Each writes what a lesson adds: ``soft[k, row]`` times the loss of an image to the total, and its
gradient to `slopes`, which are those of the mini-batch's mean. See :mod:`sklqkd.losses` for what
they compute.
"""

from __future__ import annotations

import numpy as np

from ..losses.softmax import TINY
from ..statevector.compilation import inlined

__all__ = ["correlations", "decoupled", "logit_mse", "standardized"]

_TINY = np.float32(TINY)
_OFFSET, _SMALL_OFFSET = np.float32(1e-7), np.float32(1e-8)  # of the authors' code


@inlined
def logit_mse(rows, targets, shares, logits, slopes):
    """Add :func:`sklqkd.losses.logit_mse`."""
    batch, n_classes = len(rows), logits.shape[1]
    total, inverse = 0.0, np.float32(1) / np.float32(n_classes)
    for b in range(batch):
        target, share = targets[rows[b]], shares[rows[b]]
        mean, squares = np.float32(0), np.float32(0)
        for c in range(n_classes):
            mean += (logits[b, c] - target[c]) * inverse
        for c in range(n_classes):
            difference = logits[b, c] - target[c] - mean
            squares += difference * difference
            slopes[b, c] += 2 * share * inverse * difference / batch
        total += share * inverse * squares
    return total


@inlined
def standardized(rows, targets, entropies, shares, temperature, logits, slopes):
    """Add :func:`sklqkd.losses.standardized`."""
    batch, n_classes = len(rows), logits.shape[1]
    gradient, scores = np.empty((2, n_classes), np.float32)
    total = 0.0
    for b in range(batch):
        target, share = targets[rows[b]], shares[rows[b]]
        mean, variance = np.float32(0), np.float32(0)
        for c in range(n_classes):
            mean += logits[b, c] / n_classes
        for c in range(n_classes):
            variance += (logits[b, c] - mean) ** 2 / (n_classes - 1)
        deviation = np.sqrt(variance)
        greatest = np.float32(-np.inf)
        for c in range(n_classes):
            scores[c] = (logits[b, c] - mean) / (deviation + _OFFSET)
            greatest = max(greatest, scores[c])
        denominator, match, centre = np.float32(0), np.float32(0), np.float32(0)
        for c in range(n_classes):
            exponent = (scores[c] - greatest) / temperature
            gradient[c] = np.exp(exponent)
            denominator += gradient[c]
            match += target[c] * exponent
        total += share * temperature**2 * (np.log(denominator) - match + entropies[rows[b]])
        for c in range(n_classes):
            gradient[c] = temperature * (gradient[c] / denominator - target[c])
            centre += gradient[c] / n_classes
        # Through the z-score: the rows' means and standard deviations move with the logits too.
        along = np.float32(0)
        for c in range(n_classes):
            along += (gradient[c] - centre) * scores[c] / (n_classes - 1)
        for c in range(n_classes):
            slope = gradient[c] - centre - along * (logits[b, c] - mean) / max(deviation, _TINY)
            slopes[b, c] += share * slope / (deviation + _OFFSET) / batch
    return total


@inlined
def decoupled(rows, one_hot, targets, shares, temperature, constants, logits, slopes):
    """Add :func:`sklqkd.losses.decoupled`; `constants` are its alpha and beta."""
    batch, n_classes = len(rows), logits.shape[1]
    alpha, beta = constants[0], constants[1]
    total = 0.0
    for b in range(batch):
        own, target, share = one_hot[rows[b]], targets[rows[b]], shares[rows[b]]
        # The student's and the teacher's: the label's logit, and the sum over the other classes.
        label, greatest, teacher_greatest = 0, np.float32(-np.inf), np.float32(-np.inf)
        for c in range(1, n_classes):
            if own[c] > own[label]:
                label = c
        for c in range(n_classes):
            if c != label:
                greatest = max(greatest, logits[b, c] / temperature)
                teacher_greatest = max(teacher_greatest, target[c])
        rest, teacher_rest = np.float32(0), np.float32(0)
        for c in range(n_classes):
            if c != label:
                rest += np.exp(logits[b, c] / temperature - greatest)
                teacher_rest += np.exp(target[c] - teacher_greatest)
        log_rest = greatest + np.log(rest)
        teacher_log_rest = teacher_greatest + np.log(teacher_rest)
        # The logarithm of the odds of the label decides the pair.
        odds = logits[b, label] / temperature - log_rest
        teacher_odds = target[label] - teacher_log_rest
        known = np.float32(1) / (np.float32(1) + np.exp(-odds))
        teacher_known = np.float32(1) / (np.float32(1) + np.exp(-teacher_odds))
        loss = teacher_known * (_log_sigmoid(teacher_odds) - _log_sigmoid(odds))
        loss += (1 - teacher_known) * (_log_sigmoid(-teacher_odds) - _log_sigmoid(-odds))
        loss *= alpha
        pair = alpha * (known - teacher_known)
        for c in range(n_classes):
            slope = pair
            if c != label:
                log_other = logits[b, c] / temperature - log_rest
                teacher_log_other = target[c] - teacher_log_rest
                other, teacher_other = np.exp(log_other), np.exp(teacher_log_other)
                loss += beta * teacher_other * (teacher_log_other - log_other)
                slope = beta * (other - teacher_other) - pair * other
            slopes[b, c] += share * temperature * slope / batch
        total += share * temperature**2 * loss
    return total


@inlined
def _log_sigmoid(x):
    return min(x, np.float32(0)) - np.log1p(np.exp(-abs(x)))


@inlined
def correlations(rows, targets, shares, temperature, constants, logits, slopes):
    """Add :func:`sklqkd.losses.dist`; `constants` are its beta and gamma."""
    batch, n_classes = len(rows), logits.shape[1]
    beta, gamma = constants[0], constants[1]
    probabilities, teacher = np.empty((2, batch, n_classes), np.float32)
    towards = np.zeros((batch, n_classes), np.float32)
    for b in range(batch):
        greatest, denominator = logits[b, 0], np.float32(0)
        for c in range(n_classes):
            greatest = max(greatest, logits[b, c])
        for c in range(n_classes):
            probabilities[b, c] = np.exp((logits[b, c] - greatest) / temperature)
            denominator += probabilities[b, c]
        for c in range(n_classes):
            probabilities[b, c] /= denominator
            teacher[b, c] = targets[rows[b], c]
    column_loss = np.float32(0)
    if batch > 1:
        for c in range(n_classes):
            weight = gamma * batch / np.float32(n_classes)
            correlation = _correlate(probabilities[:, c], teacher[:, c], weight, towards[:, c])
            column_loss += gamma * (1 - correlation) / n_classes
    total = 0.0
    for b in range(batch):
        loss = column_loss + beta * (1 - _correlate(probabilities[b], teacher[b], beta, towards[b]))
        share = shares[rows[b]]
        total += share * temperature**2 * loss
        along = np.float32(0)
        for c in range(n_classes):
            along += probabilities[b, c] * towards[b, c]
        for c in range(n_classes):
            slope = -temperature * probabilities[b, c] * (towards[b, c] - along)
            slopes[b, c] += share * slope / batch
    return total


@inlined
def _correlate(student, teacher, weight, towards):
    """Return a Pearson correlation, and add `weight` times its gradient for the student's."""
    n = len(student)
    mean, teacher_mean = np.float32(0), np.float32(0)
    for i in range(n):
        mean += student[i] / n
        teacher_mean += teacher[i] / n
    square, teacher_square, product = np.float32(0), np.float32(0), np.float32(0)
    for i in range(n):
        x, y = student[i] - mean, teacher[i] - teacher_mean
        square += x * x
        teacher_square += y * y
        product += x * y
    norm, teacher_norm = np.sqrt(square), np.sqrt(teacher_square)
    scale = norm * teacher_norm + _SMALL_OFFSET
    correlation = product / scale
    for i in range(n):
        direction = (student[i] - mean) / max(norm, _TINY)
        slope = (teacher[i] - teacher_mean - correlation * teacher_norm * direction) / scale
        towards[i] += weight * slope
    return correlation
