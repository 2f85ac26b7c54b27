"""Where the cache is: at the system's place, never in the current folder."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from appsvc_runtime.emulator.processes.workspace import cache_folder
from tests.support.servers import run

pwd = pytest.importorskip("pwd", reason="POSIX has these variables")
ACCOUNT = Path(pwd.getpwuid(os.getuid()).pw_dir)
CACHES = "Library/Caches" if sys.platform == "darwin" else ".cache"


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, Path("/c")),
        ({"XDG_CACHE_HOME": "c", "HOME": "/h"}, Path("/h", CACHES)),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, Path("/h", CACHES)),
        ({"HOME": "h"}, ACCOUNT / CACHES),
        ({"HOME": ""}, ACCOUNT / CACHES),
        ({}, ACCOUNT / CACHES),
    ],
)
def test_the_cache(environ: dict[str, str], folder: Path) -> None:
    """A relative or empty path is ignored."""
    assert cache_folder(environ) == folder / "appsvc-runtime"


@pytest.mark.parametrize("command", ["build", "explain", "settings", "serve"])
def test_a_current_folder_that_is_gone(command: str, tmp_path: Path) -> None:
    """The error names the current folder."""
    gone = tmp_path / "gone"
    gone.mkdir()
    # A file, as the command `appsvc` is one: with a removed current folder first in sys.path,
    # Python 3.13.0 itself cannot import.
    script = tmp_path / "start.py"
    script.write_text(
        "import os, runpy, sys\nos.rmdir(os.getcwd())\nsys.argv[0] = 'appsvc'\n"
        "runpy.run_module('appsvc_runtime', run_name='__main__')\n"
    )
    ended = run(str(script), command, cwd=gone)
    shutil.rmtree(gone, ignore_errors=True)
    assert ended.returncode in (1, 2)
    assert ended.stderr.startswith("Error: The current folder does not exist any more. Change to")
