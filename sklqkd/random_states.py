"""From scikit-learn's `random_state` to a generator, with the global ones left as they are."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

__all__ = ["numpy_generator", "random_generator"]


def random_generator(random_state) -> np.random.RandomState:
    """Return scikit-learn's kind of generator for a `random_state`; a new one for None.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        scikit-learn reads None as NumPy's global generator, which is not ours to advance.
    """
    return np.random.RandomState() if random_state is None else check_random_state(random_state)


def numpy_generator(random_state) -> np.random.Generator:
    """Return the faster generator of NumPy that stands for a `random_state`.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        A RandomState instance is advanced.

    Examples
    --------
    >>> bool(numpy_generator(0).random() == numpy_generator(0).random())
    True
    """
    seed = random_generator(random_state).randint(2**32, size=4, dtype=np.uint32)
    return np.random.default_rng(seed)
