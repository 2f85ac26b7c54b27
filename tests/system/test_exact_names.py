"""Files by their exact names: on this disk, and on one that ignores case."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.emulator.linux.build import packages, steps
from appsvc_runtime.startup.plan import make_plan
from appsvc_runtime.system import exact_names


@pytest.fixture
def no_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files be found in any case, as on the disks of Windows and macOS."""

    def blind(real: Callable[..., Any]) -> Callable[..., Any]:
        def stat(path: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return real(path, *args, **kwargs)
            except FileNotFoundError:
                folder, name = os.path.split(path)
                found = {each.lower(): each for each in os.listdir(folder)}
                if name.lower() not in found:
                    raise
                return real(os.path.join(folder, found[name.lower()]), *args, **kwargs)

        return stat

    monkeypatch.setattr(os, "stat", blind(os.stat))


@pytest.mark.usefixtures("no_case")
@pytest.mark.parametrize(
    ("made", "asked", "found"),
    [
        pytest.param("app.py", "app.py", True, id="same"),
        pytest.param("App.PY", "app.py", False, id="other-case"),
        pytest.param("app.py", "./app.py", True, id="with-a-dot"),
        pytest.param("My/app.py", "My/app.py", True, id="folder"),
        pytest.param("My/app.py", "my/app.py", False, id="folder-in-other-case"),
        pytest.param("My/app.py", "My/../My/app.py", True, id="up-again"),
        pytest.param("é.py", "é.py", True, id="not-ascii"),
        pytest.param("other.py", "app.py", False, id="missing"),
        pytest.param("app.py", "app\0.py", False, id="no-name"),
    ],
)
def test_a_file_is_found_by_its_exact_name(
    tmp_path: Path, made: str, asked: str, found: bool
) -> None:
    """Whatever the disk thinks of it."""
    (tmp_path / made).parent.mkdir(exist_ok=True)
    (tmp_path / made).write_text("")
    assert exact_names.is_file(tmp_path, asked) is found


@pytest.mark.usefixtures("no_case")
def test_folders_too(tmp_path: Path) -> None:
    """A file is no folder."""
    (tmp_path / "My").mkdir()
    (tmp_path / "file").write_text("")
    found = [exact_names.is_folder(tmp_path, name) for name in ("My", "my", "file", "x", "\0")]
    assert found == [True, False, False, False, False]


def test_an_absolute_name_is_the_users(tmp_path: Path) -> None:
    """Only names below the folder are compared."""
    file = tmp_path / "x"
    file.write_text("")
    (tmp_path / "site").mkdir()
    assert exact_names.is_file(tmp_path / "site", str(file))


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may still be entered, and then its file is there."""

    def refuse(_path: object) -> list[str]:
        raise PermissionError

    (tmp_path / "app.py").write_text("")
    monkeypatch.setattr(os, "listdir", refuse)
    assert exact_names.is_file(tmp_path, "app.py")


@pytest.mark.usefixtures("no_case")
@pytest.mark.parametrize("name", ["App.PY", "Application.py", "WSGI.py"])
def test_no_app_is_found_by_another_spelling(tmp_path: Path, name: str) -> None:
    """The container would not find it either, and the plan says what to do."""
    (tmp_path / name).write_text("app = 1")
    plan = make_plan(tmp_path)
    assert plan.framework == "default"
    assert f"rename the file to {name.lower()}." in " ".join(plan.warnings)


@pytest.mark.usefixtures("no_case")
@pytest.mark.parametrize(
    ("made", "startup_command"),
    [("Startup.TXT", "startup.txt"), ("Run.sh", "run.sh"), ("Bin/run.sh", "bin/run.sh")],
)
def test_no_startup_file_is_found_by_another_spelling(
    tmp_path: Path, made: str, startup_command: str
) -> None:
    """The name is run as a command then, as in the container."""
    (tmp_path / made).parent.mkdir(exist_ok=True)
    (tmp_path / made).write_text("gunicorn other:app\n")
    assert make_plan(tmp_path, startup_command=startup_command).command == startup_command


@pytest.mark.usefixtures("no_case")
def test_no_django_is_found_by_another_spelling(tmp_path: Path) -> None:
    """Of the site's folders, and one deeper."""
    for folder in ("one", "two/three"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "WSGI.py").write_text("")
    plan = make_plan(tmp_path)
    assert (plan.framework, plan.warnings) == ("default", ())


@pytest.mark.usefixtures("no_case")
def test_no_build_finds_another_spelling(tmp_path: Path) -> None:
    """A build looks for these as Linux does."""
    for name in ("Requirements.txt", "Setup.py", "PyProject.toml", "Manage.py"):
        (tmp_path / name).write_text("")
    assert steps.collect_static(tmp_path, {}, None) == (None, "")
    for name in ("requirements.txt", "setup.py", "pyproject.toml"):
        assert not packages._has(tmp_path, name)
