"""Schedules: their values, and what they refuse."""

import math

import numpy as np
import pytest

from sklqkd.schedules import resolve_schedule


def values(value, max_iter, **limits):
    schedule = resolve_schedule(value, max_iter, **limits)
    return [schedule(epoch) for epoch in range(max_iter)]


@pytest.mark.parametrize("number", [3, 0.5, np.float32(0.5), np.int64(2)])
def test_a_number_is_constant(number):
    assert values(number, 3) == [number] * 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (("linear", 1, 3), [1, 1.5, 2, 2.5, 3]),
        (["linear", 3, 1], [3, 2.5, 2, 1.5, 1]),
        (("cosine", 1, 0), [1, (2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4, 0]),
        (("step", 4, 1, 0.4), [4, 4, 1, 1, 1]),
        (("step", 4, 1, 0.5), [4, 4, 4, 1, 1]),
        (("step", 4, 1, 0), [1] * 5),
        (("step", 4, 1, 1), [4] * 5),
        (lambda epoch, max_iter: max_iter - epoch, [5, 4, 3, 2, 1]),
    ],
)
def test_values(value, expected):
    np.testing.assert_allclose(values(value, 5), expected, atol=1e-15)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_curves_meet_their_ends_exactly(kind):
    schedule = resolve_schedule((kind, 0.1, 0.7), 7, low=0.1, high=0.7)
    assert (schedule(0), schedule(6)) == (0.1, 0.7)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_one_epoch_takes_the_start(kind):
    assert values((kind, 4, 1), 1) == [4]


def test_epochs_beyond_the_last_keep_its_value():
    assert resolve_schedule(("linear", 4, 1), 3)(10) == 1


def test_values_are_python_floats():
    for value in (3, np.float32(1), ("linear", 1, 2), ("step", 1, 2, 0.5), lambda *_: np.int64(1)):
        assert all(type(number) is float for number in values(value, 3))


@pytest.mark.parametrize(
    "value",
    [
        *("linear", None, (), ("quadratic", 1, 2), ("linear", 1), ("linear", 1, "2")),
        *(("step", 1, 2), ("step", 1, 2, 1.5), ("step", 1, 2, math.nan), [3.0]),
        (["linear"], 1, 2),
    ],
)
def test_other_forms_are_refused(value):
    with pytest.raises(ValueError, match=r'lam is .*It must be a number, \("linear", start, end\)'):
        resolve_schedule(value, 5, name="lam")


def test_a_function_must_return_numbers():
    with pytest.raises(ValueError, match="given for lam returned None in epoch 0"):
        resolve_schedule(lambda epoch, max_iter: None, 5, name="lam")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2, r"lam is 2\.0, from 2\. It must be a finite number in \[0, 1\]"),
        (math.nan, "lam is nan"),
        (("linear", 0, 2), r"lam is 1\.5 in epoch 3, from \('linear', 0, 2\)"),
        (("cosine", math.inf, 0), "lam is inf in epoch 0"),
        (lambda epoch, max_iter: -epoch, r"lam is -1\.0 in epoch 1"),
    ],
)
def test_values_out_of_range_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        resolve_schedule(value, 5, low=0, high=1, name="lam")


@pytest.mark.parametrize("end", [0, 1])
def test_the_ends_belong_to_the_range(end):
    assert values(end, 5, low=0, high=1) == [end] * 5


@pytest.mark.parametrize(
    ("low", "high", "limits"),
    [(0, math.inf, r" in \[0, inf\)"), (-math.inf, math.inf, "number in")],
)
def test_an_open_range_is_written_so(low, high, limits):
    with pytest.raises(ValueError, match=limits):
        resolve_schedule(-math.inf, 5, low=low, high=high)
