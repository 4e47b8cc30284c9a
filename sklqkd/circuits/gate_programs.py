"""From gates by name to a program for the exact simulator, over their angles."""

from __future__ import annotations

import numpy as np

from ..gates import GateCircuit
from ..statevector import Program
from .compiler import fuse
from .named import PAULI
from .operators import Angle, Traced

__all__ = ["gate_program"]

_HADAMARD = np.array([[1, 1], [1, -1]], complex) / np.sqrt(2)
_S_HADAMARD = np.diag([1, 1j]) @ _HADAMARD  # turns Z into Y
_ROOT_X = np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2


def _controlled(matrix):
    size = len(matrix)
    result = np.eye(2 * size, dtype=complex)
    result[size:, size:] = matrix
    return result


_SWAP = np.eye(4, dtype=complex)[[0, 2, 1, 3]]
_MATRICES = {
    "Hadamard": _HADAMARD,
    "PauliX": PAULI["X"],
    "PauliY": PAULI["Y"],
    "PauliZ": PAULI["Z"],
    "S": np.diag([1, 1j]),
    "T": np.diag([1, np.exp(0.25j * np.pi)]),
    "SX": _ROOT_X,
    "CNOT": _controlled(PAULI["X"]),
    "CY": _controlled(PAULI["Y"]),
    "CZ": _controlled(PAULI["Z"]),
    "SWAP": _SWAP,
    "Toffoli": _controlled(_controlled(PAULI["X"])),
    "CSWAP": _controlled(_SWAP),
}
_AXES = {"RX": "X", "RY": "Y", "RZ": "Z", "PhaseShift": "Z"}
_TURNED = np.array([0, 0, -0.5, 0.5])
_EQUAL = np.array([-0.5, 0.5, 0.5, -0.5])
#: Gates on two qubits that are ``exp(i angle diagonal)`` after a change of basis on some of them.
_DIAGONALS: dict[str, tuple] = {
    "CRZ": (_TURNED, None, None),
    "CRX": (_TURNED, None, _HADAMARD),
    "CRY": (_TURNED, None, _S_HADAMARD),
    "ControlledPhaseShift": (np.array([0.0, 0, 0, 1]), None, None),
    "IsingZZ": (_EQUAL, None, None),
    "IsingXX": (_EQUAL, _HADAMARD, _HADAMARD),
    "IsingYY": (_EQUAL, _S_HADAMARD, _S_HADAMARD),
}


def gate_program(circuit: GateCircuit) -> Program:
    """Compile named gates for the exact simulator.

    Parameters
    ----------
    circuit : GateCircuit

    Returns
    -------
    program : Program
        Over the angles of the circuit, in the place of weights.

    Examples
    --------
    >>> from sklqkd.gates import GateCircuit, NamedGate
    >>> gates = (NamedGate("RY", (0,), 0), NamedGate("IsingZZ", (0, 1), 1))
    >>> [type(step).__name__ for step in gate_program(GateCircuit(2, gates, 2)).steps]
    ['LocalLayer', 'PhasePermutation']
    """
    operations: list[Traced] = []
    for gate in circuit.gates:
        angle = None if gate.angle is None else Angle(gate.angle, 1.0, 0.0)
        if gate.name in _AXES:
            axis = PAULI[_AXES[gate.name]]
            operations.append(Traced("rotation", gate.wires, axis, angle))
        elif gate.name in _DIAGONALS:
            diagonal, *bases = _DIAGONALS[gate.name]
            sides = [
                (wire, basis)
                for wire, basis in zip(gate.wires, bases, strict=True)
                if basis is not None
            ]
            operations += [Traced("constant", (wire,), basis.conj().T) for wire, basis in sides]
            operations.append(Traced("diagonal", gate.wires, diagonal, angle))
            operations += [Traced("constant", (wire,), basis) for wire, basis in sides]
        else:
            matrix = _MATRICES[gate.name] if gate.matrix is None else gate.matrix
            operations.append(Traced("constant", gate.wires, matrix))
    return Program(circuit.n_qubits, circuit.n_angles, tuple(fuse(operations, circuit.n_qubits)))
