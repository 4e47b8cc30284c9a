"""A whole epoch in one compiled call: gather, front-end, encoding, circuit, losses, back, Adam.

Between NumPy calls a step of a small student is mostly waiting. Here the interpreter is left once
per epoch, and the global lock with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..optimizers.adam import adam
from ..statevector.compilation import compiled, inlined, merged
from ..statevector.unitary import UnitaryCircuit, angles, unitary
from .encoding_loops import Encoder, encode, encoding_gradient
from .loss_loops import SoftLosses, losses

__all__ = ["Inputs", "Learner", "epoch", "first_half", "second_half"]


class Inputs(NamedTuple):
    """Where the states of a mini-batch come from.

    Attributes
    ----------
    table : ndarray of shape (n_samples, width)
        The states of all images; or the images, if there is a front-end.
    has_front_end : bool
    scale : float
        Of the front-end's products, see :class:`sklqkd.reducers.front_ends.LinearFrontEnd`.
    encoder : Encoder
    images, features, slopes : ndarray of shape (batch_size, ...)
        A mini-batch's, and the gradient for its features.
    """

    table: np.ndarray
    has_front_end: bool
    scale: np.float32
    encoder: Encoder
    images: np.ndarray
    features: np.ndarray
    slopes: np.ndarray


class Learner(NamedTuple):
    """A student's numbers as the loops read them, and the memory that they work in.

    Attributes
    ----------
    parameters, gradient, first_moment, second_moment : ndarray of shape (n_parameters,)
        In the order of :class:`sklqkd.training.Network`.
    ends : ndarray of int, shape (3,)
        Where front-end, circuit and head coefficients end.
    circuit : UnitaryCircuit
    order : ndarray of int, shape (2^n,)
        Where each value of the read-out is among the circuit's; read if `readout` is empty.
    readout : ndarray of shape (n_outputs, 2^n), or (0, 2^n)
    factor : float
        Of probabilities, where `readout` is empty.
    matrix, gram : ndarray of shape (2 * 2^n, width)
        The circuit's matrix, real part above imaginary part, and the gradient for it.
    head, head_gradient : ndarray of shape (n_classes, 2^n)
    states, final, values, logits, slopes, towards, pulled : ndarray of shape (batch_size, ...)
    """

    parameters: np.ndarray
    gradient: np.ndarray
    first_moment: np.ndarray
    second_moment: np.ndarray
    ends: np.ndarray
    circuit: UnitaryCircuit
    order: np.ndarray
    readout: np.ndarray
    factor: np.float32
    matrix: np.ndarray
    gram: np.ndarray
    head: np.ndarray
    head_gradient: np.ndarray
    states: np.ndarray
    final: np.ndarray
    values: np.ndarray
    logits: np.ndarray
    slopes: np.ndarray
    towards: np.ndarray
    pulled: np.ndarray


@compiled
def epoch(rows, batch_size, inputs, learner, soft: SoftLosses, rates, n_steps, constants):
    """Train on all images once, in the order of `rows`.

    Parameters
    ----------
    rows : ndarray of int, shape (n_samples,)
    batch_size : int
    inputs : Inputs
    learner : Learner
    soft : SoftLosses
    rates : ndarray of shape (n_parameters,)
        The learning rates.
    n_steps : int
        Steps of Adam so far.
    constants : tuple of float
        Adam's beta_1, beta_2 and epsilon.

    Returns
    -------
    total : float
        The sum of the losses.
    """
    total = 0.0
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        forward(batch, inputs, learner)
        total += losses(batch, soft, learner.logits, learner.slopes)
        backward(len(batch), inputs, learner)
        n_steps += 1
        adam(
            learner.parameters,
            learner.gradient,
            learner.first_moment,
            learner.second_moment,
            rates,
            n_steps,
            constants,
        )
    return total


@compiled
def first_half(rows, inputs, learner):
    """Write the logits of a mini-batch into ``learner.logits``; see :func:`epoch`."""
    forward(rows, inputs, learner)


@compiled
def second_half(batch, inputs, learner, rates, n_steps, constants):
    """Go back from ``learner.slopes``, and take step number `n_steps`; see :func:`epoch`."""
    backward(batch, inputs, learner)
    moments = learner.first_moment, learner.second_moment
    adam(learner.parameters, learner.gradient, *moments, rates, n_steps, constants)


@merged
def forward(rows, inputs, learner):
    """Write the logits of a mini-batch, and keep what :func:`backward` needs."""
    batch, size = len(rows), learner.head.shape[1]
    states, table = learner.states[:batch], inputs.table
    parameters, ends = learner.parameters, learner.ends
    if inputs.has_front_end:
        images, features = inputs.images[:batch], inputs.features[:batch]
        n_components = features.shape[1]
        _take(table, rows, images)
        n_coef = ends[0] - n_components
        coef = parameters[:n_coef].reshape(n_components, table.shape[1])
        np.dot(images, coef.T, features)
        for b in range(batch):
            for f in range(n_components):
                features[b, f] = features[b, f] * inputs.scale + parameters[n_coef + f]
        encode(inputs.encoder, features, states)
    else:
        _take(table, rows, states)

    unitary(learner.circuit, parameters[ends[0] : ends[1]])
    _matrix(learner)
    final, values, logits = learner.final[:batch], learner.values[:batch], learner.logits[:batch]
    np.dot(states, learner.matrix.T, final)
    for b in range(batch):
        for k in range(size):
            real, imaginary = final[b, k], final[b, size + k]
            values[b, k] = real * real + imaginary * imaginary

    n_classes, head = len(learner.head), learner.head
    n_outputs = (ends[2] - ends[1]) // n_classes
    coef = parameters[ends[1] : ends[2]].reshape(n_classes, n_outputs)
    if len(learner.readout):
        np.dot(coef, learner.readout, head)
    else:
        for c in range(n_classes):
            for k in range(size):
                head[c, k] = learner.factor * coef[c, learner.order[k]]
    np.dot(values, head.T, logits)
    intercept = parameters[ends[2] :]
    for b in range(batch):
        for c in range(n_classes):
            logits[b, c] += intercept[c]


@inlined
def _take(table, rows, out):
    for b in range(len(rows)):
        for k in range(table.shape[1]):
            out[b, k] = table[rows[b], k]


@merged
def _matrix(learner):
    """Lay the circuit's matrix out for states of one real number, or two, per amplitude."""
    planes, matrix = learner.circuit.kept[-1], learner.matrix
    size = planes.shape[1]
    for j in range(size):
        for k in range(size):
            real, imaginary = planes[0, j, k], planes[1, j, k]
            matrix[j, k], matrix[size + j, k] = real, imaginary
            if matrix.shape[1] > size:
                matrix[j, size + k], matrix[size + j, size + k] = -imaginary, real


@merged
def backward(batch, inputs, learner):
    """Overwrite the gradient with that of the last :func:`forward`.

    Parameters
    ----------
    batch : int
        Number of images.
    inputs : Inputs
    learner : Learner
        Its `slopes` are the loss's gradient for the logits.
    """
    gradient, ends = learner.gradient, learner.ends
    n_classes, size = learner.head.shape
    slopes, final, states = learner.slopes[:batch], learner.final[:batch], learner.states[:batch]
    values, towards = learner.values[:batch], learner.towards[:batch]
    intercept = gradient[ends[2] :]
    for c in range(n_classes):
        intercept[c] = 0
    for b in range(batch):
        for c in range(n_classes):
            intercept[c] += slopes[b, c]
    np.dot(slopes.T, values, learner.head_gradient)
    n_outputs = (ends[2] - ends[1]) // n_classes
    coef = gradient[ends[1] : ends[2]].reshape(n_classes, n_outputs)
    if len(learner.readout):
        np.dot(learner.head_gradient, learner.readout.T, coef)
    else:
        for c in range(n_classes):
            for k in range(size):
                coef[c, learner.order[k]] = learner.factor * learner.head_gradient[c, k]

    np.dot(slopes, learner.head, towards)
    for b in range(batch):
        for k in range(size):
            twice = np.float32(2) * towards[b, k]
            final[b, k] *= twice
            final[b, size + k] *= twice
    np.dot(final.T, states, learner.gram)
    gram, planes = learner.gram, learner.circuit.work
    for j in range(size):
        for k in range(size):
            real, imaginary = gram[j, k], gram[size + j, k]
            if gram.shape[1] > size:
                real += gram[size + j, size + k]
                imaginary -= gram[j, size + k]
            planes[0, j, k], planes[1, j, k] = real, imaginary
    angles(learner.circuit, planes, gradient[ends[0] : ends[1]])
    if inputs.has_front_end:
        pulled = learner.pulled[:batch]
        np.dot(final, learner.matrix, pulled)
        _front_end_gradient(batch, inputs, states, pulled, gradient[: ends[0]])


@merged
def _front_end_gradient(batch, inputs, states, pulled, gradient):
    images, slopes = inputs.images[:batch], inputs.slopes[:batch]
    encoding_gradient(inputs.encoder, states, pulled, slopes)
    n_components = slopes.shape[1]
    n_coef = len(gradient) - n_components
    shift = gradient[n_coef:]
    for f in range(n_components):
        shift[f] = 0
    for b in range(batch):
        for f in range(n_components):
            shift[f] += slopes[b, f]
            slopes[b, f] *= inputs.scale
    np.dot(slopes.T, images, gradient[:n_coef].reshape(n_components, images.shape[1]))
