"""What skorch's users pass for data: torch data sets, as rows of an array."""

from __future__ import annotations

from inspect import signature

import numpy as np
import torch
from skorch.callbacks import Callback
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import SliceDataset
from skorch.utils import is_dataset

__all__ = ["images_and_labels", "validation_split"]


def images_and_labels(X, y=None):
    """Return images and labels as arrays where they come as a torch data set.

    Parameters
    ----------
    X : torch.utils.data.Dataset or anything else
        Of a data set, every item is a pair of an image, of any shape, and a label (or the image
        alone, as of a ``SliceDataset``). Anything else comes back as it is.
    y : array-like of shape (n_samples,), default=None
        The labels; ``None`` for those of the data set.

    Returns
    -------
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or None
    """
    if isinstance(y, SliceDataset):
        y = [_number(y[i]) for i in range(len(y))]
    if isinstance(X, SliceDataset):
        return _rows([X[i] for i in range(len(X))]), y
    if not is_dataset(X):
        return X, y
    if isinstance(X, Dataset) and X.transform.__func__ is Dataset.transform:
        images, labels = X.X, X.y  # skorch's own holds arrays
        return images, labels if y is None else y
    items = [X[i] for i in range(len(X))]
    if items and isinstance(items[0], (tuple, list)):
        images, labels = [item[0] for item in items], [_number(item[1]) for item in items]
    else:
        images, labels = items, None
    return _rows(images), labels if y is None else y


def _rows(images):
    """Return images as rows, (n_samples, n_features)."""
    return np.stack([_array(image).ravel() for image in images]) if images else np.empty((0, 0))


def _array(value):
    return value.detach().cpu().numpy() if torch.is_tensor(value) else np.asarray(value)


def _number(value):
    return value.item() if torch.is_tensor(value) or isinstance(value, np.generic) else value


def validation_split(train_split, callbacks, parameters):
    """Return how images are held out: as asked for, or for a callback that watches them.

    Parameters
    ----------
    train_split : callable or None
    callbacks : sequence of (Callback, type, or (str, Callback or type)), or None
    parameters : dict
        Of the components, ``callbacks__name__monitor`` among them.

    Returns
    -------
    train_split : callable or None
        skorch's default, a stratified fifth, where nothing was asked for and a callback, such as
        ``EarlyStopping()``, watches a validation score.
    """
    if train_split is not None:
        return train_split
    watched = [value for name, value in parameters.items() if name.endswith("__monitor")]
    for callback in callbacks or ():
        each = callback[1] if isinstance(callback, tuple) else callback
        if isinstance(each, type) and issubclass(each, Callback):
            parameter = signature(each).parameters.get("monitor")
            watched.append(getattr(parameter, "default", None))
        watched.append(getattr(each, "monitor", None))
    if any(isinstance(name, str) and name.startswith("valid_") for name in watched):
        return ValidSplit(5, stratified=True)
    return None
