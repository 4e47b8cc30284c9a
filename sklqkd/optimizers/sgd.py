"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from .._sklearn import Interval
from ..documentation import Documented
from .protocols import Start

__all__ = ["SGD"]


class SGD(Documented, BaseEstimator):
    """Stochastic gradient descent with momentum, as in scikit-learn's MLPClassifier.

    ``velocity = momentum * velocity - learning_rate * gradient``; a step is the velocity, or with
    Nesterov's momentum ``momentum * velocity - learning_rate * gradient``.

    Parameters
    ----------
    learning_rate : float, default=None
        Step size, positive; ``None`` for the student's `learning_rate_init`.
    momentum : float, default=0.9
        In [0, 1).
    nesterovs_momentum : bool, default=True
        Whether to look ahead.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.optimizers import SGD
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(optimizer=SGD(learning_rate=0.05), max_iter=5, random_state=0)
    >>> student.fit(X, y).score(X, y) > 0.5
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterovs_momentum": ["boolean"],
    }

    def __init__(self, *, learning_rate=None, momentum=0.9, nesterovs_momentum=True):
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum

    def _begin(self, start: Start):
        return SGDSteps(self, start)


class SGDSteps:
    """An :class:`SGD` at work in one fit."""

    needs_gradient: ClassVar[bool] = True
    is_resumable: ClassVar[bool] = True
    is_whole: ClassVar[bool] = False
    has_ended: ClassVar[bool] = False

    def __init__(self, settings: SGD, start: Start):
        rate = start.learning_rate if settings.learning_rate is None else settings.learning_rate
        self._rates = rate * start.scale
        self._momentum = start.scale.dtype.type(settings.momentum)
        self._is_nesterov = settings.nesterovs_momentum
        self._velocity = np.zeros_like(start.scale)
        self.n_steps = 0

    def step(self, parameters, gradient):
        """Move `parameters` one step, in place."""
        self.n_steps += 1
        drift = self._rates * gradient
        self._velocity *= self._momentum
        self._velocity -= drift
        parameters += (
            self._momentum * self._velocity - drift if self._is_nesterov else self._velocity
        )

    @property
    def moments(self) -> np.ndarray:
        """The velocity, (1, n_parameters)."""
        return self._velocity[None].copy()

    @moments.setter
    def moments(self, value):
        (self._velocity[:],) = value
