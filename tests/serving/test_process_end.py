"""The end of a serving process, in processes of their own: it comes in time, and is complete."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import pytest

from appsvc_runtime.serving import process_end
from tests.support.servers import clean_environ

# Far more than any of these takes, and far less than what would not end.
SECONDS = 60
BEGIN = """
import atexit, logging, logging.handlers, os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from appsvc_runtime.serving.process_end import Ending

def forever():
    while True:
        time.sleep(1)

atexit.register(print, "atexit", flush=True)
target = logging.StreamHandler(sys.stdout)
buffer = logging.handlers.MemoryHandler(100, target=target)
logging.getLogger("app").addHandler(buffer)
logging.getLogger("app").warning("buffered")
"""


def run(code: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(code)],
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def ended(result: subprocess.CompletedProcess[str]) -> tuple[int, list[str]]:
    return result.returncode, sorted(result.stdout.split())


def test_without_threads_the_end_is_pythons_own() -> None:
    """Nothing is forced."""
    result = run("sys.exit(Ending(50).finish(3))")
    assert (*ended(result), result.stderr) == (3, ["atexit", "buffered"], "")


def test_a_thread_of_the_start_is_not_waited_for() -> None:
    """Such as an endless loop in a module; the graceful time is far from over."""
    result = run("""
        threading.Thread(target=forever, name="poller").start()
        sys.exit(Ending(500).finish(3))
    """)
    assert ended(result) == (3, ["atexit", "buffered"])
    assert result.stderr == "The process ends, although these threads run: poller.\n"


def test_a_thread_of_a_request_may_finish() -> None:
    """Beside one that never ends."""
    result = run("""
        threading.Thread(target=forever).start()
        ending = Ending(500)
        def work():
            time.sleep(1)
            print("worked\\n", end="", flush=True)  # whole: two threads print at once
        threading.Thread(target=work).start()
        ThreadPoolExecutor().submit(work)
        sys.exit(ending.finish(0))
    """)
    assert ended(result) == (0, ["atexit", "buffered", "worked", "worked"])


@pytest.mark.parametrize(
    "start", ["threading.Thread(target=forever).start()", "ThreadPoolExecutor().submit(forever)"]
)
def test_a_thread_of_a_request_ends_with_the_graceful_time(start: str) -> None:
    """Whatever started it."""
    result = run(f"ending = Ending(1)\n{start}\nsys.exit(ending.finish(0))")
    assert ended(result) == (0, ["atexit", "buffered"])


def test_a_signal_starts_the_time() -> None:
    """What the main thread does then is cut off; the earlier handler was called."""
    result = run("""
        signal.signal(signal.SIGTERM, lambda *_: print("handled", flush=True))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ending = Ending(1)
        ending.on_signals("SIGTERM", "SIGINT", "SIGNONE")
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        signal.raise_signal(signal.SIGTERM)
        forever()
    """)
    assert ended(result) == (0, ["atexit", "buffered", "handled"])


def test_a_second_signal_shortens_the_time() -> None:
    """A quick stop after a graceful one."""
    result = run("""
        ending = Ending(500)
        ending.begin()
        ending.begin(0.1)
        ending.begin(500)
        forever()
    """)
    assert ended(result) == (0, ["atexit", "buffered"])


def test_what_does_not_end_at_exit_is_cut_off() -> None:
    """The logs are flushed all the same, in either thread that runs the handlers."""
    for threads in ("", "threading.Thread(target=forever).start()"):
        result = run(f"""
            atexit.register(forever)  # called first
            {threads}
            ending = Ending(1, 1)
            sys.exit(ending.finish(4))
        """)
        assert result.returncode == 4, result.stderr
        assert "buffered" in result.stdout or threads


def test_a_handler_at_exit_that_fails() -> None:
    """The others run, and the code stays."""
    result = run("""
        atexit.register(lambda: 1 / 0)
        atexit.register(sys.exit, 9)
        threading.Thread(target=forever).start()
        sys.exit(Ending(500).finish(2))
    """)
    assert ended(result) == (2, ["atexit", "buffered"])
    assert "ZeroDivisionError" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [("SystemExit(3)", 3), ("SystemExit(None)", 0), ("SystemExit('x')", 1), ("ValueError()", 1)],
)
def test_the_code_is_that_of_the_error(error: str, code: int) -> None:
    """gunicorn ends its workers by SystemExit."""
    result = run(f"""
        threading.Thread(target=forever).start()
        try:
            raise {error}
        finally:
            Ending(500).finish()
    """)
    assert result.returncode == code, result.stderr


def test_a_child_of_multiprocessing() -> None:
    """Its function returns; its parent gets its code."""
    code = """
    import multiprocessing
    def child(code):
        threading.Thread(target=forever).start()
        Ending(500).finish_with_child()
        sys.exit(code)
    process = multiprocessing.get_context("METHOD").Process(target=child, args=(5,))
    process.start()
    process.join()
    print(process.exitcode)
    """
    result = run(code.replace("METHOD", "fork"))
    assert "5" in result.stdout.split(), result.stderr
    assert "these threads run" in result.stderr


def test_limits_before_a_kill() -> None:
    """They fit into the time after which a parent kills the process."""
    for seconds in (0, 1, 4, 10):
        until, last = process_end.before_a_kill(seconds)
        assert until + last == pytest.approx(seconds)
        assert until >= seconds * 0.9 - 0.001


def test_a_forked_child_is_not_ended_by_its_parents_time() -> None:
    """It has no such thread; a stop of its own starts one."""
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork")
    begun = time.monotonic()
    result = run("""
        ending = Ending(0.2)
        ending.begin(500)
        pid = os.fork()
        if pid == 0:
            ending.begin()
            forever()
        os.waitpid(pid, 0)
        os._exit(0)
    """)
    assert result.returncode == 0
    assert time.monotonic() - begun < SECONDS
