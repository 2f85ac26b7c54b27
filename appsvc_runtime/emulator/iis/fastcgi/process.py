"""One running FastCGI process, from its start to its end.

Must not know how or why it was started, or how many there are. IIS reports "The FastCGI process
exited unexpectedly" with status 500.0; here the error has what is known: exit code, last output,
and whether the process ended by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from .connection import FastCgiConnection
from .errors import FastCgiExitError, FastCgiTimeoutError

if TYPE_CHECKING:
    from ...http.messages import Say
    from ...processes.child import Child
    from .channel import Wire

__all__ = ["FastCgiProcess"]

_LAST_RECORDS = 0.5  # seconds for reading what an ended process has written
_EXIT = 2.0  # seconds from closing the connection until the process should have ended
_HUNG_UP = 1.0  # the same if the process closed the connection


class FastCgiProcess(FastCgiConnection):
    """A running process. Once it has ended completely, `gone` is set and `on_gone` called once."""

    def __init__(
        self, label: str, say: Say, *, activity_timeout: float = 30, request_timeout: float = 90
    ) -> None:
        super().__init__(
            label, say, activity_timeout=activity_timeout, request_timeout=request_timeout
        )
        self.returncode: int | None = None
        self.failure = ""  # its failure, once it is gone; "" for none
        self.on_gone: Callable[[FastCgiProcess], None] = lambda _: None
        self.gone = asyncio.Event()
        self._patience = _HUNG_UP
        self._child: Child | None = None
        self._wire: Wire | None = None
        self._supervisor: asyncio.Task[None] | None = None

    def attach(self, child: Child, wire: Wire) -> None:
        """Store the program that was started at the other end, and supervise it."""
        self._child = child
        self._wire = wire
        self._supervisor = self._loop.create_task(self._supervise(child, wire))

    @property
    def pid(self) -> int:
        """The program's process id, or 0 before it is started."""
        return self._child.pid if self._child else 0

    async def close(self, signal_seconds: float = 0, grace: float = _EXIT) -> None:
        """End the process as IIS does: set the event, wait if the process uses it, and disconnect.

        The process has `signal_seconds` after the event and `grace` seconds after the connection is
        closed; then it is killed. Nothing is left of it in the end.
        """
        self.retired = True
        self._patience = grace
        if signal_seconds and self._wire is not None and self._wire.signal_shutdown():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.gone.wait(), signal_seconds)
        self._hang_up()
        if self._supervisor is not None:
            await asyncio.wait({self._supervisor})

    async def _supervise(self, child: Child, wire: Wire) -> None:
        """Wait for the end of the process, for any reason, and clean up."""
        ended = self._loop.create_task(child.wait())
        closed = self._loop.create_task(self.closed.wait())
        try:
            await asyncio.wait({ended, closed}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await asyncio.wait({ended}, timeout=0 if self.error else self._patience)
            by_itself = ended.done()
            if not closed.done():  # a child of the process may keep the connection open
                await asyncio.wait({closed}, timeout=_LAST_RECORDS)
        finally:
            child.kill()
            if self._transport is not None:
                self._transport.abort()
            wire.close()
            closed.cancel()
        await asyncio.wait({ended}, timeout=_EXIT)
        self.returncode = child.returncode
        self._settle(by_itself, child)
        if self._sender is not None:
            self._sender.cancel()
        self.gone.set()
        self.on_gone(self)

    def _settle(self, by_itself: bool, child: Child) -> None:
        """Fail the request in progress, with all that is known of the end."""
        exchange, self._exchange = self._exchange, None
        error = self.error
        clean = by_itself and self.returncode == 0 and error is None
        message = error.message if error is not None else self._how_it_ended(by_itself)
        if self._has_failed(clean=clean, was_busy=exchange is not None):
            self.failure = message
        if exchange is not None:
            timeout = isinstance(error, FastCgiTimeoutError)
            kind = FastCgiTimeoutError if timeout else FastCgiExitError
            exchange.fail(
                kind(message, returncode=self.returncode, output=child.tail(), clean=clean)
            )

    def _has_failed(self, *, clean: bool, was_busy: bool) -> bool:
        if clean:
            return False
        if self.error is not None:
            return self.at_fault
        return was_busy or not self.retired

    def _how_it_ended(self, by_itself: bool) -> str:
        if not by_itself:
            return "The FastCGI process closed the connection before its response was complete."
        half = ", half a record sent" if self._parser.partial else ""
        return f"The FastCGI process exited unexpectedly (exit code {self.returncode}{half})."
