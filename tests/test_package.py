"""What holds for the package as a whole."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sklqkd

PACKAGE = Path(sklqkd.__file__).parent

#: Who may import whom: a module imports only from its own line's right-hand side.
ALLOWED = {
    "images": set(),
    "optimizers": set(),
    "threads": set(),
    "losses": set(),
    "encodings": set(),
    "statevector": {"compiled", "compiled_dense", "factored"},
    "compiled_dense": {"compiled", "statevector"},
    "compiled": {"factored", "statevector"},
    "factored": {"statevector"},
    "circuits": {"statevector"},
    "simulation": {"encodings", "statevector"},
    "torch_simulation": {"encodings", "simulation", "statevector"},
    "gates": {"circuits"},
    "preparation": {"encodings", "gates"},
    "backends": {"gates"},
    "device_circuit": {"backends", "gates", "preparation"},
    "training": {"losses", "optimizers"},
    "front_ends": {"images", "optimizers"},
    "reducers": {"front_ends", "images", "threads"},
    "modules": {"images"},
    "image_nets": {"images", "modules", "threads"},
    "teachers": {"image_nets", "modules"},
    "targets": set(),
    "datasets": set(),
    "layers": {"front_ends", "training"},
    "training_run": {"optimizers", "reducers", "training"},
    "stacked_circuit": {"stacked_compiled", "statevector"},
    "stacked_compiled": {"compiled", "stacked_circuit", "statevector"},
    "stacked_losses": {"losses", "training"},
    "stacking": {
        *("optimizers", "simulation", "stacked_circuit", "stacked_compiled", "stacked_losses"),
        "threads",
    },
    "stacked_runs": {
        *("base", "distillation", "fitting", "images", "targets", "training_run"),
    },
    "stacked_fits": {"base", "stacked_runs", "stacking", "threads"},
    "search": {"stacked_fits"},
    "fitting": {"distillation", "images", "threads", "training_run"},
    "base": {
        *("distillation", "fitting", "images", "losses", "targets", "threads", "training_run"),
    },
    "quantum": {
        *("backends", "base", "circuits", "device_circuit", "encodings", "fitting", "gates"),
        *("preparation", "simulation", "torch_simulation", "training", "training_run"),
    },
    "comparison": set(),
    "comparison_store": set(),
    "comparison_runs": {"comparison", "targets"},
    "evaluation": {"comparison", "comparison_runs", "comparison_store", "datasets", "targets"},
    "evaluation_display": {"comparison", "evaluation"},
    "curve_display": {"comparison", "evaluation", "evaluation_display"},
    "plotting": {"curve_display", "evaluation_display"},
    "schedules": set(),
    "distillation": {"losses", "schedules", "targets", "training"},
    "circuit_export": {
        *("backends", "circuits", "encodings", "gates", "images", "preparation"),
    },
    "students": {"base", "circuit_export", "circuits", "encodings", "quantum", "training"},
    "classical_students": {"base", "fitting", "layers"},
}


def imported(module):
    folder = PACKAGE / module
    for path in folder.glob("*.py") if folder.is_dir() else [PACKAGE / f"{module}.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            # Within a sub-package one dot is the sub-package itself.
            if isinstance(node, ast.ImportFrom) and node.level == 1 + folder.is_dir():
                names = [node.module] if node.module else [name.name for name in node.names]
                yield from (name.split(".")[0] for name in names)


def test_qiskit_is_imported_by_backends_alone_and_inside_functions():
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree) if path.parent.name != "backends" else tree.body:
            names = [name.name for name in getattr(node, "names", [])]
            if isinstance(node, ast.ImportFrom):
                names = [] if node.level else [node.module]
            elif not isinstance(node, ast.Import):
                continue
            packages = {name.split(".")[0] for name in names}
            assert not packages & {"qiskit", "qiskit_aer", "qiskit_ibm_runtime"}, path


@pytest.mark.parametrize("module", sorted(ALLOWED))
def test_dependencies_run_one_way(module):
    assert set(imported(module)) <= ALLOWED[module]


def test_every_module_has_its_place():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "_version"}
    modules |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert modules == set(ALLOWED)


def test_importing_is_cheap():
    heavy = "pennylane qiskit skorch torch"
    code = f"import sys, sklqkd; print([m for m in '{heavy}'.split() if m in sys.modules])"
    for more in (
        "",
        "; from sklqkd import datasets, evaluation, losses, plotting, FCReducer, QNNClassifier",
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.replace("import sys, sklqkd", "import sys, sklqkd" + more)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sklqkd.__all__)
def test_every_public_name_is_there(name):
    assert getattr(sklqkd, name) is not None
    assert name in dir(sklqkd)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        sklqkd.Nonsense  # noqa: B018
