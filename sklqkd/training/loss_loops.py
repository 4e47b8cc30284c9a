"""Cross-entropy with labels, and with the softened words of teachers, in compiled loops."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from ..losses import (
    decoupled,
    dist,
    hinton,
    label_smoothing,
    logit_mse,
    paper,
    softened,
    standardized,
    virtual_teacher,
)
from ..losses.softmax import TINY
from ..statevector.compilation import compiled, inlined, merged
from . import matching_loops
from .objective import Objective

__all__ = ["SoftLosses", "batch_losses", "losses", "soft_losses"]

_SOFT, _LOGIT_MSE, _STANDARDIZED, _DECOUPLED, _DIST = range(5)
_OTHERS = {
    logit_mse: (_LOGIT_MSE, {}),
    standardized: (_STANDARDIZED, {}),
    decoupled: (_DECOUPLED, {"alpha": 1.0, "beta": 8.0}),
    dist: (_DIST, {"beta": 1.0, "gamma": 1.0}),
}


class SoftLosses(NamedTuple):
    """What a student is trained on, as the loops read it.

    The loss of an image is ``hard`` times its cross-entropy with `one_hot`, plus for each lesson
    ``soft T^2`` times the divergence at temperature T of its logits from `targets`, or ``soft``
    times another loss, by its `kinds`.

    Attributes
    ----------
    one_hot : ndarray of shape (n_samples, n_classes)
    hard : ndarray of shape (n_samples,)
    targets : ndarray of shape (n_lessons, n_samples, n_classes)
    entropies : ndarray of shape (n_lessons, n_samples)
        Of the targets, negative: the sums of t log t; 0 where the loss is a cross-entropy.
    soft : ndarray of shape (n_lessons, n_samples)
    temperatures : ndarray of shape (n_lessons,)
    kinds : ndarray of int, shape (n_lessons,)
    constants : ndarray of shape (n_lessons, 2)
        Of the other losses, in the order of their arguments.
    shifted, scaled, exponentials : ndarray of shape (batch_size, n_classes)
    bits : ndarray of int32, shape (batch_size * n_classes,)
    powers : ndarray of float32, shape (batch_size * n_classes,)
        The same memory, read as floats.
    """

    one_hot: np.ndarray
    hard: np.ndarray
    targets: np.ndarray
    entropies: np.ndarray
    soft: np.ndarray
    temperatures: np.ndarray
    kinds: np.ndarray
    constants: np.ndarray
    shifted: np.ndarray
    scaled: np.ndarray
    exponentials: np.ndarray
    bits: np.ndarray
    powers: np.ndarray


def soft_losses(objective: Objective, batch_size: int) -> SoftLosses | None:
    """Return an objective as the loops read it, or None if there are no loops for its loss.

    Parameters
    ----------
    objective : Objective
        As it stands in one epoch.
    batch_size : int
    """
    one_hot = np.ascontiguousarray(objective.one_hot, np.float32)
    n_samples, n_classes = one_hot.shape
    lessons = objective.lessons
    hard = np.full(n_samples, 1 - objective.lam if lessons else 1.0, np.float32)
    if objective.label_weight is not None:
        hard *= objective.label_weight
    targets = np.zeros((len(lessons), n_samples, n_classes), np.float32)
    entropies = np.zeros((len(lessons), n_samples), np.float32)
    soft = np.zeros((len(lessons), n_samples), np.float32)
    temperatures = np.ones(len(lessons), np.float32)
    kinds, own = np.zeros(len(lessons), int), np.zeros((len(lessons), 2), np.float32)
    for k, lesson in enumerate(lessons):
        assert objective.loss is not None
        loss = objective.loss.loss
        constants = loss.keywords if isinstance(loss, partial) else {}
        loss = loss.func if isinstance(loss, partial) else loss
        soft[k] = objective.lam * lesson.weight
        if objective.sample_weight is not None:
            soft[k] *= objective.sample_weight
        if loss is label_smoothing:
            epsilon = constants.get("epsilon", 0.1)
            targets[k] = (1 - epsilon) * one_hot + epsilon / n_classes
            continue
        temperatures[k] = lesson.temperature
        if loss is virtual_teacher:
            rest = (1 - constants.get("probability", 0.99)) / (n_classes - 1)
            words = np.log(np.maximum((1 - rest * n_classes) * one_hot + rest, TINY))
            targets[k] = softened(words, lesson.temperature)
        elif loss in (hinton, paper, *_OTHERS):
            targets[k] = lesson.targets
        else:
            return None
        if loss in _OTHERS:
            kinds[k], defaults = _OTHERS[loss]
            own[k, : len(defaults)] = list((defaults | constants).values())
            if loss is not standardized:
                continue
        if loss is paper:  # it has a cross-entropy of its own
            hard += soft[k]
        entropies[k] = np.vecdot(targets[k], np.log(np.maximum(targets[k], TINY)))
    bits = np.empty(batch_size * n_classes, np.int32)
    return SoftLosses(
        one_hot=one_hot,
        hard=hard,
        targets=targets,
        entropies=entropies,
        soft=soft,
        temperatures=temperatures,
        kinds=kinds,
        constants=own,
        shifted=np.empty((batch_size, n_classes), np.float32),
        scaled=np.empty((batch_size, n_classes), np.float32),
        exponentials=np.empty((batch_size, n_classes), np.float32),
        bits=bits,
        powers=bits.view(np.float32),
    )


@compiled
def batch_losses(rows, soft, logits, slopes):
    """Do what :func:`losses` does, called from Python."""
    return losses(rows, soft, logits, slopes)


@merged
def losses(rows, soft, logits, slopes):
    """Return the sum of a mini-batch's losses, and write the gradient of their mean.

    Parameters
    ----------
    rows : ndarray of int, shape (batch,)
        Its images.
    soft : SoftLosses
    logits, slopes : ndarray of shape (batch_size, n_classes)
        The first `batch` rows are read, and written.
    """
    batch, n_classes = len(rows), logits.shape[1]
    shifted, exponentials = soft.shifted, soft.exponentials
    for b in range(batch):
        greatest = logits[b, 0]
        for c in range(1, n_classes):
            greatest = max(greatest, logits[b, c])
        for c in range(n_classes):
            shifted[b, c] = logits[b, c] - greatest
    _exponentials(batch * n_classes, shifted.ravel(), soft, exponentials.ravel())
    total = 0.0
    inverse = np.float32(1) / np.float32(batch)
    for b in range(batch):
        one_hot, share = soft.one_hot[rows[b]], soft.hard[rows[b]]
        denominator, match = np.float32(0), np.float32(0)
        for c in range(n_classes):
            denominator += exponentials[b, c]
            match += one_hot[c] * shifted[b, c]
        total += share * (np.log(denominator) - match)
        normal = np.float32(1) / denominator
        for c in range(n_classes):
            slopes[b, c] = (share * inverse) * (exponentials[b, c] * normal - one_hot[c])
    for k in range(len(soft.temperatures)):
        kind, temperature, constants = soft.kinds[k], soft.temperatures[k], soft.constants[k]
        targets, entropies, shares = soft.targets[k], soft.entropies[k], soft.soft[k]
        if kind == _LOGIT_MSE:
            total += matching_loops.logit_mse(rows, targets, shares, logits, slopes)
        elif kind == _STANDARDIZED:
            total += matching_loops.standardized(
                rows, targets, entropies, shares, temperature, logits, slopes
            )
        elif kind == _DECOUPLED:
            total += matching_loops.decoupled(
                rows, soft.one_hot, targets, shares, temperature, constants, logits, slopes
            )
        elif kind == _DIST:
            total += matching_loops.correlations(
                rows, targets, shares, temperature, constants, logits, slopes
            )
        else:
            total += _softened(rows, k, soft, slopes)
    return total


@merged
def _softened(rows, k, soft, slopes):
    """Add cross-entropies at a temperature."""
    batch, n_classes = len(rows), slopes.shape[1]
    shifted, scaled, exponentials = soft.shifted, soft.scaled, soft.exponentials
    temperature = soft.temperatures[k]
    colder, inverse = np.float32(1) / temperature, np.float32(1) / np.float32(batch)
    for b in range(batch):
        for c in range(n_classes):
            scaled[b, c] = colder * shifted[b, c]
    _exponentials(batch * n_classes, scaled.ravel(), soft, exponentials.ravel())
    total = 0.0
    for b in range(batch):
        target, share = soft.targets[k, rows[b]], temperature * soft.soft[k, rows[b]]
        denominator, match = np.float32(0), np.float32(0)
        for c in range(n_classes):
            denominator += exponentials[b, c]
            match += target[c] * scaled[b, c]
        divergence = np.log(denominator) - match + soft.entropies[k, rows[b]]
        total += temperature * share * divergence
        normal = np.float32(1) / denominator
        for c in range(n_classes):
            slopes[b, c] += (share * inverse) * (exponentials[b, c] * normal - target[c])
    return total


@inlined
def _exponentials(n, exponents, soft, out):
    r"""Write the exponentials of numbers that are not positive, to about a bit of float32.

    exp(x) = 2^k exp(r) with \|r\| below log(2) / 2, and exp(r) by Taylor's series: unlike the C
    library's function, a loop that runs in vector registers.
    """
    bits, powers = soft.bits, soft.powers
    for i in range(n):
        x = max(exponents[i], np.float32(-87))  # below, a float is no longer in full precision
        whole = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
        # Without the low part of log(2), r would lack the last bits of large k.
        r = x - whole * np.float32(0.693359375)
        r = r + whole * np.float32(2.12194440e-4)
        series = np.float32(1 / 5040) * r + np.float32(1 / 720)
        series = series * r + np.float32(1 / 120)
        series = series * r + np.float32(1 / 24)
        series = series * r + np.float32(1 / 6)
        series = series * r + np.float32(0.5)
        out[i] = series * r * r + r + np.float32(1)
        bits[i] = (np.int32(whole) + np.int32(127)) * np.int32(8388608)
    for i in range(n):
        out[i] *= powers[i]
