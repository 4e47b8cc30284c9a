"""Encodings: from a row of features to a quantum state, with the gradient back to the features.

Every encoding first squashes its features with tanh (section 3.4 of arXiv:2311.13810, where the
front-end ends in ``pi * tanh`` too). A student brings features that are not trained into tanh's
range before, column by column: ``(features - offset) * factor``, with the rules of
:mod:`sklqkd.feature_scaling`. States have shape (2^n, batch), wire 0 in the most significant bit.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

__all__ = ["ENCODINGS", "AmplitudeEncoding", "Encoding", "ProductEncoding", "make_encoding"]

ENCODINGS = ("amplitude", "angle", "qubit", "hadamard_ry")


class Encoding(Protocol):
    """What prepares the circuit's initial state.

    Attributes
    ----------
    n_qubits : int
    n_features : int
        The most features that it takes; missing ones count as 0.
    is_real : bool
        Whether the states are real.
    """

    n_qubits: int
    n_features: int
    is_real: bool

    def forward(self, features: np.ndarray) -> np.ndarray:
        """Return the states of `features` (n_samples, <= n_features), (2^n, n_samples)."""

    def backward(self, adjoint: np.ndarray) -> np.ndarray:
        """Return the loss's gradient with respect to the features of the last `forward`.

        `adjoint` is dL/dRe(state) + i dL/dIm(state), of the state's shape.
        """


def make_encoding(name: str, n_qubits: int) -> Encoding:
    """Return the encoding of that name.

    Parameters
    ----------
    name : {"amplitude", "angle", "qubit", "hadamard_ry"}
    n_qubits : int

    Returns
    -------
    encoding : Encoding

    Raises
    ------
    ValueError
        For an unknown name.

    Examples
    --------
    >>> make_encoding("amplitude", 4).n_features, make_encoding("qubit", 4).n_features
    (16, 8)
    """
    if name not in ENCODINGS:
        raise ValueError(
            f"encoding={name!r} is not known. Choose one of {', '.join(map(repr, ENCODINGS))}."
        )
    if name == "amplitude":
        return AmplitudeEncoding(n_qubits)
    return ProductEncoding(n_qubits, name)


class AmplitudeEncoding:
    """Features as amplitudes: ``tanh(x) / ||tanh(x)||`` (equations 14 and 15 of the paper).

    Takes 2^n features; a row of zeros (an all-black image) gives the state ``|0...0>``.

    A state keeps the proportions of the features alone: x, -x and (but for tanh) 2 x are one state.
    Columns that a student scales start from 0 up, which makes signs proportions; a constant column
    beside the features, such as ``sklearn.preprocessing.PolynomialFeatures(degree=1)`` adds, does
    the same for lengths.

    Parameters
    ----------
    n_qubits : int

    Examples
    --------
    >>> import numpy as np
    >>> AmplitudeEncoding(1).forward(np.array([[1.0, 1.0], [0.0, 0.0]]))
    array([[0.70710678, 1.        ],
           [0.70710678, 0.        ]])
    """

    is_real = True

    def __init__(self, n_qubits: int):
        self.n_qubits = n_qubits
        self.n_features = 2**n_qubits

    def forward(self, features):
        """See :meth:`Encoding.forward`."""
        self._squashed = squashed = np.tanh(features.T)
        norms = np.sqrt(np.einsum("fb,fb->b", squashed, squashed))
        # Below this a float's square underflows, and so does the light of such an image.
        self._is_black = norms < np.sqrt(np.finfo(norms.dtype).tiny)
        self._any_black = bool(self._is_black.any())
        if self._any_black:
            norms[self._is_black] = 1
        self._norms = norms
        if len(squashed) == self.n_features:
            state = squashed / norms
        else:
            state = np.zeros((self.n_features, len(features)), squashed.dtype)
            np.divide(squashed, norms, out=state[: len(squashed)])
        if self._any_black:
            state[:, self._is_black] = 0
            state[0, self._is_black] = 1
        self._state = state
        return state

    def backward(self, adjoint):
        """See :meth:`Encoding.backward`."""
        gradient = adjoint.real[: len(self._squashed)]
        state = self._state[: len(self._squashed)]
        gradient = gradient - state * np.einsum("fb,fb->b", state, gradient)
        gradient /= self._norms
        gradient *= 1 - self._squashed**2
        if self._any_black:
            gradient[:, self._is_black] = 0
        return gradient.T


class ProductEncoding:
    """Features as rotation angles ``pi tanh(x)`` of single qubits.

    Parameters
    ----------
    n_qubits : int
    kind : {"angle", "qubit", "hadamard_ry"}
        - "angle": n features, RY on each qubit;
        - "qubit": 2n features, RY then RZ on each qubit (all RY angles first): any point of each
          Bloch sphere;
        - "hadamard_ry": n features, a Hadamard gate then RY (the paper's version 1).

    Examples
    --------
    >>> import numpy as np
    >>> ProductEncoding(1, "hadamard_ry").forward(np.array([[0.0]]))
    array([[0.70710678],
           [0.70710678]])
    """

    def __init__(self, n_qubits: int, kind: str):
        self.n_qubits = n_qubits
        self.kind = kind
        self.is_real = kind != "qubit"
        self.n_features = 2 * n_qubits if kind == "qubit" else n_qubits

    def forward(self, features):
        """See :meth:`Encoding.forward`."""
        self._n_given = features.shape[1]
        self._squashed = np.zeros((self.n_features, len(features)), features.dtype)
        np.tanh(features.T, out=self._squashed[: self._n_given])
        half_angles = self._squashed * (np.pi / 2)
        theta = half_angles[: self.n_qubits]
        if self.kind == "hadamard_ry":
            # RY(t) H |0> is RY(t + pi / 2) |0>.
            theta = theta + np.asarray(np.pi / 4, theta.dtype)
        qubits = np.stack([np.cos(theta), np.sin(theta)], axis=1)  # (n_qubits, 2, batch)
        self._turned = np.stack([-qubits[:, 1], qubits[:, 0]], axis=1)  # d qubits / d theta
        if self.kind == "qubit":
            phases = np.exp(1j * np.stack([-half_angles[self.n_qubits :]] * 2, axis=1))
            phases[:, 1] = phases[:, 1].conj()
            qubits, self._turned = qubits * phases, self._turned * phases
        self._qubits = qubits
        state = qubits[0]
        self._partial = []  # the states of the first qubits, for the way back
        for qubit in qubits[1:]:
            self._partial.append(state)
            state = (state[:, None] * qubit).reshape(-1, state.shape[1])
        return state

    def backward(self, adjoint):
        """See :meth:`Encoding.backward`."""
        gradient = np.zeros(self._squashed.shape, self._squashed.dtype)
        conjugate = adjoint.conj() if np.iscomplexobj(self._qubits) else adjoint.real
        for q in range(self.n_qubits - 1, -1, -1):
            conjugate = conjugate.reshape(-1, 2, conjugate.shape[-1])
            qubit = self._qubits[q]
            before = self._partial[q - 1][:, None] if q else 1
            towards = (conjugate * before).sum(axis=0)  # conj dL / d qubit
            gradient[q] = (towards * self._turned[q]).sum(axis=0).real
            if self.kind == "qubit":
                turned = qubit * np.array([[-1j], [1j]])
                gradient[self.n_qubits + q] = (towards * turned).sum(axis=0).real
            conjugate = (conjugate * qubit).sum(axis=1)
        gradient *= (np.pi / 2) * (1 - self._squashed**2)
        return gradient[: self._n_given].T
