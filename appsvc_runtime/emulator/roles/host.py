"""Worker roles as the fabric runs them: each instance's entry point, started, logged, recycled.

Knows what ps.cmd and LaunchWorker.ps1 do around a Python. Must not know how a role is described.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from ...system.process import describe_end
from ..http.messages import Say
from ..processes.background import INTERRUPTED
from ..processes.child import Child
from . import folders
from .instance import Instance
from .plan import RolePlan

__all__ = ["RoleHost"]

# The fabric's own pauses are not documented; these keep a crash loop readable.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_GOOD_RUN = 60.0
# Seconds for a role's processes to end by themselves.
_GRACE = 5.0
_SCRIPT = "LaunchWorker.ps1"


class RoleHost:
    """The instances of `plan`, an implementation of `background.Background`.

    `show` prints the line `Ready …` that programs wait for.
    """

    def __init__(self, plan: RolePlan, say: Say, show: Callable[[str], None]) -> None:
        self.interrupted = INTERRUPTED  # until all have started
        self._plan = plan
        self._say = say
        self._show = show
        self._children: dict[str, Child] = {}
        self._started = 0

    async def work(self) -> int:
        """Run all instances until a stop."""
        await asyncio.gather(*[self._run(instance) for instance in self._plan.instances])
        return 0

    async def close(self) -> None:
        """Stop all instances at the same time."""
        children = list(self._children.values())
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*[child.stop(_GRACE) for child in children])

    async def kill(self) -> None:
        """Kill all instances at once."""
        for child in self._children.values():
            child.kill()

    async def _run(self, instance: Instance) -> None:
        """Run an instance's entry point again and again, as the fabric recycles it."""
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            self._say(instance.label, f"$ {instance.shown}")
            child = await Child.start(
                instance.argv,
                environ=instance.environ,
                cwd=instance.folder,
                say=self._say,
                label=instance.label,
                log_file=str(instance.log_folder / f"{instance.log_name}.txt"),
                error_file=str(instance.log_folder / f"{instance.log_name}.err.txt"),
            )
            self._children[instance.label] = child
            self._tell_ready()
            code = await child.wait()
            child.kill()  # processes that it has left behind
            lasted = time.monotonic() - began
            if lasted >= _GOOD_RUN:
                pause = _FIRST_PAUSE
            how = describe_end(code)
            self._say(
                instance.label,
                f"The entry point has ended after {lasted:.1f} s ({how}, which {_SCRIPT} does not "
                f"pass on); the fabric recycles the instance, here in {pause:g} s.",
            )
            for folder in instance.cleaned:
                folders.empty(folder)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _tell_ready(self) -> None:
        self._started += 1
        count = len(self._plan.instances)
        if self._started == count:
            self.interrupted = 0
            self._show(f"Ready {count} instance{'s' if count > 1 else ''}")
