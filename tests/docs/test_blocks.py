"""The blocks of code on the pages run, and print what is shown; CONTRIBUTING.md has the rules."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appsvc_runtime.system.capabilities import can_fork
from tests.docs.blocks import Page, read
from tests.docs.pages import name_of, pages
from tests.docs.run_python import END, MARK
from tests.docs.shown import mismatch
from tests.docs.terminal import Terminal
from tests.docs.workplace import make_workplace, write_file
from tests.support.servers import ROOT
from tests.support.wheels import build_wheel

# The numbers of blocks of each page that are not run: adding one needs a decision.
NOT_RUN: dict[str, int] = {
    "README.md": 5,
    "docs/benchmarks.md": 1,
    "docs/deploy.md": 10,
    "docs/emulator/index.md": 1,
    "docs/emulator/webjobs.md": 1,
    "docs/health.md": 1,
    "docs/hosts/httpplatform.md": 1,
    "docs/hosts/linux.md": 1,
    "docs/hosts/webjobs.md": 3,
    "docs/hosts/worker-roles.md": 2,
    "docs/quickstart/django.md": 5,
    "docs/quickstart/fastapi.md": 2,
    "docs/quickstart/flask.md": 2,
    "docs/quickstart/index.md": 2,
    "docs/quickstart/package.md": 2,
    "docs/troubleshooting.md": 3,
    "docs/workers.md": 2,
}

_BUILDS = re.compile(r"appsvc build|--as linux|pip install")


def found(language: str) -> list[str]:
    """Return the pages with blocks of a language that are run."""
    return [
        name_of(path)
        for path in pages()
        if any(block.language == language for block in read(path).to_run(language))
    ]


@pytest.mark.parametrize("page", [name_of(path) for path in pages()])
def test_comments(page: str) -> None:
    """All comments before blocks are valid, and the number of blocks that are not run is known."""
    blocks = read(ROOT / page)
    assert not blocks.problems, "\n".join(blocks.problems)
    count = len(blocks.not_run())
    places = " ".join(block.place for block in blocks.not_run())
    assert count == NOT_RUN.get(page, 0), (
        f"{count} blocks of {page} are not run ({places}). Let a block run where it can: "
        f"CONTRIBUTING.md shows how. Else write {page!r}: {count} into NOT_RUN in {__file__}."
    )


def test_no_row_is_left_over() -> None:
    """Pages that are gone, or whose blocks all run, have no row."""
    names = {name_of(path) for path in pages()}
    assert set(NOT_RUN) <= names
    assert all(NOT_RUN.values())


@pytest.mark.parametrize("page", found("python"))
def test_python(page: str, tmp_path: Path) -> None:
    """The Python blocks of a page run in one process."""
    failures = run_python(ROOT / page, page, tmp_path)
    assert not failures, "\n\n".join(failures)


@pytest.mark.integration
@pytest.mark.skipif(not can_fork(), reason="the consoles on the pages are bash's")
@pytest.mark.parametrize("page", found("console"))
def test_console(page: str, tmp_path: Path, wheels: Path) -> None:
    """The console blocks of a page run one after the other, in one folder."""
    if "curl" in (ROOT / page).read_text("utf-8") and not shutil.which("curl"):
        if os.environ.get("CI"):
            pytest.fail("curl is not installed")
        pytest.skip("the page uses curl, which is not installed")
    failures = run_console(ROOT / page, page, tmp_path, wheels)
    assert not failures, "\n\n".join(failures)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for this package's wheel, which is built when a page needs it."""
    return tmp_path_factory.mktemp("wheels")


def run_python(path: Path, name: str, base: Path) -> list[str]:
    """Run the Python blocks of a page; return the failures, with page and line."""
    place = make_workplace(base)
    result = subprocess.run(
        [sys.executable, "-m", "tests.docs.run_python", str(path), name],
        cwd=place.folder, env=place.variables, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", errors="replace", timeout=120, check=False,
    )  # fmt: skip
    parts = result.stdout.split(MARK)
    printed = dict(zip(parts[1::2], parts[2::2], strict=True))
    failures = []
    for block in read(path, name).blocks:
        text = printed.get(str(block.line), "").removeprefix("\n")
        last = [line for line in printed if line != END][-1:] == [str(block.line)]
        if last and END not in printed:
            failures.append(
                f"{block.place}: the block fails. Correct it, or write <!-- not-run: REASON --> "
                f"before it.\n{text}"
            )
        elif block.output is not None and str(block.line) in printed:
            wrong = mismatch(block.output, text)
            if wrong:
                failures.append(
                    f"{block.place}: the text behind it is not what it prints.\n{wrong}"
                )
    if not failures and END not in printed:
        failures.append(f"{name}: the blocks could not be run.\n{result.stdout}")
    return failures


def run_console(path: Path, name: str, base: Path, wheels: Path) -> list[str]:
    """Run the console blocks of a page; return the failures, with page and line."""
    page: Page = read(path, name)
    blocks = page.to_run("console")
    needs_wheel = any(_BUILDS.search(block.source) for block in blocks)
    if needs_wheel and not list(wheels.glob("*.whl")):
        build_wheel(wheels)
    place = make_workplace(
        base, wheels=str(wheels) if needs_wheel else "", cache=str(wheels / "cache")
    )
    terminal = Terminal(place.folder, place.variables, place.scratch)
    with terminal.open(path.read_text("utf-8")):
        for block in blocks:
            if "file" in block.comments:
                write_file(place.folder, block)
            if block.language == "console" and "not-run" not in block.comments:
                terminal.run(block)
    return terminal.failures
