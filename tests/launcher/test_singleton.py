"""One worker at a time over all instances, by a real lease in Azurite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appsvc_runtime.errors import ConfigError
from appsvc_runtime.launcher import singleton
from appsvc_runtime.system import process_tree
from appsvc_runtime.system.process import steady_time
from appsvc_runtime.system.process_tree import Tree
from tests.launcher.test_worker_daemons import guard_of
from tests.support.azurite import Azurite, azurite
from tests.support.launching import is_alive, launching, wait_until
from tests.support.pythons import only_on
from tests.support.servers import clean_environ

pytestmark = pytest.mark.integration

needs_mark = pytest.mark.skipif(
    not process_tree.can_find_by_mark(), reason="only Linux finds a tree by its mark"
)
# The worker, and then its daemon, holds a system lock while it lives: two at once cannot go
# unnoticed.
WORKER = """
    import fcntl, os, sys, time
    lock = open("lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("TWO AT ONCE", flush=True)
        sys.exit(1)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    os.wait()
    print("running", flush=True)
    time.sleep(600)
"""
OPTIONS = ("--singleton", "--grace", "0.5", "worker.py")


@pytest.fixture(scope="module")
def storage() -> Iterator[Azurite]:
    with azurite() as started:
        yield started


@only_on(12)
@needs_mark
def test_one_at_a_time(storage: Azurite, tmp_path: Path) -> None:
    """Others wait; one follows when the first stops, the next when that one is suspended."""
    (tmp_path / "worker.py").write_text(textwrap.dedent(WORKER))
    variables = {"AzureWebJobsStorage": storage.connection_string}
    with launching(tmp_path, *OPTIONS, **variables) as first:
        first.wait_for("out: running")
        with launching(tmp_path, *OPTIONS, **variables) as second:
            second.wait_for("Waiting: another instance has the lease on worker.py.")
            assert first.stop() == 0  # releases the lease
            second.wait_for("out: running")
            with launching(tmp_path, *OPTIONS, **variables) as third:
                third.wait_for("Waiting: another instance")
                (worker,) = second.pids()
                # Suspended, it cannot end its worker: the guard must, before the lease ends.
                second.process.send_signal(signal.SIGSTOP)
                third.wait_for("out: running", seconds=60)
                assert not is_alive(worker)
                second.process.send_signal(signal.SIGCONT)
                second.wait_for("worker.py ended", seconds=60)
                second.wait_for("Waiting: another instance", times=2, seconds=60)
                logs = [one.log() for one in (first, second, third)]
    assert not [log for log in logs if "TWO AT ONCE" in log]
    assert "The lease on worker.py is lost" in logs[1]


@only_on(12)
@needs_mark
def test_guard_that_ends(storage: Azurite, tmp_path: Path) -> None:
    """It is started again, and the worker goes on; while it cannot be, no worker runs for long.

    The lease is kept all the time: another launcher waits until the stop, even if the guard is
    stopped (SIGSTOP) then.
    """
    import resource

    (tmp_path / "worker.py").write_text(textwrap.dedent(WORKER))
    variables = {"AzureWebJobsStorage": storage.connection_string}
    with launching(tmp_path, *OPTIONS, **variables) as first:
        first.wait_for("out: running")
        with launching(tmp_path, *OPTIONS, **variables) as second:
            second.wait_for("Waiting: another instance")
            pid = first.process.pid
            before = guard_of(pid)
            os.kill(before, signal.SIGKILL)
            wait_until(lambda: guard_of(pid) not in (0, before), "the next guard")
            assert len(first.pids()) == 1

            limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
            os.kill(guard_of(pid), signal.SIGKILL)
            log = first.wait_for("guards the lease has ended and cannot be started again.", 1)
            assert "guards the lease has ended, and cannot be started again now." in log
            assert "out: running" not in second.log()
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
            first.wait_for("out: running", 2)

            os.kill(guard_of(pid), signal.SIGSTOP)
            assert first.stop() == 0
            second.wait_for("out: running")
            assert "TWO AT ONCE" not in first.log() + second.log()


def test_webjob_that_is_a_singleton_by_its_settings(storage: Azurite, tmp_path: Path) -> None:
    """is_singleton requests the lease; its name is made of site, job and worker."""
    (tmp_path / "settings.job").write_text('{"is_singleton": true}')
    variables = {
        "WEBJOBS_NAME": "queue",
        "CUSTOMCONNSTR_AzureWebJobsStorage": storage.connection_string,
        "WEBSITE_SITE_NAME": "mysite",
    }
    code = "print('running', flush=True)\nimport time\ntime.sleep(600)\n"
    with launching(tmp_path, "worker.py", code=code, **variables) as launched:
        launched.wait_for("out: running")
        assert "This instance has the lease on mysite/queue/worker.py." in launched.log()
        assert launched.stop() == 0


def test_webjob_without_storage_leaves_it_to_the_platform(tmp_path: Path) -> None:
    """Kudu itself ensures one instance of a site's job."""
    (tmp_path / "settings.job").write_text('{"is_singleton": true}')
    with launching(
        tmp_path, "--once", "worker.py", code="print('ran')", WEBJOBS_NAME="queue"
    ) as launched:
        assert launched.wait() == 0
        assert "is_singleton is left to the platform" in launched.log()


def test_storage_that_cannot_be_reached(tmp_path: Path) -> None:
    """It is logged once and tried again; the worker does not run, and a stop still works."""
    nowhere = (
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0;"
        "BlobEndpoint=http://127.0.0.1:1/a;"
    )
    with launching(
        tmp_path, "--singleton", "worker.py", code="print('ran')", AzureWebJobsStorage=nowhere
    ) as launched:
        launched.wait_for("The lease on worker.py cannot be requested: ")
        assert "c2VjcmV0" not in launched.log()
        assert "has started" not in launched.log()
        assert launched.stop() == 0


def test_wrong_key(storage: Azurite, tmp_path: Path) -> None:
    """The storage's own code is logged, and no key."""
    wrong = storage.connection_string.replace("AccountKey=", "AccountKey=AAAA")
    with launching(
        tmp_path, "--singleton", "worker.py", code="print('ran')", AzureWebJobsStorage=wrong
    ) as launched:
        log = launched.wait_for("cannot be requested")
        assert "Authorization" in log or "Authentication" in log
        assert wrong.partition("AccountKey=")[2][:20] not in log


@pytest.mark.parametrize(
    ("options", "value", "said"),
    [
        ([], "no connection string", "is not a connection string"),
        (["--singleton-storage", "Other"], "x", "the setting Other is missing"),
        (["--singleton-lease", "5"], "x", "option --singleton-lease cannot be used"),
        (["--singleton-lease", "61"], "x", "option --singleton-lease cannot be used"),
    ],
    ids=["malformed", "other-setting", "short", "long"],
)
def test_what_cannot_be_used(tmp_path: Path, options: list[str], value: str, said: str) -> None:
    """The error is one sentence with exit code 2."""
    with launching(
        tmp_path, "--singleton", *options, "worker.py", code="pass", AzureWebJobsStorage=value
    ) as launched:
        assert launched.wait() == 2
        assert said in launched.log()
        assert "Traceback" not in launched.log()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has what to install."""
    monkeypatch.setitem(sys.modules, "azure.storage.blob", None)
    with pytest.raises(ConfigError, match=r'pip install "appsvc-runtime\[singleton\]"'):
        singleton.Singleton("x", "name", 15, print)


@needs_mark
def test_worker_that_would_be_started_too_late_is_not() -> None:
    """Between the decision and the start, a launcher may be suspended for any time."""
    tree = Tree()
    late = tree.popen_options(not_after=steady_time() - 1)
    started = subprocess.Popen([sys.executable, "-c", "print('ran')"], stdout=-1, **late)
    assert started.communicate() == (b"", None)
    assert started.returncode == process_tree.TOO_LATE
    in_time = tree.popen_options(not_after=steady_time() + 60)
    ran = subprocess.run([sys.executable, "-c", "print('ran')"], stdout=-1, check=True, **in_time)
    assert ran.stdout == b"ran\n"


def test_steady_time_goes_on() -> None:
    """It is the same clock for all processes."""
    before = steady_time()
    code = "from appsvc_runtime.system.process import steady_time; print(steady_time())"
    between = float(
        subprocess.run(
            [sys.executable, "-c", code], env=clean_environ(), stdout=-1, check=True
        ).stdout
    )
    if hasattr(time, "CLOCK_BOOTTIME") or sys.platform != "win32":
        assert before < between < steady_time()
