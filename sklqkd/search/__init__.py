"""Searches that share what their candidates have in common: scikit-learn's, with the same results.

:class:`StackedGridSearchCV` and :class:`StackedRandomizedSearchCV` are used as scikit-learn's
classes of that name without "Stacked". What a teacher says, and what a reducer without trained
weights makes of the images, is computed once for each fold, and images are checked once. A stack is
what one job trains, one student after the other on the folds that they share. Each student is bit
for bit the one that its own ``fit`` with the same `random_state` gives. Everything else in a search
is fitted as usual.

Successive halving, :class:`StackedHalvingGridSearchCV` and :class:`StackedHalvingRandomSearchCV`,
has losers leave, and with ``resource="max_iter"`` the rest train on from where they are
(:mod:`sklqkd.search.halving`).

:class:`DistilledQNNClassifierCV` chooses a student's temperature, lam and loss so, in one fit.

Images without a label are in every training set and in no test set: of these searches by
themselves, and of scikit-learn's tools with ``cv=LabelledSplit(5)``.

Stacks run on joblib's backends as other calls do: `n_jobs`, and ``joblib.parallel_config`` for
another backend than local processes. ``joblib.parallel_config(backend="dask")`` has a Dask cluster
train them: the images, the teacher and the folds are sent there once, and a stack whose worker dies
is trained again by another. Workers with one thread each are best. Ray's backend
(``ray.util.joblib.register_ray``, tried with Ray 2.60) works as it is with ``n_jobs=-1``; it
returns all results at the end, so that neither progress nor a checkpoint sees them before.
"""

from .distilled_cv import DistilledQNNClassifierCV
from .halving import StackedHalvingGridSearchCV, StackedHalvingRandomSearchCV
from .searches import StackedGridSearchCV, StackedRandomizedSearchCV
from .splitting import LabelledSplit

__all__ = [
    "DistilledQNNClassifierCV",
    "LabelledSplit",
    "StackedGridSearchCV",
    "StackedHalvingGridSearchCV",
    "StackedHalvingRandomSearchCV",
    "StackedRandomizedSearchCV",
]
