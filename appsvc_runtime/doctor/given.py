"""What a user says of the deployed site: its app settings and connection strings.

Reads the output of `az webapp config appsettings list` and `connection-string list`, a JSON object,
or lines of `NAME=value` as in `.env`. No message holds a value.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..azure import names
from ..errors import ConfigError
from ..settings.dotenv import read_dotenv
from ..system.plain_file import read_plain

__all__ = ["GivenSettings", "read_settings"]

_TYPES = {
    "sqlazure": "SQLAZURECONNSTR_", "sqlserver": "SQLCONNSTR_", "mysql": "MYSQLCONNSTR_",
    "postgresql": "POSTGRESQLCONNSTR_", "custom": "CUSTOMCONNSTR_",
    "rediscache": "REDISCACHECONNSTR_", "docdb": "DOCDBCONNSTR_", "eventhub": "EVENTHUBCONNSTR_",
    "servicebus": "SERVICEBUSCONNSTR_", "notificationhub": "NOTIFICATIONHUBCONNSTR_",
}  # fmt: skip


@dataclass(frozen=True)
class GivenSettings:
    """Settings by name; connection strings have the prefix that the app sees.

    `sticky` are those that stay with their slot, None if that is not known. `file` is where they
    are from.
    """

    values: dict[str, str] = field(repr=False)
    file: str = ""
    sticky: frozenset[str] | None = None


def read_settings(path: Path) -> GivenSettings:
    """Return the settings in a file. Raise ConfigError if it cannot be read."""
    try:
        data = read_plain(path)
        # PowerShell's `>` writes UTF-16.
        is_utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8.", hint="Save it as UTF-8.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"The settings file {path} cannot be read: {reason}.",
            hint="Make it with `az webapp config appsettings list -g GROUP -n SITE > FILE`.",
        ) from None
    if text.lstrip()[:1] not in ("[", "{"):
        found = read_dotenv(path, {})[0]
        if text.strip() and not found:
            raise _no_settings(path)
        return GivenSettings(found, str(path))
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        raise ConfigError(
            f"{path} is not JSON{f' in line {line}' if line else ''}.",
            hint="It should be the output of `az webapp config appsettings list`.",
        ) from None
    if isinstance(read, dict):
        return GivenSettings(dict(_pairs(read)), str(path))
    rows = [row for row in read if isinstance(row, dict) and isinstance(row.get("name"), str)]
    if len(rows) != len(read):
        raise _no_settings(path)
    values = {_name(row): _text(row.get("value")) for row in rows}
    known = all("slotSetting" in row for row in rows)
    sticky = frozenset(_name(row) for row in rows if row.get("slotSetting")) if known else None
    return GivenSettings(values, str(path), sticky)


def _no_settings(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} does not hold app settings: no name and value in each entry.",
        hint="It should be the output of `az webapp config appsettings list`, or NAME=value lines.",
    )


def _pairs(read: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the settings of an object; `az` gives connection strings as `{value, type}`."""
    found = []
    for name, value in read.items():
        if isinstance(value, dict):
            row = {"name": name, **value}
            found.append((_name(row), _text(value.get("value"))))
        else:
            found.append((name, _text(value)))
    return found


def _name(row: dict[str, Any]) -> str:
    kind = row.get("type")
    prefix = _TYPES.get(kind.lower(), "") if isinstance(kind, str) else ""
    name = str(row["name"])
    return name if name.startswith(tuple(names.CONNECTION_PREFIXES)) else prefix + name


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
