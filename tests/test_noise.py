"""Noise on PennyLane and on Aer, and the mitigation of readout errors."""

import numpy as np
import pennylane as qml
import pytest
from qiskit_aer.noise import NoiseModel, ReadoutError

from sklqkd.backends import make_backend
from sklqkd.backends.mitigation import ReadoutMitigation, project_to_simplex
from sklqkd.backends.noise import check_strengths, noisy_operations
from sklqkd.circuits.gates import ansatz_gates
from sklqkd.gates import GateCircuit, NamedGate
from tests import reference
from tests.test_qiskit_devices import ENCODINGS, default_qubit, every_gate, rng, student_circuit

STRENGTHS = {"depolarizing": 0.03, "amplitude_damping": 0.05, "readout": 0.04}
ONE_ROTATION = GateCircuit(2, (NamedGate("RX", (0,), 0),), 1)
HALF_TURN = np.array([[np.pi]])


def both(circuit, angles, strengths):
    """Return the probabilities of default.mixed and of Aer under equal noise."""
    names = "default.mixed", "qiskit.aer"
    backends = [
        make_backend(name, circuit.n_qubits, None, {"noise_model": strengths}) for name in names
    ]
    return [backend.probabilities(circuit, angles, rng()) for backend in backends]


@pytest.mark.parametrize("n_qubits", [2, 3, 4, 5, 6])
def test_random_circuits_are_equally_noisy(n_qubits):
    template = reference.RandomTemplate(n_qubits, n_qubits, n_gates=20)
    ansatz = ansatz_gates(template, n_qubits, 1)
    angles = ansatz.angles(rng().uniform(-3, 3, template.shape))[None]
    mixed, aer = both(ansatz.circuit, angles, STRENGTHS)
    np.testing.assert_allclose(aer, mixed, rtol=0, atol=1e-6)
    assert np.abs(aer - default_qubit(ansatz.circuit, angles)).max() > 1e-3


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_equally_noisy(encoding):
    mixed, aer = both(*student_circuit(3, encoding), STRENGTHS)
    np.testing.assert_allclose(aer, mixed, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "strengths",
    [
        {"depolarizing": 0.1},
        {"amplitude_damping": 0.1},
        {"readout": 0.1},
        {"depolarizing": 0.1, "amplitude_damping": 0.2},
    ],
)
def test_every_gate_is_equally_noisy(strengths):
    circuit, angles = every_gate()
    mixed, aer = both(circuit, angles, strengths)
    np.testing.assert_allclose(aer, mixed, rtol=0, atol=1e-6)
    assert np.abs(aer - default_qubit(circuit, angles)).max() > 1e-2


@pytest.mark.parametrize(
    ("strengths", "expected"),
    [
        ({"depolarizing": 1}, [0.5, 0, 0.5, 0]),
        ({"depolarizing": 0.2}, [0.1, 0, 0.9, 0]),
        ({"amplitude_damping": 1}, [1, 0, 0, 0]),
        ({"amplitude_damping": 0.3}, [0.3, 0, 0.7, 0]),
        ({"depolarizing": 0.2, "amplitude_damping": 0.5}, [0.55, 0, 0.45, 0]),
        ({"readout": 0.1}, [0.09, 0.01, 0.81, 0.09]),
        ({"readout": 0.5}, [0.25] * 4),
        ({}, [0, 0, 1, 0]),
    ],
)
def test_strengths_mean_what_they_say(strengths, expected):
    for result in both(ONE_ROTATION, HALF_TURN, strengths):
        np.testing.assert_allclose(result, [expected], atol=1e-9)


def test_operations_are_followed_by_their_channels():
    operations = [qml.RX(0.1, wires=0), qml.CNOT(wires=[0, 1])]
    noisy = noisy_operations(operations, check_strengths(STRENGTHS), n_qubits=2)
    channels = ["DepolarizingChannel", "AmplitudeDamping"]
    expected = ["RX", *channels, "CNOT", *channels, *channels, "BitFlip", "BitFlip"]
    assert [operation.name for operation in noisy] == expected
    assert noisy_operations(operations, check_strengths({}), n_qubits=2) == operations


@pytest.mark.parametrize(
    ("strengths", "message"),
    [
        ({"dephasing": 0.1}, "'dephasing' is not known.*'depolarizing'"),
        ({"depolarizing": -0.1}, "depolarizing noise must be a number from 0 to 1; it is -0.1"),
        ({"amplitude_damping": 1.1}, "from 0 to 1; it is 1.1"),
        ({"readout": 0.6}, "from 0 to 0.5; it is 0.6"),
        ({"readout": float("nan")}, "it is nan"),
        ({"depolarizing": "much"}, "it is 'much'"),
        ({"depolarizing": None}, "it is None"),
    ],
)
def test_strengths_are_checked(strengths, message):
    with pytest.raises(ValueError, match=message):
        check_strengths(strengths)


@pytest.mark.parametrize("name", ["default.mixed", "qiskit.aer"])
def test_mitigation_undoes_readout_errors(name):
    circuit, angles = student_circuit(4)
    ideal = default_qubit(circuit, angles)
    options = {"noise_model": {"readout": 0.08}}
    plain = make_backend(name, 4, None, options).probabilities(circuit, angles, rng())
    assert np.abs(plain - ideal).max() > 0.03
    mitigated = make_backend(name, 4, None, {**options, "readout_mitigation": True})
    corrected = mitigated.probabilities(circuit, angles, rng())
    np.testing.assert_allclose(corrected, ideal, rtol=0, atol=1e-6)


def test_mitigation_with_shots_reduces_the_error():
    circuit, angles = student_circuit(4, n_runs=20)
    ideal = default_qubit(circuit, angles)
    options = {"noise_model": {"readout": 0.08}}
    errors = []
    for mitigates in (False, True):
        backend = make_backend(
            "qiskit.aer", 4, 20_000, {**options, "readout_mitigation": mitigates}
        )
        result = backend.probabilities(circuit, angles, rng())
        np.testing.assert_allclose(result.sum(axis=1), 1)
        assert (result >= 0).all()
        errors.append(np.abs(result - ideal).mean())
    assert errors[1] < errors[0] / 4


def test_mitigation_knows_the_qubits_that_transpilation_chose():
    model = NoiseModel()
    for qubit in range(5):
        high, low = 0.05 + 0.05 * qubit, 0.02 + 0.01 * qubit
        model.add_readout_error(ReadoutError([[1 - low, low], [high, 1 - high]]), [qubit])
    options = {"backend": "fake_manila", "noise_model": model}
    backend = make_backend("qiskit.aer", 3, None, options)
    circuit, angles = student_circuit(3)
    assert backend.measured_qubits(circuit) != (0, 1, 2)
    corrected = ReadoutMitigation(backend).probabilities(circuit, angles, rng())
    ideal = default_qubit(circuit, angles)
    np.testing.assert_allclose(corrected, ideal, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["qiskit.aer", "qiskit.remote"])
def test_mitigation_helps_on_a_fake_device(name):
    circuit, angles = student_circuit(2, "angle", n_runs=10)
    ideal = default_qubit(circuit, angles)
    errors = []
    for mitigates in (False, True):
        options = {"backend": "fake_manila", "readout_mitigation": mitigates}
        result = make_backend(name, 2, 5000, options).probabilities(circuit, angles, rng())
        errors.append(np.abs(result - ideal).mean())
    assert errors[1] < 0.6 * errors[0]


def test_calibration_is_measured_once():
    class Counting:
        runs = 0

        def __init__(self, backend):
            self.backend = backend

        def probabilities(self, circuit, angles, generator):
            self.runs += len(angles)
            return self.backend.probabilities(circuit, angles, generator)

    counting = Counting(make_backend("default.mixed", 3, None, {"noise_model": STRENGTHS}))
    mitigation = ReadoutMitigation(counting)
    circuit, angles = student_circuit(3, "angle", n_runs=4)
    for _ in range(3):
        mitigation.probabilities(circuit, angles, rng())
    assert counting.runs == 2 + 3 * 4


def test_hopeless_readout_cannot_be_mitigated():
    options = {"noise_model": {"readout": 0.49}, "readout_mitigation": True}
    backend = make_backend("qiskit.aer", 2, None, options)
    with pytest.raises(ValueError, match=r"read as 1 with probability 0\.490"):
        backend.probabilities(ONE_ROTATION, HALF_TURN, rng())


def test_projection_is_the_nearest_point_of_the_simplex():
    rows = rng().normal(0.2, 1, (50, 6))
    rows[0], rows[1] = np.eye(6)[2], 1 / 6
    projected = project_to_simplex(rows)
    np.testing.assert_allclose(projected.sum(axis=1), 1)
    assert (projected >= 0).all()
    np.testing.assert_allclose(projected[:2], rows[:2], atol=1e-12)
    # Nearest, of a convex set: no direction to another of its points is less than a right angle.
    for point in rng(1).dirichlet(np.full(6, 0.3), 200):
        assert ((rows - projected) * (point - projected)).sum(axis=1).max() < 1e-9
