"""ZZ encoding: the feature map of Havlíček et al."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..gates import DataGates, GateCircuit, NamedGate
from ..statevector.polynomials import Polynomials, Term
from .gates import GateEncoding

__all__ = ["ZZEncoding"]

#: How often Hadamard gates and phases alternate, as in the paper.
N_REPEATS = 2


class ZZEncoding(GateEncoding):
    """Second-order feature map of Havlíček et al., arXiv:1804.11326, Qiskit's ``ZZFeatureMap``.

    Takes n features as angles ``phi = pi tanh(x)``. Twice, one after the other: a Hadamard gate and
    the phase ``P(2 phi_i)`` on each qubit, then ``P(2 (pi - phi_i) (pi - phi_j))`` of the parity
    of each pair i < j. Up to a global phase, these are ``RZ(2 phi_i)`` and
    ``exp(-i (pi - phi_i) (pi - phi_j) Z_i Z_j)``.

    Parameters
    ----------
    n_qubits : int

    Examples
    --------
    >>> ZZEncoding(2).n_features, len(ZZEncoding(2).gates.circuit.gates)
    (2, 10)
    """

    def __init__(self, n_qubits: int):
        gates: list[NamedGate] = []
        terms: list[list[tuple[float, tuple[int, ...]]]] = []
        for _ in range(N_REPEATS):
            for q in range(n_qubits):
                gates += [NamedGate("Hadamard", (q,)), NamedGate("RZ", (q,), len(terms))]
                terms.append([(2.0, (q,))])
            for i, j in combinations(range(n_qubits), 2):
                gates.append(NamedGate("IsingZZ", (i, j), len(terms)))
                sums = [(-2 * np.pi, (i,)), (-2 * np.pi, (j,))]
                terms.append([(2 * np.pi**2, ()), *sums, (2.0, (i, j))])
        n_angles = len(terms)
        all_terms = [Term(k, *term) for k, angle in enumerate(terms) for term in angle]
        circuit = GateCircuit(n_qubits, tuple(gates), n_angles)
        super().__init__(DataGates(circuit, Polynomials(n_angles, n_qubits, 0, all_terms)))
