"""Adam over one flat parameter vector, in place."""

from __future__ import annotations

import numpy as np

__all__ = ["Adam", "has_diverged", "raise_if_diverged"]


class Adam:
    """Adam (Kingma and Ba, arXiv:1412.6980, algorithm 1) for one flat vector.

    Parameters
    ----------
    size : int
        Length of the parameter vector.
    dtype : dtype, default=numpy.float32
        Its dtype, and that of the two moments.
    learning_rate : float or ndarray that broadcasts to `size`, default=0.01
        Step size, positive; one for all parameters, or one for each. May be changed between steps.
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

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0])
    >>> adam = Adam(1, dtype=x.dtype, learning_rate=0.1)
    >>> adam.step(x, 2 * x)
    >>> x
    array([0.9])
    """

    def __init__(
        self, size, dtype=np.float32, *, learning_rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-8
    ):
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.first_moment = np.zeros(size, dtype)
        self.second_moment = np.zeros(size, dtype)
        self.n_steps = 0
        self._work = np.empty(size, dtype)

    def step(self, parameters, gradient):
        """Move `parameters` one step along `gradient`, in place; `gradient` is overwritten."""
        self.n_steps += 1
        work, first, second = self._work, self.first_moment, self.second_moment
        np.multiply(gradient, gradient, out=work)
        work *= 1 - self.beta_2
        second *= self.beta_2
        second += work
        gradient *= 1 - self.beta_1
        first *= self.beta_1
        first += gradient
        # The bias corrections go into two scalars: one pass over the vector less.
        correction = (1 - self.beta_2**self.n_steps) ** 0.5
        np.sqrt(second, out=work)
        work += self.epsilon * correction
        np.divide(first, work, out=work)
        work *= self.learning_rate * correction / (1 - self.beta_1**self.n_steps)
        parameters -= work


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
