"""Checks of arrays and labels, where scikit-learn's own leave something out."""

from __future__ import annotations

import os
from contextlib import contextmanager

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

__all__ = [
    "LARGEST",
    "check_classes",
    "check_path",
    "check_size",
    "class_labels",
    "refuses_overflow",
]

#: The largest size of a pixel or a logit. What is made of it by sums and squares is still within
#: float32, in which students and networks are trained.
LARGEST = 1e12


@contextmanager
def refuses_overflow(name):
    """Have scikit-learn's checks refuse numbers beyond floats as they refuse infinite ones.

    Without it NumPy warns of some of them, and others are an OverflowError.

    Parameters
    ----------
    name : str
        What holds the numbers, for the message.

    Examples
    --------
    >>> with refuses_overflow("X"):
    ...     np.asarray([10**400], float)
    Traceback (most recent call last):
    ValueError: X has a number that no float holds.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except OverflowError as error:
        raise ValueError(f"{name} has a number that no float holds.") from error


def check_size(array, name) -> None:
    """Raise a ValueError if a number of a finite array is larger than 1e12 in size.

    Examples
    --------
    >>> check_size(np.array([-1e20]), "X")
    Traceback (most recent call last):
    ValueError: X has a number of size 1e+20, and may have up to 1e+12. Scale it to a usual size.
    """
    greatest = max(array.max(initial=0), -array.min(initial=0))
    if greatest > LARGEST:
        raise ValueError(
            f"{name} has a number of size {greatest:.3g}, and may have up to {LARGEST:.0e}. Scale "
            "it to a usual size."
        )


def check_path(path, name) -> None:
    """Raise a TypeError or a ValueError for what cannot be the name of a file.

    Examples
    --------
    >>> check_path(3, "checkpoint")
    Traceback (most recent call last):
    TypeError: checkpoint=3 is not a path: give a string or a pathlib.Path.
    """
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise TypeError(f"{name}={path!r} is not a path: give a string or a pathlib.Path.")
    try:
        is_name = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_name = False
    if not is_name:
        raise ValueError(f"{name}={path!r} has characters that no name of a file has.")


def class_labels(y) -> np.ndarray:
    """Return the sorted classes of labels.

    Parameters
    ----------
    y : array-like of shape (n_samples,)

    Returns
    -------
    classes : ndarray of shape (n_classes,)

    Raises
    ------
    ValueError
        If these are no labels of classes, such as floats that are not whole numbers.

    Examples
    --------
    >>> class_labels(["dog", "cat", "dog"])
    array(['cat', 'dog'], dtype='<U3')
    """
    with np.errstate(invalid="ignore"):  # it turns floats into integers, to compare them
        check_classification_targets(y)
    return np.unique(y)


def check_classes(estimator, y, classes=None, known=None) -> np.ndarray:
    """Return the classes that an estimator learns.

    Parameters
    ----------
    estimator : estimator
        For the messages.
    y : array-like of shape (n_samples,)
    classes : array-like of shape (n_classes,), default=None
        What the user says; ``None`` for those known or else those of `y`.
    known : ndarray of shape (n_classes,), default=None
        Those of earlier calls, where training goes on.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted.

    Raises
    ------
    ValueError
        If there are fewer than two, others than those known, or others in `y`.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> check_classes(QNNClassifier(), [3, 7, 7], classes=[3, 7, 9])
    array([3, 7, 9])
    """
    present = class_labels(y) if len(y) else np.asarray(y)
    if classes is not None:
        classes = class_labels(classes)
        if known is not None and not np.array_equal(classes, known):
            raise ValueError(
                f"classes={classes.tolist()} is not what the first call had: {known.tolist()}."
            )
    else:
        classes = present if known is None else known
    if len(classes) < 2:
        raise ValueError(
            f"{type(estimator).__name__} needs at least 2 classes; there is one class: "
            f"{classes.tolist()}."
        )
    unknown = np.setdiff1d(present, classes)
    if len(unknown):
        raise ValueError(
            f"y has the classes {unknown.tolist()}, which are not among the classes "
            f"{classes.tolist()}."
        )
    return classes
