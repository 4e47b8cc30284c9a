"""Cross-validation of data in which some images have no label."""

from __future__ import annotations

from contextlib import suppress
from numbers import Integral
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.pipeline import Pipeline

from .._sklearn import _num_samples, _safe_indexing
from ..unlabelled import labelled_rows

__all__ = ["LabelledSplit", "labelled_split"]


class LabelledSplit(BaseCrossValidator):
    """Cross-validator that tests on images with a label, and trains on those without one too.

    The images with a label are split as `cv` says. Those without one, which a distilled student
    learns from through its teacher, are in every training set and in no test set: there is no label
    to test against. To be passed as `cv` to any tool of scikit-learn whose test sets need not be a
    partition of all images (``cross_val_predict`` wants that they are).

    Parameters
    ----------
    cv : int, splitter or iterable, default=5
        How images with a label are split: an int for so many stratified folds; or a splitter; or
        pairs of arrays, of rows among all images, to train on and to test on.
    unlabelled : int, float, str or None, default=-1
        The value of `y` that marks images without a label, as in
        :class:`sklqkd.DistilledQNNClassifier`; NaN marks what is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from sklqkd.search import LabelledSplit
    >>> y = np.array([0, 0, -1, 1, 1, -1])
    >>> for train, test in LabelledSplit(2).split(y[:, None], y):
    ...     print(train, test)
    [1 2 4 5] [0 3]
    [0 2 3 5] [1 4]
    """

    # For a `cv` that wants them, as scikit-learn's own splitters for groups have it.
    __metadata_request__split: ClassVar[dict] = {"groups": True}

    def __init__(self, cv=5, unlabelled=-1):
        self.cv = cv
        self.unlabelled = unlabelled

    def split(self, X, y=None, groups=None):
        """Yield the rows to train on and to test on, fold by fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.
        y : array-like of shape (n_samples,)
            Labels and marks.
        groups : array-like of shape (n_samples,), default=None
            For a `cv` that keeps groups together.

        Yields
        ------
        train, test : ndarray of int
            Sorted rows.

        Raises
        ------
        ValueError
            If there is no `y`, or too few images have a label.
        """
        labelled = self._labelled(y, _num_samples(X))
        others = np.setdiff1d(np.arange(_num_samples(X)), labelled)
        y = _safe_indexing(y, labelled)
        if not isinstance(self.cv, Integral | None) and not hasattr(self.cv, "split"):
            for train, test in self._given():
                yield np.union1d(train, others), np.setdiff1d(test, others)
            return
        groups = None if groups is None else _safe_indexing(groups, labelled)
        splitter = check_cv(5 if self.cv is None else self.cv, y, classifier=True)
        try:
            for train, test in splitter.split(_safe_indexing(X, labelled), y, groups):
                yield np.union1d(labelled[train], others), labelled[test]
        except ValueError as error:
            raise ValueError(
                f"The {len(labelled)} images with a label cannot be split by cv={self.cv!r}: "
                f"{error} Label more images, or use fewer folds."
            ) from error

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups
            As in :meth:`split`; needed where `cv` needs them.

        Returns
        -------
        n_splits : int
            How many pairs `split` yields.
        """
        if isinstance(self.cv, Integral | None):
            return 5 if self.cv is None else int(self.cv)
        if not hasattr(self.cv, "split"):
            return len(self._given())
        if y is not None:
            labelled = self._labelled(y, _num_samples(y))
            y = _safe_indexing(y, labelled)
            X = y if X is None else _safe_indexing(X, labelled)
            groups = None if groups is None else _safe_indexing(groups, labelled)
        return self.cv.get_n_splits(X, y, groups)

    def _given(self):
        if not hasattr(self.cv, "__len__"):
            raise ValueError(
                f"cv={self.cv!r} can be gone through once only. Pass list(...) of its folds."
            )
        return list(check_cv(self.cv).split())

    def _labelled(self, y, n_samples):
        """Return the rows that have a label."""
        if y is None:
            raise ValueError("LabelledSplit needs y, to see which images have a label.")
        values = np.asarray(y, dtype=object)
        if self.unlabelled is None:
            marks = np.zeros(n_samples, bool)
        elif self.unlabelled != self.unlabelled:
            marks = np.array([value != value for value in values], bool)
        else:
            marks = np.asarray(values == self.unlabelled, bool)
        if marks.all():
            raise ValueError(
                f"No image has a label: all of y is {self.unlabelled!r}, the mark of images "
                "without one. Label some images of each class."
            )
        return np.flatnonzero(~marks)


def labelled_split(search, grid, y, has_logits):
    """Return the `cv` of a search, such that images without a label are in no test set.

    Parameters
    ----------
    search : estimator
        What `estimator` and `cv` are read from.
    grid : dict or list of dict
        What it searches, for values of a student's `teacher`.
    y : array-like of shape (n_samples,) or None
    has_logits : bool
        Whether logits of a teacher are passed to fit.

    Returns
    -------
    cv : int, splitter, iterable or None
    """
    student = search.estimator
    while isinstance(student, Pipeline):
        student = student.steps[-1][1]
    if y is None or isinstance(search.cv, LabelledSplit) or not hasattr(student, "unlabelled"):
        return search.cv
    teachers = [student.teacher]
    for part in grid if isinstance(grid, (list, tuple)) else [grid]:
        for name, values in part.items():
            if name.split("__")[-1] == "teacher" and isinstance(values, (list, tuple, np.ndarray)):
                teachers += list(values)
    for teacher in teachers:
        taught = SimpleNamespace(teacher=teacher, unlabelled=student.unlabelled, cv=student.cv)
        with suppress(TypeError, ValueError):  # the fits say it in their own words
            if labelled_rows(taught, np.asarray(y), has_logits) is not None:
                return LabelledSplit(search.cv, student.unlabelled)
    return search.cv
