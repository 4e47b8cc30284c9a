"""Searches, comparisons and cross-validation on a Dask cluster of several processes."""

import os
import signal

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.utils.parallel import Parallel

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.cluster import here, place
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.evaluation import compare
from sklqkd.search import StackedGridSearchCV

from .test_search import assert_same_results

distributed = pytest.importorskip("dask.distributed", reason="distributed is not installed")

GRID = {"temperature": [1, 4], "lam": [0.2, 0.9]}


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    cluster = distributed.LocalCluster(**options, dashboard_address=":0")
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def on_dask(client):
    client.wait_for_workers(2)  # a test may have killed one
    with joblib.parallel_config(backend="dask"):
        yield client


@pytest.fixture(scope="module")
def digits():
    return take_per_class(*load_digits(return_X_y=True), 40, classes=[0, 1, 2])


@pytest.fixture(scope="module")
def student(digits):
    teacher = RandomForestClassifier(20, random_state=0).fit(*digits)
    return DistilledQNNClassifier(teacher, n_qubits=3, reducer="pca", max_iter=4, random_state=0)


@pytest.fixture(scope="module")
def search(student, digits):
    """Return a search that was fitted without Dask."""
    return StackedGridSearchCV(student, GRID, cv=3).fit(*digits)


class Scorer:
    """Accuracy; writes down which process asked, and kills the first that asks, if it shall."""

    def __init__(self, folder, kills=False):
        self.folder, self.kills = folder, kills

    def __call__(self, estimator, X, y):
        if self.kills:
            try:
                (self.folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        with open(self.folder / "processes", "a") as file:
            file.write(f"{os.getpid()}\n")
        return estimator.score(X, y)

    def processes(self):
        return [int(line) for line in (self.folder / "processes").read_text().split()]


def test_grid_search(on_dask, student, digits, search, tmp_path):
    scorer = Scorer(tmp_path)
    own = StackedGridSearchCV(student, GRID, cv=3, scoring=scorer).fit(*digits)
    assert_same_results(own.cv_results_, search.cv_results_)
    assert_array_equal(own.best_estimator_.parameters_, search.best_estimator_.parameters_)
    # The workers shared it, or one was done before the other had begun; this process had none.
    assert set(scorer.processes()) <= set(on_dask.run(os.getpid).values())


def test_a_cluster_of_one_thread(student, digits, search):
    cluster = distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=":0")
    with cluster, distributed.Client(cluster), joblib.parallel_config(backend="dask"):
        own = StackedGridSearchCV(student, GRID, cv=3).fit(*digits)
    assert_same_results(own.cv_results_, search.cv_results_)


def test_other_estimators(on_dask, digits):
    options = {"estimator": LogisticRegression(), "param_grid": {"C": [0.1, 1.0]}, "cv": 2}
    own = StackedGridSearchCV(**options).fit(*digits)
    with joblib.parallel_config(backend="loky"):
        other = StackedGridSearchCV(**options).fit(*digits)
    assert_same_results(own.cv_results_, other.cv_results_)


class CountedArray(np.ndarray):
    """Counts how often it is pickled."""

    n_pickled = 0

    def __reduce_ex__(self, protocol):
        type(self).n_pickled += 1
        return np.asarray(self).__reduce_ex__(protocol)


def test_images_are_sent_once(on_dask, student, digits):
    X = digits[0].view(CountedArray)
    grid = GRID | {"random_state": list(range(12))}  # 96 fits, 4 stacks
    StackedGridSearchCV(clone(student).set_params(max_iter=1), grid, cv=2, refit=False).fit(
        X, digits[1]
    )
    assert CountedArray.n_pickled == 1
    CountedArray.n_pickled = 0
    compare([LogisticRegression()], X, digits[1], X[:9], digits[1][:9], seeds=4)
    assert CountedArray.n_pickled == 2  # training and test images


def test_cross_validate(on_dask, student, digits):
    own = cross_validate(student, *digits, cv=3, return_estimator=True)
    with joblib.parallel_config(backend="sequential"):
        other = cross_validate(student, *digits, cv=3, return_estimator=True)
    assert_array_equal(own["test_score"], other["test_score"])
    for mine, theirs in zip(own["estimator"], other["estimator"], strict=True):
        assert_allclose(mine.parameters_, theirs.parameters_, atol=1e-6)


def test_compare_with_a_search_inside(on_dask, student, digits):
    X, y = digits
    named = {
        "plain": QNNClassifier(n_qubits=3, reducer="pca", max_iter=4),
        "search": StackedGridSearchCV(student, GRID, cv=2),
    }
    data = X[:90], y[:90], X[90:], y[90:]
    own = compare(named, *data, seeds=2)
    with joblib.parallel_config(backend="sequential"):
        other = compare(named, *data, seeds=2)
    for name in ("estimator", "seed", "accuracy", "log_loss", "agreement", "best_params"):
        assert_array_equal(own.results[name], other.results[name])


# last, as a new worker has to load all libraries


def test_a_worker_is_killed(on_dask, student, digits, search, tmp_path):
    grid = GRID | {"random_state": [0, 1]}
    scorer = Scorer(tmp_path, kills=True)
    before = on_dask.run(os.getpid)
    own = StackedGridSearchCV(student, grid, cv=3, scoring=scorer).fit(*digits)
    assert (tmp_path / "killed").exists()
    on_dask.wait_for_workers(2)
    assert len(set(before.values()) & set(on_dask.run(os.getpid).values())) == 1
    with joblib.parallel_config(backend="sequential"):
        other = StackedGridSearchCV(student, grid, cv=3).fit(*digits)
    assert_same_results(own.cv_results_, other.cv_results_)


def test_data_outlives_its_worker(on_dask):
    value = place(np.arange(10_000))
    distributed.wait(value)
    [holder] = on_dask.who_has(value)[value.key]
    os.kill(on_dask.run(os.getpid)[holder], signal.SIGKILL)
    sums = joblib.Parallel()(joblib.delayed(_sum)(value) for _ in range(2))
    assert sums == [49_995_000, 49_995_000]


def _sum(placed):
    return here(placed).sum()


def test_placed_values_are_found_here(on_dask, student, digits, search, monkeypatch):
    """joblib runs jobs in this process where all workers but one were lost meanwhile."""

    class InThisProcess(Parallel):
        def __init__(self, *args, **options):
            super().__init__(**options | {"backend": "sequential"})

    monkeypatch.setattr("sklqkd.search.fits.Parallel", InThisProcess)
    own = StackedGridSearchCV(student, GRID, cv=3).fit(*digits)
    assert_same_results(own.cv_results_, search.cv_results_)
    monkeypatch.setattr("sklqkd.evaluation.experiment.Parallel", InThisProcess)
    lone = {"C=1": LogisticRegression()}
    assert (compare(lone, *digits, seeds=2, cv=2).scores()["C=1"] > 0.5).all()
