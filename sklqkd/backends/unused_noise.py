"""Noise that never happens: errors of a model whose gates the circuit that runs does not have."""

from __future__ import annotations

import warnings

__all__ = ["refuse_unknown_gates", "warn_of_unused"]

#: Instructions that circuits of students have none of, and device models name all the same.
IDLE = frozenset(("delay", "id", "reset"))


def refuse_unknown_gates(names) -> None:
    """Raise a ValueError where a circuit cannot be written in the gates that a noise model names.

    Parameters
    ----------
    names : list of str
        Qiskit's names.
    """
    from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping

    if unknown := sorted(set(names) - set(get_standard_gate_name_mapping()) - {"measure"}):
        raise ValueError(
            f"noise_model has errors on {', '.join(map(repr, unknown))}, and no circuit can be "
            "written in such gates. Attach them to gates that circuits are made of, for instance "
            "model.add_all_qubit_quantum_error(error, ['rz', 'sx', 'x']) for one qubit and ['cx'] "
            "for two."
        )


def warn_of_unused(model, compiled) -> None:
    """Warn where the errors of a noise model on gates of one or of two qubits are all for nothing.

    Parameters
    ----------
    model : qiskit_aer.noise.NoiseModel
    compiled : CompiledCircuit

    Warns
    -----
    UserWarning
        With what the model names and what the circuit has.
    """
    there: dict[int, set] = {}
    for step in compiled.circuit.data:
        qubits = tuple(compiled.circuit.find_bit(qubit).index for qubit in step.qubits)
        there.setdefault(len(qubits), set()).add((step.name, qubits))
    named: dict[int, dict[str, list]] = {}
    n_readout, is_read = 0, False
    for error in model.to_dict()["errors"]:
        places: list = [tuple(qubits) for qubits in error.get("gate_qubits", [])]
        if error["type"] == "roerror":
            n_readout += 1
            is_read |= not places or any(q in compiled.qubits for (q, *_) in places)
            continue
        for name in error["operations"]:
            if name != "measure":
                size = len(places[0]) if places else _size(name)
                named.setdefault(size, {}).setdefault(name, []).extend(places or [None])
    lost = []
    for size, gates in named.items():
        happens = any(
            place is None or (name, place) in there.get(size, ())
            for name, places in gates.items()
            for place in places
            if name in {other for other, _ in there.get(size, ())}
        )
        if not happens and (there.get(size) or len(named) == 1):
            lost.append((size, gates))
    nothing_else = len(lost) == len(named) and not is_read
    lost = [(n, gates) for n, gates in lost if nothing_else or not set(gates) <= IDLE]
    if n_readout and not is_read:
        warnings.warn(
            f"The readout errors of noise_model are on qubits that are not measured: the circuit "
            f"measures {sorted(compiled.qubits)}. Name these, or none for all.",
            UserWarning,
            stacklevel=2,
        )
    for size, gates in lost:
        warnings.warn(
            f"The errors of noise_model on {_shown(gates)} never happen: of gates on {size} "
            f"qubit(s) the circuit that runs has {_shown(_by_name(there.get(size, ())))}. "
            + ("Its results are without noise. " if nothing_else else "")
            + "Attach them to these gates and qubits, or choose the circuit's gates by "
            "backend_options['basis_gates'] and its qubits by ['initial_layout'].",
            UserWarning,
            stacklevel=2,
        )


def _size(name):
    from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping

    gate = get_standard_gate_name_mapping().get(name)
    return 1 if gate is None else gate.num_qubits


def _by_name(places):
    gates: dict = {}
    for name, qubits in sorted(places):
        gates.setdefault(name, []).append(qubits)
    return gates


def _shown(gates):
    """Return gates and their qubits in a few words."""
    if not gates:
        return "none"
    texts = []
    for name, places in sorted(gates.items()):
        on = sorted({place for place in places if place is not None})
        texts.append(name + (f" on {', '.join(map(str, on[:8]))}" if on else ""))
    return "; ".join(texts)
