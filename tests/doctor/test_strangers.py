"""A site or a log from a stranger: it runs nothing, costs little, forges and betrays nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from appsvc_runtime.cli.main import main
from appsvc_runtime.doctor import site as site_module
from appsvc_runtime.doctor.check import HOSTS
from appsvc_runtime.doctor.given import GivenSettings
from appsvc_runtime.doctor.logs.read import SHAPES, read_log
from appsvc_runtime.doctor.site import Site
from appsvc_runtime.doctor.table import all_checks, find_check, run_checks
from tests.support.processor_time import LONG, limit
from tests.support.programs import needs_git

_FILES = [check for check in all_checks() if "run" not in check.looks_at]
_JOB = "App_Data/jobs/triggered/a"

# What a pattern would scan again and again, or what nests deeper than a walk goes.
HOSTILE = {
    "blank lines of a job": {f"{_JOB}/run.py": "\n" * LONG},
    "blank lines of a manifest": {"oryx-manifest.toml": "\n" * LONG},
    "tags that do not end": {"web.config": "<httpPlatform " * (LONG // 14)},
    "a long word": {"web.config": "<httpPlatform a='" + "a" * LONG + "'>"},
    "secrets on one line": {"web.config": '<add key="API_KEY" value="x"/>' * LONG},
    "blanks in a script": {"a.sh": " " * LONG + "\n" + "apt " * LONG},
    "words of a command": {"startup.sh": "#!/bin/sh\n" + "flask " * LONG},
    "headers": {"app.py": "# " + "forwarded-for'.split(',')" * (LONG // 20)},
    "a deep test": {"app.py": f"import os\nif {'.'.join(['os'] * 2500)}:\n    os.environ['A']\n"},
    "a deep key": {"app.py": f"import os\nSECRET_KEY = os.urandom(1){'.hex()' * 900}\n"},
    "a deep sum": {"app.py": f"import os\nx = {' + '.join(['os.environ[1]'] * 4000)}\n"},
    "many brackets": {"app.py": "(" * 5000},
    "a long number": {"runtime.txt": f"python-{'9' * 5000}.1"},
    "an odd digit": {"startup.txt": "gunicorn -w ² app:app\n"},
    "odd settings of a job": {f"{_JOB}/settings.job": "[" * LONG, f"{_JOB}/run.sh": ""},
    "deep XML": {"web.config": "<a>" * LONG},
    "odd types": {"pyproject.toml": "tool = {poetry = 3}\n[project]\ndependencies = [1]\n"},
    "a long version": {"pyproject.toml": f'[project]\nrequires-python = ">={"9" * 5000}"\n'},
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name: str, tmp_path: Path) -> None:
    """Each check ends soon, and none with an error of Python's own."""
    for file, text in {"requirements.txt": "flask\n", **HOSTILE[name]}.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    given = GivenSettings({"APPSVC_WORKERS": "²"}, "settings.json")
    with limit(name, 5):
        run_checks(Site(tmp_path, given, None, (3, 14)), _FILES, HOSTS)


@pytest.mark.parametrize("text", ["://:", "user=", "h", "VaultName=a", "password ", "{your"])
def test_long_settings(text: str, tmp_path: Path) -> None:
    """A long value takes no time with the square of its length."""
    value = text * (LONG // len(text))
    values = {
        "AZURE_SQL_CONNECTIONSTRING": value,
        "B": f"@Microsoft.KeyVault({value})",
        "C": f"{value}.database.azure.com",
    }
    with limit(text, 5):
        run_checks(Site(tmp_path, GivenSettings(values, "settings.json")), _FILES, HOSTS)


def test_long_lines_of_a_log() -> None:
    """The words of all shapes, repeated, take no time with the square of a line's length."""
    words = ["9", " ", "a", "/x.sh", "a/b.sh: ", "401", "409", "502", "Command '", "No module '"]
    with limit("a log"):
        read_log([(word * 4000)[:4000] for word in words] * 5)
    assert len(SHAPES) > 80


@needs_git
def test_no_program_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither git, nor what a repository's configuration tells git to run."""
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / ".env").write_text("A=1\n")
    subprocess.run([*git, "add", ".env"], check=True)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a program is started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(os, "system", refuse)
    results = run_checks(Site(tmp_path, GivenSettings({}, "s")), _FILES, HOSTS)
    assert [one.check.id for one in results if one.check.id == "SET-05" and one.found]


@needs_git
@pytest.mark.parametrize("kind", ["sha1", "sha256"])
@pytest.mark.parametrize("version", [2, 3, 4])
def test_index(kind: str, version: int, tmp_path: Path) -> None:
    """All forms of git's index are read; one that is cut short names nothing."""
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q", f"--object-format={kind}"], check=True)
    for name in ("a/.env", "a/b.publishsettings", "a/é.py", ".env.local", "x" * 200):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("A=1\n")
    (tmp_path / ".env").write_text("not added\n")
    subprocess.run([*git, "add", "a", ".env.local", "x" * 200], check=True)
    subprocess.run([*git, "add", "-N", ".env.local"], check=True)
    subprocess.run([*git, "update-index", f"--index-version={version}"], check=True)
    check = find_check("SET-05")
    assert check is not None
    [result] = run_checks(Site(tmp_path), [check], HOSTS)
    assert {one.file for one in result.found} == {"a/.env", "a/b.publishsettings", ".env.local"}
    index = tmp_path / ".git" / "index"
    data = index.read_bytes()
    for length in (0, 3, 11, 40, len(data) // 3):
        index.write_bytes(data[:length])
        [result] = run_checks(Site(tmp_path), [check], HOSTS)
        assert not result.found


def test_much_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of all files together has a limit."""
    monkeypatch.setattr(site_module, "_MAX_TOTAL", 1_000)
    for number in range(20):
        (tmp_path / f"{number}.sh").write_text("x" * 300)
    looked = Site(tmp_path)
    assert sum(len(looked.text(f"{number}.sh")) for number in range(20)) == 1_200


def test_secrets_in_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A secret beside what is found, in a script or a log, is in no output."""
    (tmp_path / "requirements.txt").write_text("flask==3.1.0\n")
    (tmp_path / "startup.sh").write_text(
        "#!/bin/sh\nDB_PASSWORD=hunter2 apt-get install -y x\nflask --api-key hunter2 run --debug\n"
    )
    main(["doctor", "--no-run", str(tmp_path), "--python-version", "3.14"])
    out = capsys.readouterr().out
    assert "PY-03" in out
    assert "`flask run` is for development only." in out
    log = tmp_path / "docker.log"
    log.write_text(
        "gunicorn: error: unrecognized arguments: --api-key=hunter2\n"
        "Invalid requirement: 'https://me:hunter2@pypi.example/simple'\n"
        f"{'x' * 280} postgresql://me:hunter2hunter2hunter2hunter2@db Connection timed out\n"
    )
    main(["doctor", "--log", str(log)])
    out += capsys.readouterr().out
    assert out.count("Line ") == 3
    assert "hunter2" not in out


def test_names_with_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file's name cannot steer a terminal."""
    (tmp_path / "a\x1b[2Jb.sh").write_text("az webapp up\n")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    main(["doctor", "--no-run", str(tmp_path)])
    out = capsys.readouterr().out
    assert "CLI-01 warning: a\\x1b[2Jb.sh:1: " in out
    assert "\x1b" not in out


def test_the_name_that_is_missing(tmp_path: Path) -> None:
    """The name of a setting in Python's own error is no secret; what follows may be one."""
    text = "it needs SECRET_KEY (KeyError: 'SECRET_KEY', at app.py) DB_PASSWORD=hunter2"
    shown = Site(tmp_path).masked(text)
    assert "(KeyError: 'SECRET_KEY', at app.py)" in shown
    assert "hunter2" not in shown


def test_requirements_elsewhere_are_not_read(tmp_path: Path) -> None:
    """Not by a setting, an included file or a link: a line that is wrong would be shown."""
    (tmp_path / "mine.txt").write_text("hunter2 @ file:///home/me/hunter2\n")
    site = tmp_path / "site"
    site.mkdir()
    outside = [str(tmp_path / "mine.txt"), "../mine.txt"]
    for name in outside:
        looked = Site(site, GivenSettings({"CUSTOM_REQUIREMENTSTXT_PATH": name}, "s"))
        assert looked.requirements == []
    (site / "requirements.txt").write_text("".join(f"-r {name}\n" for name in [*outside, "a.txt"]))
    with contextlib.suppress(OSError):  # Windows lets only some users make links
        (site / "a.txt").symlink_to(tmp_path / "mine.txt")
    assert Site(site).requirements == []
