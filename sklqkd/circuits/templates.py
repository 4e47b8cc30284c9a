"""The ansaetze that have a name, and a caller's own: PennyLane templates with a shape."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from numbers import Integral
from typing import Any

import numpy as np

__all__ = [
    "ANSATZ_NAMES",
    "ansatz_shape",
    "ansatz_template",
    "rotations",
    "template_name",
    "template_parameters",
    "trace_failed",
]

ANSATZ_NAMES = ("strongly_entangling", "basic_entangler", "rotations", "none")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def rotations(weights, wires):
    """RX, RY and RZ on each wire, layer by layer, no entangling gate (the paper's version 2).

    Parameters
    ----------
    weights : array-like of shape (n_layers, n_wires, 3)
        Angles in radians.
    wires : sequence
        The wires that the circuit acts on.
    """
    import pennylane as qml

    for layer in weights:
        for angles, wire in zip(layer, wires, strict=True):
            qml.RX(angles[0], wires=wire)
            qml.RY(angles[1], wires=wire)
            qml.RZ(angles[2], wires=wire)


def no_gates(weights, wires):
    """Leave the encoded state as it is (the paper's version 1 has no trained angle)."""


def ansatz_template(ansatz: str | Callable) -> Callable:
    """Return the PennyLane template of an ansatz, ``f(weights, wires)``.

    Parameters
    ----------
    ansatz : {"strongly_entangling", "basic_entangler", "rotations", "none"} or callable

    Returns
    -------
    template : callable

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if callable(ansatz):
        return ansatz
    if ansatz not in ANSATZ_NAMES:
        raise ValueError(
            f"ansatz={ansatz!r} is not known. Choose one of {', '.join(map(repr, ANSATZ_NAMES))}, "
            "or pass a PennyLane template f(weights, wires) with a `shape`."
        )
    if ansatz == "rotations":
        return rotations
    if ansatz == "none":
        return no_gates
    import pennylane as qml

    if ansatz == "basic_entangler":
        return qml.BasicEntanglerLayers
    return qml.StronglyEntanglingLayers


def ansatz_shape(ansatz: str | Callable, n_qubits: int, n_layers: int) -> tuple[int, ...]:
    """Return the shape of the weights of an ansatz.

    Parameters
    ----------
    ansatz : str or callable
        A template's ``shape`` is a tuple, or a function of ``n_layers`` and ``n_wires`` (or of
        one of them).
    n_qubits, n_layers : int

    Returns
    -------
    shape : tuple of int

    Raises
    ------
    ValueError
        If a template has no usable ``shape``; the message has the three lines of a function
        around it that has one.

    Examples
    --------
    >>> ansatz_shape("strongly_entangling", n_qubits=4, n_layers=3)
    (3, 4, 3)
    """
    if ansatz == "none":
        return (0,)
    if isinstance(ansatz, str):
        angles = {"basic_entangler": ()}.get(ansatz, (3,))
        return (n_layers, n_qubits, *angles)
    shape: Any = getattr(ansatz, "shape", None)
    reason = "it has none"
    if callable(shape):
        sizes = {"n_layers": n_layers, "n_wires": n_qubits}
        names, takes_all = template_parameters(shape)
        missing = [name for name, is_needed in names.items() if is_needed and name not in sizes]
        if missing:
            shape, reason = None, f"its shape wants {', '.join(missing)} as well"
        else:
            shape = shape(**{name: n for name, n in sizes.items() if takes_all or name in names})
    if shape is not None and _is_shape(shape):
        return tuple(int(size) for size in shape)
    if shape is not None:
        reason = f"it is {shape!r}"
    raise ValueError(
        f"The ansatz {template_name(ansatz)} has no `shape` that can be used: {reason}. An ansatz "
        "takes all of its weights in one array, whose shape is its attribute `shape`: a tuple, or "
        "a function of n_layers and n_wires. Wrap it, for example:\n"
        + _wrapper(ansatz, n_qubits, n_layers)
    )


def trace_failed(ansatz: Callable, shape: tuple[int, ...], n_qubits: int, error: Exception):
    """Return the ValueError for a template that raises an error when it is called."""
    message = (
        f"The ansatz {template_name(ansatz)} fails: called as ansatz(weights, "
        f"wires=range({n_qubits})) with weights of the shape {shape}, it raises "
        f"{type(error).__name__} ({error})."
    )
    parameters, takes_all = template_parameters(ansatz)
    needed = [name for name, is_needed in parameters.items() if is_needed]
    fits = not set(needed[1:]) - {"wires"} and needed[:1] != ["wires"]
    if not fits or not (takes_all or "wires" in parameters):
        message += f" Wrap it, for example:\n{_call_in_wrapper(ansatz, ['weights'], shape)}"
    return ValueError(message)


def _is_shape(shape) -> bool:
    if not isinstance(shape, Sequence):
        return False
    return all(isinstance(size, Integral) and int(size) >= 0 for size in shape)


def template_parameters(function) -> tuple[dict[str, bool], bool]:
    """Return which parameters a function has and needs, and whether it takes any others."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}, True
    named = {p.name: p.default is p.empty for p in parameters if p.kind not in _VARIADIC}
    return named, any(p.kind is p.VAR_KEYWORD for p in parameters)


def template_name(ansatz) -> str:
    """Return what a template is called in a program."""
    import pennylane as qml

    name = getattr(ansatz, "__name__", "")
    if getattr(qml, name, None) is ansatz:
        return f"qml.{name}"
    return name if name.isidentifier() else repr(ansatz)


def _wrapper(ansatz, n_qubits, n_layers) -> str:
    """Return the three lines that make a template with other arguments into an ansatz."""
    shapes = _shapes(ansatz, n_qubits, n_layers)
    if _is_shape(shapes):
        return _call_in_wrapper(ansatz, ["weights"], shapes)
    stops = np.cumsum([0, *map(math.prod, shapes)])
    pieces = [
        f"weights[{start}:{stop}]"
        + ("" if len(shape) == 1 else f".reshape{tuple(map(int, shape))}")
        for start, stop, shape in zip(stops[:-1], stops[1:], shapes, strict=True)
    ]
    return _call_in_wrapper(ansatz, pieces, (int(stops[-1]),))


def _shapes(ansatz, n_qubits, n_layers):
    """Return the shape of the weights of a template, or a list of shapes, as far as it says."""
    shape: Any = getattr(ansatz, "shape", None)
    if callable(shape):
        sizes = {"n_layers": n_layers, "k": n_layers}
        needed = [name for name, is_needed in template_parameters(shape)[0].items() if is_needed]
        with suppress(Exception):
            shape = shape(**{name: sizes.get(name, n_qubits) for name in needed})
    if _is_shape(shape):
        return tuple(map(int, shape))
    if isinstance(shape, Sequence) and len(shape) and all(map(_is_shape, shape)):
        return shape
    dimensions = getattr(ansatz, "ndim_params", None)
    one_per_wire = isinstance(dimensions, Sequence) and tuple(dimensions[:1]) == (1,)
    one_per_wire |= "features" in template_parameters(ansatz)[0]
    return (n_qubits,) if one_per_wire else (n_layers, n_qubits)


def _call_in_wrapper(ansatz, pieces, shape) -> str:
    parameters, takes_all = template_parameters(ansatz)
    names = [name for name in parameters if name != "wires"]
    needed = [name for name in names if parameters[name]]
    if pieces == ["weights"] and "weights" in names:
        arguments = ["weights=weights"]
        needed.remove("weights") if "weights" in needed else None
    elif parameters and not needed:  # nothing but wires
        arguments, shape = [], (0,)
    else:
        arguments, needed = pieces, needed[len(pieces) :]
    arguments = [*arguments, *(f"{name}=..." for name in needed)]
    if takes_all or not parameters or "wires" in parameters:
        arguments.append("wires=wires")
    name = template_name(ansatz)
    call = f"{'template' if name[0] == '<' else name}({', '.join(arguments)})"
    lines = f"def ansatz(weights, wires):\n    {call}\nansatz.shape = {tuple(shape)}"
    return lines + ("\nwith what the template needs in the place of ..." if needed else "")
