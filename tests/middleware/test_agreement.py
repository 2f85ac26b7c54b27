"""Headers agree with the decision; options name the client, the host and the sign of https."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from appsvc_runtime import AppServiceASGIMiddleware, AppServiceMiddleware, ConfigError
from appsvc_runtime.azure import names
from appsvc_runtime.middleware import agreement, notices, trust
from appsvc_runtime.middleware.access_log import is_internal_probe
from tests.support.wsgi import APP_SERVICE, FRONT_END, Recorder, call, make_environ, send

CLIENT = "203.0.113.7"
FRONT_DOOR = "a0a0a0a0-1111-2222-3333-444444444444"
ONE = {"X-Forwarded-For": f"{CLIENT}:51234", "X-Forwarded-Proto": "https"}
HOME = {"APPSVC_TRUSTED_PROXIES": FRONT_END}
CDN = {**APP_SERVICE, "APPSVC_CLIENT_HEADER": "CF-Connecting-IP"}

NAMED: list[Any] = [
    pytest.param("198.51.100.4", ("198.51.100.4", None), id="address"),
    pytest.param(" 198.51.100.4\t", ("198.51.100.4", None), id="blanks"),
    pytest.param("198.51.100.4:9", ("198.51.100.4", "9"), id="port"),
    pytest.param("2001:DB8::4", ("2001:db8::4", None), id="ipv6"),
    pytest.param("198.51.100.4, 198.51.100.5", (CLIENT, "51234"), id="list"),
    pytest.param("unknown", (CLIENT, "51234"), id="word"),
    pytest.param("", (CLIENT, "51234"), id="empty"),
    pytest.param("198.51.100.4\xff", (CLIENT, "51234"), id="malformed"),
    pytest.param(None, (CLIENT, "51234"), id="missing"),
]


@pytest.mark.parametrize(("value", "client"), NAMED)
def test_a_header_of_a_cdn_names_the_client(
    value: str | None, client: tuple[str, str | None]
) -> None:
    """It is used if an option names it; a value that is not a single address is ignored."""
    named = {} if value is None else {"CF-Connecting-IP": value}
    seen = call(make_environ({**ONE, **named, "X-Real-IP": "6.6.6.6"}), CDN).seen
    assert (seen["REMOTE_ADDR"], seen.get("REMOTE_PORT")) == client
    assert seen["HTTP_X_FORWARDED_FOR"] == seen["HTTP_X_REAL_IP"] == client[0]
    assert seen["appsvc.request"].client_address == client[0]
    assert seen.get("HTTP_CF_CONNECTING_IP") == value


def test_a_header_of_a_cdn_is_enough() -> None:
    """X-Forwarded-For is added if it is missing, and removed again by a second middleware."""
    app = Recorder()
    inner = AppServiceMiddleware(app, environ=APP_SERVICE)
    seen = call(make_environ({"CF-Connecting-IP": "198.51.100.4"}), CDN).seen
    assert seen["REMOTE_ADDR"] == seen["HTTP_X_FORWARDED_FOR"] == "198.51.100.4"
    outer = AppServiceMiddleware(inner, environ=CDN)
    seen = send(outer, make_environ({"CF-Connecting-IP": "198.51.100.4"}), app).seen
    assert seen["REMOTE_ADDR"] == FRONT_END
    assert "HTTP_X_FORWARDED_FOR" not in seen


@pytest.mark.parametrize("name", sorted(names.CDN_HEADERS))
def test_a_cdns_header_is_left_alone_and_not_trusted(name: str) -> None:
    """A trusted peer's header stays, but names no client without the option; others lose it."""
    seen = call(make_environ({}, **{name: "6.6.6.6"})).seen
    assert (seen["REMOTE_ADDR"], seen[name]) == (FRONT_END, "6.6.6.6")
    seen = call(make_environ({}, REMOTE_ADDR="198.51.100.1", **{name: "6.6.6.6"}), CDN).seen
    assert seen["REMOTE_ADDR"] == "198.51.100.1"
    assert name not in seen


@pytest.mark.parametrize(
    ("variable", "name"),
    [("APPSVC_CLIENT_HEADER", "X-My-Client"), ("APPSVC_HOST_HEADER", "X-My-Host")],
)
def test_a_stranger_loses_the_headers_that_options_name(variable: str, name: str) -> None:
    """Host stays, even if an option names it."""
    environ = make_environ({name: "198.51.100.4"}, REMOTE_ADDR="198.51.100.1")
    seen = call(environ, {**APP_SERVICE, variable: name}).seen
    assert "HTTP_" + name.upper().replace("-", "_") not in seen
    environ = make_environ({}, REMOTE_ADDR="198.51.100.1")
    assert call(environ, {**APP_SERVICE, variable: "Host"}).seen["HTTP_HOST"]


@pytest.mark.parametrize("value", ["X Client", "X_Client", "X:"])
def test_a_client_header_that_is_none_is_named(value: str) -> None:
    """The error is raised when the middleware is made."""
    with pytest.raises(ConfigError, match="APPSVC_CLIENT_HEADER"):
        AppServiceMiddleware(Recorder(), environ={"APPSVC_CLIENT_HEADER": value})


ARR_SSL: list[Any] = [
    pytest.param(APP_SERVICE, {}, "https", id="on-app-service"),
    pytest.param(HOME, {}, "http", id="elsewhere"),
    pytest.param({**HOME, "APPSVC_ARR_SSL": "1"}, {}, "https", id="elsewhere-by-variable"),
    pytest.param(HOME, {"arr_ssl": True}, "https", id="elsewhere-by-argument"),
    pytest.param(APP_SERVICE, {"arr_ssl": False}, "http", id="switched-off"),
]


@pytest.mark.parametrize(("variables", "options", "scheme"), ARR_SSL)
def test_arr_ssl_counts_where_an_option_says_so(
    variables: dict[str, str], options: dict[str, Any], scheme: str
) -> None:
    """IIS with ARR sets it too.

    Where it does not count it is removed, as a client may have sent it.
    """
    seen = call(make_environ({"X-ARR-SSL": "2048|256"}), variables, **options).seen
    assert seen["wsgi.url_scheme"] == scheme
    assert ("HTTP_X_ARR_SSL" in seen) is (scheme == "https")


PORTS: list[Any] = [
    pytest.param("site.example", "https", "443", id="https"),
    pytest.param("site.example", "http", "80", id="http"),
    pytest.param("site.example:8443", "https", "8443", id="port"),
    pytest.param("[2001:db8::1]", "https", "443", id="ipv6"),
    pytest.param("[2001:db8::1]:8443", "https", "8443", id="ipv6-port"),
    pytest.param("site.example:x", "http", "80", id="no-number"),
    pytest.param("site.example:٣", "http", "80", id="no-ascii"),
    pytest.param("site.example:" + "1" * 50, "http", "80", id="long"),
    pytest.param("", "http", "80", id="empty"),
]


@pytest.mark.parametrize(("host", "scheme", "port"), PORTS)
def test_the_port_is_that_of_the_host(host: str, scheme: str, port: str) -> None:
    """The value of X-Forwarded-Port is replaced; the header is not added if it is missing."""
    recorder = Recorder()
    middleware = AppServiceMiddleware(recorder, environ=APP_SERVICE)
    for headers in ({"X-Forwarded-Port": "6666"}, {}):
        environ = make_environ({"X-Forwarded-Proto": scheme, **headers}, HTTP_HOST=host)
        middleware(environ, lambda *_: None)  # type: ignore[arg-type, return-value]
        assert recorder.environ.get("HTTP_X_FORWARDED_PORT") == (port if headers else None)


HOSTS: list[Any] = [
    pytest.param({"X-Forwarded-Host": "www.example"}, APP_SERVICE, True, id="no-option"),
    pytest.param({"X-Forwarded-Host": "mysite.azurewebsites.net"}, APP_SERVICE, False, id="same"),
    pytest.param({}, APP_SERVICE, False, id="none"),
    pytest.param(
        {"X-Forwarded-Host": "www.example"},
        {**APP_SERVICE, "APPSVC_FRONT_DOOR_ID": FRONT_DOOR}, False, id="not-our-front-door",
    ),
    pytest.param(
        {"X-Forwarded-Host": "www.example"},
        {**APP_SERVICE, "APPSVC_HOST_HEADER": "X-Original-Host"}, False, id="other-header",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "variables", "warned"), HOSTS)
def test_a_host_that_no_option_takes_goes(
    headers: dict[str, str],
    variables: dict[str, str],
    warned: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line in each process names both options, and never the value."""
    monkeypatch.setattr(notices, "_logged", set())
    for _ in range(2):
        for _ in range(2):
            seen = call(make_environ({**ONE, **headers}), variables).seen
            assert "HTTP_X_FORWARDED_HOST" not in seen
            assert seen["HTTP_HOST"] == "mysite.azurewebsites.net"
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == warned
    for text in warnings:
        assert "APPSVC_FRONT_DOOR_ID" in text
        assert "APPSVC_HOST_HEADER" in text
        assert "www.example" not in text


@pytest.mark.parametrize(
    "variables",
    [
        {**APP_SERVICE, "APPSVC_HOST_HEADER": "X-Forwarded-Host"},
        {**APP_SERVICE, "APPSVC_FRONT_DOOR_ID": FRONT_DOOR, "APPSVC_FORWARDED_HOPS": "1"},
    ],
    ids=["host-header", "front-door"],
)
def test_a_host_that_an_option_takes_stays(variables: dict[str, str]) -> None:
    """A valid value agrees with Host; an invalid one is removed."""
    for value, host in (("www.example", "www.example"), ("a@b", "mysite.azurewebsites.net")):
        headers = {"X-Azure-FDID": FRONT_DOOR, "X-Forwarded-Host": value}
        seen = call(make_environ(headers), variables).seen
        assert seen["HTTP_HOST"] == host
        assert seen.get("HTTP_X_FORWARDED_HOST") == ("www.example" if host == value else None)


def test_a_letter_that_two_letters_are_the_upper_case_of_forges_nothing() -> None:
    r"""`X-ARR-\xdfL` is not X-ARR-SSL, although upper() makes it the same name.

    Some servers pass such a name on.
    """
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)

    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http",
        "headers": [(b"x-arr-\xdfl", b"x")], "client": (FRONT_END, 1), "server": ("0.0.0.0", 80),
    }  # fmt: skip
    asyncio.run(AppServiceASGIMiddleware(app, environ=APP_SERVICE)(scope, None, None))  # type: ignore[arg-type]
    assert seen["scheme"] == "http"


def test_the_port_of_a_client_with_its_proxys_address_is_its_own() -> None:
    """ASGI has address and port in one value."""
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)

    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http",
        "headers": [(b"x-forwarded-for", f"{FRONT_END}:5".encode())], "client": (FRONT_END, 1),
    }  # fmt: skip
    asyncio.run(AppServiceASGIMiddleware(app, environ=APP_SERVICE)(scope, None, None))  # type: ignore[arg-type]
    assert seen["client"] == (FRONT_END, 5)


@pytest.mark.parametrize(
    ("header", "internal"),
    [("10.0.0.9:5", True), (None, True), ("203.0.113.7:5", False), ("unknown", False)],
)
def test_a_client_of_no_known_address_is_no_probe(header: str | None, internal: bool) -> None:
    """Without this rule it would have no access line, as its peer is the front end."""
    headers = {"User-Agent": "AlwaysOn", **({"X-Forwarded-For": header} if header else {})}
    seen = call(make_environ(headers)).seen
    assert is_internal_probe(seen, "/robots933456.txt") is internal


def test_sets_of_names_are_remembered_within_bounds() -> None:
    """Clients can invent any names: the number and the length of sets is limited.

    Each request is decided alike.
    """
    app = AppServiceMiddleware(Recorder(), environ=APP_SERVICE)
    sets = app._trust._header_sets
    most = agreement._MAX_SETS
    for number in range(3 * most):
        seen = make_environ({**ONE, f"X-Made-Up-{number}": "1", "X-Real-IP": "6.6.6.6"})
        app(seen, lambda *_: None)  # type: ignore[arg-type]
        assert (seen["REMOTE_ADDR"], seen["HTTP_X_REAL_IP"]) == (CLIENT, CLIENT)
        assert 0 < len(sets) <= most
    count = len(sets)
    for made_up in (["x" * 60_000], map(str, range(300))):
        seen = make_environ({**dict.fromkeys(made_up, "1"), **ONE, "X-Real-IP": "6.6.6.6"})
        app(seen, lambda *_: None)  # type: ignore[arg-type]
        assert (seen["REMOTE_ADDR"], seen["HTTP_X_REAL_IP"]) == (CLIENT, CLIENT)
        assert len(sets) == count


def test_names_of_another_threads_request_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test simulates a request between any two steps: the last names are always another's."""
    app = AppServiceMiddleware(Recorder(), environ=APP_SERVICE)
    others = app._trust._header_sets[("HTTP_HOST",)]
    always = property(lambda _: others, lambda *_: None)
    monkeypatch.setattr(trust.TrustPolicy, "_last_headers", always, raising=False)
    for forged in ("X-Real-IP", "Forwarded", "X-MS-CLIENT-PRINCIPAL", "X-Client-IP"):
        environ = make_environ({forged: "6.6.6.6", **ONE})
        app(environ, lambda *_: None)  # type: ignore[arg-type]
        assert "6.6.6.6" not in environ.values()
        assert environ["REMOTE_ADDR"] == CLIENT
