"""Connection strings: those that the host provides, by name.

    settings.connection("main").sqlalchemy_url()

Pure. If two strings have one name under different prefixes, the order of
`names.CONNECTION_PREFIXES` decides, with Service Connector's `AZURE_<NAME>_CONNECTIONSTRING` last;
all variables come before `.env`. The full name of its variable finds each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..azure import key_vault, names
from ..connections.connection import ConnectionString, parse_connection_string
from ..errors import drop_frames
from ..findings import Finding, SettingsError

if TYPE_CHECKING:
    from .app_settings import AppSettings, Found

__all__ = ["ConnectionString", "Connections", "parse_connection_string"]

_DATABASE_KINDS = frozenset({"postgresql", "mysql", "sqlserver", "sqlite"})


class Connections(Mapping[str, ConnectionString]):
    """All connection strings, by name. Each is parsed on access: a bad one affects no other.

    Names are those of the portal, in any case; `POSTGRESQLCONNSTR_main` is found as `main` and by
    that full name.
    """

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._names: dict[str, list[tuple[str, str, str]]] | None = None

    def all(self) -> list[tuple[str, str]]:
        """Return all names with their variables, including equal names, in order of precedence."""
        return [(name, setting) for rows in self._index().values() for name, setting, _ in rows]

    def leading_to_databases(self) -> list[tuple[str, str]]:
        """Return name and variable of each string that is, or may be, for a database."""
        found = []
        for name, setting in self.all():
            try:
                kind: str = self.require(setting).kind
            except SettingsError:
                kind = self.kind_by_name(setting) or "sqlite"
            if kind in _DATABASE_KINDS:
                found.append((name, setting))
        return found

    @drop_frames
    def require(self, name: str) -> ConnectionString:
        """Return the string of a name; SettingsError that lists the names if it is missing."""
        try:
            return self[name]
        except KeyError:
            pass
        there = ", ".join(self) or "none"
        # The app may have passed a connection string itself, which must not be shown.
        plain = isinstance(name, str) and re.fullmatch(r"[\w.:-]{1,100}", name)
        shown = name if plain else "(not a name)"
        example = name if plain else "NAME"
        what = (
            f"There is no connection string {name!r}"
            if plain
            else "That is not the name of a connection string"
        )
        raise SettingsError(
            [
                Finding(
                    "missing",
                    "error",
                    shown,
                    f"{what}; there are: {there}.",
                    f"Add it in the portal, or as POSTGRESQLCONNSTR_{example} (MYSQLCONNSTR_, "
                    "SQLAZURECONNSTR_, CUSTOMCONNSTR_ …) to .env on your own machine; under "
                    "`appsvc emulate`, with --set.",
                )
            ]
        )

    @drop_frames
    def __getitem__(self, name: str) -> ConnectionString:
        known, setting, kind = self._row(name)
        found: Found | None = self._settings.find(setting)
        if found is None:
            raise KeyError(name)
        if key_vault.holds_reference(found.value):
            raise SettingsError(
                [key_vault.unresolved(setting, found.value, self._settings.environ)]
            )
        return parse_connection_string(found.value, kind=kind, name=known, setting=setting)

    def _row(self, name: str) -> tuple[str, str, str]:
        """Return name, variable and kind by the exact variable, else by a name in any case."""
        index = self._index()
        if isinstance(name, str):
            rows = [row for group in index.values() for row in group]
            name = name.removeprefix(names.APP_SETTING_PREFIX)
            for row in rows:
                if row[1] == name:
                    return row
            for row in [
                *index.get(_fold(name), []),
                *(row for row in rows if _fold(row[1]) == _fold(name)),
            ]:
                return row
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (rows[0][0] for rows in self._index().values())

    def __len__(self) -> int:
        return len(self._index())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (
            _fold(name) in self._index()
            or any(_fold(setting) == _fold(name) for _, setting in self.all())
        )

    def kind_by_name(self, name: str) -> str:
        """Return the kind that the variable's prefix names, or "" if it names none."""
        return self._row(name)[2]

    def __repr__(self) -> str:
        return f"<Connections: {', '.join(self) or 'none'}>"

    def _index(self) -> dict[str, list[tuple[str, str, str]]]:
        """Map folded names to (name, variable, kind), each list in the order of the prefixes."""
        if self._names is None:
            rows = []
            for setting in self._settings:
                row = _describe(setting)
                found = self._settings.find(setting)
                if row and found and found.value.strip():
                    rows.append((found.origin != "environment", *row, setting))
            self._names = {}
            for _, _, name, kind, setting in sorted(rows):
                self._names.setdefault(_fold(name), []).append((name, setting, kind))
        return self._names


def _describe(setting: str) -> tuple[int, str, str] | None:
    """Return a variable's precedence, and its string's name and kind.

    Return None if it holds no connection string.
    """
    upper = setting.upper()
    for place, (prefix, kind) in enumerate(names.CONNECTION_PREFIXES.items()):
        if upper.startswith(prefix) and len(setting) > len(prefix):
            return place, setting[len(prefix) :], kind
    start, end = names.CONNECTOR_PREFIX, names.CONNECTOR_SUFFIX
    if upper.startswith(start) and upper.endswith(end):
        name = setting[len(start) : -len(end)]
        if name:
            return 99, name, names.CONNECTOR_SERVICES.get(name.upper(), "")
    return None


def _fold(name: str) -> str:
    return name.replace(":", "__").replace(".", "_").upper()
