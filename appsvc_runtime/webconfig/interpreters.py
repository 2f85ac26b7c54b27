"""Which language a handler is for, from its modules and its scriptProcessor.

Pure. Must not know what else the configuration says. Names of modules are case-sensitive
(IIS_schema.xml, `handlers`).
"""

from __future__ import annotations

from collections.abc import Iterable

from .model import Handler

__all__ = [
    "FASTCGI_MODULE",
    "is_fastcgi_python",
    "is_http_platform",
    "language_of",
    "python_handler",
    "split_processor",
]

FASTCGI_MODULE = "FastCgiModule"
# The second is the name under which version 2 may be installed beside version 1.
_PLATFORM_MODULES = frozenset({"httpPlatformHandler", "httpPlatformHandlerV2"})
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
    """Cut a scriptProcessor at its bar into the program, without quotes, and its arguments."""
    program, _, arguments = text.partition("|")
    return program.strip().strip('"'), arguments.strip()


def is_http_platform(handler: Handler) -> bool:
    """Whether HttpPlatformHandler, of either version, takes its requests."""
    return not _PLATFORM_MODULES.isdisjoint(_modules(handler))


def is_fastcgi_python(handler: Handler) -> bool:
    """Whether it is FastCGI with a Python: python.exe, or anything with wfastcgi.

    Visual Studio's local template, `%INTERPRETERPATH%|%WFASTCGIPATH%`, counts.
    """
    if FASTCGI_MODULE not in _modules(handler):
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
    modules = _modules(handler)
    for module in modules:
        if module in _OTHERS:
            return _OTHERS[module]
    if FASTCGI_MODULE in modules:
        program, _ = split_processor(handler.script_processor)
        name = program.replace("\\", "/").rpartition("/")[2].lower()
        return next((word for start, word in _PROGRAMS.items() if name.startswith(start)), "")
    return ""


def _modules(handler: Handler) -> list[str]:
    return [name.strip() for name in handler.modules.split(",")]
