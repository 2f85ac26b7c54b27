"""Paths in a site's files that a built site does not have, and database files that it loses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.startup.fixed_paths import describe, find_in_text, find_paths
from tests.support.emulator import make_site

HERE = "/home/site/wwwroot"
TEXTS = [
    # a line of a module, the path that is found, whether it is of a database
    pytest.param(f'open("{HERE}/data.json")', f"{HERE}/data.json", False, id="file"),
    pytest.param(f'sys.path.append("{HERE}")', HERE, False, id="folder"),
    pytest.param(f'run("cd {HERE}/a && x")', f"{HERE}/a", False, id="command"),
    pytest.param(f'db = "{HERE}/app.db"', f"{HERE}/app.db", True, id="database"),
    pytest.param('db = "sqlite:////home/x.db"', "/home/x.db", True, id="url"),
    pytest.param('db = "sqlite:////home/x.db?timeout=9"', "/home/x.db", True, id="query"),
    pytest.param('db = "sqlite+aiosqlite:///x.db"', "x.db", True, id="driver"),
    pytest.param('N = BASE_DIR / "db.sqlite3"', "db.sqlite3", True, id="django"),
    pytest.param('N = f"sqlite:///{BASE}/db.sqlite3"', "db.sqlite3", True, id="f-string"),
    pytest.param('N = "instance/App.SQLITE"', "instance/App.SQLITE", True, id="capitals"),
    pytest.param('N = "/tmp/scratch.db"', "", False, id="tmp"),
    pytest.param('N = "sqlite:///:memory:"', "", False, id="memory"),
    pytest.param('N = "*.db"', "", False, id="pattern"),
    pytest.param('N = ".db"', "", False, id="suffix"),
    pytest.param('N = "cannot open the file app.db"', "", False, id="sentence"),
    pytest.param('N = "Thumbs.db"', "", False, id="thumbs"),
    pytest.param('ENGINE = "django.db.backends.sqlite3"', "", False, id="engine"),
    pytest.param('N = "backup.2.sqlite3"', "backup.2.sqlite3", True, id="dots"),
    pytest.param(f'N = "{HERE}2/x"', "", False, id="longer-name"),
    pytest.param(f'N = "/mnt{HERE}/x"', "", False, id="deeper"),
    pytest.param(f"# {HERE}/x", "", False, id="comment"),
    pytest.param(f'"""{HERE}/x and app.db"""', "", False, id="docstring"),
    pytest.param(f'broken( "{HERE}"', "", False, id="no-python"),
]


@pytest.mark.parametrize(("line", "text", "database"), TEXTS)
def test_a_line(tmp_path: Path, line: str, text: str, database: bool) -> None:
    """Paths and URLs in strings are found, and nothing that only looks like one."""
    make_site(tmp_path, {"pkg/a.py": f"import os\n{line}\n".encode()})
    found = [(each.where, each.text, each.database) for each in find_paths(tmp_path)]
    assert found == ([("pkg/a.py, line 2", text, database)] if text else [])


def test_which_files_are_read(tmp_path: Path) -> None:
    """Modules and scripts of the app, not its tests, its environment, or other packages."""
    text = f'X = "{HERE}/%s"\n'
    make_site(
        tmp_path,
        {
            "app.py": text % "app",
            "start.sh": f"#!/bin/sh\n# cd {HERE}/comment\ncd {HERE}/start && gunicorn app:app\n",
            "a/b/c.py": text % "c",
            "tests/test_x.py": text % "tests",
            "test_y.py": text % "test",
            "antenv/pyvenv.cfg": "",
            "antenv/x.py": text % "antenv",
            "node_modules/x.py": text % "node",
            ".git/x.py": text % "git",
            "readme.md": text % "readme",
            "again.py": text % "app",
        },
    )
    found = {each.text.rpartition("/")[2]: each.where for each in find_paths(tmp_path)}
    assert found == {
        "app": "again.py, line 1",
        "start": "start.sh, line 3",
        "c": "a/b/c.py, line 1",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe by name")
def test_what_is_no_file(tmp_path: Path) -> None:
    """Nothing is waited for, and nothing without an end is read."""
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    (tmp_path / "gone.sh").symlink_to("nowhere")
    assert find_paths(tmp_path) == []


def test_what_is_said(tmp_path: Path) -> None:
    """Where it is, what happens there, what to do instead; three in full, then a number."""
    make_site(
        tmp_path,
        {"a.py": f'A = "{HERE}/data.json"\nB = "{HERE}/b.db"\nC = "c.db"\nD = "/home/d.db"\n'},
    )
    first, second, third, rest = describe(find_paths(tmp_path))
    assert first == (
        f"a.py, line 1: {HERE}/data.json is not where a built site's files are: there is only "
        "their archive. Write a path relative to the module, or $APP_PATH."
    )
    assert second == (
        f"a.py, line 2: the database file {HERE}/b.db: /home is a network share, where SQLite's "
        "locks fail or wait, and a deployment may replace the file. Use a database server."
    )
    assert "beside the app it is lost at each restart and deployment" in third
    assert rest == "1 more such paths are in the site."


def test_a_site_that_is_not_built(tmp_path: Path) -> None:
    """It runs from /home/site/wwwroot: its paths are right, its databases are on the share."""
    make_site(tmp_path, {"a.py": f'A = "{HERE}/data.json"\nC = "c.db"\n'})
    (line,) = describe(find_paths(tmp_path), built=False)
    assert "the database file c.db: /home is a network share" in line
    assert "a deployment may replace the file" in line


def test_commands_and_settings() -> None:
    """A command with a path, a setting with the URL of a database."""
    (found,) = find_in_text("The startup command", f"bash {HERE}/start.sh; exec gunicorn app:app")
    assert (found.text, found.database) == (f"{HERE}/start.sh", False)
    (found,) = find_in_text("The app setting DATABASE_URL", "sqlite:////home/data/app.db")
    assert (found.text, found.database) == ("/home/data/app.db", True)
    assert not find_in_text("The app setting X", "postgresql://me@host/app.db.internal")


@given(st.binary())
def test_no_file_makes_it_fail(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever a file holds, it is read or left out."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "app.py").write_bytes(data + HERE.encode())
    (folder / "run.sh").write_bytes(data + HERE.encode())
    describe(find_paths(folder))
