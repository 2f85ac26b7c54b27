"""The client's side of a connection on which answers without a body have a head and nothing else.

Servers that leave it to the app, as waitress does, send what the app gives for a body, which would
be taken for the beginning of the next answer: another visitor's. Must not know what is asked, or of
whom. Stands on aiohttp's own protocol, which is not public: its parser, its streams and their flow
control, its read timeout.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp.client_proto import ResponseHandler

__all__ = ["Wire"]

_END = re.compile(rb"\r?\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1[0-9][0-9]")
_LONGEST_HEAD = 0x40000
_LONGEST_LINE = 0x10000
_BUFFER = 0x10000
_BODILESS = (204, 304)


class Wire(ResponseHandler):
    """One connection to a server: requests go out by `send`, heads of answers come from `read()`.

    `expect` begins each exchange, `rest` ends it. `wires` are those that are open: it adds itself
    as long as it is one of them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, wires: set[Wire]) -> None:
        super().__init__(loop)
        self._wires = wires
        self._waits = False
        self._through = False
        self._held = b""
        self.full = False  # whether the server has to take something before more is sent

    def pause_writing(self) -> None:
        """Note that what was sent has not been taken."""
        self.full = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it has."""
        self.full = False
        super().resume_writing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note that it is open."""
        self._wires.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note that it is not."""
        self._wires.discard(self)
        super().connection_lost(exc)

    def expect(self, *, head_only: bool, timeout: float) -> None:
        """Begin an exchange: how its answer is to be read; `head_only` for one to HEAD.

        Once `start_timeout` is called the server may be silent for `timeout` seconds, after which
        reading raises asyncio.TimeoutError.
        """
        self._waits = head_only
        self._through = False
        self.set_response_params(
            skip_payload=head_only,
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=timeout,
            read_bufsize=_BUFFER,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )

    def rest(self) -> bool:
        """End an exchange whose answer has been read; say whether there can be another."""
        if self._through or self.should_close or not self.is_connected():
            return False
        self._through = True  # what comes now has not been asked for
        return True

    @property
    def rests(self) -> bool:
        """Whether it still waits for the next exchange, and nothing has come meanwhile."""
        return self._through and self.is_connected() and not self.should_close

    def send(self, data: bytes) -> None:
        """Send bytes; where the connection has ended, reading tells."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    async def drained(self) -> None:
        """Wait until what was sent has been taken, or the connection has ended."""
        try:
            await self._drain_helper()
        except ConnectionError:
            return

    def abort(self) -> None:
        """End the connection now, whatever is still to be sent.."""
        transport = self.transport
        if transport is not None:
            transport.abort()
        self.close()

    def fail(self, error: BaseException) -> None:
        """Have who reads the head or the body get an error."""
        self.set_exception(error)
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(error)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take an answer that was read; some have no body whatever was asked."""
        super().feed_data(data, size)
        if data[0].code in _BODILESS:
            self._through = True

    def data_received(self, data: bytes) -> None:
        """Take bytes: of an answer to HEAD the head, and others' whole."""
        if self._through:
            self.force_close()
            return
        if not self._waits:
            super().data_received(data)
            return
        self._held += data
        while self._waits:
            end = _END.search(self._held)
            if end is None:
                if len(self._held) <= _LONGEST_HEAD:
                    return
                head, self._held = self._held, b""  # too long: the parser says so
            else:
                head, self._held = self._held[: end.end()], self._held[end.end() :]
            if not _INTERIM.match(head):
                self._waits, self._through, self._held = False, True, b""
            super().data_received(head)
