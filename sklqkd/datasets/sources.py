"""Where an image data set comes from: an archive in a folder, or OpenML."""

from __future__ import annotations

import os
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from math import prod
from pathlib import Path

import numpy as np
import sklearn.datasets
from sklearn.utils import Bunch

from ..exceptions import DamagedFileError
from ..files import check_archive, open_regular
from ..memory import memory_limit

__all__ = ["CIFAR10", "FASHION_MNIST", "MNIST", "ImageSource", "fetch"]


@dataclass(frozen=True)
class ImageSource:
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
        """Return the Bunch of images of bytes, which came from `origin`."""
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


MNIST = ImageSource(
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
FASHION_MNIST = ImageSource(
    title="Fashion-MNIST, Zalando's article images",
    file="fashion_mnist.npz",
    image_shape=(28, 28),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
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
CIFAR10 = ImageSource(
    title="CIFAR-10",
    file="cifar10.npz",
    image_shape=(32, 32, 3),
    class_names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
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


def fetch(source, subset, data_home, return_X_y):
    """Return a subset of a source, from its archive where there is one, else from OpenML."""
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
        with open_regular(path) as file:
            headers = check_archive(file)  # before a small file becomes gigabytes
            missing = {"X_train", "y_train", "X_test", "y_test"}.difference(headers)
            if missing:
                raise ValueError(f"it lacks the arrays {sorted(missing)}")
            _check_headers(headers, images, labels, source.image_shape)
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                X, y = archive[images], archive[labels]
                names = archive.get("class_names", source.class_names)
        _check_images(X, y, images, labels, source.image_shape)
        if np.shape(names) != (10,) or np.asarray(names).dtype.kind != "U":
            raise ValueError("class_names is not an array of 10 strings")
    except (PermissionError, MemoryError):
        raise
    except Exception as error:  # a damaged archive fails in zipfile, zlib, struct, ast, ...
        raise DamagedFileError(
            f"{path} is damaged or not of the expected format: {error}. "
            f"Restore it, or delete it to download {source.openml_name} from OpenML instead."
        ) from error
    return source.bunch(X, y, source.image_shape, names, path)


def _check_headers(headers, images, labels, image_shape):
    """Check shapes and types, and that there is memory for the images as floats."""
    for name in (images, labels):
        if headers[name][1].hasobject:
            raise ValueError(f"{name} holds objects, which are not read (allow_pickle=False)")
    shape, dtype = headers[images]
    if dtype != np.uint8 or shape[1:] != image_shape or shape[0] == 0:
        expected = ", ".join(map(str, image_shape))
        raise ValueError(
            f"{images} has shape {shape} and dtype {dtype} where (n, {expected}) and uint8 "
            "are expected"
        )
    n_images, needed, memory = shape[0], 5 * prod(shape), memory_limit()
    if needed > memory:
        raise ValueError(
            f"{images} has {n_images} images, which take {needed / 2**30:,.1f} GiB as float32, and "
            f"there are {memory / 2**30:,.1f} GiB of memory"
        )
    shape, dtype = headers[labels]
    if dtype.kind not in "iu" or shape != (n_images,):
        raise ValueError(
            f"{labels} has shape {shape} and dtype {dtype} where ({n_images},) and an integer "
            "dtype are expected"
        )


def _check_images(X, y, images, labels, image_shape):
    _check_headers(
        {images: (X.shape, X.dtype), labels: (y.shape, y.dtype)}, images, labels, image_shape
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
