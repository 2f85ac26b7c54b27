"""What a worker's loop calls, in this process: files, signals, time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appsvc_runtime import worker
from appsvc_runtime.launcher import stop_request
from appsvc_runtime.launcher.stop_request import beat, stop_requested, wait_for_stop
from tests.support.servers import clean_environ


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start without a stop request, and restore the signal handlers afterwards."""
    names = [name for name in ("SIGTERM", "SIGINT") if hasattr(signal, name)]
    before = {name: signal.getsignal(getattr(signal, name)) for name in names}
    for name in (stop_request.STOP_FILE, stop_request.SHUTDOWN_FILE, stop_request.HEARTBEAT_FILE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(stop_request, "_asked", False)
    monkeypatch.setattr(stop_request, "_listening", False)
    monkeypatch.setattr(stop_request, "_beaten", 0.0)
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


@pytest.mark.parametrize("name", [stop_request.STOP_FILE, stop_request.SHUTDOWN_FILE])
def test_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher's file and the platform's mean the same."""
    file = tmp_path / "stop"
    monkeypatch.setenv(name, str(file))
    assert not stop_requested()
    file.touch()
    assert stop_requested()


def test_waiting_ends_with_the_time() -> None:
    """It returns that no stop is requested."""
    began = time.monotonic()
    assert not wait_for_stop(0.05)
    assert time.monotonic() - began >= 0.05
    assert not wait_for_stop(0)
    assert not wait_for_stop(-1)


def test_waiting_ends_with_the_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It returns long before its time."""
    file = tmp_path / "stop"
    monkeypatch.setenv(stop_request.STOP_FILE, str(file))
    threading.Timer(0.05, file.touch).start()
    assert wait_for_stop(600)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signal(number: int) -> None:
    """It no longer ends the program, but a second signal acts as usual."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.getsignal(number)
    assert not stop_requested()
    assert signal.getsignal(number) is not before
    signal.raise_signal(number)
    assert stop_requested()
    assert signal.getsignal(number) == before


def test_handler_of_the_program_is_left() -> None:
    """A handler that a program has set itself stays."""
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    assert not stop_requested()
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]
    assert not stop_requested()


def test_other_threads_may_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signal handlers are not set there, but files are checked."""
    file = tmp_path / "stop"
    monkeypatch.setenv(stop_request.STOP_FILE, str(file))
    handler = signal.getsignal(signal.SIGTERM)
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(wait_for_stop(600)))
    thread.start()
    file.touch()
    thread.join(20)
    assert found == [True]
    assert signal.getsignal(signal.SIGTERM) is handler


def test_beat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It touches the file if one is configured, and not too often."""
    beat()  # none is configured
    file = tmp_path / "beat"
    monkeypatch.setenv(stop_request.HEARTBEAT_FILE, str(file))
    beat()
    assert file.exists()
    os.utime(file, (1, 1))
    beat()
    assert file.stat().st_mtime == 1
    monkeypatch.setattr(stop_request, "_beaten", time.monotonic() - 1)
    beat()
    assert file.stat().st_mtime > 1


def test_beat_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing folder is not an error of the worker's."""
    monkeypatch.setenv(stop_request.HEARTBEAT_FILE, str(tmp_path / "none" / "beat"))
    beat()


def test_the_door_has_them() -> None:
    """The entry point exports the names that the documentation imports."""
    assert worker.__all__ == ["beat", "main", "stop_requested", "wait_for_stop"]


def test_the_door_is_light() -> None:
    """Every worker imports it: it loads no click, no asyncio, nothing third-party."""
    code = (
        "import sys; import appsvc_runtime.worker;"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'click', 'asyncio', 'logging', 'subprocess', 'azure', 'json', 'socket'}))"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=clean_environ(), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert result.stdout == "[]\n"
