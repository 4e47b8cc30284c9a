"""How a student is fitted: check, reduce, ask the teacher, train, keep.

The steps of ``fit`` and ``predict`` of all students, as functions of the estimator; the estimators
themselves are in :mod:`sklqkd.students.qnn` and :mod:`sklqkd.students.classical`. What they differ
in is their :class:`sklqkd.students.training_run.Architecture`.
"""

from __future__ import annotations

import numpy as np

from ..atomic import as_it_stands
from ..checks import check_classes
from ..images import check_rows
from ..threads import one_thread
from ..unlabelled import check_missing, labelled_rows
from .features import encoded_features
from .training_run import TrainingRun

__all__ = ["begin", "fit", "logits", "part", "partial_fit"]

#: Features that a device is given in one job, where it takes any number of rows.
MOST_FEATURES = 2**26


def fit(student, X, y, sample_weight=None, given_logits=None):
    """Fit a student; the body of its ``fit``."""
    images = X
    if hasattr(student, "unlabelled"):
        check_missing(student, y)
    X, y = check_rows(student, X, y)
    context = student._init_callback_context(max_subtasks=student.max_iter)
    student._training_run = run = begin(student, images, X, y, sample_weight, given_logits)
    context.call_on_fit_task_begin(
        estimator=student, X=X, y=y, metadata={"sample_weight": sample_weight}
    )
    for _ in range(run.n_iter):  # epochs of the fit that a Checkpoint goes on with
        context.subcontext(task_name="epoch")
    while not run.has_ended:
        subcontext = context.subcontext(task_name="epoch")
        subcontext.call_on_fit_task_begin(estimator=student, X=X, y=y)
        # Callbacks run outside of it: they may predict, or do anything.
        with one_thread(), one_thread():
            run.epoch(run.n_iter)
        wants_stop = subcontext.call_on_fit_task_end(
            estimator=student,
            X=X,
            y=y,
            metadata={"sample_weight": sample_weight},
            reconstruction_attributes=run.fitted,
        )
        if wants_stop:
            break
    run.keep_best()
    vars(student).update(run.fitted())
    context.call_on_fit_task_end(estimator=student, X=X, y=y, reconstruction_attributes=run.fitted)
    del student._training_run
    return student


def begin(student, images, X, y, sample_weight, given_logits, make_run=TrainingRun):
    """Return the training run of a fit, checked and ready for its first epoch."""
    labelled = labelled_rows(student, y, given_logits is not None)
    if labelled is not None and not labelled.any():
        raise ValueError(
            f"No image has a label: all of y is {student.unlabelled!r}, which marks images that "
            "only the teacher labels. Label some images of each class."
        )
    classes = check_classes(student, y if labelled is None else y[labelled])
    resumed = student.warm_start and hasattr(student, "parameters_")
    if resumed and not np.array_equal(classes, student.classes_):
        raise ValueError(
            f"warm_start=True goes on with the classes {student.classes_.tolist()}, but y has "
            f"{classes.tolist()}. Set warm_start=False to start again."
        )
    return make_run(student, images, X, y, classes, labelled, sample_weight, given_logits, resumed)


def partial_fit(student, X, y, classes=None, sample_weight=None, given_logits=None):
    """Train a student for one epoch; the body of its ``partial_fit``."""
    images = X
    resumed = hasattr(student, "parameters_")
    if hasattr(student, "unlabelled"):
        check_missing(student, y)
    X, y = check_rows(student, X, y, reset=not resumed)
    if not resumed and classes is None:
        raise ValueError("classes must be passed to the first call of partial_fit.")
    labelled = labelled_rows(student, y, given_logits is not None)
    known = student.classes_ if resumed else None
    classes = check_classes(student, y if labelled is None else y[labelled], classes, known)
    run = TrainingRun(
        student,
        images,
        X,
        y,
        classes,
        labelled,
        sample_weight,
        given_logits,
        resumed,
        holds_out=False,
    )
    with one_thread(), one_thread():
        run.epoch(len(run.loss_curve))
    vars(student).update(run.fitted(keep_optimizer=True))
    return student


def logits(student, X):
    """Return the logits of a fitted student, (n_samples, n_classes), in double precision."""
    network = student._fitted_network()
    network.bind(student.parameters_[-network.size :])
    # Features of many qubits are as many as amplitudes: a part of the images at a time.
    n_rows = network.middle.n_rows
    rows = max(1, MOST_FEATURES // len(network.order)) if n_rows is None else 64 * n_rows
    parts = [
        network.predict_logits(encoded_features(student, X[start : start + rows]))
        for start in range(0, max(1, len(X)), rows)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def part(student, name):
    """Return one part of a fitted student's parameters: head_coef, head_intercept or what precedes.

    Any other name stands for the flat weights of what lies between the reducer and the head.
    """
    student = as_it_stands(student)
    if "parameters_" not in vars(student):
        raise AttributeError(f"{type(student).__name__} is not fitted yet: it has no {name}_.")
    n_weights, n_outputs = student._sizes()
    n_classes = len(student.classes_)
    sizes = [n_weights, n_classes * n_outputs, n_classes]
    weights, coef, intercept = np.split(student.parameters_[-sum(sizes) :], np.cumsum(sizes)[:-1])
    if name == "head_coef":
        return coef.reshape(n_classes, n_outputs)
    return intercept if name == "head_intercept" else weights
