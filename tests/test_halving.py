"""Successive halving over a stack: scikit-learn's results, with no epoch trained twice."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import HalvingGridSearchCV, HalvingRandomSearchCV, StratifiedKFold

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.search import StackedHalvingGridSearchCV, StackedHalvingRandomSearchCV
from sklqkd.students.training_run import TrainingRun

GRID = {"temperature": [1, 4], "lam": [0.2, 0.9], "learning_rate_init": [0.001, 0.01, 0.05]}
OPTIONS = {"resource": "max_iter", "max_resources": 8, "factor": 2, "cv": 2}


@pytest.fixture(scope="module")
def digits():
    return take_per_class(*load_digits(return_X_y=True), 40, classes=[0, 1, 2])


@pytest.fixture(scope="module")
def student(digits):
    teacher = RandomForestClassifier(20, random_state=0).fit(*digits)
    # The angles of this ansatz all have an effect, so that rounding cannot grow in one.
    options = {"n_qubits": 3, "reducer": "pca", "ansatz": "basic_entangler"}
    return DistilledQNNClassifier(teacher, **options, random_state=0)


@pytest.fixture
def epochs(monkeypatch):
    """Return the numbers of the epochs that students are trained for."""
    numbers = []
    original = TrainingRun.end_epoch

    def end_epoch(run, number, loss):
        numbers.append(number)
        return original(run, number, loss)

    monkeypatch.setattr(TrainingRun, "end_epoch", end_epoch)
    return numbers


class Remembers:
    """Scores by accuracy, and keeps the estimators and what they were scored on."""

    def __init__(self):
        self.estimators, self.images = [], []

    def __call__(self, estimator, X, y):
        self.estimators.append(estimator)
        self.images.append(X)
        return estimator.score(X, y)


def assert_same_search(own, other):
    for name in ("n_resources_", "n_candidates_", "n_iterations_", "n_remaining_candidates_"):
        assert getattr(own, name) == getattr(other, name)
    assert (own.min_resources_, own.max_resources_) == (other.min_resources_, other.max_resources_)
    assert list(own.cv_results_) == list(other.cv_results_)
    for name, values in other.cv_results_.items():
        if name.startswith(("split", "mean_t", "std_t")):
            assert_allclose(own.cv_results_[name], values, atol=0.005)
        elif "time" not in name:
            assert_array_equal(np.asarray(own.cv_results_[name]), np.asarray(values))
    assert own.best_params_ == other.best_params_
    assert_array_equal(own.best_estimator_.parameters_, other.best_estimator_.parameters_)


def trained_once(search):
    """Return how many epochs it takes if survivors train on."""
    more = np.diff(search.n_resources_, prepend=0)
    return search.n_splits_ * int(np.dot(search.n_candidates_, more))


# the same as scikit-learn's


def test_epochs_as_the_resource(student, digits, epochs):
    own = StackedHalvingGridSearchCV(student, GRID, **OPTIONS, refit=False).fit(*digits)
    assert own.n_candidates_ == [12, 6, 3, 2]
    assert own.n_resources_ == [1, 2, 4, 8]
    assert len(epochs) == trained_once(own) == 2 * (12 + 6 + 3 * 2 + 2 * 4)
    own.set_params(refit=True).fit(*digits)
    other = HalvingGridSearchCV(student, GRID, **OPTIONS).fit(*digits)
    assert_same_search(own, other)


def test_images_as_the_resource(student, digits):
    options = {"cv": 2, "random_state": 0, "factor": 3, "min_resources": 30}
    student = clone(student).set_params(max_iter=3)
    own = StackedHalvingGridSearchCV(student, GRID, **options).fit(*digits)
    other = HalvingGridSearchCV(student, GRID, **options).fit(*digits)
    assert own.n_resources_ == [30, 90]
    assert_same_search(own, other)


def test_sampled_candidates(student, digits):
    distributions = {"lam": [0.1, 0.5, 0.9], "random_state": list(range(9))}
    options = OPTIONS | {"n_candidates": 7, "random_state": 0}
    own = StackedHalvingRandomSearchCV(student, distributions, **options).fit(*digits)
    other = HalvingRandomSearchCV(student, distributions, **options).fit(*digits)
    assert_same_search(own, other)


def test_aggressive_elimination_scores_again_without_training(student, digits, epochs):
    options = OPTIONS | {"min_resources": 4, "aggressive_elimination": True}
    own = StackedHalvingGridSearchCV(student, GRID, **options, refit=False).fit(*digits)
    assert own.n_resources_ == [4, 4, 4, 8]
    assert len(epochs) == trained_once(own)
    own.set_params(refit=True).fit(*digits)
    assert_same_search(own, HalvingGridSearchCV(student, GRID, **options).fit(*digits))


def test_jobs(student, digits):
    own = StackedHalvingGridSearchCV(student, GRID, **OPTIONS, n_jobs=2).fit(*digits)
    assert_same_search(own, StackedHalvingGridSearchCV(student, GRID, **OPTIONS).fit(*digits))


def test_what_jobs_leave_goes_into_the_next_iteration(student, digits, epochs):
    from joblib import parallel_config

    search = StackedHalvingGridSearchCV(student, GRID, **OPTIONS, n_jobs=2, refit=False)
    with parallel_config(backend="threading"):
        search.fit(*digits)
    assert len(epochs) == trained_once(search)


def test_a_fold_is_prepared_once(student, digits):
    class CountingForest(RandomForestClassifier):
        asked = 0

        def predict_proba(self, X):
            CountingForest.asked += 1
            return super().predict_proba(X)

    student = clone(student).set_params(teacher=CountingForest(5, random_state=0).fit(*digits))
    search = StackedHalvingGridSearchCV(student, GRID, **OPTIONS, refit=False).fit(*digits)
    assert search.n_iterations_ == 4
    assert CountingForest.asked == search.n_splits_


def test_another_estimator_is_searched_as_usual(digits):
    X, y = digits[0] / 16, digits[1]
    options = OPTIONS | {"resource": "max_iter", "min_resources": 200, "max_resources": 400}
    grid = {"C": [0.001, 0.01, 0.1]}
    own = StackedHalvingGridSearchCV(LogisticRegression(), grid, **options).fit(X, y)
    other = HalvingGridSearchCV(LogisticRegression(), grid, **options).fit(X, y)
    assert own.best_params_ == other.best_params_
    assert_array_equal(own.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"])


# the same as lone fits


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"reducer": "fc", "encoding": "qubit"},
        {"early_stopping": True, "n_iter_no_change": 2},
        {"tol": 10.0, "n_iter_no_change": 3},
        {"lam": lambda epoch, _: 0.9**epoch},
        {"shots": 50},
        {"n_qubits": 6, "reducer": "conv"},
    ],
    ids=["pca", "fc", "hold-out", "converges", "function of the epoch", "shots", "dropout"],
)
def test_survivors_are_lone_fits(student, digits, epochs, params):
    X, y = digits
    student = clone(student).set_params(**params)
    scorer, grid = Remembers(), {"random_state": [0, 1, 2, 3]}
    options = OPTIONS | {"max_resources": 4, "refit": False, "return_train_score": False}
    search = StackedHalvingGridSearchCV(student, grid, **options, scoring=scorer).fit(X, y)
    assert search.n_resources_ == [1, 2, 4]
    n_trained = len(epochs)
    for own, held_out in zip(scorer.estimators[-2:], scorer.images[-2:], strict=True):
        splits = StratifiedKFold(2).split(X, y)
        train = next(train for train, test in splits if np.array_equal(X[test], held_out))
        lone = clone(own).fit(X[train], y[train])
        assert own.n_iter_ == lone.n_iter_
        assert_allclose(own.loss_curve_, lone.loss_curve_, atol=1e-5)
        assert own.validation_scores_ == lone.validation_scores_
        assert_allclose(own.parameters_, lone.parameters_, atol=1e-4)
    assert n_trained <= trained_once(search)


def test_schedules_over_all_epochs_begin_again(student, digits, epochs):
    grid = {"temperature": [("linear", 4, 1), 2], "random_state": [0, 1]}
    options = OPTIONS | {"max_resources": 4, "refit": False}
    own = StackedHalvingGridSearchCV(student, grid, **options).fit(*digits)
    assert own.n_candidates_ == [4, 2, 1]
    results = own.cv_results_
    # A schedule's first epoch is the same for 1 and for 2 epochs, its second not for 2 and 4.
    taken = [
        ([1, 1, 2] if params["temperature"] == 2 else [1, 1, 4])[iteration]
        for params, iteration in zip(results["params"], results["iter"], strict=True)
    ]
    assert len(epochs) == own.n_splits_ * sum(taken) > trained_once(own)
    other = HalvingGridSearchCV(student, grid, **options).fit(*digits)
    for name in ("mean_test_score", "mean_train_score"):
        assert_allclose(own.cv_results_[name], other.cv_results_[name], atol=0.005)


def test_a_student_without_a_seed_stays_the_same(digits, epochs):
    student = QNNClassifier(n_qubits=2, reducer="pca", early_stopping=True, batch_size=8)
    scorer, grid = Remembers(), {"learning_rate_init": [0.01, 0.02]}
    options = OPTIONS | {"max_resources": 2, "refit": False, "return_train_score": False}
    search = StackedHalvingGridSearchCV(student, grid, **options, scoring=scorer).fit(*digits)
    assert len(epochs) == trained_once(search)
    first, last = scorer.estimators[:4], scorer.estimators[4:]
    assert len({estimator.loss_curve_[0] for estimator in first}) == 4
    for estimator in last:
        assert estimator.loss_curve_[0] in {other.loss_curve_[0] for other in first}
    assert student.random_state is None


# options, and bad input


def test_the_estimators_own_epochs_are_the_most(student, digits):
    student = clone(student).set_params(max_iter=6)
    search = StackedHalvingGridSearchCV(student, GRID, resource="max_iter", cv=2, refit=False)
    search.fit(*digits)
    assert search.max_resources_ == 6
    assert search.max_resources == "auto"
    assert search.n_resources_ == [1, 3]


def test_an_interrupted_search_goes_on(student, digits, tmp_path):
    class Interrupts(Remembers):
        def __reduce__(self):  # it is the same scorer, whatever it remembers
            return Interrupts, ()

        def __call__(self, estimator, X, y):
            score = super().__call__(estimator, X, y)
            if len(self.estimators) == 40:  # in the third iteration
                raise KeyboardInterrupt
            return score

    options = OPTIONS | {"checkpoint": tmp_path / "search", "return_train_score": False}
    search = StackedHalvingGridSearchCV(student, GRID, **options, scoring=Interrupts())
    with pytest.raises(KeyboardInterrupt):
        search.fit(*digits)
    search.fit(*digits)
    other = HalvingGridSearchCV(student, GRID, **OPTIONS, return_train_score=False).fit(*digits)
    assert_same_search(search, other)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"param_grid": {"max_iter": [1, 2]}}, "part of the searched parameters"),
        ({"resource": "patience"}, "not supported by estimator"),
        ({"min_resources": 9}, "greater than max_resources_=8"),
        ({"cv": StratifiedKFold(2, shuffle=True)}, "consistent folds"),
        ({"factor": -1}, "'factor' parameter"),
        ({"memory_limit": 0}, "'memory_limit' parameter"),
        ({"resource": "batch_size", "max_resources": "auto"}, "can only be 'n_samples'"),
    ],
)
def test_bad_input(student, digits, params, message):
    search = StackedHalvingGridSearchCV(student, GRID, **OPTIONS).set_params(**params)
    with pytest.raises(ValueError, match=message):
        search.fit(*digits)
    assert not hasattr(search, "cv_results_")


@pytest.mark.parametrize("Search", [StackedHalvingGridSearchCV, StackedHalvingRandomSearchCV])
def test_parameters(student, Search):
    search = Search(student, GRID, memory_limit=1e9, checkpoint="file", factor=2)
    assert clone(search).get_params(deep=False).keys() == search.get_params(deep=False).keys()
    original = {HalvingGridSearchCV, HalvingRandomSearchCV}.intersection(Search.__mro__).pop()
    defaults = original(student, GRID).get_params(deep=False)
    own = Search(student, GRID).get_params(deep=False)
    assert {name: own[name] for name in defaults} == defaults
    assert own.keys() - defaults.keys() == {"memory_limit", "checkpoint"}
