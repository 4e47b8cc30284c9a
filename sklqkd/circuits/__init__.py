"""From a PennyLane template to a compiled program or to named gates.

PennyLane says what a circuit is: an ansatz is a template ``f(weights, wires)`` with a ``shape``
(:mod:`sklqkd.circuits.templates`). :mod:`sklqkd.circuits.tracing` reads the operations that it
queues, and :mod:`sklqkd.circuits.operators` says what each of them is.
:mod:`sklqkd.circuits.primitives` breaks them down for the exact simulator and
:mod:`sklqkd.circuits.compiler` fuses them; :mod:`sklqkd.circuits.gates` keeps them by name for
devices. A :class:`TracedAnsatz` keeps both. :mod:`sklqkd.circuits.observables` says what is
measured behind it, and in which bases.
"""

from .ansatz import TracedAnsatz
from .compiler import compile_ansatz
from .templates import ANSATZ_NAMES, ansatz_shape, ansatz_template
from .tracing import trace_template

__all__ = [
    "ANSATZ_NAMES",
    "TracedAnsatz",
    "ansatz_shape",
    "ansatz_template",
    "compile_ansatz",
    "trace_template",
]
