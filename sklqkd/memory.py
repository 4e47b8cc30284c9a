"""How much memory there is: of the machine, of the process's limits, and of its container."""

from __future__ import annotations

import functools
import os
from contextlib import suppress
from math import inf
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["free_memory", "memory_limit"]

_CGROUPS = Path("/sys/fs/cgroup")


def memory_limit() -> float:
    """Return the bytes that this process may have, infinity where the system does not tell.

    The least of the machine's memory, the limit of its control groups (containers, batch systems)
    and what is left of the limit of its address space (``ulimit -v``).

    Examples
    --------
    >>> memory_limit() > 2**20
    True
    """
    return min(_machine("SC_PHYS_PAGES"), _control_groups(), _address_space())


def free_memory() -> float:
    """Return the bytes that are free now, 2 GiB where the system does not tell."""
    found = min(_machine("SC_AVPHYS_PAGES"), _control_groups(), _address_space())
    return 2**31 if found == inf else found


def _machine(name):
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf(name)
    except (AttributeError, OSError, ValueError):
        return inf


def _address_space():
    """Return what is left of the limit of the address space, libraries and all."""
    if resource is None:
        return inf
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return inf
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit -= pages * os.sysconf("SC_PAGE_SIZE")
    return max(limit, 0)


@functools.cache  # it is read from files, and asked for by each fit
def _control_groups():
    """Return the least limit of the groups that this process is in, and those around them."""
    folders = {_CGROUPS, _CGROUPS / "memory"}
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, group = line.split(":", 2)
            base = _CGROUPS / "memory" if "memory" in kinds.split(",") else _CGROUPS
            path = base / group.lstrip("/")
            folders.update(each for each in (path, *path.parents) if each.is_relative_to(base))
    limits = [inf]
    for folder in folders:
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # "max", or there is none
                limits.append(int((folder / name).read_text()))
    return min(limits)
