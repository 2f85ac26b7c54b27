"""The virtual environment of a build and the packages in it: made anew, or kept.

Must not know of the other steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .. import facts
from . import ownpackage, steps
from .output import activated, python_of, remove_folder
from .places import cache_folder
from .running import Ended, Runner, refuse_failure
from .state import State, digest, write_state

__all__ = ["Installer"]


class Installer:
    """Installs the packages of a site, and notes in `state` what is there.

    `environ` are this process's variables, `python` and `version` are the site's interpreter.
    """

    def __init__(
        self,
        runner: Runner,
        environ: Mapping[str, str],
        python: str,
        version: tuple[int, int],
        state: State,
    ) -> None:
        self.state = state
        self._runner = runner
        self._environ = environ
        self._python = python
        self._version = version

    async def install(
        self, settings: Mapping[str, str], variables: Mapping[str, str], unchanged: bool
    ) -> bool:
        """Make the virtual environment and install the packages; say whether all was kept."""
        folder, say = self._runner.folder, self._runner.say
        packages = steps.choose_packages(folder, settings)
        for warning in packages.warnings:
            say("packages", f"Warning: {warning}")
        source = ownpackage.find_source() if packages.names_own else None
        key = self._packages_key(packages, source, settings)
        same = self.state.installed == key and python_of(folder).exists()
        if same and (packages.fixed or unchanged):
            say(
                "packages",
                "antenv and its packages are kept"
                + (f": {packages.file} is the same." if packages.file else "."),
            )
            return True
        self.state.installed = ""
        write_state(folder, self.state)
        if not same:
            await self._make_antenv(variables)
        active = activated(variables, folder)
        links: tuple[str, ...] = ()
        if source is not None:
            found = await ownpackage.make_wheel(source, str(python_of(folder)), active, say)
            if found is not None:
                say("packages", f"appsvc-runtime is taken from {source}, as here.")
                links = ("--find-links", found.as_uri())
        await self._run_packages(packages, active, links)
        self.state.installed = key
        self.state.python, self.state.version = self._python, list(self._version)
        write_state(folder, self.state)
        return False

    async def _make_antenv(self, variables: Mapping[str, str]) -> None:
        antenv = self._runner.folder / facts.VIRTUAL_ENVIRONMENT
        await asyncio.to_thread(remove_folder, antenv)
        step = steps.Step(
            "antenv",
            (self._python, "-m", "venv", facts.VIRTUAL_ENVIRONMENT),
            "Name an interpreter that has venv by --python (Debian: install python3-venv).",
            f"python{self._version[0]}.{self._version[1]} -m venv {facts.VIRTUAL_ENVIRONMENT}",
        )
        refuse_failure(step, await self._runner.do(step, variables))

    async def _run_packages(
        self, packages: steps.Packages, variables: Mapping[str, str], links: tuple[str, ...]
    ) -> None:
        uv = await self._find_uv(variables) if packages.kind == "uv" else ()
        last: tuple[steps.Step, Ended] | None = None
        for step in packages.steps:
            if links:
                step = replace(step, argv=(*step.argv, *links), shown=" ".join(step.argv))
            last = (step, await self._runner.do(step, variables, uv))
            if last[1].code:
                break
        if last is not None and last[1].code and packages.fallback:
            self._runner.say(
                "packages", "That failed: the platform tries once more with an old Poetry."
            )
            for step in packages.fallback:
                last = (step, await self._runner.do(step, variables, uv))
                if last[1].code:
                    break
        if last is not None:
            refuse_failure(*last)

    async def _find_uv(self, variables: Mapping[str, str]) -> tuple[str, ...]:
        """Have uv in an environment of its own, as the build image has it beside antenv."""
        tools = cache_folder(self._environ) / f"uv-{self._version[0]}.{self._version[1]}"
        program = python_of(tools, "").with_name("uv")
        if not program.exists():
            for argv in (
                (self._python, "-m", "venv", str(tools)),
                (str(python_of(tools, "")), "-m", "pip", "install", "--quiet", "uv"),
            ):
                step = steps.Step("uv", argv, "Install uv by hand to see what is wrong.")
                tools.mkdir(parents=True, exist_ok=True)
                refuse_failure(step, await self._runner.do(step, variables))
        return (str(program),)

    def _packages_key(
        self, packages: steps.Packages, source: Path | None, settings: Mapping[str, str]
    ) -> str:
        own = ownpackage.source_digest(source) if source is not None else ""
        told = [self._python, self._version, packages.kind, packages.file, packages.digest, own]
        pip = sorted(item for item in settings.items() if item[0].upper().startswith("PIP_"))
        return digest([*told, pip])
