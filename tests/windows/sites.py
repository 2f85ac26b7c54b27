"""Sites on the Windows drive, and requests to what serves them."""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from tests.windows.machine import REPOSITORY
from tests.windows.process import Console, Process

__all__ = ["SECONDS", "copy_example", "request", "wait_for_url", "write_files"]

# Until what a test waits for: Wine takes a minute to start Python on a machine that is busy.
SECONDS = 240
_READY = re.compile(r"^Ready (https?://\S+)\s*$", re.MULTILINE)


def copy_example(name: str, to: Path) -> Path:
    """Copy an example of this repository, and return the copy."""
    ignored = shutil.ignore_patterns("__pycache__", ".appsvc")
    return Path(shutil.copytree(REPOSITORY / "examples" / name, to, ignore=ignored))


def write_files(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files, by their names with slashes, into a folder that is made, and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def wait_for_url(process: Process | Console) -> str:
    """Wait until `appsvc emulate` is ready, and return its address."""
    found: re.Match[str] = process.wait_until(
        lambda: _READY.search(process.text), "Ready URL", SECONDS
    )
    return found[1]


def request(url: str) -> tuple[int, str]:
    """Return status and body of a GET request; 0 if there is no response."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as response:
            return response.status, response.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace")
    except OSError as error:
        return 0, str(error)
