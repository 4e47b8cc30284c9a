"""Reproduction 3: when distillation helps a student of four qubits, and by how much.

``python benchmarks/paper/where_it_pays.py`` writes ``where_it_pays.md`` and ``.csv``, the choices
of the settings in ``where_it_pays_selection.csv``, and a figure for each part: the headline at 150
labelled images per class, the gain against their number, against temperature and lam, against the
teacher's quality, per loss, and beside classical students. ``--quick`` runs a small version on the
embedded digits; it writes to a temporary folder unless --output is given. Finished fits are kept
in ``cache/``, so that a second call goes on where one was stopped.

Temperature, lam, loss and epochs are chosen by cross-validation on labelled training images (see
`choose` in ``where_it_pays_runs.py``); test images are for scoring. ``--data`` takes data of your
own, see ``own_data.py``.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import where_it_pays_figures as figures
import where_it_pays_report as report
from common import LENET_EPOCHS, PER_CLASS, RESULTS, get_teacher, load, parse, provenance
from where_it_pays_runs import (
    CONTROLS,
    COPIES,
    COPIES_WITH_REST,
    DISTILLED,
    EPOCHS,
    EPOCHS_WITH_REST,
    KINDS,
    LAMS,
    PLAIN,
    PLAIN_COPIES,
    RECIPE,
    SELECTION_SEEDS,
    TEMPERATURES,
    TUNED,
    VIEWS,
    WITH_REST,
    WITHOUT_TEMPERATURE,
    Arm,
    choose,
    folder_of,
    run,
)

from sklqkd.losses import DISTILLATION_LOSSES

#: The small grid of --quick.
QUICK = {"temperatures": (1.0, 4.0), "lams": (0.9,), "folds": 2}
#: What quantum and classical students are compared with.
LOSS_OF_ALL = "hinton"


class Plan:
    """What is fitted for one data set: the arms of each part, by the labels that readers see.

    Parameters
    ----------
    task : Task
    chosen : Chosen
    classical : dict of str to Chosen
        For each kind of classical student.
    quick : bool
    """

    def __init__(self, task, chosen, classical, quick):
        n, n_most = chosen.labelled.per_class, len(task.y)
        n_of_class = np.bincount(task.y)
        self.plain = Arm(per_class=n)
        self.chosen = chosen
        steps = round(EPOCHS_WITH_REST * n_most / len(task.few(n)))
        self.headline = {
            PLAIN: self.plain,
            TUNED: chosen.plain,
            "plain, as many steps as with all": replace(self.plain, max_iter=steps, patient=True),
            "label smoothing (control)": chosen.losses["label_smoothing"],
            "virtual teacher (control)": chosen.losses["virtual_teacher"],
            DISTILLED: chosen.labelled,
            WITH_REST: chosen.rest,
            PLAIN_COPIES: chosen.plain_views,
            COPIES: chosen.views,
            COPIES_WITH_REST: chosen.views_with_rest,
            report.ALL_LABELLED: Arm(per_class=n_most, max_iter=EPOCHS_WITH_REST),
        }
        self.headline = {label: arm for label, arm in self.headline.items() if arm is not None}
        trio = {PLAIN: self.plain, DISTILLED: chosen.labelled, WITH_REST: chosen.rest}
        self.sizes = {
            size: {label: replace(arm, per_class=size, drawn=True) for label, arm in trio.items()}
            for size in ((5, n) if quick else (10, 30, 100, n, 300, 1000))
            if size == n or size <= n_of_class.min()
        }
        if (most := n_of_class.max()) in self.sizes:
            del self.sizes[most][WITH_REST]  # no others are left
        self.settings = self._settings(quick)
        default = Arm(loss="hinton", temperature=3.0, lam=0.5, per_class=n)
        taught = {DISTILLED: default, WITH_REST: default.with_rest()}
        self.teachers = {
            (varied, name): {
                label: replace(arm, teacher_epochs=epochs, teacher_per_class=per_class)
                for label, arm in taught.items()
            }
            for varied, name, epochs, per_class in self._teachers(quick)
        }
        self.losses = {
            loss: {DISTILLED: chosen.losses[loss]}
            | ({} if loss in CONTROLS else {WITH_REST: chosen.losses_with_rest[loss]})
            for loss in DISTILLATION_LOSSES
        }
        self.kinds = {
            kind: {PLAIN: replace(self.plain, kind=kind)}
            | {DISTILLED: its.losses[LOSS_OF_ALL], WITH_REST: its.losses_with_rest[LOSS_OF_ALL]}
            for kind, its in {"QNN": chosen, **classical}.items()
        }

    def _settings(self, quick):
        temperatures = (1, 20) if quick else (1, 2, 3, 5, 8, 12, 20)
        lams = (0.1, 0.9) if quick else (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
        chosen, curves = self.chosen, {}
        for loss in dict.fromkeys(("hinton", chosen.labelled.loss)):
            arm = chosen.losses[loss]
            curves[loss, "lam", False] = {lam: replace(arm, lam=lam) for lam in lams}
            if loss not in WITHOUT_TEMPERATURE:
                curves[loss, "temperature", False] = {
                    value: replace(arm, temperature=float(value)) for value in temperatures
                }
        arm = chosen.losses_with_rest["hinton"]
        curves["hinton", "lam", True] = {lam: replace(arm, lam=lam) for lam in lams}
        return curves

    def _teachers(self, quick):
        """Return what is varied, a name, epochs and images per class of each teacher."""
        images = [
            ("images", f"{n} per class", LENET_EPOCHS, n)
            for n in ((40,) if quick else (20, 50, PER_CLASS, 300))
        ]
        epochs = [
            ("epochs", f"{n} epoch{'s' if n > 1 else ''}", n, None)
            for n in ((3,) if quick else (1, 3))
        ]
        return [*images, ("images", "all images", LENET_EPOCHS, None), *epochs]

    def arms(self):
        """Return all arms, some of them several times."""
        parts = self.sizes, self.settings, self.teachers, self.losses, self.kinds
        groups = [self.headline, *(group for part in parts for group in part.values())]
        return [arm for group in groups for arm in group.values()]


def study(name, options):
    """Choose, fit and score on one data set.

    Returns
    -------
    found : Found
    choices : DataFrame
    seconds : float
        Time of all fits, one after the other, but those of teachers.
    """
    task = load(name)
    teacher = get_teacher("LeNet", task, recipe=RECIPE)
    how = {"n_jobs": options.n_jobs, "folder": folder_of(task)}
    grid = {"per_class": 20, **QUICK} if options.quick else {"per_class": PER_CLASS}
    chosen = choose(task, teacher, views=VIEWS, **grid, **how)
    others = [
        choose(task, teacher, kind=kind, losses=(LOSS_OF_ALL,), **grid, **how) for kind in KINDS[1:]
    ]
    plan = Plan(task, chosen, dict(zip(KINDS[1:], others, strict=True)), options.quick)
    results = run(task, plan.arms(), range(options.seeds), **how)
    seconds = sum(each.seconds for each in (chosen, *others)) + results["fit_seconds"].sum()
    choices = pd.concat([each.scores for each in (chosen, *others)])
    print(f"{task.title}: {len(results)} fits for the tables", flush=True)
    return report.Found(plan, results), choices, seconds


def main():
    options = parse(__doc__)
    if options.quick and options.output == RESULTS:
        options.output = Path(tempfile.mkdtemp())
        print(f"writing to {options.output}")
    names = ("digits",) if options.quick else ("mnist", "fashion_mnist")
    names = (options.data,) if options.data else names
    studies = [study(name, options) for name in names]
    found = {each.results["data"].iloc[0]: each for each, *_ in studies}
    stem = options.output / "where_it_pays"
    results = pd.concat([each.results for each in found.values()])
    results.drop(columns="estimator").to_csv(f"{stem}.csv", index=False)
    pd.concat([choices for _, choices, _ in studies]).to_csv(f"{stem}_selection.csv", index=False)
    per_class = next(iter(found.values())).plan.plain.per_class
    grid = QUICK if options.quick else {"temperatures": TEMPERATURES, "lams": LAMS}
    temperatures, lams = (", ".join(f"{v:g}" for v in grid[k]) for k in ("temperatures", "lams"))
    lines = [
        "# Where distillation pays",
        "",
        # The time of the fits, for finished ones are not done again.
        provenance(sum(seconds for *_, seconds in studies) / options.n_jobs),
        "",
        f"The student is the default one of four qubits, the teacher a LeNet; seeds 0 to "
        f"{options.seeds - 1}. Loss, temperature (of {temperatures}), lam (of {lams}) and the "
        f"epochs of a plain student (of {', '.join(map(str, EPOCHS))}) are chosen by "
        f"cross-validation on the first {per_class} training images of each class, with the seeds "
        f"{', '.join(map(str, SELECTION_SEEDS))}: temperature and lam of each loss, then the loss, "
        "by its mean over more folds. With the unlabelled images, temperature, then lam, then the "
        "loss are chosen anew. Students with copies learn by Hinton's loss; the copies "
        f"({', '.join(VIEWS)}), temperature and lam are chosen together. All candidates are "
        "in `where_it_pays_selection.csv`. Test images are for scoring only.",
    ]
    introductions = report.introductions(per_class, EPOCHS_WITH_REST, LENET_EPOCHS)
    for name, (title, table) in report.SECTIONS.items():
        if name == "kinds" and len(KINDS) == 1:
            continue
        path = Path(f"{stem}_{name}.png")
        getattr(figures, name)({key: getattr(each, name)() for key, each in found.items()}, path)
        lines += ["", f"## {title}", "", introductions[name], "", *table(found)]
        lines += ["", f"![{title}]({path.name})"]
    Path(f"{stem}.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
