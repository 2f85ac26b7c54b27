"""Connection strings: those that the host hands over, and what programs make of them.

    settings.connection("main").sqlalchemy_url()

Pure. Two strings of one name under different prefixes are found in the order of
`facts.CONNECTION_PREFIXES`, Service Connector's `AZURE_<NAME>_CONNECTIONSTRING` last, and all
variables before `.env`; the whole variable's name finds each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from . import connectionparts, databases, facts, keyvault, redisurl
from .findings import Finding, SettingsError
from .secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from .appsettings import AppSettings, Found
    from .connectionparts import Form, Kind, Options, Parts

__all__ = ["ConnectionString", "Connections", "parse_connection_string"]

T = TypeVar("T")


class ConnectionString:
    """One connection string. `repr` and errors show no secret of it.

    `name` as in the portal, `setting` the variable, `kind` what it leads to (`postgresql`, …),
    `form` how it is written. Parts that it does not hold are "", a missing `password` is None;
    `port` is None too where the string leaves it to the client. `options` are all other parts, by
    name in any case, keys among them as `Secret`; `repr` only counts them.
    """

    __slots__ = ("_parts", "_text", "name", "setting")

    def __init__(self, name: str, setting: str, text: str, parts: Parts) -> None:
        self.name = name
        self.setting = setting
        self._text = text
        self._parts = parts

    @property
    def kind(self) -> Kind:
        """Give what it leads to."""
        return self._parts.kind

    @property
    def form(self) -> Form:
        """Give the way it is written, see `connectionsyntax`."""
        return self._parts.form

    @property
    def host(self) -> str:
        """Give the host; for services, that of their address."""
        return self._parts.host

    @property
    def port(self) -> int | None:
        """Give the port; None where there is none, or one for each of several hosts."""
        text = self._parts.port
        return int(text) if text and "," not in text else None

    @property
    def database(self) -> str:
        """Give the database; for Service Bus and Event Hubs, the entity."""
        return self._parts.database

    @property
    def user(self) -> str:
        """Give the user."""
        return self._parts.user

    @property
    def password(self) -> Secret | None:
        """Give the password, hidden."""
        return self._parts.password

    @property
    def options(self) -> Options:
        """Give all other parts."""
        return self._parts.options

    @property
    def parts(self) -> dict[str, Any]:
        """Give everything it says, by name: what is there of host, port, …, then the options."""
        named = {
            "host": self.host,
            "port": self._parts.port,
            "database": self.database,
            "user": self.user,
            "password": self.password,
        }
        return {name: value for name, value in named.items() if value} | dict(self.options)

    def reveal(self) -> str:
        """Give the string as it was set, for libraries that read it themselves."""
        return self._text

    def sqlalchemy_url(self, driver: str | None = None) -> str:
        """Give SQLAlchemy's URL, password included.

        `driver`: psycopg, pymysql or pyodbc by default; also psycopg2, asyncpg, mysqldb, aiomysql,
        asyncmy, aioodbc. Raises SettingsError for what is no such database, and where TLS options
        could not be kept.
        """
        return self._make(lambda: databases.sqlalchemy_url(self._parts, driver))

    def django_database(self) -> dict[str, Any]:
        """Give the entry for Django's DATABASES, password included; errors as above."""
        return self._make(lambda: databases.django_database(self._parts))

    def libpq_dsn(self) -> str:
        """Give libpq's `key=value` string for psycopg, password included; errors as above."""
        return self._make(lambda: databases.libpq_dsn(self._parts))

    def odbc_string(self, driver: str | None = None) -> str:
        """Give the string for pyodbc, password included; errors as above.

        `driver`: the string's own, else `ODBC Driver 18 for SQL Server`.
        """
        return self._make(lambda: databases.odbc_string(self._parts, driver))

    def redis_url(self, database: int | None = None) -> str:
        """Give the URL for redis-py, password included; errors as above."""
        return self._make(lambda: redisurl.redis_url(self._parts, database))

    def _make(self, make: Callable[[], T]) -> T:
        try:
            return make()
        except ValueError as error:
            # Without the cause: what it was raised over holds the password.
            message = f"The connection string {self.setting} ({self.kind}): {error}."
        raise SettingsError([Finding("connection-string", "error", self.setting, message)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConnectionString):
            return NotImplemented
        return (self.setting, self._text) == (other.setting, other._text)

    def __hash__(self) -> int:
        return hash((self.setting, self._text))

    def __repr__(self) -> str:
        return f"<ConnectionString {self.name!r} {self._parts!r}>"


def parse_connection_string(
    text: str, *, kind: str = "", name: str = "", setting: str = ""
) -> ConnectionString:
    """Understand a connection string that came from elsewhere than the environment.

    `kind`: what it leads to, told from the string itself where "". `setting` is what errors call
    it. Raises SettingsError, which never holds any of it, and ValueError for a kind there is not.
    """
    if kind and kind not in get_args(connectionparts.Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(connectionparts.Kind))}")
    hint = cast("Kind | Literal['']", kind)
    where = setting or name or "(given by the app)"
    problem = ""
    try:
        text.encode("utf-8")
        return ConnectionString(name, where, text, connectionparts.parse_parts(text, hint))
    except UnicodeEncodeError:
        problem = "it is not UTF-8"
    except ValueError as error:
        problem = str(error)
    text = ""  # Django's and Sentry's reports show the local variables of a traceback
    raise SettingsError(
        [
            Finding(
                "connection-string",
                "error",
                where,
                f"The connection string {where} cannot be read: {problem}.",
                "Correct it where the connection string is set.",
            )
        ]
    )


class Connections(Mapping[str, ConnectionString]):
    """All connection strings, by name. Each is read when asked for: a bad one spoils no other.

    Names are those of the portal, in any case; `POSTGRESQLCONNSTR_main` is found as `main` and by
    that whole name.
    """

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._names: dict[str, list[tuple[str, str, str]]] | None = None

    def all(self) -> list[tuple[str, str]]:
        """Give all names with their variables, also those that share a name, in finding order."""
        return [(name, setting) for rows in self._index().values() for name, setting, _ in rows]

    def require(self, name: str) -> ConnectionString:
        """Give one by name; SettingsError where there is none, saying which there are."""
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

    def __getitem__(self, name: str) -> ConnectionString:
        known, setting, kind = self._row(name)
        found: Found | None = self._settings.find(setting)
        if found is None:
            raise KeyError(name)
        if keyvault.holds_reference(found.value):
            raise SettingsError([keyvault.unresolved(setting, found.value, self._settings.environ)])
        return parse_connection_string(found.value, kind=kind, name=known, setting=setting)

    def _row(self, name: str) -> tuple[str, str, str]:
        """Give name, variable and kind: of the very variable, else of the name, in any case."""
        index = self._index()
        if isinstance(name, str):
            rows = [row for group in index.values() for row in group]
            name = name.removeprefix(facts.APP_SETTING_PREFIX)
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
        """Give the kind that the variable's own prefix tells, "" where it leaves that open."""
        return self._row(name)[2]

    def __repr__(self) -> str:
        return f"<Connections: {', '.join(self) or 'none'}>"

    def _index(self) -> dict[str, list[tuple[str, str, str]]]:
        """Give folded names to (name, variable, kind), each list in the order of the prefixes."""
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
    """Give a variable's place in the order, its string's name and kind; None if it is none."""
    upper = setting.upper()
    for place, (prefix, kind) in enumerate(facts.CONNECTION_PREFIXES.items()):
        if upper.startswith(prefix) and len(setting) > len(prefix):
            return place, setting[len(prefix) :], kind
    start, end = facts.CONNECTOR_PREFIX, facts.CONNECTOR_SUFFIX
    if upper.startswith(start) and upper.endswith(end):
        name = setting[len(start) : -len(end)]
        if name:
            return 99, name, facts.CONNECTOR_SERVICES.get(name.upper(), "")
    return None


def _fold(name: str) -> str:
    return name.replace(":", "__").replace(".", "_").upper()
