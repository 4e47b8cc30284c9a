"""How fast sklqkd trains and predicts, beside its peers, in one run.

``python benchmarks/speed.py`` times a training step, the inference of 10,000 rows, peak memory and
a whole fit, and writes ``speed.csv``, ``speed.md`` and ``speed.png``. Everything runs on one
thread; within a case the implementations take turns, and the median counts. Logits and gradients of
a case are compared before anything is timed, and what differs is not timed. ``--quick`` takes less
than a minute.
"""

from __future__ import annotations

import os

# Before the libraries look.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = os.environ["NPROC"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse
import gc
import resource
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import peers
import whole_fit
from problem import make_problem
from speed_report import (
    DEFAULT,
    DIFFER,
    FIT,
    INFERENCE,
    MEMORY,
    PROMISES,
    RING,
    SEED,
    STEP,
    Results,
    draw,
    write_markdown,
    write_summary,
)

QUBITS, BATCHES = (2, 4, 6, 8, 10, 12, 14, 16), (32, 256)
MEMORY_CASES = ((4, 32), (8, 256), (12, 32))
#: What an implementation may take: seconds per call, and per case (after 3 repetitions).
TIME_LIMIT, CASE_LIMIT = 20, 2.5


def seconds(call, repeats=1):
    """Return the mean time of a call."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def take_turns(calls, repeats):
    """Time every call `repeats` times in turn, slow ones fewer times; {name: milliseconds}."""
    gc.collect()
    loops = {name: min(500, int(0.02 / seconds(call)) + 1) for name, call in calls.items()}
    times = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            spent = sum(times[name]) * loops[name] / 1000
            if spent < CASE_LIMIT or (len(times[name]) < 3 and spent < 2 * CASE_LIMIT):
                times[name].append(1000 * seconds(call, loops[name]))
    return times


class Forecast:
    """Predicts the time of a case from smaller ones, to leave out what would take too long."""

    def __init__(self):
        self.seen = {}

    def learn(self, name, work, duration):
        """Keep the duration of a call with so many amplitudes times gates."""
        self.seen.setdefault(name, []).append((work, duration))

    def refusal(self, name, work):
        """Return why a call is not made, or None."""
        known = self.seen.get(name, ())
        seconds = min((duration * max(1, work / w) for w, duration in known), default=0)
        return f"about {seconds:.0f} s per repetition" if seconds > TIME_LIMIT else None


def difference(kinds, values, references, tolerance):
    """Return what an implementation computes otherwise than sklqkd, or None."""
    for kind, value, reference in zip(kinds, values, references, strict=True):
        error = np.abs(value - reference).max() / np.abs(reference).max()
        if not error < tolerance:
            return f"not timed: the {kind} {DIFFER} by {error:.1e}"
    return None


def time_steps(results, classes, ansatz, cases, repeats):
    """Time the training step of every case."""
    forecast = Forecast()
    for n_qubits, batch in cases:
        problem = make_problem(n_qubits, batch, ansatz, SEED)
        add = partial(results.add, STEP, ansatz, n_qubits, batch)
        work, calls, reference = 2**n_qubits * batch * n_qubits, {}, None
        n_steps: dict = {}
        for make in classes:
            if reason := make.refusal(n_qubits, batch) or forecast.refusal(make.name, work):
                add(make.name, note=reason)
                continue
            try:
                implementation = make(problem)
            except ImportError:
                add(make.name, note="not installed")
                continue
            start = time.perf_counter()
            logits = implementation.step()
            first_step = time.perf_counter() - start
            if make.is_checked:
                values = np.asarray(logits), implementation.gradient()
                reference = reference or values
                kinds = "logits", "gradients"
                if note := difference(kinds, values, reference, make.tolerance):
                    add(make.name, note=note)
                    continue
            results.add(
                "first step", ansatz, n_qubits, batch, make.name, [1000 * first_step], note="once"
            )
            calls[make.name] = implementation.steps
            n_steps[make.name] = make.n_steps
        for name, times in take_turns(calls, repeats).items():
            times = [each / n_steps[name] for each in times]
            add(name, times)
            forecast.learn(name, work, np.median(times) / 1000)


def time_inference(results, classes, qubits, repeats, timed_rows, rows=10_000):
    """Time the logits of so many rows, scaled up to `rows`."""
    forecast = Forecast()
    for n_qubits in qubits:
        # Beyond 10 qubits fewer rows are timed, by all: 10,000 rows would be 5 GB of data.
        n_rows = timed_rows >> max(0, 2 * (n_qubits - 10))
        data = make_problem(n_qubits, n_rows, RING, SEED)
        add = partial(results.add, INFERENCE, RING, n_qubits, None)
        calls, scales, reference = {}, {}, None
        for make in classes:
            part = data.first(make.inference_rows)
            scale, work = rows / len(part.labels), 2**n_qubits * n_qubits * len(part.labels)
            if reason := make.refusal(n_qubits) or forecast.refusal(make.name, work):
                add(make.name, note=reason)
                continue
            try:
                implementation = make(data.first(32))
            except ImportError:
                add(make.name, note="not installed")
                continue
            logits = implementation.predict(part)
            reference = logits if reference is None else reference
            expected = reference[: len(logits)]
            if note := difference(["logits"], [logits], [expected], make.tolerance):
                add(make.name, note=note)
                continue
            calls[make.name], scales[make.name] = partial(implementation.predict, part), scale
        for name, times in take_turns(calls, repeats).items():
            work = 2**n_qubits * n_qubits * rows / scales[name]
            forecast.learn(name, work, np.median(times) / 1000)
            note = f"from {rows / scales[name]:.0f} rows" if scales[name] > 1 else ""
            add(name, np.multiply(times, scales[name]), note=note)


def peak_megabytes(reset=False):
    """Return the peak memory of this process; on Linux since the last reset.

    There ru_maxrss would start from that of the process which started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def print_memory(name, n_qubits, batch):
    """Print what training (or a fit) adds to the peak memory of this process, in MB."""
    if name == FIT:
        X, y, teacher_logits = whole_fit.images(batch)
        whole_fit.student(1).fit(X[:64], y[:64], teacher_logits=teacher_logits[:64])
        before = peak_megabytes(reset=True)
        whole_fit.student(2).fit(X, y, teacher_logits=teacher_logits)
    else:
        (make,) = (make for make in peers.IMPLEMENTATIONS if make.name == name)
        make(make_problem(3, 4)).step()
        before = peak_megabytes(reset=True)
        implementation = make(make_problem(n_qubits, batch))
        for _ in range(3):
            implementation.step()
    print(peak_megabytes() - before)


def measure_memory(results, classes, cases):
    """Measure peak memory, each in a process of its own."""
    jobs = [(make.name, *case) for case in cases for make in classes]
    for name, n_qubits, batch in [*jobs, (FIT, 4, 10_000)]:
        command = [sys.executable, __file__, "--memory", name, str(n_qubits), str(batch)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        values = [float(done.stdout.split()[-1])] if done.returncode == 0 else []
        note = "" if values else (done.stderr.strip().splitlines() or ["failed"])[-1]
        ansatz = DEFAULT if name == FIT else RING
        results.add(MEMORY, ansatz, n_qubits, batch, name, values, "MB", note)


def time_fit(results, n_epochs, repeats):
    """Time a whole fit, its bare epochs, and a TorchLayer loop."""
    X, y, teacher_logits = whole_fit.images(1500)
    torch_epochs = 2
    bare_epoch = whole_fit.distilled_epochs(X, y, teacher_logits)
    calls = {
        "sklqkd": lambda: whole_fit.student(n_epochs).fit(X, y, teacher_logits=teacher_logits),
        "sklqkd bare epochs": lambda: [bare_epoch() for _ in range(n_epochs)],
    }
    notes = {
        "sklqkd": f"{n_epochs} epochs",
        "sklqkd bare epochs": f"{n_epochs} epochs",
    }
    try:
        loop = whole_fit.torch_layer_loop(X, y, teacher_logits)
        calls["PennyLane TorchLayer loop"] = lambda: loop(torch_epochs)
        notes["PennyLane TorchLayer loop"] = f"{n_epochs} epochs, scaled from {torch_epochs}"
    except ImportError:
        results.add(FIT, DEFAULT, 4, 32, "PennyLane TorchLayer loop", note="not installed")
    for name, times in take_turns(calls, repeats).items():
        scale = n_epochs / torch_epochs if "TorchLayer" in name else 1
        results.add(FIT, DEFAULT, 4, 32, name, np.multiply(times, scale), note=notes[name])


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n = 3, 4 and batch 32 alone")
    parser.add_argument("--repeats", type=int, help="repetitions of each case (7; quick: 3)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse()
    warnings.filterwarnings("ignore", message="Explicitly requested dtype")
    if arguments.memory:
        name, n_qubits, batch = arguments.memory
        return print_memory(name, int(n_qubits), int(batch))
    from sklqkd.threads import one_thread

    quick = arguments.quick
    repeats = arguments.repeats or (3 if quick else 7)
    cases = [(n, b) for n in QUBITS for b in BATCHES] if not quick else [(3, 32), (4, 32)]
    trained = [make for make in peers.IMPLEMENTATIONS if make.trains]
    checked = [make for make in peers.IMPLEMENTATIONS if make.is_checked]
    default_cases = [(4, 32)] if quick else list(PROMISES)
    qubits, n_rows = sorted({n for n, _ in cases}), 1000 if quick else 10_000
    memory_classes = [peers.Sklqkd] if quick else peers.IN_MEMORY
    memory_cases = MEMORY_CASES[:1] if quick else MEMORY_CASES
    results = Results()
    with one_thread():
        measure_memory(results, memory_classes, memory_cases)
        time_fit(results, 2 if quick else 20, repeats)
        time_steps(results, trained, RING, cases, repeats)
        time_steps(results, peers.DEFAULT_ANSATZ, DEFAULT, default_cases, repeats)
        time_inference(results, checked, qubits, repeats, n_rows)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results.save(arguments.output / "speed.csv")
    command = " ".join(["python", *sys.argv])
    write_markdown(results, arguments.output / "speed.md", command)
    write_summary(results, arguments.output / "speed_summary.md", command)
    draw(results, arguments.output / "speed.png", 32)
    if any(DIFFER in row["note"] for row in results.rows):
        sys.exit("Some implementations differ from sklqkd and were not timed: see the report.")


if __name__ == "__main__":
    main()
