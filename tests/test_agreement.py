"""What a teacher says about the student's own images, compared with the labels before training."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklqkd import DistilledLinearClassifier, DistilledQNNClassifier, TorchTeacher
from sklqkd.agreement import Agreement, heed
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.exceptions import TeacherWarning
from sklqkd.search import StackedGridSearchCV
from sklqkd.targets import Word

PARAMS = {"reducer": "pca", "n_qubits": 3, "max_iter": 3, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    return take_per_class(*load_digits("train", return_X_y=True), 20)


@pytest.fixture(scope="module")
def forest():
    return RandomForestClassifier(50, random_state=0).fit(*load_digits("train", return_X_y=True))


def quiet(student, X, y, **params):
    """Fit where nothing may be said."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return student.fit(X, y, **params)


def said(student, X, y, **params):
    """Return what a fit warns of."""
    with pytest.warns(TeacherWarning) as told:
        student.fit(X, y, **params)
    return [str(warning.message) for warning in told]


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(4, size=60)
    guesses = np.where(rng.random(60) < 0.5, truth, rng.integers(4, size=60))
    agreement = Agreement.of(guesses, truth, 4)
    assert agreement.kappa == pytest.approx(cohen_kappa_score(guesses, truth))
    assert agreement.share == np.mean(guesses == truth)


def test_chance_is_guessing_whatever_the_classes_weigh():
    rng = np.random.default_rng(0)
    truth = (rng.random(4000) < 0.1).astype(int)
    assert Agreement.of(np.zeros(4000, int), truth, 2).is_guessing
    assert Agreement.of(rng.permutation(truth), truth, 2).is_guessing
    # Less often right than a constant guess, and yet it knows something.
    cautious = np.where(rng.random(4000) < 0.12, 1 - truth, truth)
    assert np.mean(cautious == truth) < 0.9
    assert not Agreement.of(cautious, truth, 2).is_guessing


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_a_scaler_before_the_student(load):
    X, y = load(return_X_y=True)
    teacher = LogisticRegression(max_iter=10_000).fit(X, y)
    student = DistilledQNNClassifier(teacher, **PARAMS)
    (text,) = said(make_pipeline(StandardScaler(), student), X, y)
    share = np.mean(teacher.predict(StandardScaler().fit_transform(X)) == y)
    assert f"agree with the labels of {share:.1%}" in text
    assert f"would agree with {np.bincount(y).max() / len(y):.1%}" in text
    assert "scaler in a Pipeline" in text
    assert "teacher_logits=" in text
    quiet(student, X, y)
    behind = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    quiet(DistilledQNNClassifier(behind, **PARAMS), X, y)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_a_mark_that_became_an_unsigned_number(digits, forest, dtype):
    X, y = digits
    y = y.astype(dtype)
    y[::2] = np.array(-1).astype(dtype)  # what np.where(known, y, -1) gave before NumPy 2
    (text,) = said(DistilledQNNClassifier(forest, **PARAMS), X, y)
    assert f"No teacher knows {np.iinfo(dtype).max} (100 images)" in text
    assert f"what NumPy makes of -1, the mark of images without a label, in {y.dtype}" in text
    assert "y.astype(int)" in text


@pytest.mark.parametrize(
    ("mark", "label", "advice"),
    [(-1, "-1", "Set unlabelled='-1'"), ("unlabelled", "un", "NumPy cuts text")],
)
def test_a_mark_that_became_other_text(digits, mark, label, advice):
    X, y = digits
    y = np.char.add("d", y.astype(str))
    teacher = RandomForestClassifier(20, random_state=0).fit(X, y)
    y[::2] = label
    student = DistilledQNNClassifier(teacher, unlabelled=mark, **PARAMS)
    (text,) = said(student, X, y)
    assert f"No teacher knows {label!r} (100 images)" in text
    assert advice in text


def test_labels_of_minus_and_plus_one_beside_a_teacher_of_zero_and_one(digits):
    X, y = digits
    teacher = RandomForestClassifier(20, random_state=0).fit(X, (y > 4).astype(int))
    signs = np.where(y > 4, 1, -1)
    student = DistilledQNNClassifier(teacher, **PARAMS)
    (text,) = said(student, X, signs)
    assert "unlabelled=None" in text
    np.testing.assert_array_equal(student.teacher_columns_, [[0, 1]])
    codes = quiet(DistilledQNNClassifier(teacher, **PARAMS), X, (y > 4).astype(int))
    np.testing.assert_allclose(student.predict_proba(X), codes.predict_proba(X), atol=1e-3)


def test_where_nobody_teaches_it_is_said(digits):
    with pytest.warns(TeacherWarning, match="Nobody teaches this DistilledLinearClassifier"):
        DistilledLinearClassifier(max_iter=2).fit(*digits)
    for params in ({"lam": 0}, {"distillation": "label_smoothing"}):
        quiet(DistilledQNNClassifier(**PARAMS, **params), *digits)


def test_most_of_the_word_on_classes_that_are_not_there(digits, forest):
    X, y = digits
    rows = np.isin(y, [3, 5, 8])
    quiet(DistilledQNNClassifier(forest, **PARAMS), X[rows], y[rows])
    word = forest.predict_proba(X)
    others = [c for c in range(10) if c not in (3, 5, 8)]
    word[:, others] += 0.35
    logits = np.log(word / word.sum(axis=1, keepdims=True) + 1e-9)[rows]
    *_, findings = heed(
        Word(logits, np.arange(10)), y[rows], np.array([3, 5, 8]), None, "T", may_match=False
    )
    assert [finding.about[0] for finding in findings] == ["astray"]
    assert "classes that the student lacks ([0, 1, 2, 4, 6, 7, 9])" in findings[0].text


def test_rows_of_logits_in_another_order(digits, forest):
    X, y = digits
    logits = np.log(forest.predict_proba(X) + 1e-9)
    student = DistilledQNNClassifier(**PARAMS)
    quiet(student, X, y, teacher_logits=logits)
    shuffled = np.random.default_rng(0).permutation(logits)
    (text,) = said(student, X, y, teacher_logits=shuffled)
    assert "in another order" in text


@pytest.mark.parametrize("n_images", [3, 6, 20])
@pytest.mark.parametrize("seed", range(3))
def test_weak_teachers_are_left_alone(digits, n_images, seed):
    """By label, whatever they confuse, and without a word."""
    X, y = digits
    few = take_per_class(X, y, n_images)
    for teacher in (LogisticRegression(C=0.01), RandomForestClassifier(3, random_state=seed)):
        teacher.fit(*few)
        student = quiet(DistilledQNNClassifier(teacher, **PARAMS), X, y)
        np.testing.assert_array_equal(student.teacher_columns_, [np.arange(10)])


def test_noise_is_not_matched():
    rng = np.random.default_rng(0)
    for n, n_teacher in ((12, 50), (60, 50), (500, 10)):
        for _ in range(20):
            y = rng.integers(3, size=n)
            word = Word(rng.normal(size=(n, n_teacher)) * 3, np.arange(n_teacher) + 100)
            with pytest.raises(ValueError, match="none of which is among"):
                heed(word, y, np.arange(3), None, "T", may_match=True)


def test_matched_probabilities_are_sums():
    rng = np.random.default_rng(0)
    digit = rng.integers(6, size=300)
    logits = rng.normal(size=(300, 6))
    logits[np.arange(300), digit] += 6
    y = (digit % 2).astype(str)  # even or odd
    heard, columns, (finding,) = heed(
        Word(logits, np.arange(6)), y, np.array(["0", "1"]), None, "T", may_match=True
    )
    np.testing.assert_array_equal(columns, [0, 1, 0, 1, 0, 1])
    word = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    sums = np.stack([word[:, ::2].sum(axis=1), word[:, 1::2].sum(axis=1)], axis=1)
    np.testing.assert_allclose(np.exp(heard), sums, rtol=1e-10)
    assert "{'0': [0, 2, 4], '1': [1, 3, 5]}" in finding.text


def test_the_teacher_is_asked_once_and_a_search_tells_once(digits):
    class Counting(RandomForestClassifier):
        calls = 0

        def predict_proba(self, X):
            Counting.calls += 1
            return super().predict_proba(X)

    X, y = digits
    teacher = Counting(20, random_state=0).fit(X, y)
    names = np.char.add("d", y.astype(str))
    Counting.calls = 0
    said(DistilledQNNClassifier(teacher, **PARAMS), X, names)
    assert Counting.calls == 1
    grid = {"temperature": [1, 3], "lam": [0.3, 0.6]}
    search = StackedGridSearchCV(DistilledQNNClassifier(teacher, **PARAMS), grid, cv=3, refit=False)
    with pytest.warns(TeacherWarning) as told:
        search.fit(X, names)
    assert len(told) == 1


class NoClasses(ClassifierMixin, BaseEstimator):
    def __init__(self):
        self.fitted_ = True

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)


def no_teachers():
    X, y = load_digits(return_X_y=True)
    X, y = X[:60], y[:60]
    return {
        "class": (RandomForestClassifier, r"is a class.*RandomForestClassifier\(...\).fit"),
        "object": (object(), "is no classifier with predict_proba.*TorchTeacher"),
        "text": ("forest", "is no classifier with predict_proba"),
        "regressor": (RandomForestRegressor(2).fit(X, y), "is no classifier"),
        "clusters": (KMeans(2, n_init=1).fit(X), "is no classifier"),
        "svc": (SVC().fit(X, y), "gives no probabilities.*CalibratedClassifierCV"),
        "no classes_": (NoClasses(), r"has no classes_.*teacher.classes_ = np.array"),
        "in a list": ([RandomForestClassifier], "is a class"),
    }


@pytest.mark.parametrize("name", no_teachers())
def test_what_cannot_teach_is_refused_with_a_way_out(digits, name):
    teacher, message = no_teachers()[name]
    student = DistilledQNNClassifier(teacher, **PARAMS)
    with pytest.raises(TypeError, match=message):
        student.fit(*digits)
    assert not hasattr(student, "classes_")


# torch


@pytest.fixture(scope="module")
def module(digits):
    """A trained module in training mode, with dropout and batch statistics."""
    X, y = digits
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.BatchNorm1d(64),
        torch.nn.Linear(64, 32),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(32, 10),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    images, labels = torch.tensor(X, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(y)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
    net.train()
    net[4].eval()
    return net


def test_a_torch_module_teaches_and_is_left_as_found(digits, module):
    X, y = digits
    modes = [part.training for part in module.modules()]
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    student = quiet(DistilledQNNClassifier(module, **PARAMS), X, y)
    assert modes == [part.training for part in module.modules()]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    net = module.eval()
    with torch.no_grad():
        logits = net(torch.tensor(X, dtype=torch.float32)).double().numpy()
    module.train()
    by_logits = quiet(DistilledQNNClassifier(**PARAMS), X, y, teacher_logits=logits)
    np.testing.assert_allclose(student.predict_proba(X), by_logits.predict_proba(X), atol=1e-4)
    assert clone(student).teacher is module
    search = GridSearchCV(DistilledQNNClassifier(module, **PARAMS), {"lam": [0.5]}, cv=2)
    assert search.fit(X, y).best_estimator_.teacher is module


def test_a_torch_module_with_names_of_its_own(digits, module):
    X, y = digits
    names = [f"digit {c}" for c in range(10)]
    teacher = TorchTeacher(module, classes=names, image_shape=(8, 8), batch_size=7)
    labels = np.array(names)[y]
    student = quiet(DistilledQNNClassifier(teacher, **PARAMS), X, labels)
    whole = TorchTeacher(module, classes=names)
    np.testing.assert_allclose(teacher.predict_proba(X), whole.predict_proba(X), atol=1e-6)
    assert student.score(X, labels) == quiet(DistilledQNNClassifier(module, **PARAMS), X, y).score(
        X, y
    )
    with pytest.raises(ValueError, match=r"gives 10 numbers for an image, but classes has 2"):
        TorchTeacher(module, classes=["a", "b"]).predict_proba(X)
    with pytest.raises(ValueError, match="State the shape that it was trained on"):
        TorchTeacher(torch.nn.Conv2d(3, 1, 1)).predict_proba(X)
    with pytest.raises(TypeError, match=r"no torch\.nn\.Module"):
        TorchTeacher(torch.nn.Linear).predict_proba(X)


@pytest.mark.parametrize("change", ["requires_grad", "half", "list", "array"])
def test_logits_as_tensors(digits, forest, change):
    X, y = digits
    logits = np.log(forest.predict_proba(X) + 1e-6)
    tensor = torch.tensor(logits, requires_grad=change == "requires_grad")
    given = {"half": tensor.bfloat16(), "list": list(tensor), "array": logits}.get(change, tensor)
    student = quiet(DistilledQNNClassifier(**PARAMS), X, y, teacher_logits=given)
    expected = quiet(DistilledQNNClassifier(**PARAMS), X, y, teacher_logits=logits)
    atol = 0.05 if change == "half" else 0
    np.testing.assert_allclose(student.predict_proba(X), expected.predict_proba(X), atol=atol)


def test_a_split_of_the_teachers_own_images_says_nothing(forest):
    X, y = load_digits("train", return_X_y=True)
    X_train, _, y_train, _ = train_test_split(X, y, random_state=0, train_size=200)
    out_of_fold = DistilledQNNClassifier(RandomForestClassifier(5), cv=3, **PARAMS)
    quiet(out_of_fold, X_train, y_train)
