"""Qiskit Aer: exact probabilities wherever they are cheaper than simulating each shot."""

from __future__ import annotations

import numpy as np

from .compilation import compile_circuit, measure
from .device_options import (
    DEFAULTS,
    TRANSPILER_OPTIONS,
    check_known,
    check_size,
    find_device,
    find_noise,
    transpile_options,
)
from .noise import apply_to_each_qubit
from .transpilation import require, standard_gates
from .unused_noise import unused_noise

__all__ = ["AerRunner"]

#: Of Aer's methods, those that know rotations and measure.
METHODS = ("automatic", "statevector", "density_matrix", "matrix_product_state")
_LARGEST_SEED = 2**31
#: Qiskit's standard instructions that no gate is rewritten in.
_NO_GATES = frozenset(("delay", "id", "measure", "reset", "global_phase"))


class AerRunner:
    """Runs compiled circuits on AerSimulator.

    Parameters
    ----------
    n_qubits : int
    shots : int or None
    options : dict
        See :class:`sklqkd.backends.qiskit_devices.QiskitBackend`; emptied.

    Attributes
    ----------
    is_exact : bool
        Whether Aer returns probabilities, not counts.
    transpiles, has_gate_noise, has_readout_noise : bool
    """

    def __init__(self, n_qubits, shots, options):
        require("qiskit_aer", "qiskit-aer")
        from qiskit_aer import AerSimulator

        known = set(vars(AerSimulator().options)) - {"shots", "executor"}
        check_known("qiskit.aer", options, {"backend", "noise_model", *TRANSPILER_OPTIONS, *known})
        self._shots = shots
        device, noise = options.pop("backend", None), options.pop("noise_model", None)
        if isinstance(device, AerSimulator):
            raise ValueError(
                "backend is a device for Aer to imitate. Give the options of an AerSimulator, "
                "noise_model among them, beside it."
            )
        if isinstance(noise, str) and device is None:
            device = noise
        device = find_device(device)
        self._noise, self._identities = find_noise(noise, device)
        transpiling = {key: options.pop(key) for key in TRANSPILER_OPTIONS if key in options}
        self._transpiling = transpile_options(transpiling, device)
        is_model = self._noise is not None and not self._identities and self._noise.gates
        if is_model and device is None:
            # Its noise belongs to these gates alone.
            # They are looked for in the circuit, so that "unitary" and its like are not among them.
            basis = standard_gates().intersection(self._noise.model.basis_gates)
            gates = {"basis_gates": sorted(basis)}
            self._transpiling = DEFAULTS | gates | (self._transpiling or transpiling)
        self.transpiles = self._transpiling is not None
        gates = self._noise.gates if self._noise is not None else frozenset()
        self.has_gate_noise = bool(gates - {"measure"})
        self.has_readout_noise = self._noise is not None and self._noise.has_readout_errors
        self._has_device = device is not None
        if device is not None:
            check_size(device, n_qubits)
        self._make_simulator(n_qubits, options)

    def _make_simulator(self, n_qubits, options):
        """Choose between exact probabilities and Aer's own shots, and the method for it."""
        from qiskit_aer import AerSimulator

        method = options.pop("method", "automatic")
        if method not in METHODS:
            raise ValueError(
                f"method={method!r} cannot run these circuits. Choose one of "
                f"{', '.join(map(repr, METHODS))}."
            )
        if (device := options.get("device", "CPU")) not in AerSimulator().available_devices():
            raise ValueError(
                f"device={device!r}: this installation of qiskit-aer has "
                f"{', '.join(map(repr, AerSimulator().available_devices()))} alone."
            )
        self._seed = options.pop("seed_simulator", None)
        noisy_gates = self._noise.gates if self._noise else frozenset()
        if noisy_gates:
            exact = method in ("automatic", "density_matrix") and "measure" not in noisy_gates
            if self._shots is None and not exact:
                raise ValueError(
                    "Exact probabilities under noise need method='density_matrix' (or "
                    "'automatic') and a noise model without quantum errors in 'measure'. Change "
                    "that, or set shots."
                )
            cheap = self._shots is None or 2**n_qubits <= self._shots
            self.is_exact = exact and (cheap or method == "density_matrix")
        else:
            self.is_exact = self._shots is None or method != "matrix_product_state"
        if self.is_exact and method == "automatic":
            method = "density_matrix" if noisy_gates else "statevector"
        defaults = {"max_parallel_threads": 1}
        if self.is_exact:
            # Half the time, and the same results; shots are left to Aer's defaults.
            defaults |= {"runtime_parameter_bind_enable": True, "fusion_enable": bool(noisy_gates)}
        self._simulator = AerSimulator(
            method=method,
            noise_model=self._noise.model if self._noise else None,
            **{**defaults, **options},
        )
        # A noise model hides gates from the simulator's own list.
        self._known_gates = set(AerSimulator(method=method).configuration().basis_gates)
        largest = AerSimulator(method=method).num_qubits
        if n_qubits > largest:
            raise ValueError(
                f"Aer's method {method!r} has memory for {largest} qubits on this machine, and "
                f"n_qubits={n_qubits}. Choose fewer qubits or another method."
            )

    def warning(self, circuit, compiled):
        """Return what is to be said of a circuit and its compiled form, None for nothing."""
        if self._noise is None or self._identities:
            return None
        unused = unused_noise(self._noise, compiled.circuit, compiled.qubits)
        if unused is None:
            return None
        ways = ["Attach the errors to these gates and qubits"]
        if basis := self._basis_for(unused.gates, circuit):
            ways.append(
                f"have the circuit made of others by backend_options['basis_gates']={basis}"
            )
        ways.append(
            "give strengths, as in 'noise_model': {'depolarizing': 0.01}, which follow any gate"
        )
        return f"{unused.message} {', or '.join(ways)}."

    def _basis_for(self, gates, circuit):
        """Return basis gates with which no noise is lost, None if there are none to be found."""
        wanted = (gates | self._noise.gates) & standard_gates() - _NO_GATES
        if self._has_device or not gates & wanted:
            return None
        sizes = {name: size for (name, _), size in self._noise.errors.items()}
        basis = wanted | {"rz", "sx"} | (set() if 2 in map(sizes.get, wanted) else {"cx"})
        options = {**(self._transpiling or DEFAULTS), "basis_gates": sorted(basis)}
        try:
            other = self._compile(circuit, options)
        except ValueError:
            return None
        is_whole = unused_noise(self._noise, other.circuit, other.qubits) is None
        return options["basis_gates"] if is_whole else None

    def _compile(self, circuit, transpiling):
        noisy = self._noise.gates if self._noise else ()
        return compile_circuit(circuit, transpiling, self._identities, self._known_gates, noisy)

    def compile(self, circuit):
        """Transpile if need be, and append what is to be read out."""
        compiled = self._compile(circuit, self._transpiling)
        # Qiskit's first is the least significant bit.
        readout, bits = compiled.circuit, compiled.qubits[::-1]
        if self.is_exact:
            readout.save_probabilities(list(bits))
        else:
            measure(readout, bits)
        return compiled

    def run(self, compiled, angles, rng):
        """Return probabilities or frequencies, (n_runs, 2^n)."""
        seed = int(rng.integers(_LARGEST_SEED))
        if self._seed is not None:
            seed, rng = self._seed, np.random.default_rng(self._seed)
        results = self._results(compiled, angles, seed)
        if not self.is_exact:
            frequencies = np.zeros((len(angles), 2 ** len(compiled.qubits)))
            for row, result in zip(frequencies, results, strict=True):
                for outcome, count in result.data.counts.items():
                    row[int(outcome, 16)] = count
            return frequencies / self._shots
        probabilities = np.array([result.data.probabilities for result in results])
        if len(probabilities) != len(angles):  # no parameters, one run for all
            probabilities = np.repeat(probabilities, len(angles), axis=0)
        if self._noise and self._noise.readout:
            matrices = self._noise.readout_matrices(compiled.qubits)
            probabilities = apply_to_each_qubit(matrices, probabilities)
        probabilities = np.maximum(probabilities, 0)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        if self._shots is None:
            return probabilities
        return rng.multinomial(self._shots, probabilities) / self._shots

    def _results(self, compiled, angles, seed):
        """Run one job; return Aer's results of the runs."""
        columns = compiled.values(angles).T
        binds = {p: column.tolist() for p, column in zip(compiled.parameters, columns, strict=True)}
        circuits = [compiled.circuit]
        if not binds and not self.is_exact:
            circuits *= len(angles)
        try:
            result = self._simulator.run(
                circuits,
                parameter_binds=[binds] if binds else None,
                shots=1 if self.is_exact else self._shots,
                seed_simulator=seed,
            ).result()
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            # Aer looks at the values of its options when it runs.
            raise ValueError(
                f"Aer cannot run the circuits with these backend_options: {error}"
            ) from error
        if not result.success:
            raise RuntimeError(f"Aer could not run the circuits: {result.status}")
        return result.results
