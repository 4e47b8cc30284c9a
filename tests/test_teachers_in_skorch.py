"""skorch's documented ways of use with our teachers, beside skorch's own classifier."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier
from skorch.callbacks import (
    BatchScoring,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    TrainEndCheckpoint,
)
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import SliceDataset, predefined_split

from sklqkd import LeNetClassifier, ResNetClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.teachers.modules import LeNet5

PARAMS = {"max_epochs": 3, "lr": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    X, y = take_per_class(*load_digits(return_X_y=True), 20, classes=[3, 5, 8])
    return X.astype(np.float32), y


@pytest.fixture(params=["numbers", "names"])
def labels(request, digits):
    _, y = digits
    return y if request.param == "numbers" else np.char.add("digit ", y.astype(str))


class Images(torch.utils.data.Dataset):
    """Images with their labels as torch's own data sets have them."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i].reshape(1, 8, 8), self.y[i]


def column(net, name):
    return np.array(net.history[:, name], float)


def own(X, y, **params):
    """Return skorch's own classifier of the same net, from the same weights, in the same order."""
    net = NeuralNetClassifier(
        LeNet5,
        module__image_shape=(1, 8, 8),
        module__n_classes=3,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        batch_size=128,
        max_epochs=3,
        lr=0.01,
        verbose=0,
        **params,
    ).initialize()
    first = LeNetClassifier(**{**PARAMS, "max_epochs": 1, "lr": 1e-30}).fit(X, y)
    net.module_.load_state_dict(first.module_.state_dict())
    return net


@pytest.mark.parametrize("on_train", [True, False])
def test_scores_of_every_epoch_are_skorchs(digits, on_train):
    """One batch holds all images, so that their order does not matter."""
    X, y = digits
    scores = [
        EpochScoring("accuracy", on_train=on_train, name="epoch", lower_is_better=False),
        BatchScoring("accuracy", on_train=on_train, name="batch", lower_is_better=False),
        EpochScoring("neg_log_loss", on_train=on_train, name="log_loss", lower_is_better=False),
    ]
    split = None if on_train else predefined_split(Dataset(X, y))
    net = LeNetClassifier(callbacks=scores, train_split=split, **PARAMS).fit(X, y)
    indices = np.searchsorted([3, 5, 8], y)
    split = None if on_train else predefined_split(Dataset(X.reshape(-1, 1, 8, 8), indices))
    plain = own(X, y, callbacks=scores, train_split=split).partial_fit(
        X.reshape(-1, 1, 8, 8), indices
    )
    for name in ("epoch", "batch", "log_loss", "train_loss"):
        assert_allclose(column(net, name), column(plain, name), atol=1e-4)


def test_scores_of_any_labels(digits, labels):
    X, _ = digits
    callbacks = [
        EpochScoring("accuracy", on_train=True, name="train_accuracy", lower_is_better=False),
        EpochScoring("f1_macro", name="f1", lower_is_better=False, use_caching=False),
    ]
    split = predefined_split(Dataset(X, labels))
    net = LeNetClassifier(callbacks=callbacks, train_split=split, **PARAMS).fit(X, labels)
    assert len(column(net, "f1")) == 3
    assert column(net, "valid_loss")[-1] > 0
    assert_array_equal(net.classes_, np.unique(labels))
    copy = pickle.loads(pickle.dumps(net))
    assert_array_equal(copy.predict(X), net.predict(X))


def test_validation_sets_are_checked(digits):
    X, y = digits
    for images, others, message in (
        (X, y + 1, r"classes \[4, 6, 9\], which are not among"),
        (X[:, :60], y, "60 pixels, those that are trained 64"),
    ):
        split = predefined_split(Dataset(images, others))
        with pytest.raises(ValueError, match=message):
            LeNetClassifier(train_split=split, **PARAMS).fit(X, y)


def data_sets(X, y):
    tensors = torch.tensor(X), torch.tensor(np.unique(y, return_inverse=True)[1])
    return {
        "skorch's": Dataset(X, y),
        "torch's": Images(X, y),
        "a subset": torch.utils.data.Subset(Images(X, y), range(len(y))),
        "tensors": torch.utils.data.TensorDataset(*tensors),
    }


@pytest.mark.parametrize("kind", ["skorch's", "torch's", "a subset", "tensors"])
def test_data_sets(digits, labels, kind):
    X, _ = digits
    data = data_sets(X, labels)[kind]
    net = LeNetClassifier(**PARAMS).fit(data, None)
    expected = LeNetClassifier(**PARAMS).fit(X, labels)
    assert_array_equal(net.predict_proba(data), expected.predict_proba(X))
    if kind != "tensors":
        assert_array_equal(net.predict(data), expected.predict(X))
    again = LeNetClassifier(**PARAMS).fit(data, labels)
    assert_array_equal(again.predict(X), expected.predict(X))


def test_slices_of_data_sets_in_a_search(digits):
    X, y = digits
    images = SliceDataset(Images(X, y), 0)
    search = GridSearchCV(LeNetClassifier(**PARAMS), {"lr": [0.01, 0.02]}, cv=2)
    expected = clone(search).fit(X, y).cv_results_["mean_test_score"]
    assert_array_equal(search.fit(images, y).cv_results_["mean_test_score"], expected)
    net = LeNetClassifier(**PARAMS).fit(images, SliceDataset(Images(X, y), 1))
    assert net.score(images, y) == LeNetClassifier(**PARAMS).fit(X, y).score(X, y)


def test_early_stopping_as_in_the_docstring(digits, labels):
    X, _ = digits
    net = LeNetClassifier(callbacks=[EarlyStopping()], **PARAMS).fit(X, labels)
    by_hand = ValidSplit(5, stratified=True)
    expected = LeNetClassifier(callbacks=[EarlyStopping()], train_split=by_hand, **PARAMS)
    expected.fit(X, labels)
    assert_array_equal(column(net, "valid_loss"), column(expected, "valid_loss"))
    assert net.train_split is None
    for callbacks in ([EarlyStopping], [("stop", EarlyStopping(patience=1))]):
        LeNetClassifier(callbacks=callbacks, **PARAMS).fit(X, labels)
    LeNetClassifier(callbacks=[LRScheduler(policy="StepLR", step_size=1)], **PARAMS).fit(X, labels)


@pytest.mark.parametrize("Net", [LeNetClassifier, ResNetClassifier])
def test_parameters_are_saved_and_loaded(digits, labels, tmp_path, Net):
    X, _ = digits
    net = Net(**{**PARAMS, "max_epochs": 1}).fit(X, labels)
    path, history = str(tmp_path / "net.pt"), str(tmp_path / "history.json")
    net.save_params(f_params=path, f_history=history)
    for target in (net, Net(), clone(net)):
        loaded = clone(target).initialize()
        if target is not net:
            with pytest.raises(NotFittedError):
                loaded.predict(X)
        loaded.load_params(f_params=path, f_history=history)
        assert_array_equal(loaded.predict_proba(X), net.predict_proba(X))
        assert_array_equal(loaded.predict(X), net.predict(X))
        assert loaded.n_features_in_ == 64
        assert len(loaded.history) == 1
    loaded.partial_fit(X, labels)
    assert len(loaded.history) == 2


def test_parameters_of_a_net_that_does_not_say_its_labels(digits, tmp_path):
    X, y = digits
    net = LeNetClassifier(**PARAMS).fit(X, y)
    state = net.module_.state_dict()
    del state["_extra_state"]  # as release 0.1.0 saved it
    torch.save(state, tmp_path / "old.pt")
    loaded = LeNetClassifier(image_shape=(8, 8)).initialize()
    loaded.load_params(f_params=tmp_path / "old.pt")
    assert_array_equal(loaded.predict_proba(X), net.predict_proba(X))
    assert_array_equal(loaded.classes_, [0, 1, 2])
    with pytest.raises(ValueError, match=r"State their shape: LeNetClassifier\(image_shape="):
        LeNetClassifier().load_params(f_params=tmp_path / "old.pt")


def test_checkpoints(digits, labels, tmp_path):
    X, _ = digits
    best = Checkpoint(dirname=tmp_path / "best")
    net = LeNetClassifier(callbacks=[best], **PARAMS).fit(X, labels)
    loaded = LeNetClassifier().initialize()
    loaded.load_params(checkpoint=best)
    assert_array_equal(loaded.classes_, net.classes_)
    last = TrainEndCheckpoint(dirname=tmp_path / "last")
    net = LeNetClassifier(callbacks=[last], **PARAMS).fit(X, labels)
    loaded = LeNetClassifier()
    loaded.load_params(f_params=tmp_path / "last" / "train_end_params.pt")
    assert_array_equal(loaded.predict_proba(X), net.predict_proba(X))
