"""Data of one's own for the reproductions: the options ``--data``, ``--size``, ``--split``.

``--data`` names a folder with a folder of PNG or JPEG files for each class, or one that has two of
these, ``train`` and ``test``; or a NumPy archive (npz) of ``X`` and ``y``, or of ``X_train``,
``y_train``, ``X_test`` and ``y_test``. Images in it have the shape (n, height, width), (n, height,
width, channels) or (n, pixels), bytes or numbers in [0, 1]. Data that come in two parts keep them,
unless ``--split SEED`` draws others; a single part is split with seed 0.
"""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
from sklearn.model_selection import train_test_split

from sklqkd import datasets

__all__ = ["add_options", "read"]


def add_options(parser) -> None:
    """Add the options to a parser."""
    group = parser.add_argument_group("data of your own, in place of the paper's")
    group.add_argument("--data", type=Path, help="folder of pictures by class, or npz")
    group.add_argument("--size", type=int, help="bring pictures to this height and width")
    group.add_argument("--test-size", type=float, default=0.3, help="share of test images")
    group.add_argument("--split", type=int, help="seed of a new split into training and test")


def read(path: Path, *, size=None, test_size=0.3, split=None):
    """Return a name for the caches, and the parts of the data.

    Returns
    -------
    name : str
        It changes with the data and the split.
    parts : tuple
        Training images and labels, test images and labels; rows in [0, 1], labels from 0 on.
    image_shape : tuple of int
    """
    path = path.expanduser()
    given, image_shape = _from_folder(path, size) if path.is_dir() else _from_npz(path, size)
    if split is not None and len(given) == 4:
        given = [np.concatenate(pair) for pair in (given[::2], given[1::2])]
    if len(given) == 2:
        X, y = given
        X, X_test, y, y_test = train_test_split(
            X, y, test_size=test_size, stratify=y, random_state=split or 0
        )
    else:
        X, y, X_test, y_test = given
    classes = np.unique(y)
    unknown = np.setdiff1d(y_test, classes)
    if unknown.size:
        raise SystemExit(f"{path}: the classes {unknown.tolist()} have test images alone.")
    y, y_test = (np.searchsorted(classes, labels) for labels in (y, y_test))
    parts = X, y, X_test, y_test
    return f"{path.stem}-{joblib.hash(parts)[:8]}", parts, image_shape


def _from_folder(path, size):
    if (path / "train").is_dir() and (path / "test").is_dir():
        train = datasets.load_image_folder(path / "train", size=size)
        names = {"classes": list(train.class_names), "colour": len(train.image_shape) == 3}
        test = datasets.load_image_folder(path / "test", size=train.image_shape[:2], **names)
        return [train.data, train.target, test.data, test.target], train.image_shape
    bunch = datasets.load_image_folder(path, size=size)
    return [bunch.data, bunch.target], bunch.image_shape


def _from_npz(path, size):
    if size is not None:
        raise SystemExit("--size is for folders of pictures; an npz has images of one size.")
    with np.load(path, allow_pickle=False) as archive:
        names = ("X", "y") if "X" in archive else ("X_train", "y_train", "X_test", "y_test")
        missing = set(names) - set(archive.files)
        if missing:
            raise SystemExit(f"{path} lacks {sorted(missing)}; see {Path(__file__).name}.")
        given = [archive[name] for name in names]
    shape = given[0].shape[1:]
    if len(shape) == 1:
        side = round(shape[0] ** 0.5)
        if side * side != shape[0]:
            raise SystemExit(f"{path}: rows of {shape[0]} pixels are no square; give (n, h, w).")
        shape = side, side
    for i in range(0, len(given), 2):
        given[i] = given[i].reshape(len(given[i]), -1) / (255 if given[i].dtype == np.uint8 else 1)
        given[i] = given[i].astype(np.float32)
        if not (given[i].min() >= 0 and given[i].max() <= 1):
            raise SystemExit(f"{path}: pixels are neither bytes nor numbers in [0, 1].")
    return given, tuple(shape)
