"""The start of one container: wait until the program responds, or find why it does not.

Knows the warm-up. Must not know what happens to the container afterwards.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..http.messages import Say
from ..processes import readiness
from ..processes.child import Child
from .diagnosis.listening import wrong_place
from .diagnosis.probes import explain_response
from .diagnosis.seen import Cause, Seen, Trouble
from .diagnosis.server_end import without_servers_end
from .diagnosis.trouble import find_trouble
from .limits import Limits
from .probe import Probed, front_end_source, probe

__all__ = ["Launch", "WarmUp"]

# Seconds between checks whether the container listens; they grow.
_SHORTEST_LOOK, _LONGEST_LOOK = 0.01, 0.25
# After this many seconds, report any other address where the container listens.
_PATIENCE = 2.0
_PROBE_SECONDS = 30.0


@dataclass(frozen=True)
class Launch:
    """How a container is started: program, variables, folder, and the port to listen on.

    `command` is shown to users, `app` is the app that it names, if any. `antenv`: the site has a
    virtual environment. `written` is where the container has what it writes into the site's folder,
    if that is dropped when it ends. `causes` are what lies in the site and can keep it from
    starting. `explained` are the sentences printed about responses of any instance, with the
    status.
    """

    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    cwd: Path
    port: int
    command: str
    antenv: bool = True
    written: Path | None = None
    app: str = ""
    causes: tuple[Cause, ...] = ()
    explained: dict[str, int] = field(default_factory=dict, compare=False)


class WarmUp:
    """Waits for one container after the other; `release` is called if a start takes long.

    `clock` returns seconds.
    """

    def __init__(
        self,
        label: str,
        launch: Launch,
        limits: Limits,
        say: Say,
        release: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._label = label
        self._launch = launch
        self._limits = limits
        self._say = say
        self._release = release
        self._clock = clock
        self._source = front_end_source()

    async def until_it_answers(
        self, child: Child, exited: asyncio.Task[int], began: float
    ) -> Trouble | None:
        """Wait until the container responds; return None then, or why it did not."""
        limits, port = self._limits, self._launch.port
        pause, told, answer = _SHORTEST_LOOK, False, ""
        while True:
            passed = self._clock() - began
            if passed >= _PATIENCE:
                self._release()
            if exited.done():
                return self._find_trouble(child, exited.result(), (), answer)
            if passed >= limits.start:
                return self._find_trouble(child, None, readiness.listened_on(child.tree), answer)
            if await readiness.is_open(child.tree, port):
                found = await self._probe(exited, limits.start - passed)
                if found is None:
                    continue
                answer = self._refusal(found)
                if not answer:
                    await child.catch_up()
                    self._tell_start(child, found, self._clock() - began)
                    return None
            elif passed >= _PATIENCE and not told:
                told = self._tell_wrong_place(child)
            await asyncio.wait({exited}, timeout=min(pause, max(0.0, limits.start - passed)))
            pause = min(pause * 1.5, _LONGEST_LOOK)

    async def _probe(self, exited: asyncio.Task[int], left: float) -> Probed | None:
        """Send a warm-up request; return its result, or None if the container ends meanwhile."""
        asked = asyncio.create_task(
            probe(
                self._launch.port,
                self._limits.warmup_path,
                timeout=min(_PROBE_SECONDS, left),
                source=self._source,
            )
        )
        await asyncio.wait({asked, exited}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return asked.result()
        asked.cancel()
        return None

    def _refusal(self, found: Probed) -> str:
        """Return why a response does not count as one of a started container, or "" if it does."""
        if found.status and found.status in (self._limits.warmup_statuses or {found.status}):
            return ""
        return found.reason or f"status {found.status}, which is not in WEBSITE_WARMUP_STATUSES"

    def _tell_wrong_place(self, child: Child) -> bool:
        """Report any other address where the container listens; return whether there is one."""
        place = wrong_place(readiness.listened_on(child.tree), self._launch.port)
        if place:
            self._say(self._label, f"({place}: the platform gets no response.)")
        return bool(place)

    def _tell_start(self, child: Child, found: Probed, took: float) -> None:
        status, launch = found.status, self._launch
        self._say(
            self._label, f"GET {self._limits.warmup_path} {status} in {found.seconds * 1000:.0f} ms"
        )
        self._say(self._label, f"(It responds, {took:.1f} s after its start.)")
        if status >= 500:
            self._say(
                self._label,
                f"(Warning: the container counts as started also with status {status}; clients may "
                "get the same.)",
            )
        reason = explain_response(status, found.location, child.tail(), launch.causes, launch.app)
        if reason and reason not in launch.explained:
            launch.explained[reason] = status
            self._say(self._label, f"({reason})")

    def _find_trouble(
        self,
        child: Child,
        code: int | None,
        listened: tuple[tuple[str, int], ...] | list[tuple[str, int]],
        answer: str,
    ) -> Trouble:
        launch = self._launch
        return find_trouble(
            Seen(
                command=launch.command,
                port=launch.port,
                output=without_servers_end(child.tail()),
                code=code,
                limit=self._limits.start,
                listened=listened,
                answer=answer,
                has_file=lambda name: _is_file(launch.cwd, name),
                antenv=launch.antenv,
                causes=launch.causes,
            )
        )


def _is_file(folder: Path, name: str) -> bool:
    try:
        return os.path.isfile(folder / name)
    except ValueError:
        return False
