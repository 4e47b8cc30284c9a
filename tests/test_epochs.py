"""Epochs in compiled loops: against PennyLane and torch, and the same in a search and alone."""

import importlib
import os
import subprocess
import sys
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pennylane as qml
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier

from sklqkd import DistilledMLPClassifier, DistilledQNNClassifier, QNNClassifier
from sklqkd.circuits import ansatz_shape, ansatz_template, compile_ansatz
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.encodings import make_encoding
from sklqkd.losses import DISTILLATION_LOSSES, with_constants
from sklqkd.search.shared_runs import SharedFold, prepare_run
from sklqkd.statevector.compilation import compiled, forget_older
from sklqkd.statevector.unitary import UnitaryCircuit, angles, can_be_unitary, unitary
from sklqkd.threads import one_thread
from sklqkd.training.encoding_loops import Encoder, encode, encoding_gradient
from sklqkd.training.epochs import CompiledPass, Pass
from sklqkd.training.loss_loops import losses, soft_losses
from sklqkd.training.objective import Lesson, Objective

from .reference import differences


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


# circuits


def gates_with_phases(weights, wires):
    for layer in weights:
        for angle, wire in zip(layer, wires, strict=True):
            qml.RX(angle, wires=wire)
            qml.S(wires=wire)
        for wire in wires[1:]:
            qml.CY(wires=[wires[0], wire])
        qml.ISWAP(wires=wires[:2])
    for angle, wire in zip(weights[0], wires, strict=True):
        qml.RY(0.5 - 2 * angle, wires=wire)


gates_with_phases.shape = lambda n_layers, n_wires: (n_layers, n_wires)


@pytest.mark.parametrize(
    ("ansatz", "n_qubits"),
    [
        *product(["strongly_entangling", "basic_entangler", "rotations"], [1, 3, 6]),
        *product([gates_with_phases], [2, 3]),
    ],
)
def test_unitaries_and_gradients_are_pennylanes(ansatz, n_qubits):
    program, permutation = compile_ansatz(ansatz, n_qubits, 2).split_readout()
    assert can_be_unitary(program)
    rng = np.random.default_rng(0)
    weights = rng.uniform(0, 6, program.n_weights)
    template, shape = ansatz_template(ansatz), ansatz_shape(ansatz, n_qubits, 2)
    wires = range(n_qubits)

    def matrix(values):
        """Return real part above imaginary part, but for the read-out's phases, of squares."""
        return qml.matrix(template, wire_order=wires)(values.reshape(shape), wires)

    circuit = UnitaryCircuit.of(program)
    gradient = np.empty(program.n_weights, np.float32)
    states = rng.normal(size=(2**n_qubits, 4))
    observable = rng.normal(size=(2**n_qubits, 4))

    def value(values):
        return (observable * np.abs(matrix(values) @ states) ** 2).sum()

    for _ in range(2):  # the memory that it works in is used again
        unitary(circuit, weights.astype(np.float32))
        found = circuit.kept[-1][0] + 1j * circuit.kept[-1][1]
        final = (found @ states)[permutation]
        assert_allclose(np.abs(final), np.abs(matrix(weights) @ states), atol=1e-5)
        towards = np.zeros_like(final)
        towards[permutation] = 2 * observable * final
        towards = towards @ states.T
        planes = np.stack([towards.real, towards.imag]).astype(np.float32)
        angles(circuit, planes, gradient)
        assert_allclose(gradient, differences(value, weights), atol=1e-5 * np.abs(towards).sum())


def test_what_is_no_unitary_of_layers():
    def controlled(weights, wires):
        qml.CRX(weights[0], wires=wires[:2])

    controlled.shape = (1,)
    programs = [
        compile_ansatz("strongly_entangling", 7, 1),
        compile_ansatz("none", 3, 1),
        compile_ansatz(controlled, 2, 1),
    ]
    assert not any(can_be_unitary(program.split_readout()[0]) for program in programs)


def test_what_was_compiled_before_a_change_is_forgotten(tmp_path, monkeypatch):
    (tmp_path / "caller.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sklqkd.statevector.compilation._WRITTEN", 0.0)
    double = compiled(importlib.import_module("caller").double)
    assert double(3) == 6
    indices = list(Path(double.stats.cache_path).glob("caller.double-*.nbi"))
    assert len(indices) == 1
    written = indices[0].stat().st_mtime
    forget_older(double, written)
    assert indices[0].exists()
    forget_older(double, written + 1)
    assert not indices[0].exists()


def test_what_was_just_compiled_gives_what_is_loaded(tmp_path):
    """To the last bit: a checkpoint may be written by the one and go on in the other."""
    code = (
        "import hashlib, sys; import numpy as np; from sklqkd import QNNClassifier\n"
        "X = np.random.default_rng(0).uniform(size=(90, 36))\n"
        "student = QNNClassifier(max_iter=2, random_state=0).fit(X, np.arange(90) % 3)\n"
        "print(hashlib.md5(student.parameters_.tobytes()).hexdigest())\n"
    )
    package = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(package), "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    runs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [bool(run.stderr) for run in runs] == [True, False]
    assert "Compiling the training loops, once on this machine" in runs[0].stderr
    assert runs[0].stdout == runs[1].stdout


# losses


BY_STEPS = ("multi_level", "relational", "quantum_relational")
KNOWN = {
    **{name: loss for name, loss in DISTILLATION_LOSSES.items() if name not in BY_STEPS},
    "weighted": with_constants("decoupled", alpha=3.0, beta=0.5),
    "correlated": with_constants("dist", gamma=3.0, beta=0.5),
    "more smoothing": with_constants("label_smoothing", epsilon=0.4),
    "another teacher": with_constants("virtual_teacher", probability=0.7),
}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [1.0, 300.0])
def test_losses_are_those_of_the_objective(name, weighted, size):
    """Which are held to torch's and to finite differences by their own tests."""
    rng = np.random.default_rng(0)
    n, loss = 20, KNOWN[name]
    one_hot = np.eye(5)[rng.integers(5, size=n)]
    lessons = [
        Lesson(loss.targets(rng.normal(size=(n, 5)) * size, t), t, share)
        for t, share in ((1.0, 0.3), (4.0, 0.7))
    ]
    weights = rng.uniform(0, 2, (2, n)) if weighted else (None, None)
    objective = Objective(one_hot, loss, lessons, 0.3, *weights)
    logits = (rng.normal(size=(8, 5)) * size).astype(np.float32)
    rows = rng.permutation(n)[:7]
    expected, expected_slopes = objective(logits[:7].astype(float), rows)
    slopes = np.empty_like(logits)
    found = losses(rows, soft_losses(objective, 8), logits, slopes)
    assert found / 7 == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert_allclose(slopes[:7], expected_slopes, atol=1e-6 if size == 1 else 1e-5)


def test_other_losses_have_no_loops():
    for name in BY_STEPS:
        objective = Objective(np.eye(3), DISTILLATION_LOSSES[name], [Lesson(np.eye(3), 1.0)], 0.5)
        assert soft_losses(objective, 3) is None
    own = DISTILLATION_LOSSES["hinton"]._replace(loss=lambda *given: given)
    objective = Objective(np.eye(3), own, [Lesson(np.eye(3), 1.0)], 0.5)
    assert soft_losses(objective, 3) is None
    assert soft_losses(Objective(np.eye(3)), 3) is not None


# whole epochs


def torch_training(run, X, targets, temperature, lam, n_epochs):
    """Train what a run would train, by PennyLane, torch and its Adam in double precision."""
    circuit, network = run.student.get_params(deep=False), run.network
    n_qubits, encoding = circuit["n_qubits"], circuit["encoding"]
    wires = range(n_qubits)
    parts = [torch.tensor(part.astype(float)) for part in network.parts(network.parameters)]
    for part in parts:
        part.requires_grad_()
    front_end, weights, coef, intercept = parts

    @qml.qnode(qml.device("default.qubit", wires=n_qubits), interface="torch")
    def measured(squashed):
        if encoding == "amplitude":
            qml.StatePrep(squashed / squashed.norm(dim=1, keepdim=True), wires=wires)
        else:
            for q in wires:
                if encoding == "hadamard_ry":
                    qml.Hadamard(q)
                qml.RY(torch.pi * squashed[:, q], wires=q)
            for q in wires if encoding == "qubit" else ():
                qml.RZ(torch.pi * squashed[:, n_qubits + q], wires=q)
        template = ansatz_template(circuit["ansatz"])
        template(weights.reshape(ansatz_shape(circuit["ansatz"], n_qubits, 3)), wires)
        if circuit["measurement"] == "probs":
            return qml.probs(wires=wires)
        return [qml.expval(qml.PauliZ(wire)) for wire in wires]

    optimizer = torch.optim.Adam(parts, lr=circuit["learning_rate_init"])
    rng = np.random.default_rng()
    rng.bit_generator.state = run.rng.bit_generator.state
    X, targets = torch.tensor(X), torch.tensor(targets)
    one_hot = torch.tensor(run.objective.one_hot.astype(float))
    curve = []
    for _ in range(n_epochs):
        order, total = rng.permutation(len(X)), 0.0
        for start in range(0, len(X), circuit["batch_size"]):
            rows = order[start : start + circuit["batch_size"]]
            features = X[rows]
            if len(front_end):
                n_components = len(front_end) // (X.shape[1] + 1)
                matrix = front_end[:-n_components].reshape(n_components, -1)
                features = features @ matrix.T / X.shape[1] ** 0.5 + front_end[-n_components:]
            outputs = measured(torch.tanh(features))
            if circuit["measurement"] == "probs":
                outputs = outputs * 2**n_qubits
            else:
                outputs = torch.stack(list(outputs), dim=1)
            logits = outputs @ coef.T + intercept
            soft = torch.log_softmax(logits / temperature, dim=1)
            divergence = torch.nn.functional.kl_div(soft, targets[rows], reduction="none").sum(1)
            hard = -(one_hot[rows] * torch.log_softmax(logits, dim=1)).sum(1)
            loss = ((1 - lam) * hard + lam * temperature**2 * divergence).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        curve.append(total / len(X))
    return curve, torch.cat([part.detach().ravel() for part in parts]).numpy()


@pytest.mark.parametrize("encoding", ["amplitude", "angle", "qubit", "hadamard_ry"])
@pytest.mark.parametrize("measurement", ["probs", "expval"])
@pytest.mark.parametrize("reducer", ["fc", None])
def test_training_is_pennylanes_and_torchs(encoding, measurement, reducer):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4)) if reducer is None else rng.uniform(size=(50, 9))
    if encoding in ("angle", "hadamard_ry") and reducer is None:
        X = X[:, :2]
    y = rng.integers(3, size=50)
    teacher = rng.normal(size=(50, 3)) + 2 * np.eye(3)[y]
    targets = np.exp(teacher / 2) / np.exp(teacher / 2).sum(axis=1, keepdims=True)
    own = DistilledQNNClassifier(
        reducer=reducer,
        encoding=encoding,
        measurement=measurement,
        n_qubits=2,
        temperature=2,
        lam=0.6,
        batch_size=16,
        random_state=0,
    )
    run = prepare_run(own, SharedFold(X, y), teacher_logits=teacher)
    curve, parameters = torch_training(run, run.features.astype(float), targets, 2, 0.6, 2)
    run.epoch(0)
    assert type(run._pass) is CompiledPass
    run.epoch(1)
    assert_allclose(run.loss_curve, curve, rtol=1e-5)
    # The gradient of an angle without effect is nothing but rounding, and Adam follows it.
    has_effect = run.optimizer.second_moment > 1e-10
    assert has_effect.mean() > 0.8
    assert_allclose(run.network.parameters[has_effect], parameters[has_effect], atol=1e-4)


def test_black_images_and_early_stopping(digits):
    """A black image has no direction: its state is |0...0>, and its pixels get no gradient."""
    X, y = digits[0].copy(), digits[1]
    X[:5] = 0
    own = QNNClassifier(reducer="fc", early_stopping=True, max_iter=8, random_state=0)
    assert np.isfinite(own.fit(X, y).loss_curve_).all()
    fixed = QNNClassifier(reducer="avg_pool", n_qubits=2, max_iter=3, random_state=0).fit(X, y)
    assert np.isfinite(fixed.parameters_).all()


# searches


def assert_same_as_lone(students, X, y, **fit_params):
    fold = SharedFold(X, y)
    runs = [prepare_run(student, fold, **fit_params) for student in students]
    for run, lone in zip(runs, students, strict=True):
        with one_thread():
            while not run.has_ended:
                run.epoch(run.n_iter)
        run.keep_best()
        own = run.fitted()
        lone.fit(X, y, **fit_params)
        for name in ("n_iter_", "validation_scores_", "loss_curve_"):
            assert own[name] == getattr(lone, name)
        assert_array_equal(own["parameters_"], lone.parameters_)
        if lone.warm_start:
            (moments, n_steps), (expected, expected_steps) = (
                own["optimizer_state_"],
                lone.optimizer_state_,
            )
            assert_array_equal(moments, expected)
            assert n_steps == expected_steps
    return runs


def test_a_run_of_a_search_is_a_lone_fit_bit_for_bit(digits, teacher_logits):
    X, y = digits
    changes = [
        {"distillation": "paper", "reducer": "fc"},
        {"temperature": ("linear", 6, 1), "lam": ("cosine", 0.9, 0.1), "max_iter": 3},
        {"tol": 10.0, "n_iter_no_change": 2},
        {"shuffle": False, "max_iter": 1, "reducer": "avg_pool", "warm_start": True},
        {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 12, "reducer": "pca"},
        {"ansatz": gates_with_phases, "n_qubits": 3},
        {"n_qubits": 6, "max_iter": 2},
        {"n_qubits": 7, "max_iter": 1},
        {"reducer": "conv", "max_iter": 1},
        *(
            {"distillation": name, "reducer": "pca" if loss.states is None else "fc"}
            for name, loss in DISTILLATION_LOSSES.items()
        ),
    ]
    students = [student(**change) for change in changes]
    assert_same_as_lone(students, X, y, teacher_logits=teacher_logits)
    weights = np.random.default_rng(0).uniform(0, 2, len(y))
    given = {"teacher_logits": teacher_logits, "sample_weight": weights}
    assert_same_as_lone([student(lam=lam) for lam in (0, 0.4)], X, y, **given)
    marked = np.where(np.arange(len(y)) % 3, y, -1)
    assert_same_as_lone([student(temperature=3)], X, marked, teacher_logits=teacher_logits)


def test_other_students_of_a_search(digits):
    X, y = digits
    teachers = [RandomForestClassifier(5, random_state=s).fit(X, y) for s in (0, 1)]
    students = [
        student(teacher=teachers, temperature=[2, t], teacher_weights=[1, 3], reducer="pca")
        for t in (2, 5)
    ]
    assert_same_as_lone(students, X, y)
    others = [
        QNNClassifier(shots=100, max_iter=2, random_state=0),
        DistilledMLPClassifier(max_iter=2, random_state=0),
    ]
    assert_same_as_lone(others, X, y)


def test_the_loops_know_black_images():
    """Features that are all 0 give |0...0>, and have no gradient; others are not touched by it."""

    @compiled
    def there_and_back(encoder, features, states, towards, gradient):
        encode(encoder, features, states)
        encoding_gradient(encoder, states, towards, gradient)

    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, 3)).astype(np.float32)
    features[1] = 0
    towards = rng.normal(size=(3, 4)).astype(np.float32)
    states, gradient = np.empty((3, 4), np.float32), np.empty((3, 3), np.float32)
    encoder = Encoder.of(make_encoding("amplitude", 2), 3, 3)
    there_and_back(encoder, features, states, towards, gradient)
    assert_array_equal(states[1], [1, 0, 0, 0])
    assert_array_equal(gradient[1], 0)

    def value(x):
        squashed = np.tanh(x[[0, 2]])
        unit = squashed / np.linalg.norm(squashed, axis=1, keepdims=True)
        return (unit * towards[[0, 2], :3]).sum()

    expected = differences(value, features.astype(float))
    assert_allclose(gradient, expected, atol=1e-5)


def test_an_encoding_without_loops_trains_on_fixed_features(digits, monkeypatch):
    X, y = digits[0][:, 20:24], digits[1]
    own = QNNClassifier(n_qubits=2, reducer=None, max_iter=2, random_state=0)
    expected = own.fit(X, y).parameters_
    for name in (None, "mine"):
        monkeypatch.setattr("sklqkd.encodings.AmplitudeEncoding.loops", name)
        assert_array_equal(own.fit(X, y).parameters_, expected)
        trained = QNNClassifier(n_qubits=2, reducer="fc", max_iter=1, random_state=0).fit(X, y)
        assert np.isfinite(trained.parameters_).all()


@pytest.mark.parametrize("name", ["hinton", "dist", "multi_level"])
def test_the_way_of_a_step_does_not_matter(digits, teacher_logits, name, monkeypatch):
    """Loops for the loss, or the loss called between the halves of a step, or step by step."""
    curves = []
    loss = DISTILLATION_LOSSES[name]
    own = loss._replace(loss=partial(lambda *given: loss.loss(*given)))
    for distillation in (loss, own):
        curves.append(
            student(distillation=distillation, reducer="pca")
            .fit(*digits, teacher_logits=teacher_logits)
            .loss_curve_
        )
    monkeypatch.setattr("sklqkd.students.training_run.make_pass", lambda *args: Pass(*args[:4]))
    by_steps = student(distillation=loss, reducer="pca")
    curves.append(by_steps.fit(*digits, teacher_logits=teacher_logits).loss_curve_)
    assert_allclose(curves[1], curves[0], rtol=1e-4)
    assert_allclose(curves[2], curves[0], rtol=1e-4)


def test_teacher_and_reducer_are_asked_once(digits):
    class CountingForest(RandomForestClassifier):
        asked = 0

        def predict_proba(self, X):
            CountingForest.asked += 1
            return super().predict_proba(X)

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
