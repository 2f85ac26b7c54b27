"""Streams through the emulator: WebSockets, events, large bodies; and parallel requests."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import threading
from pathlib import Path

import aiohttp
import pytest

from tests.support.emulator import FASTCGI, HTTPPLATFORM, emulating, make_site, web_config
from tests.support.servers import Server

# The site's own server, with an echo, events and bodies; it returns the headers that it got.
SERVER = """
    import asyncio, json, os, sys
    from aiohttp import web

    async def echo(request):
        socket = web.WebSocketResponse(protocols=["chat"])
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{request.host} {request.headers['Origin']} {message.data}")
        return socket

    async def events(request):
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: one\\n\\n")
        await asyncio.wait_for(request.app["go"].wait(), 20)
        await answer.write(b"data: two\\n\\n")
        return answer

    async def go(request):
        request.app["go"].set()
        return web.Response(text="went")

    async def upload(request):
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.Response(text=str(size))

    async def headers(request):
        token = os.environ.get("HTTP_PLATFORM_TOKEN")
        return web.json_response({**request.headers, "token": token})

    async def start(app):
        app["go"] = asyncio.Event()

    app = web.Application(client_max_size=1 << 30)
    app.on_startup.append(start)
    app.add_routes([web.get("/echo", echo), web.get("/events", events), web.get("/go", go),
                    web.put("/upload", upload), web.get("/headers", headers)])
    web.run_app(app, host="127.0.0.1", port=int(os.environ["HTTP_PLATFORM_PORT"]), print=None)
"""
PLATFORM = (
    r'<httpPlatform processPath="D:\home\Python\python.exe" startupTimeLimit="60" '
    r'arguments="D:\home\site\wwwroot\server.py"/>'
)
LIMIT = (
    '<security><requestFiltering><requestLimits maxAllowedContentLength="100000000"/>'
    "</requestFiltering></security>"
)
COUNTED = """
    import os, time

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/up":
            size = len(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            start_response("200 OK", [])
            return [str(size).encode()]
        if environ["PATH_INFO"] == "/down":
            start_response("200 OK", [("Content-Length", str(20 * 1048576))])
            return (b"x" * 1048576 for _ in range(20))
        if environ["PATH_INFO"] == "/meet":
            # Answered once two processes are in here at the same time.
            open(f"here-{os.getpid()}", "w").close()
            until = time.monotonic() + 60
            while len([n for n in os.listdir(".") if n.startswith("here-")]) < 2:
                if time.monotonic() > until:
                    break
                time.sleep(0.01)
        start_response("200 OK", [])
        return [str(os.getpid()).encode()]
"""


def fast_cgi(**limits: str) -> str:
    """Return a fastCgi section with these attributes for the article's processes."""
    words = " ".join(f'{name}="{value}"' for name, value in limits.items())
    return (
        r'<fastCgi><application fullPath="D:\home\Python311x64\python.exe" '
        rf'arguments="D:\home\Python311x64\wfastcgi.py" {words}/></fastCgi>'
    )


def fastcgi_site(folder: Path, **limits: str) -> Path:
    """Make a site whose app returns its process id."""
    settings = '<add key="WSGI_HANDLER" value="app.application"/>'
    config = web_config(FASTCGI + fast_cgi(**limits) + LIMIT, settings)
    return make_site(folder / "site", {"web.config": config, "app.py": COUNTED})


def platform_site(folder: Path) -> Path:
    """Make a site with its own server."""
    config = web_config(HTTPPLATFORM + PLATFORM + LIMIT)
    return make_site(folder / "site", {"web.config": config, "server.py": SERVER})


def test_websockets_and_events(tmp_path: Path) -> None:
    """Messages pass in both directions under the public name, and events come as they are sent."""

    async def talk(port: int) -> None:
        origin = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as client:
            async with client.ws_connect(f"{origin}/echo", protocols=["chat"], origin=origin) as ws:
                assert ws.protocol == "chat"
                await ws.send_str("hello")
                public = "site.azurewebsites.net"
                assert await ws.receive_str(timeout=20) == f"{public} http://{public} hello"
            async with client.get(f"{origin}/events") as events:
                assert await events.content.readuntil(b"\n\n") == b"data: one\n\n"
                async with client.get(f"{origin}/go") as went:
                    assert await went.text() == "went"
                assert await events.content.readuntil(b"\n\n") == b"data: two\n\n"

    with emulating(platform_site(tmp_path)) as server:
        asyncio.run(talk(server.port))


@pytest.mark.parametrize("enabled", ["True", "False"])
def test_who_may_say_who_is_signed_in(tmp_path: Path, enabled: str) -> None:
    """With authentication on, no client may; with it off, any may, as on the platform."""
    forged = {"X-MS-CLIENT-PRINCIPAL-NAME": "admin", "X-MS-TOKEN-AAD-ID-TOKEN": "x"}
    site = platform_site(tmp_path)
    with emulating(site, "--set", f"WEBSITE_AUTH_ENABLED={enabled}") as server:
        status, _, body = server.request("/headers", forged)
    assert status == 200
    passed = {name for name in json.loads(body) if name.upper().startswith("X-MS-")}
    assert len(passed) == (0 if enabled == "True" else 2)


def test_version_2_of_the_module(tmp_path: Path) -> None:
    """It appends to the forwarded headers, and authenticates itself by a token."""
    with emulating(platform_site(tmp_path), "--httpplatform-version", "2") as server:
        status, _, body = server.request("/headers")
    assert status == 200
    found = json.loads(body)
    assert found["X-Forwarded-Proto"] == "http"
    assert len(found["X-Forwarded-For"].split(", ")) == 2
    assert found["MS-ASPNETCORE-TOKEN"] == found["token"]


# As the app of PTVS's own test: it goes on when another request has been served.
STREAMING = """
    import os, time

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/go":
            open("go.txt", "w").close()
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        yield b"data: one\\n\\n"
        until = time.monotonic() + 20
        while not os.path.exists("go.txt") and time.monotonic() < until:
            time.sleep(0.01)
        yield b"data: two\\n\\n" if os.path.exists("go.txt") else b"data: too late\\n\\n"
"""


def test_events_of_a_handler_that_holds_nothing_back(tmp_path: Path) -> None:
    """With responseBufferLimit="0" they come as they are sent."""
    handlers = FASTCGI.replace("requireAccess=", 'responseBufferLimit="0" requireAccess=')
    config = web_config(handlers, '<add key="WSGI_HANDLER" value="app.application"/>')
    site = make_site(tmp_path / "site", {"web.config": config, "app.py": STREAMING})

    async def talk(port: int) -> None:
        origin = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as client, client.get(f"{origin}/") as events:
            assert await events.content.readuntil(b"\n\n") == b"data: one\n\n"
            async with client.get(f"{origin}/go") as went:
                assert await went.text() == "data: one\n\ndata: two\n\n"
            assert await events.content.readuntil(b"\n\n") == b"data: two\n\n"

    with emulating(site) as server:
        asyncio.run(talk(server.port))


def test_processes_for_requests_at_once(tmp_path: Path) -> None:
    """Two parallel requests get two processes; with at most one process they wait."""
    site = fastcgi_site(tmp_path, maxInstances="2")
    with emulating(site) as server:
        assert len(together(server, "/meet", 2)) == 2
        assert len(together(server, "/x", 8)) <= 2


def together(server: Server, path: str, count: int) -> set[bytes]:
    """Send several requests at once; return the different responses."""
    answers: list[tuple[int, bytes]] = []

    def ask() -> None:
        status, _, body = server.request(path)
        answers.append((status, body))

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * count, server.log()
    return {body for _, body in answers}


def test_processes_are_replaced(tmp_path: Path) -> None:
    """After instanceMaxRequests requests each, without an error for any client."""
    site = fastcgi_site(tmp_path, instanceMaxRequests="3", maxInstances="1")
    with emulating(site) as server:
        pids = [server.request("/x")[2] for _ in range(7)]
        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]
        assert "instanceMaxRequests" in server.log()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_large_bodies_are_not_held(tmp_path: Path) -> None:
    """20 MB up and down increase the emulator's memory by a few MB only."""
    site = fastcgi_site(tmp_path, activityTimeout="300", requestTimeout="300")
    with emulating(site) as server:
        assert server.request("/x")[0] == 200
        before = peak(server.process.pid)
        size = 20 * 1_048_576
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        connection.request("GET", "/down")
        assert len(connection.getresponse().read()) == size
        pieces = (b"u" * 65536 for _ in range(size // 65536))
        connection.request("PUT", "/up", pieces, {"Content-Length": str(size)})
        assert connection.getresponse().read() == str(size).encode()
        connection.close()
        assert peak(server.process.pid) - before < 16


def peak(pid: int) -> float:
    """Return the peak memory of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
