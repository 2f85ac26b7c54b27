"""Many FastCGI processes: how many, who waits, who is replaced and why, with the real wfastcgi."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.exchange import Answer, Request
from appsvc_runtime.emulator.fastcgilaunch import Launcher
from appsvc_runtime.emulator.fastcgipool import Pool
from appsvc_runtime.emulator.watching import watch
from appsvc_runtime.errors import ConfigError
from tests.support.fastcgi_emulated import (
    APP,
    Log,
    Varying,
    application,
    body_of,
    fake,
    gone,
    params,
    pieces,
    real,
    until,
)


class Running:
    """A pool that runs, and what it started."""

    def __init__(self, pool: Pool, launcher: Launcher, folder: Path, log: Log) -> None:
        self.pool = pool
        self.launcher = launcher
        self.folder = folder
        self.log = log

    async def get(self, target: str = "/", **more: object) -> Answer:
        """Ask for something."""
        return await self.pool.ask(params(self.folder, target), **more)  # type: ignore[arg-type]

    async def text(self, target: str = "/") -> str:
        """Ask for something that is there."""
        answer = await self.get(target)
        assert answer.status == 200, answer
        return (await body_of(answer)).decode()


def run(
    launcher: Launcher, folder: Path, log: Log, work: Callable[[Running], Awaitable[None]],
    *, warm: bool = True, rapid: int = 10, **settings: float,
) -> None:  # fmt: skip
    """Run a pool, work with it, close it; see that no process is left."""
    pids = []

    async def all_of_it() -> None:
        async def start():  # type: ignore[no-untyped-def]
            process = await launcher.start()
            pids.append(process.pid)
            return process

        pool = Pool(application(**settings), start, log, rapid_fails_per_minute=rapid)
        try:
            if warm:
                await pool.start()
            await asyncio.wait_for(work(Running(pool, launcher, folder, log)), 30)
        finally:
            await pool.close()
        assert pool.labels == []
        refused = await pool.ask(params(folder))
        assert refused.status == 503

    with launcher:
        asyncio.run(all_of_it())
    assert pids
    assert [pid for pid in pids if not gone(pid)] == []


def pid_of(answer: Answer) -> str:
    """Give the process that answered."""
    return answer.headers["X-Pid"]


def test_one_process_answers_one_after_the_other(tmp_path: Path) -> None:
    """As long as nobody has to wait; its name is the note."""
    log = Log()

    async def work(running: Running) -> None:
        answers = [await running.get() for _ in range(3)]
        assert len({pid_of(answer) for answer in answers}) == 1
        assert [answer.note for answer in answers] == ["python-1"] * 3
        assert answers[0].reason == "OK"
        assert running.pool.labels == ["python-1"]

    run(real(tmp_path, log), tmp_path, log, work)


@pytest.mark.parametrize("most", [1, 3])
def test_as_many_processes_as_there_may_be(tmp_path: Path, most: int) -> None:
    """A new one for each request that would wait, up to maxInstances; then they wait."""
    log = Log()

    async def work(running: Running) -> None:
        answers = await asyncio.gather(*(running.get("/slow") for _ in range(5)))
        assert [answer.status for answer in answers] == [200] * 5
        assert len({pid_of(answer) for answer in answers}) == most
        assert len(running.pool.labels) == most

    run(real(tmp_path, log), tmp_path, log, work, max_instances=most)


def test_none_means_the_number_of_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As IIS 8 and later have it by default."""
    log = Log()
    monkeypatch.setattr("appsvc_runtime.process.cpu_count", lambda: 2)

    async def work(running: Running) -> None:
        await asyncio.gather(*(running.get("/slow") for _ in range(4)))
        assert len(running.pool.labels) == 2

    run(real(tmp_path, log), tmp_path, log, work, max_instances=0)


def test_a_full_queue_is_a_503(tmp_path: Path) -> None:
    """With queueLength waiting already."""
    log = Log()

    async def work(running: Running) -> None:
        answers = await asyncio.gather(*(running.get() for _ in range(4)))
        assert sorted(answer.status for answer in answers) == [200, 200, 200, 503]
        refused = next(answer for answer in answers if answer.status == 503)
        assert b"queueLength" in await body_of(refused)

    run(fake(tmp_path, log, "slow"), tmp_path, log, work, max_instances=1, queue_length=2)


def test_a_visitor_who_leaves_the_queue_is_not_served(tmp_path: Path) -> None:
    """The next one is."""
    log = Log()

    async def work(running: Running) -> None:
        first, second, third = (asyncio.create_task(running.get()) for _ in range(3))
        await asyncio.sleep(0.1)
        second.cancel()
        await asyncio.wait([first, second, third])
        assert [await body_of(task.result()) for task in (first, third)] == [b".....", b"2nd"]

    run(fake(tmp_path, log, "slow", "fine=2nd", "fine=3rd"), tmp_path, log, work, max_instances=1)


def test_a_process_is_replaced_after_its_requests(tmp_path: Path) -> None:
    """instanceMaxRequests; no visitor notices."""
    log = Log()

    async def work(running: Running) -> None:
        answers = [await running.get() for _ in range(5)]
        assert [answer.note for answer in answers] == [
            "python-1", "python-1", "python-2", "python-2", "python-3",
        ]  # fmt: skip

    run(real(tmp_path, log), tmp_path, log, work, instance_max_requests=2)
    assert "python-1: (It has had 2 requests (instanceMaxRequests). It is replaced.)" in log.text


def test_a_process_without_work_is_ended(tmp_path: Path) -> None:
    """After idleTimeout; the next request starts another."""
    log = Log()

    async def work(running: Running) -> None:
        await running.get()
        await until(lambda: not running.pool.labels, "its end")
        assert (await running.get()).note == "python-2"

    run(real(tmp_path, log), tmp_path, log, work, idle_timeout=0.3)
    assert "idleTimeout" in log.text


@pytest.mark.parametrize(
    ("word", "status", "text"),
    [
        pytest.param("half", 502, "half a record", id="half-a-record"),
        pytest.param("raw=deadbeefdeadbeef", 502, "version 222", id="rubbish"),
        pytest.param("exit=3", 502, "last words", id="exit"),
        pytest.param("hangup", 502, "hung up", id="hang-up"),
        pytest.param("hang", 500, "activity timeout", id="hang"),
        pytest.param("head=00", 502, "no header", id="head"),
        pytest.param("stderr", 500, "it broke", id="standard-error"),
    ],
)
def test_a_failure_costs_one_request(tmp_path: Path, word: str, status: int, text: str) -> None:
    """The page says what happened; the next request is answered."""
    log = Log()

    async def work(running: Running) -> None:
        answer = await running.get()
        assert answer.status == status, answer
        assert text in (await body_of(answer)).decode()
        assert "fake-1" in answer.note
        assert await running.text() == "fine"

    launcher = Varying(tmp_path, log, [word, "fine"], ["fine"], activity_timeout=0.5)
    run(launcher, tmp_path, log, work)


def test_a_page_is_of_the_visitors_kind(tmp_path: Path) -> None:
    """HTML for a browser, with what the process printed escaped."""
    log = Log()

    async def work(running: Running) -> None:
        request = Request("GET", "/", CIMultiDict({"Accept": "text/html"}))
        answer = await running.get(request=request)
        assert answer.headers["Content-Type"].startswith("text/html")
        assert b"last words" in await body_of(answer)

    run(fake(tmp_path, log, "exit=3"), tmp_path, log, work)


def test_processes_that_die_again_and_again_are_not_started_for_ever(tmp_path: Path) -> None:
    """After the failures that are allowed in a minute every request is a 500 at once."""
    log = Log()

    async def work(running: Running) -> None:
        answers = [await running.get() for _ in range(8)]
        assert [answer.status for answer in answers] == [502] * 4 + [500] * 4
        assert b"within a minute" in await body_of(answers[-1])
        waiting = await asyncio.gather(*(running.get() for _ in range(20)))
        assert {answer.status for answer in waiting} == {500}

    run(fake(tmp_path, log, "exit=1"), tmp_path, log, work, rapid=3)
    assert log.text.count("last words") == 4


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    """Is named in the page, and by `start` in an error."""
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


def test_a_broken_site_shows_its_error_to_everyone(tmp_path: Path) -> None:
    """wfastcgi ends after such a 500; whoever waits gets a process of his own, and the 500."""
    log = Log()

    async def work(running: Running) -> None:
        answers = await asyncio.gather(*(running.get() for _ in range(6)))
        assert [answer.status for answer in answers] == [500] * 6
        for answer in answers:
            assert b"could not be imported" in await body_of(answer)

    launcher = real(tmp_path, log, settings={"WSGI_HANDLER": "nothing.there"})
    run(launcher, tmp_path, log, work, max_instances=2)


def test_a_clean_end_under_a_request_is_made_good_once(tmp_path: Path) -> None:
    """As when wfastcgi ends for a changed file just then; a second time is a 502."""
    log = Log()
    launcher = Varying(tmp_path, log, ["exit=0"], ["fine", "exit=0"], ["exit=0"])

    async def work(running: Running) -> None:
        assert await running.text() == "fine"
        answer = await running.get()
        assert answer.status == 502
        assert len(launcher.made) == 3

    run(launcher, tmp_path, log, work)


def test_a_body_that_was_begun_is_not_sent_twice(tmp_path: Path) -> None:
    """A long one cannot be read again; a short one was kept."""
    log = Log()
    launcher = Varying(tmp_path, log, ["exit=0"], ["exit=0"], ["size"])

    async def work(running: Running) -> None:
        answer = await running.pool.ask(params(tmp_path), pieces(100_000), 100_000)
        assert answer.status == 502
        assert len(launcher.made) == 1
        answer = await running.pool.ask(params(tmp_path), pieces(1000), 1000)
        assert await body_of(answer) == b"1000"
        assert len(launcher.made) == 3

    run(launcher, tmp_path, log, work)


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
    """Arrive whole, or not at all."""
    log = Log()

    async def work(running: Running) -> None:
        answer = await running.pool.ask(params(tmp_path), pieces(sent), length)
        assert answer.status == status
        if status == 200:
            assert await body_of(answer) == b"number 1, %d bytes" % sent

    run(real(tmp_path, log), tmp_path, log, work)


def test_a_slow_form_takes_no_process(tmp_path: Path) -> None:
    """A short body is read before."""
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

    run(real(tmp_path, log), tmp_path, log, work, max_instances=1)


def test_long_answers_are_streamed(tmp_path: Path) -> None:
    """And one that nobody reads on is given up, its process kept."""
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

    run(real(tmp_path, log), tmp_path, log, work, max_instances=1)
    assert "python-2" not in log.text


async def changed(running: Running, app: str, expected: str) -> None:
    """Write the app anew and wait until it answers."""
    (running.folder / "site_app.py").write_text(app)
    deadline = time.monotonic() + 15
    while await running.text() != expected:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def test_a_changed_file_restarts_the_app(tmp_path: Path) -> None:
    """wfastcgi's own watcher sees it, and no visitor gets an error meanwhile."""
    log = Log()

    async def work(running: Running) -> None:
        told: list[str] = []

        async def tell(names: list[str]) -> None:
            told.extend(names)
            running.launcher.changed(names)

        watcher = asyncio.create_task(watch(tmp_path, tell, log))
        await until(lambda: (tmp_path / "probe").write_text("x") and told, "that it watches")
        assert await running.text() == "number 1, 0 bytes"
        (tmp_path / "notes.txt").write_text("not a reason")
        # Of another length, or Python would take it for what it has compiled in the same second.
        await changed(running, APP.replace("NUMBER = 1", "NUMBER = 22"), "number 22, 0 bytes")
        watcher.cancel()
        await asyncio.wait([watcher])

    run(real(tmp_path, log), tmp_path, log, work)
    assert "ended by itself, code 0" in log.text


@pytest.mark.parametrize(
    ("regex", "name", "restarts"),
    [
        pytest.param(None, "sub/page.py", True, id="python-by-default"),
        pytest.param(None, "web.config", True, id="config-by-default"),
        pytest.param(None, "page.html", False, id="others-not"),
        pytest.param(r".*\.html$", "sub/page.html", True, id="own-expression"),
        pytest.param(r"sub\\.*", "sub/é ł.txt", True, id="backslashes"),
        pytest.param("", "page.py", False, id="switched-off"),
    ],
)
def test_which_files_restart_the_app(
    tmp_path: Path, regex: str | None, name: str, restarts: bool
) -> None:
    """WSGI_RESTART_FILE_REGEX, on names as Windows has them."""
    log = Log()
    settings = {} if regex is None else {"WSGI_RESTART_FILE_REGEX": regex}

    async def work(running: Running) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
        running.launcher.changed([name])  # nobody watches before the first request
        assert (await running.get()).note == "python-1"
        assert (await running.get()).note == "python-1"
        running.launcher.changed(["gone.py", name])
        if restarts:
            await until(lambda: running.pool.labels == ["python-2"], "its replacement")
        else:
            await asyncio.sleep(0.2)
        assert await running.text() == "number 1, 0 bytes"
        assert running.pool.labels == ["python-2" if restarts else "python-1"]

    run(real(tmp_path, log, settings=settings), tmp_path, log, work)


def test_too_many_changes_restart_the_app(tmp_path: Path) -> None:
    """More than the watcher's buffer holds, as on Windows."""
    log = Log()

    async def work(running: Running) -> None:
        await running.get()
        (tmp_path / "page.html").write_text("")
        running.launcher.changed(["page.html"] * 100_000)
        await until(lambda: running.pool.labels == ["python-2"], "its replacement")

    run(real(tmp_path, log, settings={"WSGI_LOG": str(tmp_path / "log")}), tmp_path, log, work)
    assert "the buffer was full" in (tmp_path / "log").read_text()


def test_a_restart_replaces_every_process(tmp_path: Path) -> None:
    """Those with a request after it."""
    log = Log()

    async def work(running: Running) -> None:
        await running.get()
        slow = asyncio.create_task(running.get("/slow"))
        await asyncio.sleep(0.05)
        running.pool.restart("web.config has changed")
        assert (await running.get()).note == "python-2"
        assert (await slow).note == "python-1"
        assert running.pool.labels == ["python-2"]

    run(real(tmp_path, log), tmp_path, log, work)
    assert "Restarting: web.config has changed." in log.text


def test_exit_tasks_run_when_all_is_closed(tmp_path: Path) -> None:
    """Those of wfastcgi."""
    log = Log()
    app = APP + "import __main__\n__main__.on_exit(lambda: open('left', 'w').close())\n"

    async def work(running: Running) -> None:
        await running.get()
        assert not (tmp_path / "left").exists()

    launcher = real(tmp_path, log, app=app, signal_before_terminate_seconds=5)
    run(launcher, tmp_path, log, work, signal_before_terminate_seconds=5)
    assert (tmp_path / "left").exists()


def test_those_who_wait_are_told_when_all_is_closed(tmp_path: Path) -> None:
    """And the request under way ends with its process."""
    log = Log()
    tasks = []

    async def work(running: Running) -> None:
        tasks.extend(asyncio.create_task(running.get()) for _ in range(3))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await running.pool.close()
        assert time.monotonic() - begun < 5
        assert [(await task).status for task in tasks] == [502, 503, 503]

    run(fake(tmp_path, log, "hang"), tmp_path, log, work, max_instances=1)
