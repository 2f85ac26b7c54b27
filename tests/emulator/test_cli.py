"""`appsvc emulate` and `appsvc build` on Windows: what they refuse there, with a stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.cli.main import main
from appsvc_runtime.system import process

REFUSED = {
    "build": (["build", "."], "cannot be built on Windows", "Run this in WSL, or let the platform"),
    "linux": (["emulate", "--as", "linux"], "cannot be emulated on Windows", "Run this in WSL."),
    "auto": (["emulate"], "holds no web.config", "Run this in WSL, or add a web.config"),
    "check": (["emulate", ".", "--check"], "holds no web.config", "Run this in WSL, or add"),
    # PowerShell completes a name to '.\\my shop\\', whose last backslash keeps the quote.
    "quote": (["emulate", 'my shop" --check'], "has a quotation mark", "Leave out the backslash"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_windows_cannot_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: str,
) -> None:
    """It is refused in a sentence with what to do instead, before anything is written."""
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setattr(process, "WINDOWS", True)
    words, what, hint = REFUSED[case]
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert what in printed.err
    assert hint in printed.err
    assert printed.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]
