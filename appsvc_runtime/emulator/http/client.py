"""aiohttp's client as a proxy needs it: requests and responses pass unchanged.

Knows aiohttp. Must not know what is done when a request fails. It overrides three public methods of
aiohttp's; the docstring of each says what aiohttp would change without it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import socket
from collections.abc import AsyncIterable
from contextvars import ContextVar
from typing import Any, ClassVar
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

__all__ = ["ClosedError", "OutgoingRequest", "make_session"]

_HOST = "127.0.0.1"
_NOT_ADDED = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
_BODILESS = (204, 304)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1[0-9][0-9]")
_LONGEST_HEAD = 0x40000
_READ: dict[str, Any] = {
    "read_bufsize": 0x10000,
    "max_line_size": 0x10000,
    "max_field_size": 0x10000,
    "auto_decompress": False,
}
if "max_headers" in inspect.signature(aiohttp.ClientSession.__init__).parameters:
    _READ["max_headers"] = 1_000  # aiohttp counts headers from 3.14 on, and takes 128
# aiohttp has it from 3.12 on.
_MAKES_SOCKETS = "socket_factory" in inspect.signature(aiohttp.TCPConnector.__init__).parameters
# IP_BIND_ADDRESS_NO_PORT of ip(7): the port is chosen when the socket connects, so that a port that
# another connection has just left can be used. Only Linux has it (and AF_NETLINK); Python names it
# from 3.12 on.
_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24 if hasattr(socket, "AF_NETLINK") else None)


class ClosedError(aiohttp.ClientConnectionError):
    """The server closed the connection before it responded.

    aiohttp sends a request again after its own error for this, even if the connection was a new one
    and the request itself may have crashed the server. This class replaces that error.
    """


class _UnusableError(aiohttp.ClientConnectionError):
    """The kept connection cannot be used any more; nothing was sent over it."""


class OutgoingRequest:
    """A request to send, and its connection: `kept` if earlier requests have used that.

    `target` and `headers` are sent unchanged, Host first. `timeout` is how many seconds connecting
    may take, and how many the server may then send nothing; 0 is no limit.
    """

    def __init__(self, method: str, target: str, headers: CIMultiDict[str], timeout: float) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.timeout = timeout
        self.kept = False
        self.protocol: ResponseHandler | None = None
        self._fresh = False

    async def send(
        self,
        session: aiohttp.ClientSession,
        port: int,
        body: AsyncIterable[bytes] | None = None,
        *,
        chunked: bool = False,
        fresh: bool = False,
    ) -> aiohttp.ClientResponse:
        """Send the request to 127.0.0.1:`port`; return the response as soon as its head has come.

        `fresh`: use a new connection. Raises aiohttp's errors.
        """
        self.kept, self.protocol, self._fresh = False, None, fresh
        # The whole target is given as the path, so that yarl changes no byte of it, `?` and `#`
        # included.
        path = _as_latin_1(self.target)
        url = URL.build(scheme="http", host=_HOST, port=port, path=path, encoded=True)
        timeout = aiohttp.ClientTimeout(sock_connect=self.timeout, sock_read=self.timeout)
        token = _outgoing.set(self)
        try:
            while True:
                with contextlib.suppress(_UnusableError):
                    return await session.request(
                        self.method,
                        url,
                        data=body,
                        chunked=chunked or None,
                        allow_redirects=False,
                        timeout=timeout,
                    )
        finally:
            _outgoing.reset(token)

    def take(self, protocol: ResponseHandler, *, kept: bool) -> None:
        """Use a connection, but no kept one if `fresh` is set or if it holds unread data."""
        if kept and (self._fresh or protocol.should_close):
            raise _UnusableError
        self.protocol, self.kept = protocol, kept


# aiohttp handles a request in the task that sends it, so that the task's context is enough.
_outgoing: ContextVar[OutgoingRequest] = ContextVar("outgoing")


def make_session(source: str, kept_for: float) -> aiohttp.ClientSession:
    """Return a session for the running event loop that changes nothing.

    It adds no header, follows no redirect, decodes no body and stores no cookie. Its connections
    come from the address `source`, "" for any, and are kept unused for `kept_for` seconds.
    """
    options: dict[str, Any] = {}
    if source and _MAKES_SOCKETS:
        options["socket_factory"] = functools.partial(_bound_socket, source)
    elif source:
        options["local_addr"] = (source, 0)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=kept_for, **options),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_NOT_ADDED,
        timeout=aiohttp.ClientTimeout(total=None),
        request_class=_Request,
        response_class=_Response,
        **_READ,
    )


class _Request(aiohttp.ClientRequest):
    """A request whose head is sent byte for byte."""

    _used: ClassVar[WeakSet[ResponseHandler]] = WeakSet()

    def update_headers(self, headers: Any) -> None:
        """Use the headers unchanged; of two spellings of a name aiohttp would keep the last."""
        sent = _outgoing.get().headers
        super().update_headers([(name, _as_latin_1(value)) for name, value in sent.items()])

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send the request; refuse a connection that cannot be used, which aiohttp would not."""
        protocol = conn.protocol
        if protocol is None:
            raise _UnusableError
        _outgoing.get().take(protocol, kept=protocol in self._used)
        self._used.add(protocol)
        if self.method == "HEAD" and protocol.transport is not None:
            protocol.transport.set_protocol(_HeadOnly(protocol))  # type: ignore[arg-type]
        if not all(map(str.isascii, (self.url.raw_path, *self.headers.values()))):
            return await super().send(_ByteConnection(conn))  # type: ignore[arg-type]
        return await super().send(conn)


class _Response(aiohttp.ClientResponse):
    """A response; after a response without a body, its connection is not used again."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Wait for the head; turn aiohttp's errors for a closed connection into ClosedError."""
        protocol = connection.protocol
        try:
            await super().start(connection)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            raise ClosedError(*error.args) from None
        if protocol is not None and (self.method == "HEAD" or self.status in _BODILESS):
            protocol.close()  # the server may wrongly send a body after the head
        return self


class _HeadOnly:
    """Wraps the protocol of a HEAD request, and passes on the head of the response only.

    Some servers, such as waitress, send the body that the app returns. aiohttp would read it as the
    start of the next response, which may be another client's.
    """

    def __init__(self, inner: ResponseHandler) -> None:
        self._inner = inner
        self._held = b""
        self._complete = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def data_received(self, data: bytes) -> None:
        """Pass on the heads of interim responses (1xx) and of the final one; drop the rest."""
        self._held += data
        while not self._complete:
            end = _HEAD_END.search(self._held)
            if end is None and len(self._held) <= _LONGEST_HEAD:
                return
            # aiohttp reports a head that is too long.
            length = end.end() if end is not None else len(self._held)
            head, self._held = self._held[:length], self._held[length:]
            self._complete = not _INTERIM.match(head)
            self._inner.data_received(head)
        self._held = b""


class _ByteConnection:
    """Wraps a connection, its protocol or its transport while a head is sent.

    aiohttp writes text as UTF-8, and drops bytes that are not UTF-8. So it gets each byte as one
    Latin-1 character, and this class turns the characters into bytes. The head is written first.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._head_sent = False
        self._parts: dict[str, _ByteConnection] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if found is None or name not in ("protocol", "transport"):
            return found
        return self._parts.setdefault(name, _ByteConnection(found))

    def write(self, data: bytes) -> None:
        """Write bytes; turn the characters of the head into bytes."""
        if not self._head_sent:
            self._head_sent = True
            head, end, rest = bytes(data).partition(b"\r\n\r\n")
            data = head.decode("utf-8").encode("latin-1") + end + rest
        self._inner.write(data)

    def writelines(self, parts: list[bytes]) -> None:
        """Write a list of bytes in one call."""
        self.write(b"".join(parts))


def _as_latin_1(text: str) -> str:
    """Return the bytes that text from aiohttp's server stands for, each as a Latin-1 character."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _bound_socket(source: str, info: Any) -> socket.socket:
    made = socket.socket(*info[:3])
    try:
        if _NO_PORT is not None:
            made.setsockopt(socket.IPPROTO_IP, _NO_PORT, 1)
        made.bind((source, 0))
    except BaseException:
        made.close()
        raise
    return made
