"""Finished fits in a file, so that a search that was stopped can go on.

The file has a line for each stack that was finished, appended when it was: what is written is never
touched again. Each line begins with its check sum, and says which search, of which release, it
belongs to. A line that was cut off, by a kill or a full disk, or that is damaged is left out, and
its stack is trained again. One search at a time has the file.
"""

from __future__ import annotations

import json
import os
import warnings
import zlib

import numpy as np
from sklearn.base import clone

from .._version import __version__
from ..checks import check_path
from ..exceptions import DamagedFileError
from ..files import CUT_OFF, Locked, append_line, open_regular
from ..fingerprints import Learnt, fingerprint

__all__ = ["FinishedFits"]

#: Parameters of estimators that do not change what a fit gives.
_IRRELEVANT = {"n_jobs", "verbose"}
#: Version of the format of the lines.
_FORMAT = 2


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
        If the file belongs to another search, or another release.
    DamagedFileError
        If nothing in it is whole.
    FileInUseError
        If another search has it.
    OSError
        If it cannot be written.

    Warns
    -----
    RuntimeWarning
        If there are damaged lines.
    """

    def __init__(self, search, X, y, params):
        check_path(search.checkpoint, "checkpoint")
        self.path = os.fspath(search.checkpoint)
        self._learnt = Learnt(X)
        self._names: dict = {}
        self._error_score = search.error_score
        self.results: dict = {}
        owner = [
            fingerprint(np.asarray(X)),
            fingerprint(np.asarray(y)),
            # A clone has learnt nothing but what a fit does not learn again, as its teachers.
            self._fingerprint([params, clone(search.estimator)]),
            self._fingerprint([search.scoring, search.return_train_score]),
        ]
        self._header = {"format": _FORMAT, "sklqkd": __version__, "search": fingerprint(owner)}
        self._lock = Locked(self.path, "checkpoint")
        try:
            is_begun = self._read()
            # Whether the file can be written is better known now.
            if is_begun:
                with open(self.path, "ab"):
                    pass
            else:
                self._append({})
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let other searches use the file."""
        self._lock.release()

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
        """Write more results, but those of fits that failed, which are tried again.

        If the disk is full the search goes on, with a warning.

        Parameters
        ----------
        results : dict of str to dict
        """
        self.results.update(results)
        kept = {key: result for key, result in results.items() if not self._has_failed(result)}
        if not kept:
            return
        try:
            self._append(kept)
        except (OSError, ValueError) as error:  # it may be a folder by now
            warnings.warn(
                f"The search goes on, but {len(kept)} finished fits could not be written to "
                f"checkpoint={self.path!r}: {error}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _has_failed(self, result):
        """Return whether a fit failed, or a score, which has the search's `error_score` then."""
        if result.get("fit_error") is not None:
            return True
        for name in ("test_scores", "train_scores"):
            scores = result.get(name, ())
            for score in scores.values() if isinstance(scores, dict) else np.atleast_1d(scores):
                if score != score or score == self._error_score:
                    return True
        return False

    def _fingerprint(self, value):
        return fingerprint(value, _IRRELEVANT, self._learnt)

    def _read(self):
        """Take in what the lines hold; return whether there are any."""
        if not os.path.exists(self.path):
            return False
        with open_regular(self.path) as file:
            content = file.read()
        *lines, _ = content.split(b"\n")
        stored, bad = [], []
        for number, line in enumerate(lines, 1):
            try:
                check_sum, text = line.split(b" ", 1)
                if int(check_sum, 16) != zlib.crc32(text):
                    raise ValueError("wrong check sum")
                stored.append(json.loads(text))
            except ValueError:
                if not line.endswith(CUT_OFF):
                    bad.append(number)
        if not stored and content:
            raise DamagedFileError(
                f"checkpoint={self.path!r} is damaged, or is no checkpoint of a search: it has no "
                "line that is whole. Remove the file, or name another."
            )
        for line in stored:
            self._check(line)
            self.results.update(line["results"])
        if bad:
            warnings.warn(
                f"checkpoint={self.path!r} is damaged: of {len(lines)} lines, "
                f"{len(bad)} are left out (number {', '.join(map(str, bad[:5]))}"
                f"{', ...' if len(bad) > 5 else ''}). Their fits are trained again.",
                RuntimeWarning,
                stacklevel=2,
            )
        return bool(stored)

    def _check(self, line):
        if not isinstance(line, dict) or "format" not in line or "results" not in line:
            line = {"format": 1, "sklqkd": "0.1.0"}  # which wrote no version
        for name in ("format", "sklqkd"):
            if line[name] != self._header[name]:
                raise ValueError(
                    f"checkpoint={self.path!r} is of sklqkd {line['sklqkd']} (format "
                    f"{line['format']}), and this is sklqkd {__version__} (format {_FORMAT}): the "
                    "results of two releases are not mixed. Finish the search with that release, "
                    "or name another file."
                )
        if line["search"] != self._header["search"]:
            raise ValueError(
                f"checkpoint={self.path!r} was written by a search of another estimator, or on "
                "other data. Remove the file, or name another."
            )

    def _append(self, results):
        line = self._header | {"results": results}
        text = json.dumps(line, default=lambda number: number.item()).encode()
        append_line(self.path, b"%08x %s" % (zlib.crc32(text), text))
