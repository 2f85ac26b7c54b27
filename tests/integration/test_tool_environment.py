"""The emulator in its own environment, by pipx and by uv, as on a new machine.

Tools and packages come from a package index; everything is below a temporary folder. If the tests
run as root, the steps run as an ordinary user, if that user can run a Python.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator import FASTCGI, HTTPPLATFORM, make_site, web_config
from tests.support.pythons import only_on
from tests.support.wheels import build_wheel, installed, run_pip

pytestmark = [
    only_on(12),
    pytest.mark.skipif(sys.platform == "win32", reason="the steps are written for POSIX"),
]

NOBODY = 65534
OLD_FLASK = ["Flask==2.1.3", "Werkzeug==2.1.2"]
APP = """
    import os, sys

    import flask

    app = flask.Flask(__name__)

    @app.route("/", defaults={"path": ""})
    @app.route("/<path:path>")
    def home(path):
        names = [name for name in ("PYTHONPATH", "PYTHONHOME") if name in os.environ]
        first = os.environ["PATH"].partition(":")[0]
        told = [flask.__version__, sys.prefix, os.environ["VIRTUAL_ENV"], str(names), first]
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "told.txt"), "w") as file:
            file.write("\\n".join([*told, *sys.path]))
        return "told"
"""
HANDLER = '<add key="WSGI_HANDLER" value="{}"/>'
OURS = (
    r'<httpPlatform processPath="D:\home\Python\python.exe" '
    r'arguments="-m appsvc_runtime.runserver --port %HTTP_PLATFORM_PORT%"/>'
)


@dataclass(frozen=True)
class Walk:
    """A user's machine: the home folder, its Python, and the two installed commands."""

    home: Path
    python: str
    wheel: Path
    user: Mapping[str, Any]

    def run(
        self, *argv: str | Path, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this user, without the variables of the tests."""
        kept = ("PIP_", "UV_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "CI")
        environ = {name: text for name, text in os.environ.items() if name.startswith(kept)}
        environ |= {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": f"{self.home / '.local/bin'}:/usr/local/bin:/usr/bin:/bin",
            "UV_SYSTEM_CERTS": "true",
        }
        return subprocess.run(
            [str(word) for word in argv], cwd=cwd or self.home, env={**environ, **variables},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
            **self.user,
        )  # fmt: skip

    def do(self, *argv: str | Path, cwd: Path | None = None, **variables: str) -> str:
        """Run a command that must succeed; return what it printed."""
        ended = self.run(*argv, cwd=cwd, **variables)
        said = ended.stdout + ended.stderr
        if ended.returncode and not os.environ.get("CI") and "onnect" in said:
            pytest.skip(f"the package index does not respond: {said[-200:]}")
        assert ended.returncode == 0, said
        return said

    def site(self, name: str, files: Mapping[str, str], packages: list[str]) -> Path:
        """Make a project with a virtual environment `.venv` that belongs to the user."""
        made = make_site(self.home / name, files)
        self.own(made)
        self.do(self.python, "-m", "venv", "--without-pip", made / ".venv")
        run_pip(made / ".venv/bin/python", "install", "--quiet", "--prefer-binary", *packages)
        return made

    def own(self, folder: Path) -> None:
        """Make the user the owner of a folder."""
        if self.user:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def _pick_user() -> tuple[str, dict[str, Any]]:
    """Return a Python with venv, and the user who runs it: an ordinary user if possible."""
    here = str(Path(sys.base_prefix, "bin", f"python3.{sys.version_info[1]}"))
    if os.geteuid() == 0:
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for python in filter(None, (here, shutil.which("python3", path="/usr/bin"))):
            check = "import ensurepip, sys; sys.exit(sys.version_info < (3, 10))"
            try:
                ended = subprocess.run([python, "-c", check], check=False, cwd="/", **user)
            except OSError:
                continue
            if not ended.returncode:
                return python, user
    return here, {}


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    """Set up the machine: a wheel, pipx and uv from the index, and the tool by each of them."""
    # Not in pytest's folders, which only their owner can enter.
    with tempfile.TemporaryDirectory(prefix="walk-") as folder:
        home = Path(folder)
        python, user = _pick_user()
        wheel = build_wheel(home / "wheel")
        made = Walk(home, python, wheel, user)
        made.own(home)
        made.do(python, "-m", "venv", home / "tools")
        made.do(home / "tools/bin/pip", "install", "--quiet", "pipx", "uv")
        made.do(home / "tools/bin/pipx", "install", "--quiet", f"{wheel}[emulator]")
        uv = [home / "tools/bin/uv", "tool", "install", "--quiet", "--python", python]
        spec = f"appsvc-runtime[emulator] @ {wheel.as_uri()}"
        made.do(*uv, spec, UV_TOOL_BIN_DIR=str(home / "uv"))
        yield made


@pytest.fixture(params=["pipx", "uv"])
def appsvc(request: pytest.FixtureRequest, walk: Walk) -> Path:
    """Return the command, as installed by each of the tools."""
    return walk.home / (".local/bin" if request.param == "pipx" else "uv") / "appsvc"


@pytest.fixture(scope="module")
def shop(walk: Walk) -> Path:
    """Make a project with an old Flask and without this package."""
    config = web_config(FASTCGI, HANDLER.format("app.app"))
    files = {"app.py": APP, "web.config": config, "requirements.txt": "\n".join(OLD_FLASK)}
    return walk.site("shop", files, OLD_FLASK)


def test_an_old_flask_runs_in_its_own_environment(walk: Walk, appsvc: Path, shop: Path) -> None:
    """wfastcgi is the tool's, everything else the project's; no version in the project changes."""
    before = installed(shop / ".venv/bin/python")
    said = walk.do(
        appsvc, "emulate", "--port", "0", "--check", "/page", cwd=shop, PYTHONPATH="/evil"
    )
    assert re.search(r"^Python: \.venv of the site \(3\.\d+\.\d+\)$", said, re.MULTILINE)
    assert "GET /page 200" in said
    shown = (shop / "told.txt").read_text().splitlines()
    venv = str(shop / ".venv")
    assert shown[:5] == ["2.1.3", venv, venv, "[]", f"{venv}/bin"]
    for foreign in ("pipx", "uv/tools", "/evil"):
        assert not [line for line in shown[5:] if foreign in line]
    assert installed(shop / ".venv/bin/python") == before
    assert "appsvc-runtime" not in before


def test_the_package_that_the_project_lacks(walk: Walk, appsvc: Path, shop: Path) -> None:
    """The message comes before anything is started, and names the solution."""
    for config, what in (
        (web_config(FASTCGI, HANDLER.format("appsvc_runtime.wsgi.application")), "WSGI_HANDLER="),
        (web_config(HTTPPLATFORM + OURS), "-m appsvc_runtime.runserver"),
    ):
        (shop / "other.config").write_text(config, "utf-8")
        ended = walk.run(appsvc, "emulate", shop, "--config", shop / "other.config", "--check")
        assert ended.returncode == 2, ended.stdout
        assert what in ended.stderr
        assert f"{shop}/.venv/bin/python -m pip install appsvc-runtime" in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_a_module_that_the_project_lacks(walk: Walk, appsvc: Path, shop: Path) -> None:
    """The message names the module that the process cannot find, and the interpreter."""
    command = r'<httpPlatform processPath="python.exe" arguments="-m waitress app:app"/>'
    (shop / "other.config").write_text(web_config(HTTPPLATFORM + command), "utf-8")
    ended = walk.run(
        appsvc, "emulate", shop, "--port", "0", "--config", shop / "other.config", "--check"
    )
    assert ended.returncode == 1
    assert f"'waitress' is not installed for {shop}/.venv/bin/python" in ended.stdout


def test_the_bare_package_is_enough(walk: Walk, shop: Path) -> None:
    """The project has what its web.config starts, and none of the emulator's dependencies."""
    config = web_config(HTTPPLATFORM + OURS)
    files = {"app.py": APP, "web.config": config}
    site = walk.site("bare", files, ["Flask==2.3.3", "Werkzeug==2.3.8", str(walk.wheel)])
    assert "aiohttp" not in installed(site / ".venv/bin/python")
    command = walk.home / ".local/bin/appsvc"
    said = walk.do(command, "emulate", "--port", "0", "--check", "/page", cwd=site)
    assert "GET /page 200" in said
    assert f"\n{site}/.venv\n" in (site / "told.txt").read_text()


def test_jobs_and_roles_run_there(walk: Walk, appsvc: Path, shop: Path) -> None:
    """Jobs run by the interpreter itself, and by a script that calls `python`."""
    jobs = shop / "App_Data" / "jobs" / "triggered"
    tell = "import sys, flask\nprint('in', sys.prefix, flask.__version__)\n"
    make_site(jobs, {"by_python/run.py": tell, "by_shell/run.sh": "python tell.py\n"})
    make_site(jobs, {"by_shell/tell.py": tell})
    walk.own(jobs.parent.parent)
    for name in ("by_python", "by_shell"):
        said = walk.do(appsvc, "emulate", "--trigger", name, cwd=shop)
        assert f"in {shop}/.venv 2.1.3" in said
        assert "Python: .venv of the site" in said


def test_what_others_know_of_the_site(walk: Walk, appsvc: Path, shop: Path) -> None:
    """`explain` uses the version of the project's Python, not that of the tool."""
    said = walk.do(appsvc, "explain", shop).splitlines()
    assert said[1].startswith("Python:     .venv of the site (3.")
    own = walk.do(appsvc, "explain", make_site(walk.home / "plain", {"app.py": ""}))
    assert "Python:     this command's own" in own
