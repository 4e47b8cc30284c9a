"""Students, teachers and choices of settings for ``where_it_pays.py``.

A student is an `Arm`: a few values from which the estimator, its images and its teacher follow.
`choose` picks the settings on labelled training images alone, with seeds of its own; `run` fits
arms with the reported seeds and scores them on the test images.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from common import CACHE, LENET_EPOCHS, PER_CLASS, Task, Teacher, first_of_each_class, get_teacher
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import StratifiedKFold

import sklqkd
from sklqkd.datasets import take_per_class
from sklqkd.evaluation import compare
from sklqkd.losses import DISTILLATION_LOSSES

#: Seeds of the choices, none of which is reported. The first one makes folds, weights and
#: mini-batches for all candidates; the others make more folds for the best ones.
SELECTION_SEEDS = (1000, 1001, 1002)
#: Epochs over all training images: fewer than the student's 50 over the labelled ones, since an
#: epoch has as many more steps as there are more images.
EPOCHS_WITH_REST = 20
TEMPERATURES, LAMS = (1.0, 2.0, 4.0, 8.0), (0.5, 0.9, 1.0)
EPOCHS = (10, 20, 50)
#: Tried beside the student's 50 where there are copies.
EPOCHS_WITH_COPIES = 100
VIEWS = ("shift", "flip", "mixup", "shift+mixup")
#: How the teachers are trained.
RECIPE = "one_cycle"
CONTROLS = [name for name, loss in DISTILLATION_LOSSES.items() if not loss.needs_teacher]
LOSSES = [name for name in DISTILLATION_LOSSES if name not in CONTROLS]
#: Kinds of students, as far as the library has them: the quantum one first.
KINDS = [kind for kind in ("QNN", "Linear", "MLP") if f"Distilled{kind}Classifier" in dir(sklqkd)]
#: What readers see.
PLAIN, TUNED = "plain", "plain, epochs chosen"
DISTILLED, WITH_REST = "distilled", "distilled, others unlabelled"
COPIES, COPIES_WITH_REST = "distilled, with copies", "distilled, with copies, others unlabelled"
PLAIN_COPIES = "plain, with copies (control)"
WITHOUT_TEMPERATURE = ("logit_mse", "label_smoothing")


@dataclass(frozen=True)
class Arm:
    """A student, by all that it depends on but the seed.

    Attributes
    ----------
    loss : str or None
        Distillation loss; None for a plain student.
    temperature, lam : float
    per_class : int
        Labelled images of each class.
    drawn : bool
        Whether each seed draws them anew; otherwise they are the first ones.
    rest : bool
        Whether the other training images are there too, without their labels.
    max_iter : int
        Epochs.
    patient : bool
        Whether to train for all these epochs, even when the training loss does not fall.
    teacher_epochs : int
    teacher_per_class : int or None
        What the teacher was trained with; None for all training images.
    kind : {"QNN", "Linear", "MLP"}
        The quantum student, or a classical one of the same size.
    views : str or None
        How images are copied with changes, "shift+mixup" for instance. The teacher speaks of the
        copies; a plain student keeps the labels.
    """

    loss: str | None = None
    temperature: float = 1.0
    lam: float = 0.0
    per_class: int = PER_CLASS
    drawn: bool = False
    rest: bool = False
    max_iter: int = 50
    patient: bool = False
    teacher_epochs: int = LENET_EPOCHS
    teacher_per_class: int | None = None
    kind: str = "QNN"
    views: str | None = None

    @property
    def name(self) -> str:
        """All values in a line."""
        return " ".join(f"{key}={value}" for key, value in asdict(self).items())

    @property
    def setting(self) -> str:
        """Loss, temperature and lam, for a reader."""
        views = f" {self.views}" if self.views else ""
        if self.loss is None:
            return f"plain{views}"
        temperature = f" T={self.temperature:g}" if self.loss not in WITHOUT_TEMPERATURE else ""
        return f"{self.loss}{temperature} lam={self.lam:g}{views}"

    def with_rest(self) -> Arm:
        """Return the same student with the unlabelled images."""
        return replace(self, rest=True, max_iter=EPOCHS_WITH_REST)

    def student(self, net=None):
        """Return the student itself: without a loss, lam is 0 and nobody teaches.

        With views it holds its teacher, the network `net`.
        """
        return getattr(sklqkd, f"Distilled{self.kind}Classifier")(
            distillation=self.loss or "hinton",
            temperature=self.temperature,
            lam=self.lam,
            max_iter=self.max_iter,
            n_iter_no_change=self.max_iter if self.patient else 10,
            augmentation=self.views and self.views.split("+"),
            teacher=net if self.views and self.loss else None,
        )


class FewLabels(ClassifierMixin, BaseEstimator):
    """A student that gets the labels of a few of the images that `fit` is given.

    Parameters
    ----------
    student : classifier
        A distilled one.
    per_class : int
    drawn, rest : bool
        As in `Arm`.
    random_state : int, default=None
        What images are drawn.
    """

    def __init__(self, student, per_class, drawn=False, rest=False, random_state=None):
        self.student = student
        self.per_class = per_class
        self.drawn = drawn
        self.rest = rest
        self.random_state = random_state

    def fit(self, X, y, teacher_logits=None):
        """Train the student on the images that it gets."""
        rows = first_of_each_class(y, self.per_class)
        if self.drawn:
            options = {"shuffle": True, "random_state": self.random_state}
            rows, _ = take_per_class(np.arange(len(y)), y, self.per_class, **options)
        if self.rest:
            few, rows = rows, slice(None)
            labels = np.full(len(y), -1)
            labels[few] = y[few]
            y = labels
        self.student_ = clone(self.student)
        said = {} if teacher_logits is None else {"teacher_logits": teacher_logits[rows]}
        self.student_.fit(X[rows], y[rows], **said)
        self.classes_, self.n_parameters_ = self.student_.classes_, self.student_.n_parameters_
        return self

    def predict(self, X):
        """Return the student's predictions."""
        return self.student_.predict(X)

    def predict_proba(self, X):
        """Return the student's probabilities."""
        return self.student_.predict_proba(X)


@dataclass
class Chosen:
    """What was chosen on labelled training images.

    Attributes
    ----------
    plain : Arm
        The plain student with the best number of epochs.
    losses, losses_with_rest : dict of str to Arm
        Each loss (and each control) with its best temperature and lam, for the labelled images
        alone, and with the other images too.
    labelled, rest : Arm
        The best of them.
    views, views_with_rest : Arm or None
        The best students that learn from changed copies too, by Hinton's loss.
    plain_views : Arm or None
        The plain student with the copies that are best for it.
    scores : DataFrame
        The cross-validated accuracy of each candidate, and over more folds of the best ones.
    seconds : float
        Time of all the fits.
    """

    plain: Arm
    losses: dict[str, Arm]
    losses_with_rest: dict[str, Arm]
    labelled: Arm
    rest: Arm
    scores: pd.DataFrame
    seconds: float
    views: Arm | None = None
    views_with_rest: Arm | None = None
    plain_views: Arm | None = None


def choose(
    task: Task,
    teacher: Teacher,
    *,
    kind="QNN",
    losses=tuple(DISTILLATION_LOSSES),
    temperatures=TEMPERATURES,
    lams=LAMS,
    views=(),
    **options,
):
    """Choose settings by cross-validation on the first labelled images of each class.

    Only these images, their labels, the other training images and what the teacher says about
    them are looked at. The first of equally good candidates is taken.

    Parameters
    ----------
    task : Task
    teacher : Teacher
    kind : {"QNN", "Linear", "MLP"}
        The student.
    losses : sequence of str
        Losses and controls to choose from.
    temperatures, lams : sequence of float
        Candidates for each loss.
    views : sequence of str
        Candidates of copies, beside every temperature and lam; with the other images at the best
        temperature and lam alone.
    **options
        Of `cross_validate`.

    Returns
    -------
    chosen : Chosen
    """
    per_class = options.get("per_class", PER_CLASS)

    def heated(arm):
        known = arm.loss in WITHOUT_TEMPERATURE
        return [replace(arm, temperature=t) for t in (temperatures[:1] if known else temperatures)]

    student = Arm(per_class=per_class, kind=kind)
    plain = [replace(student, max_iter=epochs) for epochs in EPOCHS]
    taught = {
        loss: [arm for lam in lams for arm in heated(replace(student, loss=loss, lam=lam))]
        for loss in losses
    }
    candidates = [*plain, *chain(*taught.values())]
    scores, seconds = cross_validate(task, teacher, candidates, **options)
    labelled = {loss: best(arms, scores) for loss, arms in taught.items()}
    # With the other images, whose fits take longer: first the temperature, then lam.
    with_rest = {loss: arm.with_rest() for loss, arm in labelled.items() if loss in LOSSES}
    for varied in (heated, lambda arm: [replace(arm, lam=lam) for lam in lams]):
        taught = {loss: varied(arm) for loss, arm in with_rest.items()}
        candidates = [arm for arm in chain(*taught.values()) if arm not in scores]
        more, more_seconds = cross_validate(task, teacher, candidates, **options)
        scores, seconds = scores | more, seconds + more_seconds
        with_rest = {loss: best(arms, scores) for loss, arms in taught.items()}
    # Among the losses so chosen, the best one by the mean over more folds.
    final, firsts = {}, []
    for arms in ([labelled[loss] for loss in with_rest], list(with_rest.values())):
        if len(arms) > 1:
            again = [scores]
            for seed in SELECTION_SEEDS[1:]:
                more, more_seconds = cross_validate(task, teacher, arms, seed=seed, **options)
                again, seconds = [*again, more], seconds + more_seconds
            final |= {arm: float(np.mean([more[arm] for more in again])) for arm in arms}
        firsts.append(best(arms, final) if len(arms) > 1 else arms[0])
    best_views = {}
    if views:
        given = {"views": [], "plain_views": []}
        for each in views:
            given["plain_views"].append(replace(student, views=each))
            taught = [replace(student, loss="hinton", lam=lam, views=each) for lam in lams]
            given["views"] += [arm for one in taught for arm in heated(one)]
        more, more_seconds = cross_validate(task, teacher, [*chain(*given.values())], **options)
        scores, seconds = scores | more, seconds + more_seconds
        best_views = {name: best(arms, scores) for name, arms in given.items()}
        # Whether more epochs are better, where each shows other copies.
        longer = {
            name: replace(arm, max_iter=EPOCHS_WITH_COPIES, patient=True)
            for name, arm in best_views.items()
        }
        more, more_seconds = cross_validate(task, teacher, [*longer.values()], **options)
        scores, seconds = scores | more, seconds + more_seconds
        best_views = {name: best([best_views[name], longer[name]], scores) for name in longer}
        arms = [replace(best_views["views"].with_rest(), views=each) for each in views]
        more, more_seconds = cross_validate(task, teacher, arms, **options)
        scores, seconds = scores | more, seconds + more_seconds
        best_views["views_with_rest"] = best(arms, scores)
    table = [
        {"data": task.title, "student": kind, "rest": arm.rest, "setting": arm.setting}
        | {"epochs": arm.max_iter, "cv_accuracy": score}
        | {"cv_accuracy_more_folds": final.get(arm, np.nan)}
        for arm, score in scores.items()
    ]
    return Chosen(
        best(plain, scores),
        labelled,
        with_rest,
        *firsts,
        pd.DataFrame(table),
        seconds,
        **best_views,
    )


def best(arms: list[Arm], scores: dict[Arm, float]) -> Arm:
    """Return the arm with the highest score, the first one of equals."""
    return max(arms, key=scores.__getitem__)


def cross_validate(
    task,
    teacher,
    arms,
    *,
    seed=SELECTION_SEEDS[0],
    per_class=PER_CLASS,
    folds=5,
    n_jobs=None,
    folder=None,
):
    """Return the mean accuracy of arms on held-out parts of the labelled training images.

    Parameters
    ----------
    task : Task
    teacher : Teacher
    arms : list of Arm
        All of them with the rest, or none.
    seed : int
        Of the folds and the students.
    per_class : int
        Labelled images of each class.
    folds : int
    n_jobs : int or None
    folder : Path or None
        Where finished fits are kept.

    Returns
    -------
    scores : dict of Arm to float
    seconds : float
        Time of the fits.
    """
    if not arms:
        return {}, 0.0
    few = task.few(per_class)
    labels = np.full(len(task.y), -1)
    labels[few] = task.y[few]
    rest = np.flatnonzero(labels == -1) if arms[0].rest else np.array([], int)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    splits = [
        (np.concatenate([few[train], rest]), few[test])
        for train, test in splitter.split(few, labels[few])
    ]
    images = "rest" if arms[0].rest else "labelled"
    comparison = compare(
        {arm.name: arm.student(teacher.net if arm.views else None) for arm in arms},
        task.X,
        labels,
        cv=splits,
        seeds=[seed],
        fit_params={arm.name: {"teacher_logits": teacher.logits} for arm in arms if not arm.views},
        n_jobs=n_jobs,
        checkpoint=folder and folder / "-".join([arms[0].kind, images, str(seed), str(len(arms))]),
    )
    scores = comparison.scores()
    means = {arm: float(scores[arm.name].mean()) for arm in arms}
    return means, float(comparison.results["fit_seconds"].sum())


def run(task: Task, arms: list[Arm], seeds: range, *, n_jobs=None, folder=None) -> pd.DataFrame:
    """Fit each arm with each seed, and score it on the test images.

    Parameters
    ----------
    task : Task
    arms : list of Arm
        Those that are there twice are fitted once.
    seeds : range
        None of them is a seed of the selection.
    n_jobs : int or None
    folder : Path or None
        Where finished fits are kept.

    Returns
    -------
    results : DataFrame
        A row for each arm and seed: what the arm is and what was measured.
    """
    if set(SELECTION_SEEDS) & set(seeds):
        raise ValueError(f"The seeds {SELECTION_SEEDS} are for the selection: report others.")
    named = {arm.name: arm for arm in arms}
    said = {
        arm.name: get_teacher(
            "LeNet",
            task,
            epochs=arm.teacher_epochs,
            per_class=arm.teacher_per_class,
            recipe=RECIPE,
        )
        for arm in named.values()
    }
    comparison = compare(
        {
            name: FewLabels(
                arm.student(said[name].net if arm.views else None),
                arm.per_class,
                arm.drawn,
                arm.rest,
            )
            for name, arm in named.items()
        },
        task.X,
        task.y,
        task.X_test,
        task.y_test,
        seeds=seeds,
        fit_params={
            name: {"teacher_logits": said[name].logits}
            for name, arm in named.items()
            if not arm.views
        },
        n_jobs=n_jobs,
        checkpoint=folder and folder / "reported",
    )
    results = comparison.results.drop(columns=["fold", "agreement", "best_params"])
    settings = pd.DataFrame([asdict(named[name]) for name in results["estimator"]])
    accuracies = [said[name].score(task) / 100 for name in results["estimator"]]
    return pd.concat([settings, results.assign(data=task.title, teacher=accuracies)], axis=1)


def folder_of(task: Task) -> Path:
    """Return where finished fits of a task are kept, for the present source of the library."""
    sources = [*Path(sklqkd.__file__).parent.rglob("*.py"), Path(__file__)]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources))).hexdigest()
    return CACHE / f"where_it_pays-{digest[:12]}" / task.name
