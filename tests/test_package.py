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
    "statevector": {"compiled", "factored"},
    "compiled": {"factored", "statevector"},
    "factored": {"statevector"},
    "circuits": {"statevector"},
    "simulation": {"encodings", "statevector"},
    "gates": {"circuits"},
    "preparation": {"encodings", "gates"},
    "training": {"losses", "optimizers", "simulation"},
    "front_ends": {"images", "optimizers"},
    "reducers": {"front_ends", "images", "threads"},
    "modules": {"images"},
    "image_nets": {"images", "modules", "threads"},
    "teachers": {"image_nets", "modules"},
    "targets": set(),
    "datasets": set(),
    "fitting": {
        *("circuits", "encodings", "images", "losses", "optimizers", "reducers"),
        *("simulation", "targets", "threads", "training"),
    },
    "students": {
        *("circuits", "encodings", "fitting", "images", "losses", "targets", "threads"),
        "training",
    },
}


def imported(module):
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield from [node.module] if node.module else [name.name for name in node.names]


@pytest.mark.parametrize("module", sorted(ALLOWED))
def test_dependencies_run_one_way(module):
    assert set(imported(module)) <= ALLOWED[module]


def test_every_module_has_its_place():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "_version"}
    assert modules == set(ALLOWED)


def test_importing_is_cheap():
    heavy = "pennylane qiskit skorch torch"
    code = f"import sys, sklqkd; print([m for m in '{heavy}'.split() if m in sys.modules])"
    for more in ("", "; from sklqkd import datasets, losses, FCReducer, QNNClassifier"):
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
