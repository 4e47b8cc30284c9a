"""The quantum part of a student behind one protocol: exact, on torch, or on a device."""

from .bases import CircuitInBases
from .exact import ExactCircuit, NoisyCircuit

__all__ = ["CircuitInBases", "ExactCircuit", "NoisyCircuit"]
