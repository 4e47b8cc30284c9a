"""Image data sets as rows of a 2-D array, and the choice of a few samples of each class.

The loaders return pixels as float32 in [0, 1], which is what the reducers, the encodings and the
teachers of this package are tuned for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from math import prod
from pathlib import Path

import numpy as np
import sklearn.datasets
from sklearn.utils import (
    Bunch,
    _safe_indexing,
    check_consistent_length,
    column_or_1d,
)

from .random_states import random_generator

__all__ = ["fetch_cifar10", "fetch_fashion_mnist", "fetch_mnist", "load_digits", "take_per_class"]


@dataclass(frozen=True)
class _Source:
    """One data set: its file, and its place on OpenML."""

    title: str
    file: str
    image_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    openml_name: str
    openml_version: int
    openml_image_shape: tuple[int, ...]
    n_train: int
    citation: str

    def bunch(self, pixels, target, image_shape, class_names, origin):
        data = np.divide(pixels.reshape(len(pixels), -1), 255, dtype=np.float32)
        descr = (
            f"{self.title}: {len(data)} images of shape {image_shape}, 10 classes, pixel values "
            f"scaled to [0, 1].\n{self.citation}\nRead from {origin}."
        )
        return Bunch(
            data=data,
            target=target.astype(np.int64),
            image_shape=image_shape,
            class_names=np.asarray(class_names, dtype=str),
            DESCR=descr,
        )


_MNIST = _Source(
    title="MNIST handwritten digits",
    file="mnist.npz",
    image_shape=(28, 28),
    class_names=tuple("0123456789"),
    openml_name="mnist_784",
    openml_version=1,
    openml_image_shape=(28, 28),
    n_train=60_000,
    citation=(
        "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document "
        "recognition, Proceedings of the IEEE 86(11), 1998."
    ),
)
_FASHION_MNIST = _Source(
    title="Fashion-MNIST, Zalando's article images",
    file="fashion_mnist.npz",
    image_shape=(28, 28),
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    openml_name="Fashion-MNIST",
    openml_version=1,
    openml_image_shape=(28, 28),
    n_train=60_000,
    citation=(
        "H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking "
        "machine learning algorithms, arXiv:1708.07747, 2017."
    ),
)
_CIFAR10 = _Source(
    title="CIFAR-10",
    file="cifar10.npz",
    image_shape=(32, 32, 3),
    class_names=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    openml_name="CIFAR_10",
    openml_version=1,
    openml_image_shape=(3, 32, 32),
    n_train=50_000,
    citation=(
        "A. Krizhevsky, Learning multiple layers of features from tiny images, technical report, "
        "University of Toronto, 2009."
    ),
)


def load_digits(return_X_y=False):
    """Return scikit-learn's embedded 8 x 8 digits, scaled to [0, 1].

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the bunch.

    Returns
    -------
    digits : sklearn.utils.Bunch
        ``data`` (1797, 64) float32 in [0, 1], ``target`` (1797,) int64, ``image_shape`` (8, 8),
        ``class_names`` (10,) str, ``DESCR``.

    Examples
    --------
    >>> from sklqkd.datasets import load_digits
    >>> digits = load_digits()
    >>> digits.data.shape, float(digits.data.max()), digits.image_shape
    ((1797, 64), 1.0, (8, 8))
    """
    digits = sklearn.datasets.load_digits()
    digits = Bunch(
        data=np.divide(digits.data, 16, dtype=np.float32),
        target=digits.target.astype(np.int64),
        image_shape=(8, 8),
        class_names=digits.target_names.astype(str),
        DESCR=digits.DESCR,
    )
    return (digits.data, digits.target) if return_X_y else digits


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
        If `subset` is unknown, or the file or the download is not of this format.
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
    return _fetch(_MNIST, subset, data_home, return_X_y)


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
        If `subset` is unknown, or the file or the download is not of this format.
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
    return _fetch(_FASHION_MNIST, subset, data_home, return_X_y)


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
        If `subset` is unknown, or the file or the download is not of this format.
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
    return _fetch(_CIFAR10, subset, data_home, return_X_y)


def take_per_class(X, y, n, classes=None, *, shuffle=False, random_state=None):
    """Return the first, or random, `n` samples of each class, in their original order.

    The paper's data filtration: it trains the student on the first 150 training images of each of
    the classes 0 to 5, or 0 to 7 (arXiv:2311.13810, version 1, section 4.2).

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, ...)
        Samples.
    y : array-like of shape (n_samples,)
        Labels of any type.
    n : int
        Number of samples of each class, at least 1.
    classes : array-like, default=None
        The classes to keep; all of them when ``None``.
    shuffle : bool, default=False
        Draw the `n` samples of a class at random instead of taking the first ones.
    random_state : int, RandomState instance or None, default=None
        Makes the draw reproducible; used when ``shuffle=True``.

    Returns
    -------
    X, y : same types as the input
        The chosen samples, ``n * len(classes)`` of them.

    Raises
    ------
    ValueError
        If `n` is not a positive integer, a class does not occur in `y` or occurs less than `n`
        times, or a class is listed twice.

    Examples
    --------
    >>> from sklqkd.datasets import load_digits, take_per_class
    >>> X, y = take_per_class(*load_digits(return_X_y=True), 2, classes=[0, 7])
    >>> y
    array([0, 7, 0, 7])
    """
    check_consistent_length(X, y)
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n={n!r} is not a number of samples. Give a positive integer.")
    labels = column_or_1d(y)
    present = _distinct(labels, "y")
    wanted = present if classes is None else column_or_1d(classes)
    if len(_distinct(wanted, "classes")) < len(wanted):
        raise ValueError(f"classes={classes!r} lists a class twice.")
    rng = random_generator(random_state)
    chosen: list[int] = []
    for label in wanted.tolist():
        members = np.flatnonzero(labels == label)
        if len(members) == 0:
            raise ValueError(f"Class {label!r} does not occur in y, which has {present.tolist()}.")
        if len(members) < n:
            raise ValueError(
                f"Class {label!r} has {len(members)} samples, fewer than n={n}. "
                "Lower n, or leave the class out with classes=."
            )
        chosen.extend(rng.permutation(members)[:n] if shuffle else members[:n])
    indices = np.sort(chosen)
    return _safe_indexing(X, indices), _safe_indexing(y, indices)


def _distinct(labels, name):
    try:
        return np.unique(labels)
    except TypeError as error:
        raise TypeError(f"{name} mixes labels that cannot be sorted: {error}.") from error


def _fetch(source, subset, data_home, return_X_y):
    if subset not in ("train", "test"):
        raise ValueError(f'subset={subset!r} is unknown. Give "train" or "test".')
    folder = os.environ.get("SKLQKD_DATA_HOME") if data_home is None else data_home
    path = Path(folder).expanduser() / source.file if folder else None
    if path is not None and path.is_file():
        dataset = _read_archive(source, subset, path)
    else:
        dataset = _convert_openml(source, subset, _download(source, folder, path))
    return (dataset.data, dataset.target) if return_X_y else dataset


def _read_archive(source, subset, path):
    images, labels = f"X_{subset}", f"y_{subset}"
    try:
        # NumPy leaves a file that it opened itself open where the archive is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = {"X_train", "y_train", "X_test", "y_test"}.difference(archive.files)
            if missing:
                raise ValueError(f"it lacks the arrays {sorted(missing)}")
            X, y = archive[images], archive[labels]
            names = archive.get("class_names", source.class_names)
        _check_images(X, y, images, labels, source.image_shape)
        if np.shape(names) != (10,) or np.asarray(names).dtype.kind != "U":
            raise ValueError("class_names is not an array of 10 strings")
    except (PermissionError, MemoryError):
        raise
    except Exception as error:  # a damaged archive fails in zipfile, zlib, struct, ast, ...
        raise ValueError(
            f"{path} is damaged or not of the expected format: {error}. "
            f"Restore it, or delete it to download {source.openml_name} from OpenML instead."
        ) from error
    return source.bunch(X, y, source.image_shape, names, path)


def _check_images(X, y, images, labels, image_shape):
    if X.dtype != np.uint8 or X.shape[1:] != image_shape or len(X) == 0:
        expected = ", ".join(map(str, image_shape))
        raise ValueError(
            f"{images} has shape {X.shape} and dtype {X.dtype} where (n, {expected}) and uint8 "
            "are expected"
        )
    if y.dtype.kind not in "iu" or y.shape != (len(X),):
        raise ValueError(
            f"{labels} has shape {y.shape} and dtype {y.dtype} where ({len(X)},) and an integer "
            "dtype are expected"
        )
    if y.min() < 0 or y.max() > 9:
        raise ValueError(f"{labels} holds labels from {y.min()} to {y.max()}, not from 0 to 9")


def _download(source, data_home, path):
    # parser="auto" needs pandas, which this package does not require.
    parser = "pandas" if find_spec("pandas") else "liac-arff"
    try:
        return sklearn.datasets.fetch_openml(
            source.openml_name,
            version=source.openml_version,
            data_home=data_home,
            as_frame=False,
            parser=parser,
        )
    except (OSError, HTTPException, ValueError) as error:
        if path is None:
            searched = "No data folder was given (data_home, or SKLQKD_DATA_HOME)"
        else:
            searched = f"There is no file {path}"
        raise OSError(
            f"{searched}, and the download of {source.openml_name} from OpenML failed: {error}. "
            f"Put {source.file}, a NumPy archive of X_train, y_train, X_test and y_test, into a "
            "folder and pass that as data_home or in SKLQKD_DATA_HOME."
        ) from error


def _convert_openml(source, subset, raw):
    n_pixels = prod(source.openml_image_shape)
    if raw.data.ndim != 2 or raw.data.shape[1] != n_pixels or len(raw.data) <= source.n_train:
        raise ValueError(
            f"OpenML's {source.openml_name} came as an array of shape {raw.data.shape} where more "
            f"than {source.n_train} rows of {n_pixels} pixels are expected. Clear scikit-learn's "
            "cache of it and fetch it again."
        )
    part = slice(source.n_train) if subset == "train" else slice(source.n_train, None)
    X, y = raw.data[part], raw.target[part]
    is_pixels = X.dtype.kind in "uif" and X.min() >= 0 and X.max() <= 255
    if not is_pixels or not np.isin(y.astype(str), [*"0123456789"]).all():
        raise ValueError(
            f"OpenML's {source.openml_name} came with pixels that are not numbers from 0 to 255, "
            "or labels that are not from 0 to 9. Clear scikit-learn's cache of it and fetch it "
            "again."
        )
    origin = f"OpenML, {source.openml_name}, version {source.openml_version}"
    return source.bunch(X, y, source.openml_image_shape, source.class_names, origin)
