"""What an app may ask about a request: `environ["appsvc.request"]`.

A value and nothing else; imports nothing, because the middleware makes one for every request.
"""

from __future__ import annotations

__all__ = ["RequestInfo"]


class RequestInfo:
    """What is known of a request, as the front end reported it; `environ["appsvc.request"]`.

    `scheme` is "http" or "https". `host` is the Host header, with its port if it has one.
    `client_address` is the visitor's address (the peer's where nothing better is known) and
    `client_port` its port or None. `arr_log_id` is the front end's id of the request
    (`X-ARR-LOG-ID`), by which the platform's own logs know it, or None.
    """

    __slots__ = ("_policy", "_port", "arr_log_id", "client_address", "host", "scheme")

    def __init__(
        self,
        scheme: str,
        host: str,
        client_address: str,
        client_port: str | None,
        arr_log_id: str | None,
        policy: object = None,
    ) -> None:
        self.scheme = scheme
        self.host = host
        self.client_address = client_address
        self._port = client_port
        self.arr_log_id = arr_log_id
        self._policy = policy  # by which the middleware that made it decided

    @property
    def client_port(self) -> int | None:
        """The visitor's port, or None where it is not known."""
        port = str(self._port)  # werkzeug's development server says it as a number
        return int(port) if port.isascii() and port.isdecimal() else None

    @property
    def is_secure(self) -> bool:
        """True where the visitor came by https."""
        return self.scheme == "https"

    def __repr__(self) -> str:
        return (
            f"RequestInfo(scheme={self.scheme!r}, host={self.host!r}, "
            f"client_address={self.client_address!r}, client_port={self.client_port!r}, "
            f"arr_log_id={self.arr_log_id!r})"
        )
