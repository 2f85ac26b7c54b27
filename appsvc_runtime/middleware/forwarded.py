"""Parses forwarded headers: scheme, client and host; and decides which peers are trusted.

Pure: strings in, values out; no function here raises for any header. Must not know of WSGI, sockets
or the process's environment. Lists are read by *hops*, counted from the right: each proxy appends
the peer that it saw, so the entry of the outermost trusted proxy is the `hops`-th from the right,
and the client may have written all entries left of it. A list of addresses that is shorter names no
client: a client that bypassed the outer proxy could have written its first entry.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

__all__ = [
    "HostHeader",
    "TrustedPeers",
    "last_hop",
    "read_address",
    "read_client",
    "read_endpoint",
    "read_host",
    "read_scheme",
]

_BLANKS = " \t"

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
# Not a repeated group, which is slower.
_IPV4 = rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}"
# 1 to 65535, so that a match needs no further check.
_PORT = (
    r"(?:[1-5][0-9]{0,4}|[1-9][0-9]{0,3}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)

# The only form that App Service sends: canonical already, so that a match needs no more parsing.
_ipv4_client = re.compile(rf"({_IPV4})(?::({_PORT}))?").fullmatch
_IPV4_ONLY = re.compile(_IPV4)
_BRACKETED = re.compile(rf"\[([0-9A-Fa-f:.]+)\](?::({_PORT}))?")
# Zone ids and very long texts do not match, so that `ipaddress` never gets them.
_IPV6_SHAPE = re.compile(r"[0-9A-Fa-f:.]{2,45}")

# Letters, digits, hyphens and underscores, which browsers send and Django accepts, with the lengths
# of RFC 1035.
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(
    rf"(?P<name>{_LABEL}(?:\.{_LABEL})*\.?|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::(?P<port>{_PORT}))?"
)
_MAX_HOST = 253
# No chain of proxies is longer; the rest stays one string, which is not a scheme.
_MAX_EXTRA = 64


class HostHeader(NamedTuple):
    """A Host header's `value`, the `name` in it, and the `port` in it or None."""

    value: str
    name: str
    port: int | None


def last_hop(value: str, hops: int) -> str:
    """Return the `hops`-th entry from the right of a comma-separated list; "" if it is shorter.

    The outermost of `hops` trusted proxies wrote that entry.
    """
    entries = value.rsplit(",", hops)
    return entries[-hops].strip(_BLANKS) if len(entries) >= hops else ""


def read_scheme(value: str, hops: int) -> str:
    """Return "https" or "http" by the `hops`-th entry from the right of `X-Forwarded-Proto`.

    With two hops `https, http` is https: the second proxy saw plain http from the first. In a
    shorter list the first entry counts, because front ends overwrite this header rather than append
    to it. Entries left of the trusted ones are duplicates of the header or come from the client; if
    they differ from the trusted one, the scheme is http.
    """
    entries = value.lower().rsplit(",", hops)
    if len(entries) <= hops:
        extra, entry = "", entries[0]
    else:
        extra, entry = entries[0], entries[1]
    if entry.strip(_BLANKS) != "https":
        return "http"
    if len(entries) > hops and any(
        word.strip(_BLANKS) != "https" for word in extra.split(",", _MAX_EXTRA)
    ):
        return "http"
    return "https"


def read_address(text: str) -> str | None:
    """Return the canonical form of an IPv4 or IPv6 address, or None.

    An IPv4-mapped IPv6 address becomes the IPv4 address. Addresses with leading zeros (octal to
    some programs) or zone ids (only meaningful on one machine) are not accepted.
    """
    return text if _IPV4_ONLY.fullmatch(text) else _read_ipv6(text)


def _read_ipv6(text: str) -> str | None:
    return _parse_ipv6(text) if _IPV6_SHAPE.fullmatch(text) else None


@functools.lru_cache(maxsize=1024)  # only for short texts, so that no client can make it grow
def _parse_ipv6(text: str) -> str | None:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return str(address.ipv4_mapped or address)


def read_client(value: str | None, hops: int) -> tuple[str, str | None] | None:
    """Return the client in `X-Forwarded-For`: its canonical address, and its port or None.

    None if the header is missing, has fewer entries than `hops`, or names no valid address.
    """
    if value is None:
        return None
    match = _ipv4_client(value) if hops == 1 else None
    if match is not None:  # the usual case: one entry, which need not be split
        return match.groups()  # type: ignore[return-value]
    return read_endpoint(last_hop(value, hops))


def read_endpoint(entry: str) -> tuple[str, str | None] | None:
    """Return the address and port in one entry, which may have blanks around it.

    Accepts `1.2.3.4`, `1.2.3.4:5678` (as App Service writes it), `[2001:db8::1]:443`,
    `[2001:db8::1]` and `2001:db8::1`. The result for any other text is None.
    """
    entry = entry.strip(_BLANKS)
    match = _ipv4_client(entry)
    if match is not None:
        return match.groups()  # type: ignore[return-value]
    match = _BRACKETED.fullmatch(entry)
    address = _read_ipv6(match[1] if match else entry)
    return None if address is None else (address, match[2] if match else None)


def read_host(value: str) -> HostHeader | None:
    """Return a host with or without a port; None if it is invalid (`a@b`, `x:99999`, `a,b`)."""
    # 8 more characters for a port and brackets; the pattern is not tried on a text of 60 KB.
    match = _HOST.fullmatch(value) if len(value) <= _MAX_HOST + 8 else None
    if match is None or len(match["name"]) > _MAX_HOST:
        return None
    if match["ipv6"] is not None and _read_ipv6(match["ipv6"]) is None:
        return None
    return HostHeader(value, match["name"], int(match["port"]) if match["port"] else None)


class TrustedPeers:
    """The trusted peers; `address in peers` is whether one is trusted.

    `networks` are addresses (`10.0.0.4`), networks (`10.0.0.0/8`) and `*` for every peer, even one
    without an address (a Unix socket), as an iterable or as one comma-separated string. Raises
    ConfigError for any other entry.
    """

    def __init__(self, networks: Iterable[str] | str) -> None:
        words = networks.split(",") if isinstance(networks, str) else networks
        self.everyone = False
        self._networks: list[Network] = []
        for number, word in enumerate(words, 1):
            self._add(str(word).strip(), number)

    def _add(self, word: str, number: int) -> None:
        if word == "*":
            self.everyone = True
        elif word:
            try:
                self._networks.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                raise ConfigError(
                    f"Entry {number} of the trusted proxies is neither an address, a network nor "
                    "*.",
                    hint="Write APPSVC_TRUSTED_PROXIES like 10.0.0.4,192.168.0.0/16.",
                ) from None

    def __contains__(self, address: object) -> bool:
        if self.everyone:
            return True
        canonical = read_address(address) if isinstance(address, str) else None
        if canonical is None:
            return False
        parsed = ipaddress.ip_address(canonical)
        return any(parsed in network for network in self._networks)
