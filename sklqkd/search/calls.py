"""A fit that a search of scikit-learn asks for: the border to its private function, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._sklearn import _fit_and_score
from ..students.base import Student

__all__ = ["FitCall"]


@dataclass(frozen=True, eq=False)
class FitCall:
    """One call of scikit-learn's ``_fit_and_score``.

    Attributes
    ----------
    function : callable
        What runs it with the configuration of the thread that asked for it.
    estimator, X, y
        The estimator, which is not to be changed, and all data of the search.
    parameters : dict or None
        What the candidate sets; its very object is shared by the candidate's folds.
    train, test : array-like
        Rows of the fold, whose very objects are shared by the candidates.
    scorer : callable or dict
    fit_params, score_params : dict
        With values for all of `X`.
    return_train_score : bool
    error_score : "raise" or float
    callbacks : object or None
        scikit-learn's context of the callbacks of the search.
    rest : dict
        Keyword arguments that matter to scikit-learn alone: what it prints, what else it returns.
    """

    function: Any
    estimator: Any
    X: Any
    y: Any
    parameters: dict | None
    train: Any
    test: Any
    scorer: Any
    fit_params: dict
    score_params: dict
    return_train_score: bool
    error_score: Any
    callbacks: Any
    rest: dict

    @classmethod
    def of(cls, function, args, kwargs) -> FitCall:
        """Return a call as joblib hands it over."""
        rest = dict(kwargs)
        estimator, X, y = args
        return cls(
            function=function,
            estimator=estimator,
            X=X,
            y=y,
            parameters=rest.pop("parameters"),
            train=rest.pop("train"),
            test=rest.pop("test"),
            scorer=rest.pop("scorer"),
            fit_params=rest.pop("fit_params") or {},
            score_params=rest.pop("score_params") or {},
            return_train_score=rest.pop("return_train_score", False),
            error_score=rest.pop("error_score", np.nan),
            callbacks=rest.pop("callback_ctx", None),
            rest=rest,
        )

    @property
    def is_for_student(self) -> bool:
        """Whether it fits a student, with nobody watching it."""
        watching = getattr(self.callbacks, "_callbacks", ()) or getattr(
            self.estimator, "_skl_callbacks", ()
        )
        return (
            getattr(self.function, "function", None) is _fit_and_score
            and isinstance(self.estimator, Student)
            and self.parameters is not None
            and not watching
        )

    @property
    def settings(self) -> dict:
        """The parameters of the candidate's estimator, by name; nested ones as `parameters` has."""
        return vars(self.estimator) | (self.parameters or {})

    def run(self, function=None) -> dict:
        """Return what scikit-learn makes of it.

        Parameters
        ----------
        function : callable, default=None
            ``_fit_and_score`` itself, or None for `function`.
        """
        return (function or self.function)(
            self.estimator,
            self.X,
            self.y,
            parameters=self.parameters,
            train=self.train,
            test=self.test,
            scorer=self.scorer,
            fit_params=self.fit_params,
            score_params=self.score_params,
            return_train_score=self.return_train_score,
            error_score=self.error_score,
            callback_ctx=self.callbacks,
            **self.rest,
        )
