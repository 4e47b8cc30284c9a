"""Callbacks that watch a fit: what they see, when they end it, and that they change no more."""

import functools
import io
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB

from sklqkd import DistilledLinearClassifier, DistilledMLPClassifier, QNNClassifier
from sklqkd.callbacks import Checkpoint, EarlyStopping, Epoch, FunctionCallback, ProgressBar
from sklqkd.datasets import load_digits

STUDENTS = [
    QNNClassifier(max_iter=12, random_state=0),
    QNNClassifier(max_iter=12, reducer="pca", random_state=0),
    DistilledLinearClassifier(GaussianNB(), cv=2, max_iter=12, random_state=0),
    DistilledMLPClassifier(lam=0, max_iter=12, random_state=0),
]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200], y[:200], X[200:400], y[200:400]


def after(student, n_epochs, X, y):
    """The same student, after so many epochs."""
    return clone(student).set_callbacks().set_params(max_iter=n_epochs).fit(X, y)


# functions


@pytest.mark.parametrize("student", STUDENTS)
def test_a_function_sees_each_epoch_and_the_student_of_it(digits, student):
    X, y, X_val, _ = digits
    seen = []

    def look(epoch):
        seen.append((epoch, epoch.student.predict_proba(X_val)))

    student = clone(student).set_callbacks(look).fit(X, y)
    epochs = [epoch for epoch, _ in seen]
    assert [epoch.number for epoch in epochs] == list(range(1, student.n_iter_ + 1))
    assert epochs[0].student is epochs[0].student
    assert [epoch.loss for epoch in epochs] == student.loss_curve_
    assert {epoch.n_epochs for epoch in epochs} == {12}
    assert all(epoch.validation_score is None for epoch in epochs)
    assert sorted(epoch.seconds for epoch in epochs) == [epoch.seconds for epoch in epochs]
    assert_array_equal(student.parameters_, after(student, 12, X, y).parameters_)
    for epoch, probabilities in seen[::5]:
        expected = after(student, epoch.number, X, y).predict_proba(X_val)
        assert_array_equal(probabilities, expected)


def test_an_epoch_has_no_student_after_the_fit(digits):
    X, y, *_ = digits
    epochs = []
    clone(STUDENTS[0]).set_params(max_iter=2).set_callbacks(epochs.append).fit(X, y)
    with pytest.raises(RuntimeError, match="The fit has ended"):
        epochs[0].student  # noqa: B018
    assert repr(epochs[1]).startswith("Epoch(number=2, n_epochs=2, loss=")


def test_a_function_ends_the_training_by_returning_true(digits):
    X, y, *_ = digits
    student = clone(STUDENTS[0]).set_callbacks(lambda epoch: epoch.number == 4).fit(X, y)
    assert student.n_iter_ == 4
    assert_array_equal(student.parameters_, after(student, 4, X, y).parameters_)
    student.set_callbacks(lambda epoch: None, lambda epoch: np.bool_(False)).fit(X, y)
    assert student.n_iter_ == 12


def test_a_function_sees_the_scores_of_the_hold_out(digits):
    X, y, *_ = digits
    scores = []
    student = clone(STUDENTS[0]).set_params(early_stopping=True)
    student.set_callbacks(lambda epoch: scores.append(epoch.validation_score)).fit(X, y)
    assert scores == student.validation_scores_


def ignore(epoch, *, more=None):
    """A function that pickle finds."""


class Method:
    def look(self, epoch):
        """A method is a function too."""

    def __call__(self, epoch):
        """And so is this."""


@pytest.mark.parametrize("function", [ignore, functools.partial(ignore, more=1), Method().look])
def test_functions_of_all_kinds_and_their_pickles(digits, function):
    X, y, *_ = digits
    student = clone(STUDENTS[1]).set_params(max_iter=2).set_callbacks(function, Method()).fit(X, y)
    again = pickle.loads(pickle.dumps(student))
    assert_array_equal(again.predict(X), student.predict(X))
    assert [type(callback) for callback in again._skl_callbacks] == [FunctionCallback] * 2


@pytest.mark.parametrize("wrong", [3, "print", Method, FunctionCallback, None])
def test_what_is_no_callback_is_refused(wrong):
    with pytest.raises(TypeError, match="callbacks must be instances"):
        clone(STUDENTS[0]).set_callbacks(wrong)


def test_callbacks_of_ours_and_of_scikit_learn_go_together(digits):
    X, y, *_ = digits
    monitor, epochs = ScoringMonitor(scoring="accuracy"), []
    student = clone(STUDENTS[0]).set_callbacks(epochs.append, monitor, ProgressBar(io.StringIO()))
    student.fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == len(epochs) == 12
    assert all(isinstance(epoch, Epoch) for epoch in epochs)


def test_callbacks_in_a_search_watch_each_fit(digits):
    X, y, *_ = digits
    numbers = []
    student = clone(STUDENTS[0]).set_params(max_iter=3)
    student.set_callbacks(lambda epoch: numbers.append(epoch.number))
    search = GridSearchCV(student, {"n_layers": [1, 2]}, cv=2).fit(X, y)
    assert numbers == [1, 2, 3] * 5
    assert search.best_score_ > 0.1


@pytest.mark.parametrize("callback", [ProgressBar(), FunctionCallback(ignore)])
def test_other_estimators_are_refused(digits, callback):
    X, y, *_ = digits
    search = GridSearchCV(LogisticRegression(), {"C": [1]}, cv=2).set_callbacks(callback)
    with pytest.raises(TypeError, match="is for the students of sklqkd, not for GridSearchCV"):
        search.fit(X, y)


# early stopping


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
def test_early_stopping_ends_where_the_score_stops_rising(digits, student, scoring):
    X, y, X_val, y_val = digits
    student = clone(student).set_params(max_iter=60, learning_rate_init=0.03)
    stop = EarlyStopping(X_val, y_val, scoring=scoring, n_iter_no_change=2, tol=0.01)
    student.set_callbacks(stop).fit(X, y)
    scores = student.validation_scores_
    assert len(scores) == student.n_iter_ < 60
    # By hand: the first epoch after which two in a row were no better than the best before.
    best, waited = [-np.inf], 0
    for i, score in enumerate(scores):
        waited = 0 if score > max(best) + 0.01 else waited + 1
        best.append(score)
        assert (waited == 2) == (i == len(scores) - 1)
    expected = after(student, int(np.argmax(scores)) + 1, X, y)
    assert_array_equal(student.parameters_, expected.parameters_)
    if scoring is None:
        assert max(scores) == student.score(X_val, y_val)
    else:
        assert max(scores) == -log_loss(y_val, student.predict_proba(X_val))
    stop.restore_best = False
    last = clone(student).set_callbacks(stop).fit(X, y)
    assert_array_equal(last.parameters_, after(student, last.n_iter_, X, y).parameters_)


def test_early_stopping_survives_an_interruption(digits, tmp_path):
    X, y, X_val, y_val = digits
    student = clone(STUDENTS[0]).set_params(max_iter=40, learning_rate_init=0.03)
    stop = EarlyStopping(X_val, y_val, n_iter_no_change=3)
    expected = clone(student).set_callbacks(stop).fit(X, y)

    def interrupt(epoch):
        if epoch.number == 5:
            raise KeyboardInterrupt

    student.set_callbacks(stop, Checkpoint(tmp_path / "run"), interrupt)
    with pytest.raises(KeyboardInterrupt):
        student.fit(X, y)
    assert not hasattr(student, "parameters_")
    student.set_callbacks(stop, Checkpoint(tmp_path / "run")).fit(X, y)
    assert student.validation_scores_ == expected.validation_scores_
    assert_array_equal(student.parameters_, expected.parameters_)
    with pytest.raises(ValueError, match="Name EarlyStopping before it"):
        student.set_callbacks(Checkpoint(tmp_path / "run"), stop).fit(X, y)


def test_early_stopping_of_a_warm_start_looks_at_its_own_epochs(digits):
    X, y, X_val, y_val = digits
    stop = EarlyStopping(X_val, y_val, n_iter_no_change=2, tol=1.0)
    student = clone(STUDENTS[0]).set_params(warm_start=True).set_callbacks(stop)
    for n_fits in (1, 2):  # no score is better by 1 than the first one
        student.fit(X, y)
        assert student.n_iter_ == 3
        assert len(student.validation_scores_) == 3 * n_fits


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"n_iter_no_change": 0}, "n_iter_no_change=0"),
        ({"n_iter_no_change": 2.5}, r"n_iter_no_change=2\.5"),
        ({"tol": -1}, "tol=-1"),
        ({"tol": np.nan}, "tol=nan"),
        ({"y_val": [1]}, "inconsistent numbers of samples"),
    ],
)
def test_bad_parameters_of_early_stopping(digits, params, match):
    X, y, X_val, y_val = digits
    stop = EarlyStopping(**{"X_val": X_val, "y_val": y_val, **params})
    with pytest.raises(ValueError, match=match):
        clone(STUDENTS[0]).set_callbacks(stop).fit(X, y)


def test_one_early_stopping_at_a_time(digits):
    X, y, X_val, y_val = digits
    student = clone(STUDENTS[0]).set_params(early_stopping=True)
    with pytest.raises(ValueError, match="early_stopping=False"):
        student.set_callbacks(EarlyStopping(X_val, y_val)).fit(X, y)


# the progress bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_on_a_terminal_is_one_line(digits):
    X, y, *_ = digits
    stream = Terminal()
    student = clone(STUDENTS[0]).set_callbacks(ProgressBar(stream, seconds=0)).fit(X, y)
    lines = stream.getvalue().split("\r")
    assert lines[0] == ""
    assert len(lines) == 1 + student.n_iter_
    assert lines[6].startswith("QNNClassifier [############------------] 6 of 12 epochs, loss ")
    assert f"loss {student.loss_curve_[5]:.4f}, at most " in lines[6]
    assert lines[-1].startswith("QNNClassifier [########################] 12 of 12 epochs")
    assert "took" in lines[-1]
    assert stream.getvalue().count("\n") == 1


def test_the_bar_in_a_file_is_a_few_lines(digits, capsys):
    X, y, *_ = digits
    student = clone(STUDENTS[0]).set_params(early_stopping=True).set_callbacks(ProgressBar())
    student.fit(X, y)
    out, error = capsys.readouterr()
    assert out == ""
    (line,) = error.splitlines()
    assert f"validation score {student.validation_scores_[-1]:.4f}, took" in line
    pickle.loads(pickle.dumps(clone(student).set_callbacks(ProgressBar(io.StringIO()))))
    with pytest.raises(ValueError, match="seconds=-1"):
        student.set_callbacks(ProgressBar(seconds=-1)).fit(X, y)
