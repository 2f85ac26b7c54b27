"""`appsvc_runtime.wsgi`: costs nothing before the first request, which loads the app once."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.apps import load
from appsvc_runtime.errors import AppLoadError, AppServiceError, ConfigError
from appsvc_runtime.wsgi import LazyApplication, application

# Counts its executions in a file; fails while the file `broken` exists.
APP = """
import os
with open("imports", "a") as file:
    file.write("x")
if os.path.exists("broken"):
    raise RuntimeError("the app broke")
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a site that is detected as `app:app`, as the current folder of an empty environment."""
    (tmp_path / "app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delitem(sys.modules, "app", raising=False)
    for name in ("APPSVC_APP", "WSGI_HANDLER"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    sys.modules.pop("app", None)


def imports(site: Path) -> int:
    counted = site / "imports"
    return len(counted.read_text()) if counted.exists() else 0


def ask(app: Callable[..., Any]) -> tuple[list[str], bytes]:
    """Send one request; return the statuses that were started, and the body."""
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    statuses: list[str] = []
    body = b"".join(app(environ, lambda status, headers, exc_info=None: statuses.append(status)))
    return statuses, body


def test_importing_the_door_imports_neither_app_nor_readers(site: Path) -> None:
    """wfastcgi imports it before it can report an error: the import must not fail or take long."""
    code = (
        "import sys, appsvc_runtime.wsgi\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in\n"
        "      ('app', 'appsvc_runtime', 'click', 'gunicorn', 'waitress', 'ast', 'logging')))"
    )
    environ = {**os.environ, "APPSVC_APP": "absent:app"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "appsvc_runtime.wsgi" in loaded
    assert not loaded & {"app", "click", "gunicorn", "waitress", "ast", "logging"}
    assert not loaded & {
        "appsvc_runtime.apps.load",
        "appsvc_runtime.startup.plan",
        "appsvc_runtime.startup.python_files",
    }
    assert imports(site) == 0


def test_the_door_is_one_lazy_application() -> None:
    """The name in WSGI_HANDLER exists, and is a WSGI app."""
    assert isinstance(application, LazyApplication)
    assert callable(application)


def test_app_is_loaded_with_the_first_request_and_behind_the_middleware(site: Path) -> None:
    """Making the entry point imports nothing; the app is behind one AppServiceMiddleware."""
    lazy = LazyApplication()
    assert imports(site) == 0
    assert ask(lazy) == ask(lazy) == (["200 OK"], b"hello")
    assert imports(site) == 1
    assert isinstance(lazy.load(), AppServiceMiddleware)
    assert lazy.load() is lazy.load()


def test_app_that_is_wrapped_already_is_not_wrapped_again(site: Path) -> None:
    """The user's own middleware, with its own settings, is the only one."""
    with (site / "app.py").open("a") as file:
        file.write("from appsvc_runtime import AppServiceMiddleware\n")
        file.write("app = AppServiceMiddleware(app, trusted_proxies='*')\n")
    assert LazyApplication().load() is sys.modules["app"].app


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("from appsvc_runtime.wsgi import application as app", id="itself"),
        pytest.param(
            "from appsvc_runtime.wsgi import application\napp = application.load()",
            id="asks-itself",
        ),
    ],
)
def test_an_app_that_is_the_door_itself_is_refused(
    site: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """There is no deadlock and no endless recursion."""
    (site / "app.py").write_text(source)
    lazy = LazyApplication()
    monkeypatch.setattr("appsvc_runtime.wsgi.application", lazy)
    with pytest.raises(AppServiceError, match=r"appsvc_runtime\.wsgi itself"):
        ask(lazy)


def test_the_first_failure_is_the_one_that_is_told(site: Path) -> None:
    """A half-imported app, as Django's registry, fails the second time for another reason."""
    (site / "state.py").write_text("calls = []")
    (site / "app.py").write_text(
        "import state\nstate.calls.append(1)\n"
        "raise RuntimeError('the cause' if len(state.calls) == 1 else 'a consequence')\n"
    )
    lazy = LazyApplication()
    for _ in range(3):
        with pytest.raises(AppLoadError, match="the cause"):
            ask(lazy)


class MeetingLock:
    """A lock that signals when so many threads wait for it."""

    def __init__(self, threads: int) -> None:
        self.all_asked = threading.Event()
        self._lock = threading.Lock()
        self._asked = itertools.count(1)
        self._threads = threads

    def __enter__(self) -> None:
        if next(self._asked) == self._threads:
            self.all_asked.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_app_is_loaded_once_under_eight_threads(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that arrive while the app is imported wait for it, and get the same one."""
    lazy = LazyApplication()
    lock = MeetingLock(threads=8)
    monkeypatch.setattr(lazy, "_lock", lock)
    loads: list[str] = []
    load_app = load.load_app

    def load_when_all_wait(name: str, folder: Any = None) -> Any:
        loads.append(name)
        assert lock.all_asked.wait(timeout=30), "a request did not wait for the import"
        return load_app(name, folder)

    monkeypatch.setattr(load, "load_app", load_when_all_wait)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(lazy), range(8)))
    assert answers == [(["200 OK"], b"hello")] * 8
    assert loads == ["app:app"]
    assert imports(site) == 1


def test_failed_import_is_raised_to_the_server_and_tried_again(site: Path) -> None:
    """The server logs the app's own traceback; a fixed app is served without a restart."""
    lazy = LazyApplication()
    (site / "broken").touch()
    for count in (1, 2):
        with pytest.raises(AppLoadError, match="the app broke") as caught:
            ask(lazy)
        assert "RuntimeError" in caught.value.details
        assert imports(site) == count
    (site / "broken").unlink()
    assert ask(lazy) == (["200 OK"], b"hello")


def test_nothing_to_serve_is_raised_to_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Path
) -> None:
    """An empty folder is an AppLoadError at the first request, not at import."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(AppLoadError, match="No app was found"):
        ask(LazyApplication())


@pytest.mark.parametrize(
    ("name", "error"),
    [
        pytest.param("appsvc_runtime.wsgi:application", ConfigError, id="ourselves"),
        pytest.param("absent:app", AppLoadError, id="missing-module"),
    ],
)
def test_setting_that_names_no_app_is_raised(
    site: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: type[Exception]
) -> None:
    """APPSVC_APP decides, and the error names the problem; there is no endless recursion."""
    monkeypatch.setenv("APPSVC_APP", name)
    with pytest.raises(error, match=r"APPSVC_APP|absent"):
        ask(LazyApplication())


def test_handler_that_names_the_door_is_passed_over(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under wfastcgi WSGI_HANDLER names this entry point itself: the app is detected."""
    monkeypatch.setenv("WSGI_HANDLER", "appsvc_runtime.wsgi.application")
    assert ask(LazyApplication()) == (["200 OK"], b"hello")


def test_an_app_that_exits_ends_its_request_only(site: Path) -> None:
    """wfastcgi would end the process; the error names what was raised."""
    (site / "app.py").write_text("import sys\ndef app(environ, start_response):\n    sys.exit(3)\n")
    sys.modules.pop("app", None)
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    with pytest.raises(RuntimeError, match=r"The app raised SystemExit\(3\) in a request"):
        LazyApplication()(environ, lambda *_: lambda _data: None)
