"""Checks of students."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.naive_bayes import GaussianNB

from .common import data, global_state, seeded

__all__ = ["CHECKS"]


def student_learns_labels_of_any_type(student, X=None, y=None):
    """Check that it predicts the labels that it was given, and probabilities of them."""
    X, y = data(X, y)
    for names in (y, np.array([f"class {label}" for label in y])):
        fitted = seeded(student)
        assert fitted.fit(X, names) is fitted, "fit does not return the student."
        assert_array_equal(fitted.classes_, np.unique(names))
        probabilities = fitted.predict_proba(X)
        assert probabilities.shape == (len(y), len(fitted.classes_))
        assert np.isfinite(probabilities).all()
        assert (probabilities >= 0).all()
        assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
        predicted = fitted.predict(X)
        assert_array_equal(predicted, fitted.classes_[probabilities.argmax(axis=1)])


def student_depends_on_its_seed_alone(student, X=None, y=None):
    """Check that the same seed gives the same fit; NumPy's global generator is left as it was."""
    X, y = data(X, y)
    before = global_state()
    first, second, other = (seeded(student, seed).fit(X, y) for seed in (0, 0, 1))
    assert global_state() == before, "A fit draws from numpy.random."
    assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    if "random_state" in student.get_params():
        differ = (first.predict_proba(X) != other.predict_proba(X)).any()
        assert differ, "Two values of random_state give the same fit."


def student_is_cloned_and_pickled(student, X=None, y=None):
    """Check that a clone has its parameters, and a pickle predicts the same numbers."""
    X, y = data(X, y)
    fitted = seeded(student).fit(X, y)
    copy = clone(fitted)
    assert "classes_" not in vars(copy), "A clone is fitted."
    given, kept = fitted.get_params(deep=False), copy.get_params(deep=False)
    assert set(given) == set(kept)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def student_survives_a_fit_that_fails(student, X=None, y=None):
    """Check that bad input is a ValueError, and leaves the student as it was."""
    X, y = data(X, y)
    fitted = seeded(student).fit(X, y)
    before, expected = dict(vars(fitted)), fitted.predict_proba(X)
    broken = np.array(X, float)
    broken[0, 0] = np.nan
    for images, labels in ((broken, y), (X, y[:-1])):
        try:
            fitted.fit(images, labels)
        except ValueError:
            pass
        else:
            raise AssertionError("NaN, or labels for fewer rows than X has, are not refused.")
        after = vars(fitted)
        names = {*before, *after}
        changed = sorted(n for n in names if before.get(n, names) is not after.get(n, after))
        assert not changed, f"A fit that fails changes the attributes {changed}."
    assert_array_equal(fitted.predict_proba(X), expected)


def student_agrees_with_other_computations(student, X=None, y=None):
    """Check that its own selfcheck is well, if it has one."""
    X, y = data(X, y)
    fitted = seeded(student).fit(X, y)
    if hasattr(fitted, "selfcheck"):
        report = fitted.selfcheck(X, y)
        assert report.ok, repr(report)


def student_learns_from_its_teacher(student, X=None, y=None):
    """Check that lam=0 leaves the teacher out, that others do not, and classes go by label."""
    parameters = student.get_params()
    if not {"teacher", "lam", "temperature"} <= set(parameters):
        return
    X, y = data(X, y)
    teacher = GaussianNB(var_smoothing=0.1).fit(X, y)
    asked = pickle.dumps(teacher)

    def probabilities(lam, by):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one = seeded(student).set_params(lam=lam, teacher=by, cv="prefit")
            assert clone(one).teacher is by, "A clone loses the fitted teacher."
            return one.fit(X, y).predict_proba(X)

    alone = probabilities(0, None)
    assert_array_equal(probabilities(0, teacher), alone, "With lam=0 the teacher is not left out.")
    taught = probabilities(0.9, teacher)
    assert (taught != alone).any(), "A teacher with lam=0.9 changes nothing."
    assert_array_equal(probabilities(0.9, _Reversed(teacher)), taught)
    assert pickle.dumps(teacher) == asked, "The teacher is changed."


class _Reversed:
    """A teacher with its classes in another order."""

    def __init__(self, teacher):
        self._teacher, self.classes_ = teacher, teacher.classes_[::-1]

    def predict_proba(self, X):
        return self._teacher.predict_proba(X)[:, ::-1]

    def predict(self, X):
        return self._teacher.predict(X)


CHECKS = (
    student_learns_labels_of_any_type,
    student_depends_on_its_seed_alone,
    student_is_cloned_and_pickled,
    student_survives_a_fit_that_fails,
    student_agrees_with_other_computations,
    student_learns_from_its_teacher,
)
