"""The tables and findings of ``where_it_pays.py``: every number and name in them is computed."""

from __future__ import annotations

import pandas as pd
from common import markdown, percent
from where_it_pays_runs import (
    CONTROLS,
    COPIES,
    COPIES_WITH_REST,
    DISTILLED,
    PLAIN,
    TUNED,
    WITH_REST,
    WITHOUT_TEMPERATURE,
)

from sklqkd.evaluation import Comparison
from sklqkd.losses import DISTILLATION_LOSSES

TRIO = (PLAIN, DISTILLED, WITH_REST)
#: What a gain has to reach, in points, and its p-value.
WANTED, SURE = 2.0, 0.01
#: The same with copies, on labelled images alone and with the others, by data.
WANTED_OF_COPIES = {"MNIST": (8.0, 10.0), "FashionMNIST": (3.5, 5.5)}
#: Over the distilled student without copies.
WANTED_OVER_DISTILLED = {"MNIST": 2.5}
ALL_LABELLED = "plain, all images labelled"


class Found:
    """The results of one data set, by arm.

    Parameters
    ----------
    plan : Plan
        Of ``where_it_pays.py``.
    results : DataFrame
        As `run` returns them.
    """

    def __init__(self, plan, results):
        self.plan, self.results = plan, results
        grouped = results.groupby("estimator", sort=False)
        self.accuracy = {name: group["accuracy"].to_numpy() for name, group in grouped}
        self.teacher = {name: 100 * group["teacher"].iloc[0] for name, group in grouped}
        self.size = {name: int(group["n_parameters"].iloc[0]) for name, group in grouped}

    def of(self, arm):
        """Return the accuracies of an arm, by seed."""
        return self.accuracy[arm.name]

    def gain(self, arm):
        """Return the gains over the plain student, by seed."""
        return self.of(arm) - self.of(self.plan.plain)

    def headline(self):
        """Return the accuracies of the first part, by label, and the teacher's."""
        teacher = self.teacher[self.plan.plain.name]
        return {label: self.of(arm) for label, arm in self.plan.headline.items()} | {
            "teacher": teacher
        }

    def sizes(self):
        """Return the accuracies of the second part, by label and size."""
        found = {label: {} for label in TRIO}
        for size, arms in self.plan.sizes.items():
            for label, arm in arms.items():
                found[label][size] = self.of(arm)
        return found

    def settings(self):
        """Return the label and the gains of each curve of the third part."""
        found = {}
        for (loss, parameter, rest), arms in self.plan.settings.items():
            arm = next(iter(arms.values()))
            fixed = f", T={arm.temperature:g}" if parameter == "lam" else f", lam={arm.lam:g}"
            label = loss + ("" if loss in WITHOUT_TEMPERATURE else fixed)
            points = {value: self.gain(arm) for value, arm in arms.items()}
            found[loss, parameter, rest] = label + rest * ", others unlabelled", points
        return found

    def teachers(self):
        """Return the accuracies of the fourth part, by teacher and label."""
        plain = self.of(self.plan.plain)
        return {
            key: {label: self.of(arm) for label, arm in arms.items()}
            | {PLAIN: plain, "teacher": self.teacher[next(iter(arms.values())).name]}
            for key, arms in self.plan.teachers.items()
        }

    def losses(self):
        """Return the gains of the fifth part, by loss and label."""
        return {
            loss: {label: self.gain(arm) for label, arm in arms.items()}
            for loss, arms in self.plan.losses.items()
        }

    def kinds(self):
        """Return the accuracies of the sixth part, by kind of student and label."""
        return {
            kind: {label: self.of(arm) for label, arm in arms.items()}
            for kind, arms in self.plan.kinds.items()
        }

    def compare(self, arms, baseline):
        """Return the paired differences of labelled arms to one of them, by label.

        An arm that is the baseline itself under another label is left out.
        """
        kept = {
            label: arm for label, arm in arms.items() if label == baseline or arm != arms[baseline]
        }
        if len(kept) < 2:
            return {}
        parts = [
            self.results[self.results["estimator"] == arm.name].assign(estimator=label)
            for label, arm in kept.items()
        ]
        differences = Comparison(pd.concat(parts), baseline=baseline).differences()
        return differences.set_index("estimator").to_dict("index")

    def gains(self, arms):
        """Return the paired differences of labelled arms to the plain student, by label."""
        return self.compare({PLAIN: self.plan.plain, **arms}, PLAIN)


def cell(row):
    """Return a gain in points, its interval, and its corrected p-value."""
    if row is None:
        return "-"
    p_value = row["p_value_holm"]
    p_text = f"= {p_value:.2g}" if p_value >= 1e-4 else "< 0.0001"
    interval = f"{100 * row['ci_low']:+.2f} to {100 * row['ci_high']:+.2f}"
    return f"{100 * row['difference']:+.2f} ({interval}; p {p_text})"


def helps(row):
    """Return whether a gain is above 0 beyond chance."""
    return bool(row["difference"] > 0 and row["p_value_holm"] < 0.05)


def headline(found):
    """Return the lines of the first part."""
    rows, lines = [], []
    for title, each in found.items():
        arms = each.plan.headline
        over = {baseline: each.compare(arms, baseline) for baseline in (PLAIN, TUNED)}
        for label, arm in arms.items():
            setting = "-" if arm.loss is None and arm.views is None else arm.setting
            cells = [cell(gains.get(label)) for gains in over.values()]
            rows.append([title, label, setting, str(arm.max_iter), percent(each.of(arm)), *cells])
        for label in TRIO[1:]:
            row = over[PLAIN][label]
            reached = 100 * row["difference"] >= WANTED and row["p_value_holm"] < SURE
            tuned = over[TUNED].get(label)
            lines.append(
                f"- {title}, {label}: {cell(row)} points over the plain student"
                + (f", {cell(tuned)} over the one whose epochs were chosen too" if tuned else "")
                + f". At least {WANTED:+g} points with p < {SURE:g}: {'yes' if reached else 'no'}."
            )
        lines += copies(title, each, over[PLAIN])
        rest = 100 * over[PLAIN][WITH_REST]["difference"]
        labels = 100 * over[PLAIN][ALL_LABELLED]["difference"]
        lines.append(
            f"- {title}: the teacher's word on the other images gives {rest:+.2f} points, the true "
            f"labels of all of them {labels:+.2f}."
        )
        idle = [label for label, row in over[PLAIN].items() if not helps(row)]
        lines.append(f"- {title}, no gain over {PLAIN}: {'; '.join(idle) or 'none'}.")
    header = ["data", "student", "setting", "epochs", "accuracy, %"]
    header += [f"gain over {baseline}, points" for baseline in (PLAIN, TUNED)]
    return [*lines, "", markdown(header, rows)]


def copies(title, each, over_plain):
    """Return the lines on students that learn from changed copies of their images."""
    arms, lines = each.plan.headline, []
    pairs = ((COPIES, DISTILLED), (COPIES_WITH_REST, WITH_REST))
    for (label, without), wanted in zip(
        pairs, WANTED_OF_COPIES.get(title, (None, None)), strict=True
    ):
        row, over = over_plain[label], each.compare(arms, without)[label]
        line = f"- {title}, {label}: {cell(row)} points over the plain student"
        line += f", {cell(over)} over {without}."
        if wanted is not None:
            reached = 100 * row["difference"] >= wanted and row["p_value_holm"] < SURE
            line += f" At least {wanted:+g} over the plain one: {'yes' if reached else 'no'}."
        if label == COPIES and title in WANTED_OVER_DISTILLED:
            wanted = WANTED_OVER_DISTILLED[title]
            reached = 100 * over["difference"] >= wanted and over["p_value_holm"] < SURE
            line += f" At least {wanted:+g} over {without}: {'yes' if reached else 'no'}."
        lines.append(line)
    return lines


def sizes(found):
    """Return the lines of the second part."""
    rows, lines = [], []
    for title, each in found.items():
        idle = []
        for size, arms in each.plan.sizes.items():
            gains = each.compare(arms, PLAIN)
            accuracies = [percent(each.of(arms[x])) if x in arms else "-" for x in TRIO]
            rows.append([title, str(size), *accuracies, *(cell(gains.get(x)) for x in TRIO[1:])])
            idle += [f"{label} at {size}" for label, row in gains.items() if not helps(row)]
            if size == each.plan.plain.per_class:
                cells = [f"{label} {cell(gains[label])}" for label in TRIO[1:]]
                lines.append(f"- {title}, {size} other images per class: {', '.join(cells)}.")
        lines.append(f"- {title}, no gain over {PLAIN}: {'; '.join(idle) or 'nowhere'}.")
    header = ["data", "labelled images per class", *(f"{label}, %" for label in TRIO)]
    return [*lines, "", markdown([*header, *(f"gain, {label}" for label in TRIO[1:])], rows)]


def settings(found):
    """Return the lines of the third part."""
    rows, lines = [], []
    for title, each in found.items():
        for (loss, parameter, rest), arms in each.plan.settings.items():
            gains = each.gains(arms)
            which = WITH_REST if rest else DISTILLED
            rows += [
                [title, which, loss, parameter, arms[value].setting, cell(row)]
                for value, row in gains.items()
            ]
            idle = [f"{value:g}" for value, row in gains.items() if not helps(row)]
            lines.append(
                f"- {title}, {which}, {loss}: {parameter} without gain: {', '.join(idle) or '-'}."
            )
    header = ["data", "student", "loss", "varied", "setting", "gain over plain, points"]
    return [*lines, "", markdown(header, rows)]


def teachers(found):
    """Return the lines of the fourth part."""
    rows, lines = [], []
    for title, each in found.items():
        gains = {key: each.gains(arms) for key, arms in each.plan.teachers.items()}
        for key, arms in each.plan.teachers.items():
            accuracy = each.teacher[next(iter(arms.values())).name]
            rows.append([title, key[1], f"{accuracy:.2f}", *(cell(gains[key][x]) for x in arms)])
        for label in TRIO[1:]:
            idle = [key[1] for key, row in gains.items() if not helps(row[label])]
            lines.append(f"- {title}, {label}: no help from a teacher of {'; '.join(idle) or '-'}.")
        for key, arms in each.plan.teachers.items():
            if arms[DISTILLED].teacher_per_class == each.plan.plain.per_class:
                cells = [f"{label} {cell(gains[key][label])}" for label in TRIO[1:]]
                lines.append(f"- {title}, no other labels for the teacher: {', '.join(cells)}.")
    header = ["data", "teacher of", "its accuracy, %", *(f"gain, {label}" for label in TRIO[1:])]
    return [*lines, "", markdown(header, rows)]


def losses(found):
    """Return the lines of the fifth part."""
    rows, lines, leading = [], [], {label: [] for label in TRIO[1:]}
    for title, each in found.items():
        cells = {loss: [] for loss in DISTILLATION_LOSSES}
        for label in TRIO[1:]:
            parts = each.plan.losses.items()
            arms = {loss: labels[label] for loss, labels in parts if label in labels}
            gains = each.gains(arms)
            first = max(gains, key=lambda loss: gains[loss]["difference"])
            over = each.compare(arms, first)
            close = [loss for loss, row in over.items() if not row["p_value_holm"] < 0.05]
            leading[label].append({first, *close})
            lines.append(
                f"- {title}, {label}: most from {first}; not told apart from it: "
                f"{', '.join(close) or 'none'}."
            )
            for loss, shown in cells.items():
                setting = arms[loss].setting.removeprefix(loss).strip() if loss in arms else "-"
                shown += [setting, cell(gains.get(loss))]
        for loss, shown in cells.items():
            rows.append([title, f"{loss} (control)" if loss in CONTROLS else loss, *shown])
    for label, names in leading.items():
        common = [loss for loss in DISTILLATION_LOSSES if set.intersection(*names) & {loss}]
        lines.append(
            f"- All data, {label}: among the first everywhere: {', '.join(common) or '-'}."
        )
    header = ["data", "loss"]
    for label in TRIO[1:]:
        header += [f"chosen, {label}", f"gain, {label}"]
    return [*lines, "", markdown(header, rows)]


def kinds(found):
    """Return the lines of the sixth part."""
    rows, lines = [], []
    for title, each in found.items():
        plan = each.plan.kinds
        for label in TRIO:
            arms = {kind: arms[label] for kind, arms in plan.items()}
            over = each.compare(arms, "QNN")
            for kind, arm in arms.items():
                gain = each.compare(plan[kind], PLAIN).get(label)
                cells = [str(each.size[arm.name]), percent(each.of(arm)), cell(gain)]
                rows.append([title, label, kind, arm.setting, *cells, cell(over.get(kind))])
            better = [kind for kind, row in over.items() if helps(row)]
            worse = [kind for kind, row in over.items() if row["p_value_holm"] < 0.05]
            worse = [kind for kind in worse if kind not in better]
            lines.append(
                f"- {title}, {label}: better than the quantum student: "
                f"{', '.join(better) or 'none'}; worse: {', '.join(worse) or 'none'}."
            )
    header = ["data", "trained", "student", "setting", "parameters", "accuracy, %"]
    header += ["gain over its plain one, points", "less the quantum student, points"]
    return [*lines, "", markdown(header, rows)]


def introductions(per_class, epochs_with_rest, teacher_epochs):
    """Return what each part shows, for a reader."""
    few = f"{per_class} labelled images per class"
    return {
        "headline": f"The first {few}. Mean and standard deviation over the seeds; differences are "
        "paired by seed, with the 95 % confidence interval and the p-value of a paired t test, "
        f"corrected for the number of students by Holm's method. `{WITH_REST}`: the student also "
        "sees the other training images, of which only the teacher says what they are "
        f"({epochs_with_rest} epochs). With copies, the teacher also says what it thinks of eight "
        "changed copies of each image (`augmentation`); its control is a plain student with the "
        "copies that are best for it, and the labels kept. The other controls have no teacher. "
        "The plain student with as many steps shows whether the gain from these images is that of "
        "a longer training; the plain student with all labels shows what their labels would give.",
        "sizes": "Each seed draws the labelled images anew; the settings are those of the "
        f"headline, not chosen for each number. {per_class} is the headline's experiment with "
        "other images for each seed.",
        "settings": f"The first {few}; what is not varied is as chosen. For display alone: no "
        "setting was chosen here.",
        "teachers": f"LeNet trained on fewer images of each class, or for fewer epochs than "
        f"{teacher_epochs}; the first {few} for the student, with the default loss, temperature "
        f"and lam for every teacher. A teacher of {per_class} per class has seen no label that "
        "the student has not.",
        "losses": f"The first {few}; each loss with settings of its own, chosen as in the "
        "headline.",
        "kinds": f"The first {few}. The linear student lacks the circuit, the MLP student has a "
        "hidden layer in its place; reducer, head and training are the same. All learn by Hinton's "
        "loss, whose temperature and lam are chosen for each of them.",
    }


#: The parts that have a table, by name.
SECTIONS = {
    "headline": ("Headline", headline),
    "sizes": ("Labelled images per class", sizes),
    "settings": ("Temperature and lam", settings),
    "teachers": ("Quality of the teacher", teachers),
    "losses": ("Losses", losses),
    "kinds": ("Quantum and classical students", kinds),
}
