"""AppServiceMiddleware, one request at a time: which headers are trusted, and what the app sees."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from appsvc_runtime import AppServiceMiddleware, ConfigError
from appsvc_runtime.middleware import notices
from tests.support.wsgi import (
    APP_SERVICE,
    FRONT_END,
    HTTP_PLATFORM,
    Recorder,
    call,
    make_environ,
    send,
)

PROTO = "X-Forwarded-Proto"
FOR = "X-Forwarded-For"
ARR = {"X-ARR-SSL": "2048|256|CN=example|CN=*.azurewebsites.net"}
VISITOR = "203.0.113.7"

SCHEMES: list[Any] = [
    pytest.param({PROTO: "https"}, {}, "https", id="https"),
    pytest.param({PROTO: "http"}, {}, "http", id="http"),
    pytest.param({}, {}, "http", id="nothing-said"),
    pytest.param({PROTO: "HTTPS"}, {}, "https", id="upper-case"),
    pytest.param({PROTO: " \thttps "}, {}, "https", id="blanks"),
    pytest.param({PROTO: '"https"'}, {}, "http", id="quoted"),
    pytest.param({PROTO: "https;q=1"}, {}, "http", id="parameter"),
    pytest.param({PROTO: "httpsx"}, {}, "http", id="longer-word"),
    pytest.param({PROTO: "ftp"}, {}, "http", id="other-word"),
    pytest.param({PROTO: ""}, {}, "http", id="empty"),
    pytest.param({PROTO: "", **ARR}, {}, "http", id="empty-contradicts-arr-ssl"),
    pytest.param({PROTO: "https\xa0"}, {}, "http", id="non-breaking-space"),
    pytest.param({PROTO: "http\xdf"}, {}, "http", id="sharp-s"),
    pytest.param({PROTO: "ht tps"}, {}, "http", id="blank-inside"),
    pytest.param({PROTO: "https,"}, {}, "http", id="empty-last-entry"),
    pytest.param({PROTO: "https,https"}, {}, "https", id="duplicates-that-agree"),
    pytest.param({PROTO: "https,http"}, {}, "http", id="duplicates-last-http"),
    pytest.param({PROTO: "http,https"}, {}, "http", id="duplicates-first-http"),
    pytest.param({PROTO: "https, http"}, {"hops": 2}, "https", id="two-hops"),
    pytest.param({PROTO: "HTTPS , HTTP"}, {"hops": 2}, "https", id="two-hops-case-and-blanks"),
    pytest.param({PROTO: "http, https"}, {"hops": 2}, "http", id="two-hops-plain-visitor"),
    pytest.param({PROTO: "https"}, {"hops": 2}, "https", id="one-entry-fewer-than-hops"),
    pytest.param({PROTO: "http, https, http"}, {"hops": 2}, "http", id="extra-entry-disagrees"),
    pytest.param({PROTO: "https, https, http"}, {"hops": 2}, "https", id="extra-entry-agrees"),
    pytest.param({PROTO: "https, http, http"}, {"hops": 3}, "https", id="three-hops"),
    pytest.param(ARR, {}, "https", id="arr-ssl-alone"),
    pytest.param({"X-ARR-SSL": ""}, {}, "http", id="arr-ssl-empty"),
    pytest.param({PROTO: "https", **ARR}, {}, "https", id="both-signs"),
    pytest.param({PROTO: "http", **ARR}, {}, "http", id="contradiction"),
    pytest.param({"X-Forwarded-Ssl": "on"}, {}, "http", id="another-proxys-sign"),
]


@pytest.mark.parametrize(("headers", "options", "scheme"), SCHEMES)
def test_scheme(headers: dict[str, str], options: dict[str, Any], scheme: str) -> None:
    """The scheme is decided once, and every place that a framework may read agrees."""
    seen = call(make_environ(headers), **options).seen
    assert seen["wsgi.url_scheme"] == scheme
    assert seen["HTTPS"] == ("on" if scheme == "https" else "off")
    assert seen["HTTP_X_FORWARDED_PROTO"] == scheme
    assert seen["appsvc.request"].scheme == scheme
    assert seen["appsvc.request"].is_secure is (scheme == "https")


CLIENTS: list[Any] = [
    pytest.param("203.0.113.7:51234", {}, (VISITOR, "51234"), id="address-and-port"),
    pytest.param("203.0.113.7", {}, (VISITOR, None), id="address"),
    pytest.param(" 203.0.113.7:1\t", {}, (VISITOR, "1"), id="blanks"),
    pytest.param("6.6.6.6, 203.0.113.7:5", {}, (VISITOR, "5"), id="forged-first-entry"),
    pytest.param("6.6.6.6,203.0.113.7:5", {}, (VISITOR, "5"), id="forged-without-blank"),
    pytest.param("203.0.113.7:65535", {}, (VISITOR, "65535"), id="highest-port"),
    pytest.param("203.0.113.7:65536", {}, None, id="port-too-high"),
    pytest.param("203.0.113.7:0", {}, None, id="port-zero"),
    pytest.param("203.0.113.7:", {}, None, id="port-empty"),
    pytest.param("203.0.113.7:8_0", {}, None, id="port-with-underscore"),
    pytest.param("203.0.113.7:\u0666".encode().decode("latin-1"), {}, None, id="port-arabic"),
    pytest.param("[2001:db8::1]:443", {}, ("2001:db8::1", "443"), id="ipv6-and-port"),
    pytest.param("[2001:DB8:0:0::1]", {}, ("2001:db8::1", None), id="ipv6-brackets"),
    pytest.param("2001:db8:0:0:0:0:0:1", {}, ("2001:db8::1", None), id="ipv6-bare"),
    pytest.param("::ffff:203.0.113.7", {}, (VISITOR, None), id="ipv4-mapped"),
    pytest.param("[::ffff:cb00:7107]:9", {}, (VISITOR, "9"), id="ipv4-mapped-hex"),
    pytest.param("[203.0.113.7]:80", {}, None, id="ipv4-in-brackets"),
    pytest.param("[2001:db8::1", {}, None, id="bracket-unclosed"),
    pytest.param("fe80::1%eth0", {}, None, id="zone-id"),
    pytest.param("unknown", {}, None, id="unknown"),
    pytest.param("01.2.3.4", {}, None, id="leading-zero"),
    pytest.param("1.2.3", {}, None, id="three-octets"),
    pytest.param("256.1.1.1", {}, None, id="octet-too-high"),
    pytest.param("<script>", {}, None, id="script"),
    pytest.param("", {}, None, id="empty"),
    pytest.param("203.0.113.7,", {}, None, id="empty-last-entry"),
    pytest.param("_hidden", {}, None, id="obfuscated"),
    pytest.param('"203.0.113.7"', {}, None, id="quoted"),
    pytest.param("1.2.3.4\n5.6.7.8", {}, None, id="newline"),
    pytest.param("203.0.113.7:5, 10.0.0.4:80", {"hops": 2}, (VISITOR, "5"), id="two-hops"),
    pytest.param("203.0.113.7:5", {"hops": 2}, None, id="fewer-entries-than-hops"),
    pytest.param("6.6.6.6, 203.0.113.7:5", {"hops": 3}, None, id="fewer-entries-than-three-hops"),
    pytest.param("6.6.6.6, 203.0.113.7:5, 10.0.0.4", {"hops": 2}, (VISITOR, "5"), id="forged-2"),
    pytest.param("6.6.6.6, " * 10_000 + "203.0.113.7:5", {}, (VISITOR, "5"), id="10000-hops"),
]


@pytest.mark.parametrize(("header", "options", "client"), CLIENTS)
def test_client(
    header: str, options: dict[str, Any], client: tuple[str, str | None] | None
) -> None:
    """The client is the hop that trusted proxies report; if it cannot be parsed, the peer stays."""
    seen = call(make_environ({FOR: header}), **options).seen
    address, port = client or (FRONT_END, "40000")
    assert seen["REMOTE_ADDR"] == address
    assert seen.get("REMOTE_PORT") == port
    assert seen["appsvc.request"].client_address == address
    assert seen["appsvc.request"].client_port == (int(port) if port else None)
    assert seen.get("HTTP_X_FORWARDED_FOR") == (address if client else None)
    assert seen["appsvc.original"]["HTTP_X_FORWARDED_FOR"] == header


V2 = {"HTTP_PLATFORM_TOKEN": "t0ken"}
PRIVATE = "10.0.0.9"
SECOND_HOPS: list[Any] = [
    pytest.param(V2, "https, http", "203.0.113.7:5, 10.0.0.4:80", "https", VISITOR, id="v2-https"),
    pytest.param(V2, "http", "203.0.113.7:5, 10.0.0.4:80", "http", VISITOR, id="v2-plain"),
    pytest.param(
        V2, "https, http", "203.0.113.7:5, 198.51.100.9:8", "https", VISITOR, id="v2-public"
    ),
    pytest.param(V2, "https, http", "203.0.113.7:5", "https", "127.0.0.1", id="v2-short"),
    pytest.param(
        V2, "https, http", "6.6.6.6, 203.0.113.7:5, 10.0.0.4:80", "https", VISITOR, id="v2-forged"
    ),
    pytest.param({}, "https", "203.0.113.7:5", "https", VISITOR, id="v1-https"),
    pytest.param({}, None, "203.0.113.7:5", "http", VISITOR, id="v1-plain"),
    pytest.param({}, "https", "6.6.6.6, 203.0.113.7:5", "https", VISITOR, id="v1-forged-client"),
    pytest.param({}, None, "6.6.6.6, 203.0.113.7:5", "http", VISITOR, id="v1-plain-forged-client"),
    # Some releases of version 1 report the application's path too.
    pytest.param(
        {"HTTP_PLATFORM_APPL_PATH": "/shop"},
        "https",
        "6.6.6.6, 203.0.113.7:5",
        "https",
        VISITOR,
        id="v1-that-reports-the-application",
    ),
    # A client inside the site's virtual network would look like version 2's hop.
    pytest.param({}, None, "6.6.6.6, 10.0.0.9:5", "http", PRIVATE, id="v1-private-client"),
    pytest.param(
        {"HTTP_PLATFORM_TOKEN": ""}, "https", "6.6.6.6, 10.0.0.9:5", "https", PRIVATE, id="v1-empty"
    ),
]


@pytest.mark.parametrize(("variables", "proto", "client", "scheme", "address"), SECOND_HOPS)
def test_http_platform_handler(
    variables: dict[str, str], proto: str | None, client: str, scheme: str, address: str
) -> None:
    """Both versions of the module report the client, and neither lets a client forge an address."""
    headers = {FOR: client} | ({PROTO: proto} if proto else {})
    environ = make_environ(headers, REMOTE_ADDR="127.0.0.1")
    seen = call(environ, {**HTTP_PLATFORM, **variables}).seen
    assert (seen["wsgi.url_scheme"], seen["REMOTE_ADDR"]) == (scheme, address)


SAID = {PROTO: "https", FOR: "203.0.113.7:5", "X-ARR-LOG-ID": "b5b5"}
PEERS: list[Any] = [
    pytest.param("127.0.0.1", APP_SERVICE, {}, True, id="loopback"),
    pytest.param("::1", APP_SERVICE, {}, True, id="loopback-v6"),
    pytest.param("169.254.130.1", APP_SERVICE, {}, True, id="link-local"),
    pytest.param("fe80::1", APP_SERVICE, {}, True, id="link-local-v6"),
    pytest.param("10.1.2.3", APP_SERVICE, {}, True, id="private-10"),
    pytest.param("172.31.255.1", APP_SERVICE, {}, True, id="private-172"),
    pytest.param("192.168.1.1", APP_SERVICE, {}, True, id="private-192"),
    pytest.param("fd00::1", APP_SERVICE, {}, True, id="private-v6"),
    pytest.param("::ffff:10.1.2.3", APP_SERVICE, {}, True, id="private-v4-mapped"),
    pytest.param("172.32.0.1", APP_SERVICE, {}, False, id="public-172"),
    pytest.param("198.51.100.1", APP_SERVICE, {}, False, id="documentation-network"),
    pytest.param("2001:db8::1", APP_SERVICE, {}, False, id="public-v6"),
    pytest.param("", APP_SERVICE, {}, False, id="no-address"),
    pytest.param("localhost", APP_SERVICE, {}, False, id="a-name"),
    pytest.param("198.51.100.1", {}, {"trusted_proxies": "198.51.100.1"}, True, id="named"),
    pytest.param("198.51.100.2", {}, {"trusted_proxies": "198.51.100.1"}, False, id="not-named"),
    pytest.param("127.0.0.1", {}, {"trusted_proxies": "198.51.100.1"}, False, id="loopback-not"),
    pytest.param("198.51.100.9", {}, {"trusted_proxies": ["198.51.100.0/24"]}, True, id="network"),
    pytest.param("198.51.100.9", {}, {"trusted_proxies": "*"}, True, id="everyone"),
    pytest.param("", {}, {"trusted_proxies": "*"}, True, id="everyone-unix-socket"),
    pytest.param("10.1.2.3", {}, {"trusted_proxies": []}, False, id="nobody-on-purpose"),
    pytest.param(
        "10.9.9.9", {"APPSVC_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}, {}, True, id="by-variable"
    ),
    pytest.param(
        "10.9.9.9",
        {"APPSVC_TRUSTED_PROXIES": "10.0.0.0/8"},
        {"trusted_proxies": "192.0.2.1"},
        False,
        id="argument-over-variable",
    ),
    pytest.param(
        "10.9.9.9", {**APP_SERVICE, "APPSVC_TRUSTED_PROXIES": "192.0.2.1"}, {}, False, id="narrowed"
    ),
]


@pytest.mark.parametrize(("peer", "variables", "options", "trusted"), PEERS)
def test_trust(
    peer: str, variables: dict[str, str], options: dict[str, Any], trusted: bool
) -> None:
    """An untrusted peer's headers are removed, unless the middleware is inert."""
    seen = call(make_environ(SAID, REMOTE_ADDR=peer), variables, **options).seen
    assert seen["wsgi.url_scheme"] == ("https" if trusted else "http")
    assert seen["REMOTE_ADDR"] == (VISITOR if trusted else peer)
    assert ("HTTP_X_FORWARDED_FOR" in seen) is trusted
    assert ("HTTP_X_FORWARDED_PROTO" in seen) is trusted
    assert seen["appsvc.request"].arr_log_id == ("b5b5" if trusted else None)


FORGED = [
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Anything",
    "X-ARR-SSL",
    "X-AppService-Proto",
    "Client-IP",
    "X-Client-IP",
    "X-Client-Port",
    "X-ARR-ClientCert",
    "X-Azure-ClientIP",
    "X-Azure-SocketIP",
    "X-Azure-Anything",
    "X-Real-IP",
    "Forwarded",
    "X-Scheme",
    "Front-End-Https",
    "CF-Connecting-IP",
    "True-Client-IP",
    "X-Rewrite-URL",
    "X-Original-Host",
    "X-Original-URL",
    "DISGUISED-HOST",
    "X-Azure-FDID",
    "X-MS-CLIENT-PRINCIPAL",
    "X-MS-CLIENT-PRINCIPAL-NAME",
    "X-MS-TOKEN-AAD-ID-TOKEN",
]


@pytest.mark.parametrize("name", FORGED)
def test_an_untrusted_peers_header_is_removed(name: str) -> None:
    """The app does not see it; it is still available among the originals."""
    key = "HTTP_" + name.upper().replace("-", "_")
    environ = make_environ({name: "forged", "X-Other": "kept"}, REMOTE_ADDR="198.51.100.1")
    seen = call(environ).seen
    assert key not in seen
    assert seen["HTTP_X_OTHER"] == "kept"
    assert seen["appsvc.original"][key] == "forged"


@pytest.mark.parametrize("peer", ["127.0.0.1", "198.51.100.1", ""])
@pytest.mark.parametrize(
    "variables",
    [{}, {"WEBSITE_SITE_NAME": "mysite"}, {"WEBSITE_INSTANCE_ID": "1"}],
    ids=["nothing", "site-name-alone", "instance-alone"],
)
def test_inert_off_the_platform(peer: str, variables: dict[str, str]) -> None:
    """No header counts, and only those that could sign in a user are removed."""
    environ = make_environ(dict.fromkeys(FORGED, "x"), REMOTE_ADDR=peer)
    before = {key: value for key, value in environ.items() if not key.startswith("HTTP_X_MS_")}
    recorder = Recorder()
    middleware = AppServiceMiddleware(recorder, environ=variables, https_only=True)
    middleware(environ, lambda *_: None)  # type: ignore[arg-type, return-value]
    added = {key: recorder.environ.pop(key) for key in ("appsvc.request", "appsvc.original")}
    assert recorder.environ == before
    assert added["appsvc.request"].scheme == "http"
    assert added["appsvc.request"].client_address == peer
    assert added["appsvc.request"].arr_log_id is None


WFASTCGI: list[Any] = [
    pytest.param({PROTO: "https"}, {}, "https", id="header"),
    pytest.param({}, {"HTTPS": "on", "wsgi.url_scheme": "https"}, "https", id="server-says-https"),
    pytest.param({}, {"HTTPS": "ON"}, "https", id="https-variable-alone"),
    pytest.param({}, {"HTTPS": "off"}, "http", id="server-says-http"),
    pytest.param({PROTO: "http"}, {"HTTPS": "on"}, "https", id="server-over-header"),
    pytest.param({PROTO: "https"}, {"HTTPS": "off"}, "https", id="header-where-server-says-off"),
]


@pytest.mark.parametrize(("headers", "variables", "scheme"), WFASTCGI)
def test_under_wfastcgi_iis_is_the_front_end(
    headers: dict[str, str], variables: dict[str, str], scheme: str
) -> None:
    """REMOTE_ADDR does not matter; if no header decides, the scheme is IIS's own."""
    environ = make_environ(
        headers, REMOTE_ADDR="198.51.100.20", **{"wsgi.path_info": b"/"}, **variables
    )
    seen = call(environ).seen
    assert seen["wsgi.url_scheme"] == scheme
    assert seen["REMOTE_ADDR"] == "198.51.100.20"


def test_wfastcgis_mark_means_nothing_off_the_platform() -> None:
    """IIS on another server is not App Service's front end."""
    environ = make_environ(SAID, **{"wsgi.path_info": b"/"})
    assert call(environ, {}).seen["wsgi.url_scheme"] == "http"


def test_wfastcgis_path_is_decoded() -> None:
    """wfastcgi copies PATH_INFO from X-Original-URL unchanged; apps expect it decoded."""
    environ = make_environ(
        {"X-Original-URL": "/caf%C3%A9%20x?a=%20"},
        PATH_INFO="/caf%C3%A9%20x",
        **{"wsgi.path_info": b"/caf%C3%A9%20x"},
    )
    seen = call(environ).seen
    assert seen["PATH_INFO"].encode("latin-1") == "/café x".encode()
    assert seen["appsvc.original"]["PATH_INFO"] == "/caf%C3%A9%20x"


def test_contradiction_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers that disagree are logged once, not per request."""
    monkeypatch.setattr(notices, "_logged", set())
    app = Recorder()
    middleware = AppServiceMiddleware(app, environ=APP_SERVICE)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            send(middleware, make_environ({PROTO: "http", **ARR}), app)
    assert [record.name for record in caplog.records] == ["appsvc_runtime.middleware"]


def test_originals_stay_reachable() -> None:
    """The values of the server and the front end are kept under one key."""
    original = call(make_environ(SAID)).seen["appsvc.original"]
    assert original["REMOTE_ADDR"] == FRONT_END
    assert original["REMOTE_PORT"] == "40000"
    assert original["wsgi.url_scheme"] == "http"
    assert original["HTTP_X_FORWARDED_PROTO"] == "https"
    assert original["HTTPS"] is None


def test_wrapping_twice_does_the_work_once() -> None:
    """The inner one keeps the decision of the outer one, whatever the headers are by then."""
    app = Recorder()
    inner = AppServiceMiddleware(app, environ=APP_SERVICE)
    outer = AppServiceMiddleware(inner, environ=APP_SERVICE)
    seen = send(outer, make_environ({FOR: "6.6.6.6, 10.0.0.9:7", PROTO: "https"}), app).seen
    assert seen["REMOTE_ADDR"] == "10.0.0.9"
    assert seen["appsvc.original"]["REMOTE_ADDR"] == FRONT_END


def test_an_inner_one_with_other_options_has_the_last_word() -> None:
    """It first restores what the outer one changed and removed."""
    app = Recorder()
    inner = AppServiceMiddleware(app, environ=APP_SERVICE, hops=2, trusted_proxies="198.51.100.1")
    outer = AppServiceMiddleware(inner, environ=APP_SERVICE)
    headers = {FOR: "203.0.113.7:5, 10.0.0.9:7", PROTO: "https, http"}
    seen = send(outer, make_environ(headers, REMOTE_ADDR="198.51.100.1"), app).seen
    assert (seen["wsgi.url_scheme"], seen["REMOTE_ADDR"]) == ("https", VISITOR)
    assert seen["appsvc.request"].client_port == 5
    assert seen["appsvc.original"]["REMOTE_ADDR"] == "198.51.100.1"


BAD_OPTIONS: list[Any] = [
    pytest.param({"hops": 0}, {}, "APPSVC_FORWARDED_HOPS", id="argument-hops-zero"),
    pytest.param({"hops": -1}, {}, "APPSVC_FORWARDED_HOPS", id="argument-hops-negative"),
    pytest.param({"hops": "two"}, {}, "APPSVC_FORWARDED_HOPS", id="argument-hops-word"),
    pytest.param({"https_only": "maybe"}, {}, "APPSVC_HTTPS_ONLY", id="argument-https-only"),
    pytest.param({"hsts_seconds": -4}, {}, "APPSVC_HSTS_SECONDS", id="argument-hsts"),
    pytest.param({"host_header": "X Bad"}, {}, "APPSVC_HOST_HEADER", id="argument-header"),
    pytest.param({"trusted_proxies": "*,10.0.0.0/33"}, {}, "entry 2", id="network"),
    pytest.param({"trusted_proxies": "example.com"}, {}, "entry 1", id="name"),
    pytest.param({}, {"APPSVC_TRUSTED_PROXIES": "x"}, "APPSVC_TRUSTED_PROXIES", id="variable"),
    pytest.param({}, {"APPSVC_FORWARDED_HOPS": "0"}, "APPSVC_FORWARDED_HOPS", id="hops-zero"),
    pytest.param({}, {"APPSVC_FORWARDED_HOPS": "1_0"}, "APPSVC_FORWARDED_HOPS", id="hops-odd"),
    pytest.param({}, {"APPSVC_HTTPS_ONLY": "maybe"}, "APPSVC_HTTPS_ONLY", id="https-only"),
    pytest.param({}, {"APPSVC_HOST_HEADER": "a b"}, "APPSVC_HOST_HEADER", id="host-header"),
]


@pytest.mark.parametrize(("options", "variables", "said"), BAD_OPTIONS)
def test_a_setting_that_cannot_be_used_is_named(
    options: dict[str, Any], variables: dict[str, str], said: str
) -> None:
    """It is refused when the middleware is made, not with a request."""
    with pytest.raises(ConfigError, match=said):
        AppServiceMiddleware(Recorder(), environ={**APP_SERVICE, **variables}, **options)
