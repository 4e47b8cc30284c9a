"""The fits of a search as jobs: what they share, and which of them make a stack."""

from __future__ import annotations

from numbers import Number

__all__ = ["Shared", "groups_of"]

#: Parameters that students may differ in and share all of a fold; any other may part them.
FREE = {
    *("distillation", "lam", "learning_rate_init", "max_iter", "n_iter_no_change"),
    *("random_state", "teacher", "temperature", "tol"),
}
#: What calls of ``_fit_and_score`` differ in, beside their folds.
_OWN = ("parameters", "split_progress", "candidate_progress")


class Shared:
    """What the fits of a search have in common: sent to a machine once.

    Parameters
    ----------
    args, kwargs
        Those of one of the calls of ``_fit_and_score``; the others may differ in their folds and
        parameters alone.

    Attributes
    ----------
    estimator, X, y
        Positional arguments of the calls.
    folds : list of (ndarray, ndarray)
        Rows to train on and to test on.
    """

    def __init__(self, args, kwargs):
        self.estimator, self.X, self.y = args
        others = (*_OWN, "train", "test")
        self._kwargs = {name: value for name, value in kwargs.items() if name not in others}
        # They hold the search with all its data, and nobody listens.
        self._kwargs |= {"caller": None, "callback_ctx": None}
        self.folds: list = []
        self._numbers: dict = {}

    def __getstate__(self):
        return vars(self) | {"_numbers": {}}

    def add(self, kwargs):
        """Return what is a call's own: the number of its fold, and a dict."""
        train, test = kwargs["train"], kwargs["test"]
        number = self._numbers.setdefault((id(train), id(test)), len(self.folds))
        if number == len(self.folds):
            self.folds.append((train, test))
        return number, {name: kwargs[name] for name in _OWN if name in kwargs}

    def kwargs(self, number, own):
        """Return the keyword arguments of the call for which :meth:`add` returned these."""
        train, test = self.folds[number]
        return {**self._kwargs, "train": train, "test": test, **own}


def groups_of(calls, n_workers, longest) -> list[list]:
    """Put calls together into stacks: few folds and shapes in each, candidates one after the other.

    Parameters
    ----------
    calls : dict of int to dict
        Keyword arguments of ``_fit_and_score``.
    n_workers : int
        Their number of stacks is a multiple of it, or less if there are too few calls.
    longest : int
        The most calls of a stack.

    Returns
    -------
    groups : list of list of int
        Keys of the calls of each stack.
    """
    if not calls:
        return []
    n_stacks = max(-(-len(calls) // longest), n_workers)
    n_stacks = n_workers * -(-n_stacks // n_workers)
    size = -(-len(calls) // n_stacks)
    candidates = {id(kwargs["parameters"]): kwargs["parameters"] for kwargs in calls.values()}
    shapes: dict = {}
    places = {
        name: shapes.setdefault(_shape(each), len(shapes)) for name, each in candidates.items()
    }
    ranks = {name: rank for rank, name in enumerate(sorted(candidates, key=places.__getitem__))}
    folds: dict = {}

    def place_of(i):
        kwargs = calls[i]
        rank = ranks[id(kwargs["parameters"])]
        fold = folds.setdefault((id(kwargs["train"]), id(kwargs["test"])), len(folds))
        # All folds of some candidates before the next ones, so that candidates are done early.
        return rank // size, fold, rank

    order = sorted(calls, key=place_of)
    return [order[start : start + size] for start in range(0, len(order), size)]


def _shape(parameters):
    """Return what may set the shapes of a student apart from those of others."""
    return tuple(
        (name, value if isinstance(value, (str, Number)) else id(value))
        for name, value in sorted(parameters.items(), key=lambda item: str(item[0]))
        if name not in FREE
    )
