"""Teachers: image classifiers on skorch that keep to scikit-learn's rules, and torch modules."""

from .classifiers import AlexNetClassifier, LeNetClassifier, ResNetClassifier
from .torch_teacher import TorchTeacher

__all__ = ["AlexNetClassifier", "LeNetClassifier", "ResNetClassifier", "TorchTeacher"]
