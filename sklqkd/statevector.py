"""Exact state-vector simulation of a compiled circuit, with its adjoint gradient.

A circuit arrives as a :class:`Program`: a few fused steps, made by :mod:`sklqkd.circuits`. Two
kernels run it on a batch of states; :func:`make_kernel` picks one by size:

- :class:`DenseKernel` multiplies every layer out to one 2^n x 2^n matrix;
- :class:`FactoredKernel` (:mod:`sklqkd.factored`) keeps each layer as a Kronecker product.

Where numba is installed, their inner loops are compiled (:mod:`sklqkd.compiled`).

States have shape (2^n, batch): amplitude first, the batch in the last axis, wire 0 in the most
significant bit (PennyLane's order). A state is correct up to a global phase, which no measurement
sees. Gradients use the adjoint method: with ``adjoint`` = dL/dRe(psi) + i dL/dIm(psi), a unitary
layer ``psi' = U psi`` pulls it back as ``U^H adjoint``, and only the layers' states are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Protocol

import numpy as np

__all__ = ["DenseKernel", "Gate", "Kernel", "LocalLayer", "PhasePermutation", "Program"]


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

    @cached_property
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


class Kernel(Protocol):
    """What runs a :class:`Program` on batches of states. One object serves one thread."""

    def prepare(self, weights: np.ndarray) -> None:
        """Compute the layers' matrices from the weights, shape (n_weights,)."""

    def forward(self, state: np.ndarray, keep: bool = True) -> np.ndarray:
        """Return the final states of `state`, both (2^n, batch); keep what `backward` needs.

        The result lies in the kernel's own memory and is good until its next call.
        """

    def probabilities(self, state: np.ndarray, keep: bool = True) -> np.ndarray:
        """Return the probabilities of the basis states after the circuit, (2^n, batch)."""

    def backward(
        self, adjoint: np.ndarray, with_input: bool = True
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Pull back the adjoint of the final states of the last `forward`, (2^n, batch).

        Returns the gradient with respect to the weights, (n_weights,), and the adjoint of the
        initial states (None if `with_input` is false).
        """

    def backward_probabilities(
        self, gradient: np.ndarray, with_input: bool = True
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Pull back the gradient for the last `probabilities`, see `backward`."""


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
        self._cosine_part = constant
        self._sine_part = -1j * axis @ constant
        self.generator = -0.5j * axis
        self.later = np.broadcast_to(np.eye(2, dtype=complex), axis.shape).copy()

    def matrices(self, padded_weights: np.ndarray) -> np.ndarray:
        """Return the layers' matrices, shape (n_layers, n_qubits, 2, 2), and keep the slots."""
        half_angle = 0.5 * (self.scale * padded_weights[self.index] + self.offset)
        half_angle = half_angle[..., None, None]
        slots = np.cos(half_angle) * self._cosine_part + np.sin(half_angle) * self._sine_part
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
        generators *= products
        derivative = generators.real.sum(axis=(-1, -2))
        derivative *= self.scale
        return np.bincount(self._flat_index, derivative.ravel(), self.n_weights + 1)


class DenseKernel:
    """Every local layer, with the constant permutation after it, as one 2^n x 2^n matrix.

    The fastest way for small n, where the calls cost more than the arithmetic.

    Parameters
    ----------
    program : Program
    dtype : dtype
        Of the states: complex64 or complex128, or float32 or float64 for a real program on real
        states.
    """

    _make_layers = LocalLayers

    def __init__(self, program: Program, dtype=np.complex64):
        self.program = program
        self.dtype = np.dtype(dtype)
        n_qubits = program.n_qubits
        layers: list[LocalLayer] = []
        orders: list[PhasePermutation] = []
        self._steps: list[int | np.ndarray | PhasePermutation] = []
        for step in program.steps:
            if isinstance(step, LocalLayer):
                self._steps.append(len(layers))
                layers.append(step)
                orders.append(PhasePermutation.identity(n_qubits))
            elif isinstance(step, Gate):
                self._steps.append(self._constant(step.apply(np.eye(2**n_qubits))))
            elif len(step.index):
                self._steps.append(step)
            elif self._steps and isinstance(self._steps[-1], int):
                orders[-1] = orders[-1].then(step)
            else:
                matrix = np.zeros((2**n_qubits, 2**n_qubits), complex)
                matrix[np.arange(2**n_qubits), step.permutation] = step.phase
                self._steps.append(self._constant(matrix))
        self._layers = self._make_layers(layers, n_qubits, program.n_weights)
        self._orders = orders
        self._index_orders(orders)
        self._padded = np.zeros(program.n_weights + 1)
        self._matrices = np.zeros((len(layers), 2**n_qubits, 2**n_qubits), self.dtype)

    def _constant(self, matrix: np.ndarray) -> np.ndarray:
        return np.asarray(matrix if self.dtype.kind == "c" else matrix.real, self.dtype)

    def _index_orders(self, orders: list[PhasePermutation]) -> None:
        """Fold the permutations after the layers into flat indices, made once."""
        n_qubits, size = self.program.n_qubits, 2**self.program.n_qubits
        shape = (len(orders), size, size)
        rows = np.arange(size)
        flat = np.arange(len(orders) * size * size).reshape(shape)
        self._rows = flat.copy()
        self._phases = np.ones((len(orders), size, 1), complex)
        trace = np.zeros((len(orders), n_qubits, 2, 2, size // 2), int)
        trace_phases = np.ones(trace.shape, complex)
        for i, order in enumerate(orders):
            self._rows[i] = flat[i][order.permutation]
            self._phases[i, :, 0] = order.phase
            # Where a basis state of the layer's own output stands after the permutation.
            place = np.argsort(order.permutation)
            for q in range(n_qubits):
                bit = 1 << (n_qubits - 1 - q)
                zero = rows[rows & bit == 0]
                for a in (0, 1):
                    for b in (0, 1):
                        left, right = place[zero | a * bit], place[zero | b * bit]
                        trace[i, q, a, b] = flat[i][left, right]
                        trace_phases[i, q, a, b] = order.phase[left] * order.phase[right].conj()
        self._trace, self._trace_phases = trace, trace_phases
        self._has_phases = bool((self._phases != 1).any())

    def prepare(self, weights):
        """See :class:`Kernel`."""
        self._padded[:-1] = weights
        if len(self._matrices):
            layers = self._layers.matrices(self._padded)
            if self.dtype.kind != "c":
                layers = layers.real
            matrices = layers[:, 0]
            for q in range(1, self.program.n_qubits):
                size = 2 ** (q + 1)
                matrices = matrices[:, :, None, :, None] * layers[:, q, None, :, None, :]
                matrices = matrices.reshape(-1, size, size)
            matrices = matrices.take(self._rows)
            if self._has_phases:
                matrices = matrices * (
                    self._phases if self.dtype.kind == "c" else self._phases.real
                )
            self._matrices[...] = matrices

    def _matrix(self, step):
        return self._matrices[step] if isinstance(step, int) else step

    def forward(self, state, keep=True):
        """See :class:`Kernel`."""
        state = state.astype(self.dtype, copy=False)
        self._states = [state]
        for step in self._steps:
            if isinstance(step, PhasePermutation):
                phases = step.phases(self._padded).astype(self.dtype)
                state = state.take(step.permutation, axis=0) * phases[:, None]
            else:
                state = self._matrix(step) @ state
            if keep:
                self._states.append(state)
        return state

    def probabilities(self, state, keep=True):
        """See :class:`Kernel`."""
        final = self.forward(state, keep)
        if self.dtype.kind != "c":
            return final**2
        probabilities = final.real**2
        probabilities += final.imag**2
        return probabilities

    def backward_probabilities(self, gradient, with_input=True):
        """See :class:`Kernel`."""
        return self.backward(2 * gradient * self._states[-1], with_input)

    def backward(self, adjoint, with_input=True):
        """See :class:`Kernel`."""
        conjugate = adjoint.conj()
        gradient = np.zeros(len(self._padded))
        products = np.empty(self._matrices.shape, self.dtype)
        for i in range(len(self._steps) - 1, -1, -1):
            step, state = self._steps[i], self._states[i + 1]
            if isinstance(step, PhasePermutation):
                diagonal = np.einsum("kb,kb->k", conjugate, state).imag
                np.add.at(gradient, step.index, step.gradient(diagonal))
                conjugate *= step.phases(self._padded)[:, None]
                conjugate = conjugate.take(np.argsort(step.permutation), axis=0)
                continue
            if isinstance(step, int):
                np.matmul(conjugate, state.T, out=products[step])
            if i or with_input:
                conjugate = self._matrix(step).T @ conjugate
        if len(products):
            traces = products.take(self._trace)
            if self._has_phases:
                traces = traces * self._trace_phases
            gradient += self._layers.gradient(traces.sum(axis=-1))
        return gradient[:-1], conjugate.conj() if with_input else None


def make_kernel(program: Program, dtype=np.complex64, *, compiled: bool | None = None) -> Kernel:
    """Return the kernel that suits the size of `program`.

    Parameters
    ----------
    program : Program
    dtype : dtype, default=numpy.complex64
        Of the states; float32 or float64 for real programs (:attr:`Program.is_real`) on real
        states alone.
    compiled : bool, default=None
        Whether to use the loops that numba compiles; ``None`` does where it is installed.

    Returns
    -------
    kernel : Kernel
    """
    if find_spec("numba") if compiled is None else compiled:
        from .compiled import CompiledKernel
        from .compiled_dense import CompiledDenseKernel

        is_small = program.n_qubits <= COMPILED_DENSE_UP_TO
        return (CompiledDenseKernel if is_small else CompiledKernel)(program, dtype)
    from .factored import FactoredKernel

    is_small = program.n_qubits <= DENSE_UP_TO
    return (DenseKernel if is_small else FactoredKernel)(program, dtype)


#: Above these numbers of qubits the factored kernels are faster (measured).
DENSE_UP_TO, COMPILED_DENSE_UP_TO = 5, 5
