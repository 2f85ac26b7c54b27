"""The middleware's share of a request under granian: ``python -m benchmarks.share``.

A Flask app that responds at once is called through the module that serves WSGI under granian, bare
and behind the middleware in turn, with the headers of the platform's front end, and with access
lines as well. The added time is compared with the whole of a request: granian on one core, with
requests on 64 connections from another.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from flask import Flask

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.middleware import access_log
from appsvc_runtime.serving.granian.wsgi import LoopThread, serve

from ._apps import write_pair
from ._load import load
from ._sides import Side, running

_ROW = Side.parse(
    "granian={python} -m appsvc_runtime serve app:app --server granian --site {dir} "
    "--host 127.0.0.1 --port {port}"
)
_PLATFORM = {"WEBSITE_SITE_NAME": "site", "WEBSITE_INSTANCE_ID": "0a1b2c3d4e"}
_HEADERS = (
    ("host", "site.azurewebsites.net"), ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
    ("accept", "text/html,*/*"), ("accept-encoding", "gzip"), ("cookie", "session=0123456789"),
    ("max-forwards", "10"), ("x-arr-log-id", "d3b07384-d113-4956-a5a2-0123456789ab"),
    ("x-arr-ssl", "2048|256|CN=x|CN=*.azurewebsites.net"), ("x-forwarded-proto", "https"),
    ("x-forwarded-for", "203.0.113.7:51234"), ("x-appservice-proto", "https"),
    ("client-ip", "203.0.113.7:51234"), ("disguised-host", "site.azurewebsites.net"),
    ("x-site-deployment-id", "site"), ("was-default-hostname", "site.azurewebsites.net"),
)  # fmt: skip
app = Flask(__name__)


@app.route("/")
def hello() -> str:
    """Respond at once."""
    return "hello, world"


class _Sent:
    """An awaitable that is complete, as granian returns for messages that it has accepted."""

    def __await__(self) -> Any:
        return iter(())


class _Protocol:
    """Discards responses."""

    def send(self, _message: dict[str, Any]) -> _Sent:
        return _SENT


_SENT = _Sent()
_PROTOCOL = _Protocol()


def _scope() -> dict[str, Any]:
    return {
        "type": "http", "method": "GET", "raw_path": b"/", "query_string": b"", "scheme": "http",
        "http_version": "1.1", "server": ("127.0.0.1", "8000"), "client": ("169.254.1.2", "4711"),
        "headers": [(name.encode(), value.encode()) for name, value in _HEADERS],
    }  # fmt: skip


def _seconds(served: Any, requests: int) -> float:
    loop = LoopThread(asyncio.new_event_loop())
    began = time.perf_counter()
    for _ in range(requests):
        serve(served, _scope(), _PROTOCOL, loop)
    return (time.perf_counter() - began) / requests


def _whole() -> float:
    """Return the seconds of one core that a request to granian takes."""
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as root,
        running(_ROW, write_pair(Path(root), "fast"), cores[:1]) as server,
    ):
        load(server.port, 64, 1, cores[1:] or cores)
        return 1 / load(server.port, 64, 3, cores[1:] or cores).rate


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print times and shares."""
    parser = argparse.ArgumentParser("benchmarks.share", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="samples (%(default)s)")
    parser.add_argument("--requests", type=int, default=2_000, help="per sample (%(default)s)")
    given = parser.parse_args(argv)
    environ = {**os.environ, **_PLATFORM}
    sides: dict[str, Callable[..., Any]] = {
        "bare": app,
        "middleware": AppServiceMiddleware(app, environ=environ),
        "middleware and access line": AppServiceMiddleware(app, access_log=True, environ=environ),
    }
    access_log.show()
    times: dict[str, list[float]] = {name: [] for name in sides}
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # discards access lines
    try:
        for number in range(given.rounds):
            order = list(sides)[number % 3 :] + list(sides)[: number % 3]
            for name in order:
                times[name].append(_seconds(sides[name], given.requests))
    finally:
        os.dup2(kept, 1)
    whole = median(_whole() for _ in range(3))
    print(f"{sys.version}; {given.rounds} rounds of {given.requests} requests, in turn")
    print(f"a request of the granian row   {whole * 1e6:7.1f} us of one core")
    for name, seen in times.items():
        added = median(one - bare for one, bare in zip(seen, times["bare"], strict=True))
        print(f"{name:<28} adds {added * 1e6:5.1f} us: {added / whole:6.1%}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
