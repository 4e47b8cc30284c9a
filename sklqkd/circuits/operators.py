"""What a PennyLane operation is: whether it is a unitary gate, and what it consists of.

An operation is judged by its matrix, never by its name alone, and what it is broken down to is
compared with that matrix, wherever it is small enough to be written down.
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import numpy as np

__all__ = [
    "ATOL",
    "CONSTANT",
    "IGNORED",
    "MOST_WIRES",
    "Angle",
    "Traced",
    "decomposed",
    "real_angles",
    "refuse",
    "rotations_of",
    "same_up_to_phase",
    "unitary_matrix",
]

ATOL = 1e-12
#: A matrix in single precision is that far from unitary.
SINGLE_PRECISION = 1e-5
#: The most wires of an operation whose matrix is looked at.
MOST_WIRES = 8

#: PennyLane's names of the gates without an angle that devices know by name.
CONSTANT = frozenset(
    (
        "Hadamard",
        "PauliX",
        "PauliY",
        "PauliZ",
        "S",
        "T",
        "SX",
        "CNOT",
        "CY",
        "CZ",
        "SWAP",
        "Toffoli",
        "CSWAP",
    )
)

#: What changes no probability.
IGNORED = frozenset(("Identity", "GlobalPhase", "Barrier", "WireCut", "Snapshot"))

# Gates of several rotations, in the order of application: (name, parameter or constant angle).
# PennyLane's decompositions add weights up; these give each its own angle.
_EULER: dict[str, tuple[tuple[str, int | float], ...]] = {
    "U1": (("PhaseShift", 0),),
    "Rot": (("RZ", 0), ("RY", 1), ("RZ", 2)),
    "U2": (("RZ", 1), ("RY", np.pi / 2), ("RZ", 0)),
    "U3": (("RZ", 2), ("RY", 0), ("RZ", 1)),
    "CRot": (("CRZ", 0), ("CRY", 1), ("CRZ", 2)),
}


class Angle(NamedTuple):
    """``scale * weights[weight] + offset``; weight -1 for a constant."""

    weight: int = -1
    scale: float = 0.0
    offset: float = 0.0


class Traced(NamedTuple):
    """One primitive operation of one trace: `angle` is None for a constant gate.

    Of the simulator's kinds, "constant" is a matrix; "rotation" turns one qubit about the axis of
    the Pauli matrix `matrix`; "diagonal" is ``exp(i angle diag(matrix))``; "exponential" is ``exp(i
    angle matrix)``. For devices the kind is a gate's name.
    """

    kind: str
    wires: tuple[int, ...]
    matrix: Any = None
    angle: Any = None


def real_angles(operation) -> list[float] | None:
    """Return the parameters of an operation, None unless all of them are real numbers."""
    if any(np.ndim(value) for value in operation.data):
        return None
    values = [complex(value) for value in operation.data]
    return None if any(value.imag for value in values) else [value.real for value in values]


def rotations_of(operation) -> list:
    """Return the rotations that a gate consists of, none for any other gate."""
    import pennylane as qml

    return [
        getattr(qml, name)(operation.data[p] if isinstance(p, int) else p, wires=operation.wires)
        for name, p in _EULER.get(operation.name, ())
    ]


def refuse(operation, reason: str) -> NoReturn:
    """Raise the ValueError for an operation that is no gate."""
    raise ValueError(
        f"The ansatz contains {operation.name} on wires {list(operation.wires)}, which is not a "
        f"unitary gate: {reason}. Only unitary gates can be trained and run on devices. What "
        "measures an observable is the student's `measurement`; a Hamiltonian H becomes a gate as "
        "qml.evolve(H, weight), or qml.TrotterProduct."
    )


def unitary_matrix(operation) -> np.ndarray | None:
    """Return the matrix of an operation, (2^k, 2^k), on its own wires.

    Parameters
    ----------
    operation : pennylane.operation.Operator

    Returns
    -------
    matrix : ndarray or None
        None if it has no matrix, or acts on more than `MOST_WIRES` wires.

    Raises
    ------
    ValueError
        If the matrix is not unitary, or the operation is a channel.
    """
    import pennylane as qml

    if isinstance(operation, qml.operation.Channel):
        refuse(operation, "it is a channel, noise")
    if not operation.has_matrix or len(operation.wires) > MOST_WIRES:
        return None
    try:
        matrix = np.asarray(operation.matrix(), complex)
    except (TypeError, ValueError) as error:  # some look at their own matrix
        refuse(operation, f"its matrix cannot be made ({error})")
    if matrix.ndim != 2:
        refuse(operation, "a parameter of it is an array, of several gates. Take one number each")
    if not np.isfinite(matrix).all():
        refuse(operation, "its matrix has entries that are not finite")
    left, stretches, right = np.linalg.svd(matrix)
    farthest = np.abs(stretches - 1).max()
    if farthest > SINGLE_PRECISION:
        refuse(
            operation,
            f"its matrix stretches states by factors from {stretches.min():.3g} to "
            f"{stretches.max():.3g}",
        )
    return left @ right if farthest > ATOL else matrix


def decomposed(operation, matrix: np.ndarray | None) -> list | None:
    """Return what PennyLane breaks an operation down to, None if that is nothing or something else.

    Parameters
    ----------
    operation : pennylane.operation.Operator
    matrix : ndarray of shape (2^k, 2^k) or None
        Its own matrix, which the product of the parts has to be, up to a phase.

    Returns
    -------
    parts : list of pennylane.operation.Operator, or None
    """
    import pennylane as qml

    if not operation.has_decomposition:
        return None
    try:
        parts = operation.decomposition()
        parts = [parts] if isinstance(parts, qml.operation.Operator) else list(parts)
    except Exception:  # PennyLane promises one and has none, in many ways
        if matrix is None:
            raise
        return None
    wires = operation.wires
    if matrix is None or not all(part.has_matrix for part in parts):
        return parts
    if not all(wires.contains_wires(part.wires) for part in parts):
        return None
    product = np.eye(len(matrix), dtype=complex)
    for part in parts:
        if len(part.wires):
            product = qml.math.expand_matrix(part.matrix(), part.wires, wires) @ product
    return parts if same_up_to_phase(product, matrix) else None


def same_up_to_phase(first: np.ndarray, second: np.ndarray, atol: float = 1e-8) -> bool:
    """Return whether two unitary matrices differ by no more than a global phase."""
    overlap = np.vdot(first, second)
    if not abs(overlap) > 0.5:
        return False
    return bool(np.allclose(first * (overlap / abs(overlap)), second, rtol=0, atol=atol))
