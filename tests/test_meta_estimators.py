"""scikit-learn's tools around a distilled student, beside the same around a plain one.

They hand the student codes in place of the labels, which its teacher does not know by those names.
"""

import warnings

import numpy as np
import pytest
from imblearn.ensemble import BalancedBaggingClassifier, EasyEnsembleClassifier
from imblearn.pipeline import make_pipeline as make_resampling_pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import SelfTrainingClassifier

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.exceptions import TeacherWarning

PARAMS = {"reducer": "pca", "n_qubits": 3, "max_iter": 8, "random_state": 0}

WRAPPERS = {
    "voting, soft": lambda s: VotingClassifier([("student", s)], voting="soft"),
    "voting, hard": lambda s: VotingClassifier([("student", s)]),
    "stacking": lambda s: StackingClassifier([("student", s)], cv=2),
    "calibration": lambda s: CalibratedClassifierCV(s, cv=2),
    "calibration of one": lambda s: CalibratedClassifierCV(s, cv=2, ensemble=False),
    "one against rest": OneVsRestClassifier,
    "one against one": OneVsOneClassifier,
    "output codes": lambda s: OutputCodeClassifier(s, code_size=1, random_state=0),
    "bagging": lambda s: BaggingClassifier(s, 2, random_state=0),
    "boosting": lambda s: AdaBoostClassifier(s, n_estimators=2, random_state=0),
    "balanced bagging": lambda s: BalancedBaggingClassifier(s, 2, random_state=0),
    "easy ensemble": lambda s: EasyEnsembleClassifier(2, estimator=s, random_state=0),
    "resampling": lambda s: make_resampling_pipeline(RandomUnderSampler(random_state=0), s),
    "search": lambda s: GridSearchCV(s, {"learning_rate_init": [0.01]}, cv=2),
    "pipeline": lambda s: make_pipeline(FunctionTransformer(), s),
    "tuned threshold": lambda s: TunedThresholdClassifierCV(s, cv=2),
    "fixed threshold": FixedThresholdClassifier,
    "self-training": SelfTrainingClassifier,
}
LABELS = {
    "some digits": lambda y: (np.isin(y, [3, 5, 8]), y),
    "1 to 10": lambda y: (y >= 0, y + 1),
    "names": lambda y: (np.isin(y, [0, 1, 2, 7]), np.char.add("digit ", y.astype(str))),
    "signs": lambda y: (y >= 0, np.where(y > 4, 1, -1)),
}


@pytest.fixture(scope="module")
def data():
    X, y = load_digits("train", return_X_y=True)
    return {
        "all": (X, y),
        "few": take_per_class(X, y, 20),
        "test": load_digits("test", return_X_y=True),
    }


@pytest.fixture(scope="module")
def teachers(data):
    X, y = data["all"]
    known = {name: relabel(y)[1] for name, relabel in LABELS.items()}
    return {
        name: RandomForestClassifier(30, random_state=0).fit(X, labels)
        for name, labels in known.items()
    }


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.filterwarnings("ignore:The labels are not those:sklqkd.exceptions.TeacherWarning")
def test_not_below_plain_students(data, teachers, wrapper, labels):
    if "threshold" in wrapper and labels != "signs":
        pytest.skip("it is for two classes")
    if "resampling" in wrapper and labels == "signs":
        pytest.skip("the classes have the same sizes")
    (X, y), (X_test, y_test) = data["few"], data["test"]
    rows, y = LABELS[labels](y)
    X, y = X[rows], y[rows]
    rows, y_test = LABELS[labels](y_test)
    X_test, y_test = X_test[rows], y_test[rows]
    wrap = WRAPPERS[wrapper]
    if wrapper == "self-training" and labels == "signs":
        y, y_test = (y + 1) // 2, (y_test + 1) // 2  # it takes -1 for a mark
    plain = wrap(QNNClassifier(**PARAMS)).fit(X, y).score(X_test, y_test)
    student = DistilledQNNClassifier(teachers[labels], **PARAMS)
    assert wrap(student).fit(X, y).score(X_test, y_test) >= plain - 0.05


def test_targets_of_several_columns(data, teachers):
    X, y = data["few"]
    X_test, y_test = data["test"]
    y, y_test = (np.stack([y > 4, y % 2 == 0], axis=1).astype(int) for y in (y, y_test))
    for wrap in (MultiOutputClassifier, ClassifierChain):
        accuracies = []
        for student in (
            QNNClassifier(**PARAMS),
            DistilledQNNClassifier(teachers["some digits"], **PARAMS),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TeacherWarning)
                predicted = wrap(student).fit(X, y).predict(X_test)
            accuracies.append(np.mean(predicted == y_test))
        assert accuracies[1] >= accuracies[0] - 0.05


@pytest.mark.filterwarnings("ignore:The labels are not those:sklqkd.exceptions.TeacherWarning")
def test_probabilities_of_a_cross_validation(data, teachers):
    X, y = data["few"]
    rows = np.isin(y, [3, 5, 8])
    student = DistilledQNNClassifier(teachers["some digits"], **PARAMS)
    word = cross_val_predict(student, X[rows], y[rows], cv=2, method="predict_proba")
    by_hand = clone(student).fit(X[rows], y[rows])  # whose labels are not coded
    assert np.mean(np.array([3, 5, 8])[word.argmax(axis=1)] == y[rows]) > 0.7
    assert by_hand.score(X[rows], y[rows]) > 0.7


def test_a_fitted_teachers_parameters_are_not_the_students(teachers):
    student = DistilledQNNClassifier(teachers["signs"])
    assert not [name for name in student.get_params() if name.startswith("teacher__")]
    with pytest.raises(ValueError, match="teacher__max_depth would change a teacher"):
        student.set_params(teacher__max_depth=3)
    unfitted = DistilledQNNClassifier(RandomForestClassifier(), cv=3)
    assert unfitted.set_params(teacher__max_depth=3).get_params()["teacher__max_depth"] == 3
