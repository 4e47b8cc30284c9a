"""An ansatz as gates that devices know by name, and the parameter-shift rule of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from ..gates import GateCircuit, NamedGate
from ..threads import in_pennylane
from .named import PAULI, named_operations
from .operators import (
    ATOL,
    CONSTANT,
    IGNORED,
    Angle,
    Traced,
    decomposed,
    real_angles,
    refuse,
    rotations_of,
    unitary_matrix,
)
from .primitives import diagonalised, primitives
from .templates import ANSATZ_NAMES, ansatz_shape, ansatz_template
from .tracing import trace_ansatz

__all__ = ["AnsatzGates", "ansatz_gates", "break_down", "shift_rule"]

#: Gates with one angle that devices know by name, as they do those of `CONSTANT` without.
TURNING = frozenset(
    (
        "RX",
        "RY",
        "RZ",
        "PhaseShift",
        "CRX",
        "CRY",
        "CRZ",
        "ControlledPhaseShift",
        "IsingXX",
        "IsingYY",
        "IsingZZ",
    )
)


class AnsatzGates(NamedTuple):
    """An ansatz as gates, and its angles as functions of its weights.

    Attributes
    ----------
    circuit : GateCircuit
    indices : ndarray of int, shape (n_angles,)
        The weight that each angle belongs to; -1 for a constant.
    scale, offset : ndarray of shape (n_angles,)
        ``angle = scale * weights[index] + offset``.
    """

    circuit: GateCircuit
    indices: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    def angles(self, weights: np.ndarray) -> np.ndarray:
        """Return the angles, (n_angles,), for flat `weights`."""
        padded = np.append(np.asarray(weights, float), 0.0)
        return self.scale * padded[self.indices] + self.offset


def ansatz_gates(ansatz: str | Callable, n_qubits: int, n_layers: int) -> AnsatzGates:
    """Break an ansatz down to gates that devices know by name.

    Parameters
    ----------
    ansatz : str or callable
        As for :func:`sklqkd.circuits.compile_ansatz`.
    n_qubits, n_layers : int

    Returns
    -------
    ansatz_gates : AnsatzGates

    Raises
    ------
    ValueError
        As :func:`sklqkd.circuits.compile_ansatz` does.

    Examples
    --------
    >>> ansatz = ansatz_gates("basic_entangler", n_qubits=2, n_layers=1)
    >>> [gate.name for gate in ansatz.circuit.gates], ansatz.indices
    (['RX', 'RX', 'CNOT'], array([0, 1]))
    """
    if isinstance(ansatz, str):
        return _named_ansatz_gates(ansatz, n_qubits, n_layers)
    return _ansatz_gates(ansatz, n_qubits, n_layers)


@lru_cache(maxsize=64)
def _named_ansatz_gates(ansatz, n_qubits, n_layers):
    if ansatz not in ANSATZ_NAMES:
        ansatz_template(ansatz)  # raises the error that names them
    operations = [
        one if one.angle is None else one._replace(kind=f"R{_axis(one.matrix)}", matrix=None)
        for one in named_operations(ansatz, n_qubits, n_layers)
    ]
    gates = [
        one._replace(kind="CNOT", matrix=None) if one.kind == "constant" else one
        for one in operations
    ]
    return _collected(gates, n_qubits)


def _axis(matrix):
    (axis,) = (axis for axis, pauli in PAULI.items() if np.array_equal(pauli, matrix))
    return axis


@in_pennylane
def _ansatz_gates(ansatz, n_qubits, n_layers):
    shape = ansatz_shape(ansatz, n_qubits, n_layers)
    break_downs = (_named, _from_primitives)
    template = ansatz_template(ansatz)
    return _collected(trace_ansatz(template, shape, n_qubits, break_downs, _as_gates), n_qubits)


def _collected(operations, n_qubits) -> AnsatzGates:
    gates: list[NamedGate] = []
    angles: list[Angle] = []
    for name, wires, matrix, angle in operations:
        gates.append(NamedGate(name, wires, None if angle is None else len(angles), matrix))
        if angle is not None:
            angles.append(angle)
    columns = np.array(angles, float).reshape(-1, 3)
    return AnsatzGates(
        GateCircuit(n_qubits, tuple(gates), len(angles)),
        columns[:, 0].astype(int),
        columns[:, 1],
        columns[:, 2],
    )


def break_down(operation) -> list[Traced]:
    """Break a PennyLane operation down to gates by name, with numbers for angles.

    Parameters
    ----------
    operation : pennylane.operation.Operator

    Returns
    -------
    gates : list of Traced

    Raises
    ------
    ValueError
        If it is not a unitary gate.
    """
    gates = _named(operation)
    if operation.data and any(gate.matrix is not None for gate in gates):
        return _from_primitives(operation)  # which knows more gates by their generators
    return gates


def _named(operation) -> list[Traced]:
    """Break a PennyLane operation down to gates by name."""
    wires = tuple(int(wire) for wire in operation.wires)
    values = real_angles(operation)
    name = operation.name
    if name in IGNORED and values is not None:
        return []
    if name in TURNING and values is not None:
        return [Traced(name, wires, None, values[0])]
    if name in CONSTANT:
        return [Traced(name, wires)]
    if values is not None and (rotations := rotations_of(operation)):
        return [gate for part in rotations for gate in _named(part)]
    matrix = unitary_matrix(operation)
    is_small = matrix is not None and not operation.data and len(wires) <= 2
    parts = None if is_small else decomposed(operation, matrix)
    if parts is not None:
        return [gate for part in parts for gate in _named(part)]
    if matrix is None:
        refuse(operation, "it has no decomposition, and no matrix that is small enough to look at")
    return [Traced("QubitUnitary", wires, matrix)]


def _from_primitives(operation) -> list[Traced]:
    """Break a PennyLane operation down to what the exact simulator runs, as gates by name."""
    return _as_gates(primitives(operation))


def _as_gates(operations) -> list[Traced]:
    """Write what the exact simulator runs as gates by name."""
    gates = []
    for kind, wires, matrix, angle in diagonalised(operations):
        if kind == "constant":
            gates.append(Traced("QubitUnitary", wires, matrix))
        elif kind == "rotation":
            gates.append(Traced(f"R{_axis(matrix)}", wires, None, angle))
        else:
            gates += _phases(matrix, wires, angle)
    return gates


def _phases(diagonal, wires, angle) -> list[Traced]:
    """Write ``exp(i angle diag(diagonal))`` as CNOT and RZ gates, but for a phase."""
    n_wires = len(wires)
    signs: np.ndarray = np.ones((1, 1))
    for _ in wires:
        signs = np.kron(signs, [[1, 1], [1, -1]])
    gates = []
    for subset, coefficient in enumerate(signs @ diagonal / 2**n_wires):
        # exp(i c Z...Z) is an RZ by -2 c of the parity of these wires.
        chosen = [wire for place, wire in enumerate(wires) if subset >> (n_wires - 1 - place) & 1]
        if not chosen or abs(coefficient) < ATOL:
            continue
        *others, last = chosen
        ladder = [Traced("CNOT", (wire, last)) for wire in others]
        gates += [*ladder, Traced("RZ", (last,), None, _scaled(angle, -2 * coefficient))]
        gates += ladder[::-1]
    return gates


def _scaled(angle, factor):
    if isinstance(angle, Angle):
        return Angle(angle.weight, factor * angle.scale, factor * angle.offset)
    return factor * angle


@cache
def shift_rule(name: str) -> tuple[tuple[float, float], ...]:
    """Return the parameter-shift rule of a gate with an angle.

    Parameters
    ----------
    name : str
        One of `TURNING`.

    Returns
    -------
    terms : tuple of (coefficient, shift)
        The derivative of an expectation value for the angle is the sum of the coefficients times
        its values at the shifted angles: two terms, or four for controlled rotations
        (Wierichs et al., arXiv:2107.12390). Coefficients are 1/2 at shifts of pi/2; the code of
        arXiv:2311.13810 shifts by pi/4 without the factor, and its gradients are too long by
        sqrt(2).

    Examples
    --------
    >>> [(round(float(c), 3), round(float(s), 3)) for c, s in shift_rule("RY")]
    [(0.5, 1.571), (-0.5, -1.571)]
    """
    import pennylane as qml

    frequencies = (0.5, 1.0) if name in ("CRX", "CRY", "CRZ") else (1.0,)
    rule = qml.gradients.generate_shift_rule(frequencies)
    return tuple((float(coefficient), float(shift)) for coefficient, shift in rule)
