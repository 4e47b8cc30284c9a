"""What holds for the package as a whole."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sklqkd._sklearn

PACKAGE = Path(sklqkd.__file__).parent

#: Who may import whom: a module or sub-package imports only what its own line names.
ALLOWED = {
    "atomic": set(),
    "augmentation": {"checks", "images"},
    "cluster": set(),
    "durations": set(),
    "fingerprints": {"teacher_checks"},
    "files": {"checks", "exceptions", "memory"},
    "first_format": set(),
    "lazy": set(),
    "memory": set(),
    "checks": set(),
    "documentation": {"_version"},
    "exceptions": set(),
    "images": {"checks"},
    "optimizers": {"documentation", "statevector"},
    "persistence": {
        *("_version", "atomic", "documentation", "exceptions", "files", "fingerprints"),
        "first_format",
    },
    "monitors": {"atomic", "durations"},
    "callbacks": {"_version", "checks", "exceptions", "files", "monitors", "persistence"},
    "proportions": set(),
    "references": {"_version"},
    "random_states": set(),
    "schedules": set(),
    "threads": set(),
    "losses": set(),
    "encodings": {"circuits", "gates", "statevector"},
    "gates": {"statevector"},
    "feature_scaling": set(),
    "onnx_export": set(),
    "statevector": {"lazy"},
    "datasets": {"checks", "exceptions", "files", "memory", "random_states"},
    "teacher_checks": set(),
    "targets": {"checks", "teacher_checks"},
    "unlabelled": set(),
    "agreement": set(),
    "teacher_warnings": {"exceptions"},
    "hearing": {"agreement", "losses", "targets", "teacher_warnings"},
    "circuits": {"gates", "lazy", "statevector", "threads"},
    "twin": {"atomic", "encodings", "feature_scaling", "images", "onnx_export", "persistence"},
    "backends": {"circuits", "gates", "threads"},
    "simulation": {"backends", "circuits", "encodings", "gates", "statevector"},
    "training": {"losses", "optimizers", "reducers", "simulation", "statevector"},
    "reducers": {
        "atomic",
        "checks",
        "images",
        "losses",
        "onnx_export",
        "optimizers",
        "persistence",
        "random_states",
        "teacher_checks",
        "threads",
    },
    "teachers": {
        *("atomic", "checks", "documentation", "images", "persistence"),
        *("random_states", "threads"),
    },
    "distillation": {
        "checks",
        "hearing",
        "losses",
        "schedules",
        "targets",
        "teacher_checks",
        "training",
        "unlabelled",
    },
    "students": {
        "atomic",
        "augmentation",
        "backends",
        "circuits",
        "distillation",
        "encodings",
        "images",
        "losses",
        "monitors",
        "optimizers",
        "random_states",
        "reducers",
        "simulation",
        "targets",
        "threads",
        "checks",
        "feature_scaling",
        "fingerprints",
        "gates",
        "lazy",
        "memory",
        "persistence",
        "proportions",
        "statevector",
        "training",
        "twin",
        "unlabelled",
    },
    "search": {
        *(
            "_version",
            "atomic",
            "augmentation",
            "checks",
            "cluster",
            "distillation",
            "documentation",
            "durations",
            "exceptions",
            "files",
            "fingerprints",
            "images",
            "losses",
            "memory",
            "optimizers",
        ),
        "persistence",
        "random_states",
        "reducers",
        "simulation",
        "statevector",
        "students",
        "targets",
        "teacher_warnings",
        "threads",
        "training",
        "unlabelled",
    },
    "evaluation": {
        *("_version", "checks", "cluster", "datasets", "durations", "exceptions", "files"),
        *("fingerprints", "persistence", "students", "targets", "threads"),
    },
    "plotting": {"checks", "evaluation"},
    "testing": {"datasets", "encodings", "losses", "students"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported(path):
    """Yield the modules of the package that a module imports, as tuples of names."""
    package = dotted(path) if path.name == "__init__.py" else dotted(path)[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) + 1 - node.level]
            base += tuple(node.module.split(".")) if node.module else ()
            for name in node.names:
                is_module = (PACKAGE.joinpath(*base, name.name)).with_suffix(".py").exists()
                is_package = PACKAGE.joinpath(*base, name.name).is_dir()
                yield (*base, name.name) if is_module or is_package else base


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


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_dependencies_run_one_way(name):
    paths = [path for path in MODULES if dotted(path)[:1] == (name,)]
    assert paths
    allowed = ALLOWED[name] | {name, "_sklearn"}
    assert {target[0] for path in paths for target in imported(path)} <= allowed


def test_what_is_private_in_scikit_learn_is_named_in_one_place():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = (isinstance(node, ast.ImportFrom) and not node.level and node.module) or ""
            if module.split(".")[0] == "sklearn":
                parts = [*module.split("."), *(name.name for name in node.names)]
                assert not [part for part in parts if part.startswith("_")], path
    for name in sklqkd._sklearn._HOMES:
        assert getattr(sklqkd._sklearn, name) is not None


def test_no_two_modules_need_each_other():
    graph = {dotted(path): set(imported(path)) for path in MODULES if dotted(path)}
    while graph:
        leaves = {module for module, targets in graph.items() if not targets & set(graph)}
        assert leaves, f"These import each other: {sorted(graph)}"
        graph = {module: targets for module, targets in graph.items() if module not in leaves}


def test_every_module_has_its_place():
    places = {*ALLOWED, "_sklearn", "_version"}
    assert {dotted(path)[0] for path in MODULES if dotted(path)} == places


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


def test_a_fit_of_a_named_ansatz_loads_no_framework():
    heavy = "matplotlib pennylane qiskit skorch torch"
    code = f"""
import sys
from sklearn.ensemble import RandomForestClassifier
from sklqkd import DistilledQNNClassifier, QNNClassifier
from sklqkd.datasets import load_digits
X, y = load_digits("test", return_X_y=True)
QNNClassifier(max_iter=1).fit(X, y).predict(X)
teacher = RandomForestClassifier(3, random_state=0).fit(X, y)
DistilledQNNClassifier(teacher, max_iter=1).fit(X, y).predict(X)
print([m for m in '{heavy}'.split() if m in sys.modules])
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sklqkd.__all__)
def test_every_public_name_is_there(name):
    assert getattr(sklqkd, name) is not None
    assert name in dir(sklqkd)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        sklqkd.Nonsense  # noqa: B018
