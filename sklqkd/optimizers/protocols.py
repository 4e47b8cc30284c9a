"""What an optimizer of the user's own has to offer, and what a fit makes of it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

__all__ = ["GradientFreeOptimizer", "GradientOptimizer", "OwnSteps", "Start", "check_own"]


class GradientOptimizer(Protocol):
    """An optimizer that turns gradients into steps.

    One that has ``get_state()``, which returns an array, and ``set_state(array)`` too can be gone
    on with from a :class:`sklqkd.callbacks.Checkpoint`.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> class SignDescent:
    ...     def step(self, parameters, gradient):
    ...         parameters -= 0.01 * np.sign(gradient)
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(optimizer=SignDescent(), max_iter=3, random_state=0).fit(X, y)
    >>> student.loss_curve_[2] < student.loss_curve_[0]
    True
    """

    def step(self, parameters: np.ndarray, gradient: np.ndarray) -> np.ndarray | None:
        """Take one step, for one mini-batch.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
            All that is trained, in single precision; to be changed in place, or left alone if the
            new ones are returned.
        gradient : ndarray of shape (n_parameters,)
            Of the mean loss of the mini-batch.

        Returns
        -------
        parameters : ndarray of shape (n_parameters,) or None
            The new ones; ``None`` if they were changed in place.
        """


class GradientFreeOptimizer(Protocol):
    """An optimizer that needs the loss alone: any backend will do, and it is asked little.

    Attributes
    ----------
    needs_gradient : bool
        False, which tells it from a :class:`GradientOptimizer`.

    Examples
    --------
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> class HillClimbing:
    ...     needs_gradient = False
    ...
    ...     def __init__(self):
    ...         self.rng = np.random.default_rng(0)
    ...
    ...     def step(self, parameters, loss):
    ...         tried = parameters + 0.05 * self.rng.normal(size=parameters.shape)
    ...         return tried if loss(tried) < loss(parameters) else parameters
    >>> X, y = load_digits(return_X_y=True)
    >>> student = QNNClassifier(optimizer=HillClimbing(), reducer="pca", max_iter=3, random_state=0)
    >>> losses = student.fit(X, y).loss_curve_
    >>> losses[2] < losses[0]
    True
    """

    needs_gradient: bool

    def step(
        self, parameters: np.ndarray, loss: Callable[[np.ndarray], float]
    ) -> np.ndarray | None:
        """Take one step, for one mini-batch.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
            All that is trained; to be changed in place, or left alone if the new ones are returned.
        loss : callable
            ``loss(parameters)`` is the mean loss of the mini-batch, which runs its circuits once,
            at any parameters of this shape.

        Returns
        -------
        parameters : ndarray of shape (n_parameters,) or None
            The new ones; ``None`` if they were changed in place.
        """


class Start(NamedTuple):
    """Where a fit starts.

    Attributes
    ----------
    scale : ndarray of shape (n_parameters,)
        How large a step of each parameter is beside that of others, 1 for most.
    learning_rate : float
        Of the student.
    tol : float
        Of the student.
    n_steps, n_epochs : int
        How many there will be at most.
    rng : numpy.random.Generator
    """

    scale: np.ndarray
    learning_rate: float
    tol: float
    n_steps: int
    n_epochs: int
    rng: np.random.Generator


class OwnSteps:
    """A copy of an optimizer of the user's own, at work in one fit.

    Parameters
    ----------
    optimizer : GradientOptimizer, GradientFreeOptimizer or optimizer of PennyLane
    n_parameters : int
    """

    is_whole: ClassVar[bool] = False
    has_ended: ClassVar[bool] = False

    def __init__(self, optimizer, n_parameters):
        self.own = copy.deepcopy(optimizer)
        self.needs_gradient = bool(getattr(optimizer, "needs_gradient", True))
        self.is_resumable = hasattr(optimizer, "get_state") and hasattr(optimizer, "set_state")
        self.n_steps = 0
        self._shape = (n_parameters,)

    def step(self, parameters, given):
        """Take one step; `given` is the gradient, or the loss as a function."""
        self.n_steps += 1
        if hasattr(self.own, "apply_grad"):
            from pennylane import numpy as pnp

            trained = pnp.array(parameters, requires_grad=True)
            (result,) = self.own.apply_grad((given,), (trained,))
        else:
            result = self.own.step(parameters, given)
        if result is None:
            return
        if np.shape(result) != self._shape:
            raise ValueError(
                f"optimizer.step of {type(self.own).__name__} returned an array of shape "
                f"{np.shape(result)}. Return the new parameters, of shape {self._shape}, or change "
                "them in place and return nothing."
            )
        parameters[:] = result

    @property
    def moments(self) -> np.ndarray:
        """What it knows of earlier steps, an array."""
        return np.asarray(self.own.get_state())

    @moments.setter
    def moments(self, value):
        self.own.set_state(value)


def check_own(optimizer) -> None:
    """Raise a ValueError unless an object obeys one of the protocols, or is one of PennyLane's.

    Examples
    --------
    >>> class Late:
    ...     def step(self, closure):
    ...         pass
    >>> check_own(Late())
    Traceback (most recent call last):
    ValueError: optimizer: the step method of Late must take (parameters, gradient)...
    """
    name = type(optimizer).__name__
    if isinstance(optimizer, type):
        raise ValueError(
            f"optimizer is the class {optimizer.__name__}. Pass an object of it: "
            f"{optimizer.__name__}()."
        )
    if type(optimizer).__module__.split(".")[0] == "pennylane":
        import pennylane as qml

        plain = qml.GradientDescentOptimizer
        if (
            not isinstance(optimizer, plain)
            or type(optimizer).step is not plain.step
            or type(optimizer).compute_grad is not plain.compute_grad
        ):
            raise ValueError(
                f"optimizer={name} of PennyLane asks for circuits of its own. Those that turn a "
                "gradient into a step will do: GradientDescentOptimizer, MomentumOptimizer, "
                "AdagradOptimizer, RMSPropOptimizer, AdamOptimizer; or 'sgd', 'spsa' and the "
                "others of sklqkd.optimizers."
            )
        return
    if not callable(getattr(optimizer, "step", None)):
        raise ValueError(
            "The 'optimizer' parameter must be 'adam', 'sgd', 'spsa', 'lbfgs', 'cobyla', or an "
            "object with a method step(parameters, gradient), see "
            f"sklqkd.optimizers.GradientOptimizer. It is {optimizer!r}."
        )
    try:
        inspect.signature(optimizer.step).bind(None, None)
        takes_two = not _is_of_torch(optimizer)
    except TypeError:
        takes_two = False
    except ValueError:  # of a function in C, which nobody can look at
        takes_two = True
    if not takes_two:
        raise ValueError(
            f"optimizer: the step method of {name} must take (parameters, gradient), or "
            "(parameters, loss) where its needs_gradient is False. See "
            "sklqkd.optimizers.GradientOptimizer."
        )


def _is_of_torch(optimizer):
    """Return whether it is one of torch, whose step is wrapped to take anything."""
    return any(kind.__module__.startswith("torch.optim") for kind in type(optimizer).__mro__)
