"""The source of the host, and `https_only`: redirects, HSTS, and exempt requests."""

from __future__ import annotations

from typing import Any

import pytest

from appsvc_runtime import AppServiceMiddleware
from tests.support.wsgi import APP_SERVICE, Recorder, call, make_environ

FRONT_DOOR = "a0a0a0a0-1111-2222-3333-444444444444"
BEHIND_FRONT_DOOR = {**APP_SERVICE, "APPSVC_FRONT_DOOR_ID": FRONT_DOOR}
BEHIND_GATEWAY = {**APP_SERVICE, "APPSVC_HOST_HEADER": "X-Original-Host"}
OWN = "mysite.azurewebsites.net"

HOSTS: list[Any] = [
    pytest.param("www.example.com", "www.example.com", "www.example.com", "443", id="name"),
    pytest.param("example.com:8443", "example.com:8443", "example.com", "8443", id="port"),
    pytest.param("EXAMPLE.com", "EXAMPLE.com", "EXAMPLE.com", "443", id="case-kept"),
    pytest.param("203.0.113.9", "203.0.113.9", "203.0.113.9", "443", id="ipv4"),
    pytest.param("[2001:db8::1]:8", "[2001:db8::1]:8", "[2001:db8::1]", "8", id="ipv6"),
    pytest.param("my_host", "my_host", "my_host", "443", id="underscore"),
    pytest.param("xn--bcher-kva.example", "xn--bcher-kva.example", None, "443", id="punycode"),
    pytest.param("example.com.", "example.com.", "example.com.", "443", id="final-dot"),
    pytest.param("a@b", None, None, None, id="at-sign"),
    pytest.param("x:99999", None, None, None, id="port-too-high"),
    pytest.param("x:", None, None, None, id="port-empty"),
    pytest.param("x:0", None, None, None, id="port-zero"),
    pytest.param("a,b", None, None, None, id="list"),
    pytest.param("a b", None, None, None, id="blank"),
    pytest.param("a\x00b", None, None, None, id="control-character"),
    pytest.param("a\r\nSet-Cookie: x", None, None, None, id="header-injection"),
    pytest.param("http://a", None, None, None, id="url"),
    pytest.param("a/b", None, None, None, id="path"),
    pytest.param("-a.example", None, None, None, id="leading-hyphen"),
    pytest.param("a..b", None, None, None, id="empty-label"),
    pytest.param("b\xfccher.example", None, None, None, id="non-ascii"),
    pytest.param("[::1", None, None, None, id="bracket-unclosed"),
    pytest.param("[1.2.3.4]", None, None, None, id="ipv4-in-brackets"),
    pytest.param("[fe80::1%1]", None, None, None, id="zone-id"),
    pytest.param("a" * 64 + ".example", None, None, None, id="long-label"),
    pytest.param("a." * 127 + "example", None, None, None, id="long-name"),
    pytest.param("", None, None, None, id="empty"),
]


@pytest.mark.parametrize("gateway", ["front-door", "application-gateway"])
@pytest.mark.parametrize(("header", "host", "name", "port"), HOSTS)
def test_host_of_a_gateway(
    gateway: str, header: str, host: str | None, name: str | None, port: str | None
) -> None:
    """It is used if the site has the option, with SERVER_NAME and SERVER_PORT, unless invalid."""
    if gateway == "front-door":
        headers = {"X-Azure-FDID": FRONT_DOOR.upper(), "X-Forwarded-Host": header}
        variables = BEHIND_FRONT_DOOR
    else:
        headers, variables = {"X-Original-Host": header}, BEHIND_GATEWAY
    # The validators themselves would refuse some of these values.
    recorder = Recorder()
    middleware = AppServiceMiddleware(recorder, environ=variables)
    environ = make_environ({"X-Forwarded-Proto": "https", **headers})
    middleware(environ, lambda *_: None)  # type: ignore[arg-type, return-value]
    seen = recorder.environ
    assert seen["HTTP_HOST"] == seen["appsvc.request"].host == (host or OWN)
    assert seen["SERVER_PORT"] == (port or "8000")
    assert seen["SERVER_NAME"] == ((name or host) if host else "0.0.0.0")
    if host:
        assert seen["appsvc.original"]["HTTP_HOST"] == OWN
        assert seen["appsvc.original"]["SERVER_PORT"] == "8000"


@pytest.mark.parametrize(
    ("sent", "variables", "believed"),
    [
        pytest.param(FRONT_DOOR, BEHIND_FRONT_DOOR, True, id="ours"),
        pytest.param("b0b0", BEHIND_FRONT_DOOR, False, id="somebody-elses"),
        pytest.param(f"{FRONT_DOOR},x", BEHIND_FRONT_DOOR, False, id="sent-twice"),
        pytest.param("", BEHIND_FRONT_DOOR, False, id="empty"),
        pytest.param(None, BEHIND_FRONT_DOOR, False, id="none"),
        pytest.param(FRONT_DOOR, APP_SERVICE, False, id="not-configured"),
        pytest.param("", {**APP_SERVICE, "APPSVC_FRONT_DOOR_ID": " "}, False, id="id-blank"),
    ],
)
def test_front_door_is_one_more_hop(
    sent: str | None, variables: dict[str, str], believed: bool
) -> None:
    """This needs our own Front Door's id: anybody can reach the site with another one."""
    headers = {"X-Forwarded-For": "203.0.113.7, 198.51.100.3:9", "X-Forwarded-Host": "www.example"}
    if sent is not None:
        headers["X-Azure-FDID"] = sent
    seen = call(make_environ(headers), variables).seen
    assert seen["REMOTE_ADDR"] == ("203.0.113.7" if believed else "198.51.100.3")
    assert seen["HTTP_HOST"] == ("www.example" if believed else OWN)


REDIRECTS: list[Any] = [
    pytest.param({}, f"https://{OWN}/", id="root"),
    pytest.param({"PATH_INFO": "/a b/ü".encode().decode("latin-1")}, f"https://{OWN}/a%20b/%C3%BC",
                 id="path-encoded"),
    pytest.param({"SCRIPT_NAME": "/app", "PATH_INFO": "/x"}, f"https://{OWN}/app/x", id="mounted"),
    pytest.param({"QUERY_STRING": "a=%20b&c=d"}, f"https://{OWN}/?a=%20b&c=d", id="query"),
    pytest.param({"QUERY_STRING": "a=\r\nx"}, f"https://{OWN}/?a=%0D%0Ax", id="query-injection"),
    pytest.param({"PATH_INFO": "//evil.example/"}, f"https://{OWN}//evil.example/", id="slashes"),
    pytest.param({"HTTP_HOST": f"{OWN}:80"}, f"https://{OWN}/", id="port-dropped"),
    pytest.param({"HTTP_HOST": None}, "https://named.example/", id="no-host"),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "location"), REDIRECTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_https_only_redirects(method: str, variables: dict[str, Any], location: str) -> None:
    """A plain request is redirected to the same address by https, with its method kept (308)."""
    environ = make_environ({}, REQUEST_METHOD=method, **variables)
    site = {**APP_SERVICE, "WEBSITE_HOSTNAME": "named.example"}
    answer = call(environ, site, https_only=True)
    assert answer.status.startswith("308 ")
    assert answer.headers["location"] == location
    assert bool(answer.body) is (method != "HEAD")
    assert not answer.seen


def test_a_path_without_its_slash_does_not_go_on_the_hosts_name() -> None:
    """Under wfastcgi the path can come from a header."""
    headers: list[tuple[str, str]] = []
    middleware = AppServiceMiddleware(Recorder(), environ=APP_SERVICE, https_only=True)
    environ = make_environ({}, PATH_INFO=".evil.example/")
    middleware(environ, lambda _, answer: headers.extend(answer))  # type: ignore[arg-type, return-value]
    assert dict(headers)["Location"] == f"https://{OWN}/.evil.example/"


def test_https_only_refuses_a_bad_host() -> None:
    """There is no address for a redirect."""
    answer = call(make_environ({}, HTTP_HOST="a@b"), https_only=True)
    assert answer.status.startswith("400 ")
    assert "location" not in answer.headers


FROM_OUTSIDE = {"X-Forwarded-For": "203.0.113.7:1234", "X-ARR-LOG-ID": "x"}
NGINX = {"APPSVC_TRUSTED_PROXIES": "192.0.2.1"}
PROBES: list[Any] = [
    pytest.param({}, {"PATH_INFO": "/robots933456.txt"}, APP_SERVICE, id="warm-up"),
    pytest.param(
        {}, {"PATH_INFO": "/up"}, {**APP_SERVICE, "WEBSITE_WARMUP_PATH": "/up"}, id="own-path"
    ),
    pytest.param({"User-Agent": "AlwaysOn"}, {}, APP_SERVICE, id="always-on"),
    pytest.param({"User-Agent": "HealthCheck/1.0"}, {}, APP_SERVICE, id="health-check"),
    pytest.param(
        {"User-Agent": "ReadyForRequest/1.0 (HealthCheck)"}, {}, APP_SERVICE, id="ready"
    ),
    pytest.param(
        {"X-FD-HealthProbe": "1", "X-Azure-FDID": "my-id", **FROM_OUTSIDE}, {},
        {**APP_SERVICE, "APPSVC_FRONT_DOOR_ID": "my-id"}, id="front-door",
    ),
    pytest.param(
        {"User-Agent": "HealthCheck/1.0", "X-Forwarded-For": "10.0.0.9:1234"}, {},
        {**APP_SERVICE, "HTTP_PLATFORM_PORT": "1", "HTTP_PLATFORM_TOKEN": "t"}, id="iis-version-2",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "variables", "site"), PROBES)
def test_probes_are_not_redirected(
    headers: dict[str, str], variables: dict[str, Any], site: dict[str, str]
) -> None:
    """Probes follow no redirect, and count one as a failure."""
    answer = call(make_environ(headers, **variables), site, https_only=True)
    assert answer.status == "200 OK"
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "variables", "site"),
    [
        *(
            pytest.param({**FROM_OUTSIDE, **headers}, {}, APP_SERVICE, id=f"outside-{name}")
            for name, headers in {
                "always-on": {"User-Agent": "AlwaysOn"},
                "health-check": {"User-Agent": "HealthCheck/1.0"},
                "front-door": {"X-FD-HealthProbe": "1"},
                "front-door-guessed": {"X-FD-HealthProbe": "1", "X-Azure-FDID": "my-id"},
            }.items()
        ),
        *(
            pytest.param({"User-Agent": "AlwaysOn", name: value}, {}, APP_SERVICE, id=name)
            for name, value in {"X-ARR-LOG-ID": "", "Client-IP": "x", "Forwarded": "x"}.items()
        ),
        pytest.param(
            FROM_OUTSIDE, {"PATH_INFO": "/up"}, {**APP_SERVICE, "WEBSITE_WARMUP_PATH": "/up"},
            id="outside-warm-up",
        ),
        pytest.param(
            {"X-FD-HealthProbe": "1", "X-Azure-FDID": "other", **FROM_OUTSIDE}, {},
            {**APP_SERVICE, "APPSVC_FRONT_DOOR_ID": "my-id"}, id="another-front-door",
        ),
        pytest.param(
            {"User-Agent": "AlwaysOn"}, {"REMOTE_ADDR": "203.0.113.7"}, APP_SERVICE, id="untrusted"
        ),
        pytest.param(
            {"User-Agent": "AlwaysOn"}, {"REMOTE_ADDR": "203.0.113.7"}, NGINX, id="past-nginx"
        ),
        pytest.param(
            {"User-Agent": "AlwaysOn"}, {"REMOTE_ADDR": "192.0.2.1"}, NGINX, id="through-nginx"
        ),
        pytest.param(
            {"X-FD-HealthProbe": "1", "X-Azure-FDID": "my-id"}, {"REMOTE_ADDR": "203.0.113.7"},
            {**APP_SERVICE, "APPSVC_FRONT_DOOR_ID": "my-id"}, id="untrusted-front-door",
        ),
    ],
)  # fmt: skip
def test_no_client_passes_for_a_probe(
    headers: dict[str, str], variables: dict[str, Any], site: dict[str, str]
) -> None:
    """A header or a user agent does not get a client a page by plain http."""
    answer = call(make_environ(headers, **variables), site, https_only=True)
    assert answer.status == "308 Permanent Redirect"
    assert not answer.seen


@pytest.mark.parametrize(
    ("variables", "options", "app_headers", "value"),
    [
        pytest.param({}, {"https_only": True}, [], "max-age=31536000", id="default"),
        pytest.param({}, {"https_only": True, "hsts_seconds": 60}, [], "max-age=60", id="argument"),
        pytest.param(
            {"APPSVC_HTTPS_ONLY": "true", "APPSVC_HSTS_SECONDS": "0"}, {}, [], "max-age=0",
            id="variables",
        ),
        pytest.param(
            {}, {"https_only": True}, [("strict-Transport-security", "max-age=5")], "max-age=5",
            id="the-apps-own",
        ),
        pytest.param({}, {}, [], None, id="off-by-default"),
        pytest.param(
            {"APPSVC_HTTPS_ONLY": "yes"}, {"https_only": False}, [], None, id="argument-first"
        ),
    ],
)  # fmt: skip
def test_hsts(
    variables: dict[str, str],
    options: dict[str, Any],
    app_headers: list[tuple[str, str]],
    value: str | None,
) -> None:
    """A response over https has the header that requires https, unless the app sets it itself."""
    environ = make_environ({"X-Forwarded-Proto": "https"})
    answer = call(environ, {**APP_SERVICE, **variables}, app_headers, **options)
    assert answer.status == "200 OK"
    assert answer.headers.get("strict-transport-security") == value


def test_start_response_is_passed_on_whole() -> None:
    """With HSTS too: the write callable is returned, and exc_info is passed on."""
    calls: list[tuple[Any, ...]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"written")
        start_response("500 Oops", [], ("exc", "info", "here"))
        return []

    written: list[bytes] = []

    def start_response(*arguments: Any) -> Any:
        calls.append(arguments)
        return written.append

    middleware = AppServiceMiddleware(app, environ=APP_SERVICE, https_only=True)
    middleware(make_environ({"X-Forwarded-Proto": "https"}), start_response)
    hsts = [("Strict-Transport-Security", "max-age=31536000")]
    assert calls == [("200 OK", hsts), ("500 Oops", hsts, ("exc", "info", "here"))]
    assert written == [b"written"]


def test_without_hsts_nothing_stands_between_app_and_server() -> None:
    """The app gets the server's own start_response, the server the app's own iterable."""
    got: list[Any] = []
    iterable = [b"x"]

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        got.append(start_response)
        return iterable

    def start_response(*_: Any) -> Any:
        raise AssertionError("the app did not call it")

    middleware = AppServiceMiddleware(app, environ=APP_SERVICE)
    assert middleware(make_environ(), start_response) is iterable
    assert got == [start_response]
