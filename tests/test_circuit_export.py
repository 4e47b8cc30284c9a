"""A fitted student's circuit for people and other libraries, against simulators and hand counts."""

import re
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pennylane as qml
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Statevector
from qiskit.transpiler import CouplingMap
from sklearn.exceptions import NotFittedError

from sklqkd import QNNClassifier
from sklqkd.circuits import compile_ansatz
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.encodings import ENCODINGS, make_encoding
from sklqkd.statevector import FactoredKernel
from sklqkd.students.circuit_export import CircuitMixin

from .reference import RandomTemplate, differences

if issubclass(QNNClassifier, CircuitMixin):
    Student = QNNClassifier
else:

    class Student(CircuitMixin, QNNClassifier):
        pass


ANSAETZE = ("strongly_entangling", "basic_entangler", "rotations", "none")
X, y = take_per_class(*load_digits(return_X_y=True), 20, classes=[0, 1, 2])
IMAGE = X[25].astype(float)
BLACK = np.zeros(64)
LINE = [(i, i + step) for i in range(5) for step in (-1, 1) if 0 <= i + step < 5]


def fitted(**params):
    return Student(**{"max_iter": 2, "random_state": 0, **params}).fit(X, y)


@pytest.fixture(scope="module")
def student():
    return fitted()


def scaled_features(student, x):
    features = x[None] if student.reducer_ is None else student.reducer_.transform(x[None])
    if student.feature_scale_ is not None:
        features = (features - student.feature_scale_[0]) * student.feature_scale_[1]
    return features


def exact_probabilities(student, x):
    """What the exact simulator says, (2^n,)."""
    circuit = student.circuit_
    features = scaled_features(student, x)
    state = make_encoding(circuit["encoding"], circuit["n_qubits"]).forward(features.astype(float))
    program = compile_ansatz(circuit["ansatz"], circuit["n_qubits"], circuit["n_layers"])
    kernel = FactoredKernel(program, np.complex128)
    kernel.prepare(student.circuit_weights_.ravel().astype(float))
    return np.abs(kernel.forward(state.astype(complex))[:, 0]) ** 2


def reversed_bits(probabilities):
    """Turn Qiskit's order of the basis states into PennyLane's, or back."""
    n_qubits = int(np.log2(len(probabilities)))
    return np.reshape(probabilities, (2,) * n_qubits).transpose().ravel()


def every_circuit(n_qubits):
    """Students of every encoding, ansatz and measurement, and of users' templates."""
    for i, encoding in enumerate(ENCODINGS):
        for j, ansatz in enumerate([*ANSAETZE, RandomTemplate(i, n_qubits)]):
            measurement = ("probs", "expval")[(i + j) % 2]
            yield {
                **{"n_qubits": n_qubits, "encoding": encoding, "ansatz": ansatz},
                **{"measurement": measurement, "n_layers": 2, "max_iter": 1},
            }


# Qiskit and OpenQASM


@pytest.mark.parametrize("n_qubits", [3, 4])
def test_qiskit_agrees_with_the_exact_simulator(n_qubits):
    for params in every_circuit(n_qubits):
        student = fitted(**params)
        for x in (IMAGE, BLACK):
            circuit = student.to_qiskit(x)
            assert circuit.num_qubits == n_qubits
            probabilities = reversed_bits(Statevector(circuit).probabilities())
            assert_allclose(probabilities, exact_probabilities(student, x), atol=1e-6)


@pytest.mark.parametrize("reducer", ["pca", "conv", None])
def test_every_kind_of_reducer(reducer):
    student = fitted(reducer=reducer, n_qubits=6, n_layers=1)
    expected = exact_probabilities(student, IMAGE)
    assert_allclose(
        reversed_bits(Statevector(student.to_qiskit(IMAGE)).probabilities()), expected, atol=1e-6
    )
    assert_allclose(student.qnode()(IMAGE), expected, atol=1e-6)


def test_qiskit_measures_if_asked(student):
    plain, measured = student.to_qiskit(IMAGE), student.to_qiskit(IMAGE, measure=True)
    assert plain.num_clbits == 0
    assert measured.count_ops()["measure"] == measured.num_clbits == 4
    assert measured.remove_final_measurements(inplace=False) == plain


PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def turn(axis):
    return lambda t: np.cos(t / 2) * np.eye(2) - 1j * np.sin(t / 2) * PAULIS[axis]


def controlled(gate):
    def matrix(*angles):
        target = gate(*angles)
        return np.kron([[1, 0], [0, 0]], np.eye(len(target))) + np.kron([[0, 0], [0, 1]], target)

    return matrix


def universal(theta, phi, lam):
    c, s = np.cos(theta / 2), np.sin(theta / 2)
    return np.array(
        [[c, -np.exp(1j * lam) * s], [np.exp(1j * phi) * s, np.exp(1j * (phi + lam)) * c]]
    )


def constant(matrix):
    return lambda: np.asarray(matrix)


def phase(angle):
    return np.diag([1, np.exp(1j * angle)])


#: The standard gates of OpenQASM 3 as its specification defines them, up to a phase.
STANDARD = {
    **{"rx": turn(0), "ry": turn(1), "rz": turn(2), "p": phase, "U": universal},
    **{"x": constant(PAULIS[0]), "y": constant(PAULIS[1]), "z": constant(PAULIS[2])},
    **{
        "h": constant((PAULIS[0] + PAULIS[2]) / np.sqrt(2)),
        "swap": constant(np.eye(4)[[0, 2, 1, 3]]),
    },
    **{"s": lambda: phase(np.pi / 2), "t": lambda: phase(np.pi / 4)},
    "sx": constant(np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2),
}
STANDARD |= {
    f"c{name}": controlled(STANDARD[name]) for name in ("rx", "ry", "rz", "p", "x", "y", "z")
}
STANDARD |= {"ccx": controlled(STANDARD["cx"]), "cswap": controlled(STANDARD["swap"])}

STEP = re.compile(r"(\w+)(?:\((.*)\))? (.+);")


class Interpreter:
    """Runs an OpenQASM 3 program of gates and final measurements."""

    def __init__(self, program):
        head, include, *lines = program.splitlines()
        assert head == "OPENQASM 3.0;"
        assert include == 'include "stdgates.inc";'
        self.defined, self.bits = {}, {}
        body = None
        for line in map(str.strip, lines):
            if line.startswith("gate "):
                name, angles, qubits = re.fullmatch(
                    r"gate (\w+)(?:\((.*)\))? (.+) {", line
                ).groups()
                body = []
                self.defined[name] = (
                    angles.split(", ") if angles else [],
                    qubits.split(", "),
                    body,
                )
            elif line == "}":
                body = None
            elif body is not None:
                body.append(line)
            elif line.startswith("qubit"):
                n_qubits = int(re.fullmatch(r"qubit\[(\d+)\] q;", line)[1])
                self.state = np.eye(1, 2**n_qubits).reshape((2,) * n_qubits)
                self.names = {f"q[{i}]": i for i in range(n_qubits)}
            elif " = measure " in line:
                bit, qubit = re.fullmatch(r"meas\[(\d+)\] = measure q\[(\d+)\];", line).groups()
                self.bits[int(bit)] = int(qubit)
            elif not line.startswith(("bit[", "barrier ")):
                self.step(line, {}, self.names)

    def step(self, line, angles, wires):
        name, values, qubits = STEP.fullmatch(line).groups()
        values = [eval(v, {"pi": np.pi}, angles) for v in values.split(", ")] if values else []
        qubits = [wires[qubit] for qubit in qubits.split(", ")]
        if name in self.defined:
            names, places, body = self.defined[name]
            for inner in body:
                inner_wires = dict(zip(places, qubits, strict=True))
                self.step(inner, dict(zip(names, values, strict=True)), inner_wires)
            return
        k = len(qubits)
        gate = STANDARD[name](*values).reshape((2,) * 2 * k)
        state = np.tensordot(gate, self.state, axes=(range(k, 2 * k), qubits))
        self.state = np.moveaxis(state, range(k), qubits)


def test_openqasm_agrees_with_the_exact_simulator():
    for params in every_circuit(3):
        student = fitted(**params)
        done = Interpreter(student.to_openqasm(IMAGE))
        assert done.bits == {0: 0, 1: 1, 2: 2}
        probabilities = np.abs(done.state.ravel()) ** 2
        assert_allclose(probabilities, exact_probabilities(student, IMAGE), atol=1e-6)


def test_a_fixed_program():
    student = fitted(n_qubits=2, encoding="hadamard_ry", ansatz="none", reducer="avg_pool")
    turned = np.pi * np.tanh(scaled_features(student, IMAGE)[0])
    lines = [
        *(
            'OPENQASM 3.0;\ninclude "stdgates.inc";\nbit[2] meas;\nqubit[2] q;',
            "h q[0];",
            "h q[1];",
        ),
        *(f"ry({turned[0]}) q[0];", f"ry({turned[1]}) q[1];", "barrier q[0], q[1];"),
        *("meas[0] = measure q[0];", "meas[1] = measure q[1];", ""),
    ]
    assert student.to_openqasm(IMAGE) == "\n".join(lines)


# QNodes


def test_qnode_and_head_are_the_decision_function():
    for params in every_circuit(3):
        student = fitted(**params)
        outputs = np.stack(student.qnode()(IMAGE))
        if params["measurement"] == "probs":
            assert_allclose(outputs, exact_probabilities(student, IMAGE), atol=1e-6)
            outputs = 2**3 * outputs
        logits = student.head_coef_ @ outputs + student.head_intercept_
        assert_allclose(logits, student.decision_function(IMAGE[None])[0], atol=1e-5)


@pytest.mark.parametrize("measurement", ["probs", "expval"])
@pytest.mark.parametrize("ansatz", ["strongly_entangling", "basic_entangler", "rotations"])
def test_gradient_of_the_qnode(ansatz, measurement):
    student = fitted(n_qubits=3, ansatz=ansatz, measurement=measurement, n_layers=2)
    circuit = student.qnode()
    observable = np.random.default_rng(0).uniform(-1, 1, 8 if measurement == "probs" else 3)

    def loss(weights):
        return qml.math.dot(qml.math.stack(circuit(IMAGE, weights)), observable)

    trained = student.circuit_weights_.astype(float)
    expected = differences(loss, trained)
    assert np.abs(expected).max() > 1e-3
    gradient = qml.grad(loss)(qml.numpy.array(trained, requires_grad=True))
    assert_allclose(gradient, expected, atol=1e-7)
    weights = torch.tensor(trained, requires_grad=True)
    (torch.stack(list(circuit(IMAGE, weights))) @ torch.tensor(observable)).backward()
    assert_allclose(weights.grad.numpy(), expected, atol=1e-7)


def test_the_qnode_starts_from_the_trained_weights(student):
    circuit = student.qnode()
    assert_array_equal(circuit(IMAGE), circuit(IMAGE, student.circuit_weights_.astype(float)))
    others = np.zeros_like(student.circuit_weights_)
    assert np.abs(circuit(IMAGE) - circuit(IMAGE, weights=others)).max() > 0.01


def test_a_qnode_does_not_follow_a_further_fit():
    student = fitted()
    circuit = student.qnode()
    before = circuit(IMAGE)
    student.set_params(random_state=1).fit(X, y)
    assert_array_equal(circuit(IMAGE), before)
    assert np.abs(student.qnode()(IMAGE) - before).max() > 0.01


@pytest.mark.parametrize("device", ["lightning.qubit", "default.mixed"])
def test_qnode_on_other_devices(student, device):
    outputs = student.qnode(device=device)(IMAGE)
    assert_allclose(outputs, exact_probabilities(student, IMAGE), atol=1e-6)


@pytest.mark.parametrize(
    ("device", "options"),
    [
        ("default.qubit", {"seed": 1}),
        ("qiskit.aer", {"seed_simulator": 1}),
    ],
)
def test_qnode_with_shots(student, device, options):
    n_shots = 20000
    exact = exact_probabilities(student, IMAGE)
    outputs = student.qnode(device=device, shots=n_shots, **options)(IMAGE)
    assert_allclose(outputs * n_shots, np.round(outputs * n_shots), atol=1e-6)
    assert np.abs(outputs - exact).max() > 0
    assert (np.abs(outputs - exact) < 5 * np.sqrt(exact * (1 - exact) / n_shots)).all()
    assert_array_equal(student.qnode(device=device, shots=n_shots, **options)(IMAGE), outputs)


# drawings


def test_a_fixed_drawing():
    student = fitted(n_qubits=3, encoding="qubit", ansatz="basic_entangler", n_layers=1)
    a, b, c = (f"{angle:.2f}" for angle in student.circuit_weights_[0])
    assert student.draw() == (
        f"0: ─╭QubitEncoding──RX({a})─╭●────╭X─┤ ╭Probs\n"
        f"1: ─├QubitEncoding──RX({b})─╰X─╭●─│──┤ ├Probs\n"
        f"2: ─╰QubitEncoding──RX({c})────╰X─╰●─┤ ╰Probs"
    )


def test_a_fixed_drawing_of_an_image():
    params = {"n_qubits": 2, "encoding": "hadamard_ry", "reducer": "avg_pool"}
    student = fitted(**params, ansatz="none", measurement="expval")
    a, b = np.pi * np.tanh(scaled_features(student, IMAGE)[0])
    assert student.draw(IMAGE, decimals=3) == (
        f"0: ──H──RY({a:.3f})─┤  <Z>\n1: ──H──RY({b:.3f})─┤  <Z>"
    )
    assert student.draw() == ("0: ─╭HadamardRYEncoding─┤  <Z>\n1: ─╰HadamardRYEncoding─┤  <Z>")


def test_drawings_show_the_trained_angles(student):
    text = student.draw()
    assert text.count("AmplitudeEncoding") == 4
    for turned in student.circuit_weights_.reshape(-1, 3):
        assert "Rot({:.2f},{:.2f},{:.2f})".format(*turned) in text
    assert max(map(len, text.splitlines())) <= 100
    unbroken = student.draw(max_length=1000)
    assert len(unbroken.splitlines()) == 4
    with_image = student.draw(IMAGE, max_length=1000)
    assert with_image.count("RY(") == 15
    assert "AmplitudeEncoding" not in with_image
    assert with_image.splitlines()[0].endswith(unbroken.splitlines()[0].split("Encoding")[1][2:])


def test_a_template_of_a_user_is_drawn_by_its_own_gates():
    def template(weights, wires):
        qml.BasicEntanglerLayers(weights[:1], wires=wires)
        qml.CRot(*weights[1], wires=wires[:2])
        qml.QFT(wires=wires)

    template.shape = (2, 3)
    student = fitted(n_qubits=3, encoding="angle", ansatz=template)
    text = student.draw(max_length=500)
    turned = ",".join(f"{angle:.2f}" for angle in student.circuit_weights_[1])
    assert f"Rot({turned})" in text
    assert text.count("QFT") == 3
    assert text.count("RX(") == 3


def pyplot_state():
    settings = {k: v for k, v in matplotlib.rcParams.copy().items() if k != "backend"}
    return settings, matplotlib.get_backend(auto_select=False), plt.get_fignums()


@pytest.mark.parametrize("x", [None, IMAGE], ids=["box", "image"])
def test_matplotlib_drawing(student, x):
    before = pyplot_state()
    figure, axes = student.draw(x, output="mpl")
    assert pyplot_state() == before
    assert isinstance(figure, Figure)
    assert axes.figure is figure
    figure.canvas.draw()
    labels = [text.get_text() for text in axes.texts]
    assert labels[:4] == ["0", "1", "2", "3"]
    for turned in student.circuit_weights_.reshape(-1, 3):
        assert "Rot\n({:.2f},\n{:.2f},\n{:.2f})".format(*turned) in labels
    assert labels.count("AmplitudeEncoding") == (x is None)
    assert sum(label.startswith("RY\n") for label in labels) == (0 if x is None else 15)


# resources


def test_resources_are_those_counted_by_hand(student):
    resources = student.circuit_resources()
    assert list(resources) == ["preparation", "ansatz", "circuit", "transpiled"]
    assert resources["preparation"] == {
        **{"n_qubits": 4, "n_parameters": 2**4 - 1, "n_gates": 29, "n_two_qubit_gates": 2**4 - 2},
        **{"depth": 26, "gates": {"cx": 14, "ry": 15}},
    }
    # Three layers of RZ, RY, RZ on each qubit and a ring of CNOTs.
    assert resources["ansatz"] == {
        **{"n_qubits": 4, "n_parameters": 36, "n_gates": 48, "n_two_qubit_gates": 12},
        **{"depth": 19, "gates": {"cx": 12, "ry": 12, "rz": 24}},
    }
    assert resources["circuit"] == {
        **{"n_qubits": 4, "n_parameters": 51, "n_gates": 77, "n_two_qubit_gates": 26},
        **{"depth": 45, "gates": {"cx": 26, "ry": 27, "rz": 24}},
    }


@pytest.mark.parametrize("n_qubits", [2, 5])
@pytest.mark.parametrize("ansatz", ANSAETZE)
def test_resources_agree_with_pennylanes(ansatz, n_qubits):
    """And say the same for each image, whose own circuit has those gates."""
    names = {"RX": "rx", "RY": "ry", "RZ": "rz", "CNOT": "cx"}
    student = fitted(n_qubits=n_qubits, ansatz=ansatz, max_iter=1)
    counts = student.circuit_resources()["circuit"]
    own = student.to_qiskit(IMAGE)
    assert counts["gates"] == dict(own.count_ops())
    assert counts["depth"] == own.depth()
    script = qml.tape.make_qscript(student.qnode().func)(IMAGE)
    (script,), _ = qml.transforms.decompose(script, gate_set=set(names))
    specified = script.specs["resources"]
    assert counts["depth"] == specified.depth
    assert counts["gates"] == {names[k]: n for k, n in specified.gate_types.items()}
    assert counts["n_gates"] == specified.num_gates
    assert counts["n_two_qubit_gates"] == specified.gate_sizes.get(2, 0)


@pytest.mark.parametrize(
    ("target", "basis"),
    [
        ({}, {"cx", "rz", "sx", "x"}),
        ({"basis_gates": ["cz", "rz", "sx"], "optimization_level": 3}, {"cz", "rz", "sx"}),
        ({"basis_gates": ("u", "cx"), "optimization_level": 0}, {"u", "cx"}),
        ({"coupling_map": [(0, 1), (1, 2), (2, 3)]}, {"cx", "rz", "sx", "x"}),
        ({"coupling_map": CouplingMap.from_ring(6)}, {"cx", "rz", "sx", "x"}),
        ({"backend": "fake_manila"}, {"cx", "rz", "sx", "x"}),
        ({"backend": "FakeManilaV2"}, {"cx", "rz", "sx", "x"}),
        (
            {"backend": GenericBackendV2(5, ["cz", "rz", "sx"], coupling_map=LINE, seed=0)},
            {"cz", "rz", "sx"},
        ),
    ],
    ids=["default", "cz", "u", "line", "ring", "name", "class", "backend"],
)
def test_transpiled_resources(student, target, basis):
    resources = student.circuit_resources(**target)
    counts = resources["transpiled"]
    assert set(counts["gates"]) <= basis
    assert sum(counts["gates"].values()) == counts["n_gates"] > resources["circuit"]["n_gates"] / 2
    pairs = sum(counts["gates"].get(gate, 0) for gate in ("cx", "cz"))
    assert pairs == counts["n_two_qubit_gates"]
    # Of the 26 CNOTs few can be saved; where qubits are not neighbours there are swaps.
    assert pairs > 26 if "coupling_map" in target or "backend" in target else 20 <= pairs <= 26
    assert counts["n_qubits"] in (4, 5, 6)
    assert counts["n_parameters"] == 51
    assert student.circuit_resources(**target) == resources


def test_resources_print_as_a_table():
    student = fitted(n_qubits=2, encoding="hadamard_ry", ansatz="none", reducer="pca")
    resources = student.circuit_resources(basis_gates=["h", "ry"])
    assert (
        repr(resources)
        == str(resources)
        == (
            "                 preparation  ansatz  circuit  transpiled\n"
            "qubits                     2       2        2           2\n"
            "depth                      2       0        2           2\n"
            "parameters                 2       0        2           2\n"
            "gates                      4       0        4           4\n"
            "two-qubit gates            0       0        0           0\n"
            "  h                        2       0        2           2\n"
            "  ry                       2       0        2           2"
        )
    )


# images, and what is refused

METHODS = ("draw", "to_qiskit", "to_openqasm")


def test_one_row_is_one_image(student):
    for name in METHODS:
        method = getattr(student, name)
        assert method(IMAGE) == method(IMAGE[None]) == method(IMAGE.tolist())
    assert_array_equal(student.qnode()(IMAGE), student.qnode()(IMAGE[None]))


def test_rows_of_a_data_frame(student):
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    named = Student(max_iter=2, random_state=0).fit(frame, y)
    expected = student.to_openqasm(X[25])
    assert named.to_openqasm(frame.iloc[25]) == named.to_openqasm(frame.iloc[[25]]) == expected


def test_refuses_what_is_not_one_image(student):
    methods = [*(getattr(student, name) for name in METHODS), student.qnode()]
    for method in methods:
        with pytest.raises(ValueError, match=r"shape \(60, 64\), but .* one image.*X\[0\]"):
            method(X)
        with pytest.raises(ValueError, match=r"shape \(8, 8\), .*\(64,\).* image\.ravel\(\)"):
            method(IMAGE.reshape(8, 8))
        with pytest.raises(ValueError, match="63 features"):
            method(IMAGE[1:])
        with pytest.raises(ValueError, match="NaN"):
            method(np.full(64, np.nan))
    with pytest.raises(ValueError, match=r"shape \(\)"):
        student.to_qiskit(3.0)


def test_refuses_bad_parameters(student):
    with pytest.raises(ValueError, match=r"output='latex' is not known\. Choose 'text' or 'mpl'"):
        student.draw(output="latex")
    with pytest.raises(ValueError, match=r"'default\.qbit' is not .*'default\.qubit'.*pip"):
        student.qnode(device="default.qbit")
    for shots in (0, -5, 2.5):
        with pytest.raises(ValueError, match=f"shots={shots} is not a positive integer"):
            student.qnode(shots=shots)
    for target, match in [
        ({"backend": "fake_nowhere"}, "'fake_nowhere' is not known.*'fake_manila'"),
        ({"backend": "fake_manila", "basis_gates": ["cx"]}, "Give either backend"),
        ({"backend": "fake_manila", "coupling_map": [(0, 1)]}, "Give either backend"),
        ({"backend": GenericBackendV2(3, seed=0)}, "cannot be transpiled: .*4"),
        ({"coupling_map": [(0, 1), (1, 2)]}, "cannot be transpiled: .*4"),
        ({"basis_gates": ["cx"]}, "cannot be transpiled: "),
        ({"optimization_level": 4}, "optimization_level == 4, must be <= 3"),
    ]:
        with pytest.raises(ValueError, match=match):
            student.circuit_resources(**target)


def test_unfitted():
    for name in ("draw", "qnode", "circuit_resources"):
        with pytest.raises(NotFittedError):
            getattr(Student(), name)()
    for name in ("to_qiskit", "to_openqasm"):
        with pytest.raises(NotFittedError):
            getattr(Student(), name)(IMAGE)


@pytest.mark.parametrize("module", ["qiskit", "qiskit_ibm_runtime"])
def test_a_missing_package_is_named(student, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    match = f"pip install {module.replace('_', '-')}$"
    with pytest.raises(ImportError, match=match):
        student.circuit_resources(backend="fake_manila")
    if module == "qiskit":
        with pytest.raises(ImportError, match=match):
            student.to_openqasm(IMAGE)
    assert "AmplitudeEncoding" in student.draw()


def test_importing_is_cheap():
    heavy = "{'pennylane', 'qiskit'}"
    code = f"import sys, sklqkd.students.circuit_export; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
