"""What :mod:`.circuit_export` says of a circuit that data enter several times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..backends import qiskit_circuits, transpilation
from ..encodings.gates import squashed_angles
from ..gates import GateCircuit
from . import fitting
from .student_circuit import StudentCircuit, student_circuit

__all__ = ["bound", "encoded", "queue", "resources"]


def bound(student, features: np.ndarray) -> tuple[GateCircuit, np.ndarray]:
    """Return all gates of a fitted student, and their angles, for features of shape (1, n)."""
    circuit, polynomials = _parts(student).gates
    squashed = squashed_angles(features, polynomials.n_features)
    weights = fitting.part(student, "circuit_weights")
    return circuit, polynomials.angles(squashed, weights)[0]


def encoded(student, features: np.ndarray) -> list[list]:
    """Return the PennyLane operations of each upload of features of shape (1, n)."""
    circuit, angles = bound(student, features)
    return [part.operations(angles) for part in _encodings(_parts(student), circuit)]


def queue(student, template):
    """Return a function of features, (1, n), and of the ansatz's weights that queues the gates."""
    parts = _parts(student)
    circuit, polynomials = parts.gates
    trained = np.array(fitting.part(student, "circuit_weights"), float)

    def run(features, weights):
        squashed = squashed_angles(features, polynomials.n_features)
        angles = polynomials.angles(squashed, trained)[0]
        for upload, encoding in enumerate(_encodings(parts, circuit)):
            encoding.operations(angles)
            own = weights if parts.n_uploads == 1 else weights[upload]
            template(own, wires=range(circuit.n_qubits))

    return run


def resources(student, **target) -> dict:
    """Return the counts of :meth:`.circuit_export.CircuitMixin.circuit_resources`."""
    parts = _parts(student)
    circuit, polynomials = parts.gates
    weights = fitting.part(student, "circuit_weights")
    trained = polynomials.angles(np.zeros((1, polynomials.n_features)), weights)[0]
    images = np.flatnonzero(polynomials.is_sampled)
    values = transpilation.opened(trained, images, "image")
    starts = [0, *parts.ends]
    made = []
    for place in range(2):  # all encodings, all ansaetze
        spans = zip(starts[place:-1:2], parts.ends[place::2], strict=True)
        gates = tuple(gate for start, end in spans for gate in circuit.gates[start:end])
        made.append(qiskit_circuits.quantum_circuit(replace(circuit, gates=gates), values))
    whole = qiskit_circuits.quantum_circuit(circuit, values)
    n_ansatz, n_all = parts.sizes.n_ansatz, len(images) + weights.size
    counted = {
        "preparation": (made[0], n_all - n_ansatz),
        "ansatz": (made[1], n_ansatz),
        "circuit": (whole, n_all),
        "transpiled": (transpilation.transpiled(whole, **target), n_all),
    }
    return {
        name: {**transpilation.count_gates(circuit), "n_parameters": n_parameters}
        for name, (circuit, n_parameters) in counted.items()
    }


def _parts(student) -> StudentCircuit:
    return student_circuit(student, student.circuit_)


def _encodings(parts: StudentCircuit, circuit: GateCircuit) -> list[GateCircuit]:
    """Return the gates of each upload, which keep their columns of the angles."""
    spans = zip([0, *parts.ends[1::2]], parts.ends[::2], strict=False)
    return [replace(circuit, gates=circuit.gates[start:end]) for start, end in spans]
