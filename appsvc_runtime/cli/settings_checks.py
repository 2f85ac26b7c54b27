"""Finds problems in the settings of an app, for `appsvc settings`.

Must not print. No finding holds a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..azure import key_vault, names, ports
from ..errors import ConfigError
from ..findings import Finding, SettingsError
from ..middleware import forwarded
from ..settings import options
from ..settings.converters import fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..settings.settings import Settings

__all__ = ["find_problems"]

# Placeholders that the portal's connection strings leave for the user to fill in.
_PLACEHOLDER = re.compile(r"[{<\[]your[_ -]?(password|user\w*|server\w*|database)[}>\]]", re.I)
# Options that `load_settings` reads, also from `.env`; middleware and servers read the others.
_READ_FROM_DOTENV = frozenset(
    {"APPSVC_ALLOWED_HOSTS", "APPSVC_LOG_LEVEL", "APPSVC_LOG_FORMAT", "APPSVC_LOG_MAX_BYTES"}
    | {"APPSVC_LOG_BACKUPS"}
)


def find_problems(settings: Settings) -> list[Finding]:
    """Return problems in the settings; a setting that is merely not set is not one."""
    return [
        *settings.findings,
        *_half_a_platform(settings),
        *_unresolved(settings),
        *_twins(settings),
        *_spellings(settings),
        *_no_text(settings),
        *_options(settings),
        *_ports(settings),
        *_connections(settings),
    ]


def _half_a_platform(settings: Settings) -> Iterator[Finding]:
    environ = settings.app_settings.environ
    there = [name for name in (names.SITE_NAME, names.INSTANCE_ID) if environ.get(name)]
    if len(there) == 1:
        yield Finding(
            "half-platform",
            "warning",
            there[0],
            f"{there[0]} is set without its companion, so this does not count as App Service.",
            f"Unset it, or set both {names.SITE_NAME} and {names.INSTANCE_ID}.",
        )


def _unresolved(settings: Settings) -> Iterator[Finding]:
    strings = {setting for _, setting in settings.connection_strings.all()}
    for name in sorted(settings.app_settings):
        found = settings.app_settings.find(name)
        if found and (
            key_vault.is_reference(found.value)
            or (found.name in strings and key_vault.holds_reference(found.value))
        ):
            yield key_vault.unresolved(
                found.name, found.value, settings.app_settings.environ, "warning"
            )


def _twins(settings: Settings) -> Iterator[Finding]:
    for name in sorted(settings.app_settings):
        twin = settings.app_settings.environ.get(names.APP_SETTING_PREFIX + name)
        plain = settings.app_settings.environ.get(name)
        if twin is not None and plain is not None and twin != plain:
            yield Finding(
                "changed",
                "warning",
                name,
                f"{name} differs from the app setting: something changed the variable before the "
                "app started. The variable counts.",
                "Check the startup command.",
            )


def _spellings(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for each setting that has different values under two spellings."""
    environ = settings.app_settings.environ
    first: dict[str, str] = {}
    for name in sorted(environ):
        if name.startswith(names.APP_SETTING_PREFIX):
            continue
        other = first.setdefault(name.replace(":", "__").replace(".", "_"), name)
        if environ[other] != environ[name]:
            yield Finding(
                "spelling",
                "warning",
                name,
                f"{other} and {name} are two spellings of one setting, with different values.",
                "Keep one: which of them counts depends on the spelling that code reads.",
            )


def _no_text(settings: Settings) -> Iterator[Finding]:
    for name in sorted(settings.app_settings):
        found = settings.app_settings.find(name)
        reason = fault(found.value) if found else ""
        if reason:
            message = f"The setting {name} cannot be read: {reason}."
            yield Finding("malformed", "warning", name, message)


def _options(settings: Settings) -> Iterator[Finding]:
    for option in options.OPTIONS.values():
        found = settings.app_settings.find(option.name)
        if found and found.origin != "environment" and option.name not in _READ_FROM_DOTENV:
            yield _unread(option.name, found.origin)
        try:
            value = option.resolve(None, settings.app_settings)
            if option.name == "APPSVC_TRUSTED_PROXIES" and value:
                forwarded.TrustedPeers(value)
        except SettingsError:
            pass  # a Key Vault reference, reported already
        except ConfigError as error:
            yield Finding("malformed", "error", option.name, error.message, error.hint)


def _ports(settings: Settings) -> Iterator[Finding]:
    for name in ports.PLATFORM_SOURCES:
        found = settings.app_settings.find(name)
        if found and found.origin != "environment":
            yield _unread(name, found.origin)
        try:
            if found and found.value:
                ports.parse_port(found.value, name)
        except ConfigError as error:
            yield Finding("malformed", "error", name, error.message, error.hint)


def _unread(name: str, origin: str) -> Finding:
    return Finding(
        "not-read",
        "warning",
        name,
        f"{name} is set in {origin}, which middleware and servers do not read.",
        "Set it as an environment variable.",
    )


def _connections(settings: Settings) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for name, setting in settings.connection_strings.all():
        used = first.setdefault(name.upper(), setting)
        if used != setting:
            yield Finding(
                "same-name",
                "warning",
                setting,
                f"{setting} has the same name as {used}, which is found first.",
                f"Rename one, or read it as {setting!r}.",
            )
        found = settings.app_settings.find(setting)
        if found is None or key_vault.holds_reference(found.value):
            continue
        try:
            settings.connection(setting)
        except SettingsError as error:
            yield error.findings[0]
        if _PLACEHOLDER.search(found.value[:10_000]):
            yield Finding(
                "placeholder",
                "warning",
                setting,
                f"The connection string {setting} still holds one of the portal's placeholders.",
                "Replace it with your own value, braces included.",
            )
