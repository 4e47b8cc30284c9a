"""A fitted teacher's own features: what the last layer of a network sees."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from .._sklearn import Interval, InvalidParameterError, _fit_context
from ..atomic import unchanged_on_error
from ..images import check_rows
from ..teacher_checks import is_fitted
from .base import Reducer
from .fixed import PCAReducer

__all__ = ["TeacherReducer"]


class TeacherReducer(Reducer):
    """The features that a fitted network has of an image before its last layer.

    The commonest hybrid in practice (Mari et al., arXiv:1912.08278): a classical network sees the
    image, and a small circuit takes the place of the network's last layer. The network itself is
    not trained. Its features are what the last of its linear layers is given, projected on their
    first principal components.

    Parameters
    ----------
    teacher : classifier
        A fitted one that is a network of torch: a teacher of this package, a
        :class:`~sklqkd.TorchTeacher`, any classifier of skorch, a search or a Pipeline that ends in
        one of these, or a :class:`~sklearn.frozen.FrozenEstimator` of it. ``clone`` hands it on.
    n_components : int, default=None
        Number of features that come out: the first principal components of the network's, scaled as
        :class:`~sklqkd.PCAReducer` does; those that do not exist are zero. ``None`` for the
        network's own features, unscaled; in a student, for as many as its encoding takes.
    layer : str, default=None
        The part of the network whose output is taken instead, by its name in
        ``module.named_modules()``.
    image_shape : sequence of int, default=None
        Shape of one image. Not needed here; checked against X if given.

    Attributes
    ----------
    layer_ : str
        The name of the last linear layer, whose input the features are; or `layer`.
    pca_ : PCAReducer or None
        From the network's features to those that come out.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X had string column names.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklqkd import LeNetClassifier, QNNClassifier, TeacherReducer
    >>> X, y = load_digits(return_X_y=True)
    >>> teacher = LeNetClassifier(max_epochs=1, random_state=0).fit(X[:500] / 16, y[:500])
    >>> TeacherReducer(teacher).fit_transform(X[:3] / 16).shape
    (3, 84)
    >>> student = QNNClassifier(reducer=TeacherReducer(teacher), max_iter=1, random_state=0)
    >>> student.fit(X[:500] / 16, y[:500]).reducer_.n_components
    16
    """

    _parameter_constraints: ClassVar[dict] = {
        **Reducer._parameter_constraints,
        "teacher": "no_validation",
        "n_components": [Interval(Integral, 1, 2**20, closed="both"), None],
        "layer": [str, None],
    }

    def __init__(self, teacher, n_components=None, *, layer=None, image_shape=None):
        self.teacher = teacher
        self.n_components = n_components
        self.layer = layer
        self.image_shape = image_shape

    @unchanged_on_error
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Ask the network about `X`, and fit the projection to what it says.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row, as the teacher takes them.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted reducer.

        Raises
        ------
        NotFittedError
            If the teacher is not fitted.
        ValueError
            If it is no network of torch, was fitted to another number of features, or has no such
            layer.
        """
        module = self._module()
        X = check_rows(self, X, ensure_min_samples=1 if self.n_components is None else 2)
        self._check_shape(X.shape[1])
        expected = getattr(self.teacher, "n_features_in_", X.shape[1])
        if expected != X.shape[1]:
            raise ValueError(
                f"The teacher was fitted on {expected} features, and X has {X.shape[1]}. A "
                "TeacherReducer is given the images that the teacher knows: let it be the first "
                "step."
            )
        self.layer_, features = self._ask(module, X)
        self.pca_ = None
        if self.n_components is not None:
            self.pca_ = PCAReducer(self.n_components, svd_solver="full").fit(features)
        self._n_features_out = self.n_components or features.shape[1]
        return self

    def transform(self, X):
        """Return the features of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.

        Returns
        -------
        features : ndarray of shape (n_samples, n_components)
            In the dtype of `X` (float32 or float64; float64 for any other).
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        features = self._ask(self._module(), X)[1]
        return features if self.pca_ is None else self.pca_.transform(features)

    def get_params(self, deep=True):
        """Return the parameters; the fitted teacher's own are not among them.

        Parameters
        ----------
        deep : bool, default=True
            Without effect: what sets the parameters of everything that is nested, such as each
            `random_state`, shall leave a fitted teacher alone.

        Returns
        -------
        params : dict
            Values by their names.
        """
        return super().get_params(deep=False)

    def set_params(self, **params):
        """Set parameters, but none of the teacher's own.

        Parameters
        ----------
        **params : dict
            As in scikit-learn.

        Returns
        -------
        self : object
            The reducer.

        Raises
        ------
        ValueError
            For ``teacher__...``.
        """
        for name in params:
            if name.startswith("teacher__"):
                raise ValueError(
                    f"{name} would change a teacher that is fitted already. Set it on the teacher, "
                    "fit that again, and pass it as `teacher`."
                )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        # scikit-learn's own way un-fits the teacher.
        return type(self)(**self.get_params())

    def _module(self):
        """Return the torch module of the teacher."""
        teacher, name = self.teacher, type(self.teacher).__name__
        if isinstance(teacher, type) or not hasattr(teacher, "predict_proba"):
            raise InvalidParameterError(
                f"The 'teacher' parameter of TeacherReducer: {self.teacher!r:.80} is no classifier "
                "with predict_proba. A module of torch becomes one by sklqkd.TorchTeacher(module, "
                "classes=..., image_shape=...)."
            )
        if not is_fitted(teacher):
            raise NotFittedError(
                f"The teacher {name} is not fitted. Fit it before the reducer, which does not "
                "train it."
            )
        inner = teacher
        while True:  # as deep as searches, pipelines and frozen estimators are nested
            if hasattr(inner, "best_estimator_"):
                inner = inner.best_estimator_
            elif hasattr(inner, "steps"):
                inner = inner.steps[-1][1]
            elif type(inner).__name__ == "FrozenEstimator":
                inner = inner.estimator
            else:
                break
        module = getattr(inner, "module_", getattr(inner, "module", None))
        if module is None or not hasattr(module, "named_modules"):
            raise InvalidParameterError(
                f"The 'teacher' parameter of TeacherReducer: {name} is no network of torch, and has"
                " no layers to take features from. Use it as the student's `teacher`, and another "
                "reducer; or pass a LeNetClassifier, a TorchTeacher or a classifier of skorch."
            )
        return module

    def _ask(self, module, X):
        """Return the name of the layer that is read, and the network's features of `X`."""
        with _listening(module, self.layer) as heard:
            self.teacher.predict_proba(X)
        if not heard:
            raise ValueError(
                f"{type(module).__name__} has no linear layer that its images pass through. Name "
                f"the part whose output is wanted, layer=...: one of {_names(module)}."
            )
        # The last linear layer is known when all have been called.
        name = list(heard)[-1]
        features = np.concatenate(heard[name])
        if len(features) != len(X):
            raise ValueError(
                f"The layer {name!r} gives {len(features)} rows for {len(X)} images. Name another "
                f"one, layer=...: one of {_names(module)}."
            )
        return name, np.ascontiguousarray(features, X.dtype)


@contextmanager
def _listening(module, layer):
    """Collect what linear layers are given, or what one named layer gives, by their names."""
    import torch

    heard: dict[str, list] = {}
    me = threading.get_ident()  # others may ask the same network

    def keep(name, tensor):
        if threading.get_ident() != me:
            return
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(
                f"The layer {name!r} has {type(tensor).__name__}, and features are a tensor. Name "
                f"another one, layer=...: one of {_names(module)}."
            )
        features = tensor.detach().flatten(1).cpu().to(torch.float64).numpy()
        heard.setdefault(name, []).append(features)

    def before(name):
        return lambda _, given: keep(name, given[0])

    parts = dict(module.named_modules())
    if layer is None:
        hooks = [
            part.register_forward_pre_hook(before(name))
            for name, part in parts.items()
            if isinstance(part, torch.nn.Linear)
        ]
    elif layer in parts:
        hooks = [parts[layer].register_forward_hook(lambda _, given, out: keep(layer, out))]
    else:
        raise ValueError(f"layer={layer!r} is no part of the network. It has {_names(module)}.")
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def _names(module):
    return ", ".join(repr(name) for name, _ in module.named_modules() if name)
