"""A student's circuit as a list of named gates with angles: what devices run and people read.

The exact simulator multiplies fused matrices; a device wants gates. A :class:`GateCircuit` names
them, and keeps every angle in a column of a matrix of shape (n_runs, n_angles), so that one circuit
stands for all images and, with shifted columns, for all terms of the parameter-shift rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..threads import in_pennylane
from .templates import ansatz_shape, ansatz_template
from .tracing import (
    ATOL,
    IGNORED,
    Angle,
    Traced,
    check_unitary,
    exponent,
    rotations_of,
    trace_ansatz,
)

__all__ = ["AnsatzGates", "GateCircuit", "NamedGate", "ansatz_gates", "shift_rule"]

#: Gates with one angle, and those without, that devices know by name. All else is decomposed.
TURNING = frozenset(
    (
        *("RX", "RY", "RZ", "PhaseShift", "CRX", "CRY", "CRZ", "ControlledPhaseShift"),
        *("IsingXX", "IsingYY", "IsingZZ"),
    )
)
CONSTANT = frozenset(
    (
        *("Hadamard", "PauliX", "PauliY", "PauliZ", "S", "T", "SX"),
        *("CNOT", "CY", "CZ", "SWAP", "Toffoli", "CSWAP"),
    )
)


class NamedGate(NamedTuple):
    """One gate.

    Attributes
    ----------
    name : str
        PennyLane's: one of `TURNING`, with an angle, or of `CONSTANT`, or "QubitUnitary".
    wires : tuple of int
    angle : int or None
        Column of its angle; None for a gate without.
    matrix : ndarray or None
        Of a "QubitUnitary", (2^k, 2^k), the first wire in the most significant bit.
    """

    name: str
    wires: tuple[int, ...]
    angle: int | None = None
    matrix: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class GateCircuit:
    """Gates in the order of their application.

    Attributes
    ----------
    n_qubits : int
    gates : tuple of NamedGate
    n_angles : int
        Number of columns of a matrix of angles.
    """

    n_qubits: int
    gates: tuple[NamedGate, ...]
    n_angles: int

    def then(self, later: GateCircuit) -> GateCircuit:
        """Return this circuit followed by `later`, whose angles come in the columns behind."""
        moved = (
            gate if gate.angle is None else gate._replace(angle=gate.angle + self.n_angles)
            for gate in later.gates
        )
        return GateCircuit(self.n_qubits, (*self.gates, *moved), self.n_angles + later.n_angles)

    def operations(self, angles: np.ndarray) -> list:
        """Return the circuit as PennyLane operations.

        Parameters
        ----------
        angles : ndarray of shape (n_angles,) or (n_runs, n_angles)
            In radians. Of many runs, the operations are broadcast: a gate takes its column, or one
            number where the column has only one.

        Returns
        -------
        operations : list of pennylane.operation.Operation
        """
        import pennylane as qml

        operations = []
        for gate in self.gates:
            if gate.matrix is not None:
                operations.append(qml.QubitUnitary(gate.matrix, wires=gate.wires))
            elif gate.angle is None:
                operations.append(getattr(qml, gate.name)(wires=gate.wires))
            else:
                column = angles[..., gate.angle]
                if np.ndim(column) and (column == column[0]).all():
                    column = column[0]
                operations.append(getattr(qml, gate.name)(column, wires=gate.wires))
        return operations


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
    return _ansatz_gates(ansatz, n_qubits, n_layers)


@in_pennylane
def _ansatz_gates(ansatz, n_qubits, n_layers):
    shape = ansatz_shape(ansatz, n_qubits, n_layers)
    gates: list[NamedGate] = []
    angles: list[Angle] = []
    for name, wires, matrix, angle in trace_ansatz(
        ansatz_template(ansatz), shape, n_qubits, _named
    ):
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


def _named(operation) -> list[Traced]:
    """Break a PennyLane operation down to gates by name."""
    wires = tuple(int(wire) for wire in operation.wires)
    name = operation.name
    if name in IGNORED:
        return []
    if name in TURNING:
        return [Traced(name, wires, None, float(operation.data[0]))]
    if name in CONSTANT:
        return [Traced(name, wires)]
    parts = rotations_of(operation)
    if not parts:
        check_unitary(operation)
    if _is_exponential(operation):
        return _turned_by_generator(*exponent(operation), wires)
    is_constant = not operation.data and operation.has_matrix and len(wires) <= 2
    if not parts and not is_constant and operation.has_decomposition:
        parts = operation.decomposition()
    if parts:
        return [gate for part in parts for gate in _named(part)]
    if operation.has_matrix:
        return [Traced("QubitUnitary", wires, np.asarray(operation.matrix(), complex))]
    raise ValueError(
        f"The ansatz contains {name}, which is not a unitary gate with a matrix or a "
        "decomposition. Only gates can run on a device."
    )


def _is_exponential(operation):
    import pennylane as qml

    return isinstance(operation, qml.ops.op_math.Exp)


def _turned_by_generator(generator, value, wires) -> list[Traced]:
    """Write ``exp(i angle G)`` as rotations about products of Z between two changes of basis.

    G is diagonal after the change, and its diagonal a sum over sets of wires of a number times the
    product of their Z (the Walsh-Hadamard transform).
    """
    eigenvalues, vectors = np.linalg.eigh(generator)
    if np.allclose(generator, np.diag(np.diag(generator)), atol=ATOL):
        eigenvalues, vectors = np.diag(generator).real, np.eye(len(generator), dtype=complex)
    shares = _walsh(eigenvalues)
    gates = []
    for number, share in enumerate(shares):
        chosen = [w for i, w in enumerate(wires) if number >> (len(wires) - 1 - i) & 1]
        if chosen and abs(share) > ATOL:
            ladder = [Traced("CNOT", pair) for pair in pairwise(chosen)]
            # exp(i angle c Z...Z) is a rotation by -2 c angle.
            turn = Traced("RZ", (chosen[-1],), None, -2 * share * value)
            gates += [*ladder, turn, *reversed(ladder)]
    if (vectors == np.eye(len(vectors))).all():
        return gates
    return [
        Traced("QubitUnitary", wires, vectors.conj().T),
        *gates,
        Traced("QubitUnitary", wires, vectors),
    ]


def _walsh(values):
    """Return c with ``values[b] = sum over n of c[n] (-1)^(bits that n and b share)``."""
    transformed = np.array(values, float)
    step = 1
    while step < len(transformed):
        pairs = transformed.reshape(-1, 2, step)
        transformed = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1).ravel()
        step *= 2
    return transformed / len(transformed)


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
