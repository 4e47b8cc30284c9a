"""One training run of a student: its reducer, teachers, network and optimiser, epoch by epoch."""

from __future__ import annotations

import warnings
from numbers import Number
from typing import Any, Protocol

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.utils import get_tags

from .._sklearn import _check_sample_weight
from ..augmentation import check_augmentation, make_views, with_views
from ..checks import refuses_overflow
from ..feature_scaling import fit_feature_scale, scaled
from ..fingerprints import Learnt, fingerprint
from ..lazy import lazy
from ..losses import DISTILLATION_LOSSES
from ..memory import memory_limit
from ..random_states import numpy_generator, random_generator
from ..training import Network, Objective, make_pass
from .features import fit_reducer, make_reducer, reduced
from .optimizing import check_optimizer, kept, make_optimizer, recall

__all__ = ["Architecture", "TrainingRun"]


class Architecture(Protocol):
    """What a kind of student has between its reducer and its head; made for one fit.

    A student gives it by ``student._architecture(rng)``, and once it is fitted its network by
    ``student._fitted_network()``.

    Attributes
    ----------
    settings : dict
        Fitted attributes that say what shapes the network. Where training goes on, they have to be
        what they were.
    n_components : int
        Number of features that a reducer is asked for.
    asks : str
        Why so many, for messages.
    is_classical : bool
        Whether features around 0 serve it best, rather than in an encoding's range.
    step_bytes : int
        About the memory of a training step, where it is not that of the parameters.
    """

    settings: dict[str, Any]
    n_components: int
    asks: str
    is_classical: bool
    step_bytes: int

    def check_width(self, n_features: int, reducer) -> None:
        """Raise ValueError if it cannot take so many features of `reducer`, or X if that is None.

        It is asked before a teacher is, where the number of features is known by then.
        """

    def network(self, n_features: int, n_classes: int, front_end=None) -> Network:
        """Return the untrained network for so many features."""

    def doubts(self, features: np.ndarray, y: np.ndarray) -> str | None:
        """Return what to warn of in fixed features, as they are encoded, with their labels."""

    def fitted(self, network: Network) -> dict[str, Any]:
        """Return the fitted attributes that describe `network`."""


class TrainingRun:
    """One training run: what it works on, and what of it an estimator keeps.

    Everything that can be refused is refused while it is made, before the first epoch.

    Parameters
    ----------
    student : Student
    images : array-like of shape (n_samples, n_features)
        As the user gave them; a teacher of data frames wants one.
    X : ndarray of shape (n_samples, n_features)
        The same, checked.
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
    labelled : ndarray of bool, shape (n_samples,), or None
        As :func:`sklqkd.distillation.labelled_rows` returns it.
    sample_weight : array-like of shape (n_samples,) or None
    given_logits : array-like of shape (n_samples, n_classes) or None
        The teacher's.
    resumed : bool
        Whether to go on from where the last fit ended.
    holds_out : bool, default=True
        Whether `early_stopping` of the student is heeded.
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
        self.notes: dict = {}  # what callbacks keep for this fit, by their id
        generator = random_generator(student.random_state)
        self.rng = numpy_generator(generator)
        self.architecture = architecture = student._architecture(self.rng)
        check_optimizer(student, architecture)
        if resumed and _has_changed(student, architecture.settings):
            raise ValueError(
                "Training cannot go on: the parameters that shape the student have changed since "
                "the last fit. Change them back, or fit with warm_start=False."
            )
        if sample_weight is not None:
            if isinstance(sample_weight, Number):  # scikit-learn does not look at it
                sample_weight = [sample_weight] * len(X)
            with refuses_overflow("sample_weight"):
                sample_weight = _check_sample_weight(
                    sample_weight, X, dtype=np.float64, ensure_non_negative=True
                )
        self.reducer, self._asked = student.reducer_ if resumed else None, None
        if not resumed:
            n_components = architecture.n_components
            self.reducer, self._asked = make_reducer(student, n_components, X.shape[1])
        front_end, features = None, X
        make_front_end = getattr(self.reducer, "front_end", None)
        if make_front_end is not None:
            front_end = make_front_end(X.shape[1])
        is_fixed = self.reducer is not None and front_end is None
        width = X.shape[1] if front_end is None else front_end.n_components
        if not is_fixed:
            architecture.check_width(width, self.reducer)
        if front_end is None and _looks_at_states(student):
            raise ValueError(
                f"distillation={student.distillation!r} compares the states that encode images, "
                "and nothing before the encoding is trained: "
                f"reducer={student.reducer!r}. Use reducer='fc' or 'conv', or another loss: "
                "'relational' compares class probabilities in the same way."
            )
        self.held_out = self._draw_held_out(y, labelled, holds_out and student.early_stopping)
        self.views = self._draw_views(X, generator, given_logits)
        # A teacher that was fitted on a DataFrame wants its column names.
        seen = self._with_copies(images if hasattr(images, "columns") else X, X)
        self.teaching = self._teach(seen, y, sample_weight, given_logits, labelled)

        if is_fixed:
            if not resumed:
                self._seed_reducer(generator)
            features = self._reduce(X, y, labelled, resumed)
            width = features.shape[1]
            architecture.check_width(width, self.reducer)
        self.scale = getattr(student, "feature_scale_", None)
        if not resumed:
            is_centred = front_end is not None or architecture.is_classical
            self.scale = self._fit_scale(features, is_centred)
        features = scaled(features, self.scale)
        if front_end is None and not resumed:
            rows = slice(None) if labelled is None else labelled
            self._look_at(features[rows], y[rows])
        if self.views is not None:
            features = self._with_reduced_copies(features, is_fixed)
        self.network = architecture.network(width, len(classes), front_end=front_end)
        if _looks_at_states(student) and not self.network.can_have_states:
            raise ValueError(
                f"distillation={student.distillation!r} compares the states that encode images, "
                "and they are read in the exact simulator of a quantum student alone, one that "
                "encodes them once and trains nothing in the encoding. Use backend='statevector', "
                "n_uploads=1 and trainable_scaling=False, or another loss: 'relational' compares "
                "class probabilities in the same way."
            )
        self._check_memory(X.shape[1])
        start = self.network.initial_parameters(self.rng)
        if resumed and _has_changed(student, architecture.fitted(self.network)):
            raise ValueError(
                f"Training cannot go on: X has {X.shape[1]} features, another number than in the "
                "last fit. Pass X with as many as before, or fit with warm_start=False."
            )
        self.network.bind(student.parameters_.copy() if resumed else start)
        self.features = np.ascontiguousarray(features, self.network.dtype)
        self._make_objective(y, labelled, sample_weight)
        self._hold_out()
        n_copies = 1 if self.views is None else 1 + student.n_views
        n_shown = len(self.features) // n_copies
        self.optimizer = make_optimizer(student, self.network, n_shown, self.rng)
        if resumed:
            recall(self.optimizer, getattr(student, "optimizer_state_", None))
        continued = resumed and hasattr(student, "loss_curve_")
        self.loss_curve = list(student.loss_curve_) if continued else []
        scores = getattr(student, "validation_scores_", None) if continued else None
        self.validation_scores = list(scores or [])
        self.n_iter = 0
        self.best, self.best_parameters, self.n_no_change = -np.inf, None, 0
        self._pass = None

    def _check_memory(self, n_features):
        """Refuse parameters that do not fit into memory with what Adam keeps of them."""
        network = self.network
        # Values, gradient, two moments, the best ones, and two at work.
        needed = 7 * network.size * network.dtype.itemsize + self.architecture.step_bytes
        memory = memory_limit()
        if needed > memory:
            sizes = np.diff(network.ends, prepend=0).tolist()
            raise ValueError(
                f"The student would need about {needed / 2**30:,.1f} GiB of memory, and this "
                f"process may have {memory / 2**30:,.1f} GiB: it has {network.size:,} parameters, "
                f"{sizes[0]:,} in the trained reducer for X with {n_features} features, "
                f"{sizes[1]:,} in its middle part and {sizes[2] + sizes[3]:,} in the head. Use "
                "fewer qubits, another reducer such as 'pca', a smaller batch_size, or "
                "measurement='expval'."
            )

    def _seed_reducer(self, generator):
        assert self.reducer is not None
        for name, value in sorted(self.reducer.get_params().items()):
            if value is None and name.split("__")[-1] == "random_state":  # a pipeline's steps too
                self.reducer.set_params(**{name: generator.randint(2**31 - 1)})

    def _teach(self, images, y, sample_weight, given_logits, labelled):
        given = (sample_weight, given_logits)
        options = {"labelled": labelled, "views": self.views}
        return self.student._teach(images, y, self.classes, *given, **options)

    def _draw_held_out(self, y, labelled, holds_out):
        """Return which images, labelled ones, are held out; None where none are."""
        if not holds_out:
            return None
        rows = np.arange(len(y)) if labelled is None else np.flatnonzero(labelled)
        return train_test_split(
            rows,
            test_size=self.student.validation_fraction,
            random_state=int(self.rng.integers(2**31)),
            stratify=y[rows],
        )[1]

    def _draw_views(self, X, generator, given_logits):
        """Return changed copies of the images that are not held out; None where none are asked."""
        student = self.student
        if getattr(student, "augmentation", None) is None:
            return None
        given = student.augmentation, X.shape[1], student.image_shape
        changes = check_augmentation(*given)
        if given_logits is not None:
            raise ValueError(
                f"augmentation={student.augmentation!r} makes images that teacher_logits says "
                "nothing about. Pass the fitted teacher itself to the student, or use "
                "augmentation=None."
            )
        seed = generator.randint(2**32, size=4, dtype=np.uint32)
        return self._make_views(X, changes, seed)

    def _make_views(self, X, changes, seed):
        rows = None
        if self.held_out is not None:
            rows = np.setdiff1d(np.arange(len(X)), self.held_out)
        options = {"image_shape": self.student.image_shape, "rows": rows}
        return make_views(
            X, changes, self.student.n_views, rng=np.random.default_rng(seed), **options
        )

    def _reduce(self, X, y, labelled, resumed):
        """Return the features of a fixed reducer, fitted first unless training goes on."""
        if not resumed:
            needs_labels = get_tags(self.reducer).target_tags.required
            rows = labelled if labelled is not None and needs_labels else slice(None)
            fit_reducer(self.reducer, self._asked, X[rows], y[rows], self.architecture.asks)
        return reduced(self.reducer, X)

    def _with_copies(self, images, X):
        return with_views(images, X, self.views)

    def _with_reduced_copies(self, features, is_fixed):
        copies = reduced(self.reducer, self.views.X) if is_fixed else self.views.X
        return np.concatenate([features, scaled(copies, self.scale)])

    def _fit_scale(self, features, centred):
        return fit_feature_scale(features, centred=centred)

    def _look_at(self, features, y):
        if text := self.architecture.doubts(features, y):
            warnings.warn(text, UserWarning, stacklevel=2)

    def _make_objective(self, y, labelled, sample_weight):
        one_hot = (y[:, None] == self.classes).astype(np.float32)
        if labelled is not None and self.teaching is None:
            raise ValueError(
                "Images without a label learn from the teacher alone, and lam=0 leaves it out. "
                "Choose lam > 0, or leave these images out."
            )
        counts, known = sample_weight, labelled
        if self.views is not None:
            views = self.views
            one_hot = np.concatenate([one_hot, views.mix(one_hot)])
            if counts is not None:
                counts = np.concatenate([counts, views.mix(counts)])
            if known is not None:  # the label of a mixture is, where those of both images are
                of_both = known[views.source] & known[views.partner]
                known = np.concatenate([known, of_both])
        weights = label_weights = _of_mean_one(counts)
        if known is not None:
            rows = np.flatnonzero(~known)
            one_hot[rows] = 0
            one_hot[rows, self.teaching.favourites()[rows]] = 1
            label_weights = _of_mean_one(known if counts is None else known * counts)
        loss = None if self.teaching is None else self.teaching.loss
        self.objective = Objective(one_hot, loss, sample_weight=weights, label_weight=label_weights)

    def _hold_out(self):
        """Put the validation images apart; what the teachers say goes along."""
        self.validation = None
        held_out = self.held_out
        if held_out is None:
            return
        train = np.setdiff1d(np.arange(len(self.features)), held_out)
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

    def _rows(self, number):
        """Return what an epoch passes over: of each image another copy, or itself."""
        if self.views is None:
            return None
        n_copies = 1 + self.student.n_views
        images = np.arange(len(self.features) // n_copies)
        return (images + number) % n_copies * len(images) + images

    def epoch(self, number):
        """Train for one epoch."""
        student = self.student
        self.begin_epoch(number)
        if self._pass is None:
            parts = self.network, self.optimizer, self.features
            self._pass = make_pass(*parts, student.batch_size, self.objective)
        given = self.objective, student.shuffle, self.rng, self._rows(number)
        loss = self._pass.epoch(*given)
        self.end_epoch(number, loss)
        if self.has_ended:
            self._pass = None  # it holds the states of all images

    def begin_epoch(self, number):
        """Take in what the teachers say in this epoch."""
        if self.teaching is not None:
            self.objective.lessons = self.teaching.lessons(number)
            self.objective.lam = self.teaching.lam(number)

    def end_epoch(self, number, loss):
        """Note how an epoch went."""
        student = self.student
        self.n_iter += 1
        self.loss_curve.append(float(loss))  # a NumPy number is another one in a file
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

    def keep_best(self):
        """Go back to the parameters of the best epoch on the hold-out."""
        if self.best_parameters is not None:
            self.network.parameters[:] = self.best_parameters

    @property
    def has_ended(self):
        """Whether all epochs are behind it, or training has converged."""
        student, optimizer = self.student, self.optimizer
        if self.n_iter >= student.max_iter or optimizer.has_ended:
            return True
        # SciPy says itself when it has converged.
        is_heeded = not optimizer.is_whole or self.validation is not None
        return is_heeded and self.n_no_change >= student.n_iter_no_change

    @lazy
    def identity(self):
        """A fingerprint of all that decides, before the first epoch, where training leads."""
        student, teaching = self.student, self.teaching
        settings = student.get_params(deep=False)
        settings = {k: v for k, v in settings.items() if k not in ("teacher", "verbose")}
        settings["optimizer"] = [student.optimizer, getattr(student.optimizer, "__dict__", None)]
        lessons = None
        if teaching is not None:
            lessons = [teaching.logits, list(teaching.weights)]  # schedules are among the settings
        data = [self.features, self.objective, self.validation, lessons]
        data.append(self.architecture.settings)
        whole = [type(student), settings, self.snapshot(), data]
        return fingerprint(whole, ignored=(), learnt=Learnt())

    def snapshot(self):
        """Return what the epochs so far have changed, as a dict of arrays and plain values."""
        optimizer = self.optimizer
        if not optimizer.is_resumable:
            raise ValueError(
                f"A fit with optimizer={self.student.optimizer!r} cannot go on from a file: what "
                "it knows of earlier steps cannot be had. Use optimizer='adam', 'sgd' or 'spsa', "
                "or one with get_state() and set_state(array)."
            )
        best = self.best_parameters
        return {
            "parameters": self.network.parameters.copy(),
            "moments": optimizer.moments,
            "n_steps": optimizer.n_steps,
            "best_parameters": None if best is None else best.copy(),
            "best": float(self.best),
            "n_no_change": self.n_no_change,
            "n_iter": self.n_iter,
            "loss_curve": list(self.loss_curve),
            "validation_scores": list(self.validation_scores),
            "rng": self.rng.bit_generator.state,
        }

    def restore(self, state):
        """Go on from what :meth:`snapshot` returned in a run of the same `identity`."""
        self.network.parameters[:] = state["parameters"]
        self.optimizer.moments = state["moments"]
        self.optimizer.n_steps = state["n_steps"]
        self.best_parameters, self.best = state["best_parameters"], state["best"]
        self.n_no_change, self.n_iter = state["n_no_change"], state["n_iter"]
        self.loss_curve = list(state["loss_curve"])
        self.validation_scores = list(state["validation_scores"])
        self.rng.bit_generator.state = state["rng"]

    def fitted(self, keep_optimizer=False):
        """Return the fitted attributes as the run stands."""
        student, network = self.student, self.network
        parameters = network.parameters.copy()
        reducer = self.reducer
        if network.front_end is not None:
            front_end = network.parts(parameters)[0]
            reducer = clone(reducer).adopt(front_end, student.n_features_in_)
        attributes = {
            "classes_": self.classes,
            "parameters_": parameters,
            "reducer_": reducer,
            "feature_scale_": self.scale,
            "n_iter_": self.n_iter,
            "loss_curve_": list(self.loss_curve),
            "validation_scores_": list(self.validation_scores) or None,
            "optimizer_state_": None,
            **self.architecture.settings,
            **self.architecture.fitted(network),
            **student._taught(self.teaching),
        }
        if keep_optimizer or student.warm_start:
            attributes["optimizer_state_"] = kept(self.optimizer)
        return attributes


def _looks_at_states(student):
    loss = getattr(student, "distillation", None)
    loss = DISTILLATION_LOSSES.get(loss) if isinstance(loss, str) else loss
    return loss is not None and loss.states is not None and student.lam != 0


def _has_changed(student, attributes):
    return any(getattr(student, name) != value for name, value in attributes.items())


def _of_mean_one(weights):
    if weights is None:
        return None
    # The sum of huge ones would overflow; those of the labelled images may all be 0.
    weights = weights / (weights.max() or 1)
    return (weights * (len(weights) / (weights.sum() or 1))).astype(np.float32)
