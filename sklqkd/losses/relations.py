"""Losses that look at the structure of the teacher's answer: classes apart, and correlations."""

from __future__ import annotations

import numpy as np

from .matching import centre
from .softmax import TINY, log_softmax, softmax_parts

__all__ = ["decoupled", "dist", "log_softened", "multi_level"]

#: The temperatures of :func:`multi_level`, as shares of the one that is given.
LEVELS = (0.5, 0.75, 1.0, 1.25, 1.5)


def log_softened(teacher_logits, temperature):
    """Return log-probabilities at a temperature, the targets of :func:`decoupled`."""
    return log_softmax(teacher_logits / temperature)


def _split(logits, is_label):
    """Split the softmax into that over {label, other classes} and that over the other classes.

    Returns the logarithms of both, of shape (n_samples, 2) and (n_samples, n_classes), and the
    second one itself; both are 0 at the label.
    """
    others = np.where(is_label, -np.inf, logits)
    greatest = np.maximum.reduce(others, axis=1, keepdims=True)
    others -= greatest
    probabilities = np.exp(others)
    totals = np.add.reduce(probabilities, axis=1, keepdims=True)
    log_totals = np.log(totals)
    probabilities /= totals
    pairs = np.concatenate([logits[is_label][:, None], greatest + log_totals], axis=1)
    return log_softmax(pairs), np.where(is_label, 0, others - log_totals), probabilities


def decoupled(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    one_hot: np.ndarray,
    *,
    alpha: float = 1.0,
    beta: float = 8.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Decoupled knowledge distillation: the label's class and the other classes, separately.

    ``T^2 (alpha KL(b || b') + beta KL(r || r'))``, where b and b' are teacher's and student's
    probabilities at temperature T of the label and of "any other class", and r and r' those of the
    other classes among themselves. :func:`hinton` is ``alpha = 1`` and ``beta = 1 - b(label)``: it
    hardly looks at the other classes where the teacher is sure. Zhao and others, arXiv:2203.08679.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        The student's.
    targets : ndarray of shape (n_samples, n_classes)
        Logarithms of the teacher's probabilities at this temperature:
        ``log_softmax(teacher_logits / temperature)``.
    temperature : float
        Positive.
    one_hot : ndarray of shape (n_samples, n_classes)
        The labels; of a mixture of images the class of the larger share counts.
    alpha, beta : float, default=1.0, 8.0
        Weights of the two parts. The defaults are those of the authors' code; with a large `beta`
        they let the loss grow over the first epochs.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        One for each sample.
    gradient : ndarray of shape (n_samples, n_classes)
        Of each sample's loss with respect to its logits.

    Examples
    --------
    >>> import numpy as np
    >>> logits, one_hot = np.array([[1.0, 0.0, 2.0]]), np.array([[1.0, 0.0, 0.0]])
    >>> targets = log_softmax(np.array([[6.0, 0.0, 2.0]]))
    >>> losses, _ = decoupled(logits, targets, 1.0, one_hot, alpha=0)
    >>> bool(np.allclose(losses, 0))  # the other classes agree
    True
    """
    is_label = np.arange(one_hot.shape[1]) == one_hot.argmax(axis=1)[:, None]
    pair, rest, rest_probabilities = _split(logits / temperature, is_label)
    teacher_pair, teacher_rest, teacher_rest_probabilities = _split(targets, is_label)
    teacher_pair_probabilities = np.exp(teacher_pair)
    losses = alpha * np.vecdot(teacher_pair_probabilities, teacher_pair - pair)
    losses += beta * np.vecdot(teacher_rest_probabilities, teacher_rest - rest)
    pair_gradient = alpha * (np.exp(pair) - teacher_pair_probabilities)
    gradient = beta * (rest_probabilities - teacher_rest_probabilities)
    gradient += np.where(is_label, pair_gradient[:, :1], pair_gradient[:, 1:] * rest_probabilities)
    return temperature**2 * losses, temperature * gradient


def _correlations(students, teachers, axis):
    """Return Pearson correlations along an axis, and their gradients for the students' values."""
    students, teachers = centre(students, axis), centre(teachers, axis)
    norms = np.sqrt(np.add.reduce(students * students, axis=axis, keepdims=True))
    teacher_norms = np.sqrt(np.add.reduce(teachers * teachers, axis=axis, keepdims=True))
    # The offset is that of the authors' code.
    scale = norms * teacher_norms + 1e-8
    correlations = np.add.reduce(students * teachers, axis=axis, keepdims=True) / scale
    directions = students / np.maximum(norms, TINY)
    return correlations, (teachers - correlations * teacher_norms * directions) / scale


def dist(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    one_hot: np.ndarray | None = None,
    *,
    beta: float = 1.0,
    gamma: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """DIST: correlation instead of equality, over the classes and over the batch.

    ``T^2 (beta (1 - r_i) + gamma mean_c(1 - r'_c))`` for sample i, where ``r_i`` is the Pearson
    correlation between the rows i, and ``r'_c`` that between the columns c, of teacher's and
    student's probabilities at temperature T. A constant row or column has correlation 0; in a
    batch of one sample the second term is 0. Huang and others, arXiv:2205.10536.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        The student's.
    targets : ndarray of shape (n_samples, n_classes)
        The teacher's probabilities at this temperature, see :func:`softened`.
    temperature : float
        Positive.
    one_hot : ndarray of shape (n_samples, n_classes), default=None
        Not used.
    beta, gamma : float, default=1.0, 1.0
        Weights of the two parts.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        Their mean is the batch's loss; the second term is the same for all.
    gradient : ndarray of shape (n_samples, n_classes)
        Of the sum of the losses with respect to the logits: each sample moves the second term of
        all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklqkd.losses import softened
    >>> teacher_logits = np.array([[0.0, 0.0, 9.0], [1.0, 0.0, 0.0]])
    >>> losses, _ = dist(teacher_logits, softened(teacher_logits, 1.0), 1.0)
    >>> bool(np.allclose(losses, 0, atol=1e-6))
    True
    """
    n_samples, n_classes = logits.shape
    _, probabilities, _ = softmax_parts(logits / temperature)
    correlations, slopes = _correlations(probabilities, targets, axis=1)
    losses = beta * (1 - correlations[:, 0])
    slopes *= beta
    if n_samples > 1:
        correlations, column_slopes = _correlations(probabilities, targets, axis=0)
        losses += gamma * (1 - correlations.mean())
        slopes += gamma * n_samples / n_classes * column_slopes
    slopes -= np.vecdot(probabilities, slopes)[:, None]
    return temperature**2 * losses, -temperature * probabilities * slopes


def multi_level(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    one_hot: np.ndarray | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    gamma: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Multi-level logit distillation: images, the batch and the classes, at five temperatures.

    The mean over the temperatures ``t = (1/2, 3/4, 1, 5/4, 3/2) T`` of ``alpha t^2 KL(q || p) +
    beta sum_j (q_i . q_j - p_i . p_j)^2 + gamma sum_cd ((Q^T Q - P^T P)_cd)^2 / C`` for sample i,
    with teacher's and student's probabilities q and p at t (rows of Q and P). Jin, Wang and Lin,
    CVPR 2023, p. 24276, who take t from 2 to 6, which is ``T = 4``, and the sum over them.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        The student's.
    targets : ndarray of shape (n_samples, n_classes)
        Logarithms of the teacher's probabilities at this temperature:
        ``log_softmax(teacher_logits / temperature)``.
    temperature : float
        Positive.
    one_hot : ndarray of shape (n_samples, n_classes), default=None
        Not used.
    alpha, beta, gamma : float, default=1.0, 1.0, 1.0
        Weights of the three levels, as in the authors' code.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        Their mean is the batch's loss; the third level is the same for all.
    gradient : ndarray of shape (n_samples, n_classes)
        Of the sum of the losses with respect to the logits.

    Examples
    --------
    >>> import numpy as np
    >>> teacher_logits = np.array([[0.0, 0.0, 9.0], [1.0, 0.0, 0.0]])
    >>> losses, _ = multi_level(teacher_logits, log_softmax(teacher_logits / 4), 4.0)
    >>> bool(np.allclose(losses, 0))
    True
    """
    n_samples, n_classes = logits.shape
    losses, gradient = np.zeros(n_samples, logits.dtype), np.zeros_like(logits)
    for share in LEVELS:
        heat = share * temperature
        log_p, log_q = log_softmax(logits / heat), log_softmax(targets / share)
        p, q = np.exp(log_p), np.exp(log_q)
        losses += alpha * heat**2 * np.vecdot(q, log_q - log_p)
        gradient += alpha * heat * (p - q)
        pairs = p @ p.T - q @ q.T
        losses += beta * np.vecdot(pairs, pairs)
        classes = p.T @ p - q.T @ q
        losses += gamma * (classes * classes).sum() / n_classes
        slopes = 4 * beta * pairs @ p + (4 * gamma * n_samples / n_classes) * p @ classes
        slopes -= np.vecdot(p, slopes)[:, None]
        gradient += p * slopes / heat
    return losses / len(LEVELS), gradient / len(LEVELS)
