"""A student's network and how it is trained: objective, mini-batches, compiled epochs."""

from __future__ import annotations

from .network import MEASUREMENTS, Middle, Network, readout_matrix
from .objective import Lesson, Objective
from .other_passes import make_pass

__all__ = [
    "MEASUREMENTS",
    "Lesson",
    "Middle",
    "Network",
    "Objective",
    "make_pass",
    "readout_matrix",
]
