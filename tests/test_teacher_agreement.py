"""What a teacher says of the student's labelled images is compared with their labels."""

import pickle
import warnings
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklqkd import DistilledLinearClassifier, DistilledQNNClassifier, QNNClassifier, TorchTeacher
from sklqkd.agreement import agreement, match_classes, same_labels
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.exceptions import TeacherWarning
from sklqkd.search import StackedGridSearchCV
from sklqkd.targets import align, given_word


def quick(teacher=None, **params):
    return DistilledQNNClassifier(teacher, **{"max_iter": 2, "random_state": 0} | params)


@pytest.fixture(scope="module")
def digits():
    """200 labelled images of ten digits, in random order."""
    X, y = take_per_class(*load_digits(return_X_y=True), 20)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order], y[order]


@pytest.fixture(scope="module")
def forest():
    X, y = load_digits(return_X_y=True)
    return RandomForestClassifier(30, random_state=0).fit(X[900:], y[900:])


# a teacher that is no better than a guess


@pytest.mark.parametrize(
    "make",
    [GaussianNB, DecisionTreeClassifier, KNeighborsClassifier],
)
@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_a_scaler_before_the_student_is_seen(load, make):
    X, y = load(return_X_y=True)
    X, _, y, _ = train_test_split(X, y, stratify=y, random_state=0)
    shape = (1, X.shape[1])
    teacher = make().fit(X, y)
    pipe = make_pipeline(StandardScaler(), quick(teacher, image_shape=shape))
    scaled = StandardScaler().fit_transform(X)
    share = np.mean(teacher.predict(scaled) == y)
    guess = np.bincount(y).max() / len(y)
    if share > guess + 0.1:  # trees of one threshold survive a scaler
        pipe.fit(X, y)
        return
    numbers = rf"on {100 * share:.1f} % of the {len(y)} .* guess on {100 * guess:.1f} %"
    with pytest.warns(TeacherWarning, match=numbers + ".*Put the scaler"):
        pipe.fit(X, y)
    inside = make_pipeline(StandardScaler(), clone(teacher)).fit(X, y)
    quick(inside, image_shape=shape).fit(X, y)  # the way out: no warning


@pytest.mark.parametrize("strategy", ["prior", "most_frequent", "uniform", "stratified"])
def test_a_dummy_teaches_nothing(digits, strategy):
    teacher = DummyClassifier(strategy=strategy, random_state=0).fit(*digits)
    with pytest.warns(TeacherWarning, match="nothing is to be learnt here"):
        quick(teacher).fit(*digits)


def test_rows_in_another_order(digits, forest):
    X, y = digits
    order = np.random.default_rng(1).permutation(len(y))
    soft = np.log(forest.predict_proba(X).clip(1e-9))
    with pytest.warns(TeacherWarning, match="Are the rows of y those of X"):
        quick(forest).fit(X, y[order])
    with pytest.warns(TeacherWarning, match="Are its rows those of X"):
        quick().fit(X, y, teacher_logits=soft[order])


@pytest.mark.parametrize("n", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("weights", [0.5, 0.95])
def test_weak_but_honest_teachers_are_believed(n, weights):
    """Trained on few images, and asked about others: any warning is an error here."""
    X, y = load_digits(return_X_y=True)
    few, labels = take_per_class(X[:700], y[:700], n)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    for teacher in (tree, LogisticRegression(C=0.01), GaussianNB()):
        quick(teacher.fit(few, labels)).fit(X[700:], y[700:])
    brightness = X[:, 20] + 2 * X[:, 36] + 1e-3 * X.sum(axis=1)
    signs = (brightness > np.quantile(brightness, weights)).astype(int)
    rows = np.random.default_rng(n).permutation(len(X))
    taught = np.union1d(rows[: 30 * n], rows[np.unique(signs[rows], return_index=True)[1]])
    teacher = LogisticRegression(class_weight="balanced").fit(X[taught], signs[taught])
    quick(teacher).fit(X[rows[600:]], signs[rows[600:]])


def test_folds_of_one_class_are_seen(digits):
    X, y = digits
    rows = np.flatnonzero(y < 3)
    rows = rows[np.argsort(y[rows], kind="stable")]
    with pytest.warns(TeacherWarning, match=r"StratifiedKFold\(shuffle=True\)"):
        quick(LogisticRegression(), cv=KFold(3)).fit(X[rows], y[rows])
    quick(LogisticRegression(), cv=3).fit(X[rows], y[rows])


def test_few_images_prove_nothing():
    """A teacher that knows how little it knows is hardly ever called guessing."""
    rng = np.random.default_rng(0)
    said = []
    for n in (4, 6, 10, 30):
        for _ in range(100):
            soft = rng.dirichlet([2, 2], n)
            said.append(agreement(soft, (rng.random(n) < soft[:, 1]).astype(int)).is_guessing)
    assert np.mean(said) < 0.03


def test_guesses_are_told_from_knowledge():
    """By simulation, at an error that a binomial count of 200 trials allows."""
    rng = np.random.default_rng(0)
    labels = rng.integers(5, size=300)
    said = [agreement(rng.dirichlet(np.ones(5), 300), labels).is_guessing for _ in range(200)]
    assert np.mean(said) > 0.9
    knows = 0.4 * np.eye(5)[labels][None] + 0.6 * rng.dirichlet(np.ones(5), (200, 300))
    assert not any(agreement(soft, labels).is_guessing for soft in knows)


# nobody teaches


@pytest.mark.parametrize("kind", [DistilledQNNClassifier, DistilledLinearClassifier])
@pytest.mark.parametrize("teacher", [None, []])
def test_nobody_teaches(digits, kind, teacher):
    student = kind(teacher, max_iter=2, random_state=0)
    with pytest.warns(TeacherWarning, match="no teacher and no teacher_logits.*lam=0"):
        student.fit(*digits)
    alone = clone(student).set_params(lam=0).fit(*digits)  # without a warning
    assert_array_equal(alone.parameters_, student.parameters_)
    with pytest.warns(TeacherWarning, match="no teacher"):
        clone(student).partial_fit(*digits, classes=np.arange(10))
    clone(student).set_params(distillation="label_smoothing").fit(*digits)


# classes that one of the two lacks


def test_a_class_that_no_teacher_knows(digits):
    X, y = digits
    rows = y < 4
    low = LogisticRegression().fit(X[y < 3], y[y < 3])
    high = LogisticRegression().fit(X[(y > 1) & rows], y[(y > 1) & rows])
    with pytest.warns(TeacherWarning, match=r"No teacher knows the classes \[3\] of y"):
        quick(low).fit(X[rows], y[rows])
    quick([low, high]).fit(X[rows], y[rows])
    with pytest.warns(TeacherWarning, match=r"classes \[3\]"):
        quick([low, high], teacher_weights=[1, 0]).fit(X[rows], y[rows])


def test_a_part_of_the_teachers_classes_is_no_reason_to_speak(digits, forest):
    X, y = digits
    rows = np.isin(y, [3, 5, 8])
    student = quick(forest).fit(X[rows], y[rows])
    assert_array_equal(student.teacher_matching_[0], same_labels(np.arange(10), [3, 5, 8]))


def test_images_without_a_label_of_classes_without_one(digits, forest):
    X, y = digits
    with pytest.warns(TeacherWarning, match="favours a class that the student lacks.*unlabelled"):
        quick(forest).fit(X, np.where(y < 2, y, -1))


# marks of images without a label that are none any more


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("later", [None, "int64"])
def test_a_mark_that_unsigned_integers_cannot_hold(digits, forest, dtype, later):
    X, y = digits
    wrapped = np.where(np.arange(len(y)) % 2, y, -1).astype(dtype)
    wrapped = wrapped if later is None else wrapped.astype(later)
    if dtype == "uint64" and later == "int64":  # back at -1
        quick(forest).fit(X, wrapped)
        return
    with pytest.raises(ValueError, match=r"no teacher knows.*y.astype\(int\) before np.where"):
        quick(forest).fit(X, wrapped)
    fitted = quick(forest, unlabelled=wrapped[0].item()).fit(X, wrapped)
    assert_array_equal(fitted.classes_, np.arange(10))


@pytest.mark.parametrize(
    ("labels", "params"),
    [
        (lambda names: with_mark(names, "<U5", -1), {}),
        (lambda names: with_mark(names, "<U1", -1), {}),
        (lambda names: with_mark(names, "<U1", "unlabelled"), {"unlabelled": "unlabelled"}),
        (lambda names: with_mark(names, "<U3", "nothing"), {"unlabelled": "nothing"}),
    ],
)
def test_a_mark_that_strings_cannot_hold(digits, labels, params):
    X, y = digits
    names = np.array(list("abcdefghij"))[y]
    teacher = LogisticRegression().fit(X, names)
    with pytest.raises(ValueError, match="is what NumPy makes of the mark"):
        quick(teacher, **params).fit(X, labels(names))


def with_mark(names, dtype, mark):
    names = names.astype(dtype)
    names[::2] = mark
    return names


def test_marks_among_objects(digits):
    X, y = digits
    labels = np.array(list("abcdefghij"))[y]
    teacher = LogisticRegression().fit(X, labels)
    marked = labels.astype(object)
    marked[::2] = -1
    fitted = quick(teacher).fit(X, marked)
    assert_array_equal(fitted.classes_.astype(str), np.unique(labels))


@pytest.mark.parametrize("kind", ["nan", "none", "nullable", "list"])
def test_missing_labels_are_told_the_mark(digits, forest, kind):
    X, y = digits
    missing = {
        "nan": np.where(y < 5, y, np.nan),
        "none": np.where(y < 5, y.astype(object), None),
        "nullable": pd.Series(y).astype("Int64").where(y < 5),
        "list": [label if label < 5 else None for label in y.tolist()],
    }[kind]
    for fit in (quick(forest).fit, quick(forest).partial_fit):
        with pytest.raises(ValueError, match=r"100 labels are missing.*`unlabelled`"):
            fit(X, missing)


def test_signs_with_a_teacher_of_zero_and_one(digits):
    X, y = digits
    teacher = LogisticRegression().fit(X, (y > 4).astype(int))
    signs = np.where(y > 4, 1, -1)
    with pytest.raises(ValueError, match=r"knows \[0, 1\].*set unlabelled=None"):
        quick(teacher).fit(X, signs)
    with pytest.warns(TeacherWarning, match=r"\{-1: \[0\], 1: \[1\]\}"):
        fitted = quick(teacher, unlabelled=None).fit(X, signs)
    assert_array_equal(fitted.teacher_matching_[0], np.eye(2))
    by_value = quick(teacher).fit(X, (y > 4).astype(int))
    assert_allclose(fitted.predict_proba(X), by_value.predict_proba(X), rtol=1e-3)


# classes that are matched


def test_codes_are_matched(digits, forest):
    X, y = digits
    rows = np.isin(y, [3, 5, 8])
    codes = np.searchsorted([3, 5, 8], y[rows])
    with pytest.warns(TeacherWarning, match=r"\{0: \[3\], 1: \[5\], 2: \[8\]\}"):
        coded = quick(forest).fit(X[rows], codes)
    by_value = quick(forest).fit(X[rows], y[rows])
    assert_allclose(coded.predict_proba(X), by_value.predict_proba(X), rtol=1e-3)
    assert_array_equal(coded.teacher_matching_[0], by_value.teacher_matching_[0])


def test_one_against_rest_by_hand(digits, forest):
    X, y = digits
    for digit in (0, 1, 7):
        with pytest.warns(TeacherWarning, match="matched as"):
            coded = quick(forest).fit(X, (y == digit).astype(int))
        soft = forest.predict_proba(X)
        one = np.clip(soft[:, digit], 1e-38, 1)
        by_hand = np.log(np.column_stack([1 - soft[:, digit], one]).clip(1e-38))
        expected = quick().fit(X, (y == digit).astype(int), teacher_logits=by_hand)
        assert_allclose(coded.predict_proba(X), expected.predict_proba(X), rtol=1e-2, atol=1e-4)


def test_a_batch_that_is_too_small_keeps_the_earlier_matching(digits, forest):
    X, y = digits
    rows = np.isin(y, [3, 5, 8])
    X, codes = X[rows], np.searchsorted([3, 5, 8], y[rows])
    student = quick(forest)
    with pytest.warns(TeacherWarning, match="matched"):
        student.partial_fit(X[:50], codes[:50], classes=[0, 1, 2])
    before = student.teacher_matching_[0]
    student.partial_fit(X[50:53], codes[50:53])
    assert_array_equal(student.teacher_matching_[0], before)


def test_noise_is_not_matched():
    rng = np.random.default_rng(0)
    for n_known, n_classes, n in [(50, 2, 20), (10, 2, 1500), (10, 10, 100), (3, 3, 12)]:
        by_value = same_labels(range(n_known), range(n_classes))
        for _ in range(100):
            said, labels = rng.integers(n_known, size=n), rng.integers(n_classes, size=n)
            assert match_classes(said, labels, np.zeros_like(by_value)) is None
            assert match_classes(said, labels, by_value) is None


def test_what_agrees_by_value_is_not_matched():
    """Not even where another matching would agree on more images."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1, 2], [10, 100, 90]))
    said = np.where((labels == 1) & (rng.random(200) < 0.6), 0, labels)  # most zeros are ones
    assert match_classes(said, labels, np.eye(3, dtype=bool)) is None


def test_one_warning_in_a_search(digits, forest):
    X, y = digits
    codes = np.searchsorted([3, 5, 8], y[np.isin(y, [3, 5, 8])])
    X = X[np.isin(y, [3, 5, 8])]
    student = quick(forest, reducer="pca", n_qubits=2)
    for n_jobs in (1, 2):
        search = StackedGridSearchCV(student, {"lam": [0.3, 0.5], "temperature": [1, 2]}, cv=2)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search.set_params(n_jobs=n_jobs).fit(X, codes)
        assert [w.category for w in caught] == [TeacherWarning]


def test_the_teacher_is_asked_once(digits):
    calls = []

    class Counting(LogisticRegression):
        def predict_proba(self, X):
            calls.append(len(X))
            return super().predict_proba(X)

    X, y = digits
    quick(Counting(max_iter=1000).fit(X, y)).fit(X, y)
    assert calls == [len(y)]


# objects that may or may not be teachers


class Duck:
    """A classifier of nobody's kind: no fit, no parameters."""

    def __init__(self, teacher):
        self.classes_, self.predict_proba = teacher.classes_, teacher.predict_proba


class Nameless(Duck):
    def __init__(self, teacher):
        super().__init__(teacher)
        del self.classes_


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda X, y: RandomForestClassifier, TypeError, r"is a class.*RandomForestClassifier\(\)"),
        (lambda X, y: torch.nn.Linear(64, 10), TypeError, "sklqkd.TorchTeacher"),
        (lambda X, y: torch.nn.Linear, TypeError, "is a class"),
        (lambda X, y: "forest", TypeError, "no classifier"),
        (lambda X, y: [None], TypeError, "no classifier"),
        (lambda X, y: object(), TypeError, "teacher_logits="),
        (lambda X, y: SVC().fit(X, y), TypeError, "CalibratedClassifierCV"),
        (lambda X, y: LinearSVC(), TypeError, "CalibratedClassifierCV"),
        (lambda X, y: LinearRegression().fit(X, y), TypeError, "regressor"),
        (lambda X, y: KMeans(3).fit(X), TypeError, "predict_proba"),
        (lambda X, y: GaussianMixture(2).fit(X), ValueError, "has no classes_"),
        (lambda X, y: Nameless(LogisticRegression().fit(X, y)), ValueError, "has no classes_"),
        (
            lambda X, y: VotingClassifier([("a", LogisticRegression())]).fit(X, y),
            TypeError,
            'voting="soft"',
        ),
        (
            lambda X, y: GridSearchCV(LogisticRegression(), {}, refit=False).fit(X, y),
            TypeError,
            "refit=True",
        ),
        (
            lambda X, y: MultiOutputClassifier(LogisticRegression()).fit(X, np.c_[y, y]),
            ValueError,
            "2 targets at once",
        ),
        (lambda X, y: LogisticRegression(), NotFittedError, "not fitted"),
        (lambda X, y: make_pipeline(LogisticRegression()), NotFittedError, "not fitted"),
        (lambda X, y: GridSearchCV(LogisticRegression(), {}), NotFittedError, "not fitted"),
    ],
)
def test_what_cannot_teach_is_told_the_way_out(digits, make, error, match):
    X, y = digits
    student = quick(make(X[:60], y[:60] % 3))
    with pytest.raises(error, match=match):
        student.fit(X, y)
    assert "classes_" not in vars(student)


def test_an_object_without_fit_teaches(digits, forest):
    X, y = digits
    student = clone(quick(Duck(forest)))
    assert_array_equal(student.fit(X, y).parameters_, quick(forest).fit(X, y).parameters_)
    with pytest.raises(ValueError, match="cv=3 fits clones"):
        quick(Duck(forest), cv=3).fit(X, y)


def test_a_fitted_teachers_parameters_are_not_the_students(forest):
    student = quick(forest, reducer=None)
    assert not [name for name in student.get_params() if name.startswith("teacher__")]
    assert "teacher" in student.get_params()
    with pytest.raises(ValueError, match="would change a teacher"):
        student.set_params(teacher__random_state=1)
    assert "teacher__C" in quick(LogisticRegression(), cv=3).get_params()


# modules of torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 8, 3)
        self.norm = torch.nn.BatchNorm2d(8)
        self.drop = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(8 * 36, 10)

    def forward(self, images):
        return self.head(self.drop(torch.relu(self.norm(self.conv(images)))).flatten(1))


@pytest.fixture(scope="module")
def net(digits):
    X, y = digits
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net()
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        images, labels = torch.tensor(X, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(y)
        for _ in range(60):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
    return net


def test_a_module_teaches_and_is_left_as_found(digits, net):
    X, y = digits
    net.train()
    net.drop.eval()  # a user's own mixture of modes
    before = {name: value.clone() for name, value in net.state_dict().items()}
    gradient = net.head.weight.grad.clone()
    state = torch.get_rng_state()
    teacher = TorchTeacher(net, classes=range(10), image_shape=(8, 8))
    student = quick(teacher).fit(X, y)
    assert (net.training, net.conv.training, net.drop.training) == (True, True, False)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(net.head.weight.grad, gradient)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    copy = pickle.loads(pickle.dumps(net)).eval()
    with torch.no_grad():
        logits = copy(torch.tensor(X, dtype=torch.float32).reshape(-1, 1, 8, 8)).numpy()
    by_hand = quick().fit(X, y, teacher_logits=logits)
    assert_allclose(student.predict_proba(X), by_hand.predict_proba(X), rtol=1e-3)
    assert_array_equal(teacher.predict(X), logits.argmax(axis=1))
    assert teacher.score(X, y) > 0.8


def test_a_module_survives_clones_pickles_and_searches(digits, net, tmp_path):
    X, y = digits
    teacher = TorchTeacher(net, classes=range(10), image_shape=(1, 8, 8))
    student = quick(teacher)
    assert clone(student).teacher.module is net
    # torch's convolutions are not the same to the last bit wherever their batch lies in memory.
    same = partial(assert_allclose, desired=student.fit(X, y).predict_proba(X), atol=1e-3)
    for copy in (pickle.loads(pickle.dumps(quick(teacher))), clone(quick(teacher))):
        same(copy.fit(X, y).predict_proba(X))
    joblib.dump(student, tmp_path / "student")
    loaded = joblib.load(tmp_path / "student")
    assert_array_equal(loaded.parameters_, student.parameters_)
    for search in (GridSearchCV, StackedGridSearchCV):
        grid = {"teacher": [teacher], "lam": [0.3, 0.5]}
        found = search(quick(), grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
        same(found.best_estimator_.set_params(lam=0.5).fit(X, y).predict_proba(X))


def test_the_order_of_a_modules_outputs_is_stated(digits, net):
    X, y = digits
    names = np.array(list("jihgfedcba"))
    named = quick(TorchTeacher(net, names, (8, 8))).fit(X, names[y])
    straight = quick(TorchTeacher(net, range(10), (8, 8))).fit(X, y)
    soft = straight.teacher.predict_log_proba(X)
    expected = quick().fit(X, names[y], teacher_logits=soft[:, ::-1])
    assert_allclose(named.predict_proba(X), expected.predict_proba(X), rtol=1e-3)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda net: TorchTeacher(net, range(9), (8, 8)), ValueError, "9 classes"),
        (lambda net: TorchTeacher(net, range(10)), ValueError, "image_shape=None"),
        (lambda net: TorchTeacher(net, range(10), (7, 7)), ValueError, "49 features"),
        (lambda net: TorchTeacher(net, [1] * 10, (8, 8)), ValueError, "different labels"),
        (lambda net: TorchTeacher(Net, range(10), (8, 8)), TypeError, "trained module itself"),
        (
            lambda net: TorchTeacher(
                torch.nn.Sequential(net, torch.nn.Softmax(1)), range(10), (8, 8)
            ),
            ValueError,
            "Leave out the softmax",
        ),
    ],
)
def test_a_module_that_does_not_fit_is_refused(digits, net, make, error, match):
    with pytest.raises(error, match=match):
        quick(make(net)).fit(*digits)


# logits that are given


@pytest.mark.parametrize("kind", ["grad", "half", "bfloat16", "list", "frame"])
def test_logits_may_be_tensors(digits, forest, kind):
    X, y = digits
    logits = np.log(forest.predict_proba(X).clip(1e-3))
    tensor = torch.tensor(logits)
    given = {
        "grad": lambda: tensor.clone().requires_grad_(),
        "half": lambda: tensor.half(),
        "bfloat16": lambda: tensor.bfloat16(),
        "list": lambda: list(tensor.clone().requires_grad_()),
        "frame": lambda: pd.DataFrame(logits[:, ::-1], columns=range(9, -1, -1)),
    }[kind]()
    word = given_word(given, len(y), np.arange(10))
    checked = align(word.logits, word.classes, np.arange(10))
    assert_allclose(checked, logits, rtol=0.02 if kind in ("half", "bfloat16") else 1e-12)
    quick().fit(X, y, teacher_logits=given)
    if kind != "list":
        GridSearchCV(quick(), {"lam": [0.5]}, cv=2, error_score="raise").fit(
            X, y, teacher_logits=given
        )


def test_probabilities_in_place_of_logits(digits, forest):
    X, y = digits
    with pytest.warns(TeacherWarning, match="look like probabilities"):
        quick().fit(X, y, teacher_logits=forest.predict_proba(X))


def test_a_teacher_that_fails_says_who_was_asked(digits):
    class Broken(BaseEstimator):
        classes_ = np.arange(10)

        def fit(self, X, y):
            return self

        def __sklearn_is_fitted__(self):
            return True

        def predict_proba(self, X):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no") as caught:
        quick(Broken()).fit(*digits)
    assert "predict_proba of the teacher Broken" in caught.value.__notes__[0]


def test_a_plain_student_is_never_warned(digits):
    QNNClassifier(max_iter=2).fit(*digits)
