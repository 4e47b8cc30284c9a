"""The encodings of :mod:`sklqkd.encodings`, and their gradients, in compiled loops.

For features that change with every step, those of a trained reducer. A state is a row of real
numbers: the amplitudes, or their real parts and then their imaginary parts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..statevector.compilation import inlined, merged

__all__ = ["KINDS", "Encoder", "encode", "encoding_gradient"]

#: What :attr:`Encoder.kind` stands for.
KINDS = ("amplitude", "angle", "hadamard_ry", "qubit")
_AMPLITUDE, _, _HADAMARD_RY, _QUBIT = range(4)

# Below it a float's square underflows, and so does the light of such an image.
_BLACK = np.float32(np.sqrt(np.finfo(np.float32).tiny))
_HALF_PI = np.float32(np.pi / 2)


class Encoder(NamedTuple):
    """An encoding as the loops read it, and the memory that they work in.

    Attributes
    ----------
    kind : int
        A place in `KINDS`; -1 for an encoding without loops, whose states are all in a table.
    n_qubits : int
    squashed : ndarray of shape (batch_size, n_features)
        tanh of the features.
    norms : ndarray of shape (batch_size,)
        Of their rows; 0 for those that are black.
    qubits, turned : ndarray of complex64, shape (n_qubits, 2)
        The qubits of one image, and their derivatives.
    partial : ndarray of complex64, shape (n_qubits + 1, 2^n)
        The states of its first qubits.
    adjoint : ndarray of complex64, shape (2^n,)
    """

    kind: int
    n_qubits: int
    squashed: np.ndarray
    norms: np.ndarray
    qubits: np.ndarray
    turned: np.ndarray
    partial: np.ndarray
    adjoint: np.ndarray

    @classmethod
    def of(cls, encoding, n_features: int, batch_size: int) -> Encoder:
        """Return the loops' form of an encoding.

        Parameters
        ----------
        encoding : sklqkd.encodings.Encoding
        n_features, batch_size : int
        """
        n_qubits = encoding.n_qubits
        return cls(
            kind=KINDS.index(encoding.loops) if encoding.loops in KINDS else -1,
            n_qubits=n_qubits,
            squashed=np.empty((batch_size, n_features), np.float32),
            norms=np.empty(batch_size, np.float32),
            qubits=np.empty((n_qubits, 2), np.complex64),
            turned=np.empty((n_qubits, 2), np.complex64),
            partial=np.empty((n_qubits + 1, 2**n_qubits), np.complex64),
            adjoint=np.empty(2**n_qubits, np.complex64),
        )


@merged
def encode(encoder, features, states):
    """Write the states of features, (batch, width)."""
    batch, n_features = features.shape
    squashed = encoder.squashed[:batch]
    for b in range(batch):
        for f in range(n_features):
            squashed[b, f] = np.tanh(features[b, f])
    if encoder.kind == _AMPLITUDE:
        for b in range(batch):
            total = np.float32(0)
            for f in range(n_features):
                total += squashed[b, f] * squashed[b, f]
            norm = np.sqrt(total)
            encoder.norms[b] = norm if norm >= _BLACK else 0
            inverse = np.float32(1) / norm if norm >= _BLACK else np.float32(0)
            for k in range(states.shape[1]):
                states[b, k] = 0
            for f in range(n_features):
                states[b, f] = squashed[b, f] * inverse
            if norm < _BLACK:
                states[b, 0] = 1
        return
    size = encoder.partial.shape[1]
    for b in range(batch):
        _qubits(encoder, b)
        _tensor(encoder)
        state = encoder.partial[encoder.n_qubits]
        for k in range(size):
            states[b, k] = state[k].real
            if encoder.kind == _QUBIT:
                states[b, size + k] = state[k].imag


@merged
def encoding_gradient(encoder, states, towards, gradient):
    """Pull the gradient for the last states, (batch, width), back to their features."""
    batch, n_features = gradient.shape
    if encoder.kind == _AMPLITUDE:
        for b in range(batch):
            along = np.float32(0)
            for f in range(n_features):
                along += states[b, f] * towards[b, f]
            norm = encoder.norms[b]
            inverse = np.float32(1) / norm if norm > 0 else np.float32(0)
            for f in range(n_features):
                x = encoder.squashed[b, f]
                slope = (towards[b, f] - states[b, f] * along) * inverse
                gradient[b, f] = slope * (1 - x * x)
        return
    size = encoder.partial.shape[1]
    for b in range(batch):
        _qubits(encoder, b)
        _tensor(encoder)
        for k in range(size):
            imaginary = towards[b, size + k] if encoder.kind == _QUBIT else np.float32(0)
            encoder.adjoint[k] = np.complex64(complex(towards[b, k], -imaginary))
        _slopes(encoder, gradient[b])
        for f in range(n_features):
            x = encoder.squashed[b, f]
            gradient[b, f] *= _HALF_PI * (1 - x * x)


@inlined
def _qubits(encoder, b):
    """Write each qubit of an image, and its derivative for half of its RY angle."""
    n_qubits, n_given = encoder.n_qubits, encoder.squashed.shape[1]
    for q in range(n_qubits):
        theta = _HALF_PI * encoder.squashed[b, q] if q < n_given else np.float32(0)
        if encoder.kind == _HADAMARD_RY:
            theta += _HALF_PI / 2  # RY(t) H |0> is RY(t + pi / 2) |0>
        cosine, sine = np.cos(theta), np.sin(theta)
        phase = np.complex64(1)
        if encoder.kind == _QUBIT and n_qubits + q < n_given:
            phi = _HALF_PI * encoder.squashed[b, n_qubits + q]
            phase = np.complex64(complex(np.cos(phi), np.sin(phi)))
        encoder.qubits[q, 0] = cosine * phase.conjugate()
        encoder.qubits[q, 1] = sine * phase
        encoder.turned[q, 0] = -sine * phase.conjugate()
        encoder.turned[q, 1] = cosine * phase


@inlined
def _tensor(encoder):
    """Write the product of the qubits, one after the other."""
    encoder.partial[0, 0] = 1
    for q in range(encoder.n_qubits):
        before, after = encoder.partial[q], encoder.partial[q + 1]
        zero, one = encoder.qubits[q, 0], encoder.qubits[q, 1]
        for k in range(1 << q):
            after[2 * k] = before[k] * zero
            after[2 * k + 1] = before[k] * one


@merged
def _slopes(encoder, gradient):
    """Write the derivatives for half of the angles of an image, taking qubit after qubit off."""
    adjoint, n_qubits = encoder.adjoint, encoder.n_qubits
    n_given = len(gradient)
    for q in range(n_qubits - 1, -1, -1):
        before, zero, one = encoder.partial[q], encoder.qubits[q, 0], encoder.qubits[q, 1]
        x, y = np.complex64(0), np.complex64(0)
        for k in range(1 << q):
            x += adjoint[2 * k] * before[k]
            y += adjoint[2 * k + 1] * before[k]
            adjoint[k] = adjoint[2 * k] * zero + adjoint[2 * k + 1] * one
        if q < n_given:
            gradient[q] = (x * encoder.turned[q, 0] + y * encoder.turned[q, 1]).real
        if encoder.kind == _QUBIT and n_qubits + q < n_given:
            # The halves of the state turn by -i phi and i phi.
            gradient[n_qubits + q] = (x * zero - y * one).imag
