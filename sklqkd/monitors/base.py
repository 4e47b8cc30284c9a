"""What the callbacks share: the hooks of scikit-learn's protocol, by what happens to a student."""

from __future__ import annotations

from sklearn.metrics import check_scoring

from ..atomic import OWNER

__all__ = ["Monitor", "fitted_copy", "score_of"]


class Monitor:
    """A callback for students; a subclass says what it does when."""

    def setup(self, estimator, context):
        """Check the parameters, before anything is computed."""

    def teardown(self, estimator, context):
        """Clean up after a fit, also one that failed."""

    def on_fit_task_begin(self, estimator, context):
        """Turn to `_begin`, at the beginning of a fit."""
        if context.task_name == "epoch":
            return
        run = getattr(estimator, "_training_run", None)
        if run is None:
            raise TypeError(
                f"A {type(self).__name__} is for the students of sklqkd, not for "
                f"{type(estimator).__name__}."
            )
        self._begin(estimator, run, context)

    def on_fit_task_end(self, estimator, context):
        """Turn to `_after_epoch` or `_end`."""
        run = estimator._training_run
        if context.task_name == "epoch":
            return bool(self._after_epoch(estimator, run, context))
        self._end(estimator, run, context)
        return False

    def _begin(self, student, run, context):
        """Do what is due before the first epoch."""

    def _after_epoch(self, student, run, context):
        """Do what is due after an epoch; return whether training shall end."""

    def _end(self, student, run, context):
        """Do what is due after the last epoch."""


def fitted_copy(student, run):
    """Return a student as if its fit had ended now; it has no callbacks."""
    fitted = object.__new__(type(student))  # copy.copy would compute check sums
    state = {k: v for k, v in vars(student).items() if "callback" not in k}
    for name in ("_training_run", OWNER):
        state.pop(name, None)
    vars(fitted).update(state | run.fitted())
    return fitted


def score_of(student, run, X, y, scoring) -> float:
    """Return a score of a student as it stands."""
    fitted = fitted_copy(student, run)
    return float(check_scoring(fitted, scoring)(fitted, X, y))
