"""The program of a handler, and the variables between percent signs."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.iis.webconfig.checks import kind
from appsvc_runtime.emulator.iis.webconfig.interpreters import (
    application_of,
    language_of,
    split_processor,
)
from appsvc_runtime.emulator.iis.webconfig.model import Config, FastCgiApplication, Handler
from appsvc_runtime.emulator.iis.webconfig.windows_variables import is_windows_variable, names_in
from appsvc_runtime.emulator.xml.place import Place

WFASTCGI = r"D:\home\Python\python.exe|D:\home\Python\wfastcgi.py"


@pytest.mark.parametrize(
    ("processor", "python"),
    [
        pytest.param(WFASTCGI, True, id="app-service"),
        pytest.param(r"C:\env\Scripts\pypy3.exe|C:\env\main.py", True, id="pypy"),
        pytest.param("%INTERPRETERPATH%|%WFASTCGIPATH%", True, id="visual-studio"),
        pytest.param('"C:\\Program Files\\Python311\\python.exe"|w.py', True, id="quoted"),
        pytest.param("/usr/bin/python3|x.py", True, id="slashes"),
        pytest.param(r"C:\PHP\php-cgi.exe", False, id="php"),
        pytest.param("", False, id="empty"),
    ],
)
def test_processors(processor: str, python: bool) -> None:
    """The program decides, or wfastcgi in the arguments."""
    handler = Handler("n", "*", "*", "FastCgiModule", processor)
    assert (kind(Config(handlers=(handler,))) == "fastcgi") is python
    assert (language_of(handler) == "PHP") is ("php" in processor)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            r"D:\Python\python.exe|D:\Python\wfastcgi.py",
            (r"D:\Python\python.exe", r"D:\Python\wfastcgi.py"),
            id="usual",
        ),
        pytest.param(
            r'"C:\Program Files\p.exe" | C:\x y\w.py ',
            (r"C:\Program Files\p.exe", r"C:\x y\w.py"),
            id="quotes-and-blanks",
        ),
        pytest.param(r"C:\php-cgi.exe", (r"C:\php-cgi.exe", ""), id="no-arguments"),
        pytest.param("a|b|c", ("a", "b|c"), id="two-bars"),
        pytest.param('"', ('"', ""), id="lone-quote"),
        pytest.param("", ("", ""), id="empty"),
    ],
)
def test_script_processors(text: str, expected: tuple[str, str]) -> None:
    """A FastCGI processor is split into full path and arguments."""
    assert split_processor(text) == expected


@pytest.mark.parametrize(
    ("full_path", "arguments"),
    [
        pytest.param(r"D:\home\Python\python.exe", r"D:\home\Python\wfastcgi.py", id="same"),
        pytest.param(r"d:\HOME\python\python.exe", r"D:\home\Python\WFASTCGI.py", id="case"),
        pytest.param(r" D:\home\Python\python.exe", r"D:\home\Python\wfastcgi.py ", id="blanks"),
    ],
)
def test_application_of_a_handler(full_path: str, arguments: str) -> None:
    """Path and arguments of the application match, whatever their case."""
    handler = Handler("n", "*", "*", "FastCgiModule", WFASTCGI)
    other = FastCgiApplication(full_path, "other.py")
    own = FastCgiApplication(full_path, arguments, max_instances=9)
    assert application_of(Config(fast_cgi=(other, own)), handler) is own


def test_application_that_no_file_has() -> None:
    """IIS's defaults apply, in one application for all handlers of one scriptProcessor."""
    program, script = WFASTCGI.split("|")
    made = [
        application_of(Config(), Handler("n", "*", "*", "FastCgiModule", WFASTCGI, place=place))
        for place in (Place("web.config", 1), Place("web.config", 2))
    ]
    assert made[0] == made[1] == FastCgiApplication(program, script)
    assert len(set(made)) == 1
    assert made[1].place.line == 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("%A%;%b_1%", ("A", "b_1"), id="two"),
        pytest.param("%A%A%", ("A",), id="sign-used-once"),
        pytest.param("%ProgramFiles(x86)%", ("ProgramFiles(x86)",), id="parentheses"),
        pytest.param("%%", (), id="empty"),
        pytest.param("100% of 5%", (), id="prose"),
        pytest.param("%2F%20", (), id="encoded"),
    ],
)
def test_names_between_percent_signs(text: str, names: tuple[str, ...]) -> None:
    """Names are returned as written, each once."""
    assert names_in(text) == names


def test_variables_of_windows() -> None:
    """Names match in any case; similar names do not count."""
    assert all(map(is_windows_variable, ["SystemRoot", "home", "Website_Site_Name", "TMP"]))
    assert not any(map(is_windows_variable, ["HOMES", "WEBSITE", "HTTP_PLATFORM_PORT"]))
