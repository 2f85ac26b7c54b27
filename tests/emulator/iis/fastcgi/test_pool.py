"""Pools of FastCGI processes: their number, queue and replacement, with the real wfastcgi."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Answer, Request, StoppedError
from appsvc_runtime.emulator.iis.fastcgi.launch import Launcher
from appsvc_runtime.emulator.iis.fastcgi.pool import Pool
from appsvc_runtime.errors import ConfigError
from tests.support.fastcgi_emulated import (
    Log,
    Running,
    Varying,
    application,
    body_of,
    fake,
    params,
    pieces,
    real,
    run_pool,
    until,
)

pytestmark = pytest.mark.integration


def pid_of(answer: Answer) -> str:
    """Return the id of the process that responded."""
    return answer.headers["X-Pid"]


def test_one_process_answers_one_after_the_other(tmp_path: Path) -> None:
    """One process suffices if no request has to wait; its name is the note."""
    log = Log()

    async def work(running: Running) -> None:
        answers = [await running.get() for _ in range(3)]
        assert len({pid_of(answer) for answer in answers}) == 1
        assert [answer.note for answer in answers] == ["python-1"] * 3
        assert answers[0].reason == "OK"
        assert running.pool.labels == ["python-1"]

    run_pool(real(tmp_path, log), tmp_path, log, work)


@pytest.mark.parametrize("most", [1, 3])
def test_as_many_processes_as_there_may_be(tmp_path: Path, most: int) -> None:
    """Each request that would wait gets a new process, up to maxInstances; then requests wait."""
    log = Log()

    async def work(running: Running) -> None:
        answers = await asyncio.gather(*(running.get("/slow") for _ in range(5)))
        assert [answer.status for answer in answers] == [200] * 5
        assert len({pid_of(answer) for answer in answers}) == most
        assert len(running.pool.labels) == most

    run_pool(real(tmp_path, log), tmp_path, log, work, max_instances=most)


def test_none_means_the_number_of_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """maxInstances 0 means the number of cores, the default of IIS 8 and later."""
    log = Log()
    monkeypatch.setattr("appsvc_runtime.system.process.cpu_count", lambda: 2)

    async def work(running: Running) -> None:
        await asyncio.gather(*(running.get("/slow") for _ in range(4)))
        assert len(running.pool.labels) == 2

    run_pool(real(tmp_path, log), tmp_path, log, work, max_instances=0)


def test_a_full_queue_is_a_503(tmp_path: Path) -> None:
    """This happens when queueLength requests are waiting already."""
    log = Log()

    async def work(running: Running) -> None:
        answers = await asyncio.gather(*(running.get() for _ in range(4)))
        assert sorted(answer.status for answer in answers) == [200, 200, 200, 503]
        refused = next(answer for answer in answers if answer.status == 503)
        assert b"queueLength" in await body_of(refused)

    run_pool(fake(tmp_path, log, "slow=3"), tmp_path, log, work, max_instances=1, queue_length=2)


def test_a_visitor_who_leaves_the_queue_is_not_served(tmp_path: Path) -> None:
    """The next request in the queue is served."""
    log = Log()

    async def work(running: Running) -> None:
        first, second, third = (asyncio.create_task(running.get()) for _ in range(3))
        await asyncio.sleep(0.1)
        second.cancel()
        await asyncio.wait([first, second, third])
        assert [await body_of(task.result()) for task in (first, third)] == [b".....", b"2nd"]

    run_pool(
        fake(tmp_path, log, "slow", "fine=2nd", "fine=3rd"), tmp_path, log, work, max_instances=1
    )


def test_a_process_is_replaced_after_its_requests(tmp_path: Path) -> None:
    """After instanceMaxRequests a new process takes over, and no client notices."""
    log = Log()

    async def work(running: Running) -> None:
        answers = [await running.get() for _ in range(5)]
        assert [answer.note for answer in answers] == [
            "python-1", "python-1", "python-2", "python-2", "python-3",
        ]  # fmt: skip

    run_pool(real(tmp_path, log), tmp_path, log, work, instance_max_requests=2)
    assert "python-1: (It has had 2 requests (instanceMaxRequests). It is replaced.)" in log.text


def test_a_process_without_work_is_ended(tmp_path: Path) -> None:
    """It ends after idleTimeout; the next request starts another."""
    log = Log()

    async def work(running: Running) -> None:
        await running.get()
        await until(lambda: not running.pool.labels, "its end")
        assert (await running.get()).note == "python-2"

    run_pool(real(tmp_path, log), tmp_path, log, work, idle_timeout=0.3)
    assert "idleTimeout" in log.text


@pytest.mark.parametrize(
    ("word", "status", "text"),
    [
        pytest.param("half", 502, "half a record", id="half-a-record"),
        pytest.param("raw=deadbeefdeadbeef", 502, "version 222", id="rubbish"),
        pytest.param("exit=3", 502, "last words", id="exit"),
        pytest.param("hangup", 502, "closed the connection", id="hang-up"),
        pytest.param("hang", 500, "activity timeout", id="hang"),
        pytest.param("head=00", 502, "not a header", id="head"),
        pytest.param("stderr", 500, "it broke", id="standard-error"),
    ],
)
def test_a_failure_costs_one_request(tmp_path: Path, word: str, status: int, text: str) -> None:
    """The page shows what happened; the next request succeeds."""
    log = Log()

    async def work(running: Running) -> None:
        answer = await running.get()
        assert answer.status == status, answer
        assert text in (await body_of(answer)).decode()
        assert "fake-1" in answer.note
        assert await running.text() == "fine"

    launcher = Varying(tmp_path, log, [word, "fine"], ["fine"], activity_timeout=0.5)
    run_pool(launcher, tmp_path, log, work)


def test_a_page_is_of_the_visitors_kind(tmp_path: Path) -> None:
    """A browser gets HTML, with the output of the process escaped."""
    log = Log()

    async def work(running: Running) -> None:
        request = Request("GET", "/", CIMultiDict({"Accept": "text/html"}))
        answer = await running.get(request=request)
        assert answer.headers["Content-Type"].startswith("text/html")
        assert b"last words" in await body_of(answer)

    run_pool(fake(tmp_path, log, "exit=3"), tmp_path, log, work)


def test_processes_that_die_again_and_again_are_not_started_for_ever(tmp_path: Path) -> None:
    """After the failures allowed in a minute, every request gets 500 at once."""
    log = Log()

    async def work(running: Running) -> None:
        answers = [await running.get() for _ in range(8)]
        assert [answer.status for answer in answers] == [502] * 4 + [500] * 4
        assert b"within a minute" in await body_of(answers[-1])
        waiting = await asyncio.gather(*(running.get() for _ in range(20)))
        assert {answer.status for answer in waiting} == {500}

    run_pool(fake(tmp_path, log, "exit=1"), tmp_path, log, work, rapid=3)
    assert log.text.count("last words") == 4


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    """The page names the program, and so does the error that `start` raises."""
    log = Log()
    launcher = Launcher(["/nowhere/p"], application(), log, environ={}, folder=tmp_path)

    async def work() -> None:
        pool = Pool(application(), launcher.start, log, rapid_fails_per_minute=3)
        with pytest.raises(ConfigError, match="nowhere"):
            await pool.start()
        answers = await asyncio.gather(*(pool.ask(params(tmp_path)) for _ in range(9)))
        assert {answer.status for answer in answers} == {500, 502}
        assert b"nowhere" in await body_of(answers[0])
        await pool.close()

    with launcher:
        asyncio.run(work())


def test_processes_that_end_late_after_an_error(tmp_path: Path) -> None:
    """On a busy machine they have not ended yet when the next request is theirs: it goes on."""
    log = Log()
    ends_late = ["stderr", "exit=0"]
    launcher = Varying(tmp_path, log, ends_late, ends_late, ["fine"])

    async def work(running: Running) -> None:
        answers = await asyncio.gather(*(running.get() for _ in range(2)))
        assert [answer.status for answer in answers] == [500] * 2
        await until(lambda: len(running.pool._idle) == 2, "both are taken for alive")
        assert await running.text() == "fine"

    run_pool(launcher, tmp_path, log, work, warm=False, max_instances=2)


def test_a_broken_site_shows_its_error_to_everyone(tmp_path: Path) -> None:
    """wfastcgi ends after such a 500; each waiting request gets a process of its own, and a 500."""
    log = Log()

    async def work(running: Running) -> None:
        answers = await asyncio.gather(*(running.get() for _ in range(6)))
        assert [answer.status for answer in answers] == [500] * 6
        for answer in answers:
            assert b"could not be imported" in await body_of(answer)

    launcher = real(tmp_path, log, settings={"WSGI_HANDLER": "nothing.there"})
    run_pool(launcher, tmp_path, log, work, max_instances=2)


def test_a_clean_end_under_a_request_is_made_good(tmp_path: Path) -> None:
    """This happens if wfastcgi ends for a changed file. A program that always ends is a 502."""
    log = Log()
    launcher = Varying(tmp_path, log, ["exit=0"], ["fine", "exit=0"], ["exit=0"])

    async def work(running: Running) -> None:
        assert await running.text() == "fine"
        answer = await running.get()
        assert answer.status == 502
        # The second process had served a request; three others had not.
        assert log.text.count("last words") == 1 + 1 + 3

    run_pool(launcher, tmp_path, log, work)


def test_a_request_that_meets_one_ending_process_after_another(tmp_path: Path) -> None:
    """All processes that have loaded the app end when a file changes; a new one responds."""
    log = Log()
    launcher = Varying(tmp_path, log, *[["slow=2", "exit=0"]] * 4, ["fine"])

    async def work(running: Running) -> None:
        await asyncio.gather(*(running.get() for _ in range(4)))
        await until(lambda: len(running.pool._idle) == 4, "four processes")
        assert await running.text() == "fine"
        assert log.text.count("last words") == 4

    run_pool(launcher, tmp_path, log, work, max_instances=4)


@pytest.mark.parametrize(
    ("method", "status"),
    [("HEAD", 200), ("OPTIONS", 200), ("POST", 502), ("PUT", 502), ("DELETE", 502), ("get", 502)],
)
def test_only_a_safe_request_is_sent_again(tmp_path: Path, method: str, status: int) -> None:
    """The app may have served it before its process ended; the page of another one tells."""
    log = Log()
    launcher = Varying(tmp_path, log, ["fine", "exit=0"], ["fine"])

    async def work(running: Running) -> None:
        assert await running.text() == "fine"
        sent = params(tmp_path, method=method)
        answer = await running.pool.ask(sent, pieces(10), 10)
        assert answer.status == status
        if status == 502:
            assert b"not sent again" in await body_of(answer)
        assert await running.text() == "fine"

    run_pool(launcher, tmp_path, log, work)


def test_waiting_requests_go_to_the_pool_that_replaces_it(tmp_path: Path) -> None:
    """The host sends them there; one whose body was read already stays with this pool."""
    log = Log()

    async def work(running: Running) -> None:
        first = asyncio.create_task(running.get())
        form = asyncio.create_task(
            running.pool.ask(params(tmp_path, method="POST"), pieces(10), 10)
        )
        waiting = [asyncio.create_task(running.get()) for _ in range(2)]
        await until(lambda: len(running.pool._waiting) == 3, "that they wait")
        running.pool.give_up()
        for each in (*waiting, asyncio.create_task(running.get())):
            with pytest.raises(StoppedError):
                await each
        assert [(await each).status for each in (first, form)] == [200, 200]
        log("test", "all went well")

    launcher = fake(tmp_path, log, "slow", "fine")
    with pytest.raises(StoppedError):  # run_pool asks once more, after the end
        run_pool(launcher, tmp_path, log, work, max_instances=1)
    assert "all went well" in log.text


def test_what_no_process_has_received_is_sent_again(tmp_path: Path) -> None:
    """A process that has just died takes nothing of a request, of whatever method."""
    log = Log()

    async def work(running: Running) -> None:
        assert await running.text() == "fine"
        [process] = running.pool._processes
        assert process._transport is not None
        connection = process._transport.get_extra_info("socket")
        os.kill(process.pid, signal.SIGKILL)
        assert select.select([connection.fileno()], [], [], 30)[0], "its end"
        # The event loop has not run since, so the pool takes the process for alive.
        answer = await running.pool.ask(params(tmp_path, method="POST"), pieces(10), 10)
        assert (answer.status, await body_of(answer)) == (200, b"fine")
        assert "signal" in log.text or "exit code -9" in log.text

    run_pool(fake(tmp_path, log, "fine"), tmp_path, log, work)


@pytest.mark.parametrize("size", [3, 30, 50, 56], ids=lambda size: f"{size}-bytes")
def test_a_clean_end_in_the_middle_of_an_answer_is_made_good(tmp_path: Path, size: int) -> None:
    """No client has seen what IIS held back; a client that has seen a part gets an error."""
    log = Log()
    launcher = Varying(tmp_path, log, [f"part={size}"], ["fine"])

    async def work(running: Running) -> None:
        assert await running.text() == "fine"
        assert len(launcher.made) == 2
        assert "It has ended by itself, code 0.)" in log.text

    run_pool(launcher, tmp_path, log, work)


def test_a_body_that_was_begun_is_not_sent_twice(tmp_path: Path) -> None:
    """A long body cannot be read again; a short one is kept."""
    log = Log()
    launcher = Varying(tmp_path, log, ["exit=0"], ["exit=0"], ["size"])

    async def work(running: Running) -> None:
        answer = await running.pool.ask(params(tmp_path), pieces(100_000), 100_000)
        assert answer.status == 502
        assert len(launcher.made) == 1
        answer = await running.pool.ask(params(tmp_path), pieces(1000), 1000)
        assert await body_of(answer) == b"1000"
        assert len(launcher.made) == 3

    run_pool(launcher, tmp_path, log, work)


@pytest.mark.parametrize(
    ("sent", "length", "status"),
    [
        pytest.param(0, 0, 200, id="none"),
        pytest.param(10, 10, 200, id="short"),
        pytest.param(300_000, 300_000, 200, id="long"),
        pytest.param(300_000, None, 200, id="of-unknown-length"),
        pytest.param(9, 10, 400, id="too-short"),
        pytest.param(11, 10, 400, id="too-long"),
    ],
)
def test_bodies(tmp_path: Path, sent: int, length: int | None, status: int) -> None:
    """Bodies arrive completely, or the request is refused."""
    log = Log()

    async def work(running: Running) -> None:
        answer = await running.pool.ask(params(tmp_path), pieces(sent), length)
        assert answer.status == status
        if status == 200:
            assert await body_of(answer) == b"number 1, %d bytes" % sent

    run_pool(real(tmp_path, log), tmp_path, log, work)


def test_a_slow_form_takes_no_process(tmp_path: Path) -> None:
    """A short body is read before a process is taken."""
    log = Log()
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await go_on.wait()
        yield b"b"

    async def work(running: Running) -> None:
        form = asyncio.create_task(running.pool.ask(params(tmp_path), slow(), 2))
        assert await running.text() == "number 1, 0 bytes"
        go_on.set()
        assert await body_of(await form) == b"number 1, 2 bytes"

    run_pool(real(tmp_path, log), tmp_path, log, work, max_instances=1)


def test_long_answers_are_streamed(tmp_path: Path) -> None:
    """If the client stops reading, the response is dropped and the process kept."""
    log = Log()

    async def work(running: Running) -> None:
        answer = await running.get("/big?200")
        assert not isinstance(answer.body, bytes)
        assert len(await body_of(answer)) == 200 * 65_536
        answer = await running.get("/big?200")
        assert not isinstance(answer.body, bytes)
        await answer.body.__anext__()
        await answer.body.aclose()  # type: ignore[attr-defined]
        assert await running.text() == "number 1, 0 bytes"

    run_pool(real(tmp_path, log), tmp_path, log, work, max_instances=1)
    assert "python-2" not in log.text
