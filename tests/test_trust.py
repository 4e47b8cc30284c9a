"""Files, runs and processes that go wrong: what comes of it is right, or says so."""

import io
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from numpy.testing import assert_array_equal
from scipy.interpolate import make_interp_spline
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer
from sklearn.random_projection import SparseRandomProjection
from threadpoolctl import threadpool_info

from sklqkd import DistilledLinearClassifier, DistilledQNNClassifier, QNNClassifier, persistence
from sklqkd.callbacks import Checkpoint
from sklqkd.datasets import load_digits
from sklqkd.evaluation import compare
from sklqkd.exceptions import DamagedFileError, FileInUseError
from sklqkd.files import Locked, append_line, check_archive, open_regular, replacing
from sklqkd.fingerprints import Learnt, fingerprint
from sklqkd.schedules import resolve_schedule
from sklqkd.search import StackedGridSearchCV

from .limits import file_size_limit

SMALL = {"n_qubits": 2, "n_layers": 1, "max_iter": 2, "random_state": 0}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:90], y[:90]


@pytest.fixture(scope="module")
def student(digits):
    """A student whose reducer and teacher hold what is no array."""
    teacher = RandomForestClassifier(5, random_state=0).fit(*digits)
    reducer = SparseRandomProjection(4, random_state=np.random.RandomState(0))
    return DistilledQNNClassifier(teacher, reducer=reducer, **SMALL).fit(*digits)


def save(value, way):
    buffer = io.BytesIO()
    {"joblib": joblib.dump, "pickle": pickle.dump, "skops": skops.io.dump}[way](value, buffer)
    return buffer.getvalue()


def flipped(content, n, seed=0):
    rng = np.random.default_rng(seed)
    for place in rng.choice(len(content), n, replace=len(content) < n):
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.integers(8)
        yield bytes(damaged)


# ------------------------------------------------------------------------------ saved estimators


def test_a_saved_block_has_no_blind_spot(student, digits):
    """Every bit of a sparse matrix counts: no wrong model, and the one error."""
    X, _ = digits
    expected = student.predict_proba(X)
    content = save(student, "pickle")
    state = student.__reduce_ex__(5)[2]
    start = content.index(state["block"])
    sparse = student.reducer_.components_
    for array in (sparse.data, sparse.indices, sparse.indptr):
        at = start + state["block"].index(array.tobytes())
        for damaged in flipped(content[at : at + array.nbytes], 30):
            whole = content[:at] + damaged + content[at + array.nbytes :]
            with pytest.raises(DamagedFileError, match="saved DistilledQNNClassifier is damaged"):
                pickle.loads(whole)
    assert_array_equal(pickle.loads(content).predict_proba(X), expected)


@pytest.mark.parametrize("way", ["joblib", "pickle"])
def test_plain_files_never_give_other_predictions(student, digits, way):
    X, _ = digits
    plain = student.__copy__().set_params(teacher=None)
    expected, content = plain.predict_proba(X), save(plain, way)
    n_refused = 0
    for damaged in flipped(content, 150):
        try:
            found = joblib.load(io.BytesIO(damaged))
        except Exception:
            n_refused += 1
        else:
            assert_array_equal(found.predict_proba(X), expected)
    assert n_refused > 140


@pytest.mark.parametrize("way", ["dump", "joblib", "pickle", "skops"])
def test_load_has_one_error_for_damage(student, digits, tmp_path, way):
    X, _ = digits
    plain = student.__copy__().set_params(teacher=None, reducer=None)
    path = tmp_path / "student"
    if way == "dump":
        persistence.dump(plain, path)
    else:
        path.write_bytes(save(plain, way))
    content, trusted = path.read_bytes(), ["scipy.sparse._csr.csr_matrix"]
    assert_array_equal(
        persistence.load(path, trusted=trusted).predict_proba(X), plain.predict_proba(X)
    )
    broken = [content[:n] for n in (0, 1, 20, len(content) // 2)] + [b"PK\3\4", b"nothing"]
    n_refused = 0
    for damaged in [*broken, *flipped(content, 60)]:
        path.write_bytes(damaged)
        try:
            found = persistence.load(path, trusted=trusted)
        except DamagedFileError:
            n_refused += 1
        else:
            assert_array_equal(found.predict_proba(X), plain.predict_proba(X))
    assert n_refused >= len(broken) + (59 if way == "dump" else 20)


def test_dump_covers_all_of_the_file(student, tmp_path):
    path = tmp_path / "student.joblib"
    persistence.dump([student, {"weights": np.arange(5)}], path)
    content = path.read_bytes()
    assert joblib.load(path)[0].teacher is not None  # any reader opens it
    for damaged in flipped(content[:-40], 100):  # the forest and the array too
        path.write_bytes(damaged + content[-40:])
        with pytest.raises(DamagedFileError, match="not what was written"):
            persistence.load(path)


def test_students_in_one_file_share_their_teacher(student):
    teacher = student.teacher
    students = [student, DistilledQNNClassifier(teacher, **SMALL)]
    one, two = pickle.loads(pickle.dumps(students))
    assert one.teacher is two.teacher
    assert len(pickle.dumps(students)) < len(pickle.dumps(student)) + 10_000


def test_functions_of_a_script_go_to_workers_as_they_are():
    """Joblib's workers get them from cloudpickle, which writes their code."""
    pytest.importorskip("cloudpickle")
    code = """
import sys, cloudpickle
from sklearn.preprocessing import FunctionTransformer
from sklqkd import QNNClassifier
class Own(FunctionTransformer): pass
student = QNNClassifier(reducer=Own(lambda X: X[:, ::2]), ansatz=lambda weights, wires: None)
sys.stdout.buffer.write(cloudpickle.dumps(student))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, check=True
    )
    there = pickle.loads(done.stdout)
    assert_array_equal(there.reducer.transform(np.arange(4)[None]), [[0, 2]])
    assert there.ansatz(None, None) is None


def test_small_files_that_would_fill_the_memory_are_refused(tmp_path):
    path = tmp_path / "images.npz"
    np.savez_compressed(path, X=np.zeros((10, 4), np.uint8))
    content = path.read_bytes()
    with path.open("rb") as file:
        assert check_archive(file) == {"X": ((10, 4), np.dtype(np.uint8))}
    import zipfile

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**50, 4)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", header.getvalue() + bytes(100))
    with path.open("rb") as file, pytest.raises(DamagedFileError, match="its header says"):
        check_archive(file)
    path.write_bytes(content[:-9])
    with path.open("rb") as file, pytest.raises(DamagedFileError, match="damaged"):
        check_archive(file)


# ------------------------------------------------------------------------------ fingerprints


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


def closure(number):
    return lambda epoch, max_iter=1: number


def forest(labels):
    X, y = load_digits(return_X_y=True)
    return RandomForestClassifier(3, random_state=0).fit(X[:60], y[:60] if labels else 9 - y[:60])


class SameFavourites(LogisticRegression):
    """Classifiers that predict the same, with other probabilities."""

    def __init__(self, sharpness=1.0):
        super().__init__()
        self.sharpness = sharpness

    def predict_proba(self, X):
        powers = super().predict_proba(X) ** self.__dict__["_power"]
        return powers / powers.sum(axis=1, keepdims=True)


def sharp(power):
    X, y = load_digits(return_X_y=True)
    teacher = SameFavourites().fit(X[:60], y[:60])
    teacher._power = power
    return teacher


PAIRS = {
    "generator": (lambda: np.random.RandomState(0), lambda: np.random.RandomState(1)),
    "new generator": (lambda: np.random.default_rng(0), lambda: np.random.default_rng(1)),
    "constant": (lambda: lambda w: w + 1, lambda: lambda w: w + 2),
    "code": (lambda: lambda w: w + 1, lambda: lambda w: w - 1),
    "default": (lambda: lambda w, k=1: k, lambda: lambda w, k=2: k),
    "closure": (lambda: closure(1), lambda: closure(2)),
    "inner function": (lambda: lambda: lambda: 1, lambda: lambda: lambda: 2),
    "slots": (lambda: Slotted(1), lambda: Slotted(2)),
    "sparse": (lambda: csr_array(np.eye(3)), lambda: csr_array(2 * np.eye(3))),
    "masked": (
        lambda: np.ma.array([1, 2], mask=[0, 1]),
        lambda: np.ma.array([1, 2], mask=[0, 0]),
    ),
    "spline": (
        lambda: make_interp_spline(range(5), [0, 1, 2, 3, 4]),
        lambda: make_interp_spline(range(5), [0, 1, 2, 3, 5]),
    ),
    "tree": (lambda: forest(True).estimators_[0].tree_, lambda: forest(False).estimators_[0].tree_),
    "transformer": (
        lambda: FunctionTransformer(lambda X: X),
        lambda: FunctionTransformer(lambda X: -X),
    ),
    "fitted": (lambda: forest(True), lambda: forest(False)),
    "knots": (
        lambda: SplineTransformer().fit(np.linspace(0, 1, 9)[:, None]),
        lambda: SplineTransformer().fit(np.linspace(0, 2, 9)[:, None]),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_fingerprints_tell_apart(name):
    one, other = PAIRS[name]
    value = one()
    before = fingerprint(value, (), Learnt())
    assert before == fingerprint(one(), (), Learnt())
    assert before != fingerprint(other(), (), Learnt())
    assert before == fingerprint(value, (), Learnt())
    nested = {"a": [Slotted(value)]}
    assert fingerprint(nested, (), Learnt()) != fingerprint({"a": [Slotted(other())]}, (), Learnt())


def test_tensors_and_frames_are_told_apart():
    torch, pd = pytest.importorskip("torch"), pytest.importorskip("pandas")
    for make in (
        torch.tensor,
        lambda values: torch.tensor(values, dtype=torch.bfloat16),
        lambda values: pd.DataFrame({"a": values}),
        lambda values: pd.Series(values),
        lambda values: pd.DataFrame({"a": pd.Categorical(values)}),
        lambda values: pd.DataFrame({"a": [0, 0]}, index=values),
    ):
        assert fingerprint(make([1.0, 2.0])) == fingerprint(make([1.0, 2.0]))
        assert fingerprint(make([1.0, 2.0])) != fingerprint(make([1.0, 3.0]))


SCALE = 2.0


def scaled(value):
    return SCALE * value


def test_what_a_function_names_counts(monkeypatch):
    before = fingerprint(scaled)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert fingerprint(scaled) != before


def test_what_contains_itself_is_described():
    values: list = [1]
    values.append(values)
    assert fingerprint(values) == fingerprint(values)


def test_what_cannot_be_described_is_like_nothing_else():
    locks = [threading.Lock(), threading.Lock()]
    assert fingerprint(locks[0]) == fingerprint(locks[0])
    assert fingerprint(locks[0]) != fingerprint(locks[1])
    code = "import threading; from sklqkd.fingerprints import fingerprint as f;"
    code += "print(f(threading.Lock()))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() not in map(fingerprint, locks)


def test_teachers_count_by_what_students_learn(digits):
    X, _ = digits
    one, other = sharp(1.0), sharp(2.0)
    assert_array_equal(one.predict(X), other.predict(X))
    given = [fingerprint(DistilledQNNClassifier(t), learnt=Learnt(X)) for t in (one, other)]
    assert given[0] != given[1]
    assert given[0] == fingerprint(DistilledQNNClassifier(sharp(1.0)), learnt=Learnt(X))


# ------------------------------------------------------------------------------ two writers


def search_of(path, **changes):
    options = {"cv": 2, "refit": False, "checkpoint": path} | changes
    student = options.pop("student", QNNClassifier(reducer="pca", **SMALL))
    return StackedGridSearchCV(student, {"learning_rate_init": [0.01, 0.1]}, **options)


class Score:
    def __init__(self, sign=1):
        self.sign = sign

    def __call__(self, estimator, X, y):
        return self.sign * estimator.score(X, y)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"scoring": Score(1)}, {"scoring": Score(-1)}),
        ({"scoring": lambda s, X, y: 1.0}, {"scoring": lambda s, X, y: 2.0}),
        (
            {"student": QNNClassifier(**SMALL | {"random_state": np.random.RandomState(0)})},
            {"student": QNNClassifier(**SMALL | {"random_state": np.random.RandomState(1)})},
        ),
        (
            {"student": QNNClassifier(reducer=FunctionTransformer(lambda X: X[:, :4]), **SMALL)},
            {"student": QNNClassifier(reducer=FunctionTransformer(lambda X: X[:, 4:8]), **SMALL)},
        ),
    ],
)
def test_a_search_with_another_function_or_generator_is_refused(digits, tmp_path, one, other):
    path = tmp_path / "search"
    search_of(path, **one).fit(*digits)
    with pytest.raises(ValueError, match="a search of another estimator"):
        search_of(path, **other).fit(*digits)
    search_of(path, **one).fit(*digits)


def test_a_search_of_another_release_is_refused(digits, tmp_path, monkeypatch):
    path = tmp_path / "search"
    with monkeypatch.context() as later:
        later.setattr("sklqkd.search.checkpoint.__version__", "23.4.5")
        search_of(path).fit(*digits)
    with pytest.raises(ValueError, match=r"is of sklqkd 23\.4\.5 .* two releases are not mixed"):
        search_of(path).fit(*digits)
    text = b'{"search": "of 0.1.0"}'
    import zlib

    path.write_bytes(b"%08x %s\n" % (zlib.crc32(text), text))
    with pytest.raises(ValueError, match=r"is of sklqkd 0\.1\.0 \(format 1\)"):
        search_of(path).fit(*digits)


class Second:
    """Scores, and tries to run the same search meanwhile."""

    errors: list = []  # noqa: RUF012

    def __init__(self, path):
        self.path = path

    def __call__(self, estimator, X, y):
        if not self.errors:
            self.errors.append(None)
            try:
                search_of(self.path, scoring=self).fit(X, y)
            except FileInUseError as error:
                self.errors.append(error)
        return estimator.score(X, y)


def test_a_second_search_on_the_same_file_is_told(digits, tmp_path):
    path = tmp_path / "search"
    search = search_of(path, scoring=Second(path)).fit(*digits)
    assert "is in use by another run" in str(Second.errors[1])
    assert len(path.read_bytes().splitlines()) == 2
    search.fit(*digits)
    assert [entry.name for entry in tmp_path.iterdir()] == ["search"]


class FailsOnce:
    """A score that fails while a file is there."""

    def __init__(self, path):
        self.path = path

    def __call__(self, estimator, X, y):
        if self.path.exists() and estimator.learning_rate_init > 0.05:
            raise RuntimeError("not yet")
        return estimator.score(X, y)


class BreaksOnce(BaseEstimator):
    """A reducer that fails while a file is there."""

    def __init__(self, path=None):
        self.path = path

    def fit(self, X, y=None):
        if self.path.exists():
            raise RuntimeError("not yet")
        return self

    def transform(self, X):
        return X[:, :4]


@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
@pytest.mark.parametrize("what", ["fit", "score"])
def test_failed_fits_are_tried_again(digits, tmp_path, what):
    path, flag = tmp_path / "search", tmp_path / "flag"
    flag.touch()
    scoring = FailsOnce(flag) if what == "score" else None
    reducer = "pca" if what == "score" else BreaksOnce(flag)
    student = QNNClassifier(reducer=reducer, **SMALL)
    search = search_of(path, scoring=scoring, student=student)
    if what == "fit":
        with pytest.raises(ValueError, match="All the 4 fits failed"):
            search.fit(*digits)
    else:
        search.fit(*digits)
        assert np.isnan(search.cv_results_["mean_test_score"][1])
    flag.unlink()
    assert np.isfinite(search.fit(*digits).cv_results_["mean_test_score"]).all()


def test_two_comparisons_in_one_folder_are_told(digits, tmp_path):
    X, y = digits
    given = {"one": LogisticRegression(max_iter=500)}, X[:60], y[:60], X[60:], y[60:]
    with Locked(tmp_path, "checkpoint"), pytest.raises(FileInUseError, match="is in use"):
        compare(*given, seeds=1, checkpoint=tmp_path)
    compare(*given, seeds=1, checkpoint=tmp_path)
    path = next(tmp_path.iterdir())
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(ValueError, match="runs of two releases are not mixed"):
        compare(*given, seeds=1, checkpoint=tmp_path)
    path.write_text("[" * 100_000)
    with pytest.raises(DamagedFileError, match="does not hold a run"):
        compare(*given, seeds=1, checkpoint=tmp_path)


# ------------------------------------------------------------------------------ checkpoints


class Meanwhile:
    """Does something after an epoch."""

    def __init__(self, do, at=1):
        self.do, self.at = do, at

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch" and context.task_id == self.at:
            self.do()


def watched(path, do=None, **changes):
    callbacks = [Checkpoint(path)] + ([] if do is None else [Meanwhile(do)])
    params = SMALL | {"max_iter": 4} | changes
    return QNNClassifier(reducer="pca", **params).set_callbacks(*callbacks)


def test_a_path_that_cannot_be_written_is_told_before_the_first_epoch(digits, tmp_path):
    epochs: list = []
    for path, error in {
        tmp_path / "no folder" / "run.ckpt": FileNotFoundError,
        tmp_path: (ValueError, OSError),
        Path("/dev/full"): (ValueError, OSError),
    }.items():
        with pytest.raises(error):
            watched(path, lambda: epochs.append(1)).fit(*digits)
    with file_size_limit(500), pytest.raises(OSError, match="File too large"):
        watched(tmp_path / "run.ckpt", lambda: epochs.append(1)).fit(*digits)
    assert not epochs
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("harm", ["folder is gone", "a folder in its place", "disk is full"])
def test_nothing_about_the_file_costs_the_fit(digits, tmp_path, harm):
    import resource

    expected = QNNClassifier(reducer="pca", **SMALL | {"max_iter": 4}).fit(*digits)
    folder = tmp_path / "runs"
    folder.mkdir()
    path = folder / "run.ckpt"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def do():
        if harm == "folder is gone":
            folder.rename(tmp_path / "elsewhere")
        elif harm == "a folder in its place":
            path.unlink()
            path.mkdir()
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))

    try:
        with pytest.warns(
            RuntimeWarning, match="The fit (goes on|is done), but its file could not"
        ):
            student = watched(path, do).fit(*digits)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_array_equal(student.parameters_, expected.parameters_)


def test_two_checkpoints_on_one_path_are_told(digits, tmp_path):
    path, errors = tmp_path / "run.ckpt", []

    def second():
        with pytest.raises(FileInUseError, match="is in use by another run") as error:
            watched(path).fit(*digits)
        errors.append(error)

    watched(path, second).fit(*digits)
    assert len(errors) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"lam": lambda epoch, n: 0.5}, {"lam": lambda epoch, n: 0.6}),
        ({"lam": closure(0.5)}, {"lam": closure(0.6)}),
        (
            {"random_state": np.random.RandomState(0)},
            {"random_state": np.random.RandomState(1)},
        ),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused(digits, tmp_path, one, other):
    X, y = digits
    path = tmp_path / "run.ckpt"
    logits = 5 * np.eye(10)[y] - 2

    def stop():
        raise KeyboardInterrupt

    def fit(params, *callbacks):
        params = SMALL | {"max_iter": 4} | {k: pickle_or_same(v) for k, v in params.items()}
        student = DistilledQNNClassifier(**params).set_callbacks(Checkpoint(path), *callbacks)
        return student.fit(X, y, teacher_logits=logits)

    def pickle_or_same(value):
        is_generator = isinstance(value, np.random.RandomState)
        return pickle.loads(pickle.dumps(value)) if is_generator else value

    with pytest.raises(KeyboardInterrupt):
        fit(one, Meanwhile(stop))
    with pytest.raises(ValueError, match="is from another fit"):
        fit(other)
    fit(one)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------ files


def test_a_file_keeps_its_mode_and_its_links(tmp_path):
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to("file")
    (tmp_path / "file.part").symlink_to(tmp_path / "victim")  # a name that one could guess
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not (tmp_path / "victim").exists()
    mask = os.umask(0o027)
    try:
        with replacing(tmp_path / "another") as file:
            file.write(b"new")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "another").stat().st_mode) == 0o640


def test_pipes_devices_and_folders_are_refused_at_once(tmp_path, digits):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, kind in {pipe: "pipe", Path("/dev/null"): "device", tmp_path: "folder"}.items():
        with pytest.raises(ValueError, match=f"is a {kind}"), replacing(path):
            pass
        with pytest.raises(ValueError, match=f"is a {kind}"):
            open_regular(path)
        with pytest.raises(ValueError, match=f"is a {kind}"):
            append_line(path, b"line")
        with pytest.raises(ValueError, match=f"is a {kind}"):
            persistence.load(path)
    with pytest.raises(ValueError, match="is a pipe"):
        watched(pipe).fit(*digits)
    with pytest.raises(ValueError, match="is a pipe"):
        search_of(pipe).fit(*digits)


def test_lines_are_appended_and_never_cut(tmp_path):
    path = tmp_path / "lines"
    append_line(path, b"one")
    with path.open("ab") as file:
        file.write(b"tw")  # of a writer that was killed
    append_line(path, b"three")
    assert path.read_bytes() == b"one\ntw [cut off]\nthree\n"


def test_a_killed_owner_frees_its_lock_and_a_forked_child_does_not_keep_it(tmp_path):
    path = tmp_path / "run"
    code = """
import os, sys, time
from sklqkd.files import Locked, replacing
lock = Locked(sys.argv[1], "path")
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    print("begun", flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        with pytest.raises(FileInUseError, match=rf"process {process.pid}"):
            Locked(path, "path")
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(signal.SIGKILL)
        process.wait()
        Locked(path, "path").release()
        process.stdout.close()
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------ processes, threads


def test_forks_while_threads_are_inside_do_not_hang():
    code = """
import os, random, signal, threading, time, warnings
from sklqkd import QNNClassifier
from sklqkd.datasets import load_digits
from sklqkd.threads import one_thread
warnings.simplefilter("ignore")
X, y = load_digits(return_X_y=True)
X, y = X[:30], y[:30]
device = {"backend": "default.qubit", "n_qubits": 2, "n_layers": 1}
student = QNNClassifier(max_iter=1, random_state=0, n_qubits=2, n_layers=1).fit(X, y)
student.set_params(backend="default.qubit").predict(X[:2])

def work(**params):
    while True:
        QNNClassifier(max_iter=1, n_qubits=3).fit(X, y)
        with one_thread():
            student.predict(X[:2])

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
states = []
for i in range(8):
    time.sleep(random.Random(i).random() / 20)
    child = os.fork()
    if child == 0:
        signal.alarm(200)  # for what this test has seen: children that wait for ever
        student.predict(X[:2])
        QNNClassifier(max_iter=1, n_qubits=2).fit(X, y)
        os._exit(0)
    states.append(os.waitpid(child, 0)[1])
print(states, flush=True)
os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{[0] * 8}\n", done.stderr


def test_ctrl_c_leaves_the_limits_as_they_were():
    """Wherever it comes: also as a block begins or ends."""
    code = """
import os, random, signal, threading, time
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
from sklqkd.threads import one_thread
signal.signal(signal.SIGINT, signal.default_int_handler)
threadpool_limits(3)
before = [pool["num_threads"] for pool in threadpool_info()]
wrong, done = 0, False

def bother():
    global ready
    rng = random.Random(0)
    while not done:
        time.sleep(rng.random() / 500)
        if ready:
            ready = False
            os.kill(os.getpid(), signal.SIGINT)

ready = False
threading.Thread(target=bother, daemon=True).start()
for _ in range(200):
    ready = True
    try:
        while True:
            with one_thread(), one_thread():
                pass
    except KeyboardInterrupt as error:  # with its traceback, which keeps what was open
        wrong += [pool["num_threads"] for pool in threadpool_info()] != before
done = True
print(wrong)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "0\n", done.stderr


def test_a_block_that_was_never_closed_is_closed_when_it_is_collected():
    from sklqkd.threads import one_thread

    before = [pool["num_threads"] for pool in threadpool_info()]
    block = one_thread()
    block.__enter__()
    assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
    del block
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert [pool["num_threads"] for pool in threadpool_info()][: len(before)] == before or blas


@pytest.mark.parametrize("Student", [QNNClassifier, DistilledLinearClassifier])
def test_predictions_beside_a_fit_are_those_of_one_state(digits, Student):
    """Refits with other classes, another number of pixels and another circuit, turn by turn."""
    X, y = digits
    params = {"max_iter": 1, "batch_size": 90, "random_state": 0}
    student = Student(**params)
    names = np.array(["even", "odd"])[y % 2]
    given = [(X, y), (X[:, :32], names)]
    wanted = [Student(**params).fit(*each).predict(each[0]) for each in given]
    student.fit(*given[0])
    errors, stop = [], threading.Event()

    def predict():
        while not stop.is_set():
            outcomes = []
            for (images, _), labels in zip(given, wanted, strict=True):
                try:
                    outcomes.append((student.predict(images) == labels).all())
                except ValueError as error:  # it has been fitted to images of the other size
                    outcomes.append("features" in str(error))
                except Exception as error:
                    outcomes.append(repr(error))
            errors.extend(each for each in outcomes if each is not True and each != np.True_)

    threads = [threading.Thread(target=predict)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for thread in threads:
            thread.start()
        for i in range(8):
            student.fit(*given[(i + 1) % 2])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert errors == []


# ------------------------------------------------------------------------------ sizes


def test_sizes_are_refused_before_they_are_tried(digits):
    X, y = digits
    with pytest.raises(ValueError, match="n_layers=1000000 on 4 qubits is a circuit of some"):
        QNNClassifier(n_layers=10**6).fit(X, y)
    start = time.perf_counter()
    schedule = resolve_schedule(("cosine", 5.0, 1.0), 10**9, low=0.5)
    assert schedule(0) == 5.0
    assert schedule(10**9 - 1) == 1.0
    called = resolve_schedule(lambda epoch, n: 1 + epoch / n, 10**9, high=2)
    assert called(10**9) < 2
    assert time.perf_counter() - start < 60
    with pytest.raises(ValueError, match="in epoch"):
        resolve_schedule(lambda epoch, n: epoch / n, 10**9, high=0.5)


def test_parameters_and_limits_count_as_memory(digits, monkeypatch):
    X, y = digits
    student = QNNClassifier(n_qubits=12, n_layers=1, batch_size=1, max_iter=1)
    for module in ("quantum_student", "training_run"):
        monkeypatch.setattr(f"sklqkd.students.{module}.memory_limit", lambda: 5 * 2**20)
    with pytest.raises(ValueError, match=r"parameters, 266,240 in the trained reducer for X with"):
        student.fit(X, y)
    student.set_params(batch_size=64)
    with pytest.raises(ValueError, match=r"A training step of 64 images on 12 qubits"):
        student.fit(X, y)


def test_the_limit_of_the_address_space_is_known():
    code = """
import resource
from sklqkd.memory import free_memory, memory_limit
resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
print(memory_limit() < 2**33, free_memory() < 2**33, memory_limit() > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True)
    assert done.stdout == b"True True True\n", done.stderr


def test_a_pipeline_file_is_covered_by_dump_alone(digits, tmp_path):
    X, y = digits
    path = tmp_path / "pipeline.joblib"
    steps = FunctionTransformer(), DistilledLinearClassifier(max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = make_pipeline(*steps).fit(X, y)
    persistence.dump(pipeline, path)
    assert_array_equal(persistence.load(path).predict(X), pipeline.predict(X))
