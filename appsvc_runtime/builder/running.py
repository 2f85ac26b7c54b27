"""One step of a build: run, streamed, timed, and ended with all that it started.

Knows processes and asyncio. Must not know which steps there are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..emulator.children import Child
from ..errors import AppServiceError

if TYPE_CHECKING:
    from ..emulator.exchange import Say

__all__ = ["BuildError", "Ended", "run_step"]

# What a command ends with that a signal has ended, as a shell tells it.
_SIGNALLED = 128
_MAX_CODE = 255
_SHOWN_LINES = 12


class BuildError(AppServiceError):
    """A step that failed; `exit_code` is its own. `str()` ends with the last that it printed."""

    def __init__(self, message: str, *, exit_code: int, hint: str = "", output: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code if 0 < exit_code <= _MAX_CODE else 1
        self.output = output

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n\n{self.output}" if self.output else text


class Ended:
    """How a step has ended: its exit code, and the last lines that it printed."""

    def __init__(self, code: int, tail: str) -> None:
        self.code = _SIGNALLED - code if code < 0 else code
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

    `label` stands before each of its lines; `shown` is the command as a user reads it.
    """
    say(label, f"$ {shown or ' '.join(argv)}")
    began = time.monotonic()
    child = await Child.start(argv, environ=environ, cwd=cwd, say=say, label=label)
    try:
        ended = Ended(await child.wait(), child.tail())
    finally:
        child.kill()
        # Its end is waited for, so that nothing writes into the copy any more.
        await asyncio.shield(child.wait())
    took = time.monotonic() - began
    say(label, f"done in {took:.1f} s" if not ended.code else f"failed after {took:.1f} s")
    return ended
