"""A distilled student that chooses its own settings, as scikit-learn's classifiers ``...CV`` do."""

from __future__ import annotations

from math import ceil
from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils.validation import check_is_fitted

from .._sklearn import HasMethods, _fit_context
from ..atomic import unchanged_on_error
from ..images import check_rows
from ..persistence import VersionedState
from ..students import DistilledQNNClassifier
from ..targets import is_fitted
from ..unlabelled import teachers_of
from .halving import StackedHalvingGridSearchCV

__all__ = ["DistilledQNNClassifierCV"]

#: After this share of the epochs one candidate of so many is trained on.
FIRST_RUNG, SURVIVORS = 1 / 5, 3


class DistilledQNNClassifierCV(VersionedState, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Distilled quantum classifier whose temperature, lam and loss are chosen in one fit.

    All settings are tried on each fold for a fifth of the student's epochs; the better third is
    trained on, for three fifths of them (successive halving, arXiv:1502.07943), and the best one
    is fitted to all images, for all epochs. That takes about as long as a dozen fits. The teacher
    is asked once for each fold.

    Parameters
    ----------
    teacher : classifier or list of classifiers, default=None
        As in :class:`sklqkd.DistilledQNNClassifier`; in place of that of `student`, if there is
        one.
    student : distilled student, default=None
        What all other settings are taken from, such as ``DistilledQNNClassifier(n_qubits=8)``; a
        classical one will do too. ``None`` stands for a ``DistilledQNNClassifier()``.
    temperatures : array-like of float or None, default=(1.0, 2.0, 4.0, 8.0)
        Candidates for the student's `temperature`. ``None``, here and for the next two, leaves what
        `student` has.
    lams : array-like of float or None, default=(0.5, 0.9, 1.0)
        Candidates for its `lam`, in [0, 1].
    distillations : list of (str or DistillationLoss) or None, default=("hinton",)
        Candidates for its `distillation`, see :mod:`sklqkd.losses`.
    param_grid : dict, default=None
        Candidates for other parameters of the student by their names, tried in all combinations:
        ``{"augmentation": [None, "shift"]}``.
    cv : int, splitter or iterable, default=3
        Folds. Images without a label are trained on in all of them, and tested on in none.
    scoring : str, callable or None, default=None
        What is best: ``None`` for the accuracy.
    n_jobs : int, default=None
        Fits at a time.
    verbose : int, default=0
        If positive, tell how far the search is.

    Attributes
    ----------
    student_ : DistilledQNNClassifier or the like
        Fitted with the best settings: the circuit and all that a student can do are there.
    temperature_, lam_ : float
        The best ones.
    distillation_ : str or DistillationLoss
        The best one.
    best_params_ : dict
        All that was chosen.
    best_score_ : float
        Mean score of it over the folds, after three fifths of the epochs.
    cv_results_ : dict
        As of :class:`sklqkd.search.StackedHalvingGridSearchCV`.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features (pixels) seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string names.

    See Also
    --------
    sklqkd.search.StackedGridSearchCV : Tries each candidate for all epochs.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklqkd import DistilledQNNClassifier, DistilledQNNClassifierCV
    >>> from sklqkd.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> teacher = LogisticRegression(max_iter=500).fit(X, y)
    >>> student = DistilledQNNClassifier(n_qubits=3, max_iter=8, random_state=0)
    >>> chosen = DistilledQNNClassifierCV(teacher, student=student).fit(X[:300], y[:300])
    >>> chosen.score(X[300:], y[300:]) > 0.7
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "teacher": "no_validation",  # the student looks at it
        "student": [HasMethods(["fit", "predict", "set_params"]), None],
        "temperatures": ["array-like", None],
        "lams": ["array-like", None],
        "distillations": [list, tuple, None],
        "param_grid": [dict, None],
        "cv": ["cv_object"],
        "scoring": [str, callable, None],
        "n_jobs": [int, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        teacher=None,
        *,
        student=None,
        temperatures=(1.0, 2.0, 4.0, 8.0),
        lams=(0.5, 0.9, 1.0),
        distillations=("hinton",),
        param_grid=None,
        cv=3,
        scoring=None,
        n_jobs=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.student = student
        self.temperatures = temperatures
        self.lams = lams
        self.distillations = distillations
        self.param_grid = param_grid
        self.cv = cv
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.verbose = verbose

    @unchanged_on_error
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, teacher_logits=None):
        """Choose the settings, and train the student with them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.
        y : array-like of shape (n_samples,)
            Class labels of any type; the student's `unlabelled` (-1) for images that only the
            teacher labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the images in both terms of the loss.
        teacher_logits : array-like of shape (n_samples, n_classes), default=None
            The teacher's logits for `X`, used instead of `teacher`.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError
            For bad input, or where no candidate can be trained.
        """
        check_rows(self, X, y)
        student = self._student()
        grid = self._grid(student)
        given = {"sample_weight": sample_weight, "teacher_logits": teacher_logits}
        given = {name: value for name, value in given.items() if value is not None}
        # A fold's best candidates go on from where they are, so that a rung costs its new epochs.
        search = StackedHalvingGridSearchCV(
            student,
            grid,
            factor=SURVIVORS,
            resource="max_iter",
            min_resources=ceil(FIRST_RUNG * student.max_iter),
            max_resources=student.max_iter,
            cv=self.cv,
            scoring=self.scoring,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
            random_state=student.random_state if isinstance(student.random_state, int) else 0,
            error_score="raise",
            return_train_score=False,
            refit=False,
        )
        search.fit(X, y, **given)
        best = self._best(search.cv_results_)
        self.cv_results_ = search.cv_results_
        self.best_score_ = float(search.cv_results_["mean_test_score"][best])
        chosen = dict(search.cv_results_["params"][best])
        del chosen["max_iter"]
        self.best_params_ = chosen
        self.student_ = student.set_params(**chosen).fit(X, y, **given)
        for name in ("temperature", "lam", "distillation"):
            setattr(self, f"{name}_", getattr(self.student_, name))
        self.classes_ = self.student_.classes_
        return self

    def _student(self):
        student = DistilledQNNClassifier() if self.student is None else clone(self.student)
        if not hasattr(student, "temperature") or not hasattr(student, "max_iter"):
            raise TypeError(
                f"student={self.student!r} is no distilled student. Give a DistilledQNNClassifier, "
                "or a classical one of this package."
            )
        return student if self.teacher is None else student.set_params(teacher=self.teacher)

    def _grid(self, student):
        given = {
            "temperature": self.temperatures,
            "lam": self.lams,
            "distillation": self.distillations,
        }
        grid = {name: list(values) for name, values in given.items() if values is not None}
        grid |= self.param_grid or {}
        if "max_iter" in grid:
            raise ValueError(
                "param_grid has max_iter, over which the candidates are halved. State the epochs "
                "on the student, or use StackedGridSearchCV."
            )
        if empty := [name for name, values in grid.items() if not len(values)]:
            raise ValueError(
                f"There is no candidate for {', '.join(empty)}. Use None to leave what the student "
                "has."
            )
        for lam in grid.get("lam", ()):
            if not (isinstance(lam, Real) and 0 <= float(lam) <= 1):
                raise ValueError(f"lams has {lam!r}, which is no number in [0, 1].")
        return grid

    @staticmethod
    def _best(results):
        """Return the index of the best of those that were trained longest."""
        scores = np.where(
            results["n_resources"] == results["n_resources"].max(),
            results["mean_test_score"],
            -np.inf,
        )
        return int(np.argmax(scores))

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
        check_is_fitted(self)
        return self.student_.predict(X)

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
        check_is_fitted(self)
        return self.student_.predict_proba(X)

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
        check_is_fitted(self)
        return self.student_.predict_log_proba(X)

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
        check_is_fitted(self)
        return self.student_.decision_function(X)

    def get_params(self, deep=True):
        """Return the parameters; a fitted teacher's own are not among them.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return the parameters of the student too, and of a teacher that is not
            fitted.

        Returns
        -------
        params : dict
            Values by their names.
        """
        params = super().get_params(deep=deep)
        if all(map(is_fitted, teachers_of(self))):
            return {name: v for name, v in params.items() if not name.startswith("teacher__")}
        return params

    def __sklearn_clone__(self):
        copy = super().__sklearn_clone__()
        if all(map(is_fitted, teachers_of(self))):
            copy.teacher = self.teacher
        return copy
