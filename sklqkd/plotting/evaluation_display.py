"""The display of a comparison, and what the displays have in common.

The colours are those of Okabe and Ito, which readers with any colour vision tell apart.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
from sklearn.metrics import accuracy_score

from .._sklearn import check_matplotlib_support
from ..evaluation import compare
from ..evaluation.comparison import as_scores, check_level, mean_interval

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "EvaluationDisplay",
    "axes_for",
    "check_text",
    "keywords",
    "readable",
    "score_label",
]

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#595959"


class EvaluationDisplay:
    """Scores of several classifiers: a point for each seed, the mean and its confidence interval.

    Create it with :meth:`from_estimators`, :meth:`from_comparison` or :meth:`from_predictions`.

    Parameters
    ----------
    scores : dict of str to array-like of shape (n_seeds,)
        Scores of each classifier.
    score_name : str, default="accuracy"
        What the scores are, for the axis.
    baseline : str, default=None
        Name of the classifier whose mean is marked by a dashed line.
    confidence_level : float, default=0.95
        Level of the t intervals of the means, in (0, 1).

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the plot.
    points_ : list of matplotlib Line2D
        The points of each classifier.
    errorbars_ : list of matplotlib ErrorbarContainer
        Mean and interval of each classifier.
    baseline_ : matplotlib Line2D or None
        The dashed line.

    Raises
    ------
    ValueError
        If there are no scores, `baseline` is not among them, or the level is outside (0, 1).

    See Also
    --------
    sklqkd.evaluation.compare : Fits and evaluates the classifiers.

    Examples
    --------
    >>> from sklqkd.plotting import EvaluationDisplay
    >>> scores = {"plain": [0.90, 0.92, 0.91], "distilled": [0.92, 0.93, 0.93]}
    >>> display = EvaluationDisplay(scores, baseline="plain").plot()
    >>> display.ax_.get_xlabel()
    'accuracy: seeds, mean, 95 % confidence interval'
    """

    def __init__(self, scores, *, score_name="accuracy", baseline=None, confidence_level=0.95):
        check_level(confidence_level)
        check_text(score_name, "score_name")
        check_mapping(scores, "scores")
        for name in scores:
            check_text(str(name), "A name in scores")
        self.scores = {name: np.atleast_1d(as_scores(v, name)) for name, v in scores.items()}
        if not self.scores or not all(v.ndim == 1 and len(v) for v in self.scores.values()):
            raise ValueError("scores is empty, or not a list for each classifier.")
        is_known = isinstance(baseline, Hashable) and baseline in self.scores
        if baseline is not None and not is_known:
            raise ValueError(f"baseline={baseline!r} is none of the names {list(self.scores)}.")
        self.score_name = score_name
        self.baseline = baseline
        self.confidence_level = confidence_level

    @classmethod
    def from_estimators(
        cls,
        estimators,
        X,
        y,
        X_test=None,
        y_test=None,
        *,
        metric="accuracy",
        baseline=None,
        confidence_level=0.95,
        ax=None,
        **compare_params,
    ):
        """Fit, evaluate and plot classifiers.

        Parameters
        ----------
        estimators : dict of str to classifier, or list of classifiers
            Classifiers by the names to show, or without names; none is changed.
        X : array-like of shape (n_samples, n_features)
            Training images.
        y : array-like of shape (n_samples,)
            Their labels.
        X_test : array-like of shape (n_test_samples, n_features), default=None
            Test images.
        y_test : array-like of shape (n_test_samples,), default=None
            Their labels.
        metric : str, default="accuracy"
            A column of :attr:`sklqkd.evaluation.Comparison.results`.
        baseline : str, default=None
            Whose mean is marked; ``None`` for no mark.
        confidence_level : float, default=0.95
            Of the intervals around the means, in (0, 1).
        ax : matplotlib Axes, default=None
            Axes to draw on; ``None`` for a new figure.
        **compare_params : dict
            Further parameters of :func:`sklqkd.evaluation.compare`: ``seeds``, ``cv``,
            ``train_per_class``, ``n_jobs``, ``checkpoint``, ...

        Returns
        -------
        display : EvaluationDisplay
            The display, with what was drawn in its attributes.

        Examples
        --------
        >>> from sklearn.dummy import DummyClassifier
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from sklqkd.datasets import load_digits
        >>> from sklqkd.plotting import EvaluationDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> display = EvaluationDisplay.from_estimators(
        ...     [DummyClassifier(), KNeighborsClassifier()], X[:900], y[:900], X[900:], y[900:],
        ...     seeds=3, train_per_class=20,
        ... )
        >>> list(display.scores)
        ['dummyclassifier', 'kneighborsclassifier']
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimators")
        comparison = compare(estimators, X, y, X_test, y_test, baseline=baseline, **compare_params)
        scores = comparison.scores(metric)
        display = cls(
            scores,
            score_name=readable(metric),
            baseline=baseline,
            confidence_level=confidence_level,
        )
        return display.plot(ax=ax)

    @classmethod
    def from_comparison(
        cls, comparison, *, metric="accuracy", baseline=None, confidence_level=0.95, ax=None
    ):
        """Plot a comparison.

        Parameters
        ----------
        comparison : Comparison
            What :func:`sklqkd.evaluation.compare` returned.
        metric : str, default="accuracy"
            A column of its results.
        baseline : str, default=None
            Whose mean is marked; ``None`` for the comparison's baseline.
        confidence_level : float, default=0.95
            Of the intervals around the means, in (0, 1).
        ax : matplotlib Axes, default=None
            Axes to draw on; ``None`` for a new figure.

        Returns
        -------
        display : EvaluationDisplay
            The display, with what was drawn in its attributes.
        """
        display = cls(
            comparison.scores(metric),
            score_name=readable(metric),
            baseline=comparison.baseline if baseline is None else baseline,
            confidence_level=confidence_level,
        )
        return display.plot(ax=ax)

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, baseline=None, confidence_level=0.95, ax=None):
        """Plot the accuracy of predicted labels.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels.
        y_pred : dict of str to array-like of shape (n_seeds, n_samples) or (n_samples,)
            What each classifier predicted, with each seed.
        baseline : str, default=None
            Whose mean is marked; ``None`` for no mark.
        confidence_level : float, default=0.95
            Of the intervals around the means, in (0, 1).
        ax : matplotlib Axes, default=None
            Axes to draw on; ``None`` for a new figure.

        Returns
        -------
        display : EvaluationDisplay
            The display, with what was drawn in its attributes.
        """
        check_mapping(y_pred, "y_pred")
        scores = {
            name: [accuracy_score(y_true, labels) for labels in np.atleast_2d(predicted)]
            for name, predicted in y_pred.items()
        }
        return cls(scores, baseline=baseline, confidence_level=confidence_level).plot(ax=ax)

    def plot(self, ax=None, *, point_kw=None, errorbar_kw=None):
        """Draw the scores, the first classifier on top.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; ``None`` for a new figure.
        point_kw : dict, default=None
            Keywords of ``ax.plot`` for the points.
        errorbar_kw : dict, default=None
            Keywords of ``ax.errorbar`` for means and intervals.

        Returns
        -------
        display : EvaluationDisplay
            The display, with what was drawn in its attributes.
        """
        point_kw = keywords(point_kw, "point_kw")
        errorbar_kw = keywords(errorbar_kw, "errorbar_kw")
        height = 1.2 + 0.55 * len(self.scores)
        ax = axes_for(ax, f"{type(self).__name__}.plot", (6.4, height))
        point_style = {"color": BLUE, "alpha": 0.5, "markersize": 5, **point_kw}
        errorbar_style = {"color": "black", "capsize": 4, **errorbar_kw}
        self.points_, self.errorbars_, self.baseline_ = [], [], None
        for row, values in enumerate(self.scores.values()):
            mean, low, high = mean_interval(values, self.confidence_level)
            # Equal scores on one line would hide one another.
            shifts = 0.13 * (np.arange(len(values)) % 5 - 2) * (len(values) > 1)
            points = ax.plot(values, row + shifts, "o")[0]
            points.set(**point_style)
            errors = None if np.isnan(low) else [[mean - low], [high - mean]]
            bars = ax.errorbar([mean], [row], xerr=errors, fmt="D", markersize=5, **errorbar_style)
            self.points_.append(points)
            self.errorbars_.append(bars)
        if self.baseline is not None:
            mean = mean_interval(self.scores[self.baseline])[0]
            self.baseline_ = ax.axvline(mean, color=GREY, linestyle="--", linewidth=1, zorder=0)
        ax.set_yticks(range(len(self.scores)), list(self.scores))
        ax.set_ylim(len(self.scores) - 0.5, -0.5)
        ax.set_xlabel(score_label(self.score_name, self.scores.values(), self.confidence_level))
        ax.grid(axis="x", alpha=0.3)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def axes_for(ax, caller, figsize):
    """Return the axes, or those of a new figure."""
    check_matplotlib_support(caller)
    import matplotlib.pyplot as plt

    if ax is not None:
        if not isinstance(ax, plt.Axes):
            raise TypeError(f"ax must be Axes of Matplotlib or None; it is {type(ax).__name__}.")
        return ax

    return plt.subplots(figsize=figsize, layout="constrained")[1]


def check_text(text, name) -> None:
    """Raise a TypeError for what is no string, a ValueError for one that cannot be drawn."""
    if not isinstance(text, str):
        raise TypeError(f"{name}={text!r} is not a string.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}={text!r} has a character that no font has.") from error


def check_mapping(value, name) -> None:
    """Raise a TypeError for what is no dict."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict; it is {type(value).__name__}.")


def keywords(given, name) -> dict:
    """Return keywords of Matplotlib, checked."""
    if given is None:
        return {}
    check_mapping(given, name)
    return dict(given)


def readable(name):
    """Return what stands for a parameter or metric on an axis."""
    known = {"train_per_class": "training images per class"}
    return known.get(name, name.replace("__", ": ").replace("_", " "))


def score_label(score_name, scores, confidence_level, seeds=True):
    """Say what is drawn: there is neither a mean nor an interval of one seed."""
    if all(len(values) < 2 for values in scores):
        return score_name
    drawn = "seeds, mean" if seeds else "mean"
    return f"{score_name}: {drawn}, {100 * confidence_level:g} % confidence interval"
