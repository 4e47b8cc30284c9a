"""Warnings of the package that a program may want to catch by name."""

__all__ = ["TeacherWarning"]


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
