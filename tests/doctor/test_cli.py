"""The command: its output in each form, exit codes, selection, and mistakes of users."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from appsvc_runtime.cli.main import main

APP = "from flask import Flask\nserver = Flask(__name__)\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a site with one error (START-03) and one note (BLD-10)."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "app.py").write_text(APP)
    (folder / "requirements.txt").write_text("flask\n")
    return folder


def test_text(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Errors come first, with what to do; the last line counts."""
    assert main(["doctor", "--no-run", str(site)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "START-03 error: app.py: app.py defines no `app`, which is what would be loaded."
    )
    assert lines[1] == "    Set the startup command to `exec appsvc serve app:server`."
    assert lines[2].startswith("BLD-10 note: requirements.txt:1: ")
    assert " 1 error, 1 note." in lines[-1]
    assert "--settings FILE" in lines[-1]


def test_a_sound_site_is_one_line(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed but the count."""
    (site / "app.py").write_text(APP.replace("server", "app"))
    (site / "requirements.txt").write_text("flask==3.1.0\n")
    assert main(["doctor", "--no-run", str(site)]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert "nothing found" in line


def test_verbose(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each check has a line: found, fine, or why it was not made."""
    main(["doctor", "--no-run", str(site), "-v"])
    out = capsys.readouterr().out
    assert "START-03 The app's file has no `app`: found" in out
    assert "START-13 The app's file is not valid Python: fine" in out
    assert "not looked at: app settings are not given: --settings FILE" in out


@pytest.mark.parametrize(
    ("level", "code"), [("error", 1), ("warning", 1), ("note", 1), ("never", 0)]
)
def test_fail_on(site: Path, level: str, code: int) -> None:
    """The exit code follows the lowest level that counts."""
    assert main(["doctor", "--no-run", str(site), "--fail-on", level]) == code
    (site / "app.py").write_text(APP.replace("server", "app"))
    assert main(["doctor", "--no-run", str(site), "--fail-on", level]) == (
        1 if level == "note" else 0
    )


def test_select_and_ignore(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By id and by group, on the command line and in pyproject.toml."""
    assert main(["doctor", "--no-run", str(site), "--ignore", "start-03"]) == 0
    assert main(["doctor", "--no-run", str(site), "--select", "BLD"]) == 0
    assert "START" not in capsys.readouterr().out
    (site / "pyproject.toml").write_text('[tool.appsvc.doctor]\nignore = ["START"]\n')
    pytest.importorskip("tomllib")
    assert main(["doctor", "--no-run", str(site)]) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('select = "START"', "select in [tool.appsvc.doctor]"),
        ('ignore = ["STRAT-03"]', "no check 'STRAT-03'"),
        ('fail-on = "fatal"', "is not a level"),
        ("colour = true", "has 'colour', which does not exist"),
    ],
)
def test_mistakes_in_the_project(
    site: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong value in pyproject.toml is one sentence, and exit code 2."""
    pytest.importorskip("tomllib")
    (site / "pyproject.toml").write_text(f"[tool.appsvc.doctor]\n{text}\n")
    assert main(["doctor", "--no-run", str(site)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--explain", "X-1"], "no check 'X-1'"),
        (["--settings", "missing.json"], "cannot be read"),
        (["--baseline", "missing.json"], "cannot be read"),
        (["--select", "X"], "no check 'X'"),
    ],
)
def test_mistakes(
    site: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A user's mistake is one sentence, and exit code 2."""
    monkeypatch.chdir(site)
    assert main(["doctor", "--no-run", *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there is a sentence."""
    assert main(["doctor", "--no-run", str(tmp_path / "nothing")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_baseline(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written as known is left out, also when its line moves; an old file stays."""
    known = tmp_path / "known.json"
    assert main(["doctor", "--no-run", str(site), "--write-baseline", str(known)]) == 0
    (site / "requirements.txt").write_text("\n\nflask\n")
    capsys.readouterr()
    assert main(["doctor", "--no-run", str(site), "--baseline", str(known)]) == 0
    assert "nothing found" in capsys.readouterr().out
    assert main(["doctor", "--no-run", str(site), "--write-baseline", str(known)]) == 2
    known.write_text("[]")
    assert main(["doctor", "--no-run", str(site), "--baseline", str(known)]) == 2


def test_json(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All findings with their places, and all checks."""
    main(["doctor", "--no-run", str(site), "--format", "json"])
    read = json.loads(capsys.readouterr().out)
    assert read["version"] == 1
    assert read["counts"] == {"error": 1, "warning": 0, "note": 1}
    first = read["findings"][0]
    assert (first["id"], first["file"], first["line"]) == ("START-03", "app.py", None)
    assert {one["id"] for one in read["checks"]} >= {"START-03", "BLD-10", "SET-01"}


def test_sarif(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each result names a rule of the log, and a place."""
    main(["doctor", "--no-run", str(site), "--format", "sarif"])
    [run] = json.loads(capsys.readouterr().out)["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]


def test_junit(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A test case for each check; the counts are right; a file's odd name does no harm."""
    folder = site / "\x01<&\"'"
    folder.mkdir()
    (folder / "deploy.sh").write_text("az webapp up\n")
    main(["doctor", "--no-run", str(site), "--format", "junit"])
    suite = ET.fromstring(capsys.readouterr().out)
    assert len(suite.findall("testcase")) == int(suite.attrib["tests"])
    assert len(suite.findall("testcase[failure]")) == int(suite.attrib["failures"]) == 3


def test_github(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An annotation for each finding; a file's name can forge none."""
    (site / "a\n::error::x.sh").write_text("az webapp up\n")
    main(["doctor", "--no-run", str(site), "--format", "github"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("::error title=START-03 ")
    assert len(lines) == 3
    assert all(line.startswith(("::error title", "::warning title", "::notice")) for line in lines)


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    """The text of a check, in any case of its id."""
    assert main(["doctor", "--explain", "db-04"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("DB-04: A database is a file of the site (warning)\n")
    assert "Source: " in out


def test_no_secret_is_shown(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Values of settings, and secrets in the startup command, are in no form of output."""
    settings = tmp_path / "settings.json"
    values = [
        {"name": "DATABASE_URL", "value": "postgresql://me:hunter2@localhost/db"},
        {"name": "POSTGRESQLCONNSTR_D", "value": "host=a password={your_password} x=hunter2"},
        {"name": "K", "value": "@Microsoft.KeyVault(hunter2"},
    ]
    settings.write_text(json.dumps(values))
    command = "API_KEY=hunter2 uvicorn app:app --reload"
    for form in ("text", "json", "sarif", "junit", "github"):
        arguments = ["--settings", str(settings), "--startup-command", command, "-v"]
        assert main(["doctor", "--no-run", str(site), *arguments, "--format", form]) == 1
        assert "hunter2" not in capsys.readouterr().out
