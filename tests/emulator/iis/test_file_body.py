"""Sending files: in chunks, closed in the end whatever happens to them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Answer, Request
from appsvc_runtime.emulator.iis import file_body
from appsvc_runtime.emulator.iis.static_files import serve
from tests.support.staticsite import CONFIG, make_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site with files."""
    return make_site(tmp_path_factory.mktemp("static"))


def test_a_large_file_goes_in_chunks(site: Path) -> None:
    """Every byte is sent in order, and never more than a chunk at once."""
    content = os.urandom(3 * file_body.CHUNK + 7)
    file = site / "large.txt"
    file.write_bytes(content)
    request = Request("GET", "/large.txt", CIMultiDict())

    async def get() -> list[bytes]:
        answer = await serve(site, "/large.txt", CONFIG, request)
        assert not isinstance(answer.body, bytes)
        return [chunk async for chunk in answer.body]

    chunks = asyncio.run(get())
    file.unlink()
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= file_body.CHUNK


def start(site: Path, name: str, size: int) -> tuple[Path, Answer]:
    file = site / name
    file.write_bytes(b"x" * size)
    request = Request("GET", "/" + name, CIMultiDict())
    return file, asyncio.run(serve(site, "/" + name, CONFIG, request))


def drain(answer: Answer) -> int:
    async def read() -> int:
        assert not isinstance(answer.body, bytes)
        return sum([len(chunk) async for chunk in answer.body])

    return asyncio.run(read())


def test_a_file_that_shrinks_while_it_is_sent(site: Path) -> None:
    """An error closes the connection, because Content-Length cannot be met. The file is closed."""
    file, answer = start(site, "shrinks.txt", 1000)
    os.truncate(file, 10)
    with pytest.raises(OSError, match="shorter"):
        drain(answer)
    file.unlink()


def test_a_file_that_grows_while_it_is_sent(site: Path) -> None:
    """Only the bytes counted in Content-Length are sent."""
    file, answer = start(site, "grows.txt", 1000)
    with file.open("ab") as stream:
        stream.write(b"more")
    assert drain(answer) == 1000
    file.unlink()


def test_a_file_that_is_deleted_while_it_is_sent(site: Path) -> None:
    """The file is open already, and is sent to its end."""
    file, answer = start(site, "deleted.txt", 1000)
    file.unlink()
    assert drain(answer) == 1000


def test_a_body_that_nobody_reads_can_be_closed(site: Path) -> None:
    """A body can be closed before its first chunk and in the middle; then it has no more chunks."""
    file, answer = start(site, "closed.txt", 3 * file_body.CHUNK)

    async def use() -> None:
        body: Any = answer.body
        await body.__anext__()
        await body.aclose()
        await body.aclose()
        assert [chunk async for chunk in body] == []

    asyncio.run(use())
    file.unlink()


def test_a_reader_that_is_cancelled(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits for the reading thread, so that no other file gets its descriptor meanwhile."""
    file, answer = start(site, "cancelled.txt", 1000)
    body: Any = answer.body

    async def use() -> None:
        go = asyncio.Event()
        loop = asyncio.get_running_loop()
        really = body._read

        def slowly(at: int, size: int) -> bytes:
            asyncio.run_coroutine_threadsafe(go.wait(), loop).result(30)
            return bytes(really(at, size))

        monkeypatch.setattr(body, "_read", slowly)
        reading = asyncio.ensure_future(body.__anext__())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        closing = asyncio.ensure_future(body.aclose())
        await asyncio.sleep(0)
        assert not closing.done()
        go.set()
        await closing

    asyncio.run(use())
    assert body._stream.closed
    file.unlink()
