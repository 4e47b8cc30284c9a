"""The ansaetze that have a name, and a caller's own: PennyLane templates with a shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral

__all__ = ["ANSATZ_NAMES", "ansatz_shape", "ansatz_template", "rotations"]

ANSATZ_NAMES = ("strongly_entangling", "basic_entangler", "rotations", "none")


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
        A template's ``shape`` is a tuple, or a function of ``n_layers`` and ``n_wires``.
    n_qubits, n_layers : int

    Returns
    -------
    shape : tuple of int

    Raises
    ------
    ValueError
        If a template has no usable ``shape``.

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
    shape = getattr(ansatz, "shape", None)
    if callable(shape):
        try:
            shape = shape(n_layers=n_layers, n_wires=n_qubits)
        except TypeError:  # it takes something else
            shape = None
    if not isinstance(shape, Sequence) or not all(isinstance(size, Integral) for size in shape):
        name = getattr(ansatz, "__name__", type(ansatz).__name__)
        raise ValueError(
            f"The ansatz {name} has no `shape` that is a tuple of int, or a function of n_layers "
            "and n_wires that returns one. Wrap it, with as many weights as it takes:\n"
            "    def ansatz(weights, wires):\n"
            f"        {name}(weights, wires)  # or parts of weights, such as weights[0], "
            "weights[1:]\n"
            "    ansatz.shape = (...)"
        )
    return tuple(int(size) for size in shape)
