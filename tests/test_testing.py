"""The common tests: our own parts pass them, and each kind of fault is found by its check."""

import functools

import numpy as np
import pennylane as qml
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import FunctionTransformer

from sklqkd import (
    CenterCropReducer,
    ConvReducer,
    DistilledLinearClassifier,
    DistilledMLPClassifier,
    DistilledQNNClassifier,
    FCReducer,
    LeNetClassifier,
    PCAReducer,
    PoolingReducer,
    QNNClassifier,
)
from sklqkd.datasets import load_digits
from sklqkd.encodings import ENCODINGS, ProductEncoding
from sklqkd.losses import DISTILLATION_LOSSES, hinton
from sklqkd.testing import (
    CHECKS,
    check_encoding,
    check_loss,
    check_reducer,
    check_student,
    check_teacher,
)

QUICK = {"n_qubits": 2, "max_iter": 2}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:120], y[:120]


# our own parts

STUDENTS = {
    "plain": QNNClassifier(**QUICK),
    "distilled": DistilledQNNClassifier(**QUICK, lam=0),
    "linear": DistilledLinearClassifier(max_iter=2, lam=0),
    "mlp": DistilledMLPClassifier(max_iter=2, reducer="pca", lam=0),
}


@pytest.mark.parametrize("check", CHECKS["student"], ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", STUDENTS)
def test_our_students(name, check):
    check(STUDENTS[name])


@pytest.mark.parametrize("check", CHECKS["loss"], ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", sorted(DISTILLATION_LOSSES))
def test_our_losses(name, check):
    check(name)


def own_encoding(features, wires):
    for i, wire in enumerate(wires):
        qml.RX(features[i], wires=wire)
        qml.RZ(features[i] * features[0], wires=wire)


def trained_encoding(features, weights, wires):
    for i, wire in enumerate(wires):
        qml.RY(weights[i] * features[i], wires=wire)


trained_encoding.shape = lambda n_layers, n_wires: (n_wires,)


@pytest.mark.parametrize("encoding", [*ENCODINGS, own_encoding, trained_encoding])
def test_our_encodings(encoding):
    check_encoding(encoding)


@pytest.mark.parametrize(
    "reducer",
    [
        PCAReducer(n_components=4),
        PoolingReducer(n_components=4, kind="max"),
        CenterCropReducer(n_components=4),
        FCReducer(n_components=4, max_iter=1),
        ConvReducer(n_components=4, max_iter=1),
        PCA(n_components=3),
        PCA(),
    ],
    ids=lambda reducer: type(reducer).__name__,
)
@pytest.mark.filterwarnings("ignore:.*proportions")
def test_our_reducers(reducer):
    check_reducer(reducer)


@pytest.mark.parametrize(
    "teacher",
    [
        LeNetClassifier(max_epochs=4, random_state=0),
        RandomForestClassifier(10, random_state=0),
        QNNClassifier(max_iter=20, random_state=0),
    ],
    ids=lambda teacher: type(teacher).__name__,
)
def test_our_teachers(digits, teacher):
    check_teacher(clone(teacher).fit(*digits), *digits)


# faults


class Stubborn(QNNClassifier):
    """Its fit forgets to return it."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)


class Loud(QNNClassifier):
    def fit(self, X, y, sample_weight=None):
        np.random.rand()  # noqa: NPY002
        return super().fit(X, y, sample_weight)


class Fixed(QNNClassifier):
    def fit(self, X, y, sample_weight=None):
        given, self.random_state = self.random_state, 0
        super().fit(X, y, sample_weight)
        self.random_state = given
        return self


class Careless(QNNClassifier):
    def fit(self, X, y, sample_weight=None):
        self.seen_ = len(X)
        self.lost_ = True
        try:
            return super().fit(X, y, sample_weight)
        finally:
            self.left_ = np.isnan(np.asarray(X, float)).any()


class Off(QNNClassifier):
    def _logits(self, X):
        return super()._logits(X) + 1e-4 * np.arange(len(self.classes_))


class Deaf(DistilledQNNClassifier):
    def _teach(self, *args, **kwargs):
        return None


@pytest.mark.parametrize(
    ("Student", "check"),
    [
        (Stubborn, "student_learns_labels_of_any_type"),
        (Loud, "student_depends_on_its_seed_alone"),
        (Fixed, "student_depends_on_its_seed_alone"),
        (Careless, "student_survives_a_fit_that_fails"),
        (Off, "student_agrees_with_other_computations"),
        (Deaf, "student_learns_from_its_teacher"),
    ],
)
def test_faults_of_students_are_found(Student, check):
    with pytest.raises((AssertionError, AttributeError)) as found:
        check_student(Student(**QUICK))
    assert f"sklqkd.testing.{check}, of {Student.__name__}" in found.value.__notes__[-1]


class Wrapped:
    """A teacher with something changed."""

    def __init__(self, teacher, change):
        self.teacher, self.change, self.classes_ = teacher, change, teacher.classes_

    def predict_proba(self, X):
        return self.change(self.teacher.predict_proba(X), X)

    def predict(self, X):
        return self.teacher.predict(X)


def scribble(probabilities, X):
    X[0, 0] += 1
    return probabilities


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda p, X: p * 2, "teacher_gives_probabilities"),
        (lambda p, X: p[:, 1:], "teacher_gives_probabilities"),
        (lambda p, X: np.roll(p, 1, axis=1), "teacher_gives_probabilities"),
        (lambda p, X: np.log(p), "teacher_gives_probabilities"),
        (
            lambda p, X: 0.9 * p + 0.1 * p.mean(axis=0),
            "teacher_says_the_same_of_each_image_alone",
        ),
        (scribble, "teacher_changes_nothing"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_faults_of_teachers_are_found(digits, change, check):
    X, y = digits
    teacher = Wrapped(LogisticRegression(C=0.01).fit(X, y), change)
    with pytest.raises(AssertionError) as found:
        check_teacher(teacher, X.copy(), y)
    names = [check.__name__ for check in CHECKS["teacher"]]
    note = found.value.__notes__[-1]
    told = next(name for name in names if name in note)
    # What is changed in the images may be seen by an earlier check already.
    assert told == check or (check == "teacher_changes_nothing" and "same" in told)


def test_teachers_that_know_nothing_or_are_not_fitted(digits):
    X, y = digits
    with pytest.raises(Exception, match="not fitted"):
        check_teacher(GaussianNB(), X, y)
    teacher = GaussianNB().fit(X, np.roll(y, 3))
    with pytest.raises(AssertionError, match="is right for"):
        check_teacher(teacher, X, y)
    with pytest.raises(AssertionError, match="knows none of the labels"):
        check_teacher(GaussianNB().fit(X, y + 100), X, y)


class Batchwise(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X[:, :4] - X[:, :4].mean(axis=0)


class Short(Batchwise):
    def transform(self, X):
        return X[1:, :4]


class Restless(Batchwise):
    def fit(self, X, y=None):
        self.matrix_ = np.random.default_rng().normal(size=(X.shape[1], 4))
        return self

    def transform(self, X):
        return X @ self.matrix_


@pytest.mark.parametrize(
    ("reducer", "check"),
    [
        (Short(), "reducer_gives_numbers"),
        (FunctionTransformer(functools.partial(np.multiply, np.nan)), "reducer_gives_numbers"),
        (Batchwise(), "reducer_sees_each_image_alone"),
        (Restless(), "reducer_is_cloned_and_pickled"),
    ],
)
def test_faults_of_reducers_are_found(reducer, check):
    with pytest.raises(AssertionError) as found:
        check_reducer(reducer)
    assert check in found.value.__notes__[-1]


def changed(change, **says):
    """Hinton's loss with something changed."""
    known = DISTILLATION_LOSSES["hinton"]
    return known._replace(loss=lambda *given: change(*hinton(*given), *given), **says)


def spoil(losses, gradient, logits, *given):
    logits *= 2
    return losses, gradient


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda losses, g, *given: (losses, -g), "loss_has_the_gradient_of_its_sum"),
        (lambda losses, g, *given: (losses, g / len(g)), "loss_has_the_gradient_of_its_sum"),
        (lambda losses, g, *given: (losses.mean(), g), "loss_has_one_number_per_image"),
        (lambda losses, g, *given: (losses[::-1], g), "loss_counts_each_image_for_itself"),
        (spoil, "loss_changes_nothing_that_it_is_given"),
    ],
)
def test_faults_of_losses_are_found(change, check):
    with pytest.raises(AssertionError) as found:
        check_loss(changed(change))
    assert check in found.value.__notes__[-1]


@pytest.mark.parametrize(
    ("method", "change", "check"),
    [
        ("forward", lambda found: 0.9 * found, "encoding_gives_states"),
        ("forward", lambda found: found[::-1], "encoding_is_what_default_qubit_makes_of_it"),
        ("backward", lambda found: -found, "encoding_has_the_gradient_of_its_states"),
    ],
)
def test_faults_of_encodings_are_found(monkeypatch, method, change, check):
    right = getattr(ProductEncoding, method)
    monkeypatch.setattr(ProductEncoding, method, lambda self, given: change(right(self, given)))
    with pytest.raises(AssertionError) as found:
        check_encoding("angle")
    assert check in found.value.__notes__[-1]


def test_what_is_no_loss():
    with pytest.raises(AssertionError, match=r"no sklqkd\.losses\.DistillationLoss"):
        check_loss(hinton)
    with pytest.raises(KeyError):
        check_loss("nonsense")


def test_images_come_with_labels(digits):
    with pytest.raises(ValueError, match="X and y, or neither"):
        check_student(QNNClassifier(), digits[0])
    check_student(
        QNNClassifier(n_qubits=2, reducer=None, max_iter=1), digits[0][:, 18:22], digits[1]
    )
