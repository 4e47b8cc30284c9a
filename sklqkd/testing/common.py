"""What the checks share: data, seeds, the state of NumPy's global generator."""

from __future__ import annotations

import pickle

import numpy as np
from sklearn.base import clone

from ..datasets import load_digits

__all__ = ["data", "global_state", "seeded"]


def data(X, y):
    """Return X and y, or if X is None 90 images of the digits 0 to 2."""
    if X is None:
        X, y = load_digits(return_X_y=True)
        rows = np.concatenate([np.flatnonzero(y == label)[:30] for label in range(3)])
        rows = np.random.default_rng(0).permutation(rows)
        return X[rows], y[rows]
    return X, np.asarray(y)


def global_state():
    """Return the state of numpy.random."""
    return pickle.dumps(np.random.get_state())  # noqa: NPY002


def seeded(estimator, seed=0):
    """Return a clone with that random_state, if it has one."""
    copy = clone(estimator)
    return copy.set_params(random_state=seed) if "random_state" in copy.get_params() else copy
