"""One connection string: its parts, and its forms for libraries and frameworks.

Pure. Must not know how a string is found. Nothing shows a string by accident: neither `repr`, nor
an error, nor a dump, nor an attribute path in a format string.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from ..errors import drop_frames
from ..findings import Finding, SettingsError
from ..redaction.secret import Secret, refuse_dump
from . import databases, redis
from . import parts as connections_parts
from .kind import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, NoReturn

    from .kind import Form
    from .options import Options
    from .parts import Parts

__all__ = ["ConnectionString", "parse_connection_string"]

T = TypeVar("T")


class ConnectionString:
    """One connection string. Neither `repr` nor an error shows its secrets.

    `name` is the name in the portal, `setting` the environment variable, `kind` the service
    (`postgresql`, …), `form` the syntax. Missing parts are "", except that a missing `password` is
    None, and so is a `port` that the string leaves to the client. `options` holds all other parts;
    names are found in any case, keys are a `Secret`, and `repr` shows only their number. A copy is
    the same object; pickle and YAML raise TypeError.
    """

    __slots__ = ("_parts", "_text", "name", "setting")

    def __init__(self, name: str, setting: str, text: str, parts: Parts) -> None:
        self.name = name
        self.setting = setting
        self._text = Secret(text)
        self._parts = parts

    @property
    def kind(self) -> Kind:
        """Return the kind of service that the string connects to."""
        return self._parts.kind

    @property
    def form(self) -> Form:
        """Return the syntax in which the string is written, see `syntax`."""
        return self._parts.form

    @property
    def host(self) -> str:
        """Return the host; for Azure services, the host of their endpoint."""
        return self._parts.host

    @property
    def port(self) -> int | None:
        """Return the port; None if it is missing, or if several hosts each have one."""
        text = self._parts.port
        return int(text) if text and "," not in text else None

    @property
    def database(self) -> str:
        """Return the database; for Service Bus and Event Hubs, the entity."""
        return self._parts.database

    @property
    def user(self) -> str:
        """Return the user."""
        return self._parts.user

    @property
    def password(self) -> Secret | None:
        """Return the password as a `Secret`, or None."""
        return self._parts.password

    @property
    def options(self) -> Options:
        """Return all other parts."""
        return self._parts.options

    @property
    def parts(self) -> dict[str, Any]:
        """Return all parts by name: those of host, port, … that are set, then the options."""
        named = {
            "host": self.host,
            "port": self._parts.port,
            "database": self.database,
            "user": self.user,
            "password": self.password,
        }
        return _Named({name: value for name, value in named.items() if value} | dict(self.options))

    def reveal(self) -> str:
        """Return the string as it was set, for libraries that parse it themselves."""
        return self._text.reveal()

    def sqlalchemy_url(self, driver: str | None = None) -> str:
        """Return SQLAlchemy's URL, password included.

        `driver`: psycopg, pymysql or pyodbc by default; also psycopg2, asyncpg, mysqldb, aiomysql,
        asyncmy, aioodbc. Raises SettingsError if the string is for no such database, or if its TLS
        options would be lost.
        """
        return self._make(lambda: databases.sqlalchemy_url(self._parts, driver))

    def django_database(self) -> dict[str, Any]:
        """Return the entry for Django's DATABASES, password included; errors as above."""
        return self._make(lambda: databases.django_database(self._parts))

    def libpq_dsn(self) -> str:
        """Return libpq's `key=value` string for psycopg, password included; errors as above."""
        return self._make(lambda: databases.libpq_dsn(self._parts))

    def odbc_string(self, driver: str | None = None) -> str:
        """Return the string for pyodbc, password included; errors as above.

        `driver`: by default the one in the string, else `ODBC Driver 18 for SQL Server`.
        """
        return self._make(lambda: databases.odbc_string(self._parts, driver))

    def redis_url(self, database: int | None = None) -> str:
        """Return the URL for redis-py, password included; errors as above."""
        return self._make(lambda: redis.redis_url(self._parts, database))

    def _make(self, make: Callable[[], T]) -> T:
        try:
            return make()
        except ValueError as error:
            # SettingsError is raised outside this block: its cause would contain the password.
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

    def __copy__(self) -> ConnectionString:
        return self

    def __deepcopy__(self, memo: object) -> ConnectionString:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        refuse_dump(self, "Pass the text that reveal() returns instead.")


class _Named(dict[str, Any]):
    """A dictionary whose `repr` shows only its size.

    A piece of a password may be among its names and values.
    """

    def copy(self) -> _Named:
        """Return a copy; pprint makes one to print it."""
        return _Named(self)

    def __repr__(self) -> str:
        return f"<{len(self)} parts>"

    __sentry_repr__ = __repr__  # Sentry would list a mapping's values


@drop_frames
def parse_connection_string(
    text: str, *, kind: str = "", name: str = "", setting: str = ""
) -> ConnectionString:
    """Parse a connection string that does not come from the environment.

    `kind` is the service; with "" it is recognised by the string. Errors name the string by
    `setting`. Raises SettingsError, which never contains any of it, and ValueError for an unknown
    kind.
    """
    if kind and kind not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}")
    hint = cast("Kind | Literal['']", kind)
    where = setting or name or "(given by the app)"
    problem = ""
    try:
        text.encode("utf-8")
        return ConnectionString(name, where, text, connections_parts.parse_parts(text, hint))
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
