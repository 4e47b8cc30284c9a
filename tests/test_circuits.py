"""The compiler and the kernels against default.qubit and finite differences."""

from itertools import pairwise

import numpy as np
import pennylane as qml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklqkd.circuits import ANSATZ_NAMES, ansatz_shape, ansatz_template, compile_ansatz
from sklqkd.statevector import FactoredKernel

from .reference import (
    RandomTemplate,
    default_qubit,
    default_qubit_gradient,
    differences,
    random_states,
)


def run(kernel, weights, states):
    kernel.prepare(np.ravel(weights))
    return kernel.forward(states).copy()


def assert_same_up_to_phase(states, expected, tolerance):
    overlaps = np.einsum("kb,kb->b", expected.conj(), states)
    np.testing.assert_allclose(states / (overlaps / np.abs(overlaps)), expected, atol=tolerance)


@pytest.mark.parametrize("n_qubits", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("ansatz", ANSATZ_NAMES)
def test_named_ansatz_is_pennylanes(ansatz, n_qubits):
    rng = np.random.default_rng(n_qubits)
    weights = rng.uniform(0, 7, ansatz_shape(ansatz, n_qubits, 3))
    states = random_states(rng, n_qubits)
    kernel = FactoredKernel(compile_ansatz(ansatz, n_qubits, 3), np.complex128)
    expected = default_qubit(ansatz_template(ansatz), weights, n_qubits, states)
    assert_same_up_to_phase(run(kernel, weights, states), expected, 1e-12)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), n_qubits=st.integers(1, 10))
def test_random_circuits(seed, n_qubits):
    """Outputs and gradients of every gate, in single and in double precision."""
    rng = np.random.default_rng(seed)
    template = RandomTemplate(seed, n_qubits)
    weights = rng.uniform(-4, 4, template.shape)
    state = random_states(rng, n_qubits, batch=1)
    observable = rng.uniform(-1, 1, 2**n_qubits)
    program = compile_ansatz(template, n_qubits, 1)
    expected = default_qubit(template, weights, n_qubits, state)
    expected_gradient = default_qubit_gradient(template, weights, n_qubits, state[:, 0], observable)
    for dtype, atol, gradient_atol in [(np.complex128, 1e-12, 1e-10), (np.complex64, 1e-6, 1e-5)]:
        kernel = FactoredKernel(program, dtype)
        final = run(kernel, weights, state)
        assert_same_up_to_phase(final, expected, atol)
        assert final.real.dtype == dtype(0).real.dtype
        for with_input in (True, False):
            adjoint = 2 * observable[:, None] * final
            gradient, adjoint = kernel.backward(adjoint, with_input)
            np.testing.assert_allclose(gradient, expected_gradient, atol=gradient_atol)
            assert (adjoint is None) != with_input


@pytest.mark.parametrize("n_qubits", [1, 2, 4, 6])
def test_adjoint_of_the_input(n_qubits):
    rng = np.random.default_rng(n_qubits)
    program = compile_ansatz(RandomTemplate(n_qubits, n_qubits, n_gates=20), n_qubits, 1)
    weights = rng.uniform(-3, 3, program.n_weights)
    states, direction = random_states(rng, n_qubits), random_states(rng, n_qubits)
    observable = rng.uniform(-1, 1, (2**n_qubits, 1))
    kernel = FactoredKernel(program, np.complex128)

    def loss(step):
        return (observable * np.abs(run(kernel, weights, states + step * direction)) ** 2).sum()

    slope = differences(lambda step: loss(step[0]), np.zeros(1))
    _, adjoint = kernel.backward(2 * observable * run(kernel, weights, states))
    assert (adjoint.conj() * direction).real.sum() == pytest.approx(slope[0], abs=1e-7)


@pytest.mark.parametrize("n_qubits", [2, 4, 6])
@pytest.mark.parametrize("ansatz", ANSATZ_NAMES)  # some end in a permutation
def test_probabilities_and_their_gradient(ansatz, n_qubits):
    rng = np.random.default_rng(n_qubits)
    program = compile_ansatz(ansatz, n_qubits, 2)
    kernel = FactoredKernel(program, np.complex128)
    weights, states = rng.uniform(0, 7, program.n_weights), random_states(rng, n_qubits)
    final = run(kernel, weights, states)
    probabilities = kernel.probabilities(states)
    np.testing.assert_allclose(probabilities, np.abs(final) ** 2, atol=1e-14)
    slopes = rng.normal(size=final.shape)

    def loss(values):
        final = run(FactoredKernel(program, np.complex128), values, states)
        return (slopes * np.abs(final) ** 2).sum()

    kernel.probabilities(states)
    gradient, adjoint = kernel.backward_probabilities(slopes)
    np.testing.assert_allclose(gradient, differences(loss, weights), atol=1e-7)
    kernel.forward(states)
    np.testing.assert_allclose(adjoint, kernel.backward(2 * slopes * final)[1], atol=1e-12)


def test_a_batch_of_another_size_reuses_nothing_stale():
    program = compile_ansatz("strongly_entangling", 6, 2)
    rng = np.random.default_rng(0)
    weights = rng.uniform(0, 6, program.n_weights)
    kernel = FactoredKernel(program, np.complex128)
    many = random_states(rng, 6, batch=7)
    whole = run(kernel, weights, many)
    for rows in (slice(0, 3), slice(3, 4), slice(4, 7)):
        np.testing.assert_allclose(run(kernel, weights, many[:, rows]), whole[:, rows], atol=1e-14)


def test_real_circuits_run_in_real_numbers():
    class Real:
        shape = (8,)

        def __call__(self, weights, wires):
            for i, wire in enumerate(wires):
                qml.RY(weights[i], wires=wire)
                qml.Hadamard(wire)
            for left, right in pairwise(wires):
                qml.CNOT([left, right])
                qml.CZ([right, left])
            for i, wire in enumerate(wires):
                qml.RY(weights[i + 4], wires=wire)

    program = compile_ansatz(Real(), 4, 1)
    assert program.is_real
    assert not compile_ansatz("strongly_entangling", 4, 1).is_real
    rng = np.random.default_rng(0)
    weights, observable = rng.uniform(0, 6, 8), rng.uniform(-1, 1, (16, 1))
    states = np.abs(random_states(rng, 4))
    real, complex_ = FactoredKernel(program, np.float64), FactoredKernel(program, np.complex128)
    final, expected = run(real, weights, states), run(complex_, weights, states)
    assert final.dtype == np.float64
    np.testing.assert_allclose(final**2, np.abs(expected) ** 2, atol=1e-14)
    gradient, _ = real.backward(2 * observable * final)
    expected_gradient, _ = complex_.backward(2 * observable * expected)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-13)


def test_the_last_permutation_is_left_to_the_readout():
    program = compile_ansatz("strongly_entangling", 4, 2)
    shorter, permutation = program.split_readout()
    rng = np.random.default_rng(0)
    weights, states = rng.uniform(0, 6, program.n_weights), random_states(rng, 4)
    whole = run(FactoredKernel(program, np.complex128), weights, states)
    partial = run(FactoredKernel(shorter, np.complex128), weights, states)
    assert len(shorter.steps) == len(program.steps) - 1
    np.testing.assert_allclose(np.abs(whole), np.abs(partial)[permutation], atol=1e-14)


def template(function, shape=(2,)):
    function.shape = shape
    return function


@pytest.mark.parametrize(
    ("ansatz", "message"),
    [
        (template(lambda w, wires: qml.RX(w[0] * w[1], wires=0)), "scale \\* weight \\+ offset"),
        (template(lambda w, wires: qml.RX(w[0] + w[1], wires=0)), "scale \\* weight \\+ offset"),
        (template(lambda w, wires: qml.RX(w[0], 0) if w[0] > 1 else qml.RY(w[0], 0)), "change"),
        (template(lambda w, wires: qml.AmplitudeDamping(0.1, wires=0)), "AmplitudeDamping"),
        (template(lambda w, wires: qml.CNOT([0, 7])), "wires \\[7\\]"),
        (template(lambda w, wires: qml.expval(qml.PauliZ(0))), "measures"),
        (lambda w, wires: None, "`shape`"),
        ("strong", "'strongly_entangling'"),
    ],
)
def test_what_cannot_be_compiled_is_refused(ansatz, message):
    with pytest.raises(ValueError, match=message):
        compile_ansatz(ansatz, 2, 1)


@pytest.mark.parametrize("gate", [qml.PauliX, qml.PauliY, qml.Hadamard])
def test_gates_that_cancel_compile(gate):
    class Cancels:
        shape = (2,)

        def __call__(self, weights, wires):
            for start in (0, 1):
                qml.RY(weights[start], wires=wires[start])
                qml.CNOT(wires=[0, 1])
                gate(wires=1)
                gate(wires=1)
                qml.CRX(weights[start], wires=[1, 0])

    weights, states = np.array([0.3, 0.8]), random_states(np.random.default_rng(0), 2)
    expected = default_qubit(Cancels(), weights, 2, states)
    kernel = FactoredKernel(compile_ansatz(Cancels(), 2, 1), np.complex128)
    assert_same_up_to_phase(run(kernel, weights, states), expected, 1e-12)


def test_fixed_unitaries_and_nested_templates_compile():
    unitary = qml.matrix(qml.QFT(wires=[0, 1, 2]))

    def nested(weights, wires):
        qml.QubitUnitary(unitary, wires=[2, 0, 3])
        qml.StronglyEntanglingLayers(weights, wires=wires)
        qml.QFT(wires=wires)

    nested.shape = (1, 4, 3)
    rng = np.random.default_rng(0)
    weights, states = rng.uniform(0, 6, nested.shape), random_states(rng, 4)
    expected = default_qubit(nested, weights, 4, states)
    kernel = FactoredKernel(compile_ansatz(nested, 4, 1), np.complex128)
    assert_same_up_to_phase(run(kernel, weights, states), expected, 1e-12)


@pytest.mark.parametrize("n_qubits", [1, 2, 3, 5])
@pytest.mark.parametrize("ansatz", ["strongly_entangling", "basic_entangler", "rotations"])
def test_named_ansaetze_are_their_templates(ansatz, n_qubits):
    """Which are PennyLane's: the same steps, traced and by name."""
    n_layers = 4  # CNOTs of every range
    template = ansatz_template(ansatz)

    def own(weights, wires):
        template(weights, wires=wires)

    own.shape = ansatz_shape(ansatz, n_qubits, n_layers)
    named, traced = (compile_ansatz(a, n_qubits, n_layers) for a in (ansatz, own))
    assert named.n_weights == traced.n_weights
    for first, second in zip(named.steps, traced.steps, strict=True):
        assert type(first) is type(second)
        for name in vars(first):
            np.testing.assert_allclose(vars(first)[name], vars(second)[name], atol=1e-12)
