"""Losses on class logits, each with its exact gradient.

A distillation loss compares the student's logits with fixed targets that are made once per fit
from the teacher's logits. All of them work on arrays of shape (n_samples, n_classes) and return
one loss per sample, so that sample weights and averages are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["DISTILLATION_LOSSES", "DistillationLoss", "cross_entropy", "hinton", "log_softmax"]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis.

    Examples
    --------
    >>> import numpy as np
    >>> np.exp(log_softmax(np.array([[0.0, np.log(3.0)]])))
    array([[0.25, 0.75]])
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cross-entropy of the softmax of `logits` with class probabilities.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
    targets : ndarray of shape (n_samples, n_classes)
        Rows sum to 1: one-hot labels, or soft ones.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
    gradient : ndarray of shape (n_samples, n_classes)
        Of each sample's loss with respect to its logits: ``softmax(logits) - targets``.

    Examples
    --------
    >>> import numpy as np
    >>> losses, gradient = cross_entropy(np.zeros((1, 2)), np.array([[1.0, 0.0]]))
    >>> losses, gradient
    (array([0.69314718]), array([[-0.5,  0.5]]))
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    gradient = np.exp(shifted)
    totals = gradient.sum(axis=-1, keepdims=True)
    losses = np.log(totals[:, 0]) - np.einsum("ij,ij->i", targets, shifted)
    gradient /= totals
    gradient -= targets
    return losses, gradient


def hinton(
    logits: np.ndarray, targets: np.ndarray, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """Hinton's distillation loss: T^2 KL(teacher at temperature T || student at temperature T).

    The factor T^2 keeps the size of the gradient about the same for every temperature
    (Hinton, Vinyals and Dean, arXiv:1503.02531; equation 3 of arXiv:2311.13810).

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        The student's.
    targets : ndarray of shape (n_samples, n_classes)
        The teacher's probabilities at this temperature, see :func:`softened`.
    temperature : float
        Positive.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
    gradient : ndarray of shape (n_samples, n_classes)
        ``T (softmax(logits / T) - targets)``.

    Examples
    --------
    >>> import numpy as np
    >>> teacher_logits = np.array([[0.0, 6.0]])
    >>> losses, _ = hinton(teacher_logits, softened(teacher_logits, 3.0), 3.0)
    >>> bool(np.allclose(losses, 0))
    True
    """
    log_probabilities = log_softmax(logits / temperature)
    # 0 log 0 = 0: a probability that underflowed adds nothing.
    tiny = np.finfo(targets.dtype).tiny
    entropies = targets * (np.log(np.maximum(targets, tiny)) - log_probabilities)
    gradient = np.exp(log_probabilities) - targets
    return temperature**2 * entropies.sum(axis=-1), temperature * gradient


def softened(teacher_logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return the teacher's probabilities at a temperature, ``softmax(teacher_logits / T)``.

    Examples
    --------
    >>> import numpy as np
    >>> softened(np.array([[0.0, 3 * np.log(3.0)]]), 3.0)
    array([[0.25, 0.75]])
    """
    return np.exp(log_softmax(teacher_logits / temperature))


class DistillationLoss(NamedTuple):
    """A distillation loss by its two functions.

    Attributes
    ----------
    targets : callable
        ``targets(teacher_logits, temperature)``: what the loss needs of the teacher, made once.
    loss : callable
        ``loss(logits, targets, temperature)``: the losses per sample and their gradient.
    """

    targets: Callable[[np.ndarray, float], np.ndarray]
    loss: Callable[[np.ndarray, np.ndarray, float], tuple[np.ndarray, np.ndarray]]


#: The distillation losses by the name that a student's ``distillation`` parameter takes.
DISTILLATION_LOSSES: dict[str, DistillationLoss] = {"hinton": DistillationLoss(softened, hinton)}
