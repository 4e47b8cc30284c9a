"""An encoding and an ansatz as in :mod:`sklqkd.simulation.exact`, by torch: on a GPU too.

The same compiled :class:`sklqkd.statevector.Program` runs in few, large torch operations: a layer
is one batched matrix product per :data:`GROUP` qubits, a permutation one gather. torch's autograd
goes from the probabilities back to the layers' 2 x 2 matrices, to the angles of the diagonal gates
and to the features; from there to the weights it is
:class:`sklqkd.statevector.local_layers.LocalLayers`' work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..encodings import Encoding
from ..statevector import Gate, LocalLayer, PhasePermutation, Program
from ..statevector.local_layers import LocalLayers

if TYPE_CHECKING:
    import torch

__all__ = ["CHUNK", "TorchCircuit", "find_device"]

#: Amplitudes per chunk of a prediction: bounds its memory, whatever the number of rows.
CHUNK = 2**24
#: The most qubits per matrix product.
GROUP = 4


class TorchCircuit:
    """Exact probabilities and gradients on a torch device; obeys `sklqkd.training.Middle`.

    Parameters
    ----------
    encoding : Encoding
        What it computes is computed on the device as well.
    program : Program
        The compiled ansatz.
    dtype : dtype, default=numpy.float32
        float32 (states in complex64) or float64 (complex128).
    device : str or torch.device, default="cuda"
        "cuda", "cuda:0", "cpu", ...; angles and phases need one that has float64.

    Attributes
    ----------
    n_qubits, n_weights, permutation, n_rows
        See :class:`sklqkd.training.Middle`.
    device : torch.device

    Raises
    ------
    ValueError
        If the device is not there.

    Notes
    -----
    Memory: a few states, and with ``keep`` one more for each matrix product and each step of
    phases. torch's settings are left alone: where they allow TF32, a GPU is less precise.
    """

    def __init__(self, encoding: Encoding, program: Program, dtype=np.float32, *, device="cuda"):
        import torch

        self.device = find_device(device)
        self.encoding = encoding
        self.n_qubits, self.n_weights = program.n_qubits, program.n_weights
        self.n_rows = max(1, CHUNK >> program.n_qubits)
        # The circuit's last permutation is left to the read-out, which does it for nothing.
        self._program, self.permutation = program.split_readout()
        self._is_real = self._program.is_real and encoding.is_real
        self._dtype = getattr(torch, np.dtype(dtype).name)
        self._state_dtype = self._dtype if self._is_real else self._dtype.to_complex()
        self._groups = np.array_split(np.arange(self.n_qubits), -(-self.n_qubits // GROUP))
        steps = self._program.steps
        layers = [step for step in steps if isinstance(step, LocalLayer)]
        self._layers = LocalLayers(layers, self.n_qubits, self.n_weights)
        phased = [PhasePermutation.identity(0)]  # for a circuit that has none
        phased += [step for step in steps if isinstance(step, PhasePermutation)]
        self._index = np.concatenate([step.index for step in phased])
        self._scale = np.concatenate([step.scale for step in phased])
        self._offset = np.concatenate([step.offset for step in phased])
        self._constants = [self._upload(step) for step in steps]
        self._kept: tuple | None = None

    def prepare(self, weights):
        """Take the weights, shape (n_weights,), for the calls that follow."""
        padded = np.append(np.asarray(weights, float), 0.0)
        self._matrices = self._layers.matrices(padded)
        self._angles = self._scale * padded[self._index] + self._offset

    def values(self, features, keep=True):
        """Return the probabilities after the circuit, (2^n, n_samples); keep for `backward`."""
        import torch

        self._kept = None  # frees the last call's graph before this one takes its memory
        with torch.set_grad_enabled(keep):
            leaves = (
                torch.tensor(self._matrices, device="cpu", requires_grad=keep),
                torch.tensor(self._angles, device=self.device, requires_grad=keep),
                self._tensor(features, self._dtype).requires_grad_(keep),
            )
            probabilities = self._run(*leaves)
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
        gradients = torch.autograd.grad(
            probabilities,
            leaves if with_input else leaves[:2],
            self._tensor(gradient, self._dtype),
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        matrices, angles, *features = (tensor.cpu().numpy() for tensor in gradients)
        # From d loss / d U = adjoint psi^H to conj(adjoint) (U psi)^T, as LocalLayers takes it.
        products = matrices.conj() @ self._matrices.swapaxes(-1, -2)
        weights_gradient = self._layers.gradient(products)
        np.add.at(weights_gradient, self._index, self._scale * angles)
        return weights_gradient[:-1], features[0] if with_input else None

    def _tensor(self, array, dtype=None):
        import torch

        if dtype is not None and not dtype.is_complex:
            array = np.real(array)
        return torch.tensor(np.ascontiguousarray(array), dtype=dtype, device=self.device)

    def _upload(self, step):
        """Return a step's constants on the device, with None for those that change nothing."""
        if not isinstance(step, PhasePermutation):
            return self._tensor(step.matrix, self._state_dtype) if isinstance(step, Gate) else None
        moves = (step.permutation != np.arange(len(step.permutation))).any()
        turns = (step.phase != 1).any()
        return (
            self._tensor(step.permutation) if moves else None,
            self._tensor(step.phase[:, None], self._state_dtype) if turns else None,
            self._tensor(step.generators) if len(step.index) else None,
        )

    def _run(self, matrices, angles, features):
        import torch

        state = self.encoding.torch_states(features).to(self._state_dtype)
        factors = self._factors(matrices)
        for step, constants in zip(self._program.steps, self._constants, strict=True):
            if isinstance(step, LocalLayer):
                for group, factor in zip(self._groups, next(factors), strict=True):
                    state = factor[None] @ state.reshape(2 ** int(group[0]), len(factor), -1)
                state = state.reshape(-1, len(features))
            elif isinstance(step, Gate):
                state = _apply_gate(constants, step.wires, state)
            else:
                order, phase, generators = constants
                if order is not None:
                    state = state.index_select(0, order)
                if phase is not None:
                    state = phase * state
                if generators is not None:
                    turned, angles = angles.tensor_split([len(generators)])
                    state = torch.exp(1j * (turned @ generators)).to(state)[:, None] * state
        return state.square() if self._is_real else torch.view_as_real(state).square().sum(-1)

    def _factors(self, matrices):
        """Return an iterator over the layers' Kronecker factors, one per group of qubits."""
        if self._is_real:
            matrices = matrices.real
        groups = []
        for group in self._groups:  # tiny products: on the CPU, for all layers at once
            product = matrices[:, group[0]]
            for q in group[1:]:
                product = product[:, :, None, :, None] * matrices[:, q, None, :, None, :]
                product = product.flatten(3, 4).flatten(1, 2)
            groups.append(product.to(self.device, self._state_dtype).unbind())
        return zip(*groups, strict=True)


def find_device(device) -> torch.device:
    """Return the torch device of that name, or raise a ValueError that says what is there."""
    import torch

    name = f"device={str(device)!r}"
    try:
        found = torch.device(device)
        if found.type != "cuda":
            torch.zeros(1, dtype=torch.float64, device=found).cpu()
            return found
    except (RuntimeError, TypeError, AssertionError) as error:
        raise ValueError(
            f"{name} is none that torch computes float64 on here. Use device='cpu', or 'cuda' "
            "where there is a GPU."
        ) from error
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (found.index or 0) >= n_devices:
        seen, other = "no CUDA device", "install a torch build with CUDA"
        if n_devices:
            seen, other = f"{n_devices} CUDA device(s), from 'cuda:0' on", "one of these"
        raise ValueError(f"{name}, but torch sees {seen}. Use device='cpu', or {other}.")
    return found


def _apply_gate(matrix, wires, state):
    """Apply a matrix on some wires to `state`, (2^n, batch)."""
    n_qubits = len(state).bit_length() - 1
    first = tuple(range(len(wires)))
    tensor = state.reshape((2,) * n_qubits + (-1,)).movedim(wires, first)
    product = matrix @ tensor.reshape(len(matrix), -1)
    return product.reshape(tensor.shape).movedim(first, wires).reshape(state.shape)
