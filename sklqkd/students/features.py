"""From images to the features that a student encodes: its reducer, made, fitted and checked."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array

from .. import reducers
from ..feature_scaling import scaled
from ..images import check_picture

__all__ = ["REDUCERS", "encoded_features", "fit_reducer", "make_reducer", "reduced"]

REDUCERS: dict[str, Callable] = {
    "fc": reducers.FCReducer,
    "conv": reducers.ConvReducer,
    "pca": reducers.PCAReducer,
    "avg_pool": functools.partial(reducers.PoolingReducer, kind="average"),
    "max_pool": functools.partial(reducers.PoolingReducer, kind="max"),
    "crop": reducers.CenterCropReducer,
}
#: Those that look at neighbours in a picture.
PICTURES = frozenset(("avg_pool", "conv", "crop", "max_pool"))


def make_reducer(student, n_components: int, n_features: int):
    """Return the unfitted reducer of a student.

    Parameters
    ----------
    student : Student
        What `reducer` and `image_shape` are read from.
    n_components : int
        The number of features that a reducer is asked for which does not state its own: also the
        last step of a Pipeline that has such a parameter.
    n_features : int
        Columns of X.

    Returns
    -------
    reducer : transformer or None
    asked : str or None
        The parameter of the reducer that was set to `n_components`.

    Raises
    ------
    ValueError
        If it needs pictures, and X seems to be a table.
    """
    given = student.reducer
    if given is None:
        return None, None
    if isinstance(given, str):
        if given in PICTURES:
            check_picture(n_features, student.image_shape, f"reducer={given!r}")
        make = REDUCERS[given]
        return make(n_components=n_components, image_shape=student.image_shape), None
    reducer = clone(given)
    parameters = reducer.get_params()
    unset: dict = {
        name: student.image_shape
        for name, value in parameters.items()
        if value is None and name.split("__")[-1] == "image_shape"
    }
    asked = _last_n_components(reducer)
    if asked is not None and parameters[asked] is None:
        unset[asked] = n_components
    else:
        asked = None
    return reducer.set_params(**unset) if unset else reducer, asked


def _last_n_components(reducer):
    """Return the name of the parameter for the number of features that come out, or None."""
    if "n_components" in reducer.get_params(deep=False):
        return "n_components"
    if isinstance(reducer, Pipeline):
        for name, step in reversed(reducer.steps):
            inner = _last_n_components(step) if hasattr(step, "get_params") else None
            if inner is not None:
                return f"{name}__{inner}"
    return None


def fit_reducer(reducer, asked, X, y, circuit: str):
    """Fit a reducer, one that cannot give as many features as are asked for as many as it can.

    Parameters
    ----------
    reducer : transformer
        As :func:`make_reducer` returns it.
    asked : str or None
        The parameter that was set there.
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    circuit : str
        What the number of features follows from, for the message.

    Raises
    ------
    ValueError
        If it cannot be fitted.
    """
    if asked is None:
        reducer.fit(X, y)
        return
    wanted = reducer.get_params()[asked]
    # PCA has at most as many as rows or columns, a discriminant analysis one less than classes.
    fewer = {min(wanted, *X.shape), min(wanted, X.shape[1], max(1, len(np.unique(y)) - 1))}
    errors = []
    for n_components in sorted({wanted, *fewer}, reverse=True):
        try:
            reducer.set_params(**{asked: n_components}).fit(X, y)
            return
        except ValueError as error:
            errors.append(error)
    raise ValueError(
        f"The reducer {type(reducer).__name__} cannot be fitted to X of shape {X.shape}; it was "
        f"asked for {wanted} features, as {circuit}, and for fewer: {errors[0]} State its {asked}, "
        "or choose another encoding or n_qubits."
    ) from errors[0]


def reduced(reducer, X: np.ndarray) -> np.ndarray:
    """Return the features of a fitted reducer, checked as X is.

    Parameters
    ----------
    reducer : transformer or None
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    features : ndarray of shape (n_samples, n_reduced)

    Raises
    ------
    ValueError
        If it does not give a row of finite real numbers for each of `X`.
    """
    if reducer is None:
        return X
    features = reducer.transform(X)
    if issparse(features):
        features = features.toarray()
    name = f"what the reducer {type(reducer).__name__} gives"
    try:
        features = check_array(
            features, dtype=[np.float64, np.float32], input_name=name, ensure_min_samples=0
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The reducer {type(reducer).__name__} gives no features that can be encoded: "
            f"{str(error).splitlines()[0]} "
            "A reducer's transform has to return finite real numbers of shape (n_samples, "
            "n_features)."
        ) from error
    if len(features) != len(X):
        raise ValueError(
            f"The reducer {type(reducer).__name__} gives {len(features)} rows for {len(X)} images. "
            "It has to give one for each, in their order."
        )
    return features


def encoded_features(student, X: np.ndarray) -> np.ndarray:
    """Return what a fitted student encodes, for checked images.

    Parameters
    ----------
    student : Student
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    features : ndarray of shape (n_samples, n_reduced)
    """
    scale = getattr(student, "feature_scale_", None)  # files of 0.1.0 have none
    reducer = student.reducer_
    if hasattr(reducer, "front_end"):
        return reducer.transform(scaled(X, scale).astype(X.dtype, copy=False))
    return scaled(reduced(reducer, X), scale)
