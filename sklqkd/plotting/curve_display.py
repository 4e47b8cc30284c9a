"""The display of a score against a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from pathlib import Path

import numpy as np
from sklearn.base import clone

from .._sklearn import _interval_max_min_ratio, check_matplotlib_support
from ..checks import LARGEST, check_path
from ..evaluation import Comparison, compare
from ..evaluation.comparison import as_scores, check_level, check_table, mean_interval
from ..evaluation.experiment import check_estimators
from .evaluation_display import (
    BLUE,
    ORANGE,
    axes_for,
    check_text,
    keywords,
    readable,
    score_label,
)

__all__ = ["DistillationCurveDisplay"]


class DistillationCurveDisplay:
    """Score of a classifier against one of its parameters, or against the number of images.

    A line through the means over the seeds, with a band of their confidence intervals, and the same
    for a baseline. Create it with :meth:`from_estimator` or :meth:`from_results`.

    Parameters
    ----------
    param_range : array-like of shape (n_values,)
        Values of the parameter: numbers, or anything with a name.
    scores : array-like of shape (n_values, n_seeds)
        The scores.
    param_name : str
        What the values are, for the axis.
    score_name : str, default="accuracy"
        What the scores are, for the axis.
    name : str, default="student"
        Name of the classifier.
    baseline_scores : array-like of shape (n_seeds,) or (n_values, n_seeds), default=None
        Scores of the baseline.
    baseline_name : str, default="baseline"
        Name of the baseline.
    confidence_level : float, default=0.95
        Level of the t intervals of the means, in (0, 1).

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the plot.
    lines_ : list of matplotlib Line2D
        Means of the classifier and, if there is one, of the baseline.
    fill_between_ : list of matplotlib PolyCollection
        Their bands.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the level is outside (0, 1).

    See Also
    --------
    sklearn.model_selection.ValidationCurveDisplay : The same over the folds of a cross-validation.

    Examples
    --------
    >>> from sklqkd.plotting import DistillationCurveDisplay
    >>> display = DistillationCurveDisplay(
    ...     param_range=[1, 3, 9], scores=[[0.90, 0.92], [0.93, 0.94], [0.91, 0.93]],
    ...     param_name="temperature", baseline_scores=[0.89, 0.91], baseline_name="no teacher",
    ... ).plot()
    >>> [line.get_label() for line in display.lines_]
    ['student', 'no teacher']
    """

    def __init__(
        self,
        *,
        param_range,
        scores,
        param_name,
        score_name="accuracy",
        name="student",
        baseline_scores=None,
        baseline_name="baseline",
        confidence_level=0.95,
    ):
        check_level(confidence_level)
        texts = {"param_name": param_name, "score_name": score_name, "name": name}
        for parameter, text in {**texts, "baseline_name": baseline_name}.items():
            check_text(text, parameter)
        self.param_range = _as_range(param_range)
        self.scores = as_scores(scores)
        if self.scores.ndim != 2 or len(self.scores) != len(self.param_range):
            raise ValueError(
                f"scores has shape {self.scores.shape}, but there are {len(self.param_range)} "
                "values: one row per value and one column per seed are expected."
            )
        self.baseline_scores = None
        if baseline_scores is not None:
            baseline_scores = np.atleast_2d(as_scores(baseline_scores, "baseline_scores"))
            if baseline_scores.ndim > 2 or len(baseline_scores) not in (1, len(self.param_range)):
                raise ValueError(
                    f"baseline_scores has shape {baseline_scores.shape} where (n_seeds,) or "
                    f"({len(self.param_range)}, n_seeds) is expected."
                )
            shape = len(self.param_range), baseline_scores.shape[1]
            self.baseline_scores = np.broadcast_to(baseline_scores, shape)
        self.param_name = param_name
        self.score_name = score_name
        self.name = name
        self.baseline_name = baseline_name
        self.confidence_level = confidence_level

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        X_test=None,
        y_test=None,
        *,
        param_name,
        param_range,
        baseline=None,
        metric="accuracy",
        name="student",
        baseline_name="baseline",
        confidence_level=0.95,
        checkpoint=None,
        ax=None,
        **compare_params,
    ):
        """Fit and evaluate a classifier for each value of a parameter, and plot.

        Parameters
        ----------
        estimator : classifier
            It is not changed.
        X : array-like of shape (n_samples, n_features)
            Training images.
        y : array-like of shape (n_samples,)
            Their labels.
        X_test : array-like of shape (n_test_samples, n_features), default=None
            Test images.
        y_test : array-like of shape (n_test_samples,), default=None
            Their labels.
        param_name : str
            Parameter of the estimator, or "train_per_class" for the number of training images of
            each class, which each seed draws anew.
        param_range : array-like of shape (n_values,)
            Its values.
        baseline : classifier, default=None
            A classifier to show beside it, with the same seeds and images.
        metric : str, default="accuracy"
            A column of :attr:`sklqkd.evaluation.Comparison.results`.
        name : str, default="student"
            Name of the classifier in the legend.
        baseline_name : str, default="baseline"
            Name of the baseline in the legend.
        confidence_level : float, default=0.95
            Of the intervals around the means, in (0, 1).
        checkpoint : path-like, default=None
            Folder of finished runs, see :func:`sklqkd.evaluation.compare`.
        ax : matplotlib Axes, default=None
            Axes to draw on; ``None`` for a new figure.
        **compare_params : dict
            Further parameters of :func:`sklqkd.evaluation.compare`: ``seeds``, ``cv``, ``n_jobs``,
            ...

        Returns
        -------
        display : DistillationCurveDisplay
            The display, with what was drawn in its attributes.

        Raises
        ------
        ValueError
            If a value is there twice or the estimator has no such parameter.

        Notes
        -----
        The best value of such a curve was selected on the test images. Select on the training
        images, with a search, for a score to report.

        Examples
        --------
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from sklqkd.datasets import load_digits
        >>> from sklqkd.plotting import DistillationCurveDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> display = DistillationCurveDisplay.from_estimator(
        ...     KNeighborsClassifier(), X[:900], y[:900], X[900:], y[900:],
        ...     param_name="train_per_class", param_range=[5, 20, 80], seeds=3,
        ... )
        >>> display.scores.shape
        (3, 3)
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        for given in (param_name, name, baseline_name):
            check_text(given, "A name")
        param_range = _as_range(param_range)
        labels = [str(value) for value in param_range]
        if not labels or len(set(labels)) < len(labels):
            raise ValueError(f"param_range={param_range!r} is empty or holds a value twice.")
        data = X, y, X_test, y_test
        others = {} if baseline is None else {baseline_name: baseline}
        check_estimators({name: estimator, **others})
        if checkpoint is not None:
            check_path(checkpoint, "checkpoint")
        baseline_scores = None
        if param_name == "train_per_class":
            found = []
            for value, label in zip(param_range, labels, strict=True):
                found.append(
                    compare(
                        {name: estimator, **others},
                        *data,
                        train_per_class=value,
                        checkpoint=None if checkpoint is None else Path(checkpoint) / label,
                        **compare_params,
                    ).scores(metric)
                )
            scores = [each[name] for each in found]
            if baseline is not None:
                baseline_scores = [each[baseline_name] for each in found]
        else:
            # Names in a table of runs; none of them can be the baseline's.
            keys = [f"{param_name}={label}" for label in labels]
            variants = {
                key: clone(estimator).set_params(**{param_name: value})
                for key, value in zip(keys, param_range, strict=True)
            }
            comparison = compare(
                {**variants, **others}, *data, checkpoint=checkpoint, **compare_params
            )
            table = comparison.scores(metric)
            scores = [table[key] for key in keys]
            if baseline is not None:
                baseline_scores = table[baseline_name]
        display = cls(
            param_range=param_range,
            scores=scores,
            param_name=param_name,
            score_name=readable(metric),
            name=name,
            baseline_scores=baseline_scores,
            baseline_name=baseline_name,
            confidence_level=confidence_level,
        )
        return display.plot(ax=ax)

    @classmethod
    def from_results(
        cls,
        results,
        *,
        param_name,
        metric="accuracy",
        name="student",
        baseline_results=None,
        baseline_name="baseline",
        confidence_level=0.95,
        ax=None,
    ):
        """Plot a table of runs.

        Parameters
        ----------
        results : DataFrame or dict of array-like of shape (n_runs,)
            One row for each value and seed, with the columns `param_name`, "seed" and `metric`;
            rows that differ in "fold" are averaged.
        param_name : str
            Name of the column with the parameter's values.
        metric : str, default="accuracy"
            Name of the column with the scores.
        name : str, default="student"
            Name of the classifier in the legend.
        baseline_results : DataFrame or dict of array-like of shape (n_runs,), default=None
            The same for a baseline, without the column `param_name` if it does not depend on it.
        baseline_name : str, default="baseline"
            Name of the baseline in the legend.
        confidence_level : float, default=0.95
            Of the intervals around the means, in (0, 1).
        ax : matplotlib Axes, default=None
            Axes to draw on; ``None`` for a new figure.

        Returns
        -------
        display : DistillationCurveDisplay
            The display, with what was drawn in its attributes.

        Raises
        ------
        ValueError
            If a column is missing, or the baseline has other values.
        """
        check_table(results)
        check_text(param_name, "param_name")
        param_range, scores = _pivot(results, param_name, metric)
        baseline_scores = None
        if baseline_results is not None:
            check_table(baseline_results)
            if param_name in baseline_results:
                values, baseline_scores = _pivot(baseline_results, param_name, metric)
                texts = [str(value) for value in values]
                if set(texts) != {str(value) for value in param_range}:
                    raise ValueError(
                        f"The baseline has the values {values} of {param_name}, the results have "
                        f"{param_range}. Give both for the same values."
                    )
                baseline_scores = [baseline_scores[texts.index(str(v))] for v in param_range]
            else:
                table = {key: baseline_results[key] for key in baseline_results}
                constant = {param_name: np.zeros(np.size(table.get("seed", ())))}
                _, baseline_scores = _pivot(table | constant, param_name, metric)
        display = cls(
            param_range=param_range,
            scores=scores,
            param_name=param_name,
            score_name=readable(metric),
            name=name,
            baseline_scores=baseline_scores,
            baseline_name=baseline_name,
            confidence_level=confidence_level,
        )
        return display.plot(ax=ax)

    def plot(self, ax=None, *, line_kw=None, fill_between_kw=None):
        """Draw the curve. Values that are not all numbers stand at equal distances.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; ``None`` for a new figure.
        line_kw : dict, default=None
            Keywords of ``ax.plot``.
        fill_between_kw : dict, default=None
            Keywords of ``ax.fill_between``.

        Returns
        -------
        display : DistillationCurveDisplay
            The display, with what was drawn in its attributes.
        """
        line_kw = keywords(line_kw, "line_kw")
        fill_between_kw = keywords(fill_between_kw, "fill_between_kw")
        ax = axes_for(ax, f"{type(self).__name__}.plot", (6.4, 4.0))
        numeric = all(
            isinstance(value, Real)
            and not isinstance(value, (bool, np.bool_))
            and abs(float(value)) <= LARGEST
            for value in self.param_range
        )
        x = np.asarray(self.param_range, float) if numeric else np.arange(len(self.param_range))
        order = np.argsort(x, kind="stable")
        curves = [(self.name, self.scores, BLUE, "o-")]
        if self.baseline_scores is not None:
            curves.append((self.baseline_name, self.baseline_scores, ORANGE, "s--"))
        self.lines_, self.fill_between_ = [], []
        for label, scores, color, style in curves:
            bounds = [mean_interval(row, self.confidence_level) for row in scores[order]]
            mean, low, high = np.array(bounds).T
            line = ax.plot(x[order], mean, style, color=color, label=label, markersize=5)[0]
            line.set(**line_kw)
            fill = {"color": color, "alpha": 0.2, "linewidth": 0, **fill_between_kw}
            self.lines_.append(line)
            self.fill_between_.append(ax.fill_between(x[order], low, high, **fill))
        if not numeric:
            ax.set_xticks(x, [str(value) for value in self.param_range])
        elif len(x) > 2 and len(set(x)) == len(x) and _interval_max_min_ratio(x) > 5:
            ax.set_xscale("symlog" if x.min() <= 0 else "log")
        ax.set_xlabel(readable(self.param_name))
        label = score_label(self.score_name, self.scores, self.confidence_level, seeds=False)
        ax.set_ylabel(label)
        if len(curves) > 1:
            ax.legend()
        ax.grid(alpha=0.3)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _as_range(param_range):
    """Return values of a parameter as a list."""
    if not np.iterable(param_range):
        raise TypeError(f"param_range={param_range!r} is no list of values.")
    for value in (values := list(param_range)):
        check_text(str(value), "A value in param_range")
    return values


def _pivot(results, param_name, metric):
    """Return the parameter's values in order of appearance, and scores (n_values, n_seeds)."""
    for column in (param_name, "seed", metric):
        check_text(column, "The name of a column")
        if column not in results:
            raise ValueError(f"The results have no column {column!r}.")
    values = _as_range(results[param_name])
    columns: Mapping = {
        "estimator": [str(value) for value in values],
        "seed": results["seed"],
        metric: results[metric],
    }
    if "fold" in results:
        columns = {**columns, "fold": results["fold"]}
    scores = Comparison(columns).scores(metric)
    return list(dict(zip(columns["estimator"], values, strict=True)).values()), list(
        scores.values()
    )
