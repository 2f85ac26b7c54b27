"""`load_app` returns the app of a name, as wfastcgi does, or raises an error with the problem."""

from __future__ import annotations

import ctypes
import importlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from appsvc_runtime.apps.load import load_any, load_app
from appsvc_runtime.errors import AppLoadError
from tests.support import wfastcgi_child

Write = Callable[[str, str], None]

TWO = "(environ, start_response): return []\n"
# Every app has a label; factories return the same object each time, so that `is` works.
PACKAGE = """
class App:
    def __init__(self, label): self.label = label
    def __call__(self, environ, start_response): return []
    def make(self): return MADE
MADE = App("made")
MADE.wsgi = App("made.wsgi")
app = App("app")
application = App("application")
site = App("site")
site.inner = App("site.inner")
shadow = App("attribute")
def make(): return MADE
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Yield a function that writes files into an empty site, which is the current folder.

    Modules of the site are unloaded at the end.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(textwrap.dedent(text), encoding="utf-8")

    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def package(write: Write) -> None:
    """Write a package whose modules hold labelled apps, and a module with the same content."""
    write("plain.py", PACKAGE)
    write("pkg/__init__.py", "from pkg.mod import App\nshadow = App('attribute')\nshadow.app = 1\n")
    write("pkg/mod.py", PACKAGE)
    write("pkg/shadow.py", "from pkg.mod import App\napp = App('submodule')\n")
    write("pkg/deep/__init__.py", "")
    write("pkg/deep/last.py", "from pkg.mod import App\nwsgi = App('deep')\n")


@pytest.fixture
def wfastcgi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the real wfastcgi, loaded on any system, with the site on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    if sys.platform != "win32":
        monkeypatch.setattr(ctypes, "windll", wfastcgi_child._WinDLL(), raising=False)
    return importlib.import_module("wfastcgi")


def load_error(name: str) -> AppLoadError:
    with pytest.raises(AppLoadError) as caught:
        load_app(name)
    assert repr(name.strip()) in caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "label"),
    [
        pytest.param("plain:site", "site", id="attribute"),
        pytest.param("plain:site.inner", "site.inner", id="dotted-attribute"),
        pytest.param("plain:make()", "made", id="factory"),
        pytest.param("plain:site.make()", "made", id="factory-of-an-attribute"),
        pytest.param("plain:make().wsgi", "made.wsgi", id="attribute-of-what-a-factory-made"),
        pytest.param("pkg.mod:site", "site", id="attribute-in-a-package"),
        pytest.param("pkg:mod.site", "site", id="submodule-as-attribute"),
        pytest.param("pkg:deep.last.wsgi", "deep", id="submodules-not-imported-yet"),
        pytest.param("plain", "app", id="module-app-before-application"),
        pytest.param("pkg.mod", "app", id="module-in-a-package"),
        pytest.param("  plain:site\n", "site", id="blanks-around"),
        pytest.param("pkg.mod.site.inner", "site.inner", id="handler-attributes"),
    ],
)
def test_every_way_to_name_an_app(name: str, label: str) -> None:
    """A name returns the app that the grammar of names specifies."""
    assert load_app(name).label == label  # type: ignore[attr-defined]


def test_module_without_app_gives_its_application(write: Write) -> None:
    """`application` is used if there is no `app`, or if `app` cannot be called."""
    write("only.py", f"app = 'a name'\ndef application{TWO}")
    assert load_app("only") is sys.modules["only"].application


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("plain.app", id="module.attr"),
        pytest.param("plain.site.inner", id="module.attr.attr"),
        pytest.param("plain.make()", id="module.call"),
        pytest.param("plain.make().wsgi", id="module.call.attr"),
        pytest.param("plain.make().make()", id="module.call.call"),
        pytest.param("plain.site.make().wsgi", id="module.attr.call.attr"),
        pytest.param("pkg.mod.app", id="package.module.attr"),
        pytest.param("pkg.mod.make().wsgi", id="package.module.call.attr"),
        pytest.param("pkg.deep.last.wsgi", id="package.package.module.attr"),
        pytest.param("pkg.shadow", id="attribute-before-submodule-of-its-name"),
        pytest.param("pkg.shadow.app", id="submodule-when-more-follows"),
    ],
)
def test_dotted_names_are_resolved_as_wfastcgi_does(name: str, wfastcgi: ModuleType) -> None:
    """For a WSGI_HANDLER, the real wfastcgi returns the same object."""
    theirs = wfastcgi.get_wsgi_handler(name)
    assert callable(theirs)
    assert load_app(name) is theirs


def test_django_handler_gives_a_django_app(write: Write) -> None:
    """`django.core.wsgi.get_wsgi_application()` is called, once Django knows its settings."""
    write("conf.py", "SECRET_KEY = 'x'\n")
    code = (
        "from appsvc_runtime.apps.load import load_app\n"
        "print(type(load_app('django.core.wsgi.get_wsgi_application()')).__name__)"
    )
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "conf"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("WSGIHandler\n", "")


def test_site_is_searched_for_the_app(write: Write, tmp_path: Path) -> None:
    """An app in `site` is found from any folder, and `site` is added to the path once."""
    write("elsewhere/there.py", f"def app{TWO}")
    for _ in range(2):
        assert callable(load_app("there", tmp_path / "elsewhere"))
    assert sys.path.count(str(tmp_path / "elsewhere")) == 1


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("", "is not the name of an app", id="empty"),
        pytest.param(":app", "is not the name of an app", id="no-module"),
        pytest.param("plain:", "is not the name of an app", id="no-attribute"),
        pytest.param("absent:app", "there is no module 'absent'", id="missing-module"),
        pytest.param("absent.app", "there is no module 'absent'", id="missing-module-dotted"),
        pytest.param("pkg.absent:app", "there is no module 'pkg.absent'", id="missing-submodule"),
        pytest.param("make().app", "there is no module 'make'", id="call-without-a-module"),
        pytest.param("plain:absent", "'plain' has no 'absent'", id="missing-attribute"),
        pytest.param("pkg.mod.absent", "'pkg.mod' has no 'absent'", id="missing-attribute-dotted"),
        pytest.param("plain:site.absent", "'App' has no 'absent'", id="missing-inner-attribute"),
        pytest.param("pkg", "has neither `app` nor `application`", id="module-without-app"),
        pytest.param("plain:App", "but a class", id="class"),
        pytest.param("plain:site.label", "but a str", id="not-callable"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_was_looked_for(name: str, said: str) -> None:
    """The message names the app, the missing part and what to do; it needs no traceback."""
    error = load_error(name)
    assert said in error.message
    assert error.details == ""


FLASK = "from flask import Flask, current_app, g, request, session\n"


@pytest.mark.parametrize(
    ("text", "advised"),
    [
        pytest.param(FLASK + "application = Flask(__name__)", "main:application", id="flask"),
        pytest.param(
            "from appsvc_runtime import AppServiceMiddleware\n"
            + FLASK
            + "site = AppServiceMiddleware(Flask(__name__))",
            "main:site",
            id="wrapped",
        ),
        pytest.param("from fastapi import FastAPI\napi = FastAPI()", "main:api", id="fastapi"),
        pytest.param(FLASK + "def create_app(): return Flask('x')", "main:create_app()", id="made"),
        pytest.param("def serve" + TWO, "main:serve", id="function"),
    ],
)
@pytest.mark.parametrize("name", ["main:app", "main.app"])
def test_app_of_another_name_is_advised(write: Write, text: str, advised: str, name: str) -> None:
    """Frameworks' names that stand for a request, which is not there, are passed over."""
    write("main.py", f"{text}\n")
    with pytest.raises(AppLoadError) as caught:
        load_app(name)
    assert caught.value.message == (f"The app {name!r} cannot be loaded: 'main' has no 'app'.")
    assert f"name it as `{advised}`" in caught.value.hint


@pytest.mark.parametrize("load", [load_app, load_any])
@pytest.mark.parametrize("name", ["current_app", "g", "request", "session"])
def test_object_that_raises_when_looked_at_is_refused(
    write: Write, name: str, load: Callable[[str], object]
) -> None:
    """The message is one sentence of ours, not the framework's traceback."""
    write("main.py", FLASK)
    with pytest.raises(AppLoadError, match=f"'main:{name}' is no") as caught:
        load(f"main:{name}")
    assert "\n" not in str(caught.value)


def test_missing_module_says_where_it_was_looked_for(write: Write, tmp_path: Path) -> None:
    """The message has the folder that was searched."""
    assert f"'{tmp_path}'" in load_error("absent:app").message


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        pytest.param("broken:app", "import absent_lib", "absent_lib", id="missing-package"),
        pytest.param("broken", "import absent_lib", "absent_lib", id="missing-package-by-module"),
        pytest.param("broken:app", "import absent.lib.x", "absent", id="nested-missing-package"),
        pytest.param("broken:app", "import json.absent", "json.absent", id="missing-in-a-package"),
        pytest.param("broken:app", "from json import absent", "ImportError", id="missing-name"),
        pytest.param("broken:app", "app = (", "SyntaxError", id="syntax-error"),
        pytest.param("broken:app", "raise SystemExit(3)", "SystemExit: 3", id="exit-at-import"),
        pytest.param("broken:app", "1 / 0", "ZeroDivisionError", id="error-at-import"),
        pytest.param(
            "broken:make()", "def make(): 1 / 0", "calling broken.make()", id="factory-raises"
        ),
        pytest.param(
            "broken:make()", "def make(): raise SystemExit", "SystemExit", id="factory-exits"
        ),
        pytest.param(
            "broken.make()", "def make(): import absent_lib", "absent_lib", id="factory-imports"
        ),
        pytest.param(
            "broken:lazy", "def __getattr__(name): 1 / 0", "broken.lazy", id="getattr-raises"
        ),
    ],
)
def test_error_inside_the_app_is_shown_as_it_is(
    write: Write, name: str, source: str, said: str
) -> None:
    """The app's own error has its traceback, and is not reported as a missing module."""
    write("broken.py", source)
    error = load_error(name)
    assert said in error.message
    assert "no module 'broken'" not in error.message
    assert error.__cause__ is not None
    assert type(error.__cause__).__name__ in error.details
    assert "broken.py" in error.details
    assert "appsvc_runtime" not in error.details
    assert str(error).endswith(error.details.rstrip())


@pytest.mark.parametrize(
    "name", [pytest.param("own.main:app", id="colon"), pytest.param("own.main.app", id="dotted")]
)
def test_missing_sibling_is_the_apps_own_error(write: Write, name: str) -> None:
    """If a module of the package imports a missing module, the message names both and the line."""
    write("own/__init__.py", "")
    write("own/main.py", "import own.absent\n")
    error = load_error(name)
    assert "own.absent" in error.message
    assert "import own.absent" in error.details
    assert "no 'absent' in it" in error.hint


@pytest.mark.parametrize(
    ("signature", "hint"),
    [
        pytest.param("make()", "`shop:make()`", id="no-arguments"),
        pytest.param("make(config=None)", "`shop:make()`", id="optional-argument"),
        pytest.param("make(config)", "module:app", id="one-argument"),
    ],
)
@pytest.mark.parametrize(
    "name", [pytest.param("shop:make", id="colon"), pytest.param("shop.make", id="dotted")]
)
def test_factory_that_is_not_called_is_told_from_an_app(
    write: Write, name: str, signature: str, hint: str
) -> None:
    """A function that cannot take a request is refused.

    The hint is to add `()` if it can be called.
    """
    write("shop.py", f"def {signature}: return None\n")
    error = load_error(name)
    assert "does not take environ and start_response" in error.message
    assert hint in error.hint


def test_decorated_view_is_an_app(write: Write) -> None:
    """werkzeug's decorator turns a function with one argument into an app."""
    write("deco.py", "from werkzeug import Request\n@Request.application\ndef app(request): 1\n")
    assert load_app("deco:app") is sys.modules["deco"].app


def test_class_made_per_request_is_an_app(write: Write) -> None:
    """PEP 3333's AppClass is called for each request."""
    write("per.py", "class App:\n def __init__(self, env, start): 0\n def __iter__(self): 0\n")
    assert load_app("per:App") is sys.modules["per"].App


ASYNC_CALL = "class A:\n async def __call__(self, scope, receive, send): 0\n"
PLAIN_CALL = "class A:\n def __call__(self, scope, receive, send): 0\n"


@pytest.mark.parametrize(
    ("name", "source", "served"),
    [
        pytest.param("api:app", "async def app(scope, r, s): 0", "api:app", id="async-function"),
        pytest.param("api:app", f"{ASYNC_CALL}app = A()", "api:app", id="async-call"),
        pytest.param("api:app", f"{PLAIN_CALL}app = A()", "api:app", id="scope-first"),
        pytest.param("api:app", "def app(scope, r, s): 0", "api:app", id="function-of-scope"),
        pytest.param("api", f"{ASYNC_CALL}app = A()", "api:app", id="by-module"),
        pytest.param("api.app", f"{ASYNC_CALL}app = A()", "api:app", id="by-dotted-name"),
        pytest.param("api.make()", f"{ASYNC_CALL}make = A", "api:make()", id="by-factory"),
    ],
)
def test_asgi_app_is_refused_with_what_would_serve_it(
    write: Write, name: str, source: str, served: str
) -> None:
    """The message has a command that gunicorn understands, whatever form the name has."""
    write("api.py", source)
    error = load_error(name)
    assert "is an ASGI app" in error.message
    assert f"`gunicorn -k uvicorn_worker.UvicornWorker {served}`" in error.hint
