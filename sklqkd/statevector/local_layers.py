"""The 2 x 2 matrices of all local layers of a program, and their gradient."""

from __future__ import annotations

import numpy as np

from .compilation import compiled, inlined
from .program import LocalLayer

__all__ = ["LocalLayers"]


class LocalLayers:
    """The 2 x 2 matrices of all local layers of a program, and their gradient, in one go.

    Parameters
    ----------
    layers : list of LocalLayer
    n_qubits, n_weights : int
    """

    def __init__(self, layers: list[LocalLayer], n_qubits: int, n_weights: int):
        n_slots = max((len(layer.index) for layer in layers), default=1)
        shape = (n_slots, len(layers), n_qubits)
        constant = np.broadcast_to(np.eye(2, dtype=complex), (*shape, 2, 2)).copy()
        axis = np.zeros((*shape, 2, 2), complex)
        self.index = np.full(shape, n_weights)
        self.scale, self.offset = np.zeros(shape), np.zeros(shape)
        for i, layer in enumerate(layers):
            slots = slice(len(layer.index))
            constant[slots, i], axis[slots, i] = layer.constant, layer.axis
            self.index[slots, i] = np.where(layer.index < 0, n_weights, layer.index)
            self.scale[slots, i], self.offset[slots, i] = layer.scale, layer.offset
        self.n_weights = n_weights
        self.cosine_part = constant
        self.sine_part = -1j * axis @ constant
        self.generator = -0.5j * axis
        self.later = np.broadcast_to(np.eye(2, dtype=complex), axis.shape).copy()

    def matrices(self, padded_weights: np.ndarray) -> np.ndarray:
        """Return the layers' matrices, shape (n_layers, n_qubits, 2, 2), and keep the slots."""
        out = np.empty(self.cosine_part.shape[1:], complex)
        parts = self.cosine_part, self.sine_part
        _matrices(padded_weights, self.index, self.scale, self.offset, *parts, self.later, out)
        return out

    def gradient(self, products: np.ndarray) -> np.ndarray:
        """Return the gradient with respect to the padded weights.

        Parameters
        ----------
        products : ndarray of shape (n_layers, n_qubits, 2, 2)
            Per layer and qubit, the sum over the batch and the other qubits of
            conj(adjoint)_i * state_j, both just after the layer.
        """
        out = np.zeros(self.n_weights + 1)
        _gradient(products, self.index, self.scale, self.generator, self.later, out)
        return out


@compiled
def _matrices(weights, index, scale, offset, cosine_part, sine_part, later, out):
    """Write the layers' matrices, and into later[k] the product of the slots after slot k."""
    n_slots, n_layers, n_qubits = index.shape
    slot = np.empty((2, 2), np.complex128)
    for i in range(n_layers):
        for q in range(n_qubits):
            for k in range(n_slots - 1, -1, -1):
                half_angle = 0.5 * (scale[k, i, q] * weights[index[k, i, q]] + offset[k, i, q])
                cosine, sine = np.cos(half_angle), np.sin(half_angle)
                for a in range(2):
                    for b in range(2):
                        slot[a, b] = (
                            cosine * cosine_part[k, i, q, a, b] + sine * sine_part[k, i, q, a, b]
                        )
                product = later[k - 1, i, q] if k else out[i, q]
                for a in range(2):
                    for b in range(2):
                        product[a, b] = (
                            later[k, i, q, a, 0] * slot[0, b] + later[k, i, q, a, 1] * slot[1, b]
                        )


@inlined
def _slope(sums, generator, later):
    """Return the derivative for one slot's angle, given the 2 x 2 sums of its layer and qubit."""
    total = 0.0
    for a in range(2):
        for b in range(2):
            turned = 0j
            for c in range(2):
                for d in range(2):
                    turned += later[a, c] * generator[c, d] * later[b, d].conjugate()
            total += (turned * sums[a, b]).real
    return total


@compiled
def _gradient(products, index, scale, generator, later, out):
    n_slots, n_layers, n_qubits = index.shape
    for k in range(n_slots):
        for i in range(n_layers):
            for q in range(n_qubits):
                if scale[k, i, q] != 0:
                    derivative = _slope(products[i, q], generator[k, i, q], later[k, i, q])
                    out[index[k, i, q]] += scale[k, i, q] * derivative
