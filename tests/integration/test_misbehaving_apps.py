"""Misbehaving apps, on every server: each costs its own request, and nothing else.

One server serves all of them by path. While each misbehaves, others are answered; afterwards no
descriptor is left, and the process ends in time.
"""

from __future__ import annotations

import importlib.util
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support import misbehaving, misbehaving_asgi, misbehaving_wsgi
from tests.support.misbehaving import OTHERS, wait_for
from tests.support.servers import Server, serving

pytestmark = pytest.mark.integration

GRACEFUL = 2
SERVE = ("-m", "appsvc_runtime", "serve", "app:app", "--host", "127.0.0.1", "--port", "{port}")
GUNICORN = ("-m", "gunicorn", "-c", "python:appsvc_runtime.gunicorn_conf", "app:app")
GUNICORN = (*GUNICORN, "--bind", "127.0.0.1:{port}")
RUNSERVER = ("-m", "appsvc_runtime.runserver", "app:app", "--port", "{port}")
UVICORN_WORKER, ASGI_WORKER = "gunicorn-uvicorn", "gunicorn-asgi"
WSGI, ASGI = misbehaving_wsgi, misbehaving_asgi
ROWS = {
    "gunicorn": (WSGI, (*SERVE, "--server", "gunicorn")),
    "waitress": (WSGI, (*SERVE, "--server", "waitress")),
    "granian": (WSGI, (*SERVE, "--server", "granian")),
    "runserver": (WSGI, RUNSERVER),
    "gunicorn-sync": (WSGI, (*GUNICORN, "-k", "sync")),
    "granian-asgi": (ASGI, (*SERVE, "--server", "granian")),
    "uvicorn": (ASGI, (*SERVE, "--server", "uvicorn")),
    UVICORN_WORKER: (ASGI, (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker")),
    ASGI_WORKER: (ASGI, (*GUNICORN, "-k", "asgi")),
}
ONE_PROCESS = ("waitress", "runserver")
# The releases that tests/oldest.txt names start without these workers.
MISSING = {
    UVICORN_WORKER: importlib.util.find_spec("uvicorn._compat") is None,
    ASGI_WORKER: importlib.util.find_spec("gunicorn.workers.gasgi") is None,
}


def check(server: Server, name: str, case: Any, *, logs: bool = True) -> list[str]:
    """Return what is wrong with the outcome of one case, with the others, and with the log."""
    faults = []
    begun = len(server.log())
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(misbehaving.request, server, f"/{name}", case.request, case.outcome)
        if (others := misbehaving.answered(server)) != OTHERS:
            faults.append(f"{name}: {others} of {OTHERS} others")
        if (found := request.result()) not in case.outcome.split("|"):
            faults.append(f"{name}: {found}, not {case.outcome}")
    if (case.raises or case.logged) and logs:
        text = case.logged or f"The app raised {case.raises} in a request."
        wait_for(lambda: text in server.log()[begun:], 10)
        if (times := server.log()[begun:].count(text)) != 1:
            faults.append(f"{name}: logged {times} times: {text}")
    return faults


@pytest.mark.parametrize("row", ROWS)
def test_misbehaving_apps(row: str, tmp_path: Path) -> None:
    """Others are answered, nothing is left, and the end comes in time, with `atexit`."""
    if MISSING.get(row):
        pytest.skip("this release has no such worker")
    module, command = ROWS[row]
    shutil.copy(str(module.__file__), tmp_path / "app.py")
    variables = {"APPSVC_WORKERS": "1", "APPSVC_GRACEFUL_TIMEOUT": str(GRACEFUL)}
    faults: list[str] = []
    with serving(*command, cwd=tmp_path, **variables) as server:
        cases: dict[str, Any] = {
            name: case
            for name, case in module.CASES.items()
            if not (case.holds and row == "gunicorn-sync")
        }
        misbehaving.answered(server)
        pid = misbehaving.worker(server)
        before = misbehaving.descriptors(pid)
        for name, case in cases.items():
            if not case.leaves:
                # gunicorn's own worker logs no error of an app whose client has its response.
                logs = row != ASGI_WORKER or case.outcome != "200"
                faults += check(server, name, case, logs=logs)
        assert misbehaving.worker(server) == pid, server.log()
        left: dict[str, Any] = {}

        def is_clean() -> bool:
            left.clear()
            left.update(misbehaving.descriptors(pid))
            return len(left) <= len(before)

        if not wait_for(is_clean):
            faults.append(f"{len(before)} descriptors before: {before}, now {left}")
        if row not in ONE_PROCESS:
            assert misbehaving.request(server, "/dies", "GET", "none") == "none", server.log()
            assert wait_for(lambda: _other_worker(server, pid)), server.log()
        for name, case in cases.items():
            if case.leaves:
                faults += check(server, name, case)
        assert not faults, "\n".join([*faults, server.log()])
        assert server.stop(timeout=GRACEFUL + 10) == 0, server.log()
        assert (tmp_path / "ended").exists(), server.log()


def _other_worker(server: Server, pid: int) -> bool:
    try:
        return misbehaving.worker(server) != pid
    except OSError:
        return False
