"""Stacked searches: drop-in for scikit-learn's, with the same results."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklqkd.search.fits
from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.search import StackedGridSearchCV, StackedRandomizedSearchCV

GRID = {"temperature": [1, 4], "lam": [0.2, 0.9]}


@pytest.fixture(scope="module")
def digits():
    return take_per_class(*load_digits(return_X_y=True), 40, classes=[0, 1, 2])


@pytest.fixture(scope="module")
def student(digits):
    teacher = RandomForestClassifier(20, random_state=0).fit(*digits)
    return DistilledQNNClassifier(teacher, n_qubits=3, reducer="pca", max_iter=4, random_state=0)


@pytest.fixture
def n_trained(monkeypatch):
    """Return the numbers of students that were trained together."""
    numbers = []
    original = sklqkd.search.fits.train_runs

    def train_runs(runs):
        numbers.append(len(runs))
        original(runs)

    monkeypatch.setattr(sklqkd.search.fits, "train_runs", train_runs)
    return numbers


def assert_same_results(own, other):
    assert list(own) == list(other)
    for name, values in other.items():
        if "time" in name:
            assert (own[name] >= 0).all()
        elif name.startswith(("split", "mean", "std")):
            assert_allclose(own[name], values, atol=1e-6)
        else:
            assert_array_equal(np.asarray(own[name]), np.asarray(values))


def test_grid_search(student, digits, n_trained):
    options = {"cv": 3, "return_train_score": True}
    own = StackedGridSearchCV(student, GRID, **options).fit(*digits)
    other = GridSearchCV(student, GRID, **options).fit(*digits)
    assert n_trained == [12]
    assert_same_results(own.cv_results_, other.cv_results_)
    assert own.best_params_ == other.best_params_
    assert own.n_splits_ == 3
    assert_array_equal(own.predict(digits[0]), other.predict(digits[0]))
    assert_array_equal(own.best_estimator_.parameters_, other.best_estimator_.parameters_)
    assert vars(own).keys() == vars(other).keys() | {"memory_limit", "checkpoint"}


def test_randomized_search(student, digits):
    distributions = {"learning_rate_init": [0.003, 0.01, 0.03], "random_state": list(range(9))}
    options = {"n_iter": 5, "cv": 2, "random_state": 0}
    own = StackedRandomizedSearchCV(student, distributions, **options).fit(*digits)
    other = RandomizedSearchCV(student, distributions, **options).fit(*digits)
    assert_same_results(own.cv_results_, other.cv_results_)


def test_shapes_that_differ_and_fits_that_cannot_be_stacked(student, digits):
    grid = {"n_qubits": [2, 6], "reducer": ["fc", "crop"], "batch_size": [16, 32]}
    own = StackedGridSearchCV(student, grid, cv=2).fit(*digits)
    other = GridSearchCV(student, grid, cv=2).fit(*digits)
    assert_same_results(own.cv_results_, other.cv_results_)


def test_several_scorers(student, digits):
    options = {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss", "cv": 2}
    own = StackedGridSearchCV(student, GRID, **options).fit(*digits)
    other = GridSearchCV(student, GRID, **options).fit(*digits)
    assert_same_results(own.cv_results_, other.cv_results_)
    assert own.multimetric_
    assert set(own.scorer_) == {"accuracy", "neg_log_loss"}


def test_fit_params_are_split(student, digits):
    X, y = digits
    rng = np.random.default_rng(0)
    params = {
        "teacher_logits": rng.normal(size=(len(y), 3)),
        "sample_weight": rng.uniform(0, 1, len(y)),
    }
    searches = [Search(student, GRID, cv=3) for Search in (StackedGridSearchCV, GridSearchCV)]
    own, other = (search.fit(X, y, **params) for search in searches)
    assert_same_results(own.cv_results_, other.cv_results_)


def test_folds_of_different_sizes(student, digits):
    X, y = digits
    splits = [(np.arange(70), np.arange(70, 120)), (np.arange(20, 120), np.arange(20))]
    own = StackedGridSearchCV(student, GRID, cv=splits, refit=False).fit(X, y)
    other = GridSearchCV(student, GRID, cv=splits, refit=False).fit(X, y)
    assert_same_results(own.cv_results_, other.cv_results_)


def test_fits_that_fail(student, digits):
    grid = {"n_layers": [1, 2], "lam": [0.5], "reducer": ["pca", None]}  # 64 pixels are too many
    own = StackedGridSearchCV(student, grid, cv=2, error_score=-1.0)
    other = GridSearchCV(student, grid, cv=2, error_score=-1.0)
    for search in (own, other):
        with pytest.warns(FitFailedWarning, match="4 fits failed"):
            search.fit(*digits)
    assert_same_results(own.cv_results_, other.cv_results_)
    with pytest.raises(ValueError, match="takes 8"):
        own.set_params(error_score="raise").fit(*digits)


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (LogisticRegression(), {"C": [0.1, 1.0]}),
        (
            make_pipeline(StandardScaler(), QNNClassifier(max_iter=1, random_state=0)),
            {"qnnclassifier__learning_rate_init": [0.01, 0.1]},
        ),
    ],
    ids=["another estimator", "pipeline"],
)
def test_anything_else_is_searched_as_usual(estimator, grid, digits):
    X, y = digits[0] / 16, digits[1]
    own = StackedGridSearchCV(estimator, grid, cv=2).fit(X, y)
    other = GridSearchCV(estimator, grid, cv=2).fit(X, y)
    assert_same_results(own.cv_results_, other.cv_results_)


def test_a_small_memory_limit_makes_small_stacks(student, digits, n_trained):
    own = StackedGridSearchCV(student, GRID, cv=2, memory_limit=1, refit=False).fit(*digits)
    assert n_trained[:8] == [1] * 8
    n_trained.clear()
    other = StackedGridSearchCV(student, GRID, cv=2, refit=False).fit(*digits)
    assert n_trained == [8]
    assert_same_results(own.cv_results_, other.cv_results_)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_jobs(student, digits, backend):
    own = StackedGridSearchCV(student, GRID, cv=3, n_jobs=2)
    with joblib.parallel_config(backend=backend):
        own.fit(*digits)
    other = StackedGridSearchCV(student, GRID, cv=3).fit(*digits)
    assert_same_results(own.cv_results_, other.cv_results_)


def test_progress(student, digits, capsys):
    StackedGridSearchCV(student, GRID, cv=2, verbose=1).fit(*digits)
    assert "8 of 8 fits, about 0 s left; best score of a fold" in capsys.readouterr().out


def test_clone_and_parameters(student):
    search = StackedGridSearchCV(student, GRID, memory_limit=1e9, checkpoint="file")
    assert clone(search).get_params(deep=False).keys() == search.get_params(deep=False).keys()
    with pytest.raises(ValueError, match="memory_limit"):
        search.set_params(memory_limit=-1).fit([[0]], [0])


# checkpoints


class Interrupts:
    """Scores by accuracy, and is interrupted after so many scores."""

    def __init__(self, after):
        self.left = after

    def __call__(self, estimator, X, y):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return estimator.score(X, y)

    def __repr__(self):
        return "Interrupts()"


def test_an_interrupted_search_goes_on(student, digits, tmp_path, n_trained, monkeypatch):
    monkeypatch.setattr(sklqkd.search.fits, "STACK", 3)
    options = {"cv": 3, "refit": False, "checkpoint": tmp_path / "search.joblib"}
    search = StackedGridSearchCV(student, GRID, scoring=Interrupts(7), **options)
    with pytest.raises(KeyboardInterrupt):
        search.fit(*digits)
    assert n_trained == [3, 3, 3]
    n_trained.clear()
    search.set_params(scoring=Interrupts(99)).fit(*digits)
    assert n_trained == [3, 3]  # two of four stacks had been finished
    other = GridSearchCV(student, GRID, cv=3, refit=False).fit(*digits)
    assert_same_results(search.cv_results_, other.cv_results_)


def test_a_checkpoint_of_another_search_is_refused(student, digits, tmp_path):
    path = tmp_path / "search.joblib"
    search = StackedGridSearchCV(student, GRID, cv=2, refit=False, checkpoint=path).fit(*digits)
    search.set_params(param_grid={"lam": [0.2, 0.9, 1.0]}, cv=ShuffleSplit(2, random_state=0))
    search.fit(*digits)  # other candidates and folds of the same student are welcome
    with pytest.raises(ValueError, match="another estimator, or on other data"):
        search.fit(digits[0] + 1, digits[1])
    with pytest.raises(ValueError, match="another estimator, or on other data"):
        search.set_params(estimator__max_iter=9).fit(*digits)
