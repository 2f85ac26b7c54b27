"""Write connection strings for SQLAlchemy, Django, libpq and ODBC.

Pure. Must not know where a string comes from. A conversion that makes no sense for a kind raises
ValueError, and never returns a string that means something else; messages contain no part's value.
All results contain the password in plain text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from . import syntax
from .options import squeeze
from .tls import libpq_options, mysql_tls, odbc_options, whole
from .url import write_login

if TYPE_CHECKING:
    from collections.abc import Callable

    from .parts import Parts
    from .tls import MySqlTls

__all__ = ["django_database", "libpq_dsn", "odbc_string", "sqlalchemy_url"]

DEFAULT_ODBC_DRIVER = "ODBC Driver 18 for SQL Server"

# Each kind's drivers for SQLAlchemy, the default first.
_DRIVERS: dict[str, tuple[str, ...]] = {
    "postgresql": ("psycopg", "psycopg2", "asyncpg"),
    "mysql": ("pymysql", "mysqldb", "aiomysql", "asyncmy"),
    "sqlserver": ("pyodbc", "aioodbc"),
    "sqlite": ("", "aiosqlite", "pysqlite"),
}
# SQLAlchemy before 2.1 takes the database's name from the URL undecoded, later versions decode it.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.~-]*")
_DATABASE_KEYS = {
    "psycopg": "dbname", "psycopg2": "dbname", "mysqldb": "db", "aiomysql": "db", "asyncmy": "db",
}  # fmt: skip
# Options that asyncpg takes, and options of libpq that affect neither the target nor security.
_ASYNCPG = frozenset({"target_session_attrs", "service", "servicefile", "passfile"})
_DROPPED = re.compile(r"(fallback_)?application_name|keepalives.*|.*_timeout|client_encoding")
_HOST = re.compile(r"[A-Za-z0-9._-]+(\\[A-Za-z0-9_$-]+)?|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?")


def sqlalchemy_url(parts: Parts, driver: str | None = None) -> str:
    """Return a URL for `sqlalchemy.create_engine`, with TLS options as the driver names them."""
    drivers = _DRIVERS.get(parts.kind)
    if drivers is None:
        raise ValueError("SQLAlchemy has no URL for this kind")
    own = parts.scheme.partition("+")[2]
    driver = driver or (own if own in drivers else "") or drivers[0]
    if driver not in drivers:
        known = ", ".join(filter(None, drivers))
        raise ValueError(f"the driver is not supported; use one of {known}")
    if parts.kind == "sqlite":
        return _sqlite_url(parts, driver)
    if parts.kind == "postgresql":
        query = _postgresql_query(parts, driver)
    elif parts.kind == "mysql":
        query = _mysql_query(*mysql_tls(parts), driver)
    else:
        return _sqlserver_url(parts, driver)
    return f"{parts.kind}+{driver}://" + _url_place(parts, query, driver)


def _sqlite_url(parts: Parts, driver: str) -> str:
    options = _sqlite_options(parts)
    # Encode as little as possible: SQLAlchemy before 2.1 does not decode the path.
    path = re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", parts.database).replace("?", "%3F")
    query = f"?{_encode(options)}" if options else ""
    return f"sqlite{f'+{driver}' if driver else ''}:///{path}{query}"


def _sqlite_options(parts: Parts) -> dict[str, str]:
    """Return the options of a URL. Drop those of ADO.NET, but refuse a password or mode."""
    if parts.form == "url":
        return {name: parts.options.text(name) for name in parts.options}
    modes = {squeeze(parts.options.text(name)) for name in ("Mode", "Read Only")}
    if parts.password or modes - {"", "readwritecreate", "readwrite", "false"}:
        raise ValueError("it sets a password or a mode that Python's SQLite does not support")
    return {}


def _sqlserver_url(parts: Parts, driver: str) -> str:
    options = odbc_options(parts)
    if not _stands_in_url(parts, options):
        whole_string = odbc_string(parts, None)
        if re.search(r"[%+]", whole_string):
            # SQLAlchemy before 2.1 decodes odbc_connect twice.
            raise ValueError("it contains % or +, which versions of SQLAlchemy decode differently")
        return f"mssql+{driver}:///?odbc_connect={quote(whole_string, safe='')}"
    query = {"driver": parts.options.text("Driver") or DEFAULT_ODBC_DRIVER, **options}
    if not parts.user:
        # Only the lower-case name keeps SQLAlchemy from adding Trusted_Connection.
        query = {k.lower() if k == "Authentication" else k: v for k, v in query.items()}
        query.pop("Trusted_Connection", None)
    return f"mssql+{driver}://" + _url_place(parts, query, driver)


def _stands_in_url(parts: Parts, options: dict[str, str]) -> bool:
    """Return whether a SQL Server's parts mean the same in a URL of SQLAlchemy.

    SQLAlchemy reads a host without a database as the name of a DSN, adds Trusted_Connection if
    there is no login, and writes outer blanks that the driver strips.
    """
    trusted = options.get("Trusted_Connection", "").lower() == "yes"
    has_login = bool(parts.user) or trusted or "Authentication" in options
    is_place = bool(_HOST.fullmatch(parts.host)) and bool(parts.database)
    return is_place and has_login and not _has_outer_blanks(parts)


def _has_outer_blanks(parts: Parts) -> bool:
    texts = (parts.user, parts.database, parts.reveal_password())
    return any(text.strip() != text for text in texts)


def _url_place(parts: Parts, query: dict[str, str], driver: str) -> str:
    database = parts.database
    if not _PLAIN_NAME.fullmatch(database):
        query = {**query, _DATABASE_KEYS.get(driver, "database"): database}
        database = ""
    login = write_login(parts.user, parts.password)
    host, port, query = _url_host(parts, query)
    place = f"[{host}]" if ":" in host else host
    tail = f"?{_encode(query)}" if query else ""
    return f"{login}{place}{f':{port}' if port else ''}/{database}{tail}"


def _url_host(parts: Parts, query: dict[str, str]) -> tuple[str, str, dict[str, str]]:
    """Return a URL's host and port, and its query with the host that cannot stand before it."""
    host, port = parts.host, parts.port
    if parts.kind == "postgresql" and ("," in host or host.startswith(("/", "@"))):
        # Several hosts, or a folder of Unix sockets.
        return "", "", {**query, "host": host, **_port_for_each(host, port)}
    if parts.kind == "mysql" and (host.startswith("/") or (not host and "unix_socket" in query)):
        return "", "", {**query, "unix_socket": host or query["unix_socket"]}
    _check_one_host(parts)
    return host, port, query


def _port_for_each(host: str, port: str) -> dict[str, str]:
    """Return one port for each host, as SQLAlchemy requires."""
    ports = port if "," in port else ",".join([port] * len(host.split(",")))
    return {"port": ports} if port else {}


def _check_one_host(parts: Parts) -> None:
    if "," in parts.host or "," in parts.port:
        raise ValueError("it names several hosts, and a SQLAlchemy URL can name only one")
    if parts.host and not _HOST.fullmatch(parts.host):
        raise ValueError("its host is not a host name or an address")
    if not parts.host and parts.kind != "postgresql":
        raise ValueError("it names no host")


def _encode(query: dict[str, str]) -> str:
    """Encode a query, with blanks as %20: libpq reads a + as a plus sign."""
    return urlencode(query, quote_via=quote, safe="")


def _postgresql_query(parts: Parts, driver: str) -> dict[str, str]:
    options = libpq_options(parts)
    if driver != "asyncpg":
        return options
    if parts.scheme.endswith("+asyncpg"):
        return {name: parts.options.text(name) for name in parts.options}
    query = {"ssl": options.pop("sslmode")} if "sslmode" in options else {}
    if options.get("sslrootcert") == "system":
        del options["sslrootcert"]  # without it, asyncpg requires a CA file in the user's home
    for name, value in options.items():
        if name in _ASYNCPG:
            query[name] = value
        elif not _DROPPED.fullmatch(name):
            raise ValueError("it has an option that asyncpg does not take in a URL")
    return query


def _mysql_query(tls: MySqlTls, others: dict[str, str], driver: str) -> dict[str, str]:
    """Return the TLS options as the driver names them.

    PyMySQL and the drivers built on it have no modes. TLS is on if any TLS option is present, the
    certificate is verified if there is a CA, and its host name if `ssl_check_hostname` is true.
    """
    files = {f"ssl_{name}": value for name, value in tls.files().items()}
    query = {**others, **files}
    if driver == "mysqldb":
        return query | ({"ssl_mode": tls.mode} if tls.mode else {})
    if driver == "aiomysql" and tls.is_asked_for():
        raise ValueError("aiomysql takes no TLS options in a URL: pass connect_args={'ssl': …}")
    if tls.is_asked_for():
        # PREFERRED becomes REQUIRED: older drivers would connect without TLS, which Azure refuses.
        query["ssl_check_hostname"] = "true" if tls.mode == "VERIFY_IDENTITY" else "false"
    elif tls.mode == "DISABLED" and driver == "pymysql":
        query["ssl_disabled"] = "true"
    return query


def django_database(parts: Parts) -> dict[str, Any]:
    """Return an entry of Django's DATABASES, its TLS options under OPTIONS."""
    if parts.kind == "sqlite":
        if _sqlite_options(parts):
            raise ValueError("Django's DATABASES cannot hold the query of its URL")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.database or ":memory:"}
    if parts.kind not in _DJANGO:
        raise ValueError("Django has no database backend of this kind")
    engine, make_options = _DJANGO[parts.kind]
    options = make_options(parts)
    entry = {}
    if parts.kind == "sqlserver" and not parts.user:
        # mssql-django would add Trusted_Connection=yes.
        entry["Trusted_Connection"] = odbc_options(parts).get("Trusted_Connection", "no").lower()
    if parts.kind != "postgresql" and ("," in parts.host or "," in parts.port):
        raise ValueError("it names several hosts, and this backend of Django takes only one")
    return {
        "ENGINE": engine,
        "NAME": parts.database,
        "USER": parts.user,
        "PASSWORD": parts.reveal_password(),
        "HOST": parts.host,
        "PORT": parts.port,
        "OPTIONS": options,
        **entry,
    }


def _django_mysql(parts: Parts) -> dict[str, Any]:
    tls, others = mysql_tls(parts)
    options: dict[str, Any] = dict(others)
    if tls.mode:
        options["ssl_mode"] = tls.mode
    if tls.files():
        options["ssl"] = tls.files()
    for name in ("connect_timeout", "read_timeout", "write_timeout"):
        if name in options:
            options[name] = whole(options[name], name)
    return options


def _django_sqlserver(parts: Parts) -> dict[str, Any]:
    dsn = parts.options.text("DSN")
    if not (parts.host or dsn):
        raise ValueError("it names no host")
    if _has_outer_blanks(parts):
        raise ValueError("its user, password or database has outer blanks, which ODBC strips")
    own = parts.options.text("Driver") or DEFAULT_ODBC_DRIVER
    options = {"dsn": dsn} if dsn else {"driver": own}
    said = {"DSN"} if parts.user else {"DSN", "Trusted_Connection"}
    extra = [pair for pair in odbc_options(parts).items() if pair[0] not in said]
    return options | ({"extra_params": syntax.write("odbc", extra)} if extra else {})


# Each kind's backend, and the function that makes its OPTIONS. `mssql` is Microsoft's mssql-django.
_DJANGO: dict[str, tuple[str, Callable[[Parts], dict[str, Any]]]] = {
    "postgresql": ("django.db.backends.postgresql", lambda parts: dict(libpq_options(parts))),
    "mysql": ("django.db.backends.mysql", _django_mysql),
    "sqlserver": ("mssql", _django_sqlserver),
}


def libpq_dsn(parts: Parts) -> str:
    """Return libpq's `key=value` string."""
    if parts.kind != "postgresql":
        raise ValueError("only a PostgreSQL string can be written for libpq")
    pairs = {
        "host": parts.host,
        "port": parts.port,
        "dbname": parts.database,
        "user": parts.user,
        "password": parts.reveal_password(),
        **libpq_options(parts),
    }
    return syntax.write("libpq", [(k, v) for k, v in pairs.items() if v])


def odbc_string(parts: Parts, driver: str | None = None) -> str:
    """Return the string for an ODBC driver."""
    own = parts.options.text("Driver")
    login = [
        ("Database", parts.database),
        ("Uid", parts.user),
        ("Pwd", parts.reveal_password()),
    ]
    if parts.kind == "sqlserver":
        place = _sqlserver_place(parts, driver or own)
        return _write_odbc([*place, *login, *odbc_options(parts).items()])
    if parts.form != "odbc":
        raise ValueError("only a SQL Server string or an ODBC string can be written for ODBC")
    place = [("Driver", driver or own), ("Server", parts.host), ("Port", parts.port)]
    names = [name for name in parts.options if name.lower() != "driver"]
    return _write_odbc([*place, *login, *((name, parts.options.text(name)) for name in names)])


def _sqlserver_place(parts: Parts, driver: str) -> list[tuple[str, str]]:
    dsn = parts.options.text("DSN")
    if not (parts.host or dsn):
        raise ValueError("it names no host")
    driver = driver or ("" if dsn else DEFAULT_ODBC_DRIVER)
    server = f"tcp:{parts.host},{parts.port}" if parts.port else parts.host
    return [("Driver", driver), ("Server", server)]


def _write_odbc(pairs: list[tuple[str, str]]) -> str:
    words = []
    for name, value in pairs:
        if name == "Driver" and value:
            words.append(f"Driver={{{value.replace('}', '}}')}}}")  # the usual way to write it
        elif name == "Server" and value and not re.search(r"[;{}\s]", value):
            words.append(f"Server={value}")  # its comma and colon need no braces
        elif value:
            words.append(syntax.write("odbc", [(name, value)]))
    return ";".join(words)
