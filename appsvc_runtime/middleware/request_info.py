"""The facts about a request that an app can read: `environ["appsvc.request"]`.

Imports nothing, because the middleware makes a `RequestInfo` for every request. The signed-in user
is decoded at the first access.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .principal import Principal

__all__ = ["RequestInfo"]

# Problems with principals that this process has logged; each is logged once.
_said: set[str] = set()


class RequestInfo:
    """The facts about a request, as the front end reports them; `environ["appsvc.request"]`.

    `scheme` is "http" or "https". `host` is the Host header, with its port if it has one.
    `client_address` is the client's address, or the peer's if the client's is not known, and
    `client_port` is its port or None. `arr_log_id` is the front end's id of the request
    (`X-ARR-LOG-ID`), which the platform's own logs contain, or None.
    """

    __slots__ = (
        "_policy", "_port", "_prefix", "_principal",
        "arr_log_id", "client_address", "host", "scheme",
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
        self._policy = policy  # of the middleware that made this object
        self._prefix = ""  # what a gateway has removed from the path, and SCRIPT_NAME begins with
        # The values of trusted headers at first, later the principal that was read from them.
        self._principal: tuple[str | None, ...] | Principal | None = None

    @property
    def client_port(self) -> int | None:
        """The client's port, or None if it is not known."""
        port = str(self._port)  # an int under werkzeug's development server
        return int(port) if port.isascii() and port.isdecimal() else None

    @property
    def principal(self) -> Principal | None:
        """The user whom App Service authentication has signed in, or None.

        None unless App Service authentication is on and the front end sends the user's headers.
        They are read at the first access. If they cannot be read, the result is None, and the
        reason is logged once, without the value.
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
