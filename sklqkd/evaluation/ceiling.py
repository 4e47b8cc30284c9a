"""The best that any circuit could make of a student's encoding, which is a convex problem."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, check_scalar, column_or_1d

from ..checks import class_labels
from ..threads import one_thread

__all__ = ["EncodingCeiling", "encoding_ceiling"]

#: Up to so many coefficients Newton's method solves for them directly.
DENSE = 2048
#: The most numbers in the table of terms: 1.6 GB.
LARGEST_TABLE = 2 * 10**8


@dataclass(frozen=True)
class EncodingCeiling:
    """What :func:`encoding_ceiling` found.

    Losses are mean cross-entropies in nats, accuracies are in [0, 1]; NaN where no test images were
    given.

    Parameters
    ----------
    train_loss, train_accuracy, test_loss, test_accuracy : float
        Of the ceiling. On the training images its penalised loss is the least possible.
    student_train_loss, student_train_accuracy : float
        Of the student.
    student_test_loss, student_test_accuracy : float
        Of the student.
    n_terms : int
        Real numbers that an encoded state consists of, which are coefficients a class.
    n_coefficients : int
        Of all classes.
    n_angles : int
        Trained angles of the student's circuit.
    alpha : float
        Weight of the penalty.
    converged : bool
        Whether the solver did.
    classifier : sklearn.pipeline.Pipeline
        The ceiling as a fitted classifier of images.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.evaluation import encoding_ceiling
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(n_qubits=2, encoding="angle", max_iter=2, random_state=0)
    >>> ceiling = encoding_ceiling(student.fit(X[:300], y[:300]), X[:300], y[:300])
    >>> print(repr(ceiling).splitlines()[-1])
    18 angles against 90 coefficients, alpha=1e-05
    """

    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    student_train_loss: float
    student_train_accuracy: float
    student_test_loss: float
    student_test_accuracy: float
    n_terms: int
    n_coefficients: int
    n_angles: int
    alpha: float
    converged: bool
    classifier: Pipeline = field(repr=False)

    @property
    def gap(self) -> float:
        """Training loss of the student minus that of the ceiling: the price of the circuit."""
        return self.student_train_loss - self.train_loss

    @property
    def test_gap(self) -> float:
        """Test accuracy of the ceiling minus that of the student; negative if it overfits."""
        return self.test_accuracy - self.student_test_accuracy

    def __repr__(self):
        rows = [
            ("", "student", "ceiling"),
            ("training loss", self.student_train_loss, self.train_loss),
            ("training accuracy", self.student_train_accuracy, self.train_accuracy),
        ]
        if not np.isnan(self.test_loss):
            rows.append(("test loss", self.student_test_loss, self.test_loss))
            rows.append(("test accuracy", self.student_test_accuracy, self.test_accuracy))
        lines = [
            f"{name:<18}"
            + "".join(f"{cell if isinstance(cell, str) else f'{cell:.4f}':>10}" for cell in cells)
            for name, *cells in rows
        ]
        size = f"{self.n_angles} angles against {self.n_coefficients:,} coefficients"
        lines.append(
            f"{size}, alpha={self.alpha:g}" + ("" if self.converged else ", not converged")
        )
        return "\n".join(lines)


def encoding_ceiling(
    student, X, y, X_test=None, y_test=None, *, alpha=1e-5, max_iter=300, max_coefficients=10**6
):
    """Train the best classifier that any circuit behind a student's encoding could be.

    A logit of the student is ``<psi| M_c |psi> + b_c``: its circuit U, measurement and head make up
    the Hermitian matrices ``M_c = sum_k w_ck U* P_k U``. Here the ``M_c`` are any Hermitian
    matrices, one for each class and independent of the others: the constraints that go are that the
    ansatz reaches U, that all ``M_c`` are diagonal in one basis, and, for expectations, how many
    outputs are measured. That set is convex, and so is the mean cross-entropy on it: multinomial
    logistic regression on the terms of :class:`sklqkd.twin.EncodingFeatures`. Reducer and scale
    stay as they are fitted. So the student's gap to it in training loss is the price of ansatz and
    training, for these features. With data re-uploading, trained scales or weights in the encoding,
    the set is that of all Fourier series with the student's frequencies
    (:class:`sklqkd.twin.FourierFeatures`), which holds every such circuit and more.

    Parameters
    ----------
    student : QNNClassifier or DistilledQNNClassifier
        Fitted.
    X : array-like of shape (n_samples, n_features)
        Training images, those of the student's fit.
    y : array-like of shape (n_samples,)
        Their labels: all of the student's classes, and no others.
    X_test : array-like of shape (n_test_samples, n_features), default=None
        Test images.
    y_test : array-like of shape (n_test_samples,), default=None
        Their labels.
    alpha : float, default=1e-5
        Weight of the penalty ``alpha / 2 * sum_c ||M_c / 2^n||^2`` (Frobenius norm) beside the mean
        cross-entropy. It is the same for all circuits, and ``alpha / 2`` times the sum of squares
        of the head's coefficients for a student that measures probabilities. Small, so that a
        minimum is there even where classes can be separated.
    max_iter : int, default=300
        Largest number of the solver's iterations: scikit-learn's "newton-cholesky" up to 2048
        coefficients, "newton-cg" beyond.
    max_coefficients : int, default=10**6
        The most coefficients, as in ``student.to_classical``.

    Returns
    -------
    ceiling : EncodingCeiling
        Losses and accuracies of both; `ceiling.classifier` is the ceiling itself.

    Raises
    ------
    ValueError
        For labels that are not the student's classes, bad parameters, or more coefficients than
        allowed; before anything is trained.
    NotFittedError
        If the student is not fitted.

    Warns
    -----
    ConvergenceWarning
        If the solver did not converge: the ceiling's training loss is too high then.

    Notes
    -----
    The ceiling is one for the training loss. On test images it may be worse than the student, if it
    overfits: it has many more coefficients. A student that learned from a teacher did not minimise
    the cross-entropy of the labels alone, so that its gap is due to that too.

    References
    ----------
    Schuld, "Supervised quantum machine learning models are kernel methods", arXiv:2101.11020.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.evaluation import encoding_ceiling
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(n_qubits=3, reducer="pca", max_iter=20, random_state=0)
    >>> student = student.fit(X[:600], y[:600])
    >>> ceiling = encoding_ceiling(student, X[:600], y[:600], X[900:], y[900:])
    >>> ceiling.gap > 0, ceiling.n_angles, ceiling.n_terms
    (True, 27, 36)
    """
    if not hasattr(student, "to_classical"):
        raise TypeError(
            f"{type(student).__name__} has no encoding: give a fitted QNNClassifier or "
            "DistilledQNNClassifier (of a search its best_estimator_, of a pipeline its last step "
            "and the images as that step sees them)."
        )
    check_scalar(alpha, "alpha", Real, min_val=0, include_boundaries="neither")
    check_scalar(max_iter, "max_iter", Integral, min_val=1)
    if (X_test is None) != (y_test is None):
        raise ValueError("Give X_test and y_test, or neither.")
    twin = student.to_classical(max_coefficients=max_coefficients)
    sets = [(X, _labels(y, twin.classes_, "y"))]
    check_consistent_length(X, y)
    if missing := sorted(set(twin.classes_.tolist()) - set(sets[0][1].tolist())):
        raise ValueError(f"y has no image of the student's classes {missing}. Give some of each.")
    if X_test is not None:
        check_consistent_length(X_test, y_test)
        sets.append((X_test, _labels(y_test, twin.classes_, "y_test")))
    n_terms = twin[-1].n_features_in_
    if len(sets[0][1]) * n_terms > LARGEST_TABLE:
        raise ValueError(
            f"{len(sets[0][1]):,} images with {n_terms:,} terms each are more than the "
            f"{LARGEST_TABLE:,} numbers that are held at once. Give fewer images."
        )

    scale = 2.0 ** student.circuit_["n_qubits"]
    terms = twin[:-1].transform(X) * scale
    solver = "newton-cholesky" if twin[-1].coef_.size <= DENSE else "newton-cg"
    # scikit-learn's C multiplies the sum of the losses.
    best = LogisticRegression(
        C=1 / (alpha * len(terms)), solver=solver, max_iter=int(max_iter), tol=1e-6
    )
    with warnings.catch_warnings(record=True) as caught, one_thread():
        warnings.simplefilter("always")
        best.fit(terms, sets[0][1])
    failed = [str(one.message) for one in caught if issubclass(one.category, ConvergenceWarning)]
    if failed:
        warnings.warn(
            f"The ceiling has not converged after max_iter={max_iter} iterations: its training "
            f"loss is too high. Raise max_iter, or alpha. ({failed[0].splitlines()[0]})",
            ConvergenceWarning,
            stacklevel=2,
        )
    best.coef_ *= scale
    classifier = Pipeline([*twin.steps[:-1], ("classify", best)])
    columns = {}
    for prefix, model in (("", classifier), ("student_", twin)):
        for name, (images, labels) in zip(("train", "test"), sets, strict=False):
            probabilities = model.predict_proba(images)
            hits = model.classes_[probabilities.argmax(axis=1)] == labels
            columns[f"{prefix}{name}_loss"] = float(
                log_loss(labels, probabilities, labels=model.classes_)
            )
            columns[f"{prefix}{name}_accuracy"] = float(hits.mean())
    untested = [f"{p}test_{m}" for p in ("", "student_") for m in ("loss", "accuracy")]
    return EncodingCeiling(
        **{**dict.fromkeys(untested, np.nan), **columns},
        n_terms=n_terms,
        n_coefficients=best.coef_.size,
        n_angles=student.n_parameters_["quantum"],
        alpha=float(alpha),
        converged=not failed,
        classifier=classifier,
    )


def _labels(y, classes, name):
    y = column_or_1d(y)
    if unknown := sorted(set(class_labels(y).tolist()) - set(classes.tolist())):
        raise ValueError(
            f"{name} has labels {unknown} that are none of the student's classes "
            f"{classes.tolist()}. Leave these images out."
        )
    return y
