r"""The Python command in which a role's entry point ends: arguments, folder, variables.

Reads `bin\LaunchWorker.ps1`, `bin\AzureSetup.cfg` and `bin\ps.cmd` of a role; starts nothing. Must
not know of instances.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ConfigError
from ...findings import Finding
from . import azure_setup, folders
from .entry_point import EntryPoint, read_entry_point
from .launch_script import LaunchScript, read_launch_script
from .model import Role
from .windows_variables import expand

__all__ = ["WorkerCommand", "find_worker_command", "template_command"]

_BIN = "bin"
_SCRIPT = "LaunchWorker.ps1"
_LAUNCHER = "-m appsvc_runtime.worker worker.py"


@dataclass(frozen=True)
class WorkerCommand:
    """Python's arguments, `shown` as they are written, the current folder, and variables to set.

    `log` is the name of the log files, without their ends.
    """

    arguments: tuple[str, ...] = field(repr=False)
    shown: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str] = field(repr=False)
    findings: tuple[Finding, ...]
    log: str


def find_worker_command(role: Role, root: Path, variables: Mapping[str, str]) -> WorkerCommand:
    """Return what a role's entry point runs in a process with `variables`; `root` is its folder.

    Raise ConfigError if it gives Python nothing to run.
    """
    entry = read_entry_point(role.command_line)
    if entry is None:
        raise _nothing(role, "does not run Python")
    found = _Search(role, entry, root, {**variables, "RootDir": str(root)})
    return found.run() if entry.script else found.command(entry.words)


def template_command(root: Path) -> str:
    """Return the entry point that belongs to a role's files, as the templates have it."""
    plain = rf"{_BIN}\ps.cmd {_SCRIPT}"
    bin_folder = folders.find(root, _BIN)
    script = _read(bin_folder, _SCRIPT)
    if script is None:
        has_setup = _read(bin_folder, azure_setup.FILE) is not None
    else:
        has_setup = read_launch_script(script, {}).runs in ("setup", "command")
    return plain if has_setup else f"{plain} {azure_setup.SCRIPT}"


class _Search:
    """Looks for the command behind an entry point, and collects findings."""

    def __init__(
        self, role: Role, entry: EntryPoint, root: Path, variables: Mapping[str, str]
    ) -> None:
        self._role = role
        self._entry = entry
        self._root = root
        self._variables = variables
        self._bin = folders.find(root, _BIN)
        self._findings: list[Finding] = []
        # As the project's owner sees them.
        self._shown = rf"{root.name}\{_BIN}\{_SCRIPT}"
        self._setup_shown = rf"{root.name}\{_BIN}\{azure_setup.FILE}"

    def run(self) -> WorkerCommand:
        """Return what LaunchWorker.ps1 runs."""
        text = _read(self._bin, _SCRIPT)
        script = LaunchScript("unknown")
        if text is not None:
            script = read_launch_script(text, self._variables)
            if script.runs == "unknown":
                self._warn(
                    "launch-script",
                    self._shown,
                    "It is none of the known versions, so what it runs is not known: here its "
                    "arguments are run." if self._entry.words else
                    "It is none of the known versions, so what it runs is not known.",
                )  # fmt: skip
        if script.runs == "setup":
            self._ignores_arguments()
            return self._setup(is_needed=True)
        if script.runs == "command":
            self._ignores_arguments()
            if script.others:
                message = "It has more than one command: the last is run here."
                self._warn("launch-script", self._shown, message)
            return self.command(script.words, self._folder(script), script.shown)
        if self._entry.words:
            words = self._entry.words
            if script.joins and any(" " in word for word in words):
                message = "It drops the quotation marks around arguments: each blank parts them."
                hint = "Leave out the blanks, or end it with: & $interpreter_path $args"
                self._warn("launch-script", self._shown, message, hint)
                words = tuple(" ".join(words).split())
            return self.command(words, self._folder(script))
        if script.runs == "arguments":
            raise _nothing(
                self._role,
                f"gives Python nothing to run: {self._shown} passes its arguments on, and has none",
            )
        return self._setup(is_needed=False)

    def command(
        self,
        words: tuple[str, ...],
        folder: Path | None = None,
        shown: tuple[str, ...] = (),
        more: Mapping[str, str] | None = None,
    ) -> WorkerCommand:
        """Return the command for these words of a Windows command line."""
        if not words:
            raise _nothing(self._role, "gives Python nothing to run")
        folder = folder or self._root
        arguments = [_local(expand(word, self._variables), folder) for word in words]
        if arguments[0].endswith(".py") and not os.path.isfile(folder / arguments[0]):
            message = f"The script {(shown or words)[0]} of the entry point is not in {folder}."
            self._warn("no-script", self._role.name, message)
        return WorkerCommand(
            tuple(arguments),
            shown or words,
            folder,
            more or {},
            tuple(self._findings),
            self._log(),
        )

    def _setup(self, *, is_needed: bool) -> WorkerCommand:
        """Return the command of AzureSetup.cfg, else worker.py."""
        text = _read(self._bin, azure_setup.FILE)
        if text is None:
            if is_needed:
                self._warn(
                    "no-setup", self._shown,
                    f"It needs {self._setup_shown}, which is missing: here worker.py is run.",
                    "Visual Studio writes it, from the project's startup file, when it makes the "
                    "package.",
                )  # fmt: skip
            return self.command(azure_setup.AzureSetup().words)
        setup = azure_setup.read_azure_setup(text, self._variables)
        folder = self._root / _local(setup.folder, self._root)
        if not os.path.isdir(folder):  # Path.is_dir raises OSError for a name that is too long
            message = f"The worker_directory {setup.folder_shown} is missing: the role's is used."
            self._warn("folder", self._setup_shown, message)
            folder = self._root
        paths = {name: self._paths(value) for name, value in setup.variables.items()}
        return self.command(setup.words, folder, setup.shown, {**paths, "RootDir": str(self._root)})

    def _paths(self, value: str) -> str:
        """Return a list of Windows paths as one of this system."""
        return os.pathsep.join(_local(path, self._root) for path in value.split(";") if path)

    def _folder(self, script: LaunchScript) -> Path:
        """Return the folder that is current when the script starts Python."""
        if script.in_root or not self._entry.from_bin or self._bin is None:
            return self._root
        self._warn(
            "folder", self._shown, f"It starts Python in {_BIN}, where ps.cmd starts it.",
            "Add -WorkingDirectory (split-path $bindir) to its Start-Process."
            if script.joins else "Write cd .. before the command.",
        )  # fmt: skip
        return self._bin

    def _ignores_arguments(self) -> None:
        if self._entry.words:  # not shown: they may be keys and passwords
            self._warn(
                "arguments", self._shown, "It does not use the arguments of the entry point.",
                f'Write the command into it: iex "py {_LAUNCHER}".',
            )  # fmt: skip

    def _log(self) -> str:
        """Return the name of the log files: ps.cmd of the templates writes `%~n1.txt`."""
        text = _read(self._bin, "ps.cmd") or ""
        return Path(_SCRIPT).stem if "%~n1" in text.lower() else _SCRIPT

    def _warn(self, code: str, where: str, message: str, hint: str = "") -> None:
        self._findings.append(Finding(code, "warning", where, message, hint))


def _read(folder: Path | None, name: str) -> str | None:
    """Return the text of a file in a folder, by its name in any letter case; None without it."""
    file = folders.find(folder, name) if folder else None
    return folders.read_text(file) if file is not None and file.is_file() else None


def _nothing(role: Role, why: str) -> ConfigError:
    return ConfigError(
        f"The entry point of {role.name} {why}.",
        hint=rf"Write it as {_BIN}\ps.cmd {_SCRIPT} worker.py.",
    )


def _local(word: str, root: Path) -> str:
    """Return a Windows path as a local one, if there is such a file."""
    other = word.replace("\\", os.sep)
    return other if other != word and os.path.exists(root / other) else word
