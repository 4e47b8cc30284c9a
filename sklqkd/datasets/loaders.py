"""The loaders: images as rows of a 2-D array, pixels as float32 in [0, 1].

That scale is what the reducers, the encodings and the teachers of this package are tuned for.
"""

from __future__ import annotations

import numpy as np
import sklearn.datasets
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from .sources import CIFAR10, FASHION_MNIST, MNIST, fetch

__all__ = ["fetch_cifar10", "fetch_fashion_mnist", "fetch_mnist", "load_digits"]


def load_digits(subset=None, *, return_X_y=False):
    """Return scikit-learn's embedded 8 x 8 digits, scaled to [0, 1].

    Parameters
    ----------
    subset : {"train", "test"}, default=None
        One of the two parts of a fixed split, stratified by class: 1,347 and 450 images.
        All 1,797 of them when ``None``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the bunch.

    Returns
    -------
    digits : sklearn.utils.Bunch
        ``data`` (n, 64) float32 in [0, 1], ``target`` (n,) int64, ``image_shape`` (8, 8),
        ``class_names`` (10,) str, ``DESCR``.

    Raises
    ------
    ValueError
        If `subset` is unknown.

    Examples
    --------
    >>> from sklqkd.datasets import load_digits
    >>> digits = load_digits()
    >>> digits.data.shape, float(digits.data.max()), digits.image_shape
    ((1797, 64), 1.0, (8, 8))
    >>> X_test, y_test = load_digits("test", return_X_y=True)
    >>> X_test.shape
    (450, 64)
    """
    if subset not in (None, "train", "test"):
        raise ValueError(f'subset={subset!r} is unknown. Give "train", "test", or None for both.')
    digits = sklearn.datasets.load_digits()
    data, target = np.divide(digits.data, 16, dtype=np.float32), digits.target.astype(np.int64)
    if subset is not None:
        parts = train_test_split(data, target, stratify=target, random_state=0)
        data, target = parts[subset == "test" :: 2]
    digits = Bunch(
        data=data,
        target=target,
        image_shape=(8, 8),
        class_names=digits.target_names.astype(str),
        DESCR=digits.DESCR,
    )
    return (data, target) if return_X_y else digits


def fetch_mnist(subset="train", *, data_home=None, return_X_y=False):
    """Return the MNIST handwritten digits: 28 x 28 grey-scale images, 10 classes.

    Reads ``mnist.npz`` from `data_home` where it lies there, and otherwise downloads the data set
    from OpenML (``mnist_784``, version 1) with :func:`sklearn.datasets.fetch_openml`.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        The official training or test set, or the part of it that the file holds.
    data_home : path-like, default=None
        Folder of ``mnist.npz`` and of the download's cache. ``None`` stands for the environment
        variable ``SKLQKD_DATA_HOME`` and, where that is unset, for scikit-learn's data folder.
        The file holds ``X_train``, ``X_test`` (n, 28, 28) uint8, ``y_train``, ``y_test`` (n,)
        integers from 0 to 9 and, as an option, ``class_names`` (10,) str.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the bunch.

    Returns
    -------
    dataset : sklearn.utils.Bunch
        ``data`` (n, 784) float32 in [0, 1], ``target`` (n,) int64, ``image_shape``
        (28, 28), ``class_names`` (10,) str, ``DESCR``.

    Raises
    ------
    ValueError
        If `subset` is unknown, or the download is not of this format; a
        :class:`sklqkd.exceptions.DamagedFileError` if the file is not.
    OSError
        If there is no such file and the download fails.

    References
    ----------
    Y. LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the
    IEEE 86(11), 1998.

    Examples
    --------
    >>> from sklqkd.datasets import fetch_mnist
    >>> X, y = fetch_mnist("test", return_X_y=True)  # doctest: +SKIP
    """
    return fetch(MNIST, subset, data_home, return_X_y)


def fetch_fashion_mnist(subset="train", *, data_home=None, return_X_y=False):
    """Return Fashion-MNIST, articles of clothing: 28 x 28 grey-scale images, 10 classes.

    Reads ``fashion_mnist.npz`` from `data_home` where it lies there, and otherwise downloads the
    data set from OpenML (``Fashion-MNIST``, version 1) with
    :func:`sklearn.datasets.fetch_openml`.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        The official training or test set, or the part of it that the file holds.
    data_home : path-like, default=None
        Folder of ``fashion_mnist.npz`` and of the download's cache. ``None`` stands for the
        environment variable ``SKLQKD_DATA_HOME`` and, where that is unset, for scikit-learn's data
        folder.
        The file holds ``X_train``, ``X_test`` (n, 28, 28) uint8, ``y_train``, ``y_test`` (n,)
        integers from 0 to 9 and, as an option, ``class_names`` (10,) str.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the bunch.

    Returns
    -------
    dataset : sklearn.utils.Bunch
        ``data`` (n, 784) float32 in [0, 1], ``target`` (n,) int64, ``image_shape``
        (28, 28), ``class_names`` (10,) str, ``DESCR``.

    Raises
    ------
    ValueError
        If `subset` is unknown, or the download is not of this format; a
        :class:`sklqkd.exceptions.DamagedFileError` if the file is not.
    OSError
        If there is no such file and the download fails.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", arXiv:1708.07747, 2017.

    Examples
    --------
    >>> from sklqkd.datasets import fetch_fashion_mnist
    >>> X, y = fetch_fashion_mnist("test", return_X_y=True)  # doctest: +SKIP
    """
    return fetch(FASHION_MNIST, subset, data_home, return_X_y)


def fetch_cifar10(subset="train", *, data_home=None, return_X_y=False):
    """Return CIFAR-10, animals and vehicles: 32 x 32 colour images, 10 classes.

    Reads ``cifar10.npz`` from `data_home` where it lies there, and otherwise downloads the data set
    from OpenML (``CIFAR_10``, version 1) with :func:`sklearn.datasets.fetch_openml`. Its rows are
    channels-first: read ``image_shape`` rather than assume it.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        The official training or test set, or the part of it that the file holds.
    data_home : path-like, default=None
        Folder of ``cifar10.npz`` and of the download's cache. ``None`` stands for the environment
        variable ``SKLQKD_DATA_HOME`` and, where that is unset, for scikit-learn's data folder.
        The file holds ``X_train``, ``X_test`` (n, 32, 32, 3) uint8, ``y_train``, ``y_test`` (n,)
        integers from 0 to 9 and, as an option, ``class_names`` (10,) str.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the bunch.

    Returns
    -------
    dataset : sklearn.utils.Bunch
        ``data`` (n, 3072) float32 in [0, 1], ``target`` (n,) int64, ``image_shape``
        (32, 32, 3), or (3, 32, 32) from OpenML, ``class_names`` (10,) str, ``DESCR``.

    Raises
    ------
    ValueError
        If `subset` is unknown, or the download is not of this format; a
        :class:`sklqkd.exceptions.DamagedFileError` if the file is not.
    OSError
        If there is no such file and the download fails.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", technical report,
    University of Toronto, 2009.

    Examples
    --------
    >>> from sklqkd.datasets import fetch_cifar10
    >>> X, y = fetch_cifar10("test", return_X_y=True)  # doctest: +SKIP
    """
    return fetch(CIFAR10, subset, data_home, return_X_y)
