"""The README is short, its links lead to files, and its example shows what the command prints."""

from __future__ import annotations

import re

from tests.support.servers import ROOT, run

README = (ROOT / "README.md").read_text("utf-8")


def test_it_is_short() -> None:
    """Details have pages of their own."""
    assert README.count("\n") <= 150


def test_its_links_lead_to_files() -> None:
    """This includes pictures; no link leads to a page outside the repository's files."""
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(targets) > 20
    assert [name for name in targets if not (ROOT / name).exists()] == []


def test_what_explain_shows() -> None:
    """The example is what the command prints, except for parts that an ellipsis replaces."""
    shown = README.partition("$ appsvc explain examples/flask_app\n")[2].partition("```")[0]
    printed = run("-m", "appsvc_runtime", "explain", "examples/flask_app").stdout
    printed = printed.replace(str(ROOT), "/home/you/appsvc-runtime")
    assert re.fullmatch(re.escape(shown).replace("…", ".+"), printed), printed
