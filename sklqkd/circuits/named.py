"""The named ansaetze as the exact simulator's primitives, without PennyLane.

They are what :func:`sklqkd.circuits.ansatz_template` queues; a test holds them to it. PennyLane
takes a second or two to be imported, more than a fit.
"""

from __future__ import annotations

import numpy as np

from .operators import Angle, Traced

__all__ = ["PAULI", "named_operations"]

PAULI = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]], complex),
    "Z": np.array([[1, 0], [0, -1]], complex),
}
_CNOT = np.eye(4, dtype=complex)[[0, 1, 3, 2]]
_AXES = {"strongly_entangling": "ZYZ", "basic_entangler": "X", "rotations": "XYZ", "none": ""}


def named_operations(ansatz: str, n_qubits: int, n_layers: int) -> list[Traced]:
    """Return the rotations and CNOTs of a named ansatz, in their order.

    Parameters
    ----------
    ansatz : {"strongly_entangling", "basic_entangler", "rotations", "none"}
    n_qubits, n_layers : int

    Returns
    -------
    operations : list of Traced
        Angles are the flat weights of :func:`sklqkd.circuits.ansatz_shape`, one each.

    Examples
    --------
    >>> [operation.wires for operation in named_operations("basic_entangler", 3, 1)]
    [(0,), (1,), (2,), (0, 1), (1, 2), (2, 0)]
    """
    axes, operations = _AXES[ansatz], []
    weight = 0
    for layer in range(n_layers if axes else 0):
        for wire in range(n_qubits):
            for axis in axes:
                angle = Angle(weight, 1.0, 0.0)
                operations.append(Traced("rotation", (wire,), PAULI[axis], angle))
                weight += 1
        for pair in _pairs(ansatz, n_qubits, layer):
            operations.append(Traced("constant", pair, _CNOT))
    return operations


def _pairs(ansatz, n_qubits, layer):
    """Return control and target of the CNOTs after a layer."""
    if ansatz == "rotations" or n_qubits == 1:
        return []
    if ansatz == "basic_entangler" and n_qubits == 2:
        return [(0, 1)]
    step = 1 if ansatz == "basic_entangler" else layer % (n_qubits - 1) + 1
    return [(wire, (wire + step) % n_qubits) for wire in range(n_qubits)]
