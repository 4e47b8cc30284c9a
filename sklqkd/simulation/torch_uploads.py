"""A circuit that data enter several times, as in :mod:`sklqkd.simulation.uploads`, by torch."""

from __future__ import annotations

import numpy as np

from ..circuits.gate_programs import gate_program
from ..encodings.torch_gates import squashed, torch_angles, torch_run
from ..gates import DataGates
from .torch_circuit import CHUNK, find_device

__all__ = ["TorchUploads"]


class TorchUploads:
    """Exact probabilities and gradients on a torch device; obeys `sklqkd.training.Middle`.

    Parameters
    ----------
    gates : DataGates
    dtype : dtype, default=numpy.float32
        float32 (states in complex64) or float64 (complex128).
    device : str or torch.device, default="cuda"

    Raises
    ------
    ValueError
        If the device is not there.
    """

    def __init__(self, gates: DataGates, dtype=np.float32, *, device="cuda"):
        import torch

        self.device = find_device(device)
        self._dtype = getattr(torch, np.dtype(dtype).name)
        self._gates = gates
        self.n_qubits = gates.circuit.n_qubits
        self.n_weights = gates.polynomials.n_weights
        self.n_rows = max(1, CHUNK >> self.n_qubits)
        self._program, self.permutation = gate_program(gates.circuit).split_readout()
        self._kept: tuple | None = None

    def prepare(self, weights):
        """Take the weights, shape (n_weights,), for the calls that follow."""
        self._weights = np.array(weights)

    def values(self, features, keep=True):
        """Return the probabilities after the circuit, (2^n, n_samples); keep for `backward`."""
        import torch

        self._kept = None  # frees the last call's graph before this one takes its memory
        leaves = tuple(
            torch.tensor(array, dtype=self._dtype, device=self.device, requires_grad=keep)
            for array in (self._weights, np.ascontiguousarray(features))
        )
        with torch.set_grad_enabled(keep):
            angles = squashed(leaves[1], self._gates.polynomials.n_features)
            state = torch_run(self._program, torch_angles(self._gates, angles, leaves[0]))
            probabilities = torch.view_as_real(state).square().sum(-1)
        if keep:
            self._kept = (probabilities, leaves)
        return probabilities.detach().cpu().numpy()

    def backward(self, gradient, with_input):
        """Pull back a loss's gradient for the last probabilities, (2^n, n_samples).

        Returns those for the weights, (n_weights,), and for the features, (n_samples, n_features)
        (None if `with_input` is false). Raises a RuntimeError if those probabilities were not kept.
        """
        import torch

        if self._kept is None:
            raise RuntimeError("backward needs a call of probabilities with keep=True before it.")
        probabilities, leaves = self._kept
        towards = torch.tensor(np.ascontiguousarray(gradient)).to(probabilities)
        options = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
        gradients = torch.autograd.grad(probabilities, leaves, towards, **options)
        of_weights, of_features = (tensor.cpu().numpy() for tensor in gradients)
        return of_weights, of_features if with_input else None
