"""Fits that are interrupted, killed, or run beside others."""

import copy
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.callback import ScoringMonitor
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sklqkd import (
    ConvReducer,
    DistilledLinearClassifier,
    DistilledMLPClassifier,
    DistilledQNNClassifier,
    FCReducer,
    QNNClassifier,
    callbacks,
    persistence,
)
from sklqkd.callbacks import Checkpoint
from sklqkd.datasets import load_digits
from sklqkd.exceptions import DamagedFileError

from .limits import file_size_limit

QUICK = {"max_iter": 8, "random_state": 0}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


@pytest.fixture(scope="module")
def teacher(digits):
    return RandomForestClassifier(10, random_state=0).fit(*digits)


class Interrupt:
    """Raises in the hook of its name, at the `n`-th time that it is called for an epoch or fit."""

    def __init__(self, error, hook="on_fit_task_end", n=3):
        self.error, self.hook, self.n = error, hook, n

    def _count(self, hook):
        self.n -= hook == self.hook
        if hook == self.hook and self.n == 0:
            raise self.error

    def setup(self, estimator, context):
        self._count("setup")

    def teardown(self, estimator, context):
        self._count("teardown")

    def on_fit_task_begin(self, estimator, context):
        self._count("on_fit_task_begin")

    def on_fit_task_end(self, estimator, context):
        self._count("on_fit_task_end")


# a fit that is interrupted


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize(
    ("hook", "n"),
    [
        ("setup", 1),
        ("on_fit_task_begin", 1),
        ("on_fit_task_begin", 4),
        ("on_fit_task_end", 3),
        ("on_fit_task_end", 9),  # the fit's own: all is done
    ],
)
@pytest.mark.parametrize("is_fitted", [False, True])
def test_an_interrupted_fit_leaves_the_student_as_it_was(digits, error, hook, n, is_fitted):
    X, y = digits
    student = QNNClassifier(**QUICK, warm_start=True)
    if is_fitted:
        student.fit(X, y)
    student.set_callbacks(Interrupt(error, hook, n))
    before, saved = dict(vars(student)), persistence.checksum(student)
    with pytest.raises(type(error)):
        student.fit(X, y)
    assert vars(student) == before
    assert persistence.checksum(student) == saved
    twin = QNNClassifier(**QUICK, warm_start=True)
    if is_fitted:
        twin.fit(X, y)
        assert_array_equal(student.predict_proba(X), twin.predict_proba(X))
    student.set_callbacks().fit(X, y)
    assert_array_equal(student.parameters_, twin.fit(X, y).parameters_)


def test_an_error_while_callbacks_are_torn_down_changes_nothing(digits):
    student = QNNClassifier(**QUICK).set_callbacks(Interrupt(OSError("no"), "teardown", 1))
    before = dict(vars(student))
    with pytest.raises(OSError, match="no"):
        student.fit(*digits)
    assert vars(student) == before


def test_memory_that_runs_out_in_an_epoch(digits):
    class Greedy(ConvReducer):
        """Asks for more memory than any machine has, in the middle of the training."""

        def front_end(self, n_features):
            front_end = super().front_end(n_features)
            forward, calls = front_end.forward, []

            def greedy(X, rng=None):
                calls.append(len(X))
                return np.empty(2**50) if len(calls) > 25 else forward(X, rng)

            front_end.forward = greedy
            return front_end

    student = QNNClassifier(reducer=Greedy(None), **QUICK)
    before = dict(vars(student))
    with pytest.raises(MemoryError):
        student.fit(*digits)
    assert vars(student) == before


def test_ctrl_c_in_a_real_process(digits, tmp_path):
    """SIGINT comes from outside, wherever the fit happens to be."""
    code = """
import signal
import numpy as np
from sklqkd import QNNClassifier
from sklqkd.datasets import load_digits
from sklqkd.exceptions import DamagedFileError

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it

class Tell:
    def setup(self, estimator, context): pass
    def teardown(self, estimator, context): pass
    def on_fit_task_begin(self, estimator, context): pass
    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch" and context.task_id == 5: print("begun", flush=True)

X, y = load_digits(return_X_y=True)
student = QNNClassifier(max_iter=2, random_state=0).fit(X, y)
probabilities = student.predict_proba(X)
long = {"max_iter": 10**6, "n_iter_no_change": 10**6}
student.set_params(**long).set_callbacks(Tell())
before = dict(vars(student))
try:
    student.fit(X, y)
except KeyboardInterrupt:
    assert vars(student) == before
    assert (student.predict_proba(X) == probabilities).all()
    student.set_callbacks().set_params(max_iter=2).fit(X, y)
    assert (student.predict_proba(X) == probabilities).all()
    print("as it was", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "as it was\n"
    assert process.returncode == 0


# a fit that goes on

STUDENTS = {
    "plain": (QNNClassifier, {}),
    "distilled": (DistilledQNNClassifier, {"temperature": ("linear", 5, 1), "lam": 0.7}),
    "early stopping": (DistilledQNNClassifier, {"early_stopping": True, "n_iter_no_change": 2}),
    "converges": (QNNClassifier, {"tol": 1.0, "n_iter_no_change": 4}),
    "pca": (QNNClassifier, {"reducer": "pca", "encoding": "qubit"}),
    "shots": (QNNClassifier, {"shots": 50}),
    "conv": (QNNClassifier, {"reducer": "conv", "max_iter": 4, "n_qubits": 2}),
    "linear": (DistilledLinearClassifier, {}),
    "mlp": (DistilledMLPClassifier, {"batch_size": 7, "random_state": None}),
}


def make(name, teacher):
    Student, params = STUDENTS[name]
    student = Student(**{**QUICK, **params})
    if student.random_state is None:
        student.set_params(random_state=np.random.RandomState(3))
    return student.set_params(teacher=teacher) if hasattr(student, "teacher") else student


def same(student, other):
    """Whether two students have the same fitted attributes, to the last bit."""
    attributes = [{k: v for k, v in vars(s).items() if k.endswith("_")} for s in (student, other)]
    return persistence.checksum(attributes[0]) == persistence.checksum(attributes[1])


@pytest.mark.parametrize("name", STUDENTS)
def test_a_fit_that_goes_on_ends_with_the_same_weights(digits, teacher, name, tmp_path):
    X, y = digits
    path = tmp_path / "run.ckpt"
    expected = make(name, teacher).fit(X, y)
    for every, n in [(2, 3), (1, 1)]:  # it is interrupted twice
        student = make(name, teacher)
        student.set_callbacks(Checkpoint(path, every), Interrupt(KeyboardInterrupt(), n=n))
        with pytest.raises(KeyboardInterrupt):
            student.fit(X, y)
        assert path.exists()
    monitor = ScoringMonitor(scoring="accuracy")
    student = make(name, teacher).set_callbacks(Checkpoint(path), monitor).fit(X, y)
    assert same(student, expected)
    assert_array_equal(student.predict_proba(X), expected.predict_proba(X))
    rows = [row["task_id"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert rows[-1] == expected.n_iter_ - 1
    assert rows[0] > 1  # the epochs before were not trained again
    assert list(tmp_path.iterdir()) == []


def test_a_fit_that_goes_on_after_a_warm_start(digits, tmp_path):
    X, y = digits
    path = tmp_path / "run.ckpt"
    warm = QNNClassifier(**QUICK, warm_start=True).fit(X, y)
    twin = copy.deepcopy(warm).fit(X, y)
    warm.set_callbacks(Checkpoint(path), Interrupt(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        warm.fit(X, y)
    assert same(warm.set_callbacks(Checkpoint(path)).fit(X, y), twin)
    assert warm.n_iter_ == 8
    assert len(warm.loss_curve_) == 16


def test_a_killed_process(digits, tmp_path):
    """SIGKILL, in the sixth epoch; and again while a file is half written."""
    X, y = digits
    student = "QNNClassifier(max_iter=12, early_stopping=True, random_state=0)"
    code = f"""
import os, signal
from sklqkd import QNNClassifier
from sklqkd.callbacks import Checkpoint
from sklqkd.datasets import load_digits
from sklqkd.exceptions import DamagedFileError

class Kill:
    def setup(self, estimator, context): pass
    def teardown(self, estimator, context): print("torn down", flush=True)
    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "epoch" and context.task_id == 5:
            os.kill(os.getpid(), signal.SIGKILL)
    def on_fit_task_end(self, estimator, context): pass

X, y = load_digits(return_X_y=True)
{student}.set_callbacks(Checkpoint("run.ckpt", every=2), Kill()).fit(X[:300], y[:300])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == done.stderr == b""
    path = tmp_path / "run.ckpt"
    half = tmp_path / ".run.ckpt.0123456789abcdef.part"  # as a killed writer leaves it
    half.write_bytes(path.read_bytes()[:100])
    assert (tmp_path / "run.ckpt.lock").exists()  # of the killed process: it is free
    monitor = ScoringMonitor(scoring="accuracy")
    student = eval(student).set_callbacks(Checkpoint(path), monitor).fit(X, y)
    expected = eval(f"QNNClassifier(**{student.get_params()})").fit(X, y)
    assert same(student, expected)
    epochs = [row["task_id"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert epochs == list(range(4, expected.n_iter_))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def interrupted(digits, teacher, tmp_path):
    """A student, and the file of its interrupted fit."""
    path = tmp_path / "run.ckpt"
    student = DistilledQNNClassifier(teacher, **QUICK)
    student.set_callbacks(Checkpoint(path), Interrupt(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        student.fit(*digits)
    return student.set_callbacks(Checkpoint(path)), path


@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate_init": 0.02},
        {"max_iter": 9},
        {"random_state": 1},
        {"n_layers": 2},
        {"temperature": 2.0},
        {"lam": 0.4},
        {"lam": 0.0},
        {"distillation": "logit_mse"},
        {"shuffle": False},
        {"reducer": FCReducer(None)},
        {"teacher": LogisticRegression(max_iter=1000)},
    ],
)
def test_a_file_of_other_parameters_is_refused(digits, interrupted, params):
    X, y = digits
    student, path = interrupted
    if "teacher" in params:
        params = {"teacher": params["teacher"].fit(X, y)}
    content = path.read_bytes()
    before = dict(vars(student.set_params(**params)))
    with pytest.raises(ValueError, match="is from another fit"):
        student.fit(X, y)
    assert vars(student) == before
    assert path.read_bytes() == content


@pytest.mark.filterwarnings("ignore:The teacher .* agrees with y on")
def test_a_file_of_other_data_is_refused(digits, interrupted):
    X, y = digits
    student, path = interrupted
    weight = np.ones(len(y))
    weight[3] = 2
    other = X.copy()
    other[7, 20] += 0.001
    for data in [(other, y), (X, np.roll(y, 1)), (X[:-1], y[:-1]), (X, y, weight)]:
        with pytest.raises(ValueError, match="is from another fit"):
            student.fit(*data)
    student.set_params(verbose=0).fit(X.tolist(), y)  # the same data in another form
    assert not path.exists()


def test_a_damaged_checkpoint_is_refused(digits, interrupted, teacher):
    X, y = digits
    student, path = interrupted
    content = path.read_bytes()
    expected = DistilledQNNClassifier(teacher, **QUICK).fit(X, y)
    rng = np.random.default_rng(0)
    broken = [content[:length] for length in (0, 10, len(content) // 2, len(content) - 1)]
    for place in rng.choice(len(content), 60):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        broken.append(bytes(flipped))
    n_refused = n_harmless = 0
    for data in [b"not a checkpoint", *broken]:
        path.write_bytes(data)
        try:
            student.fit(X, y)
        except DamagedFileError as error:
            n_refused += "is damaged" in str(error)
        else:  # in a byte that nobody reads, such as a date
            n_harmless += same(student, expected)
    assert n_refused > 40
    assert n_refused + n_harmless == 65


def test_a_checkpoint_of_a_newer_release_is_refused(digits, interrupted, monkeypatch):
    student, path = interrupted
    path.unlink()
    with monkeypatch.context() as later:
        later.setattr(callbacks, "CHECKPOINT_VERSION", 3)
        later.setattr(callbacks, "__version__", "23.4.5")
        student.set_callbacks(Checkpoint(path), Interrupt(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            student.fit(*digits)
    with pytest.raises(ValueError, match=r"format 3, of sklqkd 23\.4\.5.* reads format 2"):
        student.set_callbacks(Checkpoint(path)).fit(*digits)


@pytest.mark.parametrize("every", [0, -1, 1.5, "2"])
def test_epochs_between_files_are_checked(digits, tmp_path, every):
    student = QNNClassifier(**QUICK).set_callbacks(Checkpoint(tmp_path / "run.ckpt", every))
    with pytest.raises(ValueError, match="whole number of epochs"):
        student.fit(*digits)


def test_a_checkpoint_needs_a_seed_and_a_student(digits, tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.ckpt")
    with pytest.raises(ValueError, match="random_state"):
        QNNClassifier(max_iter=2).set_callbacks(checkpoint).fit(*digits)
    with pytest.raises(TypeError, match="not for LogisticRegression"):
        LogisticRegression(random_state=0).set_callbacks(checkpoint).fit(*digits)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_last_checkpoint(digits, interrupted, teacher):
    X, y = digits
    student, path = interrupted
    content = path.read_bytes()
    before = dict(vars(student))
    with file_size_limit(1000), pytest.raises(OSError, match="File too large"):
        student.fit(X, y)
    assert vars(student) == before
    assert path.read_bytes() == content
    assert same(student.fit(X, y), DistilledQNNClassifier(teacher, **QUICK).fit(X, y))


def test_every_fit_of_a_search_may_use_the_file_in_turn(digits, tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.ckpt")
    grid = {"n_layers": [1, 2]}
    student = QNNClassifier(n_qubits=2, max_iter=2, random_state=0)
    plain = GridSearchCV(student, grid, cv=2).fit(*digits)
    watched = GridSearchCV(student.set_callbacks(checkpoint), grid, cv=2).fit(*digits)
    for name in ("mean_test_score", "split0_test_score"):
        assert_array_equal(watched.cv_results_[name], plain.cv_results_[name])
    assert list(tmp_path.iterdir()) == []


# threads and processes


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"n_qubits": 6, "encoding": "angle"},
        {"reducer": "conv"},
        {"shots": 50},
        {"n_qubits": 2, "backend": "default.qubit"},
        {"n_qubits": 2, "backend": "default.mixed", "shots": 20},
    ],
)
def test_sixteen_threads_predict_as_one(digits, params):
    X, y = digits
    student = QNNClassifier(max_iter=1, random_state=0, **params)
    student.set_params(backend="statevector").fit(X, y)
    student.set_params(backend=params.get("backend", "statevector"))
    expected = student.predict_proba(X)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(student.predict_proba, [X] * 32))
    assert len(found) == 32
    for probabilities in found:  # BLAS may round otherwise in another thread
        assert_allclose(probabilities, expected, rtol=1e-12)


def test_fits_in_threads_give_what_they_give_alone(tmp_path):
    """Also in the first seconds of a process, when circuits are traced, and with devices."""
    code = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
import numpy as np
import pennylane as qml
from sklqkd import DistilledMLPClassifier, QNNClassifier
from sklqkd.datasets import load_digits
from sklqkd.exceptions import DamagedFileError

def ring(weights, wires):
    for layer in weights:
        for angle, wire in zip(layer, wires, strict=True):
            qml.RY(angle, wires=wire)
        for i in range(len(wires)):
            qml.CZ(wires=[wires[i], wires[(i + 1) % len(wires)]])

ring.shape = lambda n_layers, n_wires: (n_layers, n_wires)
X, y = load_digits(return_X_y=True)
X, y = X[:40], y[:40]
device = {"backend": "default.qubit", "n_qubits": 2, "n_layers": 1}
cases = [{}, {"ansatz": ring}, {"reducer": "conv"}, {"shots": 50}, {"ansatz": "rotations"}]
cases += [device, device | {"backend": "default.mixed"}, device | {"shots": 20}, {"n_qubits": 6}]
cases = 2 * cases
barrier = Barrier(len(cases))

def fit(i):
    student = QNNClassifier(**cases[i], max_iter=1, random_state=i)
    if in_threads:
        barrier.wait()
    return student.fit(X, y).predict_proba(X)

sys.setswitchinterval(1e-5)
in_threads = True
with ThreadPoolExecutor(len(cases)) as pool:
    together = list(pool.map(fit, range(len(cases))))
in_threads = False
for i, probabilities in enumerate(together):
    assert np.allclose(probabilities, fit(i), atol=1e-5), cases[i]
print("the same")
"""
    # The limit is there for what this test has seen: threads that wait for each other for ever.
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "the same\n", done.stderr


@pytest.mark.parametrize("context", ["fork", "spawn", "loky"])
def test_worker_processes_give_the_same(digits, context):
    X, y = digits
    student = QNNClassifier(max_iter=2, random_state=0)
    expected = student.fit(X, y).predict_proba(X)
    if context == "loky":
        calls = [joblib.delayed(student.predict_proba)(X), joblib.delayed(student.fit)(X, y)]
        predicted, fitted = joblib.Parallel(2, backend="loky")(calls)
    else:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(context)) as pool:
            predicted = pool.submit(student.predict_proba, X).result()
            fitted = pool.submit(student.fit, X, y).result()
    assert fitted is not student
    assert_allclose(predicted, expected, rtol=1e-12)
    assert_allclose(fitted.predict_proba(X), expected, atol=1e-5)
