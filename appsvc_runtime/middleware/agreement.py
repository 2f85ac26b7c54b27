"""Headers made to agree with what was decided, so that each library that reads one sees the same.

An environ in, the same one out, changed; what stood there goes into a dict of originals. Loaded by
a middleware that is not inert. Must not know who is trusted, nor how anything was decided.
"""

from __future__ import annotations

from ..azure import names as azure_names
from . import notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["UntrustedHeaders", "agree", "warn_of_host"]

# Headers of the client's address and port, by their place in what was decided; of the scheme.
_OF_CLIENT = {**dict.fromkeys(azure_names.ADDRESS_HEADERS, 0), azure_names.CLIENT_PORT: 1}
_OF_SCHEME = azure_names.SCHEME_HEADERS
# All that is looked at here. X-Forwarded-For and -Proto are with every request, and its decider's.
_REPORTING = azure_names.OTHER_FORWARDED_HEADERS.union(
    _OF_CLIENT, _OF_SCHEME, {azure_names.ARR_SSL, azure_names.FORWARDED_PORT}
)
_HOST_IGNORED = (
    "X-Forwarded-Host differs from Host and is removed, because no setting says who may send it "
    "(logged once). If your Front Door sends it, set APPSVC_FRONT_DOOR_ID; if another proxy does "
    "that nobody can go past, set APPSVC_HOST_HEADER=X-Forwarded-Host."
)


def agree(
    environ: dict[str, Any],
    original: dict[str, Any],
    *,
    client: tuple[str, str | None] | None,
    host_key: str,
    arr_ssl: bool,
) -> None:
    """Rewrite or remove each header that could contradict the decision in `environ`.

    `client` is the decided address and port, None if the peer's stand. `host_key` is the header
    that the host was taken from, "" for `Host` itself: it stays. `arr_ssl`: X-ARR-SSL counts.
    """
    secure = environ["wsgi.url_scheme"] == "https"
    for key in _REPORTING.intersection(environ):
        if key == host_key:
            continue
        original[key] = came = environ[key]
        value: str | None = None
        if key in _OF_CLIENT:
            value = client[_OF_CLIENT[key]] if client else None
        elif key in _OF_SCHEME:
            value = _OF_SCHEME[key][secure]
        elif key == azure_names.ARR_SSL:
            value = came if arr_ssl and secure else None
        elif key == azure_names.FORWARDED_PORT:
            value = _port(environ.get("HTTP_HOST", ""), secure)
        if value is None:
            del environ[key]
        else:
            environ[key] = value


def warn_of_host(forwarded: str | None, host: str) -> None:
    """Log once that X-Forwarded-Host was removed, if it names another host than `Host`."""
    if forwarded is not None and forwarded != host:
        notices.warn_once(_HOST_IGNORED)


def _port(host: str, secure: bool) -> str:
    """Return the port in a Host header, else the scheme's own."""
    port = host.rpartition("]")[2].partition(":")[2]
    if port.isascii() and port.isdigit() and len(port) <= 5:
        return port
    return "443" if secure else "80"


class UntrustedHeaders:
    """What an untrusted peer loses: all that only a front end may report, and `others`."""

    def __init__(self, others: Iterable[str] = ()) -> None:
        self._names = azure_names.FORWARDED_HEADERS.union(others)

    def remove(self, environ: dict[str, Any], original: dict[str, Any]) -> None:
        """Move them from `environ` to `original`."""
        for key in self._names.intersection(environ):
            original[key] = environ.pop(key)
        # Looked for in all names at once: one by one would take longer.
        names = "".join(environ)
        for prefix in azure_names.FORWARDED_PREFIXES:
            if prefix in names:
                for key in [key for key in environ if key.startswith(prefix)]:
                    original[key] = environ.pop(key)
