"""A gate circuit made ready for a Qiskit device: transpiled once, its angles plain parameters."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from ..gates import GateCircuit
from .qiskit_circuits import quantum_circuit
from .transpilation import measured, transpile

__all__ = ["CompiledCircuit", "compile_circuit", "measure"]


class CompiledCircuit(NamedTuple):
    """A circuit for a device, and how its parameters follow from the angles of a gate circuit.

    Transpilation turns an angle into expressions such as ``angle / 2 + pi``, and Qiskit evaluates
    these one by one for each run. Here they have become parameters, computed for all runs at once.

    Attributes
    ----------
    circuit : qiskit.QuantumCircuit
        Without measurements, on the qubits of the device.
    qubits : tuple of int, length n_qubits
        The device's qubits in which the wires end.
    parameters : list of qiskit.circuit.Parameter
    slopes : ndarray of shape (n_angles, n_parameters)
    offsets : ndarray of shape (n_parameters,)
    others : list of (int, qiskit.circuit.ParameterExpression)
        Parameters that are not affine in the angles.
    """

    circuit: Any
    qubits: tuple[int, ...]
    parameters: list
    slopes: np.ndarray
    offsets: np.ndarray
    others: list

    def values(self, angles: np.ndarray) -> np.ndarray:
        """Return the values of the parameters, (n_runs, n_parameters), for a matrix of angles."""
        values = angles @ self.slopes + self.offsets
        for column, expression in self.others:
            values[:, column] = [_evaluate(expression, row) for row in angles]
        return values


def compile_circuit(
    circuit: GateCircuit,
    transpile_options: dict | None = None,
    identities: bool = False,
    known_gates: Collection[str] | None = None,
    noisy_gates: Collection[str] = (),
) -> CompiledCircuit:
    """Make a circuit ready for a device.

    Parameters
    ----------
    circuit : GateCircuit
    transpile_options : dict, default=None
        Of qiskit.transpile; None if the gates are to stay as they are.
    identities : bool, default=False
        Follow every gate by an identity on each of its qubits, for a noise model to attach to.
    known_gates : collection of str, default=None
        Qiskit's names of the gates that may stay; the others, and controlled rotations, are
        replaced by their definitions. None for all.
    noisy_gates : collection of str, default=()
        Gates that must not be replaced, because a noise model attaches to them.

    Returns
    -------
    compiled : CompiledCircuit

    Raises
    ------
    ValueError
        If a noisy gate may not stay.
    """
    from qiskit.circuit import ParameterVector

    angles = ParameterVector("angle", circuit.n_angles)
    quantum = measured(quantum_circuit(circuit, angles))
    if transpile_options is not None:
        quantum = transpile(quantum, **transpile_options)
    quantum, qubits = _without_measurements(quantum, identities)
    while unknown := _unknown_gates(quantum, known_gates):
        if lost := unknown.intersection(noisy_gates):
            raise ValueError(
                f"Aer cannot run the noisy gates {sorted(lost)} of noise_model as they are. Choose "
                "other gates by backend_options['basis_gates']."
            )
        quantum = quantum.decompose(list(unknown))
    return _with_plain_parameters(quantum, qubits, circuit.n_angles)


def _unknown_gates(quantum, known_gates):
    """Return the names of the gates to be replaced."""
    # Controlled gates with a parameter always: asked whether they have one they say no, so that
    # Aer leaves it at any value (https://github.com/Qiskit/qiskit-aer/issues/2403).
    return {
        step.name
        for step in quantum.data
        if (known_gates is not None and step.name not in known_gates)
        or step.is_parameterized() != step.operation.is_parameterized()
    }


def _without_measurements(quantum, identities):
    """Return the circuit on numbered qubits, and which of them is measured into which bit."""
    from qiskit import QuantumCircuit

    result = QuantumCircuit(quantum.num_qubits)
    qubits = {}
    for step in quantum.data:
        places = [quantum.find_bit(qubit).index for qubit in step.qubits]
        if step.name == "measure":
            qubits[quantum.find_bit(step.clbits[0]).index] = places[0]
        elif step.name != "barrier":
            result.append(step.operation, places)
            if identities:
                result.id(places)
    return result, tuple(qubits[bit] for bit in sorted(qubits))


def _with_plain_parameters(quantum, qubits, n_angles):
    """Replace each distinct expression in the circuit by a parameter of its own."""
    from qiskit.circuit import Parameter, ParameterExpression

    result = quantum.copy_empty_like()
    result.global_phase = 0  # of no effect, but Aer would evaluate it for each run
    parameters: dict = {}
    for step in quantum.data:
        operation = step.operation
        if operation.is_parameterized():
            operation = operation.copy()
            operation.params = [
                parameters.setdefault(value, Parameter(f"parameter_{len(parameters)}"))
                if isinstance(value, ParameterExpression) and value.parameters
                else value
                for value in operation.params
            ]
        result.append(operation, step.qubits)
    slopes = np.zeros((n_angles, len(parameters)))
    offsets, others = np.zeros(len(parameters)), []
    for column, expression in enumerate(parameters):
        affine = _affine(expression, n_angles)
        if affine is None:
            others.append((column, expression))
        else:
            slopes[:, column], offsets[column] = affine
    return CompiledCircuit(result, qubits, list(parameters.values()), slopes, offsets, others)


def _affine(expression, n_angles):
    """Return (slopes, offset) of an expression in the angles, or None if it is not affine."""
    slopes = np.zeros(n_angles)
    offset = _evaluate(expression, slopes)
    for parameter in expression.parameters:
        slopes[parameter.index] = _evaluate(expression, np.eye(n_angles)[parameter.index]) - offset
    trials = np.random.default_rng(0).uniform(-4, 4, (3, n_angles))
    values = [_evaluate(expression, trial) for trial in trials]
    return (slopes, offset) if np.allclose(values, trials @ slopes + offset) else None


def _evaluate(expression, angles):
    return float(expression.bind({p: angles[p.index] for p in expression.parameters}))


def measure(circuit, qubits):
    """Measure `qubits` into a register, the first into the least significant bit."""
    from qiskit import ClassicalRegister

    register = ClassicalRegister(len(qubits), "meas")
    circuit.add_register(register)
    circuit.measure(list(qubits), register)
