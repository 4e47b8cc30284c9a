"""What an installation takes on the disk: the package and all that it requires, without extras.

``python benchmarks/install_size.py`` writes ``install_size.md`` for the environment it runs in. It
fetches nothing; the sizes are those of the files that each distribution has installed.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

LARGEST = 6


def required(name, found):
    """Collect a distribution and what it requires in this environment, extras apart."""
    try:
        here = distribution(name)
    except PackageNotFoundError:
        return
    key = here.metadata["Name"].lower().replace("_", "-")
    if key in found:
        return
    found[key] = here
    for line in here.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            required(requirement.name, found)


def size_of(here):
    """Return the bytes of a distribution's files."""
    paths = [Path(file.locate()) for file in here.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    output = parser.parse_args().output
    found: dict = {}
    required("sklqkd", found)
    sizes = {name: size_of(here) / 1e6 for name, here in found.items()}
    largest = sorted(sizes, key=sizes.get, reverse=True)[:LARGEST]
    rest = sum(sizes.values()) - sum(sizes[name] for name in largest)
    shown = [f"{name} {found[name].version} {sizes[name]:,.0f}" for name in largest]
    text = (
        f"Installed, sklqkd and its {len(found) - 1} requirements take "
        f"{sum(sizes.values()) / 1000:.1f} GB: {', '.join(shown)}, the others {rest:,.0f} MB "
        f"(`python benchmarks/install_size.py`, Python {sys.version.split()[0]}, {sys.platform})."
    )
    (output / "install_size.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
