"""The port to listen on, from the variables in which hosts set it.

Pure. Must not know of sockets. `int()` would take `8_000`, `+80` and Arabic digits. A port in such
a form is refused with the name of its source, because a server that listens on another port than
the platform requests is a site that never starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigError
from . import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["PLATFORM_SOURCES", "choose_port", "parse_port", "with_port"]

# HttpPlatformHandler's own variable, then the one its older templates read, then the containers'.
PLATFORM_SOURCES = (names.HTTP_PLATFORM_PORT, "SERVER_PORT", "PORT")


def parse_port(text: str, source: str, *, zero: bool = False) -> int:
    """Read a port, 1 to 65535 (or 0 if `zero`); ConfigError that names `source` for the rest."""
    if text.isascii() and text.isdigit() and len(text) <= 5 and text == str(int(text)):
        port = int(text)
        if (1 <= port <= 65535) or (zero and port == 0):
            return port
    hint = "Set it to a number from 1 to 65535."
    if zero:
        hint = "Set it to a number from 1 to 65535, or 0 for a free port."
    if text.startswith("%") and text.endswith("%"):
        hint = (
            f"{text[:64]} was not expanded: it is set when IIS's HttpPlatformHandler starts the "
            "process. Elsewhere set a number from 1 to 65535."
        )
    elif text == "0":
        hint = "Only `--port 0` picks a free port; otherwise set a number from 1 to 65535."
    shown = f"{text[:64]!r}, which is not a port"
    if source != "--port" and not _is_harmless(text):
        shown = "not a port"
    raise ConfigError(f"The port from {source} is {shown}.", hint=hint)


def _is_harmless(text: str) -> bool:
    """Return whether the value of a variable may be shown: a wrong number, or a variable's name.

    Anything else may be a secret that a user has put into the wrong variable.
    """
    expands = text.startswith("%") and text.endswith("%")
    return expands or not any(letter.isalpha() for letter in text)


def choose_port(
    argument: str | None, environ: Mapping[str, str], sources: Iterable[str] = PLATFORM_SOURCES
) -> int:
    """Return the port of `--port`, else of the first of `sources` that is set, else 8000.

    `--port 0` returns 0, for a free port. Raises ConfigError if the argument or the variable is not
    a port.
    """
    if argument is not None:
        return parse_port(argument, "--port", zero=True)
    for name in sources:
        if environ.get(name):
            return parse_port(environ[name], name)
    return names.DEFAULT_PORT


def with_port(address: str, port: int) -> str:
    """Return an address with a port; an IPv6 address gets brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
