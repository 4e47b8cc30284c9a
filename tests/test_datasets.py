"""Loaders and the choice of samples, on small archives of the same format."""

import zipfile

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.datasets
from sklearn.utils import Bunch

from sklqkd.datasets import (
    fetch_cifar10,
    fetch_fashion_mnist,
    fetch_mnist,
    load_digits,
    take_per_class,
)
from sklqkd.images import image_layout

SOURCES = {
    "mnist.npz": (fetch_mnist, (28, 28)),
    "fashion_mnist.npz": (fetch_fashion_mnist, (28, 28)),
    "cifar10.npz": (fetch_cifar10, (32, 32, 3)),
}
each_source = pytest.mark.parametrize("file", SOURCES)


def arrays(shape, seed=0):
    rng = np.random.default_rng(seed)
    contents = {}
    for subset, n_samples in (("train", 20), ("test", 10)):
        contents[f"X_{subset}"] = rng.integers(0, 256, (n_samples, *shape), dtype=np.uint8)
        contents[f"y_{subset}"] = np.arange(n_samples, dtype=np.uint8) % 10
    return contents


@pytest.fixture(autouse=True)
def _no_download(monkeypatch):
    monkeypatch.delenv("SKLQKD_DATA_HOME", raising=False)

    def unreachable(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)


# ------------------------------------------------------------------------------ digits


def test_digits_are_scikit_learns_scaled():
    digits, original = load_digits(), sklearn.datasets.load_digits()
    assert digits.data.dtype == np.float32
    np.testing.assert_array_equal(digits.data * 16, original.data)
    np.testing.assert_array_equal(digits.target, original.target)
    assert digits.target.dtype == np.int64
    assert digits.image_shape == (8, 8)
    assert list(digits.class_names) == list("0123456789")
    assert digits.DESCR == original.DESCR
    X, y = load_digits(return_X_y=True)
    np.testing.assert_array_equal(X, digits.data)
    np.testing.assert_array_equal(y, digits.target)


def test_digits_are_split_into_two_parts():
    X, y = load_digits(return_X_y=True)
    parts = [load_digits(subset, return_X_y=True) for subset in ("train", "test")]
    rows = np.concatenate([np.column_stack(part) for part in parts])
    everything = np.column_stack([X, y])
    np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(everything, axis=0))
    assert [len(part[1]) for part in parts] == [1347, 450]
    shares = [np.bincount(part[1]) / len(part[1]) for part in parts]
    np.testing.assert_allclose(*shares, atol=0.002)
    np.testing.assert_array_equal(load_digits("test").data, parts[1][0])
    with pytest.raises(ValueError, match="subset='all' is unknown"):
        load_digits("all")


# ------------------------------------------------------------------------------ archives


@each_source
@pytest.mark.parametrize("subset", ["train", "test"])
def test_an_archive_is_read(file, subset, tmp_path):
    fetch, shape = SOURCES[file]
    contents = arrays(shape)
    np.savez_compressed(tmp_path / file, **contents)
    dataset = fetch(subset, data_home=tmp_path)
    raw = contents[f"X_{subset}"]
    assert dataset.data.dtype == np.float32
    assert dataset.data.shape == (len(raw), np.prod(shape))
    np.testing.assert_allclose(dataset.data.reshape(raw.shape), raw / 255, rtol=1e-6)
    assert dataset.data.min() >= 0
    assert dataset.data.max() <= 1
    np.testing.assert_array_equal(dataset.target, contents[f"y_{subset}"])
    assert dataset.target.dtype == np.int64
    assert dataset.image_shape == shape
    assert dataset.class_names.shape == (10,)
    assert str(tmp_path / file) in dataset.DESCR
    X, y = fetch(subset, data_home=str(tmp_path), return_X_y=True)
    np.testing.assert_array_equal(X, dataset.data)
    np.testing.assert_array_equal(y, dataset.target)


def test_class_names_come_from_the_archive_where_it_has_them(tmp_path):
    names = np.array([f"class {label}" for label in range(10)])
    np.savez(tmp_path / "fashion_mnist.npz", **arrays((28, 28)), class_names=names)
    assert list(fetch_fashion_mnist(data_home=tmp_path).class_names) == list(names)
    np.savez(tmp_path / "fashion_mnist.npz", **arrays((28, 28)))
    assert fetch_fashion_mnist(data_home=tmp_path).class_names[9] == "Ankle boot"


def test_the_folder_comes_from_the_environment_unless_given(tmp_path, monkeypatch):
    for name, seed in (("a", 0), ("b", 1)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "mnist.npz", **arrays((28, 28), seed))
    monkeypatch.setenv("SKLQKD_DATA_HOME", str(tmp_path / "a"))
    from_a, from_b = fetch_mnist(), fetch_mnist(data_home=tmp_path / "b")
    assert str(tmp_path / "a") in from_a.DESCR
    assert str(tmp_path / "b") in from_b.DESCR
    assert not np.array_equal(from_a.data, from_b.data)


def test_an_unknown_subset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'valid' is unknown"):
        fetch_mnist("valid", data_home=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_train": None}, r"lacks the arrays \['y_train'\]"),
        ({"X_test": None, "y_test": None}, r"lacks the arrays \['X_test', 'y_test'\]"),
        ({"X_train": np.zeros((20, 784), np.uint8)}, r"X_train has shape \(20, 784\)"),
        ({"X_train": np.zeros((20, 14, 28), np.uint8)}, r"X_train has shape \(20, 14, 28\)"),
        ({"X_train": np.zeros((20, 28, 28))}, "X_train .* dtype float64"),
        ({"X_train": np.zeros((0, 28, 28), np.uint8)}, r"X_train has shape \(0, 28, 28\)"),
        ({"y_train": np.zeros(19, int)}, r"y_train has shape \(19,\)"),
        ({"y_train": np.zeros((20, 1), int)}, r"y_train has shape \(20, 1\)"),
        ({"y_train": np.zeros(20)}, "y_train .* dtype float64"),
        ({"y_train": np.arange(20)}, "labels from 0 to 19"),
        ({"y_train": np.arange(20) % 3 - 1}, "labels from -1 to 1"),
        ({"y_train": np.array(list("0123456789" * 2), object)}, "allow_pickle"),
        ({"class_names": np.array(["a", "b"])}, "class_names"),
        ({"class_names": np.arange(10)}, "class_names"),
    ],
)
def test_a_wrong_archive_is_refused_with_the_way_out(change, message, tmp_path):
    contents = {**arrays((28, 28)), **change}
    path = tmp_path / "mnist.npz"
    np.savez(path, **{name: array for name, array in contents.items() if array is not None})
    with pytest.raises(ValueError, match=message) as error:
        fetch_mnist(data_home=tmp_path)
    assert str(path) in str(error.value)
    assert "delete it" in str(error.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"not an archive",
        lambda content: content[: len(content) // 2],
        lambda content: content[:2000] + bytes(200) + content[2200:],
    ],
    ids=["empty", "text", "truncated", "overwritten"],
)
def test_a_damaged_archive_is_refused_with_the_way_out(damage, tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez_compressed(path, **arrays((28, 28)))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="is damaged or not of the expected format") as error:
        fetch_mnist(data_home=tmp_path)
    assert str(path) in str(error.value)
    assert "delete it" in str(error.value)


def test_another_kind_of_file_is_refused(tmp_path):
    np.save(tmp_path / "mnist", np.zeros(3))
    (tmp_path / "mnist.npy").rename(tmp_path / "mnist.npz")
    with pytest.raises(ValueError, match="is damaged or not of the expected format"):
        fetch_mnist(data_home=tmp_path)
    with zipfile.ZipFile(tmp_path / "mnist.npz", "w") as archive:
        archive.writestr("X_train", "text")
    with pytest.raises(ValueError, match="lacks the arrays"):
        fetch_mnist(data_home=tmp_path)


# ------------------------------------------------------------------------------ OpenML


@each_source
def test_without_a_file_or_a_network_the_error_says_what_to_do(file, tmp_path):
    fetch, _ = SOURCES[file]
    with pytest.raises(OSError, match=r"no file .* failed: no route to host") as error:
        fetch(data_home=tmp_path)
    assert str(tmp_path / file) in str(error.value)
    assert isinstance(error.value.__cause__, ConnectionError)
    with pytest.raises(OSError, match=r"No data folder was given .*SKLQKD_DATA_HOME"):
        fetch()


@pytest.mark.parametrize(
    ("fetch", "name", "n_train", "shape"),
    [
        (fetch_mnist, "mnist_784", 60_000, (28, 28)),
        (fetch_fashion_mnist, "Fashion-MNIST", 60_000, (28, 28)),
        (fetch_cifar10, "CIFAR_10", 50_000, (3, 32, 32)),
    ],
)
def test_openml_rows_are_split_and_scaled(fetch, name, n_train, shape, tmp_path, monkeypatch):
    # OpenML holds training and test images in one table, here one row repeated, without memory.
    image = np.random.default_rng(0).integers(0, 256, shape)
    n_samples = n_train + 7
    rows = np.broadcast_to(image.ravel(), (n_samples, image.size))
    target = (np.arange(n_samples) % 10).astype(str).astype(object)
    asked = {}

    def fetch_openml(name, **options):
        asked.update(options, name=name)
        return Bunch(data=rows, target=target)

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    dataset = fetch("test", data_home=tmp_path)
    assert (asked["name"], asked["version"], asked["as_frame"]) == (name, 1, False)
    assert asked["data_home"] == tmp_path
    assert dataset.data.dtype == np.float32
    assert dataset.data.shape == (7, image.size)
    assert dataset.image_shape == shape
    np.testing.assert_array_equal(dataset.target, np.arange(n_train, n_samples) % 10)
    assert dataset.target.dtype == np.int64
    channels = image_layout(image.size, dataset.image_shape).unflatten(dataset.data)
    np.testing.assert_allclose(channels[0].squeeze(), image / 255, rtol=1e-6)

    rows = rows[:n_train]
    with pytest.raises(ValueError, match=f"more than {n_train} rows"):
        fetch("test", data_home=tmp_path)


def test_the_training_part_of_openml_is_its_beginning(monkeypatch):
    rows = np.broadcast_to(np.arange(784) % 256, (60_003, 784))
    target = np.array(["3"] * 60_000 + ["4"] * 3, object)
    monkeypatch.setattr(
        sklearn.datasets, "fetch_openml", lambda *a, **k: Bunch(data=rows, target=target)
    )
    X, y = fetch_mnist(return_X_y=True)
    assert X.shape == (60_000, 784)
    assert set(y.tolist()) == {3}


# ------------------------------------------------------------------------------ take_per_class

Y = np.array([2, 0, 1, 0, 2, 2, 1, 0, 1, 2])
X = np.arange(20).reshape(10, 2)


def test_the_first_n_of_each_class_in_the_original_order():
    chosen, labels = take_per_class(X, Y, 2)
    np.testing.assert_array_equal(chosen[:, 0] // 2, [0, 1, 2, 3, 4, 6])
    np.testing.assert_array_equal(labels, [2, 0, 1, 0, 2, 1])
    chosen, labels = take_per_class(X, Y, 3, classes=[2, 0])
    np.testing.assert_array_equal(chosen[:, 0] // 2, [0, 1, 3, 4, 5, 7])
    np.testing.assert_array_equal(labels, [2, 0, 0, 2, 2, 0])


def test_a_random_draw_is_reproducible_and_leaves_the_global_generator():
    X, y = np.arange(300), np.arange(300) % 3
    before = np.random.get_state()  # noqa: NPY002
    draws = [take_per_class(X, y, 10, shuffle=True, random_state=seed)[0] for seed in (0, 0, 1)]
    take_per_class(X, y, 10, shuffle=True)
    np.testing.assert_equal(np.random.get_state(), before)  # noqa: NPY002
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    for draw in draws:
        assert (np.diff(draw) > 0).all()
        assert np.bincount(draw % 3).tolist() == [10, 10, 10]
        assert draw.max() > 30  # not the first ones


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, sp.csr_array, sp.csc_array, list])
def test_containers_are_kept(container):
    chosen, labels = take_per_class(container(X.tolist()), Y, 1)
    assert type(chosen) is type(container(X.tolist()))
    dense = chosen.toarray() if sp.issparse(chosen) else np.asarray(chosen)
    np.testing.assert_array_equal(dense, X[:3])
    np.testing.assert_array_equal(labels, [2, 0, 1])


def test_labels_of_any_type():
    names = np.array(["cat", "dog", "owl"])[Y]
    _, labels = take_per_class(X, names, 1, classes=["owl", "cat"])
    assert labels.tolist() == ["owl", "cat"]
    _, labels = take_per_class(X, names.astype(object), 1)
    assert labels.tolist() == ["owl", "cat", "dog"]
    series = pd.Series(names, index=range(100, 110))
    _, labels = take_per_class(X, series, 1)
    assert labels.index.tolist() == [100, 101, 102]
    _, labels = take_per_class(X, Y.tolist(), 1)
    assert labels == [2, 0, 1]
    _, labels = take_per_class(X, Y == 0, 2)
    assert labels.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("y", "n", "classes", "message"),
    [
        (Y, 4, None, "Class 0 has 3 samples, fewer than n=4"),
        (Y, 1, [0, 5], r"Class 5 does not occur in y, which has \[0, 1, 2\]"),
        (Y, 1, ["0"], "Class '0' does not occur"),
        (Y.astype(str), 1, [0], "Class 0 does not occur"),
        (Y, 1, [0, 0], "twice"),
        (Y, 0, None, "n=0 is not"),
        (Y, 2.0, None, "n=2.0 is not"),
        (Y[:5], 1, None, "inconsistent"),
    ],
)
def test_impossible_choices_are_refused(y, n, classes, message):
    with pytest.raises(ValueError, match=message):
        take_per_class(X, y, n, classes)
