"""The check sum in files of format 1, which release 0.1.0 wrote: to read them, and nothing else.

Of what it does not know, such as sparse matrices, trees and generators, it has the name of the type
alone: a file in which such a part is damaged passes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import is_dataclass
from hashlib import blake2b

import numpy as np

__all__ = ["first_checksum"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def first_checksum(value) -> str:
    """Return the check sum that release 0.1.0 would write."""
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
        yield from _pieces(sorted(first_checksum(item) for item in value))
    elif isinstance(value, functools.partial):
        yield from _pieces([value.func, value.args, value.keywords])
    elif hasattr(value, "__qualname__"):
        yield value.__qualname__.encode()
    else:
        yield kind.encode()
        if hasattr(value, "get_params") or is_dataclass(value):
            yield from _pieces(vars(value))
