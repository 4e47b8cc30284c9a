"""Features of a fitted network as a reducer."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch import NeuralNetClassifier

from sklqkd import (
    DistilledQNNClassifier,
    LeNetClassifier,
    ResNetClassifier,
    TeacherReducer,
    TorchTeacher,
)
from sklqkd.datasets import load_digits
from sklqkd.search import StackedGridSearchCV


@pytest.fixture(scope="module")
def data():
    X, y = load_digits(return_X_y=True)
    return X[:400].astype(np.float32), y[:400]


@pytest.fixture(scope="module")
def teacher(data):
    return LeNetClassifier(max_epochs=3, random_state=0).fit(*data)


def before_the_last(module, images):
    """Return what a sequence of layers gives its last one, layer by layer."""
    with torch.no_grad():
        for layer in list(module)[:-1]:
            images = layer(images)
    return images.numpy()


class AnyWidth(torch.nn.Sequential):
    """A network that takes images of any number of pixels."""

    def __init__(self):
        super().__init__(torch.nn.AdaptiveAvgPool1d(4), torch.nn.Linear(4, 6), torch.nn.Tanh())
        self.append(torch.nn.Linear(6, 3))

    def forward(self, X):
        return super().forward(X[:, None])[:, 0]


torch.manual_seed(0)
MODULE = AnyWidth().double()


class Known(ClassifierMixin, BaseEstimator):
    """A fitted network that is no part of its state: hashes of copies of torch's differ."""

    classes_ = np.arange(3)
    module_ = property(lambda self: MODULE)

    def fit(self, X, y=None):
        return self

    def predict_proba(self, X):
        return MODULE(torch.tensor(X, dtype=torch.float64)).softmax(dim=1).detach().numpy()

    def __sklearn_is_fitted__(self):
        return True


ANY = Known()


@parametrize_with_checks([TeacherReducer(ANY), TeacherReducer(ANY, 2), TeacherReducer(ANY, 9)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_features_are_what_the_last_layer_is_given(teacher, data):
    X, _ = data
    expected = before_the_last(teacher.module_.eval(), torch.tensor(X).reshape(-1, 1, 8, 8))
    reducer = TeacherReducer(teacher)
    np.testing.assert_allclose(reducer.fit_transform(X), expected, atol=1e-6)
    assert reducer.transform(X).dtype == X.dtype
    logits = expected @ teacher.module_[-1].weight.detach().numpy().T
    logits += teacher.module_[-1].bias.detach().numpy()
    np.testing.assert_array_equal(teacher.classes_[logits.argmax(1)], teacher.predict(X))


def test_principal_components_of_them(teacher, data):
    X, _ = data
    features = TeacherReducer(teacher).fit_transform(X)
    pca = PCA(5).fit(features)
    scale = np.sqrt(features.var(axis=0, ddof=1).sum())
    few = TeacherReducer(teacher, 5).fit_transform(X)
    signs = np.sign((few * pca.transform(features)).sum(axis=0))
    np.testing.assert_allclose(few * signs, pca.transform(features) / scale, atol=1e-4)


WRAPPED = {
    "frozen": FrozenEstimator,
    "pipeline": lambda net: make_pipeline(FunctionTransformer(), net),
    "torch": lambda net: TorchTeacher(net.module_, net.classes_, image_shape=(8, 8)),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_networks_inside_others(teacher, data, kind):
    expected = TeacherReducer(teacher).fit_transform(data[0])
    reducer = TeacherReducer(WRAPPED[kind](teacher))
    np.testing.assert_allclose(reducer.fit_transform(data[0]), expected, atol=1e-6)


def test_the_best_network_of_a_search(data):
    X, y = data
    grid = {"lenet__lr": [0.001, 0.01]}
    pipeline = Pipeline([("lenet", LeNetClassifier(max_epochs=1, random_state=0))])
    search = GridSearchCV(pipeline, grid, cv=2).fit(X[:100], y[:100])
    expected = TeacherReducer(search.best_estimator_.steps[0][1]).fit_transform(X)
    np.testing.assert_array_equal(TeacherReducer(search).fit_transform(X), expected)


def test_any_classifier_of_skorch(data):
    X, y = data
    module = torch.nn.Sequential(torch.nn.Linear(64, 7), torch.nn.ReLU(), torch.nn.Linear(7, 10))
    net = NeuralNetClassifier(
        module, criterion=torch.nn.CrossEntropyLoss, train_split=None, max_epochs=1, verbose=0
    ).fit(X, y)
    expected = before_the_last(net.module_, torch.tensor(X))
    np.testing.assert_allclose(TeacherReducer(net).fit_transform(X), expected, atol=1e-6)


def test_a_named_layer(teacher, data):
    X, _ = data
    with torch.no_grad():
        part = torch.nn.Sequential(*list(teacher.module_)[:3])
        expected = part(torch.tensor(X).reshape(-1, 1, 8, 8)).flatten(1).numpy()
    found = TeacherReducer(teacher, layer="2").fit(X).transform(X)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_resnet_has_one(data):
    net = ResNetClassifier(max_epochs=1, random_state=0).fit(data[0][:60], data[1][:60])
    features = TeacherReducer(net).fit_transform(data[0][:60])
    last = [m for m in net.module_.modules() if isinstance(m, torch.nn.Linear)][-1]
    with torch.no_grad():
        logits = last(torch.tensor(features)).numpy()
    np.testing.assert_allclose(
        logits - logits.mean(axis=1, keepdims=True),
        (lp := net.predict_log_proba(data[0][:60])) - lp.mean(axis=1, keepdims=True),
        atol=1e-4,
    )


def test_the_teacher_is_handed_on_and_left_alone(teacher, data):
    before = copy.deepcopy(teacher.module_.state_dict())
    reducer = TeacherReducer(teacher, 4).fit(data[0])
    cloned = clone(reducer)
    assert cloned.teacher is teacher
    assert not hasattr(cloned, "pca_")
    for name, value in teacher.module_.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(part._forward_pre_hooks for part in teacher.module_.modules())
    loaded = pickle.loads(pickle.dumps(reducer))
    np.testing.assert_array_equal(loaded.transform(data[0]), reducer.transform(data[0]))
    with pytest.raises(ValueError, match="teacher__lr would change a teacher"):
        reducer.set_params(teacher__lr=1.0)


def test_threads_that_ask_the_same_network(teacher, data):
    parts = np.array_split(data[0], 4)
    expected = [TeacherReducer(teacher).fit_transform(part) for part in parts]
    found = [None] * len(parts)

    def ask(k):
        for _ in range(5):
            found[k] = TeacherReducer(teacher).fit_transform(parts[k])

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_students_behind_it_learn_and_are_searched(teacher, data):
    X, y = data
    student = DistilledQNNClassifier(
        teacher, reducer=TeacherReducer(teacher), max_iter=40, random_state=0
    )
    assert student.fit(X, y).reducer_.n_components == 16
    assert student.score(X, y) > 0.85
    grid = {"encoding": ["amplitude", "angle"], "temperature": [1, 3]}
    short = student.set_params(max_iter=3)
    stacked = StackedGridSearchCV(short, grid, cv=2).fit(X, y)
    plain = GridSearchCV(short, grid, cv=2).fit(X, y)
    np.testing.assert_allclose(
        stacked.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


@pytest.mark.parametrize(
    ("make", "kind", "match"),
    [
        (lambda t: TeacherReducer(None), ValueError, "TorchTeacher"),
        (lambda t: TeacherReducer(LeNetClassifier), ValueError, "no classifier"),
        (lambda t: TeacherReducer(t.module_), ValueError, "TorchTeacher"),
        (lambda t: TeacherReducer(LeNetClassifier()), NotFittedError, "not fitted"),
        (
            lambda t: TeacherReducer(LogisticRegression().fit([[0], [1]], [0, 1])),
            ValueError,
            "no network",
        ),
        (lambda t: TeacherReducer(t, layer="last"), ValueError, "layer='last' is no part"),
        (lambda t: TeacherReducer(t, n_components=0), ValueError, "n_components"),
        (lambda t: TeacherReducer(t, image_shape=(7, 9)), ValueError, "image_shape"),
    ],
)
def test_what_is_refused(teacher, data, make, kind, match):
    reducer = make(teacher)
    with pytest.raises(kind, match=match):
        reducer.fit(data[0])
    assert not hasattr(reducer, "n_features_in_")


def test_behind_another_reducer_it_is_refused(teacher, data):
    with pytest.raises(ValueError, match="fitted on 64 features, and X has 32"):
        TeacherReducer(teacher).fit(data[0][:, :32])


def test_a_network_without_a_linear_layer(data):
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 8), torch.nn.Flatten())
    net = TorchTeacher(module, [0, 1, 2], image_shape=(8, 8))
    with pytest.raises(ValueError, match="no linear layer"):
        TeacherReducer(net).fit(data[0])
    assert TeacherReducer(net, layer="0").fit_transform(data[0]).shape == (400, 3)
