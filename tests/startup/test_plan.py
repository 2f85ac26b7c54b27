"""The container's plan for a folder: each of the platform's rules, and each warning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.azure.names import FLASK_FILES
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.startup import wsgi_search
from appsvc_runtime.startup.plan import StartPlan, make_plan

APP = "app = Flask(__name__)\n"
API = "from fastapi import FastAPI\napp = FastAPI()\n"
WSGI = "application = get_wsgi_application()\n"
FASTAPI = "gunicorn -k uvicorn_worker.UvicornWorker "
START = "--timeout 600 --access-logfile '-' --error-logfile '-'"
ARGS = "GUNICORN_CMD_ARGS"
OFF = {"DISABLE_FASTAPI_DETECTION": "1"}
LIMIT = "is longer than the load balancer waits: it ends a request after 230 s."
OLD, NEW = (3, 13), (3, 14)

Files = dict[str, str]


def write(site: Path, files: Files) -> Path:
    for name, text in files.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return site


def plan_for(site: Path, files: Files, version: tuple[int, int] = OLD, **env: str) -> StartPlan:
    return make_plan(write(site, files), env, python_version=version, cores=4)


@pytest.mark.parametrize(
    ("files", "version", "framework", "app"),
    [
        pytest.param({"s/wsgi.py": WSGI}, OLD, "django", "s.wsgi", id="django"),
        pytest.param({"b/wsgi.py": "", "a/x.py": ""}, OLD, "django", "b.wsgi", id="django-any"),
        pytest.param({"b/wsgi.py": WSGI, "a/wsgi.py": WSGI}, OLD, "django", "a.wsgi", id="by-name"),
        pytest.param({"a/wsgi.py": "", "B/wsgi.py": ""}, OLD, "django", "B.wsgi", id="by-bytes"),
        pytest.param({"s/wsgi.py": "", "app.py": APP}, OLD, "django", "s.wsgi", id="before-flask"),
        pytest.param({"s/wsgi.py": "", "app.py": API}, NEW, "django", "s.wsgi", id="before-api"),
        pytest.param({".s/wsgi.py": WSGI}, OLD, "django", ".s.wsgi", id="hidden-folder"),
        pytest.param({"antenv/wsgi.py": WSGI}, OLD, "default", None, id="antenv-left-out"),
        pytest.param({"env/wsgi.py": WSGI}, OLD, "django", "env.wsgi", id="only-antenv-is"),
        pytest.param({"s/wsgi.py/x": ""}, OLD, "default", None, id="folder-named-wsgi.py"),
        pytest.param({"s/WSGI.py": WSGI}, OLD, "default", None, id="name-in-capitals"),
        pytest.param({"app.py": API}, NEW, "fastapi", "app:app", id="fastapi"),
        pytest.param({"app.py": API}, (4, 0), "fastapi", "app:app", id="fastapi-python-4"),
        pytest.param({"app.py": API}, OLD, "flask", "app:app", id="fastapi-python-3.13"),
        pytest.param({"main.py": API}, OLD, "default", None, id="main-python-3.13"),
        pytest.param({"main.py": APP}, NEW, "default", None, id="main-without-fastapi"),
        pytest.param({"app.py": APP}, NEW, "flask", "app:app", id="flask-python-3.14"),
        pytest.param(
            {"app.py": API + "from flask import g"}, NEW, "flask", "app:app", id="fastapi-and-flask"
        ),
        pytest.param({"app.py": APP, "api.py": API}, NEW, "fastapi", "api:app", id="api-by-flask"),
        pytest.param({"main.py/x": "", "api.py": API}, NEW, "fastapi", "api:app", id="main-folder"),
        pytest.param({"app.py/x": "", "run.py": APP}, OLD, "flask", "run:app", id="app-folder"),
        pytest.param({"wsgi.py": WSGI}, OLD, "flask", "wsgi:app", id="wsgi-in-the-site"),
        pytest.param({"App.py": APP}, OLD, "default", None, id="app-in-capitals"),
        pytest.param({"src/app.py": APP}, OLD, "default", None, id="app-in-a-folder"),
        pytest.param({"readme.txt": ""}, NEW, "default", None, id="nothing-of-use"),
        pytest.param({}, OLD, "default", None, id="empty-folder"),
    ],
)
def test_the_first_rule_that_fits_chooses(
    tmp_path: Path, files: Files, version: tuple[int, int], framework: str, app: str | None
) -> None:
    """Django, FastAPI from Python 3.14, Flask, the default site: in this order."""
    plan = plan_for(tmp_path, files, version)
    assert (plan.framework, plan.app) == (framework, app)
    folder = "$APP_PATH" if app else "/opt/defaultsite"
    arguments = f"{START} -c /opt/startup/gunicorn.conf.py --workers=9 --chdir={folder}"
    worker = "-k uvicorn_worker.UvicornWorker " if framework == "fastapi" else ""
    what = app or "application:app"
    assert plan.environment == {"GUNICORN_CMD_ARGS": arguments}
    assert plan.command == f'GUNICORN_CMD_ARGS="{arguments}" gunicorn {worker}{what}'
    assert plan.python_version == ".".join(map(str, version))
    assert plan.site == str(tmp_path)


@pytest.mark.parametrize(
    ("text", "version", "framework", "order"),
    [
        pytest.param(APP, OLD, "flask", "application app run index server wsgi", id="flask"),
        pytest.param(
            API, NEW, "fastapi", "main app application server asgi api index run", id="fastapi"
        ),
    ],
)
def test_files_are_looked_for_in_the_platforms_order(
    tmp_path: Path, text: str, version: tuple[int, int], framework: str, order: str
) -> None:
    """The first file is used, without it the next; the rest are skipped."""
    modules = order.split()
    write(tmp_path, {f"{module}.py": text for module in modules})
    for number, module in enumerate(modules):
        plan = make_plan(tmp_path, python_version=version)
        assert (plan.framework, plan.app) == (framework, f"{module}:app")
        passed_over = [step for step in plan.looked_at if step.endswith("is skipped.")]
        assert [step.split()[1] for step in passed_over] == [
            f"{other}.py" for other in modules[number + 1 :]
        ]
        (tmp_path / f"{module}.py").unlink()
    assert make_plan(tmp_path, python_version=version).framework == "default"


@pytest.mark.parametrize(
    ("value", "framework"),
    [
        pytest.param("true", "flask", id="true"),
        pytest.param("True", "flask", id="capital"),
        pytest.param("1", "flask", id="one"),
        pytest.param("false", "fastapi", id="false"),
        pytest.param("0", "fastapi", id="zero"),
        pytest.param("", "fastapi", id="empty"),
    ],
)
def test_fastapi_can_be_switched_off(tmp_path: Path, value: str, framework: str) -> None:
    """DISABLE_FASTAPI_DETECTION turns it off; the file counts as Flask's, with a warning."""
    plan = plan_for(tmp_path, {"app.py": API}, NEW, DISABLE_FASTAPI_DETECTION=value)
    assert plan.framework == framework
    assert any("imports fastapi, but" in text for text in plan.warnings) is (framework == "flask")


def case(
    name: str, files: Files, *warnings: str, version: tuple[int, int] = OLD, **env: str
) -> Any:
    return pytest.param(files, version, env, warnings, id=name)


NO_APP = "which gunicorn will look for: the container will not start."
AS_SUCH = "this container will not start it as such: set the startup command to"
MAIN = {"main.py": API}
PLAIN = {"app.py": APP}
FLASK = "app = flask.Flask(__name__)"
ASGI = "exec appsvc serve --server uvicorn "


@pytest.mark.parametrize(
    ("files", "version", "env", "warnings"),
    [
        case("django-fine", {"s/wsgi.py": WSGI}),
        case("flask-fine", PLAIN),
        case("fastapi-fine", MAIN, version=NEW),
        case("app-cannot-be-told", {"app.py": "from x import *"}),
        case("not-called-app", {"app.py": "x = Flask('x')"}, f"app.py defines no `app`, {NO_APP}"),
        case(
            "called-x", {"app.py": "x = Flask('x')"}, "`exec appsvc serve app:x`, or call it `app`."
        ),
        case("a-factory", {"app.py": "def create_app(): ..."}, "serve 'app:create_app()'`"),
        case("empty-file", {"app.py": ""}, f"{NO_APP} Define one, or set a startup command."),
        case("fastapi-without-app", {"main.py": "import fastapi"}, NO_APP, version=NEW),
        case("no-python", {"app.py": "\napp = ("}, "app.py is not valid Python: line 2: '('"),
        case("no-application", {"s/wsgi.py": "app = 1"}, "s/wsgi.py defines no `application`"),
        case("two-flask-files", {"run.py": APP, **PLAIN}, "the platform runs app.py"),
        case("six-flask-files", dict.fromkeys(FLASK_FILES, APP), "There are application.py and"),
        case(
            "the-other-imports-it", {**PLAIN, "run.py": "import app"}, "`exec appsvc serve run:app`"
        ),
        case("the-other-has-no-app", {**PLAIN, "run.py": "import site"}),
        case("two-fastapi-files", {**MAIN, "api.py": API}, f"`{ASGI}api:app`", version=NEW),
        case("fastapi-router", {**MAIN, "api.py": "import fastapi"}, version=NEW),
        case(
            "two-django-folders",
            {"a/wsgi.py": WSGI, "b/wsgi.py": WSGI},
            "`exec appsvc serve b.wsgi`",
        ),
        case("fastapi-before-3.14", MAIN, f"{AS_SUCH} `{ASGI}main:app`."),
        case("fastapi-switched-off", MAIN, "main.py imports fastapi, but", version=NEW, **OFF),
        case(
            "fastapi-called-api",
            {"main.py": "import fastapi\napi = FastAPI()"},
            f"`{ASGI}main:api`",
        ),
        case("flask-in-main", {"main.py": FLASK}, "main.py has an app", **OFF),
        case("flask-in-main-advice", {"main.py": FLASK}, "`exec appsvc serve main:app`."),
        case("flask-in-any-file", {"shop.py": FLASK}, "`exec appsvc serve shop:app`."),
        case("factory-in-main", {"main.py": "def make_app(): ..."}, "serve 'main:make_app()'`."),
        case("starlette", {"main.py": "app = Starlette()"}, f"`{ASGI}main:app`."),
        case("folder", {"web/app.py": FLASK}, "web/app.py has", version=NEW),
        case("folder-advice", {"web/app.py": FLASK}, "`exec appsvc serve --site web app:app`."),
        case("folder-fastapi", {"web/main.py": "x = FastAPI()"}, f"`{ASGI}--site web main:x`."),
        case("package", {"web/__init__.py": "", "web/app.py": FLASK}, "serve web.app:app`."),
        case("package-itself", {"web/__init__.py": FLASK}, "`exec appsvc serve web:app`."),
        case("package-and-script", {"web/__init__.py": FLASK, "go.py": FLASK}, "go:app", "web:app"),
        case("no-app-in-main", {"main.py": "import flask", "web/app.py": "import flask"}),
        case("virtual-env-app", {"env/pyvenv.cfg": "", "env/app.py": FLASK}),
        case("two-folders-down", {"a/b/app.py": FLASK}),
        case("four-apps", {f"{x}1.py": FLASK for x in "abcd"}, "a1:app", "b1:app", "c1:app"),
        case("wsgi-two-deep", {"b/s/wsgi.py": ""}, "b/s/wsgi.py is too deep: the platform looks"),
        case("wsgi-two-deep-advice", {"b/s/wsgi.py": ""}, "`exec appsvc serve --site b s.wsgi`."),
        case("blank-in-the-folder", {"b c/s/wsgi.py": ""}, "appsvc serve --site 'b c' s.wsgi`"),
        case("three-hints", {f"{x}/s/wsgi.py": "" for x in "abcd"}, "a/s/w", "b/s/w", "c/s/w"),
        case("wsgi-three-deep", {"a/b/c/wsgi.py": ""}),
        case("hidden-is-no-hint", {".git/s/wsgi.py": ""}),
        case("node-modules-is-no-hint", {"node_modules/s/wsgi.py": ""}),
        case("virtual-env-is-no-hint", {"env/pyvenv.cfg": "", "env/s/wsgi.py": ""}),
        case("timeout-231", PLAIN, f"of 231 s in {ARGS} {LIMIT}", **{ARGS: "--timeout 231"}),
        case("timeout-230", PLAIN, **{ARGS: "-t 230"}),
    ],
)
def test_what_will_surprise_is_warned_of(
    tmp_path: Path, files: Files, version: tuple[int, int], env: Files, warnings: tuple[str, ...]
) -> None:
    """Each warning is one sentence with advice; a good site has none."""
    found = plan_for(tmp_path, files, version, **env).warnings
    assert len(found) == len(warnings), found
    for text, part in zip(found, warnings, strict=True):
        assert part in text


def test_a_plan_reads_and_neither_runs_nor_changes_anything(tmp_path: Path) -> None:
    """A plan changes no byte, time or file, and runs no code of the site."""
    sites = {"django": "s/wsgi.py", "fastapi": "main.py", "flask": "app.py", "default": "x.py"}
    for site, file in sites.items():
        write(tmp_path / site, {file: "raise SystemExit\nimport fastapi\n", "start.txt": "x"})

    def state() -> dict[Path, tuple[int, int, int]]:
        found = ((path, path.stat()) for path in tmp_path.rglob("*"))
        return {path: (stat.st_mode, stat.st_size, stat.st_mtime_ns) for path, stat in found}

    before = state()
    for site in sites:
        version = NEW if site == "fastapi" else OLD
        assert make_plan(tmp_path / site, python_version=version).framework == site
        assert make_plan(tmp_path / site, startup_command="start.txt").command == "x"
    assert state() == before


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which every listed folder is added."""
    scandir, seen = os.scandir, []

    def note(path: str | Path) -> Iterator[os.DirEntry[str]]:
        seen.append(os.path.basename(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", note)
    return seen


def test_a_site_of_twenty_thousand_files_is_not_walked(tmp_path: Path, scanned: list[str]) -> None:
    """The platform lists the top and checks one file per folder; hints go one deeper."""
    for number in range(200):
        folder = tmp_path / "static" / str(number)
        folder.mkdir(parents=True)
        for file in range(100):
            (folder / f"{file}.py").touch()
    for files, names in (({}, ["static"]), (PLAIN, ["static"]), ({"s/wsgi.py": WSGI}, [])):
        write(tmp_path, files)
        scanned.clear()
        make_plan(tmp_path)
        assert scanned == [tmp_path.name, *names]


@pytest.mark.parametrize(
    ("files", "hints"),
    [
        pytest.param({f"{n}/y": "" for n in range(100, 150)}, 0, id="many-folders"),
        pytest.param({f"a/{n}/wsgi.py": "" for n in (1, *range(3, 9))}, 3, id="many-hints"),
        pytest.param({**{f"a/{n}/y": "" for n in range(10, 60)}, "a/z/wsgi.py": ""}, 0, id="deep"),
        pytest.param({**{f"a/{n}/y": "" for n in range(8)}, "a/z/wsgi.py": ""}, 1, id="few"),
    ],
)
def test_the_search_for_hints_has_an_end(
    tmp_path: Path, scanned: list[str], monkeypatch: pytest.MonkeyPatch, files: Files, hints: int
) -> None:
    """The search for hints is limited, however many folders the site has."""
    monkeypatch.setattr(wsgi_search, "_MAX_FOLDERS_SEARCHED", 10)
    assert len(plan_for(tmp_path, files).warnings) == hints
    assert 2 <= len(scanned) <= 11


def test_a_link_to_a_folder_is_no_folder_and_one_to_a_file_is_a_file(tmp_path: Path) -> None:
    """Links are handled as by Go, the script's own language."""
    elsewhere, site = tmp_path / "elsewhere", tmp_path / "site"
    site.mkdir()
    write(elsewhere, {"wsgi.py": WSGI, "app.py": APP})
    (site / "mysite").symlink_to(elsewhere, target_is_directory=True)
    (site / "run.py").symlink_to(tmp_path / "nowhere.py")
    assert make_plan(site).framework == "default"
    (site / "app.py").symlink_to(elsewhere / "app.py")
    assert make_plan(site).app == "app:app"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("missing", "No such file or directory", id="missing"),
        pytest.param("app.py", "Not a directory", id="file"),
        pytest.param("a\0b", "null", id="nul"),
        pytest.param("a" * 300, "File name too long", id="name-too-long"),
    ],
)
def test_a_site_that_is_no_folder_is_an_error(tmp_path: Path, name: str, reason: str) -> None:
    """The message names the folder, the reason, and what to do."""
    write(tmp_path, {"app.py": APP})
    with pytest.raises(ConfigError, match=reason) as caught:
        make_plan(tmp_path / name)
    assert repr(str(tmp_path / name)) in str(caught.value)
    assert caught.value.hint == "Name the folder that holds your app."


def test_folders_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable site is an error; an unreadable folder in it gives no hint."""
    write(tmp_path, {"src/s/wsgi.py": WSGI})
    scandir, refused = os.scandir, [tmp_path / "src"]

    def refuse(path: str | Path) -> Iterator[os.DirEntry[str]]:
        if Path(path) in refused:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert make_plan(tmp_path).warnings == ()
    refused.append(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be read: Permission denied\. Name the folder"):
        make_plan(tmp_path)
