"""Students that measure observables, against PennyLane's expval of the same operators."""

import io
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pennylane as qml
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklqkd import FCReducer, QNNClassifier
from sklqkd.callbacks import Checkpoint
from sklqkd.circuits.observables import check_measurement, measured_bases, observables_readout
from sklqkd.persistence import TRUSTED_TYPES
from sklqkd.search import StackedGridSearchCV
from sklqkd.simulation import ExactCircuit
from sklqkd.students.quantum_student import QuantumArchitecture
from sklqkd.training import Objective

from .reference import RandomTemplate, differences

RNG = np.random.default_rng(0)
X, y = RNG.normal(size=(24, 8)), np.arange(24) % 3


def random_hermitian(rng, n_wires):
    matrix = rng.normal(size=(2, 2**n_wires, 2**n_wires))
    return matrix[0] + matrix[0].T + 1j * (matrix[1] - matrix[1].T)


def random_observables(seed, n_qubits):
    """Return a Pauli word, a sum of some, a matrix on one or two wires, and what PennyLane has."""
    rng = np.random.default_rng(seed)
    pauli = [qml.X, qml.Y, qml.Z]

    def word():
        wires = rng.permutation(n_qubits)[: rng.integers(1, n_qubits + 1)]
        return qml.prod(*[pauli[rng.integers(3)](int(wire)) for wire in wires])

    wires = rng.permutation(n_qubits)[: rng.integers(1, 3)].tolist()
    return [
        word(),
        rng.normal() * word() - 0.5 * word() + 0.3 * qml.I(0),
        qml.Hamiltonian(rng.normal(size=2), [word(), word()]),
        qml.Hermitian(random_hermitian(rng, len(wires)), wires=wires),
        qml.Hadamard(wires[0]),
        qml.Projector([1], wires=[n_qubits - 1]),
    ]


def student(observables, **params):
    params = {"reducer": None, "n_qubits": 3, "n_layers": 2, "max_iter": 2, **params}
    return QNNClassifier(measurement=observables, random_state=0, **params)


def expected(fitted, observables, images):
    """Return the logits by way of PennyLane's expval."""
    circuit = fitted.circuit_
    n_qubits = circuit["n_qubits"]

    @qml.qnode(qml.device("default.qubit", wires=n_qubits))
    def values(x):
        qml.StatePrep(np.tanh(x), range(n_qubits), normalize=True, pad_with=0)
        ansatz = circuit["ansatz"]
        ansatz = qml.StronglyEntanglingLayers if isinstance(ansatz, str) else ansatz
        ansatz(fitted.circuit_weights_.astype(float), wires=range(n_qubits))
        return [qml.expval(each) for each in observables]

    images = (images - fitted.feature_scale_[0]) * fitted.feature_scale_[1]
    outputs = np.array([values(x) for x in images])
    return outputs @ fitted.head_coef_.T + fitted.head_intercept_


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("named", [True, False])
def test_random_observables_behind_random_circuits_equal_expval(seed, named):
    observables = random_observables(seed, 3)
    ansatz = "strongly_entangling" if named else RandomTemplate(seed, 3)
    fitted = student(observables, ansatz=ansatz).fit(X, y)
    assert fitted.head_coef_.shape == (3, len(observables))
    assert_allclose(fitted.decision_function(X), expected(fitted, observables, X), atol=1e-6)


@pytest.mark.parametrize("backend", ["default.qubit", "lightning.qubit", "qiskit.aer"])
def test_devices_give_the_same_values_and_the_same_training(backend):
    observables = random_observables(1, 3)
    exact = student(observables, max_iter=1, reducer="fc", encoding="angle").fit(X, y)
    device = clone(exact).set_params(backend=backend)
    assert_allclose(device.fit(X, y).parameters_, exact.parameters_, atol=1e-5)
    exact.set_params(backend=backend)
    values = exact.decision_function(X)
    assert_allclose(
        values, device.set_params(backend="statevector").decision_function(X), atol=1e-4
    )
    # Of 4000 shots the mean of an observable with eigenvalues to about 5 is off by 0.1.
    exact.set_params(shots=4000)
    assert 1e-4 < np.abs(exact.decision_function(X) - values).max() < 1.0


@pytest.mark.parametrize("reducer", [None, "fc"])
@pytest.mark.parametrize("backend", ["statevector", "default.qubit"])
def test_gradients_are_those_of_finite_differences(reducer, backend):
    encoding = "amplitude" if reducer is None else "qubit"
    observables = random_observables(5, 3)[:3]
    made = student(observables, reducer=reducer, encoding=encoding, backend=backend)
    rng = np.random.default_rng(0)
    settings = made._architecture(rng).settings["circuit_"]
    architecture = QuantumArchitecture(made, settings, rng, np.float64)
    front_end = None if reducer is None else FCReducer(n_components=6).front_end(8)
    network = architecture.network(8, 3, front_end=front_end)
    network.bind(network.initial_parameters(np.random.default_rng(1)))
    rows = np.arange(5)
    images = X[:5]
    objective = Objective(np.eye(3)[y[:5]])

    def loss(parameters):
        network.parameters[:] = parameters
        return objective(network.logits(images), rows)[0]

    start = network.parameters.copy()
    _, slopes = objective(network.logits(images), rows)
    network.backward(slopes)
    gradient = network.gradient.copy()
    assert_allclose(gradient, differences(loss, start), atol=1e-6)


def test_observables_of_one_basis_are_one_circuit_with_the_compiled_epoch():
    observables = [qml.X(0) @ qml.Z(1), qml.Y(2), qml.X(0)]
    made = student(observables)
    middle = made._architecture(np.random.default_rng(0)).network(8, 3).middle
    assert type(middle) is ExactCircuit
    fitted = made.fit(X, y)
    assert_allclose(fitted.decision_function(X), expected(fitted, observables, X), atol=1e-6)


def test_z_on_each_qubit_is_expval():
    named, listed = student("expval").fit(X, y), student([qml.Z(q) for q in range(3)]).fit(X, y)
    assert_allclose(listed.parameters_, named.parameters_, atol=1e-6)
    assert_allclose(listed.predict_proba(X), named.predict_proba(X), atol=1e-6)


def test_a_lone_observable_and_text_are_lists():
    alone = student(qml.X(0) @ qml.Z(2)).fit(X, y)
    for same in ("XIZ", [qml.X(0) @ qml.Z(2)], {"XIZ": 1}, ({"XIZ": 1.0},)):
        assert_array_equal(student(same).fit(X, y).parameters_, alone.parameters_)
    assert alone.circuit_["measurement"] == [{"XIZ": 1.0}]


@pytest.mark.parametrize("n_qubits", [1, 2, 4])
def test_bases_tell_all_words_of_random_matrices(n_qubits):
    rng = np.random.default_rng(n_qubits)
    matrix = random_hermitian(rng, n_qubits)
    sentences = check_measurement(qml.Hermitian(matrix, wires=range(n_qubits)), n_qubits)
    bases = measured_bases(sentences)
    assert len(bases) == 3**n_qubits
    state = rng.normal(size=2**n_qubits) + 1j * rng.normal(size=2**n_qubits)
    state /= np.linalg.norm(state)
    turns = {"X": qml.Hadamard.compute_matrix(), "Z": np.eye(2)}
    turns["Y"] = turns["X"] @ np.diag([1, -1j])
    probabilities = []
    for basis in bases:
        turn = np.eye(1)
        for letter in basis:
            turn = np.kron(turn, turns[letter])
        probabilities.append(np.abs(turn @ state) ** 2)
    value = observables_readout(sentences) @ np.concatenate(probabilities)
    assert_allclose(value, [(state.conj() @ matrix @ state).real], atol=1e-10)


@pytest.mark.parametrize(
    ("measurement", "message"),
    [
        (qml.Z(3), "on the wires \\[3\\], but there are only 3 qubits"),
        (["XX", "IIIZ"], "measurement\\[1\\] is .* on the wires \\[3\\]"),
        (qml.X("a"), "on the wires \\['a'\\]"),
        ([], "empty list"),
        (["III", {"I": 2.0}], "identity alone"),
        (0.0 * qml.X(0), "identity alone"),
        (qml.I(0), "identity alone"),
        (qml.RX(0.3, 0), "not Hermitian"),
        (qml.S(1), "not Hermitian"),
        (qml.X(0) @ qml.Y(0), "not Hermitian"),
        (1j * qml.X(0), "not Hermitian"),
        (qml.Hermitian(np.eye(32), wires=range(5)), "on the wires \\[3, 4\\]"),
        (qml.expval(qml.X(0)), "pass the observable alone"),
        ([qml.probs(wires=[0])], "pass the observable alone"),
        ([qml.X], "Say on which wire: PauliX\\(0\\)"),
        (np.eye(2), "qml.Hermitian\\(matrix, wires="),
        ([np.eye(2)], "qml.Hermitian\\(matrix, wires="),
        (["probs", "expval"], "'probs' for a Pauli word"),
        ({"xz": 1.0}, "letters I, X, Y and Z"),
        ({"XZ": "much"}, "no number"),
        ({"XZ": np.nan}, "finite"),
        (lambda wires: None, "list of observables"),
        (None, "list of observables"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_else(measurement, message):
    made = student(measurement, reducer=Untouched())
    with pytest.raises(ValueError, match=message):
        made.fit(X, y)


def test_a_matrix_on_many_wires_is_refused():
    made = student(qml.Hermitian(np.eye(32), wires=range(5)), n_qubits=5)
    with pytest.raises(ValueError, match="up to 3\\^k circuits"):
        made.fit(X, y)


def test_a_measurement_in_the_middle_of_a_circuit_is_refused():
    with qml.queuing.AnnotatedQueue():
        value = qml.measure(0)
    with pytest.raises(ValueError, match="at the end of the circuit"):
        student([value]).fit(X, y)


def test_an_observable_that_says_nothing_is_told_of():
    with pytest.warns(UserWarning, match="1 of the 2 observables of measurement, \\[1\\]"):
        student(["ZII", {"III": 2.0}]).fit(X, y)


class Untouched:
    """A reducer that must not be asked."""

    def get_params(self, deep=True):
        return {}

    def set_params(self, **params):
        return self

    def fit(self, X, y=None):
        raise AssertionError

    transform = fit


def test_it_is_stored_copied_and_loaded():
    observables = random_observables(2, 3)
    fitted = student(observables).fit(X, y)
    expected_values = fitted.decision_function(X)
    assert_array_equal(clone(fitted).fit(X, y).parameters_, fitted.parameters_)
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    for loaded in (pickle.loads(pickle.dumps(fitted)), joblib.load(file)):
        assert loaded.measurement == observables
        assert_array_equal(loaded.decision_function(X), expected_values)
    plain = clone(fitted).set_params(measurement=fitted.circuit_["measurement"]).fit(X, y)
    assert_array_equal(plain.parameters_, fitted.parameters_)
    loaded = skops.io.loads(skops.io.dumps(plain), trusted=TRUSTED_TYPES)
    assert_array_equal(loaded.decision_function(X), expected_values)


def test_a_change_of_observables_stops_a_warm_start():
    fitted = student([qml.X(0)], warm_start=True).fit(X, y)
    fitted.set_params(measurement="X").fit(X, y)
    with pytest.raises(ValueError, match="parameters that shape the student have changed"):
        fitted.set_params(measurement=[qml.Y(0)]).fit(X, y)


def test_a_checkpoint_tells_observables_apart(tmp_path):
    class StopError(Exception):
        pass

    class Stopping(Checkpoint):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            raise StopError

    path = tmp_path / "fit.ckpt"
    with pytest.raises(StopError):
        student([qml.X(0) @ qml.Z(1)]).set_callbacks(Stopping(path)).fit(X, y)
    with pytest.raises(ValueError, match="another fit"):
        student([qml.X(0) @ qml.Z(2)]).set_callbacks(Checkpoint(path)).fit(X, y)


@pytest.mark.parametrize("search", [GridSearchCV, StackedGridSearchCV])
def test_a_grid_of_lists_of_observables(search):
    values = ["probs", [qml.X(0), qml.Z(1) @ qml.Y(2)], [qml.Hermitian([[0, 1], [1, 0]], 1)], "ZZ"]
    values += [qml.X(0) + qml.Y(1), [{"XYZ": 0.5}]]
    found = search(student("probs"), {"measurement": values}, cv=2, n_jobs=1).fit(X, y)
    assert [each["measurement"] for each in found.cv_results_["params"]] == values
    for place, each in enumerate(values):
        lone = GridSearchCV(student(each), {"tol": [1e-4]}, cv=2).fit(X, y)
        assert_allclose(
            found.cv_results_["mean_test_score"][place], lone.cv_results_["mean_test_score"][0]
        )


def test_it_is_drawn_and_exported_in_each_basis():
    qiskit = pytest.importorskip("qiskit.quantum_info")
    observables = [qml.X(0) @ qml.Z(1), 0.5 * qml.Y(1) - qml.Z(2)]
    fitted = student(observables).fit(X, y)
    assert "<X@Z>" in fitted.draw()
    direct = np.array([fitted.qnode()(x) for x in X[:3]]) @ fitted.head_coef_.T
    logits = fitted.decision_function(X[:3])
    assert_allclose(direct + fitted.head_intercept_, logits, atol=1e-6)
    bases = measured_bases(fitted.circuit_["measurement"])
    assert len(bases) == 2
    readout = observables_readout(fitted.circuit_["measurement"])
    probabilities = []
    for basis in range(2):
        circuit = fitted.to_qiskit(X[0], measure=True, basis=basis)
        circuit.remove_final_measurements()
        state = qiskit.Statevector(circuit.reverse_bits())
        probabilities.append(state.probabilities())
        assert "measure" in fitted.to_openqasm(X[0], basis=basis)
    values = fitted.head_coef_ @ readout @ np.concatenate(probabilities)
    assert_allclose(values + fitted.head_intercept_, logits[0], atol=1e-6)
    with pytest.raises(ValueError, match="basis == 2"):
        fitted.to_openqasm(X[0], basis=2)


@pytest.mark.parametrize("n_uploads", [1, 2])
def test_uploads_and_the_twin_measure_them_too(n_uploads):
    pytest.importorskip("qiskit.quantum_info")
    made = student(random_observables(3, 3), encoding="angle", reducer="pca", n_uploads=n_uploads)
    fitted = made.fit(X, y)
    checks = fitted.selfcheck(X, y)
    for name in ("default.qubit", "Qiskit, statevector", "finite differences"):
        assert checks[name].difference is not None
        assert checks[name].ok
    if n_uploads == 1:
        assert_allclose(
            fitted.to_classical().decision_function(X), fitted.decision_function(X), atol=1e-9
        )


def test_text_needs_no_pennylane():
    code = (
        "import sys, numpy as np; from sklqkd import QNNClassifier; "
        "s = QNNClassifier(n_qubits=2, reducer=None, measurement=['XX', {'ZI': 0.5}], max_iter=1); "
        "s.fit(np.eye(4), [0, 1, 0, 1]); print('pennylane' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
