"""The steps of a classical twin that scikit-learn does not have: a scale, and the terms."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._sklearn import Interval, StrOptions, _check_feature_names_in, _fit_context
from ..atomic import unchanged_on_error
from ..encodings import ENCODINGS, make_encoding
from ..feature_scaling import fit_feature_scale, scaled
from ..images import check_rows
from ..onnx_export import shape_calculator
from ..persistence import VersionedState
from . import onnx_graphs
from .fourier import FourierTerms
from .terms import Terms, make_terms

__all__ = ["EncodingFeatures", "FeatureScaler", "FourierFeatures"]


class FeatureScaler(VersionedState, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Bring columns into the range in which an encoding tells them apart, as students do.

    ``(X - offset) * factor`` for each column, by the rules of :mod:`sklqkd.feature_scaling`.

    Parameters
    ----------
    centred : bool, default=False
        Whether a range around 0 serves what follows, rather than one from 0 up: a trained reducer,
        or classical layers.
    keep_dtype : bool, default=False
        Whether float32 stays float32, as in front of a trained reducer; else float64 comes out.

    Attributes
    ----------
    feature_scale_ : ndarray of shape (2, n_features) or None
        Offsets and factors; ``None`` leaves the columns as they are.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X had string column names.

    See Also
    --------
    EncodingFeatures : What follows it in a student's classical twin.

    Examples
    --------
    >>> from sklqkd.twin import FeatureScaler
    >>> FeatureScaler().fit_transform([[0.0, 51.0], [255.0, 0.0]])
    array([[0. , 0.2],
           [1. , 0. ]])
    """

    _parameter_constraints: ClassVar[dict] = {"centred": ["boolean"], "keep_dtype": ["boolean"]}

    def __init__(self, *, centred=False, keep_dtype=False):
        self.centred = centred
        self.keep_dtype = keep_dtype

    @unchanged_on_error
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Find the ranges of the columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        X = check_rows(self, X)
        self.feature_scale_ = fit_feature_scale(X, centred=self.centred)
        return self

    def transform(self, X):
        """Return the columns of `X`, scaled.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        X_scaled : ndarray of shape (n_samples, n_features)
            In float64; with `keep_dtype` in the dtype of `X`, if that is float32.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        return scaled(X, self.feature_scale_).astype(X.dtype if self.keep_dtype else float)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "feature_scale_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        kept = ["float64", "float32"] if self.keep_dtype else []
        tags.transformer_tags.preserves_dtype = kept
        return tags

    def onnx_shape_calculator(self):
        """Return what tells skl2onnx the shape of the output."""
        return shape_calculator(lambda model: model.n_features_in_)

    def onnx_converter(self):
        """Return what writes the step as ONNX, for skl2onnx."""
        return onnx_graphs.scaler


class _TermsTransformer(VersionedState, TransformerMixin, BaseEstimator):
    """From features to terms, which ``_terms()`` says; ``_check_width`` what it may be given."""

    @unchanged_on_error
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Take note of the number of features; nothing else is learnt.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If these are more features than it takes.
        """
        check_rows(self, X)
        return self._accept(self.n_features_in_)

    def _accept(self, n_features):
        """Become a fitted transformer of so many features."""
        self._check_width(n_features)
        self.n_features_in_ = n_features
        self.n_terms_ = self._terms().n_terms
        return self

    def transform(self, X):
        """Return the terms of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        terms : ndarray of float64, shape (n_samples, `n_terms_`)
            Each row has norm 1.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        return self._terms().values(np.asarray(X, float))

    def get_feature_names_out(self, input_features=None):
        """Return what each term is.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features; ``None`` for those seen in fit, or x0, x1, ... They stand for
            the amplitudes, or for the angles.

        Returns
        -------
        names : ndarray of object, shape (`n_terms_`,)
            Such as "x0^2", "x0 x1" or "cos(x0) sin(x1)".
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return np.array(self._terms().names(list(names)), dtype=object)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_terms_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def onnx_shape_calculator(self):
        """Return what tells skl2onnx the shape of the output."""
        return shape_calculator(lambda model: model.n_terms_)

    def onnx_converter(self):
        """Return what writes the step as ONNX, for skl2onnx."""
        return onnx_graphs.terms


class EncodingFeatures(_TermsTransformer):
    """The real numbers that an encoded quantum state consists of, as classical features.

    Whatever a circuit does after the encoding, and whatever is measured, the result is linear in
    these terms: a linear classifier on them is a student with the best circuit there is, without
    one. Features are squashed with tanh first, as the encodings do. Rows have norm 1, and the inner
    product of two is the fidelity ``|<psi(x)|psi(x')>|^2`` of the states: a kernel method on them
    has the quantum kernel of the encoding.

    Parameters
    ----------
    encoding : {"amplitude", "angle", "qubit", "hadamard_ry", "iqp", "zz"} or callable, \
default="amplitude"
        Which encoding, see :mod:`sklqkd.encodings`. Of d features come

        - "amplitude": the products ``u_i u_j`` of ``u = tanh(x) / ||tanh(x)||``, d (d + 1) / 2;
        - "angle", "hadamard_ry": all products with one of 1, cos and sin of ``pi tanh(x)`` from
          each feature, 3^d;
        - "qubit": all products with one of 1 and the three coordinates on the Bloch sphere from
          each qubit, 4^n;
        - any other: the entries of the density matrix, 4^n.
    n_qubits : int, default=None
        Number of qubits; ``None`` for as few as the features need, with an encoding that has a
        name.

    Attributes
    ----------
    n_terms_ : int
        Number of terms.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X had string column names.

    See Also
    --------
    sklqkd.QNNClassifier.to_classical : A fitted student as a pipeline that ends in these terms.
    sklqkd.evaluation.encoding_ceiling : The best that any circuit makes of them.

    Notes
    -----
    A prediction holds all terms of all samples: predict many samples in batches.

    References
    ----------
    Schuld, Sweke and Meyer, arXiv:2008.08605; Schreiber, Eisert and Meyer, "Classical surrogates
    for quantum learning models", arXiv:2206.11740.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklqkd import PCAReducer
    >>> from sklqkd.datasets import load_digits
    >>> from sklqkd.twin import EncodingFeatures, FeatureScaler
    >>> X, y = load_digits(return_X_y=True)
    >>> head = LogisticRegression(C=100, max_iter=500)
    >>> trained_directly = make_pipeline(
    ...     PCAReducer(16), FeatureScaler(), EncodingFeatures(), head
    ... ).fit(X[:1200], y[:1200])
    >>> trained_directly[-1].n_features_in_, trained_directly.score(X[1200:], y[1200:]) > 0.9
    (136, True)
    """

    _parameter_constraints: ClassVar[dict] = {
        "encoding": [StrOptions(set(ENCODINGS)), callable],
        "n_qubits": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, encoding="amplitude", *, n_qubits=None):
        self.encoding = encoding
        self.n_qubits = n_qubits

    def _check_width(self, n_features):
        n_qubits = self._n_qubits(n_features)
        encoding = make_encoding(self.encoding, n_qubits)
        if encoding.shape is not None:
            raise ValueError(
                f"The encoding {self.encoding!r} has weights of the shape {encoding.shape}, and "
                "encodes nothing before they are trained. Take the twin of a fitted student."
            )
        most = encoding.n_features
        if n_features > most:
            raise ValueError(
                f"X has {n_features} features, but encoding={self.encoding!r} on "
                f"n_qubits={n_qubits} takes {most}. Reduce X, or set n_qubits=None."
            )

    def _n_qubits(self, n_features):
        if self.n_qubits is not None:
            return int(self.n_qubits)
        if callable(self.encoding):
            raise ValueError(
                f"n_qubits=None is for the encodings with a name; say how many {self.encoding!r} "
                "acts on, such as n_qubits=4."
            )
        n_qubits = 1
        while make_encoding(self.encoding, n_qubits).n_features < n_features and n_qubits < 32:
            n_qubits += 1
        return n_qubits

    def _terms(self) -> Terms:
        n_features = self.n_features_in_
        return make_terms(self.encoding, n_features, self._n_qubits(n_features))


class FourierFeatures(_TermsTransformer):
    """A finite Fourier series of the features' angles: what a circuit with re-uploading is made of.

    All products with one of ``1, cos(k a), sin(k a)`` for each monomial a of the angles
    ``pi tanh(x)``, and the frequencies k of it.

    Parameters
    ----------
    monomials : sequence of tuple of int
        Each the features that are multiplied, such as ``[(0,), (1,), (0, 1)]``.
    frequencies : sequence of array-like
        For each monomial the frequencies from 0 up, such as ``[0, 1, 2]`` for two uploads.

    Attributes
    ----------
    n_terms_ : int
        Number of terms.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X had string column names.

    References
    ----------
    Schuld, Sweke and Meyer, arXiv:2008.08605.

    Examples
    --------
    >>> from sklqkd.twin import FourierFeatures
    >>> features = FourierFeatures(monomials=[(0,), (1,)], frequencies=[[0, 1, 2], [0, 1, 2]])
    >>> features.fit_transform([[0.1, 0.2]]).shape
    (1, 25)
    """

    _parameter_constraints: ClassVar[dict] = {
        "monomials": [list, tuple],
        "frequencies": [list, tuple],
    }

    def __init__(self, monomials=((0,),), frequencies=((0, 1),)):
        self.monomials = monomials
        self.frequencies = frequencies

    def _check_width(self, n_features):
        if len(self.monomials) != len(self.frequencies):
            raise ValueError(
                f"There are {len(self.monomials)} monomials and {len(self.frequencies)} lists of "
                "frequencies. Give one list for each monomial."
            )
        for given in self.frequencies:
            if len(given) == 0 or given[0] != 0 or (np.diff(given) <= 0).any():
                raise ValueError(f"The frequencies {list(given)} do not rise from 0 on.")
        needed = 1 + max((f for monomial in self.monomials for f in monomial), default=-1)
        if n_features < needed:
            raise ValueError(
                f"X has {n_features} features, but the monomials are of {needed} of them."
            )

    def _terms(self) -> Terms:
        return FourierTerms(self.monomials, self.frequencies, self.n_features_in_)
