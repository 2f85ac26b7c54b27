"""Whether a process listens on its port, with a stand-in for the system.

The real system is tested in the tests of `httpplatform`.
"""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.processes import readiness
from appsvc_runtime.system import listeners as system_listeners
from appsvc_runtime.system.process_tree import Tree


class Nobody(Tree):
    """A tree without processes."""

    def alive(self) -> list[int]:
        """Return no process."""
        return []


def test_process_that_begins_to_listen_while_it_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not reported as another program: the second of the two calls sees it already."""
    asked: list[str] = []

    def is_listened_on(_port: int) -> bool:
        asked.append("port")
        return len(asked) > 1

    def listeners(_pids: object) -> list[tuple[str, int]]:
        asked.append("own")
        return [("127.0.0.1", 8000)] if len(asked) > 1 else []

    monkeypatch.setattr(system_listeners, "is_listened_on", is_listened_on)
    monkeypatch.setattr(system_listeners, "listeners", listeners)
    assert readiness.listens_elsewhere(Nobody(), 8000) == ""
    assert sorted(asked) == ["own", "port"]
