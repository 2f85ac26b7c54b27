"""What the build reads in a requirements file, and what it reports about it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build.requirements import Requirements, read_requirements
from appsvc_runtime.errors import ConfigError

PLAIN = "flask==3.1\nDjango>=5\n"


def read(folder: Path, content: str | bytes, **others: str) -> Requirements:
    for name, text in others.items():
        (folder / f"{name}.txt").write_text(text)
    file = folder / "requirements.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_requirements(file)


ENCODINGS = [
    # how it is written, how pip reads it, whether `grep -i django` finds it, what is reported
    pytest.param(PLAIN.encode(), "utf-8", True, "", id="utf-8"),
    pytest.param(PLAIN.encode("utf-8-sig"), "utf-8-sig", True, "byte order mark", id="bom"),
    pytest.param(PLAIN.encode("utf-16"), "utf-16", False, "is in UTF-16", id="utf-16"),
    pytest.param(
        b"\xfe\xff" + PLAIN.encode("utf-16-be"), "utf-16", False, "is in UTF-16", id="utf-16-be"
    ),
    pytest.param(PLAIN.encode("utf-32"), "utf-32", False, "is in UTF-32", id="utf-32"),
    pytest.param(b"# -*- coding: latin-1 -*-\ndjango # \xe9\n", "latin-1", True, "", id="comment"),
    pytest.param(b"django\rflask\r", "utf-8", True, "lines with CR alone", id="cr"),
    pytest.param(b"django\r\nflask\r\n", "utf-8", True, "", id="crlf"),
    pytest.param(b"# coding: nonsense\ndjango\n", "utf-8", True, "", id="no-encoding"),
    pytest.param(b"# coding: hex\ndjango\n", "utf-8", True, "", id="no-encoding-of-text"),
    pytest.param(b"", "utf-8", False, "", id="empty"),
]


@pytest.mark.parametrize(("content", "encoding", "django", "said"), ENCODINGS)
def test_encodings(tmp_path: Path, content: bytes, encoding: str, django: bool, said: str) -> None:
    """It is decoded as pip does; Django is searched for in the bytes, as the platform does."""
    found = read(tmp_path, content)
    assert (found.encoding, found.mentions_django) == (encoding, django)
    assert [said] == [said for text in found.warnings if said in text] or (
        not said and not found.warnings
    )


UNREADABLE = [
    # neither uv nor pip reads it: the content of the file, and what the error says
    pytest.param(PLAIN.encode("utf-16-le"), "has a null byte in line 1", id="utf-16-no-mark"),
    pytest.param(b"flask\n\0\n", "has a null byte in line 2", id="null"),
    pytest.param(b"flask\ndjango # \xe9\n", "UTF-8 (byte 0xe9 in line 2)", id="latin-1"),
    pytest.param(PLAIN.encode("utf-16")[:-1], "is not in UTF-16", id="utf-16-cut"),
    pytest.param(b"\xef\xbb\xbf\xff\n", "is not in UTF-8-SIG", id="bom-and-latin-1"),
    pytest.param(b"#" * 16_000_001, "is too large", id="large"),
]


@pytest.mark.parametrize(("content", "said"), UNREADABLE)
def test_what_no_tool_reads(tmp_path: Path, content: bytes, said: str) -> None:
    """It is refused in one sentence, with the file, the place and what to do."""
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, content)
    assert raised.value.message.startswith("requirements.txt ")
    assert said in raised.value.message
    assert raised.value.hint
    (tmp_path / "other.txt").write_bytes(content)
    with pytest.raises(ConfigError, match=r"other\.txt"):
        read(tmp_path, "-r other.txt\n")


SPELLINGS = [
    "-r {}",
    "-r{}",
    "-c {}",
    "-r={}",
    "--requirement {}",
    "--requirement={}",
    "--requirem={}",
    "--constraint={}",
    "--const {}",
    "-r '{}'",
    "--pre -r {}",
    "-r \\\n{}",
    "-r file://{}",
    "-r ${{PLACE}}",
]
POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="devices and named pipes")


@POSIX_ONLY
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_files_without_end(tmp_path: Path, spelling: str) -> None:
    """A device is refused however it is included, before pip takes all memory for it."""
    file = tmp_path / "requirements.txt"
    file.write_text(f"flask\n{spelling.format('/dev/zero')}\n")
    with pytest.raises(ConfigError, match=r"which requirements.txt includes, is a device"):
        read_requirements(file, tmp_path, {"PLACE": "/dev/zero"})


@POSIX_ONLY
def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder, a named pipe and a device are refused by what they are, and not waited for."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name, kind in (("folder", "a folder"), ("pipe", "a named pipe"), ("link", "a device")):
        with pytest.raises(ConfigError, match=f"^{name} is {kind}, not a file"):
            read_requirements(tmp_path / name)
        with pytest.raises(ConfigError, match=f"includes, is {kind}, not a file"):
            read(tmp_path, f"-r {name}\n")


def test_a_long_chain_of_files(tmp_path: Path) -> None:
    """Each file of a chain is looked at, as pip would; a chain without an end is refused."""
    for number in range(1100):
        (tmp_path / f"{number}.txt").write_text(f"-r {number + 1}.txt\n")
    with pytest.raises(ConfigError, match="includes more than 1000 files"):
        read(tmp_path, "-r 0.txt\n")
    (tmp_path / "300.txt").write_bytes(b"\0")
    with pytest.raises(ConfigError, match=r"^300\.txt has a null byte"):
        read(tmp_path, "-r 0.txt\n")


def test_powershells_file_is_read_to_its_end(tmp_path: Path) -> None:
    """The content of a UTF-16 file counts: this package is found in it."""
    assert read(tmp_path, "appsvc_runtime[fastcgi]\r\n".encode("utf-16")).names_own


FIXED = [
    pytest.param("flask==3\n# -e .\nrequests\n", True, id="names"),
    pytest.param("-e .\n", False, id="editable"),
    pytest.param("--editable=lib\n", False, id="editable-long"),
    pytest.param("./lib\n", False, id="folder"),
    pytest.param("../lib\n", False, id="folder-above"),
    pytest.param("/opt/lib\n", False, id="absolute"),
    pytest.param("git+https://example.com/x.git\n", False, id="commit"),
    pytest.param("x @ file:///opt/x\n", False, id="direct"),
    pytest.param("file:x.whl\n", True, id="file"),
    pytest.param("-r other.txt\n", False, id="included"),
    pytest.param("-c constraints.txt\nflask\n", True, id="constraints"),
    pytest.param("-r missing.txt\n", True, id="missing"),
    pytest.param("-r requirements.txt\nflask\n", True, id="itself"),
]


@pytest.mark.parametrize(("content", "fixed"), FIXED)
def test_what_may_change_by_itself(tmp_path: Path, content: str, fixed: bool) -> None:
    """The same names are the same packages, files count by content; others may change unnoticed."""
    assert read(tmp_path, content, other="./lib\n", constraints="flask<4\n").fixed is fixed


def test_included_files_count(tmp_path: Path) -> None:
    """A change in an included file, at any depth, is a change."""
    first = read(tmp_path, "-r one.txt\n", one="--requirement=two.txt\n", two="flask==1\n")
    second = read(tmp_path, "-r one.txt\n", one="--requirement=two.txt\n", two="flask==2\n")
    third = read(tmp_path, "-r one.txt\n", one="--requirement=two.txt\n", two="flask==2\n")
    assert first.digest != second.digest == third.digest


@pytest.mark.parametrize("name", ["appsvc-runtime", "Appsvc_Runtime>=0.1", " appsvc.runtime[x]"])
def test_own_package(tmp_path: Path, name: str) -> None:
    """This package is found in all spellings of its name, but not as a part of another name."""
    assert read(tmp_path, f"flask\n{name}\n").names_own
    assert read(tmp_path, f"flask\n{name}\n").own_by_name
    assert not read(tmp_path, "my-appsvc-runtime\nappsvc-runtimes\n# appsvc-runtime\n").names_own


@pytest.mark.parametrize(
    "text",
    [
        "./wheels/appsvc_runtime-1-py3-none-any.whl",
        "appsvc-runtime @ https://files.example.com/appsvc_runtime-1-py3-none-any.whl",
        "appsvc-runtime @ ./wheels/appsvc_runtime-1-py3-none-any.whl",
        "--find-links wheels\nappsvc-runtime",
        "--extra-index-url=https://index.example.com/simple\nappsvc-runtime",
        "-i https://index.example.com/simple\nappsvc-runtime",
        "flask",
    ],
)
def test_own_package_from_elsewhere_than_the_default_index(tmp_path: Path, text: str) -> None:
    """The platform's build finds it there, so that nothing is to be warned of."""
    assert not read(tmp_path, f"{text}\n").own_by_name
