"""Saved estimators: what is in their files, and how to write and open them.

:func:`dump` writes a file that ends with a hash of all of it, and :func:`load` compares that before
it opens anything::

    persistence.dump(student, "student.joblib")  # a full disk leaves the old file
    student = persistence.load("student.joblib")

Estimators go through pickle, joblib and copies as well. Each holds its settings and fitted values
as one block of bytes with a hash, which is compared before the block is opened: a flipped bit in it
is a :class:`sklqkd.exceptions.DamagedFileError`, whatever lies in it, and so is a file of a newer
release a ValueError. What is outside of the block in a file of plain ``joblib.dump`` or
``pickle.dump``, no hash of ours covers: the teacher, if it is of another library; callbacks, and
functions and classes of yours, which are there by name; other things in the same file, as the steps
of a Pipeline; and pickle's own signs for where the blocks begin. A bit that flips there leads to
whatever error pickle has, or to another teacher, but not to other predictions of a student.
:func:`load` turns the errors into a DamagedFileError. The file of :func:`dump` has no such gaps.

Opening a pickle runs what is in it: open those of people you trust. The hashes are against damage,
not against people. A file of skops runs nothing. It holds students and reducers, alone or in a
Pipeline, whose types :data:`TRUSTED_TYPES` lists; a file with any other type is refused, unless you
add it to the list::

    skops.io.dump(student.set_params(teacher=None), "student.skops")
    student = persistence.load("student.skops")
    student = skops.io.load("student.skops", trusted=sklqkd.persistence.TRUSTED_TYPES)

Teachers are not among them. They hold torch modules, which skorch keeps as a pickle within its own
state: who trusts their types runs that pickle. A student predicts without its teacher, so that
``set_params(teacher=None)`` is the way. Of a search, save ``best_estimator_``. An ansatz, a
schedule or a loss that is a function of yours is code: add its name to the trusted types, and have
it importable where the file is opened.

Files of release 0.1.0 load. Their check sum does not know sparse matrices, trees and other objects
of reducers of other libraries: save them again.
"""

from __future__ import annotations

import copy
import inspect
import io
import os
import pickle
from contextvars import ContextVar
from copyreg import __newobj__  # type: ignore[attr-defined]
from hashlib import blake2b
from types import FunctionType

import joblib
from sklearn.base import BaseEstimator

from ._version import __version__
from .atomic import OWNER
from .documentation import Documented
from .exceptions import DamagedFileError
from .files import check_archive, open_regular, replacing
from .fingerprints import Learnt, fingerprint
from .first_format import first_checksum

__all__ = [
    "STATE_VERSION",
    "TRUSTED_TYPES",
    "VersionedState",
    "checksum",
    "dump",
    "load",
    "replacing",
]

#: Version of the format of the estimators' state. A release that changes the format raises it.
STATE_VERSION = 2

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
    "sklqkd.twin.transformers.EncodingFeatures",
    "sklqkd.twin.transformers.FeatureScaler",
    "sklqkd.twin.transformers.FourierFeatures",
]

_HEADER = "_sklqkd_state"
#: Stands in a header in place of the check sum where a hash of the pickled block is compared.
_SEALED = "sealed"
#: Whether the state that is asked for is to be pickled, or copied, and needs no check sum.
_UNCHECKED: ContextVar[bool] = ContextVar("_UNCHECKED", default=False)
#: Ends a file of :func:`dump`, with the hash of all before it.
_TRAILER = b"\nsklqkd "
_DIGEST_SIZE = 32
#: Packages whose classes any process can import, where the block is opened.
_EVERYWHERE = {"_codecs", "builtins", "collections", "copyreg", "functools"}
_EVERYWHERE |= {"numpy", "pandas", "scipy", "sklearn", "sklqkd", "torch"}


class _OtherFormatError(ValueError):
    """The file is whole, and of another release."""


def _first_values(kind) -> dict:
    """Return the defaults of an estimator's parameters: files lack those of later releases."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


class VersionedState(Documented, BaseEstimator):
    """Base class of estimators whose state has a version and a hash; to be named first.

    Examples
    --------
    >>> import pickle
    >>> from sklqkd import PoolingReducer
    >>> pickle.loads(pickle.dumps(PoolingReducer(n_components=4)))
    PoolingReducer(n_components=4)
    """

    def __getstate__(self):
        state = dict(super().__getstate__())  # BaseEstimator's may be the live __dict__
        for name in ("_training_run", OWNER):  # of a fit that is under way
            state.pop(name, None)
        state[_HEADER] = {
            "version": STATE_VERSION,
            "written_by": __version__,
            "checksum": _SEALED if _UNCHECKED.get() else self._checksum(state),
        }
        return state

    def __setstate__(self, state):
        state = dict(state)
        header = state.pop(_HEADER, None)
        _check_header(type(self).__name__, header)
        checksum = header.get("checksum")
        if checksum != _SEALED:
            compute = first_checksum if header["version"] == 1 else _strict
            if checksum != self._checksum(state, compute):
                raise DamagedFileError(_damaged(type(self).__name__))
        missing = {k: v for k, v in _first_values(type(self)).items() if k not in state}
        super().__setstate__(state | missing)

    def __reduce_ex__(self, protocol):
        # What skops asks is __getstate__; what pickle, joblib and copy.copy ask is this.
        state = self._unchecked_state()
        try:
            sealed = _seal(type(self).__name__, state)
        except Exception:  # the outer pickler may do better, or say better what is wrong
            return __newobj__, (type(self),), self.__getstate__()
        return __newobj__, (type(self),), sealed, None, None, _set_sealed

    def __copy__(self):
        return self._copied(lambda state: state)

    def __deepcopy__(self, memo):
        def copied(state):
            return copy.deepcopy(state, memo)

        return self._copied(copied, memo)

    def _copied(self, change, memo=None):
        new = type(self).__new__(type(self))
        if memo is not None:
            memo[id(self)] = new
        new.__setstate__(change(self._unchecked_state()))
        return new

    def _unchecked_state(self):
        token = _UNCHECKED.set(True)
        try:
            return self.__getstate__()
        finally:
            _UNCHECKED.reset(token)

    def _checksum(self, state, compute=None):
        # A teacher may be large, and predictions do not need it; callbacks belong to a fit.
        checked = {k: v for k, v in state.items() if not _is_open(k)}
        return (compute or _strict)([type(self).__name__, checked])


def _strict(value) -> str:
    return fingerprint(value, (), Learnt())


def checksum(value) -> str:
    """Return a hash of a value that is the same in every process.

    Parameters
    ----------
    value : object
        Data, containers, estimators with what they have learnt, functions, generators: whatever
        :mod:`sklqkd.fingerprints` describes.

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
    return _strict(value)


def dump(value, path) -> None:
    """Save an estimator in a file that ends with a hash of all of it.

    The file is joblib's, so that ``joblib.load`` opens it too. It replaces an older one once all of
    it is on the disk, see :func:`replacing`.

    Parameters
    ----------
    value : object
        An estimator, of any library, or a container of several.
    path : str or path-like
        The file.

    Raises
    ------
    OSError
        If it cannot be written. The old file is as it was then.

    See Also
    --------
    load : Opens it.

    Examples
    --------
    >>> import tempfile
    >>> from sklqkd import PoolingReducer, persistence
    >>> path = tempfile.mkdtemp() + "/reducer.joblib"
    >>> persistence.dump(PoolingReducer(n_components=4), path)
    >>> persistence.load(path)
    PoolingReducer(n_components=4)
    """
    with replacing(path) as file:
        joblib.dump(value, file)
        size = file.tell()
        file.seek(0)
        digest = _digest_of(file, size)
        file.write(_TRAILER + digest)


def load(path, *, trusted=()):
    """Open a file of :func:`dump`, or one of joblib, pickle or skops.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : sequence of str, default=()
        Types in a file of skops that are trusted beside :data:`TRUSTED_TYPES`.

    Returns
    -------
    value : object
        What was saved.

    Raises
    ------
    DamagedFileError
        If the file is damaged, or of another kind. A file of :func:`dump` is compared with its hash
        before anything in it is opened. Others have no hash of the whole: what goes wrong as they
        are opened is this error too.
    ValueError
        If it is whole, and of a release that this one does not read; if `path` is no ordinary file.
    OSError
        If it cannot be read.

    See Also
    --------
    dump : Writes the file.

    Notes
    -----
    A pickle runs what is in it, whatever its hash says.

    Examples
    --------
    >>> import pickle, tempfile
    >>> from sklqkd import PoolingReducer, persistence
    >>> path = tempfile.mkdtemp() + "/reducer.pickle"
    >>> with open(path, "wb") as file:
    ...     pickle.dump(PoolingReducer(n_components=4), file)
    >>> persistence.load(path)
    PoolingReducer(n_components=4)
    """
    with open_regular(path) as file:
        if _is_whole(path, file):
            return joblib.load(file)
        try:
            if file.read(4) == b"PK\3\4":
                return _load_skops(file, trusted)
            file.seek(0)
            return joblib.load(file)
        except (DamagedFileError, _OtherFormatError):
            raise
        except Exception as error:  # a damaged file may raise anything
            if type(error).__name__ == "UntrustedTypesFoundException":
                raise
            raise DamagedFileError(
                f"{os.fspath(path)!r} is damaged, or no file of an estimator "
                f"({type(error).__name__}: {error}). Load another copy of it, or fit it again."
            ) from error


def _load_skops(file, trusted):
    import skops.io

    check_archive(file)
    file.seek(0)
    return skops.io.loads(file.read(), trusted=[*TRUSTED_TYPES, *trusted])


def _is_whole(path, file):
    """Return whether a file ends with the right hash; False if it has none."""
    size = file.seek(0, os.SEEK_END) - len(_TRAILER) - _DIGEST_SIZE
    if size < 0:
        file.seek(0)
        return False
    file.seek(size)
    trailer = file.read()
    file.seek(0)
    if not trailer.startswith(_TRAILER):
        return False
    is_whole = _digest_of(file, size) == trailer[len(_TRAILER) :]
    file.seek(0)
    if not is_whole:
        raise DamagedFileError(
            f"{os.fspath(path)!r} is damaged: it is not what was written. Load another copy of it, "
            "or fit it again."
        )
    return True


def _digest_of(file, size):
    digest = blake2b(digest_size=_DIGEST_SIZE)
    while size:
        part = file.read(min(size, 2**20))
        if not part:
            break
        digest.update(part)
        size -= len(part)
    return digest.digest()


def _is_open(name):
    """Return whether an attribute of this name stays outside of the block, and is not hashed."""
    return name == "teacher" or "callback" in name


def _check_header(name, header):
    this = f"This is sklqkd {__version__}, which reads state formats 1 to {STATE_VERSION}"
    if not isinstance(header, dict):
        raise _OtherFormatError(
            f"The saved {name} has no version of its state: sklqkd wrote it before its release "
            f"0.1.0, or the file is damaged. {this}. Load another copy, or fit it again."
        )
    version, writer = header.get("version"), header.get("written_by")
    if not isinstance(version, int) or not 1 <= version <= STATE_VERSION:
        is_newer = isinstance(version, int) and version > STATE_VERSION
        advice = "Upgrade sklqkd." if is_newer else "Fit it again, with this release."
        raise _OtherFormatError(
            f"The saved {name} has state format {version!r}, of sklqkd {writer}. {this}. {advice}"
        )


def _damaged(name):
    return (
        f"The saved {name} is damaged: its settings or fitted values are not those that were saved."
        " Load another copy of the file, or fit it again."
    )


class _Sealer(pickle.Pickler):
    """Pickles the block, and leaves out what the pickler of the whole file is to see.

    That shares a teacher between the students in one file, and may, as cloudpickle does, write
    functions and classes of a script as they are.
    """

    def __init__(self, file, outside):
        super().__init__(file, protocol=5)
        self.left_out: list = []
        self._numbers: dict[int, int] = {}
        parts = [
            part
            for value in outside.values()
            for part in (value, *(value if isinstance(value, (list, tuple)) else ()))
        ]
        self._outside = {id(part) for part in parts if hasattr(part, "__dict__")}

    def persistent_id(self, value):
        is_code = isinstance(value, FunctionType) or (
            isinstance(value, type)
            and (value.__module__.partition(".")[0] not in _EVERYWHERE or "<" in value.__qualname__)
        )
        if not is_code and id(value) not in self._outside:
            return None
        number = self._numbers.setdefault(id(value), len(self.left_out))
        if number == len(self.left_out):
            self.left_out.append(value)
        return number


class _Opener(pickle.Unpickler):
    def __init__(self, file, left_out):
        super().__init__(file)
        self._left_out = left_out

    def persistent_load(self, number):
        return self._left_out[number]


def _seal(name, state):
    """Return what is pickled in place of a state: most of it as one block of bytes, with a hash."""
    outside = {k: v for k, v in state.items() if _is_open(k)}
    header = state[_HEADER]
    # In one order: joblib compares parameters by the hashes of these bytes.
    inside = {k: state[k] for k in sorted(state) if k not in outside and k != _HEADER}
    buffer = io.BytesIO()
    sealer = _Sealer(buffer, outside)
    sealer.dump(inside)
    sealed = {
        "header": header,
        "block": buffer.getvalue(),
        "left_out": sealer.left_out,
        "outside": outside,
    }
    return sealed | {"hash": _hash(name, sealed)}


def _hash(name, sealed):
    """Return the hash of what is sealed; of what is left out, the names."""
    digest = blake2b(sealed["block"], digest_size=_DIGEST_SIZE)
    names = [
        [getattr(value, attribute, "") for attribute in ("__module__", "__qualname__")]
        if isinstance(value, (type, FunctionType))
        else type(value).__qualname__
        for value in sealed["left_out"]
    ]
    outside = sorted(sealed["outside"])
    digest.update(repr([name, sorted(sealed["header"].items()), names, outside]).encode())
    return digest.digest()


def _set_sealed(estimator, sealed):
    """Give an estimator the state of :func:`_seal`; what unpickling calls."""
    name = type(estimator).__name__
    try:
        is_whole = sealed["hash"] == _hash(name, sealed)
    except Exception:  # the parts are of other types
        is_whole = False
    if not is_whole:
        raise DamagedFileError(_damaged(name))
    _check_header(name, sealed["header"])
    inside = _Opener(io.BytesIO(sealed["block"]), sealed["left_out"]).load()
    estimator.__setstate__(inside | sealed["outside"] | {_HEADER: sealed["header"]})
