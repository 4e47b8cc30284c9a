"""Changed copies of the training images, of which the teacher speaks."""

import pickle
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklqkd import DistilledLinearClassifier, DistilledQNNClassifier
from sklqkd.augmentation import check_augmentation, make_views
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.losses import DISTILLATION_LOSSES, DistillationLoss, hinton, softened
from sklqkd.search import StackedGridSearchCV

from .test_search import assert_same_results


@pytest.fixture(scope="module")
def digits():
    return take_per_class(*load_digits(return_X_y=True), 30, classes=[0, 1, 2])


@pytest.fixture(scope="module")
def teacher(digits):
    return RandomForestClassifier(20, random_state=0).fit(*digits)


class Recorder(ClassifierMixin, BaseEstimator):
    """A teacher with another answer for every row, which remembers what it was asked."""

    def fit(self, X, y):
        self.classes_, self.asked_ = np.unique(y), []
        return self

    def predict_proba(self, X):
        self.asked_.append(X)
        first = np.linspace(0.4, 0.6, len(X))
        rest = np.full((len(X), len(self.classes_) - 1), 1.0) / (len(self.classes_) - 1)
        return np.column_stack([first, rest * (1 - first[:, None])])


# What it says has nothing to do with the labels.
guessing = pytest.mark.filterwarnings("ignore:The teacher Recorder agrees")


def student(teacher, **params):
    options = {"n_qubits": 2, "reducer": "fc", "max_iter": 3, "n_views": 2, "random_state": 0}
    return DistilledQNNClassifier(teacher, **options | params)


def rng():
    return np.random.default_rng(0)


SHAPES = {"grey": (5, 7), "channels first": (3, 5, 7), "channels last": (5, 7, 3)}


def channels(X, shape):
    """Return the pictures behind rows as (n, channels, height, width)."""
    pictures = X.reshape(-1, *shape)
    if len(shape) == 2:
        return pictures[:, None]
    return pictures if shape[0] == 3 else np.moveaxis(pictures, -1, 1)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_flips(shape):
    X = rng().random((30, int(np.prod(shape))))
    views = make_views(X, ["flip"], 3, image_shape=shape, rng=rng())
    n_mirrored = 0
    for copy, image in zip(channels(views.X, shape), channels(X[views.source], shape), strict=True):
        is_mirrored = np.array_equal(copy, image[..., ::-1])
        assert is_mirrored or np.array_equal(copy, image)
        n_mirrored += is_mirrored
    assert 30 < n_mirrored < 60
    assert_array_equal(views.partner, views.source)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_shifts(shape):
    """Of pictures that rise evenly a shift adds the same everywhere but at the border."""
    shape = tuple(10 * size if size != 3 else 3 for size in shape)
    height, width = (50, 70)
    picture = np.add.outer(np.arange(height), 1000 * np.arange(width)).astype(float)
    X = {2: picture, 3: np.stack([picture] * 3, 0 if shape[0] == 3 else -1)}[len(shape)]
    views = make_views(X.reshape(1, -1), ["shift"], 200, image_shape=shape, rng=rng())
    copies = channels(views.X, shape)
    inside = (copies - picture)[:, :, 4:-4, 4:-4]
    assert_allclose(inside, inside[:, :1, :1, :1] * np.ones(inside.shape), atol=1e-6)
    right = inside[:, 0, 0, 0] / 1000  # a step down adds too little to count
    assert 3.0 < np.abs(right).max() <= 3.6  # 5 % of 70 pixels
    assert copies.min() >= picture.min()
    assert copies.max() <= picture.max()
    assert np.abs(right).mean() == pytest.approx(1.75, rel=0.15)


def test_whole_shifts_are_those_of_numpy():
    """With a generator that draws whole pixels."""
    X = rng().random((1, 400))
    steps = iter([np.array([1.0]), np.array([-1.0])])
    drawn = SimpleNamespace(uniform=lambda low, high, n: next(steps))
    views = make_views(X, ["shift"], 1, rng=drawn)
    expected = np.pad(X.reshape(20, 20), 1, mode="edge")[2:, :20]
    assert_allclose(views.X.reshape(20, 20), expected, rtol=1e-12)


def test_mixtures():
    X, values = rng().random((20, 6)), np.eye(20)
    views = make_views(X, ["mixup"], 4, rows=np.arange(5, 20), rng=rng())
    assert views.X.shape == (60, 6)
    assert views.source.min() == views.partner.min() == 5  # none of the images that are left out
    assert views.share.min() >= 0.5
    share = views.share[:, None].astype(float)
    assert_allclose(views.X, share * X[views.source] + (1 - share) * X[views.partner], rtol=1e-12)
    mixed = views.mix(values)
    assert_allclose(mixed.sum(axis=1), 1)
    others = views.source != views.partner
    assert_allclose(mixed[others, views.partner[others]], 1 - views.share[others], rtol=1e-6)


def test_noise_and_functions():
    X = rng().random((400, 25)) * 10.0 ** np.arange(-12, 13)  # units of their own
    noise = make_views(X, ["noise"], 2, rng=rng())
    differences = noise.X - X[noise.source]
    assert_allclose(differences.std(axis=0), 0.1 * X.std(axis=0), rtol=0.1)
    X = rng().random((400, 25))
    darker = make_views(X, [lambda X, rng: X / 2, "mixup"], 1, rng=rng())
    assert darker.X.max() <= 0.5
    kept = np.asfortranarray(rng().random((400, 25)))
    moved = make_views(X, [lambda X, rng: kept, "shift"], 1, rng=rng())
    assert_array_equal(kept, rng().random((400, 25)))
    assert (kept != moved.X).mean() > 0.9
    noise = make_views(X, ["noise"], 2, rng=rng())
    assert_array_equal(make_views(X, ["noise"], 2, rng=rng()).X, noise.X)


@guessing
def test_the_teacher_is_asked_of_all_copies_once(digits):
    X, y = digits
    recorder = Recorder().fit(X, y)
    fitted = student(recorder, augmentation=["shift", "mixup"]).fit(X, y)
    [asked] = recorder.asked_
    assert asked.shape == (270, 64)
    assert_array_equal(asked[:90], X)
    assert len(np.unique(asked[90:], axis=0)) == 180
    again = clone(fitted).fit(X, y)
    assert_array_equal(again.parameters_, fitted.parameters_)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))


@guessing
@pytest.mark.parametrize("reducer", ["fc", "pca"])
def test_an_epoch_shows_each_image_once(digits, reducer):
    """As it is, or one of its copies; over as many epochs as there are views all of them."""
    X, y = digits
    recorder = Recorder().fit(X, y)
    seen = []

    def loss(logits, targets, temperature, one_hot):
        seen.extend(targets[:, 0])
        return hinton(logits, targets, temperature)

    own = DistillationLoss(softened, loss)
    student(recorder, distillation=own, augmentation="noise", temperature=1, reducer=reducer).fit(
        X, y
    )
    order = np.argsort(softened(np.log(recorder.predict_proba(np.empty((270, 64)))), 1.0)[:, 0])
    places = np.searchsorted(np.linspace(0.4, 0.6, 270), np.array(seen) - 1e-5)
    assert_array_equal(order, np.arange(270))
    for epoch in np.split(places, 3):
        assert_array_equal(np.sort(epoch % 90), np.arange(90))
    assert_array_equal(np.sort(places), np.arange(270))


def test_names_of_columns_reach_the_teacher(digits):
    X, y = pd.DataFrame(digits[0]).add_prefix("pixel"), digits[1]
    known = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    with_names = student(known, augmentation="shift").fit(X, y)
    assert with_names.predict(X).shape == (90,)


@guessing
def test_held_out_images_are_not_copied(digits):
    X, y = digits
    recorder = Recorder().fit(X, y)
    fitted = student(recorder, augmentation=lambda X, rng: X, early_stopping=True).fit(X, y)
    [asked] = recorder.asked_
    assert asked.shape == (90 + 2 * 81, 64)
    copied = {row.tobytes() for row in asked[90:]}
    assert len(copied) == len({row.tobytes() for row in X} & copied) == 81
    assert len(fitted.validation_scores_) == fitted.n_iter_


def test_weights_and_unlabelled_images(digits, teacher):
    X, y = digits
    y = np.where(np.arange(90) % 3, y, -1)
    weights = np.where(np.arange(90) < 60, 1.0, 2.0)
    fitted = student(teacher, augmentation="mixup", max_iter=1)
    run_of = {}

    class Watching(DistilledQNNClassifier):
        def _taught(self, teaching):
            run_of["objective"] = self._training_run.objective
            run_of["views"] = self._training_run.views
            return super()._taught(teaching)

    Watching(**fitted.get_params(deep=False)).fit(X, y, sample_weight=weights)
    objective, views = run_of["objective"], run_of["views"]
    known = y != -1
    both = known[views.source] & known[views.partner]
    assert_array_equal(objective.label_weight > 0, np.concatenate([known, both]))
    expected = np.concatenate([weights, views.mix(weights)])
    assert_allclose(objective.sample_weight, expected / expected.mean(), rtol=1e-5)
    one_hot = (y[:, None] == [0, 1, 2]).astype(float)
    assert_allclose(objective.one_hot[90:][both], views.mix(one_hot)[both], rtol=1e-5)


def test_out_of_fold_words_are_of_clones_that_did_not_see_the_image(digits):
    X, y = digits
    seen = {}

    class Fold(LogisticRegression):
        def fit(self, X, y):
            self.seen_ = {row.tobytes() for row in X}
            return super().fit(X, y)

        def predict_proba(self, X):
            for row in X:
                seen.setdefault(row.tobytes(), []).append(row.tobytes() in self.seen_)
            return super().predict_proba(X)

    student(Fold(max_iter=500), cv=3, augmentation=lambda X, rng: X).fit(X, y)
    assert len(seen) == 90
    assert {len(each) for each in seen.values()} == {3}
    assert not any(any(each) for each in seen.values())


@guessing
@pytest.mark.parametrize("Student", [DistilledQNNClassifier, DistilledLinearClassifier])
def test_searches_share_the_copies(digits, Student):
    X, y = digits
    recorder = Recorder().fit(X, y)
    options = {"max_iter": 3, "augmentation": ["shift", "mixup"], "n_views": 2}
    grid = {"temperature": [1, 4], "lam": [0.5, 1.0], "reducer": ["fc", "pca"]}
    for seed, n_asked in ((0, 2), (None, 2)):
        given = Student(recorder, random_state=seed, **options)
        recorder.asked_.clear()
        own = StackedGridSearchCV(given, grid, cv=2, refit=False).fit(X, y)
        assert len(recorder.asked_) == n_asked
        if seed is not None:
            other = GridSearchCV(given, grid, cv=2, refit=False).fit(X, y)
            assert_same_results(own.cv_results_, other.cv_results_)


def test_several_teachers_and_partial_fit(digits, teacher):
    X, y = digits
    two = student([teacher, LogisticRegression(max_iter=500).fit(X, y)], augmentation="mixup")
    two.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    assert len(two.loss_curve_) == 2
    labels_alone = student(None, lam=0, augmentation="shift", max_iter=20).fit(X, y)
    assert labels_alone.score(X, y) > 0.6


@pytest.mark.parametrize("name", ["decoupled", "label_smoothing", "virtual_teacher", "paper"])
def test_losses_of_mixed_labels_in_loops_and_in_numpy(digits, teacher, name):
    loss = DISTILLATION_LOSSES[name]
    own = loss._replace(loss=partial(lambda *given: loss.loss(*given)))
    curves = [
        student(teacher, augmentation="mixup", distillation=each).fit(*digits).loss_curve_
        for each in (loss, own)
    ]
    assert_allclose(curves[1], curves[0], rtol=1e-4)


def test_mixtures_of_a_table(teacher):
    X, y = rng().random((60, 5)), np.repeat(["a", "b"], 30)
    X[30:] += 0.5
    known = LogisticRegression().fit(X, y)
    fitted = student(known, augmentation="mixup", distillation="decoupled", lam=1, max_iter=20)
    assert fitted.fit(X, y).score(X, y) > 0.7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"augmentation": "turn"}, "augmentation"),
        ({"augmentation": ["shift", "turn"]}, "holds 'turn', which is none of 'flip', 'mixup'"),
        ({"augmentation": []}, "holds nothing"),
        ({"augmentation": ["mixup", "noise", "mixup"]}, "mixes images twice"),
        ({"augmentation": lambda X, rng: X[:, :3]}, "has to return one changed copy"),
        ({"augmentation": lambda X, rng: X * np.nan}, "contains NaN"),
        ({"augmentation": "mixup", "n_views": 0}, "n_views"),
    ],
)
def test_what_is_refused(digits, change, message):
    recorder = Recorder().fit(*digits)
    with pytest.raises(ValueError, match=message):
        student(recorder, **change).fit(*digits)
    assert not recorder.asked_


def test_shifts_of_a_table_are_refused(teacher):
    X, y = rng().random((60, 5)), np.repeat([0, 1], 30)
    with pytest.raises(ValueError, match="takes pictures, and the 5 columns") as caught:
        student(LogisticRegression().fit(X, y), augmentation="shift").fit(X, y)
    assert "augmentation='mixup' is right" in caught.value.__notes__[0]
    assert check_augmentation("shift", 6, (2, 3)) == ["shift"]


def test_logits_say_nothing_of_copies(digits):
    with pytest.raises(ValueError, match="teacher_logits says nothing about"):
        student(None, augmentation="mixup").fit(*digits, teacher_logits=np.zeros((90, 3)))
