"""What a handler starts, and in which language: its modules, its scriptProcessor, its application.

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
    "language_of",
    "modules_of",
    "python_handler",
    "split_processor",
    "worker_of",
]

_WORKERS: dict[str, Literal["httpplatform", "fastcgi"]] = {
    "FastCgiModule": "fastcgi",
    "httpPlatformHandler": "httpplatform",
    # The name under which version 2 may be installed beside version 1.
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
    """Cut a scriptProcessor at its bar into the program's full path and its arguments.

    Quotes around the path and blanks around either part are dropped; without a bar there are no
    arguments.
    """
    program, _, arguments = text.partition("|")
    program = program.strip()
    if len(program) > 1 and program[0] == program[-1] == '"':
        program = program[1:-1].strip()
    return program, arguments.strip()


def modules_of(handler: Handler) -> list[str]:
    """Give the names of its modules, in their order."""
    return [name.strip() for name in handler.modules.split(",")]


def worker_of(module: str) -> Literal["httpplatform", "fastcgi", ""]:
    """Say which processes a module hands requests to; "" for any other module."""
    return _WORKERS.get(module, "")


def application_of(config: Config, handler: Handler) -> FastCgiApplication:
    """Give the settings of a FastCGI handler's processes: its own of `fastCgi`, else IIS's.

    IIS knows an application by its path and its arguments; case and blanks around do not count.
    """
    program, arguments = split_processor(handler.script_processor)
    wanted = program.lower(), arguments.lower()
    for application in config.fast_cgi:
        path, words = application.full_path.strip(), application.arguments.strip()
        if (path.lower(), words.lower()) == wanted:
            return application
    return FastCgiApplication(program, arguments, place=handler.place)


def is_http_platform(handler: Handler) -> bool:
    """Whether HttpPlatformHandler, of either version, takes its requests."""
    return _has(handler, "httpplatform")


def is_fastcgi(handler: Handler) -> bool:
    """Whether FastCGI, with whatever program, takes its requests."""
    return _has(handler, "fastcgi")


def is_fastcgi_python(handler: Handler) -> bool:
    """Whether it is FastCGI with a Python: python.exe, or anything with wfastcgi.

    Visual Studio's local template, `%INTERPRETERPATH%|%WFASTCGIPATH%`, counts.
    """
    if not is_fastcgi(handler):
        return False
    program, arguments = split_processor(handler.script_processor)
    name = program.replace("\\", "/").rpartition("/")[2].lower()
    return name.startswith(("python", "pypy")) or "wfastcgi" in (program + arguments).lower()


def python_handler(handlers: Iterable[Handler]) -> Handler | None:
    """Give the first handler, in IIS's order, that sends requests to Python."""
    return next(
        (each for each in handlers if is_http_platform(each) or is_fastcgi_python(each)), None
    )


def language_of(handler: Handler) -> str:
    """Name the other language that a handler is for; "" for Python, files and what is not known."""
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
