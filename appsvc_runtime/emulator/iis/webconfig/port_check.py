"""Check whether the program that httpPlatform starts can learn its port.

Pure. Must not know of other sections. The module always sets HTTP_PLATFORM_PORT for the child
(HPH), but most programs need the port as an argument. Visual Studio's runserver.py reads it from
SERVER_PORT, and listens on 5555 if that is not set.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from .model import HttpPlatform
from .windows_variables import names_in

__all__ = ["PORT", "Problem", "port_problem"]

PORT = "HTTP_PLATFORM_PORT"
_SERVER_PORT = "SERVER_PORT"
# Ways to read the port without an argument: our own entry point, and words in a script's source.
_OWN_DOOR = re.compile(r"(?:^|\s)-m\s+appsvc_runtime\.runserver(?:\s|$)")
_OTHER_WAYS = ("appsvc_runtime", "argparse", "argv", "click", PORT)
_SCRIPT = re.compile(r'"([^"]*\.py)"|(\S+\.py)(?=\s|$)', re.IGNORECASE)


class Problem(NamedTuple):
    """The code, message and hint of a finding."""

    code: str
    message: str
    hint: str


def port_problem(
    platform: HttpPlatform, source: Callable[[str], str | None] | None = None
) -> Problem | None:
    """Return why the program does not get its port, or None if no reason is found.

    `source` returns the text of the script that the arguments name, by its path as written, or
    None.
    """
    if _OWN_DOOR.search(platform.arguments):
        return None
    script = _SCRIPT.search(platform.arguments)
    text = source(script[1] or script[2]) if script and source else None
    if not _passes_port(platform):
        return _no_port(text)
    names = {name.upper() for name, _ in platform.environment_variables}
    return None if _SERVER_PORT in names else _no_server_port(text or "")


def _no_server_port(text: str) -> Problem | None:
    """Return the problem of a script that reads its port from a variable that is not set."""
    if _SERVER_PORT not in text or any(way in text for way in _OTHER_WAYS):
        return None
    message = f"The script reads its port from {_SERVER_PORT} only, which is not set."
    hint = f'Add <environmentVariable name="{_SERVER_PORT}" value="%{PORT}%"/>.'
    return Problem("server-port", message, hint)


def _passes_port(platform: HttpPlatform) -> bool:
    values = [value for _, value in platform.environment_variables]
    return any(PORT in map(str.upper, names_in(each)) for each in (platform.arguments, *values))


def _no_port(text: str | None) -> Problem | None:
    """Return the problem of a program that gets no port, or None if its script reads it."""
    if text is not None and (PORT in text or "appsvc_runtime" in text):
        return None
    message = f"{PORT} is passed on neither in arguments nor in environmentVariables."
    hint = (
        f"Add --port %{PORT}% to the arguments, or an environmentVariable {_SERVER_PORT}; only "
        f"a program that reads {PORT} itself needs neither."
    )
    return Problem("no-port", message, hint)
