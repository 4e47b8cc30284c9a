"""A trained module of torch as a teacher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from math import prod

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_array

from ..checks import refuses_overflow
from ..documentation import Documented
from ..images import image_layout
from .torch_training import forked_generators

__all__ = ["TorchTeacher"]

#: Images that the module sees at a time.
_BATCH = 256


class TorchTeacher(Documented, ClassifierMixin, BaseEstimator):
    """A trained torch module that maps images to logits, as a fitted classifier.

    The module is asked in evaluation mode, on the device and in the precision of its parameters,
    and left as it was: the training flags of its parts, its gradients and torch's generators. It
    is never trained: `fit` does nothing, and ``clone`` hands the teacher on, as those of
    :class:`sklearn.frozen.FrozenEstimator` do.

    Parameters
    ----------
    module : torch.nn.Module
        Maps a batch of images to logits of shape (n_images, n_classes): no softmax at its end.
    classes : array-like of shape (n_classes,)
        The labels that its outputs stand for, in their order.
    image_shape : tuple of 2 or 3 int, default=None
        Shape of the image in a row of `X`: (height, width), (channels, height, width) or (height,
        width, channels). The module is given (n_images, channels, height, width). ``None`` gives
        it rows as they are, (n_images, n_features).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of the module's outputs.
    n_features_in_ : int
        Number of pixels of an image, where `image_shape` says it.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklqkd import TorchTeacher
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    >>> teacher = TorchTeacher(module, classes=["cat", "dog"], image_shape=(2, 2))
    >>> teacher.predict_proba(np.zeros((3, 4))).shape
    (3, 2)
    """

    def __init__(self, module, classes, image_shape=None):
        self.module = module
        self.classes = classes
        self.image_shape = image_shape

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_clone__(self):
        return self

    @property
    def classes_(self):
        """The labels, in the order of the module's outputs."""
        classes = np.asarray(self.classes)
        if classes.ndim != 1 or len(classes) < 2 or len(np.unique(classes)) < len(classes):
            raise ValueError(
                f"classes={self.classes!r} must be at least two different labels, one for each "
                "output of the module."
            )
        return classes

    @property
    def n_features_in_(self):
        """Number of pixels of an image."""
        if self.image_shape is None:
            raise AttributeError("Without image_shape the number of features is not known.")
        return prod(self.image_shape)

    def fit(self, X, y=None):
        """Return the teacher: its module is trained already.

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

    def decision_function(self, X):
        """Return the module's logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes) or (n_samples,)
            With two classes the logit of ``classes_[1]`` less that of ``classes_[0]``.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_log_proba(self, X):
        """Return the logarithms of the class probabilities, columns in the order of `classes_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Log-softmax of the logits.
        """
        return log_softmax(self._logits(X), axis=1)

    def predict_proba(self, X):
        """Return the class probabilities, columns in the order of `classes_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Softmax of the logits.

        Raises
        ------
        TypeError
            If `module` is no module of torch, or gives no tensor.
        ValueError
            If the images, the module, its outputs and `classes` do not fit each other.
        """
        return softmax(self._logits(X), axis=1)

    def predict(self, X):
        """Return the most probable label of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Elements of `classes_`.
        """
        return self.classes_[self._logits(X).argmax(axis=1)]

    def _logits(self, X):
        if not isinstance(self.module, torch.nn.Module):
            raise TypeError(
                f"module={self.module!r} is no torch.nn.Module. Pass the trained module itself."
            )
        with refuses_overflow("X"):
            X = check_array(X, dtype=[np.float32, np.float64], input_name="X")
        if self.image_shape is not None:
            X = image_layout(X.shape[1], self.image_shape).unflatten(X)
        tensors = chain(self.module.parameters(), self.module.buffers())
        like = next((t for t in tensors if t.is_floating_point()), torch.zeros(1))
        parts = []
        with _evaluating(self.module), torch.no_grad(), forked_generators(0, like.device):
            for start in range(0, len(X), _BATCH):
                batch = np.ascontiguousarray(X[start : start + _BATCH])
                parts.append(self._ask(torch.tensor(batch, dtype=like.dtype, device=like.device)))
        logits = np.concatenate(parts)
        if len(logits) > 1 and logits.min() >= 0 and np.allclose(logits.sum(axis=1), 1, atol=1e-3):
            raise ValueError(
                "The module's outputs are not negative and sum to 1 for each image: probabilities, "
                "not logits. Leave out the softmax at its end, or take the logarithm after it."
            )
        return logits

    def _ask(self, batch):
        shape = tuple(batch.shape)
        try:
            out = self.module(batch)
        except torch.OutOfMemoryError:
            raise
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"The module {type(self.module).__name__} cannot take images of shape {shape}: "
                f"{error}. image_shape={self.image_shape!r} says how a row of X is laid out; None "
                "gives the module flat rows."
            ) from error
        out = getattr(out, "logits", out)  # as modules of transformers return them
        if not isinstance(out, torch.Tensor):
            raise TypeError(
                f"The module {type(self.module).__name__} gives {type(out).__name__}, and a teacher"
                " gives a tensor of logits. Wrap it in a module that returns them alone."
            )
        expected = len(batch), len(self.classes_)
        if tuple(out.shape) != expected:
            raise ValueError(
                f"The module gives an array of shape {tuple(out.shape)} for {len(batch)} images, "
                f"and there are {expected[1]} classes: {self.classes_.tolist()}. Name the labels "
                "of all its outputs, in their order; a single output for two classes is "
                "torch.cat([torch.zeros_like(out), out], 1)."
            )
        return out.cpu().to(torch.float64).numpy()


@contextmanager
def _evaluating(module) -> Iterator[None]:
    """Put a module and all its parts into evaluation mode, and back to where each of them was."""
    flags = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for part, flag in flags:
            part.training = flag
