"""Training runs that share what depends on their images alone."""

from __future__ import annotations

from functools import partial

import joblib
import numpy as np

from ..distillation import teach
from ..images import check_rows
from ..students.base import TaughtStudent
from ..students.fitting import begin
from ..students.training_run import TrainingRun
from ..targets import is_fitted, teacher_logits

__all__ = ["SharedFold", "SharedRun", "prepare_run"]


class SharedFold:
    """A training set, and what was computed for the first run that needed it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    """

    def __init__(self, X, y):
        self.X, self.y = X, y
        self._logits: dict = {}
        self._features: dict = {}

    def ask(self, teacher, X, y, classes, *, cv="prefit", sample_weight=None):
        """Return a teacher's logits; see :func:`sklqkd.targets.teacher_logits`."""
        # A search clones a teacher that is not fitted yet, so that it is known by its parameters.
        name = id(teacher) if is_fitted(teacher) else joblib.hash(teacher)
        key = (name, repr(cv), joblib.hash(sample_weight), joblib.hash(classes))
        if key not in self._logits:
            options = {"cv": cv, "sample_weight": sample_weight}
            # With the teacher, which keeps its id its own.
            self._logits[key] = teacher, teacher_logits(teacher, X, y, classes, **options)
        return self._logits[key][1]

    def reduce(self, reducer, compute):
        """Return a fitted reducer and its features, from ``compute()`` unless one like it did."""
        key = joblib.hash(reducer)
        if key not in self._features:
            features = compute()
            self._features[key] = reducer, features
        return self._features[key]

    def same(self, name, features):
        """Return the first array that was kept under a name."""
        return self._features.setdefault(name, features)


class SharedRun(TrainingRun):
    """A :class:`sklqkd.students.training_run.TrainingRun` on a :class:`SharedFold`.

    Parameters
    ----------
    fold : SharedFold
    *args
        Those of a TrainingRun.
    """

    def __init__(self, fold, *args):
        self._fold = fold
        self._name = "images"
        super().__init__(*args)
        if self.validation is None:
            self.features = fold.same((self._name, self.features.shape), self.features)
        del self._fold

    @property
    def n_bytes(self) -> int:
        """About the memory that it takes, in bytes."""
        own = 12 * self.network.parameters.nbytes + 4 * self.objective.one_hot.nbytes
        return own + (self.features.nbytes if self.validation is not None else 0)

    def _teach(self, images, y, sample_weight, given_logits):
        if type(self.student)._teach is not TaughtStudent._teach:
            return super()._teach(images, y, sample_weight, given_logits)
        given = (sample_weight, given_logits)
        return teach(self.student, images, y, self.classes, *given, ask=self._fold.ask)

    def _reduce(self, X, y, labelled, resumed):
        if resumed:
            return super()._reduce(X, y, labelled, resumed)
        self._name = joblib.hash((self.reducer, labelled))

        def compute():
            return np.asarray(super(SharedRun, self)._reduce(X, y, labelled, resumed))

        self.reducer, features = self._fold.reduce(self.reducer, compute)
        return features


def prepare_run(student, fold: SharedFold, sample_weight=None, teacher_logits=None) -> SharedRun:
    """Return the run of a lone ``fit`` of a student, ready for its first epoch.

    Parameters
    ----------
    student : Student
    fold : SharedFold
    sample_weight : array-like of shape (n_samples,), default=None
    teacher_logits : array-like of shape (n_samples, n_classes), default=None

    Returns
    -------
    run : SharedRun
    """
    student._validate_params()
    X, y = check_rows(student, fold.X, fold.y)
    given = (sample_weight, teacher_logits)
    return begin(student, fold.X, X, y, *given, make_run=partial(SharedRun, fold))
