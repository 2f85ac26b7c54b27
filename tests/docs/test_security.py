"""docs/security.md is correct: its counts are those of the suites, and its links have targets."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.support.servers import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
ROW = re.compile(
    r"\| (?P<what>[^|]+) \| `(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)` \| (?P<count>[\d,]+) \|"
)


def rows() -> list[re.Match[str]]:
    """Return the rows of the table of suites."""
    part = PAGE.partition("one row for each -->")[2].partition("<!-- end of the suites -->")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    found = [ROW.fullmatch(line) for line in lines]
    assert found
    assert all(found), "a row is not: | attack | `tests/file.py::test` | count |"
    return [row for row in found if row]


@pytest.fixture(scope="module")
def collected() -> Counter[str]:
    """Return the number of each test's cases that pytest collects in the files of the page."""
    files = sorted({row["file"] for row in rows()})
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT, capture_output=True, text=True, timeout=300, encoding="utf-8", errors="replace",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    names = (re.match(r"(tests/[\w/]+\.py::\w+)", line) for line in result.stdout.splitlines())
    return Counter(name[1] for name in names if name)


def test_the_counts_are_those_of_the_suites(collected: Counter[str]) -> None:
    """A failure shows the right rows."""
    right = []
    for row in rows():
        name = f"{row['file']}::{row['test']}"
        module = importlib.import_module(row["file"].removesuffix(".py").replace("/", "."))
        count = getattr(module, "SUITE_CASES", {}).get(row["test"], collected[name])
        assert count, f"{name} is not a test"
        right.append(f"| {row['what']} | `{name}` | {count:,} |")
    assert [row[0] for row in rows()] == right, "\n".join(["these are right:", *right])


def test_its_links_lead_somewhere() -> None:
    """This includes links to files and headings of this repository."""
    pages = {name: (ROOT / name).read_text("utf-8") for name in ("docs/security.md", "SECURITY.md")}
    for name, text in pages.items():
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            file = ((ROOT / name).parent / path).resolve() if path else ROOT / name
            assert file.is_file(), target
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in headings}
            assert not anchor or anchor in slugs, target


def test_the_readme_names_the_exceptions() -> None:
    """A sentence that a client cannot forge something names the exceptions."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "docs/security.md" in readme.partition("```")[0]
    absolute = re.compile(
        r"(?i)nobody can forge|never as forged|cannot be forged|never as a forger"
    )
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("appsvc_runtime/**/*.py")]:
        assert not absolute.search(path.read_text("utf-8")), path
