"""Checks of teachers."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..students import DistilledQNNClassifier
from .common import global_state

__all__ = ["CHECKS"]


def teacher_is_fitted(teacher, X, y):
    """Check that it is an object that can be asked, with classes."""
    assert not isinstance(teacher, type), "A teacher is an object, not a class."
    if hasattr(teacher, "fit"):
        check_is_fitted(teacher)
    classes = np.asarray(teacher.classes_)
    assert classes.ndim == 1
    assert len(np.unique(classes)) == len(classes) >= 2, f"classes_={classes} are no classes."


def teacher_gives_probabilities(teacher, X, y):
    """Check that each image has probabilities, whose favourite is what it predicts."""
    probabilities = np.asarray(teacher.predict_proba(X))
    assert probabilities.shape == (len(X), len(teacher.classes_))
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    assert_allclose(probabilities.sum(axis=1), 1, atol=1e-3)
    if hasattr(teacher, "predict"):
        favourites = np.asarray(teacher.classes_)[probabilities.argmax(axis=1)]
        top = np.sort(probabilities, axis=1)
        is_sure = top[:, -1] - top[:, -2] > 1e-3
        assert_array_equal(np.asarray(teacher.predict(X))[is_sure], favourites[is_sure])


def teacher_says_the_same_of_each_image_alone(teacher, X, y):
    """Check that its word does not depend on the other images, nor on how often it is asked."""
    probabilities = np.asarray(teacher.predict_proba(X))
    assert_array_equal(teacher.predict_proba(X), probabilities, "Asked again, it says otherwise.")
    rows = [0, len(X) // 2, len(X) - 1]
    for row in rows:
        part = X.iloc[[row]] if hasattr(X, "iloc") else np.asarray(X)[[row]]
        alone = np.asarray(teacher.predict_proba(part))
        message = "Its word depends on the other images of the batch, as that of a network does"
        message += " which is in its training mode (batch normalisation, dropout)."
        assert_allclose(alone[0], probabilities[row], atol=1e-4, err_msg=message)


def teacher_changes_nothing(teacher, X, y):
    """Check that images and global generators are as they were after it is asked."""
    images = np.array(X)
    before = global_state()
    teacher.predict_proba(X)
    assert_array_equal(np.asarray(X), images, "It changes the images.")
    assert global_state() == before, "It draws from numpy.random."


def teacher_knows_more_than_a_guess(teacher, X, y):
    """Check that it is right more often than the most frequent class."""
    y = np.asarray(y)
    assert set(np.unique(y).tolist()) & set(np.asarray(teacher.classes_).tolist()), (
        f"It knows none of the labels {np.unique(y)[:5]}; its classes are {teacher.classes_[:5]}."
    )
    probabilities = np.asarray(teacher.predict_proba(X))
    right = np.mean(np.asarray(teacher.classes_)[probabilities.argmax(axis=1)] == y)
    guess = np.unique(y, return_counts=True)[1].max() / len(y)
    assert right > guess or guess == 1, (
        f"It is right for {100 * right:.0f} % of the images, and a guess for {100 * guess:.0f} %."
    )


def teacher_teaches(teacher, X, y):
    """Check that a student learns from it, and keeps the very object."""
    student = DistilledQNNClassifier(teacher, n_qubits=2, max_iter=1, random_state=0)
    assert clone(student).teacher is teacher
    plain = clone(student).set_params(lam=0).fit(X, y)
    student.fit(X, y)
    assert np.isfinite(student.predict_proba(X)).all()
    assert (student.parameters_ != plain.parameters_).any(), "The student does not hear it."


CHECKS = (
    teacher_is_fitted,
    teacher_gives_probabilities,
    teacher_says_the_same_of_each_image_alone,
    teacher_changes_nothing,
    teacher_knows_more_than_a_guess,
    teacher_teaches,
)
