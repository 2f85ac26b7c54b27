"""What to emulate of the Linux container: site, names, folders and settings, all checked.

Reads files and makes the site's folder for the emulation; builds and starts nothing. Must not know
of requests or processes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...azure import names as azure_names
from ...errors import ConfigError
from ...system import capabilities
from ..processes import site_folder, surroundings, workspace
from ..processes.project_python import ProjectPython, choose_python

__all__ = ["LinuxOptions", "LinuxPlan", "make_linux_plan", "parse_home"]

_AUTHENTICATION = "WEBSITE_AUTH_ENABLED"
_HOME = azure_names.SITE_FOLDER.partition("/site/")[0]


@dataclass(frozen=True)
class LinuxOptions:
    """A user's options; all but the folder have a default.

    `home` is a folder that becomes /home, kept from run to run. `python` is an interpreter;
    `python_version` chooses one from the path; with both, they must agree. `build`: build as the
    platform does; `clean`: build from scratch. `health_path` is requested every `health_interval`
    seconds.
    """

    folder: Path
    startup_command: str = ""
    python: str = ""
    python_version: tuple[int, int] | None = None
    app_settings: Sequence[tuple[str, str]] = field(default=(), repr=False)
    home: Path | None = None
    public_name: str = ""
    build: bool = True
    clean: bool = False
    instances: int = 1
    affinity: bool = True
    health_path: str = ""
    health_interval: float = 60.0


@dataclass(frozen=True)
class LinuxPlan:
    """A site that can be emulated.

    `linux` is the folder for the whole emulation, `home` becomes /home, `output` is the built copy,
    `wwwroot` what a deployment leaves in /home/site/wwwroot, `python` the path of the `chosen`
    interpreter. `settings` are the app settings by name.
    `default_name` is the host name under azurewebsites.net, `public_name` the one that clients use.
    """

    site: Path
    linux: Path
    home: Path
    output: Path
    wwwroot: Path
    python: str
    settings: Mapping[str, str] = field(repr=False)
    site_name: str
    default_name: str
    public_name: str
    authentication: bool
    options: LinuxOptions
    chosen: ProjectPython


def parse_home(texts: Sequence[str]) -> Path | None:
    """Parse `/home=DIR`, the only path of a container that can be mapped; return None if unset."""
    home = None
    for text in texts:
        path, sign, folder = text.partition("=")
        if path.rstrip("/") != _HOME or not sign or not folder:
            raise ConfigError(
                f"--map {text!r} is not possible for the Linux container.",
                hint=f"Write it as --map {_HOME}=DIR: nothing else can be mapped there.",
            )
        home = Path(os.path.expanduser(folder))  # shells leave the ~ of NAME=~ alone
    return home


def make_linux_plan(options: LinuxOptions, environ: Mapping[str, str]) -> LinuxPlan:
    """Check a site and return how it is emulated; `environ` holds this process's own variables.

    Make its folder in `.appsvc` beside the site, and the folders in `home`. Raise ConfigError for a
    site that cannot be emulated.
    """
    if not capabilities.can_fork():
        raise ConfigError(
            "The Linux container cannot be emulated on Windows, where gunicorn does not run.",
            hint="Run this in WSL.",
        )
    site = Path(os.path.abspath(options.folder))
    if options.health_path and not options.health_path.startswith("/"):
        raise ConfigError(
            f"--health-check {options.health_path!r} is not a path.",
            hint="Write it with a slash: --health-check /health.",
        )
    if options.home is not None:
        site_folder.check_output(
            options.home, environ, f"--map {_HOME}=DIR: DIR", site, may_hold_site=True
        )
    linux = workspace.linux_folder(site, environ)
    settings = dict(options.app_settings)
    names = surroundings.names(site, settings, options.public_name)
    python = _choose(site, options, environ)
    home = Path(os.path.abspath(options.home)) if options.home is not None else linux / "home"
    _make_home(home)
    return LinuxPlan(
        site=site,
        linux=linux,
        home=home,
        output=workspace.default_output(site, environ),
        wwwroot=linux / "wwwroot",
        python=python.path,
        chosen=python,
        settings=settings,
        site_name=names[0],
        default_name=names[1],
        public_name=names[2],
        authentication=settings.get(_AUTHENTICATION, "").strip().lower() in ("true", "1"),
        options=options,
    )


def _choose(site: Path, options: LinuxOptions, environ: Mapping[str, str]) -> ProjectPython:
    """Choose the container's Python; raise ConfigError if it is not of the wanted version."""
    wanted = options.python_version
    chosen = choose_python(site, options.python, environ, runs_app=False, version=wanted)
    found = chosen.interpreter
    if wanted is not None and found.minor != wanted:
        raise ConfigError(
            f"The container needs Python {wanted[0]}.{wanted[1]}, but {found.path} is "
            f"{found.minor[0]}.{found.minor[1]}.",
            hint="Name another with --python, or leave out --python-version.",
        )
    return chosen


def _make_home(home: Path) -> None:
    """Make the folders that every site has in /home."""
    try:
        for name in ("LogFiles", "site"):
            (home / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {home}, which becomes {_HOME}, cannot be made: {error.strerror}.",
            hint="Name another with --map /home=DIR.",
        ) from None
