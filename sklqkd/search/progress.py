"""How far a search is: candidates done, the best so far, the time left."""

from __future__ import annotations

import math
import time
from numbers import Number

from ..durations import in_words

__all__ = ["Progress"]


class Progress:
    """Tells how far a search is, if its `verbose` asks for it.

    A candidate is done when all of its folds are; its score is their mean, in the metric that the
    search refits with, as in ``cv_results_``. Candidates with a fold that has no score (NaN) are
    done too, but never the best.

    Parameters
    ----------
    search : estimator
        What `verbose` and `refit` are read from.
    calls : list of FitCall
        The fits.
    results : list of (dict or None)
        What is known of them from before.
    """

    def __init__(self, search, calls, results):
        self._is_shown, self._refit = bool(search.verbose), search.refit
        # A candidate's fits have its very parameters.
        names = [id(call.parameters) for call in calls]
        self._names = names
        self._left = dict.fromkeys(names, 0)
        self._scores: dict = {name: [] for name in names}
        for name in names:
            self._left[name] += 1
        self._best = -math.inf
        self.n_done, self.n_fits = 0, len(calls)
        for i, result in enumerate(results):
            if result is not None:
                self._count(i, result)
        self._n_before = self.n_done
        self._start, self._shown = time.perf_counter(), -math.inf

    def add(self, results: dict) -> None:
        """Count finished fits, and tell, at most once in a second.

        Parameters
        ----------
        results : dict of int to dict
            What ``_fit_and_score`` returned, by the call's index.
        """
        for i, result in results.items():
            self._count(i, result)
        now = time.perf_counter()
        if self._is_shown and (now - self._shown >= 1 or self.n_done == self.n_fits):
            self._shown = now
            print(self._line(now - self._start), flush=True)

    def _count(self, i, result):
        name = self._names[i]
        self.n_done += 1
        self._left[name] -= 1
        scores = self._scores[name]
        scores.append(self._score(result.get("test_scores")))
        if not self._left[name] and None not in scores:
            mean = sum(scores) / len(scores)
            if mean > self._best:  # which NaN is not
                self._best = mean

    def _score(self, scores):
        if isinstance(scores, dict):
            scores = scores.get(self._refit) if isinstance(self._refit, str) else None
        return scores if isinstance(scores, Number) else None

    def _line(self, elapsed):
        n_candidates = sum(not left for left in self._left.values())
        line = f"[search] {n_candidates} of {len(self._left)} candidates"
        line += f" ({self.n_done} of {self.n_fits} fits)"
        if self._best > -math.inf:
            line += f", best mean score {self._best:.4f}"
        if self.n_done == self.n_fits:
            return f"{line}, took {in_words(elapsed)}"
        per_fit = elapsed / max(1, self.n_done - self._n_before)
        return f"{line}, about {in_words(per_fit * (self.n_fits - self.n_done))} left"
