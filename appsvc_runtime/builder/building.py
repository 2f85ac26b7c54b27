"""A build, from a copy of the site to a folder that can be started.

Knows the order of the steps, and what of the last build may stay. Must not know how a step is run,
nor of containers.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .. import facts
from ..emulator.surroundings import resolve_interpreter
from . import steps
from .copying import Copied, copy_changes
from .installing import Installer
from .output import activated, empty, locked, remove_folder
from .running import BuildError, Runner, last_words, refuse_failure
from .state import State, digest, read_state, write_state
from .stepenviron import step_environ

if TYPE_CHECKING:
    from ..emulator.exchange import Say

__all__ = ["BuildError", "Built", "Options", "build", "copy_site", "read_built"]

_BUILD = "build"


@dataclass(frozen=True)
class Options:
    """What is built: `site`, in the folder `output`, with the interpreter `python`.

    `clean`: nothing of an earlier build stays.
    """

    site: Path
    output: Path
    python: str
    app_settings: Sequence[tuple[str, str]] = ()
    clean: bool = False


@dataclass(frozen=True)
class Built:
    """A finished build: the folder, and the interpreter of its virtual environment."""

    folder: Path
    python: str
    version: tuple[int, int]


async def build(options: Options, environ: Mapping[str, str], say: Say) -> Built:
    """Build the site; `environ` are this process's variables, `say` takes every line.

    BuildError for a step that fails, ConfigError for what cannot be built at all. Cancelled, it
    leaves nothing running, and no mark of success.
    """
    began = time.monotonic()
    with locked(options.site, options.output):
        python, version = await asyncio.to_thread(resolve_interpreter, options.python)
        made = _Build(options, environ, say, python, version)
        await made.run()
    say(_BUILD, f"Built in {time.monotonic() - began:.1f} s: {options.output}")
    return Built(options.output, python, version)


async def copy_site(options: Options, say: Say) -> Path:
    """Make the copy only, as a deployment without a build does; give its folder.

    A virtual environment `antenv` that the site brings itself is used from where it is.
    """
    with locked(options.site, options.output):
        state = State()
        await _copy(options, state, say)
        antenv, brought = (
            folder / facts.VIRTUAL_ENVIRONMENT for folder in (options.output, options.site)
        )
        await asyncio.to_thread(remove_folder, antenv)
        if brought.is_dir():
            antenv.symlink_to(brought, target_is_directory=True)
        write_state(options.output, state)
    return options.output


def read_built(folder: Path) -> Built | None:
    """Give what a finished build left in a folder, None where there is none."""
    state = read_state(folder)
    if state is None or not state.finished or len(state.version) != 2:
        return None
    return Built(folder, state.python, (state.version[0], state.version[1]))


@dataclass
class _Build:
    """One build under way."""

    options: Options
    environ: Mapping[str, str]
    say: Say
    python: str
    version: tuple[int, int]
    state: State = field(default_factory=State)

    def __post_init__(self) -> None:
        self.runner = Runner(self.options.output, self.say)

    async def run(self) -> None:
        """Do all of it."""
        options, settings = self.options, dict(self.options.app_settings)
        folder = options.output
        self.state = read_state(folder) or State()
        if options.clean:
            self.say(_BUILD, "All of the last build is removed (--clean).")
            await asyncio.to_thread(empty, folder)
            self.state = State()
        before = self.state.finished
        self.state.finished = False
        copied = await _copy(options, self.state, self.say)
        write_state(folder, self.state)
        variables = step_environ(self.environ, options.app_settings, folder)
        ran_shell = await self._shell("PRE", settings, variables)
        installer = Installer(self.runner, self.environ, self.python, self.version, self.state)
        same = before and not copied.changed and not ran_shell
        kept = await installer.install(settings, variables, same)
        active = activated(variables, folder)
        await self._collect(settings, active, same and kept)
        await self._shell("POST", settings, active)
        self.state.steps = self._steps_key()
        self.state.finished = True
        write_state(folder, self.state)

    async def _shell(
        self, when: str, settings: Mapping[str, str], variables: Mapping[str, str]
    ) -> bool:
        shell = shutil.which("bash", path=variables["PATH"]) or "sh"
        step = steps.shell_step(when, self.options.output, settings, shell)
        if step is None:
            return False
        refuse_failure(step, await self.runner.do(step, variables))
        return True

    async def _collect(
        self, settings: Mapping[str, str], variables: Mapping[str, str], same: bool
    ) -> None:
        packages = steps.choose_packages(self.options.output, settings)
        step, remark = steps.collect_static(self.options.output, settings, packages)
        if remark:
            self.say("collectstatic", remark)
        if step is None:
            return
        if same and self.state.steps == self._steps_key():
            self.say("collectstatic", "Its files are kept: nothing has changed.")
            return
        ended = await self.runner.do(step, variables)
        if ended.code:
            self.say(
                "collectstatic",
                f"Warning: it ended with exit code {ended.code}. The platform goes on all the "
                f"same, without your static files. {last_words(ended.tail)}".rstrip(),
            )

    def _steps_key(self) -> str:
        return digest(sorted(self.options.app_settings))


async def _copy(options: Options, state: State, say: Say) -> Copied:
    began = time.monotonic()
    copied = await asyncio.to_thread(copy_changes, options.site, options.output, state)
    took = time.monotonic() - began
    what = f"{copied.written} files copied, {copied.removed} removed"
    say("copy", f"{what if copied.changed else 'Nothing has changed'} ({took:.1f} s).")
    if copied.left_out:
        shown = ", ".join(copied.left_out[:8])
        say("copy", f"Left out: {shown}{', …' if len(copied.left_out) > 8 else ''}")
    return copied
