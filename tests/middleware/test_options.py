"""One resolution of the middlewares' options: argument, variable, default."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from appsvc_runtime import AppServiceASGIMiddleware, AppServiceMiddleware, ConfigError, Health
from appsvc_runtime.middleware.options import VARIABLES, MiddlewareOptions
from appsvc_runtime.settings.options import OPTIONS
from tests.support.wsgi import APP_SERVICE, HTTP_PLATFORM

# For each argument: a value in code, a value of its variable, and the attribute that shows it.
ROWS: list[Any] = [
    ("trusted_proxies", ["10.0.0.1"], "10.0.0.2", "trusted", ("10.0.0.1",), "10.0.0.2"),
    ("hops", 3, "4", "hops", 3, 4),
    ("front_door_id", "A", "B", "front_door_id", "a", "b"),
    ("host_header", "X-A", "X-B", "host_key", "HTTP_X_A", "HTTP_X_B"),
    ("client_header", "X-A", "X-B", "client_key", "HTTP_X_A", "HTTP_X_B"),
    ("path_prefix", False, "true", "path_prefix", False, True),
    ("application_path", "/a", "/b", "application_path", "/a", "/b"),
    ("arr_ssl", False, "true", "arr_ssl", False, True),
    ("fastcgi_identity", False, "true", "fastcgi_identity", False, True),
    ("remote_user", False, "name", "remote_user", "", "name"),
    ("require_login", "aad", "401", "require_login", "aad", "401"),
    ("https_only", False, "true", "https_only", False, True),
    ("hsts_seconds", 1, "2", "hsts_seconds", 1, 2),
    ("access_log", False, "true", "access_log", False, True),
    ("pass_warmup", False, "true", "responds_to_warmup", True, False),
]


def names_of(middleware: Any) -> set[str]:
    return set(inspect.signature(middleware).parameters) - {"app", "environ", "health"}


def test_the_constructors_have_the_options_of_the_table() -> None:
    """Each option is an argument, and each argument an option; ASGI lacks those of WSGI."""
    assert names_of(AppServiceMiddleware) == VARIABLES.keys() == {row[0] for row in ROWS}
    only_wsgi = {"fastcgi_identity", "remote_user"}
    assert names_of(AppServiceASGIMiddleware) == VARIABLES.keys() - only_wsgi
    assert set(VARIABLES.values()) <= OPTIONS.keys()


@pytest.mark.parametrize(
    ("name", "argument", "variable", "attribute", "by_argument", "by_variable"),
    [pytest.param(*row, id=row[0]) for row in ROWS],
)
def test_an_argument_goes_before_its_variable(
    name: str, argument: Any, variable: str, attribute: str, by_argument: Any, by_variable: Any
) -> None:
    """The variable takes precedence over the default."""
    site = {**APP_SERVICE, VARIABLES[name]: variable}
    assert getattr(MiddlewareOptions({name: argument, "environ": site}), attribute) == by_argument
    assert getattr(MiddlewareOptions({"environ": site}), attribute) == by_variable


def test_options_cannot_be_changed() -> None:
    """Attributes can be neither replaced nor added."""
    options = MiddlewareOptions({"environ": APP_SERVICE})
    for name in ("hops", "health", "another"):
        with pytest.raises(AttributeError, match=f"{name} cannot be set"):
            setattr(options, name, 1)


def test_defaults_are_those_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Off the platform the middleware is inert.

    On the platform the front end is trusted, and under IIS one more proxy.
    """
    for name in (*APP_SERVICE, *VARIABLES.values()):
        monkeypatch.delenv(name, raising=False)
    home = MiddlewareOptions({})
    assert (home.inert, home.trusted, home.hops, home.arr_ssl) == (True, (), 1, False)
    assert not home.responds_to_warmup
    there = MiddlewareOptions({"environ": {**HTTP_PLATFORM, "HTTP_PLATFORM_TOKEN": "1"}})
    assert (there.inert, there.hops, there.arr_ssl, there.under_iis) == (False, 2, True, True)
    assert "169.254.0.0/16" in there.trusted
    nobody = MiddlewareOptions({"trusted_proxies": [], "environ": {}})
    assert (nobody.inert, nobody.trusted) == (False, ())


def test_https_is_not_asked_for_by_an_inert_one() -> None:
    """It cannot know the scheme that a client used."""
    assert not MiddlewareOptions({"https_only": True, "environ": {}}).https_only
    assert MiddlewareOptions({"https_only": True, "environ": APP_SERVICE}).https_only


def test_the_environment_is_read_when_a_middleware_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """`os.environ` is used if no other variables are passed."""
    monkeypatch.setenv("APPSVC_HSTS_SECONDS", "7")
    assert MiddlewareOptions({}).hsts_seconds == 7
    assert MiddlewareOptions({"environ": {}}).hsts_seconds != 7


@pytest.mark.parametrize("middleware", [AppServiceMiddleware, AppServiceASGIMiddleware])
def test_an_option_that_cannot_be_used_is_an_error(middleware: Any) -> None:
    """The error names the setting and not its value."""
    with pytest.raises(ConfigError, match="The setting APPSVC_FORWARDED_HOPS") as found:
        middleware(None, environ={"APPSVC_FORWARDED_HOPS": "secret"})
    assert "secret" not in str(found.value)
    with pytest.raises(ConfigError, match="The argument for APPSVC_FORWARDED_HOPS"):
        middleware(None, hops=0, environ={})
    with pytest.raises(ConfigError, match="not a Health but a str"):
        middleware(None, health="/healthz", environ={})


@pytest.mark.parametrize("middleware", [AppServiceMiddleware, AppServiceASGIMiddleware])
def test_a_misspelled_option_is_refused(middleware: Any) -> None:
    """Python itself raises the error, as the constructors have named arguments."""
    with pytest.raises(TypeError, match="pass_warmups"):
        middleware(None, pass_warmups=True)


def test_what_decides_alike_is_told_by_the_policy() -> None:
    """Options of responses are not part of the policy."""
    one = MiddlewareOptions({"environ": APP_SERVICE}).policy
    other = {"health": Health(), "https_only": True, "environ": APP_SERVICE}
    assert MiddlewareOptions(other).policy == one
    assert MiddlewareOptions({"hops": 2, "environ": APP_SERVICE}).policy != one
