"""All rules by which the platform chooses what to run, as one table.

A row has a site's files and settings, and the command that the container runs for them. From top to
bottom it is the platform's order: startup command, Django, FastAPI, Flask, the default site.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from appsvc_runtime.azure.names import FASTAPI_FILES, FLASK_FILES
from appsvc_runtime.startup.plan import make_plan
from tests.support.emulator import make_site

OLD, NEW = (3, 13), (3, 14)
API = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "from flask import Flask\napp = Flask(__name__)\n"
WSGI = "application = None\n"
Files = dict[str, str]
Row = tuple[Files, dict[str, str], tuple[int, int], str, "str | None"]


def row(
    files: str | Files, framework: str, app: str | None, *, version: tuple[int, int] = OLD,
    **settings: str,
) -> Row:  # fmt: skip
    """Return a row; files given as words get contents that fit their names."""
    if isinstance(files, str):
        files = {name: WSGI if name.endswith("wsgi.py") else FLASK for name in files.split()}
    return files, settings, version, framework, app


ROWS: dict[str, Row] = {
    # Django: the first folder by name, in the order of bytes, that holds a wsgi.py.
    "django": row("mysite/wsgi.py", "django", "mysite.wsgi"),
    "django, first by name": row("b/wsgi.py a/wsgi.py", "django", "a.wsgi"),
    "django, capitals first": row("a/wsgi.py B/wsgi.py", "django", "B.wsgi"),
    "django, not in antenv": row("antenv/wsgi.py b/wsgi.py", "django", "b.wsgi"),
    "django, antenv alone": row("antenv/wsgi.py", "default", None),
    "django, other environments are folders": row(".venv/wsgi.py", "django", ".venv.wsgi"),
    "django, whatever it holds": row({"x/wsgi.py": ""}, "django", "x.wsgi"),
    "django, not deeper": row("src/shop/wsgi.py", "default", None),
    "django, no other name": row({"x/asgi.py": "", "x/WSGI.py": ""}, "default", None),
    "django, a folder of that name": row({"x/wsgi.py/readme": ""}, "default", None),
    "django before flask": row("mysite/wsgi.py app.py", "django", "mysite.wsgi"),
    "django before fastapi": row(
        {"x/wsgi.py": WSGI, "main.py": API}, "django", "x.wsgi", version=NEW
    ),
    # FastAPI: from Python 3.14 on, the first of its names that imports it and not Flask.
    **{
        f"fastapi, {name}": row({name: API}, "fastapi", f"{name[:-3]}:app", version=NEW)
        for name in FASTAPI_FILES
    },
    **{
        f"fastapi, {first} before {second}": row(
            {first: API, second: API}, "fastapi", f"{first[:-3]}:app", version=NEW
        )
        for first, second in pairwise(FASTAPI_FILES)
    },
    "fastapi, import": row({"main.py": "import fastapi\n"}, "fastapi", "main:app", version=NEW),
    "fastapi, the first that imports it": row(
        {"main.py": FLASK, "api.py": API}, "fastapi", "api:app", version=NEW
    ),
    "fastapi, not with flask": row(
        {"app.py": API + "from flask import Flask\n"}, "flask", "app:app", version=NEW
    ),
    "fastapi, no other name": row({"service.py": API}, "default", None, version=NEW),
    "fastapi, not before 3.14": row({"main.py": API}, "default", None),
    "fastapi as flask before 3.14": row({"app.py": API}, "flask", "app:app"),
    "fastapi, switched off": row(
        {"app.py": API}, "flask", "app:app", version=NEW, DISABLE_FASTAPI_DETECTION="true"
    ),
    "fastapi, switched off by 1": row(
        {"main.py": API}, "default", None, version=NEW, DISABLE_FASTAPI_DETECTION="1"
    ),
    "fastapi, not switched off": row(
        {"main.py": API}, "fastapi", "main:app", version=NEW, DISABLE_FASTAPI_DETECTION="false"
    ),
    "fastapi before flask": row(
        {"application.py": FLASK, "run.py": API}, "fastapi", "run:app", version=NEW
    ),
    # Flask: the first of its names, whatever it holds.
    **{f"flask, {name}": row(name, "flask", f"{name[:-3]}:app") for name in FLASK_FILES},
    **{
        f"flask, {first} before {second}": row(f"{second} {first}", "flask", f"{first[:-3]}:app")
        for first, second in pairwise(FLASK_FILES)
    },
    "flask, whatever it holds": row({"app.py": ""}, "flask", "app:app"),
    "flask, main.py is not among them": row("main.py", "default", None),
    "flask, not in a folder": row("src/app.py", "default", None),
    "flask, a folder of that name": row({"app.py/readme": ""}, "default", None),
    "flask, no capitals": row("App.py", "default", None),
    # The default site.
    "default, nothing": row({}, "default", None),
    "default, no python": row({"index.html": "", "requirements.txt": "flask"}, "default", None),
}


@pytest.mark.parametrize("name", ROWS)
def test_rules(tmp_path: Path, name: str) -> None:
    """Each row is the platform's behaviour."""
    files, settings, version, framework, app = ROWS[name]
    site = make_site(tmp_path, files)
    plan = make_plan(site, settings, python_version=version, cores=2)
    assert (plan.framework, plan.app) == (framework, app)
    assert plan.rule
    worker = "-k uvicorn_worker.UvicornWorker " if framework == "fastapi" else ""
    assert plan.command.endswith(f'" gunicorn {worker}{app or "application:app"}')


def test_links(tmp_path: Path) -> None:
    """The script does not take a link to a folder for a folder, but a link to a file is a file."""
    make_site(
        tmp_path, {"elsewhere/shop/wsgi.py": WSGI, "elsewhere/x.py": FLASK, "site/readme": ""}
    )
    (tmp_path / "site/shop").symlink_to(tmp_path / "elsewhere/shop")
    assert make_plan(tmp_path / "site").framework == "default"
    (tmp_path / "site/app.py").symlink_to(tmp_path / "elsewhere/x.py")
    assert make_plan(tmp_path / "site").framework == "flask"


SITE = "/home/site/wwwroot"
COMMANDS = [
    # the startup command, what is run, why
    pytest.param("gunicorn app:app", "gunicorn app:app", "as it is", id="as-it-is"),
    pytest.param("cd x && python y.py", "cd x && python y.py", "as it is", id="shell"),
    pytest.param("start.sh", "start.sh", "script start.sh, which is run", id="script"),
    pytest.param("./start.sh", "./start.sh", "script ./start.sh, which is run", id="dot-script"),
    pytest.param(f"{SITE}/start.sh", f"{SITE}/start.sh", "which is run", id="absolute-script"),
    pytest.param("start.sh now", "start.sh now", "as it is", id="script-with-argument"),
    pytest.param("missing.sh", "missing.sh", "as it is", id="missing-script"),
    pytest.param("start.txt", "gunicorn x:app", "whose first line is run", id="first-line"),
    pytest.param(f"{SITE}/start.txt", "gunicorn x:app", "first line is run", id="absolute-file"),
    pytest.param("bom.txt", "gunicorn b:app", "first line is run", id="byte-order-mark"),
    pytest.param("crlf.txt", "gunicorn c:app", "first line is run", id="windows-lines"),
    pytest.param("startup", "gunicorn s:app", "first line is run", id="no-ending"),
    pytest.param("empty.txt", "", "first line is run", id="empty"),
    pytest.param("later.txt", "", "first line is run", id="blank-first-line"),
    pytest.param("app.py", "app = 1", "first line is run", id="a-module-is-a-file"),
]


@pytest.mark.parametrize(("command", "run", "why"), COMMANDS)
def test_startup_commands(tmp_path: Path, command: str, run: str, why: str) -> None:
    """A startup command takes precedence over all detection."""
    site = make_site(
        tmp_path,
        {
            "start.sh": "#!/bin/sh\n", "start.txt": "gunicorn x:app\nsecond line\n",
            "bom.txt": "\ufeffgunicorn b:app\n", "crlf.txt": b"gunicorn c:app\r\nx\r\n",
            "startup": "gunicorn s:app", "empty.txt": "", "later.txt": b"\ngunicorn l:app\n",
            "app.py": "app = 1\n", "mysite/wsgi.py": WSGI,
        },
    )  # fmt: skip
    plan = make_plan(site, startup_command=f"  {command} ", python_version=NEW)
    assert (plan.framework, plan.command) == ("custom", run)
    assert why in plan.rule
    assert bool(run) or any("nothing would be run" in warning for warning in plan.warnings)


@pytest.mark.parametrize("command", ["", "  ", None])
def test_no_startup_command(tmp_path: Path, command: str | None) -> None:
    """A startup command of blanks counts as none."""
    site = make_site(tmp_path, {"app.py": FLASK})
    assert make_plan(site, startup_command=command).framework == "flask"


IMAGES = "-c /opt/startup/gunicorn.conf.py"
MULTI = {"PYTHON_ENABLE_GUNICORN_MULTIWORKERS": "true"}
ARGUMENTS = [
    pytest.param({}, f"{IMAGES} --workers=9", id="none"),
    pytest.param(MULTI, f"{IMAGES} --workers=9", id="by-cores"),
    pytest.param(
        {**MULTI, "PYTHON_GUNICORN_CUSTOM_WORKER_NUM": "3"}, f"{IMAGES} --workers=3", id="number"
    ),
    pytest.param(
        {**MULTI, "PYTHON_GUNICORN_CUSTOM_THREAD_NUM": "8"},
        f"{IMAGES} --workers=9 --threads=8",
        id="threads",
    ),
    pytest.param(
        {"PYTHON_USE_GUNICORN_CONFIG_FROM_PATH": "conf.py", **MULTI},
        "-c conf.py --workers=9",
        id="config",
    ),
]


@pytest.mark.parametrize(("settings", "more"), ARGUMENTS)
def test_gunicorns_arguments(tmp_path: Path, settings: dict[str, str], more: str) -> None:
    """The order is the platform's own arguments, those from settings, the folder."""
    site = make_site(tmp_path, {"app.py": FLASK})
    plan = make_plan(site, {"PORT": "8123", **settings}, cores=4)
    words = "--timeout 600 --access-logfile '-' --error-logfile '-'"
    expected = f"{words} {more} --chdir=$APP_PATH"
    assert plan.environment == {"GUNICORN_CMD_ARGS": expected}


def test_the_pre_run_command_is_told(tmp_path: Path) -> None:
    """The plan mentions the pre-run command, which runs before any other."""
    plan = make_plan(make_site(tmp_path, {}), {"PRE_RUN_COMMAND": "echo hello"})
    assert "PRE_RUN_COMMAND is run before it: echo hello" in plan.looked_at


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    """An unreadable folder counts as empty."""
    site = make_site(tmp_path, {"secret/wsgi.py": WSGI, "app.py": FLASK})
    (site / "secret").chmod(0)
    try:
        assert make_plan(site).framework == "flask"
    finally:
        (site / "secret").chmod(0o755)
