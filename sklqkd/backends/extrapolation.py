"""Zero-noise extrapolation: the same circuit with more noise, and what follows for none.

A circuit U becomes U U^H U: the same unitary with three times the gates, and about three times
their noise (global folding; Giurgica-Tiron et al., arXiv:2005.10921, as in mitiq and PennyLane).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..gates import GateCircuit, NamedGate
from .mitigation import project_to_simplex

__all__ = ["ZeroNoiseExtrapolation", "fold", "make_extrapolation"]

#: Degrees of the polynomials; None for the highest that the factors determine.
DEGREES: dict[str, int | None] = {"linear": 1, "quadratic": 2, "richardson": None}
SELF_INVERSE = frozenset(
    ("Hadamard", "PauliX", "PauliY", "PauliZ", "CNOT", "CY", "CZ", "SWAP", "Toffoli", "CSWAP")
)
#: The inverses of other gates without an angle, up to a phase.
INVERSES = {
    "S": ("PhaseShift", -np.pi / 2),
    "T": ("PhaseShift", -np.pi / 4),
    "SX": ("RX", -np.pi / 2),
}


class ZeroNoiseExtrapolation:
    """A backend whose probabilities are extrapolated to circuits without noise.

    Each circuit runs once for each factor, folded to so many times its gates, with all shots. A
    polynomial in the factor is fitted to every probability; what it says of the factor 0, which may
    be negative, is replaced by the nearest probabilities. Errors of the readout, which folding does
    not change, remain.

    Parameters
    ----------
    backend : Backend
        One whose gates are noisy, which its ``has_gate_noise`` says.
    scale_factors : sequence of float, default=(1, 3)
        At least two, from 1 on. A circuit is folded in whole gates: what counts is how many it has.
        Odd numbers repeat all of it; the others its last gates once more, whose noise may do more
        or less than that of the first.
    extrapolation : {"linear", "quadratic", "richardson"} or callable, default="linear"
        The polynomial, "richardson" of the highest degree; or ``f(scale_factors, values)`` that
        returns the value at 0, such as ``pennylane.noise.richardson_extrapolate`` or
        ``mitiq.zne.inference.LinearFactory.extrapolate``.

    Raises
    ------
    ValueError
        For bad parameters, or a backend whose gates are not noisy.
    """

    def __init__(self, backend, scale_factors=(1, 3), extrapolation="linear"):
        self.backend = backend
        self.has_gradient = getattr(backend, "has_gradient", True)
        self.scale_factors = _checked_factors(scale_factors)
        self.extrapolation = _checked_extrapolation(extrapolation, len(self.scale_factors))
        self._folded: dict[int, tuple] = {}

    def probabilities(
        self, circuit: GateCircuit, angles: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return extrapolated probabilities.

        Parameters
        ----------
        circuit : GateCircuit
        angles : ndarray of shape (n_runs, n_angles)
        rng : numpy.random.Generator

        Returns
        -------
        probabilities : ndarray of shape (n_runs, 2^n_qubits)

        Raises
        ------
        ValueError
            If the circuit has too few gates for these factors to differ.
        """
        factors, circuits = self._fold(circuit)
        angles = np.asarray(angles, float)
        measured = np.array(
            [self.backend.probabilities(each, widen(angles), rng) for each, widen in circuits]
        )
        return project_to_simplex(self._at_zero(factors, measured))

    def _fold(self, circuit):
        if id(circuit) not in self._folded:
            if len(self._folded) > 256:
                self._folded.clear()
            circuits = [fold(circuit, factor) for factor in self.scale_factors]
            n_gates = max(1, len(circuit.gates))
            sizes = [sum(g.name != "Barrier" for g in each.gates) for each, _ in circuits]
            factors = np.array(sizes) / n_gates
            if len(set(factors)) < len(factors):
                raise ValueError(
                    f"zne: a circuit of {len(circuit.gates)} gates has {sizes} of them when it is "
                    f"folded by scale_factors={self.scale_factors}: two are the same. Choose "
                    "factors that lie further apart, such as (1, 3, 5)."
                )
            # With the circuit, which keeps its id its own.
            self._folded[id(circuit)] = circuit, factors, circuits
        return self._folded[id(circuit)][1:]

    def _at_zero(self, factors, measured):
        given = self.extrapolation
        if isinstance(given, str):
            degree = DEGREES[given]
            degree = len(factors) - 1 if degree is None else degree
            # The first row of the pseudo-inverse gives the fitted polynomial's value at 0.
            weights = np.linalg.pinv(np.vander(factors, degree + 1, increasing=True))[0]
            return np.tensordot(weights, measured, 1)
        columns = measured.reshape(len(factors), -1).T
        values = np.array([given(factors, column) for column in columns], float)
        if values.shape != (len(columns),) or not np.isfinite(values).all():
            raise ValueError(
                f"zne: extrapolation={given!r} does not return a finite number for each "
                "probability. Use 'linear', 'quadratic' or 'richardson'."
            )
        return values.reshape(measured.shape[1:])


def _checked_factors(scale_factors) -> tuple[float, ...]:
    try:
        factors = np.asarray(scale_factors, float)
    except (TypeError, ValueError):
        factors = np.empty((0, 0))
    if (
        factors.ndim != 1
        or len(set(factors.tolist())) < max(2, len(factors))
        or not np.isfinite(factors).all()
        or factors.min() < 1
    ):
        raise ValueError(
            f"zne: scale_factors={scale_factors!r} must be two or more different numbers from 1 "
            "on, such as (1, 3, 5): how many times the gates are run."
        )
    return tuple(sorted(factors.tolist()))


def _checked_extrapolation(extrapolation, n_factors) -> str | Callable:
    if callable(extrapolation):
        return extrapolation
    if not isinstance(extrapolation, str) or extrapolation not in DEGREES:
        raise ValueError(
            f"zne: extrapolation={extrapolation!r} must be one of "
            f"{', '.join(map(repr, DEGREES))}, or a function f(scale_factors, values)."
        )
    if (DEGREES[extrapolation] or 1) >= n_factors:
        raise ValueError(
            f"zne: extrapolation={extrapolation!r} needs more than the {n_factors} scale_factors "
            "that are given. Use extrapolation='linear', or more factors."
        )
    return extrapolation


def make_extrapolation(backend, name: str, given) -> ZeroNoiseExtrapolation:
    """Return a backend with zero-noise extrapolation, as ``backend_options["zne"]`` asks for it.

    Parameters
    ----------
    backend : Backend
    name : str
        Of the device, for messages.
    given : True or dict
        Parameters of a :class:`ZeroNoiseExtrapolation`.

    Returns
    -------
    backend : ZeroNoiseExtrapolation

    Raises
    ------
    ValueError
        For other parameters, or if there is no noise that folding changes.
    """
    options = {} if given is True else given
    known = {"scale_factors", "extrapolation"}
    if not isinstance(options, Mapping) or set(options) - known:
        raise ValueError(
            f"backend_options['zne'] must be True, or a dict of some of {sorted(known)}; it is "
            f"{given!r}."
        )
    inner = getattr(backend, "backend", backend)
    if getattr(inner, "has_gate_noise", None) is False:
        reads_wrongly = getattr(inner, "has_readout_noise", False)
        why = "reads bits wrongly, and its gates have no noise" if reads_wrongly else "has no noise"
        way_out = "Use {'readout_mitigation': True}" if reads_wrongly else "Leave 'zne' out"
        raise ValueError(
            f"backend_options has 'zne', which runs more gates to see what their noise does, but "
            f"backend={name!r} as it is set {why}: nothing would change. {way_out}, or give a "
            "noise_model with noisy gates, on 'default.mixed' or 'qiskit.aer'."
        )
    return ZeroNoiseExtrapolation(backend, **options)


def fold(circuit: GateCircuit, factor: float) -> tuple[GateCircuit, Callable]:
    """Return a circuit of the same unitary with `factor` times the gates.

    Parameters
    ----------
    circuit : GateCircuit
    factor : float
        From 1 on; rounded to whole pairs of gates.

    Returns
    -------
    folded : GateCircuit
        The circuit, then as often as needed its inverse and itself, the last time of its last gates
        alone; with a "Barrier" between them, so that no transpiler takes them out again.
    widen : callable
        From angles of the circuit, (n_runs, n_angles), to those of the folded one.

    Examples
    --------
    >>> circuit = GateCircuit(1, (NamedGate("RX", (0,), 0), NamedGate("S", (0,))), 1)
    >>> folded, widen = fold(circuit, 3)
    >>> [gate.name for gate in folded.gates]
    ['RX', 'S', 'Barrier', 'PhaseShift', 'RX', 'Barrier', 'RX', 'S']
    >>> widen(np.array([[0.5]])).round(2)
    array([[ 0.5 , -0.5 , -1.57]])
    """
    gates, n_angles = circuit.gates, circuit.n_angles
    whole, rest = divmod((factor - 1) / 2, 1)
    constants: list[float] = []

    def inverse(gate):
        if gate.matrix is not None:
            return gate._replace(matrix=gate.matrix.conj().T)
        if gate.angle is not None:
            return gate._replace(angle=gate.angle + n_angles)
        if gate.name in SELF_INVERSE:
            return gate
        if gate.name in INVERSES:
            name, angle = INVERSES[gate.name]
            if angle not in constants:
                constants.append(angle)
            return NamedGate(name, gate.wires, 2 * n_angles + constants.index(angle))
        raise ValueError(f"zne: the inverse of the gate {gate.name!r} is not known.")

    barrier = NamedGate("Barrier", tuple(range(circuit.n_qubits)))
    n_last = round(rest * len(gates))
    repeats = [gates] * int(whole) + ([gates[-n_last:]] if n_last else [])
    result = [*gates]
    for part in repeats:
        result += [barrier, *map(inverse, reversed(part)), barrier, *part]

    def widen(angles):
        fixed = np.tile(constants, (len(angles), 1))
        return np.concatenate([angles, -angles, fixed], axis=1)

    return GateCircuit(circuit.n_qubits, tuple(result), 2 * n_angles + len(constants)), widen
