"""Health: checks run in parallel, with time limits and a cache; who gets details; draining."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.middleware.health import Health
from tests.support.wsgi import APP_SERVICE, FRONT_END, make_environ

KEY = "0123456789abcdef"
TOKEN = base64.b64encode(hashlib.sha256(KEY.encode()).digest()).decode()
OUTSIDE = {"X-Forwarded-For": "203.0.113.7:1", "X-ARR-LOG-ID": "x"}


def boom() -> None:
    raise RuntimeError("password=secret")


def ask(
    middleware: Any, headers: dict[str, str] | None = None, **variables: Any
) -> tuple[str, dict[str, str], bytes]:
    """Return status, headers and body of the response."""
    said: list[Any] = []
    environ = make_environ(headers or {}, **{"PATH_INFO": "/healthz", **variables})
    body = middleware(environ, lambda status, headers: said.extend((status, headers)))
    return said[0], {name.lower(): value for name, value in said[1]}, b"".join(body)


def behind(
    health: Health, variables: dict[str, str] | None = None, **options: Any
) -> AppServiceMiddleware:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("299 App", [])
        return [b"app"]

    return AppServiceMiddleware(
        app, health=health, environ=APP_SERVICE if variables is None else variables, **options
    )


@pytest.mark.parametrize(
    ("checks", "status", "told"),
    [
        ({}, "200 OK", "healthy"),
        ({"a": lambda: None}, "200 OK", "healthy"),
        ({"a": lambda: True}, "200 OK", "healthy"),
        ({"a": lambda: 0}, "200 OK", "healthy"),
        ({"a": lambda: False}, "503 Service Unavailable", "failing"),
        ({"a": boom}, "503 Service Unavailable", "failing"),
        ({"a": lambda: None, "b": boom}, "503 Service Unavailable", "failing"),
        ({"a": lambda: (_ for _ in ()).throw(SystemExit)}, "503 Service Unavailable", "failing"),
        ({"a": (lambda: None, 9.0)}, "200 OK", "healthy"),
    ],
    ids=["none", "nothing", "true", "zero", "false", "raises", "one-of-two", "exits", "own-limit"],
)
def test_status(checks: dict[str, Any], status: str, told: str) -> None:
    """200 if all checks pass, else 503.

    Never an exception, and no name or message for other clients.
    """
    found, headers, body = ask(behind(Health(checks=checks, environ={})), OUTSIDE)
    assert found == status
    assert json.loads(body) == {"status": told}
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert headers["content-length"] == str(len(body))


def test_details_hold_no_message() -> None:
    """They have names, times and the type of an error: its message may contain a password."""
    health = Health(checks={"database": boom, "cache": lambda: None}, environ={})
    _, _, body = ask(behind(health), REMOTE_ADDR="127.0.0.1")
    told = json.loads(body)["checks"]
    assert told["database"]["problem"] == "RuntimeError"
    assert told["cache"]["status"] == "healthy"
    assert b"secret" not in body


@pytest.mark.parametrize(
    ("variables", "headers", "peer", "details"),
    [
        pytest.param({}, {}, "127.0.0.1", True, id="loopback"),
        pytest.param({}, {}, "::1", True, id="loopback-6"),
        pytest.param({}, OUTSIDE, "127.0.0.1", False, id="through-iis"),
        pytest.param({}, {"Forwarded": "for=x"}, "127.0.0.1", False, id="through-a-proxy"),
        pytest.param({}, {}, FRONT_END, False, id="link-local"),
        pytest.param({}, {}, "", False, id="no-peer"),
        pytest.param({}, {"x-ms-auth-internal-token": ""}, FRONT_END, False, id="no-key-no-token"),
        pytest.param({}, {"x-ms-auth-internal-token": TOKEN}, FRONT_END, False, id="no-key"),
        pytest.param(
            {"WEBSITE_AUTH_ENCRYPTION_KEY": ""},
            {"x-ms-auth-internal-token": base64.b64encode(hashlib.sha256(b"").digest()).decode()},
            FRONT_END, False, id="token-of-an-empty-key",
        ),
        pytest.param(
            {"WEBSITE_AUTH_ENCRYPTION_KEY": KEY}, {"x-ms-auth-internal-token": TOKEN}, FRONT_END,
            True, id="token",
        ),
        pytest.param(
            {"WEBSITE_AUTH_ENCRYPTION_KEY": KEY}, {**OUTSIDE, "x-ms-auth-internal-token": TOKEN},
            FRONT_END, True, id="token-through-the-front-end",
        ),
        pytest.param(
            {"WEBSITE_AUTH_ENCRYPTION_KEY": KEY}, {"x-ms-auth-internal-token": ""}, FRONT_END,
            False, id="empty-token",
        ),
        pytest.param(
            {"WEBSITE_AUTH_ENCRYPTION_KEY": KEY}, {"x-ms-auth-internal-token": TOKEN[:-1]},
            FRONT_END, False, id="part-of-the-token",
        ),
        pytest.param(
            {"WEBSITE_AUTH_ENCRYPTION_KEY": KEY}, {"x-ms-auth-internal-token": "\xff\xfe"},
            FRONT_END, False, id="no-ascii",
        ),
    ],
)  # fmt: skip
def test_who_gets_details(
    variables: dict[str, str], headers: dict[str, str], peer: str, details: bool
) -> None:
    """Only the platform's own probe and clients on this machine get them."""
    health = Health(checks={"a": lambda: None}, environ=variables)
    _, _, body = ask(behind(health), headers, REMOTE_ADDR=peer)
    assert ("checks" in json.loads(body)) == details


def test_checks_run_side_by_side() -> None:
    """Each check waits until the others have started."""
    barrier = threading.Barrier(4)
    health = Health(checks={str(n): lambda: barrier.wait(20) and None for n in range(4)})
    assert all(not outcome.problem for outcome in health.outcomes().values())


def test_check_that_hangs_is_a_failing_one_and_is_not_started_again() -> None:
    """This holds for any number of requests."""
    release, started = threading.Event(), []

    def hang() -> None:
        started.append(1)
        release.wait(30)

    health = Health(checks={"slow": (hang, 0.05), "fast": lambda: None}, cache_seconds=0)
    try:
        for _ in range(3):
            outcomes = health.outcomes()
            assert outcomes["slow"].problem == "timeout"
            assert outcomes["fast"].problem == ""
        assert len(started) == 1
    finally:
        release.set()


def test_outcomes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are cached for `cache_seconds`, for all clients."""
    calls: list[int] = []
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    health = Health(checks={"a": lambda: calls.append(1)}, cache_seconds=10)
    for moment in (100.0, 105.0, 109.9):
        now[0] = moment
        health.outcomes()
    assert len(calls) == 1
    now[0] = 110.0
    health.outcomes()
    assert len(calls) == 2


def test_many_who_ask_at_once_run_the_checks_once() -> None:
    """Probes of several front ends arrive at the same time."""
    calls: list[int] = []
    health = Health(checks={"a": lambda: calls.append(1)}, cache_seconds=60)
    threads = [threading.Thread(target=health.outcomes) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(calls) == 1


def test_coroutines_are_awaited() -> None:
    """A check may be an async function."""

    async def good() -> None: ...

    async def bad() -> bool:
        return False

    health = Health(checks={"good": good, "bad": bad})
    assert {name: one.problem for name, one in health.outcomes().items()} == {
        "good": "",
        "bad": "False",
    }


def test_head_and_other_methods() -> None:
    """HEAD has no body; other methods are refused."""
    middleware = behind(Health())
    status, headers, body = ask(middleware, REQUEST_METHOD="HEAD")
    assert (status, body) == ("200 OK", b"")
    assert headers["content-length"] != "0"
    status, headers, _ = ask(middleware, REQUEST_METHOD="POST")
    assert (status, headers["allow"]) == ("405 Method Not Allowed", "GET, HEAD")


def test_never_redirected_and_never_signed_in() -> None:
    """A probe by plain http gets a response even if other requests need https and a sign-in."""
    middleware = behind(Health(), https_only=True, require_login="aad")
    assert ask(middleware)[0] == "200 OK"
    assert ask(middleware, PATH_INFO="/")[0] == "308 Permanent Redirect"


def test_draining_comes_first() -> None:
    """The response is 503 without any check, as resources may be closed.

    Draining cannot be undone.
    """
    calls: list[int] = []
    health = Health(checks={"a": lambda: calls.append(1)})
    health.drain()
    status, _, body = ask(behind(health), OUTSIDE)
    assert (status, json.loads(body)) == ("503 Service Unavailable", {"status": "draining"})
    assert calls == []


def test_falling_ill_and_getting_well_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The lines have the checks' names, and no message."""
    well = [True, False, False, True]
    health = Health(checks={"a": lambda: well.pop(0)}, cache_seconds=0)
    for _ in range(4):
        health.outcomes()
    said = [r.getMessage() for r in caplog.records if r.name == "appsvc_runtime.health"]
    assert said == ["Health checks fail: a (False).", "Health checks are all well again."]
    assert {r.levelno for r in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Health("healthz"),
        lambda: Health("/healthz?x"),
        lambda: Health(checks={"a": "no function"}),  # type: ignore[dict-item]
        lambda: Health(checks={"a": (boom, 0)}),
        lambda: Health(checks={"a": boom}, timeout=-1),
        lambda: Health(checks={"a": (boom, float("nan"))}),
    ],
    ids=["no-slash", "query", "no-function", "no-time", "negative", "nan"],
)
def test_what_cannot_be_used(make: Callable[[], Health]) -> None:
    """The error is raised when the object is made."""
    with pytest.raises(ConfigError):
        make()


@pytest.mark.parametrize(
    ("variables", "headers", "path", "answered"),
    [
        pytest.param(APP_SERVICE, {}, "/robots933456.txt", True, id="warm-up"),
        pytest.param(APP_SERVICE, OUTSIDE, "/robots933456.txt", False, id="from-outside"),
        pytest.param(
            {**APP_SERVICE, "WEBSITE_WARMUP_PATH": "/ready"}, {}, "/ready", True, id="own-path"
        ),
        pytest.param(
            {**APP_SERVICE, "WEBSITE_WARMUP_PATH": "/ready"}, OUTSIDE, "/ready", False,
            id="own-path-from-outside",
        ),
        pytest.param(
            {**APP_SERVICE, "APPSVC_PASS_WARMUP": "1"}, {}, "/robots933456.txt", False,
            id="passed-on",
        ),
        pytest.param({}, {}, "/robots933456.txt", False, id="off-the-platform"),
        pytest.param(APP_SERVICE, {}, "/", False, id="another-path"),
    ],
)  # fmt: skip
def test_warm_up(
    variables: dict[str, str], headers: dict[str, str], path: str, answered: bool
) -> None:
    """The middleware responds to the platform's request, unless it is set to pass it on."""
    status, _, _ = ask(behind(Health(), variables), headers, PATH_INFO=path)
    assert status == ("200 OK" if answered else "299 App")


@pytest.mark.parametrize(
    ("host", "variables", "seen"),
    [
        ("169.254.130.5:8000", {"WEBSITE_HOSTNAME": "a.azurewebsites.net"}, "a.azurewebsites.net"),
        ("169.254.130.5", {"WEBSITE_HOSTNAME": "a.azurewebsites.net"}, "a.azurewebsites.net"),
        ("www.example.com", {"WEBSITE_HOSTNAME": "a.azurewebsites.net"}, "www.example.com"),
        ("169.254.130.5:8000", {}, "169.254.130.5:8000"),
    ],
    ids=["with-port", "without", "visitor", "name-not-known"],
)
def test_host_of_a_probe(host: str, variables: dict[str, str], seen: str) -> None:
    """Frameworks refuse link-local hosts, so they never see one."""
    found: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        found.append(environ["HTTP_HOST"])
        assert environ["appsvc.request"].host == environ["HTTP_HOST"]
        start_response("200 OK", [])
        return []

    middleware = AppServiceMiddleware(app, environ={**APP_SERVICE, **variables})
    ask(middleware, {"User-Agent": "HealthCheck/1.0"}, PATH_INFO="/", HTTP_HOST=host)
    assert found == [seen]
