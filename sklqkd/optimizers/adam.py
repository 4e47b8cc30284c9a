"""Adam over one flat parameter vector, in place."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..statevector.compilation import compiled, inlined

__all__ = ["Adam", "adam", "has_diverged", "raise_if_diverged"]


class Adam:
    """Adam (Kingma and Ba, arXiv:1412.6980, algorithm 1) for one flat vector.

    Parameters
    ----------
    size : int
        Length of the parameter vector.
    dtype : dtype, default=numpy.float32
        Its dtype, and that of the two moments: float32 or float64.
    learning_rate : float or ndarray of shape (size,), default=0.01
        Step size, positive; one for all parameters, or one for each.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the first and the second moment, in [0, 1).
    epsilon : float, default=1e-8
        Added to the square root of the second moment.

    Attributes
    ----------
    first_moment, second_moment : ndarray of shape (size,)
        Running means of the gradient and of its square.
    n_steps : int
        Number of steps taken.
    rates : ndarray of shape (size,)
        `learning_rate`.
    constants : tuple of float
        `beta_1`, `beta_2` and `epsilon`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0])
    >>> adam = Adam(1, dtype=x.dtype, learning_rate=0.1)
    >>> adam.step(x, 2 * x)
    >>> x
    array([0.9])
    """

    needs_gradient: ClassVar[bool] = True
    is_resumable: ClassVar[bool] = True
    is_whole: ClassVar[bool] = False
    has_ended: ClassVar[bool] = False

    def __init__(
        self, size, dtype=np.float32, *, learning_rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-8
    ):
        self.rates = np.full(size, learning_rate, dtype)
        self.constants = beta_1, beta_2, epsilon
        self.first_moment = np.zeros(size, dtype)
        self.second_moment = np.zeros(size, dtype)
        self.n_steps = 0

    def step(self, parameters, gradient):
        """Move `parameters` one step along `gradient`, in place."""
        self.n_steps += 1
        _step(
            parameters,
            gradient,
            self.first_moment,
            self.second_moment,
            self.rates,
            self.n_steps,
            self.constants,
        )

    @property
    def moments(self) -> np.ndarray:
        """Both moments, (2, size)."""
        return np.stack([self.first_moment, self.second_moment])

    @moments.setter
    def moments(self, value):
        self.first_moment[:], self.second_moment[:] = value


@inlined
def adam(parameters, gradient, first, second, rates, n_steps, constants):
    """Take step number `n_steps` of :class:`Adam`, in one pass over the vectors."""
    beta_1, beta_2, epsilon = constants
    real = parameters.dtype.type
    # The bias corrections go into two scalars.
    correction = (1 - beta_2**n_steps) ** 0.5
    offset = real(epsilon * correction)
    factor = real(correction / (1 - beta_1**n_steps))
    keep_1, keep_2 = real(beta_1), real(beta_2)
    add_1, add_2 = real(1 - beta_1), real(1 - beta_2)
    for k in range(len(parameters)):
        slope = gradient[k]
        first[k] = keep_1 * first[k] + add_1 * slope
        second[k] = keep_2 * second[k] + add_2 * slope * slope
        parameters[k] -= factor * rates[k] * first[k] / (np.sqrt(second[k]) + offset)


@compiled
def _step(parameters, gradient, first, second, rates, n_steps, constants):
    adam(parameters, gradient, first, second, rates, n_steps, constants)


def has_diverged(*numbers) -> bool:
    """Return whether training has led to numbers that are not finite.

    Parameters
    ----------
    *numbers : float or ndarray
        The loss, the parameters, Adam's second moment: where the last is infinite, nothing moves.
    """
    return not all(np.isfinite(number).all() for number in numbers)


def raise_if_diverged(*numbers):
    """Raise a ValueError if :func:`has_diverged` says so of the numbers."""
    if has_diverged(*numbers):
        raise ValueError(
            "Training diverged: the loss, a weight or a gradient is beyond float32. Lower "
            "learning_rate_init, and scale the images to about [0, 1]."
        )
