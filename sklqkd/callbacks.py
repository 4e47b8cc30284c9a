"""Callbacks for the students, on scikit-learn's protocol: what watches, saves and ends a fit.

``student.set_callbacks(...)`` takes any number of them, those of :mod:`sklearn.callback`, and plain
functions: ``student.set_callbacks(lambda epoch: print(epoch.number, epoch.loss))``, see
:class:`FunctionCallback`.
"""

from __future__ import annotations

import json
import os
from numbers import Integral

import numpy as np

from ._version import __version__
from .checks import check_path
from .monitors import (
    EarlyStopping,
    Epoch,
    FunctionCallback,
    MLflowLogger,
    OptunaPruning,
    ProgressBar,
)
from .persistence import STATE_VERSION, checksum, replacing

__all__ = [
    "Checkpoint",
    "EarlyStopping",
    "Epoch",
    "FunctionCallback",
    "MLflowLogger",
    "OptunaPruning",
    "ProgressBar",
]


class Checkpoint:
    """Saves the state of a student's training, so that a killed fit can go on.

    ``student.set_callbacks(Checkpoint(path)).fit(X, y)`` goes on from the file if there is one, and
    ends with the very weights, and all other fitted attributes, of a fit that was never
    interrupted. The file is replaced as a whole, so that a process that is killed, or a full disk,
    leaves the last one. A fit that comes to its end removes it.

    Parameters
    ----------
    path : str or path-like
        The file. One fit at a time may use it: in a search, where every fit has the same
        callbacks, use the search's own checkpoint.
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
        which two fits would have to share; or if the file is damaged, or of another version.

    Notes
    -----
    The file is a NumPy ``.npz`` without any pickle in it. Functions among the parameters, such as
    an ansatz of your own, are told apart by their names. Shots on hardware, and a calibration of
    readout mitigation, are new in the fit that goes on; all else is drawn from `random_state`.

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
        """Do nothing: the file stays if the fit failed."""

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
        if os.path.exists(self.path):
            run.restore(self._read(identity))

    def on_fit_task_end(self, estimator, context):
        """Write the file after an epoch, remove it after the fit."""
        run = estimator._training_run
        if context.task_name != "epoch":
            if os.path.exists(self.path):
                os.remove(self.path)
        elif run.n_iter % self.every == 0:
            self._write(run)

    def _write(self, run):
        state = run.snapshot()
        arrays: dict = {k: value for k, value in state.items() if isinstance(value, np.ndarray)}
        plain = {k: value for k, value in state.items() if k not in arrays}
        header = {
            "version": STATE_VERSION,
            "written_by": __version__,
            "identity": run.identity,
            "checksum": checksum(state),
        }
        text = np.frombuffer(json.dumps([header, plain]).encode(), np.uint8)
        with replacing(self.path) as file:
            np.savez(file, header=text, **arrays)

    def _read(self, identity):
        path = os.fspath(self.path)
        with open(path, "rb") as opened:
            try:
                with np.load(opened, allow_pickle=False) as file:
                    header, state = json.loads(bytes(file["header"]))
                    state |= {name: file[name] for name in file.files if name != "header"}
                version, is_whole = header["version"], header["checksum"] == checksum(state)
                is_same = header["identity"] == identity
            except Exception as error:  # a damaged file may raise anything
                raise ValueError(
                    f"{path!r} is damaged, or not a file of a Checkpoint. Remove it to start again."
                ) from error
        if version != STATE_VERSION:
            raise ValueError(
                f"{path!r} has format {version!r}, of sklqkd {header.get('written_by')}. This is "
                f"sklqkd {__version__}, which reads format {STATE_VERSION}. Finish the fit with "
                "that release, or remove the file to start again."
            )
        if not is_whole:
            raise ValueError(f"{path!r} is damaged. Remove it to start again.")
        if not is_same:
            raise ValueError(
                f"{path!r} is from another fit: the student, its parameters, the images, the "
                "labels, the weights or what the teacher says are not the same. Remove it to start "
                "again, or name another file."
            )
        return state
