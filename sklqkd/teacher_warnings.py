"""How often a warning about a teacher is given: once for a search, whatever its fits are."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .exceptions import TeacherWarning

__all__ = ["collected", "said_once", "warn_of_teacher"]


class _Said(dict):
    """Messages by their kind, and whether they wait for somebody else to say them."""

    waits = False


_SAID: ContextVar[_Said | None] = ContextVar("said", default=None)
#: Packages between the user's own line and a warning about it.
_BETWEEN = {"contextlib", "imblearn", "joblib", "sklearn", "sklqkd"}


@contextmanager
def said_once() -> Iterator[None]:
    """Give each kind of :class:`TeacherWarning` once in the block, as for all fits of a search.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught, said_once():
    ...     warnings.simplefilter("always")
    ...     for n in range(3):
    ...         warn_of_teacher("guessing", f"fit {n}")
    >>> [str(warning.message) for warning in caught]
    ['fit 0']
    """
    if _SAID.get() is not None:
        yield
        return
    token = _SAID.set(_Said())
    try:
        yield
    finally:
        _SAID.reset(token)


@contextmanager
def collected() -> Iterator[dict[str, str]]:
    """Keep the messages of the block by their kind, instead of giving the warnings.

    Examples
    --------
    >>> with collected() as messages:
    ...     warn_of_teacher("guessing", "no better than a guess")
    >>> messages
    {'guessing': 'no better than a guess'}
    """
    messages = _Said()
    messages.waits = True
    token = _SAID.set(messages)
    try:
        yield messages
    finally:
        _SAID.reset(token)


def warn_of_teacher(kind: str, message: str) -> None:
    """Give a :class:`TeacherWarning`, as often as the blocks around it want.

    Parameters
    ----------
    kind : str
        What :func:`said_once` knows it by.
    message : str
    """
    said = _SAID.get()
    if said is not None:
        if kind in said:
            return
        said[kind] = message
        if said.waits:
            return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _package(frame) in _BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, TeacherWarning, stacklevel=level - 1)


def _package(frame) -> str:
    return frame.f_globals.get("__name__", "").split(".")[0]
