"""Trials of Optuna that end early where they promise little."""

from __future__ import annotations

from sklearn.utils import check_consistent_length

from .base import Monitor, score_of

__all__ = ["OptunaPruning"]


class OptunaPruning(Monitor):
    """Reports each epoch to a trial of Optuna, and ends a fit that the study's pruner gives up.

    Parameters
    ----------
    trial : optuna.trial.Trial
        The trial that the fit belongs to.
    X_val : array-like of shape (n_samples, n_features), default=None
        Images for the score that is reported. ``None``: the accuracy on the student's own hold-out
        with `early_stopping`, else the training loss.
    y_val : array-like of shape (n_samples,), default=None
        Their labels.
    scoring : str, callable or None, default=None
        The score, as in :func:`sklearn.metrics.check_scoring`; ``None`` for the accuracy.
    first_step : int, default=0
        Added to the number of the epoch, for the second and further fits of one trial (its folds).

    Raises
    ------
    optuna.TrialPruned
        In `fit`, which leaves the student as it was.
    TypeError
        In `fit`, if the estimator is not a student of this package.
    ValueError
        In `fit`, if only one of `X_val` and `y_val` is given; if the study maximizes and nothing
        but a loss is there to be reported, or minimizes an accuracy; if it has several objectives,
        for which Optuna has no pruning.

    Notes
    -----
    Fits that are stacked (see :mod:`sklqkd.search`) are several times as fast as single ones, and
    have no pruning. Ask for a batch of trials and let one search fit all of them::

        space = {"temperature": FloatDistribution(1, 8), "lam": FloatDistribution(0, 1)}
        trials = [study.ask(space) for _ in range(16)]
        grid = [{name: [value] for name, value in trial.params.items()} for trial in trials]
        search = sklqkd.search.GridSearchCV(student, grid, cv=3, refit=False).fit(X, y)
        for trial, score in zip(trials, search.cv_results_["mean_test_score"]):
            study.tell(trial, score)

    Examples
    --------
    >>> import optuna  # doctest: +SKIP
    >>> def objective(trial):  # doctest: +SKIP
    ...     student.set_params(lam=trial.suggest_float("lam", 0, 1))
    ...     student.set_callbacks(OptunaPruning(trial, X_val, y_val)).fit(X, y)
    ...     return student.score(X_val, y_val)
    >>> study = optuna.create_study(direction="maximize")  # doctest: +SKIP
    >>> study.optimize(objective, n_trials=50)  # doctest: +SKIP
    """

    def __init__(self, trial, X_val=None, y_val=None, *, scoring=None, first_step=0):
        self.trial = trial
        self.X_val = X_val
        self.y_val = y_val
        self.scoring = scoring
        self.first_step = first_step

    def setup(self, estimator, context):
        """Check the parameters, before anything is computed."""
        if (self.X_val is None) != (self.y_val is None):
            raise ValueError("Give X_val and y_val, or neither.")
        is_score = self.X_val is not None or getattr(estimator, "early_stopping", False)
        if self.X_val is not None:
            check_consistent_length(self.X_val, self.y_val)
        study = getattr(self.trial, "study", None)  # a FixedTrial has none
        if study is None:
            return
        if len(study.directions) > 1:
            raise ValueError("The study has several objectives, for which Optuna has no pruning.")
        maximizes = study.direction.name == "MAXIMIZE"
        is_usual = self.scoring is None or not is_score
        if is_usual and maximizes != is_score:
            reported = "an accuracy" if is_score else "the training loss"
            way_out = 'direction="maximize"' if is_score else "X_val and y_val for an accuracy"
            raise ValueError(
                f"The study has the direction {study.direction.name}, but each epoch reports "
                f"{reported}. Give {way_out}."
            )

    def _after_epoch(self, student, run, context):
        """Report the epoch; raise ``optuna.TrialPruned`` if the trial is given up."""
        import optuna

        if self.X_val is not None:
            value = score_of(student, run, self.X_val, self.y_val, self.scoring)
        else:
            value = (run.validation_scores or run.loss_curve)[-1]
        self.trial.report(float(value), self.first_step + run.n_iter)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"Given up after epoch {run.n_iter}, at {value:.4f}.")
