"""One run of a comparison: an estimator is fitted with one seed, and measured on test images."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, column_or_1d

from .._sklearn import _check_method_params, _safe_indexing
from ..checks import class_labels, refuses_overflow
from ..cluster import here
from ..targets import is_fitted
from .comparison import METRICS

__all__ = ["Run", "evaluate", "expected_calibration_error"]


@dataclass(frozen=True)
class Run:
    """One estimator with one seed on one fold; ``train`` None stands for all of `X`."""

    name: str
    seed: int
    fold: int
    train: np.ndarray | None
    test: np.ndarray | None

    @property
    def key(self):
        """Name, seed and fold."""
        return self.name, self.seed, self.fold

    @property
    def where(self):
        """The same, in words."""
        fold = "" if self.test is None else f", fold {self.fold}"
        return f"{self.name}, seed {self.seed}{fold}"


def _seeded(estimator, seed):
    """Return a clone with the seed as every random state, but those of a fitted teacher."""
    copy = clone(estimator)
    params = copy.get_params(deep=True)
    fixed = tuple(
        f"{name}__"
        for name, value in params.items()
        if name.split("__")[-1] == "teacher" and value is not None and is_fitted(value)
    )
    states = [
        name
        for name in params
        if re.search("(^|__)random_state$", name) and not name.startswith(fixed)
    ]
    return copy.set_params(**dict.fromkeys(states, seed)) if states else copy


def evaluate(run, estimator, data, fit_params, teacher_labels, own_teacher, store, error_score):
    """Fit and measure.

    Parameters
    ----------
    run : Run
    estimator : classifier
        It is cloned.
    data : tuple
        Training images and labels, test images and labels.
    fit_params : dict
        What `fit` gets beside images and labels.
    teacher_labels : ndarray of shape (n_test_samples,) or None
        What the teacher predicts for the test images.
    own_teacher : bool
        Whether that is the estimator's own teacher, in whose place a search may put another one.
    store : Store or None
        Where the row is kept.
    error_score : "raise" or np.nan

    Returns
    -------
    row : dict
        See :class:`sklqkd.evaluation.Comparison`.
    failure : str or None
        The traceback, if the run failed.
    """
    estimator, fit_params, teacher_labels = map(here, (estimator, fit_params, teacher_labels))
    X, y, X_test, y_test = here(data)
    row: dict = {"estimator": run.name, "seed": run.seed, "fold": run.fold}
    row.update(dict.fromkeys(METRICS, np.nan), best_params="")
    try:
        model = _seeded(estimator, run.seed)
        fit_params = _check_method_params(X, fit_params, run.train)
        start = perf_counter()
        model.fit(_take(X, run.train), _take(y, run.train), **fit_params)
        row["fit_seconds"] = perf_counter() - start
        X_test, y_test = _take(X_test, run.test), _take(y_test, run.test)
        labels = None if teacher_labels is None else _take(teacher_labels, run.test)
        selected = getattr(model, "best_params_", {})
        if own_teacher and "teacher" in selected:
            teacher = selected["teacher"]
            labels = None if teacher is None else np.asarray(teacher.predict(X_test))
        row.update(_scores(model, X_test, y_test, labels))
    except Exception:
        if error_score == "raise":
            raise
        row.update(dict.fromkeys(METRICS, np.nan))
        return row, f"{run.where}\n{traceback.format_exc()}"
    if store is not None:
        store.write(row)
    return row, None


def _take(data, indices):
    return data if indices is None else _safe_indexing(data, indices)


def _scores(model, X, y, teacher_labels):
    start = perf_counter()
    predicted = np.asarray(model.predict(X))
    scores = {
        "predict_seconds": perf_counter() - start,
        "accuracy": float(accuracy_score(y, predicted)),
        "n_parameters": _n_parameters(model),
    }
    if hasattr(model, "best_params_"):
        scores["best_params"] = str(model.best_params_)
    if teacher_labels is not None:
        scores["agreement"] = float(np.mean(predicted == teacher_labels))
    if hasattr(model, "predict_proba") and hasattr(model, "classes_"):
        probabilities, classes = model.predict_proba(X), np.asarray(model.classes_)
        scores["calibration_error"] = expected_calibration_error(y, probabilities, labels=classes)
        scores["log_loss"] = _log_loss(y, probabilities, classes)
    return scores


def _log_loss(y, probabilities, classes):
    """Return the log loss, where a class that the model does not know has probability 0."""
    probabilities = np.asarray(probabilities, dtype=float)
    total = probabilities.sum(axis=1, keepdims=True)
    # Models that compute in single precision miss 1 by more than scikit-learn lets pass.
    if np.allclose(total, 1, atol=1e-3):
        probabilities = probabilities / total
    unseen = np.setdiff1d(y, classes)
    known = np.concatenate([classes, unseen])
    padded = np.pad(probabilities, ((0, 0), (0, len(unseen))))
    order = np.argsort(known)
    return float(log_loss(y, padded[:, order], labels=known[order]))


def _n_parameters(model):
    """Return the number of trained parameters of a fitted model, as far as it tells."""
    model = getattr(model, "best_estimator_", model)
    if isinstance(model, Pipeline):
        return _n_parameters(model[-1])
    if isinstance(model, FrozenEstimator):
        return _n_parameters(model.estimator)
    counts = getattr(model, "n_parameters_", None)
    if counts is not None:
        return float(sum(counts.values()) if isinstance(counts, Mapping) else counts)
    if hasattr(model, "coefs_"):  # scikit-learn's multi-layer perceptrons
        return float(sum(weights.size for weights in [*model.coefs_, *model.intercepts_]))
    if hasattr(model, "coef_"):
        with_intercept = getattr(model, "fit_intercept", True)
        intercept = np.size(getattr(model, "intercept_", ())) if with_intercept else 0
        return float(model.coef_.size + intercept)
    return np.nan


def expected_calibration_error(y_true, y_prob, *, labels=None, n_bins=15):
    """Return how far the confidence of a classifier is from its accuracy.

    The samples are put into `n_bins` bins of equal width by their confidence, the largest class
    probability; bin m holds confidences in ((m - 1) / n_bins, m / n_bins]. The error is the mean of
    ``|accuracy - mean confidence|`` of the bins, weighted by their numbers of samples [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_prob : array-like of shape (n_samples, n_classes)
        Class probabilities.
    labels : array-like of shape (n_classes,), default=None
        The classes of the columns of `y_prob`; ``None`` for those of `y_true`, sorted.
    n_bins : int, default=15
        Number of bins.

    Returns
    -------
    error : float
        From 0 to 1; less is better.

    Raises
    ------
    ValueError
        If the shapes do not fit, `y_prob` has other numbers than probabilities, or `n_bins` is not
        positive.

    References
    ----------
    .. [1] Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017,
       equation 3.

    Examples
    --------
    >>> from sklqkd.evaluation import expected_calibration_error
    >>> round(expected_calibration_error([0, 1, 1], [[0.8, 0.2], [0.2, 0.8], [0.8, 0.2]]), 3)
    0.133
    """
    y_true = column_or_1d(y_true)
    with refuses_overflow("y_prob"):
        y_prob = check_array(y_prob, dtype=float, input_name="y_prob")
    labels = class_labels(y_true) if labels is None else column_or_1d(labels)
    if y_prob.shape != (len(y_true), len(labels)):
        raise ValueError(
            f"y_prob has shape {y_prob.shape} where {(len(y_true), len(labels))} is expected: one "
            "row per label, one column per class. Pass the columns' classes as labels=."
        )
    if y_prob.min() < 0 or y_prob.max() > 1:
        raise ValueError("y_prob has numbers outside [0, 1], which are not probabilities.")
    if not isinstance(n_bins, (int, np.integer)) or n_bins < 1:
        raise ValueError(f"n_bins={n_bins!r} is not a positive integer.")
    n_bins = int(n_bins)
    confidence = y_prob.max(axis=1)
    correct = labels[y_prob.argmax(axis=1)] == y_true
    bins = np.digitize(confidence, np.linspace(0, 1, n_bins + 1)[1:-1], right=True)
    # |B_m| (acc - conf) is the bin's sum of differences.
    gaps = np.bincount(bins, weights=correct - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(y_true))
