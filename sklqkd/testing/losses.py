"""Checks of distillation losses."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression

from ..losses import DISTILLATION_LOSSES, DistillationLoss
from ..students import DistilledQNNClassifier
from .common import data

__all__ = ["CHECKS"]


_TEMPERATURES = (0.5, 1.0, 4.0, 20.0)


def _loss(loss):
    if isinstance(loss, str):
        return DISTILLATION_LOSSES[loss]
    assert isinstance(loss, DistillationLoss), f"{loss!r} is no sklqkd.losses.DistillationLoss."
    return loss


def _batch(loss, temperature, n_samples=6, n_classes=4, seed=0):
    """Return logits, targets and labels of a batch."""
    rng = np.random.default_rng(seed)
    logits, teacher_logits = rng.normal(size=(2, n_samples, n_classes)) * 2
    one_hot = np.eye(n_classes)[rng.integers(n_classes, size=n_samples)]
    targets = loss.targets(teacher_logits, temperature) if loss.needs_teacher else None
    return logits, targets, one_hot


def loss_has_one_number_per_image(loss):
    """Check that losses and gradients are finite and of the right shapes."""
    loss = _loss(loss)
    for n_samples, n_classes in ((6, 4), (1, 4), (5, 2)):
        for temperature in _TEMPERATURES:
            logits, targets, one_hot = _batch(loss, temperature, n_samples, n_classes)
            if targets is not None:
                assert np.shape(targets) == (n_samples, n_classes), "targets has another shape."
            losses, gradient = loss.loss(logits, targets, temperature, one_hot)
            assert np.shape(losses) == (n_samples,)
            assert np.shape(gradient) == (n_samples, n_classes)
            assert np.isfinite(losses).all()
            assert np.isfinite(gradient).all()


def loss_has_the_gradient_of_its_sum(loss):
    """Check that the gradient is that of the losses' sum, by central differences."""
    loss = _loss(loss)
    step = 1e-6
    for seed, temperature in enumerate(_TEMPERATURES):
        logits, targets, one_hot = _batch(loss, temperature, seed=seed)
        gradient = np.array(loss.loss(logits.copy(), targets, temperature, one_hot)[1])
        expected = np.zeros_like(gradient)
        for i in range(logits.size):
            for sign in (1, -1):
                moved = logits.copy()
                moved.flat[i] += sign * step
                losses = loss.loss(moved, targets, temperature, one_hot)[0]
                expected.flat[i] += sign * np.sum(losses) / (2 * step)
        scale = max(1.0, np.abs(expected).max())
        assert_allclose(gradient / scale, expected / scale, atol=1e-5, err_msg="Wrong gradient.")


def loss_counts_each_image_for_itself_if_it_says_so(loss):
    """Check that with is_batchwise=False, the loss of an image is that of a batch of it alone."""
    loss = _loss(loss)
    if loss.is_batchwise:
        return
    for temperature in _TEMPERATURES:
        logits, targets, one_hot = _batch(loss, temperature)
        losses, gradient = loss.loss(logits.copy(), targets, temperature, one_hot)
        for i in range(len(logits)):
            rows = [slice(i, i + 1)]
            part = None if targets is None else targets[rows[0]]
            alone = loss.loss(logits[rows[0]].copy(), part, temperature, one_hot[rows[0]])
            assert_allclose(alone[0][0], losses[i], rtol=1e-6, atol=1e-9)
            assert_allclose(alone[1][0], gradient[i], rtol=1e-6, atol=1e-9)


def loss_changes_nothing_that_it_is_given(loss):
    """Check that logits, targets and labels are as they were."""
    loss = _loss(loss)
    given = _batch(loss, 2.0)
    kept = [None if part is None else part.copy() for part in given]
    logits, targets, one_hot = given
    loss.loss(logits, targets, 2.0, one_hot)
    for part, before in zip(given, kept, strict=True):
        is_kept = part is None or before is None or np.array_equal(part, before)
        assert is_kept, "It writes into what it is given."


def loss_bears_sure_teachers_and_single_precision(loss):
    """Check that huge logits, equal ones, and float32, which is trained in, give numbers."""
    loss = _loss(loss)
    rng = np.random.default_rng(0)
    one_hot = np.eye(3, dtype=np.float32)
    for teacher_logits in (90 * np.eye(3), np.zeros((3, 3)), np.full((3, 3), -80.0)):
        for logits in (rng.normal(size=(3, 3)), -60 * np.eye(3), np.zeros((3, 3))):
            targets = None
            if loss.needs_teacher:
                targets = np.asarray(loss.targets(teacher_logits, 1.0), np.float32)
            found = loss.loss(logits.astype(np.float32), targets, 1.0, one_hot)
            assert all(np.isfinite(part).all() for part in found)


def loss_trains_a_student(loss):
    """Check that a student learns by it, and its gradient holds in the whole student."""
    X, y = data(None, None)
    teacher = LogisticRegression(C=0.1, max_iter=200).fit(X, y)
    student = DistilledQNNClassifier(
        teacher, distillation=loss, lam=0.9, n_qubits=2, max_iter=2, random_state=0
    )
    check = student.fit(X, y).selfcheck(X, y, n_rows=4)["finite differences"]
    assert check.ok, repr(check)


CHECKS = (
    loss_has_one_number_per_image,
    loss_has_the_gradient_of_its_sum,
    loss_counts_each_image_for_itself_if_it_says_so,
    loss_changes_nothing_that_it_is_given,
    loss_bears_sure_teachers_and_single_precision,
    loss_trains_a_student,
)
