"""Fits and evaluations of several classifiers on the same data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from numbers import Integral

import numpy as np
from sklearn.base import clone, is_regressor
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import check_cv
from sklearn.utils import check_consistent_length, check_scalar, column_or_1d
from sklearn.utils.parallel import Parallel, delayed

from .._sklearn import _name_estimators
from ..checks import check_path, class_labels
from ..cluster import place
from ..datasets import take_per_class
from ..fingerprints import Learnt, fingerprint
from ..targets import is_fitted
from .comparison import Comparison
from .progress import Progress
from .runs import Run, evaluate
from .store import Store

__all__ = ["check_estimators", "compare"]

#: A number of seeds beyond this is a seed that was meant to be in a list.
_MOST_SEEDS = 100_000


def compare(
    estimators,
    X,
    y,
    X_test=None,
    y_test=None,
    *,
    seeds=10,
    cv=None,
    train_per_class=None,
    baseline=None,
    teacher=None,
    fit_params=None,
    n_jobs=None,
    verbose=0,
    checkpoint=None,
    error_score="raise",
):
    """Fit and evaluate classifiers with several seeds each.

    For each seed, a clone of each estimator gets that seed as every ``random_state``, is fitted on
    the training data and evaluated on the test data, which no fit ever sees: a search among the
    estimators selects on the training data alone.

    Parameters
    ----------
    estimators : dict of str to classifier, or list of classifiers
        Any scikit-learn classifiers, pipelines and searches too; a list is named by the classes.
        They are not changed. Wrap a classifier that is fitted already in a
        :class:`~sklearn.frozen.FrozenEstimator` to evaluate it as it is.
    X : array-like of shape (n_samples, n_features)
        Training images.
    y : array-like of shape (n_samples,)
        Their labels.
    X_test : array-like of shape (n_test_samples, n_features), default=None
        Test images.
    y_test : array-like of shape (n_test_samples,), default=None
        Their labels.
    seeds : int or sequence of int, default=10
        The seeds; a number n stands for 0 to n - 1. Every parameter ``random_state`` of a clone,
        nested ones too, is set to the seed itself, but none of a fitted teacher. So a run is
        repeated by ``estimator.set_params(random_state=seed).fit(X, y)``, and a student has the
        same initial weights alone, in a pipeline and under a search.
    cv : int, splitter or iterable, default=None
        In place of test data: fit on the training part of each fold, evaluate on its test part.
        The folds are the same for each seed and estimator. A fitted teacher must not have seen `X`
        then.
    train_per_class : int, default=None
        Train on so many images of each class, which each seed draws anew (the same ones for all
        estimators): the spread over the seeds then covers the choice of the training images.
    baseline : str, default=None
        Name of the estimator that the others are compared to; ``None`` for the first one.
    teacher : classifier, default=None
        Fitted classifier that the predictions are compared to in the column "agreement". ``None``
        stands for each estimator's own parameter ``teacher``, where that is fitted.
    fit_params : dict of str to dict, default=None
        For each estimator's name, what its ``fit`` gets beside `X` and `y`. Arrays with a row per
        row of `X` are cut to the training images.
    n_jobs : int, default=None
        Number of runs at a time, by joblib; any ``joblib.parallel_config`` holds.
    verbose : int, default=0
        If positive, print a line per finished run, with how many there are and about how long the
        others take.
    checkpoint : path-like, default=None
        Folder that each finished run is written to at once, so that the same call goes on where an
        earlier one was cut off, with more seeds or estimators too. All workers must see it. One
        call at a time may use it, else there is a :class:`sklqkd.exceptions.FileInUseError`.
    error_score : "raise" or np.nan, default="raise"
        What a failing run does: raise its error, or warn and get NaN for each metric. A failed run
        is tried again by the next call with the same checkpoint.

    Returns
    -------
    comparison : Comparison
        ``comparison.results`` has a row for each estimator, seed and fold.

    Raises
    ------
    ValueError
        For bad input, before any fit; if the checkpoint is of another comparison or release.
    DamagedFileError
        A ValueError too: if a file of the checkpoint is damaged.
    NotFittedError
        If `teacher` is not fitted.

    Warns
    -----
    FitFailedWarning
        If runs failed and `error_score` is NaN.

    Notes
    -----
    A checkpoint is told apart by the data, the folds, the teacher's predictions, the estimators'
    classes and parameters, functions among them by their code and what they enclose, what fitted
    classifiers among them have for probabilities, and the release of this package; not by the
    versions of other libraries. What no pickle can hold is like nothing else, so that another
    process does not go on with it.

    Times are wall-clock: for comparable ones leave `n_jobs` at 1, and mind that the first fit of a
    process also loads libraries (for a student some 2 s).

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.evaluation import compare
    >>> X, y = load_digits(return_X_y=True)
    >>> comparison = compare(
    ...     {"chance": DummyClassifier(strategy="uniform"), "linear": LogisticRegression()},
    ...     X[:900], y[:900], X[900:], y[900:], seeds=5, train_per_class=10,
    ... )
    >>> comparison.results[["estimator", "seed", "accuracy"]].head(3).round(2)
      estimator  seed  accuracy
    0    chance     0      0.10
    1    linear     0      0.88
    2    chance     1      0.12
    >>> comparison.differences()[["estimator", "n_pairs", "difference", "p_value_holm"]].round(2)
      estimator  n_pairs  difference  p_value_holm
    0    linear        5        0.76           0.0
    """
    named = check_estimators(estimators)
    seeds = _check_seeds(seeds)
    y = column_or_1d(y)
    class_labels(y)
    check_consistent_length(X, y)
    X_test, y_test, folds = _check_test_data(X, y, X_test, y_test, cv)
    if baseline is not None and (not isinstance(baseline, str) or baseline not in named):
        raise ValueError(f"baseline={baseline!r} is none of the estimators {list(named)}.")
    fit_params = {} if fit_params is None else fit_params
    is_nested = isinstance(fit_params, Mapping) and all(
        isinstance(params, Mapping) for params in fit_params.values()
    )
    if not is_nested or not set(fit_params) <= set(named):
        raise ValueError(
            "fit_params is a dict that maps names of estimators to dicts of parameters of fit; the "
            f"estimators are {list(named)}."
        )
    is_nan = isinstance(error_score, float) and np.isnan(error_score)
    if not is_nan and not (isinstance(error_score, str) and error_score == "raise"):
        raise ValueError(f'error_score={error_score!r} is neither "raise" nor np.nan.')
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or n_jobs == 0):
        raise ValueError(f"n_jobs={n_jobs!r} is neither None nor a whole number other than 0.")
    check_scalar(verbose, "verbose", Integral)
    if checkpoint is not None:
        check_path(checkpoint, "checkpoint")
    runs = [
        Run(name, seed, fold, _draw(train, y, train_per_class, seed), test)
        for seed in seeds
        for fold, (train, test) in enumerate(folds)
        for name in named
    ]
    labels = _teachers_labels(named, teacher, X_test)

    store = None
    if checkpoint is not None:
        shared = {
            "X": X,
            "y": y,
            "X_test": X_test,
            "y_test": y_test,
            "cv": None if cv is None else folds,
            "train_per_class": train_per_class,
            "teacher": None if teacher is None else labels[next(iter(named))],
        }
        store = _open_store(checkpoint, shared, named, fit_params)
    with nullcontext() if store is None else store.locked():
        finished = {} if store is None else store.read()
        missing = [run for run in runs if run.key not in finished]

        data = place((X, y, X_test, y_test), n_jobs)
        placed = {}
        for name in {run.name for run in missing}:
            parts = named[name], fit_params.get(name, {}), labels[name]
            placed[name] = [place(part, n_jobs) for part in parts]
        calls = (
            delayed(evaluate)(
                run,
                placed[run.name][0],
                data,
                *placed[run.name][1:],
                teacher is None,
                store,
                error_score,
            )
            for run in missing
        )
        progress = Progress(len(runs), len(runs) - len(missing), checkpoint) if verbose else None
        outcomes = _outcomes(calls, n_jobs, missing, progress)
    failures = [failure for _, failure in outcomes if failure]
    if failures:
        warnings.warn(
            f"{len(failures)} of {len(runs)} runs failed, their metrics are NaN. The first one:\n"
            f"{failures[0]}",
            FitFailedWarning,
            stacklevel=2,
        )
    done = dict(zip([run.key for run in missing], [row for row, _ in outcomes], strict=True))
    rows = [finished.get(run.key) or done[run.key] for run in runs]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return Comparison(columns, baseline=baseline)


def _outcomes(calls, n_jobs, runs, progress):
    """Return what :func:`.runs.evaluate` returns of each run, in the order of `runs`."""
    if progress is None:
        return Parallel(n_jobs=n_jobs)(calls)
    try:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    except ValueError:  # joblib's backend has all results at the end
        parallel = Parallel(n_jobs=n_jobs)
    names = {run.key: run.where for run in runs}
    found = {}
    for row, failure in parallel(calls):
        key = row["estimator"], row["seed"], row["fold"]
        found[key] = row, failure
        progress.add(names[key], row, failure is not None)
    return [found[run.key] for run in runs]


def check_estimators(estimators) -> dict:
    """Return the classifiers by name, checked."""
    if isinstance(estimators, Mapping):
        named = dict(estimators)
    elif isinstance(estimators, (list, tuple)):
        named = dict(_name_estimators(estimators))
    else:
        raise ValueError("estimators is neither a dict nor a list. Give {name: classifier, ...}.")
    if not named:
        raise ValueError("estimators is empty. Give at least one classifier.")
    for name, estimator in named.items():
        if not isinstance(name, str):
            raise ValueError(f"The name {name!r} of an estimator is not a string.")
        methods = ("fit", "predict", "get_params", "set_params")
        lacking = [method for method in methods if not hasattr(estimator, method)]
        if isinstance(estimator, type) or lacking:
            what = "a class" if isinstance(estimator, type) else f"without {', '.join(lacking)}"
            raise ValueError(f"The estimator {name!r} is {what}; give scikit-learn classifiers.")
        if hasattr(estimator, "__sklearn_tags__") and is_regressor(estimator):
            raise ValueError(f"The estimator {name!r} is a regressor; give classifiers.")
    return named


def _check_seeds(seeds):
    if isinstance(seeds, (int, np.integer)) and not isinstance(seeds, bool):
        if seeds > _MOST_SEEDS:
            raise ValueError(
                f"seeds={seeds} stands for so many runs of each estimator. For a run with that "
                f"seed give seeds=[{seeds}]."
            )
        seeds = range(seeds)
    if isinstance(seeds, (bool, str)) or not np.iterable(seeds):
        raise ValueError(f"seeds={seeds!r} is neither a number nor a sequence of integers.")
    seeds = list(seeds)
    integers = all(isinstance(seed, (int, np.integer)) for seed in seeds)
    if not seeds or not integers or min(seeds) < 0 or max(seeds) >= 2**32:
        raise ValueError(
            f"seeds={seeds!r}: at least one is needed, each an integer from 0 on, below 2^32."
        )
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds={seeds!r} holds a seed twice, which would count as two runs.")
    return [int(seed) for seed in seeds]


def _check_test_data(X, y, X_test, y_test, cv):
    """Return the data to evaluate on and the folds: indices to train on and to test on."""
    if (X_test is None) != (y_test is None):
        raise ValueError("Give X_test and y_test, or neither.")
    if (X_test is None) == (cv is None):
        raise ValueError("Give test data (X_test, y_test) or cv: one of them, not both.")
    if cv is not None:
        try:
            folds = list(check_cv(cv, y, classifier=True).split(X, y))
        except (TypeError, ValueError) as error:
            raise ValueError(f"cv={cv!r} gives no folds: {error}") from error
        if not folds:
            raise ValueError(f"cv={cv!r} has no folds.")
        indices = [rows for fold in folds for rows in map(np.asarray, fold) if rows.size]
        if any(rows.dtype.kind in "iu" and rows.max() >= len(y) for rows in indices):
            raise ValueError(f"cv={cv!r} names rows beyond the {len(y)} of X.")
        return X, y, folds
    y_test = column_or_1d(y_test)
    check_consistent_length(X_test, y_test)
    shapes = [_shape(images, name) for images, name in ((X, "X"), (X_test, "X_test"))]
    if shapes[0][1:] != shapes[1][1:]:
        raise ValueError(f"X has the shape {shapes[0]}, but X_test has {shapes[1]}.")
    if not set(class_labels(y_test).tolist()) & set(class_labels(y).tolist()):
        raise ValueError("No label of y_test is in y. Give both the same labels, of the same type.")
    return X_test, y_test, [(None, None)]


def _shape(images, name):
    try:
        return np.shape(images)
    except ValueError as error:
        raise ValueError(f"{name} has rows of unequal length: {error}") from error


def _draw(train, y, train_per_class, seed):
    if train_per_class is None:
        return train
    train = np.arange(len(y)) if train is None else train
    chosen, _ = take_per_class(train, y[train], train_per_class, shuffle=True, random_state=seed)
    return chosen


def _teachers_labels(named, teacher, X):
    """Return what each estimator's teacher predicts, or None where it has none."""
    if teacher is not None:
        if not is_fitted(teacher):
            raise NotFittedError(f"The teacher {type(teacher).__name__} is not fitted.")
        return dict.fromkeys(named, np.asarray(teacher.predict(X)))
    found: dict[int, np.ndarray | None] = {id(None): None}
    labels = {}
    for name, estimator in named.items():
        searched = getattr(estimator, "estimator", None)
        own = getattr(estimator, "teacher", getattr(searched, "teacher", None))
        if own is not None and id(own) not in found:
            found[id(own)] = np.asarray(own.predict(X)) if is_fitted(own) else None
        labels[name] = found[id(own)]
    return labels


def _open_store(folder, shared, named, fit_params):
    # Of a clone, what a fit does not learn again, such as its teachers, counts by its predictions.
    learnt = Learnt(shared["X_test"])
    estimators = {
        name: fingerprint([clone(estimator), fit_params.get(name)], learnt=learnt)
        for name, estimator in named.items()
    }
    return Store(folder, {part: fingerprint(value) for part, value in shared.items()}, estimators)
