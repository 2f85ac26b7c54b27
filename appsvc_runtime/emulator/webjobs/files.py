"""A site's WebJobs as files: which there are, what each runs, with which program.

Looks at files only. Must not know of runs. Sources: Kudu.Core/Jobs (JobsManagerBase.cs and the
script hosts); AD, webjobs-create and webjobs-execution.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...azure import job_settings
from ...azure.job_settings import JobSettings
from ...findings import Finding
from ...system.plain_file import read_plain

__all__ = [
    "Hosting",
    "Job",
    "choose_script",
    "command_for",
    "find_jobs",
    "guess_hosting",
    "program_for",
]

Kind = Literal["continuous", "triggered"]
Hosting = Literal["windows", "linux"]

# In Kudu's order: of several files, the one with the first of these extensions is run.
_EXTENSIONS = (".cmd", ".bat", ".exe", ".ps1", ".sh", ".py", ".php", ".js", ".fsx")
# Linux has nothing that runs these.
_OF_WINDOWS = (".cmd", ".bat", ".exe", ".ps1", ".fsx")
_LINUX_EXTENSIONS = tuple(one for one in _EXTENSIONS if one not in _OF_WINDOWS)
# Without a run file, Linux prefers the language of the site.
_LANGUAGE = ".py"
_CONFIG = "web.config"
_WINDOWS_ONLY = frozenset({".cmd", ".bat", ".exe"})
_PROGRAMS = {
    ".ps1": ("pwsh", "powershell"),
    ".sh": ("bash",),
    ".php": ("php",),
    ".js": ("node",),
    ".fsx": ("fsi",),
}
_ARGUMENTS = {".ps1": ("-ExecutionPolicy", "RemoteSigned", "-File")}
_OF_WSL = ("system32", "windowsapps")  # folders with the bash of WSL
_SETTINGS = "settings.job"
_DEEPEST = 32  # a link may lead back
# Errors for a broken link, or one to itself: it counts as missing.
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True)
class Job:
    """A WebJob: `folder` is App_Data/jobs/KIND/NAME, `script` the file that Kudu runs.

    `script` may be in a subfolder. It is None if there is nothing to run.
    """

    name: str
    kind: Kind
    folder: Path
    script: Path | None
    settings: JobSettings
    findings: tuple[Finding, ...]


def guess_hosting(site: Path) -> tuple[Hosting, str]:
    """Return what a site's WebJobs run on, by its files, and why."""
    for job in find_jobs(site, "windows")[0]:
        if job.script is not None and job.script.suffix.lower() in _OF_WINDOWS:
            return "windows", f"{job.name} has {job.script.name}"
    try:
        has_config = any(name.lower() == _CONFIG for name in os.listdir(site))
    except OSError:
        has_config = False
    if has_config:
        return "windows", f"the site has {_CONFIG}"
    return "linux", f"the site has no {_CONFIG}, and no job a script of Windows"


def find_jobs(site: Path, hosting: Hosting = "windows") -> tuple[list[Job], list[Finding]]:
    """Return a site's jobs, the continuous ones first, by name; and findings about the folders."""
    found: list[Job] = []
    findings: list[Finding] = []
    kinds: tuple[Kind, ...] = ("continuous", "triggered")
    for kind in kinds:
        folder: Path | None = site
        for name in ("App_Data", "jobs", kind):
            folder = _inside(folder, name) if folder else None
        if folder is None:
            continue
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            message = f"The folder {folder} cannot be read: {error.strerror}."
            findings.append(Finding("folder", "warning", kind, message))
            continue
        for name in names:
            try:
                if _is(folder / name, stat.S_ISDIR):
                    found.append(_read(folder / name, kind, hosting))
            except OSError as error:
                message = f"It cannot be read: {error.strerror}."
                findings.append(_finding(f"{kind}/{name}", message))
    return found, findings


def choose_script(names: Sequence[str], hosting: Hosting = "windows") -> str | None:
    """Return the file that is run: run.EXT, in Kudu's order, else the first by extension."""
    linux = hosting == "linux"
    extensions = _LINUX_EXTENSIONS if linux else _EXTENSIONS
    for extension in extensions:
        for name in names:
            if (name if linux else name.lower()) == f"run{extension}":
                return name
    if linux:
        extensions = (_LANGUAGE, *(one for one in extensions if one != _LANGUAGE))
    for extension in extensions:
        for name in sorted(names, key=str.upper):  # as NTFS lists them
            if os.path.splitext(name)[1].lower() == extension:
                return name
    return None


def program_for(
    extension: str, python: str, *, windows: bool, hosting: Hosting = "windows"
) -> list[str] | None:
    """Return what runs a script of this extension, [] if it runs by itself, None if nothing can.

    `windows`: this machine is one. `hosting` is what the site is for.
    """
    if extension == ".py":
        return [python]
    if extension == ".sh" and hosting == "linux" and not windows:
        return []
    if extension in _WINDOWS_ONLY:
        return [] if windows else None
    for program in _PROGRAMS.get(extension, ()):
        found = _windows_bash() if windows and program == "bash" else shutil.which(program)
        if found:
            return [found, *_ARGUMENTS.get(extension, ())]
    return None


def _windows_bash() -> str | None:
    r"""Return the bash of Git for Windows, as Kudu has it, also if only `git` is on the path.

    The one in System32 is that of WSL, which finds no script by its Windows path.
    """
    found = shutil.which("bash")
    if found and Path(found).parent.name.lower() not in _OF_WSL:
        return found
    git = shutil.which("git")
    beside = Path(git).parent.parent / "bin" / "bash.exe" if git else None
    return str(beside) if beside and beside.is_file() else None


def command_for(
    script: Path,
    python: str,
    arguments: Sequence[str],
    *,
    windows: bool,
    hosting: Hosting = "windows",
) -> list[str] | None:
    """Return the command line that runs a script, or None if it cannot be run here."""
    program = program_for(script.suffix.lower(), python, windows=windows, hosting=hosting)
    return None if program is None else [*program, str(script), *arguments]


def _read(folder: Path, kind: Kind, hosting: Hosting) -> Job:
    where = f"{kind}/{folder.name}"
    try:
        inner = _script_folder(folder)
        names = sorted(n for n in os.listdir(inner) if _is(inner / n, stat.S_ISREG))
    except OSError as error:
        message = f"Its folder cannot be read: {error.strerror}."
        return Job(folder.name, kind, folder, None, JobSettings(), (_finding(where, message),))
    settings, findings = _read_settings(inner, names, where)
    chosen = choose_script(names, hosting)
    if chosen is None:
        message = "It has no file that can be run: Kudu ignores it."
        findings = (*findings, _finding(where, message, "Add a run.py or run.sh."))
    elif hosting == "linux" and os.path.splitext(chosen)[0] != "run":
        message = f"It has no run.sh or run.py: {chosen} is run, which may be another there."
        findings = (*findings, _finding(where, message, "Name it run.sh or run.py."))
    script = inner / chosen if chosen is not None else None
    return Job(folder.name, kind, folder, script, settings, findings)


def _read_settings(
    folder: Path, names: list[str], where: str
) -> tuple[JobSettings, tuple[Finding, ...]]:
    file = next((name for name in names if name.lower() == _SETTINGS), None)
    if file is None:
        return JobSettings(), ()
    try:
        data = read_plain(folder / file)
    except OSError as error:
        return JobSettings(), (_finding(where, f"{file} cannot be read: {error.strerror}."),)
    return job_settings.read_job_settings(data, f"{where}/{file}")


def _script_folder(folder: Path) -> Path:
    """Return the folder of a job's script: descend through folders that contain only one folder."""
    for _ in range(_DEEPEST):
        names = os.listdir(folder)
        if len(names) != 1 or not _is(folder / names[0], stat.S_ISDIR):
            break
        folder = folder / names[0]
    return folder


def _is(path: Path, test: Callable[[int], bool]) -> bool:
    """Return whether a path is of a kind, False if missing; raise OSError if that is forbidden."""
    try:
        return test(os.stat(path).st_mode)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return False
        raise


def _inside(folder: Path, name: str) -> Path | None:
    """Return the folder of that name in any letter case, as on Windows."""
    if os.path.isdir(folder / name):
        return folder / name
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    found = sorted(
        one for one in names if one.lower() == name.lower() and os.path.isdir(folder / one)
    )
    return folder / found[0] if found else None


def _finding(where: str, message: str, hint: str = "") -> Finding:
    return Finding("job", "warning", where, message, hint)
