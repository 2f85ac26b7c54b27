"""The command that IIS starts for a web.config, as run on this machine: words, variables, files.

Pure, except that it looks whether files exist. Must not know of requests or running processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from ...azure import names
from ...errors import ConfigError
from ..processes.surroundings import find_wfastcgi
from .webconfig.interpreters import is_wfastcgi, split_processor
from .webconfig.model import Handler, HttpPlatform
from .windows_paths import PathMap, expand, split_command_line

if TYPE_CHECKING:
    from ..processes.interpreter import Interpreter

__all__ = [
    "Command",
    "make_command",
    "make_fastcgi_command",
    "make_wfastcgi_config",
    "with_variables",
]


@dataclass(frozen=True)
class Command:
    """The command line, environment and working directory of a process to start."""

    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    cwd: Path


def with_variables(
    environ: Mapping[str, str],
    variables: tuple[tuple[str, str], ...],
    paths: PathMap,
    windows: Mapping[str, str],
) -> dict[str, str]:
    """Add the variables of a web.config, expanded one after another, with paths of this machine.

    `windows` are more variables for the expansion, which no process gets here. As on Windows, a
    variable replaces one whose name differs only in case.
    """
    made = dict(environ)
    for name, text in variables:
        value = paths.variable(name, expand(text, {**windows, **made}))
        for other in [known for known in made if known.upper() == name.upper()]:
            del made[other]
        made[name] = value
    return made


def make_command(
    settings: HttpPlatform,
    port: int,
    environ: Mapping[str, str],
    paths: PathMap,
    windows: Mapping[str, str],
) -> Command:
    """Return the command that HttpPlatformHandler starts for one process listening on `port`.

    Raises ConfigError if processPath does not exist on this machine.
    """
    made = with_variables(
        {**environ, names.HTTP_PLATFORM_PORT: str(port)},
        settings.environment_variables,
        paths,
        windows,
    )
    known = {**windows, **made}
    program = paths.program(expand(settings.process_path, known))
    if program is None:
        raise ConfigError(
            f"{settings.place}: processPath {settings.process_path!r} is nowhere on this machine.",
            hint=r"Name its folder with --map 'D:\folder=DIR'.",
        )
    words = split_command_line(expand(settings.arguments, known))
    return Command((program, *map(paths.argument, words)), made, paths.site)


def make_fastcgi_command(
    handler: Handler, paths: PathMap, windows: Mapping[str, str], interpreter: Interpreter
) -> list[str]:
    """Return the command of a FastCGI handler's scriptProcessor, with this machine's wfastcgi.

    Raises ConfigError if its program or wfastcgi does not exist on this machine.
    """
    full_path, arguments = split_processor(handler.script_processor)
    program = paths.program(expand(full_path, windows))
    if program is None:
        raise ConfigError(
            f"{handler.place}: scriptProcessor {full_path!r} is nowhere on this machine.",
            hint=r"Name its folder with --map 'D:\folder=DIR'.",
        )
    words = split_command_line(expand(arguments, windows))
    if [word.lower() for word in words[:2]] == ["-m", "wfastcgi"]:
        words[:2] = ["wfastcgi.py"]
    return [
        program,
        *(
            find_wfastcgi(interpreter) if is_wfastcgi(word) else paths.argument(word)
            for word in words
        ),
    ]


def make_wfastcgi_config(
    app_settings: Mapping[str, str], environ: Mapping[str, str], paths: PathMap
) -> bytes:
    """Return a web.config that contains only the appSettings, with this machine's paths as values.

    wfastcgi reads them itself, from a file that it opens as `Web.config`. It expands PYTHONPATH
    with case-sensitive names, unlike Windows, so PYTHONPATH is expanded here already.
    """
    lines = []
    for key, text in app_settings.items():
        value = expand(text, environ) if key.strip().upper() == "PYTHONPATH" else text
        lines.append(f"<add key={quoteattr(key)} value={quoteattr(paths.value(value))}/>")
    body = "\n".join(lines)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f"<configuration><appSettings>\n{body}\n</appSettings></configuration>\n"
    ).encode()
