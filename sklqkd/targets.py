"""Soft targets: what a teacher says about the images that a student is trained on.

A teacher is any classifier with ``predict_proba``. Its logits are taken as ``log p``, which is as
good: ``softmax(log p / T) = softmax(logits / T)``. Classes are matched by their labels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils.validation import assert_all_finite, check_array, has_fit_parameter

from ._sklearn import _num_samples, _safe_indexing
from .checks import check_size, refuses_overflow
from .teacher_checks import is_fitted

__all__ = [
    "Word",
    "align",
    "given_word",
    "is_fitted",
    "plain_array",
    "teacher_word",
]

#: Logit of a class that the teacher rules out: the smallest float32 has this logarithm.
LOWEST_LOGIT = float(np.log(np.finfo(np.float32).tiny))


class Word(NamedTuple):
    """What a teacher says about some images, in its own classes.

    Attributes
    ----------
    logits : ndarray of shape (n_samples, n_teacher_classes)
    classes : ndarray of shape (n_teacher_classes,)
        The labels of the columns.
    name : str
        Who said it, for messages.
    origin : {"prefit", "folds", "given"}
        Whether it comes from a fitted teacher, from clones trained on other folds, or from the
        user.
    """

    logits: np.ndarray
    classes: np.ndarray
    name: str
    origin: str


def teacher_word(teacher, X, y, classes, *, cv="prefit", sample_weight=None, views=None) -> Word:
    """Return what a teacher says of `X`, in its own classes.

    Out-of-fold logits are in the student's classes: the clones are fitted on the student's `y`.

    Parameters
    ----------
    teacher : classifier with predict_proba
        Fitted, if `cv` is "prefit"; otherwise clones of it are fitted.
    X : array-like of shape (n_samples + n_copies, n_features)
        The images, and behind them the copies of `views`.
    y : array-like of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
        The student's classes.
    cv : "prefit", int or splitter, default="prefit"
        How `X` is split for out-of-fold logits: each sample's come from a clone of the teacher that
        did not see it.
    sample_weight : ndarray of shape (n_samples,), default=None
        Passed on to the clones, where they take it.
    views : Views, default=None
        Changed copies of the images. Out of folds, the clone that did not see their image speaks.

    Returns
    -------
    word : Word

    Raises
    ------
    ValueError
        If `predict_proba` does not give finite, non-negative numbers of shape (n_samples,
        n_teacher_classes), or `cv` leaves images in no test fold.
    """
    name = type(teacher).__name__
    if cv == "prefit":
        return Word(
            _log_probabilities(teacher, X), np.ravel(np.asarray(teacher.classes_)), name, "prefit"
        )
    logits = np.full((_num_samples(X), len(classes)), np.nan)
    takes_weights = sample_weight is not None and has_fit_parameter(teacher, "sample_weight")
    images = X if views is None else _safe_indexing(X, slice(len(y)))
    for train, test in check_cv(cv, y, classifier=True).split(images, y):
        weights = {"sample_weight": sample_weight[train]} if takes_weights else {}
        fold_teacher = clone(teacher).fit(_safe_indexing(X, train), y[train], **weights)
        if views is not None:
            is_asked = np.isin(views.source, test)
            test = np.concatenate([test, len(y) + np.flatnonzero(is_asked)])
        logits[test] = align(
            _log_probabilities(fold_teacher, _safe_indexing(X, test)),
            fold_teacher.classes_,
            classes,
        )
    if np.isnan(logits).any():
        raise ValueError(
            f"cv={cv!r} leaves some samples in no test fold, so that they have no out-of-fold "
            "target. Use a splitter that puts every sample in one test fold, such as "
            "StratifiedKFold."
        )
    return Word(logits, classes, name, "folds")


def _log_probabilities(teacher, X) -> np.ndarray:
    name = f"predict_proba of the teacher {type(teacher).__name__}"
    floats = [np.float64, np.float32]
    try:
        said = plain_array(teacher.predict_proba(X))
    except Exception as error:
        error.add_note(
            f"It was raised while {name} was asked about the student's X, of shape "
            f"{np.shape(X)}. A teacher of other inputs speaks through fit(..., teacher_logits=)."
        )
        raise
    with refuses_overflow(name):
        probabilities = check_array(
            said,
            dtype=floats,
            ensure_2d=False,
            allow_nd=True,
            ensure_min_samples=0,
            input_name=name,
        )
    expected = _num_samples(X), np.size(teacher.classes_)
    if probabilities.shape != expected or (probabilities < 0).any():
        raise ValueError(
            f"{name} gave an array of shape {probabilities.shape}, or with negative numbers, where "
            f"non-negative ones of shape {expected} are expected: one row for each image, one "
            "column for each of its classes_."
        )
    # In the teacher's own precision: just what np.log(teacher.predict_proba(X)) gives its user.
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)).astype(float)


def align(logits: np.ndarray, teacher_classes, classes) -> np.ndarray:
    """Put the columns of `logits` in the order of the student's classes, matched by label.

    Classes that the teacher does not know get the lowest logit; classes that only the teacher knows
    are left out.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_teacher_classes)
    teacher_classes : array-like of shape (n_teacher_classes,)
    classes : array-like of shape (n_classes,)

    Returns
    -------
    aligned : ndarray of shape (n_samples, n_classes)

    Raises
    ------
    ValueError
        If there is no common class.

    Examples
    --------
    >>> import numpy as np
    >>> align(np.array([[1.0, 2.0, 3.0]]), ["b", "a", "c"], ["a", "b"])
    array([[2., 1.]])
    """
    column = {label: i for i, label in enumerate(np.ravel(teacher_classes).tolist())}
    labels = np.asarray(classes).tolist()
    if not any(label in column for label in labels):
        raise ValueError(
            f"The teacher knows the classes {list(column)}, none of which is among the student's "
            f"{labels}. Train both on the same labels, of the same type."
        )
    aligned = np.full((len(logits), len(labels)), LOWEST_LOGIT, logits.dtype)
    for i, label in enumerate(labels):
        if label in column:
            aligned[:, i] = logits[:, column[label]]
    return aligned


def plain_array(values):
    """Return tensors, or a list of them, as a NumPy array; anything else as it is.

    Examples
    --------
    >>> plain_array([1.0, 2.0])
    [1.0, 2.0]
    """
    if isinstance(values, (list, tuple)) and any(hasattr(value, "detach") for value in values):
        return np.asarray([plain_array(value) for value in values])
    if not hasattr(values, "detach"):
        return values
    values = values.detach().cpu()
    if str(values.dtype) in ("torch.bfloat16", "torch.float16"):
        values = values.float()  # NumPy has no bfloat16
    return values.numpy()


def given_word(logits, n_samples: int, classes: np.ndarray) -> Word:
    """Check logits that were passed to fit.

    Parameters
    ----------
    logits : array-like or tensor of shape (n_samples, n_classes)
        Columns in the order of the sorted classes; a DataFrame's columns may be named by the
        classes instead, and are then matched by name. Minus infinity, the logarithm of 0, rules a
        class out; it counts as the logit of the smallest probability in float32, as a
        probability of 0 from a teacher does, or as the lowest of its row if that is lower.
    n_samples : int
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    word : Word

    Raises
    ------
    ValueError
        If the shape is another, a value is NaN, plus infinity or over 1e12 in size, or all of a
        row are minus infinity.
    """
    names = list(getattr(logits, "columns", []))
    with refuses_overflow("teacher_logits"):
        array = check_array(
            plain_array(logits),
            dtype=np.float64,
            ensure_all_finite=False,
            ensure_min_samples=0,
            input_name="teacher_logits",
        )
        array = _without_infinity(array)
    if len(array) != n_samples:
        raise ValueError(
            f"teacher_logits has {len(array)} rows, but X has {n_samples}. Pass one row for each "
            "row of X, in the same order."
        )
    known = set(classes.tolist()) & set(names)
    if known and len(known) < len(classes) and names == list(range(len(classes))):
        raise ValueError(
            f"teacher_logits has the columns {names}, but y has the classes "
            f"{classes.tolist()}: pandas's own numbers, or names of classes? Name the columns by "
            "the classes, or pass an array with one column for each class in sorted order."
        )
    if not known and array.shape[1] != len(classes):
        raise ValueError(
            f"teacher_logits has {array.shape[1]} columns, but y has {len(classes)} classes: "
            f"{classes.tolist()}. Pass one column for each class in sorted order, or a DataFrame "
            "with the classes as column names, which are matched by name."
        )
    return Word(
        array, np.array(names, dtype=object) if known else classes, "teacher_logits", "given"
    )


def _without_infinity(logits):
    """Return logits with a low number for minus infinity, after a check of all others."""
    is_out = np.isneginf(logits)
    finite = np.where(is_out, 0, logits)
    assert_all_finite(finite, input_name="teacher_logits")
    check_size(finite, "teacher_logits")
    if not is_out.any():
        return logits
    if is_out.all(axis=1).any():
        raise ValueError(
            "A row of teacher_logits has minus infinity for all classes. One of them has to be "
            "possible."
        )
    totals = logsumexp(logits, axis=1, keepdims=True)
    lowest = np.min(logits, axis=1, keepdims=True, where=~is_out, initial=np.inf)
    return np.where(is_out, np.minimum(totals + LOWEST_LOGIT, lowest), logits)
