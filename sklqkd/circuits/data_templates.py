"""Encodings of the user's own: which gates they are, with angles as polynomials of the features.

A template is called with numbers, at random points over the whole range of its features and weights
and at its corners, and the gates that it queues are compared. Where they are always the same, each
angle is fitted as a polynomial of the features and weights that it depends on, of degree
:data:`MOST_DEGREE` at most, which has to hold at all points; anything else is refused.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import combinations_with_replacement
from numbers import Integral
from typing import NamedTuple

import numpy as np

from ..gates import DataGates, GateCircuit, NamedGate
from ..statevector.polynomials import Polynomials, Term
from ..threads import in_pennylane
from .gates import break_down
from .operators import Traced
from .templates import ansatz_shape, template_name, template_parameters
from .tracing import same_gates

__all__ = ["MOST_DEGREE", "DataTemplate", "data_template"]

#: The highest degree of an angle as a polynomial, and the most terms that are looked for.
MOST_DEGREE = 4
MOST_TERMS = 600
#: Points by which a fit is checked beyond those that it needs.
CHECKS = 12
TOLERANCE = 1e-9
#: Where features and weights are tried, in radians.
REACH = np.pi

_WAY_OUT = (
    "Let the features be nothing but angles of gates, such as qml.RX(features[0], wires=wires[0]), "
    f"or products and sums of them up to degree {MOST_DEGREE}. Other functions are computed before "
    "the circuit, in `reducer`."
)


class DataTemplate(NamedTuple):
    """An encoding of the user's own, traced.

    Attributes
    ----------
    gates : DataGates
    shape : tuple of int or None
        Of its weights; None if it has none.
    """

    gates: DataGates
    shape: tuple[int, ...] | None


def data_template(template: Callable, n_qubits: int, n_layers: int) -> DataTemplate:
    """Trace an encoding.

    Parameters
    ----------
    template : callable
        A PennyLane embedding template or a function ``f(features, wires)``, or with a `shape`, as
        an ansatz has one, ``f(features, weights, wires)``. It takes as many features as its
        attribute `n_features` says, a number or a function of n_wires; one per qubit without it.
    n_qubits, n_layers : int

    Returns
    -------
    traced : DataTemplate

    Raises
    ------
    ValueError
        If it fails, its gates depend on the features in any other way than by angles that are
        polynomials of them, or not at all, or an operation is not a unitary gate.

    Warns
    -----
    UserWarning
        If some of the features change nothing.

    Examples
    --------
    >>> import pennylane as qml
    >>> traced = data_template(qml.IQPEmbedding, n_qubits=2, n_layers=1)
    >>> [gate.name for gate in traced.gates.circuit.gates][-3:]
    ['Hadamard', 'RZ', 'IsingZZ']
    >>> traced.gates.polynomials.terms[-1]
    Term(angle=2, coefficient=1.0, features=(0, 1), weights=())
    """
    n_features = _n_features(template, n_qubits)
    shape = _shape(template, n_qubits, n_layers)
    gates = _trace(template, n_features, shape, n_qubits)
    return DataTemplate(gates, shape)


def _n_features(template, n_qubits) -> int:
    given = getattr(template, "n_features", None)
    if given is None:
        return n_qubits
    found = given(n_qubits) if callable(given) else given
    if not isinstance(found, Integral) or isinstance(found, bool) or found < 1:
        raise ValueError(
            f"The encoding {template_name(template)} has n_features={found!r}. It has to be a "
            "positive integer, or a function of the number of qubits that gives one; without it "
            "there is one feature per qubit."
        )
    return int(found)


def _shape(template, n_qubits, n_layers) -> tuple[int, ...] | None:
    """Return the shape of the weights of an encoding, None if it takes none."""
    parameters, _ = template_parameters(template)
    names = [name for name, is_needed in parameters.items() if is_needed and name != "wires"]
    if len(names) < 2:
        return None
    name = template_name(template)
    if getattr(template, "shape", None) is None:
        raise ValueError(
            f"The encoding {name} takes {', '.join(names)}. An encoding is called as "
            "f(features, wires=wires); one with weights, as f(features, weights, wires=wires), has "
            "an attribute `shape`, the shape of its weights: a tuple, or a function of n_layers "
            f"and n_wires. Set it, as in encoding.shape = ({n_layers}, {n_qubits}), or wrap the "
            "template in a function that takes features and wires."
        )
    return ansatz_shape(template, n_qubits, n_layers)


@in_pennylane
def _trace(template, n_features, shape, n_qubits) -> DataGates:
    points = _Points(template, n_features, shape, n_qubits)
    terms: list[Term] = []
    for angle in range(points.values.shape[1]):
        terms += _fit(points, angle)
    used = {feature for term in terms for feature in term.features}
    name = template_name(template)
    if not used:
        raise ValueError(
            f"No gate of the encoding {name} depends on its {n_features} features. Use them as "
            "angles of gates, such as qml.RX(features[0], wires=wires[0])."
        )
    unused = sorted(set(range(n_features)) - used)
    if unused:
        warnings.warn(
            f"The encoding {name} is given {n_features} features, of which {unused} change no "
            "gate: what they say is lost. State how many it takes, as in "
            f"encoding.n_features = {max(used) + 1}.",
            UserWarning,
            stacklevel=2,
        )
    gates, column = [], 0
    for gate in points.gates:
        has_angle = gate.angle is not None
        gates.append(NamedGate(gate.kind, gate.wires, column if has_angle else None, gate.matrix))
        column += has_angle
    return DataGates(
        GateCircuit(n_qubits, tuple(gates), column),
        Polynomials(column, n_features, points.n_weights, terms),
    )


class _Points:
    """What a template does at some points; more of them when they are asked for.

    Attributes
    ----------
    variables : ndarray of shape (n_points, n_features + n_weights)
    values : ndarray of shape (n_points, n_angles)
        In the first `n_random` and more points all variables are random.
    gates : list of Traced
    changes : ndarray of bool, shape (n_variables, n_angles)
        Whether an angle changes with a variable.
    """

    def __init__(self, template, n_features, shape, n_qubits):
        self.template, self.n_features, self.n_qubits = template, n_features, n_qubits
        self.shape, self.n_weights = shape, 0 if shape is None else math.prod(shape)
        self._rng = np.random.default_rng(18041132)
        n_variables = n_features + self.n_weights
        corner = 0.999 * REACH * self._rng.choice([-1, 1], n_variables)
        special = [np.zeros(n_variables), corner, -corner, np.abs(corner), 1e-3 * corner]
        base = self._random(1)[0]
        steps = np.tile(base, (n_variables, 1))
        np.fill_diagonal(steps, base - np.copysign(REACH, base) * 0.83)
        self.gates, first = self._run(base)
        self._kept = [first]
        self.variables = base[None]
        self.more([*special, *steps])
        moved = self.values[1 + len(special) :] - self.values[0]
        self.changes = np.abs(moved) > TOLERANCE
        self.more(self._random(CHECKS))

    @property
    def values(self):
        return np.array(self._kept).reshape(len(self._kept), -1)

    def _random(self, n):
        return self._rng.uniform(-REACH, REACH, (n, self.n_features + self.n_weights))

    def need(self, n_points):
        """See to it that there are so many points."""
        missing = n_points - len(self._kept)
        if missing > 0:
            self.more(self._random(missing))

    def more(self, points):
        """Add points, at which the gates have to be the same."""
        for point in points:
            gates, values = self._run(point)
            if not same_gates(gates, self.gates):
                raise ValueError(
                    f"The gates of the encoding {template_name(self.template)} change with the "
                    "values that it is given (an `if`, say, or a gate made of a feature's matrix), "
                    f"or from call to call (a seed that is not fixed). {_WAY_OUT}"
                )
            self._kept.append(values)
        self.variables = np.concatenate([self.variables, np.asarray(points)])

    def _run(self, point):
        features, weights = np.split(point, [self.n_features])
        arguments = [features] if self.shape is None else [features, weights.reshape(self.shape)]
        gates: list[Traced] = []
        for operation in _queued(self.template, arguments, self.n_qubits):
            try:
                gates += break_down(operation)
            except ValueError as error:
                name = f"The encoding {template_name(self.template)}"
                raise ValueError(str(error).replace("The ansatz", name, 1)) from error
        gates = _pairs(gates)
        return gates, [gate.angle for gate in gates if gate.angle is not None]


def _pairs(gates: list[Traced]) -> list[Traced]:
    """Put one gate in the place of an RZ between two equal CNOTs: what a MultiRZ consists of."""
    result: list[Traced] = []
    for gate in gates:
        result.append(gate)
        if len(result) < 3:
            continue
        first, turn, last = result[-3:]
        is_ladder = first.kind == last.kind == "CNOT" and first.wires == last.wires
        if is_ladder and turn.kind == "RZ" and turn.wires == last.wires[1:]:
            result[-3:] = [Traced("IsingZZ", last.wires, None, turn.angle)]
    return result


def _queued(template, arguments, n_qubits) -> list:
    """Return the operations that a template queues, checked."""
    import pennylane as qml

    name = template_name(template)
    if isinstance(template, qml.QNode):
        raise ValueError(
            f"The encoding {name} is a QNode, which runs when it is called. Pass the function that "
            "queues its gates, without measurements."
        )
    wires = range(n_qubits)
    try:
        with qml.queuing.AnnotatedQueue() as queue:
            template(*[argument.copy() for argument in arguments], wires=wires)
    except Exception as error:
        shapes = " and weights of the shape ".join(str(argument.shape) for argument in arguments)
        raise ValueError(
            f"The encoding {name} fails: called with features of the shape {shapes}, "
            f"wires=range({n_qubits}), it raises {type(error).__name__} ({error}). It is called "
            "with NumPy arrays of angles, pi * tanh(x), once for all images. If it takes another "
            "number of features, say so, as in encoding.n_features = 2 (or a function of the "
            "number of qubits). Amplitudes are encoding='amplitude'."
        ) from error
    tape = qml.tape.QuantumScript.from_queue(queue)
    if tape.measurements:
        raise ValueError(
            f"The encoding {name} measures. Return nothing from the template: the student's "
            "`measurement` parameter says what is read out."
        )
    for operation in tape.operations:
        outside = [wire for wire in operation.wires if wire not in wires]
        if outside:
            raise ValueError(
                f"The encoding {name} acts on the wires {outside}, but there are only {n_qubits} "
                f"qubits (wires 0 to {n_qubits - 1})."
            )
        if isinstance(operation, qml.operation.StatePrepBase):
            raise ValueError(
                f"The encoding {name} prepares a state, by {operation.name}, and has no gates with "
                "angles. Amplitudes are encoding='amplitude', which takes 2^n features."
            )
    return tape.operations


def _fit(points: _Points, angle: int) -> list[Term]:
    """Return an angle as a polynomial."""
    variables = np.flatnonzero(points.changes[:, angle])
    for degree in range(MOST_DEGREE + 1):
        monomials = [
            product
            for d in range(degree + 1)
            for product in combinations_with_replacement(variables.tolist(), d)
        ]
        if len(monomials) > MOST_TERMS:
            break
        points.need(len(monomials) + CHECKS)
        values = points.values[:, angle]
        units = points.variables / REACH
        columns = np.stack([units[:, list(product)].prod(axis=1) for product in monomials], 1)
        bound = TOLERANCE * max(1.0, np.abs(values).max())
        coefficients = np.linalg.lstsq(columns, values, rcond=None)[0]
        kept = np.abs(coefficients) > bound
        if not kept.any():
            kept[0] = True
        coefficients = np.linalg.lstsq(columns[:, kept], values, rcond=None)[0]
        if np.abs(columns[:, kept] @ coefficients - values).max() > bound:
            continue
        n_features = points.n_features
        found = zip(np.flatnonzero(kept), coefficients, strict=True)
        return [
            Term(
                angle,
                _snapped(coefficient / REACH ** len(monomials[place])),
                tuple(v for v in monomials[place] if v < n_features),
                tuple(v - n_features for v in monomials[place] if v >= n_features),
            )
            for place, coefficient in found
        ]
    turning = [gate for gate in points.gates if gate.angle is not None]
    gate = turning[angle]
    raise ValueError(
        f"The angle of {gate.kind} on wires {list(gate.wires)} of the encoding "
        f"{template_name(points.template)} is no polynomial of features and weights up to degree "
        f"{MOST_DEGREE}, over the whole range from -pi to pi. {_WAY_OUT}"
    )


def _snapped(value: float) -> float:
    """Return a multiple of a quarter that is as near as rounding errors are."""
    nearest = round(4 * value) / 4
    return nearest if abs(value - nearest) < 1e-11 else float(value)
