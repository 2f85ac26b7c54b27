"""What a build's switches change for the build as a whole, and what is reported about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build import packages, switches
from appsvc_runtime.errors import ConfigError
from tests.support.emulator import make_site

BUILT = [
    # settings, and a part of why there is no build, "" if there is one
    pytest.param({}, "", id="nothing-set"),
    pytest.param({"SCM_DO_BUILD_DURING_DEPLOYMENT": "1"}, "", id="on"),
    pytest.param({"SCM_DO_BUILD_DURING_DEPLOYMENT": "false"}, "because of SCM_DO_BUILD", id="off"),
    pytest.param({"SCM_DO_BUILD_DURING_DEPLOYMENT": "yes"}, "Kudu takes for false", id="yes"),
    pytest.param({"ENABLE_ORYX_BUILD": "false"}, "older builder is not emulated", id="no-oryx"),
]


@pytest.mark.parametrize(("settings", "why"), BUILT)
def test_whether_a_deployment_is_built(settings: dict[str, str], why: str) -> None:
    """Both switches must be on, as Kudu reads them."""
    found = switches.why_not_built(settings)
    assert bool(found) is bool(why)
    assert why in found


def test_the_archive() -> None:
    """Its name ends as the program that packs it has it."""
    assert switches.archive_name({}) == "output.tar.zst"
    assert switches.archive_name({"ORYX_COMPRESS_WITH_ZSTD": "True"}) == "output.tar.gz"


@pytest.mark.parametrize(
    ("name", "value"),
    [("DISABLE_PYTHON_BUILD", "true"), ("DISABLE_COLLECTSTATIC", "1"), ("CREATE_PACKAGE", "no")],
)
def test_what_ends_a_build(name: str, value: str) -> None:
    """The error names the setting, before anything is done."""
    with pytest.raises(ConfigError, match=name):
        switches.check_settings({name: value})
    switches.check_settings({name: "false"})


NOTES = [
    pytest.param({}, [], "", id="none"),
    pytest.param({}, ["package.json"], "also finds Node.js in this site", id="other-platform"),
    pytest.param({}, ["package.json", "go.mod"], "finds Go and Node.js", id="two-other-platforms"),
    pytest.param({"SKIP_PLATFORM_DETECTION": "true"}, ["package.json"], "", id="no-detection"),
    pytest.param(
        {"ENABLE_MULTIPLATFORM_BUILD": "true"}, ["package.json"], "also builds it", id="multi"
    ),
    pytest.param({"CREATE_PACKAGE": "true"}, [], "also makes a wheel", id="wheel"),
    pytest.param({"PYTHON_FAST_BUILD_ENABLED": "1"}, [], "is off: the platform", id="surprise"),
]


@pytest.mark.parametrize(("settings", "files", "said"), NOTES)
def test_notes(tmp_path: Path, settings: dict[str, str], files: list[str], said: str) -> None:
    """What the platform does and this does not is reported once."""
    site = make_site(tmp_path / "site", {"app.py": "", **dict.fromkeys(files, "")})
    found = list(switches.find_notes(site, settings))
    assert len(found) == bool(said)
    assert all(said in note for note in found)


INSTALLED = [
    # settings, the commands that are tried, by their first three words
    pytest.param({}, ["uv pip install", "python -m pip"], id="uv-first"),
    pytest.param(
        {"PYTHON_FAST_BUILD_ENABLED": "true"}, ["uv pip install", "python -m pip"], id="on"
    ),
    pytest.param({"PYTHON_FAST_BUILD_ENABLED": "True"}, ["python -m pip"], id="not-true-for-bash"),
    pytest.param({"PYTHON_FAST_BUILD_ENABLED": "false"}, ["python -m pip"], id="off"),
]


@pytest.mark.parametrize(("settings", "commands"), INSTALLED)
def test_tools(tmp_path: Path, settings: dict[str, str], commands: list[str]) -> None:
    """requirements.txt is installed with uv, and with pip if that fails or is switched off."""
    site = make_site(tmp_path / "site", {"requirements.txt": "flask\n"})
    made = packages.choose_packages(site, settings)
    tried = [*made.steps, *made.fallback]
    assert [" ".join(step.argv[:3]) for step in tried] == commands


def test_the_environment_of_uv(tmp_path: Path) -> None:
    """uv makes it where it installs uv.lock, unless the platform's switch leaves it to venv."""
    site = make_site(tmp_path / "site", {"pyproject.toml": "", "uv.lock": ""})
    assert packages.choose_packages(site, {}).by_uv
    assert not packages.choose_packages(site, {"CreateVenvWithPythonVenv": "true"}).by_uv
    assert packages.choose_packages(site, {"CreateVenvWithPythonVenv": "True"}).by_uv


def test_a_secret_in_the_build_command(tmp_path: Path) -> None:
    """It is shown in no line."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    command = "pip install --index-url https://me:hunter2hunter2@index.example.com/simple x"
    made = packages.choose_packages(site, {"CUSTOM_BUILD_COMMAND": command})
    assert "hunter2" not in "".join(made.before)
    assert made.steps[0].argv[2] == command
