"""Sockets, signals and process replacement, on this system and as on Windows."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from appsvc_runtime.errors import ConfigError
from appsvc_runtime.system import process, signals, sockets

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="as it is on POSIX")


def ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture
def busy() -> Iterator[int]:
    """A port on 127.0.0.1 with a listener."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "family"),
    [
        pytest.param("127.0.0.1", socket.AF_INET, id="IPv4"),
        pytest.param(
            "::1",
            socket.AF_INET6,
            id="IPv6",
            marks=pytest.mark.skipif(not ipv6(), reason="no IPv6 here"),
        ),
    ],
)
def test_port_zero_gives_a_free_port_that_does_not_listen_yet(host: str, family: int) -> None:
    """No client can connect until the server listens; then one can."""
    with sockets.bind(host, 0) as bound, socket.socket(family) as client:
        assert bound.family == family
        address = bound.getsockname()
        assert address[0] == host
        assert address[1] > 0
        assert client.connect_ex(address) != 0
        bound.listen()
        with socket.create_connection(address[:2], timeout=10):
            pass


def test_busy_port_is_named_at_once(busy: int) -> None:
    """A ConfigError names port and host, not an error number."""
    with pytest.raises(ConfigError) as caught:
        sockets.bind("127.0.0.1", busy)
    assert f"Port {busy} on 127.0.0.1 is already in use" in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("256.1.1.1", id="no-address"),
        pytest.param("no host", id="no-name"),
        pytest.param("a..b", id="empty-label"),
        pytest.param("x" * 70, id="label-too-long"),
        pytest.param("192.0.2.1", id="another-machines"),
    ],
)
def test_bad_host_is_named(host: str) -> None:
    """An invalid host name, or an address of another machine, is a ConfigError."""
    with pytest.raises(ConfigError) as caught:
        sockets.bind(host, 0)
    assert host in caught.value.message
    assert "None" not in caught.value.message


@posix_only
def test_port_of_a_stopped_server_can_be_taken_again() -> None:
    """Closing connections of the server before do not block the port."""
    with sockets.bind("127.0.0.1", 0) as first:
        first.listen()
        address = first.getsockname()
        with socket.create_connection(address) as client:
            first.accept()[0].close()  # closed by the server first: it waits in TIME_WAIT
            assert client.recv(1) == b""
    with sockets.bind(*address) as second:
        assert second.getsockname() == address


class RecordingSocket:
    """A socket that only records its options."""

    family = socket.AF_INET

    def __init__(self, *_: Any) -> None:
        self.options: list[tuple[int, int, int]] = []

    def setsockopt(self, *option: int) -> None:
        """Record an option."""
        self.options.append(option)  # type: ignore[arg-type]

    def bind(self, address: object) -> None:
        """Record the address."""
        self.address = address


@pytest.mark.parametrize(
    ("windows", "wanted"),
    [
        pytest.param(True, -5, id="windows-exclusive"),
        pytest.param(False, socket.SO_REUSEADDR, id="posix-reuse"),
    ],
)
def test_socket_options(monkeypatch: pytest.MonkeyPatch, windows: bool, wanted: int) -> None:
    """On Windows SO_REUSEADDR would let a second process take a port in use."""
    monkeypatch.setattr(process, "WINDOWS", windows)
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", -5, raising=False)
    monkeypatch.setattr(socket, "socket", RecordingSocket)
    bound: Any = sockets.bind("127.0.0.1", 81)
    assert bound.options == [(socket.SOL_SOCKET, wanted, 1)]
    assert bound.address == ("127.0.0.1", 81)


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[int, Callable[..., object]]:
    """The handlers passed to `signal.signal`, by number, instead of being set."""
    found: dict[int, Callable[..., object]] = {}
    monkeypatch.setattr(signal, "signal", found.__setitem__)
    return found


@pytest.mark.parametrize(
    "sigbreak", [pytest.param(21, id="windows"), pytest.param(None, id="posix")]
)
def test_stop_signals(
    monkeypatch: pytest.MonkeyPatch,
    handlers: dict[int, Callable[..., object]],
    sigbreak: int | None,
) -> None:
    """SIGTERM, SIGINT, and SIGHUP and SIGBREAK if they exist; each calls `stop` once."""
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)
    monkeypatch.delattr(signal, "SIGBREAK", raising=False)
    if sigbreak is not None:
        monkeypatch.setattr(signal, "SIGBREAK", sigbreak, raising=False)
    calls: list[str] = []
    signals.on_stop_signal(lambda: calls.append("stop"))
    hangup = getattr(signal, "SIGHUP", None)
    expected = {int(signal.SIGTERM), int(signal.SIGINT), hangup, sigbreak} - {None}
    assert set(map(int, handlers)) == expected
    for number, handler in handlers.items():
        handler(number, None)
    assert calls == ["stop"] * len(expected)


@posix_only
def test_what_is_ignored_stays_so(
    monkeypatch: pytest.MonkeyPatch, handlers: dict[int, Callable[..., object]]
) -> None:
    """Under nohup, closing the terminal ends nothing."""
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    signals.on_stop_signal(lambda: None)
    assert signal.SIGHUP not in handlers
    assert signal.SIGTERM in handlers


@posix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_signal_is_received(number: signal.Signals) -> None:
    """A signal that is really sent calls `stop`, and ends nothing by itself."""
    all_of_them = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {one: signal.getsignal(one) for one in all_of_them}
    calls: list[str] = []
    try:
        signals.on_stop_signal(lambda: calls.append("stop"))
        signal.raise_signal(number)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert calls == ["stop"]


@posix_only
def test_process_is_replaced() -> None:
    """The new program has the old one's process id and the given variables.

    The output of the old one is not lost.
    """
    code = (
        "import os, sys\n"
        "from appsvc_runtime.system.process import replace_process\n"
        "print('before', os.getpid())\n"
        'code = \'import os; print("after", os.getpid(), os.environ["HANDED"])\'\n'
        "replace_process([sys.executable, '-c', code], {**os.environ, 'HANDED': 'over'})\n"
        "print('never')\n"
    )
    # Without it the output is buffered, as if redirected to a file.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True
    ) as child:
        output, _ = child.communicate(timeout=60)
    assert output == f"before {child.pid}\nafter {child.pid} over\n"
    assert child.returncode == 0


def test_windows_waits_and_passes_the_exit_code_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process cannot be replaced there: the program is run as a child."""
    ran: list[tuple[Any, dict[str, Any]]] = []

    def run(argv: Any, **options: Any) -> SimpleNamespace:
        ran.append((argv, options))
        return SimpleNamespace(returncode=7)

    monkeypatch.setattr(process, "WINDOWS", True)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("replaced on Windows"))
    assert process.replace_process(["python", "-V"], {"A": "b"}) == 7
    assert ran == [(["python", "-V"], {"env": {"A": "b"}, "check": False})]


@pytest.mark.parametrize(
    ("windows", "returned", "code", "words"),
    [
        (False, 0, 0, "exit code 0"),
        (False, 255, 255, "exit code 255"),
        (False, -9, 137, "signal 9"),
        (True, 0, 0, "exit code 0"),
        (True, 3, 3, "exit code 3"),
        (True, 0x7FFFFFFF, 0x7FFFFFFF, "exit code 2147483647"),
        (True, 0xC0000005, -1073741819, "exit code -1073741819 (0xC0000005)"),
        (True, 0xFFFFFFFF, -1, "exit code -1 (0xFFFFFFFF)"),
    ],
)
def test_code_of_a_child(
    monkeypatch: pytest.MonkeyPatch, windows: bool, returned: int, code: int, words: str
) -> None:
    """It is one that this process can end with: SystemExit takes a signed number on Windows."""
    monkeypatch.setattr(process, "WINDOWS", windows)
    assert process.exit_code(returned) == code
    assert process.describe_end(returned) == words


@pytest.mark.parametrize(
    ("windows", "writable", "folder"),
    [
        pytest.param(False, True, "/dev/shm", id="posix"),
        pytest.param(False, False, None, id="posix-without-one"),
        pytest.param(True, True, None, id="windows"),
    ],
)
def test_memory_folder(
    monkeypatch: pytest.MonkeyPatch, windows: bool, writable: bool, folder: str | None
) -> None:
    """/dev/shm if it is writable; None on Windows, whatever is there."""
    monkeypatch.setattr(process, "WINDOWS", windows)
    monkeypatch.setattr(os, "access", lambda path, mode: writable)
    assert process.memory_folder() == folder


@pytest.mark.parametrize(
    ("allowed", "counted", "cores"),
    [
        pytest.param({0, 5}, 8, 2, id="affinity"),
        pytest.param(None, 8, 8, id="no-affinity-on-this-system"),
        pytest.param(None, None, 1, id="nothing-known"),
    ],
)
def test_cpu_count(
    monkeypatch: pytest.MonkeyPatch, allowed: set[int] | None, counted: int | None, cores: int
) -> None:
    """The cores that this process may use, else the machine's, else one."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    if allowed is not None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: allowed, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert process.cpu_count() == cores
