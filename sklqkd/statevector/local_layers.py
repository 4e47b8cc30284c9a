"""The 2 x 2 matrices of all local layers of a program, and their gradient."""

from __future__ import annotations

import numpy as np

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
        self._flat_index = self.index.ravel()
        self.cosine_part = constant
        self.sine_part = -1j * axis @ constant
        self.generator = -0.5j * axis
        self.later = np.broadcast_to(np.eye(2, dtype=complex), axis.shape).copy()

    def matrices(self, padded_weights: np.ndarray) -> np.ndarray:
        """Return the layers' matrices, shape (n_layers, n_qubits, 2, 2), and keep the slots."""
        half_angle = 0.5 * (self.scale * padded_weights[self.index] + self.offset)
        half_angle = half_angle[..., None, None]
        slots = np.cos(half_angle) * self.cosine_part + np.sin(half_angle) * self.sine_part
        # later[k] is the product of the slots that follow slot k.
        for k in range(len(slots) - 1, 0, -1):
            np.matmul(self.later[k], slots[k], out=self.later[k - 1])
        return self.later[0] @ slots[0]

    def gradient(self, products: np.ndarray) -> np.ndarray:
        """Return the gradient with respect to the padded weights.

        Parameters
        ----------
        products : ndarray of shape (n_layers, n_qubits, 2, 2)
            Per layer and qubit, the sum over the batch and the other qubits of
            conj(adjoint)_i * state_j, both just after the layer.
        """
        generators = self.later @ self.generator @ self.later.conj().swapaxes(-1, -2)
        derivative = self.scale * (generators * products).real.sum(axis=(-1, -2))
        return np.bincount(self._flat_index, derivative.ravel(), self.n_weights + 1)


def kronecker(matrices):
    """Return the Kronecker products over the qubits of 2 x 2 matrices, (..., n_qubits, 2, 2)."""
    product = matrices[..., 0, :, :]
    for q in range(1, matrices.shape[-3]):
        product = product[..., :, None, :, None] * matrices[..., q, None, :, None, :]
        product = product.reshape(*matrices.shape[:-3], 2 ** (q + 1), 2 ** (q + 1))
    return product
