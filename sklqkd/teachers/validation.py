"""Which images a teacher's callbacks watch: when some are held out, and whether they fit."""

from __future__ import annotations

from inspect import signature

import numpy as np
from sklearn.utils import check_array
from skorch.callbacks import Callback
from skorch.dataset import ValidSplit

from .torch_data import Rows, images_and_labels

__all__ = ["validation_rows", "validation_split"]


def validation_split(train_split, callbacks, parameters):
    """Return how images are held out: as asked for, or for a callback that watches them.

    Parameters
    ----------
    train_split : callable, None or False
    callbacks : sequence of (Callback, type, or (str, Callback or type)), "disable" or None
    parameters : dict
        Of the components, ``callbacks__name__monitor`` among them.

    Returns
    -------
    train_split : callable, None or False
        skorch's default, a stratified fifth, where nothing was asked for and a callback, such as
        ``EarlyStopping()`` or ``EpochScoring("accuracy")``, watches a validation score.
    """
    if train_split is not None or callbacks == "disable":
        return train_split
    for callback in callbacks or ():
        name, each = callback if isinstance(callback, tuple) else (None, callback)
        own = {} if isinstance(each, type) else dict(vars(each))
        if isinstance(each, type) and issubclass(each, Callback):
            defaults = signature(each).parameters.items()
            own = {key: value.default for key, value in defaults}
        name = name or (each if isinstance(each, type) else type(each)).__name__
        prefix = f"callbacks__{name}"
        if prefix in parameters and parameters[prefix] is None:
            continue  # taken out again
        own = own | {
            key.removeprefix(prefix + "__"): value
            for key, value in parameters.items()
            if key.startswith(prefix + "__")
        }
        monitor = own.get("monitor")
        is_watching = isinstance(monitor, str) and monitor.startswith("valid_")
        if is_watching or own.get("on_train") is False:
            return ValidSplit(5, stratified=True)
    return None


def validation_rows(held_out, classes, n_features):
    """Return a validation set of the user's as rows.

    Parameters
    ----------
    held_out : torch.utils.data.Dataset
    classes : ndarray of shape (n_classes,)
        Those that are trained.
    n_features : int
        Pixels of an image that is trained.

    Returns
    -------
    rows : Rows

    Raises
    ------
    ValueError
        If its images have another size, no labels, or labels that are not trained.
    """
    images, labels = images_and_labels(held_out)
    images = check_array(images, dtype=np.float32, input_name="X of the validation set")
    if labels is None:
        raise ValueError(
            "The validation set has images without labels: make its items pairs, such as those of "
            "skorch.dataset.Dataset(X, y)."
        )
    labels = np.asarray(labels)
    if unknown := sorted(set(labels.tolist()) - set(classes.tolist())):
        raise ValueError(
            f"The validation set has the classes {unknown}, which are not among those that are "
            f"trained: {classes.tolist()}."
        )
    if images.shape[1] != n_features:
        raise ValueError(
            f"The images of the validation set have {images.shape[1]} pixels, those that are "
            f"trained {n_features}."
        )
    return Rows(images, labels)
