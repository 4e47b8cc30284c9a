"""What an encoding is: the state, its gates, and its torch form, each of one class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..gates import DataGates, GateCircuit

if TYPE_CHECKING:
    import torch

__all__ = ["Encoding", "Preparation"]


class Preparation(Protocol):
    """An encoding as gates.

    Attributes
    ----------
    circuit : GateCircuit
    """

    circuit: GateCircuit

    def angles(self, features: np.ndarray) -> np.ndarray:
        """Return the angles of `features` (n_samples, <= n_features), (n_samples, n_angles)."""

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        """Return the gradient for the features of the last `angles`, given that for the angles."""


class Encoding(Protocol):
    """What prepares the circuit's initial state.

    Attributes
    ----------
    n_qubits : int
    n_features : int
        The most features that it takes; missing ones count as 0.
    is_real : bool
        Whether the states are real.
    loops : str or None
        Name of the compiled loops that do the same, of :mod:`sklqkd.training.encoding_loops`.
    gates : DataGates or None
        Gates with angles that are polynomials of ``pi * tanh(x)``, and of weights where there are
        some: what can be repeated. None for an encoding that prepares a state.
    shape : tuple of int or None
        Of its weights; None if nothing of it is trained. With weights, it is run by its gates
        alone.
    """

    n_qubits: int
    n_features: int
    is_real: bool
    loops: str | None

    @property
    def gates(self) -> DataGates | None:
        """See above."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """See above."""

    def forward(self, features: np.ndarray) -> np.ndarray:
        """Return the states of `features` (n_samples, <= n_features), (2^n, n_samples)."""

    def backward(self, adjoint: np.ndarray) -> np.ndarray:
        """Return the loss's gradient with respect to the features of the last `forward`.

        `adjoint` is dL/dRe(state) + i dL/dIm(state), of the state's shape.
        """

    def preparation(self) -> Preparation:
        """Return the encoding as gates, for devices."""

    def torch_states(self, features: torch.Tensor) -> torch.Tensor:
        """Return what `forward` does, by torch, wherever the features are."""
