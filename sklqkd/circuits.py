"""From a PennyLane template to a compiled program, and the ansaetze that have a name.

PennyLane says what a circuit is: an ansatz is a template ``f(weights, wires)`` with a ``shape``,
and :func:`compile_ansatz` reads the operations that it queues. The circuit is traced a few times
with different weights, so that the compiler sees which weight each angle belongs to, with which
factor and offset. What is not of that form is refused, never approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .statevector import Gate, LocalLayer, PhasePermutation, Program

__all__ = ["ANSATZ_NAMES", "ansatz_shape", "ansatz_template", "compile_ansatz", "rotations"]

ANSATZ_NAMES = ("strongly_entangling", "basic_entangler", "rotations", "none")

_PAULI = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]], complex),
    "Z": np.array([[1, 0], [0, -1]], complex),
}
_HADAMARD = np.array([[1, 1], [1, -1]], complex) / np.sqrt(2)
_S_HADAMARD = np.diag([1, 1j]) @ _HADAMARD  # turns Z into Y

# Euler angles of one-qubit gates, in the order of application: (axis, parameter or constant angle).
_ROTATIONS: dict[str, tuple[tuple[str, int | float], ...]] = {
    "RX": (("X", 0),),
    "RY": (("Y", 0),),
    "RZ": (("Z", 0),),
    "PhaseShift": (("Z", 0),),
    "U1": (("Z", 0),),
    "Rot": (("Z", 0), ("Y", 1), ("Z", 2)),
    "U2": (("Z", 1), ("Y", np.pi / 2), ("Z", 0)),
    "U3": (("Z", 2), ("Y", 0), ("Z", 1)),
}
# Two-qubit rotations that are diagonal after a change of basis on each wire.
_BASES = {
    "CRX": (None, _HADAMARD),
    "CRY": (None, _S_HADAMARD),
    "IsingXX": (_HADAMARD, _HADAMARD),
    "IsingYY": (_S_HADAMARD, _S_HADAMARD),
}
_ATOL = 1e-12


def rotations(weights, wires):
    """RX, RY and RZ on each wire, layer by layer, no entangling gate (the paper's version 2).

    Parameters
    ----------
    weights : array-like of shape (n_layers, n_wires, 3)
        Angles in radians.
    wires : sequence
        The wires that the circuit acts on.
    """
    import pennylane as qml

    for layer in weights:
        for angles, wire in zip(layer, wires, strict=True):
            qml.RX(angles[0], wires=wire)
            qml.RY(angles[1], wires=wire)
            qml.RZ(angles[2], wires=wire)


def _no_gates(weights, wires):
    """Leave the encoded state as it is (the paper's version 1 has no trained angle)."""


def ansatz_template(ansatz: str | Callable) -> Callable:
    """Return the PennyLane template of an ansatz, ``f(weights, wires)``.

    Parameters
    ----------
    ansatz : {"strongly_entangling", "basic_entangler", "rotations", "none"} or callable

    Returns
    -------
    template : callable

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if callable(ansatz):
        return ansatz
    if ansatz not in ANSATZ_NAMES:
        raise ValueError(
            f"ansatz={ansatz!r} is not known. Choose one of {', '.join(map(repr, ANSATZ_NAMES))}, "
            "or pass a PennyLane template f(weights, wires) with a `shape`."
        )
    if ansatz == "rotations":
        return rotations
    if ansatz == "none":
        return _no_gates
    import pennylane as qml

    if ansatz == "basic_entangler":
        return qml.BasicEntanglerLayers
    return qml.StronglyEntanglingLayers


def ansatz_shape(ansatz: str | Callable, n_qubits: int, n_layers: int) -> tuple[int, ...]:
    """Return the shape of the weights of an ansatz.

    Parameters
    ----------
    ansatz : str or callable
        A template's ``shape`` is a tuple, or a function of ``n_layers`` and ``n_wires``.
    n_qubits, n_layers : int

    Returns
    -------
    shape : tuple of int

    Raises
    ------
    ValueError
        If a template has no usable ``shape``.

    Examples
    --------
    >>> ansatz_shape("strongly_entangling", n_qubits=4, n_layers=3)
    (3, 4, 3)
    """
    if ansatz == "none":
        return (0,)
    if isinstance(ansatz, str):
        angles = {"basic_entangler": ()}.get(ansatz, (3,))
        return (n_layers, n_qubits, *angles)
    shape = getattr(ansatz, "shape", None)
    if callable(shape):
        shape = shape(n_layers=n_layers, n_wires=n_qubits)
    if shape is None:
        raise ValueError(
            f"The ansatz {ansatz!r} has no `shape`. Give it one: an attribute that is a tuple, or "
            "a function of n_layers and n_wires that returns the shape of its weights."
        )
    return tuple(int(size) for size in shape)


def compile_ansatz(ansatz: str | Callable, n_qubits: int, n_layers: int) -> Program:
    """Compile an ansatz for the exact simulator.

    Parameters
    ----------
    ansatz : str or callable
        A name of :data:`ANSATZ_NAMES`, or a PennyLane template ``f(weights, wires)`` with a
        `shape`. Gates of any kind may occur; angles may be constants, or one weight each, scaled
        and shifted, and a weight may be used more than once.
    n_qubits, n_layers : int

    Returns
    -------
    program : Program
        Over the weights of the ansatz, flattened.

    Raises
    ------
    ValueError
        If the template's structure depends on the weights, an angle is not of the form
        ``scale * weight + offset``, or an operation is not a unitary gate.

    Examples
    --------
    >>> program = compile_ansatz("strongly_entangling", n_qubits=4, n_layers=3)
    >>> program.n_weights, [type(step).__name__ for step in program.steps[:2]]
    (36, ['LocalLayer', 'PhasePermutation'])
    """
    if isinstance(ansatz, str):
        return _compile_named(ansatz, n_qubits, n_layers)
    return _compile(ansatz, ansatz_shape(ansatz, n_qubits, n_layers), n_qubits)


@lru_cache(maxsize=64)
def _compile_named(ansatz: str, n_qubits: int, n_layers: int) -> Program:
    return _compile(ansatz_template(ansatz), ansatz_shape(ansatz, n_qubits, n_layers), n_qubits)


def _compile(template: Callable, shape: tuple[int, ...], n_qubits: int) -> Program:
    n_weights = int(np.prod(shape))
    if template is _no_gates:
        return Program(n_qubits, n_weights, ())
    tried = probes(n_weights)
    traces = [
        [
            primitive
            for operation in trace_template(template, probe.reshape(shape), n_qubits)
            for primitive in _primitives(operation)
        ]
        for probe in tried
    ]
    operations = _match(traces, tried)
    return Program(n_qubits, n_weights, tuple(_fuse(operations, n_qubits)))


def probes(n_weights: int) -> np.ndarray:
    """Return the weights that a template is traced with, shape (4, n_weights)."""
    return np.random.default_rng(20231113).uniform(0.3, 2.8, (4, n_weights))


class Angle(NamedTuple):
    """``scale * weights[weight] + offset``; weight -1 for a constant."""

    weight: int = -1
    scale: float = 0.0
    offset: float = 0.0


class _Traced(NamedTuple):
    """One primitive operation of one trace: `angle` is None for a constant gate."""

    kind: str  # "constant", "rotation" (one qubit) or "diagonal"
    wires: tuple[int, ...]
    matrix: np.ndarray  # the gate; the Pauli matrix; or the generator's diagonal
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


def _primitives(operation) -> list[_Traced]:
    """Break a PennyLane operation down."""
    import pennylane as qml

    wires = tuple(int(wire) for wire in operation.wires)
    values = [float(v) for v in operation.data] if _has_scalar_parameters(operation) else []
    name = operation.name
    if name in ("Identity", "GlobalPhase", "Barrier", "WireCut", "Snapshot"):
        return []
    if name in _ROTATIONS:
        return [
            _Traced("rotation", wires, _PAULI[axis], values[p] if isinstance(p, int) else p)
            for axis, p in _ROTATIONS[name]
        ]
    if isinstance(operation, qml.operation.Channel):
        raise ValueError(f"The ansatz contains {operation}, which is not a unitary gate.")
    if not operation.data and operation.has_matrix:
        return [_Traced("constant", wires, np.asarray(operation.matrix(), complex))]
    if name == "CRot":
        # PennyLane's decomposition adds weights up; this one gives each its own angle.
        parts = (qml.CRZ(values[0], wires), qml.CRY(values[1], wires), qml.CRZ(values[2], wires))
        return [primitive for part in parts for primitive in _primitives(part)]
    if len(values) == 1 and name in _BASES:
        return _diagonalised(operation, wires, values[0], _BASES[name])
    if len(values) == 1 and len(wires) <= 6 and _has_generator(operation):
        return _rotation_by_generator(operation, wires, values[0])
    if operation.has_decomposition:
        parts = operation.decomposition()
        return [primitive for part in parts for primitive in _primitives(part)]
    if operation.has_matrix:
        return [_Traced("constant", wires, np.asarray(operation.matrix(), complex))]
    raise ValueError(
        f"The ansatz contains {operation.name}, which is not a unitary gate with a matrix, a "
        "generator or a decomposition. Only gates can be trained by the exact simulator."
    )


def _has_scalar_parameters(operation) -> bool:
    return all(np.ndim(value) == 0 for value in operation.data)


def _has_generator(operation) -> bool:
    return operation.has_generator and operation.has_matrix


def _generator(operation) -> np.ndarray:
    """Return G of ``exp(i angle G)`` as a matrix on the operation's wires."""
    import pennylane as qml

    return np.asarray(qml.matrix(operation.generator(), wire_order=operation.wires), complex)


def _diagonalised(operation, wires, value, bases) -> list[_Traced]:
    """Write a two-qubit rotation as one-qubit gates around a diagonal one."""
    left, right = (np.eye(2) if basis is None else basis for basis in bases)
    change = np.kron(left, right)
    diagonal = np.diag(change.conj().T @ _generator(operation) @ change).real
    sides = [(wire, basis) for wire, basis in zip(wires, bases, strict=True) if basis is not None]
    return [
        *(_Traced("constant", (wire,), basis.conj().T) for wire, basis in sides),
        _Traced("diagonal", wires, diagonal, value),
        *(_Traced("constant", (wire,), basis) for wire, basis in sides),
    ]


def _rotation_by_generator(operation, wires, value) -> list[_Traced]:
    """Write ``exp(i angle G)`` as its eigenvectors around a diagonal gate."""
    generator = _generator(operation)
    if np.allclose(generator, np.diag(np.diag(generator)), atol=_ATOL):
        return [_Traced("diagonal", wires, np.diag(generator).real, value)]
    eigenvalues, vectors = np.linalg.eigh(generator)
    return [
        _Traced("constant", wires, vectors.conj().T),
        _Traced("diagonal", wires, eigenvalues, value),
        _Traced("constant", wires, vectors),
    ]


def _match(traces: list[list[_Traced]], probes: np.ndarray) -> list[_Traced]:
    """Compare the traces and put an :class:`Angle` in the place of each value."""
    first = traces[0]
    for other in traces[1:]:
        same = len(first) == len(other) and all(
            a.kind == b.kind
            and a.wires == b.wires
            and a.matrix.shape == b.matrix.shape
            and np.allclose(a.matrix, b.matrix, atol=_ATOL)
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
    if np.allclose(angles, angles[0], atol=_ATOL):
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


def _fuse(operations: list[_Traced], n_qubits: int):
    """Collect primitive operations into as few steps as their order allows."""
    local = _LocalBuilder(n_qubits)
    pending: PhasePermutation | None = None
    for operation in operations:
        if len(operation.wires) == 1 and operation.kind != "diagonal":
            if pending is not None:
                yield pending
                pending = None
            local.add(operation)
            continue
        step = _embed(operation, n_qubits)
        if local.is_used:
            yield local.build()
            local = _LocalBuilder(n_qubits)
        if isinstance(step, PhasePermutation):
            pending = step if pending is None else pending.then(step)
            continue
        if pending is not None:
            yield pending
            pending = None
        yield step
    if local.is_used:
        yield local.build()
    if pending is not None:
        yield pending


class _LocalBuilder:
    """Collects one-qubit operations into a :class:`LocalLayer`."""

    def __init__(self, n_qubits: int):
        self.slots: list[list[tuple[np.ndarray, np.ndarray, Angle]]] = [[] for _ in range(n_qubits)]
        self.constants = [np.eye(2, dtype=complex) for _ in range(n_qubits)]
        self.is_used = False

    def add(self, operation: _Traced) -> None:
        """Append a rotation or a constant gate to its qubit."""
        (q,) = operation.wires
        self.is_used = True
        if operation.kind == "rotation":
            self.slots[q].append((self.constants[q], operation.matrix, operation.angle))
            self.constants[q] = np.eye(2, dtype=complex)
        else:
            gate = operation.matrix
            if np.iscomplex(gate).any():  # a phase less may make it real: Y is i times a rotation
                gate = gate / np.sqrt(np.linalg.det(gate))
            self.constants[q] = gate @ self.constants[q]

    def build(self) -> LocalLayer:
        """Return the layer, the slots of all qubits padded to one length."""
        for slots, constant in zip(self.slots, self.constants, strict=True):
            if not np.array_equal(constant, np.eye(2)):
                slots.append((constant, np.zeros((2, 2)), Angle()))
        length = max(map(len, self.slots))
        identity = (np.eye(2), np.zeros((2, 2)), Angle())
        grid = [[*slots, *[identity] * (length - len(slots))] for slots in self.slots]
        columns = [[slots[k] for slots in grid] for k in range(length)]
        return LocalLayer(
            np.array([[constant for constant, _, _ in row] for row in columns], complex),
            np.array([[axis for _, axis, _ in row] for row in columns], complex),
            np.array([[angle.weight for _, _, angle in row] for row in columns]),
            np.array([[angle.scale for _, _, angle in row] for row in columns]),
            np.array([[angle.offset for _, _, angle in row] for row in columns]),
        )


def _embed(operation: _Traced, n_qubits: int) -> PhasePermutation | Gate:
    """Turn an operation on some wires into a step on the whole register."""
    basis = np.arange(2**n_qubits)
    local = np.zeros(len(basis), int)  # the bits on the operation's wires, as a number
    for wire in operation.wires:
        local = 2 * local + (basis >> (n_qubits - 1 - wire) & 1)
    identity = PhasePermutation.identity(n_qubits)
    if operation.kind == "diagonal":
        index, scale, offset = operation.angle
        return PhasePermutation(
            identity.permutation,
            identity.phase,
            operation.matrix[local][None],
            np.array([index]),
            np.array([scale]),
            np.array([offset]),
        )
    nonzero = np.abs(operation.matrix) > _ATOL
    if not (nonzero.sum(axis=0) == 1).all() or not (nonzero.sum(axis=1) == 1).all():
        return Gate(operation.matrix, operation.wires)
    source = np.argmax(nonzero, axis=1)
    permutation = basis.copy()
    for position, wire in enumerate(operation.wires):
        shift = n_qubits - 1 - wire
        bit = source[local] >> (len(operation.wires) - 1 - position) & 1
        permutation = permutation & ~(1 << shift) | bit << shift
    phase = operation.matrix[np.arange(len(source)), source][local]
    return PhasePermutation(
        permutation, phase, identity.generators, identity.index, identity.scale, identity.offset
    )
