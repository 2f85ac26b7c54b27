"""A build, from a copy of the site to a folder that can be started.

Knows the order of the steps, and what is kept of the last build. Must not know how a step is run,
nor of containers.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ....azure import names
from ....system import process_tree
from ....system.own_folder import OwnFolder
from ...processes.surroundings import resolve_interpreter
from . import console_scripts, steps, switches
from .copy import Copied, copy_changes
from .environment import step_environ
from .install import Installer
from .output_folder import activated, empty, is_own_environment, locked, python_of, take_state
from .packages import Packages
from .requirement_files import refuse_special
from .run_step import BuildError, Runner, last_words, refuse_failure
from .state import FILE, State, digest, read_state, write_state
from .static_root import ask_static_root, leads_out
from .threads import in_thread, with_progress

if TYPE_CHECKING:
    from ...http.messages import Say

__all__ = ["BuildError", "Built", "Left", "Options", "build", "copy_site", "read_built"]

_BUILD = "build"


@dataclass(frozen=True)
class Options:
    """Options of a build: build `site` in the folder `output`, with the interpreter `python`.

    `clean`: keep nothing of an earlier build. `for_container`: what the emulator's container starts
    must not find more than the platform's does (`console_scripts.py`).
    """

    site: Path
    output: Path
    python: str
    app_settings: Sequence[tuple[str, str]] = field(default=(), repr=False)
    clean: bool = False
    for_container: bool = True


@dataclass(frozen=True)
class Built:
    """A finished build: the folder, and the interpreter of its virtual environment."""

    folder: Path
    python: str
    version: tuple[int, int]


@dataclass(frozen=True)
class Left:
    """What was found in a folder: a finished build, or why there is none.

    `unfinished`: a build started, and has failed, was killed or still runs. `problem`: why the
    state file is not one of a build, or "" if it is valid or missing.
    """

    built: Built | None = None
    unfinished: bool = False
    problem: str = ""


async def build(options: Options, environ: Mapping[str, str], say: Say) -> Built:
    """Build the site; `environ` holds this process's variables, `say` receives every line.

    Raise BuildError for a step that fails, ConfigError for a site that cannot be built. On
    cancellation, no process is left running, and the state does not say finished.
    """
    began = time.monotonic()
    settings = dict(options.app_settings)
    switches.check_settings(settings)
    for name in (settings.get(steps.CUSTOM_REQUIREMENTS) or "requirements.txt", "pyproject.toml"):
        refuse_special(options.site / name, name)  # what is no file is not copied
    with locked(options.site, options.output) as folder:
        python, version = await in_thread(lambda: resolve_interpreter(options.python))
        made = _Build(options, environ, say, folder, python, version)
        await made.run()
    packed = switches.archive_name(settings)
    say(_BUILD, f"Built in {time.monotonic() - began:.1f} s: {options.output}")
    say(_BUILD, f"The platform packs this folder as {packed}, beside oryx-manifest.toml.")
    return Built(options.output, python, version)


async def copy_site(options: Options, say: Say) -> Path:
    """Make only the copy, as a deployment without a build does; return its folder.

    If the site has its own virtual environment `antenv`, link to it where it is.
    """
    with locked(options.site, options.output) as folder:
        state, note = take_state(folder, clean=options.clean)
        if state is not None and state != State() and not state.deployed:
            state, note = None, "The earlier build is removed."
        state = await _begin(folder, state, note, say)
        state.deployed = True
        antenv, brought = names.VIRTUAL_ENVIRONMENT, options.site / names.VIRTUAL_ENVIRONMENT
        await _copy(options, folder, state, say)
        await in_thread(lambda: folder.remove(antenv))
        if brought.is_dir():
            folder.make_link(antenv, str(brought), to_folder=True)
        write_state(folder, state)
    return options.output


def read_built(path: Path) -> Left:
    """Return what a build has left in a folder."""
    try:
        with OwnFolder.open(path) as folder:
            state, problem = read_state(folder)
    except OSError:
        return Left()
    if state is None:
        return Left(problem=f"{path / FILE} is ignored, because {problem}" if problem else "")
    if state.finished and len(state.version) == 2:
        return Left(Built(path, state.python, (state.version[0], state.version[1])))
    return Left(unfinished=not state.deployed)


@dataclass
class _Build:
    """One running build, in the open `folder`."""

    options: Options
    environ: Mapping[str, str] = field(repr=False)
    say: Say
    folder: OwnFolder
    python: str
    version: tuple[int, int]
    state: State = field(default_factory=State)

    def __post_init__(self) -> None:
        self.runner = Runner(self.options.output, self.say)

    async def run(self) -> None:
        """Run all steps of the build."""
        options, settings, folder = self.options, dict(self.options.app_settings), self.folder
        mark = _end_left_over(folder)
        state, note = take_state(folder, clean=options.clean)
        self.state = await _begin(folder, state, note, self.say)
        before = self.state.finished
        self.state.finished = self.state.deployed = False
        own = is_own_environment(folder)
        if own and self.state.interpreter:
            console_scripts.show(folder, self.state.interpreter)
        if not own:
            # No step may write into a virtual environment outside the output folder.
            self.state.installed = ""
            write_state(folder, self.state)
            await in_thread(lambda: folder.remove(names.VIRTUAL_ENVIRONMENT))
        for note in switches.find_notes(options.site, settings):
            self.say(_BUILD, note)
        copied = await _copy(options, folder, self.state, self.say)
        variables = step_environ(self.environ, options.app_settings, options.output)
        variables[process_tree.MARK] = mark
        ran_shell = await self._shell("PRE", settings, variables)
        installer = Installer(
            self.runner, self.environ, self.python, self.version, self.state, folder
        )
        same = before and not copied.changed and not ran_shell
        kept = await installer.install(settings, variables, same)
        active = activated(variables, options.output)
        collected = await self._collect(settings, active, installer.packages, same and kept)
        await self._shell("POST", settings, active)
        self._hide_scripts(installer.packages)
        self.state.steps = self._steps_key() if collected else ""
        self.state.finished = True
        write_state(folder, self.state)

    def _hide_scripts(self, packages: Packages | None) -> None:
        self.state.interpreter = ""
        if packages is None or not packages.by_uv:
            return
        self.say("packages", f"Warning: {console_scripts.WARNING}")
        if not self.options.for_container:
            return
        self.state.interpreter = console_scripts.target(self.folder)
        write_state(self.folder, self.state)  # before: a killed build must find it
        if self.state.interpreter:
            console_scripts.hide(self.folder, self.version)

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
        self,
        settings: Mapping[str, str],
        variables: Mapping[str, str],
        packages: Packages | None,
        same: bool,
    ) -> bool:
        """Collect Django's static files, if any; return whether an equal build can skip this."""
        if packages is None:
            return True
        step, remark = steps.collect_static(self.options.output, settings, packages.requirements)
        if remark:
            self.say("collectstatic", remark)
        if step is None:
            return True
        if same and self.state.steps == self._steps_key():
            self.say("collectstatic", "Its files are kept: nothing has changed.")
            return True
        folder = self.options.output
        root = await ask_static_root(str(python_of(folder)), variables, folder)
        problem = await in_thread(lambda: leads_out(folder, root)) if root else ""
        if problem:
            self.say("collectstatic", f"Warning: collectstatic is not run: {problem}")
            return False
        ended = await self.runner.do(step, variables)
        if ended.code:
            self.say(
                "collectstatic",
                f"Warning: it ended with exit code {ended.code}. The platform continues "
                f"without your static files. {last_words(ended.tail)}".rstrip(),
            )
        return not ended.code

    def _steps_key(self) -> str:
        return digest(sorted(self.options.app_settings))


def _end_left_over(folder: OwnFolder) -> str:
    """Kill the processes that a killed build of this folder has left; return their mark.

    They would write into the files of this build.
    """
    mark = f"build-{hashlib.sha256(os.fsencode(folder.path)).hexdigest()[:32]}"
    if process_tree.can_find_by_mark():
        process_tree.Tree(mark).kill()
    return mark


async def _begin(folder: OwnFolder, state: State | None, note: str, say: Say) -> State:
    if note:
        say(_BUILD, note)
    if state is not None:
        return state
    await in_thread(lambda: empty(folder))
    return State()


async def _copy(options: Options, folder: OwnFolder, state: State, say: Say) -> Copied:
    began = time.monotonic()
    copied = await with_progress(
        lambda progress: copy_changes(
            options.site, folder, state, lambda: write_state(folder, state), progress
        ),
        lambda text: say("copy", text),
    )
    write_state(folder, state)
    took = time.monotonic() - began
    what = f"{copied.written} files copied, {copied.removed} removed"
    say("copy", f"{what if copied.changed else 'Nothing has changed'} ({took:.1f} s).")
    if copied.left_out:
        shown = ", ".join(copied.left_out[:8])
        say("copy", f"Left out: {shown}{', …' if len(copied.left_out) > 8 else ''}")
    if copied.lost:
        shown = ", ".join(copied.lost[:8])
        say(
            "copy",
            "Warning: These links lead out of the site, and are broken in the copy: "
            f"{shown}{', …' if len(copied.lost) > 8 else ''}",
        )
    return copied
