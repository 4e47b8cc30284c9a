"""Losses that compare how alike the teacher and the student hold each two images to be.

Both add to Hinton's term the squared differences of two matrices over a mini-batch. The teacher's
is the fidelity of its class probabilities, ``G_ij = (sum_c sqrt(q_ic q_jc))^2``: the squared cosine
between their square roots. The student's is the same of its own probabilities (:func:`relational`,
the classical control), or the fidelity of the states that encode the images, ``K_ij = |<psi_i|
psi_j>|^2`` (:func:`overlaps`): quantum relational knowledge distillation, arXiv:2508.13054.

A circuit that follows the encoding is unitary and leaves these overlaps as they are, so that this
term reaches what is trained before the encoding and nothing else; and of amplitude encoding the
overlaps are squared cosines of the (squashed) features, which no circuit is needed for.
"""

from __future__ import annotations

import numpy as np

from .matching import hinton
from .softmax import TINY, softmax_parts

__all__ = ["overlaps", "quantum_relational", "relational"]


def _fidelities(probabilities):
    roots = np.sqrt(probabilities)
    return (roots @ roots.T) ** 2


def relational(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    one_hot: np.ndarray | None = None,
    *,
    beta: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Add the fidelities of the class probabilities of each two images to Hinton's loss.

    ``T^2 KL(q_i || p_i) + beta mean_j (K_ij - G_ij)^2`` for sample i, where q and p are the
    teacher's and the student's probabilities at temperature T, and G and K the fidelities of those
    of each two images of the batch. The classical control of :func:`quantum_relational`.

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
    beta : float, default=1.0
        Weight of the second part.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        Their mean is the batch's loss.
    gradient : ndarray of shape (n_samples, n_classes)
        Of the sum of the losses with respect to the logits.

    Examples
    --------
    >>> import numpy as np
    >>> from sklqkd.losses import softened
    >>> teacher_logits = np.array([[0.0, 0.0, 9.0], [1.0, 0.0, 0.0]])
    >>> losses, _ = relational(teacher_logits, softened(teacher_logits, 1.0), 1.0)
    >>> bool(np.allclose(losses, 0, atol=1e-6))
    True
    """
    losses, gradient = hinton(logits, targets, temperature)
    _, probabilities, _ = softmax_parts(logits / temperature)
    roots = np.sqrt(np.maximum(probabilities, TINY))
    cosines = roots @ roots.T
    differences = cosines**2 - _fidelities(targets)
    losses = losses + beta * np.mean(differences**2, axis=1)
    # d p_c / d z_k passes through the square root: d sqrt(p) = dp / (2 sqrt(p)).
    slopes = (8 * beta / len(logits)) * (differences * cosines) @ roots
    towards = slopes * roots / 2
    towards -= probabilities * np.add.reduce(towards, axis=1, keepdims=True)
    return losses, gradient + towards / temperature


def quantum_relational(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    one_hot: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return Hinton's loss, to which the states of the images add :func:`overlaps`.

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
        Of each sample's loss with respect to its logits.

    Examples
    --------
    >>> import numpy as np
    >>> from sklqkd.losses import softened
    >>> logits = np.array([[0.0, 0.0, 9.0]])
    >>> quantum_relational(logits, softened(logits, 1.0), 1.0)[0].round(6)
    array([0.])
    """
    return hinton(logits, targets, temperature)


def overlaps(
    states: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    beta: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Compare the fidelities of the states of each two images with the teacher's.

    ``beta mean_j (|<psi_i|psi_j>|^2 - G_ij)^2`` for sample i.

    Parameters
    ----------
    states : ndarray of shape (2^n, n_samples)
        The states that encode the images, real or complex.
    targets : ndarray of shape (n_samples, n_classes)
        The teacher's probabilities at a temperature, see :func:`softened`.
    weights : ndarray of shape (n_samples,), default=None
        Of the samples in the sum; ``None`` for 1 each.
    beta : float, default=1.0
        Weight of the loss.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        One for each sample.
    adjoint : ndarray of shape (2^n, n_samples)
        Of their weighted sum L: dL/dRe(state) + i dL/dIm(state).

    Examples
    --------
    >>> import numpy as np
    >>> same = np.array([[1.0, 1.0], [0.0, 0.0]])
    >>> overlaps(same, np.array([[1.0, 0.0], [1.0, 0.0]]))[0]
    array([0., 0.])
    """
    products = states.conj().T @ states
    differences = np.abs(products) ** 2 - _fidelities(targets)
    losses = beta * np.mean(differences**2, axis=1)
    if weights is not None:  # of the two images of a pair
        differences = differences * (weights + weights[:, None]) / 2
    return losses, (8 * beta / len(losses)) * states @ (differences * products)
