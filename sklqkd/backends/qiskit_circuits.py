"""A gate circuit as a Qiskit circuit; the only place that knows Qiskit's names of the gates.

Qubit q is PennyLane's wire q. Qiskit prints qubit 0 last in a bit string; in PennyLane wire 0 is
the most significant bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..gates import GateCircuit

__all__ = ["expectations", "probabilities", "quantum_circuit"]

#: PennyLane's names of the gates, and the methods of a QuantumCircuit.
_QISKIT_NAMES = {
    "RX": "rx",
    "RY": "ry",
    "RZ": "rz",
    "PhaseShift": "p",
    "CRX": "crx",
    "CRY": "cry",
    "CRZ": "crz",
    "ControlledPhaseShift": "cp",
    "IsingXX": "rxx",
    "IsingYY": "ryy",
    "IsingZZ": "rzz",
    "Hadamard": "h",
    "PauliX": "x",
    "PauliY": "y",
    "PauliZ": "z",
    "S": "s",
    "T": "t",
    "SX": "sx",
    "CNOT": "cx",
    "CY": "cy",
    "CZ": "cz",
    "SWAP": "swap",
    "Toffoli": "ccx",
    "CSWAP": "cswap",
    "Barrier": "barrier",
}


def quantum_circuit(circuit: GateCircuit, angles: Sequence):
    """Return a circuit as a Qiskit QuantumCircuit, without measurements.

    Parameters
    ----------
    circuit : GateCircuit
    angles : sequence of float or qiskit.circuit.Parameter, length n_angles

    Returns
    -------
    quantum_circuit : qiskit.QuantumCircuit
    """
    from qiskit import QuantumCircuit
    from qiskit.circuit.library import UnitaryGate

    result = QuantumCircuit(circuit.n_qubits)
    for gate in circuit.gates:
        if gate.matrix is not None:
            # Qiskit takes the first qubit for the least significant bit of a matrix.
            result.append(UnitaryGate(gate.matrix), gate.wires[::-1])
        elif gate.angle is None:
            getattr(result, _QISKIT_NAMES[gate.name])(*gate.wires)
        else:
            angle = angles[gate.angle]
            angle = float(angle) if isinstance(angle, (int, float, np.number)) else angle
            getattr(result, _QISKIT_NAMES[gate.name])(angle, *gate.wires)
    return result


def expectations(circuit, sentences: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Return the expectation values of sums of Pauli words as Qiskit computes them.

    Parameters
    ----------
    circuit : qiskit.QuantumCircuit
        Without measurements.
    sentences : sequence of dict
        Pauli words, letter k for qubit k, and their coefficients.

    Returns
    -------
    values : ndarray of shape (n_sentences,)
    """
    from qiskit.quantum_info import SparsePauliOp, Statevector

    state = Statevector(circuit)
    operators = [
        SparsePauliOp.from_list([(word[::-1], factor) for word, factor in sentence.items()])
        for sentence in sentences
    ]
    return np.array([state.expectation_value(operator).real for operator in operators])


def probabilities(circuit) -> np.ndarray:
    """Return the probabilities of the basis states as Qiskit computes them, without a device.

    Parameters
    ----------
    circuit : qiskit.QuantumCircuit
        Without measurements.

    Returns
    -------
    probabilities : ndarray of shape (2^n,)
        Qubit 0 is the most significant bit, as in PennyLane.
    """
    from qiskit.quantum_info import Statevector

    n_qubits = circuit.num_qubits
    found = Statevector(circuit).probabilities()
    return found.reshape([2] * n_qubits).transpose(range(n_qubits)[::-1]).ravel()
