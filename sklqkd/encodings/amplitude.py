"""Amplitude encoding: the features are the state, and gates that prepare it."""

from __future__ import annotations

import numpy as np

from ..gates import GateCircuit, NamedGate

__all__ = ["AmplitudeEncoding", "AmplitudePreparation"]


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
    loops: str | None = "amplitude"
    gates = None
    shape = None

    def __init__(self, n_qubits: int):
        self.n_qubits = n_qubits
        self.n_features = 2**n_qubits

    def forward(self, features):
        """See :meth:`.base.Encoding.forward`."""
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
        """See :meth:`.base.Encoding.backward`."""
        gradient = adjoint.real[: len(self._squashed)]
        state = self._state[: len(self._squashed)]
        gradient = gradient - state * np.einsum("fb,fb->b", state, gradient)
        gradient /= self._norms
        gradient *= 1 - self._squashed**2
        if self._any_black:
            gradient[:, self._is_black] = 0
        return gradient.T

    def preparation(self):
        """See :meth:`.base.Encoding.preparation`."""
        return AmplitudePreparation(self.n_qubits)

    def torch_states(self, features):
        """See :meth:`.base.Encoding.torch_states`."""
        import torch

        squashed = features.new_zeros(self.n_features, len(features))
        squashed[: features.shape[1]] = features.T.tanh()
        squares = squashed.square().sum(0)
        is_black = squares < torch.finfo(squares.dtype).tiny
        zeros = torch.eye(len(squashed), 1, dtype=squares.dtype, device=squares.device)  # |0...0>
        return torch.where(is_black, zeros, squashed / torch.where(is_black, 1, squares).sqrt())


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
        """See :class:`.base.Preparation`; a row of zeros prepares ``|0...0>``."""
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
        """See :class:`.base.Preparation`; where a norm is 0 its angle has no gradient."""
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
