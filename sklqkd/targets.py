"""Soft targets: what a teacher says about the images that a student is trained on.

A teacher is any classifier with ``predict_proba``. Its logits are taken as ``log p``, which is as
good: ``softmax(log p / T) = softmax(logits / T)``. Classes are matched by their labels.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import (
    _num_samples,
    assert_all_finite,
    check_array,
    check_is_fitted,
    has_fit_parameter,
)

from .checks import check_size, refuses_overflow
from .torch_teacher import TorchTeacher, is_torch_module

__all__ = [
    "Word",
    "align",
    "check_teacher",
    "check_teacher_logits",
    "columns_by_label",
    "is_fitted",
    "teacher_word",
    "without_torch",
]

#: Logit of a class that the teacher rules out: the smallest float32 has this logarithm.
LOWEST_LOGIT = float(np.log(np.finfo(np.float32).tiny))


class Word(NamedTuple):
    """What a teacher says about images.

    Attributes
    ----------
    logits : ndarray of shape (n_samples, n_teacher_classes)
    classes : ndarray of shape (n_teacher_classes,)
        The labels of the columns.
    """

    logits: np.ndarray
    classes: np.ndarray


def is_fitted(teacher) -> bool:
    """Return whether `teacher` can be asked as it is: a fitted estimator, or a torch module."""
    if is_torch_module(teacher):
        return True
    try:
        check_is_fitted(teacher)
    except NotFittedError:
        return False
    except TypeError:  # a class, or what cannot be fitted: only what it knows tells
        return not isinstance(teacher, type) and hasattr(teacher, "classes_")
    return True


def check_teacher(teacher, n_features: int, cv) -> None:
    """Check, before any work starts, that a teacher can teach on `n_features` features.

    Parameters
    ----------
    teacher : classifier or torch.nn.Module
    n_features : int
    cv : "prefit", int or splitter

    Raises
    ------
    NotFittedError
        If it is not fitted and `cv` is "prefit".
    TypeError
        If it is no classifier that gives probabilities.
    ValueError
        If it was fitted on another number of features.
    """
    name = teacher.__name__ if isinstance(teacher, type) else type(teacher).__name__
    if isinstance(teacher, type):
        raise TypeError(
            f"The teacher {name} is a class. Pass a fitted instance of it, such as "
            f"{name}(...).fit(X, y)."
        )
    if is_torch_module(teacher):
        if cv == "prefit":
            return
        raise TypeError(
            f"The teacher {name} is a torch module, which cannot be fitted on other folds as "
            f"cv={cv!r} asks for. Set cv='prefit', or use a skorch classifier around it."
        )
    if cv != "prefit":
        if not hasattr(teacher, "fit") or not hasattr(teacher, "get_params"):
            raise TypeError(
                f"The teacher {name} cannot be cloned and fitted, as cv={cv!r} asks for. Pass a "
                "scikit-learn classifier, or set cv='prefit'."
            )
        if not _is_classifier(teacher):
            raise TypeError(_no_probabilities(teacher, name))
        return
    if hasattr(teacher, "fit") and not is_fitted(teacher):
        # That of a meta-estimator may only be there once it is fitted.
        if not hasattr(teacher, "predict_proba") and not _is_classifier(teacher):
            raise TypeError(_no_probabilities(teacher, name))
        raise NotFittedError(
            f"The teacher {name} is not fitted. Fit it before the student; "
            "pass it as FrozenEstimator(teacher) where it is a value in a parameter grid, since a "
            "search clones those; or set cv=5 for out-of-fold targets from clones of it."
        )
    if not hasattr(teacher, "predict_proba"):
        raise TypeError(_no_probabilities(teacher, name))
    if not hasattr(teacher, "classes_"):
        raise TypeError(
            f"The teacher {name} has no classes_, which say what the columns of its predict_proba "
            "stand for. Set them, in that order: teacher.classes_ = np.array([...])."
        )
    expected = getattr(teacher, "n_features_in_", n_features)
    if expected != n_features:
        raise ValueError(
            f"The teacher was fitted on {expected} features, but the student's X has {n_features}. "
            "If a step before the student reduces the images, either let the student do that "
            "(its `reducer` parameter) and give it the images, or compute the teacher's logits on "
            "the images and pass them to fit as teacher_logits=."
        )


def _is_classifier(teacher):
    return hasattr(teacher, "__sklearn_tags__") and is_classifier(teacher)


def _no_probabilities(teacher, name):
    if _is_classifier(teacher) and hasattr(teacher, "decision_function"):
        return (
            f"The teacher {name} gives no probabilities: it has no predict_proba. Calibrate it, "
            f"CalibratedClassifierCV({name}(...)).fit(X, y), or pass logits of your own to fit as "
            "teacher_logits=."
        )
    return (
        f"The teacher {teacher!r} is no classifier with predict_proba. Pass a fitted one (such as "
        "LeNetClassifier().fit(X, y) or any of scikit-learn's), a TorchTeacher around a torch "
        "module, a list of them, or None and fit(..., teacher_logits=...)."
    )


def teacher_word(
    teacher, X, y, classes, *, cv="prefit", sample_weight=None, image_shape=None
) -> Word:
    """Return the teacher's logits for `X`.

    Parameters
    ----------
    teacher : classifier with predict_proba
        Fitted, if `cv` is "prefit"; otherwise clones of it are fitted.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
        The student's classes.
    cv : "prefit", int or splitter, default="prefit"
        How `X` is split for out-of-fold logits: each sample's come from a clone of the teacher that
        did not see it.
    sample_weight : ndarray of shape (n_samples,), default=None
        Passed on to the clones, where they take it.
    image_shape : sequence of int, default=None
        The images' shape for a torch module, whose outputs are taken for classes 0, 1, 2, ...

    Returns
    -------
    word : Word
        By the teacher's classes; out-of-fold ones by the student's.

    Raises
    ------
    ValueError
        If `predict_proba` does not give finite, non-negative numbers of shape (n_samples,
        n_teacher_classes), or `cv` leaves out some images.
    """
    if is_torch_module(teacher):
        teacher = TorchTeacher(teacher, image_shape=image_shape)
    if cv == "prefit":
        return Word(_log_probabilities(teacher, X), np.ravel(teacher.classes_))
    logits = np.full((len(y), len(classes)), np.nan)
    takes_weights = sample_weight is not None and has_fit_parameter(teacher, "sample_weight")
    for train, test in check_cv(cv, y, classifier=True).split(X, y):
        weights = {"sample_weight": sample_weight[train]} if takes_weights else {}
        fold_teacher = clone(teacher).fit(_safe_indexing(X, train), y[train], **weights)
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
    return Word(logits, classes)


def _log_probabilities(teacher, X) -> np.ndarray:
    name = f"predict_proba of the teacher {type(teacher).__name__}"
    floats = [np.float64, np.float32]
    given = teacher.predict_proba(X)  # before its classes_, which may only be known then
    with refuses_overflow(name):
        probabilities = check_array(
            given,
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


def columns_by_label(teacher_classes, classes) -> np.ndarray:
    """Return for each class of a teacher its index among the student's, -1 where it is not there.

    Examples
    --------
    >>> columns_by_label(["b", "a", "c"], ["a", "b"])
    array([ 1,  0, -1])
    """
    index = {label: i for i, label in enumerate(np.asarray(classes).tolist())}
    return np.array([index.get(label, -1) for label in np.ravel(teacher_classes).tolist()])


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
    columns = columns_by_label(teacher_classes, classes)
    known = columns >= 0
    if not known.any():
        raise ValueError(
            f"The teacher knows the classes {np.ravel(teacher_classes).tolist()}, none of which is "
            f"among the student's {np.asarray(classes).tolist()}. Train both on the same labels, "
            "of the same type."
        )
    aligned = np.full((len(logits), len(classes)), LOWEST_LOGIT, logits.dtype)
    aligned[:, columns[known]] = logits[:, known]
    return aligned


def check_teacher_logits(logits, n_samples: int, classes: np.ndarray) -> np.ndarray:
    """Check logits that were passed to fit.

    Parameters
    ----------
    logits : array-like of shape (n_samples, n_classes)
        Columns in the order of the sorted classes; a DataFrame's columns may be named by the
        classes instead, and are then matched by name. Minus infinity, the logarithm of 0, rules a
        class out; it counts as the logit of the smallest probability in float32, as a
        probability of 0 from a teacher does, or as the lowest of its row if that is lower.
    n_samples : int
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)

    Raises
    ------
    ValueError
        If the shape is another, a value is NaN, plus infinity or over 1e12 in size, or all of a
        row are minus infinity.
    """
    names = list(getattr(logits, "columns", []))
    logits = without_torch(logits)
    with refuses_overflow("teacher_logits"):
        array = check_array(
            logits,
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
    if known:
        return align(array, names, classes)
    if array.shape[1] != len(classes):
        raise ValueError(
            f"teacher_logits has {array.shape[1]} columns, but y has {len(classes)} classes: "
            f"{classes.tolist()}. Pass one column for each class in sorted order, or a DataFrame "
            "with the classes as column names, which are matched by name."
        )
    return array


def without_torch(values):
    """Return tensors, or lists of them, as arrays: whatever device, precision or graph they have.

    Anything else comes back as it is.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return values
    if isinstance(values, (list, tuple)) and values and all(map(torch.is_tensor, values)):
        return [without_torch(value) for value in values]
    return values.detach().cpu().double().numpy() if torch.is_tensor(values) else values


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
