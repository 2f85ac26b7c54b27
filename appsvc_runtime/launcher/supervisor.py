"""Keeps one worker running until a stop is requested: start, watch, end, start again.

Knows the order of these steps. `restarts` decides whether and when a worker is started again, `run`
how one run is started and ended, `singleton` whether it may run at all.

Everything happens in the main thread, as a worker on Linux ends with the thread that started it.
"""

from __future__ import annotations

import contextlib
import math
import queue
import time
from typing import TYPE_CHECKING

from ..system import files
from ..system.process import describe_end, exit_code
from ..system.process_tree import Tree, can_find_by_mark
from ..system.tree_guard import TreeGuard, bound_to_this_process
from .restarts import Restarts
from .run import Run
from .script import NO_INTERPRETER, shortage, start_error
from .shutdown_file import ShutdownFile
from .stop_file import StopFile
from .worker_environ import worker_environ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .liveness import HealthUrl, Heartbeat
    from .output import WorkerLog
    from .plan import WorkerPlan
    from .singleton import Singleton

__all__ = ["Launcher"]

# Seconds between checks of files while nothing happens.
_LOOK_SECONDS = 0.2
# Without any file to check: only so that no signal waits for long on systems where waiting hides
# it.
_IDLE_SECONDS = 1.0
# Seconds after SIGABRT for a Python to write its stack.
_STACK_SECONDS = 2.0
_GIVEN_TO_KILL = 0.5
_NOT_SIGNALLED = "; no CTRL+BREAK could be sent: only stop_requested() in its loop tells it to stop"


class Launcher:
    """Runs the worker of `plan`. `stop` may be called from a signal's handler, `run` once."""

    def __init__(
        self,
        plan: WorkerPlan,
        environ: Mapping[str, str],
        log: WorkerLog,
        singleton: Singleton | None = None,
    ) -> None:
        self._plan = plan
        self._environ = environ
        self._log = log
        self._singleton = singleton
        self._guard: TreeGuard | None = None  # without a singleton, which has one of its own
        # Its put is reentrant, unlike that of other queues: a signal may interrupt it.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._signals = 0
        self._shutdown_file = ShutdownFile(plan.shutdown_file, log)
        self._number = 0
        self._remains: Tree | None = None  # of a run before, which may have left processes
        self._no_fault = False  # whether the last run ended without a fault of the worker's
        self._liveness: Heartbeat | HealthUrl | None = None
        self._restarts = Restarts(
            plan.mode,
            healthy_after=plan.healthy_after,
            kudu=plan.kudu,
            kudu_pause=plan.kudu_pause,
            give_up_after=plan.give_up_after,
        )

    def stop(self) -> None:
        """Stop the worker in order; on the second call, at once."""
        self._signals += 1
        self._wake.put(None)

    def run(self) -> int:
        """Run until a stop is requested or no run follows; return the exit code.

        It is 0 after a stop, else that of the worker's last run, 128+n for signal n. Raise
        WorkerError or ConfigError if the worker cannot be started at all.
        """
        stop_file = StopFile(self._log)
        lock = self._shutdown_file.clear()
        if self._singleton is None and can_find_by_mark():
            self._guard = TreeGuard()
        try:
            with bound_to_this_process():
                return self._run(stop_file)
        finally:
            for one in (self._liveness, self._singleton, self._guard, stop_file):
                if one is not None:
                    one.close()
            if lock is not None:
                files.unlock(lock)

    def _run(self, stop_file: StopFile) -> int:
        environ = worker_environ(self._environ, self._plan, stop_file.path)
        if self._plan.watched:
            from .liveness import make_liveness  # few need it

            self._liveness = make_liveness(self._plan)
        while self._wait_for_the_lease():
            ended = self._run_once(environ, stop_file)
            code = self._wait_for_next(*ended) if ended is not None else None
            if code is not None:
                return code
        return self._stopped()

    def _run_once(
        self, environ: Mapping[str, str], stop_file: StopFile
    ) -> tuple[float, int] | None:
        """Run the worker once, to its end; return how many seconds it took, and its code.

        Return None if that must not influence the next run: a stop is requested, or the end is not
        the worker's fault.
        """
        run = self._start(environ)
        if run is None:
            return -1.0, NO_INTERPRETER  # shorter than any run: even --healthy-after 0 waits
        problem = self._watch(run, stop_file)
        if self.stopping:
            self._end(run, stop_file)
            return None
        self._tell_end(run, problem)
        # With mode `never`, a worker that has started is never started again, whatever ended it.
        if self._no_fault and (run.was_too_late or self._plan.mode != "never"):
            return None
        return run.seconds, run.returncode or 0

    def _wait_for_next(self, seconds: float, code: int) -> int | None:
        """Wait until the next run is due or a stop is requested.

        Return the exit code if no run follows, else None. `seconds` and `code` are those of the
        run before.
        """
        decision = self._restarts.after(seconds, code)
        if decision.note:
            self._log.say(decision.note, self._number)
        if decision.pause is None:
            code = exit_code(code)
            self._log.say(f"It is not started again; ending with exit code {code}.")
            return code
        if decision.pause:
            self._log.say(f"It is started again in {decision.pause:.1f} s.", self._number)
        self._pause(decision.pause)
        return None

    @property
    def stopping(self) -> bool:
        """Whether a stop is requested."""
        return self._signals > 0 or self._shutdown_file.seen

    def _start(self, environ: Mapping[str, str]) -> Run | None:
        """Start a run; return None if the machine currently lacks processes, files or memory."""
        self._number += 1
        if not self._remains_are_gone():
            self._log.say("It cannot be started now: the last run may not be over.", self._number)
            return None
        tree, not_after = Tree(), None
        if self._singleton is not None:
            not_after = self._singleton.guard(tree, self._number)
        elif self._guard is not None:
            self._guard.allow(tree.mark)
        try:
            run = Run(
                self._number,
                self._plan.argv,
                environ=environ,
                log=self._log,
                tree=tree,
                started=self._report_start,
                ended=lambda: self._wake.put(None),
                not_after=not_after,
            )
        except (OSError, MemoryError) as error:
            if lacks := shortage(error):
                self._log.say(f"It cannot be started now: {lacks}.", self._number)
                return None
            raise start_error(self._plan.argv[0], self._plan.name, error) from None
        if self._liveness is not None:
            self._liveness.start()
        return run

    def _remains_are_gone(self) -> bool:
        if self._remains is not None:
            left = self._remains.kill()
            if left or not self._remains.complete:
                return False
            self._remains = None
        return True

    def _report_start(self, pid: int) -> None:
        self._log.say(f"{self._plan.name} has started as process {pid}.", self._number)

    def _watch(self, run: Run, stop_file: StopFile) -> str:
        """Wait until a run is over or must end; end what is left of it unless a stop is requested.

        Return why it was ended, or "" if it ended by itself or a stop is requested.
        """
        self._no_fault = False
        while run.returncode is None:
            if self.stopping:
                return ""
            problem = self._liveness.problem() if self._liveness is not None else ""
            if problem:
                self._abort(run)
                return problem
            if self._singleton is not None and (why := self._singleton.problem(run.number)):
                self._end_for_lease(run, stop_file)
                self._no_fault = True
                return why
            if self._guard is not None:
                self._guard.revive()
            self._sleep()
        self._finish(run)
        self._shutdown_file.look()  # the worker may have seen it first
        self._no_fault = run.was_too_late
        return "its lease had run out before it started" if run.was_too_late else ""

    def _abort(self, run: Run) -> None:
        """End a worker that hangs, and log its stack if possible."""
        if run.tree.abort():
            deadline = time.monotonic() + _STACK_SECONDS
            while run.returncode is None and time.monotonic() < deadline and self._signals < 2:
                self._sleep(deadline - time.monotonic())
        self._finish(run)

    def _end_for_lease(self, run: Run, stop_file: StopFile) -> None:
        """End a worker whose lease runs out: in order, as long as the lease is still held."""
        self._ask_and_wait(run, stop_file)
        self._finish(run)
        stop_file.remove()  # the next run is not to stop

    def _end(self, run: Run, stop_file: StopFile) -> None:
        """Stop a run in order: ask, wait for the grace time, kill all that is left."""
        problem = ""
        if run.returncode is None:
            name, grace = self._plan.name, self._plan.grace
            self._log.say(f"{name} is asked to stop; it has {grace:.10g} s.", run.number)
            problem = f"it did not stop within {grace:.10g} s and was killed"
            if not self._ask_and_wait(run, stop_file, grace):
                problem += _NOT_SIGNALLED
            if self._signals > 1:
                problem = "stopped at once"
        by_itself = run.returncode is not None
        self._finish(run)
        self._tell_end(run, "" if by_itself else problem)

    def _ask_and_wait(self, run: Run, stop_file: StopFile, seconds: float = math.inf) -> bool:
        """Ask a worker to stop and wait for its end: so long, and no longer than the lease is held.

        Return whether it was signalled; it is always asked by the file.
        """
        deadline = time.monotonic() + seconds
        stop_file.create()
        signalled = run.ask_to_stop()
        while run.returncode is None and self._signals < 2:
            left = deadline - time.monotonic()
            if self._singleton is not None:
                left = min(left, self._singleton.seconds_left(run.number) - _GIVEN_TO_KILL)
            if left <= 0:
                break
            self._sleep(min(left, _LOOK_SECONDS))
        return signalled

    def _finish(self, run: Run) -> None:
        left = run.finish()
        self._remains = None if run.tree.complete else run.tree
        if left:
            numbers = ", ".join(map(str, left))
            self._log.say(f"Processes that cannot be ended: {numbers}.", run.number)

    def _tell_end(self, run: Run, problem: str) -> None:
        """Log the line that sums up a run."""
        how = describe_end(run.returncode or 0)
        if problem:
            how = f"{how}: {problem}"
        elif self.stopping:
            how += ": it was asked to stop"
        self._log.say(f"{self._plan.name} ended after {run.seconds:.1f} s with {how}.", run.number)

    def _wait_for_the_lease(self) -> bool:
        """Wait until this launcher may run the worker; return False if a stop is requested."""
        singleton = self._singleton
        while singleton is not None and not singleton.may_start():
            if self.stopping:
                return False
            self._sleep(_LOOK_SECONDS)
        return not self.stopping

    def _pause(self, seconds: float) -> None:
        """Wait, unless a stop is requested."""
        deadline = time.monotonic() + seconds
        while not self.stopping and (left := deadline - time.monotonic()) > 0:
            self._sleep(left)

    def _sleep(self, seconds: float = _IDLE_SECONDS) -> None:
        """Wait until something happens, at most so long, and check the files in time."""
        watched = self._plan.shutdown_file or self._liveness is not None or self._singleton
        longest = _LOOK_SECONDS if watched else _IDLE_SECONDS
        with contextlib.suppress(queue.Empty):
            self._wake.get(timeout=max(0.0, min(seconds, longest)))
        self._shutdown_file.look()

    def _stopped(self) -> int:
        why = "a signal has come" if self._signals else f"{self._plan.shutdown_file} exists"
        self._log.say(f"Stopped, because {why}.")
        return 0
