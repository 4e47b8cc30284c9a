"""A circuit as a list of named gates with angles: what devices run and people read.

The exact simulator multiplies fused matrices; a device wants gates. A :class:`GateCircuit` names
them, and keeps every angle in a column of a matrix of shape (n_runs, n_angles), so that one circuit
stands for all images and, with shifted columns, for all terms of the parameter-shift rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .statevector.polynomials import Polynomials

__all__ = ["DataGates", "GateCircuit", "NamedGate"]


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


class DataGates(NamedTuple):
    """Gates, and their angles as polynomials of features and weights.

    Attributes
    ----------
    circuit : GateCircuit
        Each angle belongs to one gate.
    polynomials : Polynomials
    """

    circuit: GateCircuit
    polynomials: Polynomials
