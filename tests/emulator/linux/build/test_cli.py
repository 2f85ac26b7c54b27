"""`appsvc build` as users run it: real pip, real virtual environments, real mistakes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.apps import copy_app, digest
from tests.support.emulator import alive_with, make_site
from tests.support.pythons import only_on
from tests.support.servers import ROOT, clean_environ, run
from tests.support.smallwheels import make_wheel

pytestmark = pytest.mark.integration

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals, /proc and sh")


Build = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def build(cache: Path) -> Build:
    """Return a function that runs `appsvc build`."""

    def call(site: Path, *options: str) -> subprocess.CompletedProcess[str]:
        return run(
            "-m", "appsvc_runtime", "build", str(site), *options,
            cwd=site.parent, timeout=240, XDG_CACHE_HOME=str(cache),
        )  # fmt: skip

    return call


def built(site: Path) -> Path:
    return site.parent / ".appsvc" / site.name / "linux/built"


@posix_only
def test_all_steps_in_order_and_what_is_kept(tmp_path: Path, build: Build) -> None:
    """Steps are named and timed; a second build keeps what is unchanged; the site stays."""
    site = make_site(
        tmp_path / "my site",
        {
            "requirements.txt": "-r more.txt\n",
            "more.txt": "# django is looked for in the first file only\n",
            "manage.py": 'import os, sys\nif sys.argv[1] != "collectstatic":\n    sys.exit(1)\n'
            'open("collected", "a").write("x")\n'
            'print("collecting", os.environ["KEY"], sys.prefix != sys.base_prefix)\n',
            "post.sh": "#!/bin/sh\necho post in $PWD with $VIRTUAL_ENV\n",
        },
    )
    (site / "requirements.txt").write_text("-r more.txt\n# Django\n")
    pre = "PRE_BUILD_COMMAND=echo pre one, echo pre two $APPSETTING_KEY"
    post = "POST_BUILD_SCRIPT_PATH=post.sh"
    settings = ["--set", "KEY=value", "--set", pre, "--set", post]
    before = digest(site)
    first = build(site, *settings)
    assert first.returncode == 0, first.stdout + first.stderr
    labels = re.findall(r"^\d\d:\d\d:\d\d\.\d{3} (\S+) +done in [0-9.]+ s$", first.stdout, re.M)
    labels = [label for label in labels if label != "uv"]  # only if the cache has none yet
    assert labels == ["pre-build", "antenv", "packages", "collectstatic", "post-build"]
    assert "pre-build    pre two value" in first.stdout
    assert "collectstatic collecting value True" in first.stdout
    assert f"post in {built(site)} with {built(site)}/antenv" in first.stdout
    assert re.search(rf"build +Built in [0-9.]+ s: {re.escape(str(built(site)))}\n", first.stdout)
    assert digest(site) == before
    second = build(site, *settings)
    assert "Nothing has changed" in second.stdout
    assert "antenv and its packages are kept" in second.stdout
    assert "pre two value" in second.stdout  # the user's own steps run each time
    plain = build(site, "--set", "KEY=value")
    assert (built(site) / "collected").read_text() == "xxx"
    plain = build(site, "--set", "KEY=value")
    assert "Its files are kept" in plain.stdout
    (site / "more.txt").write_text("# changed\n")
    third = build(site)
    assert "$ python" in third.stdout
    assert "-m venv antenv" in third.stdout


@posix_only
def test_a_step_that_fails(tmp_path: Path, build: Build) -> None:
    """The build ends with the step's exit code, name and last output, and is not `finished`."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    failed = build(site, "--set", "PRE_BUILD_COMMAND=API_KEY=S3cr3t; echo the reason; exit 7")
    assert "$ API_KEY=********" in failed.stdout
    assert "S3cr3t" not in failed.stdout + failed.stderr
    assert failed.returncode == 7
    assert "The build's step pre-build ended with exit code 7" in failed.stderr
    assert "the reason" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (built(site) / "antenv").exists()
    killed = build(site, "--set", "PRE_BUILD_COMMAND=kill -9 $$")
    assert killed.returncode == 137


@posix_only
def test_requirements_that_cannot_be_installed(tmp_path: Path, build: Build) -> None:
    """The error has pip's words, the file and what to do; nothing waits for input."""
    site = make_site(
        tmp_path / "site", {"requirements.txt": "--no-index\nno-such-package-at-all==1\n"}
    )
    failed = build(site)
    assert failed.returncode == 1
    assert "No matching distribution found for no-such-package-at-all==1." in failed.stderr
    assert "Fix requirements.txt" in failed.stderr


@only_on(12)
@posix_only
def test_prompts_and_utf16(tmp_path: Path, build: Build) -> None:
    """A prompt gets end-of-file and only warns; UTF-16 is read, and its effects are reported."""
    prompting = build(copy_app("prompting", tmp_path))
    assert prompting.returncode == 0
    assert "Warning: it ended with exit code 1" in prompting.stdout
    assert "EOFError" in prompting.stdout
    utf16 = build(copy_app("utf16", tmp_path))
    assert utf16.returncode == 0
    assert "requirements.txt is in UTF-16" in utf16.stdout
    assert "in whose bytes the platform finds no Django" in utf16.stdout


@posix_only
@pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="one Python is enough for these tools")
def test_other_tools(tmp_path: Path, build: Build) -> None:
    """setup.py, uv.lock and Poetry's pyproject.toml: each tool is installed and installs."""
    for name, command, there in (
        ("setup_app", "python -m pip install . --prefer-binary", "own_module.py"),
        ("uv_app", "uv sync --active --link-mode copy", ""),
        ("poetry_app", "python -m poetry install --only main", "poetry/console"),
    ):
        site = copy_app(name, tmp_path)
        before = digest(site)
        done = build(site)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"packages     $ {command}\n" in done.stdout
        packages = built(site) / "antenv/lib/python3.12/site-packages"
        assert (packages / there).exists()
        assert digest(site) == before


def wheel_site(tmp_path: Path, requirements: str | bytes) -> Path:
    """Make a site with the wheel of a module `small`; no index is needed to install it."""
    site = make_site(tmp_path / "site", {"requirements.txt": requirements})
    make_wheel(site / "w", "small", "1", "print('small')\n")
    return site


SMALL = "w/small-1-py3-none-any.whl"
INSTALLED = (
    f"antenv/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/small.py"
)


@posix_only
def test_uv_first(tmp_path: Path, build: Build) -> None:
    """uv installs requirements.txt, in the platform's words; a setting leaves it to pip."""
    site = wheel_site(tmp_path, f"./{SMALL}\n")
    done = build(site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " packages     Fast build is enabled\n" in done.stdout
    assert " packages     $ uv pip install --compile-bytecode -r requirements.txt\n" in done.stdout
    assert "pip install --prefer-binary" not in done.stdout
    assert (built(site) / INSTALLED).is_file()
    again = build(site)
    assert "antenv and its packages are kept" in again.stdout
    by_pip = build(site, "--set", "PYTHON_FAST_BUILD_ENABLED=false")
    assert "$ python -m pip install --prefer-binary -r requirements.txt\n" in by_pip.stdout
    assert "uv pip" not in by_pip.stdout
    assert (built(site) / INSTALLED).is_file()


@posix_only
def test_pip_after_uv(tmp_path: Path, build: Build) -> None:
    """What uv does not read, pip installs; if both fail, pip's words and exit code are reported."""
    site = wheel_site(tmp_path, f"# coding: latin-1\n./{SMALL} # \xe9\n".encode("latin-1"))
    done = build(site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "uv pip install failed with exit code 2, falling back to pip install...\n" in done.stdout
    assert (built(site) / INSTALLED).is_file()
    (site / "requirements.txt").write_text("./w/missing-1-py3-none-any.whl\n")
    failed = build(site)
    assert failed.returncode == 1
    assert "falling back to pip" in failed.stdout
    assert "missing-1-py3-none-any.whl" in failed.stderr
    assert failed.stderr.splitlines()[0].endswith("in a new virtual environment.")


@posix_only
def test_without_uv(tmp_path: Path) -> None:
    """If uv cannot be installed, pip does all, as on the platform."""
    site = wheel_site(tmp_path, f"./{SMALL}\n")
    done = run(
        "-m", "appsvc_runtime", "build", str(site), cwd=tmp_path, timeout=240,
        XDG_CACHE_HOME=str(tmp_path / "cache"), PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull,
        PIP_FIND_LINKS="",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " packages     uv cannot be installed: The build's step uv ended with" in done.stdout
    assert "uv pip install failed with exit code 127, falling back to pip" in done.stdout
    assert (built(site) / INSTALLED).is_file()


@posix_only
def test_own_build_command(tmp_path: Path, build: Build) -> None:
    """It takes the place of the installation, in antenv, at each build; its failure ends that."""
    site = wheel_site(tmp_path, "no-such-package-at-all\n")
    setting = f"CUSTOM_BUILD_COMMAND=pip install --no-index {SMALL} && cd w\npwd"
    done = build(site, "--set", setting)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " packages     Running custom build command 'pip install" in done.stdout
    assert f"packages     {built(site) / 'w'}\n" in done.stdout
    assert (built(site) / INSTALLED).is_file()
    assert "Running custom build command" in build(site, "--set", setting).stdout
    failed = build(site, "--set", "CUSTOM_BUILD_COMMAND=false\ntrue")
    assert failed.returncode == 1
    assert "Fix the command in CUSTOM_BUILD_COMMAND" in failed.stderr


@posix_only
def test_console_scripts_of_uv(tmp_path: Path, build: Build) -> None:
    """Where uv made antenv, a container finds no console script, but `python -m`, as reported."""
    site = copy_app("uv_app", tmp_path)
    post = (
        "POST_BUILD_COMMAND=printf '#!%s\\nprint(1)\\n' $VIRTUAL_ENV/bin/python > antenv/bin/tool\n"
        "chmod +x antenv/bin/tool\nantenv/bin/tool"
    )
    script = ". antenv/bin/activate && { tool; echo $?; python -c 'print(2)'; }"
    path = os.pathsep.join([os.path.dirname(os.path.realpath(sys.executable)), os.environ["PATH"]])

    def found(folder: Path) -> list[str]:
        done = subprocess.run(
            ["sh", "-c", script], cwd=folder, env=clean_environ(PATH=path), capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        return done.stdout.split()

    for _ in range(2):  # the steps of a second build find the interpreter again
        done = build(site, "--set", post)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "post-build   1\n" in done.stdout
        assert "write `python -m uvicorn`" in done.stdout
        assert found(built(site)) == ["127", "2"]
    assert build(site, "--set", post, "--output", "out").returncode == 0
    assert found(tmp_path / "out") == ["1", "0", "2"]
    plain = build(site, "--set", post, "--set", "CreateVenvWithPythonVenv=true")
    assert "write `python -m uvicorn`" not in plain.stdout
    assert found(built(site)) == ["1", "0", "2"]


REFUSED = [
    pytest.param(["missing"], "does not exist", id="no-site"),
    pytest.param(["site/app.py"], "is a file", id="a-file"),
    pytest.param(["site", "--output", "site"], "holds the site itself", id="itself"),
    pytest.param(["site/sub", "--output", "site"], "holds the site itself", id="above"),
    pytest.param(["site", "--output", "other"], "was not made by a build", id="in-the-way"),
    pytest.param(["site", "--output", "site/app.py"], "was not made by a build", id="file-there"),
    pytest.param(["site", "--python", "nonsense"], "not an interpreter", id="python"),
    pytest.param(["site", "--python", "/bin/cat"], "does not run as Python", id="no-python"),
    pytest.param(["site", "--set", "KEY"], "an equals sign", id="setting"),
    pytest.param(
        ["site", "--set", "DISABLE_COLLECTSTATIC=1"], "setting DISABLE_COLLECTSTATIC", id="switch"
    ),
    pytest.param(["site", "--set", "DISABLE_PYTHON_BUILD=true"], "refuses a Python", id="disabled"),
    pytest.param(["pipe"], "requirements.txt is a named pipe", id="pipe"),
    pytest.param(["device"], "requirements.txt is a device", id="device"),
    pytest.param(["folder"], "requirements.txt is a folder", id="folder"),
    pytest.param(
        ["site", "--set", "CUSTOM_REQUIREMENTSTXT_PATH=/dev/zero"], "/dev/zero is a dev", id="zero"
    ),
]


@posix_only
@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_refusals(tmp_path: Path, arguments: list[str], said: str) -> None:
    """The error is one sentence with exit code 2, and nothing is built."""
    make_site(tmp_path, {"site/app.py": "", "site/sub/app.py": "", "other/precious.txt": "x"})
    make_site(tmp_path, {"pipe/x": "", "device/x": "", "folder/requirements.txt/x": ""})
    os.mkfifo(tmp_path / "pipe/requirements.txt")
    (tmp_path / "device/requirements.txt").symlink_to("/dev/zero")
    before = digest(tmp_path / "site"), digest(tmp_path / "other")
    done = run("-m", "appsvc_runtime", "build", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr
    assert (digest(tmp_path / "site"), digest(tmp_path / "other")) == before


@posix_only
def test_a_folder_that_cannot_be_made(tmp_path: Path, build: Build) -> None:
    """If nothing may be written beside the site, the user can name another folder."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    (tmp_path / ".appsvc").write_text("in the way")
    refused = build(site)
    assert refused.returncode == 2
    assert "cannot be made" in refused.stderr
    assert build(site, "--output", str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out/antenv/pyvenv.cfg").is_file()
    assert (
        "include-system-site-packages = false" in (tmp_path / "out/antenv/pyvenv.cfg").read_text()
    )


@posix_only
def test_ctrl_c(tmp_path: Path) -> None:
    """The step ends with all processes that it started; the next build starts where it should."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    mark = f"mark-{os.getpid()}-{tmp_path.name}"
    command = [sys.executable, "-m", "appsvc_runtime", "build", str(site)]
    pre = "PRE_BUILD_COMMAND=echo begun; sleep 60; true"
    started = subprocess.Popen(
        [*command, "--set", f"MARK={mark}", "--set", pre],
        env=clean_environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert started.stdout is not None
    line = ""
    while not line.endswith("begun\n"):
        line = started.stdout.readline()
        assert line, started.communicate()
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=20)
    assert started.returncode == 130
    assert errors == "Interrupted: the build is not complete.\n"
    deadline = time.monotonic() + 60
    while alive_with(mark):
        assert time.monotonic() < deadline
