"""Losses that match the student's probabilities, or logits, to the teacher's, image by image."""

from __future__ import annotations

import numpy as np

from .softmax import TINY, cross_entropy, softened, softmax_parts

__all__ = [
    "centre",
    "centred",
    "hinton",
    "logit_mse",
    "paper",
    "standardized",
    "standardized_softened",
]


def hinton(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    one_hot: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Distillation loss of Hinton: T^2 KL(teacher at temperature T || student at temperature T).

    The factor T^2 keeps the size of the gradient about the same for every temperature
    (Hinton, Vinyals and Dean, arXiv:1503.02531).

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

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        One for each sample.
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
    shifted, gradient, losses = softmax_parts(logits / temperature)
    # 0 log 0 = 0: a probability that underflowed adds nothing.
    shifted -= np.log(np.maximum(targets, TINY))
    losses -= np.vecdot(targets, shifted)
    losses *= temperature**2
    gradient -= targets
    gradient *= temperature
    return losses, gradient


def paper(
    logits: np.ndarray, targets: np.ndarray, temperature: float, one_hot: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cross-entropy plus Hinton's loss, so that `lam` means what it means in arXiv:2311.13810.

    A student is trained on ``(1 - lam) CE + lam * paper = CE + lam T^2 KL``, which is the total
    loss in that paper's code; it uses ``lam=0.9`` and ``temperature=3``. With :func:`hinton`,
    ``lam / (1 + lam)`` gives the same loss divided by ``1 + lam``.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        The student's.
    targets : ndarray of shape (n_samples, n_classes)
        The teacher's probabilities at this temperature, see :func:`softened`.
    temperature : float
        Positive.
    one_hot : ndarray of shape (n_samples, n_classes)
        The labels.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        One for each sample.
    gradient : ndarray of shape (n_samples, n_classes)
        Of each sample's loss with respect to its logits.

    Examples
    --------
    >>> import numpy as np
    >>> teacher_logits, one_hot = np.array([[0.0, 6.0]]), np.array([[0.0, 1.0]])
    >>> losses, _ = paper(np.zeros((1, 2)), softened(teacher_logits, 3.0), 3.0, one_hot)
    >>> losses.round(3)
    array([3.643])
    """
    losses, gradient = hinton(logits, targets, temperature)
    hard_losses, hard_gradient = cross_entropy(logits, one_hot)
    losses += hard_losses
    gradient += hard_gradient
    return losses, gradient


def centre(values, axis=1):
    """Return values of mean 0 along an axis."""
    return values - np.add.reduce(values, axis=axis, keepdims=True) / values.shape[axis]


def centred(teacher_logits, temperature):
    """Return logits of mean 0, the targets of :func:`logit_mse`; no temperature enters."""
    return centre(teacher_logits)


def logit_mse(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float = 1.0,
    one_hot: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared difference between the logits, each row less its mean.

    ``sum_j (z_j - mean(z) - t_j + mean(t))^2 / C`` for student logits z, teacher logits t and C
    classes: the mean square of a row's differences without what a shift of its logits changes. It
    is twice the limit of :func:`hinton` for high temperatures, and has no temperature itself. Kim
    and others, arXiv:2105.08919; Ba and Caruana, arXiv:1312.6184.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        The student's.
    targets : ndarray of shape (n_samples, n_classes)
        The teacher's logits or log-probabilities: a shift of a row does not matter. The student is
        asked for their size too, which is large where a teacher is certain.
    temperature : float, default=1.0
        Not used.
    one_hot : ndarray of shape (n_samples, n_classes), default=None
        Not used.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        One for each sample.
    gradient : ndarray of shape (n_samples, n_classes)
        Of each sample's loss with respect to its logits.

    Examples
    --------
    >>> import numpy as np
    >>> logit_mse(np.array([[5.0, 7.0]]), np.array([[0.0, 6.0]]))
    (array([4.]), array([[ 2., -2.]]))
    """
    differences = centre(logits - targets)
    n_classes = logits.shape[1]
    return np.vecdot(differences, differences) / n_classes, differences * (2 / n_classes)


def _standardize(logits):
    """Return each row's z-scores, its differences from its mean, its standard deviation."""
    centred = centre(logits)
    deviations = np.sqrt(np.vecdot(centred, centred) / (logits.shape[1] - 1))[:, None]
    # The offset is that of the authors' code.
    return centred / (deviations + 1e-7), centred, deviations


def standardized_softened(teacher_logits, temperature):
    """Return probabilities of standardised logits, the targets of :func:`standardized`."""
    return softened(_standardize(teacher_logits)[0], temperature)


def standardized(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    one_hot: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Loss of :func:`hinton` on standardised logits: the teacher's scale need not be matched.

    Each row z of teacher and student becomes ``(z - mean(z)) / (std(z) + 1e-7)``, and then the loss
    is that of :func:`hinton`. As in the code of Sun and others, arXiv:2403.01427, std divides by
    C - 1; the paper's formula divides by C, which is this loss at a temperature
    ``sqrt(C / (C - 1))`` times as low. With two classes only their order is left.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        The student's.
    targets : ndarray of shape (n_samples, n_classes)
        The teacher's probabilities at this temperature, from its standardised logits:
        ``DISTILLATION_LOSSES["standardized"].targets(teacher_logits, temperature)``.
    temperature : float
        Positive. The authors' is 2.
    one_hot : ndarray of shape (n_samples, n_classes), default=None
        Not used.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        One for each sample.
    gradient : ndarray of shape (n_samples, n_classes)
        Of each sample's loss with respect to its logits.

    Examples
    --------
    >>> import numpy as np
    >>> teacher_logits = np.array([[0.0, 3.0, 9.0]])
    >>> targets = standardized_softened(teacher_logits, 2.0)
    >>> losses, _ = standardized(teacher_logits / 10, targets, 2.0)
    >>> bool(np.allclose(losses, 0))
    True
    """
    scores, centred, deviations = _standardize(logits)
    losses, gradient = hinton(scores, targets, temperature)
    # Through the z-score: the rows' means and standard deviations move with the logits too.
    gradient = centre(gradient)
    slopes = np.vecdot(gradient, scores)[:, None] / (logits.shape[1] - 1)
    gradient -= slopes * (centred / np.maximum(deviations, TINY))
    gradient /= deviations + 1e-7
    return losses, gradient
