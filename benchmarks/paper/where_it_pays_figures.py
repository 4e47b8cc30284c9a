"""The figures of ``where_it_pays.py``: means over the seeds, 95 % confidence intervals."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter, NullLocator
from where_it_pays_runs import (
    CONTROLS,
    COPIES,
    COPIES_WITH_REST,
    DISTILLED,
    PLAIN,
    PLAIN_COPIES,
    WITH_REST,
)

from sklqkd.evaluation.comparison import mean_interval

plt.style.use("sklqkd.plotting.style")
BLUE, ORANGE, GREEN, GREY, PURPLE = "C0", "C1", "C2", "C3", "C4"
STYLES = {
    PLAIN: (GREY, "s"),
    DISTILLED: (BLUE, "o"),
    WITH_REST: (ORANGE, "D"),
}
#: In the first part copies have the colour of the student without them.
WITH_COPIES = {
    PLAIN_COPIES: (GREY, "^"),
    COPIES: (BLUE, "^"),
    COPIES_WITH_REST: (ORANGE, "^"),
}


def band(axes, x, values, label, style, **options):
    """Draw means with a band; `values` is a series over (x, seed) or a list of arrays."""
    colour, marker = style
    mean, low, high = np.array([mean_interval(each) for each in values]).T
    axes.plot(x, mean, marker=marker, color=colour, label=label, markersize=5, **options)
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)


def dots(axes, y, values, label, style):
    """Draw means with bars, one below the other."""
    colour, marker = style
    mean, low, high = np.array([mean_interval(each) for each in values]).T
    bars = np.abs(np.array([mean - low, high - mean]))
    axes.errorbar(
        mean, y, xerr=bars, fmt=marker, color=colour, label=label, capsize=3, markersize=6
    )


def finish(figure, path, *, legend=None):
    """Write the figure, its legend below the panels."""
    if legend is not None:
        handles, labels = legend.get_legend_handles_labels()
        columns = 2 if len(labels) > 3 else len(labels)
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=columns,
        )
    figure.savefig(path, dpi=150)
    plt.close(figure)


def panels(rows, titles, height, **options):
    """Return a figure with a column for each data set."""
    size = (max(7.5, 5.2 * len(titles)), height)
    options = {"layout": "constrained", "squeeze": False, "sharey": "row", **options}
    figure, axes = plt.subplots(rows, len(titles), figsize=size, **options)
    for each, title in zip(axes[0], titles, strict=True):
        each.set_title(title)
    return figure, axes


def headline(parts, path):
    """Accuracy of the student in each arm, and of its teacher."""
    figure, axes = panels(1, list(parts), 4.4)
    for each, scores in zip(axes[0], parts.values(), strict=True):
        scores = dict(scores)
        teacher = scores.pop("teacher")
        each.axvline(teacher, color=PURPLE, linestyle="--", label=f"teacher, {teacher:.1f} %")
        each.legend(loc="lower left")
        y = np.arange(len(scores))
        for place, (label, values) in enumerate(scores.items()):
            dots(
                each,
                [place],
                [100 * values],
                label,
                (STYLES | WITH_COPIES).get(label, (GREEN, "v")),
            )
        each.set_yticks(y, list(scores))
        each.set_xlabel("test accuracy, %")
    axes[0, 0].invert_yaxis()
    meanings = {"labels alone": GREY, "controls": GREEN, "distilled on the labelled images": BLUE}
    meanings["distilled on all images, most of them unlabelled"] = ORANGE
    dots_of = [plt.Line2D([], [], marker="o", ls="", color=colour) for colour in meanings.values()]
    figure.legend(dots_of, meanings, loc="outside lower center", ncols=4)
    finish(figure, path)


def sizes(parts, path):
    """Accuracy and gain against labelled images per class."""
    figure, axes = panels(2, list(parts), 6.8, sharex=True)
    for (top, bottom), scores in zip(axes.T, parts.values(), strict=True):
        for label, style in STYLES.items():
            sizes = list(scores[label])
            band(top, sizes, [100 * scores[label][n] for n in sizes], label, style)
            if label != PLAIN:
                gains = [100 * (scores[label][n] - scores[PLAIN][n]) for n in sizes]
                band(bottom, sizes, gains, label, style)
        bottom.axhline(0, color="black", linewidth=1)
        bottom.set_xscale("log")
        sizes = list(scores[PLAIN])
        bottom.set_xticks(sizes, [str(n) for n in sizes])
        bottom.xaxis.set_minor_locator(NullLocator())
        bottom.xaxis.set_minor_formatter(NullFormatter())
        bottom.set_xlabel("labelled images per class")
        plt.setp(bottom.get_xticklabels(), rotation=45)
    axes[0, 0].set_ylabel("test accuracy, %")
    axes[1, 0].set_ylabel("gain over plain, points")
    finish(figure, path, legend=axes[0, 0])


def settings(parts, path):
    """Gain against temperature and lam."""
    figure, axes = panels(2, list(parts), 6.8)
    for (top, bottom), curves in zip(axes.T, parts.values(), strict=True):
        for (loss, parameter, rest), (label, points) in curves.items():
            style = (PURPLE, "^") if loss != "hinton" else STYLES[WITH_REST if rest else DISTILLED]
            each = top if parameter == "temperature" else bottom
            band(each, list(points), [100 * v for v in points.values()], label, style)
        top.set_xlabel("temperature")
        bottom.set_xlabel("lam")
        for each in (top, bottom):
            each.axhline(0, color="black", linewidth=1)
            each.legend(loc="upper left")
    for each in axes[:, 0]:
        low, high = each.get_ylim()
        each.set_ylim(low, high + 0.35 * (high - low))  # room for the legends
        each.set_ylabel("gain over plain, points")
    finish(figure, path)


def teachers(parts, path):
    """Gain by teacher: with fewer images of each class, or fewer epochs."""
    figure, axes = panels(1, list(parts), 4.4, sharey=False)
    for each, (title, teachers) in zip(axes[0], parts.items(), strict=True):
        plain = 100 * next(iter(teachers.values()))[PLAIN].mean()
        y = np.arange(len(teachers))
        for shift, label in ((-0.13, DISTILLED), (0.13, WITH_REST)):
            gains = [100 * (found[label] - found[PLAIN]) for found in teachers.values()]
            dots(each, y + shift, gains, label, STYLES[label])
        names = [f"{key[1]}: {found['teacher']:.1f} %" for key, found in teachers.items()]
        each.set_yticks(y, names)
        each.invert_yaxis()
        each.axvline(0, color="black", linewidth=1)
        each.set_title(f"{title} (the plain student: {plain:.1f} %)")
        each.set_xlabel("gain over plain, points")
    axes[0, 0].set_ylabel("what the teacher was trained with: its test accuracy")
    finish(figure, path, legend=axes[0, 0])


def losses(parts, path):
    """Gain of each loss with its own settings."""
    figure, axes = panels(1, list(parts), 4.6)
    for each, gained in zip(axes[0], parts.values(), strict=True):
        for shift, label in ((-0.13, DISTILLED), (0.13, WITH_REST)):
            names = [name for name in gained if label in gained[name]]
            y = [list(gained).index(name) + shift for name in names]
            gains = [100 * gained[name][label] for name in names]
            dots(each, y, gains, label, STYLES[label])
        names = [f"{name} (control)" if name in CONTROLS else name for name in gained]
        each.set_yticks(range(len(gained)), names)
        each.axvline(0, color="black", linewidth=1)
        each.set_xlabel("gain over plain, points")
    axes[0, 0].invert_yaxis()
    finish(figure, path, legend=axes[0, 0])


def kinds(parts, path):
    """Accuracy of the quantum student and of classical ones."""
    figure, axes = panels(1, list(parts), 3.8)
    for each, students in zip(axes[0], parts.values(), strict=True):
        for shift, (label, style) in zip((-0.15, 0, 0.15), STYLES.items(), strict=True):
            y = np.arange(len(students)) + shift
            dots(each, y, [100 * scores[label] for scores in students.values()], label, style)
        each.set_yticks(range(len(students)), list(students))
        each.set_xlabel("test accuracy, %")
    axes[0, 0].invert_yaxis()
    finish(figure, path, legend=axes[0, 0])
