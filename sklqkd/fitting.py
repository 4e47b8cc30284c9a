"""How a student is fitted: check, reduce, ask the teacher, train, keep.

The steps of ``fit`` and ``predict`` of both students, as functions of the estimator; the estimators
themselves are in :mod:`sklqkd.students`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from . import reducers
from .circuits import ansatz_shape, compile_ansatz
from .distillation import labelled_rows
from .encodings import make_encoding
from .images import check_rows
from .losses import log_softmax
from .optimizers import Adam
from .simulation import ExactCircuit, NoisyCircuit
from .threads import one_thread
from .training import Network, Objective, train_epoch

__all__ = ["fit", "log_softmax", "logits", "part", "partial_fit", "unchanged_on_error"]

#: The name of the exact simulator.
EXACT = "statevector"
MAX_QUBITS = 20
REDUCERS: dict[str, Callable] = {
    "fc": reducers.FCReducer,
    "conv": reducers.ConvReducer,
    "pca": reducers.PCAReducer,
    "avg_pool": functools.partial(reducers.PoolingReducer, kind="average"),
    "max_pool": functools.partial(reducers.PoolingReducer, kind="max"),
    "crop": reducers.CenterCropReducer,
}


def unchanged_on_error(method):
    """Make a fit that fails leave the estimator as it was."""

    @functools.wraps(method)
    def wrapper(estimator, *args, **kwargs):
        before = vars(estimator).copy()
        try:
            return method(estimator, *args, **kwargs)
        except BaseException:
            vars(estimator).clear()
            vars(estimator).update(before)
            raise

    return wrapper


def fit(student, X, y, sample_weight=None, given_logits=None):
    """Fit a student; the body of its ``fit``."""
    images = X
    X, y = check_rows(student, X, y)
    context = student._init_callback_context(max_subtasks=student.max_iter)
    context.call_on_fit_task_begin(
        estimator=student, X=X, y=y, metadata={"sample_weight": sample_weight}
    )
    labelled = labelled_rows(student, y, given_logits is not None)
    classes = _classes(student, y if labelled is None else y[labelled])
    resumed = student.warm_start and hasattr(student, "parameters_")
    if resumed and not np.array_equal(classes, student.classes_):
        raise ValueError(
            f"warm_start=True goes on with the classes {student.classes_.tolist()}, but y has "
            f"{classes.tolist()}. Set warm_start=False to start again."
        )
    run = _Run(student, images, X, y, classes, labelled, sample_weight, given_logits, resumed)
    for epoch in range(student.max_iter):
        subcontext = context.subcontext(task_name="epoch")
        subcontext.call_on_fit_task_begin(estimator=student, X=X, y=y)
        with one_thread():  # callbacks run outside of it: they may predict, or do anything
            has_converged = run.epoch(epoch)
        wants_stop = subcontext.call_on_fit_task_end(
            estimator=student,
            X=X,
            y=y,
            metadata={"sample_weight": sample_weight},
            reconstruction_attributes=run.fitted,
        )
        if has_converged or wants_stop:
            break
    run.keep_best()
    vars(student).update(run.fitted())
    context.call_on_fit_task_end(estimator=student, X=X, y=y, reconstruction_attributes=run.fitted)
    return student


def partial_fit(student, X, y, classes=None, sample_weight=None, given_logits=None):
    """Train a student for one epoch; the body of its ``partial_fit``."""
    images = X
    resumed = hasattr(student, "parameters_")
    X, y = check_rows(student, X, y, reset=not resumed)
    if not resumed and classes is None:
        raise ValueError("classes must be passed to the first call of partial_fit.")
    if classes is not None:
        classes = np.unique(classes)
    if resumed:
        if classes is not None and not np.array_equal(classes, student.classes_):
            raise ValueError(
                f"classes={classes.tolist()} is not what the first call of partial_fit got, "
                f"{student.classes_.tolist()}."
            )
        classes = student.classes_
    labelled = labelled_rows(student, y, given_logits is not None)
    _classes(student, y if labelled is None else y[labelled], classes)
    run = _Run(
        *(student, images, X, y, classes, labelled, sample_weight, given_logits, resumed),
        holds_out=False,
    )
    with one_thread():
        run.epoch(len(run.loss_curve))
    vars(student).update(run.fitted(keep_optimizer=True))
    return student


def logits(student, X):
    """Return the logits of a fitted student, (n_samples, n_classes), in double precision.

    They come from the backend that the student is set to now, whatever it was trained on.
    """
    rng = _numpy_generator(_generator(student.random_state))
    circuit = make_circuit(student, student.circuit_, rng, np.float64)
    features = X if student.reducer_ is None else student.reducer_.transform(X)
    measurement, n_classes = student.circuit_["measurement"], len(student.classes_)
    network = Network(circuit, measurement, n_classes, dtype=np.float64)
    network.bind(student.parameters_[-network.size :])
    return network.predict_logits(np.asarray(features))


def part(student, name):
    """Return one part of a fitted student's parameters."""
    if "parameters_" not in vars(student):
        raise AttributeError(f"{type(student).__name__} is not fitted yet: it has no {name}_.")
    circuit = student.circuit_
    exact = ExactCircuit(*_compiled(circuit))
    network = Network(exact, circuit["measurement"], len(student.classes_))
    _, weights, coef, intercept = network.parts(student.parameters_[-network.size :])
    if name == "circuit_weights":
        return weights.reshape(
            ansatz_shape(circuit["ansatz"], circuit["n_qubits"], circuit["n_layers"])
        )
    return coef if name == "head_coef" else intercept


def make_circuit(student, circuit, rng, dtype=np.float32):
    """Return the quantum part of a student on its backend, checked before any job runs.

    Parameters
    ----------
    student : QNNClassifier
        What `backend`, `shots` and `backend_options` are read from.
    circuit : dict
        The parameters that shape the circuit, as in ``circuit_``.
    rng : numpy.random.Generator
    dtype : dtype, default=numpy.float32

    Returns
    -------
    circuit : sklqkd.simulation.Circuit
    """
    encoding, program = _compiled(circuit)
    shots, options = student.shots, dict(student.backend_options or {})
    if student.backend == EXACT:
        depolarizing = options.pop("depolarizing", 0.0)
        if options:
            raise ValueError(
                f"The exact simulator takes no {sorted(options)} in backend_options, only "
                "'depolarizing'. Noise models run on backend='default.mixed' or 'qiskit.aer'."
            )
        if not 0 <= depolarizing <= 1:
            raise ValueError(f"depolarizing={depolarizing!r} must lie between 0 and 1.")
        exact = _exact_circuit(encoding, program, dtype, student.device)
        is_noisy = shots is not None or depolarizing > 0
        return NoisyCircuit(exact, shots, depolarizing, rng) if is_noisy else exact
    if student.device != "cpu":
        raise ValueError(
            f"device={student.device!r} is for the exact simulator alone; a device of "
            f"backend={student.backend!r} is chosen in backend_options. Set device='cpu'."
        )
    from .backends import make_backend
    from .device_circuit import DeviceCircuit
    from .gates import ansatz_gates
    from .preparation import make_preparation

    backend = make_backend(student.backend, circuit["n_qubits"], shots, options)
    ansatz = ansatz_gates(circuit["ansatz"], circuit["n_qubits"], circuit["n_layers"])
    return DeviceCircuit(make_preparation(encoding), ansatz, program.n_weights, backend, rng)


def _exact_circuit(encoding, program, dtype, device):
    if device == "cpu":
        return ExactCircuit(encoding, program, dtype)
    from .torch_simulation import TorchCircuit

    return TorchCircuit(encoding, program, dtype, device=device)


def _compiled(circuit):
    return (
        make_encoding(circuit["encoding"], circuit["n_qubits"]),
        compile_ansatz(circuit["ansatz"], circuit["n_qubits"], circuit["n_layers"]),
    )


def _generator(seed):
    # None is scikit-learn's global generator, which is not ours to advance.
    return np.random.RandomState() if seed is None else check_random_state(seed)


def _numpy_generator(generator):
    return np.random.default_rng(generator.randint(2**32, size=4, dtype=np.uint32))


def _classes(student, y, known=None):
    """Return the classes of `y`, checked."""
    check_classification_targets(y)
    classes = np.unique(y)
    if known is not None:
        unknown = np.setdiff1d(classes, known)
        if len(unknown):
            raise ValueError(
                f"y has the classes {unknown.tolist()}, which are not among those of the first "
                f"call: {known.tolist()}."
            )
        return known
    if len(classes) < 2:
        raise ValueError(
            f"{type(student).__name__} needs at least 2 classes; y has one class, {classes[0]!r}."
        )
    return classes


class _Run:
    """One training run: what it works on, and what of it an estimator keeps.

    Everything that can be refused is refused while it is made, before the first epoch.
    """

    def __init__(
        self,
        student,
        images,
        X,
        y,
        classes,
        labelled,
        sample_weight,
        given_logits,
        resumed,
        holds_out=True,
    ):
        self.student = student
        self.classes = classes
        circuit_parameters = ("encoding", "n_qubits", "ansatz", "n_layers", "measurement")
        self.circuit = {name: getattr(student, name) for name in circuit_parameters}
        if resumed and self.circuit != student.circuit_:
            raise ValueError(
                "Training cannot go on: the parameters that shape the circuit have changed since "
                "the last fit. Change them back, or fit with warm_start=False."
            )
        _check_size(student)
        generator = _generator(student.random_state)
        self.rng = _numpy_generator(generator)
        circuit = make_circuit(student, self.circuit, self.rng)
        encoding = make_encoding(student.encoding, student.n_qubits)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
        self.reducer = self._make_reducer(encoding, resumed)
        self._check_features(X, encoding)
        # A teacher that was fitted on a DataFrame wants its column names.
        seen = images if hasattr(images, "columns") else X
        self.teaching = student._teach(seen, y, classes, sample_weight, given_logits)

        front_end = None
        if hasattr(self.reducer, "front_end"):
            front_end, features = self.reducer.front_end(X.shape[1]), X
        elif self.reducer is None:
            features = X
        else:
            if not resumed:
                self._seed_reducer(generator)
                self._fit_reducer(X, y, labelled)
            features = np.asarray(self.reducer.transform(X))
            if features.shape[1] > encoding.n_features:
                raise ValueError(
                    f"The reducer {self.reducer!r} gives {features.shape[1]} features, but "
                    f"encoding={student.encoding!r} on {student.n_qubits} qubits takes "
                    f"{encoding.n_features}. Set its n_components to {encoding.n_features}."
                )
        self.network = Network(circuit, student.measurement, len(classes), front_end=front_end)
        start = self.network.initial_parameters(self.rng)
        if resumed and student.parameters_.shape != start.shape:
            raise ValueError(
                f"Training cannot go on: X has {X.shape[1]} features, another number than in the "
                "last fit. Pass X with as many as before, or fit with warm_start=False."
            )
        self.network.bind(student.parameters_.copy() if resumed else start)
        learning_rates = self.network.learning_rates(student.learning_rate_init)
        self.optimizer = Adam(self.network.size, learning_rate=learning_rates)
        if resumed and getattr(student, "optimizer_state_", None) is not None:
            moments, self.optimizer.n_steps = student.optimizer_state_
            self.optimizer.first_moment[:], self.optimizer.second_moment[:] = moments

        self.features = np.ascontiguousarray(features, np.float32)
        self._make_objective(y, labelled, sample_weight)
        self._hold_out(y, labelled, holds_out and student.early_stopping)
        continued = resumed and hasattr(student, "loss_curve_")
        self.loss_curve = list(student.loss_curve_) if continued else []
        scores = getattr(student, "validation_scores_", None) if continued else None
        self.validation_scores = list(scores or [])
        self.n_iter = 0
        self.best, self.best_parameters, self.n_no_change = -np.inf, None, 0

    def _make_reducer(self, encoding, resumed):
        student = self.student
        if resumed:
            return student.reducer_
        if student.reducer is None:
            return None
        if isinstance(student.reducer, str):
            make = REDUCERS[student.reducer]
            return make(n_components=encoding.n_features, image_shape=student.image_shape)
        reducer = clone(student.reducer)
        parameters = reducer.get_params(deep=False)
        defaults = {"n_components": encoding.n_features, "image_shape": student.image_shape}
        unset = {k: v for k, v in defaults.items() if k in parameters and parameters[k] is None}
        return reducer.set_params(**unset) if unset else reducer

    def _seed_reducer(self, generator):
        for name, value in sorted(self.reducer.get_params().items()):
            if value is None and name.split("__")[-1] == "random_state":  # a pipeline's steps too
                self.reducer.set_params(**{name: generator.randint(2**31 - 1)})

    def _check_features(self, X, encoding):
        """Refuse, before a teacher is asked, what the encoding cannot take."""
        student = self.student
        if self.reducer is None and X.shape[1] > encoding.n_features:
            needed = int(np.ceil(np.log2(X.shape[1])))
            raise ValueError(
                f"X has {X.shape[1]} features, but encoding={student.encoding!r} on "
                f"{student.n_qubits} qubits takes {encoding.n_features}. Reduce the images with "
                "`reducer` (such as reducer='fc')"
                + (f", or use n_qubits={needed}." if student.encoding == "amplitude" else ".")
            )
        if hasattr(self.reducer, "front_end"):
            width = self.reducer.front_end(X.shape[1]).n_components
            if width > encoding.n_features:
                raise ValueError(
                    f"The reducer {self.reducer!r} gives {width} features, but "
                    f"encoding={student.encoding!r} on {student.n_qubits} qubits takes "
                    f"{encoding.n_features}. Set its n_components to {encoding.n_features}."
                )

    def _fit_reducer(self, X, y, labelled):
        if labelled is not None and get_tags(self.reducer).target_tags.required:
            X, y = X[labelled], y[labelled]
        self.reducer.fit(X, y)

    def _make_objective(self, y, labelled, sample_weight):
        one_hot = (y[:, None] == self.classes).astype(np.float32)
        if labelled is not None and self.teaching is None:
            raise ValueError(
                "Images without a label learn from the teacher alone, and lam=0 leaves it out. "
                "Choose lam > 0, or leave these images out."
            )
        weights = _of_mean_one(sample_weight)
        label_weights = weights
        if labelled is not None:
            rows = np.flatnonzero(~labelled)
            one_hot[rows, self.teaching.favourites()[rows]] = 1
            label_weights = _of_mean_one(
                labelled if sample_weight is None else labelled * sample_weight
            )
        loss = None if self.teaching is None else self.teaching.loss
        self.objective = Objective(one_hot, loss, sample_weight=weights, label_weight=label_weights)

    def _hold_out(self, y, labelled, holds_out):
        """Split off the validation images, labelled ones; what the teachers say goes along."""
        self.validation = None
        if not holds_out:
            return
        rows = np.arange(len(y)) if labelled is None else np.flatnonzero(labelled)
        _, held_out = train_test_split(
            rows,
            test_size=self.student.validation_fraction,
            random_state=int(self.rng.integers(2**31)),
            stratify=y[rows],
        )
        train = np.setdiff1d(np.arange(len(y)), held_out)
        weights = self.objective.label_weight
        if weights is not None and not (weights[train].any() and weights[held_out].any()):
            raise ValueError(
                "early_stopping=True splits the images into two parts, and in one of them "
                "sample_weight is zero for every image. Leave out images of weight zero."
            )
        self.validation = (
            self.features[held_out],
            self.objective.one_hot[held_out].argmax(axis=1),
            None if weights is None else weights[held_out],
        )
        self.features = self.features[train]
        self.objective = self.objective.take(train)
        if self.teaching is not None:
            self.teaching = self.teaching.take(train)

    def epoch(self, number):
        """Train for one epoch and return whether training should stop."""
        student = self.student
        if self.teaching is not None:
            self.objective.lessons = self.teaching.lessons(number)
            self.objective.lam = self.teaching.lam(number)
        loss = train_epoch(
            self.network,
            self.optimizer,
            self.features,
            self.objective,
            batch_size=student.batch_size,
            shuffle=student.shuffle,
            rng=self.rng,
        )
        self.n_iter += 1
        self.loss_curve.append(loss)
        line = f"[{type(student).__name__}] epoch {number + 1}: loss {loss:.6f}"
        progress = -loss
        if self.validation is not None:
            X, labels, weights = self.validation
            hits = self.network.predict_logits(X).argmax(axis=1) == labels
            progress = float(np.average(hits, weights=weights))
            self.validation_scores.append(progress)
            line += f", validation accuracy {progress:.4f}"
        if student.verbose:
            print(line)
        self.n_no_change = 0 if progress > self.best + student.tol else self.n_no_change + 1
        if progress > self.best:
            self.best = progress
            if self.validation is not None:
                self.best_parameters = self.network.parameters.copy()
        return self.n_no_change >= student.n_iter_no_change

    def keep_best(self):
        """Go back to the parameters of the best epoch on the hold-out."""
        if self.best_parameters is not None:
            self.network.parameters[:] = self.best_parameters

    def fitted(self, keep_optimizer=False):
        """Return the fitted attributes as the run stands."""
        student, network = self.student, self.network
        parameters = network.parameters.copy()
        front_end, weights, coef, intercept = network.parts(parameters)
        reducer = self.reducer
        if network.front_end is not None:
            reducer = clone(reducer).adopt(front_end, student.n_features_in_)
        attributes = {
            "classes_": self.classes,
            "parameters_": parameters,
            "circuit_": self.circuit,
            "reducer_": reducer,
            "n_parameters_": {
                "quantum": weights.size,
                "classical": front_end.size + coef.size + intercept.size,
            },
            "n_iter_": self.n_iter,
            "loss_curve_": list(self.loss_curve),
            "validation_scores_": list(self.validation_scores) or None,
            "optimizer_state_": None,
        }
        if keep_optimizer or student.warm_start:
            optimizer = self.optimizer
            moments = np.stack([optimizer.first_moment, optimizer.second_moment])
            attributes["optimizer_state_"] = (moments, optimizer.n_steps)
        return attributes


def _of_mean_one(weights):
    if weights is None:
        return None
    return (weights * (len(weights) / weights.sum())).astype(np.float32)


def _check_size(student):
    """Refuse, before anything is allocated, a state or a mini-batch that memory cannot hold."""
    # Real and imaginary part in float32; a state per layer and a few more at work.
    per_image = 8 * 2**student.n_qubits * (student.n_layers + 8)
    needed = per_image * student.batch_size
    if student.n_qubits > MAX_QUBITS:
        raise ValueError(
            f"n_qubits={student.n_qubits}: the exact simulator takes 1 to {MAX_QUBITS} qubits. A "
            f"training step of {student.batch_size} images would need about "
            f"{needed / 2**30:,.0f} GiB of memory. Use fewer qubits: 4 to 8 are usual."
        )
    memory = _memory()
    if needed > memory:
        fits = max(1, int(memory // per_image))
        raise ValueError(
            f"A training step of {student.batch_size} images on {student.n_qubits} qubits would "
            f"need about {needed / 2**30:,.1f} GiB of memory; this machine has "
            f"{memory / 2**30:,.1f} GiB. Use batch_size={fits} or less, or fewer qubits."
        )


def _memory():
    """Return the machine's memory in bytes, infinity where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return np.inf
