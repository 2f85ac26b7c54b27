"""One started program and everything that it starts, so that all of it can be found and ended.

Must not know of event loops, nor of what is started and why. Start the program with `popen_options`
and `environ`:

    tree = Tree()
    started = subprocess.Popen(argv, env=tree.environ(os.environ), **tree.popen_options())
    tree.adopt(started.pid)

Linux: the program leads a session, and has a mark that all inherit which it starts, in its
variables and in a limit (`inherited_mark`). So even processes are found that forked twice, made
sessions of their own and cleared their variables. The program itself is killed with the thread that
started it. Windows: a job object, which ends with this process. Other systems, and Linux while
/proc cannot be read: the process group, which a child can leave.

Sources: setsid(2), pidfd_open(2), credentials(7); see also before_exec, job_object.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from . import inherited_mark, process, procfs
from .before_exec import TOO_LATE, before_exec
from .spare_descriptors import released

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .job_object import Job

__all__ = ["MARK", "TOO_LATE", "Tree", "can_find_by_mark"]

# Marks of the trees that a process is in, the outermost first.
MARK = "APPSVC_TREE"
_BETWEEN_MARKS = ":"
# All processes with a mark are killed, so a mark must not occur elsewhere by chance.
_SHORTEST_MARK = 32
_CREATE_NEW_PROCESS_GROUP, _CREATE_SUSPENDED = 0x200, 0x4  # of CreateProcessW
_SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class Tree:
    """The processes of one started program. Use it for one program, from one thread at a time.

    `mark`: that of a program which another process starts, if `can_find_by_mark`. Raise ValueError
    for a mark that could occur by chance: it needs 32 characters or more, and no colon.
    """

    def __init__(self, mark: str = "") -> None:
        self.pid: int | None = None
        self.mark = _checked(mark) if mark else os.urandom(16).hex()
        self.complete = True  # False if the last look found the group at most: files were short
        self._started: int | None = None  # when the leader started, on Linux
        self._seen: dict[int, int] = {}  # members on Linux, and when they started
        self._over = False  # no process was left: another one may have the leader's id by now
        self._job: Job | None = None

    def environ(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of `base` with the mark; the marks of enclosing trees are kept."""
        marks = filter(None, [base.get(MARK, ""), self.mark])
        return {**base, MARK: _BETWEEN_MARKS.join(marks)}

    def popen_options(
        self, *, not_after: float | None = None, within: Tree | None = None
    ) -> dict[str, Any]:
        """Return keyword arguments for subprocess.Popen and asyncio.create_subprocess_exec.

        `within`: the tree around this one, whose mark `environ` is given as well.
        `not_after`: a time by `process.steady_time`, after which the child exits with TOO_LATE
        before it executes the program, however long this process was suspended before. Only if
        `can_find_by_mark`.
        """
        if process.WINDOWS:
            # A group: else CTRL+BREAK would reach this process too. It runs when `adopt` lets it.
            return {"creationflags": _CREATE_NEW_PROCESS_GROUP | _CREATE_SUSPENDED}
        options: dict[str, Any] = {"start_new_session": True}
        if _linux():
            set_mark = inherited_mark.setter(self.mark, within.mark if within else "")
            options["preexec_fn"] = before_exec(set_mark, not_after)
        return options

    def adopt(self, pid: int) -> None:
        """Add the program right after its start, before it is waited for; Windows runs it then."""
        self.pid = pid
        if process.WINDOWS:
            from .job_object import Job

            self._job = Job(pid)
        elif _linux():
            with released():
                found = procfs.look(pid)
            self._started = found.started if found else None

    def ask_to_stop(self, *, everyone: bool = False) -> bool:
        """Ask the program to end: SIGTERM, on Windows CTRL+BREAK. Return whether it was asked.

        It was not if it is not running, and on Windows if this process has no console to send
        CTRL+BREAK through: then it needs another way to be asked, or goes on until it is killed.

        `everyone`: its children too, for a shell that passes no signal on. On Windows all that
        share its console and group are always asked.
        """
        if self.pid is None:
            return False
        if process.WINDOWS:
            from .console_break import send_break

            # The job holds the program's handle, so no other program has got its id.
            return self.pid in self.alive() and send_break(self.pid)
        members = self._members()
        if members is not None:
            asked = members if everyone else [one for one in members if one.pid == self.pid]
            return [_signal(one, signal.SIGTERM) for one in asked].count(True) > 0
        return self._signal_group(signal.SIGTERM, leader_only=not everyone)

    def abort(self) -> bool:
        """End only the program itself by SIGABRT, on which faulthandler shows a Python's stack.

        Return whether it was signalled; always False on Windows, which has no such signal.
        """
        if self.pid is None or process.WINDOWS:
            return False
        members = self._members()
        if members is not None:
            leader = [one for one in members if one.pid == self.pid]
            return any(_signal(one, signal.SIGABRT) for one in leader)
        return self._signal_group(signal.SIGABRT, leader_only=True)

    def kill(self, patience: float = 2.0) -> list[int]:
        """Kill all processes until none is left; return those left after so many seconds.

        With a patience of 0, all are signalled once, and their ids returned. Never kills this
        process.
        """
        pause = 0.001
        deadline = time.monotonic() + patience
        before: list[int] | None = None
        while True:
            left = self._kill_once()
            # A process that is just executing another program shows no variables: so check twice.
            if (not left and before == []) or time.monotonic() >= deadline:
                return left
            before = left
            time.sleep(pause)
            pause = min(pause * 2, 0.02)

    def alive(self) -> list[int]:
        """Return the ids of processes that have not ended, sorted."""
        if process.WINDOWS:
            return self._job.pids() if self._job else []
        members = self._members()
        if members is not None:
            return sorted(one.pid for one in members)
        return [self.pid] if self.pid and self._signal_group(0) else []

    def close(self) -> None:
        """Release the system's resources of the tree; on Windows this ends what is left of it."""
        if self._job:
            self._job.close()
            self._job = None

    def _kill_once(self) -> list[int]:
        if process.WINDOWS:
            left = self._job.pids() if self._job else []
            if self._job and left:
                self._job.terminate()
            return left
        members = self._members()
        if members is not None:
            for one in members:
                _signal(one, _SIGKILL)
            return sorted(one.pid for one in members)
        return [self.pid] if self.pid and self._signal_group(_SIGKILL) else []

    def _signal_group(self, number: int, *, leader_only: bool = False) -> bool:
        """Signal the program's group, if nothing better is known; return whether it exists."""
        if process.WINDOWS or self.pid is None or self._over or self.pid == os.getpid():
            return False
        if _linux() and not _is_own_child(self.pid):  # no other way to recognize it now
            return False
        try:
            (os.kill if leader_only else os.killpg)(self.pid, number)
        except ProcessLookupError:
            # While a group has members its number is not given to another group; afterwards it may
            # be.
            self._over = not leader_only
            return False
        except PermissionError:  # macOS: all that is left has ended and is only waited for
            return False
        return True

    def _members(self) -> list[procfs.Process] | None:
        """Return the processes of the tree on Linux that have not ended, without this process.

        They are found by the mark; by the leader's session, whose number is not reused while it has
        members; and by having one of these as parent. Return None if that is unknown: on another
        system, or while files or memory are short.
        """
        if not _linux():
            return None
        with released():
            try:
                everyone = {one.pid: one for one in procfs.processes()}
            except OSError:
                self.complete = False
                return None
            self.complete = True
            known = [one for one in everyone.values() if self._is_known(one, everyone)]
            running = [one for one in _with_children(known, everyone) if one.running]
        self._seen = {one.pid: one.started for one in running}
        return running

    def _is_known(self, one: procfs.Process, everyone: Mapping[int, procfs.Process]) -> bool:
        if self._started is not None and one.started < self._started:
            return False  # older than the program; most are, and need no further check
        if self.pid is not None and one.session == self.pid:
            leader = everyone.get(self.pid)
            if leader is None or leader.started == self._started:
                return True
        # A known process may have lost its mark: it overwrote its variables, or is just ending.
        if self._seen.get(one.pid) == one.started:
            return True
        return inherited_mark.carries(one.pid, self.mark) or self.mark in procfs.variable(
            one.pid, MARK
        ).split(_BETWEEN_MARKS)


def _checked(mark: str) -> str:
    if len(mark) < _SHORTEST_MARK or _BETWEEN_MARKS in mark:
        raise ValueError(f"A tree's mark has at least {_SHORTEST_MARK} characters and no colon.")
    return mark


def can_find_by_mark() -> bool:
    """Return whether a tree can be found by its mark alone, from any process."""
    return _linux()


def _with_children(
    known: list[procfs.Process], everyone: Mapping[int, procfs.Process]
) -> Iterable[procfs.Process]:
    """Return processes and all that they have started, without this process and process 1."""
    children: dict[int, list[procfs.Process]] = {}
    for one in everyone.values():
        children.setdefault(one.parent, []).append(one)
    own = os.getpid()
    found: dict[int, procfs.Process] = {}
    waiting = [*known]
    while waiting:
        one = waiting.pop()
        if one.pid in found or one.pid in (own, 1):
            continue
        found[one.pid] = one
        # Its children only while it exists: another process may have got its id.
        if one.pid in children and _is_there(one):
            waiting += children[one.pid]
    return found.values()


def _is_own_child(pid: int) -> bool:
    """Return whether a process is a child that was not waited for: its id is not reused."""
    if not process.WINDOWS:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            return True
    return False


def _is_there(one: procfs.Process) -> bool:
    now = procfs.look(one.pid)
    return now is not None and now.started == one.started and now.running


def _linux() -> bool:
    return not process.WINDOWS and sys.platform == "linux" and os.path.exists("/proc/self/stat")


def _signal(one: procfs.Process, number: int) -> bool:
    """Signal a process unless it has ended or its id was reused; return whether it existed."""
    with released():
        descriptor = _pidfd(one.pid)
        try:
            if descriptor is not None and _is_there(one):
                # Opened before the check, so that it is of the process seen.
                return _send(lambda: _send_by_pidfd(descriptor, number))
        finally:
            if descriptor is not None:
                os.close(descriptor)
        # Without pidfds, or without a descriptor that is left for the check.
        return _is_there(one) and _send(lambda: os.kill(one.pid, number))


def _send(call: Callable[[], None]) -> bool:
    try:
        call()
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _pidfd(pid: int) -> int | None:
    opened: Callable[[int], int] | None = getattr(os, "pidfd_open", None)
    try:
        return opened(pid) if opened else None
    except OSError:  # it is gone, or the system is too old or forbids it
        return None


def _send_by_pidfd(descriptor: int, number: int) -> None:
    send: Any = getattr(signal, "pidfd_send_signal")  # noqa: B009 - mypy on Windows
    send(descriptor, number)
