"""What is decided of each request: its scheme, host, client and user, by whom trust allows.

An environ in WSGI's spelling in, the same environ out, changed; the middlewares for WSGI and for
ASGI both stand on it. Importing this room loads nothing beyond the interpreter's own start: readers
of headers are loaded when something is made that needs them. Must not know of apps or servers.
"""

from __future__ import annotations

import os

from . import facts, hosts, options
from .requestinfo import RequestInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["ORIGINAL_KEY", "REQUEST_KEY", "Decider"]

REQUEST_KEY = "appsvc.request"
ORIGINAL_KEY = "appsvc.original"
_WFASTCGI_MARK = facts.WFASTCGI_MARK  # a global of this module is found faster
_PRINCIPAL = "HTTP_X_MS_CLIENT_PRINCIPAL"
_LINK_LOCAL, _AFTER_LINK_LOCAL = "169.254.", "17"

# Peers and clients seen are remembered: a browser asks for a page's parts from one address and
# port. So many of each, then it starts anew: an attacker with many addresses cannot make it grow.
_MAX_REMEMBERED = 1024


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
        remote_user: bool | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        variables = os.environ if environ is None else environ
        self._on_app_service = hosts.on_app_service(variables)
        trusted = options.resolve("APPSVC_TRUSTED_PROXIES", trusted_proxies, variables)
        # An empty list given on purpose trusts nobody and still removes what forgers send.
        self.inert = trusted == "" and not self._on_app_service
        chosen_hops = options.resolve("APPSVC_FORWARDED_HOPS", hops, variables)
        self._hops = chosen_hops or (2 if hosts.under_http_platform(variables) else 1)
        # HttpPlatformHandler appends in version 2 only, which nothing but the request can show.
        self._second_hop_unsure = chosen_hops is None and self._hops == 2
        self._front_door_id = options.resolve(
            "APPSVC_FRONT_DOOR_ID", front_door_id, variables
        ).lower()
        header = options.resolve("APPSVC_HOST_HEADER", host_header, variables)
        self._host_key = "HTTP_" + header.upper().replace("-", "_") if header else ""
        self._authentication = hosts.authentication(variables)
        self._remote_user = bool(options.resolve("APPSVC_REMOTE_USER", remote_user, variables))
        self._site_host = variables.get(facts.HOSTNAME, "")
        if trusted == "":
            trusted = facts.FRONT_END_NETWORKS if self._on_app_service else ()
        elif not isinstance(trusted, str):
            trusted = tuple(trusted)
        self._policy = (
            self.inert, self._on_app_service, trusted, self._hops, self._second_hop_unsure,
            self._front_door_id, self._host_key, self._authentication, self._remote_user,
        )  # fmt: skip
        self._said_contradiction = False
        self._peers: dict[str, bool] = {}
        self._clients: dict[str, tuple[str, str | None]] = {}
        if not self.inert:
            # Loaded here and not above: an inert one costs an app's start nothing.
            from . import forwarded

            self._forwarded = forwarded
            self._match_client = forwarded.IPV4_CLIENT.fullmatch
            self._trusted = forwarded.TrustedPeers(trusted)

    def decide(self, environ: dict[str, Any]) -> None:
        """Decide about a request, unless that is done; never raises on any header."""
        if REQUEST_KEY in environ:
            if environ[REQUEST_KEY]._policy == self._policy:
                return
            # A door's middleware around the user's own, which was given other options: the
            # user's word counts, on the request as it came.
            original = _restore(environ)
        else:
            get = environ.get
            original = {
                "REMOTE_ADDR": get("REMOTE_ADDR", ""),
                "REMOTE_PORT": get("REMOTE_PORT"),
                "wsgi.url_scheme": get("wsgi.url_scheme"),
                "HTTPS": get("HTTPS"),
                "HTTP_X_FORWARDED_PROTO": get("HTTP_X_FORWARDED_PROTO"),
            }
        environ[ORIGINAL_KEY] = original
        peer = original["REMOTE_ADDR"]
        if self.inert:
            # Nobody off the platform signs visitors in. Looked for in all names at once: one by
            # one would take longer.
            if "HTTP_X_MS_" in "".join(environ):
                self._remove_identity(environ, original)
            self._describe(environ)
        elif self._peers.get(peer) or self._is_trusted(peer, environ):
            self._believe(environ, original)
        else:
            self._disbelieve(environ, original)

    def _is_trusted(self, peer: str, environ: dict[str, Any]) -> bool:
        if self._on_app_service and _WFASTCGI_MARK in environ:
            return True
        trusted = self._peers.get(peer)
        if trusted is None:
            trusted = peer in self._trusted
            if len(self._peers) >= _MAX_REMEMBERED:
                self._peers.clear()
            self._peers[peer] = trusted
        return trusted

    def _believe(self, environ: dict[str, Any], original: dict[str, Any]) -> None:
        """Take scheme, client and host from a trusted peer's headers."""
        hops = self._hops
        proto = original["HTTP_X_FORWARDED_PROTO"]
        if (
            _WFASTCGI_MARK in environ
            and "HTTP_X_ORIGINAL_URL" in environ
            and "PATH_INFO" not in original
        ):
            self._repair_path(environ, original)
        by_front_door = False
        if self._front_door_id:
            by_front_door = (
                environ.get("HTTP_X_AZURE_FDID", "").strip().lower() == self._front_door_id
            )
            hops += by_front_door

        if proto == "https":
            scheme = "https"
        elif proto is None:
            scheme = "https" if environ.get("HTTP_X_ARR_SSL") else _server_scheme(environ)
        else:
            scheme = self._forwarded.read_scheme(proto, hops)
            if scheme == "http" and environ.get("HTTP_X_ARR_SSL") and not self._said_contradiction:
                self._said_contradiction = True
                self._forwarded.say_contradiction()
        environ["wsgi.url_scheme"] = environ["HTTP_X_FORWARDED_PROTO"] = scheme
        environ["HTTPS"] = "on" if scheme == "https" else "off"

        client = environ.get("HTTP_X_FORWARDED_FOR")
        if client is not None:
            found = self._clients.get(client)
            if found is None:
                match = self._match_client(client)
                if match is None:
                    found = self._read_client(client, proto, hops)
                else:
                    # One address as App Service writes it, the same for any number of hops.
                    if len(self._clients) >= _MAX_REMEMBERED:
                        self._clients.clear()
                    self._clients[client] = found = match[1], match[2]
            if found is not None:
                environ["REMOTE_ADDR"], port = found
                if port is not None:
                    environ["REMOTE_PORT"] = port
                else:
                    # The port that stands there is the proxy's, not this client's.
                    environ.pop("REMOTE_PORT", None)

        if by_front_door:
            self._take_host(environ, original, "HTTP_X_FORWARDED_HOST")
        elif self._host_key:
            self._take_host(environ, original, self._host_key)
        host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
        # Compared whole first: no other host costs more than that.
        if host < _AFTER_LINK_LOCAL and host[:8] == _LINK_LOCAL and self._site_host:
            # A probe of the platform's, from inside: no framework allows such a host.
            original.setdefault("HTTP_HOST", environ.get("HTTP_HOST"))
            environ["HTTP_HOST"] = host = self._site_host
        environ[REQUEST_KEY] = info = RequestInfo(
            scheme,
            host,
            environ.get("REMOTE_ADDR", ""),
            environ.get("REMOTE_PORT"),
            environ.get("HTTP_X_ARR_LOG_ID"),
            self._policy,
        )
        if self._authentication:
            # The front end has removed what visitors send before it set its own.
            if _PRINCIPAL in environ:
                self._identify(environ, original, info)
        elif "HTTP_X_MS_" in "".join(environ):
            self._remove_identity(environ, original)

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
            # As PEP 3333 has text that is more than Latin-1.
            environ["REMOTE_USER"] = principal.name.encode().decode("latin-1")
            environ["AUTH_TYPE"] = principal.provider.encode().decode("latin-1")

    def _remove_identity(self, environ: dict[str, Any], original: dict[str, Any]) -> None:
        """Remove what says who is signed in where nobody may: the platform does not."""
        for key in [key for key in environ if key.startswith(facts.IDENTITY_PREFIXES)]:
            original[key] = environ.pop(key)

    def _repair_path(self, environ: dict[str, Any], original: dict[str, Any]) -> None:
        """Decode the path that wfastcgi copied from `X-Original-URL` as it stands there.

        PEP 3333 wants PATH_INFO decoded, and App Service's front end sends that header always:
        without this no app behind wfastcgi is asked for a path with a blank or an accent in it.
        """
        original["PATH_INFO"] = environ.get("PATH_INFO", "")
        if "%" in original["PATH_INFO"]:
            from urllib.parse import unquote

            environ["PATH_INFO"] = unquote(original["PATH_INFO"], "latin-1")

    def _read_client(
        self, value: str, proto: str | None, hops: int
    ) -> tuple[str, str | None] | None:
        """Read the client from `X-Forwarded-For`.

        Under HttpPlatformHandler only version 2 of the module appends. Counting two hops where it
        did not would take an entry that the visitor wrote, so its hop counts only if there is a
        sign of it: a second entry in `X-Forwarded-Proto`, to which it appends as well, or a last
        address that is a front end's, which is what it appends. (What remains: under version 1 a
        visitor from a private address, inside the site's own virtual network, can pass for such a
        front end. `APPSVC_FORWARDED_HOPS=1` ends that.)
        """
        if self._second_hop_unsure and (proto is None or "," not in proto):
            last = self._forwarded.read_client(value, 1)
            if last is None or last[0] not in self._trusted:
                hops -= 1
        return self._forwarded.read_client(value, hops)

    def _take_host(self, environ: dict[str, Any], original: dict[str, Any], key: str) -> None:
        """Put the host of another header in place of `Host`, if it is one."""
        host = self._forwarded.read_host(environ.get(key, ""))
        if host is None:
            return
        original["HTTP_HOST"] = environ.get("HTTP_HOST")
        original["SERVER_NAME"] = environ.get("SERVER_NAME")
        original["SERVER_PORT"] = environ.get("SERVER_PORT")
        environ["HTTP_HOST"] = host.value
        environ["SERVER_NAME"] = host.name
        default_port = 443 if environ["wsgi.url_scheme"] == "https" else 80
        environ["SERVER_PORT"] = str(host.port or default_port)

    def _disbelieve(self, environ: dict[str, Any], original: dict[str, Any]) -> None:
        """Remove what only a front end may say; what the server itself saw stands."""
        prefixes = facts.FORWARDED_PREFIXES
        forged = [key for key in environ if key.startswith(prefixes)]
        forged += [key for key in facts.FORWARDED_HEADERS if key in environ]
        for key in forged:
            original[key] = environ.pop(key)
        scheme = _server_scheme(environ)
        environ["wsgi.url_scheme"] = scheme
        environ["HTTPS"] = "on" if scheme == "https" else "off"
        self._describe(environ)

    def _describe(self, environ: dict[str, Any]) -> None:
        environ[REQUEST_KEY] = RequestInfo(
            environ.get("wsgi.url_scheme", "http"),
            environ.get("HTTP_HOST") or environ.get("SERVER_NAME", ""),
            environ.get("REMOTE_ADDR", ""),
            environ.get("REMOTE_PORT"),
            None,
            self._policy,
        )


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


def _server_scheme(environ: dict[str, Any]) -> str:
    """Give the scheme that the server itself saw; IIS says it in `HTTPS`."""
    if environ.get("wsgi.url_scheme") == "https":
        return "https"
    return "https" if str(environ.get("HTTPS", "")).lower() in ("on", "1") else "http"
