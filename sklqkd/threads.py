"""Threads: one for each kernel, whose products are too small to share, and one in PennyLane.

Cores are for ``n_jobs``. A process may be forked, and a Ctrl-C may come, while threads are in here:
the child has locks of its own, and limits are put back.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from threading import RLock, current_thread, get_ident, main_thread
from typing import Any
from weakref import ref

from threadpoolctl import ThreadpoolController

__all__ = ["in_pennylane", "one_thread", "renewed_in_children"]


class _OneThread:
    """Limits BLAS and OpenMP to one thread for a block, and leaves the limits as found.

    BLAS has one limit for the process, which is kept when the first block of any thread begins, and
    put back when the last one ends; OpenMP has one for each thread. A Ctrl-C that comes in just
    where a block ends may leave it open: around a longer computation there are two of them,
    ``with one_thread(), one_thread():``, and the end of the outer one ends the inner one too.
    """

    def __init__(self):
        self.lock = RLock()  # a block may be collected, which ends it, while its thread is in here
        # By thread: references to its open blocks, the outermost first.
        self._blocks: dict[int, list] = {}
        self._originals: list[int] = []
        self._blas: list = []
        self._openmp: list = []
        self._n_modules = 0

    def __call__(self):
        return _Block(self)

    def _find_libraries(self):
        # torch, Aer and others bring libraries of their own; a look costs a millisecond.
        if len(sys.modules) != self._n_modules:
            libraries = ThreadpoolController().lib_controllers
            self._blas = [library for library in libraries if library.user_api == "blas"]
            self._openmp = [library for library in libraries if library.user_api == "openmp"]
            self._n_modules = len(sys.modules)

    def begin(self, block):
        """Open a block of this thread."""
        with self.lock:
            mine = self._open_blocks(block.thread)
            reference = ref(block, self._collected)
            if mine:
                mine.append(reference)
                return
            if not self._is_inside():
                self._find_libraries()
                self._originals = [library.get_num_threads() for library in self._blas]
            block.own = [(library, library.get_num_threads()) for library in self._openmp]
            self._blocks[block.thread] = [reference]
            for library in [*self._blas, *self._openmp]:
                library.set_num_threads(1)

    def end(self, block):
        """Close a block and those that were opened in it. May be called again."""
        with self.lock:
            mine = self._open_blocks(block.thread)
            for i, each in enumerate(mine):
                if each() is block:
                    del mine[i:]
                    break
            if mine:
                return
            self._blocks.pop(block.thread, None)
            for library, count in block.own:
                library.set_num_threads(count)
            # OpenBLAS may ignore what other threads than the main one ask for, so the main one
            # does not leave the restoring to them.
            if not self._is_inside() or (current_thread() is main_thread()):
                self._restore()

    def _open_blocks(self, thread):
        """Return a thread's open blocks, without those that a Ctrl-C left open."""
        blocks = self._blocks.get(thread)
        if not blocks:
            return []
        if None in [each() for each in blocks]:
            blocks[:] = [each for each in blocks if each() is not None]
        return blocks

    def _is_inside(self):
        for thread, blocks in self._blocks.items():  # noqa: SIM110  (for its speed)
            if blocks and self._open_blocks(thread):
                return True
        return False

    def _restore(self):
        for library, count in zip(self._blas, self._originals, strict=False):
            library.set_num_threads(count)

    def _collected(self, reference):
        if sys.is_finalizing() or not self.lock.acquire(blocking=False):
            return  # whoever is in here sees that it is gone
        try:
            left_open = any(reference in blocks for blocks in self._blocks.values())
            if left_open and not self._is_inside():
                self._restore()
        finally:
            self.lock.release()

    def in_child(self):
        """Forget the threads that a forked child does not have."""
        thread = get_ident()
        others = any(blocks for other, blocks in self._blocks.items() if other != thread)
        self._blocks = {thread: self._open_blocks(thread)}
        if others and not self._blocks[thread]:
            self._restore()


class _Block:
    __slots__ = ("__weakref__", "_limits", "own", "thread")

    def __init__(self, limits):
        self._limits, self.thread, self.own = limits, get_ident(), []

    def __enter__(self):
        try:
            self._limits.begin(self)
        except BaseException:
            self._limits.end(self)
            raise
        return self

    def __exit__(self, *error):
        try:
            self._limits.end(self)
        except BaseException:
            self._limits.end(self)
            raise


#: Packages that are imported when they are needed, in whatever thread that is.
_IMPORTED_LATE = {"llvmlite", "matplotlib", "numba", "pennylane", "pennylane_lightning"}
_IMPORTED_LATE |= {"pennylane_qiskit", "qiskit", "qiskit_aer", "scipy", "sklearn", "sklqkd"}
_IMPORTED_LATE |= {"skorch", "torch"}

#: Context manager for the block, shared by everything in the package.
one_thread = _OneThread()

_PENNYLANE: Any = RLock()


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


def renewed_in_children(lock):
    """Have a forked child find a lock free that another thread of its parent held.

    Parameters
    ----------
    lock : threading.RLock

    Returns
    -------
    lock : threading.RLock
        The same.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(_renew, lock))
    return lock


def _renew(lock: Any) -> bool:
    """Free a lock, unless the thread that was forked has it itself; return whether it was freed."""
    if lock._is_owned():
        return False
    lock._at_fork_reinit()  # what the locks of Python's own modules have it do
    return True


def _finish_imports():
    """Wait, before a fork, for what other threads are importing: the child could never import it.

    Those of the user's own modules are not waited for: they may do anything, such as to wait for
    the thread that forks.
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _IMPORTED_LATE:
            spec = getattr(module, "__spec__", None)
            if getattr(spec, "_initializing", False):
                with suppress(Exception):  # which that thread gets as well
                    import_module(name)


def _renew_libraries():
    """Free what other threads held in the libraries that this package calls, in a forked child."""
    numba = sys.modules.get("numba.core.compiler_lock")
    if numba is not None:
        with suppress(AttributeError):  # of a release that has none
            _renew(numba.global_compiler_lock._lock)
        with suppress(AttributeError, KeyError):
            _renew(sys.modules["llvmlite.binding.ffi"].lib._lock._lock)
        with suppress(AttributeError, KeyError):
            calls = sys.modules["numba.core.registry"].cpu_target.typing_context.callstack
            if _renew(calls._lock):
                calls._stack.clear()
    if not _PENNYLANE._is_owned():
        is_held = not _PENNYLANE.acquire(blocking=False)
        _PENNYLANE._at_fork_reinit()
        if is_held and sys.version_info < (3, 12):
            # PennyLane's attributes that are computed once have locks in there: whose, none tells.
            for each in gc.get_objects():
                if type(each) is functools.cached_property:
                    _renew(getattr(each, "lock"))  # noqa: B009
    queuing = sys.modules.get("pennylane.queuing")
    if queuing is not None:
        with suppress(AttributeError):
            _renew(queuing.AnnotatedQueue._lock)
        with suppress(AttributeError, KeyError):
            _renew(sys.modules["pennylane.tape.tape"].QuantumTape._lock)
        with suppress(AttributeError):
            if not _PENNYLANE._is_owned():
                queuing.QueuingManager._active_contexts = []


renewed_in_children(one_thread.lock)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_thread.in_child)
    os.register_at_fork(before=_finish_imports, after_in_child=_renew_libraries)
