"""A real browser for tests: headless Chromium, controlled over its DevTools protocol.

It trusts one certificate authority, keeps its profile in a temporary folder, and is ended by its
process id. Must not import the package under test. The protocol:
chromedevtools.github.io/devtools-protocol.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.support.child import Child
from tests.support.integration import needs_integration

__all__ = ["Page", "browse", "browse_plain", "missing"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
_ENDPOINT = re.compile(r"DevTools listening on (ws://\S+)")
_SECONDS = 60.0


def missing() -> str:
    """Return what is missing to run Chromium here, or "" if nothing is."""
    return "" if _program() else "Chromium is not installed"


def _program() -> str:
    return next(filter(None, map(shutil.which, _NAMES)), "")


class Page:
    """One page, controlled with `go`, `run` and `wait_for`."""

    def __init__(self, devtools: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self._socket = devtools
        self._session = session
        self._number = 0

    async def go(self, url: str) -> None:
        """Open a page, and wait until it is loaded."""
        answer = await self.send("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        await self.wait_for("document.readyState == 'complete'")

    async def run(self, code: str) -> Any:
        """Run JavaScript in the page; return its value, or None if the page is being left."""
        params = {"expression": code, "returnByValue": True}
        answer = await self._answer("Runtime.evaluate", params)
        if answer.get("error", {}).get("message") == "Inspected target navigated or closed":
            return None
        assert "error" not in answer, answer
        return answer["result"]["result"].get("value")

    async def wait_for(self, code: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + _SECONDS
        while not await self.run(code):
            assert time.monotonic() < deadline, (
                f"{code}: {await self.run('document.body.innerText')}"
            )
            await asyncio.sleep(0.05)

    async def screenshot(self, path: Path) -> None:
        """Write a screenshot of the page, as PNG."""
        answer = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command, and return its result."""
        answer = await self._answer(method, params)
        assert "error" not in answer, answer
        result = answer["result"]
        assert isinstance(result, dict)
        return result

    async def _answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        await self._socket.send_json(message)
        while True:
            answer: dict[str, Any] = json.loads((await self._socket.receive(_SECONDS)).data)
            if answer.get("id") == self._number:
                return answer


Drive = Callable[[Page], Coroutine[Any, Any, None]]


def browse(drive: Drive, port: int, authority: Path) -> None:
    """Start a browser, let `drive` use a page of it, and end the browser.

    The browser trusts the certificate of the server on `port`, after this function has checked that
    it is signed by the authority in the PEM file `authority`.
    """
    trusted = ssl.create_default_context(cafile=str(authority))
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        trusted.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        certificate = secure.getpeercert(binary_form=True) or b""
    asyncio.run(_browse(drive, _fingerprint(certificate)))


def browse_plain(drive: Drive, *flags: str) -> None:
    """Start a browser with additional flags, let `drive` use a page of it, and end the browser."""
    asyncio.run(_browse(drive, "", *flags))


async def _browse(drive: Drive, fingerprint: str, *more: str) -> None:
    needs_integration("a browser")
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder:
        flags = [*_FLAGS, f"--user-data-dir={folder}/profile", *more]
        if fingerprint:
            flags.append(f"--ignore-certificate-errors-spki-list={fingerprint}")
        log_path = Path(folder, "log.txt")
        with log_path.open("wb") as log:
            process = Child(
                [_program(), *flags, "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "HOME": folder},
            )
        try:
            endpoint = await _endpoint(process, log_path)
            async with (
                aiohttp.ClientSession() as client,
                client.ws_connect(endpoint, max_msg_size=0) as devtools,
            ):
                browser = Page(devtools, "")
                target = await browser.send("Target.createTarget", url="about:blank")
                session = await browser.send(
                    "Target.attachToTarget", targetId=target["targetId"], flatten=True
                )
                await drive(Page(devtools, session["sessionId"]))
        finally:
            process.kill_group()


async def _endpoint(process: Child, log: Path) -> str:
    deadline = time.monotonic() + _SECONDS
    while not (found := _ENDPOINT.search(log.read_text("utf-8", "replace"))):
        text = log.read_text("utf-8", "replace")
        assert process.poll() is None, f"Chromium ended with {process.returncode}:\n{text}"
        assert time.monotonic() < deadline, f"Chromium was not ready:\n{text}"
        await asyncio.sleep(0.05)
    return found[1]


def _fingerprint(certificate: bytes) -> str:
    """Return the hash of a certificate's key; a flag of Chromium makes it trust that key."""
    key = (
        x509.load_der_x509_certificate(certificate)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(hashlib.sha256(key).digest()).decode()
