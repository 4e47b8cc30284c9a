"""Losses of the states that encode images: quantum relational distillation."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from sklqkd import DistilledLinearClassifier, DistilledQNNClassifier
from sklqkd.circuits import compile_ansatz
from sklqkd.datasets import load_digits
from sklqkd.encodings import make_encoding
from sklqkd.losses import DISTILLATION_LOSSES, softened, with_constants
from sklqkd.reducers.front_ends import LinearFrontEnd
from sklqkd.search import StackedGridSearchCV
from sklqkd.simulation import ExactCircuit
from sklqkd.training import Lesson, Network, Objective

LOSS = "quantum_relational"


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200], y[:200]


@pytest.fixture(scope="module")
def forest():
    X, y = load_digits(return_X_y=True)
    return RandomForestClassifier(100, random_state=0).fit(X[:600], y[:600])


def student(teacher, **parameters):
    return DistilledQNNClassifier(
        teacher, **{"distillation": LOSS, "max_iter": 5, "random_state": 0} | parameters
    )


@pytest.mark.parametrize("encoding", ["amplitude", "angle", "qubit", "hadamard_ry"])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_is_that_of_finite_differences(encoding, weighted):
    rng = np.random.default_rng(0)
    n = 6
    coded = make_encoding(encoding, 2)
    circuit = ExactCircuit(coded, compile_ansatz("strongly_entangling", 2, 2), np.float64)
    front_end = LinearFrontEnd(5, coded.n_features)
    network = Network(circuit, "probs", 3, front_end=front_end, dtype=np.float64)
    network.bind(network.initial_parameters(rng))
    X, one_hot = rng.uniform(size=(n, 5)), np.eye(3)[rng.integers(3, size=n)]
    lesson = Lesson(softened(rng.normal(size=(n, 3)), 2.0), 2.0)
    weights = (rng.uniform(0, 2, n),) * 2 if weighted else (None, None)
    loss = with_constants(LOSS, beta=5.0)
    objective = Objective(one_hot, loss, [lesson], 0.6, *weights)
    rows = np.arange(n)

    def total():
        value, gradient = objective(network.logits(X), rows)
        of_states, towards = objective.of_states(network.states(), rows)
        network.backward(gradient, towards)
        return value + of_states

    total()
    gradient, parameters = network.gradient.copy(), network.parameters
    expected = np.empty_like(gradient)
    for k in range(len(parameters)):
        values = []
        for step in (1e-6, -1e-6):
            parameters[k] += step
            values.append(total())
            parameters[k] -= step
        expected[k] = (values[0] - values[1]) / 2e-6
    np.testing.assert_allclose(gradient, expected, atol=1e-7)


def disagreement(fitted, X, teacher, temperature=3.0):
    """Return the mean squared difference of the two matrices, from the student's own states."""
    features = fitted.reducer_.transform(X)
    states = make_encoding(fitted.encoding, fitted.n_qubits).forward(features.astype(float))
    overlaps = np.abs(states.conj().T @ states) ** 2
    logits = np.log(np.maximum(teacher.predict_proba(X), np.finfo(np.float32).tiny))
    roots = np.sqrt(softened(logits, temperature))
    return np.mean((overlaps - (roots @ roots.T) ** 2) ** 2)


@pytest.mark.parametrize("encoding", ["amplitude", "qubit"])
def test_states_become_as_alike_as_the_teacher_says(digits, forest, encoding):
    X, _ = digits
    parameters = {"encoding": encoding, "max_iter": 30, "lam": 0.9}
    without = student(forest, distillation="hinton", **parameters).fit(*digits)
    loss = with_constants(LOSS, beta=100.0)
    taught = student(forest, distillation=loss, **parameters).fit(*digits)
    assert disagreement(taught, X, forest) < 0.8 * disagreement(without, X, forest)


def test_searches_find_what_lone_fits_find(digits, forest):
    search = StackedGridSearchCV(
        student(forest), {"distillation": [LOSS, "relational"], "lam": [0.5]}, cv=2
    ).fit(*digits)
    again = student(forest).set_params(**search.best_params_).fit(*digits)
    np.testing.assert_array_equal(search.best_estimator_.parameters_, again.parameters_)


def test_early_stopping_weights_and_copies(digits, forest):
    X, y = digits
    weights = np.random.default_rng(0).uniform(0.5, 2, len(X))
    fitted = student(forest, early_stopping=True, augmentation="shift", n_views=2, batch_size=50)
    fitted.fit(X, y, sample_weight=weights)
    assert len(fitted.loss_curve_) == 5
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda t: student(t, reducer="pca"), "nothing before the encoding is trained"),
        (
            lambda t: DistilledLinearClassifier(t, distillation=LOSS, reducer="fc"),
            "exact simulator of a quantum student",
        ),
        (
            lambda t: student(t, backend="default.qubit", distillation=DISTILLATION_LOSSES[LOSS]),
            "exact simulator of a quantum student",
        ),
    ],
)
def test_where_there_are_no_states_it_is_refused(digits, forest, make, match):
    refused = make(forest)
    with pytest.raises(ValueError, match=match):
        refused.fit(*digits)
    assert not hasattr(refused, "parameters_")


def test_without_a_teacher_it_is_not_asked_for(digits):
    student(None, lam=0, reducer="pca").fit(*digits)
