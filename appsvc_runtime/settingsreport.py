"""What `appsvc settings` tells: every setting an app would see, from where, and what is wrong.

Must not print. Values come out as they may be shown, unless secrets are asked for.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import django, facts, keyvault, masking, options, ports
from .errors import ConfigError
from .findings import Finding, SettingsError
from .secret import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .settings import Settings

__all__ = ["Row", "django_rows", "find_problems", "make_rows", "make_table"]

_PLATFORM_PREFIXES = ("WEBSITE_", "WEBSITES_", "WEBJOBS_", "SCM_", "ORYX_", "FUNCTIONS_")
_PLATFORM_NAMES = frozenset(
    {"HOME", "PORT", "SERVER_PORT", "REGION_NAME", "SITE_BITNESS", "IDENTITY_ENDPOINT"}
    | {"IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "APPSVC_VIRTUAL_ENV", "WSGI_HANDLER"}
    | {"WSGI_LOG", facts.HTTP_PLATFORM_PORT, facts.PRE_RUN_COMMAND}
)
# What the portal's own templates leave for the user to fill in.
_PLACEHOLDER = re.compile(r"[{<\[]your[_ -]?(password|user\w*|server\w*|database)[}>\]]", re.I)


@dataclass(frozen=True)
class Row:
    """One setting: `group` is platform, connection string, app setting or environment.

    `origin` is environment, the path of a `.env` file, or default.
    """

    group: str
    name: str
    value: str
    origin: str


def make_rows(settings: Settings, *, show_secrets: bool = False) -> list[Row]:
    """Give all settings, by group and name; secrets hidden unless they are asked for."""
    connections = {setting: name for name, setting in settings.connection_strings.all()}
    rows = []
    for name in settings.app_settings:
        found = settings.app_settings.find(name)
        if found is None:
            continue
        value = found.value
        if found.name in connections or name in connections:
            group = "connection string"
            shown = value if show_secrets else _mask_connection(settings, name, value)
        else:
            group = _group(settings, name, found.origin)
            shown = value if show_secrets else masking.mask_value(name, value)
        if keyvault.is_reference(value):
            shown = value  # the secret itself is what is missing
        rows.append(Row(group, name, shown, found.origin))
    for option in options.OPTIONS.values():
        if settings.app_settings.find(option.name) is None and option.default not in (None, "", ()):
            rows.append(Row("app setting", option.name, str(option.default).lower(), "default"))
    order = ("platform", "connection string", "app setting", "environment")
    return sorted(rows, key=lambda row: (order.index(row.group), row.name.upper()))


def django_rows(settings: Settings, *, show_secrets: bool = False) -> list[Row]:
    """Give what each function of `appsvc_runtime.django` gives here, and why as its origin."""
    rows = []
    for choice in django.choices(settings, os.getcwd()):
        value = choice.value
        if choice.name == "DATABASES" and value and not show_secrets:
            value = {
                alias: {k: MASK if k == "PASSWORD" and v else v for k, v in entry.items()}
                for alias, entry in value.items()
            }
        shown = str(value) if isinstance(value, os.PathLike) else repr(value)
        rows.append(Row("django", choice.name, shown, choice.why))
    return rows


def make_table(settings: Settings, rows: list[Row]) -> list[str]:
    """Give the lines of a table, headed by what host this is; long values are cut."""
    site = ", ".join(
        filter(None, [settings.site_name, settings.slot, settings.instance_id[:8], settings.region])
    )
    lines = [f"Host:    {settings.host}" + (f" ({site})" if site else "")]
    lines.append(f".env:    {settings.dotenv_path or 'none read'}")
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            lines += ["", f"{group.capitalize()}:"]
        if group == "django":
            lines += [
                f"  {row.name} = {_one_line(row.value, 2000)}",
                f"      because: {row.origin}",
            ]
        else:
            lines.append(
                f"  {_one_line(row.name, 100)} = {_one_line(row.value, 120)}  [{row.origin}]"
            )
    return [*lines, ""]


def _one_line(text: str, length: int) -> str:
    """Give a text as it can be printed on one line, whatever is in it."""
    shown = text[:length].encode("utf-8", "backslashreplace").decode("utf-8")
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    return shown if len(text) <= length else f"{shown}… ({len(text)} characters)"


def find_problems(settings: Settings) -> list[Finding]:
    """Give what is wrong or doubtful in the settings, nothing that is merely not set."""
    return [
        *settings.findings,
        *_half_a_platform(settings),
        *_unresolved(settings),
        *_twins(settings),
        *_options(settings),
        *_connections(settings),
    ]


def _group(settings: Settings, name: str, origin: str) -> str:
    if origin != "environment" or _twin(settings, name) is not None or name in options.OPTIONS:
        return "app setting"
    if name in _PLATFORM_NAMES or name.startswith(_PLATFORM_PREFIXES):
        return "platform"
    return "environment"


def _mask_connection(settings: Settings, name: str, value: str) -> str:
    """Show where a connection string leads, and nothing that opens it."""
    try:
        parts = settings.connection(name).parts
    except SettingsError:
        return MASK
    if not parts:
        return MASK
    return "; ".join(f"{key}={masking.mask_value(key, str(part))}" for key, part in parts.items())


def _twin(settings: Settings, name: str) -> str | None:
    return settings.app_settings.environ.get(facts.APP_SETTING_PREFIX + name)


def _half_a_platform(settings: Settings) -> Iterator[Finding]:
    environ = settings.app_settings.environ
    there = [name for name in (facts.SITE_NAME, facts.INSTANCE_ID) if environ.get(name)]
    if len(there) == 1:
        yield Finding(
            "half-platform",
            "warning",
            there[0],
            f"{there[0]} is set and its companion is not, so this is taken for no App Service.",
            f"Unset it, or set both {facts.SITE_NAME} and {facts.INSTANCE_ID}.",
        )


def _unresolved(settings: Settings) -> Iterator[Finding]:
    for name in sorted(settings.app_settings):
        found = settings.app_settings.find(name)
        if found and keyvault.is_reference(found.value):
            yield keyvault.unresolved(
                found.name, found.value, settings.app_settings.environ, "warning"
            )


def _twins(settings: Settings) -> Iterator[Finding]:
    for name in sorted(settings.app_settings):
        twin = _twin(settings, name)
        plain = settings.app_settings.environ.get(name)
        if twin is not None and plain is not None and twin != plain:
            yield Finding(
                "changed",
                "warning",
                name,
                f"{name} is not what the app setting says: something changed the variable before "
                "the app started. The variable counts.",
                "Look into the startup command.",
            )


def _options(settings: Settings) -> Iterator[Finding]:
    for option in options.OPTIONS.values():
        try:
            option.resolve(None, settings.app_settings)
        except SettingsError:
            pass  # a Key Vault reference, told already
        except ConfigError as error:
            yield Finding("malformed", "error", option.name, error.message, error.hint)
    for name in ports.PLATFORM_SOURCES:
        found = settings.app_settings.find(name)
        if found and found.value:
            try:
                ports.parse_port(found.value, name)
            except ConfigError as error:
                yield Finding("malformed", "error", name, error.message, error.hint)


def _connections(settings: Settings) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for name, setting in settings.connection_strings.all():
        used = first.setdefault(name.upper(), setting)
        if used != setting:
            yield Finding(
                "same-name",
                "warning",
                setting,
                f"{setting} has the name of {used}, which is found first.",
                f"Rename one, or ask for it as {setting!r}.",
            )
        found = settings.app_settings.find(setting)
        if found is None or keyvault.is_reference(found.value):
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
                f"The connection string {setting} still holds a placeholder of the portal's.",
                "Put your own value in its place, braces included.",
            )
