"""What commands share: options, lines of a log, an error as one sentence, an exit code.

Shared by the command line and the entry points that are commands. Must not know what one does.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from typing import TYPE_CHECKING

import click

from ..errors import AppServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PythonVersion", "complain", "echo", "run_command", "say"]


class PythonVersion(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """`3.14` as the tuple (3, 14)."""

    name = "X.Y"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read what was written."""
        if isinstance(value, tuple):
            return value
        words = str(value).split(".")
        if len(words) < 2 or not all(
            word.isascii() and word.isdigit() and len(word) < 4 for word in words[:2]
        ):
            self.fail(f"{str(value)[:32]!r} is no Python version; write it as 3.13.", param, ctx)
        return int(words[0]), int(words[1])


def echo(text: str, *, err: bool = False) -> None:
    """Print one line, whatever is in it: what the stream cannot say is escaped."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None and text.isascii() and text.isprintable():
        stream.write(f"{text}\n")
        stream.flush()
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    click.echo(shown.encode(encoding, "backslashreplace").decode(encoding), err=err)


def complain(error: Exception) -> None:
    """Print an error on standard error; names of files in it can hold a terminal's commands."""
    for line in f"Error: {error}".split("\n"):
        echo(line, err=True)


def say(label: str, text: str) -> None:
    """Print a line of a log: the time of day, who says it, what."""
    now = time.time()
    with contextlib.suppress(OSError):  # who reads it may have gone; what is told of goes on
        echo(f"{_clock(int(now))}.{int(now * 1000) % 1000:03d} {label:<12} {text}")


@functools.lru_cache(2)
def _clock(seconds: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def run_command(
    command: click.Command, argv: Sequence[str] | None, prog_name: str | None = None
) -> int:
    """Run a click command with the arguments `argv`, the process's own for None.

    Gives the exit code: 0, that of an AppServiceError, 2 for a wrong option. Never a traceback for
    a user's mistake.
    """
    arguments = None if argv is None else list(argv)
    try:
        code = command.main(args=arguments, prog_name=prog_name, standalone_mode=False)
    except AppServiceError as error:
        complain(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return 130
    except OSError as error:  # printing itself: a disk that is full, a reader that has gone
        if sys.stderr is not None:
            click.echo(f"Error: {_sentence(error)}", err=True)
        return 1
    return code if isinstance(code, int) else 0


def _sentence(error: OSError) -> str:
    """Return what an error of the system means, for a user."""
    try:
        os.getcwd()
    except OSError:
        return "The current folder is not there any more. Change to one that is: cd FOLDER."
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}."
