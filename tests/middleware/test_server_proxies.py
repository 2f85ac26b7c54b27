"""Servers that would decide before the middleware: ours do not, and others cause a warning."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appsvc_runtime.middleware import server_proxies
from tests.support.serverapps import PLATFORM, Row, asked, rows
from tests.support.servers import serving

older = pytest.importorskip("appsvc_runtime.serving.gunicorn.older")
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


@pytest.mark.integration
@pytest.mark.parametrize(("source", "command", "variables", "warning"), BARE)
def test_a_server_that_decides_first_is_warned_of(
    source: str, command: tuple[str, ...], variables: dict[str, str], warning: str, tmp_path: Path
) -> None:
    """The warning comes at the start if there is a lifespan, else with the first request; once."""
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


@pytest.mark.integration
@rows()
def test_ours_take_no_header_for_the_path_or_the_peer(row: Row, tmp_path: Path) -> None:
    """FORWARDED_ALLOW_IPS=* does not change this: it is for servers without this package."""
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


@pytest.mark.integration
@rows()
def test_ours_believe_no_peer_that_is_not_trusted(row: Row, tmp_path: Path) -> None:
    """Whatever FORWARDED_ALLOW_IPS is, scheme and peer are what the server saw."""
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
    """The warning is only for settings by which a front end's peer can set names in the environ."""
    config = SimpleNamespace(forwarder_headers=names, forwarded_allow_ips=allowed)
    front_ends = ("169.254.129.1", "10.0.0.4")
    assert bool(server_proxies._describe_gunicorn(config, front_ends)) is found
    assert server_proxies._describe_gunicorn(None, front_ends) == ""


def test_nothing_is_found_without_a_server() -> None:
    """This is the case in an app's own tests."""
    assert server_proxies.describe(loopback=True) == ""
    assert not server_proxies.mixes_names()


# Names with underscores


def called_by(worker: str, config: Any) -> bool:
    """Call `mixes_names` from a module with a worker's name."""
    names: dict[str, Any] = {"__name__": worker, "ask": server_proxies.mixes_names}
    exec("def handle(self):\n    return ask()", names)
    return bool(names["handle"](SimpleNamespace(cfg=config)))


OUR_HOOK = older._dropping_underscores(lambda *_: None)


@pytest.mark.parametrize(
    ("release", "config", "mixes"),
    [
        pytest.param((20, 1, 0), {}, True, id="20.1"),
        pytest.param((21, 2, 0), {"pre_request": print}, True, id="21.2"),
        pytest.param((21, 2, 0), {"pre_request": OUR_HOOK}, False, id="21.2-ours"),
        pytest.param((22, 0, 0), {"header_map": "drop"}, False, id="22"),
        pytest.param((22, 0, 0), {"header_map": "refuse"}, False, id="22-refuse"),
        pytest.param((27, 0, 1), {"header_map": "dangerous"}, True, id="27-dangerous"),
        pytest.param(
            (27, 0, 1), {"header_map": "dangerous", "pre_request": OUR_HOOK}, True, id="27-both"
        ),
    ],
)
def test_which_gunicorn_mixes_names(
    release: tuple[int, ...], config: dict[str, Any], mixes: bool, monkeypatch: Any
) -> None:
    """It depends on release and settings, in each of its WSGI workers."""
    monkeypatch.setitem(sys.modules, "gunicorn", SimpleNamespace(version_info=release))
    for worker in ("sync", "gthread", "base_async"):
        assert called_by(f"gunicorn.workers.{worker}", SimpleNamespace(**config)) is mixes
    assert not called_by("gunicorn.workers.gasgi", SimpleNamespace(**config))


@pytest.mark.integration
@pytest.mark.skipif(older.RELEASE < (22,), reason="gunicorn has no header_map before release 22")
@pytest.mark.parametrize("command", [GUNICORN, OURS], ids=["bare", "ours"])
@pytest.mark.parametrize("home", [False, True], ids=["platform", "own-proxy"])
def test_nobody_is_signed_in_by_a_name_with_underscores(
    command: tuple[str, ...], home: bool, tmp_path: Path
) -> None:
    """If gunicorn takes them for the front end's, no user is signed in, and it is logged once."""
    (tmp_path / "app.py").write_text(WSGI)
    site = {"APPSVC_TRUSTED_PROXIES": "127.0.0.1"} if home else PLATFORM
    signs_in = {"WEBSITE_AUTH_ENABLED": "true", "APPSVC_REQUIRE_LOGIN": "401"}
    signs_in["APPSVC_WORKERS"] = "1"  # each process logs it once
    claims = {"auth_typ": "aad", "claims": [{"typ": "oid", "val": "1"}]}
    principal = base64.b64encode(json.dumps(claims).encode()).decode()
    command = (*command, "--header-map", "dangerous")
    with serving(*command, cwd=tmp_path, **site, **signs_in) as server:
        for name in ("X_MS_CLIENT_PRINCIPAL", "X-MS-CLIENT_PRINCIPAL", "X-MS-CLIENT-PRINCIPAL"):
            assert server.request("/", {name: principal})[0] == 401
        server.stop()
        assert server.log().count("The headers of the signed-in user are removed") == 1
