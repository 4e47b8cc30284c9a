"""The Fourier series that a circuit with data re-uploading is, of finitely many frequencies.

A gate that turns by an angle a adds frequencies -1, 0 and 1 of a to every expectation value, a
controlled rotation -1/2 and 1/2 too (Schuld, Sweke and Meyer, arXiv:2008.08605). An angle is a sum
of monomials of features, ``pi tanh(x)`` each, with known coefficients. So the logits are a Fourier
series in the monomials: L uploads of a feature give it the frequencies 0 to L, trained scales their
sums and differences.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import qr

from .terms import Factor, ProductTerms

__all__ = ["FourierTerms", "series_factor", "sums_of_frequencies"]

#: Frequencies that differ by less are one; what is less apart than this cannot be told apart.
SAME, CLOSE = 1e-9, 1e-3


class FourierTerms(ProductTerms):
    """Products of 1, cosines and sines of multiples of monomials of the features.

    Parameters
    ----------
    monomials : sequence of tuple of int
        Each the features whose angles ``pi tanh(x)`` are multiplied.
    frequencies : sequence of array-like
        For each of them the frequencies, from 0 up.
    n_features : int

    Attributes
    ----------
    reaches : list of float
        For each monomial what its probes are scaled by, to be within the range of angles.

    Examples
    --------
    >>> terms = FourierTerms([(0,), (0, 1)], [[0, 1], [0, 2]], 2)
    >>> terms.names(["a", "b"])[:4]
    ['1', 'cos(2 a b)', 'sin(2 a b)', 'cos(a)']
    """

    def __init__(self, monomials: Sequence[tuple[int, ...]], frequencies, n_features: int):
        factors = [series_factor(k, list(given)) for k, given in enumerate(frequencies)]
        super().__init__(factors, n_features)
        self.monomials = [tuple(monomial) for monomial in monomials]
        self.reaches = [max(1.0, np.abs(factor.points).max() / 3) for factor in factors]

    def angles(self, features):
        """Return the monomials of some samples, (n_samples, n_monomials)."""
        angles = np.pi * np.tanh(features)
        columns = [angles[:, list(monomial)].prod(axis=1) for monomial in self.monomials]
        return np.stack(columns, axis=1) if columns else np.empty((len(features), 0))

    def names(self, features):
        """See :meth:`.terms.Terms.names`."""
        return super().names([" ".join(features[f] for f in one) for one in self.monomials])

    def probes(self, rows):
        """See :meth:`.terms.Terms.probes`, where each monomial is a feature of its own.

        The monomial k is then the angle ``reaches[k] * pi tanh(x)``.
        """
        points = np.zeros((len(rows), len(self.monomials)))
        places = np.unravel_index(rows, self.shape)
        for factor, place, reach in zip(self.factors, places, self.reaches, strict=True):
            points[:, factor.columns] = np.arctanh(factor.points[place] / (reach * np.pi))
        return points


def sums_of_frequencies(steps) -> np.ndarray:
    """Return the non-negative frequencies that gates have together.

    Parameters
    ----------
    steps : sequence of array-like
        For each gate its positive frequencies.

    Returns
    -------
    frequencies : ndarray
        From 0 up.

    Examples
    --------
    >>> sums_of_frequencies([[1.0], [1.0], [0.5, 1.0]])
    array([0. , 0.5, 1. , 1.5, 2. , 2.5, 3. ])
    """
    found = np.zeros(1)
    for step in steps:
        signed = np.concatenate([[0.0], np.asarray(step), -np.asarray(step)])
        found = np.sort(np.abs(found[:, None] + signed).ravel())  # with -f there is f
        found = found[np.append(True, np.diff(found) > SAME)]
    return found


def series_factor(column: int, frequencies) -> Factor:
    """Return 1, cos and sin of the multiples of one angle; 0 comes first among the frequencies.

    Raises
    ------
    ValueError
        If two of the frequencies are so close that no points tell them apart.
    """
    frequencies = np.asarray(frequencies, float)
    positive = frequencies[1:]
    multiples = np.append(0.0, np.repeat(positive, 2))
    is_sine = np.append(False, np.tile([False, True], len(positive)))
    shifts = np.where(is_sine, -np.pi / 2, 0.0)
    names = [""]
    for frequency in positive:
        times = "" if frequency == 1 else f"{frequency:.6g} "
        names += [f"cos({times}{{}})", f"sin({times}{{}})"]
    degree = len(positive)
    spacing = np.diff(frequencies).min(initial=np.inf)
    if degree and spacing < CLOSE:
        raise ValueError(
            f"The trained scales give two frequencies that are {spacing:.1e} apart: no points tell "
            "their coefficients apart. Such a student has no classical twin here."
        )
    points = np.zeros((len(multiples), 1))
    if degree:
        points = _points(multiples, shifts, spacing)
    return Factor((column,), multiples[None], shifts[None], points, degree, tuple(names))


def _points(multiples, shifts, spacing):
    """Return angles at which the functions are well told apart."""
    n_functions = len(multiples)
    harmonics = multiples / spacing
    if np.abs(harmonics - harmonics.round()).max() < SAME and harmonics.max() < n_functions:
        steps = np.arange(n_functions) - n_functions // 2  # a grid of one period
        return (2 * np.pi / spacing) * steps[:, None] / n_functions
    fine = np.arange(-(np.pi / spacing), np.pi / spacing, 0.4 / multiples.max())
    _, _, order = qr(np.cos(np.outer(multiples, fine) + shifts[:, None]), pivoting=True)
    return fine[np.sort(order[:n_functions]), None]
