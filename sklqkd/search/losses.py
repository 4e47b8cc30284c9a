"""The losses of many students at once."""

from __future__ import annotations

import hashlib

import numpy as np

from ..losses import DISTILLATION_LOSSES, cross_entropy
from ..losses.softmax import TINY
from ..training import Objective

__all__ = ["StackedObjective"]

_HINTON, _PAPER = DISTILLATION_LOSSES["hinton"].loss, DISTILLATION_LOSSES["paper"].loss


class _Table:
    """Arrays of one shape, one for each student, equal ones kept once."""

    def __init__(self, arrays):
        places: dict = {}
        starts, blocks, n_rows = [], [], 0
        for array in arrays:
            digest = hashlib.sha1(array.tobytes()).digest()
            if digest not in places:
                places[digest] = n_rows
                blocks.append(array)
                n_rows += len(array)
            starts.append(places[digest])
        self.rows = np.concatenate(blocks)
        self._starts = np.array(starts)[:, None]

    def places(self, rows, students=slice(None)):
        """Return where the `rows`, (n_students, batch), of some students lie."""
        return rows + self._starts[students]

    def take(self, rows, students=slice(None)):
        """Return the `rows` of some students."""
        return self.rows.take(self.places(rows, students), axis=0)


class StackedObjective:
    """The objectives of many students; see :class:`sklqkd.training.Objective`.

    Parameters
    ----------
    objectives : list of Objective
        With as many samples and classes each.
    compiled : bool
        Whether there are compiled loops for what :meth:`plain` returns.

    Attributes
    ----------
    is_plain : bool
        Whether, in this epoch, no student has more than cross-entropy and one Hinton's loss, and
        there are compiled loops for that.
    """

    def __init__(self, objectives: list[Objective], *, compiled: bool):
        self.objectives = objectives
        self._compiled = compiled
        self._one_hot = _Table([objective.one_hot for objective in objectives])
        self._label_weight = _weights(objective.label_weight for objective in objectives)
        self._sample_weight = _weights(objective.sample_weight for objective in objectives)
        self._known: list = []
        self._groups: list = []

    def keep(self, stay: list[int]) -> StackedObjective:
        """Return the objective of some of the students."""
        return StackedObjective([self.objectives[k] for k in stay], compiled=self._compiled)

    def begin_epoch(self) -> None:
        """Read what the teachers say from now on."""
        objectives = self.objectives
        self._shares = np.array([1 - o.lam if o.lessons else 1.0 for o in objectives], np.float32)
        known = [(o.lam, *(id(lesson.targets) for lesson in o.lessons)) for o in objectives]
        if known == self._known:
            return
        self._known = known
        self.is_plain = self._compiled and all(
            len(o.lessons) <= 1 and (not o.lessons or _loss(o) in (_HINTON, _PAPER))
            for o in objectives
        )
        if self.is_plain:
            self._prepare_plain()
        else:
            self._group()

    def _group(self):
        """Put students together whose distillation loss is one call."""
        groups: dict = {}
        for k, objective in enumerate(self.objectives):
            for place, lesson in enumerate(objective.lessons):
                loss = _loss(objective)
                assert objective.loss is not None
                # One that compares the images of a batch is given each student's batch by itself.
                alone = k if objective.loss.is_batchwise else None
                key = (id(loss), lesson.temperature, alone, place)
                groups.setdefault(key, []).append((k, objective.lam * lesson.weight, lesson, loss))
        self._groups = []
        for (_, temperature, *_), members in groups.items():
            students, shares, lessons, (loss, *_) = zip(*members, strict=True)
            targets = _Table([lesson.targets for lesson in lessons])
            own_shares = np.array(shares, np.float32)
            self._groups.append((loss, temperature, np.array(students), own_shares, targets))

    def _prepare_plain(self):
        """Lay out what the compiled loops read."""
        objectives = self.objectives
        nothing = np.zeros_like(objectives[0].one_hot)
        targets = [o.lessons[0].targets if o.lessons else nothing for o in objectives]
        self._targets = _Table(targets)
        rows = self._targets.rows
        entropy = np.vecdot(rows, np.log(np.maximum(rows, TINY)))
        self._targets.rows = np.column_stack([rows, entropy])
        temperatures = [o.lessons[0].temperature if o.lessons else 1.0 for o in objectives]
        self._temperatures = np.array(temperatures, np.float32)
        soft = [o.lam * o.lessons[0].weight if o.lessons else 0.0 for o in objectives]
        self._soft = np.array(soft, np.float32)[:, None]
        # The paper's loss has a cross-entropy of its own.
        has_own = np.array([bool(o.lessons) and _loss(o) is _PAPER for o in objectives])
        self._own_hard = self._soft * has_own[:, None]

    def plain(self, rows: np.ndarray) -> tuple:
        """Return what the compiled loops need for a step.

        Parameters
        ----------
        rows : ndarray of int, shape (n_students, batch)

        Returns
        -------
        temperatures : ndarray of shape (n_students,)
        labels, targets : tuple of ndarray
            A table of rows, and the places of each student's batch in it. The targets' has one
            column more, the sum of t log t.
        shares : ndarray of shape (2, n_students, batch)
            Weights of cross-entropy and distillation loss.
        """
        hard, own_hard, soft = self._shares[:, None], self._own_hard, self._soft
        if self._label_weight is not None:
            hard = hard * self._label_weight.take(rows)
        if self._sample_weight is not None:
            weights = self._sample_weight.take(rows)
            own_hard, soft = own_hard * weights, soft * weights
        shares = np.empty((2, *rows.shape), np.float32)
        np.add(hard, own_hard, out=shares[0])
        shares[1] = soft
        return (
            self._temperatures,
            (self._one_hot.rows, self._one_hot.places(rows)),
            (self._targets.rows, self._targets.places(rows)),
            shares,
        )

    def __call__(self, logits: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean losses of the batches and their gradients for the logits.

        Parameters
        ----------
        logits : ndarray of shape (n_students, batch, n_classes)
        rows : ndarray of int, shape (n_students, batch)

        Returns
        -------
        losses : ndarray of shape (n_students,)
        gradient : ndarray of shape (n_students, batch, n_classes)
        """
        n_students, batch, n_classes = logits.shape
        one_hot = self._one_hot.take(rows)
        losses, gradient = cross_entropy(
            logits.reshape(-1, n_classes), one_hot.reshape(-1, n_classes)
        )
        losses, gradient = losses.reshape(n_students, batch), gradient.reshape(logits.shape)
        shares = self._shares[:, None]
        if self._label_weight is not None:
            shares = shares * self._label_weight.take(rows)
        losses *= shares
        gradient *= shares[..., None]
        for loss, temperature, students, shares, targets in self._groups:
            own = rows[students]
            soft, soft_gradient = loss(
                logits[students].reshape(-1, n_classes),
                targets.take(own).reshape(-1, n_classes),
                temperature,
                one_hot[students].reshape(-1, n_classes),
            )
            shares = shares[:, None]
            if self._sample_weight is not None:
                shares = shares * self._sample_weight.take(own, students)
            losses[students] += shares * soft.reshape(-1, batch)
            soft_gradient = soft_gradient.reshape(-1, batch, n_classes)
            gradient[students] += shares[..., None] * soft_gradient
        gradient /= batch
        return losses.mean(axis=1), gradient


def _loss(objective):
    assert objective.loss is not None
    return objective.loss.loss


def _weights(vectors):
    vectors = list(vectors)
    given = [vector for vector in vectors if vector is not None]
    if not given:
        return None
    return _Table([np.ones_like(given[0]) if vector is None else vector for vector in vectors])
