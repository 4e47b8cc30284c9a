"""Teachers: image classifiers on skorch that keep to scikit-learn's rules."""

from .classifiers import AlexNetClassifier, LeNetClassifier, ResNetClassifier

__all__ = ["AlexNetClassifier", "LeNetClassifier", "ResNetClassifier"]
