"""Paths as a container sees them, in texts and in files of the copy."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.linux.space import Space, rewrite_file
from tests.support.emulator import make_site

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths of Linux")
HERE = Space(
    "/x/site",
    "/x/home",
    moved={
        "/home/site/wwwroot": "/x/wwwroot",
        **{f"/home/{name}": f"/x/home/{name}" for name in ("LogFiles", "data", "site")},
        **{f"/opt/{name}": f"/x/opt/{name}" for name in ("startup", "defaultsite")},
    },
)
TEXTS = [
    pytest.param("cd /home/site/wwwroot", "cd /x/wwwroot", id="site"),
    pytest.param("cd /home/site/wwwroot/sub", "cd /x/wwwroot/sub", id="below"),
    pytest.param("--chdir=/home/site/wwwroot", "--chdir=/x/wwwroot", id="option"),
    pytest.param('"/home/site/wwwroot/a b"', '"/x/wwwroot/a b"', id="quoted"),
    pytest.param("PATH=/bin:/home/site/wwwroot:/x", "PATH=/bin:/x/wwwroot:/x", id="path-list"),
    pytest.param("> /home/LogFiles/x.log", "> /x/home/LogFiles/x.log", id="logs"),
    pytest.param("sqlite:////home/data/db", "sqlite:////x/home/data/db", id="absolute-url"),
    pytest.param("sqlite:///home/site/db", "sqlite:///home/site/db", id="relative-url"),
    pytest.param("/home/site/tools", "/x/home/site/tools", id="beside-the-site"),
    pytest.param("/home/site/wwwroot2", "/x/home/site/wwwroot2", id="longer-name"),
    pytest.param("/home/sites/x", "/home/sites/x", id="another-name"),
    pytest.param("/home/you/site", "/home/you/site", id="a-user"),
    pytest.param("/mnt/home/site/wwwroot", "/mnt/home/site/wwwroot", id="deeper"),
    pytest.param("~/home/site", "~/home/site", id="tilde"),
    pytest.param("-c /opt/startup/a.py", "-c /x/opt/startup/a.py", id="image"),
    pytest.param("--chdir=/opt/defaultsite", "--chdir=/x/opt/defaultsite", id="default-site"),
    pytest.param("/opt/python/3/bin", "/opt/python/3/bin", id="other-opt"),
    pytest.param("", "", id="empty"),
]


@pytest.mark.parametrize(("text", "inside"), TEXTS)
def test_paths_in_texts(text: str, inside: str) -> None:
    """The platform's paths are replaced, and no others; with a namespace none."""
    assert HERE.inside(text) == inside
    assert Space("/tmp/1", prefix=("unshare",)).inside(text) == text


@given(st.text(st.characters(blacklist_characters="/")))
def test_other_texts_stay(text: str) -> None:
    """A text without such a path is unchanged."""
    assert HERE.inside(text) == text


def test_files_of_the_copy(tmp_path: Path) -> None:
    """Only files with such paths are written; modes and bytes that are not text stay."""
    here = Space(str(tmp_path), "/x/home", moved={"/home/site/wwwroot": "/x/wwwroot"})
    site = make_site(
        tmp_path,
        {"a.sh": b"cd /home/site/wwwroot # \xff\r\n", "b.sh": "ls\n", "c.bin": b"\0/home/site"},
    )
    (site / "a.sh").chmod(0o755)
    assert [rewrite_file(site / name, site, here) for name in ("a.sh", "b.sh", "c.bin")] == [
        True, False, False,
    ]  # fmt: skip
    assert (site / "a.sh").read_bytes() == b"cd /x/wwwroot # \xff\r\n"
    assert (site / "a.sh").stat().st_mode & 0o777 == 0o755


def test_files_outside_of_the_copy(tmp_path: Path) -> None:
    """They are the user's own, even if the copy has a link to them."""
    mine = make_site(tmp_path / "mine", {"start.sh": "cd /home/site/wwwroot\n"}) / "start.sh"
    copy = make_site(tmp_path / "copy", {"app.py": ""})
    (copy / "start.sh").symlink_to(mine)
    for path in (mine, copy / "start.sh", copy / "../mine/start.sh"):
        assert not rewrite_file(path, copy, HERE)
    assert mine.read_text() == "cd /home/site/wwwroot\n"
