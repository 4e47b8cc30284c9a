"""The exact classical twin of a quantum student: the same decision function without a circuit."""

from __future__ import annotations

import warnings
from copy import copy, deepcopy

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ..statevector.polynomials import Polynomials
from ..threads import one_thread
from ..twin import EncodingFeatures, FeatureScaler, FourierFeatures
from ..twin.fourier import FourierTerms, sums_of_frequencies
from ..twin.terms import StateTerms
from .features import encoded_features
from .fitting import part
from .student_circuit import encoding_name, student_circuit, substitute_circuit

__all__ = ["classical_twin", "exact_copy"]

#: Gates with two frequencies.
HALF_TURNS = ("CRX", "CRY", "CRZ")
#: Points per call of the circuit: bounds the memory that they take.
ROWS = 2**14


def classical_twin(student, max_coefficients: int) -> Pipeline:
    """Return the pipeline that a fitted student equals; see ``QNNClassifier.to_classical``.

    The student's own circuit and head are asked for the logits at as many points as there are
    terms, which tells the coefficients whatever ansatz, measurement and head are.
    """
    encode = _encoding_step(student)
    n_terms, n_classes = encode.n_terms_, len(student.classes_)
    n_rows = 1 if n_classes == 2 else n_classes
    if n_terms * n_rows > max_coefficients:
        raise ValueError(
            f"The classical twin of encoding={encoding_name(student.circuit_['encoding'])} with "
            f"{encode.n_features_in_} features has {n_terms:,} coefficients for each of {n_rows} "
            f"logits, {n_terms * n_rows:,} in all, and max_coefficients={max_coefficients:,}. Pass "
            "a larger number, or train a student on fewer features or qubits."
        )
    if student.backend != "statevector" and student.backend_options:
        warnings.warn(
            f"The classical twin is that of the circuit without noise: what backend_options="
            f"{student.backend_options!r} of backend={student.backend!r} does is left out. "
            "Silence this by set_params(backend='statevector', backend_options=None).",
            UserWarning,
            stacklevel=3,
        )
    terms = encode._terms()
    network = _probed(student, terms)._fitted_network()
    network.bind(student.parameters_[-network.size :])
    logits = np.empty((n_terms, n_classes))
    with one_thread():
        for start in range(0, n_terms, ROWS):
            rows = np.arange(start, min(start + ROWS, n_terms))
            logits[rows] = network.predict_logits(terms.probes(rows))
    intercept = student.head_intercept_.astype(float)
    coef = terms.coefficients(logits - intercept)
    if n_classes == 2:
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    classify = LogisticRegression(C=np.inf)
    classify.classes_ = student.classes_.copy()
    classify.coef_, classify.intercept_ = np.ascontiguousarray(coef), intercept
    classify.n_features_in_, classify.n_iter_ = n_terms, np.zeros(1, np.int32)
    return Pipeline([*_reducing_steps(student), ("encode", encode), ("classify", classify)])


def exact_copy(student):
    """Return a student as it is without shots, on the exact simulator and the CPU."""
    exact = copy(student)
    if student.backend != "statevector":
        exact.backend, exact.backend_options = "statevector", None
    exact.shots, exact.device = None, "cpu"
    return exact


def _encoding_step(student):
    """Return the fitted transformer from encoded features to terms."""
    circuit = student.circuit_
    n_features = encoded_features(student, np.zeros((1, student.n_features_in_))).shape[1]
    parts = student_circuit(student, circuit)
    if parts.is_plain:
        step = EncodingFeatures(circuit["encoding"], n_qubits=circuit["n_qubits"])
        return step._accept(n_features)
    steps: dict = {}
    for term, monomial, coefficient in _data_terms(student, parts, n_features):
        (gate,) = [gate for gate in parts.gates.circuit.gates if gate.angle == term.angle]
        turns = np.array([0.5, 1.0] if gate.name in HALF_TURNS else [1.0])
        steps.setdefault(monomial, []).append(abs(coefficient) * turns)
    monomials = sorted(steps, key=lambda monomial: (len(monomial), monomial))
    frequencies = [sums_of_frequencies(steps[monomial]).tolist() for monomial in monomials]
    return FourierFeatures(monomials, frequencies)._accept(n_features)


def _data_terms(student, parts, n_features):
    """Yield the terms of angles that depend on given features, those, and the coefficients."""
    weights = np.asarray(part(student, "circuit_weights"), float)
    for term in parts.gates.polynomials.terms:
        if term.features and max(term.features) < n_features:
            coefficient = term.coefficient * weights[list(term.weights)].prod()
            if coefficient:
                yield term, tuple(sorted(term.features)), float(coefficient)


def _probed(student, terms):
    """Return an exact copy of the student that takes the probes of the terms as its features."""
    exact = exact_copy(student)
    if isinstance(terms, StateTerms):
        probed = copy(student_circuit(student, student.circuit_))
        vars(probed)["encoding"] = lambda: _StatesThemselves(student.circuit_["n_qubits"])
        substitute_circuit(exact, probed)
    elif isinstance(terms, FourierTerms):
        probed = copy(student_circuit(student, student.circuit_))
        vars(probed)["gates"] = _with_free_monomials(student, probed, terms)
        substitute_circuit(exact, probed)
    return exact


class _StatesThemselves:
    """In the place of an encoding: takes states, real parts and then imaginary parts."""

    is_real = False
    loops = shape = None

    def __init__(self, n_qubits):
        self.n_qubits, self.n_features = n_qubits, 2 * 2**n_qubits

    def forward(self, features):
        real, imaginary = np.split(features.T, 2)
        return real + 1j * imaginary


def _with_free_monomials(student, parts, terms):
    """Return the gates with a feature for each monomial in the place of those that it is of."""
    places = {monomial: k for k, monomial in enumerate(terms.monomials)}
    given = {
        id(term): places[monomial]
        for term, monomial, _ in _data_terms(student, parts, terms.n_features)
    }
    free = [term for term in parts.gates.polynomials.terms if not term.features]
    for term in parts.gates.polynomials.terms:
        if id(term) in given:
            place = given[id(term)]
            coefficient = term.coefficient * terms.reaches[place]
            free.append(term._replace(coefficient=coefficient, features=(place,)))
    polynomials = parts.gates.polynomials
    sizes = polynomials.n_angles, len(places), polynomials.n_weights
    return parts.gates._replace(polynomials=Polynomials(*sizes, free))


def _reducing_steps(student) -> list:
    """Return the steps from images to encoded features; the first one checks X as students do."""
    reducer, scale = student.reducer_, getattr(student, "feature_scale_", None)
    if reducer is None:
        return [("scale", _scaler(student, scale))]
    reduce = ("reduce", deepcopy(reducer))
    if hasattr(reducer, "front_end"):
        return [("scale", _scaler(student, scale, centred=True, keep_dtype=True)), reduce]
    first = ("check", _scaler(student, None, keep_dtype=True))
    steps = [first, reduce]
    if scale is not None:
        after = _fitted(FeatureScaler(), scale, scale.shape[1])
        steps.append(("scale", after))
    return steps


def _scaler(student, scale, **parameters):
    scaler = _fitted(FeatureScaler(**parameters), scale, student.n_features_in_)
    if hasattr(student, "feature_names_in_"):
        scaler.feature_names_in_ = student.feature_names_in_.copy()
    return scaler


def _fitted(scaler, scale, n_features):
    scaler.feature_scale_ = None if scale is None else scale.copy()
    scaler.n_features_in_ = n_features
    return scaler
