"""Qiskit Aer and fake IBM devices beside PennyLane's simulators."""

import sys

import numpy as np
import pennylane as qml
import pytest
import qiskit
from qiskit.circuit import ParameterVector
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from sklqkd.backends import make_backend
from sklqkd.backends.compilation import _with_plain_parameters, compile_circuit
from sklqkd.backends.qiskit_devices import QiskitBackend
from sklqkd.circuits.gates import CONSTANT, TURNING, ansatz_gates
from sklqkd.encodings import make_encoding
from sklqkd.gates import GateCircuit, NamedGate
from tests import reference

ENCODINGS = ("amplitude", "angle", "qubit", "hadamard_ry")
SHOTS = 20_000
WEAK_NOISE = {"depolarizing": 0.005, "amplitude_damping": 0.01, "readout": 0.03}


def rng(seed=0):
    return np.random.default_rng(seed)


def student_circuit(n_qubits=3, encoding="amplitude", n_runs=5, seed=0):
    """Return the gates of a student, and angles of so many images."""
    encoder = make_encoding(encoding, n_qubits)
    preparation = encoder.preparation()
    ansatz = ansatz_gates("strongly_entangling", n_qubits, 2)
    features = rng(seed).normal(size=(n_runs, encoder.n_features))
    weights = rng(seed + 1).uniform(-3, 3, 6 * n_qubits)
    trained = np.tile(ansatz.angles(weights), (n_runs, 1))
    angles = np.concatenate([preparation.angles(features), trained], axis=1)
    return preparation.circuit.then(ansatz.circuit), angles


def every_gate():
    """Return a circuit of 3 qubits with each gate that devices know by name."""
    gates, n_angles = [NamedGate("Hadamard", (qubit,)) for qubit in range(3)], 0
    places = [(0,), (1,), (2,)], [(0, 1), (2, 0), (1, 2)], [(0, 1, 2), (2, 0, 1), (1, 2, 0)]
    for i, name in enumerate(sorted(TURNING | CONSTANT)):
        wires = places[getattr(qml, name).num_wires - 1][i % 3]
        turns = name in TURNING
        gates.append(NamedGate(name, wires, n_angles if turns else None))
        n_angles += turns
    matrix = qml.matrix(qml.Rot(0.3, 0.4, 0.5, 0)) @ qml.matrix(qml.T(0))
    matrix = np.kron(matrix, qml.matrix(qml.SX(0))) @ qml.matrix(qml.CRY(0.7, [1, 0]), [0, 1])
    gates.insert(9, NamedGate("QubitUnitary", (2, 0), None, matrix))
    return GateCircuit(3, tuple(gates), n_angles), rng(5).uniform(-3, 3, (4, n_angles))


def default_qubit(circuit, angles):
    return make_backend("default.qubit", circuit.n_qubits).probabilities(circuit, angles, rng())


def deviations(frequencies, probabilities, shots=SHOTS):
    """Return how far frequencies lie from probabilities, in standard deviations."""
    variance = np.maximum(probabilities * (1 - probabilities), 1 / shots) / shots
    return np.abs(frequencies - probabilities) / np.sqrt(variance)


class Calls:
    """Counts the calls of a function."""

    def __init__(self, function):
        self.function, self.number = function, 0

    def __get__(self, instance, owner):
        def call(*args, **kwargs):
            return self(instance, *args, **kwargs)

        return call

    def __call__(self, *args, **kwargs):
        self.number += 1
        return self.function(*args, **kwargs)


@pytest.fixture
def jobs(monkeypatch):
    """Count the jobs of Aer."""
    calls = Calls(AerSimulator.run)
    monkeypatch.setattr(AerSimulator, "run", calls)
    return calls


@pytest.fixture
def transpilations(monkeypatch):
    calls = Calls(qiskit.transpile)
    monkeypatch.setattr(qiskit, "transpile", calls)
    return calls


@pytest.mark.parametrize("n_qubits", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("seed", [0, 1])
def test_random_circuits_agree_with_default_qubit(n_qubits, seed):
    template = reference.RandomTemplate(seed, n_qubits, n_gates=25)
    weights = rng(seed).uniform(-3, 3, template.shape)
    ground = np.eye(2**n_qubits)[:, :1].astype(complex)
    expected = abs(reference.default_qubit(template, weights, n_qubits, ground)[:, 0]) ** 2
    ansatz = ansatz_gates(template, n_qubits, 1)
    angles = ansatz.angles(weights)[None]
    exact = QiskitBackend("qiskit.aer", n_qubits).probabilities(ansatz.circuit, angles, rng())
    np.testing.assert_allclose(exact, [expected], rtol=0, atol=1e-6)
    counted = QiskitBackend("qiskit.aer", n_qubits, SHOTS)
    frequencies = counted.probabilities(ansatz.circuit, angles, rng(seed))
    assert deviations(frequencies, expected).max() < 5


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("n_qubits", [2, 3, 4, 5, 6])
def test_every_encoding_agrees_with_default_qubit(encoding, n_qubits):
    circuit, angles = student_circuit(n_qubits, encoding)
    expected = default_qubit(circuit, angles)
    exact = QiskitBackend("qiskit.aer", n_qubits).probabilities(circuit, angles, rng())
    np.testing.assert_allclose(exact, expected, rtol=0, atol=1e-6)
    counted = QiskitBackend("qiskit.aer", n_qubits, SHOTS)
    frequencies = counted.probabilities(circuit, angles, rng(1))
    assert deviations(frequencies, expected).max() < 5


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "matrix_product_state"},
        {"basis_gates": ["rz", "sx", "cx"], "coupling_map": [[0, 1], [1, 2]]},
        {"coupling_map": [[0, 2], [2, 0], [2, 1], [1, 2]], "optimization_level": 3},
        {"basis_gates": ["u", "cz"], "optimization_level": 0},
        {"max_parallel_threads": 2, "fusion_enable": True},
    ],
)
def test_every_gate_agrees_with_default_qubit(options):
    circuit, angles = every_gate()
    exact = QiskitBackend("qiskit.aer", 3, None, options).probabilities(circuit, angles, rng())
    np.testing.assert_allclose(exact, default_qubit(circuit, angles), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "matrix_product_state"},
        {"noise_model": WEAK_NOISE},
        {"noise_model": WEAK_NOISE, "method": "statevector"},
    ],
)
def test_shots_follow_the_exact_distribution_and_no_other(options):
    circuit, angles = student_circuit(3, n_runs=40)
    noise = {key: value for key, value in options.items() if key == "noise_model"}
    exact = QiskitBackend("qiskit.aer", 3, None, noise)
    probabilities = exact.probabilities(circuit, angles, rng())
    shots = 2000
    backend = QiskitBackend("qiskit.aer", 3, shots, options)
    frequencies = backend.probabilities(circuit, angles, rng(2))
    counts = frequencies * shots
    np.testing.assert_allclose(counts, counts.round(), rtol=0, atol=1e-9)
    assert deviations(frequencies, probabilities, shots).max() < 5
    # Not the probabilities themselves either: chi squared over its degrees of freedom.
    spread = (shots * (frequencies - probabilities) ** 2 / probabilities).sum() / (40 * 7)
    assert 0.75 < spread < 1.25
    # Runs are independent of each other.
    errors = (frequencies - probabilities) / np.sqrt(probabilities)
    assert abs(np.corrcoef(errors[:-1].ravel(), errors[1:].ravel())[0, 1]) < 0.15
    # What the test would not let pass: wires in the wrong order, an angle 0.1 off, other noise.
    reverse = np.arange(8).reshape(2, 2, 2).transpose().ravel()
    assert deviations(frequencies[:, reverse], probabilities, shots).max() > 5
    turned = exact.probabilities(circuit, angles + 0.1, rng())
    assert deviations(frequencies, turned, shots).max() > 5
    other = {} if noise else {"noise_model": {"depolarizing": 0.02}}
    wrong = QiskitBackend("qiskit.aer", 3, None, other).probabilities(circuit, angles, rng())
    assert deviations(frequencies, wrong, shots).max() > 5


@pytest.mark.parametrize(
    "options", [{}, {"method": "matrix_product_state"}, {"noise_model": {"depolarizing": 0.1}}]
)
@pytest.mark.parametrize("shots", [4, 100])
def test_shots_are_reproducible(options, shots):
    circuit, angles = student_circuit()
    backend = QiskitBackend("qiskit.aer", 3, shots, options)
    first, again, other = (backend.probabilities(circuit, angles, rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    fixed = QiskitBackend("qiskit.aer", 3, shots, {**options, "seed_simulator": 3})
    first, other = (fixed.probabilities(circuit, angles, rng(s)) for s in (0, 1))
    np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize(
    ("options", "n_transpilations"),
    [
        ({}, 0),
        ({"method": "matrix_product_state"}, 0),
        ({"noise_model": {"depolarizing": 0.01}}, 0),
        ({"noise_model": "fake_manila"}, 1),
        ({"backend": "fake_manila"}, 1),
        ({"coupling_map": [[0, 1], [1, 2]]}, 1),
    ],
)
def test_one_job_for_all_runs_and_one_transpilation_for_all_jobs(
    options, n_transpilations, jobs, transpilations
):
    circuit, angles = student_circuit(n_runs=200)
    backend = QiskitBackend("qiskit.aer", 3, 500, options)
    backend.probabilities(circuit, angles, rng())
    assert (jobs.number, transpilations.number) == (1, n_transpilations)
    # The same gates in another object, other angles, constant over the runs or not.
    again, angles = student_circuit(n_runs=20, seed=1)
    backend.probabilities(again, angles + rng().normal(size=angles.shape), rng())
    backend.probabilities(again, angles[:1], rng())
    assert (jobs.number, transpilations.number) == (3, n_transpilations)


def test_circuits_that_differ_in_a_matrix_are_not_confused():
    backend = QiskitBackend("qiskit.aer", 1)
    for name, expected in (("PauliX", [0, 1]), ("PauliZ", [1, 0])):
        matrix = qml.matrix(getattr(qml, name)(0)).astype(complex)
        circuit = GateCircuit(1, (NamedGate("QubitUnitary", (0,), None, matrix),), 0)
        result = backend.probabilities(circuit, np.zeros((2, 0)), rng())
        np.testing.assert_allclose(result, [expected] * 2, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("qiskit.aer", {}),
        ("qiskit.aer", {"method": "matrix_product_state"}),
        ("qiskit.remote", {"backend": "fake_manila"}),
    ],
)
def test_circuits_without_angles(name, options):
    circuit = GateCircuit(2, (NamedGate("Hadamard", (0,)), NamedGate("CNOT", (0, 1))), 0)
    backend = QiskitBackend(name, 2, 1000, options)
    result = backend.probabilities(circuit, np.zeros((3, 0)), rng())
    assert result.shape == (3, 4)
    np.testing.assert_allclose(result, [[0.5, 0, 0, 0.5]] * 3, atol=0.15)
    assert (result[0] != result[1]).any()


def test_each_expression_becomes_a_parameter_computed_for_all_runs():
    circuit, angles = student_circuit(3)
    compiled = compile_circuit(circuit, {"basis_gates": ["rz", "sx", "cx"]})
    values = compiled.values(angles)
    assert values.shape == (5, len(compiled.parameters))
    assert not compiled.others
    assert set(compiled.circuit.parameters) == set(compiled.parameters)
    # A product of angles is not affine: each run on its own.
    theta = ParameterVector("theta", 2)
    product = qiskit.QuantumCircuit(1)
    product.rx(2 * theta[0] * theta[1] + 1, 0)
    product.ry(theta[1] / 2, 0)
    compiled = _with_plain_parameters(product, (0,), 2)
    rows = rng().normal(size=(4, 2))
    expected = np.stack([2 * rows[:, 0] * rows[:, 1] + 1, rows[:, 1] / 2], axis=1)
    np.testing.assert_allclose(compiled.values(rows), expected, atol=1e-12)
    assert [column for column, _ in compiled.others] == [0]


@pytest.mark.parametrize("backend", ["fake_manila", "FakeManilaV2", GenericBackendV2(4, seed=1)])
def test_noise_of_a_backend(backend):
    circuit, angles = student_circuit(3)
    ideal = default_qubit(circuit, angles)
    options = {"backend": backend}
    noisy = QiskitBackend("qiskit.aer", 3, None, options).probabilities(circuit, angles, rng())
    assert 1e-3 < np.abs(noisy - ideal).max() < 0.3
    # Aer's own way from a backend to counts, with all runs bound and run by hand.
    from qiskit_ibm_runtime.fake_provider import FakeManilaV2

    device = FakeManilaV2() if isinstance(backend, str) else backend
    shots = 20_000
    for row, expected in zip(angles[:2], noisy, strict=False):
        by_hand = compile_circuit(circuit, {"backend": device, "optimization_level": 1})
        bound = by_hand.circuit.assign_parameters(
            dict(zip(by_hand.parameters, by_hand.values(row[None])[0], strict=True))
        )
        bound.add_register(qiskit.ClassicalRegister(3))
        bound.measure(by_hand.qubits[::-1], range(3))
        simulator = AerSimulator.from_backend(device, seed_simulator=1, max_parallel_threads=1)
        counts = simulator.run(bound, shots=shots).result().get_counts()
        frequencies = np.array([counts.get(f"{i:03b}", 0) for i in range(8)]) / shots
        assert deviations(frequencies, expected, shots).max() < 5


def test_noise_model_objects_keep_their_noise():
    circuit, angles = student_circuit(2)
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(1.0, 2), ["cx"])
    for options in ({}, {"coupling_map": [[0, 1]]}, {"optimization_level": 0}):
        backend = QiskitBackend("qiskit.aer", 2, None, {"noise_model": model, **options})
        # The circuit ends with CNOTs that leave nothing but noise.
        result = backend.probabilities(circuit, angles, rng())
        np.testing.assert_allclose(result, np.full((5, 4), 0.25), atol=1e-9)


def test_readout_errors_of_single_qubits_are_in_exact_probabilities():
    model = NoiseModel()
    model.add_readout_error(ReadoutError([[0.9, 0.1], [0.2, 0.8]]), [1])
    circuit = GateCircuit(2, (NamedGate("RX", (0,), 0), NamedGate("RX", (1,), 1)), 2)
    angles = np.array([[0, 0], [0, np.pi], [np.pi, 0]])
    expected = np.array([[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0, 0, 0.9, 0.1]])
    exact = QiskitBackend("qiskit.aer", 2, None, {"noise_model": model})
    np.testing.assert_allclose(exact.probabilities(circuit, angles, rng()), expected, atol=1e-9)
    # Aer's own measurements say the same.
    options = {"noise_model": model, "method": "matrix_product_state"}
    counted = QiskitBackend("qiskit.aer", 2, SHOTS, options)
    assert deviations(counted.probabilities(circuit, angles, rng()), expected).max() < 5


def test_quantum_errors_of_the_measurement_are_left_to_aer():
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(1.0, 1), ["measure"])
    circuit, angles = student_circuit(2)
    backend = QiskitBackend("qiskit.aer", 2, SHOTS, {"noise_model": model})
    result = backend.probabilities(circuit, angles, rng())
    assert deviations(result, np.full((5, 4), 0.25)).max() < 5
    with pytest.raises(ValueError, match="without quantum errors in 'measure'"):
        QiskitBackend("qiskit.aer", 2, None, {"noise_model": model})


def test_noise_is_not_lost_with_a_gate_that_the_method_does_not_know():
    model = NoiseModel(basis_gates=["u", "cx", "crx"])
    model.add_all_qubit_quantum_error(depolarizing_error(0.1, 2), ["crx"])
    circuit = GateCircuit(2, (NamedGate("CRX", (0, 1), 0),), 1)
    backend = QiskitBackend("qiskit.aer", 2, None, {"noise_model": model})
    with pytest.raises(ValueError, match=r"noisy gates \['crx'\]"):
        backend.probabilities(circuit, np.ones((1, 1)), rng())


@pytest.mark.parametrize("backend", ["fake_manila", GenericBackendV2(3, seed=2)])
def test_remote_runs_one_job_on_a_fake_device(backend, monkeypatch, transpilations):
    from qiskit_ibm_runtime import SamplerV2

    calls = Calls(SamplerV2.run)
    monkeypatch.setattr(SamplerV2, "run", calls)
    circuit, angles = student_circuit(3, n_runs=30)
    shots = 2000
    remote = QiskitBackend("qiskit.remote", 3, shots, {"backend": backend})
    frequencies = remote.probabilities(circuit, angles, rng(3))
    assert (calls.number, transpilations.number) == (1, 1)
    aer = QiskitBackend("qiskit.aer", 3, None, {"backend": backend})
    expected = aer.probabilities(circuit, angles, rng())
    assert deviations(frequencies, expected, shots).max() < 5
    assert deviations(frequencies, default_qubit(circuit, angles), shots).max() > 5
    again = remote.probabilities(circuit, angles, rng(3))
    np.testing.assert_array_equal(frequencies, again)
    assert (frequencies != remote.probabilities(circuit, angles, rng(4))).any()
    assert (calls.number, transpilations.number) == (3, 2)  # one of these was Aer's


def test_remote_counts_more_than_eight_bits():
    gates = tuple(NamedGate("RX", (qubit,), qubit) for qubit in range(9))
    circuit = GateCircuit(9, gates, 9)
    bits = np.array([[1, 0, 1, 1, 0, 0, 1, 0, 1], [0, 1, 0, 0, 0, 0, 0, 0, 0]])
    backend = AerSimulator(max_parallel_threads=1)
    remote = QiskitBackend("qiskit.remote", 9, 10, {"backend": backend})
    frequencies = remote.probabilities(circuit, bits * np.pi, rng())
    expected = np.zeros((2, 512))
    expected[[0, 1], bits @ 2 ** np.arange(9)[::-1]] = 1
    np.testing.assert_array_equal(frequencies, expected)


@pytest.mark.parametrize(
    ("name", "shots", "options", "message"),
    [
        ("qiskit.basic", None, {}, "'qiskit.basic' must be one of 'qiskit.aer', 'qiskit.remote'"),
        ("qiskit.aer", 0, {}, "shots=0 must be at least 1"),
        ("qiskit.aer", None, {"nois": 1}, "does not take backend_options 'nois'.*'noise_model'"),
        ("qiskit.aer", None, {"shots": 5}, "does not take backend_options 'shots'"),
        ("qiskit.aer", None, {"method": "stabilizer"}, "'stabilizer' cannot run.*'statevector'"),
        ("qiskit.aer", None, {"device": "TPU"}, "device='TPU'.*'CPU'"),
        ("qiskit.aer", None, {"noise_model": 0.1}, "dict of strengths; it is float"),
        ("qiskit.aer", None, {"noise_model": {"depolarizing": 2}}, "from 0 to 1; it is 2"),
        ("qiskit.aer", None, {"noise_model": "fake_nowhere"}, "'fake_nowhere' is not known"),
        ("qiskit.aer", None, {"backend": "fake_nowhere"}, "'fake_nowhere' is not known"),
        ("qiskit.aer", None, {"backend": 3}, "backend must be a Qiskit backend"),
        ("qiskit.aer", None, {"backend": AerSimulator()}, "a device for Aer to imitate"),
        ("qiskit.aer", None, {"backend": GenericBackendV2(2)}, "has 2 qubits, and n_qubits=3"),
        ("qiskit.aer", None, {"backend": "fake_manila", "basis_gates": ["u"]}, "Give either"),
        (
            *("qiskit.aer", None),
            {"noise_model": {"depolarizing": 0.1}, "method": "statevector"},
            "need method='density_matrix'",
        ),
        ("qiskit.aer", None, {"diff_method": "adjoint"}, "'parameter-shift' or 'none' alone"),
        ("qiskit.remote", None, {"backend": "fake_manila"}, "set shots"),
        ("qiskit.remote", 10, {}, "needs backend_options"),
        ("qiskit.remote", 10, {"backend": "fake_armonk"}, "has 1 qubits, and n_qubits=3"),
        ("qiskit.remote", 10, {"backend": "fake_nowhere"}, "'fake_nowhere' is not known"),
        ("qiskit.remote", 10, {"backend": "fake_manila", "method": "x"}, "take.*'method'"),
    ],
)
def test_what_cannot_work_fails_before_a_job(name, shots, options, message, jobs):
    with pytest.raises(ValueError, match=message):
        QiskitBackend(name, 3, shots, options)
    assert jobs.number == 0


def test_more_qubits_than_memory():
    with pytest.raises(ValueError, match=r"has memory for .* qubits on this machine"):
        QiskitBackend("qiskit.aer", 80)


def test_a_real_device_needs_an_account(monkeypatch):
    from qiskit_ibm_runtime import QiskitRuntimeService
    from qiskit_ibm_runtime.exceptions import IBMError

    def no_account(service):
        raise IBMError("Unable to find account.")

    monkeypatch.setattr(QiskitRuntimeService, "__init__", no_account)
    with pytest.raises(ValueError, match=r"'ibm_device' is not available.*save_account"):
        QiskitBackend("qiskit.remote", 3, 10, {"backend": "ibm_device"})


@pytest.mark.parametrize(
    ("name", "missing", "package"),
    [
        ("qiskit.aer", "qiskit", "qiskit-aer"),
        ("qiskit.aer", "qiskit_aer", "qiskit-aer"),
        ("qiskit.remote", "qiskit_ibm_runtime", "qiskit-ibm-runtime"),
    ],
)
def test_a_missing_package_is_named_with_the_pip_command(name, missing, package, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=f"{missing} is needed.*pip install {package}"):
        QiskitBackend(name, 3, 10, {"backend": "fake_manila"})


def test_a_failed_simulation_raises():
    backend = QiskitBackend("qiskit.aer", 18, None, {"max_memory_mb": 1})
    circuit = GateCircuit(18, (NamedGate("RX", (0,), 0),), 1)
    with pytest.raises(RuntimeError, match=r"Aer could not run .*memory"):
        backend.probabilities(circuit, np.ones((1, 1)), rng())
