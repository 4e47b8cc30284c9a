"""The reproduction's choices of settings: test images never influence them."""

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

PAPER = Path(__file__).parents[1] / "benchmarks" / "paper"
GRID = {"temperatures": (1.0, 4.0), "lams": (0.9,), "folds": 2, "per_class": 10}

pytestmark = pytest.mark.skipif(not PAPER.exists(), reason="benchmarks are not in an installation")


@pytest.fixture(scope="module")
def scripts():
    """Return the modules of the command, imported by path."""
    names = ("common", "where_it_pays_runs", "where_it_pays")
    sys.path.insert(0, str(PAPER))
    try:
        yield [import_module(name) for name in names]
    finally:
        sys.path.remove(str(PAPER))


@pytest.fixture(scope="module")
def task(scripts):
    task = scripts[0].load("digits")
    few = task.few(30)
    return replace(task, X=task.X[few], y=task.y[few])


@pytest.fixture(scope="module")
def teacher(scripts, task):
    model = LogisticRegression(C=0.1).fit(task.X, task.y)
    said = [model.predict_log_proba(X) for X in (task.X, task.X_test)]
    return scripts[0].Teacher("logistic", *said, 0.0)


@pytest.fixture(scope="module")
def chosen(scripts, task, teacher):
    return scripts[1].choose(task, teacher, **GRID)


def planned(scripts, task, chosen):
    return [arm.name for arm in scripts[2].Plan(task, chosen, {}, quick=False).arms()]


def settings(chosen):
    return [chosen.plain, chosen.losses, chosen.losses_with_rest, chosen.labelled, chosen.rest]


def test_permuted_test_labels_change_no_setting(scripts, task, teacher, chosen):
    y_test = np.random.default_rng(0).permutation(task.y_test)
    assert (y_test != task.y_test).mean() > 0.5
    permuted = replace(task, y_test=y_test)
    again = scripts[1].choose(permuted, teacher, **GRID)
    assert settings(again) == settings(chosen)
    pd.testing.assert_frame_equal(again.scores, chosen.scores)
    assert planned(scripts, permuted, again) == planned(scripts, task, chosen)


def test_a_choice_needs_no_test_images(scripts, task, teacher, chosen):
    without = replace(task, X_test=None, y_test=None)
    again = scripts[1].choose(without, replace(teacher, test_logits=None), **GRID)
    assert settings(again) == settings(chosen)
    pd.testing.assert_frame_equal(again.scores, chosen.scores)


def test_what_is_chosen_is_the_best_of_its_candidates(scripts, chosen):
    scores = chosen.scores.set_index(["rest", "setting", "epochs"])["cv_accuracy"]

    def score(arm):
        return scores[arm.rest, arm.setting, arm.max_iter]

    losses = scripts[1].LOSSES
    assert score(chosen.plain) == scores.xs("plain", level="setting").max()
    for arm in (chosen.labelled, chosen.rest):
        final = chosen.scores.query("rest == @arm.rest").dropna().set_index("setting")
        assert len(final) == len(losses)
        assert final.loc[arm.setting, "cv_accuracy_more_folds"] == final.iloc[:, -1].max()
    assert set(chosen.losses) == {*losses, *scripts[1].CONTROLS}
    for arm in [*chosen.losses.values(), *chosen.losses_with_rest.values()]:
        candidates = scores[arm.rest]
        of_loss = candidates.index.get_level_values("setting").str.split().str[0] == arm.loss
        assert score(arm) == candidates[of_loss].max()


@pytest.mark.parametrize("rest", [False, True])
def test_held_out_images_are_not_trained_on(scripts, task, teacher, monkeypatch, rest):
    runs, seen = scripts[1], {}

    class StoppedError(Exception):
        """Raised where the fits would start."""

    def compare(estimators, X, y, **options):
        seen.update(options, y=y)
        raise StoppedError

    monkeypatch.setattr(runs, "compare", compare)
    arm = runs.Arm(loss="hinton", lam=0.9, per_class=10, rest=rest)
    with pytest.raises(StoppedError):
        runs.cross_validate(task, teacher, [arm], per_class=10, folds=5)
    few = task.few(10)
    np.testing.assert_array_equal(np.flatnonzero(seen["y"] != -1), few)
    np.testing.assert_array_equal(seen["y"][few], task.y[few])
    held_out = np.concatenate([test for _, test in seen["cv"]])
    np.testing.assert_array_equal(np.sort(held_out), few)
    for train, test in seen["cv"]:
        assert not np.isin(test, train).any()
        assert len(train) + len(test) == (len(task.y) if rest else len(few))


def test_selection_seeds_are_not_reported(scripts, task, monkeypatch):
    common, runs, _ = scripts
    monkeypatch.setattr(sys, "argv", ["where_it_pays.py", "--output", str(PAPER)])
    assert not set(runs.SELECTION_SEEDS) & set(range(common.parse("").seeds))
    with pytest.raises(ValueError, match="for the selection"):
        runs.run(task, [runs.Arm()], range(runs.SELECTION_SEEDS[0] + 1))


def test_test_labels_score_what_was_chosen(scripts, task, teacher, chosen, monkeypatch):
    """The permuted labels of the other tests are the ones that scores are made with."""
    runs = scripts[1]
    monkeypatch.setattr(runs, "get_teacher", lambda *args, **options: teacher)
    y_test = np.random.default_rng(0).permutation(task.y_test)
    right, wrong = (
        runs.run(each, [chosen.labelled], range(1))["accuracy"].item()
        for each in (task, replace(task, y_test=y_test))
    )
    assert right > 0.6 > 0.3 > wrong
