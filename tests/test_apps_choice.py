"""`choose_app` and `wrap_once`: which app is served, and that it is behind one middleware."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.apps import choose_app, is_wrapped, wrap_once
from appsvc_runtime.errors import AppLoadError, ConfigError

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
    """The argument, APPSVC_APP, WSGI_HANDLER unless it is ourselves, detection, in this order."""
    (tmp_path / "app.py").write_text("app = 1\n")
    choice = choose_app(tmp_path, environ, argument)
    assert choice.name == name
    assert choice.reason


def test_setting_that_names_ourselves_is_refused() -> None:
    """`application` would load itself and never answer."""
    with pytest.raises(ConfigError, match="APPSVC_APP"):
        choose_app(".", {"APPSVC_APP": "appsvc_runtime.wsgi:application"})


def test_nothing_found_says_what_was_looked_at(tmp_path: Path) -> None:
    """The message names the folder and each rule's finding; the hint what nearly was one."""
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (tmp_path / "src" / "shop" / "wsgi.py").touch()
    with pytest.raises(AppLoadError) as caught:
        choose_app(tmp_path, {})
    assert repr(str(tmp_path)) in caught.value.message
    assert "Django" in caught.value.message
    assert "Flask" in caught.value.message
    assert "src/shop/wsgi.py lies too deep" in caught.value.hint
    assert "APPSVC_APP" in caught.value.hint


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    return []


def wrapped_flask(wrap: Callable[[Any], Any]) -> Any:
    app = importlib.import_module("flask").Flask("shop")
    app.wsgi_app = wrap(app.wsgi_app)
    return app


def wrapped_django(wrap: Callable[[Any], Any]) -> Any:
    handler = importlib.import_module("django.core.handlers.wsgi").WSGIHandler
    app = handler.__new__(handler)  # without reading settings
    return wrap(app)


def under_whitenoise(wrap: Callable[[Any], Any]) -> Any:
    return importlib.import_module("whitenoise").WhiteNoise(wrap(wsgi_app))


def cyclic(wrap: Callable[[Any], Any]) -> Any:
    first, second = (type("Layer", (), {"__call__": wsgi_app})() for _ in range(2))
    first.app, second.app, second.wrapped = second, first, wrap(wsgi_app)
    return first


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda wrap: wrap(wsgi_app), id="by-hand"),
        pytest.param(wrapped_flask, id="flask"),
        pytest.param(wrapped_django, id="django"),
        pytest.param(under_whitenoise, id="whitenoise-around"),
        pytest.param(cyclic, id="cyclic"),
    ],
)
def test_app_is_wrapped_once(make: Callable[[Callable[[Any], Any]], Any]) -> None:
    """An app that holds a middleware is given back as it is; the same without one gets one."""
    done = make(AppServiceMiddleware)
    assert is_wrapped(done)
    assert wrap_once(done) is done
    bare = make(lambda app: app)
    assert not is_wrapped(bare)
    wrapped = wrap_once(bare)
    assert isinstance(wrapped, AppServiceMiddleware)
    assert wrapped.app is bare


class Anything:
    """A proxy without a `__dict__` that has every attribute."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return lambda *_: name


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(Mock(), id="mock"),
        pytest.param(MagicMock(), id="magic-mock"),
        pytest.param(Anything(), id="proxy-with-every-attribute"),
        pytest.param(None, id="none"),
    ],
)
def test_strange_objects_are_not_wrapped(strange: Any) -> None:
    """Whatever an object answers when asked for attributes, it is no middleware."""
    assert not is_wrapped(strange)
