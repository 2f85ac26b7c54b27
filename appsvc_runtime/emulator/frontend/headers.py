"""The request headers that App Service's front end adds, overwrites and removes.

Pure: changes the headers that it is given. Must not know of sockets, of the public name's
translation, or of the modules that read these headers for an app (it plays the other side).

Sources: names and values are those of recorded requests, over plain http and over https (both show
`Max-Forwards: 10`, and the site's name in X-SITE-DEPLOYMENT-ID). For HttpPlatformHandler version 2:
GetHeaders in the forwardinghandler.cpp of lextudio/httpplatformhandlerv2. Version 1.2 is closed
source; we assume that it passes headers on unchanged.
"""

from __future__ import annotations

from itertools import count
from typing import NamedTuple
from uuid import uuid4

from multidict import CIMultiDict, istr

from ...azure.ports import with_port

__all__ = ["Client", "FrontHeaders", "httpplatform_headers"]

_FORWARDED_FOR = istr("X-Forwarded-For")
_FORWARDED_PROTO = istr("X-Forwarded-Proto")
_HOST = istr("Host")
_CONNECTION = istr("Connection")
_UPGRADE = istr("Upgrade")
_WEBSOCKET = ((_CONNECTION, "Upgrade"), (_UPGRADE, "websocket"))
_MAX_FORWARDS = istr("Max-Forwards")
_UNENCODED_URL = istr("X-WAWS-Unencoded-URL")
_ORIGINAL_URL = istr("X-Original-URL")
_LOG_ID = istr("X-ARR-LOG-ID")
_DISGUISED_HOST = istr("DISGUISED-HOST")
_DEPLOYMENT_ID = istr("X-SITE-DEPLOYMENT-ID")
_DEFAULT_HOST = istr("WAS-DEFAULT-HOSTNAME")
_CLIENT_IP = istr("CLIENT-IP")
_X_CLIENT_IP = istr("X-Client-IP")
_X_CLIENT_PORT = istr("X-Client-Port")
_APP_SERVICE_PROTO = istr("X-AppService-Proto")
_ARR_SSL = istr("X-ARR-SSL")
_TLS_VERSION = istr("X-Forwarded-TlsVersion")

# Headers that are removed if the client sends them: they concern one connection only, or only the
# front end may set them. It sets the last four over https only; over http they are just removed.
_REMOVED = frozenset(
    "connection keep-alive proxy-connection te trailer upgrade transfer-encoding expect "
    "client-ip x-client-ip x-client-port x-original-url max-forwards x-waws-unencoded-url "
    "x-arr-log-id x-site-deployment-id was-default-hostname disguised-host "
    "x-forwarded-proto x-appservice-proto x-arr-ssl x-forwarded-tlsversion".split()
)
# Headers of App Service authentication, which removes the client's before it sets its own.
_IDENTITY_PREFIXES = ("x-ms-client-principal", "x-ms-token-")

_LAST_ID = 0xFFFF_FFFF_FFFF
# Strength, key size, issuer and subject of the certificate, in the form of a recorded value.
_CERTIFICATE = (
    "2048|256|CN=appsvc emulator, O=appsvc-runtime|CN=*.azurewebsites.net, O=appsvc-runtime"
)


class Client(NamedTuple):
    """One client's connection, as the front end reports it.

    `tls` is "" for plain http, else the version as `ssl` names it ("TLSv1.3").
    """

    address: str
    port: int
    endpoint: str  # address:port, [address]:port for IPv6
    tls: str
    fixed: tuple[tuple[str, str], ...]  # the headers that all requests of the connection share

    @classmethod
    def of(cls, address: str, port: int, tls: str = "") -> Client:
        """Return the connection of a peer; an IPv4-mapped IPv6 address becomes the IPv4 one."""
        address = address.removeprefix("::ffff:") if "." in address else address
        endpoint = with_port(address, port)
        fixed: list[tuple[str, str]] = [(_CLIENT_IP, endpoint)]
        if tls:
            fixed += [
                (_FORWARDED_PROTO, "https"),
                (_APP_SERVICE_PROTO, "https"),
                (_ARR_SSL, _CERTIFICATE),
                (_TLS_VERSION, tls.removeprefix("TLSv")),
            ]
        fixed += [(_X_CLIENT_IP, address), (_X_CLIENT_PORT, str(port))]
        return cls(address, port, endpoint, tls, tuple(fixed))

    @property
    def secure(self) -> bool:
        """Whether the client's connection is https."""
        return bool(self.tls)


class FrontHeaders:
    """Sets the front end's headers for one site.

    `site_name` is the site's name, `default_host` its host name under azurewebsites.net.
    `authentication`: App Service authentication is on, and its headers are removed from clients'
    requests. If it is off, a client's X-MS-CLIENT-PRINCIPAL passes, as it does on the platform.
    """

    def __init__(self, site_name: str, default_host: str, *, authentication: bool = False) -> None:
        self.authentication = authentication
        # A GUID for each request: this part is random, the rest is a counter, as each random number
        # costs a system call.
        self._log_id = str(uuid4())[:24]
        self._count = count(1)
        self._fixed = (
            (_MAX_FORWARDS, "10"),
            (_DEPLOYMENT_ID, site_name),
            (_DEFAULT_HOST, default_host),
        )

    def apply(
        self, headers: CIMultiDict[str], client: Client, target: str, *, websocket: bool = False
    ) -> None:
        """Change a request's headers into those that a worker gets; Host is the public one already.

        `target` is the path and query as on the wire. A WebSocket's upgrade is passed on; every
        other header that concerns the connection is removed. A client's X-Forwarded-Host passes.
        """
        for name in _REMOVED.intersection(map(str.lower, headers)):
            headers.popall(name)
        if self.authentication:
            _remove(headers, _IDENTITY_PREFIXES)
        if websocket:
            headers.extend(_WEBSOCKET)
        endpoint = client.endpoint
        if _FORWARDED_FOR in headers:
            endpoint = ", ".join([*headers.popall(_FORWARDED_FOR), endpoint])
        headers.extend(
            (
                *self._fixed,
                *client.fixed,
                (_FORWARDED_FOR, endpoint),
                (_DISGUISED_HOST, headers.get(_HOST, "")),
                (_ORIGINAL_URL, target),
                (_UNENCODED_URL, target),
                (_LOG_ID, f"{self._log_id}{next(self._count) & _LAST_ID:012x}"),
            )
        )


def _remove(headers: CIMultiDict[str], prefixes: tuple[str, ...]) -> None:
    for name in [n for n in headers if n.lower().startswith(prefixes)]:
        headers.popall(name, None)  # a repeated header was removed with the first one


def httpplatform_headers(
    headers: CIMultiDict[str], version: int, client: str, port: int, *, token: str = ""
) -> CIMultiDict[str]:
    """Return the headers that HttpPlatformHandler sends to the process it started.

    `client` and `port` are the peer that the worker sees, which is the front end. Version 1 passes
    the headers on. Version 2 appends that peer to X-Forwarded-For, and the scheme of the peer's
    connection to X-Forwarded-Proto. That scheme is always http: for a client that uses https the
    value is `https, http`. Version 2 also sends `token`, the value of HTTP_PLATFORM_TOKEN, as
    MS-ASPNETCORE-TOKEN, and removes all other headers that begin with MS-ASPNETCORE. Both versions
    keep Connection for an upgrade only. `headers` is not changed.
    """
    sent = CIMultiDict(headers)
    if _UPGRADE not in sent:
        sent.popall(_CONNECTION, None)
    if version < 2:
        return sent
    _remove(sent, ("ms-aspnetcore",))
    if token:
        sent["MS-ASPNETCORE-TOKEN"] = token
    for name, own in ((_FORWARDED_FOR, with_port(client, port)), (_FORWARDED_PROTO, "http")):
        sent[name] = ", ".join([*sent.popall(name, ()), own])
    return sent
