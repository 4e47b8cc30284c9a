"""Students: small classifiers, quantum and classical, alone or taught by a bigger one."""

from .classical import DistilledLinearClassifier, DistilledMLPClassifier
from .qnn import DistilledQNNClassifier, QNNClassifier

__all__ = [
    "DistilledLinearClassifier",
    "DistilledMLPClassifier",
    "DistilledQNNClassifier",
    "QNNClassifier",
]
