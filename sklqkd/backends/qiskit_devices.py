"""Qiskit Aer and IBM's devices as backends: one circuit, transpiled once, one job for all runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..gates import GateCircuit
from .aer import AerRunner
from .compilation import CompiledCircuit
from .remote import RemoteRunner

__all__ = ["QiskitBackend"]

#: A student with many observables runs one circuit for each basis, in every step.
_MAX_CACHED = 256


class QiskitBackend:
    """Runs circuits on Qiskit Aer, or on a device of IBM.

    A circuit is transpiled once, with its angles as parameters; all runs, whatever their angles,
    are one job.

    Parameters
    ----------
    name : {"qiskit.aer", "qiskit.remote"}
    n_qubits : int
    shots : int or None, default=None
        Number of measurements of each run; None, on Aer, for exact probabilities.
    options : dict, default=None
        Both take ``"backend"``, a Qiskit backend or the name of a fake one ("fake_manila"), or for
        "qiskit.remote" of a device of a saved IBM account; ``"optimization_level"`` of
        transpilation (default 1); ``"initial_layout"``, the qubits to use; ``"seed_simulator"``.

        Aer imitates ``backend`` with its gates, its connections and the noise of its calibration
        data. It also takes ``"noise_model"``, a NoiseModel, the name of a fake backend, or a dict
        of strengths (see :func:`sklqkd.backends.noise.check_strengths`); ``"basis_gates"`` and
        ``"coupling_map"``; and each option of ``AerSimulator``. Without backend, noise model object
        and these two there is nothing to transpile for: the gates run as they are. One thread is
        used unless ``"max_parallel_threads"`` says otherwise.

        "qiskit.remote" takes ``"sampler_options"``, a dict for IBM's ``SamplerV2``.

    Raises
    ------
    ValueError
        For options that are unknown or do not fit together, too few qubits, or no shots where a
        device needs them.
    ImportError
        If a package is not installed; the message has the pip command.

    Warns
    -----
    UserWarning
        If a noise model, or a large part of it, belongs to gates or qubits that the circuit as it
        is run does not have, so that it never acts. The message lists both, and the ways out.

    Notes
    -----
    Where Aer's probabilities can be had for less than its shots, which is without noise, and with
    noise if ``2^n_qubits <= shots``, the shots are drawn from them: the measurements of a circuit
    are independent, so their distribution is the same. ``method="matrix_product_state"``, and
    "statevector" under noise, let Aer simulate each shot.
    """

    def __init__(
        self,
        name: str,
        n_qubits: int,
        shots: int | None = None,
        options: Mapping[str, Any] | None = None,
    ):
        runners: dict[str, type[AerRunner] | type[RemoteRunner]]
        runners = {"qiskit.aer": AerRunner, "qiskit.remote": RemoteRunner}
        if name not in runners:
            raise ValueError(f"name={name!r} must be one of {', '.join(map(repr, runners))}.")
        if shots is not None and shots < 1:
            raise ValueError(f"shots={shots!r} must be at least 1, or None.")
        self.name, self.n_qubits, self.shots = name, n_qubits, shots
        self.options = dict(options or {})
        own = dict(self.options)
        diff_method = own.pop("diff_method", None)
        if diff_method not in (None, "parameter-shift", "none"):
            raise ValueError(
                f"The device {name!r} offers diff_method='parameter-shift' or 'none' alone; it is "
                f"{diff_method!r}."
            )
        self.has_gradient = diff_method != "none"
        self._runner = runners[name](n_qubits, shots, own)
        self.has_gate_noise = self._runner.has_gate_noise
        self.has_readout_noise = self._runner.has_readout_noise
        self._compiled: dict[tuple, CompiledCircuit] = {}
        self._warns = True

    def probabilities(
        self, circuit: GateCircuit, angles: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """See :class:`sklqkd.backends.Backend`; all rows are one job."""
        return self._runner.run(self._compile(circuit), np.asarray(angles, float), rng)

    def measured_qubits(self, circuit: GateCircuit) -> tuple[int, ...]:
        """Return the device's qubits in which the wires of a circuit are measured."""
        return self._compile(circuit).qubits

    def on_qubits(self, qubits: tuple[int, ...]) -> QiskitBackend:
        """Return a backend whose circuits start on these qubits of the device."""
        options = dict(self.options)
        if qubits != tuple(range(self.n_qubits)) or self._runner.transpiles:
            options["initial_layout"] = list(qubits)
        backend = QiskitBackend(self.name, self.n_qubits, self.shots, options)
        backend._warns = False  # it is asked about other circuits than the student's
        return backend

    def _compile(self, circuit):
        gates = (
            gate if gate.matrix is None else (*gate[:3], gate.matrix.tobytes())
            for gate in circuit.gates
        )
        key = (circuit.n_qubits, circuit.n_angles, *gates)
        if key not in self._compiled:
            if len(self._compiled) >= _MAX_CACHED:
                self._compiled.clear()
            self._compiled[key] = compiled = self._runner.compile(circuit)
            if self._warns and (message := self._runner.warning(circuit, compiled)):
                warnings.warn(message, UserWarning, stacklevel=2)
        return self._compiled[key]
