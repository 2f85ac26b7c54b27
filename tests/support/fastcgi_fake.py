"""A FastCGI application that misbehaves as its arguments specify: a script, one word per request.

`python fastcgi_fake.py WORD...`: the first word specifies the response to the first request, and so
on; the last word is used for all further requests. Must not import the package under test.
"""

from __future__ import annotations

import os
import struct
import sys
import time

HEAD = b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n"
STDOUT, STDERR, END = 6, 7, 3


def record(kind: int, content: bytes = b"", *, version: int = 1, number: int = 1) -> bytes:
    """Return a record with three bytes of padding."""
    return struct.pack(">BBHHBB", version, kind, number, len(content), 3, 0) + content + b"pad"


def end(app: int = 0, protocol: int = 0) -> bytes:
    """Return the record that ends a request."""
    return record(END, struct.pack(">IB3x", app, protocol))


def say(data: bytes) -> None:
    """Write all of the data to the web server."""
    view = memoryview(data)
    while view:
        view = view[os.write(0, view) :]


def read(size: int) -> bytes:
    """Read exactly so many bytes; exit at the end of the connection."""
    data = b""
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece:
            os._exit(0)
        data += piece
    return data


def read_record() -> tuple[int, bytes]:
    """Read one record; return its type and content."""
    _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", read(8))
    return kind, read(length + padding)[:length]


def read_request(*, body: bool = True) -> int:
    """Read a request; return the length of its body."""
    size = 0
    while True:
        kind, content = read_record()
        if kind == 4 and not content and not body:
            return 0
        if kind == 5:
            if not content:
                return size
            size += len(content)


def answer(body: bytes = b"fine") -> bytes:
    """Send a valid response."""
    return record(STDOUT, HEAD) + record(STDOUT, body) + end()


def leave(code: int) -> None:
    """End the process at once."""
    sys.stdout.flush()
    os._exit(code)


def act(word: str) -> None:
    """Respond to one request."""
    if word.startswith("early"):
        read_request(body=False)
        say(answer(b"early"))
        return
    if word == "deaf":
        read_request(body=False)
        time.sleep(60)
    size = read_request()
    name, _, value = word.partition("=")
    if name == "fine":
        say(answer(value.encode() or b"fine"))
    elif name == "size":
        say(answer(str(size).encode()))
    elif name == "pid":
        say(answer(str(os.getpid()).encode()))
    elif name == "raw":
        say(bytes.fromhex(value))
    elif name == "head":
        say(record(STDOUT, bytes.fromhex(value)) + end())
    elif name == "half":
        say(answer()[:30])
        leave(4)
    elif name == "part":  # as wfastcgi does when its watcher ends it in the middle of a response
        say(answer()[: int(value)])
        leave(0)
    elif name == "cut":
        say(record(STDOUT, HEAD + b"x" * 50_000))
        leave(5)
    elif name == "exit":
        print("last words", flush=True)
        leave(int(value))
    elif name == "hangup":
        os.close(0)
        time.sleep(60)
    elif name == "hang":
        time.sleep(60)
    elif name == "slow":
        for number in range(int(value or 6)):
            say(record(STDOUT, b"." if number else HEAD))
            time.sleep(0.15)
        say(end())
    elif name == "trickle":
        for byte in answer():
            say(bytes([byte]))
    elif name == "stderr":
        say(record(STDERR, b"it broke") + record(STDERR) + end())
    elif name == "stderr-after":
        say(record(STDOUT, HEAD + b"part") + record(STDERR, b"it broke\nlate") + end())
    elif name == "stderr-flood":
        for _ in range(200):
            say(record(STDERR, b"e" * 65535))
        say(end())
    elif name == "big":
        say(record(STDOUT, HEAD))
        piece = record(STDOUT, b"x" * 65535)
        for _ in range(int(value)):
            say(piece)
        say(end())
    elif name == "tiny":
        say(record(STDOUT, HEAD) + record(STDOUT, b"y") * int(value) + end())
    elif name == "surplus":
        say(answer() + record(STDOUT, b"more"))
    elif name == "child":
        os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "60")  # keeps this process's standard input open
        leave(6)
    else:
        raise ValueError(word)


def main(words: list[str]) -> None:
    """Respond to requests until the connection ends."""
    while True:
        act(words[0])
        if len(words) > 1:
            words = words[1:]


if __name__ == "__main__":
    main(sys.argv[1:])
