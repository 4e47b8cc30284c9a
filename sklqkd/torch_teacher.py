"""A trained torch module as a teacher."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array

from .checks import refuses_overflow
from .images import image_layout

__all__ = ["TorchTeacher", "is_torch_module"]


def is_torch_module(value) -> bool:
    """Return whether `value` is a ``torch.nn.Module``, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


class TorchTeacher(ClassifierMixin, BaseEstimator):
    """Classifier around a trained torch module that maps images to logits.

    It does not train the module and leaves it as it finds it: it is asked in evaluation mode,
    without gradients, on the device that its parameters are on.

    Parameters
    ----------
    module : torch.nn.Module
        Maps images, of shape (n_samples, channels, height, width), to logits, of shape (n_samples,
        n_classes).
    classes : array-like of shape (n_classes,), default=None
        The labels of the module's outputs, in their order; ``None`` for 0, 1, 2, ...
    image_shape : sequence of int, default=None
        (height, width), (channels, height, width) or (height, width, channels) of a row of `X`;
        ``None`` for a square grey-scale image. ``"flat"`` hands the module the rows as they are.
    batch_size : int, default=256
        Images per call of the module.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklqkd import TorchTeacher
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    >>> teacher = TorchTeacher(module, classes=["cat", "dog"], image_shape=(8, 8))
    >>> teacher.predict_proba(np.zeros((3, 64))).shape
    (3, 2)
    """

    def __init__(self, module, *, classes=None, image_shape=None, batch_size=256):
        self.module = module
        self.classes = classes
        self.image_shape = image_shape
        self.batch_size = batch_size

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_clone__(self):
        return self  # the module has been trained, like a FrozenEstimator's classifier

    def fit(self, X, y=None):
        """Return the teacher as it is: its module has been trained.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Ignored.
        y : array-like of shape (n_samples,), default=None
            Ignored.

        Returns
        -------
        self : object
            The teacher.
        """
        return self

    @property
    def classes_(self):
        """Class labels, (n_classes,)."""
        if self.classes is not None:
            return np.asarray(self.classes)
        if not hasattr(self, "_n_outputs"):
            raise AttributeError("classes_ is known after the first prediction, or from `classes`.")
        return np.arange(self._n_outputs)

    def predict_proba(self, X):
        """Return the class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.

        Raises
        ------
        TypeError
            If `module` is not a torch module.
        ValueError
            If the images are not of `image_shape`, or the module does not give a finite number for
            each of `classes`.
        """
        import torch

        if not is_torch_module(self.module):
            raise TypeError(
                f"module={self.module!r} is no torch.nn.Module. Pass the trained module itself."
            )
        with refuses_overflow("X"):
            X = check_array(X, dtype=np.float32)
        images = X
        if not isinstance(self.image_shape, str):
            images = image_layout(X.shape[1], self.image_shape).unflatten(X)
        elif self.image_shape != "flat":
            raise ValueError(
                f"image_shape={self.image_shape!r} is not known: give the shape of an image, such "
                "as (1, 28, 28), or 'flat'."
            )
        like = next(iter(self.module.parameters()), torch.zeros(1))
        with _evaluating(self.module), torch.no_grad():
            parts = [
                self._logits(torch.tensor(images[start : start + self.batch_size]).to(like))
                for start in range(0, len(images), self.batch_size)
            ]
        logits = np.concatenate(parts)
        if self.classes is not None and logits.shape[1] != len(self.classes):
            raise ValueError(
                f"{self._name()} gives {logits.shape[1]} numbers for an image, but classes has "
                f"{len(self.classes)}: {list(self.classes)}. Name one class for each."
            )
        self._n_outputs = logits.shape[1]
        return softmax(logits, axis=1)

    def predict(self, X):
        """Return the most probable class of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One flattened image per row.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Elements of ``classes_``.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def _name(self):
        return f"The module {type(self.module).__name__}"

    def _logits(self, images):
        import torch

        try:
            logits = self.module(images)
        except (RuntimeError, TypeError, IndexError, ValueError) as error:
            raise ValueError(
                f"{self._name()} does not take images of shape {tuple(images.shape)}: {error}. "
                "State the shape that it was trained on as image_shape, of a TorchTeacher or of "
                "the student; 'flat' (TorchTeacher) hands it the rows."
            ) from error
        if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != len(images):
            shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits)
            raise ValueError(
                f"{self._name()} gave {shape} for {len(images)} images, where logits of shape "
                f"({len(images)}, n_classes) are expected. Wrap it in a module that returns them."
            )
        return logits.double().cpu().numpy()


@contextmanager
def _evaluating(module):
    """Switch every part of a module to evaluation, and back to what it was."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
