"""A plain function as a callback."""

from __future__ import annotations

import functools
import time
import weakref

from .base import Monitor, fitted_copy

__all__ = ["Epoch", "FunctionCallback", "as_callback"]


class Epoch:
    """What a function that is a callback gets after each epoch.

    Parameters
    ----------
    student : Student
        The student that trains.
    run : TrainingRun
        Its training, of which all is read at once but :attr:`student`.
    seconds : float
        Since the beginning of the fit.

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

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(max_iter=2, random_state=0)
    >>> student = student.set_callbacks(print).fit(X, y)  # doctest: +ELLIPSIS
    Epoch(number=1, n_epochs=2, loss=..., validation_score=None)
    Epoch(number=2, n_epochs=2, loss=..., validation_score=None)
    """

    def __init__(self, student, run, seconds):
        self.number = run.n_iter
        self.n_epochs = student.max_iter
        self.loss = float(run.loss_curve[-1])
        self.validation_score = float(run.validation_scores[-1]) if run.validation_scores else None
        self.seconds = seconds
        self._now = weakref.ref(student), weakref.ref(run)  # who keeps epochs keeps no images

    def __repr__(self):
        names = ("number", "n_epochs", "loss", "validation_score")
        return f"Epoch({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    @functools.cached_property
    def student(self):
        """The student as if its fit had ended now: ask for it while the function runs."""
        student, run = (part() for part in self._now)
        if run is None or getattr(student, "_training_run", None) is not run:
            raise RuntimeError(
                "The fit has ended: ask an epoch for its student while the function runs."
            )
        return fitted_copy(student, run)


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

    def _begin(self, student, run, context):
        """Start the clock."""
        run.notes[id(self)] = time.perf_counter()

    def _after_epoch(self, student, run, context):
        """Call the function."""
        seconds = time.perf_counter() - run.notes[id(self)]
        told = self.function(Epoch(student, run, seconds))
        return False if told is None else bool(told)


def as_callback(callback):
    """Return a function as a callback; what is none is returned as it is."""
    has_hooks = hasattr(callback, "on_fit_task_end")
    is_function = callable(callback) and not isinstance(callback, type) and not has_hooks
    return FunctionCallback(callback) if is_function else callback
