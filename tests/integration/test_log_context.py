"""Log lines of WSGI and ASGI apps under every server: each has its own request and client."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.serverapps import PLATFORM
from tests.support.servers import serving

COUNT = 40
WSGI = """\
import contextvars, logging, threading
log = logging.getLogger("shop")

def bare(environ, start_response):
    number = environ["QUERY_STRING"]
    log.info("call %s", number)
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(log.info, "thread %s", number)
    )
    thread.start()
    thread.join()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
ASGI = """\
import asyncio, logging
log = logging.getLogger("shop")

async def bare(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    number = scope["query_string"].decode()
    await asyncio.sleep(0)
    log.info("call %s", number)
    await asyncio.to_thread(log.info, "thread %s", number)
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})
"""
CONFIGURE = "from appsvc_runtime import configure_logging\nconfigure_logging()\n"
WRAP = "from appsvc_runtime import {0}\napp = {0}(bare)\n"
GUNICORN = ("-m", "gunicorn", "-c", "python:appsvc_runtime.gunicorn_conf", "app:app")
SERVE = ("-m", "appsvc_runtime", "serve", "app:app", "--host", "127.0.0.1", "--port", "{port}")
BIND = ("--bind", "127.0.0.1:{port}")
# Each with the kind of app, and the command.
ROWS = {
    "gunicorn": (WSGI, (*SERVE, "--server", "gunicorn")),
    "waitress": (WSGI, (*SERVE, "--server", "waitress")),
    "granian": (WSGI, (*SERVE, "--server", "granian")),
    "granian-asgi": (ASGI, (*SERVE, "--server", "granian")),
    "uvicorn": (ASGI, (*SERVE, "--server", "uvicorn")),
    "gunicorn-uvicorn-worker": (
        ASGI,
        (*GUNICORN, *BIND, "-k", "uvicorn_worker.UvicornWorker"),
    ),
    "gunicorn-asgi-worker": (ASGI, (*GUNICORN, *BIND, "-k", "asgi")),
}
# The order of `configure_logging()` and the app's own middleware; "entry" has only the server's.
ORDERS = ("before", "after", "entry")
LINE = re.compile(
    r" INFO shop \d+@0a1b2c3d req=id-(\d+) client=203\.0\.113\.(\d+): (call|thread) (\d+)\n"
)


def source(app: str, order: str) -> str:
    """Return the module of an app that configures logging before or after its middleware."""
    kind = "AppServiceASGIMiddleware" if app is ASGI else "AppServiceMiddleware"
    parts = {
        "before": (CONFIGURE, WRAP.format(kind)),
        "after": (WRAP.format(kind), CONFIGURE),
        "entry": (CONFIGURE, "app = bare\n"),
    }[order]
    return app + "".join(parts)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("order", ORDERS)
def test_each_line_has_its_request(row: str, order: str, tmp_path: Path) -> None:
    """Concurrent requests never mix, in the call and in a thread that gets the context."""
    app, command = ROWS[row]
    if row == "gunicorn-asgi-worker":
        pytest.importorskip("gunicorn.workers.gasgi")
    if row == "gunicorn-uvicorn-worker" and importlib.util.find_spec("uvicorn._compat") is None:
        pytest.skip("this uvicorn-worker needs a newer uvicorn")
    (tmp_path / "app.py").write_text(source(app, order))

    with serving(*command, cwd=tmp_path, APPSVC_WORKERS="2", **PLATFORM) as server:

        def ask(number: int) -> int:
            sent = {
                "X-ARR-LOG-ID": f"id-{number}",
                "X-Forwarded-For": f"203.0.113.{number}:1",
                "Host": "site",
            }
            return server.request(f"/?{number}", sent)[0]

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(COUNT))) == {200}, server.log()
        for number in range(COUNT):
            server.wait_for_log(f": thread {number}\n")
        text = server.log()
    found = LINE.findall(text)
    assert all(one[0] == one[1] == one[3] for one in found), text[-4000:]
    expected = {(name, str(number)): 1 for name in ("call", "thread") for number in range(COUNT)}
    assert Counter((one[2], one[3]) for one in found) == expected, text[-4000:]
