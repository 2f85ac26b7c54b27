"""What several workers mean for an app: schedulers, clients and counts in memory."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.serving import per_worker
from appsvc_runtime.serving.one_host import OneHost
from tests.support.serverapps import ROWS, Row, asked, rows
from tests.support.servers import serving


class RedisStorage:
    """Named as a storage of the package limits."""


class SimpleCache:
    """Named as flask-caching's own."""


class RedisCache:
    """Named as flask-caching's own."""


def load(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    """Put a stand-in of a package among the loaded modules."""
    module = ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture(autouse=True)
def _nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without the packages that other tests have imported."""
    for part in per_worker.PARTS:
        monkeypatch.delitem(sys.modules, part.module, raising=False)


@pytest.mark.parametrize(
    "part", [one.module for one in per_worker.PARTS if one.in_memory.__name__ == "_always"]
)
def test_packages_that_always_keep_something(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notice names the package, the number and the setting; one worker needs none."""
    load(monkeypatch, part)
    notice = per_worker.describe(None, 3)
    assert notice.startswith(
        f"3 workers run, and the app uses {part.partition('.')[0]}: each worker"
    )
    assert notice.endswith("APPSVC_WORKERS=1 runs one worker.")
    assert "{" not in notice
    assert per_worker.describe(None, 1) == ""


def test_nothing_to_say() -> None:
    """Most apps keep nothing in a worker."""
    assert per_worker.describe(None, 4) == ""


def test_two_schedulers(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share a sentence, and other parts follow."""
    load(monkeypatch, "apscheduler")
    load(monkeypatch, "schedule", run_pending=None)
    load(monkeypatch, "socketio")
    notice = per_worker.describe(None, 2)
    assert "apscheduler and schedule: each worker runs the jobs" in notice
    assert "a job runs 2 times; socketio: each worker" in notice


def test_a_module_of_the_sites_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site's schedule.py is no scheduler."""
    load(monkeypatch, "schedule")
    assert per_worker.describe(None, 2) == ""


@pytest.mark.parametrize("storage", [None, RedisStorage])
@pytest.mark.parametrize("kind", ["flask_limiter", "slowapi"])
def test_limits(kind: str, storage: type | None) -> None:
    """Only limits in memory count, also behind our own wrappers."""
    app: Any
    if kind == "flask_limiter":
        flask = pytest.importorskip("flask")
        limiter = pytest.importorskip("flask_limiter").Limiter(lambda: "x", storage_uri="memory://")
        inner = flask.Flask("x")
        limiter.init_app(inner)
        app = AppServiceMiddleware(inner)
    else:
        limiter = pytest.importorskip("slowapi").Limiter(key_func=lambda: "x")
        app = OneHost(SimpleNamespace(state=SimpleNamespace(limiter=limiter)))  # type: ignore[arg-type]
    if storage:
        limiter._storage = storage()
    notice = per_worker.describe(app, 2)
    assert ("so 2 times the limit gets through" in notice) is (storage is None), notice


@pytest.mark.parametrize(("cache", "counts"), [(SimpleCache, True), (RedisCache, False)])
def test_caches(cache: type, counts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """flask-caching keeps its caches by extension."""
    load(monkeypatch, "flask_caching")
    app = SimpleNamespace(extensions={"cache": {object(): cache()}})
    assert ("a SimpleCache of its own" in per_worker.describe(app, 2)) is counts
    assert per_worker.describe(SimpleNamespace(extensions={"cache": 5}), 2) == ""
    assert per_worker.describe(None, 2) == ""


@pytest.mark.parametrize(
    ("engine", "backend", "counts"),
    [
        ("cache", "django.core.cache.backends.locmem.LocMemCache", True),
        ("cache", "django.core.cache.backends.redis.RedisCache", False),
        ("cached_db", "django.core.cache.backends.locmem.LocMemCache", False),
        ("db", "django.core.cache.backends.locmem.LocMemCache", False),
    ],
)
def test_sessions(engine: str, backend: str, counts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's sessions are lost if they are in a cache in memory alone."""
    settings = SimpleNamespace(
        configured=True,
        SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}",
        SESSION_CACHE_ALIAS="default",
        CACHES={"default": {"BACKEND": backend}},
    )
    load(monkeypatch, "django.contrib.sessions")
    load(monkeypatch, "django.conf", settings=settings)
    assert ("so users lose them" in per_worker.describe(None, 2)) is counts


@pytest.mark.integration
@rows()
@pytest.mark.parametrize("workers", ["1", "2"])
def test_servers_print_it_once(row: Row, workers: str, tmp_path: Path) -> None:
    """The number of workers is in the first line; the notice is of the first worker."""
    (tmp_path / "apscheduler.py").touch()
    (tmp_path / "app.py").write_text(f"import apscheduler\n{row.source}")
    number = min(int(workers), row.processes)
    with serving(*row.serve, cwd=tmp_path, APPSVC_WORKERS=workers) as server:
        seen: set[int] = set()
        while len(seen) < number:
            seen.add(asked(server)["pid"])
        count = f", {number} workers?" if row.processes > 1 else ""
        server.wait_for_match(re.compile(rf"with {row.server}{count}[.,]"))
        if number > 1:
            server.wait_for_log("2 workers run, and the app uses apscheduler: each worker runs")
        assert server.stop() == 0
        assert server.log().count("APPSVC_WORKERS=1") == (1 if number > 1 else 0)


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
@pytest.mark.parametrize(("arguments", "shown"), [("--workers 3", False), ("--threads 3", True)])
def test_a_number_of_gunicorns_own(arguments: str, shown: bool, tmp_path: Path) -> None:
    """It is not known beforehand, and the notice has the real one."""
    row = ROWS["gunicorn"]
    (tmp_path / "apscheduler.py").touch()
    (tmp_path / "app.py").write_text(f"import apscheduler\n{row.source}")
    given = {"GUNICORN_CMD_ARGS": arguments, "APPSVC_WORKERS": "2"}
    with serving(*row.serve, cwd=tmp_path, **given) as server:
        server.wait_for_log(f"{2 if shown else 3} workers run, and the app uses apscheduler")
        assert ("with gunicorn, 2 workers" in server.log()) is shown
