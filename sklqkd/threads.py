"""One thread for the kernels: their products are too small to share; cores are for ``n_jobs``."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from threading import Lock, current_thread, main_thread

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]

#: Packages that bring a BLAS or OpenMP of their own, maybe after the first look.
_BRINGING = ("torch", "sklearn", "scipy", "qiskit_aer", "pennylane_lightning")


class _OneThread:
    """Limits BLAS and OpenMP to one thread for a block, and leaves the limits as found.

    BLAS has one limit for the process, which counts how many blocks, in any threads, are inside;
    OpenMP has one for each thread.
    """

    def __init__(self):
        self._lock = Lock()
        self._inside = 0
        self._inside_main = 0
        self._found_with: list[str] | None = None

    def _find_libraries(self):
        loaded = [name for name in _BRINGING if name in sys.modules]
        if loaded != self._found_with:  # a look costs a millisecond
            libraries = ThreadpoolController().lib_controllers
            self._blas = [library for library in libraries if library.user_api == "blas"]
            self._openmp = [library for library in libraries if library.user_api == "openmp"]
            self._found_with = loaded

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
