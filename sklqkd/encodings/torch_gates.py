"""Gates with angles of their own for each sample, by torch: on a GPU too, with its gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..circuits.gate_programs import gate_program
from ..gates import DataGates
from ..statevector import Gate, LocalLayer

if TYPE_CHECKING:
    import torch

__all__ = ["squashed", "torch_angles", "torch_run", "torch_states"]


def torch_states(gates: DataGates, features: torch.Tensor) -> torch.Tensor:
    """Return the states of an encoding without weights, (2^n, n_samples).

    Parameters
    ----------
    gates : DataGates
    features : tensor of shape (n_samples, <= n_features)
        Before they are squashed.

    Returns
    -------
    states : tensor of complex numbers
    """
    angles = squashed(features, gates.polynomials.n_features)
    weights = features.new_zeros(0)
    return torch_run(gate_program(gates.circuit), torch_angles(gates, angles, weights))


def squashed(features: torch.Tensor, n_features: int) -> torch.Tensor:
    """Return features as angles, ``pi * tanh(x)``, (n_features, n_samples); 0 for missing ones."""
    angles = features.new_zeros(n_features, len(features))
    angles[: features.shape[1]] = features.T.tanh() * np.pi
    return angles


def torch_angles(gates: DataGates, features: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the angles, (n_angles, n_samples), of features, (n_features, n_samples)."""
    import torch

    columns = [features.new_zeros(features.shape[1]) for _ in range(gates.circuit.n_angles)]
    for term in gates.polynomials.terms:
        value = torch.full_like(columns[term.angle], term.coefficient)
        for weight in term.weights:
            value = value * weights[weight]
        for feature in term.features:
            value = value * features[feature]
        columns[term.angle] = columns[term.angle] + value
    return torch.stack(columns) if columns else features.new_zeros(0, features.shape[1])


def torch_run(program, angles: torch.Tensor) -> torch.Tensor:
    """Run a program over angles, (n_angles, n_samples), from ``|0...0>``."""
    import torch

    n_qubits, batch = program.n_qubits, angles.shape[1]
    dtype = angles.dtype.to_complex()

    def constant(array):
        return torch.tensor(array, dtype=dtype, device=angles.device)

    state = torch.zeros(2**n_qubits, batch, dtype=dtype, device=angles.device)
    state[0] = 1
    for step in program.steps:
        if isinstance(step, LocalLayer):
            for q in range(n_qubits):
                for k in range(len(step.index)):
                    state = _on_qubit(constant(step.constant[k, q]), state, q)
                    if step.axis[k, q].any():
                        half = angles[step.index[k, q]] / 2
                        turned = _on_qubit(constant(-1j * step.axis[k, q]), state, q)
                        state = half.cos() * state + half.sin() * turned
        elif isinstance(step, Gate):
            first = tuple(range(len(step.wires)))
            tensor = state.reshape((2,) * n_qubits + (-1,)).movedim(step.wires, first)
            product = constant(step.matrix) @ tensor.reshape(len(step.matrix), -1)
            state = product.reshape(tensor.shape).movedim(first, step.wires).reshape(state.shape)
        else:
            order = torch.tensor(step.permutation, device=angles.device)
            state = constant(step.phase)[:, None] * state.index_select(0, order)
            if len(step.index):
                generators = torch.tensor(step.generators.T, device=angles.device).to(angles.dtype)
                state = state * torch.exp(1j * (generators @ angles[step.index]))
    return state


def _on_qubit(matrix, state, q):
    """Apply a matrix to qubit q."""
    tensor = state.reshape(2**q, 2, -1)
    return (matrix[None] @ tensor).reshape(state.shape)
