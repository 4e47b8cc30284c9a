"""Displays of comparisons, by scikit-learn's convention: data first, drawn by ``plot``."""

from .curve_display import DistillationCurveDisplay
from .evaluation_display import EvaluationDisplay

__all__ = ["DistillationCurveDisplay", "EvaluationDisplay"]
