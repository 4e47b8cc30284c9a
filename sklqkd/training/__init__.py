"""A student's network and how it is trained: objective, mini-batches, compiled epochs."""

from __future__ import annotations

from .epochs import make_pass
from .network import MEASUREMENTS, Middle, Network, readout_matrix
from .objective import Lesson, Objective

__all__ = [
    "MEASUREMENTS",
    "Lesson",
    "Middle",
    "Network",
    "Objective",
    "make_pass",
    "readout_matrix",
]
