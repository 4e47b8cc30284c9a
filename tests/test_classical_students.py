"""The classical students: the same training with another middle part, and no circuit."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklqkd import DistilledQNNClassifier, FCReducer, PCAReducer, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.feature_scaling import fit_feature_scale, scaled
from sklqkd.losses import DISTILLATION_LOSSES, softened
from sklqkd.reducers.front_ends import LinearFrontEnd
from sklqkd.students import DistilledLinearClassifier, DistilledMLPClassifier
from sklqkd.students.circuit_export import CircuitMixin
from sklqkd.students.layers import (
    HiddenArchitecture,
    HiddenLayer,
    LinearArchitecture,
    SquashLayer,
    matched_hidden_units,
)
from sklqkd.training import Lesson, Objective

from .reference import differences

STUDENTS = [DistilledLinearClassifier, DistilledMLPClassifier]
every_student = pytest.mark.parametrize("Student", STUDENTS)
QUANTUM_PARAMETERS = {
    *("n_qubits", "encoding", "ansatz", "n_layers", "measurement"),
    *("n_uploads", "trainable_scaling"),
    *("backend", "shots", "backend_options", "device"),
}


@pytest.fixture(scope="module")
def digits():
    """120 images of 3 classes."""
    return take_per_class(*load_digits(return_X_y=True), 40, classes=[0, 1, 2])


@pytest.fixture(scope="module")
def teacher(digits):
    return RandomForestClassifier(random_state=0).fit(*digits)


def quick(Student, *args, **params):
    return Student(*args, **{"max_iter": 3, "random_state": 0} | params)


def snapshot(estimator):
    return pickle.dumps(vars(estimator))


# the network


@pytest.mark.parametrize("n_pixels", [None, 5])
@pytest.mark.parametrize(
    "architecture",
    [LinearArchitecture(4, np.float64), HiddenArchitecture(4, 3, np.float64)],
    ids=["linear", "hidden"],
)
def test_gradient(architecture, n_pixels):
    rng = np.random.default_rng(0)
    front_end = LinearFrontEnd(n_pixels, 4) if n_pixels else None
    network = architecture.network(4, 3, front_end=front_end)
    X = rng.normal(size=(6, n_pixels or 4))
    loss = DISTILLATION_LOSSES["hinton"]
    lessons = [Lesson(loss.targets(rng.normal(size=(6, 3)), 3.0), 3.0)]
    objective = Objective(np.eye(3)[[0, 1, 2, 0, 1, 2]], loss, lessons, 0.4)
    rows = np.arange(len(X))
    parameters = network.initial_parameters(rng)

    def value(values):
        network.bind(values)
        return objective(network.logits(X), rows)[0]

    expected = differences(value, parameters)
    network.bind(parameters)
    network.backward(objective(network.logits(X), rows)[1])
    assert_allclose(network.gradient, expected, atol=1e-7)


@pytest.mark.parametrize("layer", [SquashLayer(4), HiddenLayer(4, 3)], ids=["squash", "hidden"])
def test_gradient_of_the_features(layer):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(5, 4))
    towards = rng.normal(size=(len(layer.permutation), 5))
    layer.prepare(rng.normal(size=layer.n_weights))
    expected = differences(lambda x: (layer.values(x) * towards).sum(), features)
    layer.values(features)
    assert_allclose(layer.backward(towards, with_input=True)[1], expected, atol=1e-7)
    assert layer.backward(towards, with_input=False)[1] is None


def test_predictions_do_not_depend_on_the_chunks():
    rng = np.random.default_rng(0)
    network = HiddenArchitecture(4, 3, np.float64).network(4, 3)
    network.bind(network.initial_parameters(rng))
    X = rng.normal(size=(50, 4))
    assert network.middle.n_rows > len(X)
    expected = network.predict_logits(X)
    for network.middle.n_rows in (1, 7, 50):
        assert_allclose(network.predict_logits(X), expected, atol=1e-12)


@pytest.mark.parametrize("reducer", ["fc", "pca", None])
def test_logits_are_what_is_documented(digits, reducer):
    X, y = digits
    X = X[:, 24:40] if reducer is None else X
    linear = quick(DistilledLinearClassifier, reducer=reducer).fit(X, y)
    features = scaled(X if reducer is None else linear.reducer_.transform(X), linear.feature_scale_)
    expected = np.tanh(features) * np.sqrt(16) @ linear.head_coef_.T + linear.head_intercept_
    assert_allclose(linear.decision_function(X), expected, atol=1e-5)

    mlp = quick(DistilledMLPClassifier, reducer=reducer, hidden_units=5).fit(X, y)
    features = scaled(X if reducer is None else mlp.reducer_.transform(X), mlp.feature_scale_)
    hidden = np.tanh(np.tanh(features) @ mlp.hidden_coef_.T + mlp.hidden_intercept_)
    expected = hidden @ mlp.head_coef_.T + mlp.head_intercept_
    assert_allclose(mlp.decision_function(X), expected, atol=1e-5)


# training


def test_the_linear_student_finds_the_optimum_of_logistic_regression():
    X, y = load_digits(return_X_y=True)
    X, y = PCA(4, random_state=0).fit_transform(X)[:600], y[:600]
    y = np.where(np.arange(len(y)) % 4 == 0, np.roll(y, 1), y)  # so that the optimum is not far
    features = np.tanh(scaled(X, fit_feature_scale(X, centred=True)))
    exact = LogisticRegression(C=np.inf, max_iter=2000, tol=1e-8).fit(features, y)
    lowest = log_loss(y, exact.predict_proba(features))
    student = DistilledLinearClassifier(
        reducer=None,
        lam=0,
        batch_size=len(X),
        learning_rate_init=0.05,
        max_iter=1000,
        n_iter_no_change=1000,
        random_state=0,
    ).fit(X, y)
    assert 0.5 < lowest < 2
    assert_allclose(log_loss(y, student.predict_proba(X)), lowest, rtol=1e-4)
    assert_allclose(student.predict_proba(X), exact.predict_proba(features), atol=0.01)


@every_student
@pytest.mark.parametrize("reducer", ["fc", "pca", "avg_pool", "max_pool", "crop"])
def test_it_learns(digits, Student, reducer):
    X, y = digits
    student = quick(Student, reducer=reducer, max_iter=30, learning_rate_init=0.03)
    assert student.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.8


@every_student
def test_the_conv_reducer_is_trained_with_it(digits, Student):
    X, y = digits
    student = quick(Student, reducer="conv").fit(X, y)
    assert student.loss_curve_[-1] < student.loss_curve_[0]
    assert student.n_parameters_["classical"] == student.parameters_.size


def test_a_hidden_layer_separates_what_a_line_cannot():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (200, 2))
    y = X[:, 0] * X[:, 1] > 0
    params = {"reducer": None, "max_iter": 200, "learning_rate_init": 0.05}
    assert quick(DistilledMLPClassifier, hidden_units=8, **params).fit(X, y).score(X, y) > 0.95
    assert quick(DistilledLinearClassifier, **params).fit(X, y).score(X, y) < 0.8


@every_student
def test_lam_0_is_no_teacher(digits, teacher, Student):
    plain = quick(Student).fit(*digits)
    assert_array_equal(quick(Student, teacher, lam=0).fit(*digits).parameters_, plain.parameters_)
    taught = quick(Student, teacher).fit(*digits)
    assert not np.array_equal(taught.parameters_, plain.parameters_)


@every_student
@pytest.mark.filterwarnings("ignore:The teacher .* agrees with y on")
def test_distillation_brings_the_student_near_the_teacher(digits, teacher, Student):
    X, y = digits
    wrong = np.roll(y, 1)
    params = {"max_iter": 20, "learning_rate_init": 0.03}
    taught = quick(Student, teacher, lam=1, **params).fit(X, wrong)
    assert (taught.predict(X) == teacher.predict(X)).mean() > 0.95
    assert (quick(Student, teacher, lam=0, **params).fit(X, wrong).predict(X) == y).mean() < 0.9


@every_student
def test_logits_are_as_good_as_the_teacher(digits, teacher, Student):
    X, y = digits
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(teacher.predict_proba(X)), np.log(np.finfo(np.float32).tiny))
    by_teacher = quick(Student, teacher).fit(X, y)
    by_logits = quick(Student).fit(X, y, teacher_logits=logits)
    assert_allclose(by_logits.predict_proba(X), by_teacher.predict_proba(X), rtol=1e-4)
    assert softened(logits, 1.0).shape == (len(X), 3)
    pipe = make_pipeline(PCAReducer(), quick(Student, reducer=None))
    name = pipe.steps[-1][0]
    pipe.fit(X, y, **{f"{name}__teacher_logits": logits})
    assert pipe[-1].n_components_ == 16


@every_student
@pytest.mark.parametrize(
    "params",
    [
        {"distillation": "dist"},
        {"lam": ("linear", 1, 0), "temperature": ("linear", 6, 1)},
        {"cv": 3},
        {"early_stopping": True},
        {"batch_size": 50, "shuffle": False},
    ],
    ids=str,
)
def test_the_options_of_distillation(digits, teacher, Student, params):
    X, y = digits
    given = clone(teacher) if "cv" in params else teacher
    student = quick(Student, given, **params).fit(X, y)
    assert np.isfinite(student.parameters_).all()
    assert student.n_iter_ == 3
    assert (student.validation_scores_ is not None) == ("early_stopping" in params)


@every_student
def test_several_teachers_and_unlabelled_images(digits, teacher, Student):
    X, y = digits
    other = LogisticRegression(max_iter=2000).fit(X, y)
    few = np.where(np.arange(len(y)) % 4 == 0, y, -1)
    student = quick(Student, [teacher, other], teacher_weights=[1, 2], max_iter=20).fit(X, few)
    assert_array_equal(student.classes_, [0, 1, 2])
    assert student.score(X, y) > 0.9


@every_student
def test_sample_weight(digits, teacher, Student):
    X, y = digits
    plain = quick(Student, teacher).fit(X, y)
    equal = quick(Student, teacher).fit(X, y, np.full(len(y), 2.0))
    assert_array_equal(equal.parameters_, plain.parameters_)
    uneven = quick(Student, teacher).fit(X, y, np.where(y == 0, 5.0, 1.0))
    assert not np.allclose(uneven.parameters_, plain.parameters_)


@every_student
def test_same_seed_same_parameters(digits, Student):
    first, again = (quick(Student).fit(*digits).parameters_ for _ in range(2))
    assert_array_equal(first, again)
    assert not np.array_equal(quick(Student, random_state=1).fit(*digits).parameters_, first)


# going on


@every_student
def test_warm_start_and_partial_fit_go_on(digits, Student):
    once = quick(Student, max_iter=6, shuffle=False).fit(*digits)
    twice = quick(Student, warm_start=True, shuffle=False).fit(*digits).fit(*digits)
    assert_array_equal(twice.parameters_, once.parameters_)
    by_parts = quick(Student, shuffle=False)
    for _ in range(6):
        by_parts.partial_fit(*digits, classes=[0, 1, 2])
    assert_array_equal(by_parts.parameters_, once.parameters_)
    assert by_parts.loss_curve_ == once.loss_curve_


@every_student
def test_warm_start_refuses_another_shape(digits, Student):
    X, y = digits
    student = quick(Student, warm_start=True).fit(X, y)
    before = snapshot(student)
    with pytest.raises(ValueError, match=r"another number.*warm_start=False"):
        student.fit(X[:, :32], y)
    assert snapshot(student) == before
    with pytest.raises(ValueError, match=r"shape the student.*warm_start=False"):
        student.set_params(n_components=8).fit(X, y)


def test_warm_start_refuses_other_hidden_units(digits):
    student = quick(DistilledMLPClassifier, warm_start=True).fit(*digits)
    with pytest.raises(ValueError, match=r"shape the student.*warm_start=False"):
        student.set_params(hidden_units=student.hidden_units_ + 1).fit(*digits)


# number of parameters


@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 8, 11, 16, 32, 64, 256])
@pytest.mark.parametrize("n_classes", [2, 3, 6, 10, 100])
def test_matched_hidden_units_are_the_closest(n_features, n_classes):
    n_qubits = max(1, int(np.ceil(np.log2(n_features))))
    quantum = 9 * n_qubits + n_classes * 2**n_qubits + n_classes

    def away(n_units):
        return abs(n_units * (n_features + 1) + n_classes * (n_units + 1) - quantum)

    best = min(away(n_units) for n_units in range(1, 300))
    assert away(matched_hidden_units(n_features, n_classes)) == best


@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("n_components", [8, 16, 32])
@pytest.mark.parametrize("reducer", ["fc", "pca"])
def test_number_of_parameters(n_classes, n_components, reducer):
    X, y = take_per_class(*load_digits(return_X_y=True), 10, classes=range(n_classes))
    params = {"reducer": reducer, "max_iter": 1, "random_state": 0}
    quantum = QNNClassifier(n_qubits=int(np.log2(n_components)), **params).fit(X, y)
    linear = DistilledLinearClassifier(n_components=n_components, **params).fit(X, y)
    mlp = DistilledMLPClassifier(n_components=n_components, **params).fit(X, y)
    total, angles = sum(quantum.n_parameters_.values()), quantum.n_parameters_["quantum"]
    assert linear.n_parameters_ == {"quantum": 0, "classical": total - angles}
    assert mlp.n_parameters_["quantum"] == 0
    one_unit = n_components + 1 + n_classes
    assert abs(mlp.n_parameters_["classical"] - total) <= one_unit / 2
    for student in (linear, mlp):
        assert student.parameters_.shape == (student.n_parameters_["classical"],)
        assert student.n_components_ == n_components
    assert linear.head_coef_.shape == (n_classes, n_components)
    assert mlp.head_coef_.shape == (n_classes, mlp.hidden_units_)
    assert mlp.hidden_coef_.shape == (mlp.hidden_units_, n_components)
    assert mlp.hidden_intercept_.shape == (mlp.hidden_units_,)
    assert mlp.head_intercept_.shape == linear.head_intercept_.shape == (n_classes,)


@every_student
@pytest.mark.parametrize(
    ("reducer", "n_components"),
    [
        *((PCA(), 8), (PCA(20), 20), (FCReducer(20), 20)),
        *((PCAReducer(n_components=None), 8), (FCReducer(n_components=None), 8), (None, 64)),
    ],
    ids=str,
)
def test_a_reducer_that_states_its_number_of_features_keeps_it(
    digits, Student, reducer, n_components
):
    student = quick(Student, reducer=reducer, n_components=8).fit(*digits)
    assert student.n_components_ == n_components
    assert np.isfinite(student.predict_proba(digits[0])).all()


# scikit-learn


def test_parameters_are_those_of_the_quantum_student_but_for_the_circuit():
    quantum = DistilledQNNClassifier().get_params()
    shared = {k: v for k, v in quantum.items() if k not in QUANTUM_PARAMETERS}
    assert DistilledLinearClassifier().get_params() == {**shared, "n_components": 16}
    expected = {**shared, "n_components": 16, "hidden_units": None}
    assert DistilledMLPClassifier().get_params() == expected


@every_student
def test_there_is_no_circuit(digits, Student):
    student = quick(Student).fit(*digits)
    methods = [name for name in vars(CircuitMixin) if not name.startswith("_")]
    assert "draw" in methods
    for name in [*methods, "circuit_weights_", "circuit_"]:
        assert not hasattr(student, name)


def test_unfitted(digits):
    for Student in STUDENTS:
        with pytest.raises(NotFittedError):
            Student().predict(digits[0])
    for name in ("hidden_coef_", "hidden_intercept_", "head_coef_", "head_intercept_"):
        assert not hasattr(DistilledMLPClassifier(), name)


@every_student
def test_pickle(digits, teacher, Student):
    X, y = digits
    student = quick(Student, teacher).fit(X, y)
    again = pickle.loads(pickle.dumps(student))
    assert_array_equal(again.predict_proba(X), student.predict_proba(X))
    assert_array_equal(again.head_coef_, student.head_coef_)


@every_student
def test_set_params_after_fit_does_not_change_predictions(digits, Student):
    X, y = digits
    student = quick(Student).fit(X, y)
    before, coef = student.predict_proba(X), student.head_coef_
    student.set_params(n_components=3, reducer="crop")
    if Student is DistilledMLPClassifier:
        student.set_params(hidden_units=2)
    assert_array_equal(student.predict_proba(X), before)
    assert_array_equal(student.head_coef_, coef)


@every_student
def test_clone_keeps_a_fitted_teacher(digits, teacher, Student):
    student = quick(Student, teacher).fit(*digits)
    copy = clone(student)
    assert copy.teacher is teacher
    assert not hasattr(copy, "parameters_")
    assert_array_equal(copy.fit(*digits).parameters_, student.parameters_)
    with pytest.raises(ValueError, match="fitted already"):
        student.set_params(teacher__max_depth=1)


@every_student
def test_grid_search(digits, teacher, Student):
    grid = {"reducer": ["fc", "pca"], "lam": [0, 0.5], "n_components": [4, 16]}
    search = GridSearchCV(quick(Student, teacher, max_iter=20), grid, cv=2).fit(*digits)
    assert search.best_score_ > 0.9
    assert search.best_estimator_.teacher is teacher


@every_student
def test_a_failed_fit_changes_nothing(digits, Student):
    X, y = digits
    student = quick(Student).fit(X, y)
    before = snapshot(student)
    for bad in (np.where(np.arange(X.size).reshape(X.shape) == 7, np.nan, X), X[:, :, None]):
        with pytest.raises(ValueError):  # noqa: PT011
            student.fit(bad, y)
    assert snapshot(student) == before


@every_student
@pytest.mark.parametrize("params", [{"n_components": 0}, {"reducer": "umap"}, {"lam": 2}], ids=str)
def test_refuses_bad_parameters(digits, Student, params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter of {Student.__name__}"):
        quick(Student, **params).fit(*digits)


def test_refuses_no_hidden_units(digits):
    with pytest.raises(ValueError, match="'hidden_units' parameter"):
        quick(DistilledMLPClassifier, hidden_units=0).fit(*digits)


@every_student
def test_two_string_classes_a_frame_and_black_images(digits, Student):
    X, y = digits
    X = X[y < 2].copy()
    X[:3] = 0
    labels = np.array(["no", "yes"])[y[y < 2]]
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    student = quick(Student, max_iter=10).fit(frame, labels)
    assert student.decision_function(frame).shape == (len(X),)
    assert np.isfinite(student.predict_proba(frame)).all()
    assert student.score(frame, labels) > 0.9
    assert_array_equal(student.feature_names_in_, frame.columns)
