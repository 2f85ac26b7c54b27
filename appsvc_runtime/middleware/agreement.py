"""Makes all headers agree with the decision, so that all libraries read the same scheme and client.

The work depends only on which headers a request has. It is therefore planned once for each set of
names, of which most requests of a site share a few. Must not know who is trusted or how anything
was decided.
"""

from __future__ import annotations

from ..azure import names as azure_names
from . import notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["HeaderSet", "HeaderSets", "warn_of_host"]

_FORWARDED_FOR = azure_names.FORWARDED_FOR
_FORWARDED_PORT = azure_names.FORWARDED_PORT
_CLIENT_PORT = azure_names.CLIENT_PORT
# Variables that are written in every request, with the original value of a missing one.
_ALWAYS = {
    "REMOTE_ADDR": "",
    "REMOTE_PORT": None,
    "wsgi.url_scheme": None,
    "HTTPS": None,
    azure_names.FORWARDED_PROTO: None,
    _FORWARDED_FOR: None,
}
# Variables that are written only if the request has them.
_OVERWRITTEN = azure_names.ADDRESS_HEADERS.union(
    azure_names.SCHEME_HEADERS, _ALWAYS, {_CLIENT_PORT, _FORWARDED_PORT}
)
_MORE = frozenset(
    {azure_names.WFASTCGI_MARK, azure_names.FORWARDED_HOST, azure_names.FORWARDED_PREFIX}
)
# The limits of the cache, so that no client can make it grow: sets, names and characters in a set.
_MAX_SETS, _MAX_NAMES, _MAX_CHARACTERS = 256, 256, 16 * 1024
_HOST_IGNORED = (
    "X-Forwarded-Host differs from Host and is removed, because no setting allows it (logged "
    "once). If your Front Door sends it, set APPSVC_FRONT_DOOR_ID; if another proxy sends it that "
    "clients cannot bypass, set APPSVC_HOST_HEADER=X-Forwarded-Host."
)


class HeaderSet:
    """The changes to the headers of requests that have the variables `names` in their environ.

    - `overwritten` are the variables of the request that the decision replaces. `blank` has a key
      for each of these and of those that are added; a copy of it takes the original values.
    - `identity` are the headers of the signed-in user. `forbidden` are the headers that no
      untrusted peer may send: all that only a front end may send, and `others`.
    - `has_more`: more is to be decided than for most requests, because of wfastcgi, identity
      headers, X-Forwarded-Host or X-Forwarded-Prefix. `arr_ssl`: X-ARR-SSL counts.
    """

    __slots__ = (
        "_addresses", "_has_port", "_ports", "_removed", "_scheme", "blank", "forbidden",
        "has_more", "identity", "names", "overwritten",
    )  # fmt: skip

    def __init__(self, names: tuple[str, ...], others: frozenset[str], *, arr_ssl: bool) -> None:
        self.names = [*names]
        found = frozenset(names)
        self.overwritten = [*found & _OVERWRITTEN]
        self.blank = {**_ALWAYS, **dict.fromkeys(self.overwritten)}
        self.identity = [key for key in names if key.startswith(azure_names.IDENTITY_PREFIXES)]
        self.forbidden = [key for key in names if _is_reported(key) or key in others]
        self.has_more = bool(self.identity) or not _MORE.isdisjoint(names)
        self._addresses = ["REMOTE_ADDR", _FORWARDED_FOR, *found & azure_names.ADDRESS_HEADERS]
        self._ports = ["REMOTE_PORT", *found & {_CLIENT_PORT}]
        self._has_port = _FORWARDED_PORT in found
        # The next two are pairs: for http, and for https.
        self._scheme = (_scheme_variables("http", found), _scheme_variables("https", found))
        removed = [*found & azure_names.OTHER_FORWARDED_HEADERS]
        mark = [*found & {azure_names.ARR_SSL}]
        self._removed = (removed + mark, removed if arr_ssl else removed + mark)

    def agree(
        self,
        environ: dict[str, Any],
        original: dict[str, Any],
        secure: bool,
        client: tuple[str, str | None] | None,
        host_key: str,
    ) -> None:
        """Write the decision into `environ`.

        `original` has the original values of `overwritten`; removed values are added to it.
        `client` is the client's address and port, None if the peer's are kept. `host_key` is the
        header that the host was taken from, "" for `Host` itself; it is not removed.
        """
        environ.update(self._scheme[secure])
        if client is None:
            for key in (*self._addresses[1:], _CLIENT_PORT):
                environ.pop(key, None)
        else:
            address, port = client
            for key in self._addresses:
                environ[key] = address
            for key in self._ports:
                environ[key] = port
            if port is None:  # the original port is the proxy's
                for key in self._ports:
                    del environ[key]
        for key in self._removed[secure]:
            if key != host_key:
                original[key] = environ.pop(key)
        if self._has_port:
            environ[_FORWARDED_PORT] = _port_of(environ.get("HTTP_HOST", ""), secure=secure)


class HeaderSets(dict["tuple[str, ...]", HeaderSet]):
    """The header set of each tuple of names, made at its first use.

    `others` are headers that no untrusted peer may send, in addition to the platform's.
    """

    def __init__(self, others: Iterable[str] = (), *, arr_ssl: bool) -> None:
        super().__init__()
        self._others = frozenset(others)
        self._arr_ssl = arr_ssl

    def __missing__(self, names: tuple[str, ...]) -> HeaderSet:
        made = HeaderSet(names, self._others, arr_ssl=self._arr_ssl)
        if len(names) <= _MAX_NAMES and len("".join(names)) <= _MAX_CHARACTERS:
            if len(self) >= _MAX_SETS:
                self.clear()
            self[names] = made
        return made


def warn_of_host(forwarded: str | None, host: str) -> None:
    """Log once that X-Forwarded-Host was removed, if it names another host than `Host`."""
    if forwarded is not None and forwarded != host:
        notices.warn_once(_HOST_IGNORED)


def _is_reported(key: str) -> bool:
    """Return whether only a front end may send a header."""
    return key in azure_names.FORWARDED_HEADERS or key.startswith(azure_names.FORWARDED_PREFIXES)


def _scheme_variables(scheme: str, found: Iterable[str]) -> dict[str, str]:
    """Return the values of the scheme's variables: those of every request, and those in `found`."""
    secure = scheme == "https"
    values = {
        "wsgi.url_scheme": scheme,
        "HTTPS": "on" if secure else "off",
        azure_names.FORWARDED_PROTO: scheme,
    }
    for key in azure_names.SCHEME_HEADERS.keys() & found:
        values[key] = azure_names.SCHEME_HEADERS[key][secure]
    return values


def _port_of(host: str, *, secure: bool) -> str:
    """Return the port in a Host header, else the scheme's default port."""
    port = host.rpartition("]")[2].partition(":")[2]
    if port.isascii() and port.isdigit() and len(port) <= 5:
        return port
    return "443" if secure else "80"
