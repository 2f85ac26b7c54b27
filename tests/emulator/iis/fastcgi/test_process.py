"""One FastCGI process: its responses, its failures, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from appsvc_runtime.emulator.iis.fastcgi.cgi_head import CgiHeadError
from appsvc_runtime.emulator.iis.fastcgi.errors import FastCgiExitError, FastCgiTimeoutError
from appsvc_runtime.emulator.iis.fastcgi.exchange import ResponseStream
from appsvc_runtime.emulator.iis.fastcgi.launch import Launcher
from appsvc_runtime.emulator.iis.fastcgi.process import FastCgiProcess
from appsvc_runtime.emulator.iis.fastcgi.protocol import FastCgiError
from appsvc_runtime.errors import ConfigError
from benchmarks.fuzz_fastcgi import fuzz_connections
from tests.support.fastcgi_emulated import (
    Log,
    application,
    body_of,
    fake,
    params,
    pieces,
    run_process,
    until,
)

pytestmark = pytest.mark.integration


def test_requests_follow_one_another(tmp_path: Path) -> None:
    """One process responds to all of them, whatever pieces its responses come in."""

    async def work(process: FastCgiProcess) -> None:
        first = await process.request(params(tmp_path))
        assert (first.status, first.reason, first.body) == (200, "OK", b"fine")
        assert first.headers == [("Content-Type", "text/plain")]
        assert (await process.request(params(tmp_path))).body == b"fine"
        assert (await process.request(params(tmp_path))).body == str(process.pid).encode()
        assert process.served == 3

    assert run_process(fake(tmp_path, Log(), "fine", "trickle", "pid"), work).returncode == 0


@pytest.mark.parametrize(
    ("size", "length"),
    [
        pytest.param(3, 3, id="small"),
        pytest.param(1_000_000, 1_000_000, id="large"),
        pytest.param(200_000, None, id="of-unknown-length"),
    ],
)
def test_bodies_arrive(tmp_path: Path, size: int, length: int | None) -> None:
    """A body is sent in records, ended by an empty one."""

    async def work(process: FastCgiProcess) -> None:
        answer = await process.request(params(tmp_path), pieces(size), length)
        assert answer.body == str(size).encode()

    run_process(fake(tmp_path, Log(), "size"), work)


@pytest.mark.parametrize(
    ("word", "message", "code"),
    [
        pytest.param("raw=" + b"HTTP/1.1 200 OK\r\n\r\n".hex(), "version 72", None, id="http"),
        pytest.param("raw=" + bytes.fromhex("0109000100000000").hex(), "type 9", None, id="type"),
        pytest.param("half", "half a record sent", 4, id="half-a-record"),
        pytest.param("cut", "exit code 5", 5, id="half-an-answer"),
        pytest.param("exit=3", "exit code 3", 3, id="exit"),
        pytest.param("hangup", "closed the connection", -9, id="hang-up"),
        pytest.param("child", "exit code 6", 6, id="exit-with-a-child-that-holds-on"),
    ],
)
def test_a_process_that_fails_costs_one_request(
    tmp_path: Path, word: str, message: str, code: int | None
) -> None:
    """A typed error tells how it ended, and nothing of the process is left."""

    async def work(process: FastCgiProcess) -> None:
        with pytest.raises(FastCgiExitError, match=message) as caught:
            await asyncio.wait_for(process.request(params(tmp_path)), 10)
        assert code in (None, caught.value.returncode)
        assert not caught.value.clean
        assert ("last words" in caught.value.output) == (word == "exit=3")
        await until(process.gone.is_set, "its end")
        assert process.failure

    run_process(fake(tmp_path, Log(), word), work)


def test_an_end_with_zero_is_clean(tmp_path: Path) -> None:
    """wfastcgi ends like this when a file has changed: the request may be repeated."""

    async def work(process: FastCgiProcess) -> None:
        with pytest.raises(FastCgiExitError) as caught:
            await process.request(params(tmp_path))
        assert caught.value.clean

    run_process(fake(tmp_path, Log(), "exit=0"), work)


def test_a_head_that_is_none_costs_the_answer_only(tmp_path: Path) -> None:
    """The process continues to be used."""

    async def work(process: FastCgiProcess) -> None:
        with pytest.raises(CgiHeadError):
            await process.request(params(tmp_path))
        assert (await process.request(params(tmp_path))).body == b"fine"

    run_process(fake(tmp_path, Log(), "head=" + b"A: b\0\r\n\r\n".hex(), "fine"), work)


def test_what_follows_an_answer_ends_the_process(tmp_path: Path) -> None:
    """The response itself is valid."""

    async def work(process: FastCgiProcess) -> None:
        assert (await process.request(params(tmp_path))).body == b"fine"
        await until(process.gone.is_set, "its end")
        assert "no request" in process.failure

    run_process(fake(tmp_path, Log(), "surplus"), work)


@pytest.mark.parametrize("word", ["stderr", "stderr-after"])
def test_text_on_stderr_is_a_500_with_it(tmp_path: Path, word: str) -> None:
    """This holds also after a part of the response, if that was not sent on yet."""
    log = Log()

    async def work(process: FastCgiProcess) -> None:
        answer = await process.request(params(tmp_path))
        assert answer.status == 500
        assert answer.headers == [("Content-Type", "text/plain; charset=utf-8")]
        assert isinstance(answer.body, bytes)
        assert answer.body.startswith(b"it broke")
        assert not answer.body.endswith(b"part")

    run_process(fake(tmp_path, log, word), work)
    assert ("fake-1", "it broke") in log.lines


def test_text_on_stderr_after_the_flush_goes_to_the_log(tmp_path: Path) -> None:
    """The response is already being sent by then."""
    log = Log()

    async def work(process: FastCgiProcess) -> None:
        answer = await process.request(params(tmp_path), limit=0)
        assert (answer.status, await body_of(answer)) == (200, b"part")

    run_process(fake(tmp_path, log, "stderr-after"), work)
    assert ("fake-1", "late") in log.lines


def test_a_flood_on_stderr_is_bounded(tmp_path: Path) -> None:
    """The page has the beginning of the text."""

    async def work(process: FastCgiProcess) -> None:
        answer = await process.request(params(tmp_path))
        assert isinstance(answer.body, bytes)
        assert (answer.status, len(answer.body)) == (500, 65_536)

    run_process(fake(tmp_path, Log(), "stderr-flood"), work)


def test_long_answers_are_streamed(tmp_path: Path) -> None:
    """Responses of 4 MiB or more are streamed, no faster than they are read."""

    async def work(process: FastCgiProcess) -> None:
        answer = await process.request(params(tmp_path))
        assert isinstance(answer.body, ResponseStream)
        await asyncio.sleep(0.2)  # nothing reads: only the buffered part may arrive
        size = 0
        async for piece in answer.body:
            size += len(piece)
            assert len(piece) < 5_000_000
        assert size == 65_535 * 200
        assert (await process.request(params(tmp_path))).body == b"fine"

    run_process(fake(tmp_path, Log(), "big=200", "fine"), work)


def test_an_answer_of_many_small_records_is_whole(tmp_path: Path) -> None:
    """Each record has one byte."""

    async def work(process: FastCgiProcess) -> None:
        answer = await process.request(params(tmp_path))
        assert await body_of(answer) == b"y" * 100_000

    run_process(fake(tmp_path, Log(), "tiny=100000"), work)


def test_a_stream_is_cut_where_the_process_dies(tmp_path: Path) -> None:
    """An error replaces the rest, so that the part cannot be taken for the whole."""

    async def work(process: FastCgiProcess) -> None:
        answer = await process.request(params(tmp_path), limit=0)
        with pytest.raises(FastCgiExitError, match="exit code 5"):
            await body_of(answer)

    run_process(fake(tmp_path, Log(), "cut"), work)


def test_an_answer_before_the_end_of_the_body(tmp_path: Path) -> None:
    """It is passed on at once; the process has not read all, and takes no other request."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0.001)

    async def work(process: FastCgiProcess) -> None:
        body = endless()
        async with aclosing(body):  # type: ignore[type-var]
            answer = await process.request(params(tmp_path), body, None)
            assert answer.body == b"early"
        await until(process.gone.is_set, "its end")

    run_process(fake(tmp_path, Log(), "early"), work)


def test_a_process_that_reads_nothing_is_not_sent_everything(tmp_path: Path) -> None:
    """Sending stops, and the activity timeout ends the process."""
    taken = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 65_536
            yield bytes(65_536)

    async def work(process: FastCgiProcess) -> None:
        with pytest.raises(FastCgiTimeoutError):
            await process.request(params(tmp_path), counted(), None)
        assert taken < 3_000_000

    run_process(fake(tmp_path, Log(), "deaf", activity_timeout=0.5), work)


@pytest.mark.parametrize(
    ("word", "limits", "message"),
    [
        pytest.param("hang", {"activity_timeout": 1}, "activity timeout", id="silent"),
        pytest.param("slow=60", {"request_timeout": 1}, "request timeout", id="too-long"),
    ],
)  # fmt: skip
def test_time_limits(tmp_path: Path, word: str, limits: dict[str, float], message: str) -> None:
    """IIS has two: seconds without a byte, and seconds for a request. Both end the process."""

    async def work(process: FastCgiProcess) -> None:
        begun = time.monotonic()
        with pytest.raises(FastCgiTimeoutError, match=message):
            await process.request(params(tmp_path))
        assert 0.9 < time.monotonic() - begun < 5

    run_process(fake(tmp_path, Log(), word, **limits), work)


def test_signs_of_life_keep_a_slow_answer(tmp_path: Path) -> None:
    """It takes nine tenths of a second, with a limit of half a second between two bytes."""

    async def work(process: FastCgiProcess) -> None:
        assert (await process.request(params(tmp_path))).body == b"....."
        await asyncio.sleep(0.6)  # there is no limit without a request
        assert (await process.request(params(tmp_path))).body == b"....."

    run_process(fake(tmp_path, Log(), "slow", activity_timeout=0.5), work)


def test_a_visitor_who_leaves_leaves_the_process(tmp_path: Path) -> None:
    """It completes its response, which is dropped; the next request gets its own response."""

    async def work(process: FastCgiProcess) -> None:
        first = asyncio.create_task(process.request(params(tmp_path)))
        await until(lambda: process.busy, "the request")
        first.cancel()
        await asyncio.wait([first])
        assert process.busy
        await until(lambda: not process.busy, "its end")
        assert (await process.request(params(tmp_path))).body == b"fine"

    run_process(fake(tmp_path, Log(), "slow", "fine"), work)


def test_a_visitor_who_leaves_in_a_stream(tmp_path: Path) -> None:
    """The rest is read and dropped."""

    async def work(process: FastCgiProcess) -> None:
        answer = await process.request(params(tmp_path))
        assert isinstance(answer.body, ResponseStream)
        await answer.body.aclose()
        await until(lambda: not process.busy, "its end")
        assert (await process.request(params(tmp_path))).body == b"fine"

    run_process(fake(tmp_path, Log(), "big=300", "fine"), work)


@pytest.mark.parametrize("cancel", [True, False], ids=["gone", "broken"])
def test_a_visitor_who_leaves_within_the_body_costs_the_process(
    tmp_path: Path, cancel: bool
) -> None:
    """Otherwise the process would take the part that was sent for the whole body."""

    async def half() -> AsyncIterator[bytes]:
        yield b"x" * 100
        if cancel:
            await asyncio.sleep(60)
        raise ConnectionResetError("the client")

    async def work(process: FastCgiProcess) -> None:
        request = asyncio.create_task(process.request(params(tmp_path), half(), 1000))
        await asyncio.sleep(0.1)
        if cancel:
            request.cancel()
        with pytest.raises((asyncio.CancelledError, ConnectionResetError)):
            await request
        await until(process.gone.is_set, "its end")
        assert process.failure == ""

    run_process(fake(tmp_path, Log(), "fine"), work)


@pytest.mark.parametrize("size", [99, 101])
def test_a_body_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    """The body is neither too short nor too long."""

    async def work(process: FastCgiProcess) -> None:
        with pytest.raises(FastCgiError, match=f"{size} bytes instead of 100"):
            await process.request(params(tmp_path), pieces(size), 100)

    run_process(fake(tmp_path, Log(), "fine"), work)


def test_a_process_that_does_not_leave_is_killed(tmp_path: Path) -> None:
    """It is killed after its grace period."""

    async def work(process: FastCgiProcess) -> None:
        request = asyncio.create_task(process.request(params(tmp_path)))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await process.close(grace=0.3)
        assert time.monotonic() - begun < 5
        with pytest.raises(FastCgiExitError):
            await request

    assert run_process(fake(tmp_path, Log(), "hang"), work).returncode == -9


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """The error names the program; nothing stays open."""
    argv = ["/nowhere/python", "x.py"]
    with (
        Launcher(argv, application(), Log(), environ={}, folder=tmp_path) as launcher,
        pytest.raises(ConfigError, match="nowhere"),
    ):
        asyncio.run(launcher.start())


def test_mutated_streams_through_sockets() -> None:
    """A part of the fuzz run."""
    assert fuzz_connections(100, seed=3).failures == []
