"""Students trained by other optimizers than Adam, against SciPy, scikit-learn and closed forms."""

import gc
import pickle
import threading

import numpy as np
import pennylane as qml
import pytest
import scipy.optimize
import skops.io
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sklqkd import (
    DistilledLinearClassifier,
    DistilledMLPClassifier,
    DistilledQNNClassifier,
    QNNClassifier,
    citation,
)
from sklqkd.callbacks import Checkpoint
from sklqkd.optimizers import SGD, SPSA, ScipyMinimizer
from sklqkd.optimizers.protocols import Start
from sklqkd.persistence import TRUSTED_TYPES
from sklqkd.search import StackedGridSearchCV, StackedHalvingGridSearchCV

NAMES = ["adam", "sgd", "lbfgs", "spsa", "cobyla"]
RNG = np.random.default_rng(0)
y = np.arange(60) % 3
X = RNG.normal(size=(60, 8)) + 2 * np.eye(8)[y]
LOGITS = RNG.normal(size=(60, 3)) + 4 * np.eye(3)[y]


class Descent:
    """Gradient descent that changes parameters in place."""

    def __init__(self, rate=0.05):
        self.rate, self.n_calls = rate, 0

    def step(self, parameters, gradient):
        self.n_calls += 1
        parameters -= self.rate * gradient


class Returning(Descent):
    def step(self, parameters, gradient):
        self.n_calls += 1
        return parameters - self.rate * gradient

    def get_state(self):
        return np.array([self.n_calls])

    def set_state(self, value):
        (self.n_calls,) = value


class Climbing:
    needs_gradient = False

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def step(self, parameters, loss):
        tried = parameters + 0.1 * self.rng.normal(size=parameters.shape)
        return tried if loss(tried) < loss(parameters) else parameters


def student(optimizer="adam", kind=QNNClassifier, **params):
    if issubclass(kind, QNNClassifier):
        params = {"n_qubits": 3, "n_layers": 2, **params}
    params = {"reducer": None, "max_iter": 4, "random_state": 0, "tol": 1e-4, **params}
    return kind(optimizer=optimizer, **params)


def start(size, n_steps=100, rate=0.1):
    return Start(np.ones(size), rate, 1e-6, n_steps, n_steps, np.random.default_rng(0))


@pytest.mark.parametrize("optimizer", [*NAMES, Descent(), Returning(), Climbing()])
@pytest.mark.parametrize("kind", [QNNClassifier, DistilledLinearClassifier, DistilledMLPClassifier])
@pytest.mark.filterwarnings("ignore::sklqkd.exceptions.TeacherWarning")
def test_every_optimizer_lowers_the_loss_of_every_student(optimizer, kind):
    made = student(optimizer, kind, max_iter=15, n_iter_no_change=20)
    if kind is not QNNClassifier:
        made.set_params(lam=0)
    fitted = made.fit(X, y)
    assert len(fitted.loss_curve_) == fitted.n_iter_
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]
    assert_array_equal(clone(fitted).fit(X, y).parameters_, fitted.parameters_)
    loaded = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("is_nesterov", [False, True])
def test_sgd_is_that_of_torch(is_nesterov):
    # torch's velocity is not multiplied by the rate; with a constant one both are the same.
    rng = np.random.default_rng(1)
    ours, theirs = np.ones(5), torch.ones(5, dtype=torch.float64, requires_grad=True)
    steps = SGD(momentum=0.8, nesterovs_momentum=is_nesterov)._begin(start(5))
    reference = torch.optim.SGD([theirs], lr=0.1, momentum=0.8, nesterov=is_nesterov)
    for _ in range(7):
        gradient = rng.normal(size=5)
        steps.step(ours, gradient)
        theirs.grad = torch.tensor(gradient)
        reference.step()
        assert_allclose(ours, theirs.detach().numpy(), atol=1e-12)


def test_spsa_takes_the_steps_that_it_states():
    target = np.array([0.3, 1.1, 2.2, 3.7])
    asked = []

    def loss(parameters):
        asked.append(parameters.copy())
        return 0.5 * ((parameters - target) ** 2).sum()

    settings = SPSA(learning_rate=0.2, perturbation=0.3, stability=0.05)
    steps, parameters = settings._begin(start(4, n_steps=100)), np.zeros(4)
    sizes = []
    for k in range(40):
        before = parameters.copy()
        steps.step(parameters, loss)
        above, below = asked[-2:]
        assert_allclose((above + below) / 2, before, atol=1e-12)
        assert_allclose(np.abs(above - before), 0.3 / (k + 1) ** 0.101)
        direction = np.sign(above - before)
        slope = direction @ (before - target)  # exact for a quadratic function
        if k < 25:
            sizes.append(abs(slope))
        relative = np.clip(slope / np.mean(sizes), -5, 5)
        gain = 0.2 * (6 / (6 + k)) ** 0.602
        assert_allclose(parameters, before - gain * relative * direction, atol=1e-9)
    assert len(asked) == 80


def test_spsa_finds_a_minimum():
    steps, parameters = SPSA(learning_rate=0.3)._begin(start(6, n_steps=2000)), np.zeros(6)
    for _ in range(2000):
        steps.step(parameters, lambda p: ((p - 1) ** 2).sum())
    assert_allclose(parameters, 1, atol=0.05)


@pytest.mark.parametrize("method", ["L-BFGS-B", "CG", "BFGS", "COBYLA", "Nelder-Mead"])
def test_scipy_takes_the_same_way_one_iteration_at_a_time(method):
    needs_gradient = ScipyMinimizer(method).needs_gradient

    def rosenbrock(x):
        value = scipy.optimize.rosen(x)
        return (value, scipy.optimize.rosen_der(x)) if needs_gradient else value

    visited = []
    expected = scipy.optimize.minimize(
        rosenbrock,
        np.full(3, 0.5),
        jac=needs_gradient or None,
        method=method,
        callback=lambda x: visited.append(x.copy()),
        options={"maxiter": 150},
        tol=1e-3,
    )
    settings = ScipyMinimizer(method, options={"maxiter": 150})
    steps = settings._begin(start(3)._replace(tol=1e-3))
    x, way = np.full(3, 0.5), []
    while not steps.has_ended:
        x, loss = steps.iterate(x, rosenbrock)
        assert loss == pytest.approx(scipy.optimize.rosen(x), abs=1e-12)
        way.append(x)
    n_same = min(len(way), len(visited))
    assert n_same >= len(visited) - 1 > 5
    assert_allclose(way[:n_same], visited[:n_same])
    assert scipy.optimize.rosen(way[-1]) <= expected.fun + 1e-3


def test_lbfgs_finds_what_scikit_learn_finds():
    made = student("lbfgs", DistilledLinearClassifier, lam=0, max_iter=500, tol=1e-7)
    fitted = made.fit(X, y)
    assert fitted.n_iter_ < 500
    features = (X - fitted.feature_scale_[0]) * fitted.feature_scale_[1]
    squashed = np.sqrt(8) * np.tanh(features)
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(squashed, y)
    assert_allclose(fitted.predict_proba(X), reference.predict_proba(squashed), atol=1e-3)
    assert fitted.parameters_.dtype == np.float64


def test_lbfgs_sees_all_images_at_once_whatever_the_batches():
    one = student("lbfgs", batch_size=7, shuffle=True).fit(X, y)
    other = student("lbfgs", batch_size=60, shuffle=False).fit(X, y)
    assert_array_equal(one.parameters_, other.parameters_)
    assert all(np.diff(one.loss_curve_) < 0)


@pytest.mark.parametrize("distillation", ["hinton", "dist"])
def test_parts_of_all_images_have_the_gradient_of_the_whole(distillation):
    def fit(**change):
        made = student("lbfgs", DistilledQNNClassifier, distillation=distillation, lam=0.5)
        run_in_parts = change.pop("n_rows", None)
        if run_in_parts:
            architecture = made._architecture

            def limited(rng):
                result = architecture(rng)
                result._circuit.n_rows = run_in_parts
                return result

            made._architecture = limited
        return made.fit(X, y, teacher_logits=LOGITS).loss_curve_

    assert_allclose(fit(n_rows=11), fit(), rtol=1e-9)


@pytest.mark.parametrize("optimizer", ["spsa", "cobyla", Climbing()])
@pytest.mark.parametrize("backend", ["default.qubit", "qiskit.aer"])
def test_training_on_shots_without_gradients(optimizer, backend):
    options = {"diff_method": "none"}  # which would refuse to be asked for any
    made = student(optimizer, n_qubits=2, n_layers=1, reducer="pca", max_iter=30, tol=0)
    made.set_params(backend=backend, shots=200, backend_options=options, n_iter_no_change=50)
    fitted = made.fit(X, y)
    assert np.mean(fitted.loss_curve_[-5:]) < np.mean(fitted.loss_curve_[:5])
    assert_array_equal(clone(fitted).fit(X, y).loss_curve_, fitted.loss_curve_)


def test_spsa_asks_for_two_circuits_of_each_image_in_a_step(monkeypatch):
    from sklqkd.backends import PennyLaneBackend

    runs = []
    original = PennyLaneBackend.probabilities

    def counting(self, circuit, angles, rng):
        runs.append(len(angles))
        return original(self, circuit, angles, rng)

    monkeypatch.setattr(PennyLaneBackend, "probabilities", counting)
    made = student("spsa", backend="default.qubit", shots=10, batch_size=20, max_iter=2)
    made.fit(X, y)
    assert runs == [20] * (2 * 3 * 2)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"optimizer": "rmsprop"}, "'optimizer' parameter must be one of 'adam', 'cobyla'"),
        ({"optimizer": None}, "'optimizer' parameter must be"),
        ({"optimizer": SGD}, "Pass an object of it: SGD\\(\\)"),
        ({"optimizer": SGD(momentum=1)}, "'momentum' parameter of SGD"),
        ({"optimizer": SPSA(perturbation=0)}, "'perturbation' parameter of SPSA"),
        ({"optimizer": ScipyMinimizer("Newton")}, "'method' parameter of ScipyMinimizer"),
        ({"optimizer": qml.QNGOptimizer()}, "asks for circuits of its own"),
        ({"optimizer": qml.SPSAOptimizer(10)}, "asks for circuits of its own"),
        ({"optimizer": qml.NesterovMomentumOptimizer()}, "asks for circuits of its own"),
        ({"optimizer": torch.optim.SGD([torch.zeros(1)], 0.1)}, "must take \\(parameters"),
        ({"optimizer": "lbfgs", "shots": 10}, "without noise, and shots=10"),
        ({"optimizer": "lbfgs", "backend": "default.qubit", "shots": 10}, "without noise"),
        (
            {"backend": "default.qubit", "backend_options": {"diff_method": "none"}},
            "optimizer='adam' needs gradients, and there are none with backend='default.qubit'",
        ),
        (
            {"backend": "qiskit.aer", "backend_options": {"diff_method": "none"}, "shots": 10},
            "Use optimizer='spsa'",
        ),
    ],
)
def test_what_cannot_train_is_refused_before_anything_else(params, message):
    made = student(**{"reducer": Untouched(), **params})
    with pytest.raises(ValueError, match=message):
        made.fit(X, y)


class Untouched:
    """A reducer that must not be asked."""

    def get_params(self, deep=True):
        return {}

    def set_params(self, **params):
        return self

    def fit(self, X, y=None):
        raise AssertionError

    transform = fit


@pytest.mark.parametrize("change", [{"lam": ("linear", 0, 1)}, {"temperature": lambda e, n: 1 + e}])
def test_lbfgs_refuses_schedules_and_others_take_them(change):
    made = student("lbfgs", DistilledQNNClassifier, **change)
    with pytest.raises(ValueError, match="schedules of lam or temperature"):
        made.fit(X, y, teacher_logits=LOGITS)
    for name in ("sgd", "spsa"):
        assert clone(made).set_params(optimizer=name).fit(X, y, teacher_logits=LOGITS).n_iter_ == 4
    assert made.set_params(lam=0.5, temperature=[2.0]).fit(X, y, teacher_logits=LOGITS).n_iter_ == 4


def test_too_many_parameters_for_cobyla():
    with pytest.raises(ValueError, match="copes with up to 1,000"):
        student("cobyla", reducer="fc", n_qubits=8).fit(X, y)


def test_a_step_of_the_wrong_shape_is_told_of():
    class Wrong:
        def step(self, parameters, gradient):
            return gradient[:2]

    with pytest.raises(ValueError, match=r"of shape \(2,\)\. Return the new parameters"):
        student(Wrong()).fit(X, y)


@pytest.mark.parametrize("kind", ["AdagradOptimizer", "MomentumOptimizer", "AdamOptimizer"])
def test_optimizers_of_pennylane(kind):
    given = getattr(qml, kind)(0.05)
    fitted = student(given, max_iter=6).fit(X, y)
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]
    assert not getattr(given, "accumulation", None)  # a fit works on a copy
    if kind == "AdamOptimizer":
        adam = student("adam", max_iter=6, learning_rate_init=0.05).fit(X, y)
        assert_allclose(fitted.loss_curve_, adam.loss_curve_, rtol=1e-3)


def test_a_fit_works_on_a_copy_of_the_users_object():
    given = Descent()
    fitted = student(given).fit(X, y)
    assert given.n_calls == 0
    assert fitted.optimizer is given


@pytest.mark.parametrize("optimizer", ["sgd", "spsa", "lbfgs", "cobyla", Returning()])
def test_early_stopping(optimizer):
    made = student(optimizer, early_stopping=True, n_iter_no_change=2, max_iter=60, tol=0.1)
    fitted = made.fit(X, y)
    assert len(fitted.validation_scores_) == fitted.n_iter_ < 60


def test_partial_fit_goes_on_as_fit_does():
    for optimizer in ("sgd", Returning()):
        whole = student(optimizer, shuffle=False, max_iter=3).fit(X, y)
        parts = student(optimizer, shuffle=False, max_iter=3)
        for _ in range(3):
            parts.partial_fit(X, y, classes=[0, 1, 2])
        assert_allclose(parts.parameters_, whole.parameters_, atol=1e-6)
    spsa = student("spsa")
    for n_calls in range(1, 4):
        spsa.partial_fit(X, y, classes=[0, 1, 2])
        assert len(spsa.loss_curve_) == n_calls
        assert spsa.optimizer_state_[1] == 2 * n_calls


@pytest.mark.parametrize("optimizer", ["lbfgs", "cobyla", ScipyMinimizer("Powell")])
def test_partial_fit_needs_steps(optimizer):
    assert not hasattr(student(optimizer), "partial_fit")
    with pytest.raises(AttributeError) as caught:
        student(optimizer).partial_fit(X, y, classes=[0, 1, 2])
    assert "needs all images at once" in str(caught.value.__cause__)


@pytest.mark.parametrize("first", NAMES)
def test_a_warm_start_may_change_the_optimizer(first):
    fitted = student(first, warm_start=True).fit(X, y)
    loss = fitted.loss_curve_[-1]
    fitted.set_params(optimizer="lbfgs").fit(X, y)
    assert fitted.loss_curve_[-1] < loss
    assert len(fitted.loss_curve_) == 8


@pytest.mark.parametrize("optimizer", ["sgd", "spsa", SPSA(perturbation=0.2), Returning()])
def test_a_checkpoint_goes_on_bit_for_bit(optimizer, tmp_path):
    class StopError(Exception):
        pass

    class Stopping(Checkpoint):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            if estimator._training_run.n_iter == 2:
                raise StopError

    path = tmp_path / "fit.ckpt"
    whole = student(optimizer).fit(X, y)
    with pytest.raises(StopError):
        student(optimizer).set_callbacks(Stopping(path)).fit(X, y)
    other = SGD(momentum=0.1) if isinstance(optimizer, str) else Returning(0.7)
    with pytest.raises(ValueError, match="another fit"):
        student(other).set_callbacks(Checkpoint(path)).fit(X, y)
    again = student(optimizer).set_callbacks(Checkpoint(path)).fit(X, y)
    assert_array_equal(again.parameters_, whole.parameters_)
    assert again.loss_curve_ == whole.loss_curve_


@pytest.mark.parametrize("optimizer", ["lbfgs", "cobyla", Descent()])
def test_a_checkpoint_refuses_what_cannot_go_on(optimizer, tmp_path):
    made = student(optimizer).set_callbacks(Checkpoint(tmp_path / "fit.ckpt"))
    with pytest.raises(ValueError, match="cannot go on from a file"):
        made.fit(X, y)


def test_a_fit_that_is_given_up_leaves_no_thread_behind():
    class Failing:
        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            raise KeyboardInterrupt

    made = student("lbfgs").set_callbacks(Failing())
    with pytest.raises(KeyboardInterrupt):
        made.fit(X, y)
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "sklqkd-scipy":
            thread.join(10)
            assert not thread.is_alive()


@pytest.mark.parametrize("search", [GridSearchCV, StackedGridSearchCV, StackedHalvingGridSearchCV])
def test_searches(search):
    grid = {"optimizer": ["adam", "sgd", "lbfgs", "spsa", SGD(momentum=0.1), Descent()]}
    options = {"resource": "max_iter", "max_resources": 4} if "Halving" in search.__name__ else {}
    found = search(student(), grid, cv=2, **options).fit(X, y)
    assert found.best_params_["optimizer"] in grid["optimizer"]
    if not options:
        for place, each in enumerate(grid["optimizer"]):
            lone = GridSearchCV(student(each), {"tol": [1e-4]}, cv=2).fit(X, y)
            score = lone.cv_results_["mean_test_score"][0]
            assert found.cv_results_["mean_test_score"][place] == pytest.approx(score)
    nested = search(student(SGD()), {"optimizer__momentum": [0.0, 0.5]}, cv=2, **options)
    assert nested.fit(X, y).best_params_["optimizer__momentum"] in (0.0, 0.5)


def test_views_of_images_train_too():
    logits_of = student(max_iter=20).fit(X, y)
    for optimizer in NAMES:
        made = DistilledQNNClassifier(
            logits_of, augmentation="noise", n_views=2, optimizer=optimizer, lam=0.5, max_iter=3
        ).set_params(n_qubits=3, reducer=None, random_state=0)
        assert made.fit(X, y).n_iter_ == 3


def test_objects_are_stored_by_skops():
    for optimizer in (SGD(momentum=0.5), SPSA(), ScipyMinimizer("CG")):
        fitted = student(optimizer).fit(X, y)
        loaded = skops.io.loads(skops.io.dumps(fitted), trusted=TRUSTED_TYPES)
        assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
        assert loaded.optimizer.get_params() == optimizer.get_params()


def test_a_classical_student_keeps_its_copies():
    made = DistilledMLPClassifier(augmentation="noise", n_views=3)
    assert made.get_params()["augmentation"] == "noise"
    assert clone(made).n_views == 3


@pytest.mark.parametrize(
    ("optimizer", "title"),
    [
        ("lbfgs", "A Limited Memory Algorithm"),
        (SPSA(perturbation=0.3), "simultaneous perturbation"),
        (ScipyMinimizer("COBYLA"), "linear interpolation"),
    ],
)
def test_it_is_cited(optimizer, title):
    assert title in citation(QNNClassifier(optimizer=optimizer))
    assert "Adam" not in citation(QNNClassifier(optimizer=optimizer))
