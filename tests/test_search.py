"""Stacked searches: drop-in for scikit-learn's, with the same results."""

import json
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import sklqkd.search.fits
from sklqkd import DistilledLinearClassifier, DistilledQNNClassifier, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.exceptions import DamagedFileError
from sklqkd.losses import DISTILLATION_LOSSES, DistillationLoss
from sklqkd.search import (
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedRandomizedSearchCV,
)
from sklqkd.search.progress import Progress
from sklqkd.search.shared_runs import SharedFold
from sklqkd.targets import teacher_word

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
    original = sklqkd.search.fits._fit_and_score_stack

    def stack(calls, *others):
        numbers.append(len(calls))
        return original(calls, *others)

    monkeypatch.setattr(sklqkd.search.fits, "_fit_and_score_stack", stack)
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


@pytest.mark.filterwarnings("ignore::sklqkd.exceptions.TeacherWarning")  # it is made up
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


@pytest.mark.parametrize("n_qubits", [3, 6])  # a stack, and one by one
def test_fits_that_diverge(student, digits, n_qubits):
    student = clone(student).set_params(n_qubits=n_qubits, reducer="fc")
    grid = {"learning_rate_init": [0.01, 1e30, 0.1]}
    own = StackedGridSearchCV(student, grid, cv=2)
    other = GridSearchCV(student, grid, cv=2)
    for search in (own, other):
        with (
            pytest.warns(FitFailedWarning, match="2 fits failed"),
            pytest.warns(UserWarning, match="non-finite"),
        ):
            search.fit(*digits)
    assert_same_results(own.cv_results_, other.cv_results_)
    assert np.isnan(own.cv_results_["mean_test_score"]).tolist() == [False, True, False]


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


@pytest.mark.parametrize(
    ("estimator", "grid", "is_here"),
    [
        (QNNClassifier(n_qubits=2, max_iter=1), {"random_state": [0, 1]}, True),
        (QNNClassifier(n_qubits=2, max_iter=1), {"n_qubits": [2, 7]}, False),
        (QNNClassifier(n_qubits=2, max_iter=1), {"shots": [None, 50]}, False),
        (DistilledLinearClassifier(max_iter=1), {"random_state": [0, 1]}, False),
        (LogisticRegression(), {"C": [0.1, 1.0]}, False),
    ],
    ids=["compiled", "7 qubits", "shots", "classical", "scikit-learn's"],
)
def test_threads_are_for_compiled_epochs(estimator, grid, is_here, digits):
    def process(estimator, X, y):
        return os.getpid()

    search = StackedGridSearchCV(estimator, grid, cv=2, n_jobs=2, scoring=process, refit=False)
    found = search.fit(*digits).cv_results_
    processes = {found[f"split{k}_test_score"][i] for k in range(2) for i in range(2)}
    assert (processes == {os.getpid()}) == is_here


def test_a_small_memory_limit_gives_folds_up(student, digits, monkeypatch):
    made = []

    class Fold(sklqkd.search.fits._Fold):
        def __init__(self, *args):
            made.append(self)
            super().__init__(*args)

    monkeypatch.setattr(sklqkd.search.fits, "_Fold", Fold)
    options = {"factor": 2, "resource": "max_iter", "min_resources": 1, "max_resources": 4}
    search = StackedHalvingGridSearchCV(student, GRID, cv=2, random_state=0, **options)
    first = clone(search).fit(*digits).cv_results_
    assert len(made) == 2
    made.clear()
    again = clone(search).set_params(memory_limit=1).fit(*digits).cv_results_
    assert len(made) > 4
    assert_same_results(again, first)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_jobs(student, digits, backend):
    own = StackedGridSearchCV(student, GRID, cv=3, n_jobs=2)
    with joblib.parallel_config(backend=backend):
        own.fit(*digits)
    other = StackedGridSearchCV(student, GRID, cv=3).fit(*digits)
    assert_same_results(own.cv_results_, other.cv_results_)


# progress


def test_progress(student, digits, capsys):
    search = StackedGridSearchCV(student, GRID, cv=2, verbose=1).fit(*digits)
    line = capsys.readouterr().out.splitlines()[-1]
    done = f"[search] 4 of 4 candidates (8 of 8 fits), best mean score {search.best_score_:.4f}"
    assert line.startswith(f"{done}, took ")
    search.set_params(verbose=0).fit(*digits)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("refit", ["neg_log_loss", False])
def test_progress_with_several_scorers(student, digits, capsys, refit):
    scoring = ["accuracy", "neg_log_loss"]
    search = StackedGridSearchCV(student, GRID, scoring=scoring, refit=refit, cv=2, verbose=1)
    search.fit(*digits)
    line = capsys.readouterr().out.splitlines()[-1]
    best = f", best mean score {search.best_score_:.4f}" if refit else ""
    assert f"(8 of 8 fits){best}, took " in line


def test_progress_as_candidates_get_done(capsys, monkeypatch):
    search = StackedGridSearchCV(None, {}, verbose=1)
    first, second = {"lam": 0.1}, {"lam": 0.2}
    calls = [SimpleNamespace(parameters=each) for each in (first, first, second, second)]
    now = iter([0.0, 10.0, 10.5, 20.0, 30.0])
    monkeypatch.setattr(sklqkd.search.progress.time, "perf_counter", lambda: next(now))
    progress = Progress(search, calls, [None] * 4)
    for i, score in enumerate([0.5, 0.9, np.nan, 1.0]):
        progress.add({i: {"test_scores": score}})
    assert capsys.readouterr().out.splitlines() == [
        "[search] 0 of 2 candidates (1 of 4 fits), about 30 s left",
        # none within a second of the last
        "[search] 1 of 2 candidates (3 of 4 fits), best mean score 0.7000, about 7 s left",
        "[search] 2 of 2 candidates (4 of 4 fits), best mean score 0.7000, took 30 s",
    ]


def test_progress_where_all_fits_fail(student, digits, capsys):
    search = StackedGridSearchCV(student, {"reducer": [None]}, cv=2, verbose=1)
    with pytest.raises(ValueError, match="All the 2 fits failed"):
        search.fit(*digits)
    assert "1 of 1 candidates (2 of 2 fits), took" in capsys.readouterr().out


def test_clone_and_parameters(student):
    search = StackedGridSearchCV(student, GRID, memory_limit=1e9, checkpoint="file")
    assert clone(search).get_params(deep=False).keys() == search.get_params(deep=False).keys()
    with pytest.raises(ValueError, match="memory_limit"):
        search.set_params(memory_limit=-1).fit([[0]], [0])


# checkpoints


class Interrupts:
    """Scores by accuracy, and is interrupted after so many scores."""

    left: list = []  # noqa: RUF012  (of all of them: they are one scorer)

    def __init__(self, after):
        self.left[:] = [None] * after

    def __call__(self, estimator, X, y):
        if not self.left:
            raise KeyboardInterrupt
        self.left.pop()
        return estimator.score(X, y)


def test_an_interrupted_search_goes_on(student, digits, tmp_path, n_trained, monkeypatch):
    monkeypatch.setattr(sklqkd.search.fits, "SHORT_STACK", 3)
    options = {"cv": 3, "refit": False, "checkpoint": tmp_path / "search"}
    search = StackedGridSearchCV(student, GRID, scoring=Interrupts(7), **options)
    with pytest.raises(KeyboardInterrupt) as stop:
        search.fit(*digits)
    assert n_trained == [3, 3, 3]
    assert re.match("6 of 12 fits are kept in '.*search'", stop.value.__notes__[0])
    n_trained.clear()
    search.set_params(scoring=Interrupts(99)).fit(*digits)
    assert n_trained == [3, 3]  # two of four stacks had been finished
    other = GridSearchCV(student, GRID, cv=3, refit=False).fit(*digits)
    assert_same_results(search.cv_results_, other.cv_results_)


def test_an_interrupted_search_without_a_checkpoint_tells(student, digits):
    search = StackedGridSearchCV(student, GRID, scoring=Interrupts(3), cv=3)
    with pytest.raises(KeyboardInterrupt) as stop:
        search.fit(*digits)
    assert "0 of 12 fits were done, and are lost. With checkpoint=" in stop.value.__notes__[0]


KILLED = """
import os, signal, sys
from pathlib import Path

from sklqkd import QNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.search import StackedGridSearchCV, fits

fits.SHORT_STACK = 4


class Scorer:
    def __call__(self, estimator, X, y):
        with open("scored", "a") as file:
            file.write(".")
        if Path("scored").stat().st_size == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return estimator.score(X, y)

    def __repr__(self):
        return "Scorer()"


X, y = take_per_class(*load_digits(return_X_y=True), 40, classes=[0, 1, 2])
student = QNNClassifier(n_qubits=3, reducer="pca", max_iter=4, random_state=0)
grid = {"learning_rate_init": [0.01, 0.03], "random_state": [0, 1, 2]}
search = StackedGridSearchCV(student, grid, cv=3, scoring=Scorer(), checkpoint="search")
search.fit(X, y)
print(search.cv_results_["mean_test_score"].tolist())
"""


def test_a_killed_search_goes_on(digits, tmp_path):
    command = [sys.executable, "-c", KILLED]
    killed, again = (
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        for _ in range(2)
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert again.returncode == 0, again.stderr
    # The 8 of 18 fits before the third stack were not repeated.
    assert (tmp_path / "scored").stat().st_size == 10 + 18 - 8
    student = QNNClassifier(n_qubits=3, reducer="pca", max_iter=4, random_state=0)
    grid = {"learning_rate_init": [0.01, 0.03], "random_state": [0, 1, 2]}
    other = StackedGridSearchCV(student, grid, cv=3).fit(*digits)
    assert_allclose(json.loads(again.stdout), other.cv_results_["mean_test_score"], atol=1e-6)


@pytest.fixture
def stored(student, digits, tmp_path):
    """Return the path of a finished search's checkpoint, and the search."""
    path = tmp_path / "search"
    search = StackedGridSearchCV(student, GRID, cv=2, refit=False, checkpoint=path)
    return path, search.fit(*digits)


def test_a_line_that_was_cut_off_is_trained_again(stored, digits, n_trained, monkeypatch):
    path, search = stored
    whole, results = path.read_bytes(), search.cv_results_
    path.write_bytes(whole[:-7])
    assert_same_results(search.fit(*digits).cv_results_, results)
    assert n_trained == [8]
    search.fit(*digits)
    assert n_trained == [8]


@pytest.mark.parametrize(
    "damage", [lambda content: b"no checkpoint", bytes.swapcase, lambda content: content[:40]]
)
def test_a_file_of_which_nothing_is_whole_is_refused(stored, digits, damage):
    path, search = stored
    path.write_bytes(damaged := damage(path.read_bytes()))
    with pytest.raises(DamagedFileError, match=r"search' is damaged, or is no checkpoint"):
        search.fit(*digits)
    assert path.read_bytes() == damaged


def test_a_damaged_line_is_left_out_with_a_warning(stored, digits, n_trained):
    path, search = stored
    results = search.cv_results_
    path.write_bytes(damaged := path.read_bytes().replace(b"test", b"tset"))
    n_trained.clear()
    with pytest.warns(RuntimeWarning, match=r"of 2 lines, 1 are left out \(number 2\)"):
        search.fit(*digits)
    assert n_trained == [8]
    assert_same_results(search.cv_results_, results)
    assert path.read_bytes().startswith(damaged)


def test_a_checkpoint_that_cannot_be_written_fails_at_once(student, digits, tmp_path, n_trained):
    search = StackedGridSearchCV(student, GRID, checkpoint=tmp_path / "no folder" / "search")
    with pytest.raises(FileNotFoundError, match="no folder"):
        search.fit(*digits)
    assert n_trained == []


def test_a_full_disk_leaves_what_was_written(stored, digits, n_trained):
    resource = pytest.importorskip("resource", reason="the system has no limit of file sizes")
    path, search = stored
    whole = path.read_bytes()
    search.set_params(param_grid={"lam": [0.1, 0.2, 0.9]})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 9, limits[1]))
    try:
        with pytest.warns(RuntimeWarning, match="could not be written to checkpoint="):
            search.fit(*digits)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes().startswith(whole)
    assert len(search.cv_results_["params"]) == 3
    search.fit(*digits).fit(*digits)  # the line that was cut off is no damage


@pytest.mark.filterwarnings("ignore::sklqkd.exceptions.TeacherWarning")  # it is made up
def test_candidates_that_look_alike_are_told_apart(student, digits, tmp_path):
    X, y = digits
    teachers = [
        FrozenEstimator(RandomForestClassifier(5, random_state=0).fit(X, labels))
        for labels in (y, np.roll(y, 1))
    ]
    options = {"param_grid": {"teacher": teachers, "lam": [1.0]}, "cv": 2, "refit": False}
    search = StackedGridSearchCV(student, checkpoint=tmp_path / "search", **options)
    search.fit(X, y).fit(X, y)
    other = GridSearchCV(student, **options).fit(X, y)
    assert_allclose(search.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"])
    assert np.ptp(other.cv_results_["mean_test_score"]) > 0.1


def test_a_checkpoint_of_another_teacher_is_refused(student, digits, tmp_path):
    X, y = digits
    search = StackedGridSearchCV(student, GRID, cv=2, refit=False, checkpoint=tmp_path / "search")
    search.fit(X, y)
    teacher = RandomForestClassifier(20, random_state=0).fit(X, np.roll(y, 1))
    with pytest.raises(ValueError, match="another estimator, or on other data"):
        search.set_params(estimator=clone(student).set_params(teacher=teacher)).fit(X, y)


def test_a_checkpoint_tells_teachers_within_a_pipeline(student, digits, tmp_path):
    X, y = digits
    path = tmp_path / "search"
    for labels in (y, np.roll(y, 1)):
        teacher = RandomForestClassifier(5, random_state=0).fit(X, labels)
        taught = make_pipeline(FunctionTransformer(), clone(student).set_params(teacher=teacher))
        grid = {"distilledqnnclassifier__lam": [0.3, 0.9]}
        search = StackedGridSearchCV(taught, grid, cv=2, refit=False, checkpoint=path)
        if labels is y:
            search.fit(X, y)
        else:
            with pytest.raises(ValueError, match="another estimator, or on other data"):
                search.fit(X, y)


def test_splits_with_long_indices_are_told_apart():
    X, y = (np.concatenate([part] * 2) for part in load_digits(return_X_y=True))
    half = np.arange(len(y)) % 2 == 0
    other = half.copy()
    other[600:1200] = ~half[600:1200]
    one, two = (
        [tuple(map(np.flatnonzero, (f, ~f))) for f in (part, ~part)] for part in (half, other)
    )
    assert repr(one) == repr(two)  # NumPy writes the ends alone
    fold, classes, teacher = (
        SharedFold(X, y),
        np.unique(y),
        DecisionTreeClassifier(max_depth=3, random_state=0),
    )
    for cv in (one, two):
        asked = fold.ask(teacher, X, y, classes, cv=cv)
        assert_array_equal(asked.logits, teacher_word(teacher, X, y, classes, cv=cv).logits)


def test_a_checkpoint_of_another_search_is_refused(student, digits, tmp_path):
    path = tmp_path / "search.joblib"
    search = StackedGridSearchCV(student, GRID, cv=2, refit=False, checkpoint=path).fit(*digits)
    search.set_params(param_grid={"lam": [0.2, 0.9, 1.0]}, cv=ShuffleSplit(2, random_state=0))
    search.fit(*digits)  # other candidates and folds of the same student are welcome
    with pytest.raises(ValueError, match="another estimator, or on other data"):
        search.fit(digits[0] + 1, digits[1])
    with pytest.raises(ValueError, match="another estimator, or on other data"):
        search.set_params(estimator__max_iter=9).fit(*digits)


@pytest.mark.parametrize("name", ["dist", "hinton", "logit_mse"])
def test_a_loss_of_ones_own_is_evaluated_for_each_student(digits, name):
    """One that compares the images of a batch too, whatever function it is."""
    known = DISTILLATION_LOSSES[name]
    own = DistillationLoss(known.targets, lambda *given: known.loss(*given))
    assert own.is_batchwise
    X, y = digits
    teacher = RandomForestClassifier(20, random_state=0).fit(X, y)
    student = DistilledQNNClassifier(
        teacher, distillation=own, reducer="avg_pool", max_iter=5, random_state=0
    )
    grid = {"lam": [0.3, 0.6, 0.9], "learning_rate_init": [0.01, 0.03]}
    found = StackedGridSearchCV(student, grid, cv=2, refit=False).fit(X, y)
    expected = GridSearchCV(student, grid, cv=2, refit=False).fit(X, y)
    key = "mean_test_score"
    np.testing.assert_allclose(found.cv_results_[key], expected.cv_results_[key], atol=1e-12)
