"""What is decided of each request: its scheme, client, host and user, from trusted peers alone.

An environ in WSGI's spelling in, the same environ out, changed; the middlewares for WSGI and for
ASGI both stand on it. How headers are read is `forwarded`'s, how the others are made to agree
`agreement`'s. Importing this module loads nothing beyond the interpreter's own start: those are
loaded when something is made that needs them. Must not know of apps or servers.
"""

from __future__ import annotations

import os

from ..azure import hosts, names
from ..settings import options
from . import notices
from .request_info import RequestInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["ORIGINAL_KEY", "REQUEST_KEY", "Decider"]

REQUEST_KEY = "appsvc.request"
ORIGINAL_KEY = "appsvc.original"
# Globals of this module are found faster.
_WFASTCGI_MARK = names.WFASTCGI_MARK
_FORWARDED_FOR = names.FORWARDED_FOR
_FORWARDED_PROTO = names.FORWARDED_PROTO
_FORWARDED_HOST = names.FORWARDED_HOST
_ARR_SSL = names.ARR_SSL
_PRINCIPAL = "HTTP_X_MS_CLIENT_PRINCIPAL"
# Peers and clients seen are remembered: a browser asks for a page's parts from one address and
# port. So many of each, then it restarts: an attacker with many addresses cannot make it grow.
_MAX_REMEMBERED = 1024
_CONTRADICTION = (
    "X-Forwarded-Proto does not say https although X-ARR-SSL is present: such requests are taken "
    "as http (logged once). If a proxy of yours appends to X-Forwarded-Proto, set "
    "APPSVC_FORWARDED_HOPS."
)
_MIXED_NAMES = (
    "The headers that say who is signed in are removed: gunicorn takes a client's own with "
    "underscores for them. Install gunicorn 22 or later without `header_map`, or start it with "
    "`-c python:appsvc_runtime.gunicorn_conf`."
)
_NO_FASTCGI_IDENTITY = (
    "The headers that say who is signed in are removed under wfastcgi (logged once): CGI cannot "
    "tell them from a client's own with underscores. Have web.config refuse those, then set "
    "APPSVC_FASTCGI_IDENTITY=1."
)


class Decider:
    """Decides, by options that each fall back to their variable, then to their default.

    See `AppServiceMiddleware` for them. Raises ConfigError for one that cannot be used.
    """

    def __init__(
        self,
        *,
        trusted_proxies: Iterable[str] | str | None = None,
        hops: int | None = None,
        front_door_id: str | None = None,
        host_header: str | None = None,
        client_header: str | None = None,
        arr_ssl: bool | None = None,
        fastcgi_identity: bool | None = None,
        remote_user: bool | str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        variables = os.environ if environ is None else environ
        self._on_app_service = hosts.on_app_service(variables)
        trusted = options.resolve("APPSVC_TRUSTED_PROXIES", trusted_proxies, variables)
        # An empty list given on purpose trusts nobody and still removes what forgers send.
        self.inert = trusted == "" and not self._on_app_service
        hops = options.resolve("APPSVC_FORWARDED_HOPS", hops, variables)
        # Counting a hop where no proxy appended would take an entry that the client wrote.
        self._hops = hops or (2 if hosts.under_http_platform_v2(variables) else 1)
        self._front_door_id = options.resolve(
            "APPSVC_FRONT_DOOR_ID", front_door_id, variables
        ).lower()
        self._host_key = _key(options.resolve("APPSVC_HOST_HEADER", host_header, variables))
        self._client_key = _key(options.resolve("APPSVC_CLIENT_HEADER", client_header, variables))
        arr_ssl = options.resolve("APPSVC_ARR_SSL", arr_ssl, variables)
        self._arr_ssl = self._on_app_service if arr_ssl is None else bool(arr_ssl)
        self._fastcgi_identity = bool(
            options.resolve("APPSVC_FASTCGI_IDENTITY", fastcgi_identity, variables)
        )
        self._authentication = hosts.authentication(variables)
        self._remote_user = options.resolve("APPSVC_REMOTE_USER", remote_user, variables)
        self._site_host = variables.get(names.HOSTNAME, "")
        if trusted == "":
            trusted = names.FRONT_END_NETWORKS if self._on_app_service else ()
        elif not isinstance(trusted, str):
            trusted = tuple(trusted)
        self._policy = (
            self.inert, self._on_app_service, trusted, self._hops, self._front_door_id,
            self._host_key, self._client_key, self._arr_ssl, self._fastcgi_identity,
            self._authentication, self._remote_user,
        )  # fmt: skip
        self._names_host = bool(self._front_door_id or self._host_key)
        self._under_iis = hosts.under_http_platform(variables)
        self._server_seen = self._mixes_names = False
        self._peers: dict[str, bool] = {}
        if not self.inert:
            # Loaded here and not above: an inert one costs an app's start nothing.
            from . import agreement, forwarded, iis_variables, request_host

            self._agreement = agreement
            self._forwarded = forwarded
            self._hosts = request_host
            self._iis = iis_variables
            self._clients = forwarded.Clients(_MAX_REMEMBERED)
            self._trusted = forwarded.TrustedPeers(trusted)
            named = {self._host_key, self._client_key} - {"", "HTTP_HOST"}
            self._untrusted = agreement.UntrustedHeaders(named)

    def decide(self, environ: dict[str, Any]) -> None:
        """Decide about a request, unless that is done; never raises on any header."""
        if REQUEST_KEY in environ:
            if environ[REQUEST_KEY]._policy == self._policy:
                return
            # An entry point's middleware around the user's own, which was given other options:
            # the user's count, on the request as it came.
            original = _restore(environ)
        else:
            get = environ.get
            original = {
                "REMOTE_ADDR": get("REMOTE_ADDR", ""),
                "REMOTE_PORT": get("REMOTE_PORT"),
                "wsgi.url_scheme": get("wsgi.url_scheme"),
                "HTTPS": get("HTTPS"),
                _FORWARDED_PROTO: get(_FORWARDED_PROTO),
                _FORWARDED_FOR: get(_FORWARDED_FOR),
            }
        environ[ORIGINAL_KEY] = original
        peer = original["REMOTE_ADDR"]
        if self.inert:
            # Off the platform nobody signs users in. Looked for in all names at once: one by one
            # would take longer.
            if "HTTP_X_MS_" in "".join(environ):
                self._remove_identity(environ, original)
            self._describe(environ)
        elif self._peers.get(peer) or self._is_trusted(peer, environ):
            self._decide_by_headers(environ, original)
        else:
            # What the server itself saw stands.
            self._untrusted.remove(environ, original)
            scheme = self._iis.server_scheme(environ)
            environ["wsgi.url_scheme"] = scheme
            environ["HTTPS"] = "on" if scheme == "https" else "off"
            self._describe(environ)

    def _is_trusted(self, peer: str, environ: dict[str, Any]) -> bool:
        if self._on_app_service and _WFASTCGI_MARK in environ:
            return True
        trusted = self._peers.get(peer)
        if trusted is None:
            self._look_at_server()
            trusted = peer in self._trusted
            if len(self._peers) >= _MAX_REMEMBERED:
                self._peers.clear()
            self._peers[peer] = trusted
        return trusted

    def _look_at_server(self) -> None:
        """Look, once, at what the server itself does with headers, and log a warning for it."""
        if self._server_seen or not (self._on_app_service or self._authentication):
            return
        from . import server_proxies

        if self._on_app_service and (found := server_proxies.describe(loopback=self._under_iis)):
            notices.warn_once(found)
        if self._authentication and server_proxies.mixes_names():
            self._mixes_names = True
            notices.warn_once(_MIXED_NAMES)
        self._server_seen = True  # last: another thread's request must not go before

    def _decide_by_headers(self, environ: dict[str, Any], original: dict[str, Any]) -> None:
        """Take scheme, client, host and user from a trusted peer's headers."""
        under_wfastcgi = _WFASTCGI_MARK in environ
        if under_wfastcgi:
            self._iis.repair_path(environ, original)
        hops, host_key = self._hops, self._host_key
        if self._front_door_id and self._is_front_door(environ):
            hops, host_key = hops + 1, _FORWARDED_HOST
        scheme = self._decide_scheme(environ, original[_FORWARDED_PROTO], hops, under_wfastcgi)
        client = self._decide_client(environ, hops)
        if host_key and not self._hosts.take_host(environ, original, host_key):
            host_key = ""
        host = self._hosts.replace_probe_host(environ, original, self._site_host)
        self._agreement.agree(
            environ, original, client=client, host_key=host_key, arr_ssl=self._arr_ssl
        )
        if _FORWARDED_HOST in original and not self._names_host:
            self._agreement.warn_of_host(original[_FORWARDED_HOST], host)
        environ[REQUEST_KEY] = info = RequestInfo(
            scheme,
            host,
            environ.get("REMOTE_ADDR", ""),
            environ.get("REMOTE_PORT"),
            environ.get("HTTP_X_ARR_LOG_ID"),
            self._policy,
        )
        if (
            self._authentication
            and (self._fastcgi_identity or not under_wfastcgi)
            and not self._mixes_names
        ):
            # The front end has removed what clients send before it set its own.
            if _PRINCIPAL in environ:
                self._identify(environ, original, info)
        elif "HTTP_X_MS_" in "".join(environ):
            if under_wfastcgi and self._authentication and _PRINCIPAL in environ:
                notices.warn_once(_NO_FASTCGI_IDENTITY)
            self._remove_identity(environ, original)

    def _is_front_door(self, environ: dict[str, Any]) -> bool:
        """Return whether our own Front Door sent this: anybody can use another one."""
        sent: str = environ.get("HTTP_X_AZURE_FDID", "")
        return sent.strip().lower() == str(self._front_door_id)

    def _decide_scheme(
        self, environ: dict[str, Any], proto: str | None, hops: int, under_wfastcgi: bool
    ) -> str:
        """Decide the scheme that the client used, and return it."""
        secure = self._arr_ssl and environ.get(_ARR_SSL)
        if proto == "https" or (under_wfastcgi and self._iis.server_scheme(environ) == "https"):
            # IIS sets HTTPS itself; a header could be a client's own, with underscores.
            scheme = "https"
        elif proto is None:
            scheme = "https" if secure else self._iis.server_scheme(environ)
        else:
            scheme = self._forwarded.read_scheme(proto, hops)
            if secure and scheme == "http":
                notices.warn_once(_CONTRADICTION)
        environ["wsgi.url_scheme"] = environ[_FORWARDED_PROTO] = scheme
        environ["HTTPS"] = "on" if scheme == "https" else "off"
        return scheme

    def _decide_client(self, environ: dict[str, Any], hops: int) -> tuple[str, str | None] | None:
        """Decide the client's address and port, and return them; None if the peer's stand."""
        client = None
        if self._client_key:
            client = self._clients.of(environ.get(self._client_key, ""))
        addresses = environ.get(_FORWARDED_FOR)
        if client is None and addresses is not None:
            client = self._clients.of_list(addresses, hops)
        if client is None:
            if addresses is not None:
                del environ[_FORWARDED_FOR]
            return None
        environ["REMOTE_ADDR"] = environ[_FORWARDED_FOR] = client[0]
        if client[1] is not None:
            environ["REMOTE_PORT"] = client[1]
        else:
            # The port that stands there is the proxy's, not this client's.
            environ.pop("REMOTE_PORT", None)
        return client

    def _identify(
        self, environ: dict[str, Any], original: dict[str, Any], info: RequestInfo
    ) -> None:
        """Keep who is signed in, to be read when somebody asks."""
        get = environ.get
        info._principal = (
            get(_PRINCIPAL), get(f"{_PRINCIPAL}_ID"), get(f"{_PRINCIPAL}_NAME"),
            get(f"{_PRINCIPAL}_IDP"),
        )  # fmt: skip
        if self._remote_user and (principal := info.principal) is not None:
            original["REMOTE_USER"], original["AUTH_TYPE"] = get("REMOTE_USER"), get("AUTH_TYPE")
            # As PEP 3333 has text that is more than Latin-1. No principal holds what cannot be
            # encoded, or what would end a line.
            name = principal.name if self._remote_user == "name" else principal.username
            environ["REMOTE_USER"] = name.encode().decode("latin-1")
            environ["AUTH_TYPE"] = principal.provider.encode().decode("latin-1")

    def _remove_identity(self, environ: dict[str, Any], original: dict[str, Any]) -> None:
        """Remove what says who is signed in where nobody may: the platform does not."""
        for key in [key for key in environ if key.startswith(names.IDENTITY_PREFIXES)]:
            original[key] = environ.pop(key)

    def _describe(self, environ: dict[str, Any]) -> None:
        environ[REQUEST_KEY] = RequestInfo(
            environ.get("wsgi.url_scheme", "http"),
            environ.get("HTTP_HOST") or environ.get("SERVER_NAME", ""),
            environ.get("REMOTE_ADDR", ""),
            environ.get("REMOTE_PORT"),
            None,
            self._policy,
        )


def _key(header: str) -> str:
    """Return a header's name as WSGI spells it, "" for none."""
    return "HTTP_" + header.upper().replace("-", "_") if header else ""


def _restore(environ: dict[str, Any]) -> dict[str, Any]:
    """Give the request back what it came with, and give that."""
    original: dict[str, Any] = environ[ORIGINAL_KEY]
    for key, value in original.items():
        if key == "PATH_INFO":  # decoded once and for all, and changed by whoever mounts apps
            continue
        if value is None:
            environ.pop(key, None)
        else:
            environ[key] = value
    return original
