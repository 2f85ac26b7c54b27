"""Sphinx's configuration: ``tox -e docs`` builds the site, with warnings as errors."""

from __future__ import annotations

import appsvc_runtime

project = "appsvc-runtime"
author = "the appsvc-runtime authors"
release = appsvc_runtime.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_click",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = False
suppress_warnings = ["myst.strikethrough"]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist", "attrs_inline"]
# Anchors as GitHub makes them, so that a link works there and on the site.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True

# A block of console shows prompts and output; only what was typed is copied.
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_title = "appsvc-runtime"
html_static_path = ["_static"]
html_show_sphinx = False
html_copy_source = False

# External links are looked at by a command of their own: `python -m sphinx -b linkcheck docs ...`.
linkcheck_timeout = 20
linkcheck_workers = 4
