"""One circuit, measured in several bases: as many runs as there are bases."""

from __future__ import annotations

import numpy as np

__all__ = ["CircuitInBases"]


class CircuitInBases:
    """The values of several circuits, one below the other; obeys :class:`.training.Middle`.

    Parameters
    ----------
    circuits : sequence of Middle
        The same encoding and ansatz with the same weights, each before a rotation of its own.
    """

    def __init__(self, circuits):
        self._circuits = list(circuits)
        first = self._circuits[0]
        self.n_qubits, self.n_weights = first.n_qubits, first.n_weights
        self._size = len(first.permutation)
        self.permutation = np.concatenate(
            [place * self._size + each.permutation for place, each in enumerate(self._circuits)]
        )
        self.encoding = getattr(first, "encoding", None)
        self.has_gradient = getattr(first, "has_gradient", True)
        n_rows = first.n_rows
        self.n_rows = n_rows and max(1, n_rows // len(self._circuits))

    def prepare(self, weights):
        """See :class:`sklqkd.training.Middle`."""
        for circuit in self._circuits:
            circuit.prepare(weights)

    def values(self, features, keep=True):
        """See :class:`sklqkd.training.Middle`."""
        return np.concatenate([circuit.values(features, keep) for circuit in self._circuits])

    def backward(self, gradient, with_input):
        """See :class:`sklqkd.training.Middle`."""
        parts = np.split(np.ascontiguousarray(gradient), len(self._circuits))
        pulled = [
            circuit.backward(part, with_input)
            for circuit, part in zip(self._circuits, parts, strict=True)
        ]
        of_weights = sum(of_weights for of_weights, _ in pulled)
        return of_weights, sum(of_input for _, of_input in pulled) if with_input else None
