"""Checks of reducers."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from ..students import QNNClassifier
from .common import data, seeded

__all__ = ["CHECKS"]


def reducer_gives_numbers(reducer, X=None, y=None):
    """Check that each image has finite numbers, as many as it says."""
    X, y = data(X, y)
    fitted = seeded(reducer)
    assert fitted.fit(X, y) is fitted, "fit does not return the reducer."
    features = fitted.transform(X)
    assert np.ndim(features) == 2
    assert len(features) == len(X)
    assert np.isfinite(np.asarray(features, float)).all()
    asked = getattr(fitted, "n_components", None)
    if isinstance(asked, (int, np.integer)):
        assert features.shape[1] == asked, f"n_components={asked} gives {features.shape[1]}."


def reducer_sees_each_image_alone(reducer, X=None, y=None):
    """Check that features do not depend on the other images, and the images stay as they are."""
    X, y = data(X, y)
    images = np.array(X)
    fitted = seeded(reducer).fit(X, y)
    features = np.asarray(fitted.transform(X))
    assert_array_equal(np.asarray(X), images, "It changes the images.")
    assert_array_equal(fitted.transform(X), features, "Asked again, it gives other features.")
    scale = np.abs(features).max() + 1e-12
    for row in (0, len(X) - 1):
        part = X.iloc[[row]] if hasattr(X, "iloc") else np.asarray(X)[[row]]
        alone = np.asarray(fitted.transform(part))
        assert_allclose(alone[0] / scale, features[row] / scale, atol=1e-4)


def reducer_is_cloned_and_pickled(reducer, X=None, y=None):
    """Check that it can be cloned, fitted to the same features again, and saved."""
    X, y = data(X, y)
    fitted = seeded(reducer).fit(X, y)
    features = np.asarray(fitted.transform(X))
    scale = np.abs(features).max() + 1e-12
    twin = seeded(reducer).fit(X, y)
    assert_allclose(twin.transform(X) / scale, features / scale, atol=1e-5)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), features)
    again = np.asarray(seeded(reducer).fit_transform(X, y))
    assert_allclose(again / scale, features / scale, atol=1e-4)


def reducer_serves_a_student(reducer, X=None, y=None):
    """Check that a student with it is fitted, predicts, and agrees with other computations."""
    X, y = data(X, y)
    width = clone(reducer)
    asked = width.get_params().get("n_components", 4)
    n_features = asked
    if asked is not None:
        n_features = np.shape(seeded(reducer).fit(X, y).transform(X))[1]
    n_qubits = max(1, int(np.ceil(np.log2(n_features or 4))))
    student = QNNClassifier(reducer=reducer, n_qubits=n_qubits, max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it encodes may have no proportions
        student.fit(X, y)
    assert np.isfinite(student.predict_proba(X)).all()
    report = student.selfcheck(X, y, n_rows=3)
    assert report.ok, repr(report)


CHECKS = (
    reducer_gives_numbers,
    reducer_sees_each_image_alone,
    reducer_is_cloned_and_pickled,
    reducer_serves_a_student,
)
