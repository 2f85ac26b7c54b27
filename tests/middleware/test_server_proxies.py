"""Servers that would decide before the middleware: ours do not, and a bare one is warned of."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from appsvc_runtime.middleware import server_proxies
from tests.support.serverapps import PLATFORM, Row, asked, rows
from tests.support.servers import serving

ANY = {"FORWARDED_ALLOW_IPS": "*"}
IIS = {"HTTP_PLATFORM_PORT": "1"}
ASGI = """\
from appsvc_runtime import AppServiceASGIMiddleware

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})

app = AppServiceASGIMiddleware(app)
"""
WSGI = """\
from appsvc_runtime import AppServiceMiddleware

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    return [b"served"]

app = AppServiceMiddleware(app)
"""
UVICORN = ("-m", "uvicorn", "app:app", "--port", "{port}")
GUNICORN = ("-m", "gunicorn", "-b", "127.0.0.1:{port}", "app:app")
WORKER = (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker")
OURS = (*GUNICORN, "-c", "python:appsvc_runtime.gunicorn_conf")
AT_START, NOTHING = "uvicorn trusts X-Forwarded-For", ""
AT_FIRST = "gunicorn lets every client send the headers SCRIPT_NAME and PATH_INFO"

BARE = [
    pytest.param(ASGI, UVICORN, {**PLATFORM, **ANY}, AT_START, id="uvicorn"),
    pytest.param(
        ASGI, (*UVICORN, "--forwarded-allow-ips", "10.0.0.0/8"), PLATFORM, AT_START,
        id="uvicorn-argument",
    ),
    pytest.param(
        ASGI, (*UVICORN, "--lifespan", "off"), {**PLATFORM, **ANY}, AT_START, id="uvicorn-requests"
    ),
    pytest.param(ASGI, UVICORN, {**PLATFORM, **IIS}, AT_START, id="uvicorn-under-iis"),
    pytest.param(ASGI, UVICORN, PLATFORM, NOTHING, id="uvicorn-default"),
    pytest.param(ASGI, UVICORN, ANY, NOTHING, id="uvicorn-at-home"),
    pytest.param(
        ASGI, (*UVICORN, "--no-proxy-headers"), {**PLATFORM, **ANY}, NOTHING, id="uvicorn-off"
    ),
    pytest.param(ASGI, WORKER, {**PLATFORM, **ANY}, AT_START, id="gunicorn-uvicorn"),
    pytest.param(ASGI, WORKER, PLATFORM, NOTHING, id="gunicorn-uvicorn-default"),
    pytest.param(WSGI, GUNICORN, {**PLATFORM, **ANY}, AT_FIRST, id="gunicorn"),
    pytest.param(
        WSGI, (*GUNICORN, "--threads", "2"), {**PLATFORM, **ANY}, AT_FIRST, id="gunicorn-threads"
    ),
    pytest.param(WSGI, GUNICORN, PLATFORM, NOTHING, id="gunicorn-default"),
    pytest.param(WSGI, OURS, {**PLATFORM, **ANY}, NOTHING, id="gunicorn-ours"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "command", "variables", "warning"), BARE)
def test_a_server_that_decides_first_is_warned_of(
    source: str, command: tuple[str, ...], variables: dict[str, str], warning: str, tmp_path: Path
) -> None:
    """At the start where there is a lifespan, else with the first request; once."""
    (tmp_path / "app.py").write_text(source)
    with serving(*command, cwd=tmp_path, **variables) as server:
        if warning == AT_START and "--lifespan" not in command:
            server.wait_for_log(warning)
        for _ in range(3):
            status, _, body = server.request("/")
            assert (status, body) == (200, b"served")
        if warning:
            server.wait_for_log(warning)
        server.stop()
        log = server.log()
    assert log.count("itself (FORWARDED_ALLOW_IPS") + log.count("gunicorn lets every client") == (
        1 if warning else 0
    ), log


@rows()
def test_ours_take_no_header_for_the_path_or_the_peer(row: Row, tmp_path: Path) -> None:
    """Also where FORWARDED_ALLOW_IPS lets everybody: that is for servers without us."""
    with serving(
        *row.serve, cwd=row.site(tmp_path), APPSVC_WORKERS="1", **PLATFORM, **ANY
    ) as server:
        forged = [
            ("SCRIPT_NAME", "/admin"),
            ("PATH_INFO", "/admin"),
            ("REMOTE_USER", "root"),
            ("X-Forwarded-For", "10.0.0.1"),
            ("X-Forwarded-For", "6.6.6.6, 203.0.113.7:5"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Protocol", "ssl"),
            ("X-Forwarded-Ssl", "on"),
        ]
        seen = asked(server, forged, "/page-of-mine")
        assert (seen["path"], seen["client"], seen["scheme"]) == (
            "/page-of-mine", "203.0.113.7", "https",
        )  # fmt: skip
        assert not {"SCRIPT_NAME", "PATH_INFO", "REMOTE_USER"} & set(seen["headers"])
        assert "FORWARDED_ALLOW_IPS" not in server.log()


@rows()
def test_ours_believe_no_peer_that_is_not_trusted(row: Row, tmp_path: Path) -> None:
    """Whatever FORWARDED_ALLOW_IPS says, scheme and peer are what the server saw."""
    variables = {**PLATFORM, **ANY, "APPSVC_TRUSTED_PROXIES": "192.0.2.1", "APPSVC_WORKERS": "1"}
    with serving(*row.serve, cwd=row.site(tmp_path), **variables) as server:
        seen = asked(server, {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"})
        assert (seen["client"], seen["scheme"]) == ("127.0.0.1", "http")


@pytest.mark.parametrize(
    ("names", "allowed", "found"),
    [
        (["SCRIPT_NAME"], ["*"], True),
        (["SCRIPT_NAME"], ["169.254.0.0/16"], True),
        (["SCRIPT_NAME"], ["10.0.0.4"], True),
        (["SCRIPT_NAME"], ["127.0.0.1", "::1"], False),
        (["SCRIPT_NAME"], ["203.0.113.7"], False),
        (["SCRIPT_NAME"], [], False),
        ([], ["*"], False),
    ],
)
def test_gunicorns_settings(names: list[str], allowed: list[str], found: bool) -> None:
    """Only what lets a front end's peer send names into the environ."""
    config = SimpleNamespace(forwarder_headers=names, forwarded_allow_ips=allowed)
    front_ends = ("169.254.129.1", "10.0.0.4")
    assert bool(server_proxies._describe_gunicorn(config, front_ends)) is found
    assert server_proxies._describe_gunicorn(None, front_ends) == ""


def test_nothing_is_found_without_a_server() -> None:
    """As in an app's own tests."""
    assert server_proxies.describe(loopback=True) == ""
