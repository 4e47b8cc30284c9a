"""How long 10,000 candidates take on 1, 10 and 100 machines: a plan from measurements.

``python benchmarks/search_plan.py`` writes ``search_plan.md``. Measured here: what a student costs
in a stack as a cluster trains it, and what Dask needs for a task, through joblib, and to send the
images. From both an event simulation follows: tasks leave the scheduler one after the
other, cores take them as they get free, and machines get the images from each other, in rounds in
which their number doubles. ``--quick`` takes less than a minute.
"""

from __future__ import annotations

import os

# Before the libraries look: a core for each job.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import heapq
import math
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
from dask.distributed import Client, LocalCluster, wait
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from speed_report import processor

from sklqkd import DistilledQNNClassifier
from sklqkd.cluster import place
from sklqkd.datasets import fetch_mnist
from sklqkd.search import StackedRandomizedSearchCV
from sklqkd.search.fits import SHORT_STACK

SEED, N_CANDIDATES, N_FOLDS, N_IMAGES = 0, 10_000, 5, 1500
PACKAGES = ("sklqkd", "numpy", "scikit-learn", "joblib", "dask", "distributed")


def data():
    """Return images, labels and where they are from."""
    rng = np.random.default_rng(SEED)
    if "SKLQKD_DATA_HOME" in os.environ:
        X, y = fetch_mnist(return_X_y=True)
        chosen = rng.permutation(len(y))[:N_IMAGES]
        return X[chosen], y[chosen], "of MNIST"
    return rng.random((N_IMAGES, 784)), rng.integers(10, size=N_IMAGES), "of random pixels"


def stack_seconds(X, y, reducer, n_students, n_epochs, repeats):
    """Return the processor times of jobs of so many candidates of a fold, and of a lone fit."""
    teacher = RandomForestClassifier(100, random_state=SEED).fit(X, y)
    options = {"n_qubits": 4, "max_iter": n_epochs, "n_iter_no_change": 1000, "random_state": SEED}
    student = DistilledQNNClassifier(teacher, reducer=reducer, **options)
    values = {"temperature": np.linspace(1, 8, 50), "lam": np.linspace(0, 1, 50)}
    fold = [next(StratifiedKFold(N_FOLDS).split(X, y))]
    search = StackedRandomizedSearchCV(
        student, values, n_iter=n_students, cv=fold, refit=False, random_state=SEED
    )
    lone = StackedRandomizedSearchCV(student, values, n_iter=1, cv=fold, refit=False)
    times: dict = {search: [], lone: []}
    for repeat in range(repeats + 1):
        for each, taken in times.items():
            start = time.process_time()
            each.fit(X, y)
            if repeat:  # the first round compiles
                taken.append(time.process_time() - start)
    return times[search], float(np.median(times[lone]))


def _nothing(shared, fits):
    return [None] * len(fits)


def cluster_seconds(X, n_tasks, repeats):
    """Return the time of a task, and of sending the images to a first and to another worker.

    A task's is the processor time of this process, where client and scheduler are.
    """
    fits = [(0, {"parameters": {"temperature": 1.0, "lam": 0.5}})] * SHORT_STACK
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    per_task, first, other = [], [], []
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        for _ in range(repeats):
            with joblib.parallel_config(backend="dask"):
                start = time.perf_counter()
                placed = place(X)
                wait(placed)
                first.append(time.perf_counter() - start)
                start = time.perf_counter()
                wait([client.submit(len, placed, workers=[each]) for each in client.ncores()])
                other.append(time.perf_counter() - start)
                start = time.process_time()
                job = joblib.delayed(_nothing)(placed, fits)
                joblib.Parallel(batch_size=1)([job] * n_tasks)
                per_task.append((time.process_time() - start) / n_tasks)
    return [float(np.median(values)) for values in (per_task, first, other)]


def simulate(n_machines, n_cores, times, size, task, first, other):
    """Return the time of the whole search in seconds, and its number of stacks of that size."""
    n_workers, n_fits = n_machines * n_cores, N_CANDIDATES * N_FOLDS
    n_stacks = n_workers * math.ceil(max(n_fits / size, n_workers) / n_workers)
    rng = np.random.default_rng(SEED)
    seconds = rng.choice(times, n_stacks) * n_fits / n_stacks / size
    # When a machine has the images.
    rounds = np.ceil(np.log2(np.arange(1, n_machines + 1)))
    free = sorted(np.repeat(first + other * rounds, n_cores).tolist())
    end = 0.0
    for number, taken in enumerate(seconds):
        # joblib gives tasks out ahead of the cores, one after the other.
        start = max(heapq.heappop(free), number * task)
        heapq.heappush(free, start + taken)
        end = max(end, start + taken)
    return end, n_stacks


def duration(seconds):
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def table(names, rows):
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two epochs, few tasks")
    parser.add_argument("--cores", type=int, default=8, help="cores of a machine")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    n_epochs, n_tasks = (2, 50) if arguments.quick else (20, 400)
    X, y, source = data()
    task, first, other = cluster_seconds(X, n_tasks, arguments.repeats)
    measured, plan = [], []
    for reducer in ("pca", "fc"):
        times, lone = stack_seconds(X, y, reducer, SHORT_STACK, n_epochs, arguments.repeats)
        stack = float(np.median(times))
        measured += [
            [f"stack of {SHORT_STACK} students, {reducer}", f"{stack:.2f} s"],
            [f"a student in it, {reducer}", f"{1000 * stack / SHORT_STACK:.0f} ms"],
            [f"a student alone, {reducer}", f"{1000 * lone:.0f} ms"],
        ]
        for n_machines in (1, 10, 100):
            machines, overheads = (n_machines, arguments.cores), (task, first, other)
            taken, n_stacks = simulate(*machines, times, SHORT_STACK, *overheads)
            one_by_one, _ = simulate(*machines, [lone], 1, *overheads)
            work = stack / SHORT_STACK * N_CANDIDATES * N_FOLDS
            used = work / taken / n_machines / arguments.cores
            row = [reducer, n_machines, n_machines * arguments.cores, n_stacks, duration(taken)]
            plan.append([*row, f"{100 * min(used, 1):.0f} %", duration(one_by_one)])
    measured += [
        ["a task, through joblib and Dask", f"{1000 * task:.1f} ms"],
        [f"images ({X.nbytes / 1e6:.1f} MB) to the cluster", f"{1000 * first:.0f} ms"],
        ["images from one worker to the next", f"{1000 * other:.0f} ms"],
    ]
    names = ["reducer", "machines", "cores", "stacks", "time", "of the cores used", "one by one"]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES if name != "sklqkd")
    load = f"; load of the machine {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    text = [
        "# A search with 10,000 candidates",
        f"`{' '.join(['python', *sys.argv])}`, seed {SEED}; {processor()}, "
        f"Python {platform.python_version()}, {versions}{load}.",
        f"{N_CANDIDATES:,} candidates x {N_FOLDS} folds; {N_IMAGES} images {source}, 784 pixels, "
        f"4 qubits, {n_epochs} epochs, candidates that differ in temperature and lambda.",
        "Measured on this machine: students in processor time of one core, with teacher, reducer "
        "and score; a task in that of client and scheduler, as one process; the images in elapsed "
        "time on a local cluster of two workers. Medians.",
        table(["what", "time"], measured),
        f"Simulated from these: machines of {arguments.cores} cores as fast as this one's, also "
        'when all are busy, and a network as fast as between two processes here. "one by one" is '
        "the same search without stacks, each fit a task.",
        table(names, plan),
    ]
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "search_plan.md").write_text("\n\n".join(text) + "\n")
    print("\n\n".join(text))


if __name__ == "__main__":
    main()
