"""A circuit that data enter several times, from features to probabilities, exactly."""

from __future__ import annotations

from ..circuits.gate_programs import gate_program
from ..encodings.gates import squashed_angles, squashed_gradient
from ..gates import DataGates
from ..statevector.sampled import SampledKernel

__all__ = ["UploadCircuit"]

#: Amplitudes per chunk of a prediction: bounds its memory, whatever the number of rows.
CHUNK = 2**18


class UploadCircuit:
    """Exact probabilities and gradients; obeys :class:`sklqkd.training.Middle`.

    Parameters
    ----------
    gates : DataGates
        All of the circuit, from ``|0...0>``: see :func:`sklqkd.circuits.uploads.upload_gates`.
    """

    #: No state of its own encodes an image.
    encoding = None

    def __init__(self, gates: DataGates):
        self.n_qubits = gates.circuit.n_qubits
        self.n_weights = gates.polynomials.n_weights
        self.n_rows: int | None = max(1, CHUNK >> self.n_qubits)
        # The circuit's last permutation is left to the read-out, which does it for nothing.
        program, self.permutation = gate_program(gates.circuit).split_readout()
        self._kernel = SampledKernel(program, gates.polynomials)

    def prepare(self, weights):
        """See :class:`sklqkd.training.Middle`."""
        self._kernel.prepare(weights)

    def values(self, features, keep=True):
        """See :class:`sklqkd.training.Middle`; missing features count as 0."""
        self._n_given = features.shape[1]
        self._angles = squashed_angles(features, self._kernel.polynomials.n_features)
        return self._kernel.probabilities(self._angles.T, keep)

    def backward(self, gradient, with_input):
        """See :class:`sklqkd.training.Middle`."""
        of_weights, of_features = self._kernel.backward_probabilities(gradient)
        if not with_input:
            return of_weights, None
        return of_weights, squashed_gradient(self._angles, of_features.T, self._n_given)
