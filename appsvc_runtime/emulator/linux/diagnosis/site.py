"""What lies in a site and keeps it from starting: one table of shapes, a function each.

A folder, a start plan and settings in, `Cause`s out: `appsvc explain` and the emulator print them,
and a failed start is explained by the first one that fits what was observed. Reads files only, and
starts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ....azure import names
from ....startup import interface, python_files
from ....startup.command import serve_command, split
from ....startup.plan import StartPlan
from ....system import exact_names
from . import modules
from .listening import wrong_place
from .programs import NOT_EXECUTABLE, NOT_FOUND
from .seen import Cause, Seen
from .shell_files import shell_files

__all__ = ["SCRIPT_SHAPES", "SHAPES", "Site", "asgi_cause", "describe", "find_causes"]

_SYNTAX = 2  # a shell's exit code for what it cannot read
_BAD_SCRIPT = (_SYNTAX, NOT_EXECUTABLE, NOT_FOUND)
_SCRIPT_SETTINGS = (
    names.PRE_RUN_COMMAND,
    "PRE_BUILD_COMMAND",
    "POST_BUILD_COMMAND",
    "PRE_BUILD_SCRIPT_PATH",
    "POST_BUILD_SCRIPT_PATH",
    "CUSTOM_BUILD_COMMAND",
)
_PROJECT_FILES = ("requirements.txt", "pyproject.toml", "setup.py")
_REQUIREMENTS_PATH = "CUSTOM_REQUIREMENTSTXT_PATH"
_WORKER = re.compile(r"(?:^|\s)(?:-k|--worker-class|-c|--config)")
# Folders that hold no project of the site's own.
_SKIPPED = frozenset({"node_modules", "site-packages", "__pycache__", names.VIRTUAL_ENVIRONMENT})
_SERVE = re.compile(r"exec appsvc serve (?:--server \w+ )?([^`]+)`")
# A line of a shell about a script: `start.sh: 2: ...`, `start.sh: line 2: ...`.
_SHELL_SAYS = re.compile(r": (?:line )?\d+: |not found|bad interpreter|Exec format")
# What sh says of bash's own words, and the system of a file that no program reads.
_NOT_SH = re.compile(
    r"[Ss]yntax error|Bad substitution|Exec format"
    r"|(?:\[\[|source|function|shopt|declare|pushd|popd|let): not found"
)
# A CR that came into a program's argument, as it is or as programs show it.
_CR = re.compile(r"\r(?!\n)|\\r['\"]")


@dataclass(frozen=True)
class Site:
    """A site's folder, its startup command ("" if it has none), its plan, and its app settings."""

    folder: Path
    startup_command: str
    plan: StartPlan
    settings: Mapping[str, str] = field(repr=False)

    def startup_file(self) -> str:
        """Return the file that the startup command names, "" if it names none."""
        words = split(self.startup_command)
        name = words[0].removeprefix(f"{names.SITE_FOLDER}/") if len(words) == 1 else ""
        return name if name and self.has(name) else ""

    def has(self, name: str) -> bool:
        """Return whether the site has a file of this name."""
        return exact_names.is_file(self.folder, name)

    def commands(self) -> list[str]:
        """Return the command lines that a shell runs for the site."""
        return [self.plan.command, *filter(None, map(self.settings.get, _SCRIPT_SETTINGS))]


def find_causes(site: Site) -> tuple[Cause, ...]:
    """Return what lies in the site and can keep it from starting, the likeliest first."""
    return tuple(cause for shape in SHAPES for cause in shape(site))


def describe(plan: StartPlan, causes: Iterable[Cause]) -> list[str]:
    """Return a plan's warnings and the causes, without those that a warning names already."""
    named = set(_SERVE.findall(" ".join(plan.warnings)))
    begun = tuple(warning.lower().partition(":")[0] for warning in plan.warnings)
    more = [
        str(one)
        for one in causes
        if not named.intersection(_SERVE.findall(one.hint))
        and one.why.lower().partition(",")[0] not in begun
    ]
    return list(dict.fromkeys((*plan.warnings, *more)))


def _python_file(site: Site) -> Iterator[Cause]:
    """Find a `.py` file as startup command."""
    name = site.startup_file()
    if not name.endswith(".py"):
        return
    apps = python_files.read_names(site.folder / name).made_apps()
    module = name.removesuffix(".py").replace("/", ".")
    command = serve_command(f"{module}:{apps[0]}") if apps else f"python {name}"
    yield Cause(
        f"the startup command {name} is a Python file, and the platform runs its first line as a "
        "shell command",
        f"Set the startup command to `{command}`.",
        lambda seen: seen.code in (0, *_BAD_SCRIPT),
    )


def _first_line(site: Site) -> Iterator[Cause]:
    """Find a startup file whose first line is a comment, or empty."""
    name = site.startup_file()
    if not name or name.endswith((".sh", ".py")):
        return
    line = site.plan.command.strip()
    what = "a comment" if line.startswith("#") else "" if line else "empty"
    if what:
        yield Cause(
            f"the first line of {name} is {what}, and the platform runs that line only",
            "Write the command into the first line, or give the file a name that ends in .sh.",
            lambda seen: seen.code == 0,
        )


def _line_ends(site: Site) -> Iterator[Cause]:
    """Find Windows line ends, or a byte order mark, in a file that a shell reads."""
    for file in shell_files(site.folder, site.commands()):
        if file.crlf:
            yield Cause(
                f"{file.name} has Windows line ends (CRLF), and a shell takes the CR for a part of "
                "each line's last word",
                "Save it with Unix line ends (LF); `*.sh text eol=lf` in .gitattributes keeps "
                "them.",
                lambda seen: _is_bad_script(seen) or bool(_CR.search(seen.output)),
            )
        if file.bom:
            yield Cause(
                f"{file.name} begins with a byte order mark, which a shell takes for a part of the "
                "first word",
                "Save it as UTF-8 without BOM.",
                _is_bad_script,
            )


def _first_program(site: Site) -> Iterator[Cause]:
    """Find a script that is run by its own name, and whose first line names no program."""
    for file in shell_files(site.folder, site.commands()):
        if not (file.by_shell or file.shebang):
            yield Cause(
                f"{file.name} has no first line such as #!/bin/bash, so that sh runs it, or "
                "nothing can",
                "Write #!/bin/bash, or #!/bin/sh, as its first line.",
                lambda seen: seen.code in _BAD_SCRIPT and bool(_NOT_SH.search(seen.output)),
            )


def _asgi(site: Site) -> Iterator[Cause]:
    """Find an ASGI app under gunicorn's default worker, or under waitress."""
    app, words = site.plan.app, split(site.plan.command)
    programs = {word.rpartition("/")[2] for word in words} & {"gunicorn", "waitress-serve"}
    if not app or not programs or "appsvc" in words:
        return
    arguments = f"{site.plan.command} {site.settings.get('GUNICORN_CMD_ARGS', '')}"
    if "gunicorn" in programs and (_WORKER.search(arguments) or site.has("gunicorn.conf.py")):
        return
    if interface.read_interface(app, site.folder) != interface.ASGI:
        return
    yield asgi_cause(app, "waitress" if "waitress-serve" in programs else "")


def asgi_cause(app: str, server: str = "") -> Cause:
    """Return the cause for an ASGI app under a server for WSGI apps, gunicorn by default."""
    which = f"{server}, which runs" if server else "gunicorn's default worker, which runs"
    add = "" if server else f"Add -k {names.FASTAPI_WORKER} (package uvicorn-worker), or set"
    return Cause(
        f"{app or 'the app'} is an ASGI app under {which} WSGI apps only, so that each request "
        "gets status 500",
        f"{add or 'Set'} the startup command to `{serve_command(app or 'module:app')}`.",
        lambda seen: "positional argument" in seen.output,
    )


def _elsewhere(site: Site) -> Iterator[Cause]:
    """Find requirements in a folder, and none at the top."""
    if any(map(site.has, _PROJECT_FILES)) or site.settings.get(_REQUIREMENTS_PATH, "").strip():
        return
    for folder in _folders(site.folder):
        name = f"{folder}/requirements.txt"
        if site.has(name):
            yield Cause(
                f"{name} is not in the top folder of the site, so that the build installs nothing "
                "of it",
                f"Deploy the folder {folder}, or set {_REQUIREMENTS_PATH}={name}.",
                lambda seen: bool(modules.missing_in(seen.output)) and not _has_missing(seen),
            )
            return


def _source_folder(site: Site) -> Iterator[Cause]:
    """Find an app below `src` that is started without it."""
    module = (site.plan.app or "").partition(":")[0].partition(".")[0]
    words = split(site.plan.command)
    if not module.isidentifier() or site.has(f"{module}.py") or site.has(f"{module}/__init__.py"):
        return
    if any(word.startswith(("--chdir", "--site", "--app-dir", "--pythonpath")) for word in words):
        return
    if site.has(f"src/{module}.py") or site.has(f"src/{module}/__init__.py"):
        command = serve_command(site.plan.app or "", site="src")
        yield Cause(
            f"the module {module} is in the folder src, from which the container does not import",
            f"Set the startup command to `{command}`.",
            lambda seen: module in modules.missing_in(seen.output),
        )


def _other_file(site: Site) -> Iterator[Cause]:
    """Find a startup command for a module that is not there, while another file has the app."""
    module, _, attribute = (site.plan.app or "").partition(":")
    if site.plan.framework != "custom" or not module.isidentifier() or not attribute:
        return
    if site.has(f"{module}.py") or exact_names.is_folder(site.folder, module):
        return
    for name in dict.fromkeys(("main.py", *names.FLASK_FILES)):
        apps = python_files.read_names(site.folder / name).made_apps() if site.has(name) else []
        if apps:
            yield Cause(
                f"the site has no module {module}, but {name} has an app",
                f"Set the startup command to `{serve_command(f'{name[:-3]}:{apps[0]}')}`.",
                lambda seen: module in modules.missing_in(seen.output),
            )
            return


def _websites_port(site: Site) -> Iterator[Cause]:
    """Find `WEBSITES_PORT`, which is for images of one's own."""
    if site.settings.get("WEBSITES_PORT", "").strip():
        yield Cause(
            "the setting WEBSITES_PORT is for images of your own and does nothing for the Python "
            "images, whose port is in PORT",
            "Remove it, and have the server bind to 0.0.0.0:$PORT.",
            lambda seen: bool(wrong_place(seen.listened, seen.port)),
        )


# Those of the files that a startup command runs.
SCRIPT_SHAPES: tuple[Callable[[Site], Iterator[Cause]], ...] = (
    _python_file,
    _first_line,
    _line_ends,
    _first_program,
)
SHAPES: tuple[Callable[[Site], Iterator[Cause]], ...] = (
    *SCRIPT_SHAPES,
    _asgi,
    _source_folder,
    _other_file,
    _elsewhere,
    _websites_port,
)


def _is_bad_script(seen: Seen) -> bool:
    """Return whether a shell could not read a script."""
    return seen.code in _BAD_SCRIPT and bool(_SHELL_SAYS.search(seen.output) or not seen.output)


def _has_missing(seen: Seen) -> bool:
    """Return whether the last missing module is the site's own."""
    top = modules.missing_in(seen.output)[-1].partition(".")[0]
    return seen.has_file(f"{top}.py") or seen.has_file(f"{top}/__init__.py")


def _folders(site: Path) -> list[str]:
    try:
        found = sorted(path for path in site.iterdir() if path.is_dir())
    except OSError:
        return []
    return [path.name for path in found if path.name not in _SKIPPED and path.name[0] != "."]
