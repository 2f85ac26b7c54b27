"""Which requests have an access line: the option, probes, levels, two middlewares."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.middleware.access_log import LOGGER
from tests.support.servers import run
from tests.support.wsgi import APP_SERVICE, FRONT_END, Recorder, make_environ, send

VISITOR = {"X-Forwarded-For": "203.0.113.7:4711", "X-Forwarded-Proto": "https"}
Lines = Callable[[], list[str]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """Yield a function that returns the access lines so far.

    Restore the logger's level at the end.
    """
    logger = logging.getLogger(LOGGER)
    level = logger.level
    logger.setLevel(logging.NOTSET)
    yield lambda: [r.getMessage() for r in caplog.records if r.name == LOGGER]
    logger.setLevel(level)


def logged(app: Any, variables: dict[str, str] | None = None, **options: Any) -> Any:
    options = {"access_log": True, **options}
    return AppServiceMiddleware(app, environ={**APP_SERVICE, **(variables or {})}, **options)


def ask(middleware: Any, app: Recorder, **variables: Any) -> None:
    send(middleware, make_environ(VISITOR, **variables), app)


ASKED = [
    pytest.param(None, {}, 0, id="not-asked"),
    pytest.param(None, {"APPSVC_ACCESS_LOG": "1"}, 1, id="variable"),
    pytest.param(True, {}, 1, id="argument"),
    pytest.param(False, {"APPSVC_ACCESS_LOG": "1"}, 0, id="argument-before-variable"),
]


@pytest.mark.parametrize(("argument", "variables", "count"), ASKED)
def test_who_asks(
    argument: bool | None, variables: dict[str, str], count: int, lines: Lines
) -> None:
    """They are off by default, as gunicorn writes its own."""
    app = Recorder()
    ask(logged(app, variables, access_log=argument), app)
    assert len(lines()) == count


def test_the_root_loggers_level_is_for_the_app(
    lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    """Access lines are written with APPSVC_LOG_LEVEL=WARNING as well, if they are enabled."""
    caplog.set_level(logging.WARNING)
    caplog.handler.setLevel(logging.NOTSET)
    app = Recorder()
    ask(logged(app), app)
    assert len(lines()) == 1


def test_their_own_loggers_level_counts(lines: Lines) -> None:
    """The level of their logger switches them off, before or after the middleware is made."""
    logging.getLogger(LOGGER).setLevel(logging.WARNING)
    app = Recorder()
    middleware = logged(app)
    ask(middleware, app)
    assert lines() == []
    logging.getLogger(LOGGER).setLevel(logging.INFO)
    ask(middleware, app)
    assert len(lines()) == 1


def test_a_process_without_a_log_says_so() -> None:
    """The message is printed once, on standard error, and explains why no lines appear."""
    code = (
        "from tests.support.wsgi import Recorder, make_environ, send\n"
        "from appsvc_runtime import AppServiceMiddleware\n"
        "app = Recorder()\n"
        "wrapped = AppServiceMiddleware(app, access_log=True, environ={})\n"
        "for _ in range(3): send(wrapped, make_environ(), app)\n"
    )
    result = run("-c", code)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.count("configure_logging()") == 1


def test_two_middlewares_write_one_line(lines: Lines) -> None:
    """The entry point's middleware is around the user's own; either may have the option."""
    app = Recorder()
    for outer, inner in ((True, True), (True, False), (False, True)):
        ask(logged(logged(app, access_log=inner), access_log=outer), app)
    assert len(lines()) == 3
    assert all(line.startswith("203.0.113.7 https ") for line in lines())


def test_the_users_own_middleware_has_the_last_word(lines: Lines) -> None:
    """If its decision differs from that of the outer one, the line has what the app saw."""
    app = Recorder()
    inner = AppServiceMiddleware(app, environ={}, trusted_proxies="198.51.100.0/24")
    outer = AppServiceMiddleware(inner, environ={}, access_log=True)
    ask(outer, app, REMOTE_ADDR="198.51.100.9")
    assert app.environ["REMOTE_ADDR"] == "203.0.113.7"
    assert lines()[0].startswith("203.0.113.7 https ")


def test_an_app_that_moves_the_path_about(lines: Lines) -> None:
    """The line has the path of the request."""
    app = Recorder()

    def mount(environ: dict[str, Any], start_response: Any) -> Any:
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "", "/inner"
        return app(environ, start_response)

    logged(mount)(make_environ(VISITOR, PATH_INFO="/shop/x"), lambda *_: None).close()
    assert '"GET /shop/x HTTP/1.1"' in lines()[0]


PROBES = [
    pytest.param({"User-Agent": "AlwaysOn"}, "/", id="always-on"),
    pytest.param({"User-Agent": "HealthCheck/1.0"}, "/health", id="health-check"),
    pytest.param({"User-Agent": "ReadyForRequest/1.0 (HealthCheck)"}, "/", id="ready"),
    pytest.param({}, "/robots933456.txt", id="warm-up"),
]


@pytest.mark.parametrize(("headers", "path"), PROBES)
def test_probes(headers: dict[str, str], path: str, lines: Lines) -> None:
    """Probes from inside are left out unless enabled.

    A client with such headers is always logged.
    """
    app = Recorder()
    send(logged(app), make_environ(headers, PATH_INFO=path), app)
    assert lines() == []
    send(logged(app, {"APPSVC_LOG_PROBES": "1"}), make_environ(headers, PATH_INFO=path), app)
    assert [line.split()[0] for line in lines()] == [FRONT_END]
    send(logged(app), make_environ({**headers, **VISITOR}, PATH_INFO=path), app)
    assert [line.split()[0] for line in lines()] == [FRONT_END, "203.0.113.7"]


def test_another_warm_up_path(lines: Lines) -> None:
    """`WEBSITE_WARMUP_PATH` sets another path for the platform's warm-up request."""
    app = Recorder()
    middleware = logged(app, {"WEBSITE_WARMUP_PATH": "/ready"})
    send(middleware, make_environ(PATH_INFO="/ready"), app)
    send(middleware, make_environ(PATH_INFO="/robots933456.txt"), app)
    assert len(lines()) == 1
    assert "/robots933456.txt" in lines()[0]
