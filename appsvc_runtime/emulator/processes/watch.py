"""What changes in a site's folder while it is emulated.

Uses watchfiles. Must not know what a change means: it reports names, others decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from watchfiles import awatch

from ..http.messages import Say

__all__ = ["watch"]

# Milliseconds: how long changes are gathered, and between two checks for gathered changes.
_GATHER = 300
_STEP = 50
# Seconds after a failure: a folder may come back, a limit may be raised.
_PAUSE = 1.0


async def watch(
    folder: Path, changed: Callable[[list[str]], Awaitable[None]], say: Say, *, below: bool = True
) -> None:
    """Call `changed` with the names of files that were made, written or removed in `folder`.

    Names are relative, with slashes, sorted; with `below`, those in subfolders are included. Runs
    until it is cancelled. If something cannot be watched (a limit, a name that is not text), that
    is reported once, and watching is tried again.
    """
    said = ""
    while True:
        stop = asyncio.Event()
        try:
            async for changes in awatch(
                folder,
                watch_filter=None,
                debounce=_GATHER,
                step=_STEP,
                rust_timeout=1000,
                stop_event=stop,
                recursive=below,
            ):
                names = {_relative(folder, path) for _, path in changes}
                if names - {""}:
                    await changed(sorted(names - {""}))
        except Exception as error:  # watchfiles raises several kinds, also in groups
            problem = f"{type(error).__name__}: {error}"
            if problem != said:
                said = problem
                say("emulator", f"Some changes in {folder} are not seen, restart by hand: {error}")
        finally:
            stop.set()
        await asyncio.sleep(_PAUSE)


def _relative(folder: Path, path: str) -> str:
    try:
        name = Path(path).relative_to(folder).as_posix()
    except ValueError:  # below a link that leads elsewhere
        name = Path(path).name
    return "" if name == "." else name
