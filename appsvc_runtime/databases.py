"""Connection strings as programs want them: SQLAlchemy, Django, libpq, ODBC.

Pure. Must not know where a string comes from. What makes no sense for a kind is a ValueError, and
never a string that means something else; messages hold no part's value. All results hold the
password as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from . import connectionsyntax
from .tlsoptions import libpq_options, mysql_tls, odbc_options

if TYPE_CHECKING:
    from .connectionparts import Parts
    from .tlsoptions import MySqlTls

__all__ = ["django_database", "libpq_dsn", "odbc_string", "sqlalchemy_url"]

DEFAULT_ODBC_DRIVER = "ODBC Driver 18 for SQL Server"

# Each kind's drivers for SQLAlchemy, the default first.
_DRIVERS: dict[str, tuple[str, ...]] = {
    "postgresql": ("psycopg", "psycopg2", "asyncpg"),
    "mysql": ("pymysql", "mysqldb", "aiomysql", "asyncmy"),
    "sqlserver": ("pyodbc", "aioodbc"),
    "sqlite": ("", "aiosqlite", "pysqlite"),
}
_DIALECTS = {"sqlserver": "mssql"}
# SQLAlchemy before 2.1 takes the database's name as it stands in the URL, later ones decode it.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.~-]*")
_DATABASE_KEYS = {"psycopg": "dbname", "psycopg2": "dbname", "mysqldb": "db", "asyncmy": "db"}
_HOST = re.compile(r"[A-Za-z0-9._-]+(\\[A-Za-z0-9_$-]+)?|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?")


def sqlalchemy_url(parts: Parts, driver: str | None = None) -> str:
    """Give a URL that `sqlalchemy.create_engine` takes, its TLS options in the driver's words."""
    drivers = _DRIVERS.get(parts.kind)
    if drivers is None:
        raise ValueError("SQLAlchemy has no URL for this kind")
    own = parts.scheme.partition("+")[2]
    driver = driver or (own if own in drivers else "") or drivers[0]
    if driver not in drivers:
        known = ", ".join(filter(None, drivers))
        raise ValueError(f"the driver is not known here; use one of {known}")
    if parts.kind == "sqlite":
        mark = f"+{driver}" if driver else ""
        return f"sqlite{mark}:///{quote(parts.database, safe='/:')}"
    if parts.kind == "postgresql":
        query = _postgresql_query(libpq_options(parts), driver)
    elif parts.kind == "mysql":
        query = _mysql_query(*mysql_tls(parts), driver)
    else:
        query = odbc_options(parts)
        trusted = query.get("Trusted_Connection") == "yes"
        if not parts.database or not (parts.user or trusted or "Authentication" in query):
            # From parts, SQLAlchemy would take such a host for the name of a DSN, or add
            # Trusted_Connection.
            return f"mssql+{driver}:///?odbc_connect={quote(odbc_string(parts, None), safe='')}"
        query = {"driver": parts.options.text("Driver") or DEFAULT_ODBC_DRIVER, **query}
        if not parts.user:
            # The lower-case name is the one that SQLAlchemy knows to stand for credentials.
            query = {k.lower() if k == "Authentication" else k: v for k, v in query.items()}
            query.pop("Trusted_Connection", None)
    dialect = _DIALECTS.get(parts.kind, parts.kind)
    return f"{dialect}+{driver}://" + _url_place(parts, query, driver)


def _url_place(parts: Parts, query: dict[str, str], driver: str) -> str:
    login = quote(parts.user, safe="")
    if parts.password is not None:
        login += ":" + quote(parts.password.reveal(), safe="")
    database = parts.database
    if not _PLAIN_NAME.fullmatch(database):
        query = {**query, _DATABASE_KEYS.get(driver, "database"): database}
        database = ""
    host = parts.host
    if host.startswith(("/", "@")) and parts.kind == "postgresql":
        query = {**query, "host": host}  # a folder of Unix sockets
        host = ""
    elif "," in host or "," in parts.port:
        raise ValueError("it names several hosts, which a SQLAlchemy URL cannot; use libpq_dsn()")
    elif host and not _HOST.fullmatch(host):
        raise ValueError("its host is no host name or address")
    elif not host and parts.kind != "postgresql":
        raise ValueError("it names no host")
    place = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    at = "@" if login else ""
    tail = f"?{urlencode(query)}" if query else ""
    return f"{login}{at}{place}{port}/{database}{tail}"


def _postgresql_query(options: dict[str, str], driver: str) -> dict[str, str]:
    if driver != "asyncpg":
        return options
    options = dict(options)
    query = {"ssl": options.pop("sslmode")} if "sslmode" in options else {}
    for name in options:
        if name != "ssl" and re.match(r"ssl|gss|channel|krb|require", name):
            raise ValueError(f"its option {name!r} cannot be given to asyncpg in a URL")
    known = ("ssl", "target_session_attrs", "service", "passfile")
    return query | {name: value for name, value in options.items() if name in known}


def _mysql_query(tls: MySqlTls, others: dict[str, str], driver: str) -> dict[str, str]:
    """Give TLS in the driver's words.

    PyMySQL and what is made of it know no modes: TLS is on where any option of it is there, the
    certificate is looked at where there is a CA, the name where `ssl_check_hostname` says so.
    """
    query = dict(others)
    files = {"ssl_ca": tls.ca, "ssl_cert": tls.cert, "ssl_key": tls.key}
    query |= {name: value for name, value in files.items() if value}
    if driver == "mysqldb":
        return query | ({"ssl_mode": tls.mode} if tls.mode else {})
    if tls.mode.startswith("VERIFY") and not tls.ca:
        raise ValueError(
            "PyMySQL verifies nothing without a file of authorities: name one with SslCa, or use "
            "driver='mysqldb'"
        )
    if tls.mode == "VERIFY_IDENTITY":
        query["ssl_check_hostname"] = "true"
    elif tls.mode not in ("", "DISABLED") or tls.ca or tls.cert:
        query["ssl_check_hostname"] = "false"
    return query


def django_database(parts: Parts) -> dict[str, Any]:
    """Give an entry of Django's DATABASES, its TLS options under OPTIONS."""
    if parts.kind == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.database or ":memory:"}
    options: dict[str, Any]
    if parts.kind == "postgresql":
        engine, options = "django.db.backends.postgresql", dict(libpq_options(parts))
    elif parts.kind == "mysql":
        engine = "django.db.backends.mysql"
        tls, others = mysql_tls(parts)
        options = dict(others)
        files = {"ca": tls.ca, "cert": tls.cert, "key": tls.key}
        if tls.mode:
            options["ssl_mode"] = tls.mode
        if any(files.values()):
            options["ssl"] = {name: value for name, value in files.items() if value}
        if "connect_timeout" in options:
            options["connect_timeout"] = _whole(options["connect_timeout"], "Connection Timeout")
    elif parts.kind == "sqlserver":
        # mssql-django, Microsoft's own back end.
        engine = "mssql"
        options = {"driver": parts.options.text("Driver") or DEFAULT_ODBC_DRIVER}
        extra = odbc_options(parts)
        if extra:
            options["extra_params"] = connectionsyntax.write("odbc", extra.items())
    else:
        raise ValueError("Django has no database of this kind")
    return {
        "ENGINE": engine,
        "NAME": parts.database,
        "USER": parts.user,
        "PASSWORD": parts.password.reveal() if parts.password else "",
        "HOST": parts.host,
        "PORT": parts.port,
        "OPTIONS": options,
    }


def libpq_dsn(parts: Parts) -> str:
    """Give libpq's `key=value` string."""
    if parts.kind != "postgresql":
        raise ValueError("only a PostgreSQL string can be written for libpq")
    pairs = {
        "host": parts.host,
        "port": parts.port,
        "dbname": parts.database,
        "user": parts.user,
        "password": parts.password.reveal() if parts.password else "",
        **libpq_options(parts),
    }
    return connectionsyntax.write("libpq", [(k, v) for k, v in pairs.items() if v])


def odbc_string(parts: Parts, driver: str | None = None) -> str:
    """Give the string for an ODBC driver."""
    if parts.kind == "sqlserver":
        options = odbc_options(parts)
        driver = driver or parts.options.text("Driver") or DEFAULT_ODBC_DRIVER
        dsn = parts.options.text("DSN")
        if not (parts.host or dsn):
            raise ValueError("it names no host")
        server = f"tcp:{parts.host},{parts.port}" if parts.port else parts.host
        pairs = [
            ("Driver", "" if dsn and not parts.options.text("Driver") else driver),
            ("Server", server),
            ("Database", parts.database),
            ("Uid", parts.user),
            ("Pwd", parts.password.reveal() if parts.password else ""),
            *options.items(),
        ]
        return _write_odbc(pairs)
    if parts.form == "odbc":
        given = [(name, parts.options.text(name)) for name in parts.options]
        pairs = [
            ("Driver", driver or parts.options.text("Driver")),
            ("Server", parts.host),
            ("Port", parts.port),
            ("Database", parts.database),
            ("Uid", parts.user),
            ("Pwd", parts.password.reveal() if parts.password else ""),
            *(pair for pair in given if pair[0].lower() != "driver"),
        ]
        return _write_odbc(pairs)
    raise ValueError("an ODBC string is made of SQL Server's, or of what is one already")


def _write_odbc(pairs: list[tuple[str, str]]) -> str:
    words = []
    for name, value in pairs:
        if not value:
            continue
        if name in ("Driver", "Server"):
            # Braced always, as everybody writes it; a server's comma and colon stand bare.
            words.append(
                f"{name}={{{value.replace('}', '}}')}}}"
                if name == "Driver" or re.search(r"[;{}\s]", value)
                else f"{name}={value}"
            )
        else:
            words.append(connectionsyntax.write("odbc", [(name, value)]))
    return ";".join(words)


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise ValueError(f"its option {name!r} is no whole number")
    return int(text)
