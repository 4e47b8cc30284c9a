"""Strategies that draw odd images and labels, and what must hold for every answer to them."""

import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import sklearn
from hypothesis import strategies as st
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import _num_samples

import sklqkd
from sklqkd.exceptions import TeacherWarning

OURS = str(Path(sklqkd.__file__).parent)
SCIKIT_LEARN = str(Path(sklearn.__file__).parent)
#: Arrays that are mapped from here lose their file with the process.
FOLDER = tempfile.TemporaryDirectory()

SCALES = [1e-320, 1e-45, 1e-38, 1e-19, 1e-5, 255, 1e6, 1e12, 1e13, 1e19, 1e38, 1e39, 1e154, 1e308]
SPECIALS = [np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e-45, 1e300, -1e39, 2.0**63, 1e4]
DTYPES = [
    *("bool", "int8", "uint8", "int16", "int64", "uint64", "float16", "float32", "longdouble"),
    *("complex64", "complex128", "object", "U8", "S8", "M8[s]", "m8[s]", ">f8", ">f4"),
]
CONTAINERS = [
    *("fortran", "strided", "reversed", "read-only", "mapped", "list", "tuple", "frame", "ints"),
    *("csr", "coo", "csc_array", "masked", "matrix", "object frame", "nullable frame", "torch"),
    *("ragged", "one row short", "dict", "string", "none", "generator", "huge ints"),
]
SHAPES = ["0-d", "1-d", "3-d", "4-d", "empty", "no columns", "one row", "one column"]


def usually(default, others, share=3):
    """Return a strategy that gives `default` in about `share` of `share + 1` draws."""
    return st.integers(0, share).flatmap(
        lambda i: st.just(default) if i else st.sampled_from(list(others))
    )


@st.composite
def images(draw, n_samples=8, n_features=9, share=3):
    """Return something that may or may not do as X."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["uniform", "normal", "black", "constant", "equal rows", "bits"]))
    X = {
        "uniform": rng.random,
        "normal": rng.standard_normal,
        "black": np.zeros,
        "constant": lambda shape: np.full(shape, rng.normal()),
        "equal rows": lambda shape: np.tile(rng.random(shape[1:]), (shape[0], 1)),
        "bits": lambda shape: rng.integers(2, size=shape).astype(float),
    }[kind]((n_samples, n_features))
    X[:, draw(st.lists(st.integers(0, n_features - 1), max_size=2))] = rng.normal()
    with np.errstate(over="ignore"):
        X *= draw(usually(1.0, SCALES, share))
    for special in draw(usually((), [(value,) for value in SPECIALS], share)):
        X[rng.integers(n_samples), rng.integers(n_features)] = special
    X = as_dtype(X, draw(usually("float64", DTYPES, share)))
    X = in_shape(X, draw(usually("2-d", SHAPES, 2 * share)))
    return in_container(X, draw(usually("array", CONTAINERS, share)))


def as_dtype(X, dtype):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return X.astype(dtype)


def in_shape(X, shape):
    return {
        "2-d": X,
        "0-d": X[0, 0],
        "1-d": X[:, 0],
        "3-d": X.reshape(len(X), 3, -1),
        "4-d": X.reshape(len(X), 1, 3, -1),
        "empty": X[:0],
        "no columns": X[:, :0],
        "one row": X[:1],
        "one column": X[:, :1],
    }[shape]


def in_container(X, container):
    X = np.asarray(X)
    if container == "array":
        return X
    if container in ("csr", "coo", "csc_array", "frame", "object frame", "nullable frame"):
        if X.ndim != 2 or X.dtype.kind not in "biuf" or X.dtype.char == "g" or X.dtype == "f2":
            return X
        X = X.astype(X.dtype.newbyteorder("="))
    if container in ("mapped", "torch") and (X.dtype.kind not in "iuf" or X.dtype.char == "g"):
        return X
    return {
        "fortran": np.asfortranarray,
        "strided": lambda X: np.repeat(X, 2, axis=0)[::2] if X.ndim else X,
        "reversed": lambda X: X[::-1] if X.ndim else X,
        "read-only": read_only,
        "mapped": mapped,
        "list": lambda X: X.tolist(),
        "tuple": lambda X: tuple(X) if X.ndim else X,
        "frame": lambda X: pd.DataFrame(X, columns=[f"pixel {i}" for i in range(X.shape[1])]),
        "object frame": lambda X: pd.DataFrame(X).astype(object),
        "nullable frame": lambda X: pd.DataFrame(X.astype(float)).convert_dtypes(),
        "ints": lambda X: np.arange(X.size).reshape(X.shape),
        "csr": sp.csr_matrix,
        "coo": sp.coo_matrix,
        "csc_array": sp.csc_array,
        "masked": np.ma.masked_array,
        "matrix": as_matrix,
        "torch": as_tensor,
        "ragged": lambda X: [[0.5] * (i % 3) for i in range(len(X) if X.ndim else 2)],
        "one row short": lambda X: X[:-1] if X.ndim else X,
        "dict": lambda X: {"X": X},
        "string": lambda X: "pixels",
        "none": lambda X: None,
        "generator": lambda X: (row for row in np.atleast_1d(X)),
        "huge ints": lambda X: [[10**400] + [0] * 8] * (len(X) if X.ndim else 1),
    }[container](X)


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def mapped(X):
    if not X.size:
        return X
    path = Path(FOLDER.name) / "X.npy"
    path.unlink(missing_ok=True)  # an older map keeps the old file
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def as_matrix(X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.matrix(X) if X.ndim < 3 else X


def as_tensor(X):
    import torch

    return torch.from_numpy(np.ascontiguousarray(X, X.dtype.newbyteorder("=")).copy())


NAMES = st.text(max_size=5)  # any script, empty ones too
GOOD_CLASSES = [
    *(
        [0, 1],
        [0, 1, 2],
        [-1, 1],
        [3, 7, 11],
        [0.0, 1.0, 2.0],
        [-0.0, 1e300, -1e300],
        [False, True],
    ),
    *(["a", "b"], ["", "ä", "日本", "🐈"], [2**62, -(2**62)], [0]),
]
ODD_LABELS = [
    *(
        "object",
        "mixed",
        "nan",
        "none",
        "bytes",
        "continuous",
        "column",
        "one hot",
        "short",
        "long",
    ),
    *("series", "categorical", "nullable", "datetime", "0-d", "nobody", "list", "unlabelled"),
    *("complex", "inf", "string type", "tuples", "sparse", "dict", "no y", "float16", "ones"),
]


@st.composite
def labels(draw, n_samples=8, share=3, classes=None):
    """Return something that may or may not do as y."""
    if classes is None:
        names = st.lists(NAMES, min_size=1, max_size=8, unique=True)
        classes = draw(st.one_of(st.sampled_from(GOOD_CLASSES), names))
    picks = draw(st.lists(st.integers(0, len(classes) - 1), min_size=n_samples, max_size=n_samples))
    # Most draws hold all classes; a class of one sample is common.
    picks = [i if i < len(classes) else pick for i, pick in enumerate(picks)]
    y = np.array([classes[pick] for pick in picks])
    kind = draw(usually("plain", ODD_LABELS, share))
    return y if kind == "plain" else odd_labels(y, kind)


def odd_labels(y, kind):
    values = y.tolist()
    return {
        "object": lambda: np.array(values, dtype=object),
        "mixed": lambda: np.array([*values[:-1], ("x", 3)[isinstance(values[0], str)]], object),
        "nan": lambda: np.array([*values[:-1], np.nan], object if y.dtype.kind == "U" else float),
        "none": lambda: np.array([*values[:-1], None], object),
        "bytes": lambda: np.array([repr(value).encode() for value in values]),
        "continuous": lambda: np.linspace(0, 1, len(y)),
        "column": lambda: y[:, None],
        "one hot": lambda: (y[:, None] == np.unique(y)).astype(int),
        "short": lambda: y[:-1],
        "long": lambda: np.concatenate([y, y]),
        "series": lambda: pd.Series(y, index=range(100, 100 + len(y))),
        "categorical": lambda: pd.Series(pd.Categorical(values)),
        "nullable": lambda: pd.Series([*values[:-1], None]).convert_dtypes(),
        "datetime": lambda: np.arange(len(y)).astype("M8[D]"),
        "0-d": lambda: y[0],
        "nobody": lambda: y[:0],
        "list": lambda: values,
        "unlabelled": lambda: np.array(
            [*values[:-1], -1], y.dtype if y.dtype.kind in "if" else "O"
        ),
        "complex": lambda: np.arange(len(y)) * 1j,
        "inf": lambda: np.array([np.inf] * len(y)),
        "string type": lambda: np.array([str(value) for value in values], np.dtypes.StringDType()),
        "tuples": lambda: [(value, value) for value in values],
        "sparse": lambda: sp.csr_matrix(np.arange(len(y))),
        "dict": lambda: dict(enumerate(values)),
        "no y": lambda: None,
        "float16": lambda: (np.arange(len(y)) % 3).astype("f2"),
        "ones": lambda: np.ones(len(y)),
    }[kind]()


#: What weights, logits and probabilities may wrongly be.
ODD_NUMBERS = [*SPECIALS, -1.0, 1e-300, "a", None, 1j, 10**400, np.datetime64("2000-01-01")]


@st.composite
def number_arrays(draw, shape, low=0.0, high=1.0):
    """Return something that may or may not do as an array of numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    array = rng.uniform(low, high, shape)
    kind = draw(usually("plain", ["zeros", "ones", "huge", "tiny", "first", "sparse"], 2))
    if kind in ("zeros", "ones"):
        array[...] = kind == "ones"
    with np.errstate(over="ignore"):
        array *= {"huge": 1e308, "tiny": 5e-324}.get(kind, 1.0)
    if kind == "first":
        array[1:] = 0
    if kind == "sparse":
        array[rng.random(shape) < 0.5] = 0
    for odd in draw(usually((), [(value,) for value in ODD_NUMBERS], 2)):
        if not isinstance(odd, float):
            array = array.astype(object)
        array[tuple(rng.integers(shape))] = odd
    if array.dtype != object:
        array = as_dtype(array, draw(usually("float64", DTYPES, 4)))
    if array.ndim == 2:
        array = in_shape(array, draw(usually("2-d", ["0-d", "1-d", "empty", "one column"], 5)))
    return in_container(array, draw(usually("array", CONTAINERS, 3)))


def answer(call, *args, **kwargs):
    """Return what a call gives, or None where it refuses its input as it should.

    Any warning is an error, but for scikit-learn's advice about labels. A refusal is a ValueError
    or a TypeError with a message, raised by scikit-learn or by a ``raise`` of this package: one
    that comes out of NumPy, torch or pandas was nobody's decision.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DataConversionWarning)
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
        warnings.filterwarnings("ignore", "The least populated class in y has only")
        warnings.filterwarnings("ignore", "X (has|does not have valid) feature names")
        warnings.filterwarnings("ignore", category=TeacherWarning)  # random labels and logits
        try:
            return call(*args, **kwargs)
        except (ValueError, TypeError) as error:
            if not is_refusal(error):
                raise
            return None


def is_refusal(error):
    frames = traceback.extract_tb(error.__traceback__)
    ours = [i for i, frame in enumerate(frames) if frame.filename.startswith(OURS)]
    if any(frame.filename.startswith(SCIKIT_LEARN) for frame in frames[ours[-1] + 1 :]):
        return bool(str(error).strip())
    is_raised = ours[-1] == len(frames) - 1 and frames[-1].line.startswith("raise ")
    return is_raised and bool(str(error).strip())


def check_probabilities(probabilities, n_samples, n_classes):
    assert probabilities.shape == (n_samples, n_classes)
    assert probabilities.dtype.kind == "f"
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def check_predictions(classifier, X):
    """Check all that a fitted classifier says about X; return whether it took it."""
    probabilities = answer(classifier.predict_proba, X)
    if probabilities is None:
        for method in ("predict", "predict_log_proba", "decision_function"):
            assert answer(getattr(classifier, method), X) is None
        return False
    classes, n_samples = classifier.classes_, _num_samples(X)
    check_probabilities(probabilities, n_samples, len(classes))
    logarithms = answer(classifier.predict_log_proba, X)
    assert np.isfinite(logarithms).all()
    np.testing.assert_allclose(np.exp(logarithms), probabilities, atol=1e-5)
    predicted = answer(classifier.predict, X)
    assert predicted.shape == (n_samples,)
    assert predicted.dtype == classes.dtype
    assert np.isin(predicted, classes).all()
    decision = answer(classifier.decision_function, X)
    assert decision.shape == ((n_samples,) if len(classes) == 2 else (n_samples, len(classes)))
    assert np.isfinite(decision).all()
    return True


def check_fit(classifier, X, y, *args, **kwargs):
    """Fit a classifier and check what comes out; return it, or None where it refused."""
    before = dict(vars(classifier))
    fitted = answer(classifier.fit, X, y, *args, **kwargs)
    if fitted is None:
        assert vars(classifier).keys() == before.keys()
        assert all(vars(classifier)[name] is value for name, value in before.items())
        return None
    assert fitted is classifier
    classes = classifier.classes_
    assert len(classes) >= 2
    assert list(classes) == sorted(set(classes.tolist()))
    if hasattr(classifier, "parameters_"):
        assert np.isfinite(classifier.parameters_).all()
        assert np.isfinite(classifier.loss_curve_).all()
    assert check_predictions(classifier, X)
    return classifier
