"""Reducers with weights, which a student trains together with its circuit."""

from __future__ import annotations

from numbers import Integral, Real
from typing import ClassVar

import numpy as np

from .._sklearn import Interval, _fit_context
from ..atomic import unchanged_on_error
from ..checks import class_labels
from ..images import check_rows, image_layout
from ..random_states import numpy_generator
from ..threads import one_thread
from .base import Reducer
from .front_ends import ConvFrontEnd, LinearFrontEnd, train_under_softmax

__all__ = ["ConvReducer", "FCReducer", "TrainableReducer"]


class TrainableReducer(Reducer):
    """A front-end with its weights: trained alone with a softmax head, or given by a student."""

    _parameter_constraints: ClassVar[dict] = {
        **Reducer._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    @unchanged_on_error
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Train the reducer, under a linear softmax head that is then dropped, on cross-entropy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.
        y : array-like of shape (n_samples,)
            Class labels of any type, of at least two classes.

        Returns
        -------
        self : object
            The fitted reducer.

        Raises
        ------
        ValueError
            If `y` is missing or holds one class, or training diverges.
        """
        X, y = check_rows(self, X, y)
        classes = class_labels(y)
        if len(classes) < 2:
            raise ValueError(
                f"y holds 1 class, {classes[0]!r}; {type(self).__name__} is trained to tell "
                "classes apart and needs at least 2."
            )
        targets = np.searchsorted(classes, y)
        front_end = self.front_end(X.shape[1])
        with one_thread(), one_thread():
            weights = train_under_softmax(
                front_end,
                X,
                targets,
                max_iter=self.max_iter,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate_init,
                rng=numpy_generator(self.random_state),
            )
        self._keep(weights, X.shape[1])
        self._n_features_out = int(self.n_components)
        self.n_iter_ = self.max_iter
        return self

    def adopt(self, weights, n_features):
        """Take over weights that were trained elsewhere, which makes the reducer a fitted one.

        Parameters
        ----------
        weights : ndarray of shape (n_parameters,)
            Flat weight vector of ``front_end(n_features)``; it is copied.
        n_features : int
            Number of pixels of the images that the weights were trained on.

        Returns
        -------
        self : object
            The fitted reducer.

        Raises
        ------
        ValueError
            If the number of weights is not that of the front-end.
        """
        expected = self.front_end(n_features).n_parameters
        if np.shape(weights) != (expected,):
            raise ValueError(
                f"weights has shape {np.shape(weights)}, but {self!r} has {expected} weights for "
                f"{n_features} features."
            )
        self._keep(np.array(weights), n_features)
        self.n_features_in_ = n_features
        self._n_features_out = int(self.n_components)
        for name in {"feature_names_in_", "n_iter_"}.intersection(vars(self)):
            delattr(self, name)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class FCReducer(TrainableReducer):
    """Fully connected layer with bias, the front-end of the paper's version 2.

    Works on all pixels, of every colour channel. Inside a student the layer is trained together
    with the circuit; on its own it is a supervised transformer, trained under a linear softmax
    head on cross-entropy with mini-batch Adam.

    Parameters
    ----------
    n_components : int, default=16
        Number of features that come out.
    image_shape : sequence of int, default=None
        Shape of one image. Not needed here; checked against X if given.
    max_iter : int, default=20
        Number of epochs.
    batch_size : int, default=32
        Number of samples per step.
    learning_rate_init : float, default=0.01
        Step size of Adam.
    random_state : int, RandomState instance or None, default=None
        Fixes the initial weights and the order of the samples.

    Attributes
    ----------
    coef_ : ndarray of shape (n_components, n_features)
        Weights.
    intercept_ : ndarray of shape (n_components,)
        Biases.
    n_iter_ : int
        Number of epochs run; absent where the weights were adopted.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X had string column names.

    References
    ----------
    Hasan and Mahdy, arXiv:2311.13810, version 2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklqkd import FCReducer
    >>> X, y = load_digits(return_X_y=True)
    >>> FCReducer(n_components=4, max_iter=1, random_state=0).fit_transform(X / 16, y).shape
    (1797, 4)
    """

    def __init__(
        self,
        n_components=16,
        image_shape=None,
        *,
        max_iter=20,
        batch_size=32,
        learning_rate_init=0.01,
        random_state=None,
    ):
        self.n_components = n_components
        self.image_shape = image_shape
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.random_state = random_state

    def front_end(self, n_features) -> LinearFrontEnd:
        """Return the trainable layer, which a student trains together with its circuit.

        Parameters
        ----------
        n_features : int
            Number of pixels of an image, over all channels.

        Returns
        -------
        front_end : LinearFrontEnd
            From rows of pixels to `n_components` features, with its gradient.
        """
        self._validate_params()
        self._check_shape(n_features)
        return LinearFrontEnd(n_features, self.n_components)

    def _keep(self, weights, n_features):
        n_components = int(self.n_components)
        split = n_components * n_features
        scale = LinearFrontEnd(n_features, n_components).scale
        self.coef_ = weights[:split].reshape(n_components, n_features) * scale
        self.intercept_ = weights[split:]

    def _transform(self, X):
        features = X @ self.coef_.T + self.intercept_
        return features.astype(X.dtype, copy=False)


class ConvReducer(TrainableReducer):
    """Small convolutional network, the front-end of the paper's version 1.

    Two convolutions with pooling and two fully connected layers, see
    :class:`~sklqkd.reducers.front_ends.ConvFrontEnd`: 21,483 weights for 28 x 28 grey-scale
    images and 3 features. Colour channels are the first convolution's input channels; sides
    below 16 pixels are padded with zeros. The features are the last layer's linear outputs.
    Inside a student the network is trained together with the circuit; on its own it is a
    supervised transformer, trained under a linear softmax head on cross-entropy with mini-batch
    Adam. Computed by torch.

    Parameters
    ----------
    n_components : int, default=16
        Number of features that come out.
    image_shape : sequence of int, default=None
        Shape of one image: (height, width), (channels, height, width) or (height, width,
        channels). ``None`` stands for a square (or the most square) grey-scale image.
    dropout : float, default=0.5
        Probability of dropping a channel, or a hidden unit, in training, in [0, 1).
    max_iter : int, default=20
        Number of epochs.
    batch_size : int, default=32
        Number of samples per step.
    learning_rate_init : float, default=0.003
        Step size of Adam.
    random_state : int, RandomState instance or None, default=None
        Fixes the initial weights, the order of the samples and the dropout.

    Attributes
    ----------
    weights_ : ndarray of shape (n_parameters,)
        Flat weight vector of the network, in the order of ``ConvFrontEnd.shapes``.
    image_layout_ : ImageLayout
        Size of the images seen during fit.
    n_iter_ : int
        Number of epochs run; absent where the weights were adopted.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X had string column names.

    References
    ----------
    Hasan and Mahdy, arXiv:2311.13810, version 1.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklqkd import ConvReducer
    >>> X, y = load_digits(return_X_y=True)
    >>> reducer = ConvReducer(n_components=4, max_iter=1, random_state=0)
    >>> reducer.fit(X[:100] / 16, y[:100]).transform(X / 16).shape
    (1797, 4)
    """

    _parameter_constraints: ClassVar[dict] = {
        **TrainableReducer._parameter_constraints,
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        n_components=16,
        image_shape=None,
        *,
        dropout=0.5,
        max_iter=20,
        batch_size=32,
        learning_rate_init=0.003,
        random_state=None,
    ):
        self.n_components = n_components
        self.image_shape = image_shape
        self.dropout = dropout
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.random_state = random_state

    def front_end(self, n_features) -> ConvFrontEnd:
        """Return the trainable network, which a student trains together with its circuit.

        Parameters
        ----------
        n_features : int
            Number of pixels of an image, over all channels.

        Returns
        -------
        front_end : ConvFrontEnd
            From rows of pixels to `n_components` features, with its gradient.
        """
        self._validate_params()
        layout = image_layout(n_features, self.image_shape)
        return ConvFrontEnd(layout, self.n_components, self.dropout)

    def _keep(self, weights, n_features):
        self.image_layout_ = image_layout(n_features, self.image_shape)
        self.weights_ = weights

    def _transform(self, X):
        network = ConvFrontEnd(self.image_layout_, self._n_features_out, self.dropout)
        # A copy: the stored weights may be a read-only memory map, which torch does not take.
        weights = self.weights_.astype(X.dtype)
        network.bind(weights, np.empty_like(weights))
        return network.forward(X)

    def _affine(self):
        raise ValueError(
            "ConvReducer has no ONNX graph here. Export the steps after it, and run it before; or "
            "take reducer='fc'."
        )
