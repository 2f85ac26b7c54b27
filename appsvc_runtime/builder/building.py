"""A build, from a copy of the site to a folder that can be started.

Knows the order of the steps, and what of the last build may stay. Must not know how a step is run,
nor of containers.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .. import facts, osfiles, process
from ..emulator.surroundings import resolve_interpreter
from ..errors import ConfigError
from . import ownpackage, steps
from .copying import Copied, copy_changes
from .places import cache_folder
from .running import BuildError, Ended, run_step
from .state import FILE, LOCK, State, read_state, write_state
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
    """A finished build: the folder, and the interpreter of its virtual environment.

    `changed`: anything was done beside looking; `seconds`: how long it took.
    """

    folder: Path
    python: str
    version: tuple[int, int]
    changed: bool = False
    seconds: float = 0.0


async def build(options: Options, environ: Mapping[str, str], say: Say) -> Built:
    """Build the site; `environ` are this process's variables, `say` takes every line.

    BuildError for a step that fails, ConfigError for what cannot be built at all. Cancelled, it
    leaves nothing running, and no mark of success.
    """
    began = time.monotonic()
    with _locked(options):
        python, version = await asyncio.to_thread(resolve_interpreter, options.python)
        made = _Build(options, environ, say, python, version)
        changed = await made.run()
    took = time.monotonic() - began
    say(_BUILD, f"Built in {took:.1f} s: {options.output}")
    return Built(options.output, python, version, changed, took)


async def copy_site(options: Options, say: Say) -> Path:
    """Make the copy only, as a deployment without a build does; give its folder.

    A virtual environment `antenv` that the site brings itself is used from where it is.
    """
    with _locked(options):
        state = State()
        await _copy(options, state, say)
        antenv, brought = (
            folder / facts.VIRTUAL_ENVIRONMENT for folder in (options.output, options.site)
        )
        await asyncio.to_thread(_remove_folder, antenv)
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

    async def run(self) -> bool:
        """Do all of it; say whether anything was done."""
        options, settings = self.options, dict(self.options.app_settings)
        folder = options.output
        self.state = read_state(folder) or State()
        if options.clean:
            self.say(_BUILD, "All of the last build is removed (--clean).")
            await asyncio.to_thread(_empty, folder)
            self.state = State()
        before = self.state.finished
        self.state.finished = False
        copied = await _copy(options, self.state, self.say)
        write_state(folder, self.state)
        variables = step_environ(self.environ, options.app_settings, folder)
        ran_shell = await self._shell("PRE", settings, variables)
        kept = await self._install(settings, variables, before and not copied.changed)
        activated = _activated(variables, folder)
        same = kept and before and not copied.changed and not ran_shell
        await self._collect(settings, activated, same)
        ran_shell = await self._shell("POST", settings, activated) or ran_shell
        self.state.steps = self._steps_key()
        self.state.finished = True
        write_state(folder, self.state)
        return not same or ran_shell

    async def _shell(
        self, when: str, settings: Mapping[str, str], variables: Mapping[str, str]
    ) -> bool:
        shell = shutil.which("bash", path=variables["PATH"]) or "sh"
        step = steps.shell_step(when, self.options.output, settings, shell)
        if step is None:
            return False
        _refuse_failure(step, await self._do(step, variables))
        return True

    async def _install(
        self, settings: Mapping[str, str], variables: Mapping[str, str], unchanged: bool
    ) -> bool:
        """Make the virtual environment and install the packages; say whether all was kept."""
        folder, say = self.options.output, self.say
        packages = steps.choose_packages(folder, settings)
        for warning in packages.warnings:
            say("packages", f"Warning: {warning}")
        source = ownpackage.find_source() if packages.names_own else None
        key = self._packages_key(packages, source, settings)
        same = self.state.installed == key and _python_of(folder).exists()
        if same and (packages.fixed or unchanged):
            say(
                "packages",
                f"antenv and its packages are kept: {packages.file or 'it'} is the same.",
            )
            return True
        self.state.installed = ""
        write_state(folder, self.state)
        if not same:
            await self._make_antenv(variables)
        activated = _activated(variables, folder)
        if source is not None:
            found = await ownpackage.make_wheel(source, str(_python_of(folder)), activated, say)
            if found is not None:
                say("packages", f"appsvc-runtime is taken from {source}, as here.")
                links = f"{activated.get('PIP_FIND_LINKS', '')} {found.as_uri()}".strip()
                activated["PIP_FIND_LINKS"] = links
        await self._run_packages(packages, activated)
        self.state.installed = key
        self.state.python, self.state.version = self.python, list(self.version)
        write_state(folder, self.state)
        return False

    async def _make_antenv(self, variables: Mapping[str, str]) -> None:
        antenv = self.options.output / facts.VIRTUAL_ENVIRONMENT
        await asyncio.to_thread(_remove_folder, antenv)
        step = steps.Step(
            "antenv",
            (self.python, "-m", "venv", facts.VIRTUAL_ENVIRONMENT),
            "Name an interpreter that has venv by --python (Debian: install python3-venv).",
            f"python{self.version[0]}.{self.version[1]} -m venv {facts.VIRTUAL_ENVIRONMENT}",
        )
        _refuse_failure(step, await self._do(step, variables))

    async def _run_packages(self, packages: steps.Packages, variables: Mapping[str, str]) -> None:
        uv = await self._find_uv(variables) if packages.kind == "uv" else ()
        last: tuple[steps.Step, Ended] | None = None
        for step in packages.steps:
            last = (step, await self._do(step, variables, uv))
            if last[1].code:
                break
        if last is not None and last[1].code and packages.fallback:
            self.say("packages", "That failed: the platform tries once more with an old Poetry.")
            for step in packages.fallback:
                last = (step, await self._do(step, variables, uv))
                if last[1].code:
                    break
        if last is not None:
            _refuse_failure(*last)

    async def _find_uv(self, variables: Mapping[str, str]) -> tuple[str, ...]:
        """Have uv in an environment of its own, as the build image has it beside antenv."""
        tools = cache_folder(self.environ) / f"uv-{self.version[0]}.{self.version[1]}"
        program = _python_of(tools, "").with_name("uv")
        if not program.exists():
            for argv in (
                (self.python, "-m", "venv", str(tools)),
                (str(_python_of(tools, "")), "-m", "pip", "install", "--quiet", "uv"),
            ):
                step = steps.Step("uv", argv, "Install uv by hand to see what is wrong.")
                tools.mkdir(parents=True, exist_ok=True)
                _refuse_failure(step, await self._do(step, variables))
        return (str(program),)

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
        ended = await self._do(step, variables)
        if ended.code:
            self.say(
                "collectstatic",
                f"Warning: it ended with exit code {ended.code}. The platform goes on all the "
                f"same, without your static files. {_last_words(ended.tail)}".rstrip(),
            )

    async def _do(
        self, step: steps.Step, variables: Mapping[str, str], uv: Sequence[str] = ()
    ) -> Ended:
        folder = self.options.output
        argv = steps.words(step, str(_python_of(folder)), uv)
        shown = step.shown or " ".join(step.argv)
        try:
            return await run_step(
                step.name, argv, environ=variables, cwd=folder, say=self.say, shown=shown
            )
        except ConfigError as error:
            raise ConfigError(
                f"The step {step.name} cannot be run: {error.message}", hint=step.hint
            ) from None

    def _packages_key(
        self, packages: steps.Packages, source: Path | None, settings: Mapping[str, str]
    ) -> str:
        own = ownpackage.source_digest(source) if source is not None else ""
        told = [self.python, self.version, packages.kind, packages.file, packages.digest, own]
        pip = sorted(item for item in settings.items() if item[0].upper().startswith("PIP_"))
        return _digest([*told, pip])

    def _steps_key(self) -> str:
        return _digest(sorted(self.options.app_settings))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


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


def _python_of(folder: Path, name: str = facts.VIRTUAL_ENVIRONMENT) -> Path:
    """Give the interpreter of the virtual environment `name` in a folder, or of the folder."""
    inside = ("Scripts", "python.exe") if process.WINDOWS else ("bin", "python")
    return folder.joinpath(*filter(None, [name]), *inside)


def _activated(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Give the variables with the virtual environment in use."""
    programs = str(_python_of(folder).parent)
    return {
        **variables,
        "VIRTUAL_ENV": str(folder / facts.VIRTUAL_ENVIRONMENT),
        "PATH": os.pathsep.join([programs, variables["PATH"]]),
    }


def _refuse_failure(step: steps.Step, ended: Ended) -> None:
    """Raise BuildError for a step that failed."""
    if ended.code:
        said = _last_words(ended.tail) or "it said nothing."
        raise BuildError(
            f"The build's step {step.name} ended with exit code {ended.code} "
            f"({step.shown or ' '.join(step.argv)}): {said}",
            hint=step.hint,
            exit_code=ended.code,
        )


def _last_words(tail: str) -> str:
    """Give the line that tells most: pip's last ERROR, else the last line."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    line = (errors or lines or [""])[-1].removeprefix("ERROR: ")
    return line if not line or line[-1] in ".!?" else f"{line}."


@contextlib.contextmanager
def _locked(options: Options) -> Iterator[None]:
    """Have the output folder for this build alone; ConfigError where it cannot be had."""
    site, output = options.site.resolve(), options.output.resolve()
    if not site.is_dir():
        raise ConfigError(
            f"The site folder {str(options.site)!r} is not there.",
            hint="Name the folder that holds your app.",
        )
    if output == site or output in site.parents:
        raise ConfigError(
            f"The output folder {str(options.output)!r} holds the site itself.",
            hint="Name another folder: what is in it is replaced.",
        )
    if output.exists() and not (output.is_dir() and _is_ours(output)):
        raise ConfigError(
            f"The output folder {str(options.output)!r} is not empty, and was not made by a build.",
            hint="Name another folder, or empty this one.",
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = osfiles.lock(str(output / LOCK))
    except OSError as error:
        raise ConfigError(
            f"The output folder {str(options.output)!r} cannot be written: {error.strerror}.",
            hint="Name another with --output.",
        ) from None
    if lock is None:
        raise ConfigError(
            f"Another build is writing into {str(options.output)!r}.",
            hint="Wait until it is done, or name another folder with --output.",
        )
    try:
        yield
    finally:
        osfiles.unlock(lock)


def _is_ours(output: Path) -> bool:
    names = {entry.name for entry in os.scandir(output)}
    return not names or FILE in names or names <= {LOCK}


def _empty(folder: Path) -> None:
    for entry in os.scandir(folder):
        if entry.name == LOCK:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _remove_folder(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
