"""Decides the scheme, client, host and user of each request; only trusted peers may report them.

Takes a WSGI environ and changes it; the middlewares for WSGI and for ASGI each hold a
`TrustPolicy`. `forwarded` parses headers, and `agreement` makes all headers agree with the
decision. Importing this module loads no library module beyond those of Python's own start: modules
that parse addresses are imported when a policy needs them. Must not know of apps or servers.
"""

from __future__ import annotations

from ..azure import names
from . import agreement, notices
from .request_info import RequestInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .options import MiddlewareOptions

__all__ = ["ORIGINAL_KEY", "REQUEST_KEY", "TrustPolicy"]

REQUEST_KEY = "appsvc.request"
ORIGINAL_KEY = "appsvc.original"
# Globals of this module, as their lookup is faster.
_WFASTCGI_MARK = names.WFASTCGI_MARK
_FORWARDED_FOR = names.FORWARDED_FOR
_FORWARDED_PROTO = names.FORWARDED_PROTO
_FORWARDED_HOST = names.FORWARDED_HOST
_FORWARDED_PREFIX = names.FORWARDED_PREFIX
_LINK_LOCAL = "169.254."  # hosts of the platform's probes begin with it
_SCHEMES = ("http", "https")
_PRINCIPAL = "HTTP_X_MS_CLIENT_PRINCIPAL"
# The limit of the cache of peers; a full cache is cleared, as an attacker may use many addresses.
_MAX_PEERS = 1024
_CONTRADICTION = (
    "X-Forwarded-Proto is not https although X-ARR-SSL is present: such requests count as http "
    "(logged once). If one of your proxies appends to X-Forwarded-Proto, set "
    "APPSVC_FORWARDED_HOPS."
)
_MIXED_NAMES = (
    "The headers of the signed-in user are removed: gunicorn cannot tell them from a client's "
    "headers with underscores. Install gunicorn 22 or later without `header_map`, or start it with "
    "`-c python:appsvc_runtime.gunicorn_conf`."
)
_NO_FASTCGI_IDENTITY = (
    "The headers of the signed-in user are removed under wfastcgi (logged once): CGI cannot tell "
    "them from a client's headers with underscores. Refuse the latter in web.config, then set "
    "APPSVC_FASTCGI_IDENTITY=1."
)


class TrustPolicy:
    """Decides about requests by a middleware's options.

    Raises ConfigError for trusted proxies that are neither addresses nor networks.
    """

    def __init__(self, options: MiddlewareOptions) -> None:
        self._options = options
        self._policy = options.policy
        self._inert = options.inert
        self._hops = options.hops
        self._client_key = options.client_key
        self._application = options.application_path
        self._names_host = bool(options.front_door_id or options.host_key)
        self._server_seen = self._mixes_names = False
        self._peers: dict[str, bool] = {}
        named = {options.host_key, options.client_key} - {"", "HTTP_HOST"}
        self._header_sets = agreement.HeaderSets(named, arr_ssl=options.arr_ssl)
        self._last_headers = self._header_sets[()]
        if not options.inert:
            # Imported here: an inert middleware does not slow an app's start.
            from . import forwarded, iis_variables, request_host

            self._forwarded = forwarded
            self._read_client = forwarded.read_client
            self._hosts = request_host
            self._iis = iis_variables
            self._trusted = forwarded.TrustedPeers(options.trusted)
            if options.path_prefix:
                from . import path_prefix

                self._prefixes = path_prefix

    def decide(self, environ: dict[str, Any]) -> None:
        """Decide about a request, unless that is done already; raise for no header."""
        before = environ.get(REQUEST_KEY)
        if before is not None:
            if before._policy == self._policy:
                return
            # A middleware around this one has decided by other options. The options of this
            # middleware count: it restores the original request and decides again.
            _restore(environ)
        names = [*environ]
        headers = self._last_headers
        if headers.names != names:
            headers = self._last_headers = self._header_sets[tuple(names)]
        original: dict[str, Any] = headers.blank.copy()  # has all keys, so that it need not grow
        for key in headers.overwritten:
            original[key] = environ[key]
        if before is not None:
            original = {**environ[ORIGINAL_KEY], **original}
        environ[ORIGINAL_KEY] = original
        if self._application or (self._application is None and _WFASTCGI_MARK in environ):
            self._enter_application(environ, original)
        if self._inert:
            # Off the platform there is no App Service authentication.
            _remove(headers.identity, environ, original)
            self._describe(environ)
        elif self._peers.get(original["REMOTE_ADDR"]) or self.trusts(environ):
            self._decide_by_headers(environ, original, headers)
        else:
            # The scheme and client that the server itself saw are kept.
            _remove(headers.forbidden, environ, original)
            scheme = self._iis.server_scheme(environ)
            environ["wsgi.url_scheme"] = scheme
            environ["HTTPS"] = "on" if scheme == "https" else "off"
            self._describe(environ)

    def _enter_application(self, environ: dict[str, Any], original: dict[str, Any]) -> None:
        """Move the path of an IIS application from PATH_INFO to SCRIPT_NAME."""
        if _WFASTCGI_MARK in environ and not self._inert and self.trusts(environ):
            self._iis.repair_path(environ, original)
        from . import application_path

        application_path.enter(environ, original, self._application)

    def trusts(self, environ: dict[str, Any]) -> bool:
        """Return whether the peer that sent a request is trusted."""
        if self._options.on_app_service and _WFASTCGI_MARK in environ:
            return True
        peer = environ[ORIGINAL_KEY]["REMOTE_ADDR"]
        trusted = self._peers.get(peer)
        if trusted is None:
            self.look_at_server()
            trusted = peer in self._trusted
            if len(self._peers) >= _MAX_PEERS:
                self._peers.clear()
            self._peers[peer] = trusted
        return trusted

    def is_front_door(self, environ: dict[str, Any]) -> bool:
        """Return whether the site's own Front Door sent a request, not another customer's."""
        expected = self._options.front_door_id
        sent: str = environ.get("HTTP_X_AZURE_FDID", "")
        return bool(expected) and sent.strip().lower() == expected

    def look_at_server(self) -> None:
        """Check once what the server itself does with headers, and log warnings about it."""
        options = self._options
        if self._server_seen or not (options.on_app_service or options.authentication):
            return
        from . import server_proxies

        if options.on_app_service and (
            found := server_proxies.describe(loopback=options.under_iis)
        ):
            notices.warn_once(found)
        if options.authentication and server_proxies.mixes_names():
            self._mixes_names = True
            notices.warn_once(_MIXED_NAMES)
        self._server_seen = True  # set last: another thread's request must not skip the check early

    def _decide_by_headers(
        self, environ: dict[str, Any], original: dict[str, Any], headers: agreement.HeaderSet
    ) -> None:
        """Take scheme, client, host and user from a trusted peer's headers."""
        hops, host_key = self._hops, ""
        if self._names_host:
            hops, host_key = self._who_names_the_host(environ)
        secure = original[_FORWARDED_PROTO] == "https" or self._is_secure(environ, hops)
        client = self._read_cdn_header(environ) if self._client_key else None
        if client is None:
            client = self._read_client(original[_FORWARDED_FOR], hops)
        host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
        if host_key or host[:8] == _LINK_LOCAL:
            host, host_key = self._hosts.decide_host(
                environ, original, host_key, self._options.site_host, secure=secure
            )
        headers.agree(environ, original, secure, client, host_key)
        address, port = client or (original["REMOTE_ADDR"], original["REMOTE_PORT"])
        environ[REQUEST_KEY] = info = RequestInfo(
            _SCHEMES[secure], host, address, port, environ.get("HTTP_X_ARR_LOG_ID"), self._policy
        )
        if headers.has_more:
            self._decide_more(environ, original, headers.identity, info)

    def _who_names_the_host(self, environ: dict[str, Any]) -> tuple[int, str]:
        """Return the number of hops, and the header that names the client's host."""
        if self.is_front_door(environ):
            return self._hops + 1, _FORWARDED_HOST
        return self._hops, self._options.host_key

    def _is_secure(self, environ: dict[str, Any], hops: int) -> bool:
        """Return whether the client used https, if X-Forwarded-Proto is not simply `https`."""
        proto = environ.get(_FORWARDED_PROTO)
        if _WFASTCGI_MARK in environ and self._iis.server_scheme(environ) == "https":
            # IIS itself sets HTTPS. A header may be the client's, written with underscores.
            return True
        marked = self._options.arr_ssl and bool(environ.get(names.ARR_SSL))
        if proto is None:
            return marked or self._iis.server_scheme(environ) == "https"
        secure = self._forwarded.read_scheme(proto, hops) == "https"
        if marked and not secure:
            notices.warn_once(_CONTRADICTION)
        return secure

    def _read_cdn_header(self, environ: dict[str, Any]) -> tuple[str, str | None] | None:
        """Return the client's address and port in the header that a setting names, or None."""
        return self._forwarded.read_endpoint(environ.get(self._client_key, ""))

    def _decide_more(
        self,
        environ: dict[str, Any],
        original: dict[str, Any],
        identity: list[str],
        info: RequestInfo,
    ) -> None:
        """Handle what most requests do not have: wfastcgi's path, a prefix, a host, a user."""
        if _WFASTCGI_MARK in environ:
            self._iis.repair_path(environ, original)
        if self._options.path_prefix and _FORWARDED_PREFIX in environ:
            by_gateway = not self._options.front_door_id or self.is_front_door(environ)
            info._prefix = self._prefixes.apply(environ, original, by_gateway=by_gateway)
        if _FORWARDED_HOST in original and not self._names_host:
            agreement.warn_of_host(original[_FORWARDED_HOST], info.host)
        if not identity:
            return
        if self._trusts_identity(environ):
            # The front end removes clients' headers before it sets its own.
            if _PRINCIPAL in environ:
                self._identify(environ, original, info)
        else:
            _remove(identity, environ, original)

    def _trusts_identity(self, environ: dict[str, Any]) -> bool:
        """Return whether only the front end can have sent the headers of the signed-in user."""
        options = self._options
        if not options.authentication or self._mixes_names:
            return False
        if _WFASTCGI_MARK in environ and not options.fastcgi_identity:
            if _PRINCIPAL in environ:
                notices.warn_once(_NO_FASTCGI_IDENTITY)
            return False
        return True

    def _identify(
        self, environ: dict[str, Any], original: dict[str, Any], info: RequestInfo
    ) -> None:
        get = environ.get
        info._principal = (
            get(_PRINCIPAL), get(f"{_PRINCIPAL}_ID"), get(f"{_PRINCIPAL}_NAME"),
            get(f"{_PRINCIPAL}_IDP"),
        )  # fmt: skip
        wanted = self._options.remote_user
        if wanted and (principal := info.principal) is not None:
            original["REMOTE_USER"], original["AUTH_TYPE"] = get("REMOTE_USER"), get("AUTH_TYPE")
            # PEP 3333 needs UTF-8 bytes as Latin-1 characters. A principal's text can always be
            # encoded, and holds no line break.
            name = principal.name if wanted == "name" else principal.username
            environ["REMOTE_USER"] = name.encode().decode("latin-1")
            environ["AUTH_TYPE"] = principal.provider.encode().decode("latin-1")

    def _describe(self, environ: dict[str, Any]) -> None:
        environ[REQUEST_KEY] = RequestInfo(
            environ.get("wsgi.url_scheme", "http"),
            environ.get("HTTP_HOST") or environ.get("SERVER_NAME", ""),
            environ.get("REMOTE_ADDR", ""),
            environ.get("REMOTE_PORT"),
            None,
            self._policy,
        )


def _remove(keys: list[str], environ: dict[str, Any], original: dict[str, Any]) -> None:
    """Move headers that only a front end may send from `environ` to `original`."""
    for key in keys:
        original[key] = environ.pop(key)


def _restore(environ: dict[str, Any]) -> None:
    """Restore the original values of a request's variables."""
    original: dict[str, Any] = environ[ORIGINAL_KEY]
    prefix: str = environ[REQUEST_KEY]._prefix
    if prefix:
        from . import path_prefix

        path_prefix.remove(environ, prefix)
    for key, value in original.items():
        # PATH_INFO stays decoded, and frameworks change both for mounted apps.
        if key in ("PATH_INFO", "SCRIPT_NAME"):
            continue
        if value is None:
            environ.pop(key, None)
        else:
            environ[key] = value
