"""How teachers are trained: the one-cycle recipe and the paper's."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from sklqkd import AlexNetClassifier, LeNetClassifier, ResNetClassifier
from sklqkd.datasets import load_digits, take_per_class

STEPS: list = []


class Recording(torch.optim.Adam):
    def step(self, *args):
        STEPS.append([(group["lr"], group["betas"][0]) for group in self.param_groups])
        return super().step(*args)


class RecordingSGD(torch.optim.SGD):
    def step(self, *args):
        STEPS.append([(group["lr"], group["momentum"]) for group in self.param_groups])
        return super().step(*args)


@pytest.fixture(scope="module")
def digits():
    return take_per_class(*load_digits(return_X_y=True), 40, classes=[0, 1, 2])


@pytest.fixture(autouse=True)
def _fresh():
    STEPS.clear()


def torchs(n_steps, peak, optimizer=torch.optim.Adam, **options):
    """Return what torch's own schedule sets, step by step."""
    own = optimizer([torch.nn.Parameter(torch.zeros(1))], lr=1.0, **options)
    schedule = OneCycleLR(own, peak, total_steps=n_steps)
    seen = []
    for _ in range(n_steps):
        group = own.param_groups[0]
        seen.append((group["lr"], group["betas"][0] if "betas" in group else group["momentum"]))
        own.step()
        schedule.step() if len(seen) < n_steps else None
    return seen


@pytest.mark.parametrize(
    ("change", "peak", "n_steps"),
    [
        ({}, 0.01, 300),
        ({"lr": 0.02, "max_epochs": 3}, 0.02, 24),
        ({"max_epochs": 2, "batch_size": 40, "optimizer__lr": 0.003}, 0.003, 6),
        ({"max_epochs": 1, "batch_size": -1}, 0.01, 1),
        ({"max_epochs": 2, "batch_size": -1}, 0.01, 2),
    ],
    ids=str,
)
def test_the_cycle_is_torchs(digits, change, peak, n_steps):
    net = LeNetClassifier(optimizer=Recording, random_state=0, **change).fit(*digits)
    expected = torchs(304 if n_steps == 300 else n_steps, peak)
    assert len(STEPS) == len(expected)
    if len(STEPS) > 2:  # of one or two steps torch makes infinite rates
        assert_allclose([groups[0] for groups in STEPS], expected, rtol=1e-6)
    assert np.isfinite(STEPS).all()
    assert net.optimizer_.param_groups[0]["betas"][0] == 0.9  # as before the cycle


def test_groups_of_parameters_and_momentum(digits):
    groups = [("*.weight", {"lr": 0.1}), ("*.bias", {"lr": 0.01})]
    options = {"optimizer__momentum": 0.9, "optimizer__param_groups": groups, "max_epochs": 2}
    LeNetClassifier(optimizer=RecordingSGD, lr=0.01, random_state=0, **options).fit(*digits)
    expected = torchs(len(STEPS), 0.1, torch.optim.SGD, momentum=0.9)
    assert_allclose([groups[0] for groups in STEPS], expected, rtol=1e-6)
    assert_allclose([groups[1][0] for groups in STEPS], np.array(expected)[:, 0] / 10, rtol=1e-6)


def test_training_goes_on_at_a_steady_rate(digits):
    net = LeNetClassifier(optimizer=Recording, max_epochs=1, random_state=0).fit(*digits)
    STEPS.clear()
    net.partial_fit(*digits)
    assert {groups[0] for groups in STEPS} == {(0.002, 0.9)}
    STEPS.clear()
    net.set_params(lr=0.03).partial_fit(*digits)
    assert {groups[0] for groups in STEPS} == {(0.03, 0.9)}
    STEPS.clear()
    net.set_params(lr=None, warm_start=True).fit(*digits)
    assert_allclose([groups[0] for groups in STEPS], torchs(len(STEPS), 0.01), rtol=1e-6)


def test_a_stopped_cycle_leaves_nothing_behind(digits):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    net = LeNetClassifier(optimizer=Recording, callbacks=[Stop()], random_state=0).fit(*digits)
    assert len(net.history) == 1
    assert net._cycle is None
    assert net.optimizer_.param_groups[0]["lr"] == 0.002
    STEPS.clear()
    net.set_params(callbacks=None).partial_fit(*digits)
    assert {groups[0] for groups in STEPS} == {(0.002, 0.9)}


def test_the_users_schedule_takes_its_place(digits):
    schedule = LRScheduler(StepLR, step_size=1, gamma=0.5)
    options = {"lr": 0.01, "max_epochs": 3, "batch_size": -1, "random_state": 0}
    LeNetClassifier(optimizer=Recording, callbacks=[schedule], **options).fit(*digits)
    assert_allclose([groups[0][0] for groups in STEPS], [0.01, 0.005, 0.0025])


def test_the_papers_recipe(digits):
    net = LeNetClassifier(recipe="paper", optimizer=Recording, random_state=0).fit(*digits)
    assert {groups[0] for groups in STEPS} == {(0.001, 0.9)}
    assert len(net.history) == len(STEPS) == 10  # one mini-batch of 128
    frame = net.module_[0]
    assert frame.mean == 0
    assert frame.deviation == 1
    whole = LeNetClassifier(random_state=0).fit(*digits)
    assert float(whole.module_[0].mean) == pytest.approx(digits[0].mean(), rel=1e-5)
    assert float(whole.module_[0].deviation) == pytest.approx(digits[0].std(), rel=1e-5)


@pytest.mark.parametrize("Net", [LeNetClassifier, ResNetClassifier, AlexNetClassifier])
def test_scaled_pixels_stay_scaled(digits, Net, tmp_path):
    """Images of another range give the same network, saved and loaded."""
    X, y = digits
    small = {"AlexNetClassifier": {"module__hidden_size": 8}}.get(Net.__name__, {})
    options = {"max_epochs": 2, "random_state": 0, **small}
    net = Net(**options).fit(X, y)
    other = Net(**options).fit(X * 16, y)
    assert_allclose(other.predict_proba(X * 16), net.predict_proba(X), atol=1e-3)
    net.save_params(f_params=tmp_path / "net.pt")
    loaded = Net(**options)
    loaded.load_params(f_params=tmp_path / "net.pt")
    assert_array_equal(loaded.predict_proba(X), net.predict_proba(X))


def test_images_that_are_all_alike():
    X, y = np.full((20, 64), 0.5), np.arange(20) % 2
    net = LeNetClassifier(max_epochs=1, random_state=0).fit(X, y)
    assert np.isfinite(net.predict_proba(X)).all()


def test_bad_recipes(digits):
    for bad in ("fast", None, ["paper"]):
        with pytest.raises(ValueError, match="is none of 'one_cycle', 'paper'"):
            LeNetClassifier(recipe=bad).fit(*digits)


def test_squared_error(digits):
    X, y = digits
    options = {"max_epochs": 1, "batch_size": -1, "lr": 1e-9, "random_state": 0}
    net = LeNetClassifier(loss="squared_error", **options).fit(X, y)
    expected = ((net.predict_proba(X) - np.eye(3)[y]) ** 2).sum(axis=1).mean()
    assert net.history[-1, "train_loss"] == pytest.approx(expected, rel=1e-4)
    trained = LeNetClassifier(loss="squared_error", random_state=0).fit(X, y)
    assert trained.score(X, y) > 0.95
    with pytest.raises(ValueError, match="loss='mse' is none of"):
        LeNetClassifier(loss="mse").fit(X, y)
    with pytest.raises(ValueError, match="has no effect with loss='squared_error'"):
        LeNetClassifier(loss="squared_error", criterion__label_smoothing=0.1).fit(X, y)
