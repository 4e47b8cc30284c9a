"""IBM's devices, and their fake twins, through SamplerV2 of qiskit-ibm-runtime."""

from __future__ import annotations

import numpy as np

from .compilation import compile_circuit, measure
from .device_options import check_known, check_size, find_device, transpile_options
from .noise import aer_noise
from .transpilation import require
from .unused_noise import unused_noise

__all__ = ["RemoteRunner"]

_LARGEST_SEED = 2**31


class RemoteRunner:
    """Runs compiled circuits on a device or on a fake one.

    Parameters
    ----------
    n_qubits : int
    shots : int
    options : dict
        See :class:`sklqkd.backends.qiskit_devices.QiskitBackend`; emptied.
    """

    transpiles = True
    has_gate_noise, has_readout_noise = True, True  # as hardware has

    def __init__(self, n_qubits, shots, options):
        require("qiskit_ibm_runtime", "qiskit-ibm-runtime")
        known = {"backend", "sampler_options", "seed_simulator", "optimization_level"}
        check_known("qiskit.remote", options, known | {"initial_layout"})
        if shots is None:
            raise ValueError(
                "A device counts shots: set shots, for example 5000, with 'qiskit.remote'. Exact "
                "probabilities under a device's noise come from 'qiskit.aer' with "
                "backend_options={'backend': ...}."
            )
        if options.get("backend") is None:
            raise ValueError(
                "'qiskit.remote' needs backend_options={'backend': ...}: a Qiskit backend, the "
                "name of a device of your IBM account, or of a fake device such as 'fake_manila'."
            )
        self._shots, self._seed = shots, options.pop("seed_simulator", None)
        self._sampler_options = dict(options.pop("sampler_options", None) or {})
        self._device = find_device(options.pop("backend"), may_be_real=True)
        check_size(self._device, n_qubits)
        self._transpiling = transpile_options(options, self._device)

    def compile(self, circuit):
        """Transpile for the device, and append the measurements."""
        compiled = compile_circuit(circuit, self._transpiling)
        measure(compiled.circuit, compiled.qubits[::-1])
        return compiled

    def warning(self, circuit, compiled):
        """Return what is to be said of a compiled circuit, None for nothing."""
        noise = (self._sampler_options.get("simulator") or {}).get("noise_model")
        if noise is None or not hasattr(noise, "to_dict"):
            return None
        unused = unused_noise(aer_noise(noise), compiled.circuit, compiled.qubits)
        ways = "Attach the errors to these gates and qubits, or run on 'qiskit.aer'."
        return None if unused is None else f"{unused.message} {ways}"

    def run(self, compiled, angles, rng):
        """Return the measured frequencies, (n_runs, 2^n)."""
        from qiskit_ibm_runtime import IBMBackend, SamplerV2

        seed = int(rng.integers(_LARGEST_SEED)) if self._seed is None else self._seed
        options = dict(self._sampler_options)
        if not isinstance(self._device, IBMBackend):
            # A simulator of a device; it takes a seed of 0 for none.
            simulator = options.get("simulator", {})
            options["simulator"] = {"seed_simulator": max(seed, 1), **simulator}
        publication: tuple
        if compiled.parameters:
            values = {tuple(compiled.parameters): compiled.values(angles)}
            publication, shots = (compiled.circuit, values), self._shots
        else:
            publication, shots = (compiled.circuit, None), self._shots * len(angles)
        job = SamplerV2(mode=self._device, options=options).run([publication], shots=shots)
        bits = job.result()[0].data.meas
        weights = 256 ** np.arange(bits.array.shape[-1])[::-1]
        outcomes = (bits.array @ weights).reshape(len(angles), self._shots)
        n_outcomes = 2 ** len(compiled.qubits)
        counts = [np.bincount(row, minlength=n_outcomes) for row in outcomes]
        return np.array(counts) / self._shots
