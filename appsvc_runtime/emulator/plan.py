"""What is to be emulated: the site, its kind, its names, folders and variables, all checked.

Looks at files and makes the site's folder for logs; starts nothing. Must not know of requests.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import site as python_site
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import webconfig
from ..errors import ConfigError
from ..findings import Finding
from ..webconfig.model import Config
from . import winpaths
from .environment import make_environ
from .rewriting import compile_rules
from .site import Site, find_config

__all__ = ["Options", "Plan", "make_plan"]

KINDS = ("auto", "httpplatform", "fastcgi")
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True)
class Options:
    """What a user asks for; all but the folder has a default.

    `config` is a file to read in place of the site's own web.config. `app_settings` and `maps` are
    read already (`environment.parse_setting`, `winpaths.parse_map`).
    """

    folder: Path
    kind: str = "auto"
    config: Path | None = None
    python: str = ""
    app_settings: Sequence[tuple[str, str]] = ()
    maps: Sequence[tuple[str, Path]] = ()
    public_name: str = ""
    httpplatform_version: int = 1


@dataclass(frozen=True)
class Plan:
    """A site that can be emulated; `findings` are what is wrong but not fatal, notes included.

    `default_name` is the host name under azurewebsites.net, `public_name` the one that visitors
    ask for; `wfastcgi` the file that stands for every `wfastcgi.py`, "" where none is needed.
    """

    site: Site
    kind: str
    config: Config
    environ: Mapping[str, str]
    paths: winpaths.PathMap
    site_name: str
    default_name: str
    public_name: str
    wfastcgi: str
    findings: tuple[Finding, ...]
    options: Options


def make_plan(options: Options, environ: Mapping[str, str]) -> Plan:
    r"""Look at a site and say how it is emulated; `environ` is this process's own environment.

    Makes the folder `.appsvc` beside the site, which stands for `D:\home`. ConfigError for a site
    that cannot be emulated, with all the reasons.
    """
    folder = options.folder.absolute()
    if not folder.is_dir():
        raise ConfigError(
            f"The site folder {str(options.folder)!r} is not there.",
            hint="Name the folder that holds your web.config.",
        )
    own = options.config or find_config(folder)
    if own is None:
        raise ConfigError(
            f"{folder} holds no web.config, without which IIS does not know how to start Python.",
            hint="Add one (examples/flask_app has both forms), or name the site's folder.",
        )
    python = _interpreter(options.python)
    root, kind, notes = _choose(folder, own, options)
    site = Site(folder, root, httpplatform_version=options.httpplatform_version)
    config, found = site.config("/")
    homes = [place for windows, place in options.maps if winpaths.is_home(windows)]
    home = homes[-1] if homes else folder.parent / ".appsvc"
    maps = [pair for pair in options.maps if not winpaths.is_home(pair[0])]
    paths = winpaths.PathMap(folder, home, python, maps)
    site_name, default_name, public_name = _names(folder, options)
    variables = make_environ(
        {"PYTHONUSERBASE": python_site.getuserbase(), **environ},
        site_name=site_name,
        public_name=default_name,
        home=home,
        app_settings=options.app_settings,
    )
    found = (
        *notes,
        *found,
        *webconfig.check(
            config,
            environ_names=variables,
            exists=lambda path: paths.program(winpaths.expand(path, variables)) is not None,
            source=lambda path: _source(paths, path),
        ),
        *compile_rules(config.rules).findings,
    )
    _refuse(found, root)
    _make_home(home, folder)
    return Plan(
        site=site,
        kind=kind,
        config=config,
        environ=variables,
        paths=paths,
        site_name=site_name,
        default_name=default_name,
        public_name=public_name,
        wfastcgi=_find_wfastcgi(python) if kind == "fastcgi" else "",
        findings=found,
        options=options,
    )


def _choose(folder: Path, own: Path, options: Options) -> tuple[Path, str, list[Finding]]:
    """Give the file to read and the kind that it is."""
    config, found = Site(folder, own).config("/")
    kind = webconfig.kind(config)
    if options.kind in ("auto", kind):
        return own, kind, []
    other = folder / f"web.{options.kind}.config"
    if options.config is None and other.is_file():
        note = Finding(
            "other-file",
            "warning",
            other.name,
            f"{own.name} is of another kind: {other.name} is read in its place.",
        )
        return other, options.kind, [note]
    if not kind:
        return own, kind, []  # what is wrong is said where everything is
    _refuse(found, own)
    raise ConfigError(
        f"{own} has no handler for {options.kind}: its handler is {kind}'s.",
        hint="Leave out --as, or name another file with --config.",
    )


def _source(paths: winpaths.PathMap, path: str) -> str | None:
    """Give the text of a script that web.config names, None where it cannot be read."""
    found = paths.local(path)
    try:
        return None if found is None else found.read_text("utf-8", "replace")
    except (OSError, ValueError):
        return None


def _refuse(findings: Sequence[Finding], root: Path) -> None:
    """Raise a ConfigError with every error among the findings."""
    errors = [f for f in findings if f.level == "error"]
    if len(errors) == 1:
        raise ConfigError(f"{errors[0].where}: {errors[0].message}", hint=errors[0].hint)
    if errors:
        lines = "\n".join(f"  - {f.where}: {f}" for f in errors)
        raise ConfigError(f"{root} has {len(errors)} errors:\n{lines}")


def _interpreter(python: str) -> str:
    """Give the interpreter's path: `--python`, which may be a name or a virtual environment.

    Symbolic links stay: a virtual environment's interpreter is one.
    """
    if not python:
        return sys.executable
    path = Path(python)
    inside = [path / "bin" / "python", path / "Scripts" / "python.exe"] if path.is_dir() else []
    for candidate in [*inside, path]:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return os.path.abspath(candidate)
    found = shutil.which(python) if not path.parent.name else None
    if found is None:
        raise ConfigError(
            f"--python {python!r} is no interpreter that can be run.",
            hint="Name a python, or the folder of a virtual environment.",
        )
    return os.path.abspath(found)


def _find_wfastcgi(python: str) -> str:
    """Give the wfastcgi that the site's interpreter has, else the one that this one has."""
    if python != sys.executable:
        code = (
            "import importlib.util as u; s = u.find_spec('wfastcgi'); print(s and s.origin or '')"
        )
        try:
            asked = subprocess.run(
                [python, "-c", code], capture_output=True, text=True, timeout=30, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigError(
                f"--python {python!r} does not run: {error}.", hint="Name another interpreter."
            ) from None
        if asked.stdout.strip():
            return asked.stdout.strip()
    spec = importlib.util.find_spec("wfastcgi")
    if spec is None or not spec.origin:
        raise ConfigError(
            "wfastcgi, which answers for FastCGI, is not installed.",
            hint='Install it with `pip install "appsvc-runtime[emulator]"`.',
        )
    return spec.origin


def _names(folder: Path, options: Options) -> tuple[str, str, str]:
    """Give the site's name, its host name on the platform, and the one that visitors use."""
    settings = dict(options.app_settings)
    name = settings.get("WEBSITE_SITE_NAME") or re.sub("[^a-z0-9]+", "-", folder.name.lower())
    name = name.strip("-") or "site"
    default = settings.get("WEBSITE_HOSTNAME") or f"{name}.azurewebsites.net"
    public = options.public_name or default
    for host in (default, public):
        if not _HOST_NAME.fullmatch(host.lower()):
            raise ConfigError(
                f"{host[:80]!r} is no host name.", hint="Write --public-name as www.example.com."
            )
    return name, default.lower(), public.lower()


def _make_home(home: Path, folder: Path) -> None:
    r"""Make the folder that stands for `D:\home`, with what a program expects to find there."""
    try:
        (home / "LogFiles").mkdir(parents=True, exist_ok=True)
        (home / "site").mkdir(exist_ok=True)
        ignore = home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", "utf-8")
    except OSError as error:
        raise ConfigError(
            f"The folder {home}, which stands for D:\\home, cannot be made: {error.strerror}.",
            hint=r"Name another with --map 'D:\home=DIR'.",
        ) from None
    link = home / "site" / "wwwroot"
    try:
        if link.is_symlink():
            link.unlink()
        if not link.exists():
            link.symlink_to(folder, target_is_directory=True)
    except OSError:  # Windows asks for a right to make links; paths in web.config do without
        return
