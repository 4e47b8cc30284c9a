"""The softmax, its logarithm and the cross-entropy."""

from __future__ import annotations

import numpy as np

__all__ = ["TINY", "cross_entropy", "log_softmax", "softened", "softmax_parts"]

#: The smallest positive number in full float32 precision: keeps logarithms and quotients finite.
TINY = float(np.finfo(np.float32).tiny)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis.

    Parameters
    ----------
    logits : ndarray of shape (..., n_classes)
        Finite; a shift of a row changes nothing.

    Returns
    -------
    log_probabilities : ndarray of shape (..., n_classes)
        Of the dtype of `logits`.

    Examples
    --------
    >>> import numpy as np
    >>> np.exp(log_softmax(np.array([[0.0, np.log(3.0)]])))
    array([[0.25, 0.75]])
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax_parts(logits):
    """Return the logits less each row's greatest, the softmax, the logarithm of its denominator."""
    # The reductions of the ufuncs: the methods max and sum take longer to call than to compute.
    shifted = logits - np.maximum.reduce(logits, axis=1, keepdims=True)
    probabilities = np.exp(shifted)
    totals = np.add.reduce(probabilities, axis=1, keepdims=True)
    probabilities /= totals
    return shifted, probabilities, np.log(totals[:, 0])


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cross-entropy of the softmax of `logits` with class probabilities.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        The student's.
    targets : ndarray of shape (n_samples, n_classes)
        Rows sum to 1: one-hot labels, or soft ones.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        One for each sample.
    gradient : ndarray of shape (n_samples, n_classes)
        Of each sample's loss with respect to its logits: ``softmax(logits) - targets``.

    Examples
    --------
    >>> import numpy as np
    >>> losses, gradient = cross_entropy(np.zeros((1, 2)), np.array([[1.0, 0.0]]))
    >>> losses, gradient
    (array([0.69314718]), array([[-0.5,  0.5]]))
    """
    shifted, gradient, losses = softmax_parts(logits)
    losses -= np.vecdot(targets, shifted)
    gradient -= targets
    return losses, gradient


def softened(teacher_logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return the teacher's probabilities at a temperature, ``softmax(teacher_logits / T)``.

    Parameters
    ----------
    teacher_logits : ndarray of shape (n_samples, n_classes)
        Logits or log-probabilities: a shift of a row does not matter.
    temperature : float
        Positive.

    Returns
    -------
    targets : ndarray of shape (n_samples, n_classes)
        Probabilities; each row sums to 1.

    Examples
    --------
    >>> import numpy as np
    >>> softened(np.array([[0.0, 3 * np.log(3.0)]]), 3.0)
    array([[0.25, 0.75]])
    """
    return np.exp(log_softmax(teacher_logits / temperature))
