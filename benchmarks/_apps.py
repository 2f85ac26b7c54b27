"""The two apps under load, written to folders of their own as a user's ``app.py`` would be.

This module must not know: servers, clients, or what is measured.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["APPS", "write_site"]

# A POST reads its body before anything else, as a form or an API does: a visitor that
# stalls half way through a body then holds whatever the server gives to one request.
_SOURCE = """\
import time

from flask import Flask, request

app = Flask(__name__)


@app.route("/", methods=["GET", "POST"])
def hello():
    if request.method == "POST":
        request.get_data()
    time.sleep({wait!r})
    return "hello, world"
"""

APPS: dict[str, float] = {"fast": 0.0, "waits 50 ms": 0.05}
"""Name of the app → seconds it waits in each request, as on a database."""


def write_site(root: Path, name: str) -> Path:
    """Write the app called ``name`` below ``root`` and return the folder of its ``app.py``."""
    folder = root / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    source = _SOURCE.format(wait=APPS[name])
    if not APPS[name]:  # even sleep(0) is a system call that gives the lock away
        source = source.replace("    time.sleep(0.0)\n", "").replace("import time\n\n", "")
    (folder / "app.py").write_text(source, encoding="utf-8")
    return folder
