"""A fuzz of everything public that takes data: the answer is right, or a refusal that says why.

A few inputs of each kind in every run; for well over 10,000, of another seed each time::

    python -m pytest tests/test_fuzz.py --hypothesis-profile=thorough --hypothesis-seed=1
"""

import resource
import sys
import warnings

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from sklqkd import (
    AlexNetClassifier,
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
    ResNetClassifier,
)
from sklqkd.datasets import fetch_cifar10, fetch_mnist, take_per_class
from sklqkd.evaluation import expected_calibration_error
from sklqkd.images import image_layout
from sklqkd.losses import DISTILLATION_LOSSES, with_constants
from sklqkd.schedules import resolve_schedule
from sklqkd.search import StackedGridSearchCV

from .odd_input import (
    ODD_NUMBERS,
    answer,
    check_fit,
    check_predictions,
    check_probabilities,
    images,
    labels,
    number_arrays,
    usually,
)

RNG = np.random.default_rng(0)
X = RNG.random((8, 9))
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1])

TINY = {"max_iter": 1, "n_qubits": 2, "n_layers": 1, "random_state": 0}
QUANTUM = [QNNClassifier(**TINY), DistilledQNNClassifier(**TINY)]
SMALL = {"max_iter": 1, "n_components": 3, "random_state": 0}
CLASSICAL = [DistilledLinearClassifier(**SMALL), DistilledMLPClassifier(**SMALL)]
STUDENTS = [*QUANTUM, *CLASSICAL]
FORMS = [
    *({"reducer": name} for name in ("fc", "conv", "pca", "avg_pool", "max_pool", "crop")),
    {"reducer": PCAReducer(2, whiten=True)},
    {"batch_size": 3},
    {"batch_size": 1},
    {"shuffle": False},
    {"early_stopping": True, "validation_fraction": 0.4},
]
CIRCUITS = [
    {"encoding": "amplitude"},
    *({"encoding": name} for name in ("angle", "qubit", "hadamard_ry")),
    *({"measurement": "expval", "ansatz": name} for name in ("basic_entangler", "rotations")),
    {"ansatz": "none"},
    {"reducer": None, "n_qubits": 4},
    {"backend_options": {"depolarizing": 0.1}},
    {"shots": 10},
]
REDUCERS = [
    PCAReducer(3, random_state=0),
    PCAReducer(30, whiten=True),
    PoolingReducer(4),
    PoolingReducer(5, kind="max"),
    CenterCropReducer(4),
    FCReducer(3, max_iter=1, random_state=0),
    ConvReducer(2, max_iter=1, random_state=0),
]
NETS = [
    LeNetClassifier(max_epochs=1, random_state=0),
    AlexNetClassifier(max_epochs=1, module__hidden_size=4, random_state=0),
    ResNetClassifier(max_epochs=1, module__n_blocks=1, module__width=2, random_state=0),
]

#: What may be given for any parameter.
ODD_VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 0.0, 0.5, 1.0, -0.5, 1e-320, 1e-30, 1e30, 1e308, 10**30),
    *(
        np.inf,
        -np.inf,
        np.nan,
        1j,
        "",
        "fc",
        "\ud800",
        "hinton",
        b"fc",
        (),
        [],
        {},
        set(),
        object(),
    ),
    *([1], (3, 3), (9, 1), (1, 3, 3), [3.0, 3.0], (0, 9), (-3, -3), (3, 4), "33", np.array([3, 3])),
    *(
        np.int8(2),
        np.int8(100),
        np.int16(300),
        np.float16(0.5),
        np.array(2),
        np.array([]),
        np.bool_(True),
        [[1, 2]],
        [None],
    ),
    *(("linear", 3, 1), ("step", 1, 2), ("cosine",), ("linear", "a", "b"), ["a"], lambda *a: 0.5),
    *(lambda *a: "x", np.float32, LogisticRegression(), LogisticRegression),
    *(PCAReducer(2), FCReducer(2), [LogisticRegression()] * 2, (3.0, 2.0), "prefit", [([0], [1])]),
]


@pytest.fixture(scope="module", autouse=True)
def _bounded_memory():
    """No input of a few hundred numbers is answered with a gibibyte."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    unit = 1 if sys.platform == "darwin" else 2**10
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 2**30


def odd_parameters(estimator, known=()):
    """Return a strategy for an estimator with one or two odd parameters."""
    names = estimator.get_params(deep=False).keys() - set(known)
    # What has a name with "__" is a matter of the torch module.
    names = sorted(name for name in names if "__" not in name)
    changes = st.dictionaries(
        st.sampled_from(names), st.integers(0, len(ODD_VALUES) - 1), min_size=1, max_size=2
    )
    return changes.map(
        lambda change: clone(estimator).set_params(
            **{name: ODD_VALUES[i] for name, i in change.items()}
        )
    )


# ------------------------------------------------------------------------------ students


@given(
    student=st.sampled_from(STUDENTS),
    form=st.sampled_from(FORMS),
    circuit=st.sampled_from(CIRCUITS),
    X=images(),
    y=labels(share=8),
    unseen=images(share=1),
)
def test_students_and_images(student, form, circuit, X, y, unseen):
    student = clone(student).set_params(**form)
    if hasattr(student, "encoding"):
        student.set_params(**circuit)
    if check_fit(student, X, y):
        check_predictions(student, unseen)


@given(student=st.sampled_from(STUDENTS), form=st.sampled_from(FORMS), y=labels(share=1))
def test_students_and_labels(student, form, y):
    check_fit(clone(student).set_params(**form), X, y)


@given(student=st.sampled_from(STUDENTS), y=labels(share=20), weight=number_arrays((8,)))
def test_students_and_weights(student, y, weight):
    check_fit(clone(student), X, y, sample_weight=weight)


@given(
    student=st.sampled_from(STUDENTS),
    weight=st.sampled_from(ODD_NUMBERS),
    early_stopping=st.booleans(),
)
def test_students_and_one_weight_for_all(student, weight, early_stopping):
    student = clone(student).set_params(early_stopping=early_stopping, validation_fraction=0.4)
    check_fit(student, X, Y, sample_weight=weight)


FITTED = [clone(student).set_params(**form).fit(X, Y) for student in STUDENTS for form in FORMS[:7]]


@given(student=st.sampled_from(FITTED), X=images(share=1))
def test_predictions(student, X):
    check_predictions(student, X)


@given(student=st.sampled_from(STUDENTS).flatmap(odd_parameters))
def test_parameters_of_students(student):
    check_fit(student, X, Y)


@given(
    student=st.sampled_from(STUDENTS),
    first=images(share=8),
    y=labels(share=4, classes=[0, 1, 2]),
    then=images(share=4),
    y_then=labels(share=4, classes=[0, 1, 2, 3]),
    classes=usually(
        [0, 1, 2], [[2, 1, 0], [0], [], None, "abc", [0, None], [0.0, np.nan], [[0, 1]]]
    ),
)
def test_partial_fit(student, first, y, then, y_then, classes):
    student = clone(student)
    if answer(student.partial_fit, first, y, classes=classes) is None:
        assert not hasattr(student, "classes_")
        return
    for more in (then, y_then), (then, y):
        parameters = student.parameters_.copy()
        if answer(student.partial_fit, *more) is None:
            np.testing.assert_array_equal(student.parameters_, parameters)
        assert np.isfinite(student.parameters_).all()
    if student.n_features_in_ == X.shape[1]:
        assert check_predictions(student, X)


# ------------------------------------------------------------------------------ teachers' word


@given(
    student=st.sampled_from(STUDENTS[1:]),
    loss=st.sampled_from(sorted(DISTILLATION_LOSSES)),
    logits=number_arrays((8, 3), -9, 9),
    y=labels(share=3, classes=[0, 1, 2]),
    temperature=st.sampled_from([1e-3, 1.0, 3.0, 1e3]),
    lam=st.sampled_from([0.0, 0.5, 1.0]),
    weight=usually(None, [0, 5e-324, 1e300, 1.0]),
)
def test_teacher_logits(student, loss, logits, y, temperature, lam, weight):
    student = clone(student).set_params(distillation=loss, temperature=temperature, lam=lam)
    weights = None if weight is None else np.array([weight, *[1.0] * 7])
    check_fit(student, X, y, sample_weight=weights, teacher_logits=logits)


class Oracle(ClassifierMixin, BaseEstimator):
    """A fitted teacher that says what it is told to."""

    def __init__(self, probabilities=None, classes=(0, 1, 2)):
        self.probabilities = probabilities
        self.classes = classes

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    @property
    def classes_(self):
        return self.classes

    def predict_proba(self, X):
        return self.probabilities


@given(
    student=st.sampled_from(STUDENTS[1:]),
    probabilities=number_arrays((8, 3)),
    classes=usually(
        np.array([0, 1, 2]),
        [["0", "1", "2"], [2, 1, 0], [0, 1], [0, 1, 2, 3], [0, 0, 1], None, "abc", [5, 6, 7], 3],
    ),
    several=st.booleans(),
    y=labels(share=5, classes=[0, 1, 2]),
)
def test_teachers_that_answer_oddly(student, probabilities, classes, several, y):
    odd = Oracle(probabilities, classes)
    good = Oracle(np.full((8, 3), 1 / 3))
    student = clone(student).set_params(teacher=[odd, good] if several else odd)
    check_fit(student, X, y)


@given(
    student=st.sampled_from(STUDENTS[1:]),
    weights=number_arrays((2,)),
    temperatures=number_arrays((2,), 0.1, 5),
)
def test_weights_and_temperatures_of_teachers(student, weights, temperatures):
    teachers = [Oracle(np.eye(3)[Y]), Oracle(np.full((8, 3), 1 / 3))]
    student = clone(student).set_params(
        teacher=teachers, teacher_weights=weights, temperature=temperatures
    )
    check_fit(student, X, Y)


# ------------------------------------------------------------------------------ reducers


def check_features(reducer, X):
    features = answer(reducer.transform, X)
    if features is None:
        return False
    expected = np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64
    assert features.shape[1] == reducer.n_components
    assert features.dtype == expected or not hasattr(X, "shape") or hasattr(X, "columns")
    assert np.isfinite(features).all()
    return True


@given(
    reducer=st.sampled_from(REDUCERS),
    X=images(),
    y=labels(share=5),
    unseen=images(share=1),
)
def test_reducers(reducer, X, y, unseen):
    reducer = clone(reducer)
    if answer(reducer.fit, X, y) is None:
        assert not [name for name in vars(reducer) if name.endswith("_")]
        return
    assert check_features(reducer, X)
    check_features(reducer, unseen)


@given(reducer=st.sampled_from(REDUCERS).flatmap(lambda r: odd_parameters(r, known=("max_iter",))))
def test_parameters_of_reducers(reducer):
    if answer(reducer.fit, X, Y) is not None:
        assert check_features(reducer, X)


# ------------------------------------------------------------------------------ networks


@given(net=st.sampled_from(NETS), X=images(), y=labels(share=3), unseen=images(share=1))
def test_networks(net, X, y, unseen):
    net = clone(net)
    if check_fit(net, X, y):
        check_predictions(net, unseen)


@given(
    net=st.sampled_from(NETS).flatmap(
        lambda net: odd_parameters(
            net, known=("optimizer", "callbacks", "train_split", "device", "max_epochs")
        )
    )
)
def test_parameters_of_networks(net):
    check_fit(net, X, Y)


# ------------------------------------------------------------------------------ data


@given(
    X=images(share=1),
    y=labels(share=2),
    n=usually(1, [2, 0, -1, 3, 1.0, "1", None, True, np.int8(1), np.nan, 10**30]),
    classes=usually(None, [[0, 1], [1, 1], [], 0, "ab", ["a"], [np.nan], [None], [[0, 1]], (1, 0)]),
    shuffle=st.booleans(),
)
def test_take_per_class(X, y, n, classes, shuffle):
    taken = answer(take_per_class, X, y, n, classes, shuffle=shuffle, random_state=0)
    if taken is None:
        return
    some_X, some_y = taken
    wanted = np.unique(np.asarray(y)) if classes is None else classes
    assert (some_X.shape[0] if hasattr(some_X, "shape") else len(some_X)) == n * len(wanted)
    counts = np.unique(np.asarray(some_y), return_counts=True)
    np.testing.assert_array_equal(counts[0], np.unique(wanted))
    assert (counts[1] == n).all()


@given(
    fetch=st.sampled_from(
        [(fetch_mnist, "mnist.npz", (28, 28)), (fetch_cifar10, "cifar10.npz", (32, 32, 3))]
    ),
    subset=usually("train", ["test", "both", None, 1, ["train"]]),
    dtype=usually("uint8", ["int64", "float32", "bool", "complex64", "U3", "object"]),
    y=labels(n_samples=4, share=1, classes=[0, 9]),
    change=usually(None, ["flat", "empty", "missing", "0-d", "names", "cut", "text"]),
)
def test_archives(tmp_path_factory, fetch, subset, dtype, y, change):
    fetch, file, shape = fetch
    images = RNG.integers(0, 256, (4, *shape)).astype(dtype)
    images = {"flat": images.reshape(4, -1), "empty": images[:0], "0-d": images[0, 0, 0]}.get(
        change, images
    )
    arrays = {"X_train": images, "y_train": np.asarray(y), "X_test": images, "y_test": y}
    if change == "missing":
        del arrays["X_test"]
    if change == "names":
        arrays["class_names"] = np.arange(10)
    folder = tmp_path_factory.mktemp("data")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.savez(folder / file, **arrays)
    if change in ("cut", "text"):
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[: len(content) // 2] if change == "cut" else b"pixels")
    dataset = answer(fetch, subset, data_home=folder)
    if dataset is not None:
        check_pixels(dataset, shape)


def check_pixels(dataset, shape):
    assert dataset.data.dtype == np.float32
    assert dataset.data.shape == (len(dataset.target), np.prod(shape))
    assert dataset.data.min() >= 0
    assert dataset.data.max() <= 1
    assert dataset.target.dtype == np.int64
    assert dataset.target.min() >= 0
    assert dataset.target.max() <= 9


@given(
    shape=usually(
        (60_001, 784), [(60_000, 784), (60_001, 783), (60_001,), (0, 784), (60_001, 1, 784)]
    ),
    dtype=usually("float64", ["uint8", "int64", "object", "U3", "bool"]),
    pixel=st.sampled_from([0, 255, 1, -1, 256, np.nan, np.inf]),
    target=st.sampled_from(["5", 5, "9", "-1", "10", "five", 5.5, np.nan, None]),
)
def test_openml(shape, dtype, pixel, target):
    with np.errstate(all="ignore"):
        data = np.broadcast_to(np.array(pixel, float).astype(dtype), shape)
    raw = Bunch(data=data, target=np.broadcast_to(np.array([target]), shape[:1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.datasets, "fetch_openml", lambda *args, **kwargs: raw)
        patch.delenv("SKLQKD_DATA_HOME", raising=False)
        dataset = answer(fetch_mnist, "test")
    if dataset is not None:
        check_pixels(dataset, (28, 28))


@given(
    n_features=st.integers(1, 200),
    shape=st.one_of(
        st.none(), st.lists(st.integers(-1, 20), max_size=5), st.sampled_from(ODD_VALUES)
    ),
)
def test_image_layout(n_features, shape):
    layout = answer(image_layout, n_features, shape)
    if layout is not None:
        assert layout.height * layout.width * layout.channels == n_features
        assert layout.unflatten(np.zeros((2, n_features))).shape[0] == 2


NUMBERS = st.one_of(st.floats(), st.integers(-5, 5), st.sampled_from(ODD_VALUES))


@given(
    value=st.one_of(
        NUMBERS,
        st.tuples(st.sampled_from(["linear", "cosine", "step", "zigzag", 1]), NUMBERS, NUMBERS),
        st.tuples(st.just("step"), NUMBERS, NUMBERS, NUMBERS),
        NUMBERS.map(lambda number: lambda epoch, max_iter: number),
    ),
    max_iter=st.integers(1, 9),
)
def test_schedules(value, max_iter):
    schedule = answer(resolve_schedule, value, max_iter, low=0, high=1)
    if schedule is not None:
        assert all(0 <= schedule(epoch) <= 1 for epoch in range(max_iter + 2))


@given(
    name=st.sampled_from([*sorted(DISTILLATION_LOSSES), "", "kl"]),
    constant=st.sampled_from(["alpha", "beta", "gamma", "epsilon", "probability", "temperature"]),
    value=NUMBERS,
)
def test_constants_of_losses(name, constant, value):
    loss = answer(with_constants, name, **{constant: value})
    if loss is not None:
        check_fit(
            clone(QUANTUM[1]).set_params(distillation=loss), X, Y, teacher_logits=np.eye(3)[Y]
        )


@given(y=labels(share=3), probabilities=number_arrays((8, 3)), n_bins=usually(15, ODD_VALUES))
def test_calibration_error(y, probabilities, n_bins):
    error = answer(expected_calibration_error, y, probabilities, n_bins=n_bins)
    if error is not None:
        assert 0 <= error <= 1 + 1e-12


# Eight fits for each input.
@settings(max_examples=settings().max_examples // 5)
@given(X=images(n_samples=12, share=5), y=st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_stacked_searches(X, y):
    student = clone(QUANTUM[1])
    search = StackedGridSearchCV(
        student, {"learning_rate_init": [0.01, 1e30], "lam": [0, 1]}, cv=2, error_score="raise"
    )
    if answer(search.fit, X, y) is not None:
        probabilities = search.predict_proba(X)
        check_probabilities(probabilities, 12, len(search.classes_))
