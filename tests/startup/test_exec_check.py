"""Startup commands without `exec`: which are found, and how they are written with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.startup import exec_check
from appsvc_runtime.startup.plan import make_plan
from tests.support.emulator import make_site


@pytest.mark.parametrize(
    ("command", "right"),
    [
        ("appsvc serve", "exec appsvc serve"),
        ("appsvc serve;", "exec appsvc serve"),
        (
            "python manage.py migrate && appsvc serve",
            "python manage.py migrate && exec appsvc serve",
        ),
        ("cd web; gunicorn app:app", "cd web; exec gunicorn app:app"),
        ("A=1 B='x y' gunicorn app:app", "A=1 B='x y' exec gunicorn app:app"),
        ("a || b && /opt/antenv/bin/uvicorn m:a", "a || b && exec /opt/antenv/bin/uvicorn m:a"),
        ("python3.13 -m gunicorn app:app", "exec python3.13 -m gunicorn app:app"),
        ("python -m appsvc_runtime serve", "exec python -m appsvc_runtime serve"),
        ("python -m appsvc_runtime.runserver", "exec python -m appsvc_runtime.runserver"),
        ("appsvc serve 'm:make(\"a\")'", "exec appsvc serve 'm:make(\"a\")'"),
        ("echo 'a && b' && appsvc serve", "echo 'a && b' && exec appsvc serve"),
    ],
)
def test_without_exec(command: str, right: str) -> None:
    """`exec` goes directly before the server, and the command with it needs nothing more."""
    assert exec_check.with_exec(command) == right
    assert exec_check.with_exec(right) == ""


@pytest.mark.parametrize(
    "command",
    [
        "",
        " ",
        ";",
        "exec appsvc serve",
        "PATH=x exec appsvc serve",
        "startup.sh",
        "python server.py",
        "python -m http.server",
        "python -m",
        "appsvc settings",
        "gunicorn app:app &",
        "gunicorn app:app & wait",
        "gunicorn app:app | tee log",
        "gunicorn app:app && echo ended",
        "appsvc serve 'a; gunicorn b'",
        "appsvc serve 'open",
        "echo 'x\ngunicorn app:app'",
    ],
)
def test_nothing_to_change(command: str) -> None:
    """The command has `exec`, starts no server that is known, or does more after it."""
    assert exec_check.with_exec(command) == ""
    assert exec_check.describe(command) == ""


@pytest.mark.parametrize(
    ("command", "right"),
    [
        ("startup.sh", "exec sh startup.sh"),
        ("./bin/startup.sh", "exec sh bin/startup.sh"),
        ("exec ./startup.sh", "exec sh startup.sh"),
        ("bash startup.sh", "exec bash startup.sh"),
        ("/bin/bash -e 'start it' a 'b c'", "exec /bin/bash -e 'start it' a 'b c'"),
        (
            "python manage.py migrate && A=1 start.sh;",
            "python manage.py migrate && A=1 exec sh start.sh",
        ),
    ],
)
def test_a_script(command: str, right: str) -> None:
    """`exec` and its shell go directly before the script."""
    script = exec_check.script_in(command)
    assert script is not None
    assert script.has_exec is command.startswith("exec ")
    assert script.with_exec() == right
    again = exec_check.script_in(right)
    assert again is not None
    assert again.has_exec
    assert again.with_exec() == right


@pytest.mark.parametrize(
    "command",
    [
        "",
        "exec",
        "gunicorn app:app",
        "sh",
        "sh -c 'a'",
        "bash -ec x",
        "start.sh &",
        "start.sh 'a",
    ],
)
def test_no_script(command: str) -> None:
    """The line itself has the commands, or its script does not run in the foreground."""
    assert exec_check.script_in(command) is None


def test_the_plan_says_it(tmp_path: Path) -> None:
    """So do `appsvc explain` and the emulator, also for the first line of a startup file."""
    site = make_site(tmp_path, {"startup.txt": "appsvc serve app:app\n"})
    for command in ("startup.txt", "appsvc serve app:app"):
        warnings = make_plan(site, {}, startup_command=command).warnings
        assert [one for one in warnings if one.endswith("write `exec appsvc serve app:app`.")]
    assert make_plan(site, {}, startup_command="exec appsvc serve app:app").warnings == ()
