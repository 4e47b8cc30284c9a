"""Steps, fits and searches beside an earlier release's, in turns on one machine.

``python benchmarks/against_release.py --release 7d3c70d`` unpacks the package of that commit, which
is 0.1.0, beside this one, gives each a process of its own, and has them do the same jobs in turn.
It writes ``against_release.csv`` and ``against_release.md``: medians, and how many times faster.
``--quick`` takes a minute.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEED, BATCH = 0, 32
#: What the project promises: milliseconds of a fit, and times faster.
MOST = {("fit", "features"): 25, ("fit", "pca"): 60, ("fit", "fc"): 90}
LEAST = {
    **{("step", n): 1.3 if n <= 12 else 1.0 for n in (8, 10, 12, 14, 16)},
    ("search", "pca"): 10,
    ("search", "fc"): 5,
    ("search", "pca, 8 qubits"): 3,
}


class Work:
    """The jobs, with what the process imports as sklqkd."""

    def __init__(self, n_images):
        import numpy as np
        from sklearn.ensemble import RandomForestClassifier

        from sklqkd.datasets import fetch_mnist

        X, y = fetch_mnist(return_X_y=True)
        chosen = np.random.default_rng(SEED).permutation(len(y))
        own, other = chosen[:n_images], chosen[n_images : 3 * n_images]
        self.X, self.y = X[own], y[own]
        self.teacher = RandomForestClassifier(100, random_state=SEED).fit(X[other], y[other])
        self.logits = np.log(np.maximum(self.teacher.predict_proba(self.X), 1e-6))
        self.rng = np.random.default_rng(SEED)

    def student(self, **params):
        """Return a student that trains to its last epoch."""
        from sklqkd import DistilledQNNClassifier

        return DistilledQNNClassifier(tol=0, n_iter_no_change=10**6, random_state=SEED, **params)

    def step(self, n_qubits, n_epochs):
        """Return the seconds of a step: those of more epochs, less those of one."""
        X = self.rng.random((20 * BATCH, 2**n_qubits)).astype("float32")
        y = self.rng.permutation(20 * BATCH) % 10
        seconds = []
        for epochs in (1, 1 + n_epochs):
            student = self.student(reducer=None, n_qubits=n_qubits, max_iter=epochs, lam=0)
            start = time.perf_counter()
            student.fit(X, y)
            seconds.append(time.perf_counter() - start)
        return (seconds[1] - seconds[0]) / (20 * n_epochs)

    def fit(self, reducer, n_epochs):
        """Return the seconds of a whole fit."""
        X = self.X[:, 200:216] if reducer == "features" else self.X
        reducer = None if reducer == "features" else reducer
        student = self.student(reducer=reducer, max_iter=n_epochs)
        start = time.perf_counter()
        student.fit(X, self.y, teacher_logits=self.logits)
        return time.perf_counter() - start

    def search(self, reducer, n_qubits, n_epochs, n_jobs, stacked, n_candidates=24, n_folds=5):
        """Return the seconds of a search on a thousand images."""
        from sklearn.model_selection import GridSearchCV, PredefinedSplit

        from sklqkd.search import StackedGridSearchCV

        X, y = self.X[:1000], self.y[:1000]
        student = self.student(
            teacher=self.teacher, reducer=reducer, n_qubits=n_qubits, max_iter=n_epochs
        )
        grid = {"temperature": [1, 2, 4, 8], "lam": [0.3, 0.6, 0.9]}
        grid["random_state"] = list(range(n_candidates // 12))
        cv = n_folds
        if n_folds == 1:  # all images but one train
            cv = PredefinedSplit([0] + [-1] * (len(y) - 1))
        search = (StackedGridSearchCV if stacked else GridSearchCV)(
            student, grid, cv=cv, n_jobs=n_jobs, refit=False
        )
        start = time.perf_counter()
        search.fit(X, y)
        return time.perf_counter() - start


def serve(n_images):
    """Do the jobs that come in, a line each."""
    work = Work(n_images)
    print("ready", flush=True)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(getattr(work, name)(**arguments), flush=True)


class Side:
    """A process with one of the two packages."""

    def __init__(self, package, n_images):
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--worker", str(n_images)],
            env={**os.environ, **threads, "PYTHONPATH": str(package)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline().strip() == "ready"

    def do(self, name, **arguments):
        """Return what a job returned."""
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self):
        """End the process."""
        self._process.stdin.close()
        self._process.wait()


def jobs(quick):
    """Yield the name of a job, its key, and its arguments before and now."""
    epochs = 2 if quick else 20
    for n_qubits in (4, 8) if quick else (2, 4, 6, 8, 10, 12, 14, 16):
        n_epochs = 200 if n_qubits <= 6 else 20 if n_qubits <= 8 else 2
        arguments = {"n_qubits": n_qubits, "n_epochs": n_epochs}
        yield "step", n_qubits, arguments, arguments
    for reducer in ("features", "pca", "fc"):
        arguments = {"reducer": reducer, "n_epochs": epochs}
        yield "fit", reducer, arguments, arguments
    cases = [("pca", 4), ("fc", 4), ("pca", 8)]
    for reducer, n_qubits in cases[:1] if quick else cases:
        key = reducer if n_qubits == 4 else f"{reducer}, {n_qubits} qubits"
        case = {"reducer": reducer, "n_qubits": n_qubits, "n_epochs": epochs}
        if quick:
            case |= {"n_candidates": 12, "n_folds": 2}
        before = {**case, "n_jobs": 2, "stacked": False}
        for n_jobs in (1, 2):
            name = "search" if n_jobs == 1 else "search, n_jobs=2"
            yield name, key, before, {**case, "n_jobs": n_jobs, "stacked": True}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", default="7d3c70d", help="commit of the earlier release")
    parser.add_argument("--quick", action="store_true", help="few epochs and candidates")
    parser.add_argument("--repeats", type=int, help="repetitions of each job (5; quick: 1)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return serve(arguments.worker)
    root = Path(__file__).parents[1]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", arguments.release, "sklqkd"],
            cwd=root,
            capture_output=True,
            check=True,
        )
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        sides = [Side(package, 1500) for package in (folder, root)]
        for name, key, *given in jobs(arguments.quick):
            times = [[], []]
            repeats = arguments.repeats or (1 if arguments.quick else 5)
            function = name.split(",")[0]
            for repeat in range(repeats + 1):
                for side, taken, case in zip(sides, times, given, strict=True):
                    seconds = side.do(function, **case)
                    if repeat:  # the first round compiles
                        taken.append(seconds)
            before, now = (1000 * sorted(taken)[len(taken) // 2] for taken in times)
            promise = ""
            if (name, key) in MOST:
                promise = f"<= {MOST[name, key]} ms"
            elif (name, key) in LEAST:
                promise = f">= {LEAST[name, key]} times"
            what = f"{name}, {key} qubits" if name == "step" else f"{name}, {key}"
            rows.append([what, f"{before:.4g}", f"{now:.4g}", f"{before / now:.2f}", promise])
            print(*rows[-1], flush=True)
        for side in sides:
            side.end()
    header = ["what", "before, ms", "now, ms", "times faster", "promised"]
    arguments.output.mkdir(parents=True, exist_ok=True)
    with (arguments.output / "against_release.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    write(arguments.output / "against_release.md", header, rows)


def write(path, header, rows):
    """Write the report."""
    from speed_report import processor

    command = " ".join(["python", *sys.argv])
    lines = [
        "# Beside release 0.1.0",
        "",
        f"`{command}`: medians of runs in turns, a process for each release, one thread each "
        "(searches: `n_jobs` of them). Default ansatz and loss; steps of 32 images with features "
        "given; fits of 1,500 MNIST images, 20 epochs; searches of 24 candidates x 5 folds on "
        "1,000 of them, before by `GridSearchCV(n_jobs=2)`, now by `StackedGridSearchCV`.",
        "",
        f"{platform.system()}, {processor()}; Python {platform.python_version()}.",
        "",
        "| " + " | ".join(header) + " |",
        "| --- | ---: | ---: | ---: | --- |",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    path.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
