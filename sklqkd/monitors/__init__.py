"""Callbacks that watch the training of a student, and may end it.

They are public as :mod:`sklqkd.callbacks`.
"""

from .early_stopping import EarlyStopping
from .functions import Epoch, FunctionCallback
from .mlflow_logger import MLflowLogger
from .optuna_pruning import OptunaPruning
from .progress_bar import ProgressBar

__all__ = [
    "EarlyStopping",
    "Epoch",
    "FunctionCallback",
    "MLflowLogger",
    "OptunaPruning",
    "ProgressBar",
]
