"""Which steps a build has for a folder and its settings, in the platform's order."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build import packages, steps
from tests.support.emulator import make_site

POETRY = "[tool.poetry]\nname = 'x'\n"
PACKAGES = [
    # files, settings, kind, the file that counts, a part of a warning
    pytest.param(["requirements.txt"], {}, "requirements", "requirements.txt", "", id="plain"),
    pytest.param(
        ["requirements.txt", "setup.py", "pyproject.toml", "uv.lock"],
        {},
        "requirements",
        "requirements.txt",
        "",
        id="requirements-first",
    ),
    pytest.param(["setup.py", "pyproject.toml", "uv.lock"], {}, "setup.py", "setup.py", "", id="2"),
    pytest.param(["pyproject.toml", "uv.lock"], {}, "uv", "uv.lock", "", id="uv"),
    pytest.param(["pyproject.toml"], {}, "poetry", "pyproject.toml", "", id="poetry"),
    pytest.param(["uv.lock"], {}, "none", "", "no package", id="lock-alone"),
    pytest.param(["app.py"], {}, "none", "", "no package", id="none"),
    pytest.param(
        ["requirements.txt", "deploy/prod.txt"],
        {"CUSTOM_REQUIREMENTSTXT_PATH": "deploy/prod.txt"},
        "requirements",
        "deploy/prod.txt",
        "",
        id="custom",
    ),
    pytest.param(
        ["requirements.txt", "setup.py"],
        {"CUSTOM_REQUIREMENTSTXT_PATH": "prod.txt"},
        "setup.py",
        "setup.py",
        "does not exist",
        id="custom-missing",
    ),
    pytest.param(
        ["requirements.txt"],
        {"PIP_EXTRA_INDEX_URL": "https://x"},
        "requirements",
        "requirements.txt",
        "uv, which is tried first, does not read PIP_EXTRA_INDEX_URL",
        id="index-of-pip",
    ),
    pytest.param(
        ["requirements.txt", "setup.py"],
        {"CUSTOM_BUILD_COMMAND": "make"},
        "command",
        "",
        "",
        id="command",
    ),
]


@pytest.mark.parametrize(("files", "settings", "kind", "file", "warned"), PACKAGES)
def test_packages(
    tmp_path: Path, files: list[str], settings: dict[str, str], kind: str, file: str, warned: str
) -> None:
    """The first existing file defines the packages."""
    found = packages.choose_packages(make_site(tmp_path, dict.fromkeys(files, "")), settings)
    assert (found.kind, found.file) == (kind, file)
    assert bool(found.warnings) is bool(warned)
    assert all(warned in warning for warning in found.warnings)


COLLECT = [
    # files, settings, whether it is run, what is reported
    pytest.param({"requirements.txt": "Django\n"}, {}, False, "", id="no-manage"),
    pytest.param({"manage.py": "", "requirements.txt": "Django\n"}, {}, True, "", id="django"),
    pytest.param({"manage.py": "", "requirements.txt": "x # django\n"}, {}, True, "", id="word"),
    pytest.param({"manage.py": "", "requirements.txt": "flask\n"}, {}, False, "mention", id="no"),
    pytest.param({"manage.py": ""}, {}, False, "does not exist", id="no-requirements"),
    pytest.param(
        {"manage.py": "", "requirements.txt": "django".encode("utf-16")},
        {},
        False,
        "UTF-16",
        id="utf-16",
    ),
    pytest.param(
        {"manage.py": "", "requirements.txt": "Django\n"},
        {"DISABLE_COLLECTSTATIC": "True"},
        False,
        "DISABLE_COLLECTSTATIC",
        id="disabled",
    ),
    pytest.param(
        {"manage.py": "", "requirements.txt": "", "p.txt": "django"},
        {"CUSTOM_REQUIREMENTSTXT_PATH": "p.txt"},
        True,
        "",
        id="custom",
    ),
    pytest.param(
        {"my site/manage.py": "", "requirements.txt": "django"},
        {},
        False,
        "POST_BUILD_COMMAND to `python 'my site/manage.py' collectstatic --noinput`",
        id="deeper",
    ),
    pytest.param(
        {"a/manage.py": "", "requirements.txt": "django"},
        {"POST_BUILD_COMMAND": "python a/manage.py collectstatic --noinput"},
        False,
        "",
        id="deeper-done",
    ),
    pytest.param(
        {"a/manage.py": "", "requirements.txt": "django"},
        {"DISABLE_COLLECTSTATIC": "true"},
        False,
        "because of DISABLE_COLLECTSTATIC",
        id="deeper-disabled",
    ),
    pytest.param(
        {"a/manage.py": "", "requirements.txt": "flask"}, {}, False, "", id="deeper-of-another-kind"
    ),
    pytest.param(
        {"antenv/manage.py": "", "requirements.txt": "django"}, {}, False, "", id="antenv"
    ),
]


@pytest.mark.parametrize(("files", "settings", "run", "said"), COLLECT)
def test_collectstatic(
    tmp_path: Path, files: dict[str, str | bytes], settings: dict[str, str], run: bool, said: str
) -> None:
    """It needs manage.py and Django in the requirements' bytes; a setting switches it off."""
    site = make_site(tmp_path, files)
    step, remark = steps.collect_static(
        site, settings, packages.choose_packages(site, settings).requirements
    )
    assert (step is not None, said in remark, bool(remark)) == (run, True, bool(said))


COMMANDS = [
    pytest.param("echo one", ["echo one"], id="one"),
    pytest.param("echo one, echo two ,,echo three", ["echo one", "echo two", "echo three"], id="3"),
    pytest.param("python -c 'print(1, 2)'", ["python -c 'print(1, 2)'"], id="quotes"),
    pytest.param('echo "a, b", ls', ['echo "a, b"', "ls"], id="double-quotes"),
    pytest.param("echo {a,b}, f(1,2)", ["echo {a,b}", "f(1,2)"], id="brackets"),
    pytest.param("echo 'open, end", ["echo 'open, end"], id="open-quote"),
]


@pytest.mark.parametrize(("text", "commands"), COMMANDS)
def test_commas_part_commands(text: str, commands: list[str]) -> None:
    """Commas that a shell does not need separate commands."""
    assert steps.split_commands(text) == commands


def test_scripts_before_commands(tmp_path: Path) -> None:
    """The script wins and is made executable; the command may name a script too."""
    site = make_site(tmp_path, {"pre build.sh": "#!/bin/sh\n", "other.sh": ""})
    (site / "pre build.sh").chmod(0o644)
    both = {"PRE_BUILD_SCRIPT_PATH": "pre build.sh", "PRE_BUILD_COMMAND": "echo no"}
    step = steps.shell_step("PRE", site, both, "sh")
    assert step is not None
    assert step.argv == ("sh", "-ec", f"'{site}/pre build.sh'")
    assert (site / "pre build.sh").stat().st_mode & 0o111 == 0o111
    named = steps.shell_step("POST", site, {"POST_BUILD_COMMAND": "other.sh"}, "sh")
    assert named is not None
    assert named.argv[2] == f"{site}/other.sh"
    assert steps.shell_step("PRE", site, {"POST_BUILD_COMMAND": "ls"}, "sh") is None
    assert steps.shell_step("PRE", site, {"PRE_BUILD_COMMAND": "  "}, "sh") is None


def test_a_script_outside_the_copy(tmp_path: Path) -> None:
    """It is the user's own: it is run, and its mode stays."""
    site = make_site(tmp_path / "copy", {"app.py": ""})
    own = make_site(tmp_path / "own", {"pre.sh": ""}) / "pre.sh"
    own.chmod(0o644)
    (site / "link.sh").symlink_to(own)
    for named in (str(own), "../own/pre.sh", "link.sh"):
        step = steps.shell_step("PRE", site, {"PRE_BUILD_SCRIPT_PATH": named}, "sh")
        assert step is not None
        assert step.argv[2].endswith(".sh")
        assert own.stat().st_mode & 0o777 == 0o644
