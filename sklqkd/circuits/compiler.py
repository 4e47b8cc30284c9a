"""From what a template does to a program of as few fused steps as its order allows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ..statevector import Gate, LocalLayer, PhasePermutation, Program
from ..threads import in_pennylane
from .named import named_operations
from .operators import ATOL, Angle, Traced
from .primitives import diagonalised, primitives
from .templates import ANSATZ_NAMES, ansatz_shape, ansatz_template
from .tracing import trace_ansatz

__all__ = ["compile_ansatz", "fuse"]


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
    if ansatz not in ANSATZ_NAMES:
        ansatz_template(ansatz)  # raises the error that names them
    n_weights = int(np.prod(ansatz_shape(ansatz, n_qubits, n_layers)))
    operations = named_operations(ansatz, n_qubits, n_layers)
    return Program(n_qubits, n_weights, tuple(fuse(operations, n_qubits)))


@in_pennylane
def _compile(template: Callable, shape: tuple[int, ...], n_qubits: int) -> Program:
    n_weights = int(np.prod(shape))
    operations = diagonalised(trace_ansatz(template, shape, n_qubits, [primitives]))
    turning = [one.angle for one in operations if one.angle is not None]
    if n_weights and all(angle.weight < 0 for angle in turning):
        warnings.warn(
            f"No gate of the ansatz {template!r} depends on its weights, {n_weights} by its "
            "`shape`: nothing of it is trained. Use them as angles, or set its shape to (0,).",
            stacklevel=2,
        )
    return Program(n_qubits, n_weights, tuple(fuse(operations, n_qubits)))


def fuse(operations: list[Traced], n_qubits: int):
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

    @property
    def is_used(self) -> bool:
        """Whether it has collected anything that does not cancel."""
        return any(self.slots) or any(map(_changes, self.constants))

    def add(self, operation: Traced) -> None:
        """Append a rotation or a constant gate to its qubit."""
        (q,) = operation.wires
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
            if _changes(constant):
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


def _changes(constant: np.ndarray) -> bool:
    return not np.array_equal(constant, np.eye(2))


def _embed(operation: Traced, n_qubits: int) -> PhasePermutation | Gate:
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
    nonzero = np.abs(operation.matrix) > ATOL
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
