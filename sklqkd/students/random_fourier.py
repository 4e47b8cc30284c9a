"""A classical student with random Fourier features: a fixed random layer in the circuit's place."""

from __future__ import annotations

import numpy as np

from ..training import Network
from .classical import DistilledMLPClassifier
from .layers import CHUNK, HiddenArchitecture, SquashLayer, matched_hidden_units

__all__ = ["DistilledFourierClassifier", "FourierLayer"]

#: The kernel that many random features come down to is exp(-GAMMA ||x - x'||^2) of the squashed
#: features; cos^2(pi (x - x') / 2), the fidelity of angle encoding, falls off twice as fast.
GAMMA = 1.0


class FourierLayer:
    """``sqrt(2) cos(W tanh(features) + b)``, with W and b random; :class:`sklqkd.training.Middle`.

    W and b are among the weights, so that a student keeps them, and have no gradient.

    Parameters
    ----------
    n_features, n_units : int

    Attributes
    ----------
    n_features, n_units : int
    n_weights : int
        ``n_units * (n_features + 1)``, none of them trained.
    """

    def __init__(self, n_features: int, n_units: int):
        self.n_features, self.n_units = n_features, n_units
        self.n_weights = n_units * (n_features + 1)
        self._squash = SquashLayer(n_features)
        self.permutation = np.arange(n_units)
        self.n_rows: int | None = max(1, CHUNK // (n_features + n_units))

    def initial_weights(self, rng: np.random.Generator) -> np.ndarray:
        """Return W and b, shape (n_weights,)."""
        coef = np.sqrt(2 * GAMMA) * rng.normal(size=self.n_units * self.n_features)
        return np.append(coef, rng.uniform(0, 2 * np.pi, self.n_units))

    def split(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return W, (n_units, n_features), and b, (n_units,)."""
        coef, intercept = np.split(weights, [self.n_units * self.n_features])
        return coef.reshape(self.n_units, self.n_features), intercept

    def prepare(self, weights):
        """See :class:`sklqkd.training.Middle`."""
        self._coef, self._intercept = self.split(weights)

    def values(self, features, keep=True):
        """See :class:`sklqkd.training.Middle`."""
        squashed = self._squash.values(features).T
        self._phases = squashed @ self._coef.T + self._intercept
        return np.sqrt(2).astype(self._phases.dtype) * np.cos(self._phases.T)

    def backward(self, gradient, with_input):
        """See :class:`sklqkd.training.Middle`."""
        untrained = np.zeros(self.n_weights, gradient.dtype)
        if not with_input:
            return untrained, None
        towards = -np.sqrt(2).astype(gradient.dtype) * np.sin(self._phases.T) * gradient
        return untrained, self._squash.backward(self._coef.T @ towards, True)[1]


class FourierArchitecture(HiddenArchitecture):
    """Squashed features, random Fourier features, the head."""

    def network(self, n_features, n_classes, front_end=None):
        """See :meth:`sklqkd.students.training_run.Architecture.network`."""
        n_units = self._hidden_units
        if n_units is None:
            as_large = matched_hidden_units(n_features, n_classes) * (n_features + 1 + n_classes)
            n_units = max(1, round(as_large / n_classes))
        layer = FourierLayer(n_features, int(n_units))
        options = {"front_end": front_end, "initial_weights": layer.initial_weights}
        return Network(layer, 1.0, n_classes, dtype=self._dtype, **options)

    def fitted(self, network):
        """See :meth:`sklqkd.students.training_run.Architecture.fitted`."""
        trained = network.size - network.middle.n_weights
        return {**super().fitted(network), "n_parameters_": {"quantum": 0, "classical": trained}}


class DistilledFourierClassifier(DistilledMLPClassifier):
    """Random Fourier features of reduced images under a linear head, with a teacher or without.

    The student of :class:`sklqkd.DistilledMLPClassifier` with another hidden layer: ``sqrt(2)
    cos(W x + b)`` of squashed features x, whose W and b are drawn and stay. Many of them make the
    head a kernel machine with a Gaussian kernel.

    The parameters are those of :class:`sklqkd.DistilledMLPClassifier`; `hidden_units` is the number
    of random features, ``None`` for as many trained parameters as its own have.

    References
    ----------
    Rahimi and Recht, "Random features for large-scale kernel machines", NeurIPS 2007.

    Examples
    --------
    >>> from sklqkd.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> student = DistilledFourierClassifier(lam=0, max_iter=20, random_state=0)
    >>> student.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.85
    True
    >>> student.hidden_units_, student.n_parameters_
    (19, {'quantum': 0, 'classical': 1240})
    """

    def _hidden_parts(self):
        weights = self.parameters_[: -len(self.classes_) * (self.hidden_units_ + 1)]
        layer = FourierLayer(self.n_components_, self.hidden_units_)
        return layer.split(weights[-layer.n_weights :])

    def _architecture(self, rng):
        return FourierArchitecture(self.n_components, self.hidden_units)

    def _fitted_network(self, front_end=None):
        architecture = FourierArchitecture(self.n_components_, self.hidden_units_, np.float64)
        return architecture.network(self.n_components_, len(self.classes_), front_end)
