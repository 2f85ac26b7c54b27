"""The public name at a local address: what is translated, and what never is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from appsvc_runtime.emulator.frontend.public_name import NEEDS_HTTPS, PublicName

NAME = "site.azurewebsites.net"
HTTP = PublicName(NAME, http_port=8000)
HTTPS = PublicName(NAME, https_port=8443)
BOTH = PublicName(NAME, http_port=8000, https_port=8443)
KINDS = {"http": HTTP, "https": HTTPS, "both": BOTH}


def inward(name: str, value: str, public: PublicName = BOTH) -> str:
    """Return one header of a request after translation."""
    headers = CIMultiDict({name: value})
    public.inward(headers)
    return headers[name]


def outward(
    name: str, value: str, public: PublicName = BOTH, asked: str = "127.0.0.1", secure: bool = False
) -> str | None:
    """Return one header of a response after translation."""
    headers = CIMultiDict({name: value})
    public.outward(headers, asked, secure=secure)
    return headers.get(name)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "[::1]", NAME])
@pytest.mark.parametrize(("scheme", "port"), [("http", 8000), ("https", 8443)])
def test_the_local_address_becomes_the_public_name(host: str, scheme: str, port: int) -> None:
    """This applies to Host, Origin and Referer; the requested host is returned."""
    origin = f"{scheme}://{host}:{port}"
    headers = CIMultiDict({"Host": f"{host}:{port}", "Origin": origin, "Referer": f"{origin}/a?b"})
    assert BOTH.inward(headers) == host.lower()
    assert dict(headers) == {
        "Host": NAME,
        "Origin": f"{scheme}://{NAME}",
        "Referer": f"{scheme}://{NAME}/a?b",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("http://localhost:8000", f"http://{NAME}", id="bare"),
        pytest.param("http://localhost:8000?q", f"http://{NAME}?q", id="query"),
        pytest.param("HTTP://LOCALHOST:8000/A", f"http://{NAME}/A", id="capitals"),
    ],
)
def test_referers(value: str, expected: str) -> None:
    """Only the origin is replaced."""
    assert inward("Referer", value) == expected


FOREIGN = [
    pytest.param("http://localhost", id="no-port"),
    pytest.param("http://localhost:80", id="other-port"),
    pytest.param("https://localhost:8000", id="other-scheme"),
    pytest.param("http://localhost:80000/", id="longer-port"),
    pytest.param("http://localhost:8000.evil.example/", id="name-that-begins-like-it"),
    pytest.param("http://localhost:8000@evil.example/", id="userinfo"),
    pytest.param("http://localhost:8000\\@evil.example/", id="backslash"),
    pytest.param("http://evil.example/http://localhost:8000", id="inside"),
    pytest.param("ftp://localhost:8000/", id="ftp"),
    pytest.param("null", id="null"),
    pytest.param("", id="empty"),
    pytest.param(f"https://{NAME}", id="public-already"),
]


@pytest.mark.parametrize("value", FOREIGN)
def test_foreign_origins_stay(value: str) -> None:
    """They stay unchanged, also if they look similar."""
    assert inward("Origin", value) == inward("Referer", value) == value


@pytest.mark.parametrize(
    "host", ["", "localhost", "localhost:1", "evil.example", "127.0.0.1:8000.evil", "::1:8000"]
)
def test_foreign_hosts_stay(host: str) -> None:
    """A client that requests another name gets untranslated responses."""
    headers = CIMultiDict({"Host": host})
    assert BOTH.inward(headers) == ""
    assert headers["Host"] == host
    headers = CIMultiDict({"Location": f"http://{NAME}/"})
    assert BOTH.outward(headers, "", secure=False) == ""
    assert headers["Location"] == f"http://{NAME}/"


def test_default_ports_need_not_be_written() -> None:
    """Browsers leave them out."""
    public = PublicName(NAME, http_port=80, https_port=443)
    assert inward("Host", "localhost", public) == NAME
    assert inward("Origin", "https://localhost", public) == f"https://{NAME}"
    assert outward("Location", f"https://{NAME}/a", public) == "https://127.0.0.1/a"
    assert outward("Location", f"http://{NAME}/a", public) == "http://127.0.0.1/a"


def test_other_names_of_this_machine() -> None:
    """Given names count like localhost."""
    public = PublicName(NAME, http_port=8000, hosts=["Laptop.local"])
    headers = CIMultiDict({"Host": "laptop.local:8000"})
    assert public.inward(headers) == "laptop.local"
    assert outward("Location", f"http://{NAME}/", public, "laptop.local") == (
        "http://laptop.local:8000/"
    )


LOCATIONS = [
    pytest.param("http", "http://{}/a", "http://127.0.0.1:8000/a", id="http"),
    pytest.param("http", "https://{}/a", "https://127.0.0.1:8000/a", id="http-to-https"),
    pytest.param("https", "https://{}/a", "https://127.0.0.1:8443/a", id="https"),
    pytest.param("https", "http://{}/a", "https://127.0.0.1:8443/a", id="https-to-http"),
    pytest.param("both", "http://{}/a", "http://127.0.0.1:8000/a", id="both-to-http"),
    pytest.param("both", "https://{}/a", "https://127.0.0.1:8443/a", id="both-to-https"),
    pytest.param("http", "//{}/a", "//127.0.0.1:8000/a", id="no-scheme"),
    pytest.param("http", "http://{}", "http://127.0.0.1:8000", id="no-path"),
    pytest.param("http", "http://{}?a#b", "http://127.0.0.1:8000?a#b", id="query"),
    pytest.param("http", "HTTP://SITE.AzureWebsites.NET/A", "http://127.0.0.1:8000/A", id="case"),
    pytest.param("http", "http://{}:80/a", "http://127.0.0.1:8000/a", id="default-port"),
    pytest.param("both", "https://{}:443/a", "https://127.0.0.1:8443/a", id="default-tls-port"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), LOCATIONS)
def test_locations_lead_to_the_local_address(kind: str, value: str, expected: str) -> None:
    """They have the requested host, and the port of the scheme."""
    for name in ("Location", "Content-Location"):
        assert outward(name, value.format(NAME), KINDS[kind]) == expected, name


def test_a_location_without_a_scheme_is_of_the_pages() -> None:
    """Over https it has the https port."""
    assert outward("Location", f"//{NAME}/a", BOTH, secure=True) == "//127.0.0.1:8443/a"
    assert outward("Location", f"//{NAME}/a", BOTH, secure=False) == "//127.0.0.1:8000/a"


@pytest.mark.parametrize(
    ("kind", "value", "note"),
    [
        pytest.param("http", f"https://{NAME}/", NEEDS_HTTPS, id="no-https"),
        pytest.param("http", f"http://{NAME}/", "", id="http"),
        pytest.param("both", f"https://{NAME}/", "", id="https-there"),
        pytest.param("http", "https://evil.example/", "", id="elsewhere"),
    ],
)
def test_a_redirect_to_https_where_there_is_none_is_said(kind: str, value: str, note: str) -> None:
    """The browser fails at once, and the log has the reason; with http it would loop."""
    headers = CIMultiDict({"Location": value})
    assert KINDS[kind].outward(headers, "127.0.0.1", secure=False) == note


ELSEWHERE = [
    pytest.param("/a", id="path"),
    pytest.param("a?b", id="relative"),
    pytest.param("", id="empty"),
    pytest.param("https://evil.example/", id="other-host"),
    pytest.param(f"https://{NAME}.evil.example/", id="name-that-begins-like-it"),
    pytest.param(f"https://evil{NAME}/", id="name-that-ends-like-it"),
    pytest.param(f"https://x.{NAME}/", id="subdomain"),
    pytest.param("https://siteXazurewebsites.net/", id="dot-is-a-dot"),
    pytest.param(f"https://{NAME}@evil.example/", id="as-userinfo"),
    pytest.param(f"https://{NAME}:443@evil.example/", id="as-userinfo-with-password"),
    pytest.param(f"https://user@{NAME}/", id="with-userinfo"),
    pytest.param(f"https://{NAME}\\@evil.example/", id="backslash"),
    pytest.param(f"https://{NAME}:8443/", id="other-port"),
    pytest.param(f"http://{NAME}:443/", id="port-of-the-other-scheme"),
    pytest.param(f"https://{NAME}./", id="trailing-dot"),
    pytest.param(f"ftp://{NAME}/", id="ftp"),
    pytest.param(f"https:{NAME}/", id="no-slashes"),
    pytest.param(f"https:///{NAME}/", id="three-slashes"),
    pytest.param(f"https://evil.example/?next=https://{NAME}/", id="in-a-query"),
    pytest.param(f"https://{NAME}\udce9/", id="malformed"),
]


@pytest.mark.parametrize("value", ELSEWHERE)
def test_what_is_not_the_site_stays(value: str) -> None:
    """It stays unchanged, also if it looks similar, in each header that names the site."""
    for name in ("Location", "Content-Location", "Access-Control-Allow-Origin"):
        assert outward(name, value) == value, name


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(f"5; url=http://{NAME}/a", "5; url=http://127.0.0.1:8000/a", id="plain"),
        pytest.param(f"0;URL='https://{NAME}'", "0;URL='https://127.0.0.1:8443'", id="quoted"),
        pytest.param(f"5; url=http://{NAME}.evil/", f"5; url=http://{NAME}.evil/", id="other"),
        pytest.param("5", "5", id="no-url"),
    ],
)
def test_refreshes(value: str, expected: str) -> None:
    """They are translated like Location."""
    assert outward("Refresh", value) == expected


def test_links() -> None:
    """Each link in each of the headers is translated."""
    headers = CIMultiDict(
        [
            ("Link", f"<http://{NAME}/2>; rel=next, <https://cdn.example/{NAME}>"),
            ("Link", f"<//{NAME}>"),
        ]
    )
    BOTH.outward(headers, "localhost", secure=False)
    assert headers.getall("Link") == [
        f"<http://localhost:8000/2>; rel=next, <https://cdn.example/{NAME}>",
        "<//localhost:8000>",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(f"a=b; Domain={NAME}; Path=/", "a=b; Path=/", id="domain"),
        pytest.param(f"a=b;domain = .{NAME.upper()} ;Secure", "a=b;Secure", id="dot-and-case"),
        pytest.param("a=b; Domain=azurewebsites.net", None, id="everybodys"),
        pytest.param(f"a=b; Domain=x.{NAME}", None, id="subdomain"),
        pytest.param("a=b; Domain=evil.example", None, id="other"),
        pytest.param("a=b; Domain=net", None, id="top"),
        pytest.param("a=b; Domain=", None, id="empty"),
        pytest.param(f"Domain={NAME}; Secure", None, id="as-a-cookie"),
        pytest.param(f"a=b; x=Domain={NAME}", None, id="in-a-value"),
        pytest.param("a=b; Secure; HttpOnly; SameSite=None", None, id="no-domain"),
    ],
)
def test_cookies_become_the_local_hosts(value: str, expected: str | None) -> None:
    """This applies to those that name the site; Secure stays, as do other domains."""
    assert outward("Set-Cookie", value) == (value if expected is None else expected)


def test_a_parent_domains_cookies_are_the_sites_too() -> None:
    """This applies if the site has a custom name."""
    public = PublicName("www.example.com", http_port=8000)
    assert outward("Set-Cookie", "a=b; Domain=example.com", public) == "a=b"
    assert outward("Set-Cookie", "a=b; Domain=ample.com", public) == "a=b; Domain=ample.com"


def test_cookies_keep_their_order() -> None:
    """This includes cookies that change and cookies that do not."""
    headers = CIMultiDict([("Set-Cookie", v) for v in ("a=1", f"b=2; Domain={NAME}", "c=3", "a=4")])
    BOTH.outward(headers, "localhost", secure=False)
    assert headers.getall("Set-Cookie") == ["a=1", "b=2", "c=3", "a=4"]


def test_the_allowed_origin_is_the_local_one() -> None:
    """It is the origin of the client's page."""
    name = "Access-Control-Allow-Origin"
    assert outward(name, f"http://{NAME}") == "http://127.0.0.1:8000"
    assert outward(name, f"https://{NAME}") == "https://127.0.0.1:8443"
    assert outward(name, f"http://{NAME}/") == f"http://{NAME}/"
    assert outward(name, f"//{NAME}") == f"//{NAME}"
    assert outward(name, "*") == "*"


@pytest.mark.parametrize(
    ("asked", "secure", "kept"),
    [
        pytest.param("localhost", True, False, id="name"),
        pytest.param("127.0.0.1", True, True, id="address"),
        pytest.param("[::1]", True, True, id="ipv6-address"),
        pytest.param("localhost", False, True, id="http"),
    ],
)
def test_localhost_is_not_made_https_for_ever(asked: str, secure: bool, kept: bool) -> None:
    """A browser would apply Strict-Transport-Security to localhost at every port."""
    found = outward("Strict-Transport-Security", "max-age=1", BOTH, asked, secure)
    assert (found is not None) == kept


def test_policies_and_other_headers_stay() -> None:
    """They do not depend on the local address."""
    for name in ("Content-Security-Policy", "X-Location", "Content-Type"):
        assert outward(name, f"http://{NAME}/") == f"http://{NAME}/"


def test_raw_translates_nothing() -> None:
    """This applies to both directions."""
    public = PublicName(NAME, http_port=8000, raw=True)
    sent = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}
    headers = CIMultiDict(sent)
    asked = public.inward(headers)
    assert (asked, dict(headers)) == ("", sent)
    answer = CIMultiDict({"Location": f"https://{NAME}/", "Set-Cookie": f"a; Domain={NAME}"})
    before = dict(answer)
    assert public.outward(answer, asked, secure=False) == ""
    assert dict(answer) == before


WORDS = (
    *("http", "https", ":", "//", "/", "@", "\\", "#", "?", ".", NAME, "localhost", "127.0.0.1"),
    *(":8000", ":8443", ":443", "url=", "<", ">", ";", " ", "Domain=", "evil", "\udcff", "\n"),
)
VALUES = st.text() | st.lists(st.sampled_from(WORDS)).map("".join)
IN = ("Host", "Origin", "Referer")
OUT = ("Location", "Content-Location", "Refresh", "Link", "Set-Cookie")
OUT += ("Access-Control-Allow-Origin", "Strict-Transport-Security")


@example(f"https://{NAME}", "both")
@given(VALUES, st.sampled_from(sorted(KINDS)))
def test_nothing_raises(value: str, kind: str) -> None:
    """This holds for any value of any header."""
    for name in IN:
        inward(name, value, KINDS[kind])
    for name in OUT:
        outward(name, value, KINDS[kind])
        outward(name, value, KINDS[kind], "localhost", True)


HOSTS = st.text("az09.-", min_size=1, max_size=12)


@given(HOSTS, st.sampled_from(["", ".", "@", ":1@", "-", "x"]), st.sampled_from(["", "/", "/a?b"]))
def test_foreign_hosts_are_never_translated(host: str, glue: str, rest: str) -> None:
    """A host that begins or ends with the site's own name is another host."""
    for authority in (f"{NAME}{glue}{host}", f"{host}{glue}{NAME}"):
        url = f"http://{authority}{rest}"
        if authority != NAME:
            assert outward("Location", url) == url
    for authority in (f"localhost:8000{glue}{host}", f"{host}{glue}localhost:8000"):
        url = f"http://{authority}{rest}"
        if authority != "localhost:8000":
            assert inward("Referer", url) == url


@pytest.mark.parametrize(
    "origin",
    [f"http://{NAME}", f"https://{NAME}", f"https://{NAME}:443", f"HTTPS://{NAME.upper()}"],
)
def test_the_page_that_really_has_the_public_name(origin: str) -> None:
    """If a browser reports it as another site, its origin becomes null; nothing else is changed."""
    public = PublicName(NAME, http_port=8000)
    sent = {"Host": "127.0.0.1:8000", "Origin": origin, "Referer": f"{origin}/a"}
    headers = CIMultiDict(sent)
    public.inward(headers, foreign=True)
    assert dict(headers) == {"Host": NAME, "Origin": "null"}
    headers = CIMultiDict(sent)
    public.inward(headers)
    assert headers["Origin"] == origin
    for other in ("http://127.0.0.1:9000", "https://evil.example", f"https://{NAME}.evil.example"):
        headers = CIMultiDict({"Host": "127.0.0.1:8000", "Origin": other, "Referer": f"{other}/a"})
        public.inward(headers, foreign=True)
        assert (headers["Origin"], headers["Referer"]) == (other, f"{other}/a")
    headers = CIMultiDict(sent)
    PublicName(NAME, http_port=8000, raw=True).inward(headers, foreign=True)
    assert headers["Origin"] == origin
