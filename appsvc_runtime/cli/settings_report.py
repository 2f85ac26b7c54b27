"""The output of `appsvc settings`: every setting that an app would get, and its origin.

Must not print. Secrets are masked in all values, unless the caller asks for them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import django
from ..azure import key_vault, names
from ..findings import SettingsError
from ..redaction import masking
from ..redaction.secret import MASK
from ..settings import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..settings.app_settings import Found
    from ..settings.settings import Settings

__all__ = ["Row", "django_choices", "make_django_table", "make_rows", "make_table"]

_PLATFORM_PREFIXES = ("WEBSITE_", "WEBSITES_", "WEBJOBS_", "SCM_", "ORYX_", "FUNCTIONS_")
_PLATFORM_NAMES = frozenset(
    {"HOME", "PORT", "SERVER_PORT", "REGION_NAME", "SITE_BITNESS", "IDENTITY_ENDPOINT"}
    | {"IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "APPSVC_VIRTUAL_ENV", "WSGI_HANDLER"}
    | {"WSGI_LOG", names.HTTP_PLATFORM_PORT, names.PRE_RUN_COMMAND}
)


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
    """Return all settings, by group and name; secrets are masked without `show_secrets`."""
    strings = {setting: name for name, setting in settings.connection_strings.all()}
    rows = []
    for name in settings.app_settings:
        found = settings.app_settings.find(name)
        if found is not None:
            is_string = found.name in strings or name in strings
            group = "connection string" if is_string else _group(settings, name, found.origin)
            shown = found.value if show_secrets else _masked(settings, name, found, group)
            if key_vault.is_reference(found.value):
                shown = str(key_vault.parse_reference(found.value))
            rows.append(Row(group, name, shown, found.origin))
    order = ("platform", "connection string", "app setting", "environment")
    return sorted(
        [*rows, *_defaults(settings)], key=lambda row: (order.index(row.group), row.name.upper())
    )


def _defaults(settings: Settings) -> Iterator[Row]:
    """Yield this package's own settings that are not set and have a default."""
    for option in options.OPTIONS.values():
        if settings.app_settings.find(option.name) is None and option.default not in (None, "", ()):
            yield Row("app setting", option.name, str(option.default).lower(), "default")


def _masked(settings: Settings, name: str, found: Found, group: str) -> str:
    if group == "connection string":
        return _mask_connection(settings, found.name)
    return masking.mask_value(name, found.value)


def django_choices(settings: Settings, *, show_secrets: bool = False) -> list[django.Choice]:
    """Return the result of each function of `appsvc_runtime.django` here, and the reason."""
    made = django.choices(settings, os.getcwd())
    if show_secrets:
        return made
    return [django.Choice(one.name, _mask_tree(one.name, one.value), one.why) for one in made]


def _mask_tree(name: str, value: object) -> object:
    """Return a value with every secret masked, by its name or its form, at any depth."""
    if isinstance(value, dict):
        return {key: _mask_tree(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mask_tree(name, inner) for inner in value]
    return masking.mask_value(name, value) if isinstance(value, str) else value


def make_table(settings: Settings, rows: list[Row]) -> list[str]:
    """Return the lines of a table of settings below a heading for the host; cut long values."""
    lines = _heading(settings)
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            lines += ["", f"{group.capitalize()}:"]
        name, value = _cut(row.name, 100), _cut(row.value, 120)
        lines.append(f"  {name} = {value}  [{row.origin}]")
    return [*lines, ""]


def make_django_table(settings: Settings, made: list[django.Choice]) -> list[str]:
    """Return the lines of a table of the choices that `django_choices` returns."""
    lines = [*_heading(settings), "", "Django:"]
    for one in made:
        shown = str(one.value) if isinstance(one.value, os.PathLike) else repr(one.value)
        lines += [f"  {one.name} = {_cut(shown, 2000)}", f"      because: {one.why}"]
    return [*lines, ""]


def _heading(settings: Settings) -> list[str]:
    parts = [settings.site_name, settings.slot, settings.instance_id[:8], settings.region]
    site = ", ".join(filter(None, parts))
    return [
        f"Host:    {settings.host}" + (f" ({site})" if site else ""),
        f".env:    {settings.dotenv_path or 'none read'}",
    ]


def _cut(text: str, length: int) -> str:
    """Return a text cut to `length`; the caller escapes characters that cannot be printed."""
    return text if len(text) <= length else f"{text[:length]}... ({len(text)} characters)"


def _group(settings: Settings, name: str, origin: str) -> str:
    if (
        origin != "environment"
        or names.APP_SETTING_PREFIX + name in settings.app_settings.environ
        or name in options.OPTIONS
    ):
        return "app setting"
    if name in _PLATFORM_NAMES or name.startswith(_PLATFORM_PREFIXES):
        return "platform"
    return "environment"


def _mask_connection(settings: Settings, name: str) -> str:
    """Return the target of a connection string, without its secrets.

    Options are left out: part of a password with an unquoted `;` would be among them.
    """
    try:
        found = settings.connection(name)
    except SettingsError:
        return MASK
    if found.kind == "custom" or (found.kind == "redis" and "." not in found.host):
        return f"{found.kind}; {MASK}"  # it may be a bare key
    known = {key: found.parts.get(key) for key in ("host", "port", "database", "user")}
    shown = [f"{key}={masking.mask_value(key, str(v))}" for key, v in known.items() if v]
    return "; ".join([found.kind, *shown, MASK])
