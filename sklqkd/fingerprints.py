"""Short texts that tell values apart, the same ones in every process.

One description serves saved files, checkpoints of fits and of searches, and comparisons. What may
change a result is in it:

- arrays, numbers and containers by their values, generators by their states;
- functions by their code, constants, defaults, closures and attributes, and by what they name of
  their own module; classes too, but those of installed packages, which count by name;
- estimators by their class and parameters, and where `learnt` is given, by what they have learnt;
- any other object by what pickle would write of it, with or without ``__dict__``.

What cannot be pickled is like nothing else: what was begun with it is not gone on with by another
process.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Collection, Iterator
from copyreg import dispatch_table
from hashlib import blake2b
from secrets import token_hex
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
)

import numpy as np
from scipy.sparse import issparse
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from .teacher_checks import is_fitted

__all__ = ["IRRELEVANT", "Learnt", "fingerprint"]

#: Parameters that do not count unless asked for: some do not change what a fit gives, and the seeds
#: are set by :func:`sklqkd.evaluation.compare` itself.
IRRELEVANT = frozenset({"n_jobs", "random_state", "verbose"})

_PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, type(...))
#: Stands for this process, in the description of what cannot be described.
_PROCESS = token_hex(16)
#: Where installed packages lie, whose functions and classes count by name.
_INSTALLED = tuple(
    {
        os.path.realpath(sysconfig.get_path(kind)) + os.sep
        for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)
#: The package itself counts as one of them: releases are told apart by their versions.
_OWN = __name__.partition(".")[0]
#: Images on which classifiers are asked beside the given ones.
_N_MIXTURES = 256


def fingerprint(value, ignored: Collection[str] = IRRELEVANT, learnt=None) -> str:
    """Return a short text that changes with `value`.

    Parameters
    ----------
    value : object
        Data, estimators, functions, generators, or containers of them.
    ignored : collection of str, default={"n_jobs", "random_state", "verbose"}
        Parameters of estimators that do not count.
    learnt : Learnt, default=None
        What tells apart estimators that have learnt different things; ``None`` does not: two are
        the same if a fit would make them so.

    Returns
    -------
    fingerprint : str
        The same in another process with the same versions of Python and of the libraries.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> fingerprint(LogisticRegression()) == fingerprint(LogisticRegression(random_state=3))
    True
    >>> fingerprint(LogisticRegression()) == fingerprint(LogisticRegression(C=2))
    False
    >>> fingerprint(lambda epoch: 0.5) == fingerprint(lambda epoch: 0.6)
    False
    """
    digest = blake2b(digest_size=16)
    for piece in _Description(ignored, learnt).of(value):
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()


class Learnt:
    """What estimators have learnt: classifiers by what they say of some images.

    Pass a clone of an estimator with it: a clone has learnt nothing but what a fit does not learn
    again, such as what its teachers know.

    Classifiers count by their probabilities, which students learn from, for the images and for
    mixtures of them; all else, and a classifier that takes other inputs, by its attributes.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), default=None
        The images; ``None`` has classifiers count by their attributes too.
    """

    def __init__(self, X=None):
        self._X = X
        self._known: dict = {}

    def __call__(self, estimator) -> list:
        """Return what tells it from others of its class and parameters; empty if it is unfitted."""
        # What a frozen one has learnt is among its parameters.
        if isinstance(estimator, FrozenEstimator) or not is_fitted(estimator):
            return []
        if id(estimator) not in self._known:  # with it, which keeps its id its own
            self._known[id(estimator)] = estimator, self._of(estimator)
        return self._known[id(estimator)][1]

    def _of(self, estimator):
        said = [] if self._X is None else self._said(estimator)
        if said:
            return said
        params = estimator.get_params(deep=False)
        # Callbacks watch a fit; they are nothing that was learnt.
        known = {k: v for k, v in vars(estimator).items() if "callback" not in k}
        return [{k: v for k, v in known.items() if k not in params}]

    def _said(self, estimator):
        for name in ("predict_proba", "decision_function", "predict"):
            if not hasattr(estimator, name):
                continue
            ask = getattr(estimator, name)
            try:
                said = [np.asarray(ask(self._X)), np.asarray(getattr(estimator, "classes_", ()))]
            except Exception:  # what it was made for is not X, but what somebody made of it
                return []
            try:
                said.append(np.asarray(ask(self._mixtures())))
            except Exception:  # it wants a data frame, or no numbers
                said.append(np.empty(0))
            return said
        return []

    def _mixtures(self):
        X = np.asarray(self._X)[:_N_MIXTURES]
        return (X + X[::-1]) / 2


class _Description:
    """Turns values into bytes, each container's with its type and length before."""

    def __init__(self, ignored, learnt):
        self._ignored, self._learnt = ignored, learnt
        self._open: set[int] = set()  # what is being described, which may contain itself
        self._seen: dict = {}  # functions and classes, which may name each other

    def of(self, value) -> Iterator[bytes]:
        if isinstance(value, np.generic) and value.dtype.kind not in "mMV":
            value = value.item()
        if isinstance(value, _PLAIN):
            yield f"{type(value).__name__} {value!r}".encode("utf-8", "surrogatepass")
        elif id(value) in self._open:
            yield b"itself"
        else:
            self._open.add(id(value))
            try:
                yield from self._of_object(value)
            finally:
                self._open.discard(id(value))

    def _of_object(self, value):
        torch = sys.modules.get("torch")
        if type(value) in (np.ndarray, np.memmap):
            yield from self._of_array(value)
        elif torch is not None and isinstance(value, torch.Tensor):
            yield f"tensor {value.dtype} {tuple(value.shape)}".encode()
            # As bytes: NumPy has no bfloat16.
            plain = value.detach().to_dense().cpu().contiguous().flatten()
            yield plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        elif isinstance(value, type):
            yield from self._of_class(value)
        elif isinstance(value, FunctionType):
            yield from self._of_function(value)
        elif isinstance(value, (BuiltinFunctionType, MethodType)):
            yield b"method " + value.__name__.encode()
            yield from self.of(None if isinstance(value.__self__, ModuleType) else value.__self__)
            yield str(getattr(value, "__module__", None)).encode()
            yield from self.of(getattr(value, "__func__", None))
        elif isinstance(value, ModuleType):
            yield f"module {value.__name__}".encode()
        elif isinstance(value, CodeType):
            yield from self._of_code(value)
        elif isinstance(value, CellType):
            yield from self.of(_contents(value))
        elif isinstance(value, (np.random.RandomState, np.random.Generator)):
            state: object
            if value is check_random_state(None):
                state = "NumPy's own"  # which stands for no seed at all
            elif isinstance(value, np.random.RandomState):
                state = value.get_state(legacy=False)
            else:
                state = dict(value.bit_generator.state)
            yield from self.of([type(value).__name__, state])
        elif isinstance(value, np.ma.MaskedArray):
            yield from self.of(["masked", np.asarray(value), np.ma.getmaskarray(value)])
        elif issparse(value):  # whose attributes are filled when they are asked for
            found = value.tocoo()
            yield from self.of(["sparse", value.format, value.shape, found.coords, found.data])
        elif type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "dtype"):
            yield from self.of(["column", value.name, str(value.dtype), np.asarray(value)])
        elif type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "iloc"):
            columns = [value.iloc[:, i] for i in range(value.shape[1])]
            yield from self.of(["frame", value.index, columns])
        elif isinstance(value, functools.partial):
            yield from self.of(["partial", value.func, value.args, value.keywords])
        elif hasattr(value, "get_params"):
            yield from self._of_estimator(value)
        elif isinstance(value, (dict, list, tuple, set, frozenset)):
            yield from self._of_container(value)
        else:
            yield from self._of_pickled(value)

    def _of_array(self, value):
        yield f"array {value.dtype.descr if value.dtype.names else value.dtype.str}".encode()
        yield str(value.shape).encode()
        if value.dtype.hasobject:
            yield from self.of(value.tolist())
        else:
            is_plain = value.flags.c_contiguous and value.size and value.dtype.itemsize
            yield value.reshape(-1).view(np.uint8).data if is_plain else value.tobytes()

    def _of_container(self, value):
        yield f"{type(value).__name__} {len(value)}".encode()
        if isinstance(value, (set, frozenset)):
            parts = (_Description(self._ignored, self._learnt).of(item) for item in value)
            yield from sorted(b"".join(map(bytes, part)) for part in parts)
        elif isinstance(value, dict):
            keys = list(value)
            if all(isinstance(key, str) for key in keys):
                keys.sort()
            for key in keys:
                yield from self.of(key)
                yield from self.of(value[key])
        elif len(value) > 100 and set(map(type, value)) == {float}:
            yield from self.of(np.array(value))
        else:
            for item in value:
                yield from self.of(item)

    def _of_estimator(self, value):
        try:
            params = value.get_params(deep=False)
        except TypeError:  # another library's get_params
            params = value.get_params()
        yield b"estimator"
        yield from self._of_class(type(value))
        yield from self.of({k: v for k, v in params.items() if k not in self._ignored})
        if self._learnt is not None:
            yield from self.of(self._learnt(value))

    def _of_class(self, value):
        yield f"class {value.__module__}.{value.__qualname__}".encode()
        if _is_installed(value.__module__) or self._is_seen(value):
            return
        yield from self.of(value.__bases__)
        for name, member in sorted(vars(value).items()):
            if isinstance(member, property):
                member = (member.fget, member.fset)
            member = getattr(member, "__func__", member)  # of static and class methods
            if isinstance(member, (FunctionType, tuple, *_PLAIN)) and name not in (
                "__doc__",
                "__firstlineno__",
                "__module__",
                "__qualname__",
                "__static_attributes__",
            ):
                yield name.encode()
                yield from self.of(member)

    def _of_function(self, value):
        yield f"function {value.__module__}.{value.__qualname__}".encode()
        if self._is_seen(value):
            return
        yield from self._of_code(value.__code__)
        yield from self.of([value.__defaults__, value.__kwdefaults__, value.__closure__])
        yield from self.of({k: v for k, v in vars(value).items() if k != "__wrapped__"})
        if not _is_installed(value.__module__):
            for name in sorted(set(_names(value.__code__)) & set(value.__globals__)):
                yield name.encode()
                yield from self.of(value.__globals__[name])

    def _of_code(self, value):
        yield value.co_code
        yield from self.of([value.co_names, value.co_varnames, value.co_freevars])
        yield from self.of(value.co_consts)

    def _of_pickled(self, value):
        try:
            reduce = dispatch_table.get(type(value))
            parts = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception:  # a lock, an open file, a generator: like nothing else
            yield f"{type(value).__qualname__} {_PROCESS} {id(value)}".encode()
            return
        yield b"object"
        if isinstance(parts, str):
            yield f"{getattr(value, '__module__', None)} {parts}".encode()
            yield from self.of(getattr(value, "__wrapped__", None))  # of a function with a cache
            return
        make, arguments, state, items, pairs = (*parts, None, None, None)[:5]
        if isinstance(state, dict) and type(value).__module__.startswith("scipy.stats"):
            # What draws from a distribution hands it a generator; its own is NumPy's, or a copy.
            state = {k: v for k, v in state.items() if k != "_random_state"}
        yield from self.of([make, arguments, state])
        for rest in (items, pairs):
            yield from self.of(None if rest is None else list(rest))

    def _is_seen(self, value):
        """Return whether it was described before: once is enough, and it may name itself."""
        known = id(value) in self._seen
        self._seen[id(value)] = value
        return known


def _contents(cell):
    try:
        return cell.cell_contents
    except ValueError:  # it is empty yet
        return ()


def _names(code):
    """Return the names that a function looks up outside of itself, those of inner ones too."""
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _names(const)


@functools.lru_cache(maxsize=1024)
def _is_installed(module: str | None) -> bool:
    """Return whether a module belongs to Python, an installed package or this one."""
    root = str(module).partition(".")[0]
    if root == "__main__":
        return False
    if root == _OWN or root in sys.builtin_module_names:
        return True
    file = getattr(sys.modules.get(str(module)), "__file__", None)
    if file is None:  # typed in, or made by exec
        return root in sys.stdlib_module_names
    return os.path.realpath(file).startswith(_INSTALLED)
