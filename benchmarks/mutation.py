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
    """Return what became of each mutant of a module that was run."""
    codes = json.loads(meta.read_text())["exit_code_by_key"]
    return {
        name: "survived" if code == SURVIVED else "not tested" if code in NO_TEST else "caught"
        for name, code in codes.items()
        if code is not None
    }


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
        module = meta.relative_to(options.mutants).with_suffix("").as_posix()
        share = counts["caught"] / counts.total()
        rows.append(f"| {module} | {counts.total()} | {counts['caught']} | {share:.1%} |")
        survivors += [name for name, fate in found.items() if fate != "caught"]
    share = total["caught"] / total.total()
    rows.append(f"| all | {total.total()} | {total['caught']} | {share:.1%} |")
    (options.output / "mutation.md").write_text(
        "# Mutants\n\n"
        "`mutmut run && python benchmarks/mutation.py`, mutmut "
        f"{importlib.metadata.version('mutmut')}. `mutmut show NAME` prints a mutant.\n\n"
        "| module | mutants | caught | |\n| --- | ---: | ---: | ---: |\n"
        + "\n".join(rows)
        + "\n\nNot caught:\n\n"
        + "\n".join(f"- `{name}`" for name in survivors)
        + "\n"
    )
    print(*rows, sep="\n")


if __name__ == "__main__":
    main()
