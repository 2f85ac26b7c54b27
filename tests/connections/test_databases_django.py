"""Django's own backends connect with the values of the string."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime import SettingsError, parse_connection_string
from appsvc_runtime.connections.syntax import parse

pytest.importorskip("django")

HOSTILE = ["p;w", "a}b", "{a}", "{;}", "@/?#", "%41", "a b", "=", "'\"", "\\", "é密🔑", "[x],(y)"]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
DRIVER = "ODBC Driver 18 for SQL Server"


class FakeDriver(types.ModuleType):
    """The parts of pyodbc that mssql-django uses when it is imported."""

    version = "5.0.0"

    def __getattr__(self, name: str) -> int:
        if not name.startswith("SQL_"):
            raise AttributeError(name)
        return hash(name)


@pytest.fixture(scope="module", autouse=True)
def django_alone() -> Iterator[None]:
    """Configure Django with stand-ins for compiled drivers, and remove all traces of it."""
    import pymysql.constants.CLIENT
    import pymysql.constants.FIELD_TYPE
    import pymysql.converters
    from django.conf import UserSettingsHolder, global_settings, settings

    before = set(sys.modules)
    configured = settings._wrapped
    settings._wrapped = UserSettingsHolder(global_settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pyodbc", FakeDriver("pyodbc"))
        patch.setitem(sys.modules, "MySQLdb", pymysql)
        patch.setitem(sys.modules, "MySQLdb.constants", pymysql.constants)
        patch.setitem(sys.modules, "MySQLdb.converters", pymysql.converters)
        yield
        for name in set(sys.modules) - before:
            if name.startswith(("mssql", "django.db.backends.mysql")):
                del sys.modules[name]
    settings._wrapped = configured


def entry(text: str, kind: str) -> dict[str, Any]:
    """Return the DATABASES entry of a string."""
    return parse_connection_string(text, kind=kind).django_database()


def arguments(text: str, kind: str) -> dict[str, Any]:
    """Return Django's arguments for the driver."""
    from django.db.utils import ConnectionHandler

    wrapper = ConnectionHandler({"default": entry(text, kind)})["default"]
    found: dict[str, Any] = wrapper.get_connection_params()
    ours = {"context", "cursor_factory", "prepare_threshold", "client_encoding"}
    ours |= {"conv", "client_flag", "charset"}
    return {name: value for name, value in found.items() if name not in ours}


def odbc(text: str) -> dict[str, str]:
    """Return the string that mssql-django connects with, parsed by ODBC's rules."""
    pytest.importorskip("mssql")
    from django.db.utils import ConnectionHandler

    wrapper = ConnectionHandler({"default": entry(text, "sqlserver")})["default"]
    with mock.patch.object(sys.modules["pyodbc"], "connect", create=True) as connect:
        wrapper.get_new_connection(wrapper.get_connection_params())
    return {name.lower(): value for name, value in parse("odbc", connect.call_args.args[0])}


def quoted(kind: str, user: str, password: str, database: str) -> str:
    """Write an ADO.NET string."""
    values = {"Server": "h", "User Id": user, "Password": password, "Database": database}
    return ";".join(f'{k}="{v.replace(chr(34), chr(34) * 2)}"' for k, v in values.items())


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
@pytest.mark.parametrize("value", [*HOSTILE, " a ", "\u00a0"])
def test_credentials(value: str, kind: str) -> None:
    """Credentials are passed on unchanged."""
    name = "dbname" if kind == "postgresql" else "database"
    assert arguments(quoted(kind, value, value, value), kind) == {
        "host": "h", "user": value, "password": value, name: value,
    }  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_credentials_for_sql_server(value: str) -> None:
    """mssql-django quotes the credentials."""
    found = odbc(quoted("sqlserver", value, value, value) + ";Encrypt=true")
    assert (found["uid"], found["pwd"], found["database"]) == (value, value, value)
    assert (found["driver"], found["server"], found["encrypt"]) == (DRIVER, "h", "yes")


@given(user=TEXT, password=TEXT, database=TEXT)
def test_any_credentials_for_sql_server(user: str, password: str, database: str) -> None:
    """Credentials that mssql-django does not quote and the driver would strip are an error."""
    text = quoted("sqlserver", user, password, database)
    if any(value.strip() != value for value in (user, password, database)):
        with pytest.raises(SettingsError, match="outer blanks"):
            entry(text, "sqlserver")
    else:
        found = odbc(text)
        assert (found["uid"], found["pwd"], found["database"]) == (user, password, database)


POSTGRESQL = [
    ("Host=h;Port=5;Database=d;Username=u;SSL Mode=VerifyCA;Root Certificate=/ca;Timeout=7",
     {"host": "h", "port": "5", "dbname": "d", "user": "u", "sslmode": "verify-ca",
      "sslrootcert": "/ca", "connect_timeout": "7"}),
    ("host=/var/run dbname=d", {"host": "/var/run", "dbname": "d"}),
    ("Host=a:1,b:2;Database=d", {"host": "a,b", "port": "1,2", "dbname": "d"}),
    ("Host=::1;Database=d", {"host": "::1", "dbname": "d"}),
    ("postgresql:///d?host=/x&user=u&password=p&ssl=true",
     {"host": "/x", "dbname": "d", "user": "u", "password": "p", "sslmode": "require"}),
    ("service=main", {"service": "main"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), POSTGRESQL, ids=[row[0] for row in POSTGRESQL])
def test_postgresql(text: str, expected: dict[str, Any]) -> None:
    """psycopg gets the options by libpq's names."""
    assert arguments(text, "postgresql") == expected


MYSQL = [
    ("Data Source=127.0.0.1:52400;Database=d;User Id=u;Password=p",
     {"host": "127.0.0.1", "port": 52400, "database": "d", "user": "u", "password": "p"}),
    ("Server=/run/x.sock;Database=d", {"unix_socket": "/run/x.sock", "database": "d"}),
    ("mysql:///d?unix_socket=/run/x&read_timeout=5",
     {"unix_socket": "/run/x", "database": "d", "read_timeout": 5}),
    ("Server=h;Connection Timeout=7;SslMode=Required",
     {"host": "h", "connect_timeout": 7, "ssl_mode": "REQUIRED"}),
    ("Server=h;SslCa=/ca;SslCert=/c;SslKey=/k;SslMode=VerifyFull",
     {"host": "h", "ssl_mode": "VERIFY_IDENTITY",
      "ssl": {"ca": "/ca", "cert": "/c", "key": "/k"}}),
    ("mysql://h/d?ssl_capath=/certs",
     {"host": "h", "database": "d", "ssl_mode": "VERIFY_IDENTITY", "ssl": {"capath": "/certs"}}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MYSQL, ids=[row[0] for row in MYSQL])
def test_mysql(text: str, expected: dict[str, Any]) -> None:
    """mysqlclient gets the options by MySQL's names, and numbers where it expects them."""
    assert arguments(text, "mysql") == expected


SQL_SERVER = [
    ("Server=tcp:h,1433;Database=d;User Id=u;Password=p;TrustServerCertificate=false",
     {"driver": DRIVER, "server": "h,1433", "database": "d", "uid": "u", "pwd": "p",
      "trustservercertificate": "no"}),
    ("Server=h;Database=d;Integrated Security=true",
     {"driver": DRIVER, "server": "h", "database": "d", "trusted_connection": "yes"}),
    # Whoever logs in with a token says neither; Windows' own login would go before it.
    ("Server=h;Database=d", {"driver": DRIVER, "server": "h", "database": "d",
                             "trusted_connection": "no"}),
    ("Driver={ODBC Driver 17 for SQL Server};Server=h;Database=d;Uid=u;Pwd={a;}}};APP={x;y}",
     {"driver": "ODBC Driver 17 for SQL Server", "server": "h", "database": "d", "uid": "u",
      "pwd": "a;}", "app": "x;y"}),
    ("Server=h;Database=d;User Id=u;Authentication=Active Directory Managed Identity",
     {"driver": DRIVER, "server": "h", "database": "d", "uid": "u",
      "authentication": "ActiveDirectoryMsi"}),
    ("Server=h;Database=d;Authentication=Active Directory Integrated",
     {"driver": DRIVER, "server": "h", "database": "d",
      "authentication": "ActiveDirectoryIntegrated"}),
    ("DSN=x;Database=d;Uid=u;Pwd=p", {"dsn": "x", "database": "d", "uid": "u", "pwd": "p"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SQL_SERVER, ids=[row[0] for row in SQL_SERVER])
def test_sql_server(text: str, expected: dict[str, str]) -> None:
    """mssql-django builds the right ODBC string."""
    assert odbc(text) == expected
