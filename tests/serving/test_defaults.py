"""The settings of each server for tables of environments; our own numbers only by relation."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from waitress.adjustments import Adjustments

from appsvc_runtime.errors import ConfigError
from appsvc_runtime.serving import defaults
from appsvc_runtime.serving.servers import SERVERS
from appsvc_runtime.system import process
from tests.support.plans import planned, settings_of

MULTI = "PYTHON_ENABLE_GUNICORN_MULTIWORKERS"
WORKERS = "PYTHON_GUNICORN_CUSTOM_WORKER_NUM"
THREADS = "PYTHON_GUNICORN_CUSTOM_THREAD_NUM"
STOP_LIMIT = "WEBSITES_CONTAINER_STOP_TIME_LIMIT"


def gunicorn(environ: dict[str, str], cores: int | None = 3) -> dict[str, Any]:
    return settings_of(environ, "gunicorn", cores=cores)


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")
@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="nothing"),
        pytest.param({MULTI: "true", WORKERS: "7", THREADS: "9", "PORT": "81"}, id="platform"),
        pytest.param({"APPSVC_WORKERS": "1", "APPSVC_GRACEFUL_TIMEOUT": "0"}, id="ours"),
    ],
)
def test_gunicorn_takes_every_setting(environ: dict[str, str]) -> None:
    """Each name is one of gunicorn's own, and its value is one that gunicorn accepts."""
    from gunicorn.config import Config

    config = Config()
    for name, value in gunicorn(environ).items():
        if name in ("control_socket_disable", "forwarder_headers") and name not in config.settings:
            continue  # older releases lack some settings, and ignore unknown names
        config.set(name, value)
        # gunicorn converts these to lists, which are empty for an empty text.
        is_list = name in ("forwarded_allow_ips", "forwarder_headers")
        assert config.settings[name].get() == ([] if is_list else value)


def test_waitress_takes_every_setting() -> None:
    """Each is one of waitress's own adjustments, and keeps its value."""
    settings = settings_of({}, "waitress")
    adjustments = Adjustments(**settings)
    assert {name: getattr(adjustments, name) for name in settings} == settings


def test_only_the_middleware_decides_about_forwarded_headers() -> None:
    """gunicorn and uvicorn trust no peer themselves; waitress leaves the headers unchanged."""
    settings = gunicorn({"FORWARDED_ALLOW_IPS": "*"})
    assert settings["secure_scheme_headers"] == {}
    assert settings["forwarded_allow_ips"] == settings["forwarder_headers"] == ""
    settings = settings_of({"FORWARDED_ALLOW_IPS": "*"}, "uvicorn")
    assert (settings["proxy_headers"], settings["forwarded_allow_ips"]) == (False, "")
    assert settings_of({}, "waitress")["clear_untrusted_proxy_headers"] is False


def test_slow_visitors_do_not_block_the_rest() -> None:
    """There are more threads than workers.

    Waitress accepts more connections than its default of 100.
    """
    settings = gunicorn({})
    util = pytest.importorskip("gunicorn.util")
    from gunicorn.workers.gthread import ThreadWorker

    from appsvc_runtime.serving.gunicorn import worker

    assert issubclass(util.load_class(worker.name()), ThreadWorker)
    assert settings["threads"] > settings["workers"] >= 1
    limits = settings_of({}, "waitress")
    assert limits["threads"] > 1
    assert limits["connection_limit"] > 100
    assert limits["connection_limit"] > limits["threads"]


def test_logs_and_time_limits() -> None:
    """Both logs go to standard streams, with the client's address.

    The limit is the platform's 600 s.
    """
    settings = gunicorn({})
    assert settings["accesslog"] == settings["errorlog"] == "-"
    assert settings["access_log_format"].startswith("%(h)s ")
    assert settings["timeout"] == 600
    assert settings["graceful_timeout"] < settings["timeout"]
    assert settings["worker_tmp_dir"] == process.memory_folder()


@pytest.mark.parametrize(
    ("environ", "bind"),
    [
        pytest.param({}, "0.0.0.0:8000", id="default"),
        pytest.param({"PORT": "81"}, "0.0.0.0:81", id="PORT"),
        pytest.param({"SERVER_PORT": "x", "HTTP_PLATFORM_PORT": "x"}, "0.0.0.0:8000", id="others"),
    ],
)
def test_gunicorn_listens_where_the_container_says(environ: dict[str, str], bind: str) -> None:
    """It listens on every address, on PORT and no other variable."""
    assert gunicorn(environ)["bind"] == [bind]


ALL = {MULTI: "true", WORKERS: "7", THREADS: "9"}


@pytest.mark.parametrize(
    ("environ", "workers", "threads"),
    [
        pytest.param({**ALL}, 7, 9, id="platform"),
        pytest.param({**ALL, MULTI: "TRUE"}, 7, 9, id="switch-in-capitals"),
        pytest.param({**ALL, MULTI: "false"}, None, None, id="switched-off"),
        pytest.param({**ALL, MULTI: "1"}, 7, 9, id="switch-is-one-of-gos-booleans"),
        pytest.param({**ALL, MULTI: "t"}, 7, 9, id="switch-is-a-letter"),
        pytest.param({**ALL, MULTI: "yes"}, None, None, id="switch-is-no-boolean"),
        pytest.param({WORKERS: "7", THREADS: "9"}, None, None, id="no-switch"),
        pytest.param({WORKERS: "x", THREADS: "x"}, None, None, id="no-switch-not-even-read"),
        pytest.param({MULTI: "true"}, 2 * 3 + 1, None, id="platform-formula"),
        pytest.param({MULTI: "true", THREADS: "9"}, 2 * 3 + 1, 9, id="platform-threads"),
        pytest.param({"WEB_CONCURRENCY": "5"}, 5, None, id="WEB_CONCURRENCY"),
        pytest.param({"WEB_CONCURRENCY": "5", **ALL}, 7, 9, id="platform-over-WEB_CONCURRENCY"),
        pytest.param({"WEB_CONCURRENCY": ""}, None, None, id="empty-is-not-set"),
        pytest.param(
            {**ALL, "APPSVC_WORKERS": "1", "APPSVC_THREADS": "2", "WEB_CONCURRENCY": "5"},
            1,
            2,
            id="ours-over-all",
        ),
    ],
)
def test_who_says_the_numbers(
    environ: dict[str, str], workers: int | None, threads: int | None
) -> None:
    """The order is: APPSVC_*, the platform's if switched on, gunicorn's own, ours."""
    ours, settings = gunicorn({}), gunicorn(environ)
    assert settings["workers"] == (workers or ours["workers"])
    assert settings["threads"] == (threads or ours["threads"])
    assert workers != ours["workers"]
    assert threads != ours["threads"]


def test_workers_follow_the_cores_up_to_a_limit() -> None:
    """The number grows with the cores up to the limit; the default is the machine's own count."""
    chosen = [gunicorn({}, cores)["workers"] for cores in range(1, 65)]
    assert chosen == sorted(chosen)
    assert 1 <= chosen[0] <= chosen[-1] == defaults.MAX_WORKERS
    assert gunicorn({}, None) == gunicorn({}, process.cpu_count())


@pytest.mark.parametrize("limit", [None, "2", "5", "30", "120"])
def test_gunicorn_stops_before_the_platform_kills(limit: str | None) -> None:
    """Running requests get almost all of the time, and never the whole of it."""
    seconds = gunicorn({STOP_LIMIT: limit} if limit else {})["graceful_timeout"]
    assert 1 <= seconds < int(limit or 5)


def test_stop_limit_counts_as_far_as_the_platform_takes_it() -> None:
    """The platform waits 120 seconds at most, whatever is set."""
    longest = gunicorn({STOP_LIMIT: "120"})["graceful_timeout"]
    assert gunicorn({STOP_LIMIT: "1800"})["graceful_timeout"] == longest < 120


def test_graceful_timeout_of_the_user_counts() -> None:
    """All servers use APPSVC_GRACEFUL_TIMEOUT unchanged; 0 is a valid number."""
    environ = {"APPSVC_GRACEFUL_TIMEOUT": "0", STOP_LIMIT: "60"}
    assert gunicorn(environ)["graceful_timeout"] == 0
    for server in SERVERS:
        for container in (True, False):
            plan = planned(environ, server, container=container)
            assert plan.graceful_seconds == 0
            plan = planned(environ, server, container=container, graceful_timeout=3)
            assert plan.graceful_seconds == 3
        plan = planned({STOP_LIMIT: "60"}, server, container=False)
        assert plan.graceful_seconds == defaults.GRACEFUL_SECONDS


@pytest.mark.parametrize(
    ("environ", "argument", "threads"),
    [
        pytest.param({"APPSVC_THREADS": "3"}, 5, 5, id="argument"),
        pytest.param({"APPSVC_THREADS": "3"}, None, 3, id="variable"),
        pytest.param({**ALL}, None, defaults.WAITRESS_THREADS, id="not-gunicorns"),
    ],
)
def test_threads_of_waitress(environ: dict[str, str], argument: int | None, threads: int) -> None:
    """The order is: argument, APPSVC_THREADS, ours; gunicorn's variables have no effect."""
    assert settings_of(environ, "waitress", threads=argument)["threads"] == threads


BAD = ("0", "-1", "+2", "1_0", "٢", "2.0", "many", "9" * 5000)


@pytest.mark.parametrize(
    "name",
    ["APPSVC_WORKERS", "APPSVC_THREADS", "WEB_CONCURRENCY", "PORT", WORKERS, THREADS, STOP_LIMIT],
)
def test_bad_number_is_refused_by_name(name: str) -> None:
    """The message has the variable, and nothing is started."""
    for value in BAD:
        with pytest.raises(ConfigError, match=rf"\b{name}\b"):
            gunicorn({MULTI: "false" if name == "WEB_CONCURRENCY" else "true", name: value})


def test_bad_thread_number_is_refused_for_waitress() -> None:
    """The variable and the message are the same."""
    with pytest.raises(ConfigError, match="APPSVC_THREADS"):
        settings_of({"APPSVC_THREADS": "many"}, "waitress")
