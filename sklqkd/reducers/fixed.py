"""Reducers that are fixed before a student is trained: PCA, pooling, centre crop."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.decomposition import PCA

from .._sklearn import StrOptions
from ..images import image_layout, most_square_grid
from ..random_states import random_generator
from .base import Reducer
from .front_ends import centred_overlap

__all__ = ["CenterCropReducer", "PCAReducer", "PoolingReducer"]


class PCAReducer(Reducer):
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
        **Reducer._parameter_constraints,
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
            random_state=random_generator(self.random_state),
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


class PoolingReducer(Reducer):
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
        **Reducer._parameter_constraints,
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

    def _affine(self):
        if self.kind == "max":
            raise ValueError(
                "PoolingReducer(kind='max') has no ONNX graph here, nor has reducer='max_pool'. "
                "Pool by the mean, or export the steps after it and pool before."
            )
        return super()._affine()


class CenterCropReducer(Reducer):
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
