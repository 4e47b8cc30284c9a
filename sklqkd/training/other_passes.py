"""Passes over the images for any optimizer, also one that knows no gradient of a mini-batch."""

from __future__ import annotations

import numpy as np

from ..optimizers.adam import raise_if_diverged
from . import epochs
from .epochs import Pass
from .network import Network
from .objective import Objective

__all__ = ["GradientFreePass", "WholePass", "make_pass"]


def make_pass(
    network: Network,
    optimizer,
    X: np.ndarray,
    batch_size: int,
    objective: Objective | None = None,
) -> Pass:
    """Return what trains a network on images with an optimizer.

    Parameters
    ----------
    network : Network
        Bound to its parameters.
    optimizer : Adam or the like
        What works in a fit, as :func:`sklqkd.students.optimizing.make_optimizer` returns it.
    X : ndarray of shape (n_samples, n_features)
    batch_size : int
    objective : Objective, default=None
        What decides, for Adam, whether there are compiled loops.
    """
    if optimizer.is_whole:
        return WholePass(network, optimizer, X, batch_size)
    if not optimizer.needs_gradient:
        return GradientFreePass(network, optimizer, X, batch_size)
    return epochs.make_pass(network, optimizer, X, batch_size, objective)


class GradientFreePass(Pass):
    """Trains any network by values of the loss of mini-batches; parameters as those of `Pass`.

    Dropout is off: two values of one mini-batch shall differ by their parameters alone.
    """

    def _total(self, order, objective, rng):
        network, optimizer = self.network, self.optimizer
        total = 0.0
        for rows in self._batches(order):
            known: list[float] = []
            current = network.parameters.copy()

            def loss(parameters, rows=rows, known=known):
                network.parameters[:] = parameters
                logits = network.logits(self.X[rows], keep=False)
                value = objective(logits, rows)[0]
                if objective.has_states:
                    value += objective.of_states(network.states(), rows)[0]
                known.append(value)
                return value

            moved = current.copy()
            optimizer.step(moved, loss)
            network.parameters[:] = moved
            # What was evaluated lies around where the step began.
            total += (float(np.mean(known)) if known else loss(moved)) * len(rows)
        return total


class WholePass(Pass):
    """One iteration of an optimizer that sees all images at once; parameters as those of `Pass`."""

    def epoch(self, objective, shuffle, rng, rows=None):
        """Run one iteration and return the loss that it ends with; see :meth:`Pass.epoch`.

        Whatever `rows` says, it is on all of `X`.
        """
        network = self.network

        def evaluate(parameters):
            network.parameters[:] = parameters
            return self._loss_and_gradient(objective)

        with np.errstate(over="ignore", invalid="ignore"):
            iterate = self.optimizer.iterate  # type: ignore[attr-defined]
            network.parameters[:], loss = iterate(network.parameters, evaluate)
        raise_if_diverged(loss, network.parameters)
        return loss

    def _loss_and_gradient(self, objective):
        network, X = self.network, self.X
        everything = np.arange(len(X))
        longest = network.middle.n_rows or len(X)
        parts = [everything[start : start + longest] for start in range(0, len(X), longest)]
        is_one = len(parts) == 1
        needs_gradient = self.optimizer.needs_gradient
        logits, states = [], []
        for rows in parts:
            logits.append(network.logits(X[rows], keep=is_one and needs_gradient))
            if objective.has_states:
                states.append(network.states())
        loss, slopes = objective(np.concatenate(logits), everything)
        towards = None
        if objective.has_states:
            of_states, towards = objective.of_states(np.concatenate(states, axis=1), everything)
            loss += of_states
        if not needs_gradient:
            return loss
        total = np.zeros(network.size)
        for rows in parts:
            if not is_one:
                network.logits(X[rows])
                if objective.has_states:
                    network.states()  # the encoding keeps what its gradient needs
            network.backward(slopes[rows], None if towards is None else towards[:, rows])
            total += network.gradient
        return loss, total
