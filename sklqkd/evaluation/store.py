"""The folder in which a comparison keeps its finished runs, so that a second call can go on.

One JSON file per run, written to a temporary name and renamed: it is there whole, or not at all.
Each holds fingerprints of what the run depends on, and a run is never mixed with others of another
data set or another estimator.
"""

from __future__ import annotations

import functools
import json
import os
import re
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import FunctionType

import joblib
import numpy as np
from sklearn.base import BaseEstimator

__all__ = ["Store", "describe", "fingerprint"]

#: Parameters that do not change what a run gives: `compare` sets the seeds itself.
IRRELEVANT = {"n_jobs", "random_state", "verbose"}


class Store:
    """A folder of finished runs.

    Parameters
    ----------
    folder : path-like
        Made if it is missing.
    data : dict of str to str
        Fingerprints of what all runs share.
    estimators : dict of str to str
        Fingerprint of each estimator.
    """

    def __init__(self, folder, data: Mapping[str, str], estimators: Mapping[str, str]):
        self.folder = Path(folder).expanduser()
        self.data = dict(data)
        self.estimators = dict(estimators)

    def read(self) -> dict[tuple[str, int, int], dict]:
        """Return the finished runs of the folder by name, seed and fold.

        Raises
        ------
        ValueError
            If a run was made with other data, or a file is damaged.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = {}
        for path in sorted(self.folder.glob("*.json")):
            try:
                stored = json.loads(path.read_text())
                row, data, estimator = stored["row"], stored["data"], stored["estimator"]
                key = row["estimator"], row["seed"], row["fold"]
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path} does not hold a run of a comparison. Delete it, or give another "
                    "folder as checkpoint."
                ) from error
            changed = [part for part in self.data if data.get(part) != self.data[part]]
            if estimator != self.estimators.get(key[0], estimator):
                changed.append(f"the estimator {key[0]!r}")
            if changed:
                raise ValueError(
                    f"The folder {self.folder} holds runs of another comparison: "
                    f"{', '.join(changed)} changed since. Give another folder as checkpoint, or "
                    "delete this one to start again."
                )
            rows[key] = row
        return rows

    def write(self, row: dict) -> None:
        """Keep one finished run."""
        name = row["estimator"]
        stem = re.sub(r"\W+", "-", name)[:40] + "-" + sha256(name.encode()).hexdigest()[:8]
        path = self.folder / f"{stem}-seed{row['seed']}-fold{row['fold']}.json"
        stored = {"row": row, "data": self.data, "estimator": self.estimators[name]}
        handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            json.dump(stored, file, indent=1)
        os.replace(temporary, path)


def fingerprint(value) -> str:
    """Return a short text that changes with `value`: data, or the parameters of an estimator.

    Parameters
    ----------
    value : object

    Returns
    -------
    fingerprint : str
        The same in another process.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> fingerprint(LogisticRegression()) == fingerprint(LogisticRegression(random_state=3))
    True
    >>> fingerprint(LogisticRegression()) == fingerprint(LogisticRegression(C=2))
    False
    """
    return sha256(repr(describe(value)).encode()).hexdigest()


def describe(value):
    """Describe an object by strings that are the same in every process.

    An estimator is described by its class and parameters, not by what it learnt; an object without
    parameters or a telling ``repr`` by its class and attributes.

    Parameters
    ----------
    value : object

    Returns
    -------
    description : str, or nested lists of str
    """
    if isinstance(value, (type, FunctionType)):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, functools.partial):
        return describe([value.func, value.args, value.keywords])
    if isinstance(value, BaseEstimator) or hasattr(value, "get_params"):
        params = value.get_params(deep=False)
        kept = {name: params[name] for name in sorted(params) if name not in IRRELEVANT}
        return [describe(type(value)), describe(kept)]
    if isinstance(value, Mapping):
        return [[describe(key), describe(item)] for key, item in value.items()]
    if isinstance(value, (list, tuple)) and len(value) < 1000:
        return [describe(item) for item in value]
    if isinstance(value, (str, bytes, int, float, complex, np.generic, type(None))):
        return repr(value)
    if hasattr(value, "__len__"):  # arrays, data frames, sparse matrices, long lists
        return joblib.hash(value, coerce_mmap=True)
    text = _without_address(value)
    if text == repr(value):
        return text
    attributes = {
        name: _without_address(item) for name, item in getattr(value, "__dict__", {}).items()
    }
    return [text, describe(attributes)]


def _without_address(value) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
