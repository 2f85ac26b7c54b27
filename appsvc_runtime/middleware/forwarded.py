"""What a front end reported, read from header values: scheme, client, host, and who may report.

Pure: strings in, values out, and no function here raises on any header. Must not know of WSGI,
sockets or the process's environment. Lists are read by *hops*, counted from the right: each proxy
appends what it saw, so the entry that the outermost trusted proxy wrote is the `hops`-th from the
right, and everything left of it came from the client. A list of addresses that is shorter names no
client: its first entry could be one that a client wrote who went past the outer proxy.
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
# Written out: a repeated group takes longer.
_IPV4 = rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}"
# 1 to 65535, so that a match needs no second look.
_PORT = (
    r"(?:[1-5][0-9]{0,4}|[1-9][0-9]{0,3}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)

# The one shape App Service sends: canonical already, so a match needs no further parsing.
_ipv4_client = re.compile(rf"({_IPV4})(?::({_PORT}))?").fullmatch
_IPV4_ONLY = re.compile(_IPV4)
_BRACKETED = re.compile(rf"\[([0-9A-Fa-f:.]+)\](?::({_PORT}))?")
# Keeps ipaddress from seeing zone ids and very long text.
_IPV6_SHAPE = re.compile(r"[0-9A-Fa-f:.]{2,45}")

# Letters, digits, hyphens and underscores: what browsers send and Django accepts, with the lengths
# of RFC 1035.
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(
    rf"(?P<name>{_LABEL}(?:\.{_LABEL})*\.?|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::(?P<port>{_PORT}))?"
)
_MAX_HOST = 253
# Nobody's chain of proxies is that long; the rest, unsplit, is no scheme.
_MAX_EXTRA = 64


class HostHeader(NamedTuple):
    """A host as a client may write it: the `value` whole, its `name`, and its `port` or None."""

    value: str
    name: str
    port: int | None


def last_hop(value: str, hops: int) -> str:
    """Return the entry of a comma-separated list that `hops` trusted proxies vouch for.

    "" if the list is shorter.
    """
    entries = value.rsplit(",", hops)
    return entries[-hops].strip(_BLANKS) if len(entries) >= hops else ""


def read_scheme(value: str, hops: int) -> str:
    """Read `X-Forwarded-Proto`: "https" only where every sign says so, else "http".

    With two hops `https, http` is https: the second proxy saw plain HTTP from the first. A shorter
    list counts from its first entry, because front ends overwrite this header rather than append.
    Entries beyond the trusted ones are duplicates of the header or come from the client; where they
    disagree with the trusted one the scheme is http.
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

    IPv4-mapped addresses become the IPv4 ones they are. Leading zeros (octal to some) and zone ids
    (only meaningful on one machine) are no addresses.
    """
    return text if _IPV4_ONLY.fullmatch(text) else _read_ipv6(text)


def _read_ipv6(text: str) -> str | None:
    return _parse_ipv6(text) if _IPV6_SHAPE.fullmatch(text) else None


@functools.lru_cache(maxsize=1024)  # of short texts alone: no client can make it grow
def _parse_ipv6(text: str) -> str | None:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return str(address.ipv4_mapped or address)


def read_client(value: str | None, hops: int) -> tuple[str, str | None] | None:
    """Read `X-Forwarded-For`: the client's canonical address and its port if one is given.

    None without a header, if the list has fewer entries than `hops`, and for what `read_endpoint`
    does not read.
    """
    if value is None:
        return None
    match = _ipv4_client(value) if hops == 1 else None
    if match is not None:  # most of them: a list of one, which need not be taken apart
        return match.groups()  # type: ignore[return-value]
    return read_endpoint(last_hop(value, hops))


def read_endpoint(entry: str) -> tuple[str, str | None] | None:
    """Read one address, with or without a port and blanks around it.

    Takes `1.2.3.4`, `1.2.3.4:5678` (as App Service writes it), `[2001:db8::1]:443`,
    `[2001:db8::1]` and `2001:db8::1`. Anything else gives None.
    """
    entry = entry.strip(_BLANKS)
    match = _ipv4_client(entry)
    if match is not None:
        return match.groups()  # type: ignore[return-value]
    match = _BRACKETED.fullmatch(entry)
    address = _read_ipv6(match[1] if match else entry)
    return None if address is None else (address, match[2] if match else None)


def read_host(value: str) -> HostHeader | None:
    """Read a host with or without a port; None for what is no host (`a@b`, `x:99999`, `a,b`)."""
    # With a port and brackets; the pattern is not tried on 60 KB.
    match = _HOST.fullmatch(value) if len(value) <= _MAX_HOST + 8 else None
    if match is None or len(match["name"]) > _MAX_HOST:
        return None
    if match["ipv6"] is not None and _read_ipv6(match["ipv6"]) is None:
        return None
    return HostHeader(value, match["name"], int(match["port"]) if match["port"] else None)


class TrustedPeers:
    """The peers that are trusted: `address in peers`.

    `networks` are addresses (`10.0.0.4`), networks (`10.0.0.0/8`) and `*` for every peer, even one
    without an address (a Unix socket), as an iterable or as one comma-separated string. Raises
    ConfigError for anything else.
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
