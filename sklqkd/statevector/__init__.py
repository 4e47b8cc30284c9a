"""Exact state-vector simulation of a compiled circuit, with its adjoint gradient.

A circuit arrives as a :class:`Program`: a few fused steps, made by :mod:`sklqkd.circuits`. A kernel
runs it on a batch of states: :class:`FactoredKernel` keeps each layer as a Kronecker product. In
training, circuits of a few qubits are one matrix instead (:mod:`sklqkd.statevector.unitary`).

States have shape (2^n, batch): amplitude first, the batch in the last axis, wire 0 in the most
significant bit (PennyLane's order). A state is correct up to a global phase, which no measurement
sees. Gradients use the adjoint method: with ``adjoint`` = dL/dRe(psi) + i dL/dIm(psi), a unitary
layer ``psi' = U psi`` pulls it back as ``U^H adjoint``, and only the layers' states are kept.
"""

from .factored import FactoredKernel
from .program import Gate, LocalLayer, PhasePermutation, Program

__all__ = [
    "FactoredKernel",
    "Gate",
    "LocalLayer",
    "PhasePermutation",
    "Program",
]
