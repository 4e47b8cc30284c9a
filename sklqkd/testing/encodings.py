"""Checks of encodings."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.testing import assert_allclose

from ..encodings import make_encoding
from ..students import QNNClassifier
from .common import data

__all__ = ["CHECKS"]

_N_QUBITS = 3


def _made(encoding):
    """Return the encoding on a few qubits, None for one with weights, which has no states."""
    made = make_encoding(encoding, _N_QUBITS)
    return made if made.shape is None else None


def _features(made, n_samples=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, made.n_features))


def encoding_gives_states(encoding):
    """Check that states have norm 1, for features of any size, and missing ones count as 0."""
    made = _made(encoding)
    if made is None:
        return
    assert made.n_features >= 1
    features = _features(made)
    for X in (features, np.zeros_like(features), 1e3 * features):
        states = np.asarray(made.forward(X))
        assert states.shape == (2**_N_QUBITS, len(X))
        assert_allclose((np.abs(states) ** 2).sum(axis=0), 1, atol=1e-9)
    if made.n_features > 1:
        padded = features.copy()
        padded[:, -1] = 0
        fewer = np.array(made.forward(features[:, :-1].copy()))
        assert_allclose(fewer, made.forward(padded), atol=1e-12)
    states = np.array(made.forward(features))
    assert np.ptp(np.abs(states), axis=1).max() > 1e-6 or np.ptp(np.angle(states)) > 1e-6, (
        "All rows give one state."
    )


def encoding_is_what_default_qubit_makes_of_it(encoding):
    """Check the states against PennyLane: of the function itself, or of the encoding's gates."""
    made = _made(encoding)
    if made is None:
        return
    import pennylane as qml

    wires = range(_N_QUBITS)
    preparation = made.preparation()

    @qml.qnode(qml.device("default.qubit", wires=_N_QUBITS))
    def circuit(x):
        if callable(encoding):
            encoding(np.pi * np.tanh(x), wires=wires)
        else:
            preparation.circuit.operations(preparation.angles(x[None])[0])
        return qml.state()

    features = _features(made)
    states = np.asarray(made.forward(features))
    for x, state in zip(features, states.T, strict=True):
        assert_allclose(abs(np.vdot(circuit(x), state)), 1, atol=1e-9)


def encoding_has_the_gradient_of_its_states(encoding):
    """Check the gradient for the features by central differences."""
    made = _made(encoding)
    if made is None:
        return
    features, step = _features(made, seed=1), 1e-6
    rng = np.random.default_rng(2)
    shape = (2**_N_QUBITS, len(features))
    adjoint = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    adjoint = adjoint.real if made.is_real else adjoint

    def value(X):
        states = np.asarray(made.forward(X))
        return float((adjoint.real * states.real + np.imag(adjoint) * np.imag(states)).sum())

    made.forward(features)
    gradient = np.array(made.backward(adjoint))
    expected = np.zeros_like(features)
    for i in range(features.size):
        for sign in (1, -1):
            moved = features.copy()
            moved.flat[i] += sign * step
            expected.flat[i] += sign * value(moved) / (2 * step)
    scale = max(1.0, np.abs(expected).max())
    assert_allclose(gradient / scale, expected / scale, atol=1e-6, err_msg="Wrong gradient.")


def encoding_serves_students(encoding):
    """Check students with it, in front of features that are trained and of those that are not."""
    X, y = data(None, None)
    given = {"encoding": encoding, "n_qubits": _N_QUBITS, "max_iter": 1, "random_state": 0}
    for reducer in ("fc", "pca"):
        student = QNNClassifier(reducer=reducer, **given)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of proportions, where it is an amplitude encoding
            student.fit(X, y)
        assert np.isfinite(student.predict_proba(X)).all()
        report = student.selfcheck(X, y, n_rows=3)
        assert report.ok, repr(report)


CHECKS = (
    encoding_gives_states,
    encoding_is_what_default_qubit_makes_of_it,
    encoding_has_the_gradient_of_its_states,
    encoding_serves_students,
)
