"""Finished fits in a file, so that a search that was stopped can go on.

The file has a line for each stack that was finished, written when it was: what is written is never
touched again. Each line begins with its check sum. If the process is killed while it writes, or the
disk is full, the last line is cut off; it is left out, and its stack is trained again.
"""

from __future__ import annotations

import json
import os
import warnings
import zlib

import numpy as np
from sklearn.base import clone

from ..checks import check_path
from ..fingerprints import Learnt, fingerprint

__all__ = ["FinishedFits"]

#: Parameters of estimators that do not change what a fit gives.
_IRRELEVANT = {"n_jobs", "verbose"}


class FinishedFits:
    """Results of finished fits in a file.

    Parameters
    ----------
    search : estimator
        The search, which names the file; with its data it has to be the one that began the file.
    X, y, params
        What it is fitted on.

    Attributes
    ----------
    path : str
    results : dict of str to dict
        What ``_fit_and_score`` returned, by :meth:`key`.

    Raises
    ------
    ValueError
        If the file belongs to another search, or is damaged.
    OSError
        If it cannot be written.
    """

    def __init__(self, search, X, y, params):
        check_path(search.checkpoint, "checkpoint")
        self.path = os.fspath(search.checkpoint)
        self._learnt = Learnt(X)
        self._names: dict = {}
        self.results: dict = {}
        self._size = 0
        owner = [
            fingerprint(np.asarray(X)),
            fingerprint(np.asarray(y)),
            # A clone has learnt nothing but what a fit does not learn again, as its teachers.
            self._fingerprint([params, clone(search.estimator)]),
            self._fingerprint([search.scoring, search.return_train_score]),
        ]
        header = {"search": fingerprint(owner)}
        stored = self._read()
        if not stored:
            self._append(header)
        elif stored[0] != header:
            raise ValueError(
                f"checkpoint={self.path!r} was written by a search of another estimator, or on "
                "other data. Remove the file, or name another."
            )
        else:
            self._append(None)  # whether the file can be written is better known now
        for results in stored[1:]:
            self.results.update(results)

    def key(self, call) -> str:
        """Return the name of the result of a :class:`sklqkd.search.calls.FitCall`."""
        parts = []
        for value in (call.parameters, call.train, call.test):
            if id(value) not in self._names:
                # A candidate by name, its parameters in any order; with the value, which keeps its
                # id its own.
                named = sorted(value.items()) if isinstance(value, dict) else value
                self._names[id(value)] = value, self._fingerprint(named)
            parts.append(self._names[id(value)][1])
        return fingerprint(parts)

    def add(self, results: dict) -> None:
        """Write more results.

        If the disk is full the search goes on, with a warning, and the file is as it was before.

        Parameters
        ----------
        results : dict of str to dict
        """
        self.results.update(results)
        try:
            self._append(results)
        except OSError as error:
            warnings.warn(
                f"The search goes on, but {len(results)} finished fits could not be written to "
                f"checkpoint={self.path!r}: {error}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _fingerprint(self, value):
        return fingerprint(value, _IRRELEVANT, self._learnt)

    def _read(self):
        """Return what the lines hold."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as file:
            content = file.read()
        self._size = content.rfind(b"\n") + 1
        stored = []
        try:
            if content and not self._size:
                raise ValueError("no whole line")
            for line in content[: self._size].splitlines():
                check_sum, text = line.split(b" ", 1)
                if int(check_sum, 16) != zlib.crc32(text):
                    raise ValueError("wrong check sum")
                stored.append(json.loads(text))
        except ValueError as error:
            raise ValueError(
                f"checkpoint={self.path!r} is damaged at line {len(stored) + 1}, or is no "
                "checkpoint of a search. Remove the file, or name another."
            ) from error
        return stored

    def _append(self, value):
        line = b""
        if value is not None:
            text = json.dumps(value, default=lambda number: number.item()).encode()
            line = b"%08x %s\n" % (zlib.crc32(text), text)
        with open(self.path, "r+b" if os.path.exists(self.path) else "xb", buffering=0) as file:
            try:
                file.truncate(self._size)
                file.seek(self._size)
                written = 0
                while written < len(line):
                    written += file.write(line[written:])
                os.fsync(file.fileno())
            except BaseException:
                # Ctrl-C too: a line that is cut off must not have another one behind it.
                file.truncate(self._size)
                raise
        self._size += len(line)
