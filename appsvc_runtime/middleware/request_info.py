"""What an app may ask about a request: `environ["appsvc.request"]`.

A value and nothing else; imports nothing, because the middleware makes one for every request. Who
is signed in is read when somebody asks.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .principal import Principal

__all__ = ["RequestInfo"]

# What was wrong with principals, so that each is said once.
_said: set[str] = set()


class RequestInfo:
    """What is known of a request, as the front end reported it; `environ["appsvc.request"]`.

    `scheme` is "http" or "https". `host` is the Host header, with its port if it has one.
    `client_address` is the client's address (the peer's where nothing better is known) and
    `client_port` its port or None. `arr_log_id` is the front end's id of the request
    (`X-ARR-LOG-ID`), by which the platform's own logs know it, or None.
    """

    __slots__ = (
        "_policy", "_port", "_principal", "arr_log_id", "client_address", "host", "scheme",
    )  # fmt: skip

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
        # The values of headers that may be trusted, then what was read of them.
        self._principal: tuple[str | None, ...] | Principal | None = None

    @property
    def client_port(self) -> int | None:
        """The client's port, or None where it is not known."""
        port = str(self._port)  # werkzeug's development server says it as a number
        return int(port) if port.isascii() and port.isdecimal() else None

    @property
    def principal(self) -> Principal | None:
        """Who is signed in, as App Service authentication says; None for nobody.

        Nobody unless the platform signs users in and the front end says it. Read when this is
        first asked for. What cannot be read is nobody, and is logged once, without the value.
        """
        found = self._principal
        if type(found) is tuple:
            from . import principal as middleware_principal

            found, problem = middleware_principal.read_principal(
                middleware_principal.PrincipalHeaders(*found)
            )
            self._principal = found
            if problem and problem not in _said:
                _said.add(problem)
                middleware_principal.say_problem(problem)
        return found  # type: ignore[return-value]

    @property
    def is_secure(self) -> bool:
        """True if the client used https."""
        return self.scheme == "https"

    def __repr__(self) -> str:
        return (
            f"RequestInfo(scheme={self.scheme!r}, host={self.host!r}, "
            f"client_address={self.client_address!r}, client_port={self.client_port!r}, "
            f"arr_log_id={self.arr_log_id!r})"
        )
