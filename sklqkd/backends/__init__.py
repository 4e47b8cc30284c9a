"""What runs a student's circuit instead of the exact simulator: PennyLane's devices, Qiskit Aer.

A backend turns a :class:`sklqkd.circuits.gates.GateCircuit` and a matrix of angles into
probabilities, all rows in one job. :func:`make_backend` finds it by name and checks everything that
can be checked before a job runs.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..gates import GateCircuit
from .extrapolation import ZeroNoiseExtrapolation, make_extrapolation
from .mitigation import ReadoutMitigation
from .pennylane_devices import PennyLaneBackend, installed_devices
from .qiskit_devices import QiskitBackend

__all__ = [
    "Backend",
    "PennyLaneBackend",
    "QiskitBackend",
    "ReadoutMitigation",
    "ZeroNoiseExtrapolation",
    "make_backend",
]


class Backend(Protocol):
    """What runs a circuit."""

    def probabilities(
        self, circuit: GateCircuit, angles: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return the probabilities of the basis states, or their measured frequencies.

        Parameters
        ----------
        circuit : GateCircuit
        angles : ndarray of shape (n_runs, n_angles)
        rng : numpy.random.Generator
            Where the seeds of a simulator with shots come from.

        Returns
        -------
        probabilities : ndarray of shape (n_runs, 2^n)
            Wire 0 in the most significant bit.
        """


def make_backend(
    name: str, n_qubits: int, shots: int | None = None, options: dict | None = None
) -> Backend:
    """Return the backend of that name.

    Parameters
    ----------
    name : str
        A PennyLane device: "default.qubit", "default.mixed", "lightning.qubit", "qiskit.aer",
        "qiskit.remote" or any other that is installed.
    n_qubits : int
    shots : int or None, default=None
        Number of measurements of each circuit; None for exact probabilities.
    options : dict, default=None
        ``"noise_model"`` (see :mod:`sklqkd.backends.noise`); ``"readout_mitigation"``: whether to
        undo readout errors, measured with two calibration circuits; ``"zne"``: whether to
        extrapolate to gates without noise, from two circuits for each, or a dict of
        "scale_factors" and "extrapolation" (see
        :class:`sklqkd.backends.extrapolation.ZeroNoiseExtrapolation`); ``"diff_method"``: how the
        circuit is differentiated in training, "parameter-shift" (default with shots), "adjoint"
        (default without, where the device offers it) or "none", which refuses an optimizer that
        would run so many circuits; all others go to the device.

    Returns
    -------
    backend : Backend

    Raises
    ------
    ValueError
        For an unknown name, or options that the device does not take.
    ImportError
        If the device needs a package that is not installed.

    Examples
    --------
    >>> from sklqkd.gates import GateCircuit, NamedGate
    >>> circuit = GateCircuit(1, (NamedGate("RX", (0,), 0),), 1)
    >>> backend = make_backend("default.qubit", n_qubits=1)
    >>> angles = np.array([[0.0], [np.pi / 2]])
    >>> backend.probabilities(circuit, angles, np.random.default_rng(0)).round(3)
    array([[1. , 0. ],
           [0.5, 0.5]])
    """
    if name not in installed_devices():
        raise ValueError(
            f"backend={name!r} is not known. Choose 'statevector', the exact simulator, or an "
            f"installed PennyLane device: {', '.join(map(repr, installed_devices()))}."
        )
    options = dict(options or {})
    mitigates, zne = options.pop("readout_mitigation", False), options.pop("zne", False)
    make = QiskitBackend if name in ("qiskit.aer", "qiskit.remote") else PennyLaneBackend
    backend: Backend = make(name, n_qubits, shots, options)
    if mitigates:
        backend = ReadoutMitigation(backend)
    return backend if zne in (False, None) else make_extrapolation(backend, name, zne)
