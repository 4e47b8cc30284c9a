"""Numbers at their limits: huge logits, extreme temperatures, certain teachers, long training."""

import mpmath
import numpy as np
import pytest

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.circuits import compile_ansatz
from sklqkd.encodings import ENCODINGS, make_encoding
from sklqkd.losses import DISTILLATION_LOSSES, cross_entropy
from sklqkd.simulation import ExactCircuit

TEMPERATURES = [1e-3, 1.0, 1e3]
each_temperature = pytest.mark.parametrize("temperature", TEMPERATURES)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])

#: Student's and teacher's logits: alike, opposed, certain, moderate.
PAIRS = [
    ([1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]),
    ([1e4, -1e4, 0.0], [1e4, -1e4, 0.0]),
    ([0.0, 0.0, 0.0], [1e4, 1e4, -1e4]),
    ([-1e4, -1e4, 1e4], [0.0, 0.0, 0.0]),
    ([0.5, -1.0, 2.0], [3.0, 0.0, 1.0]),
]


def exact_hinton(student, targets, temperature):
    """Return T^2 KL(targets || student at T) and its gradient with 60 digits."""
    with mpmath.workdps(60):
        logits = [mpmath.mpf(float(z)) / mpmath.mpf(temperature) for z in student]
        greatest = max(logits)
        log_total = greatest + mpmath.log(mpmath.fsum(mpmath.exp(z - greatest) for z in logits))
        p = [mpmath.mpf(float(target)) for target in targets]
        terms = [q * (mpmath.log(q) - z + log_total) for q, z in zip(p, logits, strict=True) if q]
        slopes = [mpmath.exp(z - log_total) - q for q, z in zip(p, logits, strict=True)]
        loss = float(temperature**2 * mpmath.fsum(terms))
        return loss, [float(temperature * slope) for slope in slopes]


def check_hinton(student, targets, temperature, dtype):
    """Check the loss within the rounding of its parts, and its gradient."""
    student, targets = np.asarray(student, dtype), np.asarray(targets, dtype)
    losses, gradient = DISTILLATION_LOSSES["hinton"].loss(
        student[None], targets[None], temperature, None
    )
    loss, slopes = exact_hinton(student, targets, temperature)
    eps = np.finfo(dtype).eps
    # T^2 times the rounding of numbers of order 1, and of the logits that go into them.
    np.testing.assert_allclose(losses[0], loss, rtol=20 * eps, atol=20 * eps * temperature**2)
    np.testing.assert_allclose(gradient[0], slopes, rtol=20 * eps, atol=20 * eps * temperature)


@pytest.mark.parametrize(("student", "teacher"), PAIRS)
@each_temperature
@each_dtype
def test_hinton_is_exact_for_huge_logits(student, teacher, temperature, dtype):
    targets = DISTILLATION_LOSSES["hinton"].targets(np.array([teacher]), temperature)
    check_hinton(student, targets[0], temperature, dtype)


@pytest.mark.parametrize("targets", [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
@pytest.mark.parametrize("student", [pair[0] for pair in PAIRS])
@each_temperature
@each_dtype
def test_hinton_is_exact_for_probabilities_of_zero_and_one(student, targets, temperature, dtype):
    check_hinton(student, targets, temperature, dtype)


@each_dtype
def test_cross_entropy_is_exact_for_huge_logits(dtype):
    for student, _ in PAIRS:
        for one_hot in np.eye(3, dtype=dtype):
            losses, gradient = cross_entropy(np.asarray([student], dtype), one_hot[None])
            loss, slopes = exact_hinton(np.asarray(student, dtype), one_hot, 1.0)
            eps = np.finfo(dtype).eps
            np.testing.assert_allclose(losses[0], loss, rtol=10 * eps, atol=10 * eps)
            np.testing.assert_allclose(gradient[0], slopes, rtol=10 * eps, atol=10 * eps)


# ------------------------------------------------------------------------------ whole students


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.random((12, 9)), np.arange(12) % 3


def student(**parameters):
    defaults = {"n_qubits": 2, "max_iter": 20, "tol": 0, "batch_size": 4, "random_state": 0}
    return DistilledQNNClassifier(**{**defaults, **parameters})


def check_fitted(fitted, X):
    assert np.isfinite(fitted.parameters_).all()
    assert np.isfinite(fitted.loss_curve_).all()
    probabilities = fitted.predict_proba(X)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)


@each_temperature
@pytest.mark.parametrize("distillation", DISTILLATION_LOSSES)
def test_students_of_certain_teachers(distillation, temperature, data):
    X, y = data
    logits = np.where(np.eye(3, dtype=bool)[y], 1e4, -1e4)
    fitted = student(distillation=distillation, temperature=temperature)
    check_fitted(fitted.fit(X, y, teacher_logits=logits), X)


@each_temperature
def test_logarithms_of_zero_are_the_teachers_zeros(temperature, data):
    X, y = data
    probabilities = np.array([[1.0, 0.0, 0.0], [0.0, 0.25, 0.75], [0.5, 0.5, 0.0]])[y]
    with np.errstate(divide="ignore"):
        given = student(temperature=temperature).fit(X, y, teacher_logits=np.log(probabilities))
    check_fitted(given, X)
    smallest = np.finfo(np.float32).tiny
    clipped = np.log(np.maximum(probabilities, smallest))
    expected = student(temperature=temperature).fit(X, y, teacher_logits=clipped)
    np.testing.assert_allclose(given.parameters_, expected.parameters_, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklqkd.exceptions.TeacherWarning")  # it is made up
def test_a_logarithm_of_zero_is_below_the_lowest_logit(data):
    X, y = data
    logits = np.zeros((12, 3))
    logits[:, 1], logits[:, 2] = -200, -np.inf
    lowest = np.where(np.isinf(logits), -200, logits)
    given = student(temperature=100.0).fit(X, y, teacher_logits=logits)
    expected = student(temperature=100.0).fit(X, y, teacher_logits=lowest)
    np.testing.assert_array_equal(given.parameters_, expected.parameters_)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        ([-np.inf, -np.inf, -np.inf], "minus infinity for all classes"),
        ([np.inf, 0, 0], "teacher_logits contains infinity"),
        ([np.nan, 0, -np.inf], "teacher_logits contains NaN"),
        ([1e13, 0, 0], "teacher_logits has a number of size 1e\\+13"),
    ],
)
def test_other_logits_that_are_not_finite_are_refused(logits, message, data):
    X, y = data
    with pytest.raises(ValueError, match=message):
        student().fit(X, y, teacher_logits=np.array([logits] * 12))


@pytest.mark.parametrize("temperature", [5e-324, 9e-4, 1001.0, 1e308])
def test_temperatures_beyond_rounding_are_refused(temperature, data):
    with pytest.raises(ValueError, match=r"temperature is .* in \[0.001, 1000.0\]"):
        student(temperature=temperature).fit(*data, teacher_logits=np.zeros((12, 3)))


@pytest.mark.parametrize("Estimator", [QNNClassifier, DistilledQNNClassifier])
def test_diverging_training_is_told_and_leaves_no_trace(Estimator, data):
    diverging = Estimator(learning_rate_init=1e30, random_state=0)
    before = dict(vars(diverging))
    with pytest.raises(ValueError, match=r"Training diverged.*Lower learning_rate_init"):
        diverging.fit(*data)
    assert vars(diverging) == before


# ------------------------------------------------------------------------------ long training


def test_ten_thousand_epochs_keep_the_norm_of_the_state(data):
    X, y = data
    options = {"n_qubits": 2, "n_layers": 1, "batch_size": 12, "learning_rate_init": 0.05}
    fitted = QNNClassifier(max_iter=10_000, n_iter_no_change=10_000, random_state=0, **options)
    fitted.fit(X, y)
    assert fitted.n_iter_ == 10_000
    check_fitted(fitted, X)
    assert fitted.score(X, y) == 1
    assert fitted.loss_curve_[-1] < 1e-3
    weights = fitted.circuit_weights_
    assert weights.dtype == np.float32
    program = compile_ansatz("strongly_entangling", n_qubits=2, n_layers=1)
    circuit = ExactCircuit(make_encoding("amplitude", 2), program, np.float32)
    circuit.prepare(weights.ravel())
    features = fitted.reducer_.transform(X.astype(np.float32))
    probabilities = circuit.values(features)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=2e-6)


# ------------------------------------------------------------------------------ encodings


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 5e-324, 1e-45, -1e-40, 1e-38, 1e-19, 1e-8, 1.0, 20.0, -1e4, 1e38]
)
@pytest.mark.parametrize("name", ENCODINGS)
@each_dtype
def test_encodings_of_any_size_have_norm_one(name, value, dtype):
    encoding = make_encoding(name, 3)
    features = np.zeros((3, encoding.n_features), dtype)
    features[0], features[1, -1], features[2, ::2] = value, value, value
    states = encoding.forward(features)
    np.testing.assert_allclose(np.linalg.norm(states, axis=0), 1, atol=20 * np.finfo(dtype).eps)
    gradient = encoding.backward(np.ones_like(states))
    assert np.isfinite(gradient).all()


def test_epochs_that_are_never_reached_cost_nothing(data):
    X, y = data
    endless = student(lam=0, max_iter=10**12, n_iter_no_change=1, tol=1e9)
    assert endless.fit(X, y, teacher_logits=np.zeros((12, 3))).n_iter_ == 2
