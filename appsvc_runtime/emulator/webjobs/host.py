"""WebJobs as Kudu runs them: copied, started, restarted, stopped, triggered by the clock.

Knows the order in which Kudu works. Must not know how jobs are found. Sources: Kudu.Core/Jobs,
BaseJobRunner.cs, ContinuousJobRunner.cs, TriggeredJobRunner.cs, TriggeredJobsScheduler.cs.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timezone

from ...errors import AppServiceError, ConfigError
from ...system import files, own_files
from ..http.messages import Say
from ..processes.background import INTERRUPTED
from ..processes.run_folder import remove_old_runs
from ..processes.watch import watch
from .bare_python import make_bare_python
from .copy import JobCopy
from .log import run_id
from .plan import JobPlan, JobsPlan
from .run import JobRun

__all__ = ["WebJobs"]

_HEALTHY_SECONDS = 120.0
_LOOK_SECONDS = 0.5
_LONGEST_SLEEP = 60.0
_JOBS = "app_data/jobs/"


class WebJobs:
    """The jobs of `plan`, a `background.Background`; with `once`, its only job, once.

    `show` prints the line `Ready …` that programs wait for. `replan` returns the plan for the
    current files, and raises ConfigError if there is no job any more.
    """

    def __init__(
        self,
        plan: JobsPlan,
        say: Say,
        show: Callable[[str], None],
        *,
        once: bool = False,
        replan: Callable[[], JobsPlan] | None = None,
    ) -> None:
        # An interrupted start or run has not succeeded.
        self.interrupted = INTERRUPTED
        self._plan = plan
        self._jobs = {_key(job): job for job in plan.jobs}
        self._say = say
        self._show = show
        self._once = once
        self._replan = replan
        self._copies: dict[str, JobCopy] = {}
        self._runs: dict[str, JobRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def work(self) -> int:
        """Run continuous and scheduled jobs until a stop, or one job once; return the exit code."""
        await asyncio.to_thread(remove_old_runs, self._plan.temp.parent)
        if self._plan.bare is not None:
            await asyncio.to_thread(
                make_bare_python, self._plan.chosen.interpreter, self._plan.bare
            )
        if self._once:
            return await self._trigger(self._plan.jobs[0])
        running = sum(1 for job in self._jobs.values() if _runs_by_itself(job))
        if not running:
            raise ConfigError(
                "No job of the site runs by itself: none is continuous, and none has a schedule.",
                hint="Run one with --trigger NAME.",
            )
        for job in self._jobs.values():
            self._start(job)
        self.interrupted = 0
        self._show(f"Ready {running} job{'' if running == 1 else 's'}")
        watching = asyncio.create_task(watch(self._plan.site, self._changed, self._say))
        try:
            await asyncio.Event().wait()  # forever
        finally:
            watching.cancel()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(watching, *self._tasks.values(), return_exceptions=True)
        return 0

    async def close(self) -> None:
        """Stop all jobs at the same time, wait as long as Kudu does, kill the rest."""
        for copy in self._copies.values():
            copy.stop()
        try:
            stops = [run.stop() for run in self._runs.values()]
            await asyncio.gather(*stops, return_exceptions=True)
        finally:
            own_files.discard(self._plan.temp)

    async def kill(self) -> None:
        """Kill everything at once."""
        for run in self._runs.values():
            run.kill()
        own_files.discard(self._plan.temp)

    def _start(self, job: JobPlan) -> None:
        if job.job.kind == "continuous":
            self._tasks[_key(job)] = asyncio.create_task(self._keep(job))
        elif job.schedule is not None:
            self._tasks[_key(job)] = asyncio.create_task(self._follow(job))
        else:
            self._say(
                job.label, f"Triggered, without a schedule: --trigger {job.job.name} runs it."
            )

    async def _end(self, key: str) -> None:
        """Stop a job that has changed or was removed."""
        task, run = self._tasks.pop(key, None), self._runs.pop(key, None)
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if run is not None:
            await run.stop()

    async def _keep(self, job: JobPlan) -> None:
        """Run a continuous job again and again."""
        while True:
            if self._disabled(job):
                self._say(job.label, "Disabled, by disable.job or WEBJOBS_STOPPED.")
                while self._disabled(job):
                    await asyncio.sleep(_LOOK_SECONDS)
            began = time.monotonic()
            code = await self._run(job, "")
            lasted = time.monotonic() - began
            pause = 0.0 if lasted >= _HEALTHY_SECONDS else self._plan.restart
            what = "Not started" if code is None else f"Process went down after {lasted:.1f} s"
            change = " (set WEBJOBS_RESTART_TIME to change that)" if pause else ""
            self._say(job.label, f"{what}, waiting for {pause:g} seconds{change}.")
            await asyncio.sleep(pause)

    async def _follow(self, job: JobPlan) -> None:
        """Run a triggered job at the times of its schedule."""
        last = datetime.now()
        said = " by this machine's clock; the platform's is UTC, or WEBSITE_TIME_ZONE"
        while job.schedule is not None:
            following = job.schedule.next_after(last)
            if following is None:
                return
            self._say(job.label, f"Scheduled, next at {following:%Y-%m-%d %H:%M:%S}{said}.")
            said = ""
            # Count seconds since 1970, so that an hour that comes twice is not waited for twice.
            while (left := following.timestamp() - time.time()) > 0:
                await asyncio.sleep(min(left, _LONGEST_SLEEP))
            await self._trigger(job)
            # Times that passed while it ran are missed.
            last = max(following, datetime.now())

    async def _trigger(self, job: JobPlan) -> int:
        """Run a triggered job, unless it is running already, in this emulator or in another."""
        if self._stopped():
            self._say(job.label, "Not run: WEBJOBS_STOPPED is 1.")
            return 1
        try:
            own_files.make_folders(job.data)
            lock = files.lock_own(str(job.data / "triggeredJob.lock"))
        except OSError as error:
            self._say(job.label, f"Error: {job.data} cannot be written: {error.strerror}.")
            return 1
        if lock is None:
            self._say(job.label, "Not run: it is already running, and never runs twice at once.")
            return 1
        try:
            code = await self._run(job, run_id(datetime.now(timezone.utc)))
        finally:
            files.unlock(lock)
        return 1 if code is None else code

    async def _run(self, job: JobPlan, identity: str) -> int | None:
        """Run a job once; return its exit code, or None if it could not be started."""
        key = _key(job)
        if key not in self._copies:
            self._copies[key] = JobCopy(job.job.folder, job.temp)
        run = JobRun(self._plan, job, self._copies[key], self._say, identity)
        self._runs[key] = run
        try:
            return await run.run()
        except AppServiceError as error:
            self._say(job.label, f"Error: {error}")
        except OSError as error:
            self._say(job.label, f"Error: {error}.")
        return None

    def _disabled(self, job: JobPlan) -> bool:
        return self._stopped() or (job.script.parent / "disable.job").exists()

    def _stopped(self) -> bool:
        return self._plan.environ.get("WEBJOBS_STOPPED", "").strip() == "1"

    async def _changed(self, names: list[str]) -> None:
        """Act as Kudu's watcher: restart changed jobs, start new ones, stop removed ones."""
        lower = [name.replace("\\", "/").lower() for name in names]
        lower = [name for name in lower if f"{name}/".startswith(_JOBS)]
        if not lower or self._replan is None:
            return
        jobs = await asyncio.to_thread(_planned, self._replan)
        gone = self._jobs.keys() - jobs.keys()
        for key in sorted(gone):
            self._say(self._jobs.pop(key).label, "It was removed: stopped.")
        # All at the same time, as each may take as long as its job needs to stop.
        ends = [self._end(key) for key in gone]
        await asyncio.gather(*ends, *(self._take(key, job, lower) for key, job in jobs.items()))

    async def _take(self, key: str, job: JobPlan, lower: list[str]) -> None:
        """Start a new job, or restart a job whose files have changed."""
        part = f"{_JOBS}{key}/".lower()
        changed = [name for name in lower if name.startswith(part)]
        before = self._jobs.get(key)
        self._jobs[key] = job
        if before is None:
            self._say(job.label, "It is new.")
        elif not changed or (job.job.kind == "triggered" and job.job == before.job):
            return
        else:
            what = changed[0].removeprefix(part)
            self._say(job.label, f"{what} has changed: started again.")
            await self._end(key)
        self._start(job)


def _planned(plan: Callable[[], JobsPlan]) -> dict[str, JobPlan]:
    """Return the current jobs, or no jobs if they cannot be run."""
    try:
        return {_key(job): job for job in plan().jobs}
    except ConfigError:
        return {}


def _key(job: JobPlan) -> str:
    """Return a job's key: a continuous and a triggered job may have the same name."""
    return f"{job.job.kind}/{job.job.name}"


def _runs_by_itself(job: JobPlan) -> bool:
    return job.job.kind == "continuous" or job.schedule is not None
