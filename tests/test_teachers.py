"""Teachers: their architectures, scikit-learn's contract, and what skorch alone does not keep."""

import copy
import pickle
import subprocess
import sys
import threading
from itertools import pairwise

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EarlyStopping, EpochScoring
from skorch.dataset import ValidSplit

from sklqkd import AlexNetClassifier, LeNetClassifier, ResNetClassifier
from sklqkd.teachers.modules import AlexNet, LeNet5, ResidualBlock, ResNet

SMALL = {
    LeNetClassifier: {},
    AlexNetClassifier: {"module__hidden_size": 16},
    ResNetClassifier: {"module__n_blocks": 1, "module__width": 4},
}
every_teacher = pytest.mark.parametrize("Teacher", SMALL)


def small(cls, **params):
    return cls(**{"max_epochs": 2, "random_state": 0} | SMALL[cls] | params)


def weights(net):
    return [p.detach().numpy().copy() for p in net.module_.parameters()]


def assert_same_weights(a, b):
    for p, q in zip(weights(a), weights(b), strict=True):
        assert_array_equal(p, q)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=3, return_X_y=True)
    return X / 16, y


@pytest.fixture(scope="module")
def lenet(digits):
    return LeNetClassifier(max_epochs=5, lr=0.01, random_state=0).fit(*digits)


# scikit-learn's contract


@parametrize_with_checks(
    [
        LeNetClassifier(max_epochs=15, lr=0.01, batch_size=16),
        AlexNetClassifier(max_epochs=6, lr=0.003, batch_size=16, module__hidden_size=16),
        ResNetClassifier(
            max_epochs=10, lr=0.01, batch_size=32, module__n_blocks=1, module__width=4
        ),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


# architectures


def n_parameters(network, *args, **params):
    with torch.device("meta"):
        return sum(p.numel() for p in network(*args, **params).parameters())


def conv(n_in, n_out, size):
    return n_out * (n_in * size**2 + 1)


def dense(*sizes):
    return sum((a + 1) * b for a, b in pairwise(sizes))


def test_lenet_has_the_papers_size():
    assert n_parameters(LeNet5, (1, 28, 28), 10) == (
        conv(1, 6, 5) + conv(6, 16, 5) + dense(256, 120, 84, 10)
    )


def test_alexnet_has_the_papers_size():
    assert n_parameters(AlexNet, (1, 28, 28), 10) == (
        conv(1, 64, 3) + conv(64, 192, 3) + conv(192, 384, 3) + dense(18816, 4096, 4096, 10)
    )


def test_resnet_has_the_size_of_resnet20():
    def convolutions(n_in, width, count):  # no bias, but scale and shift of the batch norm
        return 9 * n_in * width + 9 * (count - 1) * width**2 + 2 * count * width

    expected = (
        convolutions(3, 16, 1)
        + convolutions(16, 16, 6)
        + convolutions(16, 32, 6)
        + convolutions(32, 64, 6)
        + dense(64, 10)
    )
    assert n_parameters(ResNet, (3, 32, 32), 10) == expected == 269_722


def test_lenet_computes_what_the_paper_describes():
    torch.manual_seed(0)
    net = LeNet5((1, 28, 28), 4)
    image = np.random.default_rng(0).random((1, 28, 28))
    params = iter([p.detach().numpy().astype(float) for p in net.parameters()])

    def convolve_and_pool(x):
        kernels, bias = next(params), next(params)
        x = np.tanh(
            [correlate(x, k, mode="valid")[0] + b for k, b in zip(kernels, bias, strict=True)]
        )
        return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4

    x = convolve_and_pool(convolve_and_pool(image)).ravel()
    x = np.tanh(next(params) @ x + next(params))
    x = np.tanh(next(params) @ x + next(params))
    expected = next(params) @ x + next(params)
    actual = net(torch.from_numpy(image[None].astype(np.float32)))
    assert_allclose(actual.detach().numpy()[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("n_in", "n_out", "stride"), [(2, 2, 1), (2, 4, 2), (4, 8, 2)])
def test_shortcut_has_no_parameters(n_in, n_out, stride):
    block = ResidualBlock(n_in, n_out, stride)
    torch.nn.init.zeros_(block.residual[-1].weight)  # so that the shortcut is all there is
    x = torch.rand(3, n_in, 5, 6)
    expected = np.zeros((3, n_out, *x[0, 0, ::stride, ::stride].shape), dtype=np.float32)
    extra = (n_out - n_in) // 2
    expected[:, extra : extra + n_in] = x[:, :, ::stride, ::stride]
    assert_array_equal(block(x).detach().numpy(), expected)


@pytest.mark.parametrize(("network", "size"), [(LeNet5, 16), (AlexNet, 4), (ResNet, 5)])
def test_small_images_are_centred_on_black_ones(network, size):
    params = {"hidden_size": 8} if network is AlexNet else {}
    small_net = network((2, 3, 2), 4, **params).eval()
    net = network((2, size, size), 4, **params).eval()
    net.load_state_dict(small_net.state_dict())
    image = torch.rand(1, 2, 3, 2)
    padded = torch.zeros(1, 2, size, size)
    top, left = (size - 3) // 2, (size - 2) // 2
    padded[:, :, top : top + 3, left : left + 2] = image
    assert_array_equal(small_net(image).detach().numpy(), net(padded).detach().numpy())


@every_teacher
@pytest.mark.parametrize(
    "image_shape", [(1, 1), (1, 7), (7, 1), (5, 5), (8, 8), (17, 19), (3, 5, 4), (5, 4, 3)]
)
def test_any_size_of_image(Teacher, image_shape):
    X = np.random.default_rng(0).random((9, np.prod(image_shape)))
    # The last mini-batch of 9 in fours holds a single image: too few for batch norm if 1 x 1.
    net = small(Teacher, image_shape=image_shape, batch_size=4).fit(X, np.arange(9) % 3)
    assert_allclose(net.predict_proba(X).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("Teacher", [LeNetClassifier, ResNetClassifier])
def test_channel_order_is_stated_by_the_shape(Teacher):
    first = np.random.default_rng(0).random((12, 3, 8, 6))
    last = first.transpose(0, 2, 3, 1)
    y = np.arange(12) % 2
    a = small(Teacher, image_shape=first.shape[1:]).fit(first.reshape(12, -1), y)
    b = small(Teacher, image_shape=last.shape[1:]).fit(last.reshape(12, -1), y)
    assert_allclose(
        a.predict_proba(first.reshape(12, -1)), b.predict_proba(last.reshape(12, -1)), rtol=1e-5
    )


def test_n_parameters(lenet):
    assert lenet.n_parameters_ == conv(1, 6, 5) + conv(6, 16, 5) + dense(16, 120, 84, 3)


# data and labels


def test_is_a_skorch_classifier(lenet):
    assert isinstance(lenet, NeuralNetClassifier)
    assert len(lenet.history) == 5
    assert isinstance(lenet.module_, LeNet5)


@every_teacher
def test_learns(Teacher, digits):
    X_train, X_test, y_train, y_test = train_test_split(*digits, random_state=0)
    wide = {"module__hidden_size": 64} if Teacher is AlexNetClassifier else {}
    net = small(Teacher, max_epochs=6, lr=0.003, batch_size=32, **wide).fit(X_train, y_train)
    assert net.score(X_test, y_test) > 0.9


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["zero", "one", "two"]),
        np.array(["zero", "one", "two"], dtype=object),
        np.array([7, 3, -1]),
        np.array([0.0, 2.0, 1.0]),
        np.array([2, 1, 0], dtype=np.uint8),
    ],
)
def test_labels_of_any_type(digits, lenet, labels):
    X, y = digits
    net = LeNetClassifier(max_epochs=5, lr=0.01, random_state=0).fit(X, labels[y])
    assert_array_equal(net.classes_, np.unique(labels))
    assert net.classes_.dtype == labels.dtype
    assert net.predict(X).dtype == labels.dtype
    assert net.score(X, labels[y]) > 0.9


def test_boolean_labels(digits):
    X, y = digits
    net = LeNetClassifier(max_epochs=5, lr=0.01, random_state=0).fit(X, y == 1)
    assert net.predict(X).dtype == bool
    assert net.score(X, y == 1) > 0.9
    assert_array_equal(net.decision_function(X) > 0, net.predict(X))


@pytest.mark.parametrize("convert", [np.uint8, np.float16, np.float32, np.int64, list])
def test_input_of_any_real_dtype(convert):
    X, y = load_digits(n_class=3, return_X_y=True)
    expected = small(LeNetClassifier).fit(X, y).predict_proba(X)
    X = X.tolist() if convert is list else X.astype(convert)
    assert_array_equal(small(LeNetClassifier).fit(X, y).predict_proba(X), expected)


def test_data_frame(digits):
    pandas = pytest.importorskip("pandas")
    X, y = digits
    frame = pandas.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    net = small(LeNetClassifier).fit(frame, pandas.Series(y))
    assert_array_equal(net.feature_names_in_, frame.columns)
    assert_array_equal(net.predict(frame), small(LeNetClassifier).fit(X, y).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        net.predict(frame[frame.columns[::-1]])


def test_probabilities_are_the_softmax_of_the_logits(lenet, digits):
    X = digits[0]
    logits = lenet.decision_function(X)
    with torch.no_grad():
        direct = lenet.module_(torch.from_numpy(X.astype(np.float32).reshape(-1, 1, 8, 8)))
    assert_allclose(logits, direct.numpy(), rtol=1e-4, atol=1e-5)
    expected = np.exp(logits.astype(float))
    expected /= expected.sum(axis=1, keepdims=True)
    assert_allclose(lenet.predict_proba(X), expected, rtol=1e-5)
    assert_allclose(lenet.predict_log_proba(X), np.log(expected), rtol=1e-5, atol=1e-6)


def test_unflattened_images_are_refused_with_advice(digits, lenet):
    X, y = digits
    for images in (X.reshape(-1, 8, 8), X.reshape(-1, 1, 8, 8)):
        advice = r"X\.reshape\(len\(X\), -1\).*image_shape=.*X\.shape\[1:\]"
        with pytest.raises(ValueError, match=advice):
            LeNetClassifier().fit(images, y)
        with pytest.raises(ValueError, match=advice):
            lenet.predict(images)


def test_wrong_number_of_features_is_refused(lenet):
    with pytest.raises(ValueError, match="expecting 64 features"):
        lenet.predict(np.zeros((2, 63)))


def test_one_class_is_refused(digits):
    X, _ = digits
    with pytest.raises(ValueError, match=r"at least 2 classes; there is one class: \['cat'\]"):
        LeNetClassifier().fit(X, np.full(len(X), "cat"))


def test_unfitted():
    with pytest.raises(NotFittedError):
        LeNetClassifier().predict(np.zeros((1, 64)))
    assert not hasattr(LeNetClassifier(), "classes_")


# parameters


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_epochs": 0}, "max_epochs"),
        ({"max_epochs": 1.5}, "max_epochs"),
        ({"lr": 0}, "lr"),
        ({"lr": float("nan")}, "lr"),
        ({"lr": "fast"}, "lr"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": -2}, "batch_size"),
        ({"image_shape": (8, 9)}, "image_shape"),
        ({"modul__width": 3}, "modul__width"),
        ({"module__width": 3}, "width"),
        ({"optimizer__width": 3}, "width"),
        ({"device": "nowhere"}, "nowhere"),
    ],
)
def test_invalid_parameters_leave_the_classifier_as_it_was(digits, params, message):
    net = small(LeNetClassifier).fit(*digits)
    before = net.predict_proba(digits[0])
    state = net.__dict__.copy()
    net.set_params(**params)
    with pytest.raises((ValueError, TypeError, RuntimeError), match=message):
        net.fit(*digits)
    net.set_params(**{name: getattr(LeNetClassifier(), name, None) for name in params})
    assert net.__dict__.keys() == state.keys()
    assert_array_equal(net.predict_proba(digits[0]), before)
    assert len(net.history) == 2


def _ctrl_c(batch):
    raise KeyboardInterrupt


class _Fail(Callback):
    """Fail after the first update of the weights."""

    def on_batch_end(self, net, **kwargs):
        raise RuntimeError("no more memory")


@pytest.mark.parametrize("method", ["fit", "warm fit", "partial_fit"])
def test_failed_training_leaves_the_classifier_as_it_was(digits, method):
    net = small(LeNetClassifier, warm_start=method == "warm fit").fit(*digits)
    before, seed = net.predict_proba(digits[0]), net._next_seed
    train = net.partial_fit if method == "partial_fit" else net.fit
    net.set_params(iterator_train__collate_fn=_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        train(*digits)
    net.set_params(iterator_train__collate_fn=torch.utils.data.default_collate)
    net.set_params(callbacks=[_Fail()])
    with pytest.raises(RuntimeError, match="no more memory"):
        train(*digits)
    assert_array_equal(net.predict_proba(digits[0]), before)
    assert_array_equal(net.classes_, [0, 1, 2])
    assert len(net.history) == 2
    assert net._next_seed == seed


def test_unfitted_classifier_stays_unfitted_if_training_fails(digits):
    net = small(LeNetClassifier, callbacks=[_Fail()])
    params = net.get_params(deep=False)
    with pytest.raises(RuntimeError, match="no more memory"):
        net.fit(*digits)
    assert net.get_params(deep=False) == params
    with pytest.raises(NotFittedError):
        net.predict(digits[0])


def test_unknown_parameter_names_are_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_epoch'"):
        LeNetClassifier(max_epoch=3)
    with pytest.raises(ValueError, match="Invalid parameter 'max_epoch'"):
        LeNetClassifier().set_params(max_epoch=3)


def test_component_parameters_survive_get_set_and_clone():
    net = AlexNetClassifier(module__hidden_size=8, optimizer__weight_decay=0.1)
    net.set_params(module__dropout=0.2)
    params = clone(net).get_params()
    assert params["module__hidden_size"] == net.module__hidden_size == 8
    assert params["module__dropout"] == 0.2
    assert params["optimizer__weight_decay"] == 0.1
    assert "module__dropout=0.2" in repr(net)
    assert not {"module", "criterion"} & params.keys()


def test_component_parameters_reach_the_components(digits):
    net = small(
        AlexNetClassifier,
        max_epochs=1,
        module__hidden_size=8,
        optimizer=torch.optim.SGD,
        optimizer__momentum=0.5,
        criterion__label_smoothing=0.1,
        iterator_train__drop_last=True,
        batch_size=100,
    ).fit(*digits)
    assert net.module_[-1].in_features == 8
    assert net.optimizer_.param_groups[0]["momentum"] == 0.5
    assert net.criterion_.label_smoothing == 0.1
    assert net.history[-1, "train_batch_count"] == len(digits[0]) // 100


def test_set_params_keeps_the_trained_weights(digits):
    net = small(AlexNetClassifier).fit(*digits)
    before = net.predict_proba(digits[0])
    net.set_params(module__hidden_size=8, lr=0.5, max_epochs=7, criterion__label_smoothing=0.1)
    assert_array_equal(net.predict_proba(digits[0]), before)
    assert net.optimizer_.param_groups[0]["lr"] == 0.5


def test_batch_size_minus_one_is_one_batch(digits):
    net = small(LeNetClassifier, batch_size=-1).fit(*digits)
    assert net.history[-1, "train_batch_count"] == 1


def test_prediction_does_not_depend_on_its_batches(digits, lenet):
    X = digits[0]
    assert len(X) > 256
    one_by_one = clone(lenet).set_params(iterator_valid__batch_size=7).fit(*digits)
    assert_allclose(one_by_one.predict_proba(X), lenet.predict_proba(X), rtol=1e-4, atol=1e-6)


def test_silent_by_default(digits, capsys):
    small(LeNetClassifier).fit(*digits).fit(*digits).set_params(module__x=1)
    assert capsys.readouterr().out == ""
    net = small(LeNetClassifier, verbose=1).fit(*digits)
    first = capsys.readouterr().out
    assert len(first.splitlines()) == 4  # two of the head, one per epoch
    net.fit(*digits)
    assert len(capsys.readouterr().out.splitlines()) <= 4


# randomness


@every_teacher
def test_same_seed_same_weights(Teacher, digits):
    X, y = digits[0][:150], digits[1][:150]
    a, b, c = (small(Teacher, random_state=seed) for seed in (3, 3, 4))
    a.fit(X, y)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002  (must not matter)
    b.fit(X, y)
    assert_same_weights(a, b)
    assert_same_weights(a.fit(X, y), b)
    assert not np.array_equal(weights(c.fit(X, y))[0], weights(a)[0])


@pytest.mark.parametrize("random_state", [0, None])
def test_global_state_is_left_as_found(digits, random_state):
    X, y = digits[0][:100], digits[1][:100]
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    threads = torch.get_num_threads()
    net = small(AlexNetClassifier, random_state=random_state, train_split=ValidSplit(5))
    net.fit(X, y).partial_fit(X, y).predict(X)
    with pytest.raises(ValueError, match="not among the classes"):
        net.partial_fit(X, y + 1)
    assert torch.equal(torch.get_rng_state(), torch_state)
    for a, b in zip(np.random.get_state(), numpy_state, strict=True):  # noqa: NPY002
        assert_array_equal(a, b)
    assert torch.get_num_threads() == threads


def test_no_seed_means_different_weights(digits):
    a, b = (small(LeNetClassifier, random_state=None).fit(*digits) for _ in range(2))
    assert not np.array_equal(weights(a)[0], weights(b)[0])


def test_random_state_instance(digits):
    a, b = (
        small(LeNetClassifier, random_state=np.random.RandomState(5)).fit(*digits) for _ in range(2)
    )
    assert_same_weights(a, b)
    assert not np.array_equal(weights(b)[0], weights(a.fit(*digits))[0])


def test_threads_do_not_share_randomness(digits):
    expected = [small(LeNetClassifier, random_state=i).fit(*digits) for i in range(3)]
    state = torch.get_rng_state()
    nets = [small(LeNetClassifier, random_state=i) for i in range(3)]
    threads = [threading.Thread(target=net.fit, args=digits) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(nets, expected, strict=True):
        assert_same_weights(a, b)
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_is_inactive_in_predict(digits):
    net = small(AlexNetClassifier, module__dropout=0.9).fit(*digits)
    assert_array_equal(net.predict_proba(digits[0]), net.predict_proba(digits[0]))


# going on


def test_partial_fit_is_one_epoch_of_a_longer_training(digits):
    X, y = digits
    net = small(LeNetClassifier, max_epochs=7, lr=0.005)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        net.partial_fit(X, y)
    only_zeros = y == 0
    net.partial_fit(X[only_zeros], y[only_zeros], classes=[2, 0, 1])
    assert_array_equal(net.classes_, [0, 1, 2])
    assert net.predict_proba(X).shape == (len(X), 3)
    for _ in range(8):
        net.partial_fit(X, y)
    assert len(net.history) == 9
    assert net.score(X, y) > 0.8
    with pytest.raises(ValueError, match="is not what the first call had"):
        net.partial_fit(X, y, classes=[0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"classes \[3\], which are not among"):
        net.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="expecting 64 features"):
        net.partial_fit(X[:, :63], y)


def test_each_partial_fit_shuffles_anew_and_reproducibly(digits):
    a, b = (small(LeNetClassifier, random_state=0).fit(*digits) for _ in range(2))
    seeds = {a._next_seed}
    for _ in range(3):
        a.partial_fit(*digits)
        b.partial_fit(*digits)
        seeds.add(a._next_seed)
    assert_same_weights(a, b)
    assert len(seeds) == 4


def test_warm_start_goes_on_and_cold_start_does_not(digits):
    warm = small(LeNetClassifier, warm_start=True, recipe="paper").fit(*digits)
    loss = warm.history[-1, "train_loss"]
    warm.fit(*digits)
    assert len(warm.history) == 4
    assert warm.history[-1, "train_loss"] < warm.history[2, "train_loss"] < loss
    cold = small(LeNetClassifier).fit(*digits).fit(*digits)
    assert len(cold.history) == 2
    assert_same_weights(cold, small(LeNetClassifier).fit(*digits))


def test_fit_forgets_the_data_before(digits):
    X, y = digits
    net = small(LeNetClassifier).fit(X, y)
    net.fit(X[:, :36], np.where(y == 0, "no", "yes"))
    assert net.n_features_in_ == 36
    assert_array_equal(net.classes_, ["no", "yes"])


# skorch's callbacks


@pytest.mark.parametrize("use_caching", [True, False])
def test_callbacks_score_the_validation_data(digits, use_caching):
    X, y = digits
    names = np.array(["zero", "one", "two"])
    loss = EpochScoring(
        "neg_log_loss", name="log_loss", lower_is_better=False, use_caching=use_caching
    )
    net = LeNetClassifier(
        max_epochs=4,
        lr=0.01,
        random_state=0,
        train_split=ValidSplit(4, stratified=True),
        callbacks=[loss],
    ).fit(X, names[y])
    assert net.history[-1, "valid_acc"] > 0.8
    assert_allclose(-np.array(net.history[:, "log_loss"]), net.history[:, "valid_loss"], rtol=1e-4)
    assert_array_equal(net.classes_, np.unique(names))


def test_early_stopping(digits):
    net = LeNetClassifier(
        max_epochs=50,
        random_state=0,
        train_split=ValidSplit(4, stratified=True),
        callbacks=[EarlyStopping(patience=2, threshold=0.5)],
    ).fit(*digits)
    assert 2 <= len(net.history) < 50
    assert_array_equal(net.classes_, [0, 1, 2])


# persistence and composition


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_predict_and_train_alike(lenet, digits, copied):
    twin = copied(lenet)
    assert_array_equal(twin.predict_proba(digits[0]), lenet.predict_proba(digits[0]))
    again = copied(lenet)
    assert_same_weights(twin.partial_fit(*digits), again.partial_fit(*digits))


def test_joblib_in_another_process(lenet, digits, tmp_path):
    joblib.dump(lenet, tmp_path / "lenet.joblib")
    np.save(tmp_path / "X.npy", digits[0])
    code = (
        "import joblib, numpy as np, sys; from pathlib import Path; folder = Path(sys.argv[1]);"
        "net = joblib.load(folder / 'lenet.joblib');"
        "np.save(folder / 'proba.npy', net.predict_proba(np.load(folder / 'X.npy')))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert_allclose(
        np.load(tmp_path / "proba.npy"), lenet.predict_proba(digits[0]), rtol=1e-5, atol=1e-7
    )


def test_clone_is_unfitted(lenet):
    twin = clone(lenet)
    assert twin.get_params(deep=False) == lenet.get_params(deep=False)
    with pytest.raises(NotFittedError):
        twin.predict(np.zeros((1, 64)))


def test_grid_search_and_pipeline(digits):
    X, y = load_digits(n_class=3, return_X_y=True)
    pipeline = make_pipeline(MinMaxScaler(clip=True), small(AlexNetClassifier, max_epochs=3))
    grid = {
        "alexnetclassifier__lr": [1e-6, 0.003],
        "alexnetclassifier__module__hidden_size": [8, 16],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X[:200], y[:200])
    assert search.best_params_["alexnetclassifier__lr"] == 0.003
    size = search.best_params_["alexnetclassifier__module__hidden_size"]
    assert search.best_estimator_[-1].module_[-1].in_features == size


def test_voting_ensemble_of_frozen_teachers(lenet, digits):
    X, y = digits
    resnet = small(ResNetClassifier).fit(X, y)
    ensemble = VotingClassifier(
        [("lenet", FrozenEstimator(lenet)), ("resnet", FrozenEstimator(resnet))], voting="soft"
    ).fit(X, y)
    assert_allclose(
        ensemble.predict_proba(X), (lenet.predict_proba(X) + resnet.predict_proba(X)) / 2, rtol=1e-6
    )
