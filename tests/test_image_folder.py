"""Folders of pictures by class: what is read, and what is refused or told."""

import os
import struct
import zlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from sklqkd import QNNClassifier
from sklqkd.datasets import load_digits, load_image_folder


def save(folder, name, pixels, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    image.save(path, **options)
    return path


def random(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two classes of two grey pictures each, 6 x 4."""
    for i, name in enumerate(["cat/2.png", "cat/10.png", "dog/a.PNG", "dog/b.png"]):
        save(tmp_path, name, random(6, 4, seed=i))
    return tmp_path


def test_pixels_labels_and_names_are_those_of_the_files(folder):
    found = load_image_folder(folder)
    expected = np.stack([random(6, 4, seed=i).ravel() for i in range(4)]) / np.float32(255)
    assert_array_equal(found.data, expected)
    assert (found.data.dtype, found.target.dtype) == (np.float32, np.int64)
    assert_array_equal(found.target, [0, 0, 1, 1])
    assert found.image_shape == (6, 4)
    assert list(found.class_names) == ["cat", "dog"]
    assert [name.rsplit("/")[-1] for name in found.filenames] == [
        "2.png",
        "10.png",
        "a.PNG",
        "b.png",
    ]
    X, y = load_image_folder(str(folder), classes=["dog", "cat"], return_X_y=True)
    assert_array_equal(X, expected[[2, 3, 0, 1]])
    assert_array_equal(y, [0, 0, 1, 1])


def test_the_digits_come_back_and_are_learnt(tmp_path):
    X, y = load_digits(return_X_y=True)
    X, y = X[:120], y[:120]
    pixels = (X.reshape(-1, 8, 8) * 255).round().astype(np.uint8)
    for i, label in enumerate(y):
        save(tmp_path, f"{label}/{i:03}.png", pixels[i])
    found = load_image_folder(tmp_path)
    order = np.argsort(y, kind="stable")
    assert_allclose(found.data, X[order], atol=0.5 / 255 + 1e-6)
    names = found.class_names[found.target]
    assert_array_equal(names, y[order].astype(str))
    student = QNNClassifier(image_shape=found.image_shape, max_iter=30, random_state=0)
    assert student.fit(found.data, names).score(found.data, names) > 0.9


def test_colour_and_grey(tmp_path):
    red, grey = random(4, 4, 3), random(4, 4)
    save(tmp_path, "a/red.png", red)
    save(tmp_path, "b/red.png", red)
    found = load_image_folder(tmp_path)
    assert found.image_shape == (4, 4, 3)
    assert_array_equal(found.data[0], red.ravel() / np.float32(255))
    luma = load_image_folder(tmp_path, colour=False)
    assert luma.image_shape == (4, 4)
    assert_allclose(luma.data[0], red.reshape(-1, 3) @ [0.299, 0.587, 0.114] / 255, atol=1 / 255)
    save(tmp_path, "b/grey.png", grey)
    with pytest.raises(ValueError, match=r"1 of 3 pictures are grey.*grey\.png.*colour=False"):
        load_image_folder(tmp_path)
    both = load_image_folder(tmp_path, colour=True)
    assert_array_equal(both.data[1], np.repeat(grey.ravel(), 3) / np.float32(255))


def test_what_files_may_hold_otherwise(tmp_path):
    pixels = random(4, 6)
    deep = random(4, 6).astype(np.uint16) * 257
    save(tmp_path, "a/1_deep.png", deep)
    save(tmp_path, "a/2_palette.png", Image.fromarray(pixels).convert("P"))
    save(tmp_path, "a/3_opaque.png", Image.fromarray(pixels).convert("LA"))
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is at the right: turn it clockwise
    save(tmp_path, "a/4_phone.jpg", np.full((6, 4), 100, np.uint8), exif=exif)
    save(tmp_path, "b/1_bits.png", Image.fromarray(pixels > 100))
    found = load_image_folder(tmp_path)
    assert found.image_shape == (4, 6)
    assert_allclose(found.data[0], deep.ravel() / 65535, rtol=1e-6)
    assert_array_equal(found.data[1], pixels.ravel() / np.float32(255))
    assert_array_equal(found.data[2], found.data[1])
    assert_allclose(found.data[3], 100 / 255, atol=2 / 255)
    assert_array_equal(found.data[4], pixels.ravel() > 100)
    smaller = load_image_folder(tmp_path, size=(2, 3))
    means = deep.reshape(2, 2, 3, 2).mean(axis=(1, 3)).ravel() / 65535
    assert np.corrcoef(smaller.data[0], means)[0, 1] > 0.9


def test_sizes(folder):
    save(folder, "dog/wide.png", random(6, 8))
    with pytest.raises(ValueError, match=r"2 sizes.*6 x 4 \(4\), 6 x 8 \(1\).*wide.*size=\(6, 4\)"):
        load_image_folder(folder)
    with pytest.warns(UserWarning, match=r"1 of 5 pictures.*factor of 2\.00.*wide\.png"):
        found = load_image_folder(folder, size=(6, 4))
    assert_array_equal(found.data[0], random(6, 4).ravel() / np.float32(255))
    with pytest.warns(UserWarning, match="5 of 5"):
        assert load_image_folder(folder, size=5).image_shape == (5, 5)
    for wrong in (0, (1, 2, 3), "28", 2.5, True, (4, None)):
        with pytest.raises(ValueError, match=r"is no size of a picture"):
            load_image_folder(folder, size=wrong)


def test_resizing_averages(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[::2] = 255
    save(tmp_path, "a/stripes.png", stripes)
    save(tmp_path, "b/stripes.png", stripes)
    assert_allclose(load_image_folder(tmp_path, size=8).data, 0.5, atol=0.05)


def test_folders_that_are_no_data_set(tmp_path, folder):
    with pytest.raises(FileNotFoundError):
        load_image_folder(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError):
        load_image_folder(folder / "cat" / "2.png")
    with pytest.raises(TypeError, match="path=3 is not a path"):
        load_image_folder(3)
    with pytest.raises(ValueError, match="no folders, and 2 pictures"):
        load_image_folder(folder / "cat")
    with pytest.raises(ValueError, match=r"none of \['bird'\]"):
        load_image_folder(folder, classes=["cat", "bird"])
    with pytest.raises(ValueError, match="lists a class twice"):
        load_image_folder(folder, classes=["cat", "cat"])
    with pytest.raises(ValueError, match="colour='yes' is neither"):
        load_image_folder(folder, colour="yes")
    (folder / "bird").mkdir()
    (folder / "bird" / ".DS_Store").touch()
    with pytest.raises(ValueError, match="The class 'bird' has no PNG"):
        load_image_folder(folder)
    assert len(load_image_folder(folder, classes=["cat", "dog"]).data) == 4


def test_a_folder_of_splits_is_told(tmp_path):
    save(tmp_path, "train/cat/1.png", random(4, 4))
    with pytest.raises(ValueError, match=r"'train' has no PNG.*1 folders.*give .*train as path"):
        load_image_folder(tmp_path)


def test_what_is_left_out_is_told(folder):
    (folder / "cat" / "notes.txt").touch()
    (folder / "cat" / "old").mkdir()
    (folder / "cat" / ".hidden.png").touch()
    with pytest.warns(UserWarning, match=r"cat has 2 entries.*notes\.txt, old"):
        assert len(load_image_folder(folder).data) == 4


def png(width, height, data=b""):
    """Return a PNG file with any head."""

    def chunk(kind, content):
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "head", "other"])
def test_broken_files_are_named(folder, damage, kind):
    path = folder / "cat" / f"odd.{kind}"
    whole = save(folder, f"cat/odd.{kind}", random(6, 4)).read_bytes()
    if damage == "other":
        Image.fromarray(random(6, 4)).save(path, format="GIF")
    else:
        damaged = {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"no picture"}
        path.write_bytes(damaged.get(damage, whole[:4] + b"\0" * 40 + whole[44:]))
    with pytest.raises(ValueError, match=rf"odd\.{kind} is broken, or no PNG or JPEG"):
        load_image_folder(folder)


def test_bombs_are_refused_by_their_heads(folder, monkeypatch):
    path = folder / "cat" / "bomb.png"
    for side in (12_000, 60_000):
        path.write_bytes(png(side, side))
        with pytest.raises(ValueError, match=r"bomb\.png is too large"):
            load_image_folder(folder, size=8)
    for i in range(200):  # each of them within the limit
        (folder / "cat" / f"bomb{i}.png").write_bytes(png(9_000, 9_000))
    path.unlink()
    for name in ("2.png", "10.png"):
        (folder / "cat" / name).unlink()
    monkeypatch.setattr(os, "sysconf", lambda name: 2**17)  # 16 GiB
    with pytest.raises(ValueError, match=r"200 pictures of \(9000, 9000\) take 60\.3 GiB"):
        load_image_folder(folder, classes=["cat"])


def test_transparency_and_frames_are_refused(folder):
    pixels = random(6, 4, 4)
    pixels[:3, :, 3], pixels[3:, :, 3] = 255, 0
    path = save(folder, "cat/clear.png", pixels)
    with pytest.raises(ValueError, match=r"clear\.png has transparent pixels, 50\.0 %"):
        load_image_folder(folder, colour=False)
    path.unlink()
    frames = [Image.fromarray(random(6, 4, seed=i)) for i in range(2)]
    save(folder, "cat/moving.png", frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"moving\.png has 2 frames"):
        load_image_folder(folder)
