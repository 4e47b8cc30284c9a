"""What the reproductions found, beside the paper's numbers: ``benchmarks/results/README.md``.

Also ``doubts.md``, what a sceptic would ask: is it the circuit, and does the paper's gain hold.

``python benchmarks/paper/summary.py`` reads the tables that ``version1.py``, ``version2.py`` and
``where_it_pays.py`` wrote and fits nothing; run it after any of them.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import pandas
from common import RESULTS, markdown
from version1 import REST, TEACHERS
from version2 import PAPER_ERRORS, TARGETS

TITLES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR-10"}
QUBITS = (4, 8)


def sure(p_value) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def version1(table):
    """Return the lines on tables 1 and 2 of version 1, and the findings."""
    rows, passed = [], {"distilled": 0, "plain": 0, REST: 0}
    for name, arms in table.groupby("row", sort=False):
        arms = arms.set_index("arm")
        taught = arms.loc[arms.index.isin(TEACHERS)]
        shown = {"distilled": taught[taught["chosen"]].iloc[0]}
        shown |= {"plain": arms.loc["plain"], REST: arms.loc[REST]}
        best = taught["paper"].max()
        for arm, line in shown.items():
            passed[arm] += line["honest"] >= best
        rows.append(
            [
                *(name, f"{arms.loc['plain', 'paper']:.2f}", f"{best:.2f}"),
                f"{arms.loc['plain', 'published_median']:.2f}",
                f"{taught['published_median'].max():.2f}",
                *(f"{line['honest']:.2f} ± {line['honest_sd']:.2f}" for line in shown.values()),
                *(
                    f"{shown[arm]['difference']:+.2f}, {sure(shown[arm]['p_value_holm'])}"
                    for arm in ("distilled", REST)
                ),
            ]
        )
    head = ["data", "paper: plain", "best distilled", "as published: plain", "best distilled"]
    head += ["honest: distilled", "plain", f"distilled, {REST}", "gain", f"gain, {REST}"]
    taught = table[table["arm"].isin(TEACHERS)]
    clear = taught["p_value_holm"] < 0.05
    better, worse = ((clear & (sign * taught["difference"] > 0)).sum() for sign in (1, -1))
    rest = table[table["arm"] == REST]
    n_better = ((rest["p_value_holm"] < 0.05) & (rest["difference"] > 0)).sum()
    optimism = (table["published_median"] - table["published_last_epoch"]).mean()
    failed = f"{table['published_failed'].sum():.0f} of {table['published_runs'].sum():.0f}"
    findings = [
        f"**The paper's accuracies in tables 1 and 2**: of {len(rows)} best distilled students of "
        f"the paper, plain students that have converged reach {passed['plain']}, distilled ones "
        f"{passed['distilled']}, distilled ones that see the others unlabelled {passed[REST]}. "
        "What a plain student reaches by training to the end is no gain from distillation.",
        f"**The gain in version 1's set-up**, honest protocol: "
        f"{taught['difference'].mean():+.2f} points on average over rows and teachers; of "
        f"{len(taught)} distilled students {better} are better and {worse} worse than the plain "
        f"one with p < 0.05. With the others unlabelled {rest['difference'].mean():+.2f} points, "
        f"{n_better} of {len(rest)} better.",
        f"**The published protocol** is not stable: {failed} runs failed (stayed below twice the "
        "accuracy of guessing). Choosing the best epoch on the test images, as the paper does, "
        f"adds {optimism:.2f} points.",
    ]
    return markdown(head, rows), findings


def version2(cells, all_images):
    """Return the lines on version 2, and the findings."""
    rows = []
    for row in all_images.to_dict("records"):
        data, n_qubits = row["data"], row["n_qubits"]
        place = QUBITS.index(n_qubits)
        paper = 100 - PAPER_ERRORS["fc", "amplitude"][data][place]
        rows.append(
            [
                *(TITLES[data], n_qubits, paper, TARGETS[data][place], row["n_seeds"]),
                *(f"{100 * row[arm]:.1f} ± {100 * row[f'{arm}_sd']:.1f}" for arm in ARMS),
                f"{100 * row['gain']:+.1f}, {sure(row['p_value_holm'])}",
            ]
        )
    head = ["data", "qubits", "paper, %", "target, %", "seeds", "plain, %", "distilled, %", "gain"]
    trained = cells["reducer"] == "fc"
    clear = cells["p_value_holm"] < 0.05
    lines = []
    for title, chosen in (("the trained reducer (fc)", trained), ("fixed reducers", ~trained)):
        for circuit in ("published", "default"):
            part = chosen & (cells["circuit"] == circuit)
            gains = cells.loc[part, "gain"]
            lines.append(
                f"{title}, {circuit} circuit: {100 * gains.mean():+.1f} points on average, "
                f"{(clear & part & (cells['gain'] > 0)).sum()} of {part.sum()} cells better and "
                f"{(clear & part & (cells['gain'] < 0)).sum()} worse with p < 0.05"
            )
    order = []
    for cell, errors in PAPER_ERRORS.items():
        ours = cells[(cells["circuit"] == "published") & (cells["reducer"] == cell[0])]
        ours = ours[ours["encoding"] == cell[1]].set_index(["data", "n_qubits"])["distilled"]
        for data, pair in errors.items():
            for n_qubits, error in zip(QUBITS, pair, strict=True):
                order.append((100 - error, 100 * ours[data, n_qubits]))
    paper, ours = np.array(order).T
    findings = [
        f"**Version 2's bar chart of reducers and encodings**: accuracies of the published circuit "
        f"(150 images per class here) correlate with the paper's at "
        f"{np.corrcoef(paper, ours)[0, 1]:.2f} over {len(order)} cells.",
        "**Trained and fixed reducers** (gain from distillation, 150 images per class): "
        + "; ".join(lines)
        + ".",
    ]
    return markdown(head, rows), findings


ARMS = ("plain", "distilled")


def bullets(report: Path, heading: str, *words: str) -> list[str]:
    """Return the lines of a section that begin a list and hold one of the words."""
    section = report.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line[2:] for line in section.splitlines() if line.startswith("- ")]
    return [line for line in lines if not words or any(word in line for word in words)]


def where_it_pays(report):
    """Return findings, in the words of the report."""
    sections = {
        "**Ten classes, few labels: distillation pays, images without labels most** (150 labelled "
        "images per class, 4 qubits, 10 seeds, settings chosen on training images)": bullets(
            report, "Headline"
        ),
        "**Which loss**": bullets(report, "Losses", "All data"),
        "**The teacher has to know more than the student's labels say**": bullets(
            report, "Quality of the teacher"
        ),
        "**Is it the quantum part?** The linear student lacks the circuit and has the same reducer "
        "and head": bullets(report, "Quantum and classical students"),
    }
    return [
        "\n".join([f"{title}:", *(f"  - {line}" for line in lines)])
        for title, lines in sections.items()
    ]


def cells_of(report: Path, heading: str) -> list[list[str]]:
    """Return the rows of a section's table, its head apart."""
    section = report.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def doubts(report, version1_finding):
    """Return the answers to what a sceptic would ask, from the reports."""
    rows = cells_of(report, "Quantum and classical students")
    sizes = {kind: int(parameters) for _, _, kind, _, parameters, *_ in rows}
    beside, counts = [], {"+": 0, "-": 0}
    for data, arm, kind, _, _, accuracy, _, less in rows:
        if kind == "QNN":
            quantum = accuracy
        elif kind == "Linear":
            beside.append(f"{data}, {arm}: {quantum} with it, {accuracy} without: {less}")
            p_value = float(re.search(r"p [=<] ([\d.e-]+)", less)[1])
            counts[less[0]] += p_value < 0.05
    n_angles = sizes["QNN"] - sizes["Linear"]
    listed = "\n".join(f"  - {line}" for line in beside)
    counted = f"better in {counts['+']} of {len(beside)} cases and worse in {counts['-']}"
    total, classical = f"{sizes['QNN']:,}", f"{sizes['Linear']:,}"
    return f"""- **Is it the circuit?** Of {total} trained parameters {n_angles} are angles of the
  circuit; {classical} are classical, in the trained reducer and the head. A linear student
  that lacks the circuit, and nothing else, is {counted}
  (p < 0.05). Test accuracy, %, and the difference in points with its 95 % interval:
{listed}
- {version1_finding}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    results = parser.parse_args().results
    read = {
        name: pandas.read_csv(results / f"{name}.csv")
        for name in ("version1", "version2", "version2_all_images")
    }
    first, findings1 = version1(read["version1"])
    second, findings2 = version2(read["version2"], read["version2_all_images"])
    answers = doubts(results / "where_it_pays.md", findings1[1])
    (results / "doubts.md").write_text(answers)
    findings3 = where_it_pays(results / "where_it_pays.md")
    findings = "\n".join(f"- {finding}" for finding in [*findings1, *findings2, *findings3])
    (results / "README.md").write_text(f"""# Results

Each report says by which command, versions and seeds it was made: [version1.md](version1.md) and
[version2.md](version2.md) (the paper's two versions, with its teachers),
[version1_teachers.md](version1_teachers.md) (the first with a better one),
[where_it_pays.md](where_it_pays.md) (when distillation helps), [teachers.md](teachers.md),
[selection.md](selection.md) (settings chosen in one fit), [speed.md](speed.md),
[uploads.md](uploads.md) (steps with data re-uploading),
[memory.md](memory.md), [against_release.md](against_release.md) (beside release 0.1.0),
[gpu.md](gpu.md), [devices.md](devices.md), [shots_training.md](shots_training.md) (SPSA against
the parameter-shift rule), [mitigation.md](mitigation.md) (readout correction and zero-noise
extrapolation), [search.md](search.md), [search_plan.md](search_plan.md) and
[mutation.md](mutation.md). This page is put together by
`python benchmarks/paper/summary.py`.

## Tables 1 and 2 of version 1, accuracy in %

The paper's numbers are single runs, the best epoch on the test images. "As published" repeats that
with 3 seeds (medians); "honest" has converged students, settings and teacher chosen on training
images, 10 seeds. Gains over plain are in points, paired by seed, p after Holm's correction.

{first}

## Version 2, ten classes, all training images, accuracy in %

The paper's are read off its bar chart, to about a point; it trains on all images of the data sets,
these students on 10,000 of them.

{second}

## Findings

{findings}
""")


if __name__ == "__main__":
    main()
