"""Forms of the headers that a front end or an attacker sends, and what an app must see of each.

`FORMS` are the header lines. `expect` is an independent oracle: it implements the rules of the
README, parses addresses with `ipaddress`, and uses nothing of the package under test.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass, field

__all__ = ["FORMS", "MODES", "PEER", "SITE", "Expected", "Form", "Mode", "expect", "key"]

SITE = "site.azurewebsites.net"
PEER = "127.0.0.1"
CLIENT = "203.0.113.7"
FRONT_DOOR = "a0a0a0a0-1111-2222-3333-444444444444"
PLATFORM = {"WEBSITE_SITE_NAME": "site", "WEBSITE_INSTANCE_ID": "0a1b2c3d4e"}

Lines = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Form:
    """The header lines of one request; a form without Host gets the site's own."""

    name: str
    lines: Lines


@dataclass(frozen=True)
class Mode:
    """How a server is started: its variables, and what they mean."""

    variables: dict[str, str]
    trusted: bool = True
    inert: bool = False
    hops: int = 1
    client_header: str = ""
    host_header: str = ""
    front_door: str = ""
    arr_ssl: bool = True


MODES = {
    "trusted": Mode(PLATFORM),
    "untrusted": Mode({**PLATFORM, "APPSVC_TRUSTED_PROXIES": "192.0.2.1"}, trusted=False),
    "chosen": Mode(
        {
            **PLATFORM,
            "APPSVC_FORWARDED_HOPS": "2",
            "APPSVC_CLIENT_HEADER": "CF-Connecting-IP",
            "APPSVC_HOST_HEADER": "X-Original-Host",
            "APPSVC_FRONT_DOOR_ID": FRONT_DOOR,
        },
        hops=2,
        client_header="HTTP_CF_CONNECTING_IP",
        host_header="HTTP_X_ORIGINAL_HOST",
        front_door=FRONT_DOOR,
    ),
    "at-home": Mode({"APPSVC_TRUSTED_PROXIES": PEER}, arr_ssl=False),
    "inert": Mode({}, inert=True),
}

ADDRESS = (
    "Client-IP X-Client-IP X-Cluster-Client-Ip X-Envoy-External-Address X-Originating-IP "
    "X-ProxyUser-Ip X-Real-IP X-Remote-Addr X-Remote-IP"
).split()
WORDS = "X-AppService-Proto X-Forwarded-Protocol X-Forwarded-Scheme X-Scheme X-Url-Scheme".split()
SWITCHES = "Front-End-Https X-Forwarded-Https X-Forwarded-Ssl".split()
GONE = (
    "Forwarded Forwarded-For X-Forwarded X-Forwarded-Host X-Forwarded-Server X-Host "
    "X-Original-For X-Original-Forwarded-For X-Original-Host X-Original-Proto"
).split()
CDN = (
    "CDN-Src-IP CF-Connecting-IP CF-Connecting-IPv6 CloudFront-Viewer-Address DO-Connecting-IP "
    "Fastly-Client-IP Fly-Client-IP Incap-Client-IP True-Client-IP X-Appengine-User-IP "
    "X-Azure-ClientIP X-Azure-SocketIP X-Nf-Client-Connection-IP X-Sucuri-ClientIP"
).split()
OTHERS = (
    "Disguised-Host X-ARR-SSL X-ARR-ClientCert X-Azure-FDID X-Azure-Ref X-Client-Port "
    "X-Forwarded-For X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-Proto X-Forwarded-TlsVersion "
    "X-Original-URL X-Rewrite-URL X-WAWS-Unencoded-URL"
).split()
IDENTITY = "X-MS-Client-Principal X-MS-Client-Principal-Id X-MS-Token-Aad-Id-Token".split()
PLAIN = "X-ARR-Log-Id X-Request-Id Via Accept".split()


def key(name: str) -> str:
    """Return a header's name as WSGI spells it."""
    return "HTTP_" + name.upper().replace("-", "_")


ADDRESS_KEYS = {key(name) for name in ADDRESS}
WORD_KEYS = {key(name) for name in WORDS}
SWITCH_KEYS = {key(name) for name in SWITCHES}
GONE_KEYS = {key(name) for name in GONE}
IDENTITY_KEYS = {key(name) for name in IDENTITY}
UNTRUSTED_KEYS = {key(name) for name in (*ADDRESS, *WORDS, *SWITCHES, *GONE, *CDN, *OTHERS)}

ADDRESSES = [
    *("203.0.113.7", "203.0.113.7:51234", "203.0.113.7:1", "203.0.113.7:65535", "10.0.0.9:5"),
    *("[2001:db8::7]:443", "[2001:DB8:0::7]", "2001:db8::7", "::ffff:203.0.113.7", "::1"),
    *("6.6.6.6, 203.0.113.7:5", "6.6.6.6,203.0.113.7", "6.6.6.6, 7.7.7.7, 203.0.113.7:5"),
    *("203.0.113.7:5, 10.0.0.4:80", "6.6.6.6, 203.0.113.7:5, 10.0.0.4:80", "203.0.113.7:5,"),
    *(",203.0.113.7", ", ,", ",", "203.0.113.7 ", "unknown", "_hidden", "01.2.3.4", "1.2.3"),
    *("256.1.1.1", "203.0.113.7:0", "203.0.113.7:65536", "203.0.113.7:", "203.0.113.7:8x"),
    *("203.0.113.7:080", "[203.0.113.7]:80", "[2001:db8::7", "2001:db8::7]", "fe80::1%eth0"),
    *('"203.0.113.7"', "for=203.0.113.7", "<script>", "203.0.113.7;203.0.113.8", "0x7f000001"),
    *("2130706433", "203.0.113.7 203.0.113.8", "[::ffff:203.0.113.7]:9", "1:2:3", "\xff"),
    *("127.0.0.1", "169.254.1.1"),
]  # fmt: skip
SCHEMES = [
    *("https", "http", "HTTPS", "Https", "https ", "https,https", "https, http", "http, https"),
    *("https,", ",https", ",", '"https"', "https;q=1", "httpsx", "xhttps", "ht tps", "ftp", "wss"),
    *("https, https, http", "http, https, http", "https,http,http", "on", "1", "ssl", "\xa0https"),
    *("https http", "https\x09", "https,HTTPS", "https, https", "http,http,https"),
]  # fmt: skip
GOOD_HOSTS = ["www.example.com", "shop.example:8443", "[2001:db8::1]:8", "203.0.113.9"]
BAD_HOSTS = ["a@b", "x:99999", "a,b", "a b", "http://a", "a/b", "a..b", "-a.example", "[::1", ""]


def _forms() -> list[Form]:
    made: list[Form] = []

    def add(kind: str, *lines: tuple[str, str]) -> None:
        made.append(Form(f"{kind}-{len(made)}", lines))

    https = ("X-Forwarded-Proto", "https")
    one = ("X-Forwarded-For", f"{CLIENT}:51234")
    two = ("X-Forwarded-For", f"{CLIENT}:5, 10.0.0.4:80")
    for value in ADDRESSES:
        line = ("X-Forwarded-For", value)
        add("for", line)
        add("for-last", https, ("X-Forwarded-For", "6.6.6.6"), line)
        add("for-first", https, line, one)
        add("for-underscored", https, one, ("X_Forwarded_For", value))
        add("cdn", https, two, ("CF-Connecting-IP", value))
    for value in SCHEMES:
        line = ("X-Forwarded-Proto", value)
        add("proto", line, one)
        add("proto-arr", line, two, ("X-ARR-SSL", "2048|256|CN=x"))
        add("proto-last", https, line)
        add("proto-underscored", one, ("X_Forwarded_Proto", value), ("X_ARR_SSL", "x"))
    for name in (*ADDRESS, *WORDS, *SWITCHES, *GONE, *CDN, *OTHERS, *IDENTITY, *PLAIN):
        if name in ("X-Forwarded-For", "X-Forwarded-Proto"):
            continue
        add("alone", (name, "6.6.6.6"))
        add("beside", https, one, (name, "6.6.6.6"))
        add("twice", two, (name, "https"), (name.lower(), "6.6.6.6"))
        add("underscored", https, two, (name.replace("-", "_"), "6.6.6.6"))
    for value in (*GOOD_HOSTS, *BAD_HOSTS):
        add("host-original", https, two, ("X-Original-Host", value))
        add("host-forwarded", two, ("X-Forwarded-Host", value), ("X-Forwarded-Port", "6666"))
        add("host-door", https, ("X-Forwarded-For", f"{CLIENT}, 198.51.100.3, 10.0.0.4:80"),
            ("X-Azure-FDID", FRONT_DOOR), ("X-Forwarded-Host", value))  # fmt: skip
        add("host-other-door", https, two, ("X-Azure-FDID", "b0"), ("X-Forwarded-Host", value))
    for value in GOOD_HOSTS:
        add("host", https, one, ("Host", value), ("X-Forwarded-Port", "1"))
    chance = random.Random(18)
    names = {*ADDRESS, *WORDS, *SWITCHES, *GONE, *CDN, *OTHERS, *PLAIN} - {"X-Original-Host"}
    for _ in range(80):
        picked = chance.sample(sorted(names), 5)
        lines = [(name, chance.choice([*ADDRESSES, *SCHEMES, "6.6.6.6"])) for name in picked]
        add("mixed", *lines)
    return made


FORMS = _forms()


@dataclass
class Expected:
    """What an app must see: the decision, and the headers in WSGI's spelling."""

    scheme: str
    client: str
    port: int | None
    host: str
    headers: dict[str, str] = field(default_factory=dict)


def expect(form: Form, mode: Mode, *, peer: str = PEER, cgi: bool = False) -> Expected:
    """Return what an app must see of a form.

    With `cgi` the server cannot distinguish `_` from `-`.
    """
    came: dict[str, str] = {"HTTP_HOST": SITE}
    for name, value in form.lines:
        if name == "Host":
            came["HTTP_HOST"] = value
        elif cgi or "_" not in name:
            text = value.strip(" \t")
            came[key(name)] = f"{came[key(name)]},{text}" if key(name) in came else text
    if mode.inert:
        kept = {name: text for name, text in came.items() if name not in IDENTITY_KEYS}
        return Expected("http", peer, None, came["HTTP_HOST"], kept)
    if not mode.trusted:
        gone = UNTRUSTED_KEYS | IDENTITY_KEYS
        kept = {name: text for name, text in came.items() if name not in gone}
        return Expected("http", peer, None, came["HTTP_HOST"], kept)
    hops, host_header = mode.hops, mode.host_header
    if mode.front_door and came.get("HTTP_X_AZURE_FDID", "").strip().lower() == mode.front_door:
        hops, host_header = hops + 1, "HTTP_X_FORWARDED_HOST"
    scheme = _scheme(came, hops, mode)
    client = _client(came, hops, mode)
    host = came["HTTP_HOST"]
    if came.get(host_header, "") in (*GOOD_HOSTS, "6.6.6.6"):
        host = came[host_header]
    else:
        host_header = ""
    seen = _headers(came, scheme, client, host, host_header, mode)
    address, port = client or (peer, None)
    return Expected(scheme, address, port, host, seen)


def _scheme(came: dict[str, str], hops: int, mode: Mode) -> str:
    proto = came.get("HTTP_X_FORWARDED_PROTO")
    if proto is None:
        return "https" if mode.arr_ssl and came.get("HTTP_X_ARR_SSL") else "http"
    words = [word.strip(" \t").lower() for word in proto.split(",")]
    counted = words[: max(len(words) - hops + 1, 1)]
    return "https" if set(counted) == {"https"} else "http"


def _client(came: dict[str, str], hops: int, mode: Mode) -> tuple[str, int | None] | None:
    named = _endpoint(came.get(mode.client_header, ""))
    if named is not None:
        return named
    entries = came.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return _endpoint(entries[-hops]) if len(entries) >= hops else None


def _endpoint(text: str) -> tuple[str, int | None] | None:
    text, port = text.strip(" \t"), ""
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in text:
            return None
        port = rest
    elif text.count(":") == 1:
        text, _, number = text.partition(":")
        port = f":{number}"
        if ":" in text:
            return None
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    number = port[1:]
    if port and not (number.isascii() and number.isdigit() and number == str(int(number))):
        return None
    if port and not 0 < int(number) < 65_536:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address), int(number) if port else None


def _headers(
    came: dict[str, str],
    scheme: str,
    client: tuple[str, int | None] | None,
    host: str,
    host_header: str,
    mode: Mode,
) -> dict[str, str]:
    seen = {"HTTP_HOST": host, "HTTP_X_FORWARDED_PROTO": scheme}
    if client:
        seen["HTTP_X_FORWARDED_FOR"] = client[0]
    for name, text in came.items():
        if name in ADDRESS_KEYS:
            if client:
                seen[name] = client[0]
        elif name in WORD_KEYS:
            seen[name] = scheme
        elif name in SWITCH_KEYS:
            seen[name] = "on" if scheme == "https" else "off"
        elif name == "HTTP_X_CLIENT_PORT":
            if client and client[1]:
                seen[name] = str(client[1])
        elif name == "HTTP_X_FORWARDED_PORT":
            port = host.rpartition(":")[2] if not host.endswith("]") and ":" in host else ""
            seen[name] = port or ("443" if scheme == "https" else "80")
        elif name == "HTTP_X_ARR_SSL":
            if scheme == "https" and mode.arr_ssl:
                seen[name] = text
        elif name not in GONE_KEYS | IDENTITY_KEYS | seen.keys() or name == host_header:
            seen.setdefault(name, text) if name != "HTTP_X_FORWARDED_FOR" else None
    return seen
