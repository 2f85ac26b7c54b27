"""Connection strings as programs want them: SQLAlchemy, Django, libpq, ODBC.

Pure. Must not know where a string comes from. What makes no sense for a kind is a ValueError, and
never a string that means something else; messages hold no part's value. All results hold the
password as it is.
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
# SQLAlchemy before 2.1 takes the database's name as it stands in the URL, later ones decode it.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.~-]*")
_DATABASE_KEYS = {
    "psycopg": "dbname", "psycopg2": "dbname", "mysqldb": "db", "aiomysql": "db", "asyncmy": "db",
}  # fmt: skip
# asyncpg's words, and libpq's that change neither what is reached nor how safely.
_ASYNCPG = frozenset({"target_session_attrs", "service", "servicefile", "passfile"})
_DROPPED = re.compile(r"(fallback_)?application_name|keepalives.*|.*_timeout|client_encoding")
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
    # Only what must be encoded: SQLAlchemy before 2.1 takes the path as it stands.
    path = re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", parts.database).replace("?", "%3F")
    query = f"?{_encode(options)}" if options else ""
    return f"sqlite{f'+{driver}' if driver else ''}:///{path}{query}"


def _sqlite_options(parts: Parts) -> dict[str, str]:
    """Give the options of a URL; those of ADO.NET stay behind, but for what keeps others out."""
    if parts.form == "url":
        return {name: parts.options.text(name) for name in parts.options}
    modes = {squeeze(parts.options.text(name)) for name in ("Mode", "Read Only")}
    if parts.password or modes - {"", "readwritecreate", "readwrite", "false"}:
        raise ValueError("it asks for a password or a mode, which Python's SQLite has not so")
    return {}


def _sqlserver_url(parts: Parts, driver: str) -> str:
    options = odbc_options(parts)
    if not _stands_in_url(parts, options):
        whole_string = odbc_string(parts, None)
        if re.search(r"[%+]", whole_string):
            # SQLAlchemy before 2.1 decodes it twice.
            raise ValueError("it holds a % or +, which SQLAlchemy's versions read differently here")
        return f"mssql+{driver}:///?odbc_connect={quote(whole_string, safe='')}"
    query = {"driver": parts.options.text("Driver") or DEFAULT_ODBC_DRIVER, **options}
    if not parts.user:
        # The lower-case name is the one that SQLAlchemy knows to stand for credentials.
        query = {k.lower() if k == "Authentication" else k: v for k, v in query.items()}
        query.pop("Trusted_Connection", None)
    return f"mssql+{driver}://" + _url_place(parts, query, driver)


def _stands_in_url(parts: Parts, options: dict[str, str]) -> bool:
    """Return whether a SQL Server's parts mean the same in a URL of SQLAlchemy's.

    It takes a host without a database for the name of a DSN, adds Trusted_Connection where there is
    no login, and writes blanks that the driver strips.
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
    """Return a URL's host and port, and its query, which has what cannot stand there."""
    host, port = parts.host, parts.port
    if parts.kind == "postgresql" and ("," in host or host.startswith(("/", "@"))):
        # Several hosts, or a folder of Unix sockets.
        return "", "", {**query, "host": host, **_port_for_each(host, port)}
    if parts.kind == "mysql" and (host.startswith("/") or (not host and "unix_socket" in query)):
        return "", "", {**query, "unix_socket": host or query["unix_socket"]}
    _check_one_host(parts)
    return host, port, query


def _port_for_each(host: str, port: str) -> dict[str, str]:
    """Return as many ports as there are hosts, as SQLAlchemy wants them."""
    ports = port if "," in port else ",".join([port] * len(host.split(",")))
    return {"port": ports} if port else {}


def _check_one_host(parts: Parts) -> None:
    if "," in parts.host or "," in parts.port:
        raise ValueError("it names several hosts, which a SQLAlchemy URL cannot")
    if parts.host and not _HOST.fullmatch(parts.host):
        raise ValueError("its host is no host name or address")
    if not parts.host and parts.kind != "postgresql":
        raise ValueError("it names no host")


def _encode(query: dict[str, str]) -> str:
    """Encode a query; blanks as libpq knows them, which takes a + for itself."""
    return urlencode(query, quote_via=quote, safe="")


def _postgresql_query(parts: Parts, driver: str) -> dict[str, str]:
    options = libpq_options(parts)
    if driver != "asyncpg":
        return options
    if parts.scheme.endswith("+asyncpg"):
        return {name: parts.options.text(name) for name in parts.options}
    query = {"ssl": options.pop("sslmode")} if "sslmode" in options else {}
    if options.get("sslrootcert") == "system":
        del options["sslrootcert"]  # asyncpg then wants a file in the user's home, or fails
    for name, value in options.items():
        if name in _ASYNCPG:
            query[name] = value
        elif not _DROPPED.fullmatch(name):
            raise ValueError("it has an option that asyncpg cannot be given in a URL")
    return query


def _mysql_query(tls: MySqlTls, others: dict[str, str], driver: str) -> dict[str, str]:
    """Return TLS in the driver's words.

    PyMySQL and what is made of it know no modes: TLS is on where any option of it is there, the
    certificate is looked at where there is a CA, the name where `ssl_check_hostname` says so.
    """
    files = {f"ssl_{name}": value for name, value in tls.files().items()}
    query = {**others, **files}
    if driver == "mysqldb":
        return query | ({"ssl_mode": tls.mode} if tls.mode else {})
    if driver == "aiomysql" and tls.is_asked_for():
        raise ValueError("aiomysql has no TLS in a URL: give it connect_args={'ssl': …}")
    if tls.is_asked_for():
        # PREFERRED becomes REQUIRED: older ones would do without TLS, which Azure refuses.
        query["ssl_check_hostname"] = "true" if tls.mode == "VERIFY_IDENTITY" else "false"
    elif tls.mode == "DISABLED" and driver == "pymysql":
        query["ssl_disabled"] = "true"
    return query


def django_database(parts: Parts) -> dict[str, Any]:
    """Return an entry of Django's DATABASES, its TLS options under OPTIONS."""
    if parts.kind == "sqlite":
        if _sqlite_options(parts):
            raise ValueError("its query has no place in Django's DATABASES")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.database or ":memory:"}
    if parts.kind not in _DJANGO:
        raise ValueError("Django has no database of this kind")
    engine, make_options = _DJANGO[parts.kind]
    options = make_options(parts)
    entry = {}
    if parts.kind == "sqlserver" and not parts.user:
        # mssql-django would add Trusted_Connection=yes.
        entry["Trusted_Connection"] = odbc_options(parts).get("Trusted_Connection", "no").lower()
    if parts.kind != "postgresql" and ("," in parts.host or "," in parts.port):
        raise ValueError("it names several hosts, which this back end of Django cannot")
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
        raise ValueError("its user, password or database has outer blanks, which this loses")
    own = parts.options.text("Driver") or DEFAULT_ODBC_DRIVER
    options = {"dsn": dsn} if dsn else {"driver": own}
    said = {"DSN"} if parts.user else {"DSN", "Trusted_Connection"}
    extra = [pair for pair in odbc_options(parts).items() if pair[0] not in said]
    return options | ({"extra_params": syntax.write("odbc", extra)} if extra else {})


# Each kind's back end, and what makes its OPTIONS. `mssql` is mssql-django, Microsoft's own.
_DJANGO: dict[str, tuple[str, Callable[[Parts], dict[str, Any]]]] = {
    "postgresql": ("django.db.backends.postgresql", lambda parts: dict(libpq_options(parts))),
    "mysql": ("django.db.backends.mysql", _django_mysql),
    "sqlserver": ("mssql", _django_sqlserver),
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
        raise ValueError("an ODBC string is made of SQL Server's, or of what is one already")
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
            words.append(f"Driver={{{value.replace('}', '}}')}}}")  # as everybody writes it
        elif name == "Server" and value and not re.search(r"[;{}\s]", value):
            words.append(f"Server={value}")  # its comma and colon stand bare
        elif value:
            words.append(syntax.write("odbc", [(name, value)]))
    return ";".join(words)
