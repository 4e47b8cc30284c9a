"""Training that ends when a score on given images does not rise any more."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_consistent_length

from .base import Monitor, score_of

__all__ = ["EarlyStopping"]


class EarlyStopping(Monitor):
    """Ends the training when the score on images of yours stops rising, and restores the best.

    A student's own ``early_stopping=True`` holds out some of its training images, drawn anew in
    each fit; this one takes the images that you give, such as a validation set, and any score.

    Parameters
    ----------
    X_val : array-like of shape (n_samples, n_features)
        Images that the student is not trained on.
    y_val : array-like of shape (n_samples,)
        Their labels.
    scoring : str, callable or None, default=None
        What is greater is better, as in :func:`sklearn.metrics.check_scoring`; ``None`` for the
        accuracy.
    n_iter_no_change : int, default=10
        Epochs without an improvement of `tol` before training ends, at least 1.
    tol : float, default=1e-4
        The least improvement of the score that counts, not negative.
    restore_best : bool, default=True
        Whether the student ends with the weights of its best epoch, rather than of the last.

    Raises
    ------
    TypeError
        In `fit`, if the estimator is not a student of this package.
    ValueError
        In `fit`, for bad parameters; if the student has `early_stopping` itself, which restores
        other weights; if a :class:`sklqkd.callbacks.Checkpoint` is named before: it would write its
        file before the score is known.

    Notes
    -----
    The scores are in the student's ``validation_scores_``. They choose the weights, so the images
    are no test images any more.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.callbacks import EarlyStopping
    >>> from sklqkd.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> X, X_val, y, y_val = train_test_split(X, y, random_state=0)
    >>> student = QNNClassifier(max_iter=30, random_state=0)
    >>> student = student.set_callbacks(EarlyStopping(X_val, y_val, n_iter_no_change=3)).fit(X, y)
    >>> student.score(X_val, y_val) == max(student.validation_scores_)
    True
    """

    def __init__(
        self, X_val, y_val, *, scoring=None, n_iter_no_change=10, tol=1e-4, restore_best=True
    ):
        self.X_val = X_val
        self.y_val = y_val
        self.scoring = scoring
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.restore_best = restore_best

    def setup(self, estimator, context):
        """Check the parameters, before anything is computed."""
        check_consistent_length(self.X_val, self.y_val)
        n, tol = self.n_iter_no_change, self.tol
        if not isinstance(n, Integral) or isinstance(n, bool) or int(n) < 1:
            raise ValueError(f"n_iter_no_change={n!r} is no whole number of epochs from 1 on.")
        if not isinstance(tol, Real) or not 0 <= float(tol) < np.inf:
            raise ValueError(f"tol={tol!r} is no number from 0 on.")
        if getattr(estimator, "early_stopping", False):
            raise ValueError(
                "The student stops early by itself, and restores weights that its own hold-out "
                "chooses. Set its early_stopping=False, or leave the callback EarlyStopping out."
            )
        before = getattr(estimator, "_skl_callbacks", [])
        before = before[: before.index(self)] if self in before else []
        if any(type(callback).__name__ == "Checkpoint" for callback in before):
            raise ValueError(
                "A Checkpoint writes its file when it is its turn, and EarlyStopping has not "
                "scored the epoch by then. Name EarlyStopping before it in set_callbacks."
            )

    def _after_epoch(self, student, run, context):
        """Score the student; tell whether it is time to end."""
        run.validation_scores.append(score_of(student, run, self.X_val, self.y_val, self.scoring))
        scores = run.validation_scores[-run.n_iter :]  # a warm start has some of earlier fits
        # Nothing is kept here: a Checkpoint has scores and best weights, and a fit can go on.
        best, n_no_change = -np.inf, 0
        for score in scores:
            n_no_change = 0 if score > best + self.tol else n_no_change + 1
            best = max(best, score)
        if self.restore_best and (len(scores) == 1 or scores[-1] > max(scores[:-1])):
            run.best_parameters = run.network.parameters.copy()
        return n_no_change >= self.n_iter_no_change
