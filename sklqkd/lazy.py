"""Attributes that are computed when they are first asked for."""

from __future__ import annotations

__all__ = ["lazy"]


class lazy:  # noqa: N801  (a decorator)
    """:class:`functools.cached_property` without its lock.

    Python 3.11's has one lock for all instances: a process that is forked while another thread
    computes such an attribute would wait for it for ever. Two threads may compute it twice.

    Parameters
    ----------
    compute : callable
        The method.

    Examples
    --------
    >>> class Circle:
    ...     @lazy
    ...     def area(self):
    ...         return 3.0
    >>> circle = Circle()
    >>> circle.area, vars(circle)
    (3.0, {'area': 3.0})
    """

    def __init__(self, compute):
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner, name):
        self._name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        value = self._compute(instance)
        return instance.__dict__.setdefault(self._name, value)
