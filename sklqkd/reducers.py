"""Reducers: from the pixels of an image to the few features that a quantum encoding takes.

scikit-learn transformers over rows of pixels. :class:`PCAReducer`, :class:`PoolingReducer` and
:class:`CenterCropReducer` are fixed before a student is trained; :class:`FCReducer` and
:class:`ConvReducer` hold trainable weights, which a student trains together with its circuit. All
of them give exactly ``n_components`` features.
"""

from __future__ import annotations

from contextlib import contextmanager
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .front_ends import ConvFrontEnd, LinearFrontEnd, centred_overlap, train_under_softmax
from .images import check_rows, image_layout, most_square_grid
from .threads import one_thread

__all__ = ["CenterCropReducer", "ConvReducer", "FCReducer", "PCAReducer", "PoolingReducer"]


@contextmanager
def _unchanged_on_error(estimator):
    # validate_data(reset=True) writes n_features_in_ before the rest of a fit can fail.
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__ = before
        raise


def _random_state(random_state):
    # scikit-learn reads None as NumPy's global generator, which is not ours to advance.
    return np.random.RandomState() if random_state is None else check_random_state(random_state)


class _Reducer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What the reducers share: checking X, and a fit that succeeds or leaves no trace."""

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "image_shape": [None, "array-like"],
    }
    _min_samples = 1

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Fit the reducer to `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted reducer.
        """
        with _unchanged_on_error(self):
            X = check_rows(self, X, ensure_min_samples=self._min_samples)
            self._fit(X)
            self._n_features_out = self.n_components
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
        return self._transform(check_rows(self, X, reset=False))

    def _check_shape(self, n_features):
        # PCA and FC use the pixels as they come: any number of them will do, but a shape that
        # was stated has to fit.
        if self.image_shape is not None:
            image_layout(n_features, self.image_shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class PCAReducer(_Reducer):
    """Project on the first principal components, and scale to a mean square norm of about 1.

    Works on all pixels, of every colour channel. Where X has fewer samples or features than
    `n_components`, the components that do not exist are zero, and so are their features.

    Parameters
    ----------
    n_components : int, default=16
        Number of features that come out.
    image_shape : sequence of int, default=None
        Shape of one image. Not needed here; checked against X if given.
    rescale : bool, default=True
        Divide all features by the square root of the total variance of X. The features keep their
        proportions, and their size suits an encoding whatever the size of the images. With
        ``False`` they are those of :class:`sklearn.decomposition.PCA`.
    whiten : bool, default=False
        Scale each feature to unit variance instead. Components without variance stay zero.
    svd_solver : {"auto", "full"}, default="auto"
        Solver of :class:`sklearn.decomposition.PCA`; "auto" is randomised for large X.
    random_state : int, RandomState instance or None, default=None
        Used by the randomised solver.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Principal axes, by decreasing variance; zero where X has no more.
    mean_ : ndarray of shape (n_features,)
        Mean of each pixel.
    explained_variance_, explained_variance_ratio_ : ndarray of shape (n_components,)
        Variance along each axis, and its share of the total.
    total_variance_ : float
        Sum of the variances of all pixels.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X had string column names.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklqkd import PCAReducer
    >>> X, _ = load_digits(return_X_y=True)
    >>> PCAReducer(n_components=4).fit_transform(X).shape
    (1797, 4)
    """

    _parameter_constraints: ClassVar[dict] = {
        **_Reducer._parameter_constraints,
        "rescale": ["boolean"],
        "whiten": ["boolean"],
        "svd_solver": [StrOptions({"auto", "full"})],
        "random_state": ["random_state"],
    }
    _min_samples = 2  # one sample has no variance

    def __init__(
        self,
        n_components=16,
        image_shape=None,
        *,
        rescale=True,
        whiten=False,
        svd_solver="auto",
        random_state=None,
    ):
        self.n_components = n_components
        self.image_shape = image_shape
        self.rescale = rescale
        self.whiten = whiten
        self.svd_solver = svd_solver
        self.random_state = random_state

    def _fit(self, X):
        self._check_shape(X.shape[1])
        pca = PCA(
            min(self.n_components, *X.shape),
            svd_solver=self.svd_solver,
            random_state=_random_state(self.random_state),
        )
        with np.errstate(invalid="ignore", divide="ignore"):  # equal rows have no variance
            pca.fit(X)
        missing = self.n_components - pca.n_components_
        self.mean_ = pca.mean_
        self.components_ = np.pad(pca.components_, [(0, missing), (0, 0)])
        self.total_variance_ = float(X.var(axis=0, dtype=np.float64, ddof=1).sum())
        self.explained_variance_ = np.pad(pca.explained_variance_, (0, missing))
        self.explained_variance_ratio_ = np.pad(
            np.nan_to_num(pca.explained_variance_ratio_), (0, missing)
        )

    def _transform(self, X):
        features = (X - self.mean_) @ self.components_.T
        if self.whiten:
            # A variance at the level of rounding errors would blow these errors up.
            variance = self.explained_variance_
            floor = variance[0] * len(self.mean_) * np.finfo(variance.dtype).eps
            scale = np.zeros_like(variance)
            np.divide(1, np.sqrt(variance), out=scale, where=variance > floor)
            features *= scale
        elif self.rescale and self.total_variance_ > 0:
            features /= np.sqrt(self.total_variance_)
        return features.astype(X.dtype, copy=False)


class PoolingReducer(_Reducer):
    """Mean or maximum over the regions of a grid.

    The image is split into `n_components` regions on the most square grid with no more rows than
    columns: 4 x 4 for 16, 2 x 4 for 8. Region i of an axis of H pixels in r parts runs from
    floor(i H / r) to floor((i + 1) H / r), so sides need not divide evenly; in an image with fewer
    pixels than parts, pixels are repeated. Colour images are averaged over the channels first.

    Parameters
    ----------
    n_components : int, default=16
        Number of features that come out, one per region, row by row.
    image_shape : sequence of int, default=None
        Shape of one image: (height, width), (channels, height, width) or (height, width,
        channels). ``None`` stands for a square (or the most square) grey-scale image.
    kind : {"average", "max"}, default="average"
        What is computed over a region.

    Attributes
    ----------
    image_layout_ : ImageLayout
        Size of the images seen during fit.
    grid_ : tuple of int
        Rows and columns of regions.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X had string column names.

    Examples
    --------
    >>> import numpy as np
    >>> from sklqkd import PoolingReducer
    >>> X = np.arange(16.0).reshape(1, 16)  # one image of 4 x 4 pixels
    >>> PoolingReducer(n_components=4).fit_transform(X)
    array([[ 2.5,  4.5, 10.5, 12.5]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **_Reducer._parameter_constraints,
        "kind": [StrOptions({"average", "max"})],
    }

    def __init__(self, n_components=16, image_shape=None, *, kind="average"):
        self.n_components = n_components
        self.image_shape = image_shape
        self.kind = kind

    def _fit(self, X):
        self.image_layout_ = image_layout(X.shape[1], self.image_shape)
        self.grid_ = most_square_grid(self.n_components)

    def _transform(self, X):
        pooled = self.image_layout_.grey(X)
        for axis, parts in enumerate(self.grid_, start=1):
            size = pooled.shape[axis]
            edges = np.arange(parts + 1) * size // parts
            # Where a start is repeated, reduceat takes that one pixel: the region of a small image.
            if self.kind == "max":
                pooled = np.maximum.reduceat(pooled, edges[:-1], axis=axis)
            else:
                pooled = np.add.reduceat(pooled, edges[:-1], axis=axis)
                widths = np.maximum(np.diff(edges), 1).astype(X.dtype)
                pooled /= widths[:, None] if axis == 1 else widths
        return pooled.reshape(len(X), -1)


class CenterCropReducer(_Reducer):
    """Cut out the patch of `n_components` pixels at the centre.

    The patch is as square as possible, with no more rows than columns. Images smaller than it are
    padded with zeros around; colour images are averaged over the channels first.

    Parameters
    ----------
    n_components : int, default=16
        Number of features that come out, one per pixel, row by row.
    image_shape : sequence of int, default=None
        Shape of one image: (height, width), (channels, height, width) or (height, width,
        channels). ``None`` stands for a square (or the most square) grey-scale image.

    Attributes
    ----------
    image_layout_ : ImageLayout
        Size of the images seen during fit.
    grid_ : tuple of int
        Rows and columns of the patch.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X had string column names.

    Examples
    --------
    >>> import numpy as np
    >>> from sklqkd import CenterCropReducer
    >>> X = np.arange(16.0).reshape(1, 16)  # one image of 4 x 4 pixels
    >>> CenterCropReducer(n_components=4).fit_transform(X)
    array([[ 5.,  6.,  9., 10.]])
    """

    def __init__(self, n_components=16, image_shape=None):
        self.n_components = n_components
        self.image_shape = image_shape

    def _fit(self, X):
        self.image_layout_ = image_layout(X.shape[1], self.image_shape)
        self.grid_ = most_square_grid(self.n_components)

    def _transform(self, X):
        grey = self.image_layout_.grey(X)
        rows, to_rows = centred_overlap(grey.shape[1], self.grid_[0])
        columns, to_columns = centred_overlap(grey.shape[2], self.grid_[1])
        patch = np.zeros((len(X), *self.grid_), X.dtype)
        patch[:, to_rows, to_columns] = grey[:, rows, columns]
        return patch.reshape(len(X), -1)


class _TrainableReducer(_Reducer):
    """A front-end with its weights: trained alone with a softmax head, or given by a student."""

    _parameter_constraints: ClassVar[dict] = {
        **_Reducer._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

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
            If `y` is missing or holds one class.
        """
        with _unchanged_on_error(self):
            X, y = check_rows(self, X, y)
            check_classification_targets(y)
            classes, targets = np.unique(y, return_inverse=True)
            if len(classes) < 2:
                raise ValueError(
                    f"y holds 1 class, {classes[0]!r}; {type(self).__name__} is trained to tell "
                    "classes apart and needs at least 2."
                )
            # Drawing seeds from the RandomState keeps scikit-learn's random_state contract, where
            # an instance moves on from fit to fit.
            seed = _random_state(self.random_state).randint(2**32, size=4, dtype=np.uint32)
            front_end = self.front_end(X.shape[1])
            with one_thread():
                weights = train_under_softmax(
                    front_end,
                    X,
                    targets,
                    max_iter=self.max_iter,
                    batch_size=self.batch_size,
                    learning_rate=self.learning_rate_init,
                    rng=np.random.default_rng(seed),
                )
            self._keep(weights, X.shape[1])
            self._n_features_out = self.n_components
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
        self._n_features_out = self.n_components
        for name in {"feature_names_in_", "n_iter_"}.intersection(vars(self)):
            delattr(self, name)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class FCReducer(_TrainableReducer):
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
        """Return the trainable layer for images of `n_features` pixels."""
        self._validate_params()
        self._check_shape(n_features)
        return LinearFrontEnd(n_features, self.n_components)

    def _keep(self, weights, n_features):
        split = self.n_components * n_features
        scale = LinearFrontEnd(n_features, self.n_components).scale
        self.coef_ = weights[:split].reshape(self.n_components, n_features) * scale
        self.intercept_ = weights[split:]

    def _transform(self, X):
        features = X @ self.coef_.T + self.intercept_
        return features.astype(X.dtype, copy=False)


class ConvReducer(_TrainableReducer):
    """Small convolutional network, the front-end of the paper's version 1.

    Two convolutions with pooling and two fully connected layers, see
    :class:`~sklqkd.front_ends.ConvFrontEnd`: 21,483 weights for 28 x 28 grey-scale images and 3
    features. Colour channels are the first convolution's input channels; sides below 16 pixels are
    padded with zeros. The features are the last layer's linear outputs. Inside a student the
    network is trained together with the circuit; on its own it is a supervised transformer,
    trained under a linear softmax head on cross-entropy with mini-batch Adam. Computed by torch.

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
        **_TrainableReducer._parameter_constraints,
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
        """Return the trainable network for images of `n_features` pixels."""
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
