"""`.env` is found, read as by python-dotenv, and never causes a crash or shows a secret."""

from __future__ import annotations

import contextlib
import os
import pickle
import traceback
from pathlib import Path

import pytest
from dotenv.main import DotEnv
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.errors import ConfigError
from appsvc_runtime.settings.dotenv import find_dotenv, read_dotenv

MARKER = "S3cr3tMarker"


def write(folder: Path, data: str | bytes) -> Path:
    path = folder / ".env"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def refuse(path: Path) -> str:
    """Return the error text for a file, after a check that its traceback hides the marker."""
    with pytest.raises(ConfigError) as caught:
        read_dotenv(path, {})
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert MARKER not in "".join(traceback.format_exception(caught.value))
    assert MARKER.encode() not in pickle.dumps(caught.value)
    return str(caught.value)


READ = [
    pytest.param("A=1\nB=two words\n", {"A": "1", "B": "two words"}, id="plain"),
    pytest.param("export A=1\r\nB=2\r\n", {"A": "1", "B": "2"}, id="export-and-crlf"),
    pytest.param("A='x # y'\nB=\"a\\nb\"\nC=x #", {"A": "x # y", "B": "a\nb", "C": "x"}, id="#"),
    pytest.param('A="one\ntwo"\nB=1', {"A": "one\ntwo", "B": "1"}, id="lines"),
    pytest.param('A="one\r\ntwo"\r\nB=1', {"A": "one\ntwo", "B": "1"}, id="lines-crlf"),
    pytest.param("# A=1\n\n  B = 2 \n", {"B": "2"}, id="comments-and-blanks"),
    pytest.param("A=\nB=''\nC\n", {"A": "", "B": ""}, id="empty"),
    pytest.param("A=1\nA=2\n", {"A": "2"}, id="twice"),
    pytest.param("A.b=1\nA:B=2\nä=3", {"A.b": "1", "A:B": "2", "ä": "3"}, id="names"),
    pytest.param("A=pa$$w{0}rd$x\n", {"A": "pa$$w{0}rd$x"}, id="dollars"),
    pytest.param("A=1\nB=${A}${C:-3}${D}\n", {"A": "1", "B": "13"}, id="variables"),
    pytest.param("A=${B}\nB=1\n", {"A": "", "B": "1"}, id="variables-of-later-lines"),
    pytest.param("A=" + "x" * 1_000_000, {"A": "x" * 1_000_000}, id="megabyte"),
    pytest.param("A" * 100_000 + "=1", {"A" * 100_000: "1"}, id="long-name"),
    pytest.param(b"\xef\xbb\xbfA=\xc3\xa4\n", {"A": "ä"}, id="utf-8-mark"),
    pytest.param("\ufeffA=ä\nB=1\n".encode("utf-16-le"), {"A": "ä", "B": "1"}, id="utf-16-le"),
    pytest.param("\ufeffA=🎉\r\nB=1".encode("utf-16-be"), {"A": "🎉", "B": "1"}, id="utf-16-be"),
    pytest.param("", {}, id="nothing"),
    pytest.param(b"\xff\xfe", {}, id="mark-alone"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "values"), READ)
def test_files_are_read(tmp_path: Path, data: str | bytes, values: dict[str, str]) -> None:
    """Files are read as by python-dotenv; the process's environment does not change."""
    before = dict(os.environ)
    assert read_dotenv(write(tmp_path, data), {}) == (values, [])
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("text", "environ", "value"),
    [
        pytest.param("B=${A}", {"A": "env"}, "env", id="environment"),
        pytest.param("A=file\nB=${A}", {"A": "env"}, "env", id="environment-before-lines"),
        pytest.param("A=file\nB=${A}", {}, "file", id="lines"),
        pytest.param("B=${B}/x", {"B": "env"}, "env/x", id="itself"),
        pytest.param("B='${A}'", {"A": "env"}, "env", id="in-quotes"),
        pytest.param("B=${A", {"A": "env"}, "${A", id="not-closed"),
    ],
)
def test_variables_are_those_of_the_environment_first(
    text: str, environ: dict[str, str], value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`${NAME}` is expanded as by `load_dotenv()`: to the value that the app sees."""
    path = write(tmp_path, text)
    assert read_dotenv(path, environ)[0]["B"] == value
    monkeypatch.setattr(os, "environ", environ)
    assert DotEnv(path, override=False).dict()["B"] == value


@pytest.mark.parametrize(
    ("text", "values", "lines"),
    [
        pytest.param("A=1\nnot this\nB=2\n", {"A": "1", "B": "2"}, [2], id="words"),
        pytest.param(f"A='{MARKER}\nB=2\n", {"B": "2"}, [1], id="quote-not-closed"),
        pytest.param(f'A="{MARKER}" {MARKER}\nB=2', {"B": "2"}, [1], id="text-after-quote"),
        pytest.param("\n\n\nnot this\n\r\n= 1\nB=2", {"B": "2"}, [4, 6], id="after-blank-lines"),
        pytest.param("=1\n", {}, [1], id="no-name"),
    ],
)
def test_lines_that_say_nothing(
    tmp_path: Path, text: str, values: dict[str, str], lines: list[int]
) -> None:
    """Unreadable lines are left out, each with a finding that has its number, not its content."""
    path = write(tmp_path, text)
    found, findings = read_dotenv(path, {})
    assert found == values
    assert [finding.where for finding in findings] == [f"{path}:{line}" for line in lines]
    for finding, line in zip(findings, lines, strict=True):
        assert (finding.code, finding.level) == ("dotenv-syntax", "warning")
        assert f"Line {line} of {path} cannot be read" in finding.message
        assert MARKER not in repr(finding)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(f"A=1\nB={MARKER}é\n".encode("latin-1"), "not UTF-8 (line 2)", id="latin-1"),
        pytest.param(f"A={MARKER}".encode("utf-16-le"), "NUL character (line 1)", id="no-mark"),
        pytest.param(f"\ufeffA={MARKER}".encode("utf-16-le") + b"x", "not UTF-16", id="utf-16-cut"),
        pytest.param(f"\ufeffA={MARKER}".encode("utf-32-le"), "NUL character", id="utf-32"),
        pytest.param(f"A=1\n\nB={MARKER}\0\n", "NUL character (line 3)", id="nul"),
    ],
)  # fmt: skip
def test_files_that_are_no_text(tmp_path: Path, data: str | bytes, words: str) -> None:
    """A file that is not text is refused with its name, the line, and what to do."""
    path = write(tmp_path, data)
    told = refuse(path)
    assert f"The file {path}" in told
    assert words in told
    assert "Save it as UTF-8." in told


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The error names the missing file."""
    assert f"The file {tmp_path / 'x'} cannot be read: No such file" in refuse(tmp_path / "x")


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    """The search skips a folder named `.env`; a path to one is refused."""
    (tmp_path / ".env").mkdir()
    inner = tmp_path / "app"
    inner.mkdir()
    assert find_dotenv(inner)[0] != tmp_path / ".env"
    assert "cannot be read" in refuse(tmp_path / ".env")


def test_a_file_that_is_closed_to_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable file is refused, even if root, who can read everything, runs the tests."""

    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied", MARKER)

    path = write(tmp_path, f"A={MARKER}")
    monkeypatch.setattr(Path, "open", closed)
    assert "cannot be read: Permission denied." in refuse(path)


def test_a_file_that_never_ends(tmp_path: Path) -> None:
    """No more of a file is read than a list of settings can be long."""
    assert "it is larger than 5 MB" in refuse(write(tmp_path, "A=1\n" * 1_300_000))
    if Path("/dev/zero").exists():
        assert "it is larger than 5 MB" in refuse(Path("/dev/zero"))


def test_a_name_that_is_no_path() -> None:
    """A name that cannot be a path is refused like other unreadable files."""
    assert "its name contains a NUL character" in refuse(Path("a\0b"))


def test_the_nearest_file_is_found(tmp_path: Path) -> None:
    """In the folder or above it, even if the start is a file or a folder that does not exist."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    outer = write(tmp_path, "A=1")
    assert find_dotenv(inner)[0] == outer
    assert find_dotenv(tmp_path / "no" / "such")[0] == outer
    nearer = write(tmp_path / "a", "A=2")
    assert find_dotenv(inner)[0] == nearer
    assert find_dotenv(nearer)[0] == nearer


def test_links_are_followed(tmp_path: Path) -> None:
    """The search goes up from the target of a link, not from the link."""
    (tmp_path / "real" / "app").mkdir(parents=True)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "app").symlink_to(tmp_path / "real" / "app")
    write(tmp_path / "links", "A=1")
    wanted = write(tmp_path / "real", "A=2")
    assert find_dotenv(tmp_path / "links" / "app")[0] == wanted


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make another user the owner of a file; if only root may do so, simulate it."""
    with contextlib.suppress(PermissionError):
        os.chown(path, 54321, 54321, follow_symlinks=False)
        return
    real = Path.lstat

    def lstat(asked: Path) -> os.stat_result:
        found = real(asked)
        return os.stat_result((*found[:4], 54321, *found[5:])) if asked == path else found

    monkeypatch.setattr(Path, "lstat", lstat)


@pytest.mark.skipif(os.name == "nt", reason="no owners by number there")
@pytest.mark.parametrize("link", [False, True], ids=["file", "link"])
def test_a_file_that_another_user_has_put_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool
) -> None:
    """Another user's file above is skipped with a finding; one in the folder itself is read."""
    inner = tmp_path / "shared" / "app"
    inner.mkdir(parents=True)
    wanted = write(tmp_path, "A=mine")
    planted = tmp_path / "shared" / ".env"
    if link:
        planted.symlink_to(wanted)
    else:
        planted.write_text("A=planted")
    give_away(planted, monkeypatch)
    path, findings = find_dotenv(inner)
    assert path == wanted
    assert [(one.code, one.where) for one in findings] == [("dotenv-owner", str(planted))]
    assert find_dotenv(planted.parent)[0] == planted


def test_places_where_nothing_can_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid path, circular links or a closed folder give None, or a file further up."""
    assert find_dotenv(Path("a\0b"))[0] is None
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    wanted = write(tmp_path, "A=1")
    assert find_dotenv(circle)[0] in (None, wanted)
    inner = tmp_path / "closed"
    inner.mkdir()
    real = Path.is_file

    def is_file(path: Path) -> bool:
        if path.parent == inner:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "is_file", is_file)
    assert find_dotenv(inner)[0] == wanted


def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deleted working folder is not an error: nothing is found."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_dotenv(Path(os.curdir))[0] is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one folder for many files, outside the folder of all tests."""
    return tmp_path_factory.mktemp("dotenv")


LINES = st.lists(
    st.from_regex(r"(export )?[AB]=['\"]?(\$\{[AB](:-x)?\}?|[ab #'\"\\\r])*", fullmatch=True)
).map("\n".join)


@given(LINES | st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=60))
def test_any_text_is_read_as_dotenv_reads_it(folder: Path, text: str) -> None:
    """Names and values equal those that python-dotenv's own function returns."""
    path = write(folder, text)
    values, _ = read_dotenv(path, os.environ)
    wanted = DotEnv(path, encoding="utf-8", override=False).dict()
    assert values == {name: value for name, value in wanted.items() if value is not None}


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(folder: Path, data: bytes) -> None:
    """Any bytes are read, or refused with the package's own error."""
    path = write(folder, data)
    try:
        read_dotenv(path, {})
    except ConfigError as error:
        assert str(path) in str(error)  # noqa: PT017
