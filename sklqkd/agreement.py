"""Whether a teacher and the labels speak of the same things, and which class is which.

A meta-estimator may hand a student other labels than the user wrote: the codes 0 to K - 1, or one
class against the rest. The teacher's favourites on labelled images tell which of its classes is
which code. All of it is read off one table, the number of images of each favourite and label.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import beta, binom

__all__ = ["Agreement", "aggregated", "agreement", "match_classes", "same_labels"]

#: Level of the tests that decide for a matching; chance has to be ruled out.
LEVEL = 1e-3
#: What the agreement of a matching has to be, from 0 for chance to 1 (Cohen's kappa).
KAPPA = 0.25
#: Parts of the images: each is judged by what the others say.
N_FOLDS = 5
#: Shares of a class's images that the teacher favours by value: with less it is lost, with more the
#: teacher's class is the student's of that name, whatever else it is said of.
LOST, OWN = 0.2, 0.5


def same_labels(teacher_classes, classes) -> np.ndarray:
    """Return which class of the teacher is which of the student, by value.

    Parameters
    ----------
    teacher_classes : array-like of shape (n_teacher_classes,)
    classes : array-like of shape (n_classes,)

    Returns
    -------
    matching : ndarray of bool, shape (n_teacher_classes, n_classes)

    Examples
    --------
    >>> same_labels(["b", "a"], ["a", "c"]).astype(int)
    array([[0, 0],
           [1, 0]])
    """
    place = {label: k for k, label in enumerate(np.asarray(classes).tolist())}
    matching = np.zeros((np.size(teacher_classes), len(place)), bool)
    for j, label in enumerate(np.ravel(teacher_classes).tolist()):
        if label in place:
            matching[j, place[label]] = True
    return matching


def match_classes(favourites, labels, by_value) -> np.ndarray | None:
    """Return which class of the teacher is which of the student where values mislead, or None.

    Each class of the teacher goes with the label that most images have of which it is the
    favourite; one that is the favourite of half of the images of its own label stays there. This is
    believed only where a class of the student is lost by value (the teacher favours it on less
    than a fifth of its images), where it brings that class back, where it mends a third of what is
    wrong by value, and where neither the improvement nor the agreement can be chance, at a level of
    0.001 each. Every fifth of the images is judged by what the others say, so that a table of few
    images and many classes proves nothing.

    Parameters
    ----------
    favourites : ndarray of int, shape (n_images,)
        The teacher's most likely class of each labelled image.
    labels : ndarray of int, shape (n_images,)
        The index of the student's class.
    by_value : ndarray of bool, shape (n_teacher_classes, n_classes)
        :func:`same_labels`.

    Returns
    -------
    matching : ndarray of bool, shape (n_teacher_classes, n_classes), or None
        Each class of the teacher goes with one label at most.

    Examples
    --------
    >>> labels = np.repeat([0, 1, 2], 10)
    >>> said = labels + 1  # the teacher's classes are 1, 2 and 3, the labels 0, 1 and 2
    >>> match_classes(said - 1, labels, same_labels([1, 2, 3], [0, 1, 2])).astype(int)
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 0, 1]])
    """
    shape, n = by_value.shape, len(labels)
    folds = np.random.default_rng(0).permutation(n) % N_FOLDS
    cells = np.ravel_multi_index((folds, favourites, labels), (N_FOLDS, *shape))
    tables = np.bincount(cells, minlength=N_FOLDS * by_value.size).reshape(N_FOLDS, *shape)
    table = tables.sum(axis=0)
    sizes = table.sum(axis=0)
    is_own = by_value & (table > 0) & (table >= OWN * sizes)
    is_target = _most_frequent(table, is_own)
    is_predicted = _most_frequent(table - tables, is_own)
    right = np.sum(tables * is_predicted, axis=0)

    recall = np.sum(table * by_value, axis=0) / np.maximum(sizes, 1)
    regained = right.sum(axis=0) / np.maximum(sizes, 1)
    if not np.any((sizes > 1) & (recall < LOST) & (regained > 0.5)):
        return None
    better = np.sum(right * ~by_value)
    worse = np.sum((table - right) * by_value)
    errors = n - np.sum(table * by_value)
    if 3 * (better - worse) < errors or binom.sf(better - 1, better + worse, 0.5) > LEVEL:
        return None
    said = np.sum(tables.sum(axis=2, keepdims=True) * is_predicted, axis=(0, 1))
    chance = np.sum(said * sizes) / n**2
    hits = right.sum()
    if hits / n < chance + KAPPA * (1 - chance) or binom.sf(hits - 1, n, chance) > LEVEL:
        return None
    # A class that is a favourite now and then only is no part of the label.
    leading = np.where(is_target, table, 0).max(axis=0)
    is_part = (table == leading) | ((10 * table >= leading) & (table > 2))
    return is_target & (is_own | is_part)


def _most_frequent(table, is_own) -> np.ndarray:
    """Return, for each class of the teacher, which label is its own, or else goes with most images.

    Of labels with as many images none is it.
    """
    highest = table.max(axis=-1, keepdims=True)
    is_highest = (table == highest) & (highest > 0)
    is_alone = is_highest & (is_highest.sum(axis=-1, keepdims=True) == 1)
    return np.where(is_own.any(axis=-1, keepdims=True), is_own, is_alone)


def aggregated(logits, matching, lowest: float) -> np.ndarray:
    """Return logits in the student's classes: probabilities that go with one label are added.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_teacher_classes)
    matching : ndarray of bool, shape (n_teacher_classes, n_classes)
    lowest : float
        The logarithm of a probability that counts as 0, as for labels without a class.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)

    Examples
    --------
    >>> thirds = np.log(np.full((1, 3), 1 / 3))
    >>> np.exp(aggregated(thirds, np.array([[1, 0], [0, 1], [0, 1]], bool), -80)).round(2)
    array([[0.33, 0.67]])
    """
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return np.log(np.maximum(probabilities @ matching, np.exp(lowest)))


class Agreement(NamedTuple):
    """How a teacher's favourites agree with labels.

    Attributes
    ----------
    share : float
        Of the images whose label is the favourite.
    guess : float
        Of the images with the most frequent label: what a constant guess would have.
    n_images : int
    is_guessing : bool
        Whether the teacher is no better than that, and there are enough images to say so.
    """

    share: float
    guess: float
    n_images: int
    is_guessing: bool


def agreement(probabilities, labels, level: float = 0.01) -> Agreement:
    """Compare a teacher's favourites with labels.

    A teacher is guessing if its favourites are right no more often than the most frequent label
    would be (the 95 % point of a binomial distribution is not passed) and either it claims much
    more (its mean probability of the favourite is beyond what its hits allow, by 0.15 and more), or
    its mean recall is near that of a guess. A teacher that calls everything by one label, and is
    about as sure of it as it may be, is honest where that label has 80 % of the images or more.

    Parameters
    ----------
    probabilities : ndarray of shape (n_images, n_classes)
    labels : ndarray of int, shape (n_images,)
    level : float, default=0.01
        Of the tests by which it has to fail: few images prove nothing.

    Returns
    -------
    agreement : Agreement

    Examples
    --------
    >>> labels = np.repeat([0, 1], 30)
    >>> agreement(np.tile([0.9, 0.1], (60, 1)), labels)
    Agreement(share=0.5, guess=0.5, n_images=60, is_guessing=True)
    >>> agreement(np.eye(2)[labels], labels).is_guessing
    False
    """
    n, n_classes = probabilities.shape
    hits = probabilities.argmax(axis=1) == labels
    sizes = np.bincount(labels, minlength=n_classes)
    k, guess = int(hits.sum()), sizes.max() / n
    result = Agreement(k / n, float(guess), n, False)
    if np.count_nonzero(sizes) < 2 or binom.sf(k - 1, n, guess) < 0.05:
        return result
    claim = float(probabilities.max(axis=1).mean())
    if binom.cdf(k, n, claim - 0.15) < level:
        return result._replace(is_guessing=True)
    if guess >= 0.8 and binom.cdf(k, n, claim - 0.05) >= level:
        return result
    right = np.bincount(labels, weights=hits, minlength=n_classes)[sizes > 0]
    sizes = sizes[sizes > 0]
    # The mean recall at most, as if all of its spread came from a binomial of as many images.
    effective = len(sizes) ** 2 / np.sum(1 / sizes)
    recall = np.mean(right / sizes) * effective
    highest = beta.ppf(1 - level, recall + 1, effective - recall) if recall < effective else 1.0
    useful = 1 / len(sizes) + (1 - 1 / len(sizes)) / 4
    return result._replace(is_guessing=bool(highest < useful))
