"""A whole fit of the default student, its bare epochs, and the same model in a torch loop."""

from __future__ import annotations

import numpy as np
from problem import LEARNING_RATE, N_CLASSES, N_LAYERS

SEED = 0


def images(n_samples):
    """Return random images of 784 pixels, labels and teacher logits."""
    rng = np.random.default_rng(SEED)
    X = rng.random((n_samples, 784), dtype=np.float32)
    logits = rng.standard_normal((n_samples, 10), dtype=np.float32)
    return X, np.arange(n_samples) % 10, logits


def student(n_epochs):
    """Return a student that trains for so many epochs."""
    from sklqkd import DistilledQNNClassifier

    return DistilledQNNClassifier(
        lam=0.5, max_iter=n_epochs, tol=0, n_iter_no_change=1000, random_state=SEED
    )


def distilled_epochs(X, y, teacher_logits, temperature=3.0, lam=0.5):
    """Return one bare epoch of the default distilled student, as a function."""
    from sklqkd.circuits import compile_ansatz
    from sklqkd.encodings import AmplitudeEncoding
    from sklqkd.losses import DISTILLATION_LOSSES
    from sklqkd.optimizers import Adam
    from sklqkd.reducers.front_ends import LinearFrontEnd
    from sklqkd.simulation import ExactCircuit
    from sklqkd.training import Lesson, Network, Objective, make_pass

    program, front_end = compile_ansatz("strongly_entangling", 4, N_LAYERS), LinearFrontEnd(784, 16)
    circuit = ExactCircuit(AmplitudeEncoding(4), program)
    network = Network(circuit, "probs", N_CLASSES, front_end=front_end)
    rng = np.random.default_rng(0)
    network.bind(network.initial_parameters(rng))
    optimizer = Adam(network.size, learning_rate=LEARNING_RATE)
    loss = DISTILLATION_LOSSES["hinton"]
    targets = loss.targets(teacher_logits, temperature)
    one_hot = np.eye(N_CLASSES, dtype=np.float32)[y]
    objective = Objective(one_hot, loss, [Lesson(targets, temperature)], lam)
    training = make_pass(network, optimizer, np.ascontiguousarray(X, np.float32), 32)
    return lambda: training.epoch(objective, shuffle=True, rng=rng)


def torch_layer_loop(X, y, teacher_logits, temperature=3.0, lam=0.5, batch_size=32):
    """Return the default distilled student as TorchLayer and a loop: ``train(n_epochs)``."""
    import pennylane as qml
    import torch
    from torch.nn import functional

    wires = range(4)

    @qml.qnode(qml.device("default.qubit", wires=wires), interface="torch", diff_method="backprop")
    def circuit(inputs, weights):
        qml.StatePrep(inputs, wires=wires, validate_norm=False)
        qml.StronglyEntanglingLayers(weights, wires=wires)
        return qml.probs(wires=wires)

    class Student(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.reduce = torch.nn.Linear(X.shape[1], 16)
            self.circuit = qml.qnn.TorchLayer(circuit, {"weights": (N_LAYERS, 4, 3)})
            self.head = torch.nn.Linear(16, N_CLASSES)

        def forward(self, images):
            amplitudes = functional.normalize(torch.tanh(self.reduce(images)), dim=1)
            return self.head(16 * self.circuit(amplitudes).float())

    torch.set_num_threads(1)
    model = Student()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    images, labels, given = map(torch.from_numpy, (X, y, teacher_logits))

    def train(n_epochs):
        for _ in range(n_epochs):
            for rows in torch.randperm(len(images)).split(batch_size):
                logits = model(images[rows])
                soft = functional.kl_div(
                    functional.log_softmax(logits / temperature, dim=1),
                    functional.softmax(given[rows] / temperature, dim=1),
                    reduction="batchmean",
                )
                hard = functional.cross_entropy(logits, labels[rows])
                loss = (1 - lam) * hard + lam * temperature**2 * soft
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    return train
