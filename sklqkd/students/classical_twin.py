"""The exact classical twin of a quantum student: the same decision function without a circuit."""

from __future__ import annotations

import warnings
from copy import copy, deepcopy

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ..threads import one_thread
from ..twin import EncodingFeatures, FeatureScaler
from ..twin.terms import WITH_TERMS
from .features import encoded_features

__all__ = ["classical_twin", "exact_copy"]

#: Points per call of the circuit: bounds the memory that they take.
ROWS = 2**14


def classical_twin(student, max_coefficients: int) -> Pipeline:
    """Return the pipeline that a fitted student equals; see ``QNNClassifier.to_classical``.

    The student's own circuit and head are asked for the logits at as many points as there are
    terms, which tells the coefficients whatever ansatz, measurement and head are.
    """
    network = exact_copy(student)._fitted_network()
    network.bind(student.parameters_[-network.size :])
    encode = _encoding_step(student)
    n_terms, n_classes = encode.n_terms_, len(student.classes_)
    n_rows = 1 if n_classes == 2 else n_classes
    if n_terms * n_rows > max_coefficients:
        raise ValueError(
            f"The classical twin of encoding={student.circuit_['encoding']!r} with "
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
    has_uploads = circuit.get("n_uploads", 1) > 1 or circuit.get("trainable_scaling", False)
    encoding = circuit["encoding"]
    if has_uploads or not isinstance(encoding, str) or encoding not in WITH_TERMS:
        what = "data re-uploading" if has_uploads else f"encoding={encoding!r}"
        raise ValueError(
            f"A student with {what} has no classical twin here: known are those of "
            f"{', '.join(map(repr, WITH_TERMS))}, uploaded once."
        )
    n_features = encoded_features(student, np.zeros((1, student.n_features_in_))).shape[1]
    step = EncodingFeatures(circuit["encoding"], n_qubits=circuit["n_qubits"])
    return step._accept(n_features)


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
