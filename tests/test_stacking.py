"""Stacked training: each student is the one that a lone fit gives."""

from itertools import product

import numpy as np
import pennylane as qml
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier

from sklqkd import DistilledMLPClassifier, DistilledQNNClassifier, QNNClassifier
from sklqkd.circuits import compile_ansatz
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.search.runs import SharedFold, prepare_run
from sklqkd.search.stacking import Stack, stack_key, train_runs
from sklqkd.statevector import DenseKernel
from sklqkd.statevector.kernels import can_stack, make_stacked_circuit
from sklqkd.statevector.stacked import StackedCircuit
from sklqkd.statevector.stacked_compiled import CompiledStackedCircuit
from sklqkd.threads import one_thread

both_ways = pytest.mark.parametrize("compiled", [False, True])


@pytest.fixture(scope="module")
def digits():
    """150 images of 3 classes; not a multiple of the batch size."""
    return take_per_class(*load_digits(return_X_y=True), 50, classes=[0, 1, 2])


@pytest.fixture(scope="module")
def teacher_logits(digits):
    teacher = RandomForestClassifier(20, random_state=0).fit(*digits)
    return np.log(np.maximum(teacher.predict_proba(digits[0]), 1e-6))


def student(**params):
    defaults = {"max_iter": 5, "random_state": 0, "ansatz": "basic_entangler"}
    return DistilledQNNClassifier(**defaults | params)


def stacked(students, X, y, compiled=None, **fit_params):
    """Return what a stack gives each of the students, in their order."""
    fold = SharedFold(X, y)
    runs = [prepare_run(student, fold, **fit_params) for student in students]
    assert len({stack_key(run) for run in runs}) == 1
    with one_thread():
        Stack(runs, compiled=compiled).train()
    for run in runs:
        run.keep_best()
    return [run.fitted() for run in runs]


def assert_same_as_lone(students, X, y, compiled=None, **fit_params):
    for own, lone in zip(stacked(students, X, y, compiled, **fit_params), students, strict=True):
        lone.fit(X, y, **fit_params)
        assert own["n_iter_"] == lone.n_iter_
        assert own["validation_scores_"] == lone.validation_scores_
        assert_allclose(own["loss_curve_"], lone.loss_curve_, rtol=1e-5, atol=1e-5)
        assert_allclose(own["parameters_"], lone.parameters_, atol=1e-4)


# circuits


def gates_with_phases(weights, wires):
    qml.ISWAP(wires=wires[:2])
    for layer in weights:
        for angle, wire in zip(layer, wires, strict=True):
            qml.RX(angle, wires=wire)
        for wire in wires[1:]:
            qml.CY(wires=[wires[0], wire])


gates_with_phases.shape = lambda n_layers, n_wires: (n_layers, n_wires)


@both_ways
@pytest.mark.parametrize(
    ("ansatz", "n_qubits"),
    [
        *product(["strongly_entangling", "basic_entangler", "rotations"], [1, 3, 5]),
        *product([gates_with_phases, "none"], [2, 3]),
    ],
)
def test_unitaries_and_gradients_are_those_of_the_dense_kernel(ansatz, n_qubits, compiled):
    program, _ = compile_ansatz(ansatz, n_qubits, 2).split_readout()
    rng = np.random.default_rng(0)
    weights = rng.uniform(0, 6, (3, program.n_weights)).astype(np.float32)
    adjoint = rng.normal(size=(3, 2 << n_qubits, 1 << n_qubits)).astype(np.float32)
    circuit = make_stacked_circuit(program, compiled=compiled)
    unitaries, gradients = circuit.unitaries(weights), circuit.gradient(adjoint)
    kernel, size = DenseKernel(program, np.complex128), 1 << n_qubits
    for k in range(3):
        kernel.prepare(weights[k])
        expected = kernel.forward(np.eye(size))
        assert_allclose(unitaries[k], np.concatenate([expected.real, expected.imag]), atol=1e-6)
        expected, _ = kernel.backward(adjoint[k, :size] + 1j * adjoint[k, size:], False)
        assert_allclose(gradients[k], expected, atol=2e-5 * size)


def gates_of_all_kinds(weights, wires):
    qml.CNOT(wires[:2])
    for angle, wire in zip(weights, wires, strict=True):
        qml.RY(angle, wires=wire)
    qml.QubitUnitary(qml.matrix(qml.IsingXX(0.3, wires=[0, 1])), wires=wires[:2])
    qml.Hadamard(wires[0])


gates_of_all_kinds.shape = lambda n_layers, n_wires: (n_wires,)


def test_constant_gates_anywhere(digits):
    program = compile_ansatz(gates_of_all_kinds, 3, 1)
    assert type(make_stacked_circuit(program, compiled=True)) is StackedCircuit
    students = [student(n_qubits=3, ansatz=gates_of_all_kinds, random_state=s) for s in (0, 1)]
    assert_same_as_lone(students, *digits)


def test_the_circuit_is_compiled_where_numba_is_installed(monkeypatch):
    program = compile_ansatz("basic_entangler", 3, 1).split_readout()[0]
    assert type(make_stacked_circuit(program)) is CompiledStackedCircuit
    assert type(make_stacked_circuit(program, compiled=False)) is StackedCircuit
    monkeypatch.setattr("sklqkd.statevector.kernels.find_spec", lambda name: None)
    assert type(make_stacked_circuit(program)) is StackedCircuit


@pytest.mark.parametrize(("n_qubits", "pays"), [(1, True), (5, True), (6, False)])
def test_stacks_are_for_few_qubits(n_qubits, pays):
    assert can_stack(compile_ansatz("rotations", n_qubits, 1)) is pays


def angles_that_share_weights(weights, wires):
    for layer in weights:
        for wire in wires:
            qml.RY(2 * layer[0] + 0.3, wires=wire)
        qml.RX(layer[1], wires=wires[0])
        qml.RY(0.5 - layer[1], wires=wires[1])
        qml.CNOT(wires=wires[:2])


angles_that_share_weights.shape = lambda n_layers, n_wires: (n_layers, 2)


@both_ways
def test_offsets_and_shared_weights(digits, compiled):
    shape = {"n_qubits": 3, "ansatz": angles_that_share_weights}
    students = [student(random_state=seed, **shape) for seed in (0, 1)]
    assert_same_as_lone(students, *digits, compiled)


# students


@both_ways
@pytest.mark.parametrize("reducer", ["pca", "fc"])
@pytest.mark.parametrize("encoding", ["amplitude", "angle", "qubit", "hadamard_ry"])
@pytest.mark.parametrize("measurement", ["probs", "expval"])
def test_every_shape(digits, teacher_logits, reducer, encoding, measurement, compiled):
    shape = {"reducer": reducer, "encoding": encoding, "measurement": measurement}
    students = [
        student(temperature=1, lam=0.3, **shape),
        student(temperature=4, lam=0.9, learning_rate_init=0.03, **shape),
        student(lam=0, random_state=1, **shape),
    ]
    assert_same_as_lone(students, *digits, compiled, teacher_logits=teacher_logits)


@both_ways
def test_any_loss_schedule_and_length_in_one_stack(digits, teacher_logits, compiled):
    changes = [
        {"distillation": "paper"},
        {"temperature": ("linear", 6, 1), "lam": ("cosine", 0.9, 0.1), "max_iter": 3},
        {"tol": 10.0, "n_iter_no_change": 2},
        {"shuffle": False, "max_iter": 1},
    ]
    students = [student(reducer="avg_pool", **change) for change in changes]
    assert_same_as_lone(students, *digits, compiled, teacher_logits=teacher_logits)
    changes = ("dist", "decoupled", "standardized", "logit_mse", "label_smoothing")
    students += [student(reducer="avg_pool", distillation=name) for name in changes]
    assert_same_as_lone(students, *digits, compiled, teacher_logits=teacher_logits)


@both_ways
@pytest.mark.parametrize("distillation", ["hinton", "paper"])
def test_sample_weights(digits, teacher_logits, distillation, compiled):
    weights = np.random.default_rng(0).uniform(0, 2, len(digits[1]))
    students = [student(lam=lam, distillation=distillation) for lam in (0, 0.4)]
    fit_params = {"teacher_logits": teacher_logits, "sample_weight": weights}
    assert_same_as_lone(students, *digits, compiled, **fit_params)


def test_early_stopping(digits, teacher_logits):
    options = {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 12, "reducer": "pca"}
    students = [student(random_state=seed, **options) for seed in range(4)]
    assert_same_as_lone(students, *digits, teacher_logits=teacher_logits)
    assert len({student.n_iter_ for student in students}) > 1


def test_unlabelled_images(digits, teacher_logits):
    X, y = digits
    y = np.where(np.arange(len(y)) % 3, y, -1)
    students = [student(temperature=t) for t in (1, 3)]
    assert_same_as_lone(students, X, y, teacher_logits=teacher_logits)


def test_several_teachers_and_temperatures(digits):
    X, y = digits
    teachers = [RandomForestClassifier(5, random_state=s).fit(X, y) for s in (0, 1)]
    students = [
        student(teacher=teachers, temperature=[2, t], teacher_weights=[1, 3], reducer="pca")
        for t in (2, 5)
    ]
    assert_same_as_lone(students, X, y)


def test_the_optimiser_goes_along(digits):
    students = [QNNClassifier(warm_start=True, max_iter=2, random_state=s) for s in (0, 1)]
    for own, lone in zip(stacked(students, *digits), students, strict=True):
        moments, n_steps = own["optimizer_state_"]
        expected, expected_steps = lone.fit(*digits).optimizer_state_
        assert n_steps == expected_steps
        # The gradient of an angle without effect is nothing but rounding.
        assert_allclose(moments, expected, atol=1e-4)


# what is shared, and what is not


class CountingForest(RandomForestClassifier):
    asked = 0

    def predict_proba(self, X):
        CountingForest.asked += 1
        return super().predict_proba(X)


def test_teacher_and_reducer_are_asked_once(digits):
    X, y = digits
    teacher = CountingForest(5, random_state=0).fit(X, y)
    fold = SharedFold(X, y)
    CountingForest.asked = 0
    runs = [
        prepare_run(student(teacher=teacher, reducer="pca", temperature=t), fold) for t in (1, 3)
    ]
    assert CountingForest.asked == 1
    assert runs[0].features is runs[1].features
    assert runs[0].reducer is runs[1].reducer
    # The reducer's seed is drawn from the student's.
    other = prepare_run(student(teacher=teacher, reducer="pca", random_state=1), fold)
    assert other.features is not runs[0].features
    assert CountingForest.asked == 1


@pytest.mark.parametrize(
    "lone",
    [
        QNNClassifier(n_qubits=6, max_iter=2, random_state=0),
        QNNClassifier(shots=100, max_iter=2, random_state=0),
        QNNClassifier(reducer="conv", max_iter=1, random_state=0),
        DistilledMLPClassifier(max_iter=2, random_state=0),
    ],
    ids=["6 qubits", "shots", "conv", "classical"],
)
def test_what_cannot_be_stacked_is_trained_alone(digits, lone):
    X, y = digits
    runs = [prepare_run(lone, SharedFold(X, y)) for _ in range(2)]
    assert stack_key(runs[0]) is None
    train_runs(runs)
    lone.fit(X, y)
    for run in runs:
        assert_array_equal(run.fitted()["parameters_"], lone.parameters_)


def test_shapes_part_stacks(digits):
    fold = SharedFold(*digits)
    students = [student(n_qubits=n, max_iter=2, random_state=s) for n in (2, 3) for s in (0, 1)]
    runs = [prepare_run(student, fold) for student in students]
    assert len({stack_key(run) for run in runs}) == 2
    train_runs(runs)
    for run, lone in zip(runs, students, strict=True):
        assert_allclose(run.fitted()["parameters_"], lone.fit(*digits).parameters_, atol=1e-4)
