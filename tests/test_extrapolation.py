"""Zero-noise extrapolation, against PennyLane's folding and extrapolation, and exact values."""

import numpy as np
import pennylane as qml
import pytest
from numpy.testing import assert_allclose

from sklqkd import QNNClassifier
from sklqkd.backends import make_backend
from sklqkd.backends.extrapolation import fold
from sklqkd.backends.noise import check_strengths, noisy_operations
from sklqkd.circuits.gates import ansatz_gates
from sklqkd.gates import GateCircuit, NamedGate

from .reference import RandomTemplate

N_QUBITS = 3
NOISE = {"noise_model": {"depolarizing": 0.01, "amplitude_damping": 0.005}}


def problem(seed=3, n_runs=2):
    """Return a random circuit with a gate of each kind, and its angles."""
    rng = np.random.default_rng(seed)
    ansatz = ansatz_gates(RandomTemplate(seed, N_QUBITS, n_gates=10), N_QUBITS, 1)
    angles = np.array([ansatz.angles(row) for row in rng.uniform(0, 6, (n_runs, 6))])
    names = ("S", "T", "SX", "CY", "Toffoli", "CSWAP")
    wires = ((0,), (1,), (2,), (0, 1), (0, 1, 2), (2, 0, 1))
    fixed = tuple(NamedGate(*each) for each in zip(names, wires, strict=True))
    return ansatz.circuit.then(GateCircuit(N_QUBITS, fixed, 0)), angles


def run(name, circuit, angles, options=None, shots=None):
    backend = make_backend(name, N_QUBITS, shots, options)
    return backend.probabilities(circuit, angles, np.random.default_rng(0))


@pytest.mark.parametrize("factor", [1, 1.5, 2, 3, 5.2])
def test_a_folded_circuit_has_more_gates_and_the_same_unitary(factor):
    circuit, angles = problem()
    folded, widen = fold(circuit, factor)
    exact = run("default.qubit", circuit, angles)
    assert_allclose(run("default.qubit", folded, widen(angles)), exact, atol=1e-12)
    assert_allclose(run("qiskit.aer", folded, widen(angles)), exact, atol=1e-12)
    tape = qml.tape.QuantumScript(circuit.operations(angles[0]))
    (theirs,), _ = qml.noise.fold_global(tape, factor)
    n_gates = sum(gate.name != "Barrier" for gate in folded.gates)
    assert abs(n_gates - len(theirs.operations)) <= 2  # whose rounding is another


@pytest.mark.parametrize("factors", [(1, 3), (1, 3, 5)])
def test_it_is_richardson_extrapolation_of_pennylanes_folded_circuits(factors):
    circuit, angles = problem()
    device = qml.device("default.mixed", wires=N_QUBITS)
    values = []
    for factor in factors:
        tape = qml.tape.QuantumScript(circuit.operations(angles[0]))
        (folded,), _ = qml.noise.fold_global(tape, factor)
        noisy = noisy_operations(folded.operations, check_strengths(NOISE["noise_model"]), N_QUBITS)
        measured = qml.tape.QuantumScript(noisy, [qml.probs(wires=range(N_QUBITS))])
        values.append(qml.execute([measured], device, diff_method=None)[0])
    expected = [qml.noise.richardson_extrapolate(factors, each) for each in np.array(values).T]
    expected = np.maximum(expected, 0)
    zne = {"scale_factors": factors, "extrapolation": "richardson"}
    ours = run("default.mixed", circuit, angles[:1], {**NOISE, "zne": zne})[0]
    assert_allclose(ours, expected, atol=2e-3)  # the last of whose negative parts are shared out
    given = {"scale_factors": factors, "extrapolation": qml.noise.richardson_extrapolate}
    theirs = run("default.mixed", circuit, angles[:1], {**NOISE, "zne": given})[0]
    assert_allclose(theirs, ours, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("default.mixed", NOISE),
        ("qiskit.aer", NOISE),
        ("qiskit.aer", {"backend": "fake_manila"}),
        ("qiskit.aer", {"backend": "fake_manila", "optimization_level": 3}),
    ],
)
def test_it_brings_probabilities_nearer_to_the_exact_ones(name, options):
    circuit, angles = problem(seed=5, n_runs=4)
    exact = run("default.qubit", circuit, angles)
    reads = {"readout_mitigation": True} if "backend" in options else {}
    before = run(name, circuit, angles, {**options, **reads})
    for zne in (True, {"scale_factors": (1, 3, 5), "extrapolation": "richardson"}):
        after = run(name, circuit, angles, {**options, **reads, "zne": zne})
        assert_allclose(after.sum(axis=1), 1)
        assert after.min() >= 0
        assert np.abs(after - exact).mean() < 0.6 * np.abs(before - exact).mean()


def test_every_factor_takes_all_shots():
    circuit, angles = problem()
    before = run("default.mixed", circuit, angles, {**NOISE, "zne": True}, shots=20_000)
    exact = run("default.mixed", circuit, angles, {**NOISE, "zne": True})
    # Of the factors 1 and 3, weighted by 3/2 and -1/2.
    assert np.abs(before - exact).max() < 6 * np.sqrt(10 / 4 * 0.25 / 20_000)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("default.qubit", {}, "backend='default.qubit' as it is set has no noise"),
        ("lightning.qubit", {}, "has no noise"),
        ("default.mixed", {}, "has no noise"),
        ("qiskit.aer", {}, "give a noise_model with noisy gates"),
        ("qiskit.aer", {"noise_model": {"readout": 0.1}}, "'readout_mitigation': True"),
        (
            "default.mixed",
            {"noise_model": {"readout": 0.1}, "readout_mitigation": True},
            "its gates have no noise",
        ),
        ("default.mixed", {**NOISE, "zne": "linear"}, "must be True, or a dict"),
        ("default.mixed", {**NOISE, "zne": {"factors": (1, 2)}}, "'scale_factors'"),
        ("default.mixed", {**NOISE, "zne": {"scale_factors": (1,)}}, "two or more different"),
        ("default.mixed", {**NOISE, "zne": {"scale_factors": (0.5, 1)}}, "from 1 on"),
        ("default.mixed", {**NOISE, "zne": {"scale_factors": (2, 2, 3)}}, "different numbers"),
        ("default.mixed", {**NOISE, "zne": {"scale_factors": "many"}}, "different numbers"),
        ("default.mixed", {**NOISE, "zne": {"extrapolation": "cubic"}}, "must be one of"),
        (
            "default.mixed",
            {**NOISE, "zne": {"scale_factors": (1, 3), "extrapolation": "quadratic"}},
            "needs more than the 2",
        ),
    ],
)
def test_what_cannot_be_extrapolated_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_backend(name, N_QUBITS, None, {"zne": True, **options})


def test_factors_that_a_short_circuit_cannot_tell_apart():
    circuit = GateCircuit(1, (NamedGate("RX", (0,), 0),), 1)
    zne = {"scale_factors": (1, 2, 3)}
    backend = make_backend("default.mixed", 1, None, {**NOISE, "zne": zne})
    with pytest.raises(ValueError, match="a circuit of 1 gates has \\[1, 1, 3\\]"):
        backend.probabilities(circuit, np.zeros((1, 1)), np.random.default_rng(0))


def test_an_extrapolation_that_gives_no_number():
    circuit, angles = problem()
    zne = {"extrapolation": lambda factors, values: np.nan}
    with pytest.raises(ValueError, match="does not return a finite number"):
        run("default.mixed", circuit, angles, {**NOISE, "zne": zne})


def test_students_predict_and_train_with_it():
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    X = rng.normal(size=(12, 2)) + 2 * y[:, None]
    noisy = {"backend": "default.mixed", "backend_options": NOISE}
    made = QNNClassifier(n_qubits=2, encoding="angle", reducer=None, n_layers=1, random_state=0)
    made.set_params(measurement=["XX", "ZI"], max_iter=2).fit(X, y)
    exact = made.decision_function(X)
    before = made.set_params(**noisy).decision_function(X)
    made.set_params(backend_options={**NOISE, "zne": True})
    after = made.decision_function(X)
    assert np.abs(after - exact).mean() < 0.5 * np.abs(before - exact).mean()
    for optimizer in ("spsa", "adam"):
        assert made.set_params(optimizer=optimizer, max_iter=1).fit(X, y).n_iter_ == 1
