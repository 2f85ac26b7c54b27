"""Addresses of an emulated site that other machines can reach are reported once, and no others."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.container import Container
from appsvc_runtime.emulator.linux.limits import Limits
from appsvc_runtime.emulator.linux.warmup import Launch
from appsvc_runtime.emulator.processes.exposure import Exposure, reachable
from tests.support.emulator import HTTPPLATFORM, emulating, make_site, web_config
from tests.support.servers import free_port

PLACES = [
    (("0.0.0.0", 1), True), (("::", 1), True), (("192.168.1.5", 1), True), (("fe80::1", 1), True),
    (("127.0.0.1", 1), False), (("127.3.2.1", 1), False), (("::1", 1), False),
]  # fmt: skip
SERVER = """
import http.server, sys
address = sys.argv[1], int(sys.argv[2])
http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.mark.parametrize(("place", "open_"), PLACES)
def test_what_others_can_reach(place: tuple[str, int], *, open_: bool) -> None:
    """These are all addresses except loopback addresses."""
    assert reachable([place]) == ([place] if open_ else [])


def test_one_line_for_all() -> None:
    """One line at the start, one for each later address, none for known or loopback addresses."""
    said: list[str] = []
    exposure = Exposure(lambda _, text: said.append(text), "as it must")
    exposure.add([("0.0.0.0", 1), ("::", 2)])
    exposure.add([("0.0.0.0", 1), ("127.0.0.1", 3)])
    assert said == []
    exposure.tell()
    (line,) = said
    assert line.startswith("The app listens on 0.0.0.0:1, [::]:2, as it must: ")
    assert "other machines on your network" in line
    exposure.add([("0.0.0.0", 1), ("127.0.0.1", 4)])
    assert len(said) == 1
    exposure.add([("0.0.0.0", 5)])
    assert "0.0.0.0:5" in said[1]


def test_many_places_and_none() -> None:
    """The line has a limited length; without addresses there is no line."""
    said: list[str] = []
    Exposure(lambda _, text: said.append(text)).tell()
    assert said == []
    exposure = Exposure(lambda _, text: said.append(text))
    exposure.add([("0.0.0.0", number) for number in range(30)])
    exposure.tell()
    assert "and 25 more: other machines" in said[0]


@pytest.mark.integration
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux who listens")
def test_a_container_that_starts(tmp_path: Path) -> None:
    """All addresses of its processes are recorded, also on ports other than the app's own."""
    (tmp_path / "server.py").write_text(SERVER)
    ports = [free_port(), free_port(), free_port()]
    python = f"{sys.executable} server.py"
    command = (
        f"{python} 127.0.0.1 {ports[1]} & {python} 0.0.0.0 {ports[2]} & "
        f"exec {python} 0.0.0.0 {ports[0]}"
    )
    launch = Launch(
        ("/bin/sh", "-c", command), {"PATH": os.environ["PATH"]}, tmp_path, ports[0], command
    )
    said: list[str] = []
    exposure = Exposure(lambda _, text: said.append(text))

    async def work() -> None:
        container = Container(
            "container", launch, Limits(start=20, stop=5), lambda *_: None, exposure=exposure
        )
        try:
            assert await container.start() is None
            exposure.tell()
        finally:
            container.kill()
            await asyncio.sleep(0)

    asyncio.run(work())
    assert f"0.0.0.0:{ports[0]}" in said[0]
    assert str(ports[1]) not in said[0]


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
def test_the_linux_container(tmp_path: Path, cache: Path) -> None:
    """The line comes before `Ready`."""
    app = "def app(e, s):\n    s('200 OK', [])\n    return [b'x']\n"
    site = make_site(tmp_path / "site", {"app.py": app})
    with emulating(site, "--as", "linux", XDG_CACHE_HOME=str(cache)) as server:
        before = server.log().partition("Ready ")[0]
        (line,) = [each for each in before.splitlines() if "other machines on your network" in each]
        assert "The app listens on 0.0.0.0:" in line
        assert "as the container's must" in line


PLATFORM = (
    r'<httpPlatform processPath="D:\python\python.exe" '
    'arguments="server.py {host} %HTTP_PLATFORM_PORT%"/>'
)


@pytest.mark.integration
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux who listens")
@pytest.mark.parametrize(("host", "lines"), [("0.0.0.0", 1), ("127.0.0.1", 0)])
def test_a_process_of_iis(tmp_path: Path, host: str, lines: int) -> None:
    """A process of IIS need not listen on all addresses; if it does, that is reported."""
    config = web_config(HTTPPLATFORM + PLATFORM.format(host=host))
    site = make_site(tmp_path / "site", {"web.config": config, "server.py": SERVER})
    with emulating(site) as server:
        assert server.request("/server.py")[0] == 200
        assert server.log().count("other machines on your network") == lines
