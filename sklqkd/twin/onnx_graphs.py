"""The steps of a classical twin as ONNX graphs."""

from __future__ import annotations

import numpy as np

from ..onnx_export import converter
from .fourier import FourierTerms
from .terms import QuadraticTerms, StateTerms

__all__ = ["scaler", "terms"]


@converter
def scaler(model, x, apply, dtype):
    """Write a :class:`sklqkd.twin.FeatureScaler`."""
    if model.feature_scale_ is None:
        return x
    offset, factor = model.feature_scale_
    return apply("Mul", apply("Sub", x, offset[None]), factor[None])


@converter
def terms(model, x, apply, dtype):
    """Write a :class:`sklqkd.twin.EncodingFeatures`."""
    terms = model._terms()
    squashed = apply("Tanh", x)
    if isinstance(terms, QuadraticTerms):
        return _quadratic(terms, squashed, apply, dtype)
    if isinstance(terms, StateTerms):
        raise ValueError(
            f"EncodingFeatures(encoding={model.encoding!r}) has no ONNX graph here: its terms are "
            "entries of a simulated state. Export the classifier behind it."
        )
    angles = apply("Mul", squashed, np.array([np.pi]))
    if isinstance(terms, FourierTerms):
        angles = _monomials(terms, angles, apply)
    values = None
    for factor in terms.factors:
        functions = None
        for column, multiples, shifts in zip(
            factor.columns, factor.multiples, factor.shifts, strict=True
        ):
            angle = apply("Gather", angles, np.array([column]), axis=1)
            moved = apply("Add", apply("Mul", angle, multiples[None] * 1.0), shifts[None])
            wave = apply("Cos", moved)
            functions = wave if functions is None else apply("Mul", functions, wave)
        functions = apply("Mul", functions, np.array([1 / np.sqrt(1 + factor.degree)]))
        if values is None:
            values = functions
            continue
        left = apply("Unsqueeze", values, np.array([2]))
        right = apply("Unsqueeze", functions, np.array([1]))
        values = apply("Flatten", apply("Mul", left, right), axis=1)
    return values


def _monomials(terms, angles, apply):
    columns = []
    for monomial in terms.monomials:
        product = None
        for feature in monomial:
            angle = apply("Gather", angles, np.array([feature]), axis=1)
            product = angle if product is None else apply("Mul", product, angle)
        columns.append(product)
    return apply("Concat", *columns, axis=1)


def _quadratic(terms, squashed, apply, dtype):
    first, second = np.triu_indices(terms.n_features)
    squares = apply("ReduceSum", apply("Mul", squashed, squashed), np.array([1]), keepdims=1)
    norms = apply("Sqrt", squares)
    is_black = apply("Less", norms, np.sqrt(np.array([[np.finfo(dtype).tiny]])))
    amplitudes = apply("Div", squashed, apply("Where", is_black, np.ones((1, 1)), norms))
    amplitudes = apply("Where", is_black, np.eye(1, terms.n_features), amplitudes)
    pairs = [apply("Gather", amplitudes, side, axis=1) for side in (first, second)]
    return apply("Mul", apply("Mul", *pairs), np.where(first == second, 1, np.sqrt(2))[None])
