"""The choice of a few samples of each class."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from .._sklearn import _safe_indexing
from ..random_states import random_generator

__all__ = ["take_per_class"]


def take_per_class(X, y, n, classes=None, *, shuffle=False, random_state=None):
    """Return the first, or random, `n` samples of each class, in their original order.

    The paper's data filtration: it trains the student on the first 150 training images of each of
    the classes 0 to 5, or 0 to 7 (arXiv:2311.13810, version 1, section 4.2).

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, ...)
        Samples.
    y : array-like of shape (n_samples,)
        Labels of any type.
    n : int
        Number of samples of each class, at least 1.
    classes : array-like, default=None
        The classes to keep; all of them when ``None``.
    shuffle : bool, default=False
        Draw the `n` samples of a class at random instead of taking the first ones.
    random_state : int, RandomState instance or None, default=None
        Makes the draw reproducible; used when ``shuffle=True``.

    Returns
    -------
    X, y : same types as the input
        The chosen samples, ``n * len(classes)`` of them.

    Raises
    ------
    ValueError
        If `n` is not a positive integer, a class does not occur in `y` or occurs less than `n`
        times, or a class is listed twice.

    Examples
    --------
    >>> from sklqkd.datasets import load_digits, take_per_class
    >>> X, y = take_per_class(*load_digits(return_X_y=True), 2, classes=[0, 7])
    >>> y
    array([0, 7, 0, 7])
    """
    check_consistent_length(X, y)
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n={n!r} is not a number of samples. Give a positive integer.")
    labels = column_or_1d(y)
    present = _distinct(labels, "y")
    wanted = present if classes is None else column_or_1d(classes)
    if len(_distinct(wanted, "classes")) < len(wanted):
        raise ValueError(f"classes={classes!r} lists a class twice.")
    rng = random_generator(random_state)
    chosen: list[int] = []
    for label in wanted.tolist():
        members = np.flatnonzero(labels == label)
        if len(members) == 0:
            raise ValueError(f"Class {label!r} does not occur in y, which has {present.tolist()}.")
        if len(members) < n:
            raise ValueError(
                f"Class {label!r} has {len(members)} samples, fewer than n={n}. "
                "Lower n, or leave the class out with classes=."
            )
        chosen.extend(rng.permutation(members)[:n] if shuffle else members[:n])
    indices = np.sort(chosen)
    return _safe_indexing(X, indices), _safe_indexing(y, indices)


def _distinct(labels, name):
    try:
        return np.unique(labels)
    except TypeError as error:
        raise TypeError(f"{name} mixes labels that cannot be sorted: {error}.") from error
