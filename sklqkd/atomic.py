"""Fits that succeed or leave no trace."""

from __future__ import annotations

import functools

__all__ = ["unchanged_on_error"]


def unchanged_on_error(method):
    """Make a method that fails, or is interrupted, leave its estimator as it was.

    Parameters
    ----------
    method : callable
        A ``fit`` or ``partial_fit``. It may set attributes of its estimator, and must not change
        the values of those that are there.

    Returns
    -------
    method : callable

    Examples
    --------
    >>> class Estimator:
    ...     @unchanged_on_error
    ...     def fit(self):
    ...         self.coef_ = 1
    ...         raise ValueError
    >>> estimator = Estimator()
    >>> try:
    ...     estimator.fit()
    ... except ValueError:
    ...     vars(estimator)
    {}
    """

    @functools.wraps(method)
    def wrapper(estimator, *args, **kwargs):
        before = vars(estimator).copy()
        try:
            return method(estimator, *args, **kwargs)
        except BaseException:
            estimator.__dict__ = before  # in one step, which a second Ctrl-C cannot cut
            raise

    return wrapper
