"""The virtual environment of a build and its packages: made again, or kept.

Must not know of the other steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ....azure import names
from ....errors import ConfigError
from ....system.own_folder import OwnFolder
from ...processes.workspace import cache_folder
from . import own_package, steps
from .made_once import make_once
from .output_folder import activated, is_own_environment, python_of
from .packages import Packages, choose_packages, pip_install, uv_install
from .project_links import refuse_links
from .run_step import BuildError, Ended, Runner, refuse_failure
from .state import State, digest, write_state
from .threads import in_thread

__all__ = ["Installer"]

# If this file is missing, the installation of uv is incomplete.
_WHOLE = "appsvc-uv"
# A shell's exit code for a command that does not exist.
_NO_COMMAND = 127


class Installer:
    """Installs the packages of a site, and records them in `state`.

    `environ` holds this process's variables, `python` and `version` are the site's interpreter,
    `output` is the open folder of `runner`. `packages` are the packages that were found last.
    """

    def __init__(
        self,
        runner: Runner,
        environ: Mapping[str, str],
        python: str,
        version: tuple[int, int],
        state: State,
        output: OwnFolder,
    ) -> None:
        self.state = state
        self.packages: Packages | None = None
        self._output = output
        self._runner = runner
        self._environ = environ
        self._python = python
        self._version = version

    async def install(
        self, settings: Mapping[str, str], variables: Mapping[str, str], unchanged: bool
    ) -> bool:
        """Make the virtual environment and install the packages; return whether all was kept."""
        folder, say = self._runner.folder, self._runner.say
        packages = await self._choose(settings, variables)
        source = own_package.find_source() if packages.names_own else None
        key = self._packages_key(packages, source, variables)
        own = is_own_environment(self._output)  # a step before this one may have changed that
        same = own and self.state.installed == key and python_of(folder).exists()
        is_new = packages.sources != self.state.sources
        keep = not packages.repeated and (unchanged or packages.fixed)
        if same and keep and not is_new:
            why = f": {packages.file} is the same" if packages.file else ""
            say("packages", f"antenv and its packages are kept{why}.")
            return True
        await in_thread(lambda: refuse_links(folder))
        self.state.installed = ""
        write_state(self._output, self.state)
        if not same:
            await self._make_antenv(packages, variables)
        active = activated(variables, folder)
        more = await self._pip_options(packages, source, active)
        await self._run_packages(packages, active, more)
        self.state.installed, self.state.sources = key, packages.sources
        self.state.python, self.state.version = self._python, list(self._version)
        write_state(self._output, self.state)
        return False

    async def _make_antenv(self, packages: Packages, variables: Mapping[str, str]) -> None:
        await in_thread(lambda: self._output.remove(names.VIRTUAL_ENVIRONMENT))
        try:
            self._output.path.encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"No virtual environment can be made in {self._output.path!r}: that name is not "
                "UTF-8.",
                hint="Rename the folder, or build elsewhere: --output DIR.",
            ) from None
        if packages.by_uv:
            shown = "uv venv --link-mode=copy --system-site-packages"
            step = steps.Step(
                "antenv",
                (*shown.split(), "--python", self._python, names.VIRTUAL_ENVIRONMENT),
                shown=f"{shown} {names.VIRTUAL_ENVIRONMENT}",
            )
        else:
            step = steps.Step(
                "antenv",
                (self._python, "-m", "venv", names.VIRTUAL_ENVIRONMENT),
                "Name an interpreter that has venv with --python (Debian: install python3-venv).",
                f"python{self._version[0]}.{self._version[1]} -m venv {names.VIRTUAL_ENVIRONMENT}",
            )
        uv = await self._find_uv(variables) if packages.by_uv else ()
        refuse_failure(step, await self._runner.do(step, variables, uv))

    async def _choose(self, settings: Mapping[str, str], variables: Mapping[str, str]) -> Packages:
        folder = self._runner.folder
        packages = await in_thread(lambda: choose_packages(folder, settings, variables))
        for warning in packages.warnings:
            self._runner.say("packages", f"Warning: {warning}")
        self.packages = packages
        return packages

    async def _pip_options(
        self, packages: Packages, source: Path | None, variables: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Return more options for pip and uv, among them the place of a wheel of this package."""
        more: tuple[str, ...] = ()
        if source is None:
            return more
        folder, say = self._runner.folder, self._runner.say
        found = await own_package.make_wheel(source, str(python_of(folder)), variables, say)
        if found is None:
            return more
        say("packages", f"appsvc-runtime is installed from {source}, as in this environment.")
        if packages.requirements is not None and packages.requirements.own_by_name:
            say(
                "packages",
                f"Warning: {packages.file} names appsvc-runtime alone. The platform's build looks "
                "for it on the package index, and fails if it is not there. Deploy its wheel with "
                "the site, and name the wheel's path.",
            )
        return (*more, "--find-links", found.as_uri())

    async def _run_packages(
        self, packages: Packages, variables: Mapping[str, str], more: tuple[str, ...]
    ) -> None:
        say = self._runner.say
        for line in packages.before:
            say("packages", line)
        last = await self._run(
            _with(packages, packages.steps, more), variables, bool(packages.fallback)
        )
        if last is not None and last[1].code and packages.fallback:
            say("packages", packages.retry.format(code=last[1].code))
            last = await self._run(_with(packages, packages.fallback, more), variables, False)
        if last is not None:
            refuse_failure(*last)

    async def _run(
        self, todo: Iterable[steps.Step], variables: Mapping[str, str], may_fail: bool
    ) -> tuple[steps.Step, Ended] | None:
        """Run steps until one fails; return the last that was run, and how it ended.

        `may_fail`: if there is no uv, its step only fails, as on the platform.
        """
        last = None
        for step in todo:
            uv: tuple[str, ...] = ()
            if step.argv[0] == "uv":
                try:
                    uv = await self._find_uv(variables)
                except (BuildError, ConfigError) as error:
                    if not may_fail:
                        raise
                    self._runner.say("packages", f"uv cannot be installed: {error.message}")
                    return step, Ended(_NO_COMMAND, "")
            last = (step, await self._runner.do(step, variables, uv))
            if last[1].code:
                break
        return last

    async def _find_uv(self, variables: Mapping[str, str]) -> tuple[str, ...]:
        """Install uv in an environment of its own, as the build image has it beside antenv."""
        tools = cache_folder(self._environ) / f"uv-{self._version[0]}.{self._version[1]}"
        python = python_of(tools, "")
        program = python.with_name(f"uv{python.suffix}")  # on Windows both end with .exe

        async def make() -> None:
            for argv in (
                (self._python, "-m", "venv", str(tools)),
                (str(python), "-m", "pip", "install", "--quiet", "uv"),
            ):
                step = steps.Step("uv", argv, "Install uv by hand to see what is wrong.")
                refuse_failure(step, await self._runner.do(step, variables))

        try:
            await make_once(
                tools, _WHOLE, program.exists, make, lambda text: self._runner.say("uv", text)
            )
        except OSError as error:
            raise ConfigError(
                f"The folder {tools}, for uv, cannot be made: {error.strerror}.",
                hint="Set XDG_CACHE_HOME to a folder that you may write to.",
            ) from None
        return (str(program),)

    def _packages_key(
        self, packages: Packages, source: Path | None, variables: Mapping[str, str]
    ) -> str:
        own = own_package.source_digest(source) if source is not None else ""
        told = [self._python, self._version, packages.kind, packages.file, packages.digest, own]
        tools = sorted(
            item for item in variables.items() if item[0].upper().startswith(("PIP_", "UV_"))
        )
        return digest([*told, tools])


def _with(
    packages: Packages, todo: Iterable[steps.Step], more: tuple[str, ...]
) -> list[steps.Step]:
    """Return steps, those that install with pip or uv with more options; what is shown stays."""
    made = []
    for step in todo:
        by_uv = step.argv[:3] == uv_install
        options = more if by_uv or step.argv[:4] == pip_install else ()
        uncached = packages.uncached_by_uv if by_uv else packages.uncached
        if uncached and (by_uv or step.argv[:4] == pip_install):
            options = ("--no-cache-dir", *options)
        if options:
            step = replace(step, argv=(*step.argv, *options), shown=" ".join(step.argv))
        made.append(step)
    return made
