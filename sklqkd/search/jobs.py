"""The fits of a search as jobs: what they share, and which of them make a stack."""

from __future__ import annotations

from dataclasses import replace
from numbers import Number

from .calls import FitCall

__all__ = ["Shared", "groups_of"]

#: Parameters that students may differ in and share all of a fold; any other may part them.
_FREE = {
    "distillation",
    "lam",
    "learning_rate_init",
    "max_iter",
    "n_iter_no_change",
    "random_state",
    "teacher",
    "temperature",
    "tol",
}
#: Which candidate of how many, and which fold: what scikit-learn prints.
_PROGRESS = ("split_progress", "candidate_progress")


class Shared:
    """What the fits of a search have in common: sent to a machine once.

    Parameters
    ----------
    call : FitCall
        One of the fits; the others may differ in their folds and parameters alone.

    Attributes
    ----------
    folds : list of (ndarray, ndarray)
        Rows to train on and to test on.
    """

    def __init__(self, call: FitCall):
        # `caller` and the callbacks hold the search with all its data, and nobody listens.
        rest = {name: value for name, value in call.rest.items() if name not in _PROGRESS}
        self._call = replace(
            call,
            function=None,
            parameters=None,
            train=None,
            test=None,
            callbacks=None,
            rest=rest | {"caller": None},
        )
        self.X, self.y = call.X, call.y
        self.folds: list = []
        self._numbers: dict = {}

    def __getstate__(self):
        return vars(self) | {"_numbers": {}}

    def add(self, call: FitCall) -> tuple:
        """Return what is a fit's own, small enough to be sent with each."""
        number = self._numbers.setdefault((id(call.train), id(call.test)), len(self.folds))
        if number == len(self.folds):
            self.folds.append((call.train, call.test))
        progress = {name: call.rest[name] for name in _PROGRESS if name in call.rest}
        return number, call.parameters, progress

    def call(self, number: int, parameters: dict, progress: dict) -> FitCall:
        """Return the fit for which :meth:`add` returned these."""
        train, test = self.folds[number]
        rest = self._call.rest | progress
        return replace(self._call, parameters=parameters, train=train, test=test, rest=rest)


def groups_of(calls, n_workers, longest) -> list[list]:
    """Put calls together into stacks: few folds and shapes in each, candidates one after the other.

    Parameters
    ----------
    calls : dict of int to FitCall
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
    candidates = {id(call.parameters): call.parameters for call in calls.values()}
    shapes: dict = {}
    places = {
        name: shapes.setdefault(_shape(each), len(shapes)) for name, each in candidates.items()
    }
    ranks = {name: rank for rank, name in enumerate(sorted(candidates, key=places.__getitem__))}
    folds: dict = {}

    def place_of(i):
        call = calls[i]
        rank = ranks[id(call.parameters)]
        fold = folds.setdefault((id(call.train), id(call.test)), len(folds))
        # All folds of some candidates before the next ones, so that candidates are done early.
        return rank // size, fold, rank

    order = sorted(calls, key=place_of)
    return [order[start : start + size] for start in range(0, len(order), size)]


def _shape(parameters):
    """Return what may set the shapes of a student apart from those of others."""
    return tuple(
        (name, value if isinstance(value, (str, Number)) else id(value))
        for name, value in sorted(parameters.items(), key=lambda item: str(item[0]))
        if name not in _FREE
    )
