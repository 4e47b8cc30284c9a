"""Copy the results that scripts wrote into README.md, between its begin and end marks.

    python benchmarks/update_readme.py [--check]

With --check nothing is written, and the exit status says whether README.md is up to date.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- begin (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def updated(text):
    """Return the README's text with each block replaced by the file that it names."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{(ROOT / m[2]).read_text().strip()}\n\n{m[3]}", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    readme = ROOT / "README.md"
    text = readme.read_text()
    if parser.parse_args().check:
        sys.exit("README.md is out of date" if updated(text) != text else 0)
    readme.write_text(updated(text))


if __name__ == "__main__":
    main()
