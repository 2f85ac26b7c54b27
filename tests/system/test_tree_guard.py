"""A process that ends marked trees: at a time, and when the process that started it is gone."""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.system import process_tree, tree_guard
from appsvc_runtime.system.process import steady_time
from appsvc_runtime.system.process_tree import Tree
from appsvc_runtime.system.tree_guard import TreeGuard
from tests.support.emulator import alive_with
from tests.support.launching import is_alive, wait_until
from tests.support.servers import clean_environ

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not process_tree.can_find_by_mark(), reason="only Linux finds a tree by its mark"
    ),
]


@contextmanager
def marked(tree: Tree) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that has a tree's mark, and waits."""
    code = "import time; print(flush=True); time.sleep(600)"
    environ = tree.environ(os.environ)
    with subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=-1) as started:
        try:
            assert started.stdout is not None
            started.stdout.readline()
            yield started
        finally:
            started.kill()


@contextmanager
def guarding() -> Iterator[TreeGuard]:
    """Run a guard, and end it."""
    guard = TreeGuard()
    try:
        yield guard
    finally:
        guard.close()
    assert not guard.lives()


@pytest.mark.parametrize("how", ["time", "closed", "closed-of-no-time"])
def test_guard_ends_what_has_the_mark(how: str) -> None:
    """When the time is over, and when the guard is closed; nothing else is ended."""
    tree = Tree()
    with marked(tree) as worker, marked(Tree()) as bystander, guarding() as guard:
        until = {"time": steady_time() + 0.3, "closed": steady_time() + 600}.get(how, math.inf)
        guard.allow(tree.mark, until)
        if how != "time":
            guard.close()
        assert worker.wait(20) == -signal.SIGKILL
        assert bystander.poll() is None
        assert guard.lives() == (how == "time")


def test_guard_that_is_told_in_time_does_nothing() -> None:
    """A renewed lease has a later time; a mark that is withdrawn ends nothing."""
    tree = Tree()
    with marked(tree) as worker:
        with guarding() as guard:
            for until, mark in ((0.5, tree.mark), (600, tree.mark), (0, "")):
                guard.allow(mark, steady_time() + until)
        assert worker.poll() is None


def test_guard_that_is_told_of_the_next_tree() -> None:
    """What is left of the one before is ended; it is over."""
    one, other = Tree(), Tree()
    with marked(one) as before, marked(other) as after, guarding() as guard:
        guard.allow(one.mark)
        guard.allow(other.mark)
        assert before.wait(20) == -signal.SIGKILL
        assert after.poll() is None


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_guard_is_started_again(how: str) -> None:
    """It knows what the one before knew; both ends of a guard are noticed."""
    tree = Tree()
    with marked(tree) as worker, guarding() as guard:
        guard.allow(tree.mark)
        before = guard.pid
        os.kill(before, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        wait_until(lambda: not guard.lives(), "its end")
        wait_until(guard.revive, "the next guard")
        assert guard.pid != before
        assert not is_alive(before)
        guard.close()
        assert worker.wait(20) == -signal.SIGKILL
        assert not guard.revive()


@pytest.mark.parametrize("how", ["stopped", "killed", "never-started"])
def test_closing_a_guard_that_does_not_work(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not hold up the end, and what it guarded is ended without it."""
    if how == "never-started":

        def refuse(*_: Any, **__: Any) -> Any:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        monkeypatch.setattr(tree_guard, "_start", refuse)
    tree = Tree()
    with marked(tree) as worker, guarding() as guard:
        guard.allow(tree.mark)
        if how == "never-started":
            with pytest.raises(ProcessLookupError):
                assert guard.pid
        else:
            os.kill(guard.pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
            wait_until(lambda: not guard.lives(), "its end")
        guard.close()
        assert worker.wait(20) == -signal.SIGKILL


def test_stopped_guard_does_not_hold_up_who_tells_it() -> None:
    """Its pipe is full after a while, as when a lease is renewed for hours."""
    with guarding() as guard:
        os.kill(guard.pid, signal.SIGSTOP)
        for _ in range(3000):
            guard.allow(Tree().mark)
        guard.allow("")


def test_guard_beside_files_named_as_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started in a user's folder, but does not import from there."""
    for name in ("queue", "signal", "threading", "appsvc_runtime"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    tree = Tree()
    with marked(tree) as worker, guarding() as guard:
        guard.allow(tree.mark)
        guard.close()
        assert worker.wait(20) == -signal.SIGKILL


def test_a_guard_that_was_killed_is_told_nothing() -> None:
    """That is not an error: callers check whether it still runs."""
    with guarding() as guard:
        os.kill(guard.pid, signal.SIGKILL)
        wait_until(lambda: not guard.lives(), "its end")
        guard.allow(Tree().mark)
        guard.allow(Tree().mark)
    guard.allow(Tree().mark)


@pytest.mark.parametrize("mark", ["x", "mark", "a" * 31, "a" * 32 + ":" + "b" * 32])
def test_a_mark_that_others_may_have_is_refused(mark: str) -> None:
    """All processes with it would be killed; the guard does not receive it."""
    with guarding() as guard, pytest.raises(ValueError, match="at least 32 characters"):
        guard.allow(mark)


GUARDED = """
import subprocess, sys, time
from appsvc_runtime.system.process_tree import Tree
from appsvc_runtime.system.tree_guard import TreeGuard
tree, guard = Tree(), TreeGuard()
guard.allow(tree.mark)
daemon = ["sh", "-c", "setsid sleep 600 & wait"]
tree.adopt(subprocess.Popen(daemon, env=tree.environ({"OF": sys.argv[1]})).pid)
print(guard.pid, flush=True)
time.sleep(600)
"""


def test_what_a_killed_process_has_started_ends(tmp_path: Path) -> None:
    """A daemon in a session of its own ends too; the guard ends last."""
    mark = f"guarded-{tmp_path.name}-{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-c", GUARDED, mark], env=clean_environ(), stdout=-1
    ) as started:
        assert started.stdout is not None
        guard = int(started.stdout.readline())
        wait_until(lambda: len(alive_with(f"OF={mark}")) >= 2, "its daemon")
        started.kill()
        wait_until(lambda: not alive_with(f"OF={mark}"), "the daemon's end")
        wait_until(lambda: not is_alive(guard), "the guard's end")
