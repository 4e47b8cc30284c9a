"""What Qiskit says about a circuit: its gates and depth, transpiled for a device, as OpenQASM."""

from __future__ import annotations

from importlib.util import find_spec
from numbers import Integral

import numpy as np
from sklearn.utils import check_scalar

from ..gates import GateCircuit
from .qiskit_circuits import quantum_circuit

__all__ = [
    "count_gates",
    "fake_backend",
    "measured",
    "opened",
    "openqasm",
    "refuse_second_target",
    "require",
    "standard_gates",
    "symbolic_circuit",
    "transpile",
    "transpiled",
]

#: Gates of IBM's older devices, the default target.
BASIS_GATES = ("cx", "rz", "sx", "x")
#: Layout and routing try random starts; gates and counts are to be the same in every run.
_SEED = 0


def require(module: str = "qiskit", package: str = "qiskit") -> None:
    """Raise an ImportError with the pip command unless Qiskit and `module` are installed."""
    for needed in ("qiskit", module):
        if find_spec(needed) is None:
            raise ImportError(f"{needed} is needed, and not installed: pip install {package}")


def symbolic_circuit(circuit: GateCircuit, name: str):
    """Return a circuit as a QuantumCircuit whose angles are the parameters ``name[0]``, ..."""
    from qiskit.circuit import ParameterVector

    return quantum_circuit(circuit, ParameterVector(name, circuit.n_angles))


def opened(angles, columns, name: str) -> list:
    """Return angles with the parameters ``name[0]``, ... in some columns."""
    from qiskit.circuit import ParameterVector

    values = list(map(float, angles))
    for column, parameter in zip(columns, ParameterVector(name, len(columns)), strict=True):
        values[column] = parameter
    return values


def measured(circuit):
    """Return a copy of a QuantumCircuit that ends in a measurement of every qubit."""
    return circuit.measure_all(inplace=False)


def openqasm(circuit) -> str:
    """Return a QuantumCircuit as OpenQASM 3."""
    from qiskit import qasm3

    return qasm3.dumps(circuit)


def count_gates(circuit) -> dict:
    """Count what a QuantumCircuit consists of.

    Parameters
    ----------
    circuit : qiskit.QuantumCircuit

    Returns
    -------
    counts : dict
        "n_qubits" (those of a device's that the circuit uses), "depth", "n_gates",
        "n_two_qubit_gates" and "gates", the numbers by kind.
    """
    used = {qubit for step in circuit.data for qubit in step.qubits}
    return {
        "n_qubits": len(used) if circuit.layout else circuit.num_qubits,
        "depth": circuit.depth(),
        "n_gates": circuit.size(),
        "n_two_qubit_gates": sum(len(step.qubits) == 2 for step in circuit.data),
        "gates": dict(sorted(circuit.count_ops().items())),
    }


def transpiled(circuit, *, basis_gates=None, coupling_map=None, backend=None, optimization_level=1):
    """Rewrite a circuit in a device's gates, on its qubits.

    Parameters
    ----------
    circuit : qiskit.QuantumCircuit
    basis_gates : sequence of str, default=None
        Qiskit's names of the gates; ``None`` stands for `BASIS_GATES`.
    coupling_map : sequence of (int, int) or qiskit.transpiler.CouplingMap, default=None
        Pairs of qubits that share two-qubit gates; ``None`` for all.
    backend : str or qiskit.providers.Backend, default=None
        A device, or the name of a fake one, instead of the other two.
    optimization_level : {0, 1, 2, 3}, default=1

    Returns
    -------
    circuit : qiskit.QuantumCircuit

    Raises
    ------
    ValueError
        If the target is given twice, or cannot run the circuit.
    """
    from qiskit.transpiler import CouplingMap

    check_scalar(optimization_level, "optimization_level", Integral, min_val=0, max_val=3)
    if backend is not None:
        refuse_second_target(basis_gates, coupling_map)
        backend = fake_backend(backend) if isinstance(backend, str) else backend
        if not hasattr(backend, "num_qubits"):
            raise ValueError(
                f"backend must be a Qiskit backend or the name of one; it is "
                f"{type(backend).__name__}."
            )
        target = {"backend": backend}
    else:
        basis_gates = BASIS_GATES if basis_gates is None else basis_gates
        if not np.iterable(basis_gates) or not all(isinstance(name, str) for name in basis_gates):
            raise ValueError(f"basis_gates={basis_gates!r} is no list of names of gates.")
        target = {"basis_gates": list(basis_gates)}
        if coupling_map is not None and not isinstance(coupling_map, CouplingMap):
            try:
                coupling_map = CouplingMap([(int(a), int(b)) for a, b in coupling_map])
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"coupling_map={coupling_map!r} is no list of pairs of qubits: {error}"
                ) from error
        target["coupling_map"] = coupling_map
    return transpile(circuit, **target, optimization_level=optimization_level)


def standard_gates() -> frozenset[str]:
    """Return the names of the gates that Qiskit can rewrite a circuit in."""
    from qiskit.circuit.library import get_standard_gate_name_mapping

    return frozenset(get_standard_gate_name_mapping())


def transpile(circuit, **options):
    """Return a circuit from qiskit.transpile, the same one in every run; or raise a ValueError."""
    import qiskit
    from qiskit.transpiler.exceptions import TranspilerError

    if unknown := sorted(set(options.get("basis_gates") or ()) - standard_gates()):
        raise ValueError(
            f"basis_gates has {', '.join(map(repr, unknown))}, which no circuit can be rewritten "
            f"in. Choose from Qiskit's standard gates: {', '.join(sorted(standard_gates()))}."
        )
    try:
        return qiskit.transpile(circuit, seed_transpiler=_SEED, **options)
    except (TranspilerError, AttributeError, LookupError, TypeError) as error:
        # Qiskit looks at the values of its options where it needs them.
        reason = getattr(error, "message", error)
        raise ValueError(f"The circuit cannot be transpiled: {reason}") from error


def refuse_second_target(basis_gates, coupling_map) -> None:
    """Raise a ValueError for gates or pairs of qubits that are given beside a backend."""
    if basis_gates is not None or coupling_map is not None:
        raise ValueError(
            "backend already says which gates and which pairs of qubits there are. Give either "
            "backend, or basis_gates and coupling_map."
        )


def fake_backend(name: str):
    """Return a fake device of qiskit-ibm-runtime, with a real one's gates and calibration.

    Parameters
    ----------
    name : str
        Such as "fake_manila", or its class, "FakeManilaV2".

    Returns
    -------
    backend : qiskit.providers.BackendV2

    Raises
    ------
    ValueError
        For an unknown name.
    ImportError
        If qiskit-ibm-runtime is not installed.
    """
    require("qiskit_ibm_runtime", "qiskit-ibm-runtime")
    from qiskit_ibm_runtime import fake_provider

    name = getattr(getattr(fake_provider, name, None), "backend_name", name)
    classes = {
        kind.backend_name: kind
        for kind in vars(fake_provider).values()
        if isinstance(getattr(kind, "backend_name", None), str)
    }
    if name not in classes:
        raise ValueError(
            f"backend={name!r} is not known. Choose one of {', '.join(map(repr, sorted(classes)))},"
            " or pass a Qiskit backend."
        )
    return classes[name]()
