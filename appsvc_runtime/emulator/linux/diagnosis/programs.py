"""A command that is missing or cannot be run, by the texts of dash, bash, env and Python. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex

from ....azure import names
from .modules import find_missing, is_own, not_installed
from .seen import Seen

__all__ = ["NOT_EXECUTABLE", "NOT_FOUND", "find_program"]

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_COMMAND_MISSING = re.compile(
    r"^(?:.*?\d+: (?:exec: )?|(?:/usr/bin/)?env: ['\u2018])(?P<word>[^:\n]+?)['\u2019]?: "
    r"(?:not found|command not found|No such file.*)$",
    re.MULTILINE,
)
_NOT_RUN_AS_MODULE = re.compile(
    r"^(?:.*[\\/])?python[\d.]*: (?:Error while finding module specification for .*?"
    r"ModuleNotFoundError: )?No module named '?(?P<name>[\w.]+)",
    re.MULTILINE,
)
_DENIED = re.compile(
    r"^(?:.*?\d+: (?:exec: )?|(?:/usr/bin/)?(?:env: |nohup: failed to run command )['\u2018])"
    r"(?P<word>[^:\n]+?)['\u2019]?: (?:cannot execute: )?Permission denied$",
    re.MULTILINE,
)
# What runs a file that is not executable, by the end of its name.
_RUN_BY = {".sh": "sh", ".bash": "bash", ".py": "python"}
# Commands that neither the image nor a shell has, but packages install.
_OTHERS_COMMANDS = frozenset("flask daphne hypercorn granian waitress-serve".split())


def find_program(seen: Seen) -> tuple[str, str] | None:
    """Return which command is missing or cannot be run, and what to do; None if that is not it."""
    unknown = _NOT_RUN_AS_MODULE.search(seen.output)
    if unknown:
        return find_missing(seen, unknown["name"])
    found = _COMMAND_MISSING.search(seen.output)
    if seen.code == NOT_FOUND and found:
        word = found["word"].strip()
        name = word.rstrip("\r").removeprefix(f"{names.SITE_FOLDER}/")
        if seen.has_file(name):
            return (
                f"the script {name} exists, but the program that its first line names does not",
                "Use Unix line ends (LF, not CRLF), and a first line such as #!/bin/sh.",
            )
        if is_own(word):
            return not_installed(word)
        hint = "Look for a typo in the startup command."
        if word in _OTHERS_COMMANDS:
            hint = f"Add the package that installs {word} to requirements.txt."
        return f"there is no command {word!r} in it", hint
    denied = _DENIED.search(seen.output)
    # dash ends with 127 if it has found the file by PATH.
    if seen.code in (NOT_EXECUTABLE, NOT_FOUND) and denied:
        name = denied["word"].removeprefix(f"{names.SITE_FOLDER}/").removeprefix("./")
        if seen.has_file(name):
            return f"{name} is not executable", _make_executable(name)
        return (
            f"{denied['word']} cannot be run, permission denied",
            "A startup command is a command, or a file that ends in .sh.",
        )
    return None


def _make_executable(name: str) -> str:
    """Return what to do about a file of the site that is not executable, as a sentence."""
    file = shlex.quote(name)
    run_by = _RUN_BY.get(posixpath.splitext(name)[1])
    start = f"Write `exec {run_by} {file}`, or run" if run_by else "Run"
    return f"{start} `chmod +x {file}` (in Git `git update-index --chmod=+x {file}`)."
