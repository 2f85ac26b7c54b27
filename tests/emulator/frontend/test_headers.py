"""The headers that the front end adds, overwrites and removes, and those of HttpPlatformHandler."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from appsvc_runtime.emulator.frontend.headers import Client, FrontHeaders, httpplatform_headers

HOST = "site.azurewebsites.net"
PLAIN = Client.of("203.0.113.9", 4242)
SECURE = Client.of("203.0.113.9", 4242, "TLSv1.3")
TLS_ONLY = ("X-Forwarded-Proto", "X-AppService-Proto", "X-ARR-SSL", "X-Forwarded-TlsVersion")


def applied(
    sent: list[tuple[str, str]],
    client: Client = PLAIN,
    *,
    target: str = "/a%2fb?c",
    authentication: bool = False,
    websocket: bool = False,
) -> CIMultiDict[str]:
    """Return the headers that the front end makes of a request's."""
    headers = CIMultiDict([("Host", HOST), *sent])
    front = FrontHeaders("site", HOST, authentication=authentication)
    front.apply(headers, client, target, websocket=websocket)
    return headers


def test_plain_http() -> None:
    """The headers are those of a recorded request, without the four signs of https."""
    headers = applied([("Accept", "*/*")])
    log_id = headers.popone("X-ARR-LOG-ID")
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", log_id
    )
    assert dict(headers) == {
        "Host": HOST,
        "Accept": "*/*",
        "Max-Forwards": "10",
        "X-SITE-DEPLOYMENT-ID": "site",
        "WAS-DEFAULT-HOSTNAME": HOST,
        "CLIENT-IP": "203.0.113.9:4242",
        "X-Client-IP": "203.0.113.9",
        "X-Client-Port": "4242",
        "X-Forwarded-For": "203.0.113.9:4242",
        "DISGUISED-HOST": HOST,
        "X-Original-URL": "/a%2fb?c",
        "X-WAWS-Unencoded-URL": "/a%2fb?c",
    }


def test_https_adds_its_four() -> None:
    """All other headers are the same."""
    plain, secure = applied([]), applied([], SECURE)
    assert set(secure) - set(plain) == set(TLS_ONLY)
    assert secure["X-Forwarded-Proto"] == secure["X-AppService-Proto"] == "https"
    assert secure["X-Forwarded-TlsVersion"] == "1.3"
    assert secure["X-ARR-SSL"].count("|") == 3


def test_log_ids_differ() -> None:
    """Each request has a different id."""
    front = FrontHeaders("site", HOST)
    ids = set()
    for _ in range(100):
        headers = CIMultiDict({"Host": HOST})
        front.apply(headers, PLAIN, "/")
        ids.add(headers["X-ARR-LOG-ID"])
    assert len(ids) == 100


OVERWRITTEN = (
    *("Client-IP", "X-Client-IP", "X-Client-Port", "X-Original-URL", "X-WAWS-Unencoded-URL"),
    *("X-ARR-LOG-ID", "X-SITE-DEPLOYMENT-ID", "WAS-DEFAULT-HOSTNAME", "DISGUISED-HOST"),
    "Max-Forwards",
)
REMOVED = ("Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "Expect")


@pytest.mark.parametrize("spell", [str, str.lower, str.upper], ids=["as-is", "lower", "upper"])
@pytest.mark.parametrize("client", [PLAIN, SECURE], ids=["http", "https"])
def test_a_clients_own_copies_do_not_survive(client: Client, spell: type[str]) -> None:
    """They are removed in any spelling, and however many there are."""
    sent = [(spell(name), "forged") for name in (*OVERWRITTEN, *REMOVED, *TLS_ONLY)]
    headers = applied([*sent, *sent], client)
    assert "forged" not in headers.values()
    for name in OVERWRITTEN:
        assert len(headers.getall(name)) == 1
    assert not set(map(str.lower, REMOVED)) & {name.lower() for name in headers}
    assert all((name in headers) == client.secure for name in TLS_ONLY)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param([], "203.0.113.9:4242", id="none"),
        pytest.param(["10.0.0.1"], "10.0.0.1, 203.0.113.9:4242", id="one"),
        pytest.param(["a, b", "c"], "a, b, c, 203.0.113.9:4242", id="several"),
        pytest.param([""], ", 203.0.113.9:4242", id="empty"),
    ],
)
def test_forwarded_for_is_appended_to(sent: list[str], expected: str) -> None:
    """The client's own value stays, to the left."""
    headers = applied([("X-Forwarded-For", value) for value in sent])
    assert headers.getall("X-Forwarded-For") == [expected]


@pytest.mark.parametrize(
    "name", ["X-Forwarded-Host", "X-Azure-FDID", "Forwarded", "X-Real-IP", "Via", "X-MS-Other"]
)
def test_other_proxies_headers_pass(name: str) -> None:
    """The front end does not know them."""
    assert applied([(name, "value")])[name] == "value"


@pytest.mark.parametrize(
    "name",
    [
        *("X-MS-CLIENT-PRINCIPAL", "x-ms-client-principal-id", "X-MS-CLIENT-PRINCIPAL-NAME"),
        *("X-MS-CLIENT-PRINCIPAL-IDP", "X-MS-TOKEN-AAD-ID-TOKEN"),
    ],
)
def test_identity_is_removed_where_authentication_is_on(name: str) -> None:
    """If authentication is off, anybody can send them, as on the platform."""
    sent = [(name, "forged"), (name, "twice")]
    assert name in applied(sent)
    assert name not in applied(sent, authentication=True)


@pytest.mark.parametrize(
    ("address", "bare", "endpoint"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", "192.0.2.1:80", id="ipv4"),
        pytest.param("::1", "::1", "[::1]:80", id="ipv6"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:80", id="mapped"),
    ],
)
def test_addresses_are_written_as_the_platform_writes_them(
    address: str, bare: str, endpoint: str
) -> None:
    """An IPv6 address with a port is in brackets (recorded: `[fd40:…]:39466`)."""
    headers = applied([], Client.of(address, 80))
    assert (headers["X-Client-IP"], headers["CLIENT-IP"]) == (bare, endpoint)
    assert headers["X-Forwarded-For"] == endpoint


def test_a_websockets_upgrade_is_passed_on() -> None:
    """Upgrade and Connection have one spelling; nothing else of Connection is passed on."""
    sent = [("Connection", "keep-alive, Upgrade"), ("Upgrade", "WebSocket"), ("TE", "gzip")]
    headers = applied([*sent, ("Sec-WebSocket-Key", "k")], websocket=True)
    assert headers.getall("Connection") == ["Upgrade"]
    assert headers.getall("Upgrade") == ["websocket"]
    assert headers["Sec-WebSocket-Key"] == "k"
    assert "TE" not in headers


@given(st.lists(st.tuples(st.text(min_size=1), st.text())), st.text())
def test_any_headers_are_taken(sent: list[tuple[str, str]], target: str) -> None:
    """There is no exception, and the front end's headers always have its own values."""
    headers = applied(sent, target=target)
    assert headers["X-Original-URL"] == target
    assert headers["X-Forwarded-For"].endswith("203.0.113.9:4242")


def test_version_1_passes_headers_on() -> None:
    """Only Connection applies to this hop."""
    headers = applied([("X-Forwarded-For", "10.0.0.1")], SECURE)
    headers.add("Connection", "close")
    sent = httpplatform_headers(headers, 1, "127.0.0.1", 5555, token="t")
    assert sent["X-Forwarded-For"] == "10.0.0.1, 203.0.113.9:4242"
    assert sent["X-Forwarded-Proto"] == "https"
    assert not {"Connection", "MS-ASPNETCORE-TOKEN"} & set(sent)
    assert "Connection" in headers


@pytest.mark.parametrize(
    ("client", "proto"),
    [pytest.param(PLAIN, "http", id="http"), pytest.param(SECURE, "https, http", id="https")],
)
def test_version_2_appends(client: Client, proto: str) -> None:
    """It adds the front end's own address and scheme, and the token."""
    forged = [("MS-ASPNETCORE-TOKEN", "forged"), ("ms-aspnetcore-winauthtoken", "forged")]
    headers = applied(forged, client)
    sent = httpplatform_headers(headers, 2, "127.0.0.1", 5555, token="secret")
    assert sent.getall("X-Forwarded-For") == ["203.0.113.9:4242, 127.0.0.1:5555"]
    assert sent.getall("X-Forwarded-Proto") == [proto]
    assert sent.getall("MS-ASPNETCORE-TOKEN") == ["secret"]
    assert "forged" not in sent.values()
    assert headers["X-Forwarded-For"] == "203.0.113.9:4242"


def test_version_2_without_a_token_sends_none() -> None:
    """An IPv6 peer is in brackets."""
    sent = httpplatform_headers(CIMultiDict({"MS-ASPNETCORE-TOKEN": "forged"}), 2, "::1", 5555)
    assert dict(sent) == {"X-Forwarded-For": "[::1]:5555", "X-Forwarded-Proto": "http"}


@pytest.mark.parametrize("version", [1, 2])
def test_an_upgrade_keeps_its_connection_header(version: int) -> None:
    """Otherwise the child would not recognise it as an upgrade."""
    headers = applied([], websocket=True)
    assert httpplatform_headers(headers, version, "127.0.0.1", 5555)["Connection"] == "Upgrade"
