"""One pass of a network over its images, in compiled loops where they know it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..optimizers.adam import Adam, raise_if_diverged
from ..reducers.front_ends import LinearFrontEnd
from ..simulation import ExactCircuit
from ..statevector.compilation import tell_of_compiling
from ..statevector.unitary import UnitaryCircuit, can_be_unitary
from .encoding_loops import KINDS, Encoder
from .loops import Inputs, Learner, epoch, first_half, second_half
from .loss_loops import SoftLosses, batch_losses, soft_losses
from .network import Network
from .objective import Objective

__all__ = ["CompiledPass", "Pass", "make_pass"]


def make_pass(
    network: Network,
    optimizer: Adam,
    X: np.ndarray,
    batch_size: int,
    objective: Objective | None = None,
) -> Pass:
    """Return what trains a network on images, compiled if there are loops for its parts.

    Parameters
    ----------
    network : Network
        Bound to its parameters.
    optimizer : Adam
    X : ndarray of float32, shape (n_samples, n_features)
    batch_size : int
    objective : Objective, default=None
        The compiled loops know none that looks at states.
    """
    middle, front_end = network.middle, network.front_end
    is_known = (
        type(middle) is ExactCircuit
        and type(optimizer) is Adam
        and can_be_unitary(middle.program)
        and (front_end is None or _has_loops(front_end, middle.encoding))
        and network.dtype == np.float32
        and not (objective and objective.has_states)
    )
    return (CompiledPass if is_known else Pass)(network, optimizer, X, batch_size)


def _has_loops(front_end, encoding):
    return type(front_end) is LinearFrontEnd and encoding.loops in KINDS


class Pass:
    """Trains any network, step by step; in single precision with compiled losses.

    Parameters
    ----------
    network : Network
    optimizer : Adam
    X : ndarray of float32, shape (n_samples, n_features)
    batch_size : int
    """

    def __init__(self, network: Network, optimizer: Adam, X: np.ndarray, batch_size: int):
        self.network, self.optimizer, self.X = network, optimizer, X
        self.batch_size = min(int(batch_size), len(X))
        self._slopes = np.empty((self.batch_size, network.n_classes), np.float32)
        self._known: tuple | None = None
        self._soft: SoftLosses | None = None

    def epoch(
        self,
        objective: Objective,
        shuffle: bool,
        rng: np.random.Generator,
        rows: np.ndarray | None = None,
    ) -> float:
        """Pass once over the data in mini-batches and return the mean loss on the way.

        Parameters
        ----------
        objective : Objective
            For all of `X`.
        shuffle : bool
        rng : numpy.random.Generator
        rows : ndarray of int, default=None
            The rows of `X` to pass over; ``None`` for all.

        Raises
        ------
        ValueError
            If training has diverged at the end.
        """
        rows = np.arange(len(self.X)) if rows is None else rows
        order = rng.permutation(rows) if shuffle else rows
        with np.errstate(over="ignore", invalid="ignore"):  # told of once, below
            total = self._total(order, objective, rng)
        squares = getattr(self.optimizer, "second_moment", 0.0)
        raise_if_diverged(total, self.network.parameters, squares)
        return total / len(order)

    def _total(self, order, objective, rng):
        network, soft = self.network, self._read(objective)
        total = 0.0
        for rows in self._batches(order):
            logits = network.logits(self.X[rows], rng)
            if soft is None:
                loss, gradient = objective(logits, rows)
                loss *= len(rows)
            else:
                gradient = self._slopes[: len(rows)]
                loss = batch_losses(rows, soft, np.ascontiguousarray(logits), gradient)
            towards = None
            if objective.has_states:
                of_states, towards = objective.of_states(network.states(), rows)
                loss += of_states * len(rows)
            network.backward(gradient, towards)
            self.optimizer.step(network.parameters, network.gradient)
            total += loss
        return total

    def _read(self, objective):
        """Return the objective as the loops read it, made anew where it has changed."""
        if self.network.dtype != np.float32:
            return None
        lessons = [(id(lesson.targets), *lesson[1:]) for lesson in objective.lessons]
        known = (id(objective), objective.lam, lessons)
        if known != self._known:
            self._known, self._soft = known, soft_losses(objective, self.batch_size)
            self._lessons = objective.lessons  # whose identities are theirs as long as they live
        return self._soft

    def _batches(self, order) -> Iterator[np.ndarray]:
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size]


class CompiledPass(Pass):
    """Trains a small exact circuit, on fixed features or behind a linear front-end.

    A loss without compiled loops is called between the compiled halves of a step.
    """

    def __init__(self, network, optimizer, X, batch_size):
        super().__init__(network, optimizer, X, batch_size)
        assert isinstance(network.middle, ExactCircuit)
        self._circuit = network.middle
        self._inputs = self._make_inputs()
        self._learner = self._make_learner()
        tell_of_compiling(epoch, "the training loops", 20)

    def _make_inputs(self):
        network, X, batch = self.network, self.X, self.batch_size
        encoding, front_end = self._circuit.encoding, network.front_end
        has_front_end = front_end is not None
        if not has_front_end:
            state = encoding.forward(X).T
            if np.iscomplexobj(state):
                state = np.concatenate([state.real, state.imag], axis=1)
            table, n_components, scale = np.ascontiguousarray(state, np.float32), 1, 1.0
        else:
            table, n_components, scale = X, front_end.n_components, front_end.scale
        # Read-only as a memory map is: the loops are compiled for one kind of array alone.
        table = np.require(table, np.float32, ["C", "A"]).view(np.ndarray)
        table.flags.writeable = False
        return Inputs(
            table=table,
            has_front_end=has_front_end,
            scale=np.float32(scale),
            encoder=Encoder.of(encoding, n_components, batch if has_front_end else 1),
            images=np.empty((batch if has_front_end else 0, X.shape[1]), np.float32),
            features=np.empty((batch, n_components), np.float32),
            slopes=np.empty((batch, n_components), np.float32),
        )

    def _make_learner(self):
        network, optimizer, circuit = self.network, self.optimizer, self._circuit
        size, n_classes = 2**circuit.n_qubits, network.n_classes
        width = size if circuit.encoding.is_real else 2 * size
        readout, factor = network.readout_parts()

        def rows(n_columns):
            return np.empty((self.batch_size, n_columns), np.float32)

        return Learner(
            parameters=network.parameters,
            gradient=network.gradient,
            first_moment=optimizer.first_moment,
            second_moment=optimizer.second_moment,
            ends=np.array(network.ends[:-1]),
            circuit=UnitaryCircuit.of(circuit.program),
            order=network.order,
            readout=readout,
            factor=np.float32(factor),
            matrix=np.empty((2 * size, width), np.float32),
            gram=np.empty((2 * size, width), np.float32),
            head=np.empty((n_classes, size), np.float32),
            head_gradient=np.empty((n_classes, size), np.float32),
            states=rows(width),
            final=rows(2 * size),
            values=rows(size),
            logits=rows(n_classes),
            slopes=rows(n_classes),
            towards=rows(size),
            pulled=rows(width),
        )

    def _total(self, order, objective, rng):
        soft = self._read(objective)
        if soft is None:
            return self._steps(order, objective)
        optimizer = self.optimizer
        total = epoch(
            order,
            self.batch_size,
            self._inputs,
            self._learner,
            soft,
            optimizer.rates,
            optimizer.n_steps,
            optimizer.constants,
        )
        optimizer.n_steps += -(-len(order) // self.batch_size)
        return total

    def _steps(self, order, objective):
        total, learner, optimizer = 0.0, self._learner, self.optimizer
        for rows in self._batches(order):
            first_half(rows, self._inputs, learner)
            loss, learner.slopes[: len(rows)] = objective(learner.logits[: len(rows)], rows)
            optimizer.n_steps += 1
            given = optimizer.rates, optimizer.n_steps, optimizer.constants
            second_half(len(rows), self._inputs, learner, *given)
            total += loss * len(rows)
        return total
