"""The self-check: what agrees is told so, and each kind of fault is found by its own check."""

import builtins
import functools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError
from sklearn.kernel_approximation import RBFSampler
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import FunctionTransformer

from sklqkd import (
    DistilledLinearClassifier,
    DistilledMLPClassifier,
    DistilledQNNClassifier,
    QNNClassifier,
)
from sklqkd.datasets import load_digits
from sklqkd.losses import DISTILLATION_LOSSES, DistillationLoss, hinton, softened

QUICK = {"max_iter": 2, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200], y[:200]


@pytest.fixture(scope="module")
def teacher(digits):
    return GaussianNB(var_smoothing=0.1).fit(*digits)


STUDENTS = {
    "default": QNNClassifier(),
    "expval": QNNClassifier(measurement="expval", encoding="qubit", n_qubits=3),
    "two layers": QNNClassifier(n_layers=2, reducer="pca", encoding="angle", n_qubits=6),
    "version 1": QNNClassifier(encoding="hadamard_ry", ansatz="none", reducer="conv", n_qubits=3),
    "pool": QNNClassifier(reducer="avg_pool", ansatz="rotations"),
    "linear": DistilledLinearClassifier(lam=0),
    "mlp": DistilledMLPClassifier(lam=0, reducer="pca"),
}


@pytest.mark.parametrize("name", STUDENTS)
def test_students_agree_with_what_they_are_held_against(digits, name):
    student = STUDENTS[name].set_params(**QUICK).fit(*digits)
    before = student.predict_proba(digits[0])
    report = student.selfcheck(*digits)
    assert report.ok, report
    names = [check.name for check in report.checks if check.difference is not None]
    expected = {"finite differences", "saved and loaded"}
    if hasattr(student, "circuit_"):
        expected |= {"default.qubit", "Qiskit, statevector"}
    assert expected <= set(names)
    assert repr(report).startswith(f"{type(student).__name__}, checked on 8 rows: ok\n")
    assert np.array_equal(student.predict_proba(digits[0]), before)


@pytest.mark.parametrize("loss", sorted(DISTILLATION_LOSSES))
def test_the_loss_is_the_student_s_own(digits, teacher, loss):
    student = DistilledQNNClassifier(teacher, distillation=loss, n_qubits=2, **QUICK).fit(*digits)
    check = student.selfcheck(*digits, n_rows=12)["finite differences"]
    assert check.ok, check
    needs_teacher = DISTILLATION_LOSSES[loss].needs_teacher
    assert ("with what the teacher says" in check.reason) or not needs_teacher
    logits = teacher.predict_log_proba(digits[0])
    student.set_params(teacher=None)
    alone = student.selfcheck(*digits)["finite differences"]
    assert ("cross-entropy alone" in alone.reason) == needs_teacher
    again = student.selfcheck(*digits, teacher_logits=logits)["finite differences"]
    assert "with what the teacher says" in again.reason or not needs_teacher


def test_a_wrong_circuit_is_found(digits, monkeypatch):
    student = QNNClassifier(**QUICK).fit(*digits)
    logits = QNNClassifier._logits
    monkeypatch.setattr(QNNClassifier, "_logits", lambda self, X: logits(self, X) + 1e-6)
    report = student.selfcheck(*digits)
    assert not report.ok
    wrong = [check.name for check in report.checks if not check.ok]
    assert {"default.qubit", "Qiskit, statevector"} <= set(wrong)
    assert "saved and loaded" not in wrong
    assert_allclose(report["default.qubit"].difference, 1e-6, rtol=1e-3)
    assert "NOT OK" in repr(report)


def wrong_gradient(*given):
    losses, gradient = hinton(*given)
    return losses, 1.01 * gradient


def test_a_wrong_gradient_is_found(digits, teacher):
    loss = DistillationLoss(softened, wrong_gradient)
    student = DistilledQNNClassifier(teacher, distillation=loss, **QUICK).fit(*digits)
    report = student.selfcheck(*digits)
    assert [check.name for check in report.checks if not check.ok] == ["finite differences"]


class Forgetful(FunctionTransformer):
    """Its files are not what was saved."""

    def __setstate__(self, state):
        super().__setstate__(state)
        self.func = functools.partial(np.multiply, 1.5)


def test_a_part_that_is_not_saved_is_found(digits):
    reducer = Forgetful(functools.partial(np.multiply, 1.0))
    X, y = digits[0][:, 20:28], digits[1]
    student = QNNClassifier(reducer=reducer, encoding="angle", n_qubits=8, n_layers=1, **QUICK)
    report = student.fit(X, y).selfcheck(X, y)
    assert not report["saved and loaded"].ok
    assert report["saved and loaded"].difference > 0.1
    assert report["default.qubit"].ok


def test_what_cannot_be_saved_is_skipped(digits):
    reducer = FunctionTransformer(lambda X: X[:, 20:24])
    student = QNNClassifier(reducer=reducer, n_qubits=2, **QUICK).fit(*digits)
    report = student.selfcheck(*digits)
    assert report.ok
    assert "cannot be saved" in report["saved and loaded"].reason


def test_what_cannot_be_checked_is_skipped_with_the_reason(digits, monkeypatch):
    student = QNNClassifier(reducer=RBFSampler(n_components=4), n_qubits=2, **QUICK).fit(*digits)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] in ("qiskit", "skops"):
            raise ImportError(f"No module named {name!r}", name=name.split(".")[0])
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    report = student.selfcheck(*digits)
    assert report.ok
    assert report["saved and loaded, skops"].reason == "skops is not installed"
    assert "qiskit" in report["Qiskit, statevector"].reason.lower()
    assert "skipped: skops is not installed" in repr(report)
    with pytest.raises(KeyError, match="There is no check 'speed'"):
        report["speed"]


def test_data_frames_strings_and_devices(digits, teacher):
    X = pd.DataFrame(digits[0]).add_prefix("pixel")
    y = np.array(list("abcdefghij"))[digits[1]]
    student = QNNClassifier(n_qubits=2, **QUICK).fit(X, y)
    assert student.selfcheck(X, y).ok
    student.set_params(backend="default.mixed", shots=10, backend_options={"depolarizing": 0.1})
    report = student.selfcheck(X, n_rows=3)
    assert report.ok
    assert report.n_rows == 3
    assert "labels: its predictions" in report["finite differences"].reason
    assert student.backend == "default.mixed"


def test_bad_input_is_refused(digits):
    X, y = digits
    student = QNNClassifier(n_qubits=2, **QUICK)
    with pytest.raises(NotFittedError):
        student.selfcheck(X)
    student.fit(X, y)
    with pytest.raises(ValueError, match="features"):
        student.selfcheck(X[:, :3])
    with pytest.raises(ValueError, match="X has 200 rows, but y has 3"):
        student.selfcheck(X, y[:3])
    with pytest.raises(ValueError, match=r"y has \[77\]"):
        student.selfcheck(X, np.full(200, 77))
    with pytest.raises(ValueError, match="n_rows"):
        student.selfcheck(X, n_rows=0)
