"""The folder in which a comparison keeps its finished runs, so that a second call can go on.

One JSON file per run, written to a temporary name and renamed: it is there whole, or not at all.
Each holds fingerprints of what the run depends on, and a run is never mixed with others of another
data set, another estimator or another release.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from .._version import __version__
from ..exceptions import DamagedFileError
from ..files import Locked, open_regular, replacing
from ..persistence import checksum

__all__ = ["Store"]

#: Version of the format of the files.
_FORMAT = 2


class Store:
    """A folder of finished runs.

    Parameters
    ----------
    folder : path-like
        Made if it is missing.
    data : dict of str to str
        Fingerprints of what all runs share.
    estimators : dict of str to str
        Fingerprint of each estimator.
    """

    def __init__(self, folder, data: Mapping[str, str], estimators: Mapping[str, str]):
        self.folder = Path(folder).expanduser()
        self.data = dict(data)
        self.estimators = dict(estimators)

    def locked(self) -> Locked:
        """Return a context in which no other comparison may use the folder; made if missing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Locked(self.folder, "checkpoint")

    def read(self) -> dict[tuple[str, int, int], dict]:
        """Return the finished runs of the folder by name, seed and fold.

        Raises
        ------
        ValueError
            If a run was made with other data, or by another release.
        DamagedFileError
            If a file is damaged.
        """
        rows = {}
        for path in sorted(self.folder.glob("*.json")):
            try:
                with open_regular(path) as file:
                    stored = json.loads(file.read())
                row, data, estimator = stored["row"], stored["data"], stored["estimator"]
                key = row["estimator"], row["seed"], row["fold"]
                release = stored.get("format", 1), stored.get("sklqkd", "0.1.0")
                is_ours = release == (_FORMAT, __version__)
                if is_ours and stored["checksum"] != checksum([row, data, estimator, *release]):
                    raise ValueError("wrong checksum")
            except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
                raise DamagedFileError(
                    f"{path} does not hold a run of a comparison. Delete it, or give another "
                    "folder as checkpoint."
                ) from error
            if not is_ours:
                raise ValueError(
                    f"{path} is of sklqkd {release[1]} (format {release[0]}), and this is sklqkd "
                    f"{__version__} (format {_FORMAT}): the runs of two releases are not mixed. "
                    "Give another folder as checkpoint, or finish the comparison with that release."
                )
            changed = [part for part in self.data if data.get(part) != self.data[part]]
            if estimator != self.estimators.get(key[0], estimator):
                changed.append(f"the estimator {key[0]!r}")
            if changed:
                raise ValueError(
                    f"The folder {self.folder} holds runs of another comparison: "
                    f"{', '.join(changed)} changed since. Give another folder as checkpoint, or "
                    "delete this one to start again."
                )
            rows[key] = row
        return rows

    def write(self, row: dict) -> None:
        """Keep one finished run."""
        name = row["estimator"]
        stem = re.sub(r"\W+", "-", name)[:40] + "-" + sha256(name.encode()).hexdigest()[:8]
        path = self.folder / f"{stem}-seed{row['seed']}-fold{row['fold']}.json"
        stored: dict = {"row": row, "data": self.data, "estimator": self.estimators[name]}
        stored |= {"format": _FORMAT, "sklqkd": __version__}
        stored["checksum"] = checksum(list(stored.values()))
        with replacing(path) as file:
            file.write(json.dumps(stored, indent=1).encode())
