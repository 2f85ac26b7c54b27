"""A deployment of a site: built, found built, or copied as it is.

Knows which of these a run needs. Must not know how a site is built, nor of containers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from ..http.messages import Say
from .build import build, switches
from .plan import LinuxPlan

__all__ = ["Deployed", "check_version", "deploy"]


@dataclass(frozen=True)
class Deployed:
    """The `folder` to run. `is_built`: it was built there; if not, it may bring an antenv too.

    `is_new`: it was deployed by this run, not by an earlier one.
    """

    folder: Path
    is_built: bool
    is_new: bool = True


async def deploy(plan: LinuxPlan, environ: Mapping[str, str], say: Say) -> Deployed:
    """Build the site, find an earlier build, or make a copy.

    `environ` has this process's own variables. Raise ConfigError if it cannot be built, or an
    earlier build was not finished.
    """
    options = build.Options(
        site=plan.site,
        output=plan.output,
        python=plan.python,
        app_settings=plan.options.app_settings,
        clean=plan.options.clean,
    )
    off = switches.why_not_built(plan.settings)
    if plan.options.build and not off:
        return Deployed((await build.build(options, environ, say)).folder, is_built=True)
    why = f"Not built, {off}" if plan.options.build else "Not built"
    built = _built_before(plan, why, say, switched_off=bool(off))
    if built is None:
        say("build", f"{why}: the site is deployed as it is.")
        return Deployed(await build.copy_site(options, say), is_built=False)
    return Deployed(built, is_built=not off, is_new=False)


def check_version(deployed: Deployed, version: tuple[int, int]) -> None:
    """Raise ConfigError if a build was for another Python than the one that would run it."""
    folder = deployed.folder
    built = build.read_built(folder).built
    if built is not None and built.version != version:
        then, now = (".".join(map(str, each)) for each in (built.version, version))
        raise ConfigError(
            f"{folder} was built for Python {then}, but would be run by Python {now}, which "
            "finds none of its packages.",
            hint="Build it again (leave out --no-build), or name that Python with --python.",
        )


def _built_before(plan: LinuxPlan, why: str, say: Say, *, switched_off: bool) -> Path | None:
    """Return the folder that an earlier build has made, or None."""
    for folder in (plan.site, plan.output):
        left = build.read_built(folder)
        if left.problem and folder == plan.site:  # for the other folder, the copy reports it
            say("build", f"Warning: {left.problem}.")
        if left.built is not None:
            say("build", f"{why}: the earlier build in {folder} is run.")
            return folder
        if left.unfinished and (folder == plan.site or not switched_off):
            raise ConfigError(
                f"The last build in {folder} was not finished, so it cannot be run without a "
                "build.",
                hint="Build it: leave out --no-build.",
            )
    return None
