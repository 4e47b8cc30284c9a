"""Saved estimators: files of every kind, of other versions, damaged, from strangers."""

import copy
import errno
import faulthandler
import functools
import io
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

import sklqkd
from sklqkd import persistence
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.images import image_layout
from sklqkd.persistence import TRUSTED_TYPES, VersionedState, checksum, replacing

from .limits import file_size_limit

FIXTURES = Path(__file__).parent / "data"
QUICK = {"max_iter": 2, "random_state": 0}
SMALL = {"n_qubits": 2, "n_layers": 1, **QUICK}
REDUCERS = ["PCAReducer", "PoolingReducer", "CenterCropReducer", "FCReducer", "ConvReducer"]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:150], y[:150]


@pytest.fixture(scope="module")
def safe(digits):
    """What a file of skops may hold, by name: all students and reducers, and pipelines."""
    X, y = digits
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    names = np.array([f"class {label}" for label in y], object)
    estimators = {name: getattr(sklqkd, name)(4).fit(X, y) for name in REDUCERS}
    estimators |= {
        "QNNClassifier": sklqkd.QNNClassifier(reducer="max_pool", warm_start=True, **SMALL),
        "DistilledQNNClassifier": sklqkd.DistilledQNNClassifier(forest, **SMALL),
        "DistilledLinearClassifier": sklqkd.DistilledLinearClassifier(reducer=PCA(3), **QUICK),
        "DistilledMLPClassifier": sklqkd.DistilledMLPClassifier(early_stopping=True, **QUICK),
        "pipeline": Pipeline(
            [
                ("reduce", sklqkd.PCAReducer(n_components=4)),
                ("student", sklqkd.DistilledQNNClassifier(reducer=None, **SMALL)),
            ]
        ),
        "conv": sklqkd.QNNClassifier(reducer="conv", **SMALL),
    }
    for name, estimator in estimators.items():
        if name not in REDUCERS:
            estimator.fit(X, names if name == "QNNClassifier" else y)
    estimators["DistilledQNNClassifier"].set_params(teacher=None)
    uploads = sklqkd.QNNClassifier(encoding="angle", n_uploads=2, **SMALL).fit(X, y)
    estimators["twin"] = estimators["QNNClassifier"].to_classical()
    estimators["twin of uploads"] = uploads.to_classical()
    return estimators


@pytest.fixture(scope="module")
def everything(safe, digits):
    X, y = digits
    student, grid = sklqkd.DistilledQNNClassifier(**SMALL), {"lam": [0.0], "n_layers": [1, 2]}
    others = {
        "LeNetClassifier": sklqkd.LeNetClassifier(max_epochs=1),
        "AlexNetClassifier": sklqkd.AlexNetClassifier(max_epochs=1, module__hidden_size=4),
        "ResNetClassifier": sklqkd.ResNetClassifier(
            max_epochs=1, module__n_blocks=1, module__width=2
        ),
        "DistilledQNNClassifierCV": sklqkd.DistilledQNNClassifierCV(
            student=student, temperatures=None, lams=[0.0], param_grid={"n_layers": [1, 2]}, cv=2
        ),
        "search": GridSearchCV(student, grid, cv=2),
        "stacked": sklqkd.search.StackedGridSearchCV(student, grid, cv=2),
        "random": sklqkd.search.StackedRandomizedSearchCV(student, grid, n_iter=2, cv=2),
    }
    return safe | {name: estimator.fit(X, y) for name, estimator in others.items()}


def outputs(estimator, X):
    return (
        estimator.predict_proba(X)
        if hasattr(estimator, "predict_proba")
        else estimator.transform(X)
    )


# pickle, joblib, copies


def test_all_public_estimators_are_tested(everything):
    public = {name for name in sklqkd.__all__ if isinstance(getattr(sklqkd, name), type)}
    # Their modules are torch's to save.
    assert public - {"TorchTeacher", "TeacherReducer"} <= set(everything)


def assert_same_outputs(found, estimator, X, name):
    # torch may add a row up in another order where its batch lies elsewhere in memory.
    rtol = 1e-6 if name.endswith("NetClassifier") else 0
    assert_allclose(found, outputs(estimator, X), rtol=rtol, err_msg=name)


def test_every_estimator_works_in_another_process(everything, digits, tmp_path):
    X, _ = digits
    for name, estimator in everything.items():
        joblib.dump(estimator, tmp_path / f"{name}.joblib")
        (tmp_path / f"{name}.pickle").write_bytes(pickle.dumps(estimator))
    np.save(tmp_path / "X.npy", X)
    code = (
        "import joblib, pickle, sys, numpy as np; from pathlib import Path\n"
        "X = np.load('X.npy')\n"
        "def outputs(e): return getattr(e, 'predict_proba', getattr(e, 'transform', None))(X)\n"
        "files = {p.name: outputs(joblib.load(p)) for p in Path().glob('*.joblib')}\n"
        "opened = {p.name: outputs(pickle.load(p.open('rb'))) for p in Path().glob('*.pickle')}\n"
        "np.savez('outputs.npz', **files, **opened)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    found = np.load(tmp_path / "outputs.npz")
    assert len(found.files) == 2 * len(everything)
    for name, estimator in everything.items():
        for kind in ("joblib", "pickle"):
            assert_same_outputs(found[f"{name}.{kind}"], estimator, X, name)


def test_copies_and_memory_maps(everything, digits, tmp_path):
    X, _ = digits
    for name, estimator in everything.items():
        before = dict(vars(estimator))
        deep = copy.deepcopy(estimator)
        joblib.dump(estimator, tmp_path / name)
        mapped = joblib.load(tmp_path / name, mmap_mode="r")
        for other in (copy.copy(estimator), deep, mapped):
            assert_same_outputs(outputs(other, X), estimator, X, name)
        assert vars(estimator) == before or name.endswith("NetClassifier")
        assert "_sklqkd_state" not in vars(estimator) | vars(deep) | vars(clone(estimator))


def test_state_of_a_running_fit_is_left_out(digits):
    class Copies:
        states: list = []  # noqa: RUF012

        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            assert "_training_run" in vars(estimator)
            self.states.append(estimator.__getstate__())

    student = sklqkd.QNNClassifier(**SMALL).set_callbacks(Copies()).fit(*digits)
    assert len(Copies.states) == 3
    assert not any("_training_run" in state for state in [*Copies.states, vars(student)])


# skops


def test_skops_holds_students_reducers_and_pipelines(safe, digits, tmp_path):
    X, _ = digits
    needed = set()
    for name, estimator in safe.items():
        path = tmp_path / f"{name}.skops"
        skops.io.dump(estimator, path)
        needed.update(skops.io.get_untrusted_types(file=path))
        loaded = skops.io.load(path, trusted=TRUSTED_TYPES)
        assert_same_outputs(outputs(loaded, X), estimator, X, name)
    elsewhere = {name for name in TRUSTED_TYPES if name.split(".")[1] in ("optimizers", "twin")}
    assert sorted(needed | elsewhere) == TRUSTED_TYPES


class Evil:
    """Runs when pickle opens it, or when anything calls one of its methods."""

    ran: list = []  # noqa: RUF012

    def __reduce__(self):
        return evil_function, ("reduce",)

    def __setstate__(self, state):
        Evil.ran.append("setstate")


def evil_function(how="call"):
    Evil.ran.append(how)


@pytest.mark.parametrize("evil", [Evil(), evil_function, functools.partial(evil_function), Evil])
def test_skops_runs_nothing_that_is_not_trusted(safe, evil):
    student = copy.deepcopy(safe["QNNClassifier"]).set_params(ansatz=evil)
    data = skops.io.dumps(student)
    Evil.ran.clear()
    with pytest.raises(UntrustedTypesFoundException, match=r"test_persistence|partial"):
        skops.io.loads(data, trusted=TRUSTED_TYPES)
    assert Evil.ran == []
    if isinstance(evil, Evil):  # which a pickle runs
        pickle.loads(pickle.dumps(evil))
        assert Evil.ran == ["reduce"]


@pytest.mark.filterwarnings("ignore:The teacher .* agrees with y on")  # after one epoch
def test_a_student_leaves_its_teacher_behind_for_skops(everything, digits):
    X, y = digits
    teacher = everything["LeNetClassifier"]
    student = sklqkd.DistilledQNNClassifier(teacher, **SMALL).fit(X, y)
    before = student.predict_proba(X)
    with pytest.raises(UntrustedTypesFoundException, match="LeNetClassifier"):
        skops.io.loads(skops.io.dumps(student), trusted=TRUSTED_TYPES)
    data = skops.io.dumps(student.set_params(teacher=None))
    loaded = skops.io.loads(data, trusted=TRUSTED_TYPES)
    assert_array_equal(loaded.predict_proba(X), before)


# other versions


@pytest.mark.parametrize(
    "version",
    sorted(path.name for path in FIXTURES.iterdir() if path.is_dir() and path.name[0].isdigit()),
)
@pytest.mark.parametrize("name", ["student", "pipeline", "classical"])
def test_files_of_releases_load(version, name):
    X, y = load_digits(return_X_y=True)
    X = X[y < 3][:20]
    folder = FIXTURES / version
    expected = np.load(folder / "probabilities.npz")[name]
    with warnings.catch_warnings():  # of scikit-learn's Pipeline
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        opened = joblib.load(folder / f"{name}.joblib")
        safe = skops.io.load(folder / f"{name}.skops", trusted=TRUSTED_TYPES)
    for estimator in (opened, safe):
        assert_allclose(estimator.predict_proba(X), expected, rtol=1e-5)
        assert set(estimator.predict(X)) <= set(estimator.classes_)


@pytest.mark.parametrize("name", ["resnet", "fc"])
def test_teachers_and_trained_reducers_of_releases_load(name):
    X, y = take_per_class(*load_digits(return_X_y=True), 10, classes=[3, 5, 8])
    opened = joblib.load(FIXTURES / "0.1.0" / f"{name}.joblib")
    expected = np.load(FIXTURES / "0.1.0" / "outputs.npz")[name]
    assert_allclose(outputs(opened, X), expected, rtol=1e-5, atol=1e-6)
    if name == "resnet":
        assert len(opened.partial_fit(X, y).history) == 3


def test_files_of_before_have_the_first_values_of_later_parameters():
    student = joblib.load(FIXTURES / "0.1.0" / "student.joblib")
    fresh = type(student)()
    for name in ("n_uploads", "trainable_scaling", "augmentation"):
        assert student.get_params()[name] == getattr(fresh, name)
    assert clone(student).get_params(deep=False).keys() == fresh.get_params(deep=False).keys()


def test_there_are_files_of_this_format():
    opened = [joblib.load(path) for path in FIXTURES.glob("*/student.joblib")]
    assert {type(student).__name__ for student in opened} == {"DistilledQNNClassifier"}
    text = (FIXTURES / "0.1.0" / "student.skops").read_bytes()
    assert len(text) < 10_000


SAVED = {
    "pickle": (pickle.dumps, pickle.loads),
    "skops": (skops.io.dumps, lambda data: skops.io.loads(data, trusted=TRUSTED_TYPES)),
}


@pytest.mark.parametrize("way", SAVED)
@pytest.mark.parametrize("name", ["DistilledQNNClassifier", "PCAReducer", "pipeline"])
def test_a_newer_format_is_refused_with_both_versions(safe, name, way, monkeypatch):
    dumps, loads = SAVED[way]
    with monkeypatch.context() as later:
        later.setattr(persistence, "STATE_VERSION", persistence.STATE_VERSION + 1)
        later.setattr(persistence, "__version__", "23.4.5")
        data = dumps(safe[name])
    with pytest.raises(ValueError, match=r"format 3, of sklqkd 23\.4\.5") as refusal:
        loads(data)
    assert f"sklqkd {sklqkd.__version__}, which reads state formats 1 to 2" in str(refusal.value)
    assert "Upgrade sklqkd" in str(refusal.value)


def test_what_has_no_version_is_refused_with_advice(safe, monkeypatch):
    with monkeypatch.context() as earlier:
        for name in ("__getstate__", "__reduce_ex__"):
            earlier.delattr(VersionedState, name)
        data = pickle.dumps(safe["QNNClassifier"])
    with pytest.raises(ValueError, match=r"before its release 0\.1\.0.* fit it again"):
        pickle.loads(data)


def test_an_older_format_that_is_not_read_is_refused_with_advice(safe):
    state = safe["QNNClassifier"].__getstate__()
    state["_sklqkd_state"] |= {"version": 0, "written_by": "0.0.9"}
    with pytest.raises(ValueError, match=r"format 0, of sklqkd 0\.0\.9.*reads.*2\. Fit it"):
        sklqkd.QNNClassifier().__setstate__(state)


# damage


def save(estimator, way):
    if way == "joblib":
        buffer = io.BytesIO()
        joblib.dump(estimator, buffer)
        return buffer.getvalue()
    return SAVED[way][0](estimator)


def load(data, way):
    return joblib.load(io.BytesIO(data)) if way == "joblib" else SAVED[way][1](data)


def damaged(data, n, seed=0):
    """Yield copies of `data` with one bit flipped, and some cut off."""
    rng = np.random.default_rng(seed)
    for place in rng.choice(len(data), min(n, len(data)), replace=False):
        flipped = bytearray(data)
        flipped[place] ^= 1 << rng.integers(8)
        yield bytes(flipped)
    for length in rng.choice(len(data), n // 4):
        yield data[:length]


@pytest.mark.parametrize(
    ("name", "way", "n"),
    [
        ("DistilledQNNClassifier", "pickle", 1500),
        ("DistilledQNNClassifier", "joblib", 1500),
        ("DistilledQNNClassifier", "skops", 500),
        ("QNNClassifier", "joblib", 800),
        ("DistilledLinearClassifier", "pickle", 300),
        ("PCAReducer", "pickle", 800),
        ("LeNetClassifier", "joblib", 150),
    ],
)
def test_damage_is_refused_or_harmless(everything, digits, name, way, n):
    X, _ = digits
    estimator = everything[name]
    data, expected = save(estimator, way), outputs(estimator, X)

    def outcome(broken):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = outputs(load(broken, way), X)
            except Exception:  # whatever the format raises; never an estimator that predicts
                return b"r"
        return b"s" if np.array_equal(found, expected) else b"w"

    files = list(damaged(data, n))
    found = [outcome(f) for f in files] if "Net" in name else in_children(outcome, files)
    assert b"w" not in found
    assert found.count(b"r") > n / 3
    assert b"c" not in found


def in_children(outcome, files):
    """Return the outcome of each file, b"c" where the process that looks at it crashes."""
    found = []
    while len(found) < len(files):
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            faulthandler.disable()
            for file in files[len(found) :]:
                os.write(writer, outcome(file))
            os._exit(0)
        os.close(writer)
        with open(reader, "rb") as pipe:
            found += [bytes([letter]) for letter in pipe.read()]
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            found.append(b"c")
    return found


@pytest.mark.parametrize(
    "name", ["DistilledQNNClassifier", "DistilledLinearClassifier", "FCReducer", "LeNetClassifier"]
)
def test_every_flipped_bit_of_the_weights_is_told(everything, name):
    estimator = everything[name]
    weights = {"FCReducer": "coef_", "LeNetClassifier": "module_"}.get(name, "parameters_")
    array = getattr(estimator, weights)
    if weights == "module_":
        array = array[1].weight.detach().numpy()
    data = pickle.dumps(estimator)
    start = data.index(array.tobytes())
    rng = np.random.default_rng(0)
    for place in rng.choice(array.nbytes, 100):
        flipped = bytearray(data)
        flipped[start + place] ^= 1 << rng.integers(8)
        with pytest.raises(ValueError, match=f"saved {name} is damaged"):
            pickle.loads(flipped)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(3), np.zeros(3, np.float32)),
        (np.zeros(4), np.zeros((2, 2))),
        (np.array([0.0]), np.array([-0.0])),
        (np.array(["a"]), np.array(["b"])),
        (np.array([["a", 1]], object), np.array([["a", 2]], object)),
        (["ab", "c"], ["a", "bc"]),
        ([1, [2]], [[1], 2]),
        ((1,), [1]),
        ({1, 2}, {1, 3}),
        ({1: 2}, {2: 1}),
        (1, 1.0),
        (True, 1),
        (None, "None"),
        (functools.partial(max, 1), functools.partial(max, 2)),
        (max, min),
        (image_layout(64), image_layout(49)),
        (PCA(2), PCA(3)),
        (sklqkd.PCAReducer(2), sklqkd.PCAReducer(3)),
    ],
)
def test_checksums_tell_things_apart(one, other):
    assert checksum(one) != checksum(other)
    assert checksum(one) == checksum(pickle.loads(pickle.dumps(one)))


def test_checksums_are_of_values(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "values.npy", values)
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    for other in (np.asfortranarray(values), mapped, np.tile(values, 2)[:, :4]):
        assert checksum(other) == checksum(values)
    assert checksum(np.float64(1.5)) == checksum(1.5)
    assert checksum({"a": 1, "b": 2}) == checksum({"b": 2, "a": 1})
    assert checksum({3, 1, 2}) == checksum({2, 3, 1})


# whole files


@pytest.mark.parametrize("dump", [joblib.dump, skops.io.dump, pickle.dump])
def test_a_full_disk_leaves_the_old_file(safe, digits, tmp_path, dump):
    path = tmp_path / "student.file"
    path.write_text("the old file")
    full = pytest.raises(OSError, match="File too large")
    with file_size_limit(1000), full as refusal, replacing(path) as file:
        dump(safe["QNNClassifier"], file)
    assert refusal.value.errno == errno.EFBIG
    assert path.read_text() == "the old file"
    assert [entry.name for entry in tmp_path.iterdir()] == ["student.file"]


def test_a_file_that_is_whole_replaces_the_old_one(safe, digits, tmp_path):
    X, _ = digits
    path = tmp_path / "student.joblib"
    for name in ("QNNClassifier", "DistilledQNNClassifier"):
        with replacing(path) as file:
            joblib.dump(safe[name], file)
        assert_array_equal(joblib.load(path).predict_proba(X), safe[name].predict_proba(X))
    with pytest.raises(TypeError), replacing(path) as file:
        pickle.dump([b"half", (row for row in X)], file)
    assert_array_equal(joblib.load(path).predict_proba(X), safe[name].predict_proba(X))


def test_a_subclass_with_a_state_of_its_own():
    class Own(VersionedState, BaseEstimator):
        def __getstate__(self):
            return super().__getstate__() | {"extra": 1}

        def __setstate__(self, state):
            assert state.pop("extra") == 1
            super().__setstate__(state)

    own = Own()
    own.value_ = np.arange(3)
    assert_array_equal(copy.deepcopy(own).value_, own.value_)
