"""Odd input, one plain case each: what the fuzz found, and what it cannot know to ask for."""

import time

import numpy as np
import pytest
import sklearn.datasets
from sklearn.base import BaseEstimator, ClassifierMixin
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
from sklqkd.datasets import fetch_mnist, take_per_class
from sklqkd.evaluation import expected_calibration_error
from sklqkd.images import image_layout
from sklqkd.losses import with_constants
from sklqkd.schedules import resolve_schedule

STUDENTS = [
    QNNClassifier,
    DistilledQNNClassifier,
    DistilledLinearClassifier,
    DistilledMLPClassifier,
]
REDUCERS = [PCAReducer, PoolingReducer, CenterCropReducer, FCReducer, ConvReducer]
NETS = [LeNetClassifier, AlexNetClassifier, ResNetClassifier]
each_student = pytest.mark.parametrize("Student", STUDENTS)
each_reducer = pytest.mark.parametrize("Reducer", REDUCERS)

RNG = np.random.default_rng(0)
X = RNG.random((8, 9))
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1])


def quick(Student=DistilledQNNClassifier, **parameters):
    if issubclass(Student, QNNClassifier):
        parameters = {"n_qubits": 2, "n_layers": 1} | parameters
    return Student(**({"max_iter": 1, "random_state": 0} | parameters))


def check_probabilities(fitted, images, n_classes):
    probabilities = fitted.predict_proba(images)
    assert probabilities.shape == (len(images), n_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert np.isin(fitted.predict(images), fitted.classes_).all()


# ------------------------------------------------------------------------------ pixels


TOO_LARGE = [
    (np.float64(1e13), "X has a number of size 1e\\+13"),
    (np.float32(-1e38), "X has a number of size 1e\\+38"),
    (np.float64(1e300), "X .*(size 1e\\+300|too large)"),
    (np.longdouble("1e4000"), "infinity"),
    (10**400, "X has a number that no float holds"),
]


def with_pixel(value):
    images = X.astype(object if isinstance(value, int) else np.asarray(value).dtype)
    images[3, 3] = value
    return images


@pytest.mark.parametrize("Estimator", [*STUDENTS, *REDUCERS, *NETS])
@pytest.mark.parametrize(("value", "message"), TOO_LARGE)
def test_pixels_beyond_float32s_squares_are_refused(Estimator, value, message):
    with pytest.raises(ValueError, match=message):
        Estimator().fit(with_pixel(value), Y)


@pytest.mark.parametrize(("value", "message"), TOO_LARGE)
@pytest.mark.parametrize("fit", [quick().fit, LeNetClassifier(max_epochs=1).fit])
def test_so_they_are_where_a_classifier_predicts(fit, value, message):
    with pytest.raises(ValueError, match=message):
        fit(X, Y).predict_proba(with_pixel(value))


@each_student
def test_the_largest_pixels_are_taken(Student):
    images = np.where(X > 0.5, 1e12, -1e12)
    check_probabilities(quick(Student).fit(images, Y), images, 3)


@each_student
@pytest.mark.parametrize("reducer", ["fc", "conv", "pca", "avg_pool", "max_pool", "crop"])
@pytest.mark.parametrize("size", [0.0, 5e-324, 1e-45, 1e-30])
def test_black_and_nearly_black_images(Student, reducer, size):
    images = size * np.ones((8, 9))
    check_probabilities(quick(Student, reducer=reducer).fit(images, Y), images, 3)


# ------------------------------------------------------------------------------ labels


@each_student
def test_a_thousand_classes_on_few_qubits(Student):
    images, y = RNG.random((2000, 9)), np.arange(2000) % 1000
    check_probabilities(quick(Student).fit(images, y), images[:50], 1000)


@each_student
def test_class_names_in_any_script(Student):
    names = np.array(["", "ä", "日本", "🐈", "кот", "قط", " ", "a b"])
    fitted = quick(Student).fit(X, names)
    assert sorted(names) == fitted.classes_.tolist()
    check_probabilities(fitted, X, 8)


@pytest.mark.parametrize("Classifier", [QNNClassifier, LeNetClassifier, FCReducer])
def test_huge_labels_are_refused_without_a_warning_of_numpy(Classifier):
    with pytest.raises(ValueError, match="continuous"):
        Classifier().fit(X, np.where(Y, 1e300, 0.0))


@pytest.mark.parametrize("Classifier", [QNNClassifier, LeNetClassifier])
@pytest.mark.parametrize("classes", [[0, None], [0], [0.5, 1.5], "abc"])
def test_partial_fit_refuses_classes_that_are_none(Classifier, classes):
    classifier = Classifier()
    with pytest.raises(ValueError, match=r"label|classes|array|continuous"):
        classifier.partial_fit(X, Y, classes=classes)
    assert not hasattr(classifier, "classes_")


# ------------------------------------------------------------------------------ weights


@each_student
@pytest.mark.parametrize("weight", [np.nan, np.inf, 1j, 10**400, "heavy"])
def test_one_weight_for_all_is_checked_as_many_are(Student, weight):
    for weights in (weight, [weight, *[1.0] * 7]):
        with pytest.raises((ValueError, TypeError), match=r"sample_weight|[Cc]omplex|heavy|Sample"):
            quick(Student).fit(X, Y, sample_weight=weights)


@each_student
@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e300, 1.7e308])
def test_only_the_proportions_of_weights_count(Student, size):
    some = np.where(Y == 0, 0.0, 1.0)
    fitted = quick(Student).fit(X, Y, sample_weight=some * size)
    expected = quick(Student).fit(X, Y, sample_weight=some)
    np.testing.assert_array_equal(fitted.parameters_, expected.parameters_)


def test_labelled_images_of_weight_zero():
    y = np.where(np.arange(8) < 4, Y, -1)
    weights = np.where(y == -1, 1.0, 0.0)
    fitted = quick().fit(X, y, sample_weight=weights, teacher_logits=np.eye(3)[Y])
    check_probabilities(fitted, X, 3)


# ------------------------------------------------------------------------------ teachers


class Oracle(ClassifierMixin, BaseEstimator):
    """A fitted teacher that says what it is told to."""

    def __init__(self, probabilities, classes=(0, 1, 2)):
        self.probabilities = probabilities
        self.classes = classes

    def fit(self, X, y):
        return self

    @property
    def classes_(self):
        return self.classes

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return self.probabilities


@pytest.mark.parametrize(
    ("probabilities", "classes"),
    [
        (0.5, [0, 1, 2]),
        (np.full(8, 0.5), [0, 1, 2]),
        (np.full((8, 2), 0.5), [0, 1, 2]),
        (np.full((7, 3), 0.5), [0, 1, 2]),
        (np.full((8, 3), -0.5), [0, 1, 2]),
        (np.full((8, 3), np.inf), [0, 1, 2]),
        (np.full((8, 3), "a"), [0, 1, 2]),
        (np.full((8, 3), 1j), [0, 1, 2]),
        ([[10**400, 0, 0]] * 8, [0, 1, 2]),
        ([np.full((8, 2), 0.5)] * 2, [[0, 1], [0, 1]]),
        (np.full((8, 3), 0.5), 3),
    ],
)
def test_answers_of_teachers_are_checked(probabilities, classes):
    with pytest.raises(ValueError, match=r"teacher|Complex|could not convert"):
        quick(teacher=Oracle(probabilities, classes)).fit(X, Y)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": []},
        {"temperature": np.array([])},
        {"temperature": ()},
        {"temperature": 10**400},
        {"temperature": time.time},  # takes no epoch
        {"teacher_weights": ["a"]},
        {"teacher_weights": [10**400]},
        {"teacher_weights": [0]},
        {"teacher_weights": 1j},
    ],
    ids=str,
)
def test_odd_temperatures_and_weights_are_refused(change):
    teacher = Oracle(np.full((8, 3), 1 / 3))
    with pytest.raises(
        (ValueError, TypeError), match=r"temperature|teacher_weights|no num|could not"
    ):
        quick(teacher=teacher, **change).fit(X, Y)


@pytest.mark.parametrize("size", [5e-324, 1e308])
def test_only_the_proportions_of_teachers_count(size):
    teachers = [Oracle(np.eye(3)[Y]), Oracle(np.full((8, 3), 1 / 3))]
    fitted = quick(teacher=teachers, teacher_weights=[size, size]).fit(X, Y)
    expected = quick(teacher=teachers).fit(X, Y)
    np.testing.assert_array_equal(fitted.parameters_, expected.parameters_)


def test_a_temperature_in_an_array_of_no_dimension():
    logits = 3 * np.eye(3)[Y]
    expected = quick().fit(X, Y, teacher_logits=logits)
    fitted = quick(temperature=np.array(3.0)).fit(X, Y, teacher_logits=logits)
    np.testing.assert_array_equal(fitted.parameters_, expected.parameters_)


# ------------------------------------------------------------------------------ parameters


@pytest.mark.parametrize(
    ("small", "plain"),
    [
        ({"n_qubits": np.int8(8)}, {"n_qubits": 8}),
        ({"n_qubits": True}, {"n_qubits": 1}),
        ({"n_layers": np.int8(2)}, {"n_layers": 2}),
        ({"batch_size": np.int8(100)}, {"batch_size": 100}),
    ],
)
def test_small_integers_of_numpy_are_integers(small, plain):
    images, y = np.tile(X, (30, 1)), np.tile(Y, 30)
    fitted, expected = (quick(QNNClassifier, **p).fit(images, y) for p in (small, plain))
    np.testing.assert_array_equal(fitted.parameters_, expected.parameters_)


def test_a_network_takes_integers_of_numpy():
    nets = [LeNetClassifier(max_epochs=1, batch_size=n, random_state=0) for n in (3, np.int64(3))]
    plain, other = (net.fit(X, Y).predict_proba(X) for net in nets)
    np.testing.assert_array_equal(other, plain)


@each_reducer
def test_small_integers_are_numbers_of_components(Reducer):
    features = Reducer(np.int8(100)).fit(X, Y).transform(X)
    assert features.shape == (8, 100)


@each_reducer
@pytest.mark.parametrize("n_components", [2**20 + 1, 2**61 - 1, 10**30])
def test_no_reducer_gives_more_features_than_twenty_qubits_take(Reducer, n_components):
    with pytest.raises(ValueError, match=r"'n_components' parameter .* \[1, 1048576\]"):
        Reducer(n_components).fit(X, Y)


@pytest.mark.parametrize("ansatz", [int, np.float32, lambda weights, wires: None])
def test_callables_that_are_no_templates_are_refused(ansatz):
    with pytest.raises(ValueError, match="has no `shape`"):
        quick(ansatz=ansatz).fit(X, Y)


def test_more_shots_than_can_be_counted_are_refused():
    with pytest.raises(ValueError, match="'shots' parameter"):
        quick(shots=10**30).fit(X, Y)


@pytest.mark.parametrize(
    "change",
    [
        {"warm_start": "no"},
        {"warm_start": np.array([3, 3])},
        {"batch_size": 10**30},
        {"verbose": np.array([])},
    ],
)
def test_odd_parameters_of_networks_are_refused(change):
    with pytest.raises((ValueError, TypeError), match=r"warm_start|batch_size|verbose"):
        LeNetClassifier(**change).fit(X, Y)


def test_a_network_that_diverges_says_so():
    net = ResNetClassifier(lr=1e30, max_epochs=3, module__n_blocks=1, module__width=2)
    with pytest.raises(ValueError, match=r"Training diverged.*Lower lr"):
        net.fit(X, Y)
    assert not hasattr(net, "classes_")


@pytest.mark.parametrize("value", [np.array(2), 10**30, "33", [[3, 3]], [None]])
def test_odd_image_shapes_are_refused(value):
    with pytest.raises(ValueError, match=r"not a shape of an image"):
        image_layout(9, value)


@pytest.mark.parametrize(
    "value", [10**400, ("linear", 10**400, 1), lambda *_: 10**400, np.timedelta64(3, "s")]
)
def test_numbers_that_no_float_holds_are_no_schedule(value):
    with pytest.raises(ValueError, match="no number that a float holds"):
        resolve_schedule(value, 3)


@pytest.mark.parametrize("value", [(3.0, 2.0), None, 1j, "a"])
def test_odd_constants_of_losses_are_refused(value):
    with pytest.raises(ValueError, match=r"epsilon=.* must be in \[0, 1\]"):
        with_constants("label_smoothing", epsilon=value)


# ------------------------------------------------------------------------------ data


def test_labels_that_cannot_be_sorted():
    with pytest.raises(TypeError, match="y mixes labels that cannot be sorted"):
        take_per_class(X, np.array([1, "a"] * 4, object), 1)
    with pytest.raises(TypeError, match="classes mixes labels"):
        take_per_class(X, Y, 1, classes=np.array([1, "a"], object))


@pytest.mark.parametrize(
    ("pixel", "label"), [(256.0, "1"), (-1.0, "1"), (np.nan, "1"), (0, "10"), (0, "x"), (0, "0.5")]
)
def test_a_download_of_other_pixels_or_labels_is_refused(pixel, label, monkeypatch):
    data = np.broadcast_to(np.float64(pixel), (60_001, 784))
    raw = Bunch(data=data, target=np.broadcast_to(np.array([label], object), 60_001))
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *args, **kwargs: raw)
    monkeypatch.delenv("SKLQKD_DATA_HOME", raising=False)
    with pytest.raises(ValueError, match=r"not numbers from 0 to 255, or labels .* cache"):
        fetch_mnist("test")


@pytest.mark.parametrize(
    "y_prob", [[[np.nan, 0.5]] * 2, [[1.5, -0.5]] * 2, [["a", "b"]] * 2, [[10**400, 0]] * 2]
)
def test_calibration_of_what_are_no_probabilities(y_prob):
    with pytest.raises(ValueError, match=r"y_prob|could not convert"):
        expected_calibration_error([0, 1], y_prob)


def test_calibration_with_one_bin():
    assert expected_calibration_error([0, 1], [[0.9, 0.1]] * 2, n_bins=True) == pytest.approx(0.4)
