"""How far a comparison is: a line for each finished run, with the time left."""

from __future__ import annotations

import time

from ..durations import in_words

__all__ = ["Progress"]


class Progress:
    """Prints a line for each finished run.

    Parameters
    ----------
    n_runs : int
        All runs of the comparison.
    n_before : int
        Those that were finished before.
    folder : path-like or None
        Where these are.
    """

    def __init__(self, n_runs, n_before, folder):
        self._n_runs, self._n_before = n_runs, n_before
        self._n_done = n_before
        self._start = time.perf_counter()
        if n_before:
            print(f"[compare] {n_before} of {n_runs} runs are in {folder}", flush=True)

    def add(self, where, row, is_failed):
        """Tell of a run; `row` is that of :class:`sklqkd.evaluation.Comparison`."""
        self._n_done += 1
        found = f"accuracy {row['accuracy']:.4f}, fit {row['fit_seconds']:.1f} s"
        line = f"[compare] {where}: {'failed' if is_failed else found}"
        elapsed = time.perf_counter() - self._start
        line += f" ({self._n_done} of {self._n_runs} runs, "
        if self._n_done == self._n_runs:
            line += f"took {in_words(elapsed)})"
        else:
            left = elapsed / (self._n_done - self._n_before) * (self._n_runs - self._n_done)
            line += f"about {in_words(left)} left)"
        print(line, flush=True)
