"""State preparation from gates: the encodings of :mod:`sklqkd.encodings` as a device runs them.

The exact simulator writes a state down; a device has to turn qubits towards it. Every encoding
becomes a fixed list of gates whose angles are functions of the features, so that a circuit is built
(and transpiled) once for all images, and noise acts on the preparation too.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..encodings import AmplitudeEncoding, Encoding, ProductEncoding
from .gates import GateCircuit, NamedGate

__all__ = ["AmplitudePreparation", "Preparation", "ProductPreparation", "make_preparation"]


class Preparation(Protocol):
    """An encoding as gates.

    Attributes
    ----------
    circuit : GateCircuit
    """

    circuit: GateCircuit

    def angles(self, features: np.ndarray) -> np.ndarray:
        """Return the angles of `features` (n_samples, <= n_features), (n_samples, n_angles)."""

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        """Return the gradient for the features of the last `angles`, given that for the angles."""


def make_preparation(encoding: Encoding) -> Preparation:
    """Return an encoding's preparation.

    Parameters
    ----------
    encoding : Encoding

    Returns
    -------
    preparation : Preparation

    Examples
    --------
    >>> from sklqkd.encodings import make_encoding
    >>> circuit = make_preparation(make_encoding("amplitude", 4)).circuit
    >>> names = [gate.name for gate in circuit.gates]
    >>> names.count("RY"), names.count("CNOT")
    (15, 14)
    """
    if isinstance(encoding, AmplitudeEncoding):
        return AmplitudePreparation(encoding.n_qubits)
    if isinstance(encoding, ProductEncoding):
        return ProductPreparation(encoding.n_qubits, encoding.kind)
    raise TypeError(f"No state preparation is known for {type(encoding).__name__}.")


class ProductPreparation:
    """RY, or RY and RZ, or H and RY on each qubit, by ``pi tanh(x)``.

    Parameters
    ----------
    n_qubits : int
    kind : {"angle", "qubit", "hadamard_ry"}
    """

    def __init__(self, n_qubits: int, kind: str):
        wires = [(q,) for q in range(n_qubits)]
        gates = [NamedGate("Hadamard", wire) for wire in wires] if kind == "hadamard_ry" else []
        gates += [NamedGate("RY", wire, q) for q, wire in enumerate(wires)]
        if kind == "qubit":
            gates += [NamedGate("RZ", wire, n_qubits + q) for q, wire in enumerate(wires)]
        n_angles = 2 * n_qubits if kind == "qubit" else n_qubits
        self.circuit = GateCircuit(n_qubits, tuple(gates), n_angles)

    def angles(self, features):
        """See :class:`Preparation`; missing features count as 0."""
        self._squashed = np.tanh(np.asarray(features, float))
        angles = np.zeros((len(features), self.circuit.n_angles))
        angles[:, : features.shape[1]] = np.pi * self._squashed
        return angles

    def backward(self, gradient):
        """See :class:`Preparation`."""
        used = gradient[:, : self._squashed.shape[1]]
        return np.pi * (1 - self._squashed**2) * used


class AmplitudePreparation:
    """Real amplitudes by uniformly controlled RY gates (Möttönen et al., quant-ph/0407010).

    Qubit k is turned by an angle that depends on the qubits before it: 2^k RY gates and as many
    CNOTs, in the order of a Gray code. In all 2^n - 1 RY and 2^n - 2 CNOT gates: 15 and 14 for 4
    qubits, 255 and 254 for 8. The signs go into the last qubit's angles.

    Parameters
    ----------
    n_qubits : int
    """

    def __init__(self, n_qubits: int):
        gates: list[NamedGate] = []
        self._mixing = []
        column = 0
        for k in range(n_qubits):
            steps = np.arange(2**k)
            code = steps ^ steps >> 1
            for i in range(2**k):
                gates.append(NamedGate("RY", (k,), column))
                column += 1
                if k:
                    changed = int(code[i] ^ code[(i + 1) % 2**k]).bit_length() - 1
                    gates.append(NamedGate("CNOT", (k - 1 - changed, k)))
            # A CNOT turns the angles behind it round where its control is 1.
            parity = np.bitwise_count(steps[:, None] & code) & 1
            self._mixing.append((1.0 - 2.0 * parity) / 2**k)
        self.circuit = GateCircuit(n_qubits, tuple(gates), column)

    def angles(self, features):
        """See :class:`Preparation`; a row of zeros prepares ``|0...0>``."""
        self._squashed = squashed = np.tanh(np.asarray(features, float))
        norms = np.zeros((len(features), 2**self.circuit.n_qubits))
        norms[:, : squashed.shape[1]] = squashed
        self._norms = [norms]
        columns = []
        for mixing in reversed(self._mixing):
            norms = norms.reshape(len(norms), -1, 2)
            columns.append(2 * np.arctan2(norms[..., 1], norms[..., 0]) @ mixing)
            norms = np.hypot(norms[..., 0], norms[..., 1])
            self._norms.append(norms)
        return np.concatenate(columns[::-1], axis=1)

    def backward(self, gradient):
        """See :class:`Preparation`; where a norm is 0 its angle has no gradient."""
        towards = np.zeros((len(gradient), 1))
        start = 0
        for k, mixing in enumerate(self._mixing):
            stop = start + len(mixing)
            of_angles = 2 * gradient[:, start:stop] @ mixing.T
            start = stop
            pairs = self._norms[-2 - k].reshape(len(gradient), -1, 2)
            norms = self._norms[-1 - k]
            inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
            units = pairs * inverse[..., None]
            turned = np.stack([-units[..., 1], units[..., 0]], axis=-1) * inverse[..., None]
            towards = units * towards[..., None] + turned * of_angles[..., None]
            towards = towards.reshape(len(gradient), -1)
        return (1 - self._squashed**2) * towards[:, : self._squashed.shape[1]]
