"""How loops are compiled: once on a machine, and to the same machine code wherever they run."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba

__all__ = ["compiled", "forget_older", "inlined", "merged", "tell_of_compiling"]

#: Sums may be reordered, which is what lets them run in vector registers; NaN stays NaN.
_FASTMATH = {"reassoc", "contract", "nsz"}
_OPTIONS: dict[str, Any] = {"fastmath": _FASTMATH, "error_model": "numpy", "nogil": True}


#: When a file with compiled functions was last written.
_WRITTEN = max(
    path.stat().st_mtime
    for folder in ("statevector", "training")
    for path in (Path(__file__).parents[1] / folder).glob("*.py")
)


def compiled(function):
    """Compile a function at its first call, and keep the result on disk where that is possible."""
    try:
        dispatcher = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(**_OPTIONS)(function)
    forget_older(dispatcher, _WRITTEN)
    return dispatcher


def forget_older(dispatcher, time: float) -> None:
    """Take off the disk what was compiled before a time.

    numba looks at the file of the function alone, and not at those of the functions that it calls.

    Parameters
    ----------
    dispatcher : numba dispatcher
    time : float
        In seconds, as of a file.
    """
    name = f"{dispatcher.py_func.__module__.split('.')[-1]}.{dispatcher.py_func.__qualname__}-"
    for index in Path(dispatcher.stats.cache_path).glob(f"{name}*.nbi"):
        with suppress(FileNotFoundError):  # another process does the same
            if index.stat().st_mtime < time:
                index.unlink()


def tell_of_compiling(dispatcher, what: str, seconds: int) -> None:
    """Say so where the next call of a function waits for it to be compiled.

    Parameters
    ----------
    dispatcher : numba dispatcher
    what : str
        What is compiled.
    seconds : int
        How long that takes, about.
    """
    folder = dispatcher.stats.cache_path  # None where no folder can be written
    module, name = dispatcher.py_func.__module__.split(".")[-1], dispatcher.py_func.__qualname__
    if dispatcher.signatures or (folder and any(Path(folder).glob(f"{module}.{name}-*.nbi"))):
        return
    where = "once on this machine" if folder else "for this process alone: no folder can be written"
    logging.getLogger("sklqkd").warning(f"Compiling {what}, {where}: some {seconds} seconds.")


def merged(function):
    """Make a function part of the compiled ones that call it, once, which saves compiling twice."""
    return numba.njit(inline="always", **_OPTIONS)(function)


def inlined(function):
    """Compile a function to be inlined, so that each caller is the same machine code everywhere.

    What is not inlined may run as it was compiled by itself, or as it was for a caller's cache, and
    sums are then in another order.
    """
    return numba.njit(forceinline=True, **_OPTIONS)(function)
