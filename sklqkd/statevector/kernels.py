"""What all kernels do, and which one suits a circuit."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol

import numpy as np

from .dense import DenseKernel
from .factored import FactoredKernel
from .program import PhasePermutation, Program
from .stacked import StackedCircuit

__all__ = [
    "Kernel",
    "can_stack",
    "make_kernel",
    "make_stacked_circuit",
]

#: Above these numbers of qubits the factored kernels are faster (measured).
DENSE_UP_TO = 5


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

        is_small = program.n_qubits <= DENSE_UP_TO
        return (CompiledDenseKernel if is_small else CompiledKernel)(program, dtype)
    is_small = program.n_qubits <= DENSE_UP_TO
    return (DenseKernel if is_small else FactoredKernel)(program, dtype)


def can_stack(program: Program) -> bool:
    """Return whether many students with this circuit are faster together than one by one.

    Examples
    --------
    >>> from sklqkd.circuits import compile_ansatz
    >>> [can_stack(compile_ansatz("strongly_entangling", n, 3)) for n in (4, 8)]
    [True, False]
    """
    turns = (step for step in program.steps if isinstance(step, PhasePermutation))
    return program.n_qubits <= DENSE_UP_TO and not any(len(step.index) for step in turns)


def make_stacked_circuit(program: Program, *, compiled: bool | None = None) -> StackedCircuit:
    """Return the stacked circuit of a program.

    Parameters
    ----------
    program : Program
    compiled : bool, default=None
        Whether to use the loops that numba compiles; ``None`` does where it is installed.

    Returns
    -------
    circuit : StackedCircuit
    """
    if find_spec("numba") if compiled is None else compiled:
        from .stacked_compiled import CompiledStackedCircuit, can_compile

        if can_compile(program):
            return CompiledStackedCircuit(program)
    return StackedCircuit(program)
