"""The displays: what is drawn where, and that nothing else is touched."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.datasets import load_digits
from sklqkd.evaluation import compare
from sklqkd.plotting import DistillationCurveDisplay, EvaluationDisplay

mpl.use("agg")
import matplotlib.pyplot as plt

SCORES = {"plain": [0.90, 0.92, 0.94], "distilled": [0.92, 0.93, 0.97]}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    X, y = load_digits(return_X_y=True)
    X = X.astype(float)
    return X[:300], y[:300], X[300:500], y[300:500]


def interval(values, level):
    return stats.ttest_1samp(values, 0).confidence_interval(level)


def test_points_means_and_intervals():
    display = EvaluationDisplay(SCORES, baseline="plain", confidence_level=0.9).plot()
    ax = display.ax_
    assert display.figure_ is ax.figure
    assert [label.get_text() for label in ax.get_yticklabels()] == ["plain", "distilled"]
    assert ax.yaxis_inverted()
    for row, values in enumerate(SCORES.values()):
        assert_array_equal(display.points_[row].get_xdata(), values)
        assert (np.abs(display.points_[row].get_ydata() - row) < 0.4).all()
        line, _, (bar,) = display.errorbars_[row]
        assert_allclose(line.get_xdata()[0], np.mean(values))
        low, high = interval(values, 0.9)
        assert_allclose(bar.get_segments()[0], [[low, row], [high, row]])
    assert_allclose(display.baseline_.get_xdata(), [0.92, 0.92])
    assert ax.get_xlabel() == "accuracy: seeds, mean, 90 % confidence interval"


@pytest.mark.parametrize("level", [0.5, 0.99])
def test_the_level_is_used(level):
    display = EvaluationDisplay(SCORES, confidence_level=level).plot()
    segment = display.errorbars_[0][2][0].get_segments()[0]
    assert_allclose(segment[:, 0], interval(SCORES["plain"], level))
    assert display.baseline_ is None


def test_one_seed_has_no_interval():
    display = EvaluationDisplay({"plain": [0.9], "other": 0.8}).plot()
    assert display.ax_.get_xlabel() == "accuracy"
    assert display.errorbars_[0][2] == ()
    display.figure_.canvas.draw()


def test_a_display_from_estimators_is_that_of_their_comparison(data):
    estimators = {"tree": DecisionTreeClassifier(max_features=5), "naive": GaussianNB()}
    options = {"seeds": 3, "train_per_class": 10}
    comparison = compare(estimators, *data, **options, baseline="naive")
    first = EvaluationDisplay.from_comparison(comparison, metric="log_loss")
    second = EvaluationDisplay.from_estimators(
        estimators, *data, metric="log_loss", baseline="naive", **options
    )
    expected = comparison.results.query("estimator == 'tree'").log_loss
    for display in (first, second):
        assert_array_equal(display.scores["tree"], expected)
        assert display.baseline == "naive"
        assert display.ax_.get_xlabel().startswith("log loss: ")
    assert EvaluationDisplay.from_estimators(estimators, *data, seeds=2).baseline is None


def test_a_display_from_predictions():
    y = [0, 1, 1, 0]
    predictions = {"a": [[0, 1, 1, 1], [0, 1, 1, 0]], "b": [1, 1, 1, 1]}
    display = EvaluationDisplay.from_predictions(y, predictions)
    assert_array_equal(display.scores["a"], [0.75, 1.0])
    assert_array_equal(display.scores["b"], [0.5])


CURVE = {
    "param_range": [9, 1, 3],
    "scores": [[0.91, 0.93], [0.90, 0.92], [0.93, 0.96]],
    "param_name": "student__temperature",
}


def test_a_curve_with_its_bands():
    baseline = [0.89, 0.91]
    display = DistillationCurveDisplay(**CURVE, baseline_scores=baseline).plot()
    curve, other = display.lines_
    assert_array_equal(curve.get_xdata(), [1, 3, 9])
    assert_allclose(curve.get_ydata(), [0.91, 0.945, 0.92])
    assert_allclose(other.get_ydata(), [0.9] * 3)
    bounds = np.array([interval(CURVE["scores"][i], 0.95) for i in (1, 2, 0)])
    vertices = display.fill_between_[0].get_paths()[0].vertices
    for x, (low, high) in zip([1, 3, 9], bounds, strict=True):
        drawn = vertices[vertices[:, 0] == x, 1]
        assert_allclose([drawn.min(), drawn.max()], [low, high])
    assert display.ax_.get_xlabel() == "student: temperature"
    assert display.ax_.get_ylabel() == "accuracy: mean, 95 % confidence interval"
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["student", "baseline"]


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1, 2, 3], "linear"), ([1, 10, 100], "log"), ([0, 1, 100], "symlog"), ([5, 900], "linear")],
)
def test_the_scale_follows_the_values(values, scale):
    scores = np.ones((len(values), 2))
    display = DistillationCurveDisplay(param_range=values, scores=scores, param_name="x").plot()
    assert display.ax_.get_xscale() == scale
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize("values", [["angle", "amplitude"], [100, None], [True, False]])
def test_values_that_are_not_numbers(values):
    display = DistillationCurveDisplay(
        param_range=values, scores=[[0.5, 0.6], [0.7, 0.8]], param_name="x"
    ).plot()
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == [str(value) for value in values]
    assert_allclose(display.lines_[0].get_ydata(), [0.55, 0.75])


def test_a_curve_of_a_parameter(data, tmp_path):
    model = LogisticRegression(max_iter=300)
    options = {"seeds": 2, "train_per_class": 5, "checkpoint": tmp_path}
    display = DistillationCurveDisplay.from_estimator(
        model, *data, param_name="C", param_range=[0.01, 1.0], baseline=GaussianNB(), **options
    )
    options.pop("checkpoint")
    for row, C in enumerate([0.01, 1.0]):
        expected = compare([LogisticRegression(C=C, max_iter=300)], *data, **options)
        assert_array_equal(display.scores[row], expected.results.accuracy)
    expected = compare([GaussianNB()], *data, **options).results.accuracy
    assert_array_equal(display.baseline_scores, [expected, expected])
    assert model.C == 1.0
    assert len(list(tmp_path.iterdir())) == 6


def test_a_curve_of_a_student(data):
    X, y, _, _ = data
    teacher = GaussianNB(var_smoothing=0.1).fit(X, y)
    student = DistilledQNNClassifier(teacher, n_qubits=2, max_iter=2)
    display = DistillationCurveDisplay.from_estimator(
        student,
        *data,
        param_name="lam",
        param_range=[0, 0.9],
        seeds=2,
        baseline=QNNClassifier(n_qubits=2, max_iter=2),
        name="distilled",
        baseline_name="plain",
    )
    assert_array_equal(display.scores[0], display.baseline_scores[0])
    assert (display.scores[1] != display.scores[0]).any()


def test_a_curve_of_the_number_of_images(data, tmp_path):
    display = DistillationCurveDisplay.from_estimator(
        GaussianNB(),
        *data,
        param_name="train_per_class",
        param_range=[4, 20],
        baseline=KNeighborsClassifier(3),
        seeds=2,
        checkpoint=tmp_path,
    )
    for row, n in enumerate([4, 20]):
        estimators = {"naive": GaussianNB(), "nearest": KNeighborsClassifier(3)}
        expected = compare(estimators, *data, seeds=2, train_per_class=n).scores()
        assert_array_equal(display.scores[row], expected["naive"])
        assert_array_equal(display.baseline_scores[row], expected["nearest"])
    assert display.ax_.get_xlabel() == "training images per class"
    assert len(list(tmp_path.glob("*/*.json"))) == 8


@pytest.mark.parametrize("container", [pd.DataFrame, dict])
def test_a_curve_of_a_table(container):
    table = {
        "shots": [100, 1000, 100, 1000, 100, 1000],
        "seed": [0, 0, 1, 1, 2, 2],
        "accuracy": [0.7, 0.8, 0.72, 0.83, 0.71, 0.84],
    }
    exact = container({"seed": [0, 1, 2], "accuracy": [0.9, 0.91, 0.92]})
    varying = container({**table, "shots": [1000, 100] * 3})
    from_results = DistillationCurveDisplay.from_results
    display = from_results(container(table), param_name="shots", baseline_results=exact)
    assert display.param_range == [100, 1000]
    assert_allclose(display.scores, [[0.7, 0.72, 0.71], [0.8, 0.83, 0.84]])
    assert_allclose(display.baseline_scores, [[0.9, 0.91, 0.92]] * 2)
    display = from_results(container(table), param_name="shots", baseline_results=varying)
    assert_allclose(display.baseline_scores, display.scores[::-1])
    other = container({**table, "shots": [1, 2] * 3})
    with pytest.raises(ValueError, match=r"baseline has the values \[1, 2\]"):
        from_results(container(table), param_name="shots", baseline_results=other)
    with pytest.raises(ValueError, match="no column 'temperature'"):
        from_results(container(table), param_name="temperature")


def test_keywords_reach_matplotlib():
    display = EvaluationDisplay(SCORES).plot(point_kw={"alpha": 0.1}, errorbar_kw={"color": "red"})
    assert display.points_[0].get_alpha() == 0.1
    assert display.errorbars_[0][0].get_color() == "red"
    display = DistillationCurveDisplay(**CURVE).plot(
        line_kw={"linewidth": 3}, fill_between_kw={"alpha": 0.7}
    )
    assert display.lines_[0].get_linewidth() == 3
    assert display.fill_between_[0].get_alpha() == 0.7


@pytest.mark.parametrize(
    "make", [lambda: EvaluationDisplay(SCORES), lambda: DistillationCurveDisplay(**CURVE)]
)
def test_given_axes_are_used_and_nothing_else_is_touched(make):
    figure, (first, second) = plt.subplots(1, 2)
    plt.sca(first)
    settings = dict(mpl.rcParams)
    display = make().plot(ax=second)
    assert display.ax_ is second
    assert display.figure_ is figure
    assert plt.gca() is first
    assert plt.get_fignums() == [figure.number]
    assert dict(mpl.rcParams) == settings
    make().plot()
    assert len(plt.get_fignums()) == 2
    assert dict(mpl.rcParams) == settings


def test_bad_input_is_refused(data):
    with pytest.raises(ValueError, match="scores is empty"):
        EvaluationDisplay({})
    with pytest.raises(ValueError, match="scores is empty"):
        EvaluationDisplay({"a": []})
    with pytest.raises(ValueError, match="baseline='z' is none"):
        EvaluationDisplay(SCORES, baseline="z")
    with pytest.raises(ValueError, match="confidence_level=95"):
        EvaluationDisplay(SCORES, confidence_level=95)
    with pytest.raises(ValueError, match=r"scores has shape \(3,\)"):
        DistillationCurveDisplay(param_range=[1, 2, 3], scores=[1, 2, 3], param_name="x")
    with pytest.raises(ValueError, match=r"baseline_scores has shape \(2, 2\)"):
        DistillationCurveDisplay(**CURVE, baseline_scores=np.ones((2, 2)))
    from_estimator = DistillationCurveDisplay.from_estimator
    with pytest.raises(ValueError, match="holds a value twice"):
        from_estimator(GaussianNB(), *data, param_name="var_smoothing", param_range=[1, 1])
    with pytest.raises(ValueError, match="Invalid parameter 'lam'"):
        from_estimator(GaussianNB(), *data, param_name="lam", param_range=[1, 2])
