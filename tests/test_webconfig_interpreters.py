"""Which program a handler stands for, and the variables between percent signs."""

from __future__ import annotations

import pytest

from appsvc_runtime.webconfig import kind, split_processor
from appsvc_runtime.webconfig.interpreters import language_of
from appsvc_runtime.webconfig.model import Config, Handler
from appsvc_runtime.webconfig.variables import is_windows_variable, names_in

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


def test_processor_is_cut_at_its_bar() -> None:
    """Quotes around the program are none of its name."""
    assert split_processor('"C:\\a b\\python.exe"|w.py x') == ("C:\\a b\\python.exe", "w.py x")
    assert split_processor("php-cgi.exe") == ("php-cgi.exe", "")


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
    """As written, each once."""
    assert names_in(text) == names


def test_variables_of_windows() -> None:
    """In any case; names that only look so are not."""
    assert all(map(is_windows_variable, ["SystemRoot", "home", "Website_Site_Name", "TMP"]))
    assert not any(map(is_windows_variable, ["HOMES", "WEBSITE", "HTTP_PLATFORM_PORT"]))
