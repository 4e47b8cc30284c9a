"""Warnings and errors of the package that a program may want to catch by name."""

__all__ = ["DamagedFileError", "FileInUseError", "TeacherWarning"]


class TeacherWarning(UserWarning):
    """What a teacher says and what the student is trained on do not seem to belong together.

    Examples
    --------
    >>> import warnings
    >>> from sklqkd import DistilledQNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always", TeacherWarning)
    ...     student = DistilledQNNClassifier(max_iter=1).fit(X, y)
    >>> str(caught[0].message)[:60]
    'DistilledQNNClassifier has no teacher and no teacher_logits:'
    """


class DamagedFileError(ValueError):
    """A file is not what was written, or is no file of this package.

    Raised for saved estimators of every kind, for the files of a
    :class:`sklqkd.callbacks.Checkpoint`, of searches and of comparisons, and for archives of
    images.

    Examples
    --------
    >>> import tempfile
    >>> from sklqkd import persistence
    >>> path = tempfile.mkdtemp() + "/student.joblib"
    >>> with open(path, "wb") as file:
    ...     _ = file.write(b"something else")
    >>> try:
    ...     persistence.load(path)
    ... except DamagedFileError as error:
    ...     print(str(error)[-41:])
    Load another copy of it, or fit it again.
    """


class FileInUseError(OSError):
    """Another run has a file that one run at a time may use.

    Examples
    --------
    >>> import tempfile
    >>> from sklqkd.files import Locked
    >>> path = tempfile.mkdtemp() + "/search"
    >>> lock = Locked(path, "checkpoint")
    >>> try:
    ...     Locked(path, "checkpoint")
    ... except FileInUseError as error:
    ...     "is in use by another run" in str(error)
    True
    >>> lock.release()
    """
