"""The tables and the plot of ``speed.py``."""

from __future__ import annotations

import csv
import importlib.metadata
import platform
from pathlib import Path

import numpy as np
import peers

import sklqkd

SEED = 0
#: Where a ratio is promised: (n_qubits, batch): times PennyLane torch.
#: Times faster than PennyLane with torch, and under jax.jit, with the default ansatz.
PROMISES = {
    (2, 32): (300, 3),
    (4, 32): (350, 5),
    (6, 32): ("", 4),
    (8, 32): (50, 2),
    (8, 256): (25, 2),
    (10, 32): (20, 2),
    (12, 32): (12, 2),
}
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
        lines.append(
            f"| {case_name(case)} | {ratios[0]} | {promise[0]} | {ratios[1]} | {promise[1]} |"
        )
    return "\n".join(lines)


def write_summary(results, path, command):
    """Write the short table that README shows."""
    lines = [
        "| qubits, batch | sklqkd, ms | PennyLane torch, ms | times | jax.jit, ms | times |",
        "|" + " ---: |" * 6,
    ]
    medians = results.medians(STEP, DEFAULT)
    for case in PROMISES:
        cells = medians.get(case, {})
        if not cells.get("sklqkd"):
            continue
        times = cells.get("PennyLane torch"), cells.get("PennyLane jax.jit")
        pairs = [f"{number(time)} | {number(time and time / cells['sklqkd'])}" for time in times]
        row = " | ".join([f"{case[0]}, {case[1]}", number(cells["sklqkd"]), *pairs])
        lines.append(f"| {row} |")
    caption = (
        "One training step of the default ansatz, three strongly entangling layers, on one thread, "
        f"medians of interleaved runs: `{command}`"
    )
    path.write_text("\n".join(lines) + f"\n\n{caption}\n")


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
        "Linear(n, 10), cross-entropy, gradient of all parameters, Adam. Of sklqkd an "
        "epoch of 20 mini-batches is timed, as a fit makes it: up to 6 qubits the features of all "
        "images are encoded before, with more qubits inside the step. The others are handed the "
        "amplitudes. sklqkd, jax, "
        "DeepQuantum and lightning work in complex64; default.qubit makes complex128 of a torch "
        "state.",
        markdown_table(steps),
        "## Training step, the default ansatz (StronglyEntanglingLayers, 3 layers)",
        markdown_table(results.medians(STEP, DEFAULT)),
        "How many times faster than PennyLane, and what is promised:",
        promises_table(results.medians(STEP, DEFAULT)),
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

    plt.style.use("sklqkd.plotting.style")
    medians = results.medians(STEP, RING)
    names = [make.name for make in peers.IMPLEMENTATIONS]
    colours = ["C7", "C5", "C2", "C0", "C1", "C4", "C6"]
    figure, axes = plt.subplots(figsize=(8.5, 5))
    n_curves = 0
    for name in names:
        points = [
            (n, cells[name]) for (n, b), cells in medians.items() if b == batch and cells.get(name)
        ]
        if not points or name == "PennyLane TorchLayer":  # the same curve as PennyLane torch
            continue
        style = {"color": "#808080", "linestyle": ":" if "3" in name else "--", "marker": "."}
        is_part = name in ("3 matrix products (NumPy)", "Linear + Adam (torch)")
        if not is_part:
            style = {"color": colours[n_curves], "marker": "osD^vPX"[n_curves], "markersize": 5}
            n_curves += 1
        width = 2.5 if name == "sklqkd" else 1.5
        label = f"for scale: {name}" if is_part else name
        axes.plot(*np.transpose(points), linewidth=width, label=label, **style)
    axes.set(
        yscale="log",
        xlabel="qubits",
        ylabel="one training step, ms",
        title=f"Cost of a training step, batch {batch}, one thread",
        xticks=sorted({n for n, _ in medians}),
    )
    handles, labels = axes.get_legend_handles_labels()
    shown = {n for n, b in medians if b == batch and n <= 8}
    costs = [np.interp(max(shown), *handle.get_data()) for handle in handles]
    order = np.argsort(costs)[::-1]  # as the curves lie at 8 qubits
    axes.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="center left",
        bbox_to_anchor=(1, 0.5),
    )
    figure.savefig(path, dpi=150)
