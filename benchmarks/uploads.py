"""Time a training step of circuits that data enter several times.

    python benchmarks/uploads.py                       # writes benchmarks/results/uploads.md

The step: a batch of features, as angles, enters a circuit `uploads` times, by RY gates, each time
with a layer of StronglyEntanglingLayers behind it; <Z> of each qubit, a linear layer to ten logits,
cross-entropy, and the gradient of all weights, the head and the features, as a trained reducer in
front needs it; Adam on weights and head. One thread, whose processor time is taken, so that other
work on the machine counts less; implementations take turns, medians count. Of sklqkd an epoch of 20
mini-batches is timed, as a fit makes it, in double precision within the circuit and in single
precision outside; the others are a QNode on default.qubit with parameter broadcasting, under
torch's backpropagation and, with the whole step, under jax.jit. All have to agree on logits and
gradients of the first step, sklqkd (in double precision) and torch to 1e-6, before they are timed.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

SEED = 0
#: jax on one thread.
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
N_CLASSES = 10
LEARNING_RATE = 0.01
BETAS, EPSILON = (0.9, 0.999), 1e-8
CASES = [(4, 2), (4, 4), (8, 2), (8, 4)]
TOLERANCE = {"sklqkd": 0.0, "PennyLane torch": 1e-6, "PennyLane jax.jit": 1e-4}
PROMISED = {"PennyLane torch": 15, "PennyLane jax.jit": 2}
PACKAGES = ("numpy", "numba", "torch", "pennylane", "jax")


class Problem:
    """Features, labels and initial parameters."""

    def __init__(self, encoding, n_qubits, n_uploads, batch):
        rng = np.random.default_rng(SEED)
        self.encoding, self.n_qubits, self.n_uploads = encoding, n_qubits, n_uploads
        self.features = rng.normal(size=(batch, n_qubits))
        self.labels = rng.integers(N_CLASSES, size=batch)
        self.weights = rng.uniform(0, 2 * np.pi, (n_uploads, 1, n_qubits, 3))
        self.coef = rng.normal(size=(N_CLASSES, n_qubits))
        self.intercept = np.zeros(N_CLASSES)


class Sklqkd:
    """The library's own network, objective and optimiser."""

    name, n_steps = "sklqkd", 20

    def __init__(self, problem):
        from sklqkd.circuits import TracedAnsatz
        from sklqkd.circuits.uploads import UploadSizes, upload_gates
        from sklqkd.encodings import make_encoding
        from sklqkd.optimizers import Adam
        from sklqkd.simulation.uploads import UploadCircuit
        from sklqkd.training import Network, Objective, make_pass

        n_qubits, n_uploads = problem.n_qubits, problem.n_uploads
        encoding = make_encoding(problem.encoding, n_qubits)
        sizes = UploadSizes(problem.weights.shape, (n_uploads, 0), (n_uploads, 0))
        ansatz = TracedAnsatz("strongly_entangling", n_qubits, 1)
        circuit = UploadCircuit(upload_gates(encoding.gates, ansatz.gates, sizes)[0])
        parts = problem.weights, problem.coef, problem.intercept
        parameters = np.concatenate([part.ravel() for part in parts])

        def network(dtype):
            result = Network(circuit, "expval", N_CLASSES, dtype=dtype)
            result.bind(parameters.copy())
            result.front_end = _Features(problem.features.shape)
            return result

        self.features, self.network = problem.features, network(np.float64)
        one_hot = np.eye(N_CLASSES)[problem.labels]
        self.objective, self.rows = Objective(one_hot), np.arange(len(one_hot))
        single = network(np.float32)
        optimizer = Adam(single.size, learning_rate=LEARNING_RATE)
        X = np.tile(problem.features.astype(np.float32), (self.n_steps, 1))
        objective = Objective(np.tile(one_hot.astype(np.float32), (self.n_steps, 1)))
        epochs = make_pass(single, optimizer, X, len(one_hot))
        rng = np.random.default_rng(SEED)
        self.steps = lambda: epochs.epoch(objective, shuffle=False, rng=rng)
        self.steps()

    def step(self):
        """Return the logits of a step, and the gradients."""
        logits = self.network.logits(self.features)
        _, gradient = self.objective(logits, self.rows)
        self.network.backward(gradient)
        return logits, self.network.gradient, self.network.front_end.gradient


class _Features:
    """The end of a reducer: it takes the features' gradient."""

    step_size, n_parameters = 1, 0

    def __init__(self, shape):
        self.gradient = np.zeros(shape)

    def forward(self, X, rng=None):
        return X

    def backward(self, gradient):
        self.gradient = gradient


def node(problem, interface):
    """Return the circuit as a QNode of angles, (batch, n_qubits), and weights."""
    import pennylane as qml

    wires = range(problem.n_qubits)

    @qml.qnode(qml.device("default.qubit"), interface=interface, diff_method="backprop")
    def circuit(angles, weights):
        for upload in range(problem.n_uploads):
            if problem.encoding == "iqp":
                qml.IQPEmbedding(angles, wires=wires)
            else:
                qml.AngleEmbedding(angles, wires=wires, rotation="Y")
            qml.StronglyEntanglingLayers(weights[upload], wires=wires)
        return [qml.expval(qml.Z(wire)) for wire in wires]

    return circuit


class PennyLaneTorch:
    """torch's backpropagation through default.qubit."""

    name, n_steps = "PennyLane torch", 1

    def __init__(self, problem):
        import torch

        torch.set_num_threads(1)
        self.torch, self.circuit = torch, node(problem, "torch")
        given = problem.weights, problem.coef, problem.intercept
        self.parameters = [torch.nn.Parameter(torch.tensor(array)) for array in given]
        self.features = torch.tensor(problem.features, requires_grad=True)
        self.labels = torch.tensor(problem.labels)
        self.optimizer = torch.optim.Adam(self.parameters, lr=LEARNING_RATE)

    def step(self):
        """See Sklqkd."""
        torch = self.torch
        weights, coef, intercept = self.parameters
        values = torch.stack(self.circuit(torch.pi * self.features.tanh(), weights), dim=1)
        logits = values @ coef.T + intercept
        self.optimizer.zero_grad()
        self.features.grad = None
        torch.nn.functional.cross_entropy(logits, self.labels).backward()
        self.optimizer.step()
        gradient = np.concatenate([p.grad.numpy().ravel() for p in self.parameters])
        return logits.detach().numpy(), gradient, self.features.grad.numpy()

    steps = step


class PennyLaneJax:
    """The whole step, Adam included, under one jax.jit, in single precision as is usual there."""

    name, n_steps = "PennyLane jax.jit", 5

    def __init__(self, problem):
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_cpu_enable_async_dispatch", False)
        circuit = node(problem, "jax")
        given = problem.weights, problem.coef, problem.intercept
        parameters = tuple(jnp.asarray(array, jnp.float32) for array in given)
        zeros = tuple(map(jnp.zeros_like, parameters))
        self.state = parameters, zeros, zeros, jnp.zeros((), jnp.float32)
        self.data = jnp.asarray(problem.features, jnp.float32), jnp.asarray(problem.labels)

        def loss(parameters, features, labels):
            weights, coef, intercept = parameters
            values = jnp.stack(circuit(jnp.pi * jnp.tanh(features), weights), axis=1)
            z = values @ coef.T + intercept
            log_probabilities = jax.nn.log_softmax(z)
            return -log_probabilities[jnp.arange(len(labels)), labels].mean(), z

        def step(state, features, labels):
            parameters, first, second, count = state
            differentiate = jax.grad(loss, argnums=(0, 1), has_aux=True)
            (gradient, of_features), z = differentiate(parameters, features, labels)
            count, tree = count + 1, jax.tree.map
            first = tree(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, first, gradient)
            second = tree(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, second, gradient)
            rate = LEARNING_RATE / (1 - BETAS[0] ** count)
            scale = 1 / (1 - BETAS[1] ** count)
            parameters = tree(
                lambda p, m, v: p - rate * m / (jnp.sqrt(v * scale) + EPSILON),
                parameters,
                first,
                second,
            )
            return (parameters, first, second, count), z, gradient, of_features

        self.compiled = jax.jit(step)

    def step(self):
        """See Sklqkd."""
        import jax

        self.state, logits, gradient, of_features = self.compiled(self.state, *self.data)
        jax.block_until_ready(self.state)
        flat = np.concatenate([np.ravel(part) for part in gradient])
        return np.asarray(logits), flat, np.asarray(of_features)

    def steps(self):
        """Do so many steps."""
        import jax

        for _ in range(self.n_steps):
            self.state, *_ = self.compiled(self.state, *self.data)
            jax.block_until_ready(self.state)


IMPLEMENTATIONS = (Sklqkd, PennyLaneTorch, PennyLaneJax)


def prepared(problem):
    """Return the implementations that agree on the first step, and the largest differences."""
    made, differences, reference = {}, {}, None
    for implementation in IMPLEMENTATIONS:
        try:
            one = implementation(problem)
        except ImportError:
            differences[implementation.name] = "not installed"
            continue
        found = one.step()
        reference = reference or [np.array(part) for part in found]
        errors = [
            np.abs(a - b).max() / max(1.0, np.abs(b).max())
            for a, b in zip(found, reference, strict=True)
        ]
        differences[one.name] = f"{max(errors):.0e}"
        if max(errors) > TOLERANCE[one.name]:
            sys.exit(f"{one.name} differs by {max(errors):.1e}: nothing is timed.")
        made[one.name] = one
    return made, differences


def take_turns(made, repeats):
    """Return the times of a step of each, in milliseconds, taken in turn."""
    times = {name: [] for name in made}
    for _ in range(repeats):
        for name, one in made.items():
            start = time.process_time()
            one.steps()
            times[name].append(1000 * (time.process_time() - start) / one.n_steps)
    return times


def versions():
    """Return what was timed."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join(found)


def processor():
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main():
    """Time all cases and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--encodings", nargs="+", default=["angle", "iqp"])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/uploads.md"))
    arguments = parser.parse_args()
    os.environ.setdefault("XLA_FLAGS", XLA_FLAGS)
    warnings.filterwarnings("ignore", message="Explicitly requested dtype")
    from sklqkd import __version__
    from sklqkd.threads import one_thread

    names = [implementation.name for implementation in IMPLEMENTATIONS]
    ratios = [f"{name} / sklqkd" for name in names[1:]]
    head = ["encoding", "qubits", "uploads", *(f"{name}, ms" for name in names), *ratios]
    rows, kept = [], True
    with one_thread():
        for encoding in arguments.encodings:
            for n_qubits, n_uploads in CASES:
                problem = Problem(encoding, n_qubits, n_uploads, arguments.batch)
                made, differences = prepared(problem)
                times = take_turns(made, arguments.repeats)
                medians = {name: float(np.median(each)) for name, each in times.items()}
                row = [encoding, n_qubits, n_uploads]
                row += [f"{medians[n]:.3f}" if n in medians else differences[n] for n in names]
                for name in names[1:]:
                    ratio = medians.get(name, np.nan) / medians["sklqkd"]
                    row.append("" if np.isnan(ratio) else f"{ratio:.1f}")
                    kept &= not ratio < PROMISED[name]
                rows.append(row)
                print(*row, differences, flush=True)
    promised = ", ".join(f"{n} times of {name}" for name, n in PROMISED.items())
    lines = [
        "# Data re-uploading: one training step",
        "",
        f"`python {' '.join(sys.argv)}`, seed {SEED}; batch {arguments.batch}, "
        f"{arguments.repeats} repetitions, medians; one thread of {processor()}, Python "
        f"{platform.python_version()}; sklqkd {__version__}, {versions()}.",
        "",
        " ".join(__doc__.split("\n\n")[2].split()),
        "",
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
        "",
        f"Promised: the speed of {promised}; {'kept' if kept else 'NOT kept'} in every row.",
        "",
    ]
    arguments.output.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
