"""Checks of arrays and labels, where scikit-learn's own leave something out."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

__all__ = ["LARGEST", "check_size", "class_labels", "refuses_overflow"]

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
