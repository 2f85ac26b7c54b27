"""`appsvc build` and `emulate` under faults: kills, moved folders, links, other users."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build.build import read_built
from appsvc_runtime.system import procfs
from tests.support.emulator import alive_with, make_site
from tests.support.pythons import only_on
from tests.support.servers import ROOT, clean_environ, run
from tests.support.smallwheels import make_wheel
from tests.support.trees import snapshot

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="signals, /proc and sh"),
]

Build = Callable[..., "subprocess.CompletedProcess[str]"]
OURS = (".appsvc-build.json", ".appsvc-build.json.new", ".appsvc-build.lock", "antenv")
# A stand-in for a Python whose virtual environments are made at once; pip installs only what it is
# given.
PYTHON = """\
#!/bin/sh
case "$2" in
venv) mkdir -p antenv/bin antenv/lib/python3.11/site-packages && cp "$0" antenv/bin/python ;;
pip)
    cat requirements.txt app.py > antenv/lib/python3.11/site-packages/installed
    echo "$*" > antenv/arguments ;;
*)
    echo "appsvc:{\\"path\\": \\"$0\\", \\"version\\": [3, 11, 0], \\"prefix\\": \\"/x\\"," \
        "\\"base_prefix\\": \\"/x\\", \\"user_base\\": \\"\\", \\"wfastcgi\\": \\"\\"," \
        "\\"runtime\\": \\"\\"}"
    ;;
esac
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Return a fast interpreter."""
    made = tmp_path / "python"
    made.write_text(PYTHON)
    made.chmod(0o755)
    return made


@pytest.fixture
def build(python: Path, cache: Path) -> Build:
    """Return a function that runs `appsvc build` with the fast interpreter."""

    def call(site: Path, *options: str) -> subprocess.CompletedProcess[str]:
        return run(
            "-m", "appsvc_runtime", "build", str(site), "--python", str(python), *options,
            cwd=site.parent, timeout=240, XDG_CACHE_HOME=str(cache),
        )  # fmt: skip

    return call


def built(site: Path) -> Path:
    return site.parent / ".appsvc" / site.name / "linux/built"


def installed(site: Path) -> Path:
    return built(site) / "antenv/lib/python3.11/site-packages/installed"


def test_killed_at_random_moments(tmp_path: Path, python: Path, build: Build, cache: Path) -> None:
    """After kill -9 the state claims no success; the next build is right, without old files."""
    files: dict[str, str | bytes] = {f"f{n % 20}/f{n}.txt": f"{n}" * 2000 for n in range(600)}
    site = make_site(tmp_path / "site", {**files, "requirements.txt": "one\n", "app.py": ""})
    command = [sys.executable, "-m", "appsvc_runtime", "build", str(site), "--python", str(python)]
    unfinished = 0
    for number in range(8):
        make_site(site, {"requirements.txt": f"one=={number}\n", f"new{number}/x.txt": "x"})
        for name in list(files)[number * 20 : number * 20 + 20]:
            (site / name).unlink()
        started = subprocess.Popen(
            command, env=clean_environ(XDG_CACHE_HOME=str(cache)), cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert started.stdout is not None
        with started.stdout:
            # Moments: before the start, during the copy, at each of the following lines. The first
            # line names the Python, before anything is written.
            for _ in range(number + 1 if number else 0):
                started.stdout.readline()
            if not number:
                wait_for(built(site) / ".appsvc-build.lock", started)
            started.send_signal(signal.SIGKILL)
            started.stdout.read()
        started.wait(30)
        left = read_built(built(site))
        if left.built is None:
            unfinished += 1
        else:
            assert snapshot(built(site), *OURS) == snapshot(site)
            assert installed(site).read_text() == f"one=={number}\n"
        (site / f"new{number}/x.txt").unlink()
        (site / f"new{number}").rmdir()
        if number % 2:
            continue  # killed again before any build was finished
        done = build(site)
        assert done.returncode == 0, done.stdout + done.stderr
        assert snapshot(built(site), *OURS) == snapshot(site)
        assert installed(site).read_text() == f"one=={number}\n"
    assert unfinished


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a file exists; the process must not end before."""
    for _ in range(3000):
        if path.exists():
            return
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
        break
    pytest.fail(f"{path} did not come")


def guards_of(parent: int) -> list[int]:
    """Return the processes that guard what `parent` starts."""
    return [
        one.pid
        for one in procfs.processes()
        if one.parent == parent and b"tree_guard" in Path(f"/proc/{one.pid}/cmdline").read_bytes()
    ]


def test_what_a_killed_build_left_running(tmp_path: Path, python: Path, build: Build) -> None:
    """Such processes would write into the next build's files: the next build ends them first.

    They are left only if the guard, which ends them at once, was killed as well.
    """
    site = make_site(tmp_path / "site", {"app.py": ""})
    mark = f"mark-{os.getpid()}-{tmp_path.name}"
    pre = f"PRE_BUILD_COMMAND=(MARK={mark} setsid sh -c 'echo begun; sleep 600') & wait"
    started = subprocess.Popen(
        [sys.executable, "-m", "appsvc_runtime", "build", str(site), "--python", str(python),
         "--set", pre],
        env=clean_environ(), cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stdout is not None
    with started.stdout:
        line = ""
        while not line.endswith("begun\n"):
            line = started.stdout.readline()
            assert line
        guards = guards_of(started.pid)
        assert guards
        for pid in guards:
            os.kill(pid, signal.SIGKILL)
        started.kill()
    started.wait(30)
    try:
        assert alive_with(mark)
        assert build(site).returncode == 0
        assert not alive_with(mark)
    finally:
        for pid in alive_with(mark):
            os.kill(pid, signal.SIGKILL)


def test_no_build_after_an_unfinished_one(tmp_path: Path, build: Build) -> None:
    """That is reported; after a finished build it is run; a mere copy is copied again."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    assert build(site, "--set", "PRE_BUILD_COMMAND=exit 3").returncode == 3
    refused = run(
        "-m", "appsvc_runtime", "emulate", str(site), "--as", "linux", "--no-build", "--check",
        cwd=tmp_path,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "was not finished" in refused.stderr
    assert "--no-build" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("link", ["absolute", "relative"])
def test_a_folder_that_was_moved_away(link: str, tmp_path: Path, build: Build) -> None:
    """If a link replaces the site's folder that was moved away, all files in its new place stay."""
    site = make_site(tmp_path / "site", {"media/one.jpg": "1", "media/two.jpg": "2"})
    # A relative link beside the site leads to the same place from the copy.
    options = ["--output", str(tmp_path / "out")] if link == "relative" else []
    assert build(site, *options).returncode == 0
    (site / "media").rename(tmp_path / "big")
    (site / "media").symlink_to("../big" if link == "relative" else tmp_path / "big")
    assert build(site, *options).returncode == 0
    assert snapshot(tmp_path / "big").keys() == {"one.jpg", "two.jpg"}
    assert build(site, "--clean", *options).returncode == 0
    assert snapshot(tmp_path / "big").keys() == {"one.jpg", "two.jpg"}


MOVED = ["antenv", "antenv/lib", "antenv/lib/python3.11/site-packages"]


@pytest.mark.parametrize("part", MOVED)
def test_an_environment_that_was_moved_away(part: str, tmp_path: Path, build: Build) -> None:
    """pip does not write through a link, neither into what a user moved nor into the user's own."""
    # After a change, the site's packages are installed again into the existing folder.
    site = make_site(
        tmp_path / "site", {"requirements.txt": "./lib\n", "app.py": "1\n", "lib/setup.py": ""}
    )
    assert build(site).returncode == 0
    (built(site) / part).rename(tmp_path / "moved")
    (built(site) / part).symlink_to(tmp_path / "moved")
    before = snapshot(tmp_path / "moved")
    make_site(site, {"app.py": "22\n"})
    assert build(site).returncode == 0
    assert snapshot(tmp_path / "moved") == before
    assert installed(site).read_text() == "./lib\n22\n"
    assert not (built(site) / part).is_symlink()


@pytest.mark.parametrize("name", ["build", "mine.egg-info", "src/mine.egg-info", "lib/build"])
def test_a_project_that_would_be_built_elsewhere(name: str, tmp_path: Path, build: Build) -> None:
    """pip builds a project in its folder: if a link leads out of it, nothing is installed."""
    site = make_site(tmp_path / "site", {"setup.py": "", "src/x.py": "", "lib/pyproject.toml": ""})
    (site / name).symlink_to(tmp_path / "mine")
    make_site(tmp_path / "mine", {"SOURCES.txt": "mine"})
    refused = build(site)
    assert refused.returncode == 2
    assert f"Error: {name} of the site is a link to {tmp_path / 'mine'}, and" in refused.stderr
    assert not installed(site).exists()
    (site / name).unlink()
    (site / name).symlink_to(site / "src")  # nor in the copy
    assert build(site).returncode == 2
    (site / name).unlink()
    assert "is a link" not in build(site).stderr


def test_other_users_see_nothing(tmp_path: Path, build: Build) -> None:
    """`.appsvc` becomes its owner's alone, whatever its mode was, and git ignores it."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    (tmp_path / ".appsvc").mkdir(mode=0o777)
    (tmp_path / ".appsvc").chmod(0o777)
    (tmp_path / ".appsvc/.gitignore").symlink_to(tmp_path / "precious")
    assert build(site).returncode == 0
    assert (tmp_path / ".appsvc").stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "precious").exists()
    folders = [path for path in (tmp_path / ".appsvc").rglob("*") if path.name == "built"]
    assert [path.stat().st_mode & 0o777 for path in folders] == [0o700]


def test_a_state_that_would_remove_others_files(tmp_path: Path, build: Build) -> None:
    """A state that comes with a repository is refused if its names lead out of the copy."""
    site = make_site(tmp_path / "site", {"app.py": "", "precious": "x"})
    assert build(site).returncode == 0
    state = built(site) / ".appsvc-build.json"
    told = json.loads(state.read_text())
    told["copied"][f"../../../../../../{site.name}/precious"] = [1, 1, 1]
    state.write_text(json.dumps(told))
    done = build(site)
    assert done.returncode == 0
    assert f"{state} is ignored" in done.stdout
    assert (site / "precious").read_text() == "x"


def test_pips_cache_of_archives(tmp_path: Path, build: Build) -> None:
    """For an archive that was built again, pip uses no old wheel; the shown command is the same."""
    site = make_site(
        tmp_path / "site",
        {"requirements.txt": "-f .\nx\n", "app.py": "", "x-1.0-py3-none-any.whl": "1"},
    )
    assert build(site).returncode == 0
    arguments = built(site) / "antenv/arguments"
    assert "--no-cache-dir" not in arguments.read_text()
    make_site(site, {"x-1.0.tar.gz": "1"})
    done = build(site)
    assert done.returncode == 0
    assert "--no-cache-dir" in arguments.read_text()
    assert "$ python -m pip install --prefer-binary -r requirements.txt\n" in done.stdout


@only_on(14)
def test_wheels_that_are_built_again(tmp_path: Path, cache: Path) -> None:
    """By path, by path without a dot, by --find-links, with a new version: all 4 are seen."""
    site = make_site(
        tmp_path / "site",
        {
            "requirements.txt": "--no-index\n./wheels/one-1.0-py3-none-any.whl\n"
            "wheels/two-1.0-py3-none-any.whl\n--find-links links\nthree\nfour>=1\n"
        },
    )

    def make(code: str, version: str) -> None:
        for folder, name in (("wheels", "one"), ("wheels", "two"), ("links", "three")):
            make_wheel(site / folder, name, "1.0", code)
        make_wheel(site / "links", "four", version, code)

    def show() -> list[str]:
        done = run(
            "-m", "appsvc_runtime", "build", str(site), cwd=tmp_path, timeout=240,
            XDG_CACHE_HOME=str(cache),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        packages = next((built(site) / "antenv/lib").glob("python*")) / "site-packages"
        names = ("one", "two", "three", "four")
        return [(packages / f"{name}.py").read_text() for name in names]

    make("old", "1.0")
    assert show() == ["old"] * 4
    make("new", "1.1")
    assert show() == ["new"] * 4


ON_TMPFS = """
mount -t tmpfs -o size=$1 tmpfs "$2" && mkdir "$2/it" && shift 2 && exec "$@"
"""


def on_small_disk(size: str, disk: Path, *command: str, **variables: str) -> tuple[int, str, str]:
    """Run a command with a small disk mounted at `disk`, which only the command sees."""
    disk.mkdir(exist_ok=True)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", ON_TMPFS, "-", size, str(disk), *command],
        env=clean_environ(**variables), cwd=ROOT, capture_output=True, text=True, timeout=240,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def can_mount() -> bool:
    """Return whether this user may mount a disk that others do not see."""
    unshare = shutil.which("unshare")
    if unshare is None or sys.platform != "linux":
        return False
    mount = "mount -t tmpfs tmpfs /mnt"
    done = subprocess.run([unshare, "--mount", "sh", "-c", mount], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="only root may mount a disk")
@pytest.mark.parametrize("size", ["600k", "8m"])
def test_a_full_disk_while_antenv_is_made(tmp_path: Path, cache: Path, size: str) -> None:
    """The error is one sentence that names the disk, and the next build starts where it should."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    disk = tmp_path / "disk"
    build = (sys.executable, "-m", "appsvc_runtime", "build", str(site))
    code, out, err = on_small_disk(
        size, disk, *build, "--output", str(disk / "it"), XDG_CACHE_HOME=str(cache)
    )
    assert code == 1, out + err
    assert err.startswith(
        f"Error: The disk of {disk / 'it'} is full: the build's step antenv could"
    )
    assert err.count("\n") == 1
    assert "Traceback" not in out
    assert run(*build[1:], cwd=tmp_path, timeout=240, XDG_CACHE_HOME=str(cache)).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="only root may mount a disk")
def test_no_room_for_temporary_files(tmp_path: Path, cache: Path) -> None:
    """The disk of the temporary files is named, not that of the site."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    disk = tmp_path / "disk"
    code, out, err = on_small_disk(
        "400k", disk, sys.executable, "-m", "appsvc_runtime", "build", str(site),
        TMPDIR=str(disk / "it"), XDG_CACHE_HOME=str(cache),
    )  # fmt: skip
    assert code == 1, out + err
    assert err.startswith(
        f"Error: The disk of {disk / 'it'} is full: the build's step antenv could"
    )
    assert err.count("\n") == 1
