"""Losses on class logits, each with its exact gradient.

A student is trained on ``(1 - lam) * cross_entropy + lam * distillation loss``. A distillation loss
compares the student's logits with targets that are made beforehand from the teacher's logits, and
may look at the labels. All of them work on arrays of shape (n_samples, n_classes) and return one
loss per sample, so that sample weights and averages are the caller's.

===================== ======================================================= =================
name                  compares                                                source
===================== ======================================================= =================
``"hinton"``          probabilities at a temperature (KL divergence)          arXiv:1503.02531
``"paper"``           the same, weighted as in the paper's code               arXiv:2311.13810
``"logit_mse"``       logits (mean squared difference)                        arXiv:2105.08919
``"standardized"``    probabilities of standardised logits (KL divergence)    arXiv:2403.01427
``"decoupled"``       the label's class and the other classes, separately     arXiv:2203.08679
``"dist"``            correlations over classes and over the batch            arXiv:2205.10536
``"label_smoothing"`` the student with smoothed labels: no teacher            arXiv:1512.00567
``"virtual_teacher"`` the student with a made-up teacher: no teacher          arXiv:1909.11723
===================== ======================================================= =================

The last two are controls: what they gain is not knowledge of a teacher.

The code of arXiv:2311.13810 adds ``0.9 T^2 C nn.KLDivLoss()`` to a cross-entropy of full weight.
``nn.KLDivLoss()`` divides by the batch size times C, so that this is ``0.9 T^2 KL``: Hinton's term.
As ``CE + 0.9 KL`` is 1.9 times ``(1 - lam) CE + lam KL`` at ``lam = 0.9 / 1.9 = 0.47``, the paper's
training is ``"hinton"`` with ``lam=0.47`` and a loss 1.9 times as large, which Adam hardly sees.
``"paper"`` with ``lam=0.9`` is the same, without the factor. The paper's text gives no other
divergence: KL(teacher || student).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import Parameter, signature
from math import isfinite
from typing import NamedTuple

import numpy as np

__all__ = [
    "DISTILLATION_LOSSES",
    "DistillationLoss",
    "cross_entropy",
    "decoupled",
    "dist",
    "hinton",
    "label_smoothing",
    "log_softmax",
    "logit_mse",
    "paper",
    "softened",
    "standardized",
    "virtual_teacher",
    "with_constants",
]

#: The smallest positive number in full float32 precision: keeps logarithms and quotients finite.
TINY = float(np.finfo(np.float32).tiny)


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


def _softmax(logits):
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
    shifted, gradient, losses = _softmax(logits)
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

    Examples
    --------
    >>> import numpy as np
    >>> softened(np.array([[0.0, 3 * np.log(3.0)]]), 3.0)
    array([[0.25, 0.75]])
    """
    return np.exp(log_softmax(teacher_logits / temperature))


def hinton(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    one_hot: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Hinton's distillation loss: T^2 KL(teacher at temperature T || student at temperature T).

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
    shifted, gradient, losses = _softmax(logits / temperature)
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


def _centre(values, axis=1):
    return values - np.add.reduce(values, axis=axis, keepdims=True) / values.shape[axis]


def _centred(teacher_logits, temperature):
    return _centre(teacher_logits)


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
    gradient : ndarray of shape (n_samples, n_classes)
        Of each sample's loss with respect to its logits.

    Examples
    --------
    >>> import numpy as np
    >>> logit_mse(np.array([[5.0, 7.0]]), np.array([[0.0, 6.0]]))
    (array([4.]), array([[ 2., -2.]]))
    """
    differences = _centre(logits - targets)
    n_classes = logits.shape[1]
    return np.vecdot(differences, differences) / n_classes, differences * (2 / n_classes)


def _standardize(logits):
    """Return each row's z-scores, its differences from its mean, its standard deviation."""
    centred = _centre(logits)
    deviations = np.sqrt(np.vecdot(centred, centred) / (logits.shape[1] - 1))[:, None]
    # The offset is that of the authors' code.
    return centred / (deviations + 1e-7), centred, deviations


def _standardized_softened(teacher_logits, temperature):
    return softened(_standardize(teacher_logits)[0], temperature)


def standardized(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    one_hot: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Hinton's loss between standardised logits: the student need not match the teacher's scale.

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
    gradient : ndarray of shape (n_samples, n_classes)
        Of each sample's loss with respect to its logits.

    Examples
    --------
    >>> import numpy as np
    >>> teacher_logits = np.array([[0.0, 3.0, 9.0]])
    >>> targets = DISTILLATION_LOSSES["standardized"].targets(teacher_logits, 2.0)
    >>> losses, _ = standardized(teacher_logits / 10, targets, 2.0)
    >>> bool(np.allclose(losses, 0))
    True
    """
    scores, centred, deviations = _standardize(logits)
    losses, gradient = hinton(scores, targets, temperature)
    # Through the z-score: the rows' means and standard deviations move with the logits too.
    gradient = _centre(gradient)
    slopes = np.vecdot(gradient, scores)[:, None] / (logits.shape[1] - 1)
    gradient -= slopes * (centred / np.maximum(deviations, TINY))
    gradient /= deviations + 1e-7
    return losses, gradient


def _log_softened(teacher_logits, temperature):
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
        The labels.
    alpha, beta : float, default=1.0, 8.0
        Weights of the two parts. The defaults are those of the authors' code; with a large `beta`
        they let the loss grow over the first epochs.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
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
    is_label = one_hot > 0
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
    students, teachers = _centre(students, axis), _centre(teachers, axis)
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
    >>> teacher_logits = np.array([[0.0, 0.0, 9.0], [1.0, 0.0, 0.0]])
    >>> losses, _ = dist(teacher_logits, softened(teacher_logits, 1.0), 1.0)
    >>> bool(np.allclose(losses, 0, atol=1e-6))
    True
    """
    n_samples, n_classes = logits.shape
    _, probabilities, _ = _softmax(logits / temperature)
    correlations, slopes = _correlations(probabilities, targets, axis=1)
    losses = beta * (1 - correlations[:, 0])
    slopes *= beta
    if n_samples > 1:
        correlations, column_slopes = _correlations(probabilities, targets, axis=0)
        losses += gamma * (1 - correlations.mean())
        slopes += gamma * n_samples / n_classes * column_slopes
    slopes -= np.vecdot(probabilities, slopes)[:, None]
    return temperature**2 * losses, -temperature * probabilities * slopes


def _unused(teacher_logits, temperature):
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
    """Hinton's loss with a made-up teacher that knows the labels and nothing else: a control.

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


class DistillationLoss(NamedTuple):
    """A distillation loss by its two functions.

    Attributes
    ----------
    targets : callable
        ``targets(teacher_logits, temperature)``: what the loss needs of the teacher, an array of
        shape (n_samples, n_classes) of which it is given the batch's rows.
    loss : callable
        ``loss(logits, targets, temperature, one_hot)``: the losses per sample, whose mean is the
        batch's loss, and the gradient of their sum with respect to the logits.
    needs_teacher : bool, default=True
        False for the controls, which do not look at their targets: they may be None.
    """

    targets: Callable[[np.ndarray, float], np.ndarray]
    loss: Callable[..., tuple[np.ndarray, np.ndarray]]
    needs_teacher: bool = True


#: The distillation losses by the name that a student's ``distillation`` parameter takes.
DISTILLATION_LOSSES: dict[str, DistillationLoss] = {
    "hinton": DistillationLoss(softened, hinton),
    "paper": DistillationLoss(softened, paper),
    "logit_mse": DistillationLoss(_centred, logit_mse),
    "standardized": DistillationLoss(_standardized_softened, standardized),
    "decoupled": DistillationLoss(_log_softened, decoupled),
    "dist": DistillationLoss(softened, dist),
    "label_smoothing": DistillationLoss(_unused, label_smoothing, needs_teacher=False),
    "virtual_teacher": DistillationLoss(_unused, virtual_teacher, needs_teacher=False),
}


def with_constants(name: str, **constants: float) -> DistillationLoss:
    """Return a distillation loss with other constants than its defaults.

    Parameters
    ----------
    name : str
        A key of `DISTILLATION_LOSSES`.
    **constants : float
        Keyword arguments of the function of that name: `alpha` and `beta` of "decoupled", `beta`
        and `gamma` of "dist", `epsilon` of "label_smoothing", `probability` of "virtual_teacher".
        Finite and not negative; `epsilon` and `probability` at most 1.

    Returns
    -------
    loss : DistillationLoss

    Raises
    ------
    ValueError
        If there is no such loss, it has no such constant, or a constant is out of range.

    Examples
    --------
    >>> loss = with_constants("decoupled", beta=2.0)
    >>> loss.loss.keywords
    {'beta': 2.0}
    """
    if name not in DISTILLATION_LOSSES:
        raise ValueError(
            f"There is no distillation loss {name!r}. Use one of {sorted(DISTILLATION_LOSSES)}."
        )
    loss = DISTILLATION_LOSSES[name]
    parameters = signature(loss.loss).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY]
    for constant, value in constants.items():
        if constant not in known:
            raise ValueError(
                f"The distillation loss {name!r} has no constant {constant!r}. "
                + (f"It has {', '.join(known)}." if known else "It has none: use its name alone.")
            )
        highest = 1.0 if constant in ("epsilon", "probability") else float("inf")
        if not (isfinite(value) and 0 <= value <= highest):
            limits = "in [0, 1]" if highest == 1 else "finite and not negative"
            raise ValueError(
                f"{constant}={value!r} of the distillation loss {name!r} must be {limits}."
            )
    return loss._replace(loss=partial(loss.loss, **constants))
