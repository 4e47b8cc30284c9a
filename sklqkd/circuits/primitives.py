"""A PennyLane operation as constants, rotations and diagonal gates, which the simulator runs."""

from __future__ import annotations

from functools import cache

import numpy as np

from .named import PAULI
from .operators import (
    ATOL,
    CONSTANT,
    IGNORED,
    Traced,
    decomposed,
    real_angles,
    refuse,
    rotations_of,
    same_up_to_phase,
    unitary_matrix,
)

__all__ = ["diagonalised", "primitives"]

_AXES = {"RX": "X", "RY": "Y", "RZ": "Z", "PhaseShift": "Z"}
_HADAMARD = np.array([[1, 1], [1, -1]], complex) / np.sqrt(2)
_S_HADAMARD = np.diag([1, 1j]) @ _HADAMARD  # turns Z into Y
# Two-qubit rotations that are diagonal after a change of basis on each wire.
_BASES = {
    "CRX": (None, _HADAMARD),
    "CRY": (None, _S_HADAMARD),
    "IsingXX": (_HADAMARD, _HADAMARD),
    "IsingYY": (_S_HADAMARD, _S_HADAMARD),
}


def primitives(operation) -> list[Traced]:
    """Break a PennyLane operation down.

    Parameters
    ----------
    operation : pennylane.operation.Operator

    Returns
    -------
    primitives : list of Traced
        Of the simulator's kinds.

    Raises
    ------
    ValueError
        If it is not a unitary gate.
    """
    wires = tuple(int(wire) for wire in operation.wires)
    values = real_angles(operation)
    name = operation.name
    if name in IGNORED and values is not None:
        return []
    if name in _AXES and values is not None:
        return [Traced("rotation", wires, PAULI[_AXES[name]], values[0])]
    if values is not None and (rotations := rotations_of(operation)):
        return [primitive for part in rotations for primitive in primitives(part)]
    if values is not None and name in _BASES:
        return _in_another_basis(operation, wires, values[0], _BASES[name])
    if name in CONSTANT:
        return [Traced("constant", wires, _constant(name))]
    matrix = unitary_matrix(operation)
    if matrix is not None and not operation.data:
        return [Traced("constant", wires, matrix)]
    if matrix is not None and values is not None and len(values) == 1:
        generator = _generator(operation)
        if generator is not None and _is_exponential(generator, values[0], matrix):
            return [Traced("exponential", wires, generator, values[0])]
    parts = decomposed(operation, matrix)
    if parts is not None:
        return [primitive for part in parts for primitive in primitives(part)]
    if matrix is None:
        refuse(operation, "it has no decomposition, and no matrix that is small enough to look at")
    return [Traced("constant", wires, matrix)]


@cache
def _constant(name) -> np.ndarray:
    import pennylane as qml

    gate = getattr(qml, name)
    return np.asarray(gate.compute_matrix(), complex)


def _generator(operation) -> np.ndarray | None:
    """Return G of ``exp(i angle G)`` as a matrix on the operation's wires, None without one."""
    import pennylane as qml

    try:
        generator = qml.matrix(operation.generator(), wire_order=operation.wires)
    except Exception:  # PennyLane promises one and has none, in many ways
        return None
    return np.asarray(generator, complex)


def _is_exponential(generator, value, matrix) -> bool:
    if not np.allclose(generator, generator.conj().T, rtol=0, atol=ATOL):
        return False
    eigenvalues, vectors = np.linalg.eigh(generator)
    exponential = (vectors * np.exp(1j * value * eigenvalues)) @ vectors.conj().T
    return same_up_to_phase(exponential, matrix)


def _in_another_basis(operation, wires, value, bases) -> list[Traced]:
    """Write a two-qubit rotation as one-qubit gates around a diagonal one."""
    left, right = (np.eye(2) if basis is None else basis for basis in bases)
    change = np.kron(left, right)
    diagonal = np.diag(change.conj().T @ _generator(operation) @ change).real
    sides = [(wire, basis) for wire, basis in zip(wires, bases, strict=True) if basis is not None]
    return [
        *(Traced("constant", (wire,), basis.conj().T) for wire, basis in sides),
        Traced("diagonal", wires, diagonal, value),
        *(Traced("constant", (wire,), basis) for wire, basis in sides),
    ]


def diagonalised(operations) -> list[Traced]:
    """Write each exponential as its eigenvectors around a diagonal gate; keep the others.

    Parameters
    ----------
    operations : iterable of Traced

    Returns
    -------
    operations : list of Traced
    """
    result: list[Traced] = []
    for operation in operations:
        if operation.kind != "exponential":
            result.append(operation)
            continue
        _, wires, generator, angle = operation
        if np.allclose(generator, np.diag(np.diag(generator)), rtol=0, atol=ATOL):
            result.append(Traced("diagonal", wires, np.diag(generator).real, angle))
            continue
        eigenvalues, vectors = np.linalg.eigh(generator)
        result += [
            Traced("constant", wires, vectors.conj().T),
            Traced("diagonal", wires, eigenvalues, angle),
            Traced("constant", wires, vectors),
        ]
    return result
