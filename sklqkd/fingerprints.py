"""Short texts that tell data and estimators apart, the same ones in every process."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from types import FunctionType

import joblib
import numpy as np

from .targets import is_fitted

__all__ = ["IRRELEVANT", "Learnt", "describe", "fingerprint"]

#: Parameters that do not count unless asked for: some do not change what a fit gives, and the seeds
#: are set by :func:`sklqkd.evaluation.compare` itself.
IRRELEVANT = frozenset({"n_jobs", "random_state", "verbose"})


def fingerprint(value, ignored: Collection[str] = IRRELEVANT, learnt=None) -> str:
    """Return a short text that changes with `value`: data, or the parameters of an estimator.

    Parameters
    ----------
    value : object
    ignored : collection of str, default={"n_jobs", "random_state", "verbose"}
        Parameters of estimators that do not count.
    learnt : Learnt, default=None
        What tells apart classifiers that have learnt different things; ``None`` does not.

    Returns
    -------
    fingerprint : str
        The same in another process.

    See Also
    --------
    sklqkd.persistence.checksum : Of what a value holds, rather than of what was asked for.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> fingerprint(LogisticRegression()) == fingerprint(LogisticRegression(random_state=3))
    True
    >>> fingerprint(LogisticRegression()) == fingerprint(LogisticRegression(C=2))
    False
    """
    return sha256(repr(describe(value, ignored, learnt)).encode()).hexdigest()


class Learnt:
    """What classifiers have learnt, by what they predict for some images.

    Pass a clone of an estimator with it: a clone has learnt nothing but what a fit does not learn
    again, such as what its teachers know.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    """

    def __init__(self, X):
        self._X = X
        self._known: dict = {}

    def __call__(self, classifier):
        """Return a hash of the predictions, None where there are none."""
        if not (hasattr(classifier, "predict") and is_fitted(classifier)):
            return None
        if id(classifier) not in self._known:  # with it, which keeps its id its own
            self._known[id(classifier)] = classifier, joblib.hash(self._predictions(classifier))
        return self._known[id(classifier)][1]

    def _predictions(self, classifier):
        try:
            return np.asarray(classifier.predict(self._X))
        except Exception:  # what it was made for is not X, but what somebody made of it
            return None


def describe(value, ignored: Collection[str] = IRRELEVANT, learnt=None):
    """Describe an object by strings that are the same in every process.

    An estimator is described by its class and parameters, not by what it learnt; an object without
    parameters or a telling ``repr`` by its class and attributes.

    Parameters
    ----------
    value : object
    ignored : collection of str, default={"n_jobs", "random_state", "verbose"}
        Parameters of estimators that do not count.
    learnt : Learnt, default=None
        See :func:`fingerprint`.

    Returns
    -------
    description : str, or nested lists of str
    """
    if isinstance(value, (type, FunctionType)):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, functools.partial):
        return describe([value.func, value.args, value.keywords], ignored, learnt)
    if hasattr(value, "get_params"):
        params = value.get_params(deep=False)
        kept = {name: params[name] for name in sorted(params) if name not in ignored}
        own = [] if learnt is None else [learnt(value)]
        return [describe(type(value)), describe(kept, ignored, learnt), *own]
    if isinstance(value, Mapping):
        return [[describe(key), describe(item, ignored, learnt)] for key, item in value.items()]
    if isinstance(value, (list, tuple)) and len(value) < 1000:
        return [describe(item, ignored, learnt) for item in value]
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
