"""A comparison as a table for a publication: rounded, with units, in Markdown or LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from .tables import as_table

__all__ = ["PublicationMixin"]

#: Metrics that are shares, which are written in %.
SHARES = frozenset({"accuracy", "calibration_error", "agreement"})
_ESCAPED = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"±": r"$\pm$", "<": r"$<$", ">": r"$>$"},
}


class PublicationMixin:
    """The tables of a :class:`sklqkd.evaluation.Comparison`."""

    scores: Any
    differences: Any

    def to_frame(
        self,
        metric="accuracy",
        *,
        others=(),
        baseline=None,
        confidence_level=0.95,
        test="ttest",
        decimals=None,
    ):
        """Return the table of a publication: each cell as it is printed.

        Unrounded numbers are in :meth:`summary` and :meth:`differences`.

        Parameters
        ----------
        metric : str, default="accuracy"
            What the gain is of. Shares (accuracy, agreement, calibration error) are in %, their
            gains in percentage points.
        others : str or sequence of str, default=()
            Further metrics, each a column of "mean ± sd".
        baseline : str, default=None
            Name of an estimator; ``None`` for the comparison's own baseline.
        confidence_level : float, default=0.95
            Of the interval, in (0, 1).
        test : {"ttest", "wilcoxon"}, default="ttest"
            What gives p, see :meth:`differences`.
        decimals : int, default=None
            Decimals of all numbers but p; ``None`` for so many, in each metric, that the largest
            standard deviation has two digits.

        Returns
        -------
        frame : DataFrame or Bunch of ndarray of shape (n_estimators,)
            The columns "estimator", "n" (seeds, or folds where there is a single seed), a "mean ±
            sd" for each metric, the mean gain over the baseline with its confidence interval,
            paired by seed, and "p (Holm)". Empty where a number does not exist, as all of a gain
            are for the baseline.

        Raises
        ------
        ValueError
            As :meth:`differences`, and for `decimals` that are no whole number from 0 to 12.

        Examples
        --------
        >>> from sklqkd.evaluation import Comparison
        >>> comparison = Comparison({
        ...     "estimator": ["plain"] * 3 + ["distilled"] * 3,
        ...     "seed": [0, 1, 2] * 2,
        ...     "accuracy": [0.90, 0.92, 0.91, 0.92, 0.93, 0.93],
        ... })
        >>> print(comparison.to_markdown())
        | estimator | n | accuracy, % | gain, points | 95 % interval | p (Holm) |
        | --- | ---: | ---: | ---: | ---: | ---: |
        | plain | 3 | 91.0 ± 1.0 |  |  |  |
        | distilled | 3 | 92.7 ± 0.6 | +1.7 | [+0.2, +3.1] | 0.038 |
        """
        table = self._publication(metric, others, baseline, confidence_level, test, decimals)
        return as_table(_plain(*table))

    def to_markdown(
        self,
        metric="accuracy",
        *,
        others=(),
        baseline=None,
        confidence_level=0.95,
        test="ttest",
        decimals=None,
    ):
        """Return the table of :meth:`to_frame` in Markdown.

        Parameters
        ----------
        metric : str, default="accuracy"
            What the gain is of.
        others : str or sequence of str, default=()
            Further metrics.
        baseline : str, default=None
            Name of an estimator; ``None`` for the comparison's own baseline.
        confidence_level : float, default=0.95
            Of the interval, in (0, 1).
        test : {"ttest", "wilcoxon"}, default="ttest"
            What gives p, see :meth:`differences`.
        decimals : int, default=None
            Decimals of all numbers but p; ``None`` as in :meth:`to_frame`.

        Returns
        -------
        text : str
            Its lines; all columns but the first are aligned to the right.
        """
        table = self._publication(metric, others, baseline, confidence_level, test, decimals)
        return _markdown(*table)

    def to_latex(
        self,
        metric="accuracy",
        *,
        others=(),
        baseline=None,
        confidence_level=0.95,
        test="ttest",
        decimals=None,
        caption=None,
        label=None,
    ):
        r"""Return the table of :meth:`to_frame` in LaTeX, with the rules of the package booktabs.

        Parameters
        ----------
        metric : str, default="accuracy"
            What the gain is of.
        others : str or sequence of str, default=()
            Further metrics.
        baseline : str, default=None
            Name of an estimator; ``None`` for the comparison's own baseline.
        confidence_level : float, default=0.95
            Of the interval, in (0, 1).
        test : {"ttest", "wilcoxon"}, default="ttest"
            What gives p, see :meth:`differences`.
        decimals : int, default=None
            Decimals of all numbers but p; ``None`` as in :meth:`to_frame`.
        caption, label : str, default=None
            In LaTeX, as they are. With one of them the tabular is in a table, which floats.

        Returns
        -------
        text : str
            A tabular of LaTeX.

        Examples
        --------
        >>> from sklqkd.evaluation import Comparison
        >>> comparison = Comparison({
        ...     "estimator": ["lam=0"] * 2 + ["lam=0.9"] * 2,
        ...     "seed": [0, 1] * 2,
        ...     "accuracy": [0.90, 0.92, 0.91, 0.94],
        ... })
        >>> print(comparison.to_latex())
        \begin{tabular}{lrrrrr}
        \toprule
        estimator & n & accuracy, \% & gain, points & 95 \% interval & p (Holm) \\
        \midrule
        lam=0 & 2 & $91.0 \pm 1.4$ &  &  &  \\
        lam=0.9 & 2 & $92.5 \pm 2.1$ & $+1.5$ & $[-4.9, +7.9]$ & $0.205$ \\
        \bottomrule
        \end{tabular}
        """
        table = self._publication(metric, others, baseline, confidence_level, test, decimals)
        return _latex(table, caption, label)

    def _publication(self, metric, others, baseline, confidence_level, test, decimals):
        _check_decimals(decimals)
        given = {"baseline": baseline, "confidence_level": confidence_level, "test": test}
        found = self.differences(metric, **given)
        keys = ("difference", "ci_low", "ci_high", "p_value_holm")
        gains = {
            name: {key: found[key][i] for key in keys} for i, name in enumerate(found["estimator"])
        }
        names = [metric, *([others] if isinstance(others, str) else others)]
        scores = {name: self.scores(name) for name in dict.fromkeys(names)}
        return *_rows_of(scores, gains, decimals), confidence_level


@dataclass(frozen=True)
class _Column:
    """How a metric is written.

    Attributes
    ----------
    name : str
        The metric, with its unit.
    factor : float
        100 for a share, else 1.
    decimals : int
    """

    name: str
    factor: float
    decimals: int

    @classmethod
    def of(cls, metric, spreads, values, decimals=None):
        """Return the column of a metric.

        Parameters
        ----------
        metric : str
        spreads : list of float
            Standard deviations; NaN where there is none.
        values : ndarray
            All scores; whole numbers are written without decimals.
        decimals : int, default=None
            ``None`` for so many that the largest spread has two digits, a share at least one.
        """
        is_share = metric in SHARES
        factor = 100.0 if is_share else 1.0
        name = metric.replace("_", " ") + (", %" if is_share else "")
        if decimals is None:
            known = values[np.isfinite(values)] * factor
            largest = max((factor * sd for sd in spreads if sd > 0), default=0.0)
            if largest == 0 and not is_share and (known == known.round()).all():
                decimals = 0
            else:
                decimals = 1 - int(np.floor(np.log10(largest or 0.1)))
                decimals = min(max(decimals, int(is_share)), 6)
        return cls(name, factor, decimals)

    def write(self, value, sign="") -> str:
        """Return a number of the metric, "" for NaN."""
        if not np.isfinite(value):
            return ""
        rounded = round(float(value) * self.factor, self.decimals) + 0.0  # no -0.0
        return f"{rounded:{sign},.{self.decimals}f}"

    def spread(self, mean, sd) -> str:
        """Return "mean ± sd"."""
        of_sd = self.write(sd)
        return self.write(mean) + (f" ± {of_sd}" if of_sd else "")


@dataclass(frozen=True)
class _Row:
    """A line of the table: its cells as text."""

    name: str
    n: int
    scores: tuple[str, ...]
    gain: str
    interval: str
    p_value: str

    @property
    def cells(self) -> list[str]:
        """All cells, from left to right."""
        return [self.name, str(self.n), *self.scores, self.gain, self.interval, self.p_value]


def _check_decimals(decimals) -> None:
    """Raise a ValueError for what is no number of decimals."""
    if decimals is not None and not (isinstance(decimals, Integral) and 0 <= int(decimals) <= 12):
        raise ValueError(f"decimals={decimals!r} is neither None nor a whole number from 0 to 12.")


def _rows_of(scores, differences, decimals=None) -> tuple[list[_Column], list[_Row]]:
    """Return the columns of the metrics, and the lines of the table.

    Parameters
    ----------
    scores : dict of str to dict of str to ndarray of shape (n_seeds,)
        For each metric, the scores of each estimator. The gain is that of the first metric.
    differences : dict of str to dict
        For each estimator but the baseline, its "difference", "ci_low", "ci_high" and
        "p_value_holm".
    decimals : int, default=None
        See :meth:`_Column.of`.
    """
    spreads, columns = {}, []
    for metric, of_names in scores.items():
        known = {name: values[~np.isnan(values)] for name, values in of_names.items()}
        spreads[metric] = {
            name: (v.mean() if len(v) else np.nan, v.std(ddof=1) if len(v) > 1 else np.nan)
            for name, v in known.items()
        }
        sds = [sd for _, sd in spreads[metric].values()]
        columns.append(_Column.of(metric, sds, np.concatenate([*of_names.values()]), decimals))
    first = columns[0]
    rows = []
    for name, values in next(iter(scores.values())).items():
        means = [spreads[metric][name] for metric in scores]
        told = ("", "", "")
        if name in differences:
            gain = differences[name]
            low, high = (first.write(gain[end], "+") for end in ("ci_low", "ci_high"))
            told = (
                first.write(gain["difference"], "+"),
                f"[{low}, {high}]" if low else "",
                _p_text(gain["p_value_holm"]),
            )
        written = tuple(c.spread(*pair) for c, pair in zip(columns, means, strict=True))
        rows.append(_Row(str(name), int(np.isfinite(values).sum()), written, *told))
    return columns, rows


def _p_text(p_value):
    return "" if np.isnan(p_value) else "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _header(columns, confidence_level) -> list[str]:
    """Return the names of the columns."""
    gain = "gain, points" if columns[0].factor == 100 else "gain"
    level = f"{100 * confidence_level:.4g} % interval"
    return ["estimator", "n", *(column.name for column in columns), gain, level, "p (Holm)"]


def _plain(columns, rows, confidence_level) -> dict[str, list]:
    """Return the table as columns of text; "n" is a number."""
    names = _header(columns, confidence_level)
    cells = [list(column) for column in zip(*(row.cells for row in rows), strict=True)]
    return dict(zip(names, cells, strict=True)) | {"n": [row.n for row in rows]}


def _markdown(columns, rows, confidence_level) -> str:
    """Return the table in Markdown; all columns but the first are aligned to the right."""
    names = _header(columns, confidence_level)
    rule = ["---", *["---:"] * (len(names) - 1)]
    lines = [names, rule, *([_for_markdown(row.name), *row.cells[1:]] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _for_markdown(text):
    return re.sub(r"([\\|*_`<])", r"\\\1", " ".join(text.split()))


def _latex(table, caption, label) -> str:
    """Return the table in LaTeX, with the rules of booktabs; in a float if it has a caption."""
    columns, rows, confidence_level = table
    names = _header(columns, confidence_level)
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(names) - 1)}}}", r"\toprule"]
    lines += [_line(map(_for_latex, names)), r"\midrule"]
    for row in rows:
        numbers = [*row.scores, row.gain, row.interval, row.p_value]
        lines.append(_line([_for_latex(row.name), str(row.n), *map(_math, numbers)]))
    lines += [r"\bottomrule", r"\end{tabular}"]
    if caption is None and label is None:
        return "\n".join(lines)
    around = [r"\begin{table}", r"\centering"]
    around += [] if caption is None else [rf"\caption{{{caption}}}"]
    around += [] if label is None else [rf"\label{{{label}}}"]
    return "\n".join([*around, *lines, r"\end{table}"])


def _line(cells):
    return " & ".join(cells) + r" \\"


def _math(text):
    if not text:
        return ""
    text = re.sub(r"(?<=\d),(?=\d)", "{,}", text)  # of thousands; LaTeX puts a space after others
    text = text.replace(" ± ", r" \pm ")
    return f"${text}$"


def _for_latex(text):
    return "".join(_ESCAPED.get(character, character) for character in " ".join(text.split()))
