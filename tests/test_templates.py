"""Templates of other shapes and arguments, QNodes on devices, and one trace per fitted circuit."""

import copy
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pennylane as qml
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklqkd import QNNClassifier
from sklqkd.circuits import ansatz_shape, compile_ansatz
from sklqkd.circuits.tracing import probes
from sklqkd.datasets import load_digits
from sklqkd.statevector import FactoredKernel

from .reference import default_qubit, random_states

X, Y = load_digits(return_X_y=True)
X, Y = X[Y < 3][:30], Y[Y < 3][:30]


def written(ansatz, message):
    """Return the ansatz that the three lines of a message define."""
    lines = message[message.index("def ansatz") :].splitlines()
    assert len(lines) == 3
    names = {"qml": qml, getattr(ansatz, "__name__", "template"): ansatz}
    exec("\n".join(lines), names)
    return names["ansatz"]


def my_layers(first, weights, wires):
    for angle, wire in zip(first, wires, strict=True):
        qml.RX(angle, wire)
    qml.BasicEntanglerLayers(weights, wires=wires)


my_layers.shape = lambda n_layers, n_wires: [(n_wires,), (n_layers, n_wires)]


def no_shape(weights, wires):
    qml.BasicEntanglerLayers(weights, wires=wires)


def no_wires(weights):
    qml.BasicEntanglerLayers(weights, wires=range(4))


no_wires.shape = (2, 4)


@pytest.mark.parametrize(
    ("ansatz", "n_weights"),
    [
        (qml.SimplifiedTwoDesign, 4 + 2 * 3 * 2),
        (qml.RandomLayers, 8),
        (qml.AngleEmbedding, 4),
        (qml.QFT, 0),
        (my_layers, 4 + 8),
        (no_shape, 8),
        (no_wires, 8),
    ],
)
def test_the_three_lines_of_the_message_work(ansatz, n_weights):
    student = QNNClassifier(ansatz=ansatz, n_layers=2, max_iter=2, random_state=0)
    with pytest.raises(ValueError, match=r"Wrap it, for example:\ndef ansatz") as caught:
        student.fit(X, Y)
    wrapped = written(ansatz, str(caught.value))
    assert np.prod(ansatz_shape(wrapped, 4, 2)) == n_weights
    program = compile_ansatz(wrapped, 4, 2)
    rng = np.random.default_rng(0)
    weights, states = rng.uniform(-4, 4, wrapped.shape), random_states(rng, 4)
    kernel = FactoredKernel(program, np.complex128)
    kernel.prepare(weights.ravel())
    expected = np.abs(default_qubit(wrapped, weights, 4, states)) ** 2
    assert_allclose(kernel.probabilities(states), expected, atol=1e-12)
    student.set_params(ansatz=wrapped).fit(X, Y)
    assert student.n_parameters_["quantum"] == n_weights


@pytest.mark.parametrize("ansatz", [qml.GateFabric, qml.QAOAEmbedding, qml.AllSinglesDoubles])
def test_what_a_template_needs_besides_is_left_open(ansatz):
    with pytest.raises(ValueError, match=r"=\.\.\..*\n.*\nwith what the template needs"):
        compile_ansatz(ansatz, 4, 2)


def test_shapes_of_one_argument_or_of_more_are_asked_for_what_they_take():
    assert ansatz_shape(qml.ArbitraryUnitary, 2, 3) == (15,)

    def template(weights, wires):
        pass

    template.shape = lambda n_wires: (n_wires,)
    assert ansatz_shape(template, 5, 3) == (5,)
    template.shape = lambda **sizes: (sizes["n_wires"], sizes["n_layers"])
    assert ansatz_shape(template, 5, 3) == (5, 3)
    template.shape = lambda n_layers, n_wires, n_more=2: (n_layers, n_wires, n_more)
    assert ansatz_shape(template, 5, 3) == (3, 5, 2)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (2, "it is 2"),
        (np.array([2, 3]), r"it is array\(\[2, 3\]\)"),
        ((2, -1), r"it is \(2, -1\)"),
        ((2.0,), r"it is \(2\.0,\)"),
        (lambda layers, qubits: (2,), "its shape wants layers, qubits as well"),
    ],
)
def test_a_shape_that_is_none_is_refused(shape, words):
    def template(weights, wires):
        qml.RX(weights[0], wires=0)

    template.shape = shape
    with pytest.raises(ValueError, match=f"no `shape` that can be used: {words}"):
        ansatz_shape(template, 3, 2)


def test_errors_of_a_template_say_how_it_was_called():
    def template(weights, wires):
        return weights[17]

    template.shape = (2,)
    with pytest.raises(ValueError, match=r"weights of the shape \(2,\), it raises IndexError"):
        compile_ansatz(template, 3, 1)


def test_a_qnode_is_no_template():
    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(weights, wires):
        qml.RX(weights[0], wires=0)
        return qml.probs(wires=wires)

    circuit.shape = (2,)
    with pytest.raises(ValueError, match="is a QNode"):
        compile_ansatz(circuit, 2, 1)


def test_a_template_without_gates_is_refused():
    def template(weights, wires):
        """Forgot the gates."""

    template.shape = (2,)
    with pytest.raises(ValueError, match="queues no gate"):
        compile_ansatz(template, 2, 1)


# devices for QNodes


@pytest.fixture(scope="module")
def student():
    return QNNClassifier(max_iter=2, random_state=0).fit(X, Y)


@pytest.mark.parametrize("name", ["default.qubit", "lightning.qubit", "default.mixed"])
@pytest.mark.parametrize("wires", [4, 6])
def test_a_qnode_runs_on_a_device_of_the_user(student, name, wires):
    device = qml.device(name, wires=wires)
    circuit = student.qnode(device=device)
    assert circuit.device is device
    logits = student.head_coef_ @ (16 * circuit(X[0])) + student.head_intercept_
    assert_allclose(logits, student.decision_function(X[:1])[0], atol=1e-5)


def test_a_device_without_numbered_wires_and_with_shots(student):
    exact = student.qnode()(X[0])
    assert_allclose(student.qnode(device=qml.device("default.qubit"))(X[0]), exact, atol=1e-12)
    counted = student.qnode(device=qml.device("default.qubit", wires=4, seed=0), shots=100)(X[0])
    assert_allclose(counted * 100, np.round(counted * 100), atol=1e-9)


def test_devices_that_do_not_fit_are_refused(student):
    with pytest.raises(ValueError, match=r"wires \[0, 1\], but .* wires 0 to 3.*wires=4"):
        student.qnode(device=qml.device("default.qubit", wires=2))
    with pytest.raises(ValueError, match=r"wires \['a'.*wires=4"):
        student.qnode(device=qml.device("default.qubit", wires=["a", "b", "c", "d"]))
    with pytest.raises(ValueError, match="made already, and cannot take 'seed'"):
        student.qnode(device=qml.device("default.qubit", wires=4), seed=1)
    with pytest.raises(ValueError, match=r"device=3 is not installed.*qml\.device"):
        student.qnode(device=3)


# one trace per fitted circuit


class Counted:
    """A template that counts its calls."""

    shape = (4,)

    def __init__(self, gate=qml.RX):
        self.gate, self.n_calls = gate, 0

    def __call__(self, weights, wires):
        self.n_calls += 1
        for weight, wire in zip(weights, wires, strict=True):
            self.gate(weight, wires=wire)
        qml.CNOT(wires=wires[:2])


N_PROBES = len(probes(4))


def test_a_fit_and_its_predictions_trace_once():
    ansatz = Counted()
    student = QNNClassifier(ansatz=ansatz, max_iter=2, random_state=0).fit(X, Y)
    assert ansatz.n_calls == N_PROBES
    for _ in range(3):
        student.predict(X), student.predict_proba(X[:1])
    assert ansatz.n_calls == N_PROBES
    student.set_params(backend="default.qubit")
    for _ in range(3):
        student.predict(X[:2]), student.circuit_resources(), student.to_qiskit(X[0])
    assert ansatz.n_calls == 2 * N_PROBES  # once more, for gates by name
    student.set_params(backend="statevector").fit(X, Y)
    assert ansatz.n_calls == 3 * N_PROBES


def test_predictions_are_those_of_the_circuit_that_was_fitted():
    ansatz, other = Counted(), Counted(qml.RY)
    student = QNNClassifier(ansatz=ansatz, max_iter=5, random_state=0).fit(X, Y)
    before = student.predict_proba(X)
    student.set_params(ansatz=other, n_layers=7, n_qubits=3)
    assert_array_equal(student.predict_proba(X), before)
    assert other.n_calls == 0
    student.set_params(n_qubits=4).fit(X, Y)
    again = clone(student).fit(X, Y)
    assert_array_equal(student.predict_proba(X), again.predict_proba(X))
    assert np.abs(student.predict_proba(X) - before).max() > 1e-3


def test_a_fit_reads_a_template_that_has_changed_anew():
    ansatz = Counted()
    student = QNNClassifier(ansatz=ansatz, max_iter=5, random_state=0).fit(X, Y)
    before = student.predict_proba(X)
    ansatz.gate = qml.RY
    assert_array_equal(student.predict_proba(X), before)
    student.fit(X, Y)
    fresh = QNNClassifier(ansatz=Counted(qml.RY), max_iter=5, random_state=0).fit(X, Y)
    assert_array_equal(student.predict_proba(X), fresh.predict_proba(X))


def test_two_lambdas_are_two_circuits():
    ansaetze = [lambda w, wires, g=g: [g(a, b) for a, b in zip(w, wires)] for g in (qml.RX, qml.RY)]  # noqa: B905
    students = []
    for ansatz in ansaetze:
        ansatz.shape = (4,)
        students.append(QNNClassifier(ansatz=ansatz, max_iter=5, random_state=0).fit(X, Y))
    for fitted in students:
        outputs = 16 * fitted.qnode()(X[0])
        logits = fitted.head_coef_ @ outputs + fitted.head_intercept_
        assert_allclose(fitted.decision_function(X[:1])[0], logits, atol=1e-5)
    assert np.abs(students[0].predict_proba(X) - students[1].predict_proba(X)).max() > 1e-3


def test_copies_files_and_a_failed_fit():
    student = QNNClassifier(ansatz=Counted(), max_iter=2, random_state=0).fit(X, Y)
    size = len(pickle.dumps(student))
    expected = student.predict_proba(X)
    assert len(pickle.dumps(student)) == size  # nothing is kept in the student
    for other in (pickle.loads(pickle.dumps(student)), copy.copy(student), copy.deepcopy(student)):
        assert_array_equal(other.predict_proba(X), expected)
    with pytest.raises(ValueError, match="no `shape` that can be used"):
        student.set_params(ansatz=no_shape).fit(X, Y)
    assert_array_equal(student.predict_proba(X), expected)


def test_threads_share_the_trace():
    student = pickle.loads(
        pickle.dumps(QNNClassifier(ansatz=Counted(), max_iter=2, random_state=0).fit(X, Y))
    )
    expected = copy.deepcopy(student).predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: student.predict_proba(X), range(20)):
            assert_array_equal(result, expected)


def test_messages_name_the_template_as_a_program_would():
    with pytest.raises(ValueError, match=re.escape("The ansatz qml.SimplifiedTwoDesign has")):
        ansatz_shape(qml.SimplifiedTwoDesign, 4, 2)
