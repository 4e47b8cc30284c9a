"""A fitted student's circuit: drawn, as a Qiskit circuit, as OpenQASM, as a QNode, and its cost."""

from __future__ import annotations

from copy import copy
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from ..backends import pennylane_devices, qiskit_circuits, transpilation
from ..circuits import ansatz_template, trace_template
from ..circuits.observables import circuit_in_basis, gates_in_basis, measured_bases
from ..images import check_rows
from ..threads import in_pennylane
from . import upload_export as uploads
from .features import encoded_features
from .student_circuit import encoding_name, student_circuit

__all__ = ["CircuitMixin", "CircuitResources"]

#: What a drawing calls an encoding without an image.
BOXES = {
    "amplitude": "AmplitudeEncoding",
    "angle": "AngleEncoding",
    "qubit": "QubitEncoding",
    "hadamard_ry": "HadamardRYEncoding",
    "iqp": "IQPEncoding",
    "zz": "ZZEncoding",
}

BLACK_ON_WHITE: dict[Any, Any] = {
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "patch.facecolor"), "white"),
    **dict.fromkeys(("lines.color", "patch.edgecolor", "text.color"), "black"),
    **{"patch.force_edgecolor": True, "patch.linewidth": 1.5, "lines.linewidth": 1.0},
    **{"font.weight": "normal", "path.sketch": None},
}


class CircuitResources(dict):
    """Counts of gates, printed as a table.

    Keys are the parts of a circuit; each value is a dict of "n_qubits", "depth", "n_parameters",
    "n_gates", "n_two_qubit_gates", and "gates", a dict of the numbers by kind.

    Examples
    --------
    >>> part = {"n_qubits": 2, "depth": 2, "n_parameters": 1, "n_gates": 2, "n_two_qubit_gates": 1}
    >>> CircuitResources(ansatz={**part, "gates": {"cx": 1, "ry": 1}})
                     ansatz
    qubits                2
    depth                 2
    parameters            1
    gates                 2
    two-qubit gates       1
      cx                  1
      ry                  1
    """

    def __repr__(self):
        rows = [("qubits", "n_qubits"), ("depth", "depth"), ("parameters", "n_parameters")]
        rows += [("gates", "n_gates"), ("two-qubit gates", "n_two_qubit_gates")]
        kinds = sorted({kind for part in self.values() for kind in part["gates"]})
        table = [("", *self)]
        table += [(title, *(str(part[key]) for part in self.values())) for title, key in rows]
        table += [
            (f"  {kind}", *(str(part["gates"].get(kind, 0)) for part in self.values()))
            for kind in kinds
        ]
        first, *others = (max(map(len, column)) for column in zip(*table, strict=True))
        return "\n".join(
            row[0].ljust(first)
            + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], others, strict=True))
            for row in table
        )


class CircuitMixin:
    """The circuit of a fitted student, for people and for other libraries.

    Qubit q is PennyLane's wire q and Qiskit's qubit q. The linear head is no part of the circuit:
    ``head_coef_`` and ``head_intercept_`` map to logits what is measured, 2^n times the
    probabilities of the basis states, the expectation of Pauli Z on each qubit, or those of the
    student's observables. These are measured in as many bases as they need, each the circuit and a
    rotation of every qubit behind it.
    """

    @in_pennylane
    def draw(self, x=None, *, output="text", decimals=2, max_length=100):
        """Draw the circuit with its trained angles, in radians.

        Parameters
        ----------
        x : array-like of shape (n_features,) or (1, n_features), default=None
            One flattened image, whose encoding is drawn gate by gate. Without it, the encoding is
            one box.
        output : {"text", "mpl"}, default="text"
            Text, or a Matplotlib figure.
        decimals : int, default=2
            Decimals of the angles.
        max_length : int, default=100
            Longest line of text; a longer circuit goes on below. A figure has one line, which the
            image of an amplitude encoding makes long.

        Returns
        -------
        drawing : str, or tuple of matplotlib.figure.Figure and matplotlib.axes.Axes
            The figure is not known to pyplot: save it with ``figure.savefig``.

        Raises
        ------
        ValueError
            For an unknown output, or not one image.
        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        check_scalar(decimals, "decimals", Integral, min_val=0)
        check_scalar(max_length, "max_length", Integral, min_val=1)
        if not isinstance(output, str) or output not in ("text", "mpl"):
            raise ValueError(f"output={output!r} is not known. Choose 'text' or 'mpl'.")
        import pennylane as qml

        script = _drawn(self, x)
        options = {"wire_order": sorted(script.wires), "show_all_wires": True, "decimals": decimals}
        if output == "text":
            return qml.drawer.tape_text(script, max_length=max_length, **options)
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure()
        FigureCanvasAgg(figure)  # its renderer tells PennyLane how large the text is
        # In a style of PennyLane's own, it would set pyplot's backend afterwards.
        with matplotlib.rc_context(BLACK_ON_WHITE):
            return qml.drawer.tape_mpl(script, fig=figure, style="rcParams", **options)

    def to_qiskit(self, x, *, measure=False, basis=0):
        """Return the circuit for one image as a Qiskit circuit.

        Parameters
        ----------
        x : array-like of shape (n_features,) or (1, n_features)
            One flattened image.
        measure : bool, default=False
            Whether all qubits are measured in the end.
        basis : int, default=0
            For a student with observables that is measured: in which of their bases, beginning
            with 0.

        Returns
        -------
        circuit : qiskit.QuantumCircuit
            The encoding of `x` from gates, and the trained ansatz. Qiskit prints qubit 0 last in a
            bit string.

        Raises
        ------
        ValueError
            For more than one image, or a basis that is not there.
        NotFittedError
            Before `fit`.
        ImportError
            If Qiskit is not installed.
        """
        check_is_fitted(self)
        transpilation.require()
        check_scalar(measure, "measure", (bool, np.bool_))
        circuit = _quantum_circuit(self, x, _basis(self, basis) if measure else None)
        return transpilation.measured(circuit) if measure else circuit

    def to_openqasm(self, x, *, basis=0):
        """Return the circuit for one image, with measurements, as OpenQASM 3.

        Parameters
        ----------
        x : array-like of shape (n_features,) or (1, n_features)
            One flattened image.
        basis : int, default=0
            For a student with observables: in which of their bases it is measured.

        Returns
        -------
        program : str
            Its gates are those of ``stdgates.inc``, or defined by them. Bit ``meas[q]`` is qubit q.

        Raises
        ------
        ValueError
            For more than one image.
        NotFittedError
            Before `fit`.
        ImportError
            If Qiskit is not installed.
        """
        return transpilation.openqasm(self.to_qiskit(x, measure=True, basis=basis))

    def qnode(self, *, device="default.qubit", shots=None, **device_options):
        """Return the circuit as a PennyLane QNode, ``circuit(x, weights=trained)``.

        Parameters
        ----------
        device : str or pennylane.devices.Device, default="default.qubit"
            A PennyLane device, or the name of one.
        shots : int, default=None
            Number of measurements; ``None`` for exact results, where the device has them. A device
            that was made with shots keeps them.
        **device_options
            Options of a device given by name, such as ``seed`` or ``noise_model``.

        Returns
        -------
        circuit : pennylane.QNode
            Takes one flattened image, shape (n_features,) or (1, n_features), which it reduces and
            encodes by gates, and weights of the shape of ``circuit_weights_``, which it can be
            differentiated for; what an encoding has of its own, weights and scales, stays as it
            was trained. Returns what `measurement` says: the probabilities of all basis states,
            shape (2^n,), or a list of the expectations of Pauli Z, one number per qubit, or of the
            observables.

        Raises
        ------
        ValueError
            For an unknown device, one that lacks wires 0 to n - 1, or `shots` that are no positive
            integer.
        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        if shots is not None and (not isinstance(shots, Integral) or not 1 <= int(shots) <= 2**31):
            raise ValueError(f"shots={shots!r} is not a positive integer, or None for exact.")
        return _qnode(self, device, None if shots is None else int(shots), device_options)

    def circuit_resources(
        self, *, basis_gates=None, coupling_map=None, backend=None, optimization_level=1
    ):
        """Count the circuit's gates, as it is listed and as a device would run it.

        Nothing depends on an image: angles that it sets are left open, and the trained ones have
        their values. Amplitude encoding prepares n qubits by ``2^n - 1`` RY and ``2^n - 2`` CNOT
        gates, 29 for 4 qubits and 509 for 8; other encodings by n or 2n one-qubit gates, "iqp" and
        "zz" by gates on each pair of qubits too. With uploads, all encodings count together as the
        preparation, and all repetitions of the ansatz as the ansatz.

        Parameters
        ----------
        basis_gates : sequence of str, default=None
            The device's gates by Qiskit's names; ``None`` stands for cx, rz, sx and x.
        coupling_map : sequence of (int, int), default=None
            Pairs of qubits that the device has two-qubit gates for; ``None`` for all.
        backend : str or qiskit.providers.Backend, default=None
            A Qiskit device, or the name of a fake one, such as "fake_manila"; instead of
            `basis_gates` and `coupling_map`.
        optimization_level : {0, 1, 2, 3}, default=1
            How hard Qiskit tries to save gates.

        Returns
        -------
        resources : CircuitResources
            A dict, printed as a table, of "preparation", "ansatz", "circuit" (the one, then the
            other) and "transpiled" (the whole circuit). Each is a dict of "n_qubits" (of a device,
            those used), "depth", "n_parameters" (angles that the image sets, and weights of the
            ansatz), "n_gates", "n_two_qubit_gates" and "gates", a dict of the numbers by kind.

        Raises
        ------
        ValueError
            If the device is unknown, given twice, or cannot run the circuit.
        NotFittedError
            Before `fit`.
        ImportError
            If Qiskit is not installed.
        """
        check_is_fitted(self)
        transpilation.require()
        return _resources(
            self,
            basis_gates=basis_gates,
            coupling_map=coupling_map,
            backend=backend,
            optimization_level=optimization_level,
        )


def _features(student, x):
    """Return the features of one image, (1, n_reduced)."""
    if np.ndim(x) == 1:  # a row of a DataFrame keeps the names of its columns
        x = x.to_frame().T if hasattr(x, "iloc") else np.asarray(x)[None]
    if np.ndim(x) != 2 or np.shape(x)[0] != 1:
        raise ValueError(
            f"x has the shape {np.shape(x)}, but a circuit takes one image, flattened to "
            f"({student.n_features_in_},). Pass one row, such as X[0], or image.ravel()."
        )
    return encoded_features(student, check_rows(student, x, reset=False))


def _preparation(student):
    return student_circuit(student, student.circuit_).encoding().preparation()


def _ansatz(student):
    return student_circuit(student, student.circuit_).ansatz.gates


def _drawn(student, x):
    """Return what a drawing shows as a PennyLane script."""
    import pennylane as qml

    circuit, parts = student.circuit_, student_circuit(student, student.circuit_)
    wires = range(circuit["n_qubits"])
    if x is None:
        name = circuit["encoding"]
        name = BOXES[name] if isinstance(name, str) else encoding_name(name).split(".")[-1]
        box = type(name, (qml.operation.Operation,), {})
        encoded = [[box(wires=wires)] for _ in range(parts.n_uploads)]
    elif parts.is_plain:
        preparation = _preparation(student)
        angles = preparation.angles(_features(student, x))[0]
        encoded = [preparation.circuit.operations(angles)]
    else:
        encoded = uploads.encoded(student, _features(student, x))
    template = ansatz_template(circuit["ansatz"])
    weights = student.circuit_weights_
    operations = []
    for before, own in zip(encoded, [weights] if parts.n_uploads == 1 else weights, strict=True):
        operations += before
        for operation in trace_template(template, own, circuit["n_qubits"]):
            operations += _shown(operation)
    return qml.tape.QuantumScript(operations, _measurements(circuit))


def _shown(operation) -> list:
    """Return the gates of a template, those of the templates inside it too."""
    if operation.has_matrix or not operation.has_decomposition:
        return [operation]
    return [gate for part in operation.decomposition() for gate in _shown(part)]


def _measurements(circuit) -> list:
    import pennylane as qml

    wires = range(circuit["n_qubits"])
    if circuit["measurement"] == "probs":
        return [qml.probs(wires=wires)]
    if circuit["measurement"] == "expval":
        return [qml.expval(qml.Z(wire)) for wire in wires]
    return [qml.expval(_operator(words)) for words in circuit["measurement"]]


def _operator(words):
    """Return a sum of Pauli words as a PennyLane operator."""
    import pennylane as qml

    sentence = {
        qml.pauli.PauliWord({q: letter for q, letter in enumerate(word) if letter != "I"}): factor
        for word, factor in words.items()
    }
    return qml.pauli.PauliSentence(sentence).operation(wire_order=[0])


def _basis(student, number):
    """Return one of the bases that a student is measured in, None if it needs no rotation."""
    measurement = student.circuit_["measurement"]
    bases = [None] if isinstance(measurement, str) else measured_bases(measurement)
    check_scalar(number, "basis", Integral, min_val=0, max_val=len(bases) - 1)
    return bases[number]


def _quantum_circuit(student, x, basis=None):
    if not student_circuit(student, student.circuit_).is_plain:
        gates, bound = uploads.bound(student, _features(student, x))
        gates = gates if basis is None else circuit_in_basis(gates, basis)
        return qiskit_circuits.quantum_circuit(gates, list(bound))
    preparation, ansatz = _preparation(student), _ansatz(student)
    ansatz = ansatz if basis is None else gates_in_basis(ansatz, basis)
    angles = preparation.angles(_features(student, x))[0]
    return qiskit_circuits.quantum_circuit(
        preparation.circuit.then(ansatz.circuit),
        [*angles, *ansatz.angles(student.circuit_weights_.ravel())],
    )


def _qnode(student, device, shots, device_options):
    import pennylane as qml

    made = pennylane_devices.find_device(device, student.circuit_["n_qubits"], device_options)
    if shots is None and made is device:
        shots = "unset"  # those that it was made with
    student = copy(student)  # whose reducer belongs to these weights, also after a further fit
    settings = student.circuit_
    n_qubits = settings["n_qubits"]
    template = ansatz_template(settings["ansatz"])
    trained = student.circuit_weights_.astype(float)
    is_plain = student_circuit(student, student.circuit_).is_plain
    queue = None if is_plain else uploads.queue(student, template)
    preparation = _preparation(student)

    def circuit(x, weights=trained):
        if queue is not None:
            queue(_features(student, x), weights)
        else:
            preparation.circuit.operations(preparation.angles(_features(student, x))[0])
            template(weights, wires=range(n_qubits))
        measurements = _measurements(settings)
        return measurements[0] if settings["measurement"] == "probs" else measurements

    return qml.QNode(circuit, made, shots=shots)


def _resources(student, **target):
    if not student_circuit(student, student.circuit_).is_plain:
        return CircuitResources(uploads.resources(student, **target))
    preparation, ansatz = _preparation(student), _ansatz(student)
    weights = student.circuit_weights_
    encoding = transpilation.symbolic_circuit(preparation.circuit, "image")
    trained = qiskit_circuits.quantum_circuit(ansatz.circuit, ansatz.angles(weights.ravel()))
    whole = encoding.compose(trained)
    n_angles = preparation.circuit.n_angles
    parts = {
        "preparation": (encoding, n_angles),
        "ansatz": (trained, weights.size),
        "circuit": (whole, n_angles + weights.size),
        "transpiled": (transpilation.transpiled(whole, **target), n_angles + weights.size),
    }
    return CircuitResources(
        {
            name: {**transpilation.count_gates(circuit), "n_parameters": n_parameters}
            for name, (circuit, n_parameters) in parts.items()
        }
    )
