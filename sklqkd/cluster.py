"""Data of many jobs on a Dask cluster: sent once, and not lost with a machine.

joblib's Dask backend sends large arguments to one worker, from which others fetch them. If that
worker dies, they are gone, and the jobs that need them fail. What :func:`place` gives is the result
of a task instead: the scheduler keeps what that task needs, and repeats it when workers are lost.
"""

from __future__ import annotations

import sys

import joblib

__all__ = ["dask_client", "here", "place"]


def dask_client():
    """Return the client of joblib's Dask backend, or None if another backend is active."""
    backend, _ = joblib.parallel.get_active_backend()
    return backend.client if type(backend).__module__ == "joblib._dask" else None


def place(value, n_jobs=None):
    """Return what a job of the active joblib backend takes in place of a value.

    Parameters
    ----------
    value : object
        Must be picklable.
    n_jobs : int, default=None
        That of the :class:`joblib.Parallel` that runs the jobs.

    Returns
    -------
    placed : dask.distributed.Future or object
        On a Dask cluster a future, else the value itself. The job gets the value by :func:`here`.
        The value stays on the cluster as long as the future is referred to.
    """
    client = dask_client()
    # With a single worker joblib runs the jobs in this process.
    if client is None or joblib.effective_n_jobs(n_jobs) == 1:
        return value
    dask = sys.modules["dask"]
    # The warning advises to do what is done here.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        return client.submit(_Value(value), pure=False)


def here(placed):
    """Return the value of an argument that was placed.

    Dask resolves the futures among a job's arguments. But where all workers but one are lost in the
    meantime, joblib runs the jobs in the process that placed the value.
    """
    distributed = sys.modules.get("distributed")
    if distributed is not None and isinstance(placed, distributed.Future):
        return placed.result()
    return placed


class _Value:
    """A function without arguments; Dask does not look for tasks inside of it."""

    def __init__(self, value):
        self._value = value

    def __call__(self):
        return self._value
