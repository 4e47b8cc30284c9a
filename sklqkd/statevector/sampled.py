"""The kernel for circuits whose angles differ from sample to sample, in compiled loops.

Where data enter a circuit in its middle, or by gates on two qubits, no matrix stands for it: each
sample has gates of its own. A circuit is a :class:`.program.Program` over its angles, each of which
is a polynomial of features and weights (:mod:`.polynomials`). All gates on one qubit between two
entanglers are one matrix ((a, -b*), (b, a*)) per sample, and the batch lies in the last axis, where
vector registers take it, together with the samples' own a and b.

The gradient is the adjoint method's. Of a layer it needs, per qubit and sample, the vector
``t = (Im(P01 + P10), -Re(P01 - P10), Im(P00 - P11))`` of the 2 x 2 sums P of conj(adjoint) times
state behind it: the derivative for the last rotation's angle is ``t[axis] / 2``, and for those
before it t is turned back, as a Bloch vector is, by the rotations that come after.

All is in double precision: compiling takes longer than what single precision saves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compilation import compiled, merged, tell_of_compiling
from .polynomials import Polynomials, Terms, evaluate, pull_back
from .program import Gate, LocalLayer, PhasePermutation, Program, Step

__all__ = ["SampledKernel"]

_LOCAL, _TURNED, _CONSTANT = range(3)
_PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


class _Circuit(NamedTuple):
    """A program as the loops read it.

    Attributes
    ----------
    terms : Terms
        Of the angles.
    kinds, places : ndarray of int, shape (n_steps,)
        What a step is, and where it is among those of its kind: layers, steps of phases with
        angles, and constant ones.
    slot_angle, slot_axis : ndarray of int, shape (n_slots, n_layers, n_qubits)
        A slot's angle, n_angles for none, and the axis that it turns about: 0, 1, 2 for X, Y, Z.
    acts : ndarray of bool, shape (n_layers, n_qubits)
        Whether a layer does anything to a qubit.
    constant : ndarray of shape (n_slots, n_layers, n_qubits, 4)
        Of the gate before the rotation, real and imaginary part of a, and of b.
    bloch : ndarray of shape (n_slots, n_layers, n_qubits, 3, 3)
        What that does to a Bloch vector.
    order, phase : ndarray of shape (n_turned, 2^n) and (n_turned, 2, 2^n)
        The constant part of a step of phases with angles.
    generators, generator_angle, generator_start
        The diagonals of its gates, and their angles, lie from ``generator_start[place]`` to
        ``generator_start[place + 1]``.
    rows, factors : ndarray of shape (2, n_constant, 2^n, most) and (2, n_constant, 2^n, most, 2)
        Row k after a constant step is the sum of `factors` times `rows` before it; then the same of
        its adjoint.
    widths : ndarray of int, shape (n_constant,)
        How many rows that are.
    """

    terms: Terms
    kinds: np.ndarray
    places: np.ndarray
    slot_angle: np.ndarray
    slot_axis: np.ndarray
    acts: np.ndarray
    constant: np.ndarray
    bloch: np.ndarray
    order: np.ndarray
    phase: np.ndarray
    generators: np.ndarray
    generator_angle: np.ndarray
    generator_start: np.ndarray
    rows: np.ndarray
    factors: np.ndarray
    widths: np.ndarray


class _Memory(NamedTuple):
    """What the loops work in, for one batch size.

    Attributes
    ----------
    angles, slopes : ndarray of shape (n_angles, batch)
        And the loss's gradient for them.
    cosines, sines : ndarray of shape (n_angles + 1, batch)
        Of half of the angles, and of 0.
    turns : ndarray of shape (n_layers, n_qubits, 4, batch)
        The parts of a and b.
    phases : ndarray of shape (n_turned, 2, 2^n, batch)
    states : ndarray of shape (n_kept, 2, 2^n, batch)
        After each step.
    work, adjoint, pulled : ndarray of shape (2, 2^n, batch)
    vectors : ndarray of shape (n_qubits, 3, batch)
    """

    angles: np.ndarray
    slopes: np.ndarray
    cosines: np.ndarray
    sines: np.ndarray
    turns: np.ndarray
    phases: np.ndarray
    states: np.ndarray
    work: np.ndarray
    adjoint: np.ndarray
    pulled: np.ndarray
    vectors: np.ndarray


class SampledKernel:
    """A circuit from ``|0...0>``, with angles of its own for each sample.

    One object serves one thread.

    Parameters
    ----------
    program : Program
        Over the angles in the place of weights: all of scale 1 and offset 0.
    polynomials : Polynomials
        The angles.

    Notes
    -----
    Memory: a state per step and six more, each of 2^n times the batch.

    Examples
    --------
    >>> from sklqkd.circuits.gate_programs import gate_program
    >>> from sklqkd.gates import GateCircuit, NamedGate
    >>> circuit = GateCircuit(1, (NamedGate("RY", (0,), 0),), 1)
    >>> kernel = SampledKernel(gate_program(circuit), Polynomials.of_features(1))
    >>> kernel.probabilities(np.array([[0.0, np.pi]])).round(3)
    array([[1., 0.],
           [0., 1.]])
    """

    def __init__(self, program: Program, polynomials: Polynomials):
        self.n_qubits = program.n_qubits
        self.polynomials = polynomials
        self._steps = program.steps or (PhasePermutation.identity(program.n_qubits),)
        self._circuit = _circuit(self._steps, program.n_qubits, polynomials)
        tell_of_compiling(_forward, "the loops of circuits with data in their gates", 15)
        self._memory: dict = {}
        self._weights = np.zeros(polynomials.n_weights)

    def prepare(self, weights: np.ndarray) -> None:
        """Take the weights, shape (n_weights,), for the calls that follow."""
        self._weights = np.ascontiguousarray(weights, float)

    def forward(self, features: np.ndarray, keep: bool = True) -> np.ndarray:
        """Return the final states, (2, 2^n, n_samples): real and imaginary plane.

        Parameters
        ----------
        features : ndarray of shape (n_features, n_samples)
        keep : bool, default=True
            Whether `backward` follows.

        Returns
        -------
        planes : ndarray
            The kernel's own, good until its next call.
        """
        self._features = np.ascontiguousarray(features, float)
        self._work = self._workspace(self._features.shape[1], keep)
        _forward(self._circuit, self._work, self._features, self._weights, keep)
        last = len(self._steps) - 1
        return self._work.states[last if keep else last % 2]

    def probabilities(self, features: np.ndarray, keep: bool = True) -> np.ndarray:
        """Return the probabilities of the basis states, (2^n, n_samples); see `forward`."""
        planes = self.forward(features, keep)
        return planes[0] ** 2 + planes[1] ** 2

    def backward(self, adjoint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pull back the adjoint of the last `forward`, (2, 2^n, n_samples).

        Returns
        -------
        of_weights : ndarray of shape (n_weights,)
        of_features : ndarray of shape (n_features, n_samples)
        """
        self._work.adjoint[...] = adjoint
        return self._pull_back()

    def backward_probabilities(self, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pull back the gradient for the last `probabilities`, (2^n, n_samples)."""
        planes = self._work.states[len(self._steps) - 1]
        np.multiply(planes, np.multiply(gradient, 2, dtype=float), out=self._work.adjoint)
        return self._pull_back()

    def _pull_back(self):
        of_weights = np.zeros_like(self._weights)
        of_features = np.zeros_like(self._features)
        given = self._circuit, self._work, self._features, self._weights
        _backward(*given, of_features, of_weights)
        return of_weights, of_features

    def _workspace(self, batch, keep):
        if (batch, keep) not in self._memory:
            if len(self._memory) > 1:  # a whole batch and the last, shorter one
                self._memory.clear()
            circuit, size = self._circuit, 2**self.n_qubits
            n_angles, n_layers = self.polynomials.n_angles, circuit.slot_angle.shape[1]

            def empty(*shape):
                return np.empty((*shape, batch))

            memory = _Memory(
                angles=empty(n_angles),
                slopes=empty(n_angles),
                cosines=empty(n_angles + 1),
                sines=empty(n_angles + 1),
                turns=empty(n_layers, self.n_qubits, 4),
                phases=empty(len(circuit.order), 2, size),
                states=empty(len(self._steps) if keep else 2, 2, size),
                work=empty(2, size),
                adjoint=empty(2, size),
                pulled=empty(2, size),
                vectors=empty(self.n_qubits, 3),
            )
            memory.cosines[-1], memory.sines[-1] = 1, 0
            self._memory[batch, keep] = memory
        return self._memory[batch, keep]


def _circuit(steps: tuple[Step, ...], n_qubits: int, polynomials: Polynomials) -> _Circuit:
    layers = [step for step in steps if isinstance(step, LocalLayer)]
    turned = [step for step in steps if isinstance(step, PhasePermutation) and len(step.index)]
    kinds = [
        _LOCAL
        if isinstance(step, LocalLayer)
        else _TURNED
        if isinstance(step, PhasePermutation) and len(step.index)
        else _CONSTANT
        for step in steps
    ]
    constants = [step for step, kind in zip(steps, kinds, strict=True) if kind == _CONSTANT]
    n_slots, size = max((len(layer.index) for layer in layers), default=0), 2**n_qubits
    shape = (n_slots, len(layers), n_qubits)
    slot_angle, slot_axis = np.full(shape, polynomials.n_angles), np.zeros(shape, int)
    constant = np.broadcast_to(np.eye(2, dtype=complex), (*shape, 2, 2)).copy()
    for i, layer in enumerate(layers):
        slots = slice(len(layer.index))
        constant[slots, i] = layer.constant
        turns = np.abs(layer.axis).any(axis=(-2, -1))
        slot_angle[slots, i] = np.where(turns, layer.index, polynomials.n_angles)
        overlap = np.einsum("kqab,pba->kqp", layer.axis, _PAULI).real
        slot_axis[slots, i] = overlap.argmax(axis=-1)
    is_fixed = np.abs(constant - np.eye(2)).max(axis=(-2, -1), initial=0) > 0
    acts = (is_fixed | (slot_angle < polynomials.n_angles)).any(axis=0)
    constant /= np.sqrt(np.linalg.det(constant))[..., None, None]  # but for a phase
    bloch = np.einsum("pab,...bc,qcd,...ad->...pq", _PAULI, constant, _PAULI, constant.conj()) / 2
    parts = constant[..., 0, 0], constant[..., 1, 0]
    generators = [step.generators for step in turned]
    phase = np.array([step.phase for step in turned], complex).reshape(-1, size)
    tables = [_table(step, n_qubits) for step in constants]
    inverse = [_table(_undone(step), n_qubits) for step in constants]
    most = max((rows.shape[1] for rows, _ in tables), default=0)
    rows = np.zeros((2, len(tables), size, most), int)
    factors = np.zeros((2, len(tables), size, most, 2))
    for side, group in enumerate((tables, inverse)):
        for i, (row, factor) in enumerate(group):
            rows[side, i, :, : row.shape[1]] = row
            factors[side, i, :, : row.shape[1]] = np.stack([factor.real, factor.imag], -1)
    return _Circuit(
        terms=polynomials.loops,
        kinds=np.array(kinds),
        places=np.array([kinds[:i].count(kind) for i, kind in enumerate(kinds)]),
        slot_angle=slot_angle,
        slot_axis=slot_axis,
        acts=acts,
        constant=np.stack([part for z in parts for part in (z.real, z.imag)], -1),
        bloch=np.ascontiguousarray(bloch.real),
        order=np.array([step.permutation for step in turned], int).reshape(-1, size),
        phase=np.stack([phase.real, phase.imag], 1),
        generators=np.concatenate([np.zeros((0, size)), *generators]),
        generator_angle=np.concatenate([np.zeros(0, int), *(step.index for step in turned)]),
        generator_start=np.cumsum([0, *map(len, generators)]),
        rows=rows,
        factors=factors,
        widths=np.array([rows.shape[1] for rows, _ in tables], int),
    )


def _table(step: Step, n_qubits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows of a state each row is a sum of, (2^n, width), and their factors."""
    if isinstance(step, PhasePermutation):
        return step.permutation[:, None], step.phase[:, None]
    assert isinstance(step, Gate)
    basis = np.arange(2**n_qubits)
    shifts = [n_qubits - 1 - wire for wire in step.wires]
    local, rest = np.zeros_like(basis), basis.copy()
    for shift in shifts:
        local = 2 * local + (basis >> shift & 1)
        rest &= ~(1 << shift)
    columns = np.arange(len(step.matrix))
    rows = np.repeat(rest[:, None], len(columns), axis=1)
    for place, shift in enumerate(shifts):
        rows |= (columns >> (len(shifts) - 1 - place) & 1) << shift
    return rows, step.matrix[local]


def _undone(step: Step) -> Step:
    if isinstance(step, Gate):
        return step.inverse
    assert isinstance(step, PhasePermutation)
    inverse = np.argsort(step.permutation)
    identity = PhasePermutation.identity(len(inverse).bit_length() - 1)
    return PhasePermutation(
        inverse,
        step.phase[inverse].conj(),
        identity.generators,
        identity.index,
        identity.scale,
        identity.offset,
    )


@compiled
def _forward(circuit, memory, features, weights, keep):
    evaluate(circuit.terms, features, weights, memory.angles)
    _turns(circuit, memory)
    source, n_qubits = memory.adjoint, memory.turns.shape[1]
    if circuit.kinds[0] != _LOCAL:
        for k in range(source.shape[1]):
            for b in range(source.shape[2]):
                source[0, k, b], source[1, k, b] = 1 if k == 0 else 0, 0
    for i in range(len(circuit.kinds)):
        target = memory.states[i if keep else i % 2]
        place = circuit.places[i]
        if circuit.kinds[i] == _CONSTANT:
            rows, factors = circuit.rows[0, place], circuit.factors[0, place]
            _mix(rows, factors, circuit.widths[place], source, target)
        elif circuit.kinds[i] == _TURNED:
            _phases(circuit, memory, place)
            _move(source, circuit.order[place], memory.phases[place], target)
        elif i == 0:
            _product(memory.turns[0], target)
        else:
            acts = circuit.acts[place]
            n_acting = 0
            for q in range(n_qubits):
                n_acting += acts[q]
            into, other = (target, memory.work) if n_acting % 2 else (memory.work, target)
            for q in range(n_qubits):
                if acts[q]:
                    _turn(source, into, memory.turns[place, q], 1, n_qubits, q)
                    source = into
                    into, other = other, into
        source = target


@compiled
def _backward(circuit, memory, features, weights, of_features, of_weights):
    n_qubits = memory.turns.shape[1]
    for k in range(memory.slopes.shape[0]):
        for b in range(memory.slopes.shape[1]):
            memory.slopes[k, b] = 0
    adjoint, spare = memory.adjoint, memory.pulled
    for i in range(len(circuit.kinds) - 1, -1, -1):
        place = circuit.places[i]
        if circuit.kinds[i] == _LOCAL:
            _vectors(adjoint, memory.states[i], circuit.acts[place], memory.vectors)
            _slopes(circuit, memory, place)
            for q in range(n_qubits if i else 0):
                if circuit.acts[place, q]:
                    _turn(adjoint, spare, memory.turns[place, q], -1, n_qubits, q)
                    adjoint, spare = spare, adjoint
        elif circuit.kinds[i] == _TURNED:
            _phase_slopes(circuit, memory, place, adjoint, memory.states[i])
            _move_back(adjoint, circuit.order[place], memory.phases[place], spare)
            adjoint, spare = spare, adjoint
        elif i:
            rows, factors = circuit.rows[1, place], circuit.factors[1, place]
            _mix(rows, factors, circuit.widths[place], adjoint, spare)
            adjoint, spare = spare, adjoint
    pull_back(circuit.terms, features, weights, memory.slopes, of_features, of_weights)


@merged
def _turns(circuit, memory):
    """Write cosine and sine of half of each angle, and multiply the slots of each qubit."""
    n_slots, n_layers, n_qubits = circuit.slot_angle.shape
    n_angles, batch = memory.angles.shape
    for angle in range(n_angles):
        for b in range(batch):
            memory.cosines[angle, b] = np.cos(memory.angles[angle, b] / 2)
            memory.sines[angle, b] = np.sin(memory.angles[angle, b] / 2)
    for i in range(n_layers):
        for q in range(n_qubits):
            if not (circuit.acts[i, q] or i == 0):
                continue
            turn = memory.turns[i, q]
            for b in range(batch):
                turn[0, b], turn[1, b], turn[2, b], turn[3, b] = 1, 0, 0, 0
            for k in range(n_slots):
                angle, axis = circuit.slot_angle[k, i, q], circuit.slot_axis[k, i, q]
                x = 1.0 if axis == 0 else 0.0
                y = 1.0 if axis == 1 else 0.0
                z = 1.0 if axis == 2 else 0.0
                fixed = circuit.constant[k, i, q]
                kr, ki, lr, li = fixed[0], fixed[1], fixed[2], fixed[3]
                cosines, sines = memory.cosines[angle], memory.sines[angle]
                for b in range(batch):
                    ar, ai, br, bi = turn[0, b], turn[1, b], turn[2, b], turn[3, b]
                    pr = kr * ar - ki * ai - lr * br - li * bi
                    pi = kr * ai + ki * ar - lr * bi + li * br
                    qr = lr * ar - li * ai + kr * br + ki * bi
                    qi = lr * ai + li * ar + kr * bi - ki * br
                    c, sx, sy, sz = cosines[b], x * sines[b], y * sines[b], z * sines[b]
                    turn[0, b] = c * pr + sz * pi - sy * qr + sx * qi
                    turn[1, b] = c * pi - sz * pr - sy * qi - sx * qr
                    turn[2, b] = sy * pr + sx * pi + c * qr - sz * qi
                    turn[3, b] = sy * pi - sx * pr + c * qi + sz * qr


@merged
def _product(turns, out):
    """Write the product of what the qubits' gates make of ``|0>``."""
    n_qubits, batch = turns.shape[0], turns.shape[2]
    for b in range(batch):
        out[0, 0, b], out[1, 0, b] = 1, 0
    size = 1
    for q in range(n_qubits - 1, -1, -1):
        turn = turns[q]
        for k in range(size):
            for b in range(batch):
                x, y = out[0, k, b], out[1, k, b]
                out[0, size + k, b] = turn[2, b] * x - turn[3, b] * y
                out[1, size + k, b] = turn[2, b] * y + turn[3, b] * x
                out[0, k, b] = turn[0, b] * x - turn[1, b] * y
                out[1, k, b] = turn[0, b] * y + turn[1, b] * x
        size *= 2


@merged
def _turn(source, target, turn, sign, n_qubits, q):
    """Apply each sample's own matrix, or with sign -1 its adjoint, to qubit q."""
    n_rows, batch = source.shape[1:]
    bit = 1 << (n_qubits - 1 - q)
    for row in range(n_rows):
        partner = row ^ bit
        along = -sign if row & bit else sign
        across = sign if row & bit else -sign
        for b in range(batch):
            ar, ai = turn[0, b], along * turn[1, b]
            br, bi = across * turn[2, b], sign * turn[3, b]
            sr, si = source[0, row, b], source[1, row, b]
            tr, ti = source[0, partner, b], source[1, partner, b]
            target[0, row, b] = ar * sr - ai * si + br * tr - bi * ti
            target[1, row, b] = ar * si + ai * sr + br * ti + bi * tr


@merged
def _mix(rows, factors, width, source, target):
    """Write each row as the sum of other rows times constants."""
    n_rows, batch = target.shape[1:]
    for k in range(n_rows):
        for j in range(width):
            row, x, y = rows[k, j], factors[k, j, 0], factors[k, j, 1]
            if j == 0:
                for b in range(batch):
                    target[0, k, b], target[1, k, b] = 0, 0
            for b in range(batch):
                target[0, k, b] += x * source[0, row, b] - y * source[1, row, b]
                target[1, k, b] += x * source[1, row, b] + y * source[0, row, b]


@merged
def _vectors(adjoint, state, acts, vectors):
    """Write t of each qubit that a layer acts on, and of each sample."""
    n_rows, batch = state.shape[1:]
    n_qubits = len(vectors)
    for q in range(n_qubits):
        if not acts[q]:
            continue
        bit = 1 << (n_qubits - 1 - q)
        out = vectors[q]
        for b in range(batch):
            out[0, b], out[1, b], out[2, b] = 0, 0, 0
        for row in range(n_rows):
            if row & bit:
                continue
            one = row | bit
            for b in range(batch):
                xr, xi = adjoint[0, row, b], adjoint[1, row, b]
                yr, yi = adjoint[0, one, b], adjoint[1, one, b]
                zr, zi = state[0, row, b], state[1, row, b]
                wr, wi = state[0, one, b], state[1, one, b]
                out[0, b] += xr * wi - xi * wr + yr * zi - yi * zr
                out[1, b] += yr * zr + yi * zi - xr * wr - xi * wi
                out[2, b] += xr * zi - xi * zr - yr * wi + yi * wr


@merged
def _slopes(circuit, memory, i):
    """Add the derivatives for the angles of a layer, turning its vectors back slot by slot."""
    n_slots, _, n_qubits = circuit.slot_angle.shape
    n_angles = len(memory.angles)
    for q in range(n_qubits):
        if not circuit.acts[i, q]:
            continue
        vector = memory.vectors[q]
        for k in range(n_slots - 1, -1, -1):
            angle, axis = circuit.slot_angle[k, i, q], circuit.slot_axis[k, i, q]
            along, first, second = vector[axis], vector[(axis + 1) % 3], vector[(axis + 2) % 3]
            cosines, sines = memory.cosines[angle], memory.sines[angle]
            if angle < n_angles:
                for b in range(len(cosines)):
                    memory.slopes[angle, b] += along[b] / 2
            turn = circuit.bloch[k, i, q]
            for b in range(len(cosines)):
                c = cosines[b] * cosines[b] - sines[b] * sines[b]
                s = 2 * cosines[b] * sines[b]
                u, v = first[b], second[b]
                first[b], second[b] = c * u + s * v, c * v - s * u
            for b in range(len(cosines)):
                x, y, z = vector[0, b], vector[1, b], vector[2, b]
                vector[0, b] = turn[0, 0] * x + turn[1, 0] * y + turn[2, 0] * z
                vector[1, b] = turn[0, 1] * x + turn[1, 1] * y + turn[2, 1] * z
                vector[2, b] = turn[0, 2] * x + turn[1, 2] * y + turn[2, 2] * z


@merged
def _phases(circuit, memory, place):
    """Write each sample's phases of a step."""
    first, last = circuit.generator_start[place], circuit.generator_start[place + 1]
    constant, out = circuit.phase[place], memory.phases[place]
    n_rows, batch = out.shape[1:]
    for k in range(n_rows):
        totals = out[1, k]
        for b in range(batch):
            totals[b] = 0
        for g in range(first, last):
            generator, angles = circuit.generators[g, k], memory.angles[circuit.generator_angle[g]]
            for b in range(batch):
                totals[b] += generator * angles[b]
        for b in range(batch):
            cosine, sine = np.cos(totals[b]), np.sin(totals[b])
            out[0, k, b] = cosine * constant[0, k] - sine * constant[1, k]
            out[1, k, b] = cosine * constant[1, k] + sine * constant[0, k]


@merged
def _phase_slopes(circuit, memory, place, adjoint, state):
    """Add the derivatives for the angles of a step of phases."""
    first, last = circuit.generator_start[place], circuit.generator_start[place + 1]
    n_rows, batch = state.shape[1:]
    for k in range(n_rows):
        overlap = memory.work[0, k]
        for b in range(batch):
            overlap[b] = adjoint[1, k, b] * state[0, k, b] - adjoint[0, k, b] * state[1, k, b]
        for g in range(first, last):
            generator, slopes = circuit.generators[g, k], memory.slopes[circuit.generator_angle[g]]
            for b in range(batch):
                slopes[b] += generator * overlap[b]


@merged
def _move(source, order, phases, target):
    """Write the planes in another order, times each sample's own phases."""
    n_rows, batch = target.shape[1:]
    for k in range(n_rows):
        row = order[k]
        for b in range(batch):
            c, s = phases[0, k, b], phases[1, k, b]
            x, y = source[0, row, b], source[1, row, b]
            target[0, k, b], target[1, k, b] = c * x - s * y, s * x + c * y


@merged
def _move_back(source, order, phases, target):
    """Write what :func:`_move` pulls an adjoint back to."""
    n_rows, batch = target.shape[1:]
    for k in range(n_rows):
        row = order[k]
        for b in range(batch):
            c, s = phases[0, k, b], phases[1, k, b]
            x, y = source[0, k, b], source[1, k, b]
            target[0, row, b], target[1, row, b] = c * x + s * y, c * y - s * x
