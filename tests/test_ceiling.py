"""The best that any circuit makes of an encoding."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import check_grad, minimize
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from sklqkd import QNNClassifier
from sklqkd.datasets import load_digits
from sklqkd.encodings import make_encoding
from sklqkd.evaluation import encoding_ceiling
from sklqkd.students.features import encoded_features

X, Y = load_digits(return_X_y=True)
KEPT = Y < 3
X, Y = X[KEPT], Y[KEPT]
TRAIN, LABELS, TEST, TEST_LABELS = X[:200], Y[:200], X[200:400], Y[200:400]


@pytest.fixture(scope="module", params=["angle", "amplitude", "qubit"])
def student(request):
    n_qubits = 2
    student = QNNClassifier(n_qubits=n_qubits, encoding=request.param, reducer="pca", max_iter=5)
    return student.set_params(random_state=0).fit(TRAIN, LABELS)


def test_is_the_minimum_over_all_hermitian_matrices(student):
    """The same problem, written with matrices and states and solved by SciPy."""
    alpha = 1e-3
    found = encoding_ceiling(student, TRAIN, LABELS, alpha=alpha)
    encoding = make_encoding(student.encoding, 2)
    states = encoding.forward(encoded_features(student, TRAIN)).T  # (n_samples, 4)
    basis = []
    for i in range(4):
        for j in range(i, 4):
            for phase in (1, 1j) if i < j else (1,):
                matrix = np.zeros((4, 4), complex)
                matrix[i, j] = phase
                basis.append((matrix + matrix.conj().T) / np.linalg.norm(matrix + matrix.conj().T))
    values = np.einsum("bi,kij,bj->bk", states.conj(), basis, states).real
    one_hot = LABELS[:, None] == np.arange(3)

    def objective(flat):
        coef, intercept = flat[:48].reshape(3, 16), flat[48:]
        logits = values @ coef.T + intercept
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        loss = -np.log(probabilities[one_hot]).mean() + alpha / 2 * (coef**2).sum() / 16
        slopes = (probabilities - one_hot) / len(values)
        return loss, np.append(slopes.T @ values + alpha * coef / 16, slopes.sum(axis=0))

    start = np.random.default_rng(0).normal(size=51)
    error = check_grad(lambda p: objective(p)[0], lambda p: objective(p)[1], start)
    assert error < 1e-4
    options = {"maxiter": 5000, "gtol": 1e-9, "ftol": 1e-14, "maxfun": 20000}
    best = minimize(objective, np.zeros(51), jac=True, method="L-BFGS-B", options=options)
    penalty = alpha / 2 * (best.x[:48] ** 2).sum() / 16
    assert_allclose(found.train_loss, best.fun - penalty, rtol=1e-3)
    coef = found.classifier[-1].coef_
    assert_allclose(found.train_loss + alpha / 2 * (coef**2).sum() / 16, best.fun, rtol=1e-6)


def test_no_student_is_better_up_to_the_penalty(student):
    found = encoding_ceiling(student, TRAIN, LABELS, TEST, TEST_LABELS)
    norms = (student.to_classical()[-1].coef_ ** 2).sum() / 16
    assert found.train_loss <= found.student_train_loss + found.alpha / 2 * norms
    assert found.gap == found.student_train_loss - found.train_loss
    assert found.student_train_accuracy == student.score(TRAIN, LABELS)
    assert found.student_test_accuracy == student.score(TEST, TEST_LABELS)
    expected = log_loss(TEST_LABELS, student.predict_proba(TEST))
    assert found.student_test_loss == pytest.approx(expected)
    assert found.test_accuracy == found.classifier.score(TEST, TEST_LABELS)
    assert found.test_gap == found.test_accuracy - found.student_test_accuracy
    assert found.test_loss == pytest.approx(
        log_loss(TEST_LABELS, found.classifier.predict_proba(TEST))
    )
    assert found.converged


def test_has_a_table_for_a_repr(student):
    without = encoding_ceiling(student, TRAIN, LABELS)
    assert np.isnan(without.test_loss)
    assert "test" not in repr(without)
    lines = repr(encoding_ceiling(student, TRAIN, LABELS, TEST, TEST_LABELS)).splitlines()
    assert len(lines) == 6
    assert lines[0].split() == ["student", "ceiling"]
    assert lines[4].split()[:2] == ["test", "accuracy"]
    assert f"18 angles against {3 * without.n_terms} coefficients, alpha=1e-05" in lines[5]


def test_two_classes_of_strings():
    names = np.where(LABELS > 0, "other", "zero")
    student = QNNClassifier(n_qubits=2, encoding="angle", reducer="pca", max_iter=3)
    student.set_params(random_state=0).fit(TRAIN, names)
    found = encoding_ceiling(student, TRAIN, names)
    assert found.n_coefficients == 9
    assert found.train_loss < found.student_train_loss
    assert set(found.classifier.predict(TEST)) == {"other", "zero"}


def test_more_uploads_never_have_a_higher_ceiling():
    losses = []
    for n_uploads in (1, 2, 3):
        student = QNNClassifier(n_qubits=2, encoding="angle", n_uploads=n_uploads, reducer="pca")
        student.set_params(max_iter=2, random_state=0).fit(TRAIN, LABELS)
        found = encoding_ceiling(student, TRAIN, LABELS, alpha=1e-8)
        assert found.n_terms == (2 * n_uploads + 1) ** 2
        assert found.train_loss < found.student_train_loss
        losses.append(found.train_loss)
    assert losses[0] > losses[1] > losses[2]


def test_says_when_it_has_not_converged(student):
    with pytest.warns(ConvergenceWarning, match="max_iter=1 iterations"):
        found = encoding_ceiling(student, TRAIN, LABELS, max_iter=1)
    assert not found.converged
    assert "not converged" in repr(found)


def test_bad_input_is_refused(student):
    with pytest.raises(ValueError, match=r"labels \[7\]"):
        encoding_ceiling(student, TRAIN, np.where(LABELS == 1, 7, LABELS))
    with pytest.raises(ValueError, match=r"no image of the student's classes \[2\]"):
        encoding_ceiling(student, TRAIN[LABELS < 2], LABELS[LABELS < 2])
    with pytest.raises(ValueError, match="X_test and y_test"):
        encoding_ceiling(student, TRAIN, LABELS, TEST)
    with pytest.raises(ValueError, match="alpha"):
        encoding_ceiling(student, TRAIN, LABELS, alpha=0)
    with pytest.raises(ValueError, match="inconsistent"):
        encoding_ceiling(student, TRAIN, LABELS[1:])
    with pytest.raises(ValueError, match="coefficients for each"):
        encoding_ceiling(student, TRAIN, LABELS, max_coefficients=5)
    with pytest.raises(TypeError, match="best_estimator_"):
        encoding_ceiling(LogisticRegression(), TRAIN, LABELS)
    with pytest.raises(NotFittedError):
        encoding_ceiling(QNNClassifier(), TRAIN, LABELS)
