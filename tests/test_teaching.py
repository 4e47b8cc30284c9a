"""Several teachers, schedules, images without labels, and controls without a teacher."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.datasets import load_digits
from sklqkd.losses import DISTILLATION_LOSSES, with_constants


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    keep = y < 4
    return X[keep][:300], y[keep][:300], X[keep][300:], y[keep][300:]


@pytest.fixture(scope="module")
def forest(digits):
    return RandomForestClassifier(50, random_state=0).fit(*digits[:2])


@pytest.fixture(scope="module")
def linear(digits):
    return LogisticRegression().fit(*digits[:2])


def student(teacher=None, **parameters):
    defaults = {"n_qubits": 2, "max_iter": 4, "tol": 0, "random_state": 0}
    return DistilledQNNClassifier(teacher, **{**defaults, **parameters})


def equal(first, second):
    return np.array_equal(first.parameters_, second.parameters_)


@pytest.mark.parametrize("distillation", sorted(DISTILLATION_LOSSES))
def test_every_loss_trains(distillation, digits, forest):
    X, y, X_test, y_test = digits
    fitted = student(forest, distillation=distillation, max_iter=30, n_qubits=3).fit(X, y)
    assert fitted.score(X_test, y_test) > 0.8
    assert np.isfinite(fitted.loss_curve_).all()


@pytest.mark.parametrize("distillation", ["label_smoothing", "virtual_teacher"])
def test_controls_need_no_teacher_and_do_not_look_at_one(distillation, digits, forest):
    X, y, _, _ = digits
    alone = student(distillation=distillation).fit(X, y)
    assert equal(alone, student(forest, distillation=distillation).fit(X, y))
    assert not equal(alone, student().fit(X, y))


def test_a_loss_with_other_constants(digits, forest):
    X, y, _, _ = digits
    default = student(forest, distillation="decoupled").fit(X, y)
    same = student(forest, distillation=with_constants("decoupled", beta=8.0)).fit(X, y)
    other = clone(student(forest, distillation=with_constants("decoupled", beta=1.0))).fit(X, y)
    assert equal(default, same)
    assert not equal(default, other)


def test_equal_teachers_count_as_one(digits, forest):
    X, y, _, _ = digits
    one = student(forest).fit(X, y)
    two = student([forest, forest], teacher_weights=[3, 1]).fit(X, y)
    np.testing.assert_allclose(two.decision_function(X), one.decision_function(X), atol=1e-3)


def test_a_teacher_of_weight_zero_does_not_count(digits, forest, linear):
    X, y, _, _ = digits
    one = student(forest, temperature=2).fit(X, y)
    both = student([linear, forest], teacher_weights=[0, 1], temperature=[7, 2]).fit(X, y)
    np.testing.assert_allclose(both.decision_function(X), one.decision_function(X), atol=1e-3)
    equal_weights = student([linear, forest], temperature=[7, 2]).fit(X, y)
    assert np.abs(equal_weights.decision_function(X) - one.decision_function(X)).max() > 0.01


def test_clone_hands_on_several_fitted_teachers(forest, linear):
    copy = clone(student([forest, linear]))
    assert copy.teacher[0] is forest
    assert copy.teacher[1] is linear
    unfitted = clone(student([RandomForestClassifier()], cv=3)).teacher[0]
    assert isinstance(unfitted, RandomForestClassifier)


def test_out_of_fold_targets_of_several_teachers(digits):
    X, y, X_test, y_test = digits
    teachers = [RandomForestClassifier(20, random_state=0), LogisticRegression()]
    fitted = student(teachers, cv=3, n_qubits=3, max_iter=20).fit(X, y)
    assert fitted.score(X_test, y_test) > 0.8


@pytest.mark.parametrize(
    ("schedule", "constants"),
    [
        ({"temperature": ("step", 2, 5, 0.5)}, [{"temperature": 2}, {"temperature": 5}]),
        ({"lam": ("step", 0.0, 0.8, 0.5)}, [{"lam": 0.0}, {"lam": 0.8}]),
        ({"lam": lambda epoch, max_iter: 0.1 + 0.4 * (epoch >= 2)}, [{"lam": 0.1}, {"lam": 0.5}]),
    ],
)
def test_a_schedule_is_the_same_as_training_in_parts(schedule, constants, digits, forest):
    X, y, _, _ = digits
    scheduled = student(forest, shuffle=False, **schedule).fit(X, y)
    parts = student(forest, shuffle=False)
    for constant in constants:
        parts.set_params(**constant)
        for _ in range(2):
            parts.partial_fit(X, y, classes=np.unique(y))
    np.testing.assert_allclose(scheduled.parameters_, parts.parameters_, atol=1e-5)


def test_partial_fit_takes_batches_without_any_label(digits, forest):
    X, y, _, _ = digits
    stream, labelled = student(forest, lam=1), student(forest, lam=1)
    for batch in (slice(0, 60), slice(60, 120)):
        nameless = np.full_like(y[batch], -1)
        stream.partial_fit(X[batch], nameless, classes=np.unique(y))
        labelled.partial_fit(X[batch], y[batch], classes=np.unique(y))
    np.testing.assert_array_equal(stream.parameters_, labelled.parameters_)
    with pytest.raises(ValueError, match="No image has a label"):
        stream.fit(X[batch], nameless)


def test_partial_fit_follows_a_schedule(digits, forest):
    X, y, _, _ = digits
    schedule = {"temperature": ("linear", 6, 1), "shuffle": False}
    whole = student(forest, **schedule).fit(X, y)
    parts = student(forest, **schedule)
    for _ in range(4):
        parts.partial_fit(X, y, classes=np.unique(y))
    np.testing.assert_allclose(whole.parameters_, parts.parameters_, atol=1e-5)


def hide(y, keep_every, marker):
    hidden = y.astype(object) if isinstance(marker, str) else y.copy()
    hidden[np.arange(len(y)) % keep_every > 0] = marker
    return np.array(hidden.tolist())


@pytest.mark.parametrize("marker", [-1, 99])
def test_images_without_labels_learn_from_the_teacher(marker, digits, forest):
    X, y, X_test, y_test = digits
    common = {"n_qubits": 3, "max_iter": 30, "unlabelled": marker}
    few = student(forest, **common).fit(X[::15], y[::15])
    more = student(forest, **common).fit(X, hide(y, 15, marker))
    np.testing.assert_array_equal(more.classes_, np.unique(y))
    assert more.score(X_test, y_test) > few.score(X_test, y_test) + 0.02


def test_string_labels_may_be_missing_too(digits):
    X, y, _, _ = digits
    names = np.array(["zero", "one", "two", "three"])[y]
    teacher = LogisticRegression().fit(X, names)
    fitted = student(teacher, unlabelled="?").fit(X, hide(names, 10, "?"))
    assert "?" not in fitted.classes_


def test_missing_labels_do_not_enter_the_cross_entropy(digits, forest):
    """With a tiny lam only labelled images pull: whatever the others' labels would have been."""
    X, y, _, _ = digits
    labelled = np.arange(len(y)) % 5 == 0
    hidden = np.where(labelled, y, -1)
    almost_alone = student(forest, lam=1e-7, shuffle=False, batch_size=len(y), max_iter=10)
    mixed = clone(almost_alone).fit(X, hidden)
    alone = clone(almost_alone).set_params(batch_size=labelled.sum()).fit(X[labelled], y[labelled])
    np.testing.assert_allclose(mixed.decision_function(X), alone.decision_function(X), atol=2e-2)


def test_validation_images_are_labelled_ones(digits, forest):
    X, y, _, _ = digits
    fitted = student(forest, early_stopping=True, max_iter=5).fit(X, hide(y, 3, -1))
    n_held_out = round(len(y) / 3 * 0.1)
    scores = np.array(fitted.validation_scores_) * n_held_out
    np.testing.assert_allclose(scores, np.round(scores), atol=1e-6)


def test_minus_one_is_a_class_without_a_teacher_that_makes_it_a_mark(digits):
    X, y, _, _ = digits
    signs = np.where(y < 2, -1, 1)
    np.testing.assert_array_equal(student().fit(X, signs).classes_, [-1, 1])
    teacher = LogisticRegression().fit(X, signs)
    np.testing.assert_array_equal(student(teacher).fit(X, signs).classes_, [-1, 1])
    logits = teacher.predict_log_proba(X)
    fitted = student(unlabelled=None).fit(X, signs, teacher_logits=logits)
    np.testing.assert_array_equal(fitted.classes_, [-1, 1])


@pytest.mark.parametrize(
    ("parameters", "labels", "message"),
    [
        ({"temperature": [1, 2, 3]}, None, "temperature has 3 values, but there are 2 teachers"),
        ({"temperature": ("linear", 3, 0)}, None, "temperature"),
        ({"lam": ("linear", 0, 2)}, None, "lam"),
        ({"teacher_weights": [1]}, None, "2 non-negative numbers"),
        ({"teacher_weights": [1, -1]}, None, "2 non-negative numbers"),
        ({"lam": 0}, "hidden", "lam=0"),
        ({}, "all hidden", "No image has a label"),
        ({"cv": 3}, "hidden", "Fit the teacher before"),
    ],
)
def test_bad_teaching_is_refused(parameters, labels, message, digits, forest, linear):
    X, y, _, _ = digits
    if labels is not None:
        y = hide(y, 3, -1) if labels == "hidden" else np.full(len(y), -1)
    with pytest.raises(ValueError, match=message):
        student([forest, linear], **parameters).fit(X, y)


def test_a_teacher_that_is_none_of_a_list_is_refused(digits):
    with pytest.raises((TypeError, ValueError), match=r"predict_proba|fitted"):
        student(["forest"]).fit(*digits[:2])


def test_the_exact_simulator_on_a_torch_device(digits):
    X, y, _, _ = digits
    exact = QNNClassifier(n_qubits=3, max_iter=3, random_state=0).fit(X, y)
    on_torch = clone(exact).set_params(device="cpu:0").fit(X, y)
    np.testing.assert_allclose(on_torch.decision_function(X), exact.decision_function(X), atol=1e-2)
    moved = exact.set_params(device="cpu:0").decision_function(X)
    np.testing.assert_allclose(
        moved, exact.set_params(device="cpu").decision_function(X), atol=1e-9
    )
    with pytest.raises(ValueError, match="device='cuda' is for the exact simulator"):
        clone(exact).set_params(device="cuda", backend="default.qubit").fit(X, y)
