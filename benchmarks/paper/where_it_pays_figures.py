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

# Okabe and Ito's colours, told apart by the colour-blind; markers differ too.
ORANGE, BLUE, GREEN, PURPLE, GREY = "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#555555"
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


def finish(figure, axes, path, *, legend=None):
    """Add light grids and write the figure, its legend below the panels."""
    for each in np.ravel(axes):
        each.grid(alpha=0.3)
        each.spines[["top", "right"]].set_visible(False)
    if legend is not None:
        handles, labels = legend.get_legend_handles_labels()
        columns = 2 if len(labels) > 3 else len(labels)
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=columns,
            frameon=False,
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
    """Accuracy of the student in each arm."""
    figure, axes = panels(1, list(parts), 3.8)
    for each, scores in zip(axes[0], parts.values(), strict=True):
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
    finish(figure, axes, path)


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
    finish(figure, axes, path, legend=axes[0, 0])


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
            each.legend(frameon=False, loc="upper left")
    for each in axes[:, 0]:
        low, high = each.get_ylim()
        each.set_ylim(low, high + 0.35 * (high - low))  # room for the legends
        each.set_ylabel("gain over plain, points")
    finish(figure, axes, path)


def teachers(parts, path):
    """Gain against the teacher's accuracy."""
    figure, axes = panels(1, list(parts), 4.4)
    for each, teachers in zip(axes[0], parts.values(), strict=True):
        plain = 100 * next(iter(teachers.values()))[PLAIN].mean()
        for label in list(STYLES)[1:]:
            colour, marker = STYLES[label]
            for many, fill in (("images", colour), ("epochs", "white")):
                chosen = [key for key in teachers if key[0] == many]
                x = [teachers[key]["teacher"] for key in chosen]
                gains = [100 * (teachers[key][label] - teachers[key][PLAIN]) for key in chosen]
                mean, low, high = np.array([mean_interval(values) for values in gains]).T
                each.errorbar(
                    *(x, mean, np.abs([mean - low, high - mean])),
                    fmt=marker,
                    color=colour,
                    markerfacecolor=fill,
                    capsize=3,
                    label=f"{label}; teacher with fewer {many}",
                )
        for key, values in teachers.items():
            is_top = key[0] == "epochs"
            each.annotate(
                key[1].removesuffix(" per class").removesuffix(" images"),
                (values["teacher"], 0.98 if is_top else 0.02),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="top" if is_top else "bottom",
                fontsize=8,
                color=GREY,
            )
        each.axhline(0, color="black", linewidth=1)
        each.axvline(plain, color=GREY, linestyle=":", linewidth=1)
        x_label = "teacher's test accuracy, % (dotted: plain student's)"
        each.set_xlabel(f"{x_label}\nabove the axis: its images per class")
        each.margins(x=0.08, y=0.2)
    axes[0, 0].set_ylabel("gain over plain, points")
    finish(figure, axes, path, legend=axes[0, 0])


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
    finish(figure, axes, path, legend=axes[0, 0])


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
    finish(figure, axes, path, legend=axes[0, 0])
