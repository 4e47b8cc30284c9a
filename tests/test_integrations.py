"""Other people's tools with our students, each where it is installed: ``sklqkd[integrations]``.

Each test is a short recipe. Dask's are in tests/test_distributed.py and
examples/distributed_search.py.
"""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.callbacks import MLflowLogger, OptunaPruning
from sklqkd.datasets import load_digits
from sklqkd.search import StackedGridSearchCV

# Their warnings are theirs.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def digits():
    """Training and test images of three digits."""
    X, y = load_digits(return_X_y=True)
    X, y = X[y < 3], y[y < 3]
    return train_test_split(X, y, train_size=200, stratify=y, random_state=0)


@pytest.fixture(scope="module")
def teacher(digits):
    X, _, y, _ = digits
    return RandomForestClassifier(20, random_state=0).fit(X, y)


def make(teacher=None, **parameters):
    common = {"n_qubits": 2, "max_iter": 8, "random_state": 0}
    return DistilledQNNClassifier(
        teacher, lam=0 if teacher is None else 0.5, **{**common, **parameters}
    )


def test_optuna_prunes_by_a_callback(digits, teacher):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X, X_val, y, y_val = digits
    rates = iter([0.03, 0.03, 1e-6])  # the last one learns nothing

    def objective(trial):
        rate = next(rates)
        student = make(teacher, learning_rate_init=rate)
        student.set_callbacks(OptunaPruning(trial, X_val, y_val)).fit(X, y)
        return student.score(X_val, y_val)

    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=2)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.optimize(objective, n_trials=3)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "COMPLETE", "PRUNED"]
    values = study.trials[0].intermediate_values
    assert list(values) == list(range(1, 9))
    assert values[8] == study.trials[0].value
    assert len(study.trials[2].intermediate_values) < 8


def test_optuna_s_pruning_leaves_the_student_as_it_was(digits):
    optuna = pytest.importorskip("optuna")
    X, X_val, y, y_val = digits
    study = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=2)
    )
    student = make().set_callbacks(OptunaPruning(study.ask(), X_val, y_val))
    before = dict(vars(student))
    with pytest.raises(optuna.TrialPruned, match="Given up after epoch 1"):
        student.fit(X, y)
    assert vars(student) == before
    with pytest.raises(ValueError, match="direction MAXIMIZE, but each epoch reports the training"):
        make().set_callbacks(OptunaPruning(study.ask())).fit(X, y)
    lower = optuna.create_study(direction="minimize")
    trial = lower.ask()
    student = make().set_callbacks(OptunaPruning(trial, first_step=100)).fit(X, y)
    reported = lower.get_trials(deepcopy=False)[0].intermediate_values
    assert_allclose([reported[101 + i] for i in range(8)], student.loss_curve_)


def test_optuna_asks_and_one_stacked_search_answers(digits, teacher):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X, _, y, _ = digits
    space = {
        "temperature": optuna.distributions.FloatDistribution(1, 8),
        "lam": optuna.distributions.FloatDistribution(0.1, 0.9),
    }
    study = optuna.create_study(direction="maximize")
    for _ in range(2):
        trials = [study.ask(space) for _ in range(3)]
        grid = [{name: [value] for name, value in trial.params.items()} for trial in trials]
        search = StackedGridSearchCV(make(teacher), grid, cv=2, refit=False).fit(X, y)
        for trial, score in zip(trials, search.cv_results_["mean_test_score"], strict=True):
            study.tell(trial, score)
    assert len(study.trials) == 6
    assert study.best_value > 0.5
    assert set(study.best_params) == set(space)


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("test", f"file://{tmp_path}/runs"))
    yield mlflow
    while mlflow.active_run():
        mlflow.end_run()


def test_mlflow_gets_parameters_curve_and_model(digits, teacher, mlflow):
    X, X_test, y, _ = digits
    student = make(teacher).set_callbacks(MLflowLogger(tags={"kind": "digits"}))
    with mlflow.start_run() as run:
        student.fit(X, y)
    client = mlflow.MlflowClient()
    data = client.get_run(run.info.run_id).data
    assert data.params["n_qubits"] == "2"
    assert set(student.get_params(deep=False)) <= set(data.params)
    assert data.params["teacher"].startswith("RandomForestClassifier(")
    curve = client.get_metric_history(run.info.run_id, "loss")
    assert_allclose([point.value for point in curve], student.loss_curve_)
    assert [point.step for point in curve] == list(range(1, 9))
    assert data.metrics["n_parameters_quantum"] == student.n_parameters_["quantum"]
    assert data.tags["kind"] == "digits"
    models = mlflow.search_logged_models(output_format="list")
    loaded = mlflow.sklearn.load_model(models[0].model_uri)
    assert_array_equal(loaded.predict_proba(X_test), student.predict_proba(X_test))
    assert loaded.teacher is None
    assert student.teacher is teacher


def test_mlflow_has_a_run_for_each_fit(digits, mlflow):
    X, _, y, _ = digits
    logger = MLflowLogger(log_model=False)
    student = make().set_callbacks(logger)
    with mlflow.start_run() as outer:
        for n_layers in (1, 2):  # two values of one parameter, which one run cannot have
            clone(student).set_params(n_layers=n_layers).set_callbacks(logger).fit(X, y)
    student.fit(X, y)
    assert mlflow.active_run() is None

    def stop(epoch):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        student.set_callbacks(logger, stop).fit(X, y)
    assert mlflow.active_run() is None
    runs = mlflow.search_runs(output_format="list", order_by=["attributes.start_time ASC"])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3 + ["FAILED"]
    assert [run.data.params["n_layers"] for run in runs] == ["1", "2", "3", "3"]
    assert runs[1].data.tags["mlflow.parentRunId"] == outer.info.run_id


def test_skore_reports_and_compares(digits, teacher):
    skore = pytest.importorskip("skore")
    X, X_test, y, y_test = digits
    data = {"X_train": X, "y_train": y, "X_test": X_test, "y_test": y_test}
    reports = {
        "plain": skore.EstimatorReport(make(), **data),
        "distilled": skore.EstimatorReport(make(teacher), **data),
    }
    fitted = make(teacher).fit(X, y)
    assert reports["distilled"].metrics.accuracy() == fitted.score(X_test, y_test)
    frame = skore.ComparisonReport(reports).metrics.summarize().frame()
    assert frame.shape[1] >= 2


def test_skrub_makes_columns_of_a_table(teacher):
    skrub = pytest.importorskip("skrub")
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    table = pandas.DataFrame(
        {"size": rng.normal(size=120), "colour": rng.choice(["red", "green"], 120)}
    )
    table.loc[::10, "size"] = np.nan
    y = np.where((table["size"].fillna(0) > 0) ^ (table["colour"] == "red"), "a", "b")
    # A teacher in a pipeline sees what the student sees: let it be fitted there, out of fold.
    forest = RandomForestClassifier(20, random_state=0)
    student = make(forest, cv=3, max_iter=60)
    pipe = skrub.tabular_pipeline(student).fit(table, y)
    assert pipe.score(table, y) > 0.8
    assert_array_equal(clone(pipe).fit(table, y).predict(table), pipe.predict(table))


class Oracle:
    """A fitted classifier that is no estimator, so that nobody clones it."""

    def __init__(self, classifier):
        self.classes_, self.predict_proba = classifier.classes_, classifier.predict_proba


def test_skrub_s_data_ops_keep_a_fitted_teacher(digits, teacher):
    skrub = pytest.importorskip("skrub")
    X, X_test, y, _ = digits
    # They clone every estimator that they find, one in a FrozenEstimator too.
    student = make(Oracle(teacher))
    data = skrub.var("X", X).skb.mark_as_X()
    learner = data.skb.apply(student, y=skrub.var("y", y).skb.mark_as_y()).skb.make_learner()
    learner.fit({"X": X, "y": y})
    assert_array_equal(learner.predict({"X": X_test}), student.fit(X, y).predict(X_test))


def test_shap_explains_a_student(digits):
    shap = pytest.importorskip("shap")
    X, X_test, y, _ = digits
    columns = slice(18, 26)
    student = QNNClassifier(reducer=None, n_qubits=3, max_iter=5, random_state=0)
    student.fit(X[:, columns], y)
    explainer = shap.Explainer(student.predict_proba, X[:20, columns], seed=0)
    found = explainer(X_test[:3, columns], silent=True)
    assert found.values.shape == (3, 8, 3)
    total = found.base_values + found.values.sum(axis=1)
    assert_allclose(total, student.predict_proba(X_test[:3, columns]), atol=1e-6)


def test_mapie_gives_sets_that_cover(digits, teacher):
    mapie = pytest.importorskip("mapie.classification")
    X, X_test, y, y_test = digits
    student = make(teacher).fit(X, y)
    half = len(y_test) // 2
    conformal = mapie.SplitConformalClassifier(student, confidence_level=0.9, prefit=True)
    conformal.conformalize(X_test[:half], y_test[:half])
    labels, sets = conformal.predict_set(X_test[half:])
    assert_array_equal(labels, student.predict(X_test[half:]))
    covered = sets[np.arange(len(labels)), y_test[half:], 0]
    assert covered.mean() > 0.8


def test_imbalanced_learn_resamples_before_a_student(digits, teacher):
    imblearn = pytest.importorskip("imblearn")
    X, X_test, y, y_test = digits
    rows = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y != 0)[:20]])
    sampler = imblearn.over_sampling.RandomOverSampler(random_state=0)
    pipe = imblearn.pipeline.make_pipeline(sampler, make(teacher, max_iter=20))
    pipe.fit(X[rows], y[rows])
    by_hand = make(teacher, max_iter=20).fit(*sampler.fit_resample(X[rows], y[rows]))
    assert_array_equal(pipe.predict(X_test), by_hand.predict(X_test))
    assert imblearn.metrics.geometric_mean_score(y_test, pipe.predict(X_test)) > 0.5


def test_a_model_card_for_hugging_face(digits, teacher, tmp_path):
    card = pytest.importorskip("skops.card")
    X, X_test, y, y_test = digits
    student = make(teacher).fit(X, y).set_params(teacher=None)
    joblib.dump(student, tmp_path / "student.joblib")
    made = card.Card(student)
    made.add_metrics(accuracy=student.score(X_test, y_test))
    made.save(tmp_path / "README.md")
    text = (tmp_path / "README.md").read_text()
    assert "n_qubits" in text
    assert "accuracy" in text
