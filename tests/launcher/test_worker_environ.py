"""Variables that the launcher sets for its worker, and that it reads its own only once."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import pytest

import appsvc_runtime.launcher
from appsvc_runtime.launcher.plan import make_worker_plan
from appsvc_runtime.launcher.worker_environ import worker_environ

PLAIN = {"APPSVC_STOP_FILE": "stop", "PYTHONUNBUFFERED": "1"}
# The entry point, and what runs in the worker's own process.
READERS = ["command.py", "stop_request.py"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, PLAIN, id="plain"),
        pytest.param(
            {"APPSVC_WORKER_HEARTBEAT_FILE": "beat"},
            {**PLAIN, "APPSVC_WORKER_HEARTBEAT_FILE": "beat", "PYTHONFAULTHANDLER": "1"},
            id="heartbeat",
        ),
        pytest.param(
            {"APPSVC_WORKER_HEALTH_URL": "http://127.0.0.1:1/"},
            {**PLAIN, "PYTHONFAULTHANDLER": "1"},
            id="health",
        ),
    ],
)
def test_variables_of_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], expected: dict[str, str]
) -> None:
    """The documented variables override the launcher's own; a user's for Python stay."""
    (tmp_path / "worker.py").touch()
    monkeypatch.chdir(tmp_path)
    plan = make_worker_plan(["worker.py"], {}, module=False, given=given)
    base = {"A": "b", "APPSVC_STOP_FILE": "an outer launcher's", "PYTHONUNBUFFERED": ""}
    beat = {"APPSVC_WORKER_HEARTBEAT_FILE": str(tmp_path / "beat")}
    wanted = {**expected, **{name: beat[name] for name in beat if name in expected}}
    made = worker_environ(base, plan, "stop")
    assert made == {**wanted, "A": "b", "PYTHONUNBUFFERED": ""}
    assert worker_environ({}, plan, "stop") == wanted
    assert base["APPSVC_STOP_FILE"] == "an outer launcher's"


def test_variables_of_this_process_are_read_where_it_begins() -> None:
    """The entry point and the worker read them; no module of the launcher writes to them."""
    using = []
    for path in Path(os.path.dirname(appsvc_runtime.launcher.__file__)).glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not names & {"os.putenv", "os.unsetenv"}
        if names & {"os.environ", "os.getenv", "os.environb"}:
            using.append(path.name)
        written = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and ast.unparse(node.value) == "os.environ"
        ]
        assert not written, path.name
    assert sorted(using) == READERS
