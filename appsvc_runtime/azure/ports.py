"""The port to listen on, from the places where hosts put it.

Pure. Must not know of sockets. `int()` would take `8_000`, `+80` and Arabic digits; a port that is
not written as one is refused by name instead, because a server on another port than the platform
asks is a site that never starts.
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
    """Read a port, 1 to 65535 (0 too where `zero`); ConfigError naming `source` for all else."""
    if text.isascii() and text.isdigit() and len(text) <= 5 and text == str(int(text)):
        port = int(text)
        if (1 <= port <= 65535) or (zero and port == 0):
            return port
    hint = "Give a number from 1 to 65535."
    if zero:
        hint = "Give a number from 1 to 65535, or 0 for a free one."
    if text.startswith("%") and text.endswith("%"):
        hint = (
            f"Nothing expanded {text[:64]}: it is set when IIS's HttpPlatformHandler starts the "
            "process. Elsewhere give a number from 1 to 65535."
        )
    elif text == "0":
        hint = "Only `--port 0` picks a free port; otherwise give a number from 1 to 65535."
    shown = f"{text[:64]!r}, which is no port"
    if source != "--port" and not _is_harmless(text):
        shown = "no port"
    raise ConfigError(f"The port from {source} is {shown}.", hint=hint)


def _is_harmless(text: str) -> bool:
    """Return whether the value of a variable may be shown: a wrong number, or a variable's name.

    Anything else may be a secret that its user has put into the wrong variable.
    """
    expands = text.startswith("%") and text.endswith("%")
    return expands or not any(letter.isalpha() for letter in text)


def choose_port(
    argument: str | None, environ: Mapping[str, str], sources: Iterable[str] = PLATFORM_SOURCES
) -> int:
    """Return the port of `--port`, or of the first of `sources` that is set, or 8000.

    `--port 0` gives 0, for a free one. Raises ConfigError for what is no port, wherever it is from.
    """
    if argument is not None:
        return parse_port(argument, "--port", zero=True)
    for name in sources:
        if environ.get(name):
            return parse_port(environ[name], name)
    return names.DEFAULT_PORT


def with_port(address: str, port: int) -> str:
    """Write an address with a port; one of IPv6 stands in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
