"""Where caches are by the system's rules, also for a user without a known home folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.emulator.processes.virtual_environments import find_environments
from appsvc_runtime.emulator.processes.workspace import cache_folder
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.system import folders, process

pwd = pytest.importorskip("pwd", reason="Windows has no such accounts")


@pytest.mark.parametrize(
    ("system", "environ", "folder"),
    [
        ("linux", {"HOME": "/h"}, "/h/.cache/p"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "/c"}, "/c/p"),
        ("linux", {"HOME": "/h", "LOCALAPPDATA": "/l"}, "/h/.cache/p"),
        ("mac", {"HOME": "/h"}, "/h/Library/Caches/p"),
        ("windows", {"HOME": "/h", "LOCALAPPDATA": "/l"}, "/l/p/Cache"),
        ("windows", {"LOCALAPPDATA": "/l", "XDG_CACHE_HOME": "/c"}, "/c/p"),
    ],
)
def test_the_cache_of_a_program(
    system: str, environ: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in platformdirs; an absolute XDG_CACHE_HOME counts on every system."""
    monkeypatch.setattr(process, "WINDOWS", system == "windows")
    monkeypatch.setattr(process, "MAC", system == "mac")
    assert folders.user_cache(environ, "p") == Path(folder)


def test_a_user_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache is searched; a command that needs one reports that in a sentence."""

    def unknown(_number: int) -> Any:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert folders.user_cache({}, "p") is None
    with pytest.raises(ConfigError, match="no home folder"):
        cache_folder({})
    (tmp_path / "pyproject.toml").write_text('[tool.poetry]\nname = "shop"\n')
    assert list(find_environments(tmp_path, {"PATH": os.devnull})) == []
