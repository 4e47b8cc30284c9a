"""An ansatz that is traced once, whatever it is used for afterwards."""

from __future__ import annotations

from collections.abc import Callable

from ..lazy import lazy
from ..statevector import Program
from .compiler import compile_ansatz
from .gates import AnsatzGates, ansatz_gates

__all__ = ["TracedAnsatz"]


class TracedAnsatz:
    """An ansatz as the exact simulator runs it, and as devices do.

    Both are made when they are first asked for, and kept: what happens to the template afterwards
    changes neither.

    Parameters
    ----------
    ansatz : str or callable
        As for :func:`sklqkd.circuits.compile_ansatz`.
    n_qubits, n_layers : int
    """

    def __init__(self, ansatz: str | Callable, n_qubits: int, n_layers: int):
        self._arguments = ansatz, n_qubits, n_layers

    @lazy
    def program(self) -> Program:
        """The compiled ansatz."""
        return compile_ansatz(*self._arguments)

    @lazy
    def gates(self) -> AnsatzGates:
        """The ansatz as gates that devices know by name."""
        return ansatz_gates(*self._arguments)
