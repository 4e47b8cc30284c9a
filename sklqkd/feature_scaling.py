"""The scale that brings features into the range in which an encoding tells them apart.

Encodings squash with tanh and turn by at most pi: features much larger than 1 are all alike to
them, much smaller ones hardly move a qubit, and around 0 probabilities do not see a sign. So a
student fits, on its training features, an offset and a factor for each column, and encodes
``(features - offset) * factor``:

============================================ ====================================================
columns                                      what is encoded
============================================ ====================================================
pixels: not negative, of one unit, and most  as they are if the largest is from 0.2 to 1.1; else
of them come down to about 0                 divided by the largest: [0, 1]
components: of one unit, around 0            each from 0 up, the widest to 1.5
anything else                                each by its own range, [0, 1]
both, in front of trained classical layers   each by its own range, [-1, 1]
constant columns beside them                 1, with their sign: an offset, beside which amplitude
                                             encoding tells lengths apart
============================================ ====================================================

A column's range is that from its 0.5 % to its 99.5 % quantile. The scale is kept with the student
as ``feature_scale_``, and applied wherever its circuit runs.
"""

from __future__ import annotations

import numpy as np

__all__ = ["fit_feature_scale", "scaled"]

#: The largest pixel that is left as it is, from and to.
SMALLEST, LARGEST = 0.2, 1.1
#: Columns are of one unit if half of them reach this share of the largest; pixels, if half of them
#: come down to this share of it; components, if half of their means are below this share of their
#: widths.
ONE_UNIT, DARK, CENTRED = 0.1, 0.1, 0.1
#: Quantiles between which a column's range lies, so that single outliers do not count.
TAILS = 0.005, 0.995
#: What the widest of several columns of one unit becomes.
WIDEST = 1.5
#: The narrowest range that is stretched, and the size beyond which float32 would be left.
NARROWEST, BOUND = 1e-30, 1e12
#: What constant columns become.
OFFSET = 1.0


def fit_feature_scale(features: np.ndarray, *, centred: bool = False) -> np.ndarray | None:
    """Return the scale of features.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        Those that the circuit encodes, or that a trained reducer sees.
    centred : bool, default=False
        Whether a range around 0 serves what follows: a trained reducer, or classical layers.

    Returns
    -------
    scale : ndarray of shape (2, n_features), or None
        Offsets and factors; None leaves the features as they are.

    Examples
    --------
    >>> import numpy as np
    >>> fit_feature_scale(np.array([[0.0, 0.3], [1.0, 0.0]])) is None  # pixels
    True
    >>> fit_feature_scale(np.array([[0.0, 51.0], [255.0, 0.0]]))[1] * 255
    array([1., 1.])
    """
    low, high = features.min(axis=0), features.max(axis=0)
    varies = high > low
    if not varies.any():
        return None
    largest = float(high.max())
    if low.min() >= 0:
        reach, depth = np.median(high[varies]), np.median(low[varies])
        if reach >= ONE_UNIT * largest and depth <= DARK * largest:
            if SMALLEST <= largest <= LARGEST:
                return None
            return np.stack([np.zeros(len(high)), np.full(len(high), 1 / max(largest, NARROWEST))])
    lower, upper = np.quantile(features, TAILS, axis=0)
    is_rare = ~(upper > lower) & varies  # what only a few rows have
    lower, upper = np.where(is_rare, low, lower), np.where(is_rare, high, upper)
    width = np.where(varies, np.maximum(upper - lower, NARROWEST), 1.0)
    offset, factor = lower, 1 / width
    if centred:
        offset, factor = (lower + upper) / 2, 2 / width
    elif _are_components(np.clip(features, lower, upper)[:, varies], width[varies]):
        factor = np.full(len(width), WIDEST / width[varies].max())
    value = np.where(low == 0, 1.0, low)
    offset = np.where(varies, offset, 0.0)
    factor = np.where(varies, factor, OFFSET / np.maximum(np.abs(value), NARROWEST))
    return np.stack([offset, factor])


def _are_components(columns, width):
    of_one_unit = np.median(width) >= ONE_UNIT * width.max()
    return of_one_unit and np.median(np.abs(columns.mean(axis=0)) / width) <= CENTRED


def scaled(features: np.ndarray, scale: np.ndarray | None) -> np.ndarray:
    """Return the features as they are encoded.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
    scale : ndarray of shape (2, n_features) or None
        What :func:`fit_feature_scale` returned.

    Returns
    -------
    features : ndarray of shape (n_samples, n_features)
    """
    if scale is None:
        return features
    offset, factor = scale
    with np.errstate(over="ignore"):  # what is far outside the range that was fitted
        return np.clip((features - offset) * factor, -BOUND, BOUND)
