"""A plain function as a callback."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from typing import Any

from .base import Monitor, fitted_copy

__all__ = ["Epoch", "FunctionCallback", "as_callback"]


@dataclass(frozen=True)
class Epoch:
    """What a function that is a callback gets after each epoch.

    Attributes
    ----------
    number : int
        Epochs so far, from 1 on.
    n_epochs : int
        The largest number of them, `max_iter`.
    loss : float
        Mean training loss of the epoch.
    validation_score : float or None
        Accuracy on the hold-out, with the student's `early_stopping`.
    seconds : float
        Since the beginning of the fit.
    """

    number: int
    n_epochs: int
    loss: float
    validation_score: float | None
    seconds: float
    _now: Any = field(repr=False, compare=False, default=None)

    @functools.cached_property
    def student(self):
        """The student as if its fit had ended now: ask it while the function runs."""
        return fitted_copy(*self._now)


class FunctionCallback(Monitor):
    """A function that is called after each epoch; ``student.set_callbacks(function)`` makes one.

    Parameters
    ----------
    function : callable
        It gets an :class:`Epoch`. Where it returns true, the training ends.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(max_iter=30, random_state=0)
    >>> student = student.set_callbacks(lambda epoch: epoch.loss < 1.5).fit(X, y)
    >>> student.n_iter_ < 30, student.loss_curve_[-1] < 1.5
    (True, True)
    """

    def __init__(self, function):
        self.function = function

    def begin(self, student, run, context):
        """Start the clock."""
        run.notes[id(self)] = time.perf_counter()

    def after_epoch(self, student, run, context):
        """Call the function."""
        scores = run.validation_scores
        told = self.function(
            Epoch(
                number=run.n_iter,
                n_epochs=student.max_iter,
                loss=float(run.loss_curve[-1]),
                validation_score=float(scores[-1]) if scores else None,
                seconds=time.perf_counter() - run.notes[id(self)],
                _now=(student, run),
            )
        )
        return False if told is None else bool(told)


def as_callback(callback):
    """Return a function as a callback; what is none is returned as it is."""
    has_hooks = hasattr(callback, "on_fit_task_end")
    is_function = callable(callback) and not isinstance(callback, type) and not has_hooks
    return FunctionCallback(callback) if is_function else callback
