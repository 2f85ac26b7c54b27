"""The advice to write `exec` before the command that starts the server.

Must not know of any server, nor what a process is on this system.
"""

from __future__ import annotations

import os
import posixpath
import shlex
import sys
from typing import TYPE_CHECKING

from ..redaction import masking
from ..system import init_shell

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["advise", "describe"]

_SCRIPTS = ("appsvc", "gunicorn")
# The image's own scripts are there, which nobody can change.
_IMAGE_FOLDER = "/opt/startup/"


def advise() -> list[str]:
    """Return a sentence if a shell keeps the stop signal from this process, else nothing."""
    shells = init_shell.shells_above()
    site = os.environ.get("APP_PATH") or os.getcwd()
    return [describe(shells, sys.orig_argv, site)] if shells else []


def describe(shells: Sequence[init_shell.Shell], argv: Sequence[str], site: str) -> str:
    """Return the sentence for a process with the command line `argv` below these shells.

    The last of them is process 1, and runs the startup command in the folder `site`, or a script of
    the site in its place; another one runs a script that the startup command names.
    """
    command = f"exec {_shown(argv)}"
    first = shells[-1]
    scripts = [one for one in shells[:-1] if one.script and not _is_images(one.script)]
    replaced = _shown_script(first.script, site) if _is_in(first.script, site) else ""
    if scripts:
        name = _shown_script(scripts[0].script, site)
        outer = f"exec {scripts[0].name} {shlex.quote(name)}"
        then = f"`{outer}` in {replaced}" if replaced else f"set the startup command to `{outer}`"
        advice = f"write `{command}` in {name}, and {then}"
    elif replaced:
        advice = f"write `{command}` in {replaced}"
    else:
        advice = f"set the startup command to `{command}` (behind others: `... && {command}`)"
    return (
        f"This server runs below a shell ({first.name}) that is process 1 of the container "
        "and does not pass SIGTERM on: a stop does not reach the server, which is killed with its "
        f"running requests. To let it finish them, {advice}."
    )


def _is_images(script: str) -> bool:
    return script.startswith(_IMAGE_FOLDER)


def _shown_script(script: str, site: str) -> str:
    """Return a script's path as a startup command names it, relative to the site if possible."""
    path = posixpath.normpath(posixpath.join(site, script))
    return posixpath.relpath(path, site) if _is_in(script, site) else path


def _is_in(script: str, site: str) -> bool:
    """Return whether a script is one of the site, which is the folder that it is relative to."""
    return bool(script) and posixpath.normpath(posixpath.join(site, script)).startswith(f"{site}/")


def _shown(argv: Sequence[str]) -> str:
    """Return a command line as a user would write it, without secrets."""
    words = list(argv[1:])
    if words and posixpath.basename(words[0]) in _SCRIPTS:
        words[0] = posixpath.basename(words[0])
    else:
        words.insert(0, "python")
    return masking.mask_command(shlex.join(words))
