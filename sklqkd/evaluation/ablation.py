"""A student against itself with one thing less: what the circuit, or a part of it, is worth."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.utils import column_or_1d

from ..checks import class_labels
from ..students import DistilledLinearClassifier, DistilledMLPClassifier, QNNClassifier
from ..students.ablated_circuits import (
    FixedAngles,
    RandomOrthogonal,
    WithoutEntanglers,
    count_gates,
)
from ..students.random_fourier import DistilledFourierClassifier
from .experiment import compare

__all__ = ["ablate", "ablations"]


def ablate(
    student,
    X,
    y,
    X_test=None,
    y_test=None,
    *,
    seeds=10,
    cv=None,
    train_per_class=None,
    rows=None,
    fit_params=None,
    n_jobs=None,
    verbose=0,
    checkpoint=None,
    error_score="raise",
):
    """Compare a student with itself without its circuit, or without a part of it.

    All rows have the same reducer, teacher, loss and training, and the same seeds, so that
    differences are paired. With ``d`` features and ``P`` parameters in circuit and head, they are

    =========================== ====================================================================
    "student"                   as it is: the baseline
    "fixed random angles"       its circuit with angles that are drawn and stay
    "no trained gate"           ``ansatz="none"``: measured as it is encoded
    "no entanglers"             its ansatz without the gates on two qubits or more
    "random orthogonal"         a random orthogonal matrix in the circuit's place, its outputs
                                squared as a measurement does
    "linear head"               no circuit: tanh of the features under the head
    "random Fourier features"   ``cos(W x + b)`` with random W and b under a head with P parameters
    "MLP"                       one hidden layer, with P parameters together with the head
    =========================== ====================================================================

    Rows that would be the student itself are left out, such as "no entanglers" where it has none.

    Parameters
    ----------
    student : QNNClassifier or DistilledQNNClassifier
        It is cloned; what it has learnt does not count, a fitted teacher does.
    X : array-like of shape (n_samples, n_features)
        Training images.
    y : array-like of shape (n_samples,)
        Their labels.
    X_test : array-like of shape (n_test_samples, n_features), default=None
        Test images.
    y_test : array-like of shape (n_test_samples,), default=None
        Their labels.
    seeds : int or sequence of int, default=10
        As in :func:`compare`. Each seed is that of what is drawn and fixed, too.
    cv : int, splitter or iterable, default=None
        In place of test data, as in :func:`compare`.
    train_per_class : int, default=None
        Training images of each class that each seed draws, as in :func:`compare`.
    rows : sequence of str, default=None
        The rows to run, beside "student"; ``None`` for all.
    fit_params : dict, default=None
        What each `fit` gets beside `X` and `y`, such as ``{"teacher_logits": ...}``.
    n_jobs : int, default=None
        Number of runs at a time.
    verbose : int, default=0
        If positive, print a line per finished run.
    checkpoint : path-like, default=None
        Folder of finished runs, as in :func:`compare`.
    error_score : "raise" or np.nan, default="raise"
        What a failing run does.

    Returns
    -------
    comparison : Comparison
        With the student as the baseline; ``comparison.differences()`` tells what each change costs,
        and :meth:`sklqkd.plotting.EvaluationDisplay.from_comparison` draws it.

    Raises
    ------
    TypeError
        If it is no quantum student.
    ValueError
        For unknown rows, or bad input; before any fit.

    References
    ----------
    Bowles, Ahmed and Schuld, "Better than classical? The subtle art of benchmarking quantum machine
    learning models", arXiv:2403.07059.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.evaluation import ablate
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(n_qubits=3, reducer="pca", max_iter=5)
    >>> comparison = ablate(
    ...     student, X[:200], y[:200], X[900:], y[900:], seeds=2, rows=["no entanglers", "MLP"]
    ... )
    >>> comparison.summary()["estimator"].tolist(), comparison.baseline
    (['student', 'no entanglers', 'MLP'], 'student')
    """
    labels = class_labels(column_or_1d(y))
    mark = getattr(student, "unlabelled", None)
    n_classes = len(labels) - (mark is not None and mark in labels.tolist())
    estimators = ablations(student, n_classes)
    if rows is not None:
        rows = [rows] if isinstance(rows, str) else list(rows)
        if unknown := [row for row in rows if row not in estimators]:
            raise ValueError(
                f"rows={rows!r} has {unknown}, which this student has no row for. Choose from "
                f"{list(estimators)[1:]}."
            )
        estimators = {
            name: estimator
            for name, estimator in estimators.items()
            if name in rows or name == "student"
        }
    return compare(
        estimators,
        X,
        y,
        X_test,
        y_test,
        seeds=seeds,
        cv=cv,
        train_per_class=train_per_class,
        baseline="student",
        fit_params=None if fit_params is None else dict.fromkeys(estimators, fit_params),
        n_jobs=n_jobs,
        verbose=verbose,
        checkpoint=checkpoint,
        error_score=error_score,
    )


def ablations(student, n_classes):
    """Return a student and what :func:`ablate` compares it with, unfitted, by their names.

    Parameters
    ----------
    student : QNNClassifier or DistilledQNNClassifier
        The student.
    n_classes : int
        Number of classes, which the number of parameters depends on.

    Returns
    -------
    estimators : dict of str to classifier
        "student" first; see :func:`ablate`.

    Raises
    ------
    TypeError
        If it is no quantum student.
    """
    if not isinstance(student, QNNClassifier):
        raise TypeError(
            f"{type(student).__name__} has no circuit to take away: give a QNNClassifier or a "
            "DistilledQNNClassifier."
        )
    student._validate_params()
    architecture = student._architecture(np.random.default_rng(0))
    network = architecture.network(architecture.n_components, n_classes)
    trained = network.size
    given = student.ansatz, int(student.n_qubits), int(student.n_layers)
    n_single, n_entangling = count_gates(*given)
    circuits: dict[str, object] = {}
    if network.middle.n_weights:
        circuits["fixed random angles"] = FixedAngles(student.ansatz, int(student.n_layers))
    if n_single + n_entangling:
        circuits["no trained gate"] = "none"
    if n_entangling and n_single:
        circuits["no entanglers"] = WithoutEntanglers(student.ansatz)
    circuits["random orthogonal"] = RandomOrthogonal()
    estimators = {"student": clone(student)}
    for name, ansatz in circuits.items():
        estimators[name] = clone(student).set_params(ansatz=ansatz)

    n_features = architecture.n_components
    sizes = {
        "linear head": {},
        "random Fourier features": {"hidden_units": max(1, round(trained / n_classes) - 1)},
        "MLP": {
            "hidden_units": max(1, round((trained - n_classes) / (n_features + 1 + n_classes)))
        },
    }
    for (name, size), kind in zip(
        sizes.items(),
        (DistilledLinearClassifier, DistilledFourierClassifier, DistilledMLPClassifier),
        strict=True,
    ):
        own = clone(student).get_params(deep=False)
        shared = {key: own[key] for key in kind().get_params(deep=False) if key in own}
        shared.setdefault("lam", 0.0)  # without a teacher
        estimators[name] = kind(**{**shared, **size, "n_components": n_features})
    return estimators
