"""What may be wrong with a fitted student, in numbers, and the change that mends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from math import prod

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from ..images import check_rows
from ..losses import log_softmax
from ..targets import is_fitted
from ..threads import one_thread
from ..unlabelled import teachers_of
from .classical_twin import exact_copy
from .features import encoded_features
from .student_circuit import student_circuit

__all__ = ["Diagnosis", "Finding", "diagnose"]

#: Where a finding begins.
SATURATED, SATURATED_SHARE = 0.99, 0.1
FLAT, FLAT_SHARE = 0.01, 0.5
BLACK_SHARE = 0.01
ALIKE, UNLIKE, UNLIKE_SPREAD = 0.9, 0.1, 0.02
CLOSE_CLASSES = 0.1
VANISHING = 1e-3
IDLE = 1e-8
LOW_AGREEMENT = 0.8
STILL_FALLING, EPOCHS = 0.01, 5


@dataclass(frozen=True)
class Finding:
    """One thing that is likely to be wrong.

    Attributes
    ----------
    code : str
        Stable name of the kind, such as "SATURATED_FEATURES".
    message : str
        What was seen, with its numbers.
    remedy : str
        The change that mends it.
    numbers : dict
        The numbers of the message.
    """

    code: str
    message: str
    remedy: str
    numbers: dict = field(repr=False)

    def __str__(self):
        return f"{self.code}: {self.message}\n    {self.remedy}"


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What ``student.diagnose(X, y)`` found.

    Attributes
    ----------
    findings : tuple of Finding
        Empty where nothing is wrong.
    accuracy : float
        Of the student, on the labelled images.
    gradient_variance : ndarray of shape (n_layers,)
        Variance of the loss's derivatives for the angles of a layer over random initial parameters,
        mean over these angles. A layer is a row of the weights, of those of each upload in turn;
        empty where there are none.
    moving_share : float
        Share of the angles that move any logit of any image, at any parameters; NaN without angles.
    moves : ndarray of bool, shape of ``circuit_weights_``
        Which these are.
    fidelity_mean, fidelity_sd : float
        Of the fidelities ``|<psi|psi'>|^2`` of the encoded states of two images; of the first
        upload, and NaN for an encoding with weights.
    class_distance : ndarray of shape (n_classes, n_classes)
        Trace distances of the mean encoded states of two classes, in [0, 1]; NaN for a class
        without images.
    saturated_share : ndarray of shape (n_features,)
        Share of the images in which a feature is beyond 0.99 after tanh: an angle within 1 % of pi.
    teacher_agreement, teacher_accuracy : float
        Share of the images for which the student predicts what its teacher does, and the teacher's
        accuracy; means over several teachers, NaN without a fitted one.
    """

    findings: tuple[Finding, ...]
    accuracy: float
    gradient_variance: np.ndarray
    moving_share: float
    moves: np.ndarray
    fidelity_mean: float
    fidelity_sd: float
    class_distance: np.ndarray
    saturated_share: np.ndarray
    teacher_agreement: float
    teacher_accuracy: float

    @property
    def codes(self) -> list[str]:
        """The codes of the findings."""
        return [finding.code for finding in self.findings]

    def __repr__(self):
        off = self.class_distance[~np.eye(len(self.class_distance), dtype=bool)]
        lines = [
            f"accuracy                     {self.accuracy:.3f}",
            f"saturated features           {self.saturated_share.mean():.1%}",
        ]
        if not np.isnan(self.fidelity_mean):
            lines += [
                f"fidelity of encoded states   {self.fidelity_mean:.3f} "
                f"(sd {self.fidelity_sd:.3f})",
                f"distance of classes, least   {np.nanmin(off, initial=1.0):.3f}",
            ]
        if self.moves.size:
            variances = ", ".join(f"{variance:.1e}" for variance in self.gradient_variance)
            lines.append(f"gradient variance by layer   {variances}")
            lines.append(
                f"angles that move the output  {self.moves.sum()} of {self.moves.size} "
                f"({self.moving_share:.0%})"
            )
        if not np.isnan(self.teacher_agreement):
            lines.append(
                f"agreement with the teacher   {self.teacher_agreement:.3f} "
                f"(its accuracy {self.teacher_accuracy:.3f})"
            )
        found = [str(finding) for finding in self.findings] or ["No findings."]
        return "\n".join([*lines, *found])


def diagnose(student, X, y, n_draws, max_samples, rng) -> Diagnosis:
    """Look at a fitted student; the body of its ``diagnose``."""
    y = column_or_1d(y)
    check_consistent_length(X, y)
    given, X = X, check_rows(student, X, reset=False)
    findings: list[Finding] = []
    is_labelled = np.isin(y, student.classes_)
    if not is_labelled.any():
        raise ValueError(
            f"No label of y is one of the student's classes {student.classes_.tolist()}."
        )
    predicted = student.predict(given)
    accuracy = float((predicted == y)[is_labelled].mean())
    agreement, teacher_accuracy = _teachers(student, given, y, is_labelled, predicted)
    rows = np.sort(rng.permutation(np.flatnonzero(is_labelled))[:max_samples])
    with one_thread():
        features = np.asarray(encoded_features(student, X), float)
        saturated = _look_at_features(student, features, findings)
        encoding = student_circuit(student, student.circuit_).encoding()
        if encoding.shape is None:
            states = encoding.forward(features[rows])
            mean, spread, distance = _look_at_states(student, states, y[rows], findings)
        else:  # weights are in it, so that there is no encoded state before the circuit
            mean = spread = np.nan
            distance = np.full((len(student.classes_),) * 2, np.nan)
        variance, moves = _look_at_angles(student, features[rows], y[rows], n_draws, rng, findings)
    _look_at_training(student, accuracy, agreement, teacher_accuracy, findings)
    return Diagnosis(
        findings=tuple(findings),
        accuracy=accuracy,
        gradient_variance=variance,
        moving_share=float(moves.mean()) if moves.size else np.nan,
        moves=moves,
        fidelity_mean=mean,
        fidelity_sd=spread,
        class_distance=distance,
        saturated_share=saturated,
        teacher_agreement=agreement,
        teacher_accuracy=teacher_accuracy,
    )


def _teachers(student, X, y, is_labelled, predicted):
    """Return the agreement with the fitted teachers, and their accuracy."""
    teachers = [one for one in teachers_of(student) if is_fitted(one)]
    if not teachers:
        return np.nan, np.nan
    said = [np.asarray(teacher.predict(X)) for teacher in teachers]
    agreement = np.mean([(labels == predicted).mean() for labels in said])
    return float(agreement), float(np.mean([(labels == y)[is_labelled].mean() for labels in said]))


def _look_at_features(student, features, findings):
    squashed = np.tanh(features)
    saturated = (np.abs(squashed) > SATURATED).mean(axis=0)
    share = float(saturated.mean())
    is_trained = hasattr(student.reducer_, "front_end")
    if share > SATURATED_SHARE:
        worst = int(saturated.argmax())
        remedy = (
            "Lower learning_rate_init or max_iter, or take fixed features: reducer='pca'."
            if is_trained
            else "Scale the features down before the student, to [-1, 1] or so; outliers in the "
            "images of the fit, or other units here, make its own scale too wide."
        )
        findings.append(
            Finding(
                "SATURATED_FEATURES",
                f"{share:.0%} of the encoded features are beyond {SATURATED} after tanh (feature "
                f"{worst}: {saturated[worst]:.0%}). Images that differ in them are one state.",
                remedy,
                {"share": share, "by_feature": saturated},
            )
        )
    flat = squashed.std(axis=0) < FLAT
    if flat.mean() > FLAT_SHARE:
        findings.append(
            Finding(
                "FLAT_FEATURES",
                f"{flat.sum()} of {len(flat)} encoded features hardly vary: their standard "
                f"deviation after tanh is below {FLAT}.",
                "Choose a reducer that spreads them, such as 'pca', or scale them up.",
                {"share": float(flat.mean()), "sd": squashed.std(axis=0)},
            )
        )
    black = float((~features.any(axis=1)).mean())
    if student.circuit_["encoding"] == "amplitude" and black > BLACK_SHARE:
        findings.append(
            Finding(
                "BLACK_IMAGES",
                f"{black:.0%} of the images have no light left after the reducer: all of them are "
                "the state |0...0>.",
                "Choose a reducer that sees all of the image, such as 'pca' or 'avg_pool'; 'crop' "
                "sees its centre alone.",
                {"share": black},
            )
        )
    return saturated


def _look_at_states(student, states, y, findings):
    """Return mean and spread of the fidelities, and the distances of the classes."""
    fidelities = np.abs(states.conj().T @ states) ** 2
    fidelities = fidelities[np.triu_indices(len(fidelities), 1)]
    mean = float(fidelities.mean()) if len(fidelities) else np.nan
    spread = float(fidelities.std()) if len(fidelities) else np.nan
    numbers = {"mean": mean, "sd": spread}
    if mean > ALIKE:
        findings.append(
            Finding(
                "ALIKE_STATES",
                f"The encoded states of two images have a mean fidelity of {mean:.3f}: all images "
                "are nearly the same state.",
                "Centre the features or spread them (reducer='pca'), or take another encoding: "
                "amplitude encoding sees proportions alone.",
                numbers,
            )
        )
    elif mean < UNLIKE and spread < UNLIKE_SPREAD:
        findings.append(
            Finding(
                "CONCENTRATED_FIDELITIES",
                f"The encoded states of two images have fidelities of {mean:.3f} with a standard "
                f"deviation of {spread:.3f}: each image is as far from any other.",
                "Use fewer qubits or fewer features, or scale the features down.",
                numbers,
            )
        )
    classes = student.classes_
    distance = np.full((len(classes), len(classes)), np.nan)
    np.fill_diagonal(distance, 0)
    members = [states[:, y == label] for label in classes]
    for i, j in combinations(range(len(classes)), 2):
        if members[i].size and members[j].size:
            distance[i, j] = distance[j, i] = trace_distance(members[i], members[j])
    upper = np.triu_indices(len(classes), 1)
    if np.isfinite(distance[upper]).any():
        at = int(np.nanargmin(distance[upper]))
        i, j = upper[0][at], upper[1][at]
        if distance[i, j] < CLOSE_CLASSES:
            findings.append(
                Finding(
                    "CLOSE_CLASSES",
                    f"The mean encoded states of the classes {classes[i]!r} and {classes[j]!r} "
                    f"have a trace distance of {distance[i, j]:.3f}, which bounds what any "
                    "measurement tells of one image (arXiv:2503.01545).",
                    "Take another encoding or reducer: no circuit behind these states helps.",
                    {"distance": float(distance[i, j]), "classes": (classes[i], classes[j])},
                )
            )
    return mean, spread, distance


def trace_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the trace distance of the mean states of two sets, (2^n, n_samples) each.

    Examples
    --------
    >>> trace_distance(np.eye(2)[:, :1], np.eye(2)[:, 1:])
    1.0
    """
    sides = [part / np.sqrt(part.shape[1]) for part in (first, second)]
    # The difference of the means is V S V*, and has the eigenvalues of R S R* with V = Q R.
    signs = np.repeat([1.0, -1.0], [first.shape[1], second.shape[1]])
    triangle = np.asarray(np.linalg.qr(np.concatenate(sides, axis=1), mode="r"))
    return float(np.abs(np.linalg.eigvalsh((triangle * signs) @ triangle.conj().T)).sum() / 2)


def _look_at_angles(student, features, y, n_draws, rng, findings):
    """Return the gradients' variance by layer, and which angles move the output."""
    shape = np.shape(student.circuit_weights_)
    network = exact_copy(student)._fitted_network()
    n_weights, n_angles = network.middle.n_weights, prod(shape)
    if not n_angles:
        return np.empty(0), np.empty(shape, bool)
    one_hot = (y[:, None] == student.classes_).astype(float)
    gradients, largest = np.empty((n_draws, n_weights)), np.zeros(n_weights)
    for draw in range(n_draws):
        network.bind(network.initial_parameters(rng))
        logits = network.logits(features)
        slopes = (np.exp(log_softmax(logits)) - one_hot) / len(logits)
        network.backward(slopes)
        gradients[draw] = network.parts(network.gradient)[1]
        network.backward(rng.normal(size=slopes.shape) / len(logits))
        np.maximum(largest, np.abs(network.parts(network.gradient)[1]), out=largest)
    gradients, largest = gradients[:, :n_angles], largest[:n_angles]  # the ansatz's come first
    n_leading = 2 if student.circuit_.get("n_uploads", 1) > 1 else 1
    n_layers = prod(shape[: min(n_leading, len(shape) - 1)])
    variance = gradients.var(axis=0).reshape(n_layers, -1).mean(axis=1)
    moves = (largest > IDLE * largest.max()).reshape(shape)
    if np.sqrt(variance.max()) < VANISHING:
        findings.append(
            Finding(
                "VANISHING_GRADIENTS",
                f"Over {n_draws} random starts the loss's derivatives for the angles have a "
                f"standard deviation of {np.sqrt(variance.max()):.1e} at most: a plateau.",
                "Use fewer qubits or layers, or measurement='expval'. On shots, these derivatives "
                f"need some {1 / max(variance.max(), 1e-300):.0e} of them to be seen.",
                {"variance": variance},
            )
        )
    n_idle = int((~moves).sum())
    if n_idle:
        findings.append(
            Finding(
                "IDLE_PARAMETERS",
                f"{n_idle} of {moves.size} angles move no logit, whatever their values: gates that "
                "change phases alone before the measurement, or qubits that it does not see.",
                "Leave these gates out (an ansatz of your own), or count them out where sizes are "
                "compared.",
                {"n_idle": n_idle, "share": n_idle / moves.size},
            )
        )
    return variance, moves


def _look_at_training(student, accuracy, agreement, teacher_accuracy, findings):
    numbers = {"accuracy": accuracy, "agreement": agreement, "teacher_accuracy": teacher_accuracy}
    if teacher_accuracy <= accuracy:
        findings.append(
            Finding(
                "WEAK_TEACHER",
                f"The teacher's accuracy is {teacher_accuracy:.3f}, the student's {accuracy:.3f}: "
                "there is nothing that it could teach.",
                "Train the teacher longer or on more images, or set lam=0.",
                numbers,
            )
        )
    elif agreement < LOW_AGREEMENT:
        findings.append(
            Finding(
                "LOW_TEACHER_AGREEMENT",
                f"The student predicts what its teacher does for {agreement:.0%} of the images; "
                f"their accuracies are {accuracy:.3f} and {teacher_accuracy:.3f}.",
                "Give it images without labels (y = -1) or augmentation= to learn from, raise lam, "
                "or take more qubits.",
                numbers,
            )
        )
    losses = np.asarray(getattr(student, "loss_curve_", []), float)
    if len(losses) > EPOCHS and getattr(student, "n_iter_", 0) == student.max_iter:
        fall = 1 - losses[-1] / losses[-1 - EPOCHS] if losses[-1 - EPOCHS] > 0 else 0.0
        if fall > STILL_FALLING * EPOCHS:
            findings.append(
                Finding(
                    "STILL_LEARNING",
                    f"Training ended after max_iter={student.max_iter} epochs, and the loss fell "
                    f"by {fall:.0%} in the last {EPOCHS}.",
                    f"Set max_iter={2 * student.max_iter}, or go on with warm_start=True.",
                    {"fall": float(fall), "max_iter": int(student.max_iter)},
                )
            )
