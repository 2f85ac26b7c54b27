"""A parsed connection string connects to a real PostgreSQL, whatever its parts contain."""

from __future__ import annotations

import json
import os
import shutil
import string
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.pool import NullPool

from appsvc_runtime import ConnectionString, load_settings
from tests.support.postgres import Postgres, find_binaries, postgres, skip_or_fail
from tests.support.servers import run

PASSWORD = f"a;b'c\"d}}}}{{e=f @/?#%41\\\\ {string.punctuation} é "
USER = f" u;s'e\"r}}{{=%41 {string.punctuation}é"
DATABASE = f"{{d;b'\"=%41 {string.punctuation}é "
WHO = "select current_user::text, current_database()::text"
TLS = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"

Row = tuple[Any, ...]


class ChildError(Exception):
    """Django's child process failed; the message is what it printed."""


ERRORS = (ChildError, psycopg.OperationalError, sqlalchemy.exc.OperationalError)


# The formats of a string, each quoted by its own rules and not by the package's functions.


def adonet(parts: Mapping[str, object], options: Mapping[str, object]) -> str:
    """Write a string as Npgsql reads it, with all values in double quotes."""
    return _adonet("Host Port Database Username Password".split(), '"', parts, options)


def adonet_single(parts: Mapping[str, object], options: Mapping[str, object]) -> str:
    """Write a string with the portal's names and single quotes."""
    names = ["Server", "Port", "Database", "User Id", "Password"]
    return _adonet(names, "'", parts, options)


def _adonet(
    names: list[str], mark: str, parts: Mapping[str, object], options: Mapping[str, object]
) -> str:
    pairs = dict(zip(names, parts.values(), strict=True)) | dict(options)
    return ";".join(f"{k}={mark}{str(v).replace(mark, mark * 2)}{mark}" for k, v in pairs.items())


def libpq(parts: Mapping[str, object], options: Mapping[str, object]) -> str:
    """Write a string as libpq reads it, in quotes with backslashes."""
    pairs = {**parts, **options}
    escapes = str.maketrans({"'": "\\'", "\\": "\\\\"})
    return " ".join(f"{k}='{str(v).translate(escapes)}'" for k, v in pairs.items())


def url(parts: Mapping[str, object], options: Mapping[str, object]) -> str:
    """Write a URL, percent-encoded."""
    host, port, *others = parts.values()
    database, user, password = (quote(str(part), safe="") for part in others)
    return f"postgresql://{user}:{password}@{host}:{port}/{database}?{urlencode(options)}"


def variables(form: str, server: Postgres, *, tls: str = "", **changed: str) -> dict[str, str]:
    """Return the variable that holds a string to the server, in a format.

    `tls` is `disable`, `require`, `verify-ca` or `verify-full`, `ca` the file for the latter two.
    """
    ca = changed.pop("ca", "")
    parts = {
        "host": server.host, "port": server.port, "dbname": DATABASE, "user": USER,
        "password": PASSWORD, **changed,
    }  # fmt: skip
    if form.startswith("adonet"):
        words = {
            "disable": "Disable", "require": "Require", "verify-ca": "VerifyCA",
            "verify-full": "VerifyFull",
        }  # fmt: skip
        options = {"SSL Mode": words.get(tls, ""), "Root Certificate": ca}
    else:
        options = {"sslmode": tls, "sslrootcert": ca}
    options = {name: value for name, value in options.items() if value}
    setting, _, write = FORMS[form]
    return {setting: write(parts, options)}


MAIN = ("POSTGRESQLCONNSTR_main", "main")
FORMS: dict[str, tuple[str, str, Callable[..., str]]] = {
    "adonet": (*MAIN, adonet),
    "adonet-single": (*MAIN, adonet_single),
    "libpq": ("AZURE_POSTGRESQL_CONNECTIONSTRING", "postgresql", libpq),
    "url": (*MAIN, url),
}


# The clients: each gets the variables, runs a statement, and returns one row.


def through_sqlalchemy(environ: Mapping[str, str], statement: str) -> Row:
    """Run a statement through SQLAlchemy."""
    engine = sqlalchemy.create_engine(connection(environ).sqlalchemy_url(), poolclass=NullPool)
    with engine.connect() as opened:
        return tuple(opened.execute(sqlalchemy.text(statement)).one())


def through_psycopg(environ: Mapping[str, str], statement: str) -> Row:
    """Run a statement through psycopg."""
    with psycopg.connect(connection(environ).libpq_dsn()) as opened:
        row = opened.execute(statement.encode()).fetchone()
    assert row is not None
    return row


def through_django(environ: Mapping[str, str], statement: str) -> Row:
    """Run a statement through Django in a new process whose environment holds the variables."""
    (setting,) = environ
    result = run("-c", DJANGO, name_of(setting), statement, timeout=60, **environ)
    if result.returncode:
        raise ChildError(result.stderr)
    return tuple(json.loads(result.stdout))


DJANGO = """
import json, sys
from django.conf import settings
settings.configure()
from django.db.utils import ConnectionHandler
from appsvc_runtime import load_settings

entry = load_settings(dotenv=False).connection(sys.argv[1]).django_database()
connection = ConnectionHandler({"default": entry})["default"]
with connection.cursor() as cursor:
    cursor.execute(sys.argv[2])
    print(json.dumps(cursor.fetchone()))
connection.close()
"""
CLIENTS: dict[str, Callable[[Mapping[str, str], str], Row]] = {
    "sqlalchemy": through_sqlalchemy,
    "django": through_django,
    "psycopg": through_psycopg,
}


def connection(environ: Mapping[str, str]) -> ConnectionString:
    """Return the connection string that the only variable holds."""
    (setting,) = environ
    return load_settings(environ).connection(name_of(setting))


def name_of(setting: str) -> str:
    """Return a connection string's name, as the portal shows it."""
    return next(name for variable, name, _ in FORMS.values() if variable == setting)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    """Run a server that offers TLS, with a user and a database whose names need quoting."""
    with postgres(tls=True) as running:
        running.add_login(USER, PASSWORD, DATABASE)
        yield running


@pytest.fixture(scope="module")
def plain_cluster() -> Iterator[Postgres]:
    """Run the same server without TLS."""
    with postgres(tls=False) as running:
        running.add_login(USER, PASSWORD, DATABASE)
        yield running


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove other input of libpq: its variables, and files in the user's home."""
    for name in list(os.environ):
        if name.startswith(("PG", *(setting for setting, _, _ in FORMS.values()))):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def server(cluster: Postgres, clean: None) -> Iterator[Postgres]:
    """Return the server that offers TLS."""
    yield from with_log(cluster)


@pytest.fixture
def plain_server(plain_cluster: Postgres, clean: None) -> Iterator[Postgres]:
    """Return the server that does not offer TLS."""
    yield from with_log(plain_cluster)


def with_log(running: Postgres) -> Iterator[Postgres]:
    """Yield a server, and print what it logs meanwhile; pytest shows it if the test fails."""
    before = len(running.log())
    yield running
    print(running.log()[before:])


def certificates(folder: Path, source: Path) -> str:
    """Return a copy of the certificate at a path that needs quoting in every format."""
    hostile = folder / "my 'own'; \"root\" é%41\\{=}"
    hostile.mkdir()
    return str(shutil.copy(source, hostile / "ca.crt"))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("form", FORMS)
def test_the_user_comes_to_his_database(form: str, client: str, server: Postgres) -> None:
    """Each client connects with exactly the user, password and database of the string."""
    assert CLIENTS[client](variables(form, server), WHO) == (USER, DATABASE)


@pytest.mark.parametrize("client", CLIENTS)
def test_another_password_is_refused(client: str, server: Postgres) -> None:
    """The server checks the password: one blank less is wrong."""
    wrong = variables("adonet", server, password=PASSWORD.rstrip())
    with pytest.raises(ERRORS, match="password authentication failed"):
        CLIENTS[client](wrong, WHO)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("form", ["adonet", "libpq", "url"])
@pytest.mark.parametrize("tls", ["disable", "require", "verify-ca", "verify-full"])
def test_tls_is_what_the_string_says(
    tls: str, form: str, client: str, server: Postgres, tmp_path: Path
) -> None:
    """The string decides, and not the client's default, which is to use TLS if available."""
    ca = certificates(tmp_path, server.certificate) if tls.startswith("verify") else ""
    environ = variables(form, server, tls=tls, ca=ca, host="localhost")
    assert CLIENTS[client](environ, TLS) == (tls != "disable",)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("form", ["adonet", "libpq", "url"])
def test_a_server_of_another_authority_is_refused(
    form: str, client: str, server: Postgres, tmp_path: Path
) -> None:
    """With verify-ca the authority is checked: the same name is not enough."""
    ca = certificates(tmp_path, server.other_certificate)
    with pytest.raises(ERRORS, match="certificate verify failed"):
        CLIENTS[client](variables(form, server, tls="verify-ca", ca=ca), TLS)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_of_another_name_is_refused(client: str, server: Postgres, tmp_path: Path) -> None:
    """With verify-full the name is checked, with verify-ca it is not."""
    ca = certificates(tmp_path, server.certificate)
    assert CLIENTS[client](variables("adonet", server, tls="verify-ca", ca=ca), TLS) == (True,)
    with pytest.raises(ERRORS, match="does not match host name"):
        CLIENTS[client](variables("adonet", server, tls="verify-full", ca=ca), TLS)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_without_tls_is_refused(client: str, plain_server: Postgres) -> None:
    """With require the login fails; without a requirement it succeeds."""
    assert CLIENTS[client](variables("adonet", plain_server), TLS) == (False,)
    with pytest.raises(ERRORS, match="server does not support SSL"):
        CLIENTS[client](variables("adonet", plain_server, tls="require"), TLS)


def test_without_postgresql_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a developer's machine these tests are skipped, with the reason; in CI they fail."""
    skip_or_fail("")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no PostgreSQL"):
        skip_or_fail("there is no PostgreSQL")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no PostgreSQL"):
        skip_or_fail("there is no PostgreSQL")


def test_the_newest_postgresql_is_taken(tmp_path: Path) -> None:
    """The version on PATH goes first; a folder that lacks one of the two programs is ignored."""
    assert find_binaries("", tmp_path) is None
    for name in ("9.6/bin/initdb", "9.6/bin/postgres", "14/bin/postgres", "14/bin/initdb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch(0o755)
    (tmp_path / "17" / "bin").mkdir(parents=True)
    (tmp_path / "17" / "bin" / "initdb").touch(0o755)
    assert find_binaries("", tmp_path) == tmp_path / "14" / "bin"
    assert find_binaries(str(tmp_path / "9.6" / "bin"), tmp_path) == tmp_path / "9.6" / "bin"
    assert find_binaries(str(tmp_path / "17" / "bin"), tmp_path) == tmp_path / "14" / "bin"
