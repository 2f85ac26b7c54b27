"""What commands share: options, log lines, errors as one sentence, exit codes.

Used by the command line and by entry points that are commands. Must not know what a command does.
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
from . import streams

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PythonVersion", "complain", "echo", "run_command", "say"]


class PythonVersion(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """`3.14` as the tuple (3, 14)."""

    name = "X.Y"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse the text of the option."""
        if isinstance(value, tuple):
            return value
        words = str(value).split(".")
        if len(words) < 2 or not all(
            word.isascii() and word.isdigit() and len(word) < 4 for word in words[:2]
        ):
            self.fail(f"{str(value)[:32]!r} is not a Python version; write it as 3.13.", param, ctx)
        return int(words[0]), int(words[1])


def echo(text: str, *, err: bool = False) -> None:
    """Print one line, escaping characters that the stream cannot encode."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None and text.isascii() and text.isprintable():
        stream.write(f"{text}\n")
        stream.flush()
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    click.echo(shown.encode(encoding, "backslashreplace").decode(encoding), err=err)


def complain(error: Exception) -> None:
    """Print an error on standard error; file names in it may contain terminal control codes.

    Nothing is raised if the reader has gone, as then the exit code still says that there was one.
    """
    try:
        for line in f"Error: {error}".split("\n"):
            echo(line, err=True)
    except OSError:
        streams.drop_broken()


def say(label: str, text: str) -> None:
    """Print a log line: the time of day, its source, its text."""
    now = time.time()
    with contextlib.suppress(OSError):  # the reader may have gone; the command continues
        echo(f"{_clock(int(now))}.{int(now * 1000) % 1000:03d} {label:<12} {text}")


@functools.lru_cache(2)
def _clock(seconds: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def run_command(
    command: click.Command, argv: Sequence[str] | None, prog_name: str | None = None
) -> int:
    """Run a click command with the arguments `argv`, or this process's own.

    Return the exit code: 0, that of an AppServiceError, 2 for a wrong option. A user's mistake
    never shows a traceback.
    """
    code = _run(command, argv, prog_name)
    streams.drop_broken()
    return code


def _run(command: click.Command, argv: Sequence[str] | None, prog_name: str | None) -> int:
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
    except OSError as error:  # printing itself failed: the disk is full, or the reader has gone
        if sys.stderr is not None:
            with contextlib.suppress(OSError):
                click.echo(f"Error: {_sentence(error)}", err=True)
        return 1
    return code if isinstance(code, int) else 0


def _sentence(error: OSError) -> str:
    """Return a sentence for the user about an error of the system."""
    try:
        os.getcwd()
    except OSError:
        return "The current folder does not exist any more. Change to another: cd FOLDER."
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}."
