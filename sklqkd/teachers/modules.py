"""The convolutional networks behind :mod:`sklqkd.teachers`, as torch modules.

Each takes images of shape (n_samples, channels, height, width) and returns logits of shape
(n_samples, n_classes). Sizes and activations are those of the papers; only the widths that follow
from the image (its channels, the first fully connected layer) are computed. An image smaller than
the convolutions and pools need is centred on a black one of the least height and width they need.
"""

from __future__ import annotations

import json

import torch
from torch import nn
from torch.nn.functional import pad

__all__ = ["AlexNet", "LeNet5", "ResNet", "saved_description"]

_DESCRIPTION = "_extra_state"  # torch's name


class Described(nn.Sequential):
    """A network whose saved parameters say what it was made for, as text in a tensor of bytes."""

    _description = ""
    #: Of the normal distribution that weights are drawn from; None for torch's own way.
    gain: float | None = None

    def describe(self, image_shape, classes):
        """Keep the shape of the images and the labels of the outputs, of Python's own types."""
        self._description = json.dumps({"image_shape": list(image_shape), "classes": classes})

    def get_extra_state(self):
        """Return the description, for a state dict."""
        return torch.tensor(list(self._description.encode()), dtype=torch.uint8)

    def set_extra_state(self, state):
        """Take over a description."""
        self._description = bytes(state.tolist()).decode()

    def _load_from_state_dict(self, state_dict, prefix, metadata, strict, missing, *others):
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, missing, *others)
        if prefix + _DESCRIPTION in missing:  # parameters that sklqkd 0.1.0 saved
            missing.remove(prefix + _DESCRIPTION)


def saved_description(state_dict):
    """Return what a state dict says of its network: a dict, None if it says nothing."""
    state = state_dict.get(_DESCRIPTION)
    return json.loads(bytes(state.tolist()).decode()) if state is not None and len(state) else None


class LeNet5(Described):
    """LeNet-5 with tanh and average pooling.

    Parameters
    ----------
    image_shape : tuple of 3 int
        (channels, height, width).
    n_classes : int
        Number of logits.
    """

    gain = 1.3

    def __init__(self, image_shape: tuple[int, int, int], n_classes: int):
        channels, height, width = image_shape
        height, width = max(height, 16), max(width, 16)
        n_features = 16 * _after_lenet(height) * _after_lenet(width)
        super().__init__(
            Frame(image_shape, height, width),
            nn.Conv2d(channels, 6, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(n_features, 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, n_classes),
        )


class AlexNet(Described):
    """AlexNet for small images: three 3 x 3 convolutions, two wide layers with dropout.

    Parameters
    ----------
    image_shape : tuple of 3 int
        (channels, height, width).
    n_classes : int
        Number of logits.
    hidden_size : int, default=4096
        Width of the two fully connected layers.
    dropout : float in [0, 1], default=0.5
        Probability that an input of a fully connected layer is dropped in training.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        hidden_size: int = 4096,
        dropout: float = 0.5,
    ):
        channels, height, width = image_shape
        height, width = max(height, 4), max(width, 4)
        n_features = 384 * (height // 4) * (width // 4)
        super().__init__(
            Frame(image_shape, height, width),
            nn.Conv2d(channels, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 192, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(n_features, hidden_size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, n_classes),
        )


class ResNet(Described):
    """Residual network for small images, with parameter-free shortcuts.

    Parameters
    ----------
    image_shape : tuple of 3 int
        (channels, height, width).
    n_classes : int
        Number of logits.
    n_blocks : int, default=3
        Residual blocks per stage: 6 * n_blocks + 2 layers with weights, 20 by default.
    width : int, default=16
        Channels of the first stage; each of the next two has twice those of the one before.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        n_blocks: int = 3,
        width: int = 16,
    ):
        channels = image_shape[0]
        # From 5 x 5 on the last stage has more than one pixel: batch norm cannot train on a
        # mini-batch with a single value per channel, and the last mini-batch may hold one image.
        height, row = max(image_shape[1], 5), max(image_shape[2], 5)
        stages = [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        n_in = width
        for stage, n_out in enumerate((width, 2 * width, 4 * width)):
            for block in range(n_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(ResidualBlock(n_in, n_out, stride))
                n_in = n_out
        super().__init__(
            Frame(image_shape, height, row),
            *stages[:2],
            nn.ReLU(),
            *stages[2:],
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(n_in, n_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input is added back (He et al., option A).

    Parameters
    ----------
    n_in, n_out : int
        Channels of the input and the output; missing ones are zeros in the shortcut.
    stride : int
        Stride of the first convolution; the shortcut takes every `stride`-th pixel.
    """

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.stride = stride
        self.extra_channels = n_out - n_in
        self.residual = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return relu(shortcut + residual)."""
        shortcut = x[:, :, :: self.stride, :: self.stride]
        before = self.extra_channels // 2
        shortcut = pad(shortcut, (0, 0, 0, 0, before, self.extra_channels - before))
        return torch.relu(shortcut + self.residual(x))


def _after_lenet(size: int) -> int:
    """Return what two rounds of a 5 x 5 convolution and a pool by 2 leave of `size` pixels."""
    return ((size - 4) // 2 - 4) // 2


class Frame(nn.ZeroPad2d):
    """Centres an image on a black one, and scales its pixels.

    Parameters
    ----------
    image_shape : tuple of 3 int
        (channels, height, width).
    height, width : int
        Of the black image.

    Attributes
    ----------
    mean, deviation : torch.Tensor
        Of the pixels that come in; 0 and 1 where they are to stay as they are.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, image_shape: tuple[int, int, int], height: int, width: int):
        rows, columns = height - image_shape[1], width - image_shape[2]
        left, top = columns // 2, rows // 2
        super().__init__((left, columns - left, top, rows - top))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the framed images, scaled."""
        return (super().forward(x) - self.mean) / self.deviation

    def _load_from_state_dict(self, state_dict, prefix, metadata, strict, missing, *others):
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, missing, *others)
        for name in ("mean", "deviation"):
            if prefix + name in missing:  # parameters that sklqkd 0.1.0 saved
                missing.remove(prefix + name)
