"""Threads: one for each kernel, whose products are too small to share, and one in PennyLane.

Cores are for ``n_jobs``.
"""

from __future__ import annotations

import functools
import sys
from contextlib import contextmanager
from threading import Lock, RLock, current_thread, main_thread

from threadpoolctl import ThreadpoolController

__all__ = ["in_pennylane", "one_thread"]


class _OneThread:
    """Limits BLAS and OpenMP to one thread for a block, and leaves the limits as found.

    BLAS has one limit for the process, which counts how many blocks, in any threads, are inside;
    OpenMP has one for each thread.
    """

    def __init__(self):
        self._lock = Lock()
        self._inside = 0
        self._inside_main = 0
        self._n_modules = 0

    def _find_libraries(self):
        # torch, Aer and others bring libraries of their own; a look costs a millisecond.
        if len(sys.modules) != self._n_modules:
            libraries = ThreadpoolController().lib_controllers
            self._blas = [library for library in libraries if library.user_api == "blas"]
            self._openmp = [library for library in libraries if library.user_api == "openmp"]
            self._n_modules = len(sys.modules)

    @contextmanager
    def __call__(self):
        with self._lock:
            if not self._inside:
                self._find_libraries()
                self._originals = [library.get_num_threads() for library in self._blas]
            self._inside += 1
            self._inside_main += current_thread() is main_thread()
            own = [(library, library.get_num_threads()) for library in self._openmp]
            for library in [*self._blas, *self._openmp]:
                library.set_num_threads(1)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                is_main = current_thread() is main_thread()
                self._inside_main -= is_main
                for library, count in own:
                    library.set_num_threads(count)
                # OpenBLAS may ignore what other threads than the main one ask for, so the main one
                # does not leave the restoring to them.
                if not self._inside or (is_main and not self._inside_main):
                    for library, count in zip(self._blas, self._originals, strict=True):
                        library.set_num_threads(count)


#: Context manager for the block, shared by everything in the package.
one_thread = _OneThread()

_PENNYLANE = RLock()


def in_pennylane(function):
    """Make a function that has PennyLane build or run operations wait for others of this kind.

    PennyLane keeps the operations that are being recorded in one place for all threads, even while
    a device runs. Two threads in it at once mix up their operations, or never come back.

    Parameters
    ----------
    function : callable

    Returns
    -------
    function : callable
    """

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with _PENNYLANE:
            return function(*args, **kwargs)

    return wrapper
