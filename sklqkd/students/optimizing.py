"""The optimizer of a student: checked before any work, and made for one fit."""

from __future__ import annotations

import copy
from numbers import Real
from typing import Any

import numpy as np

from ..optimizers import SGD, SPSA, Adam, ScipyMinimizer
from ..optimizers.protocols import OwnSteps, Start, check_own
from ..training import Network

__all__ = [
    "OPTIMIZERS",
    "check_optimizer",
    "has_steps",
    "kept",
    "make_optimizer",
    "precision",
    "recall",
    "seeks_whole",
]

#: Adam's place is None: it is compiled, and has no object for its settings.
OPTIMIZERS: dict = {
    "adam": None,
    "cobyla": ScipyMinimizer("COBYLA"),
    "lbfgs": ScipyMinimizer("L-BFGS-B"),
    "sgd": SGD(),
    "spsa": SPSA(),
}
#: More parameters than SciPy's methods without a gradient cope with.
MANY = 1000
_LOOK_ALL_AROUND = frozenset(("COBYLA", "COBYQA", "Nelder-Mead", "Powell"))


def _settings(optimizer):
    return OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer


def seeks_whole(optimizer) -> bool:
    """Return whether an optimizer of a student sees all images at once, in double precision."""
    known = OPTIMIZERS.get(optimizer) if isinstance(optimizer, str) else optimizer
    return isinstance(known, ScipyMinimizer)


def precision(optimizer) -> type:
    """Return the type of the numbers that a student is trained in."""
    return np.float64 if seeks_whole(optimizer) else np.float32


def has_steps(student) -> bool:
    """Return whether an optimizer can go on from one call of ``partial_fit`` to the next.

    Parameters
    ----------
    student : Student

    Raises
    ------
    AttributeError
        If it cannot, as scikit-learn's MLPClassifier does.
    """
    if seeks_whole(student.optimizer):
        raise AttributeError(
            f"partial_fit trains on one batch after the other, and optimizer={student.optimizer!r} "
            "needs all images at once. Use fit, or optimizer='adam', 'sgd' or 'spsa'."
        )
    return True


def check_optimizer(student, architecture) -> None:
    """Refuse an optimizer that cannot train a student, before any long work.

    Parameters
    ----------
    student : Student
        What `optimizer` and what depends on the epochs are read from.
    architecture : Architecture
        What says whether there are gradients, and whether they are exact.

    Raises
    ------
    ValueError
        For an unknown one; gradients where there are none; one function to be minimised where there
        are noisy values or schedules.
    """
    given = student.optimizer
    if isinstance(given, str):
        if given not in OPTIMIZERS:
            raise ValueError(
                "The 'optimizer' parameter must be one of "
                f"{', '.join(map(repr, sorted(OPTIMIZERS)))}, or an object with a method "
                f"step(parameters, gradient). It is {given!r}."
            )
    elif isinstance(given, (SGD, SPSA, ScipyMinimizer)):
        given._validate_params()
    else:
        check_own(given)
    settings = _settings(given)
    needs_gradient = getattr(settings, "needs_gradient", True)
    if needs_gradient and not getattr(architecture, "has_gradient", True):
        raise ValueError(
            f"optimizer={given!r} needs gradients, and there are none with "
            f"backend={student.backend!r} and its backend_options. Use optimizer='spsa' or "
            "'cobyla', which need none, or allow for diff_method='parameter-shift'."
        )
    if not seeks_whole(given):
        return
    if needs_gradient and not getattr(architecture, "is_deterministic", True):
        raise ValueError(
            f"optimizer={given!r} minimises a function without noise, and shots={student.shots!r} "
            "give another value in each call. Use optimizer='spsa', 'cobyla', 'adam' or 'sgd', or "
            "shots=None."
        )
    temperature: Any = getattr(student, "temperature", 1.0)
    is_several = isinstance(temperature, (list, tuple, np.ndarray))
    values = [*temperature] if is_several else [temperature]
    values.append(getattr(student, "lam", 0.0))
    if not all(isinstance(value, Real) for value in values):
        raise ValueError(
            f"optimizer={given!r} minimises one function, and schedules of lam or temperature make "
            "another in each epoch. Use numbers, or optimizer='adam', 'sgd' or 'spsa'."
        )


def make_optimizer(student, network: Network, n_samples: int, rng: np.random.Generator):
    """Return what trains a network in one fit.

    Parameters
    ----------
    student : Student
    network : Network
    n_samples : int
        Images that an epoch passes over.
    rng : numpy.random.Generator
        Where SPSA's directions come from.

    Returns
    -------
    optimizer : Adam, or what offers the same
    """
    settings = _settings(student.optimizer)
    if settings is None:
        rates = network.learning_rates(student.learning_rate_init)
        return Adam(network.size, network.dtype, learning_rate=rates)
    if not isinstance(settings, (SGD, SPSA, ScipyMinimizer)):
        return OwnSteps(settings, network.size)
    if isinstance(settings, ScipyMinimizer) and settings.method in _LOOK_ALL_AROUND:
        _check_number(student, settings, network)
    start = Start(
        scale=np.full(network.size, network.learning_rates(1.0), network.dtype),
        learning_rate=float(student.learning_rate_init),
        tol=float(student.tol),
        n_steps=student.max_iter * -(-n_samples // int(student.batch_size)),
        n_epochs=int(student.max_iter),
        rng=rng,
    )
    return settings._begin(start)


def kept(optimizer) -> tuple | None:
    """Return what a further fit goes on with, None for what begins anew in each.

    Returns
    -------
    state : tuple or None
        The moments and the number of steps; beside them what they belong to, unless it is Adam.
    """
    if isinstance(optimizer, Adam):
        return optimizer.moments, optimizer.n_steps
    if isinstance(optimizer, OwnSteps):
        return copy.deepcopy(optimizer.own), optimizer.n_steps, _name(optimizer)
    if not optimizer.is_resumable:
        return None
    return optimizer.moments, optimizer.n_steps, _name(optimizer)


def recall(optimizer, state: tuple | None) -> None:
    """Go on with what :func:`kept` returned, unless it belongs to another optimizer."""
    if state is None:
        return
    moments, n_steps, *name = state
    if (name or ["Adam"]) != [_name(optimizer)]:
        return
    optimizer.n_steps = n_steps
    if isinstance(optimizer, OwnSteps):
        optimizer.own = copy.deepcopy(moments)
    else:
        optimizer.moments = moments


def _name(optimizer):
    return type(getattr(optimizer, "own", optimizer)).__name__


def _check_number(student, settings, network):
    if network.size > MANY:
        raise ValueError(
            f"optimizer={student.optimizer!r}: {settings.method} looks in the direction of each "
            f"parameter one after the other, and this student has {network.size:,}; it copes with "
            f"up to {MANY:,}. Use optimizer='spsa', or a reducer that is not trained, such as "
            "reducer='pca'."
        )
