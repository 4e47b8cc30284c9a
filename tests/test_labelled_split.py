"""Cross-validation of data in which some images have no label."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)

from sklqkd import DistilledQNNClassifier
from sklqkd.datasets import load_digits
from sklqkd.search import (
    LabelledSplit,
    StackedGridSearchCV,
    StackedHalvingGridSearchCV,
    StackedRandomizedSearchCV,
)

GRID = {"lam": [0.3, 0.8]}


@pytest.fixture(scope="module")
def marked():
    X, y = load_digits("train", return_X_y=True)
    known = np.arange(len(y)) % 6 == 0
    return X[:900], np.where(known, y, -1)[:900], y[:900]


@pytest.fixture(scope="module")
def student():
    teacher = RandomForestClassifier(50, random_state=0).fit(*load_digits("train", return_X_y=True))
    return DistilledQNNClassifier(teacher, reducer="pca", max_iter=15, random_state=0)


@pytest.mark.parametrize("mark", [-1, -1.0, "none", None, np.nan])
@pytest.mark.parametrize("kind", ["array", "list", "series", "object"])
def test_folds(mark, kind):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=60).astype(type(mark) if isinstance(mark, (float, str)) else int)
    is_marked = rng.random(60) < 0.5
    if mark is None:
        is_marked[:] = False
    else:
        y = y.astype(object) if isinstance(mark, str) else y
        y[is_marked] = mark
    given = {"list": y.tolist(), "series": pd.Series(y), "object": y.astype(object)}.get(kind, y)
    if isinstance(mark, (int, float)):  # labels of type object are no classes for scikit-learn
        given = y if kind == "object" else given
    elif kind == "object" or isinstance(mark, str):
        given = y.astype(str) if kind == "object" else given
    X = np.zeros((60, 1))
    tested = []
    for train, test in LabelledSplit(4, unlabelled=mark).split(X, given):
        assert set(np.flatnonzero(is_marked)) <= set(train)
        assert not set(test) & set(train)
        assert len(train) + len(test) == 60
        tested += test.tolist()
    assert sorted(tested) == np.flatnonzero(~is_marked).tolist()


def test_folds_of_the_labelled_images_are_the_splitters_own():
    rng = np.random.default_rng(0)
    y = rng.integers(-1, 3, size=80)
    rows = np.flatnonzero(y >= 0)
    X, groups = np.zeros((80, 1)), rng.integers(7, size=80)
    for cv in (StratifiedKFold(3, shuffle=True, random_state=0), GroupKFold(3)):
        given = groups if isinstance(cv, GroupKFold) else None
        expected = cv.split(X[rows], y[rows], None if given is None else given[rows])
        found = LabelledSplit(cv).split(X, y, given)
        for (_, test), (_, expected_test) in zip(found, expected, strict=True):
            assert_array_equal(test, rows[expected_test])
        assert LabelledSplit(cv).get_n_splits(X, y, groups) == 3
    folds = [(np.arange(40), np.arange(40, 80)), (np.arange(40, 80), np.arange(40))]
    (train, test), _ = LabelledSplit(folds).split(X, y)
    assert_array_equal(test, np.intersect1d(folds[0][1], rows))
    assert set(np.flatnonzero(y < 0)) <= set(train)
    assert LabelledSplit(folds).get_n_splits() == 2
    assert repr(LabelledSplit(3)) == "LabelledSplit(cv=3, unlabelled=-1)"


def test_bad_input():
    X = np.zeros((6, 1))
    with pytest.raises(ValueError, match="needs y"):
        next(LabelledSplit().split(X))
    with pytest.raises(ValueError, match="No image has a label: all of y is -1"):
        next(LabelledSplit().split(X, np.full(6, -1)))
    with pytest.raises(ValueError, match="The 3 images with a label cannot be split by cv=5"):
        next(LabelledSplit().split(X, np.array([0, 1, 1, -1, -1, -1])))
    with pytest.raises(ValueError, match="can be gone through once only"):
        next(LabelledSplit(iter([([0], [1])])).split(X, np.array([0, 1, 1, 0, 1, -1])))


# Some tools score training images, one trains on labels in another order.
@pytest.mark.filterwarnings("ignore:.* have no label", "ignore:The teacher .* agrees with y on")
def test_every_tool_takes_it(student, marked):
    X, y, _ = marked
    cv = LabelledSplit(3)
    scores = [
        cross_val_score(student, X, y, cv=cv).mean(),
        cross_validate(student, X, y, cv=cv)["test_score"].mean(),
        GridSearchCV(student, GRID, cv=cv).fit(X, y).best_score_,
        RandomizedSearchCV(student, GRID, n_iter=2, cv=cv).fit(X, y).best_score_,
        HalvingGridSearchCV(student, GRID, cv=cv, random_state=0, return_train_score=False)
        .fit(X, y)
        .best_score_,
        learning_curve(student, X, y, cv=cv, train_sizes=[1.0])[2].mean(),
        validation_curve(student, X, y, param_name="lam", param_range=[0.5], cv=cv)[1].mean(),
        permutation_test_score(student, X, y, cv=cv, n_permutations=1)[0],
    ]
    assert min(scores) > 0.75
    probabilities = cross_val_score(student, X, y, cv=cv, scoring="neg_log_loss")
    assert np.isfinite(probabilities).all()
    with pytest.raises(ValueError, match="partitions"):
        cross_val_predict(student, X, y, cv=cv)


@pytest.mark.parametrize(
    ("ours", "theirs", "params"),
    [
        (StackedGridSearchCV, GridSearchCV, {}),
        (StackedRandomizedSearchCV, RandomizedSearchCV, {"n_iter": 2, "random_state": 0}),
        (
            StackedHalvingGridSearchCV,
            HalvingGridSearchCV,
            {"random_state": 0, "return_train_score": False},
        ),
    ],
)
def test_our_searches_use_it_by_themselves(student, marked, ours, theirs, params):
    X, y, _ = marked
    search = ours(student, GRID, cv=3, **params).fit(X, y)
    expected = theirs(student, GRID, cv=LabelledSplit(3), **params).fit(X, y)
    for key in ("mean_test_score", "std_test_score"):
        np.testing.assert_allclose(search.cv_results_[key], expected.cv_results_[key], atol=0.01)
    assert search.cv == 3
    assert clone(search).cv == 3


def test_where_no_image_is_marked_it_is_the_plain_search(student, marked):
    X, _, y = marked
    search = StackedGridSearchCV(student, GRID, cv=3, refit=False).fit(X, y)
    expected = GridSearchCV(student, GRID, cv=3, refit=False).fit(X, y)
    found = search.cv_results_["mean_test_score"]
    np.testing.assert_allclose(found, expected.cv_results_["mean_test_score"], atol=0.01)


def test_scores_of_marked_images_are_told(student, marked):
    X, y, labels = marked
    fitted = clone(student).fit(X, y)
    with pytest.warns(UserWarning, match=r"750 of 900 images .* cv=sklqkd.search.LabelledSplit"):
        fitted.score(X, y)
    assert fitted.score(X, labels) > 0.8
    with pytest.warns(UserWarning, match="LabelledSplit"):
        cross_val_score(student, X, y, cv=2)
    calibrated = CalibratedClassifierCV(student, cv=LabelledSplit(2), ensemble=True)
    assert calibrated.fit(X, y).score(X, labels) > 0.7
