"""The shared log file in processes that fork: gunicorn's workers, multiprocessing."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.servers import run

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="as it is on POSIX")
TOLD = "1 log lines could not be written and are missing here."
TWENTY = ",".join(f"child {number}" for number in range(20))
HUNDREDS = ",".join(f"{who} {number}" for who in "abcdefgh" for number in range(100))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


FORKS = """
import errno, logging, os, sys, threading, time, warnings
warnings.simplefilter("ignore")  # Python 3.12 warns of forks where there are threads: we know
from appsvc_runtime.system import files as osfiles
from appsvc_runtime.logs.file import SharedFileHandler
handler = SharedFileHandler(sys.argv[1], max_bytes=200, backups=100)
held, free = threading.Event(), threading.Event()
def log(text):
    handler.handle(logging.makeLogRecord({"msg": text}))
def in_thread(call):
    thread = threading.Thread(target=call)
    thread.start()
    assert held.wait(60)
    return thread
def forked(call):
    pid = os.fork()
    if not pid:
        call()
        os._exit(0)
    deadline = time.monotonic() + 60
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > deadline:
            os.kill(pid, 9)
            sys.exit("the forked process hangs")
        time.sleep(0.001)
"""
LOCK_HELD = """
def hold():
    handler.acquire()
    held.set()
    free.wait(60)
    handler.release()
log("before")
thread = in_thread(hold)
forked(lambda: log("child"))
free.set()
thread.join()
log("parent")
"""
ROTATING = """
real = osfiles.replace
def replace(*arguments):
    held.set()
    free.wait(60)
    real(*arguments)
osfiles.replace = replace
log("before " + "x" * 200)
thread = in_thread(lambda: log("rotates"))
forked(lambda: [log(f"child {number}") for number in range(20)])
free.set()
thread.join()
log("parent")
"""
LOST = """
real = os.write
def write(*arguments):
    os.write = real
    raise OSError(errno.ENOSPC, "full")
os.write = write
sys.stderr = None
log("lost")
sys.stderr = sys.__stderr__
assert handler.lost == 1
forked(lambda: log("child"))
log("parent")
"""
PRINTING = """
class Stream:
    def flush(self):
        pass
    def write(self, text):
        held.set()
        free.wait(60)
os.mkdir(sys.argv[1])
sys.stderr = Stream()
thread = in_thread(lambda: log("nowhere"))
sys.stderr = sys.__stderr__
forked(lambda: log("child"))
free.set()
thread.join()
os.rmdir(sys.argv[1])
handler._retry_at = 0.0
log("parent")
"""
CHILDREN = """
log("before")
pids = []
for who in "abcdefgh":
    pids.append(os.fork())
    if not pids[-1]:
        for number in range(100):
            log(f"{who} {number}")
        os._exit(0)
for pid in pids:
    os.waitpid(pid, 0)
log("parent")
"""


@posix_only
@pytest.mark.parametrize(
    ("code", "lines", "said"),
    [
        pytest.param(LOCK_HELD, "child", "", id="while-a-thread-has-the-handler"),
        pytest.param(ROTATING, f"rotates,{TWENTY}", "", id="while-a-thread-rotates"),
        pytest.param(LOST, f"{TOLD},child", "", id="lines-were-lost"),
        pytest.param(PRINTING, "", "child\nnowhere\n", id="while-a-thread-prints"),
        pytest.param(CHILDREN, HUNDREDS, "", id="eight-children"),
    ],
)
def test_fork(log: Path, code: str, lines: str, said: str) -> None:
    """No process hangs; each line of parent and child is written once and whole."""
    result = run("-c", FORKS + code, str(log), timeout=120)
    assert (result.returncode, result.stderr) == (0, said)
    text = "".join(path.read_text() for path in log.parent.iterdir())
    found = [line for line in text.splitlines() if not line.startswith("before")]
    assert Counter(found) == Counter([*filter(None, lines.split(",")), "parent"])
