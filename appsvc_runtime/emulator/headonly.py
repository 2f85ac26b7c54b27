"""The client's side of a connection on which answers without a body have a head and nothing else.

Servers that leave it to the app, as waitress does, send what the app gives for a body, which would
be taken for the beginning of the next answer: another visitor's. Must not know what is asked, or of
whom. Stands on aiohttp's own protocol, of which it uses two names that are not public.
"""

from __future__ import annotations

import asyncio
import functools
import re
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

__all__ = ["make_connector"]

_END = re.compile(rb"\r?\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1[0-9][0-9]")
_LONGEST_HEAD = 0x40000
_BODILESS = (204, 304)


class _HeadOnly(ResponseHandler):
    """Drops what follows the head of an answer without a body; the connection is not used again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._waits = False
        self._through = False
        self._held = b""

    def set_response_params(self, *, skip_payload: bool = False, **options: Any) -> None:
        """Take how the next answer is to be read; `skip_payload` is aiohttp's word for HEAD."""
        self._waits = skip_payload
        super().set_response_params(skip_payload=skip_payload, **options)

    @property
    def should_close(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._through or super().should_close

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take an answer that was read; some have no body whatever was asked."""
        super().feed_data(data, size)
        if data[0].code in _BODILESS:
            self._through = True

    def data_received(self, data: bytes) -> None:
        """Take bytes: of an answer to HEAD the head, and others' whole."""
        if self._through:
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


def make_connector(**options: Any) -> aiohttp.TCPConnector:
    """Make a connector whose connections read answers to HEAD so; `options` are aiohttp's."""
    connector = aiohttp.TCPConnector(**options)
    factory: Any = functools.partial(_HeadOnly, loop=asyncio.get_running_loop())
    connector._factory = factory
    return connector
