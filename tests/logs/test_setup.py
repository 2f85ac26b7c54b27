"""Setting up the log: the source of each option, repeated calls, and other handlers."""

from __future__ import annotations

import json
import logging
import logging.config
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime import ConfigError, configure_logging, dict_config, load_settings
from appsvc_runtime.logs import request_context as context
from appsvc_runtime.logs import setup
from appsvc_runtime.logs.file import SharedFileHandler
from appsvc_runtime.logs.stdout import StdoutHandler
from tests.support.servers import free_port, run

SITE = {"WEBSITE_SITE_NAME": "mysite", "WEBSITE_INSTANCE_ID": "0123456789abcdef"}


@pytest.fixture(autouse=True)
def put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore this process's logging and hooks."""
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, ("gunicorn.error", "gunicorn.access", "py.warnings"))]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    for module, name in ((sys, "excepthook"), (threading, "excepthook"), (context, "enabled"),
                         (sys, "unraisablehook"), (setup, "_hooked"),
                         (warnings, "showwarning")):  # fmt: skip
        monkeypatch.setattr(module, name, getattr(module, name))
    yield
    for one, handlers, level, propagate in before:
        for handler in set(one.handlers) - set(handlers):
            handler.close()
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)
    logging.captureWarnings(False)


def settings(**variables: str) -> Any:
    return load_settings(variables, dotenv=False)


def own_handlers() -> list[logging.Handler]:
    found = logging.getLogger().handlers
    return [one for one in found if isinstance(one, StdoutHandler | SharedFileHandler)]


# What is asked for by whom

LEVEL, SIZE, FILE = "APPSVC_LOG_LEVEL", "APPSVC_LOG_MAX_BYTES", "WSGI_LOG"
HERE = str(Path("x").absolute())
# The variable and what it gives, the argument and what that gives, and the default.
ROWS = [
    pytest.param(LEVEL, ("warn", "WARNING"), ("level", "debug", "DEBUG"), "INFO", id="level"),
    pytest.param(LEVEL, ("40", "ERROR"), ("level", 10, 10), "INFO", id="level-number"),
    pytest.param("APPSVC_LOG_FORMAT", ("JSON", "json"), ("format", "text", "text"), "text", id="f"),
    pytest.param(SIZE, ("1M", 1_048_576), ("max_bytes", 5, 5), 10_485_760, id="max_bytes"),
    pytest.param("APPSVC_LOG_BACKUPS", ("2", 2), ("backups", 0, 0), 5, id="backups"),
    pytest.param(FILE, ("/t/v", "/t/v"), ("file", "/t/a", "/t/a"), "", id="file"),
    pytest.param(FILE, ("x", HERE), ("file", Path("/t/a"), "/t/a"), "", id="path"),
    pytest.param(FILE, ("/t/v", "/t/v"), ("file", "", ""), "", id="standard-output"),
]


def planned(name: str, **arguments: Any) -> Any:
    config = dict_config(**arguments)
    if name == "APPSVC_LOG_LEVEL":
        return config["root"]["level"]
    key = {"APPSVC_LOG_FORMAT": "form", "WSGI_LOG": "file"}.get(name, name[11:].lower())
    return config["handlers"]["appsvc"][key]


@pytest.mark.parametrize(("name", "variable", "argument", "default"), ROWS)
def test_argument_before_variable_before_default(
    name: str, variable: tuple[str, Any], argument: tuple[str, Any, Any], default: Any
) -> None:
    """The order holds for each option; an empty variable counts as not set."""
    assert planned(name, settings=settings()) == default
    assert planned(name, settings=settings(**{name: ""})) == default
    for known in (settings(**{name: variable[0]}), settings(**{f"APPSETTING_{name}": variable[0]})):
        assert planned(name, settings=known) == variable[1]
        assert planned(name, settings=known, **{argument[0]: argument[1]}) == argument[2]


BAD = [
    pytest.param("APPSVC_LOG_LEVEL", "level", "LOUD", id="level"),
    pytest.param("APPSVC_LOG_LEVEL", "level", "-1", id="negative-level"),
    pytest.param("APPSVC_LOG_FORMAT", "format", "xml", id="format"),
    pytest.param("APPSVC_LOG_MAX_BYTES", "max_bytes", "-1", id="max_bytes"),
    pytest.param("APPSVC_LOG_MAX_BYTES", "max_bytes", "1T", id="unit"),
    pytest.param("APPSVC_LOG_BACKUPS", "backups", "many", id="backups"),
]


@pytest.mark.parametrize("function", [configure_logging, dict_config])
@pytest.mark.parametrize(("name", "argument", "text"), BAD)
def test_bad_values(function: Any, name: str, argument: str, text: str) -> None:
    """The error names the variable and not its value, and changes nothing."""
    before = logging.getLogger().handlers[:], logging.getLogger().level, sys.excepthook
    with pytest.raises(ConfigError, match=f"The setting {name} cannot be used") as caught:
        function(settings(**{name: text}))
    assert text not in str(caught.value).split()
    with pytest.raises(ConfigError, match=f"The argument for {name}"):
        function(settings(), **{argument: text})
    with pytest.raises(ConfigError):
        function(settings(), **{argument: True})
    assert caught.value.exit_code == 2
    assert (logging.getLogger().handlers, logging.getLogger().level, sys.excepthook) == before


def test_levels_of_ones_own() -> None:
    """Any number is a level, as in the standard library."""
    configure_logging(settings(), level=5)
    assert logging.getLogger().level == 5
    logging.config.dictConfig(dict_config(settings(), level=0))
    assert logging.getLogger().level == 0


@pytest.mark.integration
@pytest.mark.parametrize(
    "door",
    [
        pytest.param("-m appsvc_runtime serve app:app --host 127.0.0.1 --port {}", id="serve"),
        pytest.param(
            "-m gunicorn -c python:appsvc_runtime.gunicorn_conf -b 127.0.0.1:{} app:app",
            id="gunicorn",
        ),
    ],
)
def test_a_bad_value_that_a_door_reads(door: str, tmp_path: Path) -> None:
    """An entry point prints one sentence, without a traceback, and exits with 2."""
    (tmp_path / "app.py").write_text("def app(*_): return []\n")
    words = door.format(free_port()).split()
    result = run(*words, cwd=tmp_path, APPSVC_LOG_PROBES="maybe")
    assert result.returncode == 2
    assert "Error: The setting APPSVC_LOG_PROBES cannot be used" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_file_of_each_host(tmp_path: Path) -> None:
    """Standard output, except under wfastcgi, where it is lost: there LogFiles/python.log."""
    home = {**SITE, "HOME": str(tmp_path)}
    fastcgi = {**home, "_FCGI_SHUTDOWN_EVENT_": "1"}
    assert planned("WSGI_LOG", settings=settings(**home)) == ""
    assert planned("WSGI_LOG", settings=settings(**home, HTTP_PLATFORM_PORT="1")) == ""
    default = str(tmp_path / "LogFiles" / "python.log")
    assert planned("WSGI_LOG", settings=settings(**fastcgi)) == default
    assert planned("WSGI_LOG", settings=settings(**fastcgi, WSGI_LOG="/tmp/x")) == "/tmp/x"
    assert planned("WSGI_LOG", settings=settings(**fastcgi), file="") == ""
    (tmp_path / "LogFiles").mkdir()
    configure_logging(settings(**fastcgi))
    logging.getLogger("shop").info("Sold")
    assert "@01234567: Sold\n" in Path(default).read_text()


def test_a_relative_file_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file stays the same when the app changes its folder."""
    monkeypatch.chdir(tmp_path)
    config = dict_config(settings(WSGI_LOG="app.log"))
    monkeypatch.chdir("/")
    logging.config.dictConfig(config)
    logging.getLogger("shop").info("Sold")
    assert "Sold" in (tmp_path / "app.log").read_text()


# Once, and beside others


class Foreign(logging.Handler):
    """Another library's handler."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.closed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Record a log record."""
        self.records.append(record)

    def close(self) -> None:
        """Record that it was closed."""
        self.closed = True
        super().close()


def test_twice_adds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second call replaces the first one's handler; other handlers stay."""
    foreign = Foreign()
    logging.getLogger().addHandler(foreign)
    file = tmp_path / "app.log"
    for arguments in ({}, {"file": file}, {"file": file, "format": "json"}, {}, {"level": "ERROR"}):
        made = configure_logging(settings(), **arguments)  # type: ignore[arg-type]
        assert own_handlers() == [made]
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    configure_logging(settings())
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == hooks
    assert foreign in logging.getLogger().handlers
    logging.getLogger("shop").info("Sold")
    assert capsys.readouterr().out.count("Sold") == 1
    assert (len(foreign.records), foreign.closed) == (1, False)


def test_both_ways_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Django's LOGGING and configure_logging, in either order, write one line."""
    for first, second in ((True, False), (False, True)):
        for by_dict in (first, second):
            if by_dict:
                logging.config.dictConfig(dict_config(settings()))
            else:
                configure_logging(settings())
        logging.getLogger("shop").info("Sold")
        assert capsys.readouterr().out.count("Sold") == 1


def test_dict_config_is_plain_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It survives JSON, can be extended, and is a new object each time."""
    known = settings(**SITE, WSGI_LOG=str(tmp_path / "app.log"))
    config = json.loads(json.dumps(dict_config(known, format="json")))
    assert config == dict_config(known, format="json")
    config["handlers"]["console"] = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
    config["root"]["handlers"].append("console")
    config["loggers"]["shop"] = {"level": "DEBUG"}
    logging.config.dictConfig(config)
    logging.getLogger("shop").debug("Sold", extra={"number": 3})
    found = json.loads((tmp_path / "app.log").read_text())
    assert (found["message"], found["number"], found["instance"]) == (
        "Sold", 3, SITE["WEBSITE_INSTANCE_ID"],
    )  # fmt: skip
    assert capsys.readouterr().out == "Sold\n"
    assert "shop" not in dict_config(known)["loggers"]
    logging.getLogger("shop").setLevel(logging.NOTSET)


def test_gunicorns_loggers(capsys: pytest.CaptureFixture[str]) -> None:
    """They get our handler if they have none (`logconfig_dict`), but keep one that gunicorn set."""
    loggers = [logging.getLogger(f"gunicorn.{name}") for name in ("error", "access")]
    for _ in range(2):  # read again at a reload
        logging.config.dictConfig(dict_config(settings()))
        for logger in loggers:
            logger.warning("once")
        assert capsys.readouterr().out.count("once") == 2
    foreign = Foreign()
    loggers[1].handlers[:] = [foreign]
    config = dict_config(settings())
    assert list(config["loggers"]) == ["gunicorn.error"]
    logging.config.dictConfig(config)
    loggers[1].warning("twice")
    assert (len(foreign.records), capsys.readouterr().out) == (1, "")


def test_gunicorns_levels_are_its_own() -> None:
    """The level of `--log-level` stays."""
    logger = logging.getLogger("gunicorn.error")
    logger.setLevel(logging.ERROR)
    logging.config.dictConfig(dict_config(settings()))
    assert logger.level == logging.ERROR
    logger.setLevel(logging.NOTSET)


def test_opentelemetrys_handler_keeps_working(capsys: pytest.CaptureFixture[str]) -> None:
    """A user's handler gets each record once, with the request's id as an attribute."""
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it moves to another package
        theirs = LoggingHandler(logger_provider=provider)
    logging.getLogger().addHandler(theirs)
    configure_logging(settings(**SITE))
    configure_logging(settings(**SITE))
    try:
        logging.getLogger("shop").warning("Sold %d", 3, extra={"cart": "a"})
    finally:
        logging.getLogger().removeHandler(theirs)
        provider.shutdown()
    (record,) = [data.log_record for data in exporter.get_finished_logs()]
    assert record.body == "Sold 3"
    assert record.attributes is not None
    assert record.attributes["cart"] == "a"
    assert capsys.readouterr().out.count("Sold 3") == 1


def test_a_disabled_level_costs_what_it_costs_without_us() -> None:
    """Only the standard library's own two functions are called."""
    configure_logging(settings(), level="INFO")
    logger = logging.getLogger("shop")
    calls: list[str] = []

    def count(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            calls.append(frame.f_code.co_filename)

    logger.debug("first")  # which the logger then remembers
    sys.setprofile(count)
    try:
        logger.debug("Sold %d", 3)
    finally:
        sys.setprofile(None)
    assert calls == [logging.__file__] * 2
