"""What all students share: checks, predictions and, where there are some, teachers.

A kind of student adds its parameters and what lies between its reducer and its linear head, by
three methods: ``_architecture(rng)`` for a fit, ``_fitted_network()`` to predict, and ``_sizes()``,
the numbers of weights and of outputs of that middle part.
"""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._sklearn import HasMethods, Interval, Options, StrOptions, _fit_context
from ..atomic import as_it_stands, unchanged_on_error
from ..augmentation import AUGMENTATIONS
from ..distillation import teach
from ..images import check_rows
from ..losses import DISTILLATION_LOSSES, DistillationLoss, log_softmax
from ..monitors.functions import as_callback
from ..persistence import VersionedState
from ..targets import is_fitted, teacher_word
from ..threads import one_thread
from ..unlabelled import teachers_of
from . import fitting
from .features import REDUCERS
from .optimizing import has_steps

__all__ = ["Student", "TaughtStudent"]


class Student(VersionedState, CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """A classifier with a reducer, something that is trained, and a linear head."""

    _parameter_constraints: ClassVar[dict] = {
        "reducer": [StrOptions(set(REDUCERS)), HasMethods(["fit", "transform"]), None],
        "image_shape": ["array-like", None],
        "optimizer": "no_validation",  # see sklqkd.students.optimizing
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    @unchanged_on_error
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Train the student.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.
        y : array-like of shape (n_samples,)
            Class labels of any type, at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the images in the loss.

        Returns
        -------
        self : object
            The student.

        Raises
        ------
        ValueError
            For bad input; the estimator is then as it was.
        """
        return fitting.fit(self, X, y, sample_weight)

    @available_if(has_steps)
    @unchanged_on_error
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one more epoch on a batch of images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.
        y : array-like of shape (n_samples,)
            Class labels, all of them among `classes`.
        classes : array-like of shape (n_classes,), default=None
            All classes, needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the images in the loss.

        Returns
        -------
        self : object
            The student.
        """
        return fitting.partial_fit(self, X, y, classes, sample_weight)

    def set_callbacks(self, *callbacks):
        """Set what watches the fits, see :mod:`sklqkd.callbacks`.

        Parameters
        ----------
        *callbacks : callback or callable
            Callbacks of scikit-learn's protocol, or functions that get a
            :class:`sklqkd.callbacks.Epoch` after each epoch, and end the training by returning
            true. None at all removes those that are set. To save a student with a lambda among
            them, remove them before.

        Returns
        -------
        self : object
            The student.

        Raises
        ------
        TypeError
            If one is neither.
        """
        return super().set_callbacks(*map(as_callback, callbacks))

    def decision_function(self, X):
        """Return the class logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            For two classes the difference of the logits, positive for ``classes_[1]``.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_log_proba(self, X):
        """Return the logarithms of the class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return log_softmax(self._logits(X))

    def predict_proba(self, X):
        """Return the class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X):
        """Return the most probable class of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Elements of ``classes_``.
        """
        student = as_it_stands(self)
        indices = student._logits(X).argmax(axis=1)
        return student.classes_[indices]

    def selfcheck(self, X, y=None, *, teacher_logits=None, n_rows=8):
        """Hold the fitted student against computations that share no code with it.

        Its logits, on the exact simulator, are compared with those of its gates on PennyLane's
        ``default.qubit`` and in Qiskit, and with those of its saved and loaded self; its gradient
        with finite differences of its loss. What is not installed is skipped, with the reason.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images, such as those that it will be used on.
        y : array-like of shape (n_samples,), default=None
            Their labels, for the loss; ``None`` for its own predictions.
        teacher_logits : array-like of shape (n_samples, n_classes), default=None
            What the teacher says of them, for the loss of a student that has no fitted teacher.
        n_rows : int, default=8
            So many rows are checked, spread over `X`.

        Returns
        -------
        report : SelfCheck
            ``report.ok`` says whether all is well; printed, it is a table of the largest
            differences. Those of logits are absolute, that of the gradient in units of its length.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For images that it cannot predict, or labels that it does not know.

        Examples
        --------
        >>> from sklqkd import QNNClassifier
        >>> from sklqkd.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> student = QNNClassifier(max_iter=2, random_state=0).fit(X, y)
        >>> report = student.selfcheck(X, y)
        >>> report.ok, report["saved and loaded"].difference
        (True, 0.0)
        """
        from .selfcheck import selfcheck

        return selfcheck(self, X, y, teacher_logits, n_rows)

    @property
    def head_coef_(self):
        """Coefficients of the linear head, (n_classes, n_outputs)."""
        return fitting.part(self, "head_coef")

    @property
    def head_intercept_(self):
        """Intercepts of the linear head, (n_classes,)."""
        return fitting.part(self, "head_intercept")

    def _logits(self, X):
        student = as_it_stands(self)
        check_is_fitted(student)
        X = check_rows(student, X, reset=False)
        with one_thread(), one_thread():
            return fitting.logits(student, X)

    def _teach(self, X, y, classes, sample_weight, given, ask=teacher_word, labelled=None, **views):
        """Return what the teachers say, or None; see :func:`sklqkd.distillation.teach`."""
        return None

    def _taught(self, teaching):
        """Return the fitted attributes that come from the teachers."""
        return {}


class TaughtStudent(Student):
    """A student that learns from teachers too; a mixin, to be named before the student's kind."""

    _parameter_constraints: ClassVar[dict] = {
        **Student._parameter_constraints,
        "teacher": "no_validation",  # see sklqkd.teacher_checks, which says the way out
        "temperature": [Interval(Real, 0, None, closed="neither"), "array-like", callable],
        "lam": [Interval(Real, 0, 1, closed="both"), list, tuple, callable],
        "distillation": [StrOptions(set(DISTILLATION_LOSSES)), DistillationLoss],
        "teacher_weights": ["array-like", None],
        "unlabelled": [Real, str, None],
        "cv": [Options(str, {"prefit"}), "cv_object"],
        "augmentation": [StrOptions(set(AUGMENTATIONS)), list, tuple, callable, None],
        "n_views": [Interval(Integral, 1, None, closed="left")],
    }

    @unchanged_on_error
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, teacher_logits=None):
        """Train the student.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.
        y : array-like of shape (n_samples,)
            Class labels of any type, at least two classes; `unlabelled` (-1) for images that only
            the teacher labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the images in both terms of the loss.
        teacher_logits : array-like or tensor of shape (n_samples, n_classes), default=None
            The teacher's logits (or log-probabilities) for `X`, columns in the order of the sorted
            classes, or a DataFrame with the classes as column names. Used instead of `teacher`;
            for pipelines in which the student sees reduced images and the teacher does not.

        Returns
        -------
        self : object
            The student.

        Raises
        ------
        NotFittedError
            If the teacher is not fitted and `cv` is "prefit".
        ValueError
            For bad input, or a teacher that is no classifier with probabilities; the estimator is
            then as it was.

        Warns
        -----
        TeacherWarning
            If what the teacher says and `y` do not seem to belong together: it is no better than a
            guess, it does not know a class, or its classes had to be matched with labels that a
            meta-estimator has re-coded; or if nobody teaches though `lam` is positive.
        """
        return fitting.fit(self, X, y, sample_weight, teacher_logits)

    @available_if(has_steps)
    @unchanged_on_error
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None, teacher_logits=None):
        """Train for one more epoch on a batch of images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.
        y : array-like of shape (n_samples,)
            Class labels, all of them among `classes`, or `unlabelled`.
        classes : array-like of shape (n_classes,), default=None
            All classes, needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the images in the loss.
        teacher_logits : array-like of shape (n_samples, n_classes), default=None
            The teacher's logits for `X`, used instead of `teacher`.

        Returns
        -------
        self : object
            The student.
        """
        return fitting.partial_fit(self, X, y, classes, sample_weight, teacher_logits)

    def score(self, X, y, sample_weight=None):
        """Return the accuracy on images with labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the images in the mean.

        Returns
        -------
        accuracy : float
            Share of images whose class is predicted, in [0, 1].

        Warns
        -----
        UserWarning
            If some of `y` is `unlabelled`, which no prediction can agree with.
        """
        check_is_fitted(self)
        if self.unlabelled is not None and self.unlabelled not in self.classes_.tolist():
            n_marks = int(np.sum(np.asarray(y, dtype=object) == self.unlabelled))
            if n_marks:
                warnings.warn(
                    f"{n_marks} of {len(y)} images that are scored have no label: y is "
                    f"{self.unlabelled!r}, which counts as a wrong prediction each. Score images "
                    "with labels; in a search or a cross-validation, pass "
                    f"cv=sklqkd.search.LabelledSplit(5, unlabelled={self.unlabelled!r}).",
                    UserWarning,
                    stacklevel=2,
                )
        return super().score(X, y, sample_weight)

    def get_params(self, deep=True):
        """Return the parameters; a fitted teacher's own are not among them.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return the parameters of nested estimators too: of the reducer, and of the
            teacher unless `cv` is "prefit". What sets the parameters of everything that is nested,
            such as each `random_state`, shall leave a fitted teacher alone.

        Returns
        -------
        params : dict
            Values by their names.
        """
        params = super().get_params(deep=deep)
        if isinstance(self.cv, str) and self.cv == "prefit":
            return {name: v for name, v in params.items() if not name.startswith("teacher__")}
        return params

    def set_params(self, **params):
        """Set parameters, but none of a fitted teacher's own.

        Parameters
        ----------
        **params : dict
            As in scikit-learn.

        Returns
        -------
        self : object
            The student.

        Raises
        ------
        ValueError
            For ``teacher__...`` while the teacher is fitted and `cv` is "prefit".
        """
        nested = [name for name in params if name.startswith("teacher__")]
        teacher = params.get("teacher", self.teacher)
        if nested and params.get("cv", self.cv) == "prefit" and is_fitted(teacher):
            raise ValueError(
                f"{nested[0]} would change a teacher that is fitted already. Set it on the teacher "
                "and fit that again, or use cv=5 with an unfitted teacher."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        clone = super().__sklearn_clone__()
        if self.cv == "prefit" and all(map(is_fitted, teachers_of(self))):
            clone.teacher = self.teacher
        return clone

    def _teach(self, X, y, classes, sample_weight, given, ask=teacher_word, labelled=None, **views):
        return teach(self, X, y, classes, sample_weight, given, ask, labelled, **views)

    def _taught(self, teaching):
        return {"teacher_matching_": [] if teaching is None else list(teaching.matchings)}
