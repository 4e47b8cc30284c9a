"""Files that other people, and other processes, may have their hands on.

What is written replaces the old file as a whole, or is appended; one process at a time may work on
a file; and what is opened is a file, not a pipe that never ends.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import prod
from typing import IO

import numpy as np

from .checks import check_path
from .exceptions import DamagedFileError, FileInUseError
from .memory import memory_limit

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["CUT_OFF", "Locked", "append_line", "check_archive", "open_regular", "replacing"]

#: Ends a line that was not written to its end, where another one follows.
CUT_OFF = b" [cut off]"
#: Random bytes in the name of a temporary file.
_N_RANDOM = 8
#: Descriptors of the locks that this process holds. A forked child closes its copies: while one is
#: open, the lock outlives its owner.
_HELD: set[int] = set()


def _drop_locks():
    for descriptor in _HELD:
        with suppress(OSError):
            os.close(descriptor)
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_locks)


def _target(path, name="path"):
    """Return the file behind a path and its links, and its status (None if it is missing)."""
    check_path(path, name)
    real = os.path.realpath(os.fspath(path))
    try:
        status = os.stat(real)
    except FileNotFoundError:
        return real, None
    _check_regular(path, status)
    return real, status


def _check_regular(path, status):
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(
            f"{os.fspath(path)!r} is a {_kind(status.st_mode)}, and no ordinary file. Name another."
        )


def _kind(mode):
    kinds = {
        stat.S_IFDIR: "folder",
        stat.S_IFIFO: "pipe",
        stat.S_IFSOCK: "socket",
        stat.S_IFCHR: "device",
        stat.S_IFBLK: "device",
    }
    return kinds.get(stat.S_IFMT(mode), "special file")


def open_regular(path) -> IO[bytes]:
    """Open an ordinary file to read it.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    file : binary file

    Raises
    ------
    ValueError
        If it is a folder, a pipe, a socket or a device. A pipe is not waited for.
    OSError
        If it cannot be opened.
    """
    check_path(path, "path")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if os.path.isdir(path):  # which some systems do not open at all
        _check_regular(path, os.stat(path))
    descriptor = os.open(path, flags)
    try:
        _check_regular(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_archive(file: IO[bytes]) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Look at the headers of the arrays in an archive, before any is read.

    Parameters
    ----------
    file : binary file
        A zip archive, such as those of :func:`numpy.savez`.

    Returns
    -------
    arrays : dict of str to (tuple of int, dtype)
        Shape and type of each array, by name.

    Raises
    ------
    DamagedFileError
        If it is no archive, if an array's header does not say what its size is, or if all of it
        would not fit into memory.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            for member in members:
                if not member.filename.endswith(".npy"):
                    continue
                with archive.open(member) as opened:
                    shape, dtype = _read_header(opened)
                    if not dtype.hasobject:
                        expected = opened.tell() + prod(shape) * dtype.itemsize
                        if expected != member.file_size:
                            raise ValueError(
                                f"{member.filename} has {member.file_size} bytes where its header "
                                f"says {expected}"
                            )
                arrays[member.filename.removesuffix(".npy")] = shape, dtype
    except Exception as error:  # zipfile, zlib, struct, ast, ...
        raise DamagedFileError(f"The archive is damaged, or none: {error}.") from error
    needed, memory = sum(member.file_size for member in members), memory_limit()
    if needed > memory:
        raise DamagedFileError(
            f"The archive would take {needed / 2**30:,.1f} GiB, and there are "
            f"{memory / 2**30:,.1f} GiB of memory. It is damaged, or for a larger machine."
        )
    return arrays


def _read_header(file):
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype


@contextmanager
def replacing(path) -> Iterator[IO[bytes]]:
    """Write a file that replaces another one once all of it is on the disk.

    Parameters
    ----------
    path : str or path-like
        The file; of a link, what it leads to. What is written goes to a file of a name that nobody
        knows, in the same folder, first. If that fails, because the disk is full or for any other
        reason, the file that was there stays as it was. Its mode and group stay in any case; a new
        file has those that the system gives to new files.

    Yields
    ------
    file : binary file
        To be written to, as in ``joblib.dump(student, file)``.

    Raises
    ------
    ValueError
        If there is a folder, a pipe or a device at `path`.

    Examples
    --------
    >>> import joblib, tempfile
    >>> from sklqkd import PoolingReducer
    >>> path = tempfile.mkdtemp() + "/reducer.joblib"
    >>> with replacing(path) as file:
    ...     _ = joblib.dump(PoolingReducer(), file)
    >>> joblib.load(path)
    PoolingReducer()
    """
    real, status = _target(path)
    folder, name = os.path.split(real)
    part = os.path.join(folder, f"{_stem(name)}{secrets.token_hex(_N_RANDOM)}.part")
    # As tempfile.mkstemp does it, but with the mode of a new file.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(part, flags, 0o666)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            if fcntl is not None:  # tells a living writer's file from a dead one's
                with suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if status is not None and hasattr(os, "fchmod"):
                with suppress(OSError):  # the group may be none of ours
                    os.fchown(descriptor, -1, status.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, real)
    except BaseException:
        with suppress(OSError):
            os.remove(part)
        raise
    _sync_folder(folder)


def _stem(name):
    return f".{name[:60]}."


def _sync_folder(folder):
    """Have the folder's list of names on the disk too, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_line(path, line: bytes) -> None:
    """Append a line to a file, and have it on the disk. Nothing of the file is ever cut off.

    Where the file ends in the middle of a line, of a writer that was killed or whose disk was full,
    that line is ended first, with :data:`CUT_OFF`.

    Parameters
    ----------
    path : str or path-like
    line : bytes
        Without its end.
    """
    real, status = _target(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    descriptor = os.open(real, flags, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        rest = line + b"\n"
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            rest = CUT_OFF + b"\n" + rest
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if status is None:
        _sync_folder(os.path.dirname(real))


class Locked:
    """A file, or a folder, that no other run may use until this one has ended.

    The lock of a file is another one beside it, named ``path + ".lock"``, which :meth:`release`
    removes; a folder is locked itself. It is the system's: that of a run that was killed is free.
    Where a system has no locks (Windows, some network drives) there is a warning.

    Parameters
    ----------
    path : str or path-like
    name : str
        What the path is, for messages.

    Raises
    ------
    FileInUseError
        If another run, of this process or of another one, has it.
    OSError
        If the lock cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/run.ckpt"
    >>> lock = Locked(path, "path")
    >>> try:
    ...     Locked(path, "path")
    ... except FileInUseError:
    ...     print("wait")
    wait
    >>> lock.release()
    """

    def __init__(self, path, name):
        check_path(path, name)
        self._shown, self._name = f"{name}={os.fspath(path)!r}", name
        self._descriptor, self._owner = -1, os.getpid()
        self._target = os.path.realpath(os.fspath(path))
        self._is_folder = os.path.isdir(self._target)
        self._path = self._target if self._is_folder else self._target + ".lock"
        if fcntl is None:
            self._warn("the system has no locks")
            return
        while not self._try():
            pass
        self._sweep()

    def _warn(self, why):
        warnings.warn(
            f"{self._shown} cannot be locked here ({why}): let no other run use it.",
            RuntimeWarning,
            stacklevel=4,
        )

    def _try(self):
        """Take the lock; False if its file was removed by another run just then."""
        flags = os.O_RDONLY if self._is_folder else os.O_RDWR | os.O_CREAT
        descriptor = os.open(self._path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        try:
            if not self._is_folder:
                _check_regular(self._path, os.fstat(descriptor))
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    self._warn(error)
                    os.close(descriptor)
                    return True
                raise FileInUseError(
                    f"{self._shown} is in use by another run{self._who(descriptor)}. Wait until "
                    f"that has ended, or name another {self._name}."
                ) from None
            if not self._is_folder:
                if not _is_same(descriptor, self._path):
                    os.close(descriptor)
                    return False
                with suppress(OSError):  # of a full disk: it is for messages alone
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
        except BaseException:
            with suppress(OSError):
                os.close(descriptor)
            raise
        self._descriptor = descriptor
        _HELD.add(descriptor)
        return True

    def _who(self, descriptor):
        if self._is_folder:
            return ""
        owner = os.pread(descriptor, 100, 0).decode(errors="replace")
        return f" ({owner})" if owner else ""

    def _sweep(self):
        """Remove the temporary files of runs that were killed while they wrote."""
        folder, name = os.path.split(self._target)
        stem = re.escape(_stem(name))
        if self._is_folder:
            folder, stem = self._target, r"\..*\."
        pattern = re.compile(rf"{stem}[0-9a-f]{{{2 * _N_RANDOM}}}\.part", re.DOTALL)
        for entry in filter(pattern.fullmatch, os.listdir(folder)):
            with suppress(OSError):
                part = os.path.join(folder, entry)
                descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.remove(part)
                finally:
                    os.close(descriptor)

    def release(self):
        """Let others use the file; called again, or in a forked child, it does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0 or self._owner != os.getpid():
            return
        if not self._is_folder:
            with suppress(OSError):  # first: who opens it later must not take it for the lock
                os.remove(self._path)
        _HELD.discard(descriptor)
        with suppress(OSError):
            os.close(descriptor)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.release()

    def __del__(self):
        # What keeps a lock that nobody holds any more is a run that failed in an odd place.
        if not sys.is_finalizing() and hasattr(self, "_descriptor"):
            self.release()


def _is_same(descriptor, path):
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
