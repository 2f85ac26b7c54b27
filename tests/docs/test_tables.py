"""Tables with contents from the package agree with it, on whichever page they are."""

from __future__ import annotations

import re

import pytest

from appsvc_runtime.emulator.linux.booleans import READERS, SWITCHES
from appsvc_runtime.errors import AppLoadError, AppServiceError, ConfigError
from appsvc_runtime.launcher import script
from appsvc_runtime.launcher.options import WORKER_OPTIONS
from appsvc_runtime.serving.servers import SERVERS
from appsvc_runtime.settings.options import OPTIONS, Option
from tests.docs.pages import tables
from tests.support.servers import ROOT, run

SETTINGS_PAGE = "docs/reference/settings.md"


def shown_default(default: object) -> str:
    """Return a default as the page shows it; empty if the package computes the value."""
    if default in (None, "", ()):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


@pytest.mark.parametrize(
    ("module", "options"),
    [("settings.options", OPTIONS), ("launcher.options", WORKER_OPTIONS)],
)
def test_settings(module: str, options: dict[str, Option]) -> None:
    """Each setting has its row, with its default if the table has a column for it."""
    found = tables(f"appsvc_runtime.{module}")
    assert SETTINGS_PAGE in found
    for page, rows in found.items():
        assert rows, page
        right = [
            [f"`{row.name}`", shown_default(row.default), row.help] for row in options.values()
        ]
        if len(rows[0]) == 2:
            right = [[name, text] for name, _, text in right]
        lines = "\n".join(f"| {' | '.join(cells)} |" for cells in right)
        assert rows == right, f"{page}: the right rows are:\n{lines}"


def test_servers() -> None:
    """Which apps each server runs, on which systems, how to install it, and why to choose it."""
    found = tables("appsvc_runtime.serving.servers")
    assert found
    for page, rows in found.items():
        assert len(rows) == len(SERVERS), page
        for cells, row in zip(rows, SERVERS.values(), strict=True):
            name, apps, systems, install, why = cells
            assert (name, install, why) == (f"`{row.name}`", f"`{row.install}`", row.why), page
            assert apps.lower().split(" and ") == list(row.interfaces), page
            assert ("Windows" in systems) is row.windows, page


def test_switches() -> None:
    """Each setting that is on or off: who reads it, its default, what it does there and here."""
    here = {"emulated": "as there", "reported": "told", "none": "no effect"}
    (rows,) = tables("appsvc_runtime.emulator.linux.booleans").values()
    assert rows == [
        [f"`{one.name}`", READERS[one.program].title, "yes" if one.unset else "no", one.what,
         here[one.effect]]
        for one in SWITCHES.values()
    ]  # fmt: skip
    page = (ROOT / "docs/build.md").read_text("utf-8")
    lacking = [
        line
        for one in READERS.values()
        if (line := f"| {one.title} | {one.true} | {one.otherwise} |") not in page
    ]
    assert not lacking


def test_the_help_names_every_setting() -> None:
    """`appsvc settings --options`, the launcher's `--help` and the page name the same settings."""
    shown = run("-m", "appsvc_runtime", "settings", "--options").stdout
    assert [name for name in {**OPTIONS, **WORKER_OPTIONS} if name not in shown] == []
    shown = run("-m", "appsvc_runtime.worker", "--help").stdout
    switches = [name.removeprefix("APPSVC_WORKER_").lower() for name in WORKER_OPTIONS]
    assert [name for name in switches if f"--{name.replace('_', '-')}" not in shown] == []


def codes(heading: str) -> set[int]:
    """Return the numbers in the first column of the table below a heading of exit-codes.md."""
    text = (ROOT / "docs/reference/exit-codes.md").read_text("utf-8")
    part = text.partition(f"## {heading}")[2].partition("\n## ")[0]
    return {int(number) for number in re.findall(r"^\| (\d+) \|", part, re.MULTILINE)}


def test_exit_codes_of_errors_and_workers() -> None:
    """The page has the codes of the error classes, and of a worker that cannot be run."""
    errors = {error.exit_code for error in (AppServiceError, AppLoadError, ConfigError)}
    assert codes("All commands") == {0, *errors}
    causes = {
        value for name, value in vars(script).items() if name.isupper() and value in range(256)
    }
    assert len(causes) == 5
    assert codes("appsvc worker") == {0, ConfigError.exit_code, 130, *causes}


def test_exit_codes_of_gunicorn() -> None:
    """The page has the codes that gunicorn defines."""
    arbiter = pytest.importorskip("gunicorn.arbiter", exc_type=ImportError).Arbiter
    assert codes("appsvc serve") == {0, 1, arbiter.WORKER_BOOT_ERROR, arbiter.APP_LOAD_ERROR}
