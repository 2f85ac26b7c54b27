"""Where the cache is: as the system has it, never in the current folder."""

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
    """What is relative, or empty, names no folder."""
    assert cache_folder(environ) == folder / "appsvc-runtime"


@pytest.mark.parametrize("command", ["build", "explain", "settings", "serve"])
def test_a_current_folder_that_is_gone(command: str, tmp_path: Path) -> None:
    """It is named as what is wrong."""
    gone = tmp_path / "gone"
    gone.mkdir()
    # As the command `appsvc` is started: its folder comes first, and not the current one, without
    # which Python 3.13.0 itself cannot import.
    code = "import os, runpy, sys; os.rmdir(os.getcwd()); sys.argv[0] = 'appsvc';"
    code += "sys.path[0] = os.path.dirname(sys.executable);"
    code += "runpy.run_module('appsvc_runtime', run_name='__main__')"
    ended = run("-c", code, command, cwd=gone)
    shutil.rmtree(gone, ignore_errors=True)
    assert ended.returncode in (1, 2)
    assert ended.stderr.startswith("Error: The current folder is not there any more. Change to")
