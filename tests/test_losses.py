"""Losses against torch, values and gradients."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional

from sklqkd import losses
from sklqkd.losses import (
    DISTILLATION_LOSSES,
    DistillationLoss,
    cross_entropy,
    log_softmax,
    softened,
    with_constants,
)

TEMPERATURES = [0.5, 1.0, 3.0, 20.0]
CONTROLS = ["label_smoothing", "virtual_teacher"]


def make_batch(n_samples=5, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    student, teacher = rng.normal(size=(2, n_samples, n_classes)) * 4
    return student, teacher, np.eye(n_classes)[rng.integers(n_classes, size=n_samples)]


def evaluate(loss, student, teacher, temperature, one_hot):
    return loss.loss(student, loss.targets(teacher, temperature), temperature, one_hot)


def torch_gradient(function, logits):
    tensor = torch.tensor(logits, requires_grad=True)
    values = function(tensor)
    values.sum().backward()
    return values.detach().numpy(), tensor.grad.numpy()


# The losses in torch, for float64 tensors: student, teacher, temperature, labels -> (n_samples,).


def torch_hinton(z, t, temperature, y):
    log_q = torch.log_softmax(z / temperature, 1)
    p = torch.softmax(t / temperature, 1)
    return temperature**2 * functional.kl_div(log_q, p, reduction="none").sum(1)


def torch_paper(z, t, temperature, y):
    hard = functional.cross_entropy(z, y, reduction="none")
    return hard + torch_hinton(z, t, temperature, y)


def torch_logit_mse(z, t, temperature, y):
    z, t = z - z.mean(1, keepdim=True), t - t.mean(1, keepdim=True)
    return functional.mse_loss(z, t, reduction="none").mean(1)


def torch_standardized(z, t, temperature, y):
    z, t = ((x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-7) for x in (z, t))
    return torch_hinton(z, t, temperature, y)


def torch_decoupled(z, t, temperature, y, alpha=1.0, beta=8.0):
    totals = []
    for z_row, t_row, label in zip(z, t, y, strict=True):
        q, p = torch.softmax(z_row / temperature, 0), torch.softmax(t_row / temperature, 0)
        others = torch.arange(len(q)) != label
        q_rest, p_rest = q[others].sum(), p[others].sum()
        target = p[label] * (p[label] / q[label]).log() + p_rest * (p_rest / q_rest).log()
        r, s = p[others] / p_rest, q[others] / q_rest
        totals.append(alpha * target + beta * (r * (r / s).log()).sum())
    return temperature**2 * torch.stack(totals)


def torch_correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    return a @ b / (a.norm() * b.norm() + 1e-8)


def torch_dist(z, t, temperature, y, beta=1.0, gamma=1.0):
    q, p = torch.softmax(z / temperature, 1), torch.softmax(t / temperature, 1)
    rows = torch.stack([1 - torch_correlation(a, b) for a, b in zip(q, p, strict=True)])
    columns = torch.stack([1 - torch_correlation(a, b) for a, b in zip(q.T, p.T, strict=True)])
    between = columns.mean() if len(z) > 1 else 0.0
    return temperature**2 * (beta * rows + gamma * between)


def torch_multi_level(z, t, temperature, y, alpha=1.0, beta=1.0, gamma=1.0):
    """The authors' temperatures are 2, 3, 4, 5 and 6, of which 4 is the base."""
    total = torch.zeros(len(z), dtype=z.dtype)
    for level in (2, 3, 4, 5, 6):
        heat = level * temperature / 4
        q, p = torch.softmax(z / heat, 1), torch.softmax(t / heat, 1)
        total = total + alpha * torch_hinton(z, t, heat, y)
        total = total + beta * ((p @ p.T - q @ q.T) ** 2).sum(1)
        total = total + gamma * ((p.T @ p - q.T @ q) ** 2).sum() / z.shape[1]
    return total / 5


def torch_relational(z, t, temperature, y, beta=1.0):
    q, p = torch.softmax(t / temperature, 1).sqrt(), torch.softmax(z / temperature, 1).sqrt()
    differences = (p @ p.T) ** 2 - (q @ q.T) ** 2
    return torch_hinton(z, t, temperature, y) + beta * differences.square().mean(1)


def torch_quantum_relational(z, t, temperature, y):
    """Of the logits; of the states see below."""
    return torch_hinton(z, t, temperature, y)


def torch_label_smoothing(z, t, temperature, y, epsilon=0.1):
    return functional.cross_entropy(z, y, reduction="none", label_smoothing=epsilon)


def torch_virtual_teacher(z, t, temperature, y, probability=0.99):
    p = torch.full_like(z, (1 - probability) / (z.shape[1] - 1)).detach()
    p[torch.arange(len(y)), y] = probability
    return torch_hinton(z, p.log(), temperature, y)


TORCH = {name: globals()[f"torch_{name}"] for name in DISTILLATION_LOSSES}


def check_against_torch(loss, reference, student, teacher, temperature, one_hot):
    labels = torch.tensor(one_hot.argmax(1))
    expected = torch_gradient(
        lambda z: reference(z, torch.tensor(teacher), temperature, labels), student
    )
    found = evaluate(loss, student, teacher, temperature, one_hot)
    for value, expected_value in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, expected_value, rtol=1e-10, atol=1e-10)


def test_log_softmax_goes_over_the_last_axis():
    logits = np.random.default_rng(0).normal(size=(2, 3, 4))
    expected = functional.log_softmax(torch.tensor(logits), dim=-1).numpy()
    np.testing.assert_allclose(log_softmax(logits), expected, atol=1e-14)


def test_cross_entropy():
    student, other, _ = make_batch()
    targets = np.exp(log_softmax(other))
    expected = torch_gradient(
        lambda z: functional.cross_entropy(z, torch.tensor(targets), reduction="none"), student
    )
    for value, expected_value in zip(cross_entropy(student, targets), expected, strict=True):
        np.testing.assert_allclose(value, expected_value, atol=1e-12)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("shape", [(5, 4), (1, 3), (2, 3), (7, 2), (32, 10)])
@pytest.mark.parametrize("name", DISTILLATION_LOSSES)
def test_values_and_gradients_are_those_of_torch(name, shape, temperature):
    batch = make_batch(*shape)
    check_against_torch(DISTILLATION_LOSSES[name], TORCH[name], *batch[:2], temperature, batch[2])


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("decoupled", {"alpha": 0.3, "beta": 2.0}),
        ("decoupled", {"beta": 0.0}),
        ("dist", {"beta": 0.3, "gamma": 2.0}),
        ("dist", {"gamma": 0.0}),
        ("multi_level", {"alpha": 0.3, "beta": 2.0, "gamma": 0.0}),
        ("multi_level", {"alpha": 0.0, "beta": 0.0, "gamma": 3.0}),
        ("relational", {"beta": 3.0}),
        ("label_smoothing", {"epsilon": 0.3}),
        ("virtual_teacher", {"probability": 0.7}),
    ],
)
def test_other_constants(name, constants):
    student, teacher, one_hot = make_batch()

    def reference(*arguments):
        return TORCH[name](*arguments, **constants)

    loss = with_constants(name, **constants)
    check_against_torch(loss, reference, student, teacher, 2.0, one_hot)
    loss = pickle.loads(pickle.dumps(loss))
    check_against_torch(loss, reference, student, teacher, 2.0, one_hot)


@pytest.mark.parametrize("is_real", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_overlaps_are_those_of_torch(is_real, weighted):
    rng = np.random.default_rng(0)
    states = rng.normal(size=(4, 5)) + (0 if is_real else 1j * rng.normal(size=(4, 5)))
    states /= np.linalg.norm(states, axis=0)
    _, teacher, _ = make_batch(5, 3)
    targets = softened(teacher, 2.0)
    weights = rng.uniform(0, 2, 5) if weighted else None
    given, q = torch.tensor(states, requires_grad=True), torch.tensor(targets).sqrt()
    fidelities = (given.conj().T @ given).abs() ** 2
    expected = 3 * (fidelities - (q @ q.T) ** 2).square().mean(1)
    (expected if weights is None else expected * torch.tensor(weights)).sum().backward()
    loss = with_constants("quantum_relational", beta=3.0)
    losses, adjoint = loss.states(states, targets, weights)
    np.testing.assert_allclose(losses, expected.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(adjoint, given.grad.numpy(), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_paper_is_the_total_loss_of_its_code(temperature):
    student, teacher, one_hot = make_batch()
    lam, n_classes = 0.9, 4
    z, t = torch.tensor(student), torch.tensor(teacher)
    with pytest.warns(UserWarning, match="reduction: 'mean'"):
        divergence = torch.nn.KLDivLoss()(
            torch.log_softmax(z / temperature, 1), torch.softmax(t / temperature, 1)
        )
    hard = functional.cross_entropy(z, torch.tensor(one_hot.argmax(1)))
    expected = float(hard + lam * temperature**2 * n_classes * divergence)

    def total(name, lam):
        values, _ = evaluate(DISTILLATION_LOSSES[name], student, teacher, temperature, one_hot)
        return ((1 - lam) * cross_entropy(student, one_hot)[0] + lam * values).mean()

    assert total("paper", lam) == pytest.approx(expected, rel=1e-12)
    assert (1 + lam) * total("hinton", lam / (1 + lam)) == pytest.approx(expected, rel=1e-12)


def test_hinton_is_decoupled_with_the_teachers_own_weight():
    student, teacher, one_hot = make_batch(n_samples=1)
    rest = 1 - (softened(teacher, 3.0) * one_hot).sum()
    loss = with_constants("decoupled", beta=rest)
    expected = evaluate(DISTILLATION_LOSSES["hinton"], student, teacher, 3.0, one_hot)
    for value, expected_value in zip(
        evaluate(loss, student, teacher, 3.0, one_hot), expected, strict=True
    ):
        np.testing.assert_allclose(value, expected_value, atol=1e-12)


def test_hinton_at_high_temperature_is_half_of_logit_mse():
    student, teacher, one_hot = make_batch()
    found = evaluate(DISTILLATION_LOSSES["hinton"], student, teacher, 1e5, one_hot)
    expected = evaluate(DISTILLATION_LOSSES["logit_mse"], student, teacher, 1e5, one_hot)
    for value, expected_value in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, expected_value / 2, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("name", sorted(set(DISTILLATION_LOSSES) - {"paper", *CONTROLS}))
def test_a_student_like_its_teacher_has_nothing_to_learn(name, temperature):
    _, teacher, one_hot = make_batch()
    for value in evaluate(DISTILLATION_LOSSES[name], teacher, teacher, temperature, one_hot):
        # The offset in DIST's correlations, 1e-8, counts where high temperatures make them small.
        np.testing.assert_allclose(value, 0, atol=1e-2 if name == "dist" else 1e-10)


@pytest.mark.parametrize("name", DISTILLATION_LOSSES)
def test_a_shift_of_either_ones_logits_changes_nothing(name):
    student, teacher, one_hot = make_batch()
    shifts = np.arange(5.0)[:, None] * 10
    loss = DISTILLATION_LOSSES[name]
    expected = evaluate(loss, student, teacher, 3.0, one_hot)
    for shifted in ((student + shifts, teacher), (student, teacher - shifts)):
        for value, expected_value in zip(
            evaluate(loss, *shifted, 3.0, one_hot), expected, strict=True
        ):
            np.testing.assert_allclose(value, expected_value, atol=1e-10)


def test_standardized_does_not_see_the_teachers_scale():
    student, teacher, one_hot = make_batch()
    loss = DISTILLATION_LOSSES["standardized"]
    values = evaluate(loss, student, teacher * 100, 3.0, one_hot)[0]
    expected = evaluate(loss, student, teacher, 3.0, one_hot)[0]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_dist_in_a_batch_of_one_compares_classes_alone():
    student, teacher, one_hot = make_batch(n_samples=1)
    alone = evaluate(DISTILLATION_LOSSES["dist"], student, teacher, 3.0, one_hot)
    classes = evaluate(with_constants("dist", gamma=0.0), student, teacher, 3.0, one_hot)
    for value, expected in zip(alone, classes, strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_need_no_teacher(name):
    student, teacher, one_hot = make_batch()
    loss = DISTILLATION_LOSSES[name]
    assert not loss.needs_teacher
    expected = evaluate(loss, student, teacher, 3.0, one_hot)
    for value, expected_value in zip(
        evaluate(loss, student, None, 3.0, one_hot), expected, strict=True
    ):
        np.testing.assert_array_equal(value, expected_value)


def test_all_others_need_a_teacher():
    assert [n for n, loss in DISTILLATION_LOSSES.items() if not loss.needs_teacher] == CONTROLS
    assert DistillationLoss(softened, losses.hinton).needs_teacher


def test_every_loss_is_a_public_function():
    for name, loss in DISTILLATION_LOSSES.items():
        assert getattr(losses, name) is loss.loss
        assert name in losses.__all__


@pytest.mark.parametrize("name", DISTILLATION_LOSSES)
def test_arguments_are_left_as_they_are(name):
    student, teacher, one_hot = make_batch()
    targets = DISTILLATION_LOSSES[name].targets(teacher, 3.0)
    given = student, teacher, one_hot, targets
    before = [array.copy() for array in given]
    DISTILLATION_LOSSES[name].loss(student, targets, 3.0, one_hot)
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", DISTILLATION_LOSSES)
def test_single_precision(name):
    student, teacher, one_hot = make_batch(n_samples=32, n_classes=10)
    loss = DISTILLATION_LOSSES[name]
    targets = loss.targets(teacher, 3.0)
    assert targets.shape == student.shape
    assert loss.targets(teacher.astype(np.float32), 3.0).dtype == np.float32
    expected = loss.loss(student, targets, 3.0, one_hot)
    single = (array.astype(np.float32) for array in (student, targets, one_hot))
    student, targets, one_hot = single
    for value, expected_value in zip(
        loss.loss(student, targets, 3.0, one_hot), expected, strict=True
    ):
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, expected_value, rtol=1e-4, atol=1e-4)


#: Rows of logits that are equal, certain, ruled out (log-probabilities at their lowest), extreme.
HARD_ROWS = [
    *([0.0, 0.0, 0.0], [1e4, 1e4, 1e4], [1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [0.0, 0.0, 1e4]),
    *([0.0, -87.3, -87.3], [-87.3, 0.0, -87.3], [1e-30, 0.0, 0.0], [1e4, 1e4, -1e4]),
]


def check_finite(name, student, teacher, temperature, one_hot, dtype):
    loss = DISTILLATION_LOSSES[name]
    targets = loss.targets(teacher, temperature)
    assert np.isfinite(targets).all()
    arguments = (np.asarray(array, dtype) for array in (student, targets, one_hot))
    student, targets, one_hot = arguments
    for value in loss.loss(student, targets, temperature, one_hot):
        assert np.isfinite(value).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [1e-3, 1.0, 3.0, 1e3])
@pytest.mark.parametrize("name", DISTILLATION_LOSSES)
def test_extreme_logits_and_temperatures_stay_finite(name, temperature, dtype):
    rows = np.array(HARD_ROWS)
    for label in range(3):
        one_hot = np.eye(3)[[label] * len(rows)]
        for shift in range(len(rows)):
            teacher = np.roll(rows, shift, axis=0)
            check_finite(name, rows, teacher, temperature, one_hot, dtype)
            check_finite(name, rows, teacher.astype(np.float32), temperature, one_hot, dtype)
        for row in rows:  # constant columns, and batches of one
            check_finite(name, np.tile(row, (9, 1)), rows, temperature, one_hot, dtype)
            check_finite(name, rows, np.tile(row, (9, 1)), temperature, one_hot, dtype)
            check_finite(name, row[None], rows[:1], temperature, one_hot[:1], dtype)


LOGITS = arrays(float, (4, 3), elements=st.floats(-1e4, 1e4))


@settings(max_examples=50, deadline=None)
@given(
    student=LOGITS,
    teacher=LOGITS,
    labels=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    temperature=st.floats(-3, 3).map(lambda exponent: 10.0**exponent),
    dtype=st.sampled_from([np.float32, np.float64]),
    name=st.sampled_from(sorted(DISTILLATION_LOSSES)),
)
def test_any_logits_stay_finite(student, teacher, labels, temperature, dtype, name):
    check_finite(name, student, teacher, temperature, np.eye(3)[labels], dtype)


@pytest.mark.parametrize("name", ["hinton", "paper", "dist"])
def test_probabilities_of_exactly_zero_and_one(name):
    student, _, one_hot = make_batch()
    for value in DISTILLATION_LOSSES[name].loss(student, one_hot[::-1], 3.0, one_hot):
        assert np.isfinite(value).all()


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_virtual_teachers_of_exactly_zero_and_one(probability):
    student, _, one_hot = make_batch()
    loss = with_constants("virtual_teacher", probability=probability)
    for value in loss.loss(student, None, 1.0, one_hot):
        assert np.isfinite(value).all()


def test_log_probabilities_teach_like_logits():
    _, teacher, _ = make_batch()
    np.testing.assert_allclose(
        softened(log_softmax(teacher), 3.0), softened(teacher, 3.0), atol=1e-14
    )


@pytest.mark.parametrize(
    ("name", "constants", "message"),
    [
        ("hintom", {}, "no distillation loss 'hintom'. Use one of"),
        ("decoupled", {"gamma": 1.0}, "no constant 'gamma'. It has alpha, beta"),
        ("hinton", {"alpha": 1.0}, "no constant 'alpha'. It has none"),
        ("dist", {"beta": -1.0}, "beta=-1.0 .* must be finite and not negative"),
        ("dist", {"beta": np.inf}, "beta=inf .* must be finite"),
        ("label_smoothing", {"epsilon": 1.5}, r"epsilon=1.5 .* must be in \[0, 1\]"),
        ("virtual_teacher", {"probability": 1.5}, r"probability=1.5 .* must be in \[0, 1\]"),
    ],
)
def test_wrong_constants_are_refused(name, constants, message):
    with pytest.raises(ValueError, match=message):
        with_constants(name, **constants)
