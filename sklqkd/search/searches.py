"""The searches: scikit-learn's classes with their fits collected and stacked."""

from __future__ import annotations

import os
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from .._sklearn import BaseSearchCV, Interval
from ..atomic import unchanged_on_error
from ..documentation import Documented
from ..teacher_warnings import said_once
from .fits import Fits, SearchBackend
from .splitting import labelled_split

__all__ = ["CONSTRAINTS", "StackedGridSearchCV", "StackedRandomizedSearchCV", "StackedSearch"]

#: Of the parameters that scikit-learn's searches do not have.
CONSTRAINTS: dict = {
    "memory_limit": [Interval(Real, 0, None, closed="neither"), None],
    "checkpoint": [str, os.PathLike, None],
}


class StackedSearch(Documented, BaseSearchCV):
    """What the stacked searches share; to be named before scikit-learn's class."""

    cv: Any

    @unchanged_on_error
    def fit(self, X, y=None, **params):
        """Run fit with all sets of parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.
        y : array-like of shape (n_samples,)
            Class labels. Images without one (the student's `unlabelled`) are in every training set
            and in no test set, as :class:`LabelledSplit` puts them.
        **params : dict
            As in scikit-learn: what has a row for each image, such as `sample_weight` or
            `teacher_logits`, is split with `X`.

        Returns
        -------
        self : object
            The fitted search.
        """
        fits = Fits(self, X, y, params)
        given = self.cv
        grid = getattr(self, "param_grid", None) or getattr(self, "param_distributions", {})
        has_logits = any(name.split("__")[-1] == "teacher_logits" for name in params)
        self.cv = labelled_split(self, grid, y, has_logits)
        self._collecting = parallel_config(backend=SearchBackend(fits))
        try:
            with said_once():
                return super().fit(X, y, **params)
        finally:
            self.cv = given
            self._stop_collecting()
            fits.close()

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        # The search's own Parallel has its backend by now; those inside of it shall have another.
        self._stop_collecting()
        super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)

    def _stop_collecting(self):
        collecting = self.__dict__.pop("_collecting", None)
        if collecting is not None:
            collecting.unregister()


class StackedGridSearchCV(StackedSearch, GridSearchCV):
    """Exhaustive search over parameter values, students trained together.

    Parameters
    ----------
    estimator : estimator
        A student; anything else is searched as :class:`sklearn.model_selection.GridSearchCV` does.
    param_grid : dict or list of dict
        Parameter names and the values to try, or several such grids.
    scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in :class:`sklearn.model_selection.GridSearchCV`. `n_jobs` counts stacks that are trained
        at a time: by threads up to 6 qubits on the exact simulator, else by processes, or by what
        ``joblib.parallel_config`` names.
    memory_limit : float, default=None
        Memory that folds may keep, of their images and of what reducers make of them, in bytes;
        ``None`` for half of what is free.
    checkpoint : str or path, default=None
        File that finished fits are written to, a stack at a time. A search that was stopped, by
        Ctrl-C or a kill, and is started again goes on from there; fits that failed are tried again.
        The data and the estimator have to be the same, functions among its parameters by their
        code, and the probabilities that a fitted teacher has for `X`; else, and if the file is of
        another release, a ValueError says so. Damaged lines are left out, with a warning; a file
        of which nothing is whole is a :class:`sklqkd.exceptions.DamagedFileError`. One search at a
        time may use the file, else there is a :class:`sklqkd.exceptions.FileInUseError`.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, \
refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in :class:`sklearn.model_selection.GridSearchCV`. The fit time of a student is its share
        of its stack's.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklqkd import DistilledQNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.search import StackedGridSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> teacher = RandomForestClassifier(random_state=0).fit(X[:1200], y[:1200])
    >>> student = DistilledQNNClassifier(teacher, reducer="pca", max_iter=3, random_state=0)
    >>> grid = {"temperature": [1, 3, 6], "lam": [0.5, 0.9]}
    >>> search = StackedGridSearchCV(student, grid, cv=3).fit(X[:300], y[:300])
    >>> len(search.cv_results_["params"])
    6
    """

    _parameter_constraints: ClassVar[dict] = {**GridSearchCV._parameter_constraints, **CONSTRAINTS}

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
        memory_limit=None,
        checkpoint=None,
    ):
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.memory_limit = memory_limit
        self.checkpoint = checkpoint


class StackedRandomizedSearchCV(StackedSearch, RandomizedSearchCV):
    """Search over sampled parameter values, students trained together.

    Parameters
    ----------
    estimator : estimator
        A student; anything else is searched as scikit-learn's class does.
    param_distributions : dict or list of dict
        Parameter names, and lists or distributions to draw their values from.
    n_iter, scoring, n_jobs, refit, cv, verbose, pre_dispatch, random_state, error_score, \
return_train_score
        As in :class:`sklearn.model_selection.RandomizedSearchCV`. `n_jobs` counts stacks that are
        trained at a time, see :class:`StackedGridSearchCV`.
    memory_limit : float, default=None
        Memory that folds may keep, of their images and of what reducers make of them, in bytes;
        ``None`` for half of what is free.
    checkpoint : str or path, default=None
        File that finished fits are written to, see :class:`StackedGridSearchCV`.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, \
refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in :class:`sklearn.model_selection.RandomizedSearchCV`.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.search import StackedRandomizedSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(reducer="pca", max_iter=3, random_state=0)
    >>> rates = {"learning_rate_init": loguniform(0.001, 0.1)}
    >>> search = StackedRandomizedSearchCV(student, rates, n_iter=8, cv=2, random_state=0)
    >>> bool(search.fit(X[:200], y[:200]).best_score_ > 0.1)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **RandomizedSearchCV._parameter_constraints,
        **CONSTRAINTS,
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=10,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
        memory_limit=None,
        checkpoint=None,
    ):
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.memory_limit = memory_limit
        self.checkpoint = checkpoint
