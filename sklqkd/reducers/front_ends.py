"""Trainable front-ends: the classical layers that turn pixels into features for the circuit.

A front-end computes, and differentiates, one mapping of a batch of images to ``n_components``
features. Its weights lie in a flat vector that belongs to the caller, so one optimiser serves the
front-end and whatever follows it: a softmax head in :mod:`sklqkd.reducers`, a quantum circuit in
a student. Front-ends live as long as a fit; fitted estimators keep the weights alone.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Protocol

import numpy as np

from ..images import ImageLayout
from ..losses import cross_entropy
from ..optimizers.adam import Adam, raise_if_diverged

__all__ = [
    "ConvFrontEnd",
    "FrontEnd",
    "LinearFrontEnd",
    "centred_overlap",
    "train_under_softmax",
]


class FrontEnd(Protocol):
    """What a training loop may ask of a front-end.

    Attributes
    ----------
    n_parameters : int
        Length of the flat weight vector.
    n_components : int
        Number of features that come out.
    step_size : float
        Learning rate of the front-end relative to that of what follows it.
    """

    n_parameters: int
    n_components: int
    step_size: float

    def initial_weights(self, rng: np.random.Generator, dtype=np.float64) -> np.ndarray:
        """Return a flat vector of random initial weights.

        Each layer's weights and biases are uniform in +-1 / sqrt(fan-in), PyTorch's default.
        """

    def bind(self, weights: np.ndarray, gradient: np.ndarray) -> None:
        """Keep views of the two flat vectors: `forward` reads one, `backward` writes the other.

        Changes made to `weights` in place are seen by the next `forward`.

        Raises
        ------
        ValueError
            If a vector is not one contiguous block of ``n_parameters`` numbers of one float dtype.
        """

    def forward(self, X: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the features of `X`, shape (n_samples, n_components), in the weights' dtype.

        With a generator the front-end is in training mode, and dropout is drawn from it; ``None``
        is inference. The array may be reused by the next call.
        """

    def backward(self, grad_features: np.ndarray) -> None:
        """Overwrite the bound gradient with that of the last `forward` for the weights.

        `grad_features` is the loss's gradient for the features, shape (n_samples, n_components).
        """


def _check_vectors(weights, gradient, n_parameters):
    # Reshaping a strided or a wrongly typed vector would copy it, and training would go nowhere.
    for name, vector in (("weights", weights), ("gradient", gradient)):
        if vector.shape != (n_parameters,) or not vector.flags.c_contiguous:
            raise ValueError(
                f"{name} must be a contiguous vector of {n_parameters} numbers, "
                f"got an array of shape {vector.shape} and strides {vector.strides}."
            )
    if weights.dtype != gradient.dtype or weights.dtype not in (np.float32, np.float64):
        raise ValueError(
            "weights and gradient must both be float32 or both be float64, "
            f"got {weights.dtype} and {gradient.dtype}."
        )


class LinearFrontEnd:
    """Fully connected layer with bias, ``X @ coef.T + intercept``; obeys :class:`FrontEnd`.

    The flat vector holds ``sqrt(n_features) * coef`` of shape (n_components, n_features), then
    ``intercept``. In these units a step of Adam, which moves every weight by about the learning
    rate, moves the features by about as much for images of any size; with ``coef`` itself, large
    images would need a smaller learning rate than the circuit behind them.

    Parameters
    ----------
    n_features : int
        Number of pixels.
    n_components : int
        Number of features that come out.

    Attributes
    ----------
    scale : float
        ``1 / sqrt(n_features)``: what the weights are multiplied by.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LinearFrontEnd(n_features=4, n_components=1)
    >>> weights, gradient = np.array([1.0, 2.0, 3.0, 4.0, 0.5]), np.empty(5)
    >>> layer.bind(weights, gradient)
    >>> layer.forward(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 2.0, 0.0, 0.0]]))
    array([[5.5],
           [2.5]])
    >>> layer.backward(np.ones((2, 1)))
    >>> gradient
    array([0.5, 1.5, 0.5, 0.5, 2. ])
    """

    step_size = 1.0

    def __init__(self, n_features: int, n_components: int):
        self.n_features = n_features
        self.n_components = int(n_components)
        self.n_parameters = self.n_components * (n_features + 1)
        self.scale = 1 / sqrt(n_features)

    def initial_weights(self, rng, dtype=np.float64):
        """Return uniform random weights, see :meth:`FrontEnd.initial_weights`."""
        weights = rng.uniform(-1, 1, self.n_parameters)
        weights[-self.n_components :] *= self.scale
        return weights.astype(dtype, copy=False)

    def bind(self, weights, gradient):
        """Keep views of the two flat vectors, see :meth:`FrontEnd.bind`."""
        _check_vectors(weights, gradient, self.n_parameters)
        shape, split = (self.n_components, self.n_features), self.n_components * self.n_features
        self._coef_transposed = weights[:split].reshape(shape).T
        self._intercept = weights[split:]
        self._coef_gradient = gradient[:split].reshape(shape)
        self._intercept_gradient = gradient[split:]
        self._features = np.empty((0, self.n_components), weights.dtype)

    def forward(self, X, rng=None):
        """Return the features of `X`, see :meth:`FrontEnd.forward`; there is no dropout."""
        self._X = X
        if len(self._features) != len(X):
            self._features = np.empty((len(X), self.n_components), self._features.dtype)
        np.matmul(X, self._coef_transposed, out=self._features)
        self._features *= self.scale
        self._features += self._intercept
        return self._features

    def backward(self, grad_features):
        """Overwrite the bound gradient, see :meth:`FrontEnd.backward`."""
        np.add.reduce(grad_features, axis=0, out=self._intercept_gradient)
        np.matmul((grad_features * self.scale).T, self._X, out=self._coef_gradient)


class ConvFrontEnd:
    """Small convolutional network, the front-end of the paper's version 1.

    Convolution to 10 channels (5 x 5), max-pool 2, ReLU; convolution to 20 channels (5 x 5),
    channel-wise dropout, max-pool 2, ReLU; fully connected to 50, ReLU, dropout; fully connected
    to `n_components`. The paper's closing ``pi * tanh`` belongs to the encoding. Computed by torch,
    whose tensors share memory with the bound vectors; obeys :class:`FrontEnd`.

    Parameters
    ----------
    layout : ImageLayout
        The images' size. Sides below 16 pixels, too short for the two stages, are padded to 16
        with zeros on both sides.
    n_components : int
        Number of features that come out.
    dropout : float, default=0.5
        Probability of dropping a channel, or a hidden unit, in [0, 1).

    Attributes
    ----------
    shapes : list of tuple of int
        Shapes of the weights in the flat vector: weight and bias of each layer in turn.

    References
    ----------
    Hasan and Mahdy, arXiv:2311.13810, version 1.

    Examples
    --------
    >>> from sklqkd.images import image_layout
    >>> ConvFrontEnd(image_layout(784), n_components=3).n_parameters
    21483
    """

    step_size = 0.3  # with dropout, at the circuit's learning rate, its ReLUs die
    _SHORTEST_SIDE = 16
    _CHUNK = 1024  # images at a time in inference: bounds the memory that activations take

    def __init__(self, layout: ImageLayout, n_components: int, dropout: float = 0.5):
        self.layout = layout
        self.n_components = int(n_components)
        self.dropout = dropout
        sides = (layout.height, layout.width)
        self._padded = tuple(max(side, self._SHORTEST_SIDE) for side in sides)
        (source_rows, rows), (source_columns, columns) = (
            centred_overlap(*pair) for pair in zip(sides, self._padded, strict=True)
        )
        self._source = (slice(None), slice(None), source_rows, source_columns)
        self._place = (slice(None), slice(None), rows, columns)
        flat = 20 * prod(((side - 4) // 2 - 4) // 2 for side in self._padded)
        weights = [(10, layout.channels, 5, 5), (20, 10, 5, 5), (50, flat)]
        weights.append((self.n_components, 50))
        self.shapes = [shape for weight in weights for shape in (weight, weight[:1])]
        self.n_parameters = sum(prod(shape) for shape in self.shapes)

    def initial_weights(self, rng, dtype=np.float64):
        """Return uniform random weights, see :meth:`FrontEnd.initial_weights`."""
        pieces = []
        for weight, bias in zip(self.shapes[::2], self.shapes[1::2], strict=True):
            bound = 1 / sqrt(prod(weight[1:]))
            pieces.append(rng.uniform(-bound, bound, prod(weight) + prod(bias)))
        return np.concatenate(pieces).astype(dtype, copy=False)

    def bind(self, weights, gradient):
        """Keep views of the two flat vectors, see :meth:`FrontEnd.bind`."""
        import torch

        _check_vectors(weights, gradient, self.n_parameters)
        ends = np.cumsum([prod(shape) for shape in self.shapes])[:-1]

        def tensors(vector):
            pieces = zip(np.split(vector, ends), self.shapes, strict=True)
            return [torch.from_numpy(piece.reshape(shape)) for piece, shape in pieces]

        self._dtype = weights.dtype
        self._weights = [tensor.requires_grad_() for tensor in tensors(weights)]
        self._gradient = tensors(gradient)

    def forward(self, X, rng=None):
        """Return the features of `X`, see :meth:`FrontEnd.forward`."""
        import torch

        self._X, self._features, self._masks = X, None, None
        if rng is not None:
            self._masks = self._draw_masks(len(X), rng)
            self._features = self._differentiable()
            return self._features.detach().numpy()
        with torch.no_grad():
            chunks = [X[i : i + self._CHUNK] for i in range(0, len(X), self._CHUNK)]
            return np.concatenate([self._network(chunk).numpy() for chunk in chunks])

    def backward(self, grad_features):
        """Overwrite the bound gradient, see :meth:`FrontEnd.backward`."""
        import torch

        if self._features is None:  # inference keeps no graph, and a graph serves once
            self._features = self._differentiable()
        grad_features = torch.tensor(grad_features, dtype=self._features.dtype)
        gradients = torch.autograd.grad(self._features, self._weights, grad_features)
        for bound, gradient in zip(self._gradient, gradients, strict=True):
            bound.copy_(gradient)
        self._features = None

    def _differentiable(self):
        import torch

        with torch.enable_grad():
            return self._network(self._X, self._masks)

    def _draw_masks(self, n_samples, rng):
        import torch

        keep = 1 - self.dropout
        masks = (
            rng.random((n_samples, size), self._dtype) < keep
            for size in (self.shapes[2][0], self.shapes[4][0])
        )
        return [
            torch.from_numpy(mask.astype(self._dtype) / self._dtype.type(keep)) for mask in masks
        ]

    def _network(self, X, masks=None):
        import torch
        from torch.nn.functional import conv2d, linear, max_pool2d, relu

        images = np.zeros((len(X), self.layout.channels, *self._padded), self._dtype)
        images[self._place] = self.layout.unflatten(X)[self._source]
        w1, b1, w2, b2, w3, b3, w4, b4 = self._weights
        hidden = relu(max_pool2d(conv2d(torch.from_numpy(images), w1, b1), 2))
        hidden = conv2d(hidden, w2, b2)
        if masks is not None:
            hidden = hidden * masks[0][:, :, None, None]
        hidden = relu(linear(relu(max_pool2d(hidden, 2)).flatten(1), w3, b3))
        if masks is not None:
            hidden = hidden * masks[1]
        return linear(hidden, w4, b4)


def centred_overlap(size: int, target: int) -> tuple[slice, slice]:
    """Return where an axis of `size` meets one of `target` pixels laid centre on centre.

    Parameters
    ----------
    size, target : int
        Number of pixels of the image and of the patch. An odd pixel of difference is left over
        at the end.

    Returns
    -------
    source, place : slice
        The part of the image that falls into the patch, and its place there.

    Examples
    --------
    >>> centred_overlap(28, 4), centred_overlap(3, 4)
    ((slice(12, 16, None), slice(0, 4, None)), (slice(0, 3, None), slice(0, 3, None)))
    """
    length = min(size, target)
    start, place = (size - length) // 2, (target - length) // 2
    return slice(start, start + length), slice(place, place + length)


def train_under_softmax(
    front_end, X, targets, *, max_iter=20, batch_size=32, learning_rate=0.01, rng
):
    """Train a front-end under a linear softmax head on cross-entropy, with mini-batch Adam.

    Parameters
    ----------
    front_end : FrontEnd
        Front-end for the pixels of `X`.
    X : ndarray of shape (n_samples, n_features), float32 or float64
        One flattened image per row. The weights have its dtype.
    targets : ndarray of shape (n_samples,)
        Class indices from 0.
    max_iter : int, default=20
        Number of epochs.
    batch_size : int, default=32
        Number of samples per step.
    learning_rate : float, default=0.01
        Step size of Adam.
    rng : numpy.random.Generator
        Source of the initial weights, the order of the samples and the dropout.

    Returns
    -------
    weights : ndarray of shape (n_parameters,)
        The front-end's trained weights; the head is dropped.

    Raises
    ------
    ValueError
        If training has diverged at the end.
    """
    one_hot = np.eye(targets.max() + 1, dtype=X.dtype)[targets]
    head = LinearFrontEnd(front_end.n_components, one_hot.shape[1])
    split = front_end.n_parameters
    weights = np.concatenate([part.initial_weights(rng, X.dtype) for part in (front_end, head)])
    gradient = np.empty_like(weights)
    front_end.bind(weights[:split], gradient[:split])
    head.bind(weights[split:], gradient[split:])
    coef = weights[split : split + head.n_components * head.n_features].reshape(
        head.n_components, head.n_features
    )
    adam = Adam(weights.size, weights.dtype, learning_rate=learning_rate)
    with np.errstate(over="ignore", invalid="ignore"):  # told of once, below
        for _ in range(max_iter):
            order = rng.permutation(len(X))
            for start in range(0, len(X), batch_size):
                batch = order[start : start + int(batch_size)]
                logits = head.forward(front_end.forward(X[batch], rng))
                _, grad = cross_entropy(logits, one_hot[batch])
                grad /= len(batch)
                head.backward(grad)
                front_end.backward(grad @ coef * head.scale)
                adam.step(weights, gradient)
    raise_if_diverged(weights, adam.second_moment)
    return weights[:split].copy()
