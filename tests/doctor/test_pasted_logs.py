"""Logs as people paste them: with times before the lines, in UTF-16, among lines of requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.cli.main import main
from appsvc_runtime.doctor.logs.read import read_log

_TIMES = ["", "2026-11-30T10:00:02.000Z ", "2026-11-30 10:00:02,123 ", "2026-11-30T10:00:02+00:00 "]


@pytest.mark.parametrize("time", _TIMES)
@pytest.mark.parametrize(
    ("line", "name", "cause"),
    [
        ("KeyError: 'SECRET_KEY'", "key-error", "SECRET_KEY"),
        ("SyntaxError: invalid syntax", "syntax", "invalid syntax"),
        ("ImproperlyConfigured: Set the DB_HOST environment variable", "key-error", "DB_HOST"),
        ('EnvError: Environment variable "DB_HOST" not set', "key-error", "DB_HOST"),
    ],
)
def test_times(time: str, line: str, name: str, cause: str) -> None:
    """What the platform puts before a line hides nothing; the line is shown as it is."""
    [seen] = read_log([f"{time}{line}\n"])
    assert seen.shape.name == name
    assert cause in seen.cause
    assert seen.line == f"{time}{line}"


@pytest.mark.parametrize(
    "line",
    [
        '10.0.0.1 - - [30/Nov/2026] "GET /orders/401/publish HTTP/1.1" 200 409 "-" "x"',
        '10.0.0.1 - - [30/Nov/2026] "POST /deploy/scm HTTP/1.1" 409 10 "-" "x"',
        '10.0.0.1 - - [30/Nov/2026] "GET /MemoryError HTTP/1.1" 404 10 "-" "x"',
        "SITE=shop DISABLE_COLLECTSTATIC=1",
    ],
)
def test_lines_of_requests(line: str) -> None:
    """What a client asks for is no cause."""
    assert not read_log([line])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings(
    encoding: str, end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PowerShell's files are read as well, and lines are counted."""
    log = tmp_path / "docker.log"
    lines = ["Starting", "Traceback", "2026-11-30T10:00:02Z KeyError: 'MAIL_SERVER'", ""]
    log.write_bytes(end.join(lines).encode(encoding))
    assert main(["doctor", "--log", str(log)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("Line 3: the app setting MAIL_SERVER is missing.")
    assert "--settings MAIL_SERVER=…`" in out


@pytest.mark.parametrize("text", ["[1, 2]", '[{"name": 1}]', '"x"', "null", "5", "[[]]"])
def test_settings_without_settings(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that holds no settings is a mistake, not a site without settings."""
    (tmp_path / "settings.json").write_text(text)
    arguments = ["--no-run", str(tmp_path), "--settings", str(tmp_path / "settings.json")]
    assert main(["doctor", *arguments]) == 2
    assert "does not hold app settings" in capsys.readouterr().err
