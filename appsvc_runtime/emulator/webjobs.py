"""WebJobs as Kudu runs them: copied, started, started again, told to stop, triggered by the clock.

Knows Kudu's order of things. Must not know how jobs are found. Sources: Kudu.Core/Jobs,
BaseJobRunner.cs, ContinuousJobRunner.cs, TriggeredJobRunner.cs, TriggeredJobsScheduler.cs.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timezone

from ..errors import AppServiceError
from .exchange import Say
from .jobcopy import JobCopy
from .joblog import run_id
from .jobrun import JobRun
from .watching import watch
from .webjobplan import JobPlan, JobsPlan

__all__ = ["WebJobs"]

_HEALTHY_SECONDS = 120.0
_LOOK_SECONDS = 0.5
_LONGEST_SLEEP = 3600.0


class WebJobs:
    """The jobs of `plan`, as `background.Background` has it; with `once`, the one job of it, once.

    `show` prints the line `Ready …` that programs wait for.
    """

    def __init__(
        self, plan: JobsPlan, say: Say, show: Callable[[str], None], *, once: bool = False
    ) -> None:
        self._plan = plan
        self._say = say
        self._show = show
        self._once = once
        self._copies = {_key(job): JobCopy(job.job.folder, job.temp) for job in plan.jobs}
        self._runs: dict[str, JobRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def work(self) -> int:
        """Run what runs by itself until a stop, or the one job once; give its exit code."""
        if self._once:
            return await self._trigger(self._plan.jobs[0])
        for copy in self._copies.values():
            await asyncio.to_thread(copy.remove)
        for job in self._plan.jobs:
            self._start(job)
        running = sum(1 for job in self._plan.jobs if _runs_by_itself(job))
        self._show(f"Ready {running} job{'' if running == 1 else 's'}")
        folder = self._plan.site
        watching = asyncio.create_task(watch(folder, self._changed, self._say))
        try:
            await asyncio.Event().wait()  # for ever
        finally:
            watching.cancel()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(watching, *self._tasks.values(), return_exceptions=True)
        return 0

    async def close(self) -> None:
        """Tell all jobs to stop at the same time, wait as Kudu does, end what is left."""
        await asyncio.gather(*[run.stop() for run in self._runs.values()])

    async def kill(self) -> None:
        """End everything at once."""
        for run in self._runs.values():
            run.kill()

    def _start(self, job: JobPlan) -> None:
        label = job.job.name
        if job.job.kind == "continuous":
            self._tasks[_key(job)] = asyncio.create_task(self._keep(job))
        elif job.schedule is not None:
            self._tasks[_key(job)] = asyncio.create_task(self._follow(job))
        else:
            self._say(label, f"Triggered, without a schedule: --trigger {label} runs it.")

    async def _keep(self, job: JobPlan) -> None:
        """Run a continuous job again and again."""
        label = job.job.name
        while True:
            while (job.job.folder / "disable.job").exists() or self._stopped():
                self._say(label, "Disabled, by disable.job or WEBJOBS_STOPPED.")
                while (job.job.folder / "disable.job").exists() or self._stopped():
                    await asyncio.sleep(_LOOK_SECONDS)
            began = time.monotonic()
            await self._run(job, "")
            lasted = time.monotonic() - began
            pause = 0.0 if lasted >= _HEALTHY_SECONDS else self._plan.restart
            self._say(
                label,
                f"Process went down after {lasted:.1f} s, waiting for {pause:g} seconds"
                + (" (set WEBJOBS_RESTART_TIME to change that)." if pause else "."),
            )
            await asyncio.sleep(pause)

    async def _follow(self, job: JobPlan) -> None:
        """Run a triggered job at the times of its schedule, never two runs at once."""
        label = job.job.name
        last = datetime.now()
        while job.schedule is not None:
            following = job.schedule.next_after(last)
            if following is None:
                self._say(label, f"Its schedule {job.schedule.text!r} has no time to come.")
                return
            self._say(label, f"Scheduled, next at {following:%Y-%m-%d %H:%M:%S}.")
            while (left := (following - datetime.now()).total_seconds()) > 0:
                await asyncio.sleep(min(left, _LONGEST_SLEEP))
            await self._trigger(job)
            # What came up while it ran is missed.
            last = max(following, datetime.now())

    async def _trigger(self, job: JobPlan) -> int:
        return await self._run(job, run_id(datetime.now(timezone.utc)))

    async def _run(self, job: JobPlan, identity: str) -> int:
        """Run a job once; give its exit code, 1 where it could not be started."""
        run = JobRun(self._plan, job, self._copies[_key(job)], self._say, identity)
        self._runs[_key(job)] = run
        try:
            return await run.run()
        except AppServiceError as error:
            self._say(job.job.name, f"Error: {error}")
            return 1
        except asyncio.CancelledError:
            raise
        except OSError as error:
            self._say(job.job.name, f"Error: Failed to copy job files: {error}.")
            return 1

    def _stopped(self) -> bool:
        return self._plan.environ.get("WEBJOBS_STOPPED", "").strip() == "1"

    async def _changed(self, names: list[str]) -> None:
        """Start a job again whose files have changed, as Kudu's watcher does."""
        lower = [name.replace("\\", "/").lower() for name in names]
        for job in self._plan.jobs:
            part = f"app_data/jobs/{job.job.kind}/{job.job.name}/".lower()
            changed = [name for name in lower if name.startswith(part)]
            if not changed or job.job.kind != "continuous":
                continue
            self._say(job.job.name, f"{changed[0].removeprefix(part)} has changed: started again.")
            task, run = self._tasks.pop(_key(job)), self._runs.get(_key(job))
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            if run is not None:
                await run.stop()
            self._start(job)


def _runs_by_itself(job: JobPlan) -> bool:
    return job.job.kind == "continuous" or job.schedule is not None


def _key(job: JobPlan) -> str:
    """Tell jobs apart: a continuous one may be called as a triggered one is."""
    return f"{job.job.kind}/{job.job.name}"
