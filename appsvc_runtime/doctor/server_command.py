"""The server that a command line starts: its program, address and port, as each server reads them.

Text in, values out. Must not know of sites. Source of the options and defaults: `--help` of each
server (gunicorn 27, uvicorn 0.51, hypercorn 0.17, granian 2.8, waitress 3.0, Flask 3.1, Django 5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..startup.command import split

__all__ = ["ServerCommand", "option", "read_server_command"]

_PYTHON = re.compile(r"python[0-9.]*")
# The address and port that a server takes if nobody names one; "" for the container's own.
_DEFAULTS = {
    "gunicorn": ("", ""),
    "uvicorn": ("127.0.0.1", "8000"),
    "hypercorn": ("127.0.0.1", "8000"),
    "granian": ("127.0.0.1", "8000"),
    "waitress-serve": ("", "8080"),
    "flask": ("127.0.0.1", "5000"),
    "django": ("127.0.0.1", "8000"),
    "appsvc": ("", ""),
}
_BIND = {
    "gunicorn": ("-b", "--bind"),
    "hypercorn": ("-b", "--bind"),
    "waitress-serve": ("--listen",),
}
_HOST = {
    "uvicorn": ("--host",), "granian": ("--host",), "flask": ("--host", "-h"),
    "waitress-serve": ("--host",), "appsvc": ("--host",),
}  # fmt: skip
_PORT = {
    "uvicorn": ("--port",), "granian": ("--port",), "flask": ("--port", "-p"),
    "waitress-serve": ("--port",), "appsvc": ("--port",),
}  # fmt: skip


@dataclass(frozen=True)
class ServerCommand:
    """What a command line starts.

    `program` is a server's name, or `flask`, `django`, `appsvc`. `address` and `port` are as they
    are written, "" for the server's own choice where the platform's variable decides. `by_module`
    if it is started with `python -m`. `words` are its arguments.
    """

    program: str
    address: str
    port: str
    by_module: bool
    words: tuple[str, ...]

    @property
    def is_asgi(self) -> bool:
        """Whether it runs ASGI apps: by itself, or by gunicorn's worker class."""
        if self.program in ("uvicorn", "hypercorn", "granian"):
            return True
        worker = option(self.words, ("-k", "--worker-class"))
        return any(name in worker.lower() for name in ("uvicorn", "asgi", "hypercorn"))


def read_server_command(command: str) -> ServerCommand | None:
    """Return the server that a command line starts by its last command, None if it is unknown."""
    # Its own default says nothing: the platform always sets PORT.
    command = re.sub(r"\$\{(\w+):?-[^}]*\}", r"$\1", command)
    last = re.split(r"&&|\|\||[;\n]", command)[-1]
    words = split(last)
    while words and (words[0] in ("exec", "env", "nohup") or re.match(r"[A-Za-z_]\w*=", words[0])):
        words = words[1:]
    by_module = False
    if len(words) > 2 and _PYTHON.fullmatch(words[0].rpartition("/")[2]) and words[1] == "-m":
        words, by_module = words[2:], True
    if not words:
        return None
    program = words[0].rpartition("/")[2]
    if program == "uv" and words[1:2] == ["run"]:
        return read_server_command(" ".join(words[2:]))
    if program == "waitress" and by_module:
        program = "waitress-serve"
    if program == "appsvc_runtime" and by_module:
        program = "appsvc"
    arguments = tuple(words[1:])
    if _PYTHON.fullmatch(program) and arguments[:1] and arguments[0].endswith("manage.py"):
        program, arguments = "django", arguments[1:]
        if arguments[:1] != ("runserver",):
            return None
    if program not in _DEFAULTS:
        return None
    address, port = _place(program, arguments)
    return ServerCommand(program, address, port, by_module, arguments)


def option(words: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Return the last value of an option, "" if it is not there."""
    found = ""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        name, sign, value = word.partition("=")
        if name in names:
            found = value if sign else after
        elif len(word) > 2 and word[:2] in names and word[1] != "-":
            found = word[2:]
    return found


def _place(program: str, words: tuple[str, ...]) -> tuple[str, str]:
    address, port = _DEFAULTS[program]
    bind = option(words, _BIND.get(program, ()))
    if program == "django":
        bind = next((word for word in words[1:] if not word.startswith("-")), "")
        bind = bind if ":" in bind or not bind.isdigit() else f"127.0.0.1:{bind}"
    if bind and not bind.startswith(("unix:", "fd:", "/")):
        address, colon, behind = bind.rpartition(":")
        return (address, behind) if colon else (bind, port)
    host = option(words, _HOST.get(program, ()))
    number = option(words, _PORT.get(program, ()))
    return host or address, number or port
