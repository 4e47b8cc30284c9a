"""Common tests for parts of one's own: students, teachers, reducers, encodings, losses.

As scikit-learn's :func:`~sklearn.utils.estimator_checks.check_estimator`, each function here runs a
list of checks, and the first one that fails raises its error, with the name of the check as a note.
They hold what :mod:`sklqkd` itself relies on; scikit-learn's own checks come on top for what is an
estimator. For one test per check::

    @pytest.mark.parametrize("check", sklqkd.testing.CHECKS["loss"])
    def test_my_loss(check):
        check(my_loss)
"""

from __future__ import annotations

from collections.abc import Callable

from . import encodings, losses, reducers, students, teachers

__all__ = [
    "CHECKS",
    "check_encoding",
    "check_loss",
    "check_reducer",
    "check_student",
    "check_teacher",
]

#: The checks by what they are for; each takes the part; X and y too but for the last two.
CHECKS: dict[str, tuple[Callable, ...]] = {
    "student": students.CHECKS,
    "teacher": teachers.CHECKS,
    "reducer": reducers.CHECKS,
    "encoding": encodings.CHECKS,
    "loss": losses.CHECKS,
}


def check_student(student, X=None, y=None):
    """Check a student: an estimator with the manners of those of this package.

    Parameters
    ----------
    student : estimator
        Not fitted; it is not changed. Give it few epochs.
    X : array-like of shape (n_samples, n_features), default=None
        What it is fitted on; ``None`` for 90 images of the digits 0 to 2, 8 x 8.
    y : array-like of shape (n_samples,), default=None
        Their labels, at least two classes; given with `X`.

    Raises
    ------
    AssertionError
        If a check fails; an error of the student's own comes as it is.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.testing import check_student
    >>> check_student(QNNClassifier(n_qubits=2, max_iter=2))
    """
    _run("student", student, X, y)


def check_teacher(teacher, X, y):
    """Check a fitted teacher on images of the kind that students will ask it about.

    Parameters
    ----------
    teacher : classifier
        Fitted, or one that needs no fit. It is asked, and not changed.
    X : array-like of shape (n_samples, n_features)
        Images, 4 at least.
    y : array-like of shape (n_samples,)
        Their labels.

    Raises
    ------
    AssertionError
        If a check fails; an error of the teacher's own comes as it is.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.testing import check_teacher
    >>> X, y = load_digits(return_X_y=True)
    >>> check_teacher(RandomForestClassifier(20, random_state=0).fit(X, y), X[:50], y[:50])
    """
    _run("teacher", teacher, X, y)


def check_reducer(reducer, X=None, y=None):
    """Check a reducer: a transformer that gives a student its features.

    Parameters
    ----------
    reducer : transformer
        Not fitted; it is not changed.
    X : array-like of shape (n_samples, n_features), default=None
        What it is fitted on; ``None`` for 90 images of the digits 0 to 2, 8 x 8.
    y : array-like of shape (n_samples,), default=None
        Their labels; given with `X`.

    Raises
    ------
    AssertionError
        If a check fails; an error of the reducer's own comes as it is.

    Examples
    --------
    >>> from sklearn.decomposition import TruncatedSVD
    >>> from sklqkd.testing import check_reducer
    >>> check_reducer(TruncatedSVD(n_components=4, random_state=0))
    """
    _run("reducer", reducer, X, y)


def check_encoding(encoding):
    """Check an encoding, on three qubits.

    Parameters
    ----------
    encoding : str or callable
        What a student's `encoding` takes. One with weights of its own is checked within students.

    Raises
    ------
    AssertionError
        If a check fails; an error of the encoding's own comes as it is.

    Examples
    --------
    >>> import pennylane as qml
    >>> from sklqkd.testing import check_encoding
    >>> check_encoding(qml.AngleEmbedding)
    """
    _run("encoding", encoding)


def check_loss(loss):
    """Check a distillation loss: its gradient, above all, and what it says of itself.

    Parameters
    ----------
    loss : DistillationLoss or str
        A loss, or the name of one of this package.

    Raises
    ------
    AssertionError
        If a check fails; an error of the loss's own comes as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from sklqkd.losses import DistillationLoss, log_softmax
    >>> from sklqkd.testing import check_loss
    >>> def loss(logits, targets, temperature, one_hot=None):
    ...     differences = logits - targets
    ...     return (differences**2).sum(axis=1), 2 * differences
    >>> check_loss(DistillationLoss(lambda logits, temperature: logits, loss, is_batchwise=False))
    """
    _run("loss", loss)


def _run(kind, part, *data):
    if data and (data[0] is None) != (data[1] is None):
        raise ValueError("Give X and y, or neither.")
    for check in CHECKS[kind]:
        try:
            check(part, *data)
        except Exception as error:
            error.add_note(f"This is sklqkd.testing.{check.__name__}, of {part!r}.")
            raise
