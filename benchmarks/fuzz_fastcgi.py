"""Mutated FastCGI responses for our side: ``python -m benchmarks.fuzz_fastcgi [--count N]``.

N streams (1,000,000), each a valid response whose records were changed, cut, doubled, put in
another order, or replaced, are fed in random pieces to the parser of records, the exchange, and the
parser of heads. For every 500th of N, one stream also goes through a real socket to the class that
runs processes. Only a response and the two typed errors are allowed. Printed are the number of
each, the speed, and by how much the process has grown, with 32 MB as the limit. Everything depends
only on ``--seed``. Exit code 1 if there was any other result.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import socket
import struct
import sys
import time
from dataclasses import dataclass, field

from appsvc_runtime.emulator.iis.fastcgi.cgi_head import CgiHeadError
from appsvc_runtime.emulator.iis.fastcgi.connection import FastCgiConnection
from appsvc_runtime.emulator.iis.fastcgi.exchange import Exchange, Response
from appsvc_runtime.emulator.iis.fastcgi.protocol import (
    BEGIN_REQUEST,
    PARAMS_END,
    STDIN_END,
    End,
    FastCgiError,
    ResponseParser,
    Stdout,
)

LIMIT_MB = 32
HEADS = [
    b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n",
    b"Status: 302 Found\r\nLocation: /a\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n",
    b"Location: /x\n\n",
    b"Status: 500 Internal Server Error\r\n",
    b"X-Name: \xc3\xa9 \xe9\r\n\r\n",
    b"",
]
NASTY = [b"\r\n", b"\n", b"\0", b"\r", b":", b"Status: ", b"\xff", b" ", b"\r\n\r\n"]


@dataclass
class Outcome:
    """The results of the streams; `failures` describes those that are not allowed."""

    answered: int = 0
    refused: int = 0
    unfinished: int = 0
    failures: list[str] = field(default_factory=list)


def make_record(kind: int, content: bytes, rng: random.Random) -> bytes:
    """Return a record with some padding."""
    padding = rng.choice((0, 0, 3, 255))
    header = struct.pack(">BBHHBB", 1, kind, 1, len(content), padding, 0)
    return header + content + bytes(padding)


def make_records(rng: random.Random) -> list[bytes]:
    """Return the records of a valid response."""
    head = rng.choice(HEADS)
    if rng.random() < 0.3 and head:
        at = rng.randrange(len(head))
        head = head[:at] + rng.choice(NASTY) + head[at + rng.randrange(2) :]
    found = [make_record(6, head, rng)]
    for _ in range(rng.randrange(4)):
        size = rng.choice((0, 1, 10, 300)) if rng.random() < 0.99 else 65_535
        found.append(make_record(rng.choice((6, 6, 6, 7)), rng.randbytes(size), rng))
    found.append(make_record(3, bytes(8), rng))
    return found


def mutate(rng: random.Random) -> bytes:
    """Return a stream that is no longer a valid response, or still is one."""
    records = make_records(rng)
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(records))
        what = rng.randrange(7)
        if what == 0:
            records.insert(at, records[rng.randrange(len(records))])
        elif what == 1:
            del records[at]
        elif what == 2:
            rng.shuffle(records)
        elif what == 3:
            records[at] = records[at][: rng.randrange(len(records[at]) + 1)]
        elif what == 4:
            changed = bytearray(records[at])
            if changed:  # in the header, as the content may be any bytes
                changed[rng.randrange(min(len(changed), 12))] = rng.randrange(256)
            records[at] = bytes(changed)
        elif what == 5:
            records.insert(at, rng.randbytes(rng.randrange(20)))
        else:
            kind = rng.randrange(13)
            records[at] = make_record(kind, rng.randbytes(rng.choice((0, 7, 8, 9))), rng)
        if not records:
            break
    return b"".join(records)


def pieces(data: bytes, rng: random.Random) -> list[bytes]:
    """Split a stream as a socket may."""
    if rng.random() < 0.5:
        return [data]
    found = []
    while data:
        size = rng.choice((1, 2, 7, 8, 9, 100, 5000))
        found.append(data[:size])
        data = data[size:]
    return found


def run(parser: ResponseParser, exchange: Exchange, stream: list[bytes]) -> None:
    """Read one response as a connection does."""
    for piece in stream:
        for event in parser.feed(piece):
            if isinstance(event, Stdout):
                exchange.stdout(event.data)
            elif isinstance(event, End):
                exchange.end()
            else:
                exchange.stderr(event.data)


def fuzz_parsers(count: int, seed: int) -> Outcome:
    """Feed `count` streams to the parsers."""
    outcome = Outcome()

    async def all_of_them() -> None:
        for number in range(count):
            rng = random.Random(seed * 1_000_003 + number)
            stream = pieces(mutate(rng), rng)
            exchange = Exchange(b"", limit=rng.choice((0, 100, 1 << 22)))
            try:
                run(ResponseParser(), exchange, stream)
                if exchange.future.done():
                    judge(exchange.future.result(), outcome)
                else:
                    outcome.unfinished += 1
            except (FastCgiError, CgiHeadError):
                outcome.refused += 1
                if exchange.future.done():
                    exchange.future.exception()  # it has been seen
            except Exception as error:
                outcome.failures.append(f"seed {seed}, stream {number}: {error!r}")
            if number % 5000 == 0:
                await asyncio.sleep(0)

    asyncio.run(all_of_them())
    return outcome


def judge(response: Response, outcome: Outcome) -> None:
    """Count a response, and whether it could be sent to a browser."""
    lines = [response.reason, *(text for pair in response.headers for text in pair)]
    if not 200 <= response.status <= 999 or any("\n" in line or "\r" in line for line in lines):
        outcome.failures.append(f"unfit: {response}")
    outcome.answered += 1


async def through_a_socket(stream: list[bytes], outcome: Outcome, which: str) -> None:
    """Send one stream to a connection that waits for a response, then close."""
    ours, theirs = socket.socketpair()
    connection = FastCgiConnection("fuzz", lambda *_: None)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: connection, sock=ours)
    theirs.setblocking(False)
    exchange = Exchange(BEGIN_REQUEST + PARAMS_END + STDIN_END)
    connection.begin(exchange)
    try:
        for piece in stream:
            await loop.sock_sendall(theirs, piece)
    except OSError:
        pass  # the connection has been closed
    theirs.close()
    await asyncio.wait_for(connection.closed.wait(), 10)
    exchange.fail(connection.error or FastCgiError("hung up"))
    try:
        response = await asyncio.wait_for(exchange.response(), 10)
        if not isinstance(response.body, bytes):
            async for _ in response.body:
                pass
        judge(response, outcome)
    except (FastCgiError, CgiHeadError):
        outcome.refused += 1
    except Exception as error:
        outcome.failures.append(f"{which}: {error!r}")
    connection.abort()
    await asyncio.sleep(0)


def fuzz_connections(count: int, seed: int) -> Outcome:
    """Send `count` streams through real sockets."""
    outcome = Outcome()

    async def all_of_them() -> None:
        for number in range(count):
            rng = random.Random(seed * 7_000_003 + number)
            stream = pieces(mutate(rng), rng)
            await through_a_socket(stream, outcome, f"seed {seed}, socket {number}")

    asyncio.run(all_of_them())
    return outcome


def peak() -> int:
    """Return the process's peak memory in KB."""
    import resource  # missing on Windows, where tests use the rest of this module

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def grown(before: int) -> float:
    """Return by how many MB the process's peak memory has grown."""
    return (peak() - before) / 1024


def main() -> int:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    fuzz_parsers(1000, seed=99)  # loads and caches what is needed once
    before = peak()
    failures = 0
    for name, fuzz, count in (
        ("parsers", fuzz_parsers, options.count),
        ("sockets", fuzz_connections, max(options.count // 500, 1)),
    ):
        begun = time.perf_counter()
        outcome = fuzz(count, options.seed)
        rate = count / (time.perf_counter() - begun)
        print(
            f"{name}: {count} streams, {rate:.0f}/s; answered {outcome.answered}, refused "
            f"{outcome.refused}, unfinished {outcome.unfinished}, failed {len(outcome.failures)}; "
            f"grown by {grown(before):.1f} MB"
        )
        for failure in outcome.failures[:10]:
            print("  " + failure)
        failures += len(outcome.failures)
    if grown(before) > LIMIT_MB:
        print(f"more than {LIMIT_MB} MB")
        failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
