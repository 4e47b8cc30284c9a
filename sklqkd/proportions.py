"""What amplitude encoding loses of features: their sign as a whole, and their length."""

from __future__ import annotations

import numpy as np

__all__ = ["proportions_warning"]

#: Images that are looked at: from how many on, and how many at most.
FEWEST, MOST = 50, 256
#: The loss from which it is told.
LOSS = 0.15


def proportions_warning(features: np.ndarray, y: np.ndarray) -> str | None:
    """Return what to say where states tell classes apart much worse than the features do.

    A state keeps the proportions of its features: x, -x and 2 x are one state. How much that is
    worth is seen by the nearest neighbours of a few images, by distance and by overlap of states.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        As they are encoded.
    y : ndarray of shape (n_samples,)
        Labels.

    Returns
    -------
    text : str or None

    Examples
    --------
    >>> import numpy as np
    >>> features = np.linspace(-1, 1, 100)[:, None] * [0.5, 0.2]
    >>> proportions_warning(features, features[:, 0] > 0)[:31]
    'Amplitude encoding keeps the pr'
    >>> proportions_warning(features + 1, features[:, 0] > 0) is None
    True
    """
    rows = np.linspace(0, len(y) - 1, min(MOST, len(y))).astype(int)
    states = np.tanh(features[rows])
    norms = np.linalg.norm(states, axis=1)
    is_light = norms > 0
    if is_light.sum() < FEWEST:
        return None
    rows, states = rows[is_light], states[is_light] / norms[is_light, None]
    overlap = np.abs(states @ states.T)
    points = features[rows]
    squares = np.einsum("nf,nf->n", points, points)
    closeness = 2 * points @ points.T - squares
    shares = []
    for near in (closeness, overlap):
        np.fill_diagonal(near, -np.inf)
        shares.append(float((y[rows[near.argmax(axis=1)]] == y[rows]).mean()))
    by_features, by_states = shares
    if by_features - by_states <= LOSS:
        return None
    return (
        f"Amplitude encoding keeps the proportions of the features alone: x, -x and 2 x are one "
        f"state. Of {len(rows)} images, the nearest one by its features has the same label for "
        f"{by_features:.0%}, by its state for {by_states:.0%}. Use another encoding, or add a "
        "constant feature beside which size and sign count: with sklearn.preprocessing's "
        "PolynomialFeatures(degree=1) as the last step before the student."
    )
