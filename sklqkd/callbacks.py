"""Callbacks for the students, on scikit-learn's protocol: what watches, saves and ends a fit.

``student.set_callbacks(...)`` takes any number of them, those of :mod:`sklearn.callback`, and plain
functions: ``student.set_callbacks(lambda epoch: print(epoch.number, epoch.loss))``, see
:class:`FunctionCallback`.
"""

from __future__ import annotations

import json
import os
import warnings
from numbers import Integral
from weakref import WeakKeyDictionary

import numpy as np

from ._version import __version__
from .checks import check_path
from .exceptions import DamagedFileError
from .files import Locked, check_archive, open_regular, replacing
from .monitors import (
    EarlyStopping,
    Epoch,
    FunctionCallback,
    MLflowLogger,
    OptunaPruning,
    ProgressBar,
)
from .persistence import checksum

__all__ = [
    "Checkpoint",
    "EarlyStopping",
    "Epoch",
    "FunctionCallback",
    "MLflowLogger",
    "OptunaPruning",
    "ProgressBar",
]

#: Version of the format of the file.
CHECKPOINT_VERSION = 2


class Checkpoint:
    """Saves the state of a student's training, so that a killed fit can go on.

    ``student.set_callbacks(Checkpoint(path)).fit(X, y)`` goes on from the file if there is one, and
    ends with the very weights, and all other fitted attributes, of a fit that was never
    interrupted. The file is replaced as a whole, so that a process that is killed, or a full disk,
    leaves the last one. A fit that comes to its end removes it.

    The file is written for the first time before the first epoch. From then on nothing about it
    costs the fit: where it cannot be written or removed any more, a RuntimeWarning says so.

    Parameters
    ----------
    path : str or path-like
        The file. One fit at a time may use it, in this process or another; a lock beside it, named
        ``path + ".lock"``, sees to that. In a search, where every fit has the same callbacks, use
        the search's own checkpoint.
    every : int, default=1
        Epochs between two files, at least 1. A file takes milliseconds, mostly for the disk: as
        long as an epoch of a small student.

    Raises
    ------
    TypeError
        In `fit`, if the estimator is not a student of this package.
    ValueError
        In `fit`, if the file is from another fit: of another student, with other parameters, or on
        other images, labels or weights, or with other teacher's logits, for which a teacher that
        is trained with `cv` needs a `random_state` as well; if the student has no `random_state`,
        which two fits would have to share; if the file is of another release.
    DamagedFileError
        In `fit`, a ValueError too, if the file is damaged.
    FileInUseError
        In `fit`, if another fit uses the file.
    OSError
        In `fit`, before the first epoch, if the file cannot be written.

    Notes
    -----
    The file is a NumPy ``.npz`` without any pickle in it. Functions among the parameters, such as
    an ansatz of your own, are told apart by their code, constants, defaults and what they enclose;
    what cannot be told apart, such as an object that no pickle holds, is refused in another
    process. Shots on hardware, and a calibration of readout mitigation, are new in the fit that
    goes on; all else is drawn from `random_state`.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.callbacks import Checkpoint
    >>> from sklqkd.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> path = tempfile.mkdtemp() + "/run.ckpt"
    >>> student = QNNClassifier(max_iter=2, random_state=0)
    >>> student = student.set_callbacks(Checkpoint(path, every=10)).fit(X, y)
    >>> os.path.exists(path)
    False
    """

    def __init__(self, path, every=1):
        self.path = path
        self.every = every
        self._locks: WeakKeyDictionary = WeakKeyDictionary()

    def __getstate__(self):
        return {"path": self.path, "every": self.every}

    def __setstate__(self, state):
        vars(self).update(state, _locks=WeakKeyDictionary())

    def setup(self, estimator, context):
        """Check the parameters, before anything is computed."""
        check_path(self.path, "path")
        if not isinstance(self.every, Integral) or self.every < 1:
            raise ValueError(f"every={self.every!r} must be a whole number of epochs, at least 1.")
        if getattr(estimator, "random_state", 0) is None:
            raise ValueError(
                "A Checkpoint needs a student with a random_state: without one, a further fit "
                "cannot repeat how this one began. Set it to an integer."
            )

    def teardown(self, estimator, context):
        """Let others use the file, which stays if the fit failed."""
        lock = self._locks.pop(estimator, None)
        if lock is not None:
            lock.release()

    def on_fit_task_begin(self, estimator, context):
        """Go on from the file, if this is the beginning of a fit and there is one."""
        if context.task_name == "epoch":
            return
        run = getattr(estimator, "_training_run", None)
        if run is None:
            raise TypeError(
                f"A Checkpoint is for the students of sklqkd, not for {type(estimator).__name__}."
            )
        identity = run.identity  # of its beginning, so that it is asked for before any epoch
        self._locks[estimator] = Locked(self.path, "path")
        if os.path.exists(self.path):
            run.restore(
                self._read(identity, len(run.network.parameters), np.shape(run.optimizer.moments))
            )
        self._write(run)  # whether it can be written is better known now

    def on_fit_task_end(self, estimator, context):
        """Write the file after an epoch, remove it after the fit."""
        run = estimator._training_run
        is_end = context.task_name != "epoch"
        if not is_end and run.n_iter % self.every:
            return
        try:
            if not is_end:
                self._write(run)
            elif os.path.exists(self.path):
                os.remove(os.path.realpath(self.path))
        except Exception as error:  # whatever it is: the fit is worth more than its file
            what = (
                "is done, but its file could not be removed"
                if is_end
                else ("goes on, but its file could not be written")
            )
            warnings.warn(
                f"The fit {what}: path={os.fspath(self.path)!r}, {type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _write(self, run):
        state = run.snapshot()
        arrays: dict = {k: value for k, value in state.items() if isinstance(value, np.ndarray)}
        plain = {k: value for k, value in state.items() if k not in arrays}
        header = {
            "version": CHECKPOINT_VERSION,
            "written_by": __version__,
            "identity": run.identity,
            "checksum": checksum(state),
        }
        text = np.frombuffer(json.dumps([header, plain]).encode(), np.uint8)
        with replacing(self.path) as file:
            np.savez(file, header=text, **arrays)

    def _read(self, identity, n_parameters, moments):
        path = os.fspath(self.path)
        with open_regular(path) as opened:
            try:
                shapes = {name: shape for name, (shape, _) in check_archive(opened).items()}
                text = shapes.pop("header")
                whole = (n_parameters,)
                expected = {"parameters": whole, "moments": moments, "best_parameters": whole}
                is_fit = all(shapes[name] == expected.get(name) for name in shapes)
                opened.seek(0)
                with np.load(opened, allow_pickle=False) as file:
                    if len(text) != 1 or text[0] > os.fstat(opened.fileno()).st_size:
                        raise ValueError("its header is larger than the file")
                    header, state = json.loads(bytes(file["header"]))
                    version, writer = header["version"], header["written_by"]
                    is_same = header["identity"] == identity
                    is_ours = (version, writer) == (CHECKPOINT_VERSION, __version__)
                    is_whole = not (is_ours and is_same)  # else it is not looked at further
                    if is_ours and is_same and is_fit:
                        state |= {name: file[name] for name in shapes}
                        is_whole = header["checksum"] == checksum(state)
            except Exception as error:  # a damaged file may raise anything
                raise DamagedFileError(
                    f"{path!r} is damaged, or not a file of a Checkpoint. Remove it to start again."
                ) from error
        if not is_ours:
            raise ValueError(
                f"{path!r} has format {version!r}, of sklqkd {writer}. This is "
                f"sklqkd {__version__}, which reads format {CHECKPOINT_VERSION} of its own. Finish "
                "the fit with that release, or remove the file to start again."
            )
        if not is_whole:
            raise DamagedFileError(f"{path!r} is damaged. Remove it to start again.")
        if not is_same:
            raise ValueError(
                f"{path!r} is from another fit: the student, its parameters, the images, the "
                "labels, the weights or what the teacher says are not the same. Remove it to start "
                "again, or name another file."
            )
        return state
