"""Files of a site are read without waiting: a file may be a pipe or a device."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from appsvc_runtime.system.plain_file import read_plain
from tests.support.emulator import make_site
from tests.support.servers import run

APP = {"app.py": "from flask import Flask\napp = Flask(__name__)\n"}


def test_a_file(tmp_path: Path) -> None:
    """All of it is read, or its beginning; a link to it is followed."""
    make_site(tmp_path, {"file": b"ab\r\n"})
    assert (read_plain(tmp_path / "file"), read_plain(tmp_path / "file", 1)) == (b"ab\r\n", b"a")


def test_a_file_without_end(tmp_path: Path) -> None:
    """A file of gigabytes, which a repository can hold as a sparse file, is read only as needed."""
    with open(tmp_path / "file", "wb") as file:
        file.truncate(1 << 32)
    assert len(read_plain(tmp_path / "file")) < 1 << 25


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices in folders")
def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe, a device behind a link and a folder are errors, and leave nothing open."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    for name in ("pipe", "endless", "."):
        with pytest.raises(OSError, match="it is not a file"):
            read_plain(tmp_path / name)
    if descriptors is not None:
        assert len(os.listdir("/proc/self/fd")) == descriptors


PIPES = [
    pytest.param("pyproject.toml", ["explain"], "", id="explain"),
    pytest.param("pyproject.toml", ["settings", "--site"], "", id="settings"),
    pytest.param("pyproject.toml", ["emulate", "--check"], "", id="emulate"),
    pytest.param("web.config", ["emulate", "--check"], "web.config cannot be read: it is not a",
                 id="web.config"),
    pytest.param("venv/pyvenv.cfg", ["explain"], "", id="environment"),
    pytest.param("runserver.py", ["emulate", "--check"], "", id="script"),
]  # fmt: skip
CONFIG = """\
<configuration><system.webServer>
  <handlers><add name="py" path="*" verb="*" modules="httpPlatformHandler"/></handlers>
  <httpPlatform processPath="D:\\python\\python.exe" startupRetryCount="0" startupTimeLimit="2"
    arguments="D:\\home\\site\\wwwroot\\runserver.py"/>
</system.webServer></configuration>
"""


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="pipes in folders")
@pytest.mark.parametrize(("name", "command", "said"), PIPES)
def test_a_pipe_in_a_site(name: str, command: list[str], said: str, tmp_path: Path) -> None:
    """No command waits for it: it ends, or reports what is wrong."""
    site = make_site(tmp_path / "site", {**APP, "web.config": CONFIG})
    if name.startswith("venv"):
        make_site(site, {"venv/bin/python": ""})
    (site / name).unlink(missing_ok=True)
    os.mkfifo(site / name)
    first, *options = command
    if options[-1:] == ["--site"]:
        arguments = [first, *options, str(site)]
    else:
        arguments = [first, str(site), *options]
    ended = run("-m", "appsvc_runtime", *arguments, cwd=tmp_path, timeout=60)
    assert "Traceback" not in ended.stderr
    assert said in ended.stderr
