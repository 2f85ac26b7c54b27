"""FastCGI as the web server speaks it: records to write, and a parser of those that come back.

Knows the protocol's bytes and nothing of sockets, processes, headers or IIS. One request at a time,
so that every record carries the same request number. § refers to the specification:
https://fastcgi-archives.github.io/FastCGI_Specification.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from ....errors import AppServiceError

__all__ = [
    "ABORT_REQUEST",
    "BEGIN_REQUEST",
    "MAX_CONTENT",
    "PARAMS_END",
    "STDIN_END",
    "End",
    "FastCgiError",
    "ResponseParser",
    "Stderr",
    "Stdout",
    "encode_params",
    "encode_stdin",
]

MAX_CONTENT = 0xFFFF  # what the two bytes of a record's length can say (§3.3)

_BEGIN, _ABORT, _END, _PARAMS, _STDIN, _STDOUT, _STDERR = range(1, 8)  # §8
_REQUEST_ID = 1
_HEADER = struct.Struct(">BBHHBx")  # version, type, request id, content length, padding length
_HEADER_SIZE = 8
_unpack_header = _HEADER.unpack_from
_EXPECTED = (_STDOUT, _STDERR, _END)
_END_BODY = struct.Struct(">IB3x")  # §5.5
_LONG = 1 << 31  # marks a length of four bytes (§3.4)
_PROBLEMS = {1: "FCGI_CANT_MPX_CONN", 2: "FCGI_OVERLOADED", 3: "FCGI_UNKNOWN_ROLE"}


class FastCgiError(AppServiceError):
    """What came back is not FastCGI, or refuses the request; says what was wrong with it."""


class Stdout(NamedTuple):
    """A piece of the answer."""

    data: bytes


class Stderr(NamedTuple):
    """A piece of what went wrong, for people."""

    data: bytes


class End(NamedTuple):
    """The request is done; `app_status` is what a CGI program would have exited with."""

    app_status: int
    protocol_status: int


def _record(kind: int, content: bytes = b"") -> bytes:
    return _HEADER.pack(1, kind, _REQUEST_ID, len(content), 0) + content


# Role: responder. Flags: keep the connection open (§5.1).
BEGIN_REQUEST = _record(_BEGIN, struct.pack(">HB5x", 1, 1))
PARAMS_END = _record(_PARAMS)
ABORT_REQUEST = _record(_ABORT)
STDIN_END = _record(_STDIN)


def encode_params(params: Mapping[str, str]) -> bytes:
    """Give FCGI_PARAMS records of `params`; PARAMS_END is to follow the last ones (§3.4, §5.2).

    Texts are Latin-1, as in PEP 3333. A pair is kept within a record where it fits, because
    wfastcgi takes each record for whole pairs; one that is longer is split over records of its own.
    Raises FastCgiError for a text that is no Latin-1, or longer than can be said.
    """
    pairs = [
        _known_pair(name, value) if len(value) < 256 else _pair(name, value)
        for name, value in params.items()
    ]
    text = "".join(pairs)
    try:
        if 0 < len(text) <= MAX_CONTENT:  # as it is nearly always
            return _record(_PARAMS, text.encode("latin-1"))
        return b"".join([_record(_PARAMS, piece) for piece in _filled(pairs)])
    except UnicodeEncodeError:
        raise FastCgiError("A parameter has characters that are no Latin-1.") from None


def _pair(name: str, value: str) -> str:
    """Give a name-value pair (§3.4), a character a byte."""
    if len(name) < 128 and len(value) < 128:
        return f"{len(name):c}{len(value):c}{name}{value}"
    return f"{_long(len(name))}{_long(len(value))}{name}{value}"


# The same headers come again and again.
_known_pair = lru_cache(1024)(_pair)


def _filled(pairs: list[str]) -> Iterator[bytes]:
    """Give the contents of records, as full as they become without cutting a pair that fits."""
    content = b""
    for pair in pairs:
        data = pair.encode("latin-1")
        if content and len(content) + len(data) > MAX_CONTENT:
            yield content
            content = b""
        if len(data) > MAX_CONTENT:
            for start in range(0, len(data), MAX_CONTENT):
                yield data[start : start + MAX_CONTENT]
        else:
            content += data
    if content:
        yield content


def _long(length: int) -> str:
    if length >= _LONG:
        raise FastCgiError("A parameter is longer than FastCGI can say.")
    return (length | _LONG).to_bytes(4, "big").decode("latin-1")


def encode_stdin(data: bytes | bytearray | memoryview) -> Iterator[bytes]:
    """Give FCGI_STDIN records for a piece of the body, one by one; none for an empty piece."""
    view = memoryview(data).cast("B")
    for start in range(0, len(view), MAX_CONTENT):
        piece = view[start : start + MAX_CONTENT]
        yield b"".join((_HEADER.pack(1, _STDIN, _REQUEST_ID, len(piece), 0), piece))


class ResponseParser:
    """What the application sends for one request after the other, in whatever pieces it comes.

    Holds at most one record. After an error it is of no use any more.
    """

    __slots__ = ("_held", "ended")

    def __init__(self) -> None:
        self._held = bytearray()
        self.ended = False

    def next_request(self) -> None:
        """Be ready for the next answer. FastCgiError if something came after the last one's end."""
        if self._held:
            raise FastCgiError("The application sent something that belongs to no request.")
        self.ended = False

    @property
    def surplus(self) -> bool:
        """Whether something came after the end."""
        return self.ended and bool(self._held)

    @property
    def partial(self) -> bool:
        """Whether a record has begun that is not whole."""
        return bool(self._held)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Stdout | Stderr | End]:
        """Return what is whole by now; `data` may be reused afterwards.

        An empty record ends a stream by the book (§3.3), but wfastcgi sends one after each piece of
        output and IIS goes on reading, so that it says nothing here and only End ends an answer.
        Raises FastCgiError for what the protocol does not allow at this place.
        """
        if self.ended:
            raise FastCgiError("The application sent something that belongs to no request.")
        events: list[Stdout | Stderr | End] = []
        if type(data) is not bytes:
            data = bytes(data)
        position = self._complete(data, events) if self._held else 0
        position = self._take_whole(data, position, events)
        if position < len(data):
            # Not more than one record: where the end was seen, what follows only has to be noticed.
            self._held += data[position:] if not self.ended else b"?"
        return events

    def _take_whole(self, data: bytes, position: int, events: list[Stdout | Stderr | End]) -> int:
        """Take the records that are whole, from a position on; return where the next one begins.

        One loop without calls: it runs for each record.
        """
        size = len(data)
        out = b""  # pieces that follow one another are given as one
        while size - position >= _HEADER_SIZE and not self.ended:
            version, kind, request_id, length, padding = _unpack_header(data, position)
            if version != 1 or request_id != _REQUEST_ID or kind not in _EXPECTED:
                raise _unexpected(version, kind, request_id)
            start = position + _HEADER_SIZE
            end = start + length
            if end + padding > size:
                break
            position = end + padding
            if kind == _STDOUT:
                if length:
                    out += data[start:end]
                continue
            if out:
                events.append(Stdout(out))
                out = b""
            self._add(kind, data[start:end], events)
        if out:
            events.append(Stdout(out))
        return position

    def _complete(self, data: bytes, events: list[Stdout | Stderr | End]) -> int:
        """Complete the record that is held; give how much of `data` it took."""
        held = self._held
        position = 0
        if len(held) < _HEADER_SIZE:
            position = min(_HEADER_SIZE - len(held), len(data))
            held += data[:position]
            if len(held) < _HEADER_SIZE:
                return position
        version, kind, request_id, length, padding = _unpack_header(held)
        if version != 1 or request_id != _REQUEST_ID or kind not in _EXPECTED:
            raise _unexpected(version, kind, request_id)
        missing = _HEADER_SIZE + length + padding - len(held)
        taken = data[position : position + missing]
        held += taken
        if len(taken) == missing:
            self._held = bytearray()
            self._add(kind, bytes(held[_HEADER_SIZE : _HEADER_SIZE + length]), events)
        return position + len(taken)

    def _add(self, kind: int, content: bytes, events: list[Stdout | Stderr | End]) -> None:
        if kind == _END:
            if len(content) != _END_BODY.size:
                raise FastCgiError(
                    f"The application ended a request with {len(content)} bytes, not 8."
                )
            app_status, protocol_status = _END_BODY.unpack(content)
            if protocol_status:
                name = _PROBLEMS.get(protocol_status, f"status {protocol_status}")
                raise FastCgiError(f"The application refused the request: {name}.")
            self.ended = True
            events.append(End(app_status, protocol_status))
        elif content:
            events.append(Stdout(content) if kind == _STDOUT else Stderr(content))


def _unexpected(version: int, kind: int, request_id: int) -> FastCgiError:
    """Give what to say of a record that must not come."""
    if version != 1:
        return FastCgiError(f"The application sent a record of version {version}, not 1.")
    if kind not in _EXPECTED:
        return FastCgiError(f"The application sent a record of type {kind}, which none expects.")
    return FastCgiError(f"The application answered request {request_id}, which none made.")
