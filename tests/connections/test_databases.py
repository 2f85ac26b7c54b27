"""Real libraries read the converted strings with the meaning of the original."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from appsvc_runtime import ConnectionString, SettingsError, parse_connection_string
from appsvc_runtime.connections.syntax import parse

# Everything that some form, URL or driver could take for its own.
HOSTILE = [
    "p;w", "a}b", "{a}", "}{;", "a}};b", "@", "a@b/c", "?x=y&z", "#", "%41", "100%", "+", "a+b%2B",
    "a b", "a=b", "=", "==", "'", '"', "it's", '"x"', "\\", "a\\'b", "é", "пароль", "密码", "🔑",
    "[", "[x]", ":", "a:b", ",", "a,b", "tcp:", "{", "}", "$x", "\t", "a\nb", "&", "<>", "`",
    "Password=x;Server=y", "' or 1=1", "/", "//", ".", "*", "(local)",
]  # fmt: skip
BLANKS = [" a", "a ", " ", "\u00a0a", "a\u2003"]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@pytest.fixture(autouse=True, scope="module")
def asyncmy() -> Iterator[None]:
    """Stand in for asyncmy, the one driver from which SQLAlchemy reads a constant."""
    module = types.ModuleType("asyncmy.constants")
    module.CLIENT = types.SimpleNamespace(FOUND_ROWS=2)  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "asyncmy", types.ModuleType("asyncmy"))
        patch.setitem(sys.modules, "asyncmy.constants", module)
        yield


def read(text: str, kind: str) -> ConnectionString:
    """Parse a string of a kind."""
    return parse_connection_string(text, kind=kind)


def adonet(kind: str, user: str, password: str, database: str, more: str = "") -> ConnectionString:
    """Parse an ADO.NET string with these values, quoted by hand."""
    values = {"Server": "h.example", "User Id": user, "Password": password, "Database": database}
    pairs = [f'{name}="{value.replace(chr(34), chr(34) * 2)}"' for name, value in values.items()]
    return read(";".join(pairs) + more, kind)


def arguments(url: str) -> dict[str, Any]:
    """Return SQLAlchemy's arguments for the driver's connect(); pyodbc's string as its parts."""
    parsed = make_url(url)
    positional, keywords = parsed.get_dialect()().create_connect_args(parsed)
    text = positional[0] if positional else keywords.get("dsn")
    if text:
        return {name.lower(): value for name, value in parse("odbc", text)}
    return {name: value for name, value in keywords.items() if name != "client_flag"}


# A driver with the names that it has for user, password, database.
DRIVERS = [
    ("postgresql", None, ("user", "password", "dbname")),
    ("postgresql", "psycopg2", ("user", "password", "dbname")),
    ("postgresql", "asyncpg", ("user", "password", "database")),
    ("mysql", None, ("user", "password", "database")),
    ("mysql", "mysqldb", ("user", "password", "database")),
    ("mysql", "aiomysql", ("user", "password", "db")),
    ("mysql", "asyncmy", ("user", "password", "db")),
    ("sqlserver", None, ("uid", "pwd", "database")),
    ("sqlserver", "aioodbc", ("uid", "pwd", "database")),
]


def credentials(found: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    """Return user, password and database from a driver's arguments."""
    # SQLAlchemy's own names for mysqlclient differ between its versions.
    found = dict(found) | {"database": found.get("database", found.get("db"))}
    found |= {"password": found.get("password", found.get("passwd"))}
    return tuple(found.get(name) for name in names)


@pytest.mark.parametrize(("kind", "driver", "names"), DRIVERS)
def test_sqlalchemy_gives_drivers_what_the_string_holds(
    kind: str, driver: str | None, names: tuple[str, ...]
) -> None:
    """The same text as user, as password, and as database."""
    for value in HOSTILE:
        found = arguments(adonet(kind, value, value, value).sqlalchemy_url(driver))
        assert credentials(found, names) == (value, value, value)


@pytest.mark.parametrize(("kind", "driver", "names"), DRIVERS)
@given(user=TEXT, password=TEXT, database=TEXT)
def test_sqlalchemy_gives_drivers_any_text(
    kind: str, driver: str | None, names: tuple[str, ...], user: str, password: str, database: str
) -> None:
    """Any text is passed on; text that ODBC would strip and SQLAlchemy cannot keep is an error."""
    made = adonet(kind, user, password, database)
    assert make_url(f"x://{quote(user, safe='')}@h").username == user
    blanks = any(text.strip() != text for text in (user, password, database))
    if kind == "sqlserver" and blanks and {"%", "+"} & set(user + password + database):
        with pytest.raises(SettingsError, match="% or"):
            made.sqlalchemy_url(driver)
        return
    assert credentials(arguments(made.sqlalchemy_url(driver)), names) == (user, password, database)


def test_libpq_reads_what_the_string_holds() -> None:
    """psycopg reads the string as libpq does."""
    for value in HOSTILE + BLANKS:
        assert conninfo_to_dict(adonet("postgresql", value, value, value).libpq_dsn()) == {
            "host": "h.example", "user": value, "password": value, "dbname": value,
        }  # fmt: skip


@given(user=TEXT, password=TEXT, database=TEXT)
def test_libpq_reads_any_text(user: str, password: str, database: str) -> None:
    """psycopg reads back any text."""
    assert conninfo_to_dict(adonet("postgresql", user, password, database).libpq_dsn()) == {
        "host": "h.example", "user": user, "password": password, "dbname": database,
    }  # fmt: skip


@given(user=TEXT, password=TEXT, database=TEXT)
def test_odbc_reads_any_text(user: str, password: str, database: str) -> None:
    """By ODBC's rules, the string reads back as it was."""
    text = adonet("sqlserver", user, password, database).odbc_string()
    assert parse("odbc", text) == [
        ("Driver", "ODBC Driver 18 for SQL Server"), ("Server", "h.example"),
        ("Database", database), ("Uid", user), ("Pwd", password),
    ]  # fmt: skip
    again = read(text, "sqlserver")
    assert (again.form, again.user, again.database) == ("odbc", user, database)
    assert again.odbc_string() == text


@given(user=TEXT, password=TEXT, database=TEXT)
def test_urls_hold_any_text(user: str, password: str, database: str) -> None:
    """A percent-encoded URL is decoded to the original text."""
    login, path = f"{quote(user, safe='')}:{quote(password, safe='')}", quote(database, safe="")
    found = read(f"postgresql://{login}@h/{path}", "")
    assert (found.user, found.database) == (user, database)
    assert found.password is not None
    assert found.password.reveal() == password
    assert conninfo_to_dict(found.libpq_dsn())["password"] == password


HOSTS = [
    # kind, string, driver, what the driver is given
    ("postgresql", "Host=::1;Port=5432;Database=d", None,
     {"host": "::1", "port": 5432, "dbname": "d"}),
    ("postgresql", "Host=fe80::1%eth0;Database=d", None, {"host": "fe80::1%eth0", "dbname": "d"}),
    ("postgresql", "postgresql://[2001:db8::1]:5/d", None,
     {"host": "2001:db8::1", "port": 5, "dbname": "d"}),
    ("postgresql", "host=/var/run/pg dbname=d", None, {"host": "/var/run/pg", "dbname": "d"}),
    ("postgresql", "Host=/var/my run;Port=6432;Database=d", None,
     {"host": "/var/my run", "port": "6432", "dbname": "d"}),
    ("postgresql", "host=@abstract dbname=d", None, {"host": "@abstract", "dbname": "d"}),
    ("postgresql", "Host=/var/run/pg;Database=d", "asyncpg",
     {"host": "/var/run/pg", "database": "d"}),
    ("postgresql", "Host=a,b;Database=d", None, {"host": "a,b", "port": ",", "dbname": "d"}),
    ("postgresql", "Host=a,b;Port=6;Database=d", None,
     {"host": "a,b", "port": "6,6", "dbname": "d"}),
    ("postgresql", "postgresql://a:1,[::1]:2/d", None,
     {"host": "a,::1", "port": "1,2", "dbname": "d"}),
    ("postgresql", "Host=a:1,b;Port=5432;Database=d", "asyncpg",
     {"host": ["a", "b"], "port": [1, 5432], "database": "d"}),
    ("postgresql", "host='' dbname=d user=u", None, {"dbname": "d", "user": "u"}),
    ("postgresql", "service=main sslmode=require", None,
     {"service": "main", "sslmode": "require"}),
    ("mysql", "Server=::1;Port=1;Database=d", None, {"host": "::1", "port": 1, "database": "d"}),
    ("mysql", "Server=/run/my sql.sock;Database=d", None,
     {"unix_socket": "/run/my sql.sock", "database": "d"}),
    ("mysql", "mysql://u@/d?unix_socket=/run/x", None,
     {"unix_socket": "/run/x", "database": "d", "user": "u"}),
    ("mysql", "Server=h;Character Set=utf8;Connection Timeout=7", None,
     {"host": "h", "charset": "utf8", "connect_timeout": 7}),
    ("mysql", "Server=h;Connection Timeout=0;Pooling=true", None, {"host": "h"}),
    ("sqlserver", "Server=tcp:h,5;Database=d;User Id=u;Password=p", None,
     {"server": "h,5", "database": "d", "uid": "u", "pwd": "p"}),
    ("sqlserver", r"Server=h\SQLEXPRESS;Database=d;User Id=u", None,
     {"server": r"h\SQLEXPRESS", "database": "d", "uid": "u"}),
    ("sqlserver", r"Server=(localdb)\X;Database=d;Integrated Security=true", None,
     {"server": r"(localdb)\X", "database": "d", "trusted_connection": "yes"}),
    ("sqlserver", r"Server=np:\\.\pipe\x;User Id=u", None,
     {"server": r"np:\\.\pipe\x", "uid": "u"}),
    ("sqlserver", "Server=h;Database=d;Integrated Security=SSPI", None,
     {"server": "h", "database": "d", "trusted_connection": "Yes"}),
    ("sqlserver", "Server=h;Database=d;Encrypt=yes", None,
     {"server": "h", "database": "d", "encrypt": "yes"}),
    ("sqlserver", "Server=h;User Id=u;Password=p", None, {"server": "h", "uid": "u", "pwd": "p"}),
    ("sqlserver", "Server=h;Database=d;Authentication=Active Directory Managed Identity", None,
     {"server": "h", "database": "d", "authentication": "ActiveDirectoryMsi"}),
    ("sqlserver", "Server=h;Database=d;User Id=u;Authentication=Active Directory MSI", None,
     {"server": "h", "database": "d", "uid": "u", "authentication": "ActiveDirectoryMsi"}),
    ("sqlserver", "Driver={FreeTDS};Server=h;Database=d;Uid=u;authentication=x", None,
     {"driver": "FreeTDS", "server": "h", "database": "d", "uid": "u", "authentication": "x"}),
    ("sqlserver", "DSN=my dsn;Uid=u;Pwd={p;}", None, {"dsn": "my dsn", "uid": "u", "pwd": "p;"}),
    ("sqlserver", "mssql+aioodbc://u:p@h:5/d?driver=x&LongAsMax=yes", None,
     {"driver": "x", "server": "h,5", "database": "d", "uid": "u", "pwd": "p",
      "longasmax": "yes"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text", "driver", "expected"), HOSTS, ids=[f"{r[1]}, {r[2]}" for r in HOSTS]
)
def test_hosts_and_options_in_sqlalchemy(
    kind: str, text: str, driver: str | None, expected: dict[str, Any]
) -> None:
    """Addresses, sockets, several hosts, no user, no database: the driver gets exactly these."""
    found = arguments(read(text, kind).sqlalchemy_url(driver))
    if kind == "sqlserver" and "dsn" not in expected:
        expected = {"driver": "ODBC Driver 18 for SQL Server", **expected}
    assert {name: value for name, value in found.items() if value != ""} == expected


SQLITE = [
    ("sqlite:///a b.db", "a b.db", {}),
    ("sqlite:////home/x@y.db", "/home/x@y.db", {}),
    ("sqlite://", ":memory:", {}),
    ("sqlite:///100%25.db", "100%.db", {}),
    ("sqlite:///a.db?timeout=5&uri=true", "a.db", {"timeout": 5.0}),
    ("Data Source=a b.db;Version=3;Mode=ReadWriteCreate", "a b.db", {}),
]


@pytest.mark.parametrize(("text", "file", "options"), SQLITE, ids=[row[0] for row in SQLITE])
def test_sqlite(text: str, file: str, options: dict[str, Any]) -> None:
    """The database is the named file."""
    made = read(text, "sqlite")
    url = make_url(made.sqlalchemy_url())
    assert (url.database or ":memory:") == file
    positional, keywords = url.get_dialect()().create_connect_args(url)
    assert positional[0].endswith(file)
    assert keywords.items() >= options.items()
    if not options:
        assert made.django_database() == {"ENGINE": "django.db.backends.sqlite3", "NAME": file}


def test_the_default_driver_is_the_urls_own() -> None:
    """The URL's driver, else psycopg, PyMySQL, pyodbc; an argument takes precedence."""
    assert read("postgresql+asyncpg://h/d?command_timeout=5", "").sqlalchemy_url() == (
        "postgresql+asyncpg://h/d?command_timeout=5"
    )
    assert read("postgresql+other://h/d", "").sqlalchemy_url() == "postgresql+psycopg://h/d"
    assert read("postgres://h/d", "").sqlalchemy_url("psycopg2") == "postgresql+psycopg2://h/d"
    assert read("mysql+mysqldb://h/d", "").sqlalchemy_url() == "mysql+mysqldb://h/d"
    assert read("sqlite+aiosqlite:///x", "").sqlalchemy_url() == "sqlite+aiosqlite:///x"


SQL, PG, MY = "Server=h;Database=d;User Id=u", "Host=h;Database=d;Username=u", "Server=h;Uid=u"
IMPOSSIBLE = [
    ("sqlserver", SQL, lambda c: c.libpq_dsn(), "only a PostgreSQL string"),
    ("sqlserver", SQL, lambda c: c.redis_url(), "only a Redis string"),
    ("sqlserver", SQL, lambda c: c.sqlalchemy_url("psycopg"), "use one of pyodbc, aioodbc"),
    ("sqlserver", "Database=d", lambda c: c.odbc_string(), "names no host"),
    ("sqlserver", "Database=d", lambda c: c.sqlalchemy_url(), "names no host"),
    ("sqlserver", "Database=d", lambda c: c.django_database(), "names no host"),
    ("sqlserver", 'Server=h;Uid=u;Pwd="a+ "', lambda c: c.sqlalchemy_url(), "versions of"),
    ("postgresql", PG, lambda c: c.odbc_string(), "only a SQL Server"),
    ("postgresql", PG, lambda c: c.sqlalchemy_url("pymysql"), "psycopg, psycopg2, asyncpg"),
    ("postgresql", "Host=a b", lambda c: c.libpq_dsn(), "a separator is missing"),
    ("postgresql", "Host=a<b>;Database=d", lambda c: c.sqlalchemy_url(), "not a host name"),
    ("mysql", MY, lambda c: c.libpq_dsn(), "only a PostgreSQL string"),
    ("mysql", "Database=d", lambda c: c.sqlalchemy_url(), "names no host"),
    ("mysql", "Server=a,b;Database=d", lambda c: c.sqlalchemy_url(), "several hosts"),
    ("mysql", "Server=a,b;Database=d", lambda c: c.django_database(), "several hosts"),
    ("mysql", MY + ";Connection Timeout=x", lambda c: c.sqlalchemy_url(), "not a whole number"),
    ("redis", "h:1", lambda c: c.sqlalchemy_url(), "no URL for this kind"),
    ("redis", "h:1", lambda c: c.django_database(), "Django has no database"),
    ("storage", "AccountName=a", lambda c: c.sqlalchemy_url(), "no URL for this kind"),
    ("", "abc", lambda c: c.odbc_string(), "only a SQL Server"),
    ("sqlite", "Data Source=a;Password=p", lambda c: c.sqlalchemy_url(), "a password or a mode"),
    ("sqlite", "Data Source=a;Mode=ReadOnly", lambda c: c.django_database(), "or a mode"),
    ("sqlite", "sqlite:///a?mode=ro", lambda c: c.django_database(), "cannot hold the query"),
    ("postgresql", PG + ";Search Path=x", lambda c: c.sqlalchemy_url("asyncpg"), "asyncpg does"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text", "make", "message"), IMPOSSIBLE, ids=[f"{r[0]}: {r[3]}" for r in IMPOSSIBLE]
)
def test_what_makes_no_sense_is_an_error(kind: str, text: str, make: Any, message: str) -> None:
    """An impossible conversion raises an error that names setting and kind."""
    with pytest.raises(SettingsError, match=message):
        make(read(text, kind))


def test_odbc_strings_of_other_databases_keep_what_they_say() -> None:
    """ODBC strings of other databases are unchanged, except that the driver may differ."""
    text = "Driver={MySQL ODBC 8.0 Driver};Server=h;Port=1;Database=d;Uid=u;Pwd={a;b};SSLMODE=x"
    assert read(text, "mysql").odbc_string() == text
    assert read(text, "mysql").odbc_string("a}b").startswith("Driver={a}}b};Server=h;")
    assert read(SQL, "sqlserver").odbc_string("X").startswith("Driver={X};Server=h;")
