"""Encodings by gates, of the user's own too, and data re-uploading, against default.qubit."""

import pickle
import re

import numpy as np
import pennylane as qml
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklqkd import QNNClassifier, search
from sklqkd.backends import make_backend
from sklqkd.circuits import TracedAnsatz
from sklqkd.circuits.data_templates import data_template
from sklqkd.circuits.gate_programs import _MATRICES, gate_program
from sklqkd.circuits.uploads import UploadSizes, upload_gates
from sklqkd.datasets import load_digits
from sklqkd.encodings import ENCODINGS, make_encoding
from sklqkd.gates import DataGates, GateCircuit, NamedGate
from sklqkd.simulation.device_circuit import DeviceUploads
from sklqkd.simulation.torch_uploads import TorchUploads
from sklqkd.simulation.uploads import UploadCircuit
from sklqkd.statevector.polynomials import Polynomials, Term
from sklqkd.statevector.sampled import SampledKernel
from sklqkd.students.student_circuit import student_circuit

from .reference import differences

X, Y = load_digits(return_X_y=True)
X, Y = X[Y < 3][:40], Y[Y < 3][:40]
BY_GATES = [name for name in ENCODINGS if name != "amplitude"]


def angles_of(features, n_features):
    padded = np.zeros(n_features)
    padded[: len(features)] = features
    return np.pi * np.tanh(padded)


def encode_angles(name, angles, n_qubits):
    """Apply a named encoding's gates, written with PennyLane's, for angles of any interface."""
    if name == "iqp":
        for wire in range(n_qubits):
            qml.Hadamard(wire)
            qml.RZ(angles[wire], wires=wire)
        for i in range(n_qubits):
            for j in range(i + 1, n_qubits):
                qml.MultiRZ(angles[i] * angles[j], wires=[i, j])
    elif name == "zz":
        for _ in range(2):
            for wire in range(n_qubits):
                qml.Hadamard(wire)
                qml.PhaseShift(2 * angles[wire], wires=wire)
            for i in range(n_qubits):
                for j in range(i + 1, n_qubits):
                    qml.CNOT([i, j])
                    qml.PhaseShift(2 * (np.pi - angles[i]) * (np.pi - angles[j]), wires=j)
                    qml.CNOT([i, j])
    else:
        for wire in range(n_qubits):
            if name == "hadamard_ry":
                qml.Hadamard(wire)
            qml.RY(angles[wire], wires=wire)
        if name == "qubit":
            for wire in range(n_qubits):
                qml.RZ(angles[n_qubits + wire], wires=wire)


def reference(encode, n_qubits, n_layers, interface=None):
    """Return probabilities of angles, ansatz weights by upload and scales, on default.qubit."""

    @qml.qnode(qml.device("default.qubit", wires=n_qubits), interface=interface)
    def circuit(angles, weights, scales, own=None):
        for upload in range(len(weights)):
            turned = angles * scales[upload]
            encode(*([turned] if own is None else [turned, own[upload]]), n_qubits)
            qml.StronglyEntanglingLayers(weights[upload], wires=range(n_qubits))
        return qml.probs(wires=range(n_qubits))

    return circuit


def assert_student_is(student, encode, features):
    """Compare a student's logits with those of default.qubit."""
    circuit = student.circuit_
    n_qubits, n_uploads = circuit["n_qubits"], circuit.get("n_uploads", 1)
    n_features = student_circuit(student, circuit).n_features
    run = reference(encode, n_qubits, circuit["n_layers"])
    weights, scales, own = (
        student.circuit_weights_,
        student.input_scales_,
        student.encoding_weights_,
    )
    if n_uploads == 1:
        weights = weights[None]
        scales = None if scales is None else scales[None]
        own = None if own is None else own[None]
    scales = np.ones((n_uploads, n_features)) if scales is None else scales
    for row, logits in zip(features, student.decision_function(features), strict=True):
        probabilities = run(angles_of(row, n_features), weights, scales, own)
        expected = student.head_coef_ @ (2**n_qubits * probabilities) + student.head_intercept_
        assert_allclose(logits, expected, atol=1e-6)


def small(encoding, **parameters):
    given = {"n_qubits": 2, "n_layers": 1, "max_iter": 2, "random_state": 0, "reducer": "pca"}
    return QNNClassifier(encoding=encoding, **(given | parameters))


# -- the kernel -------------------------------------------------------------------------------


def random_gates(n_qubits, seed):
    """Return random gates with random polynomials of three features and four weights."""
    rng = np.random.default_rng(seed)
    gates, terms, angle = [], [], 0
    ones, pairs = ["Hadamard", "S", "SX", "PauliY", "T"], ["CNOT", "CZ", "SWAP", "CY"]
    turning = ["RX", "RY", "RZ", "PhaseShift"]
    turning_pairs = ["CRX", "CRY", "CRZ", "ControlledPhaseShift", "IsingXX", "IsingYY", "IsingZZ"]
    for _ in range(20):
        is_one = n_qubits == 1 or rng.integers(2)
        wires = tuple(map(int, rng.permutation(n_qubits)[: 1 if is_one else 2]))
        kind = rng.integers(4)
        if kind == 0:
            gates.append(NamedGate(str(rng.choice(ones if is_one else pairs)), wires))
        elif kind == 1 and not is_one:
            matrix = rng.normal(size=(2, 4, 4)).view()
            unitary = np.linalg.qr(matrix[0] + 1j * matrix[1])[0]
            gates.append(NamedGate("QubitUnitary", wires, None, unitary))
        else:
            name = str(rng.choice(turning if is_one else turning_pairs))
            gates.append(NamedGate(name, wires, angle))
            for _ in range(rng.integers(3)):
                features = tuple(map(int, rng.integers(3, size=rng.integers(3))))
                weights = tuple(map(int, rng.integers(4, size=rng.integers(3))))
                terms.append(Term(angle, float(rng.normal()), features, weights))
            angle += 1
    circuit = GateCircuit(n_qubits, tuple(gates), angle)
    return DataGates(circuit, Polynomials(angle, 3, 4, terms))


def on_default_qubit(circuit, angles):
    device = qml.device("default.qubit", wires=circuit.n_qubits)
    probs = [qml.probs(wires=range(circuit.n_qubits))]
    tapes = [qml.tape.QuantumScript(circuit.operations(row), probs) for row in angles]
    return np.array(qml.execute(tapes, device))


@pytest.mark.parametrize("n_qubits", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_kernel_is_default_qubit_and_its_gradient_that_of_differences(n_qubits, seed):
    circuit, polynomials = random_gates(n_qubits, 10 * n_qubits + seed)
    rng = np.random.default_rng(seed)
    features, weights = rng.uniform(-3, 3, (4, 3)), rng.normal(size=4)
    kernel = SampledKernel(gate_program(circuit), polynomials)
    kernel.prepare(weights)
    probabilities = kernel.probabilities(features.T).T
    expected = on_default_qubit(circuit, polynomials.angles(features, weights))
    assert_allclose(probabilities, expected, atol=1e-12)

    towards = rng.normal(size=probabilities.shape)
    of_weights, of_features = kernel.backward_probabilities(towards.T)

    def loss(features, weights):
        kernel.prepare(weights)
        return (kernel.probabilities(features.T, keep=False).T * towards).sum()

    assert_allclose(of_features.T, differences(lambda x: loss(x, weights), features), atol=1e-7)
    assert_allclose(of_weights, differences(lambda w: loss(features, w), weights), atol=1e-7)


@pytest.mark.parametrize("name", _MATRICES)
def test_matrices_are_pennylanes(name):
    assert_allclose(_MATRICES[name], getattr(qml, name).compute_matrix(), atol=1e-15)


@pytest.mark.parametrize("name", BY_GATES)
def test_named_gates_are_the_encodings_states(name):
    encoding = make_encoding(name, 2)
    features = np.random.default_rng(0).normal(size=(3, encoding.n_features))
    kernel = SampledKernel(gate_program(encoding.gates.circuit), encoding.gates.polynomials)
    planes = kernel.forward(np.pi * np.tanh(features.T))
    overlaps = np.einsum("kb,kb->b", encoding.forward(features).conj(), planes[0] + 1j * planes[1])
    assert_allclose(np.abs(overlaps), 1, atol=1e-12)


def test_many_rows_are_encoded_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    features, towards = rng.normal(size=(7, 2)), rng.normal(size=(4, 7)) + 0j
    whole = make_encoding("zz", 2)
    states, gradient = whole.forward(features), whole.backward(towards)
    monkeypatch.setattr("sklqkd.encodings.gates.CHUNK", 8)
    parts = make_encoding("zz", 2)
    assert_allclose(parts.forward(features), states, atol=1e-14)
    assert_allclose(parts.backward(towards), gradient, atol=1e-13)


# -- students ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_uploads", [1, 2, 3])
@pytest.mark.parametrize("name", BY_GATES)
def test_students_are_default_qubit(name, n_uploads):
    n_features = make_encoding(name, 2).n_features
    features = X[:, 20 : 20 + n_features] / 16 - 0.3
    scaling = n_uploads == 2
    student = small(name, n_uploads=n_uploads, reducer=None, trainable_scaling=scaling)
    student.fit(features, Y)
    assert student.circuit_weights_.shape[:-3] == ((n_uploads,) if n_uploads > 1 else ())
    if scaling:
        assert np.abs(student.input_scales_ - 1).max() > 1e-3
    student.feature_scale_ = None
    assert_student_is(student, lambda angles, n: encode_angles(name, angles, n), features[:3])


@pytest.mark.parametrize("n_uploads", [1, 2, 3])
@pytest.mark.parametrize("name", BY_GATES)
def test_gradients_are_torchs_through_default_qubit(name, n_uploads):
    n_qubits, n_layers = 2, 1
    encoding, ansatz = make_encoding(name, n_qubits), TracedAnsatz("strongly_entangling", 2, 1)
    shape = (n_uploads, n_layers, n_qubits, 3)
    sizes = UploadSizes(shape, (n_uploads, 0), (n_uploads, encoding.n_features))
    gates, _ = upload_gates(encoding.gates, ansatz.gates, sizes)
    circuit = UploadCircuit(gates)
    rng = np.random.default_rng(n_uploads)
    features = rng.normal(size=(2, encoding.n_features))
    weights = rng.uniform(0, 2, sizes.n_weights)
    towards = rng.normal(size=(4, 2))
    circuit.prepare(weights)
    values = circuit.values(features)[circuit.permutation]
    gradient = np.empty_like(towards)
    gradient[circuit.permutation] = towards
    of_weights, of_features = circuit.backward(gradient, True)

    run = reference(lambda angles, n: encode_angles(name, angles, n), 2, 1, "torch")
    x = torch.tensor(features, requires_grad=True)
    w = torch.tensor(weights, requires_grad=True)
    split = weights.size - n_uploads * encoding.n_features
    parts = w[:split].reshape(shape), w[split:].reshape(n_uploads, -1)
    expected = torch.stack([run(np.pi * row.tanh(), *parts) for row in x], dim=1)
    (expected * torch.tensor(towards)).sum().backward()
    assert_allclose(values, expected.detach().numpy(), atol=1e-12)
    assert_allclose(of_weights, w.grad.numpy(), atol=1e-10)
    assert_allclose(of_features, x.grad.numpy(), atol=1e-10)

    others = [TorchUploads(gates, np.float64, device="cpu")]
    if n_uploads == 2:
        options = {"diff_method": "parameter-shift"}
        others += [DeviceUploads(gates, make_backend("default.qubit", 2, None, options), rng)]
        others += [DeviceUploads(gates, make_backend("lightning.qubit", 2), rng)]
    for other in others:
        other.prepare(weights)
        assert_allclose(other.values(features)[other.permutation], values, atol=1e-10)
        gradient[other.permutation] = towards
        found = other.backward(gradient, True)
        assert_allclose(found[0], of_weights, atol=1e-10)
        assert_allclose(found[1], of_features, atol=1e-10)


def test_front_ends_are_trained_through_uploads():
    student = small("angle", n_uploads=2, reducer="fc", max_iter=15, learning_rate_init=0.05)
    student.fit(X, Y)
    assert student.loss_curve_[-1] < 0.6 * student.loss_curve_[0]
    assert student.n_parameters_ == {"quantum": 12, "classical": 64 * 2 + 2 + 4 * 3 + 3}


def test_an_upload_more_fits_what_one_cannot():
    # One RY upload on one qubit gives probabilities of 1, cos and sin of the feature alone.
    x = np.linspace(-0.9, 0.9, 60)[:, None]
    y = (np.cos(2.5 * np.pi * np.tanh(x[:, 0])) > 0).astype(int)
    given = {"n_qubits": 1, "n_layers": 1, "reducer": None, "max_iter": 150}
    given |= {"learning_rate_init": 0.1, "batch_size": 60, "n_iter_no_change": 150}
    once = small("angle", **given).fit(x, y).score(x, y)
    often = small("angle", **given, n_uploads=4).fit(x, y).score(x, y)
    assert often > once + 0.1


# -- encodings of one's own -------------------------------------------------------------------


def products(features, wires):
    for i, wire in enumerate(wires):
        qml.RX(0.5 * features[i] ** 2 - 0.3, wires=wire)
    qml.IsingXX(features[0] * (np.pi - features[1]), wires=wires[:2])
    qml.Rot(features[0], features[1], 0.2, wires=wires[0])


def interleaved(features, weights, wires):
    for layer in weights:
        for i, wire in enumerate(wires):
            qml.Rot(*(layer[i] * features[i] + layer[i, 0]), wires=wire)
        qml.CNOT(wires[:2])


interleaved.shape = (2, 2, 3)


def of_four(features, wires):
    for i, wire in enumerate(wires):
        qml.U3(features[2 * i], features[2 * i + 1], 0.0, wires=wire)


of_four.n_features = lambda n_qubits: 2 * n_qubits


@pytest.mark.parametrize("n_uploads", [1, 2])
@pytest.mark.parametrize(
    "template", [qml.IQPEmbedding, qml.AngleEmbedding, products, of_four, interleaved]
)
def test_own_encodings_are_default_qubit(template, n_uploads):
    n_features = 4 if template is of_four else 2
    features = X[:, 20 : 20 + n_features] / 16 - 0.3
    student = small(template, n_uploads=n_uploads, reducer=None, trainable_scaling=n_uploads == 2)
    student.fit(features, Y)
    student.feature_scale_ = None

    def encode(*arguments):
        *given, n_qubits = arguments
        template(*given, wires=range(n_qubits))

    assert_student_is(student, encode, features[:3])
    assert (student.encoding_weights_ is None) == (template is not interleaved)


def test_a_template_is_what_is_built_in():
    named, own = small("iqp").fit(X, Y), small(qml.IQPEmbedding).fit(X, Y)
    assert_allclose(own.decision_function(X), named.decision_function(X), atol=1e-5)


def test_pennylanes_embedding_with_weights():
    student = small(qml.QAOAEmbedding, n_layers=2, ansatz="none").fit(X, Y)
    assert student.encoding_weights_.shape == qml.QAOAEmbedding.shape(2, 2)
    assert student.n_parameters_["quantum"] == 2 * 3


def test_random_layers_do_where_their_seed_is_fixed():
    def fixed(features, wires):
        qml.RandomLayers(features[None], wires=wires, seed=3)

    traced = data_template(fixed, 2, 1)
    assert {gate.name for gate in traced.gates.circuit.gates} <= {"RX", "RY", "RZ", "CNOT"}


def by_value(features, wires):
    qml.RX(features[0], wires=0)
    if features[1] > 3.0:
        qml.RX(features[1], wires=1)


def nearly_affine(features, wires):
    qml.RX(np.clip(features[0], -3.1, 3.1), wires=0)
    qml.RX(features[1], wires=1)


def measuring(features, wires):
    qml.RX(features[0], wires=0)
    qml.measure(0)


def conditional(features, wires):
    qml.RX(features[0], wires=0)
    qml.cond(qml.measure(0), qml.RX)(features[1], wires=1)


def returning(features, wires):
    qml.RX(features[0], wires=0)
    return qml.expval(qml.Z(0))


def outside(features, wires):
    qml.RX(features[0], wires=7)


def unmoved(features, wires):
    qml.Hadamard(0)


def random_seed(features, wires):
    qml.RandomLayers(features[None], wires=wires, seed=None)


def by_matrix(features, wires):
    qml.QubitUnitary(qml.matrix(qml.RX(np.sin(features[0]), 0)), wires=0)


def too_many(features, wires):
    qml.RX(features[5], wires=0)


def three_arguments(features, weights, wires):
    qml.RX(features[0] * weights[0], wires=0)


def odd_number(features, wires):
    qml.RX(features[0], wires=0)


odd_number.n_features = 2.5


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (by_value, "change with the values"),
        (nearly_affine, "no polynomial"),
        (lambda features, wires: qml.RX(np.arcsin(features[0] / np.pi), wires=0), "no polynomial"),
        (lambda features, wires: qml.RX(features[0] ** 5, wires=0), "no polynomial"),
        (lambda features, wires: qml.RX(abs(features[0]), wires=0), "no polynomial"),
        (measuring, "not a unitary gate"),
        (conditional, "not a unitary gate"),
        (returning, "measures"),
        (outside, r"wires \[7\]"),
        (unmoved, "depends on its 2 features"),
        (random_seed, "from call to call"),
        (by_matrix, "no polynomial"),
        (too_many, "n_features"),
        (three_arguments, "`shape`"),
        (odd_number, r"n_features=2\.5"),
        (qml.AmplitudeEmbedding, "amplitude"),
        (qml.BasisEmbedding, "fails|change with the values|prepares a state"),
        (lambda features, wires: qml.StatePrep([1, 0], wires=0), "prepares a state"),
        (lambda features, wires: qml.BitFlip(0.1, wires=0), "channel"),
    ],
)
def test_what_cannot_be_traced_is_refused(template, words):
    student = small(template)
    with pytest.raises(ValueError, match=words) as caught:
        student.fit(X, Y)
    assert "ansatz" not in str(caught.value).replace("encoding", "")
    assert not hasattr(student, "classes_")


def test_features_that_change_nothing_are_told_of():
    def first(features, wires):
        qml.RX(features[0], wires=wires[0])

    with pytest.warns(UserWarning, match=re.escape("[1] change no gate")):
        data_template(first, 2, 1)


# -- what they are refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"encoding": "amplitude", "n_uploads": 2}, "n_uploads=2 is not for it"),
        ({"encoding": "amplitude", "trainable_scaling": True}, "trainable_scaling"),
        ({"n_uploads": 0}, "n_uploads"),
        ({"n_uploads": 1.5}, "n_uploads"),
        ({"trainable_scaling": "yes"}, "trainable_scaling"),
        ({"encoding": "IQP"}, "encoding"),
        ({"encoding": 3}, "encoding"),
        ({"n_uploads": 10**9}, "memory"),
        ({"encoding": qml.IQPEmbedding, "reducer": None}, "qml.IQPEmbedding on 2 qubits takes 2"),
    ],
)
def test_bad_parameters_are_refused_before_any_work(parameters, words):
    student = small(**({"encoding": "angle"} | parameters))
    with pytest.raises(ValueError, match=words):
        student.fit(X, Y)
    assert not hasattr(student, "classes_")


# -- the same everywhere ----------------------------------------------------------------------

STUDENTS = {
    "iqp": {"encoding": "iqp"},
    "uploads": {"encoding": "zz", "n_uploads": 2, "trainable_scaling": True},
    "own": {"encoding": interleaved, "n_uploads": 2},
}


@pytest.fixture(scope="module", params=STUDENTS)
def student(request):
    return small(**STUDENTS[request.param]).fit(X, Y)


def test_it_runs_on_devices(student):
    logits = student.decision_function(X[:3])
    for backend in ("default.qubit", "lightning.qubit"):
        other = pickle.loads(pickle.dumps(student)).set_params(backend=backend)
        assert_allclose(other.decision_function(X[:3]), logits, atol=1e-7)
    noisy = pickle.loads(pickle.dumps(student)).set_params(
        backend="default.mixed", backend_options={"noise_model": {"depolarizing": 0.02}}
    )
    assert np.abs(noisy.decision_function(X[:3]) - logits).max() > 1e-4
    drawn = pickle.loads(pickle.dumps(student)).set_params(shots=4000)
    assert 1e-6 < np.abs(drawn.predict_proba(X[:3]) - student.predict_proba(X[:3])).max() < 0.1


def test_it_is_trained_on_a_device(student):
    # Whose every weight has a gradient: Adam takes none for a step, if rounding gives it a sign.
    exact = clone(student).set_params(max_iter=1, ansatz="basic_entangler").fit(X[:8], Y[:8])
    device = clone(exact).set_params(backend="lightning.qubit").fit(X[:8], Y[:8])
    assert_allclose(device.parameters_, exact.parameters_, atol=1e-4)


def test_it_runs_on_torch(student):
    other = pickle.loads(pickle.dumps(student)).set_params(device="cpu")
    parts = student_circuit(other, other.circuit_)
    features = np.random.default_rng(0).normal(size=(3, 2))
    weights = other.parameters_[: parts.sizes.n_weights]
    if parts.is_plain:
        states = parts.encoding().torch_states(torch.tensor(features)).numpy()
        expected = parts.encoding().forward(features)
        assert_allclose(np.abs((states.conj() * expected).sum(axis=0)), 1, atol=1e-12)
    else:
        exact, on_torch = UploadCircuit(parts.gates), TorchUploads(parts.gates, device="cpu")
        for circuit in (exact, on_torch):
            circuit.prepare(weights)
        assert_allclose(on_torch.values(features), exact.values(features), atol=1e-5)


def test_it_is_drawn_and_exported(student):
    box = {"iqp": "IQPEncoding", "zz": "ZZEncoding", interleaved: "interleaved"}[student.encoding]
    assert student.draw(max_length=400).splitlines()[0].count(box) == student.n_uploads
    assert "Rot(" in student.draw(X[0])
    node = student.qnode()
    logits = student.head_coef_ @ (4 * node(X[0])) + student.head_intercept_
    assert_allclose(logits, student.decision_function(X[:1])[0], atol=1e-6)
    weights = student.circuit_weights_.astype(float)
    assert_allclose(node(X[0], weights), node(X[0]), atol=1e-12)
    assert np.abs(node(X[0], weights + 0.3) - node(X[0])).max() > 1e-3

    from qiskit.quantum_info import Statevector

    circuit = student.to_qiskit(X[0])
    probabilities = Statevector(circuit.reverse_bits()).probabilities()
    assert_allclose(probabilities, node(X[0]), atol=1e-7)
    assert "OPENQASM 3" in student.to_openqasm(X[0])
    resources = student.circuit_resources()
    n_gates = resources["preparation"]["n_gates"] + resources["ansatz"]["n_gates"]
    assert resources["circuit"]["n_gates"] == n_gates == circuit.size()
    trained = student.n_parameters_["quantum"]
    sampled = student_circuit(student, student.circuit_).gates.polynomials.is_sampled.sum()
    assert resources["circuit"]["n_parameters"] == trained + sampled


def test_it_is_saved_and_goes_on(student):
    saved = pickle.loads(pickle.dumps(student))
    assert_array_equal(saved.predict_proba(X), student.predict_proba(X))
    saved.set_params(warm_start=True).fit(X, Y)
    assert np.abs(saved.parameters_ - student.parameters_).max() > 1e-4
    with pytest.raises(ValueError, match="have changed"):
        saved.set_params(n_uploads=student.n_uploads + 1).fit(X, Y)


def test_searches_find_what_lone_fits_do():
    grid = {"encoding": ["angle", "iqp", products], "n_uploads": [1, 2]}
    given = {"cv": 2, "return_train_score": True}
    stacked = search.StackedGridSearchCV(small("angle"), grid, **given).fit(X, Y)
    alone = GridSearchCV(small("angle"), grid, **given).fit(X, Y)
    for key in ("mean_test_score", "mean_train_score"):
        assert_array_equal(stacked.cv_results_[key], alone.cv_results_[key])


def test_a_student_of_before_has_one_upload():
    student = small("angle").fit(X, Y)
    assert not {"n_uploads", "trainable_scaling"} & set(student.circuit_)
    assert student.input_scales_ is None
    assert student.encoding_weights_ is None
