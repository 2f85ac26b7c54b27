"""The emulator for tests, started as a user starts it.

Must not import the package under test: it uses only the command line.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import Server, serving

__all__ = ["FASTCGI", "HTTPPLATFORM", "alive_with", "emulating", "make_site", "web_config"]

# The handlers of both kinds (FastCGI, HttpPlatform), as the App Service article shows them.
HTTPPLATFORM = (
    '<handlers><add name="PythonHandler" path="*" verb="*" modules="httpPlatformHandler" '
    'resourceType="Unspecified"/></handlers>'
)
FASTCGI = (
    '<handlers><add name="PythonHandler" path="*" verb="*" modules="FastCgiModule" '
    r'scriptProcessor="D:\home\Python311x64\python.exe|D:\home\Python311x64\wfastcgi.py" '
    'resourceType="Unspecified" requireAccess="Script"/></handlers>'
)


def web_config(web_server: str, app_settings: str = "") -> str:
    """Return a web.config with these contents of system.webServer and appSettings."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<configuration>\n'
        f"<appSettings>{app_settings}</appSettings>\n"
        f"<system.webServer>\n{web_server}\n</system.webServer>\n</configuration>\n"
    )


def make_site(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Make the folder of a site with these files. Common indentation is removed from text."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            file.write_text(textwrap.dedent(content).lstrip(), "utf-8")
    return folder


READY = re.compile(r"^Ready https?://127\.0\.0\.1:([0-9]+)$", re.MULTILINE)


@contextmanager
def emulating(
    site: Path, *options: str, ready: re.Pattern[str] = READY, **variables: str
) -> Iterator[Server]:
    """Emulate a site on a free port until the block ends; yield its `Server`."""
    command = ("-m", "appsvc_runtime", "emulate", str(site), "--port", "0", *options)
    with serving(*command, cwd=site.parent, port=0, ready=ready, **variables) as server:
        yield server


def alive_with(text: str) -> list[int]:
    """Return the processes whose environment or command line contains `text` (Linux only)."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        for part in ("environ", "cmdline"):
            try:
                if text.encode() in Path(f"/proc/{name}/{part}").read_bytes():
                    found.append(int(name))
                    break
            except OSError:
                continue
    return [pid for pid in found if pid != os.getpid()]
