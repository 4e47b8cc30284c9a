"""Comparisons: what is fitted on what, what is measured, what the statistics say, what survives."""

import copy
import json
import os
import re
import subprocess
import sys
from itertools import combinations

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import Bunch

from sklqkd import DistilledQNNClassifier, LeNetClassifier, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.evaluation import Comparison, compare, expected_calibration_error
from sklqkd.evaluation.comparison import holm, mean_interval
from sklqkd.exceptions import DamagedFileError
from sklqkd.fingerprints import fingerprint

TIMES = ["fit_seconds", "predict_seconds"]


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers what each of its fits saw."""

    seen: list = []  # noqa: RUF012

    def __init__(self, random_state=None, fails_at=None, C=1.0):
        self.random_state = random_state
        self.fails_at = fails_at
        self.C = C

    def fit(self, X, y, sample_weight=None):
        Recorder.seen.append((self.random_state, X, y, sample_weight))
        if self.random_state == self.fails_at:
            raise RuntimeError("as told")
        self.classes_, counts = np.unique(y, return_counts=True)
        self.most_ = self.classes_[counts.argmax()]
        return self

    def predict(self, X):
        return np.full(len(X), self.most_)


@pytest.fixture(autouse=True)
def _forget():
    Recorder.seen.clear()


@pytest.fixture(scope="module")
def data():
    """60 training and 60 test images of 3 digits."""
    X, y = take_per_class(*load_digits(return_X_y=True), 40, classes=[0, 1, 2])
    order = np.random.RandomState(0).permutation(len(y))
    X, y = X[order].astype(float), y[order]
    return X[:60], y[:60], X[60:], y[60:]


@pytest.fixture(scope="module")
def teacher(data):
    X, y, _, _ = data
    return LogisticRegression(C=0.01).fit(X[:30], y[:30])


def timeless(comparison):
    return comparison.results.drop(columns=TIMES)


# What is fitted, and on what


def test_rows_are_what_the_user_would_get_by_hand(data):
    X, y, X_test, y_test = data
    tree = DecisionTreeClassifier(max_features=3)
    results = compare({"tree": tree}, *data, seeds=[3, 11]).results
    for row, seed in zip(results.itertuples(), [3, 11], strict=True):
        by_hand = clone(tree).set_params(random_state=seed).fit(X, y)
        probabilities = by_hand.predict_proba(X_test)
        assert (row.estimator, row.seed, row.fold) == ("tree", seed, 0)
        assert row.accuracy == accuracy_score(y_test, by_hand.predict(X_test))
        assert_allclose(row.log_loss, log_loss(y_test, probabilities), rtol=1e-12)
        error = expected_calibration_error(y_test, probabilities)
        assert_allclose(row.calibration_error, error, rtol=1e-12)
        assert row.fit_seconds > 0
        assert row.predict_seconds > 0
    assert tree.random_state is None


def test_every_nested_random_state_is_the_seed(data):
    pipe = make_pipeline(PCA(4, random_state=99), Recorder())
    compare([pipe, GridSearchCV(pipe, {"recorder__C": [1]}, cv=2)], *data, seeds=[5, 6])
    assert sorted({seed for seed, *_ in Recorder.seen}) == [5, 6]
    assert pipe["pca"].random_state == 99


def test_a_fitted_teacher_is_left_alone(data):
    X, y, X_test, _ = data
    teacher = RandomForestClassifier(5, random_state=3).fit(X, y)
    before = joblib.hash(teacher)
    student = DistilledQNNClassifier(teacher, max_iter=2)
    search = GridSearchCV(student, {"lam": [0.0, 0.9]}, cv=2)
    results = compare({"student": student, "search": search}, *data, seeds=2).results
    assert joblib.hash(teacher) == before
    one = student.set_params(random_state=1).fit(X, y)
    agreement = np.mean(one.predict(X_test) == teacher.predict(X_test))
    assert results.query("estimator == 'student' and seed == 1").agreement.item() == agreement


def test_an_unfitted_teacher_gets_the_seed(data):
    class Teacher(Recorder):
        def predict_proba(self, X):
            return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    student = DistilledQNNClassifier(Teacher(), cv=2, max_iter=1)
    results = compare({"student": student}, *data, seeds=[4]).results
    assert [seed for seed, *_ in Recorder.seen] == [4, 4]
    assert np.isnan(results.agreement).all()


def test_test_data_reach_no_fit(data):
    X, y, X_test, y_test = data
    nearest = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 5, 25]}, cv=3)
    estimators = {
        "search": nearest,
        "recorder": Recorder(),
        "searched recorder": GridSearchCV(Recorder(), {"C": [1, 2]}, cv=3),
    }
    first = compare(estimators, X, y, X_test, y_test, seeds=2).results
    seen = joblib.hash(Recorder.seen)
    Recorder.seen.clear()
    permuted = np.random.RandomState(0).permutation(y_test)
    second = compare(estimators, X, y, X_test[::-1], permuted, seeds=2).results
    assert joblib.hash(Recorder.seen) == seen
    assert_array_equal(first.best_params, second.best_params)
    assert first.best_params[0] == str(nearest.fit(X, y).best_params_)
    assert (first.accuracy != second.accuracy).any()


def test_inputs_are_not_changed(data):
    before = joblib.hash(data)
    estimators = {"tree": DecisionTreeClassifier(), "linear": LogisticRegression()}
    description = repr(estimators)
    compare(estimators, *data, seeds=2)
    assert joblib.hash(data) == before
    assert repr(estimators) == description


def test_the_global_generator_is_left_as_found(data):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    compare([DecisionTreeClassifier(max_features=2)], *data, seeds=2, train_per_class=5)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_each_seed_draws_its_images_the_same_for_all(data):
    X, y, X_test, y_test = data
    compare({"a": Recorder(), "b": Recorder()}, X, y, X_test, y_test, seeds=3, train_per_class=4)
    drawn = {}
    for seed, X_seen, y_seen, _ in Recorder.seen:
        assert_array_equal(np.bincount(y_seen), [4, 4, 4])
        drawn.setdefault(seed, []).append(joblib.hash(X_seen))
        rows = [np.flatnonzero((x == X).all(axis=1)).item() for x in X_seen]
        assert_array_equal(y[rows], y_seen)
    assert [len(set(hashes)) for hashes in drawn.values()] == [1, 1, 1]
    assert len({hashes[0] for hashes in drawn.values()}) == 3


def test_folds(data):
    X, y, _, _ = data
    splitter = KFold(3, shuffle=True, random_state=0)
    model = KNeighborsClassifier(3)
    results = compare({"nearest": model}, X, y, cv=splitter, seeds=2).results
    expected = [
        clone(model).fit(X[train], y[train]).score(X[test], y[test])
        for train, test in splitter.split(X, y)
    ]
    assert_array_equal(results.accuracy, expected * 2)
    assert_array_equal(results.seed, [0, 0, 0, 1, 1, 1])
    assert_array_equal(results.fold, [0, 1, 2] * 2)


def test_the_teacher_is_asked_about_the_images_of_the_fold(data, teacher):
    X, y, _, _ = data
    results = compare([GaussianNB(var_smoothing=1.0)], X, y, cv=3, seeds=1, teacher=teacher).results
    for row, (train, test) in zip(
        results.itertuples(), StratifiedKFold(3).split(X, y), strict=True
    ):
        predicted = GaussianNB(var_smoothing=1.0).fit(X[train], y[train]).predict(X[test])
        assert row.agreement == np.mean(predicted == teacher.predict(X[test]))


def test_fit_params_are_cut_with_the_images(data):
    X, y, X_test, y_test = data
    weights = np.arange(60.0)
    compare(
        {"weighted": Recorder(), "plain": Recorder()},
        *(X, y, X_test, y_test),
        seeds=1,
        train_per_class=4,
        fit_params={"weighted": {"sample_weight": weights}},
    )
    (_, X_seen, _, weights_seen), (_, _, _, none) = Recorder.seen
    assert_array_equal(X[weights_seen.astype(int)], X_seen)
    assert none is None


def test_teacher_logits_go_to_a_pipeline(data, teacher):
    X, y, X_test, y_test = data
    pipe = make_pipeline(PCA(4), DistilledQNNClassifier(n_qubits=2, reducer=None, max_iter=2))
    params = {"distilledqnnclassifier__teacher_logits": teacher.predict_log_proba(X)}
    results = compare(
        {"pipe": pipe},
        *(X, y, X_test, y_test),
        seeds=1,
        train_per_class=5,
        fit_params={"pipe": params},
        teacher=teacher,
    ).results
    assert 0 <= results.agreement.item() <= 1
    student = pipe[-1].fit(X[:, :4], y)
    assert results.n_parameters.item() == sum(student.n_parameters_.values())


# What is measured


def test_agreement_follows_a_teacher_that_a_search_selects(data, teacher):
    X, y, X_test, y_test = data
    other = GaussianNB(var_smoothing=1.0).fit(X, y)
    student = DistilledQNNClassifier(teacher, n_qubits=2, max_iter=2, lam=1.0)
    search = GridSearchCV(student, {"teacher": [FrozenEstimator(other)]}, cv=2)
    fitted = clone(search).set_params(estimator__random_state=0).fit(X, y)
    predicted = fitted.predict(X_test)
    of_other = np.mean(predicted == other.predict(X_test))
    of_teacher = np.mean(predicted == teacher.predict(X_test))
    assert of_other != of_teacher
    results = compare({"s": search}, X, y, X_test, y_test, seeds=1).results
    assert results.agreement.item() == of_other
    results = compare({"s": search}, X, y, X_test, y_test, seeds=1, teacher=teacher).results
    assert results.agreement.item() == of_teacher


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (LogisticRegression(), 64 * 3 + 3),
        (LogisticRegression(fit_intercept=False), 64 * 3),
        (make_pipeline(PCA(5), LogisticRegression()), 5 * 3 + 3),
        (GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2), 64 * 3 + 3),
        (MLPClassifier((7,), tol=0.01), 64 * 7 + 7 + 7 * 3 + 3),
        (QNNClassifier(n_qubits=2, n_layers=1, max_iter=1), 6 + 64 * 4 + 4 + 4 * 3 + 3),
        (KNeighborsClassifier(), np.nan),
        (SVC(), np.nan),
    ],
    ids=lambda value: type(value).__name__,
)
def test_number_of_parameters(data, estimator, expected):
    assert_array_equal(compare([estimator], *data, seeds=1).results.n_parameters, [expected])


def test_a_net_counts_its_own_parameters(data):
    X, y, _, _ = data
    net = LeNetClassifier(max_epochs=1, random_state=0).fit(X.astype(np.float32), y)
    expected = sum(p.numel() for p in net.module_.parameters())
    results = compare({"net": FrozenEstimator(net)}, *data, seeds=1).results
    assert results.n_parameters.item() == expected
    assert 0 < results.log_loss.item() < 10


def test_metrics_that_do_not_exist_are_nan(data):
    row = compare([LinearSVC()], *data, seeds=1).results.iloc[0]
    assert row[["log_loss", "calibration_error", "agreement"]].isna().all()
    assert row.accuracy > 0.9


def test_strings_and_classes_that_training_lacks(data):
    X, y, X_test, y_test = data
    names = np.array(["zero", "one", "two"])
    kept = y != 1
    results = compare([GaussianNB()], X[kept], names[y[kept]], X_test, names[y_test], seeds=1)
    model = GaussianNB().fit(X[kept], y[kept])
    probabilities = np.insert(model.predict_proba(X_test), 1, 0, axis=1)
    row = results.results.iloc[0]
    assert_allclose(row.log_loss, log_loss(y_test, probabilities), rtol=1e-9)
    assert row.accuracy == np.mean(model.predict(X_test) == y_test)
    assert row.accuracy <= np.mean(y_test != 1)


@pytest.mark.parametrize("container", [pd.DataFrame, lambda X: X.tolist()])
def test_other_containers(data, container):
    X, y, X_test, y_test = data
    expected = timeless(compare([GaussianNB()], *data, seeds=2, train_per_class=5))
    found = compare(
        [GaussianNB()], container(X), list(y), container(X_test), list(y_test), seeds=2,
        train_per_class=5,
    )  # fmt: skip
    pd.testing.assert_frame_equal(timeless(found), expected)


def test_calibration_error_by_hand():
    # 4 bins: (0.25, 0.5]: 0.5 right, 0.4 wrong; (0.5, 0.75]: 0.6 right; (0.75, 1]: 0.9 wrong.
    prob = [[0.5, 0.3, 0.2], [0.3, 0.4, 0.3], [0.2, 0.2, 0.6], [0.05, 0.9, 0.05]]
    found = expected_calibration_error([0, 0, 2, 2], prob, labels=[0, 1, 2], n_bins=4)
    expected = 2 / 4 * abs(1 / 2 - 0.45) + 1 / 4 * abs(1 - 0.6) + 1 / 4 * abs(0 - 0.9)
    assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("n_bins", [1, 10, 15])
def test_calibration_error_against_scipy(n_bins):
    rng = np.random.RandomState(0)
    prob = rng.dirichlet([0.5] * 4, 500)
    y = np.array(list("abcd"))[rng.randint(4, size=500)]
    confidence = prob.max(axis=1)
    right = np.array(list("abcd"))[prob.argmax(axis=1)] == y
    edges = np.linspace(0, 1, n_bins + 1)
    accuracy, _, of_bin = stats.binned_statistic(confidence, right, "mean", bins=edges)
    mean = stats.binned_statistic(confidence, confidence, "mean", bins=edges)[0]
    weights = np.bincount(of_bin - 1, minlength=n_bins) / 500
    expected = np.nansum(weights * np.abs(accuracy - mean))
    assert_allclose(expected_calibration_error(y, prob, n_bins=n_bins), expected, rtol=1e-10)


def test_calibration_error_refuses_bad_input():
    with pytest.raises(ValueError, match=r"shape \(2, 2\) where \(3, 2\)"):
        expected_calibration_error([0, 1, 1], [[0.5, 0.5]] * 2)
    with pytest.raises(ValueError, match="Pass the columns' classes as labels="):
        expected_calibration_error([0, 1], [[0.2, 0.5, 0.3]] * 2)
    with pytest.raises(ValueError, match="n_bins=0"):
        expected_calibration_error([0, 1], [[0.5, 0.5]] * 2, n_bins=0)


# Statistics


@pytest.fixture
def comparison():
    rng = np.random.RandomState(0)
    scores = {
        name: (0.9 + shift + 0.02 * rng.randn(8)).round(3)
        for name, shift in {"a": 0, "b": 0.03, "c": 0.005}.items()
    }
    columns = {
        "estimator": np.repeat(list("abc"), 8),
        "seed": np.tile(np.arange(8), 3),
        "accuracy": np.concatenate(list(scores.values())),
    }
    return Comparison(columns), scores


def test_summary_is_what_pandas_says(comparison, data):
    found = compare([DecisionTreeClassifier(max_features=2), GaussianNB()], *data, seeds=4)
    groups = found.results.groupby("estimator", sort=False)
    summary = found.summary().set_index("estimator")
    for metric in ("accuracy", "log_loss", "calibration_error", "fit_seconds", "agreement"):
        assert_allclose(summary[f"{metric}_mean"], groups[metric].mean(), rtol=1e-12)
        assert_allclose(summary[f"{metric}_sd"], groups[metric].std(), rtol=1e-9, atol=1e-15)
    assert_array_equal(summary.n_runs, [4, 4])


@pytest.mark.parametrize("baseline", ["a", "b"])
@pytest.mark.parametrize("test", ["ttest", "wilcoxon"])
def test_differences_are_what_scipy_says(comparison, baseline, test):
    comparison, scores = comparison
    found = comparison.differences(baseline=baseline, confidence_level=0.9, test=test)
    assert_array_equal(found.estimator, [name for name in "abc" if name != baseline])
    for row in found.itertuples():
        both = scores[row.estimator], scores[baseline]
        result = stats.ttest_rel(*both)
        assert_allclose(row.difference, np.mean(both[0] - both[1]), rtol=1e-9)
        interval = result.confidence_interval(0.9)
        assert_allclose([row.ci_low, row.ci_high], interval, rtol=1e-9)
        if test == "wilcoxon":
            result = stats.wilcoxon((both[0] - both[1]).round(6))
        assert_allclose(row.p_value, result.pvalue, rtol=1e-9)
        assert row.n_pairs == 8
    assert_array_equal(found.p_value_holm, holm(found.p_value))


def test_other_metrics_and_the_order_of_rows(comparison):
    comparison, _ = comparison
    table = comparison.results.assign(log_loss=1 - comparison.results.accuracy)
    shuffled = Comparison(table.sample(frac=1, random_state=0), baseline="a")
    found = shuffled.differences("log_loss").set_index("estimator").loc[["b", "c"]]
    expected = comparison.differences().set_index("estimator")
    assert_allclose(found.difference, -expected.difference, rtol=1e-9)
    assert_allclose(found.p_value, expected.p_value, rtol=1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("test", ["ttest", "wilcoxon"])
def test_nothing_is_claimed_where_seeds_change_nothing(test):
    columns = {
        "estimator": np.repeat(["a", "same", "better", "half"], 3),
        "seed": np.tile([0, 1, 2], 4),
        "accuracy": [0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9, np.nan, np.nan],
    }
    found = Comparison(columns).differences(test=test)
    assert_allclose(found.difference, [0, 0.3, 0.8])
    assert_array_equal(found.n_pairs, [3, 3, 1])
    assert found[["ci_low", "ci_high", "p_value", "p_value_holm"]].isna().all(axis=None)


def test_holm_is_the_closed_bonferroni_test():
    rng = np.random.RandomState(0)
    for _ in range(20):
        p = rng.beta(0.3, 2, size=5)
        expected = [
            max(
                min(len(group) * p[list(group)].min(), 1)
                for size in range(1, 6)
                for group in combinations(range(5), size)
                if i in group
            )
            for i in range(5)
        ]
        assert_allclose(holm(p), expected, rtol=1e-12)
    assert_allclose(holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    assert holm([]).shape == (0,)


def test_mean_interval():
    values = np.array([0.1, 0.4, 0.35, np.nan, 0.2])
    mean, low, high = mean_interval(values, 0.9)
    interval = stats.ttest_1samp(values[[0, 1, 2, 4]], 0).confidence_interval(0.9)
    assert_allclose([mean, low, high], [0.2625, interval.low, interval.high])
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5, 0.5)
    assert_array_equal(mean_interval([0.5]), [0.5, np.nan, np.nan])
    assert np.isnan(mean_interval([np.nan])).all()


def test_folds_are_averaged_unless_there_is_one_seed():
    columns = {
        "estimator": ["a"] * 4,
        "seed": [7, 7, 8, 8],
        "fold": [0, 1, 0, 1],
        "accuracy": [0.1, 0.3, 0.5, np.nan],
    }
    assert_allclose(Comparison(columns).scores()["a"], [0.2, np.nan])
    first = {name: values[:2] for name, values in columns.items()}
    assert_allclose(Comparison(first).scores()["a"], [0.1, 0.3])
    assert_array_equal(Comparison(columns).summary().n_runs, [1])


def test_any_numeric_column_is_a_metric():
    columns = {"estimator": ["a", "a", "b", "b"], "seed": [0, 1] * 2, "f1": [0.1, 0.3, 0.2, 0.8]}
    comparison = Comparison({**columns, "best_params": ["", "", "C=1", ""]})
    summary = comparison.summary()
    assert list(summary) == ["estimator", "n_runs", "f1_mean", "f1_sd"]
    assert_allclose(summary.f1_mean, [0.2, 0.5])
    assert_allclose(comparison.differences("f1").difference, [0.3])
    with pytest.raises(
        ValueError, match=r"metric='accuracy' is unknown. The results have \['f1'\]"
    ):
        comparison.scores()
    with pytest.raises(ValueError, match="The results have no metric"):
        Comparison({"estimator": ["a"], "seed": [0], "best_params": ["C=1"]})


def test_a_comparison_refuses_bad_input(comparison):
    comparison, _ = comparison
    with pytest.raises(ValueError, match="baseline='z' is none of the estimators"):
        comparison.differences(baseline="z")
    with pytest.raises(ValueError, match="metric='f1' is unknown"):
        comparison.differences("f1")
    with pytest.raises(ValueError, match="metric='seed' is unknown"):
        comparison.scores("seed")
    with pytest.raises(ValueError, match="confidence_level=95 is not between"):
        comparison.differences(confidence_level=95)
    with pytest.raises(ValueError, match="test='anova' is unknown"):
        comparison.differences(test="anova")
    with pytest.raises(ValueError, match="same estimator, seed and fold twice"):
        Comparison(pd.concat([comparison.results, comparison.results]))
    with pytest.raises(ValueError, match="no column 'seed'"):
        Comparison({"estimator": ["a"], "accuracy": [1.0]})
    with pytest.raises(ValueError, match="baseline='z'"):
        Comparison(comparison.results, baseline="z")
    assert repr(comparison) == "Comparison(3 estimators, 8 seeds, baseline='a')"


def test_without_pandas_tables_are_bunches(comparison, monkeypatch):
    expected, _ = comparison
    columns = expected.results.to_dict("list")
    tables = expected.summary(), expected.differences()
    monkeypatch.setitem(sys.modules, "pandas", None)
    found = Comparison(columns)
    for table, bunch in zip(tables, (found.summary(), found.differences()), strict=True):
        assert type(bunch) is Bunch
        assert list(bunch) == list(table.columns)
        for column in bunch:
            assert_array_equal(bunch[column], table[column].to_numpy())
    assert_array_equal(found.results.accuracy, columns["accuracy"])


def test_a_saved_table_is_read_back(data, tmp_path):
    comparison = compare([DecisionTreeClassifier(max_features=2), GaussianNB()], *data, seeds=3)
    comparison.results.to_csv(tmp_path / "results.csv", index=False)
    read = Comparison(pd.read_csv(tmp_path / "results.csv"))
    pd.testing.assert_frame_equal(read.differences(), comparison.differences())


# Jobs, failures, checkpoints


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_jobs_do_not_change_the_results(data, backend):
    estimators = {"tree": DecisionTreeClassifier(max_features=3), "naive": GaussianNB()}
    expected = timeless(compare(estimators, *data, seeds=2))
    with joblib.parallel_config(backend=backend):
        found = timeless(compare(estimators, *data, seeds=2, n_jobs=2))
    pd.testing.assert_frame_equal(found, expected)


def test_progress_is_printed_on_request_only(data, capfd):
    compare({"naive": GaussianNB()}, *data, seeds=1)
    assert capfd.readouterr() == ("", "")
    compare({"naive": GaussianNB()}, *data, seeds=2, verbose=1)
    lines = capfd.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"[compare] naive, seed {i}" for i in (0, 1)]
    assert re.search(r"\(1 of 2 runs, about \d+ s left\)$", lines[0])
    assert re.search(r"\(2 of 2 runs, took \d+ s\)$", lines[1])


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_progress_with_jobs_changes_nothing(data, capfd, backend):
    estimators = {"naive": GaussianNB(), "bad": Recorder(fails_at=1)}
    expected = timeless(compare(estimators, *data, seeds=[0, 2]))
    with joblib.parallel_config(backend=backend):
        found = compare(estimators, *data, seeds=[0, 2], n_jobs=2, verbose=True)
    pd.testing.assert_frame_equal(timeless(found), expected)
    lines = capfd.readouterr().out.splitlines()
    assert sorted(line.split(":")[0] for line in lines) == [
        f"[compare] {name}, seed {i}" for name in ("bad", "naive") for i in (0, 2)
    ]
    with pytest.warns(FitFailedWarning), joblib.parallel_config(backend=backend):
        compare(estimators, *data, seeds=2, n_jobs=2, verbose=1, error_score=np.nan)
    assert "[compare] bad, seed 1: failed (" in capfd.readouterr().out
    with pytest.raises(RuntimeError, match="as told"), joblib.parallel_config(backend=backend):
        compare(estimators, *data, seeds=2, n_jobs=2, verbose=1)


def test_an_error_is_raised_or_told(data):
    estimators = {"good": GaussianNB(), "bad": Recorder(fails_at=1)}
    with pytest.raises(RuntimeError, match="as told"):
        compare(estimators, *data, seeds=3)
    with pytest.warns(FitFailedWarning, match=r"1 of 6 .*\nbad, seed 1(.|\n)*as told"):
        comparison = compare(estimators, *data, seeds=3, error_score=np.nan)
    failed = comparison.results.query("estimator == 'bad' and seed == 1")
    assert failed[["accuracy", "fit_seconds"]].isna().all(axis=None)
    assert_array_equal(comparison.summary().n_runs, [3, 2])
    assert_array_equal(comparison.differences().n_pairs, [2])


def test_a_checkpoint_goes_on_where_an_error_stopped(data, tmp_path):
    first = {"good": GaussianNB(), "bad": Recorder()}
    expected = timeless(compare(first, *data, seeds=4))
    Recorder.seen.clear()
    broken = {"good": GaussianNB(), "bad": Flaky(tmp_path / "mended")}
    with pytest.raises(RuntimeError, match="not yet"):
        compare(broken, *data, seeds=4, checkpoint=tmp_path / "runs")
    assert [seed for seed, *_ in Recorder.seen] == [0, 1, 2]
    (tmp_path / "mended").touch()
    Recorder.seen.clear()
    found = compare(broken, *data, seeds=4, checkpoint=tmp_path / "runs")
    assert [seed for seed, *_ in Recorder.seen] == [2, 3]
    pd.testing.assert_frame_equal(timeless(found), expected)
    Recorder.seen.clear()
    again = compare(broken, *data, seeds=4, checkpoint=tmp_path / "runs")
    assert not Recorder.seen
    pd.testing.assert_frame_equal(again.results, found.results)


class Flaky(Recorder):
    """Fails at seed 2 until a file is there."""

    def __init__(self, path=None, random_state=None):
        self.path = path
        self.random_state = random_state
        self.fails_at = None

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y)
        if self.random_state == 2 and not self.path.exists():
            raise RuntimeError("not yet")
        return self


def test_failed_runs_are_tried_again(data, tmp_path):
    estimators = {"flaky": Flaky(tmp_path / "mended")}
    options = {"seeds": 3, "checkpoint": tmp_path / "runs", "error_score": np.nan}
    with pytest.warns(FitFailedWarning):
        first = compare(estimators, *data, **options)
    assert np.isnan(first.results.accuracy[2])
    (tmp_path / "mended").touch()
    assert compare(estimators, *data, **options).results.accuracy.notna().all()
    assert [seed for seed, *_ in Recorder.seen] == [0, 1, 2, 2]


def test_more_seeds_and_estimators_join_a_checkpoint(data, tmp_path, capsys):
    compare({"a": Recorder()}, *data, seeds=2, checkpoint=tmp_path)
    compare({"b": Recorder(), "a": Recorder()}, *data, seeds=3, checkpoint=tmp_path, verbose=1)
    assert [seed for seed, *_ in Recorder.seen] == [0, 1, 0, 1, 2, 2]
    assert "2 of 6 runs are in" in capsys.readouterr().out


def test_a_checkpoint_of_other_runs_is_refused(data, tmp_path, teacher):
    X, y, X_test, y_test = data
    estimators = {"a": Recorder(C=2.0)}

    def again(message=None, estimators=estimators, data=data, **options):
        options = {"seeds": 1, "checkpoint": tmp_path, **options}
        if message is None:
            return compare(estimators, *data, **options)
        with pytest.raises(ValueError, match=f"{message} changed since. Give another folder"):
            compare(estimators, *data, **options)

    again()
    again(": X", data=(X + 1, y, X_test, y_test))
    again(": y", data=(X, y[::-1], X_test, y_test), seeds=[5])
    again(": X_test, y_test", data=(X, y, X_test[:9], y_test[:9]))
    again("train_per_class", train_per_class=5)
    again("teacher", teacher=teacher)
    again("X_test, y_test, cv", data=(X, y), cv=3)
    again("the estimator 'a'", {"a": Recorder(C=3.0)})
    again("the estimator 'a'", {"a": GaussianNB()})
    again("the estimator 'a'", fit_params={"a": {"sample_weight": np.ones(60)}})
    again(estimators={"a": Recorder(C=2.0, random_state=8)}, n_jobs=2)
    assert len(Recorder.seen) == 1
    path = next(tmp_path.glob("*.json"))
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DamagedFileError, match="does not hold a run"):
        again()


def test_a_checkpoint_tells_what_a_teacher_or_frozen_classifier_learnt(data, tmp_path, teacher):
    X, y, _, _ = data
    other = clone(teacher).fit(X[:6], y[:6])
    for name, wrap in {
        "frozen": FrozenEstimator,
        "student": lambda teacher: DistilledQNNClassifier(teacher, n_qubits=2, max_iter=1),
        "several": lambda teacher: DistilledQNNClassifier([teacher] * 2, n_qubits=2, max_iter=1),
        "pipeline": lambda teacher: make_pipeline(
            FunctionTransformer(), DistilledQNNClassifier(teacher, n_qubits=2, max_iter=1)
        ),
    }.items():
        options = {"seeds": 1, "checkpoint": tmp_path / name}
        compare({name: wrap(teacher)}, *data, **options)
        with pytest.raises(ValueError, match=f"the estimator '{name}' changed"):
            compare({name: wrap(other)}, *data, **options)
        with pytest.raises(ValueError, match=f"teacher, the estimator '{name}' changed"):
            compare({name: wrap(other)}, *data, **options, teacher=teacher)
        compare({name: wrap(copy.deepcopy(teacher))}, *data, **options)  # one that knows the same


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from sklearn.tree import DecisionTreeClassifier
from sklqkd.datasets import load_digits
from sklqkd.evaluation import compare

class Tree(DecisionTreeClassifier):
    def fit(self, X, y):
        with open(sys.argv[2], "a") as log:
            log.write(f"{self.random_state} ")
        if self.random_state == 2 and len(sys.argv) > 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)

X, y = load_digits(return_X_y=True)
data = X[:100], y[:100], X[100:300], y[100:300]
found = compare({"tree": Tree(max_features=3)}, *data, seeds=4, checkpoint=sys.argv[1])
print(found.results.accuracy.tolist())
"""


def test_a_checkpoint_outlives_its_process(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "runs"), str(log)]
    killed = subprocess.run([*command, "kill"], capture_output=True, check=False)
    assert killed.returncode < 0
    assert log.read_text() == "0 1 2 "
    runs = list((tmp_path / "runs").iterdir())
    assert sorted(json.loads(path.read_text())["row"]["seed"] for path in runs) == [0, 1]
    (tmp_path / "runs" / "half-written.tmp").write_text("{")
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert log.read_text() == "0 1 2 2 3 "
    X, y = load_digits(return_X_y=True)
    expected = [
        DecisionTreeClassifier(max_features=3, random_state=seed)
        .fit(X[:100], y[:100])
        .score(X[100:300], y[100:300])
        for seed in range(4)
    ]
    assert json.loads(done.stdout) == expected


def test_fingerprints_are_the_same_in_another_process():
    code = """
import numpy as np
from scipy.stats import loguniform
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, RandomizedSearchCV
from sklqkd.fingerprints import fingerprint
search = RandomizedSearchCV(LogisticRegression(), {"C": loguniform(1, 9)}, cv=KFold(3))
print([fingerprint(each) for each in (search, np.arange(9), print, {"a": 1})])
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (KFold(3), KFold(4)),
        (np.arange(3), np.arange(4)),
        (make_pipeline(PCA(2), SVC()), make_pipeline(PCA(3), SVC())),
        (LogisticRegression(C=1.0), LogisticRegression(C=1.0 + 1e-12)),
        (SVC(kernel=np.dot), SVC(kernel=np.inner)),
        (
            RandomizedSearchCV(SVC(), {"C": stats.uniform(0, 1)}),
            RandomizedSearchCV(SVC(), {"C": stats.uniform(0, 2)}),
        ),
    ],
)
def test_fingerprints_tell_things_apart(one, other):
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(copy.deepcopy(one))


# Bad input


@pytest.mark.parametrize(
    ("estimators", "message"),
    [
        ({}, "estimators is empty"),
        ([], "estimators is empty"),
        (GaussianNB(), "neither a dict nor a list"),
        ({"a": Recorder(), "b": PCA()}, "'b' is without predict"),
        ({"a": Recorder(), "b": GaussianNB}, "'b' is a class"),
        ({"a": Recorder(), "b": LinearRegression()}, "'b' is a regressor"),
        ({"a": Recorder(), 3: GaussianNB()}, "name 3 .* is not a string"),
    ],
)
def test_bad_estimators_are_refused_before_any_fit(data, estimators, message):
    with pytest.raises(ValueError, match=message):
        compare(estimators, *data)
    assert not Recorder.seen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "at least one is needed"),
        ({"seeds": []}, "at least one is needed"),
        ({"seeds": [0, 1, 0]}, "holds a seed twice"),
        ({"seeds": [0.5]}, "each an integer"),
        ({"seeds": [-1]}, "from 0 on"),
        ({"seeds": "ten"}, "neither a number nor a sequence"),
        ({"seeds": None}, "neither a number nor a sequence"),
        ({"baseline": "b"}, "baseline='b' is none of the estimators"),
        ({"cv": 3}, "one of them, not both"),
        ({"error_score": 0.0}, "error_score=0.0 is neither"),
        ({"error_score": "nan"}, "error_score='nan' is neither"),
        ({"fit_params": {"b": {}}}, "fit_params is a dict"),
        ({"train_per_class": 1000}, "fewer than n=1000"),
        ({"y_test": None}, "Give X_test and y_test, or neither"),
        ({"X_test": None, "y_test": None}, "one of them, not both"),
        ({"X_test": np.ones((60, 3))}, r"X_test has \(60, 3\)"),
        ({"y_test": np.full(60, "a")}, "No label of y_test is in y"),
        ({"y_test": [0, 1, 2]}, "inconsistent numbers of samples"),
        ({"y": [0, 1, 2]}, "inconsistent numbers of samples"),
    ],
)
def test_bad_options_are_refused_before_any_fit(data, options, message):
    arguments = dict(zip(("X", "y", "X_test", "y_test"), data, strict=True))
    with pytest.raises(ValueError, match=message):
        compare({"a": Recorder()}, **{**arguments, **options})
    assert not Recorder.seen


def test_an_unfitted_teacher_to_agree_with_is_refused(data):
    with pytest.raises(NotFittedError, match="The teacher GaussianNB is not fitted"):
        compare({"a": Recorder()}, *data, teacher=GaussianNB())
    assert not Recorder.seen


# Tables for a publication


@pytest.fixture
def published():
    return Comparison(
        {
            "estimator": ["a_plain & 5 %"] * 3 + ["b|b"] * 3 + ["single"],
            "seed": [0, 1, 2] * 2 + [0],
            "accuracy": [0.90, 0.92, 0.91, 0.95, 0.96, 0.94, 0.5],
            "log_loss": [0.5, 0.25, 0.75, 0.5, 0.5, 0.5, np.nan],
            "n_parameters": [1246, 1246, 1246, 12730, 12730, 12730, 5],
        }
    )


def test_the_table_of_a_publication_is_what_the_statistics_say(published):
    frame = published.to_frame(others=["n_parameters", "log_loss"])
    summary, gains = published.summary(), published.differences()
    assert list(frame["estimator"]) == ["a_plain & 5 %", "b|b", "single"]
    assert list(frame["n"]) == [3, 3, 1]
    means = [f"{100 * mean:.1f}" for mean in summary["accuracy_mean"]]
    assert [cell.split(" ± ")[0] for cell in frame["accuracy, %"]] == means
    assert list(frame["accuracy, %"])[1:] == ["95.0 ± 1.0", "50.0"]
    assert list(frame["n parameters"]) == ["1,246 ± 0", "12,730 ± 0", "5"]
    assert list(frame["log loss"]) == ["0.50 ± 0.25", "0.50 ± 0.00", ""]
    assert list(frame["gain, points"]) == ["", "+4.0", "-40.0"]
    low, high = 100 * gains["ci_low"][0], 100 * gains["ci_high"][0]
    assert list(frame["95 % interval"]) == ["", f"[{low:+.1f}, {high:+.1f}]", ""]
    assert list(frame["p (Holm)"]) == ["", f"{gains['p_value_holm'][0]:.3f}", ""]


def test_the_table_takes_the_options_of_the_differences(published):
    options = {"baseline": "b|b", "confidence_level": 0.9, "test": "wilcoxon", "decimals": 3}
    frame = published.to_frame("log_loss", **options)
    assert list(frame["gain"]) == ["+0.000", "", ""]
    assert "90 % interval" in frame
    assert list(published.to_frame(decimals=0)["accuracy, %"]) == ["91 ± 1", "95 ± 1", "50"]
    assert published.to_frame(others="log_loss").shape == (3, 7)
    for wrong in ({"metric": "speed"}, {"others": ["speed"]}, {"decimals": -1}, {"decimals": 1.5}):
        with pytest.raises(ValueError, match=r"is unknown|decimals="):
            published.to_frame(**wrong)


def test_markdown_and_latex_hold_the_cells_of_the_frame(published):
    frame = published.to_frame(others="n_parameters")
    lines = published.to_markdown(others="n_parameters").splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert lines[3].startswith(r"| b\|b | 3 | 95.0 ± 1.0 | 12,730 ± 0 | +4.0 |")
    assert lines[2].startswith(r"| a\_plain & 5 % |")
    latex = published.to_latex(others="n_parameters", caption="Gains", label="tab:gains")
    assert r"a\_plain \& 5 \% & 3 & $91.0 \pm 1.0$ & $1{,}246 \pm 0$ &  &  &  \\" in latex
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    cells = [re.split(r"(?<!\\)&", line) for line in body]
    assert {len(row) for row in cells} == {frame.shape[1]}
    for name in ("table", "tabular"):
        assert latex.count(rf"\begin{{{name}}}") == latex.count(rf"\end{{{name}}}") == 1
    assert r"\caption{Gains}" in latex
    assert r"\label{tab:gains}" in latex
    assert "table}" not in published.to_latex()


def test_tiny_p_values_and_negative_zeros():
    seeds = np.arange(10)
    rng = np.random.default_rng(0)
    base = rng.uniform(0.8, 0.9, 10)
    table = Comparison(
        {
            "estimator": np.repeat(["base", "better", "same"], 10),
            "seed": np.tile(seeds, 3),
            "accuracy": np.concatenate(
                [base, base + rng.uniform(0.09, 0.1, 10), base - 1e-6 * rng.uniform(size=10)]
            ),
        }
    ).to_frame()
    assert list(table["p (Holm)"])[1] == "< 0.001"
    assert list(table["gain, points"])[2] == "+0.0"
