"""Ordinary layers in the place of the circuit: the middle part of the classical students.

They obey :class:`sklqkd.training.Middle`, and squash their features with tanh, as every encoding
does.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..reducers.front_ends import LinearFrontEnd
from ..training import Network

__all__ = [
    "HiddenArchitecture",
    "HiddenLayer",
    "LinearArchitecture",
    "SquashLayer",
    "matched_hidden_units",
]

#: Numbers per chunk of a prediction: bounds its memory, whatever the number of rows.
CHUNK = 2**20


class SquashLayer:
    """``tanh(features)``, nothing else; obeys :class:`sklqkd.training.Middle`.

    Parameters
    ----------
    n_features : int

    Examples
    --------
    >>> import numpy as np
    >>> SquashLayer(2).values(np.array([[0.0, 100.0]]))
    array([[0.],
           [1.]])
    """

    n_weights = 0

    def __init__(self, n_features: int):
        self.permutation = np.arange(n_features)
        self.n_rows: int | None = max(1, CHUNK // n_features)

    def prepare(self, weights):
        """See :class:`sklqkd.training.Middle`; there are no weights."""

    def values(self, features, keep=True):
        """See :class:`sklqkd.training.Middle`."""
        self._squashed = np.tanh(features)
        return self._squashed.T

    def backward(self, gradient, with_input):
        """See :class:`sklqkd.training.Middle`."""
        nothing = np.empty(0, gradient.dtype)
        return nothing, gradient.T * (1 - self._squashed**2) if with_input else None


class HiddenLayer:
    """``tanh(tanh(features) @ coef.T + intercept)``; obeys :class:`sklqkd.training.Middle`.

    Its weights are those of :class:`sklqkd.reducers.front_ends.LinearFrontEnd`, in the same units:
    they start, and a step of Adam moves them, as those of the "fc" reducer.

    Parameters
    ----------
    n_features, n_units : int

    Attributes
    ----------
    n_features, n_units : int
    n_weights : int
        ``n_units * (n_features + 1)``.
    """

    def __init__(self, n_features: int, n_units: int):
        self.n_features, self.n_units = n_features, n_units
        self._squash = SquashLayer(n_features)
        self._linear = LinearFrontEnd(n_features, n_units)
        self.n_weights = self._linear.n_parameters
        self.permutation = np.arange(n_units)
        self.n_rows: int | None = max(1, CHUNK // (n_features + n_units))

    def initial_weights(self, rng: np.random.Generator) -> np.ndarray:
        """Return random weights, shape (n_weights,)."""
        return self._linear.initial_weights(rng)

    def split(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the coefficients, (n_units, n_features), and the intercepts, (n_units,)."""
        coef, intercept = np.split(weights, [self.n_units * self.n_features])
        scale = weights.dtype.type(self._linear.scale)
        return scale * coef.reshape(self.n_units, self.n_features), intercept

    def prepare(self, weights):
        """See :class:`sklqkd.training.Middle`."""
        self._coef, _ = self.split(weights)
        self._gradient = np.empty_like(weights)
        self._linear.bind(weights, self._gradient)

    def values(self, features, keep=True):
        """See :class:`sklqkd.training.Middle`."""
        squashed = self._squash.values(features).T
        self._hidden = np.tanh(self._linear.forward(squashed))
        return self._hidden.T

    def backward(self, gradient, with_input):
        """See :class:`sklqkd.training.Middle`."""
        before = gradient.T * (1 - self._hidden**2)
        self._linear.backward(before)
        _, of_features = self._squash.backward(self._coef.T @ before.T, with_input)
        return self._gradient, of_features


class LinearArchitecture:
    """Squashed features, then the head; obeys :class:`sklqkd.students.training_run.Architecture`.

    The head sees sqrt(n_features) times the squashed features, since those of most reducers have a
    norm of about 1: as 2^n times the probabilities, its inputs are about 1, and it trains at the
    same speed for any number of them.

    Parameters
    ----------
    n_components : int
        Number of features that a reducer is asked for.
    dtype : dtype, default=numpy.float32
    """

    is_classical = True
    step_bytes = 0

    def __init__(self, n_components, dtype=np.float32):
        self.settings = {"layers_": {"n_components": n_components}}
        self.n_components = int(n_components)
        self.asks = f"n_components={n_components} of the student says"
        self._dtype = dtype

    def check_width(self, n_features, reducer):
        """See :meth:`sklqkd.students.training_run.Architecture.check_width`; any number will do."""

    def doubts(self, features, y):
        """See :meth:`sklqkd.students.training_run.Architecture.doubts`; there are none."""

    def network(self, n_features, n_classes, front_end=None):
        """See :meth:`sklqkd.students.training_run.Architecture.network`."""
        layer, scale = SquashLayer(n_features), sqrt(n_features)
        return Network(layer, scale, n_classes, front_end=front_end, dtype=self._dtype)

    def fitted(self, network):
        """See :meth:`sklqkd.students.training_run.Architecture.fitted`."""
        return {
            "n_components_": network.n_outputs,
            "n_parameters_": {"quantum": 0, "classical": network.size},
        }


class HiddenArchitecture(LinearArchitecture):
    """Squashed features, a hidden layer, the head.

    Parameters
    ----------
    n_components : int
        Number of features that a reducer is asked for.
    hidden_units : int or None
    dtype : dtype, default=numpy.float32
    """

    def __init__(self, n_components, hidden_units, dtype=np.float32):
        super().__init__(n_components, dtype)
        self.settings["layers_"]["hidden_units"] = hidden_units
        self._hidden_units = hidden_units

    def network(self, n_features, n_classes, front_end=None):
        """See :meth:`sklqkd.students.training_run.Architecture.network`."""
        n_units = int(self._hidden_units or matched_hidden_units(n_features, n_classes))
        layer = HiddenLayer(n_features, n_units)
        return Network(
            layer,
            1.0,
            n_classes,
            front_end=front_end,
            dtype=self._dtype,
            initial_weights=layer.initial_weights,
        )

    def fitted(self, network):
        """See :meth:`sklqkd.students.training_run.Architecture.fitted`."""
        return {
            **super().fitted(network),
            "n_components_": network.middle.n_features,
            "hidden_units_": network.n_outputs,
        }


def matched_hidden_units(n_features, n_classes, *, n_qubits=None, n_layers=3):
    """Return how many hidden units make a network as large as a quantum student.

    Behind the same reducer, n qubits with L strongly entangling layers, all 2^n probabilities and
    the linear head for C classes have ``3 n L + C 2^n + C`` parameters; d features, H hidden units
    and the head have ``H (d + 1) + C H + C``. The closest H is the rounded value of
    ``(3 n L + C 2^n) / (d + 1 + C)``.

    Parameters
    ----------
    n_features : int
        d, what the reducer gives.
    n_classes : int
        C.
    n_qubits : int, default=None
        n; ``None`` for as many as amplitude encoding needs for the features, the next integer to
        ``log2(d)``.
    n_layers : int, default=3
        L.

    Returns
    -------
    n_units : int
        At least 1.

    Examples
    --------
    >>> matched_hidden_units(16, 10)  # 199 parameters; 4 qubits and 3 layers have 206
    7
    """
    if n_qubits is None:
        n_qubits = max(1, (n_features - 1).bit_length())
    wanted = 3 * n_qubits * n_layers + n_classes * 2**n_qubits
    return max(1, round(wanted / (n_features + 1 + n_classes)))
