"""Data of one's own for the reproductions of the paper: folders, archives, and any split."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.model_selection import train_test_split

PAPER = Path(__file__).parents[1] / "benchmarks" / "paper"


@pytest.fixture(scope="module")
def scripts():
    """The modules of the scripts, whose folder is on the path as when one of them runs."""
    sys.path.insert(0, str(PAPER))
    try:
        import common
        import own_data

        yield common, own_data
    finally:
        sys.path.remove(str(PAPER))


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (40, 5, 4), dtype=np.uint8), np.repeat([3, 7], 20)


def write_folder(folder, X, y):
    for i, (pixels, label) in enumerate(zip(X, y, strict=True)):
        path = folder / str(label) / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def test_archives_of_one_part_are_split(scripts, images, tmp_path):
    X, y = images
    path = tmp_path / "mine.npz"
    np.savez(path, X=X, y=y)
    rows, labels = X.reshape(40, -1) / np.float32(255), np.repeat([0, 1], 20)
    names = set()
    for split in (None, 0, 1):
        name, parts, shape = scripts[1].read(path, test_size=0.25, split=split)
        how = {"test_size": 0.25, "stratify": labels, "random_state": split or 0}
        X_train, X_test, y_train, y_test = train_test_split(rows, labels, **how)
        for found, expected in zip(parts, (X_train, y_train, X_test, y_test), strict=True):
            assert_array_equal(found, expected)
        assert shape == (5, 4)
        assert name.startswith("mine-")
        names.add(name)
    assert len(names) == 2  # a cache of one split is none of another


def test_parts_are_kept_unless_split_anew(scripts, images, tmp_path):
    X, y = images
    train, test = slice(0, None, 2), slice(1, None, 2)
    np.savez(tmp_path / "a.npz", X_train=X[train], y_train=y[train], X_test=X[test], y_test=y[test])
    for part, rows in (("train", train), ("test", test)):
        write_folder(tmp_path / "b" / part, X[rows], y[rows])
    _, of_npz, _ = scripts[1].read(tmp_path / "a.npz")
    _, of_folder, shape = scripts[1].read(tmp_path / "b")
    for found, expected in zip(of_folder, of_npz, strict=True):
        assert_array_equal(found, expected)
    assert shape == (5, 4)
    assert_array_equal(of_npz[0], X[train].reshape(20, -1) / np.float32(255))
    _, anew, _ = scripts[1].read(tmp_path / "a.npz", split=3, test_size=0.1)
    assert [len(part) for part in anew] == [36, 36, 4, 4]
    with pytest.warns(UserWarning, match="are squeezed"):
        _, _, shape = scripts[1].read(tmp_path / "b", size=2)
    assert shape == (2, 2)


def test_a_folder_becomes_a_task(scripts, images, tmp_path, monkeypatch, capsys):
    common, _ = scripts
    write_folder(tmp_path / "cells", *images)
    argv = ["version1.py", "--data", str(tmp_path / "cells"), "--output", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(common, "OWN", {})
    options = common.parse("A test.")
    task = common.load(options.data, 8, per_class_of_test=3)
    assert (task.title, task.n_classes, task.image_shape) == ("cells", 2, (5, 4))
    assert_array_equal(np.bincount(task.y_test), [3, 3])
    assert_array_equal(np.bincount(task.y), [14, 14])
    assert (tmp_path / "out").is_dir()
    assert "writing to" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["version1.py", "--output", str(tmp_path)])
    assert common.parse("A test.").data is None


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"X": np.zeros((4, 2, 2))}, r"lacks \['y'\]"),
        ({"X": np.zeros((4, 5)), "y": [0, 0, 1, 1]}, "no square"),
        ({"X": np.full((4, 4), 2.0), "y": [0, 0, 1, 1]}, "neither bytes nor numbers"),
        (
            {f"{a}_{b}": v for b in ("train", "test") for a, v in (("X", np.zeros((2, 4))),)}
            | {"y_train": [0, 1], "y_test": [0, 2]},
            r"classes \[2\] have test images alone",
        ),
    ],
)
def test_other_archives_are_refused(scripts, tmp_path, arrays, match):
    np.savez(tmp_path / "odd.npz", **arrays)
    with pytest.raises(SystemExit, match=match):
        scripts[1].read(tmp_path / "odd.npz")
