"""Properties for all headers: no exception is raised, and no untrusted peer has any effect."""

from __future__ import annotations

import ipaddress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.azure import names
from appsvc_runtime.middleware import forwarded
from tests.support.wsgi import APP_SERVICE, HTTP_PLATFORM, Recorder, make_environ

NAMES = [
    *sorted(names.FORWARDED_HEADERS),
    "HTTP_HOST",
    "HTTP_X_ARR_LOG_ID",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_MS_CLIENT_PRINCIPAL",
    "HTTP_X_MS_TOKEN_AAD_ID_TOKEN",
    "REMOTE_PORT",
    "HTTPS",
    "wsgi.url_scheme",
]
# Combinations of pieces of real values find more faults than random text does.
PIECES = st.sampled_from(
    ["https", "http", ",", ", ", ":", "[", "]", "%", "1.2.3.4", "203.0.113.7:51234", "2001:db8::1",
     "::ffff:1.2.3.4", "10.0.0.1", "a.example", "@", '"', " ", "\t", "\x00", "\xff", "65536", "0"]
)  # fmt: skip
LATIN_1 = st.text(st.characters(max_codepoint=255), max_size=60)
VALUES = st.lists(PIECES | LATIN_1, max_size=6).map("".join)
HEADERS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)
ADDRESSES = st.ip_addresses().map(str) | VALUES
SITES = st.sampled_from(
    [
        APP_SERVICE,
        HTTP_PLATFORM,
        {**APP_SERVICE, "APPSVC_FRONT_DOOR_ID": "1.2.3.4", "APPSVC_FORWARDED_HOPS": "3"},
        {**APP_SERVICE, "APPSVC_HOST_HEADER": "X-Original-Host", "APPSVC_HTTPS_ONLY": "1"},
        {"APPSVC_TRUSTED_PROXIES": "203.0.113.0/24"},
    ]
)


def run(headers: dict[str, str], peer: str, site: dict[str, str]) -> dict[str, Any] | None:
    """Return the environ that the app saw, or None if it was not called."""
    recorder = Recorder()
    middleware = AppServiceMiddleware(recorder, environ=site)
    middleware(make_environ({}, REMOTE_ADDR=peer, **headers), lambda *_: None)  # type: ignore[arg-type, return-value]
    return recorder.environ or None


@given(HEADERS, ADDRESSES, SITES)
def test_never_raises_and_always_decides(
    headers: dict[str, str], peer: str, site: dict[str, str]
) -> None:
    """All values for the scheme agree, and the client is an address or the peer."""
    seen = run(headers, peer, site)
    if seen is None:
        return
    info = seen["appsvc.request"]
    assert seen["wsgi.url_scheme"] in ("http", "https")
    assert info.scheme == seen["wsgi.url_scheme"]
    assert seen["HTTPS"] == ("on" if info.is_secure else "off")
    assert seen.get("HTTP_X_FORWARDED_PROTO", info.scheme) == info.scheme
    if info.client_address != peer:
        assert str(ipaddress.ip_address(info.client_address)) == info.client_address
    assert info.client_port is None or info.client_port >= 0
    for name in (names.FORWARDED_FOR, *names.ADDRESS_HEADERS):
        assert seen.get(name, info.client_address) == info.client_address
    for name, values in names.SCHEME_HEADERS.items():
        assert seen.get(name, values[info.is_secure]) == values[info.is_secure]
    assert seen.get("HTTP_X_CLIENT_PORT", str(info.client_port)) == str(info.client_port)
    assert info.is_secure or "HTTP_X_ARR_SSL" not in seen


@given(HEADERS, ADDRESSES, SITES, SITES)
def test_a_second_middleware_has_the_last_word(
    headers: dict[str, str], peer: str, outer: dict[str, str], inner: dict[str, str]
) -> None:
    """The first decision has no effect, except that a path may already be decoded."""

    def through(*sites: dict[str, str]) -> dict[str, Any]:
        recorder = Recorder()
        wrapped: Any = recorder
        for site in sites:
            site = {name: value for name, value in site.items() if name != "APPSVC_HTTPS_ONLY"}
            wrapped = AppServiceMiddleware(wrapped, environ=site)
        wrapped(make_environ({}, REMOTE_ADDR=peer, **headers), lambda *_: None)
        seen = {name: v for name, v in recorder.environ.items() if isinstance(v, str)}
        return {**seen, "request": repr(recorder.environ["appsvc.request"])}

    assert through(inner, outer) == through(inner)


@given(HEADERS, st.ip_addresses(v=4, network="198.51.100.0/24").map(str), SITES)
def test_an_untrusted_peer_is_never_believed(
    headers: dict[str, str], peer: str, site: dict[str, str]
) -> None:
    """Scheme and client are what the server saw, and no header of a front end is left."""
    headers = {k: v for k, v in headers.items() if k not in ("HTTPS", "wsgi.url_scheme")}
    seen = run(headers, peer, site)
    if seen is None:  # redirected to https, which is right for a plain request
        assert site.get("APPSVC_HTTPS_ONLY")
        return
    assert seen["wsgi.url_scheme"] == "http"
    assert seen["REMOTE_ADDR"] == peer
    assert not [
        key
        for key in seen
        if key in names.FORWARDED_HEADERS or key.startswith(names.FORWARDED_PREFIXES)
    ]


@given(st.lists(VALUES.filter(lambda v: "," not in v), max_size=5), st.ip_addresses())
def test_what_visitors_prepend_changes_nothing(forged: list[str], client: Any) -> None:
    """The front end appends: the client is the last entry, whatever comes before it."""
    entry = f"[{client}]:9" if client.version == 6 else f"{client}:9"
    found = forwarded.read_client(", ".join([*forged, entry]), 1)
    mapped = getattr(client, "ipv4_mapped", None)
    assert found == (str(mapped or client), "9")


@given(st.text(), st.integers(1, 5))
def test_readers_never_raise(text: str, hops: int) -> None:
    """This includes text that no server would pass on."""
    assert forwarded.read_scheme(text, hops) in ("http", "https")
    forwarded.read_client(text, hops)
    host = forwarded.read_host(text)
    assert host is None or (host.value == text and text.isascii())


@given(st.ip_addresses())
def test_addresses_are_canonical(address: Any) -> None:
    """Each address has one spelling, the shortest."""
    expected = str(getattr(address, "ipv4_mapped", None) or address)
    assert forwarded.read_address(str(address)) == expected
    assert forwarded.read_address(address.exploded) == expected
