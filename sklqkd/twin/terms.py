"""What the logits of a circuit are made of: the real numbers that an encoded state consists of.

A logit of a student is ``<psi(x)| M |psi(x)>`` with a Hermitian M that ansatz, measurement and head
make up. It is linear in the entries of ``|psi><psi|``, and these are few known functions of the
features, the *terms*: quadratic ones of amplitudes (:class:`QuadraticTerms`), products of sines and
cosines of angles (:class:`ProductTerms`). So a logit that is asked for at as many points as there
are terms is known everywhere (:meth:`Terms.coefficients`), whatever circuit is behind it.

Terms are scaled so that each row has norm 1. The inner product of two rows is then the fidelity
``|<psi(x)|psi(x')>|^2`` of the states, and the norm of a logit's coefficients that of M.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import comb, prod
from typing import NamedTuple, Protocol

import numpy as np

from ..encodings import make_encoding

__all__ = [
    "WITH_TERMS",
    "Factor",
    "ProductTerms",
    "QuadraticTerms",
    "StateTerms",
    "Terms",
    "make_terms",
    "sphere",
    "trigonometric",
]

#: The encodings whose terms are functions of few features each.
WITH_TERMS = ("amplitude", "angle", "qubit", "hadamard_ry")
#: Products of a block of samples that the processor's cache holds.
CACHE = 2**16


class Terms(Protocol):
    """The functions of the features that every logit behind an encoding is linear in.

    Attributes
    ----------
    n_terms : int
    """

    n_terms: int

    def values(self, features: np.ndarray) -> np.ndarray:
        """Return the terms of `features` (n_samples, n_features), (n_samples, n_terms)."""

    def names(self, features: Sequence[str]) -> list[str]:
        """Return what each term is, of features with these names."""

    def probes(self, rows: np.ndarray) -> np.ndarray:
        """Return some of the `n_terms` points that tell logits apart, (n_rows, n_features)."""

    def coefficients(self, logits: np.ndarray) -> np.ndarray:
        """Return the coefficients, (n_classes, n_terms), of logits at all of the points.

        `logits` has the shape (n_terms, n_classes).
        """


class QuadraticTerms:
    """Products of two amplitudes ``u = tanh(x) / ||tanh(x)||``: ``u_i^2``, ``sqrt(2) u_i u_j``.

    A row of zeros counts as the first basis state, as in
    :class:`sklqkd.encodings.AmplitudeEncoding`.

    Parameters
    ----------
    n_features : int
        d; there are d (d + 1) / 2 terms.

    Examples
    --------
    >>> import numpy as np
    >>> QuadraticTerms(2).values(np.array([[1.0, 1.0], [0.0, 0.0]])).round(3)
    array([[0.5  , 0.707, 0.5  ],
           [1.   , 0.   , 0.   ]])
    """

    def __init__(self, n_features: int):
        self.n_features = n_features
        self.n_terms = comb(n_features + 1, 2)

    @cached_property
    def _pairs(self):
        return np.triu_indices(self.n_features)

    def values(self, features):
        """See :meth:`Terms.values`."""
        amplitudes = np.tanh(features.T)
        norms = np.sqrt(np.einsum("fb,fb->b", amplitudes, amplitudes))
        is_black = norms < np.sqrt(np.finfo(norms.dtype).tiny)
        amplitudes /= np.where(is_black, 1, norms)
        amplitudes[:, is_black] = 0
        amplitudes[0, is_black] = 1
        values = np.empty((len(features), self.n_terms))
        rows = max(1, CACHE // self.n_terms)
        for first in range(0, len(features), rows):
            self._multiply(amplitudes[:, first : first + rows], values[first : first + rows])
        return values

    def _multiply(self, amplitudes, values):
        products = np.empty((self.n_terms, amplitudes.shape[1]))
        start = 0
        for i, amplitude in enumerate(amplitudes):
            stop = start + self.n_features - i
            np.multiply(amplitude, amplitude, out=products[start])
            others = amplitudes[i + 1 :]
            np.multiply(np.sqrt(2) * amplitude, others, out=products[start + 1 : stop])
            start = stop
        values[...] = products.T

    def names(self, features):
        """See :meth:`Terms.names`."""
        return [
            f"{features[i]}^2" if i == j else f"{features[i]} {features[j]}"
            for i, j in zip(*self._pairs, strict=True)
        ]

    def probes(self, rows):
        """See :meth:`Terms.probes`: each basis state, and the mean of each two."""
        points = np.zeros((len(rows), self.n_features))
        for side in self._pairs:
            points[np.arange(len(rows)), side[rows]] = np.arctanh(0.5)
        return points

    def coefficients(self, logits):
        """See :meth:`Terms.coefficients`: by polarisation."""
        first, second = self._pairs
        squares = logits[first == second]
        mixed = np.sqrt(2) * (logits - (squares[first] + squares[second]) / 2)
        return np.where((first == second)[:, None], logits, mixed).T


class StateTerms:
    """The density matrix ``|psi><psi|`` of any encoding, as 4^n real numbers.

    Squared moduli of the amplitudes, and sqrt(2) times real and imaginary part of the products of
    two.

    Parameters
    ----------
    encoding : sklqkd.encodings.Encoding
        Without trained weights.
    """

    def __init__(self, encoding):
        self._encoding = encoding
        self.n_terms = 4**encoding.n_qubits

    @cached_property
    def _pairs(self):
        return np.triu_indices(2**self._encoding.n_qubits, 1)

    def values(self, features):
        """See :meth:`Terms.values`."""
        states = self._encoding.forward(np.asarray(features, float))
        first, second = self._pairs
        mixed = np.sqrt(2) * states[first].conj() * states[second]
        return np.concatenate([np.abs(states) ** 2, mixed.real, mixed.imag]).T

    def names(self, features):
        """See :meth:`Terms.names`; they are of the basis states, whatever the features."""
        size = 2**self._encoding.n_qubits
        pairs = [f"rho[{i}, {j}]" for i, j in zip(*self._pairs, strict=True)]
        real, imaginary = ([f"{part} {pair}" for pair in pairs] for part in ("Re", "Im"))
        return [*(f"rho[{i}, {i}]" for i in range(size)), *real, *imaginary]

    def probes(self, rows):
        """Return states, their real parts and then their imaginary parts, (n_rows, 2 * 2^n).

        Each basis state, the mean of each two, and that with the second one times i.
        """
        size, (first, second) = 2**self._encoding.n_qubits, self._pairs
        states = np.zeros((len(rows), 2 * size))
        is_basis = rows < size
        states[is_basis, rows[is_basis]] = 1
        pair, is_turned = (
            np.where(is_basis, 0, rows - size) % max(1, len(first)),
            (rows >= size + len(first)),
        )
        at = np.flatnonzero(~is_basis)
        states[at, first[pair[at]]] = np.sqrt(0.5)
        states[at, second[pair[at]] + size * is_turned[at]] = np.sqrt(0.5)
        return states

    def coefficients(self, logits):
        """See :meth:`Terms.coefficients`: by polarisation."""
        first, second = self._pairs
        squares, mixed = np.split(logits, [2**self._encoding.n_qubits])
        means = np.tile((squares[first] + squares[second]) / 2, (2, 1))
        return np.concatenate([squares, np.sqrt(2) * (mixed - means)]).T


class Factor(NamedTuple):
    """Functions of a feature or two, each a product of ``cos(k a + s)`` with ``a = pi tanh(x)``.

    Attributes
    ----------
    columns : tuple of int
        Which features.
    multiples, shifts : ndarray of shape (n_columns, n_functions)
        k and s.
    points : ndarray of shape (n_functions, n_columns)
        Angles at which the functions, as vectors, are linearly independent.
    degree : int
        The sum of the squares of the functions, less 1.
    names : tuple of str
        What each function is, with a place for each feature's name.
    """

    columns: tuple[int, ...]
    multiples: np.ndarray
    shifts: np.ndarray
    points: np.ndarray
    degree: int
    names: tuple[str, ...]

    def values(self, angles):
        """Return the functions of the angles of some samples, (n_functions, n_samples)."""
        waves = np.cos(self.multiples[:, :, None] * angles.T[:, None] + self.shifts[:, :, None])
        return waves.prod(axis=0) / np.sqrt(1 + self.degree)


def trigonometric(column: int, degree: int = 1) -> Factor:
    """Return ``1, cos(a), sin(a), ..., cos(L a), sin(L a)`` of one feature; L is the degree."""
    k = (np.arange(2 * degree + 1) + 1) // 2
    is_sine = (np.arange(len(k)) % 2 == 0) & (k > 0)
    points = 2 * np.pi * np.arange(-degree, degree + 1)[:, None] / len(k)
    times = ["", *(f"{m} " if m > 1 else "" for m in k[1:])]
    names = [f"{'sin' if s else 'cos'}({m}{{}})" for s, m in zip(is_sine, times, strict=True)]
    shifts = np.where(is_sine, -np.pi / 2, 0.0)
    return Factor((column,), k[None], shifts[None], points, degree, ("", *names[1:]))


def sphere(columns: tuple[int, int]) -> Factor:
    """Return 1 and the Bloch vector of a qubit that RY(a) and RZ(b) turned."""
    multiples = np.array([[0, 1, 1, 1], [0, 0, 1, 1]])
    shifts = np.array([[0, 0, -np.pi / 2, -np.pi / 2], [0, 0, 0, -np.pi / 2]])
    polar, turn = 2 * np.arccos(1 / np.sqrt(3)), 2 * np.pi / 3  # a tetrahedron's corners
    points = np.array([[0, 0], [polar, -turn], [polar, 0], [polar, turn]])
    names = ("", "cos({})", "sin({}) cos({})", "sin({}) sin({})")
    return Factor(columns, multiples, shifts, points, 1, names)


class ProductTerms:
    """All products of one function of each factor.

    Parameters
    ----------
    factors : sequence of Factor
        No feature is in two of them.
    n_features : int

    Examples
    --------
    >>> terms = ProductTerms([trigonometric(0), trigonometric(1)], 2)
    >>> terms.names(["a", "b"])[:5]
    ['1', 'cos(b)', 'sin(b)', 'cos(a)', 'cos(a) cos(b)']
    """

    def __init__(self, factors, n_features: int):
        self.factors = list(factors)
        self.n_features = n_features
        self.shape = tuple(len(factor.points) for factor in self.factors)
        self.n_terms = prod(self.shape)

    def angles(self, features):
        """Return the angles of some samples that the factors are functions of."""
        return np.pi * np.tanh(features)

    def values(self, features):
        """See :meth:`Terms.values`."""
        angles = self.angles(features)
        values = np.ones((1, len(features)))
        for factor in self.factors:
            functions = factor.values(angles[:, factor.columns])
            values = (values[:, None] * functions).reshape(-1, len(features))
        return values.T

    def names(self, features):
        """See :meth:`Terms.names`."""
        names = [""]
        for factor in self.factors:
            given = [features[column] for column in factor.columns]
            functions = [name.format(*given) for name in factor.names]
            names = [f"{before} {name}".strip() for before in names for name in functions]
        return [name or "1" for name in names]

    def probes(self, rows):
        """See :meth:`Terms.probes`: a grid."""
        points = np.zeros((len(rows), self.n_features))
        places = np.unravel_index(rows, self.shape)
        for factor, place in zip(self.factors, places, strict=True):
            points[:, factor.columns] = np.arctanh(factor.points[place] / np.pi)
        return points

    def coefficients(self, logits):
        """See :meth:`Terms.coefficients`: by interpolation along each factor."""
        tensor = logits.T.reshape(-1, *self.shape)
        for axis, factor in enumerate(self.factors, start=1):
            # Point p has the value sum_t values[t, p] coefficient_t.
            inverse = np.linalg.inv(factor.values(factor.points).T)
            tensor = np.moveaxis(np.tensordot(inverse, tensor, (1, axis)), 0, axis)
        return tensor.reshape(-1, self.n_terms)


def make_terms(encoding, n_features: int, n_qubits: int) -> Terms:
    """Return the terms of an encoding.

    Parameters
    ----------
    encoding : str or callable
        As for :func:`sklqkd.encodings.make_encoding`.
    n_features : int
        How many it is given; missing ones count as 0.
    n_qubits : int

    Returns
    -------
    terms : Terms
        d (d + 1) / 2 for amplitude encoding of d features, 3^d for an angle each; for "qubit" 3
        for each qubit with one feature and 4 for each with two, multiplied; 4^n for any other.

    Examples
    --------
    >>> make_terms("amplitude", 16, 4).n_terms, make_terms("qubit", 8, 4).n_terms
    (136, 256)
    """
    if not isinstance(encoding, str) or encoding not in WITH_TERMS:
        return StateTerms(make_encoding(encoding, n_qubits))
    if encoding == "amplitude":
        return QuadraticTerms(n_features)
    spheres = [sphere((q, n_qubits + q)) for q in range(n_features - n_qubits)]
    angles = [trigonometric(q) for q in range(len(spheres), min(n_features, n_qubits))]
    return ProductTerms([*spheres, *angles], n_features)
