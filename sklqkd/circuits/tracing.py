"""What a template does: the operations that it queues, and which weight each angle belongs to.

A template is traced a few times with different weights, so that factor and offset of each angle are
seen. What is not of that form is refused, never approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .operators import ATOL, MOST_WIRES, Angle, Traced, same_up_to_phase, unitary_matrix
from .templates import trace_failed

__all__ = [
    "affine_angle",
    "match_traces",
    "probes",
    "same_gates",
    "trace_ansatz",
    "trace_template",
]

EPSILON = float(np.finfo(float).eps)
_WAY_OUT = "Let the weights be nothing but angles of gates, such as qml.RX(weights[0], wires=0)."


#: So many of the probes show what a gate consists of.
FEW = 6


def probes(n_weights: int) -> np.ndarray:
    """Return the weights that a template is traced with, shape (30, n_weights).

    The first six are positive, then two of them close together, all negative, and large. Of the
    others, each weight is once in every twenty-fourth of the range from -4 pi to 4 pi: what looks
    at the sign of a weight, cuts it off, bends it somewhere or takes it modulo 2 pi is seen.
    """
    rng = np.random.default_rng(20231113)
    tried = rng.uniform(0.3, 2.8, (6, n_weights))
    tried[3] = tried[2] + 0.02 * tried[3]
    tried[4] *= -1
    tried[5] += 7
    tried[5, 1::2] *= -1
    places = rng.permuted(np.tile(np.arange(24.0)[:, None], n_weights), axis=0)
    spread = (places + rng.uniform(size=places.shape)) / 24
    return np.concatenate([tried, 4 * np.pi * (2 * spread - 1)])


def trace_template(template: Callable, weights: np.ndarray, n_qubits: int) -> list:
    """Run a template once and return the PennyLane operations that it queues, checked.

    Raises
    ------
    ValueError
        If it raises an error, measures, or acts on other wires.
    """
    import pennylane as qml

    if isinstance(template, qml.QNode):
        raise ValueError(
            f"The ansatz {template!r} is a QNode, which runs when it is called. Pass the function "
            "that queues its gates, without measurements."
        )
    try:
        with qml.queuing.AnnotatedQueue() as queue:
            template(weights, wires=range(n_qubits))
    except Exception as error:
        raise trace_failed(template, weights.shape, n_qubits, error) from error
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


def trace_ansatz(
    template: Callable,
    shape: tuple[int, ...],
    n_qubits: int,
    break_downs: Sequence[Callable],
    from_simulator: Callable = list,
) -> list[Traced]:
    """Return the gates of a template, with their angles as functions of the weights.

    Parameters
    ----------
    template : callable
        ``template(weights, wires)``.
    shape : tuple of int
        Of its weights.
    n_qubits : int
    break_downs : sequence of callable
        Each from a PennyLane operation to a list of :class:`Traced` with numbers for angles. Of an
        operation the first counts that depends on the weights in a way that can be trained.
    from_simulator : callable, default=list
        From :class:`Traced` of the simulator's kinds to what is returned.

    Returns
    -------
    gates : list of Traced

    Raises
    ------
    ValueError
        If an operation is not unitary, the gates change with the weights, or an angle does so other
        than linearly.
    """
    tried = probes(int(np.prod(shape)))
    traces = [trace_template(template, probe.reshape(shape), n_qubits) for probe in tried]
    if len(set(map(len, traces))) > 1:
        raise ValueError(
            "The gates of the ansatz change with its weights, or from call to call: it queues "
            f"{min(map(len, traces))} to {max(map(len, traces))} of them. {_WAY_OUT}"
        )
    if tried.size and not traces[0]:
        raise ValueError(
            f"The ansatz {template!r} queues no gate, but has weights of the shape {shape}. Call "
            "the gates, such as qml.RX(weights[0], wires=wires[0]), inside it."
        )
    gates: list[Traced] = []
    for operations in zip(*traces, strict=True):
        reasons, seen = [], tried
        if _are_plain(operations):
            # Decompositions take long; that of a plain gate at a few points says how it goes on.
            for values in np.array([one.data for one in operations], float).T:
                affine_angle(values, tried, tuple(operations[0].wires))
            operations, seen = operations[:FEW], tried[:FEW]
        for break_down in break_downs:
            try:
                gates += match_traces([break_down(one) for one in operations], seen)
                break
            except ValueError as error:
                reasons.append(error)
        else:
            family = _by_matrices(operations, seen)
            if family is None:
                raise reasons[0]
            gates += from_simulator(family)
    return gates


def _are_plain(operations) -> bool:
    """Return whether PennyLane's own gates differ by the real parameters that they show, alone."""
    first = operations[0]
    if not type(first).__module__.startswith(("pennylane.ops.qubit.", "pennylane.templates.")):
        return False
    return all(
        type(one) is type(first)
        and one.wires == first.wires
        and not one.hyperparameters
        and len(one.data) == len(first.data)
        and all(np.isrealobj(value) and np.ndim(value) == 0 for value in one.data)
        for one in operations
    )


def match_traces(traces: list[list[Traced]], probes: np.ndarray) -> list[Traced]:
    """Compare the traces and put an :class:`Angle` in the place of each value."""
    first = traces[0]
    for other in traces[1:]:
        if not same_gates(first, other):
            wires = sorted({wire for one in (*first, *other) for wire in one.wires})
            raise ValueError(
                f"The gates of the ansatz change with its weights, or from call to call: those on "
                f"wires {wires}. {_WAY_OUT}"
            )
    return [
        operation
        if operation.angle is None
        else operation._replace(
            angle=affine_angle([trace[i].angle for trace in traces], probes, operation.wires)
        )
        for i, operation in enumerate(first)
    ]


def same_gates(first: Sequence[Traced], second: Sequence[Traced]) -> bool:
    """Return whether two traces have the same gates in the same places, whatever their angles."""
    return len(first) == len(second) and all(
        a.kind == b.kind and a.wires == b.wires and _same_matrix(a.matrix, b.matrix)
        for a, b in zip(first, second, strict=True)
    )


def _same_matrix(first, second) -> bool:
    if first is second:
        return True
    if np.shape(first) != np.shape(second):
        return False
    return bool(np.abs(first - second).max(initial=0) <= ATOL)


def affine_angle(values: Sequence[float], probes: np.ndarray, wires: tuple[int, ...]) -> Angle:
    """Find the weight, the scale and the offset behind the values of an angle in all traces."""
    angles = np.array(values)
    spread, size = np.ptp(angles), max(1.0, np.abs(angles).max())
    if spread <= 1e-13 * size:
        return Angle(offset=float(angles[0]))
    scales = (angles[1] - angles[0]) / (probes[1] - probes[0])
    offsets = angles[0] - scales * probes[0]
    errors = np.abs(scales * probes + offsets - angles[:, None]).max(axis=0)
    # A small slope is one too, and is told from rounding errors by its fit alone.
    allowed = np.maximum(
        1e-10 * np.maximum(1, np.abs(scales)) * min(1.0, spread),
        16 * EPSILON * size * (1 + np.abs(probes).max() / np.abs(probes[1] - probes[0])),
    )
    fits = errors <= allowed
    if not fits.any() and spread <= ATOL:
        return Angle(offset=float(angles[0]))
    if not fits.any():
        raise ValueError(
            f"An angle on wires {list(wires)} of the ansatz is not of the form "
            "scale * weight + offset, from -4 pi to 4 pi. Give each angle one weight, and let the "
            "optimiser combine them."
        )
    index = int(np.argmin(np.where(fits, errors, np.inf)))
    return Angle(index, float(scales[index]), float(offsets[index]))


def _by_matrices(operations, probes: np.ndarray) -> list[Traced] | None:
    """Write an operation of the form ``exp(i weight G) U`` as that, by its matrices alone.

    Returns None if it is not of that form, for whichever of the weights.
    """
    from scipy.linalg import schur

    wires = tuple(operations[0].wires)
    if len(wires) > MOST_WIRES or any(tuple(one.wires) != wires for one in operations):
        return None
    matrices = [matrix for one in operations if (matrix := unitary_matrix(one)) is not None]
    if len(matrices) < len(operations):
        return None
    # The logarithm is taken between two probes that are close together, where it has one branch.
    start = matrices[2]
    turned, vectors = schur(matrices[3] @ start.conj().T, output="complex")
    logarithm = np.angle(np.diag(turned))
    logarithm -= logarithm.mean()  # a phase of the whole
    for weight, step in enumerate(probes[3] - probes[2]):
        generator = logarithm / step
        angles = np.outer(probes[:, weight] - probes[2, weight], generator)
        expected = [(vectors * np.exp(1j * row)) @ vectors.conj().T @ start for row in angles]
        if all(map(same_up_to_phase, expected, matrices)):
            constant = (vectors * np.exp(-1j * probes[2, weight] * generator)) @ (
                vectors.conj().T @ start
            )
            hermitian = (vectors * generator) @ vectors.conj().T
            return [
                Traced("constant", wires, constant),
                Traced("exponential", wires, hermitian, Angle(weight, 1.0, 0.0)),
            ]
    return None
