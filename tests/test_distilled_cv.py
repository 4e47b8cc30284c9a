"""A student that chooses its temperature, lam and loss by itself."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklqkd import (
    DistilledLinearClassifier,
    DistilledQNNClassifier,
    DistilledQNNClassifierCV,
    QNNClassifier,
)
from sklqkd.datasets import load_digits, take_per_class

SMALL = {"n_qubits": 2, "max_iter": 10, "random_state": 0}
FEW = {"temperatures": [1.0, 4.0], "lams": [0.1, 0.9]}


@pytest.fixture(scope="module")
def digits():
    return take_per_class(*load_digits(return_X_y=True), 40, classes=[0, 1, 2])


@pytest.fixture(scope="module")
def teacher(digits):
    return RandomForestClassifier(20, random_state=0).fit(*digits)


@pytest.fixture(scope="module")
def chosen(digits, teacher):
    student = DistilledQNNClassifier(**SMALL)
    return DistilledQNNClassifierCV(teacher, student=student, cv=2, **FEW).fit(*digits)


def test_it_is_the_best_student(chosen, digits, teacher):
    results = chosen.cv_results_
    longest = results["n_resources"] == 6
    assert set(results["n_resources"]) == {2, 6}
    best = results["mean_test_score"][longest].max()
    assert chosen.best_score_ == best
    [params] = [
        each
        for each, score, is_long in zip(
            results["params"], results["mean_test_score"], longest, strict=True
        )
        if is_long and score == best
    ][:1]
    assert params == {**chosen.best_params_, "max_iter": 6}
    assert (chosen.temperature_, chosen.lam_) == (params["temperature"], params["lam"])
    alone = DistilledQNNClassifier(teacher, **SMALL).set_params(**chosen.best_params_).fit(*digits)
    assert_array_equal(chosen.student_.parameters_, alone.parameters_)
    assert len(chosen.student_.loss_curve_) == 10
    X = digits[0]
    assert_array_equal(chosen.predict(X), alone.predict(X))
    assert_array_equal(chosen.predict_proba(X), alone.predict_proba(X))
    assert_array_equal(chosen.predict_log_proba(X), alone.predict_log_proba(X))
    assert_array_equal(chosen.decision_function(X), alone.decision_function(X))


def test_scores_are_those_of_the_folds(chosen, digits, teacher):
    """A candidate's score is that of a student which was trained for as many epochs."""
    results = chosen.cv_results_
    for i, params in enumerate(results["params"]):
        alone = DistilledQNNClassifier(teacher, **SMALL).set_params(**params)
        expected = cross_val_score(alone, *digits, cv=StratifiedKFold(2))
        found = [results[f"split{k}_test_score"][i] for k in range(2)]
        assert found == pytest.approx(list(expected), abs=1e-9)


def test_it_is_cloned_saved_and_nested(chosen, digits, teacher, tmp_path):
    copy = clone(chosen)
    assert copy.teacher is teacher
    assert not hasattr(copy, "student_")
    assert not [name for name in copy.get_params() if name.startswith("teacher__")]
    joblib.dump(chosen, tmp_path / "chosen.joblib")
    loaded = joblib.load(tmp_path / "chosen.joblib")
    assert_array_equal(loaded.predict(digits[0]), chosen.predict(digits[0]))
    known = make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=200)).fit(*digits)
    student = DistilledQNNClassifier(known, **SMALL)
    names = np.array(["zero", "one", "two"])[digits[1]]
    known.fit(digits[0], names)
    pipeline = make_pipeline(
        MinMaxScaler(),
        DistilledQNNClassifierCV(student=student, cv=2, lams=None, temperatures=[1.0, 4.0]),
    )
    assert pipeline.fit(digits[0], names).score(digits[0], names) > 0.6


def test_other_parameters_and_students(digits, teacher):
    y = np.where(np.arange(120) % 2, digits[1], -1)
    grid = {"augmentation": [None, "shift"], "n_qubits": [2, 3]}
    own = DistilledQNNClassifierCV(
        teacher,
        student=DistilledQNNClassifier(max_iter=4, random_state=0),
        temperatures=None,
        lams=[1.0],
        param_grid=grid,
        cv=2,
    ).fit(digits[0], y)
    assert set(own.best_params_) == {"lam", "distillation", "augmentation", "n_qubits"}
    assert own.student_.draw() is not None
    assert_array_equal(own.classes_, [0, 1, 2])
    linear = DistilledLinearClassifier(max_iter=4, random_state=0)
    logits = np.log(np.maximum(teacher.predict_proba(digits[0]), 1e-9))
    other = DistilledQNNClassifierCV(student=linear, cv=2, **FEW)
    other.fit(*digits, teacher_logits=logits, sample_weight=np.ones(120))
    assert isinstance(other.student_, DistilledLinearClassifier)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"lams": [0.5, 2]}, ValueError, "lams has 2"),
        ({"temperatures": []}, ValueError, "no candidate for temperature"),
        ({"temperatures": [-1.0]}, ValueError, "temperature"),
        ({"param_grid": {"max_iter": [1]}}, ValueError, "over which the candidates are halved"),
        ({"param_grid": {"n_qubit": [1]}}, ValueError, "n_qubit"),
        ({"student": QNNClassifier()}, TypeError, "is no distilled student"),
    ],
)
def test_what_is_refused(digits, teacher, change, error, message):
    own = DistilledQNNClassifierCV(teacher, student=DistilledQNNClassifier(**SMALL), cv=2)
    own.set_params(**change)
    with pytest.raises(error, match=message):
        own.fit(*digits)
    assert not hasattr(own, "student_")
