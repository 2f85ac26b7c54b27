"""A real PostgreSQL for tests: a new cluster in a temporary folder, ended by its process id.

It listens on a free loopback port, requires a password from all users (scram-sha-256), and offers
TLS with a certificate made for `localhost`. PostgreSQL refuses to run as root: in a process of root
it runs as another user. Must not import the package under test.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.support.integration import needs_integration
from tests.support.servers import free_port

__all__ = ["Postgres", "find_binaries", "missing", "postgres", "skip_or_fail"]

DEBIAN = Path("/usr/lib/postgresql")
SUPERUSER = "postgres"
# If the tests run as root, PostgreSQL runs as the first of these users that exists.
USERS = ("postgres", "nobody")
# The path of a socket may have 107 characters, its file's name included.
MAX_FOLDER = 60


class Postgres:
    """A running server: `port`, `process`, `certificate` (its own authority), and its `log()`.

    `other_certificate` is one with the same name and another authority.
    """

    host = "127.0.0.1"

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self.certificate = folder / "server.crt"
        self.other_certificate = folder / "other.crt"
        self._folder = folder

    def log(self) -> str:
        """Return what the server has printed so far."""
        return (self._folder / "log.txt").read_text("utf-8", "replace")

    def add_login(self, user: str, password: str, database: str) -> None:
        """Create a user who can log in, and a database that belongs to the user."""
        with psycopg.connect(
            host=self.host,
            port=self.port,
            user=SUPERUSER,
            password=(self._folder / "password.txt").read_text("utf-8"),
            dbname="postgres",
            autocommit=True,
        ) as connection:
            owner, secret = sql.Identifier(user), sql.Literal(password)
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(owner, secret))
            name = sql.Identifier(database)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))

    def wait_until_it_is_ready(self, timeout: float = 60) -> None:
        """Wait until the server reports that it is ready, in the file that pg_ctl reads too."""
        deadline = time.monotonic() + timeout
        while not self._is_ready():
            code = self.process.poll()
            if code is not None:
                raise AssertionError(f"PostgreSQL ended with {code}:\n{self.log()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL was not ready in {timeout} s:\n{self.log()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the server; open connections are cut, and a server that hangs is killed."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(15)

    def _is_ready(self) -> bool:
        try:
            lines = (self._folder / "data" / "postmaster.pid").read_text("utf-8").splitlines()
        except OSError:
            return False
        return lines[:1] == [str(self.process.pid)] and [x.strip() for x in lines[7:]] == ["ready"]


def find_binaries(path: str | None = None, debian: Path = DEBIAN) -> Path | None:
    """Return the folder of initdb and postgres: on `PATH`, else the newest of Debian's."""
    on_path = shutil.which("initdb", path=path)
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(debian.glob("*/bin"), key=_version, reverse=True)
    return next(
        (f for f in folders if (f / "initdb").is_file() and (f / "postgres").is_file()), None
    )


def missing() -> str:
    """Return what is missing to run a PostgreSQL here, or "" if nothing is."""
    if find_binaries() is None:
        return f"there is no PostgreSQL: no initdb on PATH or in {DEBIAN}/*/bin"
    if shutil.which("openssl") is None:
        return "there is no openssl command to make PostgreSQL's certificate"
    if os.geteuid() == 0 and not _identity():
        return f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS)}"
    return ""


def skip_or_fail(problem: str) -> None:
    """Skip the test if there is a problem; fail it in CI, where nobody would notice a skip."""
    if problem and os.environ.get("CI"):
        pytest.fail(f"{problem}; CI is set, so this is a failure", pytrace=False)
    if problem:
        pytest.skip(problem)


@contextmanager
def postgres(*, tls: bool) -> Iterator[Postgres]:
    """Run a new, empty PostgreSQL until the block ends."""
    needs_integration("a database")
    skip_or_fail(missing())
    binaries, identity = find_binaries(), _identity()
    assert binaries is not None
    with tempfile.TemporaryDirectory(
        prefix="postgres-", dir=_parent_folder(), ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        (folder / "password.txt").write_text("not a secret, the cluster's own", "utf-8")
        if identity:
            os.chown(folder, identity["user"], identity["group"])
            os.chown(folder / "password.txt", identity["user"], identity["group"])
        _run(
            folder,
            identity,
            *(binaries / "initdb", "--pgdata=data", f"--username={SUPERUSER}"),
            *("--pwfile=password.txt", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            "--no-sync",
        )
        for certificate in ("server", "other"):
            _make_certificate(folder, identity, certificate)
        settings = {
            "listen_addresses": Postgres.host,
            "port": (port := free_port()),
            "unix_socket_directories": folder,
            "fsync": "off",
            "ssl": "on" if tls else "off",
            "ssl_cert_file": folder / "server.crt",
            "ssl_key_file": folder / "server.key",
        }
        words = [word for pair in settings.items() for word in ("-c", f"{pair[0]}={pair[1]}")]
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", folder / "data", *words],
                cwd=folder,
                env=_environ(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **identity,
            )
        server = Postgres(process, port, folder)
        try:
            server.wait_until_it_is_ready()
            yield server
        finally:
            server.stop()


def _identity() -> dict[str, Any]:
    """Return the arguments of subprocess for another user if this one is root, else none."""
    if os.geteuid() != 0:
        return {}
    import pwd  # missing on Windows, where this module must still be importable

    for name in USERS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return {}


def _parent_folder() -> str:
    """Return a folder for temporary folders that PostgreSQL's user can enter, with a short path.

    If PostgreSQL runs as this user, all folders can be entered.
    """
    for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        path = Path(folder).resolve()
        open_to_all = all(p.stat().st_mode & stat.S_IXOTH for p in (path, *path.parents))
        if len(str(path)) <= MAX_FOLDER and (open_to_all or os.geteuid() != 0):
            return str(path)
    raise AssertionError("Other users can enter no temporary folder of this machine.")


def _make_certificate(folder: Path, identity: dict[str, Any], name: str) -> None:
    """Make a certificate for `localhost` that is its own authority, and its key."""
    _run(
        folder,
        identity,
        *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-keyout", f"{name}.key", "-out", f"{name}.crt"),
    )
    (folder / f"{name}.key").chmod(0o600)


def _run(folder: Path, identity: dict[str, Any], *command: str | Path) -> None:
    """Run a command in the folder to its end, as PostgreSQL's user."""
    result = subprocess.run(
        command,
        cwd=folder,
        env=_environ(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
        **identity,
    )
    if result.returncode:
        output = result.stdout.decode("utf-8", "replace")
        raise AssertionError(f"{command[0]} ended with {result.returncode}:\n{output}")


def _environ(folder: Path) -> dict[str, str]:
    """Return this process's variables without those of PostgreSQL; messages are in English."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**others, "HOME": str(folder), "LC_ALL": "C"}


def _version(folder: Path) -> list[int]:
    """Return the version in a path such as `15/bin` or `9.6/bin` as numbers, for comparison."""
    return [int(part) for part in folder.parent.name.split(".") if part.isdecimal()]
