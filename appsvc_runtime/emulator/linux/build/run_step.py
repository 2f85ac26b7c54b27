"""One step of a build: run, streamed, timed, and ended with all processes that it started.

Knows processes and asyncio. Must not know which steps there are.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import AppServiceError, ConfigError
from ....redaction.masking import mask_command
from ....system import folders
from ...processes.child import Child
from .output_folder import python_of
from .steps import Step, words

if TYPE_CHECKING:
    from ...http.messages import Say

__all__ = ["BuildError", "Ended", "Runner", "last_words", "refuse_failure", "run_step"]

# A shell adds this to the number of the signal that ended a command.
_SIGNALLED = 128
_MAX_CODE = 255
_SHOWN_LINES = 12
# Bytes: with less free space hardly a file can be written.
_ROOM = 1_000_000
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Configured|Exit): \S")


class BuildError(AppServiceError):
    """A step that failed; `exit_code` is the step's own. `str()` ends with its last output."""

    def __init__(self, message: str, *, exit_code: int, hint: str = "", output: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code if 0 < exit_code <= _MAX_CODE else 1
        self.output = output

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n\n{self.output}" if self.output else text


class Ended:
    """How a step has ended: its exit code, and the last lines of its output.

    `full`: it failed, and the disk of this folder has no space left, which programs seldom report
    clearly; "" if that is not so.
    """

    def __init__(self, code: int, tail: str, *, full: str = "") -> None:
        self.code = _SIGNALLED - code if code < 0 else code
        self.full = full
        self.tail = "\n".join(tail.splitlines()[-_SHOWN_LINES:])


async def run_step(
    label: str,
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    cwd: Path,
    say: Say,
    shown: str = "",
) -> Ended:
    """Run a command to its end, with an empty standard input.

    `label` is put before each line of output; `shown` is the command as shown to the user.
    """
    say(label, f"$ {mask_command(shown or ' '.join(argv))}")
    began = time.monotonic()
    child = await Child.start(argv, environ=environ, cwd=cwd, say=say, label=label)
    try:
        code = await child.wait()
        full = _full_disk(cwd, environ, child.tail()) if code else ""
        ended = Ended(code, child.tail(), full=full)
    finally:
        child.kill()
        # Wait for its end, so that it no longer writes into the copy.
        await asyncio.shield(child.wait())
    took = time.monotonic() - began
    say(label, f"done in {took:.1f} s" if not ended.code else f"failed after {took:.1f} s")
    return ended


class Runner:
    """Runs the steps of one build, in its folder."""

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder = folder
        self.say = say

    async def do(self, step: Step, variables: Mapping[str, str], uv: Sequence[str] = ()) -> Ended:
        """Run a step; if it cannot be run at all, raise ConfigError with its name."""
        argv = words(step, str(python_of(self.folder)), uv)
        shown = step.shown or " ".join(step.argv)
        try:
            return await run_step(
                step.name, argv, environ=variables, cwd=self.folder, say=self.say, shown=shown
            )
        except ConfigError as error:
            raise ConfigError(
                f"The step {step.name} cannot be run: {error.message}", hint=step.hint
            ) from None


def refuse_failure(step: Step, ended: Ended) -> None:
    """Raise BuildError for a step that failed."""
    if ended.code and ended.full:
        raise BuildError(
            f"The disk of {ended.full} is full: the build's step {step.name} could not write there "
            f"({mask_command(step.shown or ' '.join(step.argv))}).",
            hint="Free space on that disk.",
            exit_code=ended.code,
        )
    if ended.code:
        said = last_words(ended.tail) or "it printed nothing."
        raise BuildError(
            f"The build's step {step.name} ended with exit code {ended.code} "
            f"({mask_command(step.shown or ' '.join(step.argv))}): {said}",
            hint=step.hint,
            exit_code=ended.code,
            output=ended.tail,
        )


def _full_disk(folder: Path, environ: Mapping[str, str], tail: str) -> str:
    """Return the folder whose disk is full, of those that a step writes into, or "".

    A program that undoes what it wrote has made space again: then its words count.
    """
    temporary = environ.get("TMPDIR") or tempfile.gettempdir()
    cache = folders.user_cache(environ, "")
    places = [folder, Path(temporary), *([cache] if cache is not None else [])]
    for place in places:
        if _has_no_room(place):
            return str(place)
    return str(folder) if _NO_SPACE.search(tail) else ""


def _has_no_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _ROOM
    except OSError:
        return False  # it does not exist


def last_words(tail: str) -> str:
    """Return the most useful line: pip's last ERROR or an exception, else the last line."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ") or _EXCEPTION.match(line)]
    line = (errors or lines or [""])[-1].removeprefix("ERROR: ")
    return line if not line or line[-1] in ".!?" else f"{line}."
