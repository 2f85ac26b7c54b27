"""The Python command behind a role's entry point: the files of its bin, one by one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appsvc_runtime.emulator.roles.model import Role
from appsvc_runtime.emulator.roles.worker_command import (
    WorkerCommand,
    find_worker_command,
    template_command,
)
from appsvc_runtime.errors import ConfigError
from tests.emulator.roles.test_launch_script import ARTICLE, PASSES, PASSES_IN_ROOT, SETUP
from tests.support.emulator import make_site

VARIABLES = {"PYTHON": "/python", "KEY": "TOPSECRET"}
PLAIN = r"bin\ps.cmd LaunchWorker.ps1"
LAUNCHER = rf"{PLAIN} -m appsvc_runtime.worker worker.py"


def find(root: Path, files: dict[str, str], entry: str = PLAIN) -> WorkerCommand:
    made = make_site(root / "Role", {"worker.py": "", **files})
    return find_worker_command(Role("Role", entry), made, VARIABLES)


def codes(command: WorkerCommand) -> list[str]:
    return [finding.code for finding in command.findings]


@pytest.mark.parametrize(
    ("files", "entry", "arguments", "found"),
    [
        # Without arguments.
        ({}, PLAIN, ["worker.py"], []),
        ({"bin/ps.cmd": ""}, PLAIN, ["worker.py"], []),
        ({"bin/AzureSetup.cfg": 'worker_command="worker.py" -v'}, PLAIN, ["worker.py", "-v"], []),
        ({"BIN/azuresetup.CFG": "worker_command=worker.py 1"}, PLAIN, ["worker.py", "1"], []),
        ({"bin/LaunchWorker.ps1": ARTICLE}, PLAIN, ["worker.py"], []),
        ({"bin/LaunchWorker.ps1": SETUP}, PLAIN, ["worker.py"], ["no-setup"]),
        (
            {"bin/LaunchWorker.ps1": SETUP, "bin/AzureSetup.cfg": "worker_command=worker.py 2"},
            PLAIN,
            ["worker.py", "2"],
            [],
        ),
        # The article's script has no use for the file.
        (
            {"bin/LaunchWorker.ps1": ARTICLE, "bin/AzureSetup.cfg": "worker_command=other.py"},
            PLAIN,
            ["worker.py"],
            [],
        ),
        ({"bin/LaunchWorker.ps1": "node x.js"}, PLAIN, ["worker.py"], ["launch-script"]),
        ({}, "powershell -File bin/LaunchWorker.ps1", ["worker.py"], []),
        # With arguments.
        ({}, LAUNCHER, ["-m", "appsvc_runtime.worker", "worker.py"], []),
        (
            {"bin/AzureSetup.cfg": "worker_command=other.py"},
            f"{PLAIN} worker.py 3",
            ["worker.py", "3"],
            [],
        ),
        ({"bin/LaunchWorker.ps1": ARTICLE}, LAUNCHER, ["worker.py"], ["arguments"]),
        ({"bin/LaunchWorker.ps1": SETUP}, LAUNCHER, ["worker.py"], ["arguments", "no-setup"]),
        (
            {"bin/LaunchWorker.ps1": PASSES_IN_ROOT},
            LAUNCHER,
            ["-m", "appsvc_runtime.worker", "worker.py"],
            [],
        ),
        ({"bin/LaunchWorker.ps1": "node x.js"}, f"{PLAIN} worker.py", ["worker.py"],
         ["launch-script"]),
        ({"bin/LaunchWorker.ps1": "cd ..\npy a.py\npy worker.py"}, PLAIN, ["worker.py"],
         ["launch-script"]),
        (
            {"bin/LaunchWorker.ps1": PASSES_IN_ROOT},
            f'{PLAIN} worker.py "a b"',
            ["worker.py", "a", "b"],
            ["launch-script"],
        ),
        ({}, "python worker.py", ["worker.py"], []),
        ({}, f"{PLAIN} none.py", ["none.py"], ["no-script"]),
    ],
)  # fmt: skip
def test_which_command(
    tmp_path: Path, files: dict[str, str], entry: str, arguments: list[str], found: list[str]
) -> None:
    """The role's own LaunchWorker.ps1 decides; without one, its arguments, then the set-up."""
    command = find(tmp_path, files, entry)
    assert list(command.arguments) == arguments
    assert codes(command) == found
    assert command.folder == tmp_path / "Role"
    assert all(
        finding.where.startswith("Role") and finding.level == "warning"
        for finding in command.findings
    )


def test_arguments_that_are_dropped(tmp_path: Path) -> None:
    """The finding says so and what to write, without the arguments, which may be keys."""
    files = {"bin/LaunchWorker.ps1": ARTICLE}
    command = find(tmp_path, files, rf"{PLAIN} -m appsvc_runtime.worker worker.py %KEY% SECRET")
    (finding,) = command.findings
    assert str(finding) == (
        "It does not use the arguments of the entry point. "
        'Write the command into it: iex "py -m appsvc_runtime.worker worker.py".'
    )
    assert finding.where == r"Role\bin\LaunchWorker.ps1"
    hint = finding.hint.partition(": ")[2].removesuffix(".")
    (tmp_path / "Role/bin/LaunchWorker.ps1").write_text(f"cd ..\n{hint}\n")
    assert find(tmp_path, {}).arguments == ("-m", "appsvc_runtime.worker", "worker.py")


@pytest.mark.parametrize("script", [PASSES, PASSES_IN_ROOT, "cd ..\n& $python $args"])
def test_nothing_to_run(tmp_path: Path, script: str) -> None:
    """A script that passes its arguments on needs some."""
    with pytest.raises(ConfigError, match=r"nothing to run: Role.bin.LaunchWorker\.ps1"):
        find(tmp_path, {"bin/LaunchWorker.ps1": script})


def test_folder_bin(tmp_path: Path) -> None:
    """The first script of Visual Studio 2017 stays in bin, where it does not find the worker."""
    files = {"bin/LaunchWorker.ps1": PASSES}
    command = find(tmp_path, files, f"{PLAIN} worker.py")
    assert command.folder == tmp_path / "Role/bin"
    assert codes(command) == ["folder", "no-script"]
    assert "-WorkingDirectory (split-path $bindir)" in command.findings[0].hint
    # Without ps.cmd nothing goes to bin.
    command = find(tmp_path, files, "powershell -File bin/LaunchWorker.ps1 worker.py")
    assert (command.folder, codes(command)) == (tmp_path / "Role", [])


def test_folder_and_path_of_the_setup(tmp_path: Path) -> None:
    """Windows paths become those of this system."""
    setup = (
        "worker_command=app\\main.py %KEY%\nworker_directory=src\\in\n"
        "python_path=%RootDir%\\lib;%RootDir%\\none\n"
    )
    command = find(
        tmp_path, {"bin/AzureSetup.cfg": setup, "src/in/app/main.py": "", "lib/x.py": ""}
    )
    root = tmp_path / "Role"
    assert command.folder == root / "src/in"
    assert command.arguments == (os.path.join("app", "main.py"), "TOPSECRET")
    assert command.shown == ("app\\main.py", "%KEY%")
    assert "TOPSECRET" not in repr(command)
    assert command.variables == {
        "RootDir": str(root),
        "PYTHONPATH": os.pathsep.join([str(root / "lib"), f"{root}\\none"]),
    }


def test_folder_of_the_setup_that_is_missing(tmp_path: Path) -> None:
    """PowerShell's `cd` fails and goes on."""
    command = find(tmp_path, {"bin/AzureSetup.cfg": "worker_directory=none"})
    assert (command.folder, codes(command)) == (tmp_path / "Role", ["folder"])
    # Shown as it is written: a variable may hold a secret.
    command = find(tmp_path, {"bin/AzureSetup.cfg": "worker_directory=%KEY%"})
    assert "worker_directory %KEY% is missing" in command.findings[0].message
    assert "TOPSECRET" not in repr(command)


LONG = "x" * 300


@pytest.mark.parametrize(
    ("setup", "entry", "found"),
    [
        (f"worker_command=a\\{LONG}.py", PLAIN, ["no-script"]),
        (f"worker_directory=a\\{LONG}", PLAIN, ["folder"]),
        (f"python_path=..\\{LONG}", PLAIN, []),
        ("", rf"{PLAIN} {LONG}.py", ["no-script"]),
        ("python_path_variable= \npython_path=a", PLAIN, []),
    ],
    ids=["command", "folder", "path", "entry-point", "no-variable"],
)
def test_names_that_no_file_can_have(
    tmp_path: Path, setup: str, entry: str, found: list[str]
) -> None:
    """They are as missing ones, and no traceback."""
    command = find(tmp_path, {"bin/AzureSetup.cfg": setup}, entry)
    assert codes(command) == found
    assert all(command.variables)


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, "LaunchWorker.ps1"),
        ({"bin/ps.cmd": '… >> "%DiagnosticStore%\\LogFiles\\%~n1.txt"'}, "LaunchWorker"),
        ({"bin/ps.cmd": 'set "LOG=%DiagnosticStore%\\LogFiles\\%~1"'}, "LaunchWorker.ps1"),
    ],
    ids=["none", "templates", "example"],
)
def test_names_of_logs(tmp_path: Path, files: dict[str, str], name: str) -> None:
    """As the role's ps.cmd names them."""
    assert find(tmp_path, files).log == name


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, f"{PLAIN} worker.py"),
        ({"bin/LaunchWorker.ps1": PASSES}, f"{PLAIN} worker.py"),
        ({"bin/LaunchWorker.ps1": "node x.js"}, f"{PLAIN} worker.py"),
        ({"bin/LaunchWorker.ps1": ARTICLE}, PLAIN),
        ({"bin/LaunchWorker.ps1": SETUP}, PLAIN),
        ({"Bin/azuresetup.cfg": "worker_command=main.py"}, PLAIN),
        (
            {"bin/LaunchWorker.ps1": PASSES, "bin/AzureSetup.cfg": "worker_command=main.py"},
            f"{PLAIN} worker.py",
        ),
    ],
    ids=["none", "2017", "unknown", "article", "tools-2", "setup", "2017-with-setup"],
)
def test_entry_point_of_a_folder(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    """A folder without a definition has the entry point that came with its script."""
    assert template_command(make_site(tmp_path, {"worker.py": "", **files})) == expected


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, codec: str) -> None:
    """PowerShell reads its scripts by their byte-order marks."""
    script = tmp_path / "Role/bin/LaunchWorker.ps1"
    script.parent.mkdir(parents=True)
    script.write_bytes(ARTICLE.replace("worker.py", "wörker.py").encode(codec))
    assert find(tmp_path, {"wörker.py": ""}).arguments == ("wörker.py",)


def test_null_characters(tmp_path: Path) -> None:
    """No argument can have one: a file in UTF-16 without a mark is read without them."""
    setup = "worker_command=worker.py a\n".encode("utf-16-le").decode("latin-1")
    assert find(tmp_path, {"bin/AzureSetup.cfg": setup}).arguments == ("worker.py", "a")


def test_script_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder, a pipe or a broken link in its place is as none, and waits for nobody."""
    bin_folder = tmp_path / "Role/bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "LaunchWorker.ps1").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(bin_folder / "AzureSetup.cfg")
        (bin_folder / "ps.cmd").symlink_to("none")
    assert find(tmp_path, {}).arguments == ("worker.py",)
