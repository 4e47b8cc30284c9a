"""A bar that tells how far a fit is."""

from __future__ import annotations

import sys
import time
from numbers import Real

from ..durations import in_words
from .base import Monitor

__all__ = ["ProgressBar"]

_WIDTH = 24


class ProgressBar(Monitor):
    """Shows how many epochs are done, the loss, and the longest time that is left.

    On a terminal it is one line that is written again and again; in a file, lines that are
    `seconds` apart, and one at the end. Training may converge before `max_iter`: the time left is
    an upper bound.

    Parameters
    ----------
    stream : text stream, default=None
        Where it is written; ``None`` for the standard error of the process.
    seconds : float, default=None
        The least time between two updates; ``None`` for 0.1 on a terminal and 10 elsewhere.

    Raises
    ------
    TypeError
        In `fit`, if the estimator is not a student of this package.
    ValueError
        In `fit`, if `seconds` is negative.

    See Also
    --------
    sklearn.callback.ProgressBar : Bars for searches and what is in them; it takes students too.

    Examples
    --------
    >>> import sys
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.callbacks import ProgressBar
    >>> from sklqkd.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(max_iter=3, random_state=0)
    >>> student = student.set_callbacks(ProgressBar(sys.stdout)).fit(X, y)  # doctest: +ELLIPSIS
    QNNClassifier [########################] 3 of 3 epochs, loss ..., took ... s
    """

    def __init__(self, stream=None, *, seconds=None):
        self.stream = stream
        self.seconds = seconds

    def __getstate__(self):
        return {**vars(self), "stream": None}  # of this process

    def setup(self, estimator, context):
        """Check the parameters, before anything is computed."""
        if self.seconds is not None and not (
            isinstance(self.seconds, Real) and float(self.seconds) >= 0
        ):
            raise ValueError(f"seconds={self.seconds!r} is neither None nor a number from 0 on.")

    def _begin(self, student, run, context):
        """Start the clock."""
        now = time.perf_counter()
        # Epochs that a Checkpoint brought along took no time here.
        run.notes[id(self)] = {"start": now, "shown": now, "n_before": run.n_iter}

    def _after_epoch(self, student, run, context):
        """Draw the bar, if it is time."""
        note, now, n_max = run.notes[id(self)], time.perf_counter(), student.max_iter
        pause = self.seconds
        if pause is None:
            pause = 0.1 if self._is_terminal() else 10.0
        if now - note["shown"] < pause or run.n_iter == n_max:
            return
        note["shown"] = now
        per_epoch = (now - note["start"]) / (run.n_iter - note["n_before"])
        left = f"at most {in_words(per_epoch * (n_max - run.n_iter))} left"
        self._write(student, run, left, is_last=False)

    def _end(self, student, run, context):
        """Draw the whole bar."""
        took = time.perf_counter() - run.notes[id(self)]["start"]
        self._write(student, run, f"took {in_words(took)}", is_last=True)

    def _is_terminal(self):
        return (self.stream or sys.stderr).isatty()

    def _write(self, student, run, time_text, is_last):
        n_max = student.max_iter
        n_filled = _WIDTH if is_last else _WIDTH * run.n_iter // n_max
        bar = "#" * n_filled + "-" * (_WIDTH - n_filled)
        line = f"{type(student).__name__} [{bar}] {run.n_iter} of {n_max} epochs"
        if run.loss_curve:
            line += f", loss {run.loss_curve[-1]:.4f}"
        if run.validation_scores:
            line += f", validation score {run.validation_scores[-1]:.4f}"
        line += f", {time_text}"
        stream = self.stream or sys.stderr
        if self._is_terminal():
            stream.write(f"\r{line:<100}" + ("\n" if is_last else ""))
        else:
            stream.write(line + "\n")
        stream.flush()
