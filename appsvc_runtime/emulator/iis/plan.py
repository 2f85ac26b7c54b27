"""What to emulate: the site, its kind, its names, folders and variables, all checked.

Looks at files and creates the site's folder for logs; starts nothing. Must not know of requests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ConfigError
from ...findings import Finding, errors
from ...startup.interface import ASGI, read_interface
from ...system.plain_file import read_plain
from ..processes import requirement, site_folder, surroundings
from ..processes.environment import make_environ, windows_variables
from ..processes.interpreter import app_environ
from ..processes.project_python import ProjectPython, choose_python
from . import handlers, windows_paths
from .rewrite.rules import compile_rules
from .site import Site, find_config
from .webconfig import checks, interpreters
from .webconfig.model import Config, Handler

__all__ = ["Options", "Plan", "make_plan"]

_OLDEST = (3, 8)  # the oldest Python that runs wfastcgi_child


@dataclass(frozen=True)
class Options:
    """The user's options; all but the folder have a default.

    `config` is a file to read in place of the site's own web.config. `app_settings` and `maps` are
    parsed already (`environment.parse_setting`, `windows_paths.parse_map`).
    """

    folder: Path
    kind: str = "auto"
    config: Path | None = None
    python: str = ""
    app_settings: Sequence[tuple[str, str]] = field(default=(), repr=False)
    maps: Sequence[tuple[str, Path]] = ()
    public_name: str = ""
    httpplatform_version: int = 1


@dataclass(frozen=True)
class Plan:
    """A site that can be emulated; `findings` are its warnings and notes, without errors.

    `environ` are the variables of its processes. `windows` are more variables, with which the
    `%VAR%` of web.config are expanded; processes do not get them, as they mean nothing here.
    `default_name` is the host name under azurewebsites.net, `public_name` the host name that
    clients use.
    """

    site: Site
    kind: str
    config: Config
    environ: Mapping[str, str] = field(repr=False)
    windows: Mapping[str, str]
    paths: windows_paths.PathMap
    site_name: str
    default_name: str
    public_name: str
    findings: tuple[Finding, ...]
    options: Options
    python: ProjectPython


def make_plan(options: Options, environ: Mapping[str, str]) -> Plan:
    r"""Examine a site and return how to emulate it; `environ` is this process's own environment.

    Creates the folder in `.appsvc` beside the site that stands for `D:\home`. Raises ConfigError
    for a site that cannot be emulated, with all reasons.
    """
    folder = Path(os.path.abspath(options.folder))
    _check_folder(folder, options.folder)
    own = _own_config(folder, options)
    python = choose_python(folder, options.python, environ)
    root, kind, notes = _choose(folder, own, options)
    site = Site(folder, root, httpplatform_version=options.httpplatform_version)
    config, found = site.config("/")
    names = surroundings.names(folder, dict(options.app_settings), options.public_name)
    if errors(found):
        raise _refusal(errors(found), root)
    if kind == "fastcgi":
        _check_fastcgi(python)
    home = _make_home(folder, options, environ)
    maps = [pair for pair in options.maps if not windows_paths.is_home(pair[0])]
    paths = windows_paths.PathMap(folder, home, python.path, maps)
    variables = make_environ(
        app_environ(environ, python.interpreter),
        site_name=names[0],
        public_name=names[1],
        home=home,
        app_settings=[(name, paths.variable(name, value)) for name, value in options.app_settings],
    )
    windows = {**windows_variables(), **variables}
    checked = checks.check(
        config,
        environ_names=windows,
        exists=lambda path: paths.program(windows_paths.expand(path, windows)) is not None,
        source=lambda path: _source(paths, windows_paths.expand(path, windows)),
        is_asgi=lambda name: read_interface(name, folder) == ASGI,
    )
    checked += compile_rules(config.rules).findings
    if errors(checked):
        raise _refusal(errors(checked), root)
    _need_runtime(python, config, kind, paths, {**windows, **dict(options.app_settings)})
    return Plan(
        site=site,
        kind=kind,
        config=config,
        environ=variables,
        windows=windows,
        paths=paths,
        site_name=names[0],
        default_name=names[1],
        public_name=names[2],
        findings=(*notes, *found, *checked),
        options=options,
        python=python,
    )


def _check_folder(folder: Path, named: Path) -> None:
    if folder.is_file():
        raise ConfigError(
            f"{str(named)!r} is a file, not the site's folder.",
            hint="Name the folder; use --config for a file other than its web.config.",
        )
    if not folder.is_dir():
        raise ConfigError(
            f"The site folder {str(named)!r} does not exist.",
            hint="Name the folder that holds your app.",
        )


def _check_fastcgi(python: ProjectPython) -> None:
    surroundings.find_wfastcgi(python.interpreter)
    if python.interpreter.minor < _OLDEST:
        raise ConfigError(
            f"FastCGI is emulated for Python 3.8 and newer, and {python.path} is older.",
            hint="Name another interpreter with --python.",
        )


def _make_home(folder: Path, options: Options, environ: Mapping[str, str]) -> Path:
    r"""Make the folder that stands for `D:\home`: that of --map, else one beside the site."""
    homes = [place for windows, place in options.maps if windows_paths.is_home(windows)]
    if not homes:
        return surroundings.make_home(folder, None)
    option = r"--map D:\home=DIR: DIR"
    site_folder.check_output(homes[-1], environ, option, folder, may_hold_site=True)
    return surroundings.make_home(folder, homes[-1])


def _need_runtime(
    python: ProjectPython,
    config: Config,
    kind: str,
    paths: windows_paths.PathMap,
    environ: Mapping[str, str],
) -> None:
    """Raise ConfigError if web.config starts this package and the site's Python lacks it."""
    settings = config.http_platform
    if kind == "fastcgi":
        pairs = [pair for one in config.fast_cgi for pair in one.environment_variables]
        pairs += config.app_settings.items()  # these take precedence in wfastcgi
        known = {name.strip().upper(): text for name, text in pairs}
        handler = known.get("WSGI_HANDLER", environ.get("WSGI_HANDLER", "")).strip()
        what = f"WSGI_HANDLER={handler}" if handler.startswith("appsvc_runtime.") else ""
        where = "web.config"
    elif settings is not None and paths.program(settings.process_path) == python.path:
        known = {name.upper(): text for name, text in settings.environment_variables}
        words = windows_paths.split_command_line(windows_paths.expand(settings.arguments, environ))
        what = requirement.runtime_in(words, _source(paths, words[0]) if words else None)
        where = str(settings.place)
    else:
        return
    requirement.need_runtime(python.interpreter, where, what, paths.site, {**environ, **known})


def _own_config(folder: Path, options: Options) -> Path:
    if options.config is not None:
        named = Path(os.path.abspath(options.config))
        if not named.is_file():
            raise ConfigError(
                f"--config {str(options.config)!r} is not a file.", hint="Name a web.config."
            )
        return named
    own = find_config(folder)
    if own is None:
        raise ConfigError(
            f"{folder} holds no web.config, without which IIS does not know how to start Python.",
            hint="Add one (examples/flask_app has both forms), or name the site's folder.",
        )
    return own


def _choose(folder: Path, own: Path, options: Options) -> tuple[Path, str, list[Finding]]:
    """Return the file to read, its kind, and a note if it is not the site's own web.config."""
    config, found = Site(folder, own).config("/")
    kind = checks.kind(config)
    if options.kind in ("auto", kind):
        return own, kind, []
    if any(_runs(handler, options.kind) for handler in config.handlers):
        return own, options.kind, []
    other = folder / f"web.{options.kind}.config"
    if options.config is None and other.is_file():
        note = Finding(
            "other-file",
            "warning",
            other.name,
            f"{own.name} is of another kind: {other.name} is read in its place.",
        )
        return other, options.kind, [note]
    if not kind or errors(found):
        return own, kind, []  # its errors are reported together with all others
    raise ConfigError(
        f"{own} has no handler for {options.kind}: its handler is for {kind}.",
        hint="Leave out --as, or name another file with --config.",
    )


def _runs(handler: Handler, kind: str) -> bool:
    """Return whether a handler runs Python in the way of this kind."""
    return interpreters.python_handler([handler]) is not None and handlers.kind(handler) == kind


def _source(paths: windows_paths.PathMap, path: str) -> str | None:
    """Return the text of a script that web.config names, or None if it cannot be read."""
    found = paths.local(path)
    try:
        return None if found is None else read_plain(found).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def _refusal(found: Sequence[Finding], root: Path) -> ConfigError:
    """Return one error with all findings."""
    if len(found) == 1:
        return ConfigError(f"{found[0].where}: {found[0].message}", hint=found[0].hint)
    lines = "\n".join(f"  - {finding.where}: {finding}" for finding in found)
    return ConfigError(f"{root} has {len(found)} errors:\n{lines}")
