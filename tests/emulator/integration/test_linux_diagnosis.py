"""The last sentence of `appsvc emulate --as linux --check` for sites with a known mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pythons import only_on
from tests.support.serverapps import ASGI
from tests.support.servers import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")

REDIRECTING = """\
def app(environ, start_response):
    start_response("301 Moved Permanently", [("Location", "https://shop.example/")])
    return []
"""
CRLF = "#!/bin/bash\r\nset -e\r\nexec gunicorn app:app\r\n"
SITES = {
    "crlf": (
        {"app.py": REDIRECTING, "start.sh": CRLF},
        "start.sh",
        "start.sh has Windows line ends (CRLF)",
    ),
    "asgi": (
        {"app.py": ASGI},
        "gunicorn app:app",
        "app:app is an ASGI app under gunicorn's default worker",
    ),
    "comment": (
        {"app.py": REDIRECTING, "startup.txt": "# comment\ngunicorn app:app\n"},
        "startup.txt",
        "the first line of startup.txt is a comment",
    ),
    "redirect": (
        {"app.py": REDIRECTING},
        "gunicorn app:app",
        "The app redirects the platform's probes to https://shop.example/",
    ),
}


def check(site: Path, command: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return run(
        "-m", "appsvc_runtime", "emulate", str(site), "--as", "linux", "--port", "0", "--check",
        "--no-build", "--startup-command", command,
        "--set", "WEBSITES_CONTAINER_START_TIME_LIMIT=20",
        cwd=site.parent, timeout=240, XDG_CACHE_HOME=str(cache),
    )  # fmt: skip


@only_on(12)
@pytest.mark.parametrize("name", SITES)
def test_the_mistake_is_named(name: str, tmp_path: Path, cache: Path) -> None:
    """`explain` names it before the start, where it lies in the site; the emulator at its end."""
    files, command, sentence = SITES[name]
    site = tmp_path / "site"
    site.mkdir()
    for file, text in files.items():
        (site / file).write_bytes(text.encode())
    done = check(site, command, cache)
    said = done.stdout + done.stderr
    assert sentence in said, said
    if name != "redirect":  # the site serves requests, so that this is no failure
        assert done.returncode == 1
        assert sentence in said.rpartition("GET / ")[2], said
    explained = run(
        "-m", "appsvc_runtime", "explain", str(site), "--startup-command", command, cwd=tmp_path
    )
    found = sentence.replace("the first", "The first") in explained.stdout
    assert found is (name != "redirect"), explained.stdout
