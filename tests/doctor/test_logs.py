"""Each known shape is found in a line of its kind, with the right cause; others are not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from appsvc_runtime.cli.main import main
from appsvc_runtime.doctor.logs.read import SHAPES, read_log
from appsvc_runtime.doctor.table import find_check

# Lines of our own wording, with the parts by which programs are known.
LINES = {
    "windows-line-ends": "/bin/sh: 1: /home/site/wwwroot/start.sh: /bin/bash^M: bad interpreter",
    "no-interpreter": "/opt/startup/startup.sh: 9: /home/site/wwwroot/go.sh: Exec format error",
    "not-executable": "/opt/startup/startup.sh: 9: /home/site/wwwroot/go.sh: Permission denied",
    "no-program": "/opt/startup/startup.sh: 23: uvicorn: not found",
    "no-file": "python: can't open file '/home/site/wwwroot/main.py': [Errno 2] No such file",
    "no-attribute": "Failed to find attribute 'app' in 'application'.",
    "no-asgi-app": 'ERROR: Error loading ASGI app. Attribute "api" not found in module "main".',
    "factory": "Failed to parse 'create_app(' as an attribute name or function call.",
    "strconv": 'panic: strconv.ParseBool: parsing "yes": invalid syntax',
    "no-archive": "tar: /home/site/wwwroot/output.tar.zst: Cannot open: No such file or directory",
    "port-taken": "OSError: [Errno 98] Address already in use",
    "not-recognised": "gunicorn: error: unrecognized arguments: --thread 4",
    "loopback": "INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)",
    "other-port": "[2026-11-30 10:00:00 +0000] [7] [INFO] Listening at: http://0.0.0.0:5000 (7)",
    "development-server": "WARNING: This is a development server. Do not use it in production.",
    "default-site": "No framework detected; using default app from /opt/defaultsite",
    "out-of-memory": "[ERROR] Worker (pid:71) was sent SIGKILL! Perhaps out of memory?",
    "worker-timeout": "[2026-11-30 10:00:00 +0000] [69] [CRITICAL] WORKER TIMEOUT (pid:73)",
    "no-space": "OSError: [Errno 28] No space left on device",
    "read-only": "OSError: [Errno 30] Read-only file system: 'upload.txt'",
    "quota": "Error 403 - This web app is stopped.",
    "pings": "Container a didn't respond to HTTP pings on port: 8000, failing",
    "exited": "ERROR - Container shop_0_ab for site shop has exited, failing site start",
    "boot": "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>",
    "deployment-runtime": "Deployment status: RuntimeFailed",
    "agents": "ImportError: cannot import name 'S' from 'typing_extensions' (/agents/python/x)",
    "library": "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
    "glibc": "/lib/libc.so.6: version `GLIBC_2.38' not found (required by x.so)",
    "other-python": "ImportError: /site/x.so: undefined symbol: _PyGen_Send",
    "numpy": "ValueError: numpy.dtype size changed, may indicate binary incompatibility",
    "werkzeug": "ImportError: cannot import name 'url_quote' from 'werkzeug.urls' (/x/urls.py)",
    "jinja": "ImportError: cannot import name 'escape' from 'jinja2' (/x/__init__.py)",
    "collections": "ImportError: cannot import name 'Mapping' from 'collections' (/x/collections)",
    "left-python": "ModuleNotFoundError: No module named 'distutils'",
    "no-module": "ModuleNotFoundError: No module named 'flask_cors'",
    "multipart": 'RuntimeError: Form data requires "python-multipart" to be installed.',
    "odbc": "[01000] Can't open lib 'ODBC Driver 17 for SQL Server' : file not found",
    "secret-key": "ImproperlyConfigured: The SECRET_KEY setting must not be empty.",
    "key-error": "KeyError: 'MAIL_SERVER'",
    "key-vault": "could not connect to @Microsoft.KeyVault(SecretUri=https://v/secrets/db)",
    "syntax": "SyntaxError: expected ':'",
    "asgi-under-wsgi": "FastAPI.__call__() missing 1 required positional argument: 'send'",
    "wsgi-under-asgi": "TypeError: Flask.__call__() takes 3 positional arguments but 4 were given",
    "circular": "cannot import name 'db' from partially initialized module 'app' (circular import)",
    "probe-host": "Invalid HTTP_HOST header: '169.254.129.1:8000'. You may need to add it.",
    "host": "Invalid HTTP_HOST header: 'shop.example.org'. You may need to add it.",
    "csrf": "Origin checking failed - https://shop.example does not match any trusted origins.",
    "origin-scheme": "the values in the CSRF_TRUSTED_ORIGINS setting must start with a scheme",
    "static-root": "using the staticfiles app without having set the STATIC_ROOT setting to a path",
    "locked": "sqlite3.OperationalError: database is locked",
    "sqlite": "sqlite3.OperationalError: unable to open database file",
    "no-table": "sqlite3.OperationalError: no such table: auth_user",
    "tls": 'FATAL:  no pg_hba.conf entry for host "10.0.0.4", user "a", no encryption',
    "password": 'FATAL:  password authentication failed for user "shop"',
    "resolve": 'could not translate host name "db.internal" to address',
    "refused": (
        "connection to server at localhost (127.0.0.1), port 5432 failed: Connection refused"
    ),
    "firewall": "Cannot open server 'a': Client with IP address '20.1.2.3' is not allowed",
    "identity": "ManagedIdentityCredential authentication unavailable, no response",
    "aad": "invalid_client: AADSTS7000215: the secret is wrong",
    "redis": "redis.exceptions.ResponseError: WRONGPASS invalid username-password pair",
    "mixed-proxy": "requests.exceptions.TooManyRedirects: too many redirects (30)",
    "front-end-time": "GET /report 502 after 230012 ms",
    "gunicorn-worker-class": "class uri 'uvicorn_worker.UvicornWorker' invalid or not found:",
    "no-requirements": "WARNING: Could not find setup.py or requirements.txt; going on",
    "no-version": "ERROR: No matching distribution found for torch==1.4",
    "conflict": "ERROR: ResolutionImpossible: for help visit the page",
    "compiler": "error: command 'gcc' failed: No such file or directory",
    "hash": "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    "editable": "ERROR: Invalid requirement: 'f l a s k'",
    "python-version": "Error: Platform 'python' version '3.6' is unsupported.",
    "collectstatic": "manage.py collectstatic failed with exit code 1",
    "unauthorized": "POST https://shop.scm.example/api/zipdeploy 401 Unauthorized",
    "deployment-running": "There is a deployment currently in progress. Try later.",
    "locked-file": "Error: ERROR_FILE_IN_USE web.dll",
    "wfastcgi-handler": "Error occurred while reading WSGI handler:",
    "script-processor": "HTTP Error 500.0 - 0x80070585",
    "fastcgi-exit": "HTTP Error 500.0 - The FastCGI process exited unexpectedly",
    "no-python-exe": "HTTP Error 500.0, error code 0x80070002",
    "section-locked": "HTTP Error 500.19, error code 0x80070021",
    "no-handler-module": (
        'Handler "Python" has a bad module "httpPlatformHandler" in its module list'
    ),
    "platform-timeout": "HTTP Error 502.3 - Bad Gateway",
    "job-cron": "Invalid schedule '* * * * *' for the job",
    "job-aborted": (
        "Command 'cmd /c run.cmd' was aborted due to no output nor CPU activity for 120 s"
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_shape(name: str) -> None:
    """The line is of this shape and no other; its texts are filled."""
    [seen] = read_log(["2026-11-30T10:00:00.123Z nothing special", LINES[name]])
    assert seen.shape.name == name
    assert seen.number == 2
    assert "{" not in seen.cause + seen.fix
    assert not seen.shape.check or find_check(seen.shape.check)


def test_all_shapes_have_a_line() -> None:
    """No shape is untested."""
    assert [shape.name for shape in SHAPES if shape.name not in LINES] == []
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)


def test_a_cause_hides_what_follows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of a whole log, the cause is shown with its line and number, and not the consequences."""
    log = tmp_path / "docker.log"
    log.write_text(
        "\n".join(["start", *(LINES[name] for name in ("no-module", "boot", "exited", "pings"))])
    )
    assert main(["doctor", "--log", str(log)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Line 2: the module flask_cors is not installed, or not where it is imported from.",
        f"    {LINES['no-module']}",
        "    Add its package to requirements.txt, and have the site built.",
        "    More: appsvc doctor --explain BLD-01",
    ]


def test_only_consequences(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A log without a cause says where to look."""
    log = tmp_path / "docker.log"
    log.write_text(LINES["pings"])
    assert main(["doctor", "--log", str(log)]) == 0
    assert "Look at the app's own lines above." in capsys.readouterr().out


def test_unknown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown log is said to be one; a pipe is read."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"GET / 200\n\xff\xfe\n")))
    assert main(["doctor", "--log", "-"]) == 0
    assert "None of 2 lines has a shape that is known." in capsys.readouterr().out


def test_secrets_in_a_log(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A line is shown without its passwords."""
    log = tmp_path / "docker.log"
    log.write_text("connect postgresql://me:hunter2@localhost/db: Connection refused\n")
    assert main(["doctor", "--log", str(log)]) == 1
    assert "hunter2" not in capsys.readouterr().out


def test_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is one sentence."""
    assert main(["doctor", "--log", "missing.log"]) == 2
    assert "missing.log cannot be read" in capsys.readouterr().err
