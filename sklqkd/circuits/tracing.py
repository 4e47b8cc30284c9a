"""What a template does: the operations that it queues, and which weight each angle belongs to.

A template is traced a few times with different weights, so that factor and offset of each angle are
seen. What is not of that form is refused, never approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "ATOL",
    "Angle",
    "Traced",
    "affine_angle",
    "check_unitary",
    "exponent",
    "match_traces",
    "primitives",
    "probes",
    "trace_template",
]

_PAULI = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]], complex),
    "Z": np.array([[1, 0], [0, -1]], complex),
}


_HADAMARD = np.array([[1, 1], [1, -1]], complex) / np.sqrt(2)


_S_HADAMARD = np.diag([1, 1j]) @ _HADAMARD  # turns Z into Y


IGNORED = frozenset(("Identity", "GlobalPhase", "Barrier", "WireCut", "Snapshot"))
_AXES = {"RX": "X", "RY": "Y", "RZ": "Z", "PhaseShift": "Z"}
# Gates of several rotations, in the order of application: (name, parameter or constant angle).
# PennyLane's decompositions add weights up; these give each its own angle.
_EULER: dict[str, tuple[tuple[str, int | float], ...]] = {
    "U1": (("PhaseShift", 0),),
    "Rot": (("RZ", 0), ("RY", 1), ("RZ", 2)),
    "U2": (("RZ", 1), ("RY", np.pi / 2), ("RZ", 0)),
    "U3": (("RZ", 2), ("RY", 0), ("RZ", 1)),
    "CRot": (("CRZ", 0), ("CRY", 1), ("CRZ", 2)),
}


def rotations_of(operation) -> list:
    """Return the rotations that a gate consists of, none for any other gate."""
    import pennylane as qml

    return [
        getattr(qml, name)(operation.data[p] if isinstance(p, int) else p, wires=operation.wires)
        for name, p in _EULER.get(operation.name, ())
    ]


def trace_ansatz(template, shape, n_qubits, break_down) -> list[Traced]:
    """Return the gates of a template, with their angles as functions of the weights.

    Parameters
    ----------
    template : callable
        ``template(weights, wires)``.
    shape : tuple of int
        Of its weights.
    n_qubits : int
    break_down : callable
        From a PennyLane operation to a list of :class:`Traced` with numbers for angles.

    Returns
    -------
    gates : list of Traced

    Raises
    ------
    ValueError
        If the gates change with the weights, or an angle does so other than linearly.
    """
    tried = probes(int(np.prod(shape)))
    traces = [
        [
            part
            for operation in trace_template(template, probe.reshape(shape), n_qubits)
            for part in break_down(operation)
        ]
        for probe in tried
    ]
    return match_traces(traces, tried)


# Two-qubit rotations that are diagonal after a change of basis on each wire.
_BASES = {
    "CRX": (None, _HADAMARD),
    "CRY": (None, _S_HADAMARD),
    "IsingXX": (_HADAMARD, _HADAMARD),
    "IsingYY": (_S_HADAMARD, _S_HADAMARD),
}


ATOL = 1e-12
#: Wires up to which an operation's matrix is looked at; of more, its parts are.
MOST_WIRES = 8


def probes(n_weights: int) -> np.ndarray:
    """Return the weights that a template is traced with, shape (4, n_weights)."""
    return np.random.default_rng(20231113).uniform(0.3, 2.8, (4, n_weights))


class Angle(NamedTuple):
    """``scale * weights[weight] + offset``; weight -1 for a constant."""

    weight: int = -1
    scale: float = 0.0
    offset: float = 0.0


class Traced(NamedTuple):
    """One primitive operation of one trace: `angle` is None for a constant gate."""

    kind: str  # "constant", "rotation" (one qubit) or "diagonal"
    wires: tuple[int, ...]
    matrix: Any = None  # the gate; the Pauli matrix; or the generator's diagonal
    angle: Any = None


def trace_template(template: Callable, weights: np.ndarray, n_qubits: int) -> list:
    """Run a template once and return the PennyLane operations that it queues, checked."""
    import pennylane as qml

    with qml.queuing.AnnotatedQueue() as queue:
        template(weights, wires=range(n_qubits))
    tape = qml.tape.QuantumScript.from_queue(queue)
    if tape.measurements:
        raise ValueError(
            f"The ansatz {template!r} measures. Return nothing from the template: the student's "
            "`measurement` parameter says what is read out."
        )
    for operation in tape.operations:
        outside = [wire for wire in operation.wires if wire not in range(n_qubits)]
        if outside:
            raise ValueError(
                f"The ansatz {template!r} acts on the wires {outside}, but there are only "
                f"{n_qubits} qubits (wires 0 to {n_qubits - 1})."
            )
    return tape.operations


def primitives(operation) -> list[Traced]:
    """Break a PennyLane operation down."""
    import pennylane as qml

    wires = tuple(int(wire) for wire in operation.wires)
    name = operation.name
    if name in IGNORED:
        return []
    if name in _AXES:
        return [Traced("rotation", wires, _PAULI[_AXES[name]], float(operation.data[0]))]
    if rotations := rotations_of(operation):
        return [primitive for part in rotations for primitive in primitives(part)]
    check_unitary(operation)
    if isinstance(operation, qml.ops.op_math.Exp):
        generator, value = exponent(operation)
        return _rotation_by_generator(generator, wires, value)
    if not operation.data and operation.has_matrix:
        return [Traced("constant", wires, np.asarray(operation.matrix(), complex))]
    values = [float(v) for v in operation.data] if _has_real_parameters(operation) else []
    if len(values) == 1 and name in _BASES:
        return _diagonalised(operation, wires, values[0], _BASES[name])
    if len(values) == 1 and len(wires) <= 6 and _has_generator(operation):
        return _rotation_by_generator(_generator(operation), wires, values[0])
    if operation.has_decomposition:
        parts = operation.decomposition()
        return [primitive for part in parts for primitive in primitives(part)]
    if operation.has_matrix:
        return [Traced("constant", wires, np.asarray(operation.matrix(), complex))]
    raise ValueError(
        f"The ansatz contains {operation.name}, which is not a unitary gate with a matrix, a "
        "generator or a decomposition. Only gates can be trained by the exact simulator."
    )


def check_unitary(operation) -> None:
    """Raise a ValueError for an operation that is no unitary gate, whatever it is called.

    What an observable is made of (sums, projectors, scaled Pauli words) is taken by PennyLane's
    queue as readily as a gate. An operation on many wires is looked at in its parts.
    """
    import pennylane as qml

    is_gate = not isinstance(operation, qml.operation.Channel)
    if is_gate and operation.has_matrix and len(operation.wires) <= MOST_WIRES:
        with np.errstate(all="ignore"):
            matrix = np.asarray(operation.matrix(), complex)
            product = matrix @ matrix.conj().T
        is_gate = bool(np.allclose(product, np.eye(len(matrix)), rtol=0, atol=1e-6))
    if not is_gate:
        raise ValueError(
            f"The ansatz contains {operation}, which is not a unitary gate. Only gates can be "
            "trained and run: for an observable H, qml.evolve(H, weight) is one; what is read out "
            "is the student's `measurement`."
        )


def exponent(operation) -> tuple[np.ndarray, float]:
    """Return G and the angle of ``exp(i angle G)``: ``qml.exp``, ``qml.evolve``."""
    import pennylane as qml

    generator = qml.matrix(operation.base, wire_order=operation.wires)
    return np.asarray(generator, complex), float(np.imag(complex(operation.coeff)))


def _has_real_parameters(operation) -> bool:
    return all(np.ndim(value) == 0 and np.isrealobj(value) for value in operation.data)


def _has_generator(operation) -> bool:
    return operation.has_generator and operation.has_matrix


def _generator(operation) -> np.ndarray:
    """Return G of ``exp(i angle G)`` as a matrix on the operation's wires."""
    import pennylane as qml

    return np.asarray(qml.matrix(operation.generator(), wire_order=operation.wires), complex)


def _diagonalised(operation, wires, value, bases) -> list[Traced]:
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


def _rotation_by_generator(generator, wires, value) -> list[Traced]:
    """Write ``exp(i angle G)`` as its eigenvectors around a diagonal gate."""
    if np.allclose(generator, np.diag(np.diag(generator)), atol=ATOL):
        return [Traced("diagonal", wires, np.diag(generator).real, value)]
    eigenvalues, vectors = np.linalg.eigh(generator)
    return [
        Traced("constant", wires, vectors.conj().T),
        Traced("diagonal", wires, eigenvalues, value),
        Traced("constant", wires, vectors),
    ]


def match_traces(traces: list[list[Traced]], probes: np.ndarray) -> list[Traced]:
    """Compare the traces and put an :class:`Angle` in the place of each value."""
    first = traces[0]
    for other in traces[1:]:
        same = len(first) == len(other) and all(
            a.kind == b.kind
            and a.wires == b.wires
            and np.shape(a.matrix) == np.shape(b.matrix)
            and (a.matrix is None or np.allclose(a.matrix, b.matrix, atol=ATOL))
            for a, b in zip(first, other, strict=True)
        )
        if not same:
            raise ValueError(
                "The gates of the ansatz change with its weights. Let the weights be nothing but "
                "angles of the gates."
            )
    return [
        operation
        if operation.angle is None
        else operation._replace(
            angle=affine_angle([trace[i].angle for trace in traces], probes, operation.wires)
        )
        for i, operation in enumerate(first)
    ]


def affine_angle(values: Sequence[float], probes: np.ndarray, wires: tuple[int, ...]) -> Angle:
    """Find the weight, the scale and the offset behind the values of an angle in all traces."""
    angles = np.array(values)
    if np.allclose(angles, angles[0], atol=ATOL):
        return Angle(offset=float(angles[0]))
    scales = (angles[1] - angles[0]) / (probes[1] - probes[0])
    offsets = angles[0] - scales * probes[0]
    fits = np.isclose(scales * probes + offsets, angles[:, None], rtol=0, atol=1e-10).all(axis=0)
    if not fits.any():
        raise ValueError(
            f"An angle on wires {list(wires)} of the ansatz is not of the form "
            "scale * weight + offset. Give each angle one weight, and let the optimiser combine "
            "them."
        )
    index = int(np.argmax(fits))
    return Angle(index, float(scales[index]), float(offsets[index]))
