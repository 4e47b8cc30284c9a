"""Limits of the system, as a full disk has them."""

from contextlib import contextmanager

import pytest


@contextmanager
def file_size_limit(n_bytes):
    """Have no file of this process grow beyond so many bytes."""
    resource = pytest.importorskip("resource", reason="the system has no limit of file sizes")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
