"""A launcher whose machine runs short of files, disk, threads or memory, or whose guard ends."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.errors import ConfigError
from appsvc_runtime.launcher import command, stop_file
from appsvc_runtime.launcher.liveness import HealthUrl
from appsvc_runtime.launcher.output import WorkerLog
from appsvc_runtime.launcher.plan import make_worker_plan
from appsvc_runtime.system import process_tree
from tests.launcher.test_worker_daemons import guard_of
from tests.support import daemons
from tests.support.launching import Launched, launching, wait_until
from tests.support.servers import clean_environ

resource = pytest.importorskip("resource", reason="POSIX has these limits")
needs_linux = pytest.mark.skipif(
    not process_tree.can_find_by_mark(), reason="limits of other processes, and /proc"
)
WAITS = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print('asked', flush=True), sys.exit(0)))
print('up', flush=True)
time.sleep(600)
"""


def limit_files(launched: Launched, number: int) -> None:
    """Let the running launcher open no descriptor of this number or above."""
    before = resource.prlimit(launched.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(launched.process.pid, resource.RLIMIT_NOFILE, (number, before[1]))


@pytest.mark.integration
@needs_linux
@pytest.mark.parametrize("files", [3, 4, 6, 12])
def test_stop_while_files_are_short(tmp_path: Path, files: int) -> None:
    """The worker is asked, and no daemon is left, even if no descriptor can be opened at all."""
    (tmp_path / "pids").mkdir()
    code = daemons.code(tmp_path / "pids") + WAITS
    with launching(tmp_path, "worker.py", code=code) as launched:
        launched.wait_for("out: up")
        pids = daemons.started(tmp_path / "pids")
        try:
            limit_files(launched, files)
            assert launched.stop() == 0
            assert "out: asked" in launched.log()
            wait_until(lambda: not daemons.alive(pids), "the end of all daemons")
        finally:
            daemons.end(pids)


@pytest.mark.integration
@needs_linux
@pytest.mark.parametrize("files", [4, 12])
def test_crash_while_files_are_short(tmp_path: Path, files: int) -> None:
    """The worker's daemons end; it is started as soon as that is possible, with pauses between."""
    (tmp_path / "pids").mkdir()
    code = daemons.code(tmp_path / "pids") + WAITS
    with launching(tmp_path, "--healthy-after", "0", "worker.py", code=code) as launched:
        launched.wait_for("out: up")
        pids = daemons.started(tmp_path / "pids")
        try:
            limit_files(launched, files)
            os.kill(launched.pids()[0], signal.SIGKILL)
            log = launched.wait_for("It cannot be started now: Too many open files.", 3)
            assert log.count("It is started again in") >= 2
            assert daemons.alive(pids) == []
            limit_files(launched, 256)
            launched.wait_for("out: up", 2)
            assert launched.stop() == 0
        finally:
            daemons.end(pids)


@pytest.mark.integration
@needs_linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_guard_ends_while_files_are_short(tmp_path: Path, how: int) -> None:
    """The launcher goes on, and starts the guard again when it can."""
    with launching(tmp_path, "worker.py", code="import time\n" + WAITS) as launched:
        launched.wait_for("out: up")
        before = guard_of(launched.process.pid)
        limit_files(launched, 3)
        os.kill(before, how)
        wait_until(lambda: guard_of(launched.process.pid) != before, "the end of the guard")
        assert guard_of(launched.process.pid) == 0
        limit_files(launched, 256)
        wait_until(lambda: guard_of(launched.process.pid) != 0, "the next guard")
        assert len(launched.pids()) == 1
        assert launched.stop() == 0


@pytest.mark.integration
@needs_linux
def test_stopped_guard_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    """Nor does it live on."""
    with launching(tmp_path, "worker.py", code="import time\n" + WAITS) as launched:
        launched.wait_for("out: up")
        guard = guard_of(launched.process.pid)
        os.kill(guard, signal.SIGSTOP)
        assert launched.stop() == 0
        assert not Path(f"/proc/{guard}").exists()


@pytest.mark.integration
@needs_linux
def test_log_file_while_files_are_short(tmp_path: Path) -> None:
    """It is rotated, which opens files: the worker's output goes on, later in the file again."""
    code = """
        import os, time
        number = 0
        while not os.path.exists("enough"):
            number += 1
            print(f"line {number} " + "x" * 1000, flush=True)
            time.sleep(0.001)
        print("the last", flush=True)
    """
    variables = {"WSGI_LOG": str(tmp_path / "worker.log"), "APPSVC_LOG_MAX_BYTES": "20000"}
    log = tmp_path / "worker.log"
    with launching(tmp_path, "--once", "worker.py", code=code, **variables) as launched:
        wait_until(lambda: (tmp_path / "worker.log.1").exists(), "a rotated file")
        limit_files(launched, 3)
        last = log.read_bytes()
        wait_until(lambda: log.exists() and log.read_bytes() != last, "the next lines")
        limit_files(launched, 256)
        (tmp_path / "enough").touch()
        assert launched.wait() == 0
        assert "the last" in log.read_text()


@pytest.mark.integration
@needs_linux
@pytest.mark.skipif(
    not shutil.which("unshare") or os.geteuid() != 0 if hasattr(os, "geteuid") else True,
    reason="a small disk needs root",
)
def test_full_disk(tmp_path: Path) -> None:
    """The worker goes on; when there is space again, the log says how many lines are missing."""
    (tmp_path / "full").mkdir()
    (tmp_path / "worker.py").write_text(
        "import os, time\n"
        "open('full/fill', 'wb').write(b'x' * 40_000)\n"
        "for number in range(40): print('x' * 1000, flush=True)\n"
        "while os.statvfs('full').f_bavail: time.sleep(0.01)\n"
        "time.sleep(0.5)\n"  # for the lines that find no space
        "os.truncate('full/fill', 0)\n"
        "time.sleep(1.5)\n"  # the log is opened again after a second
        "print('the last', flush=True)\n"
        "raise SystemExit(5)\n"
    )
    mount = (
        'mount -t tmpfs -o size=64k tmpfs full && "$@"; code=$?; cp full/worker.log .; exit $code'
    )
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh",
         sys.executable, "-m", "appsvc_runtime.worker", "--once", "worker.py"],
        cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60,
        env=clean_environ(WSGI_LOG="full/worker.log", TMPDIR=str(tmp_path / "full")),
    )  # fmt: skip
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"this system allows no mount: {done.stderr.strip()}")
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    log = (tmp_path / "worker.log").read_text()
    assert "out: the last" in log
    assert "lines could not be written" in log


def test_no_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal still asks the worker to stop; that the file cannot is logged once."""

    def refuse(**_: Any) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stop_file.tempfile, "mkdtemp", refuse)  # type: ignore[attr-defined]
    kept = Kept()
    log = WorkerLog([kept])
    made = stop_file.StopFile(log)
    made.create()
    made.close()
    log.close()
    assert made.path == ""
    assert kept.data.count(b"No space left on device. A signal asks it.") == 1


class Kept:
    """A target that stores what it gets, after so many parts that memory does not suffice for."""

    def __init__(self, failures: int = 0) -> None:
        self.data = b""
        self._failures = failures

    def append(self, data: bytes) -> None:
        """Store lines."""
        if self._failures:
            self._failures -= 1
            raise MemoryError
        self.data += data

    def close(self) -> None:
        """Do nothing."""


def test_memory_that_is_short_costs_parts_of_the_output() -> None:
    """The thread that writes goes on, and reports how many are missing."""
    kept = Kept(failures=2)
    log = WorkerLog([kept])
    for part in (b"one\n", b"two\n", b"three\n", b"four\n"):
        log.put("out", 1, part)
    log.close()
    lines = [line.partition(b" ")[2] for line in kept.data.splitlines()]
    assert lines == [
        b"launcher: 2 parts of the output are missing here: memory was short.",
        b"run=1 out: three",
        b"run=1 out: four",
    ]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_health_request_that_this_process_cannot_send(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That says nothing about the worker: it is not ended for it."""
    sent = []

    class Opener:
        def open(self, *_: Any, **__: Any) -> Any:
            sent.append(time.monotonic())
            raise urllib.error.URLError(OSError(number, os.strerror(number)))

    monkeypatch.setattr(urllib.request, "build_opener", lambda *_: Opener())
    health = HealthUrl("http://127.0.0.1:1/", 0.8)
    try:
        began = time.monotonic()
        wait_until(lambda: sent and sent[-1] > began + 1.2, "requests after the time is over")
        assert health.problem() == ""
    finally:
        health.close()


def test_no_thread_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher ends with one sentence, and what to do."""
    (tmp_path / "worker.py").write_text("")
    monkeypatch.chdir(tmp_path)
    plan = make_worker_plan(["worker.py"], {}, module=False, given={})
    start: Callable[[threading.Thread], None] = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "log":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(command.spare_descriptors, "hold", lambda: None)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"allows no more threads\. Raise the limit"):
        command.launch(plan, {})
