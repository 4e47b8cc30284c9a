"""Losses on class logits, each with its exact gradient.

A student is trained on ``(1 - lam) * cross_entropy + lam * distillation loss``. A distillation loss
compares the student's logits with targets that are made beforehand from the teacher's logits, and
may look at the labels. All of them work on arrays of shape (n_samples, n_classes) and return one
loss per sample, so that sample weights and averages are the caller's.

======================== ====================================================== ===================
name                     compares                                               source
======================== ====================================================== ===================
``"hinton"``             probabilities at a temperature (KL divergence)         arXiv:1503.02531
``"paper"``              the same, weighted as in the paper's code              arXiv:2311.13810
``"logit_mse"``          logits (mean squared difference)                       arXiv:2105.08919
``"standardized"``       probabilities of standardised logits (KL divergence)   arXiv:2403.01427
``"decoupled"``          the label's class and the other classes, separately    arXiv:2203.08679
``"dist"``               correlations over classes and over the batch           arXiv:2205.10536
``"multi_level"``        images, batch and classes, at several temperatures     Jin et al., CVPR'23
``"relational"``         how alike two images are, by their probabilities       arXiv:1904.05068
``"quantum_relational"`` how alike, by the overlap of their states              arXiv:2508.13054
``"label_smoothing"``    the student with smoothed labels: no teacher           arXiv:1512.00567
``"virtual_teacher"``    the student with a made-up teacher: no teacher         arXiv:1909.11723
======================== ====================================================== ===================

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
from numbers import Real
from typing import NamedTuple

import numpy as np

from .controls import label_smoothing, unused, virtual_teacher
from .matching import centred, hinton, logit_mse, paper, standardized, standardized_softened
from .overlaps import overlaps, quantum_relational, relational
from .relations import decoupled, dist, log_softened, multi_level
from .softmax import cross_entropy, log_softmax, softened

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
    "multi_level",
    "overlaps",
    "paper",
    "quantum_relational",
    "relational",
    "softened",
    "standardized",
    "virtual_teacher",
    "with_constants",
]


class DistillationLoss(NamedTuple):
    """A distillation loss by its two functions.

    Parameters
    ----------
    targets : callable
        ``targets(teacher_logits, temperature)``: what the loss needs of the teacher, an array of
        shape (n_samples, n_classes) of which it is given the batch's rows.
    loss : callable
        ``loss(logits, targets, temperature, one_hot)``: the losses per sample, whose mean is the
        batch's loss, and the gradient of their sum with respect to the logits.
    needs_teacher : bool, default=True
        False for the controls, which do not look at their targets: they may be None.
    is_batchwise : bool, default=True
        Whether the loss of an image depends on the other images of its batch, as correlations over
        the batch do. A search evaluates other losses for the batches of several students at once,
        so say False only where each row counts for itself.
    states : callable, default=None
        ``states(states, targets, weights)``: further losses per sample, and the gradient of their
        weighted sum for the states that encode the images, as :func:`overlaps` returns them. For
        students whose reducer is trained, on the exact simulator.

    Examples
    --------
    >>> halved = DistillationLoss(
    ...     softened, lambda *given: tuple(part / 2 for part in hinton(*given))
    ... )
    >>> logits = np.array([[0.0, 1.0]])
    >>> targets = halved.targets(np.array([[1.0, 0.0]]), 2.0)
    >>> halved.loss(logits, targets, 2.0, None)[0] / hinton(logits, targets, 2.0)[0]
    array([0.5])
    """

    targets: Callable[[np.ndarray, float], np.ndarray]
    loss: Callable[..., tuple[np.ndarray, np.ndarray]]
    needs_teacher: bool = True
    is_batchwise: bool = True
    states: Callable[..., tuple[np.ndarray, np.ndarray]] | None = None


#: The distillation losses by the name that a student's ``distillation`` parameter takes.
DISTILLATION_LOSSES: dict[str, DistillationLoss] = {
    "hinton": DistillationLoss(softened, hinton, is_batchwise=False),
    "paper": DistillationLoss(softened, paper, is_batchwise=False),
    "logit_mse": DistillationLoss(centred, logit_mse, is_batchwise=False),
    "standardized": DistillationLoss(standardized_softened, standardized, is_batchwise=False),
    "decoupled": DistillationLoss(log_softened, decoupled, is_batchwise=False),
    "dist": DistillationLoss(softened, dist),
    "multi_level": DistillationLoss(log_softened, multi_level),
    "relational": DistillationLoss(softened, relational),
    "quantum_relational": DistillationLoss(softened, quantum_relational, states=overlaps),
    "label_smoothing": DistillationLoss(
        unused, label_smoothing, needs_teacher=False, is_batchwise=False
    ),
    "virtual_teacher": DistillationLoss(
        unused, virtual_teacher, needs_teacher=False, is_batchwise=False
    ),
}


def with_constants(name: str, **constants: float) -> DistillationLoss:
    """Return a distillation loss with other constants than its defaults.

    Parameters
    ----------
    name : str
        A key of `DISTILLATION_LOSSES`.
    **constants : float
        Keyword arguments of the function of that name: `alpha` and `beta` of "decoupled", `beta`
        and `gamma` of "dist", all three of "multi_level", `beta` of "relational" and of
        "quantum_relational", `epsilon` of "label_smoothing",
        `probability` of "virtual_teacher". Finite and not negative; `epsilon` and `probability`
        at most 1.

    Returns
    -------
    loss : DistillationLoss
        For a student's `distillation` parameter.

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
    function: Callable = loss.loss if loss.states is None else loss.states
    parameters = signature(function).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY]
    for constant, value in constants.items():
        if constant not in known:
            raise ValueError(
                f"The distillation loss {name!r} has no constant {constant!r}. "
                + (f"It has {', '.join(known)}." if known else "It has none: use its name alone.")
            )
        highest = 1.0 if constant in ("epsilon", "probability") else float("inf")
        if not (isinstance(value, Real) and 0 <= value <= highest and value < float("inf")):
            limits = "in [0, 1]" if highest == 1 else "finite and not negative"
            raise ValueError(
                f"{constant}={value!r} of the distillation loss {name!r} must be {limits}."
            )
    changed = partial(function, **constants)
    if loss.states is not None:
        return loss._replace(states=changed)
    return loss._replace(loss=changed)
