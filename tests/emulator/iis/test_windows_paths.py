"""Windows paths and command lines, converted to those of this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.iis.windows_paths import (
    PathMap,
    expand,
    is_home,
    parse_map,
    split_command_line,
)
from appsvc_runtime.errors import ConfigError

COMMAND_LINES = [
    pytest.param("", [], id="nothing"),
    pytest.param("  a \t b ", ["a", "b"], id="blanks"),
    pytest.param(r'"a b" c', ["a b", "c"], id="quotes"),
    pytest.param(r'a" b"c', ["a bc"], id="quotes-inside-a-word"),
    pytest.param(r'"" x', ["", "x"], id="empty-word"),
    pytest.param(r"D:\a\b.py --x", [r"D:\a\b.py", "--x"], id="backslashes-stay"),
    pytest.param(r"a\\b", [r"a\\b"], id="two-backslashes-stay"),
    pytest.param(r'"D:\a b\\" c', ["D:\\a b\\", "c"], id="backslashes-before-a-quote"),
    pytest.param(r"a\"b", ['a"b'], id="a-quote-that-counts-as-itself"),
    pytest.param(r"a\\\"b", ['a\\"b'], id="three-backslashes-and-a-quote"),
    pytest.param('"a""b"', ['a"b'], id="two-quotes-are-one"),
    pytest.param('"open end', ["open end"], id="a-quote-never-closed"),
]
PATHS = [
    pytest.param(r"D:\home\site\wwwroot", "site", id="the-site"),
    pytest.param(r"c:\HOME\site\WWWROOT\run.py", "site/run.py", id="in-any-case"),
    pytest.param("D:/home/site/wwwroot/a/b.py", "site/a/b.py", id="slashes"),
    pytest.param(r"D:\home\LogFiles\python.log", "home/LogFiles/python.log", id="the-home"),
    pytest.param(r"D:\home\site\wwwroot2\x", "home/site/wwwroot2/x", id="a-longer-name"),
    pytest.param(r".\logs\stdout", "site/logs/stdout", id="relative-with-a-dot"),
    pytest.param(r"logs\stdout", "site/logs/stdout", id="relative"),
    pytest.param(r"D:\home\site\wwwroot\..\x", "home/site/x", id="dots"),
    pytest.param(r"D:\data\deep\x", "deep/x", id="the-longest-map"),
    pytest.param(r"d:\DATA\x", "data/x", id="a-map-in-any-case"),
    pytest.param(r"D:\database", None, id="a-map-ends-at-a-name"),
    pytest.param(r"D:\Program Files\x", None, id="elsewhere"),
    pytest.param(r"\\server\share\x", None, id="a-share"),
    pytest.param(r"\\?\D:\home\LogFiles\x", "home/LogFiles/x", id="a-long-path"),
]


def make_map(folder: Path) -> PathMap:
    maps = [("D:\\data", folder / "data"), ("D:\\data\\deep", folder / "deep")]
    return PathMap(folder / "site", folder / "home", sys.executable, maps)


@pytest.mark.parametrize(("text", "words"), COMMAND_LINES)
def test_command_lines_are_cut_as_windows_does(text: str, words: list[str]) -> None:
    """Words, quotes and backslashes follow the rules of the C runtime."""
    assert split_command_line(text) == words


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1)))
def test_what_python_quotes_comes_back(words: list[str]) -> None:
    """A command line that subprocess makes for Windows is split into the same arguments."""
    from subprocess import list2cmdline

    assert split_command_line(list2cmdline(words)) == words


@pytest.mark.parametrize(("text", "expected"), PATHS)
def test_paths(tmp_path: Path, text: str, expected: str | None) -> None:
    """The site, its home and mapped folders exist here; other Windows paths do not."""
    found = make_map(tmp_path).local(text)
    assert found == (None if expected is None else tmp_path / expected)


def test_names_that_are_there_in_another_case(tmp_path: Path) -> None:
    """As on Windows, a file matches in any case; the exact name comes first."""
    (tmp_path / "site" / "Static").mkdir(parents=True)
    (tmp_path / "site" / "Static" / "A.css").touch()
    paths = make_map(tmp_path)
    assert paths.local(r"static\a.CSS") == tmp_path / "site" / "Static" / "A.css"
    (tmp_path / "site" / "static").mkdir(exist_ok=True)
    (tmp_path / "site" / "static" / "a.css").touch()
    assert paths.local(r"static\a.css") == tmp_path / "site" / "static" / "a.css"


@pytest.mark.parametrize(
    "text",
    [r"D:\home\Python311x64\python.exe", r"C:\py\pythonw.EXE", "python", "python3.11", "Python"],
)
def test_every_python_is_the_sites(tmp_path: Path, text: str) -> None:
    """Any installation that web.config names, in any case, is the site's Python."""
    assert make_map(tmp_path).program(text) == sys.executable


def test_programs_beside_the_interpreter(tmp_path: Path) -> None:
    """A Scripts folder of Windows is the folder of the interpreter."""
    python = tmp_path / "env" / "python"
    python.parent.mkdir()
    (python.parent / "flask").touch()
    paths = PathMap(tmp_path / "site", tmp_path / "home", str(python))
    assert paths.program(r"D:\home\env\Scripts\flask.exe") == str(python.parent / "flask")
    assert paths.program("flask") == str(python.parent / "flask")
    assert paths.program(r"D:\home\env\Scripts\django-admin.exe") is None
    assert paths.program(r"D:\Program Files\PHP\php-cgi.exe") is None


def test_arguments_and_values(tmp_path: Path) -> None:
    """Paths in arguments and values are converted; other text stays unchanged."""
    (tmp_path / "site" / "app").mkdir(parents=True)
    (tmp_path / "site" / "app" / "run.py").touch()
    paths = make_map(tmp_path)
    site, home = tmp_path / "site", tmp_path / "home"
    assert paths.argument(r"D:\home\site\wwwroot\run.py") == str(site / "run.py")
    assert paths.argument(r"--log=D:\home\x.log") == f"--log={home / 'x.log'}"
    assert paths.argument(r"app\run.py") == str(site / "app" / "run.py")
    for word in (r"a\b", "--listen=*:5000", "-m", "http://x/y", r"^\d+$", "/abs"):
        assert paths.argument(word) == word
    assert paths.value(r"D:\home\site\wwwroot;x;D:\home\lib") == f"{site};x;{home / 'lib'}"
    assert paths.value("app.wsgi; a") == "app.wsgi; a"
    # The expansion of `%HOME%\site\wwwroot\app`, if HOME holds a path of this machine.
    assert paths.value(f"{home}\\site\\wwwroot\\app") == str(site / "app")
    assert paths.value(f"{home}\\LogFiles") == str(home / "LogFiles")


def test_variables_between_percent_signs() -> None:
    """Names are not case-sensitive, and unset variables stay as they are."""
    environ = {"Port": "80", "X": "a"}
    assert expand("--port %PORT% %x%%nope% 100% %", environ) == "--port 80 a%nope% 100% %"


def test_reading_a_map(tmp_path: Path) -> None:
    """A map is a Windows path, an equals sign and a folder; anything else is a clear error."""
    for text in (f"D:\\data\\={tmp_path}", f"'D:\\data\\={tmp_path}'"):  # as in cmd.exe
        assert parse_map(text) == ("D:\\data", tmp_path)
    for text in ("D:\\data", "data=x", "D:\\data=", "=x"):
        with pytest.raises(ConfigError, match="--map"):
            parse_map(text)
    assert is_home("D:\\home")
    assert is_home("c:\\Home\\")
    assert not is_home("D:\\home\\x")
