"""Version 1's students, taught by a LeNet of the one-cycle recipe instead of the paper's.

``python benchmarks/paper/version1_teachers.py`` repeats the honest protocol of ``version1.py`` for
the six rows of tables 1 and 2 with a teacher that knows more, and writes ``version1_teachers.md``:
the plain student, the distilled one, and the one that also learns from the other training images,
of which the teacher alone says what they are. For the last two the temperature is chosen on
training images that are held out. Finished fits are kept in ``cache/runs``.
"""

from __future__ import annotations

import numpy as np
import pandas
from common import CACHE, get_teacher, load, markdown, parse, percent, provenance
from sklearn.model_selection import StratifiedShuffleSplit
from version1 import HONEST, REST, ROWS, SELECTION_SEED, Row, make_student

from sklqkd.evaluation import Comparison, compare

TEMPERATURES, LAM = (1.0, 3.0), 0.9
REST_EPOCHS = 15
DISTILLED = "distilled"


def students(row, task, temperature, quick):
    """Return the arms with a teacher at one temperature."""
    shape = {**HONEST, "max_iter": 15} if quick else HONEST
    taught = {"temperature": temperature, "lam": LAM}
    rest = {**HONEST, "max_iter": 5 if quick else REST_EPOCHS}
    return {
        DISTILLED: make_student(row.n_qubits, task, **taught, **shape),
        REST: make_student(row.n_qubits, task, **taught, **rest),
    }


def choose(row, task, images, logits, how):
    """Return the best temperature of each arm on held-out training images, and the seconds."""
    labels = np.full(len(task.y), -1)
    labels[images] = task.y[images]
    others = np.flatnonzero(labels == -1)
    splitter = StratifiedShuffleSplit(2, test_size=0.25, random_state=SELECTION_SEED)
    splits = [(images[a], images[b]) for a, b in splitter.split(images, labels[images])]
    with_rest = [(np.concatenate([train, others]), test) for train, test in splits]
    chosen, seconds = {}, 0.0
    for arm, folds in ((DISTILLED, splits), (REST, with_rest)):
        models = {f"T={t:g}": students(row, task, t, how["quick"])[arm] for t in TEMPERATURES}
        comparison = compare(
            *(models, task.X, labels),
            cv=folds,
            seeds=[SELECTION_SEED],
            fit_params={name: {"teacher_logits": logits} for name in models},
            n_jobs=how["n_jobs"],
            checkpoint=how["folder"] and how["folder"] / f"choice-{row.name}-{arm}",
        )
        means = [comparison.scores()[name].mean() for name in models]
        chosen[arm] = TEMPERATURES[int(np.argmax(means))]
        seconds += comparison.results["fit_seconds"].sum()
    return chosen, seconds


def reproduce(row, options):
    """Return the line of a row and the seconds of its fits."""
    task = row.load()
    images = task.few(20 if options.quick else 150)
    teacher = get_teacher("LeNet", task, recipe="one_cycle")
    folder = None if options.quick else CACHE / "runs" / "version1-teachers"
    how = {"n_jobs": options.n_jobs, "folder": folder, "quick": options.quick}
    chosen, seconds = choose(row, task, images, teacher.logits, how)
    shape = {**HONEST, "max_iter": 15} if options.quick else HONEST
    arms = {arm: students(row, task, t, options.quick)[arm] for arm, t in chosen.items()}
    labels = np.full(len(task.y), -1)
    labels[images] = task.y[images]
    parts = []
    for names, X, y, logits in (
        (("plain", DISTILLED), task.X[images], task.y[images], teacher.logits[images]),
        ((REST,), task.X, labels, teacher.logits),
    ):
        models = {"plain": make_student(row.n_qubits, task, lam=0, **shape), **arms}
        models = {name: models[name] for name in names}
        comparison = compare(
            *(models, X, y, task.X_test, task.y_test),
            seeds=options.seeds,
            fit_params={name: {"teacher_logits": logits} for name in names if name != "plain"},
            n_jobs=options.n_jobs,
            checkpoint=folder and folder / f"{row.name}-{len(names)}",
        )
        parts.append(comparison.results)
    comparison = Comparison(pandas.concat(parts), baseline="plain")
    seconds += comparison.results["fit_seconds"].sum()
    scores = comparison.scores()
    gains = comparison.differences().set_index("estimator")
    cells = [f"{task.title}, {row.n_qubits} qubits", f"{teacher.score(task):.2f}"]
    cells += [percent(scores["plain"])]
    for arm in arms:
        gain = gains.loc[arm]
        interval = f"{100 * gain['ci_low']:+.2f} to {100 * gain['ci_high']:+.2f}"
        cells += [f"{chosen[arm]:g}", percent(scores[arm])]
        cells += [f"{100 * gain['difference']:+.2f} ({interval}; p {gain['p_value_holm']:.2g})"]
    print(cells, flush=True)
    return cells, gains, seconds


def main():
    options = parse(__doc__)
    rows = [Row("digits", 4, 3)] if options.quick else ROWS
    if options.data:
        rows = [Row(options.data, load(options.data, 8).n_classes, n) for n in (3, 4)]
    found = [reproduce(row, options) for row in rows]
    lines = [
        "# Version 1 with a teacher that knows more",
        "",
        provenance(sum(seconds for *_, seconds in found) / options.n_jobs),
        "",
        f"LeNet by the one-cycle recipe; seeds 0 to {options.seeds - 1}; Hinton's loss, lam {LAM}, "
        f"T of {', '.join(f'{t:g}' for t in TEMPERATURES)} chosen on held-out training images; the "
        f"others unlabelled for {REST_EPOCHS} epochs. Gains are paired by seed, with 95 % "
        "intervals and p after Holm's correction.",
        "",
    ]
    for arm in (DISTILLED, REST):
        gains = pandas.DataFrame([each.loc[arm] for _, each, _ in found])
        sure = gains["p_value_holm"] < 0.05
        lines.append(
            f"- {arm}: mean gain {100 * gains['difference'].mean():+.2f} points; significantly "
            f"better in {(sure & (gains['difference'] > 0)).sum()} of {len(gains)} rows, worse in "
            f"{(sure & (gains['difference'] < 0)).sum()}."
        )
    header = ["data", "teacher, %", "plain, %"]
    header += ["T", f"{DISTILLED}, %", "gain", "T", f"{REST}, %", "gain"]
    lines += ["", markdown(header, [cells for cells, *_ in found])]
    (options.output / "version1_teachers.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
