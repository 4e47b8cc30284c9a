"""What a comparison of classifiers found: the table of its runs, and statistics of that table."""

from __future__ import annotations

from collections.abc import Hashable
from numbers import Real

import numpy as np
from scipy import stats

from .publication import PublicationMixin
from .tables import as_columns, as_scores, as_table, check_table

__all__ = [
    "METRICS",
    "Comparison",
    "as_columns",
    "as_scores",
    "as_table",
    "check_level",
    "check_table",
    "holm",
    "mean_interval",
]

#: What is measured in each run.
METRICS = (
    "accuracy",
    "log_loss",
    "calibration_error",
    "agreement",
    "n_parameters",
    "fit_seconds",
    "predict_seconds",
)


class Comparison(PublicationMixin):
    """The runs of several classifiers on the same data with the same seeds.

    Returned by :func:`sklqkd.evaluation.compare`; a table that was saved is read back by
    ``Comparison(pandas.read_csv("results.csv"))``.

    Parameters
    ----------
    results : DataFrame or dict of array-like of shape (n_runs,)
        One row for each estimator, seed and fold. The columns "estimator" and "seed" are needed;
        "fold" counts as 0 where it is missing; the other numeric ones are metrics, at least one.
    baseline : str, default=None
        The estimator that the others are compared to; ``None`` for the first one.

    Attributes
    ----------
    results : DataFrame, or Bunch of ndarray of shape (n_runs,) where pandas is not installed
        The table, with the columns

        - estimator : name;
        - seed : what every ``random_state`` was set to;
        - fold : number of the test fold, 0 without `cv`;
        - accuracy : share of the test images classified correctly;
        - log_loss : mean negative log-likelihood of the test labels;
        - calibration_error : see :func:`sklqkd.evaluation.expected_calibration_error`;
        - agreement : share of the test images for which it predicts what its teacher predicts;
        - n_parameters : number of trained parameters;
        - fit_seconds, predict_seconds : wall-clock time, of a search with all of its fits;
        - best_params : what a search selected, else "".

        A value that does not exist (no probabilities, no teacher, a failed fit) is NaN.
    baseline : str
        Name of the baseline.

    Raises
    ------
    ValueError
        If a column or the baseline is missing, or a run is there twice.

    Examples
    --------
    >>> from sklqkd.evaluation import Comparison
    >>> comparison = Comparison({
    ...     "estimator": ["plain"] * 3 + ["distilled"] * 3,
    ...     "seed": [0, 1, 2] * 2,
    ...     "accuracy": [0.90, 0.92, 0.91, 0.92, 0.93, 0.93],
    ... })
    >>> comparison.summary()[["estimator", "n_runs", "accuracy_mean", "accuracy_sd"]].round(4)
       estimator  n_runs  accuracy_mean  accuracy_sd
    0      plain       3         0.9100       0.0100
    1  distilled       3         0.9267       0.0058
    >>> comparison.differences()[["estimator", "difference", "ci_low", "ci_high"]].round(4)
       estimator  difference  ci_low  ci_high
    0  distilled      0.0167  0.0023    0.031
    """

    def __init__(self, results, *, baseline=None):
        columns = as_columns(results)
        for name in ("estimator", "seed"):
            if name not in columns or columns[name].size == 0:
                raise ValueError(f"The results have no column {name!r}, or no rows.")
        columns.setdefault("fold", np.zeros(len(columns["seed"]), int))
        self.results = as_table(columns)
        self._names, name_of = _in_order(columns, "estimator")
        self._seeds, seed_of = _in_order(columns, "seed")
        self._folds, fold_of = _in_order(columns, "fold")
        self._place = name_of, seed_of, fold_of
        if len(set(zip(*self._place, strict=True))) < len(name_of):
            raise ValueError("The results hold the same estimator, seed and fold twice.")
        self._metrics = [
            name
            for name, values in columns.items()
            if name not in ("estimator", "seed", "fold") and values.dtype.kind in "biuf"
        ]
        if not self._metrics:
            raise ValueError("The results have no metric: no numeric column beside seed and fold.")
        self._check_name(baseline)
        self.baseline = self._names[0] if baseline is None else baseline

    def __repr__(self):
        return (
            f"Comparison({len(self._names)} estimators, {len(self._seeds)} seeds, "
            f"baseline={self.baseline!r})"
        )

    def scores(self, metric="accuracy"):
        """Return one score per seed of each estimator.

        Parameters
        ----------
        metric : str, default="accuracy"
            A numeric column of the results.

        Returns
        -------
        scores : dict of str to ndarray of shape (n_seeds,)
            In the order of the seeds. The score of a seed is its mean over the folds, and NaN if
            one of them is; with a single seed there is one score per fold instead.

        Raises
        ------
        ValueError
            If there is no such column.
        """
        if not isinstance(metric, str) or metric not in self._metrics:
            raise ValueError(f"metric={metric!r} is unknown. The results have {self._metrics}.")
        values = np.full((len(self._names), len(self._seeds), len(self._folds)), np.nan)
        values[self._place] = as_scores(self.results[metric], metric)
        values = values[:, 0] if len(self._seeds) == 1 else values.mean(axis=2)
        return dict(zip(self._names, values, strict=True))

    def summary(self):
        """Return mean and standard deviation of each metric over the seeds.

        Returns
        -------
        summary : DataFrame or Bunch of ndarray of shape (n_estimators,)
            The columns "estimator", "n_runs" (seeds with a score of the first metric; folds where
            there is a single seed) and, for each metric,
            "<metric>_mean" and "<metric>_sd" (with n - 1, NaN for a single seed).
        """
        columns: dict[str, list] = {"estimator": self._names}
        columns["n_runs"] = [
            int(np.isfinite(values).sum()) for values in self.scores(self._metrics[0]).values()
        ]
        for metric in self._metrics:
            scores = [values[~np.isnan(values)] for values in self.scores(metric).values()]
            columns[f"{metric}_mean"] = [v.mean() if len(v) else np.nan for v in scores]
            columns[f"{metric}_sd"] = [v.std(ddof=1) if len(v) > 1 else np.nan for v in scores]
        return as_table(columns)

    def differences(self, metric="accuracy", *, baseline=None, confidence_level=0.95, test="ttest"):
        """Compare each estimator to the baseline, seed by seed.

        Parameters
        ----------
        metric : str, default="accuracy"
            A numeric column of the results.
        baseline : str, default=None
            Name of an estimator; ``None`` for the comparison's own baseline.
        confidence_level : float, default=0.95
            In (0, 1).
        test : {"ttest", "wilcoxon"}, default="ttest"
            What gives the p-value: :func:`scipy.stats.ttest_rel` or :func:`scipy.stats.wilcoxon`.

        Returns
        -------
        differences : DataFrame or Bunch of ndarray of shape (n_estimators - 1,)
            The columns "estimator", "baseline", "n_pairs" (seeds for which both have a score),
            "difference" (mean of estimator minus baseline), "ci_low" and "ci_high" (the t interval
            of that mean, whatever the test), "p_value" (two-sided) and "p_value_holm" (corrected
            for the number of estimators by Holm's method, which bounds the chance of any false
            finding). Interval and p-values are NaN for fewer than two pairs, and where the
            difference is the same for each seed: then the seeds change nothing, and no test of
            their spread says anything.

        Raises
        ------
        ValueError
            For an unknown metric, baseline or test, or a level outside (0, 1).

        Notes
        -----
        The test answers whether the difference would persist under other seeds (and draws of the
        training images, with ``train_per_class``), for these test images. With a single seed and
        `cv` the pairs are folds, whose training sets overlap: the p-values are then too small [1]_.

        References
        ----------
        .. [1] Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52,
           2003.
        """
        scores = self.scores(metric)
        self._check_name(baseline)
        baseline = self.baseline if baseline is None else baseline
        check_level(confidence_level)
        if not isinstance(test, str) or test not in ("ttest", "wilcoxon"):
            raise ValueError(f'test={test!r} is unknown. Give "ttest" or "wilcoxon".')
        rows = []
        for name in self._names:
            if name == baseline:
                continue
            found = _paired(scores[name], scores[baseline], confidence_level, test)
            rows.append({"estimator": name, "baseline": baseline, **found})
        names = ("estimator", "baseline", "n_pairs", "difference", "ci_low", "ci_high", "p_value")
        columns: dict[str, list | np.ndarray] = {n: [row[n] for row in rows] for n in names}
        columns["p_value_holm"] = holm(columns["p_value"])
        return as_table(columns)

    def _check_name(self, name):
        if name is not None and not (isinstance(name, Hashable) and name in self._names):
            raise ValueError(f"baseline={name!r} is none of the estimators {self._names}.")


def _in_order(columns, name):
    """Return the different values in order of appearance, and the place of each in that list."""
    places: dict = {}
    try:
        index = [places.setdefault(value, len(places)) for value in columns[name].tolist()]
    except TypeError as error:
        raise TypeError(f"The column {name!r} has values that name nothing: {error}") from error
    return list(places), np.array(index)


def _paired(scores, baseline, confidence_level, test):
    both = ~(np.isnan(scores) | np.isnan(baseline))
    scores, baseline = scores[both], baseline[both]
    pairs = scores - baseline
    found = {
        "n_pairs": len(pairs),
        "difference": pairs.mean() if len(pairs) else np.nan,
        **dict.fromkeys(("ci_low", "ci_high", "p_value"), np.nan),
    }
    # Equal up to rounding: SciPy divides by a spread of 0 there.
    if len(pairs) < 2 or np.ptp(pairs) <= 1e-12 * max(np.abs(scores).max(), 1e-300):
        return found
    result = stats.ttest_rel(scores, baseline)
    found["ci_low"], found["ci_high"] = result.confidence_interval(confidence_level)
    # Rounding makes ties of differences unequal, and a difference of 0 nearly so.
    wilcoxon = test == "wilcoxon"
    found["p_value"] = (stats.wilcoxon(pairs.round(12)) if wilcoxon else result).pvalue
    return found


def holm(p_values) -> np.ndarray:
    """Correct p-values for their number by Holm's step-down method.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        NaN for tests that do not exist; these do not count.

    Returns
    -------
    corrected : ndarray of shape (n_tests,)

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p_values = np.array(p_values, dtype=float)
    there = np.flatnonzero(~np.isnan(p_values))
    order = there[np.argsort(p_values[there], kind="stable")]
    scaled = p_values[order] * np.arange(len(order), 0, -1)
    p_values[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return p_values


def mean_interval(values, confidence_level=0.95) -> tuple[float, float, float]:
    """Return the mean and its t interval.

    Parameters
    ----------
    values : array-like of shape (n_values,)
        NaNs are left out.
    confidence_level : float, default=0.95
        In (0, 1).

    Returns
    -------
    mean, low, high : float
        The bounds are the mean itself where all values are equal, and NaN for fewer than two.
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return (values[0] if len(values) else np.nan), np.nan, np.nan
    mean, error = values.mean(), stats.sem(values)
    if error == 0:
        return mean, mean, mean
    return mean, *stats.t.interval(confidence_level, len(values) - 1, loc=mean, scale=error)


def check_level(confidence_level) -> None:
    """Raise a ValueError for a confidence level outside (0, 1)."""
    if not isinstance(confidence_level, Real) or not 0 < float(confidence_level) < 1:
        raise ValueError(f"confidence_level={confidence_level!r} is not between 0 and 1.")
