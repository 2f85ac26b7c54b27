"""The command that the Linux container runs for a site's folder: a folder in, a `StartPlan` out.

Reads the names in the folder and a few files, imports and runs nothing. Must not know of the
process's environment (settings come as a Mapping), of servers or of the emulator. The rules are
those of the container's own start-up script (github.com/microsoft/Oryx,
src/startupscriptgenerator/src/python): startup command, Django, FastAPI from Python 3.14, Flask,
the default site. If the documentation differs (it says that a failing startup command falls back
to detection), this module follows the script.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..azure import names as azure_names
from ..errors import ConfigError
from ..system.exact_names import is_file
from . import exec_check, gunicorn, python_files
from .app_search import misplaced_apps, spelled_otherwise
from .command import (
    app_in,
    read_command,
    reads_gunicorn_config,
    serve_command,
    timeout_in,
)
from .wsgi_search import deeper_wsgi_files

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["StartPlan", "make_plan"]


@dataclass(frozen=True)
class StartPlan:
    """The command that the container runs, and why.

    `framework`: django, flask, fastapi, custom (a startup command) or default (the default site).
    `app`: the argument of gunicorn, `mysite.wsgi` or `app:app`; None if it is not known.
    `command`: the command line, for a shell; `environment`: its variables. `rule`: why, in one
    sentence. `looked_at`: each step in order, with its result. `warnings`: surprises, one sentence
    each. `site`: the folder; `python_version`: the version that the rules are applied for. `notes`:
    what the command means, one sentence each.
    """

    framework: str
    app: str | None
    command: str
    rule: str
    site: str
    python_version: str
    environment: dict[str, str] = field(default_factory=dict)
    looked_at: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def make_plan(
    site: str | os.PathLike[str],
    settings: Mapping[str, str] | None = None,
    *,
    startup_command: str | None = None,
    python_version: tuple[int, int] | None = None,
    cores: int | None = None,
    folder: str = f"${azure_names.APP_PATH}",
) -> StartPlan:
    """Return the plan for the folder `site` under the app settings `settings`.

    `startup_command` is the site's startup command, if it has one; `python_version` the
    container's, by default this interpreter's; `cores` the machine's, for the number of workers;
    `folder` the site's folder in the container, for a shell.
    Raises ConfigError if `site` is not a folder that can be read.
    """
    settings = {} if settings is None else settings
    version = python_version or sys.version_info[:2]
    planner = _Planner(Path(site), settings, version, cores or os.cpu_count() or 1, folder)
    if startup_command is not None and startup_command.strip():
        return planner.custom(startup_command.strip())
    return planner.django() or planner.fastapi() or planner.flask() or planner.default()


class _Planner:
    """The rules, one method each, and the steps taken so far."""

    def __init__(
        self,
        site: Path,
        settings: Mapping[str, str],
        version: tuple[int, int],
        cores: int,
        folder: str,
    ) -> None:
        self.site = site
        self.settings = settings
        self.version = version
        self.cores = cores
        self.folder = folder
        self.notes: list[str] = []
        self.looked_at: list[str] = []
        self.warnings: list[str] = []
        try:
            # In byte order, as Go, the language of the script generator, sorts them.
            self.entries = sorted(os.scandir(site), key=lambda entry: os.fsencode(entry.name))
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"The site folder {str(site)!r} cannot be read: {reason}.",
                hint="Name the folder that holds your app.",
            ) from None

    def custom(self, startup_command: str) -> StartPlan:
        command, rule, warnings = read_command(startup_command, self.site)
        self.warnings.extend(warnings)
        self.warnings.extend(filter(None, [exec_check.describe(command)]))
        # A timeout in the command line takes precedence, as for gunicorn.
        if timeout_in(command) is not None:
            self._check_timeout(command, "the startup command")
        else:
            self._check_timeout(self.settings.get("GUNICORN_CMD_ARGS", ""), "GUNICORN_CMD_ARGS")
        if reads_gunicorn_config(command) and self._has_gunicorn_config():
            self.notes.append(f"This command reads the site's own {gunicorn.CONFIG}.")
        return self._plan("custom", app_in(command), command, rule, {})

    def django(self) -> StartPlan | None:
        found = []
        for entry in self.entries:
            # The script does not treat a link to a folder as a folder.
            if entry.name == azure_names.VIRTUAL_ENVIRONMENT or not entry.is_dir(
                follow_symlinks=False
            ):
                continue
            if is_file(self.site / entry.name, "wsgi.py"):
                found.append(entry.name)
        if not found:
            self.looked_at.append("Django: no folder here holds a wsgi.py.")
            self._hint_at_deeper_wsgi_files()
            return None
        first, *others = found
        self.looked_at.append(f"Django: found {first}/wsgi.py.")
        for name in others:
            self.looked_at.append(f"Django: {name}/wsgi.py is skipped.")
            self.warnings.append(
                f"There are {first}/wsgi.py and {name}/wsgi.py: the first by name is run. "
                f"To run the other, set the startup command to `{serve_command(f'{name}.wsgi')}`."
            )
        names = python_files.read_names(self.site / first / "wsgi.py")
        if not names.has("application"):
            self.warnings.append(
                f"{first}/wsgi.py defines no `application`, which gunicorn will look for; "
                "any folder with a wsgi.py is taken for Django."
            )
        return self._gunicorn(
            "django",
            f"{first}.wsgi",
            f"{first} is the first folder by name that holds a wsgi.py",
        )

    def fastapi(self) -> StartPlan | None:
        since = ".".join(map(str, azure_names.FASTAPI_SINCE))
        is_fastapi = [
            name
            for name in azure_names.FASTAPI_FILES
            if is_file(self.site, name) and python_files.is_fastapi(self.site / name)
        ]
        if self.version < azure_names.FASTAPI_SINCE:
            self.looked_at.append(f"FastAPI: not looked for before Python {since}.")
        elif self._is_on(azure_names.DISABLE_FASTAPI):
            self.looked_at.append(f"FastAPI: switched off by {azure_names.DISABLE_FASTAPI}.")
        elif not is_fastapi:
            self.looked_at.append("FastAPI: no file with a usual name imports fastapi.")
        else:
            name, *others = is_fastapi
            self.looked_at.append(f"FastAPI: {name} imports fastapi.")
            self.looked_at.extend(f"FastAPI: {other} is skipped." for other in others)
            self._check_rivals(name, others, asgi=True)
            self._check_app_object(name)
            return self._gunicorn(
                "fastapi",
                f"{name[:-3]}:app",
                f"{name} is the first file with a usual name that imports fastapi",
                f"-k {azure_names.FASTAPI_WORKER} ",
            )
        if is_fastapi:
            module = is_fastapi[0][:-3]
            app = (python_files.read_names(self.site / is_fastapi[0]).made_apps() or ["app"])[0]
            self.warnings.append(
                f"{is_fastapi[0]} imports fastapi, but this container will not start it as such: "
                f"set the startup command to `{serve_command(f'{module}:{app}', asgi=True)}`."
            )
        return None

    def flask(self) -> StartPlan | None:
        found = [name for name in azure_names.FLASK_FILES if is_file(self.site, name)]
        if not found:
            self.looked_at.append(f"Flask: none of {', '.join(azure_names.FLASK_FILES)} is here.")
            self.warnings.extend(spelled_otherwise(self.entries))
            return None
        first, *others = found
        self.looked_at.append(f"Flask: found {first}.")
        for name in others:
            self.looked_at.append(f"Flask: {name} is skipped.")
        self._check_rivals(first, others, asgi=False)
        self._check_app_object(first)
        return self._gunicorn(
            "flask",
            f"{first[:-3]}:app",
            f"{first} is the first of {', '.join(azure_names.FLASK_FILES)} that is here",
        )

    def default(self) -> StartPlan:
        self.looked_at.append("Nothing found: the default site.")
        self._hint_at_misplaced_apps()
        return self._gunicorn(
            "default",
            None,
            "no startup command was given and nothing was detected",
        )

    def _gunicorn(self, framework: str, app: str | None, rule: str, extra: str = "") -> StartPlan:
        # Every site has the script's own 600 s: warn only about a timeout that the user set.
        self._check_timeout(self.settings.get("GUNICORN_CMD_ARGS", ""), "GUNICORN_CMD_ARGS")
        folder = self.folder if app else azure_names.DEFAULT_SITE_FOLDER
        arguments = gunicorn.gunicorn_environment(self.settings, folder, self.cores)
        command = gunicorn.gunicorn_command(
            extra + (app or azure_names.DEFAULT_SITE_APP), arguments
        )
        environment = {"GUNICORN_CMD_ARGS": arguments}
        if app is not None:
            self.notes.extend(gunicorn.notes(self.settings, self.cores))
        self.warnings.extend(gunicorn.refused(self.settings))
        if self._has_gunicorn_config():
            self.warnings.extend(gunicorn.not_read(self.settings))
        return self._plan(framework, app, command, rule, environment)

    def _has_gunicorn_config(self) -> bool:
        return is_file(self.site, gunicorn.CONFIG)

    def _plan(
        self, framework: str, app: str | None, command: str, rule: str, environment: dict[str, str]
    ) -> StartPlan:
        before = self.settings.get(azure_names.PRE_RUN_COMMAND, "").strip()
        if before:
            self.looked_at.append(f"{azure_names.PRE_RUN_COMMAND} is run before it: {before}")
        return StartPlan(
            framework=framework,
            app=app,
            command=command,
            rule=rule,
            site=str(self.site),
            python_version=".".join(map(str, self.version)),
            environment=environment,
            looked_at=tuple(self.looked_at),
            warnings=tuple(self.warnings),
            notes=tuple(self.notes),
        )

    def _check_rivals(self, first: str, others: list[str], *, asgi: bool) -> None:
        for name in others:
            if python_files.read_names(self.site / name).has_certain("app"):
                self.warnings.append(
                    f"There are {first} and {name}: the platform runs {first}. To run the other, "
                    f"set the startup command to `{serve_command(f'{name[:-3]}:app', asgi=asgi)}`."
                )
                return

    def _check_app_object(self, name: str) -> None:
        names = python_files.read_names(self.site / name)
        if names.error:
            self.warnings.append(f"{name} is not valid Python: {names.error}.")
        elif not names.has("app"):
            instead = names.app_candidates()
            advice = "Define one, or set a startup command."
            if instead:
                other = instead[0]
                command = serve_command(f"{name[:-3]}:{other}", asgi=names.is_asgi(other))
                advice = (
                    f"It has `{other}`: set the startup command to `{command}`, or call it `app`."
                )
            self.warnings.append(
                f"{name} defines no `app`, which gunicorn will look for: the container will not "
                f"start. {advice}"
            )

    def _check_timeout(self, arguments: str, where: str) -> None:
        seconds = timeout_in(arguments)
        # For gunicorn, 0 means no timeout at all.
        if seconds == 0 or (seconds or 0) > azure_names.REQUEST_LIMIT_SECONDS:
            self.warnings.append(
                f"A timeout of {seconds} s in {where} is longer than the load balancer waits: it "
                f"ends a request after {azure_names.REQUEST_LIMIT_SECONDS} s."
            )

    def _is_on(self, name: str) -> bool:
        return self.settings.get(name, "").strip().lower() in ("true", "1")

    def _hint_at_misplaced_apps(self) -> None:
        for found in misplaced_apps(self.entries):
            command = serve_command(found.app, site=found.site, asgi=found.is_asgi)
            if f"`{command}`" not in " ".join(self.warnings):
                self.warnings.append(
                    f"{found.path.as_posix()} has an app, but the platform does not look there. "
                    f"Set the startup command to `{command}`."
                )

    def _hint_at_deeper_wsgi_files(self) -> None:
        for path in deeper_wsgi_files(self.entries):
            folder, package = path.parent.parent, path.parent.name
            self.warnings.append(
                f"{path.as_posix()} is too deep: the platform looks only in folders directly in "
                "the site. Set the startup command to "
                f"`{serve_command(f'{package}.wsgi', site=folder.as_posix())}`."
            )
