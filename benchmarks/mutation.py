"""How many small errors in the source the tests notice: the report of a run of mutmut.

``mutmut run && python benchmarks/mutation.py`` writes ``mutation.md``. What is mutated, and which
tests run, is in ``setup.cfg``; loops that numba compiles are left out, since a mutant of them would
be compiled anew. A mutant that no run reached counts neither way. The survivors that are no errors
at all are told by :data:`EQUIVALENT`, which was written with each of them at hand.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib.metadata
import json
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Exit codes of pytest in a mutant's run: what is left of them is caught, by a failure or a limit.
SURVIVED, NO_TEST = 0, (5, 33)
#: Why a mutant changes no result: patterns of what a changed line has become.
EQUIVALENT = {
    "a dimension to infer may be any negative number": r"reshape\(.*-2|\(-2,\)",
    "the letters of an einsum are free": r'einsum\("[A-Z,]+->[A-Z]"',
    "a buffer; NumPy allocates one where it is missing": (
        r"out=None|np\.multiply\(planes\[\d\], \w+, \)|planes\[1\], \)$|(product|moved) = None|"
        r"take\(self\._orders\[g\], axis=1, mode|empty = None|_(products|factors).* = None"
    ),
    "what is there is overwritten, or counts 0 times": (
        r"_is_black\] = |np\.empty\(|where\(is_(out|label), 1|\(0, 2\)\]|, 2\)\)\]"
    ),
    "the default of an argument says the same": (
        r"\.astype\([\w.]+, \)|copy=(None|True)|strict=|transposed, \)|mode=None|moved, \)|"
        r"(array|state|program|, 1\)), \)$|ensure_2d=None|LOWEST_LOGIT, (None)?\)|, 1\), None\)|"
        r"tiny\)\)\.astype\(None\)|argsort\(self\._orders, \)|np\.array\(self\._local, (None)?\)"
    ),
    "a default that no call leaves out": r"^(def f\(.*keep=False|temperature: .*=)",
    "a name for messages that are not reached": r"input_name=",
    "equal for the numbers that occur": (
        r"<= np\.sqrt\(np\.finfo|tiny\) / |- tiny\)|sizes\[.*\]\] / np\.array|\* np\.sqrt\(determ|"
        r'"INF"|shape\[\+1\]'
    ),
    "speed or memory alone": (
        r"\bor True\b|and False else work|i % 3|i >= 0 or with|_workspaces\)|chunks .* COLUMNS|"
        r"is_complex else 2|3 if self\.is_complex|default=2|\(groups\[-1\]\)|_(moves|has_phases) = "
    ),
    "double precision on the way, for single": r"astype\(None|_planes\(.*None\)|_real = None",
}


def fates(meta: Path) -> dict[str, str]:
    """Return what became of each mutant of a module."""
    known = {None: "not run", SURVIVED: "survived"} | dict.fromkeys(NO_TEST, "not tested")
    codes = json.loads(meta.read_text())["exit_code_by_key"]
    return {name: known.get(code, "caught") for name, code in codes.items()}


def changes(path: Path, names: list[str]) -> dict[str, str]:
    """Return the first line that each mutant of a module changes, as it has become."""
    source = path.read_text()
    functions = {
        node.name: ast.get_source_segment(source, node).replace(node.name, "f").splitlines()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }
    found = {}
    for name in names:
        mutant = name.split(".")[-1]
        original = functions[re.sub(r"_\d+$", "_orig", mutant)]
        difference = difflib.ndiff(original, functions[mutant])
        changed = [line[2:].strip() for line in difference if line[:2] in ("+ ", "- ")]
        added = [line for line in changed if line not in map(str.strip, original)]
        found[name] = (added or [f"without {changed[0]}"])[0]
    return found


def reason(line: str) -> str | None:
    """Return why a changed line is no error, None where nothing says so."""
    return next((why for why, rule in EQUIVALENT.items() if re.search(rule, line)), None)


def row(module: str, counts: Counter) -> str:
    """Return a line of the table; the share is of those that were run."""
    n_run = counts.total() - counts["not run"]
    share = f"{counts['caught'] / n_run:.1%}" if n_run else ""
    return f"| {module} | {counts.total()} | {n_run} | {counts['caught']} | {share} |"


def listed(survivors: dict[str, str]) -> str:
    """Return the survivors under the reasons why they are none, or under none."""
    under: dict[str | None, list[str]] = {why: [] for why in [None, *EQUIVALENT]}
    for name, line in survivors.items():
        where = re.sub(r"__mutmut_\d+$", "", name).replace(".xǁ", ".").replace("ǁ", ".")
        where = where.replace(".x_", ".")
        under[reason(line)].append(f"- `{where.removeprefix('sklqkd.')}`: `{line}`")
    titles = {why: f"No error: {why}" for why in EQUIVALENT} | {None: "Errors that no test notices"}
    return "".join(
        f"\n## {titles[why]} ({len(lines)})\n\n" + "\n".join(lines) + "\n"
        for why, lines in under.items()
        if lines
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mutants", type=Path, default=ROOT / "mutants", help="mutmut's folder")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    rows, survivors, total = [], {}, Counter()
    for meta in sorted((options.mutants / "sklqkd").rglob("*.meta")):
        found = fates(meta)
        if not found:
            continue
        counts = Counter(found.values())
        total += counts
        rows.append(row(meta.relative_to(options.mutants).with_suffix("").as_posix(), counts))
        missed = [name for name, fate in found.items() if fate not in ("caught", "not run")]
        survivors |= changes(meta.with_suffix(""), missed)
    rows.append(row("all", total))
    (options.output / "mutation.md").write_text(
        "# Mutants\n\n"
        "`mutmut run && python benchmarks/mutation.py`, mutmut "
        f"{importlib.metadata.version('mutmut')}. `mutmut show NAME` prints a mutant.\n\n"
        "| module | mutants | run | caught | |\n| --- | ---: | ---: | ---: | ---: |\n"
        + "\n".join(rows)
        + f"\n\n{len(survivors)} survive. Below is what their changed line has become.\n"
        + listed(survivors)
    )
    print(*rows, sep="\n")


if __name__ == "__main__":
    main()
