"""What all reducers share."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._sklearn import Interval, _fit_context
from ..atomic import as_it_stands, unchanged_on_error
from ..images import check_rows, image_layout
from ..onnx_export import affine, shape_calculator
from ..persistence import VersionedState

__all__ = ["Reducer"]


class Reducer(VersionedState, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What the reducers share: checking X, and a fit that succeeds or leaves no trace."""

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [Interval(Integral, 1, 2**20, closed="both")],  # as many as 20 qubits take
        "image_shape": [None, "array-like"],
    }
    _min_samples = 1

    @unchanged_on_error
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
        X = check_rows(self, X, ensure_min_samples=self._min_samples)
        self._fit(X)
        self._n_features_out = int(self.n_components)
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
        reducer = as_it_stands(self)
        check_is_fitted(reducer)
        return reducer._transform(check_rows(reducer, X, reset=False))

    def onnx_shape_calculator(self):
        """Return what tells skl2onnx the shape of the output."""
        return shape_calculator(lambda model: model._n_features_out)

    def onnx_converter(self):
        """Return what writes the reducer as ONNX, for skl2onnx."""
        return affine(type(self)._affine)

    def _affine(self):
        """Return the coefficients, (n_components, n_features), and intercepts of the reducer."""
        intercept = self._transform(np.zeros((1, self.n_features_in_)))
        return (self._transform(np.eye(self.n_features_in_)) - intercept).T, intercept[0]

    def _check_shape(self, n_features):
        # PCA and FC use the pixels as they come: any number of them will do, but a shape that
        # was stated has to fit.
        if self.image_shape is not None:
            image_layout(n_features, self.image_shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
