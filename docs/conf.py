"""Sphinx's configuration: ``tox -e docs`` builds the site, with warnings as errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

import appsvc_runtime
from appsvc_runtime.cli.main import cli

if TYPE_CHECKING:
    from sphinx.application import Sphinx

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
# Docstrings write `code` with one backtick, as Markdown does.
default_role = "code"
# Options begin with two hyphens.
smartquotes = False
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
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False

# External links are looked at by a command of their own: `python -m sphinx -b linkcheck docs ...`.
linkcheck_timeout = 20
linkcheck_workers = 4
linkcheck_ignore = [r"https?://(127\.0\.0\.1|localhost)\b"]


def _load_commands(app: Sphinx) -> None:
    """Put the commands that are entry points into the group: sphinx-click looks only there."""
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        cli.commands.pop(name, None)
        cli.add_command(command, name)


def _escape(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    r"""Escape what means something in reST and not in a terminal: `NAME_` and `D:\home`."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith(".. "):
            lines[number] = re.sub(r"\\|(?<=\w)_(?!\w)", r"\\\g<0>", line)


def _drop_settings(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Leave out the table at the end of `appsvc --help`: it is a page of its own."""
    if context.command is cli:
        lines.clear()


def _break_names(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Let long names in code wrap after a separator: `APPSVC_` and below it `ALLOWED_HOSTS`."""
    context["body"] = re.sub(
        r'(?<=<span class="pre">)[^<]+',
        lambda code: re.sub(r"(?<=\w[_/.=:(,@\\-])(?=\w)|(?<=[a-z])(?=[A-Z])", "<wbr>", code[0]),
        context.get("body", ""),
    )


def setup(app: Sphinx) -> None:
    """Adapt the texts of the command line, written for terminals, and long names to phones."""
    app.connect("html-page-context", _break_names)
    app.connect("builder-inited", _load_commands)
    app.connect("sphinx-click-process-epilog", _drop_settings)
    for part in ("description", "options", "epilog"):
        app.connect(f"sphinx-click-process-{part}", _escape)
