"""Classical students, the controls for the quantum part: the same but for the circuit.

:class:`DistilledLinearClassifier` has nothing in the circuit's place,
:class:`DistilledMLPClassifier` a hidden layer that makes it as large as the quantum student.
"""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

import numpy as np

from .._sklearn import Interval
from . import fitting
from .base import TaughtStudent
from .layers import HiddenArchitecture, HiddenLayer, LinearArchitecture
from .optimizing import precision

__all__ = ["DistilledLinearClassifier", "DistilledMLPClassifier"]


class _ClassicalStudent(TaughtStudent):
    """The parameters of both."""

    _parameter_constraints: ClassVar[dict] = {
        **TaughtStudent._parameter_constraints,
        "n_components": [Interval(Integral, 1, 2**20, closed="both")],
    }

    def __init__(
        self,
        teacher=None,
        *,
        temperature=3.0,
        lam=0.5,
        distillation="hinton",
        teacher_weights=None,
        unlabelled=-1,
        cv="prefit",
        augmentation=None,
        n_views=8,
        n_components=16,
        reducer="fc",
        image_shape=None,
        optimizer="adam",
        max_iter=50,
        batch_size=32,
        learning_rate_init=0.01,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.teacher = teacher
        self.temperature = temperature
        self.lam = lam
        self.distillation = distillation
        self.teacher_weights = teacher_weights
        self.unlabelled = unlabelled
        self.cv = cv
        self.augmentation = augmentation
        self.n_views = n_views
        self.n_components = n_components
        self.reducer = reducer
        self.image_shape = image_shape
        self.optimizer = optimizer
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state


class DistilledLinearClassifier(_ClassicalStudent):
    """Linear classifier on reduced images that learns from a teacher and from labels.

    The student of :class:`DistilledQNNClassifier` without a circuit: a reducer, tanh of its
    features (as in the encodings), a linear layer. It is trained by the same loop, on the same
    loss, and shows what the quantum part is worth.

    Parameters
    ----------
    teacher : classifier or list of classifiers, default=None
        Any classifier with ``predict_proba`` on the images of `X`, fitted before (unless `cv` says
        otherwise); of several the weighted mean of the losses counts. ``None``: no distillation, or
        ``teacher_logits`` passed to `fit`.
    temperature : float, schedule or list, default=3.0
        Softens the teacher's probabilities and the student's, from 1e-3 to 1e3; a schedule over
        the epochs as in :func:`sklqkd.schedules.resolve_schedule`, or a list with one for each
        teacher.
    lam : float or schedule, default=0.5
        Weight of the distillation loss, in [0, 1]. With 0 there is no distillation.
    distillation : {"hinton", "paper", "logit_mse", "standardized", "decoupled", "dist", \
"multi_level", "relational", \
"label_smoothing", "virtual_teacher"} or DistillationLoss, default="hinton"
        The distillation loss, see :mod:`sklqkd.losses`.
    teacher_weights : array-like of shape (n_teachers,), default=None
        Non-negative weights of several teachers; ``None`` for equal ones.
    unlabelled : int, float, str or None, default=-1
        The value of `y` that marks images without a label, which learn from the teacher alone.
    cv : "prefit", int or splitter, default="prefit"
        "prefit" takes the fitted teacher as it is. Otherwise each image's soft target comes from a
        clone of the teacher that was trained on the other folds.
    augmentation : {"flip", "mixup", "noise", "shift"}, callable, list of them or None, default=None
        How the training images are copied with changes, see :mod:`sklqkd.augmentation`: the teacher
        says what it thinks of each copy, which takes no further images. "shift" and "flip" move
        pixels, "noise" adds some, "mixup" puts two images on top of each other and is right for
        tables too; a function ``f(X, rng)`` returns changed copies of rows. Of a list all are
        applied, in its order. Labels stay, those of mixtures are mixed. Not with `teacher_logits`.
    n_views : int, default=8
        Copies of each image, all of them in memory. An epoch shows each image once: as it is, or
        one of its copies.
    n_components : int, default=16
        Number of features that the reducer gives, 16 as for 4 qubits and amplitude encoding. A
        transformer that states another number keeps it.
    reducer : {"fc", "conv", "pca", "avg_pool", "max_pool", "crop"}, transformer or None, \
default="fc"
        How an image becomes features, see :mod:`sklqkd.reducers`; ``None`` takes `X` as the
        features, any number of them. "fc" and "conv" are trained together with the classifier.
    image_shape : sequence of int, default=None
        Shape of the image behind a row of `X`; ``None`` for a square grey-scale image.
    optimizer : {"adam", "sgd", "lbfgs", "spsa", "cobyla"} or object, default="adam"
        How it is trained, see :mod:`sklqkd.optimizers`.
    max_iter : int, default=50
        Largest number of epochs.
    batch_size : int, default=32
        Images per mini-batch.
    learning_rate_init : float, default=0.01
        Step size of the optimizer.
    shuffle : bool, default=True
        Whether to draw new mini-batches in every epoch.
    early_stopping : bool, default=False
        Whether to stop by the accuracy on held-out images and restore the best weights.
    validation_fraction : float, default=0.1
        Share of the images held out, in (0, 1).
    n_iter_no_change : int, default=10
        Epochs without an improvement of `tol` before training stops.
    tol : float, default=1e-4
        The least improvement that counts.
    warm_start : bool, default=False
        Whether a further `fit` goes on from the weights of the last one.
    verbose : int, default=0
        If positive, print a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Fixes initial weights, mini-batches, hold-out and dropout.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    parameters_ : ndarray of shape (n_parameters,)
        All trained parameters: reducer, head coefficients, head intercepts.
    head_coef_ : ndarray of shape (n_classes, `n_components_`)
        Coefficients of the linear head, on ``sqrt(n_components_) * tanh(features)``.
    head_intercept_ : ndarray of shape (n_classes,)
        Intercepts of the linear head.
    reducer_ : transformer or None
        The fitted reducer.
    feature_scale_ : ndarray of shape (2, n_reduced) or None
        Offsets and factors that bring features (or `X`, in front of a trained reducer) into the
        encoding's range, see :mod:`sklqkd.feature_scaling`; ``None`` leaves them as they are.
    n_components_ : int
        Number of features.
    n_parameters_ : dict
        Numbers of trained parameters: "quantum" (0) and "classical".
    loss_curve_ : list of float
        Mean training loss of each epoch.
    validation_scores_ : list of float or None
        Accuracy on the hold-out after each epoch, with `early_stopping`.
    n_iter_ : int
        Number of epochs that ran.
    teacher_matching_ : list of ndarray of bool, shape (n_teacher_classes, n_classes)
        For each teacher, which of its classes counts as which of the student: by their labels, or
        by its favourites where those tell otherwise. Empty where nobody teaches.
    n_features_in_ : int
        Number of features (pixels) seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string names.

    See Also
    --------
    DistilledMLPClassifier : With a hidden layer, as large as the quantum student.
    DistilledQNNClassifier : With a circuit.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklqkd import DistilledLinearClassifier
    >>> from sklqkd.datasets import load_digits, take_per_class
    >>> X, y = load_digits(return_X_y=True)
    >>> teacher = RandomForestClassifier(random_state=0).fit(X[:1200], y[:1200])
    >>> few, labels = take_per_class(X[:1200], y[:1200], 20)
    >>> student = DistilledLinearClassifier(teacher, max_iter=30, random_state=0).fit(few, labels)
    >>> student.score(X[1200:], y[1200:]) > 0.75
    True
    >>> student.n_parameters_
    {'quantum': 0, 'classical': 1210}
    """

    def _sizes(self):
        return 0, self.n_components_

    def _architecture(self, rng):
        return LinearArchitecture(self.n_components, precision(self.optimizer))

    def _fitted_network(self, front_end=None):
        architecture = LinearArchitecture(self.n_components_, np.float64)
        return architecture.network(self.n_components_, len(self.classes_), front_end)


class DistilledMLPClassifier(_ClassicalStudent):
    """Classifier with one hidden layer on reduced images that learns from a teacher and labels.

    The student of :class:`DistilledQNNClassifier` with a layer of tanh units in the place of the
    circuit: a reducer, tanh of its features (as in the encodings), the hidden layer, a linear
    layer. It is trained by the same loop, on the same loss, and has as many parameters.

    Parameters
    ----------
    teacher : classifier or list of classifiers, default=None
        Any classifier with ``predict_proba`` on the images of `X`, fitted before (unless `cv` says
        otherwise); of several the weighted mean of the losses counts. ``None``: no distillation, or
        ``teacher_logits`` passed to `fit`.
    hidden_units : int, default=None
        Number of hidden units. ``None`` for the number that makes the classifier as large as the
        quantum student behind the same reducer: d features and C classes give the integer next to
        ``(9 n + C 2^n) / (d + 1 + C)``, where n is log2(d), rounded up: the qubits of amplitude
        encoding, with 3 strongly entangling layers and all 2^n probabilities measured. For other
        numbers of qubits and layers see :func:`sklqkd.students.layers.matched_hidden_units`.
    temperature : float, schedule or list, default=3.0
        Softens the teacher's probabilities and the student's, from 1e-3 to 1e3; a schedule over
        the epochs as in :func:`sklqkd.schedules.resolve_schedule`, or a list with one for each
        teacher.
    lam : float or schedule, default=0.5
        Weight of the distillation loss, in [0, 1]. With 0 there is no distillation.
    distillation : {"hinton", "paper", "logit_mse", "standardized", "decoupled", "dist", \
"multi_level", "relational", \
"label_smoothing", "virtual_teacher"} or DistillationLoss, default="hinton"
        The distillation loss, see :mod:`sklqkd.losses`.
    teacher_weights : array-like of shape (n_teachers,), default=None
        Non-negative weights of several teachers; ``None`` for equal ones.
    unlabelled : int, float, str or None, default=-1
        The value of `y` that marks images without a label, which learn from the teacher alone.
    cv : "prefit", int or splitter, default="prefit"
        "prefit" takes the fitted teacher as it is. Otherwise each image's soft target comes from a
        clone of the teacher that was trained on the other folds.
    augmentation : {"flip", "mixup", "noise", "shift"}, callable, list of them or None, default=None
        How the training images are copied with changes, see :mod:`sklqkd.augmentation`: the teacher
        says what it thinks of each copy, which takes no further images. "shift" and "flip" move
        pixels, "noise" adds some, "mixup" puts two images on top of each other and is right for
        tables too; a function ``f(X, rng)`` returns changed copies of rows. Of a list all are
        applied, in its order. Labels stay, those of mixtures are mixed. Not with `teacher_logits`.
    n_views : int, default=8
        Copies of each image, all of them in memory. An epoch shows each image once: as it is, or
        one of its copies.
    n_components : int, default=16
        Number of features that the reducer gives, 16 as for 4 qubits and amplitude encoding. A
        transformer that states another number keeps it.
    reducer : {"fc", "conv", "pca", "avg_pool", "max_pool", "crop"}, transformer or None, \
default="fc"
        How an image becomes features, see :mod:`sklqkd.reducers`; ``None`` takes `X` as the
        features, any number of them. "fc" and "conv" are trained together with the classifier.
    image_shape : sequence of int, default=None
        Shape of the image behind a row of `X`; ``None`` for a square grey-scale image.
    optimizer : {"adam", "sgd", "lbfgs", "spsa", "cobyla"} or object, default="adam"
        How it is trained, see :mod:`sklqkd.optimizers`.
    max_iter : int, default=50
        Largest number of epochs.
    batch_size : int, default=32
        Images per mini-batch.
    learning_rate_init : float, default=0.01
        Step size of the optimizer.
    shuffle : bool, default=True
        Whether to draw new mini-batches in every epoch.
    early_stopping : bool, default=False
        Whether to stop by the accuracy on held-out images and restore the best weights.
    validation_fraction : float, default=0.1
        Share of the images held out, in (0, 1).
    n_iter_no_change : int, default=10
        Epochs without an improvement of `tol` before training stops.
    tol : float, default=1e-4
        The least improvement that counts.
    warm_start : bool, default=False
        Whether a further `fit` goes on from the weights of the last one.
    verbose : int, default=0
        If positive, print a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Fixes initial weights, mini-batches, hold-out and dropout.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    parameters_ : ndarray of shape (n_parameters,)
        All trained parameters: reducer, hidden layer, head coefficients, head intercepts; the
        other fitted attributes are those of :class:`DistilledLinearClassifier`.
    hidden_units_ : int
        Number of hidden units.
    hidden_coef_ : ndarray of shape (`hidden_units_`, `n_components_`)
        Coefficients of the hidden layer, on tanh of the features.
    hidden_intercept_ : ndarray of shape (`hidden_units_`,)
        Intercepts of the hidden layer.
    head_coef_ : ndarray of shape (n_classes, `hidden_units_`)
        Coefficients of the linear head.

    See Also
    --------
    DistilledLinearClassifier : Without a hidden layer; documents all fitted attributes.
    DistilledQNNClassifier : With a circuit.

    Examples
    --------
    >>> from sklqkd import DistilledMLPClassifier, QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> student = DistilledMLPClassifier(lam=0, max_iter=20, random_state=0)
    >>> student = student.fit(X[:1200], y[:1200])
    >>> student.score(X[1200:], y[1200:]) > 0.85
    True
    >>> student.hidden_units_, student.n_parameters_
    (7, {'quantum': 0, 'classical': 1239})
    >>> QNNClassifier(max_iter=1, random_state=0).fit(X, y).n_parameters_
    {'quantum': 36, 'classical': 1210}
    """

    _parameter_constraints: ClassVar[dict] = {
        **_ClassicalStudent._parameter_constraints,
        "hidden_units": [Interval(Integral, 1, 2**20, closed="both"), None],
    }

    def __init__(
        self,
        teacher=None,
        *,
        hidden_units=None,
        temperature=3.0,
        lam=0.5,
        distillation="hinton",
        teacher_weights=None,
        unlabelled=-1,
        cv="prefit",
        augmentation=None,
        n_views=8,
        n_components=16,
        reducer="fc",
        image_shape=None,
        optimizer="adam",
        max_iter=50,
        batch_size=32,
        learning_rate_init=0.01,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        super().__init__(
            teacher,
            temperature=temperature,
            lam=lam,
            distillation=distillation,
            teacher_weights=teacher_weights,
            unlabelled=unlabelled,
            cv=cv,
            augmentation=augmentation,
            n_views=n_views,
            n_components=n_components,
            reducer=reducer,
            image_shape=image_shape,
            optimizer=optimizer,
            max_iter=max_iter,
            batch_size=batch_size,
            learning_rate_init=learning_rate_init,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
        )
        self.hidden_units = hidden_units

    @property
    def hidden_coef_(self):
        """Coefficients of the hidden layer, (`hidden_units_`, `n_components_`)."""
        return self._hidden_parts()[0]

    @property
    def hidden_intercept_(self):
        """Intercepts of the hidden layer, (`hidden_units_`,)."""
        return self._hidden_parts()[1]

    def _hidden_parts(self):
        weights = fitting.part(self, "hidden_coef")
        return HiddenLayer(self.n_components_, self.hidden_units_).split(weights)

    def _sizes(self):
        return self.hidden_units_ * (self.n_components_ + 1), self.hidden_units_

    def _architecture(self, rng):
        return HiddenArchitecture(self.n_components, self.hidden_units, precision(self.optimizer))

    def _fitted_network(self, front_end=None):
        architecture = HiddenArchitecture(self.n_components_, self.hidden_units_, np.float64)
        return architecture.network(self.n_components_, len(self.classes_), front_end)
