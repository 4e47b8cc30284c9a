"""What a student makes of its teachers' words: whose class is which, and whether to believe them.

Before the first epoch each teacher's favourites are compared with the labels, on the labelled
images, at no further call of the teacher. What does not fit is said in a
:class:`sklqkd.exceptions.TeacherWarning`, with the numbers and the ways out.
"""

from __future__ import annotations

import numpy as np

from .agreement import aggregated, agreement, match_classes, same_labels
from .losses import softened
from .targets import LOWEST_LOGIT, Word, align
from .teacher_warnings import warn_of_teacher

__all__ = ["hear", "warn_that_nobody_teaches"]

#: Level of the tests for out-of-fold words. Those are not independent of each other, and their
#: classes and images are the student's: only what can be no chance at all is worth a word.
FOLD_LEVEL = 1e-6


def hear(words, weights, y, classes, rows, labelled, earlier=()):
    """Return the teachers' logits in the student's classes; warn of what does not fit.

    Parameters
    ----------
    words : list of Word
    weights : sequence of float
        Shares of the teachers. Those of share 0 are not judged.
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
        Sorted.
    rows : slice or ndarray of int
        The images that have a label and a weight.
    labelled : ndarray of bool, shape (n_samples,), or None
        The images that have a label.
    earlier : sequence of ndarray, default=()
        Matchings of earlier calls, where training goes on: they hold where a batch is too small to
        find them.

    Returns
    -------
    logits : list of ndarray of shape (n_samples, n_classes)
    matchings : list of ndarray of bool, shape (n_teacher_classes, n_classes)

    Raises
    ------
    ValueError
        If a teacher knows no class of the student, and its favourites tell no other way.
    """
    known = [np.ones(len(classes), bool)] * len(words)
    logits, matchings = [], []
    labels = _indices(y[rows], classes)
    for i, (word, weight) in enumerate(zip(words, weights, strict=True)):
        by_value = same_labels(word.classes, classes)
        matching = by_value
        if len(labels) and weight > 0 and word.origin == "prefit":
            favourites = word.logits[rows].argmax(axis=1)
            found = match_classes(favourites, labels, by_value)
            if found is not None:
                matching = found
                _warn_of_matching(word, classes, matching, by_value, favourites, labels)
            else:
                held = earlier[i] if i < len(earlier) else by_value
                matching = _better(by_value, held, favourites, labels)
        if matching is by_value:
            heard = align(word.logits, word.classes, classes)
        else:
            heard = aggregated(word.logits, matching, LOWEST_LOGIT)
        logits.append(heard)
        matchings.append(matching)
        known[i] = matching.any(axis=0) & (weight > 0)
        if weight > 0:
            _judge(word, heard, classes, known[i], matching, by_value, rows, labels, labelled)
    unknown = ~np.any(known, axis=0)
    if unknown.any():
        _warn_of_unknown(words, classes, unknown)
    return logits, matchings


def warn_that_nobody_teaches(student) -> None:
    """Say that a student which is to be taught has no teacher."""
    name = type(student).__name__
    warn_of_teacher(
        "nobody",
        f"{name} has no teacher and no teacher_logits: lam={student.lam!r} has no effect, and the "
        "student learns from the labels alone. Pass a fitted classifier as `teacher`, or its "
        "logits on X to fit as teacher_logits=; where no teacher is wanted, say so with lam=0.",
    )


def _indices(y, classes):
    try:
        found = np.searchsorted(classes, y)
    except TypeError:  # objects of several types
        place = {label: k for k, label in enumerate(classes.tolist())}
        found = np.array([place[label] for label in y.tolist()], dtype=int)
    return found.astype(int, copy=False)


def _better(by_value, earlier, favourites, labels):
    """Return which of two matchings agrees with the labels on more images."""
    if earlier.shape != by_value.shape or np.array_equal(earlier, by_value):
        return by_value
    hits = [np.sum(matching[favourites, labels]) for matching in (by_value, earlier)]
    return earlier if hits[1] > hits[0] else by_value


def _judge(word, heard, classes, known, matching, by_value, rows, labels, labelled):
    """Warn of a teacher whose favourites have little to do with the labels."""
    if len(labels) == 0:
        return
    if word.origin == "given":
        _judge_given(word.logits)
    is_known = known[labels]
    judged = heard[rows][is_known] if not is_known.all() else heard[rows]
    level = FOLD_LEVEL if word.origin == "folds" else 0.01
    if len(judged):
        found = agreement(softened(judged, 1.0), labels[is_known], level)
        if found.is_guessing:
            _warn_of_guessing(word, classes, found)
            return
    if word.origin == "prefit" and matching is by_value and known.sum() < len(word.classes):
        everywhere = word.logits if labelled is not None else word.logits[rows]
        lacks = ~matching.any(axis=1)
        share = float(np.mean(lacks[everywhere.argmax(axis=1)]))
        if share > 0.5 and len(everywhere) >= 5:
            _warn_of_lacking(word, classes, share, lacks, labelled)


def _judge_given(logits):
    sums = logits.sum(axis=1)
    if len(logits) > 1 and logits.min() >= 0 and np.allclose(sums, 1, rtol=0, atol=1e-3):
        warn_of_teacher(
            "probabilities",
            "teacher_logits has no negative number, and each row sums to 1: these look like "
            "probabilities, and as logits they are nearly uniform. Pass their logarithms: "
            "teacher.predict_log_proba(X), or np.log(np.maximum(probabilities, 1e-38)).",
        )


def _warn_of_guessing(word, classes, found):
    who = "teacher_logits" if word.origin == "given" else f"The teacher {word.name}"
    numbers = (
        f"{who} agrees with y on {100 * found.share:.1f} % of the {found.n_images} labelled "
        f"images, and a constant guess on {100 * found.guess:.1f} %: nothing is to be learnt here. "
    )
    if word.origin == "folds":
        causes = (
            "Does `cv` cut the images so that a clone never sees the class that it is asked about "
            "(sorted y, folds that are not shuffled)? Use cv=5, or StratifiedKFold(shuffle=True). "
            "Else the teacher itself does not learn: look at cross_val_score(teacher, X, y)."
        )
    elif word.origin == "given":
        causes = (
            "Are its rows those of X, in the same order, and its columns the classes in sorted "
            f"order, {_few(classes)}? A DataFrame with the classes as column names is matched by "
            "name."
        )
    else:
        causes = (
            "Does it know other features, such as images before a scaler that stands in front of "
            "the student? Put the scaler into the teacher, make_pipeline(StandardScaler(), "
            "teacher), and fit that, or pass its logits on what it knows to fit as "
            "teacher_logits=. Are the rows of y those of X? Are the labels of y, "
            f"{_few(classes)}, other names for its classes, {_few(word.classes)}? Train both on "
            "the same labels."
        )
    warn_of_teacher("guessing", numbers + causes)


def _warn_of_matching(word, classes, matching, by_value, favourites, labels):
    before = np.mean(by_value[favourites, labels])
    after = np.mean(matching[favourites, labels])
    pairs = [
        f"{label!r}: {_few(np.asarray(word.classes)[matching[:, k]])}"
        for k, label in enumerate(classes.tolist()[:10])
    ]
    missing = classes[~matching.any(axis=0)]
    warn_of_teacher(
        "matched",
        f"The teacher {word.name} and y use other labels: by value the favourites agree with y on "
        f"{100 * before:.1f} % of the {len(labels)} labelled images, and on {100 * after:.1f} % "
        f"with the classes matched as {{{', '.join(pairs)}}} (label of y: classes of the teacher)."
        " This matching is used, and kept as teacher_matching_. Meta-estimators re-code y like "
        "this; if it was not one of them, train teacher and student on the same labels."
        + (f" No class of the teacher stands for {_few(missing)}." if len(missing) else ""),
    )


def _warn_of_unknown(words: list[Word], classes, unknown):
    known = sorted({str(label) for word in words for label in np.ravel(word.classes).tolist()})
    warn_of_teacher(
        "unknown",
        f"No teacher knows the classes {_few(classes[unknown])} of y: each of them says that they "
        f"never occur, and the student is taught so. They know {_few(np.array(known))}. Train a "
        "teacher that knows all classes, or lower lam. If a label marks images without one, name "
        "it by `unlabelled`.",
    )


def _warn_of_lacking(word, classes, share, lacks, labelled):
    favoured = np.asarray(word.classes)[lacks]
    advice = (
        "Have the labels been re-coded, so that equal labels are different classes? Train teacher "
        "and student on the same labels. Are all images of classes of y?"
    )
    if labelled is not None:
        advice += (
            " The images without a label count too: if they are of classes of which no image has a "
            "label, leave them out; if the mark is a class of y, set unlabelled=None."
        )
    warn_of_teacher(
        "lacking",
        f"On {100 * share:.1f} % of the images the teacher {word.name} favours a class that the "
        f"student lacks, one of {_few(favoured)}; y has {_few(classes)}. Its word about those is "
        f"left out, and what is left is little. {advice}",
    )


def _few(values) -> str:
    values = np.asarray(values).tolist()
    text = ", ".join(map(repr, values[:10]))
    return f"[{text}, ... {len(values)} in all]" if len(values) > 10 else f"[{text}]"
