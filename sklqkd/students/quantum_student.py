"""Students with a quantum part: a circuit, on the backend that the student asks for."""

from __future__ import annotations

import os
from math import prod
from weakref import WeakKeyDictionary

import numpy as np

from ..circuits import TracedAnsatz, ansatz_shape
from ..encodings import make_encoding
from ..proportions import proportions_warning
from ..random_states import numpy_generator
from ..simulation import ExactCircuit, NoisyCircuit
from ..training import Network
from . import fitting
from .base import Student

__all__ = ["EXACT", "QuantumArchitecture", "QuantumStudent", "traced_ansatz"]

#: The name of the exact simulator.
EXACT = "statevector"
MAX_QUBITS = 20
#: The parameters that shape a circuit, and have to stay where training goes on.
SHAPING = ("encoding", "n_qubits", "ansatz", "n_layers", "measurement")


#: By student: its ``circuit_``, of which a fit makes a new one, and the ansatz in it. Nothing of it
#: is in the state of the student, which goes into files.
_TRACED: WeakKeyDictionary = WeakKeyDictionary()


def traced_ansatz(student, circuit: dict) -> TracedAnsatz:
    """Return the ansatz of a student's circuit, which is traced once.

    Parameters
    ----------
    student : QuantumStudent
    circuit : dict
        The parameters that shape the circuit, as in ``circuit_``.

    Returns
    -------
    ansatz : TracedAnsatz
    """
    known, ansatz = _TRACED.get(student, (None, None))
    if known is not circuit:
        ansatz = TracedAnsatz(circuit["ansatz"], circuit["n_qubits"], circuit["n_layers"])
        _TRACED[student] = circuit, ansatz
    return ansatz


class QuantumStudent(Student):
    """A student with a circuit; the base class of those that name its parameters."""

    @property
    def circuit_weights_(self):
        """The ansatz's trained weights, in its own shape."""
        weights = fitting.part(self, "circuit_weights")
        return weights.reshape(self._weights_shape())

    def _weights_shape(self):
        circuit = self.circuit_
        return ansatz_shape(circuit["ansatz"], circuit["n_qubits"], circuit["n_layers"])

    def _sizes(self):
        n_qubits, measurement = self.circuit_["n_qubits"], self.circuit_["measurement"]
        return prod(self._weights_shape()), 2**n_qubits if measurement == "probs" else n_qubits

    def _architecture(self, rng):
        _check_size(self)
        circuit = {name: getattr(self, name) for name in SHAPING}
        # NumPy's small integers overflow.
        circuit |= {"n_qubits": int(self.n_qubits), "n_layers": int(self.n_layers)}
        return QuantumArchitecture(self, circuit, rng)

    def _fitted_network(self):
        # The backend is that which the student is set to now, whatever it was trained on.
        settings = map(str, (self.backend, self.device, self.shots, self.backend_options))
        if tuple(settings) != (EXACT, "cpu", "None", "None"):
            self._validate_params()  # they may have been set after the fit
        rng = numpy_generator(self.random_state)
        architecture = QuantumArchitecture(self, self.circuit_, rng, np.float64)
        return architecture.network(architecture.n_components, len(self.classes_))


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

    def __init__(self, student, circuit, rng, dtype=np.float32):
        self.settings = {"circuit_": circuit}
        self._dtype = dtype
        self._circuit = make_circuit(student, circuit, rng, dtype)
        self.n_components = make_encoding(circuit["encoding"], circuit["n_qubits"]).n_features
        self.asks = f"encoding={circuit['encoding']!r} on n_qubits={circuit['n_qubits']} takes them"

    def check_width(self, n_features, reducer):
        """See :meth:`sklqkd.students.training_run.Architecture.check_width`."""
        if n_features <= self.n_components:
            return
        circuit = self.settings["circuit_"]
        takes = (
            f"encoding={circuit['encoding']!r} on {circuit['n_qubits']} qubits takes "
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
        return Network(
            self._circuit, measurement, n_classes, front_end=front_end, dtype=self._dtype
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
    encoding = make_encoding(circuit["encoding"], circuit["n_qubits"])
    ansatz = traced_ansatz(student, circuit)
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
        exact = _exact_circuit(encoding, ansatz.program, dtype, student.device)
        is_noisy = shots is not None or depolarizing > 0
        return NoisyCircuit(exact, shots, depolarizing, rng) if is_noisy else exact
    if student.device != "cpu":
        raise ValueError(
            f"device={student.device!r} is for the exact simulator alone; a device of "
            f"backend={student.backend!r} is chosen in backend_options. Set device='cpu'."
        )
    from ..backends import make_backend
    from ..simulation.device_circuit import DeviceCircuit

    backend = make_backend(student.backend, circuit["n_qubits"], shots, options)
    n_weights = ansatz.program.n_weights
    return DeviceCircuit(encoding.preparation(), ansatz.gates, n_weights, backend, rng)


def _exact_circuit(encoding, program, dtype, device):
    if device == "cpu":
        return ExactCircuit(encoding, program, dtype)
    from ..simulation.torch_circuit import TorchCircuit

    return TorchCircuit(encoding, program, dtype, device=device)


def _check_size(student):
    """Refuse, before anything is allocated, a state or a mini-batch that memory cannot hold."""
    # Real and imaginary part in float32; a state per layer and a few more at work.
    per_image = 8 * 2 ** int(student.n_qubits) * (int(student.n_layers) + 8)
    needed = per_image * int(student.batch_size)
    if student.n_qubits > MAX_QUBITS:
        raise ValueError(
            f"n_qubits={student.n_qubits}: the exact simulator takes 1 to {MAX_QUBITS} qubits. A "
            f"training step of {student.batch_size} images would need about "
            f"{needed / 2**30:,.0f} GiB of memory. Use fewer qubits: 4 to 8 are usual."
        )
    memory = _memory()
    if needed > memory:
        fits = max(1, int(memory // per_image))
        raise ValueError(
            f"A training step of {student.batch_size} images on {student.n_qubits} qubits would "
            f"need about {needed / 2**30:,.1f} GiB of memory; this machine has "
            f"{memory / 2**30:,.1f} GiB. Use batch_size={fits} or less, or fewer qubits."
        )


def _memory():
    """Return the machine's memory in bytes, infinity where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return np.inf
