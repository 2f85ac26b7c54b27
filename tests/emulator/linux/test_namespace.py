"""How a container gets its folders: in a namespace of its own, or at other paths in its texts."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.layout import Layout
from appsvc_runtime.emulator.linux.namespace import make_space
from appsvc_runtime.emulator.linux.space import Space
from tests.support.emulator import make_site
from tests.support.trees import snapshot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths of Linux")


@pytest.fixture
def point() -> Iterator[Path]:
    """Return an empty folder below /tmp, as a run makes it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def lay_out(folder: Path, point: Path | None = None, *, read_only: bool = False) -> Layout:
    """Make a site and the folders of its containers: not built if there is no `point`."""
    site = make_site(folder / "site", {"app.py": "in the site", "static/a.css": "a"})
    make_site(folder / "wwwroot", {"output.tar.zst": ""})
    make_site(folder / "opt", {"startup/gunicorn.conf.py": "of the image"})
    (folder / "home/LogFiles").mkdir(parents=True, exist_ok=True)
    return Layout(
        home=folder / "home",
        opt=folder / "opt",
        site=site,
        wwwroot=site if point is None else folder / "wwwroot",
        stage=folder / "stage",
        point=point,
        read_only=read_only,
    )


def space(layout: Layout, **options: bool) -> Space:
    return asyncio.run(make_space(layout, **options))


def needs_namespace(made: Space) -> None:
    if not made.prefix:
        pytest.skip(made.notes[0])


def sh(made: Space, script: str) -> str:
    """Run a shell in a space, and return its output."""
    done = subprocess.run(
        [*made.prefix, "/bin/sh", "-c", script], capture_output=True, text=True, check=True,
        timeout=20,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_namespace(tmp_path: Path) -> None:
    """/home is the emulated one, writable, and only the container's; the pid stays."""
    made = space(lay_out(tmp_path))
    needs_namespace(made)
    assert (made.site, made.home, made.fresh) == ("/home/site/wwwroot", "/home", False)
    assert sh(made, "cat /home/site/wwwroot/app.py") == "in the site"
    sh(made, "echo data > /home/LogFiles/x; echo new > /home/site/wwwroot/new.txt; touch /home/y")
    assert (tmp_path / "home/y").exists()
    assert (tmp_path / "home/LogFiles/x").read_text() == "data\n"
    assert (tmp_path / "site/new.txt").read_text() == "new\n"
    assert not os.path.exists("/home/LogFiles/x")
    # Entries of the machine's own /home are there as well.
    assert set(os.listdir("/home")) <= set(sh(made, "ls -A /home").split("\n"))
    started = subprocess.Popen([*made.prefix, "/bin/sh", "-c", "echo $$"], stdout=subprocess.PIPE)
    assert int(started.communicate(timeout=20)[0]) == started.pid


def test_the_images_folder(tmp_path: Path) -> None:
    """/opt has what the image has there, and this machine's own."""
    made = space(lay_out(tmp_path))
    needs_namespace(made)
    assert sh(made, f"cat {made.inside('/opt/startup/gunicorn.conf.py')}") == "of the image"
    if not made.moved:
        assert set(os.listdir("/opt")) <= set(sh(made, "ls -A /opt").split("\n"))


def test_a_site_that_was_built(tmp_path: Path, point: Path) -> None:
    """It is in a folder below /tmp; /home/site/wwwroot has the archive only."""
    made = space(lay_out(tmp_path, point))
    needs_namespace(made)
    assert made.site == str(point)
    assert sh(made, f"cat {made.site}/app.py") == "in the site"
    assert sh(made, "ls -A /home/site/wwwroot") == "output.tar.zst"
    sh(made, "echo kept > /home/site/wwwroot/data.db")
    assert (tmp_path / "wwwroot/data.db").read_text() == "kept\n"
    assert not any(point.iterdir())


def test_what_a_built_site_writes_is_dropped(tmp_path: Path, point: Path) -> None:
    """Each container gets what was built, and changes none of it."""
    layout = lay_out(tmp_path, point)
    made = space(layout)
    needs_namespace(made)
    if not made.fresh:
        pytest.skip(made.notes[-1])
    before = snapshot(layout.site)
    changes = (
        "echo changed > app.py; rm -r static; mkdir static; mv app.py b.py; echo new > new.txt; ls"
    )
    for folder in (point, layout.site):  # the environment's programs name the second
        assert sh(made, f"cd {folder}; {changes}").split() == ["b.py", "new.txt", "static"]
        assert sh(made, f"cd {folder}; ls -R") == sh(made, f"cd {point}; ls -R")
    assert snapshot(layout.site) == before
    same = f"echo one > {point}/x; cat {layout.site}/x"
    assert sh(made, same) == "one"


def test_names_that_options_of_mount_divide(tmp_path: Path, point: Path) -> None:
    """Commas, colons and blanks in the path of a site do no harm."""
    made = space(lay_out(tmp_path / "a,b:c d\\e'f", point))
    needs_namespace(made)
    assert sh(made, f"cat {made.site}/app.py") == "in the site"


@pytest.mark.parametrize("built", [True, False])
def test_a_read_only_folder(tmp_path: Path, point: Path, built: bool) -> None:
    """Nothing can be written to /home/site/wwwroot; the rest of /home stays as it is."""
    made = space(lay_out(tmp_path, point if built else None, read_only=True))
    needs_namespace(made)
    if not made.read_only:
        assert "/home/site/wwwroot can be written to here" in made.notes[-1]
        pytest.skip(made.notes[-1])
    tried = (
        "touch /home/site/wwwroot/x 2>&1 || echo refused; touch /home/LogFiles/x && echo written"
    )
    lines = sh(made, tried).splitlines()
    assert "Read-only file system" in lines[0]
    assert lines[1:] == ["refused", "written"]
    assert not os.path.exists(tmp_path / "site/x")


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root becomes another user"
)
def test_an_ordinary_user(point: Path) -> None:
    """The folders are the same, in a user namespace; what is written is dropped here too."""
    folder, user = Path(tempfile.mkdtemp(dir="/tmp")), 65534
    try:
        layout = lay_out(folder, point)
        needs_namespace(space(layout))  # also imports what the other user may not read
        for path in (point, folder, *folder.rglob("*")):
            os.chown(path, user, user)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of other tests' threads
            child = os.fork()
        if not child:  # a process of its own: nothing of this one may become another user
            os._exit(_as_user(user, layout))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        shutil.rmtree(folder)
    if code == 2:
        pytest.skip("this machine allows an ordinary user no namespace, or no overlay")
    assert code == 0


def _as_user(user: int, layout: Layout) -> int:
    """Run a container as another user; return 0 if all is right, 2 if that is not possible."""
    try:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        made = space(layout)
        if not made.fresh:
            return 2
        told = sh(made, f"cd {made.site}; echo x > new; rm -r static; mkdir static; cat app.py")
        return 0 if told == "in the site" and not (layout.site / "new").exists() else 1
    except BaseException:
        traceback.print_exc()
        return 3


def in_a_home_of_its_own(tmp_path: Path, code: str) -> str:
    """Run Python on a machine whose /home is `machine`; return its output."""
    if any(path.startswith("/home/") for path in (sys.executable, sys.prefix, __file__)):
        pytest.skip("what is tested lies in /home")
    (tmp_path / "run.py").write_text(
        "import asyncio, os, subprocess, sys\nfrom pathlib import Path\n"
        "from appsvc_runtime.emulator.linux.namespace import make_space\n"
        "from appsvc_runtime.emulator.linux.layout import Layout\n"
        "folder = Path('/home/you/code')\n"
        "(folder / 'opt').mkdir()\n"
        "layout = Layout(home=folder / 'home', opt=folder / 'opt', site=folder / 'site', "
        "wwwroot=folder / 'site', stage=folder / 'stage')\n"
        f"made = asyncio.run(make_space(layout))\n{code}"
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
assert made.prefix, made.notes
for script in SCRIPTS:
    done = subprocess.run([*made.prefix, "sh", "-c", script], capture_output=True, text=True)
    print(done.stdout + done.stderr, end="")
print(*made.notes, sep="\\n")
"""


def test_a_site_in_the_machines_own_home(tmp_path: Path) -> None:
    """Many sites are in a user's home: both homes are visible, also files and links in them."""
    make_site(
        tmp_path / "machine",
        {
            "you/code/site/app.py": "in the site\n",
            "you/notes": "mine\n",
            "list": "l\n",
        },
    )
    (tmp_path / "machine/me").symlink_to("you")
    scripts = (
        "cat /home/site/wwwroot/app.py /home/me/notes /home/list",
        "echo new >> /home/you/code/site/app.py; tail -n 1 /home/site/wwwroot/app.py",
    )
    said = in_a_home_of_its_own(tmp_path, f"SCRIPTS = {scripts!r}\n{RUN}")
    assert said.splitlines() == ["in the site", "mine", "l", "new", ""]


def test_what_the_machine_calls_as_the_platform(tmp_path: Path) -> None:
    """An app does not find such entries or write to them, and that is reported."""
    make_site(
        tmp_path / "machine",
        {"you/code/site/app.py": "", "data/db": "mine\n", "LogFiles/x": "mine\n"},
    )
    (tmp_path / "machine/you/code/home/LogFiles").mkdir(parents=True)
    scripts = ("mkdir -p /home/data; echo the app > /home/data/db; ls /home/LogFiles",)
    said = in_a_home_of_its_own(tmp_path, f"SCRIPTS = {scripts!r}\n{RUN}")
    assert said == (
        "This machine's own /home/LogFiles and /home/data is hidden in the container.\n"
    )
    assert (tmp_path / "machine/data/db").read_text() == "mine\n"
    assert (tmp_path / "machine/you/code/home/data/db").read_text() == "the app\n"


def test_without_a_namespace(tmp_path: Path, point: Path) -> None:
    """Paths are those of this machine, and notes have the reason and what that means."""
    made = space(lay_out(tmp_path), allow=False)
    assert (made.prefix, made.site) == ((), str(tmp_path / "site"))
    assert len(made.notes) == 1
    assert "no /home of its own (switched off)" in made.notes[0]
    assert sh(made, made.inside("cat /home/site/wwwroot/app.py")) == "in the site"
    built = space(lay_out(tmp_path, point, read_only=True), allow=False)
    assert (built.site, built.fresh, built.read_only) == (str(tmp_path / "site"), False, False)
    assert sh(built, built.inside("ls /home/site/wwwroot")) == "output.tar.zst"
    assert sh(built, built.inside("cat /opt/startup/gunicorn.conf.py")) == "of the image"
    assert "stays until the next build" in built.notes[1]
    assert "can be written to here, and not there" in built.notes[2]


def test_where_unshare_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in many containers: the reason is what unshare prints."""
    make_site(
        tmp_path / "bin", {"unshare": "#!/bin/sh\necho 'unshare: not permitted.' >&2; exit 1"}
    )
    (tmp_path / "bin/unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    made = space(lay_out(tmp_path))
    assert made.prefix == ()
    assert "(unshare: not permitted)" in made.notes[0]


def test_where_no_overlay_is_allowed(
    tmp_path: Path, point: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build itself is in the container's folder, and a note says what that means."""
    real = shutil.which("mount")
    make_site(
        tmp_path / "bin",
        {"mount": f'#!/bin/sh\ncase "$1$2" in -toverlay) exit 32;; esac\nexec {real} "$@"\n'},
    )
    (tmp_path / "bin/mount").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    made = space(lay_out(tmp_path, point))
    needs_namespace(made)
    assert (made.site, made.fresh) == (str(point), False)
    assert "this machine allows no overlay" in made.notes[-1]
    sh(made, f"echo new > {point}/new.txt")
    assert (tmp_path / "site/new.txt").read_text() == "new\n"


def test_paths_with_blanks(tmp_path: Path) -> None:
    """Without a namespace, such paths are replaced by links that need no quotes."""
    made = space(lay_out(tmp_path / "a b'c"), allow=False)
    for quote in ("", "'", '"'):
        command = f"cat {quote}/home/site/wwwroot/app.py{quote}"
        assert sh(made, made.inside(command)) == "in the site"
