"""What to emulate: the site, its kind, its names, folders and variables, all checked.

Looks at files and creates the site's folder for logs; starts nothing. Must not know of requests.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import ConfigError
from ...findings import Finding, errors
from ..processes import requirement, site_folder, surroundings
from ..processes.environment import make_environ, windows_variables
from ..processes.interpreter import app_environ
from ..processes.project_python import ProjectPython, choose_python
from . import application_checks, handlers, windows_paths
from .applications import Application, Applications, read_applications
from .site import Site, find_config
from .webconfig import checks, interpreters
from .webconfig.model import Config, Handler

__all__ = ["Options", "Plan", "make_plan"]

_OLDEST = (3, 8)  # the oldest Python that runs wfastcgi_child


@dataclass(frozen=True)
class Options:
    """The user's options; all but the folder have a default.

    `config` is a file to read in place of the site's own web.config. `app_settings`, `maps` and
    `applications` are parsed already (`environment.parse_setting`, `windows_paths.parse_map`,
    `applications.parse_application`).
    """

    folder: Path
    kind: str = "auto"
    config: Path | None = None
    python: str = ""
    app_settings: Sequence[tuple[str, str]] = field(default=(), repr=False)
    maps: Sequence[tuple[str, Path]] = ()
    public_name: str = ""
    httpplatform_version: int = 1
    applications: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Plan:
    """An application that can be emulated; `findings` are its warnings and notes, without errors.

    That of the site's own application has the plans of the site's `others`, and all findings.
    `kind` is "" for an application without Python. `environ` are the variables of its processes.
    `windows` are more variables, with which the `%VAR%` of web.config are expanded; processes do
    not get them, as they mean nothing here. `default_name` is the host name under
    azurewebsites.net, `public_name` the host name that clients use.
    """

    site: Site
    application: Application
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
    others: tuple[Plan, ...] = ()

    @property
    def all(self) -> tuple[Plan, ...]:
        """The plans of all applications of the site, its own first."""
        return (self, *self.others)

    @property
    def wfastcgi_settings(self) -> Mapping[str, str]:
        """The appSettings that wfastcgi reads: it opens its application's own file, no parent's."""
        return self.site.own_config(self.application).app_settings


def make_plan(options: Options, environ: Mapping[str, str]) -> Plan:
    r"""Examine a site and return how to emulate it; `environ` is this process's own environment.

    Creates the folder in `.appsvc` beside the site that stands for `D:\home`. Raises ConfigError
    for a site that cannot be emulated, with all reasons.
    """
    folder = Path(os.path.abspath(options.folder))
    _check_folder(folder, options.folder)
    own = Application("", folder, _own_config(folder, options))
    others = read_applications(options.applications, environ)
    python = choose_python(folder, options.python, environ)
    site, chosen = _choose_roots(own, others, options)
    names = surroundings.names(folder, dict(options.app_settings), options.public_name)
    where = site.root or folder
    read = {each: site.config(each.called) for each in chosen}
    found = [finding for _, findings in read.values() for finding in findings]
    if errors(found):
        raise _refusal(errors(found), where)
    home = _make_home(folder, options, environ)
    maps = [pair for pair in options.maps if not windows_paths.is_home(pair[0])]
    plans = []
    for each, (kind, notes) in chosen.items():
        own_python = choose_python(each.folder, options.python, environ, default=python)
        if kind == "fastcgi":
            _check_fastcgi(own_python)
        paths = windows_paths.PathMap(
            folder, home, own_python.path, maps, folder=each.folder, others=_beside(own, others)
        )
        variables = make_environ(
            app_environ(environ, own_python.interpreter),
            site_name=names[0],
            public_name=names[1],
            home=home,
            app_settings=[
                (name, paths.variable(name, text)) for name, text in options.app_settings
            ],
        )
        plans.append(
            Plan(
                site=site,
                application=each,
                kind=kind,
                config=read[each][0],
                environ=variables,
                windows={**windows_variables(), **variables},
                paths=paths,
                site_name=names[0],
                default_name=names[1],
                public_name=names[2],
                findings=(*notes, *read[each][1]),
                options=options,
                python=own_python,
            )
        )
    checked = application_checks.check_all(plans)
    if errors(checked):
        raise _refusal(errors(checked), where)
    for plan in plans:
        _need_runtime(plan)
    findings = dict.fromkeys([*(each for plan in plans for each in plan.findings), *checked])
    return replace(plans[0], findings=tuple(findings), others=tuple(plans[1:]))


def _beside(own: Application, others: Iterable[Application]) -> dict[str, Path]:
    r"""Return the folders of applications outside the site's, by their names in `D:\home\site`."""
    found: dict[str, Path] = {}
    for each in others:
        if not each.folder.is_relative_to(own.folder):
            inside = each.folder.is_relative_to(own.folder.parent)
            name = each.folder.relative_to(own.folder.parent) if inside else each.folder.name
            found.setdefault(str(name), each.folder)
    return found


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


def _need_runtime(plan: Plan) -> None:
    """Raise ConfigError if web.config starts this package and the application's Python lacks it."""
    settings, paths = plan.config.http_platform, plan.paths
    environ = {**plan.windows, **dict(plan.options.app_settings)}
    if plan.kind == "fastcgi":
        pairs = [pair for one in plan.config.fast_cgi for pair in one.environment_variables]
        pairs += plan.wfastcgi_settings.items()  # these take precedence in wfastcgi
        known = {name.strip().upper(): text for name, text in pairs}
        handler = known.get("WSGI_HANDLER", environ.get("WSGI_HANDLER", "")).strip()
        what = f"WSGI_HANDLER={handler}" if handler.startswith("appsvc_runtime.") else ""
        where = "web.config"
    elif (
        plan.kind
        and settings is not None
        and paths.program(settings.process_path) == plan.python.path
    ):
        known = {name.upper(): text for name, text in settings.environment_variables}
        words = windows_paths.split_command_line(windows_paths.expand(settings.arguments, environ))
        what = requirement.runtime_in(words, paths.source(words[0]) if words else None)
        where = str(settings.place)
    else:
        return
    interpreter = plan.python.interpreter
    requirement.need_runtime(interpreter, where, what, paths.site, {**environ, **known})


def _own_config(folder: Path, options: Options) -> Path | None:
    if options.config is not None:
        named = Path(os.path.abspath(options.config))
        if not named.is_file():
            raise ConfigError(
                f"--config {str(options.config)!r} is not a file.", hint="Name a web.config."
            )
        return named
    own = find_config(folder)
    if own is None and not options.applications:
        raise ConfigError(
            f"{folder} holds no web.config, without which IIS does not know how to start Python.",
            hint="Add one (examples/flask_app has both forms), or name the site's folder.",
        )
    return own


_Chosen = dict[Application, tuple[str, list[Finding]]]


def _choose_roots(
    own: Application, others: Iterable[Application], options: Options
) -> tuple[Site, _Chosen]:
    """Return the site, and the kind of each application, with a note if `--as` changes its file."""
    chosen: _Chosen = {}
    for application in Applications(own, others).all:
        found, kind, notes = _choose([*chosen, application], options)
        chosen[found] = (kind, notes)
    return _site([*chosen], options), chosen


def _site(applications: Sequence[Application], options: Options) -> Site:
    own, *others = applications
    version = options.httpplatform_version
    return Site(own.folder, own.root, httpplatform_version=version, applications=others)


def _choose(
    applications: Sequence[Application], options: Options
) -> tuple[Application, str, list[Finding]]:
    """Return the last application with the file to read for it, its kind, and a note about that."""
    last = applications[-1]
    config, found = _site(applications, options).config(last.called)
    kind = checks.kind(config)
    if options.kind in ("auto", kind):
        return last, kind, []
    if any(_runs(handler, options.kind) for handler in config.handlers):
        return last, options.kind, []
    other = last.folder / f"web.{options.kind}.config"
    own = last.root or find_config(last.folder)
    if (options.config is None or last.path) and other.is_file():
        name = own.name if own else f"The inherited web.config of {last.called}"
        note = Finding(
            "other-file",
            "warning",
            f"{last.shown}/{other.name}" if last.shown else other.name,
            f"{name} is of another kind: {other.name} is read in its place.",
        )
        return replace(last, root=other), options.kind, [note]
    if not kind or errors(found):
        return last, kind, []  # its errors are reported together with all others
    raise ConfigError(
        f"{own or last.folder} has no handler for {options.kind}: its handler is for {kind}.",
        hint="Leave out --as, or name another file with --config.",
    )


def _runs(handler: Handler, kind: str) -> bool:
    """Return whether a handler runs Python in the way of this kind."""
    return interpreters.python_handler([handler]) is not None and handlers.kind(handler) == kind


def _refusal(found: Sequence[Finding], root: Path) -> ConfigError:
    """Return one error with all findings."""
    if len(found) == 1:
        return ConfigError(f"{found[0].where}: {found[0].message}", hint=found[0].hint)
    lines = "\n".join(f"  - {finding.where}: {finding}" for finding in found)
    return ConfigError(f"{root} has {len(found)} errors:\n{lines}")
