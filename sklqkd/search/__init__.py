"""Searches that train their candidates together: scikit-learn's, with the same results.

:class:`StackedGridSearchCV` and :class:`StackedRandomizedSearchCV` are used as scikit-learn's
classes of that name without "Stacked". Candidates and folds whose students share their shapes are
trained as one stack (:mod:`sklqkd.search.stacking`): any temperature, `lam`, learning rate,
distillation loss, seed and fold. What a teacher says, and what a reducer without trained weights
makes of the images, is computed once for each fold. Everything else in a search is fitted as usual.

Stacks are for up to 5 qubits on the exact simulator, with the reducer "fc" or one that is fixed;
more qubits are arithmetic that a stack does not spare, and such students are trained one by one, on
what their fold shares. Each student equals the one that its own ``fit`` with the same
`random_state` gives, but for the rounding of floats. The first search after an installation with
numba (the ``fast`` extra) waits some seconds for the loops to be compiled.

Stacks run on joblib's backends as other calls do: `n_jobs`, and ``joblib.parallel_config`` for
another backend than local processes.
"""

from .searches import StackedGridSearchCV, StackedRandomizedSearchCV

__all__ = ["StackedGridSearchCV", "StackedRandomizedSearchCV"]
