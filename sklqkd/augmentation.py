"""More images for a teacher to speak about: shifted, mirrored, noisy and mixed copies.

A teacher labels images that nobody has to take: copies of the training images, changed a little or
mixed with each other (Beyer et al., arXiv:2106.05237; mixup: Zhang et al., arXiv:1710.09412). What
the teacher says of the very copy is what the student learns from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_array

from .checks import check_size
from .images import check_picture, image_layout

__all__ = ["AUGMENTATIONS", "Views", "check_augmentation", "make_views", "with_views"]

#: Names of the changes that come with the package.
AUGMENTATIONS = ("flip", "mixup", "noise", "shift")
_PICTURES = frozenset(("flip", "shift"))

#: Shifts reach this share of the height and the width, noise has this share of the deviation.
REACH = 0.05
NOISE = 0.1


class Views(NamedTuple):
    """Changed copies of images.

    Attributes
    ----------
    X : ndarray of shape (n_copies, n_features)
    source : ndarray of int, shape (n_copies,)
        Which image each was made from.
    partner : ndarray of int, shape (n_copies,)
        Which image it was mixed with; `source` where it was not.
    share : ndarray of shape (n_copies,)
        The share of `source` in the mixture, 1 where there is none.
    """

    X: np.ndarray
    source: np.ndarray
    partner: np.ndarray
    share: np.ndarray

    def mix(self, values: np.ndarray) -> np.ndarray:
        """Return for each copy the mean of what its images have, in their shares.

        Parameters
        ----------
        values : ndarray of shape (n_samples, ...)

        Returns
        -------
        mixed : ndarray of shape (n_copies, ...)
        """
        share = self.share.reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)
        return share * values[self.source] + (1 - share) * values[self.partner]


def check_augmentation(augmentation, n_features: int, image_shape) -> list:
    """Return the changes that `augmentation` stands for.

    Parameters
    ----------
    augmentation : str, callable or sequence of them
    n_features : int
        Columns of X.
    image_shape : sequence of int or None

    Returns
    -------
    changes : list of (str or callable)

    Raises
    ------
    ValueError
        If a name is unknown, there is none, "mixup" stands there twice, or a picture is needed
        where X seems to be a table.
    """
    given = augmentation
    changes = list(given) if isinstance(given, (list, tuple)) else [given]
    for change in changes:
        if not callable(change) and change not in AUGMENTATIONS:
            raise ValueError(
                f"augmentation={given!r} holds {change!r}, which is none of "
                f"{', '.join(map(repr, AUGMENTATIONS))} and no function f(X, rng)."
            )
        if change in _PICTURES:
            try:
                check_picture(n_features, image_shape, f"augmentation={change!r}")
            except ValueError as error:
                error.add_note("For the columns of a table, augmentation='mixup' is right.")
                raise
            image_layout(n_features, image_shape)
    if changes.count("mixup") > 1:
        raise ValueError(
            f"augmentation={given!r} mixes images twice, and only the label of two images is "
            "mixed. Name 'mixup' once."
        )
    if not changes:
        raise ValueError("augmentation=[] holds nothing. Use None for no augmentation.")
    return changes


def make_views(X, changes, n_views: int, *, image_shape=None, rows=None, rng) -> Views:
    """Return changed copies of images.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    changes : list of (str or callable)
        As :func:`check_augmentation` returns them; all are applied, one after the other.
    n_views : int
        Copies of each image.
    image_shape : sequence of int, default=None
    rows : ndarray of int, default=None
        The images to copy, and to mix with; ``None`` for all.
    rng : numpy.random.Generator

    Returns
    -------
    views : Views
        The first copy of each image, then the second one, ...

    Raises
    ------
    ValueError
        If a function of the user's returns another shape, or numbers that are not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> views = make_views(np.eye(4), ["flip"], 2, rng=rng)
    >>> views.X.shape, views.source
    ((8, 4), array([0, 1, 2, 3, 0, 1, 2, 3]))
    """
    source = np.tile(np.arange(len(X)) if rows is None else rows, n_views)
    partner, share = source, np.ones(len(source), np.float32)
    copies = X[source]
    for change in changes:
        if callable(change):
            copies = _changed(change, copies, rng)
        elif change == "mixup":
            order = rng.permutation(len(source))
            # Near 1/2 as often as elsewhere: uniform, Beta(1, 1). The image itself has the rest.
            share = rng.uniform(0.5, 1, len(source)).astype(np.float32)
            partner = source[order]
            weight = share[:, None].astype(copies.dtype)
            copies = weight * copies + (1 - weight) * copies[order]
        elif change == "noise":
            # Column by column: those of a table have units of their own.
            size = (NOISE * X.std(axis=0)).astype(np.float32)
            copies = copies + size * rng.standard_normal(copies.shape, np.float32)
        else:
            layout = image_layout(X.shape[1], image_shape)
            pictures = layout.unflatten(copies)  # views of the copies
            (_flip if change == "flip" else _shift)(pictures, rng)
    return Views(np.ascontiguousarray(copies, X.dtype), source, partner, share)


def with_views(images, X, views: Views | None):
    """Return images with their copies behind them.

    Parameters
    ----------
    images : array-like of shape (n_samples, n_features)
        With names of columns, if it has `columns`.
    X : ndarray of shape (n_samples, n_features)
        The same, checked.
    views : Views or None

    Returns
    -------
    all_images : array-like of shape (n_samples + n_copies, n_features)
        Of the kind of `images`, which are themselves returned where there are no views.
    """
    if views is None:
        return images
    rows = np.concatenate([X, views.X])
    if not hasattr(images, "columns"):
        return rows
    if hasattr(images, "iloc"):
        return type(images)(rows, columns=images.columns)
    return type(images)(rows, schema=list(images.columns))  # polars


def _changed(function: Callable, X, rng):
    name = getattr(function, "__name__", type(function).__name__)
    changed = check_array(
        function(X, rng), dtype=X.dtype, input_name=f"what augmentation={name} returns"
    )
    if changed.shape != X.shape:
        raise ValueError(
            f"augmentation={name} made an array of shape {changed.shape} of one of shape "
            f"{X.shape}. It has to return one changed copy for each image, in their order."
        )
    check_size(changed, f"what augmentation={name} returns")
    return np.array(changed, order="C")  # what follows works in place


def _flip(pictures, rng):
    """Mirror half of the pictures, (n_copies, channels, height, width), in place."""
    is_mirrored = rng.random(len(pictures)) < 0.5
    pictures[is_mirrored] = pictures[is_mirrored][..., ::-1]


def _shift(pictures, rng):
    """Move pictures up or down, left or right, by parts of pixels, in place.

    Where one has moved away its border is repeated. Neighbours are mixed, linearly: shifts by whole
    pixels would be large ones in small images.
    """
    for axis in (2, 3):
        size = pictures.shape[axis]
        steps = rng.uniform(-REACH * size, REACH * size, len(pictures))
        whole = np.floor(steps).astype(int)
        part = (steps - whole).astype(pictures.dtype)[:, None, None, None]
        for step in np.unique(whole):
            rows = np.flatnonzero(whole == step)
            moved = pictures[rows]
            first, second = (
                moved.take(np.clip(np.arange(size) + step + k, 0, size - 1), axis) for k in (0, 1)
            )
            pictures[rows] = first + part[rows] * (second - first)
