"""A circuit as the kernels run it: a few fused steps, made by :mod:`sklqkd.circuits`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..lazy import lazy

__all__ = ["Gate", "LocalLayer", "PhasePermutation", "Program", "Step"]


@dataclass(frozen=True, eq=False)
class LocalLayer:
    """One-qubit gates on every qubit: a product of slots, each a constant, then a rotation.

    Slot k on qubit q is ``exp(-i angle / 2 * axis[k, q]) @ constant[k, q]`` with
    ``angle = scale[k, q] * weights[index[k, q]] + offset[k, q]``; an index of -1 stands for 0.

    Attributes
    ----------
    constant : ndarray of shape (n_slots, n_qubits, 2, 2)
        Unitary.
    axis : ndarray of shape (n_slots, n_qubits, 2, 2)
        A Pauli matrix, or zeros where a slot does not rotate.
    index : ndarray of int, shape (n_slots, n_qubits)
    scale, offset : ndarray of float, shape (n_slots, n_qubits)
    """

    constant: np.ndarray
    axis: np.ndarray
    index: np.ndarray
    scale: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class PhasePermutation:
    """CNOT, CZ, SWAP, RZZ and their like: basis states are permuted and get phases.

    ``psi'[k] = phase[k] * exp(i sum_j angle_j * generators[j, k]) * psi[permutation[k]]``, with
    ``angle = scale * weights[index] + offset``.

    Attributes
    ----------
    permutation : ndarray of int, shape (2^n,)
    phase : ndarray of complex, shape (2^n,)
    generators : ndarray of float, shape (n_angles, 2^n)
    index : ndarray of int, shape (n_angles,)
    scale, offset : ndarray of float, shape (n_angles,)
    """

    permutation: np.ndarray
    phase: np.ndarray
    generators: np.ndarray
    index: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    @classmethod
    def identity(cls, n_qubits: int) -> PhasePermutation:
        """Return the step that changes nothing."""
        size = 2**n_qubits
        return cls(
            np.arange(size),
            np.ones(size, complex),
            np.zeros((0, size)),
            np.zeros(0, int),
            np.zeros(0),
            np.zeros(0),
        )

    def then(self, later: PhasePermutation) -> PhasePermutation:
        """Return the step that does this one and after it `later`."""
        order = later.permutation
        return PhasePermutation(
            self.permutation[order],
            later.phase * self.phase[order],
            np.concatenate([self.generators[:, order], later.generators]),
            np.concatenate([self.index, later.index]),
            np.concatenate([self.scale, later.scale]),
            np.concatenate([self.offset, later.offset]),
        )

    def phases(self, padded_weights: np.ndarray) -> np.ndarray:
        """Return the phase of each basis state, shape (2^n,)."""
        if not len(self.index):
            return self.phase
        angles = self.scale * padded_weights[self.index] + self.offset
        return self.phase * np.exp(1j * (angles @ self.generators))

    def gradient(self, products: np.ndarray) -> np.ndarray:
        """Return d loss / d angle from Im(sum over the batch of conj(adjoint) * state), (2^n,)."""
        return -self.scale * (self.generators @ products)


@dataclass(frozen=True, eq=False)
class Gate:
    """A constant unitary on some wires, for what the other two steps cannot express.

    Attributes
    ----------
    matrix : ndarray of complex, shape (2^k, 2^k)
    wires : tuple of int, length k
    """

    matrix: np.ndarray
    wires: tuple[int, ...]

    def apply(self, state: np.ndarray) -> np.ndarray:
        """Return the gate applied to `state`, of shape (2^n, batch)."""
        n_qubits = len(state).bit_length() - 1
        tensor = state.reshape((2,) * n_qubits + (-1,))
        tensor = np.moveaxis(tensor, self.wires, range(len(self.wires)))
        product = self.matrix @ tensor.reshape(len(self.matrix), -1)
        product = np.moveaxis(product.reshape(tensor.shape), range(len(self.wires)), self.wires)
        return np.ascontiguousarray(product.reshape(state.shape))

    @property
    def inverse(self) -> Gate:
        """The gate that undoes this one."""
        return Gate(self.matrix.conj().T, self.wires)


Step = LocalLayer | PhasePermutation | Gate


@dataclass(frozen=True, eq=False)
class Program:
    """A circuit as the kernels run it.

    Attributes
    ----------
    n_qubits : int
    n_weights : int
        Length of the weight vector that the steps' indices point into.
    steps : tuple of LocalLayer, PhasePermutation and Gate
        In the order of their application.
    """

    n_qubits: int
    n_weights: int
    steps: tuple[Step, ...]

    @lazy
    def is_real(self) -> bool:
        """Whether every step is a real matrix for every value of the weights."""

        def step_is_real(step: Step) -> bool:
            if isinstance(step, LocalLayer):
                # exp(-i angle Y / 2) is real, the other two rotations are not.
                return not (np.iscomplex(step.constant).any() or np.iscomplex(1j * step.axis).any())
            if isinstance(step, Gate):
                return not np.iscomplex(step.matrix).any()
            return not len(step.index) and not np.iscomplex(step.phase).any()

        return all(step_is_real(step) for step in self.steps)

    def split_readout(self) -> tuple[Program, np.ndarray]:
        """Take off the last permutation, which a measurement of all qubits can do for nothing.

        Returns
        -------
        program : Program
            The program without its last :class:`PhasePermutation`, if it ends in one.
        permutation : ndarray of int, shape (2^n,)
            The full program's probability of basis state k is this one's of ``permutation[k]``.
        """
        if self.steps and isinstance(self.steps[-1], PhasePermutation):
            shorter = Program(self.n_qubits, self.n_weights, self.steps[:-1])
            return shorter, self.steps[-1].permutation
        return self, np.arange(2**self.n_qubits)
