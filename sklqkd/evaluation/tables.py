"""Tables of results: columns that come in, and data frames that go out where there is pandas."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import numpy as np
from sklearn.utils import Bunch

from ..checks import LARGEST

__all__ = ["as_columns", "as_scores", "as_table", "check_table"]


def check_table(results) -> None:
    """Raise a TypeError for what is neither a DataFrame nor a dict."""
    if not isinstance(results, Mapping) and not hasattr(results, "columns"):
        raise TypeError(
            f"The results are neither a DataFrame nor a dict of columns; they are "
            f"{type(results).__name__}."
        )


def as_columns(results) -> dict[str, np.ndarray]:
    """Return the columns of a table as arrays of one length.

    Raises
    ------
    TypeError
        If it is neither a DataFrame nor a dict.
    ValueError
        If its columns are not lists of one length.
    """
    check_table(results)
    try:
        columns = {str(name): np.asarray(results[name]) for name in results}
    except ValueError as error:
        raise ValueError(f"The results have a column of unequal rows: {error}") from error
    shapes = {name: values.shape for name, values in columns.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ValueError(f"The columns of the results are no lists of one length: {shapes}.")
    return columns


def as_scores(values, name="scores") -> np.ndarray:
    """Return scores as floats; NaN stands for one that does not exist.

    Raises
    ------
    ValueError
        If they are no numbers of up to 1e12 in size, or rows of unequal length.
    """
    try:
        scores = np.asarray(values)
        if scores.dtype.kind not in "biufO":
            raise TypeError(f"their type is {scores.dtype}")
        scores = scores.astype(float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name!r} has values that are no numbers: {error}") from error
    if (np.abs(scores) > LARGEST).any():
        raise ValueError(f"{name!r} has values over {LARGEST:.0e} in size.")
    return scores


def as_table(columns):
    """Return columns as a DataFrame, or as a Bunch of arrays where pandas is not installed."""
    try:
        pandas = import_module("pandas")
    except ImportError:
        return Bunch(**{name: np.asarray(values) for name, values in columns.items()})
    return pandas.DataFrame(columns)
