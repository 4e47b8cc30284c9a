"""SciPy's minimizers, one iteration at a time.

SciPy runs a minimization in one call. A fit has epochs, after which it may look at held-out images,
call its callbacks, or stop. So the call is made in a thread that does nothing but SciPy's own
arithmetic: for each value of the loss, and after each iteration, it waits for the fit.
"""

from __future__ import annotations

import weakref
from queue import SimpleQueue
from threading import Thread
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from .._sklearn import StrOptions
from ..documentation import Documented
from .protocols import Start

__all__ = ["ScipyMinimizer"]

WITH_GRADIENT = frozenset(("BFGS", "CG", "L-BFGS-B"))
WITHOUT_GRADIENT = frozenset(("COBYLA", "COBYQA", "Nelder-Mead", "Powell"))
_STOP = object()
_GO = object()


class ScipyMinimizer(Documented, BaseEstimator):
    """A method of :func:`scipy.optimize.minimize`, on the loss of all images at once.

    An epoch is one iteration, as SciPy counts them, and may take several values of the loss;
    `batch_size`, `shuffle` and `learning_rate_init` of the student do not matter, nor, without
    `early_stopping`, does `n_iter_no_change`: a fit ends where SciPy says that it has converged,
    or after `max_iter` iterations. The loss is computed in double precision and without dropout.

    Parameters
    ----------
    method : {"BFGS", "CG", "COBYLA", "COBYQA", "L-BFGS-B", "Nelder-Mead", "Powell"}, \
default="L-BFGS-B"
        COBYLA, COBYQA, Nelder-Mead and Powell need no gradient, and are for few parameters: COBYLA
        evaluates the loss once for each of them before its first iteration.
    options : dict, default=None
        Of the method. Unless given, "gtol" (L-BFGS-B, BFGS, CG) and the final size of steps (the
        others) are the student's `tol`.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.optimizers import ScipyMinimizer
    >>> X, y = load_digits(return_X_y=True)
    >>> lbfgs = ScipyMinimizer("L-BFGS-B", options={"maxcor": 20})
    >>> student = QNNClassifier(optimizer=lbfgs, reducer="pca", max_iter=30, random_state=0)
    >>> student.fit(X, y).score(X, y) > 0.8
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "method": [StrOptions(set(WITH_GRADIENT | WITHOUT_GRADIENT))],
        "options": [dict, None],
    }

    def __init__(self, method="L-BFGS-B", *, options=None):
        self.method = method
        self.options = options

    @property
    def needs_gradient(self):
        """Whether the method asks for gradients."""
        return self.method in WITH_GRADIENT

    def _begin(self, start: Start):
        return ScipySteps(self, start)


class ScipySteps:
    """A :class:`ScipyMinimizer` at work in one fit."""

    is_resumable: ClassVar[bool] = False
    is_whole: ClassVar[bool] = True

    def __init__(self, settings: ScipyMinimizer, start: Start):
        self.needs_gradient = settings.needs_gradient
        self.has_ended = False
        self.n_steps = 0
        self._method = settings.method
        self._tol = start.tol or None
        size = len(start.scale)
        # The fit counts iterations; COBYLA counts values of the loss.
        options: dict[str, Any] = {"maxiter": 10 * (start.n_epochs + size) + 100}
        if self.needs_gradient:
            options["gtol"], self._tol = start.tol, None
        if self._method == "L-BFGS-B":
            options["maxfun"] = 100 * options["maxiter"]
        self._options = options | (settings.options or {})
        self._thread: Thread | None = None
        self._questions: SimpleQueue = SimpleQueue()
        self._answers: SimpleQueue = SimpleQueue()
        self._wanted: tuple[str, Any] = ("", None)

    def iterate(self, parameters, evaluate):
        """Run one iteration.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
            Where the first iteration begins.
        evaluate : callable
            ``evaluate(parameters)`` returns the loss, and the gradient if that is needed.

        Returns
        -------
        parameters : ndarray of shape (n_parameters,)
            The best so far, as SciPy sees it.
        loss : float
        """
        if self._thread is None:
            self._begin(np.array(parameters, float))
        self.n_steps += 1
        while True:
            kind, value = self._wanted
            if kind == "error":
                raise value
            if kind == "end":
                self.has_ended = True
                return value
            if kind == "value":
                self._answers.put(evaluate(value))
            else:
                self._answers.put(_GO)
            self._wanted = self._questions.get()
            if kind == "iteration":
                if self._wanted[0] == "end":
                    self.has_ended = True
                return value

    def _begin(self, start):
        given = self._questions, self._answers, start, self.needs_gradient, self._method
        self._thread = Thread(
            target=_work, args=(*given, self._tol, self._options), name="sklqkd-scipy", daemon=True
        )
        # A fit that is given up leaves no thread behind.
        weakref.finalize(self, self._answers.put, _STOP)
        self._thread.start()
        self._wanted = self._questions.get()


class _StoppedError(BaseException):
    """Ends SciPy's call in a fit that was given up."""


def _work(questions, answers, start, needs_gradient, method, tol, options):
    from scipy.optimize import minimize

    def ask(question):
        questions.put(question)
        answer = answers.get()
        if answer is _STOP:
            raise _StoppedError
        return answer

    def end_iteration(intermediate_result):
        ask(("iteration", (intermediate_result.x.copy(), float(intermediate_result.fun))))

    try:
        result = minimize(
            lambda x: ask(("value", x.copy())),
            start,
            jac=needs_gradient or None,
            method=method,
            tol=tol,
            callback=end_iteration,
            options=options,
        )
        questions.put(("end", (result.x, float(result.fun))))
    except _StoppedError:
        pass
    except Exception as error:
        questions.put(("error", error))
