"""Students with a quantum part: a circuit, on the backend that the student asks for."""

from __future__ import annotations

import warnings

import numpy as np

from ..circuits.observables import (
    check_measurement,
    circuit_in_basis,
    constant_observables,
    gates_in_basis,
    measured_bases,
    observables_readout,
    program_in_basis,
)
from ..memory import memory_limit
from ..proportions import proportions_warning
from ..random_states import numpy_generator
from ..simulation import CircuitInBases, ExactCircuit, NoisyCircuit
from ..simulation.uploads import UploadCircuit
from ..training import Network
from . import fitting
from .base import Student
from .optimizing import precision
from .student_circuit import encoding_name, student_circuit

__all__ = ["EXACT", "QuantumArchitecture", "QuantumStudent"]

#: The name of the exact simulator.
EXACT = "statevector"
MAX_QUBITS = 20
#: Layers times qubits of a circuit.
MAX_SIZE = 100_000
#: The parameters that shape a circuit, and have to stay where training goes on.
SHAPING = ("encoding", "n_qubits", "ansatz", "n_layers", "measurement")


#: Those that do so too where they are not at their first value; files of 0.1 do not know them.
ADDED = {"n_uploads": 1, "trainable_scaling": False}


class QuantumStudent(Student):
    """A student with a circuit; the base class of those that name its parameters."""

    @property
    def circuit_weights_(self):
        """The ansatz's trained weights, in its own shape; with uploads one such array for each."""
        return self._split_weights()[0]

    @property
    def encoding_weights_(self):
        """The trained weights of an encoding that has some, in its shape; else None."""
        return self._split_weights()[1]

    @property
    def input_scales_(self):
        """What features are multiplied with as angles, by `trainable_scaling`; else None."""
        return self._split_weights()[2]

    def _split_weights(self):
        weights = fitting.part(self, "circuit_weights")
        return student_circuit(self, self.circuit_).split(weights)

    def _sizes(self):
        n_qubits, measurement = self.circuit_["n_qubits"], self.circuit_["measurement"]
        n_weights = student_circuit(self, self.circuit_).sizes.n_weights
        known = {"probs": 2**n_qubits, "expval": n_qubits}
        return n_weights, known[measurement] if isinstance(measurement, str) else len(measurement)

    def _architecture(self, rng):
        step_bytes = _check_size(self)
        circuit = {name: getattr(self, name) for name in SHAPING}
        # NumPy's small integers overflow.
        circuit |= {"n_qubits": int(self.n_qubits), "n_layers": int(self.n_layers)}
        circuit["measurement"] = _checked_measurement(self.measurement, circuit["n_qubits"])
        added = {
            "n_uploads": int(self.n_uploads),
            "trainable_scaling": bool(self.trainable_scaling),
        }
        circuit |= {name: value for name, value in added.items() if value != ADDED[name]}
        architecture = QuantumArchitecture(self, circuit, rng, precision(self.optimizer))
        architecture.step_bytes = step_bytes
        return architecture

    def _fitted_network(self, front_end=None):
        # The backend is that which the student is set to now, whatever it was trained on.
        settings = map(str, (self.backend, self.device, self.shots, self.backend_options))
        if tuple(settings) != (EXACT, "cpu", "None", "None"):
            self._validate_params()  # they may have been set after the fit
        rng = numpy_generator(self.random_state)
        architecture = QuantumArchitecture(self, self.circuit_, rng, np.float64)
        return architecture.network(architecture.n_components, len(self.classes_), front_end)


class QuantumArchitecture:
    """Encoding and ansatz before the head; obeys :class:`.training_run.Architecture`.

    Parameters
    ----------
    student : QNNClassifier
        What `backend`, `shots`, `backend_options` and `device` are read from.
    circuit : dict
        The parameters that shape the circuit, as in ``circuit_``.
    rng : numpy.random.Generator
        Where shots come from.
    dtype : dtype, default=numpy.float32
    """

    is_classical = False
    step_bytes = 0

    def __init__(self, student, circuit, rng, dtype=np.float32):
        self.settings = {"circuit_": circuit}
        self._dtype = dtype
        self._circuit = make_circuit(student, circuit, rng, dtype)
        self.has_gradient = getattr(self._circuit, "has_gradient", True)
        self.is_deterministic = student.shots is None
        self._parts = student_circuit(student, circuit)
        self.n_components = self._parts.n_features
        name = encoding_name(circuit["encoding"])
        self.asks = f"encoding={name} on n_qubits={circuit['n_qubits']} takes them"

    def check_width(self, n_features, reducer):
        """See :meth:`sklqkd.students.training_run.Architecture.check_width`."""
        if n_features <= self.n_components:
            return
        circuit = self.settings["circuit_"]
        takes = (
            f"encoding={encoding_name(circuit['encoding'])} on {circuit['n_qubits']} qubits takes "
            f"{self.n_components}."
        )
        if reducer is not None:
            way_out = f"Choose one that gives {self.n_components} at most, or more n_qubits."
            if "n_components" in reducer.get_params(deep=False):
                way_out = f"Set its n_components to {self.n_components}."
            raise ValueError(
                f"The reducer {reducer!r} gives {n_features} features, but {takes} {way_out}"
            )
        needed = int(np.ceil(np.log2(n_features)))
        raise ValueError(
            f"X has {n_features} features, but {takes} Reduce the images with `reducer` (such as "
            "reducer='fc')"
            + (f", or use n_qubits={needed}." if circuit["encoding"] == "amplitude" else ".")
        )

    def doubts(self, features, y):
        """See :meth:`sklqkd.students.training_run.Architecture.doubts`."""
        is_amplitude = self.settings["circuit_"]["encoding"] == "amplitude"
        return proportions_warning(features, y) if is_amplitude else None

    def network(self, n_features, n_classes, front_end=None):
        """See :meth:`.training_run.Architecture.network`; missing features count as 0."""
        measurement = self.settings["circuit_"]["measurement"]
        if not isinstance(measurement, str):
            measurement = observables_readout(measurement)
        return Network(
            self._circuit,
            measurement,
            n_classes,
            front_end=front_end,
            dtype=self._dtype,
            initial_weights=None if self._parts.is_plain else self._parts.initial_weights,
        )

    def fitted(self, network):
        """See :meth:`sklqkd.students.training_run.Architecture.fitted`."""
        n_angles = self._circuit.n_weights
        return {"n_parameters_": {"quantum": n_angles, "classical": network.size - n_angles}}


def make_circuit(student, circuit, rng, dtype=np.float32):
    """Return the quantum part of a student on its backend, checked before any job runs.

    Parameters
    ----------
    student : QNNClassifier
        What `backend`, `shots`, `backend_options` and `device` are read from.
    circuit : dict
        The parameters that shape the circuit, as in ``circuit_``.
    rng : numpy.random.Generator
    dtype : dtype, default=numpy.float32

    Returns
    -------
    circuit : sklqkd.training.Middle
    """
    measurement = circuit["measurement"]
    is_named = isinstance(measurement, str)
    bases = ["Z" * circuit["n_qubits"]] if is_named else measured_bases(measurement)
    parts = student_circuit(student, circuit)
    shots = None if student.shots is None else int(student.shots)
    options = dict(student.backend_options or {})
    if student.backend == EXACT:
        depolarizing = options.pop("depolarizing", 0.0)
        if options:
            raise ValueError(
                f"The exact simulator takes no {sorted(options)} in backend_options, only "
                "'depolarizing'. Noise models run on backend='default.mixed' or 'qiskit.aer'."
            )
        from ..backends.noise import check_strengths

        depolarizing = check_strengths({"depolarizing": depolarizing}).depolarizing
        circuits = [_exact_circuit(parts, basis, dtype, student.device) for basis in bases]
        if shots is not None or depolarizing > 0:
            circuits = [NoisyCircuit(exact, shots, depolarizing, rng) for exact in circuits]
        return circuits[0] if len(circuits) == 1 else CircuitInBases(circuits)
    if student.device != "cpu":
        raise ValueError(
            f"device={student.device!r} is for the exact simulator alone; a device of "
            f"backend={student.backend!r} is chosen in backend_options. Set device='cpu'."
        )
    from ..backends import make_backend
    from ..simulation.device_circuit import DeviceCircuit, DeviceUploads

    backend = make_backend(student.backend, circuit["n_qubits"], shots, options)
    on_device = [
        DeviceUploads(_uploads_in_basis(parts, basis), backend, rng)
        if not parts.is_plain
        else DeviceCircuit(
            parts.encoding().preparation(),
            gates_in_basis(parts.ansatz.gates, basis),
            parts.ansatz.program.n_weights,
            backend,
            rng,
        )
        for basis in bases
    ]
    return on_device[0] if len(on_device) == 1 else CircuitInBases(on_device)


def _uploads_in_basis(parts, basis):
    return parts.gates._replace(circuit=circuit_in_basis(parts.gates.circuit, basis))


def _checked_measurement(measurement, n_qubits):
    """Return it in plain strings and numbers; warn of observables that say nothing."""
    checked = check_measurement(measurement, n_qubits)
    constant = [] if isinstance(checked, str) else constant_observables(checked)
    if constant:
        warnings.warn(
            f"{len(constant)} of the {len(checked)} observables of measurement, {constant}, are "
            "multiples of the identity: their values are the same for every image, as the "
            "intercepts of the head are. Leave them out.",
            UserWarning,
            stacklevel=2,
        )
    return checked


def _exact_circuit(parts, basis, dtype, device):
    if not parts.is_plain:
        gates = _uploads_in_basis(parts, basis)
        if device == "cpu":
            return UploadCircuit(gates)
        from ..simulation.torch_uploads import TorchUploads

        return TorchUploads(gates, dtype, device=device)
    encoding, program = parts.encoding(), program_in_basis(parts.ansatz.program, basis)
    if device == "cpu":
        return ExactCircuit(encoding, program, dtype)
    from ..simulation.torch_circuit import TorchCircuit

    return TorchCircuit(encoding, program, dtype, device=device)


def _check_size(student) -> int:
    """Refuse, before anything is allocated, a state or a mini-batch that memory cannot hold.

    Returns the bytes of a training step.
    """
    n_qubits, n_layers = int(student.n_qubits), int(student.n_layers)
    # Real and imaginary part in float32; a state per layer and a few more at work.
    n_states = n_layers + 8
    if student.n_uploads > 1 or student.trainable_scaling or callable(student.encoding):
        # In double precision, and with phases of its own for each image.
        n_states = 2 * (int(student.n_uploads) * (2 * n_layers + 8) + 8)
    per_image = 8 * 2**n_qubits * n_states
    needed = per_image * int(student.batch_size)
    if n_qubits > MAX_QUBITS:
        raise ValueError(
            f"n_qubits={n_qubits}: the exact simulator takes 1 to {MAX_QUBITS} qubits. A "
            f"training step of {student.batch_size} images would need about "
            f"{needed / 2**30:,.0f} GiB of memory. Use fewer qubits: 4 to 8 are usual."
        )
    if n_layers * n_qubits > MAX_SIZE:
        raise ValueError(
            f"n_layers={n_layers} on {n_qubits} qubits is a circuit of some "
            f"{n_layers * n_qubits:,} gates or more, and it may have {MAX_SIZE:,}: longer ones "
            f"would take minutes to be compiled. Use n_layers={MAX_SIZE // n_qubits} or less; 1 to "
            "10 are usual."
        )
    memory = memory_limit()
    if needed > memory:
        fits = max(1, int(memory // per_image))
        raise ValueError(
            f"A training step of {student.batch_size} images on {n_qubits} qubits would "
            f"need about {needed / 2**30:,.1f} GiB of memory; this process may have "
            f"{memory / 2**30:,.1f} GiB. Use batch_size={fits} or less, or fewer qubits."
        )
    return needed
