"""What a kernel does, and how to make one."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .compiled import CompiledKernel
from .factored import FactoredKernel
from .program import Program

__all__ = ["Kernel", "make_kernel"]


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


def make_kernel(program: Program, dtype=np.complex64, *, compiled: bool = True) -> Kernel:
    """Return the kernel of a program.

    Parameters
    ----------
    program : Program
    dtype : dtype, default=numpy.complex64
        Of the states; float32 or float64 for real programs (:attr:`Program.is_real`) on real
        states alone.
    compiled : bool, default=True
        False for NumPy's version, which the compiled loops are held to.

    Returns
    -------
    kernel : Kernel
    """
    return (CompiledKernel if compiled else FactoredKernel)(program, dtype)
