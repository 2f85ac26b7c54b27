"""For which Host the emulator serves requests: the table, and real connections."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.cli.main import main
from appsvc_runtime.emulator.frontend.allowed_hosts import (
    AllowedHosts,
    certificate_names,
    parse_allow_host,
)
from appsvc_runtime.emulator.frontend.certificates import Certificates
from appsvc_runtime.emulator.http.messages import Answer, Request
from appsvc_runtime.errors import ConfigError
from tests.support import browser
from tests.support.emulator import HTTPPLATFORM, emulating, make_site, web_config
from tests.support.frontend import PUBLIC, fronted, run
from tests.support.postgres import skip_or_fail

ALLOWED = (
    PUBLIC, PUBLIC.upper(), f"{PUBLIC}.", f"{PUBLIC}:443", "default.azurewebsites.net",
    "localhost", "LOCALHOST:1", "localhost.", "localhost.:8000", "127.0.0.1", "127.0.0.1:65535",
    "127.0.0.2", "127.255.255.254:80", "[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]:81", "shop.example", "SHOP.example:8000",
    "below.example", "a.below.example", "a.b.below.example:80", "10.1.2.3", "[fe80::1]",
    "[FE80:0::1]:8000",
)  # fmt: skip
REFUSED = (
    "evil.example", "evil.example:8000", f"{PUBLIC}.evil.example", f"evil{PUBLIC}", f"a.{PUBLIC}",
    "azurewebsites.net", "other.azurewebsites.net", "localhost.evil.example", "evil.localhost",
    "localhost..", "127.0.0.1.evil.example", "127.0.0.1.", "127.1", "127.0.0.01", "0177.0.0.1",
    "2130706433", "0x7f000001", "0.0.0.0", "0", "[::]", "[::2]", "[fe80::2]", "10.1.2.4",
    "192.168.0.1", "[::ffff:10.0.0.1]", "[127.0.0.1]", "evilbelow.example", "below.example.evil",
    "a.shop.example", "example", "1.0.0.127",
)  # fmt: skip
HOSTS = AllowedHosts(
    [PUBLIC, "default.azurewebsites.net"], ["shop.example", ".below.example", "10.1.2.3", "fe80::1"]
)


@pytest.mark.parametrize("host", ALLOWED)
def test_hosts_that_are_answered_for(host: str) -> None:
    """Case, a trailing dot and the port do not matter."""
    assert HOSTS.allows(host)


@pytest.mark.parametrize("host", REFUSED)
def test_hosts_that_are_refused(host: str) -> None:
    """This includes names that resemble an allowed one."""
    assert not HOSTS.allows(host)


def test_hosts_that_nobody_can_count() -> None:
    """The number of remembered verdicts stays small, and they stay correct."""
    hosts = AllowedHosts([PUBLIC])
    for number in range(1000):
        assert not hosts.allows(f"{number}.evil.example")
        assert hosts.allows(PUBLIC)
    assert len(hosts._verdicts) < 100


async def note(request: Request) -> Answer:
    return Answer(200, body=request.headers["Host"].encode())


# Request line and header lines with {port} filled in; the status, and the Host that the app gets.
WIRE: list[tuple[str, list[str], int, str]] = [
    ("GET / HTTP/1.1", ["Host: evil.example"], 400, ""),
    ("GET / HTTP/1.1", ["Host: evil.example:{port}"], 400, ""),
    ("POST / HTTP/1.1", ["Host: evil.example", "Content-Length: 0"], 400, ""),
    ("OPTIONS * HTTP/1.1", ["Host: evil.example"], 400, ""),
    ("GET / HTTP/1.0", ["Host: evil.example"], 400, ""),
    ("GET / HTTP/1.0", [], 200, PUBLIC),
    ("GET / HTTP/1.1", [], 400, ""),
    ("GET / HTTP/1.1", ["Host:"], 400, ""),
    ("GET / HTTP/1.1", [f"Host: {PUBLIC}", "Host: evil.example"], 400, ""),
    ("GET / HTTP/1.1", [f"Host: {PUBLIC}, evil.example"], 400, ""),
    ("GET / HTTP/1.1", [f"Host: evil.example@{PUBLIC}"], 400, ""),
    ("GET / HTTP/1.1", ["Host: localhost:{port}"], 200, PUBLIC),
    ("GET / HTTP/1.1", ["Host: localhost:1"], 200, "localhost:1"),
    ("GET / HTTP/1.1", ["Host: [::1]:{port}"], 200, PUBLIC),
    ("GET / HTTP/1.1", ["Host: 127.0.0.9"], 200, "127.0.0.9"),
    ("GET http://evil.example/ HTTP/1.1", [f"Host: {PUBLIC}"], 400, ""),
    ("GET http://evil.example:{port}/ HTTP/1.0", [], 400, ""),
    ("GET https://evil.example/ HTTP/1.1", [f"Host: {PUBLIC}"], 400, ""),
    (f"GET http://{PUBLIC}/ HTTP/1.1", ["Host: evil.example"], 200, PUBLIC),
    (f"GET http://{PUBLIC}@evil.example/ HTTP/1.1", [f"Host: {PUBLIC}"], 400, ""),
    ("GET / HTTP/1.1", ["Host: evil.example", f"X-Forwarded-Host: {PUBLIC}"], 400, ""),
]


@pytest.mark.parametrize("raw", [False, True], ids=["", "raw"])
def test_over_the_wire(*, raw: bool) -> None:
    """An app gets no request for another host, in whatever form the host is named."""

    async def work() -> None:
        async with fronted(note, raw=raw) as front:
            for line, more, status, host in WIRE:
                client = await front.connect()
                client.send(
                    line.format(port=front.port), *(m.format(port=front.port) for m in more)
                )
                found, headers, body = await client.answer()
                assert found == status, (line, more)
                if status == 200 and not raw:
                    assert body.decode() == host
                if status == 400 and "evil.example:" in f"{line}{more}":
                    assert b"--allow-host evil.example." in body
                    assert headers["X-Content-Type-Options"] == "nosniff"
            assert any("--allow-host evil.example" in line for line in front.requests)

    run(work)


def test_an_upgrade_for_another_host() -> None:
    """No WebSocket is opened."""
    asked: list[Request] = []

    async def ask(request: Request) -> Answer:
        asked.append(request)
        return Answer(200)

    async def work() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            client.send(
                "GET /ws HTTP/1.1", f"Host: evil.example:{front.port}", "Connection: Upgrade",
                "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            )  # fmt: skip
            assert (await client.answer())[0] == 400
            assert asked == []

    run(work)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Shop.Example", "shop.example"), (" a.b ", "a.b"), (".shop.example", ".shop.example"),
        ("bücher.example", "xn--bcher-kva.example"), ("10.0.0.1", "10.0.0.1"), ("::1", "::1"),
        ("[fe80::1]", "[fe80::1]"), ("under_score.example", "under_score.example"),
        ("host.docker.internal.", "host.docker.internal."),
    ],
)  # fmt: skip
def test_what_allow_host_takes(text: str, host: str) -> None:
    """Names in the form that browsers send, addresses, and a leading dot for all subdomains."""
    assert parse_allow_host(text) == host


WRONG = ("", " ", "*", "*.example", "a:80", "http://a", "a/b", "a b", ".", "..", "a..b", "-a",
         "[::1]:80", "a,b", "ü" * 300)  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_allow_host_refuses(text: str) -> None:
    """The error shows how to write a host."""
    with pytest.raises(ConfigError, match=r"--allow-host shop\.example"):
        parse_allow_host(text)


@pytest.mark.parametrize("kind", ["worker", "webjob"])
def test_kinds_that_take_no_requests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """They have no hosts."""
    site = make_site(tmp_path / "site", {"worker.py": ""})
    assert main(["emulate", str(site), "--as", kind, "--allow-host", "a.b"]) == 2
    assert "--allow-host means nothing" in capsys.readouterr().err


@pytest.mark.integration
def test_a_page_that_rebinds_its_name(tmp_path: Path) -> None:
    """A browser that resolves evil.example to 127.0.0.1 cannot read the app's pages."""
    skip_or_fail(browser.missing())
    site = make_site(
        tmp_path / "site",
        {
            "web.config": web_config(
                HTTPPLATFORM + r'<httpPlatform processPath="D:\python\python.exe" '
                'arguments="-m appsvc_runtime.runserver"/>'
            ),
            "app.py": """
                def app(environ, start_response):
                    start_response("200 OK", [("Content-Type", "text/html")])
                    return [b"<h1>the app's secret</h1>"]
            """,
        },
    )
    pages: dict[str, Any] = {}

    async def drive(page: browser.Page) -> None:
        for host in ("evil.example", "allowed.example", "localhost"):
            await page.go(f"http://{host}:{server.port}/")
            pages[host] = await page.run("document.body.innerText")

    with emulating(site, "--allow-host", "allowed.example") as server:
        browser.browse_plain(drive, "--host-resolver-rules=MAP *.example 127.0.0.1")
    assert "secret" not in pages["evil.example"]
    assert "--allow-host evil.example" in pages["evil.example"]
    assert pages["allowed.example"] == pages["localhost"] == "the app's secret"


def test_allowed_hosts_are_in_the_certificate() -> None:
    """https works for them as it does for the public name."""
    assert certificate_names(["a.b", ".c.d", ".test", "x_y.z", "10.0.0.1", "e.f."]) == [
        "a.b", "c.d", "*.c.d", "test", "10.0.0.1", "e.f",
    ]  # fmt: skip
    made = Certificates(PUBLIC, *certificate_names(["shop.example", ".below.example", "[fe80::1]"]))
    server, client = made.server_context(), made.client_context()
    for name in ("shop.example", "below.example", "a.below.example", "fe80::1", PUBLIC):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(incoming, outgoing, server_hostname=name)
        theirs = server.wrap_bio(outgoing, incoming, server_side=True)
        for side in (ours, theirs, ours):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
        assert ours.version()
