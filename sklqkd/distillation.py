"""What the teachers say to a student, and how much it counts, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real

import numpy as np
from sklearn.utils import check_array

from ._sklearn import _num_samples
from .checks import refuses_overflow
from .hearing import hear, warn_that_nobody_teaches
from .losses import DISTILLATION_LOSSES, DistillationLoss, softened
from .schedules import resolve_schedule
from .targets import given_word, teacher_word
from .teacher_checks import check_teacher, check_teacher_kind
from .training import Lesson
from .unlabelled import teachers_of

__all__ = ["Teaching", "teach"]

#: The range of temperatures. Below it a teacher's word is its favourite class and nothing else;
#: above it float32 rounds away what the loss is about, and "logit_mse" is the limit.
COLDEST, HOTTEST = 1e-3, 1e3


@dataclass
class Teaching:
    """The logits of one or more teachers, and schedules of temperature and lam.

    Attributes
    ----------
    loss : DistillationLoss
    logits : list of ndarray of shape (n_samples, n_classes)
        One for each teacher. A loss without a teacher has one that it does not look at.
    weights : sequence of float
        Shares of the teachers; they sum to 1.
    temperatures : list of callable
        The temperature of each teacher, by epoch.
    lam : callable
        Share of the distillation term in the loss, by epoch.
    matchings : list of ndarray of bool, shape (n_teacher_classes, n_classes)
        Which class of each teacher counts as which of the student.
    """

    loss: DistillationLoss
    logits: list[np.ndarray]
    weights: Sequence[float]
    temperatures: list[Callable[[int], float]]
    lam: Callable[[int], float]
    matchings: list[np.ndarray] = field(default_factory=list)
    _last: tuple = field(default=(), repr=False)

    def take(self, rows: np.ndarray) -> Teaching:
        """Return the teaching of some of the images."""
        return replace(self, logits=[logits[rows] for logits in self.logits], _last=())

    def favourites(self) -> np.ndarray:
        """Return the index of the class that the teachers together hold most likely."""
        opinions = [
            weight * softened(logits, 1.0)
            for weight, logits in zip(self.weights, self.logits, strict=True)
        ]
        return np.sum(opinions, axis=0).argmax(axis=1)

    def lessons(self, epoch: int) -> list[Lesson]:
        """Return the lessons of an epoch, made again only where a temperature has changed."""
        temperatures = [temperature(epoch) for temperature in self.temperatures]
        if not self._last or self._last[0] != temperatures:
            lessons = []
            for logits, temperature, weight in zip(
                self.logits, temperatures, self.weights, strict=True
            ):
                given = (
                    self.loss.targets(logits, temperature) if self.loss.needs_teacher else logits
                )
                lessons.append(Lesson(given.astype(np.float32), temperature, weight))
            self._last = temperatures, lessons
        return self._last[1]


def teach(
    student,
    X,
    y,
    classes,
    sample_weight,
    given_logits,
    ask=teacher_word,
    labelled=None,
    views=None,
) -> Teaching | None:
    """Ask a distilled student's teachers, once, before training.

    What they say of labelled images is compared with the labels; see :mod:`sklqkd.hearing`.

    Parameters
    ----------
    student : DistilledQNNClassifier
    X : array-like of shape (n_samples + n_copies, n_features)
        The images, and behind them the copies of `views`.
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
    sample_weight : ndarray of shape (n_samples,) or None
    given_logits : array-like of shape (n_samples, n_classes) or None
        Used instead of the teachers.
    ask : callable, default=teacher_word
        How a teacher is asked: :func:`sklqkd.targets.teacher_word`, or one like it.
    labelled : ndarray of bool, shape (n_samples,), default=None
        Which images have a label; ``None`` for all.
    views : Views, default=None
        Changed copies of the images, see :mod:`sklqkd.augmentation`. They are not compared with
        labels.

    Returns
    -------
    teaching : Teaching or None
        None where nobody teaches.

    Raises
    ------
    NotFittedError
        If a teacher is not fitted and `cv` is "prefit".
    ValueError
        If a teacher is no classifier with probabilities, if teachers, temperatures and weights do
        not belong together, or one is out of range.
    """
    loss = student.distillation
    if not isinstance(loss, DistillationLoss):
        loss = DISTILLATION_LOSSES[loss]
    lam = resolve_schedule(student.lam, student.max_iter, low=0, high=1, name="lam")
    teachers = teachers_of(student)
    for teacher in teachers:
        check_teacher_kind(teacher)
    n_teachers = 1 if given_logits is not None or not teachers else len(teachers)
    temperatures = _temperatures(student, n_teachers)
    weights = _weights(student, n_teachers)
    n_values = 1 if isinstance(student.lam, Real) else student.max_iter
    is_silent = all(lam(epoch) == 0 for epoch in range(n_values))
    matchings: list[np.ndarray] = []
    if given_logits is not None:
        words = [given_word(given_logits, len(y), classes)]
    elif not loss.needs_teacher:
        words = []
    elif not teachers:
        if not is_silent:
            warn_that_nobody_teaches(student)
        return None
    else:
        for teacher in teachers:
            check_teacher(teacher, student.n_features_in_, student.cv)
        if is_silent:
            return None
        options = {"cv": student.cv, "sample_weight": sample_weight, "views": views}
        words = [ask(teacher, X, y, classes, **options) for teacher in teachers]
    if is_silent:
        return None
    logits = [np.zeros((_num_samples(X), len(classes)), np.float32)]
    if words:
        rows = _rows_that_count(len(y), labelled, sample_weight)
        earlier = getattr(student, "teacher_matching_", [])
        logits, matchings = hear(words, weights, y, classes, rows, labelled, earlier)
    return Teaching(loss, logits, weights, temperatures, lam, matchings)


def _rows_that_count(n_samples, labelled, sample_weight):
    """Return which images have a label and a weight, or all of them as a slice."""
    if sample_weight is None:
        return slice(n_samples) if labelled is None else np.flatnonzero(labelled)
    counts = sample_weight > 0
    return np.flatnonzero(counts if labelled is None else counts & labelled)


def _temperatures(student, n_teachers):
    given = student.temperature
    is_curve = isinstance(given, (list, tuple)) and isinstance((*given, None)[0], str)
    is_list = isinstance(given, (list, tuple, np.ndarray)) and not is_curve
    given = np.atleast_1d(given).tolist() if isinstance(given, np.ndarray) else given
    values = list(given) if is_list else [given] * n_teachers
    if len(values) != n_teachers:
        raise ValueError(
            f"temperature has {len(values)} values, but there are {n_teachers} teachers. Give one "
            "for all of them, or a list with one for each."
        )
    return [
        resolve_schedule(value, student.max_iter, low=COLDEST, high=HOTTEST, name="temperature")
        for value in values
    ]


def _weights(student, n_teachers):
    if student.teacher_weights is None:
        return [1 / n_teachers] * n_teachers
    with refuses_overflow("teacher_weights"):
        weights = check_array(
            student.teacher_weights, dtype=float, ensure_2d=False, input_name="teacher_weights"
        )
    if weights.shape != (n_teachers,) or weights.min() < 0 or weights.max() == 0:
        raise ValueError(
            f"teacher_weights={student.teacher_weights!r} must be {n_teachers} non-negative "
            "numbers, one for each teacher, that are not all 0."
        )
    weights = weights / weights.max()  # the sum of huge ones would overflow
    return (weights / weights.sum()).tolist()
