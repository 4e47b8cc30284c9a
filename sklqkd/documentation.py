"""Where the documentation of an estimator is, for the link in its HTML representation."""

from __future__ import annotations

import os
import sys

from ._version import __version__

__all__ = ["SITE", "Documented"]

#: Address of the site's versions.
SITE = "https://sklqkd.readthedocs.io/en"


def site() -> str:
    """Return the address of this version's site, or ``SKLQKD_DOCS``: that of another build."""
    version = "latest" if "dev" in __version__ else f"v{__version__}"
    return os.environ.get("SKLQKD_DOCS", f"{SITE}/{version}").rstrip("/")


class Documented:
    """Mixin of estimators with a page on the site; to be named before scikit-learn's classes."""

    _doc_link_module = "sklqkd"

    @property
    def _doc_link_template(self):
        return f"{site()}/generated/{{name}}.html"

    def _doc_link_url_param_generator(self):
        kind = type(self)
        package, home = kind.__module__.split(".")[:2]
        on_top = kind.__name__ in sys.modules[package].__all__
        return {"name": ".".join([package, *([] if on_top else [home]), kind.__name__])}
