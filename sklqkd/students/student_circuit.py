"""What lies between a student's features and its head: encoding and ansatz, each traced once."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from ..atomic import original
from ..circuits import TracedAnsatz, ansatz_shape
from ..circuits.data_templates import DataTemplate, data_template
from ..circuits.templates import template_name
from ..circuits.uploads import UploadSizes, upload_gates
from ..encodings import Encoding, GateEncoding, make_encoding
from ..gates import DataGates
from ..lazy import lazy

__all__ = ["StudentCircuit", "encoding_name", "student_circuit", "substitute_circuit"]

#: By student: its ``circuit_``, of which a fit makes a new one, and what was traced of it. Nothing
#: of it is in the state of the student, which goes into files.
_TRACED: WeakKeyDictionary = WeakKeyDictionary()


def student_circuit(student, circuit: dict) -> StudentCircuit:
    """Return the circuit of a student, which is traced once.

    Parameters
    ----------
    student : QuantumStudent
    circuit : dict
        The parameters that shape it, as in ``circuit_``.

    Returns
    -------
    parts : StudentCircuit
    """
    student = original(student)
    known, parts = _TRACED.get(student, (None, None))
    if known is not circuit:
        parts = StudentCircuit(circuit)
        _TRACED[student] = circuit, parts
    return parts


def substitute_circuit(student, parts: StudentCircuit) -> None:
    """Have the circuit of a student, as it is fitted, be made of other parts.

    Parameters
    ----------
    student : QuantumStudent
    parts : StudentCircuit
    """
    _TRACED[student] = student.circuit_, parts


def encoding_name(encoding) -> str:
    """Return what an encoding is called in a message, as in ``encoding='angle'``."""
    return repr(encoding) if isinstance(encoding, str) else template_name(encoding)


class StudentCircuit:
    """Encoding and ansatz, and how they make up a circuit.

    Parameters
    ----------
    circuit : dict
        The parameters that shape it: "encoding", "n_qubits", "ansatz", "n_layers", and where they
        are not 1 and False "n_uploads" and "trainable_scaling".

    Attributes
    ----------
    ansatz : TracedAnsatz
    n_uploads : int
    n_features : int
    is_plain : bool
        Whether nothing but the ansatz, once, is trained: an encoded state, and a circuit behind it.
    sizes : UploadSizes
        Of its weights.

    Raises
    ------
    ValueError
        If the encoding cannot be repeated or scaled as is asked for, or traced.
    """

    def __init__(self, circuit: dict):
        self._circuit = circuit
        self.n_uploads = circuit.get("n_uploads", 1)
        has_scales = circuit.get("trainable_scaling", False)
        n_qubits, n_layers = circuit["n_qubits"], circuit["n_layers"]
        self._template: DataTemplate | None = None
        if callable(circuit["encoding"]):
            self._template = data_template(circuit["encoding"], n_qubits, n_layers)
        encoding = self.encoding()
        if encoding.gates is None and (self.n_uploads > 1 or has_scales):
            asked = f"n_uploads={self.n_uploads}" if self.n_uploads > 1 else "trainable_scaling"
            raise ValueError(
                f"encoding={circuit['encoding']!r} prepares a state, which has to be the first "
                f"thing in a circuit and has no angles: {asked} is not for it. Choose an encoding "
                "by gates, such as encoding='angle', 'qubit' or 'iqp', or n_uploads=1 and "
                "trainable_scaling=False."
            )
        self.n_features = encoding.n_features
        self.ansatz = TracedAnsatz(circuit["ansatz"], n_qubits, n_layers)
        self.is_plain = self.n_uploads == 1 and not has_scales and encoding.shape is None
        shape = ansatz_shape(circuit["ansatz"], n_qubits, n_layers)
        own = (0,) if encoding.shape is None else encoding.shape
        self.sizes = UploadSizes(
            (self.n_uploads, *shape),
            (self.n_uploads, *own),
            (self.n_uploads, self.n_features if has_scales else 0),
        )

    def encoding(self) -> Encoding:
        """Return the encoding, a new object: it keeps what its gradient needs."""
        if self._template is not None:
            return GateEncoding(*self._template)
        return make_encoding(self._circuit["encoding"], self._circuit["n_qubits"])

    @lazy
    def gates(self) -> DataGates:
        """All gates, from ``|0...0>``; angles are polynomials of ``pi * tanh(x)`` and weights.

        Not for an encoding that prepares a state.
        """
        return self._gates_and_ends[0]

    @property
    def ends(self) -> list[int]:
        """Numbers of gates after each encoding and each ansatz, in turn."""
        return self._gates_and_ends[1]

    @lazy
    def _gates_and_ends(self):
        encoding = self.encoding()
        assert encoding.gates is not None
        _ = self.ansatz.program  # which warns where nothing of the ansatz is trained
        return upload_gates(encoding.gates, self.ansatz.gates, self.sizes)

    def split(self, weights: np.ndarray) -> list[np.ndarray | None]:
        """Return the weights of ansatz and encoding, and the scales; None for what there is not.

        The first axis, one entry per upload, is left out where there is one upload.
        """
        parts = self.sizes.split(weights)
        whole = [part[0] if self.n_uploads == 1 else part for part in parts]
        return [whole[0], *(part if part.size else None for part in whole[1:])]

    def initial_weights(self, rng: np.random.Generator) -> np.ndarray:
        """Return random angles, uniform in [0, 2 pi), and scales of 1."""
        weights = rng.uniform(0, 2 * np.pi, self.sizes.n_weights)
        self.sizes.split(weights)[2][...] = 1
        return weights
