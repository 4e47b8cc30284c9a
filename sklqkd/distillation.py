"""What the teachers say to a student, and how much it counts, epoch by epoch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real

import numpy as np
from sklearn.utils import check_array

from .agreement import Finding, heed, nobody_teaches, unknown_to_all, with_the_mark
from .checks import refuses_overflow
from .exceptions import TeacherWarning
from .losses import DISTILLATION_LOSSES, DistillationLoss, softened
from .schedules import resolve_schedule
from .targets import Word, check_teacher, check_teacher_logits, teacher_word
from .torch_teacher import is_torch_module
from .training import Lesson

__all__ = ["Teaching", "labelled_rows", "teach"]

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
    columns : list of ndarray of int, shape (n_teacher_classes,)
        For each teacher the student's class that each of its classes is, -1 for none; empty where
        none was asked.
    """

    loss: DistillationLoss
    logits: list[np.ndarray]
    weights: Sequence[float]
    temperatures: list[Callable[[int], float]]
    lam: Callable[[int], float]
    columns: list[np.ndarray] = field(default_factory=list)
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


def labelled_rows(student, y: np.ndarray, has_logits: bool) -> np.ndarray | None:
    """Return which images have a label, or None if all have.

    Parameters
    ----------
    student : estimator
    y : ndarray of shape (n_samples,)
        Labels, and the student's `unlabelled` for images that only the teacher labels.
    has_logits : bool
        Whether logits of a teacher are given.

    Returns
    -------
    labelled : ndarray of bool, shape (n_samples,), or None

    Raises
    ------
    ValueError
        If there are unlabelled images but no fitted teacher.
    """
    marker = getattr(student, "unlabelled", None)
    teachers = _as_list(getattr(student, "teacher", None))
    if marker is None or not (teachers or has_logits):
        return None  # without a teacher, -1 is a class like any other
    if (y.dtype.kind in "biuf") != isinstance(marker, Real):
        return None
    if any(marker in np.ravel(getattr(t, "classes_", ())).tolist() for t in teachers):
        return None  # and so it is where a teacher knows it
    labelled = y != marker
    if labelled.all():
        return None
    if labelled.any() and len(np.unique(y[labelled])) < 2:
        return None  # labels -1 and 1: with one class there is nothing to learn
    if student.cv != "prefit" and not has_logits:
        raise ValueError(
            f"{(~labelled).sum()} images have no label (y = {marker!r}), but cv={student.cv!r} "
            "trains the teacher on these very images. Fit the teacher before, and set "
            f"cv='prefit'; or set unlabelled=None if {marker!r} is a class."
        )
    return labelled


def teach(
    student, X, y, classes, labelled, sample_weight, given_logits, ask=teacher_word, told=None
) -> Teaching | None:
    """Ask a distilled student's teachers, once, before training.

    Parameters
    ----------
    student : DistilledQNNClassifier
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
    labelled : ndarray of bool, shape (n_samples,), or None
        As :func:`labelled_rows` returns it.
    sample_weight : ndarray of shape (n_samples,) or None
    given_logits : array-like of shape (n_samples, n_classes) or None
        Used instead of the teachers.
    ask : callable, default=teacher_word
        How a teacher is asked: :func:`sklqkd.targets.teacher_word`, or one like it.
    told : set, default=None
        What was warned of before, which is not repeated; added to.

    Returns
    -------
    teaching : Teaching or None
        None where nobody teaches.

    Warns
    -----
    TeacherWarning
        If what the teachers say does not seem to belong to the labels, or nobody teaches.

    Raises
    ------
    NotFittedError
        If a teacher is not fitted and `cv` is "prefit".
    TypeError
        If a teacher is no classifier with probabilities.
    ValueError
        If teachers, temperatures and weights do not belong together, or one is out of range.
    """
    loss = student.distillation
    if not isinstance(loss, DistillationLoss):
        loss = DISTILLATION_LOSSES[loss]
    lam = resolve_schedule(student.lam, student.max_iter, low=0, high=1, name="lam")
    teachers = _as_list(student.teacher)
    n_teachers = 1 if given_logits is not None or not teachers else len(teachers)
    temperatures = _temperatures(student, n_teachers)
    weights = _weights(student, n_teachers)
    n_values = 1 if isinstance(student.lam, Real) else student.max_iter
    is_silent = all(lam(epoch) == 0 for epoch in range(n_values))
    told = set() if told is None else told
    columns: list[np.ndarray] = []
    if given_logits is not None:
        checked = check_teacher_logits(given_logits, len(y), classes)
        if is_silent:
            return None
        logits, findings = [checked], []
        if loss.needs_teacher:
            word = Word(checked, classes)
            *_, findings = heed(
                word, y, classes, labelled, "whose logits were given", may_match=False
            )
    elif not loss.needs_teacher:
        logits, findings = [np.zeros((len(y), len(classes)), np.float32)], []
    elif not teachers:
        if not is_silent:
            _tell([nobody_teaches(student)], told)
        return None
    else:
        for teacher in teachers:
            check_teacher(teacher, student.n_features_in_, student.cv)
        if is_silent:
            return None
        logits, columns, findings = _heed_all(
            student, teachers, X, y, classes, labelled, sample_weight, ask
        )
    if is_silent:
        return None
    _tell(findings, told)
    return Teaching(loss, logits, weights, temperatures, lam, columns)


def _heed_all(student, teachers, X, y, classes, labelled, sample_weight, ask):
    """Return the logits of all teachers, what their classes are, and what there is to tell."""
    options = {"cv": student.cv, "sample_weight": sample_weight}
    logits, columns, findings = [], [], []
    for teacher in teachers:
        if is_torch_module(teacher):
            options["image_shape"] = student.image_shape
        word = ask(teacher, X, y, classes, **options)
        name = type(teacher).__name__
        is_prefit = student.cv == "prefit"
        heard, of_classes, found = heed(word, y, classes, labelled, name, may_match=is_prefit)
        logits.append(heard)
        columns.append(of_classes)
        findings += found
    unknown = unknown_to_all(student, y, classes, columns)
    if labelled is None and student.unlabelled in classes.tolist():
        findings = [with_the_mark(finding, student.unlabelled) for finding in findings]
    if unknown:  # which says why favourites do not agree
        findings = [finding for finding in findings if finding.about[0] != "guessing"]
    return logits, columns, unknown + findings


def _tell(findings: list[Finding], told: set):
    """Warn of what was not told before."""
    for finding in findings:
        if finding.about not in told:
            told.add(finding.about)
            warnings.warn(finding.text, TeacherWarning, stacklevel=2)


def _as_list(teacher):
    if teacher is None:
        return []
    return list(teacher) if isinstance(teacher, (list, tuple)) else [teacher]


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
