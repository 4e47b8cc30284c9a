"""Fits that succeed in one step, or leave no trace; predictions of one state of an estimator."""

from __future__ import annotations

import functools

__all__ = ["OWNER", "as_it_stands", "original", "unchanged_on_error"]

#: Attribute of a twin: the estimator that it stands for.
OWNER = "_stands_for"


class _Owner:
    """Holds an estimator, and leaves it out of pickles and copies."""

    def __init__(self, estimator):
        self.estimator = estimator

    def __reduce__(self):
        return _Owner, (None,)


def original(estimator):
    """Return the estimator that a twin stands for, itself for any other."""
    owner = vars(estimator).get(OWNER)
    return estimator if owner is None or owner.estimator is None else owner.estimator


def as_it_stands(estimator):
    """Return a shallow copy of an estimator, which a fit in another thread does not change.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    twin : estimator
        Of the same class, with the attributes of one moment.

    Examples
    --------
    >>> from sklqkd import PCAReducer
    >>> reducer = PCAReducer(n_components=2)
    >>> twin = as_it_stands(reducer)
    >>> twin is reducer, twin.n_components
    (False, 2)
    """
    twin = object.__new__(type(estimator))
    # A copy of a plain dict with names for keys: no other thread comes in between.
    twin.__dict__ = {**estimator.__dict__, OWNER: _Owner(original(estimator))}
    return twin


def unchanged_on_error(method):
    """Make a method change its estimator in one step, when all is done.

    The method works on a shallow copy. One that fails, or is interrupted, leaves its estimator as
    it was, and another thread that predicts meanwhile sees the old state or the new one, whole.

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
        twin = as_it_stands(estimator)
        result = method(twin, *args, **kwargs)
        state = twin.__dict__
        if OWNER not in estimator.__dict__:
            state.pop(OWNER, None)
        estimator.__dict__ = state  # in one step, which a Ctrl-C cannot cut either
        return estimator if result is twin else result

    return wrapper
