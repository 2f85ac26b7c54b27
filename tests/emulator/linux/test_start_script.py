"""The script that a container runs: its order, and how `sh` executes it, with stand-ins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.default_site import write_default_site
from appsvc_runtime.emulator.linux.image import Image
from appsvc_runtime.emulator.linux.space import Space
from appsvc_runtime.emulator.linux.start_script import make_script
from appsvc_runtime.startup.plan import StartPlan, make_plan
from tests.support.emulator import make_site

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs sh")


class Container:
    """A folder in place of a container: a site, and an image whose gunicorn prints what it sees."""

    def __init__(self, folder: Path) -> None:
        tell = '#!/bin/sh\necho "$0|$PWD|$PYTHONPATH|$GUNICORN_CMD_ARGS|$HOST|$*"\n'
        self.site = make_site(folder / "a site's", {"app.py": "app = 1\n", "start.sh": tell})
        (self.site / "start.sh").chmod(0o755)
        make_site(folder / "image", {"bin/gunicorn": tell})
        (folder / "image/bin/gunicorn").chmod(0o755)
        self.image = Image("", folder / "image/bin", folder / "image/packages", (3, 12))
        self.space = Space(
            str(self.site),
            str(folder / "home"),
            moved={"/opt/defaultsite": str(folder / "default"), "/opt/startup": "/image's/startup"},
        )
        self.folder = folder

    def run(
        self, start: StartPlan | None = None, *, pre_run: str = "", antenv: bool = False
    ) -> list[str]:
        """Run the script; return the lines of its output."""
        made = self.site / "antenv"
        if antenv:
            make_site(made, {"bin/activate": f'PATH="{made}/bin:$PATH"\n'})
        script = make_script(
            start or make_plan(self.site, python_version=(3, 12), cores=1, folder=str(self.site)),
            self.space,
            self.image,
            pre_run=pre_run,
            antenv=antenv,
        )
        path = self.folder / "startup.sh"
        path.write_text(script)
        done = subprocess.run(
            ["/bin/sh", str(path)], capture_output=True, text=True, check=False, timeout=20,
            env={"PATH": os.defpath, "PORT": "8000"}, cwd="/",
        )  # fmt: skip
        return (done.stdout + done.stderr).splitlines()


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """Return a container."""
    return Container(tmp_path)


def test_the_images_gunicorn(container: Container) -> None:
    """Without a build the image's gunicorn runs in the site's folder, as on the platform."""
    warning, line = container.run()
    program, folder, path, arguments, host, words = line.split("|")
    assert "WARNING: Could not find virtual environment" in warning
    assert program == str(container.image.bin / "gunicorn")
    assert (folder, path) == (str(container.site), str(container.image.site_packages))
    assert arguments.endswith(
        f"-c /image's/startup/gunicorn.conf.py --workers=3 --chdir={container.site}"
    )
    assert (host, words) == ("0.0.0.0", "app:app")


def test_the_sites_own_comes_first(container: Container) -> None:
    """The site's programs and packages are found before the image's."""
    own = container.site / "antenv/bin/gunicorn"
    make_site(own.parent, {"gunicorn": '#!/bin/sh\necho "$0|$PYTHONPATH"\n'})
    own.chmod(0o755)
    said, line = container.run(antenv=True)
    packages = f"{container.site}/antenv/lib/python3.12/site-packages"
    assert "Using packages from virtual environment antenv" in said
    assert line == f"{own}|{packages}:{container.image.site_packages}"


def test_the_pre_run_command(container: Container) -> None:
    """It runs in the site, before any package is on the path; a failure is reported."""
    lines = container.run(pre_run='echo "in $PWD with [$PYTHONPATH]"\nexit_code=7; (exit 7)')
    assert lines[1] == f"in {container.site} with []"
    assert lines[2] == (
        "appsvc: PRE_RUN_COMMAND ended with exit code 7; the platform continues anyway."
    )
    assert lines[-1].endswith("app:app")
    assert not [line for line in container.run(pre_run="true") if "ended with" in line]


CUSTOM = [
    pytest.param("start.sh", "start.sh", id="script"),
    pytest.param("./start.sh", "start.sh", id="dot"),
    pytest.param("start.sh one 'two three'", "start.sh", id="arguments"),
    pytest.param("gunicorn other:app", "gunicorn", id="command"),
    pytest.param("X=1 exec gunicorn other:app", "gunicorn", id="exec"),
    pytest.param("cd / && gunicorn other:app", "gunicorn", id="two-commands"),
]


@pytest.mark.parametrize(("command", "program"), CUSTOM)
def test_startup_commands(container: Container, command: str, program: str) -> None:
    """They run as they are; a script of the site is found by its name."""
    start = make_plan(container.site, startup_command=command, python_version=(3, 12), cores=1)
    line = container.run(start)[-1]
    assert line.partition("|")[0].endswith(program)


def test_a_command_that_is_not_there(container: Container) -> None:
    """`sh` reports it."""
    start = make_plan(container.site, startup_command="nonsense", python_version=(3, 12), cores=1)
    assert "nonsense: not found" in container.run(start)[-1]


def test_the_default_site(container: Container, tmp_path: Path) -> None:
    """It is served from the folder that it was written to."""
    (container.site / "app.py").unlink()
    start = make_plan(container.site, python_version=(3, 12), cores=1)
    write_default_site(tmp_path / "default", start, container.site)
    line = container.run(start)[-1]
    assert f"--chdir={tmp_path / 'default'}" in line
    assert line.endswith("application:app")
    assert (tmp_path / "default/application.py").is_file()
    assert "/opt/defaultsite" not in line
