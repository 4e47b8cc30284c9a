"""How many small errors in the source the tests notice: the report of a run of mutmut.

``mutmut run && python benchmarks/mutation.py`` writes ``mutation.md``. What is mutated, and which
tests run, is in ``setup.cfg``; loops that numba compiles are left out, since a mutant of them would
be compiled anew. A mutant that no run reached counts neither way.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Exit codes of pytest in a mutant's run: what is left of them is caught, by a failure or a limit.
SURVIVED, NO_TEST = 0, (5, 33)


def fates(meta: Path) -> dict[str, str]:
    """Return what became of each mutant of a module."""
    known = {None: "not run", SURVIVED: "survived"} | dict.fromkeys(NO_TEST, "not tested")
    codes = json.loads(meta.read_text())["exit_code_by_key"]
    return {name: known.get(code, "caught") for name, code in codes.items()}


def row(module: str, counts: Counter) -> str:
    """Return a line of the table; the share is of those that were run."""
    n_run = counts.total() - counts["not run"]
    share = f"{counts['caught'] / n_run:.1%}" if n_run else ""
    return f"| {module} | {counts.total()} | {n_run} | {counts['caught']} | {share} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mutants", type=Path, default=ROOT / "mutants", help="mutmut's folder")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    rows, survivors, total = [], [], Counter()
    for meta in sorted((options.mutants / "sklqkd").rglob("*.meta")):
        found = fates(meta)
        counts = Counter(found.values())
        if not counts:
            continue
        total += counts
        rows.append(row(meta.relative_to(options.mutants).with_suffix("").as_posix(), counts))
        survivors += [name for name, fate in found.items() if fate not in ("caught", "not run")]
    rows.append(row("all", total))
    (options.output / "mutation.md").write_text(
        "# Mutants\n\n"
        "`mutmut run && python benchmarks/mutation.py`, mutmut "
        f"{importlib.metadata.version('mutmut')}. `mutmut show NAME` prints a mutant.\n\n"
        "| module | mutants | run | caught | |\n| --- | ---: | ---: | ---: | ---: |\n"
        + "\n".join(rows)
        + "\n\nNot caught:\n\n"
        + "\n".join(f"- `{name}`" for name in survivors)
        + "\n"
    )
    print(*rows, sep="\n")


if __name__ == "__main__":
    main()
