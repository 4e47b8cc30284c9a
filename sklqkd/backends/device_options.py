"""Options of the Qiskit devices: what they take, and the devices and noise that they name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from .noise import aer_noise, check_strengths
from .transpilation import fake_backend, refuse_second_target

__all__ = [
    "DEFAULTS",
    "TRANSPILER_OPTIONS",
    "check_known",
    "check_size",
    "find_device",
    "find_noise",
    "transpile_options",
]

#: Of qiskit.transpile.
TRANSPILER_OPTIONS = ("basis_gates", "coupling_map", "initial_layout", "optimization_level")
DEFAULTS = {"optimization_level": 1}


def check_known(name, options, known):
    """Raise a ValueError that lists the known options if there are others."""
    if unknown := sorted(set(options) - known):
        raise ValueError(
            f"{name!r} does not take backend_options {', '.join(map(repr, unknown))}. It takes "
            f"{', '.join(map(repr, sorted(known)))}."
        )


def check_size(device, n_qubits):
    """Raise a ValueError if a Qiskit backend has too few qubits."""
    if device.num_qubits < n_qubits:
        raise ValueError(
            f"The device {device.name} has {device.num_qubits} qubits, and n_qubits={n_qubits}."
        )


def transpile_options(options, device):
    """Return the options of qiskit.transpile, or None if there is nothing to transpile for."""
    given = {key: value for key, value in options.items() if value is not None}
    if device is not None:
        refuse_second_target(given.get("basis_gates"), given.get("coupling_map"))
        return {**DEFAULTS, **given, "backend": device}
    if given.keys() <= {"optimization_level"}:
        return None
    return {**DEFAULTS, **given}


def find_device(device, may_be_real=False):
    """Return a Qiskit backend, given one or its name."""
    from qiskit.providers import BackendV2

    if device is None or isinstance(device, BackendV2):
        return device
    if not isinstance(device, str):
        raise ValueError(
            f"backend must be a Qiskit backend or the name of one; it is {type(device).__name__}."
        )
    if device.lower().startswith("fake") or not may_be_real:
        return _fake_device(device)
    return _real_device(device)


_fake_device = lru_cache(maxsize=8)(fake_backend)


def _real_device(name):
    from qiskit_ibm_runtime import QiskitRuntimeService
    from qiskit_ibm_runtime.exceptions import IBMError

    try:
        return QiskitRuntimeService().backend(name)
    except IBMError as error:
        raise ValueError(
            f"The device {name!r} is not available: {error} Save your IBM account once with "
            "QiskitRuntimeService.save_account, or name a fake device such as 'fake_manila'."
        ) from error


@lru_cache(maxsize=8)
def _noise_of_device(device):
    return aer_noise(device)


def find_noise(noise, device):
    """Return the noise, an AerNoise or None, and whether it attaches to identities."""
    from qiskit_aer.noise import NoiseModel

    if noise is None:
        return (None if device is None else _noise_of_device(device)), False
    if isinstance(noise, str):
        return _noise_of_device(find_device(noise)), False
    if isinstance(noise, Mapping):
        strengths = check_strengths(noise)
        return aer_noise(strengths), strengths.on_gates
    if isinstance(noise, NoiseModel):
        return aer_noise(noise), False
    raise ValueError(
        "noise_model must be a qiskit_aer.noise.NoiseModel, the name of a fake backend or a dict "
        f"of strengths; it is {type(noise).__name__}."
    )
