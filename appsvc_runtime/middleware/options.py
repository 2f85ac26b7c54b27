"""The middlewares' options: arguments, variables and defaults, resolved once.

Importing this module loads no library module beyond those of Python's own start. Must not know of
requests.
"""

from __future__ import annotations

import os

from ..azure import hosts, names
from ..errors import ConfigError
from ..settings import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Final

    from .health import Health

__all__ = ["VARIABLES", "MiddlewareOptions"]

# The arguments of the middlewares' constructors, each with the variable that counts if it is None.
# The parsers, defaults and help are in `settings.options`.
VARIABLES = {
    "trusted_proxies": "APPSVC_TRUSTED_PROXIES",
    "hops": "APPSVC_FORWARDED_HOPS",
    "front_door_id": "APPSVC_FRONT_DOOR_ID",
    "host_header": "APPSVC_HOST_HEADER",
    "client_header": "APPSVC_CLIENT_HEADER",
    "path_prefix": "APPSVC_PATH_PREFIX",
    "application_path": "APPSVC_APPLICATION_PATH",
    "arr_ssl": "APPSVC_ARR_SSL",
    "fastcgi_identity": "APPSVC_FASTCGI_IDENTITY",
    "remote_user": "APPSVC_REMOTE_USER",
    "require_login": "APPSVC_REQUIRE_LOGIN",
    "https_only": "APPSVC_HTTPS_ONLY",
    "hsts_seconds": "APPSVC_HSTS_SECONDS",
    "access_log": "APPSVC_ACCESS_LOG",
    "pass_warmup": "APPSVC_PASS_WARMUP",
}


class MiddlewareOptions:
    """The resolved options of a middleware; immutable.

    `arguments` are those of a middleware's constructor by their names, with `health` and `environ`;
    others are ignored. `AppServiceMiddleware` describes them. Reads `os.environ` if `environ` is
    None. Raises ConfigError for a value that cannot be used.
    """

    _is_frozen = False

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        given = arguments.get("environ")
        environ: Mapping[str, str] = os.environ if given is None else given

        def resolve(name: str) -> Any:
            return options.resolve(VARIABLES[name], arguments.get(name), environ)

        self.on_app_service: Final[bool] = hosts.on_app_service(environ)
        self.under_iis: Final[bool] = hosts.under_http_platform(environ)
        self.authentication: Final[bool] = hosts.authentication(environ)
        self.site_host: Final[str] = environ.get(names.HOSTNAME, "")
        self.warmup_path: Final[str] = hosts.warmup_path(environ)

        trusted = resolve("trusted_proxies")
        # An empty list as argument trusts no peer, but still removes forged headers.
        self.inert: Final[bool] = trusted == "" and not self.on_app_service
        self.trusted: Final[str | tuple[str, ...]] = _trusted(trusted, self.on_app_service)
        # With more hops than proxies that append, an entry that the client wrote would count.
        default_hops = 2 if hosts.under_http_platform_v2(environ) else 1
        self.hops: Final[int] = resolve("hops") or default_hops
        self.front_door_id: Final[str] = resolve("front_door_id").lower()
        # Headers by their WSGI variables, "" for none.
        self.host_key: Final[str] = _key(resolve("host_header"))
        self.client_key: Final[str] = _key(resolve("client_header"))
        self.path_prefix: Final[bool] = bool(resolve("path_prefix"))
        # "" for the root, None if a request of FastCGI may name it.
        named: str | None = resolve("application_path")
        self.application_path: Final[str | None] = (
            hosts.application_path(environ) if named is None else named
        )
        arr_ssl = resolve("arr_ssl")
        self.arr_ssl: Final[bool] = self.on_app_service if arr_ssl is None else bool(arr_ssl)
        self.fastcgi_identity: Final[bool] = bool(resolve("fastcgi_identity"))
        self.remote_user: Final[str] = resolve("remote_user")

        self.require_login: Final[str] = resolve("require_login")
        self.https_only: Final[bool] = bool(resolve("https_only")) and not self.inert
        self.hsts_seconds: Final[int] = resolve("hsts_seconds")
        self.responds_to_warmup: Final[bool] = self.on_app_service and not resolve("pass_warmup")
        self.health: Final[Health | None] = _health(arguments.get("health"))
        self.access_log: Final[bool] = bool(resolve("access_log"))
        self.log_probes: Final[bool] = options.resolve("APPSVC_LOG_PROBES", None, environ)
        self._is_frozen = True

    def __setattr__(self, name: str, value: object) -> None:
        if self._is_frozen:
            raise AttributeError(f"MiddlewareOptions is immutable: {name} cannot be set.")
        super().__setattr__(name, value)

    @property
    def policy(self) -> tuple[object, ...]:
        """The options that decisions depend on; two middlewares with equal options decide alike."""
        return (
            self.inert, self.on_app_service, self.trusted, self.hops, self.front_door_id,
            self.host_key, self.client_key, self.arr_ssl, self.fastcgi_identity,
            self.authentication, self.remote_user, self.path_prefix,
            self.application_path,
        )  # fmt: skip


def _trusted(named: Iterable[str] | str, on_app_service: bool) -> str | tuple[str, ...]:
    if named == "":
        return names.FRONT_END_NETWORKS if on_app_service else ()
    return named if isinstance(named, str) else tuple(named)


def _health(given: Any) -> Any:
    # Not isinstance: the module of Health is slow to import, and may not be loaded.
    if given is not None and not hasattr(given, "drain_on_sigterm"):
        raise ConfigError(
            f"The argument health is not a Health but a {type(given).__name__}.",
            hint='Write health=Health("/healthz").',
        )
    return given


def _key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_") if header else ""
