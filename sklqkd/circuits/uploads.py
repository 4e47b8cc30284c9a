"""Circuits that take their data in several times: encoding, ansatz, encoding, ansatz, ...

Data re-uploading (Pérez-Salinas et al., arXiv:1907.02085).
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

from ..gates import DataGates, GateCircuit
from ..statevector.polynomials import Polynomials, Term, scaled_terms
from .gates import AnsatzGates

__all__ = ["UploadSizes", "upload_gates"]


class UploadSizes(NamedTuple):
    """The weights of a circuit with uploads, in their order: ansatz, encoding, input scales.

    Attributes
    ----------
    ansatz, encoding, scales : tuple of int
        Shapes; the first axis of each has one entry per upload.
    """

    ansatz: tuple[int, ...]
    encoding: tuple[int, ...]
    scales: tuple[int, ...]

    @property
    def n_weights(self) -> int:
        """Of all three."""
        return sum(map(prod, self))

    @property
    def n_ansatz(self) -> int:
        """Of the ansatz, in all uploads."""
        return prod(self.ansatz)

    def split(self, weights: np.ndarray) -> list[np.ndarray]:
        """Return the three parts of flat weights, each in its shape."""
        parts = np.split(weights, np.cumsum([prod(shape) for shape in self])[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self, strict=True)]


def upload_gates(
    encoding: DataGates, ansatz: AnsatzGates, sizes: UploadSizes
) -> tuple[DataGates, list[int]]:
    """Put encoding and ansatz behind one another, once for each upload.

    Parameters
    ----------
    encoding : DataGates
    ansatz : AnsatzGates
    sizes : UploadSizes
        Without `scales`, (0,), the features are encoded as they are.

    Returns
    -------
    gates : DataGates
    ends : list of int
        The gates' numbers after each encoding and each ansatz, in turn.
    """
    n_uploads = sizes.ansatz[0]
    n_features = encoding.polynomials.n_features
    has_scales = prod(sizes.scales) > 0
    n_ansatz, n_encoding = prod(sizes.ansatz[1:]), prod(sizes.encoding[1:])
    first_encoding = prod(sizes.ansatz)
    first_scale = first_encoding + prod(sizes.encoding)
    circuit = GateCircuit(encoding.circuit.n_qubits, (), 0)
    terms: list[Term] = []
    ends = []
    for upload in range(n_uploads):
        before = first_encoding + upload * n_encoding
        encoded = encoding.polynomials.moved(circuit.n_angles, before)
        if has_scales:
            encoded = scaled_terms(encoded, first_scale + upload * n_features)
        terms += encoded
        circuit = circuit.then(encoding.circuit)
        ends.append(len(circuit.gates))
        columns = zip(ansatz.indices, ansatz.scale, ansatz.offset, strict=True)
        for angle, (index, scale, offset) in enumerate(columns):
            place = circuit.n_angles + angle
            if index >= 0:
                terms.append(Term(place, float(scale), (), (upload * n_ansatz + int(index),)))
            if offset != 0:
                terms.append(Term(place, float(offset)))
        circuit = circuit.then(ansatz.circuit)
        ends.append(len(circuit.gates))
    polynomials = Polynomials(circuit.n_angles, n_features, sizes.n_weights, terms)
    return DataGates(circuit, polynomials), ends
