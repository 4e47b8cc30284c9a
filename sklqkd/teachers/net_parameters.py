"""Checks of a teacher's parameters: what is wrong with them, or is not skorch's to set here."""

from __future__ import annotations

import sys
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_scalar

from .recipe import LOSSES, RECIPES
from .torch_training import check_device

__all__ = ["check_net_parameters", "is_same", "refuse_argument"]

_COMPONENTS = (
    "module",
    "criterion",
    "optimizer",
    "iterator_train",
    "iterator_valid",
    "callbacks",
)

# Component parameters that would give predictions of other images than those asked for.
_OURS = frozenset(
    {"module__image_shape", "module__n_classes"}
    | {f"iterator_valid__{name}" for name in ("batch_sampler", "collate_fn", "drop_last")}
    | {f"iterator_valid__{name}" for name in ("sampler", "shuffle")}
)

# skorch's arguments that a teacher has no use for, and what does the same.
_OTHER_WAYS = {
    "classes": "pass them to partial_fit, or let fit find them in y",
    "compile": "compile the network of a fitted one: net.module_.compile()",
    "criterion": "the loss is torch.nn.CrossEntropyLoss, whose arguments are set by "
    "criterion__weight, criterion__label_smoothing, ...",
    "dataset": "pass the data set itself as X",
    "iterator_train": "torch's DataLoader makes the mini-batches, whose arguments are set by "
    "iterator_train__sampler, iterator_train__collate_fn, ...",
    "iterator_valid": "set the images per batch by iterator_valid__batch_size",
    "module": "its arguments are set by module__...; for another network use "
    "skorch.NeuralNetClassifier, which teaches as well",
    "predict_nonlinearity": "predict_proba has the softmax, decision_function the logits",
    "torch_load_kwargs": "read the file by torch.load and pass what it holds to "
    "net.module_.load_state_dict",
    "use_caching": "state it in the callback, such as EpochScoring(..., use_caching=False)",
}


def refuse_argument(estimator, name):
    """Raise a TypeError for an argument that a teacher's constructor does not have."""
    way = f": {_OTHER_WAYS[name]}" if name in _OTHER_WAYS else ""
    raise TypeError(
        f"{type(estimator).__name__}.__init__() got an unexpected keyword argument {name!r}{way}."
    )


def is_same(a, b) -> bool:
    """Return whether two values of a parameter are surely the same.

    Examples
    --------
    >>> is_same(0.1, 0.1), is_same(np.ones(2), np.ones(2))
    (True, False)
    """
    if a is b:
        return True
    try:
        return type(a) is type(b) and bool(a == b)
    except (TypeError, ValueError, RuntimeError):  # of arrays and tensors
        return False


def check_net_parameters(net) -> None:
    """Raise a TypeError or a ValueError for a parameter of a teacher that is wrong.

    Parameters
    ----------
    net : ImageNetClassifier
    """
    components = net._component_params
    for name in components:
        if name.split("__")[0] not in _COMPONENTS:
            raise ValueError(
                f"{type(net).__name__} has no component for the parameter {name!r}. "
                f"The components are {', '.join(_COMPONENTS)}."
            )
    check_scalar(net.verbose, "verbose", Integral)
    if not isinstance(net.recipe, str) or net.recipe not in RECIPES:
        raise ValueError(
            f"recipe={net.recipe!r} is none of {', '.join(map(repr, RECIPES))}. For rates of your "
            "own, pass callbacks=[skorch.callbacks.LRScheduler(...)]."
        )
    if not isinstance(net.loss, str) or net.loss not in LOSSES:
        raise ValueError(f"loss={net.loss!r} is none of {', '.join(map(repr, LOSSES))}.")
    ignored = sorted(name for name in components if name.startswith("criterion__"))
    if ignored and net.loss == "squared_error":
        raise ValueError(
            f"{', '.join(ignored)} is of the cross-entropy, and has no effect with "
            "loss='squared_error'. Leave it out."
        )
    if net.max_epochs is not None:
        check_scalar(net.max_epochs, "max_epochs", Integral, min_val=1)
    if net.batch_size is not None:
        check_scalar(net.batch_size, "batch_size", Integral, min_val=-1, max_val=sys.maxsize)
    if net.batch_size == 0 or isinstance(net.batch_size, bool):
        raise ValueError(
            f"batch_size == {net.batch_size}, must be >= 1, or -1 for all samples in one batch."
        )
    if not callable(net.optimizer):
        raise TypeError(f"optimizer={net.optimizer!r} is no class of torch.optim.")
    if net.train_split not in (None, False) and not callable(net.train_split):
        raise TypeError(
            f"train_split={net.train_split!r} is no function that splits a data set, such as "
            "skorch.dataset.ValidSplit(5), nor None or False."
        )
    is_disabled = isinstance(net.callbacks, str) and net.callbacks == "disable"
    if not is_disabled and not isinstance(net.callbacks, (list, type(None))):
        raise TypeError(
            f"callbacks={net.callbacks!r} is no list of skorch's callbacks, nor None or 'disable'."
        )
    check_device(net.device)
    if ours := sorted(_OURS.intersection(components)):
        raise ValueError(
            f"{', '.join(ours)} cannot be set: the shapes follow from the data, and each image "
            "is predicted once, in its place."
        )
    if net.lr is not None and (not isinstance(net.lr, Real) or not 0 < float(net.lr) < np.inf):
        raise ValueError(f"lr == {net.lr}, must be a finite number > 0.")
