"""The names inside granian that our worker uses: these tests fail for a release without one.

Each row names our file that uses the name and must be checked.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
from granian import _futures
from granian.server.mp import MPServer, WorkerProcess

import appsvc_runtime

RUN = "appsvc_runtime/serving/granian/run.py"
THREADS = "appsvc_runtime/serving/granian/threads.py"
WSGI = "appsvc_runtime/serving/granian/wsgi.py"

NAMES = [
    (RUN, "granian._signals", "set_loop_signals", ["loop"]),
    (RUN, "granian._granian", "WorkerSignal", None),
    (RUN, "granian._granian", "WorkerSignal.set", None),
    (RUN, "granian.server.mp", "_new_cbscheduler", ["loop", "cb", "impl_asyncio"]),
    (
        RUN, "granian.server.mp", "MPServer._spawn_workers",
        ["self", "spawn_target", "target_loader"],
    ),
    (
        RUN, "granian.server.mp", "MPServer._respawn_workers",
        ["self", "workers", "spawn_target", "target_loader", "delay"],
    ),
    (RUN, "granian.server.mp", "MPServer._spawn_asgi_lifespan_worker", None),
    (RUN, "granian.server.mp", "MPServer._stop_workers", ["self"]),
    (RUN, "granian.server.mp", "MPServer.shutdown", ["self", "exit_code"]),
    (RUN, "granian.server.mp", "MPServer.signal_handler_interrupt", ["self", "args", "kwargs"]),
    (RUN, "granian.server.mp", "WorkerProcess.terminate", ["self"]),
    (THREADS, "granian._granian", "CallbackScheduler", None),
    (THREADS, "granian._granian", "CallbackScheduler._schedule_fn", None),
    (WSGI, "granian._granian", "ASGIHTTPProtocol.receive", None),
    (WSGI, "granian._granian", "ASGIHTTPProtocol.send", None),
    (WSGI, "granian._granian", "ASGIWebsocketProtocol.send", None),
]  # fmt: skip


def look_at(file: str, name: str) -> str:
    return f"granian has changed {name}: look at {file}, which uses it."


@pytest.mark.parametrize(
    ("file", "module", "name", "parameters"),
    [pytest.param(*row, id=f"{row[1]}.{row[2]}") for row in NAMES],
)
def test_a_name_is_there(file: str, module: str, name: str, parameters: list[str] | None) -> None:
    """The name exists, with the parameters of our calls and replacements."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        assert hasattr(found, part), look_at(file, f"{module}.{name}")
        found = getattr(found, part)
    if parameters is not None:
        assert [*inspect.signature(found).parameters] == parameters, look_at(file, name)


@pytest.mark.parametrize(
    "name",
    ["wrks", "main_loop_interrupt", "interrupt_signal", "interrupt_children", "respawned_wrks"],
)
def test_an_attribute_of_the_server_is_there(name: str) -> None:
    """They show which workers have died, and end the server."""
    assert hasattr(MPServer("app:app"), name), look_at(RUN, f"MPServer.{name}")


def test_workers_are_what_they_were() -> None:
    """A worker's process is its `inner`.

    A function of the worker sets up signals and the scheduler.
    """
    assert "inner" in WorkerProcess._spawn.__code__.co_names, look_at(RUN, "WorkerProcess.inner")
    used = WorkerProcess._watcher.__code__.co_names
    assert "interrupt_by_parent" in used, look_at(RUN, "WorkerProcess.interrupt_by_parent")
    worker = inspect.unwrap(MPServer._spawn_asgi_lifespan_worker)
    used = {*worker.__code__.co_names, *worker.__code__.co_varnames}
    for name in ("_new_cbscheduler", "set_loop_signals"):  # found when a worker has loaded its app
        assert name in used, look_at(RUN, name)
    for name in ("run_until_complete", "add_cb"):
        assert name in used, look_at(RUN, f"what a worker does with its signals ({name})")


def test_what_a_watcher_of_a_request_has() -> None:
    """Granian's own function uses the same four names of it; only Rust code can create it."""
    source = inspect.getsource(_futures._future_watcher_wrapper)
    for name in ("scope", "proto", "done", "err"):
        assert f"watcher.{name}" in source, look_at(THREADS, f"the watcher's {name}")


def test_a_scheduler_is_made_as_granian_makes_it() -> None:
    """`__new__` gets five arguments, granian's `__init__` none."""
    parameters = [*inspect.signature(_futures._CBScheduler.__init__).parameters]
    assert parameters == ["self", "loop", "cb", "aio_task", "aio_tenter", "aio_texit"], look_at(
        THREADS, "CallbackScheduler"
    )


def test_every_private_name_that_is_used_is_in_the_table() -> None:
    """A new use of a name inside granian needs a row."""
    root = Path(appsvc_runtime.__file__).parent.parent
    used = set()
    for path in sorted((root / "appsvc_runtime/serving/granian").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("granian."):
                used.add(ast.unparse(node))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("granian._"):
                used |= {f"{node.module}.{one.name}" for one in node.names}
    tabled = {f"{module}.{name}" for _, module, name, _ in NAMES}
    whole = {name for name in used if not any(other.startswith(f"{name}.") for other in used)}
    assert len(whole) > 2
    assert whole <= tabled
