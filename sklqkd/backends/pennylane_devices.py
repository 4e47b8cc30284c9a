"""Any PennyLane device as a backend."""

from __future__ import annotations

import inspect

import numpy as np

from ..gates import GateCircuit
from ..threads import in_pennylane
from .noise import check_strengths, noisy_operations

__all__ = ["PennyLaneBackend", "find_device", "installed_devices", "make_device"]

#: Amplitudes or measured bits of one circuit: bounds its memory, whatever the rows and shots.
CHUNK = 2**22
#: How the names of simulators begin whose gates are as they should be.
NOISELESS = ("default.", "lightning.", "null.", "reference.")
DIFF_METHODS = ("parameter-shift", "adjoint", "none")


def installed_devices() -> list[str]:
    """Return the names of the PennyLane devices that are installed."""
    import pennylane as qml

    return sorted(qml.plugin_devices)


def make_device(name, n_qubits, options, given_as):
    """Return a PennyLane device.

    Parameters
    ----------
    name : str
    n_qubits : int
    options : dict
        The device's own.
    given_as : str
        What the user gave them as, for the message.

    Returns
    -------
    device : pennylane.devices.Device

    Raises
    ------
    ValueError
        If the device cannot be made so.
    """
    import pennylane as qml

    try:
        return qml.device(name, wires=n_qubits, **options)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # devices raise errors of many types
        raise ValueError(
            f"The device {name!r} cannot be made with {n_qubits} wires and "
            f"{given_as}={options!r}: {error}"
        ) from error


def find_device(device, n_qubits, options):
    """Return a PennyLane device, given one or its name.

    Parameters
    ----------
    device : str or pennylane.devices.Device
    n_qubits : int
        It has to have the wires 0 to n_qubits - 1.
    options : dict
        Of a device given by name.

    Returns
    -------
    device : pennylane.devices.Device

    Raises
    ------
    ValueError
        If it is unknown, lacks wires, or is given options that it was not made with.
    """
    import pennylane as qml

    if isinstance(device, qml.devices.Device | qml.devices.LegacyDevice):
        if options:
            raise ValueError(
                f"The device {device.name!r} is made already, and cannot take "
                f"{', '.join(map(repr, options))}. Make it with these options, or pass its name."
            )
        if device.wires is not None and not device.wires.contains_wires(
            qml.wires.Wires(range(n_qubits))
        ):
            raise ValueError(
                f"The device {device.name!r} has the wires {device.wires.tolist()}, but the "
                f"circuit acts on the wires 0 to {n_qubits - 1}. Make it with wires={n_qubits}."
            )
        return device
    if not isinstance(device, str) or device not in qml.plugin_devices:
        raise ValueError(
            f"device={device!r} is not installed. PennyLane finds "
            f"{', '.join(map(repr, sorted(qml.plugin_devices)))}; plugins bring more, such as "
            "pip install pennylane-qiskit. A device of your own is passed as qml.device makes it."
        )
    return make_device(device, n_qubits, options, "device_options")


class PennyLaneBackend:
    """Runs circuits on a PennyLane device, all rows as one broadcast circuit.

    Parameters
    ----------
    name : str
        Of the device.
    n_qubits : int
    shots : int or None
    options : dict
        ``"noise_model"``: a dict of strengths (see :mod:`sklqkd.backends.noise`), for
        "default.mixed" alone; ``"diff_method"``: "parameter-shift", "adjoint" or "none"; all others
        go to the device.

    Raises
    ------
    ValueError
        If the device does not take these options, or not so many wires.
    """

    @in_pennylane
    def __init__(self, name: str, n_qubits: int, shots: int | None, options: dict):
        self.name, self.n_qubits, self.shots = name, n_qubits, shots
        self._options = dict(options)
        diff_method = self._options.pop("diff_method", None)
        if diff_method not in (None, *DIFF_METHODS):
            raise ValueError(
                f"diff_method={diff_method!r} is not known. Choose one of "
                f"{', '.join(map(repr, DIFF_METHODS))}."
            )
        noise_model = self._options.pop("noise_model", None)
        self._strengths = None
        if noise_model is not None:
            if name != "default.mixed":
                raise ValueError(
                    f"The device {name!r} cannot take a noise model. Use 'default.mixed' or "
                    "'qiskit.aer'."
                )
            self._strengths = check_strengths(noise_model)
        # Of simulators of others, and of hardware, nobody knows.
        self.has_gate_noise = False if name.startswith(NOISELESS) else None
        if self._strengths is not None:
            self.has_gate_noise = self._strengths.on_gates
        self.has_readout_noise = self._strengths is not None and self._strengths.readout > 0
        self._device = self._make_device()
        self._is_seedable = "seed" in inspect.signature(type(self._device).__init__).parameters
        can_adjoint = shots is None and noise_model is None and self._offers_adjoint()
        if diff_method == "adjoint" and not can_adjoint:
            raise ValueError(
                f"The device {name!r} offers no adjoint gradient with shots={shots!r} and this "
                "noise model. Use diff_method='parameter-shift'."
            )
        self.has_adjoint = can_adjoint and diff_method in (None, "adjoint")
        self.has_gradient = diff_method != "none"

    def _make_device(self, **seed):
        options = {**self._options, **seed}
        return make_device(self.name, self.n_qubits, options, "backend_options")

    def _offers_adjoint(self):
        import pennylane as qml

        config = qml.devices.ExecutionConfig(gradient_method="adjoint")
        return hasattr(self._device, "supports_derivatives") and bool(
            self._device.supports_derivatives(config)
        )

    @in_pennylane
    def probabilities(self, circuit: GateCircuit, angles: np.ndarray, rng: np.random.Generator):
        """See :class:`sklqkd.backends.Backend`."""
        levels = 4 if self.name == "default.mixed" else 2
        most = max(1, CHUNK // (self.n_qubits + 1))
        parts: list[tuple[int | None, float]] = [(None, 1.0)]
        if self.shots is not None:
            whole, rest = divmod(self.shots, most)
            parts = [(n, n / self.shots) for n in [most] * whole + [rest] * (rest > 0)]
        bits = min(self.shots or 0, most) * (self.n_qubits + 1)
        n_rows = max(1, CHUNK // max(levels**self.n_qubits, bits))
        probabilities = np.zeros((len(angles), 2**self.n_qubits))
        for start in range(0, len(angles), n_rows):
            rows = slice(start, start + n_rows)
            for shots, share in parts:
                probabilities[rows] += share * self._run(circuit, angles[rows], shots, rng)
        return probabilities

    def _run(self, circuit, angles, shots, rng):
        import pennylane as qml

        if self.shots is not None and self._is_seedable and "seed" not in self._options:
            self._device = self._make_device(seed=int(rng.integers(2**31)))
        operations = circuit.operations(angles)
        if self._strengths is not None:
            operations = noisy_operations(operations, self._strengths, self.n_qubits)
        measurement = qml.probs(wires=range(self.n_qubits))
        tape = qml.tape.QuantumScript(operations, [measurement], shots=shots)
        (result,) = qml.execute([tape], self._device, diff_method=None)
        # Without an angle that differs there is one run, which stands for all.
        return np.asarray(result, float)

    @in_pennylane
    def adjoint_gradient(
        self, circuit: GateCircuit, angles: np.ndarray, gradient: np.ndarray
    ) -> np.ndarray:
        """Return the gradient of sum(gradient * probabilities) for the angles, as the device does.

        Parameters
        ----------
        circuit : GateCircuit
        angles : ndarray of shape (n_runs, n_angles)
        gradient : ndarray of shape (n_runs, 2^n)

        Returns
        -------
        angles_gradient : ndarray of shape (n_runs, n_angles)
        """
        import pennylane as qml

        turning = [gate for gate in circuit.gates if gate.angle is not None]
        result = np.zeros(np.shape(angles))
        if not turning:
            return result
        # The matrices of fixed gates are parameters for PennyLane as well, and not to be trained.
        given = [g for g in circuit.gates if g.angle is not None or g.matrix is not None]
        trained = [place for place, gate in enumerate(given) if gate.matrix is None]
        tapes = []
        for row, weights in zip(angles, gradient, strict=True):
            observable = qml.Hermitian(np.diag(weights), wires=range(self.n_qubits))
            tape = qml.tape.QuantumScript(circuit.operations(row), [qml.expval(observable)])
            tape.trainable_params = trained
            tapes.append(tape)
        config = qml.devices.ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)
        config = self._device.setup_execution_config(config)
        tapes, _ = self._device.preprocess_transforms(config)(tapes)
        derivatives = self._device.compute_derivatives(tapes, config)
        derivatives = np.array(derivatives, float).reshape(len(angles), len(turning))
        for gate, derivative in zip(turning, derivatives.T, strict=True):
            result[:, gate.angle] += derivative
        return result
