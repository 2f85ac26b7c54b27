"""The variables that App Service sets for a site's processes, for a site on a laptop.

Takes names and values, returns a dict. Must not know of web.config or of processes. Source: AD,
reference-app-settings.
"""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...azure import names
from ...errors import ConfigError

__all__ = [
    "make_environ",
    "parse_setting",
    "plain_environ",
    "platform_variables",
    "windows_variables",
]

# Variables that would make a child detect another host than the emulated one.
_DROPPED = (
    names.APP_SETTING_PREFIX,
    "WEBSITE_",
    "WEBJOBS_",
    "HTTP_PLATFORM_",
    "WSGI_",
    "IDENTITY_",
    "MSI_",
    *names.CONNECTION_PREFIXES,
)
_DROPPED_NAMES = frozenset({"PORT", "SERVER_PORT", "WEB_CONCURRENCY", "_FCGI_SHUTDOWN_EVENT_"})


def parse_setting(text: str) -> tuple[str, str]:
    """Parse `NAME=VALUE`; for anything else raise ConfigError, which never shows the value."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or "\0" in text:
        raise ConfigError(
            f"--set {name[:40]!r} is not a name, an equals sign and a value.",
            hint="Write it as --set NAME=VALUE.",
        )
    return name.strip(), value


def windows_variables() -> dict[str, str]:
    r"""Return what Windows and App Service also set, for the `%VAR%` of a web.config.

    Paths are Windows paths, so that they are recognized as the site's: `%SystemDrive%\home`.
    """
    return {
        "APP_POOL_ID": "emulator",
        "HOMEDRIVE": "D:",
        "OS": "Windows_NT",
        "ProgramFiles": r"D:\Program Files",
        "ProgramFiles(x86)": r"D:\Program Files (x86)",
        "SystemDrive": "D:",
        "SystemRoot": r"D:\Windows",
        "TEMP": tempfile.gettempdir(),
        "TMP": tempfile.gettempdir(),
        "WEBROOT_PATH": r"D:\home\site\wwwroot",
        "windir": r"D:\Windows",
    }


def platform_variables(*, site_name: str, public_name: str, instance_id: str) -> dict[str, str]:
    """Return the variables that App Service sets on every kind of host."""
    return {
        "REGION_NAME": "Emulator",
        "WEBSITE_AUTH_ENABLED": "False",
        "WEBSITE_COMPUTE_MODE": "Dedicated",
        "WEBSITE_CORS_ALLOWED_ORIGINS": "",
        "WEBSITE_HOSTNAME": public_name,
        "WEBSITE_HTTPLOGGING_ENABLED": "0",
        "WEBSITE_INSTANCE_ID": instance_id,
        "WEBSITE_OWNER_NAME": "00000000-0000-0000-0000-000000000000+emulator",
        "WEBSITE_RESOURCE_GROUP": "emulator",
        "WEBSITE_ROLE_INSTANCE_ID": "0",
        "WEBSITE_SITE_NAME": site_name,
        "WEBSITE_SKU": "Basic",
    }


def plain_environ(base: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `base` that do not belong to a host."""
    return {
        name: value
        for name, value in base.items()
        if not name.upper().startswith(_DROPPED) and name.upper() not in _DROPPED_NAMES
    }


def make_environ(
    base: Mapping[str, str],
    *,
    site_name: str,
    public_name: str,
    home: Path,
    app_settings: Iterable[tuple[str, str]] = (),
) -> dict[str, str]:
    """Return the variables of a site's process.

    `base` is this process's own environment; its variables stay, except those of another host. The
    platform's variables follow, then the app settings, under both of their names.
    """
    environ = plain_environ(base)
    # The same at each start, as an instance keeps its id; 64 hexadecimal digits as on the platform.
    instance = hashlib.sha256(f"appsvc {site_name} {uuid.getnode()}".encode()).hexdigest()
    environ.update(
        platform_variables(site_name=site_name, public_name=public_name, instance_id=instance)
    )
    environ.update({"HOME": str(home), "HOME_EXPANDED": str(home), "SITE_BITNESS": "AMD64"})
    for name, value in app_settings:
        environ[name] = value
        environ[names.APP_SETTING_PREFIX + name] = value
    # Output is shown as it comes; on the platform no user waits for it.
    environ.setdefault("PYTHONUNBUFFERED", "1")
    return environ
