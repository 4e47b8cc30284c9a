"""The circuit on a torch device against the exact simulator in NumPy."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sklqkd.circuits import ANSATZ_NAMES, compile_ansatz
from sklqkd.encodings import ENCODINGS, make_encoding
from sklqkd.simulation import ExactCircuit
from sklqkd.simulation.torch_circuit import TorchCircuit
from sklqkd.training import Network

from .reference import RandomTemplate

NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=NEEDS_CUDA)]
TOLERANCES = [(np.float64, 1e-12, 1e-10), (np.float32, 1e-6, 1e-5)]


class FixedUnitaries:
    """Gates on three wires out of order, on all wires, and real ones in between."""

    shape = (4,)

    def __call__(self, weights, wires):
        for i in range(4):
            qml.RY(weights[i], wires=wires[i])
        qml.QubitUnitary(qml.matrix(qml.QFT(wires=[0, 1, 2])), wires=[wires[2], wires[0], wires[3]])
        qml.Hadamard(wires[1])
        qml.QFT(wires=wires)
        qml.CRY(weights[1], wires=[wires[3], wires[0]])


class Real:
    """A circuit in real numbers, with a gate that is no permutation."""

    def __init__(self, n_qubits):
        self.shape = (2 * n_qubits,)

    def __call__(self, weights, wires):
        for i, wire in enumerate(wires):
            qml.RY(weights[i], wires=wire)
            qml.Hadamard(wire)
        for left, right in pairwise(wires):
            qml.CZ([left, right])
            qml.CNOT([right, left])
            qml.ctrl(qml.Hadamard(right), control=left)
        for i, wire in enumerate(wires):
            qml.RY(2 * weights[len(wires) + i], wires=wire)


def check(pair, rng, *, batch=3, n_features=None, atol=1e-12, gradient_atol=1e-10):
    """Compare two circuits in all that they return, on features with a black image."""
    circuit, expected = pair
    gates = circuit.encoding.gates
    if atol > 1e-9 and gates is not None and any(len(t.features) > 1 for t in gates[1].terms):
        # Products of angles are large, and of what turns a gate single precision keeps the rest.
        atol, gradient_atol = 50 * atol, 50 * gradient_atol
    features = rng.normal(size=(batch, n_features or circuit.encoding.n_features))
    features[1:2] = 0
    weights = rng.uniform(-4, 4, circuit.n_weights)
    gradient = rng.uniform(-1, 1, (2**circuit.n_qubits, batch))
    results = []
    for each, dtype in [(circuit, np.float32 if atol > 1e-9 else float), (expected, float)]:
        each.prepare(weights.astype(dtype))
        probabilities = each.values(features.astype(dtype))
        results.append((probabilities.copy(), *each.backward(gradient.astype(dtype), True)))
    for ours, theirs in zip(*results, strict=True):
        assert isinstance(ours, np.ndarray)
        assert ours.shape == theirs.shape
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=0, atol=atol)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=0, atol=gradient_atol)
    np.testing.assert_allclose(results[0][2], results[1][2], rtol=0, atol=gradient_atol)
    assert np.isfinite(results[0][2]).all()


def make_pair(encoding, ansatz, n_qubits, dtype, device="cpu", n_layers=2):
    encodings = [make_encoding(encoding, n_qubits) for _ in range(2)]
    program = compile_ansatz(ansatz, n_qubits, n_layers)
    circuit = TorchCircuit(encodings[0], program, dtype, device=device)
    return circuit, ExactCircuit(encodings[1], program, np.float64)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dtype", "atol", "gradient_atol"), TOLERANCES)
@pytest.mark.parametrize("ansatz", ANSATZ_NAMES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_named_ansatz(encoding, ansatz, dtype, atol, gradient_atol, device):
    rng = np.random.default_rng(0)
    for n_qubits in range(1, 9):
        pair = make_pair(encoding, ansatz, n_qubits, dtype, device)
        np.testing.assert_array_equal(pair[0].permutation, pair[1].permutation)
        n_features = pair[0].encoding.n_features
        for n_given in {n_features, max(1, n_features - 1)}:
            check(pair, rng, n_features=n_given, atol=atol, gradient_atol=gradient_atol)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1), n_qubits=st.integers(1, 8), encoding=st.sampled_from(ENCODINGS)
)
def test_random_circuits(seed, n_qubits, encoding):
    """Outputs and gradients of every gate, in single and in double precision."""
    template = RandomTemplate(seed, n_qubits)
    for dtype, atol, gradient_atol in TOLERANCES:
        pair = make_pair(encoding, template, n_qubits, dtype)
        check(pair, np.random.default_rng(seed), atol=atol, gradient_atol=gradient_atol)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dtype", "atol", "gradient_atol"), TOLERANCES)
@pytest.mark.parametrize("ansatz", [FixedUnitaries(), Real(4), RandomTemplate(3, 4, n_gates=40)])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_other_circuits(encoding, ansatz, dtype, atol, gradient_atol, device):
    assert compile_ansatz(ansatz, 4, 1).is_real == isinstance(ansatz, Real)
    pair = make_pair(encoding, ansatz, 4, dtype, device)
    check(pair, np.random.default_rng(0), atol=atol, gradient_atol=gradient_atol)


@pytest.mark.parametrize("device", DEVICES)
def test_a_black_image_is_the_state_of_zeros_and_has_no_gradient(device):
    circuit, _ = make_pair("amplitude", "none", 3, np.float32, device)
    circuit.prepare(np.zeros(0))
    features = np.array([[0.0] * 8, [1e-25] * 8, [1e-3] * 8], np.float32)
    probabilities = circuit.values(features)
    np.testing.assert_array_equal(probabilities[:, :2], np.eye(8)[:, [0, 0]])
    np.testing.assert_allclose(probabilities[:, 2], 1 / 8, rtol=1e-6)
    weights, pulled = circuit.backward(np.arange(24, dtype=np.float32).reshape(8, 3), True)
    assert weights.shape == (0,)
    assert not pulled[:2].any()
    assert pulled[2].any()
    weights, pulled = circuit.backward(np.ones((8, 3), np.float32), False)
    assert weights.shape == (0,)
    assert pulled is None


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_prediction_gives_the_same_and_keeps_nothing(encoding, device):
    rng = np.random.default_rng(0)
    circuit, _ = make_pair(encoding, RandomTemplate(5, 4), 4, np.float32, device)
    circuit.prepare(rng.uniform(-4, 4, circuit.n_weights))
    features = rng.normal(size=(6, circuit.encoding.n_features)).astype(np.float32)
    kept = circuit.values(features)
    saved: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda _: saved[0]):
        predicted = circuit.values(features, keep=False)
    assert not saved
    np.testing.assert_array_equal(predicted, kept)
    assert predicted.dtype == np.float32
    with pytest.raises(RuntimeError, match="keep=True"):
        circuit.backward(np.ones_like(kept), True)
    assert circuit.n_rows == 2**20


def test_one_preparation_serves_many_calls_and_any_memory_layout():
    rng = np.random.default_rng(0)
    pair = make_pair("angle", "strongly_entangling", 5, np.float64)
    weights = rng.uniform(0, 6, pair[0].n_weights)
    features = rng.normal(size=(8, 5))
    features.setflags(write=False)
    gradient = rng.normal(size=(8, 32)).T
    for circuit in pair:
        circuit.prepare(weights)
    for rows in (slice(0, 3), slice(None, None, -1), slice(3, 8)):
        expected = pair[1].values(features[rows])
        np.testing.assert_allclose(pair[0].values(features[rows]), expected, atol=1e-12)
        expected, expected_features = pair[1].backward(gradient[:, rows], True)
        for with_input in (False, True):  # twice: the calls leave each other's results alone
            found, found_features = pair[0].backward(gradient[:, rows], with_input)
            np.testing.assert_allclose(found, expected, atol=1e-10)
        np.testing.assert_allclose(found_features, expected_features, atol=1e-10)


@pytest.mark.parametrize("measurement", ["probs", "expval"])
def test_a_network_runs_on_it(measurement):
    rng = np.random.default_rng(0)
    networks = [
        Network(circuit, measurement, 3, dtype=np.float64)
        for circuit in make_pair("qubit", "strongly_entangling", 4, np.float64)
    ]
    parameters = networks[0].initial_parameters(rng)
    X, gradient = rng.normal(size=(5, 8)), rng.normal(size=(5, 3))
    logits = []
    for network in networks:
        network.bind(parameters)
        logits.append(network.logits(X))
        network.backward(gradient)
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-11)
    np.testing.assert_allclose(networks[0].gradient, networks[1].gradient, atol=1e-9)
    np.testing.assert_allclose(networks[0].predict_logits(X), logits[0], atol=1e-11)


@pytest.mark.parametrize("n_devices", [0, 1])
def test_a_cuda_device_that_is_not_there(n_devices, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_devices)
    program, encoding = compile_ansatz("rotations", 2, 1), make_encoding("angle", 2)
    device = "cuda:1" if n_devices else "cuda"
    message = {
        0: "device='cuda', but torch sees no CUDA device. Use device='cpu', or install",
        1: r"device='cuda:1', but torch sees 1 CUDA device\(s\), from 'cuda:0' on.",
    }
    with pytest.raises(ValueError, match=message[n_devices]):
        TorchCircuit(encoding, program, device=device)


@pytest.mark.parametrize("device", ["gpu", "meta", 1.5])
def test_what_is_no_device(device):
    with pytest.raises(ValueError, match=r"none that torch computes float64 on.*device='cpu'"):
        TorchCircuit(make_encoding("angle", 2), compile_ansatz("none", 2, 1), device=device)


def test_importing_it_does_not_load_torch():
    code = "import sys, sklqkd.simulation.torch_circuit; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
