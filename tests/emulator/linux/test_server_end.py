"""What gunicorn prints when its workers have failed hides nothing of the app."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.linux.diagnosis.seen import Seen
from appsvc_runtime.emulator.linux.diagnosis.server_end import without_servers_end
from appsvc_runtime.emulator.linux.diagnosis.trouble import find_trouble
from tests.support.processor_time import LONG, limit

APP = """Traceback (most recent call last):
  File "/x/site-packages/gunicorn/arbiter.py", line 1, in spawn_worker
    worker.init_process()
  File "/tmp/8df4f118deea625/app.py", line 4, in <module>
    os.environ["SECRET"]
KeyError: 'SECRET'
[2026-11-30 19:08:03 +0000] [9] [INFO] Worker exiting (pid: 9)
"""
HALT = """Traceback (most recent call last):
  File "/x/site-packages/gunicorn/arbiter.py", line 270, in run
    handler()

  File "/x/site-packages/gunicorn/arbiter.py", line 683, in reap_workers
    raise HaltServer(reason, self.WORKER_BOOT_ERROR)
gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>
"""
AGAIN = "\nDuring handling of the above exception, another exception occurred:\n\n"
LAST = "[2026-11-30 19:08:03 +0000] [1] [ERROR] Reason: Worker failed to boot.\n"


@pytest.mark.parametrize(
    ("output", "left"),
    [
        pytest.param(APP + HALT, APP, id="once"),
        pytest.param(APP + HALT + AGAIN + HALT, APP, id="twice"),
        pytest.param(APP + APP + HALT + LAST, APP + APP + LAST, id="in-between"),
        pytest.param(APP + HALT.rstrip(), APP, id="unfinished"),
        pytest.param(APP, APP, id="none"),
        pytest.param(LAST, LAST, id="no-traceback"),
        pytest.param("", "", id="empty"),
    ],
)
def test_what_is_left(output: str, left: str) -> None:
    """Only gunicorn's own tracebacks go, and the app's stay whole."""
    assert without_servers_end(output) == left


def test_the_reason_that_is_found() -> None:
    """It is the app's exception, at the app's line."""
    output = without_servers_end(APP + HALT + AGAIN + HALT)
    seen = Seen(command="gunicorn app:app", port=8000, output=output, code=1)
    assert "KeyError: 'SECRET', at /tmp/8df4f118deea625/app.py, line 4" in str(find_trouble(seen))


def test_a_long_output() -> None:
    """Its time grows with its length, not with the square."""
    for line in ("Traceback (most recent call last):\n", "\n", HALT):
        with limit(line):
            without_servers_end(line * (LONG // len(line)))
