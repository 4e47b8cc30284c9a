"""Sphinx configuration of the site; ``python -m sphinx -W -n docs docs/_build`` builds it.

Nothing is fetched: examples run on scikit-learn's digits, links to other projects are their names.
"""

import importlib
import re
import shutil
import sys
from functools import reduce
from pathlib import Path

import sklqkd

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

project = "sklqkd"
author = "sklqkd developers"
copyright = "sklqkd developers, MIT licence"
version = release = sklqkd.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = [
    "_build",
    "_templates",
    "gallery/*.ipynb",
    "**/GALLERY_HEADER.rst",
    "sg_execution_times.rst",
]
templates_path = ["_templates"]
nitpicky = True
#: Other projects' names, which would take their inventories from the network, and what is private.
nitpick_ignore_regex = [
    ("py:.*", r"(joblib|matplotlib|numpy|pandas|pennylane|qiskit|scipy|sklearn|skorch|torch)\b.*"),
]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "sklqkd"
html_static_path = ["_static"]
html_css_files = ["sklqkd.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}


class Arguments:
    """What an example is called with in the gallery: fewer seeds than by itself."""

    def __call__(self, gallery_conf, script_vars):
        """Return the command line of a script."""
        has_seeds = '"--seeds"' in Path(script_vars["src_file"]).read_text()
        return ["--seeds", "2"] if has_seeds else []

    def __repr__(self):
        return "the gallery's arguments"


gallery_arguments = Arguments()
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "reset_argv": "conf.gallery_arguments",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "within_subsection_order": "FileNameSortKey",
    "show_memory": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "backreferences_dir": None,
    "doc_module": ("sklqkd",),
}


def is_ours(app, what, name, member, skip, options):
    """Leave out what a class has from scikit-learn, skorch or torch: their sites document it."""
    function = getattr(member, "fget", None) or getattr(member, "__func__", member)
    module = getattr(function, "__module__", None)
    if what == "class" and module and not module.startswith("sklqkd"):
        return True
    return None


def find(name):
    """Return the object of a dotted name of the package, or None."""
    if not name.startswith("sklqkd"):
        return None
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            return reduce(getattr, parts[n:], importlib.import_module(".".join(parts[:n])))
        except (AttributeError, ImportError):
            continue
    return None


def name_what_is_private(app, env, node, contnode):
    """Print the name of what has no page, if there is such a thing; link public names anywhere."""
    target = node["reftarget"].lstrip(".")
    # In a summary, which stands in api.rst, the module of a name is not known.
    here = node.get("py:module")
    homes = ["", f"{here}.", f"{here}.{node.get('py:class')}."]
    homes += [f"sklqkd.{name}." for name in sklqkd.__all__]
    candidates = [f"{home}{target}" for home in homes]
    found = next((each for each in map(find, candidates) if each is not None), None)
    if found is None:
        parent, _, last = target.rpartition(".")
        text = getattr(find(parent), "__doc__", None) or ""
        is_attribute = re.search(rf"^ *{last} : ", text, re.MULTILINE)
        return contnode if is_attribute else None  # a wrong name: Sphinx warns
    public = f"sklqkd.{getattr(found, '__name__', '')}"
    domain = env.get_domain("py")
    if public in domain.objects:
        docname = node["refdoc"]
        return domain.resolve_xref(env, docname, app.builder, "obj", public, node, contnode)
    return contnode


def setup(app):
    """Connect what autodoc asks."""
    app.connect("autodoc-skip-member", is_ours)
    app.connect("missing-reference", name_what_is_private)
    for folder in ("example_results", "quickstart_results"):
        path = ROOT / "examples" / folder
        app.connect("build-finished", lambda *_, path=path: shutil.rmtree(path, True))
