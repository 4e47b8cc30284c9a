"""A student's quantum part on a backend: gates in, probabilities out, gradients by parameter shift.

Every angle of the gate circuit, of the encoding as well as of the ansatz, has an exact shift rule,
so that a whole hybrid network, with a trained front-end before the circuit, is trained on a device.
"""

from __future__ import annotations

import numpy as np

from ..backends import Backend, PennyLaneBackend
from ..circuits.gates import AnsatzGates, shift_rule
from ..encodings import Preparation
from ..encodings.gates import squashed_angles, squashed_gradient
from ..gates import DataGates

__all__ = ["DeviceCircuit", "DeviceUploads"]


class DeviceCircuit:
    """Encoding and ansatz on a backend; obeys :class:`sklqkd.training.Middle`.

    Parameters
    ----------
    preparation : Preparation
        The encoding as gates.
    ansatz : AnsatzGates
    n_weights : int
        Length of the ansatz's flat weight vector.
    backend : Backend
    rng : numpy.random.Generator
        Where the seeds of a simulator with shots come from.

    Attributes
    ----------
    has_gradient : bool
        Whether `backward` may be called, which runs many more circuits.
    """

    n_rows = None  # a prediction is one job

    def __init__(
        self,
        preparation: Preparation,
        ansatz: AnsatzGates,
        n_weights: int,
        backend: Backend,
        rng: np.random.Generator,
    ):
        self._preparation, self._ansatz = preparation, ansatz
        n_prepared = preparation.circuit.n_angles
        weight_columns = n_prepared + np.flatnonzero(ansatz.indices >= 0)
        self._run_on(backend, rng, preparation.circuit.then(ansatz.circuit), n_weights)
        self._input_columns, self._weight_columns = np.arange(n_prepared), weight_columns

    def _run_on(self, backend, rng, gates, n_weights):
        self._backend, self._rng, self._gates = backend, rng, gates
        self.has_gradient = getattr(backend, "has_gradient", True)
        self.n_qubits, self.n_weights = gates.n_qubits, n_weights
        self.permutation = np.arange(2**self.n_qubits)
        names = {gate.angle: gate.name for gate in gates.gates if gate.angle is not None}
        self._rules = [shift_rule(names[column]) for column in range(gates.n_angles)]

    def prepare(self, weights):
        """See :class:`sklqkd.training.Middle`."""
        self._ansatz_angles = self._ansatz.angles(weights)

    def values(self, features, keep=True):
        """See :class:`sklqkd.training.Middle`; all rows are one job."""
        self._angles = self._all_angles(features)
        return self._backend.probabilities(self._gates, self._angles, self._rng).T

    def _all_angles(self, features):
        prepared = self._preparation.angles(features)
        angles = np.empty((len(features), self._gates.n_angles))
        angles[:, : prepared.shape[1]] = prepared
        angles[:, prepared.shape[1] :] = self._ansatz_angles
        return angles

    def backward(self, gradient, with_input):
        """See :class:`sklqkd.training.Middle`."""
        columns = self._weight_columns
        if with_input:
            columns = np.union1d(self._input_columns, columns)
        of_angles = np.zeros(self._angles.shape)
        if isinstance(self._backend, PennyLaneBackend) and self._backend.has_adjoint:
            # Not every gate's angle is trained, but one sweep gives them all.
            of_angles[:] = self._backend.adjoint_gradient(self._gates, self._angles, gradient.T)
        else:
            of_angles[:, columns] = self._shifted_gradient(columns, gradient.T)
        return self._pulled_back(of_angles, with_input)

    def _pulled_back(self, of_angles, with_input):
        ansatz = self._ansatz
        n_prepared = len(self._input_columns)
        of_ansatz = of_angles[:, n_prepared:].sum(axis=0) * ansatz.scale
        used = ansatz.indices >= 0
        of_weights = np.bincount(ansatz.indices[used], of_ansatz[used], self.n_weights)
        if not with_input:
            return of_weights, None
        return of_weights, self._preparation.backward(of_angles[:, :n_prepared])

    def _shifted_gradient(self, columns, gradient):
        """Return the gradient for some columns of the angles, in one job."""
        terms = [(column, *term) for column in columns for term in self._rules[column]]
        n_samples = len(self._angles)
        if not terms:
            return np.zeros((n_samples, 0))
        shifted = np.tile(self._angles, (len(terms), 1, 1))
        for run, (column, _, shift) in zip(shifted, terms, strict=True):
            run[:, column] += shift
        runs = shifted.reshape(-1, self._gates.n_angles)
        probabilities = self._backend.probabilities(self._gates, runs, self._rng)
        values = (probabilities.reshape(len(terms), n_samples, -1) * gradient).sum(axis=-1)
        result = np.zeros((n_samples, len(columns)))
        place = {column: i for i, column in enumerate(columns)}
        for (column, coefficient, _), value in zip(terms, values, strict=True):
            result[:, place[column]] += coefficient * value
        return result


class DeviceUploads(DeviceCircuit):
    """A circuit that data enter several times, on a backend; see :class:`DeviceCircuit`.

    Parameters
    ----------
    gates : DataGates
    backend : Backend
    rng : numpy.random.Generator
    """

    def __init__(self, gates: DataGates, backend: Backend, rng: np.random.Generator):
        self._polynomials = gates.polynomials
        self._run_on(backend, rng, gates.circuit, gates.polynomials.n_weights)
        self._input_columns = np.flatnonzero(gates.polynomials.is_sampled)
        self._weight_columns = np.flatnonzero(gates.polynomials.is_trained)

    def prepare(self, weights):
        """See :class:`sklqkd.training.Middle`."""
        self._weights = np.array(weights, float)

    def _all_angles(self, features):
        self._n_given = features.shape[1]
        self._features = squashed_angles(features, self._polynomials.n_features)
        return self._polynomials.angles(self._features, self._weights)

    def _pulled_back(self, of_angles, with_input):
        given = self._features, self._weights, of_angles
        of_features, of_weights = self._polynomials.gradient(*given)
        if not with_input:
            return of_weights, None
        return of_weights, squashed_gradient(self._features, of_features, self._n_given)
