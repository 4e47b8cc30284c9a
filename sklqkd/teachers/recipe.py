"""How a teacher is trained: the one-cycle recipe, or the paper's plain Adam.

The one-cycle recipe (Smith and Topin, arXiv:1708.07120) raises the learning rate from a 25th of its
peak over 30 % of the steps, and lowers it to almost nothing by half a cosine. It goes with images
of mean 0 and deviation 1, weights that begin as Glorot and Bengio draw them, and enough steps for a
small set. The paper's recipe is a constant learning rate of 0.001, on the pixels as they are.
"""

from __future__ import annotations

from contextlib import contextmanager
from math import ceil, cos, pi

from skorch.callbacks import LRScheduler
from torch import nn

__all__ = [
    "LOSSES",
    "RECIPES",
    "OneCycle",
    "batch_size_of",
    "epochs_of",
    "first_rate",
    "has_schedule",
    "squared_error",
    "start",
]

#: Names of the recipes, and of the losses.
RECIPES = ("one_cycle", "paper")
LOSSES = ("cross_entropy", "squared_error")
PAPER_RATE = 0.001
#: What one mini-batch more or less of a pass shall not matter for: small sets have smaller ones.
BATCH_SIZE, LEAST_BATCH_SIZE, BATCHES = 128, 16, 24
#: Where ten passes are fewer steps, there are more of them.
EPOCHS, MOST_EPOCHS, STEPS = 10, 100, 300
#: Steps that nobody knows the number of, as those of ``partial_fit``, have this share of the peak.
STEADY = 0.2
#: The share of the steps in which the learning rate rises.
RISE = 0.3


def batch_size_of(net, n_samples: int) -> int:
    """Return the images per mini-batch.

    Parameters
    ----------
    net : ImageNetClassifier
    n_samples : int
        Images to train on.

    Examples
    --------
    >>> from sklqkd import LeNetClassifier
    >>> [batch_size_of(LeNetClassifier(), n) for n in (100, 1500, 60_000)]
    [16, 63, 128]
    """
    if net.batch_size is not None:
        return int(net.batch_size)  # torch takes no integers of NumPy
    if _is_plain(net):
        return BATCH_SIZE
    return min(BATCH_SIZE, max(LEAST_BATCH_SIZE, ceil(n_samples / BATCHES)))


def epochs_of(net, n_batches: int) -> int:
    """Return how often the images are passed.

    Parameters
    ----------
    net : ImageNetClassifier
    n_batches : int
        Mini-batches of a pass.

    Examples
    --------
    >>> from sklqkd import LeNetClassifier
    >>> [epochs_of(LeNetClassifier(), n) for n in (1, 7, 79)]
    [100, 43, 10]
    """
    if net.max_epochs is not None:
        return net.max_epochs
    if _is_plain(net):
        return EPOCHS
    return min(MOST_EPOCHS, max(EPOCHS, ceil(STEPS / max(1, n_batches))))


def first_rate(net) -> float:
    """Return the learning rate that the optimizer of a teacher is made with: that of no cycle."""
    if _is_plain(net):
        return PAPER_RATE if net.lr is None else net.lr
    return net._peak_rate * STEADY if net.lr is None else net.lr


def start(net, X) -> None:
    """Begin with weights, and with images, as the one-cycle recipe wants them.

    Parameters
    ----------
    net : ImageNetClassifier
        With a network that is not trained.
    X : ndarray of float32, shape (n_samples, n_features)
        The images.
    """
    if _is_plain(net):
        return
    network = net.module_
    deviation = float(X.std(dtype=float))
    network[0].mean.fill_(float(X.mean(dtype=float)))
    network[0].deviation.fill_(deviation if deviation > 0 else 1.0)
    if network.gain is not None:
        for layer in network.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_normal_(layer.weight, gain=network.gain)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


def squared_error(logits, targets):
    """Return the mean squared error of the probabilities, summed over the classes.

    A teacher that is trained on it says more of the probabilities of the classes, and less of its
    certainty (Hamidi et al., arXiv:2407.18041).

    Parameters
    ----------
    logits : torch.Tensor of shape (n_samples, n_classes)
    targets : torch.Tensor of int, shape (n_samples,), or of float, shape (n_samples, n_classes)
        Indices of the classes, or their probabilities.

    Returns
    -------
    loss : torch.Tensor
        A scalar, in [0, 2].
    """
    probabilities = logits.softmax(dim=1)
    if targets.ndim == 1:
        targets = nn.functional.one_hot(targets.to(logits.device).long(), logits.shape[1])
    return (probabilities - targets.to(probabilities)).square().sum(dim=1).mean()


class OneCycle:
    """The learning rates of one training run, set before each of its steps.

    torch's OneCycleLR gives the same ones; but it leaves a function of its own in the optimizer,
    which cannot be copied or saved any more.

    Parameters
    ----------
    net : ImageNetClassifier
        With an optimizer.
    n_steps : int
        All steps of the run; those after them keep the last rate.
    """

    def __init__(self, net, n_steps: int):
        self._groups = net.optimizer_.param_groups
        self._before = [
            {name: group[name] for name in ("lr", "betas", "momentum") if name in group}
            for group in self._groups
        ]
        self._factor = 1.0 if _is_rate_given(net) else 1 / STEADY
        self._n_steps, self._step = n_steps, 0

    @contextmanager
    def step(self):
        """Set the learning rate, and Adam's or SGD's momentum, for the next step.

        Between steps the optimizer is as it was: it may be saved there, or copied.
        """
        k, last = min(self._step, self._n_steps - 1), max(1, self._n_steps - 1)
        peak = RISE * self._n_steps - 1
        self._step += 1
        if k <= peak:
            rate, momentum = _between(1 / 25, 1, k / peak), _between(0.95, 0.85, k / peak)
        else:
            way = (k - peak) / (last - peak)
            rate, momentum = _between(1, 1 / 25e4, way), _between(0.85, 0.95, way)
        for group, before in zip(self._groups, self._before, strict=True):
            group["lr"] = self._factor * before["lr"] * rate
            if "betas" in before:
                group["betas"] = (momentum, *before["betas"][1:])
            elif before.get("momentum"):
                group["momentum"] = momentum
        try:
            yield
        finally:
            for group, before in zip(self._groups, self._before, strict=True):
                group.update(before)


def _between(first, last, way):
    """Return a number between two, half a cosine's way from the first."""
    return last + (first - last) * (1 + cos(pi * way)) / 2


def _is_plain(net):
    return isinstance(net.recipe, str) and net.recipe == "paper"


def _is_rate_given(net):
    return net.lr is not None or "optimizer__lr" in net._component_params


def has_schedule(net) -> bool:
    """Return whether a callback of the user's sets the learning rate."""
    return any(isinstance(callback, LRScheduler) for _, callback in net.callbacks_)
