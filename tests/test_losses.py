"""Losses against torch, values and gradients."""

import numpy as np
import pytest
import torch
from torch.nn.functional import kl_div

from sklqkd.losses import DISTILLATION_LOSSES, cross_entropy, log_softmax, softened


@pytest.fixture
def logits():
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 4)) * 4, rng.normal(size=(5, 4)) * 4


def torch_gradient(function, logits):
    tensor = torch.tensor(logits, requires_grad=True)
    losses = function(tensor)
    losses.sum().backward()
    return losses.detach().numpy(), tensor.grad.numpy()


def test_cross_entropy(logits):
    student, other = logits
    targets = np.exp(log_softmax(other))
    expected = torch_gradient(
        lambda z: torch.nn.functional.cross_entropy(z, torch.tensor(targets), reduction="none"),
        student,
    )
    for value, expected_value in zip(cross_entropy(student, targets), expected, strict=True):
        np.testing.assert_allclose(value, expected_value, atol=1e-12)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0, 20.0])
def test_hinton_is_torchs_kl_divergence(logits, temperature):
    student, teacher = logits

    def expected_losses(z):
        log_q = torch.log_softmax(z / temperature, 1)
        p = torch.softmax(torch.tensor(teacher) / temperature, 1)
        return temperature**2 * kl_div(log_q, p, reduction="none").sum(1)

    loss = DISTILLATION_LOSSES["hinton"]
    values = loss.loss(student, loss.targets(teacher, temperature), temperature)
    for value, expected in zip(values, torch_gradient(expected_losses, student), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-12)


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("name", DISTILLATION_LOSSES)
def test_extreme_logits_and_temperatures_stay_finite(name, temperature):
    loss = DISTILLATION_LOSSES[name]
    student = np.array([[1e4, -1e4, 0.0]], np.float32)
    targets = loss.targets(np.array([[-1e4, 1e4, 0.0]]), temperature).astype(np.float32)
    for value in loss.loss(student, targets, temperature):
        assert np.isfinite(value).all()


def test_log_probabilities_teach_like_logits(logits):
    _, teacher = logits
    np.testing.assert_allclose(
        softened(log_softmax(teacher), 3.0), softened(teacher, 3.0), atol=1e-14
    )
