"""Whether a teacher's word and the labels belong together, and which of its classes is which label.

A wrapper around a student may scale the images before the student sees them, or hand it codes in
place of the labels. No check of types could find either, and both turn a good teacher into one that
misleads. What the teacher holds most likely for the labelled images tells: it is compared with the
labels, once, before the first epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .losses import softened
from .targets import LOWEST_LOGIT, Word, align, columns_by_label

__all__ = ["Agreement", "Finding", "heed", "nobody_teaches", "unknown_to_all", "with_the_mark"]

#: Cohen's kappa below which favourites are hardly better than chance: whatever a constant guess
#: would have, and where that would have more.
CHANCE, SLIGHT = 0.05, 0.2
#: What a matching has to reach on images that it was not made from: kappa, and standard errors
#: above chance. The outputs of an untrained network go with classes too, by up to about 0.3.
MATCHED, SIGNIFICANT = 0.5, 3.0
#: Mean probability of classes that the student lacks from which labels are in doubt, and from which
#: it is told where nothing else can be done.
ASTRAY, MOSTLY_ASTRAY = 0.25, 0.5

CAUSES = (
    "Likely causes: a step before the student changes X, such as a scaler in a Pipeline (fit the "
    "teacher behind the same step, or pass its logits for the unchanged images to fit as "
    "teacher_logits=); the teacher knows these classes by other names; the rows of teacher_logits "
    "or their columns are in another order; `cv` makes folds without some of the classes."
)


class Finding(NamedTuple):
    """Something that a user should be told about a teacher: what it is about, and the words."""

    about: tuple
    text: str


@dataclass(frozen=True)
class Agreement:
    """How well guesses agree with labels.

    Attributes
    ----------
    share : float
        Of the images where they agree, in [0, 1].
    constant : float
        The same of the best constant guess.
    kappa : float
        Cohen's: 0 for chance, 1 where all agree.
    z : float
        Standard errors, under chance, by which kappa is above 0 (Fleiss, Cohen and Everitt 1969).
    """

    share: float
    constant: float
    kappa: float
    z: float

    @classmethod
    def of(cls, guesses: np.ndarray, truth: np.ndarray, n_classes: int) -> Agreement:
        """Compare indices of classes; a guess may be -1, for none of them.

        Examples
        --------
        >>> import numpy as np
        >>> agreement = Agreement.of(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), 2)
        >>> agreement.share, agreement.constant, agreement.kappa
        (0.75, 0.5, 0.5)
        """
        n = len(truth)
        guessed = np.bincount(guesses[guesses >= 0], minlength=n_classes) / n
        true = np.bincount(truth, minlength=n_classes) / n
        share, by_chance = float((guesses == truth).mean()), float(guessed @ true)
        if by_chance > 1 - 1e-9:
            return cls(share, float(true.max()), 0.0, 0.0)
        kappa = (share - by_chance) / (1 - by_chance)
        variance = by_chance + by_chance**2 - float((guessed * true) @ (guessed + true))
        error = np.sqrt(max(variance, 1e-12) / n) / (1 - by_chance)
        return cls(share, float(true.max()), kappa, float(kappa / error))

    @property
    def is_guessing(self) -> bool:
        """Whether the guesses are no better than chance, or than one class for all images."""
        return self.kappa < CHANCE or (self.kappa < SLIGHT and self.share <= self.constant)


def heed(word: Word, y, classes, labelled, name: str, *, may_match: bool):
    """Return a teacher's logits by the student's classes, after a look at its favourites.

    Classes are matched by label. Where the labels do not agree with the teacher's favourites, and a
    matching by what goes with what does, on images that it was not made from too, that counts
    instead. Several classes of the teacher may then be one of the student, as in one-against-rest:
    their probabilities are added.

    Parameters
    ----------
    word : Word
        What the teacher says about all images.
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
        The student's, sorted.
    labelled : ndarray of bool, shape (n_samples,), or None
        Which images have a label; None for all.
    name : str
        The teacher's, for the findings.
    may_match : bool
        Whether the labels may be codes for what the teacher calls otherwise.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)
    columns : ndarray of int, shape (n_teacher_classes,)
        For each class of the teacher the index in `classes`, -1 for none.
    findings : list of Finding

    Raises
    ------
    ValueError
        If no class is common to both, and none can be matched.
    """
    rows = slice(None) if labelled is None else labelled
    truth = np.searchsorted(classes, y[rows])
    said = word.logits[rows]
    favourites = said.argmax(axis=1)
    by_label = columns_by_label(word.classes, classes)
    if may_match:
        columns = _what_goes_with_what(favourites, truth, len(by_label), len(classes))
        held_out = _cross_fitted(favourites, truth, len(by_label), len(classes))
        if _is_better(columns, held_out, by_label, said, truth, classes):
            share = (held_out == truth).mean()
            finding = _matched(columns, by_label, favourites, truth, share, word, classes, name)
            return _gathered(word.logits, columns, len(classes)), columns, [finding]
    logits = align(word.logits, word.classes, classes)
    return logits, by_label, _doubts(logits[rows], said, by_label, truth, word, classes, name)


def nobody_teaches(student) -> Finding:
    """Return what to say where a student is distilled from nothing."""
    return Finding(
        ("nobody",),
        f"Nobody teaches this {type(student).__name__}: it has no teacher, fit was passed no "
        f"teacher_logits, and so lam={student.lam!r} and distillation={student.distillation!r} "
        "count for nothing: it is trained on the labels alone. Give it a fitted teacher (or "
        "teacher_logits=), or set lam=0.",
    )


def unknown_to_all(student, y, classes, columns) -> list[Finding]:
    """Return what to say where a class is known to no teacher.

    Parameters
    ----------
    student : estimator
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
    columns : list of ndarray
        What :func:`heed` returned, one for each teacher.
    """
    unknown = np.setdiff1d(np.arange(len(classes)), np.concatenate(columns))
    if not len(unknown):
        return []
    labels = classes[unknown]
    counts = ", ".join(f"{label!r} ({(y == label).sum()} images)" for label in labels.tolist())
    advice = [_if_a_mark(label, student.unlabelled, y.dtype) for label in labels.tolist()]
    advice = [text for text in advice if text][:1] or [
        "Its images are taught that they are something else. Leave them out, train a teacher that "
        "knows them, or give `unlabelled` their label if it stands for images without one."
    ]
    return [Finding(("unknown", *labels.tolist()), f"No teacher knows {counts}. {advice[0]}")]


def with_the_mark(finding: Finding, mark) -> Finding:
    """Return a finding that also says that the mark of images without a label is a class here."""
    text = (
        f" Here {mark!r} is a class, not unlabelled={mark!r} for images without a label; set "
        "unlabelled=None (or the mark that you use) to make that plain."
    )
    return finding._replace(text=finding.text + text)


def _if_a_mark(label, mark, dtype):
    """Return the way out if a class is what is left of a mark for images without a label."""
    if mark is None:
        return None
    if label == mark:
        return (
            f"{mark!r} is a class here, not unlabelled={mark!r} for images without a label, since "
            "there is but one other class. Set unlabelled=None (or the mark that you use), and "
            "train the teacher on these very labels; or label images of a second class."
        )
    if isinstance(label, str) or isinstance(mark, str):
        is_cut = isinstance(label, str) and len(label) > 0 and str(mark).startswith(label)
        if not is_cut:
            return None
        if label == str(mark):
            return (
                f"It looks like the mark of images without a label, as text: unlabelled={mark!r} "
                f"is not a label of the type of the others. Set unlabelled={label!r}."
            )
        return (
            f"It looks like the beginning of unlabelled={mark!r}: NumPy cuts text to the length of "
            f"{dtype}. Make y an array of dtype object, or of longer strings, before marking."
        )
    if dtype.kind == "u" and mark < 0 and label == int(mark) % 2 ** (8 * dtype.itemsize):
        return (
            f"{label!r} is what NumPy makes of {mark!r}, the mark of images without a label, in "
            f"{dtype}. Mark them in signed integers: np.where(known, y.astype(int), {mark!r})."
        )
    return None


def _what_goes_with_what(favourites, truth, n_teacher_classes, n_classes):
    """Return the label that goes most with each class of a teacher, -1 where none does."""
    pairs = np.bincount(favourites * n_classes + truth, minlength=n_teacher_classes * n_classes)
    table = pairs.reshape(n_teacher_classes, n_classes)
    return np.where(table.any(axis=1), table.argmax(axis=1), -1)


def _cross_fitted(favourites, truth, *sizes):
    """Return the labels that a matching gives to images from which it was not made."""
    half = np.empty(len(truth), bool)
    # Half of each class; chance is to pick it, so that the halves tell nothing of each other.
    order = np.lexsort((np.random.default_rng(0).permutation(len(truth)), truth))
    half[order] = np.arange(len(truth)) % 2
    guesses = np.empty(len(truth), int)
    for part in (half, ~half):
        guesses[part] = _what_goes_with_what(favourites[~part], truth[~part], *sizes)[
            favourites[part]
        ]
    return guesses


def _is_better(columns, held_out, by_label, said, truth, classes):
    """Return whether a matching is right and the labels themselves are wrong."""
    seen = columns >= 0
    if (columns == by_label)[seen].all():
        return False
    n_classes = len(classes)
    matched = Agreement.of(held_out, truth, n_classes)
    if matched.kappa < MATCHED or matched.z < SIGNIFICANT or matched.share < matched.constant:
        return False
    labels_known = by_label >= 0
    if not labels_known.any():
        return True
    favourites = said.argmax(axis=1)
    by_name = Agreement.of(by_label[favourites], truth, n_classes)
    among = np.flatnonzero(labels_known)
    of_the_known = by_label[among[said[:, among].argmax(axis=1)]]
    within = Agreement.of(of_the_known, truth, n_classes)
    # A weak teacher's matching is a little better than its labels; that of codes is much better.
    if 1 - matched.share > (1 - by_name.share) / 2 and not (
        by_name.kappa < CHANCE and within.kappa < CHANCE
    ):
        return False
    return (
        max(by_name.kappa, within.kappa) < matched.kappa / 2
        or bool(np.setdiff1d(truth, by_label).size)
        or _probability(said, ~labels_known) >= ASTRAY
    )


def _probability(logits, of):
    """Return the mean probability of some classes."""
    return float(softened(logits, 1.0)[:, of].sum(axis=1).mean()) if of.any() else 0.0


def _gathered(logits, columns, n_classes):
    """Return the logarithms of the probabilities of the classes that are one label, added up."""
    probabilities = softened(logits, 1.0)
    gathered = np.zeros((len(logits), n_classes))
    for label, column in zip(columns, probabilities.T, strict=True):
        if label >= 0:
            gathered[:, label] += column
    return np.log(np.maximum(gathered, np.exp(LOWEST_LOGIT)))


def _matched(columns, by_label, favourites, truth, share, word, classes, name):
    names = np.ravel(word.classes).tolist()
    groups = [
        f"{label!r}: {[names[i] for i in np.flatnonzero(columns == index)]}"
        for index, label in enumerate(classes.tolist())
    ]
    shown = ", ".join(groups[:10]) + (", ..." if len(groups) > 10 else "")
    by_name = Agreement.of(by_label[favourites], truth, len(classes)).share
    return Finding(
        ("matched", name),
        f"The labels are not those of the teacher {name}: by label they agree with its favourites "
        f"on {by_name:.0%} of the labelled images, by what goes with what on {share:.0%}. Its "
        f"classes are matched in that way, as if a wrapper had coded the labels: {{{shown}}} (see "
        "teacher_columns_). If these are not codes, train the teacher on the student's labels.",
    )


def _doubts(logits, said, by_label, truth, word, classes, name):
    """Return what is doubtful about a teacher whose classes are matched by label."""
    within = Agreement.of(logits.argmax(axis=1), truth, len(classes))
    if within.is_guessing:
        text = (
            f"The favourites of the teacher {name} agree with the labels of {within.share:.1%} of "
            "the labelled images; one and the same class for all would agree with "
            f"{within.constant:.1%}. Such a teacher misleads its student. {CAUSES}"
        )
        return [Finding(("guessing", name), text)]
    astray = _probability(said, by_label < 0)
    if astray <= MOSTLY_ASTRAY:
        return []
    lacking = np.ravel(word.classes)[by_label < 0].tolist()
    text = (
        f"The teacher {name} gives {astray:.0%} of its probability on the labelled images to "
        f"classes that the student lacks ({lacking[:10]}), and what is left may say little. "
        f"{CAUSES}"
    )
    return [Finding(("astray", name), text)]
