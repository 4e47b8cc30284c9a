"""Simultaneous perturbation stochastic approximation: steps from two noisy values of the loss."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from .._sklearn import Interval
from ..documentation import Documented
from .protocols import Start

__all__ = ["SPSA"]

#: Steps whose mean slope sets the unit of the learning rate.
CALIBRATING = 25
#: The most of these units that a slope counts for.
LARGEST = 5.0


class SPSA(Documented, BaseEstimator):
    """Simultaneous perturbation stochastic approximation, which needs no gradient.

    Step k = 0, 1, ... evaluates the loss of a mini-batch twice, whatever the number of parameters:
    at ``theta + c_k delta`` and ``theta - c_k delta`` with random signs delta. Their difference
    divided by 2 c_k is the slope d_k along delta, and theta moves by ``-a_k d_k / m delta``. The
    gains are Spall's, ``a_k = learning_rate ((A + 1) / (A + k + 1))^alpha`` and ``c_k =
    perturbation / (k + 1)^gamma``, with A a tenth of all steps. m, the mean size of the slopes of
    the first 25 steps, stands in for his calibration: the first step moves each parameter by the
    learning rate, whatever the loss is measured in. A slope of more than 5 m counts as 5 m.

    Parameters
    ----------
    learning_rate : float, default=None
        How far the first step moves each parameter, positive; ``None`` for the student's
        `learning_rate_init`.
    perturbation : float, default=0.1
        The first one, c_0, positive. Larger ones drown the noise of few shots, and blur the loss.
    alpha : float, default=0.602
        Decay of the steps, in (0, 1].
    gamma : float, default=0.101
        Decay of the perturbations, in (0, 1].
    stability : float, default=0.1
        A, as a share of all steps: of `max_iter` epochs of a fit.

    References
    ----------
    Spall, "Implementation of the simultaneous perturbation algorithm for stochastic optimization",
    IEEE Trans. Aerosp. Electron. Syst. 34, 817 (1998).

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.optimizers import SPSA
    >>> X, y = load_digits(return_X_y=True)
    >>> shots = {"backend": "default.qubit", "shots": 100, "reducer": "pca", "n_qubits": 2}
    >>> student = QNNClassifier(optimizer=SPSA(), max_iter=5, random_state=0, **shots)
    >>> losses = student.fit(X, y).loss_curve_
    >>> losses[4] < losses[0]
    True
    """

    needs_gradient: ClassVar[bool] = False
    _parameter_constraints: ClassVar[dict] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "perturbation": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, 1, closed="right")],
        "gamma": [Interval(Real, 0, 1, closed="right")],
        "stability": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self, *, learning_rate=None, perturbation=0.1, alpha=0.602, gamma=0.101, stability=0.1
    ):
        self.learning_rate = learning_rate
        self.perturbation = perturbation
        self.alpha = alpha
        self.gamma = gamma
        self.stability = stability

    def _begin(self, start: Start):
        return SPSASteps(self, start)


class SPSASteps:
    """An :class:`SPSA` at work in one fit."""

    needs_gradient: ClassVar[bool] = False
    is_resumable: ClassVar[bool] = True
    is_whole: ClassVar[bool] = False
    has_ended: ClassVar[bool] = False

    def __init__(self, settings: SPSA, start: Start):
        self._settings, self._start = settings, start
        rate = settings.learning_rate
        self._rate = start.learning_rate if rate is None else rate
        self._offset = settings.stability * start.n_steps + 1
        self._slopes = np.zeros(2)  # the sum of their sizes, and their number
        self.n_steps = 0

    def step(self, parameters, loss):
        """Move `parameters` one step, in place; return the mean of the two losses."""
        settings, scale = self._settings, self._start.scale
        signs = self._start.rng.choice(np.array([-1, 1], scale.dtype), len(parameters)) * scale
        width = settings.perturbation / (self.n_steps + 1) ** settings.gamma
        shift = scale.dtype.type(width) * signs
        above, below = loss(parameters + shift), loss(parameters - shift)
        slope = (above - below) / (2 * width)
        if self._slopes[1] < CALIBRATING:
            self._slopes += [abs(slope), 1]
        total, number = self._slopes
        gain = self._rate * (self._offset / (self._offset + self.n_steps)) ** settings.alpha
        if total > 0:
            relative = np.clip(slope * number / total, -LARGEST, LARGEST)
            parameters -= scale.dtype.type(gain * relative) * signs
        self.n_steps += 1
        return (above + below) / 2

    @property
    def moments(self) -> np.ndarray:
        """The sum of the sizes of the first slopes, and their number, (2,)."""
        return self._slopes.copy()

    @moments.setter
    def moments(self, value):
        self._slopes[:] = value
