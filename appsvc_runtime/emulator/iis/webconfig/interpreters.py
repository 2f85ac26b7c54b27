"""The program and language of a handler: its modules, its scriptProcessor, its application.

Pure. Must not know the rest of the configuration. Names of modules are case-sensitive
(IIS_schema.xml, `handlers`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from .model import Config, FastCgiApplication, Handler

__all__ = [
    "application_of",
    "is_fastcgi",
    "is_fastcgi_python",
    "is_http_platform",
    "is_wfastcgi",
    "language_of",
    "modules_of",
    "python_handler",
    "split_processor",
    "worker_of",
]

_WORKERS: dict[str, Literal["httpplatform", "fastcgi"]] = {
    "FastCgiModule": "fastcgi",
    "httpPlatformHandler": "httpplatform",
    # The name that version 2 may have if it is installed beside version 1.
    "httpPlatformHandlerV2": "httpplatform",
}
_OTHERS = {
    "AspNetCoreModule": "ASP.NET Core",
    "AspNetCoreModuleV2": "ASP.NET Core",
    "CgiModule": "CGI",
    "IsapiModule": "ISAPI",
    "ManagedPipelineHandler": ".NET",
    "iisnode": "Node.js",
}
_PROGRAMS = {"php": "PHP", "ruby": "Ruby", "perl": "Perl", "node": "Node.js"}


def split_processor(text: str) -> tuple[str, str]:
    """Split a scriptProcessor at its bar into the program's full path and its arguments.

    Quotes around the path and blanks around either part are dropped. The arguments are "" if there
    is no bar.
    """
    program, _, arguments = text.partition("|")
    program = program.strip()
    if len(program) > 1 and program[0] == program[-1] == '"':
        program = program[1:-1].strip()
    return program, arguments.strip()


def modules_of(handler: Handler) -> list[str]:
    """Return the names of a handler's modules, in order."""
    return [name.strip() for name in handler.modules.split(",")]


def worker_of(module: str) -> Literal["httpplatform", "fastcgi", ""]:
    """Return the kind of process to which a module passes requests, or "" for other modules."""
    return _WORKERS.get(module, "")


def application_of(config: Config, handler: Handler) -> FastCgiApplication:
    """Return the process settings of a FastCGI handler: its `fastCgi` entry, else IIS's defaults.

    IIS identifies an application by its path and arguments; case and surrounding blanks do not
    count.
    """
    program, arguments = split_processor(handler.script_processor)
    made = FastCgiApplication(program, arguments, place=handler.place)
    return next((each for each in config.fast_cgi if each.key == made.key), made)


def is_http_platform(handler: Handler) -> bool:
    """Return whether HttpPlatformHandler, of either version, handles its requests."""
    return _has(handler, "httpplatform")


def is_fastcgi(handler: Handler) -> bool:
    """Return whether FastCGI, with any program, handles its requests."""
    return _has(handler, "fastcgi")


def is_fastcgi_python(handler: Handler) -> bool:
    """Return whether the handler is FastCGI with Python: python.exe, or a program with wfastcgi.

    Visual Studio's local template, `%INTERPRETERPATH%|%WFASTCGIPATH%`, counts.
    """
    if not is_fastcgi(handler):
        return False
    program, arguments = split_processor(handler.script_processor)
    name = program.replace("\\", "/").rpartition("/")[2].lower()
    return name.startswith(("python", "pypy")) or "wfastcgi" in (program + arguments).lower()


def is_wfastcgi(word: str) -> bool:
    """Return whether an argument of Python names wfastcgi: its source, or what was compiled of it.

    Azure's own pages for Python 2.7 have `wfastcgi.pyc`.
    """
    name = word.replace("\\", "/").rpartition("/")[2].lower()
    return name in ("wfastcgi.py", "wfastcgi.pyc")


def python_handler(handlers: Iterable[Handler]) -> Handler | None:
    """Return the first handler, in IIS's order, that sends requests to Python, or None."""
    return next(
        (each for each in handlers if is_http_platform(each) or is_fastcgi_python(each)), None
    )


def language_of(handler: Handler) -> str:
    """Return the other language that a handler is for; "" for Python, files and unknown ones."""
    if is_http_platform(handler) or is_fastcgi_python(handler):
        return ""
    for module in modules_of(handler):
        if module in _OTHERS:
            return _OTHERS[module]
    if is_fastcgi(handler):
        program, _ = split_processor(handler.script_processor)
        name = program.replace("\\", "/").rpartition("/")[2].lower()
        return next((word for start, word in _PROGRAMS.items() if name.startswith(start)), "")
    return ""


def _has(handler: Handler, worker: str) -> bool:
    return any(worker_of(module) == worker for module in modules_of(handler))
