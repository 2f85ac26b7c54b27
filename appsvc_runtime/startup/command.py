"""The command line that starts a site: how a startup command is read, and what it names.

Pure except that it reads the file that a startup command names. Must not know of detection.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ..azure import names
from ..system.exact_names import is_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "app_in",
    "read_command",
    "reads_gunicorn_config",
    "serve_command",
    "split",
    "timeout_in",
]

_APP = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(?:\(.*\))?", re.ASCII)
# gunicorn's option values of the same shape: `-c python:module`, `--bind unix:app.sock`.
_NO_APP = ("python:", "file:", "unix:", "egg:")
# Django's module needs no colon: gunicorn looks for `application` in it.
_DJANGO_APP = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*\.[aw]sgi", re.ASCII)
_SERVERS = ("gunicorn", "uvicorn", "hypercorn", "granian", "waitress-serve")
# Only the first line of a startup file counts; the rest of a longer line is not read.
_MAX_LINE = 8_192
# Ten digits are three hundred years; int() refuses thousands of digits.
_MAX_DIGITS = 10


def serve_command(app: str, *, site: str = "", asgi: bool = False) -> str:
    """Return the startup command by which this package serves an app, for a shell.

    `site` is the app's folder if it is not the site's own; `asgi` if it needs an ASGI server.
    """
    words = ["exec", "appsvc", "serve"]
    words += ["--server", "uvicorn"] if asgi else []
    words += ["--site", site] if site else []
    return shlex.join([*words, app])


def read_command(text: str, site: Path) -> tuple[str, str, list[str]]:
    """Return the command that the container runs for a startup command, why, and warnings.

    A `.sh` file in the site is run; of another file, the first line is run. Anything else is used
    unchanged, and if it fails there is no fallback to detection.
    """
    words = split(text)
    name = words[0].removeprefix(f"{names.SITE_FOLDER}/") if len(words) == 1 else ""
    path = site / name
    if not name or not is_file(site, name):
        rule = "the startup command is used as it is"
        if not path.suffix or "/" in name.strip("./"):
            return text, rule, []
        return text, rule, [f"The site has no file {name}: the name is run as a command."]
    if path.suffix == ".sh":
        return text, f"the startup command names the script {words[0]}, which is run", []
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            line = file.readline(_MAX_LINE).strip()
    except OSError as error:
        problem = f"{words[0]} cannot be read ({error.strerror}): nothing would be run."
        return text, f"the startup command names the file {words[0]}", [problem]
    warnings = [] if line else [f"The first line of {words[0]} is empty: nothing would be run."]
    return line, f"the startup command names {words[0]}, whose first line is run", warnings


def split(text: str) -> list[str]:
    """Return the words of a command line; if a quote is not closed, split it at blanks."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def timeout_in(command: str) -> int | None:
    """Return the seconds of gunicorn's `--timeout` or `-t` in a command line, or None.

    If there are several, the last counts, as for gunicorn.
    """
    words = split(command)
    seconds = None
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("--timeout="):
            following = word.partition("=")[2]
        elif word.startswith("-t") and word[2:].isdigit():
            following = word[2:]
        elif word not in ("--timeout", "-t"):
            continue
        if following.isascii() and following.isdigit() and len(following) <= _MAX_DIGITS:
            seconds = int(following)
    return seconds


def app_in(command: str) -> str | None:
    """Return the app that a command line names for a server, or None.

    `module:attr`, or `mysite.wsgi`.
    """
    words = split(command)
    if not any(word.rpartition("/")[2] in (*_SERVERS, "appsvc") for word in words):
        return None
    apps = [word for word in words if _APP.fullmatch(word) and not word.startswith(_NO_APP)]
    apps = apps or [word for word in words if _DJANGO_APP.fullmatch(word)]
    return apps[-1] if apps else None


def reads_gunicorn_config(command: str) -> bool:
    """Return whether a command line has gunicorn read the gunicorn.conf.py beside the app.

    It starts gunicorn, or this package's server with gunicorn, and names no other configuration.
    """
    words = split(command)
    programs = {word.rpartition("/")[2] for word in words}
    served = "appsvc" in programs and "serve" in programs and "--server" not in programs
    named = any(word == "--config" or word.startswith(("-c", "--config=")) for word in words)
    return (served or "gunicorn" in programs) and not named
