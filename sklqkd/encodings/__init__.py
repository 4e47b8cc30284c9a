"""Encodings: from a row of features to a quantum state, with the gradient back to the features.

Every encoding first squashes its features with tanh (section 3.4 of arXiv:2311.13810, where the
front-end ends in ``pi * tanh`` too). A student brings features that are not trained into tanh's
range before, column by column: ``(features - offset) * factor``, with the rules of
:mod:`sklqkd.feature_scaling`. States have shape (2^n, batch), wire 0 in the most significant bit.

An encoding is one class, which says its state, its gates (fixed ones, whose angles are functions of
the features, so that a circuit is built and transpiled once for all images, and noise acts on the
preparation too) and its torch form.
"""

from __future__ import annotations

from .amplitude import AmplitudeEncoding
from .base import Encoding, Preparation
from .product import ProductEncoding

__all__ = [
    "ENCODINGS",
    "AmplitudeEncoding",
    "Encoding",
    "Preparation",
    "ProductEncoding",
    "make_encoding",
]

ENCODINGS = ("amplitude", "angle", "qubit", "hadamard_ry")


def make_encoding(name: str, n_qubits: int) -> Encoding:
    """Return the encoding of that name.

    Parameters
    ----------
    name : {"amplitude", "angle", "qubit", "hadamard_ry"}
    n_qubits : int

    Returns
    -------
    encoding : Encoding

    Raises
    ------
    ValueError
        For an unknown name.

    Examples
    --------
    >>> make_encoding("amplitude", 4).n_features, make_encoding("qubit", 4).n_features
    (16, 8)
    """
    if name not in ENCODINGS:
        raise ValueError(
            f"encoding={name!r} is not known. Choose one of {', '.join(map(repr, ENCODINGS))}."
        )
    if name == "amplitude":
        return AmplitudeEncoding(n_qubits)
    return ProductEncoding(n_qubits, name)
