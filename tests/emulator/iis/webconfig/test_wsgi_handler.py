"""Values of WSGI_HANDLER that wfastcgi cannot import, or that it calls in the wrong way."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.iis.webconfig.wsgi_handler import wsgi_handler_problem


@pytest.mark.parametrize(
    "value",
    [
        "app.app",
        "app.create_app()",
        "django.core.handlers.wsgi.WSGIHandler()",
        "ptvs_virtualenv_proxy.get_venv_handler()",
        "a.b().c",
        "paquete.aplicación",
        "appsvc_runtime.wsgi.application",
    ],
)
def test_values_that_can_be_imported(value: str) -> None:
    """Names with dots, each of which may be called."""
    assert wsgi_handler_problem(value) is None


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        pytest.param("app:app", "WSGI_HANDLER=app.app.", id="colon"),
        pytest.param("shop.wsgi:application", "WSGI_HANDLER=shop.wsgi.application.", id="dots"),
        pytest.param("app:create_app()", "WSGI_HANDLER=app.create_app().", id="factory"),
        pytest.param("app:create_app('x')", "WSGI_HANDLER=app.create_app().", id="arguments"),
        pytest.param("app.py", "WSGI_HANDLER=app.app.", id="file"),
        pytest.param("app.py:server", "WSGI_HANDLER=app.server.", id="file-and-name"),
        pytest.param("src/app.app", "WSGI_HANDLER=src.app.app.", id="slash"),
        pytest.param(r"src\app:app", "WSGI_HANDLER=src.app.app.", id="backslash"),
        pytest.param(" app.app", "WSGI_HANDLER=app.app.", id="blank"),
        pytest.param("app", "app.create_app()", id="module-only"),
        pytest.param("%APP%", "app.create_app()", id="variable"),
        pytest.param("a.b" + "()" * 60, "WSGI_HANDLER=a.b().", id="called-again"),
        pytest.param("a" * 900 + ":b", "app.create_app()", id="long"),
    ],
)
def test_values_that_cannot_be_imported(value: str, hint: str) -> None:
    """wfastcgi splits at the last dot; the hint has the value that was probably meant."""
    found = wsgi_handler_problem(value)
    assert found is not None
    assert found.level == "error"
    assert hint in found.hint
    assert len(str(found)) < 300


@pytest.mark.parametrize("value", ["app.", "a" * 5000 + ".", "a." * 3000 + "(", "(" * 3000])
def test_values_of_any_length(value: str) -> None:
    """No expression takes the square of a text's length, or more."""
    assert wsgi_handler_problem(value) is not None


APP = "app = Flask(__name__)\n"
FACTORY = "def create_app(config=None):\n    return Flask(__name__)\n"


@pytest.mark.parametrize(
    ("value", "text", "hint"),
    [
        pytest.param("app.app()", APP, "WSGI_HANDLER=app.app, without", id="app-called"),
        pytest.param("app.app()", "app: Flask = flask.Flask('x')", "without", id="annotated"),
        pytest.param("app.app()", "import app\n" + APP, "", id="bound-twice"),
        pytest.param("app.app()", "from x import *\n" + APP, "", id="star"),
        pytest.param("app.app()", "if X:\n    app = f\n" + APP, "", id="bound-below-an-if"),
        pytest.param("app.app()", "app = functools.partial(make, 1)", "", id="partial"),
        pytest.param("app.app()", "app = lambda: Flask('x')", "", id="lambda"),
        pytest.param("app.app()", "class app: pass", "", id="class"),
        pytest.param("app.app()", "app = (", "", id="no-python"),
        pytest.param("app.app()", None, "", id="no-file"),
        pytest.param("app.app", APP, "", id="app"),
        pytest.param("app.create_app", FACTORY, "create_app(), with", id="factory-not-called"),
        pytest.param("app.create_app()", FACTORY, "", id="factory"),
        pytest.param("app.app", "def app(environ, start_response): pass", "", id="wsgi-function"),
        pytest.param("app.app", "def app(environ, start=None): pass", "", id="two-parameters"),
        pytest.param("app.app", "def app(*args): pass", "", id="any-parameters"),
        pytest.param("app.app", "@wsgi\ndef app(): pass", "", id="decorated"),
        pytest.param("app.app().x", APP, "", id="further-names"),
    ],
)
def test_whether_the_app_is_to_be_called(value: str, text: str | None, hint: str) -> None:
    """The site's text tells; where it does not tell for certain, nothing is reported."""
    asked: list[str] = []

    def source(path: str) -> str | None:
        asked.append(path)
        return text if path == "app.py" else None

    found = wsgi_handler_problem(value, source)
    if hint:
        assert found is not None
        assert found.level == "warning"
        assert hint in found.hint
        assert asked == ["app.py"]
    else:
        assert found is None


def test_a_module_in_a_package() -> None:
    """Its file has a Windows path; a package's own file is read too."""
    files = {r"shop\web\__init__.py": APP}
    found = wsgi_handler_problem("shop.web.app()", files.get)
    assert found is not None
    assert found.level == "warning"


def test_an_asgi_app() -> None:
    """The error names what can serve it; our own entry point is not looked at."""
    found = wsgi_handler_problem("main.app", is_asgi=lambda name: name == "main.app")
    assert found is not None
    assert found.level == "error"
    assert "httpPlatformHandler" in found.hint
    assert wsgi_handler_problem("appsvc_runtime.wsgi.application", is_asgi=lambda _: True) is None
