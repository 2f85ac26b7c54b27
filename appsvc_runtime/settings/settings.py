"""What the platform tells a process about itself, and the app's own settings, typed.

    from appsvc_runtime import load_settings

    settings = load_settings()
    settings.host                                    # "linux", …, "local"
    settings.value("CACHE_SECONDS", int, default=60)
    settings.connection("main").sqlalchemy_url()

Read when called, never at import. Must not know of requests, frameworks or the operating system.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from ..azure import hosts, names, ports
from ..findings import drop_frames
from . import dotenv as settings_dotenv
from .app_settings import AppSettings, Layer, copy_texts
from .connection_strings import Connections
from .typed import MISSING, read_dataclass, read_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..azure.hosts import HostKind
    from ..findings import Finding
    from .connection_strings import ConnectionString
    from .converters import Json

__all__ = ["Role", "Settings", "WebJob", "load_settings"]

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
        """Give the port to listen on, as the `runserver` door finds it; 8000 where none is set.

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
        read; two of one name are found in the order of `facts.CONNECTION_PREFIXES`.
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


@drop_frames
def load_settings(
    environ: Mapping[str, str] | None = None,
    *,
    dotenv: bool | str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Settings:
    """Read the settings of this process, or of the variables given; no variable is required.

    `environ`: `os.environ` by default, as it is now. `dotenv`: None reads the nearest `.env` of
    `folder` (the current one by default) or a folder above it, off the platform only, and only
    where `environ` is not given; True does so everywhere, False nowhere; a path reads that file,
    everywhere. What `.env` holds never goes before a variable, and is not put into `os.environ`.

    Raises ConfigError for a `.env` that cannot be read, and for a path where there is none.
    """
    variables = dict(os.environ) if environ is None else copy_texts(environ)
    ignore_case = hosts.on_windows(variables)
    layer = Layer("environment", variables, ignore_case=ignore_case)
    host = hosts.host_kind(variables)
    layers = [layer]
    automatic = environ is None and host == "local"
    path, findings = _dotenv_path(dotenv, folder, automatic=automatic)
    if path is not None:
        values, found = settings_dotenv.read_dotenv(path, variables)
        findings += found
        layers.append(Layer(str(path), values, ignore_case=ignore_case))
    app_settings = AppSettings(*layers)

    def text(name: str) -> str:
        # Not layer.find: the platform's own names have one spelling, and no index need be made.
        # Windows keeps no case; a copy of its environment has all names upper-cased.
        return variables.get(name) or variables.get(name.upper(), "")

    site = hosts.on_app_service(variables)
    home = _home(text("HOME"), windows=ignore_case) if site else None
    role = _role(text) if host == "workerrole" else None
    return Settings(
        host=host,
        site_name=text(names.SITE_NAME),
        slot=text("WEBSITE_SLOT_NAME") or ("Production" if site else ""),
        instance_id=text(names.INSTANCE_ID) or (role.instance_id if role else ""),
        role_instance_id=text("WEBSITE_ROLE_INSTANCE_ID"),
        hostname=text(names.HOSTNAME),
        region=text("REGION_NAME"),
        resource_group=text("WEBSITE_RESOURCE_GROUP"),
        owner=text("WEBSITE_OWNER_NAME"),
        sku=text("WEBSITE_SKU"),
        compute_mode=text("WEBSITE_COMPUTE_MODE"),
        deployment_id=text("WEBSITE_DEPLOYMENT_ID"),
        virtual_environment=text("APPSVC_VIRTUAL_ENV"),
        home=home,
        log_folder=_log_folder(home, role),
        private_ip=text("WEBSITE_PRIVATE_IP"),
        warmup_path=hosts.warmup_path(variables),
        has_identity=bool(
            (text("IDENTITY_ENDPOINT") and text("IDENTITY_HEADER"))
            or (text("MSI_ENDPOINT") and text("MSI_SECRET"))
        ),
        auth_enabled=hosts.authentication(variables),
        run_from_package=text("WEBSITE_RUN_FROM_PACKAGE").strip() not in {"", "0"},
        webjob=_webjob(text) if host == "webjob" else None,
        role=role,
        dotenv_path=path,
        findings=tuple(findings),
        app_settings=app_settings,
        connection_strings=Connections(app_settings),
    )


def _dotenv_path(
    dotenv: bool | str | os.PathLike[str] | None,
    folder: str | os.PathLike[str] | None,
    *,
    automatic: bool,
) -> tuple[Path | None, list[Finding]]:
    if dotenv is False or (dotenv is None and not automatic):
        return None, []
    if dotenv is None or dotenv is True:
        return settings_dotenv.find_dotenv(Path(folder or os.curdir))
    return Path(dotenv or ".env"), []


def _home(text: str, *, windows: bool) -> Path | None:
    """Give the site's home; of another system than this, as a path that is only a name."""
    if not text:
        return None
    here = Path(text)
    if isinstance(here, PureWindowsPath) == windows:
        return here
    return cast("Path", PureWindowsPath(text) if windows else PurePosixPath(text))


def _log_folder(home: Path | None, role: Role | None) -> Path | None:
    """Give where the host keeps logs (Kudu for sites, the templates' ps.cmd for roles)."""
    if role is not None:
        store = _home(role.diagnostic_store, windows=True)
        return store / "LogFiles" if store else None
    return home / "LogFiles" if home else None


def _webjob(text: Callable[[str], str]) -> WebJob:
    return WebJob(
        name=text("WEBJOBS_NAME"),
        type=text("WEBJOBS_TYPE"),
        path=text("WEBJOBS_PATH"),
        data_path=text("WEBJOBS_DATA_PATH"),
        run_id=text("WEBJOBS_RUN_ID"),
        command_arguments=text("WEBJOBS_COMMAND_ARGUMENTS"),
        shutdown_file=text("WEBJOBS_SHUTDOWN_FILE"),
    )


def _role(text: Callable[[str], str]) -> Role:
    return Role(
        root=text("RoleRoot"),
        instance_id=text("RoleInstanceID"),
        deployment_id=text("RoleDeploymentID"),
        diagnostic_store=text("DiagnosticStore"),
        emulated=text("EMULATED").strip().lower() == "true",
    )
