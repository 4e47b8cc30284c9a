"""Warnings of the package that a program may want to catch by name."""

__all__ = ["TeacherWarning"]


class TeacherWarning(UserWarning):
    """What a teacher says and what the student is trained on do not seem to belong together.

    Examples
    --------
    >>> import warnings
    >>> from sklqkd.exceptions import TeacherWarning
    >>> warnings.simplefilter("error", TeacherWarning)  # as an error
    >>> warnings.simplefilter("default", TeacherWarning)
    """
