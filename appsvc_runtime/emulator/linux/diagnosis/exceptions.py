"""The exception or message in an output that ended a program, and where it was raised. Pure."""

from __future__ import annotations

import re

from ..missing_settings import missing_settings, set_hint

__all__ = ["find_error_line", "find_exception"]

# What command-line programs print last: this package, click, argparse.
_ERROR_LINE = re.compile(
    r"^(?:\w[\w.-]*: )?[Ee]rror: (?P<said>.+(?:\n  - .+)*)$",
    re.MULTILINE,
)
_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')
_EXCEPTION = re.compile(
    r"^(?P<what>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Warning|Interrupt|Configured)(?:: .*)?)$"
)
# Parts of paths in a traceback that do not belong to the app.
_FOREIGN = ("/site-packages/", "/lib/python", "<frozen ")


def find_exception(output: str) -> tuple[str, str] | None:
    """Return the exception that ended a program and what to do; None if none, or an error line."""
    what, place, at = _last_exception(output)
    errors = list(_ERROR_LINE.finditer(output))
    if not what or (errors and errors[-1].start() > at):
        return None
    where = f", at {place}" if place else ""
    settings = missing_settings(output[max(output.rfind(_TRACEBACK), 0) :])
    if settings:
        reason = what.partition(": ")[0] if "validation error" in what else what.removesuffix(".")
        named = " and ".join(settings)
        return f"the app needs the setting {named} ({reason}{where})", set_hint(settings)
    return f"the app raised {what.removesuffix('.')}{where}", "Fix that, and start again."


def find_error_line(output: str) -> tuple[str, str] | None:
    """Return the last message that a command-line program printed about its end, or None."""
    found = list(_ERROR_LINE.finditer(output))
    if not found:
        return None
    said = found[-1]["said"].removesuffix(".")
    settings = missing_settings(said)
    return said, set_hint(settings) if settings and "--set" not in said else ""


def _last_exception(output: str) -> tuple[str, str, int]:
    """Return the last exception in a text, the place that raised it, and its position in the text.

    The exception and the place are "" if they are not found.
    """
    what = place = ""
    at = start = 0
    frames: list[str] = []
    inside = False
    for whole in output.splitlines(keepends=True):
        line, start, begin = whole.rstrip("\r\n"), start + len(whole), start
        frame = _FRAME.match(line)
        if line.strip().endswith(_TRACEBACK):
            inside, frames = True, []
        elif frame:
            inside = True
            frames.append(f"{frame['file']}, line {frame['line']}")
        elif inside and line and not line[0].isspace():
            inside, what, place, at = False, line.strip(), _own_frame(frames), begin
        elif not (inside or what) and _EXCEPTION.match(line.strip()):
            what, at = line.strip(), begin
    return what, place, at


def _own_frame(frames: list[str]) -> str:
    """Return the last frame of the app's own code, else the last frame, or "" without any."""
    own = [frame for frame in frames if not any(foreign in frame for foreign in _FOREIGN)]
    return (own or frames or [""])[-1]
