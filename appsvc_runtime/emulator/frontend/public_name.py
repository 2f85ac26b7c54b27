"""Headers translated between the site's public name and a local address, in both directions.

Pure: changes the headers that it is given, and raises for no value. Must not know of sockets. Only
whole origins are translated: a name that merely begins like the site's, or stands before an `@`,
belongs to another site. Bodies, queries and Content-Security-Policy are not changed.

Cookies marked Secure pass, also over plain http: browsers treat localhost and 127.0.0.1 as secure
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
# A public suffix: browsers refuse a cookie for it, here as on the platform (publicsuffix.org).
_SHARED_SUFFIX = "azurewebsites.net"


class PublicName:
    """A site called `name` that clients reach at `hosts` and the ports given here.

    `http_port` and `https_port` are the ports that are listened on, None for a scheme that is not
    served. `hosts` are names of this machine in addition to LOCAL_HOSTS, as written in a URL. The
    public name counts as one of them, for users who point it at this machine. With `raw` nothing is
    translated.
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
        # The client's Host header → the host without its port; local origins → public origins.
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
        """Return the host of a Host header if it is a local one, else ""."""
        return self._authorities.get(authority) or self._authorities.get(authority.lower(), "")

    def inward(self, headers: CIMultiDict[str], *, foreign: bool = False) -> str:
        """Translate a request: Host, Origin and Referer of the local address become public ones.

        Return what `outward` needs for the response: the local host that the client used, or "" if
        it used another name or nothing is translated. `foreign`: the browser reports that a page of
        another site sent the request. That page may be on the deployed site, which has the public
        name: its Origin becomes `null`, as the app would take it for its own.
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
        """Remove the public name from a request's Origin and Referer."""
        if self._at_start.fullmatch(headers.get(_ORIGIN, "")):
            headers[_ORIGIN] = "null"
        if self._at_start.match(headers.get(_REFERER, "")):
            headers.popall(_REFERER)

    def outward(self, headers: CIMultiDict[str], asked: str, *, secure: bool) -> str:
        """Translate the response for a client that used the local host `asked`; "": do nothing.

        `secure`: the client uses https. An https URL of the site becomes the local https one. If
        only http is served, the URL keeps the scheme https and gets the http port: a browser that
        follows it reports an error at once, while http would redirect in a loop. Return a note for
        the log in that case, else "".
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
            # A browser applies it to the name on every port: one site would force https on all
            # other projects on localhost. IP addresses are exempt.
            headers.popall(_STRICT_TRANSPORT, None)
        return note

    def _local(self, match: re.Match[str], asked: str, secure: bool) -> str | None:
        """Return the local origin for a matched public one, with the text before it.

        None if the URL has a port that is not its scheme's default.
        """
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
        """Remove the site's Domain from cookies, so that they apply to the local host."""
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
        # A parent domain, which the site may set cookies for (www.example.com: example.com).
        return (
            "." in domain and domain != _SHARED_SUFFIX and self.name.lower().endswith(f".{domain}")
        )
