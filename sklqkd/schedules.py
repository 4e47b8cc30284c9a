"""Values that change from epoch to epoch: a temperature that cools, a `lam` that grows.

A schedule is a number, a function of the epoch, or the name of a curve with its end values, which
(unlike a function) can be written down in a parameter grid or a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from numbers import Real

__all__ = ["resolve_schedule"]


#: The named curves: both run from 0 to 1 while their argument does.
_CURVES: dict[str, Callable[[float], float]] = {
    "linear": lambda progress: progress,
    "cosine": lambda progress: (1 - math.cos(math.pi * progress)) / 2,
}

#: Epochs whose values are computed before any training; of longer ones, so many are checked.
_MOST_LISTED = 10_000

_FORMS = (
    'a number, ("linear", start, end), ("cosine", start, end), '
    '("step", start, end, fraction) or a function f(epoch, max_iter)'
)


def resolve_schedule(
    value,
    max_iter: int,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    name: str = "The schedule",
) -> Callable[[int], float]:
    """Return the function from an epoch to a value that a schedule stands for.

    Parameters
    ----------
    value : number, tuple or callable
        - A number: the same in every epoch.
        - ``("linear", start, end)``: `start` in the first epoch, `end` in the last one, and equal
          steps between them.
        - ``("cosine", start, end)``: the same along half a cosine, slow at both ends.
        - ``("step", start, end, fraction)``: `start` in the first ``fraction * max_iter`` epochs,
          and `end` from then on; `fraction` in [0, 1].
        - ``f(epoch, max_iter)``, a callable that returns a number; the first epoch is 0.
    max_iter : int
        Number of epochs, at least 1. Epochs beyond it have the last one's value.
    low, high : float, default=-inf, inf
        The values' range, with its ends. All of them are checked here, before any training; of a
        function over more than 10,000 epochs those of 10,000, and the others when they are asked
        for.
    name : str, default="The schedule"
        What to call it in messages.

    Returns
    -------
    schedule : callable
        ``schedule(epoch) -> float``

    Raises
    ------
    ValueError
        If `value` has none of these forms, or some epoch's value is not finite or out of range.
    TypeError
        If a function does not take these two arguments.

    Examples
    --------
    >>> temperature = resolve_schedule(("linear", 5.0, 1.0), 5, low=0.001)
    >>> [temperature(epoch) for epoch in range(5)]
    [5.0, 4.0, 3.0, 2.0, 1.0]
    >>> lam = resolve_schedule(("step", 0, 0.9, 0.4), 5, low=0, high=1)
    >>> [lam(epoch) for epoch in range(5)]
    [0.0, 0.0, 0.9, 0.9, 0.9]
    """
    if isinstance(value, Real):
        number = _float(value)
        schedule = lambda epoch: number  # noqa: E731
        n_values = 1
    elif callable(value):
        schedule, n_values = partial(_called, value, max_iter=max_iter, name=name), max_iter
    else:
        schedule, n_values = _named(value, max_iter, name), max_iter

    def checked(epoch) -> float:
        number = schedule(epoch)
        if not (math.isfinite(number) and low <= number <= high):
            where = f" in epoch {epoch}" if n_values > 1 else ""
            raise ValueError(
                f"{name} is {number}{where}, from {value!r}. It must be a finite number"
                f"{_limits(low, high)} in every epoch: change its numbers."
            )
        return number

    last = n_values - 1
    if n_values <= _MOST_LISTED:
        values = [checked(epoch) for epoch in range(n_values)]
        return lambda epoch: values[min(epoch, last)]
    # The ends, and equal steps between them: a named curve lies between its ends.
    for i in range(_MOST_LISTED):
        checked(i * last // (_MOST_LISTED - 1))
    return lambda epoch: checked(min(epoch, last))


def _called(function, epoch, *, max_iter, name) -> float:
    try:
        number = function(epoch, max_iter)
    except TypeError as error:
        raise TypeError(
            f"The function given for {name} failed in epoch {epoch} of {max_iter}: {error}. It is "
            "called as f(epoch, max_iter)."
        ) from error
    if not isinstance(number, Real):
        raise ValueError(
            f"The function given for {name} returned {number!r} in epoch {epoch}. It must return a "
            "number for f(epoch, max_iter)."
        )
    return _float(number)


def _float(number) -> float:
    try:
        return float(number)
    except (OverflowError, TypeError) as error:  # 10**400, numpy.timedelta64
        raise ValueError(f"{number!r} is no number that a float holds.") from error


def _named(value, max_iter, name) -> Callable[[int], float]:
    kind, *numbers = value if isinstance(value, tuple | list) and value else (None,)
    if isinstance(kind, str) and all(isinstance(number, Real) for number in numbers):
        if kind == "step" and len(numbers) == 3 and 0 <= numbers[2] <= 1:
            start, end, fraction = map(_float, numbers)
            return lambda epoch: start if epoch < fraction * max_iter else end
        if kind in _CURVES and len(numbers) == 2:
            start, end = map(_float, numbers)
            curve, last = _CURVES[kind], max(max_iter - 1, 1)
            return lambda epoch: _between(start, end, curve(epoch / last))
    raise ValueError(
        f"{name} is {value!r}. It must be {_FORMS}, where start and end are numbers and fraction "
        "is one in [0, 1]."
    )


def _between(start, end, part) -> float:
    number = start * (1 - part) + end * part
    # Rounding must not lead out of the range that the ends lie in.
    return min(max(number, min(start, end)), max(start, end))


def _limits(low, high):
    if low == -math.inf and high == math.inf:
        return ""
    return f" in {'(' if low == -math.inf else '['}{low}, {high}{')' if high == math.inf else ']'}"
