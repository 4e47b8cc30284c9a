"""What a student is trained on: labels, and what its teachers say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..losses import DistillationLoss, cross_entropy

__all__ = ["Lesson", "Objective"]


class Lesson(NamedTuple):
    """What one teacher says about the images.

    Attributes
    ----------
    targets : ndarray of shape (n_samples, n_classes)
        As :attr:`sklqkd.losses.DistillationLoss.targets` makes them.
    temperature : float
    weight : float
        Share of this teacher in the distillation term; the shares of all sum to 1.
    """

    targets: np.ndarray
    temperature: float
    weight: float = 1.0


@dataclass
class Objective:
    """What a student is trained on: (1 - lam) * cross-entropy + lam * distillation loss.

    Attributes
    ----------
    one_hot : ndarray of shape (n_samples, n_classes)
        The labels; for images without one, the teachers' favourite.
    loss : DistillationLoss or None
    lessons : sequence of Lesson
        One for each teacher; none for plain cross-entropy.
    lam : float
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of mean 1, for the distillation term.
    label_weight : ndarray of shape (n_samples,) or None
        The same for the cross-entropy, 0 for images without a label.
    """

    one_hot: np.ndarray
    loss: DistillationLoss | None = None
    lessons: Sequence[Lesson] = ()
    lam: float = 0.0
    sample_weight: np.ndarray | None = None
    label_weight: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Objective:
        """Return the objective of some of the images."""
        weights = self.sample_weight, self.label_weight
        return Objective(
            self.one_hot[rows],
            self.loss,
            [lesson._replace(targets=lesson.targets[rows]) for lesson in self.lessons],
            self.lam,
            *(None if weight is None else weight[rows] for weight in weights),
        )

    def __call__(self, logits: np.ndarray, rows: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean loss of a batch and its gradient with respect to the logits."""
        one_hot = self.one_hot[rows]
        losses, gradient = cross_entropy(logits, one_hot)
        share = 1 - self.lam if self.lessons else 1.0
        if self.label_weight is not None:
            weights = share * self.label_weight[rows]
            losses = losses * weights
            gradient *= weights[:, None]
        elif share != 1:
            losses = losses * share
            gradient *= share
        for lesson in self.lessons:
            assert self.loss is not None
            targets = lesson.targets[rows]
            soft, soft_gradient = self.loss.loss(logits, targets, lesson.temperature, one_hot)
            share = self.lam * lesson.weight
            if self.sample_weight is None:
                losses = losses + share * soft
                soft_gradient *= share
            else:
                weights = share * self.sample_weight[rows]
                losses = losses + weights * soft
                soft_gradient = soft_gradient * weights[:, None]
            gradient += soft_gradient
        gradient /= len(rows)
        return float(losses.mean()), gradient

    def of_states(self, states: np.ndarray, rows: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean loss of a batch's states, and its gradient for them.

        Parameters
        ----------
        states : ndarray of shape (2^n, n_samples)
            Those that encode the images.
        rows : ndarray of int, shape (n_samples,)
        """
        assert self.loss is not None
        assert self.loss.states is not None
        total, gradient = 0.0, np.zeros_like(states)
        weights = None if self.sample_weight is None else self.sample_weight[rows]
        for lesson in self.lessons:
            losses, towards = self.loss.states(states, lesson.targets[rows], weights)
            share = self.lam * lesson.weight / len(rows)
            total += share * float(np.sum(losses if weights is None else losses * weights))
            gradient += share * towards
        return total, gradient

    @property
    def has_states(self) -> bool:
        """Whether there is a loss of the states, and somebody who teaches."""
        return bool(self.lessons) and self.loss is not None and self.loss.states is not None
