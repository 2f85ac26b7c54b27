"""Load the settings of this process or of given variables: the host, the `.env`, the layers.

Reads on a call, never on import. Must not know of frameworks.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, cast

from ..azure import hosts, names
from ..errors import drop_frames
from . import dotenv as settings_dotenv
from .app_settings import AppSettings, Layer, copy_texts
from .connection_strings import Connections
from .settings import Role, Settings, WebJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..azure.hosts import HostKind
    from ..findings import Finding

__all__ = ["load_settings"]


@drop_frames
def load_settings(
    environ: Mapping[str, str] | None = None,
    *,
    dotenv: bool | str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Settings:
    """Return the settings of this process or of the variables given; no variable is required.

    `environ`: by default the current `os.environ`. `dotenv`: None reads the nearest `.env` of
    `folder` (by default the current one) or a folder above it, but only off the platform and
    without `environ`; True always does so, False never; a path always reads that file. A variable
    takes precedence over `.env`, whose values are not put into `os.environ`.

    Raises ConfigError for a `.env` that cannot be read, and for a path that does not exist.
    """
    variables = dict(os.environ) if environ is None else copy_texts(environ)
    ignore_case = hosts.on_windows(variables)
    host = hosts.host_kind(variables)
    layers = [Layer("environment", variables, ignore_case=ignore_case)]
    automatic = environ is None and host == "local"
    path, findings = _dotenv_path(dotenv, folder, automatic=automatic)
    if path is not None:
        values, found = settings_dotenv.read_dotenv(path, variables)
        findings += found
        layers.append(Layer(str(path), values, ignore_case=ignore_case))
    return _settings(variables, host, AppSettings(*layers), path, findings)


def _settings(
    variables: Mapping[str, str],
    host: HostKind,
    app_settings: AppSettings,
    dotenv: Path | None,
    findings: list[Finding],
) -> Settings:
    def text(name: str) -> str:
        # Not layer.find: the platform's own names have one spelling, so no index is needed.
        # Windows ignores case; a copy of its environment has all names upper-cased.
        return variables.get(name) or variables.get(name.upper(), "")

    site = hosts.on_app_service(variables)
    slot = text("WEBSITE_SLOT_NAME") or ("Production" if site else "")
    home = _home(text("HOME"), windows=hosts.on_windows(variables)) if site else None
    role = _role(text) if host == "workerrole" else None
    return Settings(
        host=host,
        site_name=text(names.SITE_NAME),
        slot=slot,
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
        has_identity=_has_identity(text),
        auth_enabled=hosts.authentication(variables),
        run_from_package=text("WEBSITE_RUN_FROM_PACKAGE").strip() not in {"", "0"},
        webjob=_webjob(text) if host == "webjob" else None,
        role=role,
        dotenv_path=dotenv,
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
    """Return the site's home. If it is of the other system, the path cannot be used for files."""
    if not text:
        return None
    here = Path(text)
    if isinstance(here, PureWindowsPath) == windows:
        return here
    return cast("Path", PureWindowsPath(text) if windows else PurePosixPath(text))


def _log_folder(home: Path | None, role: Role | None) -> Path | None:
    """Return the folder of the host's logs (Kudu for sites, the templates' ps.cmd for roles)."""
    if role is not None:
        store = _home(role.diagnostic_store, windows=True)
        return store / "LogFiles" if store else None
    return home / "LogFiles" if home else None


def _has_identity(text: Callable[[str], str]) -> bool:
    """Return whether the host offers a managed identity, by today's names or the older ones."""
    return any(
        text(endpoint) and text(secret)
        for endpoint, secret in (
            ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"),
            ("MSI_ENDPOINT", "MSI_SECRET"),
        )
    )


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
