"""README and the site: every block of Python runs as it stands, and every public name is there."""

import inspect
import re
import textwrap
from functools import reduce
from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from sklearn.base import BaseEstimator

import sklqkd

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for folder in ("", "guide", "extend") for path in (DOCS / folder).glob("*.md"))
#: A page of a part of one's own runs in at most so many lines.
LONGEST_EXTENSION = 40


def blocks(path, language="python"):
    """Return the blocks of code of a page."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", path.read_text(), re.M | re.S)
    return [textwrap.dedent(code) for _, code in found]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Run in a folder of its own, without windows."""
    monkeypatch.chdir(tmp_path)
    with plt.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("number", range(len(blocks(ROOT / "README.md"))))
def test_a_block_of_the_readme_runs_alone(number):
    code = blocks(ROOT / "README.md")[number]
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


WITH_CODE = [str(path.relative_to(DOCS)) for path in PAGES if blocks(path)]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("page", WITH_CODE)
def test_the_blocks_of_a_page_run_one_after_the_other(page):
    code = blocks(DOCS / page)
    if page == "guide/saving.md":
        pytest.importorskip("skops")
    if page.startswith("extend/"):
        assert all(len(block.strip().splitlines()) <= LONGEST_EXTENSION for block in code)
    names = {"__name__": "page"}
    for block in code:
        exec(compile(block, page, "exec"), names)


def test_the_first_block_of_the_readme_is_two_commands():
    commands = blocks(ROOT / "README.md", "bash")[0].splitlines()
    assert len(commands) == 2
    assert "examples/quickstart.py" in commands[0]
    assert "pytest" in commands[1]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "llms.txt", "examples/README.md"])
def test_what_a_page_links_to_is_there(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text())
    links = [link for link in links if "://" not in link]
    assert links or page == "CONTRIBUTING.md"
    assert not [link for link in links if not (path.parent / link).exists()]


def test_every_public_name_is_in_the_api_reference():
    listed = set(re.findall(r"^   ([\w.]+)$", (DOCS / "api.rst").read_text(), re.M))
    modules = [name for name in sklqkd.__all__ if inspect.ismodule(getattr(sklqkd, name))]
    public = {name for name in sklqkd.__all__ if not name.startswith("_")}
    top = {id(getattr(sklqkd, name)) for name in public}
    for module in modules:
        for name in import_module(f"sklqkd.{module}").__all__:
            # A name that the top has too is there under its short name.
            if id(getattr(getattr(sklqkd, module), name)) not in top:
                public.add(f"{module}.{name}")
    assert not public - listed
    for name in listed:  # and nothing is there that does not exist
        parent, _, last = name.rpartition(".")
        home = import_module(f"sklqkd.{parent}" if parent else "sklqkd")
        assert hasattr(home, last) or import_module(f"sklqkd.{name}")


def test_estimators_link_to_their_page(monkeypatch):
    monkeypatch.setenv("SKLQKD_DOCS", "file:///site/")
    listed = set(re.findall(r"^   ([\w.]+)$", (DOCS / "api.rst").read_text(), re.M))
    linked = 0
    for name in listed:
        kind = reduce(getattr, name.split("."), sklqkd)
        if inspect.isclass(kind) and issubclass(kind, BaseEstimator):
            link = kind.__new__(kind)._get_doc_link()
            if kind is not sklqkd.persistence.VersionedState:
                assert link == f"file:///site/generated/sklqkd.{name}.html"
                linked += 1
    assert linked > 15
    monkeypatch.delenv("SKLQKD_DOCS")
    page = sklqkd.QNNClassifier()._repr_html_()
    assert f"v{sklqkd.__version__}/generated/sklqkd.QNNClassifier.html" in page


def test_every_room_whose_names_are_not_listed_is_private():
    listed = set(re.findall(r"^   ([\w.]+)$", (DOCS / "api.rst").read_text(), re.M))
    homes = {name.split(".")[0] for name in listed if "." in name or name.islower()}
    public = {name for name in sklqkd.__all__ if inspect.ismodule(getattr(sklqkd, name))}
    assert public <= homes


def test_examples_have_a_title_for_the_gallery():
    for path in (ROOT / "examples").glob("*.py"):
        title, line = path.read_text().splitlines()[:2]
        assert line == "=" * len(title.removeprefix('"""')), path
