"""Misbehaving apps, on every server: each costs its own request, and nothing else.

One server serves all of them by path. While each misbehaves, others are answered; afterwards no
descriptor is left, and the process ends in time.
"""

from __future__ import annotations

import importlib.util
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support import misbehaving, misbehaving_asgi, misbehaving_wsgi
from tests.support.misbehaving import OTHERS, wait_for
from tests.support.promises import release
from tests.support.servers import Server, run, serving

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
            # 2.8.0 ends a response that is broken off as if it were whole, or not at all.
            if not (row == "granian" and "cut" in case.outcome and release("granian") < (2, 8, 9))
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


def test_a_stop_of_the_server_is_not_the_apps(tmp_path: Path) -> None:
    """gunicorn raises SystemExit in the request of a sync worker that it ends."""
    shutil.copy(str(WSGI.__file__), tmp_path / "app.py")
    command = (*GUNICORN, "-k", "sync", "--threads", "1", "--timeout", "1", "--workers", "1")
    with serving(*command, cwd=tmp_path) as server:
        pid = misbehaving.worker(server)
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(misbehaving.request, server, "/never-returns", "GET", "500")
            server.wait_for_log("WORKER TIMEOUT", 60)
            request.result()
        assert wait_for(lambda: _other_worker(server, pid), 60), server.log()
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(misbehaving.request, server, "/never-returns", "GET", "500")
            server.wait_until_taken()
            assert server.stop(signal.SIGINT) == 0, server.log()
            request.result()
        assert "AppExitError" not in server.log()


CONFIGURATION = """
import threading, time

def forever():
    while True:
        time.sleep(1)

def post_worker_init(worker):
    threading.Thread(target=forever, name="image").start()

def worker_exit(server, worker):
    open("exited", "w").close()
    raise RuntimeError("the hook")
"""


def test_a_thread_of_gunicorns_configuration(tmp_path: Path) -> None:
    """The platform's own file starts one in each worker; hooks of such a file are called."""
    (tmp_path / "conf.py").write_text(CONFIGURATION)
    shutil.copy(str(WSGI.__file__), tmp_path / "app.py")
    name = "PYTHON_USE_GUNICORN_CONFIG_FROM_PATH"
    with serving(
        *GUNICORN, cwd=tmp_path, APPSVC_GRACEFUL_TIMEOUT="60", **{name: "conf.py"}
    ) as server:
        misbehaving.worker(server)
        assert server.stop(timeout=30) == 0, server.log()
        assert "these threads run: image, service." in server.log()
    assert (tmp_path / "exited").exists()
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize("name", ["waitress", "gunicorn", "granian", "uvicorn"])
def test_an_app_that_cannot_be_loaded_may_have_started_a_thread(name: str, tmp_path: Path) -> None:
    """The start fails at once all the same."""
    service = "import threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()\n"
    (tmp_path / "app.py").write_text(f"{service}raise RuntimeError('the import')\n")
    words = [word.replace("{port}", "0") for word in (*SERVE, "--server", name)]
    result = run(*words, cwd=tmp_path, timeout=60, APPSVC_WORKERS="1")
    assert result.returncode in (1, 4), result.stderr
    assert "the import" in result.stderr
