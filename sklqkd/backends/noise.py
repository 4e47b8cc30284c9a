"""Noise by strength, by device or by model: one description for PennyLane and for Qiskit Aer.

Strengths say: after every gate, on each of its wires, a depolarising channel and then amplitude
damping; at the end every measured bit may flip. PennyLane gets the channels as operations. Aer gets
a noise model that attaches them to the identity gate, and a circuit with an identity behind every
gate, so that it does not matter how Aer names or breaks down the gates themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "AerNoise",
    "Strengths",
    "aer_noise",
    "apply_to_each_qubit",
    "check_strengths",
    "noisy_operations",
]

_LARGEST = {"depolarizing": 1.0, "amplitude_damping": 1.0, "readout": 0.5}


class Strengths(NamedTuple):
    """Strengths of the noise.

    Attributes
    ----------
    depolarizing : float in [0, 1]
        Probability that a qubit is replaced by the maximally mixed state after a gate.
    amplitude_damping : float in [0, 1]
        Probability that a qubit in state 1 falls to 0 after a gate.
    readout : float in [0, 0.5]
        Probability that a measured bit is flipped.
    """

    depolarizing: float = 0.0
    amplitude_damping: float = 0.0
    readout: float = 0.0

    @property
    def on_gates(self) -> bool:
        """Whether gates are noisy."""
        return bool(self.depolarizing or self.amplitude_damping)


def check_strengths(strengths: Mapping[str, float]) -> Strengths:
    """Check strengths of noise.

    Parameters
    ----------
    strengths : dict
        Some of "depolarizing" and "amplitude_damping", in [0, 1], and "readout", in [0, 0.5].

    Returns
    -------
    strengths : Strengths

    Raises
    ------
    ValueError
        If it is no dict, for an unknown key, or a strength that is no number in its range.

    Examples
    --------
    >>> check_strengths({"depolarizing": 0.01, "readout": 0.02})
    Strengths(depolarizing=0.01, amplitude_damping=0.0, readout=0.02)
    """
    if not isinstance(strengths, Mapping):
        raise ValueError(
            f"The noise must be a dict of strengths, such as {{'depolarizing': 0.01}}; it is "
            f"{strengths!r}. Noise models and fake backends run on 'qiskit.aer'."
        )
    for name, strength in strengths.items():
        if name not in _LARGEST:
            known = ", ".join(map(repr, _LARGEST))
            raise ValueError(f"Noise {name!r} is not known. The strengths of a noise are {known}.")
        try:
            valid = 0 <= float(strength) <= _LARGEST[name]
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise ValueError(
                f"The strength of the {name} noise must be a number from 0 to {_LARGEST[name]:g}; "
                f"it is {strength!r}."
            )
    return Strengths(**{name: float(strength) for name, strength in strengths.items()})


def noisy_operations(operations: Sequence, strengths: Strengths, n_qubits: int) -> list:
    """Put the channels behind the gates, for PennyLane.

    Parameters
    ----------
    operations : sequence of pennylane.operation.Operation
    strengths : Strengths
    n_qubits : int

    Returns
    -------
    operations : list of pennylane.operation.Operation
        With the channels, bit flips of all wires for the readout error among them.

    Notes
    -----
    The ``readout_prob`` of ``default.mixed`` is this same bit flip, but in PennyLane 0.45 each
    circuit on such a device fails (https://github.com/PennyLaneAI/pennylane/issues/9612).
    """
    import pennylane as qml

    noisy = []
    for operation in operations:
        noisy.append(operation)
        for wire in operation.wires if operation.name != "Barrier" else ():
            if strengths.depolarizing:
                # PennyLane counts the three Pauli errors, without the identity's fourth part.
                noisy.append(qml.DepolarizingChannel(0.75 * strengths.depolarizing, wires=wire))
            if strengths.amplitude_damping:
                noisy.append(qml.AmplitudeDamping(strengths.amplitude_damping, wires=wire))
    if strengths.readout:
        noisy.extend(qml.BitFlip(strengths.readout, wires=wire) for wire in range(n_qubits))
    return noisy


class AerNoise(NamedTuple):
    """A noise model of Aer, and what has to be known of it.

    Attributes
    ----------
    model : qiskit_aer.noise.NoiseModel
    gates : frozenset of str
        Qiskit's names of what is noisy, apart from wrongly read bits; "measure" may be in it.
    readout : dict
        Physical qubit, or None for all others, to a matrix of shape (2, 2): the probability to
        read the row if the column is there.
    errors : dict
        Name of a gate and its qubits, None for all others, to the number of these qubits.
    readout_qubits : tuple of tuple of int
        What the readout errors of certain qubits belong to, joint ones of several qubits too.
    """

    model: Any
    gates: frozenset[str]
    readout: dict[int | None, np.ndarray]
    errors: dict[tuple[str, tuple[int, ...] | None], int]
    readout_qubits: tuple[tuple[int, ...], ...]

    @property
    def has_readout_errors(self) -> bool:
        """Whether bits are read wrongly, those of any qubits."""
        return bool(self.readout or self.readout_qubits)

    def has_error(self, gate: str, qubits: tuple[int, ...]) -> bool:
        """Return whether an error belongs to a gate on these qubits, in this order."""
        return (gate, qubits) in self.errors or (gate, None) in self.errors

    def readout_matrices(self, qubits: Sequence[int]) -> list[np.ndarray]:
        """Return the readout matrix of each of the physical `qubits`."""
        others = self.readout.get(None, np.eye(2))
        return [self.readout.get(qubit, others) for qubit in qubits]


def aer_noise(noise) -> AerNoise:
    """Return the noise model that Aer takes.

    Parameters
    ----------
    noise : Strengths, qiskit_aer.noise.NoiseModel or qiskit.providers.BackendV2
        The noise model of strengths belongs to circuits with an identity behind every gate. That
        of a backend follows from its calibration data.

    Returns
    -------
    noise : AerNoise
    """
    from qiskit_aer.noise import NoiseModel

    if isinstance(noise, Strengths):
        model = _model_of_strengths(noise)
    else:
        model = noise if isinstance(noise, NoiseModel) else NoiseModel.from_backend(noise)
    gates: set[str] = set()
    readout: dict[int | None, np.ndarray] = {}
    errors: dict[tuple[str, tuple[int, ...] | None], int] = {}
    readout_qubits = []
    for error in model.to_dict()["errors"]:
        places = [tuple(qubits) for qubits in error.get("gate_qubits", [])]
        if error["type"] != "roerror":
            gates.update(error["operations"])
            used = [q for steps in error["instructions"] for step in steps for q in step["qubits"]]
            for qubits in places or (None,):
                errors |= {(name, qubits): max(used) + 1 for name in error["operations"]}
            continue
        readout_qubits += places
        matrix = np.asarray(error["probabilities"], float).T
        if matrix.shape == (2, 2):  # Aer applies no others to measurements of one qubit
            for qubit in [q for (q,) in places] or [None]:
                readout[qubit] = matrix
    return AerNoise(model, frozenset(gates), readout, errors, tuple(readout_qubits))


def _model_of_strengths(strengths):
    from qiskit_aer.noise import (
        NoiseModel,
        ReadoutError,
        amplitude_damping_error,
        depolarizing_error,
    )

    model = NoiseModel()
    if strengths.on_gates:
        error = depolarizing_error(strengths.depolarizing, 1)
        if strengths.amplitude_damping:
            error = error.compose(amplitude_damping_error(strengths.amplitude_damping))
        model.add_all_qubit_quantum_error(error, "id")
    if flip := strengths.readout:
        model.add_all_qubit_readout_error(ReadoutError([[1 - flip, flip], [flip, 1 - flip]]))
    return model


def apply_to_each_qubit(matrices: Sequence[np.ndarray], probabilities: np.ndarray) -> np.ndarray:
    """Multiply probabilities by a tensor product of matrices, one for each qubit.

    Parameters
    ----------
    matrices : sequence of ndarray of shape (2, 2), length n_qubits
    probabilities : ndarray of shape (n_runs, 2^n_qubits)
        Wire 0 in the most significant bit.

    Returns
    -------
    probabilities : ndarray of shape (n_runs, 2^n_qubits)

    Examples
    --------
    >>> flip = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> apply_to_each_qubit([np.eye(2), flip], np.array([[0.1, 0.2, 0.3, 0.4]]))
    array([[0.2, 0.1, 0.4, 0.3]])
    """
    result = probabilities
    for qubit, matrix in enumerate(matrices):
        parts = result.reshape(len(probabilities), 2**qubit, 2, -1)
        result = np.einsum("ij,rajb->raib", matrix, parts)
    return result.reshape(probabilities.shape)
