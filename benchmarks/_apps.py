"""The apps under load, each written to its own folder as a user's ``app.py`` would be.

This module must not know: servers, clients, or what is measured.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["APPS", "WORK", "write_pair", "write_site", "write_stallable"]

# A POST reads its body before anything else, as a form or an API does. A client that stalls
# half way through a body then holds all resources that the server assigns to one request.
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


@app.route("/big")
def big():
    return app.response_class((b"x" * 65536 for _ in range(256)), mimetype="text/plain")
"""

APPS: dict[str, float] = {"fast": 0.0, "waits 50 ms": 0.05}
"""Name of the app → seconds it waits in each request, as on a database."""


def write_site(root: Path, name: str) -> Path:
    """Write the app called ``name`` below ``root`` and return the folder of its ``app.py``."""
    folder = root / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    source = _SOURCE.format(wait=APPS[name])
    if not APPS[name]:  # even sleep(0) is a system call that releases the lock
        source = source.replace("    time.sleep(0.0)\n", "").replace("import time\n\n", "")
    (folder / "app.py").write_text(source, encoding="utf-8")
    return folder


# What an app does before it responds, in a WSGI app's thread and in an ASGI app's event loop.
_COMPUTE = "until = time.thread_time() + 0.005\n    while time.thread_time() < until:\n        pass"
WORK: dict[str, tuple[str, str]] = {
    "fast": ("", ""),
    "waits 50 ms": ("time.sleep(0.05)", "await asyncio.sleep(0.05)"),
    "computes 5 ms": (_COMPUTE, _COMPUTE),
}
_FLASK = """\
import time

from flask import Flask

app = Flask(__name__)


@app.route("/")
def hello():
    {work}
    return "hello, world"
"""
_STARLETTE = """\
import asyncio
import time

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def hello(request):
    {work}
    return PlainTextResponse("hello, world")


app = Starlette(routes=[Route("/", hello)])
"""


def write_pair(root: Path, name: str) -> Path:
    """Write the app called ``name`` of WORK as ``app.py`` (Flask) and ``asgi_app.py`` (Starlette).

    Return their folder, below ``root``.
    """
    folder = root / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    for file, source, work in zip(
        ("app.py", "asgi_app.py"), (_FLASK, _STARLETTE), WORK[name], strict=True
    ):
        (folder / file).write_text(source.format(work=work or "pass"), encoding="utf-8")
    return folder


_STALLABLE = """\
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route


async def hello(request):
    await request.body()
    return PlainTextResponse("hello, world")


async def big(request):
    async def pieces():
        for _ in range(256):
            yield b"x" * 65536

    return StreamingResponse(pieces())


app = Starlette(routes=[Route("/", hello, methods=["GET", "POST"]), Route("/big", big)])
"""


def write_stallable(root: Path) -> Path:
    """Write ``app.py`` (Flask) and ``asgi_app.py`` (Starlette), which read bodies and send much.

    Return their folder, below ``root``.
    """
    folder = write_site(root, "fast")
    (folder / "asgi_app.py").write_text(_STALLABLE, encoding="utf-8")
    return folder
