"""Noise that never acts: the errors of a noise model beside the circuit that is run.

Aer looks up each error by the name of a gate and its qubits. An error of a gate that transpilation
leaves out, of a qubit that is not used, or of a name that is spelt otherwise is no mistake for Aer:
the results are those without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .noise import AerNoise

__all__ = ["UnusedNoise", "unused_noise"]

#: Gates that devices do without a pulse: they may be without an error in any model.
_VIRTUAL = frozenset(("rz", "p", "u1", "id", "z", "s", "sdg", "t", "tdg"))
_SIZES = {1: "one-qubit gates", 2: "two-qubit gates"}
#: The most errors, and the most qubits of one of them, that a message lists.
_LISTED = 4


class UnusedNoise(NamedTuple):
    """The part of a noise model that never acts.

    Attributes
    ----------
    gates : frozenset of str
        Names whose errors are lost.
    message : str
        What the model names, what the circuit has, and what that means.
    """

    gates: frozenset[str]
    message: str


def unused_noise(noise: AerNoise, circuit, measured: Sequence[int]) -> UnusedNoise | None:
    """Return the part of a noise model that never acts on a circuit, where it is a large one.

    Lost is the noise of all gates of one size if the model names gates of it that never meet their
    error, and fewer than half of the circuit's gates have one; all readout errors, if no qubit that
    has one is measured; and a model of which nothing acts. A model that knows more gates and qubits
    than a circuit has, as those of devices do, loses nothing.

    Parameters
    ----------
    noise : AerNoise
    circuit : qiskit.QuantumCircuit
        As it runs, on the qubits of the device.
    measured : sequence of int
        The qubits that are measured.

    Returns
    -------
    unused : UnusedNoise or None
    """
    steps = [
        (step.name, tuple(circuit.find_bit(qubit).index for qubit in step.qubits))
        for step in circuit.data
        if step.name not in ("measure", "barrier") and not step.name.startswith("save_")
    ]
    everything = [*steps, *(("measure", (qubit,)) for qubit in measured)]
    used = {name for name, qubits in everything if noise.has_error(name, qubits)}
    sizes = {name: size for (name, _), size in noise.errors.items()}
    lost, effects = set(), []
    for size in sorted(set(sizes.values())):
        unused = {name for name in sizes if sizes[name] == size} - used
        noisy = [step for step in steps if len(step[1]) == size and noise.has_error(*step)]
        quiet = [step for step in steps if len(step[1]) == size and step[0] not in _VIRTUAL]
        quiet = [step for step in quiet if not noise.has_error(*step)]
        if unused and len(noisy) < len(quiet):
            lost |= unused
            share = f"{len(noisy)} of its {len(noisy) + len(quiet)} " if noisy else "none of its "
            effects.append(f"{share}{_SIZES.get(size, f'{size}-qubit gates')} are noisy")
    reads_wrongly = any(noise.readout.keys() & {qubit, None} for qubit in measured)
    if noise.has_readout_errors and not reads_wrongly:
        effects.append("no measured qubit is read wrongly")
    if noise.errors and not used and not reads_wrongly:
        lost, effects = set(sizes), ["nothing in it is noisy, and results are those without noise"]
    if not effects:
        return None
    named = [_named(name, noise) for name in sorted(lost)]
    if noise.has_readout_errors and not reads_wrongly:
        named.append(f"the readout{_of_qubits(noise.readout_qubits)}")
    counts = ", ".join(f"{n} {name}" for name, n in sorted(Counter(n for n, _ in steps).items()))
    qubits = sorted({qubit for _, places in everything for qubit in places})
    return UnusedNoise(
        frozenset(lost),
        f"The noise_model has errors that never act: those of {', '.join(named)}. The circuit that "
        f"runs has {counts or 'no gates'} on the qubits {', '.join(map(str, qubits))}: "
        f"{' and '.join(effects)}.",
    )


def _named(name, noise):
    places = [qubits for other, qubits in noise.errors if other == name]
    return repr(name) + ("" if None in places else _of_qubits(places))


def _of_qubits(places):
    texts = ["-".join(map(str, qubits)) for qubits in places]
    more = ", ..." if len(texts) > _LISTED else ""
    return f" on {', '.join(texts[:_LISTED])}{more}" if texts else ""
