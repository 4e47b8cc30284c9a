"""Image layouts: the shape of a row, and the picture behind it."""

import numpy as np
import pytest

from sklqkd.images import ImageLayout, image_layout, most_square_grid


def test_unflatten_gives_the_picture_back_for_both_orders():
    pictures = np.random.default_rng(0).random((2, 3, 4, 5))  # channels first
    first = image_layout(60, (3, 4, 5))
    last = image_layout(60, (4, 5, 3))
    np.testing.assert_array_equal(first.unflatten(pictures.reshape(2, -1)), pictures)
    rows = pictures.transpose(0, 2, 3, 1).reshape(2, -1)
    np.testing.assert_array_equal(last.unflatten(rows), pictures)
    np.testing.assert_allclose(last.grey(rows), pictures.mean(axis=1))


@pytest.mark.parametrize(
    ("n_features", "shape", "expected"),
    [
        (784, None, ImageLayout(28, 28)),
        (10, None, ImageLayout(2, 5)),
        (12, None, ImageLayout(3, 4)),
        (12, (2, 6), ImageLayout(2, 6)),
        (28, (28, 1, 1), ImageLayout(28, 1, 1, channels_first=False)),
        (27, [3, 3, 3], ImageLayout(3, 3, 3)),
    ],
)
def test_layout(n_features, shape, expected):
    assert image_layout(n_features, shape) == expected


@pytest.mark.parametrize(
    ("n_features", "shape", "message"),
    [
        (3072, None, r"image_shape=\(3, 32, 32\)"),
        (784, (28, 27), "holds 756 pixels"),
        (784, (784,), "not a shape of an image"),
        (784, 28, "not a shape of an image"),
        (784, (28.0, 28.0), "not a shape of an image"),
        (0, (0, 28), "not a shape of an image"),
    ],
)
def test_a_wrong_shape_is_explained(n_features, shape, message):
    with pytest.raises(ValueError, match=message):
        image_layout(n_features, shape)


def test_grid_is_the_most_square_one():
    for n_cells in range(1, 200):
        rows, columns = most_square_grid(n_cells)
        assert rows * columns == n_cells
        assert rows <= columns
        assert not any(n_cells % r == 0 for r in range(rows + 1, columns) if r * r <= n_cells)
