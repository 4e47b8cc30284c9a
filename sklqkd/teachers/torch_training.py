"""What training with torch needs to leave no trace: its generators, a device that is there."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import torch

from ..threads import renewed_in_children
from .torch_data import Rows  # noqa: F401  (files of release 0.1.0 look for it here)

__all__ = ["StoppedByCallback", "check_device", "forked_generators"]

# torch has one generator for all threads: nets that train in different threads take turns.
_GENERATOR_LOCK = renewed_in_children(threading.RLock())


def check_device(device) -> None:
    """Raise a TypeError for what names no device of torch, a ValueError for one that is not there.

    Examples
    --------
    >>> check_device("cpu")
    """
    if not isinstance(device, (str, torch.device, type(None))):
        raise TypeError(f"device={device!r} is no name of a device of torch.")
    try:
        torch.zeros(1, device="cpu" if device is None else device).cpu()
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f"device={device!r} cannot be used: {error}") from error


class StoppedByCallback(Exception):  # noqa: N818  (not an error)
    """Tells a callback's wish to stop, such as early stopping's, from the user's Ctrl-C."""


@contextmanager
def forked_generators(seed, device):
    """Seed torch's generators for the block, and put them back afterwards."""
    device = torch.device("cpu" if device is None else device)
    gpus = [device] if device.type == "cuda" else []
    with _GENERATOR_LOCK, torch.random.fork_rng(devices=gpus):
        # torch.manual_seed would also seed the generators of GPUs that take no part.
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield
