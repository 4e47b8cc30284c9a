"""skorch's documented ways of use with our teachers, beside skorch's own classifier."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold
from skorch import NeuralNetClassifier
from skorch.callbacks import (
    BatchScoring,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LoadInitState,
    LRScheduler,
    TrainEndCheckpoint,
)
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import SliceDataset, predefined_split

from sklqkd import LeNetClassifier, ResNetClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.teachers.modules import LeNet5

# As skorch trains: at one learning rate, with all images in one mini-batch.
PARAMS = {"recipe": "paper", "max_epochs": 3, "lr": 0.01, "random_state": 0}


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


def test_a_net_pickled_while_it_trains_knows_its_labels(digits, labels, tmp_path):
    X, _ = digits
    every = Checkpoint(monitor=None, f_pickle="net.pickle", dirname=tmp_path)
    last = TrainEndCheckpoint(f_pickle="net.pickle", dirname=tmp_path)
    net = LeNetClassifier(callbacks=[every, last], **PARAMS).fit(X, labels)
    names = "net.pickle", "train_end_net.pickle"
    for saved in [(tmp_path / name).read_bytes() for name in names]:
        loaded = pickle.loads(saved)
        assert_array_equal(loaded.classes_, np.unique(labels))
        assert_array_equal(loaded.predict(X), net.predict(X))
        expected = pickle.loads(pickle.dumps(net)).partial_fit(X, labels).predict_proba(X)
        assert_allclose(loaded.partial_fit(X, labels).predict_proba(X), expected, rtol=1e-5)


def test_scorers_see_the_labels(digits, labels):
    X, _ = digits
    seen = []

    def scorer(net, X, y):
        seen.append(set(np.unique(y)) | set(net.classes_) | set(net.predict(X)))
        return 1.0

    scores = [
        EpochScoring(scorer, name="a", on_train=True),
        EpochScoring(scorer, name="b", use_caching=False),
        BatchScoring(scorer, name="c"),
    ]
    LeNetClassifier(callbacks=scores, **PARAMS).fit(X, labels)
    assert len(seen) == 9
    assert all(found == set(labels) for found in seen)


def test_a_scoring_callback_gets_images_to_score(digits):
    X, y = digits
    net = LeNetClassifier(callbacks=[EpochScoring("accuracy", name="score")], **PARAMS).fit(X, y)
    split = ValidSplit(5, stratified=True)
    plain = LeNetClassifier(train_split=split, **PARAMS).fit(X, y)
    assert_array_equal(column(net, "score"), column(plain, "valid_acc"))
    for options in (
        {"callbacks__EpochScoring__on_train": True},
        {"callbacks__EpochScoring": None},
        {"train_split": False},
    ):
        net = LeNetClassifier(callbacks=[EpochScoring("accuracy")], **options, **PARAMS).fit(X, y)
        assert "valid_loss" not in net.history[-1]


def test_callbacks_are_disabled(digits):
    net = LeNetClassifier(callbacks="disable", **PARAMS).fit(*digits)
    expected = LeNetClassifier(**PARAMS).fit(*digits)
    assert_array_equal(net.predict(digits[0]), expected.predict(digits[0]))
    assert "train_loss" not in net.history[-1]


def test_what_is_set_between_two_fits_is_heard(digits):
    X, y = digits
    calls = []

    class Counts(EpochScoring):
        def on_epoch_end(self, net, **kwargs):
            calls.append(1)

    net = LeNetClassifier(callbacks=[("counts", Counts("accuracy"))], **PARAMS).partial_fit(
        X, y, classes=[3, 5, 8]
    )
    assert len(calls) == 1
    net.set_params(callbacks__counts=None).partial_fit(X, y)
    assert len(calls) == 1
    net.set_params(callbacks__counts=Counts("accuracy")).partial_fit(X, y, epochs=2)
    assert len(calls) == 3
    net.callbacks = [("counts", Counts("accuracy")), ("more", Counts("accuracy"))]
    net.partial_fit(X, y)
    assert len(calls) == 5
    net.set_params(criterion__label_smoothing=0.25).partial_fit(X, y)
    assert net.criterion_.label_smoothing == 0.25
    net.set_params(optimizer=torch.optim.SGD).partial_fit(X, y)
    assert type(net.optimizer_) is torch.optim.SGD
    before = net.predict_proba(X)
    net.set_params(module__dropout=0.5)
    with pytest.raises(ValueError, match="module__dropout changed since the network was trained"):
        net.partial_fit(X, y)
    assert_array_equal(net.predict_proba(X), before)


@pytest.mark.parametrize("training", [False, True])
def test_forward_keeps_the_order(digits, training):
    X, y = digits
    net = LeNetClassifier(batch_size=16, **PARAMS).fit(X, y)
    with torch.no_grad():
        expected = net.module_(torch.tensor(X).reshape(-1, 1, 8, 8)).numpy()
    images = X.astype(np.float64)
    data = Dataset(images, y)
    for given in (images, torch.tensor(images), data, torch.tensor(X, requires_grad=True)):
        found = net.forward(given, training=training).detach()
        assert_allclose(found, expected, atol=1e-5)
        batches = list(net.forward_iter(given, training=training))
        assert_allclose(torch.cat(batches).detach(), expected, atol=1e-5)
    short = torch.tensor(X).bfloat16()
    assert_allclose(net.forward(short), net.forward(short.float().numpy()), atol=1e-6)


def test_infer_has_a_gradient(digits):
    X, y = digits
    net = LeNetClassifier(**PARAMS).fit(X, y)
    images = torch.tensor(X[:4], requires_grad=True)
    net.infer(images)[:, 0].sum().backward()
    again = torch.tensor(X[:4].reshape(-1, 1, 8, 8), requires_grad=True)
    net.module_(again)[:, 0].sum().backward()
    assert_allclose(images.grad, again.grad.reshape(4, 64), atol=1e-6)


def test_tensors_are_data(digits):
    X, y = digits
    expected = LeNetClassifier(**PARAMS).fit(X, y).predict_proba(X)
    for images in (torch.tensor(X), torch.tensor(X, requires_grad=True)):
        net = LeNetClassifier(**PARAMS).fit(images, torch.tensor(y))
        assert_array_equal(net.predict_proba(images), expected)


def test_data_frames(digits):
    pandas = pytest.importorskip("pandas")
    X, y = digits
    frame = pandas.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    scores = [EpochScoring("accuracy", use_caching=False), BatchScoring("accuracy", name="batch")]
    net = LeNetClassifier(callbacks=scores, **PARAMS).fit(frame, pandas.Series(y))
    assert len(column(net, "accuracy")) == 3
    assert_allclose(net.forward(frame), net._logits(frame))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        net.predict(X)


def test_collate_functions_get_pairs(digits, labels):
    X, _ = digits
    kinds = []

    def pairs(batch):
        kinds.append(all(len(pair) == 2 and pair[0].shape == (64,) for pair in batch))
        images, names = zip(*batch, strict=True)
        return torch.tensor(np.stack(images)), np.array(names)

    expected = LeNetClassifier(**PARAMS).fit(X, labels).predict_proba(X)
    for collate in (pairs, torch.utils.data.default_collate):
        net = LeNetClassifier(iterator_train__collate_fn=collate, **PARAMS).fit(X, labels)
        assert_array_equal(net.predict_proba(X), expected)
    assert len(kinds) == 3
    assert all(kinds)

    def mixed(batch):
        images, names = zip(*batch, strict=True)
        soft = torch.nn.functional.one_hot(torch.tensor(np.searchsorted(net.classes_, names)), 3)
        return torch.tensor(np.stack(images)), soft.float()

    net = LeNetClassifier(iterator_train__collate_fn=mixed, **PARAMS).fit(X, labels)
    assert_allclose(net.predict_proba(X), expected, atol=1e-5)

    def lies(batch):
        return np.stack([x for x, _ in batch]), np.array(["no label" for _ in batch])

    words = np.char.add("d", labels.astype(str))
    with pytest.raises(ValueError, match=r"mini-batch has the labels \['no label'\]"):
        LeNetClassifier(iterator_train__collate_fn=lies, **PARAMS).fit(X, words)


def test_samplers(digits):
    X, y = digits
    rows = list(range(0, 60, 2))
    sampler = torch.utils.data.SubsetRandomSampler(rows)
    batches = torch.utils.data.BatchSampler(sampler, 10, drop_last=False)
    net = LeNetClassifier(iterator_train__sampler=sampler, batch_size=10, **PARAMS).fit(X, y)
    again = LeNetClassifier(iterator_train__batch_sampler=batches, **PARAMS).fit(X, y)
    sizes = net.history[:, "batches", :, "train_batch_size"]
    assert sizes == again.history[:, "batches", :, "train_batch_size"] == [[10] * 3] * 3


def test_a_split_of_the_users(digits):
    """Data sets that it puts around the rows, and groups that it keeps together."""
    X, y = digits

    class Brighter(torch.utils.data.Dataset):
        def __init__(self, dataset):
            self.base = dataset

        def __len__(self):
            return len(self.base)

        def __getitem__(self, i):
            image, label = self.base[i]
            return torch.tensor(image) + 0.1, label

    def split(dataset, y=None):
        return Brighter(dataset), torch.utils.data.Subset(dataset, range(30))

    net = LeNetClassifier(train_split=split, batch_size=-1, **PARAMS).fit(X, y)
    expected = LeNetClassifier(batch_size=-1, **PARAMS).fit(X + np.float32(0.1), y)
    assert_allclose(net.predict_proba(X), expected.predict_proba(X), atol=1e-4)
    assert net.history[-1, "batches", -1, "valid_batch_size"] == 30

    groups = np.arange(60) // 6
    seen = []

    def by_groups(dataset, y=None, groups=None):
        seen.append(groups)
        return ValidSplit(GroupKFold(5))(dataset, y, groups)

    LeNetClassifier(train_split=by_groups, **PARAMS).fit(X, y, groups=groups, epochs=2)
    assert_array_equal(seen[0], groups)


def test_epochs(digits):
    net = LeNetClassifier(**PARAMS).fit(*digits, epochs=2)
    expected = LeNetClassifier(**{**PARAMS, "max_epochs": 2}).fit(*digits)
    assert_array_equal(net.predict_proba(digits[0]), expected.predict_proba(digits[0]))
    with pytest.raises(ValueError, match="epochs == 0"):
        net.fit(*digits, epochs=0)


def test_training_goes_on_from_a_checkpoint(digits, labels, tmp_path):
    X, _ = digits
    saves = Checkpoint(monitor=None, dirname=tmp_path)
    for n_epochs in (3, 6):  # there are no files at first
        callbacks = [saves, LoadInitState(saves)]
        net = LeNetClassifier(callbacks=callbacks, **PARAMS).fit(X, labels)
        assert len(net.history) == n_epochs


def test_by_hand(digits):
    X, y = digits
    net = LeNetClassifier(**PARAMS).fit(X, y)
    net.fit_loop(X.astype(np.float64), y.tolist(), epochs=1)
    assert len(net.history) == 4
    step = net.train_step((torch.tensor(X), torch.tensor(y)))
    assert step["loss"].item() == pytest.approx(net.validation_step((X, y))["loss"].item(), abs=0.5)


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter(())


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (Stream(), "Read it into arrays first"),
        ({"image": np.ones((4, 64))}, "pass that of the images alone"),
        (torch.utils.data.TensorDataset(torch.ones(4, 64)), "requires y"),
    ],
)
def test_data_that_cannot_be_taken(X, message):
    with pytest.raises((TypeError, ValueError), match=message):
        LeNetClassifier(**PARAMS).fit(X, None)


@pytest.mark.parametrize(
    "name",
    [
        *("classes", "compile", "criterion", "dataset", "iterator_train", "iterator_valid"),
        *("module", "predict_nonlinearity", "torch_load_kwargs", "use_caching"),
    ],
)
def test_arguments_of_skorchs_that_have_another_way(name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}': "):
        LeNetClassifier(**{name: None})
