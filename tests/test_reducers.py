"""Reducers and front-ends against torch, scikit-learn, naive loops and finite differences."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from sklqkd.images import image_layout
from sklqkd.reducers import CenterCropReducer, ConvReducer, FCReducer, PCAReducer, PoolingReducer
from sklqkd.reducers.front_ends import ConvFrontEnd, LinearFrontEnd

REDUCERS = [
    PCAReducer(),
    PoolingReducer(),
    PoolingReducer(kind="max"),
    CenterCropReducer(),
    FCReducer(max_iter=2, random_state=0),
    ConvReducer(max_iter=1, random_state=0),
]
TRAINABLE = [FCReducer(max_iter=2, random_state=0), ConvReducer(max_iter=2, random_state=0)]

each_reducer = pytest.mark.parametrize("reducer", REDUCERS, ids=str)
each_trainable = pytest.mark.parametrize("reducer", TRAINABLE, ids=str)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


@parametrize_with_checks([clone(reducer).set_params(n_components=4) for reducer in REDUCERS])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# ------------------------------------------------------------------------------ all reducers


@each_reducer
@each_dtype
@pytest.mark.parametrize("n_components", [1, 7, 16, 100])
def test_exactly_n_components_come_out_in_the_dtype_of_x(reducer, dtype, n_components, digits):
    X, y = digits[0][:40].astype(dtype), digits[1][:40]
    reducer = clone(reducer).set_params(n_components=n_components)
    features = reducer.fit_transform(X, y)
    assert features.shape == (40, n_components)
    assert features.dtype == dtype
    assert np.isfinite(features).all()
    name = type(reducer).__name__.lower()
    assert list(reducer.get_feature_names_out()) == [f"{name}{i}" for i in range(n_components)]


@each_reducer
def test_the_other_float_type_is_kept_at_transform(reducer, digits):
    X, y = digits
    reducer = clone(reducer).fit(X, y)
    single = reducer.transform(X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, reducer.transform(X), atol=1e-4)


@each_reducer
def test_pickle_and_pandas_output(reducer, digits):
    X, y = digits
    reducer = clone(reducer).fit(X, y)
    expected = reducer.transform(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reducer)).transform(X), expected)
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    named = clone(reducer).set_output(transform="pandas").fit(frame, y)
    assert list(named.feature_names_in_) == list(frame.columns)
    features = named.transform(frame)
    assert list(features.columns) == list(named.get_feature_names_out())
    np.testing.assert_allclose(features.to_numpy(), expected, atol=1e-12)


@each_reducer
@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 1, 8, 8)])
def test_unflattened_images_are_refused_with_the_way_out(reducer, shape):
    X = np.zeros(shape)
    with pytest.raises(ValueError, match=r"X\.reshape\(len\(X\), -1\).*image_shape=") as error:
        clone(reducer).fit(X, np.arange(5))
    assert str(shape[1:]) in str(error.value)


@each_reducer
def test_a_failing_fit_leaves_the_reducer_as_it_was(reducer, digits):
    X, y = digits
    fitted = clone(reducer).fit(X, y)
    before = fitted.transform(X)
    fitted.set_params(image_shape=(5, 5))
    frame = pd.DataFrame(X[:, :36], columns=[f"pixel{i}" for i in range(36)])
    with pytest.raises(ValueError, match="holds 25 pixels"):
        fitted.fit(frame, y)
    assert fitted.n_features_in_ == 64
    assert not hasattr(fitted, "feature_names_in_")
    np.testing.assert_array_equal(fitted.transform(X), before)

    unfitted = clone(reducer).set_params(image_shape=(5, 5))
    with pytest.raises(ValueError, match="holds 25 pixels"):
        unfitted.fit(X, y)
    assert not hasattr(unfitted, "n_features_in_")


@each_reducer
@pytest.mark.parametrize(
    "wrong", [{"n_components": 0}, {"n_components": 2.5}, {"image_shape": 28}], ids=str
)
def test_invalid_parameters_are_refused(reducer, wrong, digits):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        clone(reducer).set_params(**wrong).fit(*digits)


@each_reducer
def test_global_generators_and_thread_counts_are_left_as_found(reducer, digits):
    reducer = clone(reducer)
    if "random_state" in reducer.get_params():
        reducer.set_params(random_state=None)
    X = np.random.default_rng(0).random((600, 1024))  # large enough for the randomised PCA
    numpy_before = np.random.get_state()  # noqa: NPY002
    torch_before, threads = torch.get_rng_state(), torch.get_num_threads()
    reducer.fit(X, np.arange(600) % 3).transform(X)
    np.testing.assert_equal(np.random.get_state(), numpy_before)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    "reducer", [r for r in REDUCERS if "random_state" in r.get_params()], ids=str
)
def test_random_state_makes_a_fit_reproducible(reducer, digits):
    X, y = digits
    reducer = clone(reducer).set_params(random_state=3)
    np.testing.assert_array_equal(
        clone(reducer).fit_transform(X, y), clone(reducer).fit_transform(X, y)
    )
    if reducer.__sklearn_tags__().target_tags.required:
        other = clone(reducer).set_params(random_state=4).fit_transform(X, y)
        assert not np.allclose(other, clone(reducer).fit_transform(X, y))


def test_reducers_are_chosen_by_a_grid_search(digits):
    X, y = digits
    pipeline = make_pipeline(PCAReducer(), LogisticRegression(max_iter=1000))
    grid = {"pcareducer": [PCAReducer(), FCReducer(random_state=0)]}
    grid["pcareducer__n_components"] = [2, 8]
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert search.best_score_ > 0.8
    assert search.best_params_["pcareducer__n_components"] == 8


# ------------------------------------------------------------------------------ PCA


@pytest.mark.parametrize("size", [1e-3, 1.0, 255.0])
def test_pca_features_keep_their_proportions_at_any_size_of_pixels(size, digits):
    X, _ = digits
    features = PCAReducer(X.shape[1]).fit_transform(X * size)
    assert np.mean((features**2).sum(axis=1)) == pytest.approx(1, rel=1e-2)
    plain = PCA(X.shape[1]).fit_transform(X)
    np.testing.assert_allclose(
        features.std(axis=0)[:8] / features.std(), plain.std(axis=0)[:8] / plain.std(), rtol=1e-3
    )


@pytest.mark.parametrize("svd_solver", ["auto", "full"])
@pytest.mark.parametrize("whiten", [False, True])
def test_pca_is_scikit_learns(svd_solver, whiten, digits):
    X, _ = digits
    reducer = PCAReducer(
        8, rescale=False, svd_solver=svd_solver, whiten=whiten, random_state=0
    ).fit(X)
    pca = PCA(8, svd_solver=svd_solver, whiten=whiten, random_state=0).fit(X)
    np.testing.assert_allclose(reducer.transform(X), pca.transform(X), atol=1e-9)
    for name in ("components_", "mean_", "explained_variance_", "explained_variance_ratio_"):
        np.testing.assert_allclose(getattr(reducer, name), getattr(pca, name), atol=1e-12)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize(("n_samples", "n_features"), [(5, 64), (50, 3), (2, 2)])
def test_pca_components_that_do_not_exist_are_zero(n_samples, n_features, whiten):
    X = np.random.default_rng(0).random((n_samples, n_features))
    reducer = PCAReducer(16, rescale=False, whiten=whiten)
    features = reducer.fit_transform(X)
    rank = min(n_samples - 1, n_features)
    exact = PCA(rank, svd_solver="full", whiten=whiten).fit_transform(X)
    np.testing.assert_allclose(features[:, :rank], exact, atol=1e-9)
    np.testing.assert_allclose(features[:, rank:], 0, atol=1e-12)
    assert reducer.components_.shape == (16, n_features)
    np.testing.assert_allclose(reducer.explained_variance_ratio_.sum(), 1)


def test_pca_of_equal_images_is_zero():
    reducer = PCAReducer(4, whiten=True)
    np.testing.assert_array_equal(reducer.fit_transform(np.full((10, 16), 0.5)), 0)
    np.testing.assert_array_equal(reducer.explained_variance_ratio_, 0)


# ------------------------------------------------------------------------------ pooling, crop


def naive_pool(images, grid, reduce):
    """One region after the other, straight from the definition of the boundaries."""
    (rows, columns), (height, width) = grid, images.shape[1:]
    pooled = np.empty((len(images), rows, columns))
    for i in range(rows):
        for j in range(columns):
            top, left = i * height // rows, j * width // columns
            bottom = max(top + 1, (i + 1) * height // rows)
            right = max(left + 1, (j + 1) * width // columns)
            pooled[:, i, j] = reduce(images[:, top:bottom, left:right], axis=(1, 2))
    return pooled.reshape(len(images), -1)


@pytest.mark.parametrize("n_components", [1, 4, 16, 49, 196, 784])
def test_pooling_equals_torch_where_the_sides_divide(n_components):
    X = np.random.default_rng(0).normal(size=(5, 784))
    side = int(n_components**0.5)
    images = torch.from_numpy(X.reshape(5, 1, 28, 28))
    for kind, pool in (
        ("average", nn.functional.adaptive_avg_pool2d),
        ("max", nn.functional.adaptive_max_pool2d),
    ):
        features = PoolingReducer(n_components, kind=kind).fit_transform(X)
        np.testing.assert_allclose(features, pool(images, side).reshape(5, -1), atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "n_components", "grid"),
    [
        ((28, 28), 256, (16, 16)),
        ((28, 28), 8, (2, 4)),
        ((28, 28), 7, (1, 7)),
        ((8, 8), 256, (16, 16)),
        ((3, 20), 16, (4, 4)),
        ((30, 2), 32, (4, 8)),
        ((1, 1), 4, (2, 2)),
    ],
)
@each_dtype
def test_pooling_equals_a_naive_loop_where_they_do_not(shape, n_components, grid, dtype):
    X = np.random.default_rng(0).normal(size=(6, *shape)).astype(dtype)
    for kind, reduce in (("average", np.mean), ("max", np.max)):
        reducer = PoolingReducer(n_components, shape, kind=kind)
        features = reducer.fit_transform(X.reshape(6, -1))
        assert reducer.grid_ == grid
        np.testing.assert_allclose(features, naive_pool(X, grid, reduce), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(("size", "n_components"), [(28, 16), (28, 256), (9, 16), (8, 256), (3, 4)])
def test_crop_is_the_centre(size, n_components):
    X = np.random.default_rng(0).random((3, size, size))
    side = int(n_components**0.5)
    padded = np.pad(X, [(0, 0), (20, 20), (20, 20)])
    start = 20 + (size - side) // 2 if size >= side else 20 - (side - size) // 2
    expected = padded[:, start : start + side, start : start + side]
    features = CenterCropReducer(n_components, (size, size)).fit_transform(X.reshape(3, -1))
    np.testing.assert_array_equal(features, expected.reshape(3, -1))


def test_crop_of_a_strip_is_padded_above_and_below():
    X = np.arange(1.0, 13.0).reshape(1, 12)  # 2 x 6 pixels
    features = CenterCropReducer(16, (2, 6)).fit_transform(X).reshape(4, 4)
    np.testing.assert_array_equal(
        features, [[0, 0, 0, 0], [2, 3, 4, 5], [8, 9, 10, 11], [0, 0, 0, 0]]
    )


@pytest.mark.parametrize("reducer", REDUCERS[1:4], ids=str)
@pytest.mark.parametrize("shape", [(3, 12, 12), (12, 12, 3)])
def test_colour_is_averaged_first(reducer, shape):
    X = np.random.default_rng(0).random((4, *shape))
    grey = X.mean(axis=1 if shape[0] == 3 else 3).reshape(4, -1)
    features = clone(reducer).set_params(image_shape=shape).fit_transform(X.reshape(4, -1))
    np.testing.assert_allclose(features, clone(reducer).fit_transform(grey), atol=1e-12)


# ------------------------------------------------------------------------------ trainable reducers


@pytest.mark.parametrize(
    ("reducer", "gain"),
    [(FCReducer(8, random_state=0), 0.15), (ConvReducer(8, max_iter=40, random_state=0), 0.5)],
    ids=["fc", "conv"],
)
def test_trained_features_tell_more_than_random_ones_of_the_same_form(reducer, gain):
    X, y = load_digits(return_X_y=True)
    train, test = slice(600), slice(600, 900)
    X = X / 16

    def score(features):
        classifier = LogisticRegression(max_iter=3000).fit(features[train], y[train])
        return classifier.score(features[test], y[test])

    initial = reducer.front_end(64).initial_weights(np.random.default_rng(0))
    untrained = score(reducer.adopt(initial, 64).transform(X))
    assert score(reducer.fit(X[train], y[train]).transform(X)) > untrained + gain


@each_trainable
@pytest.mark.parametrize(
    "relabel",
    [lambda y: y * 7 - 3, lambda y: y.astype(str), lambda y: y.astype(str).astype(object)],
    ids=["int", "str", "object"],
)
def test_only_the_partition_into_classes_matters(reducer, relabel, digits):
    X, y = digits
    np.testing.assert_array_equal(
        clone(reducer).fit_transform(X, relabel(y)), clone(reducer).fit_transform(X, y)
    )


@each_trainable
def test_labels_are_needed_and_of_two_classes(reducer, digits):
    X, y = digits
    with pytest.raises(ValueError, match="requires y"):
        clone(reducer).fit(X)
    with pytest.raises(ValueError, match="1 class"):
        clone(reducer).fit(X, np.full(len(y), "cat"))
    with pytest.raises(ValueError, match="continuous"):
        clone(reducer).fit(X, y + 0.5)


@each_trainable
def test_adopted_weights_are_the_front_ends(reducer, digits):
    X, y = digits
    X = X.astype(np.float32)
    front_end = reducer.front_end(64)
    weights = front_end.initial_weights(np.random.default_rng(1), np.float32)
    front_end.bind(weights, np.empty_like(weights))
    expected = front_end.forward(X).copy()
    adopting = clone(reducer).fit(pd.DataFrame(X, columns=[f"p{i}" for i in range(64)]), y)
    assert adopting.adopt(weights, 64) is adopting
    assert adopting.n_features_in_ == 64
    weights[:] = 0  # the reducer keeps a copy
    np.testing.assert_allclose(adopting.transform(X), expected, atol=1e-6)
    assert len(adopting.get_feature_names_out()) == 16
    fresh = clone(reducer).adopt(weights, 64)
    np.testing.assert_array_equal(fresh.transform(X), 0)
    with pytest.raises(ValueError, match=f"{front_end.n_parameters} weights"):
        fresh.adopt(weights[:-1], 64)


def test_fc_reducer_is_its_affine_map(digits):
    X, y = digits
    reducer = FCReducer(5, max_iter=3, random_state=0).fit(X, y)
    assert reducer.coef_.shape == (5, 64)
    assert reducer.intercept_.shape == (5,)
    np.testing.assert_allclose(
        reducer.transform(X[:2])[1],
        [sum(c * X[1]) + b for c, b in zip(reducer.coef_, reducer.intercept_, strict=True)],
    )


def test_fc_training_finds_the_direction_that_separates_the_classes():
    # The classes differ along one direction only, so one component has to find just that.
    rng = np.random.default_rng(0)
    direction = rng.normal(size=4)
    X = rng.normal(size=(4000, 4))
    logits = np.outer(X @ direction, [-2.0, 0.0, 2.0])
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    reducer = FCReducer(1, max_iter=10, random_state=0).fit(X, y)
    cosine = reducer.coef_[0] @ direction
    cosine /= np.linalg.norm(reducer.coef_) * np.linalg.norm(direction)
    assert abs(cosine) > 0.99


# ------------------------------------------------------------------------------ front-ends


def paper_network(n_components, channels=1, flat=320, dropout=0.5):
    """Version 1's front-end as the paper writes it, in torch modules."""
    return nn.Sequential(
        nn.Conv2d(channels, 10, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(10, 20, 5),
        nn.Dropout2d(dropout),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(flat, 50),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(50, n_components),
    )


def bound(front_end, dtype, seed=0):
    weights = front_end.initial_weights(np.random.default_rng(seed), dtype)
    gradient = np.full_like(weights, np.nan)
    front_end.bind(weights, gradient)
    return weights, gradient


def load(module, weights):
    vector = torch.from_numpy(weights.copy())
    nn.utils.vector_to_parameters(vector, module.to(vector.dtype).parameters())
    return module


FRONT_ENDS = {
    "linear": lambda: LinearFrontEnd(784, 3),
    "conv": lambda: ConvFrontEnd(image_layout(784), 3),
    "conv, padded": lambda: ConvFrontEnd(image_layout(64), 3),
    "conv, colour": lambda: ConvFrontEnd(image_layout(768, (16, 16, 3)), 3),
}
each_front_end = pytest.mark.parametrize("make", FRONT_ENDS.values(), ids=FRONT_ENDS)


def n_pixels(front_end):
    if isinstance(front_end, LinearFrontEnd):
        return front_end.n_features
    layout = front_end.layout
    return layout.channels * layout.height * layout.width


@pytest.mark.parametrize("n_components", [3, 16])
def test_parameter_count_is_the_papers(n_components):
    count = sum(p.numel() for p in paper_network(n_components).parameters())
    assert ConvReducer(n_components).front_end(784).n_parameters == count
    assert 21_400 <= ConvReducer(3).front_end(784).n_parameters <= 21_600


@each_dtype
def test_linear_front_end_equals_torch(dtype):
    front_end = LinearFrontEnd(20, 3)
    weights, gradient = bound(front_end, dtype)
    scale = np.full_like(weights, 20**-0.5)  # the weights are kept in units of this
    scale[-3:] = 1
    module = load(nn.Linear(20, 3), weights * scale)
    rng = np.random.default_rng(1)
    for n_samples in (8, 8, 5):  # the buffer is reused, then replaced
        X = rng.normal(size=(n_samples, 20)).astype(dtype)
        grad = rng.normal(size=(n_samples, 3)).astype(dtype)
        expected = module(torch.from_numpy(X))
        features = front_end.forward(X, rng)
        assert features.dtype == dtype
        np.testing.assert_allclose(features, expected.detach().numpy(), atol=1e-5)
        front_end.backward(grad)
        module.zero_grad()
        expected.backward(torch.from_numpy(grad))
        torch_gradient = nn.utils.parameters_to_vector(p.grad for p in module.parameters())
        np.testing.assert_allclose(gradient, torch_gradient.numpy() * scale, rtol=1e-5, atol=1e-5)


@each_dtype
@pytest.mark.parametrize(
    ("shape", "flat"),
    [((28, 28), 320), ((3, 32, 32), 500), ((32, 32, 3), 500), ((8, 8), 20), ((4, 40), 140)],
)
def test_conv_front_end_equals_torch(dtype, shape, flat):
    X = np.random.default_rng(1).random((6, *shape)).astype(dtype)
    images = torch.from_numpy(X)
    if len(shape) == 2:
        images = images[:, None]
    elif shape[2] == 3:
        images = images.permute(0, 3, 1, 2)
    rows, columns = (max(16 - side, 0) for side in images.shape[2:])
    padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    front_end = ConvFrontEnd(image_layout(X[0].size, shape), 5)
    weights, _ = bound(front_end, dtype)
    module = load(paper_network(5, images.shape[1], flat), weights).eval()
    expected = module(nn.functional.pad(images, padding)).detach().numpy()
    features = front_end.forward(X.reshape(6, -1))
    assert features.dtype == dtype
    np.testing.assert_allclose(features, expected, atol=1e-5)


@each_front_end
@pytest.mark.parametrize("training", [True, False])
def test_gradients_equal_finite_differences(make, training):
    front_end = make()
    weights, gradient = bound(front_end, np.float64)
    rng = np.random.default_rng(1)
    X, direction = rng.random((4, n_pixels(front_end))), rng.normal(size=(4, 3))

    def loss():
        # The same seed draws the same dropout masks on both sides.
        dropout = np.random.default_rng(2) if training else None
        return np.sum(front_end.forward(X, dropout) * direction)

    loss()
    front_end.backward(direction)
    step = 1e-6
    for k in rng.choice(front_end.n_parameters, 60, replace=False):
        centre = weights[k]
        weights[k] = centre + step
        above = loss()
        weights[k] = centre - step
        below = loss()
        weights[k] = centre
        assert gradient[k] == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-7)


@each_front_end
def test_a_step_in_place_is_seen_and_the_gradient_overwritten(make):
    front_end = make()
    weights, gradient = bound(front_end, np.float32)
    X = np.random.default_rng(1).random((4, n_pixels(front_end))).astype(np.float32)
    before = front_end.forward(X, np.random.default_rng(2)).copy()
    grad = np.ones((4, 3), np.float32)
    front_end.backward(grad)
    first = gradient.copy()
    assert np.isfinite(first).all()
    front_end.backward(grad)  # neither added to the first one, nor without its dropout
    np.testing.assert_allclose(gradient, first, rtol=1e-5, atol=1e-6)
    weights -= 0.01 * gradient
    after = front_end.forward(X, np.random.default_rng(2))
    assert after.sum() < before.sum()


def test_conv_dropout_is_on_in_training_only():
    front_end = ConvFrontEnd(image_layout(256), 2)
    bound(front_end, np.float64)
    X = np.random.default_rng(1).random((4, 256))
    inference = front_end.forward(X)
    np.testing.assert_array_equal(front_end.forward(X), inference)
    rng = np.random.default_rng(2)
    first = front_end.forward(X, rng).copy()
    assert not np.allclose(first, inference)
    assert not np.allclose(front_end.forward(X, rng), first)
    without = ConvFrontEnd(image_layout(256), 2, dropout=0.0)
    bound(without, np.float64)
    np.testing.assert_allclose(without.forward(X, rng), inference, atol=1e-12)


def test_conv_dropout_keeps_the_mean_of_a_linear_network():
    # Large biases keep every unit positive, so ReLU is linear and, with constant images, max-pool
    # too: dropout at rate p must then leave the expected features as they are.
    front_end = ConvFrontEnd(image_layout(256), 1, dropout=0.3)
    weights, _ = bound(front_end, np.float64)
    w = np.split(weights, np.cumsum([np.prod(shape) for shape in front_end.shapes])[:-1])
    for bias in w[1:7:2]:
        bias[:] = 20.0
    np.abs(weights, out=weights)
    X = np.full((20_000, 256), 0.5)
    exact = front_end.forward(X[:1])[0, 0]
    draws = front_end.forward(X, np.random.default_rng(2))[:, 0]
    assert draws.std() > 0.05 * exact
    assert draws.mean() == pytest.approx(exact, abs=5 * draws.std() / len(draws) ** 0.5)


def test_conv_inference_goes_in_chunks_and_takes_read_only_data():
    front_end = ConvFrontEnd(image_layout(4), 2)
    bound(front_end, np.float64)
    X = np.random.default_rng(1).random((1500, 4))
    X.setflags(write=False)
    one_by_one = [front_end.forward(X[i : i + 1])[0] for i in (0, 1023, 1024, 1499)]
    np.testing.assert_allclose(front_end.forward(X)[[0, 1023, 1024, 1499]], one_by_one, atol=1e-12)


@each_front_end
def test_vectors_that_could_not_be_shared_are_refused(make):
    front_end = make()
    size = front_end.n_parameters
    good = np.zeros(size)
    for weights, gradient in [
        (good[:-1], good),
        (good, np.zeros(2 * size)[::2]),
        (good.reshape(1, -1), good),
        (good, good.astype(np.float32)),
        (good.astype(int), good.astype(int)),
    ]:
        with pytest.raises(ValueError, match="must"):
            front_end.bind(weights, gradient)


def test_importing_is_light():
    code = (
        "import sys, sklqkd.reducers, sklqkd.reducers.front_ends, sklqkd.datasets\n"
        "print([m for m in ('torch', 'skorch', 'pennylane', 'qiskit') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
