"""The student and its teacher: whose labels, whose logits, and what scikit-learn does to both."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from sklqkd import DistilledQNNClassifier, LeNetClassifier, PCAReducer, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.exceptions import TeacherWarning
from sklqkd.targets import LOWEST_LOGIT, align, given_word, teacher_word


def quick(teacher=None, **params):
    return DistilledQNNClassifier(teacher, **{"max_iter": 3, "random_state": 0} | params)


def log_probabilities(teacher, X):
    return np.log(np.maximum(teacher.predict_proba(X), np.finfo(np.float32).tiny))


def torch_weights(net):
    return [p.detach().numpy().copy() for p in net.module_.parameters()]


@pytest.fixture(scope="module")
def digits():
    """90 images of 3 classes, in turn."""
    X, y = take_per_class(*load_digits(return_X_y=True), 30, classes=[0, 1, 2])
    order = np.argsort(y, kind="stable").reshape(3, -1).T.ravel()
    return X[order], y[order]


@pytest.fixture(scope="module")
def teacher(digits):
    """A teacher that is trained on other images of the same digits, and soft."""
    X, y = load_digits(return_X_y=True)
    X, y = X[-900:][y[-900:] < 3], y[-900:][y[-900:] < 3]
    return LogisticRegression(C=0.1).fit(X, y)


@pytest.fixture(scope="module")
def lenet(digits):
    return LeNetClassifier(max_epochs=4, lr=0.01, random_state=0).fit(*digits)


class Oracle(ClassifierMixin, BaseEstimator):
    """Gives each row the probabilities of the class it names, under any labels."""

    def __init__(self, probabilities=None, labels=None):
        self.probabilities = probabilities
        self.labels = labels

    def fit(self, X, y):
        raise AssertionError("a fitted teacher was fitted again")

    def __sklearn_is_fitted__(self):
        return True

    @property
    def classes_(self):
        return np.asarray(self.labels)

    def predict_proba(self, X):
        return np.asarray(self.probabilities)[: len(X)]


# no distillation at all


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("reducer", ["fc", "pca"])
def test_lam_0_is_no_teacher(digits, teacher, early_stopping, reducer):
    params = {"early_stopping": early_stopping, "reducer": reducer}
    alone = QNNClassifier(max_iter=3, random_state=0, **params).fit(*digits)
    logits = log_probabilities(teacher, digits[0])
    for student in (
        quick(**params).fit(*digits),
        quick(teacher, lam=0, **params).fit(*digits),
        quick(lam=0, **params).fit(*digits, teacher_logits=logits),
        quick(LogisticRegression(), cv=3, lam=0, **params).fit(*digits),
    ):
        assert_array_equal(student.parameters_, alone.parameters_)
        assert student.loss_curve_ == alone.loss_curve_
        assert student.validation_scores_ == alone.validation_scores_
    taught = quick(teacher, **params).fit(*digits)
    assert not np.array_equal(taught.parameters_, alone.parameters_)


# what a teacher does


@pytest.mark.parametrize("early_stopping", [False, True])
def test_logits_are_as_good_as_the_teacher(digits, teacher, early_stopping):
    X, y = digits
    weight = np.linspace(1, 2, len(y))
    by_teacher = quick(teacher, early_stopping=early_stopping).fit(X, y, weight)
    logits = log_probabilities(teacher, X)
    by_logits = quick(early_stopping=early_stopping).fit(X, y, weight, logits)
    assert_array_equal(by_logits.parameters_, by_teacher.parameters_)
    assert by_logits.loss_curve_ == by_teacher.loss_curve_
    shifted = quick(early_stopping=early_stopping).fit(X, y, weight, logits + 5)
    assert_allclose(shifted.predict_proba(X), by_teacher.predict_proba(X), rtol=1e-3)


@pytest.mark.filterwarnings("ignore::sklqkd.exceptions.TeacherWarning")  # it is made up
def test_given_logits_go_before_the_teacher(digits, teacher):
    X, y = digits
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(len(y), 3))
    student = quick(teacher).fit(X, y, teacher_logits=logits)
    assert_array_equal(student.parameters_, quick().fit(*digits, None, logits).parameters_)
    assert not np.array_equal(student.parameters_, quick(teacher).fit(X, y).parameters_)


@pytest.mark.parametrize("change", [{"temperature": 1.0}, {"temperature": 9.0}, {"lam": 0.9}])
def test_temperature_and_lam_have_an_effect(digits, teacher, change):
    default = quick(teacher).fit(*digits)
    changed = quick(teacher, **change).fit(*digits)
    assert not np.array_equal(changed.parameters_, default.parameters_)


@pytest.mark.filterwarnings("ignore::sklqkd.exceptions.TeacherWarning")  # it is made up
def test_lam_1_ignores_the_labels(digits, teacher):
    X, y = digits
    shuffled = np.random.default_rng(0).permutation(y)
    student = quick(teacher, lam=1).fit(X, y)
    assert_array_equal(quick(teacher, lam=1).fit(X, shuffled).parameters_, student.parameters_)
    half = quick(teacher, lam=0.5).fit(X, y)
    other = quick(teacher, lam=0.5).fit(X, shuffled)
    assert not np.array_equal(half.parameters_, other.parameters_)


def test_the_student_learns_what_its_teacher_thinks(digits, teacher):
    """With lam=1 it follows a teacher that calls each 2 a 1."""
    X, y = digits
    wrong = Oracle(teacher.predict_proba(X) @ [[1, 0, 0], [0, 0.9, 0.1], [0, 0.9, 0.1]], [0, 1, 2])
    student = quick(wrong, lam=1, max_iter=40, learning_rate_init=0.02).fit(X, y)
    taught = wrong.predict_proba(X).argmax(axis=1)
    assert np.mean(student.predict(X) == taught) > 0.9
    assert student.score(X, y) < 0.7


def test_soft_targets_stay_with_their_images_when_some_are_held_out(digits, teacher):
    X, y = digits
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    params = {"early_stopping": True, "n_iter_no_change": 40, "learning_rate_init": 0.02}
    student = quick(teacher, lam=1, max_iter=40, **params).fit(X, y)
    assert np.mean(student.predict(X) == teacher.predict(X)) > 0.8


def test_lam_0_does_not_ask_the_teacher(digits):
    X, y = digits
    broken = Oracle(np.full((len(y), 3), np.nan), [0, 1, 2])
    student = quick(broken, lam=0).fit(X, y)
    assert_array_equal(student.parameters_, quick().fit(X, y).parameters_)


def test_distillation_brings_the_student_near_the_teacher(digits, teacher):
    X, y = digits
    params = {"max_iter": 40, "learning_rate_init": 0.02}
    taught = quick(teacher, lam=1, temperature=1, **params).fit(X, y).predict_proba(X)
    alone = quick(**params).fit(X, y).predict_proba(X)
    soft = teacher.predict_proba(X)
    assert np.abs(taught - soft).mean() < np.abs(alone - soft).mean() / 2


def test_sample_weight_goes_with_the_teachers_term(digits, teacher):
    X, y = digits
    weight = (np.arange(len(y)) % 2).astype(float)
    clean = teacher.predict_proba(X)
    garbage = np.where(weight[:, None], clean, clean[:, [1, 2, 0]])
    params = {"lam": 1, "shuffle": False}
    student = quick(Oracle(garbage, [0, 1, 2]), **params).fit(X, y, weight)
    other = quick(Oracle(clean, [0, 1, 2]), **params).fit(X, y, weight)
    assert_array_equal(student.parameters_, other.parameters_)
    unweighted = quick(Oracle(garbage, [0, 1, 2]), **params).fit(X, y)
    assert not np.array_equal(student.parameters_, unweighted.parameters_)


def test_partial_fit_asks_the_teacher(digits, teacher):
    X, y = digits
    taught = quick(teacher, shuffle=False)
    by_logits = quick(shuffle=False)
    for rows in (slice(0, 45), slice(45, 90), slice(0, 90)):
        taught.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        logits = log_probabilities(teacher, X[rows])
        by_logits.partial_fit(X[rows], y[rows], classes=[0, 1, 2], teacher_logits=logits)
    assert_array_equal(by_logits.parameters_, taught.parameters_)
    alone = QNNClassifier(shuffle=False, random_state=0)
    for rows in (slice(0, 45), slice(45, 90), slice(0, 90)):
        alone.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    assert not np.array_equal(taught.parameters_, alone.parameters_)


def test_the_teacher_is_not_needed_to_predict(digits, teacher):
    X, _ = digits
    student = quick(teacher).fit(*digits)
    before = student.predict_proba(X)
    student.set_params(teacher=None)
    assert_array_equal(pickle.loads(pickle.dumps(student)).predict_proba(X), before)


# whose label is which


@pytest.mark.filterwarnings("ignore::sklqkd.exceptions.TeacherWarning")  # it is made up
def test_a_teacher_that_knows_more_classes(digits):
    X, y = digits
    rng = np.random.default_rng(0)
    all_ten = Oracle(rng.dirichlet(np.ones(10), len(y)), range(10))
    student = quick(all_ten).fit(X, y)
    expected = np.log(all_ten.probabilities[:, :3])
    assert_array_equal(student.parameters_, quick().fit(*digits, None, expected).parameters_)


@pytest.mark.filterwarnings("ignore::sklqkd.exceptions.TeacherWarning")  # it is made up
def test_a_teacher_that_knows_fewer_classes(digits):
    X, y = digits
    rng = np.random.default_rng(0)
    two = Oracle(rng.dirichlet(np.ones(2), len(y)), [0, 2])
    student = quick(two).fit(X, y)
    expected = np.full((len(y), 3), LOWEST_LOGIT)
    expected[:, [0, 2]] = np.log(two.probabilities)
    assert_array_equal(student.parameters_, quick().fit(*digits, None, expected).parameters_)
    assert np.isfinite(student.loss_curve_).all()


@pytest.mark.parametrize("labels", [["cat", "dog", "emu"], [3, 7, 100]], ids=str)
def test_a_teacher_with_its_classes_in_another_order(digits, teacher, labels):
    X, y = digits
    labels = np.asarray(labels)
    order = [2, 0, 1]
    turned = Oracle(teacher.predict_proba(X)[:, order], labels[order])
    student = quick(turned).fit(X, labels[y])
    assert_array_equal(student.parameters_, quick(teacher).fit(X, y).parameters_)
    assert_array_equal(student.classes_, labels)


def test_a_real_teacher_with_strings(digits):
    X, y = digits
    labels = np.array(["zero", "one", "two"])[y]
    forest = RandomForestClassifier(10, random_state=0).fit(X, labels)
    student = quick(forest, lam=1, max_iter=40, learning_rate_init=0.03).fit(X, labels)
    assert np.mean(student.predict(X) == forest.predict(X)) > 0.8


def test_no_class_in_common(digits, teacher):
    X, y = digits
    expected = quick(teacher).fit(X, y).predict_proba(X)
    for labels in (y.astype(str), y + 3):  # its favourites tell which class is which
        with pytest.warns(TeacherWarning, match="by value the favourites agree with y on 0.0 %"):
            student = quick(teacher).fit(X, labels)
        assert_allclose(student.predict_proba(X), expected, rtol=1e-3)
        some = [0, 1, 2, 4]  # too few to tell
        with pytest.raises(ValueError, match=r"\[0, 1, 2\], none of which .*on the same labels"):
            quick(teacher).fit(X[some], labels[some])


def test_align_by_hand():
    logits = np.array([[1.0, 2.0, 3.0]])
    assert_array_equal(align(logits, [5, 6, 7], [7, 5]), [[3, 1]])
    assert_array_equal(align(logits, ["c", "a", "b"], ["a", "b", "c"]), [[2, 3, 1]])
    assert_array_equal(align(logits, [0, 1, 2], [1, 9]), [[2, LOWEST_LOGIT]])
    assert_array_equal(align(logits[:, :2], [False, True], [True, False]), [[2, 1]])


# logits that are given


def test_columns_are_matched_by_name(digits, teacher):
    X, y = digits
    logits = log_probabilities(teacher, X)
    expected = quick().fit(X, y, teacher_logits=logits).parameters_

    def parameters(logits, y=y):
        return quick().fit(X, y, teacher_logits=logits).parameters_

    frame = pd.DataFrame(logits, columns=[0, 1, 2])
    assert_array_equal(parameters(frame), expected)
    assert_array_equal(parameters(frame[[2, 0, 1]]), expected)
    frame[9] = 50.0
    assert_array_equal(parameters(frame[[9, 1, 2, 0]]), expected)
    names = np.array(["a", "b", "c"])
    named = pd.DataFrame(logits, columns=names, index=range(500, 500 + len(y)))
    assert_array_equal(parameters(named[["b", "c", "a"]], names[y]), expected)
    unrelated = pd.DataFrame(logits, columns=["x", "y", "z"])
    assert_array_equal(parameters(unrelated), expected)


def test_column_numbers_that_may_be_names_are_refused(digits, teacher):
    X, y = digits
    frame = pd.DataFrame(log_probabilities(teacher, X))
    with pytest.raises(ValueError, match=r"columns \[0, 1, 2\], .*\[1, 2, 3\]: pandas's own"):
        quick().fit(X, y + 1, teacher_logits=frame)
    named = frame.set_axis([1, 2, 3], axis=1)
    student = quick().fit(X, y + 1, teacher_logits=named)
    assert_array_equal(student.parameters_, quick(teacher).fit(X, y).parameters_)


@pytest.mark.parametrize(
    "bad", ["rows", "columns", "nan", "infinity", "overflow", "one_dimension", "empty"]
)
def test_refuses_bad_logits(digits, bad):
    X, y = digits
    logits = np.zeros((len(y), 3))
    value = {"nan": np.nan, "infinity": np.inf}.get(bad, 0)
    logits[4, 1] = value
    logits, match = {
        "rows": (logits[:-1], "teacher_logits has 89 rows, but X has 90"),
        "columns": (logits[:, :2], r"teacher_logits has 2 columns, but y has 3 classes: \[0, 1"),
        "nan": (logits, "teacher_logits contains NaN"),
        "infinity": (logits, "teacher_logits contains infinity"),
        "overflow": ([[10**400, 0, 0]] * len(y), "teacher_logits has a number that no float holds"),
        "one_dimension": (logits[:, 0], "Expected 2D array"),
        "empty": (logits[:0], "teacher_logits has 0 rows, but X has 90"),
    }[bad]
    student = quick().fit(X, y)
    before = pickle.dumps(vars(student))
    for fit in (student.fit, student.partial_fit):
        with pytest.raises(ValueError, match=match):
            fit(X, y, teacher_logits=logits)
    assert pickle.dumps(vars(student)) == before


def test_minus_infinity_is_a_low_logit_of_its_row():
    logits = np.array([[0.0, -np.inf, 0.0], [-500.0, -np.inf, -900.0], [1.0, 2.0, 3.0]])
    found = given_word(logits, 3, np.arange(3)).logits
    assert found[0, 1] == pytest.approx(LOWEST_LOGIT + np.log(2))
    assert found[1, 1] == -900  # and not higher than the row's others
    is_given = np.isfinite(logits)
    assert_array_equal(found[is_given], logits[is_given])
    logits[0] = -np.inf
    with pytest.raises(ValueError, match=r"^A row of teacher_logits has minus infinity for all"):
        given_word(logits, 3, np.arange(3))


# out-of-fold targets


@pytest.mark.parametrize("splitter", [3, KFold(4, shuffle=True, random_state=1)], ids=str)
def test_out_of_fold_targets_are_those_of_cross_val_predict(digits, splitter):
    X, y = digits
    tree = RandomForestClassifier(5, random_state=0)
    student = quick(tree, cv=splitter).fit(X, y)
    out_of_fold = cross_val_predict(tree, X, y, cv=splitter, method="predict_proba")
    logits = np.log(np.maximum(out_of_fold, np.finfo(np.float32).tiny))
    assert_array_equal(student.parameters_, quick().fit(X, y, None, logits).parameters_)
    assert student.teacher is tree
    assert not hasattr(tree, "classes_")
    in_sample = quick(clone(tree).fit(X, y)).fit(X, y)
    assert not np.array_equal(student.parameters_, in_sample.parameters_)


@pytest.mark.filterwarnings("ignore::sklqkd.exceptions.TeacherWarning")  # it is made up
def test_a_fold_that_lacks_a_class(digits):
    X, y = digits
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    student = quick(LogisticRegression(), cv=KFold(3)).fit(X, y)  # a fold is a class
    logits = np.full((90, 3), LOWEST_LOGIT)
    for k in range(3):
        others = [c for c in range(3) if c != k]
        fold = LogisticRegression().fit(X[y != k], y[y != k])
        logits[np.ix_(y == k, others)] = log_probabilities(fold, X[y == k])
    assert_array_equal(student.parameters_, quick().fit(X, y, None, logits).parameters_)


def test_weights_are_passed_on_to_the_folds(digits):
    X, y = digits
    weight = np.where(y == 0, 9.0, 1.0)
    student = quick(LogisticRegression(), cv=3).fit(X, y, weight)
    with config_context(enable_metadata_routing=True):
        weighted = LogisticRegression().set_fit_request(sample_weight=True)
        soft = cross_val_predict(
            weighted, X, y, cv=3, method="predict_proba", params={"sample_weight": weight}
        )
    assert_array_equal(student.parameters_, quick().fit(X, y, weight, np.log(soft)).parameters_)
    # K nearest neighbours take no weights, and teach all the same.
    assert len(quick(KNeighborsClassifier(), cv=3).fit(X, y, weight).loss_curve_) == 3


def test_cv_that_leaves_images_out(digits):
    with pytest.raises(ValueError, match="leaves some samples in no test fold"):
        quick(LogisticRegression(), cv=ShuffleSplit(2, random_state=0)).fit(*digits)


# teachers of many kinds


def test_an_unfitted_teacher_is_refused(digits):
    student = quick(LogisticRegression())
    with pytest.raises(NotFittedError, match=r"LogisticRegression is not fitted.*FrozenEstimator"):
        student.fit(*digits)
    assert not hasattr(student.teacher, "classes_")
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        student.set_params(lam=0).fit(*digits)


def test_a_teacher_of_data_frames_sees_one(digits):
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    named = LogisticRegression(C=0.1).fit(frame, y)
    plain = LogisticRegression(C=0.1).fit(X, y)
    expected = quick(plain).fit(X, y).predict_proba(X)
    # A warning would be an error here.
    by_name = quick(named).fit(frame, y).predict_proba(frame)
    assert_allclose(by_name, expected, rtol=1e-3)
    out_of_fold = quick(LogisticRegression(C=0.1), cv=3)
    by_name = clone(out_of_fold).fit(frame, y).predict_proba(frame)
    assert_allclose(by_name, out_of_fold.fit(X, y).predict_proba(X), rtol=1e-3)


def test_a_vote_of_frozen_estimators_teaches(digits, teacher, lenet):
    X, y = digits
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    members = [("lenet", lenet), ("forest", forest), ("linear", teacher)]
    vote = VotingClassifier([(n, FrozenEstimator(m)) for n, m in members], voting="soft").fit(X, y)
    student = quick(vote).fit(X, y)
    mean = np.mean([member.predict_proba(X) for _, member in members], axis=0)
    by_hand = quick().fit(X, y, teacher_logits=np.log(mean))
    assert_allclose(student.predict_proba(X), by_hand.predict_proba(X), rtol=1e-3)
    alone = quick().fit(X, y).predict_proba(X)
    assert not np.allclose(student.predict_proba(X), alone, rtol=1e-2)


def test_a_student_teaches(digits):
    X, y = digits
    senior = QNNClassifier(n_qubits=5, max_iter=20, random_state=1).fit(X, y)
    before = senior.parameters_.copy()
    junior = quick(senior, lam=1, max_iter=40, learning_rate_init=0.03).fit(X, y)
    assert np.mean(junior.predict(X) == senior.predict(X)) > 0.8
    assert_array_equal(senior.parameters_, before)


def test_a_fitted_teacher_is_asked_as_it_is_by_default(digits, teacher):
    X, y = digits
    word = teacher_word(teacher, X, y, np.unique(y))
    assert_array_equal(word.logits, log_probabilities(teacher, X))
    assert_array_equal(word.classes, teacher.classes_)


def test_a_teacher_that_gives_nan_is_refused(digits):
    X, y = digits
    broken = Oracle(np.full((len(y), 3), np.nan), [0, 1, 2])
    with pytest.raises(ValueError, match="predict_proba of the teacher Oracle contains NaN"):
        quick(broken).fit(X, y)


def test_a_teacher_without_probabilities_is_refused(digits):
    with pytest.raises(ValueError, match=r"'teacher' parameter .*predict_proba"):
        quick(SVC().fit(*digits)).fit(*digits)


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 0},
        {"temperature": -1.0},
        {"lam": 1.5},
        {"lam": -0.1},
        {"distillation": "osmosis"},
        {"cv": "postfit"},
    ],
    ids=str,
)
def test_refuses_bad_parameters(digits, teacher, params):
    (name,) = params
    with pytest.raises(ValueError, match=f"The '{name}' parameter of DistilledQNNClassifier"):
        quick(teacher, **params).fit(*digits)


def test_an_unknown_distillation_is_told_the_known(digits, teacher):
    with pytest.raises(ValueError, match="'hinton'"):
        quick(teacher, distillation="osmosis").fit(*digits)


# clones, parameters and searches


def test_clone_keeps_a_fitted_teacher(teacher):
    student = quick(teacher, lam=0.7)
    copy = clone(clone(student))
    assert copy.teacher is teacher
    assert copy.lam == 0.7
    unfitted = quick(LogisticRegression(C=3), cv=3)
    copy = clone(unfitted)
    assert copy.teacher is not unfitted.teacher
    assert copy.teacher.C == 3
    trained_elsewhere = clone(quick(teacher, cv=3)).teacher  # only its clones will be fitted
    assert not hasattr(trained_elsewhere, "classes_")


def test_a_fitted_teachers_parameters_are_locked(teacher, digits):
    student = quick(teacher)
    coef = teacher.coef_.copy()
    with pytest.raises(ValueError, match="teacher__C would change a teacher that is fitted"):
        student.set_params(teacher__C=5, lam=0.1)
    assert teacher.C == 0.1
    assert student.lam == 0.5
    assert_array_equal(teacher.coef_, coef)
    with pytest.raises(ValueError, match="teacher__C would change"):
        quick().set_params(teacher=teacher, teacher__C=5)
    unfitted = quick(LogisticRegression(), cv=3).set_params(teacher__C=5)
    assert unfitted.teacher.C == 5
    search = GridSearchCV(quick(teacher), {"teacher__C": [1, 2]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="teacher__C would change"):
        search.fit(*digits)
    assert teacher.C == 0.1


def test_a_lenet_is_not_initialised_again(digits, lenet):
    before = torch_weights(lenet)
    with pytest.raises(ValueError, match="teacher__lr would change"):
        quick(lenet).set_params(teacher__lr=0.5)
    for p, q in zip(torch_weights(lenet), before, strict=True):
        assert_array_equal(p, q)


def test_a_frozen_teacher_as_a_grid_value(digits, teacher):
    forest = RandomForestClassifier(5, random_state=0).fit(*digits)
    grid = {"teacher": [None, FrozenEstimator(teacher), FrozenEstimator(forest)]}
    search = GridSearchCV(quick(), grid, cv=2, error_score="raise").fit(*digits)
    for frozen, expected in zip(grid["teacher"], [None, teacher, forest], strict=True):
        clones = [clone(quick(frozen)).fit(*digits), quick(expected).fit(*digits)]
        assert_array_equal(clones[0].parameters_, clones[1].parameters_)
    assert len(search.cv_results_["params"]) == 3
    search = GridSearchCV(quick(), {"teacher": [teacher]}, cv=2, error_score="raise")
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        search.fit(*digits)


@pytest.mark.parametrize(
    "grid",
    [
        {"reducer": ["fc", "crop"], "encoding": ["amplitude", "qubit"]},
        {"n_qubits": [3, 4], "temperature": [1, 6]},
        {"reducer": ["pca", "avg_pool"], "lam": [0, 0.9]},
    ],
    ids=str,
)
def test_grid_search_with_a_lenet(digits, lenet, grid):
    before = torch_weights(lenet)
    results = []
    for n_jobs in (1, 2):
        search = GridSearchCV(
            quick(lenet), grid, cv=2, n_jobs=n_jobs, error_score="raise", scoring="neg_log_loss"
        ).fit(*digits)
        results.append(search.cv_results_["mean_test_score"])
        assert search.best_estimator_.teacher is lenet
    assert_array_equal(results[1], results[0])
    assert len(set(results[0])) == 4
    for p, q in zip(torch_weights(lenet), before, strict=True):
        assert_array_equal(p, q)


# pipelines


def test_reduced_images_are_caught(digits, teacher):
    X, y = digits
    pipe = Pipeline([("reduce", PCAReducer(n_components=16)), ("student", quick(teacher))])
    pipe.set_params(student__reducer=None)
    with pytest.raises(
        ValueError, match=r"fitted on 64 features, .* X has 16.*`reducer`.*teacher_logits="
    ):
        pipe.fit(X, y)
    logits = log_probabilities(teacher, X)
    pipe.fit(X, y, student__teacher_logits=logits)
    features = PCAReducer(n_components=16).fit_transform(X)
    by_hand = quick(reducer=None).fit(features, y, teacher_logits=logits)
    assert_allclose(pipe.predict_proba(X), by_hand.predict_proba(features), rtol=1e-3)


def test_logits_are_sliced_by_a_search(digits, teacher):
    X, y = digits
    logits = log_probabilities(teacher, X)
    steps = [("reduce", PCAReducer(n_components=16)), ("student", quick(reducer=None))]
    search = GridSearchCV(
        Pipeline(steps),
        {"student__temperature": [1, 3]},
        cv=KFold(2),
        n_jobs=2,
        scoring="neg_log_loss",
        error_score="raise",
    ).fit(X, y, student__teacher_logits=logits)
    for i, temperature in enumerate([1, 3]):
        for k, (train, test) in enumerate(KFold(2).split(X)):
            reducer = PCAReducer(n_components=16).fit(X[train])
            student = quick(reducer=None, temperature=temperature).fit(
                reducer.transform(X[train]), y[train], teacher_logits=logits[train]
            )
            probabilities = student.predict_proba(reducer.transform(X[test]))
            score = np.log(probabilities[np.arange(len(test)), y[test]]).mean()
            found = search.cv_results_[f"split{k}_test_score"][i]
            assert_allclose(found, score, rtol=1e-3)


def test_metadata_routing(digits, teacher):
    X, y = digits
    logits = log_probabilities(teacher, X)
    weight = np.where(y == 0, 5.0, 1.0)
    grid = {"student__temperature": [1, 3]}
    with config_context(enable_metadata_routing=True):
        student = quick().set_fit_request(teacher_logits=True, sample_weight=True)
        pipe = Pipeline([("same", FunctionTransformer()), ("student", student)])
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        search = GridSearchCV(pipe, grid, cv=2, scoring=scorer, error_score="raise")
        search.fit(X, y, teacher_logits=logits, sample_weight=weight)
    best = search.best_estimator_["student"]
    expected = quick(temperature=best.temperature).fit(X, y, weight, logits)
    assert_array_equal(best.parameters_, expected.parameters_)
    unweighted = quick(temperature=best.temperature).fit(X, y, None, logits)
    assert not np.array_equal(best.parameters_, unweighted.parameters_)
    untaught = quick(temperature=best.temperature).fit(X, y, weight)
    assert not np.array_equal(best.parameters_, untaught.parameters_)


def test_folds_of_out_of_fold_targets_are_stratified():
    X = np.repeat(np.eye(2), 10, axis=0)
    y = np.repeat(["left", "right"], 10)  # halves of one class each, were they cut as they come
    logits = teacher_word(LogisticRegression(), X, y, np.unique(y), cv=2).logits
    assert_array_equal(np.unique(y)[logits.argmax(axis=1)], y)
