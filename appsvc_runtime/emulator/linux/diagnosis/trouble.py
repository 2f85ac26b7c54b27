"""Why a container did not start: takes what was observed, returns the reason and what to do.

Pure. The order of the rules: what lies in the site and explains the output, then what the output
says, by the texts of dash, bash, Python and gunicorn. Must not know of processes.
"""

from __future__ import annotations

import re

from . import exceptions, modules
from .binding import listen_on
from .listening import wrong_place
from .programs import find_program
from .seen import Seen, Trouble

__all__ = ["find_trouble"]

_SIGKILL = 9
_NO_ATTRIBUTE = re.compile(r"Failed to find attribute '(?P<name>[^']+)' in '(?P<module>[^']+)'")
_NO_APP = re.compile(r"Error loading ASGI app\. (?P<said>.*)")
_IN_USE = re.compile(r"(?:Address|Connection|address) (?:already )?in use", re.IGNORECASE)


def find_trouble(seen: Seen) -> Trouble:
    """Return why a container did not start."""
    why, hint = _ended(seen) if seen.code is not None else _still_running(seen)
    return Trouble(why, hint, seen.output, seen.command)


def _still_running(seen: Seen) -> tuple[str, str]:
    limit = (
        f"within {seen.limit:g} s (WEBSITES_CONTAINER_START_TIME_LIMIT), so the platform stops it"
    )
    elsewhere = wrong_place(seen.listened, seen.port)
    if elsewhere:
        loopback = any(number == seen.port for _, number in seen.listened)
        hint = listen_on(seen.command, "" if loopback else f", which is {seen.port}")
        more = [str(cause) for cause in seen.causes if cause.explains(seen)]
        hint = " ".join([hint, *more])
        return f"{elsewhere}: no response came {limit}.", hint
    if seen.listened:
        said = f" ({seen.answer})" if seen.answer else ""
        return (
            f"The container listens on port {seen.port}, but gave no response{said} {limit}.",
            "Check what its first request waits for: a database, another service, a lock.",
        )
    return (
        f"The container runs, but listened on no port {limit}.",
        "Check what it waits for before it listens; its output may show it.",
    )


def _ended(seen: Seen) -> tuple[str, str]:
    code = seen.code or 0
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    for rule in (_site, find_program, _application, _exception, _port):
        found = rule(seen)
        if found is not None:
            why, hint = found
            return f"The container ended {how}: {why}.", hint
    if code in (-_SIGKILL, 128 + _SIGKILL):
        return (
            f"The container was ended {how} before it responded.",
            "If nobody killed it by hand, the machine ran out of memory.",
        )
    if not code:
        return (
            "The container's command ended (exit code 0) before anything listened.",
            "The command must run a server in the foreground: do not put it into the background.",
        )
    return f"The container ended {how} before it responded.", "Its output shows why."


def _site(seen: Seen) -> tuple[str, str] | None:
    """Find what lies in the site and explains the output."""
    for cause in seen.causes:
        if cause.explains(seen):
            return cause.why, cause.hint
    return None


def _application(seen: Seen) -> tuple[str, str] | None:
    """Find a server that does not find its app."""
    found = _NO_ATTRIBUTE.search(seen.output)
    if found:
        module, name = found["module"], found["name"]
        return (
            f"the module {module} has no `{name}`, which the server is told to serve",
            f"Call the app `{name}`, or name it in a startup command: gunicorn {module}:NAME.",
        )
    asgi = _NO_APP.search(seen.output)
    if asgi:
        return (
            f"the server does not find the app ({asgi['said'].removesuffix('.')})",
            "Name the module and the app in it: uvicorn MODULE:NAME.",
        )
    return None


def _exception(seen: Seen) -> tuple[str, str] | None:
    """Find the module that is missing, else the exception or message that ended the container."""
    missing = modules.missing_in(seen.output)
    if missing:
        return modules.find_missing(seen, missing[-1])
    return exceptions.find_exception(seen.output) or exceptions.find_error_line(seen.output)


def _port(seen: Seen) -> tuple[str, str] | None:
    """Find a port that is taken."""
    if _IN_USE.search(seen.output):
        return (
            "the port that it binds to is taken",
            listen_on(seen.command, f", which is {seen.port} here"),
        )
    return None
