"""Headers made to agree with what was decided, so that each library that reads one sees the same.

An environ in, the same one out, changed; what stood there goes into a dict of originals. Loaded by
a middleware that is not inert. Must not know who is trusted, nor how anything was decided.
"""

from __future__ import annotations

from . import facts, notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["UntrustedHeaders", "agree"]

_FORWARDED_HOST = facts.FORWARDED_HOST
# All that is looked at here. X-Forwarded-For and -Proto are with every request, and its decider's.
_REPORTING = (
    facts.ADDRESS_HEADERS
    | facts.SCHEME_HEADERS.keys()
    | facts.OTHER_FORWARDED_HEADERS
    | {facts.ARR_SSL, facts.CLIENT_PORT, facts.FORWARDED_PORT}
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
    scheme = environ["wsgi.url_scheme"]
    for key in _REPORTING.intersection(environ):
        if key == host_key:
            continue
        value: str | None = None
        if key in facts.ADDRESS_HEADERS:
            value = client[0] if client else None
        elif key in facts.SCHEME_HEADERS:
            value = facts.SCHEME_HEADERS[key][scheme == "https"]
        elif key == facts.CLIENT_PORT:
            value = client[1] if client else None
        elif key == facts.ARR_SSL:
            value = environ[key] if arr_ssl and scheme == "https" else None
        elif key == facts.FORWARDED_PORT:
            value = _port(environ.get("HTTP_HOST", ""), scheme)
        original[key] = environ[key]
        if value is None:
            del environ[key]
        else:
            environ[key] = value


def warn_of_host(original: dict[str, Any], host: str) -> None:
    """Log once that X-Forwarded-Host was removed, if it names another host than `Host`."""
    if original.get(_FORWARDED_HOST, host) != host:
        notices.warn_once(_HOST_IGNORED)


def _port(host: str, scheme: str) -> str:
    """Return the port in a Host header, else the scheme's own."""
    port = host.rpartition("]")[2].partition(":")[2]
    if port.isascii() and port.isdigit() and len(port) <= 5:
        return port
    return "443" if scheme == "https" else "80"


class UntrustedHeaders:
    """What an untrusted peer loses: all that only a front end may report, and `others`."""

    def __init__(self, others: Iterable[str] = ()) -> None:
        self._names = facts.FORWARDED_HEADERS.union(others)

    def remove(self, environ: dict[str, Any], original: dict[str, Any]) -> None:
        """Move them from `environ` to `original`."""
        for key in self._names.intersection(environ):
            original[key] = environ.pop(key)
        # Looked for in all names at once: one by one would take longer.
        names = "".join(environ)
        for prefix in facts.FORWARDED_PREFIXES:
            if prefix in names:
                for key in [key for key in environ if key.startswith(prefix)]:
                    original[key] = environ.pop(key)
