"""Many students trained as one: a stack.

A student of a few qubits uses a fraction of a core's arithmetic: most of a step goes into calls. In
a :class:`Stack`, K students that share their shapes take each step together, with one more leading
axis through encoding, circuit, read-out, head, losses and optimiser. Each of them has a run of its
own (:class:`sklqkd.students.training_run.TrainingRun`), made as by a lone ``fit``, so that its
initial weights, its mini-batches and its hold-out are those of the lone student; only the rounding
of floats differs.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from ..optimizers import Adam, has_diverged
from ..reducers.front_ends import LinearFrontEnd
from ..simulation import ExactCircuit
from ..statevector.kernels import can_stack, make_stacked_circuit
from ..threads import one_thread
from .losses import StackedObjective

__all__ = ["Stack", "stack_key", "train_runs"]

#: Bytes of one stack's parameters: with gradient and moments, what a core's cache holds.
CACHED = 2**20


def stack_key(run):
    """Return what runs must share to be trained as one stack, or None if a run cannot be.

    Parameters
    ----------
    run : sklqkd.students.training_run.TrainingRun

    Returns
    -------
    key : tuple or None
    """
    network = run.network
    circuit, front_end = network.middle, network.front_end
    if type(circuit) is not ExactCircuit or not can_stack(circuit.program):
        return None
    if front_end is not None and not isinstance(front_end, LinearFrontEnd):
        return None  # the convolutions are torch's
    shape = tuple(run.architecture.settings["circuit_"].values())
    sizes = (run.features.shape, network.size, network.n_classes, run.student.batch_size)
    return (*shape, *sizes, front_end is None, run.n_iter)


class Stack:
    """Runs that are trained together.

    Parameters
    ----------
    runs : list of sklqkd.students.training_run.TrainingRun
        Of one :func:`stack_key`, those who see the same images in the same order next to each
        other. They go on after the epochs that they have behind them.
    compiled : bool, default=None
        Whether to use the loops that numba compiles; ``None`` does where it is installed.
    """

    def __init__(self, runs, *, compiled: bool | None = None):
        network = runs[0].network
        if compiled is None:
            compiled = find_spec("numba") is not None
        self.runs = runs
        self.encoding = network.middle.encoding
        self.circuit = make_stacked_circuit(network.middle.program, compiled=compiled)
        self.front_end = network.front_end
        self.n_samples, self.batch_size = len(runs[0].features), runs[0].student.batch_size
        self._network = network
        self._n_coef = 0 if self.front_end is None else self.front_end.n_parameters
        if self.front_end is not None:
            self._n_coef -= self.front_end.n_components
        self._blocks = [
            _Block.of_runs(runs, part, compiled)
            for part in (slice(0, self._n_coef), slice(self._n_coef, None))
        ]
        self._objective = StackedObjective([run.objective for run in runs], compiled=compiled)
        self._share_features()

    def _share_features(self):
        """Lay the features of all runs, or the states that they give, one after the other."""
        first = {id(run.features): run.features for run in self.runs}
        starts = dict(zip(first, self.n_samples * np.arange(len(first)), strict=True))
        self._starts = np.array([starts[id(run.features)] for run in self.runs])[:, None]
        if self.front_end is None:
            self._states = np.concatenate([self._encode(block) for block in first.values()])

    def _encode(self, features):
        """Return states as rows of real numbers, (n_samples, 2^n or 2 * 2^n)."""
        state = self.encoding.forward(features).T
        if np.iscomplexobj(state):
            state = np.concatenate([state.real, state.imag], axis=1)
        return np.ascontiguousarray(state, np.float32)

    def train(self) -> None:
        """Train all runs to their ends."""
        epoch = self.runs[0].n_iter
        while self.runs:
            for run in self.runs:
                run.begin_epoch(epoch)
            losses = self._epoch()
            stay = []
            for k, (run, loss) in enumerate(zip(self.runs, losses.tolist(), strict=True)):
                parts = [[array[k] for array in block.arrays] for block in self._blocks]
                run.network.parameters[:], *moments = map(np.concatenate, zip(*parts, strict=True))
                run.end_epoch(epoch, loss)
                if not run.has_ended:
                    stay.append(k)
                    continue
                run.optimizer.first_moment[:], run.optimizer.second_moment[:] = moments
                run.optimizer.n_steps = self._blocks[-1].optimizer.n_steps
            epoch += 1
            if len(stay) < len(self.runs):
                self._keep(stay)

    def _epoch(self):
        orders = np.stack(
            [
                run.rng.permutation(self.n_samples)
                if run.student.shuffle
                else np.arange(self.n_samples)
                for run in self.runs
            ]
        )
        groups = self._groups(orders) if self.front_end is not None else None
        self._objective.begin_epoch()
        totals = np.zeros(len(self.runs))
        for start in range(0, self.n_samples, self.batch_size):
            rows = np.ascontiguousarray(orders[:, start : start + self.batch_size])
            totals += rows.shape[1] * self._step(rows, groups)
        return totals / self.n_samples

    def _groups(self, orders):
        """Return slices of neighbours who see the same images in the same order."""
        changes = [
            k
            for k in range(1, len(orders))
            if self.runs[k].features is not self.runs[k - 1].features
            or not np.array_equal(orders[k], orders[k - 1])
        ]
        return [slice(a, b) for a, b in zip([0, *changes], [*changes, len(orders)], strict=True)]

    def _step(self, rows, groups):
        """Take one step of every run on its `rows`, (n_runs, batch), and return the losses."""
        network, (coef_block, block) = self._network, self._blocks
        n_runs, batch = rows.shape
        sizes = [
            self._n_coef and self.front_end.n_components,
            network.middle.n_weights,
            network.n_classes * network.n_outputs,
        ]
        ends = np.cumsum(sizes)
        shift, weights, coef, intercept = np.split(block.parameters, ends, axis=1)
        gradients = np.split(block.gradient, ends, axis=1)
        images = None
        if self.front_end is None:
            table, places = self._states, rows + self._starts
        else:
            images = [self.runs[g.start].features[rows[g.start]] for g in groups]
            features = self._front_forward(images, groups, shift)
            table = self._encode(features.reshape(n_runs * batch, -1))
            places = np.arange(n_runs * batch).reshape(rows.shape)
        unitaries = _embed(self.circuit.unitaries(weights), table.shape[1])
        head = network.head(coef.reshape(n_runs, network.n_classes, -1))
        run = self._compiled_pass if self._objective.is_plain else self._pass
        losses, adjoint, gram, head_gradient, gradients[3][...] = run(
            table, places, unitaries, head, intercept, rows
        )
        gradients[2][...] = network.coef_gradient(head_gradient).reshape(n_runs, -1)
        gradients[1][...] = self.circuit.gradient(_unembed(gram))
        if self.front_end is not None:
            towards = unitaries.swapaxes(1, 2) @ adjoint
            self._front_backward(images, groups, towards, gradients[0])
            coef_block.step()
        block.step()
        return losses

    def _pass(self, table, places, unitaries, head, intercept, rows):
        """Go from states to the losses and back.

        Returns the losses, the adjoint of the final states, and the gradients for the unitaries,
        the heads and the intercepts.
        """
        states = table.take(places, axis=0)
        final = unitaries @ states.swapaxes(1, 2)
        size = head.shape[2]
        squares = final * final
        probabilities = squares[:, :size]
        probabilities += squares[:, size:]
        logits = probabilities.swapaxes(1, 2) @ head.swapaxes(1, 2)
        logits += intercept[:, None]
        losses, gradient = self._objective(logits, rows)
        head_gradient = gradient.swapaxes(1, 2) @ probabilities.swapaxes(1, 2)
        towards = head.swapaxes(1, 2) @ gradient.swapaxes(1, 2)
        towards *= 2
        adjoint = final.reshape(len(rows), 2, size, -1)
        adjoint *= towards[:, None]
        adjoint = adjoint.reshape(final.shape)
        return losses, adjoint, adjoint @ states, head_gradient, gradient.sum(axis=1)

    def _compiled_pass(self, table, places, unitaries, head, intercept, rows):
        """Do the same in compiled loops."""
        from ..statevector import stacked_steps

        (n_runs, batch), (n_classes, size) = rows.shape, head.shape[1:]
        kept = tuple(
            np.empty((n_runs, *shape), np.float32)
            for shape in (
                (batch, table.shape[1]),
                (2 * size, batch),
                (size, batch),
                (2, n_classes, batch),
            )
        )
        intercept = np.ascontiguousarray(intercept)
        temperatures, labels, targets, shares = self._objective.plain(rows)
        stacked_steps.forward(table, places, unitaries, head, intercept, temperatures, kept)
        exponentials = np.exp(kept[3])
        intercept_gradient, head_gradient = np.empty_like(intercept), np.empty_like(head)
        totals, losses = np.empty((n_runs, 2, batch), np.float32), np.empty(n_runs, np.float32)
        gram = np.empty_like(unitaries)
        stacked_steps.backward(
            *(exponentials, kept, head, temperatures, labels, targets, shares),
            (totals, losses, intercept_gradient, head_gradient, gram),
        )
        hard, soft = np.vecdot(shares, np.log(totals).swapaxes(0, 1)) / batch
        losses += hard + temperatures**2 * soft
        return losses, kept[1], gram, head_gradient, intercept_gradient

    def _front_forward(self, images, groups, shift):
        n_components, scale = self.front_end.n_components, self.front_end.scale
        batch = len(images[0])
        features = np.empty((len(shift), batch, n_components), np.float32)
        coef = self._blocks[0].parameters
        for group, X in zip(groups, images, strict=True):
            product = X @ coef[group].reshape(-1, X.shape[1]).T
            features[group] = product.reshape(batch, -1, n_components).swapaxes(0, 1)
        features *= scale
        features += shift[:, None]
        return features

    def _front_backward(self, images, groups, towards, shift_gradient):
        n_runs, width, batch = towards.shape
        adjoint = towards.swapaxes(0, 1).reshape(width, -1)
        if not self.encoding.is_real:
            adjoint = adjoint[: width // 2] + 1j * adjoint[width // 2 :]
        gradient = self.encoding.backward(adjoint).astype(np.float32, copy=False)
        gradient = gradient.reshape(n_runs, batch, -1)
        np.add.reduce(gradient, axis=1, out=shift_gradient)
        gradient = gradient * self.front_end.scale
        coef_gradient = self._blocks[0].gradient
        for group, X in zip(groups, images, strict=True):
            out = coef_gradient[group].reshape(-1, X.shape[1])
            left = gradient[group].swapaxes(1, 2).reshape(-1, batch)
            np.matmul(left, X, out=out)

    def _keep(self, stay):
        self.runs = [self.runs[k] for k in stay]
        if not stay:
            return
        self._starts = self._starts[stay]
        self._objective = self._objective.keep(stay)
        self._blocks = [block.keep(stay) for block in self._blocks]


def _order(run):
    # Students that see the same images in the same order share their front-ends' products.
    return id(run.features), str(run.rng.bit_generator.state)


def _embed(unitaries, width):
    """Return unitaries that take states of `width` real numbers."""
    size = unitaries.shape[-1]
    if width == size:
        return unitaries
    real, imaginary = unitaries[:, :size], unitaries[:, size:]
    turned = np.concatenate([-imaginary, real], axis=1)
    return np.concatenate([unitaries, turned], axis=2)


def _unembed(gradient):
    """Return the gradient for the unitaries from that for the embedded ones."""
    size = gradient.shape[1] // 2
    if gradient.shape[2] == size:
        return gradient
    real, turned = gradient[:, :, :size], gradient[:, :, size:]
    return real + np.concatenate([turned[:, size:], -turned[:, :size]], axis=1)


class _Block:
    """Parameters of all runs, (n_runs, size), their gradient and Adam.

    `arrays` are the parameters and Adam's two moments.
    """

    def __init__(self, arrays, learning_rates, n_steps, compiled):
        self.compiled = compiled
        self.arrays = self.parameters, first, second = arrays
        self.gradient = np.empty_like(self.parameters)
        self.optimizer = Adam(first.shape, learning_rate=learning_rates)
        self.optimizer.first_moment, self.optimizer.second_moment = first, second
        self.optimizer.n_steps = n_steps

    @classmethod
    def of_runs(cls, runs, part, compiled):
        """Return a slice of the parameters of `runs`."""
        adams = [run.optimizer for run in runs]
        arrays = (
            np.stack([run.network.parameters[part] for run in runs]),
            np.stack([adam.first_moment[part] for adam in adams]),
            np.stack([adam.second_moment[part] for adam in adams]),
        )
        rates = np.array([[run.student.learning_rate_init] for run in runs], np.float32)
        return cls(arrays, rates, adams[0].n_steps, compiled)

    def keep(self, stay):
        """Return the block of some of the runs."""
        adam, arrays = self.optimizer, [array[stay] for array in self.arrays]
        return _Block(arrays, adam.learning_rate[stay], adam.n_steps, self.compiled)

    def step(self):
        adam = self.optimizer
        if not self.compiled:
            adam.step(self.parameters, self.gradient)
            return
        from ..statevector import stacked_steps

        adam.n_steps += 1
        moments = adam.first_moment, adam.second_moment
        constants = adam.beta_1, adam.beta_2, adam.epsilon
        stacked_steps.adam(
            *(self.parameters, self.gradient, *moments),
            *(adam.learning_rate, adam.n_steps, constants),
        )


def train_runs(runs) -> list:
    """Train runs to their last epochs, together where that pays, on one thread.

    Their parameters are then those of the last epoch: ``keep_best`` of a run takes the best.

    Parameters
    ----------
    runs : list of sklqkd.students.training_run.TrainingRun
        Any; those of one :func:`stack_key` are trained as one stack.

    Returns
    -------
    failed : list of TrainingRun
        Those that diverged, or whose ``fit`` fails for another reason.
    """
    stacks: dict = {}
    failed: list = []
    for run in runs:
        key = stack_key(run)
        if not run.has_ended:
            stacks.setdefault(id(run) if key is None else key, []).append(run)
    with one_thread():
        for members in stacks.values():
            members.sort(key=_order)
            size = max(2, CACHED // members[0].network.parameters.nbytes)
            for start in range(0, len(members), size):
                failed += _train(members[start : start + size])
    return failed


def _train(runs):
    if len(runs) > 1:
        with np.errstate(all="ignore"):  # of those that diverge
            Stack(runs).train()
        return [
            run
            for run in runs
            if has_diverged(run.loss_curve[-1], run.network.parameters, run.optimizer.second_moment)
        ]
    run = runs[0]
    try:
        while not run.has_ended:
            run.epoch(run.n_iter)
    except Exception:  # such as a device may raise; a fit of its own raises it again
        return [run]
    return []
