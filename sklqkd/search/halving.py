"""Successive halving: losers leave the stack, the rest train on from where they are.

With ``resource="max_iter"`` the resource is the number of epochs. What an iteration leaves of a
student (its weights, the optimiser's moments, the generator of its mini-batches) goes into the next
one, so that no epoch of it is trained twice; and each student is, in every iteration, the one that
a lone ``fit`` with that `max_iter` gives.

A student whose first epochs depend on `max_iter` trains from the start in each iteration: with a
temperature or `lam` that is a schedule over all epochs, the lone ``fit`` of 9 epochs is not one of
3 epochs and 6 more. So do students on another backend than the exact simulator.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .._sklearn import BaseSuccessiveHalving, HalvingGridSearchCV, HalvingRandomSearchCV
from .searches import CONSTRAINTS, StackedSearch

__all__ = ["StackedHalvingGridSearchCV", "StackedHalvingRandomSearchCV"]


class _StackedHalving(StackedSearch, BaseSuccessiveHalving):
    """What the two searches share; to be named before scikit-learn's class."""

    max_resources: int | str

    def _check_input_parameters(self, X, y, split_params):
        if self.factor <= 1:
            raise ValueError(f"factor={self.factor!r} must be larger than 1.")
        given, knows = self.max_resources, hasattr(self.estimator, "max_iter")
        if given == "auto" and self.resource == "max_iter" and knows:
            self.max_resources = self.estimator.max_iter  # scikit-learn knows no such default
        try:
            super()._check_input_parameters(X, y, split_params)
        finally:
            self.max_resources = given


class StackedHalvingGridSearchCV(_StackedHalving, HalvingGridSearchCV):
    """Successive halving over a grid, students trained together.

    All candidates begin with few epochs (or images); the best third of them goes on to three times
    as many, until few are left. The results are those of scikit-learn's
    :class:`~sklearn.model_selection.HalvingGridSearchCV`, which need not be enabled for this class.

    Parameters
    ----------
    estimator : estimator
        A student; anything else is searched as scikit-learn's class does.
    param_grid : dict or list of dict
        Parameter names and the values to try, or several such grids.
    factor : int or float, default=3
        One candidate in `factor` goes on to the next iteration, with `factor` times the resource.
    resource : str, default="n_samples"
        What grows: "max_iter", the epochs, which survivors go on with from where they are; or
        "n_samples", the images, with which they start again, as with any other parameter of the
        estimator.
    max_resources : int or "auto", default="auto"
        The most of the resource for a candidate. "auto" is the number of images, or the estimator's
        own `max_iter` where that is the resource.
    min_resources : {"exhaust", "smallest"} or int, default="exhaust"
        The resource of the first iteration. "exhaust" has the last one use as much of
        `max_resources` as can be.
    aggressive_elimination, cv, scoring, refit, error_score, return_train_score, random_state, \
n_jobs, verbose
        As in :class:`~sklearn.model_selection.HalvingGridSearchCV`. `n_jobs` counts stacks that are
        trained at a time, see :class:`StackedGridSearchCV`.
    memory_limit : float, default=None
        Memory that folds may keep, of their images and of what reducers make of them, in bytes;
        ``None`` for half of what is free.
    checkpoint : str or path, default=None
        File that finished fits are written to, see :class:`StackedGridSearchCV`. Survivors of a
        search that was stopped and started again train from the start once.

    Attributes
    ----------
    n_resources_, n_candidates_, n_remaining_candidates_, max_resources_, min_resources_, \
n_iterations_, n_possible_iterations_, n_required_iterations_
        As in :class:`~sklearn.model_selection.HalvingGridSearchCV`.
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, \
refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As there. The fit time of a student is its share of its stack's, in this iteration alone.

    Raises
    ------
    ValueError
        If the resource is one of the searched parameters, or there is too little of it.

    Notes
    -----
    Without a `random_state` of its own a student is drawn anew in each search, and keeps its seed
    through the iterations. A temperature or `lam` that is a schedule over all epochs is stretched
    over the epochs of each iteration, for which such students train from the start; give a function
    of the epoch alone, or a number, to have them go on.

    References
    ----------
    Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter
    optimization", AISTATS 2016.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.search import StackedHalvingGridSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(reducer="pca", max_iter=9, random_state=0)
    >>> rates = {"learning_rate_init": [0.001, 0.003, 0.01, 0.03, 0.1]}
    >>> search = StackedHalvingGridSearchCV(student, rates, resource="max_iter", cv=2)
    >>> search.fit(X[:200], y[:200]).n_candidates_, search.n_resources_
    ([5, 2], [3, 9])
    """

    _parameter_constraints: ClassVar[dict] = {
        **HalvingGridSearchCV._parameter_constraints,
        **CONSTRAINTS,
    }

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        factor=3,
        resource="n_samples",
        max_resources="auto",
        min_resources="exhaust",
        aggressive_elimination=False,
        cv=5,
        scoring=None,
        refit=True,
        error_score=np.nan,
        return_train_score=True,
        random_state=None,
        n_jobs=None,
        verbose=0,
        memory_limit=None,
        checkpoint=None,
    ):
        super().__init__(
            estimator,
            param_grid,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.memory_limit = memory_limit
        self.checkpoint = checkpoint


class StackedHalvingRandomSearchCV(_StackedHalving, HalvingRandomSearchCV):
    """Successive halving over sampled parameter values, students trained together.

    Parameters
    ----------
    estimator : estimator
        A student; anything else is searched as scikit-learn's class does.
    param_distributions : dict or list of dict
        Parameter names, and lists or distributions to draw their values from.
    n_candidates : int or "exhaust", default="exhaust"
        Number of candidates of the first iteration.
    factor, resource, max_resources
        As in :class:`StackedHalvingGridSearchCV`.
    min_resources : {"exhaust", "smallest"} or int, default="smallest"
        The resource of the first iteration.
    aggressive_elimination, cv, scoring, refit, error_score, return_train_score, random_state, \
n_jobs, verbose
        As in :class:`~sklearn.model_selection.HalvingRandomSearchCV`.
    memory_limit : float, default=None
        Memory that folds may keep, of their images and of what reducers make of them, in bytes;
        ``None`` for half of what is free.
    checkpoint : str or path, default=None
        File that finished fits are written to, see :class:`StackedHalvingGridSearchCV`.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, n_resources_, n_candidates_
        These and all others are those of :class:`StackedHalvingGridSearchCV`.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.search import StackedHalvingRandomSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(reducer="pca", max_iter=9, random_state=0)
    >>> rates = {"learning_rate_init": loguniform(0.001, 0.1)}
    >>> options = {"resource": "max_iter", "cv": 2, "random_state": 0}
    >>> search = StackedHalvingRandomSearchCV(student, rates, **options)
    >>> search.fit(X[:200], y[:200]).n_candidates_, search.n_resources_
    ([9, 3, 1], [1, 3, 9])
    """

    _parameter_constraints: ClassVar[dict] = {
        **HalvingRandomSearchCV._parameter_constraints,
        **CONSTRAINTS,
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_candidates="exhaust",
        factor=3,
        resource="n_samples",
        max_resources="auto",
        min_resources="smallest",
        aggressive_elimination=False,
        cv=5,
        scoring=None,
        refit=True,
        error_score=np.nan,
        return_train_score=True,
        random_state=None,
        n_jobs=None,
        verbose=0,
        memory_limit=None,
        checkpoint=None,
    ):
        super().__init__(
            estimator,
            param_distributions,
            n_candidates=n_candidates,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.memory_limit = memory_limit
        self.checkpoint = checkpoint
