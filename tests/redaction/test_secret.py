"""No dump, no attribute path and no error report shows a secret's text."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import io
import json
import logging
import marshal
import pickle
import pkgutil
import pprint
import re
import subprocess
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import appsvc_runtime
from appsvc_runtime import (
    AppServiceASGIMiddleware,
    AppServiceMiddleware,
    ConnectionString,
    Health,
    Secret,
    SettingsError,
    configure_logging,
    dict_config,
    django,
    load_settings,
)
from appsvc_runtime.errors import AppServiceError
from appsvc_runtime.logs.formats import TextFormatter, make_json_formatter
from appsvc_runtime.redaction.secret import Sealed
from appsvc_runtime.settings.connection_strings import parse_connection_string

PACKAGE = str(Path(appsvc_runtime.__file__).parent)
MARKER = "S3cr3tMarker"
CONNECTION = f"Host=h.example;Username=me;Password={MARKER};Ssl Password={MARKER};Pooling=true"


def secret() -> Secret:
    return Secret(MARKER)


def connection() -> ConnectionString:
    return parse_connection_string(CONNECTION, kind="postgresql", name="main")


HOLDERS: dict[str, Callable[[], Any]] = {
    "secret": secret,
    "connection string": connection,
    "options": lambda: connection().options,
    "parts": lambda: connection()._parts,
    "sealed": lambda: Sealed(MARKER),
}


@dataclasses.dataclass
class Held:
    """An app's own dataclass."""

    key: Any


def every(holder: Any) -> dict[str, Any]:
    """Return a value alone and inside the containers that apps use."""
    return {
        "alone": holder,
        "list": [holder],
        "dict": {"a": {"b": holder}},
        "object": types.SimpleNamespace(x=holder),
        "dataclass": Held(holder),
    }


@pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_refuses(make: Callable[[], Any], protocol: int) -> None:
    """Every pickle protocol refuses a secret, and the error says what to do instead."""
    for value in every(make()).values():
        with pytest.raises(TypeError, match=r"reveal\(\)") as caught:
            pickle.dumps(value, protocol)
        assert MARKER not in str(caught.value)


@pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)
def test_yaml_refuses(make: Callable[[], Any]) -> None:
    """PyYAML refuses a secret as pickle does; its safe dump knows no such objects at all."""
    yaml = pytest.importorskip("yaml")
    for value in every(make()).values():
        stream = io.StringIO()
        with pytest.raises(TypeError, match=r"reveal\(\)"):
            yaml.dump(value, stream)
        assert MARKER not in stream.getvalue()
        with pytest.raises(yaml.YAMLError) as caught:
            yaml.safe_dump(value)
        assert MARKER not in str(caught.value)


@pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)
def test_others_refuse_as_well(make: Callable[[], Any]) -> None:
    """Serializers that take only plain values refuse a secret too."""
    with pytest.raises(TypeError):
        json.dumps(make())
    with pytest.raises(ValueError, match="unmarshallable"):
        marshal.dumps(make())
    assert MARKER not in json.dumps({"a": make()}, default=str)
    assert MARKER not in json.dumps({"a": make()}, default=repr)


@pytest.mark.parametrize("name", ["secret", "connection string", "options", "sealed"])
def test_a_copy_is_the_same_object(name: str) -> None:
    """A secret is immutable, so its copy is the same object."""
    value = HOLDERS[name]()
    assert copy.copy(value) is value
    assert copy.deepcopy(value) is value
    assert copy.deepcopy([value])[0] is value
    assert dataclasses.asdict(Held(value))["key"] is value
    assert dataclasses.replace(Held(value)).key is value


def test_a_subclass_is_refused_as_well() -> None:
    """A subclass shows its own attributes, and never the text."""

    class Key(Secret):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            self.label = "billing"

    key = Key(MARKER)
    assert vars(key) == {"label": "billing"}
    assert copy.deepcopy(key) is key
    with pytest.raises(TypeError, match="A Key cannot be written by pickle"):
        pickle.dumps(key)


SHOWS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": "{}".format,
    "format !r": "{0!r}".format,
    "format, wide": lambda value: format(str(value), "60"),
    "f-string": lambda value: f"{value} {value!r}",
    "percent": lambda value: "%s %r" % (value, value),  # noqa: UP031
    "pprint": pprint.pformat,
    "members": lambda value: repr(inspect.getmembers(value)),
    "slots": lambda value: repr(
        [getattr(value, name, None) for kind in type(value).__mro__
         for name in getattr(kind, "__slots__", ())]
    ),
    "text log": lambda value: log_with(TextFormatter(), value),
    "json log": lambda value: log_with(make_json_formatter(), value),
}  # fmt: skip


def log_with(formatter: logging.Formatter, value: Any) -> str:
    """Return a log line with the value as message, argument, extra and local of a traceback."""
    lines = []
    for message, arguments in ((value, ()), ("%s %r", (value, value)), ({"key": value}, ())):
        record = logging.LogRecord("app", logging.INFO, "app.py", 1, message, arguments, None)
        record.key = value
        try:
            raise ValueError(value)
        except ValueError as error:
            record.exc_info = (type(error), error, error.__traceback__)
        lines.append(formatter.format(record))
    return "\n".join(lines)


@pytest.mark.parametrize("show", SHOWS.values(), ids=SHOWS)
@pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)
def test_nothing_shows_it(make: Callable[[], Any], show: Callable[[Any], str]) -> None:
    """Neither the value itself nor lists, dictionaries and dataclasses show the text."""
    for value in every(make()).values():
        assert MARKER not in show(value)


def test_pydantic_shows_none() -> None:
    """Pydantic models keep the object, and JSON of it is an error."""
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        key: Secret

    model = Model(key=secret())
    assert MARKER not in f"{model!r} {model} {model.model_dump()}"
    assert model.model_copy(deep=True).key is model.key
    with pytest.raises(Exception, match="Unable to serialize"):
        model.model_dump_json()
    with pytest.raises(Exception, match="instance of Secret") as caught:
        Model(key=connection())
    assert MARKER not in str(caught.value)


DEBUG_PAGE = """
import sys
import django
from django.conf import settings as configured
from appsvc_runtime import Secret, load_settings

def fail(marker):
    settings = load_settings({"N": marker, "CUSTOMCONNSTR_x": f"Host=h;Password={marker};Foo=bar"})
    connection = settings.connection("x")
    held = [settings.app_settings, settings.app_settings.environ, settings.connection_strings,
            connection, connection.parts, connection.options, settings.value("N", Secret)]
    table = {"app": settings.app_settings, "parts": connection.parts}
    for one in held:
        pass
    del marker
    settings.value("N", int)

marker = sys.stdin.read()
configured.configure(DEBUG=True, SECRET_KEY="x", ANY=Secret(marker), TABLE={"a": Secret(marker)})
django.setup()
from django.views.debug import ExceptionReporter
try:
    fail(marker)
except Exception as error:
    known = type(error), error, error.__traceback__.tb_next
del marker
for write in ("get_traceback_html", "get_traceback_text"):
    text = getattr(ExceptionReporter(None, *known), write)()
    assert "AppSettings: 2 names" in text or write == "get_traceback_text", text
    sys.stdout.write(text)
"""


def test_the_debug_page_of_django_shows_none() -> None:
    """Django's debug page shows no secret in a view's variables or in the settings."""
    pytest.importorskip("django")
    result = subprocess.run(
        [sys.executable, "-c", DEBUG_PAGE],
        input=MARKER,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert "The setting N cannot be read" in result.stdout
    assert MARKER not in result.stdout


def test_mappings_are_not_gone_through_by_reports() -> None:
    """Error reports do not list the values of mappings that `repr` hides."""
    settings = load_settings({"N": MARKER})
    for value in (settings.app_settings, connection().options, connection().parts):
        assert MARKER not in plain(value)
        assert plain(value) == repr(value)


PATHS = """
{0._text} {0.__slots__} {0._text._value} {0._text.open} {0.__class__._value} {0.reveal}
{0.reveal.__func__.__globals__} {0.__init__.__globals__} {0.__init__.__globals__[_SLOT]}
{0.__class__.__dict__} {0.__reduce_ex__} {0.reveal.__self__._text} {0._text.open.__self__}
{0.__init__.__globals__[Sealed].__dict__} {0.__getstate__} {0.__doc__}
{0._parts} {0._parts.password} {0._parts.password._text} {0._parts.options._items}
{0._parts.options._items._value} {0._parts.__dict__} {0.password} {0.password._text} {0.parts}
{0.options} {0.options[sslpassword]} {0.parts[password]} {0.sqlalchemy_url}
{0.sqlalchemy_url.__func__.__globals__} {0._parts.options.__dict__}
""".split()


@pytest.mark.parametrize("path", PATHS)
def test_no_path_of_a_format_string_leads_there(path: str) -> None:
    """No format string that an attacker chooses reaches the text."""
    for value in (secret(), connection()):
        try:
            shown = path.format(value)
        except (AttributeError, TypeError, KeyError):
            continue
        assert MARKER not in shown


def steps(value: Any) -> Iterator[Any]:
    """Return all objects that one step of a format string reaches: attributes and items."""
    for name in dir(value):
        try:
            yield getattr(value, name)
        except Exception:
            continue
    if isinstance(value, Mapping):
        yield from (item for key, item in value.items() if isinstance(key, str))
    elif isinstance(value, list | tuple):
        yield from value


@pytest.mark.parametrize("name", ["secret", "connection string"])
def test_a_search_of_all_paths_finds_nothing(name: str) -> None:
    """The search goes four steps deep, and not through modules of other packages."""
    level, seen, checked = [HOLDERS[name]()], {}, 0
    for _ in range(4):
        following = []
        for value in level:
            for found in steps(value):
                if id(found) in seen or inspect.ismodule(found):
                    continue
                seen[id(found)] = found
                checked += 1
                if isinstance(found, str | bytes):
                    assert MARKER not in str(found)
                elif not inspect.isclass(found) and not isinstance(found, dict):
                    assert MARKER not in repr(found)
                    following.append(found)
                elif isinstance(found, dict) and len(following) < 2000:
                    following.append(found)
        level = following[:3000]
    assert checked > 100


def plain(value: Any, depth: int = 0) -> str:
    """Return what a reporter such as Sentry's records of a local variable.

    Source: `_serialize_node_impl` of sentry_sdk/serializer.py.
    """
    if hasattr(type(value), "__sentry_repr__"):
        return str(value.__sentry_repr__())
    if depth < 4 and isinstance(value, Mapping):
        try:
            return repr({str(key): plain(item, depth + 1) for key, item in value.items()})
        except SettingsError:
            return repr(value)
    if depth < 4 and isinstance(value, list | tuple | set):
        return repr([plain(item, depth + 1) for item in value])
    return repr(value)


def locals_of(error: BaseException | None) -> Iterator[tuple[str, str, str]]:
    """Return all local variables in this package's frames that an error leads to."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename.startswith(PACKAGE):
                for name, value in frame.f_locals.items():
                    yield frame.f_code.co_name, name, plain(value)
        error = error.__cause__ or error.__context__


@dataclasses.dataclass
class Wanted:
    """A dataclass none of whose fields can be read."""

    number: int
    missing: int


ENVIRON = {
    "NUMBER": MARKER,
    "OTHER": MARKER,
    "VAULT": "@Microsoft.KeyVault(x)",
    "SQLCONNSTR_bad": f"Server=h;Password='{MARKER}",
    "CUSTOMCONNSTR_main": f"Host=h;Password={MARKER}",
}
FAULTS: dict[str, Callable[[], Any]] = {
    "value": lambda: load_settings(ENVIRON).value("NUMBER", int),
    "missing": lambda: load_settings(ENVIRON).value("NONE"),
    "dataclass": lambda: load_settings(ENVIRON).read(Wanted),
    "vault": lambda: load_settings(ENVIRON).app_settings["VAULT"],
    "vault, typed": lambda: load_settings(ENVIRON).value("VAULT", int),
    "no connection": lambda: load_settings(ENVIRON).connection("none"),
    "bad connection": lambda: load_settings(ENVIRON).connection("bad"),
    "bad connection, by item": lambda: load_settings(ENVIRON).connection_strings["bad"],
    "parse": lambda: parse_connection_string(f"Server=h;Password='{MARKER}", kind="sqlserver"),
    "not of that kind": lambda: load_settings(ENVIRON).connection("main").redis_url(),
    "no driver": lambda: connection().sqlalchemy_url("none"),
    "no text": lambda: load_settings({**ENVIRON, "N": 3}),  # type: ignore[dict-item]
    "no .env": lambda: load_settings(ENVIRON, dotenv="no/such/file"),
    "bad port": lambda: load_settings({**ENVIRON, "PORT": MARKER}).port,
    **{
        f"{kind.__name__}, {name}": lambda kind=kind, name=name: kind(
            print, environ={**ENVIRON, "APPSVC_ACCESS_LOG": "1", name: f"a {MARKER}"}
        )
        for kind in (AppServiceMiddleware, AppServiceASGIMiddleware)
        for name in (
            "APPSVC_TRUSTED_PROXIES", "APPSVC_FORWARDED_HOPS", "APPSVC_HOST_HEADER",
            "APPSVC_REQUIRE_LOGIN", "APPSVC_HTTPS_ONLY", "APPSVC_LOG_PROBES",
        )
    },
    "health": lambda: Health("no path", environ=ENVIRON),
    "Django's hosts": lambda: django.allowed_hosts(
        load_settings({**ENVIRON, "APPSVC_ALLOWED_HOSTS": f"a {MARKER}"})
    ),
    "Django's hosts, argument": lambda: django.allowed_hosts(load_settings(ENVIRON), f"a {MARKER}"),
    "Django's origins": lambda: django.csrf_trusted_origins(
        load_settings(ENVIRON), f"http://ann:{MARKER}@shop.example"
    ),
    "Django's database": lambda: django.databases(load_settings(ENVIRON), "bad"),
    "Django's log": lambda: django.logging_config(load_settings(ENVIRON), MARKER),
    "log level": lambda: dict_config(load_settings(ENVIRON), level=MARKER),
    "log format": lambda: configure_logging(
        load_settings({**ENVIRON, "APPSVC_LOG_FORMAT": MARKER})
    ),
    "middleware, argument": lambda: AppServiceMiddleware(print, hops=MARKER, environ=ENVIRON),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_no_local_variable_of_an_error_shows_a_value(fault: Callable[[], Any]) -> None:
    """Error reports hold the local variables of every frame; none shows a value."""
    with pytest.raises(AppServiceError) as caught:
        fault()
    assert not [row for row in locals_of(caught.value) if MARKER in row[2]]
    assert MARKER not in str(caught.value)


def test_a_wrapped_function_shows_its_signature() -> None:
    """Tools and `help()` show the options of the wrapped middleware."""
    assert "trusted_proxies" in inspect.signature(AppServiceMiddleware).parameters
    assert AppServiceMiddleware.__init__.__name__ == "__init__"


def test_no_local_variable_of_the_source_for_pydantic_shows_a_value() -> None:
    """The source for pydantic shows no value if one of several settings cannot be resolved."""
    pydantic_settings = pytest.importorskip("pydantic_settings")
    from appsvc_runtime.pydantic import AppServiceSettingsSource

    class Model(pydantic_settings.BaseSettings):  # type: ignore[misc,name-defined]
        other: str
        vault: str

    source = AppServiceSettingsSource(Model, load_settings(ENVIRON))
    with pytest.raises(SettingsError) as caught:
        source()
    assert not [row for row in locals_of(caught.value) if MARKER in row[2]]


@pytest.mark.parametrize("name", ["PART", "PART__NUMBERS"])
def test_no_local_variable_of_a_nested_model_shows_a_value(name: str) -> None:
    """If a nested model's text is not JSON, pydantic's frames hold only that text."""
    pydantic = pytest.importorskip("pydantic")
    pydantic_settings = pytest.importorskip("pydantic_settings")
    from appsvc_runtime.pydantic import AppServiceSettingsSource

    class Part(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        numbers: list[int]

    class Model(pydantic_settings.BaseSettings):  # type: ignore[misc,name-defined]
        part: Part

    source = AppServiceSettingsSource(Model, load_settings({**ENVIRON, name: f"no JSON {MARKER}"}))
    with pytest.raises(pydantic_settings.SettingsError) as caught:
        source()
    assert not [row for row in locals_of(caught.value) if MARKER in row[2]]
    if name != "PART":  # which pydantic reads itself
        assert MARKER not in str(vars(caught.value.__cause__))


def test_no_local_variable_shows_the_file(tmp_path: Path) -> None:
    """No local variable shows the bytes of a `.env` that is not text."""
    path = tmp_path / ".env"
    path.write_bytes(f"KEY={MARKER}\n".encode() + b"\xff\n")
    with pytest.raises(AppServiceError) as caught:
        load_settings(ENVIRON, dotenv=path)
    assert not [row for row in locals_of(caught.value) if MARKER in row[2]]


# Fields in which the values of settings stand, in whatever dataclass.
HOLD_VALUES = {
    "environ",
    "environment_variables",
    "app_settings",
    "settings",
    "storage",
    "variables",
}
VALUES = re.compile(
    r"str|(Mapping|dict)\[str, str\]"
    r"|(Sequence|tuple|list)\[(tuple\[str, str\]|Variable)(, \.\.\.)?\]"
)
STARTS_SOMETHING = {"appsvc_runtime.__main__", "appsvc_runtime.gunicorn_conf"}


def test_no_plan_shows_the_variables_it_holds() -> None:
    """Plans, options and commands, which debuggers and reports print, show no variable."""
    shown, hidden = [], 0
    for found in pkgutil.walk_packages(appsvc_runtime.__path__, "appsvc_runtime."):
        if found.name in STARTS_SOMETHING:
            continue
        for kind in vars(importlib.import_module(found.name)).values():
            if not (inspect.isclass(kind) and dataclasses.is_dataclass(kind)):
                continue
            if kind.__module__ != found.name:
                continue
            for field in dataclasses.fields(kind):
                if field.name in HOLD_VALUES and VALUES.fullmatch(str(field.type)):
                    hidden += not field.repr
                    shown += [f"{found.name}.{kind.__name__}.{field.name}"] if field.repr else []
    # A role's local storage is a table of folders.
    assert {name.partition(".")[2] for name in shown} <= {
        "emulator.roles.xpath.InstanceFacts.storage"
    }
    assert hidden > 10


def test_settings_are_not_written_for_people() -> None:
    """Pickle takes settings to another process; YAML and JSON show none of their values."""
    yaml = pytest.importorskip("yaml")
    settings = load_settings(ENVIRON)
    assert pickle.loads(pickle.dumps(settings)).value("OTHER") == MARKER
    for value in (settings, settings.app_settings, settings.connection_strings):
        with pytest.raises(TypeError, match="dict"):
            yaml.dump(value)
    found = settings.app_settings.find("OTHER")
    for value in (settings, settings.app_settings, settings.app_settings.environ, found):
        for show in SHOWS.values():
            assert MARKER not in show(value) or show is SHOWS["members"] or show is SHOWS["slots"]
        assert MARKER not in json.dumps([value], default=repr)
