"""Plain cases of what tests/test_fuzz_tools.py found."""

import warnings

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from sklqkd import LeNetClassifier, QNNClassifier, search
from sklqkd.backends import pennylane_devices
from sklqkd.callbacks import Checkpoint
from sklqkd.evaluation import Comparison, compare
from sklqkd.persistence import replacing
from sklqkd.plotting import DistillationCurveDisplay, EvaluationDisplay

RNG = np.random.default_rng(0)
X, Y = RNG.random((12, 9)), np.arange(12) % 3
STUDENT = QNNClassifier(max_iter=1, n_qubits=2, n_layers=1, random_state=0)
TABLE = {"estimator": list("aabb"), "seed": [0, 1, 0, 1], "accuracy": [0.5, 0.6, 0.7, 0.8]}
CURVE = {"param_range": [1, 3], "scores": [[0.5, 0.6], [0.7, 0.8]], "param_name": "lam"}


def test_folds_of_a_stacked_search_may_be_lists():
    folds = [([0, 1, 2, 3, 4, 5], [6, 7, 8]), ([3, 4, 5, 6, 7, 8], [9, 10, 11])]
    arrays = [tuple(map(np.array, fold)) for fold in folds]
    found = [
        search.StackedGridSearchCV(STUDENT, {"n_layers": [1, 2]}, cv=cv).fit(X, Y)
        for cv in (folds, arrays)
    ]
    scores = [each.cv_results_["mean_test_score"] for each in found]
    np.testing.assert_array_equal(*scores)


def test_a_search_that_fails_is_as_it_was():
    halving = search.StackedHalvingGridSearchCV(STUDENT, {"n_layers": [1, 2]}, cv=2)
    before = dict(vars(halving))
    with pytest.raises(ValueError, match="Expected 2D array"):
        halving.fit(X[:, 0], Y)
    assert vars(halving) == before
    with pytest.raises(ValueError, match="factor=1 must be larger"):
        search.StackedHalvingGridSearchCV(STUDENT, {"n_layers": [1, 2]}, factor=1).fit(X, Y)


def test_a_search_of_parameters_without_a_name():
    with pytest.raises(TypeError):
        search.StackedHalvingGridSearchCV(
            STUDENT, {1: [1, 2]}, cv=2, resource="max_iter", max_resources=4, min_resources=1,
            factor=2, error_score="raise",
        ).fit(X, Y)  # fmt: skip


@pytest.mark.parametrize("name", ["shuffle", "drop_last", "sampler", "batch_sampler", "collate_fn"])
def test_a_network_predicts_each_image_in_its_place(name):
    with pytest.raises(ValueError, match=f"iterator_valid__{name} cannot be set"):
        LeNetClassifier(**{f"iterator_valid__{name}": True}).fit(X, Y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"module__n_classes": 5}, "module__n_classes cannot be set"),
        ({"module__image_shape": (1, 3, 3)}, "module__image_shape cannot be set"),
        ({"iterator_train__drop_last": True}, "no mini-batch to train on"),
        ({"device": "cuda:99"}, "device='cuda:99' cannot be used"),
        ({"device": 3.5}, "no name of a device"),
        ({"device": "zzz"}, "device='zzz' cannot be used"),
        ({"optimizer": "adam"}, "no class of torch.optim"),
        ({"callbacks": [int]}, "cannot be made with"),
        ({"callbacks": 3}, "no list of skorch's callbacks"),
        ({"train_split": 3}, "no function that splits"),
        ({"optimizer__betas": 0.5}, "cannot be made with"),
        ({"module__nobody": 1}, "cannot be made with"),
    ],
    ids=str,
)
def test_odd_components_of_networks(change, message):
    net = LeNetClassifier(max_epochs=1, **change)
    with pytest.raises((ValueError, TypeError), match=message):
        net.fit(X, Y)
    assert not hasattr(net, "classes_")


def test_a_digit_that_flipped_in_a_finished_run_is_seen(tmp_path):
    def run():
        return compare([DummyClassifier()], X, Y, X, Y, seeds=1, checkpoint=tmp_path)

    run()
    (path,) = tmp_path.iterdir()
    text = path.read_text()
    place = text.index('"log_loss": ') + 14
    path.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
    with pytest.raises(ValueError, match="does not hold a run"):
        run()


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": 10**9},
        {"seeds": 10**30},
        {"seeds": [2**32]},
        {"fit_params": {"dummyclassifier": 3}},
        {"baseline": [1]},
        {"error_score": np.array([1, 2])},
        {"n_jobs": (1,)},
        {"n_jobs": 0},
        {"verbose": np.array([1, 2])},
        {"checkpoint": 3},
        {"checkpoint": "a\0b"},
        {"cv": []},
        {"cv": [([0, 1, 2], [99])]},
        {"cv": b"ab"},
        {"X": [[], [0.5]] * 6},
        {"y": np.array([1, "a"] * 6, object)},
        {"y": np.array([np.nan] + [1.0] * 11)},
    ],
    ids=str,
)
def test_odd_arguments_of_compare(change):
    test = {} if "cv" in change else {"X_test": X, "y_test": Y}
    with pytest.raises((ValueError, TypeError), match=r"\w{3}"):
        compare(**{"estimators": [DummyClassifier()], "X": X, "y": Y, "seeds": 1, **test, **change})


@pytest.mark.parametrize(
    "change",
    [
        *({"fold": value} for value in (None, 3, "33", [0])),
        *({"seed": value} for value in (np.inf, [[0]] * 4, [{}] * 4)),
        {"estimator": [{}] * 4},
        {"accuracy": [[1], [1, 2], 1, 1]},
    ],
    ids=str,
)
def test_odd_columns_of_a_comparison(change):
    with pytest.raises((ValueError, TypeError), match=r"column|lists of one length"):
        Comparison({**TABLE, **change})


@pytest.mark.parametrize("table", [None, 3, "ab", b"ab", [1], object()])
def test_what_is_no_table(table):
    with pytest.raises(TypeError, match="neither a DataFrame nor a dict"):
        Comparison(table)
    with pytest.raises(TypeError, match="neither a DataFrame nor a dict"):
        DistillationCurveDisplay.from_results(table, param_name="lam")


@pytest.mark.parametrize("values", [[0, 1e308, 2, 3], [0, np.inf, 2, 3]])
def test_scores_whose_squares_overflow(values):
    with pytest.raises(ValueError, match=r"over 1e\+12"):
        Comparison({**TABLE, "accuracy": values}).summary()
    with pytest.raises(ValueError, match=r"over 1e\+12"):
        EvaluationDisplay({"a": values})
    with pytest.raises(ValueError, match=r"over 1e\+12"):
        DistillationCurveDisplay(**{**CURVE, "scores": [values] * 2})


@pytest.mark.parametrize("level", ["a", None, {}, np.array([0.5, 0.6]), 1j])
def test_odd_levels(level):
    with pytest.raises(ValueError, match="not between 0 and 1"):
        Comparison(TABLE).differences(confidence_level=level)
    with pytest.raises(ValueError, match="not between 0 and 1"):
        EvaluationDisplay({"a": [1]}, confidence_level=level)


@pytest.mark.parametrize("name", [{}, ["a"], np.array(["a", "b"])], ids=str)
def test_names_that_are_lists(name):
    comparison = Comparison(TABLE)
    for call in (
        lambda: comparison.scores(name),
        lambda: comparison.differences(baseline=name),
        lambda: comparison.differences(test=name),
        lambda: Comparison(TABLE, baseline=name),
        lambda: EvaluationDisplay({"a": [1]}, baseline=name),
        lambda: EvaluationDisplay({"a": [1]}, score_name=name),
        lambda: DistillationCurveDisplay(**{**CURVE, "param_name": name}),
        lambda: DistillationCurveDisplay.from_results(TABLE, param_name=name),
        lambda: DistillationCurveDisplay.from_results(TABLE, param_name="seed", metric=name),
    ):
        with pytest.raises((ValueError, TypeError), match=r"is unknown|none of|not a string"):
            call()


def test_odd_plots():
    display = EvaluationDisplay({"a": [0.1, 0.2]})
    curve = DistillationCurveDisplay(**CURVE)
    for call, message in [
        (lambda: EvaluationDisplay(None), "scores must be a dict"),
        (lambda: EvaluationDisplay({"a": ["x"]}), "no numbers"),
        (lambda: EvaluationDisplay({"a": [[1, 2]]}), "not a list for each"),
        (lambda: EvaluationDisplay({"\ud800": [1]}), "no font has"),
        (lambda: EvaluationDisplay.from_predictions(Y, [Y]), "y_pred must be a dict"),
        (lambda: display.plot(ax=[]), "ax must be Axes"),
        (lambda: display.plot(point_kw=[1]), "point_kw must be a dict"),
        (lambda: display.plot(errorbar_kw=np.array([1, 2])), "errorbar_kw must be a dict"),
        (lambda: curve.plot(ax={}), "ax must be Axes"),
        (lambda: curve.plot(line_kw=(1, 2)), "line_kw must be a dict"),
        (lambda: curve.plot(fill_between_kw="a"), "fill_between_kw must be a dict"),
        (lambda: DistillationCurveDisplay(**{**CURVE, "param_range": 3}), "no list of values"),
        (lambda: DistillationCurveDisplay(**{**CURVE, "scores": object()}), "no numbers"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            call()


def test_huge_values_of_a_parameter_stand_at_equal_distances():
    curve = DistillationCurveDisplay(**{**CURVE, "param_range": [1e308, -1e308]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = curve.plot().ax_
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1e+308", "-1e+308"]


@pytest.mark.parametrize("path", [None, 3, True, b"run", "\ud800", "a\0b"])
def test_what_is_no_path(path):
    with pytest.raises((ValueError, TypeError), match="path="):
        STUDENT.__sklearn_clone__().set_callbacks(Checkpoint(path)).fit(X, Y)
    with pytest.raises((ValueError, TypeError), match="path="), replacing(path):
        pass


def test_odd_exports():
    student = STUDENT.__sklearn_clone__().fit(X, Y)
    for call in (
        lambda: student.draw(max_length=[1]),
        lambda: student.draw(decimals="a"),
        lambda: student.draw(output=np.array(["text", "mpl"])),
        lambda: student.to_qiskit(X[0], measure=np.array([1, 2])),
        lambda: student.circuit_resources(coupling_map=[1]),
        lambda: student.circuit_resources(basis_gates=3),
        lambda: student.circuit_resources(backend=np.True_),
        lambda: student.circuit_resources(optimization_level=np.array([3, 3])),
        lambda: student.set_params(backend=np.array([3, 3])).predict(X),
        lambda: student.set_params(backend="statevector", backend_options=True).predict(X),
        lambda: student.qnode(device=[1]),
        lambda: student.qnode(nobody=1),
    ):
        with pytest.raises((ValueError, TypeError), match=r"must be|no list|known|installed|made"):
            call()
    assert np.sum(student.qnode(shots=True)(X[0])) == 1


@pytest.mark.parametrize(
    "options", [{"coupling_map": True}, {"initial_layout": True}, {"basis_gates": ["cx"]}], ids=str
)
def test_odd_targets_of_aer(options):
    student = STUDENT.__sklearn_clone__().fit(X, Y)
    student.set_params(backend="qiskit.aer", backend_options=options)
    with pytest.raises(ValueError, match="cannot be transpiled"):
        student.predict(X)


@pytest.mark.parametrize("chunk", [1, 100, 2**22])
@pytest.mark.parametrize("device", ["default.qubit", "default.mixed", "lightning.qubit"])
def test_a_device_takes_rows_and_shots_in_parts(device, chunk, monkeypatch):
    student = STUDENT.__sklearn_clone__().fit(X, Y)
    expected = student.predict_proba(X)
    student.set_params(backend=device)
    monkeypatch.setattr(pennylane_devices, "CHUNK", chunk)
    np.testing.assert_allclose(student.predict_proba(X), expected, atol=1e-6)
    if device != "lightning.qubit" and chunk > 1:
        measured = student.set_params(shots=1000).predict_proba(X)
        np.testing.assert_allclose(measured, expected, atol=0.1)
        assert np.abs(measured - expected).max() > 1e-4
