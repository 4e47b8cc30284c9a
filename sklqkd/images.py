"""Images as rows of a 2-D array: what a row's shape is, and how to get the picture back.

scikit-learn's estimators take ``X`` of shape (n_samples, n_features). Every estimator here that
needs the picture behind a row has an ``image_shape`` parameter, read by :func:`image_layout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt, prod
from numbers import Integral

import numpy as np
from sklearn.utils.validation import validate_data

from .checks import check_size, refuses_overflow

__all__ = ["ImageLayout", "check_picture", "check_rows", "image_layout", "most_square_grid"]


@dataclass(frozen=True)
class ImageLayout:
    """Height, width and channels of one flattened image.

    Attributes
    ----------
    height, width, channels : int
        Size in pixels, and the number of colour channels (1 for grey scale).
    channels_first : bool
        Whether the flattened row runs over channels slowest (PyTorch's order) or fastest.
    """

    height: int
    width: int
    channels: int = 1
    channels_first: bool = True

    def unflatten(self, X):
        """Return the images of `X` as an array of shape (n_samples, channels, height, width)."""
        if self.channels_first:
            return X.reshape(len(X), self.channels, self.height, self.width)
        images = X.reshape(len(X), self.height, self.width, self.channels)
        return images.transpose(0, 3, 1, 2)

    def grey(self, X):
        """Return the mean over the colour channels, shape (n_samples, height, width)."""
        images = self.unflatten(X)
        return images[:, 0] if self.channels == 1 else images.mean(axis=1, dtype=X.dtype)


def image_layout(n_features: int, image_shape: Sequence[int] | None = None) -> ImageLayout:
    """Work out how a row of `n_features` pixels is laid out.

    Parameters
    ----------
    n_features : int
        Length of a row of ``X``, at least 1.
    image_shape : sequence of 2 or 3 int, default=None
        (height, width) for grey scale; (channels, height, width) or (height, width, channels) for
        colour: the channel axis is the shorter one of the first and the last (the first in a tie).
        ``None`` stands for a square grey-scale image, or for the most square one where
        `n_features` is not a square number.

    Returns
    -------
    layout : ImageLayout

    Raises
    ------
    ValueError
        If the shape does not hold `n_features` pixels, has the wrong number of axes, or was left
        out for what looks like a colour image (three times a square of 8 x 8 or more).

    Examples
    --------
    >>> image_layout(64)
    ImageLayout(height=8, width=8, channels=1, channels_first=True)
    >>> image_layout(3072, (32, 32, 3))
    ImageLayout(height=32, width=32, channels=3, channels_first=False)
    """
    if image_shape is None:
        side = isqrt(n_features // 3)
        if n_features == 3 * side**2 and side >= 8:
            raise ValueError(
                f"X has {n_features} features, which looks like a colour image of "
                f"{side} x {side} pixels. State its order with image_shape=(3, {side}, {side}) for "
                f"channels first or image_shape=({side}, {side}, 3) for channels last."
            )
        return ImageLayout(*most_square_grid(n_features))
    try:
        shape = tuple(image_shape)
    except TypeError:  # one number
        shape = ()
    if len(shape) not in (2, 3) or not all(isinstance(s, Integral) and int(s) > 0 for s in shape):
        raise ValueError(
            f"image_shape={image_shape!r} is not a shape of an image. Give (height, width), "
            "(channels, height, width) or (height, width, channels), all positive integers."
        )
    if prod(shape) != n_features:
        raise ValueError(
            f"X has {n_features} features, but image_shape={shape} holds {prod(shape)} pixels. "
            "Pass the shape that one row of X was flattened from."
        )
    shape = tuple(int(s) for s in shape)
    if len(shape) == 2:
        return ImageLayout(*shape)
    if shape[0] <= shape[2]:
        return ImageLayout(shape[1], shape[2], shape[0], channels_first=True)
    return ImageLayout(shape[0], shape[1], shape[2], channels_first=False)


def check_picture(n_features: int, image_shape, what: str) -> None:
    """Raise a ValueError where columns would be taken for pixels that are most likely none.

    Parameters
    ----------
    n_features : int
    image_shape : sequence of int or None
    what : str
        Who looks at the picture, for the message.

    Examples
    --------
    >>> check_picture(64, None, "crop")
    >>> check_picture(30, None, "crop")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: crop takes pictures, and the 30 columns of X are no square one. ...
    """
    if image_shape is None and isqrt(n_features) ** 2 != n_features:
        image_layout(n_features)  # says more of what looks like colours
        raise ValueError(
            f"{what} takes pictures, and the {n_features} columns of X are no square one. If they "
            "are pixels, state image_shape=(height, width); for a table use reducer='fc' or 'pca'."
        )


def most_square_grid(n_cells: int) -> tuple[int, int]:
    """Return (rows, columns) with rows * columns = `n_cells`, rows <= columns, nearest a square.

    Examples
    --------
    >>> most_square_grid(16), most_square_grid(8), most_square_grid(7)
    ((4, 4), (2, 4), (1, 7))
    """
    n_cells = int(n_cells)  # NumPy's small integers overflow
    rows = next(r for r in range(isqrt(n_cells), 0, -1) if n_cells % r == 0)
    return rows, n_cells // rows


def check_rows(estimator, X, *target, dtype=(np.float64, np.float32), **options):
    """Validate flattened images, scikit-learn's ``validate_data`` with advice for pictures.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` and ``feature_names_in_``, or has them checked with ``reset=False``.
    X : array-like of shape (n_samples, n_features)
    *target : array-like
        `y`, if it is to be checked too.
    dtype : dtype or sequence of dtype, default=(numpy.float64, numpy.float32)
        Of the `X` that comes out; of several, the first one where `X` has none of them.
    **options : dict
        Passed on to ``validate_data``.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        If it was given.

    Raises
    ------
    ValueError
        If `X` is not 2-D, or has NaN, infinite, non-numeric or huge values: over 1e12 in size.
    """
    shape = getattr(X, "shape", ())
    if len(shape) in (3, 4):
        raise ValueError(
            f"X is {len(shape)}-D, of shape {tuple(shape)}; {type(estimator).__name__} takes one "
            f"flattened image per row. Pass X.reshape(len(X), -1), with "
            f"image_shape={tuple(shape[1:])} (X.shape[1:])."
        )
    dtype = list(dtype) if isinstance(dtype, tuple) else dtype
    with refuses_overflow("X"):
        checked = validate_data(estimator, X, *target, dtype=dtype, **options)
    check_size(checked[0] if target else checked, "X")
    return checked
