"""A real Azurite, the emulator of Azure Storage, for tests: in memory, ended by its process id.

It listens on loopback ports that it picks itself, and has one account with a random key, so that no
other client can use it by mistake. Must not import the package under test.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.child import Child
from tests.support.integration import needs_integration
from tests.support.postgres import skip_or_fail

__all__ = ["Azurite", "azurite", "missing"]

_LISTENING = r"{} service is successfully listening at http://127\.0\.0\.1:([0-9]+)\n"


class Azurite:
    """A running Azurite: `process`, its account's `connection_string`, and its `log()`."""

    def __init__(self, process: Child, account: str, key: str, log_path: Path) -> None:
        self.process = process
        self._log_path = log_path
        blob, queue = (self._wait_for_port(service) for service in ("Blob", "Queue"))
        self.connection_string = (
            f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};"
            f"BlobEndpoint=http://127.0.0.1:{blob}/{account};"
            f"QueueEndpoint=http://127.0.0.1:{queue}/{account};"
        )

    def log(self) -> str:
        """Return what Azurite has printed so far."""
        return self._log_path.read_text("utf-8", "replace")

    def _wait_for_port(self, service: str, timeout: float = 60) -> int:
        """Wait until a service prints where it listens, and return its port."""
        deadline = time.monotonic() + timeout
        pattern = re.compile(_LISTENING.format(service))
        while (found := pattern.search(self.log())) is None:
            code = self.process.poll()
            if code is not None:
                raise AssertionError(f"Azurite ended with {code}:\n{self.log()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"Azurite was not ready in {timeout} s:\n{self.log()}")
            time.sleep(0.01)
        return int(found[1])


def missing() -> str:
    """Return what is missing to run Azurite here, or "" if nothing is."""
    if shutil.which("azurite") is None:
        return "there is no azurite on PATH (npm install --global azurite)"
    return ""


@contextmanager
def azurite() -> Iterator[Azurite]:
    """Run a new, empty Azurite with its blobs and queues until the block ends."""
    needs_integration("Azurite")
    skip_or_fail(missing())
    command = shutil.which("azurite")
    assert command is not None
    account = f"test{secrets.token_hex(8)}"
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        log_path = Path(folder) / "log.txt"
        with log_path.open("wb") as log:
            process = Child(
                [
                    *(command, "--silent", "--inMemoryPersistence", "--disableTelemetry"),
                    # A newer SDK requests a version of the API that this Azurite does not know.
                    "--skipApiVersionCheck",
                    # Azurite starts all three services; none may take a port that is in use.
                    *("--blobPort", "0", "--queuePort", "0", "--tablePort", "0"),
                ],
                cwd=folder,
                env={**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield Azurite(process, account, key, log_path)
        finally:
            process.stop_group()
