"""START, continued: the lines that a shell runs at each start."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...azure import names
from ...emulator.linux.diagnosis import site as diagnosis
from ...startup.command import split
from ..check import Found, check
from ..site import Site

_INSTALLS = re.compile(r"\b(?:pip3?|uv pip|apt(?:-get)?|apk|poetry|npm)\s+(?:install|add)\b")
# A longer line is data.
_MAX_LINE = 4_000
_DEVELOPMENT = re.compile(
    r"--reload\b|\bflask\s+(?:-\S+\s+(?:[^-\s]\S*\s+)?){0,9}?run\b|\bmanage\.py\s+runserver\b|\bfastapi\s+dev\b"
    r"|\bFLASK_DEBUG=1\b|(?:^|\s)--debug\b"
)


@check("START-08", "The startup file cannot be run", "error",
       source="ImageBuilder, init_container.sh; Oryx")  # fmt: skip
def start_08(site: Site) -> Iterator[Found]:
    """Report startup scripts that a shell cannot read, or of which only a part is read.

    Windows line ends, a byte order mark, no first line such as `#!/bin/bash`; a text file of which
    only the first line counts; a Python file as the startup command.
    """
    seen = diagnosis.Site(
        site.folder, site.command, site.plan, site.given.values if site.given else {}
    )
    for shape in diagnosis.SCRIPT_SHAPES:
        for cause in shape(seen):
            yield Found(
                f"{_sentence(cause.why, site.command_file)}.", cause.hint, site.command_file
            )
    for warning in site.plan.warnings:
        if warning.startswith("The site has no file"):
            yield Found(warning, "Name a file of the site, or write the command itself.")


@check(
    "START-09",
    "A development server, or debugging, is started",
    "warning",
    looks_at="command files",
    source="Flask and Django: their pages on deployment",
)
def start_09(site: Site) -> Iterator[Found]:
    """Report a server that is made for development.

    They serve slowly, restart when files change, and some show an interactive console to anybody.
    """
    lines = [(site.command_file, 0, site.plan.command)] if site.has_command else []
    lines += [(name, number, line) for name, number, line in _script_lines(site)]
    for file, number, line in lines:
        found = _DEVELOPMENT.search(line)
        if found:
            yield Found(
                f"`{_shown(found[0])}` is for development only.",
                "Use `exec appsvc serve`.",
                file,
                number,
                site.masked(line.strip()),
            )
    words = split(site.plan.command) if site.has_command else []
    name = next((word for word in words if word.endswith(".py")), "")
    source = site.sources.parse(name) if words and name and "python" in words[0] else None
    for call in source.calls() if source else ():
        debug = call.keyword("debug")
        if call.last == "run" and debug is not None and getattr(debug, "value", False) is True:
            yield Found(
                f"{name} starts Flask's development server with its debugger, which runs code for "
                "anybody.",
                "Use `exec appsvc serve`.",
                name,
                call.line,
            )


@check("START-10", "Packages are installed at each start", "warning", looks_at="command files",
       source="microsoft/Oryx#1522; reference-app-settings")  # fmt: skip
def start_10(site: Site) -> Iterator[Found]:
    """Report `pip install` and the like in what runs at each start of the container.

    A start has 230 s, each new instance pays again, and what is installed is gone with the
    container. Packages belong into requirements.txt, system packages into an image of your own.
    """
    lines = [(site.command_file, 0, site.plan.command)] if site.has_command else []
    for file, number, line in [*lines, *_script_lines(site)]:
        found = _INSTALLS.search(line)
        if found:
            yield Found(
                f"`{found[0]}` runs at each start.",
                "Move it to requirements.txt, or to POST_BUILD_COMMAND.",
                file,
                number,
                site.masked(line.strip()),
            )


def _sentence(text: str, file: str) -> str:
    """Return a text with a capital, but a file's name as it is."""
    return text if file and text.startswith(file) else f"{text[:1].upper()}{text[1:]}"


def _shown(text: str) -> str:
    """Return the program and its command without the options between them."""
    words = text.split()
    return f"{words[0]} {words[-1]}" if len(words) > 2 else " ".join(words)


def _script_lines(site: Site) -> Iterator[tuple[str, int, str]]:
    """Yield the lines of the scripts that a startup command runs, without comments."""
    for word in split(site.command):
        name = word.removeprefix(f"{names.SITE_FOLDER}/").removeprefix("./")
        if name.endswith(".sh") and site.has(name):
            for number, line in enumerate(site.text(name).splitlines(), 1):
                if line.strip() and not line.lstrip().startswith("#"):
                    yield name, number, line[:_MAX_LINE]
