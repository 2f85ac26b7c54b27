"""The pages of the documentation, and their tables with contents from the package."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.servers import ROOT

__all__ = ["README", "name_of", "pages", "tables"]

README = ROOT / "README.md"


def pages() -> list[Path]:
    """Return the pages that are written by hand, sorted: README.md and docs/**/*.md."""
    docs = ROOT / "docs"
    found = [path for path in docs.rglob("*.md") if "_build" not in path.relative_to(docs).parts]
    return [README, *sorted(found)]


def name_of(path: Path) -> str:
    """Return a page's path from the repository's root, for display."""
    return path.relative_to(ROOT).as_posix()


def tables(marker: str) -> dict[str, list[list[str]]]:
    """Return the rows of the tables behind the comment `marker`, by page, as lists of cells."""
    start = re.compile(rf"<!-- .*{re.escape(marker)}; a test compares -->\n")
    found = {}
    for path in pages():
        for part in start.split(path.read_text("utf-8"))[1:]:
            lines = part.partition("<!-- end")[0].splitlines()
            rows = [line for line in lines if line.startswith("| `")]
            found[name_of(path)] = [
                [cell.strip() for cell in row.strip("|").split(" | ")] for row in rows
            ]
    return found
