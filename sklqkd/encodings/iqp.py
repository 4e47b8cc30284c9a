"""IQP encoding: features, and the products of each two of them, as phases."""

from __future__ import annotations

from itertools import combinations

from ..gates import DataGates, GateCircuit, NamedGate
from ..statevector.polynomials import Polynomials, Term
from .gates import GateEncoding

__all__ = ["IQPEncoding"]


class IQPEncoding(GateEncoding):
    """Instantaneous quantum polynomial encoding, PennyLane's ``IQPEmbedding``.

    Takes n features as angles ``phi = pi tanh(x)``: a Hadamard gate and ``RZ(phi_i)`` on each
    qubit, then ``exp(-i phi_i phi_j Z_i Z_j / 2)`` on each pair i < j (Havlíček et al.,
    arXiv:1804.11326).

    Its phases alone change no probability: what follows has to mix the basis states.

    Parameters
    ----------
    n_qubits : int

    Examples
    --------
    >>> import numpy as np
    >>> np.abs(IQPEncoding(1).forward(np.array([[0.3]])))
    array([[0.70710678],
           [0.70710678]])
    """

    def __init__(self, n_qubits: int):
        gates: list[NamedGate] = []
        terms: list[Term] = []
        for q in range(n_qubits):
            gates += [NamedGate("Hadamard", (q,)), NamedGate("RZ", (q,), q)]
            terms.append(Term(q, 1.0, (q,)))
        for angle, pair in enumerate(combinations(range(n_qubits), 2), n_qubits):
            gates.append(NamedGate("IsingZZ", pair, angle))
            terms.append(Term(angle, 1.0, pair))
        n_angles = len(terms)
        polynomials = Polynomials(n_angles, n_qubits, 0, terms)
        super().__init__(DataGates(GateCircuit(n_qubits, tuple(gates), n_angles), polynomials))
