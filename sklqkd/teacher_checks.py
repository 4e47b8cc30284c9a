"""Whether an object can teach: a fitted classifier with probabilities, whoever made it."""

from __future__ import annotations

import sys

import numpy as np
from sklearn.base import is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ._sklearn import InvalidParameterError

__all__ = ["check_teacher", "check_teacher_kind", "is_fitted"]


def is_fitted(teacher) -> bool:
    """Return whether `teacher` can be asked: a fitted estimator, or what knows without a fit.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> is_fitted(LogisticRegression()), is_fitted(LogisticRegression().fit([[0], [1]], [0, 1]))
    (False, True)
    """
    if isinstance(teacher, type):
        return False
    if not hasattr(teacher, "fit"):
        return hasattr(teacher, "predict_proba") and hasattr(teacher, "classes_")
    try:
        check_is_fitted(teacher)
    except (NotFittedError, TypeError):
        return False
    return True


def check_teacher_kind(teacher) -> None:
    """Refuse what cannot be a teacher, fitted or not.

    Raises
    ------
    InvalidParameterError
        A ValueError and a TypeError, if it is a class, no classifier, or gives no probabilities.

    Examples
    --------
    >>> from sklearn.svm import LinearSVC
    >>> check_teacher_kind(LinearSVC())
    Traceback (most recent call last):
    sklearn.utils._param_validation.InvalidParameterError: The 'teacher' parameter of a student: \
LinearSVC has no predict_proba. Calibrate it: \
CalibratedClassifierCV(LinearSVC()).fit(X, y) has.
    """
    start = "The 'teacher' parameter of a student: "
    if isinstance(teacher, type):
        raise InvalidParameterError(
            f"{start}{teacher.__name__} is a class, and a teacher with predict_proba has to be an "
            f"object that is fitted: teacher = {teacher.__name__}().fit(X, y)."
        )
    name = type(teacher).__name__
    if isinstance(teacher, str) or teacher is None:
        raise InvalidParameterError(
            f"{start}{teacher!r} is no classifier with predict_proba. Pass the fitted object itself"
            "; of a list, every element has to be one."
        )
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(teacher, torch.nn.Module):
        raise InvalidParameterError(
            f"{start}{name} is a module of torch, which does not say what its outputs stand for. "
            "Wrap it, with the classes in the order of its outputs and the shape of an image: "
            "sklqkd.TorchTeacher(module, classes=np.unique(y), image_shape=(1, 28, 28)) has "
            "predict_proba."
        )
    if hasattr(teacher, "__sklearn_tags__") and is_regressor(teacher):
        raise InvalidParameterError(
            f"{start}{name} is a regressor, without classes. A teacher is a classifier with "
            "predict_proba."
        )
    if hasattr(teacher, "predict_proba"):
        return
    if getattr(teacher, "voting", None) == "hard":
        advice = 'Set voting="soft" before it is fitted.'
    elif getattr(teacher, "refit", None) is False:
        advice = "A search has it with refit=True, or pass its best estimator, fitted."
    elif hasattr(teacher, "decision_function"):
        advice = f"Calibrate it: CalibratedClassifierCV({name}()).fit(X, y) has."
    else:
        advice = (
            "A teacher is a fitted classifier with predict_proba(X) and classes_. For anything "
            "else compute its logits on X, and pass them to fit as teacher_logits=."
        )
    raise InvalidParameterError(f"{start}{name} has no predict_proba. {advice}")


def check_teacher(teacher, n_features: int, cv) -> None:
    """Check, before any work starts, that a teacher can teach on `n_features` features.

    Parameters
    ----------
    teacher : classifier
    n_features : int
    cv : "prefit", int or splitter

    Raises
    ------
    NotFittedError
        If it is not fitted and `cv` is "prefit".
    InvalidParameterError
        If it is no classifier with probabilities, or `cv` asks for fits that it does not offer.
    ValueError
        If it was fitted on another number of features, or does not say what its classes are.
    """
    check_teacher_kind(teacher)
    name = type(teacher).__name__
    if cv != "prefit":
        if not (hasattr(teacher, "fit") and hasattr(teacher, "get_params")):
            raise InvalidParameterError(
                f"cv={cv!r} fits clones of the teacher, and {name} is no estimator with fit and "
                "get_params. Set cv='prefit', or pass an estimator of scikit-learn's kind."
            )
        return
    if not is_fitted(teacher):
        if not hasattr(teacher, "fit"):
            raise ValueError(_without_classes(name))
        raise NotFittedError(
            f"The teacher {name} is not fitted. Fit it before the student; "
            "pass it as FrozenEstimator(teacher) where it is a value in a parameter grid, since a "
            "search clones those; or set cv=5 for out-of-fold targets from clones of it."
        )
    classes = getattr(teacher, "classes_", None)
    if classes is None:
        raise ValueError(_without_classes(name))
    if isinstance(classes, list) and np.ndim(classes[0] if classes else 0) > 0:
        raise ValueError(
            f"The teacher {name} was fitted on {len(classes)} targets at once. A teacher has one: "
            "fit it on that one."
        )
    expected = getattr(teacher, "n_features_in_", n_features)
    if expected != n_features:
        raise ValueError(
            f"The teacher was fitted on {expected} features, but the student's X has {n_features}. "
            "If a step before the student reduces the images, either let the student do that "
            "(its `reducer` parameter) and give it the images, or compute the teacher's logits on "
            "the images and pass them to fit as teacher_logits=."
        )


def _without_classes(name):
    return (
        f"The teacher {name} has no classes_, the labels of the columns of its predict_proba. Set "
        "them, as in teacher.classes_ = np.unique(y_of_the_teacher), or compute its logits on X "
        "and pass them to fit as teacher_logits=."
    )
