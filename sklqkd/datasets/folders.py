"""Pictures of one's own: a folder of PNG or JPEG files for each class, as rows of a 2-D array."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from ..checks import check_path

__all__ = ["load_image_folder"]

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
_GREY = frozenset({"1", "L", "I;16", "I;16B", "I;16L", "I", "LA", "La"})
#: The modes of Pillow that hold 16 bits of a PNG; of others a pixel has 8.
_DEEP = frozenset({"I;16", "I;16B", "I;16L", "I"})
#: Squeezed by more than this, a picture has another look.
_SQUEEZED = 1.05


@dataclass(frozen=True)
class _Picture:
    """What the head of a file says."""

    path: Path
    label: int
    size: tuple[int, int]  # height, width, the right way up
    is_grey: bool


def load_image_folder(path, *, size=None, classes=None, colour=None, return_X_y=False):
    """Return the pictures of a folder that has a folder of PNG or JPEG files for each class.

    Parameters
    ----------
    path : path-like
        The folder. Each folder in it is a class with its pictures; hidden files do not count.
    size : int or (int, int), default=None
        Height and width, one number for both, that each picture is brought to, whatever its
        proportions. ``None`` for pictures that all have one size already.
    classes : sequence of str, default=None
        Names of the folders to read, in the order of their labels; ``None`` for all of them, sorted
        by name.
    colour : bool, default=None
        Whether rows have three channels or one (the luma of ITU-R 601-2). ``None`` for what the
        pictures are, if all of them are of one kind.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the bunch.

    Returns
    -------
    dataset : sklearn.utils.Bunch
        ``data`` (n, n_pixels) float32 in [0, 1], ``target`` (n,) int64, the place of the class in
        ``class_names`` (n_classes,) str, ``image_shape`` (height, width), or (height, width, 3) in
        colour, ``filenames`` (n,) str, ``DESCR``. Rows are sorted by class and by file name:
        shuffle them before you take a part (:func:`sklearn.model_selection.train_test_split` does).

    Raises
    ------
    ValueError
        If there is no class, a class has no pictures, a file is broken, the pictures are of several
        sizes (without `size`) or partly grey (without `colour`), one has transparent pixels or
        several frames, or one, or all of them, are so large that they are no pictures to be
        classified: Pillow's limit for one (``PIL.Image.MAX_IMAGE_PIXELS``), half of the memory for
        all. All heads are read before any pixel is.
    FileNotFoundError, NotADirectoryError
        If `path` is no folder.

    Warns
    -----
    UserWarning
        If files or folders are left out that are no PNG or JPEG, and if `size` squeezes pictures by
        more than 5 %.

    Notes
    -----
    A picture whose file says how the camera was held is turned upright. Resizing averages the
    pixels that become one (a triangle filter), so that fine patterns do not alias. Pixels of 16
    bits keep them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from sklqkd.datasets import load_image_folder
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, level in [("dark", 51), ("light", 204)]:
    ...     (folder / name).mkdir()
    ...     Image.fromarray(np.full((8, 6), level, np.uint8)).save(folder / name / "1.png")
    >>> pictures = load_image_folder(folder)
    >>> pictures.data.shape, pictures.image_shape, pictures.target
    ((2, 48), (8, 6), array([0, 1]))
    >>> pictures.class_names[pictures.target], pictures.data[:, 0]
    (array(['dark', 'light'], dtype='<U5'), array([0.2, 0.8], dtype=float32))
    """
    check_path(path, "path")
    folder = Path(path).expanduser()
    size = _check_size(size)
    if colour is not None and not isinstance(colour, (bool, np.bool_)):
        raise ValueError(f"colour={colour!r} is neither True, False nor None.")
    names = _class_names(folder, classes)
    files = [(file, label) for label, name in enumerate(names) for file in _files(folder / name)]
    pictures = [_look_at(file, label) for file, label in files]
    colour = _are_coloured(pictures) if colour is None else bool(colour)
    height, width = _one_size(pictures) if size is None else size
    _warn_of_squeezed(pictures, height, width)
    shape = (height, width, 3) if colour else (height, width)
    _check_memory(len(pictures), shape)
    data = np.empty((len(pictures), prod(shape)), np.float32)
    for row, picture in zip(data, pictures, strict=True):
        row[:] = _pixels(picture, (height, width), colour).ravel()
    target = np.array([picture.label for picture in pictures], np.int64)
    if return_X_y:
        return data, target
    kind = "colour" if colour else "grey-scale"
    return Bunch(
        data=data,
        target=target,
        image_shape=shape,
        class_names=np.array(names),
        filenames=np.array([str(picture.path) for picture in pictures]),
        DESCR=f"{len(data)} {kind} pictures of shape {shape}, {len(names)} classes, pixel values "
        f"scaled to [0, 1].\nRead from {folder}.",
    )


def _check_size(size):
    """Return height and width, or None."""
    if size is None:
        return None
    sides = [size, size] if isinstance(size, Integral) else size
    try:
        sides = list(sides)
    except TypeError:
        sides = []
    is_size = len(sides) == 2 and all(isinstance(s, Integral) and int(s) >= 1 for s in sides)
    if not is_size or isinstance(size, bool):
        raise ValueError(
            f"size={size!r} is no size of a picture: give its height and width, (28, 28), or one "
            "number for both."
        )
    return int(sides[0]), int(sides[1])


def _class_names(folder, classes):
    """Return the names of the classes' folders."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    there = [entry.name for entry in shown if entry.is_dir()]
    if classes is None:
        if not there:
            pictures = sum(Path(entry.name).suffix.lower() in _SUFFIXES for entry in shown)
            raise ValueError(
                f"{folder} has no folders, and {pictures} pictures. Put those of each class into a "
                "folder of their own, whose name is that of the class."
            )
        _warn_of_others(folder, [entry.name for entry in shown if not entry.is_dir()])
        names = there
    else:
        names = [classes] if isinstance(classes, (str, os.PathLike)) else list(classes)
        names = [str(name) for name in names]
        missing = sorted(set(names) - set(there))
        if missing or not names:
            raise ValueError(f"classes={classes!r}: {folder} has {there}, and none of {missing}.")
        if len(set(names)) < len(names):
            raise ValueError(f"classes={classes!r} lists a class twice.")
    return names


def _files(folder):
    """Return the pictures of a class, in the order of their names, 2 before 10."""
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    pictures: list[str] = []
    others: list[str] = []
    for entry in entries:
        is_picture = entry.is_file() and Path(entry.name).suffix.lower() in _SUFFIXES
        (pictures if is_picture else others).append(entry.name)
    if not pictures:
        inside = sum(entry.is_dir() for entry in entries)
        way_out = "Remove it, or name the others in classes=."
        if inside:
            way_out = f"It has {inside} folders: if these are the classes, give {folder} as path."
        raise ValueError(f"The class {folder.name!r} has no PNG or JPEG file. {way_out}")
    _warn_of_others(folder, others)
    return [folder / name for name in sorted(pictures, key=_natural)]


def _natural(name):
    parts = re.split(r"(\d{1,18})", name)  # every second one is a number
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def _warn_of_others(folder, names):
    if names:
        some = ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
        warnings.warn(
            f"{folder} has {len(names)} entries that are left out, since they are no PNG or JPEG: "
            f"{some}. Convert pictures of other formats; remove the others, or begin their names "
            "with a dot.",
            UserWarning,
            stacklevel=4,
        )


def _look_at(path, label):
    """Read the head of a file."""
    with _opened(path) as image:
        if getattr(image, "is_animated", False) and image.format == "PNG":
            raise _RefusedError(
                f"{path} has {image.n_frames} frames. Save one of them as a picture."
            )
        width, height = image.size
        # To look further, Pillow would decode the pixels of a PNG.
        has_exif = image.format != "PNG" or "exif" in image.info
        if has_exif and image.getexif().get(0x0112) in (5, 6, 7, 8):  # it lies on its side
            width, height = height, width
        if image.mode == "P":
            colours = np.reshape(image.getpalette(), (-1, 3))
            is_grey = bool((colours == colours[:, :1]).all())
        else:
            is_grey = image.mode in _GREY
    return _Picture(path, label, (height, width), is_grey)


class _RefusedError(ValueError):
    """What a picture is refused for, though its file is whole."""


@contextmanager
def _opened(path):
    """Open a picture; whatever is wrong with its file is a ValueError that names it."""
    from PIL import Image

    with open(path, "rb") as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(file, formats=("PNG", "JPEG"))
            yield image
        except (MemoryError, _RefusedError):
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ValueError(
                f"{path} is too large for a picture to be classified: {error} Make it smaller, or "
                "remove it; if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS."
            ) from error
        except Exception as error:  # of a damaged file anything, from SyntaxError to struct.error
            raise ValueError(
                f"{path} is broken, or no PNG or JPEG file ({type(error).__name__}: {error}). "
                "Restore it, or remove it."
            ) from error


def _are_coloured(pictures):
    """Return whether all pictures are in colour, False if all are grey."""
    grey = [picture for picture in pictures if picture.is_grey]
    if 0 < len(grey) < len(pictures):
        raise ValueError(
            f"{len(grey)} of {len(pictures)} pictures are grey, such as {grey[0].path}, and the "
            "others in colour. Read all of them as grey ones (colour=False) or in colour "
            "(colour=True)."
        )
    return not grey


def _one_size(pictures):
    sizes = Counter(picture.size for picture in pictures)
    if len(sizes) > 1:
        told = ", ".join(f"{h} x {w} ({n})" for (h, w), n in sizes.most_common(4))
        usual = sizes.most_common(1)[0][0]
        odd = next(picture for picture in pictures if picture.size != usual)
        raise ValueError(
            f"The pictures have {len(sizes)} sizes, height x width: {told}"
            f"{', ...' if len(sizes) > 4 else ''}; {odd.path} is {odd.size[0]} x {odd.size[1]}. "
            f"Pass size={usual} to bring all of them to one."
        )
    return next(iter(sizes))


def _warn_of_squeezed(pictures, height, width):
    stretches = [picture.size[1] * height / (picture.size[0] * width) for picture in pictures]
    factors = [max(stretch, 1 / stretch) for stretch in stretches]
    n_squeezed = sum(factor > _SQUEEZED for factor in factors)
    if n_squeezed:
        worst = pictures[int(np.argmax(factors))]
        warnings.warn(
            f"{n_squeezed} of {len(pictures)} pictures have other proportions than size="
            f"{(height, width)} and are squeezed, by up to a factor of {max(factors):.2f} "
            f"({worst.path}, {worst.size[0]} x {worst.size[1]}). Crop or pad them before where "
            "shapes matter.",
            UserWarning,
            stacklevel=3,
        )


def _check_memory(n_pictures, shape):
    needed = 4 * n_pictures * prod(shape)
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return
    if needed > memory / 2:
        raise ValueError(
            f"{n_pictures} pictures of {shape} take {needed / 2**30:,.1f} GiB, more than half of "
            f"this machine's memory. Pass a smaller size=, such as size=(32, 32)."
        )


def _pixels(picture, size, colour):
    """Return the pixels of a picture, in [0, 1]."""
    from PIL import Image, ImageOps

    height, width = size
    with _opened(picture.path) as opened:
        is_deep = opened.mode in _DEEP
        image = ImageOps.exif_transpose(opened)
        if image.size[::-1] != picture.size:
            raise _RefusedError(
                f"{picture.path} says behind its pixels that it lies on its side. Save it upright."
            )
        _check_opaque(image, picture.path)
        if is_deep:
            image = Image.fromarray(np.asarray(image).astype(np.float32))
        else:
            image = image.convert("RGB" if colour else "L")
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.divide(np.asarray(image), 65535 if is_deep else 255, dtype=np.float32)
    return np.repeat(pixels[:, :, None], 3, axis=2) if is_deep and colour else pixels


def _check_opaque(image, path):
    if not image.has_transparency_data:
        return
    alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
    if (alpha < 255).any():
        share = 100 * (alpha < 255).mean()
        raise _RefusedError(
            f"{path} has transparent pixels, {share:.1f} % of them, which could be of any colour. "
            "Put it on a background and save it without transparency."
        )
