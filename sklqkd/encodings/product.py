"""Product encodings: the features turn single qubits."""

from __future__ import annotations

import numpy as np

from ..gates import DataGates, GateCircuit, NamedGate
from ..statevector.polynomials import Polynomials
from .gates import PolynomialPreparation

__all__ = ["ProductEncoding"]


class ProductEncoding:
    """Features as rotation angles ``pi tanh(x)`` of single qubits.

    Parameters
    ----------
    n_qubits : int
    kind : {"angle", "qubit", "hadamard_ry"}
        - "angle": n features, RY on each qubit;
        - "qubit": 2n features, RY then RZ on each qubit (all RY angles first): any point of each
          Bloch sphere;
        - "hadamard_ry": n features, a Hadamard gate then RY (the paper's version 1).

    Examples
    --------
    >>> import numpy as np
    >>> ProductEncoding(1, "hadamard_ry").forward(np.array([[0.0]]))
    array([[0.70710678],
           [0.70710678]])
    """

    shape = None

    def __init__(self, n_qubits: int, kind: str):
        self.n_qubits = n_qubits
        self.kind = kind
        self.loops: str | None = kind
        self.is_real = kind != "qubit"
        self.n_features = 2 * n_qubits if kind == "qubit" else n_qubits

    def forward(self, features):
        """See :meth:`.base.Encoding.forward`."""
        self._n_given = features.shape[1]
        self._squashed = np.zeros((self.n_features, len(features)), features.dtype)
        np.tanh(features.T, out=self._squashed[: self._n_given])
        half_angles = self._squashed * (np.pi / 2)
        theta = half_angles[: self.n_qubits]
        if self.kind == "hadamard_ry":
            # RY(t) H |0> is RY(t + pi / 2) |0>.
            theta = theta + np.asarray(np.pi / 4, theta.dtype)
        qubits = np.stack([np.cos(theta), np.sin(theta)], axis=1)  # (n_qubits, 2, batch)
        self._turned = np.stack([-qubits[:, 1], qubits[:, 0]], axis=1)  # d qubits / d theta
        if self.kind == "qubit":
            phases = np.exp(1j * np.stack([-half_angles[self.n_qubits :]] * 2, axis=1))
            phases[:, 1] = phases[:, 1].conj()
            qubits, self._turned = qubits * phases, self._turned * phases
        self._qubits = qubits
        state = qubits[0]
        self._partial = []  # the states of the first qubits, for the way back
        for qubit in qubits[1:]:
            self._partial.append(state)
            state = (state[:, None] * qubit).reshape(-1, state.shape[1])
        return state

    def backward(self, adjoint):
        """See :meth:`.base.Encoding.backward`."""
        gradient = np.zeros(self._squashed.shape, self._squashed.dtype)
        conjugate = adjoint.conj() if np.iscomplexobj(self._qubits) else adjoint.real
        for q in range(self.n_qubits - 1, -1, -1):
            conjugate = conjugate.reshape(-1, 2, conjugate.shape[-1])
            qubit = self._qubits[q]
            before = self._partial[q - 1][:, None] if q else 1
            towards = (conjugate * before).sum(axis=0)  # conj dL / d qubit
            gradient[q] = (towards * self._turned[q]).sum(axis=0).real
            if self.kind == "qubit":
                turned = qubit * np.array([[-1j], [1j]])
                gradient[self.n_qubits + q] = (towards * turned).sum(axis=0).real
            conjugate = (conjugate * qubit).sum(axis=1)
        gradient *= (np.pi / 2) * (1 - self._squashed**2)
        return gradient[: self._n_given].T

    def preparation(self):
        """See :meth:`.base.Encoding.preparation`."""
        return PolynomialPreparation(self.gates)

    @property
    def gates(self):
        """See :class:`.base.Encoding`: RY, or RY and RZ, or H and RY on each qubit."""
        wires = [(q,) for q in range(self.n_qubits)]
        gates = [NamedGate("Hadamard", wire) for wire in wires if self.kind == "hadamard_ry"]
        gates += [NamedGate("RY", wire, q) for q, wire in enumerate(wires)]
        if self.kind == "qubit":
            gates += [NamedGate("RZ", wire, self.n_qubits + q) for q, wire in enumerate(wires)]
        circuit = GateCircuit(self.n_qubits, tuple(gates), self.n_features)
        return DataGates(circuit, Polynomials.of_features(self.n_features))

    def torch_states(self, features):
        """See :meth:`.base.Encoding.torch_states`."""
        import torch

        squashed = features.new_zeros(self.n_features, len(features))
        squashed[: features.shape[1]] = features.T.tanh()
        theta, *phi = (squashed * (np.pi / 2)).split(self.n_qubits)
        if self.kind == "hadamard_ry":
            theta = theta + np.pi / 4  # RY(t) H |0> is RY(t + pi / 2) |0>
        qubits = torch.stack([theta.cos(), theta.sin()], 1)  # (n_qubits, 2, n_samples)
        if phi:
            qubits = qubits * torch.exp(1j * torch.stack([-phi[0], phi[0]], 1))
        state, *others = qubits
        for qubit in others:
            state = (state[:, None] * qubit).flatten(0, 1)
        return state
