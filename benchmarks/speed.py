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
import csv
import gc
import importlib.metadata
import platform
import resource
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import peers

import sklqkd

SEED = 0
QUBITS, BATCHES = (3, 4, 6, 8, 10, 12, 14, 16), (32, 64, 256, 1024)
#: Where a ratio is promised: (n_qubits, batch): times PennyLane torch.
PROMISES = {(4, 32): 60, (8, 32): 50, (8, 256): 25, (10, 64): 20, (12, 64): 12}
MEMORY_CASES = ((4, 32), (8, 256), (12, 64))
#: What an implementation may take: seconds per call, and per case (after 3 repetitions).
TIME_LIMIT, CASE_LIMIT = 20, 2.5
PACKAGES = ("numpy", "scikit-learn", "torch", "pennylane", "pennylane-lightning", "jax")
PACKAGES += ("deepquantum", "torchquantum", "qiskit", "qiskit-aer")
DIFFER = "differ from those of sklqkd"
STEP, INFERENCE = "training step", "inference of 10,000 rows"
MEMORY, FIT = "peak memory of training", "whole fit"
RING, DEFAULT = "ring", "strongly_entangling"


class Results:
    """The rows of the table, in long format."""

    columns = ("quantity", "ansatz", "n_qubits", "batch", "implementation", "unit", "median", "iqr")
    columns += ("repeats", "note")

    def __init__(self):
        self.rows = []

    def add(self, quantity, ansatz, n_qubits, batch, name, values=(), unit="ms", note=""):
        """Record one cell; no values for one that was skipped, with the reason as the note."""
        median, iqr = "", ""
        if len(values):
            low, median, high = np.percentile(values, (25, 50, 75))
            median, iqr = f"{median:.6g}", f"{high - low:.3g}"
        case = (quantity, ansatz, n_qubits, batch or "", name)
        self.rows.append(
            dict(zip(self.columns, (*case, unit, median, iqr, len(values), note), strict=True))
        )
        print(*case, median or "skipped", note, flush=True)

    def medians(self, quantity, ansatz):
        """Return {(n_qubits, batch): {implementation: median}}."""
        table = {}
        for row in self.rows:
            if row["quantity"] == quantity and row["ansatz"] == ansatz:
                cells = table.setdefault((row["n_qubits"], row["batch"]), {})
                cells[row["implementation"]] = float(row["median"]) if row["median"] else None
        return table

    def save(self, path):
        """Write the csv file."""
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)


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
        problem = peers.make_problem(n_qubits, batch, ansatz, SEED)
        add = partial(results.add, STEP, ansatz, n_qubits, batch)
        work, calls, reference = 2**n_qubits * batch * n_qubits, {}, None
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
            calls[make.name] = implementation.step
        for name, times in take_turns(calls, repeats).items():
            add(name, times)
            forecast.learn(name, work, np.median(times) / 1000)


def time_inference(results, classes, qubits, repeats, timed_rows, rows=10_000):
    """Time the logits of so many rows, scaled up to `rows`."""
    forecast = Forecast()
    for n_qubits in qubits:
        # Beyond 10 qubits fewer rows are timed, by all: 10,000 rows would be 5 GB of data.
        n_rows = timed_rows >> max(0, 2 * (n_qubits - 10))
        data = peers.make_problem(n_qubits, n_rows, RING, SEED)
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
        X, y, teacher_logits = images(batch)
        student(1).fit(X[:64], y[:64], teacher_logits=teacher_logits[:64])
        before = peak_megabytes(reset=True)
        student(2).fit(X, y, teacher_logits=teacher_logits)
    else:
        (make,) = (make for make in peers.IMPLEMENTATIONS if make.name == name)
        make(peers.make_problem(3, 4)).step()
        before = peak_megabytes(reset=True)
        implementation = make(peers.make_problem(n_qubits, batch))
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


def time_fit(results, n_epochs, repeats):
    """Time a whole fit, its bare steps on one fixed batch, and a TorchLayer loop."""
    X, y, teacher_logits = images(1500)
    n_steps, torch_epochs = -(-len(X) // 32) * n_epochs, 2
    bare_step = peers.distilled_step(X[:32], y[:32], teacher_logits[:32])
    calls = {
        "sklqkd": lambda: student(n_epochs).fit(X, y, teacher_logits=teacher_logits),
        "sklqkd bare steps": lambda: [bare_step() for _ in range(n_steps)],
    }
    notes = {
        "sklqkd": f"{n_epochs} epochs",
        "sklqkd bare steps": f"{n_steps} steps on one fixed batch",
    }
    try:
        loop = peers.torch_layer_loop(X, y, teacher_logits)
        calls["PennyLane TorchLayer loop"] = lambda: loop(torch_epochs)
        notes["PennyLane TorchLayer loop"] = f"{n_epochs} epochs, scaled from {torch_epochs}"
    except ImportError:
        results.add(FIT, DEFAULT, 4, 32, "PennyLane TorchLayer loop", note="not installed")
    for name, times in take_turns(calls, repeats).items():
        scale = n_epochs / torch_epochs if "TorchLayer" in name else 1
        results.add(FIT, DEFAULT, 4, 32, name, np.multiply(times, scale), note=notes[name])


def number(value):
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def case_name(case):
    return "n={}".format(*case) if case[1] == "" else "n={} B={}".format(*case)


def markdown_table(medians, label="case", with_ratios=True):
    """Return a table: a row per case, a column per implementation, and the two ratios."""
    names = [make.name for make in peers.IMPLEMENTATIONS]
    names = [n for n in names if any(cells.get(n) is not None for cells in medians.values())]
    rivals = ("PennyLane torch", "PennyLane jax.jit") if with_ratios else ()
    ratios = [name for name in rivals if name in names]
    header = [label, *names, *(f"{name} / sklqkd" for name in ratios)]
    lines = ["| " + " | ".join(header) + " |", "|" + " ---: |" * len(header)]
    for case, cells in medians.items():
        values = [number(cells.get(name)) for name in names]
        for name in ratios:
            ratio = cells[name] / cells["sklqkd"] if cells.get(name) else None
            values.append(number(ratio))
        lines.append("| " + " | ".join([case_name(case), *values]) + " |")
    return "\n".join(lines)


def promises_table(medians):
    """Return the ratios that the project promises, beside the measured ones."""
    lines = ["| case | torch | promised | jax.jit | promised |", "|" + " ---: |" * 5]
    for case, promise in PROMISES.items():
        cells = medians.get(case, {})
        times = cells.get("PennyLane torch"), cells.get("PennyLane jax.jit")
        ratios = [number(time and time / cells["sklqkd"]) for time in times]
        lines.append(f"| {case_name(case)} | {ratios[0]} | {promise} | {ratios[1]} | 2 |")
    return "\n".join(lines)


def versions():
    yield f"sklqkd {sklqkd.__version__}"
    for package in PACKAGES:
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            yield f"{package} not installed"


def processor():
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write_markdown(results, path, command):
    """Write the report."""
    steps = results.medians(STEP, RING)
    skipped = {}
    for row in results.rows:
        if not row["median"]:
            key = f"{row['implementation']}, {row['quantity']}: {row['note']}"
            skipped.setdefault(key, []).append((row["n_qubits"], row["batch"]))
    fit_rows = [row for row in results.rows if row["quantity"] == FIT and row["median"]]
    fit_base = float(fit_rows[0]["median"]) if fit_rows else 1
    parts = [
        "# Speed",
        f"`{command}`, seed {SEED}; one thread of {processor()}, Python "
        f"{platform.python_version()}; {', '.join(versions())}.",
        "Medians of interleaved repetitions, in ms (spread and number of repetitions in "
        "`speed.csv`). Logits and gradients were compared before timing: 1e-4 of the largest.",
        "## Training step",
        "Amplitudes, 3 x (RX, RY, RZ on every qubit, ring of CNOTs), <Z> of each qubit, "
        "Linear(n, 10), cross-entropy, gradient of all parameters, Adam. sklqkd encodes the "
        "features inside the step, the others are handed the amplitudes. sklqkd, jax, "
        "DeepQuantum and lightning work in complex64; default.qubit makes complex128 of a torch "
        "state.",
        markdown_table(steps),
        "How many times faster than PennyLane, and what is promised:",
        promises_table(steps),
        "## Training step, the default ansatz (StronglyEntanglingLayers, 3 layers)",
        markdown_table(results.medians(STEP, DEFAULT)),
        "## Inference of 10,000 rows",
        "All predict in chunks of 2^18 amplitudes. More than 10 qubits, lightning and Aer: "
        "scaled from fewer rows, see `speed.csv`. Aer samples 5000 shots per row.",
        markdown_table(results.medians(INFERENCE, RING)),
        "## Whole fit: 1500 images of 784 pixels, 4 qubits, fc reducer, distilled",
        "| | ms | / sklqkd | |\n| --- | ---: | ---: | --- |\n"
        + "\n".join(
            f"| {row['implementation']} | {number(float(row['median']))} "
            f"| {number(float(row['median']) / fit_base)} | {row['note']} |"
            for row in fit_rows
        ),
        "## Peak memory above the imports, MB",
        "Training of the first table's model, each in its own process:",
        markdown_table(results.medians(MEMORY, RING), with_ratios=False),
        "A fit of `DistilledQNNClassifier` on 10,000 x 784 float32 images (31 MB), above the "
        "data: "
        + ", ".join(
            f"{number(cells[FIT])} MB" for cells in results.medians(MEMORY, DEFAULT).values()
        )
        + ".",
        "## Not run",
        "\n".join(
            f"- {key}" + (f"; {', '.join(map(case_name, cases))}" if "installed" not in key else "")
            for key, cases in skipped.items()
        ),
    ]
    path.write_text("\n\n".join(parts) + "\n")


def draw(results, path, batch):
    """Plot the cost of a training step against qubits, at one batch size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    medians = results.medians(STEP, RING)
    names = [make.name for make in peers.IMPLEMENTATIONS]
    # Okabe and Ito's colours, which colour-blind readers can tell apart.
    colours = ["#000000", "#E69F00", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#56B4E9"]
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    n_curves = 0
    for name in names:
        points = [
            (n, cells[name]) for (n, b), cells in medians.items() if b == batch and cells.get(name)
        ]
        if not points or name == "PennyLane TorchLayer":  # the same curve as PennyLane torch
            continue
        style = {"color": "#808080", "linestyle": ":" if "3" in name else "--", "marker": "."}
        if "floor" not in name:
            style = {"color": colours[n_curves], "marker": "osD^vPX"[n_curves], "markersize": 5}
            n_curves += 1
        width = 2.5 if name == "sklqkd" else 1.5
        axes.plot(*np.transpose(points), linewidth=width, label=name, **style)
    axes.set(
        yscale="log",
        xlabel="qubits",
        ylabel="one training step, ms",
        title=f"Cost of a training step, batch {batch}, one thread",
        xticks=sorted({n for n, _ in medians}),
    )
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    shown = {n for n, b in medians if b == batch and n <= 8}
    costs = [np.interp(max(shown), *handle.get_data()) for handle in handles]
    order = np.argsort(costs)[::-1]  # as the curves lie at 8 qubits
    axes.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        frameon=False,
    )
    figure.savefig(path, dpi=150)


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
    write_markdown(results, arguments.output / "speed.md", " ".join(["python", *sys.argv]))
    draw(results, arguments.output / "speed.png", 32 if quick else 64)
    if any(DIFFER in row["note"] for row in results.rows):
        sys.exit("Some implementations differ from sklqkd and were not timed: see the report.")


if __name__ == "__main__":
    main()
