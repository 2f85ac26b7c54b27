"""Child processes of the emulator: started, read, and ended with all processes that they started.

Knows asyncio. Must not know of HTTP or FastCGI, nor the operating system: `system.process_tree`
does. `guard` ends the remaining processes when the emulator itself is killed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import weakref
from typing import TYPE_CHECKING, Any, cast

from ...errors import ConfigError
from ...system.process_tree import Tree
from ...system.variables import for_child
from . import guard
from .output import ChildOutput

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..http.messages import Say

__all__ = ["Child", "settle"]

# Seconds after the child's own end for the rest of its output, if its own children keep the pipes.
_LAST_WORDS = 0.25
# Seconds until a killed process is gone. Only the system itself can hold it longer.
_GONE = 5.0
# Turns of the event loop in which what is in a pipe is read and passed on; on Linux it takes three.
_TURNS = 8


_running: weakref.WeakSet[Child] = weakref.WeakSet()


class Child(asyncio.SubprocessProtocol):
    """One running program. Create it with `start`; always end it with `stop` or `kill`.

    `tree` is the program and what it started, `pid` its process id, `label` its name in the log.
    """

    def __init__(self, label: str, say: Say) -> None:
        self.label = label
        self.tree = Tree()
        self.output = ChildOutput(lambda text: say(label, text))
        self.pid = 0
        self.returncode: int | None = None
        self._say = say
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()
        self._silent = asyncio.Event()
        self._streams = {1, 2}
        self._copies: tuple[str | Callable[[int], str] | None, str | None] = (None, None)
        self._ending = False

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str | os.PathLike[str],
        say: Say,
        label: str = "python",
        stdin: socket.socket | None = None,
        log_file: str | Callable[[int], str] | None = None,
        error_file: str | None = None,
        listener: Callable[[int, str], None] | None = None,
        pass_fds: Iterable[int] = (),
    ) -> Child:
        """Start a program; return as soon as it runs.

        `say` receives each line of output. `log_file`, a path or a function from the process id to
        one, gets a copy of the bytes; `error_file` gets those of standard error, which are then
        left out of `log_file`; `listener` receives each line with the number of its stream. Raise
        ConfigError with what could not be started and why. On cancellation, nothing is left
        running.
        """
        child = cls(label, say)
        if listener is not None:
            child.output.listen(listener)
        child._copies = (log_file, error_file)
        options: dict[str, Any] = child.tree.popen_options(within=guard.enclosing())
        if pass_fds:
            options["pass_fds"] = tuple(pass_fds)
        try:
            variables = for_child(child.tree.environ(guard.mark_variables(environ)))
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: child, *argv, env=variables, cwd=cwd,
                stdin=subprocess.DEVNULL if stdin is None else stdin.fileno(), **options,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            child._end()
            raise _not_started(argv, cwd, error) from None
        except BaseException:
            child.kill()
            child._end()
            raise
        child._transport = transport
        return child

    async def wait(self) -> int:
        """Wait until the program itself has ended; return its exit code, negative for a signal.

        Its last output has been read by then. Processes that it started may still run: see `kill`.
        """
        await self._exited.wait()
        await _within(self._silent, _LAST_WORDS)
        return cast("int", self.returncode)

    async def catch_up(self) -> None:
        """Pass on what the program has printed so far, so that it comes before what follows."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def stop(self, grace: float) -> bool:
        """Ask the program to stop, wait `grace` seconds, kill what is left.

        Do not wait for a program that cannot be asked. Return whether the program ended by itself.
        On cancellation, all of its processes are killed at once.
        """
        try:
            by_itself = self.returncode is not None
            if not by_itself:
                told = "(It has stopped.)"
                failed = f"(It did not stop within {grace:g} s and is killed.)"
                if not self.tree.ask_to_stop() and self.pid in self.tree.alive():
                    grace, failed = 0.0, "(No CTRL+BREAK can be sent to it; it is killed.)"
                await _within(self._exited, grace)
                by_itself = self.returncode is not None
                self._say(self.label, told if by_itself else failed)
            await self._kill_patiently()
            return by_itself
        finally:
            self.kill()
            await _within(self._exited, _GONE)

    def kill(self) -> None:
        """Kill the program and all processes that it started. Can be called again.

        Its `returncode` is known a moment later: see `wait`.
        """
        self.tree.kill()
        # Closing the transport earlier would lose the exit code for `wait`.
        self._ending = True
        if self.returncode is not None:
            self._end()

    def tail(self) -> str:
        """Return the end of the program's output: at most 64 lines and 8192 characters."""
        return self.output.tail()

    async def _kill_patiently(self) -> None:
        """Kill all of the program's processes, letting other tasks run meanwhile."""
        pause = 0.001
        for _ in range(int(_GONE / 0.02)):
            if not self.tree.kill(patience=0):
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.02)
        await _within(self._exited, _GONE)
        await _within(self._silent, _LAST_WORDS)

    def _end(self) -> None:
        _running.discard(self)
        if self._transport is not None:
            self._transport.close()
        self.output.end()
        self.tree.close()

    # Methods that asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Add the process to its tree and open the copies of its output, before any output."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()
        self.tree.adopt(self.pid)
        _running.add(self)
        log_file, error_file = self._copies
        if log_file is not None:
            path = log_file(self.pid) if callable(log_file) else log_file
            self.output.copy_to(path, (1,) if error_file is not None else (1, 2), follow=False)
        if error_file is not None:
            self.output.copy_to(error_file, (2,), follow=False)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Process a chunk of output."""
        self.output.add(fd, data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Record that one stream has ended."""
        self.output.end(fd)
        self._streams.discard(fd)
        if not self._streams:
            self._silent.set()

    def process_exited(self) -> None:
        """Record that the process has ended."""
        if self._transport is not None:
            self.returncode = self._transport.get_returncode()
        self._exited.set()
        if self._ending:
            self._end()


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most so many seconds.

    asyncio.wait_for is not used: before Python 3.12 it loses a cancellation that comes together
    with the event.
    """
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()


async def settle() -> None:
    """Wait a moment for killed programs to end, before the event loop is closed."""
    for child in list(_running):
        await _within(child._exited, _GONE)


def _not_started(
    argv: Sequence[str], cwd: str | os.PathLike[str], error: OSError | ValueError
) -> ConfigError:
    program = argv[0]
    if not os.path.isdir(cwd):
        return ConfigError(
            f"The folder {os.fspath(cwd)!r}, in which {program!r} is to run, does not exist.",
            hint="Make it, or name the site's folder.",
        )
    if isinstance(error, FileNotFoundError):
        return ConfigError(
            f"The program {program!r} does not exist.", hint="Name an interpreter with --python."
        )
    reason = getattr(error, "strerror", None) or str(error)
    if getattr(error, "errno", None) in (errno.EACCES, errno.ENOEXEC):
        return ConfigError(
            f"The program {program!r} cannot be run: {reason}.",
            hint="Name an interpreter with --python.",
        )
    return ConfigError(f"The program {program!r} could not be started: {reason}.")
