"""Students in every meta-estimator: as good as plain students there, or refused."""

import re
import warnings
from inspect import signature

import numpy as np
import pytest
from imblearn.ensemble import BalancedBaggingClassifier, EasyEnsembleClassifier, RUSBoostClassifier
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from imblearn.under_sampling import InstanceHardnessThreshold, RandomUnderSampler
from imblearn.utils.testing import all_estimators as imblearn_estimators
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, RFECV, SelectFromModel, SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import all_estimators

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.exceptions import TeacherWarning
from sklqkd.search import StackedGridSearchCV, StackedHalvingGridSearchCV

NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
#: What the digits are called, and which of them the student sees.
KINDS = {
    "some": (np.arange(10), [3, 5, 8]),
    "from one": (np.arange(1, 11), range(10)),
    "strings": (NAMES, [3, 5, 8, 9]),
    "signs": (np.where(np.arange(10) < 5, -1, 1), range(10)),
}


class CrossValPredict(ClassifierMixin, BaseEstimator):
    """Predicts its training images out of fold, and others not at all."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        soft = cross_val_predict(self.estimator, X, y, cv=3, method="predict_proba")
        self.accuracy_ = np.mean(self.classes_[soft.argmax(axis=1)] == y)
        return self

    def score(self, X, y):
        return self.accuracy_


GRID = {"learning_rate_init": [0.02, 0.03]}
IMAGES = {"cv": 3}
#: Each takes a student; each has at least one of the meta-estimators of scikit-learn.
WRAPPERS = {
    "vote, hard": lambda s: VotingClassifier([("a", s), ("b", clone(s))]),
    "vote, soft": lambda s: VotingClassifier([("a", s), ("b", clone(s))], voting="soft"),
    "stack": lambda s: StackingClassifier([("a", s)], cv=3),
    "stack, final": lambda s: StackingClassifier(
        [("forest", RandomForestClassifier(20, random_state=0))], s, passthrough=True, cv=3
    ),
    "calibrated, ensemble": lambda s: CalibratedClassifierCV(s, ensemble=True, **IMAGES),
    "calibrated": lambda s: CalibratedClassifierCV(s, ensemble=False, **IMAGES),
    "calibrated, temperature": lambda s: CalibratedClassifierCV(s, method="temperature", **IMAGES),
    "one against rest": OneVsRestClassifier,
    "one against one": OneVsOneClassifier,
    "output code": lambda s: OutputCodeClassifier(s, code_size=3, random_state=0),
    "output code, no mark": lambda s: OutputCodeClassifier(
        s.set_params(unlabelled=None) if hasattr(s, "unlabelled") else s,
        code_size=3,
        random_state=0,
    ),
    "bagging": lambda s: BaggingClassifier(s, 3, random_state=0),
    "bagging, features": lambda s: BaggingClassifier(s, 3, max_features=0.9, random_state=0),
    "boosting": lambda s: AdaBoostClassifier(s, n_estimators=3, random_state=0),
    "chain": lambda s: Targets(ClassifierChain(s)),
    "targets": lambda s: Targets(MultiOutputClassifier(s)),
    "self-training": SelfTrainingClassifier,
    "tuned threshold": lambda s: TunedThresholdClassifierCV(s, **IMAGES),
    "fixed threshold": FixedThresholdClassifier,
    "features, RFE": lambda s: RFE(s),
    "features, RFECV": lambda s: RFECV(s),
    "features, forward": lambda s: make_pipeline(
        SequentialFeatureSelector(s, n_features_to_select=1, cv=2), clone(s)
    ),
    "features, from model": lambda s: make_pipeline(SelectFromModel(s), clone(s)),
    "grid": lambda s: GridSearchCV(s, GRID, **IMAGES),
    "randomized": lambda s: RandomizedSearchCV(s, GRID, n_iter=2, random_state=0, **IMAGES),
    "halving, randomized": lambda s: HalvingRandomSearchCV(
        s, GRID, n_candidates=2, random_state=0, **IMAGES
    ),
    "halving": lambda s: HalvingGridSearchCV(s, GRID, random_state=0, **IMAGES),
    "stacked grid": lambda s: StackedGridSearchCV(s, GRID, **IMAGES),
    "stacked halving": lambda s: StackedHalvingGridSearchCV(s, GRID, random_state=0, **IMAGES),
    "out of fold": CrossValPredict,
    "pipeline": lambda s: make_pipeline(FunctionTransformer(), s),
    "frozen": lambda s: Frozen(s),
    "vote in bagging": lambda s: BaggingClassifier(VotingClassifier([("a", s)]), 2, random_state=0),
    "one against rest in vote": lambda s: VotingClassifier([("a", OneVsRestClassifier(s))]),
    "balanced bagging": lambda s: BalancedBaggingClassifier(s, n_estimators=3, random_state=0),
    "easy ensemble": lambda s: EasyEnsembleClassifier(
        2, AdaBoostClassifier(s, n_estimators=2), random_state=0
    ),
    "undersampled boosting": lambda s: RUSBoostClassifier(s, n_estimators=2, random_state=0),
    "sampling pipeline": lambda s: make_sampling_pipeline(RandomUnderSampler(random_state=0), s),
    "instance hardness": lambda s: make_sampling_pipeline(
        InstanceHardnessThreshold(estimator=s, cv=3, random_state=0), clone(s)
    ),
}

#: They show the student other features than the teacher knows.
REFUSED = {"stack, final", "bagging, features", "chain", "features, forward"}
#: They hand the student other labels than they were given.
RECODED = {"vote, soft", "stack", "calibrated", "one against rest", "one against one", "bagging"}


class Targets(ClassifierMixin, BaseEstimator):
    """The labels, and whether they are among the larger ones, learnt by two classifiers."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        codes = np.unique(y, return_inverse=True)[1]
        # A chain takes numbers alone, and so do arrays of several targets.
        first = y if np.asarray(y).dtype.kind in "if" else codes
        self.model_ = clone(self.estimator).fit(X, np.column_stack([first, codes > codes.mean()]))
        self.classes_, self.codes_ = np.unique(y), first
        return self

    def score(self, X, y):
        codes = np.searchsorted(self.classes_, y)
        first = y if np.asarray(y).dtype.kind in "if" else codes
        found = np.asarray(self.model_.predict(X))
        return np.mean(found[:, 0].astype(float) == np.asarray(first, float))


class Frozen(ClassifierMixin, BaseEstimator):
    """A fitted student, frozen, in a vote."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        frozen = FrozenEstimator(clone(self.estimator).fit(X, y))
        self.model_ = VotingClassifier([("a", frozen)], voting="soft").fit(X, y)
        return self

    def score(self, X, y):
        return self.model_.score(X, y)


#: They take regressors or clusterers.
NOT_OF_CLASSIFIERS = {"RANSACRegressor", "ClusterCentroids"}


@pytest.fixture(scope="module")
def tasks():
    """Images, labels, test images, their labels and a teacher, by the kind of label."""
    X, y = load_digits(return_X_y=True)
    made = {}
    for kind, (names, seen) in KINDS.items():
        teacher = RandomForestClassifier(60, random_state=0).fit(X[:1000], names[y[:1000]])
        few, labels = take_per_class(X[:1000], y[:1000], 30 // (1 + len(seen) // 9), classes=seen)
        order = np.random.default_rng(0).permutation(len(few))
        rows = np.isin(y[1000:], list(seen))
        test = X[1000:][rows], names[y[1000:][rows]]
        made[kind] = few[order], names[labels[order]], *test, teacher
    return made


def score(wrap, student, X, y, X_test, y_test):
    """Return the accuracy, and the warnings about the teacher by their first words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        accuracy = wrap(student).fit(X, y).score(X_test, y_test)
    said = [str(w.message) for w in caught if issubclass(w.category, TeacherWarning)]
    return accuracy, said


@pytest.mark.parametrize(
    ("wrapper", "kind"),
    # scikit-learn 1.9 scales by temperature with numbers as labels as if they were 0 to K - 1,
    # and reads past the end of the logits where they are not.
    [(w, k) for w in WRAPPERS for k in KINDS if "temperature" not in w or k == "strings"],
)
def test_as_good_as_plain_students_or_refused(tasks, wrapper, kind):
    *data, teacher = tasks[kind]
    params = {"max_iter": 30, "learning_rate_init": 0.03, "random_state": 0}
    wrap = WRAPPERS[wrapper]
    taught = DistilledQNNClassifier(teacher, temperature=1, **params)
    if wrapper in REFUSED or (wrapper == "output code" and kind != "signs"):
        match = "unlabelled=None" if wrapper == "output code" else "teacher_logits="
        with pytest.raises(ValueError, match=match):
            score(wrap, taught, *data)
        return
    try:
        plain, _ = score(wrap, QNNClassifier(**params), *data)
    except (IndexError, ValueError) as refusal:  # more than two labels, or labels that are no codes
        with pytest.raises(type(refusal), match=re.escape(str(refusal)[:20])):
            score(wrap, taught, *data)
        return
    accuracy, said = score(wrap, taught, *data)
    assert accuracy >= plain - 0.05
    assert all("teacher_matching_" in message for message in said)
    if kind == "some" and wrapper in RECODED:
        assert said


def test_every_meta_estimator_is_in_the_table():
    tried = {"FrozenEstimator", "ClassifierChain", "MultiOutputClassifier"}  # inside of ours
    waiting = [wrap(QNNClassifier()) for wrap in WRAPPERS.values()]
    while waiting:
        estimator = waiting.pop()
        tried.add(type(estimator).__name__)
        values = estimator.get_params(deep=False).values()
        waiting += [value for value in values if hasattr(value, "get_params")]
        waiting += [step for _, step in getattr(estimator, "steps", []) if step != "passthrough"]
    for name, kind in [*all_estimators(), *imblearn_estimators()]:
        takes_one = {"estimator", "estimators", "steps"} & set(signature(kind).parameters)
        if takes_one and not issubclass(kind, RegressorMixin) and name not in NOT_OF_CLASSIFIERS:
            assert name in tried
