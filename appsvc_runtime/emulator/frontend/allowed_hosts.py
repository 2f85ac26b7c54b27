"""The Host headers that the emulator accepts: the site's names, this machine's, and allowed ones.

Pure: text in, a verdict out. Must not know of sockets or of translation. The check stops DNS
rebinding: any website can have its own name resolve to 127.0.0.1 and let a browser read the
responses from there. Such requests carry that website's name in Host. Ports are ignored, as a
request may come through a tunnel. Sources: RFC 9110, 7.2; Django's ALLOWED_HOSTS (leading dot).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from ...errors import ConfigError

__all__ = ["AllowedHosts", "certificate_names", "parse_allow_host"]

_LOCAL = "localhost"
_PORT = re.compile(r":[0-9]*\Z", re.ASCII)
_NAME = re.compile(r"\.?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_MAX_NAME = 255
# Most clients send the same few hosts; an attacker can send any number of them.
_REMEMBERED = 64


class AllowedHosts:
    """The hosts of one site: `names` are its own, `allowed` the values of `--allow-host`.

    In `allowed`, `.example.com` stands for that name and all its subdomains. `localhost` and every
    loopback address are always allowed.
    """

    def __init__(self, names: Iterable[str], allowed: Iterable[str] = ()) -> None:
        given = [host.lower().rstrip(".") for host in (*names, *allowed)]
        self._names = {_LOCAL, *(_without_brackets(host.removeprefix(".")) for host in given)}
        self._suffixes = tuple(host for host in given if host.startswith("."))
        self._verdicts: dict[str, bool] = {}

    def allows(self, authority: str) -> bool:
        """Return whether a Host header, or the host of an absolute target, is allowed."""
        known = self._verdicts.get(authority)
        if known is None:
            if len(self._verdicts) >= _REMEMBERED:
                self._verdicts.clear()
            known = self._verdicts[authority] = self._decide(authority)
        return known

    def _decide(self, authority: str) -> bool:
        host = _PORT.sub("", authority.lower())
        # A name with one dot at the end is the same name, fully qualified.
        name = _without_brackets(host.removesuffix("."))
        return name in self._names or name.endswith(self._suffixes) or _is_loopback(host)

    def explain(self, authority: str) -> str:
        """Return the text for a client whose Host is not allowed."""
        host = _PORT.sub("", authority)
        return (
            "appsvc emulate accepts requests for the site's public name and this machine's own "
            f"names, not for {host}. If you use that name, start it with --allow-host {host}."
        )


def parse_allow_host(text: str) -> str:
    """Return the value of `--allow-host`, normalized; raise ConfigError if it is not one host."""
    host = text.strip().lower()
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")  # as browsers send it
        except UnicodeError:
            host = ""
    if _address(_without_brackets(host)) is not None:
        return host
    if not host or len(host) > _MAX_NAME or _NAME.fullmatch(host.removesuffix(".")) is None:
        raise ConfigError(
            f"--allow-host {text[:80]!r} is not one host name or address.",
            hint="Write it without scheme and port: --allow-host shop.example, or "
            "--allow-host .shop.example for every name below it.",
        )
    return host


def certificate_names(allowed: Iterable[str]) -> list[str]:
    """Return the certificate's names for the values of `--allow-host`.

    A certificate cannot hold a name with an underscore, so that one is left out. A top-level domain
    gets no wildcard: browsers do not accept it.
    """
    names = []
    for host in allowed:
        host = host.rstrip(".")
        if "_" in host:
            continue
        if not host.startswith("."):
            names.append(host)
        else:
            names += [host[1:], f"*{host}"] if host.count(".") > 1 else [host[1:]]
    return names


def _without_brackets(host: str) -> str:
    """Return a host in the form for comparison: an IPv6 address in its shortest form."""
    address = _address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    return host if address is None else str(address)


def _is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address; an IPv6 address must be in brackets."""
    bracketed = host.startswith("[") and host.endswith("]")
    address = _address(host[1:-1] if bracketed else host)
    if address is None or bracketed != (address.version == 6):
        return False
    # Before Python 3.13 `is_loopback` is False for an IPv4-mapped IPv6 address.
    inner = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (inner is not None and inner.is_loopback)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
