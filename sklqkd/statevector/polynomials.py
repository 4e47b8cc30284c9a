"""Angles as polynomials of features and weights: what lets a circuit take its data in many times.

A feature here is an angle already, ``pi * tanh(x)``. An angle of a gate is a sum of terms, each a
coefficient times a product of features and weights: ``w * x`` for a feature with a trained scale,
``x_i * x_j`` for the pairs of an IQP circuit, ``w`` for a trained gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .compilation import compiled, merged

__all__ = ["Polynomials", "Term", "Terms", "evaluate", "pull_back"]


class Term(NamedTuple):
    """A coefficient times a product.

    Attributes
    ----------
    angle : int
        Place of the angle that it is added to.
    coefficient : float
    features, weights : tuple of int
        The factors; one that occurs twice is squared.
    """

    angle: int
    coefficient: float
    features: tuple[int, ...] = ()
    weights: tuple[int, ...] = ()


class Terms(NamedTuple):
    """Terms as the loops read them.

    Attributes
    ----------
    angle : ndarray of int, shape (n_terms,)
    coefficient : ndarray of shape (n_terms,)
    features, weights : ndarray of int, shape (n_terms, degree)
        Their factors, filled up with -1.
    n_features, n_weights : ndarray of int, shape (n_terms,)
        How many there are.
    """

    angle: np.ndarray
    coefficient: np.ndarray
    features: np.ndarray
    weights: np.ndarray
    n_features: np.ndarray
    n_weights: np.ndarray


class Polynomials:
    """Some angles as polynomials of features and weights.

    Parameters
    ----------
    n_angles, n_features, n_weights : int
    terms : iterable of Term
        An angle without a term is 0.

    Attributes
    ----------
    n_angles, n_features, n_weights : int
    terms : tuple of Term
    is_sampled : ndarray of bool, shape (n_angles,)
        Which angles depend on the features, so that they differ from sample to sample.
    is_trained : ndarray of bool, shape (n_angles,)
        Which of them depend on the weights.
    loops : Terms

    Examples
    --------
    >>> pair = Polynomials(1, 2, 0, [Term(0, 0.5, (0, 1))])
    >>> pair.angles(np.array([[2.0, 3.0]]), np.empty(0))
    array([[3.]])
    """

    def __init__(self, n_angles: int, n_features: int, n_weights: int, terms: Iterable[Term]):
        self.n_angles, self.n_features, self.n_weights = n_angles, n_features, n_weights
        self.terms = tuple(terms)
        self.is_sampled = np.zeros(n_angles, bool)
        self.is_trained = np.zeros(n_angles, bool)
        for term in self.terms:
            self.is_sampled[term.angle] |= bool(term.features)
            self.is_trained[term.angle] |= bool(term.weights)
        features = [term.features for term in self.terms]
        weights = [term.weights for term in self.terms]
        self.loops = Terms(
            np.array([term.angle for term in self.terms], int),
            np.array([term.coefficient for term in self.terms], float),
            _filled(features),
            _filled(weights),
            np.array(list(map(len, features)), int),
            np.array(list(map(len, weights)), int),
        )

    @classmethod
    def of_features(cls, n_features: int) -> Polynomials:
        """Return the features themselves as angles."""
        return cls(n_features, n_features, 0, [Term(f, 1.0, (f,)) for f in range(n_features)])

    def angles(self, features: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the angles, (n_samples, n_angles).

        Parameters
        ----------
        features : ndarray of shape (n_samples, n_features)
        weights : ndarray of shape (n_weights,)
        """
        out = np.empty((self.n_angles, len(features)))
        planes = np.ascontiguousarray(features.T, float)
        _evaluate(self.loops, planes, np.ascontiguousarray(weights, float), out)
        return out.T

    def gradient(
        self, features: np.ndarray, weights: np.ndarray, towards: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pull a gradient for the angles, (n_samples, n_angles), back.

        Returns
        -------
        of_features : ndarray of shape (n_samples, n_features)
        of_weights : ndarray of shape (n_weights,)
        """
        planes = np.ascontiguousarray(features.T, float)
        of_features, of_weights = np.zeros_like(planes), np.zeros(self.n_weights)
        towards = np.ascontiguousarray(towards.T, float)
        given = planes, np.ascontiguousarray(weights, float), towards
        _pull_back(self.loops, *given, of_features, of_weights)
        return of_features.T, of_weights

    def moved(self, n_angles_before: int, n_weights_before: int = 0) -> tuple[Term, ...]:
        """Return the terms behind so many other angles and weights."""
        return tuple(
            term._replace(
                angle=n_angles_before + term.angle,
                weights=tuple(n_weights_before + weight for weight in term.weights),
            )
            for term in self.terms
        )


def scaled_terms(terms: Sequence[Term], first_weight: int) -> tuple[Term, ...]:
    """Return terms in which each feature f is multiplied by the weight ``first_weight + f``."""
    return tuple(
        term._replace(weights=(*term.weights, *(first_weight + f for f in term.features)))
        for term in terms
    )


def _filled(rows: list[tuple[int, ...]]) -> np.ndarray:
    filled = np.full((len(rows), max(map(len, rows), default=0)), -1)
    for row, values in zip(filled, rows, strict=True):
        row[: len(values)] = values
    return filled


@merged
def evaluate(terms, features, weights, out):
    """Write the angles, (n_angles, n_samples), of features, (n_features, n_samples)."""
    for k in range(out.shape[0]):
        for b in range(out.shape[1]):
            out[k, b] = 0
    for t in range(len(terms.angle)):
        factor = terms.coefficient[t]
        for j in range(terms.n_weights[t]):
            factor *= weights[terms.weights[t, j]]
        for b in range(out.shape[1]):
            product = factor
            for j in range(terms.n_features[t]):
                product *= features[terms.features[t, j], b]
            out[terms.angle[t], b] += product


@merged
def pull_back(terms, features, weights, towards, of_features, of_weights):
    """Add the gradients, given that for the angles, (n_angles, n_samples)."""
    for t in range(len(terms.angle)):
        coefficient, total = terms.coefficient[t], 0.0
        factor = coefficient
        for j in range(terms.n_weights[t]):
            factor *= weights[terms.weights[t, j]]
        for b in range(towards.shape[1]):
            slope = towards[terms.angle[t], b]
            product = slope
            for i in range(terms.n_features[t]):
                rest = slope * factor
                for j in range(terms.n_features[t]):
                    if j != i:
                        rest *= features[terms.features[t, j], b]
                of_features[terms.features[t, i], b] += rest
                product *= features[terms.features[t, i], b]
            total += product
        for i in range(terms.n_weights[t]):
            rest = total * coefficient
            for j in range(terms.n_weights[t]):
                if j != i:
                    rest *= weights[terms.weights[t, j]]
            of_weights[terms.weights[t, i]] += rest


@compiled
def _evaluate(terms, features, weights, out):
    evaluate(terms, features, weights, out)


@compiled
def _pull_back(terms, features, weights, towards, of_features, of_weights):
    pull_back(terms, features, weights, towards, of_features, of_weights)
