"""`choose_app` and `wrap`: which app is served, and that it is behind one middleware."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.apps.load import choose_app, wrap
from appsvc_runtime.errors import AppLoadError, ConfigError
from tests.support.wsgi import APP_SERVICE, Recorder, make_environ

CHOICES = {"APPSVC_APP": "by:setting", "WSGI_HANDLER": "by.handler"}


@pytest.mark.parametrize(
    ("argument", "environ", "name"),
    [
        pytest.param("by:argument", CHOICES, "by:argument", id="argument-first"),
        pytest.param(None, CHOICES, "by:setting", id="then-APPSVC_APP"),
        pytest.param("", CHOICES, "by:setting", id="empty-argument-is-none"),
        pytest.param(None, {"WSGI_HANDLER": " by.handler "}, "by.handler", id="then-WSGI_HANDLER"),
        pytest.param(None, {**CHOICES, "APPSVC_APP": " "}, "by.handler", id="blank-is-not-set"),
        pytest.param(None, {}, "app:app", id="then-detection"),
        *(
            pytest.param(None, {"WSGI_HANDLER": ours}, "app:app", id=f"not-{ours}")
            for ours in (
                "appsvc_runtime.wsgi.application",
                "appsvc_runtime.wsgi:application",
                "appsvc_runtime.wsgi",
            )
        ),
        pytest.param(
            None, {"WSGI_HANDLER": "appsvc_runtime.wsgix.a"}, "appsvc_runtime.wsgix.a", id="not-us"
        ),
    ],
)
def test_who_names_the_app(
    tmp_path: Path, argument: str | None, environ: dict[str, str], name: str
) -> None:
    """The order is: argument, APPSVC_APP, WSGI_HANDLER unless it names this package, detection."""
    (tmp_path / "app.py").write_text("app = 1\n")
    choice = choose_app(tmp_path, environ, argument)
    assert choice.name == name
    assert choice.reason


def test_setting_that_names_ourselves_is_refused() -> None:
    """`application` would load itself and never respond."""
    with pytest.raises(ConfigError, match="APPSVC_APP"):
        choose_app(".", {"APPSVC_APP": "appsvc_runtime.wsgi:application"})


def test_no_secret_of_the_pre_run_command_is_shown(tmp_path: Path) -> None:
    """The message goes to the log of a container that does not start."""
    with pytest.raises(AppLoadError, match=r"export API_KEY=\*{8}") as caught:
        choose_app(tmp_path, {"PRE_RUN_COMMAND": "export API_KEY=S3cr3t"})
    assert "S3cr3t" not in str(caught.value)


def test_nothing_found_says_what_was_looked_at(tmp_path: Path) -> None:
    """The message has the folder, the hint the nearest candidate, the details the other rules."""
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (tmp_path / "src" / "shop" / "wsgi.py").touch()
    with pytest.raises(AppLoadError) as caught:
        choose_app(tmp_path, {})
    assert f"'{tmp_path}'" in caught.value.message
    assert "\n  - Django: " in str(caught.value)
    assert "\n  - Flask: " in str(caught.value)
    assert "src/shop/wsgi.py is too deep" in caught.value.hint
    assert caught.value.hint.endswith(" Or set APPSVC_APP to MODULE:APP.")
    (tmp_path / "src" / "shop" / "wsgi.py").unlink()
    with pytest.raises(AppLoadError, match="startup command, `exec appsvc serve MODULE:APP`, or"):
        choose_app(tmp_path, {})


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    return []


def wrapped_flask(wrap: Callable[[Any], Any]) -> Any:
    app = importlib.import_module("flask").Flask("shop")
    app.add_url_rule("/", view_func=lambda: "ok")
    app.wsgi_app = wrap(app.wsgi_app)
    return app


def under_whitenoise(wrap: Callable[[Any], Any]) -> Any:
    return importlib.import_module("whitenoise").WhiteNoise(wrap(Recorder()))


def in_a_closure(wrap: Callable[[Any], Any]) -> Any:
    inner = wrap(Recorder())
    return lambda environ, start_response: inner(environ, start_response)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(in_a_closure, id="closure"),
        pytest.param(wrapped_flask, id="flask"),
        pytest.param(under_whitenoise, id="whitenoise-around"),
    ],
)
def test_a_door_lets_the_users_own_middleware_have_its_word(
    make: Callable[[Callable[[Any], Any]], Any],
) -> None:
    """Its options apply wherever it is inside the app; there is no endless redirect to https."""
    app = make(
        lambda inner: AppServiceMiddleware(inner, trusted_proxies="*", https_only=True, environ={})
    )
    started: list[Any] = []
    environ = make_environ({"X-Forwarded-Proto": "https"}, REMOTE_ADDR="198.51.100.1")
    answer = wrap(app)(environ, lambda *arguments: started.append(arguments))  # type: ignore[arg-type]
    assert b"".join(answer) == b"ok"
    assert started[0][0].startswith("200")


def test_a_branch_that_is_not_wrapped_is_covered_by_the_door() -> None:
    """Apps mounted beside a wrapped app are behind the outer middleware as well."""
    seen: dict[str, Any] = {}

    def api(environ: Any, start_response: Any) -> list[bytes]:
        seen.update(environ)
        return wsgi_app(environ, start_response)

    app = DispatcherMiddleware(AppServiceMiddleware(wsgi_app, environ=APP_SERVICE), {"/api": api})
    door = AppServiceMiddleware(app, environ=APP_SERVICE)
    environ = make_environ({"X-Forwarded-Proto": "https"}, PATH_INFO="/api/x")
    door(environ, lambda *_: None)  # type: ignore[arg-type, return-value]
    assert (seen["wsgi.url_scheme"], seen["SCRIPT_NAME"]) == ("https", "/api")


def test_wrapping_what_is_wrapped_gives_it_back() -> None:
    """Wrapping adds nothing to a bare middleware."""
    done = AppServiceMiddleware(wsgi_app)
    assert wrap(done) is done
    assert isinstance(wrap(wsgi_app), AppServiceMiddleware)
