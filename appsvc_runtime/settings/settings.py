"""What the platform tells a process about itself, and the app's own settings, typed.

    from appsvc_runtime import load_settings

    settings = load_settings()
    settings.host                                    # "linux", …, "local"
    settings.value("CACHE_SECONDS", int, default=60)
    settings.connection("main").sqlalchemy_url()

Reads on a call, never on import. Must not know of requests, frameworks or the operating system.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..azure import names, ports
from ..errors import drop_frames
from .app_settings import AppSettings
from .connection_strings import Connections
from .typed import MISSING, read_dataclass, read_value

if TYPE_CHECKING:
    from ..azure.hosts import HostKind
    from ..findings import Finding
    from .connection_strings import ConnectionString
    from .converters import Json

__all__ = ["Role", "Settings", "WebJob"]

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True)
class WebJob:
    """The variables that Kudu sets for a WebJob (Kudu.Core/Jobs); paths as on the host."""

    name: str
    type: str
    path: str
    data_path: str
    run_id: str
    command_arguments: str = field(repr=False)  # may contain `--password …`
    shutdown_file: str


@dataclass(frozen=True)
class Role:
    """The variables that the fabric sets for a Cloud Service role.

    `emulated` is True on the compute emulator.
    """

    root: str
    instance_id: str
    deployment_id: str
    diagnostic_store: str
    emulated: bool


@dataclass(frozen=True, eq=False)
class Settings:
    """A process's settings, frozen. Texts that the platform did not set are "".

    `host`: `linux` (the container), `httpplatform`, `fastcgi`, `webjob`, `workerrole`, `local`.
    `hostname` is the `*.azurewebsites.net` name, never a custom domain. `slot` is `Production` in
    the site's own slot. `owner` is subscription, resource group and region in one text. `home` and
    `log_folder` are None off the platform. `has_identity`: a managed identity can issue tokens.
    `auth_enabled`: App Service authentication is on. `app_settings` maps all settings the app can
    see, `connection_strings` all connection strings; `findings` are the faults of `.env`.
    """

    host: HostKind
    site_name: str = ""
    slot: str = ""
    instance_id: str = ""
    role_instance_id: str = ""
    hostname: str = ""
    region: str = ""
    resource_group: str = ""
    owner: str = ""
    sku: str = ""
    compute_mode: str = ""
    deployment_id: str = ""
    virtual_environment: str = ""
    home: Path | None = None
    log_folder: Path | None = None
    private_ip: str = ""
    warmup_path: str = names.DEFAULT_WARMUP_PATH
    has_identity: bool = False
    auth_enabled: bool = False
    run_from_package: bool = False
    webjob: WebJob | None = None
    role: Role | None = None
    dotenv_path: Path | None = None
    findings: tuple[Finding, ...] = ()
    app_settings: AppSettings = field(default_factory=AppSettings, repr=False)
    connection_strings: Connections = field(
        default_factory=lambda: Connections(AppSettings()), repr=False
    )

    @property
    def on_platform(self) -> bool:
        """Return whether this is one of Azure's hosts."""
        return self.host != "local"

    @property
    def on_app_service(self) -> bool:
        """Return whether this is App Service, which has a front end; a role is not."""
        return self.host not in ("local", "workerrole")

    @property
    @drop_frames
    def port(self) -> int:
        """Return the port to listen on, as `runserver` finds it; 8000 if no variable is set.

        Raises ConfigError, on access and not before, for a variable that holds no port.
        """
        return ports.choose_port(None, {k: self._text(k) for k in ports.PLATFORM_SOURCES})

    @property
    def start_seconds(self) -> int:
        """Return the seconds within which a container must respond after its start.

        `WEBSITES_CONTAINER_START_TIME_LIMIT`, 10 to 1800, 230 by default.
        """
        return self._seconds("WEBSITES_CONTAINER_START_TIME_LIMIT", 10, 230, 1800)

    @property
    def stop_seconds(self) -> int:
        """Return the seconds a container has to stop (`WEBSITES_CONTAINER_STOP_TIME_LIMIT`)."""
        return self._seconds(names.STOP_TIME_LIMIT, 0, names.DEFAULT_STOP_SECONDS, 120)

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Return the origins that the platform's own CORS allows."""
        text = self._text("WEBSITE_CORS_ALLOWED_ORIGINS")
        return tuple(part.strip() for part in text.split(",") if part.strip())

    @property
    def private_ports(self) -> tuple[str, ...]:
        """Return the ports between instances, in the platform's order."""
        text = self._text("WEBSITE_PRIVATE_PORTS")
        return tuple(part.strip() for part in text.split(",") if part.strip())

    @overload
    def value(self, name: str) -> str: ...
    @overload
    def value(self, name: str, kind: type[Json]) -> Any: ...
    @overload
    def value(self, name: str, kind: type[Json], default: Any) -> Any: ...
    @overload
    def value(self, name: str, kind: type[T]) -> T: ...
    @overload
    def value(self, name: str, kind: type[T], default: D) -> T | D: ...
    @overload
    def value(self, name: str, *, default: D) -> str | D: ...
    @drop_frames
    def value(self, name: str, kind: Any = str, default: Any = MISSING) -> Any:
        """Return the setting `name` as a `kind`, or `default` if it is not set or empty.

        Kinds: str, int, float, bool, list, dict, Json, datetime.timedelta, pathlib.Path, Url,
        Secret, enumerations, `list[int]` and the like. Raises SettingsError if the setting is
        missing without a default, is malformed, or is an unresolved Key Vault reference; the error
        never shows the value.
        """
        return read_value(self.app_settings, name, kind, default)

    @drop_frames
    def read(self, cls: type[T], *, prefix: str = "") -> T:
        """Return an instance of a dataclass, read by its annotations and defaults.

        A field `api_key` is the setting `API_KEY` (in any case), a field that is a dataclass itself
        is `FIELD__…`, and `field(metadata={"setting": "Section:Key"})` names another one. Raises
        one SettingsError for all settings that are missing or malformed.
        """
        found: T = read_dataclass(self.app_settings, cls, prefix)
        return found

    def connection(self, name: str) -> ConnectionString:
        """Return the connection string with this name in the portal or full variable name.

        Raises SettingsError if it is missing (with the names that exist) or cannot be read. If two
        strings have one name, the order of `names.CONNECTION_PREFIXES` decides.
        """
        return self.connection_strings.require(name)

    def _text(self, name: str) -> str:
        found = self.app_settings.find(name)
        return found.value if found else ""

    def _seconds(self, name: str, low: int, default: int, high: int) -> int:
        text = self._text(name).strip()
        if not (text.isascii() and text.isdigit() and len(text) < 9):
            return default
        return min(max(int(text), low), high)
