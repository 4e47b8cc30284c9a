"""Image data sets as rows of a 2-D array, and the choice of a few samples of each class."""

from .folders import load_image_folder
from .loaders import fetch_cifar10, fetch_fashion_mnist, fetch_mnist, load_digits
from .selection import take_per_class

__all__ = [
    "fetch_cifar10",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "load_digits",
    "load_image_folder",
    "take_per_class",
]
