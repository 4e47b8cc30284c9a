"""The fits of a search, collected from scikit-learn and carried out as stacks.

scikit-learn's searches hand all their fits to joblib. A :class:`SearchBackend` takes the calls
instead of running them one by one; :class:`Fits` trains the students among them together, in as
many jobs as the search asks for on whatever backend joblib was set to, and runs the rest as it is.
"""

from __future__ import annotations

import os
import time

import joblib
import numpy as np
from joblib.parallel import ParallelBackendBase
from sklearn.base import clone
from sklearn.model_selection._validation import _fit_and_score, _score
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params, _num_samples

from ..students.base import Student
from ..threads import one_thread
from .runs import SharedFold, prepare_run
from .stacking import train_runs

__all__ = ["Fits", "SearchBackend"]

#: Students of one job: more of them are hardly faster together.
STACK = 128


class SearchBackend(ParallelBackendBase):
    """A joblib backend that collects the calls of one ``Parallel`` and has them run at once.

    Parameters
    ----------
    run_all : callable
        ``run_all(calls)`` returns the results of calls ``(function, args, kwargs)``.
    """

    supports_sharedmem = True
    uses_threads = True
    #: What joblib takes for the number of workers: so many calls are given out at once.
    _MANY = 100_000

    def __init__(self, run_all, **options):
        super().__init__(**options)
        self._run_all = run_all
        self._waiting: list[_Batch] = []

    def effective_n_jobs(self, n_jobs):
        """Return the number of calls to be given out at once."""
        return self._MANY

    def configure(self, n_jobs=1, parallel=None, **options):
        """Return the number of calls to be given out at once."""
        self.parallel = parallel
        return self._MANY

    def submit(self, func, callback=None):
        """Keep a batch of calls for later."""
        batch = _Batch(self, func.items, callback)
        self._waiting.append(batch)
        return batch

    def run_waiting(self):
        """Run the batches that wait."""
        batches, self._waiting = self._waiting, []
        calls = [call for batch in batches for call in batch.calls]
        results = iter(self._run_all(calls))
        for batch in batches:
            batch.results = [next(results) for _ in batch.calls]
        for batch in batches:  # which may give out more
            batch.callback(batch)


class _Batch:
    """What joblib knows of calls that it has given out."""

    def __init__(self, backend, calls, callback):
        self.backend, self.calls, self.callback = backend, calls, callback
        self.results = None

    def get(self, timeout=None):
        if self.results is None:
            self.backend.run_waiting()
        return self.results


class Fits:
    """Carries out the calls of ``_fit_and_score`` of a search.

    Parameters
    ----------
    search : StackedGridSearchCV or the like
        What `memory_limit`, `checkpoint` and `verbose` are read from.
    X, y, params
        What the search is fitted on.
    """

    def __init__(self, search, X, y, params):
        self._search = search
        self._data = X, y, params
        self._checkpoint: Checkpoint | None = None

    def __call__(self, calls) -> list:
        """Return the results of the calls ``(function, args, kwargs)``, in their order."""
        results: list = [None] * len(calls)
        keys = [""] * len(calls)
        if self._search.checkpoint is not None:
            if self._checkpoint is None:
                self._checkpoint = Checkpoint(self._search, *self._data)
            keys = [self._checkpoint.key(kwargs) for _, _, kwargs in calls]
            results = [self._checkpoint.results.get(key) for key in keys]
        todo = [i for i, result in enumerate(results) if result is None]
        stacked = [i for i in todo if _is_for_stack(*calls[i])]
        others = sorted(set(todo).difference(stacked))
        # Fits on the same images side by side: what a job makes of them serves all of its fits.
        stacked.sort(key=lambda i: calls[i][2]["train"].tobytes())
        n_jobs = self._search.n_jobs
        n_workers = joblib.effective_n_jobs(n_jobs)
        n_stacks = max(-(-len(stacked) // STACK), min(n_workers, len(stacked)))
        groups = [group.tolist() for group in np.array_split(stacked, n_stacks or 1) if len(group)]
        memory_limit = (self._search.memory_limit or _free_memory() / 2) / n_workers
        jobs = [delayed(_run_one)(*calls[i]) for i in others]
        for group in groups:
            _, X, y = calls[group[0]][1]
            fits = [(calls[i][1][0], _without_search(calls[i][2])) for i in group]
            jobs.append(delayed(fit_and_score_stack)(X, y, fits, memory_limit))
        progress = Progress(self._search, results)
        can_stream = joblib.parallel.get_active_backend()[0].supports_return_generator
        parallel = Parallel(n_jobs=n_jobs, return_as="generator" if can_stream else "list")
        for group, outcomes in zip([*([i] for i in others), *groups], parallel(jobs), strict=True):
            for i, outcome in zip(group, outcomes, strict=True):
                results[i] = outcome
            if self._checkpoint is not None:
                self._checkpoint.add({keys[i]: results[i] for i in group})
            progress.show()
        return results


def _is_for_stack(function, args, kwargs):
    """Return whether a call fits a student, with nobody watching it."""
    if getattr(function, "function", None) is not _fit_and_score or args[2] is None:
        return False
    context = kwargs.get("callback_ctx")
    is_watched = getattr(context, "_callbacks", ()) or getattr(args[0], "_skl_callbacks", ())
    return isinstance(args[0], Student) and not is_watched


def _without_search(kwargs):
    # They hold the search with all its data, and nobody listens.
    return kwargs | {"caller": None, "callback_ctx": None}


def _run_one(function, args, kwargs):
    return [function(*args, **kwargs)]


def fit_and_score_stack(X, y, fits, memory_limit) -> list[dict]:
    """Fit students together, and score them.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    fits : list of (estimator, dict)
        The estimators and the keyword arguments of scikit-learn's ``_fit_and_score``.
    memory_limit : float
        In bytes. What would exceed it waits until others are done.

    Returns
    -------
    results : list of dict
        As ``_fit_and_score`` returns them.
    """
    with one_thread():  # cores are for jobs
        return _fit_and_score_stack(X, y, fits, memory_limit)


def _fit_and_score_stack(X, y, fits, memory_limit):
    results: list = [None] * len(fits)
    folds: dict = {}
    waiting: list = []
    used = 0
    for i, (estimator, kwargs) in enumerate(fits):
        key = kwargs["train"].tobytes(), kwargs["test"].tobytes()
        if key not in folds:
            folds[key] = _Fold(estimator, X, y, kwargs)
        try:
            waiting.append((i, _Student(estimator, folds[key], kwargs)))
        except Exception:
            # The usual way fails too, and says so in the usual way.
            results[i] = _fit_and_score(estimator, X, y, **kwargs)
            continue
        used += waiting[-1][1].run.n_bytes
        if used > memory_limit:
            _train_and_score(waiting, results)
            waiting, used = [], 0
    _train_and_score(waiting, results)
    return results


def _train_and_score(waiting, results):
    start = time.perf_counter()
    train_runs([student.run for _, student in waiting])
    share = (time.perf_counter() - start) / max(1, len(waiting))
    for i, student in waiting:
        results[i] = student.score(share)


class _Fold:
    """A training and a test set."""

    def __init__(self, estimator, X, y, kwargs):
        self.X = X
        train, test = kwargs["train"], kwargs["test"]
        self.train = SharedFold(*_safe_split(estimator, X, y, train))
        self.test = _safe_split(estimator, X, y, test, train)


class _Student:
    """A student in training for one call of ``_fit_and_score``."""

    def __init__(self, estimator, fold, kwargs):
        start = time.perf_counter()
        self.fold, self.kwargs = fold, kwargs
        # A clone: the estimator itself has to serve again if something is wrong with this one.
        self.estimator = clone(estimator).set_params(**clone(kwargs["parameters"], safe=False))
        params = self._params("fit_params", kwargs["train"])
        self.run = prepare_run(self.estimator, fold.train, **params)
        self.seconds = time.perf_counter() - start

    def _params(self, name, rows):
        return _check_method_params(self.fold.X, params=self.kwargs[name] or {}, indices=rows)

    def score(self, seconds):
        """Return what ``_fit_and_score`` returns."""
        start = time.perf_counter()
        kwargs, run, estimator = self.kwargs, self.run, self.estimator
        del self.run
        vars(estimator).update(run.fitted())
        fit_time = self.seconds + seconds + time.perf_counter() - start
        start = time.perf_counter()
        result = {"fit_error": None, "fit_time": fit_time}

        def score(data, rows):
            params = self._params("score_params", rows)
            return _score(estimator, *data, kwargs["scorer"], params, kwargs["error_score"])

        result["test_scores"] = score(self.fold.test, kwargs["test"])
        result["score_time"] = time.perf_counter() - start
        if kwargs["return_train_score"]:
            train = self.fold.train
            result["train_scores"] = score((train.X, train.y), kwargs["train"])
        result["n_test_samples"] = _num_samples(self.fold.test[0])
        return result


class Progress:
    """Tells how far a search is, if its `verbose` asks for it."""

    def __init__(self, search, results):
        self._verbose, self._results = search.verbose, results
        self._start = time.perf_counter()
        self._n_before = sum(result is not None for result in results)

    def show(self):
        """Print a line."""
        if not self._verbose:
            return
        done = [result for result in self._results if result is not None]
        elapsed = time.perf_counter() - self._start
        n_left = len(self._results) - len(done)
        left = elapsed / max(1, len(done) - self._n_before) * n_left
        scores = [result.get("test_scores") for result in done]
        best = max((score for score in scores if isinstance(score, float)), default=None)
        line = f"{len(done)} of {len(self._results)} fits, about {left:.0f} s left"
        print(line if best is None else f"{line}; best score of a fold {best:.4f}")


class Checkpoint:
    """Results of finished fits in a file.

    Parameters
    ----------
    search : estimator
        The search, which names the file; with its data it has to be the one that began the file.
    X, y, params
        What it is fitted on.

    Raises
    ------
    ValueError
        If the file belongs to another search.
    """

    def __init__(self, search, X, y, params):
        self._path = os.fspath(search.checkpoint)
        settings = search.estimator.get_params(deep=False)
        options = repr((sorted(settings.items()), search.scoring, search.return_train_score))
        self._owner = joblib.hash((np.asarray(X), np.asarray(y), sorted(params), options))
        self.results: dict = {}
        if os.path.exists(self._path):
            owner, self.results = joblib.load(self._path)
            if owner != self._owner:
                raise ValueError(
                    f"checkpoint={self._path!r} was written by a search of another estimator, or "
                    "on other data. Remove the file, or name another."
                )

    def key(self, kwargs) -> str:
        """Return the name of a call's result."""
        parameters = repr(sorted(kwargs["parameters"].items()))
        return joblib.hash((parameters, kwargs["train"], kwargs["test"]))

    def add(self, results) -> None:
        """Write more results; a file that is cut off does not replace the last whole one."""
        self.results.update(results)
        joblib.dump((self._owner, self.results), self._path + ".part")
        os.replace(self._path + ".part", self._path)


def _free_memory():
    """Return the free memory in bytes, or 2 GiB where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 2**31
