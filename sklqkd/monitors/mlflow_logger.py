"""Fits that are kept by MLflow: parameters, curves, model."""

from __future__ import annotations

import time
from collections.abc import Mapping

from .base import Monitor, fitted_copy

__all__ = ["MLflowLogger"]

#: MLflow takes no longer values of parameters.
_LONGEST = 500


class MLflowLogger(Monitor):
    """Logs a fit to MLflow: the student's parameters, its curves and the fitted student itself.

    MLflow's own ``autolog`` knows scikit-learn's estimators alone. A fit within an active run logs
    to it; other fits, and the second and further ones within the same run, have runs of their own,
    which are nested in the active one.

    Parameters
    ----------
    log_model : bool, default=True
        Whether to log the fitted student, without its teacher, which it does not need to predict.
    tags : dict of str to str, default=None
        Tags of the run.

    Raises
    ------
    TypeError
        In `fit`, if the estimator is not a student of this package.
    ImportError
        In `fit`, if MLflow is not installed.

    Notes
    -----
    What is logged: each parameter (the teacher as its text); after each epoch the metrics "loss",
    with `early_stopping` "validation_score", and "lam" and "temperature" where these are schedules;
    at the end "n_iter", "fit_seconds", "n_parameters_quantum" and "n_parameters_classical". A fit
    that fails leaves a run with the status FAILED.

    Examples
    --------
    >>> import mlflow  # doctest: +SKIP
    >>> from sklqkd.callbacks import MLflowLogger  # doctest: +SKIP
    >>> with mlflow.start_run():  # doctest: +SKIP
    ...     student.set_callbacks(MLflowLogger()).fit(X, y)
    ...     mlflow.log_metric("test_accuracy", student.score(X_test, y_test))
    """

    def __init__(self, *, log_model=True, tags=None):
        self.log_model = log_model
        self.tags = tags
        self._used = set()  # runs that hold a fit
        self._started = {}  # runs of our own that are not ended, by the fit

    def setup(self, estimator, context):
        """Find or start the run."""
        import mlflow

        active = mlflow.active_run()
        if active is None or active.info.run_id in self._used:
            active = mlflow.start_run(nested=active is not None)
            self._started[context.root_uuid] = active.info.run_id
        self._used.add(active.info.run_id)
        if self.tags:
            mlflow.set_tags(self.tags)

    def teardown(self, estimator, context):
        """End a run of a fit that failed."""
        if self._started.pop(context.root_uuid, None) is not None:
            import mlflow

            mlflow.end_run("FAILED")

    def _begin(self, student, run, context):
        """Log the parameters."""
        import mlflow

        run.notes[id(self)] = time.perf_counter()
        parameters = {"estimator": type(student).__name__, **student.get_params(deep=False)}
        mlflow.log_params({name: str(value)[:_LONGEST] for name, value in parameters.items()})

    def _after_epoch(self, student, run, context):
        """Log the curves."""
        import mlflow

        metrics = {"loss": float(run.loss_curve[-1])}
        if run.validation_scores:
            metrics["validation_score"] = float(run.validation_scores[-1])
        mlflow.log_metrics(metrics, step=run.n_iter)

    def _end(self, student, run, context):
        """Log what the fit ended with."""
        import mlflow

        counts = student.n_parameters_
        counts = counts if isinstance(counts, Mapping) else {"classical": counts}
        metrics = {f"n_parameters_{name}": float(count) for name, count in counts.items()}
        metrics |= {"n_iter": float(run.n_iter)}
        metrics |= {"fit_seconds": time.perf_counter() - run.notes[id(self)]}
        mlflow.log_metrics(metrics)
        if self.log_model:
            model = fitted_copy(student, run)
            if hasattr(model, "teacher"):
                model.teacher = None
            mlflow.sklearn.log_model(model, name="model", serialization_format="cloudpickle")
        if self._started.pop(context.root_uuid, None) is not None:
            mlflow.end_run()
