"""The trained network of a student: front-end, middle part, read-out and linear head.

The middle part is a circuit on one of the backends of :mod:`sklqkd.simulation`; the classical
students, whose loop this is too, have an ordinary layer in its place.

Everything that is trained lies in one flat parameter vector, and so do its gradient and the state
of its optimiser. A :class:`Network` lives as long as a fit or a prediction; what an estimator keeps
is the vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

__all__ = ["MEASUREMENTS", "Middle", "Network", "readout_matrix"]

MEASUREMENTS = ("probs", "expval")


class Middle(Protocol):
    """What a :class:`Network` asks of what lies between the features and the head.

    Attributes
    ----------
    n_weights : int
        Length of its flat weight vector.
    permutation : ndarray of int, shape (n_values,)
        Row ``permutation[k]`` of its values is that of value k, which a circuit's is the
        probability of basis state k.
    n_rows : int or None
        Rows per call of a prediction; None for all of them at once.
    """

    n_weights: int
    permutation: np.ndarray
    n_rows: int | None

    def prepare(self, weights: np.ndarray) -> None:
        """Take the weights, shape (n_weights,), for the calls that follow."""

    def values(self, features: np.ndarray, keep: bool = True) -> np.ndarray:
        """Return the values, (n_values, n_samples); keep what `backward` needs."""

    def backward(
        self, gradient: np.ndarray, with_input: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Pull back a loss's gradient for the last values, (n_values, n_samples).

        Returns those for the weights, (n_weights,), and for the features, (n_samples, n_features)
        (None if `with_input` is false).
        """


def readout_matrix(measurement: str, n_qubits: int) -> np.ndarray | float:
    """Return the matrix from basis-state probabilities to measured values.

    Parameters
    ----------
    measurement : {"probs", "expval"}
        All 2^n probabilities, in units of the uniform one (2^n p, so that they are about 1 and the
        head trains at the same speed for every n); or the expectation of Pauli Z on each qubit.
    n_qubits : int

    Returns
    -------
    matrix : ndarray of shape (n_qubits, 2^n), or a float that stands for its multiple of identity

    Examples
    --------
    >>> readout_matrix("expval", 2)
    array([[ 1.,  1., -1., -1.],
           [ 1., -1.,  1., -1.]])
    """
    if measurement == "probs":
        return 2.0**n_qubits
    basis = np.arange(2**n_qubits)
    shifts = np.arange(n_qubits - 1, -1, -1)[:, None]
    return 1.0 - 2.0 * (basis >> shifts & 1)


class Network:
    """Logits of a batch of images, and the gradient of a loss through all of it.

    Parameters
    ----------
    middle : Middle
        Encoding and ansatz, or what stands in their place.
    measurement : {"probs", "expval"}, float or ndarray of shape (n_outputs, n_values)
        What the head sees of a circuit, as in :func:`readout_matrix`; or all values of the middle
        part, times this number; or this matrix times them.
    n_classes : int
    front_end : FrontEnd or None, default=None
        Trained layers before the encoding; None if `X` holds the features already.
    dtype : dtype, default=numpy.float32
        Of the parameters, float32 or float64.
    initial_weights : callable, default=None
        Draws the first weights of the middle part from a generator; ``None`` for angles uniform in
        [0, 2 pi).

    Attributes
    ----------
    size : int
        Number of parameters.
    parameters, gradient : ndarray of shape (size,)
        The flat vectors: front-end, middle part, head coefficients (n_classes, n_outputs),
        head intercepts (n_classes,).
    ends : ndarray of int, shape (4,)
        Where each of these parts ends.
    order : ndarray of int, shape (n_values,)
        Where each value of the middle part is among those that a head for all of them sees.
    """

    def __init__(
        self,
        middle: Middle,
        measurement: str | float | np.ndarray,
        n_classes: int,
        *,
        front_end=None,
        dtype=np.float32,
        initial_weights: Callable[[np.random.Generator], np.ndarray] | None = None,
    ):
        self.front_end = front_end
        self.middle = middle
        self._encoding: Any = getattr(middle, "encoding", None)
        self.n_classes = n_classes
        self.dtype = np.dtype(dtype)
        self._initial_weights = initial_weights or self._random_angles
        self._permutation = middle.permutation
        self.order = np.argsort(self._permutation)
        n_values = len(self._permutation)
        readout: np.ndarray | float = (
            readout_matrix(measurement, n_values.bit_length() - 1)
            if isinstance(measurement, str)
            else measurement
        )
        self._is_scaled = not isinstance(readout, np.ndarray)
        self.n_outputs = n_values
        if isinstance(readout, np.ndarray):
            self.n_outputs = len(readout)
            readout = readout[:, self.order]
        self._readout = np.asarray(readout, dtype)
        sizes = [
            front_end.n_parameters if front_end is not None else 0,
            middle.n_weights,
            n_classes * self.n_outputs,
            n_classes,
        ]
        self.ends = np.cumsum(sizes)
        self.size = int(self.ends[-1])

    def learning_rates(self, learning_rate: float) -> float | np.ndarray:
        """Return the learning rate of each parameter, or one number if it is the same for all."""
        if self.front_end is None or self.front_end.step_size == 1:
            return learning_rate
        rates = np.full(self.size, learning_rate, self.dtype)
        rates[: self.ends[0]] *= self.front_end.step_size
        return rates

    def parts(self, vector: np.ndarray) -> list[np.ndarray]:
        """Return views of `vector`: front-end, middle part, head coefficients, intercepts."""
        front_end, weights, coef, intercept = np.split(vector, self.ends[:-1])
        return [front_end, weights, coef.reshape(self.n_classes, self.n_outputs), intercept]

    def initial_parameters(self, rng: np.random.Generator) -> np.ndarray:
        """Return random parameters; the head's coefficients lie in +-1/sqrt(fan-in)."""
        parameters = np.zeros(self.size, self.dtype)
        front_end, weights, coef, _ = self.parts(parameters)
        if self.front_end is not None:
            front_end[:] = self.front_end.initial_weights(rng)
        weights[:] = self._initial_weights(rng)
        bound = 1 / np.sqrt(self.n_outputs)
        coef[:] = rng.uniform(-bound, bound, coef.shape)
        return parameters

    def _random_angles(self, rng):
        return rng.uniform(0, 2 * np.pi, self.middle.n_weights)

    def bind(self, parameters: np.ndarray) -> None:
        """Work on `parameters` from now on, in place, in the network's dtype."""
        self.parameters = np.ascontiguousarray(parameters, self.dtype)
        self.gradient = np.zeros_like(self.parameters)
        front_end, self._weights, self._coef, self._intercept = self.parts(self.parameters)
        gradients = self.parts(self.gradient)
        if self.front_end is not None:
            self.front_end.bind(front_end, gradients[0])
        _, self._weights_gradient, self._coef_gradient, self._intercept_gradient = gradients

    def logits(
        self, X: np.ndarray, rng: np.random.Generator | None = None, keep: bool = True
    ) -> np.ndarray:
        """Return the logits of a batch, (n_samples, n_classes), keeping what `backward` needs.

        A generator switches the front-end to training mode (dropout).
        """
        self._prepare()
        return self._forward(X, rng, keep)

    def _prepare(self):
        """Compute what depends on the parameters alone."""
        self.middle.prepare(self._weights)
        self._head = self.head(self._coef)

    def head(self, coef: np.ndarray) -> np.ndarray:
        """Return the matrix from the middle part's values to logits, (n_classes, n_values)."""
        if not self._is_scaled:
            return coef @ self._readout
        head = coef.take(self.order, axis=-1)
        head *= self._readout
        return head

    def readout_parts(self) -> tuple[np.ndarray, float]:
        """Return the matrix from values to outputs, (n_outputs, n_values), and a factor.

        The matrix has no rows where outputs are the values times the factor, in another order.
        """
        if self._is_scaled:
            return np.empty((0, len(self.order)), self.dtype), float(self._readout)
        return np.ascontiguousarray(self._readout), 1.0

    def coef_gradient(self, head_gradient: np.ndarray) -> np.ndarray:
        """Pull a gradient for :meth:`head` back to the coefficients."""
        if not self._is_scaled:
            return head_gradient @ self._readout.T
        gradient = head_gradient.take(self._permutation, axis=-1)
        gradient *= self._readout
        return gradient

    @property
    def can_have_states(self) -> bool:
        """Whether states that encode images can be read, and what is before them be trained."""
        return self.front_end is not None and self._encoding is not None

    def states(self) -> np.ndarray:
        """Return the states that encode the images of the last `logits`, (2^n, n_samples)."""
        return self._encoding.forward(self._features)

    def _forward(self, X, rng=None, keep=True):
        features = X if self.front_end is None else self.front_end.forward(X, rng)
        self._features = features
        values = self.middle.values(features, keep)
        self._values = np.asarray(values, self.dtype)
        logits = self._values.T @ self._head.T
        logits += self._intercept
        return logits

    def backward(self, grad_logits: np.ndarray, grad_states: np.ndarray | None = None) -> None:
        """Overwrite `gradient` with that of the last `logits`.

        Parameters
        ----------
        grad_logits : ndarray of shape (n_samples, n_classes)
            The loss's for the logits.
        grad_states : ndarray of shape (2^n, n_samples), default=None
            The loss's for the last `states`.
        """
        np.add.reduce(grad_logits, axis=0, out=self._intercept_gradient)
        head_gradient = grad_logits.T @ self._values.T
        self._coef_gradient[...] = self.coef_gradient(head_gradient)
        grad_values = self._head.T @ grad_logits.T
        with_input = self.front_end is not None
        if not (with_input or self.middle.n_weights):
            return
        gradient, grad_features = self.middle.backward(grad_values, with_input)
        self._weights_gradient[...] = gradient
        if grad_states is not None:
            grad_features = grad_features + self._encoding.backward(grad_states)
        if grad_features is not None:
            self.front_end.backward(np.asarray(grad_features, self.dtype))

    def predict_logits(self, X: np.ndarray) -> np.ndarray:
        """Return the logits of any number of rows, in chunks of bounded memory."""
        rows = self.middle.n_rows or max(1, len(X))
        logits = np.empty((len(X), self.n_classes), self.dtype)
        self._prepare()
        for start in range(0, len(X), rows):
            chunk = np.asarray(X[start : start + rows], self.dtype)
            logits[start : start + rows] = self._forward(chunk, keep=False)
        return logits
