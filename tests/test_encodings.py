"""Encodings against PennyLane's own gates and finite differences."""

import numpy as np
import pennylane as qml
import pytest

from sklqkd.encodings import ENCODINGS, make_encoding

from .reference import differences, encode


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("name", ENCODINGS)
def test_single_precision_stays(name, missing):
    encoding = make_encoding(name, 2)
    features = np.ones((3, encoding.n_features - missing), np.float32)
    assert encoding.forward(features).dtype == (np.float32 if encoding.is_real else np.complex64)


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("n_qubits", [1, 2, 4])
@pytest.mark.parametrize("name", ENCODINGS)
def test_state_and_gradient(name, n_qubits, missing):
    encoding = make_encoding(name, n_qubits)
    assert encoding.n_qubits == n_qubits
    rng = np.random.default_rng(n_qubits)
    features = rng.normal(size=(3, max(1, encoding.n_features - missing)))
    states = encoding.forward(features)
    np.testing.assert_allclose(np.linalg.norm(states, axis=0), 1, atol=1e-14)
    assert np.iscomplexobj(states) != encoding.is_real

    @qml.qnode(qml.device("default.qubit", wires=n_qubits))
    def circuit(row):
        encode(name, row, n_qubits)
        return qml.state()

    for row, state in zip(features, states.T, strict=True):
        expected = circuit(row)
        overlap = np.vdot(expected, state)
        assert abs(overlap) == pytest.approx(1, abs=1e-12)

    towards = rng.normal(size=states.shape) + 1j * rng.normal(size=states.shape)

    def loss(values):
        return (towards.conj() * encoding.forward(values)).real.sum()

    expected = differences(loss, features)
    encoding.forward(features)
    np.testing.assert_allclose(encoding.backward(towards), expected, atol=1e-8)


def test_amplitude_encoding_is_equations_14_and_15():
    features = np.array([[0.5, -1.0, 3.0, 0.0]])
    expected = np.tanh(features) / np.linalg.norm(np.tanh(features))
    np.testing.assert_allclose(make_encoding("amplitude", 2).forward(features), expected.T)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("value", [0.0, 1e-30, 1e30, -1e30])
def test_extreme_images_give_a_state_and_a_finite_gradient(name, value):
    encoding = make_encoding(name, 3)
    features = np.full((2, encoding.n_features), value, np.float32)
    states = encoding.forward(features)
    np.testing.assert_allclose(np.linalg.norm(states, axis=0), 1, atol=1e-6)
    assert np.isfinite(encoding.backward(np.ones_like(states))).all()


def test_a_black_image_is_the_ground_state():
    states = make_encoding("amplitude", 2).forward(np.zeros((1, 4)))
    np.testing.assert_array_equal(states[:, 0], [1, 0, 0, 0])


def test_a_black_image_has_no_gradient():
    encoding = make_encoding("amplitude", 2)
    encoding.forward(np.array([[0.0, 0, 0, 0], [1, 0, 0, 0]]))
    gradient = encoding.backward(np.ones((4, 2)))
    np.testing.assert_array_equal(gradient[0], 0)
    assert np.abs(gradient[1]).max() > 0.1


@pytest.mark.parametrize("name", ENCODINGS)
def test_single_precision_stays_single(name):
    encoding = make_encoding(name, 2)
    states = encoding.forward(np.full((3, encoding.n_features), 0.3, np.float32))
    assert states.dtype == (np.float32 if encoding.is_real else np.complex64)
    assert encoding.backward(states).dtype == np.float32


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="'amplitude', 'angle', 'qubit', 'hadamard_ry'"):
        make_encoding("basis", 2)
