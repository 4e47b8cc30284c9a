"""Which images have no label, and marks that were meant to say so and do not any more."""

from __future__ import annotations

from numbers import Real

import numpy as np

__all__ = ["check_missing", "labelled_rows", "teachers_of"]


def teachers_of(student) -> list:
    """Return a student's teachers as a list, empty where there is none."""
    teacher = getattr(student, "teacher", None)
    if teacher is None:
        return []
    return list(teacher) if isinstance(teacher, (list, tuple)) else [teacher]


def check_missing(student, y) -> None:
    """Refuse NaN, None and pandas's NA among labels, with the way to say "no label".

    Raises
    ------
    ValueError
        If some of `y`, but not all, are missing.
    """
    if isinstance(y, np.ndarray) and y.dtype.kind != "O":
        missing = int(np.isnan(y).sum()) if y.dtype.kind == "f" else 0
    elif hasattr(y, "isna"):  # pandas
        missing = int(np.sum(np.asarray(y.isna())))
    elif isinstance(y, (list, tuple, np.ndarray)):
        missing = sum(map(_is_missing, y))
    else:
        return
    if missing:
        marker = -1 if student.unlabelled is None else student.unlabelled
        raise ValueError(
            f"Input y contains NaN or None: {missing} labels are missing. For images without a "
            f"label put the value of the student's `unlabelled` there, which is {marker!r} "
            f"(numbers: np.where(np.isnan(y), -1, y).astype(int)); they learn from the teacher "
            "alone. Or leave these images out."
        )


def _is_missing(value) -> bool:
    # pandas's NA is equal to nothing, not even as a truth value.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def labelled_rows(student, y: np.ndarray, has_logits: bool) -> np.ndarray | None:
    """Return which images have a label, or None if all have.

    Parameters
    ----------
    student : estimator
    y : ndarray of shape (n_samples,)
        Labels, and the student's `unlabelled` for images that only the teacher labels.
    has_logits : bool
        Whether logits of a teacher are given.

    Returns
    -------
    labelled : ndarray of bool, shape (n_samples,), or None

    Raises
    ------
    ValueError
        If there are unlabelled images but no fitted teacher, if hardly any class is left beside
        them, or if the mark has become another value in `y`.
    """
    marker = getattr(student, "unlabelled", None)
    teachers = teachers_of(student)
    if marker is None or not (teachers or has_logits):
        return None  # without a teacher, -1 is a class like any other
    known = [np.ravel(getattr(t, "classes_", ())).tolist() for t in teachers]
    if any(marker in labels for labels in known):
        return None  # and so it is where a teacher knows it
    is_comparable = y.dtype.kind == "O" or (y.dtype.kind in "biuf") == isinstance(marker, Real)
    labelled = y != marker if is_comparable else np.ones(len(y), bool)
    if labelled.all():
        if student.cv == "prefit" and any(known):
            _check_marks(y, marker, {label for labels in known for label in labels})
        return None
    left = set(y[labelled].tolist())
    if student.cv != "prefit" and not has_logits:
        if len(left) < 2:
            return None  # labels -1 and 1
        raise ValueError(
            f"{(~labelled).sum()} images have no label (y = {marker!r}), but cv={student.cv!r} "
            "trains the teacher on these very images. Fit the teacher before, and set "
            f"cv='prefit'; or set unlabelled=None if {marker!r} is a class."
        )
    if len(left) == 1:
        knows = "" if not any(known) else f" The teacher knows {known[0]}."
        raise ValueError(
            f"y = {marker!r} marks {(~labelled).sum()} images without a label, so that at least 2 "
            f"classes are missing: there is one class left, {sorted(left)}.{knows} If {marker!r} "
            "is a class of y, set unlabelled=None on the student; if it is a mark, label some "
            "images of each class."
        )
    return labelled


def _check_marks(y, marker, known) -> None:
    """Refuse a class that is what NumPy makes of the mark in an array that cannot hold it."""
    classes = set(np.unique(y).tolist()) if y.dtype.kind != "O" else set(y.tolist())
    unknown = classes - known
    if not unknown:
        return
    marks: set = set()
    advice = ""
    if y.dtype.kind in "biuf" and isinstance(marker, Real) and float(marker).is_integer():
        wrapped = {int(float(marker)) % 2**bits for bits in (8, 16, 32, 64)}
        marks = {mark for mark in unknown if mark in wrapped and mark - 1 not in classes}
        advice = f"y.astype(int) before np.where(known, y, {marker!r})"
    elif y.dtype.kind == "U" and isinstance(marker, Real):
        text = str(marker)
        marks = {mark for mark in unknown if mark and mark in (text, f"{float(marker)}", text[:1])}
        marks = {mark for mark in marks if not mark.isdigit()}
        advice = 'unlabelled="?" and np.where(known, y, "?")'
    elif y.dtype.kind == "U":
        short = marker[: y.dtype.itemsize // 4]
        marks = {mark for mark in unknown if mark and len(mark) < len(marker) and mark == short}
        advice = f"y.astype(object) before np.where(known, y, {marker!r})"
    if marks:
        mark = min(marks)
        raise ValueError(
            f"y, of dtype {y.dtype}, has the class {mark!r}, which no teacher knows. It is what "
            f"NumPy makes of the mark of images without a label, {marker!r}, among such labels. "
            f"Use {advice}, or state the mark as it is: unlabelled={mark!r}. If {mark!r} is a "
            "class that only y has, set unlabelled=None."
        )
