"""One training step, written once per library: what ``speed.py`` times.

Every implementation is built from the same :class:`problem.Problem` (data, circuit, initial
parameters) and does the same: a batch of amplitudes through a circuit, <Z> of each qubit, a linear
layer to ten logits, cross-entropy, the gradient of all parameters, Adam. sklqkd starts from the
features and encodes them inside the step; the others are handed the encoded amplitudes.

Libraries are imported when an implementation is built, so that one that is missing is skipped by
name, and one process need not hold them all.
"""

from __future__ import annotations

import numpy as np
from problem import LEARNING_RATE, N_CLASSES, N_LAYERS, template

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
#: Bytes that a training step may take.
MEMORY_LIMIT = 4e9


class Implementation:
    """One way to train; subclasses say how.

    Attributes
    ----------
    name : str
    trains, is_checked : bool
        Whether it can train, and whether it computes the model (a part of it does not).
    tolerance : float
        Largest difference of a logit or of a gradient, relative to the largest of them.
    inference_rows : int
        How many of the 10,000 rows are timed at most; the time is scaled up.
    states_per_qubit : float
        How many batches of complex64 states a training step keeps, about, per qubit (measured).
    most_qubits, most_rows : int
        The largest case that is run.
    all_batches_at : sequence of int or None
        Where it compiles for too long to be run at every batch size: the qubits where it is.
    limit : str
        Why there are such limits.
    n_steps : int
        How many steps :meth:`steps` takes.
    """

    name = ""
    trains = True
    is_checked = True
    tolerance = 1e-4
    inference_rows = 10_000
    states_per_qubit = 1.3
    most_qubits, most_rows = 20, 2**20
    all_batches_at: tuple | None = None
    limit = ""
    n_steps = 1

    @classmethod
    def refusal(cls, n_qubits, batch=None):
        """Return why this case is not run, or None; no batch for inference."""
        memory = 8 * 2**n_qubits * (batch or 0) * cls.states_per_qubit * n_qubits
        if memory > MEMORY_LIMIT:
            return f"more than {MEMORY_LIMIT / 1e9:.0f} GB of memory"
        compiles = batch not in (None, 32) and n_qubits not in (cls.all_batches_at or (n_qubits,))
        too_large = n_qubits > cls.most_qubits or (batch or 0) > cls.most_rows
        return cls.limit if compiles or too_large else None

    def __init__(self, problem):
        """Prepare to train on all rows of a problem."""
        raise NotImplementedError

    def step(self):
        """Do one training step and return the logits before it."""
        raise NotImplementedError

    def steps(self):
        """Train as in use, for `n_steps` steps: what is timed."""
        return self.step()

    def gradient(self):
        """Return the gradient of the first step: weights, coef and intercept, flat."""
        raise NotImplementedError

    def predict(self, problem):
        """Return the logits of all rows of another problem."""
        raise NotImplementedError


class Sklqkd(Implementation):
    """The library's own network, objective, optimiser and epochs.

    An epoch is one call, so that whole epochs are timed, of 20 mini-batches that hold the problem's
    rows each.
    """

    name = "sklqkd"
    dtype = np.float32
    n_steps = 20

    def __init__(self, problem):
        from sklqkd.circuits import compile_ansatz
        from sklqkd.encodings import AmplitudeEncoding
        from sklqkd.optimizers import Adam
        from sklqkd.simulation import ExactCircuit
        from sklqkd.training import Network, Objective, make_pass

        n_qubits = problem.n_qubits
        program = compile_ansatz(template(problem.ansatz), n_qubits, N_LAYERS)
        encoding = AmplitudeEncoding(n_qubits)
        circuit = ExactCircuit(encoding, program, self.dtype)
        self.network = Network(circuit, "expval", N_CLASSES, dtype=self.dtype)
        parts = (problem.weights, problem.coef, problem.intercept)
        self.network.bind(np.concatenate([part.ravel() for part in parts]))
        self.optimizer = Adam(self.network.size, self.dtype, learning_rate=LEARNING_RATE)
        self.features = problem.features.astype(self.dtype, copy=False)
        batch, rng = len(problem.labels), np.random.default_rng(0)
        one_hot = np.eye(N_CLASSES, dtype=self.dtype)[problem.labels]

        def training(n_steps):
            X = np.tile(self.features, (n_steps, 1))
            objective = Objective(np.tile(one_hot, (n_steps, 1)))
            epochs = make_pass(self.network, self.optimizer, X, batch)
            return lambda: epochs.epoch(objective, shuffle=False, rng=rng)

        self.train_once, self.steps = training(1), training(self.n_steps)

    def step(self):
        """See Implementation."""
        logits = self.network.predict_logits(self.features)
        self.train_once()
        return logits

    def gradient(self):
        """See Implementation: after one step the first moment is a tenth of the gradient."""
        return self.optimizer.first_moment / (1 - BETA_1)

    def predict(self, problem):
        """See Implementation."""
        return self.network.predict_logits(problem.features)


class SklqkdDouble(Sklqkd):
    """In complex128, the precision in which students predict."""

    name = "sklqkd complex128"
    trains = False
    dtype = np.float64


class _Torch(Implementation):
    """A torch model: subclasses give `build` and `expectations`."""

    states_per_qubit = 16

    def __init__(self, problem):
        import torch

        torch.set_num_threads(1)
        self.torch = torch
        self.states, self.labels = map(torch.from_numpy, (problem.states, problem.labels))
        self.head = torch.nn.Linear(problem.n_qubits, N_CLASSES)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(problem.coef))
            self.head.bias.copy_(torch.from_numpy(problem.intercept))
        self.parameters = [*self.build(problem), *self.head.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=LEARNING_RATE)

    def build(self, problem):
        """Make the circuit and return its parameters."""
        raise NotImplementedError

    def expectations(self, states):
        """Return <Z> of each qubit, (n_rows, n_qubits)."""
        raise NotImplementedError

    def step(self):
        """See Implementation."""
        logits = self.head(self.expectations(self.states))
        loss = self.torch.nn.functional.cross_entropy(logits, self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return logits.detach()

    def gradient(self):
        """See Implementation."""
        return np.concatenate([parameter.grad.numpy().ravel() for parameter in self.parameters])

    def predict(self, problem):
        """See Implementation."""
        with self.torch.no_grad():
            chunks = map(self.torch.from_numpy, problem.chunks())
            logits = [self.head(self.expectations(chunk)) for chunk in chunks]
            return self.torch.cat(logits).numpy()


class PennyLaneTorch(_Torch):
    """A QNode on default.qubit, differentiated by backpropagation."""

    name = "PennyLane torch"
    states_per_qubit = 30
    device, options = ("default.qubit", {}), {"diff_method": "backprop"}

    def build(self, problem):
        """See _Torch."""
        weights = self.torch.nn.Parameter(self.torch.from_numpy(problem.weights.copy()))
        node = self.node(problem)
        self.circuit = lambda states: self.torch.stack(node(states, weights), dim=1)
        return [weights]

    def node(self, problem, interface="torch"):
        """Return a QNode of states and weights."""
        import pennylane as qml

        name, options = self.device
        wires, ansatz = range(problem.n_qubits), template(problem.ansatz)

        @qml.qnode(qml.device(name, wires=wires, **options), interface=interface, **self.options)
        def circuit(inputs, weights):
            qml.StatePrep(inputs, wires=wires, validate_norm=False)
            ansatz(weights, wires=wires)
            return [qml.expval(qml.PauliZ(wire)) for wire in wires]

        return circuit

    def expectations(self, states):
        """See _Torch: default.qubit works, and answers, in double precision."""
        return self.circuit(states).to(self.torch.float32)


class PennyLaneTorchLayer(PennyLaneTorch):
    """The same QNode as a layer of torch.nn."""

    name = "PennyLane TorchLayer"

    def build(self, problem):
        """See _Torch."""
        import pennylane as qml

        shapes = {"weights": problem.weights.shape}
        self.circuit = qml.qnn.TorchLayer(self.node(problem), shapes)
        with self.torch.no_grad():
            self.circuit.weights.copy_(self.torch.from_numpy(problem.weights))
        return self.circuit.parameters()


class Lightning(PennyLaneTorch):
    """lightning.qubit with adjoint gradients, which runs one circuit per sample."""

    name = "lightning adjoint"
    device = ("lightning.qubit", {"c_dtype": np.complex64})
    options: dict = {"diff_method": "adjoint"}  # noqa: RUF012
    inference_rows = 200
    states_per_qubit, most_qubits, most_rows = 0, 8, 32
    limit = "one circuit per sample: run up to 8 qubits and batch 32"


class PennyLaneJax(PennyLaneTorch):
    """The whole step, Adam included, under one jax.jit."""

    name = "PennyLane jax.jit"
    states_per_qubit, all_batches_at = 40, (4, 8)
    limit = "5 to 40 s of compilation per shape: all batches at n = 4, 8, otherwise batch 32"

    def __init__(self, problem):
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_cpu_enable_async_dispatch", False)
        node = self.node(problem, "jax")
        parameters = tuple(map(jnp.asarray, (problem.weights, problem.coef, problem.intercept)))
        zeros = tuple(map(jnp.zeros_like, parameters))
        self.state = (parameters, zeros, zeros, jnp.zeros((), jnp.float32))
        self.data = jnp.asarray(problem.states), jnp.asarray(problem.labels)

        def logits(parameters, states):
            weights, coef, intercept = parameters
            return jnp.stack(node(states, weights), axis=1) @ coef.T + intercept

        def loss(parameters, states, labels):
            z = logits(parameters, states)
            log_probabilities = jax.nn.log_softmax(z)
            return -log_probabilities[jnp.arange(len(labels)), labels].mean(), z

        def step(state, states, labels):
            parameters, first, second, count = state
            gradient, z = jax.grad(loss, has_aux=True)(parameters, states, labels)
            count = count + 1
            tree = jax.tree.map
            first = tree(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, gradient)
            second = tree(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, gradient)
            rate = LEARNING_RATE / (1 - BETA_1**count)
            scale = 1 / (1 - BETA_2**count)
            parameters = tree(
                lambda p, m, v: p - rate * m / (jnp.sqrt(v * scale) + EPSILON),
                parameters,
                first,
                second,
            )
            return (parameters, first, second, count), z

        self.compiled_step, self.compiled_logits = jax.jit(step), jax.jit(logits)

    def step(self):
        """See Implementation."""
        self.state, logits = self.compiled_step(self.state, *self.data)
        return logits.block_until_ready()

    def gradient(self):
        """See Implementation: after one step the first moment is a tenth of the gradient."""
        return np.concatenate([np.ravel(moment) for moment in self.state[1]]) / (1 - BETA_1)

    def predict(self, problem):
        """See Implementation."""
        parameters = self.state[0]
        logits = [self.compiled_logits(parameters, chunk) for chunk in problem.chunks()]
        return np.concatenate([np.asarray(part) for part in logits])


class DeepQuantum(_Torch):
    """DeepQuantum's QubitCircuit, differentiated by torch."""

    name = "DeepQuantum"

    def build(self, problem):
        """See _Torch."""
        import deepquantum

        n_qubits = problem.n_qubits
        self.circuit = deepquantum.QubitCircuit(n_qubits)
        for _ in range(N_LAYERS):
            for qubit in range(n_qubits):
                self.circuit.rx(qubit)
                self.circuit.ry(qubit)
                self.circuit.rz(qubit)
            for qubit in range(n_qubits):
                self.circuit.cnot(qubit, (qubit + 1) % n_qubits)
        for qubit in range(n_qubits):
            self.circuit.observable(qubit)
        parameters = list(self.circuit.parameters())
        with self.torch.no_grad():
            for parameter, angle in zip(parameters, problem.weights.ravel(), strict=True):
                parameter.fill_(float(angle))
        return parameters

    def expectations(self, states):
        """See _Torch."""
        self.circuit(state=states.to(self.torch.complex64).unsqueeze(-1))
        return self.circuit.expectation()


class TorchQuantum(_Torch):
    """TorchQuantum's device and functional gates, differentiated by torch."""

    name = "TorchQuantum"

    def build(self, problem):
        """See _Torch."""
        import torchquantum

        self.tq = torchquantum
        self.weights = self.torch.nn.Parameter(self.torch.from_numpy(problem.weights.copy()))
        self.measure = torchquantum.MeasureAll(torchquantum.PauliZ)
        return [self.weights]

    def expectations(self, states):
        """See _Torch."""
        n_qubits = self.weights.shape[1]
        device = self.tq.QuantumDevice(n_wires=n_qubits, bsz=len(states))
        device.set_states(states.to(self.torch.complex64).reshape(-1, *[2] * n_qubits))
        for layer in self.weights:
            for qubit, angles in enumerate(layer):
                self.tq.functional.rx(device, qubit, params=angles[0])
                self.tq.functional.ry(device, qubit, params=angles[1])
                self.tq.functional.rz(device, qubit, params=angles[2])
            for qubit in range(n_qubits):
                self.tq.functional.cnot(device, [qubit, (qubit + 1) % n_qubits])
        return self.measure(device)


class TensorCircuit(PennyLaneJax):
    """tensorcircuit-ng on jax: the state as a tensor network, vmapped, the step under jax.jit."""

    name = "TensorCircuit jax.jit"

    def node(self, problem, interface="jax"):
        """Return a function of a batch of states and weights, a value per qubit."""
        import jax
        import jax.numpy as jnp
        import tensorcircuit

        tensorcircuit.set_backend("jax")
        n_qubits, ansatz = problem.n_qubits, problem.ansatz

        def one(state, weights):
            circuit = tensorcircuit.Circuit(n_qubits, inputs=state)
            for index, layer in enumerate(weights):
                for qubit, angles in enumerate(layer):
                    first, last = (
                        (circuit.rx, circuit.rz) if ansatz == "ring" else (circuit.rz,) * 2
                    )
                    first(qubit, theta=angles[0])
                    circuit.ry(qubit, theta=angles[1])
                    last(qubit, theta=angles[2])
                reach = 1 if ansatz == "ring" else index % (n_qubits - 1) + 1
                for qubit in range(n_qubits):
                    circuit.cnot(qubit, (qubit + reach) % n_qubits)
            probabilities = jnp.abs(circuit.state()) ** 2
            signs = 1.0 - 2.0 * (np.arange(2**n_qubits)[:, None] >> np.arange(n_qubits)[::-1] & 1)
            return probabilities @ signs.astype(np.float32)

        batched = jax.vmap(one, in_axes=(0, None))
        return lambda states, weights: list(batched(states, weights).T)


class FastQML(_Torch):
    """fastqml: a layer of rotations as one Kronecker matrix, gates on pairs as one product each."""

    name = "fastqml"
    most_qubits, limit = 10, "its 2^n x 2^n matrices are too large"

    def build(self, problem):
        """See _Torch."""
        from fastqml import gate_fusion

        self.fusion, n_qubits = gate_fusion, problem.n_qubits
        self.is_ring = problem.ansatz == "ring"
        self.weights = self.torch.nn.Parameter(self.torch.from_numpy(problem.weights.copy()))
        options = self.torch.device("cpu"), self.torch.float32
        self.cnot = gate_fusion.build_cnot_4x4(1, *options)
        self.entanglers = []
        for layer in range(N_LAYERS):
            reach = 1 if self.is_ring else layer % (n_qubits - 1) + 1
            edges = [(qubit, (qubit + reach) % n_qubits) for qubit in range(n_qubits)]
            plans = [gate_fusion.compute_two_qubit_plans([e], n_qubits, *options) for e in edges]
            self.entanglers.append([plan for (plan,) in plans])
        basis = np.arange(2**n_qubits)[:, None] >> np.arange(n_qubits)[::-1] & 1
        self.signs = self.torch.from_numpy(1 - 2 * basis.astype(np.float32))
        return [self.weights]

    def rotations(self, angles):
        """Return real and imaginary parts of a layer's 2 x 2 matrices."""
        fusion, multiply = self.fusion, self.torch.matmul
        if not self.is_ring:
            return fusion.build_rot_gates(*angles.T)
        x_real, x_imag = fusion.build_rx_gates(angles[:, 0])
        yz_real, yz_imag = fusion.build_ry_rz_gates(angles[:, 1], angles[:, 2])
        return (
            multiply(yz_real, x_real) - multiply(yz_imag, x_imag),
            multiply(yz_real, x_imag) + multiply(yz_imag, x_real),
        )

    def expectations(self, states):
        """See _Torch."""
        real = states.reshape(-1, *[2] * self.weights.shape[1])
        imag = self.torch.zeros_like(real)
        for angles, plans in zip(self.weights, self.entanglers, strict=True):
            real, imag = self.fusion.apply_su2_layer(real, imag, *self.rotations(angles))
            for plan in plans:
                real, imag = self.fusion.apply_disjoint_two_qubit_layer(
                    real, imag, plan, *self.cnot
                )
        return (real.square() + imag.square()).reshape(len(states), -1) @ self.signs


class Scaluq(Implementation):
    """scaluq's batched states, which have no gradients; rows enter as lists of numbers."""

    name = "scaluq"
    trains = False
    inference_rows = 2000

    def __init__(self, problem):
        import scaluq

        self.problem, n_qubits = problem, problem.n_qubits
        self.empty = lambda rows: scaluq.StateVectorBatched(rows, n_qubits, "f32", "host_serial")
        gate, self.circuit = scaluq.gate, scaluq.Circuit("f32")
        # Its qubit 0 is the least significant bit: wire q is its qubit n - 1 - q.
        for layer in problem.weights:
            for wire, angles in enumerate(map(np.ndarray.tolist, layer)):
                for make, angle in zip((gate.RX, gate.RY, gate.RZ), angles, strict=True):
                    self.circuit.add_gate(make(n_qubits - 1 - wire, angle, precision="f32"))
            for wire in range(n_qubits):
                target = (wire + 1) % n_qubits
                qubits = n_qubits - 1 - wire, n_qubits - 1 - target
                self.circuit.add_gate(gate.CX(*qubits, precision="f32"))

    def predict(self, problem):
        """See Implementation."""
        chunks = []
        for chunk in problem.chunks():
            states = self.empty(len(chunk))
            states.load(chunk.tolist())
            self.circuit.update_quantum_state(states)
            zeros = [states.get_zero_probability(q) for q in range(problem.n_qubits)[::-1]]
            chunks.append(2 * np.transpose(zeros) - 1)
        expectations = np.concatenate(chunks)
        return expectations @ self.problem.coef.T + self.problem.intercept


class Aer(Implementation):
    """The paper's way: a list of Qiskit circuits, one per sample, 5000 shots each."""

    name = "Aer, 5000 shots"
    trains = False
    tolerance = 0.25  # six standard deviations of the shot noise
    inference_rows = 20
    shots = 5000

    def __init__(self, problem):
        import pennylane as qml
        from qiskit_aer import AerSimulator

        self.problem, self.simulator = problem, AerSimulator(max_parallel_threads=1)
        with qml.queuing.AnnotatedQueue() as queue:
            template(problem.ansatz)(problem.weights, wires=range(problem.n_qubits))
        self.operations = qml.tape.QuantumScript.from_queue(queue).operations

    def circuit(self, state):
        """Return the circuit of one sample, measured."""
        from qiskit import QuantumCircuit

        n_qubits = self.problem.n_qubits
        circuit = QuantumCircuit(n_qubits)
        # Qiskit's qubit 0 is the least significant bit: wire q becomes qubit n - 1 - q.
        circuit.set_statevector(state / np.linalg.norm(state))
        for operation in self.operations:
            qubits = [n_qubits - 1 - wire for wire in operation.wires]
            name = {"CNOT": "cx"}.get(operation.name, operation.name.lower())
            getattr(circuit, name)(*map(float, operation.data), *qubits)
        circuit.measure_all()
        return circuit

    def predict(self, problem):
        """See Implementation."""
        circuits = [self.circuit(state) for state in problem.states.astype(float)]
        result = self.simulator.run(circuits, shots=self.shots, seed_simulator=0).result()
        expectations = np.zeros((len(circuits), problem.n_qubits))
        for i in range(len(circuits)):
            for bits, count in result.get_counts(i).items():
                signs = np.array([1 - 2 * int(bit) for bit in bits])
                expectations[i] += signs * count / self.shots
        return expectations @ self.problem.coef.T + self.problem.intercept


class MatrixFloor(Implementation):
    """Three products of a complex64 2^n x 2^n matrix with the batch, nothing else."""

    name = "3 matrix products (NumPy)"
    is_checked = False
    most_qubits, limit = 10, "the matrix is too large"

    def __init__(self, problem):
        rng = np.random.default_rng(0)
        size = 2**problem.n_qubits
        self.matrix = rng.standard_normal((size, size)).astype(np.complex64)
        self.states = np.ascontiguousarray(problem.states.T.astype(np.complex64))

    def step(self):
        """Do the products."""
        for _ in range(3):
            self.matrix @ self.states


class HeadFloor(_Torch):
    """Linear, cross-entropy and Adam in torch, no circuit."""

    name = "Linear + Adam (torch)"
    is_checked = False
    states_per_qubit = 0

    def build(self, problem):
        """See _Torch."""
        self.given = self.states[:, : problem.n_qubits].contiguous()
        return []

    def expectations(self, states):
        """See _Torch."""
        return self.given


CHECKED = (
    *(PennyLaneTorch, PennyLaneTorchLayer, PennyLaneJax, TensorCircuit, FastQML),
    *(DeepQuantum, TorchQuantum, Lightning, Scaluq),
)
#: In the order of the columns; the library itself comes first.
IMPLEMENTATIONS = (Sklqkd, SklqkdDouble, *CHECKED, Aer, MatrixFloor, HeadFloor)
DEFAULT_ANSATZ = (Sklqkd, PennyLaneTorch, PennyLaneJax, TensorCircuit, FastQML)
IN_MEMORY = (Sklqkd, PennyLaneTorch, PennyLaneJax, DeepQuantum)
