"""What the platform tells a process about itself, and the app's own settings, typed.

    from appsvc_runtime import load_settings

    settings = load_settings()
    settings.host                                    # "linux", …, "local"
    settings.value("CACHE_SECONDS", int, default=60)
    settings.connection("main").sqlalchemy_url()

Read when called, never at import. Must not know of requests, frameworks or the operating system.
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
    """What Kudu tells a WebJob (Kudu.Core/Jobs); paths as the host spells them."""

    name: str
    type: str
    path: str
    data_path: str
    run_id: str
    command_arguments: str = field(repr=False)  # may hold `--password …`
    shutdown_file: str


@dataclass(frozen=True)
class Role:
    """What the fabric tells a Cloud Service role; `emulated` on the compute emulator."""

    root: str
    instance_id: str
    deployment_id: str
    diagnostic_store: str
    emulated: bool


@dataclass(frozen=True, eq=False)
class Settings:
    """A process's settings, frozen. Texts that the platform did not give are "".

    `host`: `linux` (the container), `httpplatform`, `fastcgi`, `webjob`, `workerrole`, `local`.
    `hostname` is the `*.azurewebsites.net` name, never a custom domain. `slot` is `Production` in
    the site's own slot. `owner` is subscription, resource group and region in one text. `home` and
    `log_folder` are None off the platform. `has_identity`: a managed identity can be asked for
    tokens. `auth_enabled`: the platform signs visitors in. `app_settings` maps all settings the app
    can see, `connection_strings` all connection strings; `findings` say what was wrong with `.env`.
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
        """Say whether this is one of Azure's hosts."""
        return self.host != "local"

    @property
    def on_app_service(self) -> bool:
        """Say whether this is App Service, with its front end before the app; no worker role is."""
        return self.host not in ("local", "workerrole")

    @property
    @drop_frames
    def port(self) -> int:
        """Return the port to listen on, as `runserver` finds it; 8000 if none is set.

        Raises ConfigError, when asked and not before, for a variable that holds no port.
        """
        return ports.choose_port(None, {k: self._text(k) for k in ports.PLATFORM_SOURCES})

    @property
    def start_seconds(self) -> int:
        """Give the seconds a container has to answer (`WEBSITES_CONTAINER_START_TIME_LIMIT`)."""
        return self._seconds("WEBSITES_CONTAINER_START_TIME_LIMIT", 10, 230, 1800)

    @property
    def stop_seconds(self) -> int:
        """Give the seconds it has to stop (`WEBSITES_CONTAINER_STOP_TIME_LIMIT`)."""
        return self._seconds(names.STOP_TIME_LIMIT, 0, names.DEFAULT_STOP_SECONDS, 120)

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Give the origins that the platform's own CORS lets in."""
        text = self._text("WEBSITE_CORS_ALLOWED_ORIGINS")
        return tuple(part.strip() for part in text.split(",") if part.strip())

    @property
    def private_ports(self) -> tuple[str, ...]:
        """Give the ports between instances, in the platform's order."""
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
        """Give the setting `name` read as `kind`, or `default` where it is not set (or empty).

        Kinds: str, int, float, bool, list, dict, Json, datetime.timedelta, pathlib.Path, Url,
        Secret, enumerations, `list[int]` and the like. Raises SettingsError where it is missing
        with no default, malformed, or an unresolved Key Vault reference; never shows its value.
        """
        return read_value(self.app_settings, name, kind, default)

    @drop_frames
    def read(self, cls: type[T], *, prefix: str = "") -> T:
        """Read a whole dataclass: its annotations and defaults say what is wanted.

        A field `api_key` is the setting `API_KEY` (in any case), a field that is a dataclass itself
        `FIELD__…`, and `field(metadata={"setting": "Section:Key"})` names another. Raises one
        SettingsError that holds everything missing and malformed.
        """
        found: T = read_dataclass(self.app_settings, cls, prefix)
        return found

    def connection(self, name: str) -> ConnectionString:
        """Give the connection string called `name`, in the portal or by its whole variable.

        Raises SettingsError where there is none (it says which there are), and where it cannot be
        read; two of one name are found in the order of `names.CONNECTION_PREFIXES`.
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
