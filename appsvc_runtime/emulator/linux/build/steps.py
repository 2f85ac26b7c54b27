"""The steps of a build before and after its packages, and why a step is run or not.

Reads the folder's files; runs nothing. The rules are those of Oryx's build script
(github.com/microsoft/Oryx: BaseBashBuildScript.sh.tpl, PythonBashBuildSnippet.sh.tpl,
PreAndPostBuildCommandHelper.cs in src/BuildScriptGenerator).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....azure.names import VIRTUAL_ENVIRONMENT
from ....system import exact_names, own_files
from .. import booleans
from .requirements import Requirements

__all__ = ["CUSTOM_REQUIREMENTS", "Step", "collect_static", "shell_step", "split_commands", "words"]

CUSTOM_REQUIREMENTS = "CUSTOM_REQUIREMENTSTXT_PATH"
_POST_BUILD = ("POST_BUILD_COMMAND", "POST_BUILD_SCRIPT_PATH")
_LOOK_ABOVE = "Its output is above."


@dataclass(frozen=True)
class Step:
    """One command of a build. `hint`: what to do if it fails.

    If the first word of `argv` is `python` or `uv`, it means the virtual environment's Python or
    uv.
    """

    name: str
    argv: tuple[str, ...]
    hint: str = _LOOK_ABOVE
    shown: str = ""


def collect_static(
    folder: Path, settings: Mapping[str, str], read: Requirements | None
) -> tuple[Step | None, str]:
    """Return the step that collects Django's static files, or None; and a line to print."""
    if booleans.is_on(settings, booleans.DISABLE_COLLECTSTATIC):
        return None, f"collectstatic is not run, because of {booleans.DISABLE_COLLECTSTATIC}."
    if not exact_names.is_file(folder, "manage.py"):
        deeper = _deeper_manage_py(folder)
        done = any("collectstatic" in settings.get(name, "") for name in _POST_BUILD)
        if done or not deeper or read is None or not read.mentions_django:
            return None, ""
        command = shlex.join(["python", deeper, "collectstatic", "--noinput"])
        return None, (
            f"Warning: collectstatic is not run: {deeper} is not in the site's own folder, where "
            f"the platform looks for manage.py. Set POST_BUILD_COMMAND to `{command}` if your "
            "static files are missing."
        )
    if read is None or not read.mentions_django:
        file = settings.get(CUSTOM_REQUIREMENTS) or "requirements.txt"
        why = "does not exist" if read is None else "does not mention Django"
        if read is not None and read.encoding in ("utf-16", "utf-32"):
            why = f"is in {read.encoding.upper()}, in whose bytes the platform finds no Django"
        return None, (
            f"Warning: collectstatic is not run: manage.py exists, but {file} {why}. Add django "
            "to it, saved as UTF-8, if your static files are missing."
        )
    return (
        Step("collectstatic", ("python", "manage.py", "collectstatic", "--noinput")),
        "",
    )


def _deeper_manage_py(folder: Path) -> str:
    """Return the manage.py in a folder directly in the site, the first by name, or ""."""
    found = sorted(path.relative_to(folder) for path in folder.glob("*/manage.py"))
    own = (path for path in found if path.parts[0] != VIRTUAL_ENVIRONMENT)
    return next((path.as_posix() for path in own), "")


def shell_step(when: str, folder: Path, settings: Mapping[str, str], shell: str) -> Step | None:
    """Return the step of `PRE_BUILD_…` or `POST_BUILD_…` (`when`: PRE or POST), or None.

    The script wins over the command. A value that names a file is made executable and run as a
    script.
    """
    for name in (f"{when}_BUILD_SCRIPT_PATH", f"{when}_BUILD_COMMAND"):
        text = settings.get(name, "").strip()
        if not text:
            continue
        path = folder / text
        hint = f"Fix the command or script in {name}, or try it in the built folder."
        try:
            if path.is_file() and exact_names.is_listed(folder, text):
                # A file outside the copy is the user's own.
                own_files.make_executable(folder, path)
                quoted = shlex.quote(os.path.abspath(path))
                return Step(f"{when.lower()}-build", (shell, "-ec", quoted), hint, text)
        except (OSError, ValueError):
            pass  # not the name of a file
        commands = "\n".join(split_commands(text))
        return Step(f"{when.lower()}-build", (shell, "-ec", commands), hint, text)
    return None


def split_commands(text: str) -> list[str]:
    """Split a text at commas into commands, except at those in quotes or brackets.

    The documentation separates commands with commas; the build script itself runs the text as one
    shell command, so a comma that the shell needs must stay.
    """
    commands, start, quote, depth = [], 0, "", 0
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "," and depth <= 0:
            commands.append(text[start:at])
            start = at + 1
        else:
            depth += (letter in "({[") - (letter in ")}]")
    commands.append(text[start:])
    return [command.strip() for command in commands if command.strip()]


def words(step: Step, python: str, uv: Sequence[str]) -> tuple[str, ...]:
    """Return the command of a step, with the path of the environment's Python or of uv."""
    first, *rest = step.argv
    if first == "python":
        return (python, *rest)
    if first == "uv":
        return (*uv, *rest)
    return step.argv
