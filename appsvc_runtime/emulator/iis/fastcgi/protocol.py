"""The web server's side of FastCGI: records to write, and a parser of the records that come back.

Knows the protocol's bytes only; must not know of sockets, processes, headers or IIS. There is one
request at a time, so every record carries the same request id. § refers to the specification:
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

MAX_CONTENT = 0xFFFF  # the largest length that fits into a record's two bytes (§3.3)

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
    """The application's bytes are not valid FastCGI, or it refuses the request; says why."""


class Stdout(NamedTuple):
    """A piece of the response."""

    data: bytes


class Stderr(NamedTuple):
    """A piece of error output, meant for people."""

    data: bytes


class End(NamedTuple):
    """The request is done; `app_status` is the exit code that a CGI program would have."""

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
    """Return FCGI_PARAMS records of `params`; the caller adds PARAMS_END (§3.4, §5.2).

    Texts are Latin-1, as in PEP 3333. A pair that fits into a record is not split, because wfastcgi
    expects whole pairs in each record; a longer pair is split over records of its own. Raises
    FastCgiError for a text that is not Latin-1, or too long for the protocol.
    """
    pairs = [
        _known_pair(name, value) if len(value) < 256 else _pair(name, value)
        for name, value in params.items()
    ]
    text = "".join(pairs)
    try:
        if 0 < len(text) <= MAX_CONTENT:  # nearly always
            return _record(_PARAMS, text.encode("latin-1"))
        return b"".join([_record(_PARAMS, piece) for piece in _filled(pairs)])
    except UnicodeEncodeError:
        raise FastCgiError("A parameter has characters that are not Latin-1.") from None


def _pair(name: str, value: str) -> str:
    """Return a name-value pair (§3.4), one character per byte."""
    if len(name) < 128 and len(value) < 128:
        return f"{len(name):c}{len(value):c}{name}{value}"
    return f"{_long(len(name))}{_long(len(value))}{name}{value}"


# Most requests have the same few headers.
_known_pair = lru_cache(1024)(_pair)


def _filled(pairs: list[str]) -> Iterator[bytes]:
    """Yield the contents of records, as full as possible without splitting a pair that fits."""
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
        raise FastCgiError("A parameter is longer than FastCGI allows.")
    return (length | _LONG).to_bytes(4, "big").decode("latin-1")


def encode_stdin(data: bytes | bytearray | memoryview) -> Iterator[bytes]:
    """Yield FCGI_STDIN records for a piece of the body, one by one; none for an empty piece."""
    view = memoryview(data).cast("B")
    for start in range(0, len(view), MAX_CONTENT):
        piece = view[start : start + MAX_CONTENT]
        yield b"".join((_HEADER.pack(1, _STDIN, _REQUEST_ID, len(piece), 0), piece))


class ResponseParser:
    """Parses what the application sends for one request after another, in pieces of any size.

    Holds at most one record. Cannot be used any more after an error.
    """

    __slots__ = ("_held", "ended")

    def __init__(self) -> None:
        self._held = bytearray()
        self.ended = False

    def next_request(self) -> None:
        """Prepare for the next response. Raises FastCgiError if the last one has surplus bytes."""
        if self._held:
            raise FastCgiError("The application sent bytes that belong to no request.")
        self.ended = False

    @property
    def surplus(self) -> bool:
        """Return whether bytes came after the end of the response."""
        return self.ended and bool(self._held)

    @property
    def partial(self) -> bool:
        """Return whether the last record is incomplete."""
        return bool(self._held)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Stdout | Stderr | End]:
        """Return the records that are complete by now; `data` may be reused afterwards.

        According to §3.3 an empty record ends a stream, but wfastcgi sends one after each piece of
        output and IIS continues to read. So an empty record is ignored here, and only End ends a
        response. Raises FastCgiError for records that the protocol does not allow at this point.
        """
        if self.ended:
            raise FastCgiError("The application sent bytes that belong to no request.")
        events: list[Stdout | Stderr | End] = []
        if type(data) is not bytes:
            data = bytes(data)
        position = self._complete(data, events) if self._held else 0
        position = self._take_whole(data, position, events)
        if position < len(data):
            # At most one record. After the end, it only matters that more bytes followed.
            self._held += data[position:] if not self.ended else b"?"
        return events

    def _take_whole(self, data: bytes, position: int, events: list[Stdout | Stderr | End]) -> int:
        """Add the complete records from `position` on to `events`; return the end of the last one.

        One loop without calls, because it runs for each record.
        """
        size = len(data)
        out = b""  # consecutive pieces of FCGI_STDOUT are returned as one
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
        """Complete the incomplete record; return how many bytes of `data` it took."""
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
    """Return the error for an invalid record."""
    if version != 1:
        return FastCgiError(f"The application sent a record of version {version}, not 1.")
    if kind not in _EXPECTED:
        return FastCgiError(f"The application sent a record of unexpected type {kind}.")
    return FastCgiError(f"The application responded to request {request_id}, which does not exist.")
