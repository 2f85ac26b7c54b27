"""How the platform stops a container: SIGTERM to its first process, SIGKILL after a limit.

Knows processes, and what a shell does as process 1: it keeps SIGTERM to itself, so that the server
that it runs is not stopped but killed. Must not know of requests, nor how a container is started.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable

from ...startup import exec_check
from ...system import init_shell, procfs
from ..processes.child import Child

__all__ = ["Stopping", "advise"]

# Helpers of a server, such as multiprocessing's resource tracker, end by themselves in this time.
_HELPERS_END = 1.0
# A shell that handles SIGTERM by itself has not ended in this time, if a program of its own runs.
_SHELL_ENDS = 0.3
_TICK = 0.05
_BEGIN = "a startup command that begins with `exec` lets running requests end"


class Stopping:
    """The end of containers with a startup command, at most `limit` seconds after SIGTERM."""

    def __init__(self, limit: float, command: str, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._command = command
        # Such a command passes the signal on itself.
        self._handles = "trap" in command
        self._clock = clock

    async def stop(self, child: Child, busy: Callable[[], bool]) -> str:
        """Send SIGTERM and wait; return what came of it, and leave the rest to be killed.

        While a shell keeps the signal to itself, its programs go on as before: this waits for the
        limit only while `busy` returns that a client waits for a response of theirs.
        """
        began = self._clock()
        first = init_shell.read_shell(procfs.words(child.pid))
        child.tree.ask_to_stop()
        ended = asyncio.create_task(child.wait())
        try:
            while not ended.done() and self._clock() - began < self._limit:
                await asyncio.wait({ended}, timeout=_TICK)
                if self._clock() - began > _SHELL_ENDS and not busy() and self._is_kept(child):
                    break
        finally:
            ended.cancel()
        took = self._clock() - began
        if child.returncode is not None:
            left = await self._outlive(child, began, busy)
            if not left:
                return f"SIGTERM ended it after {took:.1f} s."
            return (
                f"SIGTERM ended its shell, SIGKILL the rest ({_names(left)}), which did not "
                f"receive it; {advise(self._command, [first, *_shells(left)])}."
            )
        if self._is_kept(child):
            left = list(child.tree.alive())
            return (
                f"SIGTERM reached its shell, which is process 1 and does not pass it on: SIGKILL "
                f"ends the rest ({_names(left, child.pid)}) after {self._limit:g} s; "
                f"{advise(self._command, [first, *_shells(left)])}."
            )
        return f"SIGTERM did not end it within {self._limit:g} s: SIGKILL did."

    def _is_kept(self, child: Child) -> bool:
        """Return whether the first process is a shell that waits for another program."""
        if self._handles or init_shell.read_shell(procfs.words(child.pid)) is None:
            return False
        return child.returncode is None and any(pid != child.pid for pid in child.tree.alive())

    async def _outlive(self, child: Child, began: float, busy: Callable[[], bool]) -> list[int]:
        """Return the processes that still run a moment after the first process has ended.

        Those that respond to a client go on to the limit, as below a shell that is process 1.
        """
        deadline = self._clock() + _HELPERS_END
        while left := list(child.tree.alive()):
            now = self._clock()
            if now >= deadline and (now - began >= self._limit or not busy()):
                break
            await asyncio.sleep(_TICK)
        return left


def advise(command: str, shells: Iterable[init_shell.Shell | None]) -> str:
    """Return where `exec` is missing, as a clause; `shells` are those of the container at its stop.

    A script needs it twice: a shell of the platform runs the startup command, and the script's own
    shell runs its commands. The second is seen by that shell, which `exec` would have replaced.
    """
    script = exec_check.script_in(command)
    if script is None:
        return _BEGIN
    base = os.path.basename(script.name)
    running = {os.path.basename(shell.script): shell.name for shell in shells if shell}
    places = [f"`exec` before the last command in {script.name}"] if base in running else []
    if not script.has_exec:
        places.append(f"the startup command `{script.with_exec(running.get(base, 'sh'))}`")
    places = places or ["`exec` before the last command in each script"]
    return f"{' and '.join(places)} {'let' if len(places) > 1 else 'lets'} running requests end"


def _shells(pids: Iterable[int]) -> list[init_shell.Shell | None]:
    return [init_shell.read_shell(procfs.words(pid)) for pid in pids]


def _names(pids: Iterable[int], besides: int = 0) -> str:
    return ", ".join(sorted({procfs.program(pid) or str(pid) for pid in pids if pid != besides}))
