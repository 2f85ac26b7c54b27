"""One run of a WebJob: its copy, its variables, its process, its logs, its end.

Knows what Kudu sets up for a job. Must not know when jobs are run. Source: Kudu.Core/Jobs,
BaseJobRunner.cs.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex
from datetime import datetime, timezone
from pathlib import Path

from ...errors import ConfigError
from ...system import capabilities, own_files
from ...system.process import exit_code
from ..http.messages import Say
from ..processes.child import Child
from ..processes.command_line import split_command_line
from ..processes.run_folder import mark_variables
from .copy import JobCopy
from .files import Hosting, command_for
from .log import MAX_LINES, JobLog, write_status
from .plan import JobPlan, JobsPlan

__all__ = ["JobRun"]

# Seconds that Kudu waits for a stopping job, unless its settings.job sets another time.
_CONTINUOUS_WAIT, _TRIGGERED_WAIT = 5.0, 30.0
# WEBJOBS_HISTORY_SIZE of Kudu.
_KEPT_RUNS = 50


class JobRun:
    """A run of `job`; `identity` is the run's id of a triggered job, "" of a continuous one."""

    def __init__(
        self, plan: JobsPlan, job: JobPlan, copy: JobCopy, say: Say, identity: str
    ) -> None:
        self._plan = plan
        self._job = job
        self._copy = copy
        self._identity = identity
        self._say = say
        self._label = job.label
        self._child: Child | None = None
        self._continuous = job.job.kind == "continuous"
        self._folder = job.data / identity if identity else job.data
        name = "job_log.txt" if self._continuous else "output_log.txt"
        self._log = JobLog(
            self._folder / name,
            limit=MAX_LINES if self._continuous else None,
            say=lambda text: say(self._label, text),
        )
        self._shutdown_file: Path | None = None
        self._stopping = False
        self._started = _now()
        if identity:
            _trim(job.data)

    async def run(self) -> int:
        """Run to the end; return the exit code. Raise ConfigError if it cannot be started."""
        self._status("Initializing")
        try:
            folder = await asyncio.to_thread(self._place)
        except asyncio.CancelledError:
            self._copy.stop()
            raise
        except OSError as error:
            self._status("Failed", ended=True)
            raise ConfigError(
                f"The files of the job cannot be copied: {error}.",
                hint="Fix that, or set is_in_place in its settings.job.",
            ) from None
        script = folder / self._job.script.relative_to(self._job.job.folder)
        arguments = _words(
            self._plan.environ.get("WEBJOBS_COMMAND_ARGUMENTS", ""), self._plan.hosting
        )
        argv = command_for(
            script,
            self._plan.python,
            arguments if self._identity else [],
            windows=capabilities.runs_batch_files(),
            hosting=self._plan.hosting,
        )
        if argv is None:
            self._say(self._label, f"{script.name} cannot be run on this machine.")
            return 1
        self._log.start()
        self._log.system(f"Run script '{script.name}'")
        self._status("Running")
        # Without its arguments, which may be secrets.
        program = "" if argv[0] == str(script) else f"{Path(argv[0]).name} "
        self._say(self._label, f"$ {program}{script.name}")
        try:
            self._child = child = await Child.start(
                argv,
                environ=self._environ(folder),
                cwd=script.parent,
                say=self._say,
                label=self._label,
                listener=self._log.line,
            )
            code = await child.wait()
            if not self._stopping:
                child.kill()  # as Kudu does with processes that have the job's variable
        finally:
            if self._stopping:
                self._status("Stopped", ended=True)
        if code:
            self._log.system(f"Job failed due to exit code {code}")
            self._say(self._label, f"Job failed due to exit code {code}")
        if not self._stopping:
            self._status("Success" if not code else "Failed", ended=True)
        return exit_code(code)

    async def stop(self) -> None:
        """Ask a job to stop, wait its `stopping_wait_time`, kill what is left of it."""
        child = self._child
        if child is None or child.returncode is not None:
            self.kill()
            return
        self._stopping = True
        wait = self._job.job.settings.stopping_wait_time
        if wait is None:
            wait = _CONTINUOUS_WAIT if self._continuous else _TRIGGERED_WAIT
        try:
            if self._shutdown_file is not None:
                self._say(self._label, f"WEBJOBS_SHUTDOWN_FILE is written; {wait:.10g} s are left.")
                with contextlib.suppress(OSError):
                    own_files.make_folders(self._shutdown_file.parent)
                    now = datetime.now(timezone.utc).ctime()
                    own_files.write_file(self._shutdown_file, now.encode())
            elif not child.tree.ask_to_stop() and child.pid in child.tree.alive():
                wait = 0.0  # without a console it cannot be asked
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(child.wait(), wait)
            if child.returncode is not None:
                self._say(self._label, "(It has stopped.)")
            else:
                self._say(self._label, f"(It did not stop within {wait:.10g} s and is killed.)")
        finally:
            self.kill()
            await child.wait()
            self._status("Stopped", ended=True)

    def kill(self) -> None:
        """Kill all processes of the run at once."""
        if self._child is not None:
            self._child.kill()

    def _place(self) -> Path:
        """Return the folder that the job runs in: a copy, or its own."""
        settings = self._job.job.settings
        in_place = settings.is_in_place
        if in_place is None:
            in_place = self._job.script.suffix.lower() == ".js"
        if in_place:
            return self._job.job.folder
        return self._copy.place()

    def _environ(self, folder: Path) -> dict[str, str]:
        job = self._job.job
        key = (
            "WEBSITE_ALWAYS_ON_JOB_RUNNING_"
            if self._continuous
            else "WEBSITE_TRIGGERED_JOB_RUNNING_"
        )
        environ = {
            **self._plan.environ,
            key + job.name: "true",
            "WEBJOBS_PATH": str(folder),
            "WEBJOBS_NAME": job.name,
            "WEBJOBS_TYPE": job.kind,
            "WEBJOBS_DATA_PATH": str(self._job.data),
            "WEBJOBS_RUN_ID": self._identity,
        }
        environ.setdefault("WEBJOBS_COMMAND_ARGUMENTS", "")
        own_files.make_folders(self._job.data)
        if self._continuous:
            shutdown = self._plan.temp / "JobsShutdown" / job.kind / job.name
            own_files.remove_path(shutdown)
            own_files.make_folders(shutdown)
            self._shutdown_file = shutdown / secrets.token_hex(6)
            environ["WEBJOBS_SHUTDOWN_FILE"] = str(self._shutdown_file)
        return mark_variables(self._plan.temp, environ)

    def _status(self, status: str, *, ended: bool = False) -> None:
        if self._identity:
            times = {"end_time": _now()} if ended else {}
            write_status(self._folder / "status", Status=status, start_time=self._started, **times)
        else:
            write_status(self._folder / "status_emulat", Status=status)


def _words(text: str, hosting: Hosting) -> list[str]:
    """Split arguments as a command line of the site's system does; if that fails, at blanks."""
    if hosting == "windows":
        return split_command_line(text)
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _trim(folder: Path) -> None:
    """Remove the oldest runs of a triggered job, beyond the number that Kudu keeps."""
    with contextlib.suppress(OSError):
        runs = sorted(path for path in folder.iterdir() if path.name.isdecimal())
        for old in runs[: max(0, len(runs) - _KEPT_RUNS + 1)]:
            own_files.discard(old)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
