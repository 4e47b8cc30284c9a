"""Observables as sums of Pauli words, and the few bases in which all of them can be measured.

An observable is kept as a dict from Pauli words to real coefficients, letter k of a word on wire k:
``{"XIZ": 0.5, "IYI": -1.0}``. Plain strings and floats are compared, hashed and stored anywhere.

Words that agree on each wire, or have an identity there, commute qubit by qubit, and can be read
off the same measurement: one rotation of each qubit in front of it turns their letters into Z. So a
list of observables is a few bases, and a matrix from the probabilities of the basis states in all
of them to the expectation values (Verteletskyi et al., arXiv:1907.03358).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np

from ..gates import GateCircuit, NamedGate
from ..statevector import LocalLayer, Program
from ..threads import in_pennylane
from .gates import AnsatzGates

__all__ = [
    "check_measurement",
    "circuit_in_basis",
    "constant_observables",
    "gates_in_basis",
    "measured_bases",
    "observables_readout",
    "program_in_basis",
]

#: A matrix on k wires is a sum of up to 4^k words, which take up to 3^k bases.
MOST_WIRES = 4
#: The most bases: each is a circuit of its own.
MOST_BASES = 256
#: What is this far from real, relative to the largest coefficient, is not Hermitian.
TOLERANCE = 1e-7
_WORDS = frozenset("IXYZ")
#: What the message for anything else says.
_KNOWN = (
    "'probs', 'expval', or a list of observables: PennyLane operators such as qml.X(0) @ qml.Z(1), "
    "or Pauli words such as 'XZ' and sums of them such as {'XZ': 0.5, 'ZI': -1.0}"
)
#: Turn the eigenstates of a letter into those of Z.
_TO_Z = {
    "X": np.array([[1, 1], [1, -1]]) / np.sqrt(2),
    "Y": np.array([[1, -1j], [-1j, 1]]) / np.sqrt(2),
}


def check_measurement(measurement, n_qubits: int) -> str | list[dict[str, float]]:
    """Return what a student measures, in plain strings and numbers.

    Parameters
    ----------
    measurement : str, observable or sequence of observables
        A name is returned as it is. An observable is a PennyLane operator; a Pauli word, of which
        letter k belongs to wire k and missing ones are I; or a dict of words and coefficients.
    n_qubits : int

    Returns
    -------
    measurement : str or list of dict
        For each observable its Pauli words, n_qubits letters long, and their coefficients.

    Raises
    ------
    ValueError
        For anything else, an empty list, an observable that is not Hermitian, acts on other wires,
        or is a matrix on more than 4 wires; and if no observable differs from a number.

    Examples
    --------
    >>> check_measurement(["ZZ", {"X": 0.5, "IY": 2}], n_qubits=2)
    [{'ZZ': 1.0}, {'IY': 2.0, 'XI': 0.5}]
    """
    if isinstance(measurement, str) and measurement in ("probs", "expval"):
        return measurement
    is_word = isinstance(measurement, str) and measurement and set(measurement) <= _WORDS
    is_one = is_word or isinstance(measurement, Mapping) or _is_operator(measurement)
    given = [measurement] if is_one else measurement
    if isinstance(given, (str, bytes)) or not isinstance(given, (Sequence, np.ndarray)):
        raise ValueError(
            f"The 'measurement' parameter must be {_KNOWN}. It is {measurement!r}."
            + _advice(measurement)
        )
    if len(given) == 0:
        raise ValueError(f"measurement is an empty list: nothing is measured. Give {_KNOWN}.")
    sentences = [_sentence(each, place, n_qubits) for place, each in enumerate(given)]
    identity = "I" * n_qubits
    if all(set(sentence) <= {identity} for sentence in sentences):
        raise ValueError(
            "measurement has multiples of the identity alone, whose value is the same for every "
            f"image: {_shortened(measurement)}. Measure an observable such as qml.Z(0)."
        )
    n_bases = len(measured_bases(sentences))
    if n_bases > MOST_BASES:
        raise ValueError(
            f"The observables of measurement do not commute: {n_bases} circuits would be needed "
            f"for each image, and {MOST_BASES} are the most. Measure fewer Pauli words."
        )
    return sentences


def constant_observables(sentences: Sequence[Mapping[str, float]]) -> list[int]:
    """Return the places of observables that are multiples of the identity."""
    return [place for place, each in enumerate(sentences) if not set("".join(each)) & set("XYZ")]


def measured_bases(sentences: Sequence[Mapping[str, float]]) -> list[str]:
    """Return bases in which all words can be measured: for each qubit a letter of X, Y, Z.

    Found greedily, the words with the most letters first.

    Examples
    --------
    >>> measured_bases([{"ZZI": 1.0, "XII": 0.5}, {"IIY": 1.0}])
    ['ZZY', 'XZZ']
    """
    words = dict.fromkeys(word for sentence in sentences for word in sentence)
    bases: list[list[str]] = []
    for word in sorted(words, key=lambda word: word.count("I")):
        if set(word) == {"I"}:
            continue
        for basis in bases:
            if _fits(word, basis):
                break
        else:
            basis = ["I"] * len(word)
            bases.append(basis)
        for wire, letter in enumerate(word):
            if letter != "I":
                basis[wire] = letter
    return ["".join(basis).replace("I", "Z") for basis in bases]


def _fits(word, basis):
    return all("I" in pair or pair[0] == pair[1] for pair in zip(word, basis, strict=True))


def observables_readout(sentences: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Return the matrix from probabilities in all bases to expectation values.

    Parameters
    ----------
    sentences : sequence of dict, length n_observables
        As :func:`check_measurement` returns them.

    Returns
    -------
    matrix : ndarray of shape (n_observables, n_bases * 2^n)
        A word that several bases tell is the mean of what they tell.

    Examples
    --------
    >>> observables_readout([{"Z": 2.0}, {"X": 1.0, "I": 0.5}])
    array([[ 2. , -2. ,  0. ,  0. ],
           [ 0.5,  0.5,  1. , -1. ]])
    """
    bases = measured_bases(sentences)
    n_qubits = len(bases[0])
    basis_states = np.arange(2**n_qubits)
    matrix = np.zeros((len(sentences), len(bases), 2**n_qubits))
    for row, sentence in zip(matrix, sentences, strict=True):
        for word, coefficient in sentence.items():
            parity = np.zeros_like(basis_states)
            for wire, letter in enumerate(word):
                if letter != "I":
                    parity ^= basis_states >> (n_qubits - 1 - wire) & 1
            fitting = [b for b, basis in enumerate(bases) if _fits(word, basis)]
            fitting = fitting[:1] if set(word) == {"I"} else fitting
            row[fitting] += coefficient / len(fitting) * (1.0 - 2.0 * parity)
    return matrix.reshape(len(sentences), -1)


def program_in_basis(program: Program, basis: str) -> Program:
    """Return a program that ends with the rotation of a basis to that of Z."""
    if set(basis) == {"Z"}:
        return program
    shape = (1, program.n_qubits)
    constant = [_TO_Z.get(letter, np.eye(2)) for letter in basis]
    layer = LocalLayer(
        np.array([constant], complex),
        np.zeros((*shape, 2, 2), complex),
        np.full(shape, -1),
        np.zeros(shape),
        np.zeros(shape),
    )
    return Program(program.n_qubits, program.n_weights, (*program.steps, layer))


def circuit_in_basis(circuit: GateCircuit, basis: str) -> GateCircuit:
    """Return a circuit that ends with the rotation of a basis to that of Z, by constant gates."""
    names = {"X": "Hadamard", "Y": "SX"}  # the latter is RX(pi/2) but for a phase
    turns = tuple(
        NamedGate(names[letter], (wire,)) for wire, letter in enumerate(basis) if letter != "Z"
    )
    return circuit.then(GateCircuit(circuit.n_qubits, turns, 0)) if turns else circuit


def gates_in_basis(ansatz: AnsatzGates, basis: str) -> AnsatzGates:
    """Return an ansatz that ends with the rotation of a basis to that of Z, as devices know it."""
    return ansatz._replace(circuit=circuit_in_basis(ansatz.circuit, basis))


def _is_operator(value):
    """Return whether it looks like a PennyLane operator, which an import would tell."""
    return not isinstance(value, type) and hasattr(value, "wires") and hasattr(value, "pauli_rep")


def _sentence(observable, place, n_qubits):
    """Return one observable as a sorted dict of words and coefficients."""
    name = f"measurement[{place}]"
    if isinstance(observable, str):
        observable = {observable: 1.0}
    if isinstance(observable, Mapping):
        terms = [(_word(word, name, n_qubits), c) for word, c in observable.items()]
    elif _is_operator(observable):
        terms = _terms(observable, name, n_qubits)
    else:
        raise ValueError(
            f"{name} is {observable!r}, no observable. Give {_KNOWN}." + _advice(observable)
        )
    sentence: dict[str, float] = {}
    for word, coefficient in terms:
        sentence[word] = sentence.get(word, 0.0) + _real(coefficient, name, observable)
    largest = max(map(abs, sentence.values()), default=0.0)
    return {word: c for word, c in sorted(sentence.items()) if abs(c) > 1e-12 * largest}


def _real(coefficient, name, observable):
    try:
        number = complex(coefficient)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} has the coefficient {coefficient!r}, which is no number. The coefficients of "
            "observables are not trained: give real numbers."
        ) from error
    if not np.isfinite(number):
        raise ValueError(f"{name} has the coefficient {coefficient!r}. Give finite real numbers.")
    if abs(number.imag) > TOLERANCE * max(1.0, abs(number)):
        _refuse_not_hermitian(name, observable)
    return number.real


def _refuse_not_hermitian(name, observable):
    raise ValueError(
        f"{name} is {_shortened(observable)}, which is not Hermitian: it has no real expectation "
        "value. Measure its Hermitian part, (A + A^H) / 2, or (A - A^H) / 2i."
    )


def _word(word, name, n_qubits):
    if not isinstance(word, str) or not word or not set(word) <= _WORDS:
        raise ValueError(
            f"{name} has {word!r} for a Pauli word. Write a string of the letters I, X, Y and Z, "
            "the first for wire 0: 'XIZ' is X on wire 0 and Z on wire 2."
        )
    outside = [wire for wire in range(n_qubits, len(word)) if word[wire] != "I"]
    if outside:
        _refuse_wires(name, word, outside, n_qubits)
    return word[:n_qubits].ljust(n_qubits, "I")


def _refuse_wires(name, observable, outside, n_qubits):
    raise ValueError(
        f"{name} is {_shortened(observable)}, on the wires {outside}, but there are only "
        f"{n_qubits} qubits (wires 0 to {n_qubits - 1}). Measure these wires, or choose more "
        "n_qubits."
    )


@in_pennylane
def _terms(operator, name, n_qubits):
    """Return the Pauli words of a PennyLane operator and their coefficients."""
    import pennylane as qml

    outside = [wire for wire in operator.wires if wire not in range(n_qubits)]
    if outside:
        _refuse_wires(name, operator, outside, n_qubits)
    sentence = operator.pauli_rep
    if sentence is None:
        if not operator.has_matrix:
            raise ValueError(
                f"{name} is {operator!r}, which has no matrix, and is no sum of Pauli words. "
                "Measure qml.Hermitian(matrix, wires), or Pauli words."
            )
        n_wires = len(operator.wires)
        if n_wires > MOST_WIRES:
            raise ValueError(
                f"{name} is {type(operator).__name__} on {n_wires} wires. A matrix may act on up "
                f"to {MOST_WIRES}: on k wires it takes up to 3^k circuits. Write it as a sum of "
                "Pauli words, such as 0.5 * qml.X(0) @ qml.Z(1)."
            )
        matrix = np.asarray(qml.matrix(operator, wire_order=operator.wires), complex)
        if not np.isfinite(matrix).all():
            raise ValueError(f"{name} has a matrix with numbers that are not finite.")
        largest = np.abs(matrix).max(initial=0)
        if np.abs(matrix - matrix.conj().T).max(initial=0) > TOLERANCE * max(1.0, largest):
            _refuse_not_hermitian(name, operator)
        matrix = (matrix + matrix.conj().T) / 2
        sentence = qml.pauli_decompose(matrix, wire_order=operator.wires, pauli=True)
    terms = []
    for word, coefficient in sentence.items():
        letters = ["I"] * n_qubits
        for wire, letter in word.items():
            letters[int(wire)] = letter
        terms.append(("".join(letters), coefficient))
    return terms


def _shortened(value):
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _advice(value):
    """Return what to write instead of some things that are often meant."""
    kind = type(value).__name__
    if kind.endswith("MP") or kind == "MeasurementValue":  # qml.expval(...), qml.measure(...)
        return (
            " A student takes expectation values itself, at the end of the circuit: pass the "
            "observable alone, qml.X(0) for qml.expval(qml.X(0))."
        )
    if isinstance(value, type) and hasattr(value, "pauli_rep"):
        return f" Say on which wire: {value.__name__}(0)."
    if isinstance(value, (np.ndarray, Real)):
        return " A matrix is given with its wires: qml.Hermitian(matrix, wires=[0])."
    return ""
