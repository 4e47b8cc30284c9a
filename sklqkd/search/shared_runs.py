"""Training runs that share what depends on their images alone."""

from __future__ import annotations

from functools import partial

import joblib
import numpy as np
from sklearn import config_context, get_config

from ..augmentation import Views
from ..fingerprints import Learnt, fingerprint
from ..images import check_rows
from ..random_states import random_generator
from ..students.fitting import begin
from ..students.quantum_student import EXACT
from ..students.training_run import TrainingRun
from ..targets import is_fitted, teacher_word

__all__ = ["SharedFold", "SharedRun", "fix_seed", "prepare_run"]


class SharedFold:
    """A training set, and what was computed for the first run that needed it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    """

    def __init__(self, X, y):
        self.X, self.y = X, y
        self.is_checked = False
        self._logits: dict = {}
        self._reduced: dict = {}
        self._first: dict = {}

    @property
    def n_bytes(self) -> int:
        """About the memory that it takes, in bytes."""
        kept = [self.X, *(features for _, features in self._reduced.values())]
        for value in self._first.values():
            kept += [value] if isinstance(value, np.ndarray) else []
            kept += [value.X] if isinstance(value, Views) else []
        return sum({id(array): getattr(array, "nbytes", 0) for array in kept}.values())

    def ask(self, teacher, X, y, classes, *, cv="prefit", sample_weight=None, views=None):
        """Return what a teacher says; see :func:`sklqkd.targets.teacher_word`."""
        # A search clones a teacher that is not fitted yet, so that it is known by its parameters.
        name = id(teacher) if is_fitted(teacher) else fingerprint(teacher, ignored=())
        weights = None if sample_weight is None else joblib.hash(sample_weight)
        # Of the same draw, which the fold keeps, so that its id stays its own.
        key = (name, fingerprint(cv, ignored=()), weights, joblib.hash(classes), id(views))
        if key not in self._logits:
            options = {"cv": cv, "sample_weight": sample_weight, "views": views}
            # With the teacher, which keeps its id its own.
            self._logits[key] = teacher, teacher_word(teacher, X, y, classes, **options)
        return self._logits[key][1]

    def reduce(self, name, reducer, compute):
        """Return a fitted reducer and its features, from ``compute()`` unless kept by its name."""
        if name not in self._reduced:
            features = compute()
            self._reduced[name] = reducer, features
        return self._reduced[name]

    def once(self, name, compute, *args):
        """Return ``compute(*args)``, from the first call of that name."""
        if name not in self._first:
            self._first[name] = compute(*args)
        return self._first[name]

    def same(self, name, features):
        """Return the first array that was kept under a name."""
        return self._first.setdefault(name, features)


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
            name = self._name, self.features.shape, id(self.views)
            self.features = fold.same(name, self.features)
        del self._fold

    def _fit_scale(self, features, centred):
        name = (self._name, features.shape, centred)
        return self._fold.once(name, super()._fit_scale, features, centred)

    def _look_at(self, features, y):
        self._fold.once(("proportions", self._name), super()._look_at, features, y)

    def state(self) -> dict | None:
        """Return where training stands, or None where :meth:`go_on` could not go on from there.

        A device has a generator of its own, whose state cannot be had; nor can SciPy's.
        """
        if getattr(self.student, "backend", EXACT) != EXACT or not self.optimizer.is_resumable:
            return None
        return {
            "seed": self.student.random_state,
            "taught": self._taught(self.n_iter),
            "run": self.snapshot(),
        }

    def go_on(self, state: dict) -> None:
        """Begin where another run of the same student ended, which had fewer epochs to go.

        If schedules would have said something else in the epochs so far, because they stretch over
        all epochs, this run begins with its first epoch instead.

        Parameters
        ----------
        state : dict
            The other's :meth:`state`.
        """
        if self._taught(state["run"]["n_iter"]) == state["taught"]:
            self.restore(state["run"])

    def _taught(self, n_epochs):
        """Return lam and the temperatures of the first epochs."""
        teaching = self.teaching
        if teaching is None:
            return None
        schedules = [teaching.lam, *teaching.temperatures]
        return [[schedule(epoch) for schedule in schedules] for epoch in range(n_epochs)]

    def _teach(self, images, y, sample_weight, given_logits, labelled):
        given = (sample_weight, given_logits, self._fold.ask, labelled)
        return self.student._teach(images, y, self.classes, *given, views=self.views)

    def _make_views(self, X, changes, seed):
        student = self.student
        # Without a random_state the draw of the first run is as good as any.
        drawn = None if student.random_state is None else seed.tobytes()
        asked = fingerprint([changes, student.n_views, student.image_shape], ignored=())
        name = ("views", asked, drawn, joblib.hash(self.held_out))
        return self._fold.once(name, super()._make_views, X, changes, seed)

    def _with_copies(self, images, X):
        if self.views is None:
            return images
        return self._fold.once(("seen", id(self.views)), super()._with_copies, images, X)

    def _with_reduced_copies(self, features, is_fixed):
        name = self._name, id(self.views), joblib.hash(self.scale)
        return self._fold.once(name, super()._with_reduced_copies, features, is_fixed)

    def _reduce(self, X, y, labelled, resumed):
        if resumed:
            return super()._reduce(X, y, labelled, resumed)
        self._name = fingerprint((self.reducer, self._asked, labelled), (), Learnt())

        def compute():
            return super(SharedRun, self)._reduce(X, y, labelled, resumed)

        self.reducer, features = self._fold.reduce(self._name, self.reducer, compute)
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
    with config_context(assume_finite=fold.is_checked or get_config()["assume_finite"]):
        X, y = check_rows(student, fold.X, fold.y)
    fold.is_checked = True
    given = (sample_weight, teacher_logits)
    return begin(student, fold.X, X, y, *given, make_run=partial(SharedRun, fold))


def fix_seed(student, state: dict | None) -> None:
    """Give a student without a `random_state` one, so that its training can go on.

    Parameters
    ----------
    student : Student
    state : dict or None
        A :meth:`SharedRun.state` of the same student; None if this is its first run.
    """
    if student.random_state is None:
        seed = random_generator(None).randint(2**31) if state is None else state["seed"]
        student.set_params(random_state=seed)
