"""Encodings: from a row of features to a quantum state, with the gradient back to the features.

Every encoding first squashes its features with tanh (section 3.4 of arXiv:2311.13810, where the
front-end ends in ``pi * tanh`` too). A student brings features that are not trained into tanh's
range before, column by column: ``(features - offset) * factor``, with the rules of
:mod:`sklqkd.feature_scaling`. States have shape (2^n, batch), wire 0 in the most significant bit.

An encoding is one class, which says its state, its gates (fixed ones, whose angles are functions of
the features, so that a circuit is built and transpiled once for all images, and noise acts on the
preparation too) and its torch form. Of all but the amplitude encoding the gates' angles are
polynomials of ``pi * tanh(x)``, so that they can be repeated (data re-uploading) and, with others,
run by :class:`sklqkd.statevector.sampled.SampledKernel`.

The user's own is a PennyLane embedding template or a function ``f(features, wires)`` of these
angles, or ``f(features, weights, wires)`` with the `shape` of weights that are trained; its
`n_features`, a number or a function of the number of qubits, is one per qubit unless stated. It is
traced by :func:`sklqkd.circuits.data_templates.data_template`, which says what it may do.
"""

from __future__ import annotations

from collections.abc import Callable

from ..circuits.data_templates import data_template
from .amplitude import AmplitudeEncoding
from .base import Encoding, Preparation
from .gates import GateEncoding
from .iqp import IQPEncoding
from .product import ProductEncoding
from .zz import ZZEncoding

__all__ = [
    "ENCODINGS",
    "AmplitudeEncoding",
    "Encoding",
    "GateEncoding",
    "IQPEncoding",
    "Preparation",
    "ProductEncoding",
    "ZZEncoding",
    "make_encoding",
]

_MADE: dict[str, Callable[[int], Encoding]] = {
    "amplitude": AmplitudeEncoding,
    "angle": lambda n_qubits: ProductEncoding(n_qubits, "angle"),
    "qubit": lambda n_qubits: ProductEncoding(n_qubits, "qubit"),
    "hadamard_ry": lambda n_qubits: ProductEncoding(n_qubits, "hadamard_ry"),
    "iqp": IQPEncoding,
    "zz": ZZEncoding,
}
ENCODINGS = tuple(_MADE)


def make_encoding(encoding: str | Callable, n_qubits: int, n_layers: int = 1) -> Encoding:
    """Return an encoding.

    Parameters
    ----------
    encoding : {"amplitude", "angle", "qubit", "hadamard_ry", "iqp", "zz"} or callable
    n_qubits : int
    n_layers : int, default=1
        What the `shape` of a callable's weights is asked with.

    Returns
    -------
    encoding : Encoding

    Raises
    ------
    ValueError
        For an unknown name, or a callable that cannot be traced.

    Examples
    --------
    >>> make_encoding("amplitude", 4).n_features, make_encoding("qubit", 4).n_features
    (16, 8)
    """
    if callable(encoding):
        return GateEncoding(*data_template(encoding, n_qubits, n_layers))
    if encoding not in ENCODINGS:
        raise ValueError(
            f"encoding={encoding!r} is not known. Choose one of "
            f"{', '.join(map(repr, ENCODINGS))}, or pass a PennyLane embedding template or a "
            "function f(features, wires)."
        )
    return _MADE[encoding](n_qubits)
