"""Why a container did not start: takes what was observed, returns the reason and what to do.

Pure. The texts that are searched for are those of dash, bash, Python and gunicorn. Must not know of
processes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...azure import names
from ...azure.ports import with_port
from .missing_settings import missing_settings, set_hint

__all__ = ["Seen", "Trouble", "find_trouble", "wrong_place"]


@dataclass(frozen=True)
class Trouble:
    """Why no container can respond: a sentence, a hint, the container's output and its command."""

    why: str
    hint: str = ""
    output: str = ""
    command: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, [self.why, self.hint]))


@dataclass(frozen=True)
class Seen:
    """What was observed of a start that failed.

    `code` is the exit code of the container's first process, negative for a signal, or None if it
    still ran after `limit` seconds. `listened` holds the addresses where the container listened,
    `port` is where it should have listened. `answer` is the result of the last warm-up request.
    `has_file` returns whether the site has a file of the given name.
    """

    command: str
    port: int
    output: str = ""
    code: int | None = None
    limit: float = 230.0
    listened: Sequence[tuple[str, int]] = ()
    answer: str = ""
    has_file: Callable[[str], bool] = lambda _: False
    antenv: bool = True


_SIGKILL, _NOT_FOUND, _NOT_EXECUTABLE = 9, 127, 126
_ON_PORT = "bind to 0.0.0.0 and the port in PORT"
_COMMAND_MISSING = re.compile(
    r"^(?:.*?\d+: (?:exec: )?|(?:/usr/bin/)?env: ['\u2018])(?P<word>[^:\n]+?)['\u2019]?: "
    r"(?:not found|command not found|No such file.*)$",
    re.MULTILINE,
)
_NOT_RUN_AS_MODULE = re.compile(
    r"^(?:.*[\\/])?python[\d.]*: (?:Error while finding module specification for .*?"
    r"ModuleNotFoundError: )?No module named '?(?P<name>[\w.]+)",
    re.MULTILINE,
)
# What command-line programs print last: this package, click, argparse.
_ERROR_LINE = re.compile(
    r"^(?:\w[\w.-]*: )?[Ee]rror: (?P<said>.+(?:\n  - .+)*)$",
    re.MULTILINE,
)
_DENIED = re.compile(r"^.*?\d+: (?P<word>[^:\n]+): Permission denied$", re.MULTILINE)
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<name>[^']+)'")
_NO_ATTRIBUTE = re.compile(r"Failed to find attribute '(?P<name>[^']+)' in '(?P<module>[^']+)'")
_NO_APP = re.compile(r"Error loading ASGI app\. (?P<said>.*)")
_IN_USE = re.compile(r"(?:Address|Connection|address) (?:already )?in use", re.IGNORECASE)
_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')
_EXCEPTION = re.compile(
    r"^(?P<what>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Warning|Interrupt|Configured)(?:: .*)?)$"
)
# Parts of paths in a traceback that do not belong to the app.
_FOREIGN = ("/site-packages/", "/lib/python", "<frozen ")
# Commands that neither the image nor a shell has, but packages install.
_OTHERS_COMMANDS = frozenset("flask daphne hypercorn granian waitress-serve".split())
_OWN_NAMES = frozenset({"appsvc", "appsvc_runtime"})
# Modules that web apps often import and whose package has a different name.
_PACKAGES = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "decouple": "python-decouple",
    "dotenv": "python-dotenv",
    "environ": "django-environ",
    "flask_sqlalchemy": "flask-sqlalchemy",
    "jwt": "PyJWT",
    "rest_framework": "djangorestframework",
    "corsheaders": "django-cors-headers",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "Crypto": "pycryptodome",
}


def wrong_place(listened: Sequence[tuple[str, int]], port: int) -> str:
    """Return where a container listens instead of on its port; "" if on its port, or unknown."""
    if not listened:
        return ""
    on_port = [address for address, number in listened if number == port]
    if any(not ipaddress.ip_address(address).is_loopback for address in on_port):
        return ""
    if on_port:
        shown = " and ".join(with_port(address, port) for address in on_port)
        return f"The container listens on {shown} only, which cannot be reached from outside"
    shown = " and ".join(with_port(address, number) for address, number in listened[:3])
    return f"The container listens on {shown} instead of port {port}"


def find_trouble(seen: Seen) -> Trouble:
    """Return why a container did not start."""
    why, hint = _ended(seen) if seen.code is not None else _still_running(seen)
    return Trouble(why, hint, seen.output, seen.command)


def _still_running(seen: Seen) -> tuple[str, str]:
    limit = (
        f"within {seen.limit:g} s (WEBSITES_CONTAINER_START_TIME_LIMIT), so the platform stops it"
    )
    elsewhere = wrong_place(seen.listened, seen.port)
    if elsewhere:
        loopback = any(number == seen.port for _, number in seen.listened)
        hint = f"Have it {_ON_PORT}" if loopback else f"Have it {_ON_PORT}, which is {seen.port}"
        return f"{elsewhere}: no response came {limit}.", f"{hint}: --bind 0.0.0.0:$PORT."
    if seen.listened:
        said = f" ({seen.answer})" if seen.answer else ""
        return (
            f"The container listens on port {seen.port}, but gave no response{said} {limit}.",
            "Check what its first request waits for: a database, another service, a lock.",
        )
    return (
        f"The container runs, but listened on no port {limit}.",
        "Check what it waits for before it listens; its output may show it.",
    )


def _ended(seen: Seen) -> tuple[str, str]:
    code = seen.code or 0
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    for rule in (_command, _application, _exception, _error_line, _port):
        found = rule(seen)
        if found is not None:
            why, hint = found
            return f"The container ended {how}: {why}.", hint
    if code in (-_SIGKILL, 128 + _SIGKILL):
        return (
            f"The container was ended {how} before it responded.",
            "If nobody killed it by hand, the machine ran out of memory.",
        )
    if not code:
        return (
            "The container's command ended (exit code 0) before anything listened.",
            "The command must run a server in the foreground: do not put it into the background.",
        )
    return f"The container ended {how} before it responded.", "Its output shows why."


def _command(seen: Seen) -> tuple[str, str] | None:
    """Find a command that is missing or cannot be run."""
    unknown = _NOT_RUN_AS_MODULE.search(seen.output)
    if unknown:
        return _no_module(seen, unknown["name"])
    found = _COMMAND_MISSING.search(seen.output)
    if seen.code == _NOT_FOUND and found:
        word = found["word"].strip()
        name = word.rstrip("\r").removeprefix(f"{names.SITE_FOLDER}/")
        if seen.has_file(name):
            return (
                f"the script {name} exists, but the program that its first line names does not",
                "Use Unix line ends (LF, not CRLF), and a first line such as #!/bin/sh.",
            )
        if word in _OWN_NAMES:
            return _not_installed(word)
        hint = "Look for a typo in the startup command."
        if word in _OTHERS_COMMANDS:
            hint = f"Add the package that installs {word} to requirements.txt."
        return f"there is no command {word!r} in it", hint
    denied = _DENIED.search(seen.output)
    if seen.code == _NOT_EXECUTABLE and denied:
        return (
            f"{denied['word']} cannot be run, permission denied",
            "A startup command is a command, or a file that ends in .sh.",
        )
    return None


def _application(seen: Seen) -> tuple[str, str] | None:
    """Find a server that does not find its app."""
    found = _NO_ATTRIBUTE.search(seen.output)
    if found:
        module, name = found["module"], found["name"]
        return (
            f"the module {module} has no `{name}`, which the server is told to serve",
            f"Call the app `{name}`, or name it in a startup command: gunicorn {module}:NAME.",
        )
    asgi = _NO_APP.search(seen.output)
    if asgi:
        return (
            f"the server does not find the app ({asgi['said'].rstrip('.')})",
            "Name the module and the app in it: uvicorn MODULE:NAME.",
        )
    return None


def _exception(seen: Seen) -> tuple[str, str] | None:
    """Find the exception that ended the container, and where it was raised."""
    missing = [found["name"] for found in _NO_MODULE.finditer(seen.output)]
    if missing:
        return _no_module(seen, missing[-1])
    what, place, at = _last_exception(seen.output)
    errors = list(_ERROR_LINE.finditer(seen.output))
    if not what or (errors and errors[-1].start() > at):
        return None
    where = f", at {place}" if place else ""
    settings = missing_settings(seen.output[max(seen.output.rfind(_TRACEBACK), 0) :])
    if settings:
        reason = what.partition(": ")[0] if "validation error" in what else what.rstrip(".")
        named = " and ".join(settings)
        return f"the app needs the setting {named} ({reason}{where})", set_hint(settings)
    return f"the app raised {what.rstrip('.')}{where}", "Fix that, and start again."


def _no_module(seen: Seen, name: str) -> tuple[str, str]:
    """Return the reason for a missing module, and how to install it."""
    top = name.partition(".")[0]
    if top in _OWN_NAMES:
        return _not_installed(name)
    if seen.has_file(f"{top}.py") or seen.has_file(f"{top}/__init__.py"):
        hint = "It is in the site: check from which folder it is imported."
    elif not seen.antenv:
        hint = "The site was not built, so none of its packages is installed: build it."
    else:
        package = _PACKAGES.get(top, top.replace("_", "-"))
        hint = f"Add {package} to requirements.txt."
    return f"the module {name!r} is missing (ModuleNotFoundError)", hint


def _not_installed(name: str) -> tuple[str, str]:
    return (
        f"{name} is not installed in it",
        "Add appsvc-runtime to requirements.txt: the path of its wheel, which is deployed with the "
        "site.",
    )


def _error_line(seen: Seen) -> tuple[str, str] | None:
    """Find the last message that a command-line program printed about its end."""
    found = list(_ERROR_LINE.finditer(seen.output))
    if not found:
        return None
    said = found[-1]["said"].rstrip(".")
    settings = missing_settings(said)
    return said, set_hint(settings) if settings and "--set" not in said else ""


def _last_exception(output: str) -> tuple[str, str, int]:
    """Return the last exception in a text, the place that raised it, and its position in the text.

    The exception and the place are "" if they are not found.
    """
    what = place = ""
    at = start = 0
    frames: list[str] = []
    inside = False
    for whole in output.splitlines(keepends=True):
        line, start, begin = whole.rstrip("\r\n"), start + len(whole), start
        frame = _FRAME.match(line)
        if line.strip().endswith(_TRACEBACK):
            inside, frames = True, []
        elif frame:
            inside = True
            frames.append(f"{frame['file']}, line {frame['line']}")
        elif inside and line and not line[0].isspace():
            inside, what, place, at = False, line.strip(), _own_frame(frames), begin
        elif not (inside or what) and _EXCEPTION.match(line.strip()):
            what, at = line.strip(), begin
    return what, place, at


def _own_frame(frames: list[str]) -> str:
    """Return the last frame of the app's own code, else the last frame, or "" without any."""
    own = [frame for frame in frames if not any(foreign in frame for foreign in _FOREIGN)]
    return (own or frames or [""])[-1]


def _port(seen: Seen) -> tuple[str, str] | None:
    if _IN_USE.search(seen.output):
        return (
            "the port that it binds to is taken",
            f"Have it {_ON_PORT}, which is {seen.port} here: --bind 0.0.0.0:$PORT.",
        )
    return None
