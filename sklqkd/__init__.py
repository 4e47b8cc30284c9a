"""Distil trained image classifiers into classifiers that run on a few qubits.

Every public name is imported when it is first used, so that ``import sklqkd`` stays cheap:
PennyLane, Qiskit, torch and skorch are loaded by the estimators that need them.

Public is what this module lists, and what the sub-packages among it list: a release changes it with
notice. All other modules are how it is done, and their ``__all__`` says what they have for each
other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from . import (
        callbacks,
        datasets,
        evaluation,
        exceptions,
        losses,
        optimizers,
        persistence,
        plotting,
        search,
        testing,
        twin,
    )
    from .reducers import (
        CenterCropReducer,
        ConvReducer,
        FCReducer,
        PCAReducer,
        PoolingReducer,
        TeacherReducer,
    )
    from .references import citation
    from .search import DistilledQNNClassifierCV
    from .students import (
        DistilledLinearClassifier,
        DistilledMLPClassifier,
        DistilledQNNClassifier,
        QNNClassifier,
    )
    from .teachers import AlexNetClassifier, LeNetClassifier, ResNetClassifier, TorchTeacher

__all__ = [
    "AlexNetClassifier",
    "CenterCropReducer",
    "ConvReducer",
    "DistilledLinearClassifier",
    "DistilledMLPClassifier",
    "DistilledQNNClassifier",
    "DistilledQNNClassifierCV",
    "FCReducer",
    "LeNetClassifier",
    "PCAReducer",
    "PoolingReducer",
    "QNNClassifier",
    "ResNetClassifier",
    "TeacherReducer",
    "TorchTeacher",
    "__version__",
    "callbacks",
    "citation",
    "datasets",
    "evaluation",
    "exceptions",
    "losses",
    "optimizers",
    "persistence",
    "plotting",
    "search",
    "testing",
    "twin",
]

_HOME = {
    "AlexNetClassifier": "teachers",
    "CenterCropReducer": "reducers",
    "ConvReducer": "reducers",
    "DistilledLinearClassifier": "students",
    "DistilledMLPClassifier": "students",
    "DistilledQNNClassifier": "students",
    "DistilledQNNClassifierCV": "search",
    "FCReducer": "reducers",
    "LeNetClassifier": "teachers",
    "PCAReducer": "reducers",
    "PoolingReducer": "reducers",
    "QNNClassifier": "students",
    "ResNetClassifier": "teachers",
    "TeacherReducer": "reducers",
    "TorchTeacher": "teachers",
    "citation": "references",
}


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
