"""The honest controls: losses without a teacher, what they gain is not knowledge of one."""

from __future__ import annotations

import numpy as np

from .matching import hinton
from .softmax import TINY, cross_entropy, softened

__all__ = ["label_smoothing", "unused", "virtual_teacher"]


def unused(teacher_logits, temperature):
    """Return what a control does not look at."""
    return teacher_logits


def label_smoothing(
    logits: np.ndarray,
    targets: np.ndarray | None,
    temperature: float,
    one_hot: np.ndarray,
    *,
    epsilon: float = 0.1,
) -> tuple[np.ndarray, np.ndarray]:
    """Cross-entropy with smoothed labels, ``(1 - epsilon) one_hot + epsilon / C``: a control.

    Softer targets help without any teacher: what this gains is not the teacher's knowledge. In
    ``(1 - lam) CE + lam * label_smoothing`` the labels are smoothed by ``lam * epsilon`` in all.
    Szegedy and others, arXiv:1512.00567.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        The student's.
    targets : ndarray or None
        Not used.
    temperature : float
        Not used.
    one_hot : ndarray of shape (n_samples, n_classes)
        The labels.
    epsilon : float, default=0.1
        Probability to spread over all classes, in [0, 1].

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        One for each sample.
    gradient : ndarray of shape (n_samples, n_classes)
        Of each sample's loss with respect to its logits.

    Examples
    --------
    >>> import numpy as np
    >>> label_smoothing(np.zeros((1, 2)), None, 1.0, np.array([[1.0, 0.0]]))
    (array([0.69314718]), array([[-0.45,  0.45]]))
    """
    return cross_entropy(logits, (1 - epsilon) * one_hot + epsilon / logits.shape[1])


def virtual_teacher(
    logits: np.ndarray,
    targets: np.ndarray | None,
    temperature: float,
    one_hot: np.ndarray,
    *,
    probability: float = 0.99,
) -> tuple[np.ndarray, np.ndarray]:
    """Loss of :func:`hinton` with a made-up teacher that knows the labels alone: a control.

    The teacher gives the label `probability` and spreads the rest evenly; teacher and student are
    softened by the temperature as in :func:`hinton`. What this gains is not the teacher's
    knowledge. Yuan and others, arXiv:1909.11723, "Tf-KD reg": they take 0.99 and temperatures of 20
    or more. Their code differs: it divides probabilities, not logits, by the temperature, and only
    the teacher's, and has a factor of its own in place of T^2.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        The student's.
    targets : ndarray or None
        Not used.
    temperature : float
        Positive.
    one_hot : ndarray of shape (n_samples, n_classes)
        The labels.
    probability : float, default=0.99
        In [0, 1].

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        One for each sample.
    gradient : ndarray of shape (n_samples, n_classes)
        Of each sample's loss with respect to its logits.

    Examples
    --------
    >>> import numpy as np
    >>> one_hot = np.array([[1.0, 0.0]])
    >>> losses, gradient = virtual_teacher(np.zeros((1, 2)), None, 1.0, one_hot, probability=0.9)
    >>> losses.round(3), gradient.round(3)
    (array([0.368]), array([[-0.4,  0.4]]))
    """
    rest = (1 - probability) / (logits.shape[1] - 1)
    teacher = np.maximum((probability - rest) * one_hot + rest, TINY)
    return hinton(logits, softened(np.log(teacher), temperature), temperature)
