"""Which Python runs a site: the order of places, faults of each, and the variables it gets."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from appsvc_runtime.emulator.processes import interpreter, requirement, virtual_environments
from appsvc_runtime.emulator.processes.interpreter import Interpreter, app_environ, examine
from appsvc_runtime.emulator.processes.project_python import (
    ProjectPython,
    choose_python,
    read_version,
)
from appsvc_runtime.emulator.processes.virtual_environments import (
    Environment,
    find_environments,
    locate_python,
)
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.system import process

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX's here")
CANNOT = "this command's own, as the project's environment cannot be used"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def make_venv(folder: Path, version: str = VERSION) -> Path:
    """Make a virtual environment without packages, as `python -m venv` does in some seconds."""
    (folder / "bin").mkdir(parents=True)
    base = Path(sys.base_prefix) / "bin" / f"python{VERSION}"
    (folder / "bin" / "python").symlink_to(
        base if base.exists() else os.path.realpath(sys.executable)
    )
    (folder / "pyvenv.cfg").write_text(
        f"home = {Path(sys.base_prefix, 'bin')}\nversion = {version}.1\n", "utf-8"
    )
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return the folder of a site in a project."""
    made = tmp_path / "project" / "site"
    made.mkdir(parents=True)
    return made


def choose(site: Path, python: str = "", **environ: str) -> ProjectPython:
    return choose_python(site, python, {"PATH": os.defpath, **environ})


def called(site: Path, **environ: str) -> list[str]:
    found = find_environments(site, {"PATH": os.defpath, **environ})
    return [environment.called for environment in found]


@posix
def test_the_first_of_the_places_counts(site: Path, tmp_path: Path) -> None:
    """--python, the active environment, .venv, venv, env; each is reported with its reason."""
    other, active = make_venv(tmp_path / "other"), make_venv(tmp_path / "active")
    for name in ("env", "venv", ".venv"):
        made = make_venv(site / name)
        chosen = choose(site)
        assert chosen.path == str(made / "bin" / "python")
        assert chosen.lines == [f"Python: {name} of the site ({sys.version.split()[0]})"]
        assert chosen.interpreter.prefix == str(made)
    chosen = choose(site, VIRTUAL_ENV=str(active))
    assert chosen.path == str(active / "bin" / "python")
    assert chosen.lines[0].startswith(f"Python: VIRTUAL_ENV ({active}) (")
    chosen = choose(site, str(other), VIRTUAL_ENV=str(active))
    assert chosen.path == str(other / "bin" / "python")
    assert "from --python" in chosen.lines[0]


def test_this_commands_own_is_the_last(site: Path) -> None:
    """It is reported as this command's own."""
    chosen = choose(site)
    assert chosen.interpreter.is_own
    assert "this command's own, as the site has no virtual environment" in chosen.lines[0]


@posix
def test_conda(site: Path, tmp_path: Path) -> None:
    """An active environment comes before the site's; base, which is always active, after it."""
    make_venv(site / ".venv")
    conda = str(make_venv(tmp_path / "conda"))
    active = called(site, CONDA_PREFIX=conda, CONDA_DEFAULT_ENV="shop")
    assert active == [f"CONDA_PREFIX ({conda})", ".venv of the site"]
    base = called(site, CONDA_PREFIX=conda, CONDA_DEFAULT_ENV="base")
    assert base == [".venv of the site", f"conda's base ({conda})"]


@posix
def test_the_folders_above_that_belong_to_the_project(site: Path, tmp_path: Path) -> None:
    """Folders up to the repository's root are searched, except where another user could write."""
    project = site.parent
    make_venv(project / ".venv")
    make_venv(tmp_path / ".venv")
    assert called(site) == []
    (project / "pyproject.toml").touch()
    assert called(site) == [f".venv of {project}"]
    (tmp_path / ".git").mkdir()
    assert called(site) == [f".venv of {project}", f".venv of {tmp_path}"]
    tmp_path.chmod(0o777)
    assert called(site) == [f".venv of {project}"]


@posix
def test_uvs_environment(site: Path) -> None:
    """UV_PROJECT_ENVIRONMENT is used in a project, relative to it, if the folder exists."""
    make_venv(site / ".venv")
    make_venv(site / "uv-env")
    assert called(site, UV_PROJECT_ENVIRONMENT="uv-env") == [".venv of the site"]
    (site / "pyproject.toml").touch()
    assert called(site, UV_PROJECT_ENVIRONMENT="none") == [".venv of the site"]
    found = called(site, UV_PROJECT_ENVIRONMENT="uv-env")
    assert found == [f"UV_PROJECT_ENVIRONMENT ({site / 'uv-env'})", ".venv of the site"]


POETRY = '[tool.poetry]\nname = "My Shop"\n[tool.other]\nname = "no"\n'


@posix
@pytest.mark.parametrize("variable", ["POETRY_VIRTUALENVS_PATH", "POETRY_CACHE_DIR", "XDG"])
def test_poetrys_cache(site: Path, tmp_path: Path, variable: str) -> None:
    """It is found by Poetry's own naming; of several, the active one is used."""
    if process.MAC and variable == "XDG":
        pytest.skip("Poetry has another cache folder there")
    (site / "pyproject.toml").write_text(POETRY, "utf-8")
    key = base64.urlsafe_b64encode(hashlib.sha256(os.fsencode(site.resolve())).digest()).decode()
    cache, environ = {
        "POETRY_VIRTUALENVS_PATH": (tmp_path, {"POETRY_VIRTUALENVS_PATH": str(tmp_path)}),
        "POETRY_CACHE_DIR": (tmp_path / "virtualenvs", {"POETRY_CACHE_DIR": str(tmp_path)}),
        "XDG": (tmp_path / "pypoetry" / "virtualenvs", {"XDG_CACHE_HOME": str(tmp_path)}),
    }[variable]
    base = f"my_shop-{key[:8]}"
    made = [make_venv(cache / f"{base}-py3.{minor}") for minor in (9, 30)]
    make_venv(cache / "my_shop-AAAAAAAA-py3.9")
    os.utime(made[0], (1, 1))
    assert called(site, **environ) == [f"Poetry's environment {made[1]}"]
    (cache / "envs.toml").write_text(f'["{base}"]\nminor = "3.9"\npatch = "3.9.1"\n', "utf-8")
    assert called(site, **environ) == [f"Poetry's environment {made[0]}"]


@posix
@pytest.mark.parametrize(
    ("tool", "marker", "name"),
    [("poetry", "poetry.lock", "Poetry's"), ("pipenv", "Pipfile", "Pipenv's")],
)
def test_a_tool_is_asked(site: Path, tmp_path: Path, tool: str, marker: str, name: str) -> None:
    """A tool on PATH is run for its own projects; a program inside the site is not run."""
    made = make_venv(tmp_path / "made")
    for folder in (tmp_path / "bin", site / "bin"):
        folder.mkdir()
        (folder / tool).write_text(f'#!/bin/sh\necho ran >> "$0.log"\necho {made}\n', "utf-8")
        (folder / tool).chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.defpath}"
    assert called(site, PATH=path) == []
    (site / marker).touch()
    assert called(site, PATH=path) == [f"{name} environment {made}"]
    assert called(site, PATH=f"{site / 'bin'}:{os.defpath}") == []
    assert not (site / "bin" / f"{tool}.log").exists()


@posix
@pytest.mark.parametrize("written", ["../../elsewhere", "{folder}", "named"])
def test_a_file_that_names_the_environment(site: Path, tmp_path: Path, written: str) -> None:
    """The file holds a path, or a name among Pipenv's environments."""
    made = make_venv(tmp_path / "elsewhere")
    named = make_venv(tmp_path / "homes" / "named")
    (site / ".venv").write_text(written.replace("{folder}", str(made)) + "\n", "utf-8")
    chosen = choose(site, WORKON_HOME=str(tmp_path / "homes"))
    assert chosen.interpreter.prefix == os.path.realpath(named if written == "named" else made)


def _windows(folder: Path) -> None:
    (folder / "Scripts").mkdir(parents=True)
    (folder / "Scripts" / "python.exe").touch()


def _dangling(folder: Path) -> None:
    make_venv(folder)
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/nowhere/python3.8")


def _dangling_folder(folder: Path) -> None:
    folder.symlink_to("/nowhere/env")


def _not_executable(folder: Path) -> None:
    make_venv(folder)
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").write_text("")


def _no_python(folder: Path) -> None:
    make_venv(folder)
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").write_text("#!/bin/sh\necho Python 2.7\n")
    (folder / "bin" / "python").chmod(0o755)


def _other_version(folder: Path) -> None:
    make_venv(folder, "3.1")


def _file(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text, "utf-8") and None  # type: ignore[func-returns-value]


WRONG = [
    pytest.param(Path.mkdir, ".venv of the site is broken: it holds no bin/python.", id="empty"),
    pytest.param(_windows, r"was made on Windows (Scripts/python.exe) and", id="windows"),
    pytest.param(_dangling, "interpreter leads to /nowhere/python3.8, which does", id="dangling"),
    pytest.param(_dangling_folder, "leads to /nowhere/env, which does not exist.", id="folder"),
    pytest.param(_not_executable, "python may not be run by this user.", id="not-executable"),
    pytest.param(_no_python, "does not run as Python 3.", id="no-python"),
    pytest.param(_other_version, "was made for Python 3.1, but its interpreter is", id="version"),
    pytest.param(_file("no/such/env"), "names 'no/such/env', which is not a folder.", id="file"),
    pytest.param(_file(""), "names nothing, which is not a folder.", id="empty-file"),
    pytest.param(_file("\x1b[31m\n" * 9), r"names '\x1b[31m", id="odd-file"),
]  # fmt: skip


@posix
@pytest.mark.parametrize(("make", "said"), WRONG)
def test_an_environment_that_cannot_be_used(
    site: Path, make: Callable[[Path], None], said: str
) -> None:
    """It is an error if the app runs in it: another environment would lack the app's packages."""
    make(site / ".venv")
    with pytest.raises(ConfigError) as caught:
        choose(site)
    assert said in caught.value.message
    assert "--python" in caught.value.hint
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


@posix
@pytest.mark.parametrize(
    "make", [Path.mkdir, _windows, _dangling, _other_version, _file(""), _file("no/such/env")]
)
def test_where_only_its_version_counts_it_is_noted(
    site: Path, make: Callable[[Path], None]
) -> None:
    """A build makes its own environment: a broken one is only noted, as one of Windows in WSL."""
    make(site / ".venv")
    chosen = choose_python(site, "", {"PATH": os.defpath}, runs_app=False)
    assert chosen.interpreter.is_own
    assert len(chosen.lines) == 2
    assert chosen.lines[0].startswith(f"Python: {CANNOT}")
    assert re.match(r"Note: (The file )?\.venv of the site ", chosen.lines[1])


@posix
@pytest.mark.parametrize("make", [Path.mkdir, _windows, _dangling, _dangling_folder, _file("")])
def test_a_version_that_is_only_read(site: Path, make: Callable[[Path], None]) -> None:
    """explain, which runs nothing, uses no version that a build would not use, and reports that."""
    make(site / ".venv")
    if (site / ".venv").is_dir():
        (site / ".venv/pyvenv.cfg").write_text("version = 3.1.4\n", "utf-8")
    version, line = read_version(site, {"PATH": os.defpath})
    assert version == sys.version_info[:2]
    assert line.startswith(CANNOT)


def test_a_stale_activation(site: Path) -> None:
    """The error names an active environment that was removed."""
    with pytest.raises(ConfigError, match=r"VIRTUAL_ENV \(.*gone\) does not exist"):
        choose(site, VIRTUAL_ENV=str(site / "gone"))


def test_folders_that_only_have_the_name(site: Path) -> None:
    """`venv` and `env` may be any folders; `.env` is mostly a file of settings."""
    (site / "env").mkdir()
    (site / "venv").mkdir()
    (site / ".env").write_text("A=1\n", "utf-8")
    assert called(site) == []


def test_on_windows(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter is in Scripts, conda's beside it; an environment of Linux cannot run."""
    monkeypatch.setattr(process, "WINDOWS", True)
    monkeypatch.setattr(os, "access", lambda *_: True)
    _windows(site / "venv")
    found = locate_python(Environment(site / "venv", "venv"))
    assert found == str(site / "venv" / "Scripts" / "python.exe")
    (site / "conda").mkdir()
    (site / "conda" / "python.exe").touch()
    assert locate_python(Environment(site / "conda", "x")) == str(site / "conda" / "python.exe")
    (site / "wsl" / "bin").mkdir(parents=True)
    (site / "wsl" / "bin" / "python").touch()
    with pytest.raises(ConfigError, match=r"was made on Linux or macOS \(bin/python\)"):
        locate_python(Environment(site / "wsl", "x"))


@posix
@pytest.mark.parametrize("receipt", ["pipx_metadata.json", "uv-receipt.toml"])
def test_the_tools_own_environment_is_not_the_projects(
    site: Path, tmp_path: Path, receipt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool runner may activate the tool's own environment."""
    tool = make_venv(tmp_path / "tool")
    monkeypatch.setattr(sys, "prefix", str(tool))
    make_venv(site / ".venv")
    assert choose(site, VIRTUAL_ENV=str(tool)).reason.startswith("VIRTUAL_ENV")
    (tool / receipt).touch()
    assert choose(site, VIRTUAL_ENV=str(tool)).reason == ".venv of the site"


@posix
def test_another_version_is_passed_over(site: Path) -> None:
    """Environments of another version are skipped; the error names what was searched for."""
    make_venv(site / ".venv")
    environ = {"PATH": os.defpath}
    same = choose_python(site, "", environ, runs_app=False, version=sys.version_info[:2])
    assert same.reason == ".venv of the site"
    with pytest.raises(ConfigError, match=r"needs Python 3\.99, but there is no python3\.99"):
        choose_python(site, "", environ, runs_app=False, version=(3, 99))


def test_a_pythonpath_that_is_not_passed_on(site: Path) -> None:
    """A note says so, and how to set it, except in commands that ignore the shell anyway."""
    for python in ("", sys.executable):
        note = choose(site, python, PYTHONPATH="/mine").lines[1]
        assert note.startswith("Note: PYTHONPATH of this shell is not passed on")
        assert "--set PYTHONPATH=DIR" in note
    environ = {"PATH": os.defpath, "PYTHONPATH": "/mine"}
    assert choose_python(site, "", environ, runs_app=False).notes == ()


@posix
def test_a_command_that_only_reads_runs_nothing(site: Path, tmp_path: Path) -> None:
    """It runs neither programs inside the site, which may be anybody's, nor Poetry."""
    (site / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for program in (site / ".venv" / "bin" / "python", tmp_path / "bin" / "poetry"):
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n", "utf-8")
        program.chmod(0o755)
    (site / "poetry.lock").touch()
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}"}
    assert "this command's own" in read_version(site, environ)[1]
    (site / ".venv" / "pyvenv.cfg").write_text("version_info = 3.9.7.final.0\n", "utf-8")
    assert read_version(site, environ) == ((3, 9), ".venv of the site (3.9.7)")
    assert not (tmp_path / "ran").exists()


def test_an_interpreter_is_asked_without_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is imported from the current folder or PYTHONPATH."""
    for name in ("json", "site", "importlib", "wfastcgi", "appsvc_runtime"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = examine(sys.executable)
    assert found is not None
    assert found.is_own
    assert not found.wfastcgi.startswith(str(tmp_path))
    assert not found.runtime.startswith(str(tmp_path))


LEAKS = {
    "PYTHONPATH": "/tool/lib",
    "PYTHONHOME": "/tool",
    "PYTHONSTARTUP": "/tool/x.py",
    "__PYVENV_LAUNCHER__": "/tool/bin/python",
    "VIRTUAL_ENV": "/active",
    "VIRTUAL_ENV_PROMPT": "active",
}


def _interpreter(folder: str, base: str) -> Interpreter:
    return Interpreter(f"{folder}/bin/python", (3, 10, 1), folder, base, "/u", "", "")


@posix
def test_nothing_of_the_tool_gets_into_the_apps_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app's variables are as if its own environment were activated."""
    monkeypatch.setattr(sys, "prefix", "/tool")
    monkeypatch.setattr(sys, "executable", "/tool/bin/python")
    base = {**LEAKS, "PATH": "/tool/bin:/active/bin:/usr/bin:/app/bin", "OTHER": "1"}
    made = app_environ(base, _interpreter("/app", "/usr"))
    assert made == {"PATH": "/app/bin:/usr/bin", "OTHER": "1", "VIRTUAL_ENV": "/app"}
    plain = app_environ(base, _interpreter("/usr", "/usr"))
    assert plain == {"PATH": "/usr/bin:/app/bin", "OTHER": "1", "PYTHONUSERBASE": "/u"}


@posix
def test_a_tool_outside_of_any_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool's folder is the machine's own, and stays on PATH."""
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    made = app_environ({"PATH": "/usr/bin:/bin"}, _interpreter("/app", "/usr"))
    assert made["PATH"].split(":")[:2] == ["/app/bin", "/usr/bin"]


@pytest.mark.parametrize(
    ("words", "script", "expected"),
    [
        (["-m", "appsvc_runtime.runserver"], None, "-m appsvc_runtime.runserver"),
        (["-m", "appsvc_runtime"], None, "-m appsvc_runtime"),
        (["-m", "appsvc_runtimes"], None, ""),
        (["-m", "waitress"], "import appsvc_runtime", ""),
        (["run.py"], "import os\nfrom appsvc_runtime.runserver import main\n", "a script"),
        (["run.py"], "import appsvc_runtime as r\n", "a script"),
        (["run.py"], "try:\n    import appsvc_runtime\nexcept ImportError: ...\n", ""),
        (["run.py"], "# import appsvc_runtime\n", ""),
        ([], None, ""),
    ],
)
def test_what_of_this_package_is_started(
    words: list[str], script: str | None, expected: str
) -> None:
    """This package is started as a module, or by a script that imports it unconditionally."""
    found = requirement.runtime_in(words, script)
    assert found.startswith(expected)
    assert bool(found) is bool(expected)


@pytest.mark.parametrize("environ", [{}, {"PYTHONPATH": "/lib"}])
def test_a_package_that_the_projects_python_lacks(
    tmp_path: Path, environ: Mapping[str, str]
) -> None:
    """It is reported with a hint, unless the package may be elsewhere."""
    lacking = _interpreter("/app", "/usr")
    if environ:
        requirement.need_runtime(lacking, "web.config:3", "-m appsvc_runtime", tmp_path, environ)
        return
    with pytest.raises(ConfigError) as caught:
        requirement.need_runtime(lacking, "web.config:3", "-m appsvc_runtime", tmp_path, environ)
    assert "/app/bin/python -m pip install appsvc-runtime" in caught.value.hint
    (tmp_path / "appsvc_runtime").mkdir()
    requirement.need_runtime(lacking, "web.config:3", "-m appsvc_runtime", tmp_path, environ)


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("Traceback …\nModuleNotFoundError: No module named 'flask'", "flask"),
        ("/x/bin/python: No module named waitress", "waitress"),
        ("all is well", ""),
    ],
)
def test_a_module_that_is_missing(output: str, name: str) -> None:
    """The hint names the module and the interpreter."""
    hint = requirement.missing_module(output, "/x/bin/python")
    assert (f"The module {name!r} is not installed for /x/bin/python" in hint) is bool(name)


def test_the_question_fits_old_pythons() -> None:
    """An app's Python may be 3.6: the code must not use newer syntax."""
    import ast

    ast.parse(interpreter._CODE, feature_version=(3, 6))
    told = subprocess.run(
        [sys.executable, "-c", interpreter._CODE], capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(told.partition(":")[2])["prefix"] == sys.prefix
    assert virtual_environments.built_for(Environment(Path("/nowhere"), "")) is None
