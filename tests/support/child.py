"""A child process that leads a process group, and keeps its process id until the group is killed.

`subprocess.Popen` collects the exit status as soon as `poll` or `wait` sees it. The system may then
give the id to another process, and `os.killpg` would kill the wrong one. Must not import the
package under test.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

__all__ = ["Child"]


class Child(subprocess.Popen[bytes]):
    """A `Popen` whose `poll` and `wait` leave the exit status, until `kill_group` collects it.

    Start it with `start_new_session=True`, so that the process leads a group of its own.
    """

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the process runs."""
        if self.returncode is None:
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            if ended is not None:
                code = ended.si_status
                self.returncode = code if ended.si_code == os.CLD_EXITED else -code
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; raise TimeoutExpired after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if timeout is not None and deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.01)
        return code

    def ends_within(self, seconds: float) -> bool:
        """Return whether the process ends within so many seconds."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(seconds)
        return self.returncode is not None

    def stop_group(self) -> int:
        """Send SIGTERM to the process, wait at most 10 s, and kill the group."""
        if self.poll() is None:
            self.terminate()
            self.ends_within(10)
        return self.kill_group()

    def kill_group(self) -> int:
        """Kill the group, collect the exit status, and return the exit code."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self.wait(20)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        return code
