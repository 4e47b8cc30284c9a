"""A student without its circuit: the classical twin, and the terms that it is made of."""

import itertools
import pickle
import re

import numpy as np
import pandas as pd
import pennylane as qml
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklqkd import DistilledQNNClassifier, PCAReducer, QNNClassifier
from sklqkd.datasets import load_digits
from sklqkd.encodings import make_encoding
from sklqkd.persistence import TRUSTED_TYPES
from sklqkd.twin import EncodingFeatures, FeatureScaler, FourierFeatures
from sklqkd.twin.fourier import series_factor
from sklqkd.twin.terms import WITH_TERMS, ProductTerms, make_terms, trigonometric

from .reference import RandomTemplate

X, Y = load_digits(return_X_y=True)
SEEN, LABELS = X[:120], Y[:120]
#: Images that no student has seen, black ones and those far out of range among them.
UNSEEN = np.vstack([X[200:230], np.zeros((2, 64)), -X[:2], 1e6 * X[:2]])


def chain(weights, wires):
    for i, wire in enumerate(wires):
        qml.RY(weights[i], wires=wire)
    for i in range(len(wires) - 1):
        qml.IsingXX(weights[i], wires=[wires[i], wires[i + 1]])


chain.shape = lambda n_wires: (n_wires,)


def fitted(**parameters):
    parameters = {"n_qubits": 3, "max_iter": 1, "random_state": 0, **parameters}
    return QNNClassifier(**parameters).fit(SEEN, LABELS)


def assert_equal_decisions(student, twin, images=UNSEEN):
    expected = student.decision_function(images)
    found = twin.decision_function(images)
    assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("measurement", ["probs", "expval"])
@pytest.mark.parametrize("encoding", WITH_TERMS)
def test_equals_the_circuit_that_default_qubit_runs(encoding, measurement):
    student = fitted(encoding=encoding, measurement=measurement)
    twin = student.to_classical()
    circuit = student.qnode()
    scale = 8 if measurement == "probs" else 1
    for image, found in zip(UNSEEN, twin.decision_function(UNSEEN), strict=True):
        measured = np.asarray(circuit(image))
        expected = scale * student.head_coef_ @ measured + student.head_intercept_
        assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("reducer", ["pca", "avg_pool", "fc", PCAReducer(5), PolynomialFeatures(1)])
@pytest.mark.parametrize("encoding", WITH_TERMS)
def test_equals_the_student_behind_every_reducer(encoding, reducer):
    if isinstance(reducer, PolynomialFeatures):
        reducer = Pipeline([("few", PCAReducer(2)), ("constant", reducer)])
    n_qubits = 5 if encoding in ("angle", "hadamard_ry") else 3
    student = fitted(encoding=encoding, reducer=reducer, n_qubits=n_qubits)
    twin = student.to_classical()
    for images in (UNSEEN, UNSEEN.astype(np.float32), UNSEEN[:0]):
        if len(images):
            assert_equal_decisions(student, twin, images)


@pytest.mark.parametrize(
    "ansatz", ["basic_entangler", "rotations", "none", chain, RandomTemplate(3, 3)]
)
@pytest.mark.parametrize("encoding", ["amplitude", "qubit"])
def test_equals_the_student_with_every_ansatz(encoding, ansatz):
    student = fitted(encoding=encoding, ansatz=ansatz)
    assert_equal_decisions(student, student.to_classical())


def own(features, wires):
    qml.AngleEmbedding(features, wires=wires, rotation="X")
    qml.CRY(features[0], wires=wires[:2])
    qml.CNOT(wires=wires[:2])


def woven(features, weights, wires):
    for i, wire in enumerate(wires):
        qml.RX(features[i] * weights[i], wires=wire)
        qml.RY(weights[i], wires=wire)


woven.shape = lambda n_wires: (n_wires,)


@pytest.mark.parametrize("measurement", ["probs", "expval"])
@pytest.mark.parametrize(
    ("parameters", "n_terms"),
    [
        ({"encoding": "iqp"}, 4**2),
        ({"encoding": "zz"}, 4**2),
        ({"encoding": own}, 4**2),
        ({"encoding": woven}, 3**2),
        ({"encoding": "angle", "n_uploads": 2}, 5**2),
        ({"encoding": "angle", "n_uploads": 4}, 9**2),
        ({"encoding": "qubit", "n_uploads": 2}, 5**4),
        ({"encoding": "iqp", "n_uploads": 2}, 5**3),
        ({"encoding": own, "n_uploads": 2}, 17 * 5),
        ({"encoding": "hadamard_ry", "n_uploads": 2, "trainable_scaling": True}, 9**2),
        ({"encoding": woven, "n_uploads": 2}, 9**2),
    ],
)
def test_equals_circuits_that_take_their_data_in_otherwise(parameters, n_terms, measurement):
    student = fitted(n_qubits=2, measurement=measurement, **parameters)
    twin = student.to_classical()
    assert twin[-1].n_features_in_ == n_terms
    assert_equal_decisions(student, twin)
    terms = twin[:-1].transform(UNSEEN)
    assert_allclose((terms**2).sum(axis=1), 1)
    circuit = student.qnode()
    scale = 4 if measurement == "probs" else 1
    for image in UNSEEN[-5:]:
        logits = scale * student.head_coef_ @ np.asarray(circuit(image)) + student.head_intercept_
        found = twin.decision_function(image[None])[0]
        assert_allclose(found, logits, atol=1e-6 * np.abs(logits).max())


@pytest.mark.parametrize(
    "parameters",
    [{"encoding": "amplitude"}, {"encoding": "iqp"}, {"encoding": "angle", "n_uploads": 2}],
)
def test_equals_the_student_with_observables_of_its_own(parameters):
    observables = [qml.X(0) @ qml.Y(1), qml.Z(0) + 0.5 * qml.X(1), qml.Y(0)]
    student = fitted(n_qubits=2, measurement=observables, **parameters)
    assert_equal_decisions(student, student.to_classical())
    student.set_params(backend_options={"depolarizing": 0.2})
    assert_equal_decisions(student, student.to_classical())


def test_uploads_of_few_features_behind_noise():
    student = QNNClassifier(n_qubits=3, encoding="angle", n_uploads=2, reducer=PCAReducer(2))
    student.set_params(max_iter=1, random_state=0).fit(SEEN, LABELS)
    student.set_params(backend_options={"depolarizing": 0.3})
    twin = student.to_classical()
    assert twin[-1].n_features_in_ == 25
    assert_equal_decisions(student, twin)


def test_uploads_have_frequencies_up_to_their_number():
    step = fitted(n_qubits=2, encoding="angle", n_uploads=3).to_classical()["encode"]
    assert step.monomials == [(0,), (1,)]
    assert step.frequencies == [[0, 1, 2, 3]] * 2
    assert {"cos(3 x0) sin(2 x1)", "sin(x0)", "1"} <= set(step.get_feature_names_out())


def test_frequencies_that_cannot_be_told_apart_are_refused():
    with pytest.raises(ValueError, match=r"2\.0e-05 apart"):
        series_factor(0, [0, 1, 1.00002])
    for bad in ({"monomials": [(0,)], "frequencies": []}, {"frequencies": [[1, 2]]}):
        with pytest.raises(ValueError, match="frequencies"):
            FourierFeatures(**{"monomials": [(0,)], **bad}).fit(SEEN)
    with pytest.raises(ValueError, match="of 3 of them"):
        FourierFeatures([(2,)], [[0, 1]]).fit(SEEN[:, :2])


@pytest.mark.parametrize("frequencies", [[0, 1, 2], [0, 0.5, 1, 1.5], [0, 0.3, 1.7, 2, 2.3, 3.7]])
def test_a_series_of_any_frequencies_is_well_conditioned(frequencies):
    factor = series_factor(0, frequencies)
    assert np.linalg.cond(factor.values(factor.points)) < 100


def test_coefficients_without_a_circuit_are_those_of_the_head():
    student = fitted(ansatz="none")
    coef = student.to_classical()[-1].coef_
    names = EncodingFeatures()._accept(8).get_feature_names_out()
    squares = [f"x{k}^2" for k in range(8)]
    assert_allclose(coef[:, np.isin(names, squares)], 8 * student.head_coef_, atol=1e-12)
    assert_allclose(coef[:, ~np.isin(names, squares)], 0, atol=1e-12)


@pytest.mark.parametrize("n_features", [1, 2, 3, 5, 8])
def test_takes_fewer_features_than_the_encoding(n_features):
    images = SEEN[:, 18 : 18 + n_features]
    for encoding in WITH_TERMS:
        n_qubits = 8 if encoding in ("angle", "hadamard_ry") else 4
        student = QNNClassifier(
            n_qubits=n_qubits, encoding=encoding, reducer=None, max_iter=1, random_state=0
        )
        student.fit(images, LABELS)
        assert_equal_decisions(student, student.to_classical(), UNSEEN[:, 18 : 18 + n_features])


def test_two_classes_and_labels_of_strings():
    for labels in (np.where(LABELS > 4, "high", "low"), np.take(list("abcdefghij"), LABELS)):
        student = QNNClassifier(n_qubits=3, max_iter=2, random_state=0).fit(SEEN, labels)
        twin = student.to_classical()
        assert_equal_decisions(student, twin)
        assert_array_equal(twin.classes_, student.classes_)
        assert_array_equal(twin.predict(UNSEEN), student.predict(UNSEEN))
        assert_allclose(twin.predict_proba(UNSEEN), student.predict_proba(UNSEEN), atol=1e-9)
        assert twin.score(SEEN, labels) == student.score(SEEN, labels)


def test_is_a_pipeline_of_its_own():
    student = fitted(reducer="pca")
    twin = pickle.loads(pickle.dumps(student.to_classical()))
    assert isinstance(twin, Pipeline)
    assert type(twin[-1]) is LogisticRegression
    before = twin.decision_function(UNSEEN)
    twin[1].components_[:] = 0  # nothing of the student's
    assert_allclose(student.to_classical().decision_function(UNSEEN), before)


@pytest.mark.parametrize("parameters", [{}, {"encoding": "angle", "n_uploads": 2}])
def test_is_kept_by_skops(parameters):
    skops = pytest.importorskip("skops.io")
    student = fitted(reducer="pca", **parameters)
    file = skops.dumps(student.to_classical())
    twin = skops.loads(file, trusted=TRUSTED_TYPES)
    assert_equal_decisions(student, twin)


def test_knows_names_of_columns_as_the_student_does():
    frame = pd.DataFrame(SEEN, columns=[f"pixel {i}" for i in range(64)])
    for reducer in ("fc", "pca"):
        student = fitted(reducer=reducer).fit(frame, LABELS)
        twin = student.to_classical()
        assert_allclose(twin.decision_function(frame), student.decision_function(frame))
        with pytest.raises(ValueError, match="feature names should match"):
            twin.predict(frame.iloc[:, ::-1])
    with pytest.raises(ValueError, match="63 features, but"):
        fitted().to_classical().predict(UNSEEN[:, 1:])


def test_a_distilled_student_has_one_too():
    teacher = LogisticRegression().fit(SEEN, LABELS)
    student = DistilledQNNClassifier(teacher, n_qubits=3, max_iter=1, random_state=0)
    student.fit(SEEN, LABELS)
    assert_equal_decisions(student, student.to_classical())


def test_noise_of_the_exact_simulator_is_kept_and_shots_are_not():
    student = fitted()
    exact = student.decision_function(UNSEEN)
    student.set_params(backend_options={"depolarizing": 0.5})
    assert_equal_decisions(student, student.to_classical())
    assert np.abs(student.to_classical().decision_function(UNSEEN) - exact).max() > 1e-3
    student.set_params(shots=10, backend_options=None)
    assert_allclose(student.to_classical().decision_function(UNSEEN), exact, rtol=1e-6)
    assert student.shots == 10
    student.set_params(backend="default.qubit", shots=None)
    assert_allclose(student.to_classical().decision_function(UNSEEN), exact, rtol=1e-6)


def test_noise_of_a_device_is_left_out_with_a_warning():
    student = fitted()
    exact = student.decision_function(UNSEEN)
    options = {"noise_model": {"depolarizing": 0.1}}
    student.set_params(backend="default.mixed", backend_options=options)
    with pytest.warns(UserWarning, match=r"without noise.*'default\.mixed'"):
        twin = student.to_classical()
    assert_allclose(twin.decision_function(UNSEEN), exact, rtol=1e-6)


def test_refuses_what_would_be_too_large_with_the_count():
    student = fitted(encoding="angle")
    assert student.to_classical(max_coefficients=270)[-1].coef_.size == 270
    with pytest.raises(ValueError, match=r"27 coefficients for each of 10 logits, 270 in all"):
        student.to_classical(max_coefficients=269)
    large = QNNClassifier(n_qubits=12, encoding="qubit", max_iter=1, batch_size=64, random_state=0)
    large.fit(X[:64], Y[:64])
    with pytest.raises(ValueError, match=re.escape("16,777,216 coefficients")):
        large.to_classical()
    for number in (0, 1.5):
        with pytest.raises((ValueError, TypeError), match="max_coefficients"):
            student.to_classical(max_coefficients=number)
    with pytest.raises(NotFittedError):
        QNNClassifier().to_classical()


@pytest.mark.parametrize("encoding", [*WITH_TERMS, "iqp", "zz"])
def test_inner_products_of_terms_are_fidelities(encoding):
    features = np.random.default_rng(0).normal(size=(6, 4))
    features[0] = 0
    n_qubits = 2 if encoding in ("amplitude", "qubit") else 4
    states = make_encoding(encoding, n_qubits).forward(features)
    terms = EncodingFeatures(encoding, n_qubits=n_qubits).fit_transform(features)
    assert_allclose(terms @ terms.T, np.abs(states.conj().T @ states) ** 2, atol=1e-12)
    assert_allclose((terms**2).sum(axis=1), 1)


def test_coefficients_of_a_fourier_series_are_found():
    rng = np.random.default_rng(0)
    terms = ProductTerms([trigonometric(1, degree=2), trigonometric(0)], 2)
    coef = rng.normal(size=(3, terms.n_terms))
    points = terms.probes(np.arange(terms.n_terms))
    assert_allclose(terms.coefficients(terms.values(points) @ coef.T), coef, atol=1e-12)
    a, b = np.pi * np.tanh([0.3, -0.7])
    at = terms.names(["a", "b"]).index("sin(2 b) cos(a)")
    value = terms.values(np.array([[0.3, -0.7]]))[0, at]
    assert value == pytest.approx(np.sin(2 * b) * np.cos(a) / np.sqrt(6))


def test_terms_have_names_that_say_what_they_are():
    step = EncodingFeatures("qubit").fit(SEEN[:, :3])
    names = step.get_feature_names_out(["a", "b", "c"])
    assert len(names) == 12
    a, b, c = np.pi * np.tanh(SEEN[5, 18:21])
    values = EncodingFeatures("qubit").fit_transform(SEEN[5:6, 18:21])[0]
    known = {"cos": np.cos, "sin": np.sin, "a": a, "b": b, "c": c}
    for name, value in zip(names, values, strict=True):
        expression = re.sub(r"(\w+)\((\w)\)", r"\1(\2)", name).replace(" ", "*")
        assert value == pytest.approx(eval(expression, {}, known) / 2)


def test_terms_of_more_features_than_fit_are_refused():
    with pytest.raises(ValueError, match=r"5 features, but encoding='angle' on n_qubits=4 takes 4"):
        EncodingFeatures("angle", n_qubits=4).fit(SEEN[:, :5])
    with pytest.raises(ValueError, match=r"weights of the shape \(2,\)"):
        EncodingFeatures(woven, n_qubits=2).fit(SEEN[:, :2])
    assert EncodingFeatures(own, n_qubits=3).fit(SEEN[:, :3]).n_terms_ == 4**3
    with pytest.raises(ValueError, match=r"such as n_qubits=4"):
        EncodingFeatures(own).fit(SEEN[:, :3])


@parametrize_with_checks(
    [
        *(EncodingFeatures(encoding) for encoding in ("amplitude", "qubit")),
        FourierFeatures([(0,)], [[0, 1, 2]]),
        *(FeatureScaler(centred=c, keep_dtype=k) for c, k in [(False, True), (True, False)]),
    ]
)
def test_steps_are_transformers(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("encoding", "reducer", "n_uploads"),
    [
        *(("amplitude", reducer, 1) for reducer in ("fc", "pca", "avg_pool", "crop", None)),
        *(("qubit", "pca", 1), ("angle", "fc", 1), ("angle", "pca", 2), ("iqp", "pca", 2)),
    ],
)
def test_is_exported_by_skl2onnx(encoding, reducer, n_uploads):
    skl2onnx = pytest.importorskip("skl2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    images = slice(18, 26) if reducer is None else slice(None)
    student = QNNClassifier(
        n_qubits=4 if n_uploads == 1 else 2,
        encoding=encoding,
        n_uploads=n_uploads,
        reducer=reducer,
        max_iter=1,
        random_state=0,
    ).fit(SEEN[:, images], np.take(list("abcdefghij"), LABELS))
    twin = student.to_classical()
    seen = UNSEEN[:32, images]
    for dtype, atol in ((np.float32, 1e-4), (np.float64, 1e-6)):
        options = {LogisticRegression: {"zipmap": False, "raw_scores": True}}
        graph = skl2onnx.to_onnx(twin, seen[:1].astype(dtype), options=options)
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        labels, logits = session.run(None, {"X": seen.astype(dtype)})
        expected = student.decision_function(seen.astype(dtype))
        assert_allclose(logits, expected, atol=atol * np.abs(expected).max(), err_msg=str(dtype))
        assert (labels == student.predict(seen)).mean() > 0.9


def test_what_cannot_be_exported_is_refused_with_a_way_out():
    skl2onnx = pytest.importorskip("skl2onnx")
    twin = fitted(reducer="max_pool").to_classical()
    with pytest.raises(ValueError, match=r"no ONNX graph here.*Pool by the mean"):
        skl2onnx.to_onnx(twin, SEEN[:1])
    twin = fitted(encoding="zz").to_classical()
    with pytest.raises(ValueError, match=r"'zz'\) has no ONNX graph here"):
        skl2onnx.to_onnx(twin, SEEN[:1])


def test_all_encodings_have_terms():
    for encoding, d in itertools.product(WITH_TERMS, (1, 3)):
        assert make_terms(encoding, d, 3).n_terms == {"amplitude": d * (d + 1) // 2}.get(
            encoding, 3**d
        )
