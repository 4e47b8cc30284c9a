"""The fits of a search, collected from scikit-learn and carried out as stacks.

scikit-learn's searches hand all their fits to joblib. A :class:`SearchBackend` takes the calls
instead of running them one by one; :class:`Fits` puts those of students into stacks, which share
what depends on their folds alone, in as many jobs as the search asks for on whatever backend joblib
was set to, and runs the rest as it is.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from threading import Event

import joblib
import numpy as np
from joblib.parallel import ParallelBackendBase
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from .._sklearn import _check_method_params, _fit_and_score, _num_samples, _safe_split, _score
from ..cluster import dask_client, here, place
from ..memory import free_memory
from ..statevector.unitary import UNITARY_UP_TO
from ..students.quantum_student import EXACT, QuantumStudent
from ..teacher_warnings import collected, warn_of_teacher
from ..threads import one_thread
from .calls import FitCall
from .checkpoint import FinishedFits
from .jobs import Shared, groups_of
from .progress import Progress
from .shared_runs import SharedFold, fix_seed, prepare_run

__all__ = ["Fits", "SearchBackend"]

#: Students of one job.
STACK = 128
#: The same where a job may be lost with its machine, or a checkpoint waits for it.
SHORT_STACK = 32


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
        self._checkpoint: FinishedFits | None = None
        # Where students that may be trained on stand, and their folds.
        self._goes_on = getattr(search, "resource", None) == "max_iter"
        self._states: dict = {}
        self._folds: dict = {}

    def __call__(self, calls) -> list:
        """Return the results of the calls ``(function, args, kwargs)``, in their order."""
        calls = [FitCall.of(*call) for call in calls]
        results, keys = self._known(calls)
        progress = Progress(self._search, calls, results)
        todo = [i for i, result in enumerate(results) if result is None]
        prefer = "threads" if todo and _lets_threads_run(calls) else None
        backend = joblib.parallel.get_active_backend(prefer=prefer)[0]
        stop = Event() if getattr(backend, "supports_sharedmem", False) else None
        groups, jobs = self._jobs(calls, todo, stop)
        states = {}
        can_stream = backend.supports_return_generator
        # In any order: what is done is kept, though an earlier stack takes longer.
        order = "generator_unordered" if can_stream else "list"
        try:
            parallel = Parallel(n_jobs=self._search.n_jobs, return_as=order, prefer=prefer)
            for number, outcomes, messages in parallel(jobs):
                for kind, message in messages.items():
                    warn_of_teacher(kind, message)
                done = dict(zip(groups[number], outcomes, strict=True))
                for i, outcome in done.items():
                    if "state" in outcome:
                        states[_name(calls[i])] = outcome.pop("state")
                    results[i] = outcome
                if self._checkpoint is not None:
                    self._checkpoint.add({keys[i]: outcome for i, outcome in done.items()})
                progress.add(done)
        except BaseException as error:
            if stop is not None:
                stop.set()  # threads cannot be killed
            if isinstance(error, KeyboardInterrupt):
                error.add_note(self._what_is_kept(progress))
            raise
        self._states = states
        return results

    def close(self) -> None:
        """Let other searches use the checkpoint."""
        if self._checkpoint is not None:
            self._checkpoint.close()

    def _known(self, calls):
        """Return the results that a checkpoint has, and what all are known by there."""
        if self._search.checkpoint is None:
            return [None] * len(calls), [""] * len(calls)
        if self._checkpoint is None:
            self._checkpoint = FinishedFits(self._search, *self._data)
        keys = [self._checkpoint.key(call) for call in calls]
        return [self._checkpoint.results.get(key) for key in keys], keys

    def _what_is_kept(self, progress):
        done = f"{progress.n_done} of {progress.n_fits} fits"
        if self._checkpoint is None:
            return f"{done} were done, and are lost. With checkpoint=PATH a search keeps them."
        return f"{done} are kept in {self._checkpoint.path!r}. The same search goes on from there."

    def _jobs(self, calls, todo, stop):
        """Return what calls each job makes, and the jobs."""
        if not todo:
            return [], []
        n_jobs = self._search.n_jobs
        n_workers = joblib.effective_n_jobs(n_jobs)
        # With a single worker joblib runs the jobs in this process.
        is_cluster = n_workers > 1 and dask_client() is not None
        shared = Shared(calls[todo[0]])
        stacked = {i: shared.add(calls[i]) for i in todo if calls[i].is_for_student}
        memory_limit = self._search.memory_limit
        if memory_limit is not None:
            memory_limit /= n_workers
        elif not is_cluster:
            memory_limit = free_memory() / 2 / n_workers
        is_short = is_cluster or self._checkpoint is not None
        options: dict = {"memory_limit": memory_limit, "stop": stop}
        if n_workers == 1:
            n_bytes = getattr(shared.X, "nbytes", 0)
            if len(self._folds) * n_bytes > memory_limit:
                self._folds.clear()
            if len(shared.folds) * n_bytes <= memory_limit:
                options["folds"] = self._folds
        placed = place(shared, n_jobs)
        groups: list[list[int]] = []
        jobs = []
        for i in sorted(set(todo).difference(stacked)):
            own = replace(calls[i], X=None, y=None)
            jobs.append(delayed(_run_one)(len(groups), placed, own))
            groups.append([i])
        longest = SHORT_STACK if is_short else STACK
        for group in groups_of({i: calls[i] for i in stacked}, n_workers, longest):
            if self._goes_on:
                options["states"] = [self._states.get(_name(calls[i])) for i in group]
            fits = [stacked[i] for i in group]
            jobs.append(delayed(_run_stack)(len(groups), placed, fits, **options))
            groups.append(group)
        return groups, jobs


def _name(call):
    """Return what a candidate on a fold is known by, whatever its `max_iter`."""
    # A search hands the very same values on from one iteration to the next.
    parameters = call.parameters.items()
    values = {(name, id(value)) for name, value in parameters if name != "max_iter"}
    return frozenset(values), joblib.hash((call.train, call.test))


def _lets_threads_run(calls):
    """Return whether the fits' epochs are compiled calls, beside which other threads run.

    Threads copy nothing. Of any other estimator, with more qubits, shots or a device, it is Python
    that works, one thread at a time.
    """
    for call in calls:
        if not isinstance(call.estimator, QuantumStudent):
            return False
        settings = call.settings
        where = settings["backend"], settings["device"], settings["shots"]
        if where != (EXACT, "cpu", None) or settings["n_qubits"] > UNITARY_UP_TO:
            return False
        # Others may take more than one circuit, or step by step.
        if not isinstance(settings["measurement"], str) or settings["optimizer"] != "adam":
            return False
        if settings["n_uploads"] > 1 or settings["trainable_scaling"]:
            return False
    return True


def _run_one(number, shared, own):
    shared = here(shared)
    with collected() as messages:
        results = [replace(own, X=shared.X, y=shared.y).run()]
    return number, results, dict(messages)


def _run_stack(number, shared, fits, memory_limit, stop=None, states=None, folds=None):
    """Return the number of the job, what ``_fit_and_score`` returns for each fit, and warnings.

    Parameters
    ----------
    number : int
    shared : Shared
    fits : list
        What :meth:`.jobs.Shared.add` returned.
    memory_limit : float or None
        In bytes. Folds that exceed it are given up. None for a share of the free memory of this
        machine.
    stop : threading.Event, default=None
        Set where the search has ended before its fits have.
    states : list of (dict or None), default=None
        Where students go on from that were trained before: :meth:`.shared_runs.SharedRun.state`.
        Given it, the results have a "state" too.
    folds : dict, default=None
        What was computed for earlier calls; added to.
    """
    shared = here(shared)
    if memory_limit is None:
        memory_limit = free_memory() / 2 / joblib.cpu_count()
    # A teacher shall not ask the whole cluster for help.
    on_cluster = dask_client() is not None
    alone = joblib.parallel_config(backend="sequential") if on_cluster else nullcontext()
    with alone, one_thread(), one_thread(), collected() as messages:  # cores are for jobs
        calls = [shared.call(*fit) for fit in fits]
        results = _fit_and_score_stack(calls, memory_limit, stop, states, folds)
    return number, results, dict(messages)


def _fit_and_score_stack(calls, memory_limit, stop, states, folds):
    """Return what ``_fit_and_score`` returns for each call, one after the other."""
    results: list = []
    folds = {} if folds is None else folds
    for i, call in enumerate(calls):
        if stop is not None and stop.is_set():
            raise RuntimeError("The search was stopped.")
        key = tuple(np.asarray(rows).tobytes() for rows in (call.train, call.test))
        if key not in folds:
            # Fits of one fold follow each other: what goes is what is needed last.
            if sum(fold.n_bytes for fold in folds.values()) > memory_limit:
                folds.clear()
            folds[key] = _Fold(call)
        known = {} if states is None else {"goes_on": True, "state": states[i]}
        try:
            results.append(_Fit(call, folds[key], **known).result())
        except Exception:  # bad parameters, for instance
            # The usual way fails too, and says so in the usual way.
            results.append(replace(call, estimator=clone(call.estimator)).run(_fit_and_score))
    return results


class _Fold:
    """A training and a test set."""

    def __init__(self, call):
        given = call.estimator, call.X, call.y
        self.train = SharedFold(*_safe_split(*given, call.train))
        self.test = _safe_split(*given, call.test, call.train)

    @property
    def n_bytes(self):
        """About the memory that it takes, in bytes."""
        return self.train.n_bytes + getattr(self.test[0], "nbytes", 0)


class _Fit:
    """One call of ``_fit_and_score``, on what its fold shares."""

    def __init__(self, call, fold, goes_on=False, state=None):
        start = time.perf_counter()
        self.call, self.fold, self.goes_on = call, fold, goes_on
        # A clone: the estimator itself has to serve again if something is wrong with this one.
        self.estimator = clone(call.estimator).set_params(**clone(call.parameters, safe=False))
        params = _check_method_params(call.X, params=call.fit_params, indices=call.train)
        if goes_on:
            fix_seed(self.estimator, state)
        self.run = prepare_run(self.estimator, fold.train, **params)
        if state is not None:
            self.run.go_on(state)
        self.seconds = time.perf_counter() - start

    def result(self):
        """Return what ``_fit_and_score`` returns."""
        start = time.perf_counter()
        call, run, estimator = self.call, self.run, self.estimator
        while not run.has_ended:
            run.epoch(run.n_iter)
        result: dict = {"fit_error": None}
        if self.goes_on:
            result["state"] = run.state()
        run.keep_best()
        vars(estimator).update(run.fitted())
        result["fit_time"] = self.seconds + time.perf_counter() - start
        start = time.perf_counter()

        def score(data, rows):
            params = _check_method_params(call.X, params=call.score_params, indices=rows)
            return _score(estimator, *data, call.scorer, params, call.error_score)

        result["test_scores"] = score(self.fold.test, call.test)
        result["score_time"] = time.perf_counter() - start
        if call.return_train_score:
            train = self.fold.train
            result["train_scores"] = score((train.X, train.y), call.train)
        result["n_test_samples"] = _num_samples(self.fold.test[0])
        return result
