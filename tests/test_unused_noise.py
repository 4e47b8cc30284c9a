"""Noise that belongs to gates and qubits which the circuit, as it runs, does not have."""

import re
import warnings

import numpy as np
import pytest
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_aer.noise import (
    NoiseModel,
    ReadoutError,
    depolarizing_error,
    thermal_relaxation_error,
)
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

from sklqkd import QNNClassifier
from sklqkd.backends import make_backend
from sklqkd.datasets import load_digits
from sklqkd.gates import GateCircuit, NamedGate

from .test_qiskit_devices import default_qubit, rng, student_circuit

FLIP = ReadoutError([[0.9, 0.1], [0.2, 0.8]])
JOINT = ReadoutError(np.full((4, 4), 0.25))
ONE, TWO, THREE = (depolarizing_error(0.1, n) for n in (1, 2, 3))
RELAXATION = thermal_relaxation_error(50, 30, 10)


def model(*errors):
    """Return a noise model of (error, gate) and (error, gate, qubits)."""
    noise = NoiseModel()
    for error, gate, *qubits in errors:
        if isinstance(error, ReadoutError):
            add = noise.add_readout_error if qubits else noise.add_all_qubit_readout_error
            add(error, *qubits)
        elif qubits:
            noise.add_quantum_error(error, gate, *qubits)
        else:
            noise.add_all_qubit_quantum_error(error, gate)
    return noise


def said(action):
    """Return what an action warns of once; Qiskit warns of its own plugins."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        action()
    (message,) = [str(w.message) for w in caught if "noise_model" in str(w.message)]
    return message


def run(noise, shots=None, n_qubits=3, **options):
    """Return probabilities of a student's circuit under noise, the exact ones, and a warning."""
    circuit, angles = student_circuit(n_qubits)
    backend = make_backend("qiskit.aer", n_qubits, shots, {"noise_model": noise, **options})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = backend.probabilities(circuit, angles, rng())
        backend.probabilities(circuit, angles, rng())  # says nothing new
    messages = [str(w.message) for w in caught if "noise_model" in str(w.message)]
    assert len(messages) <= 1
    return result, default_qubit(circuit, angles), messages[0] if messages else None


NOTHING = "nothing in it is noisy, and results are those without noise"
NEVER = {
    "cz": model((TWO, "cz")),
    "ecr": model((TWO, "ecr")),
    "swap": model((TWO, "swap")),
    "id": model((ONE, "id")),
    "delay": model((RELAXATION, "delay")),
    "reset": model((ONE, "reset")),
    "unitary": model((ONE, "unitary")),
    "kraus": model((ONE, "kraus")),
    "barrier": model((ONE, "barrier")),
    "cnot": model((TWO, "cnot")),
    "CX": model((TWO, "CX")),
    "a label of mine": model((TWO, "a label of mine")),
    "ccx": model((THREE, "ccx")),
    "sx' on 7": model((ONE, "sx", [7])),
    "cx' on 7-8": model((TWO, "cx", [7, 8])),
    "the readout on 7": model((FLIP, None, [7])),
    "the readout on 0-1": model((JOINT, None, [0, 1])),
}


@pytest.mark.parametrize("name", NEVER)
def test_noise_that_never_acts_is_said(name):
    result, ideal, message = run(NEVER[name])
    np.testing.assert_allclose(result, ideal, atol=1e-6)
    assert name in message
    assert "12 cx" in message
    assert "on the qubits 0, 1, 2" in message
    if "readout" in name:
        assert "no measured qubit is read wrongly" in message
    else:
        assert NOTHING in message
    assert "'noise_model': {'depolarizing': 0.01}" in message


@pytest.mark.parametrize(
    ("noise", "options", "words"),
    [
        (model((ONE, "sx"), (TWO, "cz")), {}, "'cz'.*none of its two-qubit gates are noisy"),
        (model((TWO, "cx"), (ONE, "id")), {}, "'id'.*none of its one-qubit gates are noisy"),
        (model((TWO, "cx"), (ONE, "sx", [7])), {}, "'sx' on 7.*none of its one-qubit gates"),
        (model((FLIP, None), (TWO, "ecr")), {}, "'ecr'.*none of its two-qubit gates are noisy"),
        (model((TWO, "cx"), (FLIP, None, [9])), {}, "readout on 9.*no measured qubit"),
        (model((ONE, "sx")), {"basis_gates": ["u", "cx"]}, f"'sx'.*{NOTHING}"),
        (
            *(model((ONE, "sx"), (TWO, "cx")), {"basis_gates": ["u", "cx"]}),
            "'sx'.*none of its one-qubit gates are noisy",
        ),
        (model((TWO, "cz")), {"backend": "fake_manila"}, f"'cz'.*{NOTHING}"),
        (
            *("fake_manila", {"backend": GenericBackendV2(5, ["cz", "rz", "sx", "x"], seed=0)}),
            "'cx' on .*none of its two-qubit gates are noisy",
        ),
    ],
)
def test_a_part_that_never_acts_is_said(noise, options, words):
    message = run(noise, **options)[2]
    assert re.search(words, message)
    assert ("have the circuit made of others" in message) <= ("backend" not in options)


@pytest.mark.parametrize(
    ("noise", "options"),
    [
        (model((ONE, "sx")), {}),
        (model((TWO, "cx")), {}),
        (model((TWO, "cx", [0, 1])), {}),
        (model((ONE, "rz")), {}),
        (model((FLIP, None)), {}),
        (model((FLIP, None, [1])), {}),
        (model((ONE, ["u1", "u2", "u3"]), (TWO, "cx")), {}),
        (model((ONE, ["id", "sx", "x", "reset"]), (TWO, "cx"), (FLIP, None)), {}),
        (model((ONE, "sx", [0]), (ONE, "sx", [9])), {}),
        (model((TWO, "cz")), {"basis_gates": ["rz", "sx", "cz"]}),
        (NoiseModel.from_backend(FakeManilaV2()), {}),
        ("fake_manila", {}),
        ({"depolarizing": 0.05}, {}),
        ({"readout": 0.05}, {}),
    ],
)
def test_noise_that_acts_is_not_spoken_of(noise, options):
    result, ideal, message = run(noise, **options)
    assert message is None
    assert np.abs(result - ideal).max() > 1e-3


@pytest.mark.parametrize("shots", [4, 2000])
def test_errors_of_the_measurement_act_where_it_is_measured(shots):
    assert run(model((ONE, "measure")), shots)[2] is None
    assert "'measure' on 7" in run(model((ONE, "measure", [7])), shots)[2]


def test_no_model_and_no_error_cause_no_warning():
    assert run(model())[2] is None
    assert run({})[2] is None


@pytest.mark.parametrize("gate", ["cz", "ecr", "swap", "cp"])
def test_the_basis_that_is_advised_makes_the_noise_act(gate):
    noise = model((TWO, gate))
    message = run(noise)[2]
    advice = re.search(r"backend_options\['basis_gates'\]=(\[.*?\])", message)
    if advice is None:  # nothing is made of swaps
        assert gate == "swap"
        return
    result, ideal, message = run(noise, basis_gates=eval(advice[1]))
    assert message is None
    assert np.abs(result - ideal).max() > 1e-2


def test_strengths_as_advised_act():
    result, ideal, message = run({"depolarizing": 0.01})
    assert message is None
    assert np.abs(result - ideal).max() > 1e-3


def test_gates_that_no_circuit_can_be_rewritten_in_are_refused():
    for names in (["rz", "sx", "unitary"], ["rz", "sx", "cnot"]):
        with pytest.raises(ValueError, match=f"has '{names[-1]}'.* Choose from .*cx, .*rz, "):
            run({"readout": 0.1}, basis_gates=names)


def test_an_entangler_free_circuit_has_no_noise_of_pairs():
    circuit = GateCircuit(2, (NamedGate("RX", (0,), 0), NamedGate("RX", (1,), 1)), 2)
    angles = np.ones((1, 2))
    for noise, is_said in [((TWO, "cx"),), True], [((TWO, "cx"), (ONE, "sx")), False]:
        backend = make_backend("qiskit.aer", 2, None, {"noise_model": model(*noise)})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            backend.probabilities(circuit, angles, rng())
        assert any(NOTHING in str(w.message) for w in caught) == is_said


def test_calibrations_are_not_spoken_of():
    """They have no two-qubit gate, whatever the student has."""
    noise = model((TWO, "cx"), (FLIP, None))
    assert run(noise, 2000, readout_mitigation=True)[2] is None
    assert "'cz'" in run(model((TWO, "cz"), (FLIP, None)), 2000, readout_mitigation=True)[2]


def test_a_fake_device_with_a_model_of_its_own():
    options = {"backend": "fake_manila", "sampler_options": {}}
    circuit, angles = student_circuit(2)
    options["sampler_options"] = {"simulator": {"noise_model": model((TWO, "cz"))}}
    remote = make_backend("qiskit.remote", 2, 50, options)
    assert NOTHING in said(lambda: remote.probabilities(circuit, angles, rng()))


def test_a_student_says_it_in_fit_and_in_predict():
    X, y = load_digits(return_X_y=True)
    X, y = X[y < 3][:12], y[y < 3][:12]
    student = QNNClassifier(n_qubits=2, n_layers=1, max_iter=1, random_state=0).fit(X, y)
    student.set_params(backend="qiskit.aer", backend_options={"noise_model": model((TWO, "cz"))})
    assert "'cz'" in said(lambda: student.predict(X))
    assert "'cz'" in said(lambda: student.fit(X, y))
