"""Rows of an array as a data set of torch, and what skorch's users pass for data as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from skorch.dataset import Dataset
from skorch.helper import SliceDataset
from skorch.utils import is_dataset

__all__ = ["Batch", "Rows", "as_array", "collate", "images_and_labels"]


class Batch(Sequence):
    """A mini-batch as torch's collate functions expect it, pairs of a row and its label.

    The rows are together already: :func:`collate` has nothing to copy.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or None
    """

    def __init__(self, X, y):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i], 0 if self.y is None else self.y[i]


class Rows(Dataset):
    """Rows of X with their labels, a whole mini-batch at a time."""

    def __getitems__(self, indices):
        return Batch(self.X[indices], None if self.y is None else self.y[indices])


def collate(batch):
    """Return images and labels of a mini-batch, as skorch wants them.

    Parameters
    ----------
    batch : Batch, or sequence of (image, label)

    Returns
    -------
    X : ndarray of shape (n_samples, ...)
    y : ndarray of shape (n_samples,), or 0 where there are no labels
    """
    if isinstance(batch, Batch):
        return batch.X, 0 if batch.y is None else batch.y
    # Of a data set that the user's own train_split has put around the rows.
    return np.stack([as_array(x) for x, _ in batch]), np.asarray([_number(y) for _, y in batch])


def images_and_labels(X, y=None):
    """Return images and labels as arrays where they come as tensors or as a torch data set.

    Parameters
    ----------
    X : torch.utils.data.Dataset, torch.Tensor or anything else
        Of a data set, every item is a pair of an image, of any shape, and a label (or the image
        alone, as of a ``SliceDataset``). Anything else comes back as it is.
    y : array-like or torch.Tensor of shape (n_samples,), default=None
        The labels; ``None`` for those of the data set.

    Returns
    -------
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or None

    Raises
    ------
    TypeError
        For a data set without a length, or a dict of arrays.
    """
    if isinstance(y, SliceDataset):
        y = [_number(y[i]) for i in range(len(y))]
    elif torch.is_tensor(y):
        y = as_array(y)
    if torch.is_tensor(X):
        return as_array(X), y
    if isinstance(X, Mapping):
        raise TypeError(
            f"X is a {type(X).__name__} with the keys {list(X)}, and the network takes one array "
            "of images: pass that of the images alone."
        )
    if isinstance(X, torch.utils.data.IterableDataset):
        raise TypeError(
            f"X is an iterable data set, {type(X).__name__}, and images are shuffled and split by "
            "their place. Read it into arrays first: images, labels = zip(*X)."
        )
    if isinstance(X, SliceDataset):
        return _rows([X[i] for i in range(len(X))]), y
    if not is_dataset(X):
        return X, y
    if isinstance(X, Dataset) and X.transform.__func__ is Dataset.transform:
        images, labels = X.X, X.y  # skorch's own holds arrays
        return images_and_labels(images, labels if y is None else y)
    items = [X[i] for i in range(len(X))]
    if items and isinstance(items[0], (tuple, list)) and len(items[0]) > 1:
        images, labels = [item[0] for item in items], [_number(item[1]) for item in items]
    else:
        images = [item[0] if isinstance(item, (tuple, list)) else item for item in items]
        labels = None
    return _rows(images), labels if y is None else y


def as_array(value):
    """Return a tensor, whatever its device and type, or anything else as an array."""
    if not torch.is_tensor(value):
        return np.asarray(value)
    value = value.detach().cpu()
    # NumPy has none of the short floats of torch but half precision.
    is_known = value.dtype in (torch.float16, torch.float32, torch.float64)
    return (value.float() if value.is_floating_point() and not is_known else value).numpy()


def _rows(images):
    """Return images as rows, (n_samples, n_features)."""
    return np.stack([as_array(image).ravel() for image in images]) if images else np.empty((0, 0))


def _number(value):
    return value.item() if torch.is_tensor(value) or isinstance(value, np.generic) else value
