"""What the package takes from scikit-learn that is private there, in one place.

Another release may move it: this module, and the upper bound in ``setup.cfg``, are then what to
look at. What is behind a name is imported when the name is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "_fit_context": "sklearn.base",
    "BaseSearchCV": "sklearn.model_selection._search",
    "BaseSuccessiveHalving": "sklearn.model_selection._search_successive_halving",
    "HalvingGridSearchCV": "sklearn.model_selection._search_successive_halving",
    "HalvingRandomSearchCV": "sklearn.model_selection._search_successive_halving",
    "_fit_and_score": "sklearn.model_selection._validation",
    "_score": "sklearn.model_selection._validation",
    "_name_estimators": "sklearn.pipeline",
    "_safe_indexing": "sklearn.utils",
    "check_matplotlib_support": "sklearn.utils._optional_dependencies",
    "HasMethods": "sklearn.utils._param_validation",
    "Interval": "sklearn.utils._param_validation",
    "InvalidParameterError": "sklearn.utils._param_validation",
    "Options": "sklearn.utils._param_validation",
    "StrOptions": "sklearn.utils._param_validation",
    "_interval_max_min_ratio": "sklearn.utils._plotting",
    "_safe_split": "sklearn.utils.metaestimators",
    "_check_feature_names_in": "sklearn.utils.validation",
    "_check_method_params": "sklearn.utils.validation",
    "_check_sample_weight": "sklearn.utils.validation",
    "_num_samples": "sklearn.utils.validation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
