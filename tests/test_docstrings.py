"""Every public name is documented: numpydoc's own checks, on classes, functions and methods."""

import inspect
from functools import reduce

import pytest

import sklqkd
import sklqkd.callbacks
import sklqkd.persistence

validate = pytest.importorskip("numpydoc.validate").validate

MODULES = {name for name in sklqkd.__all__ if inspect.ismodule(getattr(sklqkd, name))}
MODULES = sorted(MODULES | {"callbacks", "persistence"})

#: Checks that do not count. The first three are those that scikit-learn leaves out too.
IGNORED = {
    "GL01": "the summary stands on the line of the opening quotes (ruff's D212)",
    "GL02": "and the closing quotes of a one-line docstring on that line as well",
    "RT02": "a returned value has a name, not only a type",
    "ES01": "a summary that says everything needs no second paragraph",
    "SA01": "there is not always something else to see",
}
#: Methods are shown in the example of their class.
IGNORED_IN_METHODS = {"EX01"}
#: A search names in one line the parameters that it has from scikit-learn, and refers to its page.
IGNORED_IN_SEARCHES = {"PR04"}
#: What skorch's training loop calls; users do not.
HOOKS = {"check_data", "get_params_for", "infer", "initialize_history", "notify"}
#: What scikit-learn calls on a callback; its protocol documents them.
HOOKS |= {"setup", "teardown", "on_fit_task_begin", "on_fit_task_end"}

#: What skl2onnx calls; its documentation says how.
HOOKS |= {"onnx_converter", "onnx_shape_calculator"}


def find(name):
    return reduce(getattr, name.split(".")[1:], sklqkd)


def public_names():
    """Return the dotted names of all public classes and functions."""
    names = [f"sklqkd.{name}" for name in sklqkd.__all__ if name != "__version__"]
    names += [f"sklqkd.{m}.{name}" for m in MODULES for name in getattr(sklqkd, m).__all__]
    return [name for name in names if inspect.isclass(find(name)) or inspect.isfunction(find(name))]


def own_methods(name):
    """Return the dotted names of the methods and properties that this package defines."""
    if not inspect.isclass(find(name)):
        return []
    bases = [base for base in find(name).__mro__ if base.__module__.startswith("sklqkd")]
    members = {member: value for base in bases for member, value in vars(base).items()}
    kinds = (property, classmethod, staticmethod)
    return sorted(
        f"{name}.{member}"
        for member, value in members.items()
        if not member.startswith("_") and member not in HOOKS
        if inspect.isfunction(value) or isinstance(value, kinds)
    )


def errors(name, ignored):
    found = validate(name)["errors"]
    return [f"{name}: {code} {text}" for code, text in found if code not in ignored]


def test_the_public_names_are_found():
    names = public_names()
    assert {"sklqkd.QNNClassifier", "sklqkd.losses.hinton", "sklqkd.evaluation.compare"} <= {*names}
    assert "sklqkd.DistilledQNNClassifier.predict_proba" in own_methods(
        "sklqkd.DistilledQNNClassifier"
    )


@pytest.mark.parametrize("name", public_names())
def test_classes_functions_and_methods(name):
    ignored = {*IGNORED} | (IGNORED_IN_SEARCHES if name.startswith("sklqkd.search.") else set())
    if getattr(find(name), "_is_protocol", False):  # which nobody makes an object of
        ignored |= {"PR01"}
    found = errors(name, ignored)
    for method in own_methods(name):
        found += errors(method, ignored | IGNORED_IN_METHODS)
    assert not found, "\n".join(found)
