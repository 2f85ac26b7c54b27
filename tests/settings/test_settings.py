"""`load_settings()` reads a host's variables from any mapping, at any time, and requires none."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections import ChainMap
from datetime import timedelta
from pathlib import Path, PureWindowsPath
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime import (
    AppServiceError,
    ConfigError,
    Finding,
    Json,
    Secret,
    Settings,
    SettingsError,
    Url,
    load_settings,
)

ROOT = Path(__file__).parents[2]
MARKER = "S3cr3tMarker"
STOP = "WEBSITES_CONTAINER_STOP_TIME_LIMIT"
LINUX = {
    "WEBSITE_SITE_NAME": "shop", "WEBSITE_INSTANCE_ID": "0123456789abcdef", "HOME": "/home",
    "WEBSITE_HOSTNAME": "shop.azurewebsites.net", "REGION_NAME": "West Europe", "PORT": "8181",
    "WEBSITE_OWNER_NAME": "sub+group-WestEuropewebspace", "WEBSITE_RESOURCE_GROUP": "group",
    "WEBSITE_SKU": "Basic", "WEBSITE_COMPUTE_MODE": "Dedicated", "WEBSITE_DEPLOYMENT_ID": "shop__1",
    "WEBSITE_ROLE_INSTANCE_ID": "0", "WEBSITE_PRIVATE_IP": "10.0.0.4",
    "IDENTITY_ENDPOINT": "http://169.254.1.1:8081/msi/token", "IDENTITY_HEADER": MARKER,
    "WEBSITE_AUTH_ENABLED": "True", "WEBSITE_RUN_FROM_PACKAGE": "1", "WEBSITE_PRIVATE_PORTS": "1,2",
    "WEBSITE_CORS_ALLOWED_ORIGINS": "https://a.example, https://b.example",
    "WEBSITES_CONTAINER_STOP_TIME_LIMIT": "20", "WEBSITES_CONTAINER_START_TIME_LIMIT": "600",
}  # fmt: skip
WINDOWS = {
    "OS": "Windows_NT", "HOME": "D:\\home", "WEBSITE_SITE_NAME": "shop",
    "WEBSITE_INSTANCE_ID": "abc", "WEBSITE_SLOT_NAME": "staging", "HTTP_PLATFORM_PORT": "20123",
    "APPSETTING_MAIL:HOST": "smtp",
}  # fmt: skip
ROLE = {
    "OS": "Windows_NT", "RoleRoot": "E:", "RoleInstanceID": "w_IN_0", "RoleDeploymentID": "d1",
    "DiagnosticStore": "C:\\Resources\\store", "EMULATED": "true",
}  # fmt: skip
JOB = {
    "WEBJOBS_NAME": "nightly", "WEBJOBS_TYPE": "triggered", "WEBJOBS_PATH": "/home/jobs/nightly",
    "WEBJOBS_DATA_PATH": "/home/data", "WEBJOBS_RUN_ID": "20250101", "WEBJOBS_SHUTDOWN_FILE": "/x",
    "WEBJOBS_COMMAND_ARGUMENTS": f"--password {MARKER}",
}  # fmt: skip


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, with no variable set."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    return tmp_path


def test_off_the_platform_nothing_is_needed(alone: Path) -> None:
    """Without variables all values are empty, the port is 8000, and there is no error."""
    settings = load_settings()
    assert settings.host == "local"
    assert not settings.on_platform
    empty = {f.name for f in dataclasses.fields(settings)} - {"host", "warmup_path", "app_settings"}
    assert not any(getattr(settings, name) for name in empty)
    assert (settings.port, settings.start_seconds, settings.stop_seconds) == (8000, 230, 5)
    assert settings.cors_origins == settings.private_ports == ()
    assert dict(load_settings({}).app_settings) == {}


def test_linux() -> None:
    """The container's variables are read."""
    settings = load_settings(LINUX)
    assert (settings.host, settings.on_platform, settings.site_name) == ("linux", True, "shop")
    assert (settings.slot, settings.region) == ("Production", "West Europe")
    assert (settings.instance_id, settings.role_instance_id) == ("0123456789abcdef", "0")
    assert (settings.hostname, settings.port) == ("shop.azurewebsites.net", 8181)
    assert (settings.resource_group, settings.sku) == ("group", "Basic")
    assert (settings.owner, settings.compute_mode) == ("sub+group-WestEuropewebspace", "Dedicated")
    assert (settings.deployment_id, settings.private_ip) == ("shop__1", "10.0.0.4")
    assert settings.home == Path("/home")
    assert settings.log_folder == Path("/home/LogFiles")
    assert settings.has_identity
    assert settings.auth_enabled
    assert settings.run_from_package
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.private_ports == ("1", "2")
    assert (settings.start_seconds, settings.stop_seconds) == (600, 20)
    assert [settings.webjob, settings.role, settings.dotenv_path] == [None, None, None]


@pytest.mark.parametrize("upper", [False, True], ids=["as-set", "copied"])
def test_windows_seen_from_elsewhere(upper: bool) -> None:
    """Paths keep the host's own form; names are found in any case."""
    environ = {name.upper() if upper else name: value for name, value in WINDOWS.items()}
    settings = load_settings(environ)
    assert (settings.host, settings.slot, settings.port) == ("httpplatform", "staging", 20123)
    assert isinstance(settings.home, PureWindowsPath)
    assert isinstance(settings.log_folder, PureWindowsPath)
    assert str(settings.log_folder) == "D:\\home\\LogFiles"
    assert settings.value("Mail:Host") == settings.value("mail__host") == "smtp"


@pytest.mark.parametrize("upper", [False, True], ids=["as-set", "copied"])
def test_worker_role(upper: bool) -> None:
    """The fabric's variables are read, even from an upper-cased copy of Windows' environment."""
    settings = load_settings({n.upper() if upper else n: value for n, value in ROLE.items()})
    assert (settings.host, settings.instance_id, settings.home) == ("workerrole", "w_IN_0", None)
    assert settings.role is not None
    assert dataclasses.astuple(settings.role) == (
        "E:",
        "w_IN_0",
        "d1",
        "C:\\Resources\\store",
        True,
    )
    assert str(settings.log_folder) == "C:\\Resources\\store\\LogFiles"
    assert load_settings({**ROLE, "DiagnosticStore": ""}).log_folder is None


def test_webjob() -> None:
    """A WebJob has the site's variables and its own; its arguments may hold secrets."""
    settings = load_settings({**LINUX, **JOB})
    assert (settings.host, settings.site_name) == ("webjob", "shop")
    assert settings.webjob is not None
    assert (settings.webjob.name, settings.webjob.type) == ("nightly", "triggered")
    assert settings.webjob.command_arguments == f"--password {MARKER}"
    assert MARKER not in repr(settings)


@pytest.mark.parametrize(
    ("environ", "name", "wanted"),
    [
        pytest.param({"MSI_ENDPOINT": "x", "MSI_SECRET": "y"}, "has_identity", True, id="msi"),
        pytest.param({"IDENTITY_ENDPOINT": "x"}, "has_identity", False, id="half-an-identity"),
        pytest.param({"WEBSITE_AUTH_ENABLED": "false"}, "auth_enabled", False, id="no-auth"),
        pytest.param({"WEBSITE_RUN_FROM_PACKAGE": "0"}, "run_from_package", False, id="no-package"),
        pytest.param({"WEBSITE_RUN_FROM_PACKAGE": "https://x"}, "run_from_package", True, id="url"),
        pytest.param({STOP: "999"}, "stop_seconds", 120, id="much"),
        pytest.param({STOP: "9" * 5000}, "stop_seconds", 5, id="huge"),
        pytest.param({STOP: "²"}, "stop_seconds", 5, id="no-digit"),
        pytest.param({STOP: " 7 "}, "stop_seconds", 7, id="blanks"),
        pytest.param({"WEBSITES_CONTAINER_START_TIME_LIMIT": "1"}, "start_seconds", 10, id="few"),
        pytest.param({"WEBSITE_WARMUP_PATH": "/up"}, "warmup_path", "/up", id="warmup"),
        pytest.param({"APPSVC_VIRTUAL_ENV": "/e"}, "virtual_environment", "/e", id="environment"),
    ],
)  # fmt: skip
def test_single_variables(environ: dict[str, str], name: str, wanted: Any) -> None:
    """Single variables are read on and off the platform."""
    assert getattr(load_settings(environ), name) == wanted


def test_a_bad_port_is_an_error_when_asked_for() -> None:
    """An invalid port is an error on access, and does not affect other settings."""
    settings = load_settings({"PORT": "eighty"})
    with pytest.raises(ConfigError, match="The port from PORT"):
        _ = settings.port


def test_frozen() -> None:
    """Later changes of the mapping or the process do not change the settings."""
    environ = {"A": "1"}
    settings = load_settings(environ)
    environ["A"] = "2"
    assert isinstance(settings, Settings)
    assert settings.value("A") == "1"
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.host = "linux"  # type: ignore[misc]


def test_the_environment_is_read_when_called(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call reads the environment again."""
    assert load_settings().value("A", default=None) is None
    monkeypatch.setenv("A", "1")
    assert load_settings().value("A", int) == 1


@pytest.mark.parametrize("make", [dict, MappingProxyType, ChainMap])
def test_any_mapping_will_do(make: Any) -> None:
    """Any mapping is accepted, not only dictionaries."""
    assert load_settings(make(LINUX)).site_name == "shop"


def test_dotenv_at_home(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` is searched from the app's folder upwards; the environment takes precedence."""
    (alone / "app").mkdir()
    (alone / ".env").write_text("A=file\nB=file\nnot this\nWEBSITE_SITE_NAME=x\nPORT=81\n")
    monkeypatch.setenv("A", "set")
    before = set(os.environ)
    settings = load_settings(folder=alone / "app")
    assert (settings.value("A"), settings.value("B"), settings.port) == ("set", "file", 81)
    assert settings.dotenv_path == alone / ".env"
    assert [(type(found), found.where) for found in settings.findings] == [
        (Finding, f"{alone / '.env'}:3")
    ]
    assert (settings.host, settings.site_name) == ("local", "")
    assert set(os.environ) == before
    monkeypatch.chdir(alone / "app")
    assert load_settings().value("B") == "file"


@pytest.mark.parametrize(
    ("environ", "dotenv", "wanted"),
    [
        pytest.param(None, None, True, id="home"),
        pytest.param(None, False, False, id="home-refused"),
        pytest.param({}, None, False, id="given-variables"),
        pytest.param({}, True, True, id="given-variables-asked"),
        pytest.param(LINUX, None, False, id="platform"),
        pytest.param(LINUX, True, True, id="platform-asked"),
        pytest.param(LINUX, ".env", True, id="platform-named"),
        pytest.param(LINUX, Path(".env"), True, id="platform-path"),
    ],
)
def test_when_dotenv_is_read(
    alone: Path, environ: dict[str, str] | None, dotenv: Any, wanted: bool
) -> None:
    """On the platform, `.env` is read only on request."""
    (alone / ".env").write_text("B=file\n")
    settings = load_settings(environ, dotenv=dotenv)
    assert settings.value("B", default="") == ("file" if wanted else "")
    assert (settings.dotenv_path is not None) is wanted


def test_dotenv_is_not_looked_for_on_the_platform(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `.env` deployed by mistake, even one that is not text, does no harm."""
    (alone / ".env").write_bytes(b"\xff\xff")
    for name, value in LINUX.items():
        monkeypatch.setenv(name, value)
    assert load_settings().dotenv_path is None


def test_dotenv_that_is_not_there(alone: Path) -> None:
    """A missing `.env` is an error only if its path was passed."""
    assert load_settings(dotenv=True).dotenv_path is None
    for path in ("other.env", "", "a\0b", alone):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_settings(dotenv=path)


def test_values_are_typed() -> None:
    """The examples of the README work."""
    settings = load_settings(
        {
            "N": "5",
            "WAIT": "00:02:00",
            "KEY": MARKER,
            "SITE": f"https://me:{MARKER}@h/",
            "DATA": "[1]",
        }
    )
    assert settings.value("N", int) == 5
    assert settings.value("WAIT", timedelta) == timedelta(minutes=2)
    assert settings.value("DATA", Json) == [1]
    shown = repr([settings.value("KEY", Secret), settings.value("SITE", Url), settings])
    assert MARKER not in shown
    assert settings.value("KEY", Secret).reveal() == MARKER
    assert settings.value("NONE", float, default=0.5) == 0.5
    with pytest.raises(SettingsError, match="The setting NONE is missing"):
        settings.value("NONE")


def test_the_whole_object_can_be_copied() -> None:
    """The settings can be copied to another process, with nothing lost."""
    settings = pickle.loads(pickle.dumps(load_settings({**WINDOWS, **JOB})))
    assert settings.webjob.name == "nightly"
    assert settings.value("Mail:Host") == "smtp"


NAMES = st.text(max_size=8) | st.sampled_from([*LINUX, *WINDOWS, *ROLE, *JOB, "A.B", "A:B", "ä"])
VALUES = st.text(max_size=8) | st.sampled_from(
    ["\udcff", "\0", "1" * 5000, "D:\\", MARKER, "@Microsoft.KeyVault(x)", "[" * 9999, "true"]
)


@given(st.dictionaries(NAMES, VALUES))
def test_any_mapping_loads(environ: dict[str, str]) -> None:
    """No variable is required, and no value is an error before it is read."""
    settings = load_settings(environ)
    assert isinstance(settings.host, str)
    assert settings.start_seconds
    assert settings.stop_seconds >= 0
    assert len(settings.app_settings) <= len(environ)
    assert MARKER not in repr(settings.app_settings) + repr(settings.connection_strings)
    for kind in (int, bool, timedelta, Json, Path):
        for name in settings.app_settings:
            shown = ""
            try:
                settings.value(name, kind, default=None)
            except AppServiceError as error:
                shown = "".join(traceback.format_exception(error))
            assert MARKER not in shown or MARKER in name


def test_nothing_is_logged(alone: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither this package nor python-dotenv logs anything."""
    caplog.set_level(logging.DEBUG)
    (alone / ".env").write_text(f"not {MARKER}\nA={MARKER}\n")
    assert load_settings().value("A") == MARKER
    assert not caplog.records


IMPORTS = """
import json, sys
class Closed(dict):
    def __getitem__(self, name): raise AssertionError(name)
    __iter__ = keys = items = get = __contains__ = __getitem__
import os, re, dataclasses, typing, pathlib, urllib.parse
real, os.environ = os.environ, Closed()
import appsvc_runtime
light = set(sys.modules)
import appsvc_runtime.settings.load
os.environ = real
settings = set(sys.modules)
from appsvc_runtime import Finding, Json, Secret, Settings, SettingsError, Url, load_settings
appsvc_runtime.load_settings({"WEBSITE_SITE_NAME": "x", "WEBSITE_INSTANCE_ID": "y"})
print(json.dumps([sorted(light), sorted(settings), sorted(sys.modules)]))
"""


def test_importing_reads_and_loads_nothing_else() -> None:
    """An import reads no environment, and loads no pydantic, Django or python-dotenv."""
    result = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True, cwd=ROOT,
        timeout=60,
    )  # fmt: skip
    light, settings, used = map(set, json.loads(result.stdout))
    assert "appsvc_runtime.settings.settings" not in light
    assert "appsvc_runtime.settings.settings" in settings
    for heavy in ("pydantic", "pydantic_settings", "django", "dotenv", "logging"):
        assert heavy not in used
