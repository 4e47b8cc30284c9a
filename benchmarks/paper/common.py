"""What the reproductions share: the data, teachers that are trained once, and the report's parts.

The teachers' log-probabilities are kept in ``cache/`` (or ``$SKLQKD_CACHE``), since an AlexNet
takes minutes; the time of its training is kept with them and reported apart.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import own_data
import torch
from sklearn.model_selection import train_test_split

import sklqkd
from sklqkd import AlexNetClassifier, LeNetClassifier, datasets

RESULTS = Path(__file__).parents[1] / "results"
CACHE = Path(os.environ.get("SKLQKD_CACHE", Path(__file__).parent / "cache"))
PER_CLASS = 150  # labelled training images of each class for a student, as in the paper
#: Epochs of the teachers; the paper trains 10 on six times as many images.
LENET_EPOCHS, ALEXNET_EPOCHS = 20, 3
#: What --data named: parts and the shape of an image.
OWN: dict[str, tuple] = {}


@dataclass
class Task:
    """A data set cut to its first classes.

    Attributes
    ----------
    name : str
    n_classes : int
    X, y : ndarray
        All training images of these classes, in [0, 1]: what teachers are trained on.
    X_test, y_test : ndarray
        All test images of these classes.
    image_shape : tuple of int
    """

    name: str
    n_classes: int
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    image_shape: tuple[int, ...]

    def few(self, per_class: int = PER_CLASS) -> np.ndarray:
        """Return the rows of the first training images of each class."""
        return first_of_each_class(self.y, per_class)

    @property
    def title(self) -> str:
        """What a table calls it: MNIST 0-5."""
        names = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR-10"}
        if self.name in OWN:
            return self.name.rpartition("-")[0]
        name = names.get(self.name, self.name)
        return name if self.n_classes == 10 else f"{name} 0-{self.n_classes - 1}"


def first_of_each_class(y: np.ndarray, per_class: int) -> np.ndarray:
    """Return the rows of the first `per_class` images of each class, in the order of the data."""
    rows = [np.flatnonzero(y == label)[:per_class] for label in np.unique(y)]
    return np.sort(np.concatenate(rows))


def load(name: str, n_classes: int = 10, *, per_class_of_test: int | None = None) -> Task:
    """Return a data set's first classes: "mnist", "fashion_mnist", "cifar10", "digits" or OWN."""
    if name in OWN:
        (X, y, X_test, y_test), shape = OWN[name]
        n_classes = min(n_classes, len(np.unique(y)))
    elif name == "digits":
        bunch = datasets.load_digits()
        parts = train_test_split(
            bunch.data, bunch.target, test_size=0.3, stratify=bunch.target, random_state=0
        )
        X, X_test, y, y_test = parts
        shape = bunch.image_shape
    else:
        train, test = (getattr(datasets, f"fetch_{name}")(part) for part in ("train", "test"))
        X, y, X_test, y_test, shape = (
            *(train.data, train.target, test.data, test.target),
            train.image_shape,
        )
    rows, test_rows = np.flatnonzero(y < n_classes), np.flatnonzero(y_test < n_classes)
    if per_class_of_test:
        test_rows = test_rows[first_of_each_class(y_test[test_rows], per_class_of_test)]
    return Task(name, n_classes, X[rows], y[rows], X_test[test_rows], y_test[test_rows], shape)


@dataclass
class Teacher:
    """What a trained teacher says, aligned with the images of a `Task`.

    Attributes
    ----------
    name : str
    logits : ndarray of shape (n_training_images, n_classes)
        Log-probabilities of all training images.
    test_logits : ndarray of shape (n_test_images, n_classes)
        Of the task's test images, for the agreement; never seen by a student in training.
    seconds : float
        Time of its training, when it was trained.
    path : Path, default=None
        Where the network itself is, a LeNet's.
    """

    name: str
    logits: np.ndarray
    test_logits: np.ndarray
    seconds: float
    path: Path | None = None

    @functools.cached_property
    def net(self):
        """The network, to be asked about other images."""
        return joblib.load(self.path)

    def score(self, task: Task) -> float:
        """Return the accuracy on the test images, %."""
        return 100 * float((self.test_logits.argmax(axis=1) == task.y_test).mean())


def get_teacher(
    kind: str, task: Task, *, epochs: int | None = None, per_class=None, recipe="paper"
) -> Teacher:
    """Return a teacher's words, from the cache or from a training of minutes.

    Parameters
    ----------
    kind : {"LeNet", "AlexNet", "ensemble"}
        The ensemble is the mean of the other two's probabilities (equation 16).
    task : Task
    epochs : int, default=None
        Instead of the usual number, for a weaker teacher.
    per_class : int, default=None
        Train on so many images of each class, for a weaker teacher; all others are left out.
    recipe : {"paper", "one_cycle"}, default="paper"
        How it is trained, see :mod:`sklqkd.teachers.recipe`.
    """
    if kind == "ensemble":
        members = [get_teacher(name, task) for name in ("LeNet", "AlexNet")]
        means = [
            np.log(np.maximum(np.mean([np.exp(part) for part in parts], axis=0), 1e-38))
            for parts in zip(*((m.logits, m.test_logits) for m in members), strict=True)
        ]
        return Teacher(kind, *means, sum(member.seconds for member in members))
    make = {"LeNet": LeNetClassifier, "AlexNet": AlexNetClassifier}[kind]
    epochs = epochs or {"LeNet": LENET_EPOCHS, "AlexNet": ALEXNET_EPOCHS}[kind]
    n_test = len(task.y_test)
    stem = f"{task.name}-{task.n_classes}-{n_test}-{kind}-{epochs}-{per_class}-{recipe}"
    path, net_path = CACHE / f"{stem}.npz", CACHE / f"{stem}.joblib"
    if not path.exists():
        rows = slice(None) if per_class is None else task.few(per_class)
        options = {"recipe": recipe, "max_epochs": epochs, "random_state": 0}
        options["device"] = "cuda" if torch.cuda.is_available() else "cpu"
        net = make(image_shape=task.image_shape, **options)
        if kind == "LeNet":
            if recipe == "paper":
                net.set_params(batch_size=64)
        else:  # half the time: most of it goes to Adam's passes over 90 million weights
            net.set_params(optimizer__fused=True)
        start = time.perf_counter()
        net.fit(task.X[rows], task.y[rows])
        seconds = time.perf_counter() - start
        said = [net.predict_log_proba(X).astype(np.float32) for X in (task.X, task.X_test)]
        CACHE.mkdir(parents=True, exist_ok=True)
        if kind == "LeNet":  # an AlexNet has 95 million weights, and is not asked again
            joblib.dump(net, net_path)
        unfinished = path.with_suffix(f".{os.getpid()}.npz")
        np.savez_compressed(unfinished, logits=said[0], test_logits=said[1], seconds=seconds)
        unfinished.replace(path)
    with np.load(path) as stored:
        words = stored["logits"], stored["test_logits"], float(stored["seconds"])
    return Teacher(kind, *words, net_path)


def parse(description: str, **defaults) -> argparse.Namespace:
    """Parse the options that all commands have; `data` becomes a name for :func:`load`."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run on the embedded digits")
    parser.add_argument("--seeds", type=int, default=defaults.get("seeds", 10))
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    own_data.add_options(parser)
    options = parser.parse_args()
    if options.data:
        how = {"size": options.size, "test_size": options.test_size, "split": options.split}
        options.data, *parts = own_data.read(options.data, **how)
        OWN[options.data] = tuple(parts)
        if options.output == RESULTS:  # those of the paper's data stay
            options.output = RESULTS / "own" / options.data
        print(f"writing to {options.output}")
    if options.quick:
        options.seeds = min(options.seeds, 2)
    options.output.mkdir(parents=True, exist_ok=True)
    return options


def provenance(seconds: float) -> str:
    """Return the line that says how a report was made."""
    packages = ("sklqkd", "scikit-learn", "torch", "numpy", "pennylane")
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:  # read where it lies, or not needed
            if package == "sklqkd":
                versions.append(f"sklqkd {sklqkd.__version__}")
    command = " ".join(["python", *sys.argv])
    return f"`{command}`, {', '.join(versions)}; {seconds / 60:.0f} min, teachers apart."


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Return a table; all columns but the first are aligned to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def percent(values) -> str:
    """Return mean and standard deviation over the seeds, %."""
    values = 100 * np.asarray(values, float)
    if len(values) < 2:
        return f"{values.mean():.2f}"
    return f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"


if __name__ == "__main__":
    # Train and keep all the teachers of tables 1 and 2 and of version 2.
    for name in ("mnist", "fashion_mnist"):
        for n_classes in (6, 8):
            # The paper tests on the first 150 test images of each class.
            task = load(name, n_classes, per_class_of_test=150)
            for kind in ("LeNet", "AlexNet"):
                teacher = get_teacher(kind, task)
                print(task.title, kind, f"{teacher.score(task):.2f} %, {teacher.seconds:.0f} s")
    for name in ("mnist", "fashion_mnist", "cifar10"):
        task = load(name)
        teacher = get_teacher("LeNet", task)
        print(task.title, "LeNet", f"{teacher.score(task):.2f} %, {teacher.seconds:.0f} s")
