"""Folder names that are not text: printed escaped, or refused in one sentence."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.servers import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a site whose name is not UTF-8 and contains a terminal's colour code."""
    made = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\x1b[31m"))
    made.mkdir()
    (made / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    return made


def test_explain(site: Path) -> None:
    """It works even if the output must be UTF-8, as in most locales."""
    ended = run("-m", "appsvc_runtime", "explain", cwd=site, PYTHONIOENCODING="utf-8:strict")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert r"caf\udce9\x1b[31m (Python " in ended.stdout
    assert "\x1b" not in ended.stdout
    ended = run(
        "-m", "appsvc_runtime", "explain", "--json", cwd=site, PYTHONIOENCODING="utf-8:strict"
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["app"] == "app:app"


def test_build(site: Path, tmp_path: Path, cache: Path) -> None:
    """No virtual environment can be made there, but in another folder."""
    options = {"cwd": site, "timeout": 120, "XDG_CACHE_HOME": str(cache)}
    ended = run("-m", "appsvc_runtime", "build", **options)  # type: ignore[arg-type]
    assert ended.returncode == 2
    assert "that name is not UTF-8. Rename the folder, or build elsewhere" in ended.stderr
    assert "Traceback" not in ended.stderr
    out = str(tmp_path / "out")
    ended = run("-m", "appsvc_runtime", "build", "--output", out, **options)  # type: ignore[arg-type]
    assert ended.returncode == 0, ended.stderr
