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

Successive halving, :class:`StackedHalvingGridSearchCV` and :class:`StackedHalvingRandomSearchCV`,
has losers leave the stack, and with ``resource="max_iter"`` the rest train on from where they are
(:mod:`sklqkd.search.halving`).

Images without a label are in every training set and in no test set: of these searches by
themselves, and of scikit-learn's tools with ``cv=LabelledSplit(5)``.

Stacks run on joblib's backends as other calls do: `n_jobs`, and ``joblib.parallel_config`` for
another backend than local processes. ``joblib.parallel_config(backend="dask")`` has a Dask cluster
train them: the images, the teacher and the folds are sent there once, and a stack whose worker dies
is trained again by another. Workers with one thread each are best. Ray's backend
(``ray.util.joblib.register_ray``, tried with Ray 2.60) works as it is with ``n_jobs=-1``; it
returns all results at the end, so that neither progress nor a checkpoint sees them before.
"""

from .halving import StackedHalvingGridSearchCV, StackedHalvingRandomSearchCV
from .searches import StackedGridSearchCV, StackedRandomizedSearchCV
from .splitting import LabelledSplit

__all__ = [
    "LabelledSplit",
    "StackedGridSearchCV",
    "StackedHalvingGridSearchCV",
    "StackedHalvingRandomSearchCV",
    "StackedRandomizedSearchCV",
]
