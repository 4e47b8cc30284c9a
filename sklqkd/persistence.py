"""Saved estimators: what is in their files, and how to write and open them.

Every estimator goes through pickle, joblib and copies. Its state carries the version of its format
and a checksum of its settings and fitted values, so that a file of a newer release, or one in
which a bit has flipped, is refused with a ValueError and never gives a wrong model::

    with replacing("student.joblib") as file:  # a full disk leaves the old file
        joblib.dump(student, file)
    student = joblib.load("student.joblib")

Opening a pickle runs what is in it: open those of people you trust. A file of skops runs nothing.
It holds students and reducers, alone or in a Pipeline, whose types :data:`TRUSTED_TYPES` lists; a
file with any other type is refused, unless you add it to the list::

    skops.io.dump(student.set_params(teacher=None), "student.skops")
    student = skops.io.load("student.skops", trusted=sklqkd.persistence.TRUSTED_TYPES)

Teachers are not among them. They hold torch modules, which skorch keeps as a pickle within its own
state: who trusts their types runs that pickle. A student predicts without its teacher, so that
``set_params(teacher=None)`` is the way. Of a search, save ``best_estimator_``. An ansatz, a
schedule or a loss that is a function of yours is code: add its name to the trusted types, and have
it importable where the file is opened.

The checksum covers estimators of any library inside a student but its teacher, which has its own
if it is one of :mod:`sklqkd.teachers`. Of other objects, such as noise models, and of functions, it
knows the type or the name alone.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from hashlib import blake2b
from typing import IO

import numpy as np
from sklearn.base import BaseEstimator

from ._version import __version__
from .checks import check_path
from .documentation import Documented

__all__ = ["STATE_VERSION", "TRUSTED_TYPES", "VersionedState", "checksum", "replacing"]

#: Version of the format of the estimators' state. A release that changes the format raises it.
STATE_VERSION = 1

#: The types of this package in files of skops, for the `trusted` parameter of ``skops.io.load``.
TRUSTED_TYPES = [
    "sklqkd.images.ImageLayout",
    "sklqkd.optimizers.scipy_minimizer.ScipyMinimizer",
    "sklqkd.optimizers.sgd.SGD",
    "sklqkd.optimizers.spsa.SPSA",
    "sklqkd.reducers.fixed.CenterCropReducer",
    "sklqkd.reducers.fixed.PCAReducer",
    "sklqkd.reducers.fixed.PoolingReducer",
    "sklqkd.reducers.learned.ConvReducer",
    "sklqkd.reducers.learned.FCReducer",
    "sklqkd.students.classical.DistilledLinearClassifier",
    "sklqkd.students.classical.DistilledMLPClassifier",
    "sklqkd.students.qnn.DistilledQNNClassifier",
    "sklqkd.students.qnn.QNNClassifier",
]

_HEADER = "_sklqkd_state"
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


class VersionedState(Documented, BaseEstimator):
    """Base class of estimators whose state has a version and a checksum; to be named first.

    Examples
    --------
    >>> import pickle
    >>> from sklqkd import PoolingReducer
    >>> pickle.loads(pickle.dumps(PoolingReducer(n_components=4)))
    PoolingReducer(n_components=4)
    """

    def __getstate__(self):
        state = dict(super().__getstate__())  # BaseEstimator's may be the live __dict__
        state.pop("_training_run", None)  # of a fit that is under way
        state[_HEADER] = {
            "version": STATE_VERSION,
            "written_by": __version__,
            "checksum": self._checksum(state),
        }
        return state

    def __setstate__(self, state):
        state = dict(state)
        name, header = type(self).__name__, state.pop(_HEADER, None)
        this = f"This is sklqkd {__version__}, which reads state format {STATE_VERSION}"
        if not isinstance(header, dict):
            raise ValueError(
                f"The saved {name} has no version of its state: sklqkd wrote it before its release "
                f"0.1.0, or the file is damaged. {this}. Load another copy, or fit it again."
            )
        version, writer = header.get("version"), header.get("written_by")
        if version != STATE_VERSION:
            is_newer = isinstance(version, int) and version > STATE_VERSION
            advice = "Upgrade sklqkd." if is_newer else "Fit it again, with this release."
            raise ValueError(
                f"The saved {name} has state format {version!r}, of sklqkd {writer}. {this}. "
                f"{advice}"
            )
        if header.get("checksum") != self._checksum(state):
            raise ValueError(
                f"The saved {name} is damaged: its settings or fitted values are not those that "
                "were saved. Load another copy of the file, or fit it again."
            )
        super().__setstate__(state)

    def _checksum(self, state):
        # A teacher may be large, and predictions do not need it; callbacks belong to a fit.
        checked = {k: v for k, v in state.items() if k != "teacher" and "callback" not in k}
        return checksum([type(self).__name__, checked])


def checksum(value) -> str:
    """Return a hash of a value that is the same in every process.

    Parameters
    ----------
    value : object
        Numbers, strings, None, arrays, and containers, estimators and dataclasses made of them.
        Functions and classes count by their names, other objects by their types.

    Returns
    -------
    checksum : str
        32 hexadecimal digits.

    See Also
    --------
    sklqkd.fingerprints.fingerprint : Of what was asked for, seeds aside, rather than what is held.

    Examples
    --------
    >>> import numpy as np
    >>> weights = np.array([1.0, 2.0])
    >>> before = checksum({"weights": weights})
    >>> weights[1] = np.nextafter(2.0, 3.0)
    >>> checksum({"weights": weights}) == before
    False
    """
    digest = blake2b(digest_size=16)
    for piece in _pieces(value):
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()


def _pieces(value) -> Iterator[bytes]:
    """Yield the parts of a value as bytes, each container's with its type and length before."""
    if isinstance(value, np.generic):
        value = value.item()
    kind = type(value).__name__
    if isinstance(value, _PLAIN):
        yield f"{kind} {value!r}".encode()
    elif isinstance(value, np.ndarray):
        yield f"array {value.dtype.str} {value.shape}".encode()
        if value.dtype.hasobject:
            yield from _pieces(value.tolist())
        else:
            yield value.tobytes()
    elif isinstance(value, (list, tuple)):
        yield f"{kind} {len(value)}".encode()
        for item in value:
            yield from _pieces(item)
    elif isinstance(value, dict):
        keys = list(value)
        if all(isinstance(key, str) for key in keys):
            keys.sort()
        yield f"{kind} {len(keys)}".encode()
        for key in keys:
            yield from _pieces(key)
            yield from _pieces(value[key])
    elif isinstance(value, (set, frozenset)):
        yield from _pieces(sorted(checksum(item) for item in value))
    elif isinstance(value, functools.partial):
        yield from _pieces([value.func, value.args, value.keywords])
    elif hasattr(value, "__qualname__"):
        yield value.__qualname__.encode()
    else:
        yield kind.encode()
        if hasattr(value, "get_params") or is_dataclass(value):
            yield from _pieces(vars(value))


@contextmanager
def replacing(path) -> Iterator[IO[bytes]]:
    """Write a file that replaces another one once all of it is on the disk.

    Parameters
    ----------
    path : str or path-like
        The file. What is written goes to ``path + ".part"`` first; if that fails, because the disk
        is full or for any other reason, the file that was there stays as it was.

    Yields
    ------
    file : binary file
        To be written to, as in ``joblib.dump(student, file)``.

    Examples
    --------
    >>> import joblib, tempfile
    >>> from sklqkd import PoolingReducer
    >>> path = tempfile.mkdtemp() + "/reducer.joblib"
    >>> with replacing(path) as file:
    ...     _ = joblib.dump(PoolingReducer(), file)
    >>> joblib.load(path)
    PoolingReducer()
    """
    check_path(path, "path")
    path = os.fspath(path)
    part = path + ".part"
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            os.remove(part)
        raise
