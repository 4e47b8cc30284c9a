"""The student alone: scikit-learn's contract and more, on small images of digits."""

import io
import os
import pickle
import random
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pennylane as qml
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from sklqkd import DistilledQNNClassifier, FCReducer, PCAReducer, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class

ENCODINGS = ("amplitude", "angle", "qubit", "hadamard_ry")
every_student = pytest.mark.parametrize("Student", [QNNClassifier, DistilledQNNClassifier])


def quick(**params):
    return QNNClassifier(**{"max_iter": 3, "random_state": 0} | params)


@pytest.fixture(scope="module")
def digits():
    """120 images of 3 classes."""
    return take_per_class(*load_digits(return_X_y=True), 40, classes=[0, 1, 2])


@pytest.fixture(scope="module")
def fitted(digits):
    return quick(max_iter=10).fit(*digits)


# a template, reducers and callbacks of a user


def ring(weights, wires):
    for layer in weights:
        for angle, wire in zip(layer, wires, strict=True):
            qml.RY(angle, wires=wire)
        for i in range(len(wires)):
            qml.CZ(wires=[wires[i], wires[(i + 1) % len(wires)]])


ring.shape = lambda n_layers, n_wires: (n_layers, n_wires)


class BrokenReducer(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_seen_ = len(X)
        return self

    def transform(self, X):
        raise RuntimeError("this reducer is broken")


class Watcher:
    """Notes what each epoch shows it; stops or raises after `n_epochs`, where told."""

    def __init__(self, n_epochs=None, raises=False):
        self.n_epochs = n_epochs
        self.raises = raises
        self.losses, self.scores, self.n_threads = [], [], []
        self.torn_down = 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.torn_down += 1

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        if context.task_name != "epoch":
            return False
        self.n_threads.append(blas_threads())
        self.losses.append(fitted_estimator.loss_curve_[-1])
        self.scores.append(fitted_estimator.score(X, y))
        done = len(self.losses) == self.n_epochs
        if done and self.raises:
            raise RuntimeError("this callback is broken")
        return done


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def snapshot(estimator):
    return pickle.dumps(vars(estimator))


# predictions


@pytest.mark.parametrize(
    "labels",
    [["cat", "dog", "emu"], [3, 7, 100], [0.0, 1.0, 5.0], np.array(["a", "b", "c"], object)],
    ids=["str", "int", "float", "object"],
)
def test_classes_of_any_type(digits, fitted, labels):
    X, y = digits
    labels = np.asarray(labels)
    student = quick(max_iter=10).fit(X, labels[y])
    assert_array_equal(student.classes_, labels)
    assert student.classes_.dtype == labels.dtype
    assert_array_equal(student.predict(X), labels[fitted.predict(X)])
    assert_array_equal(student.parameters_, fitted.parameters_)


@pytest.mark.parametrize("labels", [[3, 7], [False, True], ["no", "yes"]], ids=str)
def test_two_classes(digits, labels):
    X, y = digits
    labels = np.asarray(labels)
    binary = labels[(y[y < 2])]
    student = quick(max_iter=10).fit(X[y < 2], binary)
    decision = student.decision_function(X)
    assert decision.shape == (len(X),)
    assert_array_equal(student.predict(X), labels[(decision > 0).astype(int)])
    assert_allclose(student.predict_proba(X)[:, 1], 1 / (1 + np.exp(-decision)), rtol=1e-6)
    assert student.score(X[y < 2], binary) > 0.9


def test_probabilities_and_labels_agree(digits, fitted):
    X, _ = digits
    probabilities = fitted.predict_proba(X)
    assert probabilities.shape == fitted.decision_function(X).shape == (len(X), 3)
    assert (probabilities > 0).all()
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert_array_equal(fitted.predict(X), fitted.classes_[probabilities.argmax(axis=1)])
    assert_allclose(np.exp(fitted.predict_log_proba(X)), probabilities, rtol=1e-12)
    logits = fitted.decision_function(X)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert_allclose(probabilities, softmax, rtol=1e-9)


def test_prediction_does_not_depend_on_the_batch(digits, fitted):
    X, _ = digits
    one_by_one = np.vstack([fitted.predict_proba(row[None]) for row in X[:10]])
    assert_allclose(one_by_one, fitted.predict_proba(X)[:10], rtol=1e-5)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_it_learns(digits, encoding):
    X, y = digits
    student = quick(encoding=encoding, max_iter=15, learning_rate_init=0.03).fit(X[::2], y[::2])
    assert student.score(X[1::2], y[1::2]) > 0.8


@every_student
def test_unfitted(digits, Student):
    X, _ = digits
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(Student(), name)(X)
    assert not hasattr(Student(), "circuit_weights_")


# reproducibility


@every_student
@pytest.mark.parametrize("reducer", ["fc", "conv", "pca"])
def test_same_seed_same_parameters(digits, Student, reducer):
    def parameters(seed):
        student = Student(reducer=reducer, max_iter=2, random_state=seed)
        return student.fit(*digits).parameters_

    assert_array_equal(parameters(0), parameters(0))
    assert_array_equal(parameters(np.random.RandomState(5)), parameters(5))
    assert not np.array_equal(parameters(0), parameters(1))
    assert not np.array_equal(parameters(None), parameters(None))


def test_a_reducer_without_a_seed_takes_the_students(digits):
    def components(reducer):
        student = quick(reducer=reducer, max_iter=1).fit(*digits)
        return student.reducer_.transform(digits[0])

    pca = PCA(n_components=8, svd_solver="randomized", iterated_power=0)
    assert_array_equal(components(pca), components(pca))
    nested = make_pipeline(StandardScaler(), pca)
    assert_array_equal(components(nested), components(nested))
    assert pca.random_state is None


@every_student
@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("reducer", ["fc", "conv", "pca"])
def test_global_state_is_left_as_found(digits, Student, seed, reducer):
    X, y = digits
    np.random.seed(17)  # noqa: NPY002
    torch.manual_seed(17)
    random.seed(17)

    def state():
        name, keys, *rest = np.random.get_state()  # noqa: NPY002
        return [
            (name, keys.tolist(), rest),
            torch.get_rng_state().tolist(),
            random.getstate(),
            threadpool_info(),
            torch.get_num_threads(),
            np.geterr(),
        ]

    with threadpool_limits(2):
        before = state()
        student = Student(reducer=reducer, max_iter=2, random_state=seed, early_stopping=True)
        student.fit(X, y).predict_proba(X)
        student.partial_fit(X, y)
        assert state() == before
        with pytest.raises(ValueError, match="NaN"):
            student.fit(np.where(np.arange(X.size).reshape(X.shape) == 7, np.nan, X), y)
        assert state() == before


class ThreadCounter(io.StringIO):
    """Notes the number of BLAS threads whenever a line is printed, in the middle of an epoch."""

    def __init__(self):
        super().__init__()
        self.n_threads = []

    def write(self, text):
        self.n_threads += [set(blas_threads())] if text.strip() else []
        return super().write(text)


def test_kernels_run_on_one_thread(digits):
    """And go on doing so if a callback predicts; the callback has as many threads as before."""
    watcher, printed = Watcher(), ThreadCounter()
    with threadpool_limits(2), redirect_stdout(printed):
        before = blas_threads()  # a library that cannot do more has 1
        quick(verbose=1).set_callbacks(watcher).fit(*digits)
        assert blas_threads() == before
    assert max(before) == 2
    assert printed.n_threads == [{1}] * 3
    assert watcher.n_threads == [before] * 3


# a fit that fails


def test_failed_fit_changes_nothing(digits):
    X, y = digits
    student = quick().fit(X, y)
    before, probabilities = snapshot(student), student.predict_proba(X)
    bad = X.copy()
    bad[3, 3] = np.nan
    wide = np.hstack([X, X])
    for fit in (student.fit, student.partial_fit):
        with pytest.raises(ValueError, match="NaN"):
            fit(bad, y)
        with pytest.raises(ValueError, match="non-zero"):
            fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(ValueError, match="one class"):
        student.fit(wide, np.zeros(len(y)))
    assert snapshot(student) == before
    assert_array_equal(student.predict_proba(X), probabilities)


def test_failed_reducer_changes_nothing(digits):
    X, y = digits
    student = quick().fit(X, y)
    probabilities = student.predict_proba(X)
    student.set_params(reducer=BrokenReducer())
    before = snapshot(student)
    with pytest.raises(RuntimeError, match="reducer is broken"):
        student.fit(X[:, :32], y)
    assert snapshot(student) == before
    assert not hasattr(student.reducer, "n_seen_")
    assert_array_equal(student.predict_proba(X), probabilities)


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("reducer", ["fc", "pca"])
def test_failed_callback_changes_nothing(digits, warm_start, reducer):
    X, y = digits
    student = quick(max_iter=5, warm_start=warm_start, reducer=reducer).fit(X, y)
    before, probabilities = snapshot(student), student.predict_proba(X)
    watcher = Watcher(n_epochs=3, raises=True)
    student.set_callbacks(watcher)
    with pytest.raises(RuntimeError, match="callback is broken"):
        student.fit(X, y)
    assert len(watcher.losses) == 3
    assert watcher.torn_down == 1
    assert snapshot(student.set_callbacks()) == before
    assert_array_equal(student.predict_proba(X), probabilities)


def test_a_batch_that_memory_cannot_hold_is_refused_with_one_that_fits(digits, monkeypatch):
    X, y = digits
    monkeypatch.setattr("sklqkd.students.quantum_student.memory_limit", lambda: 1e6)
    student = quick(n_qubits=6, batch_size=10_000)
    with pytest.raises(ValueError, match=r"Use batch_size=\d+ or less") as refusal:
        student.fit(X, y)
    fits = int(re.search(r"batch_size=(\d+) or less", str(refusal.value))[1])
    with pytest.raises(ValueError, match="GiB"):
        student.set_params(batch_size=fits + 1).fit(X, y)
    assert student.set_params(batch_size=fits).fit(X, y).n_iter_ > 0


def test_failed_first_fit_leaves_no_trace(digits):
    X, y = digits
    student = quick(n_qubits=25)
    with pytest.raises(ValueError, match="GiB"):
        student.fit(X, y)
    with pytest.raises(NotFittedError):
        student.predict(X)
    assert vars(student) == vars(quick(n_qubits=25))


# going on: warm_start and partial_fit


def test_warm_start_goes_on(digits):
    student = quick(warm_start=True).fit(*digits)
    first = student.parameters_.copy()
    student.fit(*digits)
    assert student.n_iter_ == 3
    assert len(student.loss_curve_) == 6
    assert (np.diff(student.loss_curve_) < 0).all()
    assert_array_equal(quick().fit(*digits).parameters_, first)
    assert not np.array_equal(student.parameters_, first)
    cold = quick().fit(*digits).fit(*digits)
    assert len(cold.loss_curve_) == 3
    assert_array_equal(cold.parameters_, first)


def test_warm_start_keeps_adam_going(digits):
    """Without shuffling, dropout or a hold-out, 2 x 3 epochs are 6 epochs."""
    twice = quick(warm_start=True, shuffle=False).fit(*digits).fit(*digits)
    once = quick(max_iter=6, shuffle=False).fit(*digits)
    assert_array_equal(twice.parameters_, once.parameters_)
    assert twice.loss_curve_ == once.loss_curve_


def test_warm_start_with_a_fixed_reducer_keeps_it(digits):
    X, y = digits
    student = quick(warm_start=True, reducer="pca").fit(X, y)
    components = student.reducer_.components_.copy()
    student.fit(X[:60], y[:60])
    assert_array_equal(student.reducer_.components_, components)
    assert len(student.loss_curve_) == 6


def test_warm_start_refuses_other_classes(digits):
    X, y = digits
    student = quick(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="warm_start=True goes on with the classes"):
        student.fit(X, y + 1)
    with pytest.raises(ValueError, match="warm_start=True goes on with the classes"):
        student.fit(X[y < 2], y[y < 2])


@pytest.mark.parametrize(
    "change",
    [
        {"n_layers": 2},
        {"n_qubits": 5},
        {"measurement": "expval"},
        {"encoding": "angle"},
        {"ansatz": "basic_entangler"},
        {"ansatz": "rotations"},  # as many weights as before
    ],
    ids=str,
)
def test_warm_start_refuses_another_circuit(digits, change):
    student = quick(warm_start=True).fit(*digits).set_params(**change)
    with pytest.raises(ValueError, match="warm_start=False"):
        student.fit(*digits)


def test_partial_fit_learns(digits):
    X, y = digits
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    student = quick(learning_rate_init=0.03)
    for i in range(30):
        rows = slice(40 * (i % 3), 40 * (i % 3) + 40)
        student.partial_fit(X[rows], y[rows], classes=[2, 1, 0] if i == 0 else None)
    assert_array_equal(student.classes_, [0, 1, 2])
    assert student.score(X, y) > 0.9
    assert len(student.loss_curve_) == 30
    assert student.loss_curve_[-1] < student.loss_curve_[0] / 2


def test_partial_fit_of_part_of_the_classes(digits):
    X, y = digits
    student = quick().partial_fit(X[y == 1], y[y == 1], classes=[0, 1, 2])
    assert student.predict_proba(X).shape == (len(X), 3)


def test_partial_fit_is_an_epoch_of_fit(digits):
    student = quick(shuffle=False).fit(*digits)
    by_parts = quick(shuffle=False)
    for _ in range(3):
        by_parts.partial_fit(*digits, classes=[0, 1, 2])
    assert_array_equal(by_parts.parameters_, student.parameters_)


def test_partial_fit_refuses(digits):
    X, y = digits
    with pytest.raises(ValueError, match="classes must be passed"):
        quick().partial_fit(X, y)
    with pytest.raises(ValueError, match=r"classes \[2\], which are not among"):
        quick().partial_fit(X, y, classes=[0, 1])
    student = quick().partial_fit(X, y, classes=[0, 1, 2])
    before = snapshot(student)
    with pytest.raises(ValueError, match=r"classes \[9\], which are not among"):
        student.partial_fit(X, np.where(y == 2, 9, y))
    with pytest.raises(ValueError, match="not what the first call"):
        student.partial_fit(X, y, classes=[0, 1, 2, 3])
    with pytest.raises(ValueError, match="features"):
        student.partial_fit(X[:, :10], y)
    assert snapshot(student) == before


# sample_weight


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("weight", [1, 2])
def test_equal_weights_are_no_weights(digits, early_stopping, weight):
    X, y = digits
    plain = quick(early_stopping=early_stopping).fit(X, y)
    weighted = quick(early_stopping=early_stopping).fit(X, y, np.full(len(y), weight))
    assert_array_equal(weighted.parameters_, plain.parameters_)
    assert weighted.loss_curve_ == plain.loss_curve_


@pytest.mark.parametrize("early_stopping", [False, True])
def test_rows_of_weight_0_do_not_count(digits, early_stopping):
    X, y = digits
    wrong = np.random.default_rng(0).permutation(len(y)) % 3 > 0
    garbage = np.where(wrong, (y + 1) % 3, y)
    weight = np.where(wrong, 0.0, 1.0)
    params = {"max_iter": 30, "shuffle": False, "early_stopping": early_stopping}
    params |= {"validation_fraction": 0.3, "n_iter_no_change": 30}
    student = quick(**params).fit(X, garbage, weight)
    assert student.score(X, y) > 0.7
    assert quick(**params).fit(X, garbage).score(X, y) < 0.5


def test_labels_and_pixels_of_rows_of_weight_0_do_not_count(digits):
    X, y = digits
    without = np.arange(len(y)) % 3 > 0
    weight = np.where(without, 0.0, 1.0)
    student = quick(shuffle=False).fit(X, y, weight)
    labels = np.where(without, (y + 2) % 3, y)
    pixels = np.where(without[:, None], X[::-1], X)
    other = quick(shuffle=False).fit(pixels, labels, weight)
    assert_allclose(other.predict_proba(X), student.predict_proba(X), rtol=1e-4)
    counted = quick(shuffle=False).fit(pixels, labels)
    assert not np.allclose(counted.predict_proba(X), student.predict_proba(X), rtol=1e-2)


def test_bad_weights(digits):
    X, y = digits
    with pytest.raises(ValueError, match="at least one non-zero"):
        quick().fit(X, y, np.zeros(len(y)))
    with pytest.raises(ValueError, match=r"[Nn]egative values"):
        quick().fit(X, y, np.where(y == 0, -1.0, 1.0))
    with pytest.raises(ValueError, match="sample_weight"):
        quick().fit(X, y, np.ones(len(y) - 1))
    one_row = np.zeros(len(y))
    one_row[0] = 1
    with pytest.raises(ValueError, match="early_stopping"):
        quick(early_stopping=True).fit(X, y, one_row)


# when training stops


def test_early_stopping_restores_the_best_weights(digits):
    params = {"early_stopping": True, "validation_fraction": 0.3, "learning_rate_init": 0.02}
    student = quick(max_iter=60, n_iter_no_change=5, **params).fit(*digits)
    scores = student.validation_scores_
    assert len(scores) == len(student.loss_curve_) == student.n_iter_ < 60
    best = int(np.argmax(scores))
    assert best < student.n_iter_ - 1  # something came after the best epoch
    stopped = quick(max_iter=best + 1, **params).fit(*digits)
    assert stopped.validation_scores_ == scores[: best + 1]
    assert_array_equal(stopped.parameters_, student.parameters_)


def test_early_stopping_holds_out_images(digits):
    """The score of the one held-out image per class is a multiple of 1 / 3."""
    X, y = digits
    student = quick(early_stopping=True, validation_fraction=3 / len(y)).fit(X, y)
    assert_allclose(np.multiply(student.validation_scores_, 3) % 1, 0, atol=1e-12)
    assert quick().fit(X, y).validation_scores_ is None


def test_training_stops_where_the_loss_stands_still(digits):
    X, y = digits
    student = quick(max_iter=100, tol=0.05, n_iter_no_change=2, learning_rate_init=0.05)
    student.fit(X[y < 2], y[y < 2])
    assert 2 < student.n_iter_ < 100
    assert len(student.loss_curve_) == student.n_iter_
    best = np.minimum.accumulate(student.loss_curve_)
    assert best[-3] - best[-1] < 2 * 0.05
    never = quick(max_iter=25, tol=0, n_iter_no_change=25).fit(X[y < 2], y[y < 2])
    assert never.n_iter_ == 25


def test_verbose(digits, capsys):
    quick().fit(*digits)
    assert capsys.readouterr().out == ""
    quick(verbose=1, early_stopping=True).fit(*digits)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("[QNNClassifier] epoch 3: loss ")
    assert "validation accuracy" in lines[2]


# parameters


@pytest.mark.parametrize("measurement", ["probs", "expval"])
@pytest.mark.parametrize(
    ("ansatz", "quantum"),
    [
        ("strongly_entangling", 2 * 3 * 3),
        ("basic_entangler", 2 * 3),
        ("rotations", 2 * 3 * 3),
        ("none", 0),
        (ring, 2 * 3),
    ],
)
@pytest.mark.parametrize(
    ("reducer", "front_end"), [("fc", 64 * 8 + 8), ("pca", 0), (PCA(5), 0), (None, 0)]
)
def test_number_of_parameters(digits, measurement, ansatz, quantum, reducer, front_end):
    X, y = digits
    X = X[:, 24:32] if reducer is None else X
    student = quick(
        n_qubits=3, n_layers=2, ansatz=ansatz, reducer=reducer, measurement=measurement, max_iter=1
    ).fit(X, y)
    n_outputs = 8 if measurement == "probs" else 3
    head = 3 * n_outputs + 3
    assert student.n_parameters_ == {"quantum": quantum, "classical": front_end + head}
    assert student.parameters_.shape == (quantum + front_end + head,)
    assert student.circuit_weights_.size == quantum
    assert student.head_coef_.shape == (3, n_outputs)
    assert student.head_intercept_.shape == (3,)
    parts = [student.circuit_weights_, student.head_coef_, student.head_intercept_]
    flat = np.concatenate([part.ravel() for part in parts])
    assert_array_equal(student.parameters_[front_end:], flat)


def test_set_params_after_fit_does_not_change_predictions(digits):
    X, y = digits
    student = quick().fit(X, y)
    before, weights = student.predict_proba(X), student.circuit_weights_
    student.set_params(
        n_qubits=6, encoding="angle", ansatz="none", measurement="expval", reducer="crop"
    )
    assert_array_equal(student.predict_proba(X), before)
    assert_array_equal(student.circuit_weights_, weights)


def test_clone_is_unfitted_and_equal(fitted, digits):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "parameters_")
    assert_array_equal(copy.fit(*digits).parameters_, fitted.parameters_)


def test_warm_start_refuses_another_number_of_features(digits):
    X, y = digits
    student = quick(warm_start=True).fit(X, y)
    before = snapshot(student)
    with pytest.raises(ValueError, match="warm_start=False"):
        student.fit(X[:, :32], y)
    assert snapshot(student) == before


@pytest.mark.parametrize(
    "reducer", [PCAReducer(n_components=None), PCA(), FCReducer(n_components=None)], ids=str
)
def test_a_transformer_gets_its_number_of_components(digits, reducer):
    X, y = digits
    student = quick(reducer=reducer, encoding="qubit").fit(X, y)
    assert student.reducer_.transform(X).shape == (len(X), 8)
    assert reducer.n_components is None
    assert not hasattr(reducer, "n_features_in_")


def test_the_users_own_template(digits):
    X, y = digits
    student = quick(ansatz=ring, max_iter=15, learning_rate_init=0.03).fit(X, y)
    assert student.circuit_weights_.shape == (3, 4)
    assert student.score(X, y) > 0.9
    probabilities = student.predict_proba(X)
    again = pickle.loads(pickle.dumps(student))
    assert again.ansatz is ring
    assert_array_equal(again.predict_proba(X), probabilities)
    assert_array_equal(clone(student).fit(X, y).parameters_, student.parameters_)


# callbacks of scikit-learn


@every_student
def test_scoring_monitor_scores_every_epoch(digits, Student):
    X, y = digits
    monitor, watcher = ScoringMonitor(scoring="accuracy"), Watcher()
    student = Student(max_iter=4, random_state=0).set_callbacks(monitor, watcher).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in rows] == [0, 1, 2, 3]
    assert [row["accuracy"] for row in rows] == watcher.scores
    assert rows[-1]["accuracy"] == student.score(X, y)
    assert len(set(watcher.scores)) > 1


def test_scoring_monitor_weighs(digits):
    X, y = digits
    weight = np.where(y == 0, 5.0, 1.0)
    monitor = ScoringMonitor(scoring="accuracy")
    student = quick(max_iter=2).set_callbacks(monitor).fit(X, y, sample_weight=weight)
    last = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"][-1]
    assert last["accuracy"] == student.score(X, y, weight)
    assert last["accuracy"] != student.score(X, y)


def test_progress_bar(digits, capsys):
    pytest.importorskip("rich")
    student = quick().set_callbacks(ProgressBar()).fit(*digits)
    assert "QNNClassifier" in capsys.readouterr().out
    assert_array_equal(student.parameters_, quick().fit(*digits).parameters_)


def test_a_callback_stops_training(digits):
    X, y = digits
    watcher = Watcher(n_epochs=3)
    student = quick(max_iter=20).set_callbacks(watcher).fit(X, y)
    assert student.n_iter_ == len(student.loss_curve_) == 3
    assert student.loss_curve_ == watcher.losses
    assert watcher.scores[-1] == student.score(X, y)
    assert watcher.torn_down == 1
    plain = quick(max_iter=3).fit(X, y)
    assert_array_equal(student.parameters_, plain.parameters_)


# storage


def test_pickle(fitted, digits):
    X, _ = digits
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert_array_equal(again.circuit_weights_, fitted.circuit_weights_)


@every_student
def test_a_stored_student_works_in_another_process(tmp_path, Student):
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 28 * 28), np.float32), np.repeat(["a", "b"], 20)
    student = Student(n_qubits=4, max_iter=2, random_state=0).fit(X, y)
    joblib.dump(student, tmp_path / "student.joblib")
    assert (tmp_path / "student.joblib").stat().st_size < 300_000
    np.save(tmp_path / "X.npy", X)
    code = (
        "import joblib, numpy as np\n"
        "student = joblib.load('student.joblib')\n"
        "X = np.load('X.npy')\n"
        "np.save('P.npy', student.predict_proba(X))\n"
        "assert set(student.predict(X)) <= {'a', 'b'}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert_array_equal(np.load(tmp_path / "P.npy"), student.predict_proba(X))


# input


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("reducer", ["fc", "pca", "avg_pool", "max_pool", "crop"])
def test_black_images(digits, encoding, reducer):
    check_black_images(digits, encoding, reducer)


def test_black_images_under_a_convolution(digits):
    check_black_images(digits, "amplitude", "conv")


def check_black_images(digits, encoding, reducer):
    X, y = digits
    X = X[::2].copy()
    X[:5] = 0
    student = quick(encoding=encoding, reducer=reducer, max_iter=2).fit(X, y[::2])
    assert np.isfinite(student.parameters_).all()
    probabilities = student.predict_proba(X)
    assert np.isfinite(probabilities).all()
    assert_allclose(probabilities.sum(axis=1), 1)
    assert_allclose(probabilities[1:5], probabilities[[0] * 4], rtol=1e-6)
    assert np.ptp(probabilities[5:], axis=0).max() > 1e-3


def test_feature_names(digits):
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    student = quick().fit(frame, pd.Series(y, index=range(1000, 1000 + len(y))))
    assert_array_equal(student.feature_names_in_, frame.columns)
    plain = quick().fit(X, y)
    assert not hasattr(plain, "feature_names_in_")
    assert_array_equal(student.predict_proba(frame), plain.predict_proba(X))
    with pytest.raises(ValueError, match="feature names"):
        student.predict(frame[frame.columns[::-1]])


@pytest.mark.parametrize("reducer", ["fc", "conv", "pca", "max_pool"])
def test_read_only_memory_map(digits, tmp_path, reducer):
    X, y = digits
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    student = quick(reducer=reducer, max_iter=2).fit(mapped, y)
    plain = quick(reducer=reducer, max_iter=2).fit(X, y)
    assert_array_equal(student.predict_proba(mapped), plain.predict_proba(X))
    assert_array_equal(mapped, X)


@pytest.mark.parametrize("reducer", ["fc", "pca"])
def test_single_and_double_precision_agree(digits, reducer):
    X, y = digits
    single = quick(reducer=reducer, max_iter=2).fit(X.astype(np.float32), y)
    double = quick(reducer=reducer, max_iter=2).fit(X.astype(np.float64), y)
    assert_allclose(single.predict_proba(X), double.predict_proba(X), rtol=1e-3)


@pytest.mark.parametrize(("bad", "match"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_refuses_what_is_not_finite(digits, fitted, bad, match):
    X, y = digits
    X = X.copy()
    X[7, 7] = bad
    with pytest.raises(ValueError, match=match):
        quick().fit(X, y)
    with pytest.raises(ValueError, match=match):
        fitted.predict(X)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"n_qubits": 0}, "'n_qubits' parameter of QNNClassifier must be an int"),
        ({"n_qubits": 25}, r"n_qubits=25: .* GiB of memory\. Use fewer qubits"),
        ({"encoding": "basis"}, "'encoding' .*'amplitude'"),
        ({"encoding": "basis"}, "'encoding' .*'qubit'"),
        ({"ansatz": "qaoa"}, "'ansatz' .*'strongly_entangling'"),
        ({"reducer": "umap"}, "'reducer' .*'avg_pool'"),
        ({"measurement": "samples"}, "'measurement' .*'expval'"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"learning_rate_init": 0}, "'learning_rate_init' parameter"),
        ({"validation_fraction": 1.0}, "'validation_fraction' parameter"),
        ({"image_shape": (7, 9), "reducer": "avg_pool"}, r"64 features, .*\(7, 9\) holds 63"),
        ({"image_shape": (7, 9)}, r"64 features, .*\(7, 9\) holds 63"),
        ({"image_shape": (8,), "reducer": "max_pool"}, "is not a shape of an image"),
        ({"reducer": None}, r"64 features, .* takes 16\..*reducer='fc'.*n_qubits=6"),
        ({"reducer": None, "encoding": "angle"}, r"64 features, .* takes 4\..*reducer='fc'"),
        ({"reducer": PCA(20)}, r"gives 20 features, .* takes 16\. Set its n_components to 16"),
        ({"reducer": FCReducer(20)}, r"gives 20 features, .* takes 16\. Set its n_components"),
        ({"reducer": StandardScaler()}, "gives 64 features"),
    ],
    ids=str,
)
def test_refuses_bad_parameters(digits, params, match):
    with pytest.raises(ValueError, match=match):
        quick(**params).fit(*digits)


def test_refuses_bad_data(digits, fitted):
    X, y = digits
    with pytest.raises(ValueError, match="needs at least 2 classes; there is one class"):
        quick().fit(X, np.ones(len(y)))
    with pytest.raises(ValueError, match=r"4-D, .*X\.reshape\(len\(X\), -1\).*\(1, 8, 8\)"):
        quick().fit(X.reshape(-1, 1, 8, 8), y)
    with pytest.raises(ValueError, match=r"3-D, .*X\.reshape\(len\(X\), -1\).*\(8, 8\)"):
        fitted.predict(X.reshape(-1, 8, 8))
    with pytest.raises(ValueError, match="63 features, but QNNClassifier is expecting 64"):
        fitted.predict(X[:, :63])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        quick().fit(X, y[:-1])
    with pytest.raises(ValueError, match="continuous"):
        quick().fit(X, np.linspace(0, 1, len(y)))


def test_predictions_take_the_memory_of_a_part_of_the_images(digits, monkeypatch):
    """At 16 qubits the features of 60,000 images alone would be 31 GB."""
    X, y = digits
    student = quick(n_qubits=11, reducer="fc", max_iter=1).fit(X[:40], y[:40])
    seen = []
    transform = type(student.reducer_).transform

    def counted(reducer, X):
        seen.append(len(X))
        return transform(reducer, X)

    whole = student.predict_proba(X)
    monkeypatch.setattr(type(student.reducer_), "transform", counted)
    monkeypatch.setattr("sklqkd.simulation.exact.CHUNK", 2**11)
    # A reducer's product adds up in another order for fewer rows.
    assert_allclose(student.predict_proba(X), whole, atol=1e-7)
    assert max(seen) == 64
    assert sum(seen) == len(X)
