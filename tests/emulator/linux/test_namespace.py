"""Where a container's /home is: in a namespace of its own, or at other paths in its texts."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.linux.namespace import Space, make_space, rewrite_file
from tests.support.emulator import make_site

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths of Linux")
HERE = Space("/x/site", "/x/home")
TEXTS = [
    pytest.param("cd /home/site/wwwroot", "cd /x/site", id="site"),
    pytest.param("cd /home/site/wwwroot/sub", "cd /x/site/sub", id="below"),
    pytest.param("--chdir=/home/site/wwwroot", "--chdir=/x/site", id="option"),
    pytest.param('"/home/site/wwwroot/a b"', '"/x/site/a b"', id="quoted"),
    pytest.param("PATH=/bin:/home/site/wwwroot:/x", "PATH=/bin:/x/site:/x", id="path-list"),
    pytest.param("> /home/LogFiles/x.log", "> /x/home/LogFiles/x.log", id="logs"),
    pytest.param("sqlite:////home/data/db", "sqlite:////x/home/data/db", id="absolute-url"),
    pytest.param("sqlite:///home/site/db", "sqlite:///home/site/db", id="relative-url"),
    pytest.param("/home/site/tools", "/x/home/site/tools", id="beside-the-site"),
    pytest.param("/home/site/wwwroot2", "/x/home/site/wwwroot2", id="longer-name"),
    pytest.param("/home/sites/x", "/home/sites/x", id="another-name"),
    pytest.param("/home/you/site", "/home/you/site", id="a-user"),
    pytest.param("/mnt/home/site/wwwroot", "/mnt/home/site/wwwroot", id="deeper"),
    pytest.param("~/home/site", "~/home/site", id="tilde"),
    pytest.param("", "", id="empty"),
]


@pytest.mark.parametrize(("text", "inside"), TEXTS)
def test_paths_in_texts(text: str, inside: str) -> None:
    """The platform's paths are replaced, and no others; with a namespace none."""
    assert HERE.inside(text) == inside
    assert Space("/home/site/wwwroot", "/home", ("unshare",)).inside(text) == text


@given(st.text(st.characters(blacklist_characters="/")))
def test_other_texts_stay(text: str) -> None:
    """A text without such a path is unchanged."""
    assert HERE.inside(text) == text


def test_files_of_the_copy(tmp_path: Path) -> None:
    """Only files with such paths are written; modes and bytes that are not text stay."""
    here = Space(str(tmp_path), "/x/home")
    site = make_site(
        tmp_path,
        {"a.sh": b"cd /home/site/wwwroot # \xff\r\n", "b.sh": "ls\n", "c.bin": b"\0/home/site"},
    )
    (site / "a.sh").chmod(0o755)
    assert [rewrite_file(site / name, here) for name in ("a.sh", "b.sh", "c.bin")] == [
        True, False, False,
    ]  # fmt: skip
    assert (site / "a.sh").read_bytes() == f"cd {tmp_path} # ".encode() + b"\xff\r\n"
    assert (site / "a.sh").stat().st_mode & 0o777 == 0o755


def test_files_outside_of_the_copy(tmp_path: Path) -> None:
    """They are the user's own, even if the copy has a link to them."""
    mine = make_site(tmp_path / "mine", {"start.sh": "cd /home/site/wwwroot\n"}) / "start.sh"
    copy = make_site(tmp_path / "copy", {"app.py": ""})
    (copy / "start.sh").symlink_to(mine)
    for path in (mine, copy / "start.sh", copy / "../mine/start.sh"):
        assert not rewrite_file(path, Space(str(copy), "/x/home"))
    assert mine.read_text() == "cd /home/site/wwwroot\n"


def space(folder: Path, **options: bool) -> Space:
    """Make a site, its home, and their space."""
    site = make_site(folder / "home/site/wwwroot", {"app.py": "in the site"})
    (folder / "home/LogFiles").mkdir()
    return asyncio.run(make_space(site, folder / "home", folder / "stage", **options))


def sh(made: Space, script: str) -> str:
    """Run a shell in a space, and return its output."""
    done = subprocess.run(
        [*made.prefix, "/bin/sh", "-c", script], capture_output=True, text=True, check=True,
        timeout=20,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_namespace(tmp_path: Path) -> None:
    """/home is the emulated one, writable, and only the container's; the pid stays."""
    made = space(tmp_path)
    if made.note:
        pytest.skip(made.note)
    assert sh(made, "cat /home/site/wwwroot/app.py") == "in the site"
    sh(made, "echo data > /home/LogFiles/x; echo new > /home/site/wwwroot/new.txt; touch /home/y")
    assert (tmp_path / "home/y").exists()
    assert (tmp_path / "home/LogFiles/x").read_text() == "data\n"
    assert (tmp_path / "home/site/wwwroot/new.txt").read_text() == "new\n"
    assert not os.path.exists("/home/LogFiles/x")
    # Entries of the machine's own /home are there as well.
    assert set(os.listdir("/home")) <= set(sh(made, "ls -A /home").split("\n"))
    started = subprocess.Popen([*made.prefix, "/bin/sh", "-c", "echo $$"], stdout=subprocess.PIPE)
    assert int(started.communicate(timeout=20)[0]) == started.pid


def test_another_folder_for_the_site(tmp_path: Path) -> None:
    """The copy may be in any folder."""
    (tmp_path / "home/LogFiles").mkdir(parents=True)
    other = make_site(tmp_path / "other place", {"app.py": "elsewhere"})
    made = asyncio.run(make_space(other, tmp_path / "home", tmp_path / "stage"))
    if made.note:
        pytest.skip(made.note)
    assert sh(made, "cat /home/site/wwwroot/app.py") == "elsewhere"


def in_a_home_of_its_own(tmp_path: Path, code: str) -> str:
    """Run Python on a machine whose /home is `machine`; return its output."""
    if any(path.startswith("/home/") for path in (sys.executable, sys.prefix, __file__)):
        pytest.skip("what is tested lies in /home")
    (tmp_path / "run.py").write_text(
        "import asyncio, os, subprocess, sys\nfrom pathlib import Path\n"
        "from appsvc_runtime.emulator.linux.namespace import make_space\n"
        "folder = Path('/home/you/code')\n"
        "made = asyncio.run(make_space(folder / 'home/site/wwwroot', folder / 'home', "
        f"folder / 'stage'))\n{code}"
    )
    own = () if os.geteuid() == 0 else ("--map-root-user",)
    mount = f"mount --rbind '{tmp_path}/machine' /home || exit 99; exec '{sys.executable}' run.py"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", *own, "sh", "-c", mount],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    if done.returncode == 99 or "unshare:" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    return done.stdout


RUN = """
assert made.prefix, made.note
for script in SCRIPTS:
    done = subprocess.run([*made.prefix, "sh", "-c", script], capture_output=True, text=True)
    print(done.stdout + done.stderr, end="")
print(made.note)
"""


def test_a_site_in_the_machines_own_home(tmp_path: Path) -> None:
    """Many sites are in a user's home: both homes are visible, also files and links in them."""
    make_site(
        tmp_path / "machine",
        {
            "you/code/home/site/wwwroot/app.py": "in the site\n",
            "you/notes": "mine\n",
            "list": "l\n",
        },
    )
    (tmp_path / "machine/me").symlink_to("you")
    scripts = (
        "cat /home/site/wwwroot/app.py /home/me/notes /home/list",
        "echo new >> /home/you/code/home/site/wwwroot/app.py; tail -n 1 /home/site/wwwroot/app.py",
    )
    said = in_a_home_of_its_own(tmp_path, f"SCRIPTS = {scripts!r}\n{RUN}")
    assert said.splitlines() == ["in the site", "mine", "l", "new", ""]


def test_what_the_machine_calls_as_the_platform(tmp_path: Path) -> None:
    """An app does not find such entries or write to them, and that is reported."""
    make_site(
        tmp_path / "machine",
        {"you/code/home/site/wwwroot/app.py": "", "data/db": "mine\n", "LogFiles/x": "mine\n"},
    )
    (tmp_path / "machine/you/code/home/LogFiles").mkdir()
    scripts = ("mkdir -p /home/data; echo the app > /home/data/db; ls /home/LogFiles",)
    said = in_a_home_of_its_own(tmp_path, f"SCRIPTS = {scripts!r}\n{RUN}")
    assert said == (
        "This machine's own /home/LogFiles and /home/data is hidden in the container.\n"
    )
    assert (tmp_path / "machine/data/db").read_text() == "mine\n"
    assert (tmp_path / "machine/you/code/home/data/db").read_text() == "the app\n"


def test_without_a_namespace(tmp_path: Path) -> None:
    """Paths are those of this machine, and a note has the reason."""
    made = space(tmp_path, allow=False)
    assert (made.prefix, made.site) == ((), str(tmp_path / "home/site/wwwroot"))
    assert "no /home of its own (switched off)" in made.note
    assert sh(made, made.inside("cat /home/site/wwwroot/app.py")) == "in the site"


def test_where_unshare_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in many containers: the reason is what unshare prints."""
    make_site(
        tmp_path / "bin", {"unshare": "#!/bin/sh\necho 'unshare: not permitted.' >&2; exit 1"}
    )
    (tmp_path / "bin/unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    made = space(tmp_path)
    assert made.prefix == ()
    assert "(unshare: not permitted)" in made.note


def test_paths_with_blanks(tmp_path: Path) -> None:
    """Without a namespace, such paths are replaced by links that need no quotes."""
    made = space(tmp_path / "a b'c", allow=False)
    for quote in ("", "'", '"'):
        command = f"cat {quote}/home/site/wwwroot/app.py{quote}"
        assert sh(made, made.inside(command)) == "in the site"
