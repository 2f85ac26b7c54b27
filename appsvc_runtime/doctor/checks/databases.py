"""DB: connection strings, tokens, and databases in files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ...azure import names
from ...startup import fixed_paths
from ..check import Found, check
from ..site import Site

_CONNECTOR = re.compile(r"AZURE_(POSTGRESQL|MYSQL|SQL)_CONNECTIONSTRING(?:_\w+)?")
# Django's settings, whose databases are looked at by their engines.
_SETTINGS = re.compile(r"(?:^|/)settings(?:/[^/]*)?(?:\.py)?$")
_SERVER_ENGINE = re.compile(
    r"backends\.(?:postgresql|mysql|oracle)|[\"']mssql[\"']|dj_database_url"
)
_INSTEAD = "Use PostgreSQL, MySQL or SQL Server on the platform."
_PASSWORD = re.compile(
    r"(?:^|[;\s])(?:password|pwd)\s*=\s*[^;\s]|://[^:/@\s]*:[^@\s]{1,2000}@", re.I
)
_NO_TLS = re.compile(
    r"(?:ssl[_ -]?mode\s*=\s*(?:disable|allow|none|disabled)|encrypt\s*=\s*(?:false|no|optional)"
    r"|\bssl\s*=\s*false)", re.I,
)  # fmt: skip
_OLD_USER = re.compile(
    r"(?:(?:user(?:\s*id|name)?|uid)\s*=\s*|://)([\w.-]+)(?:@|%40)([\w-]+)(?=[;:\s@]|$)", re.I
)


@check(
    "DB-01",
    "A connection string has no password",
    "warning",
    host="any",
    looks_at="settings files",
    source="MicrosoftDocs/azure-docs#122549; Service Connector",
)
def db_01(site: Site) -> Iterator[Found]:
    """Report Service Connector's strings for managed identities, and no package that gets tokens.

    Such a string has no password: the app has to ask for a token, and again before that expires.
    """
    packages = ("azure-postgresql-auth", "azure-identity", "mssql-python", "azure-mysql-auth")
    for name, value in site.settings.items():
        without = _CONNECTOR.fullmatch(name) and value and not _PASSWORD.search(value)
        if without and not site.requires(*packages):
            yield Found(
                f"{name} has no password, and no package of the site asks for a token.",
                "Add azure-identity, and for psycopg azure-postgresql-auth.",
            )


@check(
    "DB-02", "A token is asked for once", "error", host="any", source="microsoft/mssql-django#216"
)
def db_02(site: Site) -> Iterator[Found]:
    """Report `get_token(...)` that runs when a module is imported.

    A token lives for an hour to a day. After that each new connection is refused, until a restart.
    """
    for source in site.sources.with_words(r"get_token\("):
        for call in source.calls():
            if call.last == "get_token" and call.depth == 0 and not call.is_guarded:
                yield Found(
                    "The token is asked for when the module is imported, and expires.",
                    "Ask for it in each new connection.",
                    source.name,
                    call.line,
                )


@check(
    "DB-03",
    "A database is reached without TLS, or by an old name",
    "warning",
    host="any",
    looks_at="settings",
    source="AD: databases' pages on TLS; retirement of Single Server",
)
def db_03(site: Site) -> Iterator[Found]:
    """Report connection strings that switch TLS off, and users written as `user@server`.

    That form was of the Single Server, which has ended; the Flexible Server refuses it.
    """
    for name, value in site.settings.items():
        if _NO_TLS.search(value):
            yield Found(f"{name} switches TLS off.", "Require it: sslmode=require, Encrypt=yes.")
        if ".database.azure.com" in value:
            host = re.search(
                r"(?<![\w-])([\w-]{1,100})\.(?:postgres|mysql)\.database\.azure\.com", value
            )
            for found in _OLD_USER.finditer(value):
                if host and found[2].lower() == host[1].lower():
                    yield Found(
                        f"{name} has a user with @{host[1]}, as the retired Single Server wanted.",
                        "Write the user's name alone.",
                    )


@check("DB-04", "A database is a file of the site", "warning", source="SQLite: FAQ, wal.html; Oryx")
def db_04(site: Site) -> Iterator[Found]:
    """Report SQLite files in the site's folder or in /home.

    A built site runs from a copy in /tmp that is new at each start: what it writes there is lost.
    /home is a network share, on which SQLite's locks do not work reliably.
    """
    is_django = bool(site.django_settings)
    for one in fixed_paths.find_paths(site.folder):
        file, _, line = one.where.partition(", line ")
        if one.database and not (is_django and _SETTINGS.search(file)):
            yield Found(f"{one.text} is a database in a file.", _INSTEAD, file, int(line or 0))
            return
    if any(_SERVER_ENGINE.search(site.text(name)) for name in site.django_settings):
        return  # SQLite is for one's own machine only
    for name in site.django_settings:
        source = site.sources.parse(name)
        for node in ast.walk(source.tree) if source else ():
            if (
                isinstance(node, ast.Constant)
                and node.value == "django.db.backends.sqlite3"
                and not site.setting("DATABASE_URL")
            ):
                yield Found(
                    "Django's database is an SQLite file, which a new deployment or start loses.",
                    _INSTEAD,
                    name,
                    node.lineno,
                )
                return


@check("DB-05", "The cache's service has an end", "note", host="any", looks_at="settings",
       source="learn.microsoft.com: Azure Cache for Redis retirement, 2028-09-30")  # fmt: skip
def db_05(site: Site) -> Iterator[Found]:
    """Report hosts of Azure Cache for Redis, which ends on 2028-09-30.

    Azure Managed Redis has other names, and port 10000.
    """
    for name, value in site.settings.items():
        if ".redis.cache.windows.net" in value.lower():
            yield Found(
                f"{name} names Azure Cache for Redis, which ends on 2028-09-30.",
                "Plan for Azure Managed Redis.",
            )


@check("DB-06", "A setting still has a placeholder", "error", host="any", looks_at="settings",
       source="the portal's own texts")  # fmt: skip
def db_06(site: Site) -> Iterator[Found]:
    """Report `{your_password}`, `<password>` and the like, as the portal writes them."""
    pattern = re.compile(
        r"[{<\[](?:your[_ -]?)?(?:password|user\w{0,9}|server\w{0,9}|database)[}>\]]", re.I
    )
    for name, value in site.settings.items():
        if pattern.search(value):
            yield Found(f"{name} still has the portal's placeholder.", "Put your own value there.")


@check("DB-07", "A connection string cannot be read", "error", host="any", looks_at="settings",
       source="this package's reader of connection strings")  # fmt: skip
def db_07(site: Site) -> Iterator[Found]:
    """Report connection strings that are not of the form that their type has."""
    from ...errors import ConfigError
    from ...settings.load import load_settings

    loaded = load_settings(environ=dict(site.settings), dotenv=False)
    for _, setting in loaded.connection_strings.all():
        if not setting.startswith(tuple(names.CONNECTION_PREFIXES)):
            continue
        try:
            loaded.connection(setting)
        except ConfigError as error:
            yield Found(str(error).splitlines()[0], "Correct it.")
