"""What changes in a site's folder while it is emulated.

Stands on watchfiles. Must not know what a change means: it tells names, others decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from watchfiles import awatch

from .exchange import Say

__all__ = ["watch"]

# Milliseconds: how long changes are gathered, and between two looks at what was gathered.
_GATHER = 300
_STEP = 50


async def watch(folder: Path, changed: Callable[[list[str]], Awaitable[None]], say: Say) -> None:
    """Call `changed` with the names of what was made, written or removed below `folder`.

    Names are relative, with slashes, sorted. Runs until it is cancelled. Where the system refuses
    to watch (a limit, a network share), that is said once, and nothing more comes.
    """
    stop = asyncio.Event()
    try:
        async for changes in awatch(
            folder,
            watch_filter=None,
            debounce=_GATHER,
            step=_STEP,
            rust_timeout=1000,
            stop_event=stop,
        ):
            names = {_relative(folder, path) for _, path in changes}
            await changed(sorted(name for name in names if name))
    except (OSError, RuntimeError) as error:
        say("emulator", f"Changes in {folder} are not seen, restart by hand: {error}")
    finally:
        stop.set()


def _relative(folder: Path, path: str) -> str:
    try:
        return Path(path).relative_to(folder).as_posix()
    except ValueError:  # below a link that leads elsewhere
        return Path(path).name
