"""Connection strings: those that the host hands over, and what programs make of them.

    settings.connection("main").sqlalchemy_url()

Pure. Two strings of one name under different prefixes are found in the order of
`names.CONNECTION_PREFIXES`, Service Connector's `AZURE_<NAME>_CONNECTIONSTRING` last, and all
variables before `.env`; the whole variable's name finds each.
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
    """All connection strings, by name. Each is read when asked for: a bad one spoils no other.

    Names are those of the portal, in any case; `POSTGRESQLCONNSTR_main` is found as `main` and by
    that whole name.
    """

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._names: dict[str, list[tuple[str, str, str]]] | None = None

    def all(self) -> list[tuple[str, str]]:
        """Return all names with their variables, also those that share a name, in finding order."""
        return [(name, setting) for rows in self._index().values() for name, setting, _ in rows]

    def leading_to_databases(self) -> list[tuple[str, str]]:
        """Return name and variable of each that leads to a database, or may."""
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
        """Return one by name; SettingsError where there is none, saying which there are."""
        try:
            return self[name]
        except KeyError:
            pass
        there = ", ".join(self) or "none"
        # Somebody may have given a connection string itself, which is not to be repeated.
        plain = isinstance(name, str) and re.fullmatch(r"[\w.:-]{1,100}", name)
        shown = name if plain else "(not a name)"
        example = name if plain else "NAME"
        what = f"There is no connection string {name!r}" if plain else "That is not a name of one"
        raise SettingsError(
            [
                Finding(
                    "missing",
                    "error",
                    shown,
                    f"{what}; there are: {there}.",
                    f"Add it in the portal, or as POSTGRESQLCONNSTR_{example} (MYSQLCONNSTR_, "
                    "SQLAZURECONNSTR_, CUSTOMCONNSTR_ …) to .env on your own machine.",
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
        """Return name, variable and kind: of the very variable, else of the name, in any case."""
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
        """Return the kind that the variable's own prefix tells, "" where it leaves that open."""
        return self._row(name)[2]

    def __repr__(self) -> str:
        return f"<Connections: {', '.join(self) or 'none'}>"

    def _index(self) -> dict[str, list[tuple[str, str, str]]]:
        """Return folded names to (name, variable, kind), each list in the order of the prefixes."""
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
    """Return a variable's place in the order, its string's name and kind; None if it is none."""
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
