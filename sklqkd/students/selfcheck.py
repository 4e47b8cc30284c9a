"""A fitted student held against computations that share no code with it."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.utils import check_scalar, column_or_1d
from sklearn.utils.validation import check_is_fitted

from ..feature_scaling import scaled
from ..images import check_rows
from ..persistence import TRUSTED_TYPES
from ..targets import is_fitted
from ..training import Objective
from ..unlabelled import teachers_of
from .features import encoded_features

__all__ = ["Check", "SelfCheck", "selfcheck"]

#: Gate by gate, the state of an image with amplitude encoding takes 2^n gates.
_MOST_QUBITS = 12
#: Parameters of which the derivative is taken one by one; of more, directions are drawn.
_MOST_DERIVATIVES = 40


@dataclass(frozen=True)
class Check:
    """One comparison of a student.

    Attributes
    ----------
    name : str
        What it was held against.
    difference : float or None
        The largest difference that was found, infinite where an error came instead; ``None`` if it
        was skipped.
    allowed : float
        The largest difference that rounding explains.
    reason : str
        Why it was skipped, or what was compared.
    """

    name: str
    difference: float | None
    allowed: float
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the difference is allowed, or it was skipped."""
        return self.difference is None or self.difference <= self.allowed  # NaN is not


@dataclass(frozen=True)
class SelfCheck:
    """What :meth:`sklqkd.QNNClassifier.selfcheck` found.

    Attributes
    ----------
    student : str
        The kind of student.
    n_rows : int
        Rows that it was checked on.
    checks : tuple of Check
    """

    student: str
    n_rows: int
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether all that was compared agrees."""
        return all(check.ok for check in self.checks)

    def __getitem__(self, name) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"There is no check {name!r}; there are {[c.name for c in self.checks]}.")

    def __repr__(self):
        lines = [f"{self.student}, checked on {self.n_rows} rows: {'ok' if self.ok else 'NOT OK'}"]
        width = max(len(check.name) for check in self.checks)
        for check in self.checks:
            if check.difference is None:
                lines.append(f"  {check.name:<{width}}  skipped: {check.reason}")
                continue
            verdict = "ok" if check.ok else "NOT OK"
            text = f"{check.difference:.1e} (up to {check.allowed:.0e})"
            note = f", {check.reason}" if check.reason else ""
            lines.append(f"  {check.name:<{width}}  {text}  {verdict}{note}")
        return "\n".join(lines)


class _SkippedError(Exception):
    """A check that cannot be made, and why."""


def selfcheck(student, X, y=None, teacher_logits=None, n_rows=8) -> SelfCheck:
    """Compare; the body of a student's ``selfcheck``."""
    check_is_fitted(student)
    check_scalar(n_rows, "n_rows", Integral, min_val=1)
    images = X
    X = check_rows(student, X, reset=False)
    if len(X) == 0:
        raise ValueError("X has no row to check the student on.")
    rows = np.unique(np.linspace(0, len(X) - 1, min(len(X), int(n_rows))).round().astype(int))
    given = None if teacher_logits is None else np.asarray(teacher_logits)
    for name, values in (("y", y), ("teacher_logits", given)):
        if values is not None and len(values) != len(X):
            raise ValueError(f"X has {len(X)} rows, but {name} has {len(values)}.")
    if y is not None:
        y = column_or_1d(y)[rows]
        unknown = np.setdiff1d(y, student.classes_)
        if unknown.size:
            raise ValueError(f"y has {unknown.tolist()}, which are none of the student's classes.")
    # In double precision: single precision would round the features, here and there otherwise.
    X = X[rows].astype(np.float64)
    images = type(images)(X, columns=images.columns) if hasattr(images, "iloc") else X
    exact = _exact(student)
    logits = exact._logits(images)
    checks = tuple(_checks(exact, student, images, X, y, given, rows, logits))
    return SelfCheck(type(student).__name__, len(rows), checks)


def _exact(student):
    """Return the student without teacher and callbacks, on the exact simulator."""
    exact = object.__new__(type(student))
    vars(exact).update({k: v for k, v in vars(student).items() if "callback" not in k})
    known = student.get_params(deep=False)
    for name, value in {
        **{"backend": "statevector", "shots": None, "backend_options": None},
        **{"device": "cpu", "teacher": None},
    }.items():
        if name in known:
            setattr(exact, name, value)
    return exact


def _checks(exact, student, images, X, y, given, rows, logits) -> Iterator[Check]:
    size = max(1.0, float(np.abs(logits).max()))
    if hasattr(exact, "qnode"):
        yield _compared(
            "default.qubit", 1e-9 * size, lambda: _on_default_qubit(exact, images, logits)
        )
        yield _compared(
            "Qiskit, statevector", 1e-9 * size, lambda: _on_qiskit(exact, images, logits)
        )
    if hasattr(exact, "to_classical"):
        yield _compared("classical twin", 1e-8 * size, lambda: _as_classical(exact, images, logits))
    note: list[str] = []
    yield _compared(
        "finite differences",
        1e-5,
        lambda: _by_differences(exact, student, images, X, y, given, rows, note),
        note,
    )
    yield _compared("saved and loaded", 0.0, lambda: _loaded(exact, images, logits))
    yield _compared("saved and loaded, skops", 0.0, lambda: _loaded_by_skops(exact, images, logits))


def _compared(name, allowed, difference: Callable[[], float], note=()) -> Check:
    try:
        found = difference()
    except _SkippedError as error:
        return Check(name, None, allowed, str(error))
    except ImportError as error:
        return Check(name, None, allowed, f"{error.name or error} is not installed")
    except Exception as error:  # what was to be computed could not be
        text = str(error).splitlines() or [""]
        return Check(name, np.inf, allowed, f"{type(error).__name__}: {text[0]}")
    return Check(name, float(found), allowed, ", ".join(note))


def _largest(found, expected):
    return np.max(np.abs(np.asarray(found) - expected))


def _check_affordable(student):
    circuit = student.circuit_
    if circuit["encoding"] == "amplitude" and circuit["n_qubits"] > _MOST_QUBITS:
        raise _SkippedError(
            f"one image on {circuit['n_qubits']} qubits takes 2^{circuit['n_qubits']} gates"
        )


def _each(images):
    """Return the rows; those of a DataFrame keep the names of its columns."""
    if hasattr(images, "iloc"):
        return [images.iloc[[i]] for i in range(len(images))]
    return list(images)


def _head(student, measured):
    """Return logits of what is measured, (n_rows, n_outputs)."""
    measurement = student.circuit_["measurement"]
    is_probs = isinstance(measurement, str) and measurement == "probs"
    factor = 2.0 ** student.circuit_["n_qubits"] if is_probs else 1.0
    coef, intercept = (part.astype(float) for part in (student.head_coef_, student.head_intercept_))
    return factor * np.asarray(measured, float) @ coef.T + intercept


def _on_default_qubit(student, images, logits):
    """Gate by gate, with the encoding as gates."""
    _check_affordable(student)
    circuit = student.qnode(device="default.qubit")
    return _largest(_head(student, [np.asarray(circuit(x)).ravel() for x in _each(images)]), logits)


def _on_qiskit(student, images, logits):
    from ..backends.qiskit_circuits import expectations, probabilities

    _check_affordable(student)
    measurement, n_qubits = student.circuit_["measurement"], student.circuit_["n_qubits"]
    if not isinstance(measurement, str):
        values = [expectations(student.to_qiskit(x), measurement) for x in _each(images)]
        return _largest(_head(student, values), logits)
    measured = np.array([probabilities(student.to_qiskit(x)) for x in _each(images)])
    if measurement == "expval":
        bits = np.arange(2**n_qubits) >> np.arange(n_qubits - 1, -1, -1)[:, None] & 1
        measured = measured @ (1.0 - 2.0 * bits).T
    return _largest(_head(student, measured), logits)


def _as_classical(student, images, logits):
    try:
        found = student.to_classical().decision_function(images)
    except ValueError as error:  # it would be too large
        raise _SkippedError(str(error)) from error
    expected = logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits
    # A twin of softmax knows logits up to a number that is the same for all classes.
    if found.ndim == 2:
        found, expected = (v - v.mean(axis=1, keepdims=True) for v in (found, expected))
    return _largest(found, expected)


def _by_differences(exact, student, images, X, y, given, rows, note):
    """Return the largest error of the loss's derivatives, in units of the gradient's length."""
    reducer = exact.reducer_
    make = getattr(reducer, "front_end", None)
    front_end = None if make is None else make(X.shape[1])
    if front_end is None:
        features = encoded_features(exact, X)
    else:
        features = scaled(X, getattr(exact, "feature_scale_", None))
    network = exact._fitted_network(front_end)
    parameters = exact.parameters_[-network.size :].astype(np.float64)
    network.bind(parameters)
    features = np.ascontiguousarray(features, np.float64)
    if y is None:
        y = exact.classes_[network.predict_logits(features).argmax(axis=1)]
        note.append("labels: its predictions")
    one_hot = (np.asarray(y)[:, None] == exact.classes_).astype(np.float64)
    objective = Objective(one_hot)
    teaching = _teaching(student, images, y, given, rows)
    if teaching is not None:
        last = max(0, student.n_iter_ - 1)
        objective.loss, objective.lam = teaching.loss, teaching.lam(last)
        objective.lessons = teaching.lessons(last)
        note.append("with what the teacher says")
    elif getattr(student, "lam", 0) != 0:
        note.append("cross-entropy alone: nobody teaches")
    order = np.arange(len(one_hot))

    def loss(at):
        network.bind(at)
        total, towards_logits = objective(network.logits(features), order)
        if not (objective.has_states and network.can_have_states):
            return total, (towards_logits,)
        of_states, towards_states = objective.of_states(network.states(), order)
        return total + of_states, (towards_logits, towards_states)

    network.backward(*loss(parameters)[1])
    gradient = network.gradient.copy()
    errors, step = [], 1e-5
    for direction in _directions(network, gradient):
        ends = [loss(parameters + sign * step * direction)[0] for sign in (1, -1)]
        errors.append(abs((ends[0] - ends[1]) / (2 * step) - gradient @ direction))
    return max(errors) / max(np.linalg.norm(gradient), 1e-3)


def _directions(network, gradient):
    """Yield unit vectors: the gradient's own, random ones, and some along single parameters."""
    rng = np.random.default_rng(0)
    yield gradient / max(np.linalg.norm(gradient), 1e-300)
    for _ in range(3):
        direction = rng.normal(size=network.size)
        yield direction / np.linalg.norm(direction)
    weights = np.arange(network.ends[0], network.ends[1])
    for part in (weights, np.arange(network.size)):
        for i in rng.permutation(part)[:_MOST_DERIVATIVES]:
            yield np.eye(1, network.size, i)[0]


def _teaching(student, images, y, given, rows):
    """Return what the student's teachers say of the rows, None where nobody teaches."""
    asked = object.__new__(type(student))
    vars(asked).update(vars(student), cv="prefit")  # nothing is fitted here
    if not all(map(is_fitted, teachers_of(student))):
        asked.teacher = None
    given = None if given is None else given[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few rows say little about a teacher
        return asked._teach(images, np.asarray(y), student.classes_, None, given)


def _loaded(student, images, logits):
    try:
        saved = pickle.dumps(student)
    except Exception as error:  # of a lambda, which pickle refuses
        raise _SkippedError(f"it cannot be saved: {error}") from error
    return _largest(pickle.loads(saved)._logits(images), logits)


def _loaded_by_skops(student, images, logits):
    import skops.io

    try:
        saved = skops.io.dumps(student)
    except Exception as error:
        raise _SkippedError(f"it cannot be saved: {error}") from error
    unknown = set(skops.io.get_untrusted_types(data=saved)) - set(TRUSTED_TYPES)
    if unknown:
        raise _SkippedError(f"it holds {', '.join(sorted(unknown))}: say that you trust these")
    loaded = skops.io.loads(saved, trusted=list(TRUSTED_TYPES))
    return _largest(loaded._logits(images), logits)
