"""The site's public name at a local address: what is translated on the way in and on the way out.

Pure: headers in, headers changed; nothing here raises on any value. Must not know of sockets. Only
whole origins are translated: a name that merely begins like the site's, or stands before an `@`, is
somebody else's. Bodies, queries and Content-Security-Policy pass as they are.

Cookies marked Secure pass, also over plain http: browsers count localhost and 127.0.0.1 as secure
(Safari does not).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from multidict import CIMultiDict, istr

__all__ = ["LOCAL_HOSTS", "NEEDS_HTTPS", "PublicName"]

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
NEEDS_HTTPS = "the site redirects to https: start with --https"

_HOST = istr("Host")
_ORIGIN = istr("Origin")
_REFERER = istr("Referer")
_LOCATIONS = (istr("Location"), istr("Content-Location"))
_LOCATION = _LOCATIONS[0]
_REFRESH = istr("Refresh")
_LINK = istr("Link")
_SET_COOKIE = istr("Set-Cookie")
_ALLOW_ORIGIN = istr("Access-Control-Allow-Origin")
_STRICT_TRANSPORT = istr("Strict-Transport-Security")

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ANY_ORIGIN = re.compile(r"(https?://[^/?#@\\]*)(?=[/?#]|\Z)", re.IGNORECASE)
# Nobody may set a cookie for all of it: browsers refuse one, as deployed (publicsuffix.org).
_SHARED_SUFFIX = "azurewebsites.net"


class PublicName:
    """A site called `name` whose visitors ask at `hosts` and the ports given here.

    `http_port` and `https_port` are those listened on, None where there is none. `hosts` are names
    of this machine beside LOCAL_HOSTS, as they stand in a URL; the public name itself counts as
    one, for those who point it at this machine. `raw` translates nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        http_port: int | None = None,
        https_port: int | None = None,
        hosts: Iterable[str] = (),
        raw: bool = False,
    ) -> None:
        self.name = name
        self.raw = raw
        self._ports = {"http": http_port, "https": https_port}
        # What a visitor may write for Host → the host without its port; origins → public origins.
        self._authorities: dict[str, str] = {}
        self._origins: dict[str, str] = {}
        for host in (*LOCAL_HOSTS, *hosts, name):
            self._add(host.lower())
        url = rf"(?:(https?):)?//{re.escape(name)}(?::([0-9]{{1,5}}))?"
        flags = re.IGNORECASE | re.ASCII
        self._at_start = re.compile(rf"(\s*){url}(?=[/?#]|\Z)", flags)
        self._in_refresh = re.compile(rf"(url\s*=\s*[\"']?){url}(?=[/?#\"'\s]|\Z)", flags)
        self._in_link = re.compile(rf"(<\s*){url}(?=[/?#\s>])", flags)

    def _add(self, host: str) -> None:
        for scheme, port in self._ports.items():
            if port is None:
                continue
            public = f"{scheme}://{self.name}"
            self._authorities[f"{host}:{port}"] = host
            self._origins[f"{scheme}://{host}:{port}"] = public
            if port == _DEFAULT_PORTS[scheme]:
                self._authorities[host] = host
                self._origins[f"{scheme}://{host}"] = public

    def local_host(self, authority: str) -> str:
        """Give the host that a Host header names if it is one of ours, else ""."""
        return self._authorities.get(authority) or self._authorities.get(authority.lower(), "")

    def inward(self, headers: CIMultiDict[str], *, foreign: bool = False) -> str:
        """Translate a request: Host, Origin and Referer of the local address become public ones.

        Gives what `outward` wants to know for its answer: the local host that was asked, "" where
        the visitor used another name, or where nothing is translated. `foreign`: a browser says
        that a page of another site has sent it. Such a page may be the one that really has the
        public name: its Origin becomes `null`, or the app would take it for its own.
        """
        if self.raw:
            return ""
        asked = self.local_host(headers.get(_HOST, ""))
        if asked:
            headers[_HOST] = self.name
        if asked and foreign:
            self._disown(headers)
        if _ORIGIN in headers:
            origin = headers[_ORIGIN]
            headers[_ORIGIN] = self._origins.get(origin.lower(), origin)
        if _REFERER in headers:
            referer = headers[_REFERER]
            match = _ANY_ORIGIN.match(referer)
            public = self._origins.get(match[1].lower()) if match else None
            if match and public:
                headers[_REFERER] = public + referer[match.end() :]
        return asked

    def _disown(self, headers: CIMultiDict[str]) -> None:
        """Take from a request what says that it is from the site's public name."""
        if self._at_start.fullmatch(headers.get(_ORIGIN, "")):
            headers[_ORIGIN] = "null"
        if self._at_start.match(headers.get(_REFERER, "")):
            headers.popall(_REFERER)

    def outward(self, headers: CIMultiDict[str], asked: str, *, secure: bool) -> str:
        """Translate an answer to a visitor who asked the local host `asked`; "" translates nothing.

        `secure`: over https. An https URL of the site becomes the local https one. Where only http
        is listened on it stays https, at the http port: a browser that follows it says so at once,
        where http would send it in circles. Gives a note for the log where that has happened, else
        "".
        """
        if not asked:
            return ""
        note = ""
        for name in _LOCATIONS:
            if name in headers:
                value = headers[name]
                match = self._at_start.match(value)
                local = self._local(match, asked, secure) if match else None
                if match and local:
                    headers[name] = local + value[match.end() :]
                    if name is _LOCATION and self._unreachable(match):
                        note = NEEDS_HTTPS
        for name, pattern in ((_REFRESH, self._in_refresh), (_LINK, self._in_link)):
            if name in headers:
                for value in headers.popall(name):
                    headers.add(
                        name, pattern.sub(lambda m: self._local(m, asked, secure) or m[0], value)
                    )
        if _SET_COOKIE in headers:
            self._free_cookies(headers)
        if _ALLOW_ORIGIN in headers:
            value = headers[_ALLOW_ORIGIN]
            match = self._at_start.fullmatch(value)
            if match and match[2]:
                headers[_ALLOW_ORIGIN] = self._local(match, asked, secure) or value
        if secure and asked[-1:].isalpha():
            # A browser keeps it for the name on every port, and it is not of one site's making
            # that other projects on localhost need https from then on. Addresses are exempt.
            headers.popall(_STRICT_TRANSPORT, None)
        return note

    def _local(self, match: re.Match[str], asked: str, secure: bool) -> str | None:
        """Give the local origin for a public one, with what stands before it; None: not ours."""
        before, scheme, port = match.groups()
        taken = scheme.lower() if scheme else "https" if secure else "http"
        if port and int(port) != _DEFAULT_PORTS[taken]:
            return None
        local = self._origin(taken, asked)
        return before + (local if scheme else local.partition(":")[2])

    def _origin(self, scheme: str, host: str) -> str:
        port = self._ports[scheme]
        if port is None and scheme == "http":
            scheme, port = "https", self._ports["https"]
        elif port is None:
            port = self._ports["http"]
        return (
            f"{scheme}://{host}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"
        )

    def _unreachable(self, match: re.Match[str]) -> bool:
        return (match[2] or "").lower() == "https" and self._ports["https"] is None

    def _free_cookies(self, headers: CIMultiDict[str]) -> None:
        """Take the site's own Domain from cookies: without it they are the local host's."""
        values = headers.getall(_SET_COOKIE)
        if not any("domain" in value.lower() for value in values):
            return
        headers.popall(_SET_COOKIE)
        for value in values:
            first, *attributes = value.split(";")
            kept = [part for part in attributes if not self._is_own_domain(part)]
            headers.add(_SET_COOKIE, ";".join([first, *kept]))

    def _is_own_domain(self, attribute: str) -> bool:
        key, _, value = attribute.partition("=")
        if key.strip().lower() != "domain":
            return False
        domain = value.strip().lower().removeprefix(".")
        if domain == self.name.lower():
            return True
        # A parent, which may hold cookies of the site (www.example.com: example.com).
        return (
            "." in domain and domain != _SHARED_SUFFIX and self.name.lower().endswith(f".{domain}")
        )
