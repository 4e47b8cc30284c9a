"""A fuzz of what is around the estimators: comparisons, plots, searches, devices and files.

As in tests/test_fuzz.py, what is given is answered rightly, or refused with a reason; for more::

    python -m pytest tests/test_fuzz_tools.py --hypothesis-profile=thorough --hypothesis-seed=1
"""

import pickle
import traceback
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pennylane
import pytest
import qiskit_aer  # noqa: F401  (its own warnings come with the import)
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import uniform
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.tree import DecisionTreeClassifier

from sklqkd import DistilledQNNClassifier, LeNetClassifier, PCAReducer, search
from sklqkd.callbacks import Checkpoint
from sklqkd.evaluation import Comparison, compare
from sklqkd.persistence import checksum, replacing
from sklqkd.plotting import DistillationCurveDisplay, EvaluationDisplay

from .odd_input import answer, check_predictions, check_probabilities, images, labels, usually
from .test_fuzz import ODD_VALUES, QUANTUM, TINY, X, Y, _bounded_memory  # noqa: F401

mpl.use("agg")
import matplotlib.pyplot as plt

TREE = DecisionTreeClassifier(max_depth=1)
TEACHER = clone(TREE).fit(X, Y)
FITTED = [clone(student).set_params(reducer="pca").fit(X, Y) for student in QUANTUM]
FITTED += [clone(QUANTUM[0]).set_params(encoding="qubit", measurement="expval").fit(X, Y)]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    """An odd name of a file is a name in there."""
    monkeypatch.chdir(tmp_path)


def odd_arguments(usual, likely, max_size=2):
    """Return a strategy for arguments by name, `max_size` of them odd at the most."""

    def change(name):
        some = st.sampled_from(likely[name]) if name in likely else st.nothing()
        return st.tuples(st.just(name), some | st.sampled_from(ODD_VALUES))

    names = st.sampled_from(sorted({*usual, *likely}))
    changes = st.lists(names.flatmap(change), min_size=not usual, max_size=max_size)
    return changes.map(lambda changes: {**usual, **dict(changes)})


def tool_answer(call, *args, **kwargs):
    """Return what a call gives, or None where it, or a library behind it, refuses on purpose."""

    def quiet():
        warnings.filterwarnings("ignore", category=FitFailedWarning)
        warnings.filterwarnings("ignore", "One or more of the (test|train) scores")
        warnings.filterwarnings("ignore", "Scoring failed|The scoring .* sample_weight")
        warnings.filterwarnings("ignore", "checkpoint=.* is damaged", RuntimeWarning)
        warnings.filterwarnings("ignore", "The total space of parameters . is smaller than n_iter")
        return call(*args, **kwargs)

    try:
        return answer(quiet)
    except OSError:
        return None
    except (ValueError, TypeError, ImportError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        if not last.line.startswith("raise ") or not str(error).strip():
            raise
        return None


# ------------------------------------------------------------------------------ comparisons

NAMED = {"dummy": DummyClassifier(), "student": QUANTUM[0]}
SOME_FOLDS = [2, 9, [([0, 1, 2, 3], [4, 5])], [([0], [1])], [], [(0, 1)]]
ODD_FOLDS = [*SOME_FOLDS, [([0, 1, 2], [99])]]
WEIGHTS = [None, np.ones(12), np.ones(8), [1], "a", np.full(12, np.nan)]
COMPARED = {
    "estimators": [[TREE, TREE], {"": TREE}, {1: TREE}, FITTED, *([v] for v in ODD_VALUES)],
    "seeds": [[0, 5], "12", 10**9, [2**32], [-1], [1, 1], (1.0,), np.array([[1]]), {3}],
    "train_per_class": [2, 3, 99],
    "baseline": ["student", "nobody"],
    "teacher": [TEACHER, TREE, FITTED[0]],
    "fit_params": [
        *({"dummy": {"sample_weight": weight}} for weight in WEIGHTS),
        *({"student": value} for value in [*ODD_VALUES, {"nobody": 1}]),
    ],
    **{"error_score": [np.nan, 0], "verbose": [1]},
    "checkpoint": ["runs", Path("a/b"), "a\0b"],
}


@given(
    X=images(share=9).filter(lambda X: not isinstance(X, np.ndarray) or X.size < 100),
    y=labels(share=9, classes=[0, 1, 2]),
    cv=usually(None, [*ODD_FOLDS, *ODD_VALUES]),
    given=odd_arguments({"estimators": NAMED, "seeds": 1}, COMPARED),
)
def test_comparisons(X, y, cv, given):
    test = {"X_test": np.eye(8, 9), "y_test": Y} if cv is None else {"cv": cv}
    before = {name: dict(vars(estimator)) for name, estimator in NAMED.items()}
    comparison = tool_answer(compare, X=X, y=y, **test, **given)
    assert {name: vars(estimator) for name, estimator in NAMED.items()} == before
    if comparison is None:
        return
    results = comparison.results
    for name in ("accuracy", "calibration_error", "agreement"):
        assert results[name].dropna().between(0, 1).all()
    assert (results["log_loss"].dropna() < np.inf).all()
    n_estimators = len(set(results["estimator"]))
    assert len(tool_answer(comparison.summary)) == n_estimators
    assert len(tool_answer(comparison.differences)) == n_estimators - 1


TABLE = {"estimator": list("aabb"), "seed": [0, 1, 0, 1], "accuracy": [0.5, 0.6, 0.7, np.nan]}
COLUMNS = [[1], [0.1, 1e308, -1e308, 2], list("abab"), [None] * 4, [[0, 1]] * 4, [np.inf] * 4]
tables = st.one_of(
    odd_arguments(TABLE | {"lam": [1, 1, 3, 3]}, dict.fromkeys(["fold", *TABLE], COLUMNS)),
    st.sampled_from([pd.DataFrame(TABLE), *ODD_VALUES]),
)
METRICS = ["log_loss", "fit_seconds", "best_params", "seed", "nobody"]
ASKED = {"baseline": ["a", "b"], "confidence_level": [0.5, 0.9999], "metric": METRICS}


@given(
    table=tables,
    asked=odd_arguments({"metric": "accuracy"}, ASKED),
    test=usually("ttest", ["wilcoxon", *ODD_VALUES]),
)
def test_tables_of_runs(table, asked, test):
    comparison = tool_answer(Comparison, table, baseline=asked.get("baseline"))
    if comparison is not None:
        tool_answer(comparison.scores, asked["metric"])
        summary = tool_answer(comparison.summary)
        assert summary is None or (summary["n_runs"] <= len(table["seed"])).all()
        differences = tool_answer(comparison.differences, test=test, **asked)
        assert differences is None or not (differences["p_value_holm"] > 1).any()
        check_display(tool_answer(EvaluationDisplay.from_comparison, comparison, **asked))


# ------------------------------------------------------------------------------ plots


def check_display(display):
    """Draw a display, if it was not refused, as saving it does."""
    if display is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            display.figure_.canvas.draw()
    plt.close("all")


STYLES = [{}, {"color": "red"}, {"label": "x"}, {"alpha": 0.1}]
TEXTS = ["\ud800", "$", "\n", "", "_a"]


@given(
    scores=odd_arguments({"a": [0.1, 0.2], "b": [0.3]}, dict.fromkeys(["b", *TEXTS], COLUMNS))
    | st.sampled_from(ODD_VALUES),
    given=odd_arguments({}, {"score_name": TEXTS, "baseline": ["a"], "confidence_level": [0.5]}),
    style=odd_arguments({"ax": None}, {"point_kw": STYLES, "errorbar_kw": STYLES}),
    y_pred=st.sampled_from([Y, [Y, Y], Y[:3], "abc", *ODD_VALUES]),
)
def test_displays_of_scores(scores, given, style, y_pred):
    display = tool_answer(EvaluationDisplay, scores, **given)
    check_display(display and tool_answer(display.plot, **style))
    for predictions in (y_pred, {"a": y_pred}):
        check_display(tool_answer(EvaluationDisplay.from_predictions, Y, predictions))


CURVE = {"param_range": [1, 3], "scores": [[0.5, 0.6], [0.7, 0.8]], "param_name": "lam"}
RANGES = [["a", 1], [1e308, -1e308], [np.nan, 1], [0, 1e-320], [True, False], np.array([1, 1])]
OF_CURVE = {
    **dict.fromkeys(["name", "baseline_name", "score_name"], TEXTS),
    **{"baseline_scores": [[0.1, 0.2], [[0.1]], [[[1]]]], "param_range": RANGES},
}


@given(
    given=odd_arguments(CURVE, OF_CURVE),
    style=odd_arguments({"ax": None}, {"line_kw": STYLES, "fill_between_kw": STYLES}),
    table=tables,
    baseline=st.none() | tables,
    asked=odd_arguments({"param_name": "lam"}, ASKED | OF_CURVE | {"param_name": ["seed"]}).map(
        lambda asked: {k: v for k, v in asked.items() if k in ("param_name", "metric", "name")}
    ),
)
def test_displays_of_curves(given, style, table, baseline, asked):
    display = tool_answer(DistillationCurveDisplay, **given)
    check_display(display and tool_answer(display.plot, **style))
    make = DistillationCurveDisplay.from_results
    check_display(tool_answer(make, table, baseline_results=baseline, **asked))


OF_FITS = {
    "param_name": ["train_per_class", "nobody", "random_state"],
    "param_range": [[1, 2], [1, 1], ["prior", "zzz"], [], [[1], [2]]],
    **{name: COMPARED[name] for name in ("seeds", "checkpoint", "error_score")},
    **{"metric": METRICS, "baseline": [TREE], "baseline_name": TEXTS, "name": TEXTS},
}


@given(
    estimator=usually(DummyClassifier(), [QUANTUM[0], *ODD_VALUES], 9),
    given=odd_arguments(
        {"param_name": "strategy", "param_range": ["prior", "uniform"], "seeds": 2}, OF_FITS
    ),
)
def test_curves_of_fits(estimator, given):
    make = DistillationCurveDisplay.from_estimator
    check_display(tool_answer(make, estimator, X, Y, X, Y, **given))


# ------------------------------------------------------------------------------ searches

SEARCHED = [
    *({"lam": [0, 0.5]}, {"learning_rate_init": uniform(0.01, 0.1)}, {"nobody": [1]}, {1: [1]}),
    *({"teacher": [TEACHER, None]}, [{"n_qubits": [1]}, {"encoding": ["angle", "wave"]}], {}),
    *({"temperature": value} for value in ODD_VALUES),
    *({"n_layers": [value, 1]} for value in ODD_VALUES),
]
OF_SEARCHES = {
    "scoring": ["neg_log_loss", ["accuracy", "f1_macro"], "zzz", {"a": "accuracy"}, max],
    **{"refit": ["accuracy", lambda results: 0], "cv": SOME_FOLDS, "error_score": [np.nan, 0]},
    **{"checkpoint": ["fits", Path("a/b")], "return_train_score": [True], "memory_limit": [1]},
}
OF_HALVING = {
    **{"resource": ["n_samples", "batch_size", "lam", "nobody"], "factor": [3, 1.5, 1, 1e9]},
    **{"max_resources": ["auto", 1, 8, 10**9], "min_resources": ["exhaust", "smallest", 9]},
    "aggressive_elimination": [True],
}
EPOCHS = {"factor": 2, "resource": "max_iter", "max_resources": 4, "min_resources": 1}
SEARCHES = [
    (search.StackedGridSearchCV, {}, {}),
    (search.StackedRandomizedSearchCV, {"n_iter": 2, "random_state": 0}, {}),
    (search.StackedHalvingGridSearchCV, EPOCHS, OF_HALVING),
    (search.StackedHalvingRandomSearchCV, {**EPOCHS, "n_candidates": 2}, OF_HALVING),
]


@given(
    made=st.sampled_from(SEARCHES).flatmap(
        lambda made: st.tuples(
            st.just(made[0]),
            odd_arguments({"cv": 2, "error_score": "raise", **made[1]}, OF_SEARCHES | made[2]),
        )
    ),
    student=st.sampled_from([*QUANTUM, DistilledQNNClassifier(TEACHER, **TINY)]),
    values=usually(SEARCHED[0], SEARCHED, 2),
    X=images(n_samples=12, share=20),
    y=usually(np.arange(12) % 3, [np.arange(12) % 2, np.zeros(12), None, "a", np.arange(12)], 9),
    weight=usually(None, WEIGHTS, 5),
)
def test_searches(made, student, values, X, y, weight):
    assume(not isinstance(made[1]["cv"], bytes))  # scikit-learn's own AttributeError
    searching = made[0](student, values, **made[1])
    before = dict(vars(searching)), dict(vars(student))
    params = {} if weight is None else {"sample_weight": weight}
    fitted = tool_answer(searching.fit, X, y, **params)
    assert vars(student) == before[1]
    if fitted is None:
        assert vars(searching) == before[0]
    elif hasattr(fitted, "best_estimator_") and isinstance(fitted.error_score, str):
        assert np.isfinite(fitted.best_estimator_.parameters_).all()
        check_probabilities(tool_answer(fitted.predict_proba, X), 12, len(fitted.classes_))


# ------------------------------------------------------------------------------ devices

STRENGTHS = [{"depolarizing": 0.1}, {"readout": 0.1}, {"zzz": 1}, {"readout": 2}, "fake_zzz"]
OF_DEVICES = {
    **{"depolarizing": [0.1, 2], "noise_model": STRENGTHS, "readout_mitigation": [True]},
    **{"diff_method": ["adjoint", "parameter-shift", "zzz"], "seed": [1], "wires": [1, 30]},
    **{"method": ["density_matrix", "matrix_product_state", "stabilizer"], "device": ["GPU"]},
    **{"initial_layout": [[1, 0], [0, 0], [0], [5, 6]], "precision": ["single", "zzz"]},
    **{"max_memory_mb": [1], "seed_simulator": [1], "fusion_enable": [True], "nobody": [1]},
}
TARGETS = {
    **{"basis_gates": [["cx", "rz", "sx", "x"], ["cx"], ["zzz"]], "optimization_level": [3, 4]},
    **{"coupling_map": [[[0, 1]], [[0, 0]], [[5, 6]], [1]], "backend": ["fake_manila", "zzz"]},
}
DEVICES = ["statevector", "default.qubit", "default.mixed", "lightning.qubit", "qiskit.aer"]
devices = st.fixed_dictionaries(
    {
        "backend": st.sampled_from([*DEVICES * 30, "default.clifford", *ODD_VALUES]),
        "shots": usually(None, [1, 10, np.int8(100), *ODD_VALUES], 2),
        "backend_options": usually(None, ODD_VALUES, 2)
        | odd_arguments({}, OF_DEVICES | TARGETS)
        | st.sampled_from(STRENGTHS[:2]).map(lambda noise: {"noise_model": noise}),
    }
)


@given(student=st.sampled_from(FITTED), given=devices, X=images(n_samples=2, share=9))
def test_devices(student, given, X):
    student = clone(student).set_params(n_qubits=1, reducer="pca", **given)
    before = dict(vars(student))
    if tool_answer(student.fit, np.eye(3, 9), Y[:3]) is None:
        assert vars(student) == before
        # What a circuit cannot be trained on may run a trained one.
        student = pickle.loads(pickle.dumps(FITTED[1])).set_params(**given)
    check_predicted = tool_answer(student.predict_proba, X)
    if check_predicted is not None:
        check_probabilities(check_predicted, len(check_predicted), 3)


ROWS = [X[0], X[:1], X[:2], X[0, :3], pd.DataFrame(X).iloc[0], list(X[0]), np.full(9, np.nan)]
EXPORTS = [
    ("draw", {}, {"x": ROWS, "output": ["mpl"], "decimals": [0, 99], "max_length": [10, 10**6]}),
    *(("to_qiskit", {"x": X[0]}, {"x": ROWS}), ("to_openqasm", {"x": X[0]}, {"x": ROWS})),
    ("circuit_resources", {}, TARGETS),
    ("qnode", {"device": "default.qubit"}, {"device": DEVICES[:4], "shots": [3], "nobody": [1]}),
]


@given(
    student=st.sampled_from(FITTED),
    export=st.sampled_from(EXPORTS).flatmap(
        lambda export: st.tuples(st.just(export[0]), odd_arguments(export[1], export[2]))
    ),
)
def test_exports_of_circuits(student, export):
    exported = tool_answer(getattr(student, export[0]), **export[1])
    if export[0] == "circuit_resources" and exported is not None:
        assert exported["transpiled"]["n_qubits"] == 2
    if isinstance(exported, pennylane.QNode):
        measured = np.asarray(exported(X[0]), float)
        assert np.isfinite(measured).all()


# ------------------------------------------------------------------------------ files

damages = st.tuples(st.sampled_from(["flip", "cut", "insert"]), st.integers(0, 10**6))


def damaged(path, damage):
    content, (kind, place) = Path(path).read_bytes(), damage
    place %= len(content)
    flipped = bytes([content[place] ^ 1 << place % 8])
    middle = {"flip": flipped + content[place + 1 :], "cut": b"", "insert": b"0" + content[place:]}
    Path(path).write_bytes(content[:place] + middle[kind])


def write_and_read(path):
    with replacing(path) as file:
        file.write(b"content")
    return Path(path).read_bytes()


@given(
    given=odd_arguments({"path": "run"}, {"path": ["no/folder", ".", "a\0b"], "every": [2, 99]}),
    student=st.sampled_from(QUANTUM),
    damage=damages,
)
def test_checkpoints_of_students(given, student, damage):
    student = clone(student).set_params(max_iter=2)
    expected = clone(student).fit(X, Y).parameters_
    fitted = tool_answer(clone(student).set_callbacks(Checkpoint(**given)).fit, X, Y)
    assert fitted is None or (fitted.parameters_ == expected).all()
    assert tool_answer(write_and_read, given["path"]) in (None, b"content")

    class Stopped(Checkpoint):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clone(student).set_callbacks(Stopped("stopped")).fit(X, Y)
    damaged("stopped", damage)
    fitted = tool_answer(clone(student).set_callbacks(Checkpoint("stopped")).fit, X, Y)
    assert fitted is None or (fitted.parameters_ == expected).all()
    Path("stopped").unlink(missing_ok=True)


SEARCH = search.StackedGridSearchCV(QUANTUM[0], {"n_layers": [1, 2]}, cv=2, checkpoint="fits")


@given(damage=damages)
def test_damaged_checkpoints(damage):
    def run():
        rows = compare({"a": TREE}, X, Y, X, Y, seeds=1, checkpoint="runs").results
        return rows.drop(columns=["fit_seconds", "predict_seconds"])

    expected = run(), clone(SEARCH).fit(X, Y).cv_results_["mean_test_score"]
    (path,) = Path("runs").iterdir()
    damaged(path, damage)
    damaged("fits", damage)
    rows, fitted = tool_answer(run), tool_answer(clone(SEARCH).fit, X, Y)
    assert rows is None or rows.equals(expected[0])
    assert fitted is None or (fitted.cv_results_["mean_test_score"] == expected[1]).all()
    for path in (*Path("runs").iterdir(), Path("fits")):
        path.unlink()


@given(
    estimator=st.sampled_from([*FITTED, PCAReducer(2).fit(X)]),
    place=st.integers(0, 99),
    value=st.sampled_from(ODD_VALUES),
)
def test_states_of_estimators(estimator, place, value):
    state = estimator.__getstate__()
    assume((name := sorted(state)[place % len(state)]) != "teacher")  # which no prediction needs
    changed = state | {name: value}
    copy = object.__new__(type(estimator))
    tool_answer(copy.__setstate__, changed)
    assert not vars(copy) or checksum(changed) == checksum(state)


# ------------------------------------------------------------------------------ networks

COMPONENTS = {
    **{"optimizer": [torch.optim.SGD, "adam"], "lr": [1e-9, 10], "callbacks": [[], [int]]},
    **{"train_split": [3, lambda data, y: (data, data)], "device": ["cuda", "meta", "cpu"]},
    **{"batch_size": [1, -1, 99], "module__n_classes": [2, 5], "module__dropout": [0.5]},
    **{"criterion__weight": [torch.ones(3), torch.ones(2)], "criterion__reduction": ["none"]},
    **{"optimizer__weight_decay": [0.1], "optimizer__betas": [(0.9, 0.99), (2, 2)]},
    **{"iterator_train__drop_last": [True], "iterator_train__shuffle": [False]},
    **{"iterator_valid__drop_last": [True], "iterator_valid__batch_size": [1, 99]},
    **{"callbacks__print_log": [None], "nobody__a": [1], "optimizer__nobody": [1]},
}
BY_DEFAULT = LeNetClassifier(max_epochs=1, random_state=0)


@given(changes=odd_arguments({}, COMPONENTS))
def test_components_of_networks(changes):
    net = clone(BY_DEFAULT).set_params(**changes)
    before = dict(vars(net))
    try:
        fitted = tool_answer(net.fit, X, Y)
    except (ArithmeticError, AttributeError, RuntimeError, TypeError, ValueError):
        # What skorch and torch say of an argument that is theirs alone.
        if not any("__" in name or name == "train_split" for name in changes):
            raise
        fitted = None
    if fitted is None:
        assert vars(net).keys() == before.keys()
        assert all(vars(net)[name] is value for name, value in before.items())
    else:
        assert check_predictions(net, X)
