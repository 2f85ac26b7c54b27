"""The command that is started for a web.config, and the variables it gets."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from xml.dom import minidom

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.azure import hosts
from appsvc_runtime.emulator.iis.commands import (
    make_command,
    make_fastcgi_command,
    make_wfastcgi_config,
    with_variables,
)
from appsvc_runtime.emulator.iis.webconfig.model import Handler, HttpPlatform
from appsvc_runtime.emulator.iis.windows_paths import PathMap
from appsvc_runtime.emulator.processes.environment import make_environ, parse_setting
from appsvc_runtime.emulator.processes.interpreter import Interpreter
from appsvc_runtime.emulator.xml.place import Place
from appsvc_runtime.errors import ConfigError

PYTHON = r"D:\home\Python311x64\python.exe"


@pytest.fixture
def paths(tmp_path: Path) -> PathMap:
    """Return the paths of a site in a folder of its own."""
    return PathMap(tmp_path / "site", tmp_path / "home", sys.executable)


def test_the_command_of_the_article(paths: PathMap) -> None:
    """Interpreter, script and log are this machine's; the port is an argument and a variable."""
    settings = HttpPlatform(
        process_path=PYTHON,
        arguments=r"D:\home\site\wwwroot\runserver.py --port %HTTP_PLATFORM_PORT%",
        environment_variables=(("SERVER_PORT", "%HTTP_PLATFORM_PORT%"),),
    )
    made = make_command(settings, 1234, {"A": "1"}, paths, {})
    assert made.argv == (sys.executable, str(paths.site / "runserver.py"), "--port", "1234")
    assert made.environ == {"A": "1", "HTTP_PLATFORM_PORT": "1234", "SERVER_PORT": "1234"}
    assert made.cwd == paths.site


def test_a_program_that_is_not_here(paths: PathMap) -> None:
    """The error is one sentence, with the line of web.config."""
    settings = HttpPlatform(process_path=r"D:\Java\java.exe", place=Place("web.config", 7))
    with pytest.raises(ConfigError, match=r"^web.config:7: processPath 'D:\\Java\\java.exe'"):
        make_command(settings, 1, {}, paths, {})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(r"D:\home\Python\wfastcgi.py", ["W"], id="source"),
        pytest.param(r"C:\Python27\Lib\site-packages\wfastcgi.pyc", ["W"], id="compiled"),
        pytest.param(r'"C:\Program Files\Python\WFastCGI.PYC"', ["W"], id="quoted-in-capitals"),
        pytest.param("-m wfastcgi", ["W"], id="module"),
        pytest.param("-u wfastcgi.py --x", ["-u", "W", "--x"], id="between"),
        pytest.param("wfastcgi.pyo", ["wfastcgi.pyo"], id="other-file"),
    ],
)
def test_the_command_of_fastcgi(paths: PathMap, arguments: str, expected: list[str]) -> None:
    """Every spelling of wfastcgi is this machine's file."""
    found = Interpreter(sys.executable, (3, 11, 0), "p", "p", "", "W", "")
    handler = Handler("p", "*", "*", "FastCgiModule", rf"C:\Python\python.exe|{arguments}")
    assert make_fastcgi_command(handler, paths, {}, found) == [sys.executable, *expected]


def test_variables_build_on_one_another(paths: PathMap) -> None:
    """Variables are expanded in order and replace names in another case; lists are converted."""
    variables = (
        ("Root", r"D:\home\site\wwwroot"),
        ("PYTHONPATH", r"%ROOT%\lib;%DRIVE%\home\more"),
        ("path", "x"),
        ("PLAIN", "a;b"),
    )
    (paths.site / "lib").mkdir(parents=True)
    made = with_variables({"PATH": "/bin", "KEEP": "%x%"}, variables, paths, {"Drive": "D:"})
    assert made == {
        "KEEP": "%x%",
        "Root": str(paths.site),
        "PYTHONPATH": os.pathsep.join([str(paths.site / "lib"), str(paths.home / "more")]),
        "path": "x",
        "PLAIN": "a;b",
    }


def test_the_file_that_wfastcgi_reads(paths: PathMap) -> None:
    """The file has the appSettings with this machine's paths, and PYTHONPATH expanded."""
    settings = {
        "WSGI_HANDLER": "app.wsgi_app()",
        "PYTHONPATH": r"%home_dir%;D:\home\site\wwwroot",
        "WSGI_LOG": r"D:\home\LogFiles\wfastcgi.log",
        "OTHER": '%home_dir% <&">',
    }
    document = minidom.parseString(make_wfastcgi_config(settings, {"HOME_DIR": "/h"}, paths))
    found = {
        node.getAttribute("key"): node.getAttribute("value")
        for node in document.getElementsByTagName("add")
    }
    assert found == {
        "WSGI_HANDLER": "app.wsgi_app()",
        "PYTHONPATH": f"/h;{paths.site}",
        "WSGI_LOG": str(paths.home / "LogFiles" / "wfastcgi.log"),
        "OTHER": '%home_dir% <&">',
    }


_TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cn"]))


@given(st.dictionaries(_TEXT, _TEXT, max_size=4))
def test_whatever_the_settings_hold(settings: dict[str, str]) -> None:
    """The file is valid XML; values without a path are the same as in web.config."""
    paths = PathMap(Path("/s"), Path("/h"), "python")
    document = minidom.parseString(make_wfastcgi_config(settings, {}, paths))
    found = {
        n.getAttribute("key"): n.getAttribute("value") for n in document.getElementsByTagName("add")
    }
    for key, value in settings.items():
        assert found[key] == paths.value(value)


def test_the_platforms_variables() -> None:
    """The child sees that it is on App Service, and no variable of the host that runs the tests."""
    base = {
        "PATH": "/bin",
        "WEBSITE_SITE_NAME": "real",
        "Website_X": "1",
        "PORT": "1",
        "SQLCONNSTR_main": "secret",
        "APPSETTING_OLD": "1",
        "HTTP_PLATFORM_PORT": "1",
        "WSGI_LOG": "x",
    }
    made = make_environ(
        base,
        site_name="shop",
        public_name="shop.azurewebsites.net",
        home=Path("/h"),
        app_settings=[("KEY", "a=b"), ("WEBSITE_AUTH_ENABLED", "True")],
    )
    assert hosts.on_app_service(made)
    assert not hosts.under_http_platform(made)
    assert (made["PATH"], made["HOME"], made["KEY"]) == ("/bin", str(Path("/h")), "a=b")
    assert made["APPSETTING_KEY"] == "a=b"
    assert made["WEBSITE_SITE_NAME"] == "shop"
    assert made["WEBSITE_HOSTNAME"] == "shop.azurewebsites.net"
    assert made["WEBSITE_AUTH_ENABLED"] == "True"
    for name in ("Website_X", "PORT", "SQLCONNSTR_main", "APPSETTING_OLD", "WSGI_LOG"):
        assert name not in made


def test_reading_a_setting() -> None:
    """A setting is a name, an equals sign and a value; a mistake never shows the value."""
    assert parse_setting("A=b=c") == ("A", "b=c")
    assert parse_setting("A=") == ("A", "")
    with pytest.raises(ConfigError, match="--set"):
        parse_setting("A")
    with pytest.raises(ConfigError) as caught:
        parse_setting("=hidden")
    assert "hidden" not in str(caught.value)
