"""Features in the range of their encoding, and what a reducer may give."""

import functools
import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PolynomialFeatures,
    StandardScaler,
)

from sklqkd import DistilledLinearClassifier, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.encodings import ENCODINGS, make_encoding
from sklqkd.feature_scaling import fit_feature_scale, scaled
from sklqkd.search import StackedGridSearchCV

CV = StratifiedKFold(5, shuffle=True, random_state=0)
TABLES = {"breast cancer": load_breast_cancer, "wine": load_wine}


@functools.cache
def accuracy(table, encoding, size):
    """Return the accuracies of a student and of logistic regression on the same features."""
    X, y = TABLES[table](return_X_y=True)
    k = 13 if encoding == "amplitude" else make_encoding(encoding, 4).n_features
    features = PCA(k, random_state=0).fit_transform(StandardScaler().fit_transform(X)) * size
    student = QNNClassifier(reducer=None, encoding=encoding, max_iter=30, random_state=0)
    linear = make_pipeline(StandardScaler(), LogisticRegression())
    return tuple(cross_val_score(each, features, y, cv=CV).mean() for each in (student, linear))


@pytest.mark.parametrize("size", [0.1, 1, 100])
@pytest.mark.parametrize("encoding", sorted(set(ENCODINGS) - {"iqp", "zz"}))
@pytest.mark.parametrize("table", TABLES)
def test_beside_logistic_regression(table, encoding, size):
    student, linear = accuracy(table, encoding, size)
    assert student >= linear - 0.03
    assert student == pytest.approx(accuracy(table, encoding, 1)[0], abs=0.01)


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
def test_columns_of_several_units(encoding):
    X, y = load_wine(return_X_y=True)
    whole = [
        cross_val_score(
            QNNClassifier(encoding=encoding, max_iter=30, random_state=0), features, y, cv=CV
        ).mean()
        for features in (X, StandardScaler().fit_transform(X))
    ]
    assert min(whole) > 0.95
    columns = X if encoding == "amplitude" else X[:, :4]
    linear = make_pipeline(StandardScaler(), LogisticRegression())
    student = QNNClassifier(reducer=None, encoding=encoding, max_iter=30, random_state=0)
    expected = cross_val_score(linear, columns, y, cv=CV).mean()
    assert cross_val_score(student, columns, y, cv=CV).mean() > expected - 0.03


@pytest.mark.parametrize("encoding", ["angle", "amplitude", "qubit"])
@pytest.mark.parametrize("reducer", ["fc", "pca", "avg_pool"])
def test_pixels_up_to_255(encoding, reducer):
    X, y = load_digits(return_X_y=True)
    X = np.round(X * 255)
    X[0] = 0
    X[0, :8] = 255
    student = QNNClassifier(encoding=encoding, reducer=reducer, max_iter=10, random_state=0)
    scores = [
        student.fit(images[:1000], y[:1000]).score(images[1000:], y[1000:])
        for images in (X / 255, X, X.astype(np.uint8))
    ]
    assert_allclose(scores, scores[0], atol=0.03 if reducer == "avg_pool" else 0.01)


def test_pixels_from_0_to_1_are_left_alone():
    X, _ = load_digits(return_X_y=True)
    assert fit_feature_scale(X) is None
    assert fit_feature_scale(X, centred=True) is None
    assert scaled(X, None) is X
    assert_allclose(scaled(X * 255, fit_feature_scale(X * 255)), X / X.max())


def test_the_formula_by_hand():
    rng = np.random.default_rng(0)
    table = rng.normal([5, -300, 0.1], [1, 80, 0.001], (1000, 3))
    lower, upper = np.quantile(table, [0.005, 0.995], axis=0)
    found = scaled(table, fit_feature_scale(table))
    assert_allclose(found, (table - lower) / (upper - lower))
    found = scaled(table, fit_feature_scale(table, centred=True))
    assert_allclose(found, 2 * (table - lower) / (upper - lower) - 1)
    components = rng.normal(0, [4, 2, 1], (1000, 3))
    lower, upper = np.quantile(components, [0.005, 0.995], axis=0)
    found = scaled(components, fit_feature_scale(components))
    assert_allclose(found, 1.5 * (components - lower) / (upper - lower).max())
    constant = np.column_stack([table, np.full(1000, -7.0), np.zeros(1000)])
    found = scaled(constant, fit_feature_scale(constant))
    assert_array_equal(found[0, 3:], [-1, 0])
    assert fit_feature_scale(np.full((5, 2), 3.0)) is None
    outlier = np.append(components, [[1e6, 1e6, 1e6]], axis=0)
    assert_allclose(fit_feature_scale(outlier)[1], fit_feature_scale(components)[1], rtol=0.1)
    rare = np.zeros((1000, 2))
    rare[:2, 0], rare[:, 1] = 900, rng.normal(size=1000)
    assert np.isfinite(scaled(rare, fit_feature_scale(rare))).all()


def test_the_scale_goes_wherever_the_student_goes():
    X, y = load_wine(return_X_y=True)
    student = QNNClassifier(reducer="pca", max_iter=3, random_state=0, n_qubits=3).fit(X, y)
    expected = student.predict_proba(X)
    features = (student.reducer_.transform(X) - student.feature_scale_[0]) * student.feature_scale_[
        1
    ]
    network = student._fitted_network()
    network.bind(student.parameters_)
    assert_allclose(network.predict_logits(features), student.decision_function(X), atol=1e-12)
    copy = pickle.loads(pickle.dumps(student))
    assert_array_equal(copy.feature_scale_, student.feature_scale_)
    assert_array_equal(copy.predict_proba(X), expected)
    for backend in ("default.qubit", "qiskit.aer"):
        copy.set_params(backend=backend)
        assert_allclose(copy.predict_proba(X[:5]), expected[:5], atol=1e-6)
    probabilities = student.qnode()(X[0])
    logits = student.head_coef_ @ (8 * np.asarray(probabilities)) + student.head_intercept_
    word = np.exp(logits) / np.exp(logits).sum()
    assert_allclose(word, expected[0], atol=1e-5)


def test_training_goes_on_with_the_first_scale():
    X, y = load_wine(return_X_y=True)
    student = QNNClassifier(reducer=None, warm_start=True, max_iter=2, random_state=0).fit(X, y)
    first = student.feature_scale_
    student.fit(X * 3, y)
    assert_array_equal(student.feature_scale_, first)
    student = QNNClassifier(reducer=None, random_state=0).partial_fit(X[:90], y[:90], [0, 1, 2])
    first = student.feature_scale_
    assert_array_equal(student.partial_fit(X[90:], y[90:]).feature_scale_, first)


@pytest.mark.parametrize("Student", [QNNClassifier, DistilledLinearClassifier])
def test_searches_scale_alike(Student):
    X, y = load_wine(return_X_y=True)
    params = {} if Student is QNNClassifier else {"lam": 0}
    student = Student(reducer=None, max_iter=5, random_state=0, **params)
    grid = {"learning_rate_init": [0.01, 0.03]}
    search = StackedGridSearchCV(student, grid, cv=3, refit=False).fit(X, y)
    for i, rate in enumerate(grid["learning_rate_init"]):
        expected = cross_val_score(student.set_params(learning_rate_init=rate), X, y, cv=3)
        assert search.cv_results_["mean_test_score"][i] == pytest.approx(expected.mean(), abs=0.02)


def test_what_amplitudes_lose_is_told_and_an_offset_mends_it():
    X, y = load_iris(return_X_y=True)
    features = PCA(4, random_state=0).fit_transform(StandardScaler().fit_transform(X))
    student = QNNClassifier(reducer=None, random_state=0)
    with pytest.warns(UserWarning, match=r"x, -x and 2 x are one state.* by its state for \d\d%"):
        student.fit(features, y)
    mended = make_pipeline(PolynomialFeatures(1), clone(student))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mended.fit(features, y)
        clone(student).set_params(encoding="qubit").fit(features, y)
    assert mended.score(features, y) > student.score(features, y) + 0.05


# tables and pictures


@pytest.mark.parametrize("reducer", ["avg_pool", "max_pool", "crop", "conv"])
def test_a_table_is_no_picture(reducer):
    X, y = load_breast_cancer(return_X_y=True)
    student = QNNClassifier(reducer=reducer, max_iter=1)
    with pytest.raises(ValueError, match=r"30 columns of X .* image_shape=.*reducer='fc' or 'pca'"):
        student.fit(X, y)
    student.set_params(image_shape=(5, 6)).fit(X, y)


# what a reducer gives


@pytest.fixture(scope="module")
def digits():
    return take_per_class(*load_digits(return_X_y=True), 12)


def part(change):
    return FunctionTransformer(lambda X: change(X[:, 20:28]))


BROKEN = {
    "one dimension": (lambda X: X[:, 0], "Expected 2D array"),
    "three dimensions": (lambda X: X[:, :, None], "dim 3"),
    "NaN": (lambda X: X * np.nan, "NaN"),
    "infinity": (lambda X: X + np.inf, "infinity"),
    "complex": (lambda X: X * 1j, "Complex"),
    "text": (lambda X: np.full(X.shape, "a"), "string"),
    "rows": (lambda X: X[1:], "gives 119 rows for 120 images"),
    "no columns": (lambda X: X[:, :0], "0 feature"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_no_circuit_can_encode(digits, name):
    change, message = BROKEN[name]
    student = QNNClassifier(reducer=part(change), max_iter=1)
    with pytest.raises(ValueError, match=f"The reducer FunctionTransformer .*{message}"):
        student.fit(*digits)
    assert not hasattr(student, "classes_")


def test_sparse_and_framed_features(digits):
    X, y = digits
    bins = KBinsDiscretizer(2, encode="onehot", quantile_method="averaged_inverted_cdf")
    sparse = make_pipeline(FunctionTransformer(lambda X: X[:, 26:30]), bins)
    dense = make_pipeline(
        FunctionTransformer(lambda X: X[:, 26:30]),
        KBinsDiscretizer(**bins.get_params()).set_params(encode="onehot-dense"),
    )
    framed = make_pipeline(PCA(4).set_output(transform="pandas"))
    params = {"max_iter": 2, "random_state": 0}
    found = [QNNClassifier(reducer=r, **params).fit(X, y) for r in (sparse, dense)]
    assert_array_equal(found[0].predict_proba(X), found[1].predict_proba(X))
    found = [QNNClassifier(reducer=r, **params).fit(X, y) for r in (framed, make_pipeline(PCA(4)))]
    assert_allclose(found[0].predict_proba(X), found[1].predict_proba(X), atol=1e-6)


@pytest.mark.filterwarnings("ignore:Amplitude encoding keeps")
@pytest.mark.parametrize(("encoding", "expected"), [("amplitude", 16), ("angle", 4), ("qubit", 8)])
def test_a_pipeline_is_asked_for_features_as_one_step_is(digits, encoding, expected):
    X, y = digits
    params = {"encoding": encoding, "max_iter": 1, "random_state": 0}
    student = QNNClassifier(reducer=make_pipeline(StandardScaler(), PCA()), **params).fit(X, y)
    assert student.reducer_[-1].n_components_ == expected
    student = QNNClassifier(reducer=make_pipeline(PCA(), StandardScaler()), **params).fit(X, y)
    assert student.reducer_[0].n_components_ == expected
    student = QNNClassifier(reducer=make_pipeline(StandardScaler(), PCA(3)), **params).fit(X, y)
    assert student.reducer_[-1].n_components_ == 3


@pytest.mark.filterwarnings("ignore:Amplitude encoding keeps")
def test_a_reducer_gives_what_it_can(digits):
    X, y = digits
    X = X + np.random.default_rng(0).normal(0, 0.1, X.shape)  # pixels that are always black too
    params = {"max_iter": 1, "random_state": 0}
    discriminant = QNNClassifier(reducer=LinearDiscriminantAnalysis(), **params).fit(X, y)
    assert discriminant.reducer_.transform(X).shape[1] == 9
    few = QNNClassifier(reducer=PCA(), **params).fit(X[::12], y[::12])
    assert few.reducer_.n_components_ == 10

    class Stubborn(PCA):
        def fit(self, X, y=None):
            raise ValueError("no")

    message = "asked for 16 features, as encoding='amplitude' on n_qubits=4 takes them"
    with pytest.raises(ValueError, match=message):
        QNNClassifier(reducer=Stubborn(), **params).fit(X, y)
