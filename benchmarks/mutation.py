"""How many small errors in the source the tests notice: the report of a run of mutmut.

``mutmut run && python benchmarks/mutation.py`` writes ``mutation.md``. What is mutated, and which
tests run, is in ``setup.cfg``; loops that numba compiles are left out, since a mutant of them would
be compiled anew. The survivors are listed by why they are no errors (:data:`EQUIVALENT`, by rules
on the changed line), and those that no rule explains by name. A mutant that no run reached counts
neither way.
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
#: Why a mutant changes no result: a pattern of the function's name, and one of the changed line.
EQUIVALENT = {
    "NumPy infers a dimension from any negative number": (r"", r"-2\b.*\)"),
    "the letters of an einsum are free": (r"", r"einsum\(\"[A-Z,]+->[A-Z]\""),
    "a buffer: without it NumPy allocates": (
        r"",
        r"out=None|np\.multiply\(planes\[\d\], \w+, \)|(product|moved) = None|_index, \)",
    ),
    "the default of dtype, copy or strict does the same here": (
        r"",
        r"astype\(None\)|dtype, \)|, copy=|, None\)|strict=|, \)$|\), \)|, \) \+ 1|_real = None",
    ),
    "a protocol's signature, which nothing runs": (r"\.Kernel\.", r""),
    "speed alone: what is spared would change nothing": (
        r"",
        r"\bor True\b|_moves = \(self\._orders == |\bkeep\)? else i % 3|needed = i >= 0",
    ),
}


def fates(meta: Path) -> dict[str, str]:
    """Return what became of each mutant of a module."""
    known = {None: "not run", SURVIVED: "survived"} | dict.fromkeys(NO_TEST, "not tested")
    codes = json.loads(meta.read_text())["exit_code_by_key"]
    return {name: known.get(code, "caught") for name, code in codes.items()}
