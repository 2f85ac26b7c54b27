"""Checks a merged configuration for what stops a Python site, or surprises its author.

Takes a `Config` and returns findings. Must not know of files: the caller passes functions that
report whether a path exists and which variables are set. Mistakes of syntax are reported by `file`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Literal

from ....findings import Finding
from ...xml.place import Place
from .interpreters import (
    application_of,
    is_fastcgi,
    is_fastcgi_python,
    is_http_platform,
    language_of,
    python_handler,
    split_processor,
)
from .model import Config, Handler, HttpPlatform
from .port_check import PORT, port_problem
from .unix_servers import unix_server
from .windows_variables import is_windows_variable, names_in
from .wsgi_handler import wsgi_handler_problem

__all__ = ["check", "kind"]

# The attributes that name the program to start.
_PROGRAMS = ("processPath", "scriptProcessor")

# Names of variables for logs; not login, logo, blog or catalog.
_LOG_NAME = re.compile("(?<![AB])LOG(?!IN|O|IC)")
# A Windows path, or the name of a log file; not a log level, a format or a URL.
_PATH = re.compile(
    r"(?:[A-Za-z]:|%[^%]+%|\.{1,2})?[\\/]|[^:%{\s]+[\\/][^:%{]*$|[^:]+\.(?:log|txt)$", re.IGNORECASE
)

# What version 2 reads of its handlerSettings (config_utility.h, lextudio/httpplatformhandlerv2).
_HANDLER_SETTINGS = (
    "enableOutOfProcessConsoleRedirection",
    "forwardResponseConnectionHeader",
    "debugFile",
    "debugLevel",
)

Names = Callable[[str], bool] | Collection[str]
Level = Literal["error", "warning"]


def kind(config: Config) -> Literal["httpplatform", "fastcgi", ""]:
    """Return the module of the first handler that runs Python, or "" if no handler does."""
    handler = python_handler(config.handlers)
    if handler is None:
        return ""
    return "httpplatform" if is_http_platform(handler) else "fastcgi"


def check(
    config: Config,
    *,
    environ_names: Names = (),
    exists: Callable[[str], bool] | None = None,
    source: Callable[[str], str | None] | None = None,
    is_asgi: Callable[[str], bool] | None = None,
) -> tuple[Finding, ...]:
    """Check the configuration of the site's root; return findings in the order of their kinds.

    `environ_names`: the variables that the site has besides those of Windows itself, as names in
    any case, as a mapping of them, or as a function that takes a name in capitals. `exists` takes
    the path of a program as written and returns whether it exists; `source` returns the text of a
    script, or None if it is missing; `is_asgi` returns whether a name certainly means an ASGI app.
    Without these functions neither is checked. Codes: `no-handler`, `other-language`,
    `no-platform`, `no-processor`, `no-program`, `not-windows`, `unused`, `variable`, `no-port`,
    `server-port`, `shared-log`, `no-wsgi-handler`, `wsgi-handler`, `no-wsgi-log`. With an error, no
    page of the site is shown.
    """
    known = _known(environ_names)
    found = _Found()
    handler = python_handler(config.handlers)
    _check_handlers(config, handler, found)
    if handler is None:
        if config.http_platform is not None:
            platform = config.http_platform
            _check_server(platform.process_path, platform.arguments, platform.place, found)
        return tuple(found.findings)
    _check_unused(config, found)
    if not is_http_platform(handler):
        _check_fastcgi(config, handler, known, exists, found)
        _check_wsgi_handler(config, handler, environ_names, (source, is_asgi), found)
    elif config.http_platform is not None:
        _check_platform(config.http_platform, known, exists, found)
        problem = port_problem(config.http_platform, source)
        if problem:
            found.warning(problem.code, config.http_platform.place, problem.message, problem.hint)
    return tuple(found.findings)


def _known(names: Names) -> Callable[[str], bool]:
    if callable(names):
        ask = names
        return lambda name: is_windows_variable(name) or ask(name.upper())
    given = {name.upper() for name in names}
    return lambda name: is_windows_variable(name) or name.upper() in given


class _Found:
    """Collects findings; a variable is reported once for each place."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def error(self, code: str, place: Place, message: str, hint: str = "") -> None:
        self.add(code, "error", place, message, hint)

    def warning(self, code: str, place: Place, message: str, hint: str = "") -> None:
        self.add(code, "warning", place, message, hint)

    def add(self, code: str, level: Level, place: Place, message: str, hint: str = "") -> None:
        self.findings.append(Finding(code, level, str(place), message, hint))

    def variables(self, place: Place, where: str, text: str, known: Callable[[str], bool]) -> bool:
        """Report variables of `text` that are not set; return whether there are any."""
        unset = [name for name in names_in(text) if not known(name)]
        # No program is found by a name with a percent sign; other texts may work unexpanded.
        say = self.error if where in _PROGRAMS else self.warning
        for name in unset:
            message = f"{where} has %{name}%, which is not set."
            hint = "The program receives it unexpanded. Set it as an app setting."
            say("variable", place, message, hint)
        return bool(unset)


def _check_handlers(config: Config, python: Handler | None, found: _Found) -> None:
    # If another handler runs Python, a handler that cannot be emulated is not an error.
    level = found.warning if python else found.error
    for handler in config.handlers:
        if not handler.place.line:
            continue  # one of IIS's own handlers
        _check_handler(handler, level, found)
        if is_http_platform(handler) and config.http_platform is None:
            message = f"The handler {handler.name!r} needs <httpPlatform>, which is missing."
            hint = "Set processPath and arguments there, to name the program to start."
            found.error("no-platform", handler.place, message, hint)
    if python is None and not found.findings:
        _report_no_python(config, found)


def _check_unused(config: Config, found: _Found) -> None:
    """Report a part of the file that no handler of it uses."""
    platforms = [each for each in config.handlers if is_http_platform(each)]
    scripts = [each for each in config.handlers if is_fastcgi_python(each)]
    if config.http_platform is not None and not platforms:
        message = (
            f"<httpPlatform> is not used: the handler {scripts[0].name!r} has modules="
            f'"{scripts[0].modules[:60]}".'
        )
        hint = 'Write modules="httpPlatformHandler" there, or delete <httpPlatform>.'
        found.warning("unused", config.http_platform.place, message, hint)
    if config.app_settings and not scripts and config.http_platform is not None:
        names = ", ".join(name[:60] for name in config.app_settings)
        message = f"The process of <httpPlatform> does not get the appSettings: {names[:200]}."
        hint = "Write them as environmentVariables of <httpPlatform>, or as app settings."
        found.warning("unused", config.http_platform.place, message, hint)


def _check_handler(handler: Handler, level: Callable[..., None], found: _Found) -> None:
    if is_fastcgi(handler) and not handler.script_processor:
        message = f"The handler {handler.name!r} has no scriptProcessor."
        hint = r"Write it as D:\home\Python311x64\python.exe|D:\home\Python311x64\wfastcgi.py."
        found.error("no-processor", handler.place, message, hint)
    elif language := language_of(handler):
        message = f"The handler {handler.name!r} is for {language}, which is not emulated."
        level("other-language", handler.place, message)
    elif is_fastcgi(handler) and not is_fastcgi_python(handler):
        message = f"The scriptProcessor of {handler.name!r} is not python.exe|wfastcgi.py."
        level("no-processor", handler.place, message, "Write both, with a bar between them.")


def _report_no_python(config: Config, found: _Found) -> None:
    place = config.http_platform.place if config.http_platform else Place("web.config")
    hint = (
        "Add one with modules httpPlatformHandler, or FastCgiModule with wfastcgi.py."
        if config.http_platform is None
        else 'Add <add name="PythonHandler" path="*" verb="*" modules="httpPlatformHandler" '
        'resourceType="Unspecified"/>.'
    )
    found.error("no-handler", place, "No handler sends requests to Python.", hint)


def _check_platform(
    platform: HttpPlatform,
    known: Callable[[str], bool],
    exists: Callable[[str], bool] | None,
    found: _Found,
) -> None:
    place = platform.place
    set_here = {name.upper() for name, _ in platform.environment_variables}

    def knows(name: str) -> bool:
        return name.upper() == PORT or name.upper() in set_here or known(name)

    unset = found.variables(place, "processPath", platform.process_path, knows)
    texts = [
        ("arguments", platform.arguments),
        ("stdoutLogFile", platform.stdout_log_file if platform.stdout_log_enabled else ""),
        *((f"The variable {name}", value) for name, value in platform.environment_variables),
    ]
    for where, text in texts:
        found.variables(place, where, text, knows)
    if not unset:
        _check_program(platform.process_path, place, exists, found)
    _check_server(platform.process_path, platform.arguments, place, found)
    _check_variables_for_logs(platform, found)
    for name, _ in platform.handler_settings:
        if name not in _HANDLER_SETTINGS:
            message = f"HttpPlatformHandler has no handlerSetting {name[:60]!r}, and ignores it."
            hint = f"It has {', '.join(_HANDLER_SETTINGS)}."
            found.warning("unused", place, message, hint)


def _check_server(program: str, arguments: str, place: Place, found: _Found) -> None:
    server = unix_server(program, arguments)
    if server is not None:
        message = f"{server[0]} does not run on Windows, so the process never listens under IIS."
        found.error("not-windows", place, message, f"Let python.exe run {server[1]}.")


def _check_variables_for_logs(platform: HttpPlatform, found: _Found) -> None:
    """Report variables that name one log file for several processes."""
    count = platform.processes_per_application
    for name, value in platform.environment_variables:
        # Each process has its own port.
        if count > 1 and _names_a_log(name, value) and PORT not in value.upper():
            message = f"The variable {name} names one log file for {count} processes."
            hint = "Set processesPerApplication to 1, or put %HTTP_PLATFORM_PORT% into the name."
            found.warning("shared-log", platform.place, message, hint)


def _names_a_log(name: str, value: str) -> bool:
    return bool(_LOG_NAME.search(name.upper()) and _PATH.match(value.strip()))


def _check_program(
    path: str, place: Place, exists: Callable[[str], bool] | None, found: _Found
) -> None:
    if path and exists is not None and not exists(path):
        message = f"The program {path[:200]} does not exist."
        hint = "Install the Python site extension, or give the path of its python.exe."
        found.error("no-program", place, message, hint)


def _check_fastcgi(
    config: Config,
    handler: Handler,
    known: Callable[[str], bool],
    exists: Callable[[str], bool] | None,
    found: _Found,
) -> None:
    application = application_of(config, handler)
    # wfastcgi.py lets the settings of web.config override the variables that it was started with.
    values = {
        name.strip().upper(): value
        for name, value in (*application.environment_variables, *config.app_settings.items())
    }

    def knows(name: str) -> bool:
        return name.upper() in values or known(name)

    program, arguments = split_processor(handler.script_processor)
    processor = handler.script_processor
    _check_server(program, arguments, handler.place, found)
    if not found.variables(handler.place, "scriptProcessor", processor, known):
        _check_program(program, handler.place, exists, found)
    for name, value in config.app_settings.items():
        # The only variable that wfastcgi.py expands.
        if name.strip().upper() == "PYTHONPATH":
            found.variables(handler.place, "PYTHONPATH", value, knows)
    if not knows("WSGI_HANDLER"):
        message = "WSGI_HANDLER is set neither in appSettings nor as an app setting of the site."
        hint = "Name your app, as in app.wsgi_app(), or appsvc_runtime.wsgi.application."
        found.error("no-wsgi-handler", handler.place, message, hint)
    if not knows("WSGI_LOG"):
        message = "WSGI_LOG is not set: wfastcgi.py will not log why the app does not start."
        hint = r"Set it to a file that can be written, as in D:\home\LogFiles\wfastcgi.log."
        found.warning("no-wsgi-log", handler.place, message, hint)
    elif values.get("WSGI_LOG") and application.max_instances_set and application.max_instances > 1:
        message = f"{application.max_instances} processes write to one WSGI_LOG."
        hint = "Set maxInstances to 1, or log to a file for each process from within the app."
        found.warning("shared-log", application.place, message, hint)


def _check_wsgi_handler(
    config: Config,
    handler: Handler,
    environ: Names,
    readers: tuple[Callable[[str], str | None] | None, Callable[[str], bool] | None],
    found: _Found,
) -> None:
    """Report a WSGI_HANDLER that wfastcgi cannot use, wherever it is set."""
    pairs = list(environ.items()) if isinstance(environ, Mapping) else []
    # wfastcgi.py lets the appSettings override the variables.
    pairs += (
        *application_of(config, handler).environment_variables,
        *config.app_settings.items(),
    )
    value = {name.strip().upper(): text for name, text in pairs}.get("WSGI_HANDLER")
    problem = wsgi_handler_problem(value, *readers) if value else None
    if problem is not None:
        found.add("wsgi-handler", problem.level, handler.place, problem.message, problem.hint)
